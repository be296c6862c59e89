//! Commands on their way to devices. They wait in their own table (`devices/commands.rs`), not in sessions: a command is
//! handed to a session once its client is there and listens, and again to the next one when it was not acknowledged.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::{MessageExpiryInterval, Properties, Property, Qos};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::principal::Principal;
use super::session::{Delivery, Message, Session};
use super::{Broker, Outcome, add, topics};
use crate::devices::commands::{Step, Waiting};
use crate::devices::{Accepted, Entry, Refusal};

/// Steps that wait to be noted. One that does not fit is noted with the next, or the command is sent once more.
const STEPS: usize = 10_000;
/// Steps noted in one transaction.
const BATCH: usize = 200;
/// How often all waiting commands are looked at, should a hint have been lost.
const LOOK: Duration = Duration::from_secs(30);

/// Whether commands reach their device through a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// It is the device's own.
    Own,
    /// A gateway or network server that may speak for devices.
    Gateway,
    /// It only looks on.
    None,
}

/// Tells how far a command got.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    /// The command.
    pub(super) command: Uuid,
    network: bool,
    steps: mpsc::Sender<(Uuid, Step)>,
}

impl Receipt {
    fn tell(&self, step: Step) {
        if self.steps.try_send((self.command, step)).is_err() {
            tracing::warn!(command = %self.command, "too many steps of commands wait to be noted");
        }
    }

    /// It is on the wire.
    pub(super) fn sent(&self) {
        if !self.network {
            self.tell(Step::Sent);
        }
    }

    /// The receiver acknowledged it. A network server is not the device.
    pub(super) fn acknowledged(&self) {
        self.tell(if self.network { Step::Sent } else { Step::Delivered });
    }
}

/// Hands out commands and notes how far they got, as long as the broker runs.
pub(super) async fn run(broker: Arc<Broker>) {
    let (steps, mut news) = mpsc::channel(STEPS);
    let mut again = tokio::time::interval(LOOK);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            devices = broker.devices.under_way().awaited() => {
                for device in devices {
                    broker.hand_out(&device, &steps);
                }
            }
            _ = news.recv_many(&mut batch, BATCH) => {
                if let Err(e) = broker.devices.note_steps(&batch).await {
                    tracing::warn!(error = %e, steps = batch.len(), "noting the way of commands failed");
                }
                batch.clear();
            }
            _ = again.tick() => broker.devices.under_way().look_where(|_| true),
        }
    }
}

impl Broker {
    /// A client listens to a filter from now on.
    pub(super) fn look(&self, principal: &Principal, ear: Ear, filter: &str) {
        match (ear, principal.entry()) {
            (Ear::Own, Some(entry)) => self.devices.under_way().look(&entry.id),
            (Ear::Gateway, _) => self.devices.under_way().look_where(|topic| topics::matches(filter, topic)),
            _ => {}
        }
    }

    /// A client is back, with what it listens to.
    pub(super) fn look_again(&self, principal: &Principal) {
        match principal.entry() {
            Some(entry) => self.devices.under_way().look(&entry.id),
            None if principal.ear(Qos::AtLeastOnce) == Ear::Gateway => self.devices.under_way().look_where(|_| true),
            None => {}
        }
    }

    /// Hands what waits for a device to whoever listens for it: the device itself, else a gateway.
    fn hand_out(&self, device: &Arc<str>, steps: &mpsc::Sender<(Uuid, Step)>) {
        let now = self.devices.clock().now();
        for waiting in self.devices.under_way().waiting(device, now) {
            let (mut own, mut gateways): (Vec<Arc<Session>>, Vec<Arc<Session>>) = (Vec::new(), Vec::new());
            let tree = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
            tree.find(&waiting.topic, &mut |_, subscription| match subscription.ear {
                Ear::Own => own.push(subscription.session.clone()),
                Ear::Gateway => gateways.push(subscription.session.clone()),
                Ear::None => {}
            });
            drop(tree);
            own.retain(|s| s.is_attached());
            gateways.retain(|s| s.is_attached());
            let mut sessions = if own.is_empty() { gateways } else { own };
            // Filters of one session may overlap.
            sessions.sort_by_key(|s| s.number);
            sessions.dedup_by_key(|s| s.number);
            sessions.retain(|s| !s.holds(waiting.id));
            if sessions.is_empty() {
                continue;
            }
            let message = Arc::new(told(&waiting, now.as_microsecond(), steps));
            for session in sessions {
                self.offer(&session, Delivery { message: message.clone(), qos: Qos::AtLeastOnce, retain: false });
            }
        }
    }

    /// Stores a device's answer.
    pub(super) async fn answer(&self, entry: &Entry, message: &Message) -> Outcome {
        match self.devices.answer(entry, message.payload.as_slice()).await {
            Ok(Ok(Accepted::Stored(_) | Accepted::Duplicate | Accepted::Noted)) => Outcome::Done,
            Ok(Err(refusal @ (Refusal::Payload(_) | Refusal::NotAllowed | Refusal::Unknown))) => self.refused(refusal),
            Err(e) => {
                add(&self.options.stats.failed, 1);
                tracing::warn!(error = %e, device = &*entry.id, "storing an answer failed");
                Outcome::Failed
            }
        }
    }
}

fn told(waiting: &Waiting, now: i64, steps: &mpsc::Sender<(Uuid, Step)>) -> Message {
    let left = (waiting.expires.as_microsecond() - now).max(0) / 1_000_000;
    let props: Properties = MessageExpiryInterval::new(u32::try_from(left).unwrap_or(u32::MAX)).map(Property::MessageExpiryInterval).into_iter().collect();
    let length = waiting.payload.len();
    let payload = ArcPayload::new(waiting.payload.clone(), 0, length);
    let mut message = Message::new(&waiting.topic, payload, Qos::AtLeastOnce, false, props);
    message.receipt = Some(Receipt { command: waiting.id, network: waiting.network, steps: steps.clone() });
    message
}
