//! One connection to a camera, however many look at it: it begins with the first who needs pictures and ends some seconds after the
//! last. The pictures since the last key frame are kept, so that who comes later begins at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dothi_kernel::{Clock, Error, Kind, Result, Timestamp};
use dothi_store::Store;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::media::{Config, TICKS, TimeLine, Unit};
use crate::model::Link;
use crate::source::{Reach, Sink, Source, pull};
use crate::{mp4, tables};

/// Pictures that wait for a slow taker; it then goes on at the next key frame.
const WAITING: usize = 64;
/// Bytes and pictures since the last key frame that are kept.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
const KEPT: usize = 600;
/// How long a connection outlives the last who needed it.
const LINGER: Duration = Duration::from_secs(10);
/// Between tries to connect: from, to.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A connection that lasted so long begins anew at the shortest pause.
const GOOD: Duration = Duration::from_secs(30);

/// A picture, ready for every taker.
#[derive(Debug)]
pub(crate) struct Piece {
    pub config: Arc<Config>,
    pub unit: Unit,
    /// When it came.
    pub at: Timestamp,
    /// As a fragment.
    pub bytes: Bytes,
}

#[derive(Default)]
struct Now {
    /// Since the last key frame; empty when that was too much to keep.
    pieces: Vec<Arc<Piece>>,
    bytes: usize,
    whole: bool,
}

/// A camera's pictures.
pub(crate) struct Feed {
    camera: Uuid,
    sender: broadcast::Sender<Arc<Piece>>,
    now: Mutex<Now>,
    link: watch::Sender<Link>,
    users: AtomicUsize,
    left: Notify,
    again: Notify,
}

/// Keeps a camera's connection while it is held.
pub(crate) struct Lease {
    feed: Arc<Feed>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.feed.users.fetch_sub(1, Ordering::SeqCst);
        self.feed.left.notify_one();
    }
}

impl Lease {
    /// Pictures since the last key frame, and those to come.
    pub fn subscribe(&self) -> (Vec<Arc<Piece>>, broadcast::Receiver<Arc<Piece>>) {
        let now = self.feed.now();
        (now.pieces.clone(), self.feed.sender.subscribe())
    }

    /// What the connection is doing, and each change of it.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.feed.link.subscribe()
    }

    /// The last key frame, or the next one. 503 with why there is none in time.
    pub async fn key_frame(&self, within: Duration) -> Result<Arc<Piece>> {
        let (kept, mut coming) = self.subscribe();
        if let Some(key) = kept.into_iter().find(|p| p.unit.key) {
            return Ok(key);
        }
        let mut link = self.link();
        let next = async {
            loop {
                // A camera that cannot be reached gives no picture, however long one waits.
                if link.borrow_and_update().state == "failed" {
                    return None;
                }
                tokio::select! {
                    piece = coming.recv() => match piece {
                        Ok(piece) if piece.unit.key => return Some(piece),
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                    changed = link.changed() => changed.ok()?,
                }
            }
        };
        match tokio::time::timeout(within, next).await {
            Ok(Some(piece)) => Ok(piece),
            _ => Err(Error::unavailable("video.silent", "The camera gives no picture.").with("link", &self.feed.link.borrow().state)),
        }
    }
}

impl Feed {
    fn new(camera: Uuid) -> Self {
        let (sender, _) = broadcast::channel(WAITING);
        let (link, _) = watch::channel(Link { state: "connecting".into(), why: None });
        Self { camera, sender, now: Mutex::default(), link, users: AtomicUsize::new(0), left: Notify::new(), again: Notify::new() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, piece: Arc<Piece>) {
        let mut now = self.now();
        if piece.unit.key {
            *now = Now { whole: true, ..Now::default() };
        }
        now.bytes += piece.bytes.len();
        if now.whole && now.bytes <= KEPT_BYTES && now.pieces.len() < KEPT {
            now.pieces.push(piece.clone());
        } else {
            *now = Now::default();
        }
        // Under the lock: who subscribes meanwhile gets each picture once. An error says that nobody takes it.
        let _taken = self.sender.send(piece);
    }

    fn forget(&self) {
        *self.now() = Now::default();
    }

    fn tell(&self, state: &str, why: Option<&str>) {
        self.link.send_if_modified(|old| {
            let changed = old.state != state || old.why.as_deref() != why;
            if changed {
                *old = Link { state: state.into(), why: why.map(str::to_string) };
            }
            changed
        });
    }
}

/// Connections by camera.
pub(crate) struct Hub {
    store: Store,
    reach: Reach,
    stop: CancellationToken,
    feeds: Mutex<HashMap<Uuid, Arc<Feed>>>,
}

impl Hub {
    pub fn new(store: Store, reach: Reach) -> Arc<Self> {
        Arc::new(Self { store, reach, stop: CancellationToken::new(), feeds: Mutex::default() })
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Needs a camera's pictures: connects when nobody did.
    pub fn lease(self: &Arc<Self>, camera: Uuid) -> Lease {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get(&camera) {
            feed.users.fetch_add(1, Ordering::SeqCst);
            return Lease { feed: feed.clone() };
        }
        let feed = Arc::new(Feed::new(camera));
        feed.users.fetch_add(1, Ordering::SeqCst);
        feeds.insert(camera, feed.clone());
        let (hub, pulled) = (self.clone(), feed.clone());
        tokio::spawn(async move { hub.run(pulled).await });
        Lease { feed }
    }

    /// What the connection to a camera is doing.
    pub fn link(&self, camera: Uuid) -> Link {
        self.feeds().get(&camera).map_or_else(|| Link { state: "idle".into(), why: None }, |f| f.link.borrow().clone())
    }

    /// The address or the password changed: connect anew.
    pub fn again(&self, camera: Uuid) {
        if let Some(feed) = self.feeds().get(&camera) {
            feed.again.notify_one();
        }
    }

    /// Ends all connections; none begins any more.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Ends when nobody needs the pictures any more.
    async fn run(self: Arc<Self>, feed: Arc<Feed>) {
        let mut pause = PAUSE.0;
        let mut line = TimeLine::default();
        let mut stopped: Option<Instant> = None;
        loop {
            let began = Instant::now();
            feed.tell("connecting", None);
            let gap = stopped.map_or(0, |s| u64::try_from(s.elapsed().as_micros()).unwrap_or(0) * u64::from(TICKS) / 1_000_000);
            let outcome = tokio::select! {
                outcome = self.connect(&feed, &mut line, gap) => outcome,
                () = feed.again.notified() => Ok(()),
                () = self.unused(&feed) => return,
                () = self.stop.cancelled() => return,
            };
            feed.forget();
            stopped = Some(Instant::now());
            let why = match outcome {
                Ok(()) => {
                    pause = PAUSE.0;
                    continue;
                }
                Err(e) => {
                    if e.kind() == Kind::Internal {
                        tracing::error!(camera = %feed.camera, error = %e, "pulling a camera's pictures failed");
                    } else {
                        tracing::debug!(camera = %feed.camera, code = e.code(), "a camera's pictures ended");
                    }
                    e.code()
                }
            };
            feed.tell("failed", Some(why));
            if began.elapsed() > GOOD {
                pause = PAUSE.0;
            }
            let jittered = pause.mul_f64(0.75 + 0.5 * rand::random::<f64>());
            pause = (pause * 2).min(PAUSE.1);
            tokio::select! {
                () = tokio::time::sleep(jittered) => {}
                () = feed.again.notified() => pause = PAUSE.0,
                () = self.unused(&feed) => return,
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn connect(&self, feed: &Arc<Feed>, line: &mut TimeLine, gap: u64) -> Result<()> {
        let url = tables::url(&self.store, feed.camera).await?.ok_or_else(|| Error::unavailable("video.connect", "The camera is not registered any more."))?;
        let source = Source { url, secret: tables::secret(&self.store, feed.camera).await? };
        let mut taker = Taker { feed: feed.clone(), clock: self.store.clock().clone(), line, gap, config: None, sequence: 1 };
        pull(&source, &self.reach, &mut taker).await
    }

    /// Ends once nobody has needed the feed for a while; it is gone from the map then.
    async fn unused(&self, feed: &Arc<Feed>) {
        loop {
            if feed.users.load(Ordering::SeqCst) == 0 {
                tokio::select! {
                    () = tokio::time::sleep(LINGER) => {}
                    () = feed.left.notified() => continue,
                }
                let mut feeds = self.feeds();
                if feed.users.load(Ordering::SeqCst) == 0 {
                    feeds.remove(&feed.camera);
                    return;
                }
            } else {
                feed.left.notified().await;
            }
        }
    }
}

/// Makes fragments of a connection's pictures.
struct Taker<'a> {
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    line: &'a mut TimeLine,
    gap: u64,
    config: Option<Arc<Config>>,
    sequence: u32,
}

impl Sink for Taker<'_> {
    fn begin(&mut self, config: Config) -> Result<()> {
        if self.config.as_deref() != Some(&config) {
            // What waited belongs to the head before.
            let _dropped = self.line.again(std::mem::take(&mut self.gap));
            self.config = Some(Arc::new(config));
        }
        Ok(())
    }

    fn picture(&mut self, shown: i64, key: bool, data: Bytes) -> Result<()> {
        let Some(config) = self.config.clone() else { return Ok(()) };
        let Some((unit, at)) = self.line.push(shown, key, data, self.clock.now()) else { return Ok(()) };
        let bytes = mp4::fragment(self.sequence, std::slice::from_ref(&unit))?;
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.feed.tell("playing", None);
        self.feed.publish(Arc::new(Piece { config, unit, at, bytes }));
        Ok(())
    }
}
