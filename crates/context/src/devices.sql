create table context_device (
  id TEXT not null primary key, name TEXT not null, profile TEXT not null, entity TEXT not null, secret_hash TEXT not null,
  transport TEXT not null, lon DOUBLE PRECISION, lat DOUBLE PRECISION, area TEXT, created BIGINT not null,
  last_seen BIGINT, battery DOUBLE PRECISION, messages BIGINT not null default 0, errors BIGINT not null default 0,
  last_error TEXT, last_error_at BIGINT
);
create table context_retained (topic TEXT not null primary key, payload BYTEA not null, qos BIGINT not null, at BIGINT not null);
