//! The lake over the PostgreSQL protocol, for psql, Grafana, Metabase, DBeaver and whatever else speaks it.
//!
//! One session context serves all connections and can be changed by none: its tables take a view of the lake when they
//! are read, statements other than questions are refused, and every plan is bounded in time, rows and turns.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::error::Result as DfResult;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::hooks::cursor::CursorStatementHook;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::pgwire::api::auth::{
    DefaultServerParameterProvider, LoginInfo, StartupHandler, finish_authentication, protocol_negotiation, save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::Response;
use datafusion_postgres::pgwire::api::{ClientInfo, PgWireConnectionState, PgWireServerHandlers, PidSecretKeyGenerator, RandomPidSecretKeyGenerator};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::startup::Authentication;
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use datafusion_postgres::pgwire::tokio::TlsAcceptor;
use datafusion_postgres::{DfSessionService, QueryHook};
use dothi_kernel::{Caller, Error, Result};
use futures::{Sink, SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::Lake;
use crate::deadline::{Around, Wrap, bound};
use crate::query::TABLES;
use crate::registry::View;
use crate::scan::{ObservationTable, Views};
use crate::series::Files;

/// Who lets people and programs in.
#[async_trait]
pub trait Doorkeeper: Send + Sync {
    /// The caller behind a user name and a password, if they may ask the lake. The error is not told to them.
    async fn admit(&self, user: &str, password: &str, address: IpAddr) -> Result<Caller>;
}

/// Bounds of the protocol.
#[derive(Debug, Clone, Copy)]
pub struct PgLimits {
    /// Connections at one time.
    pub connections: usize,
    /// Queries at one time; others wait.
    pub queries: usize,
    /// Seconds of one query.
    pub seconds: u64,
    /// Rows of one answer; more are an error, never cut in silence.
    pub rows: usize,
}

impl Default for PgLimits {
    fn default() -> Self {
        Self { connections: 64, queries: 4, seconds: 60, rows: 1_000_000 }
    }
}

const CATALOG: &str = "dothi";
const SCHEMA: &str = "public";
/// How long a connection is trusted before its password is looked at again.
const TRUST: i64 = 60_000_000;

impl Lake {
    /// Answers on the listener until the future is dropped.
    pub async fn serve_pg(self: &Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>, door: Arc<dyn Doorkeeper>, limits: PgLimits) -> Result<()> {
        let handlers = Arc::new(self.pg_handlers(door, tls.is_some(), limits)?);
        let places = Arc::new(Semaphore::new(limits.connections));
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (socket, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Out of file descriptors, for one: others close in time.
                    tracing::warn!(error = %e, "a connection over the PostgreSQL protocol could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while open.try_join_next().is_some() {}
            let Ok(place) = places.clone().try_acquire_owned() else {
                tracing::warn!(%address, limit = limits.connections, "a connection over the PostgreSQL protocol was refused: too many");
                continue;
            };
            let (handlers, tls) = (handlers.clone(), tls.clone());
            let work = async move {
                if let Err(e) = datafusion_postgres::pgwire::tokio::process_socket(socket, tls, handlers).await {
                    tracing::debug!(%address, error = %e, "a connection over the PostgreSQL protocol broke");
                }
                drop(place);
            };
            // Queries have threads of their own: a heavy one must not hold up requests.
            open.spawn_on(work, self.engine.handle()?);
        }
    }

    fn pg_handlers(self: &Arc<Self>, door: Arc<dyn Doorkeeper>, tls: bool, limits: PgLimits) -> Result<Handlers> {
        let failed = |e| Error::internal("starting the PostgreSQL protocol", e);
        let schema = LiveSchema { views: Arc::new(Live(Arc::downgrade(self))), files: self.engine.files.clone() };
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(failed)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_string(), Arc::new(catalog));
        let bounds = Bounds { limits, turns: Arc::new(Semaphore::new(limits.queries)) };
        let base = self.engine.state();
        let config = base.config().clone().with_default_catalog_and_schema(CATALOG, SCHEMA).with_create_default_catalog_and_schema(false);
        let state: SessionState = SessionStateBuilder::new_from_existing(base)
            .with_config(config)
            .with_catalog_list(Arc::new(catalogs))
            .with_physical_optimizer_rule(Arc::new(bounds))
            .build();
        let context = SessionContext::new_with_state(state);
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|e| failed(*e))?;
        let gate = Arc::new(Gate { door: door.clone() });
        let hooks: Vec<Arc<dyn QueryHook>> = vec![gate, Arc::new(CursorStatementHook), Arc::new(SetShowHook), Arc::new(TransactionStatementHook)];
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        let sign_in = SignIn { door, tls, parameters, keys: RandomPidSecretKeyGenerator::default() };
        Ok(Handlers { service: Arc::new(DfSessionService::new_with_hooks(Arc::new(context), hooks)), sign_in: Arc::new(sign_in) })
    }
}

struct Handlers {
    service: Arc<DfSessionService>,
    sign_in: Arc<SignIn>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.service.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.service.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.sign_in.clone()
    }
}

/// Takes a view of the lake when a table is read.
struct Live(Weak<Lake>);

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

#[async_trait]
impl Views for Live {
    async fn view(&self) -> DfResult<View> {
        let lake = self.0.upgrade().ok_or_else(|| DataFusionError::Execution("the lake is closed".into()))?;
        lake.view().await.map_err(|e| DataFusionError::External(Box::new(e)))
    }
}

/// The tables; nothing can be added.
#[derive(Debug)]
struct LiveSchema {
    views: Arc<dyn Views>,
    files: Files,
}

#[async_trait]
impl SchemaProvider for LiveSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|(name, _)| (*name).to_string()).collect()
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        let found = TABLES.iter().find(|(n, _)| *n == name);
        Ok(found.map(|(_, raw)| Arc::new(ObservationTable { views: self.views.clone(), factory: self.files.0.clone(), raw: *raw }) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.iter().any(|(n, _)| *n == name)
    }
}

/// Who is connected, and when that was last looked at.
#[derive(Default)]
struct Session {
    known: OnceCell<(String, String)>,
    checked: AtomicI64,
}

struct SignIn {
    door: Arc<dyn Doorkeeper>,
    tls: bool,
    parameters: DefaultServerParameterProvider,
    keys: RandomPidSecretKeyGenerator,
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[async_trait]
impl StartupHandler for SignIn {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(ref startup) => {
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                // A token is not asked for where it could be read on its way.
                if self.tls && !client.is_secure() && !client.socket_addr().ip().is_loopback() {
                    return Err(refused("28000", "connect with TLS (sslmode=require)"));
                }
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?;
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let password = message.into_password()?.password.clone();
                let user = LoginInfo::from_client_info(client).user().unwrap_or_default().to_string();
                let address = client.socket_addr().ip();
                if let Err(e) = self.door.admit(&user, &password, address).await {
                    tracing::info!(%address, code = e.code(), "sign-in over the PostgreSQL protocol was refused");
                    return Err(PgWireError::InvalidPassword(user));
                }
                let session = client.session_extensions().get_or_insert_with(Session::default);
                session.checked.store(now_us(), Ordering::Relaxed);
                let _once = session.known.set((user, password));
                let (pid, secret) = self.keys.generate(client);
                client.set_pid_and_secret_key(pid, secret);
                finish_authentication(client, &self.parameters).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn refused(code: &str, why: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new(if code.starts_with("28") { "FATAL" } else { "ERROR" }.into(), code.into(), why.into())))
}

/// Lets questions pass and nothing else.
struct Gate {
    door: Arc<dyn Doorkeeper>,
}

impl Gate {
    /// Whether whoever is connected may still ask.
    async fn still(&self, client: &(dyn HookClient + '_)) -> PgWireResult<()> {
        let session = client.session_extensions().get_or_insert_with(Session::default);
        if now_us() - session.checked.load(Ordering::Relaxed) < TRUST {
            return Ok(());
        }
        let gone = || refused("28000", "this token has ended");
        let (user, password) = session.known.get().ok_or_else(gone)?;
        self.door.admit(user, password, client.socket_addr().ip()).await.map_err(|_| gone())?;
        session.checked.store(now_us(), Ordering::Relaxed);
        Ok(())
    }

    async fn check(&self, statement: &Statement, context: &SessionContext) -> PgWireResult<()> {
        let question = match statement {
            Statement::Query(_) | Statement::Explain { .. } | Statement::ExplainTable { .. } => Some(statement.to_string()),
            Statement::Set(_) if statement.to_string().to_lowercase().contains("datafusion") => {
                return Err(refused("42501", "settings of the engine cannot be changed"));
            }
            Statement::Declare { stmts } => {
                let inner: Option<Vec<String>> = stmts.iter().map(|s| s.for_query.as_ref().map(ToString::to_string)).collect();
                match inner.as_deref() {
                    Some([one]) => Some(one.clone()),
                    _ => return Err(refused("25006", "only questions can be asked here")),
                }
            }
            Statement::Set(_)
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Fetch { .. }
            | Statement::Close { .. }
            | Statement::Deallocate { .. }
            | Statement::Discard { .. } => None,
            _ => return Err(refused("25006", "only questions can be asked here")),
        };
        let Some(sql) = question else { return Ok(()) };
        // A question can hide a change (`with … insert`): the plan tells.
        let plan = context.state().create_logical_plan(&sql).await.map_err(|e| PgWireError::ApiError(Box::new(e)))?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|_| refused("25006", "only questions can be asked here"))
    }
}

#[async_trait]
impl QueryHook for Gate {
    async fn handle_simple_query(&self, statement: &Statement, context: &SessionContext, client: &mut dyn HookClient) -> Option<PgWireResult<Response>> {
        if let Err(e) = self.still(client).await {
            return Some(Err(e));
        }
        self.check(statement, context).await.err().map(Err)
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        _: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        self.check(statement, context).await.err().map(Err)
    }

    async fn handle_extended_query(
        &self,
        _: &Statement,
        _: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        self.still(client).await.err().map(Err)
    }
}

/// Bounds every plan of these sessions.
#[derive(Debug)]
struct Bounds {
    limits: PgLimits,
    turns: Arc<Semaphore>,
}

impl PhysicalOptimizerRule for Bounds {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        let deadline = Instant::now() + Duration::from_secs(self.limits.seconds);
        let input = bound(plan, deadline)?;
        let turn = Turn { turns: self.turns.clone(), held: OnceCell::new(), rows: AtomicUsize::new(0), most: self.limits.rows, deadline };
        Ok(Arc::new(Around { input, with: Arc::new(turn) }))
    }

    fn name(&self) -> &str {
        "bounds"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The turn of one query; given back when its last stream is gone.
#[derive(Debug)]
struct Turn {
    turns: Arc<Semaphore>,
    held: OnceCell<OwnedSemaphorePermit>,
    rows: AtomicUsize,
    most: usize,
    deadline: Instant,
}

impl Turn {
    async fn take(&self) -> DfResult<()> {
        let wait = self.deadline.saturating_duration_since(Instant::now());
        let busy = || DataFusionError::ResourcesExhausted("too many queries at one time".into());
        let take = self.held.get_or_try_init(|| async { self.turns.clone().acquire_owned().await.map_err(|_| busy()) });
        tokio::time::timeout(wait, take).await.map_err(|_| busy())?.map(|_| ())
    }
}

/// The root of a bounded plan waits for its turn and counts the answer's rows.
impl Wrap for Arc<Turn> {
    const NAME: &'static str = "TurnExec";

    fn execute(&self, input: &Arc<dyn ExecutionPlan>, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let (input, turn) = (input.clone(), self.clone());
        let schema = input.schema();
        let rows = futures::stream::once(async move {
            turn.take().await?;
            let counted = input.execute(partition, context)?.map(move |batch: DfResult<RecordBatch>| -> DfResult<RecordBatch> {
                let batch = batch?;
                if turn.rows.fetch_add(batch.num_rows(), Ordering::Relaxed) + batch.num_rows() > turn.most {
                    return Err(DataFusionError::ResourcesExhausted(format!("the answer has more than {} rows: use limit", turn.most)));
                }
                Ok(batch)
            });
            Ok::<_, DataFusionError>(counted)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::TryStreamExt::try_flatten(rows))))
    }
}
