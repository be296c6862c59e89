create table counter (name TEXT not null primary key, value BIGINT not null);
insert into counter (name, value) values ('event', 0), ('audit', 0);

create table event (seq BIGINT not null primary key, at BIGINT not null, name TEXT not null, body TEXT not null);
create table event_cursor (consumer TEXT not null primary key, seq BIGINT not null);

create table job (
  kind TEXT not null, key TEXT not null, run_at BIGINT not null, version BIGINT not null,
  locked_until BIGINT not null default 0, attempts BIGINT not null default 0, last_error TEXT, dead BIGINT not null default 0,
  primary key (kind, key)
);
create index job_due on job (dead, run_at);

create table pending_batch (
  id TEXT not null primary key, count BIGINT not null, t_min BIGINT not null, t_max BIGINT not null,
  bytes BYTEA not null, at BIGINT not null
);

create table blob (sha256 TEXT not null primary key, size BIGINT not null, media_type TEXT not null, at BIGINT not null);

create table audit (
  seq BIGINT not null primary key, at BIGINT not null, actor TEXT not null, actor_id TEXT, address TEXT, request TEXT not null,
  action TEXT not null, object TEXT not null, detail TEXT not null, hash TEXT not null
);
create table audit_head (one BIGINT not null primary key, hash TEXT not null);
insert into audit_head (one, hash) values (1, '');

create table idempotency (scope TEXT not null, key TEXT not null, result TEXT not null, at BIGINT not null, primary key (scope, key));
