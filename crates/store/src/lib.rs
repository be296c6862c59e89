//! The only database connection: embedded SQLite by default, PostgreSQL when configured.
//!
//! A change is a [`Tx`]: rows, events, timers, audit and pending batches in one transaction. [`Tx::commit`] returns
//! when all of it is durable. On SQLite, transactions that arrive together share one fsync (group commit).

mod audit;
mod backroom;
mod blobs;
mod dialect;
mod events;
mod jobs;
mod migrate;
pub mod outside;
mod pending;
mod row;
pub mod secret;
mod sql;
#[cfg(feature = "testing")]
#[allow(clippy::expect_used, clippy::print_stderr, missing_docs)]
pub mod testing;
mod tx;

use std::path::PathBuf;
use std::sync::Arc;

use dothi_kernel::{Caller, Clock, Error, Result};
use object_store::ObjectStore;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::{Mutex, Notify, watch};

pub use audit::{AuditRow, ChainReport};
pub use backroom::Backroom;
pub use blobs::{BlobRef, Blobs};
pub use dialect::Engine;
pub use jobs::{Job, JobHealth, JobRunner};
pub use migrate::Migration;
pub use object_store;
pub use pending::PendingBatch;
pub use row::{Param, Row};
pub use sql::{marks, places, upsert};
pub use tx::Tx;

/// Where the data live.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the embedded database and of the local object store.
    pub data: PathBuf,
    /// `postgres://…` for PostgreSQL; none for the embedded SQLite in `data`.
    pub database_url: Option<String>,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    /// Readers (SQLite) or everything (PostgreSQL).
    pub(crate) pool: DatabaseConnection,
    /// The one writer of SQLite; none on PostgreSQL.
    pub(crate) writer: Option<Arc<Mutex<tx::Writer>>>,
    pub(crate) commit_due: Arc<Notify>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) data: PathBuf,
    pub(crate) database_url: Option<String>,
    /// Set for a branch: nobody reads its events or pending batches, so it keeps none.
    pub(crate) branch: bool,
    pub(crate) last_event: watch::Sender<i64>,
    pub(crate) job_due: Notify,
}

impl Store {
    /// Opens the store, creating or upgrading the schema. Each domain passes its own migrations; they run in order,
    /// once. 503 `store.unreachable`, 409 `store.newer` when the data were written by a newer program.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>, migrations: &[&[Migration]]) -> Result<Self> {
        Self::connected(settings, None, clock, migrations).await
    }

    /// A store of its own beside this one, in the same place: a file in a folder of the data folder (SQLite) or a
    /// schema of the same database (PostgreSQL). It has its own rows and timers but no outbox and no history: events and
    /// pending batches written into it are dropped. `name` is ours: lower-case letters, digits and `_`.
    pub async fn branch(&self, name: &str, migrations: &[&[Migration]]) -> Result<Self> {
        if name.is_empty() || name.len() > 40 || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(Error::internal("opening a branch", format!("{name:?} is not a name for one")));
        }
        if self.0.engine == Engine::Postgres {
            let system = Caller::system("branch", self.clock().as_ref());
            let mut tx = self.begin(&system).await?;
            tx.batch(&format!("create schema if not exists {name}")).await?;
            tx.commit().await?;
        }
        let settings = Settings { data: self.0.data.join("branches").join(name), database_url: self.0.database_url.clone() };
        Self::connected(&settings, Some(name), self.0.clock.clone(), migrations).await
    }

    async fn connected(settings: &Settings, branch: Option<&str>, clock: Arc<dyn Clock>, migrations: &[&[Migration]]) -> Result<Self> {
        std::fs::create_dir_all(settings.data.join("objects")).map_err(|e| unreachable_store("creating the data folder", e))?;
        let engine = if settings.database_url.is_some() { Engine::Postgres } else { Engine::Sqlite };
        let (pool, writer) = match &settings.database_url {
            Some(url) => (connect(url, if branch.is_some() { 2 } else { 16 }, false, branch).await?, None),
            None => {
                let file = settings.data.join("dothi.db");
                let url = format!("sqlite://{}?mode=rwc", file.display());
                let writer = connect(&url, 1, true, branch).await?;
                let readers = connect(&url, if branch.is_some() { 1 } else { 4 }, true, branch).await?;
                (readers, Some(Arc::new(Mutex::new(tx::Writer::new(writer)))))
            }
        };
        let objects: Arc<dyn ObjectStore> = Arc::new(
            object_store::local::LocalFileSystem::new_with_prefix(settings.data.join("objects"))
                .map_err(|e| unreachable_store("opening the object store", e))?,
        );
        let commit_due = Arc::new(Notify::new());
        if let Some(writer) = &writer {
            tx::spawn_committer(Arc::downgrade(writer), commit_due.clone());
        }
        let store = Self(Arc::new(Inner {
            engine,
            pool,
            writer,
            commit_due,
            clock,
            objects,
            data: settings.data.clone(),
            database_url: settings.database_url.clone(),
            branch: branch.is_some(),
            last_event: watch::Sender::new(0),
            job_due: Notify::new(),
        }));
        migrate::run(&store, migrations).await?;
        let last = store.row("select coalesce(max(seq), 0) as seq from event", params![]).await?;
        store.0.last_event.send_replace(last.map_or(Ok(0), |r| r.int("seq"))?);
        Ok(store)
    }

    /// Begins a change made by `caller`. On SQLite only one runs at a time: keep it short, do no network or file
    /// I/O inside, never begin a second one while holding one.
    pub async fn begin(&self, caller: &Caller) -> Result<Tx> {
        Tx::begin(self.clone(), caller.clone()).await
    }

    /// Begins a change that the program makes itself, in the name of one of its parts.
    pub async fn begin_as(&self, part: &str) -> Result<Tx> {
        self.begin(&Caller::system(part, self.clock().as_ref())).await
    }

    /// Rows of a read-only statement with `?` placeholders.
    pub async fn rows(&self, sql: &str, params: Vec<Param>) -> Result<Vec<Row>> {
        let statement = self.0.engine.statement(sql, params);
        let rows = self.0.pool.query_all_raw(statement).await.map_err(|e| Error::internal("reading", e).with("sql", sql))?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row, if any.
    pub async fn row(&self, sql: &str, params: Vec<Param>) -> Result<Option<Row>> {
        let statement = self.0.engine.statement(sql, params);
        let row = self.0.pool.query_one_raw(statement).await.map_err(|e| Error::internal("reading", e).with("sql", sql))?;
        Ok(row.map(Row))
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Photos, documents and other large bytes.
    pub fn blobs(&self) -> Blobs {
        Blobs::new(self.clone())
    }

    /// The object store itself, for `lake`.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.0.objects
    }

    /// The data folder (for `lake`, backups and `doctor`).
    pub fn data(&self) -> &std::path::Path {
        &self.0.data
    }

    /// The engine behind it.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The outside address of the database for other programs (`sqlite:path` or the PostgreSQL URL is theirs to know).
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        (self.0.engine == Engine::Sqlite).then(|| self.0.data.join("dothi.db"))
    }

    /// Closes all connections after the last commit. Call once, at shutdown.
    pub async fn close(&self) -> Result<()> {
        if let Some(writer) = &self.0.writer {
            writer.lock().await.close().await?;
        }
        self.0.pool.clone().close().await.map_err(|e| Error::internal("closing the database", e))
    }
}

/// Builds the parameters of a statement: `params![id, name, count]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::Param::from($value)),*] };
}

fn unreachable_store(doing: &'static str, cause: impl std::fmt::Display) -> Error {
    Error::unavailable("store.unreachable", "The data store cannot be reached.").with("doing", doing).because(cause)
}

async fn connect(url: &str, connections: u32, sqlite: bool, branch: Option<&str>) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).min_connections(1).sqlx_logging(false).test_before_acquire(!sqlite);
    if let Some(schema) = branch.filter(|_| !sqlite) {
        options.set_schema_search_path(schema);
    }
    // KiB of pages kept. Branches are many and small; readers share the system's cache of the same file.
    let cache = match (branch, connections) {
        (Some(_), _) => "-2048",
        (None, 1) => "-65536",
        (None, _) => "-8192",
    };
    if sqlite {
        options.idle_timeout(None::<std::time::Duration>).max_lifetime(None::<std::time::Duration>);
        options.map_sqlx_sqlite_opts(move |o| {
            // Durable before acknowledged: FULL also after power loss. Busy waits cover outside readers such as DuckDB.
            o.pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("foreign_keys", "ON")
                .pragma("cache_size", cache)
                .pragma("temp_store", "MEMORY")
                .busy_timeout(std::time::Duration::from_secs(10))
                .statement_cache_capacity(400)
        });
    }
    Database::connect(options).await.map_err(|e| unreachable_store("connecting", e))
}
