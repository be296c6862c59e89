//! Observations on their way in: what fits goes into the history as a reading, like a device's; what does not is kept
//! beside it, before it. When [`store`] returns, all of it is durable.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Observation, Result, Value as Measured};
use serde_json::{Map, Value};

use super::find;
use super::insert::{feature_for, object, reference};
use super::model::{Id, Kind, RESULT, Span, instant, time_text};
use super::node::{Extra, Node, Obs};
use super::observations;
use super::{INSTANT_RESULT, MOVED, Marks, bad};
use crate::Context;
use crate::model::{Iri, Reading};
use crate::registry::short;
use crate::tables_sta as tables;
use crate::writer::BATCH_OBSERVATIONS;

/// Longest text that goes into the history as it is.
const TEXT: usize = 1_024;
/// Observations that the deletion of what they are about deletes with it.
const ABOUT: usize = 100_000;

/// An observation on its way in.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// Phenomenon time, µs; none = now.
    pub t: Option<i64>,
    pub value: Measured,
    pub result_time: Option<i64>,
    /// All else.
    pub extra: Extra,
}

/// A result as the history keeps it, and whole when it cannot.
pub(crate) fn measured(result: Value) -> (Measured, Option<[Value; 1]>) {
    match result {
        Value::Bool(b) => (Measured::Bool(b), None),
        Value::Number(n) if n.as_f64().is_some_and(f64::is_finite) => (Measured::Number(n.as_f64().unwrap_or_default()), None),
        Value::String(text) if text.len() <= TEXT => (Measured::Text(text.into()), None),
        other => {
            let text = if let Value::String(s) = &other { s.clone() } else { other.to_string() };
            let end = (0..=TEXT.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            (Measured::Text(text[..end].into()), Some([other]))
        }
    }
}

impl Incoming {
    /// Reads one observation without its links.
    pub fn read(this: &Context, mut body: Map<String, Value>, now: i64) -> Result<Self> {
        let wrong = |name: &str| bad(format!("Observation: {name} is not a time of ISO 8601."));
        let mut text = |name: &'static str| match body.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name)),
        };
        let (phenomenon, result_time, valid) = (text("phenomenonTime")?, text("resultTime")?, text("validTime")?);
        let span = phenomenon.as_deref().map(|t| Span::read(t).ok_or_else(|| wrong("phenomenonTime"))).transpose()?;
        let result_time = result_time.as_deref().map(|t| instant(t).ok_or_else(|| wrong("resultTime"))).transpose()?;
        let valid = valid.map(|t| Span::read(&t).map(Span::text).ok_or_else(|| wrong("validTime"))).transpose()?;
        let result = body.shift_remove("result").ok_or_else(|| bad("Observation: result is missing."))?;
        let (value, whole) = measured(result);
        let mut extra = Extra { valid, result: whole, ..Extra::default() };
        extra.phenomenon = span.filter(|s| s.to.is_some()).map(Span::text);
        extra.quality = body.shift_remove("resultQuality").filter(|v| !v.is_null());
        extra.parameters = body.shift_remove("parameters").filter(|v| !v.is_null());
        if extra.parameters.as_ref().is_some_and(|p| !p.is_object()) {
            return Err(bad("Observation: parameters must be an object."));
        }
        if let Some(feature) = body.shift_remove("FeatureOfInterest") {
            let id = reference(&feature).ok_or_else(|| bad("FeatureOfInterest must be a reference here."))?;
            extra.feature = Some(feature_named(this, &id, now)?);
        }
        if let Some((unknown, _)) = body.iter().find(|(n, _)| !n.starts_with('@') && !n.contains("@iot.")) {
            return Err(bad(format!("Observation has no property {:?}.", crate::fault::cut(unknown))));
        }
        Ok(Self { t: span.map(|s| s.from), value, result_time, extra })
    }
}

/// Checks that a feature of interest is there; its id as plain text.
pub(crate) fn feature_named(this: &Context, id: &Id, now: i64) -> Result<String> {
    match find::get(this, Kind::FeatureOfInterest, id, now) {
        Some(_) => Ok(id.plain()),
        None => Err(bad(format!("There is no FeatureOfInterest with the id {}.", crate::fault::cut(&id.key())))),
    }
}

/// What is the same in all readings of a Datastream.
pub(crate) struct Pattern {
    entity: Iri,
    kind: Arc<str>,
    attribute: Arc<str>,
    unit: Option<Arc<str>>,
}

impl Pattern {
    /// Of a Datastream.
    pub fn of(stream: &Node) -> Option<Self> {
        let (entity, attribute) = stream.series()?;
        let (kind, unit) = match stream {
            Node::Series(entity, name) => (short(entity.types.first()?).into(), entity.attr(name).and_then(|a| a.unit())),
            Node::Own(_, entity) => {
                let unit = entity.attr(&super::model::attribute("unitOfMeasurement")).map(super::node::json_of);
                let symbol = unit.as_ref().and_then(|u| u.get("symbol")).and_then(Value::as_str).filter(|s| !s.is_empty() && s.len() <= 64);
                (Kind::Datastream.name().into(), symbol.map(Into::into))
            }
            _ => return None,
        };
        Some(Self { entity, kind, attribute: attribute.into(), unit })
    }

    /// What takes the point of an instant away.
    fn tombstone(&self, t: i64) -> Observation {
        Observation {
            entity: self.entity.clone(),
            kind: self.kind.clone(),
            attribute: self.attribute.clone(),
            t,
            value: Measured::Number(0.0),
            unit: None,
            quality: quality::DELETED,
            area: None,
        }
    }

    /// A reading.
    pub fn reading(&self, t: i64, value: Measured) -> Reading {
        Reading {
            entity: self.entity.clone(),
            kind: self.kind.clone(),
            attribute: self.attribute.clone(),
            value,
            unit: self.unit.clone(),
            observed_at: t,
            quality: 0,
            location: None,
        }
    }
}

/// The time of an observation that states none: now, but never that of the one before.
pub(crate) fn arrival(stream: &Node, now: i64) -> i64 {
    let newest = match stream {
        Node::Series(entity, name) => entity.attr(name).and_then(|a| a.observed()),
        Node::Own(_, entity) => entity.attr(&super::model::attribute(RESULT)).and_then(|a| a.observed()),
        _ => None,
    };
    newest.filter(|last| (0..1_000_000).contains(&(last - now))).map_or(now, |last| last + 1)
}

fn is_fresh(stream: &Node) -> bool {
    matches!(stream, Node::Own(_, entity) if entity.attr(&super::model::attribute(RESULT)).is_none())
}

/// What has to be kept beside the history for some observations of a stream.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    put: Vec<(String, i64, Extra)>,
    drop: Vec<i64>,
    mark: bool,
}

impl Beside {
    /// Looks at what each observation has beyond time and value.
    pub fn of<'a>(this: &Context, stream: &Node, all: impl Iterator<Item = (i64, Option<i64>, &'a Extra)>) -> Self {
        let name = stream.id().plain();
        let mut marks: Marks = this.sta.marks(&name);
        marks.instant_result |= matches!(stream, Node::Series(..));
        let mut out = Self::default();
        for (t, result_time, extra) in all {
            if result_time == Some(t) && !marks.instant_result && !out.mark && is_fresh(stream) && out.put.is_empty() {
                // The first observation decides what need not be said again.
                out.mark = true;
                marks.instant_result = true;
            }
            let said = match result_time {
                None if marks.instant_result && matches!(stream, Node::Own(..)) => Some("-".to_string()),
                Some(r) if !(marks.instant_result && r == t) => Some(time_text(r)),
                _ => None,
            };
            if said.is_some() || *extra != Extra::default() {
                out.put.push((name.clone(), t, Extra { result_time: said, ..extra.clone() }));
            } else if marks.extras {
                out.drop.push(t);
            }
        }
        out
    }

    /// Makes it durable.
    pub async fn save(self, this: &Context, caller: &Caller, stream: &Node) -> Result<()> {
        if self.put.is_empty() && self.drop.is_empty() && !self.mark {
            return Ok(());
        }
        let name = stream.id().plain();
        let mut gone = Vec::new();
        if let (Some(first), Some(last)) = (self.drop.iter().min(), self.drop.iter().max()) {
            let of: HashSet<i64> = self.drop.iter().copied().collect();
            gone.extend(tables::extras(&this.store, &name, *first, *last).await?.into_iter().map(|(t, _)| t).filter(|t| of.contains(t)));
        }
        if self.put.is_empty() && gone.is_empty() && !self.mark {
            return Ok(());
        }
        let mut tx = this.store.begin(caller).await?;
        tables::put_extras(&mut tx, &self.put).await?;
        tables::drop_extras(&mut tx, &name, &gone).await?;
        if self.mark {
            tables::put_extras(&mut tx, &[(name.clone(), INSTANT_RESULT, Extra::default())]).await?;
        }
        tx.commit().await?;
        this.sta.mark(&name, |m| {
            m.extras |= !self.put.is_empty();
            m.instant_result |= self.mark;
        });
        Ok(())
    }
}

/// Stores observations of a Datastream; their times in the same order.
pub(crate) async fn store(this: &Context, caller: &Caller, stream: &Node, list: Vec<Incoming>) -> Result<Vec<i64>> {
    let pattern = Pattern::of(stream).ok_or_else(|| bad("This is not a Datastream."))?;
    let mut next = arrival(stream, caller.now.as_microsecond());
    let times: Vec<i64> = list
        .iter()
        .map(|i| {
            i.t.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    let all = list.iter().zip(&times).map(|(i, t)| (*t, i.result_time, &i.extra));
    let needs_feature = list.iter().any(|i| i.extra.feature.is_none());
    Beside::of(this, stream, all).save(this, caller, stream).await?;
    if needs_feature && matches!(stream, Node::Own(..)) {
        feature_for(this, caller, stream).await?;
    }
    let readings: Vec<Reading> = list.into_iter().zip(&times).map(|(i, t)| pattern.reading(*t, i.value)).collect();
    for readings in readings.chunks(BATCH_OBSERVATIONS) {
        this.ingest(caller, readings.to_vec()).await?;
    }
    Ok(times)
}

/// Creates one observation; its id. Datastream and FeatureOfInterest may be references or whole entities.
pub(crate) async fn create(this: &Context, caller: &Caller, mut body: Map<String, Value>, parent: Option<&Node>) -> Result<Id> {
    let now = caller.now.as_microsecond();
    if let Some(whole) = body.get("FeatureOfInterest").filter(|f| !f.is_null() && reference(f).is_none()).cloned() {
        let id = super::insert::create(this, caller, Kind::FeatureOfInterest, object(whole)?, None).await?;
        body.insert("FeatureOfInterest".into(), serde_json::json!({"@iot.id": id.json()}));
    }
    if body.get("FeatureOfInterest").is_some_and(Value::is_null) {
        body.shift_remove("FeatureOfInterest");
    }
    if let Some(feature) = parent.filter(|p| p.kind() == Kind::FeatureOfInterest) {
        body.insert("FeatureOfInterest".into(), serde_json::json!({"@iot.id": feature.id().json()}));
    }
    let stated = body.shift_remove("Datastream");
    // Read before anything is made, so that a faulty observation leaves nothing behind.
    let incoming = Incoming::read(this, body, now)?;
    let id = match (parent.filter(|p| p.kind() == Kind::Datastream), stated) {
        (Some(stream), _) => stream.id(),
        (None, Some(value)) => match reference(&value) {
            Some(id) => id,
            None => super::insert::create(this, caller, Kind::Datastream, object(value)?, None).await?,
        },
        (None, None) => return Err(bad("Observation: Datastream is missing.")),
    };
    let stream =
        find::get(this, Kind::Datastream, &id, now).ok_or_else(|| bad(format!("There is no Datastream with the id {}.", crate::fault::cut(&id.key()))))?;
    let times = store(this, caller, &stream, vec![incoming]).await?;
    Ok(Id::Text(format!("{}{}{}", id.plain(), super::node::JOIN, times.first().copied().unwrap_or(now))))
}

/// Changes an observation: the properties given (PATCH), or all of them (PUT).
pub(crate) async fn update(this: &Context, caller: &Caller, obs: &Obs, mut body: Map<String, Value>, all: bool) -> Result<()> {
    let now = caller.now.as_microsecond();
    if body.shift_remove("Datastream").is_some_and(|d| reference(&d).is_none_or(|id| id != obs.stream.id())) {
        return Err(bad("An observation stays with its Datastream."));
    }
    let whole: Map<String, Value> = if all {
        body
    } else {
        // What is not given stays as it is.
        let mut whole = Map::new();
        let node = Node::Observation(Arc::new(obs.clone()));
        for prop in Kind::Observation.props() {
            let kept = if prop.name == "resultQuality" { obs.extra.as_ref().and_then(|e| e.quality.clone()) } else { node.prop(this, prop.name) };
            whole.extend(kept.map(|v| (prop.name.to_string(), v)));
        }
        if let Some(feature) = obs.extra.as_ref().and_then(|e| e.feature.as_deref()) {
            whole.insert("FeatureOfInterest".into(), serde_json::json!({"@iot.id": Id::of_plain(feature).json()}));
        }
        whole.extend(body);
        whole
    };
    let mut incoming = Incoming::read(this, whole, now)?;
    // Its id is made of its time in the history, which therefore stays.
    let moved = incoming.t.is_some_and(|t| t != obs.t) || (incoming.extra.phenomenon.is_some() && incoming.t != Some(obs.t));
    if let (true, Some(t), None) = (moved, incoming.t, &incoming.extra.phenomenon) {
        incoming.extra.phenomenon = Some(time_text(t));
    }
    incoming.t = Some(obs.t);
    let changed = incoming.value != obs.value;
    let name = obs.stream.id().plain();
    if moved && !this.sta.marks(&name).moved {
        let mut tx = this.store.begin(caller).await?;
        tables::put_extras(&mut tx, &[(name.clone(), MOVED, Extra::default())]).await?;
        tx.commit().await?;
        this.sta.mark(&name, |m| m.moved = true);
    }
    Beside::of(this, &obs.stream, std::iter::once((obs.t, incoming.result_time, &incoming.extra))).save(this, caller, &obs.stream).await?;
    if changed && let Some(pattern) = Pattern::of(&obs.stream) {
        this.ingest(caller, vec![pattern.reading(obs.t, incoming.value)]).await?;
    }
    Ok(())
}

/// Deletes observations: the history keeps that they are no more, and loses them when it next tidies its files.
pub(crate) async fn forget(this: &Context, caller: &Caller, all: &[Node]) -> Result<()> {
    let observations = all.iter().filter_map(|n| if let Node::Observation(o) = n { Some(o) } else { None });
    let mut streams: BTreeMap<String, (Arc<Node>, Vec<i64>)> = BTreeMap::new();
    for one in observations {
        streams.entry(one.stream.id().plain()).or_insert_with(|| (one.stream.clone(), Vec::new())).1.push(one.t);
    }
    for (name, (stream, times)) in streams {
        let Some(pattern) = Pattern::of(&stream) else { continue };
        for times in times.chunks(BATCH_OBSERVATIONS) {
            let dead = times.iter().map(|t| pattern.tombstone(*t)).collect();
            this.bury_points(caller, &pattern.entity, dead).await?;
            let mut tx = this.store.begin(caller).await?;
            tables::drop_extras(&mut tx, &name, times).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Deletes the observations about a feature of interest.
pub(crate) async fn forget_about(this: &Context, caller: &Caller, feature: &Node) -> Result<()> {
    let all = observations::follow(this, feature, Kind::Observation, caller.now.as_microsecond(), ABOUT).await?;
    if all.len() >= ABOUT {
        return Err(dothi_kernel::Error::conflict("sta.too-many", "Too many observations are about this; delete their Datastreams."));
    }
    forget(this, caller, &all).await
}

/// Deletes what was kept of streams that are gone.
pub(crate) async fn forget_streams(this: &Context, caller: &Caller, streams: &[String]) -> Result<()> {
    if streams.is_empty() {
        return Ok(());
    }
    let mut tx = this.store.begin(caller).await?;
    for stream in streams {
        tables::drop_stream(&mut tx, stream).await?;
    }
    tx.commit().await
}
