//! Background work: pending batches into files, small files into larger ones, and disk given back.
//! All of it looks at the state and may run twice, or be killed anywhere, without losing or doubling a row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
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
use crate::query::FOLDER;
use crate::registry::{self, FileEntry, Snapshot, View};
use crate::schema::{TABLE, day_of};

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
/// Rows of a merged file at most.
const MERGED_ROWS: u64 = 1_500_000;
/// Files of so few rows are always worth merging.
const TINY: u64 = 10_000;
/// Neighbouring files that make a merge worthwhile: while a day still grows, and after it.
const RUN_OPEN: usize = 4;
const RUN_CLOSED: usize = 2;
/// How long readers may stay on an old snapshot, and how long a file without entry may wait for its entry.
const KEEP_SNAPSHOTS: Duration = Duration::from_secs(24 * 3600);
const KEEP_FILES: Duration = Duration::from_secs(3600);
const KEEP_ORPHANS: Duration = Duration::from_secs(24 * 3600);

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
        let written = blocking(move || file::write_days(&batches)).await?;
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
            report.bytes += file.bytes.len();
        }
        let id = snapshot.finish(&mut tx).await?;
        tx.commit().await?;
        tracing::debug!(snapshot = id, rows = report.rows, files = report.files, "compacted");
        Ok(report)
    }

    /// Stores files and makes them durable; gives their names.
    async fn store_files(&self, written: Vec<Written>) -> Result<Vec<(String, Written)>> {
        futures::stream::iter(written).map(|file| self.store_file(file)).buffered(STORES_AT_ONCE).try_collect().await
    }

    async fn store_file(&self, file: Written) -> Result<(String, Written)> {
        let path = file::name(file.day, self.store.clock().id());
        let at = Path::from(format!("{FOLDER}/{path}"));
        self.store.objects().put(&at, file.bytes.clone().into()).await.map_err(unreachable)?;
        self.store.sync_object(&at).await?;
        // The day's folder may be new: its entry in the table's folder must last too.
        if let Some((folder, _)) = at.as_ref().rsplit_once('/') {
            self.store.sync_object(&Path::from(folder)).await?;
        }
        Ok((path, file))
    }

    /// Merges neighbouring small files of a day; returns how many files went into others.
    pub async fn merge_small(&self) -> Result<usize> {
        let _turn = self.background.lock().await;
        let view = self.view().await?;
        let today = day_of(self.store.clock().now().as_microsecond());
        let mut days: BTreeMap<i64, Vec<&Arc<FileEntry>>> = BTreeMap::new();
        for file in view.files.iter() {
            days.entry(file.day).or_default().push(file);
        }
        let mut merged = 0;
        for (day, files) in days {
            let enough = if day >= today { RUN_OPEN } else { RUN_CLOSED };
            let run = run(&files.iter().map(|f| f.rows).collect::<Vec<_>>(), enough);
            if !run.is_empty() {
                let sources: Vec<Arc<FileEntry>> = files[run].iter().map(|f| (*f).clone()).collect();
                self.merge(&sources).await?;
                merged += sources.len();
            }
        }
        Ok(merged)
    }

    /// One file instead of several of the same day that are neighbours in order of arrival.
    async fn merge(&self, sources: &[Arc<FileEntry>]) -> Result<()> {
        let mut batches = Vec::new();
        for source in sources {
            batches.extend(self.read_whole(source).await?);
        }
        let written = blocking(move || file::write_days(&batches)).await?;
        let files = self.store_files(written).await?;
        let order = sources.iter().map(|s| s.order).max();
        let mut tx = self.store.begin(&self.caller()).await?;
        let mut snapshot = Snapshot::begin(&mut tx, "inserted_into_table").await?;
        for (path, file) in &files {
            snapshot.add(&mut tx, path, file, order).await?;
        }
        for source in sources {
            if !snapshot.end(&mut tx, source).await? {
                tx.rollback().await?;
                return Err(Error::conflict("history.compacted", "These files were merged by another node."));
            }
        }
        snapshot.finish(&mut tx).await?;
        tx.commit().await
    }

    async fn read_whole(&self, file: &FileEntry) -> Result<Vec<RecordBatch>> {
        let failed = |e| Error::internal("reading a file of the lake", e).with("path", &file.path);
        let stream = self.engine.files.open(file).await?.with_batch_size(65_536).build().map_err(failed)?;
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(failed)?;
        batches.iter().map(conform).collect()
    }

    /// Ends whole files whose newest row is older than `before`: they leave history now and the disk after the grace.
    pub async fn forget(&self, before: Timestamp) -> Result<usize> {
        let _turn = self.background.lock().await;
        let view = self.view().await?;
        let old: Vec<_> = view.files.iter().filter(|f| f.t.1 < before.as_microsecond()).cloned().collect();
        if old.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.begin(&self.caller()).await?;
        let mut snapshot = Snapshot::begin(&mut tx, "deleted_from_table").await?;
        for file in &old {
            if !snapshot.end(&mut tx, file).await? {
                tx.rollback().await?;
                return Err(Error::conflict("history.compacted", "These files were changed by another node."));
            }
        }
        snapshot.finish(&mut tx).await?;
        tx.commit().await?;
        Ok(old.len())
    }

    /// Gives disk back: forgets old snapshots, deletes files that no kept snapshot shows, and files that never got
    /// into the registry. Returns how many objects were deleted.
    pub async fn expire(&self) -> Result<usize> {
        let _turn = self.background.lock().await;
        let now = self.store.clock().now();
        registry::expire(&self.store, ago(now, KEEP_SNAPSHOTS)).await?;
        let condemned = registry::condemned(&self.store, ago(now, KEEP_FILES)).await?;
        for (_, path) in &condemned {
            self.delete(&Path::from(format!("{FOLDER}/{path}"))).await?;
        }
        registry::buried(&self.store, &condemned.iter().map(|c| c.0).collect::<Vec<_>>()).await?;
        Ok(condemned.len() + self.sweep(ago(now, KEEP_ORPHANS)).await?)
    }

    /// Deletes files older than `before` that no entry vouches for: left by a crash between storing and registering.
    async fn sweep(&self, before: Timestamp) -> Result<usize> {
        let folder = Path::from(FOLDER);
        let mut listing = self.store.objects().list(Some(&folder));
        let mut old = Vec::new();
        while let Some(meta) = listing.try_next().await.map_err(unreachable)? {
            if meta.last_modified.timestamp_micros() < before.as_microsecond() {
                old.push(meta.location);
            }
        }
        let mut gone = 0;
        for at in old {
            let Some(path) = at.as_ref().strip_prefix(FOLDER).and_then(|p| p.strip_prefix('/')) else { continue };
            if !registry::knows(&self.store, path).await? {
                self.delete(&at).await?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    async fn delete(&self, at: &Path) -> Result<()> {
        match self.store.objects().delete(at).await {
            // Deleted by an earlier try.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(unreachable(e)),
        }
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

    fn caller(&self) -> Caller {
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

/// The newest `enough` or more neighbouring files worth merging, given their rows from old to new: a file joins while
/// it is not much larger than all newer ones together, so that each row is rewritten only a few times.
fn run(rows: &[u64], enough: usize) -> std::ops::Range<usize> {
    let mut to = rows.len();
    while to > 0 {
        let (mut from, mut sum) = (to, 0u64);
        while from > 0 {
            let next = rows[from - 1];
            if from < to && (sum + next > MERGED_ROWS || next > (sum * 2).max(TINY)) {
                break;
            }
            sum += next;
            from -= 1;
        }
        if to - from >= enough {
            return from..to;
        }
        to = from;
    }
    0..0
}

fn unreachable(e: object_store::Error) -> Error {
    Error::unavailable("store.unreachable", "The data store cannot be reached.").because(e)
}

fn ago(now: Timestamp, wait: Duration) -> Timestamp {
    dothi_kernel::time::micros(now.as_microsecond() - wait.as_micros() as i64)
}

/// The batch with exactly the table's types, whatever wrote the file.
fn conform(batch: &RecordBatch) -> Result<RecordBatch> {
    let failed = |e| Error::internal("reading a file of the lake", e);
    let columns = TABLE
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name()).ok_or_else(|| Error::internal("reading a file of the lake", "a column is missing"))?;
            cast(column, field.data_type()).map_err(failed)
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(TABLE.clone(), columns).map_err(failed)
}

/// Sorting and compressing take long: away from the threads that answer requests.
async fn blocking<X: Send + 'static>(work: impl FnOnce() -> Result<X> + Send + 'static) -> Result<X> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("writing files", e))?
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn merges_the_newest_run_of_like_sizes() {
        assert_eq!(run(&[], 2), 0..0);
        assert_eq!(run(&[5], 2), 0..0);
        assert_eq!(run(&[900_000, 50], 2), 0..0);
        assert_eq!(run(&[900_000, 50, 50], 2), 1..3);
        assert_eq!(run(&[300_000, 200_000, 100_000, 60_000, 9_000], 2), 0..4);
        assert_eq!(run(&[12_000, 12_000, 12_000, 12_000, 3_000], 4), 0..4);
        assert_eq!(run(&[12_000, 12_000, 12_000, 3_000], 4), 0..0);
        assert_eq!(run(&[100_000, 9_000, 9_000, 9_000, 9_000], 4), 1..5);
        assert_eq!(run(&[1_400_000, 700_000, 10_000, 9_000], 2), 2..4);
        assert_eq!(run(&[900_000, 900_000], 2), 0..0);
    }
}
