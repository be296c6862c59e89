//! Whether every registered file is there and is what it was, and what to do when it is not.

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use dothi_kernel::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Serialize;

use crate::Lake;
use crate::compact::unreachable;
use crate::query::FOLDER;
use crate::registry::{FileEntry, Snapshot};
use crate::tables;

/// Where bytes of faulty files are kept.
const QUARANTINE: &str = "lake/quarantine";

/// A file that is not what the registry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFault {
    /// Path in the table's folder.
    pub path: String,
    /// Rows it should hold.
    pub rows: u64,
    /// `missing`, `size`, `checksum`, `rows` or `unreadable`.
    pub fault: &'static str,
}

/// What a look at all files found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LakeReport {
    /// Files looked at.
    pub files: usize,
    /// Rows in those that are in order.
    pub rows: u64,
    /// Files of before there were checksums; they were read through instead.
    pub without_checksum: usize,
    /// What is wrong.
    pub faults: Vec<FileFault>,
    /// Files in the folder that the registry does not know (swept a day after they were written).
    pub orphans: usize,
    /// Files taken out of history by earlier repairs, and their rows.
    pub quarantined: (u64, u64),
}

impl Lake {
    /// Reads every registered file and compares it with the registry.
    pub async fn verify(&self) -> Result<LakeReport> {
        let view = self.view().await?;
        let mut report = LakeReport { quarantined: tables::quarantined(&self.store).await?, ..LakeReport::default() };
        for file in view.files.iter() {
            report.files += 1;
            report.without_checksum += usize::from(file.sha256.is_none());
            match self.fault(file).await? {
                None => report.rows += file.rows,
                Some(fault) => report.faults.push(FileFault { path: file.path.clone(), rows: file.rows, fault }),
            }
        }
        report.orphans = self.orphans(dothi_kernel::Timestamp::MAX).await?.len();
        Ok(report)
    }

    async fn fault(&self, file: &FileEntry) -> Result<Option<&'static str>> {
        let found = match self.store.objects().get(&Path::from(format!("{FOLDER}/{}", file.path))).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(Some("missing")),
            Err(e) => return Err(unreachable(e)),
        };
        let bytes = found.bytes().await.map_err(unreachable)?;
        if bytes.len() as u64 != file.bytes {
            return Ok(Some("size"));
        }
        if let Some(known) = &file.sha256 {
            return Ok((crate::file::digest(&bytes) != *known).then_some("checksum"));
        }
        let rows = || -> std::result::Result<u64, Box<dyn std::error::Error>> {
            let mut rows = 0;
            for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
                rows += batch?.num_rows() as u64;
            }
            Ok(rows)
        };
        Ok(match rows() {
            Ok(rows) if rows == file.rows => None,
            Ok(_) => Some("rows"),
            Err(_) => Some("unreadable"),
        })
    }

    /// Takes faulty files out of history, so that all others can be read again: what is left of them is kept aside and
    /// each stands in the list of quarantined files with its rows. Returns how many were taken out.
    pub async fn repair(&self, report: &LakeReport) -> Result<usize> {
        let _turn = self.background.lock().await;
        let view = self.view().await?;
        let faulty: Vec<_> = view.files.iter().filter_map(|f| report.faults.iter().find(|x| x.path == f.path).map(|x| (f.clone(), x.fault))).collect();
        if faulty.is_empty() {
            return Ok(0);
        }
        let mut kept = Vec::new();
        for (file, fault) in &faulty {
            let aside = format!("{QUARANTINE}/{}", file.path);
            let saved = *fault != "missing";
            if saved {
                // Before the registry lets go of it: from then on the file may be deleted.
                let bytes = self.store.objects().get(&Path::from(format!("{FOLDER}/{}", file.path))).await.map_err(unreachable)?;
                let bytes = bytes.bytes().await.map_err(unreachable)?;
                self.store.objects().put(&Path::from(aside.clone()), bytes.into()).await.map_err(unreachable)?;
                self.store.sync_object(&Path::from(aside.clone())).await?;
            }
            kept.push(saved.then_some(aside));
        }
        let mut tx = self.store.begin(&self.caller()).await?;
        let mut snapshot = Snapshot::begin(&mut tx, "deleted_from_table").await?;
        for ((file, fault), aside) in faulty.iter().zip(&kept) {
            if !snapshot.end(&mut tx, file).await? {
                tx.rollback().await?;
                return Err(Error::conflict("history.compacted", "These files were changed by another node."));
            }
            tables::quarantine(&mut tx, file, fault, aside.as_deref()).await?;
            tracing::error!(path = file.path, rows = file.rows, fault, "a faulty file was taken out of history");
        }
        snapshot.finish(&mut tx).await?;
        tx.audit("lake.repair", "lake:observation", &serde_json::json!({ "files": faulty.len() })).await?;
        tx.commit().await?;
        Ok(faulty.len())
    }
}
