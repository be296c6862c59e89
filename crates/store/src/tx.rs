//! Transactions and the group commit.
//!
//! SQLite has one writer. Each [`Tx`] runs as a savepoint inside a shared outer transaction; the committer takes its
//! turn in the writer's fair queue after the first of them, so whoever queued before it shares one COMMIT and one
//! fsync. A [`Tx`] dropped without commit is rolled back alone. Savepoint and commit commands run in tasks of their
//! own, because a request's future may be dropped at any await.

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

    async fn savepoint(&mut self) -> Result<DatabaseTransaction> {
        let lost = |e| Error::internal("beginning a change", e);
        if self.outer.is_none() {
            self.outer = Some(self.connection.begin().await.map_err(lost)?);
        }
        match &self.outer {
            Some(outer) => outer.begin().await.map_err(lost),
            None => Err(Error::internal("beginning a change", "no outer transaction")),
        }
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

/// One change. Everything done through it becomes durable together in [`Tx::commit`], or not at all.
pub struct Tx {
    store: Store,
    caller: Caller,
    inner: Option<DatabaseTransaction>,
    guard: Option<OwnedMutexGuard<Writer>>,
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
        let begun = tokio::spawn(async move {
            let (inner, guard) = match &store.0.writer {
                Some(writer) => {
                    let mut guard = writer.clone().lock_owned().await;
                    (guard.savepoint().await?, Some(guard))
                }
                None => (store.0.pool.begin().await.map_err(|e| crate::unreachable_store("beginning a change", e))?, None),
            };
            Ok(Self { store, caller, inner: Some(inner), guard, pending: Vec::new(), events: Vec::new(), jobs: false })
        });
        begun.await.map_err(|e| Error::internal("beginning a change", e))?
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

    pub(crate) fn inner(&self) -> Result<&DatabaseTransaction> {
        self.inner.as_ref().ok_or_else(|| Error::internal("using a change", "already ended"))
    }

    /// Runs a write whose answer nobody needs together with the next statement, at the latest with the commit: on SQLite every
    /// way to the database wakes another thread. Its errors come from there; a broken unique constraint is 409 `store.exists`.
    pub async fn put(&mut self, sql: impl Into<String>, params: Vec<Param>) -> Result<()> {
        self.pending.push((sql.into(), params));
        if self.pending.len() < PENDING { Ok(()) } else { self.flush().await }
    }

    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (sql, params) = self.ahead("", Vec::new()).await?;
        if sql.is_empty() { Ok(()) } else { self.run(&sql, params).await.map(|_| ()) }
    }

    /// The pending writes and a statement as one text, which SQLite takes; PostgreSQL gets the writes first.
    async fn ahead(&mut self, sql: &str, params: Vec<Param>) -> Result<(String, Vec<Param>)> {
        let pending = std::mem::take(&mut self.pending);
        if self.store.0.engine == Engine::Postgres {
            for (write, values) in pending {
                self.run(&write, values).await?;
            }
            return Ok((sql.to_string(), params));
        }
        let (mut text, mut all) = (String::new(), Vec::new());
        for (write, values) in pending {
            text.push_str(&write);
            text.push_str(";\n");
            all.extend(values);
        }
        text.push_str(sql);
        all.extend(params);
        Ok((text, all))
    }

    async fn run(&mut self, sql: &str, params: Vec<Param>) -> Result<u64> {
        let statement = self.store.0.engine.statement(sql, params);
        Ok(self.inner()?.execute_raw(statement).await.map_err(|e| failed("writing", sql, e))?.rows_affected())
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
        let rows = self.inner()?.query_all_raw(statement).await.map_err(|e| failed("reading", &sql, e))?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row, if any.
    pub async fn row(&mut self, sql: &str, params: Vec<Param>) -> Result<Option<Row>> {
        let (sql, params) = self.ahead(sql, params).await?;
        let statement = self.store.0.engine.statement(&sql, params);
        let row = self.inner()?.query_one_raw(statement).await.map_err(|e| failed("reading", &sql, e))?;
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
        let fresh = self
            .exec("insert into idempotency (scope, key, result, at) values (?, ?, ?, ?) on conflict (scope, key) do nothing", params![scope, key, result, now])
            .await?;
        if fresh == 1 {
            return Ok(None);
        }
        let row = self.row("select result from idempotency where scope = ? and key = ?", params![scope, key]).await?;
        row.map(|r| r.text("result")).transpose()
    }

    /// Makes it all durable; the events are visible and jobs woken when this returns.
    pub async fn commit(mut self) -> Result<()> {
        let last = self.write_events().await?;
        let jobs = self.jobs;
        let store = self.store.clone();
        let (inner, guard) = (self.inner.take(), self.guard.take());
        let Some(inner) = inner else { return Err(Error::internal("committing", "already ended")) };
        let committed = tokio::spawn(async move {
            inner.commit().await.map_err(|e| Error::unavailable("store.commit", "The change could not be stored; please try again.").because(e))?;
            if let Some(mut writer) = guard {
                let (tell, told) = oneshot::channel();
                writer.waiting.push(tell);
                drop(writer);
                store.0.commit_due.notify_one();
                told.await.map_err(|e| Error::internal("waiting for the commit", e))??;
            }
            if let Some(seq) = last {
                store.0.last_event.send_if_modified(|seen| std::mem::replace(seen, seq.max(*seen)) < seq);
            }
            if jobs {
                store.0.job_due.notify_waiters();
            }
            Ok(())
        });
        committed.await.map_err(|e| Error::internal("committing", e))?
    }

    /// Gives it up. Dropping does the same.
    pub async fn rollback(mut self) -> Result<()> {
        match self.inner.take() {
            Some(inner) => inner.rollback().await.map_err(|e| Error::internal("rolling back", e)),
            None => Ok(()),
        }
    }

    async fn write_events(&mut self) -> Result<Option<i64>> {
        let events = std::mem::take(&mut self.events);
        if events.is_empty() {
            self.flush().await?;
            return Ok(None);
        }
        // The counter's row lock (PostgreSQL) makes positions appear in commit order.
        self.put("update counter set value = value + ? where name = 'event'", params![events.len()]).await?;
        let now = self.now();
        for (event, back) in events.iter().zip((0..events.len()).rev()) {
            let sql = "insert into event (seq, at, name, body) values ((select value from counter where name = 'event') - ?, ?, ?, ?)";
            self.put(sql, params![back, now, event.name(), Param::json(event)?]).await?;
        }
        let row = self.row("select value from counter where name = 'event'", Vec::new()).await?;
        row.ok_or_else(|| Error::internal("numbering events", "no counter"))?.int("value").map(Some)
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        // The savepoint must be rolled back before the writer goes to the next in line.
        drop(self.inner.take());
        if self.guard.is_some() {
            self.store.0.commit_due.notify_one();
        }
    }
}
