//! The MQTT broker: versions 3.1.1 and 5, on a sans-I/O protocol crate.
//!
//! What ready-made brokers cannot do: a message with readings is acknowledged only after they are durable. Many
//! messages of a connection are being stored at a time; acknowledgements leave in the order of arrival. When too many
//! are under way the socket is not read, so that overload reaches the sender and never memory.
//!
//! Sessions live in memory and outlive their connections, not the process; retained messages of QoS 1 are durable.

mod commanding;
mod link;
mod packets;
mod principal;
mod sensing;
mod session;
pub mod topics;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use dothi_kernel::{Caller, Error, Kind, Result};
use futures::FutureExt;
use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, SubackReasonCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Context;
use crate::devices::{Accepted, Devices, Incoming, Refusal, Sink};
use crate::tables_devices;
use principal::{Principal, Route};
use session::{Attachment, Delivery, MAX_FILTERS, Message, Offer, Session};
use topics::Tree;

/// Says which program a bearer token belongs to. `access` is behind it.
#[async_trait]
pub trait Programs: Send + Sync {
    /// The caller of a token, or 401.
    async fn caller(&self, token: &str, address: IpAddr) -> Result<Caller>;
}

/// Bounds of the broker.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of one packet.
    pub packet: u32,
    /// Messages of one connection that are being stored at a time.
    pub in_flight: u16,
    /// Sessions of one device, connected or waiting.
    pub device_sessions: usize,
    /// Sessions of one program.
    pub program_sessions: usize,
    /// Longest time that a session waits for its client.
    pub session_expiry: Duration,
    /// Time for the first packet.
    pub hello: Duration,
    /// Time in which a client must take what is written to it.
    pub write: Duration,
    /// Retained messages.
    pub retained: usize,
    /// How often a program's token is looked at again.
    pub recheck: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            packet: 256 * 1024,
            in_flight: 256,
            device_sessions: 8,
            program_sessions: 1_000,
            session_expiry: Duration::from_secs(86_400),
            hello: Duration::from_secs(10),
            write: Duration::from_secs(20),
            retained: 10_000,
            recheck: Duration::from_secs(300),
        }
    }
}

/// How the broker is run.
#[derive(Clone, Default)]
pub struct Options {
    /// Lets programs in by bearer token (as the password); without it only devices come in.
    pub programs: Option<Arc<dyn Programs>>,
    /// Callers on loopback that show no credentials are administrators. For trying out.
    pub trust_loopback: bool,
    /// Bounds.
    pub limits: Limits,
    /// Counters; keep a copy for the metrics page.
    pub stats: Arc<MqttStats>,
}

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of the broker. All but the first two only grow.
        #[derive(Debug, Default)]
        pub struct MqttStats { $($(#[$doc])* pub $name: AtomicU64,)* }

        impl MqttStats {
            /// Names and values, for the metrics page.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

stats! {
    /// Open connections.
    connections,
    /// Sessions, connected or waiting.
    sessions,
    /// Connections accepted so far.
    accepted,
    /// Connections turned away: credentials, limits, faulty first packet.
    turned_away,
    /// Messages received.
    received,
    /// Messages whose readings were stored.
    stored,
    /// Readings stored.
    readings,
    /// Repetitions recognised and not stored again.
    duplicates,
    /// Messages whose payload could not be used (dead letters).
    malformed,
    /// Messages under topics that the sender may not use.
    not_allowed,
    /// Messages under topics, or of devices, that nobody knows.
    unknown,
    /// Messages not stored for a fault of ours; their connections were closed so that they come again.
    failed,
    /// Messages sent to subscribers.
    delivered,
    /// Messages dropped because a subscriber was too slow or away.
    dropped,
    /// Connections closed for breaking the protocol.
    protocol_errors,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Durable, or nothing to keep: pass it on and acknowledge.
    Done,
    /// Durable; subscribers are told of it in another form: acknowledge.
    Kept,
    /// Known already: acknowledge.
    Duplicate,
    /// Of no use, for good.
    Refused(Refusal),
    /// Our fault: do not acknowledge.
    Failed,
}

#[derive(Debug)]
struct Subscription {
    session: Arc<Session>,
    qos: Qos,
    keep_retain: bool,
    not_own: bool,
    /// Of topics of SensorThings by name: a wildcard above them does not mean them.
    sensing: bool,
    /// Whether commands reach their device through it.
    ear: commanding::Ear,
}

/// One filter of a subscription request.
struct Wish<'a> {
    filter: &'a str,
    qos: Qos,
    keep_retain: bool,
    not_own: bool,
    /// Whether retained messages are wanted, told whether the filter is new.
    retained: fn(bool) -> bool,
}

type Sessions = HashMap<Arc<str>, HashMap<String, Arc<Session>>>;

struct Broker {
    devices: Arc<Devices>,
    sink: Arc<dyn Sink>,
    options: Options,
    sessions: Mutex<Sessions>,
    numbers: AtomicU64,
    subscriptions: RwLock<Tree<u64, Subscription>>,
    retained: tokio::sync::Mutex<HashMap<Arc<str>, Arc<Message>>>,
}

/// Runs the broker of the city model until `shutdown`.
pub async fn serve(context: Arc<Context>, listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<()> {
    run(context.devices().clone(), context, listener, options, shutdown).await
}

/// Takes connections until `shutdown`. Readings go to `sink`; when this returns, all that was acknowledged is durable
/// and how the devices are doing is journaled.
pub async fn run(devices: Arc<Devices>, sink: Arc<dyn Sink>, listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<()> {
    let broker = Arc::new(Broker {
        retained: tokio::sync::Mutex::new(load_retained(&devices).await?),
        devices,
        sink,
        options,
        sessions: Mutex::default(),
        numbers: AtomicU64::new(1),
        subscriptions: RwLock::default(),
    });
    let telling = [tokio::spawn(sensing::tell(broker.clone())), tokio::spawn(commanding::run(broker.clone()))].map(|task| task.abort_handle());
    let links = TaskTracker::new();
    let mut housekeeping = tokio::time::interval(Duration::from_secs(10));
    loop {
        let connection = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = housekeeping.tick() => {
                broker.housekeeping().await;
                continue;
            }
            connection = listener.accept() => connection,
        };
        let (stream, peer) = match connection {
            Ok(connection) => connection,
            Err(e) => {
                // Out of file descriptors, most likely: others must go before more can come.
                tracing::warn!(error = %e, "accepting an MQTT connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let stats = &broker.options.stats;
        if stats.connections.load(Ordering::Relaxed) >= broker.options.limits.connections as u64 {
            add(&stats.turned_away, 1);
            continue;
        }
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!(error = %e, "setting TCP_NODELAY failed");
        }
        add(&stats.accepted, 1);
        add(&stats.connections, 1);
        let (broker, shutdown) = (broker.clone(), shutdown.clone());
        links.spawn(async move {
            link::serve(broker.clone(), stream, peer.ip(), shutdown).await;
            broker.options.stats.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
    telling.iter().for_each(tokio::task::AbortHandle::abort);
    links.close();
    if tokio::time::timeout(Duration::from_secs(20), links.wait()).await.is_err() {
        tracing::warn!(left = links.len(), "MQTT connections did not end in time");
    }
    broker.devices.flush().await.map(|_| ())
}

async fn load_retained(devices: &Devices) -> Result<HashMap<Arc<str>, Arc<Message>>> {
    let rows = tables_devices::retained(devices.store()).await?;
    let mut retained = HashMap::new();
    for row in rows {
        let data: Arc<[u8]> = row.bytes("payload")?.into();
        let length = data.len();
        let message = Message::new(&row.text("topic")?, ArcPayload::new(data, 0, length), Qos::AtLeastOnce, true, Vec::new());
        retained.insert(message.topic.clone(), Arc::new(message));
    }
    Ok(retained)
}

impl Broker {
    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds or makes the session of a client. `None` when the owner has too many.
    fn attach(&self, owner: &Arc<str>, client: &str, clean: bool, expiry: Duration, most: usize) -> Option<(Arc<Session>, Arc<Attachment>, bool)> {
        let attachment = Arc::new(Attachment::default());
        let mut sessions = self.sessions();
        let owned = sessions.entry(owner.clone()).or_default();
        if let Some(old) = owned.get(client).cloned() {
            if !clean && !old.is_over() {
                old.attach(attachment.clone(), expiry);
                return Some((old, attachment, true));
            }
            owned.remove(client);
            self.forget(&old);
        } else if owned.len() >= most {
            return None;
        }
        let session = Arc::new(Session::new(self.numbers.fetch_add(1, Ordering::Relaxed)));
        session.attach(attachment.clone(), expiry);
        owned.insert(client.to_string(), session.clone());
        add(&self.options.stats.sessions, 1);
        Some((session, attachment, false))
    }

    /// Ends a session that is no longer in the table.
    fn forget(&self, session: &Session) {
        session.close();
        let mut tree = self.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        for filter in session.filters() {
            tree.remove(&filter, &session.number);
        }
        self.options.stats.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Removes a client's session if it is over.
    fn drop_if_over(&self, owner: &Arc<str>, client: &str) {
        let mut sessions = self.sessions();
        let Some(owned) = sessions.get_mut(owner) else { return };
        if owned.get(client).is_some_and(|s| s.is_over())
            && let Some(session) = owned.remove(client)
        {
            self.forget(&session);
        }
        if owned.is_empty() {
            sessions.remove(owner);
        }
    }

    async fn housekeeping(&self) {
        let over: Vec<(Arc<str>, String)> = {
            let sessions = self.sessions();
            let all = sessions.iter().flat_map(|(owner, owned)| owned.iter().map(move |(client, session)| (owner, client, session)));
            all.filter(|(_, _, session)| session.is_over()).map(|(owner, client, _)| (owner.clone(), client.clone())).collect()
        };
        for (owner, client) in over {
            self.drop_if_over(&owner, &client);
        }
        self.retained.lock().await.retain(|_, message| !message.expired());
        if let Err(e) = self.devices.flush().await {
            tracing::warn!(error = %e, "journaling the devices' state failed");
        }
    }

    /// Who shows these credentials. `None` when they are wrong.
    async fn identify(&self, user: Option<&str>, password: Option<&[u8]>, address: IpAddr) -> Option<Principal> {
        let Some(password) = password else {
            let trusted = user.is_none() && self.options.trust_loopback && address.is_loopback();
            return trusted.then(|| Principal::Program { caller: Caller::system("loopback", self.devices.clock()), token: None });
        };
        if let Some(entry) = user.and_then(|id| self.devices.authenticate(id, password)) {
            return Some(Principal::Device(entry));
        }
        let token = std::str::from_utf8(password).ok().filter(|t| !t.is_empty() && t.len() <= 1_024)?;
        let caller = self.options.programs.as_ref()?.caller(token, address).await.ok()?;
        Some(Principal::Program { caller, token: Some(token.into()) })
    }

    /// Whether a program's token still holds.
    async fn still_holds(&self, principal: &Principal, address: IpAddr) -> bool {
        match (principal, &self.options.programs) {
            (Principal::Program { token: Some(token), .. }, Some(programs)) => {
                // Only a clear "no" ends the connection; an unreachable store does not.
                !matches!(programs.caller(token, address).await, Err(e) if matches!(e.kind(), Kind::Unauthenticated | Kind::Forbidden))
            }
            _ => true,
        }
    }

    /// Stores the readings of a message.
    async fn store(&self, principal: &Principal, route: Route, message: &Message, sending: Option<(&str, u16)>, repeated: bool, address: IpAddr) -> Outcome {
        let entry = match route {
            Route::Relay => return Outcome::Done,
            Route::Observation => return self.observe(&principal.caller(&self.devices, address), message).await,
            Route::Answer(entry) => return self.answer(&entry, message).await,
            Route::Up(entry) => entry,
            Route::Named(decoder) => {
                let ids = match self.devices.ids_in(&decoder, message.payload.as_slice()) {
                    Ok(ids) => ids,
                    Err(fault) => return self.refused(fault.into()),
                };
                match ids.iter().find_map(|id| self.devices.entry(id)) {
                    Some(entry) => entry,
                    None => return self.refused(Refusal::Unknown),
                }
            }
        };
        let topic = Some(&*message.topic).filter(|t| !t.starts_with("dev/"));
        let incoming = Incoming { payload: message.payload.as_slice(), sending, repeated, message: None, topic, brief: true };
        let caller = principal.caller(&self.devices, address);
        // A panic in a decoder must not take the connection with it.
        let accepted = std::panic::AssertUnwindSafe(self.devices.accept(self.sink.as_ref(), &caller, &entry, incoming)).catch_unwind().await;
        let stats = &self.options.stats;
        match accepted.unwrap_or_else(|_| Err(Error::internal("storing a message", "panic"))) {
            Ok(Ok(Accepted::Stored(count))) => {
                add(&stats.stored, 1);
                add(&stats.readings, count as u64);
                Outcome::Done
            }
            Ok(Ok(Accepted::Duplicate)) => {
                add(&stats.duplicates, 1);
                Outcome::Duplicate
            }
            Ok(Ok(Accepted::Noted)) => Outcome::Done,
            Ok(Err(refusal)) => self.refused(refusal),
            Err(e) => {
                add(&stats.failed, 1);
                tracing::warn!(error = %e, device = &*entry.id, "storing a message failed");
                Outcome::Failed
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Outcome {
        let stats = &self.options.stats;
        add(
            match refusal {
                Refusal::Payload(_) => &stats.malformed,
                Refusal::NotAllowed => &stats.not_allowed,
                Refusal::Unknown => &stats.unknown,
            },
            1,
        );
        Outcome::Refused(refusal)
    }

    /// Keeps or removes the retained message of a topic. `durable` for what must outlive the process.
    async fn retain(&self, message: &Arc<Message>, durable: bool) -> Result<()> {
        // Held while writing, so that memory and disk change in the same order.
        let mut retained = self.retained.lock().await;
        let gone = message.payload.is_empty();
        if !gone && retained.len() >= self.options.limits.retained && !retained.contains_key(&message.topic) {
            return Err(Error::too_many("mqtt.retained-full", "Too many retained messages."));
        }
        if durable || (gone && retained.contains_key(&message.topic)) {
            let store = self.devices.store();
            let mut tx = store.begin(&Caller::system("mqtt", self.devices.clock())).await?;
            if gone {
                tables_devices::drop_retained(&mut tx, &message.topic).await?;
            } else {
                tables_devices::put_retained(&mut tx, &message.topic, message.payload.as_slice(), message.qos as u8).await?;
            }
            tx.commit().await?;
        }
        if gone {
            retained.remove(&message.topic);
        } else {
            retained.insert(message.topic.clone(), message.clone());
        }
        Ok(())
    }

    /// Passes a message on to all who subscribed to it.
    fn deliver(&self, message: &Arc<Message>, from: u64) {
        let tree = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        if tree.is_empty() {
            return;
        }
        // A session whose filters overlap gets one copy, at the highest QoS among them.
        let mut wanted: HashMap<u64, (Arc<Session>, Qos, bool)> = HashMap::new();
        tree.find(&message.topic, &mut |number, subscription| {
            if subscription.not_own && *number == from {
                return;
            }
            let qos = if (subscription.qos as u8) < (message.qos as u8) { subscription.qos } else { message.qos };
            let found = wanted.entry(*number).or_insert_with(|| (subscription.session.clone(), qos, false));
            if (found.1 as u8) < (qos as u8) {
                found.1 = qos;
            }
            found.2 |= subscription.keep_retain && message.retain;
        });
        drop(tree);
        for (session, qos, retain) in wanted.into_values() {
            self.offer(&session, Delivery { message: message.clone(), qos, retain });
        }
    }

    fn offer(&self, session: &Session, delivery: Delivery) {
        match session.offer(delivery) {
            Offer::Queued => {}
            Offer::Dropped => add(&self.options.stats.dropped, 1),
            Offer::Overflow => {
                add(&self.options.stats.dropped, 1);
                // A connected client that does not keep up is sent away; it learns so, instead of missing messages.
                session.kick(DisconnectReasonCode::QuotaExceeded);
            }
        }
    }

    /// Adds one filter; retained messages follow at once.
    async fn subscribe(&self, principal: &Principal, session: &Arc<Session>, wish: Wish<'_>) -> SubackReasonCode {
        if wish.filter.starts_with("$share/") {
            return SubackReasonCode::SharedSubscriptionsNotSupported;
        }
        if !topics::valid_filter(wish.filter) {
            return SubackReasonCode::TopicFilterInvalid;
        }
        if !principal.may_subscribe(wish.filter) {
            add(&self.options.stats.not_allowed, 1);
            return SubackReasonCode::NotAuthorized;
        }
        self.watch(wish.filter);
        let Some(fresh) = session.add_filter(wish.filter) else {
            tracing::debug!(most = MAX_FILTERS, "too many filters");
            return SubackReasonCode::QuotaExceeded;
        };
        let qos = if wish.qos == Qos::AtMostOnce { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        let sensing = wish.filter.starts_with(sensing::PREFIX);
        let ear = principal.ear(qos);
        let subscription = Subscription { session: session.clone(), qos, keep_retain: wish.keep_retain, not_own: wish.not_own, sensing, ear };
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).insert(wish.filter, session.number, subscription);
        if session.is_gone() {
            self.unsubscribe(session, wish.filter);
        }
        self.look(principal, ear, wish.filter);
        if (wish.retained)(fresh) {
            let retained = self.retained.lock().await;
            for message in retained.values().filter(|m| topics::matches(wish.filter, &m.topic) && !m.expired()) {
                let least = if (qos as u8) < (message.qos as u8) { qos } else { message.qos };
                self.offer(session, Delivery { message: message.clone(), qos: least, retain: true });
            }
        }
        if qos == Qos::AtMostOnce { SubackReasonCode::GrantedQos0 } else { SubackReasonCode::GrantedQos1 }
    }

    /// Removes one filter; true when it was there.
    fn unsubscribe(&self, session: &Session, filter: &str) -> bool {
        let known = session.remove_filter(filter);
        if known {
            self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).remove(filter, &session.number);
        }
        known
    }
}
