//! SQL of works and events.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::WorkInput;
use crate::now::Published;

/// Works as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    pub id: Uuid,
    pub state: String,
    pub input: WorkInput,
    pub published_by: Option<String>,
    pub at: Timestamp,
    pub by: String,
    pub version: i64,
}

const WORK: &str = "id, state, unit, from_at, to_at, body, published_by, at, by_name, version";

fn work_of(row: &Row) -> Result<Work> {
    let mut input: WorkInput = row.json("body")?;
    let version = row.int("version")?;
    input.version = Some(version);
    Ok(Work {
        id: row.uuid("id")?,
        state: row.text("state")?,
        input,
        published_by: row.opt_text("published_by")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version,
    })
}

/// Works inside a change.
pub(crate) async fn work_in(tx: &mut Tx, id: Uuid) -> Result<Option<Work>> {
    let row = tx.row(&format!("select {WORK} from traffic_work where id = ?"), params![id]).await?;
    row.as_ref().map(work_of).transpose()
}

/// How many are not over.
pub(crate) async fn count_open(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from traffic_work where to_at >= ?", params![now]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Writes works, new or changed.
pub(crate) async fn put_work(tx: &mut Tx, w: &Work) -> Result<()> {
    let body = WorkInput { version: None, ..w.input.clone() };
    let values = params![w.id, &w.state, &w.input.unit, w.input.from, w.input.to, Param::json(&body)?, w.published_by.as_deref(), w.at, &w.by, w.version,];
    tx.exec(&dothi_store::upsert("traffic_work", WORK, 1), values).await.map(|_| ())
}

/// All that are not over and not withdrawn.
pub(crate) async fn standing(store: &Store, now: Timestamp) -> Result<Vec<Work>> {
    let sql = format!("select {WORK} from traffic_work where to_at >= ? and state <> 'withdrawn' order by from_at, id limit 2000");
    store.rows(&sql, params![now]).await?.iter().map(work_of).collect()
}

/// Published works that are not over.
pub(crate) async fn published(store: &Store, now: Timestamp) -> Result<Vec<Published>> {
    let all = standing(store, now).await?;
    Ok(all.into_iter().filter(|w| w.state == "published").map(|w| (w.id, w.input)).collect())
}

/// Those that are not over by their beginning, or those that are, the newest first; from a place in the list.
pub(crate) async fn works(store: &Store, open: bool, now: Timestamp, after: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<Work>> {
    let (over, than, order) = if open { ("to_at >= ?", ">", "from_at, id") } else { ("to_at < ?", "<", "from_at desc, id desc") };
    let (mut sql, mut values) = (format!("select {WORK} from traffic_work where {over}"), params![now]);
    if let Some((at, id)) = after {
        sql.push_str(&format!(" and (from_at {than} ? or (from_at = ? and id {than} ?))"));
        values.extend(params![at, at, id]);
    }
    values.extend(params![limit as i64]);
    store.rows(&format!("{sql} order by {order} limit ?"), values).await?.iter().map(work_of).collect()
}
