//! SQL of incidents, their log, links and tasks.

use std::collections::BTreeSet;

use dothi_kernel::{PageQuery, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, marks, params};
use serde_json::Value;
use uuid::Uuid;

use crate::model::{By, Incident, IncidentQuery, Link, LogLine, Task};
use crate::pack::IncidentsPack;
use crate::{CURSORS, stale, unknown};

/// Schema.
pub const MIGRATIONS: &[Migration] = &[Migration { domain: "incidents", version: 1, sql: include_str!("schema.sql") }];

/// Reads the documents of rows.
pub(crate) fn docs<T: serde::de::DeserializeOwned>(rows: &[Row]) -> Result<Vec<T>> {
    rows.iter().map(|r| r.json("doc")).collect()
}

pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, part: &IncidentsPack) -> Result<()> {
    let sql = "insert into incident_pack (pack, doc) values (?, ?) on conflict (pack) do update set doc = excluded.doc";
    tx.exec(sql, params![pack, Param::json(part)?]).await?;
    Ok(())
}

pub(crate) async fn packs(store: &Store) -> Result<Vec<IncidentsPack>> {
    docs(&store.rows("select doc from incident_pack order by pack", params![]).await?)
}

/// The next number of a series.
pub(crate) async fn number(tx: &mut Tx, series: &str) -> Result<i64> {
    let sql = "insert into incident_number (series, last) values (?, 1) on conflict (series) do update set last = incident_number.last + 1 returning last";
    tx.row(sql, params![series]).await?.map_or(Ok(1), |r| r.int("last"))
}

pub(crate) async fn insert(tx: &mut Tx, i: &Incident) -> Result<()> {
    tx.exec(
        "insert into incident (id, code, drill, kind, state, ended, unit, area, parent, opened_at, logged, version, doc) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
        params![i.id, &i.code, i.drill, &i.kind, &i.state, i.ended, &i.unit.id, i.place.area.as_ref(), i.parent, i.opened_at, i.version, Param::json(i)?],
    )
    .await?;
    party(tx, i.id, &i.unit.id).await
}

/// Writes a changed incident; its version goes up by one. 409 `incidents.version` when somebody was faster.
pub(crate) async fn update(tx: &mut Tx, i: &mut Incident) -> Result<()> {
    let before = i.version;
    i.version += 1;
    let done = tx
        .exec(
            "update incident set kind = ?, state = ?, ended = ?, unit = ?, area = ?, parent = ?, version = ?, doc = ? where id = ? and version = ?",
            params![&i.kind, &i.state, i.ended, &i.unit.id, i.place.area.as_ref(), i.parent, i.version, Param::json(i)?, i.id, before],
        )
        .await?;
    if done == 1 { Ok(()) } else { Err(stale()) }
}

/// A unit that takes part, and so may see it.
pub(crate) async fn party(tx: &mut Tx, incident: Uuid, unit: &str) -> Result<()> {
    tx.exec("insert into incident_party (incident, unit) values (?, ?) on conflict (incident, unit) do nothing", params![incident, unit]).await?;
    Ok(())
}

pub(crate) async fn parties(store: &Store, incident: Uuid) -> Result<BTreeSet<String>> {
    let rows = store.rows("select unit from incident_party where incident = ?", params![incident]).await?;
    rows.iter().map(|r| r.text("unit")).collect()
}

pub(crate) async fn get(store: &Store, id: Uuid) -> Result<Option<Incident>> {
    store.row("select doc from incident where id = ?", params![id]).await?.map(|r| r.json("doc")).transpose()
}

/// One within a change. 404.
pub(crate) async fn get_in(tx: &mut Tx, id: Uuid) -> Result<Incident> {
    tx.row("select doc from incident where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

pub(crate) async fn children(store: &Store, id: Uuid) -> Result<Vec<Incident>> {
    docs(&store.rows("select doc from incident where parent = ? order by opened_at limit 200", params![id]).await?)
}

/// Incidents, newest first.
pub(crate) async fn list(store: &Store, query: &IncidentQuery, units: Option<&BTreeSet<String>>) -> Result<Vec<Incident>> {
    let mut sql = "select doc from incident i where i.drill = ?".to_string();
    let mut given = params![query.drill.unwrap_or(false)];
    match query.view.as_deref() {
        Some("all") => {}
        Some("ended") => sql.push_str(" and i.ended = 1"),
        _ => sql.push_str(" and i.ended = 0"),
    }
    for (column, value) in [("kind", &query.kind), ("area", &query.area)] {
        if let Some(value) = value {
            sql.push_str(&format!(" and i.{column} = ?"));
            given.push(value.into());
        }
    }
    if let Some(units) = units {
        sql.push_str(&format!(" and exists (select 1 from incident_party p where p.incident = i.id and p.unit in ({}))", marks(units.len())));
        given.extend(units.iter().map(Param::from));
    }
    if let Some((at, id)) = query.after.as_deref().and_then(cursor) {
        sql.push_str(" and (i.opened_at < ? or (i.opened_at = ? and i.id < ?))");
        given.extend(params![at, at, id]);
    }
    sql.push_str(" order by i.opened_at desc, i.id desc limit ?");
    given.push((PageQuery { limit: query.limit, after: None }.limit() + 1).into());
    docs(&store.rows(&sql, given).await?)
}

/// A place in a list by time; a list whose `after` is none begins at its beginning.
pub(crate) fn cursor(text: &str) -> Option<(Timestamp, Uuid)> {
    CURSORS.read(text)
}

/// Open incidents of a type since an instant, for joining.
pub(crate) async fn open_of_kind(tx: &mut Tx, kind: &str, since: Timestamp) -> Result<Vec<Incident>> {
    docs(
        &tx.rows(
            "select doc from incident where drill = 0 and ended = 0 and kind = ? and opened_at >= ? order by opened_at desc limit 200",
            params![kind, since],
        )
        .await?,
    )
}

/// Incidents opened in a time, for the time chain.
pub(crate) async fn opened_between(
    store: &Store,
    drill: bool,
    from: Timestamp,
    to: Timestamp,
    units: Option<&BTreeSet<String>>,
    most: usize,
) -> Result<Vec<Incident>> {
    let mut sql = "select doc from incident where drill = ? and opened_at >= ? and opened_at < ?".to_string();
    let mut given = params![drill, from, to];
    if let Some(units) = units {
        sql.push_str(&format!(" and unit in ({})", marks(units.len())));
        given.extend(units.iter().map(Param::from));
    }
    sql.push_str(" order by opened_at desc limit ?");
    given.push(most.into());
    docs(&store.rows(&sql, given).await?)
}

fn chained(before: &str, line: &LogLine) -> String {
    let id = line.by.id.map(|i| i.to_string()).unwrap_or_default();
    let (n, at, data) = (line.n.to_string(), line.at.as_microsecond().to_string(), line.data.to_string());
    dothi_store::secret::hash(&[before, &n, &at, &id, &line.by.name, &line.kind, &line.text, &data])
}

/// Adds a line to the log, in the transaction of what it tells of.
pub(crate) async fn log(tx: &mut Tx, incident: Uuid, by: &By, kind: &str, text: &str, data: &Value) -> Result<()> {
    let n = tx.row("update incident set logged = logged + 1 where id = ? returning logged", params![incident]).await?.ok_or_else(unknown)?.int("logged")?;
    let before = tx.row("select hash from incident_log where incident = ? and n = ?", params![incident, n - 1]).await?;
    let before = before.map_or(Ok(String::new()), |r| r.text("hash"))?;
    let mut line = LogLine { n, at: tx.now(), by: by.clone(), kind: kind.into(), text: text.into(), data: data.clone(), hash: String::new() };
    line.hash = chained(&before, &line);
    tx.exec(
        "insert into incident_log (incident, n, at, by_id, by_name, kind, text, data, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![incident, n, line.at, by.id, &by.name, kind, text, data.to_string(), &line.hash],
    )
    .await?;
    Ok(())
}

fn line(row: &Row) -> Result<LogLine> {
    Ok(LogLine {
        n: row.int("n")?,
        at: row.time("at")?,
        by: By { id: row.opt_uuid("by_id")?, name: row.text("by_name")? },
        kind: row.text("kind")?,
        text: row.text("text")?,
        data: row.json("data")?,
        hash: row.text("hash")?,
    })
}

/// Lines before a position, newest first.
pub(crate) async fn log_page(store: &Store, incident: Uuid, before: i64, limit: usize) -> Result<Vec<LogLine>> {
    let rows = store.rows("select * from incident_log where incident = ? and n < ? order by n desc limit ?", params![incident, before, limit]).await?;
    rows.iter().map(line).collect()
}

/// Whether the log's hashes fit: the first position that does not.
pub(crate) fn broken(lines: &[LogLine]) -> Option<i64> {
    let mut before = String::new();
    for (i, line) in lines.iter().enumerate() {
        if line.n != i as i64 + 1 || line.hash != chained(&before, line) {
            return Some(i as i64 + 1);
        }
        before = line.hash.clone();
    }
    None
}

/// The whole log, oldest first, at most `most` lines.
pub(crate) async fn log_all(store: &Store, incident: Uuid, most: usize) -> Result<Vec<LogLine>> {
    let rows = store.rows("select * from incident_log where incident = ? order by n limit ?", params![incident, most]).await?;
    rows.iter().map(line).collect()
}

/// Attaches; false when it was attached already.
pub(crate) async fn link(tx: &mut Tx, incident: Uuid, link: &Link) -> Result<bool> {
    let sql = "insert into incident_link (kind, ref, incident, at, doc) values (?, ?, ?, ?, ?) on conflict (kind, ref, incident) do nothing";
    Ok(tx.exec(sql, params![&link.kind, &link.reference, incident, link.at, Param::json(link)?]).await? == 1)
}

pub(crate) async fn unlink(tx: &mut Tx, incident: Uuid, kind: &str, reference: &str) -> Result<bool> {
    Ok(tx.exec("delete from incident_link where incident = ? and kind = ? and ref = ?", params![incident, kind, reference]).await? == 1)
}

pub(crate) async fn links(store: &Store, incident: Uuid) -> Result<Vec<Link>> {
    docs(&store.rows("select doc from incident_link where incident = ? order by at limit 500", params![incident]).await?)
}

pub(crate) async fn links_in(tx: &mut Tx, incident: Uuid) -> Result<Vec<Link>> {
    docs(&tx.rows("select doc from incident_link where incident = ? order by at limit 500", params![incident]).await?)
}

/// The incident of life (or the open drill) that something belongs to already.
pub(crate) async fn linked(tx: &mut Tx, kind: &str, reference: &str, drill: bool) -> Result<Option<Incident>> {
    let sql = "select i.doc as doc from incident_link l join incident i on i.id = l.incident where l.kind = ? and l.ref = ? and i.drill = ? \
               order by i.ended, i.opened_at desc limit 1";
    tx.row(sql, params![kind, reference, drill]).await?.map(|r| r.json("doc")).transpose()
}

pub(crate) async fn insert_task(tx: &mut Tx, t: &Task) -> Result<()> {
    tx.exec(
        "insert into incident_task (id, incident, unit, state, at, version, doc) values (?, ?, ?, ?, ?, ?, ?)",
        params![t.id, t.incident, &t.unit.id, &t.state, t.at, t.version, Param::json(t)?],
    )
    .await?;
    party(tx, t.incident, &t.unit.id).await
}

pub(crate) async fn update_task(tx: &mut Tx, t: &mut Task) -> Result<()> {
    let before = t.version;
    t.version += 1;
    let sql = "update incident_task set state = ?, version = ?, doc = ? where id = ? and version = ?";
    if tx.exec(sql, params![&t.state, t.version, Param::json(t)?, t.id, before]).await? == 1 { Ok(()) } else { Err(stale()) }
}

pub(crate) async fn task_in(tx: &mut Tx, id: Uuid) -> Result<Task> {
    tx.row("select doc from incident_task where id = ?", params![id]).await?.ok_or_else(unknown)?.json("doc")
}

pub(crate) async fn tasks(store: &Store, incident: Uuid) -> Result<Vec<Task>> {
    docs(&store.rows("select doc from incident_task where incident = ? order by at limit 200", params![incident]).await?)
}

pub(crate) async fn open_tasks_in(tx: &mut Tx, incident: Uuid) -> Result<Vec<Task>> {
    docs(&tx.rows("select doc from incident_task where incident = ? and state = 'open' limit 500", params![incident]).await?)
}

/// Tasks of units, newest first.
pub(crate) async fn tasks_of(store: &Store, units: Option<&BTreeSet<String>>, state: Option<&str>, page: &PageQuery) -> Result<Vec<Task>> {
    let mut sql = "select doc from incident_task where 1 = 1".to_string();
    let mut given = params![];
    if let Some(units) = units {
        sql.push_str(&format!(" and unit in ({})", marks(units.len())));
        given.extend(units.iter().map(Param::from));
    }
    if let Some(state) = state {
        sql.push_str(" and state = ?");
        given.push(state.into());
    }
    if let Some((at, id)) = page.after.as_deref().and_then(cursor) {
        sql.push_str(" and (at < ? or (at = ? and id < ?))");
        given.extend(params![at, at, id]);
    }
    sql.push_str(" order by at desc, id desc limit ?");
    given.push((page.limit() + 1).into());
    docs(&store.rows(&sql, given).await?)
}

pub(crate) async fn count_open_tasks(store: &Store) -> Result<i64> {
    let sql = "select count(*) as n from incident_task t join incident i on i.id = t.incident where t.state = 'open' and i.drill = 0";
    store.row(sql, params![]).await?.map_or(Ok(0), |r| r.int("n"))
}
