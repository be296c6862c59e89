//! Pending batches: observations that are durable but not yet in a Parquet file.

use dothi_kernel::{Result, Timestamp};
use uuid::Uuid;

use crate::{Store, Tx, params};

/// One compressed batch of observations.
#[derive(Debug, Clone)]
pub struct PendingBatch {
    /// Id; also in `Event::ObservationsAccepted`.
    pub id: Uuid,
    /// Rows.
    pub count: u32,
    /// Earliest phenomenon time, µs.
    pub t_min: i64,
    /// Latest phenomenon time, µs.
    pub t_max: i64,
    /// What `History::encode` made.
    pub bytes: Vec<u8>,
    /// When it became durable.
    pub at: Timestamp,
}

impl Tx {
    /// Adds a batch; it is part of history as soon as the change commits. A branch has no history and keeps nothing.
    pub async fn put_pending(&mut self, count: u32, t_min: i64, t_max: i64, bytes: Vec<u8>) -> Result<Uuid> {
        let (id, now) = (self.id(), self.now());
        if self.is_branch() {
            return Ok(id);
        }
        self.put("insert into pending_batch (id, count, t_min, t_max, bytes, at) values (?, ?, ?, ?, ?, ?)", params![id, count, t_min, t_max, bytes, now])
            .await?;
        self.emit(dothi_kernel::Event::ObservationsAccepted { batch: id, count });
        Ok(id)
    }

    /// Removes batches that are now in files.
    pub async fn drop_pending(&mut self, ids: &[Uuid]) -> Result<()> {
        for id in ids {
            self.exec("delete from pending_batch where id = ?", params![*id]).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Ids of all pending batches, oldest first.
    pub async fn pending_ids(&self, limit: usize) -> Result<Vec<(Uuid, u32)>> {
        let rows = self.rows("select id, count from pending_batch order by id limit ?", params![limit]).await?;
        rows.iter().map(|r| Ok((r.uuid("id")?, r.int("count")? as u32))).collect()
    }

    /// One batch, if it is still pending.
    pub async fn pending(&self, id: Uuid) -> Result<Option<PendingBatch>> {
        let row = self.row("select id, count, t_min, t_max, bytes, at from pending_batch where id = ?", params![id]).await?;
        row.map(|r| {
            Ok(PendingBatch {
                id: r.uuid("id")?,
                count: r.int("count")? as u32,
                t_min: r.int("t_min")?,
                t_max: r.int("t_max")?,
                bytes: r.bytes("bytes")?,
                at: r.time("at")?,
            })
        })
        .transpose()
    }
}
