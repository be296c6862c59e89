//! What a client keeps between connections: its filters, the messages waiting for it, and those it has not
//! acknowledged. Everything is bounded; what does not fit is dropped and counted.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::{Properties, Property, Qos};
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::commanding::Receipt;

/// Messages that wait for one client.
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

    pub(super) fn seconds_left(&self) -> Option<u32> {
        let left = self.expires?.saturating_duration_since(Instant::now()).as_secs();
        Some(u32::try_from(left).unwrap_or(u32::MAX))
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
}

/// What became of an offered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It waits.
    Queued,
    /// It was dropped, as QoS 0 may be.
    Dropped,
    /// There was no room for a message that must arrive.
    Overflow,
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

#[derive(Debug, Default)]
struct State {
    attached: Option<Arc<Attachment>>,
    detached_at: Option<Instant>,
    expiry: Duration,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    unacknowledged: VecDeque<(u16, Delivery)>,
    received: HashSet<u16>,
    filters: HashSet<String>,
    gone: bool,
}

/// A client's session.
#[derive(Debug)]
pub(super) struct Session {
    /// Number that no other session of this process has.
    pub number: u64,
    /// Wakes the connection when something waits.
    pub wake: Notify,
    state: Mutex<State>,
}

impl Session {
    pub(super) fn new(number: u64) -> Self {
        Self { number, wake: Notify::new(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `connection` the present one; ends the one before.
    pub(super) fn attach(&self, connection: Arc<Attachment>, expiry: Duration) {
        let mut state = self.state();
        state.expiry = expiry;
        state.detached_at = None;
        if let Some(old) = state.attached.replace(connection) {
            old.kick(DisconnectReasonCode::SessionTakenOver);
        }
    }

    /// The connection ended. True when it was the present one.
    pub(super) fn detach(&self, connection: &Arc<Attachment>) -> bool {
        let mut state = self.state();
        if !state.attached.as_ref().is_some_and(|a| Arc::ptr_eq(a, connection)) {
            return false;
        }
        state.attached = None;
        state.detached_at = Some(Instant::now());
        true
    }

    /// Ends the present connection, if any.
    pub(super) fn kick(&self, reason: DisconnectReasonCode) {
        if let Some(connection) = &self.state().attached {
            connection.kick(reason);
        }
    }

    /// Ends it for good: its connection, if any, is sent away.
    pub(super) fn close(&self) {
        self.state().gone = true;
        self.kick(DisconnectReasonCode::SessionTakenOver);
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

    /// Whether a connection other than `connection` is the present one.
    pub(super) fn is_taken_from(&self, connection: &Arc<Attachment>) -> bool {
        self.state().attached.as_ref().is_some_and(|a| !Arc::ptr_eq(a, connection))
    }

    /// Puts a message into the queue.
    pub(super) fn offer(&self, delivery: Delivery) -> Offer {
        let mut state = self.state();
        let sure = delivery.qos != Qos::AtMostOnce;
        if state.attached.is_none() && !sure {
            return Offer::Dropped;
        }
        let size = delivery.message.size();
        if state.queue.len() >= MAX_QUEUE || state.queued_bytes + size > MAX_QUEUE_BYTES {
            return if sure { Offer::Overflow } else { Offer::Dropped };
        }
        state.queued_bytes += size;
        state.queue.push_back(delivery);
        drop(state);
        self.wake.notify_one();
        Offer::Queued
    }

    /// Takes the next message for `connection`; QoS 1 only while `window` lets more be unacknowledged.
    pub(super) fn take(&self, connection: &Arc<Attachment>, window: usize) -> Option<Delivery> {
        let mut state = self.state();
        if !state.attached.as_ref().is_some_and(|a| Arc::ptr_eq(a, connection)) {
            return None;
        }
        while let Some(next) = state.queue.front() {
            if next.qos != Qos::AtMostOnce && state.unacknowledged.len() >= window {
                return None;
            }
            let delivery = state.queue.pop_front()?;
            state.queued_bytes -= delivery.message.size();
            if !delivery.message.expired() {
                return Some(delivery);
            }
        }
        None
    }

    /// Whether a command waits here, or was sent and not acknowledged.
    pub(super) fn holds(&self, command: Uuid) -> bool {
        let state = self.state();
        let mut all = state.queue.iter().chain(state.unacknowledged.iter().map(|(_, d)| d));
        all.any(|d| d.message.receipt.as_ref().is_some_and(|r| r.command == command))
    }

    /// Whether a client is connected.
    pub(super) fn is_attached(&self) -> bool {
        self.state().attached.is_some()
    }

    /// Remembers a message of QoS 1 that was sent.
    pub(super) fn sent(&self, packet: u16, delivery: Delivery) {
        if let Some(receipt) = &delivery.message.receipt {
            receipt.sent();
        }
        self.state().unacknowledged.push_back((packet, delivery));
    }

    /// The client acknowledged.
    pub(super) fn acknowledged(&self, packet: u16) {
        let mut state = self.state();
        if let Some(at) = state.unacknowledged.iter().position(|(id, _)| *id == packet) {
            let receipt = state.unacknowledged.remove(at).and_then(|(_, d)| d.message.receipt.clone());
            drop(state);
            if let Some(receipt) = receipt {
                receipt.acknowledged();
            }
        }
    }

    /// What must be sent again after a reconnection, in order. What exceeds the new window waits like a new message.
    pub(super) fn resume(&self, window: usize) -> Vec<(u16, Delivery)> {
        let mut state = self.state();
        while state.unacknowledged.len() > window
            && let Some((_, delivery)) = state.unacknowledged.pop_back()
        {
            state.queued_bytes += delivery.message.size();
            state.queue.push_front(delivery);
        }
        state.unacknowledged.iter().cloned().collect()
    }

    /// Notes that a message of QoS 2 is stored and its first half acknowledged.
    pub(super) fn received(&self, packet: u16) {
        self.state().received.insert(packet);
    }

    /// The client released a message of QoS 2; true when it was known.
    pub(super) fn released(&self, packet: u16) -> bool {
        self.state().received.remove(&packet)
    }

    /// Packet ids of QoS 2 not yet released.
    pub(super) fn unreleased(&self) -> Vec<u16> {
        self.state().received.iter().copied().collect()
    }

    /// Notes a filter; `None` when it has too many, else whether it is new.
    pub(super) fn add_filter(&self, filter: &str) -> Option<bool> {
        let mut state = self.state();
        if state.filters.len() >= MAX_FILTERS && !state.filters.contains(filter) {
            return None;
        }
        Some(state.filters.insert(filter.to_string()))
    }

    /// Forgets a filter; true when it was there.
    pub(super) fn remove_filter(&self, filter: &str) -> bool {
        self.state().filters.remove(filter)
    }

    /// All filters.
    pub(super) fn filters(&self) -> Vec<String> {
        self.state().filters.iter().cloned().collect()
    }
}
