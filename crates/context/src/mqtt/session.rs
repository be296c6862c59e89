//! What a client keeps between connections: its filters, the messages waiting for it, and those it has not
//! acknowledged. Everything is bounded; what does not fit is dropped and counted.
//!
//! A session that outlives its connection is *stored* from its first subscription on: what it keeps is then told as
//! [`Change`]s, which the [`super::keeper`] makes durable.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::{Properties, Property, Qos};
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::commanding::{Ear, Receipt};
use super::keeper::Change;
use super::sharing::Group;

/// Messages that wait for one client, sent and unacknowledged ones included.
pub(super) const MAX_QUEUE: usize = 1_000;
/// Bytes that wait for one client.
const MAX_QUEUE_BYTES: usize = 8 << 20;
/// Filters of one client.
pub(super) const MAX_FILTERS: usize = 100;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Message {
    pub topic: Arc<str>,
    pub payload: ArcPayload,
    pub qos: Qos,
    pub retain: bool,
    /// Properties that travel on (version 5).
    pub props: Properties,
    /// When it stops to be of use.
    pub expires: Option<Instant>,
    /// Who wants to know how far it got.
    pub receipt: Option<Receipt>,
}

impl Message {
    pub(super) fn new(topic: &str, payload: ArcPayload, qos: Qos, retain: bool, props: Properties) -> Self {
        let lasts = props.iter().find_map(|p| if let Property::MessageExpiryInterval(v) = p { Some(v.val()) } else { None });
        let expires = lasts.and_then(|s| Instant::now().checked_add(Duration::from_secs(u64::from(s))));
        Self { topic: topic.into(), payload, qos, retain, props, expires, receipt: None }
    }

    pub(super) fn expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }

    /// How long it is of use.
    pub(super) fn left(&self) -> Option<Duration> {
        Some(self.expires?.saturating_duration_since(Instant::now()))
    }

    /// The same in seconds, as packets tell it; a begun second counts.
    pub(super) fn seconds_left(&self) -> Option<u32> {
        let left = self.left()?;
        Some(u32::try_from(left.as_secs() + u64::from(left.subsec_nanos() > 0)).unwrap_or(u32::MAX))
    }

    fn size(&self) -> usize {
        self.topic.len() + self.payload.len() + 64
    }
}

/// A message for one subscriber.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub message: Arc<Message>,
    pub qos: Qos,
    pub retain: bool,
    /// Identifiers of the subscriptions that wanted it (version 5).
    pub ids: Vec<u32>,
    /// The shared subscription that it came by.
    pub group: Option<Arc<Group>>,
    /// Its number in the session; 0 for QoS 0. The packet id follows from it, so that it is the same after a restart.
    pub seq: u64,
    /// Whether it may have been sent before.
    pub again: bool,
    kept: bool,
}

impl Delivery {
    pub(super) fn new(message: Arc<Message>, qos: Qos, retain: bool) -> Self {
        Self { message, qos, retain, ids: Vec::new(), group: None, seq: 0, again: false, kept: false }
    }

    /// One that a former run kept.
    pub(super) fn restored(message: Arc<Message>, qos: Qos, retain: bool, ids: Vec<u32>, seq: u64) -> Self {
        Self { ids, seq, again: true, kept: true, ..Self::new(message, qos, retain) }
    }

    /// The packet id under which it is sent.
    pub(super) fn packet(&self) -> Option<u16> {
        let id = u16::try_from(self.seq.checked_sub(1)? % 65_535 + 1).ok()?;
        (self.qos != Qos::AtMostOnce).then_some(id)
    }
}

/// What became of an offered message.
#[derive(Debug)]
pub(super) enum Offer {
    /// It waits; the change is to be kept.
    Queued(Option<Change>),
    /// It was dropped, as QoS 0 may be.
    Dropped,
    /// There was no room for a message that must arrive.
    Overflow,
}

/// How ready a session is to take a message of a shared subscription; the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readiness {
    /// Its client is connected and has room.
    Ready,
    /// Its client is connected and behind.
    Behind,
    /// Its client is away; messages wait.
    Away,
}

/// Bytes that wait in all sessions together.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    most: u64,
}

impl Budget {
    pub(super) fn new(most: u64) -> Self {
        Self { used: AtomicU64::new(0), most }
    }

    fn has_room(&self, size: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(size as u64) <= self.most
    }

    fn take(&self, size: usize) {
        self.used.fetch_add(size as u64, Ordering::Relaxed);
    }

    fn give_back(&self, size: usize) {
        self.used.fetch_sub(size as u64, Ordering::Relaxed);
    }
}

/// The present connection of a session.
#[derive(Debug, Default)]
pub(super) struct Attachment {
    /// Ends the connection.
    pub kicked: CancellationToken,
    reason: OnceLock<DisconnectReasonCode>,
}

impl Attachment {
    pub(super) fn kick(&self, reason: DisconnectReasonCode) {
        // The first reason counts.
        let _later = self.reason.set(reason);
        self.kicked.cancel();
    }

    pub(super) fn reason(&self) -> DisconnectReasonCode {
        self.reason.get().copied().unwrap_or(DisconnectReasonCode::UnspecifiedError)
    }
}

/// A message that was sent and not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub packet: u16,
    pub delivery: Delivery,
    /// The client has it (PUBREC): only PUBREL may follow.
    pub released: bool,
}

#[derive(Debug, Default)]
struct State {
    attached: Option<Arc<Attachment>>,
    /// How many connections it has had.
    attachments: u64,
    window: usize,
    detached_at: Option<Instant>,
    expiry: Duration,
    queue: VecDeque<Delivery>,
    bytes: usize,
    unacknowledged: VecDeque<Flight>,
    received: HashSet<u16>,
    filters: HashMap<String, Change>,
    next: u64,
    stored: bool,
    /// Kept messages that are not done, and whether they are released.
    kept: HashMap<u64, bool>,
    ear: Option<Ear>,
    gone: bool,
}

impl State {
    fn is_attached(&self, connection: &Arc<Attachment>) -> bool {
        self.attached.as_ref().is_some_and(|a| Arc::ptr_eq(a, connection))
    }

    fn waiting(&self) -> usize {
        self.queue.len() + self.unacknowledged.len()
    }
}

/// A client's session.
#[derive(Debug)]
pub(super) struct Session {
    /// Number that no other session of this installation has.
    pub number: u64,
    /// Whose it is.
    pub owner: Arc<str>,
    /// The client's id.
    pub client: Arc<str>,
    /// Wakes the connection when something waits.
    pub wake: Notify,
    /// It ended for good.
    pub ended: CancellationToken,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

impl Session {
    pub(super) fn new(number: u64, owner: Arc<str>, client: &str, budget: Arc<Budget>) -> Self {
        let state = State { next: 1, ..State::default() };
        Self { number, owner, client: client.into(), wake: Notify::new(), ended: CancellationToken::new(), budget, state: Mutex::new(state) }
    }

    /// One that a former run stored; its client is away for `away` already.
    pub(super) fn restored(number: u64, owner: Arc<str>, client: &str, budget: Arc<Budget>, expiry: Duration, away: Duration) -> Self {
        let session = Self::new(number, owner, client, budget);
        let mut state = session.state();
        (state.expiry, state.stored) = (expiry, true);
        // A clock that cannot go back as far gives the client some more time.
        state.detached_at = Some(Instant::now().checked_sub(away).unwrap_or_else(Instant::now));
        drop(state);
        session
    }

    /// Puts back what a former run kept: in the order of the numbers, released ones as sent.
    pub(super) fn restore(&self, delivery: Delivery, released: bool) {
        let size = delivery.message.size();
        let mut state = self.state();
        state.next = state.next.max(delivery.seq + 1);
        state.kept.insert(delivery.seq, released);
        state.bytes += size;
        self.budget.take(size);
        match delivery.packet().filter(|_| released) {
            Some(packet) => state.unacknowledged.push_back(Flight { packet, delivery, released }),
            None => state.queue.push_back(delivery),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `connection` the present one; ends the one before. What is to be kept comes back.
    pub(super) fn attach(&self, connection: Arc<Attachment>, expiry: Duration, window: usize) -> Vec<Change> {
        let mut state = self.state();
        (state.expiry, state.window, state.detached_at) = (expiry, window, None);
        state.attachments += 1;
        if let Some(old) = state.attached.replace(connection) {
            old.kick(DisconnectReasonCode::SessionTakenOver);
        }
        match (state.stored, expiry.is_zero()) {
            (true, _) => vec![self.life(&state)],
            // Its connections were not to outlive themselves before.
            (false, false) if !state.filters.is_empty() => {
                let mut changes = self.open(&mut state);
                changes.extend(state.filters.values().cloned());
                changes
            }
            _ => Vec::new(),
        }
    }

    /// The connection ended. True when it was the present one; what is to be kept comes back.
    pub(super) fn detach(&self, connection: &Arc<Attachment>) -> (bool, Vec<Change>) {
        let mut state = self.state();
        if !state.is_attached(connection) {
            return (false, Vec::new());
        }
        state.attached = None;
        state.detached_at = Some(Instant::now());
        (true, if state.stored { vec![self.life(&state)] } else { Vec::new() })
    }

    fn life(&self, state: &State) -> Change {
        Change::Life { session: self.number, expiry: state.expiry, away: state.attached.is_none() }
    }

    /// What makes it stored, if it is not yet and is to outlive its connection.
    fn open(&self, state: &mut State) -> Vec<Change> {
        if state.stored || state.expiry.is_zero() || state.gone {
            return Vec::new();
        }
        state.stored = true;
        vec![Change::Open { session: self.number, owner: self.owner.clone(), client: self.client.clone(), expiry: state.expiry }]
    }

    /// Ends the present connection, if any.
    pub(super) fn kick(&self, reason: DisconnectReasonCode) {
        if let Some(connection) = &self.state().attached {
            connection.kick(reason);
        }
    }

    /// Ends it for good: its connection, if any, is sent away. What is to be kept comes back.
    pub(super) fn close(&self) -> Option<Change> {
        let mut state = self.state();
        state.gone = true;
        self.budget.give_back(std::mem::take(&mut state.bytes));
        state.queue.clear();
        state.unacknowledged.clear();
        state.kept.clear();
        let stored = std::mem::take(&mut state.stored);
        drop(state);
        self.ended.cancel();
        self.kick(DisconnectReasonCode::SessionTakenOver);
        stored.then_some(Change::End { session: self.number })
    }

    /// Whether it ended for good.
    pub(super) fn is_gone(&self) -> bool {
        self.state().gone
    }

    /// Changes how long it outlives its connection.
    pub(super) fn set_expiry(&self, expiry: Duration) {
        self.state().expiry = expiry;
    }

    /// How long it outlives its connection.
    pub(super) fn expiry(&self) -> Duration {
        self.state().expiry
    }

    /// Whether nobody is connected and its time is over.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.attached.is_none() && state.detached_at.is_some_and(|at| at.elapsed() >= state.expiry)
    }

    /// Whether a client is connected.
    pub(super) fn is_attached(&self) -> bool {
        self.state().attached.is_some()
    }

    /// How many connections it has had.
    pub(super) fn attachments(&self) -> u64 {
        self.state().attachments
    }

    /// How ready it is to take one more message; none when it has no room.
    pub(super) fn readiness(&self, sure: bool) -> Option<Readiness> {
        let state = self.state();
        if state.gone || state.waiting() >= MAX_QUEUE {
            return None;
        }
        match &state.attached {
            Some(_) if state.waiting() < state.window => Some(Readiness::Ready),
            Some(_) => Some(Readiness::Behind),
            None => (sure && !state.expiry.is_zero()).then_some(Readiness::Away),
        }
    }

    /// Puts a message into the queue.
    pub(super) fn offer(self: &Arc<Self>, mut delivery: Delivery) -> Offer {
        let mut state = self.state();
        let sure = delivery.qos != Qos::AtMostOnce;
        if state.gone || (state.attached.is_none() && !sure) {
            return Offer::Dropped;
        }
        let size = delivery.message.size();
        if state.waiting() >= MAX_QUEUE || state.bytes + size > MAX_QUEUE_BYTES || !self.budget.has_room(size) {
            return if sure { Offer::Overflow } else { Offer::Dropped };
        }
        state.bytes += size;
        self.budget.take(size);
        let mut change = None;
        if sure {
            delivery.seq = state.next;
            state.next += 1;
            // Commands wait in a table of their own.
            delivery.kept = state.stored && delivery.message.receipt.is_none();
            if delivery.kept {
                state.kept.insert(delivery.seq, false);
                change = Some(Change::Queue { session: self.clone(), delivery: delivery.clone() });
            }
        }
        state.queue.push_back(delivery);
        drop(state);
        self.wake.notify_one();
        Offer::Queued(change)
    }

    /// Takes the next message for `connection`; QoS 1 and 2 only while its window lets more be unacknowledged. Expired
    /// ones are dropped; what is to be kept goes into `changes`.
    pub(super) fn take(&self, connection: &Arc<Attachment>, changes: &mut Vec<Change>) -> Option<Delivery> {
        let mut state = self.state();
        if !state.is_attached(connection) {
            return None;
        }
        while let Some(next) = state.queue.front() {
            if let Some(packet) = next.packet() {
                // An id comes round again after 65,535 messages; the last one of this id may still be open.
                let open = state.unacknowledged.iter().any(|f| f.packet == packet);
                if open || state.unacknowledged.len() >= state.window {
                    return None;
                }
            }
            let delivery = state.queue.pop_front()?;
            let expired = delivery.message.expired();
            if delivery.seq == 0 || expired {
                self.release(&mut state, &delivery, changes);
            }
            if !expired {
                return Some(delivery);
            }
        }
        None
    }

    /// Gives back the room of a message that is done.
    fn release(&self, state: &mut State, delivery: &Delivery, changes: &mut Vec<Change>) {
        // A session that was closed meanwhile has given back all.
        let size = delivery.message.size().min(state.bytes);
        state.bytes -= size;
        self.budget.give_back(size);
        if delivery.kept {
            state.kept.remove(&delivery.seq);
            changes.push(Change::Done { session: self.number, seq: delivery.seq });
        }
    }

    /// Whether a command waits here, or was sent and not acknowledged.
    pub(super) fn holds(&self, command: Uuid) -> bool {
        let state = self.state();
        let mut all = state.queue.iter().chain(state.unacknowledged.iter().map(|f| &f.delivery));
        all.any(|d| d.message.receipt.as_ref().is_some_and(|r| r.command == command))
    }

    /// Says for whom its client listens.
    pub(super) fn set_ear(&self, ear: Ear) {
        self.state().ear = Some(ear);
    }

    /// For whom its client listens.
    pub(super) fn ear(&self) -> Ear {
        self.state().ear.unwrap_or(Ear::None)
    }

    /// Remembers a message of QoS 1 or 2 that was sent.
    pub(super) fn sent(&self, packet: u16, delivery: Delivery) {
        if let Some(receipt) = &delivery.message.receipt {
            receipt.sent();
        }
        self.state().unacknowledged.push_back(Flight { packet, delivery, released: false });
    }

    /// The client acknowledged; what is to be kept comes back.
    pub(super) fn acknowledged(&self, packet: u16) -> Vec<Change> {
        self.end(packet, true)
    }

    /// The message could not be sent, or its receiver does not want it; what is to be kept comes back.
    pub(super) fn given_up(&self, packet: u16) -> Vec<Change> {
        self.end(packet, false)
    }

    fn end(&self, packet: u16, acknowledged: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut state = self.state();
        if let Some(at) = state.unacknowledged.iter().position(|f| f.packet == packet)
            && let Some(flight) = state.unacknowledged.remove(at)
        {
            self.release(&mut state, &flight.delivery, &mut changes);
            drop(state);
            if let Some(receipt) = flight.delivery.message.receipt.as_ref().filter(|_| acknowledged) {
                receipt.acknowledged();
            }
        }
        changes
    }

    /// The client has a message of QoS 2: only PUBREL may follow. What must be durable before that comes back.
    pub(super) fn recorded(&self, packet: u16) -> Option<Change> {
        let mut state = self.state();
        let flight = state.unacknowledged.iter_mut().find(|f| f.packet == packet)?;
        flight.released = true;
        let (seq, kept) = (flight.delivery.seq, flight.delivery.kept);
        if let Some(released) = state.kept.get_mut(&seq) {
            *released = true;
        }
        kept.then_some(Change::Released { session: self.number, seq })
    }

    /// Whether a kept message is still open, and then whether it is released.
    pub(super) fn is_kept(&self, seq: u64) -> Option<bool> {
        self.state().kept.get(&seq).copied()
    }

    /// What must be sent again after a reconnection, in order. What exceeds the new window waits like a new message.
    pub(super) fn resume(&self) -> Vec<Flight> {
        let mut state = self.state();
        while state.unacknowledged.len() > state.window
            && state.unacknowledged.back().is_some_and(|f| !f.released)
            && let Some(mut flight) = state.unacknowledged.pop_back()
        {
            flight.delivery.again = true;
            state.queue.push_front(flight.delivery);
        }
        state.unacknowledged.iter().cloned().collect()
    }

    /// Takes out what came by shared subscriptions and may go to other members: what was not sent, and what was sent at
    /// QoS 1. A message of QoS 2 that was sent stays (5.0, 4.8.2: it must not go to another client).
    pub(super) fn shared(&self, changes: &mut Vec<Change>) -> Vec<Delivery> {
        let mut state = self.state();
        let (mut out, mut queue, mut flights) = (Vec::new(), VecDeque::new(), VecDeque::new());
        for flight in std::mem::take(&mut state.unacknowledged) {
            match &flight.delivery {
                d if d.group.is_some() && d.qos == Qos::AtLeastOnce => out.push(flight.delivery),
                _ => flights.push_back(flight),
            }
        }
        for delivery in std::mem::take(&mut state.queue) {
            if delivery.group.is_some() { out.push(delivery) } else { queue.push_back(delivery) }
        }
        (state.queue, state.unacknowledged) = (queue, flights);
        for delivery in &out {
            self.release(&mut state, delivery, changes);
        }
        out
    }

    /// Notes that a message of QoS 2 is stored and its first half to be acknowledged; what must be durable before that
    /// comes back.
    pub(super) fn received(&self, packet: u16) -> Vec<Change> {
        let mut state = self.state();
        state.received.insert(packet);
        let mut changes = self.open(&mut state);
        if state.stored {
            changes.push(Change::Took { session: self.number, packet });
        }
        changes
    }

    /// The client released a message of QoS 2; whether it was known, and what must be durable before that is said.
    pub(super) fn released(&self, packet: u16) -> (bool, Option<Change>) {
        let mut state = self.state();
        let known = state.received.remove(&packet);
        (known, (known && state.stored).then_some(Change::Freed { session: self.number, packet }))
    }

    /// Puts back a packet id of QoS 2 that a former run took in.
    pub(super) fn restore_received(&self, packet: u16) {
        self.state().received.insert(packet);
    }

    /// Packet ids of QoS 2 not yet released.
    pub(super) fn unreleased(&self) -> Vec<u16> {
        self.state().received.iter().copied().collect()
    }

    /// Notes a filter with how it is kept; `None` when it has too many, else whether it is new and what must be durable
    /// before the subscription is acknowledged.
    pub(super) fn add_filter(&self, filter: &str, options: i64, id: Option<u32>) -> Option<(bool, Vec<Change>)> {
        let mut state = self.state();
        if state.filters.len() >= MAX_FILTERS && !state.filters.contains_key(filter) {
            return None;
        }
        let change = Change::Filter { session: self.number, filter: filter.to_string(), options, id };
        let fresh = state.filters.insert(filter.to_string(), change.clone()).is_none();
        let mut changes = self.open(&mut state);
        if state.stored {
            changes.push(change);
        }
        Some((fresh, changes))
    }

    /// Forgets a filter; whether it was there, and what must be durable before that is said.
    pub(super) fn remove_filter(&self, filter: &str) -> (bool, Option<Change>) {
        let mut state = self.state();
        let known = state.filters.remove(filter).is_some();
        (known, (known && state.stored).then(|| Change::Unfilter { session: self.number, filter: filter.to_string() }))
    }

    /// All filters.
    pub(super) fn filters(&self) -> Vec<String> {
        self.state().filters.keys().cloned().collect()
    }
}
