//! SQL of segments, routes, what is usual, and incidents.

use std::collections::HashMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::live::SegmentUsual;
use crate::model::{Measure, Segment};
use crate::pack::{RouteDef, TrafficPack};
use crate::travel::RouteUsual;

/// The schema without the road graph.
pub(crate) const SCHEMA: Migration = Migration { domain: "traffic", version: 1, sql: include_str!("schema.sql") };

/// All installed packs.
pub(crate) async fn packs(store: &Store) -> Result<Vec<TrafficPack>> {
    let rows = store.rows("select body from traffic_pack order by pack", params![]).await?;
    rows.iter().map(|r| r.json("body")).collect()
}

/// Keeps a pack's part, without the segments it brought: these live on their own.
pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, part: &TrafficPack) -> Result<()> {
    let kept = TrafficPack { segment: Vec::new(), route: Vec::new(), ..part.clone() };
    tx.exec(&dothi_store::upsert("traffic_pack", "pack, body", 1), params![pack, Param::json(&kept)?]).await.map(|_| ())
}

const SEGMENT: &str = "id, code, name, class, direction, line, length_m, free_speed, speed_limit, lanes, jam_density, unit, commune, downstream, \
    detectors, source, active, at, by_name, version";

fn segment_of(row: &Row) -> Result<Segment> {
    Ok(Segment {
        id: row.uuid("id")?,
        code: row.text("code")?,
        name: row.text("name")?,
        class: row.text("class")?,
        direction: row.text("direction")?,
        line: row.json("line")?,
        length_m: row.real("length_m")?,
        free_speed: row.real("free_speed")?,
        speed_limit: row.opt_real("speed_limit")?,
        lanes: u32::try_from(row.int("lanes")?).unwrap_or(1),
        jam_density: row.real("jam_density")?,
        unit: row.text("unit")?,
        commune: row.text("commune")?,
        downstream: row.json("downstream")?,
        detectors: row.json("detectors")?,
        source: row.text("source")?,
        active: row.flag("active")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version: row.int("version")?,
    })
}

/// All segments by code.
pub(crate) async fn all_segments(store: &Store) -> Result<Vec<Segment>> {
    let mut all: Vec<Segment> = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |s| s.code.clone());
        let rows = store.rows(&format!("select {SEGMENT} from traffic_segment where code > ? order by code limit 1000"), params![after]).await?;
        if rows.is_empty() {
            return Ok(all);
        }
        for row in &rows {
            all.push(segment_of(row)?);
        }
    }
}

/// A segment by id.
pub(crate) async fn segment(tx: &mut Tx, id: Uuid) -> Result<Option<Segment>> {
    let row = tx.row(&format!("select {SEGMENT} from traffic_segment where id = ?"), params![id]).await?;
    row.as_ref().map(segment_of).transpose()
}

/// A segment by code.
pub(crate) async fn segment_coded(tx: &mut Tx, code: &str) -> Result<Option<Segment>> {
    let row = tx.row(&format!("select {SEGMENT} from traffic_segment where code = ?"), params![code]).await?;
    row.as_ref().map(segment_of).transpose()
}

/// How many segments there are.
pub(crate) async fn count_segments(tx: &mut Tx) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from traffic_segment", params![]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Writes a segment, new or changed.
pub(crate) async fn put_segment(tx: &mut Tx, s: &Segment) -> Result<()> {
    let values = params![
        s.id,
        &s.code,
        &s.name,
        &s.class,
        &s.direction,
        Param::json(&s.line)?,
        s.length_m,
        s.free_speed,
        s.speed_limit,
        s.lanes,
        s.jam_density,
        &s.unit,
        &s.commune,
        Param::json(&s.downstream)?,
        Param::json(&s.detectors)?,
        &s.source,
        s.active,
        s.at,
        &s.by,
        s.version,
    ];
    tx.exec(&dothi_store::upsert("traffic_segment", SEGMENT, 1), values).await.map(|_| ())
}

/// All routes by code.
pub(crate) async fn routes(store: &Store) -> Result<Vec<RouteDef>> {
    let rows = store.rows("select body from traffic_route order by code limit 500", params![]).await?;
    rows.iter().map(|r| r.json("body")).collect()
}

/// Writes a route.
pub(crate) async fn put_route(tx: &mut Tx, route: &RouteDef) -> Result<()> {
    tx.exec(&dothi_store::upsert("traffic_route", "code, body", 1), params![&route.code, Param::json(route)?]).await.map(|_| ())
}

/// What is usual, by segment.
pub(crate) async fn usuals(store: &Store) -> Result<HashMap<Uuid, SegmentUsual>> {
    let (mut all, mut after) = (HashMap::new(), String::new());
    loop {
        let rows = store.rows("select segment, body from traffic_usual where segment > ? order by segment limit 500", params![&after]).await?;
        let Some(last) = rows.last() else { return Ok(all) };
        after = last.text("segment")?;
        for row in &rows {
            all.insert(row.uuid("segment")?, row.json("body")?);
        }
    }
}

/// Writes what is usual on a segment.
pub(crate) async fn put_usual(tx: &mut Tx, segment: Uuid, usual: &SegmentUsual) -> Result<()> {
    tx.exec(&dothi_store::upsert("traffic_usual", "segment, body", 1), params![segment, Param::json(usual)?]).await.map(|_| ())
}

/// How long a route takes, by hour of the week.
pub(crate) async fn route_usuals(store: &Store) -> Result<HashMap<String, RouteUsual>> {
    let rows = store.rows("select code, body from traffic_route_usual order by code limit 500", params![]).await?;
    rows.iter().map(|r| Ok((r.text("code")?, r.json("body")?))).collect()
}

/// Writes how long a route takes.
pub(crate) async fn put_route_usual(tx: &mut Tx, code: &str, usual: &RouteUsual) -> Result<()> {
    tx.exec(&dothi_store::upsert("traffic_route_usual", "code, body", 1), params![code, Param::json(usual)?]).await.map(|_| ())
}

/// An incident as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incident {
    pub id: Uuid,
    pub segment: Uuid,
    pub measure: Measure,
    pub value: f64,
    pub usual: f64,
    pub since: Timestamp,
    pub at: Timestamp,
    pub until: Option<Timestamp>,
    pub confirmed: bool,
    pub neighbours: Vec<Uuid>,
    pub work: Option<Uuid>,
    pub verdict: Option<String>,
    pub verdict_by: Option<String>,
    pub verdict_why: Option<String>,
    pub version: i64,
}

const INCIDENT: &str = "id, segment, measure, value, usual, since, at, until, confirmed, neighbours, work, verdict, verdict_by, verdict_why, version";

fn incident_of(row: &Row) -> Result<Incident> {
    Ok(Incident {
        id: row.uuid("id")?,
        segment: row.uuid("segment")?,
        measure: match row.text("measure")?.as_str() {
            "volume" => Measure::Volume,
            "occupancy" => Measure::Occupancy,
            _ => Measure::Speed,
        },
        value: row.real("value")?,
        usual: row.real("usual")?,
        since: row.time("since")?,
        at: row.time("at")?,
        until: row.opt_time("until")?,
        confirmed: row.flag("confirmed")?,
        neighbours: row.json("neighbours")?,
        work: row.opt_uuid("work")?,
        verdict: row.opt_text("verdict")?,
        verdict_by: row.opt_text("verdict_by")?,
        verdict_why: row.opt_text("verdict_why")?,
        version: row.int("version")?,
    })
}

/// Writes an incident, new or changed.
pub(crate) async fn put_incident(tx: &mut Tx, i: &Incident) -> Result<()> {
    let values = params![
        i.id,
        i.segment,
        i.measure.code(),
        i.value,
        i.usual,
        i.since,
        i.at,
        i.until,
        i.confirmed,
        Param::json(&i.neighbours)?,
        i.work,
        i.verdict.as_deref(),
        i.verdict_by.as_deref(),
        i.verdict_why.as_deref(),
        i.version,
    ];
    tx.exec(&dothi_store::upsert("traffic_incident", INCIDENT, 1), values).await.map(|_| ())
}

/// An incident inside a change.
pub(crate) async fn incident_in(tx: &mut Tx, id: Uuid) -> Result<Option<Incident>> {
    let row = tx.row(&format!("select {INCIDENT} from traffic_incident where id = ?"), params![id]).await?;
    row.as_ref().map(incident_of).transpose()
}

/// An incident.
pub(crate) async fn incident(store: &Store, id: Uuid) -> Result<Option<Incident>> {
    let row = store.row(&format!("select {INCIDENT} from traffic_incident where id = ?"), params![id]).await?;
    row.as_ref().map(incident_of).transpose()
}

/// All that stand.
pub(crate) async fn open_incidents(store: &Store) -> Result<Vec<Incident>> {
    let rows = store.rows(&format!("select {INCIDENT} from traffic_incident where until is null order by id limit 5000"), params![]).await?;
    rows.iter().map(incident_of).collect()
}

/// Incidents of segments, newest first, before a place in the list.
pub(crate) async fn incidents(store: &Store, open: Option<bool>, before: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<Incident>> {
    let (mut wanted, mut values) = (vec!["1 = 1"], params![]);
    wanted.extend(open.map(|o| if o { "until is null" } else { "until is not null" }));
    if let Some((at, id)) = before {
        wanted.push("(since < ? or (since = ? and id < ?))");
        values.extend(params![at, at, id]);
    }
    values.extend(params![limit as i64]);
    let sql = format!("select {INCIDENT} from traffic_incident where {} order by since desc, id desc limit ?", wanted.join(" and "));
    store.rows(&sql, values).await?.iter().map(incident_of).collect()
}
