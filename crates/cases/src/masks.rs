//! Faces and number plates on photos: faces are looked for in the background and proposed, a person accepts, moves or draws boxes,
//! and the public sees a picture of its own in which each box is one flat colour. The original stays for the reporter and for who may
//! decide about it; when there is a masked picture, each reading of the original is on record. A photo on which faces were proposed, or
//! which nobody could look at, is not public until somebody has decided.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::OnceLock;

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::{Job, Tx};
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use rustface::{Detector, ImageData, Model};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Cases;
use crate::model::Case;
use crate::photos::{self, Photo};
use crate::tables::{self, CaseRecord, LogRecord, PhotoRecord};
use crate::tables_media as sql;

/// Timer that looks for faces on a photo.
pub(crate) const FACES_JOB: &str = "cases.faces";
/// Longest side on which faces are looked for, pixels: bounds the time to about a second.
const LOOKED_AT: u32 = 800;
/// Smallest face looked for, pixels on that picture. The model looks through a window of 40 pixels, so these are the smallest it finds.
const SMALLEST: u32 = 40;
/// Score above which something is proposed as a face.
const SCORE: f64 = 2.0;
/// Photos looked at before other timers have their turn.
const AT_ONCE: usize = 2;
/// Most boxes of a photo.
const BOXES: usize = 60;
/// So much is added around a face, of its side.
const MARGIN: f64 = 0.18;

/// The model of SeetaFace (BSD-2-Clause, see the licence beside it).
const MODEL: &[u8] = include_bytes!("../assets/seeta_fd_frontal_v1.0.bin");

/// A box on a photo, in shares of its width and height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl MaskBox {
    fn is_sound(&self) -> bool {
        let inside = |v: f64| (0.0..=1.0).contains(&v);
        inside(self.x) && inside(self.y) && self.w > 0.0 && self.h > 0.0 && self.w <= 1.0 && self.h <= 1.0
    }
}

/// A photo of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PhotoRef {
    /// SHA-256: its address under `/api/cases/photos/`.
    pub sha: String,
    /// `report` or `after`.
    pub stage: String,
    /// Whether the public may see it.
    pub public: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// When the camera says it was taken.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub taken_at: Option<Timestamp>,
    /// Metres from the reported spot to where the camera says it stood.
    pub taken_metres: Option<f64>,
    /// How far it is on its way to the public; none for photos from before masks were known.
    pub mask: Option<MaskState>,
    /// Boxes proposed, or masked.
    pub boxes: Vec<MaskBox>,
    /// SHA-256 of the masked picture, under the same address. It is what everybody looks at; reading the original beside it is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
}

/// A stored picture that an address names.
pub(crate) struct Rendition<'a> {
    /// Its bytes.
    pub stored: &'a str,
    /// Whether it is the one that the public may see.
    pub decided: bool,
    /// Whether it is an original beside which there is a masked picture.
    pub bare: bool,
}

/// How far a photo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MaskState {
    /// Nobody has looked for faces yet.
    Waiting,
    /// No face was found.
    Clear,
    /// Faces were found; somebody must decide.
    Proposed,
    /// Looking for faces failed; somebody must decide.
    Failed,
    /// Somebody masked boxes: the public sees another picture.
    Masked,
    /// Somebody decided that nothing is to be masked.
    Shown,
}

impl MaskState {
    pub(crate) fn code(self) -> &'static str {
        match self {
            MaskState::Waiting => "waiting",
            MaskState::Clear => "clear",
            MaskState::Proposed => "proposed",
            MaskState::Failed => "failed",
            MaskState::Masked => "masked",
            MaskState::Shown => "shown",
        }
    }

    pub(crate) fn of(code: &str) -> Self {
        [Self::Clear, Self::Proposed, Self::Failed, Self::Masked, Self::Shown].into_iter().find(|s| s.code() == code).unwrap_or(Self::Waiting)
    }
}

/// What somebody decided about a photo.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskInput {
    /// What is to be masked; none = the photo is shown as it is.
    pub boxes: Vec<MaskBox>,
}

impl PhotoRecord {
    /// The picture that the public may see; none before somebody has decided. Photos from before masks were known count as decided.
    pub(crate) fn for_public(&self) -> Option<&str> {
        match &self.mask {
            None => Some(&self.sha),
            Some(m) => match m.state {
                MaskState::Clear | MaskState::Shown => Some(&self.sha),
                MaskState::Masked => m.masked.as_deref(),
                MaskState::Waiting | MaskState::Proposed | MaskState::Failed => None,
            },
        }
    }

    /// The stored picture that an address names: the original or the masked one, in the size asked for.
    pub(crate) fn rendition(&self, sha: &str, thumb: bool) -> Rendition<'_> {
        let mask = self.mask.as_ref();
        let masked = mask.and_then(|m| m.masked.as_deref());
        let masked_thumb = mask.and_then(|m| m.masked_thumb.as_deref());
        if Some(sha) == masked || Some(sha) == masked_thumb {
            let stored = if thumb { masked_thumb } else { masked };
            return Rendition { stored: stored.unwrap_or(&self.sha), decided: self.for_public() == masked, bare: false };
        }
        let stored = if thumb { &self.thumb } else { &self.sha };
        Rendition { stored, decided: self.for_public() == Some(self.sha.as_str()), bare: masked.is_some() }
    }

    /// As officers see it.
    pub(crate) fn shown(self, spot: Option<dothi_kernel::geo::Point>) -> PhotoRef {
        let mask = self.mask;
        let told = mask.as_ref().and_then(|m| Some(dothi_kernel::geo::Point { lon: m.lon?, lat: m.lat? }));
        PhotoRef {
            sha: self.sha,
            stage: self.stage,
            public: self.public,
            width: self.width,
            height: self.height,
            taken_at: mask.as_ref().and_then(|m| m.taken_at),
            // Whole metres; a photo has no business in telling more.
            taken_metres: told.zip(spot).map(|(a, b)| a.distance(b).round()),
            mask: mask.as_ref().map(|m| m.state),
            masked: mask.as_ref().and_then(|m| m.masked.clone()),
            boxes: mask.map(|m| m.boxes).unwrap_or_default(),
        }
    }
}

impl Cases {
    /// Keeps a case's photos, and sees to it that somebody looks for faces on them.
    pub(crate) async fn keep_photos(&self, tx: &mut Tx, case: Uuid, stage: &str, photos: &[Photo]) -> Result<()> {
        tables::insert_photos(tx, case, stage, photos).await?;
        for photo in photos {
            sql::insert_mask(tx, case, photo).await?;
        }
        self.look_for_faces(tx, photos.iter().map(|p| p.full.sha256.as_str())).await
    }

    /// Sets the timers of photos that wait to be looked at.
    pub(crate) async fn look_for_faces(&self, tx: &mut Tx, photos: impl Iterator<Item = &str>) -> Result<()> {
        let now = tx.now();
        for lane in photos.map(lane).collect::<BTreeSet<_>>() {
            tx.schedule(FACES_JOB, lane, now).await?;
        }
        Ok(())
    }

    /// Looks for faces on the oldest photos of a lane that wait; a few at a time, so that other timers are not kept waiting. May run
    /// twice: what a person decided stays.
    pub(crate) async fn find_faces(&self, job: &Job) -> Result<()> {
        let waiting = sql::waiting(&self.store, lane(&job.key), AT_ONCE).await?;
        let more = waiting.len() == AT_ONCE;
        for (case, sha) in waiting {
            let (state, boxes) = match self.looked_at(&sha).await {
                Ok(boxes) if boxes.is_empty() => (MaskState::Clear, boxes),
                Ok(boxes) => (MaskState::Proposed, boxes),
                Err(e) => {
                    tracing::warn!(error = %e, "faces could not be looked for; somebody must decide about the photo");
                    (MaskState::Failed, Vec::new())
                }
            };
            let system = Caller::system("cases", self.store.clock().as_ref());
            let mut tx = self.store.begin(&system).await?;
            sql::propose(&mut tx, case, &sha, state, &boxes).await?;
            tx.commit().await?;
        }
        if more {
            let system = Caller::system("cases", self.store.clock().as_ref());
            let mut tx = self.store.begin(&system).await?;
            tx.again(job, system.now).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn looked_at(&self, sha: &str) -> Result<Vec<MaskBox>> {
        let (_, bytes) = self.store.blobs().get(sha).await?;
        self.darkroom.look(move || faces(&bytes)).await
    }

    /// Decides what of a photo the public sees: the given boxes are covered in a picture of its own, or, without boxes, the photo is
    /// shown as it is. For the centre and for the unit that handles the case. 400 `case.mask.boxes`, 404
    /// `case.photo.unknown`.
    pub async fn mask_photo(&self, caller: &Caller, id: Uuid, sha: &str, input: MaskInput) -> Result<Case> {
        let case = self.readable_case(caller, id).await?;
        may_mask(caller, &case.unit)?;
        if input.boxes.len() > BOXES || !input.boxes.iter().all(MaskBox::is_sound) {
            return Err(Error::invalid("case.mask.boxes", "A box lies on the photo, in shares of its sides.").with("limit", BOXES));
        }
        let photos = tables::photos_of(&self.store, &[id]).await?;
        let known = photos.get(&id).into_iter().flatten().any(|p| p.sha == sha);
        if !known {
            return Err(Error::not_found("case.photo.unknown", "There is no such photo."));
        }
        let masked = if input.boxes.is_empty() {
            None
        } else {
            let (_, bytes) = self.store.blobs().get(sha).await?;
            let boxes = input.boxes.clone();
            let (full, thumb) = self.darkroom.work(move || masked(&bytes, &boxes)).await?;
            Some((self.store.blobs().put(full.into(), "image/jpeg").await?, self.store.blobs().put(thumb.into(), "image/jpeg").await?))
        };
        let mut tx = self.store.begin(caller).await?;
        let case = tables::case_in(&mut tx, id).await?.ok_or_else(tables::unknown)?;
        may_mask(caller, &case.unit)?;
        sql::decide(&mut tx, id, sha, &input.boxes, masked.as_ref().map(|(f, t)| (f, t)), self.actor(caller)).await?;
        let log = LogRecord {
            by_id: caller.id,
            step: "mask".into(),
            reason: Some(input.boxes.len().to_string()),
            ..LogRecord::of(&case, caller.now, self.actor(caller))
        };
        tables::insert_log(&mut tx, id, &log).await?;
        tx.commit().await?;
        self.get_unchecked(caller, id).await
    }

    /// Notes that somebody read the original of a masked photo; who may is who may decide about it.
    pub(crate) async fn read_bare(&self, caller: &Caller, case: &CaseRecord, sha: &str) -> Result<()> {
        may_mask(caller, &case.unit)?;
        let mut tx = self.store.begin(caller).await?;
        tx.audit("case.photo.original", &format!("case:{}", case.id), &json!({ "code": case.code, "photo": sha })).await?;
        tx.commit().await
    }
}

fn may_mask(caller: &Caller, unit: &str) -> Result<()> {
    let any = [Permission::CaseHandle, Permission::CaseApprove].into_iter().any(|p| caller.may(p, Scope::unit(unit)));
    if any { Ok(()) } else { caller.require(Permission::CaseTriage, Scope::unit(unit)) }
}

/// Photos wait in sixteen lanes, by the first letter of their hash: senders do not wait for each other, and nothing grows with them.
fn lane(sha: &str) -> &str {
    sha.get(..1).unwrap_or("0")
}

fn picture(bytes: &Bytes) -> Result<DynamicImage> {
    image::load_from_memory_with_format(bytes, ImageFormat::Jpeg).map_err(|e| Error::internal("reading a stored photo", e))
}

/// The model made ready once.
fn detector() -> Result<Box<dyn Detector>> {
    static READY: OnceLock<Option<Model>> = OnceLock::new();
    let model = READY.get_or_init(|| rustface::read_model(Cursor::new(MODEL)).ok());
    let model = model.clone().ok_or_else(|| Error::internal("reading the model of faces", "it is damaged"))?;
    let mut detector = rustface::create_detector_with_model(model);
    detector.set_min_face_size(SMALLEST);
    detector.set_score_thresh(SCORE);
    detector.set_pyramid_scale_factor(0.8);
    detector.set_slide_window_step(4, 4);
    Ok(detector)
}

/// Boxes around what looks like faces.
fn faces(bytes: &Bytes) -> Result<Vec<MaskBox>> {
    let picture = picture(bytes)?;
    let small = if picture.width().max(picture.height()) > LOOKED_AT { picture.resize(LOOKED_AT, LOOKED_AT, FilterType::Triangle) } else { picture };
    let grey = small.into_luma8();
    let (width, height) = grey.dimensions();
    if width.min(height) <= SMALLEST {
        return Ok(Vec::new());
    }
    let mut found = detector()?.detect(&ImageData::new(grey.as_raw(), width, height));
    found.sort_by(|a, b| b.score().total_cmp(&a.score()));
    let share = |from: f64, to: f64, whole: f64| {
        let (from, to) = ((from / whole).clamp(0.0, 1.0), (to / whole).clamp(0.0, 1.0));
        (from, to - from)
    };
    let boxes = found.iter().take(BOXES).map(|face| {
        let b = face.bbox();
        let (w, h) = (f64::from(b.width()), f64::from(b.height()));
        let (left, top) = (f64::from(b.x()), f64::from(b.y()));
        let (x, w) = share(left - w * MARGIN, left + w * (1.0 + MARGIN), f64::from(width));
        let (y, h) = share(top - h * MARGIN, top + h * (1.0 + MARGIN), f64::from(height));
        MaskBox { x, y, w, h }
    });
    Ok(boxes.filter(MaskBox::is_sound).collect())
}

/// The picture and its thumbnail with the boxes covered.
fn masked(bytes: &Bytes, boxes: &[MaskBox]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut picture = picture(bytes)?.into_rgb8();
    for b in boxes {
        cover(&mut picture, b);
    }
    photos::renditions(&picture)
}

fn pixels(share: f64, side: u32) -> u32 {
    // Between nothing and the whole side, so the number fits.
    (share.clamp(0.0, 1.0) * f64::from(side)).round() as u32
}

/// One colour for the whole box, the mean of what was there: coarse squares of a number plate can still be read back.
fn cover(picture: &mut RgbImage, b: &MaskBox) {
    let (width, height) = picture.dimensions();
    let (x0, y0) = (pixels(b.x, width), pixels(b.y, height));
    let (x1, y1) = (pixels(b.x + b.w, width), pixels(b.y + b.h, height));
    let (mut sum, mut count) = ([0u64; 3], 0u64);
    for (x, y) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))) {
        sum.iter_mut().zip(picture.get_pixel(x, y).0).for_each(|(s, v)| *s += u64::from(v));
        count += 1;
    }
    let mean = sum.map(|s| u8::try_from(s / count.max(1)).unwrap_or(u8::MAX));
    for (x, y) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))) {
        picture.put_pixel(x, y, Rgb(mean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_cannot_be_read_and_the_rest_is_untouched() {
        let mut picture = RgbImage::from_fn(200, 100, |x, y| if (x / 2 + y / 2) % 2 == 0 { Rgb([255, 255, 255]) } else { Rgb([0, 0, 0]) });
        let before = picture.clone();
        cover(&mut picture, &MaskBox { x: 0.25, y: 0.0, w: 0.5, h: 1.0 });
        let colours: std::collections::BTreeSet<_> = (50..150).flat_map(|x| (0..100).map(move |y| (x, y))).map(|(x, y)| picture.get_pixel(x, y).0).collect();
        assert_eq!(colours.len(), 1, "{colours:?}");
        assert!((0..50).chain(150..200).all(|x| (0..100).all(|y| picture.get_pixel(x, y) == before.get_pixel(x, y))));
        // A box that hangs over the edge, and one of nothing.
        cover(&mut picture, &MaskBox { x: 0.9, y: 0.9, w: 1.0, h: 1.0 });
        cover(&mut picture, &MaskBox { x: 1.0, y: 1.0, w: 0.001, h: 0.001 });
    }
}
