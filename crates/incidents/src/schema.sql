create table incident (
  id TEXT not null primary key, code TEXT not null unique, drill BIGINT not null, kind TEXT not null, state TEXT not null, ended BIGINT not null,
  unit TEXT not null, area TEXT, parent TEXT, opened_at BIGINT not null, logged BIGINT not null, version BIGINT not null, doc TEXT not null
);
create index incident_list on incident (drill, ended, opened_at);
create index incident_parent on incident (parent);
create table incident_number (series TEXT not null primary key, last BIGINT not null);
create table incident_party (incident TEXT not null, unit TEXT not null, primary key (incident, unit));
create index incident_party_unit on incident_party (unit, incident);
create table incident_log (
  incident TEXT not null, n BIGINT not null, at BIGINT not null, by_id TEXT, by_name TEXT not null, kind TEXT not null, text TEXT not null,
  data TEXT not null, hash TEXT not null, primary key (incident, n)
);
create table incident_link (
  kind TEXT not null, ref TEXT not null, incident TEXT not null, at BIGINT not null, doc TEXT not null, primary key (kind, ref, incident)
);
create index incident_link_of on incident_link (incident);
create table incident_task (
  id TEXT not null primary key, incident TEXT not null, unit TEXT not null, state TEXT not null, at BIGINT not null, version BIGINT not null, doc TEXT not null
);
create index incident_task_unit on incident_task (unit, state, at);
create index incident_task_of on incident_task (incident);
create table incident_procedure (code TEXT not null, version BIGINT not null, state TEXT not null, doc TEXT not null, primary key (code, version));
create table incident_run (
  id TEXT not null primary key, incident TEXT not null, procedure_code TEXT not null, ended BIGINT not null, version BIGINT not null, doc TEXT not null
);
create index incident_run_of on incident_run (incident);
create index incident_run_open on incident_run (ended);
create table incident_resource (
  id TEXT not null primary key, code TEXT not null unique, unit TEXT not null, kind TEXT not null, state TEXT not null, version BIGINT not null, doc TEXT not null
);
create table incident_crew (resource TEXT not null, person TEXT not null, primary key (resource, person));
create index incident_crew_person on incident_crew (person);
create table incident_dispatch (
  id TEXT not null primary key, incident TEXT not null, resource TEXT not null, ended BIGINT not null, sent_at BIGINT not null, version BIGINT not null,
  doc TEXT not null
);
create index incident_dispatch_of on incident_dispatch (incident);
create index incident_dispatch_resource on incident_dispatch (resource, ended);
create table incident_duty (
  id TEXT not null primary key, roster TEXT not null, position TEXT not null, person TEXT not null, starts_at BIGINT not null, ends_at BIGINT not null,
  version BIGINT not null, doc TEXT not null, unique (roster, position, starts_at)
);
create index incident_duty_time on incident_duty (ends_at, starts_at);
create table incident_shift (id TEXT not null primary key, begun_at BIGINT not null, ended BIGINT not null, version BIGINT not null, doc TEXT not null);
create table incident_shift_line (shift TEXT not null, n BIGINT not null, at BIGINT not null, by_name TEXT not null, text TEXT not null, primary key (shift, n));
create table incident_order (id TEXT not null primary key, at BIGINT not null, ended BIGINT not null, doc TEXT not null);
create table incident_order_read (order_id TEXT not null, person TEXT not null, name TEXT not null, at BIGINT not null, primary key (order_id, person));
create table incident_warning (
  id TEXT not null primary key, identifier TEXT not null unique, incident TEXT, drill BIGINT not null, state TEXT not null, made_at BIGINT not null,
  sent_at BIGINT, expires_at BIGINT, version BIGINT not null, doc TEXT not null
);
create index incident_warning_sent on incident_warning (drill, sent_at);
create table incident_review (incident TEXT not null primary key, version BIGINT not null, doc TEXT not null);
create table incident_pack (pack TEXT not null primary key, doc TEXT not null);
