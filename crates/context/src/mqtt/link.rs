//! One network connection: bytes in, packets, bytes out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::FutureExt;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{Packet, Properties, Property, Qos, RetainHandling, SubEntry, SubOpts};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode, PubackReasonCode, SubackReasonCode};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::packets::{self, Built, Hello, WillSpec};
use super::principal::{Principal, Route};
use super::session::{Attachment, Message, Session};
use super::{Broker, Outcome, Wish, add};
use crate::devices::Refusal;

/// Bytes read at a time, and bytes gathered before they are written.
const CHUNK: usize = 64 * 1024;
/// Messages of QoS 1 that a subscriber may leave unacknowledged.
const WINDOW: u16 = 100;
/// Longest client id.
const MAX_CLIENT_ID: usize = 256;
/// Pause before wrong credentials are answered.
const PENALTY: Duration = Duration::from_millis(300);

/// A message received and not yet answered.
struct Pending {
    message: Arc<Message>,
    packet: Option<u16>,
    relayed: bool,
    state: Work,
}

enum Work {
    Ready(Outcome),
    Running(JoinHandle<Outcome>),
}

/// A client that was let in.
struct Client {
    principal: Arc<Principal>,
    owner: Arc<str>,
    id: Arc<str>,
    session: Arc<Session>,
    attachment: Arc<Attachment>,
    will: Option<WillSpec>,
    window: u16,
    recheck: Instant,
}

struct Link {
    broker: Arc<Broker>,
    wire: Connection<role::Server>,
    address: IpAddr,
    input: BytesMut,
    out: Vec<u8>,
    pending: VecDeque<Pending>,
    deadline: Option<Instant>,
    client: Option<Client>,
    closing: bool,
}

/// Serves one connection to its end.
pub(super) async fn serve<S>(broker: Arc<Broker>, mut stream: S, address: IpAddr, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let options = ConnectionOptions::new().maximum_packet_size_recv(broker.options.limits.packet);
    let mut link = Link {
        deadline: Some(Instant::now() + broker.options.limits.hello),
        broker,
        wire: Connection::with_options(Version::Undetermined, options),
        address,
        input: BytesMut::with_capacity(4 * 1024),
        out: Vec::new(),
        pending: VecDeque::new(),
        client: None,
        closing: false,
    };
    // Whatever a peer sends, at most its own connection ends.
    if std::panic::AssertUnwindSafe(link.run(&mut stream, &shutdown)).catch_unwind().await.is_err() {
        tracing::error!(%address, "serving an MQTT connection panicked");
    }
    link.finish().await;
}

async fn first_done(pending: &mut VecDeque<Pending>) -> Outcome {
    match pending.front_mut().map(|p| &mut p.state) {
        Some(Work::Ready(outcome)) => *outcome,
        Some(Work::Running(task)) => task.await.unwrap_or(Outcome::Failed),
        None => std::future::pending().await,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Link {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S, shutdown: &CancellationToken) {
        loop {
            self.feed().await;
            self.pump();
            if !self.out.is_empty() && !self.flush(stream).await {
                return;
            }
            if self.closing {
                // The peer closes when it has read what we wrote; an error here only means that it was faster.
                let _closed = stream.shutdown().await;
                return;
            }
            let (kicked, revoked, session) = self.signals();
            let room = self.room();
            if room && !self.input.is_empty() {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => self.leave(DisconnectReasonCode::ServerShuttingDown),
                () = kicked.cancelled() => {
                    let reason = self.client.as_ref().map_or(DisconnectReasonCode::UnspecifiedError, |c| c.attachment.reason());
                    self.leave(reason);
                }
                () = revoked.cancelled() => self.leave(DisconnectReasonCode::AdministrativeAction),
                outcome = first_done(&mut self.pending) => self.settle(outcome).await,
                () = at(self.deadline) => self.late(),
                () = at(self.client.as_ref().filter(|c| c.principal.entry().is_none()).map(|c| c.recheck)) => self.recheck().await,
                () = async { match &session { Some(s) => s.wake.notified().await, None => std::future::pending().await } } => {}
                read = stream.read_buf(&mut self.input), if room => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
            }
        }
    }

    /// What can end the connection from elsewhere.
    fn signals(&self) -> (CancellationToken, CancellationToken, Option<Arc<Session>>) {
        match &self.client {
            Some(c) => {
                let revoked = c.principal.entry().map_or_else(CancellationToken::new, |e| e.revoked.clone());
                (c.attachment.kicked.clone(), revoked, Some(c.session.clone()))
            }
            None => (CancellationToken::new(), CancellationToken::new(), None),
        }
    }

    /// Whether more may be taken in.
    fn room(&self) -> bool {
        self.pending.len() < usize::from(self.broker.options.limits.in_flight) && self.out.len() < CHUNK
    }

    /// Takes packets out of the input while there is room.
    async fn feed(&mut self) {
        while !self.input.is_empty() && self.room() && !self.closing {
            let (events, used) = {
                let mut cursor = Cursor::new(&self.input[..]);
                let events = self.wire.recv(&mut cursor);
                (events, cursor.position() as usize)
            };
            self.input.advance(used);
            for packet in self.absorb(events, true) {
                self.received(packet).await;
            }
        }
    }

    /// Does what the protocol asks for; returns what was received.
    fn absorb(&mut self, events: Vec<Event>, strict: bool) -> Vec<Packet> {
        let mut received = Vec::new();
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => packets::write(&packet, &mut self.out),
                Event::NotifyPacketReceived(packet) => received.push(packet),
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.deadline = Some(Instant::now() + Duration::from_millis(duration_ms))
                }
                Event::RequestTimerCancel(TimerKind::PingreqRecv) => self.deadline = None,
                Event::RequestClose => self.closing = true,
                Event::NotifyError(error) if strict => {
                    tracing::debug!(address = %self.address, ?error, "an MQTT peer broke the protocol");
                    add(&self.broker.options.stats.protocol_errors, 1);
                    self.closing = true;
                }
                Event::NotifyError(_) | Event::RequestTimerReset { .. } | Event::RequestTimerCancel(_) | Event::NotifyPacketIdReleased(_) => {}
            }
        }
        received
    }

    /// Sends a packet; false when the protocol does not let it go.
    fn send(&mut self, built: Built) -> bool {
        let packet = match built {
            Ok(packet) => packet,
            Err(error) => {
                tracing::error!(?error, "an MQTT packet could not be built");
                return false;
            }
        };
        let events = self.wire.send(packet);
        let fine = !events.iter().any(|e| matches!(e, Event::NotifyError(_)));
        self.absorb(events, false);
        fine
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> bool {
        let written = tokio::time::timeout(self.broker.options.limits.write, stream.write_all(&self.out)).await;
        self.out.clear();
        if self.out.capacity() > 4 * CHUNK {
            self.out = Vec::new();
        }
        matches!(written, Ok(Ok(())))
    }

    /// Ends the connection with a word to those who understand it.
    fn leave(&mut self, reason: DisconnectReasonCode) {
        if self.client.is_some()
            && let Some(goodbye) = packets::goodbye(self.wire.get_protocol_version(), reason)
        {
            self.send(goodbye);
        }
        self.closing = true;
    }

    /// The client was silent for too long, unless it is we who do not read.
    fn late(&mut self) {
        if !self.room() {
            self.deadline = Some(Instant::now() + self.broker.options.limits.hello);
            return;
        }
        if self.client.is_some() {
            let events = self.wire.notify_timer_fired(TimerKind::PingreqRecv);
            self.absorb(events, false);
        } else {
            add(&self.broker.options.stats.turned_away, 1);
        }
        self.closing = true;
    }

    async fn recheck(&mut self) {
        let Some(client) = &mut self.client else { return };
        client.recheck = Instant::now() + self.broker.options.limits.recheck;
        let principal = client.principal.clone();
        if !self.broker.still_holds(&principal, self.address).await {
            self.leave(DisconnectReasonCode::NotAuthorized);
        }
    }

    async fn received(&mut self, packet: Packet) {
        if self.closing {
            return;
        }
        let version = self.wire.get_protocol_version();
        match packet {
            Packet::V3_1_1Connect(p) => {
                let expiry = u32::try_from(self.broker.options.limits.session_expiry.as_secs()).unwrap_or(u32::MAX);
                self.welcome(Hello::of_v3(&p, expiry)).await;
            }
            Packet::V5_0Connect(p) => self.welcome(Hello::of_v5(&p)).await,
            _ if self.client.is_none() => self.closing = true,
            Packet::V3_1_1Publish(p) => {
                let message = Message::new(p.topic_name(), p.payload().clone(), p.qos(), p.retain(), Vec::new());
                self.publish(message, p.packet_id(), p.dup());
            }
            Packet::V5_0Publish(p) => {
                let message = Message::new(p.topic_name(), p.payload().clone(), p.qos(), p.retain(), packets::forwarded(p.props()));
                self.publish(message, p.packet_id(), p.dup());
            }
            Packet::V3_1_1Puback(p) => self.acknowledged(p.packet_id()),
            Packet::V5_0Puback(p) => self.acknowledged(p.packet_id()),
            Packet::V3_1_1Pubrel(p) => self.released(p.packet_id()),
            Packet::V5_0Pubrel(p) => self.released(p.packet_id()),
            Packet::V3_1_1Subscribe(p) => self.subscribe(p.packet_id(), p.entries().to_vec(), false).await,
            Packet::V5_0Subscribe(p) => {
                let numbered = p.props().iter().any(|p| matches!(p, Property::SubscriptionIdentifier(_)));
                self.subscribe(p.packet_id(), p.entries().to_vec(), numbered).await;
            }
            Packet::V3_1_1Unsubscribe(p) => self.unsubscribe(p.packet_id(), p.entries().iter().map(|e| e.as_str().to_string()).collect()),
            Packet::V5_0Unsubscribe(p) => self.unsubscribe(p.packet_id(), p.entries().iter().map(|e| e.as_str().to_string()).collect()),
            Packet::V3_1_1Pingreq(_) | Packet::V5_0Pingreq(_) => {
                self.send(packets::pingresp(version));
            }
            Packet::V3_1_1Disconnect(_) => self.goodbye(None, &Vec::new()),
            Packet::V5_0Disconnect(p) => self.goodbye(p.reason_code(), p.props().as_ref().unwrap_or(&Vec::new())),
            // AUTH exchanges are not offered; packets for subscribers of QoS 2 never answer anything of ours.
            _ => self.leave(DisconnectReasonCode::ProtocolError),
        }
    }

    async fn welcome(&mut self, hello: Hello) {
        let version = self.wire.get_protocol_version();
        let turn_away = |link: &mut Self, reason| {
            add(&link.broker.options.stats.turned_away, 1);
            link.send(packets::turned_away(version, reason));
            link.closing = true;
        };
        let Some(principal) = self.broker.identify(hello.user.as_deref(), hello.password.as_deref(), self.address).await else {
            // Slows down guessing without holding anything but this connection.
            tokio::time::sleep(PENALTY).await;
            let reason = if hello.password.is_some() { ConnectReasonCode::BadUserNameOrPassword } else { ConnectReasonCode::NotAuthorized };
            return turn_away(self, reason);
        };
        let assigned = hello.client.is_empty().then(|| format!("auto-{}", self.broker.devices.clock().id().simple()));
        let id = assigned.as_deref().unwrap_or(&hello.client);
        if id.len() > MAX_CLIENT_ID || (assigned.is_some() && version == Version::V3_1_1 && !hello.clean) {
            return turn_away(self, ConnectReasonCode::ClientIdentifierNotValid);
        }
        if hello.will.as_ref().is_some_and(|w| principal.route(&self.broker.devices, &w.topic).is_err()) {
            return turn_away(self, ConnectReasonCode::NotAuthorized);
        }
        let limits = &self.broker.options.limits;
        let longest = u32::try_from(limits.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let expiry_s = hello.expiry_s.min(longest);
        let most = if principal.entry().is_some() { limits.device_sessions } else { limits.program_sessions };
        let owner = principal.owner();
        let Some((session, attachment, present)) = self.broker.attach(&owner, id, hello.clean, Duration::from_secs(u64::from(expiry_s)), most) else {
            return turn_away(self, ConnectReasonCode::QuotaExceeded);
        };
        if let Some(entry) = principal.entry() {
            entry.connected(true);
        }
        if present {
            self.broker.look_again(&principal);
        }
        let window = hello.receive_max.min(WINDOW);
        self.wire.restore_qos2_publish_handled(session.unreleased().into_iter().collect());
        let recheck = Instant::now() + limits.recheck;
        let limits = limits.clone();
        self.client =
            Some(Client { principal: Arc::new(principal), owner, id: id.into(), session: session.clone(), attachment, will: hello.will, window, recheck });
        let said = (version == Version::V5_0 && expiry_s != hello.expiry_s).then_some(expiry_s);
        // With keep-alive the protocol has set its own deadline.
        if hello.keep_alive_s == 0 {
            self.deadline = None;
        }
        self.send(packets::welcome(version, present, &limits, said, assigned.as_deref().filter(|_| version == Version::V5_0)));
        for (packet, delivery) in session.resume(usize::from(window)) {
            let known = self.wire.register_packet_id(packet).is_ok();
            if !known || !self.send(packets::publish(version, &delivery, Some(packet), true)) {
                session.acknowledged(packet);
            }
        }
    }

    /// A message came in.
    fn publish(&mut self, message: Message, packet: Option<u16>, repeated: bool) {
        let Some(client) = &self.client else { return };
        add(&self.broker.options.stats.received, 1);
        let message = Arc::new(message);
        let (relayed, state) = match client.principal.route(&self.broker.devices, &message.topic) {
            Ok(Route::Relay) => (true, Work::Ready(Outcome::Done)),
            Ok(route) => {
                let (broker, principal, message) = (self.broker.clone(), client.principal.clone(), message.clone());
                let (id, address) = (client.id.clone(), self.address);
                let mut task = Box::pin(async move {
                    let sending = packet.map(|p| (&*id, p));
                    broker.store(&principal, route, &message, sending, repeated, address).await
                });
                // It gets as far as the queue here, so that messages are stored in the order in which they came; the
                // rest is a task of its own: what it stores must not wait for this connection, nor end with it.
                let work = match (&mut task).now_or_never() {
                    Some(outcome) => Work::Ready(outcome),
                    None => Work::Running(tokio::spawn(task)),
                };
                (false, work)
            }
            Err(refusal) => {
                if let Some(entry) = client.principal.entry() {
                    self.broker.devices.note_error(entry, "device.topic-not-allowed");
                }
                (false, Work::Ready(self.broker.refused(refusal)))
            }
        };
        self.pending.push_back(Pending { message, packet, relayed, state });
    }

    /// The oldest message is through, and with it all others that are.
    async fn settle(&mut self, outcome: Outcome) {
        let mut next = Some(outcome);
        while let Some(outcome) = next {
            let Some(pending) = self.pending.pop_front() else { return };
            self.answer(pending, outcome).await;
            if self.closing || self.out.len() >= CHUNK {
                return;
            }
            next = first_done(&mut self.pending).now_or_never();
        }
    }

    async fn answer(&mut self, pending: Pending, outcome: Outcome) {
        let reason = match outcome {
            Outcome::Done => match self.pass_on(&pending).await {
                true => PubackReasonCode::Success,
                false => return self.leave(DisconnectReasonCode::ServerBusy),
            },
            Outcome::Duplicate | Outcome::Kept => PubackReasonCode::Success,
            Outcome::Refused(Refusal::Payload(_)) => PubackReasonCode::PayloadFormatInvalid,
            Outcome::Refused(Refusal::NotAllowed) => PubackReasonCode::NotAuthorized,
            Outcome::Refused(Refusal::Unknown) => PubackReasonCode::TopicNameInvalid,
            // Not acknowledged, and the connection ends: the client will send it again.
            Outcome::Failed => return self.leave(DisconnectReasonCode::ServerBusy),
        };
        let Some(packet) = pending.packet else { return };
        let version = self.wire.get_protocol_version();
        if pending.message.qos == Qos::ExactlyOnce {
            if let Some(client) = self.client.as_ref().filter(|_| reason == PubackReasonCode::Success || version != Version::V5_0) {
                client.session.received(packet);
            }
            self.send(packets::pubrec(version, packet, reason));
        } else {
            self.send(packets::puback(version, packet, reason));
        }
    }

    /// Retains and hands out a message; false when it could not be kept.
    async fn pass_on(&mut self, pending: &Pending) -> bool {
        let Some(client) = &self.client else { return true };
        let number = client.session.number;
        if pending.message.retain {
            let durable = pending.relayed && pending.message.qos != Qos::AtMostOnce;
            match self.broker.retain(&pending.message, durable).await {
                Ok(()) => {}
                Err(e) if e.code() == "mqtt.retained-full" => add(&self.broker.options.stats.dropped, 1),
                Err(e) => {
                    tracing::warn!(error = %e, "keeping a retained message failed");
                    add(&self.broker.options.stats.failed, 1);
                    return false;
                }
            }
        }
        self.broker.deliver(&pending.message, number);
        true
    }

    fn acknowledged(&mut self, packet: u16) {
        if let Some(client) = &self.client {
            client.session.acknowledged(packet);
        }
    }

    fn released(&mut self, packet: u16) {
        let known = self.client.as_ref().is_some_and(|c| c.session.released(packet));
        self.send(packets::pubcomp(self.wire.get_protocol_version(), packet, known));
    }

    async fn subscribe(&mut self, packet: u16, entries: Vec<SubEntry>, numbered: bool) {
        let Some(client) = &self.client else { return };
        let (principal, session) = (client.principal.clone(), client.session.clone());
        let mut codes = Vec::with_capacity(entries.len());
        for entry in &entries {
            if numbered {
                codes.push(SubackReasonCode::SubscriptionIdentifiersNotSupported);
                continue;
            }
            let options: &SubOpts = entry.sub_opts();
            let retained = match options.rh() {
                RetainHandling::SendRetained => |_| true,
                RetainHandling::SendRetainedIfNotExists => |fresh| fresh,
                RetainHandling::DoNotSendRetained => |_| false,
            };
            let wish = Wish { filter: entry.topic_filter(), qos: options.qos(), keep_retain: options.rap(), not_own: options.nl(), retained };
            codes.push(self.broker.subscribe(&principal, &session, wish).await);
        }
        self.send(packets::suback(self.wire.get_protocol_version(), packet, codes));
    }

    fn unsubscribe(&mut self, packet: u16, filters: Vec<String>) {
        let Some(client) = &self.client else { return };
        let known: Vec<bool> = filters.iter().map(|f| self.broker.unsubscribe(&client.session, f)).collect();
        self.send(packets::unsuback(self.wire.get_protocol_version(), packet, &known));
    }

    /// The client says goodbye.
    fn goodbye(&mut self, reason: Option<DisconnectReasonCode>, props: &Properties) {
        self.closing = true;
        let Some(client) = &mut self.client else { return };
        if reason.is_none_or(|r| r == DisconnectReasonCode::NormalDisconnection) {
            client.will = None;
        }
        let stated = props.iter().find_map(|p| if let Property::SessionExpiryInterval(v) = p { Some(v.val()) } else { None });
        // A session that was to end with the connection cannot be prolonged now (5.0, 3.14.2.2.2).
        if let Some(seconds) = stated.filter(|_| !client.session.expiry().is_zero()) {
            client.session.set_expiry(Duration::from_secs(u64::from(seconds)).min(self.broker.options.limits.session_expiry));
        }
    }

    /// Hands waiting messages to the client, as far as its window and our buffer reach.
    fn pump(&mut self) {
        let version = self.wire.get_protocol_version();
        while !self.closing && self.out.len() < CHUNK {
            let Some(client) = &self.client else { return };
            let session = client.session.clone();
            let Some(delivery) = session.take(&client.attachment, usize::from(client.window)) else { return };
            let packet = if delivery.qos == Qos::AtMostOnce { None } else { self.wire.acquire_packet_id().ok() };
            if let Some(packet) = packet {
                session.sent(packet, delivery.clone());
            }
            let sent = self.send(packets::publish(version, &delivery, packet, false));
            let stats = &self.broker.options.stats;
            if sent {
                add(&stats.delivered, 1);
                continue;
            }
            // Larger than the client takes: it is as if it had been sent and acknowledged (5.0, 3.1.2.11.4).
            add(&stats.dropped, 1);
            if let Some(packet) = packet {
                session.acknowledged(packet);
                let events = self.wire.release_packet_id(packet);
                self.absorb(events, false);
            }
        }
        if self.out.len() >= CHUNK
            && let Some(client) = &self.client
        {
            // More may wait; look again after writing.
            client.session.wake.notify_one();
        }
    }

    /// What is left to do after the connection: messages under way, the will, the session.
    async fn finish(&mut self) {
        while !self.pending.is_empty() {
            let outcome = first_done(&mut self.pending).await;
            let Some(pending) = self.pending.pop_front() else { break };
            if outcome == Outcome::Done {
                self.pass_on(&pending).await;
            }
        }
        let Some(mut client) = self.client.take() else { return };
        if let Some(entry) = client.principal.entry() {
            entry.connected(false);
        }
        client.session.detach(&client.attachment);
        let expiry = client.session.expiry();
        self.broker.drop_if_over(&client.owner, &client.id);
        let Some(will) = client.will.take() else { return };
        let delay = Duration::from_secs(u64::from(will.delay_s)).min(expiry);
        let (broker, address) = (self.broker.clone(), self.address);
        let leave = async move {
            tokio::time::sleep(delay).await;
            if delay.is_zero() || !client.session.is_taken_from(&client.attachment) {
                broker.will(&client.principal, will, address).await;
            }
        };
        if delay.is_zero() {
            leave.await;
        } else {
            tokio::spawn(leave);
        }
    }
}

impl Broker {
    /// Publishes what a client left to be said.
    async fn will(&self, principal: &Principal, will: WillSpec, address: IpAddr) {
        let Ok(route) = principal.route(&self.devices, &will.topic) else { return };
        let relayed = matches!(route, Route::Relay);
        let message = Arc::new(Message::new(&will.topic, will.payload, will.qos, will.retain, will.props));
        if self.store(principal, route, &message, None, false, address).await != Outcome::Done {
            return;
        }
        if message.retain
            && let Err(e) = self.retain(&message, relayed && message.qos != Qos::AtMostOnce).await
        {
            tracing::warn!(error = %e, "keeping a will failed");
        }
        self.deliver(&message, 0);
    }
}
