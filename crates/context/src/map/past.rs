//! A layer as it was: the values that stood at some instants, found in history by one question for the whole layer.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use dothi_kernel::history::{StepValue, Steps, StepsQuery};
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp, Value};
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::sheet::{Cell, Shown, Words};
use super::wire::{self, Frame};
use super::{Version, lock};
use crate::Context;
use crate::model::Iri;

/// Questions to history at one time; others wait.
const AT_ONCE: usize = 2;
/// Moments of one answer.
const FRAMES: usize = 120;
/// Values of one answer: things times moments.
const VALUES: usize = 1_500_000;
/// The longest stretch of time.
const SPAN: i64 = 7 * 86_400_000_000;
/// How long a value stands when neither layer nor type says it.
const STANDS: u32 = 3_600;
/// Answers kept for other screens, and for how long (µs): what comes in late shows up afterwards.
const KEPT: usize = 6;
const FRESH: i64 = 60_000_000;

/// What was asked lately.
pub(super) struct Past {
    turn: Semaphore,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    layer: String,
    at: Version,
    ends: Vec<i64>,
    made: i64,
    bytes: Bytes,
}

impl Default for Past {
    fn default() -> Self {
        Self { turn: Semaphore::new(AT_ONCE), kept: Mutex::default() }
    }
}

impl Past {
    pub fn forget(&self) {
        lock(&self.kept).clear();
    }
}

/// Which moments.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PastQuery {
    /// The first moment (RFC 3339).
    pub from: String,
    /// The last moment (RFC 3339), at most seven days later.
    pub to: String,
    /// Moments wanted (default 60, at most 120); fewer are given when things are many.
    pub frames: Option<usize>,
}

fn instant(text: &str) -> Result<i64> {
    let wrong = |_| Error::invalid("map.time", "Times must be RFC 3339 instants.");
    text.parse::<Timestamp>().map(|t| t.as_microsecond()).map_err(wrong)
}

impl Context {
    /// The layer's values as they stood at an instant.
    pub async fn map_at(&self, caller: &Caller, code: &str, at: &str) -> Result<Bytes> {
        let at = instant(at)?;
        self.moments(caller, code, vec![at], 0).await
    }

    /// The layer's values as they stood at several moments at equal distances. Fewer than asked for when
    /// there are so many things that the answer would be too large.
    pub async fn map_between(&self, caller: &Caller, code: &str, query: &PastQuery) -> Result<Bytes> {
        let (from, to) = (instant(&query.from)?, instant(&query.to)?);
        if from >= to || to - from > SPAN {
            return Err(Error::invalid("map.time", "`from` must be before `to`, and at most seven days."));
        }
        let layer = self.layer(&self.view(caller), code)?;
        let things: usize = self.live.types().iter().filter(|(t, _)| layer.types.iter().any(|l| l == crate::registry::short(t))).map(|(_, n)| n).sum();
        let most = (VALUES / things.max(1)).clamp(2, FRAMES) as i64;
        let frames = query.frames.unwrap_or(60).clamp(2, FRAMES) as i64;
        let step = (to - from) / (frames.min(most) - 1);
        if step == 0 {
            return Err(Error::invalid("map.time", "`from` and `to` are too close together."));
        }
        self.moments(caller, code, (0..frames.min(most)).map(|k| from + k * step).collect(), step).await
    }

    async fn moments(&self, caller: &Caller, code: &str, ends: Vec<i64>, step: i64) -> Result<Bytes> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let (view, now) = (self.view(caller), caller.now.as_microsecond());
        let layer = self.layer(&view, code)?;
        let Some(attribute) = layer.attribute.clone().filter(|_| !layer.moves) else {
            return Err(Error::unprocessable("map.no-past", "This layer has no values whose past could be shown in place."));
        };
        let stands = layer.stands.or_else(|| layer.types.iter().find_map(|t| self.registry.kind(t)?.silent_after)).unwrap_or(STANDS);
        let (at, ids) = {
            let held = self.sheet(&view, &layer, now);
            let held = lock(&held);
            let sheet = &held.sheet;
            let ids: Vec<Option<Iri>> = sheet.lines.iter().map(|l| (!l.gone).then(|| l.id.clone())).collect();
            (Version { epoch: sheet.epoch, version: sheet.version }, ids)
        };
        let fits = |k: &Kept| k.layer == code && k.ends == ends && k.at == at && (0..FRESH).contains(&(now - k.made));
        if let Some(kept) = lock(&self.maps.past.kept).iter().find(|k| fits(k)) {
            return Ok(kept.bytes.clone());
        }
        let _turn = self.maps.past.turn.acquire().await.map_err(|e| Error::internal("waiting to ask history", e))?;
        let window = i64::from(stands) * 1_000_000;
        let after = ends.first().map_or(0, |first| first.saturating_sub(window));
        let query = StepsQuery { kinds: layer.types.clone(), attribute, after, ends: ends.clone(), limit: 2 * VALUES };
        let found = self.history.steps(&query).await?;
        let (first, rows) = (ends.first().copied().unwrap_or_default(), ids.len());
        let mut words = Words::default();
        let frames = frames(&ids, found, &ends, window, layer.digits, &mut words);
        let bytes = Bytes::from(wire::frames((at.epoch, at.version, rows), layer.digits, &words, (first / 1_000, step / 1_000), &frames));
        let mut kept = lock(&self.maps.past.kept);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept { layer: code.to_string(), at, ends, made: now, bytes: bytes.clone() });
        Ok(bytes)
    }
}

/// What changed from moment to moment: a value stands until a newer one comes, at most for `window`.
fn frames(ids: &[Option<Iri>], mut found: Steps, ends: &[i64], window: i64, digits: u8, words: &mut Words) -> Vec<Frame> {
    struct Series {
        row: u32,
        values: Vec<StepValue>,
        next: usize,
        shown: Cell,
    }
    let with_values = (0u32..).zip(ids).filter_map(|(row, id)| Some((row, found.remove(id.as_ref()?)?)));
    let mut all: Vec<Series> = with_values.map(|(row, values)| Series { row, values, next: 0, shown: Cell::None }).collect();
    let mut frames = Vec::with_capacity(ends.len());
    for (step, end) in (0u32..).zip(ends) {
        let mut frame = Frame::new();
        for series in &mut all {
            while series.values.get(series.next).is_some_and(|v| v.step <= step) {
                series.next += 1;
            }
            let standing = series.next.checked_sub(1).and_then(|n| series.values.get(n)).filter(|v| v.t > end - window);
            let cell = match standing.map(|v| &v.value) {
                None => Cell::None,
                Some(Value::Text(word)) => words.cell(Some(&Shown::Word(word.to_string())), digits),
                Some(value) => words.cell(value.number().map(Shown::Number).as_ref(), digits),
            };
            if cell != series.shown {
                series.shown = cell;
                frame.push((series.row, cell));
            }
        }
        frames.push(frame);
    }
    frames
}
