//! Photos: decoded for real within bounds, turned upright, and written anew as JPEG, so that nothing but the picture
//! (no place, no device, no names) is kept.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dothi_kernel::geo::Point;
use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Backroom, BlobRef, Store};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest side of a stored photo, pixels.
const FULL: u32 = 2048;
/// Longest side of a thumbnail, pixels.
const THUMB: u32 = 480;
/// Longest side accepted, pixels.
const MAX_SIDE: u32 = 16_384;
/// Most pixels accepted: above any phone's camera, below what would hurt the machine.
const MAX_PIXELS: u64 = 64_000_000;
/// Memory one decoder may take.
const MAX_ALLOC: u64 = 320 * 1024 * 1024;
/// Uploads held in memory at once.
const SLOTS: usize = 12;
/// Photos worked on at once.
const WORKERS: usize = 2;
/// Reports with photos within [`CALM`] whose senders are shown their photos at once. When more come, developing would take the
/// processor from those who send.
const FEW: usize = 12;
/// See [`FEW`].
const CALM: Duration = Duration::from_secs(10);
/// Photos looked at for faces at once.
const LOOKERS: usize = 1;
/// Recordings held in memory at once.
const RECORDINGS: usize = 3;
/// Most bytes of a block of notes that is read.
const NOTES: usize = 256 * 1024;

/// A photo as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Photo {
    /// The picture.
    pub full: BlobRef,
    /// The small picture.
    pub thumb: BlobRef,
    /// Width of the picture.
    pub width: u32,
    /// Height of the picture.
    pub height: u32,
    /// What the camera noted.
    pub told: Told,
}

/// What a camera noted in a photo; read before everything but the picture is left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Told {
    /// Where it stood.
    pub place: Option<Point>,
    /// When.
    pub taken_at: Option<Timestamp>,
}

/// What became of uploads.
pub(crate) enum Taken {
    /// Photos.
    Developed(Vec<Photo>),
    /// Files whose heads were read, to be developed as soon as there is time.
    Waiting(Vec<BlobRef>),
}

/// Media type of a file that waits. No address serves it.
const UNDEVELOPED: &str = "application/octet-stream";

struct Encoded {
    full: Vec<u8>,
    thumb: Vec<u8>,
    width: u32,
    height: u32,
    told: Told,
}

/// Works on photos with bounded memory and processors.
pub(crate) struct Darkroom {
    store: Store,
    backroom: Backroom,
    slots: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    lookers: Arc<Semaphore>,
    recordings: Arc<Semaphore>,
    /// When the last [`FEW`] reports with photos came.
    recent: Mutex<VecDeque<Instant>>,
}

impl Darkroom {
    pub fn new(store: Store) -> Result<Self> {
        let room = |n| Arc::new(Semaphore::new(n));
        let backroom = Backroom::new(WORKERS + LOOKERS)?;
        Ok(Self { store, backroom, slots: room(SLOTS), workers: room(WORKERS), lookers: room(LOOKERS), recordings: room(RECORDINGS), recent: Mutex::default() })
    }

    /// Room for one upload; hold it while the photos are in memory. 503 `case.photo.busy` when there is none.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit> {
        self.slots.clone().try_acquire_owned().map_err(|e| {
            let wait = Duration::from_secs(5);
            Error::unavailable("case.photo.busy", "Too many photos are being sent right now. Please try again shortly.").retry_after(wait).because(e)
        })
    }

    /// Room for one recording; 503 `case.photo.busy` when there is none.
    pub fn media_slot(&self) -> Result<OwnedSemaphorePermit> {
        self.recordings.clone().try_acquire_owned().map_err(|e| {
            let wait = Duration::from_secs(10);
            Error::unavailable("case.photo.busy", "Too many recordings are being sent right now. Please try again shortly.").retry_after(wait).because(e)
        })
    }

    /// Works on a file from outside beside the runtime, when one of the workers is free. Somebody waits for it, so it has the processor
    /// like other requests. What a decoder cannot bear is 415 `case.photo.unreadable`.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = enter(&self.workers).await?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.unwrap_or_else(|e| Err(unreadable(&e)))
    }

    /// The same for work that nobody waits for: one at a time, and never in the way of those who do.
    pub async fn look<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        self.behind(&self.lookers, work).await
    }

    /// Develops uploads at once when few come and nothing else is being worked on. Else files that look like photos are kept as they
    /// are for later, so that nobody waits for the photos of others.
    pub async fn take(&self, uploads: Vec<Bytes>) -> Result<Taken> {
        if uploads.is_empty() {
            return Ok(Taken::Developed(Vec::new()));
        }
        let taken = if self.calm() && self.workers.available_permits() == WORKERS {
            Taken::Developed(self.develop(uploads).await?)
        } else {
            let mut waiting = Vec::with_capacity(uploads.len());
            for upload in uploads {
                opened(&upload)?;
                waiting.push(self.store.blobs().put(upload, UNDEVELOPED).await?);
            }
            Taken::Waiting(waiting)
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back(Instant::now());
        if recent.len() > FEW {
            recent.pop_front();
        }
        Ok(taken)
    }

    /// Whether few reports with photos came lately.
    fn calm(&self) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.len() < FEW || recent.front().is_some_and(|at| at.elapsed() > CALM)
    }

    /// Turns uploads into stored photos; somebody waits for them.
    pub async fn develop(&self, uploads: Vec<Bytes>) -> Result<Vec<Photo>> {
        let mut photos = Vec::with_capacity(uploads.len());
        for upload in uploads {
            let encoded = self.work(move || reencode(&upload)).await?;
            photos.push(self.keep(encoded).await?);
        }
        Ok(photos)
    }

    /// Turns an upload that was kept for later into a stored photo.
    pub async fn develop_later(&self, upload: Bytes) -> Result<Photo> {
        let encoded = self.behind(&self.workers, move || reencode(&upload)).await?;
        self.keep(encoded).await
    }

    async fn keep(&self, encoded: Encoded) -> Result<Photo> {
        let full = self.store.blobs().put(encoded.full.into(), "image/jpeg").await?;
        let thumb = self.store.blobs().put(encoded.thumb.into(), "image/jpeg").await?;
        Ok(Photo { full, thumb, width: encoded.width, height: encoded.height, told: encoded.told })
    }

    async fn behind<T: Send + 'static>(&self, room: &Arc<Semaphore>, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let permit = enter(room).await?;
        let done = self.backroom.work(move || {
            let _permit = permit;
            work()
        });
        done.await.unwrap_or_else(|| Err(unreadable(&"the decoder gave up")))
    }
}

async fn enter(room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    room.clone().acquire_owned().await.map_err(|e| Error::internal("waiting for the darkroom", e))
}

fn unreadable(cause: &dyn std::fmt::Display) -> Error {
    Error::unsupported("case.photo.unreadable", "This file is not a photo we can read (JPEG, PNG or WebP).").because(cause)
}

fn too_big(width: u32, height: u32) -> Error {
    Error::too_large("case.photo.too-many-pixels", "This photo has too many pixels.")
        .with("width", width)
        .with("height", height)
        .with("limit_pixels", MAX_PIXELS)
}

/// The head of a photo, read within bounds: its decoder and its size in pixels.
fn opened(bytes: &[u8]) -> Result<(impl ImageDecoder + '_, u32, u32)> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| unreadable(&e))?;
    match reader.format() {
        Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) => {}
        other => return Err(unreadable(&format!("format {other:?}"))),
    }
    // Limits go in before anything is decoded: a file of a few bytes can claim a picture of gigabytes.
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| match e {
        image::ImageError::Limits(_) => too_big(MAX_SIDE, MAX_SIDE),
        e => unreadable(&e),
    })?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(too_big(width, height));
    }
    Ok((decoder, width, height))
}

fn reencode(bytes: &[u8]) -> Result<Encoded> {
    let (mut decoder, width, height) = opened(bytes)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| match e {
        image::ImageError::Limits(_) => too_big(width, height),
        e => unreadable(&e),
    })?;
    if width.max(height) > FULL {
        picture = picture.resize(FULL, FULL, FilterType::Triangle);
    }
    picture.apply_orientation(orientation);
    let picture = on_white(picture);
    let (full, thumb) = renditions(&picture)?;
    Ok(Encoded { full, thumb, width: picture.width(), height: picture.height(), told: told(bytes) })
}

/// The picture and its thumbnail as they are stored.
pub(crate) fn renditions(picture: &RgbImage) -> Result<(Vec<u8>, Vec<u8>)> {
    let (width, height) = picture.dimensions();
    let scale = f64::from(THUMB) / f64::from(width.max(height).max(1));
    let small = |side: u32| ((f64::from(side) * scale.min(1.0)).round() as u32).max(1);
    let thumb = image::imageops::thumbnail(picture, small(width), small(height));
    Ok((jpeg(picture, 82)?, jpeg(&thumb, 75)?))
}

/// What the camera noted: place and time. Only JPEG says it where it costs nothing to read; damaged notes say nothing.
pub(crate) fn told(bytes: &[u8]) -> Told {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return Told::default();
    }
    // The block stands at the beginning.
    let begin = &bytes[..bytes.len().min(NOTES)];
    let Ok(notes) = exif::Reader::new().read_from_container(&mut Cursor::new(begin)) else { return Told::default() };
    let value = |tag| notes.get_field(tag, exif::In::PRIMARY).map(|f| &f.value);
    let degrees = |tag, reference, negative: u8| {
        let exif::Value::Rational(parts) = value(tag)? else { return None };
        let [d, m, s] = parts.get(..3)? else { return None };
        let sign = match value(reference) {
            Some(exif::Value::Ascii(letters)) if letters.first().and_then(|l| l.first()) == Some(&negative) => -1.0,
            _ => 1.0,
        };
        Some(sign * (d.to_f64() + m.to_f64() / 60.0 + s.to_f64() / 3600.0)).filter(|v| v.is_finite())
    };
    let lat = degrees(exif::Tag::GPSLatitude, exif::Tag::GPSLatitudeRef, b'S');
    let lon = degrees(exif::Tag::GPSLongitude, exif::Tag::GPSLongitudeRef, b'W');
    // Telephones without a fix write zeros.
    let place = lon.zip(lat).filter(|(lon, lat)| *lon != 0.0 || *lat != 0.0).and_then(|(lon, lat)| Point::new(lon, lat).ok());
    Told { place, taken_at: taken_at(value(exif::Tag::DateTimeOriginal), value(exif::Tag::OffsetTimeOriginal)) }
}

/// An instant, when the camera also says in which zone; clocks of cameras without a zone say too little.
fn taken_at(time: Option<&exif::Value>, zone: Option<&exif::Value>) -> Option<Timestamp> {
    let text = |v: Option<&exif::Value>| match v? {
        exif::Value::Ascii(lines) => String::from_utf8(lines.first()?.clone()).ok(),
        _ => None,
    };
    let (time, zone) = (text(time)?, text(zone)?);
    let (date, clock) = time.split_once(' ')?;
    format!("{}T{clock}{}", date.replace(':', "-"), zone.trim()).parse().ok()
}

/// Without transparency: what was see-through becomes white.
fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let alpha = u16::from(from.0[3]);
        for (channel, value) in to.0.iter_mut().zip(&from.0[..3]) {
            *channel = u8::try_from((u16::from(*value) * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX);
        }
    }
    rgb
}

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let side = |n: u32| u16::try_from(n).map_err(|e| Error::internal("writing a photo", e));
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, quality);
    // All colours stay: what a report shows may be proof.
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    encoder.encode(picture.as_raw(), width, height, jpeg_encoder::ColorType::Rgb).map_err(|e| Error::internal("writing a photo", e))?;
    Ok(out)
}
