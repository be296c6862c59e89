//! Notifications over MQTT (CIM 009, clause 7): one connection for each broker and user, kept while it is used.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Fault;
use crate::guard::Guard;
use crate::subs::{Subscription, decoded};

/// How long a connection stays without work.
const IDLE: Duration = Duration::from_secs(60);
/// Connections there may be.
const MAX_LINKS: usize = 1_000;
/// Messages on their way on one connection.
const INFLIGHT: usize = 32;
/// Bytes of a message.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What begins the client ids of this process's notifiers and of nobody else: a broker of the same process knows them by
/// it, and takes nothing that they say for readings. Else a notification could cause the change that it tells of again.
static NAME: LazyLock<String> = LazyLock::new(|| format!("dothi-{:08x}-", rand::random::<u32>()));

/// Whether an MQTT client is a notifier of this process.
pub(crate) fn is_own(client: &str) -> bool {
    client.starts_with(NAME.as_str())
}

type Sent = std::result::Result<(), String>;

struct Message {
    topic: String,
    qos: u8,
    payload: Vec<u8>,
    answer: oneshot::Sender<Sent>,
}

/// Whose connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Broker {
    tls: bool,
    host: String,
    port: u16,
    user: String,
    password: String,
    five: bool,
}

/// All connections.
pub(super) struct Links {
    guard: Guard,
    open: Arc<Mutex<HashMap<Broker, mpsc::Sender<Message>>>>,
}

impl Links {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard, open: Arc::default() }
    }

    /// Publishes a notification and waits until the broker has it (QoS 1 and 2) or it is on its way (QoS 0).
    pub(super) async fn publish(&self, subscription: &Subscription, metadata: Vec<(String, String)>, body: &str) -> std::result::Result<(), Fault> {
        let to = &subscription.receiver;
        let tls = to.url.scheme() == "mqtts";
        let broker = Broker {
            tls,
            host: to.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string(),
            port: to.url.port().unwrap_or(if tls { 8_883 } else { 1_883 }),
            user: decoded(to.url.username()),
            password: to.url.password().map(decoded).unwrap_or_default(),
            five: to.mqtt.1,
        };
        let metadata: Map<String, Value> = metadata.into_iter().map(|(k, v)| (k, v.into())).collect();
        let payload = format!("{{\"metadata\":{},\"body\":{body}}}", json!(metadata)).into_bytes();
        let (answer, answered) = oneshot::channel();
        let message = Message { topic: decoded(to.url.path().trim_start_matches('/')), qos: to.mqtt.0, payload, answer };
        let sent = async {
            let link = self.link(broker).await?;
            link.send(message).await.map_err(|_| "the connection broke".to_string())?;
            answered.await.unwrap_or_else(|_| Err("the connection broke".to_string()))
        };
        match tokio::time::timeout(to.timeout, sent).await {
            Ok(sent) => sent.map_err(Fault::new),
            Err(_) => Err(Fault::new("the broker did not answer in time")),
        }
    }

    async fn link(&self, broker: Broker) -> std::result::Result<mpsc::Sender<Message>, String> {
        if let Some(link) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&broker).filter(|l| !l.is_closed()) {
            return Ok(link.clone());
        }
        let address = self.address(&broker).await?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, l| !l.is_closed());
        if open.len() >= MAX_LINKS {
            return Err("there are too many connections to brokers".to_string());
        }
        let (link, messages) = mpsc::channel(INFLIGHT);
        tokio::spawn(serve(broker.clone(), address, messages));
        open.insert(broker, link.clone());
        Ok(link)
    }

    /// Where to connect: the address that was looked at, or under TLS the name, whose certificate must fit.
    async fn address(&self, broker: &Broker) -> std::result::Result<String, String> {
        let found = self.guard.resolve_host(&broker.host).await?;
        Ok(if broker.tls { broker.host.clone() } else { found.to_string() })
    }
}

enum Client {
    Four(rumqttc::AsyncClient),
    Five(rumqttc::v5::AsyncClient),
}

enum Events {
    Four(Box<rumqttc::EventLoop>),
    Five(Box<rumqttc::v5::EventLoop>),
}

/// What a connection reports.
enum Report {
    Connected,
    Left(u16),
    Taken(u16, Sent),
    Other,
}

fn tls() -> std::result::Result<Transport, String> {
    // Reading the machine's certificates may panic when there are none.
    std::panic::catch_unwind(TlsConfiguration::default).map(Transport::tls_with_config).map_err(|_| "the machine has no certificates to trust".to_string())
}

fn client(broker: &Broker, address: &str) -> std::result::Result<(Client, Events), String> {
    let id = format!("{}{}", *NAME, uuid::Uuid::now_v7().simple());
    if broker.five {
        let mut options = rumqttc::v5::MqttOptions::new(id, address, broker.port);
        options.set_keep_alive(Duration::from_secs(30)).set_clean_start(true).set_max_packet_size(Some(u32::try_from(MAX_BYTES).unwrap_or(u32::MAX)));
        if !broker.user.is_empty() {
            options.set_credentials(broker.user.clone(), broker.password.clone());
        }
        if broker.tls {
            options.set_transport(tls()?);
        }
        let (client, events) = rumqttc::v5::AsyncClient::new(options, INFLIGHT);
        return Ok((Client::Five(client), Events::Five(Box::new(events))));
    }
    let mut options = rumqttc::MqttOptions::new(id, address, broker.port);
    options.set_keep_alive(Duration::from_secs(30)).set_clean_session(true).set_max_packet_size(MAX_BYTES, MAX_BYTES);
    if !broker.user.is_empty() {
        options.set_credentials(broker.user.clone(), broker.password.clone());
    }
    if broker.tls {
        options.set_transport(tls()?);
    }
    let (client, events) = rumqttc::AsyncClient::new(options, INFLIGHT);
    Ok((Client::Four(client), Events::Four(Box::new(events))))
}

impl Client {
    fn publish(&self, message: &mut Message) -> Sent {
        let (topic, payload) = (std::mem::take(&mut message.topic), std::mem::take(&mut message.payload));
        match self {
            Self::Four(client) => {
                let qos = [rumqttc::QoS::AtMostOnce, rumqttc::QoS::AtLeastOnce, rumqttc::QoS::ExactlyOnce][usize::from(message.qos.min(2))];
                client.try_publish(topic, qos, false, payload).map_err(|e| e.to_string())
            }
            Self::Five(client) => {
                use rumqttc::v5::mqttbytes::QoS;
                let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(message.qos.min(2))];
                client.try_publish(topic, qos, false, payload).map_err(|e| e.to_string())
            }
        }
    }
}

impl Events {
    async fn next(&mut self) -> std::result::Result<Report, String> {
        use rumqttc::v5::mqttbytes::v5::{Packet as Five, PubAckReason, PubRecReason};
        use rumqttc::{Outgoing, Packet as Four};
        match self {
            Self::Four(events) => match events.poll().await.map_err(|e| e.to_string())? {
                rumqttc::Event::Incoming(Four::ConnAck(_)) => Ok(Report::Connected),
                rumqttc::Event::Outgoing(Outgoing::Publish(id)) => Ok(Report::Left(id)),
                rumqttc::Event::Incoming(Four::PubAck(ack)) => Ok(Report::Taken(ack.pkid, Ok(()))),
                rumqttc::Event::Incoming(Four::PubComp(ack)) => Ok(Report::Taken(ack.pkid, Ok(()))),
                _ => Ok(Report::Other),
            },
            Self::Five(events) => match events.poll().await.map_err(|e| e.to_string())? {
                rumqttc::v5::Event::Incoming(Five::ConnAck(_)) => Ok(Report::Connected),
                rumqttc::v5::Event::Outgoing(Outgoing::Publish(id)) => Ok(Report::Left(id)),
                rumqttc::v5::Event::Incoming(Five::PubAck(ack)) => {
                    let well = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
                    Ok(Report::Taken(ack.pkid, if well { Ok(()) } else { Err(format!("the broker answered {:?}", ack.reason)) }))
                }
                rumqttc::v5::Event::Incoming(Five::PubRec(rec)) if !matches!(rec.reason, PubRecReason::Success | PubRecReason::NoMatchingSubscribers) => {
                    Ok(Report::Taken(rec.pkid, Err(format!("the broker answered {:?}", rec.reason))))
                }
                rumqttc::v5::Event::Incoming(Five::PubComp(ack)) => Ok(Report::Taken(ack.pkid, Ok(()))),
                _ => Ok(Report::Other),
            },
        }
    }
}

/// Keeps one connection. Any failure fails all that is on its way and ends it; the next message makes a new one.
async fn serve(broker: Broker, address: String, mut messages: mpsc::Receiver<Message>) {
    let (client, mut events) = match client(&broker, &address) {
        Ok(both) => both,
        Err(reason) => return fail(&mut messages, Vec::new(), &reason),
    };
    let (report, mut reports) = mpsc::channel(INFLIGHT);
    // A task of its own, because giving up on waiting for an event in the middle may lose it.
    let polling = tokio::spawn(async move {
        loop {
            let next = events.next().await;
            let failed = next.is_err();
            if report.send(next).await.is_err() || failed {
                return;
            }
        }
    });
    // Handed over, not yet out; and out, not yet taken by the broker.
    let (mut leaving, mut out): (VecDeque<Message>, HashMap<u16, oneshot::Sender<Sent>>) = (VecDeque::new(), HashMap::new());
    let (mut connected, mut idle_until) = (false, Instant::now() + IDLE);
    let reason = loop {
        let (room, idle) = (leaving.len() + out.len() < INFLIGHT, leaving.is_empty() && out.is_empty());
        tokio::select! {
            report = reports.recv() => match report {
                Some(Ok(Report::Connected)) => connected = true,
                Some(Ok(Report::Left(id))) => match leaving.pop_front() {
                    Some(message) if id == 0 => drop(message.answer.send(Ok(()))),
                    Some(message) => drop(out.insert(id, message.answer)),
                    None => {}
                },
                Some(Ok(Report::Taken(id, sent))) => if let Some(answer) = out.remove(&id) {
                    let _gone = answer.send(sent);
                },
                Some(Ok(Report::Other)) => {}
                Some(Err(reason)) => break reason,
                None => break "the connection broke".to_string(),
            },
            next = messages.recv(), if connected && room => match next {
                Some(mut message) => {
                    idle_until = Instant::now() + IDLE;
                    match client.publish(&mut message) {
                        Ok(()) => leaving.push_back(message),
                        Err(reason) => drop(message.answer.send(Err(reason))),
                    }
                }
                None => break "nobody needs the connection".to_string(),
            },
            () = tokio::time::sleep_until(idle_until), if idle => break "the connection was idle".to_string(),
        }
    };
    polling.abort();
    let waiting = leaving.into_iter().map(|m| m.answer).chain(out.into_values()).collect();
    fail(&mut messages, waiting, &reason);
}

fn fail(messages: &mut mpsc::Receiver<Message>, waiting: Vec<oneshot::Sender<Sent>>, reason: &str) {
    messages.close();
    let rest = std::iter::from_fn(|| messages.try_recv().ok()).map(|m| m.answer);
    for answer in waiting.into_iter().chain(rest) {
        let _gone = answer.send(Err(reason.to_string()));
    }
}
