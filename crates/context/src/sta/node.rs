//! One SensorThings entity as it is read: made through SensorThings, seen in an entity of the city model, or an
//! observation of the history.

use std::sync::Arc;

use dothi_kernel::Value as Measured;
use serde_json::{Value, json};

use super::model::{Form, Id, Kind, Link, Nav, PLACE, RESULT, Span, attribute, id_of, instant, own, time_text, urn_of};
use crate::Context;
use crate::model::{Attr, AttrKind, Entity, Iri, LOCATION, find};
use crate::registry::short;

/// Separates the parts of an id that is made of others.
pub(crate) const JOIN: char = '~';

/// See the module.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// Made through SensorThings.
    Own(Kind, Arc<Entity>),
    /// What an entity of the city model shows of itself.
    City(Kind, Arc<Entity>),
    /// The Datastream of an observed attribute (expanded name) of an entity.
    Series(Arc<Entity>, Iri),
    /// An attribute's name as ObservedProperty (expanded).
    Quantity(Iri),
    /// An observation.
    Observation(Arc<Obs>),
}

/// An observation.
#[derive(Debug, Clone)]
pub(crate) struct Obs {
    /// Its Datastream.
    pub stream: Arc<Node>,
    /// Its time in the history, µs.
    pub t: i64,
    /// The value in the history.
    pub value: Measured,
    /// Flags of [`dothi_kernel::value::quality`].
    pub quality: u16,
    /// What is kept beside the history.
    pub extra: Option<Extra>,
    /// Whether results of the stream are known at the time of the phenomenon.
    pub instant_result: bool,
}

/// What an observation has beyond time, value and quality.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Extra {
    /// `phenomenonTime` when it is not just the instant.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub phenomenon: Option<String>,
    /// `resultTime`; `-` says that there is none though the stream's other observations have one.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub result_time: Option<String>,
    /// `validTime`.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<String>,
    /// `resultQuality`.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Value>,
    /// `parameters`.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// `result` when it is no number, truth value or short text. Wrapped, so that null can be kept.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub result: Option<[Value; 1]>,
    /// FeatureOfInterest, when it is not that of the Thing's location.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
}

/// An attribute's value as JSON.
pub(crate) fn json_of(attr: &Attr) -> Value {
    attr.value.to_json()
}

fn whole(entity: &Entity, name: &str) -> Option<Value> {
    entity.attr(&attribute(name)).map(json_of)
}

fn by_short<'a>(entity: &'a Entity, name: &str) -> Option<&'a Attr> {
    entity.attrs.iter().find(|(n, _)| short(n) == name).and_then(|(_, i)| i.first())
}

/// Whether an attribute's instances are a series that can be read as a Datastream.
fn is_series(name: &str, instances: &[Attr]) -> bool {
    !short(name).contains(JOIN)
        && instances.iter().any(|a| {
            let scalar = a.value.as_f64().is_some() || a.value.as_bool().is_some() || a.value.as_str().is_some();
            a.dataset().is_none() && a.kind == AttrKind::Property && a.observed().is_some() && scalar
        })
}

/// Observed attributes of an entity of the city model, in order of their names.
pub(crate) fn series_of(entity: &Arc<Entity>) -> Vec<Node> {
    if own(&entity.id).is_some() {
        return Vec::new();
    }
    let mut names: Vec<&Iri> = entity.attrs.iter().filter(|(n, i)| is_series(n, i)).map(|(n, _)| n).collect();
    names.sort_by_key(|n| short(n));
    names.dedup_by_key(|n| short(n));
    names.into_iter().map(|n| Node::Series(entity.clone(), n.clone())).collect()
}

/// Whether the city model's entity is shown.
pub(crate) fn shown(entity: &Entity, now: i64) -> bool {
    entity.alive(now) && own(&entity.id).is_none() && entity.attrs.iter().any(|(n, i)| is_series(n, i))
}

fn title(entity: &Entity) -> String {
    let named = by_short(entity, "name").map(json_of);
    named.as_ref().and_then(Value::as_str).filter(|t| !t.is_empty()).map_or_else(|| short(&entity.id).to_string(), str::to_string)
}

fn type_of(entity: &Entity) -> &str {
    entity.types.first().map_or("", |t| short(t))
}

impl Node {
    pub fn kind(&self) -> Kind {
        match self {
            Node::Own(kind, _) | Node::City(kind, _) => *kind,
            Node::Series(..) => Kind::Datastream,
            Node::Quantity(_) => Kind::ObservedProperty,
            Node::Observation(_) => Kind::Observation,
        }
    }

    pub fn id(&self) -> Id {
        match self {
            Node::Own(_, entity) => own(&entity.id).map_or_else(|| Id::Text(entity.id.to_string()), |(_, n)| Id::Int(n)),
            Node::City(_, entity) => Id::Text(entity.id.to_string()),
            Node::Series(entity, name) => Id::Text(format!("{}{JOIN}{}", entity.id, short(name))),
            Node::Quantity(name) => Id::Text(short(name).to_string()),
            Node::Observation(o) => Id::Text(format!("{}{JOIN}{}", o.stream.id().plain(), o.t)),
        }
    }

    /// The target that links to it name.
    pub fn urn(&self) -> Iri {
        urn_of(self.kind(), &self.id())
    }

    /// Entity and attribute under which the history knows a Datastream.
    pub fn series(&self) -> Option<(Iri, &str)> {
        match self {
            Node::Own(Kind::Datastream, entity) => Some((entity.id.clone(), RESULT)),
            Node::Series(entity, name) => Some((entity.id.clone(), short(name))),
            _ => None,
        }
    }

    /// A property; none when it has none.
    pub fn prop(&self, this: &Context, name: &str) -> Option<Value> {
        match self {
            Node::Own(kind, entity) => own_prop(*kind, entity, name),
            Node::City(kind, entity) => city_prop(*kind, entity, name),
            Node::Series(entity, attr) => series_prop(this, entity, attr, name),
            Node::Quantity(attr) => match name {
                "name" => Some(short(attr).into()),
                "definition" => Some(attr.to_string().into()),
                "description" => Some(titled(this, None, short(attr)).0.into()),
                _ => None,
            },
            Node::Observation(o) => o.prop(name),
        }
    }

    /// Where a link leads, except through the history and to large sets.
    pub fn linked(&self, this: &Context, nav: &Nav, now: i64, most: usize) -> Vec<Node> {
        match (self, nav.link) {
            (_, Link::History) => Vec::new(),
            (Node::Own(_, entity), Link::Out(link)) => {
                let found = super::index::targets(entity, link);
                found.iter().take(most).filter_map(|t| super::find::get(this, nav.kind, &id_of(nav.kind, t), now)).collect()
            }
            (Node::Own(..), Link::Back(link)) => {
                let urn = self.urn();
                this.live.sta(|i| i.linked(&urn, link, nav.kind, -1, most)).into_iter().map(|e| Node::Own(nav.kind, e)).collect()
            }
            (Node::City(_, entity), _) => self.city_linked(this, entity, nav, most),
            (Node::Series(entity, name), _) => match nav.kind {
                Kind::ObservedProperty => vec![Node::Quantity(name.clone())],
                kind => vec![Node::City(kind, entity.clone())],
            },
            (Node::Quantity(_) | Node::Observation(_), _) => Vec::new(),
        }
    }

    fn city_linked(&self, this: &Context, entity: &Arc<Entity>, nav: &Nav, most: usize) -> Vec<Node> {
        let mut found = match nav.kind {
            Kind::Datastream => series_of(entity),
            Kind::Location | Kind::HistoricalLocation if entity.location().is_none() => Vec::new(),
            kind => vec![Node::City(kind, entity.clone())],
        };
        if let Link::Back(link) = nav.link {
            let more = this.live.sta(|i| i.linked(&entity.id, link, nav.kind, -1, most));
            found.extend(more.into_iter().map(|e| Node::Own(nav.kind, e)));
        }
        found.truncate(most);
        found
    }
}

fn own_prop(kind: Kind, entity: &Entity, name: &str) -> Option<Value> {
    let prop = kind.prop(name)?;
    match prop.form {
        Form::Place if name != "observedArea" => whole(entity, name).or_else(|| find(&entity.attrs, PLACE).and_then(|i| i.first()).map(json_of)),
        _ => whole(entity, name),
    }
}

fn city_prop(kind: Kind, entity: &Entity, name: &str) -> Option<Value> {
    match (kind, name) {
        (Kind::HistoricalLocation, "time") => {
            let attr = entity.attr(LOCATION)?;
            Some(time_text(attr.observed().unwrap_or(attr.modified)).into())
        }
        (Kind::HistoricalLocation, _) => None,
        (_, "name") => Some(title(entity).into()),
        (_, "description") => {
            let said = by_short(entity, "description").map(json_of).filter(Value::is_string);
            Some(said.unwrap_or_else(|| type_of(entity).into()))
        }
        (Kind::Location | Kind::FeatureOfInterest, "encodingType") => Some("application/geo+json".into()),
        (Kind::Location, "location") | (Kind::FeatureOfInterest, "feature") => entity.attr(LOCATION).map(json_of),
        (Kind::Sensor, "encodingType") => Some("text/html".into()),
        (Kind::Sensor, "metadata") => Some(entity.id.to_string().into()),
        (Kind::Thing, "properties") => {
            let mut properties = json!({"type": type_of(entity)});
            if let Some(area) = &entity.area {
                properties["area"] = area.to_string().into();
            }
            Some(properties)
        }
        _ => None,
    }
}

/// What packs say of an attribute: title and unit as people read them.
fn titled(this: &Context, kind: Option<&str>, attr: &str) -> (String, Option<String>) {
    let types = match kind {
        Some(kind) => this.registry.kind(kind).into_iter().collect(),
        None => this.registry.types(),
    };
    let known = types.iter().flat_map(|t| &t.attributes).find(|a| a.name == attr);
    let title = known.map(|a| a.title.as_str()).filter(|t| !t.is_empty()).unwrap_or(attr).to_string();
    (title, known.and_then(|a| a.unit_text.clone().or_else(|| a.unit.clone())))
}

const MEASUREMENT: &str = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement";
const TRUTH: &str = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_TruthObservation";
const CATEGORY: &str = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_CategoryObservation";

fn series_prop(this: &Context, entity: &Entity, attr: &str, name: &str) -> Option<Value> {
    let newest = entity.attr(attr)?;
    match name {
        "name" => Some(format!("{} – {}", title(entity), titled(this, Some(type_of(entity)), short(attr)).0).into()),
        "description" => Some(titled(this, Some(type_of(entity)), short(attr)).0.into()),
        "observationType" => Some(
            if newest.value.as_bool().is_some() {
                TRUTH
            } else if newest.value.as_str().is_some() {
                CATEGORY
            } else {
                MEASUREMENT
            }
            .into(),
        ),
        "unitOfMeasurement" => {
            let known = titled(this, Some(type_of(entity)), short(attr)).1;
            let code = newest.unit();
            let code = code.as_deref();
            let symbol = known.as_deref().or(code);
            let definition = code.map(|c| format!("https://unece.org/trade/cefact/UNLOCODE-Download#{c}")).filter(|_| code.is_some());
            Some(json!({"name": code.or(symbol), "symbol": symbol, "definition": definition}))
        }
        "observedArea" => entity.attr(LOCATION).map(json_of),
        "properties" => Some(json!({"entity": &*entity.id, "attribute": short(attr)})),
        _ => None,
    }
}

impl Obs {
    /// `phenomenonTime`.
    pub fn phenomenon(&self) -> Span {
        let stated = self.extra.as_ref().and_then(|e| e.phenomenon.as_deref()).and_then(Span::read);
        stated.unwrap_or(Span { from: self.t, to: None })
    }

    /// `resultTime`, when it has one.
    pub fn result_time(&self) -> Option<i64> {
        match self.extra.as_ref().and_then(|e| e.result_time.as_deref()) {
            Some("-") => None,
            Some(text) => instant(text),
            None => self.instant_result.then_some(self.t),
        }
    }

    /// `result`.
    pub fn result(&self) -> Value {
        match self.extra.as_ref().and_then(|e| e.result.as_ref()) {
            Some([whole]) => whole.clone(),
            None => plain(&self.value),
        }
    }

    fn prop(&self, name: &str) -> Option<Value> {
        let extra = self.extra.as_ref();
        match name {
            "phenomenonTime" => Some(self.phenomenon().text().into()),
            "resultTime" => Some(self.result_time().map_or(Value::Null, |t| time_text(t).into())),
            "result" => Some(self.result()),
            "resultQuality" => extra.and_then(|e| e.quality.clone()).or_else(|| (self.quality != 0).then(|| quality(self.quality))),
            "validTime" => extra.and_then(|e| e.valid.clone()).map(Into::into),
            "parameters" => extra.and_then(|e| e.parameters.clone()),
            _ => None,
        }
    }
}

/// A measured value as JSON; whole numbers read better without a fraction.
fn plain(value: &Measured) -> Value {
    match value {
        Measured::Bool(b) => (*b).into(),
        Measured::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => (*n as i64).into(),
        Measured::Number(n) => (*n).into(),
        Measured::Text(t) => (&**t).into(),
    }
}

/// The platform's quality flags in words.
fn quality(flags: u16) -> Value {
    use dothi_kernel::value::quality as q;
    let words = [(q::RANGE, "range"), (q::RATE, "rate"), (q::STUCK, "stuck"), (q::CLOCK, "clock"), (q::REPLAYED, "replayed"), (q::GAP, "gap")];
    let said: Vec<&str> = words.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, w)| w).collect();
    json!({"flags": flags, "is": said})
}
