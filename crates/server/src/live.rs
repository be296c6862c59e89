//! The live stream: one reader of the outbox for all screens, each screen seeing what its caller may see.
//!
//! An event is put into bytes once. Screens whose callers may see the same belong to one *class*: what was read at once is
//! sifted once a class and handed to its screens as one piece. So five thousand screens cost five thousand writes, not five
//! thousand times the work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use dothi_kernel::event::Audience;
use dothi_kernel::{Caller, CallerKind, Error, Event, EventRecord, Permission, Result, Scope};
use dothi_store::Store;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use crate::wall::AtWall;

/// Screens that may listen at once.
const SCREENS: usize = 5_000;
/// Events a returning screen may be behind before it must start afresh.
const REPLAY: usize = 2_000;
const READ: usize = 500;
/// Readings of the outbox begin at least so far apart: under load one serves many commits.
const PACE: Duration = Duration::from_millis(20);
/// That observations came in is told at most so often: screens only take it as a hint to look again.
const HINT: Duration = Duration::from_millis(500);
/// Pieces a screen may be behind before it must load afresh.
const BEHIND: usize = 512;
/// Bytes put together for a screen that fell behind.
const PIECE: usize = 64 * 1024;
/// A sign of life for those in between.
const QUIET: Duration = Duration::from_secs(15);
/// A wall screen is let in anew so often: what ended meanwhile stays out.
const WALL: Duration = Duration::from_secs(300);

/// What was read at once, as one class may see it.
struct Piece {
    /// Where the message of each event begins.
    begins: Vec<(i64, usize)>,
    /// Where what belongs to no event in order begins.
    tail: usize,
    /// The newest event read.
    last: i64,
    bytes: Bytes,
}

impl Piece {
    /// What comes after `seen`.
    fn after(&self, seen: i64) -> Bytes {
        let from = self.begins.iter().find(|(seq, _)| *seq > seen).map_or(self.tail, |(_, at)| *at);
        self.bytes.slice(from..)
    }
}

/// Screens that may see the same.
struct Class {
    caller: Caller,
    sender: broadcast::Sender<Arc<Piece>>,
}

/// An event, put into bytes.
struct Message {
    seq: i64,
    event: Event,
    text: String,
}

/// Hands new events to all listening screens.
pub struct LiveHub {
    store: Store,
    classes: Mutex<HashMap<String, Class>>,
    places: Arc<Semaphore>,
}

impl LiveHub {
    /// A hub; [`LiveHub::run`] feeds it.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store, classes: Mutex::new(HashMap::new()), places: Arc::new(Semaphore::new(SCREENS)) })
    }

    /// Screens listening now.
    pub fn screens(&self) -> usize {
        SCREENS - self.places.available_permits()
    }

    /// Groups of screens that see the same.
    pub fn classes(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Class>> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, caller: &Caller) -> broadcast::Receiver<Arc<Piece>> {
        let mut classes = self.held();
        let class = classes.entry(sight(caller)).or_insert_with(|| Class { caller: caller.clone(), sender: broadcast::Sender::new(BEHIND) });
        class.sender.subscribe()
    }

    /// Reads new events once and sends them to everybody, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut newest = self.store.watch_events();
        let mut seen = *newest.borrow_and_update();
        let mut hints = Hints { told: Instant::now() - HINT, waiting: None };
        loop {
            let changed = match hints.due() {
                None => newest.changed().await,
                Some(due) => tokio::select! {
                    changed = newest.changed() => changed,
                    () = tokio::time::sleep_until(due.into()) => Ok(()),
                },
            };
            if changed.is_err() {
                return;
            }
            let begun = Instant::now();
            loop {
                match self.store.events_after(seen, READ).await {
                    Ok(records) => {
                        let more = records.len() >= READ;
                        seen = records.last().map_or(seen, |r| r.seq);
                        let messages = records.into_iter().filter_map(|r| hints.sift(r)).filter_map(|r| message(&r)).collect();
                        let hint = hints.take().as_ref().and_then(hint);
                        self.send(messages, hint, seen);
                        if !more {
                            break;
                        }
                    }
                    Err(e) => {
                        tracing::error!(error = %e, "reading events for the live stream failed");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
            tokio::time::sleep(PACE.saturating_sub(begun.elapsed())).await;
        }
    }

    fn send(&self, messages: Vec<Message>, hint: Option<Message>, last: i64) {
        if messages.is_empty() && hint.is_none() {
            return;
        }
        self.held().retain(|_, class| {
            if class.sender.receiver_count() == 0 {
                return false;
            }
            let (mut begins, mut text) = (Vec::new(), String::new());
            for message in messages.iter().filter(|m| visible(&class.caller, &m.event)) {
                begins.push((message.seq, text.len()));
                text.push_str(&message.text);
            }
            let tail = text.len();
            if let Some(hint) = hint.as_ref().filter(|h| visible(&class.caller, &h.event)) {
                text.push_str(&hint.text);
            }
            if !text.is_empty() {
                // Nobody listening any more is fine.
                let _listeners = class.sender.send(Arc::new(Piece { begins, tail, last, bytes: text.into() }));
            }
            true
        });
    }
}

/// That observations came in: the newest of them waits until it is time to tell.
struct Hints {
    told: Instant,
    waiting: Option<EventRecord>,
}

impl Hints {
    /// Keeps back what is only a hint.
    fn sift(&mut self, record: EventRecord) -> Option<EventRecord> {
        if matches!(record.event, Event::ObservationsAccepted { .. }) {
            self.waiting = Some(record);
            return None;
        }
        Some(record)
    }

    fn due(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|_| self.told + HINT)
    }

    /// The hint, when it is time.
    fn take(&mut self) -> Option<EventRecord> {
        if self.due()? > Instant::now() {
            return None;
        }
        self.told = Instant::now();
        self.waiting.take()
    }
}

/// What a caller may see of events, as a word: the units over which each permission is held. Callers with the same word see
/// the same.
fn sight(caller: &Caller) -> String {
    if caller.kind == CallerKind::System {
        return "*".into();
    }
    let mut held: BTreeMap<Permission, Option<BTreeSet<&str>>> = BTreeMap::new();
    for grant in caller.grants.iter() {
        for permission in &grant.permissions {
            let units = held.entry(*permission).or_insert_with(|| Some(BTreeSet::new()));
            match (&grant.units, units.as_mut()) {
                (Some(own), Some(all)) => all.extend(own.iter().map(String::as_str)),
                _ => *units = None,
            }
        }
    }
    format!("{held:?}")
}

fn visible(caller: &Caller, event: &Event) -> bool {
    match event.audience() {
        Audience::Public => true,
        Audience::Internal => false,
        Audience::Holders(permission) => caller.may(permission, event.unit().map_or(Scope::ANY, Scope::unit)),
    }
}

/// One message of the stream. What is for nobody outside is not even put into bytes.
fn message(record: &EventRecord) -> Option<Message> {
    if record.event.audience() == Audience::Internal {
        return None;
    }
    let json = told(record)?;
    let mut text = String::with_capacity(json.len() + 64);
    write!(text, "id: {}\nevent: {}\ndata: {json}\n\n", record.seq, record.event.name()).ok()?;
    Some(Message { seq: record.seq, event: record.event.clone(), text })
}

/// A hint carries no id: it is told late and out of turn, and is not asked for again.
fn hint(record: &EventRecord) -> Option<Message> {
    let text = format!("event: {}\ndata: {}\n\n", record.event.name(), told(record)?);
    Some(Message { seq: record.seq, event: record.event.clone(), text })
}

fn told(record: &EventRecord) -> Option<String> {
    serde_json::to_string(record).inspect_err(|e| tracing::error!(error = %e, "an event could not be written")).ok()
}

fn sign(event: &str, id: Option<i64>) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {event}\ndata: {{}}\n\n")
}

/// A screen's side of the stream.
struct Screen {
    first: Option<Bytes>,
    receiver: broadcast::Receiver<Arc<Piece>>,
    seen: i64,
    ends: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

impl Screen {
    /// The next bytes; none when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if self.ends.is_some_and(|ends| ends <= Instant::now()) {
                return None;
            }
            match tokio::time::timeout(QUIET, self.receiver.recv()).await {
                Err(_) => return Some(Bytes::from_static(b":\n\n")),
                Ok(Ok(piece)) => {
                    let bytes = self.take(&piece);
                    if !bytes.is_empty() {
                        return Some(self.more(bytes));
                    }
                }
                // A slow screen is told to load afresh; it slows nobody else.
                Ok(Err(RecvError::Lagged(_))) => return Some(sign("reset", None).into()),
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    fn take(&mut self, piece: &Piece) -> Bytes {
        let bytes = piece.after(self.seen);
        self.seen = self.seen.max(piece.last);
        bytes
    }

    /// What else waits already goes out in the same write.
    fn more(&mut self, first: Bytes) -> Bytes {
        let mut all: Option<BytesMut> = None;
        while all.as_ref().map_or(first.len(), BytesMut::len) < PIECE {
            let more = match self.receiver.try_recv() {
                Ok(piece) => self.take(&piece),
                Err(TryRecvError::Lagged(_)) => sign("reset", None).into(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            };
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&more);
        }
        all.map_or(first, BytesMut::freeze)
    }
}

/// `GET /api/live`: server-sent events, resumable by `Last-Event-ID`. A screen that was away too long gets `reset`
/// and should load its lists again. `observations-accepted` is a hint, told at most twice a second and never again. 429 when
/// too many screens listen.
#[utoipa::path(get, path = "/api/live", tag = "live", responses((status = 200, description = "Server-sent events", content_type = "text/event-stream")))]
pub async fn stream(State(hub): State<Arc<LiveHub>>, caller: Caller, wall: Option<Extension<AtWall>>, headers: HeaderMap) -> Result<Response> {
    let place = hub
        .places
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::too_many("live.full", "Too many screens are listening.").retry_after(Duration::from_secs(10)))?;
    let asked = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<i64>().ok());
    let receiver = hub.listen(&caller);
    let newest = *hub.store.watch_events().borrow();
    let (mut first, mut seen) = (sign("hello", Some(newest)), newest);
    if let Some(since) = asked {
        let missed = hub.store.events_after(since, REPLAY + 1).await?;
        if missed.len() > REPLAY {
            first.push_str(&sign("reset", Some(newest)));
        } else {
            let hints = |r: &&EventRecord| !matches!(r.event, Event::ObservationsAccepted { .. });
            first = missed.iter().filter(|r| visible(&caller, &r.event)).filter(hints).filter_map(message).map(|m| m.text).collect();
            seen = missed.last().map_or(since, |r| r.seq);
        }
    }
    let ends = wall.map(|_| Instant::now() + WALL);
    let first = Some(Bytes::from(first)).filter(|f| !f.is_empty());
    let screen = Screen { first, receiver, seen, ends, _place: place };
    let pieces = futures::stream::unfold(screen, |mut screen| async move { screen.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), screen)) });
    let mut response = Body::from_stream(pieces).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dothi_kernel::{Grant, SystemClock};

    use super::*;

    fn officer(unit: &str, permissions: &[Permission]) -> Caller {
        let units = Some(Arc::new(BTreeSet::from([unit.to_string()])));
        let grant = Grant { role: "r".into(), unit: unit.into(), permissions: permissions.iter().copied().collect(), units, sectors: None };
        Caller { kind: CallerKind::Staff, grants: Arc::new([grant]), ..Caller::system("test", &SystemClock) }
    }

    #[test]
    fn callers_who_see_the_same_share_a_class_and_nobody_else_does() {
        let own = officer("a", &[Permission::CaseRead, Permission::AlarmRead]);
        let same = officer("a", &[Permission::AlarmRead, Permission::CaseRead]);
        assert_eq!(sight(&own), sight(&same));
        for other in [officer("b", &[Permission::CaseRead, Permission::AlarmRead]), officer("a", &[Permission::CaseRead])] {
            assert_ne!(sight(&own), sight(&other));
        }
        // Held everywhere is not held in no unit.
        let everywhere = Grant { units: None, ..own.grants[0].clone() };
        assert_ne!(sight(&Caller { grants: Arc::new([everywhere]), ..own.clone() }), sight(&own));
    }

    #[test]
    fn a_screen_that_came_within_a_piece_gets_its_end_only() {
        let piece = Piece { begins: vec![(5, 0), (7, 4)], tail: 9, last: 8, bytes: Bytes::from_static(b"fivesevenhint") };
        let after = |seen| String::from_utf8(piece.after(seen).to_vec()).unwrap_or_default();
        assert_eq!([after(4), after(5), after(7)], ["fivesevenhint", "sevenhint", "hint"].map(String::from));
    }
}
