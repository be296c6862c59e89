//! Timers and jobs: a row says "look at this thing at that time". Handlers take no other input, look at the state,
//! and may run twice without harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Result, Timestamp};
use futures::future::BoxFuture;
use serde::Serialize;

use crate::{Param, Store, Tx, params};

/// A due piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which handler (`cases.clock`).
    pub kind: String,
    /// Which thing (its id).
    pub key: String,
    /// When it became due.
    pub run_at: Timestamp,
    version: i64,
}

/// State of the queue, for health pages and for tests that prove nothing is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JobHealth {
    /// Due now.
    pub due: i64,
    /// Waiting for a later time.
    pub waiting: i64,
    /// Given up after repeated failure.
    pub dead: i64,
}

const LOCK: i64 = 5 * 60 * 1_000_000;
const ATTEMPTS: i64 = 12;

impl Tx {
    /// Sets the timer of a thing; replaces an earlier one of the same kind and key.
    pub async fn schedule(&mut self, kind: &str, key: &str, at: Timestamp) -> Result<()> {
        self.put(
            "insert into job (kind, key, run_at, version) values (?, ?, ?, 1) on conflict (kind, key) do update set \
             run_at = excluded.run_at, version = job.version + 1, attempts = 0, dead = 0, locked_until = 0, last_error = null",
            params![kind, key, at],
        )
        .await?;
        // What is due later is found by the runner's own look.
        if at <= self.now() {
            self.note_job();
        }
        Ok(())
    }

    /// Sets the timer of the running job to its next time, unless somebody set it anew while the job ran: that one stands, as what it was
    /// set for may not be in what the job did. Says whether it was set.
    pub async fn again(&mut self, job: &Job, at: Timestamp) -> Result<bool> {
        let set = self
            .row(
                "update job set run_at = ?, version = version + 1, attempts = 0, locked_until = 0, last_error = null \
                 where kind = ? and key = ? and version = ? returning version",
                params![at, &job.kind, &job.key, job.version],
            )
            .await?;
        if set.is_some() && at <= self.now() {
            self.note_job();
        }
        Ok(set.is_some())
    }

    /// Removes a timer.
    pub async fn unschedule(&mut self, kind: &str, key: &str) -> Result<()> {
        self.put("delete from job where kind = ? and key = ?", params![kind, key]).await
    }
}

impl Store {
    /// Counts of the queue.
    pub async fn job_health(&self) -> Result<JobHealth> {
        let now = self.clock().now();
        let row = self
            .row(
                "select cast(coalesce(sum(case when dead = 0 and run_at <= ? then 1 else 0 end), 0) as bigint) as due, \
                 cast(coalesce(sum(case when dead = 0 and run_at > ? then 1 else 0 end), 0) as bigint) as waiting, \
                 cast(coalesce(sum(dead), 0) as bigint) as dead from job",
                params![now, now],
            )
            .await?
            .ok_or_else(|| Error::internal("counting jobs", "no row"))?;
        Ok(JobHealth { due: row.int("due")?, waiting: row.int("waiting")?, dead: row.int("dead")? })
    }
}

type Handler = Arc<dyn Fn(Job) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Runs due jobs one after another, those of heavy kinds beside the others.
pub struct JobRunner {
    store: Store,
    handlers: HashMap<String, Handler>,
    heavy: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lane {
    Light,
    Heavy,
}

impl JobRunner {
    /// A runner without handlers.
    pub fn new(store: Store) -> Self {
        Self { store, handlers: HashMap::new(), heavy: Vec::new() }
    }

    /// Registers what does jobs of a kind.
    pub fn on<F>(mut self, kind: &str, handler: impl Fn(Job) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.handlers.insert(kind.to_string(), Arc::new(move |job| Box::pin(handler(job))));
        self
    }

    /// Jobs of this kind take long and touch nothing that others change: they run beside the others, so that work on photos holds up
    /// no deadline.
    pub fn heavy(mut self, kind: &str) -> Self {
        self.heavy.push(kind.to_string());
        self
    }

    /// Runs until dropped: at once when woken by a commit, else looks every `pause`.
    pub async fn run(self, pause: Duration) {
        futures::future::join(self.watch(Lane::Light, pause), self.watch(Lane::Heavy, pause)).await;
    }

    async fn watch(&self, lane: Lane, pause: Duration) {
        if lane == Lane::Heavy && self.heavy.is_empty() {
            return;
        }
        loop {
            let woken = self.store.0.job_due.notified();
            match self.run_lane(lane, 100).await {
                Ok(0) => {
                    // A timeout is the ordinary way to look again.
                    let _ = tokio::time::timeout(pause, woken).await;
                }
                Ok(_) => {}
                Err(e) => {
                    tracing::error!(error = %e, "running jobs failed");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Runs what is due now, at most `limit` jobs of each lane; returns how many ran.
    pub async fn run_due(&self, limit: usize) -> Result<usize> {
        let light = self.run_lane(Lane::Light, limit).await?;
        if self.heavy.is_empty() { Ok(light) } else { Ok(light + self.run_lane(Lane::Heavy, limit).await?) }
    }

    async fn run_lane(&self, lane: Lane, limit: usize) -> Result<usize> {
        let now = self.store.clock().now();
        let mut sql = "select kind, key, run_at, version from job where dead = 0 and run_at <= ? and locked_until <= ?".to_string();
        let mut values = params![now, now];
        if !self.heavy.is_empty() {
            let not = if lane == Lane::Light { "not " } else { "" };
            sql.push_str(&format!(" and kind {not}in ({})", crate::marks(self.heavy.len())));
            values.extend(self.heavy.iter().map(Param::from));
        }
        sql.push_str(" order by run_at limit ?");
        values.extend(params![limit]);
        let rows = self.store.rows(&sql, values).await?;
        let mut ran = 0;
        for row in rows {
            let job = Job { kind: row.text("kind")?, key: row.text("key")?, run_at: row.time("run_at")?, version: row.int("version")? };
            let Some(handler) = self.handlers.get(&job.kind).cloned() else { continue };
            if !self.claim(&job).await? {
                continue;
            }
            let (task, version) = (handler(job.clone()), job.version);
            // A panic in one handler must not stop the others.
            let result = tokio::spawn(task).await.unwrap_or_else(|e| Err(Error::internal("running a job", e)));
            self.settle(&job, version, result).await?;
            ran += 1;
        }
        Ok(ran)
    }

    async fn claim(&self, job: &Job) -> Result<bool> {
        let system = Caller::system("jobs", self.store.clock().as_ref());
        let now = system.now.as_microsecond();
        let mut tx = self.store.begin(&system).await?;
        let claimed = tx
            .row(
                "update job set locked_until = ? where kind = ? and key = ? and version = ? and locked_until <= ? and dead = 0 returning version",
                params![now + LOCK, &job.kind, &job.key, job.version, now],
            )
            .await?;
        tx.commit().await?;
        Ok(claimed.is_some())
    }

    async fn settle(&self, job: &Job, version: i64, result: Result<()>) -> Result<()> {
        let system = Caller::system("jobs", self.store.clock().as_ref());
        let mut tx = self.store.begin(&system).await?;
        match result {
            // A timer that was set anew meanwhile has another version and stays.
            Ok(()) => tx.put("delete from job where kind = ? and key = ? and version = ?", params![&job.kind, &job.key, version]).await?,
            Err(e) => {
                tracing::warn!(kind = job.kind, key = job.key, error = %e, "job failed");
                let row = tx.row("select attempts from job where kind = ? and key = ? and version = ?", params![&job.kind, &job.key, version]).await?;
                let attempts = row.map_or(Ok(0), |r| r.int("attempts"))? + 1;
                let wait = (1i64 << attempts.min(12)) * 1_000_000;
                tx.put(
                    "update job set attempts = ?, last_error = ?, dead = ?, locked_until = 0, run_at = ? where kind = ? and key = ? and version = ?",
                    params![attempts, e.code(), attempts >= ATTEMPTS, system.now.as_microsecond() + wait, &job.kind, &job.key, version],
                )
                .await?
            }
        };
        tx.commit().await
    }
}
