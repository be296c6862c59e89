//! Batches on their way to the disk. While one commits, the next are staged on top of it and packed; they commit in
//! order, and readers see each when it is durable. When one fails, those on top of it are staged anew.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use dothi_kernel::{Error, Event, History, Kind, Observation, Result, time};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AHEAD, BATCH_CHANGES, BATCH_OBSERVATIONS, Desk, ENOUGH, Ingested, Job, LINGER, REMEMBER_US, Reply, Stage, Work};
use crate::jobs::EXPIRE;
use crate::journal::{self, Measured};
use crate::live::Staged;
use crate::model::Iri;
use crate::subs::Notice;
use crate::temporal::{Row, Write, recent};
use crate::{tables, tables_journal, tables_subs, tables_temporal};

/// Entities and observations of a batch that is packed without a thread of its own.
const SMALL: usize = 256;
/// Instances that one step of forgetting takes.
const EXPIRE_ROWS: usize = 1_000;
const DAY_US: i64 = 86_400_000_000;

/// Jobs that have queued and are not staged yet.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    changes: usize,
    observations: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Batch {
    fn push(&mut self, job: Job) {
        match &job.work {
            Work::Orders(orders) => self.changes += orders.len(),
            Work::Readings { readings, .. } => self.observations += readings.len(),
        }
        self.since.get_or_insert_with(Instant::now);
        self.jobs.push(job);
    }

    fn full(&self) -> bool {
        self.changes >= BATCH_CHANGES || self.observations >= BATCH_OBSERVATIONS
    }

    /// Whether it should go while so many others are on their way. Changes wait for nobody, but while one batch commits
    /// the next collects, so that many share one commit. A few observations wait a little, because each batch becomes a row
    /// of its own. Full batches are staged and packed while others commit.
    fn ready(&self, others: usize) -> bool {
        let waited = || self.since.is_some_and(|t| t.elapsed() >= LINGER);
        self.full() && others < AHEAD || others == 0 && (self.changes > 0 || self.observations >= ENOUGH || waited())
    }
}

/// A batch on its way to the disk. The next ones are staged on top of it before it is there.
struct Flight {
    jobs: Vec<Job>,
    replies: Vec<Reply>,
    messages: HashSet<String>,
    staged: Arc<Staged>,
    landing: JoinHandle<Result<Landed>>,
    /// Tells the next one that this one is durable.
    ahead: Option<oneshot::Receiver<()>>,
}

/// A batch that is durable.
struct Landed {
    /// Its row in the journal and how long that is.
    row: Option<(i64, usize)>,
    notices: Vec<Notice>,
    observations: Vec<Observation>,
}

/// All that one batch stores.
struct Cargo {
    staged: Arc<Staged>,
    measured: Measured,
    ordered: HashSet<Iri>,
    observations: Vec<Observation>,
    notices: Vec<Notice>,
    messages: Vec<String>,
    /// Changes of the stored part of history.
    history: Vec<Write>,
}

/// The same, as it goes into the tables.
struct Packed {
    row: Option<Vec<u8>>,
    /// Superseded states, when no instance is set or forgotten beside them; never without a row.
    recent: Option<Vec<u8>>,
    /// All other changes of history.
    history: Vec<Write>,
    batches: Vec<(u32, i64, i64, Vec<u8>)>,
    timers: Vec<(Iri, i64)>,
    changed: Vec<Iri>,
    deleted: Vec<Iri>,
}

/// Works until nobody can queue any more, or until it is told to end; what has queued by then is done.
pub(super) async fn run(desk: Desk, mut queue: mpsc::UnboundedReceiver<Job>, end: CancellationToken) {
    let desk = Arc::new(desk);
    let (mut batch, mut air, mut open, mut forget_at) = (Batch::default(), VecDeque::new(), true, 0);
    let mut forgetting: Option<JoinHandle<()>> = None;
    while open || !batch.jobs.is_empty() || !air.is_empty() {
        if batch.ready(air.len()) {
            let jobs = std::mem::take(&mut batch).jobs;
            launch(&desk, jobs, &mut air).await;
        }
        let waiting = !batch.jobs.is_empty() && air.is_empty();
        let due = batch.since.unwrap_or_else(Instant::now) + LINGER;
        tokio::select! {
            biased;
            landed = first(&mut air), if !air.is_empty() => settle(&desk, landed, &mut air).await,
            job = queue.recv(), if open && !batch.full() => match job {
                Some(job) => {
                    batch.push(job);
                    while !batch.full() && let Ok(job) = queue.try_recv() {
                        batch.push(job);
                    }
                }
                None => open = false,
            },
            () = tokio::time::sleep_until(due.into()), if waiting => {}
            () = end.cancelled(), if !queue.is_closed() => queue.close(),
        }
        let now = desk.store.clock().now().as_microsecond();
        if open && now > forget_at && forgetting.as_ref().is_none_or(JoinHandle::is_finished) {
            forget_at = now + 600_000_000;
            let desk = desk.clone();
            forgetting = Some(tokio::spawn(async move {
                if let Err(e) = desk.forget(now - REMEMBER_US).await {
                    tracing::warn!(error = %e, "forgetting old message ids failed");
                }
            }));
        }
    }
    // The store is closed after this; what was begun must not find it so.
    if let Some(Err(e)) = futures::future::OptionFuture::from(forgetting).await {
        tracing::warn!(error = %e, "forgetting old message ids failed");
    }
}

async fn first(air: &mut VecDeque<Flight>) -> Result<Landed> {
    match air.front_mut() {
        Some(flight) => (&mut flight.landing).await.unwrap_or_else(|e| Err(Error::internal("storing a batch", e))),
        None => std::future::pending().await,
    }
}

/// Stages a batch on top of those that are on their way and sends it after them.
async fn launch(desk: &Arc<Desk>, jobs: Vec<Job>, air: &mut VecDeque<Flight>) {
    match desk.staged(&jobs, air).await {
        Ok((replies, cargo)) => {
            let before = air.back_mut().map(|f| f.ahead.take());
            let (tell, ahead) = oneshot::channel();
            let (messages, staged) = (cargo.messages.iter().cloned().collect(), cargo.staged.clone());
            let landing = tokio::spawn(desk.clone().fly(cargo, before, tell));
            air.push_back(Flight { jobs, replies, messages, staged, landing, ahead: Some(ahead) });
        }
        Err(e) => {
            while !air.is_empty() {
                let landed = first(air).await;
                settle(desk, landed, air).await;
            }
            again(desk, jobs, e).await;
        }
    }
}

/// The oldest batch has landed, or not: then those that were staged on top of it did not either and are staged anew.
async fn settle(desk: &Arc<Desk>, landed: Result<Landed>, air: &mut VecDeque<Flight>) {
    let Some(flight) = air.pop_front() else { return };
    match landed {
        Ok(landed) => {
            desk.show(landed, &flight.staged);
            answer(flight.jobs, flight.replies.into_iter().map(Ok));
        }
        Err(e) => {
            let mut later = Vec::new();
            while !air.is_empty() {
                let _aborted = first(air).await;
                later.extend(air.pop_front().map(|f| f.jobs));
            }
            again(desk, flight.jobs, e).await;
            for jobs in later {
                match desk.alone(&jobs).await {
                    Ok(replies) => answer(jobs, replies.into_iter().map(Ok)),
                    Err(e) => again(desk, jobs, e).await,
                }
            }
        }
    }
}

/// A batch failed. One faulty change must not take the others along.
async fn again(desk: &Arc<Desk>, jobs: Vec<Job>, error: Error) {
    if jobs.len() == 1 || error.kind() != Kind::Internal {
        let replies: Vec<_> = jobs.iter().map(|_| Err(error.clone())).collect();
        return answer(jobs, replies.into_iter());
    }
    tracing::warn!(%error, jobs = jobs.len(), "a batch failed; trying its parts");
    for job in jobs {
        let done = desk.alone(std::slice::from_ref(&job)).await;
        let reply = done.and_then(|mut r| r.pop().ok_or_else(|| Error::internal("changing entities", "no answer")));
        answer(vec![job], std::iter::once(reply));
    }
}

fn answer(jobs: Vec<Job>, replies: impl Iterator<Item = Result<Reply>>) {
    for (job, reply) in jobs.into_iter().zip(replies) {
        // A caller that went away does not need the answer.
        let _gone = job.reply.send(reply);
    }
}

impl Cargo {
    /// Whether packing it is over sooner than another thread would have begun.
    fn is_small(&self) -> bool {
        self.staged.len() + self.observations.len() < SMALL
    }

    fn superseded(&self) -> impl Iterator<Item = &Row> {
        self.history.iter().filter_map(|w| if let Write::Past(row) = w { Some(row) } else { None })
    }

    /// All that costs time happens before the transaction begins.
    fn pack(&self, history: &dyn History) -> Result<Packed> {
        let mut packed =
            Packed { row: None, recent: None, history: Vec::new(), batches: Vec::new(), timers: Vec::new(), changed: Vec::new(), deleted: Vec::new() };
        for (id, next) in &*self.staged {
            match next {
                Some(entity) => {
                    packed.timers.extend(entity.expires.map(|x| (id.clone(), x)));
                    // What readings set is told by the event of their batch.
                    if !self.measured.contains_key(id) || self.ordered.contains(id) {
                        packed.changed.push(id.clone());
                    }
                }
                None => packed.deleted.push(id.clone()),
            }
        }
        packed.changed.sort_unstable();
        packed.deleted.sort_unstable();
        if !self.staged.is_empty() {
            packed.row = Some(journal::encode(&self.staged, &self.measured)?);
            if self.history.iter().all(|w| matches!(w, Write::Past(_)) || !w.is_of_instances()) {
                let superseded: Vec<_> = self.superseded().collect();
                packed.recent = (!superseded.is_empty()).then(|| recent::pack(superseded.into_iter())).transpose()?;
            }
        }
        packed.history = self.history.iter().filter(|w| packed.recent.is_none() || !matches!(w, Write::Past(_))).cloned().collect();
        for chunk in self.observations.chunks(BATCH_OBSERVATIONS) {
            let (low, high) = chunk.iter().fold((i64::MAX, i64::MIN), |(l, h), o| (l.min(o.t), h.max(o.t)));
            packed.batches.push((u32::try_from(chunk.len()).unwrap_or(u32::MAX), low, high, history.encode(chunk)?));
        }
        Ok(packed)
    }
}

impl Desk {
    async fn forget(&self, before: i64) -> Result<()> {
        let mut tx = self.store.begin_as("context").await?;
        tables::forget_messages(&mut tx, before).await?;
        tx.commit().await?;
        self.expire_history(before + REMEMBER_US).await
    }

    /// Forgets superseded states that are older than their type keeps them.
    async fn expire_history(&self, now: i64) -> Result<()> {
        let types = self.registry.types();
        let own: Vec<(&str, u32)> = types.iter().filter_map(|t| Some((t.kind.as_str(), t.history_days?))).collect();
        let but: Vec<&str> = own.iter().map(|(kind, _)| *kind).collect();
        for (kind, days) in own.iter().map(|(kind, days)| (Some(*kind), *days)).chain([(None, self.keep_days)]) {
            loop {
                let mut tx = self.store.begin_as("context").await?;
                let gone = tables_temporal::expire(&mut tx, kind, &but, now.saturating_sub(i64::from(days) * DAY_US), EXPIRE_ROWS).await?;
                tx.commit().await?;
                if gone < EXPIRE_ROWS as u64 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes readers see what is durable.
    fn show(&self, landed: Landed, staged: &Staged) {
        self.live.apply(staged);
        if let Some((seq, bytes)) = landed.row {
            self.journal.note(seq, bytes, staged.keys());
        }
        self.subscriptions.queued(landed.notices);
        self.feed.tell(landed.observations);
    }

    /// Stores a batch while no other is on its way.
    async fn alone(self: &Arc<Self>, jobs: &[Job]) -> Result<Vec<Reply>> {
        let (replies, cargo) = self.staged(jobs, &VecDeque::new()).await?;
        let staged = cargo.staged.clone();
        let (tell, _nobody) = oneshot::channel();
        let landed = tokio::spawn(self.clone().fly(cargo, None, tell)).await.map_err(|e| Error::internal("storing a batch", e))??;
        self.show(landed, &staged);
        Ok(replies)
    }

    /// Applies a batch on top of those on their way. A panic (in a geometry) is an error of this batch and does not end
    /// the task.
    async fn staged(&self, jobs: &[Job], air: &VecDeque<Flight>) -> Result<(Vec<Reply>, Cargo)> {
        let done = std::panic::AssertUnwindSafe(self.stage(jobs, air)).catch_unwind().await;
        done.unwrap_or_else(|_| Err(Error::internal("changing entities", "a panic while a batch was staged")))
    }

    async fn stage(&self, jobs: &[Job], air: &VecDeque<Flight>) -> Result<(Vec<Reply>, Cargo)> {
        let messages: Vec<&str> = jobs.iter().filter_map(|j| if let Work::Readings { message, .. } = &j.work { message.as_deref() } else { None }).collect();
        let mut seen: HashSet<String> = HashSet::new();
        if !messages.is_empty() {
            seen.extend(tables::seen_messages(&self.store, &messages).await?);
            seen.extend(messages.iter().filter(|m| air.iter().any(|f| f.messages.contains(**m))).map(|m| m.to_string()));
        }
        let mut stage = Stage::new(self, air.iter().rev().map(|f| &*f.staged).collect());
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs {
            let now = job.caller.now.as_microsecond();
            replies.push(match &job.work {
                Work::Orders(orders) => Reply::Orders(orders.iter().map(|o| stage.order(o, now)).collect()),
                Work::Readings { message: Some(id), .. } if !seen.insert(id.clone()) => Reply::Readings(Ingested { duplicate: true, ..Ingested::default() }),
                Work::Readings { readings, .. } => Reply::Readings(stage.readings(readings, now)),
            });
            stage.end_of_job(now);
        }
        let messages = messages.into_iter().map(str::to_string).collect();
        let Stage { staged, measured, ordered, observations, notices, history, .. } = stage;
        Ok((replies, Cargo { staged: Arc::new(staged), measured, ordered, observations, notices, messages, history }))
    }

    /// Packs a batch and commits it after the one before.
    async fn fly(self: Arc<Self>, cargo: Cargo, before: Option<Option<oneshot::Receiver<()>>>, tell: oneshot::Sender<()>) -> Result<Landed> {
        if cargo.staged.is_empty() && cargo.observations.is_empty() && cargo.messages.is_empty() && cargo.history.is_empty() && before.is_none() {
            let _next = tell.send(());
            return Ok(Landed { row: None, notices: cargo.notices, observations: Vec::new() });
        }
        let (history, small) = (self.history.clone(), cargo.is_small());
        let pack = move || cargo.pack(&*history).map(|packed| (packed, cargo));
        let (packed, cargo) = if small { pack()? } else { tokio::task::spawn_blocking(pack).await.map_err(|e| Error::internal("packing a batch", e))?? };
        if let Some(before) = before {
            let aborted = |e| Error::internal("storing a batch", e);
            before.ok_or_else(|| aborted("the order was lost".to_string()))?.await.map_err(|_| aborted("the one before failed".to_string()))?;
        }
        let row = self.store(packed, &cargo).await?;
        // Nobody may be waiting.
        let _last = tell.send(());
        Ok(Landed { row, notices: cargo.notices, observations: cargo.observations })
    }

    async fn store(&self, packed: Packed, cargo: &Cargo) -> Result<Option<(i64, usize)>> {
        let mut tx = self.store.begin_as("context").await?;
        let (mut place, recent) = (None, packed.recent.is_some());
        if let Some(row) = packed.row {
            let seq = self.journal.next();
            place = Some((seq, row.len()));
            tables_journal::append(&mut tx, seq, row).await?;
        }
        tables::remember_messages(&mut tx, &cargo.messages).await?;
        if let Some((recent, (seq, _))) = packed.recent.zip(place) {
            tables_temporal::put_recent(&mut tx, seq, recent).await?;
        }
        tables_temporal::apply(&mut tx, packed.history).await?;
        tables_subs::put_notices(&mut tx, &cargo.notices).await?;
        for (id, at) in packed.timers {
            tx.schedule(EXPIRE, &id, time::micros(at)).await?;
        }
        for (count, low, high, bytes) in packed.batches {
            tx.put_pending(count, low, high, bytes).await?;
        }
        for entities in packed.changed.chunks(1_000) {
            tx.emit(Event::EntityChanged { entities: entities.iter().map(|id| id.to_string()).collect() });
        }
        for entity in packed.deleted {
            tx.emit(Event::EntityDeleted { entity: entity.to_string() });
        }
        tx.commit().await?;
        if recent {
            self.journal.superseded(cargo.superseded().map(|row| row.entity.clone()));
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_worth_a_row_waits_for_nobody() {
        // It came just now, however slow this test is.
        let since = Some(Instant::now() + LINGER * 1_000);
        let batch = |changes, observations| Batch { jobs: Vec::new(), changes, observations, since };
        assert!(!batch(0, ENOUGH - 1).ready(0), "a few wait for more");
        assert!(Batch { since: Instant::now().checked_sub(LINGER), ..batch(0, 1) }.ready(0), "but not for long");
        assert!(batch(0, ENOUGH).ready(0) && batch(1, 0).ready(0));
        assert!(!batch(BATCH_CHANGES - 1, ENOUGH).ready(1), "while another commits, they collect");
        assert!(batch(0, BATCH_OBSERVATIONS).ready(AHEAD - 1) && !batch(0, BATCH_OBSERVATIONS).ready(AHEAD));
    }
}
