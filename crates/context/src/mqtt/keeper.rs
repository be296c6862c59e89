//! Makes durable what sessions keep: subscriptions, waiting messages, packet ids of QoS 2. Changes of all sessions go in
//! common transactions. Who must not speak before a change is durable waits for it ([`Keeper::keep`]): the answer to a
//! publisher, SUBACK, PUBREL, PUBCOMP. What may be lost in a crash without harm (an acknowledged message that comes once
//! more, marked) does not wait ([`Keeper::note`]).

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Error, Result};
use dothi_store::Store;
use tokio::sync::{mpsc, oneshot};

use super::session::{Delivery, Session};
use crate::tables_mqtt as tables;

/// Orders that wait to be written; more make those wait who give them.
const ORDERS: usize = 1_024;
/// Orders of one transaction.
const BATCH: usize = 512;

/// A change of what a session keeps.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// It is stored from now on.
    Open { session: u64, owner: Arc<str>, client: Arc<str>, expiry: Duration },
    /// Its client came or went.
    Life { session: u64, expiry: Duration, away: bool },
    /// It ended.
    End { session: u64 },
    /// It has a filter.
    Filter { session: u64, filter: String, options: i64, id: Option<u32> },
    /// It has a filter no longer.
    Unfilter { session: u64, filter: String },
    /// A message waits in it.
    Queue { session: Arc<Session>, delivery: Delivery },
    /// The client has a message of QoS 2.
    Released { session: u64, seq: u64 },
    /// A message is done.
    Done { session: u64, seq: u64 },
    /// A packet id of QoS 2 was taken in.
    Took { session: u64, packet: u16 },
    /// A packet id of QoS 2 was released.
    Freed { session: u64, packet: u16 },
}

struct Order {
    changes: Vec<Change>,
    answer: Option<oneshot::Sender<bool>>,
}

/// Takes changes. A task writes them.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    orders: mpsc::Sender<Order>,
}

impl Keeper {
    /// Starts the task that writes.
    pub(super) fn start(store: Store) -> Self {
        let (orders, news) = mpsc::channel(ORDERS);
        tokio::spawn(write(store, news));
        Self { orders }
    }

    /// Hands changes over; nobody waits for them.
    pub(super) async fn note(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            // The task ends with the process only.
            let _ended = self.orders.send(Order { changes, answer: None }).await;
        }
    }

    /// Hands changes over; the answer tells when they are durable (false: they could not be stored).
    pub(super) async fn keep(&self, changes: Vec<Change>) -> oneshot::Receiver<bool> {
        let (answer, answered) = oneshot::channel();
        let _ended = self.orders.send(Order { changes, answer: Some(answer) }).await;
        answered
    }

    /// Waits until changes are durable.
    pub(super) async fn done(&self, changes: Vec<Change>) -> bool {
        changes.is_empty() || self.keep(changes).await.await.unwrap_or(false)
    }

    /// Waits until all that was handed over before is written.
    pub(super) async fn flush(&self) {
        let _written = self.keep(Vec::new()).await.await;
    }
}

async fn write(store: Store, mut news: mpsc::Receiver<Order>) {
    let mut orders = Vec::with_capacity(BATCH);
    while news.recv_many(&mut orders, BATCH).await > 0 {
        let (mut changes, mut answers) = (Vec::new(), Vec::new());
        for order in orders.drain(..) {
            changes.extend(order.changes);
            answers.extend(order.answer);
        }
        let done = if changes.is_empty() { Ok(()) } else { apply(&store, changes).await };
        if let Err(e) = &done {
            tracing::warn!(error = %e, "storing what MQTT sessions keep failed");
        }
        for answer in answers {
            // Who asked may have gone.
            let _gone = answer.send(done.is_ok());
        }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

async fn apply(store: &Store, changes: Vec<Change>) -> Result<()> {
    let now = store.clock().now().as_microsecond();
    let mut tx = store.begin_as("mqtt").await?;
    let (mut queued, mut released, mut done) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            Change::Open { session, owner, client, expiry } => tables::open(&mut tx, number(session), &owner, &client, number(expiry.as_secs())).await?,
            Change::Life { session, expiry, away } => tables::life(&mut tx, number(session), number(expiry.as_secs()), away.then_some(now)).await?,
            Change::End { session } => tables::end(&mut tx, number(session)).await?,
            Change::Filter { session, filter, options, id } => tables::put_filter(&mut tx, number(session), &filter, options, id).await?,
            Change::Unfilter { session, filter } => tables::drop_filter(&mut tx, number(session), &filter).await?,
            Change::Took { session, packet } => tables::took(&mut tx, number(session), packet).await?,
            Change::Freed { session, packet } => tables::freed(&mut tx, number(session), packet).await?,
            Change::Queue { session, delivery } => {
                // It may be acknowledged already; then nothing has to be kept.
                if let Some(released) = session.is_kept(delivery.seq) {
                    queued.push(row(session.number, &delivery, released, now));
                }
            }
            Change::Released { session, seq } => released.push((number(session), number(seq))),
            Change::Done { session, seq } => done.push((number(session), number(seq))),
        }
    }
    tables::queue(&mut tx, queued).await?;
    tables::release(&mut tx, &released).await?;
    tables::done(&mut tx, &done).await?;
    tx.commit().await.map_err(|e| Error::unavailable("mqtt.store", "What MQTT sessions keep could not be stored.").because(e))
}

/// When something that is of use for so long stops to be, µs.
pub(super) fn expiry(now: i64, left: Duration) -> i64 {
    now.saturating_add(i64::try_from(left.as_micros()).unwrap_or(i64::MAX))
}

fn row(session: u64, delivery: &Delivery, released: bool, now: i64) -> tables::Queued {
    let message = &delivery.message;
    let ids: Vec<String> = delivery.ids.iter().map(u32::to_string).collect();
    tables::Queued {
        session: number(session),
        seq: number(delivery.seq),
        topic: message.topic.to_string(),
        payload: message.payload.as_slice().to_vec(),
        props: super::packets::pack(&message.props),
        qos: delivery.qos as u8,
        retain: delivery.retain,
        ids: ids.join(","),
        shared: delivery.group.as_ref().map(|g| g.filter.to_string()),
        expires: message.left().map(|left| expiry(now, left)),
        released,
    }
}
