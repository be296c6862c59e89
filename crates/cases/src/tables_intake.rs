//! SQL of intake: what was noticed about a report, who is barred, who called about an open one.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::Contact;

/// Private and flagged reports, barred senders, callers.
pub(crate) const SCHEMA: &str = "alter table case_main add column private BIGINT not null default 0;
alter table case_main add column flags TEXT not null default '';
alter table case_reporter add column device TEXT;
create table case_barred (
  id TEXT not null primary key, kind TEXT not null, hash TEXT not null, label TEXT not null, reason TEXT not null,
  by_id TEXT, by_name TEXT not null, at BIGINT not null, until BIGINT not null, ended_at BIGINT, hits BIGINT not null, last_hit BIGINT
);
create index case_barred_hash on case_barred (hash);
create index case_barred_at on case_barred (at);
create table case_caller (
  case_id TEXT not null references case_main (id), who TEXT not null, name TEXT, phone TEXT, email TEXT, at BIGINT not null, by_name TEXT not null,
  primary key (case_id, who)
);";

/// A barred sender as stored: what identifies them is kept as a hash only.
pub(crate) struct BarredRecord {
    pub id: Uuid,
    pub kind: String,
    pub label: String,
    pub reason: String,
    pub by_name: String,
    pub at: Timestamp,
    pub until: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub hits: i64,
    pub last_hit: Option<Timestamp>,
}

fn read(row: &Row) -> Result<BarredRecord> {
    Ok(BarredRecord {
        id: row.uuid("id")?,
        kind: row.text("kind")?,
        label: row.text("label")?,
        reason: row.text("reason")?,
        by_name: row.text("by_name")?,
        at: row.time("at")?,
        until: row.time("until")?,
        ended_at: row.opt_time("ended_at")?,
        hits: row.int("hits")?,
        last_hit: row.opt_time("last_hit")?,
    })
}

/// Adds an entry.
pub(crate) async fn insert_barred(tx: &mut Tx, entry: &BarredRecord, hash: &str, by: Option<Uuid>) -> Result<()> {
    tx.exec(
        "insert into case_barred (id, kind, hash, label, reason, by_id, by_name, at, until, hits) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        params![entry.id, &entry.kind, hash, &entry.label, &entry.reason, by, &entry.by_name, entry.at, entry.until],
    )
    .await?;
    Ok(())
}

/// Whether an entry with this hash counts now.
pub(crate) async fn is_barred(tx: &mut Tx, hash: &str) -> Result<bool> {
    let now = tx.now();
    Ok(tx.row("select 1 as one from case_barred where hash = ? and ended_at is null and until > ? limit 1", params![hash, now]).await?.is_some())
}

/// The entry that one of the hashes falls under now; its count grows.
pub(crate) async fn barred_hit(tx: &mut Tx, hashes: &[String]) -> Result<Option<BarredRecord>> {
    let now = tx.now();
    for hash in hashes {
        let row = tx.row("select * from case_barred where hash = ? and ended_at is null and until > ? order by at limit 1", params![hash, now]).await?;
        if let Some(entry) = row.map(|r| read(&r)).transpose()? {
            tx.exec("update case_barred set hits = hits + 1, last_hit = ? where id = ?", params![now, entry.id]).await?;
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Entries, newest first, from a cursor on.
pub(crate) async fn barred(store: &Store, after: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<BarredRecord>> {
    let (at, id) = after.unwrap_or((Timestamp::MAX, Uuid::nil()));
    let sql = "select * from case_barred where (at < ? or (at = ? and id < ?)) order by at desc, id desc limit ?";
    store.rows(sql, params![at, at, id, limit]).await?.iter().map(read).collect()
}

/// Ends an entry; false when there is none that counts.
pub(crate) async fn end_barred(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    Ok(tx.exec("update case_barred set ended_at = ? where id = ? and ended_at is null", params![now, id]).await? == 1)
}

/// Keeps which device sent a report, as a hash.
pub(crate) async fn set_device(tx: &mut Tx, case: Uuid, device: &str) -> Result<()> {
    tx.put("update case_reporter set device = ? where case_id = ?", params![device, case]).await
}

/// Which device sent a report, as a hash.
pub(crate) async fn device_in(tx: &mut Tx, case: Uuid) -> Result<Option<String>> {
    tx.row("select device from case_reporter where case_id = ?", params![case]).await?.map_or(Ok(None), |r| r.opt_text("device"))
}

/// Keeps who called about an open report.
pub(crate) async fn insert_caller(tx: &mut Tx, case: Uuid, who: &str, contact: &Contact, by: &str) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into case_caller (case_id, who, name, phone, email, at, by_name) values (?, ?, ?, ?, ?, ?, ?) on conflict (case_id, who) do nothing",
        params![case, who, contact.name.as_deref(), contact.phone.as_deref(), contact.email.as_deref(), now, by],
    )
    .await?;
    Ok(())
}

/// Who called about a report; at most 200.
pub(crate) async fn callers_in(tx: &mut Tx, case: Uuid) -> Result<Vec<Contact>> {
    let rows = tx.rows("select name, phone, email from case_caller where case_id = ? order by at limit 200", params![case]).await?;
    rows.iter().map(|row| Ok(Contact { name: row.opt_text("name")?, phone: row.opt_text("phone")?, email: row.opt_text("email")? })).collect()
}
