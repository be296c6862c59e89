//! Pending batches into files, and the jobs that do so again and again.
//! All background work looks at the state and may run twice, or be killed anywhere, without losing or doubling a row.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Result, Timestamp};
use dothi_store::JobRunner;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Serialize;
use uuid::Uuid;

use crate::Lake;
use crate::file::{self, Written};
use crate::hold;
use crate::part::Part;
use crate::query::FOLDER;
use crate::registry::{self, Snapshot, View};
use crate::schema::{DAY_US, day_of};

/// What a round of compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// Pending batches that are now in files.
    pub batches: usize,
    /// Their rows.
    pub rows: usize,
    /// Files written.
    pub files: usize,
    /// Bytes written.
    pub bytes: usize,
}

/// What the lake holds, for health pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LakeStats {
    /// Batches waiting for the compactor.
    pub pending_batches: usize,
    /// Their rows.
    pub pending_rows: usize,
    /// Registered files.
    pub files: usize,
    /// Their rows.
    pub file_rows: u64,
    /// Their bytes.
    pub file_bytes: u64,
}

/// Rows and stored bytes taken in one round at most.
const ROUND_ROWS: usize = 500_000;
const ROUND_BYTES: usize = 64 << 20;
const STORES_AT_ONCE: usize = 8;
/// Days that stay days; older ones may be kept by month.
pub(crate) const RECENT_DAYS: i64 = 62;

const COMPACT: &str = "lake.compact";
const MAINTAIN: &str = "lake.maintain";
const COMPACT_EVERY: Duration = Duration::from_secs(30);
const MAINTAIN_EVERY: Duration = Duration::from_secs(600);

/// Files that are stored and durable, but not yet part of history.
pub struct Prepared {
    batches: Vec<Uuid>,
    files: Vec<(String, Written)>,
}

impl Lake {
    /// Moves pending batches into files until none is left (or as many rounds as were waiting at the start).
    pub async fn compact(&self) -> Result<CompactReport> {
        let _turn = self.background.lock().await;
        let mut report = CompactReport::default();
        for _ in 0..100 {
            let Some(prepared) = self.prepare().await? else { break };
            let round = self.register(prepared).await?;
            report.batches += round.batches;
            report.rows += round.rows;
            report.files += round.files;
            report.bytes += round.bytes;
        }
        Ok(report)
    }

    /// First half of a round: sorts the oldest pending batches and stores them as files. None when nothing is pending.
    pub async fn prepare(&self) -> Result<Option<Prepared>> {
        let view = self.view().await?;
        let (mut batches, mut ids, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        let (free, unseen) = match self.hold.get() {
            Some((reader, limits)) => hold::free(&self.store, reader, *limits, &view.pending).await?,
            None => (view.pending.len(), 0),
        };
        if unseen > 0 {
            let total = self.unseen.fetch_add(unseen as u64, Ordering::Relaxed) + unseen as u64;
            tracing::warn!(unseen, total, "more batches wait for the rules than may wait: the oldest go into files unseen");
        }
        for pending in &view.pending[..free] {
            let full = rows + pending.batch.num_rows() > ROUND_ROWS || bytes + pending.size > ROUND_BYTES;
            if full && !ids.is_empty() {
                break;
            }
            rows += pending.batch.num_rows();
            bytes += pending.size;
            batches.push(pending.batch.clone());
            ids.push(pending.id);
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let parts = Parts::new(&view, day_of(self.store.clock().now().as_microsecond()));
        let written = blocking(move || file::write_parts(&batches, |day| parts.of(day))).await?;
        Ok(Some(Prepared { batches: ids, files: self.store_files(written).await? }))
    }

    /// Second half: in one transaction the files become part of history and the batches stop being pending.
    pub async fn register(&self, prepared: Prepared) -> Result<CompactReport> {
        let mut tx = self.store.begin(&self.caller()).await?;
        let mut snapshot = Snapshot::begin(&mut tx, "inserted_into_table").await?;
        // After the snapshot's number is taken no other node can register the same batches.
        if registry::drop_pending(&mut tx, &prepared.batches).await? != prepared.batches.len() {
            tx.rollback().await?;
            return Err(Error::conflict("history.compacted", "These batches were compacted by another node."));
        }
        let mut report = CompactReport { batches: prepared.batches.len(), files: prepared.files.len(), ..CompactReport::default() };
        for (path, file) in &prepared.files {
            snapshot.add(&mut tx, path, file, None).await?;
            report.rows += file.rows;
            report.bytes += file.size;
        }
        let id = snapshot.finish(&mut tx).await?;
        tx.commit().await?;
        tracing::debug!(snapshot = id, rows = report.rows, files = report.files, "compacted");
        Ok(report)
    }

    /// Stores files and makes them durable; gives their names.
    pub(crate) async fn store_files(&self, written: Vec<Written>) -> Result<Vec<(String, Written)>> {
        futures::stream::iter(written).map(|file| self.store_file(file)).buffered(STORES_AT_ONCE).try_collect().await
    }

    pub(crate) async fn store_file(&self, mut file: Written) -> Result<(String, Written)> {
        let path = file.part.path(self.store.clock().id());
        let at = Path::from(format!("{FOLDER}/{path}"));
        let bytes = std::mem::take(&mut file.bytes);
        self.store.objects().put(&at, bytes.into()).await.map_err(unreachable)?;
        self.store.sync_object(&at).await?;
        // The day's folder may be new: its entry in the table's folder must last too.
        if let Some((folder, _)) = at.as_ref().rsplit_once('/') {
            self.store.sync_object(&Path::from(folder)).await?;
        }
        Ok((path, file))
    }

    /// Registers the lake's jobs.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (compacting, maintaining) = (self.clone(), self);
        runner
            .on(COMPACT, move |_| {
                let lake = compacting.clone();
                async move {
                    // Set anew first: a failure is logged by the runner and must not end the chain.
                    lake.again(COMPACT, COMPACT_EVERY).await?;
                    lake.compact().await.map(|_| ())
                }
            })
            .on(MAINTAIN, move |_| {
                let lake = maintaining.clone();
                async move {
                    lake.again(MAINTAIN, MAINTAIN_EVERY).await?;
                    lake.merge_small().await?;
                    lake.retain().await?;
                    lake.expire().await.map(|_| ())
                }
            })
    }

    /// Makes sure the jobs run soon, also those given up after failures. [`Lake::open`] does it.
    pub async fn ensure_scheduled(&self) -> Result<()> {
        self.again(COMPACT, Duration::ZERO).await?;
        self.again(MAINTAIN, COMPACT_EVERY).await
    }

    async fn again(&self, kind: &str, wait: Duration) -> Result<()> {
        let mut tx = self.store.begin(&self.caller()).await?;
        let at = dothi_kernel::time::micros(tx.now().as_microsecond() + wait.as_micros() as i64);
        tx.schedule(kind, "all", at).await?;
        tx.commit().await
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller::system("lake", self.store.clock().as_ref())
    }

    /// What the lake holds now.
    pub async fn stats(&self) -> Result<LakeStats> {
        let view = self.view().await?;
        Ok(LakeStats {
            pending_batches: view.pending.len(),
            pending_rows: view.pending.iter().map(|p| p.batch.num_rows()).sum(),
            files: view.files.len(),
            file_rows: view.files.iter().map(|f| f.rows).sum(),
            file_bytes: view.files.iter().map(|f| f.bytes).sum(),
        })
    }

    /// What can be read now.
    pub(crate) async fn view(&self) -> Result<View> {
        self.cache.lock().await.view(&self.store).await
    }
}

/// Which rows share a folder.
struct Parts {
    today: i64,
    /// Months that are kept by day.
    daily: HashSet<Part>,
}

impl Parts {
    fn new(view: &View, today: i64) -> Self {
        Self { today, daily: view.files.iter().filter(|f| !f.part.is_month()).map(|f| Part::month(f.part.from)).collect() }
    }

    fn of(&self, day: i64) -> Part {
        let month = Part::month(day.saturating_mul(DAY_US));
        if day >= self.today - RECENT_DAYS || self.daily.contains(&month) { Part::day(day) } else { month }
    }
}

pub(crate) fn unreachable(e: object_store::Error) -> Error {
    Error::unavailable("store.unreachable", "The data store cannot be reached.").because(e)
}

pub(crate) fn ago(now: Timestamp, wait: Duration) -> Timestamp {
    dothi_kernel::time::micros(now.as_microsecond() - wait.as_micros() as i64)
}

/// Sorting and compressing take long: away from the threads that answer requests.
pub(crate) async fn blocking<X: Send + 'static>(work: impl FnOnce() -> Result<X> + Send + 'static) -> Result<X> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("writing files", e))?
}
