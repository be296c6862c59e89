//! What needs to look into pictures: snapshots, health, masks, watermarks, counting. All of it takes processor time and runs beside
//! the asynchronous work, at most two at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dothi_kernel::{Error, Kind, Result};
use dothi_vision::{Decoder, Detector, DetectorSpec, Encoder, Frame, Polygon};
use tokio::sync::Semaphore;

use crate::media::{self, Config, Unit};
use crate::pack::ModelDef;

/// Pictures worked on at once: the rest of the platform goes on beside them.
const AT_ONCE: usize = 2;
/// Quality of snapshots.
const JPEG: u8 = 85;

/// Loaded models, and the bound on work.
pub(crate) struct Sight {
    places: Arc<Semaphore>,
    models: Mutex<HashMap<String, Arc<Detector>>>,
}

impl Default for Sight {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), models: Mutex::default() }
    }
}

impl Sight {
    /// Runs work on pictures beside the asynchronous work.
    pub async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self.places.clone().acquire_owned().await.map_err(|e| Error::internal("waiting to look at a picture", e))?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|e| Error::internal("looking at a picture", e))?
    }

    /// A model by its bytes' hash, loaded once for each way to read it.
    pub async fn detector(&self, sha256: &str, bytes: Bytes, spec: DetectorSpec) -> Result<Arc<Detector>> {
        let key = serde_json::to_string(&(sha256, &spec)).map_err(|e| Error::internal("naming a model", e))?;
        let known = |models: &Mutex<HashMap<String, Arc<Detector>>>| models.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(found) = known(&self.models) {
            return Ok(found);
        }
        let made = Arc::new(self.work(move || Detector::load(&bytes, &spec)).await?);
        self.models.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        Ok(made)
    }
}

/// What a model's detector must know. 500 with the reason.
pub(crate) fn spec_of(model: &ModelDef) -> Result<DetectorSpec> {
    let fields: BTreeMap<&String, &serde_json::Value> = model.spec.iter().collect();
    let value = serde_json::to_value(fields).map_err(|e| Error::internal("reading a model's data", e))?;
    serde_json::from_value(value).map_err(|e| Error::internal("reading a model's data", e))
}

/// The picture of a key frame. 422 `video.media`.
pub(crate) fn decode(config: &Config, unit: &Unit) -> Result<Frame> {
    let mut decoder = Decoder::new()?;
    decoder.push(&media::annex_b(config, unit))?.ok_or_else(|| Error::unprocessable("video.media", "The picture cannot be decoded."))
}

/// A key frame as JPEG, with its masks burnt in.
pub(crate) fn snapshot(config: &Config, unit: &Unit, masks: &[Polygon]) -> Result<Vec<u8>> {
    let mut frame = decode(config, unit)?;
    frame.mask(masks);
    frame.jpeg(JPEG)
}

/// Encodes pictures anew, with masks and watermark burnt in.
pub(crate) struct Burner {
    decoder: Decoder,
    encoder: Option<Encoder>,
    masks: Vec<Polygon>,
    /// Parameter sets of the new pictures.
    config: Option<Config>,
    kbit: u32,
    fps: f32,
}

impl Burner {
    pub fn new(masks: Vec<Polygon>, kbit: u32, fps: f32) -> Result<Self> {
        Ok(Self { decoder: Decoder::new()?, encoder: None, masks, config: None, kbit, fps })
    }

    /// A picture that is not wanted itself, but later ones build on it.
    pub fn pass(&mut self, config: &Config, unit: &Unit) -> Result<()> {
        self.decoded(config, unit).map(|_| ())
    }

    fn decoded(&mut self, config: &Config, unit: &Unit) -> Result<Option<Frame>> {
        match self.decoder.push(&media::annex_b(config, unit)) {
            // The decoder goes on at the next key frame.
            Err(e) if e.kind() != Kind::Internal => Ok(None),
            other => other,
        }
    }

    /// Takes a picture; gives it anew, or nothing when it cannot be decoded. The first one can be begun with.
    pub fn push(&mut self, config: &Config, unit: &Unit, lines: &[&str]) -> Result<Option<Unit>> {
        let Some(mut frame) = self.decoded(config, unit)? else { return Ok(None) };
        frame.mask(&self.masks);
        frame.stamp(lines);
        let key = unit.key || self.encoder.is_none();
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(frame.width, frame.height, self.kbit, self.fps)?),
        };
        let stream = encoder.push(&frame, key)?;
        let (data, sets) = media::from_annex_b(&stream);
        if let (Some((sps, pps)), None) = (sets, &self.config) {
            let even = |side: u32| u16::try_from(side & !1).unwrap_or(u16::MAX);
            self.config = Some(Config { sps, pps, width: even(frame.width), height: even(frame.height) });
        }
        // Pictures come in the order in which they are shown now.
        Ok((!data.is_empty()).then(|| Unit { cts: 0, key, data, ..unit.clone() }))
    }

    /// What a decoder of the new pictures must know.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }
}
