//! SQL about the parts of a case.

use dothi_kernel::Result;
use dothi_store::{Store, Tx, params};
use uuid::Uuid;

use crate::tables::{self, CaseRecord, Filter};

/// Parts of a case, oldest first.
pub(crate) async fn parts_of(store: &Store, whole: Uuid) -> Result<Vec<CaseRecord>> {
    let mut filter = Filter::default();
    filter.add("parent = ?", params![whole]);
    tables::cases(store, filter, "opened_at, id", 100).await
}

/// How many parts a case has, and how many of them have not ended.
pub(crate) async fn count_parts(tx: &mut Tx, whole: Uuid) -> Result<(i64, i64)> {
    let row = tx
        .row(
            "select cast(count(*) as bigint) as n, cast(coalesce(sum(case when stopped = 0 then 1 else 0 end), 0) as bigint) as open \
             from case_main where parent = ?",
            params![whole],
        )
        .await?;
    row.map_or(Ok((0, 0)), |r| Ok((r.int("n")?, r.int("open")?)))
}

/// Gives a part the reporter's photos of the whole, for its officers only.
pub(crate) async fn copy_photos(tx: &mut Tx, whole: Uuid, part: Uuid) -> Result<()> {
    tx.exec(
        "insert into case_photo (case_id, sha256, thumb, stage, public, width, height, at) \
         select ?, p.sha256, p.thumb, p.stage, 0, p.width, p.height, p.at from case_photo p where p.case_id = ? and p.stage = 'report'",
        params![part, whole],
    )
    .await?;
    Ok(())
}
