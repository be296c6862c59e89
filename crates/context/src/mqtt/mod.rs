//! The MQTT broker: versions 3.1.1 and 5, on a sans-I/O protocol crate.
//!
//! What ready-made brokers cannot do: a message with readings is acknowledged only after they are durable. Many
//! messages of a connection are being stored at a time; acknowledgements leave in the order of arrival. When too many
//! are under way the socket is not read, so that overload reaches the sender and never memory.
//!
//! Sessions live in memory. Those that outlive their connections are stored, too: what a client subscribed to, what waits
//! for it at QoS 1 and 2, and what it was sent outlive the process (`session`, `keeper`). Retained messages of QoS 1 are
//! durable.

mod commanding;
mod doors;
mod keeper;
mod link;
mod packets;
mod principal;
mod restoring;
mod sensing;
mod session;
mod sharing;
pub mod topics;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use dothi_kernel::{Caller, Error, Kind, Result};
use futures::FutureExt;
use mqtt_protocol_core::mqtt::packet::Qos;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, SubackReasonCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Context;
use crate::devices::{Accepted, Devices, Incoming, Refusal, Sink};
use crate::tables_devices;
use doors::Peer;
use keeper::{Change, Keeper};
use principal::{Principal, Route};
use session::{Attachment, Budget, Delivery, MAX_FILTERS, Message, Offer, Readiness, Session};
use sharing::{Group, Member};
use topics::Tree;

pub use doors::{Tls, serve_web};

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
    /// Bytes of messages that wait in all sessions together.
    pub waiting: u64,
    /// Longest silence of a client of version 5, in seconds; one that asks for more is told so.
    pub keep_alive_s: u16,
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
            waiting: 256 << 20,
            keep_alive_s: 3_600,
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

/// The lesser of two.
fn lesser(a: Qos, b: Qos) -> Qos {
    if (a as u8) < (b as u8) { a } else { b }
}

#[derive(Debug)]
struct Subscription {
    session: Arc<Session>,
    qos: Qos,
    keep_retain: bool,
    not_own: bool,
    /// The identifier that its client gave it (version 5).
    id: Option<u32>,
    /// Of topics of SensorThings by name: a wildcard above them does not mean them.
    sensing: bool,
}

/// One filter of a subscription request.
struct Wish<'a> {
    filter: &'a str,
    qos: Qos,
    keep_retain: bool,
    not_own: bool,
    id: Option<u32>,
    /// Whether retained messages are wanted, told whether the filter is new.
    retained: fn(bool) -> bool,
}

impl Wish<'_> {
    /// As it is stored.
    fn options(&self) -> i64 {
        i64::from(self.qos as u8) | i64::from(self.keep_retain) << 2 | i64::from(self.not_own) << 3
    }
}

/// What came of finding a client's session.
struct Attached {
    session: Arc<Session>,
    attachment: Arc<Attachment>,
    /// It was there before.
    present: bool,
    /// What must be durable before the client is told.
    changes: Vec<Change>,
}

type Sessions = HashMap<Arc<str>, HashMap<String, Arc<Session>>>;

/// The broker. Its doors are opened with [`Broker::listen`] and [`serve_web`]; [`Broker::run`] does what goes on beside.
pub struct Broker {
    devices: Arc<Devices>,
    sink: Arc<dyn Sink>,
    options: Options,
    sessions: Mutex<Sessions>,
    numbers: AtomicU64,
    subscriptions: RwLock<Tree<u64, Subscription>>,
    shared: RwLock<Tree<Box<str>, Arc<Group>>>,
    retained: tokio::sync::Mutex<HashMap<Arc<str>, Arc<Message>>>,
    keeper: Keeper,
    budget: Arc<Budget>,
    links: TaskTracker,
}

/// Runs the broker of the city model until `shutdown`.
pub async fn serve(context: Arc<Context>, listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<()> {
    run(context.devices().clone(), context, listener, options, shutdown).await
}

/// Takes connections until `shutdown`. Readings go to `sink`; when this returns, all that was acknowledged is durable
/// and how the devices are doing is journaled.
pub async fn run(devices: Arc<Devices>, sink: Arc<dyn Sink>, listener: TcpListener, options: Options, shutdown: CancellationToken) -> Result<()> {
    let broker = Broker::open(devices, sink, options).await?;
    tokio::spawn(broker.clone().listen(listener, None, shutdown.clone()));
    broker.run(shutdown).await
}

impl Broker {
    /// Reads retained messages and stored sessions. Readings will go to `sink`.
    pub async fn open(devices: Arc<Devices>, sink: Arc<dyn Sink>, options: Options) -> Result<Arc<Self>> {
        let broker = Arc::new(Self {
            retained: tokio::sync::Mutex::new(restoring::retained(&devices).await?),
            keeper: Keeper::start(devices.store().clone()),
            budget: Arc::new(Budget::new(options.limits.waiting)),
            devices,
            sink,
            options,
            sessions: Mutex::default(),
            numbers: AtomicU64::new(1),
            subscriptions: RwLock::default(),
            shared: RwLock::default(),
            links: TaskTracker::new(),
        });
        broker.restore().await?;
        Ok(broker)
    }

    /// Tells observations, ends what is over, and journals how the devices are doing, until `shutdown`; then waits until
    /// all connections have ended.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) -> Result<()> {
        let telling = [tokio::spawn(sensing::tell(self.clone())), tokio::spawn(commanding::run(self.clone()))].map(|task| task.abort_handle());
        let mut housekeeping = tokio::time::interval(Duration::from_secs(10));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = housekeeping.tick() => self.housekeeping().await,
            }
        }
        telling.iter().for_each(tokio::task::AbortHandle::abort);
        self.links.close();
        if tokio::time::timeout(Duration::from_secs(20), self.links.wait()).await.is_err() {
            tracing::warn!(left = self.links.len(), "MQTT connections did not end in time");
        }
        self.keeper.flush().await;
        self.devices.flush().await.map(|_| ())
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds or makes the session of a client. `None` when the owner has too many.
    fn attach(&self, owner: &Arc<str>, client: &str, clean: bool, expiry: Duration, window: usize, most: usize) -> Option<Attached> {
        let attachment = Arc::new(Attachment::default());
        let mut sessions = self.sessions();
        let owned = sessions.entry(owner.clone()).or_default();
        let mut changes = Vec::new();
        if let Some(old) = owned.get(client).cloned() {
            if !clean && !old.is_over() {
                let changes = old.attach(attachment.clone(), expiry, window);
                return Some(Attached { session: old, attachment, present: true, changes });
            }
            owned.remove(client);
            changes = self.forget(&old);
        } else if owned.len() >= most {
            return None;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session::new(number, owner.clone(), client, self.budget.clone()));
        session.attach(attachment.clone(), expiry, window);
        owned.insert(client.to_string(), session.clone());
        add(&self.options.stats.sessions, 1);
        Some(Attached { session, attachment, present: false, changes })
    }

    /// Ends a session that is no longer in the table; what is to be kept comes back.
    fn forget(&self, session: &Arc<Session>) -> Vec<Change> {
        for filter in session.filters() {
            self.unhook(session, &filter);
        }
        let mut changes = self.hand_over(session, true);
        changes.extend(session.close());
        self.options.stats.sessions.fetch_sub(1, Ordering::Relaxed);
        changes
    }

    /// Takes a filter out of where messages find it.
    fn unhook(&self, session: &Session, filter: &str) {
        if filter.starts_with('$') {
            self.part(filter, session.number);
        } else {
            self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).remove(filter, &session.number);
        }
    }

    /// Removes a client's session if it is over; what is to be kept comes back.
    fn drop_if_over(&self, owner: &Arc<str>, client: &str) -> Vec<Change> {
        self.drop_where(owner, client, Session::is_over)
    }

    fn drop_where(&self, owner: &Arc<str>, client: &str, over: impl Fn(&Session) -> bool) -> Vec<Change> {
        let mut sessions = self.sessions();
        let Some(owned) = sessions.get_mut(owner) else { return Vec::new() };
        let session = if owned.get(client).is_some_and(|s| over(s)) { owned.remove(client) } else { None };
        if owned.is_empty() {
            sessions.remove(owner);
        }
        session.map_or_else(Vec::new, |session| self.forget(&session))
    }

    async fn housekeeping(&self) {
        // A device that was removed leaves its sessions; one that takes its name later must not inherit them.
        let orphan = |s: &Session| s.owner.strip_prefix("device:").is_some_and(|id| self.devices.entry(id).is_none());
        let over: Vec<(Arc<str>, String)> = {
            let sessions = self.sessions();
            let all = sessions.iter().flat_map(|(owner, owned)| owned.iter().map(move |(client, session)| (owner, client, session)));
            all.filter(|(_, _, s)| s.is_over() || orphan(s)).map(|(owner, client, _)| (owner.clone(), client.clone())).collect()
        };
        for (owner, client) in over {
            let changes = self.drop_where(&owner, &client, |s| s.is_over() || orphan(s));
            self.keeper.note(changes).await;
        }
        self.retained.lock().await.retain(|_, message| !message.expired());
        if let Err(e) = self.devices.flush().await {
            tracing::warn!(error = %e, "journaling the devices' state failed");
        }
    }

    /// Who shows these credentials. `None` when they are wrong.
    async fn identify(&self, user: Option<&str>, password: Option<&[u8]>, peer: &Peer) -> Option<Principal> {
        let address = peer.address;
        let Some(password) = password else {
            // A certificate that is shown stands for a device, and for none but it.
            if let Some(certificate) = &peer.certificate {
                let entry = self.devices.certified(certificate)?;
                return user.is_none_or(|user| *user == *entry.id).then_some(Principal::Device(entry));
            }
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

    /// Whether a program's token, or the certificate that let a device in, still holds.
    async fn still_holds(&self, principal: &Principal, peer: &Peer, certified: bool) -> bool {
        let address = peer.address;
        match (principal, &self.options.programs) {
            (Principal::Device(entry), _) if certified => {
                peer.certificate.as_ref().and_then(|c| self.devices.certified(c)).is_some_and(|now| now.id == entry.id)
            }
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
            let mut tx = store.begin_as("mqtt").await?;
            if gone {
                tables_devices::drop_retained(&mut tx, &message.topic).await?;
            } else {
                let expires = message.left().map(|left| keeper::expiry(tx.now().as_microsecond(), left));
                let props = packets::pack(&message.props);
                tables_devices::put_retained(&mut tx, &message.topic, message.payload.as_slice(), message.qos as u8, &props, expires).await?;
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

    /// Passes a message on to all who subscribed to it. What comes back must be durable before its sender may forget it.
    fn deliver(&self, message: &Arc<Message>, from: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        // A session whose filters overlap gets one copy, at the highest QoS among them, with the identifiers of all.
        let mut wanted: HashMap<u64, (Arc<Session>, Delivery)> = HashMap::new();
        let tree = self.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
        if !tree.is_empty() {
            tree.find(&message.topic, &mut |number, subscription| {
                if subscription.not_own && *number == from {
                    return;
                }
                let fresh = || (subscription.session.clone(), Delivery::new(message.clone(), Qos::AtMostOnce, false));
                let (_, found) = wanted.entry(*number).or_insert_with(fresh);
                let qos = lesser(subscription.qos, message.qos);
                if (found.qos as u8) < (qos as u8) {
                    found.qos = qos;
                }
                found.retain |= subscription.keep_retain && message.retain;
                found.ids.extend(subscription.id);
            });
        }
        drop(tree);
        for (session, delivery) in wanted.into_values() {
            changes.extend(self.offer(&session, delivery));
        }
        for group in self.groups(&message.topic) {
            match self.share(&group, message, Readiness::Away) {
                Some(more) => changes.extend(more),
                None => add(&self.options.stats.dropped, 1),
            }
        }
        changes
    }

    /// The shared subscriptions that want a topic.
    fn groups(&self, topic: &str) -> Vec<Arc<Group>> {
        let mut found = Vec::new();
        let tree = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        if !tree.is_empty() {
            tree.find(topic, &mut |_, group| found.push(group.clone()));
        }
        found
    }

    /// Puts a message into a session's queue; what is to be kept comes back.
    fn offer(&self, session: &Arc<Session>, delivery: Delivery) -> Option<Change> {
        match session.offer(delivery) {
            Offer::Queued(change) => return change,
            Offer::Dropped => add(&self.options.stats.dropped, 1),
            Offer::Overflow => {
                add(&self.options.stats.dropped, 1);
                // A connected client that does not keep up is sent away; it learns so, instead of missing messages.
                session.kick(DisconnectReasonCode::QuotaExceeded);
            }
        }
        None
    }

    /// Adds one filter; retained messages follow at once. What must be durable before it is acknowledged goes into
    /// `changes`.
    async fn subscribe(&self, principal: &Principal, session: &Arc<Session>, wish: Wish<'_>, changes: &mut Vec<Change>) -> SubackReasonCode {
        let Some((name, filter)) = sharing::split(wish.filter) else { return SubackReasonCode::TopicFilterInvalid };
        if filter.starts_with('$') {
            add(&self.options.stats.not_allowed, 1);
            return SubackReasonCode::NotAuthorized;
        }
        if !topics::valid_filter(filter) {
            return SubackReasonCode::TopicFilterInvalid;
        }
        if !principal.may_subscribe(filter) {
            add(&self.options.stats.not_allowed, 1);
            return SubackReasonCode::NotAuthorized;
        }
        let Some((fresh, more)) = session.add_filter(wish.filter, wish.options(), wish.id) else {
            tracing::debug!(most = MAX_FILTERS, "too many filters");
            return SubackReasonCode::QuotaExceeded;
        };
        changes.extend(more);
        self.hook(session, &wish);
        if session.is_gone() {
            self.unhook(session, wish.filter);
        }
        let ear = if name.is_some() { commanding::Ear::None } else { principal.ear(wish.qos) };
        self.look(principal, ear, filter);
        if name.is_some() {
            changes.extend(self.relieve(session));
        } else if (wish.retained)(fresh) {
            let retained = self.retained.lock().await;
            for message in retained.values().filter(|m| topics::matches(filter, &m.topic) && !m.expired()) {
                let mut delivery = Delivery::new(message.clone(), lesser(wish.qos, message.qos), true);
                delivery.ids.extend(wish.id);
                changes.extend(self.offer(session, delivery));
            }
        }
        match wish.qos {
            Qos::AtMostOnce => SubackReasonCode::GrantedQos0,
            Qos::AtLeastOnce => SubackReasonCode::GrantedQos1,
            Qos::ExactlyOnce => SubackReasonCode::GrantedQos2,
        }
    }

    /// Puts a filter where messages find it.
    fn hook(&self, session: &Arc<Session>, wish: &Wish<'_>) {
        let Some((name, filter)) = sharing::split(wish.filter) else { return };
        self.watch(filter);
        if name.is_some() {
            return self.join(wish.filter, Member { session: session.clone(), qos: wish.qos, keep_retain: wish.keep_retain, id: wish.id });
        }
        let sensing = filter.starts_with(sensing::PREFIX);
        let subscription = Subscription { session: session.clone(), qos: wish.qos, keep_retain: wish.keep_retain, not_own: wish.not_own, id: wish.id, sensing };
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner).insert(filter, session.number, subscription);
    }

    /// Removes one filter; true when it was there. What must be durable before that is said goes into `changes`.
    fn unsubscribe(&self, session: &Session, filter: &str, changes: &mut Vec<Change>) -> bool {
        let (known, change) = session.remove_filter(filter);
        if known {
            self.unhook(session, filter);
            changes.extend(change);
        }
        known
    }

    /// Ends subscriptions of a session that its client may not have any longer.
    fn narrow(&self, principal: &Principal, session: &Session) -> Vec<Change> {
        let mut changes = Vec::new();
        for filter in session.filters() {
            if !sharing::split(&filter).is_some_and(|(_, topics)| principal.may_subscribe(topics)) {
                self.unsubscribe(session, &filter, &mut changes);
            }
        }
        changes
    }
}
