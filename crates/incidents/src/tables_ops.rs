//! SQL of procedures, resources, duties, the shift, orders, warnings and reviews.

use std::collections::BTreeSet;

use dothi_kernel::{PageQuery, Result, Timestamp};
use dothi_store::{Param, Store, Tx, marks, params};
use uuid::Uuid;

use crate::model_ops::{Dispatch, Duty, OpsOrder, OpsShift, ProcedureVersion, PublicWarning, Resource, Review, Run, ShiftLine};
use crate::tables::{cursor, docs};
use crate::{stale, unknown};

fn fresh(done: u64) -> Result<()> {
    if done == 1 { Ok(()) } else { Err(stale()) }
}

pub(crate) async fn put_procedure(tx: &mut Tx, p: &ProcedureVersion) -> Result<()> {
    let sql = "insert into incident_procedure (code, version, state, doc) values (?, ?, ?, ?) \
               on conflict (code, version) do update set state = excluded.state, doc = excluded.doc";
    tx.exec(sql, params![&p.code, p.version, &p.state, Param::json(p)?]).await?;
    Ok(())
}

/// Versions of a procedure, newest first.
pub(crate) async fn versions_in(tx: &mut Tx, code: &str) -> Result<Vec<ProcedureVersion>> {
    docs(&tx.rows("select doc from incident_procedure where code = ? order by version desc limit 200", params![code]).await?)
}

pub(crate) async fn versions(store: &Store, code: &str) -> Result<Vec<ProcedureVersion>> {
    docs(&store.rows("select doc from incident_procedure where code = ? order by version desc limit 200", params![code]).await?)
}

/// The approved version of each procedure and its newest draft.
pub(crate) async fn procedures(store: &Store) -> Result<Vec<ProcedureVersion>> {
    let sql = "select doc from incident_procedure where state in ('approved', 'draft') order by code, version desc limit 1000";
    docs(&store.rows(sql, params![]).await?)
}

/// Approved procedures.
pub(crate) async fn approved_in(tx: &mut Tx) -> Result<Vec<ProcedureVersion>> {
    docs(&tx.rows("select doc from incident_procedure where state = 'approved' order by code limit 500", params![]).await?)
}

pub(crate) async fn insert_run(tx: &mut Tx, r: &Run) -> Result<()> {
    let sql = "insert into incident_run (id, incident, procedure_code, ended, version, doc) values (?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![r.id, r.incident, &r.procedure, r.ended_at.is_some(), r.version, Param::json(r)?]).await?;
    Ok(())
}

pub(crate) async fn update_run(tx: &mut Tx, r: &mut Run) -> Result<()> {
    let before = r.version;
    r.version += 1;
    let sql = "update incident_run set ended = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![r.ended_at.is_some(), r.version, Param::json(r)?, r.id, before]).await?)
}

pub(crate) async fn run_in(tx: &mut Tx, id: Uuid) -> Result<Run> {
    tx.row("select doc from incident_run where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

pub(crate) async fn runs(store: &Store, incident: Uuid) -> Result<Vec<Run>> {
    docs(&store.rows("select doc from incident_run where incident = ? order by id limit 50", params![incident]).await?)
}

pub(crate) async fn runs_in(tx: &mut Tx, incident: Uuid) -> Result<Vec<Run>> {
    docs(&tx.rows("select doc from incident_run where incident = ? order by id limit 50", params![incident]).await?)
}

/// Procedures that run for incidents of life.
pub(crate) async fn running(store: &Store, most: usize) -> Result<Vec<Run>> {
    let sql = "select r.doc as doc from incident_run r join incident i on i.id = r.incident where r.ended = 0 and i.drill = 0 order by r.id limit ?";
    docs(&store.rows(sql, params![most]).await?)
}

pub(crate) async fn insert_resource(tx: &mut Tx, r: &Resource) -> Result<()> {
    let sql = "insert into incident_resource (id, code, unit, kind, state, version, doc) values (?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![r.id, &r.code, &r.unit.id, &r.kind, &r.state, r.version, Param::json(r)?]).await?;
    crew(tx, r).await
}

pub(crate) async fn update_resource(tx: &mut Tx, r: &mut Resource) -> Result<()> {
    let before = r.version;
    r.version += 1;
    let sql = "update incident_resource set code = ?, unit = ?, kind = ?, state = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![&r.code, &r.unit.id, &r.kind, &r.state, r.version, Param::json(r)?, r.id, before]).await?)?;
    crew(tx, r).await
}

async fn crew(tx: &mut Tx, r: &Resource) -> Result<()> {
    tx.exec("delete from incident_crew where resource = ?", params![r.id]).await?;
    for person in r.crew.iter().collect::<BTreeSet<_>>() {
        tx.exec("insert into incident_crew (resource, person) values (?, ?)", params![r.id, *person]).await?;
    }
    Ok(())
}

pub(crate) async fn resource(store: &Store, id: Uuid) -> Result<Resource> {
    store.row("select doc from incident_resource where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}
pub(crate) async fn resource_in(tx: &mut Tx, id: Uuid) -> Result<Resource> {
    tx.row("select doc from incident_resource where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

/// Resources by call sign, at most 1,000.
pub(crate) async fn resources(store: &Store, units: Option<&BTreeSet<String>>) -> Result<Vec<Resource>> {
    match units {
        None => docs(&store.rows("select doc from incident_resource order by code limit 1000", params![]).await?),
        Some(units) => {
            let sql = format!("select doc from incident_resource where unit in ({}) order by code limit 1000", marks(units.len()));
            docs(&store.rows(&sql, units.iter().map(Param::from).collect()).await?)
        }
    }
}

pub(crate) async fn insert_dispatch(tx: &mut Tx, d: &Dispatch) -> Result<()> {
    let sql = "insert into incident_dispatch (id, incident, resource, ended, sent_at, version, doc) values (?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![d.id, d.incident, d.resource, d.ended, d.sent_at, d.version, Param::json(d)?]).await?;
    Ok(())
}

pub(crate) async fn update_dispatch(tx: &mut Tx, d: &mut Dispatch) -> Result<()> {
    let before = d.version;
    d.version += 1;
    let sql = "update incident_dispatch set ended = ?, incident = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![d.ended, d.incident, d.version, Param::json(d)?, d.id, before]).await?)
}

pub(crate) async fn dispatch_in(tx: &mut Tx, id: Uuid) -> Result<Dispatch> {
    tx.row("select doc from incident_dispatch where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

pub(crate) async fn dispatches(store: &Store, incident: Uuid) -> Result<Vec<Dispatch>> {
    docs(&store.rows("select doc from incident_dispatch where incident = ? order by sent_at limit 200", params![incident]).await?)
}

pub(crate) async fn dispatches_in(tx: &mut Tx, incident: Uuid) -> Result<Vec<Dispatch>> {
    docs(&tx.rows("select doc from incident_dispatch where incident = ? order by sent_at limit 200", params![incident]).await?)
}

/// Dispatches of incidents, for the time chain.
pub(crate) async fn dispatches_between(store: &Store, from: Timestamp, most: usize) -> Result<Vec<Dispatch>> {
    docs(&store.rows("select doc from incident_dispatch where sent_at >= ? order by sent_at desc limit ?", params![from, most]).await?)
}

/// What a person is sent to, newest first.
pub(crate) async fn dispatches_of(store: &Store, person: Uuid) -> Result<Vec<Dispatch>> {
    let sql = "select d.doc as doc from incident_dispatch d join incident_crew c on c.resource = d.resource where c.person = ? and d.ended = 0 \
               order by d.sent_at desc limit 50";
    docs(&store.rows(sql, params![person]).await?)
}

pub(crate) async fn insert_duty(tx: &mut Tx, d: &Duty) -> Result<()> {
    let sql = "insert into incident_duty (id, roster, position, person, starts_at, ends_at, version, doc) values (?, ?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![d.id, &d.roster, &d.position, d.person, d.starts_at, d.ends_at, d.version, Param::json(d)?]).await?;
    Ok(())
}

pub(crate) async fn update_duty(tx: &mut Tx, d: &mut Duty) -> Result<()> {
    let before = d.version;
    d.version += 1;
    let sql = "update incident_duty set person = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![d.person, d.version, Param::json(d)?, d.id, before]).await?)
}

pub(crate) async fn duty_in(tx: &mut Tx, id: Uuid) -> Result<Duty> {
    tx.row("select doc from incident_duty where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

/// Removes a duty; whether there was one.
pub(crate) async fn delete_duty(tx: &mut Tx, id: Uuid) -> Result<bool> {
    Ok(tx.exec("delete from incident_duty where id = ?", params![id]).await? == 1)
}

/// Duties that overlap a time, by beginning.
pub(crate) async fn duties(store: &Store, from: Timestamp, to: Timestamp) -> Result<Vec<Duty>> {
    let sql = "select doc from incident_duty where ends_at > ? and starts_at < ? order by starts_at, position limit 2000";
    docs(&store.rows(sql, params![from, to]).await?)
}

/// Duties of a person that overlap a time.
pub(crate) async fn duties_of_in(tx: &mut Tx, person: Uuid, from: Timestamp, to: Timestamp) -> Result<Vec<Duty>> {
    docs(&tx.rows("select doc from incident_duty where person = ? and ends_at > ? and starts_at < ? limit 50", params![person, from, to]).await?)
}

/// Duties of a position now.
pub(crate) async fn on_duty_in(tx: &mut Tx, position: &str, at: Timestamp) -> Result<Vec<Duty>> {
    docs(&tx.rows("select doc from incident_duty where position = ? and starts_at <= ? and ends_at > ? limit 20", params![position, at, at]).await?)
}

/// The shift that runs.
pub(crate) async fn shift(store: &Store) -> Result<Option<OpsShift>> {
    store.row("select doc from incident_shift where ended = 0 order by begun_at desc limit 1", params![]).await?.map(|r| r.json("doc")).transpose()
}

pub(crate) async fn shift_in(tx: &mut Tx) -> Result<Option<OpsShift>> {
    tx.row("select doc from incident_shift where ended = 0 order by begun_at desc limit 1", params![]).await?.map(|r| r.json("doc")).transpose()
}

pub(crate) async fn insert_shift(tx: &mut Tx, s: &OpsShift) -> Result<()> {
    let sql = "insert into incident_shift (id, begun_at, ended, version, doc) values (?, ?, ?, ?, ?)";
    tx.exec(sql, params![s.id, s.begun_at, s.taken_at.is_some(), s.version, Param::json(s)?]).await?;
    Ok(())
}

pub(crate) async fn update_shift(tx: &mut Tx, s: &mut OpsShift) -> Result<()> {
    let before = s.version;
    s.version += 1;
    let sql = "update incident_shift set ended = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![s.taken_at.is_some(), s.version, Param::json(s)?, s.id, before]).await?)
}

/// Shifts, newest first.
pub(crate) async fn shifts(store: &Store, page: &PageQuery) -> Result<Vec<OpsShift>> {
    let (at, id) = page.after.as_deref().and_then(cursor).unwrap_or((Timestamp::MAX, Uuid::nil()));
    let sql = "select doc from incident_shift where begun_at < ? or (begun_at = ? and id < ?) order by begun_at desc, id desc limit ?";
    docs(&store.rows(sql, params![at, at, id, page.limit() + 1]).await?)
}

/// Adds a line to the operator log.
pub(crate) async fn shift_line(tx: &mut Tx, shift: Uuid, by: &str, text: &str) -> Result<()> {
    let now = tx.now();
    let sql = "insert into incident_shift_line (shift, n, at, by_name, text) \
               select ?, coalesce(max(n), 0) + 1, ?, ?, ? from incident_shift_line where shift = ?";
    tx.exec(sql, params![shift, now, by, text, shift]).await?;
    Ok(())
}

/// Lines of a shift, newest first.
pub(crate) async fn shift_lines(store: &Store, shift: Uuid, limit: usize) -> Result<Vec<ShiftLine>> {
    let rows = store.rows("select n, at, by_name, text from incident_shift_line where shift = ? order by n desc limit ?", params![shift, limit]).await?;
    rows.iter().map(|r| Ok(ShiftLine { n: r.int("n")?, at: r.time("at")?, by: r.text("by_name")?, text: r.text("text")? })).collect()
}

pub(crate) async fn insert_order(tx: &mut Tx, o: &OpsOrder) -> Result<()> {
    tx.exec("insert into incident_order (id, at, ended, doc) values (?, ?, 0, ?)", params![o.id, o.at, Param::json(o)?]).await?;
    Ok(())
}

/// Ends an order; whether there was one.
pub(crate) async fn end_order(tx: &mut Tx, id: Uuid) -> Result<bool> {
    Ok(tx.exec("update incident_order set ended = 1 where id = ? and ended = 0", params![id]).await? == 1)
}

/// Orders in force, newest first, each with who read it: person and name.
pub(crate) async fn orders(store: &Store) -> Result<Vec<(OpsOrder, Vec<(Uuid, String)>)>> {
    let orders: Vec<OpsOrder> = docs(&store.rows("select doc from incident_order where ended = 0 order by at desc limit 100", params![]).await?)?;
    let mut out = Vec::with_capacity(orders.len());
    for order in orders {
        let rows = store.rows("select person, name from incident_order_read where order_id = ? order by at limit 500", params![order.id]).await?;
        let readers = rows.iter().map(|r| Ok((r.uuid("person")?, r.text("name")?))).collect::<Result<_>>()?;
        out.push((order, readers));
    }
    Ok(out)
}

/// Somebody confirms reading; again changes nothing. Whether there is such an order.
pub(crate) async fn read_order(tx: &mut Tx, id: Uuid, person: Uuid, name: &str) -> Result<bool> {
    if tx.row("select 1 as one from incident_order where id = ? and ended = 0", params![id]).await?.is_none() {
        return Ok(false);
    }
    let now = tx.now();
    let sql = "insert into incident_order_read (order_id, person, name, at) values (?, ?, ?, ?) on conflict (order_id, person) do nothing";
    tx.exec(sql, params![id, person, name, now]).await?;
    Ok(true)
}

pub(crate) async fn insert_warning(tx: &mut Tx, w: &PublicWarning) -> Result<()> {
    let sql = "insert into incident_warning (id, identifier, incident, drill, state, made_at, sent_at, expires_at, version, doc) \
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![w.id, &w.identifier, w.incident, w.drill, &w.state, w.made_at, w.sent_at, w.expires_at, w.version, Param::json(w)?]).await?;
    Ok(())
}

pub(crate) async fn update_warning(tx: &mut Tx, w: &mut PublicWarning) -> Result<()> {
    let before = w.version;
    w.version += 1;
    let sql = "update incident_warning set state = ?, sent_at = ?, expires_at = ?, version = ?, doc = ? where id = ? and version = ?";
    fresh(tx.exec(sql, params![&w.state, w.sent_at, w.expires_at, w.version, Param::json(w)?, w.id, before]).await?)
}

pub(crate) async fn warning_in(tx: &mut Tx, id: Uuid) -> Result<PublicWarning> {
    tx.row("select doc from incident_warning where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

/// A warning that was sent, by identifier.
pub(crate) async fn sent_in(tx: &mut Tx, identifier: &str) -> Result<Option<PublicWarning>> {
    let sql = "select doc from incident_warning where identifier = ? and sent_at is not null";
    tx.row(sql, params![identifier]).await?.map(|r| r.json("doc")).transpose()
}

pub(crate) async fn sent(store: &Store, identifier: &str) -> Result<Option<PublicWarning>> {
    let sql = "select doc from incident_warning where identifier = ? and sent_at is not null";
    store.row(sql, params![identifier]).await?.map(|r| r.json("doc")).transpose()
}

/// Warnings, newest first: of an incident, or all.
pub(crate) async fn warnings(store: &Store, incident: Option<Uuid>, page: &PageQuery) -> Result<Vec<PublicWarning>> {
    let mut sql = "select doc from incident_warning where 1 = 1".to_string();
    let mut given = params![];
    if let Some(incident) = incident {
        sql.push_str(" and incident = ?");
        given.push(incident.into());
    }
    if let Some((at, id)) = page.after.as_deref().and_then(cursor) {
        sql.push_str(" and (made_at < ? or (made_at = ? and id < ?))");
        given.extend(params![at, at, id]);
    }
    sql.push_str(" order by made_at desc, id desc limit ?");
    given.push((page.limit() + 1).into());
    docs(&store.rows(&sql, given).await?)
}

/// Warnings of life that were sent since an instant, newest first; with exercises when they are asked for.
pub(crate) async fn sent_since(store: &Store, since: Timestamp, drills: bool, most: usize) -> Result<Vec<PublicWarning>> {
    let sql = "select doc from incident_warning where drill <= ? and sent_at >= ? order by sent_at desc limit ?";
    docs(&store.rows(sql, params![drills, since, most]).await?)
}

/// Warnings of life in force.
pub(crate) async fn in_force(store: &Store, now: Timestamp) -> Result<Vec<PublicWarning>> {
    let sql = "select doc from incident_warning where drill = 0 and state = 'issued' and sent_at <= ? and expires_at > ? order by sent_at desc limit 100";
    docs(&store.rows(sql, params![now, now]).await?)
}

pub(crate) async fn review(store: &Store, incident: Uuid) -> Result<Option<Review>> {
    store.row("select doc from incident_review where incident = ?", params![incident]).await?.map(|r| r.json("doc")).transpose()
}

/// Writes a review over the version it was made on.
pub(crate) async fn put_review(tx: &mut Tx, incident: Uuid, review: &mut Review) -> Result<()> {
    let before = review.version;
    review.version += 1;
    let doc = Param::json(review)?;
    let done = if before == 0 {
        tx.exec(
            "insert into incident_review (incident, version, doc) values (?, ?, ?) on conflict (incident) do nothing",
            params![incident, review.version, doc],
        )
        .await?
    } else {
        tx.exec("update incident_review set version = ?, doc = ? where incident = ? and version = ?", params![review.version, doc, incident, before]).await?
    };
    fresh(done)
}
