//! SQL about field work: kinds, crews, orders.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::flow::Phase;
use dothi_kernel::geo::Point;
use dothi_kernel::{Error, PersonRef, Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, marks, params};
use uuid::Uuid;

use crate::photos::Photo;
use crate::tables::{self, phase_of, phase_text};
use crate::text;
use crate::work_pack::{InstalledKind, WorkFlow};

/// Kinds of work, crews and orders.
pub(crate) const SCHEMA: &str = "create table work_flow (code TEXT not null primary key, pack TEXT not null, body TEXT not null, at BIGINT not null);
create table work_kind (
  code TEXT not null, version BIGINT not null, pack TEXT not null, body TEXT not null, at BIGINT not null, primary key (code, version)
);
create table work_crew (
  id TEXT not null primary key, unit TEXT not null, name TEXT not null, leader TEXT not null, active BIGINT not null, changed_at BIGINT not null
);
create index work_crew_unit on work_crew (unit);
create table work_member (crew TEXT not null references work_crew (id), person TEXT not null, name TEXT not null, primary key (crew, person));
create index work_member_person on work_member (person);
create table work_order (
  id TEXT not null primary key, code TEXT not null unique, kind TEXT not null, kind_version BIGINT not null, unit TEXT not null, crew TEXT not null,
  case_id TEXT, body TEXT not null, address TEXT, area_name TEXT, lon DOUBLE PRECISION, lat DOUBLE PRECISION,
  planned_for TEXT, due_at BIGINT not null, given_at BIGINT not null, given_by TEXT not null, given_by_id TEXT,
  state TEXT not null, phase TEXT not null, waits_for TEXT not null, state_since BIGINT not null, ended_at BIGINT,
  answers TEXT not null, used TEXT not null, version BIGINT not null
);
create index work_order_crew on work_order (crew, waits_for, due_at);
create index work_order_unit on work_order (unit, waits_for, due_at);
create index work_order_case on work_order (case_id);
create index work_order_ended on work_order (ended_at);
create table work_log (
  order_id TEXT not null references work_order (id), n BIGINT not null, at BIGINT not null, received_at BIGINT not null,
  by_id TEXT, by_name TEXT not null, step TEXT not null, to_state TEXT not null, note TEXT, reason TEXT,
  lon DOUBLE PRECISION, lat DOUBLE PRECISION, primary key (order_id, n)
);
create table work_photo (
  order_id TEXT not null references work_order (id), sha256 TEXT not null, thumb TEXT not null, item TEXT not null,
  width BIGINT not null, height BIGINT not null, at BIGINT not null, primary key (order_id, sha256)
);
create index work_photo_sha on work_photo (sha256);
create index work_photo_thumb on work_photo (thumb);";

/// Orders that were given because of an alarm.
pub(crate) const ALARMS: &str = "alter table work_order add column alarm TEXT; create index work_order_alarm on work_order (alarm);";

/// An order as stored.
#[derive(Debug, Clone)]
pub(crate) struct OrderRecord {
    pub id: Uuid,
    pub code: String,
    pub kind: String,
    pub kind_version: u32,
    pub unit: String,
    pub crew: Uuid,
    pub case: Option<Uuid>,
    pub alarm: Option<Uuid>,
    pub text: String,
    pub address: Option<String>,
    pub area_name: Option<String>,
    pub location: Option<Point>,
    pub planned_for: Option<String>,
    pub due_at: Timestamp,
    pub given_at: Timestamp,
    pub given_by: String,
    pub given_by_id: Option<Uuid>,
    pub state: String,
    pub phase: Phase,
    pub waits_for: String,
    pub state_since: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub answers: BTreeMap<String, String>,
    pub used: BTreeMap<String, f64>,
    pub version: i64,
}

/// A log row of an order.
#[derive(Debug, Clone)]
pub(crate) struct OrderLogRecord {
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub by_id: Option<Uuid>,
    pub by_name: String,
    pub step: String,
    pub to: String,
    pub note: Option<String>,
    pub reason: Option<String>,
    pub location: Option<Point>,
}

/// A photo row of an order.
pub(crate) struct OrderPhotoRecord {
    pub order: Uuid,
    pub sha: String,
    pub thumb: String,
    pub item: String,
}

/// A crew as stored.
pub(crate) struct CrewRecord {
    pub id: Uuid,
    pub unit: String,
    pub name: String,
    pub leader: Uuid,
    pub active: bool,
    pub members: Vec<PersonRef>,
    pub open_orders: i64,
}

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn spot(row: &Row) -> Result<Option<Point>> {
    Ok(row.opt_real("lon")?.zip(row.opt_real("lat")?).map(|(lon, lat)| Point { lon, lat }))
}

fn order(row: &Row) -> Result<OrderRecord> {
    Ok(OrderRecord {
        id: row.uuid("id")?,
        code: row.text("code")?,
        kind: row.text("kind")?,
        kind_version: small(row.int("kind_version")?),
        unit: row.text("unit")?,
        crew: row.uuid("crew")?,
        case: row.opt_uuid("case_id")?,
        alarm: row.opt_uuid("alarm")?,
        text: row.text("body")?,
        address: row.opt_text("address")?,
        area_name: row.opt_text("area_name")?,
        location: spot(row)?,
        planned_for: row.opt_text("planned_for")?,
        due_at: row.time("due_at")?,
        given_at: row.time("given_at")?,
        given_by: row.text("given_by")?,
        given_by_id: row.opt_uuid("given_by_id")?,
        state: row.text("state")?,
        phase: phase_of(&row.text("phase")?)?,
        waits_for: row.text("waits_for")?,
        state_since: row.time("state_since")?,
        ended_at: row.opt_time("ended_at")?,
        answers: row.json("answers")?,
        used: row.json("used")?,
        version: row.int("version")?,
    })
}

/// Installed kinds of work, every version.
pub(crate) async fn kinds(store: &Store) -> Result<Vec<(u32, InstalledKind)>> {
    let rows = store.rows("select version, body from work_kind order by code, version", params![]).await?;
    rows.iter().map(|r| Ok((small(r.int("version")?), r.json("body")?))).collect()
}

/// Keeps a way under its code.
pub(crate) async fn install_flow(tx: &mut Tx, pack: &str, flow: &WorkFlow) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into work_flow (code, pack, body, at) values (?, ?, ?, ?) on conflict (code) do update set pack = excluded.pack, body = excluded.body, at = excluded.at",
        params![&flow.code, pack, Param::json(flow)?, now],
    )
    .await?;
    Ok(())
}

/// A way by code.
pub(crate) async fn flow(tx: &mut Tx, code: &str) -> Result<Option<WorkFlow>> {
    tx.row("select body from work_flow where code = ?", params![code]).await?.map(|r| r.json("body")).transpose()
}

/// Adds a version of a kind unless the newest one says the same; returns the version added.
pub(crate) async fn install_kind(tx: &mut Tx, pack: &str, kind: &InstalledKind) -> Result<Option<u32>> {
    let newest = tx.row("select version, body from work_kind where code = ? order by version desc limit 1", params![&kind.kind.code]).await?;
    let version = match &newest {
        Some(row) if row.json::<InstalledKind>("body")? == *kind => return Ok(None),
        Some(row) => small(row.int("version")?) + 1,
        None => 1,
    };
    let now = tx.now();
    tx.exec("insert into work_kind (code, version, pack, body, at) values (?, ?, ?, ?, ?)", params![&kind.kind.code, version, pack, Param::json(kind)?, now])
        .await?;
    Ok(Some(version))
}

/// Writes a crew and its members.
pub(crate) async fn put_crew(tx: &mut Tx, crew: &CrewRecord) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into work_crew (id, unit, name, leader, active, changed_at) values (?, ?, ?, ?, ?, ?) on conflict (id) do update set \
         name = excluded.name, leader = excluded.leader, active = excluded.active, changed_at = excluded.changed_at",
        params![crew.id, &crew.unit, &crew.name, crew.leader, crew.active, now],
    )
    .await?;
    tx.exec("delete from work_member where crew = ?", params![crew.id]).await?;
    for member in &crew.members {
        tx.exec("insert into work_member (crew, person, name) values (?, ?, ?)", params![crew.id, member.id, &member.name]).await?;
    }
    Ok(())
}

/// Crews: one by id, or those of some units (none = all), at most 500.
pub(crate) async fn crews(store: &Store, one: Option<Uuid>, units: Option<&BTreeSet<String>>) -> Result<Vec<CrewRecord>> {
    let (mut conditions, mut values) = (vec!["1 = 1".to_string()], Vec::new());
    if let Some(id) = one {
        conditions.push("id = ?".into());
        values.push(Param::from(id));
    }
    if let Some(units) = units {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        conditions.push(format!("unit in ({})", marks(units.len())));
        values.extend(units.iter().map(Param::from));
    }
    let sql = format!(
        "select c.*, (select count(*) from work_order o where o.crew = c.id and o.waits_for = 'crew') as open_orders from work_crew c where {} \
         order by active desc, unit, name limit 500",
        conditions.join(" and ")
    );
    let rows = store.rows(&sql, values).await?;
    let mut members: BTreeMap<Uuid, Vec<PersonRef>> = BTreeMap::new();
    let ids: Vec<Uuid> = rows.iter().map(|r| r.uuid("id")).collect::<Result<_>>()?;
    if !ids.is_empty() {
        let sql = format!("select crew, person, name from work_member where crew in ({}) order by name", marks(ids.len()));
        for row in store.rows(&sql, ids.into_iter().map(Param::from).collect()).await? {
            members.entry(row.uuid("crew")?).or_default().push(PersonRef { id: row.uuid("person")?, name: row.text("name")? });
        }
    }
    rows.iter()
        .map(|r| {
            let id = r.uuid("id")?;
            Ok(CrewRecord {
                unit: r.text("unit")?,
                name: r.text("name")?,
                leader: r.uuid("leader")?,
                active: r.flag("active")?,
                members: members.remove(&id).unwrap_or_default(),
                open_orders: r.int("open_orders")?,
                id,
            })
        })
        .collect()
}

/// Crews that somebody belongs to, with their units.
pub(crate) async fn crews_of(store: &Store, person: Uuid) -> Result<BTreeSet<Uuid>> {
    store.rows("select crew from work_member where person = ?", params![person]).await?.iter().map(|r| r.uuid("crew")).collect()
}

/// Whether somebody belongs to a crew.
pub(crate) async fn is_member(tx: &mut Tx, crew: Uuid, person: Uuid) -> Result<bool> {
    Ok(tx.row("select 1 as one from work_member where crew = ? and person = ?", params![crew, person]).await?.is_some())
}

/// A code that no order has.
pub(crate) async fn free_code(tx: &mut Tx, prefix: &str) -> Result<String> {
    for _ in 0..20 {
        let code = format!("{prefix}-{}", text::random_code(6));
        if tx.row("select 1 as one from work_order where code = ?", params![&code]).await?.is_none() {
            return Ok(code);
        }
    }
    Err(Error::internal("finding a free code", "twenty tries failed"))
}

/// Writes a new order.
pub(crate) async fn insert_order(tx: &mut Tx, o: &OrderRecord) -> Result<()> {
    let columns = "id, code, kind, kind_version, unit, crew, case_id, body, address, area_name, lon, lat, planned_for, due_at, given_at, given_by, \
                   given_by_id, state, phase, waits_for, state_since, ended_at, answers, used, version, alarm";
    tx.exec(
        &format!("insert into work_order ({columns}) values ({})", marks(26)),
        params![
            o.id,
            &o.code,
            &o.kind,
            o.kind_version,
            &o.unit,
            o.crew,
            o.case,
            &o.text,
            o.address.as_deref(),
            o.area_name.as_deref(),
            o.location.map(|p| p.lon),
            o.location.map(|p| p.lat),
            o.planned_for.as_deref(),
            o.due_at,
            o.given_at,
            &o.given_by,
            o.given_by_id,
            &o.state,
            phase_text(o.phase),
            &o.waits_for,
            o.state_since,
            o.ended_at,
            Param::json(&o.answers)?,
            Param::json(&o.used)?,
            o.version,
            o.alarm,
        ],
    )
    .await?;
    Ok(())
}

/// Writes what a step changed.
pub(crate) async fn update_order(tx: &mut Tx, o: &OrderRecord) -> Result<()> {
    tx.exec(
        "update work_order set state = ?, phase = ?, waits_for = ?, state_since = ?, ended_at = ?, answers = ?, used = ?, version = version + 1 where id = ?",
        params![&o.state, phase_text(o.phase), &o.waits_for, o.state_since, o.ended_at, Param::json(&o.answers)?, Param::json(&o.used)?, o.id],
    )
    .await?;
    Ok(())
}

/// An order by id.
pub(crate) async fn order_by_id(store: &Store, id: Uuid) -> Result<Option<OrderRecord>> {
    store.row("select * from work_order where id = ?", params![id]).await?.as_ref().map(order).transpose()
}

/// An order inside a change that will write to it; writing the row first holds it (PostgreSQL).
pub(crate) async fn order_in(tx: &mut Tx, id: Uuid) -> Result<Option<OrderRecord>> {
    tx.exec("update work_order set version = version where id = ?", params![id]).await?;
    tx.row("select * from work_order where id = ?", params![id]).await?.as_ref().map(order).transpose()
}

/// An order of a case by its code, inside a change.
pub(crate) async fn order_of_case(tx: &mut Tx, case: Uuid, code: &str) -> Result<Option<OrderRecord>> {
    tx.row("select * from work_order where case_id = ? and code = ?", params![case, text::normal_code(code)]).await?.as_ref().map(order).transpose()
}

/// Orders that pass a filter, by the time they are due.
pub(crate) async fn orders(store: &Store, filter: tables::Filter, limit: usize) -> Result<Vec<OrderRecord>> {
    let (condition, mut values) = filter.parts();
    values.push(Param::from(limit));
    store.rows(&format!("select * from work_order where {condition} order by due_at, id limit ?"), values).await?.iter().map(order).collect()
}

/// Appends to an order's log.
pub(crate) async fn insert_log(tx: &mut Tx, order: Uuid, l: &OrderLogRecord) -> Result<()> {
    let n = tx.row("select cast(coalesce(max(n), 0) as bigint) as n from work_log where order_id = ?", params![order]).await?.map_or(Ok(0), |r| r.int("n"))?;
    tx.exec(
        "insert into work_log (order_id, n, at, received_at, by_id, by_name, step, to_state, note, reason, lon, lat) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            order,
            n + 1,
            l.at,
            l.received_at,
            l.by_id,
            &l.by_name,
            &l.step,
            &l.to,
            l.note.as_deref(),
            l.reason.as_deref(),
            l.location.map(|p| p.lon),
            l.location.map(|p| p.lat),
        ],
    )
    .await?;
    Ok(())
}

/// Logs of orders, oldest first; the newest 200 entries of each are asked for by the screens, orders have few.
pub(crate) async fn logs_of(store: &Store, orders: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<OrderLogRecord>>> {
    let mut found: BTreeMap<Uuid, Vec<OrderLogRecord>> = BTreeMap::new();
    if orders.is_empty() {
        return Ok(found);
    }
    let sql = format!("select * from work_log where order_id in ({}) and n <= 500 order by order_id, n", marks(orders.len()));
    for row in store.rows(&sql, orders.iter().map(|o| Param::from(*o)).collect()).await? {
        found.entry(row.uuid("order_id")?).or_default().push(OrderLogRecord {
            at: row.time("at")?,
            received_at: row.time("received_at")?,
            by_id: row.opt_uuid("by_id")?,
            by_name: row.text("by_name")?,
            step: row.text("step")?,
            to: row.text("to_state")?,
            note: row.opt_text("note")?,
            reason: row.opt_text("reason")?,
            location: spot(&row)?,
        });
    }
    Ok(found)
}

/// Who last made a step on an order.
pub(crate) async fn last_maker(tx: &mut Tx, order: Uuid, step: &str) -> Result<Option<Uuid>> {
    let row = tx.row("select by_id from work_log where order_id = ? and step = ? order by n desc limit 1", params![order, step]).await?;
    row.map_or(Ok(None), |r| r.opt_uuid("by_id"))
}

/// The instant of an order's last step.
pub(crate) async fn last_step_at(tx: &mut Tx, order: Uuid) -> Result<Option<Timestamp>> {
    let row = tx.row("select at from work_log where order_id = ? order by n desc limit 1", params![order]).await?;
    row.map(|r| r.time("at")).transpose()
}

/// Vouches for photos and ties them to an order.
pub(crate) async fn insert_photos(tx: &mut Tx, order: Uuid, photos: &[Photo], items: &[String]) -> Result<()> {
    let now = tx.now();
    for (photo, item) in photos.iter().zip(items) {
        tx.attach(&photo.full).await?;
        tx.attach(&photo.thumb).await?;
        tx.exec(
            "insert into work_photo (order_id, sha256, thumb, item, width, height, at) values (?, ?, ?, ?, ?, ?, ?) on conflict (order_id, sha256) do nothing",
            params![order, &photo.full.sha256, &photo.thumb.sha256, item, photo.width, photo.height, now],
        )
        .await?;
    }
    Ok(())
}

fn photo(row: &Row) -> Result<OrderPhotoRecord> {
    Ok(OrderPhotoRecord { order: row.uuid("order_id")?, sha: row.text("sha256")?, thumb: row.text("thumb")?, item: row.text("item")? })
}

/// Photos of orders, in the order they came.
pub(crate) async fn photos_of(store: &Store, orders: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<OrderPhotoRecord>>> {
    let mut found: BTreeMap<Uuid, Vec<OrderPhotoRecord>> = BTreeMap::new();
    if orders.is_empty() {
        return Ok(found);
    }
    let sql = format!("select * from work_photo where order_id in ({}) order by at, sha256", marks(orders.len()));
    for row in store.rows(&sql, orders.iter().map(|o| Param::from(*o)).collect()).await? {
        let photo = photo(&row)?;
        found.entry(photo.order).or_default().push(photo);
    }
    Ok(found)
}

/// What an order's photos show.
pub(crate) async fn photo_items(tx: &mut Tx, order: Uuid) -> Result<BTreeSet<String>> {
    tx.rows("select distinct item from work_photo where order_id = ?", params![order]).await?.iter().map(|r| r.text("item")).collect()
}

/// Orders that a photo belongs to.
pub(crate) async fn photo_uses(store: &Store, sha: &str) -> Result<Vec<OrderPhotoRecord>> {
    store.rows("select * from work_photo where sha256 = ? or thumb = ? limit 20", params![sha, sha]).await?.iter().map(photo).collect()
}

/// Orders about cases that hold one of the reporter's photos, with the two renditions that a crew sees: the masked ones where there are.
pub(crate) async fn report_photo_uses(store: &Store, sha: &str) -> Result<Vec<(OrderRecord, String, String)>> {
    let sql = "select o.*, coalesce(m.masked, p.sha256) as full_sha, coalesce(m.masked_thumb, p.thumb) as thumb_sha \
               from case_photo p join work_order o on o.case_id = p.case_id left join case_mask m on m.case_id = p.case_id and m.sha256 = p.sha256 \
               where p.stage = 'report' and (p.sha256 = ? or p.thumb = ?) limit 20";
    store.rows(sql, params![sha, sha]).await?.iter().map(|r| Ok((order(r)?, r.text("full_sha")?, r.text("thumb_sha")?))).collect()
}

/// Gives a case the photos of the work that a crew did; returns how many it did not have yet.
pub(crate) async fn take_after_photos(tx: &mut Tx, order: Uuid, case: Uuid) -> Result<u64> {
    tx.exec(
        "insert into case_photo (case_id, sha256, thumb, stage, public, width, height, at) \
         select ?, p.sha256, p.thumb, 'after', 0, p.width, p.height, p.at from work_photo p where p.order_id = ? and p.item = 'after' \
         and not exists (select 1 from case_photo c where c.case_id = ? and c.sha256 = p.sha256)",
        params![case, order, case],
    )
    .await
}
