//! The one task that changes entities. It takes what has queued, applies it in order on an overlay, journals the
//! result in one transaction and only then shows it to readers and answers the callers. So readers never see what is
//! not durable, changes of one entity inside a batch see each other, and a thousand writers share one fsync.

mod flight;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dothi_kernel::{Caller, Directory, Error, History, Observation, Result, Value};
use dothi_store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::change::{self, Updated, Which};
use crate::fault::{exists, missing};
use crate::journal::{Journal, Measured};
use crate::live::{Live, Staged};
use crate::model::{Attr, AttrKind, Entity, Iri, LOCATION, Names, Reading, find, find_mut};
use crate::parse::{Draft, Input};
use crate::registry::{Registry, short};
use crate::select::TypeSelector;
use crate::subs::{Notice, Pair, Subscriptions};
use crate::temporal::evolve::{Evolution, Revision, evolve};
use crate::temporal::{self, Write};
use crate::val::{Look, Val};

/// Changes of entities that one batch takes.
const BATCH_CHANGES: usize = 1_000;
/// Observations of one pending batch.
pub const BATCH_OBSERVATIONS: usize = 10_000;
/// Batches that may be on their way to the disk at once: one commits while others are packed.
const AHEAD: usize = 3;
/// Observations that are worth a batch of their own: no more are waited for.
const ENOUGH: usize = 1_000;
/// How long fewer wait for more.
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
    /// Add instances to its evolution.
    Evolve(Box<Evolution>),
    /// A prepared change of its history.
    Revise(Box<Revision>),
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
    end: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
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
    /// Plain observed values go into the lake.
    pub lake: bool,
    /// Days for which superseded states are kept, unless their type says otherwise.
    pub keep_days: u32,
    /// What was changed since the tables were last brought up to date.
    pub journal: Arc<Journal>,
    /// Who wants to hear of observations.
    pub feed: Arc<crate::sta::Feed>,
}

impl Writer {
    /// Starts the task; it ends when the writer is dropped or closed.
    pub fn start(desk: Desk) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let end = CancellationToken::new();
        let task = tokio::spawn(flight::run(desk, jobs, end.clone()));
        Self { queue, room: Arc::new(Semaphore::new(QUEUE_WEIGHT)), end, task: Mutex::new(Some(task)) }
    }

    /// Takes nothing more and waits until all that has queued is stored. To be called before the store is closed.
    pub async fn close(&self) {
        self.end.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(e)) = futures::future::OptionFuture::from(task).await {
            tracing::error!(error = %e, "the writing task broke off");
        }
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

/// The overlay of one batch.
struct Stage<'a> {
    desk: &'a Desk,
    /// What the batches on their way leave, newest first.
    under: Vec<&'a Staged>,
    staged: Staged,
    /// Entities of which so far only default instances were set, and of which attributes.
    measured: Measured,
    /// Entities that orders changed, so that others are told of them.
    ordered: HashSet<Iri>,
    observations: Vec<Observation>,
    /// Before and after of each entity that the current job changed; kept only when somebody listens.
    pairs: Vec<Pair>,
    firsts: HashMap<Iri, Option<Arc<Entity>>>,
    listening: bool,
    notices: Vec<Notice>,
    history: Vec<Write>,
}

impl<'a> Stage<'a> {
    fn new(desk: &'a Desk, under: Vec<&'a Staged>) -> Self {
        let listening = desk.subscriptions.listening();
        Self {
            desk,
            under,
            staged: Staged::new(),
            measured: Measured::new(),
            ordered: HashSet::new(),
            observations: Vec::new(),
            pairs: Vec::new(),
            firsts: HashMap::new(),
            listening,
            notices: Vec::new(),
            history: Vec::new(),
        }
    }

    /// An entity as it was before this batch, expired or not.
    fn before(&self, id: &str) -> Option<Arc<Entity>> {
        self.under.iter().find_map(|s| s.get(id)).cloned().unwrap_or_else(|| self.desk.live.get(id))
    }

    fn current(&self, id: &str, now: i64) -> Option<Arc<Entity>> {
        self.staged.get(id).cloned().unwrap_or_else(|| self.before(id)).filter(|e| e.alive(now))
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
            let gone = self.staged.get(&order.id).cloned().unwrap_or_else(|| self.before(&order.id)).is_some_and(|e| !e.alive(now));
            if gone {
                let before = self.staged.get(&order.id).cloned().unwrap_or_else(|| self.before(&order.id));
                self.history.extend(temporal::instances(before.as_deref(), None, now, self.desk.lake)?);
                self.put(&order.id, None);
            }
            return Ok(Outcome::Done);
        }
        let current = self.current(&order.id, now);
        if let (Some(entity), Some(only)) = (&current, &order.only)
            && !only.matches(&entity.types)
        {
            return Err(unknown(&order.id));
        }
        if let Some(outcome) = self.past(order, current.as_ref(), now)? {
            return Ok(outcome);
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
        self.history.extend(temporal::instances(current.as_deref(), next.as_deref(), now, self.desk.lake)?);
        let set = current.as_deref().zip(next.as_deref()).and_then(|(old, new)| assigned(old, new));
        if self.listening {
            self.pairs.push((current, next.clone()));
        }
        match set {
            Some(set) => self.set(&order.id, next, set),
            None => self.put(&order.id, next),
        }
        Ok(outcome)
    }

    /// What the temporal API asks for; none for all other changes.
    fn past(&mut self, order: &Order, current: Option<&Arc<Entity>>, now: i64) -> Result<Option<Outcome>> {
        let (next, revision, outcome) = match &order.change {
            Change::Evolve(evolution) => {
                let (mut entity, revision) = evolve(&order.id, current.map(Arc::as_ref), evolution, now, self.desk.lake)?;
                entity.version = current.map_or(1, |c| c.version + 1);
                entity.intern(&self.desk.names);
                self.locate(&mut entity, current.map(Arc::as_ref));
                (Some(Arc::new(entity)), revision, if current.is_none() { Outcome::Created } else { Outcome::Done })
            }
            Change::Revise(revision) => (current.filter(|_| !revision.with_entity).cloned(), (**revision).clone(), Outcome::Done),
            _ => return Ok(None),
        };
        self.observations.extend(revision.observations);
        self.history.extend(revision.writes);
        if next.as_ref().map(Arc::as_ptr) != current.map(Arc::as_ptr) {
            if self.listening {
                self.pairs.push((current.cloned(), next.clone()));
            }
            self.put(&order.id, next);
        }
        Ok(Some(outcome))
    }

    /// Of an entity that was there, only default instances of these attributes were set.
    fn set(&mut self, id: &Iri, next: Option<Arc<Entity>>, names: Vec<Iri>) {
        match (self.staged.contains_key(id), self.measured.get_mut(id)) {
            (false, _) => drop(self.measured.insert(id.clone(), names)),
            (true, Some(before)) => names.into_iter().for_each(|name| {
                if !before.contains(&name) {
                    before.push(name);
                }
            }),
            // It is stated whole.
            (true, None) => {}
        }
        self.ordered.insert(id.clone());
        self.staged.insert(id.clone(), next);
    }

    fn put(&mut self, id: &Iri, next: Option<Arc<Entity>>) {
        self.measured.remove(id);
        self.staged.insert(id.clone(), next);
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
        for of_one in readings.chunk_by(|a, b| a.entity == b.entity) {
            self.measure(&of_one[0].entity, of_one, now, &mut done);
        }
        done
    }

    fn measure(&mut self, id: &Iri, readings: &[Reading], now: i64, done: &mut Ingested) {
        if self.listening && !self.firsts.contains_key(id) {
            let before = self.current(id, now);
            self.firsts.insert(id.clone(), before);
        }
        let desk = self.desk;
        if !self.staged.contains_key(id) {
            let before = self.before(id);
            if before.as_ref().is_some_and(|e| e.alive(now)) {
                self.measured.insert(id.clone(), Vec::new());
            }
            self.staged.insert(id.clone(), before);
        }
        let Some(slot) = self.staged.get_mut(id) else { return };
        if slot.as_ref().is_none_or(|e| !e.alive(now)) {
            let kind = desk.names.get(&desk.registry.expand(&readings[0].kind));
            self.measured.remove(id);
            *slot = Some(Arc::new(Entity::new(id.clone(), vec![kind], now)));
        }
        let mut set = self.measured.get_mut(id);
        let mut note = |name: &Iri| {
            if let Some(set) = &mut set
                && !set.iter().any(|n| Arc::ptr_eq(n, name) || n == name)
            {
                set.push(name.clone());
            }
        };
        let Some(entity) = slot.as_mut().map(Arc::make_mut) else { return };
        entity.modified = now;
        for reading in readings {
            entity.version += 1;
            if let Some(point) = reading.location {
                let value = Val::from_point(point.lon, point.lat);
                let moved = entity.location() != Some(&value);
                if moved && entity.attr(LOCATION).is_some_and(|a| a.observed().is_none_or(|o| o < reading.observed_at)) {
                    self.history.extend(temporal::passing(entity, LOCATION));
                }
                let name = desk.names.get(LOCATION);
                if latest(entity, &name, AttrKind::GeoProperty, value, None, reading.observed_at, now).is_some() {
                    note(&name);
                    if moved {
                        entity.area = desk.directory.locate(point).map(|p| desk.names.get(&p.commune));
                    }
                }
            }
            let name = entity.attrs.iter().find(|(n, _)| is_short(n, &reading.attribute)).map(|(n, _)| n.clone());
            let name = name.unwrap_or_else(|| desk.names.get(&desk.registry.expand(&reading.attribute)));
            match latest(entity, &name, AttrKind::Property, to_val(&reading.value), reading.unit.as_ref(), reading.observed_at, now) {
                Some(attr) => {
                    note_quality(attr, &desk.names, reading.quality, now);
                    note(&name);
                }
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
    }
}

/// Whether a name is the short one of an expanded one.
fn is_short(iri: &str, name: &str) -> bool {
    iri.ends_with(name) && short(iri) == name
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no entity {id}."))
}

/// Attributes whose only instances, default ones, are all that an entity differs in from before; none when it differs in
/// more.
fn assigned(old: &Entity, new: &Entity) -> Option<Vec<Iri>> {
    let alike = old.types == new.types && old.scope == new.scope && old.created == new.created && old.expires == new.expires;
    if !alike || new.attrs.len() < old.attrs.len() {
        return None;
    }
    let only_default = |instances: &[Attr]| matches!(instances, [one] if one.dataset().is_none());
    let mut set = Vec::new();
    for (i, (name, instances)) in new.attrs.iter().enumerate() {
        match old.attrs.get(i) {
            Some((known, _)) if known != name => return None,
            Some((_, before)) if before == instances => {}
            Some((_, before)) if !only_default(before) => return None,
            _ if only_default(instances) => set.push(name.clone()),
            _ => return None,
        }
    }
    Some(set)
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
        Change::Create(_) | Change::Delete | Change::Expire | Change::Evolve(_) | Change::Revise(_) => Outcome::Done,
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

pub(crate) fn scalar(value: &Val) -> Option<Value> {
    match value.look() {
        Look::Bool(b) => Some(Value::Bool(b)),
        Look::Number(n) => Some(Value::Number(n)),
        Look::Text(s) if s.len() <= 1_024 => Some(Value::Text(s.into())),
        _ => None,
    }
}
