//! The SQL of imports: how far files were taken.

use dothi_kernel::{Caller, Result};
use dothi_store::{Row, Store, params};

/// Marks of files that begin alike, the newest, at most `most`.
pub(crate) async fn marks(store: &Store, stream: &str, most: usize) -> Result<Vec<Row>> {
    store.rows("select prefix, taken from context_import where stream = ? order by at desc limit ?", params![stream, most]).await
}

/// Marks how far a file was taken, in place of the mark before.
pub(crate) async fn mark(store: &Store, caller: &Caller, stream: &str, old: Option<&str>, prefix: &str, taken: i64, name: &str) -> Result<()> {
    let mut tx = store.begin(caller).await?;
    if let Some(old) = old {
        tx.exec("delete from context_import where stream = ? and prefix = ?", params![stream, old]).await?;
    }
    let now = tx.now();
    let name: String = name.chars().take(200).collect();
    tx.exec(
        "insert into context_import (stream, prefix, taken, at, name) values (?, ?, ?, ?, ?) on conflict (stream, prefix) do update set at = excluded.at",
        params![stream, prefix, taken, now, name],
    )
    .await?;
    tx.commit().await
}
