//! SQL over the lake: one table, read only, bounded in rows, time and memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use dothi_kernel::history::{QueryLimits, Table};
use dothi_kernel::{Error, Result};
use dothi_store::Store;
use futures::TryStreamExt;
use tokio::sync::Semaphore;

use crate::registry::{FileEntry, View};
use crate::scan::{ObservationTable, Taken, Views};
use crate::series::Files;

/// Where the table's folder stands in the object store.
pub(crate) const FOLDER: &str = "lake/observation";
const CATALOG: &str = "lake";
const SCHEMA: &str = "main";
/// The tables, and whether they show superseded rows.
pub(crate) const TABLES: [(&str, bool); 2] = [("observation", false), ("observation_raw", true)];
/// Bytes of memory all queries together may hold, and of remembered file footers.
const MEMORY: usize = 512 << 20;
const FOOTERS: usize = 64 << 20;
/// Bytes of one query text and of one answer.
const SQL_LENGTH: usize = 64 << 10;
const ANSWER: usize = 32 << 20;
/// Queries at one time; others wait their turn within their own time limit.
const AT_ONCE: usize = 4;
const MOST_ROWS: usize = 100_000;
const MOST_SECONDS: u32 = 600;

/// Functions that make large values out of small ones, outside of the memory that is counted.
const REFUSED: &[&str] = &["repeat", "replace", "regexp_replace", "lpad", "rpad", "array_repeat", "array_resize", "range", "generate_series", "gen_series"];

/// The query engine.
pub(crate) struct Engine {
    base: SessionState,
    pub files: Files,
    turn: Arc<Semaphore>,
    /// Queries have threads of their own: a heavy one must not hold up requests. None only while being dropped.
    threads: Option<tokio::runtime::Runtime>,
}

impl Engine {
    pub fn new(store: &Store) -> Result<Self> {
        let failed = |e| Error::internal("starting the query engine", e);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(MEMORY, 1.0)
            .with_metadata_cache_limit(FOOTERS)
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .build_arc()
            .map_err(failed)?;
        let url = objects_url().map_err(failed)?;
        runtime.register_object_store(url.as_ref(), store.objects().clone());
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let files = Files(Arc::new(CachedParquetFileReaderFactory::new(store.objects().clone(), footers)));
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().min(4));
        let config = SessionConfig::new().with_information_schema(true).with_default_catalog_and_schema(CATALOG, SCHEMA).with_target_partitions(threads);
        let mut builder = SessionStateBuilder::new_with_default_features().with_config(config).with_runtime_env(runtime);
        if let Some(functions) = builder.scalar_functions() {
            functions.retain(|f| !REFUSED.contains(&f.name()));
        }
        if let Some(functions) = builder.table_functions() {
            // As a table it makes its rows one by one; all others would read things that are not ours to show.
            functions.retain(|name, _| name == "generate_series");
        }
        let own = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("lake-query")
            .enable_all()
            .build()
            .map_err(|e| Error::internal("starting the query engine", e))?;
        Ok(Self { base: builder.build(), files, turn: Arc::new(Semaphore::new(AT_ONCE)), threads: Some(own) })
    }

    /// The threads of queries.
    pub fn handle(&self) -> Result<&tokio::runtime::Handle> {
        self.threads.as_ref().map(tokio::runtime::Runtime::handle).ok_or_else(|| Error::internal("querying the lake", "closing"))
    }

    /// What sessions begin with: functions, limits, files.
    pub fn state(&self) -> SessionState {
        self.base.clone()
    }

    /// Runs a query over a view.
    pub async fn table(&self, view: View, sql: &str, limits: QueryLimits) -> Result<Table> {
        if sql.len() > SQL_LENGTH {
            return Err(Error::invalid("history.sql", "The query is too long.").with("limit", SQL_LENGTH));
        }
        let (sql, rows) = (sql.to_string(), limits.rows.min(MOST_ROWS));
        self.apart(view, limits.seconds, move |context, deadline| async move { run(&context, &sql, rows, deadline).await }).await
    }

    /// Runs a query's work on the threads of queries, when its turn has come and within its time.
    pub async fn apart<T, F>(&self, view: View, seconds: u32, work: impl FnOnce(SessionContext, Instant) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let seconds = seconds.clamp(1, MOST_SECONDS);
        let wait = Duration::from_secs(u64::from(seconds));
        let deadline = Instant::now() + wait;
        let answer = async {
            // The turn is kept until the query has really ended, so that abandoned ones cannot pile up.
            let turn = self.turn.clone().acquire_owned().await.map_err(|e| Error::internal("waiting to query", e))?;
            let running = work(self.context(view).map_err(explain)?, deadline);
            let running = self.handle()?.spawn(async move {
                let done = running.await;
                drop(turn);
                done
            });
            AbortOnDrop(running).await
        };
        match tokio::time::timeout(wait, answer).await {
            Ok(done) => done,
            Err(_) => Err(Error::unprocessable("history.sql", "The query took too long. Narrow it by entity, attribute or time.").with("seconds", seconds)),
        }
    }

    fn context(&self, view: View) -> datafusion::error::Result<SessionContext> {
        let schema = MemorySchemaProvider::new();
        let views: Arc<dyn Views> = Arc::new(Taken(view));
        for (name, raw) in TABLES {
            schema.register_table(name.to_string(), Arc::new(ObservationTable { views: views.clone(), factory: self.files.0.clone(), raw }))?;
        }
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_string(), Arc::new(catalog));
        let state = SessionStateBuilder::new_from_existing(self.base.clone()).with_catalog_list(Arc::new(catalogs)).build();
        Ok(SessionContext::new_with_state(state))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // Waiting is not allowed where futures run.
            threads.shutdown_background();
        }
    }
}

/// A running query; dropping it stops the query at its next pause.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.unwrap_or_else(|e| Err(Error::internal("querying the lake", e))))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(context: &SessionContext, sql: &str, limit: usize, deadline: Instant) -> Result<Table> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, options).await.map_err(explain)?;
    let columns: Vec<String> = frame.schema().fields().iter().map(|f| f.name().clone()).collect();
    let plan = frame.create_physical_plan().await.map_err(explain)?;
    let plan = crate::deadline::bound(plan, deadline).map_err(explain)?;
    let mut stream = execute_stream(plan, context.task_ctx()).map_err(explain)?;
    let mut table = Table { columns, rows: Vec::new(), truncated: false };
    let mut size = 0;
    while let Some(batch) = stream.try_next().await.map_err(explain)? {
        let room = limit - table.rows.len();
        let take = batch.num_rows().min(room);
        size += append(&batch.slice(0, take), &mut table.rows)?;
        table.truncated = batch.num_rows() > room || size > ANSWER;
        if table.truncated {
            break;
        }
    }
    Ok(table)
}

pub(crate) fn objects_url() -> datafusion::error::Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse("dothi://objects")
}

/// A registered file as the query engine opens it.
pub(crate) fn partitioned(file: &FileEntry) -> PartitionedFile {
    PartitionedFile::new(format!("{FOLDER}/{}", file.path), file.bytes)
}

/// What the asker may know of a failure: mistakes of theirs in words, ours as an internal error.
pub(crate) fn explain(e: DataFusionError) -> Error {
    use DataFusionError as D;
    let root = e.find_root();
    let told = |text: &str| {
        let short: String = text.chars().take(500).collect();
        Error::invalid("history.sql", "The query cannot be answered.").with("reason", short)
    };
    match root {
        D::SQL(..) | D::Plan(_) | D::SchemaError(..) | D::NotImplemented(_) | D::Configuration(_) | D::Execution(_) | D::ArrowError(..) | D::Collection(_) => {
            told(&root.strip_backtrace())
        }
        D::ResourcesExhausted(cause) => {
            Error::unprocessable("history.sql", "The query needs too much memory or time. Narrow it by entity, attribute or time.").because(cause)
        }
        _ => Error::internal("querying the lake", e),
    }
}

/// Appends rows as JSON; returns their rough size.
fn append(batch: &RecordBatch, rows: &mut Vec<Vec<serde_json::Value>>) -> Result<usize> {
    let from = rows.len();
    rows.extend((0..batch.num_rows()).map(|_| Vec::with_capacity(batch.num_columns())));
    let mut size = 0;
    for column in batch.columns() {
        for (row, cell) in rows[from..].iter_mut().zip(cells(column)?) {
            size += 8 + cell.as_str().map_or(0, str::len);
            row.push(cell);
        }
    }
    Ok(size)
}

fn cells(column: &ArrayRef) -> Result<Vec<serde_json::Value>> {
    use serde_json::Value as J;
    macro_rules! numbers {
        ($t:ty) => {
            column.as_primitive::<$t>().iter().map(|x| x.map_or(J::Null, J::from)).collect()
        };
    }
    Ok(match column.data_type() {
        DataType::Null => vec![J::Null; column.len()],
        DataType::Boolean => column.as_boolean().iter().map(|x| x.map_or(J::Null, J::from)).collect(),
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Float32 => numbers!(Float32Type),
        DataType::Float64 => numbers!(Float64Type),
        _ => {
            let options = FormatOptions::default();
            let failed = |e| Error::internal("showing an answer", e);
            let shown = ArrayFormatter::try_new(column, &options).map_err(failed)?;
            (0..column.len())
                .map(|i| if column.is_null(i) { Ok(J::Null) } else { shown.value(i).try_to_string().map(J::from) })
                .collect::<std::result::Result<_, _>>()
                .map_err(failed)?
        }
    })
}
