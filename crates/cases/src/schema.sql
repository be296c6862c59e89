create table case_type (
  kind TEXT not null, version BIGINT not null, pack TEXT not null, body TEXT not null, at BIGINT not null,
  primary key (kind, version)
);

create table case_main (
  id TEXT not null primary key, code TEXT not null unique, kind TEXT not null, type_version BIGINT not null,
  category TEXT not null, topic TEXT, urgency TEXT not null, body TEXT not null, answers TEXT not null,
  state TEXT not null, phase TEXT not null, unit TEXT not null, area TEXT, area_name TEXT, address TEXT,
  lon DOUBLE PRECISION, lat DOUBLE PRECISION, source TEXT not null,
  opened_at BIGINT not null, state_since BIGINT not null, closed_at BIGINT, on_time BIGINT,
  total_minutes BIGINT not null, used_minutes BIGINT not null, running_since BIGINT, due_at BIGINT not null, reminded BIGINT not null,
  stopped BIGINT not null, extended BIGINT not null, planned_for TEXT, assignee TEXT,
  published BIGINT not null, public_text TEXT, listed BIGINT not null, draft TEXT, answer TEXT, answered_at BIGINT,
  stars BIGINT, rating_comment TEXT, followers BIGINT not null, merged_into TEXT, routing TEXT not null, key_hash TEXT not null,
  folded TEXT not null, public_folded TEXT not null, version BIGINT not null
);
create index case_main_due on case_main (stopped, due_at, id);
create index case_main_opened on case_main (listed, opened_at, id);
create index case_main_unit on case_main (unit, stopped, due_at);
create index case_main_closed on case_main (closed_at);
create index case_main_place on case_main (lat, lon);

create table case_reporter (case_id TEXT not null primary key references case_main (id), person TEXT, name TEXT, phone TEXT, email TEXT);
create index case_reporter_person on case_reporter (person);

create table case_log (
  case_id TEXT not null references case_main (id), n BIGINT not null, at BIGINT not null, by_id TEXT, by_name TEXT not null,
  step TEXT not null, from_state TEXT not null, to_state TEXT not null, unit TEXT not null,
  note TEXT, reason TEXT, public_text TEXT, photos TEXT not null, late_minutes BIGINT not null,
  primary key (case_id, n)
);

create table case_photo (
  case_id TEXT not null references case_main (id), sha256 TEXT not null, thumb TEXT not null, stage TEXT not null,
  public BIGINT not null, width BIGINT not null, height BIGINT not null, at BIGINT not null,
  primary key (case_id, sha256)
);
create index case_photo_sha on case_photo (sha256);
create index case_photo_thumb on case_photo (thumb);

create table case_follow (case_id TEXT not null references case_main (id), who TEXT not null, at BIGINT not null, primary key (case_id, who));
create table case_flood (who TEXT not null, at BIGINT not null, id TEXT not null, primary key (who, at, id));
create index case_flood_at on case_flood (at);
create table case_setting (name TEXT not null primary key, value TEXT not null);
