//! Seeing what was recorded: what there is, replays with a reason, snapshots, bookmarks, holds.

use std::time::Duration;

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Timestamp};
use uuid::Uuid;

use crate::model::{Bookmark, BookmarkInput, Hold, ReasonInput, Recordings, Replay, Segment, Span, SpanInput};
use crate::tables::Camera;
use crate::tables_seen;
use crate::{FORM, Video, mp4, reason, sight};

/// Longest span that is looked at, asked for or replayed at once.
const LOOK: Duration = Duration::from_secs(31 * 86_400);
const REPLAY: Duration = Duration::from_secs(6 * 3_600);
/// Files that one answer names.
const FILES: usize = 50_000;
const REPLAYED: usize = 2_000;
/// Files that are nearer than this are one piece.
const JOINED: i64 = 2_000_000;
/// How long the files of a replay may be asked for.
const OPEN: Duration = Duration::from_secs(8 * 3_600);
/// How long a snapshot waits for a picture.
const PICTURE: Duration = Duration::from_secs(20);

pub(crate) fn span(from: Timestamp, to: Timestamp, longest: Duration) -> Result<()> {
    let long = to.as_microsecond() - from.as_microsecond();
    if long <= 0 || u128::try_from(long).unwrap_or(0) > longest.as_micros() {
        return Err(Error::unprocessable("video.span", "The span must end after it begins, and not be too long.").with("most_minutes", longest.as_secs() / 60));
    }
    Ok(())
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / f64::from(crate::media::TICKS)
}

impl Video {
    /// What a camera recorded: needs `camera-replay` in its unit. 422 `video.span`.
    pub async fn recordings(&self, caller: &Caller, id: Uuid, from: Timestamp, to: Timestamp) -> Result<Recordings> {
        self.own(caller, Permission::CameraReplay, id)?;
        span(from, to, LOOK)?;
        let mut spans: Vec<Span> = Vec::new();
        for s in tables_seen::segments(&self.store, id, from, to, FILES).await? {
            match spans.last_mut() {
                Some(last) if s.from.as_microsecond() - last.to.as_microsecond() < JOINED => last.to = last.to.max(s.to),
                _ => spans.push(Span { from: s.from, to: s.to }),
            }
        }
        let (first, last, bytes) = tables_seen::extent(&self.store, id).await?;
        let bookmarks = tables_seen::bookmarks(&self.store, id, from, to).await?;
        Ok(Recordings { spans, bookmarks, holds: tables_seen::holds(&self.store, id).await?, first, last, bytes })
    }

    /// Opens a replay: needs `camera-replay` in the unit and a reason, both on record before a picture goes out.
    /// 404 `video.recording.none`, 422 `video.span`, `video.reason`.
    pub async fn replay(&self, caller: &Caller, id: Uuid, input: &SpanInput) -> Result<Replay> {
        let camera = self.own(caller, Permission::CameraReplay, id)?;
        let why = reason(&input.reason)?;
        span(input.from, input.to, REPLAY)?;
        let found = tables_seen::segments(&self.store, id, input.from, input.to, REPLAYED).await?;
        let Some(first) = found.first() else {
            return Err(Error::not_found("video.recording.none", "Nothing was recorded in this time."));
        };
        let (_, head) = self.store.blobs().get(&first.sha256).await?;
        let (config, _) = mp4::read(&head)?;
        let line = self.line(caller, &camera, "replay", why, Some((input.from, input.to)));
        let mut tx = self.store.begin(caller).await?;
        tables_seen::put_seen(&mut tx, &line).await?;
        tx.commit().await?;
        let of = |s: &tables_seen::Segment| Segment { id: s.id, from: s.from, to: s.to, base: seconds(s.base), sha256: s.sha256.clone(), size: s.size };
        Ok(Replay {
            id: line.id,
            segments: found.iter().map(of).collect(),
            masks: camera.masks.clone(),
            unmasked: line.unmasked,
            mime: format!("video/mp4; codecs=\"{}\"", config.codec()),
        })
    }

    async fn opened(&self, caller: &Caller, replay: Uuid) -> Result<tables_seen::Seen> {
        caller.require(Permission::CameraReplay, dothi_kernel::Scope::ANY)?;
        let unknown = || Error::not_found("video.replay.unknown", "There is no such replay of yours.");
        let line = tables_seen::seen(&self.store, replay).await?.filter(|l| l.kind == "replay" && l.person == caller.id && *l.who == *caller.name);
        let line = line.ok_or_else(unknown)?;
        if line.begun_at + OPEN < caller.now {
            return Err(unknown());
        }
        self.own(caller, Permission::CameraReplay, line.camera)?;
        Ok(line)
    }

    /// A file of one's own replay. 404 `video.replay.unknown`.
    pub async fn replayed(&self, caller: &Caller, replay: Uuid, segment: Uuid) -> Result<Bytes> {
        let line = self.opened(caller, replay).await?;
        let found = tables_seen::segment(&self.store, segment).await?;
        let asked = |s: &tables_seen::Segment| s.camera == line.camera && line.from.is_some_and(|f| s.to > f) && line.to.is_some_and(|t| s.from < t);
        let found = found.filter(asked).ok_or_else(|| Error::not_found("video.recording.none", "Nothing was recorded in this time."))?;
        let (_, bytes) = self.store.blobs().get(&found.sha256).await?;
        self.end_replay(caller, replay).await?;
        Ok(bytes)
    }

    /// Says that one's replay was watched until now.
    pub async fn end_replay(&self, caller: &Caller, replay: Uuid) -> Result<()> {
        self.opened(caller, replay).await?;
        let mut tx = self.store.begin(caller).await?;
        tables_seen::end_seen(&mut tx, replay).await?;
        tx.commit().await
    }

    /// The picture of now as JPEG: needs `camera-watch` and a reason. Masks are burnt in, but for those who hold `camera-unmask`.
    /// 503 `video.silent`.
    pub async fn snapshot(&self, caller: &Caller, id: Uuid, input: &ReasonInput) -> Result<Vec<u8>> {
        let camera = self.own(caller, Permission::CameraWatch, id)?;
        let why = reason(&input.reason)?;
        self.picture(caller, &camera, why).await
    }

    /// The picture of now for drawing masks on it: needs `camera-manage` and `camera-unmask`.
    pub async fn drawing_board(&self, caller: &Caller, id: Uuid) -> Result<Vec<u8>> {
        let camera = self.own(caller, Permission::CameraManage, id)?;
        self.require(caller, Permission::CameraUnmask, &camera)?;
        self.picture(caller, &camera, "masks".into()).await
    }

    async fn picture(&self, caller: &Caller, camera: &Camera, why: String) -> Result<Vec<u8>> {
        let mut line = self.line(caller, camera, "snapshot", why, None);
        line.ended_at = Some(caller.now);
        let masks: Vec<_> = if line.unmasked { Vec::new() } else { camera.masks.iter().map(crate::model::Mask::polygon).collect() };
        let lease = self.hub.lease(camera.id);
        let piece = lease.key_frame(PICTURE).await?;
        let jpeg = self.sight.work(move || sight::snapshot(&piece.config, &piece.unit, &masks)).await?;
        let mut tx = self.store.begin(caller).await?;
        tables_seen::put_seen(&mut tx, &line).await?;
        tx.commit().await?;
        Ok(jpeg)
    }

    /// Keeps a bookmark: needs `camera-replay` or `camera-watch`.
    pub async fn bookmark(&self, caller: &Caller, id: Uuid, input: &BookmarkInput) -> Result<Bookmark> {
        let camera = self.own(caller, Permission::CameraWatch, id)?;
        let mut tx = self.store.begin(caller).await?;
        let made = Bookmark { id: tx.id(), at: input.at, words: FORM.needed(&input.words, 300, "words")?, who: caller.name.to_string(), made_at: caller.now };
        tables_seen::put_bookmark(&mut tx, id, &made).await?;
        tx.emit(Event::CameraChanged { camera: id, what: "bookmark".into(), unit: camera.unit.clone() });
        tx.commit().await?;
        Ok(made)
    }

    /// Takes a bookmark away: needs `camera-replay`. 404 `video.bookmark.unknown`.
    pub async fn drop_bookmark(&self, caller: &Caller, id: Uuid, bookmark: Uuid) -> Result<()> {
        self.own(caller, Permission::CameraReplay, id)?;
        let mut tx = self.store.begin(caller).await?;
        if tables_seen::drop_bookmark(&mut tx, id, bookmark).await? == 0 {
            return Err(Error::not_found("video.bookmark.unknown", "There is no such bookmark."));
        }
        tx.commit().await
    }

    /// Keeps a piece beyond its retention: needs `camera-approve` and a reason.
    pub async fn hold(&self, caller: &Caller, id: Uuid, input: &SpanInput) -> Result<Hold> {
        let camera = self.own(caller, Permission::CameraApprove, id)?;
        let why = reason(&input.reason)?;
        span(input.from, input.to, LOOK)?;
        let mut tx = self.store.begin(caller).await?;
        let made = Hold {
            id: tx.id(),
            from: input.from,
            to: input.to,
            reason: why,
            who: caller.name.to_string(),
            made_at: caller.now,
            ended_at: None,
            ended_by: None,
        };
        tables_seen::put_hold(&mut tx, id, &made).await?;
        tx.audit("video.hold", &format!("camera:{id}"), &serde_json::json!({ "from": made.from, "to": made.to, "reason": made.reason })).await?;
        tx.emit(Event::CameraChanged { camera: id, what: "hold".into(), unit: camera.unit.clone() });
        tx.commit().await?;
        Ok(made)
    }

    /// Lifts a hold: needs `camera-approve` and a reason. 404 `video.hold.unknown`.
    pub async fn lift(&self, caller: &Caller, id: Uuid, hold: Uuid, input: &ReasonInput) -> Result<()> {
        let camera = self.own(caller, Permission::CameraApprove, id)?;
        let why = reason(&input.reason)?;
        let mut tx = self.store.begin(caller).await?;
        if tables_seen::end_hold(&mut tx, id, hold, &caller.name).await? == 0 {
            return Err(Error::not_found("video.hold.unknown", "There is no such hold."));
        }
        tx.audit("video.hold.lift", &format!("camera:{id}"), &serde_json::json!({ "hold": hold, "reason": why })).await?;
        tx.emit(Event::CameraChanged { camera: id, what: "hold".into(), unit: camera.unit.clone() });
        tx.commit().await
    }
}
