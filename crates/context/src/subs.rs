//! Subscriptions: who wants to hear of which changes (CIM 009, 5.2.12 and 5.8). What is to be sent is found while a
//! batch is staged and queued in its transaction, so that no acknowledged change goes untold.

mod index;
mod names;
mod parse;
mod tell;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};

use crate::federation::matching::Wanted;
use crate::ld::Ld;
use crate::model::{Entity, Iri, instant};
use crate::q::Query;
use crate::query::Filter;
use crate::render::View;
use crate::versions::Edition;
pub use names::{compacted, expanded};
pub use parse::{Frame, decoded};

/// Entities of one notification.
pub(crate) const MAX_DATA: usize = 1_000;
/// Notifications that may wait for one receiver; newer ones are dropped and counted.
pub(crate) const MAX_WAITING: i64 = 10_000;
/// Of these, as many are held in memory; the rest lies in the store.
pub(crate) const NEAR: usize = 64;
/// Subscriptions there may be.
pub const MAX_SUBSCRIPTIONS: usize = 100_000;

/// A notification that waits: its place in the queue, when it was caused (µs), and the entities to send, as JSON.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Place in the queue; 0 = not kept in the store.
    pub seq: i64,
    /// When it was caused, µs.
    pub at: i64,
    /// List of entities or features.
    pub body: Arc<str>,
}

/// A notification to be queued.
#[derive(Debug, Clone)]
pub struct Notice {
    /// For whom.
    pub subscription: Iri,
    /// What.
    pub waiting: Waiting,
}

/// How sending goes; kept in the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Notifications sent, whatever came of them.
    #[serde(default)]
    pub times_sent: u64,
    /// Attempts that failed.
    #[serde(default)]
    pub times_failed: u64,
    /// Last attempt, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notification: Option<i64>,
    /// Last success, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<i64>,
    /// Last failure, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<i64>,
}

/// What makes a subscription speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Triggers {
    attribute_created: bool,
    attribute_updated: bool,
    attribute_deleted: bool,
    entity_created: bool,
    entity_updated: bool,
    entity_deleted: bool,
}

/// Media type of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Context in a `Link` header.
    Json,
    /// Context in the body.
    LdJson,
    /// Features.
    GeoJson,
}

/// Where to send, and how.
#[derive(Debug)]
pub struct Receiver {
    /// Address.
    pub url: url::Url,
    /// Media type.
    pub accept: Accept,
    /// `receiverInfo`: headers, or metadata over MQTT.
    pub info: Vec<(String, String)>,
    /// Whether GeoJSON is wanted without `@context` in the body.
    pub plain_body: bool,
    /// Longest wait for the receiver.
    pub timeout: Duration,
    /// Least pause after a failure.
    pub cooldown: Option<Duration>,
    /// Over MQTT: quality of service and whether it speaks version 5.
    pub mqtt: (u8, bool),
}

/// A subscription, ready to be asked.
#[derive(Debug)]
pub struct Subscription {
    /// URI.
    pub id: Iri,
    /// As it was given, names expanded, without `@context`.
    pub body: Map<String, Value>,
    /// Context in which the conditions were given.
    pub ld: Ld,
    /// Context of what is sent.
    pub speech: Ld,
    /// Where to send.
    pub receiver: Receiver,
    /// Least time between two notifications.
    pub throttling: Option<Duration>,
    /// Speaks in this rhythm and not about changes.
    pub interval: Option<Duration>,
    /// Where whoever made it found us; sources are told to notify us there.
    pub base: Box<str>,
    /// Made, µs.
    pub created: i64,
    /// Changed, µs.
    pub modified: i64,
    /// How it is going; shared by all versions of it.
    pub delivery: Arc<Delivery>,
    active: bool,
    expires: Option<i64>,
    filter: Filter,
    watched: Option<Vec<Iri>>,
    triggers: Triggers,
    view: View,
    show_changes: bool,
    /// The version of the standard that the receiver reads.
    edition: Option<Edition>,
}

/// What waits for a subscription and how sending goes.
#[derive(Debug, Default)]
pub struct Delivery {
    status: Mutex<Status>,
    line: Mutex<Line>,
    waiting: AtomicI64,
    /// Told when the subscription changed: a pause may have lost its reason.
    pub(crate) changed: Notify,
    /// Sources are told of one change after the other.
    pub(crate) relaying: tokio::sync::Mutex<()>,
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// What is next.
    pub near: VecDeque<Waiting>,
    /// More lies in the store, behind what is near.
    pub far: bool,
    /// Something came while the store was read.
    pub missed: bool,
    /// Place of the last one that was near.
    pub last: i64,
    /// A task is sending.
    pub busy: bool,
}

impl Delivery {
    /// How it is going.
    pub fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn done(&self, count: usize) {
        self.waiting.fetch_sub(i64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    /// Notes that nobody sends any more, unless something waits again.
    pub(crate) fn rest(&self) -> bool {
        let mut line = self.line();
        line.busy = line.far || !line.near.is_empty();
        if !line.busy {
            self.waiting.store(0, Ordering::Relaxed);
        }
        !line.busy
    }

    /// As it was when the program ended; `waiting` notifications lie in the store.
    pub(crate) fn restore(&self, status: Status, waiting: i64) {
        *self.status() = status;
        self.waiting.store(waiting, Ordering::Relaxed);
        self.line().far = waiting > 0;
    }
}

/// All subscriptions.
#[derive(Debug)]
pub struct Subscriptions {
    all: RwLock<Table>,
    seq: AtomicI64,
    ready: mpsc::UnboundedSender<Iri>,
    served: Mutex<Option<mpsc::UnboundedReceiver<Iri>>>,
    /// Told when a subscription that speaks in a rhythm came or went.
    pub(crate) rhythm: Notify,
}

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<Iri, Arc<Subscription>>,
    rhythmic: BTreeMap<Iri, Arc<Subscription>>,
    index: index::Index,
}

impl Default for Subscriptions {
    fn default() -> Self {
        let (ready, served) = mpsc::unbounded_channel();
        Self { all: RwLock::default(), seq: AtomicI64::new(0), ready, served: Mutex::new(Some(served)), rhythm: Notify::new() }
    }
}

/// An entity before and after a change.
pub type Pair = (Option<Arc<Entity>>, Option<Arc<Entity>>);

impl Subscriptions {
    fn table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts counting notifications after the last one in the store.
    pub fn start_at(&self, seq: i64) {
        self.seq.store(seq, Ordering::SeqCst);
    }

    /// The next place in the queue.
    pub(crate) fn next_place(&self) -> i64 {
        self.seq.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether anybody listens.
    pub fn listening(&self) -> bool {
        !self.table().by_id.is_empty()
    }

    /// Adds or replaces one.
    pub fn put(&self, subscription: Subscription) {
        let new = Arc::new(subscription);
        let rhythmic = {
            let mut table = self.all.write().unwrap_or_else(PoisonError::into_inner);
            table.index.add(&new);
            match new.interval {
                Some(_) => drop(table.rhythmic.insert(new.id.clone(), new.clone())),
                None => drop(table.rhythmic.remove(&new.id)),
            }
            let old = table.by_id.insert(new.id.clone(), new.clone());
            if let Some(old) = &old {
                table.index.remove(old);
            }
            new.interval.is_some() || old.is_some_and(|o| o.interval.is_some())
        };
        if rhythmic {
            self.rhythm.notify_one();
        }
        new.delivery.changed.notify_waiters();
        self.wake(&new);
    }

    /// Removes one.
    pub fn remove(&self, id: &str) {
        let mut table = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = table.by_id.remove(id) {
            table.index.remove(&old);
            table.rhythmic.remove(id);
        }
    }

    /// Those that speak in a rhythm.
    pub(crate) fn rhythmic(&self) -> Vec<Arc<Subscription>> {
        self.table().rhythmic.values().cloned().collect()
    }

    /// One.
    pub fn get(&self, id: &str) -> Option<Arc<Subscription>> {
        self.table().by_id.get(id).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table().by_id.len()
    }

    /// A page of them, by id.
    pub fn page(&self, offset: usize, limit: usize) -> Vec<Arc<Subscription>> {
        self.table().by_id.values().skip(offset).take(limit).cloned().collect()
    }

    /// Those that pass a test.
    pub(crate) fn those(&self, test: impl Fn(&Subscription) -> bool) -> Vec<Arc<Subscription>> {
        self.table().by_id.values().filter(|s| test(s)).cloned().collect()
    }

    /// The ids of those that have something to send; only one task may ask.
    pub(crate) fn served(&self) -> Option<mpsc::UnboundedReceiver<Iri>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has what waits for one sent, unless that is being done.
    pub(crate) fn wake(&self, subscription: &Subscription) {
        let mut line = subscription.delivery.line();
        if !line.busy && (line.far || !line.near.is_empty()) {
            line.busy = true;
            // Nobody sends any more when the receiver is gone: the program ends.
            let _ended = self.ready.send(subscription.id.clone());
        }
    }

    /// Takes over notifications that are durable now, and has them sent.
    pub fn queued(&self, notices: Vec<Notice>) {
        for notice in notices {
            let Some(subscription) = self.get(&notice.subscription) else { continue };
            {
                let mut line = subscription.delivery.line();
                subscription.delivery.waiting.fetch_add(1, Ordering::Relaxed);
                if notice.waiting.seq > 0 && (line.far || line.near.len() >= NEAR) {
                    line.far = true;
                    line.missed = true;
                } else {
                    line.last = line.last.max(notice.waiting.seq);
                    line.near.push_back(notice.waiting);
                }
            }
            self.wake(&subscription);
        }
    }

    /// What is to be sent about the changes of one request. The entities of one subscription go together.
    pub fn notices(&self, pairs: &[Pair], now: i64, get: impl Fn(&str) -> Option<Arc<Entity>>) -> Vec<Notice> {
        let mut told: BTreeMap<Iri, (Arc<Subscription>, Vec<Value>)> = BTreeMap::new();
        for pair in pairs {
            let diff = tell::Diff::new(pair);
            for subscription in self.table().index.candidates(pair, &diff) {
                if !subscription.is_active(now) || subscription.interval.is_some() {
                    continue;
                }
                // A subscription whose test panics must not hold up the change it looks at.
                let data = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| subscription.tell(pair, &diff, now, &get)));
                match data {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => told.entry(subscription.id.clone()).or_insert_with(|| (subscription, Vec::new())).1.extend(data),
                    Err(_) => tracing::error!(subscription = &*subscription.id, "a subscription panicked"),
                }
            }
        }
        let mut notices = Vec::new();
        for (id, (subscription, data)) in told {
            for part in data.chunks(MAX_DATA) {
                if subscription.delivery.waiting() >= MAX_WAITING {
                    subscription.delivery.status().times_failed += 1;
                    tracing::warn!(subscription = &*id, "too many notifications wait; one was dropped");
                    continue;
                }
                let body = serde_json::to_string(part).unwrap_or_default().into();
                notices.push(Notice { subscription: id.clone(), waiting: Waiting { seq: self.next_place(), at: now, body } });
            }
        }
        notices
    }
}

/// Members of a subscription that only the platform sets.
pub const READ_ONLY: [&str; 5] = ["status", "createdAt", "modifiedAt", "jsonldContextCreated", "notificationStatus"];
/// Members of `notification` that only the platform sets.
pub const READ_ONLY_NOTIFICATION: [&str; 6] = ["status", "timesSent", "timesFailed", "lastNotification", "lastSuccess", "lastFailure"];

impl Subscription {
    /// Whether sources are to hear of it.
    pub(crate) fn relays(&self) -> bool {
        !self.base.is_empty() && !self.says("localOnly")
    }

    /// Whether its conditions are for what several hold of an entity together.
    pub(crate) fn splits(&self) -> bool {
        self.says("splitEntities")
    }

    fn says(&self, flag: &str) -> bool {
        self.body.get(flag).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The sources that may know of what it asks for.
    pub(crate) fn sources(&self) -> Wanted {
        // It was parsed when it was made.
        let csf = self.body.get("csf").and_then(Value::as_str).and_then(|q| Query::parse(q, &self.ld).ok());
        Wanted { entities: self.filter.selectors.clone(), attrs: self.watched.clone(), conditions: csf.into_iter().collect(), ..Wanted::default() }
    }

    /// Whether it speaks at all.
    pub fn is_active(&self, now: i64) -> bool {
        self.active && self.expires.is_none_or(|x| x > now)
    }

    /// As a `GET` shows it, with names of the context that was asked for.
    pub fn describe(&self, ld: &Ld, sys_attrs: bool, now: i64) -> Map<String, Value> {
        let status = self.delivery.status().clone();
        let mut out = Map::new();
        out.insert("id".into(), (&*self.id).into());
        out.extend(compacted(&self.body, ld));
        let word = match (self.active, self.expires.is_some_and(|x| x <= now)) {
            (_, true) => "expired",
            (true, _) => "active",
            (false, _) => "paused",
        };
        out.insert("status".into(), word.into());
        if let Some(Value::String(url)) = &self.speech.source {
            out.insert("jsonldContext".into(), url.as_str().into());
        }
        if self.interval.is_none() && !out.contains_key("notificationTrigger") {
            out.insert("notificationTrigger".into(), vec!["attributeCreated", "attributeUpdated"].into());
        }
        if sys_attrs {
            out.insert("createdAt".into(), instant(self.created).into());
            out.insert("modifiedAt".into(), instant(self.modified).into());
        }
        if let Some(Value::Object(notification)) = out.get_mut("notification") {
            let failed = status.last_failure > status.last_success;
            if status.times_sent > 0 || status.times_failed > 0 {
                notification.insert("status".into(), if failed { "failed" } else { "ok" }.into());
                notification.insert("timesSent".into(), status.times_sent.into());
                notification.insert("timesFailed".into(), status.times_failed.into());
            }
            for (name, at) in [("lastNotification", status.last_notification), ("lastSuccess", status.last_success), ("lastFailure", status.last_failure)] {
                if let Some(at) = at {
                    notification.insert(name.into(), instant(at).into());
                }
            }
        }
        out
    }
}
