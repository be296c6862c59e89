//! Files into better files, and disk given back: merging, what superseded rows and tombstones leave behind, retention,
//! old snapshots, orphans.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::common::DataFusionError;
use dothi_kernel::{Error, Result, Timestamp};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::Lake;
use crate::compact::{RECENT_DAYS, ago, unreachable};
use crate::file::{FileWriter, Written};
use crate::newest::{self, Key, Rows};
use crate::part::Part;
use crate::query::FOLDER;
use crate::registry::{self, FileEntry, Snapshot};
use crate::schema::{ATTRIBUTE, DAY_US, ENTITY, QUALITY, T, TABLE, TYPE, day_of};

/// Rows of a merged file, about: the next entity begins a new one.
const MERGED_ROWS: u64 = 1_500_000;
/// Files of so few rows are always worth merging.
const TINY: u64 = 10_000;
/// Neighbouring files that make a merge worthwhile: while a part still grows, and after it.
const RUN_OPEN: usize = 4;
const RUN_CLOSED: usize = 2;
/// Rows that one merge rewrites at most.
const MERGE_AT_ONCE: u64 = 30_000_000;
/// Months of so few rows are kept as months.
const MONTH_ROWS: u64 = 4_000_000;
/// How long readers may stay on an old snapshot, and how long a file without entry may wait for its entry.
const KEEP_SNAPSHOTS: Duration = Duration::from_secs(24 * 3600);
const KEEP_FILES: Duration = Duration::from_secs(3600);
const KEEP_ORPHANS: Duration = Duration::from_secs(24 * 3600);

/// The key columns of the whole table.
pub(crate) const KEY: Key = Key { entity: ENTITY, attribute: ATTRIBUTE, t: T, quality: QUALITY };

/// How long observations of a type are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Entity type, or `*` for all types that are not named.
    pub kind: String,
    /// Days.
    pub days: u32,
}

/// Rules of retention, and what was found to be in order.
#[derive(Debug, Default)]
pub(crate) struct Retaining {
    rules: std::sync::OnceLock<Vec<Retention>>,
    /// Files without expired rows, with the number of rules that had expired when they were looked at.
    clean: std::sync::Mutex<HashSet<(i64, usize)>>,
}

impl Lake {
    /// Says how long observations are kept; said once. Without it they are kept for ever.
    pub fn set_retention(&self, rules: Vec<Retention>) {
        if self.retaining.rules.set(rules).is_err() {
            tracing::warn!("retention was set before");
        }
    }

    /// Merges files where that pays; returns how many files went into others. Superseded rows end here.
    pub async fn merge_small(&self) -> Result<usize> {
        let _turn = self.background.lock().await;
        let view = self.view().await?;
        let today = day_of(self.store.clock().now().as_microsecond());
        let mut merged = 0;
        let mut parts: BTreeMap<Part, Vec<Arc<FileEntry>>> = BTreeMap::new();
        for file in view.files.iter() {
            parts.entry(file.part).or_default().push(file.clone());
        }
        let rolled = old_months(&parts, (today - RECENT_DAYS) * DAY_US);
        for (month, sources) in &rolled {
            self.merge(*month, sources, &view.files).await?;
            merged += sources.len();
        }
        for (part, files) in parts {
            if rolled.contains_key(&Part::month(part.from)) {
                continue;
            }
            let closed = part.to <= today * DAY_US;
            let touching = if closed { touching(&files) } else { Vec::new() };
            for sources in &touching {
                self.merge(part, sources, &view.files).await?;
                merged += sources.len();
            }
            let run = run(&files.iter().map(|f| f.rows).collect::<Vec<_>>(), if closed { RUN_CLOSED } else { RUN_OPEN });
            if touching.is_empty() && !run.is_empty() {
                self.merge(part, &files[run.clone()], &view.files).await?;
                merged += run.len();
            }
        }
        Ok(merged)
    }

    /// Few files instead of several. The sources come in order of arrival; whatever lies between them in that order
    /// shares no series and instant with them.
    async fn merge(&self, part: Part, sources: &[Arc<FileEntry>], all: &[Arc<FileEntry>]) -> Result<()> {
        let inside: HashSet<i64> = sources.iter().map(|s| s.id).collect();
        // A tombstone has done its work when no file is left in which the point could stand.
        let keep = all.iter().any(|f| !inside.contains(&f.id) && sources.iter().any(|s| s.may_touch(f)));
        let mut inputs = Vec::new();
        for source in sources {
            inputs.push(self.sorted_rows(source).await?);
        }
        let files = self.write_merged(part, newest::merge(inputs, KEY, keep)).await?;
        self.replace(sources, files).await
    }

    /// Registers files in place of others, in order of arrival where the newest of these was.
    async fn replace(&self, sources: &[Arc<FileEntry>], files: Vec<(String, Written)>) -> Result<()> {
        let order = sources.iter().map(|s| s.order).max();
        let mut tx = self.store.begin(&self.caller()).await?;
        let what = if files.is_empty() { "deleted_from_table" } else { "inserted_into_table" };
        let mut snapshot = Snapshot::begin(&mut tx, what).await?;
        for (path, file) in &files {
            snapshot.add(&mut tx, path, file, order).await?;
        }
        for source in sources {
            if !snapshot.end(&mut tx, source).await? {
                tx.rollback().await?;
                return Err(Error::conflict("history.compacted", "These files were changed by another node."));
            }
        }
        snapshot.finish(&mut tx).await?;
        tx.commit().await
    }

    /// Stores sorted rows as files of a handy size.
    pub(crate) async fn write_merged(&self, part: Part, mut rows: Rows) -> Result<Vec<(String, Written)>> {
        let failed = |e: DataFusionError| Error::internal("merging files of the lake", e);
        let mut stored = Vec::new();
        let mut writer = FileWriter::new(part)?;
        let mut last = String::new();
        while let Some(batch) = rows.try_next().await.map_err(failed)? {
            let mut batch = batch;
            if writer.rows() as u64 >= MERGED_ROWS {
                let entities = batch.column(ENTITY).as_string_view();
                if let Some(at) = (0..batch.num_rows()).find(|i| entities.value(*i) != last) {
                    writer.push(&batch.slice(0, at))?;
                    let full = std::mem::replace(&mut writer, FileWriter::new(part)?);
                    stored.push(self.store_file(full.finish()?).await?);
                    batch = batch.slice(at, batch.num_rows() - at);
                }
            }
            if let Some(row) = batch.num_rows().checked_sub(1) {
                last = batch.column(ENTITY).as_string_view().value(row).to_string();
            }
            writer.push(&batch)?;
        }
        if writer.rows() > 0 {
            stored.push(self.store_file(writer.finish()?).await?);
        }
        Ok(stored)
    }

    /// All rows of a file, in its order.
    pub(crate) async fn sorted_rows(&self, file: &FileEntry) -> Result<Rows> {
        let failed = |e| Error::internal("reading a file of the lake", e).with("path", &file.path);
        let stream = self.engine.files.open(file).await?.with_batch_size(8_192).build().map_err(failed)?;
        Ok(stream.map(|batch| conform(&batch?)).boxed())
    }

    /// Ends rows that were kept long enough, a whole day or month at a time: they leave history now and the disk after
    /// the grace. Returns how many files were ended or written anew.
    pub async fn retain(&self) -> Result<usize> {
        let Some(rules) = self.retaining.rules.get().filter(|r| !r.is_empty()) else { return Ok(0) };
        let _turn = self.background.lock().await;
        let now = self.store.clock().now().as_microsecond();
        let view = self.view().await?;
        let mut changed = 0;
        for file in view.files.iter() {
            let old = |r: &&Retention| file.part.to <= now.saturating_sub(i64::from(r.days).saturating_mul(DAY_US));
            let expired: Vec<&Retention> = rules.iter().filter(old).collect();
            let clean = (file.id, expired.len());
            if expired.is_empty() || self.retaining.clean.lock().is_ok_and(|c| c.contains(&clean)) {
                continue;
            }
            let named: HashSet<&str> = rules.iter().map(|r| r.kind.as_str()).collect();
            let gone = |kind: &str| expired.iter().any(|r| r.kind == kind || (r.kind == "*" && !named.contains(kind)));
            let (mut kept, mut lost) = (Vec::new(), 0);
            let mut rows = self.sorted_rows(file).await?;
            while let Some(batch) = rows.try_next().await.map_err(|e| Error::internal("reading a file of the lake", e))? {
                let stays: BooleanArray = batch.column(TYPE).as_string_view().iter().map(|kind| Some(!kind.is_some_and(gone))).collect();
                let n = stays.true_count();
                lost += batch.num_rows() - n;
                if n > 0 {
                    kept.push(filter_record_batch(&batch, &stays).map_err(|e| Error::internal("reading a file of the lake", e))?);
                }
            }
            if lost == 0 {
                if let Ok(mut known) = self.retaining.clean.lock() {
                    known.insert(clean);
                }
                continue;
            }
            let files = self.write_merged(file.part, futures::stream::iter(kept.into_iter().map(Ok)).boxed()).await?;
            self.replace(std::slice::from_ref(file), files).await?;
            tracing::info!(path = file.path, rows = lost, "rows were kept long enough");
            changed += 1;
        }
        Ok(changed)
    }

    /// Ends whole files whose newest row is older than `before`: they leave history now and the disk after the grace.
    pub async fn forget(&self, before: Timestamp) -> Result<usize> {
        let _turn = self.background.lock().await;
        let view = self.view().await?;
        let old: Vec<_> = view.files.iter().filter(|f| f.t.1 < before.as_microsecond()).cloned().collect();
        if !old.is_empty() {
            self.replace(&old, Vec::new()).await?;
        }
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
        let orphans = self.orphans(ago(now, KEEP_ORPHANS)).await?;
        for at in &orphans {
            self.delete(at).await?;
        }
        Ok(condemned.len() + orphans.len())
    }

    /// Files older than `before` that no entry vouches for: left by a crash between storing and registering.
    pub(crate) async fn orphans(&self, before: Timestamp) -> Result<Vec<Path>> {
        let folder = Path::from(FOLDER);
        let mut listing = self.store.objects().list(Some(&folder));
        let mut old = Vec::new();
        while let Some(meta) = listing.try_next().await.map_err(unreachable)? {
            if meta.last_modified.timestamp_micros() < before.as_microsecond() {
                old.push(meta.location);
            }
        }
        let mut found = Vec::new();
        for at in old {
            let Some(path) = at.as_ref().strip_prefix(FOLDER).and_then(|p| p.strip_prefix('/')) else { continue };
            if !registry::knows(&self.store, path).await? {
                found.push(at);
            }
        }
        Ok(found)
    }

    async fn delete(&self, at: &Path) -> Result<()> {
        match self.store.objects().delete(at).await {
            // Deleted by an earlier try.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(unreachable(e)),
        }
    }
}

/// Months before `before` that are small and still lie in days, with all their files in order of arrival.
fn old_months(parts: &BTreeMap<Part, Vec<Arc<FileEntry>>>, before: i64) -> BTreeMap<Part, Vec<Arc<FileEntry>>> {
    let mut months: BTreeMap<Part, Vec<Arc<FileEntry>>> = BTreeMap::new();
    for (part, files) in parts {
        let month = Part::month(part.from);
        if month.to <= before {
            months.entry(month).or_default().extend(files.iter().cloned());
        }
    }
    months.retain(|_, files| files.iter().any(|f| !f.part.is_month()) && files.iter().map(|f| f.rows).sum::<u64>() <= MONTH_ROWS);
    for files in months.values_mut() {
        files.sort_by_key(|f| (f.order, f.id));
    }
    months
}

/// Groups of files of a part that may share series and instants, directly or through others; in order of arrival.
fn touching(files: &[Arc<FileEntry>]) -> Vec<Vec<Arc<FileEntry>>> {
    let mut groups: Vec<Vec<Arc<FileEntry>>> = Vec::new();
    for file in files {
        let (with, without): (Vec<_>, Vec<_>) = groups.into_iter().partition(|g| g.iter().any(|f| f.may_touch(file)));
        groups = without;
        let mut group: Vec<_> = with.into_iter().flatten().collect();
        group.push(file.clone());
        groups.push(group);
    }
    groups.retain(|g| g.len() > 1 && g.iter().map(|f| f.rows).sum::<u64>() <= MERGE_AT_ONCE);
    for group in &mut groups {
        group.sort_by_key(|f| (f.order, f.id));
    }
    groups
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

/// The batch with exactly the table's types, whatever wrote the file.
fn conform(batch: &RecordBatch) -> datafusion::error::Result<RecordBatch> {
    let columns = TABLE
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name()).ok_or_else(|| DataFusionError::Internal("a column of the lake is missing".into()))?;
            Ok(cast(column, field.data_type())?)
        })
        .collect::<datafusion::error::Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(TABLE.clone(), columns)?)
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
