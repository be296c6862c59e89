//! SQL of cameras, their secrets and their health.

use std::collections::BTreeSet;

use dothi_kernel::geo::Point;
use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{CountRow, DetectorDef, HealthRow, Hours, Mask, Record};
use crate::pack::VideoPack;

/// The domain's schema.
pub const MIGRATIONS: &[Migration] = &[Migration { domain: "video", version: 1, sql: include_str!("schema.sql") }];

/// A camera as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Camera {
    pub id: Uuid,
    pub code: String,
    pub name: String,
    pub address: String,
    pub location: Option<Point>,
    pub bearing: Option<f64>,
    pub angle: Option<f64>,
    pub reach: Option<f64>,
    pub commune: String,
    pub unit: String,
    pub sector: String,
    pub purpose: String,
    pub legal: String,
    pub retention_days: Option<u32>,
    pub record: Record,
    pub hours: Vec<Hours>,
    pub entity: String,
    pub url: String,
    pub masks: Vec<Mask>,
    pub detectors: Vec<DetectorDef>,
    pub active: bool,
    pub state: String,
    pub state_since: Option<Timestamp>,
    pub looked_at: Option<Timestamp>,
    pub at: Timestamp,
    pub by: String,
    pub version: i64,
}

const CAMERA: &str = "id, code, name, address, lon, lat, bearing, angle, reach, commune, unit, sector, purpose, legal, retention_days, record, hours, entity, \
    url, masks, detectors, active, state, state_since, looked_at, at, by_name, version";

/// What a change of the registry writes.
const WRITTEN: &str = "id, code, name, address, lon, lat, bearing, angle, reach, commune, unit, sector, purpose, legal, retention_days, record, hours, \
    entity, url, masks, detectors, active, at, by_name, version, folded";

fn record_code(record: Record) -> &'static str {
    match record {
        Record::None => "none",
        Record::Always => "always",
        Record::Hours => "hours",
        Record::Event => "event",
    }
}

fn record_of(code: &str) -> Record {
    match code {
        "always" => Record::Always,
        "hours" => Record::Hours,
        "event" => Record::Event,
        _ => Record::None,
    }
}

fn small(value: Option<i64>) -> Option<u32> {
    value.and_then(|v| u32::try_from(v).ok())
}

fn camera_of(row: &Row) -> Result<Camera> {
    Ok(Camera {
        id: row.uuid("id")?,
        code: row.text("code")?,
        name: row.text("name")?,
        address: row.text("address")?,
        location: row.opt_real("lon")?.zip(row.opt_real("lat")?).map(|(lon, lat)| Point { lon, lat }),
        bearing: row.opt_real("bearing")?,
        angle: row.opt_real("angle")?,
        reach: row.opt_real("reach")?,
        commune: row.text("commune")?,
        unit: row.text("unit")?,
        sector: row.text("sector")?,
        purpose: row.text("purpose")?,
        legal: row.text("legal")?,
        retention_days: small(row.opt_int("retention_days")?),
        record: record_of(&row.text("record")?),
        hours: row.json("hours")?,
        entity: row.text("entity")?,
        url: row.text("url")?,
        masks: row.json("masks")?,
        detectors: row.json("detectors")?,
        active: row.flag("active")?,
        state: row.text("state")?,
        state_since: row.opt_time("state_since")?,
        looked_at: row.opt_time("looked_at")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version: row.int("version")?,
    })
}

/// All installed packs.
pub(crate) async fn packs(store: &Store) -> Result<Vec<VideoPack>> {
    let rows = store.rows("select body from video_pack order by pack", params![]).await?;
    rows.iter().map(|r| r.json("body")).collect()
}

/// Keeps a pack's part.
pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, part: &VideoPack) -> Result<()> {
    let sql = "insert into video_pack (pack, body) values (?, ?) on conflict (pack) do update set body = excluded.body";
    tx.exec(sql, params![pack, Param::json(part)?]).await.map(|_| ())
}

/// All cameras, to be held in memory.
pub(crate) async fn all(store: &Store) -> Result<Vec<Camera>> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |c: &Camera| c.code.clone());
        let rows = store.rows(&format!("select {CAMERA} from video_camera where code > ? order by code limit 1000"), params![after]).await?;
        if rows.is_empty() {
            return Ok(all);
        }
        for row in &rows {
            all.push(camera_of(row)?);
        }
    }
}

/// How many cameras there are.
pub(crate) async fn count(tx: &mut Tx) -> Result<i64> {
    let row = tx.row("select count(*) as n from video_camera", params![]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// A camera by id, inside a change.
pub(crate) async fn camera_in(tx: &mut Tx, id: Uuid) -> Result<Option<Camera>> {
    let row = tx.row(&format!("select {CAMERA} from video_camera where id = ?"), params![id]).await?;
    row.as_ref().map(camera_of).transpose()
}

/// A camera by code, inside a change.
pub(crate) async fn camera_coded(tx: &mut Tx, code: &str) -> Result<Option<Camera>> {
    let row = tx.row(&format!("select {CAMERA} from video_camera where code = ?"), params![code]).await?;
    row.as_ref().map(camera_of).transpose()
}

/// Writes a camera, new or changed; health is left as it is.
pub(crate) async fn put_camera(tx: &mut Tx, c: &Camera) -> Result<()> {
    let sql = format!(
        "insert into video_camera ({WRITTEN}, views, state) values ({}) on conflict (id) do update set {}",
        dothi_store::marks(WRITTEN.split(',').count() + 2),
        WRITTEN.split(',').map(str::trim).skip(1).map(|c| format!("{c} = excluded.{c}")).collect::<Vec<_>>().join(", ")
    );
    let folded = dothi_kernel::text::fold(&format!("{} {} {}", c.code, c.name, c.address));
    let values = params![
        c.id,
        &c.code,
        &c.name,
        &c.address,
        c.location.map(|l| l.lon),
        c.location.map(|l| l.lat),
        c.bearing,
        c.angle,
        c.reach,
        &c.commune,
        &c.unit,
        &c.sector,
        &c.purpose,
        &c.legal,
        c.retention_days,
        record_code(c.record),
        Param::json(&c.hours)?,
        &c.entity,
        &c.url,
        Param::json(&c.masks)?,
        Param::json(&c.detectors)?,
        c.active,
        c.at,
        &c.by,
        c.version,
        folded,
        "[]",
        &c.state,
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// Address of a camera's stream; none when it is not in use.
pub(crate) async fn url(store: &Store, camera: Uuid) -> Result<Option<String>> {
    let row = store.row("select url from video_camera where id = ? and active = 1", params![camera]).await?;
    row.map(|r| r.text("url")).transpose()
}

/// Name and password of a camera.
pub(crate) async fn secret(store: &Store, camera: Uuid) -> Result<Option<(String, String)>> {
    let row = store.row("select user_name, password from video_secret where camera = ?", params![camera]).await?;
    row.map(|r| Ok((r.text("user_name")?, r.text("password")?))).transpose()
}

/// Keeps name and password, or takes them away.
pub(crate) async fn put_secret(tx: &mut Tx, camera: Uuid, secret: Option<(&str, &str)>) -> Result<()> {
    match secret {
        Some((user, password)) => {
            let sql = dothi_store::upsert("video_secret", "camera, user_name, password", 1);
            tx.exec(&sql, params![camera, user, password]).await.map(|_| ())
        }
        None => tx.exec("delete from video_secret where camera = ?", params![camera]).await.map(|_| ()),
    }
}

/// Writes what a look found, and a line when it changed.
pub(crate) async fn put_health(tx: &mut Tx, camera: Uuid, state: &str, before: Option<&str>, views: Option<&str>) -> Result<()> {
    let now = tx.now();
    if let Some(views) = views {
        tx.exec("update video_camera set views = ? where id = ?", params![views, camera]).await?;
    }
    let Some(before) = before else {
        return tx.exec("update video_camera set looked_at = ? where id = ?", params![now, camera]).await.map(|_| ());
    };
    tx.exec("update video_camera set looked_at = ?, state = ?, state_since = ? where id = ?", params![now, state, now, camera]).await?;
    let id = tx.id();
    tx.exec("insert into video_health (id, camera, at, state, before) values (?, ?, ?, ?, ?)", params![id, camera, now, state, before]).await.map(|_| ())
}

/// Pictures that a camera's present one is held against.
pub(crate) async fn views(store: &Store, camera: Uuid) -> Result<String> {
    let row = store.row("select views from video_camera where id = ?", params![camera]).await?;
    row.map_or_else(|| Ok("[]".to_string()), |r| r.text("views"))
}

/// Changes of health, newest first.
pub(crate) async fn health(store: &Store, camera: Uuid, limit: usize) -> Result<Vec<HealthRow>> {
    let rows = store.rows("select at, state, before from video_health where camera = ? order by at desc, id desc limit ?", params![camera, limit]).await?;
    rows.iter().map(|r| Ok(HealthRow { at: r.time("at")?, state: r.text("state")?, before: r.text("before")? })).collect()
}

/// Keeps a count.
pub(crate) async fn put_count(tx: &mut Tx, camera: Uuid, detector: &str, attribute: &str, n: u32) -> Result<()> {
    let (id, now) = (tx.id(), tx.now());
    let sql = "insert into video_count (id, camera, detector, attribute, at, n) values (?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![id, camera, detector, attribute, now, n]).await.map(|_| ())
}

/// Counts, newest first.
pub(crate) async fn counts(store: &Store, camera: Uuid, limit: usize) -> Result<Vec<CountRow>> {
    let sql = "select detector, attribute, at, n from video_count where camera = ? order by at desc, id desc limit ?";
    let rows = store.rows(sql, params![camera, limit]).await?;
    let of =
        |r: &Row| Ok(CountRow { detector: r.text("detector")?, attribute: r.text("attribute")?, at: r.time("at")?, n: small(Some(r.int("n")?)).unwrap_or(0) });
    rows.iter().map(of).collect()
}

/// Forgets old counts and old lines of health; how many.
pub(crate) async fn forget(tx: &mut Tx, before: Timestamp, log_before: Timestamp) -> Result<u64> {
    let counts = tx.exec("delete from video_count where at < ?", params![before]).await?;
    let health = tx.exec("delete from video_health where at < ?", params![log_before]).await?;
    let views = tx.exec("delete from video_view where begun_at < ? and ended_at is not null", params![log_before]).await?;
    Ok(counts + health + views)
}

/// A list's conditions, joined by `and`.
#[derive(Default)]
pub(crate) struct Filter {
    parts: Vec<String>,
    params: Vec<Param>,
}

impl Filter {
    pub fn add(&mut self, part: &str, params: Vec<Param>) {
        self.parts.push(part.to_string());
        self.params.extend(params);
    }

    /// What belongs to these units, or to none.
    pub fn units(&mut self, units: Option<&BTreeSet<String>>) {
        if let Some(units) = units {
            let marks = dothi_store::marks(units.len());
            self.add(&format!("(unit = '' or unit in ({marks}))"), units.iter().map(Param::from).collect());
        }
    }

    pub fn sql(&self) -> String {
        if self.parts.is_empty() { String::new() } else { format!(" where {}", self.parts.join(" and ")) }
    }

    pub fn params(&self) -> Vec<Param> {
        self.params.clone()
    }
}
