//! Keeping pictures: files of about a minute in the object store, each with its row and hash. Whoever should record has a task of
//! its own; one look a second says who should.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Result, Timestamp};
use jiff::tz::TimeZone;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cameras::minutes;
use crate::hub::Piece;
use crate::media::TICKS;
use crate::model::Record;
use crate::tables::Camera;
use crate::tables_seen::{self, Segment};
use crate::{Video, mp4};

/// Largest file: what is in memory for one camera.
const LARGEST: usize = 8 * 1024 * 1024;
/// Less between two files is no gap.
const NO_GAP: i64 = 2_000_000;

/// Who is recording.
#[derive(Default)]
pub(crate) struct Recorders {
    running: HashMap<Uuid, CancellationToken>,
    /// Until when cameras that record on events go on.
    until: HashMap<Uuid, Timestamp>,
}

impl Recorders {
    pub fn is_recording(&self, camera: Uuid) -> bool {
        self.running.contains_key(&camera)
    }
}

/// Whether the hours given hold the instant.
fn within(camera: &Camera, at: Timestamp, zone: &TimeZone) -> bool {
    let local = at.to_zoned(zone.clone());
    let now = u32::try_from(i64::from(local.hour()) * 60 + i64::from(local.minute())).unwrap_or(0);
    camera
        .hours
        .iter()
        .filter_map(|h| minutes(&h.from).zip(minutes(&h.to)))
        .any(|(from, to)| if from < to { (from..to).contains(&now) } else { now >= from || now < to })
}

/// A file in the making.
struct Part {
    first: Arc<Piece>,
    last: Arc<Piece>,
    bytes: Vec<u8>,
    frames: u32,
}

impl Part {
    fn begin(piece: &Arc<Piece>) -> Result<Self> {
        let mut bytes = mp4::init(&piece.config)?.to_vec();
        bytes.extend_from_slice(&piece.bytes);
        Ok(Self { first: piece.clone(), last: piece.clone(), bytes, frames: 1 })
    }

    fn ticks(&self) -> u64 {
        self.last.unit.dts + u64::from(self.last.unit.duration) - self.first.unit.dts
    }
}

impl Video {
    fn should_record(&self, camera: &Camera, now: Timestamp) -> bool {
        camera.active
            && match camera.record {
                Record::None => false,
                Record::Always => true,
                Record::Hours => within(camera, now, &self.zone),
                Record::Event => self.recorders().until.get(&camera.id).is_some_and(|until| *until > now),
            }
    }

    /// An event at a camera that records on events: it goes on for the policy's time.
    pub(crate) fn record_event(&self, camera: &Camera, now: Timestamp) {
        if camera.record == Record::Event
            && let Ok(policy) = self.policy(now)
        {
            let until = now + Duration::from_secs(u64::from(policy.event_seconds));
            self.recorders().until.insert(camera.id, until);
        }
    }

    /// Begins and ends recordings as the cameras say; looked at each second.
    pub(crate) fn record_as_told(self: &Arc<Self>) {
        let now = self.store.clock().now();
        for camera in self.all() {
            let wanted = self.should_record(&camera, now);
            let mut recorders = self.recorders();
            match recorders.running.get(&camera.id) {
                Some(stop) if !wanted => stop.cancel(),
                None if wanted => {
                    let stop = CancellationToken::new();
                    recorders.running.insert(camera.id, stop.clone());
                    let (this, id) = (self.clone(), camera.id);
                    tokio::spawn(async move {
                        this.record(id, &stop).await;
                        this.recorders().running.remove(&id);
                    });
                }
                _ => {}
            }
        }
    }

    /// Ends all recordings; what is in memory is kept.
    pub(crate) async fn stop_recording(&self) {
        self.recorders().running.values().for_each(CancellationToken::cancel);
        while !self.recorders().running.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn record(self: &Arc<Self>, id: Uuid, stop: &CancellationToken) {
        let lease = self.hub.lease(id);
        let (kept, mut coming) = lease.subscribe();
        let mut before = tables_seen::last_end(&self.store, id).await.unwrap_or_default();
        let mut part: Option<Part> = None;
        let mut waiting = std::collections::VecDeque::from(kept);
        loop {
            let piece = match waiting.pop_front() {
                Some(piece) => piece,
                None => tokio::select! {
                    next = coming.recv() => match next {
                        Ok(piece) => piece,
                        // The disk was slower than the camera: the file ends here, and the next one begins at a key frame.
                        Err(RecvError::Lagged(_)) => {
                            self.finish(id, part.take(), &mut before).await;
                            continue;
                        }
                        Err(RecvError::Closed) => break,
                    },
                    () = stop.cancelled() => break,
                },
            };
            let follows = part.as_ref().is_some_and(|p| {
                Arc::ptr_eq(&p.last.config, &piece.config) && p.last.unit.dts + u64::from(p.last.unit.duration) + u64::from(TICKS) >= piece.unit.dts
            });
            let full = piece.unit.key && part.as_ref().is_some_and(|p| p.ticks() >= self.segment_ticks(piece.at));
            let large = part.as_ref().is_some_and(|p| p.bytes.len() + piece.bytes.len() > LARGEST);
            if !follows || full || large {
                self.finish(id, part.take(), &mut before).await;
            }
            match &mut part {
                Some(p) => {
                    p.bytes.extend_from_slice(&piece.bytes);
                    p.frames += 1;
                    p.last = piece;
                }
                None if piece.unit.key => {
                    part = Part::begin(&piece).inspect_err(|e| tracing::warn!(camera = %id, error = %e, "a recording cannot begin")).ok();
                }
                None => {}
            }
        }
        self.finish(id, part.take(), &mut before).await;
    }

    fn segment_ticks(&self, at: Timestamp) -> u64 {
        u64::from(self.policy(at).map_or(60, |p| p.segment_seconds)) * u64::from(TICKS)
    }

    async fn finish(&self, id: Uuid, part: Option<Part>, before: &mut Option<Timestamp>) {
        let Some(part) = part else { return };
        match self.keep(id, part, *before).await {
            Ok(to) => *before = Some(to),
            Err(e) => tracing::error!(camera = %id, error = %e, "a recorded file could not be kept"),
        }
    }

    async fn keep(&self, camera: Uuid, part: Part, before: Option<Timestamp>) -> Result<Timestamp> {
        let (from, ticks) = (part.first.at, part.ticks());
        let to = from + Duration::from_micros(ticks * 1_000_000 / u64::from(TICKS));
        let gap = before.map_or(0, |b| from.as_microsecond() - b.as_microsecond());
        let blob = self.store.blobs().put(part.bytes.into(), "video/mp4").await?;
        let mut tx = self.store.begin_as("video").await?;
        tx.attach(&blob).await?;
        let segment = Segment {
            id: tx.id(),
            camera,
            from,
            to,
            sha256: blob.sha256,
            size: blob.size,
            base: part.first.unit.dts,
            frames: part.frames,
            gap: if gap > NO_GAP { gap } else { 0 },
        };
        tables_seen::put_segment(&mut tx, &segment).await?;
        tx.commit().await?;
        Ok(to)
    }
}
