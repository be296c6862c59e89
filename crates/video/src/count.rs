//! Counting what passes: a model finds things in pictures, they are followed from picture to picture, and those that cross a line or
//! stand in an area are counted. Counts become observations of the camera's thing, so rules can use them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Error, Event, Result, Timestamp};
use dothi_vision::{Anchor, Decoder, Detector, Line, LineCounter, Polygon, Tracker, ZoneCounter};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::hub::Piece;
use crate::media;
use crate::model::{Counting, DetectorDef};
use crate::pack::CountRules;
use crate::tables::{self, Camera};
use crate::{Video, sight};

/// Pause before a counter that failed begins anew.
const AGAIN: Duration = Duration::from_secs(30);

/// Which cameras are being counted at, and by which version of their registration.
#[derive(Default)]
pub(crate) struct Counters {
    running: HashMap<Uuid, (i64, CancellationToken)>,
}

/// Whether a line or an area can be meant.
pub(crate) fn sound(counting: &Counting) -> bool {
    let inside = |(x, y): &(f32, f32)| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y);
    match counting {
        Counting::Line { a, b } => inside(a) && inside(b) && (a.0 - b.0).hypot(a.1 - b.1) > 0.02,
        Counting::Zone { corners } => Polygon(corners.clone()).check().is_ok(),
    }
}

enum Kind {
    Line(LineCounter),
    Zone(ZoneCounter),
}

/// One detector at work.
struct Counter {
    def: DetectorDef,
    model: Arc<Detector>,
    tracker: Tracker,
    kind: Kind,
    n: u32,
    until: Option<Timestamp>,
}

impl Counter {
    fn new(def: DetectorDef, model: Arc<Detector>, rules: &CountRules) -> Result<Self> {
        let kind = match &def.counting {
            Counting::Line { a, b } => Kind::Line(LineCounter::new(Line { a: *a, b: *b, anchor: Anchor::Foot, margin: rules.margin })?),
            Counting::Zone { corners } => Kind::Zone(ZoneCounter::new(Polygon(corners.clone()), Anchor::Foot, 0.0)?),
        };
        Ok(Self { tracker: Tracker::new(rules.tracking.clone())?, def, model, kind, n: 0, until: None })
    }

    /// Takes a picture; gives the count when its time is over.
    fn see(&mut self, frame: &dothi_vision::Frame, at: Timestamp) -> Result<Option<u32>> {
        let mut found = self.model.find(frame)?;
        found.retain(|f| self.def.classes.contains(&f.class));
        let tracks = self.tracker.see(at, &found);
        match &mut self.kind {
            Kind::Line(line) => self.n += u32::try_from(line.see(at, tracks).len()).unwrap_or(0),
            Kind::Zone(zone) => {
                zone.see(at, tracks);
                self.n = self.n.max(u32::try_from(zone.inside()).unwrap_or(0));
            }
        }
        let until = *self.until.get_or_insert(at + Duration::from_secs(u64::from(self.def.every_seconds)));
        if at < until {
            return Ok(None);
        }
        self.until = None;
        Ok(Some(std::mem::take(&mut self.n)))
    }
}

/// All detectors of a camera, over one decoder.
struct Bench {
    decoder: Decoder,
    counters: Vec<Counter>,
    every: Duration,
    last: Option<Timestamp>,
}

impl Bench {
    /// Takes a picture; counts that are complete: detector, attribute, how many.
    fn push(&mut self, piece: &Piece) -> Result<Vec<(String, String, u32)>> {
        let Ok(Some(frame)) = self.decoder.push(&media::annex_b(&piece.config, &piece.unit)) else { return Ok(Vec::new()) };
        if self.last.is_some_and(|last| piece.at < last + self.every) {
            return Ok(Vec::new());
        }
        self.last = Some(piece.at);
        let mut done = Vec::new();
        for counter in &mut self.counters {
            if let Some(n) = counter.see(&frame, piece.at)? {
                done.push((counter.def.code.clone(), counter.def.attribute.clone(), n));
            }
        }
        Ok(done)
    }
}

impl Video {
    /// Begins and ends counting as the cameras say; looked at each second.
    pub(crate) fn count_as_told(self: &Arc<Self>) {
        let cameras = self.all();
        let mut counters = self.counters();
        counters.running.retain(|id, (version, stop)| {
            let same = cameras.iter().any(|c| c.id == *id && c.active && c.version == *version && !c.detectors.is_empty());
            if !same {
                stop.cancel();
            }
            same
        });
        for camera in cameras.iter().filter(|c| c.active && !c.detectors.is_empty()) {
            if counters.running.contains_key(&camera.id) {
                continue;
            }
            let stop = CancellationToken::new();
            counters.running.insert(camera.id, (camera.version, stop.clone()));
            let (this, camera) = (self.clone(), camera.clone());
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        done = this.count_at(&camera) => if let Err(e) = done {
                            tracing::warn!(camera = %camera.id, error = %e, "counting at a camera failed; it begins anew");
                        },
                        () = stop.cancelled() => return,
                    }
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = stop.cancelled() => return,
                    }
                }
            });
        }
    }

    pub(crate) fn stop_counting(&self) {
        self.counters().running.drain().for_each(|(_, (_, stop))| stop.cancel());
    }

    async fn bench(&self, camera: &Camera) -> Result<Bench> {
        let pack = self.pack();
        let lacking = || Error::unprocessable("video.policy.none", "No pack says how things are counted.");
        let rules = pack.count.as_ref().ok_or_else(lacking)?;
        let mut counters = Vec::new();
        for def in &camera.detectors {
            let model = pack.model.iter().find(|m| m.code == def.model).ok_or_else(lacking)?;
            let (_, bytes) = self.store.blobs().get(&model.sha256).await?;
            let detector = self.sight.detector(&model.sha256, bytes, sight::spec_of(model)?).await?;
            counters.push(Counter::new(def.clone(), detector, rules)?);
        }
        Ok(Bench { decoder: Decoder::new()?, counters, every: Duration::from_millis(u64::from(rules.every_ms)), last: None })
    }

    async fn count_at(&self, camera: &Camera) -> Result<()> {
        let mut bench = self.bench(camera).await?;
        let lease = self.hub.lease(camera.id);
        let (kept, mut coming) = lease.subscribe();
        let mut waiting = std::collections::VecDeque::from(kept);
        loop {
            let piece = match waiting.pop_front() {
                Some(piece) => piece,
                None => match coming.recv().await {
                    Ok(piece) => piece,
                    Err(RecvError::Lagged(_)) => {
                        // Pictures build on those that were missed: on to the next key frame.
                        bench.decoder = Decoder::new()?;
                        continue;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
            };
            let mut worked = bench;
            let done;
            (bench, done) = self.sight.work(move || worked.push(&piece).map(|done| (worked, done))).await?;
            if !done.is_empty() {
                self.keep_counts(camera, done).await?;
            }
        }
    }

    async fn keep_counts(&self, camera: &Camera, done: Vec<(String, String, u32)>) -> Result<()> {
        let mut tx = self.store.begin_as("video").await?;
        for (detector, attribute, n) in &done {
            tables::put_count(&mut tx, camera.id, detector, attribute, *n).await?;
        }
        let some = done.iter().any(|(_, _, n)| *n > 0);
        let counts = done.into_iter().map(|(_, attribute, n)| (attribute, n)).collect();
        tx.emit(Event::CameraCounted { camera: camera.id, entity: camera.entity.clone(), counts, unit: camera.unit.clone() });
        let now = tx.now();
        tx.commit().await?;
        if some {
            self.record_event(camera, now);
        }
        Ok(())
    }
}
