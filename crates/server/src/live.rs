//! The live stream: one reader of the outbox for all screens, each screen seeing what its caller may see.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use dothi_kernel::event::Audience;
use dothi_kernel::{Caller, Error, EventRecord, Result, Scope};
use dothi_store::Store;
use futures::Stream;
use tokio::sync::{Semaphore, broadcast};

/// Screens that may listen at once.
const SCREENS: usize = 5_000;
/// Events a returning screen may be behind before it must start afresh.
const REPLAY: usize = 2_000;
const READ: usize = 500;
/// Readings of the outbox begin at least so far apart: under load one serves many commits.
const PACE: Duration = Duration::from_millis(20);

/// Hands new events to all listening screens.
pub struct LiveHub {
    store: Store,
    sender: broadcast::Sender<Arc<EventRecord>>,
    places: Arc<Semaphore>,
}

impl LiveHub {
    /// A hub; [`LiveHub::run`] feeds it.
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store, sender: broadcast::Sender::new(4_096), places: Arc::new(Semaphore::new(SCREENS)) })
    }

    /// Screens listening now.
    pub fn screens(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Reads new events once and sends them to everybody, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut newest = self.store.watch_events();
        let mut seen = *newest.borrow_and_update();
        while newest.changed().await.is_ok() {
            let begun = Instant::now();
            loop {
                match self.store.events_after(seen, READ).await {
                    Ok(records) => {
                        let more = records.len() >= READ;
                        for record in records {
                            seen = record.seq;
                            // Nobody listening is fine.
                            let _listeners = self.sender.send(Arc::new(record));
                        }
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
}

fn visible(caller: &Caller, record: &EventRecord) -> bool {
    match record.event.audience() {
        Audience::Public => true,
        Audience::Internal => false,
        Audience::Holders(permission) => caller.may(permission, record.event.unit().map_or(Scope::ANY, Scope::unit)),
    }
}

fn message(record: &EventRecord) -> SseEvent {
    SseEvent::default().id(record.seq.to_string()).event(record.event.name()).json_data(record).unwrap_or_default()
}

/// `GET /api/live`: server-sent events, resumable by `Last-Event-ID`. A screen that was away too long gets `reset`
/// and should load its lists again. 429 when too many screens listen.
#[utoipa::path(get, path = "/api/live", tag = "live", responses((status = 200, description = "Server-sent events", content_type = "text/event-stream")))]
pub async fn stream(State(hub): State<Arc<LiveHub>>, caller: Caller, headers: HeaderMap) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>> {
    let place = hub
        .places
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::too_many("live.full", "Too many screens are listening.").retry_after(Duration::from_secs(10)))?;
    let asked = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<i64>().ok());
    let receiver = hub.sender.subscribe();
    let newest = *hub.store.watch_events().borrow();
    let (mut first, mut seen) = (vec![SseEvent::default().id(newest.to_string()).event("hello").data("{}")], newest);
    if let Some(since) = asked {
        let missed = hub.store.events_after(since, REPLAY + 1).await?;
        if missed.len() > REPLAY {
            first.push(SseEvent::default().id(newest.to_string()).event("reset").data("{}"));
        } else {
            first.clear();
            first.extend(missed.iter().filter(|r| visible(&caller, r)).map(message));
            seen = missed.last().map_or(since, |r| r.seq);
        }
    }
    let start = futures::stream::iter(first.into_iter().map(Ok));
    let rest = futures::stream::unfold((receiver, caller, seen, place), |(mut receiver, caller, mut seen, place)| async move {
        loop {
            match receiver.recv().await {
                Ok(record) if record.seq <= seen => {}
                Ok(record) => {
                    seen = record.seq;
                    if visible(&caller, &record) {
                        return Some((Ok(message(&record)), (receiver, caller, seen, place)));
                    }
                }
                // A slow screen is told to load afresh; it slows nobody else.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return Some((Ok(SseEvent::default().event("reset").data("{}")), (receiver, caller, seen, place)));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    Ok(Sse::new(futures::StreamExt::chain(start, rest)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
