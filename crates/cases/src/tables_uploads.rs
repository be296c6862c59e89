//! Photos of reports that wait to be developed.

use dothi_kernel::{Error, Result};
use dothi_store::{BlobRef, Store, Tx, params};
use uuid::Uuid;

/// Files as they were sent, unseen by anybody; gone as soon as they are photos.
pub(crate) const SCHEMA: &str = "create table case_upload (
  case_id TEXT not null,
  n BIGINT not null,
  sha256 TEXT not null,
  primary key (case_id, n)
);
create index case_upload_sha on case_upload (sha256);";

/// Files that wait at most: about as many gigabytes as thousands.
const MOST: i64 = 4_000;

/// Keeps the files of a new case. 503 `case.photo.busy` when too many wait.
pub(crate) async fn insert_uploads(tx: &mut Tx, case: Uuid, files: &[BlobRef]) -> Result<()> {
    let waiting = tx.row("select cast(count(*) as bigint) as n from case_upload", params![]).await?.map_or(Ok(0), |r| r.int("n"))?;
    if waiting >= MOST {
        let wait = std::time::Duration::from_secs(60);
        return Err(Error::unavailable("case.photo.busy", "Too many photos are being sent right now. Please try again shortly.").retry_after(wait));
    }
    for (n, file) in files.iter().enumerate() {
        tx.attach(file).await?;
        tx.put("insert into case_upload (case_id, n, sha256) values (?, ?, ?)", params![case, n, &file.sha256]).await?;
    }
    Ok(())
}

/// Files of a case that wait: number and SHA-256.
pub(crate) async fn uploads_of(store: &Store, case: Uuid) -> Result<Vec<(i64, String)>> {
    let rows = store.rows("select n, sha256 from case_upload where case_id = ? order by n", params![case]).await?;
    rows.iter().map(|r| Ok((r.int("n")?, r.text("sha256")?))).collect()
}

/// Whether photos of a case wait, so that nobody has seen them.
pub(crate) async fn waits(tx: &mut Tx, case: Uuid) -> Result<bool> {
    Ok(tx.row("select 1 as one from case_upload where case_id = ? limit 1", params![case]).await?.is_some())
}

/// Waits no longer; true when no other report sent the same file, so that its bytes can go.
pub(crate) async fn drop_upload(tx: &mut Tx, case: Uuid, n: i64, sha256: &str) -> Result<bool> {
    tx.put("delete from case_upload where case_id = ? and n = ?", params![case, n]).await?;
    let used = "select 1 as one from case_upload where sha256 = ? union all select 1 as one from case_photo where sha256 = ? or thumb = ? limit 1";
    if tx.row(used, params![sha256, sha256, sha256]).await?.is_some() {
        return Ok(false);
    }
    tx.detach(sha256).await?;
    Ok(true)
}
