-- Sums over all procedures and communes of an agency (`unit`), and over all agencies (`procedures`, `communes`): what boards of a
-- whole province read.
insert into dossier_tally (month, unit, dim, key, received, online, ended, late, slips, excess, fee_due, paid, paid_online, electronic_result, digitised, reused)
  select month, unit, 'unit', '', cast(sum(received) as bigint), cast(sum(online) as bigint), cast(sum(ended) as bigint), cast(sum(late) as bigint), cast(sum(slips) as bigint), cast(sum(excess) as bigint), cast(sum(fee_due) as bigint), cast(sum(paid) as bigint), cast(sum(paid_online) as bigint), cast(sum(electronic_result) as bigint), cast(sum(digitised) as bigint), cast(sum(reused) as bigint)
  from dossier_tally where dim = 'procedure' group by month, unit;
insert into dossier_tally (month, unit, dim, key, received, online, ended, late, slips, excess, fee_due, paid, paid_online, electronic_result, digitised, reused)
  select month, '', 'procedures', key, cast(sum(received) as bigint), cast(sum(online) as bigint), cast(sum(ended) as bigint), cast(sum(late) as bigint), cast(sum(slips) as bigint), cast(sum(excess) as bigint), cast(sum(fee_due) as bigint), cast(sum(paid) as bigint), cast(sum(paid_online) as bigint), cast(sum(electronic_result) as bigint), cast(sum(digitised) as bigint), cast(sum(reused) as bigint)
  from dossier_tally where dim = 'procedure' group by month, key;
insert into dossier_tally (month, unit, dim, key, received, online, ended, late, slips, excess, fee_due, paid, paid_online, electronic_result, digitised, reused)
  select month, '', 'communes', key, cast(sum(received) as bigint), cast(sum(online) as bigint), cast(sum(ended) as bigint), cast(sum(late) as bigint), cast(sum(slips) as bigint), cast(sum(excess) as bigint), cast(sum(fee_due) as bigint), cast(sum(paid) as bigint), cast(sum(paid_online) as bigint), cast(sum(electronic_result) as bigint), cast(sum(digitised) as bigint), cast(sum(reused) as bigint)
  from dossier_tally where dim = 'commune' group by month, key;
insert into dossier_took (month, unit, dim, key, half_days, n)
  select month, unit, 'unit', '', half_days, cast(sum(n) as bigint)
  from dossier_took where dim = 'procedure' group by month, unit, half_days;
insert into dossier_took (month, unit, dim, key, half_days, n)
  select month, '', 'procedures', key, half_days, cast(sum(n) as bigint)
  from dossier_took where dim = 'procedure' group by month, key, half_days;
insert into dossier_took (month, unit, dim, key, half_days, n)
  select month, '', 'communes', key, half_days, cast(sum(n) as bigint)
  from dossier_took where dim = 'commune' group by month, key, half_days;
create index dossier_tally_dim on dossier_tally (dim, unit, month);
create index dossier_took_dim on dossier_took (dim, unit, month);
-- What looks odd is looked for in the index alone.
drop index dossier_ended;
create index dossier_ended on dossier (ended_at, unit, code, due_at, received_at, month, ended) where ended = 1;
drop index dossier_received;
create index dossier_received on dossier (received_at, code, unit, due_at, appointed_at, month);
drop index dossier_supplement;
create index dossier_supplement on dossier (last_supplement_at, unit, code, due_at, received_at) where last_supplement_at is not null;
