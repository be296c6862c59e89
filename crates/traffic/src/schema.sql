create table traffic_pack (
  pack TEXT primary key,
  body TEXT not null
);
-- `line`, `downstream` and `detectors` are JSON.
create table traffic_segment (
  id TEXT primary key,
  code TEXT not null unique,
  name TEXT not null,
  class TEXT not null,
  direction TEXT not null,
  line TEXT not null,
  length_m DOUBLE PRECISION not null,
  free_speed DOUBLE PRECISION not null,
  speed_limit DOUBLE PRECISION,
  lanes BIGINT not null,
  jam_density DOUBLE PRECISION not null,
  unit TEXT not null,
  commune TEXT not null,
  downstream TEXT not null,
  detectors TEXT not null,
  source TEXT not null,
  active BIGINT not null,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create table traffic_route (
  code TEXT primary key,
  body TEXT not null
);
-- What is usual, by segment, and how long a route takes by hour of the week; JSON.
create table traffic_usual (
  segment TEXT primary key,
  body TEXT not null
);
create table traffic_route_usual (
  code TEXT primary key,
  body TEXT not null
);
-- `neighbours` (ids) is JSON. `until` is null while it stands.
create table traffic_incident (
  id TEXT primary key,
  segment TEXT not null,
  measure TEXT not null,
  value DOUBLE PRECISION not null,
  usual DOUBLE PRECISION not null,
  since BIGINT not null,
  at BIGINT not null,
  until BIGINT,
  confirmed BIGINT not null,
  neighbours TEXT not null,
  work TEXT,
  verdict TEXT,
  verdict_by TEXT,
  verdict_why TEXT,
  version BIGINT not null
);
create index traffic_incident_open on traffic_incident (segment) where until is null;
create index traffic_incident_list on traffic_incident (since, id);
-- `body` is what was handed in; `showing` the lines told last, `order_id` the order that told them.
create table traffic_sign (
  id TEXT primary key,
  code TEXT not null unique,
  unit TEXT not null,
  body TEXT not null,
  showing TEXT not null,
  message TEXT,
  order_id TEXT,
  order_state TEXT not null,
  order_at BIGINT,
  order_why TEXT,
  command TEXT,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create table traffic_message (
  id TEXT primary key,
  sign TEXT not null,
  library TEXT,
  lines TEXT not null,
  priority BIGINT not null,
  state TEXT not null,
  minutes BIGINT not null,
  until BIGINT,
  why TEXT not null,
  origin TEXT not null,
  at BIGINT not null,
  by_name TEXT not null,
  by_id TEXT,
  settled_by TEXT,
  version BIGINT not null
);
create index traffic_message_sign on traffic_message (sign, at);
create index traffic_message_origin on traffic_message (sign, origin) where origin <> '';
create table traffic_work (
  id TEXT primary key,
  state TEXT not null,
  unit TEXT not null,
  from_at BIGINT not null,
  to_at BIGINT not null,
  body TEXT not null,
  published_by TEXT,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create index traffic_work_time on traffic_work (to_at, from_at);
