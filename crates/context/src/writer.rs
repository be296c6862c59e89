//! The one task that changes entities. It takes what has queued, applies it in order on an overlay, journals the
//! result in one transaction and only then shows it to readers and answers the callers. So readers never see what is
//! not durable, changes of one entity inside a batch see each other, and a thousand writers share one fsync.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Directory, Error, Event, History, Kind, Observation, Result, Value, time};
use dothi_store::Store;
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::change::{self, Updated, Which};
use crate::fault::{exists, missing};
use crate::jobs::EXPIRE;
use crate::live::{Live, Staged};
use crate::model::{Attr, AttrKind, Entity, Iri, LOCATION, Names, Reading, find, find_mut};
use crate::parse::{Draft, Input};
use crate::registry::{Registry, short};
use crate::select::TypeSelector;
use crate::subs::{Notice, Pair, Subscriptions};
use crate::tables::{self, EntityRow};
use crate::tables_subs;
use crate::val::{Look, Val};

/// Changes of entities that one batch takes.
const BATCH_CHANGES: usize = 1_000;
/// Observations of one pending batch.
pub const BATCH_OBSERVATIONS: usize = 10_000;
/// How long a batch of observations waits for more.
const LINGER: Duration = Duration::from_millis(10);
/// Changes and observations that may wait in all.
const QUEUE_WEIGHT: usize = 200_000;
/// How long a caller waits for room in the queue before it is told to come back.
const QUEUE_WAIT: Duration = Duration::from_secs(2);
/// How long message ids are remembered.
const REMEMBER_US: i64 = 48 * 3_600 * 1_000_000;

/// One change of one entity.
#[derive(Debug, Clone)]
pub struct Order {
    /// Entity.
    pub id: Iri,
    /// Only when it is of this type.
    pub only: Option<TypeSelector>,
    /// What to do.
    pub change: Change,
}

/// What to do with an entity.
#[derive(Debug, Clone)]
pub enum Change {
    /// Create; 409 when it exists.
    Create(Draft),
    /// Create, or replace when it exists.
    UpsertReplace(Draft),
    /// Create, or append when it exists.
    UpsertUpdate(Draft),
    /// Replace all but id and creation.
    Replace(Draft),
    /// Add attributes; `keep` does not overwrite.
    Append {
        /// Attributes.
        draft: Draft,
        /// Keep existing ones.
        keep: bool,
    },
    /// Replace existing attributes.
    Update(Draft),
    /// Merge patch.
    Merge {
        /// Fragment.
        draft: Draft,
        /// Time for changed attributes that state none.
        observed: Option<i64>,
    },
    /// Partial update of one attribute.
    Partial(Iri, Vec<Input>),
    /// Replace one attribute.
    ReplaceAttr(Iri, Vec<Input>),
    /// Delete one attribute.
    DeleteAttr(Iri, Which),
    /// Delete attributes: these (`true`) or all others (`false`).
    Purge(Vec<Iri>, bool),
    /// Delete the entity.
    Delete,
    /// Delete the entity if it has expired.
    Expire,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The entity is new.
    Created,
    /// Attributes were set, or not.
    Updated(Updated),
    /// Done.
    Done,
}

/// What came of readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Ingested {
    /// Readings stored.
    pub accepted: u32,
    /// Of these, older than the latest value, which they did not change.
    pub late: u32,
    /// True when the message had been stored before; nothing was done.
    pub duplicate: bool,
}

enum Work {
    Orders(Vec<Order>),
    Readings { message: Option<String>, readings: Vec<Reading> },
}

enum Reply {
    Orders(Vec<Result<Outcome>>),
    Readings(Ingested),
}

struct Job {
    caller: Caller,
    work: Work,
    reply: oneshot::Sender<Result<Reply>>,
    _room: OwnedSemaphorePermit,
}

/// The way to the writing task.
pub struct Writer {
    queue: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
}

/// What the writing task works with.
pub struct Desk {
    /// Store.
    pub store: Store,
    /// Live state.
    pub live: Arc<Live>,
    /// Shared names.
    pub names: Arc<Names>,
    /// Types of packs.
    pub registry: Arc<Registry>,
    /// Encoder of batches.
    pub history: Arc<dyn History>,
    /// Areas.
    pub directory: Arc<dyn Directory>,
    /// Who wants to hear of changes.
    pub subscriptions: Arc<Subscriptions>,
}

impl Writer {
    /// Starts the task; it ends when the writer is dropped.
    pub fn start(desk: Desk) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        tokio::spawn(run(desk, jobs));
        Self { queue, room: Arc::new(Semaphore::new(QUEUE_WEIGHT)) }
    }

    async fn send(&self, caller: &Caller, work: Work, weight: usize) -> Result<Reply> {
        let busy = || Error::unavailable("context.busy", "Too much is waiting to be stored; please try again.").retry_after(Duration::from_secs(1));
        let weight = u32::try_from(weight.clamp(1, QUEUE_WEIGHT)).unwrap_or(1);
        let room = tokio::time::timeout(QUEUE_WAIT, self.room.clone().acquire_many_owned(weight)).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let (reply, answer) = oneshot::channel();
        self.queue.send(Job { caller: caller.clone(), work, reply, _room: room }).map_err(|_| busy())?;
        answer.await.map_err(|e| Error::internal("waiting for the journal", e))?
    }

    /// Makes changes; each has its own result. The outer error means that nothing was stored.
    pub async fn orders(&self, caller: &Caller, orders: Vec<Order>) -> Result<Vec<Result<Outcome>>> {
        let weight = orders.len();
        match self.send(caller, Work::Orders(orders), weight).await? {
            Reply::Orders(results) => Ok(results),
            Reply::Readings(_) => Err(Error::internal("changing entities", "an answer of the wrong kind")),
        }
    }

    /// Stores readings.
    pub async fn readings(&self, caller: &Caller, message: Option<String>, readings: Vec<Reading>) -> Result<Ingested> {
        let weight = readings.len();
        match self.send(caller, Work::Readings { message, readings }, weight).await? {
            Reply::Readings(done) => Ok(done),
            Reply::Orders(_) => Err(Error::internal("storing readings", "an answer of the wrong kind")),
        }
    }
}

async fn run(desk: Desk, mut queue: mpsc::UnboundedReceiver<Job>) {
    let mut forget_at = 0;
    while let Some(first) = queue.recv().await {
        let jobs = collect(first, &mut queue).await;
        match desk.safely(&jobs).await {
            Ok(replies) => answer(jobs, replies.into_iter().map(Ok)),
            // One faulty change must not take the others of its batch along.
            Err(e) if jobs.len() > 1 && e.kind() == Kind::Internal => {
                tracing::warn!(error = %e, jobs = jobs.len(), "a batch failed; trying its parts");
                for job in jobs {
                    let reply = desk
                        .safely(std::slice::from_ref(&job))
                        .await
                        .and_then(|mut r| r.pop().ok_or_else(|| Error::internal("changing entities", "no answer")));
                    answer(vec![job], std::iter::once(reply));
                }
            }
            Err(e) => {
                let replies: Vec<_> = jobs.iter().map(|_| Err(e.clone())).collect();
                answer(jobs, replies.into_iter());
            }
        }
        let now = desk.store.clock().now().as_microsecond();
        if now > forget_at {
            forget_at = now + 600_000_000;
            if let Err(e) = desk.forget(now - REMEMBER_US).await {
                tracing::warn!(error = %e, "forgetting old message ids failed");
            }
        }
    }
}

fn answer(jobs: Vec<Job>, replies: impl Iterator<Item = Result<Reply>>) {
    for (job, reply) in jobs.into_iter().zip(replies) {
        // A caller that went away does not need the answer.
        let _gone = job.reply.send(reply);
    }
}

async fn collect(first: Job, queue: &mut mpsc::UnboundedReceiver<Job>) -> Vec<Job> {
    let (mut changes, mut observations) = (0, 0);
    let mut count = |job: &Job| {
        match &job.work {
            Work::Orders(orders) => changes += orders.len(),
            Work::Readings { readings, .. } => observations += readings.len(),
        }
        (changes, observations)
    };
    let mut sum = count(&first);
    let mut jobs = vec![first];
    let deadline = tokio::time::Instant::now() + LINGER;
    while sum.0 < BATCH_CHANGES && sum.1 < BATCH_OBSERVATIONS {
        let next = match queue.try_recv() {
            Ok(job) => Some(job),
            // Writers wait for nobody; while one batch commits, the next collects. Observations wait a little, because
            // each batch becomes a row of its own.
            Err(_) if sum.0 > 0 => None,
            Err(_) => tokio::time::timeout_at(deadline, queue.recv()).await.ok().flatten(),
        };
        let Some(job) = next else { break };
        sum = count(&job);
        jobs.push(job);
    }
    jobs
}

impl Desk {
    async fn forget(&self, before: i64) -> Result<()> {
        let mut tx = self.store.begin(&Caller::system("context", self.store.clock().as_ref())).await?;
        tables::forget_messages(&mut tx, before).await?;
        tx.commit().await
    }

    /// A panic (in an encoder, in a geometry) is an error of this batch and does not end the task.
    async fn safely(&self, jobs: &[Job]) -> Result<Vec<Reply>> {
        let done = std::panic::AssertUnwindSafe(self.attempt(jobs)).catch_unwind().await;
        done.unwrap_or_else(|_| Err(Error::internal("changing entities", "a panic while a batch was staged")))
    }

    async fn attempt(&self, jobs: &[Job]) -> Result<Vec<Reply>> {
        let messages: Vec<&str> = jobs.iter().filter_map(|j| if let Work::Readings { message, .. } = &j.work { message.as_deref() } else { None }).collect();
        let mut seen: HashSet<String> = HashSet::new();
        if !messages.is_empty() {
            seen.extend(tables::seen_messages(&self.store, &messages).await?);
        }
        let mut stage = Stage::new(self);
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
        let Stage { staged, observations, notices, .. } = stage;
        if !staged.is_empty() || !observations.is_empty() || !messages.is_empty() {
            self.journal(&staged, &observations, &messages, &notices).await?;
            self.live.apply(staged);
        }
        self.subscriptions.queued(notices);
        Ok(replies)
    }

    async fn journal(&self, staged: &Staged, observations: &[Observation], messages: &[&str], notices: &[Notice]) -> Result<()> {
        // All that costs time happens before the transaction begins.
        let mut rows = Vec::with_capacity(staged.len());
        let mut timers = Vec::new();
        let (mut changed, mut deleted) = (Vec::new(), Vec::new());
        for (id, next) in staged {
            match next {
                Some(entity) => {
                    rows.push(EntityRow::of(entity)?);
                    timers.extend(entity.expires.map(|x| (id, x)));
                    changed.push(id.to_string());
                }
                None => deleted.push(&**id),
            }
        }
        // In id order, two servers on one PostgreSQL cannot wait for each other in a circle.
        rows.sort_unstable_by(|a, b| a.id().cmp(b.id()));
        changed.sort_unstable();
        deleted.sort_unstable();
        let mut batches = Vec::new();
        for chunk in observations.chunks(BATCH_OBSERVATIONS) {
            let (low, high) = chunk.iter().fold((i64::MAX, i64::MIN), |(l, h), o| (l.min(o.t), h.max(o.t)));
            batches.push((u32::try_from(chunk.len()).unwrap_or(u32::MAX), low, high, self.history.encode(chunk)?));
        }
        let mut tx = self.store.begin(&Caller::system("context", self.store.clock().as_ref())).await?;
        tables::save(&mut tx, rows).await?;
        tables::delete(&mut tx, &deleted).await?;
        tables::remember_messages(&mut tx, messages).await?;
        tables_subs::put_notices(&mut tx, notices).await?;
        for (id, at) in timers {
            tx.schedule(EXPIRE, id, time::micros(at)).await?;
        }
        for (count, low, high, bytes) in batches {
            tx.put_pending(count, low, high, bytes).await?;
        }
        for entities in changed.chunks(1_000) {
            tx.emit(Event::EntityChanged { entities: entities.to_vec() });
        }
        for entity in deleted {
            tx.emit(Event::EntityDeleted { entity: entity.to_string() });
        }
        tx.commit().await
    }
}

/// The overlay of one batch.
struct Stage<'a> {
    desk: &'a Desk,
    staged: Staged,
    observations: Vec<Observation>,
    /// Before and after of each entity that the current job changed; kept only when somebody listens.
    pairs: Vec<Pair>,
    firsts: HashMap<Iri, Option<Arc<Entity>>>,
    listening: bool,
    notices: Vec<Notice>,
}

impl<'a> Stage<'a> {
    fn new(desk: &'a Desk) -> Self {
        let listening = desk.subscriptions.listening();
        Self { desk, staged: Staged::new(), observations: Vec::new(), pairs: Vec::new(), firsts: HashMap::new(), listening, notices: Vec::new() }
    }

    fn current(&self, id: &str, now: i64) -> Option<Arc<Entity>> {
        let entity = match self.staged.get(id) {
            Some(staged) => staged.clone(),
            None => self.desk.live.get(id),
        };
        entity.filter(|e| e.alive(now))
    }

    fn end_of_job(&mut self, now: i64) {
        for (id, before) in self.firsts.drain() {
            let after = self.staged.get(&id).cloned().flatten();
            self.pairs.push((before, after));
        }
        if !self.pairs.is_empty() {
            let pairs = std::mem::take(&mut self.pairs);
            self.notices.extend(self.desk.subscriptions.notices(&pairs, now, |id| self.current(id, now)));
        }
    }

    fn order(&mut self, order: &Order, now: i64) -> Result<Outcome> {
        if matches!(order.change, Change::Expire) {
            let gone = self.staged.get(&order.id).cloned().unwrap_or_else(|| self.desk.live.get(&order.id)).is_some_and(|e| !e.alive(now));
            if gone {
                self.staged.insert(order.id.clone(), None);
            }
            return Ok(Outcome::Done);
        }
        let current = self.current(&order.id, now);
        if let (Some(entity), Some(only)) = (&current, &order.only)
            && !only.matches(&entity.types)
        {
            return Err(unknown(&order.id));
        }
        let (next, outcome) = match (&current, &order.change) {
            (Some(_), Change::Create(_)) => return Err(exists(format!("The entity {} exists already.", order.id))),
            (None, Change::Create(draft) | Change::UpsertReplace(draft) | Change::UpsertUpdate(draft)) => {
                (Some(change::create(order.id.clone(), draft, now)?), Outcome::Created)
            }
            (None, _) => return Err(unknown(&order.id)),
            (Some(_), Change::Delete) => (None, Outcome::Done),
            (Some(old), change) => {
                let (next, outcome) = changed(old, change, now)?;
                (Some(next), outcome)
            }
        };
        let next = next.map(|mut entity| {
            entity.version = current.as_ref().map_or(1, |c| c.version + 1);
            entity.intern(&self.desk.names);
            self.locate(&mut entity, current.as_deref());
            self.observe(&entity, current.as_deref());
            Arc::new(entity)
        });
        if self.listening {
            self.pairs.push((current, next.clone()));
        }
        self.staged.insert(order.id.clone(), next);
        Ok(outcome)
    }

    fn locate(&self, entity: &mut Entity, before: Option<&Entity>) {
        if entity.location() != before.and_then(Entity::location) {
            let place = entity.point().and_then(|p| self.desk.directory.locate(p));
            entity.area = place.map(|p| self.desk.names.get(&p.commune));
        } else if let Some(before) = before {
            entity.area.clone_from(&before.area);
        }
    }

    /// What a write says was observed goes into history too.
    fn observe(&mut self, entity: &Entity, before: Option<&Entity>) {
        let kind = entity.types.first().map_or("", |t| short(t));
        for (name, instances) in &entity.attrs {
            let Some(attr) = instances.iter().find(|a| a.dataset().is_none() && a.kind == AttrKind::Property) else { continue };
            let (Some(t), Some(value)) = (attr.observed(), scalar(&attr.value)) else { continue };
            let old = before.and_then(|b| find(&b.attrs, name)).and_then(|i| i.iter().find(|a| a.dataset().is_none()));
            if old.is_some_and(|o| o.observed() == attr.observed() && o.value == attr.value) {
                continue;
            }
            self.observations.push(Observation {
                entity: entity.id.clone(),
                kind: self.desk.names.get(kind),
                attribute: self.desk.names.get(short(name)),
                t,
                value,
                unit: attr.unit(),
                quality: 0,
                area: entity.area.clone(),
            });
        }
    }

    fn readings(&mut self, readings: &[Reading], now: i64) -> Ingested {
        let mut done = Ingested::default();
        for reading in readings {
            if self.listening && !self.firsts.contains_key(&reading.entity) {
                let before = self.current(&reading.entity, now);
                self.firsts.insert(reading.entity.clone(), before);
            }
            let desk = self.desk;
            let slot = self.staged.entry(reading.entity.clone()).or_insert_with(|| desk.live.get(&reading.entity));
            if slot.as_ref().is_none_or(|e| !e.alive(now)) {
                let kind = desk.names.get(&desk.registry.expand(&reading.kind));
                *slot = Some(Arc::new(Entity::new(reading.entity.clone(), vec![kind], now)));
            }
            let Some(entity) = slot.as_mut().map(Arc::make_mut) else { continue };
            entity.version += 1;
            entity.modified = now;
            if let Some(point) = reading.location {
                let value = Val::from_point(point.lon, point.lat);
                let moved = entity.location() != Some(&value);
                if latest(entity, &desk.names.get(LOCATION), AttrKind::GeoProperty, value, None, reading.observed_at, now).is_some() && moved {
                    entity.area = desk.directory.locate(point).map(|p| desk.names.get(&p.commune));
                }
            }
            let name = entity.attrs.iter().find(|(n, _)| short(n) == &*reading.attribute).map(|(n, _)| n.clone());
            let name = name.unwrap_or_else(|| desk.names.get(&desk.registry.expand(&reading.attribute)));
            match latest(entity, &name, AttrKind::Property, to_val(&reading.value), reading.unit.as_ref(), reading.observed_at, now) {
                Some(attr) => note_quality(attr, &desk.names, reading.quality, now),
                None => done.late += 1,
            }
            done.accepted += 1;
            self.observations.push(Observation {
                entity: reading.entity.clone(),
                kind: reading.kind.clone(),
                attribute: reading.attribute.clone(),
                t: reading.observed_at,
                value: reading.value.clone(),
                unit: reading.unit.clone(),
                quality: reading.quality,
                area: entity.area.clone(),
            });
        }
        done
    }
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no entity {id}."))
}

fn changed(old: &Entity, change: &Change, now: i64) -> Result<(Entity, Outcome)> {
    let no_attr = |name: &str| missing(format!("The entity has no attribute {}.", short(name)));
    let mut next = old.clone();
    let outcome = match change {
        Change::UpsertReplace(draft) | Change::Replace(draft) => {
            next = change::replace(old, draft, now)?;
            Outcome::Done
        }
        Change::UpsertUpdate(draft) => Outcome::Updated(change::append(&mut next, draft, false, now)?),
        Change::Append { draft, keep } => Outcome::Updated(change::append(&mut next, draft, *keep, now)?),
        Change::Update(draft) => Outcome::Updated(change::update(&mut next, draft, now)?),
        Change::Merge { draft, observed } => {
            change::merge(&mut next, draft, *observed, now)?;
            Outcome::Done
        }
        Change::Partial(name, inputs) if change::partial(&mut next, name, inputs, now)? => Outcome::Done,
        Change::ReplaceAttr(name, inputs) if change::replace_attr(&mut next, name, inputs, now)? => Outcome::Done,
        Change::DeleteAttr(name, which) if change::delete_attr(&mut next, name, which, now) => Outcome::Done,
        Change::Partial(name, _) | Change::ReplaceAttr(name, _) | Change::DeleteAttr(name, _) => return Err(no_attr(name)),
        Change::Purge(names, these) => {
            next.attrs.retain(|(n, _)| names.contains(n) != *these);
            next.modified = now;
            Outcome::Done
        }
        Change::Create(_) | Change::Delete | Change::Expire => Outcome::Done,
    };
    Ok((next, outcome))
}

/// Sets the default instance of an attribute unless it is newer already. The attribute when it was set.
fn latest<'a>(entity: &'a mut Entity, name: &Iri, kind: AttrKind, value: Val, unit: Option<&Iri>, observed: i64, now: i64) -> Option<&'a mut Attr> {
    if find(&entity.attrs, name).is_none_or(|i| i.iter().all(|a| a.dataset().is_some())) {
        let mut attr = Attr::new(kind, value, now);
        attr.set_observed(Some(observed));
        attr.set_unit(unit.cloned());
        match find_mut(&mut entity.attrs, name) {
            Some(instances) => instances.push(attr),
            None => entity.attrs.push((name.clone(), attr.into())),
        }
        return find_mut(&mut entity.attrs, name)?.last_mut();
    }
    let attr = find_mut(&mut entity.attrs, name)?.iter_mut().find(|a| a.dataset().is_none())?;
    if attr.observed().is_some_and(|o| o > observed) {
        return None;
    }
    (attr.kind, attr.value, attr.modified) = (kind, value, now);
    attr.set_observed(Some(observed));
    if unit.is_some() {
        attr.set_unit(unit.cloned());
    }
    Some(attr)
}

fn note_quality(attr: &mut Attr, names: &Names, quality: u16, now: i64) {
    if !attr.subs().is_empty() {
        attr.subs_mut().retain(|(n, _)| short(n) != "quality");
    }
    if quality != 0 {
        let name = names.get(&format!("{}quality", crate::model::DEFAULT_VOCAB));
        attr.subs_mut().push((name, Attr::new(AttrKind::Property, i64::from(quality), now).into()));
    }
}

pub(crate) fn to_val(value: &Value) -> Val {
    match value {
        Value::Bool(b) => (*b).into(),
        // Whole numbers read better without a fraction, and JSON makes no difference.
        Value::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => (*n as i64).into(),
        Value::Number(n) => (*n).into(),
        Value::Text(t) => (&**t).into(),
    }
}

fn scalar(value: &Val) -> Option<Value> {
    match value.look() {
        Look::Bool(b) => Some(Value::Bool(b)),
        Look::Number(n) => Some(Value::Number(n)),
        Look::Text(s) if s.len() <= 1_024 => Some(Value::Text(s.into())),
        _ => None,
    }
}
