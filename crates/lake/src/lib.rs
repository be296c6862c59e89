//! Observations for ever: pending batches and Parquet files as one table, with the DuckLake catalog as registry.
//!
//! The only crate with arrow, parquet and datafusion. Domains see it as [`dothi_kernel::History`].

mod blob;
mod check;
mod compact;
mod deadline;
mod delta;
mod file;
mod hold;
mod newest;
mod part;
mod pg;
mod query;
mod registry;
mod saved;
mod scan;
mod schema;
mod series;
mod steps;
mod tables;
mod upkeep;

use async_trait::async_trait;
use dothi_kernel::history::{History, Point, QueryLimits, SeriesQuery, Steps, StepsQuery, Table};
use dothi_kernel::{Observation, Result};
use dothi_store::Store;

pub use check::{FileFault, LakeReport};
pub use compact::{CompactReport, LakeStats, Prepared};
pub use datafusion_postgres::pgwire::tokio::TlsAcceptor;
pub use delta::DeltaReport;
pub use hold::HoldLimits;
pub use pg::{Doorkeeper, PgLimits};
pub use registry::MIGRATIONS;
pub use saved::{NewQuery, SavedQuery, Sharing};
pub use upkeep::Retention;

/// The lake of a store.
pub struct Lake {
    store: Store,
    cache: tokio::sync::Mutex<registry::Cache>,
    engine: query::Engine,
    /// One piece of background work at a time.
    background: tokio::sync::Mutex<()>,
    /// Who must have seen a batch before it goes into a file.
    hold: std::sync::OnceLock<(&'static str, HoldLimits)>,
    /// Batches that went into files unseen.
    unseen: std::sync::atomic::AtomicU64,
    retaining: upkeep::Retaining,
}

impl Lake {
    /// Opens the lake, filling a fresh registry and setting the timers of its jobs.
    pub async fn open(store: Store) -> Result<Self> {
        registry::bootstrap(&store).await?;
        let engine = query::Engine::new(&store)?;
        let lake = Self {
            store,
            cache: tokio::sync::Mutex::default(),
            engine,
            background: tokio::sync::Mutex::default(),
            hold: Default::default(),
            unseen: Default::default(),
            retaining: Default::default(),
        };
        lake.ensure_scheduled().await?;
        Ok(lake)
    }

    /// From now on a batch stays pending until the reader of events `reader` has passed it, within `limits`. Said once.
    pub fn hold_for(&self, reader: &'static str, limits: HoldLimits) {
        if self.hold.set((reader, limits)).is_err() {
            tracing::warn!(reader, "the lake already waits for a reader");
        }
    }

    /// Batches that went into files before their reader had seen them, since the start.
    pub fn unseen(&self) -> u64 {
        self.unseen.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[async_trait]
impl History for Lake {
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>> {
        blob::encode(batch)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<Observation>> {
        blob::decode(bytes)
    }

    async fn latest(&self, entity: &str, attribute: &str) -> Result<Option<Point>> {
        series::latest(&self.view().await?, &self.engine.files, entity, attribute).await
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        series::series(&self.view().await?, &self.engine.files, query).await
    }
    async fn head(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        series::head(&self.view().await?, &self.engine.files, query).await
    }

    async fn count(&self, query: &SeriesQuery) -> Result<u64> {
        series::count(&self.view().await?, &self.engine.files, query).await
    }

    async fn steps(&self, query: &StepsQuery) -> Result<Steps> {
        steps::steps(&self.engine, self.view().await?, query).await
    }

    async fn table(&self, sql: &str, limits: QueryLimits) -> Result<Table> {
        self.engine.table(self.view().await?, sql, limits).await
    }
}
