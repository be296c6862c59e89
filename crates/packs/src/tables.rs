//! The SQL of packs: what is installed.

use std::collections::BTreeMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};

use crate::Manifest;

/// Schema.
pub const MIGRATIONS: &[Migration] = &[Migration {
    domain: "packs",
    version: 1,
    sql: "create table packs_installed (
            name TEXT not null primary key, version TEXT not null, hash TEXT not null, program TEXT not null,
            manifest TEXT not null, files TEXT not null, at BIGINT not null
          );",
}];

/// An installed pack.
#[derive(Debug, Clone)]
pub(crate) struct InstalledRow {
    pub manifest: Manifest,
    pub hash: String,
    /// Version of the program that installed it.
    pub program: String,
    pub files: BTreeMap<String, String>,
    pub at: Timestamp,
}

fn read(row: &Row) -> Result<InstalledRow> {
    Ok(InstalledRow { manifest: row.json("manifest")?, hash: row.text("hash")?, program: row.text("program")?, files: row.json("files")?, at: row.time("at")? })
}

pub(crate) async fn all(store: &Store) -> Result<Vec<InstalledRow>> {
    store.rows("select * from packs_installed order by name limit 1000", params![]).await?.iter().map(read).collect()
}

pub(crate) async fn put(tx: &mut Tx, row: &InstalledRow) -> Result<()> {
    tx.exec(
        "insert into packs_installed (name, version, hash, program, manifest, files, at) values (?, ?, ?, ?, ?, ?, ?) \
         on conflict (name) do update set version = excluded.version, hash = excluded.hash, program = excluded.program, \
         manifest = excluded.manifest, files = excluded.files, at = excluded.at",
        params![&row.manifest.name, &row.manifest.version, &row.hash, &row.program, Param::json(&row.manifest)?, Param::json(&row.files)?, row.at],
    )
    .await
    .map(|_| ())
}
