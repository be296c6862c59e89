//! Large bytes: kept in the object store under their SHA-256, known to the database by a row.
//! Upload first, commit the row after; objects without a row are swept a day later.

use bytes::Bytes;
use dothi_kernel::{Error, Result};
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Store, Tx, params};

/// Points to stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
}

/// The blobs of a store.
pub struct Blobs(Store);

fn path(sha256: &str) -> Result<Path> {
    if sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(Path::from(format!("blobs/{}/{sha256}", &sha256[..2])))
    } else {
        Err(Error::not_found("blob.unknown", "There is no such file."))
    }
}

impl Blobs {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Stores bytes; the same bytes are stored once. Not in a transaction: call before [`Store::begin`].
    pub async fn put(&self, bytes: Bytes, media_type: &str) -> Result<BlobRef> {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let size = bytes.len() as u64;
        let at = path(&sha256)?;
        self.0.objects().put(&at, bytes.into()).await.map_err(|e| crate::unreachable_store("storing a file", e))?;
        self.0.sync_object(&at).await?;
        Ok(BlobRef { sha256, size, media_type: media_type.to_string() })
    }

    /// The bytes. 404 `blob.unknown` when no row vouches for them.
    pub async fn get(&self, sha256: &str) -> Result<(BlobRef, Bytes)> {
        let unknown = || Error::not_found("blob.unknown", "There is no such file.");
        let at = path(sha256)?;
        let row = self.0.row("select size, media_type from blob where sha256 = ?", params![sha256]).await?.ok_or_else(unknown)?;
        let found = self.0.objects().get(&at).await.map_err(|e| unknown().because(e))?;
        let bytes = found.bytes().await.map_err(|e| crate::unreachable_store("reading a file", e))?;
        Ok((BlobRef { sha256: sha256.to_string(), size: row.int("size")? as u64, media_type: row.text("media_type")? }, bytes))
    }

    /// Deletes bytes at once that no row vouches for; what a row vouches for stays.
    pub async fn remove(&self, sha256: &str) -> Result<()> {
        let at = path(sha256)?;
        if self.0.row("select 1 as one from blob where sha256 = ?", params![sha256]).await?.is_some() {
            return Ok(());
        }
        match self.0.objects().delete(&at).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(crate::unreachable_store("deleting a file", e)),
        }
    }

    /// Deletes objects older than a day that no row vouches for; returns how many.
    pub async fn sweep(&self) -> Result<u64> {
        let old = self.0.clock().now().as_microsecond() - 86_400_000_000;
        let prefix = Path::from("blobs");
        let mut listing = self.0.objects().list(Some(&prefix));
        let mut gone = 0;
        while let Some(meta) = listing.try_next().await.map_err(|e| crate::unreachable_store("listing files", e))? {
            let sha256 = meta.location.filename().unwrap_or_default().to_string();
            let known = self.0.row("select 1 as one from blob where sha256 = ?", params![sha256]).await?.is_some();
            if !known && meta.last_modified.timestamp_micros() < old {
                self.0.objects().delete(&meta.location).await.map_err(|e| crate::unreachable_store("deleting a file", e))?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

impl Store {
    /// Makes a local object and its folder entry survive power loss. Remote stores are durable when they answer.
    pub async fn sync_object(&self, at: &Path) -> Result<()> {
        let file = self.data().join("objects").join(at.as_ref());
        tokio::task::spawn_blocking(move || {
            std::fs::File::open(&file)?.sync_all()?;
            file.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
        })
        .await
        .map_err(|e| Error::internal("syncing a file", e))?
        .map_err(|e: std::io::Error| crate::unreachable_store("syncing a file", e))
    }
}

impl Tx {
    /// Vouches for stored bytes no longer: nothing names them any more. [`Blobs::sweep`] deletes them.
    pub async fn detach(&mut self, sha256: &str) -> Result<()> {
        self.exec("delete from blob where sha256 = ?", params![sha256]).await?;
        Ok(())
    }

    /// Vouches for stored bytes.
    pub async fn attach(&mut self, blob: &BlobRef) -> Result<()> {
        let now = self.now();
        self.put(
            "insert into blob (sha256, size, media_type, at) values (?, ?, ?, ?) on conflict (sha256) do nothing",
            params![&blob.sha256, blob.size, &blob.media_type, now],
        )
        .await
    }
}
