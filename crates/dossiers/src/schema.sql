create table dossier_pack (
  pack TEXT primary key,
  body TEXT not null
);
create table dossier_secret (
  id BIGINT primary key,
  secret TEXT not null
);
-- One row a dossier, as it stands. `month` is the month of receipt; `paused_since` is set while it waits.
create table dossier (
  code TEXT primary key,
  source TEXT not null,
  procedure TEXT not null,
  unit TEXT not null,
  commune TEXT not null,
  channel BIGINT not null,
  state BIGINT not null,
  state_at BIGINT not null,
  registered_at BIGINT,
  received_at BIGINT,
  month TEXT not null,
  appointed_at BIGINT,
  due_at BIGINT,
  finished_at BIGINT,
  returned_at BIGINT,
  ended_at BIGINT,
  ended BIGINT not null,
  paused_since BIGINT,
  pauses TEXT not null,
  supplements BIGINT not null,
  last_supplement_at BIGINT,
  slips BIGINT not null,
  promised_at BIGINT,
  late BIGINT not null,
  late_at BIGINT,
  late_why TEXT,
  took BIGINT,
  fee BIGINT not null,
  paid_at BIGINT,
  paid_online BIGINT not null,
  electronic_result BIGINT not null,
  digitised BIGINT not null,
  reused BIGINT not null,
  online BIGINT not null,
  seen_at BIGINT not null,
  updated_at BIGINT,
  fingerprint TEXT not null,
  version BIGINT not null
);
create index dossier_open on dossier (due_at, code) where ended = 0 and month <> '';
create index dossier_open_group on dossier (unit, procedure, commune, late, paused_since, due_at) where ended = 0 and month <> '';
create index dossier_watch on dossier (due_at) where ended = 0 and late = 0 and paused_since is null and due_at is not null;
create index dossier_received on dossier (received_at, code);
create index dossier_unit on dossier (unit, received_at, code);
create index dossier_procedure on dossier (procedure, received_at, code);
create index dossier_commune on dossier (commune, received_at, code);
create index dossier_late on dossier (unit, received_at, code) where late = 1;
create index dossier_ended on dossier (ended_at, unit, code) where ended = 1;
create index dossier_supplement on dossier (last_supplement_at, unit, code) where last_supplement_at is not null;

-- Personal data: nothing but what a look-up and a letter need. Of the telephone number only a keyed hash of its last digits.
create table dossier_applicant (
  code TEXT primary key,
  name TEXT,
  second TEXT
);

create table dossier_log (
  code TEXT not null,
  n BIGINT not null,
  at BIGINT not null,
  noted_at BIGINT not null,
  kind TEXT not null,
  was TEXT,
  became TEXT,
  by_name TEXT not null,
  primary key (code, n)
);

-- Counts by month of receipt, agency and either procedure or commune; kept in the change that makes them true.
create table dossier_tally (
  month TEXT not null,
  unit TEXT not null,
  dim TEXT not null,
  key TEXT not null,
  received BIGINT not null,
  online BIGINT not null,
  ended BIGINT not null,
  late BIGINT not null,
  slips BIGINT not null,
  excess BIGINT not null,
  fee_due BIGINT not null,
  paid BIGINT not null,
  paid_online BIGINT not null,
  electronic_result BIGINT not null,
  digitised BIGINT not null,
  reused BIGINT not null,
  primary key (month, unit, dim, key)
);
-- How many dossiers took how many working half-days.
create table dossier_took (
  month TEXT not null,
  unit TEXT not null,
  dim TEXT not null,
  key TEXT not null,
  half_days BIGINT not null,
  n BIGINT not null,
  primary key (month, unit, dim, key, half_days)
);

create table dossier_slip (
  code TEXT not null,
  n BIGINT not null,
  at BIGINT not null,
  promised_at BIGINT not null,
  was_due_at BIGINT,
  reason TEXT not null,
  by_name TEXT not null,
  primary key (code, n)
);

create table dossier_figure (
  id TEXT primary key,
  score TEXT not null,
  unit TEXT not null,
  period TEXT not null,
  figure TEXT not null,
  value DOUBLE PRECISION not null,
  note TEXT not null,
  status TEXT not null,
  entered_id TEXT not null,
  entered_by TEXT not null,
  entered_at BIGINT not null,
  decided_by TEXT,
  decided_at BIGINT,
  reason TEXT
);
create index dossier_figure_cell on dossier_figure (unit, period, status);
create index dossier_figure_status on dossier_figure (status, id);

create table dossier_tablet (
  id TEXT primary key,
  unit TEXT not null,
  name TEXT not null,
  faces BIGINT not null,
  token TEXT not null unique,
  created_by TEXT not null,
  created_at BIGINT not null,
  last_at BIGINT,
  ended_at BIGINT
);
create table dossier_rating (
  id TEXT primary key,
  tablet TEXT not null,
  unit TEXT not null,
  at BIGINT not null,
  month TEXT not null,
  level BIGINT not null,
  faces BIGINT not null,
  got_at BIGINT not null
);
create index dossier_rating_unit on dossier_rating (unit, month);
