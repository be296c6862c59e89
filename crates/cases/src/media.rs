//! Videos and sound: taken within bounds, looked at for real, kept for the officers and the reporter, each reading on record. Never
//! public, because nobody can mask them. Nothing is encoded anew: what the container tells beside picture and sound (place, device,
//! names) is blanked where it stands, so that every offset stays true.

use std::io::Cursor;
use std::ops::Range;

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use mp4parse::TrackType;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tables::{self, CaseRecord, LogRecord};
use crate::tables_media::{self as sql, MediaRecord};
use crate::{Cases, text};

/// Bounds of recordings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaLimits {
    /// Recordings of one case.
    pub count: usize,
    /// Bytes of one.
    pub bytes: usize,
    /// Seconds of one.
    pub seconds: u32,
}

/// Most bytes that any case type may allow.
pub(crate) const MOST_BYTES: usize = 40 * 1024 * 1024;

impl Default for MediaLimits {
    fn default() -> Self {
        Self { count: 3, bytes: 30 * 1024 * 1024, seconds: 120 }
    }
}

impl MediaLimits {
    /// Every fault of the definition.
    pub(crate) fn check(&self) -> Option<String> {
        (self.bytes > MOST_BYTES || self.count > 10).then(|| "media: at most 10 recordings of 40 MiB".to_string())
    }
}

/// A video or sound of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MediaRef {
    /// Its address under `/api/cases/media/`.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// `video` or `audio`.
    pub kind: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub bytes: i64,
    /// Seconds.
    pub seconds: i64,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<MediaRecord> for MediaRef {
    fn from(m: MediaRecord) -> Self {
        Self { id: m.id, kind: m.kind, media_type: m.media_type, bytes: m.bytes, seconds: m.seconds, at: m.at }
    }
}

/// What a container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whether there is a picture.
    pub video: bool,
    /// Seconds, rounded up.
    pub seconds: u64,
}

/// Boxes that hold boxes, with the box they stand in (none: the file itself), and so are looked into.
const WITHIN: [(Option<&[u8; 4]>, &[u8; 4]); 7] = [
    (None, b"moov"),
    (Some(b"moov"), b"trak"),
    (Some(b"trak"), b"mdia"),
    (Some(b"trak"), b"edts"),
    (Some(b"mdia"), b"minf"),
    (Some(b"minf"), b"dinf"),
    (Some(b"minf"), b"stbl"),
];
/// Boxes that are kept as they are. Everything else is blanked: notes of makers and users (`udta`, `meta`, `uuid`), space that cameras
/// fill with positions (`free`, `skip`, `gps `), and what nobody knows.
const KEPT: [(Option<&[u8; 4]>, &[u8; 4]); 20] = [
    (None, b"ftyp"),
    (Some(b"moov"), b"mvhd"),
    (Some(b"trak"), b"tkhd"),
    (Some(b"edts"), b"elst"),
    (Some(b"mdia"), b"mdhd"),
    (Some(b"minf"), b"vmhd"),
    (Some(b"minf"), b"smhd"),
    (Some(b"dinf"), b"dref"),
    (Some(b"stbl"), b"stsd"),
    (Some(b"stbl"), b"stts"),
    (Some(b"stbl"), b"stss"),
    (Some(b"stbl"), b"stsc"),
    (Some(b"stbl"), b"stsz"),
    (Some(b"stbl"), b"stco"),
    (Some(b"stbl"), b"co64"),
    (Some(b"stbl"), b"ctts"),
    (Some(b"stbl"), b"cslg"),
    (Some(b"stbl"), b"sdtp"),
    (Some(b"stbl"), b"sgpd"),
    (Some(b"stbl"), b"sbgp"),
];
/// Bytes of an `hdlr` box before the name in it, which may be anything.
const HANDLER: usize = 32;
/// Most parts of a file that hold samples.
const SPACES: usize = 64;

/// Looks into a container of the MP4 family (MP4, M4A, MOV, 3GP) and returns it without what it tells beside picture and sound: boxes
/// that are not needed to play it, tracks that are neither, and bytes that no sample names. None when it is none, is in fragments, or
/// does not say how long it is.
pub fn cleaned(bytes: &[u8]) -> Option<(Probe, Vec<u8>)> {
    // The brand stands first, so that nothing else is even parsed.
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let context = mp4parse::read_mp4(&mut Cursor::new(bytes)).ok()?;
    if context.mvex.is_some() {
        return None;
    }
    let (mut video, mut seconds) = (false, None);
    let mut tracks = Vec::new();
    for track in context.tracks.iter() {
        let plays = matches!(track.track_type, TrackType::Video | TrackType::Audio);
        tracks.push(plays);
        video |= matches!(track.track_type, TrackType::Video);
        if let (true, Some(duration), Some(scale)) = (plays, &track.duration, &track.timescale) {
            let long = duration.0.div_ceil(scale.0.max(1));
            seconds = Some(seconds.map_or(long, |s: u64| s.max(long)));
        }
    }
    let seconds = seconds.filter(|s| *s > 0)?;
    let mut copy = Cleaning { bytes, out: vec![0; bytes.len()], tracks: tracks.into_iter(), spaces: Vec::new() };
    copy.boxes(0..bytes.len(), None)?;
    copy.samples(context.tracks.iter().filter(|t| matches!(t.track_type, TrackType::Video | TrackType::Audio)))?;
    Some((Probe { video, seconds }, copy.out))
}

/// A file on its way from what came to what is kept.
struct Cleaning<'a, T> {
    bytes: &'a [u8],
    out: Vec<u8>,
    /// Whether the next track is picture or sound.
    tracks: T,
    /// Where samples may lie.
    spaces: Vec<Range<usize>>,
}

impl<T: Iterator<Item = bool>> Cleaning<'_, T> {
    fn keep(&mut self, part: Range<usize>) -> Option<()> {
        self.out.get_mut(part.clone())?.copy_from_slice(self.bytes.get(part)?);
        Some(())
    }

    /// Goes through the boxes of a part of the file. None when they do not fit into it.
    fn boxes(&mut self, part: Range<usize>, parent: Option<&[u8; 4]>) -> Option<()> {
        let (mut at, bytes) = (part.start, self.bytes);
        // What is too short for a box stays blank.
        while part.end - at >= 8 {
            let number = |from: usize, n: usize| bytes.get(from..from + n).map(|b| b.iter().fold(0u64, |v, b| v << 8 | u64::from(*b)));
            let kind: &[u8; 4] = bytes.get(at + 4..at + 8)?.try_into().ok()?;
            let (head, size) = match number(at, 4)? {
                1 => (16, number(at + 8, 8)?),
                size => (8, size),
            };
            let end = at.checked_add(usize::try_from(size).ok()?)?;
            if end < at + head || end > part.end {
                return None;
            }
            let plays = kind != b"trak" || parent != Some(b"moov") || self.tracks.next().unwrap_or(false);
            self.keep(at..at + head)?;
            if parent.is_none() && kind == b"mdat" && self.spaces.len() < SPACES {
                self.spaces.push(at + head..end);
            } else if kind == b"hdlr" && parent == Some(b"mdia") {
                self.keep(at..end.min(at + HANDLER))?;
            } else if plays && WITHIN.contains(&(parent, kind)) {
                self.boxes(at + head..end, Some(kind))?;
            } else if KEPT.contains(&(parent, kind)) {
                self.keep(at..end)?;
            } else {
                self.out.get_mut(at + 4..at + 8)?.copy_from_slice(b"free");
            }
            at = end;
        }
        Some(())
    }

    /// Copies what the tracks play. None when they name bytes outside, or so many of them twice that it is no recording.
    fn samples<'t>(&mut self, tracks: impl Iterator<Item = &'t mp4parse::Track>) -> Option<()> {
        let mut budget = self.bytes.len().saturating_mul(2);
        for track in tracks {
            let (Some(offsets), Some(runs), Some(sizes)) = (&track.stco, &track.stsc, &track.stsz) else { return None };
            // A size of one byte is how QuickTime writes that the size stands elsewhere.
            if sizes.sample_size == 1 {
                return None;
            }
            let (mut each, mut runs) = (sizes.sample_sizes.iter(), runs.samples.iter().peekable());
            let mut in_chunk = 0;
            for (chunk, offset) in (1u32..).zip(offsets.offsets.iter()) {
                while let Some(run) = runs.next_if(|r| r.first_chunk <= chunk) {
                    in_chunk = run.samples_per_chunk;
                }
                let length = if sizes.sample_size > 0 {
                    u64::from(sizes.sample_size).checked_mul(u64::from(in_chunk))?
                } else {
                    each.by_ref().take(in_chunk as usize).map(|s| u64::from(*s)).sum()
                };
                let from = usize::try_from(*offset).ok()?;
                let to = from.checked_add(usize::try_from(length).ok()?)?;
                budget = budget.checked_sub(to - from)?;
                if to > from {
                    self.spaces.iter().find(|s| s.start <= from && to <= s.end)?;
                    self.keep(from..to)?;
                }
            }
        }
        Some(())
    }
}

/// A part of a stored recording.
pub struct MediaPart {
    /// The bytes asked for.
    pub bytes: Bytes,
    /// Where they begin.
    pub from: usize,
    /// Bytes of the whole.
    pub whole: usize,
    /// Media type.
    pub media_type: String,
}

impl Cases {
    /// Room for one recording; 503 `case.photo.busy` when too many are under way.
    pub(crate) fn media_slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        self.darkroom.media_slot()
    }

    /// A recording of the reporter, who shows the key or is signed in. Errors as of [`Cases::add_media`].
    pub async fn report_media(&self, caller: &Caller, code: &str, key: Option<&str>, bytes: Bytes) -> Result<MediaRef> {
        let case = self.own_case(caller, code, key).await?;
        self.keep_media(caller, &case, bytes, true).await
    }

    /// A recording added by an officer. 409 `case.media.too-many`, 413 `case.media.too-big` and `case.media.too-long`, 415
    /// `case.media.unreadable`.
    pub async fn add_media(&self, caller: &Caller, id: Uuid, bytes: Bytes) -> Result<MediaRef> {
        let case = self.readable_case(caller, id).await?;
        if !caller.may(Permission::CaseTriage, Scope::unit(&case.unit)) {
            caller.require(Permission::CaseHandle, Scope::unit(&case.unit))?;
        }
        self.keep_media(caller, &case, bytes, false).await
    }

    async fn keep_media(&self, caller: &Caller, case: &CaseRecord, bytes: Bytes, own: bool) -> Result<MediaRef> {
        let case_type = self.type_of(case).await?;
        let limits = &case_type.media;
        if bytes.len() > limits.bytes {
            return Err(Error::too_large("case.media.too-big", "This recording is too big.").with("limit_bytes", limits.bytes));
        }
        let found = self.darkroom.work(move || Ok(cleaned(&bytes))).await?;
        let (found, bytes) =
            found.ok_or_else(|| Error::unsupported("case.media.unreadable", "This file is not a video or sound we can read (MP4, MOV, M4A, 3GP)."))?;
        if found.seconds > u64::from(limits.seconds) {
            return Err(Error::too_large("case.media.too-long", "This recording is too long.")
                .with("limit_seconds", limits.seconds)
                .with("seconds", found.seconds));
        }
        let media_type = if found.video { "video/mp4" } else { "audio/mp4" };
        let blob = self.store.blobs().put(bytes.into(), media_type).await?;
        let mut tx = self.store.begin(caller).await?;
        let case = tables::case_in(&mut tx, case.id).await?.ok_or_else(tables::unknown)?;
        if own && case.closed_at.is_some() {
            return Err(Error::conflict("case.media.closed", "This report has ended."));
        }
        if sql::count_media(&mut tx, case.id).await? >= i64::try_from(limits.count).unwrap_or(i64::MAX) {
            return Err(Error::conflict("case.media.too-many", "This report has enough recordings.").with("limit", limits.count));
        }
        let by = if own { "reporter" } else { self.actor(caller) };
        let record = MediaRecord {
            id: tx.id(),
            sha: blob.sha256.clone(),
            kind: if found.video { "video" } else { "audio" }.into(),
            media_type: media_type.into(),
            bytes: i64::try_from(blob.size).unwrap_or(i64::MAX),
            seconds: i64::try_from(found.seconds).unwrap_or(i64::MAX),
            by: by.to_string(),
            at: caller.now,
        };
        if !sql::insert_media(&mut tx, case.id, &record, &blob).await? {
            return Err(Error::conflict("case.media.again", "This report has the recording already."));
        }
        let log = LogRecord { by_id: caller.id.filter(|_| !own), step: "media".into(), ..LogRecord::of(&case, caller.now, by) };
        tables::insert_log(&mut tx, case.id, &log).await?;
        tx.commit().await?;
        Ok(record.into())
    }

    /// A recording's bytes, or the part from `range` on: for officers who may read the case, and for its reporter. Never public. An
    /// officer's reading is on record, once for each time it is begun.
    pub async fn media(&self, caller: &Caller, id: Uuid, key: Option<&str>, range: Option<(usize, Option<usize>)>) -> Result<MediaPart> {
        let (case, record) = sql::media(&self.store, id).await?;
        let case = tables::case(&self.store, case).await?.ok_or_else(tables::unknown)?;
        if !self.is_own(caller, &case, key).await? {
            caller.require(Permission::CaseRead, Scope::unit(&case.unit))?;
            if range.is_none_or(|(from, _)| from == 0) {
                let mut tx = self.store.begin(caller).await?;
                tx.audit("case.media.read", &format!("case:{}", case.id), &json!({ "code": case.code, "recording": id })).await?;
                tx.commit().await?;
            }
        }
        let (_, bytes) = self.store.blobs().get(&record.sha).await?;
        let whole = bytes.len();
        let (from, to) = match range {
            None => (0, whole),
            Some((from, to)) if from < whole => (from, to.map_or(whole, |t| t.saturating_add(1)).min(whole).max(from)),
            Some(_) => return Err(Error::invalid("case.media.range", "This part of the recording does not exist.").with("bytes", whole)),
        };
        Ok(MediaPart { bytes: bytes.slice(from..to), from, whole, media_type: record.media_type })
    }

    /// Recordings of a case; all, or only the reporter's own.
    pub(crate) async fn media_refs(&self, case: Uuid, own: bool) -> Result<Vec<MediaRef>> {
        let all = sql::media_of(&self.store, case).await?;
        Ok(all.into_iter().filter(|m| !own || m.by == "reporter").map(MediaRef::from).collect())
    }
}

/// Reads a header `Range: bytes=a-b`; anything else is none.
pub(crate) fn range(header: Option<&str>) -> Option<(usize, Option<usize>)> {
    let (from, to) = text::short(header?, 60).strip_prefix("bytes=")?.split_once('-').map(|(a, b)| (a.to_string(), b.to_string()))?;
    let from = from.parse().ok()?;
    Some((from, if to.is_empty() { None } else { Some(to.parse().ok()?) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood_or_left_alone() {
        assert_eq!(range(Some("bytes=0-")), Some((0, None)));
        assert_eq!(range(Some("bytes=5-9")), Some((5, Some(9))));
        for other in ["bytes=-5", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4"] {
            assert_eq!(range(Some(other)), None, "{other}");
        }
    }
}
