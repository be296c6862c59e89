//! The only SQL of the journal.

use dothi_kernel::Result;
use dothi_store::{Migration, Store, Tx, params};

/// Schema.
pub const MIGRATION: Migration =
    Migration { domain: "context", version: 3, sql: "create table context_journal (seq BIGINT not null primary key, doc BYTEA not null)" };

/// Rows read at a time; each may hold thousands of changes.
const PAGE: usize = 8;
/// Rows removed by one statement.
const STEP: i64 = 500;

/// Adds what one commit changed. The commit is 409 `store.exists` when another program has written this place.
pub async fn append(tx: &mut Tx, seq: i64, doc: Vec<u8>) -> Result<()> {
    tx.put("insert into context_journal (seq, doc) values (?, ?)", params![seq, doc]).await
}

/// The next rows after a position, oldest first.
pub async fn after(store: &Store, seq: i64) -> Result<Vec<(i64, Vec<u8>)>> {
    let rows = store.rows("select seq, doc from context_journal where seq > ? order by seq limit ?", params![seq, PAGE]).await?;
    rows.iter().map(|r| Ok((r.int("seq")?, r.bytes("doc")?))).collect()
}

/// Removes the oldest rows, none after `seq`; false when none are left to remove.
pub async fn trim(tx: &mut Tx, seq: i64) -> Result<bool> {
    let Some(first) = tx.row("select min(seq) as seq from context_journal having min(seq) is not null", params![]).await? else { return Ok(false) };
    let upto = first.int("seq")?.saturating_add(STEP).min(seq);
    Ok(tx.exec("delete from context_journal where seq <= ?", params![upto]).await? > 0 && upto < seq)
}
