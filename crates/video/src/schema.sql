create table video_pack (
  pack TEXT primary key,
  body TEXT not null
);
-- A camera. `hours`, `masks`, `detectors` and `views` (pictures its present one is held against) are JSON; how to sign in at it stands in video_secret.
create table video_camera (
  id TEXT primary key,
  code TEXT not null unique,
  name TEXT not null,
  address TEXT not null,
  lon DOUBLE PRECISION,
  lat DOUBLE PRECISION,
  bearing DOUBLE PRECISION,
  angle DOUBLE PRECISION,
  reach DOUBLE PRECISION,
  commune TEXT not null,
  unit TEXT not null,
  sector TEXT not null,
  purpose TEXT not null,
  legal TEXT not null,
  retention_days BIGINT,
  record TEXT not null,
  hours TEXT not null,
  entity TEXT not null,
  url TEXT not null,
  masks TEXT not null,
  detectors TEXT not null,
  views TEXT not null,
  active BIGINT not null,
  state TEXT not null,
  state_since BIGINT,
  looked_at BIGINT,
  folded TEXT not null,
  at BIGINT not null,
  by_name TEXT not null,
  version BIGINT not null
);
create index video_camera_unit on video_camera (unit, code);
create index video_camera_entity on video_camera (entity);
-- How to sign in at a camera. Read by the connection alone; nobody is shown it again.
create table video_secret (
  camera TEXT primary key,
  user_name TEXT not null,
  password TEXT not null
);
-- Each change of a camera's health.
create table video_health (
  id TEXT primary key,
  camera TEXT not null,
  at BIGINT not null,
  state TEXT not null,
  before TEXT not null
);
create index video_health_camera on video_health (camera, at, id);
-- Who saw what, and why.
create table video_view (
  id TEXT primary key,
  camera TEXT not null,
  unit TEXT not null,
  person TEXT,
  who TEXT not null,
  kind TEXT not null,
  reason TEXT not null,
  unmasked BIGINT not null,
  from_at BIGINT,
  to_at BIGINT,
  begun_at BIGINT not null,
  ended_at BIGINT
);
create index video_view_camera on video_view (camera, begun_at, id);
create index video_view_list on video_view (begun_at, id);
-- Recorded pictures: one row for each file in the object store. `base` is the first picture's time in the file.
create table video_segment (
  id TEXT primary key,
  camera TEXT not null,
  from_at BIGINT not null,
  to_at BIGINT not null,
  sha256 TEXT not null,
  size BIGINT not null,
  base BIGINT not null,
  frames BIGINT not null,
  gap BIGINT not null
);
create index video_segment_camera on video_segment (camera, from_at);
create index video_segment_blob on video_segment (sha256);
create table video_bookmark (
  id TEXT primary key,
  camera TEXT not null,
  at BIGINT not null,
  words TEXT not null,
  who TEXT not null,
  made_at BIGINT not null
);
create index video_bookmark_camera on video_bookmark (camera, at);
-- Keeps a piece beyond its retention, until somebody lifts it.
create table video_hold (
  id TEXT primary key,
  camera TEXT not null,
  from_at BIGINT not null,
  to_at BIGINT not null,
  reason TEXT not null,
  who TEXT not null,
  made_at BIGINT not null,
  ended_at BIGINT,
  ended_by TEXT
);
create index video_hold_camera on video_hold (camera, from_at);
create table video_export (
  id TEXT primary key,
  camera TEXT not null,
  unit TEXT not null,
  from_at BIGINT not null,
  to_at BIGINT not null,
  reason TEXT not null,
  state TEXT not null,
  person TEXT,
  who TEXT not null,
  asked_at BIGINT not null,
  settled_by TEXT,
  settled_at BIGINT,
  settled_why TEXT,
  sha256 TEXT,
  size BIGINT,
  manifest TEXT,
  fault TEXT,
  done_at BIGINT,
  -- Of the incident it is evidence for.
  incident TEXT,
  version BIGINT not null
);
create index video_export_incident on video_export (incident, asked_at);
create index video_export_list on video_export (asked_at, id);
create index video_export_state on video_export (state, done_at);
-- What detectors counted.
create table video_count (
  id TEXT primary key,
  camera TEXT not null,
  detector TEXT not null,
  attribute TEXT not null,
  at BIGINT not null,
  n BIGINT not null
);
create index video_count_camera on video_count (camera, at);
