//! The lake as a Delta table in a folder, for Spark, Polars, Trino and others that read no DuckLake.
//!
//! A file that needs no merging is linked (or copied) as it is; where rows supersede others, the merged rows are
//! written. Exporting again into the same folder adds a version: what is new is added, what is gone is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use dothi_kernel::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::Lake;
use crate::compact::unreachable;
use crate::newest;
use crate::query::FOLDER;
use crate::registry::{FileEntry, scalar};
use crate::schema::COLUMNS;
use crate::upkeep::KEY;

/// What an export did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeltaReport {
    /// Version of the table after it.
    pub version: u64,
    /// Files added in it.
    pub added: usize,
    /// Files removed in it.
    pub removed: usize,
    /// Rows of the table.
    pub rows: u64,
}

/// A file of the exported table.
struct Out {
    path: String,
    rows: u64,
    size: u64,
    /// Of each column: nulls, least and greatest.
    columns: Vec<(Option<usize>, Option<ScalarValue>, Option<ScalarValue>)>,
}

fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |e| Error::unprocessable("history.export", "The folder cannot be written.").with("doing", doing).because(e)
}

impl Lake {
    /// Writes all observations (after a compaction) as a Delta table.
    pub async fn export_delta(&self, folder: &OsPath) -> Result<DeltaReport> {
        self.compact().await?;
        // Nothing is merged or ended meanwhile.
        let _turn = self.background.lock().await;
        let log = folder.join("_delta_log");
        std::fs::create_dir_all(&log).map_err(io("making the folder"))?;
        let (next, standing) = versions(&log)?;
        let view = self.view().await?;
        let (plain, touching) = crate::scan::components(view.files.to_vec(), &BTreeMap::new());
        let mut outs = Vec::new();
        for file in &plain.files {
            outs.push(self.export_plain(folder, file).await?);
        }
        for component in &touching {
            outs.extend(self.export_merged(folder, &component.files, &standing).await?);
        }
        let paths: BTreeSet<&str> = outs.iter().map(|o| o.path.as_str()).collect();
        let now = self.store.clock().now().as_millisecond();
        let mut lines = Vec::new();
        if next == 0 {
            lines.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
            lines.push(json!({"metaData": {"id": self.store.clock().id().to_string(), "name": "observation", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema().to_string(), "partitionColumns": [], "configuration": {}, "createdTime": now}}));
        }
        let mut report = DeltaReport { version: next, rows: outs.iter().map(|o| o.rows).sum(), ..DeltaReport::default() };
        for path in standing.iter().filter(|p| !paths.contains(p.as_str())) {
            lines.push(json!({"remove": {"path": path, "deletionTimestamp": now, "dataChange": true}}));
            report.removed += 1;
        }
        for out in outs.iter().filter(|o| !standing.contains(&o.path)) {
            lines.push(json!({"add": {"path": out.path, "partitionValues": {}, "size": out.size, "modificationTime": now, "dataChange": true,
                "stats": stats(out).to_string()}}));
            report.added += 1;
        }
        if report.added + report.removed == 0 && next > 0 {
            report.version = next - 1;
            return Ok(report);
        }
        lines.push(json!({"commitInfo": {"timestamp": now, "operation": "WRITE", "engineInfo": concat!("dothi ", env!("CARGO_PKG_VERSION"))}}));
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        put(&log.join(format!("{next:020}.json")), text.as_bytes())?;
        Ok(report)
    }

    async fn export_plain(&self, folder: &OsPath, file: &FileEntry) -> Result<Out> {
        let target = folder.join(&file.path);
        if !target.exists() {
            let bytes = self.store.objects().get(&Path::from(format!("{FOLDER}/{}", file.path))).await.map_err(unreachable)?;
            put(&target, &bytes.bytes().await.map_err(unreachable)?)?;
        }
        let columns = file
            .statistics
            .column_statistics
            .iter()
            .map(|c| (c.null_count.get_value().copied(), c.min_value.get_value().cloned(), c.max_value.get_value().cloned()))
            .collect();
        Ok(Out { path: file.path.clone(), rows: file.rows, size: file.bytes, columns })
    }

    /// Merged rows of files that touch; named by the files they come from, so that an unchanged group is written once.
    async fn export_merged(&self, folder: &OsPath, files: &[Arc<FileEntry>], standing: &BTreeSet<String>) -> Result<Vec<Out>> {
        let failed = |e| Error::internal("merging files of the lake", e);
        let ids: Vec<String> = files.iter().map(|f| f.id.to_string()).collect();
        let name = crate::file::digest(ids.join(",").as_bytes());
        let mut inputs = Vec::new();
        for file in files {
            inputs.push(self.sorted_rows(file).await?);
        }
        let mut rows = newest::merge(inputs, KEY, false);
        let part = files.first().map(|f| f.part).ok_or_else(|| Error::internal("merging files of the lake", "no files"))?;
        let mut writer = crate::file::FileWriter::new(part)?;
        while let Some(batch) = futures::TryStreamExt::try_next(&mut rows).await.map_err(failed)? {
            writer.push(&batch)?;
        }
        if writer.rows() == 0 {
            return Ok(Vec::new());
        }
        let written = writer.finish()?;
        let path = format!("merged/{}.parquet", &name[..32]);
        if !standing.contains(&path) || !folder.join(&path).exists() {
            put(&folder.join(&path), &written.bytes)?;
        }
        let of = |(def, c): (&crate::schema::ColumnDef, &crate::file::ColumnStats)| {
            let value = |text: &Option<String>| text.as_deref().and_then(|t| scalar(def.duck_type, t));
            (usize::try_from(c.nulls).ok(), value(&c.min), value(&c.max))
        };
        let columns = COLUMNS.iter().zip(&written.columns).map(of).collect();
        Ok(vec![Out { path, rows: written.rows as u64, size: written.size as u64, columns }])
    }
}

/// Writes a file whole or not at all.
fn put(target: &OsPath, bytes: &[u8]) -> Result<()> {
    let failed = io("writing a file");
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(&failed)?;
    }
    let mut draft = target.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    std::fs::write(&draft, bytes).map_err(&failed)?;
    std::fs::File::open(&draft).and_then(|f| f.sync_all()).map_err(&failed)?;
    std::fs::rename(&draft, target).map_err(&failed)
}

/// The next version of a table, and the files standing in it.
fn versions(log: &OsPath) -> Result<(u64, BTreeSet<String>)> {
    let foreign = |why: &str| Error::unprocessable("history.export", "The folder holds a Delta table that this program did not write.").with("reason", why);
    let mut standing = BTreeSet::new();
    for version in 0.. {
        let text = match std::fs::read_to_string(log.join(format!("{version:020}.json"))) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((version, standing)),
            Err(e) => return Err(io("reading the log")(e)),
        };
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            let action: Json = serde_json::from_str(line).map_err(|_| foreign("a line of the log is not JSON"))?;
            if let Some(path) = action["add"]["path"].as_str() {
                standing.insert(path.to_string());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                standing.remove(path);
            }
            if action["commitInfo"].is_object() && !action["commitInfo"]["engineInfo"].as_str().is_some_and(|e| e.starts_with("dothi")) {
                return Err(foreign("another program committed to it"));
            }
        }
    }
    Ok((0, standing))
}

fn schema() -> Json {
    let kind = |duck: &str| match duck {
        "timestamptz" => "timestamp",
        "float64" => "double",
        "int32" => "integer",
        _ => "string",
    };
    let fields: Vec<Json> = COLUMNS.iter().map(|c| json!({"name": c.name, "type": kind(c.duck_type), "nullable": c.nullable, "metadata": {}})).collect();
    json!({"type": "struct", "fields": fields})
}

fn stats(out: &Out) -> Json {
    let (mut least, mut greatest, mut nulls) = (serde_json::Map::new(), serde_json::Map::new(), serde_json::Map::new());
    for (def, (empty, min, max)) in COLUMNS.iter().zip(&out.columns) {
        if let Some(n) = empty {
            nulls.insert(def.name.into(), (*n).into());
        }
        // Bounds of instants are told in milliseconds: rounded away from the middle.
        if let (Some(low), Some(high)) = (min.as_ref().and_then(|s| shown(s, 0)), max.as_ref().and_then(|s| shown(s, 999))) {
            least.insert(def.name.into(), low);
            greatest.insert(def.name.into(), high);
        }
    }
    json!({"numRecords": out.rows, "minValues": least, "maxValues": greatest, "nullCount": nulls})
}

fn shown(value: &ScalarValue, up: i64) -> Option<Json> {
    Some(match value {
        ScalarValue::TimestampMicrosecond(Some(t), _) => {
            let at = dothi_kernel::time::micros((t + up).div_euclid(1_000) * 1_000);
            at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string().into()
        }
        ScalarValue::Float64(Some(x)) => (*x).into(),
        ScalarValue::Int32(Some(x)) => (*x).into(),
        ScalarValue::Utf8View(Some(s)) => s.as_str().into(),
        _ => return None,
    })
}
