//! SQL of what reporters agreed to.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Row, Store, Tx, params};
use uuid::Uuid;

use crate::consent::{ConsentPolicy, Given};

/// Each time somebody agreed: to which words, when, and until when. No contact data.
pub(crate) const SCHEMA: &str = "create table case_consent (
  case_id TEXT not null references case_main (id), n BIGINT not null, version TEXT not null, text TEXT not null, text_en TEXT not null,
  given_at BIGINT not null, withdrawn_at BIGINT, primary key (case_id, n)
);";

fn read(row: &Row) -> Result<Given> {
    Ok(Given {
        version: row.text("version")?,
        text: row.text("text")?,
        text_en: row.text("text_en")?,
        at: row.time("given_at")?,
        withdrawn_at: row.opt_time("withdrawn_at")?,
    })
}

const OF_CASE: &str = "select * from case_consent where case_id = ? order by n limit 200";

/// All times the reporter of a case agreed, oldest first.
pub(crate) async fn of_case(store: &Store, case: Uuid) -> Result<Vec<Given>> {
    store.rows(OF_CASE, params![case]).await?.iter().map(read).collect()
}

/// The same inside a change.
pub(crate) async fn of_case_in(tx: &mut Tx, case: Uuid) -> Result<Vec<Given>> {
    tx.rows(OF_CASE, params![case]).await?.iter().map(read).collect()
}

/// Writes down that the reporter agrees to these words.
pub(crate) async fn give(tx: &mut Tx, case: Uuid, to: &ConsentPolicy) -> Result<()> {
    let now: Timestamp = tx.now();
    tx.exec(
        "insert into case_consent (case_id, n, version, text, text_en, given_at) \
         select ?, cast(coalesce(max(n), 0) as bigint) + 1, ?, ?, ?, ? from case_consent where case_id = ?",
        params![case, &to.version, &to.text, &to.text_en, now, case],
    )
    .await?;
    Ok(())
}

/// It does not hold any more. Whether it did.
pub(crate) async fn withdraw(tx: &mut Tx, case: Uuid) -> Result<bool> {
    let now = tx.now();
    Ok(tx.exec("update case_consent set withdrawn_at = ? where case_id = ? and withdrawn_at is null", params![now, case]).await? > 0)
}
