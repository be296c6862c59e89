-- What stands open is counted in an index alone, whatever it is grouped by.
drop index dossier_open_group;
create index dossier_open_unit on dossier (unit, procedure, commune, late, paused_since, due_at, month, ended) where ended = 0 and month <> '';
create index dossier_open_commune on dossier (commune, unit, procedure, late, paused_since, due_at, month, ended) where ended = 0 and month <> '';
create index dossier_open_procedure on dossier (procedure, unit, commune, late, paused_since, due_at, month, ended) where ended = 0 and month <> '';
