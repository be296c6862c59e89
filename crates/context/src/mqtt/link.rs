//! One network connection: bytes in, packets, bytes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::FutureExt;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Properties, Property, Qos, RetainHandling, SubEntry, SubOpts};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, DisconnectReasonCode, PubackReasonCode};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::doors::Peer;
use super::keeper::Change;
use super::packets::{self, Built, Hello, Terms, WillSpec};
use super::principal::{Principal, Route};
use super::session::{Attachment, Message, Session};
use super::{Attached, Broker, Outcome, Wish, add};
use crate::devices::Refusal;

/// Bytes read at a time, and bytes gathered before they are written.
const CHUNK: usize = 64 * 1024;
/// Messages of QoS 1 and 2 that a subscriber may leave unacknowledged.
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

/// What is said once changes of sessions are durable.
enum Owed {
    /// The answer to a message.
    Answer(Pending, PubackReasonCode),
    /// PUBREL.
    Release(u16),
    /// PUBCOMP, and whether the packet id was known.
    Complete(u16, bool),
}

/// A client that was let in.
struct Client {
    principal: Arc<Principal>,
    owner: Arc<str>,
    id: Arc<str>,
    session: Arc<Session>,
    attachment: Arc<Attachment>,
    will: Option<WillSpec>,
    /// Bytes of the largest packet in which a topic may be given an alias; 0: it takes no aliases.
    alias_room: usize,
    /// It is our own notifier: what it says is never taken for readings, or notifications would feed themselves.
    own: bool,
    /// Its certificate let it in.
    certified: bool,
    recheck: Instant,
}

struct Link {
    broker: Arc<Broker>,
    wire: Connection<role::Server>,
    peer: Peer,
    input: BytesMut,
    out: Vec<u8>,
    /// Whether the first packet was fed.
    greeted: bool,
    /// Whether the client said in so many words that it takes no topic aliases.
    no_aliases: bool,
    pending: VecDeque<Pending>,
    owed: VecDeque<(Owed, Option<oneshot::Receiver<bool>>)>,
    /// What is to be kept and nobody waits for.
    notes: Vec<Change>,
    deadline: Option<Instant>,
    client: Option<Client>,
    closing: bool,
}

/// Serves one connection to its end.
pub(super) async fn serve<S>(broker: Arc<Broker>, mut stream: S, peer: Peer, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let options = ConnectionOptions::new().maximum_packet_size_recv(broker.options.limits.packet);
    let mut link = Link {
        deadline: Some(Instant::now() + broker.options.limits.hello),
        broker,
        wire: Connection::with_options(Version::Undetermined, options),
        peer,
        input: BytesMut::with_capacity(4 * 1024),
        out: Vec::new(),
        greeted: false,
        no_aliases: false,
        pending: VecDeque::new(),
        owed: VecDeque::new(),
        notes: Vec::new(),
        client: None,
        closing: false,
    };
    // Whatever a peer sends, at most its own connection ends.
    if std::panic::AssertUnwindSafe(link.run(&mut stream, &shutdown)).catch_unwind().await.is_err() {
        tracing::error!(address = %link.peer.address, "serving an MQTT connection panicked");
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

/// Whether what the next answer waits for is durable.
async fn first_kept(owed: &mut VecDeque<(Owed, Option<oneshot::Receiver<bool>>)>) -> bool {
    match owed.front_mut().map(|(_, kept)| kept) {
        Some(Some(kept)) => kept.await.unwrap_or(false),
        Some(None) => true,
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
            if !self.notes.is_empty() {
                let notes = std::mem::take(&mut self.notes);
                self.broker.keeper.note(notes).await;
            }
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
            if room && !self.input.is_empty() && self.greeted {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => self.leave(DisconnectReasonCode::ServerShuttingDown),
                () = kicked.cancelled() => {
                    let reason = self.client.as_ref().map_or(DisconnectReasonCode::UnspecifiedError, |c| c.attachment.reason());
                    self.leave(reason);
                }
                () = revoked.cancelled() => self.leave(DisconnectReasonCode::AdministrativeAction),
                outcome = first_done(&mut self.pending) => {
                    // What was stored together is told together: the others first note that they are done, and one write
                    // answers them all.
                    tokio::task::yield_now().await;
                    self.settle(outcome).await;
                }
                kept = first_kept(&mut self.owed) => self.pay(kept),
                () = at(self.deadline) => self.late(),
                () = at(self.client.as_ref().filter(|c| c.certified || c.principal.entry().is_none()).map(|c| c.recheck)) => self.recheck().await,
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
        self.pending.len() + self.owed.len() < usize::from(self.broker.options.limits.in_flight) && self.out.len() < CHUNK
    }

    /// Takes packets out of the input while there is room.
    async fn feed(&mut self) {
        if !self.greeted {
            if !packets::is_whole(&self.input, self.broker.options.limits.packet as usize) {
                return;
            }
            self.greeted = true;
            self.no_aliases = packets::mend_hello(&mut self.input);
        }
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
                    tracing::debug!(address = %self.peer.address, ?error, "an MQTT peer broke the protocol");
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
        let writing = async {
            stream.write_all(&self.out).await?;
            // TLS and WebSocket keep bytes back until they are told.
            stream.flush().await
        };
        let written = tokio::time::timeout(self.broker.options.limits.write, writing).await;
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
        if !self.broker.still_holds(&principal, &self.peer, client.certified).await {
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
            Packet::V3_1_1Pubrec(p) => self.recorded(p.packet_id(), true).await,
            Packet::V5_0Pubrec(p) => {
                let taken = p.reason_code().is_none_or(|r| r.is_success());
                self.recorded(p.packet_id(), taken).await;
            }
            Packet::V3_1_1Pubcomp(p) => self.acknowledged(p.packet_id()),
            Packet::V5_0Pubcomp(p) => self.acknowledged(p.packet_id()),
            Packet::V3_1_1Pubrel(p) => self.released(p.packet_id()).await,
            Packet::V5_0Pubrel(p) => self.released(p.packet_id()).await,
            Packet::V3_1_1Subscribe(p) => self.subscribe(p.packet_id(), p.entries().to_vec(), None).await,
            Packet::V5_0Subscribe(p) => {
                let id = p.props().iter().find_map(|p| if let Property::SubscriptionIdentifier(v) = p { Some(v.val()) } else { None });
                self.subscribe(p.packet_id(), p.entries().to_vec(), id).await;
            }
            Packet::V3_1_1Unsubscribe(p) => self.unsubscribe(p.packet_id(), p.entries().iter().map(|e| e.as_str().to_string()).collect()).await,
            Packet::V5_0Unsubscribe(p) => self.unsubscribe(p.packet_id(), p.entries().iter().map(|e| e.as_str().to_string()).collect()).await,
            Packet::V3_1_1Pingreq(_) | Packet::V5_0Pingreq(_) => {
                self.send(packets::pingresp(version));
            }
            Packet::V3_1_1Disconnect(_) => self.goodbye(None, &Vec::new()),
            Packet::V5_0Disconnect(p) => self.goodbye(p.reason_code(), p.props().as_ref().unwrap_or(&Vec::new())),
            // AUTH exchanges are not offered.
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
        if hello.exchange {
            return turn_away(self, ConnectReasonCode::BadAuthenticationMethod);
        }
        let Some(principal) = self.broker.identify(hello.user.as_deref(), hello.password.as_deref(), &self.peer).await else {
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
        let limits = self.broker.options.limits.clone();
        let longest = u32::try_from(limits.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let expiry_s = hello.expiry_s.min(longest);
        let most = if principal.entry().is_some() { limits.device_sessions } else { limits.program_sessions };
        let (owner, window) = (principal.owner(), usize::from(hello.receive_max.min(WINDOW)));
        let expiry = Duration::from_secs(u64::from(expiry_s));
        let Some(Attached { session, attachment, present, mut changes }) = self.broker.attach(&owner, id, hello.clean, expiry, window, most) else {
            return turn_away(self, ConnectReasonCode::QuotaExceeded);
        };
        if present {
            changes.extend(self.broker.narrow(&principal, &session));
        }
        if let Some(entry) = principal.entry() {
            entry.connected(true);
        }
        session.set_ear(principal.ear(Qos::AtLeastOnce));
        if present {
            self.broker.look_again(&principal);
        }
        self.wire.restore_qos2_publish_handled(session.unreleased().into_iter().collect());
        self.client = Some(Client {
            principal: Arc::new(principal),
            owner,
            id: id.into(),
            session: session.clone(),
            attachment,
            will: hello.will,
            alias_room: if hello.aliases && !self.no_aliases { hello.packet_max } else { 0 },
            own: self.broker.sink.is_own(id),
            certified: hello.password.is_none() && self.peer.certificate.is_some(),
            recheck: Instant::now() + limits.recheck,
        });
        // What a clean start ended must not come back after a crash.
        let ends = changes.iter().any(|c| matches!(c, Change::End { .. }));
        if ends && !self.broker.keeper.done(std::mem::take(&mut changes)).await {
            return turn_away(self, ConnectReasonCode::ServerUnavailable);
        }
        self.notes.extend(changes);
        // With keep-alive the protocol has set its own deadline.
        if hello.keep_alive_s == 0 {
            self.deadline = None;
        }
        let five = version == Version::V5_0;
        let terms = Terms {
            expiry_s: Some(expiry_s).filter(|s| five && *s != hello.expiry_s),
            assigned: assigned.as_deref().filter(|_| five),
            keep_alive_s: Some(limits.keep_alive_s).filter(|s| five && (hello.keep_alive_s == 0 || hello.keep_alive_s > *s)),
        };
        self.send(packets::welcome(version, present, &limits, &terms));
        self.resume(version, &session);
        let relieved = self.broker.relieve(&session);
        self.notes.extend(relieved);
    }

    /// Sends again what the client did not acknowledge before.
    fn resume(&mut self, version: Version, session: &Arc<Session>) {
        for flight in session.resume() {
            let known = self.wire.register_packet_id(flight.packet).is_ok();
            let sent = known
                && match flight.released {
                    true => self.send_release_again(version, flight.packet),
                    false => self.send(packets::publish(version, &flight.delivery, true)),
                };
            if !sent {
                add(&self.broker.options.stats.dropped, 1);
                self.notes.extend(session.given_up(flight.packet));
            }
        }
    }

    /// PUBREL on a new connection. The protocol crate lets it go only after a PUBLISH and its PUBREC, and counts both: so
    /// it is shown them, and the client is not.
    fn send_release_again(&mut self, version: Version, packet: u16) -> bool {
        let Ok(publish) = packets::feigned(version, packet) else { return false };
        if self.wire.send(publish).iter().any(|e| matches!(e, Event::NotifyError(_))) {
            return false;
        }
        let [high, low] = packet.to_be_bytes();
        let events = self.wire.recv(&mut Cursor::new(&[0x50, 2, high, low][..]));
        !events.iter().any(|e| matches!(e, Event::NotifyError(_))) && self.send(packets::pubrel(version, packet))
    }

    /// A message came in.
    fn publish(&mut self, message: Message, packet: Option<u16>, repeated: bool) {
        let Some(client) = &self.client else { return };
        add(&self.broker.options.stats.received, 1);
        let message = Arc::new(message);
        let route = match client.principal.route(&self.broker.devices, &message.topic) {
            Ok(route) if client.own && !matches!(route, Route::Relay) => {
                tracing::debug!(topic = &*message.topic, "a notification is not taken for readings");
                Err(Refusal::NotAllowed)
            }
            route => route,
        };
        let (relayed, state) = match route {
            Ok(Route::Relay) => (true, Work::Ready(Outcome::Done)),
            Ok(route) => {
                let (broker, principal, message) = (self.broker.clone(), client.principal.clone(), message.clone());
                let (id, address) = (client.id.clone(), self.peer.address);
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
        let mut changes = Vec::new();
        let reason = match outcome {
            Outcome::Done if !self.pass_on(&pending, &mut changes).await => return self.leave(DisconnectReasonCode::ServerBusy),
            Outcome::Done | Outcome::Duplicate | Outcome::Kept => PubackReasonCode::Success,
            Outcome::Refused(Refusal::Payload(_)) => PubackReasonCode::PayloadFormatInvalid,
            Outcome::Refused(Refusal::NotAllowed) => PubackReasonCode::NotAuthorized,
            Outcome::Refused(Refusal::Unknown) => PubackReasonCode::TopicNameInvalid,
            // Not acknowledged, and the connection ends: the client will send it again.
            Outcome::Failed => return self.leave(DisconnectReasonCode::ServerBusy),
        };
        if let (Some(packet), Qos::ExactlyOnce, Some(client)) = (pending.packet, pending.message.qos, &self.client)
            && (reason == PubackReasonCode::Success || self.wire.get_protocol_version() != Version::V5_0)
        {
            changes.extend(client.session.received(packet));
        }
        self.owe(Owed::Answer(pending, reason), changes).await;
    }

    /// Says something as soon as changes are durable, and after what was to be said before.
    async fn owe(&mut self, owed: Owed, changes: Vec<Change>) {
        if changes.is_empty() && self.owed.is_empty() {
            return self.say(owed);
        }
        let kept = if changes.is_empty() { None } else { Some(self.broker.keeper.keep(changes).await) };
        self.owed.push_back((owed, kept));
    }

    /// What the oldest answer waited for is durable, or cannot be stored.
    fn pay(&mut self, kept: bool) {
        let Some((owed, _)) = self.owed.pop_front() else { return };
        if kept {
            self.say(owed);
        } else {
            add(&self.broker.options.stats.failed, 1);
            self.leave(DisconnectReasonCode::ServerBusy);
        }
    }

    fn say(&mut self, owed: Owed) {
        let version = self.wire.get_protocol_version();
        let built = match owed {
            Owed::Release(packet) => packets::pubrel(version, packet),
            Owed::Complete(packet, known) => packets::pubcomp(version, packet, known),
            Owed::Answer(pending, reason) => match pending.packet {
                None => return,
                Some(packet) if pending.message.qos == Qos::ExactlyOnce => packets::pubrec(version, packet, reason),
                Some(packet) => packets::puback(version, packet, reason),
            },
        };
        self.send(built);
    }

    /// Retains and hands out a message; false when it could not be kept.
    async fn pass_on(&mut self, pending: &Pending, changes: &mut Vec<Change>) -> bool {
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
        changes.extend(self.broker.deliver(&pending.message, number));
        true
    }

    fn acknowledged(&mut self, packet: u16) {
        if let Some(client) = &self.client {
            self.notes.extend(client.session.acknowledged(packet));
        }
    }

    /// The client has a message of QoS 2, or does not take it (version 5).
    async fn recorded(&mut self, packet: u16, taken: bool) {
        let Some(client) = &self.client else { return };
        if !taken {
            self.notes.extend(client.session.given_up(packet));
            return;
        }
        let change = client.session.recorded(packet);
        self.owe(Owed::Release(packet), change.into_iter().collect()).await;
    }

    async fn released(&mut self, packet: u16) {
        let Some(client) = &self.client else { return };
        let (known, change) = client.session.released(packet);
        self.owe(Owed::Complete(packet, known), change.into_iter().collect()).await;
    }

    async fn subscribe(&mut self, packet: u16, entries: Vec<SubEntry>, id: Option<u32>) {
        let Some(client) = &self.client else { return };
        let (principal, session) = (client.principal.clone(), client.session.clone());
        if entries.iter().any(|e| e.sub_opts().nl() && e.topic_filter().starts_with("$share/")) {
            return self.leave(DisconnectReasonCode::ProtocolError);
        }
        let (mut codes, mut changes) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in &entries {
            let options: &SubOpts = entry.sub_opts();
            let retained = match options.rh() {
                RetainHandling::SendRetained => |_| true,
                RetainHandling::SendRetainedIfNotExists => |fresh| fresh,
                RetainHandling::DoNotSendRetained => |_| false,
            };
            let wish = Wish { filter: entry.topic_filter(), qos: options.qos(), keep_retain: options.rap(), not_own: options.nl(), id, retained };
            codes.push(self.broker.subscribe(&principal, &session, wish, &mut changes).await);
        }
        if !self.broker.keeper.done(changes).await {
            return self.leave(DisconnectReasonCode::ServerBusy);
        }
        self.send(packets::suback(self.wire.get_protocol_version(), packet, codes));
    }

    async fn unsubscribe(&mut self, packet: u16, filters: Vec<String>) {
        let Some(client) = &self.client else { return };
        let mut changes = Vec::new();
        let known: Vec<bool> = filters.iter().map(|f| self.broker.unsubscribe(&client.session, f, &mut changes)).collect();
        if !self.broker.keeper.done(changes).await {
            return self.leave(DisconnectReasonCode::ServerBusy);
        }
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
            let (session, alias_room) = (client.session.clone(), client.alias_room);
            let Some(delivery) = session.take(&client.attachment, &mut self.notes) else { return };
            let packet = delivery.packet();
            let built = packets::publish(version, &delivery, delivery.again);
            if let Some(packet) = packet {
                // It is free: the session sends nothing under an id that is open.
                let _free = self.wire.register_packet_id(packet);
                session.sent(packet, delivery);
            }
            self.wire.set_auto_map_topic_alias_send(built.as_ref().is_ok_and(|p| p.size() + packets::ALIAS_BYTES <= alias_room));
            let sent = self.send(built);
            let stats = &self.broker.options.stats;
            if sent {
                add(&stats.delivered, 1);
                continue;
            }
            // Larger than the client takes: it is as if it had been sent and acknowledged (5.0, 3.1.2.11.4).
            add(&stats.dropped, 1);
            if let Some(packet) = packet {
                self.notes.extend(session.given_up(packet));
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
        let mut changes = std::mem::take(&mut self.notes);
        while !self.pending.is_empty() {
            let outcome = first_done(&mut self.pending).await;
            let Some(pending) = self.pending.pop_front() else { break };
            if outcome == Outcome::Done {
                self.pass_on(&pending, &mut changes).await;
            }
        }
        let Some(mut client) = self.client.take() else { return };
        if let Some(entry) = client.principal.entry() {
            entry.connected(false);
        }
        let attachments = client.session.attachments();
        let (present, more) = client.session.detach(&client.attachment);
        changes.extend(more);
        if present {
            // What came by shared subscriptions is for members that are there.
            changes.extend(self.broker.hand_over(&client.session, false));
        }
        let expiry = client.session.expiry();
        changes.extend(self.broker.drop_if_over(&client.owner, &client.id));
        self.broker.keeper.note(changes).await;
        let Some(will) = client.will.take() else { return };
        let delay = Duration::from_secs(u64::from(will.delay_s)).min(expiry);
        let (broker, address) = (self.broker.clone(), self.peer.address);
        let leave = async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = client.session.ended.cancelled() => {}
            }
            // Another connection goes on with the session: the will is void.
            let back = !client.session.is_gone() && (!present || client.session.attachments() != attachments);
            if delay.is_zero() || !back {
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
    async fn will(&self, principal: &Principal, will: WillSpec, address: std::net::IpAddr) {
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
        let changes = self.deliver(&message, 0);
        self.keeper.note(changes).await;
    }
}
