//! Transactions and the group commit.
//!
//! SQLite has one writer. Each [`Tx`] runs as a savepoint inside a shared outer transaction; the committer takes its
//! turn in the writer's fair queue after the first of them, so whoever queued before it shares one COMMIT and one
//! fsync. A [`Tx`] dropped without commit is rolled back alone. Every way to SQLite wakes another thread, so the savepoint is
//! set with the first statement and released with the last. Beginning and committing run in tasks of their own, because a
//! request's future may be dropped at any await.

use std::sync::{Arc, Weak};

use dothi_kernel::{Caller, Error, Event, Result, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, oneshot};

use crate::dialect::Engine;
use crate::{Param, Row, Store, params};

type Waiter = oneshot::Sender<Result<()>>;

/// SQLite's only writing connection.
pub(crate) struct Writer {
    connection: DatabaseConnection,
    outer: Option<DatabaseTransaction>,
    waiting: Vec<Waiter>,
}

impl Writer {
    pub(crate) fn new(connection: DatabaseConnection) -> Self {
        Self { connection, outer: None, waiting: Vec::new() }
    }

    async fn open(&mut self) -> Result<()> {
        if self.outer.is_none() {
            self.outer = Some(self.connection.begin().await.map_err(|e| Error::internal("beginning a change", e))?);
        }
        Ok(())
    }

    /// Takes back what was done since the savepoint, if SQLite ever heard of it. When that fails nothing of the group may be kept.
    async fn undo(&mut self) {
        let Some(outer) = &self.outer else { return };
        match outer.execute_unprepared(UNDO).await {
            Ok(_) => {}
            Err(e) if e.to_string().contains("no such savepoint") => {}
            Err(e) => {
                tracing::error!(error = %e, "a change could not be taken back");
                self.give_up();
            }
        }
    }

    /// Nothing of the group is kept; whoever waits for it is told by the end of the wait.
    fn give_up(&mut self) {
        self.outer = None;
        self.waiting.clear();
    }

    pub(crate) async fn flush(&mut self) {
        let Some(outer) = self.outer.take() else { return };
        let result = outer.commit().await.map_err(|e| {
            tracing::error!(error = %e, waiting = self.waiting.len(), "group commit failed");
            Error::unavailable("store.commit", "The change could not be stored. Nothing of it was kept; please try again.").because(e)
        });
        for waiter in self.waiting.drain(..) {
            // A caller that went away does not need the answer.
            let _gone = waiter.send(result.clone());
        }
    }

    pub(crate) async fn close(&mut self) -> Result<()> {
        self.flush().await;
        self.connection.clone().close().await.map_err(|e| Error::internal("closing the writer", e))
    }
}

pub(crate) fn spawn_committer(writer: Weak<Mutex<Writer>>, due: Arc<Notify>) {
    tokio::spawn(async move {
        loop {
            due.notified().await;
            let Some(writer) = writer.upgrade() else { return };
            writer.lock().await.flush().await;
        }
    });
}

const SAVEPOINT: &str = "savepoint change";
const RELEASE: &str = "release change";
const UNDO: &str = "rollback to change; release change";

enum Inner {
    /// PostgreSQL: a transaction of its own.
    Own(DatabaseTransaction),
    /// SQLite: the writer, as long as it is this change's turn.
    Shared(OwnedMutexGuard<Writer>),
}

/// One change. Everything done through it becomes durable together in [`Tx::commit`], or not at all.
pub struct Tx {
    store: Store,
    caller: Caller,
    inner: Option<Inner>,
    /// Whether the savepoint was set, or will be with the next statement's text.
    begun: bool,
    /// Writes that go with the next statement.
    pending: Vec<(String, Vec<Param>)>,
    events: Vec<Event>,
    jobs: bool,
}

/// Writes that wait for the next statement at most.
const PENDING: usize = 32;

fn failed(what: &'static str, sql: &str, e: sea_orm::DbErr) -> Error {
    match e.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Error::conflict("store.exists", "This exists already.").because(e),
        _ => Error::internal(what, e).with("sql", sql),
    }
}

impl Tx {
    pub(crate) async fn begin(store: Store, caller: Caller) -> Result<Self> {
        let inner = match &store.0.writer {
            Some(writer) => {
                let mut guard = writer.clone().lock_owned().await;
                if guard.outer.is_none() {
                    guard = apart("beginning a change", async move { guard.open().await.map(|()| guard) }).await?;
                }
                Inner::Shared(guard)
            }
            None => {
                let store = store.clone();
                let begun = async move { store.0.pool.begin().await.map_err(|e| crate::unreachable_store("beginning a change", e)) };
                Inner::Own(apart("beginning a change", begun).await?)
            }
        };
        Ok(Self { store, caller, inner: Some(inner), begun: false, pending: Vec::new(), events: Vec::new(), jobs: false })
    }

    /// Who makes the change.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// When: the same instant for all of the change.
    pub fn now(&self) -> Timestamp {
        self.caller.now
    }

    /// The store's clock, for new ids.
    pub fn id(&self) -> uuid::Uuid {
        self.store.0.clock.id()
    }

    pub(crate) fn connection(&self) -> Result<&DatabaseTransaction> {
        let connection = match &self.inner {
            Some(Inner::Own(transaction)) => Some(transaction),
            Some(Inner::Shared(writer)) => writer.outer.as_ref(),
            None => None,
        };
        connection.ok_or_else(|| Error::internal("using a change", "already ended"))
    }

    /// Runs a write whose answer nobody needs together with the next statement, at the latest with the commit: on SQLite every
    /// way to the database wakes another thread. Its errors come from there; a broken unique constraint is 409 `store.exists`.
    pub async fn put(&mut self, sql: impl Into<String>, params: Vec<Param>) -> Result<()> {
        self.pending.push((sql.into(), params));
        if self.pending.len() < PENDING { Ok(()) } else { self.flush().await }
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        let (sql, params) = self.ahead("", Vec::new()).await?;
        if sql.is_empty() { Ok(()) } else { self.run(&sql, params).await.map(|_| ()) }
    }

    /// What waits and a statement as one text, which SQLite takes; PostgreSQL gets the writes first.
    async fn ahead(&mut self, sql: &str, params: Vec<Param>) -> Result<(String, Vec<Param>)> {
        let pending = std::mem::take(&mut self.pending);
        if self.store.0.engine == Engine::Postgres {
            for (write, values) in pending {
                self.run(&write, values).await?;
            }
            return Ok((sql.to_string(), params));
        }
        let savepoint = if std::mem::replace(&mut self.begun, true) { None } else { Some((SAVEPOINT.to_string(), Vec::new())) };
        let (mut texts, mut all) = (Vec::with_capacity(pending.len() + 2), Vec::new());
        for (text, values) in savepoint.into_iter().chain(pending).chain((!sql.is_empty()).then(|| (sql.to_string(), params))) {
            texts.push(text);
            all.extend(values);
        }
        Ok((texts.join(";\n"), all))
    }

    async fn run(&mut self, sql: &str, params: Vec<Param>) -> Result<u64> {
        let statement = self.store.0.engine.statement(sql, params);
        Ok(self.connection()?.execute_raw(statement).await.map_err(|e| failed("writing", sql, e))?.rows_affected())
    }

    /// Runs a statement; returns the rows it touched. A broken unique constraint is 409 `store.exists`.
    pub async fn exec(&mut self, sql: &str, params: Vec<Param>) -> Result<u64> {
        self.flush().await?;
        self.run(sql, params).await
    }

    /// Rows, seeing this change's own writes.
    pub async fn rows(&mut self, sql: &str, params: Vec<Param>) -> Result<Vec<Row>> {
        let (sql, params) = self.ahead(sql, params).await?;
        let statement = self.store.0.engine.statement(&sql, params);
        let rows = self.connection()?.query_all_raw(statement).await.map_err(|e| failed("reading", &sql, e))?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row, if any.
    pub async fn row(&mut self, sql: &str, params: Vec<Param>) -> Result<Option<Row>> {
        let (sql, params) = self.ahead(sql, params).await?;
        let statement = self.store.0.engine.statement(&sql, params);
        let row = self.connection()?.query_one_raw(statement).await.map_err(|e| failed("reading", &sql, e))?;
        Ok(row.map(Row))
    }

    /// Puts an event into the outbox. A branch has none.
    pub fn emit(&mut self, event: Event) {
        if !self.store.0.branch {
            self.events.push(event);
        }
    }

    pub(crate) fn is_branch(&self) -> bool {
        self.store.0.branch
    }

    pub(crate) fn note_job(&mut self) {
        self.jobs = true;
    }

    /// Takes a name for ever: the remembered result when the key was used before, else remembers `result`.
    /// For `Idempotency-Key` and for message ids.
    pub async fn once(&mut self, scope: &str, key: &str, result: &str) -> Result<Option<String>> {
        let now = self.now();
        let sql = "insert into idempotency (scope, key, result, at) values (?, ?, ?, ?) on conflict (scope, key) do nothing returning key";
        if self.row(sql, params![scope, key, result, now]).await?.is_some() {
            return Ok(None);
        }
        let row = self.row("select result from idempotency where scope = ? and key = ?", params![scope, key]).await?;
        row.map(|r| r.text("result")).transpose()
    }

    /// Makes it all durable; the events are visible and jobs woken when this returns.
    pub async fn commit(self) -> Result<()> {
        apart("committing", self.finish()).await
    }

    async fn finish(mut self) -> Result<()> {
        let last = self.write_events().await?;
        let unstored = |e| Error::unavailable("store.commit", "The change could not be stored; please try again.").because(e);
        match self.inner.take() {
            Some(Inner::Own(transaction)) => transaction.commit().await.map_err(unstored)?,
            Some(Inner::Shared(mut writer)) => {
                let (tell, told) = oneshot::channel();
                writer.waiting.push(tell);
                drop(writer);
                self.store.0.commit_due.notify_one();
                told.await.map_err(|e| Error::internal("waiting for the commit", e))??;
            }
            None => return Err(Error::internal("committing", "already ended")),
        }
        if let Some(seq) = last {
            self.store.0.last_event.send_if_modified(|seen| std::mem::replace(seen, seq.max(*seen)) < seq);
        }
        if self.jobs {
            self.store.0.job_due.notify_waiters();
        }
        Ok(())
    }

    /// Gives it up. Dropping does the same, but nobody learns when.
    pub async fn rollback(mut self) -> Result<()> {
        match self.inner.take() {
            Some(Inner::Own(transaction)) => transaction.rollback().await.map_err(|e| Error::internal("rolling back", e)),
            Some(Inner::Shared(writer)) => {
                let (store, begun) = (self.store.clone(), self.begun);
                let taken_back = async move {
                    take_back(store, writer, begun).await;
                    Ok(())
                };
                apart("rolling back", taken_back).await
            }
            None => Ok(()),
        }
    }

    /// Writes what waits, the events and, on SQLite, the end of the savepoint: in one go. The last event's number.
    async fn write_events(&mut self) -> Result<Option<i64>> {
        const LAST: &str = "select value from counter where name = 'event'";
        let events = std::mem::take(&mut self.events);
        if !events.is_empty() {
            // The counter's row lock (PostgreSQL) makes positions appear in commit order.
            self.put("update counter set value = value + ? where name = 'event'", params![events.len()]).await?;
        }
        let now = self.now();
        for (event, back) in events.iter().zip((0..events.len()).rev()) {
            let sql = "insert into event (seq, at, name, body) values ((select value from counter where name = 'event') - ?, ?, ?, ?)";
            self.put(sql, params![back, now, event.name(), Param::json(event)?]).await?;
        }
        let shared = matches!(self.inner, Some(Inner::Shared(_)));
        if shared && !self.begun && self.pending.is_empty() {
            return Ok(None);
        }
        let end = [(!events.is_empty()).then_some(LAST), shared.then_some(RELEASE)].into_iter().flatten().collect::<Vec<_>>().join(";\n");
        if events.is_empty() {
            let (sql, params) = self.ahead(&end, Vec::new()).await?;
            return if sql.is_empty() { Ok(None) } else { self.run(&sql, params).await.map(|_| None) };
        }
        // All rows are asked for, because SQLite stops where nobody asks any more.
        let rows = self.rows(&end, Vec::new()).await?;
        rows.first().ok_or_else(|| Error::internal("numbering events", "no counter"))?.int("value").map(Some)
    }
}

/// Runs in a task of its own: a future that is dropped would leave it half done.
async fn apart<T: Send + 'static>(what: &'static str, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|e| Error::internal(what, e))?
}

/// The savepoint must be taken back before the writer goes to the next in line.
async fn take_back(store: Store, mut writer: OwnedMutexGuard<Writer>, begun: bool) {
    if begun {
        writer.undo().await;
    }
    drop(writer);
    store.0.commit_due.notify_one();
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(Inner::Shared(mut writer)) = self.inner.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(take_back(self.store.clone(), writer, self.begun))),
            // The program ends: nothing that was not acknowledged is kept.
            Err(_) => writer.give_up(),
        }
    }
}
