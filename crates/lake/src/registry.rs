//! The only SQL of the lake: the DuckLake catalog as registry of files, and a consistent view of files ∪ pending.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use dothi_kernel::{Caller, Error, Result, Timestamp};
use dothi_store::{Migration, Row, Store, Tx, params};
use uuid::Uuid;

use crate::file::Written;
use crate::part::Part;
use crate::schema::{ATTRIBUTE, COLUMNS, ENTITY, T, TABLE_ID, V, duck_time, parse_duck_time};

/// The schema of the lake's registry.
pub const MIGRATIONS: &[Migration] = &[
    Migration { domain: "lake", version: 1, sql: include_str!("catalog.sql") },
    // What DuckLake has no column for. A file without a row here is of the first version: its rows may repeat themselves.
    Migration {
        domain: "lake",
        version: 2,
        sql: "create table lake_file (data_file_id BIGINT primary key, tombstones BIGINT not null, sha256 TEXT not null);
              create table lake_quarantine (data_file_id BIGINT primary key, path TEXT not null, rows BIGINT not null, fault TEXT not null, moved_to TEXT, at BIGINT not null);
              create table lake_query (id TEXT primary key, name TEXT not null, sql TEXT not null, owner TEXT not null, owner_name TEXT not null,
                unit TEXT, shared TEXT not null, created_at BIGINT not null, changed_at BIGINT not null);
              create index lake_query_owner on lake_query (owner, name)",
    },
];

/// A registered file.
#[derive(Debug)]
pub(crate) struct FileEntry {
    pub id: i64,
    /// Order of arrival of its rows against those of other files of the day.
    pub order: i64,
    /// Relative to the table's folder.
    pub path: String,
    pub part: Part,
    pub rows: u64,
    pub bytes: u64,
    pub t: (i64, i64),
    /// No two rows have the same series and instant.
    pub settled: bool,
    /// Rows that only take a point away.
    pub tombstones: u64,
    pub sha256: Option<String>,
    entity: Bounds,
    attribute: Bounds,
    pub statistics: Arc<Statistics>,
}

type Bounds = (Option<String>, Option<String>);

impl FileEntry {
    /// False when the file cannot hold rows of the series in [from, to).
    pub fn may_hold(&self, entity: &str, attribute: &str, from: i64, to: i64) -> bool {
        let within = |(min, max): &Bounds, x: &str| min.as_deref().is_none_or(|m| m <= x) && max.as_deref().is_none_or(|m| x <= m);
        self.t.0 < to && from <= self.t.1 && within(&self.entity, entity) && within(&self.attribute, attribute)
    }

    /// Whether a row of one could have the series and instant of a row of the other.
    pub fn may_touch(&self, other: &Self) -> bool {
        let apart = |(_, max): &Bounds, (min, _): &Bounds| matches!((max, min), (Some(a), Some(b)) if a < b);
        self.t.0 <= other.t.1 && other.t.0 <= self.t.1 && !apart(&self.entity, &other.entity) && !apart(&other.entity, &self.entity)
    }
}

/// A pending batch, unpacked and settled: by (entity, attribute, t), no key twice.
#[derive(Debug)]
pub(crate) struct Pending {
    pub id: Uuid,
    pub batch: RecordBatch,
    pub size: usize,
    pub t: (i64, i64),
}

/// Everything there is to read at one instant: each row exactly once.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// By day and order of arrival.
    pub files: Arc<Vec<Arc<FileEntry>>>,
    /// In order of arrival.
    pub pending: Arc<Vec<Arc<Pending>>>,
}

/// What is remembered between views.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    snapshot: Option<i64>,
    /// The last view, with the snapshot and the number of pending batches it was of.
    last: Option<(i64, i64, View)>,
    by_id: BTreeMap<i64, Arc<FileEntry>>,
    files: Arc<Vec<Arc<FileEntry>>>,
    pending: HashMap<Uuid, Arc<Pending>>,
}

/// How often a view is begun anew when batches are compacted under its hands.
const TRIES: usize = 20;

impl Cache {
    /// The state of one instant. The ids of pending batches and the snapshot come from one statement, and the files
    /// are those of that snapshot; the compactor changes both in one transaction, so nothing is seen twice or never.
    pub async fn view(&mut self, store: &Store) -> Result<View> {
        // Batches go only with a new snapshot: with the same one, as many batches are the same batches.
        let brief = store
            .row("select (select max(snapshot_id) from ducklake_snapshot) as newest, (select count(*) from pending_batch) as waiting", params![])
            .await?
            .ok_or_else(|| Error::internal("reading the lake's registry", "no snapshot"))?;
        let brief = (brief.int("newest")?, brief.int("waiting")?);
        if let Some((snapshot, waiting, view)) = &self.last
            && (*snapshot, *waiting) == brief
        {
            return Ok(view.clone());
        }
        self.last = None;
        for _ in 0..TRIES {
            let head = store
                .rows(
                    "select s.newest, s.oldest, p.id as id from \
                     (select max(snapshot_id) as newest, min(snapshot_id) as oldest from ducklake_snapshot) s \
                     left join pending_batch p on 1 = 1 order by p.id",
                    params![],
                )
                .await?;
            let first = head.first().ok_or_else(|| Error::internal("reading the lake's registry", "no snapshot"))?;
            let (newest, oldest) = (first.int("newest")?, first.int("oldest")?);
            let ids: Vec<Uuid> = head.iter().map(|r| r.opt_uuid("id")).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
            self.refresh_files(store, newest, oldest).await?;
            if let Some(pending) = self.refresh_pending(store, &ids).await? {
                let view = View { files: self.files.clone(), pending: Arc::new(pending) };
                self.last = Some((newest, ids.len() as i64, view.clone()));
                return Ok(view);
            }
        }
        Err(Error::unavailable("history.busy", "The history is being rearranged; please try again.").retry_after(std::time::Duration::from_secs(1)))
    }

    async fn refresh_files(&mut self, store: &Store, newest: i64, oldest: i64) -> Result<()> {
        if self.snapshot == Some(newest) {
            return Ok(());
        }
        // Rows of files that ended at or before the oldest kept snapshot may be gone: only then start over. The mark is
        // taken away first, so that a failure or a dropped future half-way also starts over.
        let known = match self.snapshot.take() {
            Some(s) if s >= oldest && s <= newest => s,
            _ => {
                self.by_id.clear();
                -1
            }
        };
        let ended = store
            .rows("select data_file_id from ducklake_data_file where table_id = ? and end_snapshot > ? and end_snapshot <= ?", params![TABLE_ID, known, newest])
            .await?;
        for row in ended {
            self.by_id.remove(&row.int("data_file_id")?);
        }
        for entry in load_files(store, known, newest).await? {
            self.by_id.insert(entry.id, Arc::new(entry));
        }
        let mut files: Vec<_> = self.by_id.values().cloned().collect();
        files.sort_by_key(|f| (f.part, f.order, f.id));
        self.files = Arc::new(files);
        self.snapshot = Some(newest);
        Ok(())
    }

    /// The batches, or none when one of them was compacted meanwhile.
    async fn refresh_pending(&mut self, store: &Store, ids: &[Uuid]) -> Result<Option<Vec<Arc<Pending>>>> {
        let mut fresh = HashMap::with_capacity(ids.len());
        let mut pending = Vec::with_capacity(ids.len());
        let mut whole = true;
        for id in ids {
            let entry = match self.pending.get(id) {
                Some(entry) => entry.clone(),
                None => {
                    let Some(stored) = store.pending(*id).await? else {
                        whole = false;
                        break;
                    };
                    let batch = crate::file::settled(&crate::blob::table(&stored.bytes)?)?;
                    Arc::new(Pending { id: *id, batch, size: stored.bytes.len(), t: (stored.t_min, stored.t_max) })
                }
            };
            fresh.insert(*id, entry.clone());
            pending.push(entry);
        }
        if whole {
            self.pending = fresh;
            return Ok(Some(pending));
        }
        self.pending.extend(fresh);
        Ok(None)
    }
}

async fn load_files(store: &Store, after: i64, newest: i64) -> Result<Vec<FileEntry>> {
    let stats = store
        .rows(
            "select s.data_file_id, s.column_id, s.null_count, s.min_value, s.max_value from ducklake_file_column_stats s \
             join ducklake_data_file f on f.data_file_id = s.data_file_id where f.table_id = ? and f.begin_snapshot > ? and f.begin_snapshot <= ? \
             and (f.end_snapshot is null or f.end_snapshot > ?)",
            params![TABLE_ID, after, newest, newest],
        )
        .await?;
    let mut by_file: HashMap<i64, Vec<(usize, Stat)>> = HashMap::new();
    for row in &stats {
        let column = usize::try_from(row.int("column_id")? - 1).unwrap_or(usize::MAX);
        by_file
            .entry(row.int("data_file_id")?)
            .or_default()
            .push((column, Stat { nulls: row.opt_int("null_count")?, min: row.opt_text("min_value")?, max: row.opt_text("max_value")? }));
    }
    let rows = store
        .rows(
            "select f.data_file_id, coalesce(f.file_order, f.data_file_id) as arrival, f.path, f.record_count, f.file_size_bytes, l.tombstones, l.sha256 \
             from ducklake_data_file f left join lake_file l on l.data_file_id = f.data_file_id \
             where f.table_id = ? and f.begin_snapshot > ? and f.begin_snapshot <= ? and (f.end_snapshot is null or f.end_snapshot > ?)",
            params![TABLE_ID, after, newest, newest],
        )
        .await?;
    rows.iter().map(|row| entry(row, by_file.remove(&row.int("data_file_id")?).unwrap_or_default())).collect()
}

struct Stat {
    nulls: Option<i64>,
    min: Option<String>,
    max: Option<String>,
}

fn entry(row: &Row, stats: Vec<(usize, Stat)>) -> Result<FileEntry> {
    let rows = row.int("record_count")?.max(0) as u64;
    let mut columns = vec![ColumnStatistics::new_unknown(); COLUMNS.len()];
    let mut texts: Vec<Bounds> = vec![(None, None); COLUMNS.len()];
    for (i, stat) in stats {
        let (Some(def), Some(column)) = (COLUMNS.get(i), columns.get_mut(i)) else { continue };
        let scalar = |text: &Option<String>| text.as_deref().and_then(|t| scalar(def.duck_type, t)).map_or(Precision::Absent, Precision::Exact);
        column.min_value = scalar(&stat.min);
        column.max_value = scalar(&stat.max);
        column.null_count = stat.nulls.and_then(|n| usize::try_from(n).ok()).map_or(Precision::Absent, Precision::Exact);
        texts[i] = (stat.min, stat.max);
    }
    let time = |text: &Option<String>| text.as_deref().and_then(parse_duck_time);
    let t = (time(&texts[T].0).unwrap_or(i64::MIN), time(&texts[T].1).unwrap_or(i64::MAX));
    let mut statistics = Statistics::new_unknown(&crate::schema::TABLE);
    statistics.num_rows = Precision::Exact(rows as usize);
    statistics.column_statistics = columns;
    let path = row.text("path")?;
    Ok(FileEntry {
        id: row.int("data_file_id")?,
        order: row.int("arrival")?,
        part: Part::in_path(&path).unwrap_or_else(|| Part::day(crate::schema::day_of(t.0))),
        settled: row.opt_int("tombstones")?.is_some(),
        tombstones: row.opt_int("tombstones")?.unwrap_or(0).max(0) as u64,
        sha256: row.opt_text("sha256")?,
        path,
        rows,
        bytes: row.int("file_size_bytes")?.max(0) as u64,
        t,
        entity: std::mem::take(&mut texts[ENTITY]),
        attribute: std::mem::take(&mut texts[ATTRIBUTE]),
        statistics: Arc::new(statistics),
    })
}

pub(crate) fn scalar(duck_type: &str, text: &str) -> Option<ScalarValue> {
    Some(match duck_type {
        "timestamptz" => ScalarValue::TimestampMicrosecond(Some(parse_duck_time(text)?), Some("UTC".into())),
        "float64" => ScalarValue::Float64(Some(text.parse().ok()?)),
        "int32" => ScalarValue::Int32(Some(text.parse().ok()?)),
        _ => ScalarValue::Utf8View(Some(text.to_string())),
    })
}

/// Fills a fresh catalog and keeps the place of the files right when the data folder was moved.
pub(crate) async fn bootstrap(store: &Store) -> Result<()> {
    let system = Caller::system("lake", store.clock().as_ref());
    let (folder, now) = (data_path(store), duck_time(system.now.as_microsecond()));
    let mut tx = store.begin(&system).await?;
    match tx.row("select \"value\" as place from ducklake_metadata where \"key\" = 'data_path'", params![]).await? {
        Some(row) if row.text("place")? == folder => {}
        Some(_) => {
            tx.exec("update ducklake_metadata set \"value\" = ? where \"key\" = 'data_path'", params![&folder]).await?;
        }
        None => {
            // Of two nodes that start on a fresh database, the second waits here and finds the work done.
            let first = tx
                .exec(
                    "insert into ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id) values (0, ?, 0, 1, 0) \
                     on conflict (snapshot_id) do nothing",
                    params![&now],
                )
                .await?;
            if first == 1 {
                create(&mut tx, &folder, &now).await?;
            }
        }
    }
    tx.commit().await
}

/// The folder of the table's schema, as DuckDB opens it.
fn data_path(store: &Store) -> String {
    let folder = store.data().join("objects").join("lake");
    let whole = std::fs::canonicalize(store.data()).map_or(folder, |data| data.join("objects").join("lake"));
    format!("{}/", whole.display())
}

async fn create(tx: &mut Tx, folder: &str, now: &str) -> Result<()> {
    for (key, value) in [("version", "1.0"), ("created_by", concat!("dothi ", env!("CARGO_PKG_VERSION"))), ("data_path", folder), ("encrypted", "false")] {
        tx.exec("insert into ducklake_metadata (\"key\", \"value\") values (?, ?)", params![key, value]).await?;
    }
    tx.exec("insert into ducklake_snapshot_changes (snapshot_id, changes_made) values (0, ?)", params!["created_schema:\"main\""]).await?;
    let schema = tx.id();
    tx.exec(
        "insert into ducklake_schema (schema_id, schema_uuid, begin_snapshot, schema_name, path, path_is_relative) values (0, ?, 0, 'main', '', 1)",
        params![schema],
    )
    .await?;
    tx.exec("insert into ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id) values (1, ?, 1, 2, 0)", params![now])
        .await?;
    tx.exec("insert into ducklake_snapshot_changes (snapshot_id, changes_made) values (1, ?)", params!["created_table:\"main\".\"observation\""]).await?;
    tx.exec("insert into ducklake_schema_versions (begin_snapshot, schema_version, table_id) values (1, 1, ?)", params![TABLE_ID]).await?;
    let table = tx.id();
    tx.exec(
        "insert into ducklake_table (table_id, table_uuid, begin_snapshot, schema_id, table_name, path, path_is_relative) values (?, ?, 1, 0, 'observation', 'observation/', 1)",
        params![TABLE_ID, table],
    )
    .await?;
    for (i, column) in (1i64..).zip(COLUMNS) {
        tx.exec(
            "insert into ducklake_column (column_id, begin_snapshot, table_id, column_order, column_name, column_type, default_value, nulls_allowed, default_value_type, default_value_dialect) \
             values (?, 1, ?, ?, ?, ?, 'NULL', ?, 'literal', 'duckdb')",
            params![i, TABLE_ID, i, column.name, column.duck_type, column.nullable],
        )
        .await?;
    }
    Ok(())
}

/// A new version of the table: begun by one change, seen by all readers after its commit.
pub(crate) struct Snapshot {
    pub id: i64,
    next_file: i64,
    next_row: i64,
    /// Change of the table's rows and bytes.
    rows: i64,
    bytes: i64,
    /// Of each column, over the added files; none while no file was added.
    added: Option<Vec<Extent>>,
}

/// What a column holds.
#[derive(Debug, Clone)]
struct Extent {
    nulls: bool,
    /// Nothing but nulls.
    empty: bool,
    bounds: Bounds,
}

/// Statements are as few as can be: on SQLite all other changes wait meanwhile.
const AT_ONCE: usize = 500;

impl Snapshot {
    /// Takes the next number. Two nodes that try at once collide on it, and one of them starts over.
    pub async fn begin(tx: &mut Tx, what: &str) -> Result<Self> {
        let last = tx
            .row("select snapshot_id, schema_version, next_catalog_id, next_file_id from ducklake_snapshot order by snapshot_id desc limit 1", params![])
            .await?
            .ok_or_else(|| Error::internal("registering files", "no snapshot"))?;
        let (id, next_file) = (last.int("snapshot_id")? + 1, last.int("next_file_id")?);
        let now = duck_time(tx.now().as_microsecond());
        tx.exec(
            "insert into ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id) values (?, ?, ?, ?, ?)",
            params![id, now, last.int("schema_version")?, last.int("next_catalog_id")?, next_file],
        )
        .await?;
        tx.exec("insert into ducklake_snapshot_changes (snapshot_id, changes_made) values (?, ?)", params![id, format!("{what}:{TABLE_ID}")]).await?;
        let next_row =
            tx.row("select next_row_id from ducklake_table_stats where table_id = ?", params![TABLE_ID]).await?.map_or(Ok(0), |r| r.int("next_row_id"))?;
        Ok(Self { id, next_file, next_row, rows: 0, bytes: 0, added: None })
    }

    /// Registers a stored file; `order` is its place in the order of arrival, none = after all others.
    pub async fn add(&mut self, tx: &mut Tx, path: &str, file: &Written, order: Option<i64>) -> Result<()> {
        let (id, rows, bytes) = (self.next_file, file.rows as i64, file.size as i64);
        tx.exec(
            "insert into ducklake_data_file (data_file_id, table_id, begin_snapshot, file_order, path, path_is_relative, file_format, record_count, \
             file_size_bytes, footer_size, row_id_start) values (?, ?, ?, ?, ?, 1, 'parquet', ?, ?, ?, ?)",
            params![id, TABLE_ID, self.id, order, path, rows, bytes, file.footer, self.next_row],
        )
        .await?;
        let mut values = Vec::new();
        for (i, stats) in file.columns.iter().enumerate() {
            values.extend(params![id, TABLE_ID, i + 1, stats.bytes, rows - stats.nulls, stats.nulls, stats.min.clone(), stats.max.clone(), nan(i)]);
        }
        let sql = format!(
            "insert into ducklake_file_column_stats (data_file_id, table_id, column_id, column_size_bytes, value_count, null_count, min_value, max_value, contains_nan) values {}",
            dothi_store::places(file.columns.len(), 9)
        );
        tx.exec(&sql, values).await?;
        tx.exec("insert into lake_file (data_file_id, tombstones, sha256) values (?, ?, ?)", params![id, file.tombstones, &file.sha256]).await?;
        self.next_file += 1;
        self.next_row += rows;
        self.rows += rows;
        self.bytes += bytes;
        let of_file = file.columns.iter().map(|c| Extent { nulls: c.nulls > 0, empty: c.nulls == rows, bounds: (c.min.clone(), c.max.clone()) });
        self.added = Some(match self.added.take() {
            None => of_file.collect(),
            Some(sofar) => COLUMNS.iter().zip(sofar).zip(of_file).map(|((def, a), b)| wider(def.duck_type, a, b)).collect(),
        });
        Ok(())
    }

    /// Ends a file: readers of this snapshot and later ones no longer see it. False when it had ended before.
    pub async fn end(&mut self, tx: &mut Tx, file: &FileEntry) -> Result<bool> {
        let ended =
            tx.exec("update ducklake_data_file set end_snapshot = ? where data_file_id = ? and end_snapshot is null", params![self.id, file.id]).await?;
        self.rows -= file.rows as i64;
        self.bytes -= file.bytes as i64;
        Ok(ended == 1)
    }

    /// Writes the table's statistics and the next file number.
    pub async fn finish(mut self, tx: &mut Tx) -> Result<i64> {
        let known = tx
            .exec(
                "update ducklake_table_stats set record_count = record_count + ?, next_row_id = ?, file_size_bytes = file_size_bytes + ? where table_id = ?",
                params![self.rows, self.next_row, self.bytes, TABLE_ID],
            )
            .await?;
        if known == 0 {
            tx.exec(
                "insert into ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes) values (?, ?, ?, ?)",
                params![TABLE_ID, self.rows, self.next_row, self.bytes],
            )
            .await?;
        }
        if let Some(added) = self.added.take() {
            widen(tx, added, known == 0).await?;
        }
        tx.exec("update ducklake_snapshot set next_file_id = ? where snapshot_id = ?", params![self.next_file, self.id]).await?;
        Ok(self.id)
    }
}

/// Only numbers say whether they hold NaN; ours never do.
fn nan(column: usize) -> Option<bool> {
    (column == V).then_some(false)
}

/// Widens the table's statistics; they may be wider than the data, never narrower.
async fn widen(tx: &mut Tx, added: Vec<Extent>, fresh: bool) -> Result<()> {
    for (i, (def, extent)) in COLUMNS.iter().zip(added).enumerate() {
        let column = i + 1;
        if fresh {
            tx.exec(
                "insert into ducklake_table_column_stats (table_id, column_id, contains_null, contains_nan, min_value, max_value) values (?, ?, ?, ?, ?, ?)",
                params![TABLE_ID, column, extent.nulls, nan(i), extent.bounds.0, extent.bounds.1],
            )
            .await?;
            continue;
        }
        let known = tx
            .row("select contains_null, min_value, max_value from ducklake_table_column_stats where table_id = ? and column_id = ?", params![TABLE_ID, column])
            .await?;
        let Some(row) = known else { continue };
        let before = Extent { nulls: row.opt_int("contains_null")? == Some(1), empty: false, bounds: (row.opt_text("min_value")?, row.opt_text("max_value")?) };
        let extent = wider(def.duck_type, before, extent);
        tx.exec(
            "update ducklake_table_column_stats set contains_null = ?, min_value = ?, max_value = ? where table_id = ? and column_id = ?",
            params![extent.nulls, extent.bounds.0, extent.bounds.1, TABLE_ID, column],
        )
        .await?;
    }
    Ok(())
}

/// The extent of both. A bound that one of them leaves out is unknown.
fn wider(duck_type: &str, a: Extent, b: Extent) -> Extent {
    let pick = |a: Option<String>, b: Option<String>, keep: Ordering| {
        let (a, b) = (a?, b?);
        let order = scalar(duck_type, &a)?.partial_cmp(&scalar(duck_type, &b)?)?;
        Some(if order == keep { a } else { b })
    };
    let bounds = match (a.empty, b.empty) {
        (true, _) => b.bounds,
        (_, true) => a.bounds,
        _ => (pick(a.bounds.0, b.bounds.0, Ordering::Less), pick(a.bounds.1, b.bounds.1, Ordering::Greater)),
    };
    Extent { nulls: a.nulls || b.nulls, empty: a.empty && b.empty, bounds }
}

/// Removes batches that are now in files; returns how many were there.
pub(crate) async fn drop_pending(tx: &mut Tx, ids: &[Uuid]) -> Result<usize> {
    let mut gone = 0;
    for ids in ids.chunks(AT_ONCE) {
        let sql = format!("delete from pending_batch where id in ({})", dothi_store::marks(ids.len()));
        gone += tx.exec(&sql, ids.iter().map(|id| (*id).into()).collect()).await? as usize;
    }
    Ok(gone)
}

/// Forgets snapshots older than `before` except the newest, and schedules files that no kept snapshot shows for deletion.
pub(crate) async fn expire(store: &Store, before: Timestamp) -> Result<u64> {
    let system = Caller::system("lake", store.clock().as_ref());
    let limit = duck_time(before.as_microsecond());
    let now = duck_time(system.now.as_microsecond());
    let mut tx = store.begin(&system).await?;
    let keep = tx
        .row(
            "select coalesce(min(snapshot_id), (select max(snapshot_id) from ducklake_snapshot)) as first from ducklake_snapshot where snapshot_time >= ?",
            params![limit],
        )
        .await?
        .map_or(Ok(0), |r| r.int("first"))?;
    let gone = tx.exec("delete from ducklake_snapshot where snapshot_id < ?", params![keep]).await?;
    if gone == 0 {
        tx.rollback().await?;
        return Ok(0);
    }
    tx.exec("delete from ducklake_snapshot_changes where snapshot_id < ?", params![keep]).await?;
    let scheduled = tx
        .exec(
            "insert into ducklake_files_scheduled_for_deletion (data_file_id, path, path_is_relative, schedule_start) \
             select data_file_id, path, 1, ? from ducklake_data_file where table_id = ? and end_snapshot <= ?",
            params![now, TABLE_ID, keep],
        )
        .await?;
    tx.exec(
        "delete from ducklake_file_column_stats where data_file_id in (select data_file_id from ducklake_data_file where table_id = ? and end_snapshot <= ?)",
        params![TABLE_ID, keep],
    )
    .await?;
    tx.exec(
        "delete from lake_file where data_file_id in (select data_file_id from ducklake_data_file where table_id = ? and end_snapshot <= ?)",
        params![TABLE_ID, keep],
    )
    .await?;
    tx.exec("delete from ducklake_data_file where table_id = ? and end_snapshot <= ?", params![TABLE_ID, keep]).await?;
    tx.commit().await?;
    Ok(scheduled)
}

/// Files scheduled for deletion before an instant.
pub(crate) async fn condemned(store: &Store, before: Timestamp) -> Result<Vec<(i64, String)>> {
    let rows = store
        .rows(
            "select data_file_id, path from ducklake_files_scheduled_for_deletion where schedule_start < ? order by data_file_id limit 1000",
            params![duck_time(before.as_microsecond())],
        )
        .await?;
    rows.iter().map(|r| Ok((r.int("data_file_id")?, r.text("path")?))).collect()
}

/// Forgets files whose objects are deleted.
pub(crate) async fn buried(store: &Store, ids: &[i64]) -> Result<()> {
    let system = Caller::system("lake", store.clock().as_ref());
    let mut tx = store.begin(&system).await?;
    for id in ids {
        tx.exec("delete from ducklake_files_scheduled_for_deletion where data_file_id = ?", params![*id]).await?;
    }
    tx.commit().await
}

/// Whether the registry knows a file (live, ended or scheduled for deletion).
pub(crate) async fn knows(store: &Store, path: &str) -> Result<bool> {
    let row = store
        .row(
            "select 1 as one from ducklake_data_file where path = ? union all select 1 as one from ducklake_files_scheduled_for_deletion where path = ?",
            params![path, path],
        )
        .await?;
    Ok(row.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_grow_and_never_shrink() {
        let extent = |nulls, empty, min: Option<&str>, max: Option<&str>| Extent { nulls, empty, bounds: (min.map(str::to_string), max.map(str::to_string)) };
        let bounds = |e: Extent| (e.bounds.0.unwrap_or_default(), e.bounds.1.unwrap_or_default());
        let numbers = wider("float64", extent(false, false, Some("9.0"), Some("10.0")), extent(true, false, Some("-1.5"), Some("9.5")));
        assert!(numbers.nulls && !numbers.empty);
        assert_eq!(bounds(numbers), ("-1.5".into(), "10.0".into()));
        let nothing = extent(true, true, None, None);
        assert_eq!(bounds(wider("varchar", extent(false, false, Some("a"), Some("b")), nothing.clone())), ("a".into(), "b".into()));
        assert_eq!(bounds(wider("varchar", nothing, extent(false, false, Some("a"), Some("b")))), ("a".into(), "b".into()));
        // A text too long to keep as a bound: unknown from here on.
        let long = extent(true, false, Some("a"), None);
        assert_eq!(bounds(wider("varchar", extent(false, false, Some("a"), Some("b")), long)), ("a".into(), String::new()));
    }
}
