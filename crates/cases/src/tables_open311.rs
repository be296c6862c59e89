//! SQL of the Open311 server: keys, tokens, updates.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::tables::{self, CaseRecord, Filter};

/// Keys of other systems, what they were given, and what they told.
pub(crate) const SCHEMA: &str = "create table case_api_key (
  id TEXT not null primary key, name TEXT not null, hash TEXT not null unique, made_by TEXT not null, at BIGINT not null, revoked_at BIGINT
);
create table case_api_token (token TEXT not null primary key, case_id TEXT not null references case_main (id), key_id TEXT not null, at BIGINT not null);
create table case_api_update (
  id TEXT not null primary key, case_id TEXT not null references case_main (id), key_id TEXT not null, outside_id TEXT not null, at BIGINT not null,
  unique (key_id, case_id, outside_id)
);
create index case_log_at on case_log (at);";

/// A key as stored: its secret is not.
pub(crate) struct KeyRecord {
    pub id: Uuid,
    pub name: String,
    pub made_by: String,
    pub at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

fn read_key(row: &Row) -> Result<KeyRecord> {
    Ok(KeyRecord { id: row.uuid("id")?, name: row.text("name")?, made_by: row.text("made_by")?, at: row.time("at")?, revoked_at: row.opt_time("revoked_at")? })
}

/// The newest 200 keys.
pub(crate) async fn keys(store: &Store) -> Result<Vec<KeyRecord>> {
    store.rows("select * from case_api_key order by at desc, id limit 200", params![]).await?.iter().map(read_key).collect()
}

/// The key with this hash, when it counts.
pub(crate) async fn key_by_hash(store: &Store, hash: &str) -> Result<Option<KeyRecord>> {
    store.row("select * from case_api_key where hash = ? and revoked_at is null", params![hash]).await?.map(|r| read_key(&r)).transpose()
}

/// Keeps a new key.
pub(crate) async fn insert_key(tx: &mut Tx, id: Uuid, name: &str, hash: &str, by: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into case_api_key (id, name, hash, made_by, at) values (?, ?, ?, ?, ?)", params![id, name, hash, by, now]).await?;
    Ok(())
}

/// Ends a key; false when there is none that counts.
pub(crate) async fn revoke_key(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    Ok(tx.exec("update case_api_key set revoked_at = ? where id = ? and revoked_at is null", params![now, id]).await? == 1)
}

/// Keeps a token that stands for a case.
pub(crate) async fn insert_token(tx: &mut Tx, token: &str, case: Uuid, key: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into case_api_token (token, case_id, key_id, at) values (?, ?, ?, ?)", params![token, case, key, now]).await?;
    Ok(())
}

/// The case that a token stands for.
pub(crate) async fn case_of_token(store: &Store, token: &str) -> Result<Option<CaseRecord>> {
    let Some(row) = store.row("select case_id from case_api_token where token = ?", params![token]).await? else { return Ok(None) };
    tables::case(store, row.uuid("case_id")?).await
}

/// Notes an update of another system: the own id of it, and the one noted before when it was sent again.
pub(crate) async fn note_update(tx: &mut Tx, case: Uuid, key: Uuid, outside: &str) -> Result<(Uuid, bool)> {
    let (id, now) = (tx.id(), tx.now());
    let fresh = tx
        .exec(
            "insert into case_api_update (id, case_id, key_id, outside_id, at) values (?, ?, ?, ?, ?) on conflict (key_id, case_id, outside_id) do nothing",
            params![id, case, key, outside, now],
        )
        .await?;
    if fresh == 1 {
        return Ok((id, true));
    }
    let row = tx.row("select id from case_api_update where key_id = ? and case_id = ? and outside_id = ?", params![key, case, outside]).await?;
    row.map_or(Ok((id, true)), |r| Ok((r.uuid("id")?, false)))
}

/// Public cases that pass a filter, newest first, one page of them.
pub(crate) async fn requests(store: &Store, filter: Filter, page: usize, size: usize) -> Result<Vec<CaseRecord>> {
    tables::cases_at(store, filter, "opened_at desc, id desc", size, page.saturating_mul(size)).await
}

/// A public step of a case.
pub(crate) struct UpdateRecord {
    pub case: Uuid,
    pub n: i64,
    pub at: Timestamp,
    pub step: String,
    pub to: String,
    pub public_text: Option<String>,
}

/// Steps of listed cases within a span, oldest first; at most 1 000.
pub(crate) async fn steps(store: &Store, from: Timestamp, to: Timestamp, only: Option<Uuid>) -> Result<Vec<UpdateRecord>> {
    let mut values: Vec<Param> = params![from, to];
    let one = match only {
        Some(case) => {
            values.push(Param::from(case));
            " and l.case_id = ?"
        }
        None => "",
    };
    let sql = format!(
        "select l.case_id, l.n, l.at, l.step, l.to_state, l.public_text from case_log l join case_main m on m.id = l.case_id \
         where m.listed = 1 and l.at >= ? and l.at <= ? and l.from_state <> l.to_state and l.from_state <> ''{one} order by l.at, l.case_id, l.n limit 1000"
    );
    let rows = store.rows(&sql, values).await?;
    rows.iter()
        .map(|r| {
            Ok(UpdateRecord {
                case: r.uuid("case_id")?,
                n: r.int("n")?,
                at: r.time("at")?,
                step: r.text("step")?,
                to: r.text("to_state")?,
                public_text: r.opt_text("public_text")?,
            })
        })
        .collect()
}
