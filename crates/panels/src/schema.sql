create table panel_pack (
  pack TEXT primary key,
  body TEXT not null
);
-- What stands where. `zones` and `plans` are JSON; who to call and where keys lie stand in panel_private.
create table panel_premises (
  id TEXT primary key,
  code TEXT not null unique,
  name TEXT not null,
  kind TEXT not null,
  address TEXT not null,
  commune TEXT not null,
  unit TEXT not null,
  lon DOUBLE PRECISION,
  lat DOUBLE PRECISION,
  hazards TEXT not null,
  water TEXT not null,
  approach TEXT not null,
  zones TEXT not null,
  plans TEXT not null,
  folded TEXT not null,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create index panel_premises_unit on panel_premises (unit, code);
-- Personal data: people to call, and where keys lie.
create table panel_private (
  premises TEXT primary key,
  body TEXT not null
);
-- A panel (or a button of the city model). `secret` is the AES key in hexadecimal; nobody is shown it again.
create table panel_account (
  id TEXT primary key,
  scheme TEXT not null,
  account TEXT not null unique,
  name TEXT not null,
  premises TEXT,
  secret TEXT,
  clock_past BIGINT,
  clock_ahead BIGINT,
  supervision BIGINT,
  backup_line TEXT,
  backup_supervision BIGINT,
  maintenance_until BIGINT,
  maintenance_why TEXT,
  active BIGINT not null,
  primary_at BIGINT,
  backup_at BIGINT,
  primary_lost BIGINT,
  backup_lost BIGINT,
  since BIGINT not null,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create index panel_account_premises on panel_account (premises);
-- What came in, word for word. A message is acknowledged after its rows.
create table panel_message (
  id TEXT primary key,
  account TEXT not null,
  at BIGINT not null,
  told_at BIGINT,
  sequence BIGINT not null,
  print TEXT not null,
  path TEXT not null,
  scheme TEXT not null,
  code TEXT not null,
  qualifier BIGINT,
  area TEXT not null,
  zone TEXT not null,
  words TEXT not null,
  extended TEXT not null,
  kind TEXT not null,
  phase TEXT not null,
  signal TEXT,
  maintenance BIGINT not null
);
create index panel_message_repeat on panel_message (account, sequence, at);
create index panel_message_account on panel_message (account, at, id);
create index panel_message_signal on panel_message (signal, at) where signal is not null;
-- What the messages add up to: one row from the first message of a detector to the judgement of a person.
create table panel_signal (
  id TEXT primary key,
  account TEXT not null,
  premises TEXT,
  unit TEXT not null,
  commune TEXT not null,
  kind TEXT not null,
  class TEXT not null,
  rank BIGINT not null,
  scheme TEXT not null,
  code TEXT not null,
  area TEXT not null,
  zone TEXT not null,
  words TEXT not null,
  at BIGINT not null,
  last_at BIGINT not null,
  told_at BIGINT,
  repeats BIGINT not null,
  confirmed_at BIGINT,
  confirmed_why TEXT,
  confirmed_with TEXT,
  restored_at BIGINT,
  acked_at BIGINT,
  acked_by TEXT,
  verdict TEXT,
  verdict_at BIGINT,
  verdict_by TEXT,
  verdict_why TEXT,
  alarm TEXT,
  open BIGINT not null,
  version BIGINT not null
);
create index panel_signal_open on panel_signal (account, kind, zone) where open = 1;
create index panel_signal_near on panel_signal (premises, last_at) where open = 1;
create index panel_signal_list on panel_signal (at, id);
create index panel_signal_premises on panel_signal (premises, at, id);
create index panel_signal_alarm on panel_signal (alarm) where alarm is not null;
