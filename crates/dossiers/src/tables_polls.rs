//! SQL of sources that are asked by the clock.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

/// Sources that are asked by the clock, and what came of the last times. The secret of a header never leaves the table but to its source.
pub(crate) const SCHEMA: &str = "create table dossier_poll (
  id TEXT not null primary key, name TEXT not null, source TEXT not null, url TEXT not null, format TEXT not null, items TEXT not null,
  since_name TEXT not null, cursor_at TEXT not null, header TEXT not null, secret TEXT not null, minutes BIGINT not null, active BIGINT not null,
  cursor TEXT not null, due_at BIGINT not null, tries BIGINT not null, last_at BIGINT, good_at BIGINT, fault TEXT, fault_detail TEXT,
  made_by TEXT not null, at BIGINT not null
);
create index dossier_poll_due on dossier_poll (active, due_at);
create table dossier_poll_run (
  poll TEXT not null references dossier_poll (id), at BIGINT not null, pages BIGINT not null, outcome TEXT not null, fault TEXT, fault_detail TEXT,
  primary key (poll, at)
);";

/// A source as stored.
#[derive(Debug, Clone)]
pub(crate) struct PollRecord {
    pub id: Uuid,
    pub name: String,
    pub source: String,
    pub url: String,
    /// `json` or `csv`.
    pub format: String,
    /// JSON pointer to the list of records; empty = the answer is the list.
    pub items: String,
    /// Parameter that carries the cursor; empty = everything is asked for each time.
    pub since_name: String,
    /// JSON pointer to the next cursor; empty = the latest `updated_at` of the records.
    pub cursor_at: String,
    /// Name of the header with the secret; empty = none.
    pub header: String,
    pub secret: String,
    pub minutes: u32,
    pub active: bool,
    pub cursor: String,
    pub due_at: Timestamp,
    pub tries: u32,
    pub last_at: Option<Timestamp>,
    pub good_at: Option<Timestamp>,
    pub fault: Option<String>,
    pub fault_detail: Option<String>,
    pub made_by: String,
}

/// What came of one time, as stored.
#[derive(Debug, Clone)]
pub(crate) struct RunRecord {
    pub at: Timestamp,
    pub pages: u32,
    /// An [`crate::model::Outcome`] as JSON.
    pub outcome: serde_json::Value,
    pub fault: Option<String>,
    pub fault_detail: Option<String>,
}

fn small(row: &Row, column: &'static str) -> Result<u32> {
    Ok(u32::try_from(row.int(column)?).unwrap_or(0))
}

fn read(r: &Row) -> Result<PollRecord> {
    Ok(PollRecord {
        id: r.uuid("id")?,
        name: r.text("name")?,
        source: r.text("source")?,
        url: r.text("url")?,
        format: r.text("format")?,
        items: r.text("items")?,
        since_name: r.text("since_name")?,
        cursor_at: r.text("cursor_at")?,
        header: r.text("header")?,
        secret: r.text("secret")?,
        minutes: small(r, "minutes")?,
        active: r.int("active")? == 1,
        cursor: r.text("cursor")?,
        due_at: r.time("due_at")?,
        tries: small(r, "tries")?,
        last_at: r.opt_time("last_at")?,
        good_at: r.opt_time("good_at")?,
        fault: r.opt_text("fault")?,
        fault_detail: r.opt_text("fault_detail")?,
        made_by: r.text("made_by")?,
    })
}

/// All of them, by name.
pub(crate) async fn all(store: &Store) -> Result<Vec<PollRecord>> {
    store.rows("select * from dossier_poll order by name, id limit 200", params![]).await?.iter().map(read).collect()
}

/// One of them.
pub(crate) async fn one(tx: &mut Tx, id: Uuid) -> Result<Option<PollRecord>> {
    tx.row("select * from dossier_poll where id = ?", params![id]).await?.map(|r| read(&r)).transpose()
}

/// How many there are.
pub(crate) async fn count(tx: &mut Tx) -> Result<i64> {
    tx.row("select cast(count(*) as bigint) as n from dossier_poll", params![]).await?.map_or(Ok(0), |r| r.int("n"))
}

/// What is due, the longest due first.
pub(crate) async fn due(store: &Store, now: Timestamp, limit: usize) -> Result<Vec<PollRecord>> {
    let sql = "select * from dossier_poll where active = 1 and due_at <= ? order by due_at limit ?";
    store.rows(sql, params![now, limit]).await?.iter().map(read).collect()
}

/// Keeps one; replaces what was said before.
pub(crate) async fn put(tx: &mut Tx, p: &PollRecord) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into dossier_poll (id, name, source, url, format, items, since_name, cursor_at, header, secret, minutes, active, cursor, due_at, tries, \
         made_by, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) on conflict (id) do update set name = excluded.name, \
         source = excluded.source, url = excluded.url, format = excluded.format, items = excluded.items, since_name = excluded.since_name, \
         cursor_at = excluded.cursor_at, header = excluded.header, secret = excluded.secret, minutes = excluded.minutes, active = excluded.active, \
         cursor = excluded.cursor, due_at = excluded.due_at, tries = 0",
        params![
            p.id,
            &p.name,
            &p.source,
            &p.url,
            &p.format,
            &p.items,
            &p.since_name,
            &p.cursor_at,
            &p.header,
            &p.secret,
            p.minutes,
            p.active,
            &p.cursor,
            p.due_at,
            &p.made_by,
            now,
        ],
    )
    .await?;
    Ok(())
}

/// Takes one for a while; false when somebody else has it, or it was changed.
pub(crate) async fn claim(tx: &mut Tx, p: &PollRecord, until: Timestamp) -> Result<bool> {
    let sql = "update dossier_poll set due_at = ? where id = ? and due_at = ? and active = 1";
    Ok(tx.exec(sql, params![until, p.id, p.due_at]).await? == 1)
}

/// How far the source was taken; only while nobody changed what is asked.
pub(crate) async fn advance(tx: &mut Tx, p: &PollRecord, cursor: &str) -> Result<()> {
    let sql = "update dossier_poll set cursor = ? where id = ? and url = ? and since_name = ?";
    tx.exec(sql, params![cursor, p.id, &p.url, &p.since_name]).await?;
    Ok(())
}

/// Writes down what came of a time, and when the next one is.
pub(crate) async fn ended(tx: &mut Tx, p: &PollRecord, run: &RunRecord, (tries, due_at): (u32, Timestamp), kept: i64) -> Result<()> {
    let good = run.fault.is_none().then_some(run.at);
    tx.exec(
        "update dossier_poll set last_at = ?, good_at = coalesce(?, good_at), fault = ?, fault_detail = ?, tries = ?, due_at = ? where id = ?",
        params![run.at, good, run.fault.as_deref(), run.fault_detail.as_deref(), tries, due_at, p.id],
    )
    .await?;
    tx.exec(
        "insert into dossier_poll_run (poll, at, pages, outcome, fault, fault_detail) values (?, ?, ?, ?, ?, ?) on conflict (poll, at) do nothing",
        params![p.id, run.at, run.pages, Param::json(&run.outcome)?, run.fault.as_deref(), run.fault_detail.as_deref()],
    )
    .await?;
    let sql = "delete from dossier_poll_run where poll = ? and at < (select min(at) from (select at from dossier_poll_run where poll = ? order by at desc limit ?) as kept)";
    tx.exec(sql, params![p.id, p.id, kept]).await?;
    Ok(())
}

/// The last times, newest first.
pub(crate) async fn runs(store: &Store, id: Uuid, limit: usize) -> Result<Vec<RunRecord>> {
    let rows = store.rows("select * from dossier_poll_run where poll = ? order by at desc limit ?", params![id, limit]).await?;
    let run = |r: &Row| {
        Ok(RunRecord {
            at: r.time("at")?,
            pages: small(r, "pages")?,
            outcome: r.json("outcome")?,
            fault: r.opt_text("fault")?,
            fault_detail: r.opt_text("fault_detail")?,
        })
    };
    rows.iter().map(run).collect()
}

/// It is asked no more, and nothing of it is kept; its dossiers stay.
pub(crate) async fn remove(tx: &mut Tx, id: Uuid) -> Result<bool> {
    tx.exec("delete from dossier_poll_run where poll = ?", params![id]).await?;
    Ok(tx.exec("delete from dossier_poll where id = ?", params![id]).await? == 1)
}
