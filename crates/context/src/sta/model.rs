//! The entities of SensorThings 1.1 (OGC 18-088, clause 8): their properties, their links, and how they are named.

use serde_json::Value;

use crate::model::{DEFAULT_VOCAB, Iri, LOCATION};

/// The eight entity sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Thing,
    Location,
    HistoricalLocation,
    Datastream,
    Sensor,
    ObservedProperty,
    Observation,
    FeatureOfInterest,
}

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text.
    Text,
    /// Any JSON.
    Json,
    /// A JSON object.
    Object,
    /// A place: GeoJSON as a rule.
    Place,
    /// An instant.
    Time,
    /// An instant or a stretch of time.
    Span,
}

/// A property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prop {
    pub name: &'static str,
    pub form: Form,
    pub required: bool,
}

/// How a link is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// As an attribute of this entity.
    Out(&'static str),
    /// As an attribute of the entities it leads to.
    Back(&'static str),
    /// By the history.
    History,
}

/// A navigation property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nav {
    pub name: &'static str,
    pub kind: Kind,
    pub many: bool,
    pub link: Link,
}

const fn must(name: &'static str, form: Form) -> Prop {
    Prop { name, form, required: true }
}
const fn may(name: &'static str, form: Form) -> Prop {
    Prop { name, form, required: false }
}
const fn one(name: &'static str, kind: Kind, link: Link) -> Nav {
    Nav { name, kind, many: false, link }
}
const fn many(name: &'static str, kind: Kind, link: Link) -> Nav {
    Nav { name, kind, many: true, link }
}

const NAME: Prop = must("name", Form::Text);
const DESCRIPTION: Prop = must("description", Form::Text);
const PROPERTIES: Prop = may("properties", Form::Object);
const ENCODING: Prop = must("encodingType", Form::Text);

impl Kind {
    /// All of them, in the order of the root document.
    pub const ALL: [Kind; 8] = [
        Kind::Thing,
        Kind::Location,
        Kind::HistoricalLocation,
        Kind::Datastream,
        Kind::Sensor,
        Kind::ObservedProperty,
        Kind::Observation,
        Kind::FeatureOfInterest,
    ];

    /// Name of one.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Thing => "Thing",
            Kind::Location => "Location",
            Kind::HistoricalLocation => "HistoricalLocation",
            Kind::Datastream => "Datastream",
            Kind::Sensor => "Sensor",
            Kind::ObservedProperty => "ObservedProperty",
            Kind::Observation => "Observation",
            Kind::FeatureOfInterest => "FeatureOfInterest",
        }
    }

    /// Name of the set.
    pub const fn set(self) -> &'static str {
        match self {
            Kind::Thing => "Things",
            Kind::Location => "Locations",
            Kind::HistoricalLocation => "HistoricalLocations",
            Kind::Datastream => "Datastreams",
            Kind::Sensor => "Sensors",
            Kind::ObservedProperty => "ObservedProperties",
            Kind::Observation => "Observations",
            Kind::FeatureOfInterest => "FeaturesOfInterest",
        }
    }

    /// The set of a name.
    pub fn of_set(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.set() == name)
    }

    /// Properties in the order they are written.
    pub const fn props(self) -> &'static [Prop] {
        match self {
            Kind::Thing => const { &[NAME, DESCRIPTION, PROPERTIES] },
            Kind::Location => const { &[NAME, DESCRIPTION, ENCODING, must("location", Form::Place), PROPERTIES] },
            Kind::HistoricalLocation => const { &[must("time", Form::Time)] },
            Kind::Datastream => {
                const {
                    &[
                        NAME,
                        DESCRIPTION,
                        must("observationType", Form::Text),
                        must("unitOfMeasurement", Form::Object),
                        may("observedArea", Form::Place),
                        may("phenomenonTime", Form::Span),
                        may("resultTime", Form::Span),
                        PROPERTIES,
                    ]
                }
            }
            Kind::Sensor => const { &[NAME, DESCRIPTION, ENCODING, must("metadata", Form::Json), PROPERTIES] },
            Kind::ObservedProperty => const { &[NAME, must("definition", Form::Text), DESCRIPTION, PROPERTIES] },
            Kind::Observation => {
                const {
                    &[
                        may("phenomenonTime", Form::Span),
                        may("resultTime", Form::Time),
                        must("result", Form::Json),
                        may("resultQuality", Form::Json),
                        may("validTime", Form::Span),
                        may("parameters", Form::Object),
                    ]
                }
            }
            Kind::FeatureOfInterest => const { &[NAME, DESCRIPTION, ENCODING, must("feature", Form::Place), PROPERTIES] },
        }
    }

    /// A property by name.
    pub fn prop(self, name: &str) -> Option<&'static Prop> {
        self.props().iter().find(|p| p.name == name)
    }

    /// Navigation properties.
    pub const fn navs(self) -> &'static [Nav] {
        match self {
            Kind::Thing => {
                const {
                    &[
                        many("Locations", Kind::Location, Link::Out("locations")),
                        many("HistoricalLocations", Kind::HistoricalLocation, Link::Back("thing")),
                        many("Datastreams", Kind::Datastream, Link::Back("thing")),
                    ]
                }
            }
            Kind::Location => {
                const ALL: [Nav; 2] =
                    [many("Things", Kind::Thing, Link::Back("locations")), many("HistoricalLocations", Kind::HistoricalLocation, Link::Back("locations"))];
                &ALL
            }
            Kind::HistoricalLocation => const { &[one("Thing", Kind::Thing, Link::Out("thing")), many("Locations", Kind::Location, Link::Out("locations"))] },
            Kind::Datastream => {
                const {
                    &[
                        one("Thing", Kind::Thing, Link::Out("thing")),
                        one("Sensor", Kind::Sensor, Link::Out("sensor")),
                        one("ObservedProperty", Kind::ObservedProperty, Link::Out("observedProperty")),
                        many("Observations", Kind::Observation, Link::History),
                    ]
                }
            }
            Kind::Sensor => const { &[many("Datastreams", Kind::Datastream, Link::Back("sensor"))] },
            Kind::ObservedProperty => const { &[many("Datastreams", Kind::Datastream, Link::Back("observedProperty"))] },
            Kind::Observation => {
                const { &[one("Datastream", Kind::Datastream, Link::History), one("FeatureOfInterest", Kind::FeatureOfInterest, Link::History)] }
            }
            Kind::FeatureOfInterest => const { &[many("Observations", Kind::Observation, Link::History)] },
        }
    }

    /// A navigation property by name.
    pub fn nav(self, name: &str) -> Option<&'static Nav> {
        self.navs().iter().find(|n| n.name == name)
    }
}

/// The link by which the features of interest that were made from a location know it.
pub(crate) const OF_LOCATION: &str = "ofLocation";

/// All links that are kept as attributes.
pub(crate) const LINKS: [&str; 5] = ["locations", "thing", "sensor", "observedProperty", OF_LOCATION];

/// An id: a number of ours, or the text by which the city model knows the thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Id {
    Int(i64),
    Text(String),
}

impl Id {
    /// As JSON.
    pub fn json(&self) -> Value {
        match self {
            Id::Int(n) => (*n).into(),
            Id::Text(t) => t.as_str().into(),
        }
    }

    /// Reads JSON.
    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(n) => n.as_i64().map(Id::Int),
            Value::String(s) => Some(Id::Text(s.clone())),
            _ => None,
        }
    }

    /// As it stands between the brackets of an address; not yet fit for a URL.
    pub fn key(&self) -> String {
        match self {
            Id::Int(n) => n.to_string(),
            Id::Text(t) => format!("'{}'", t.replace('\'', "''")),
        }
    }

    /// Reads what stands between the brackets.
    pub fn of_key(key: &str) -> Option<Self> {
        match key.strip_prefix('\'').and_then(|k| k.strip_suffix('\'')) {
            Some(inner) if inner.len() <= 1_024 && !inner.is_empty() => Some(Id::Text(inner.replace("''", "'"))),
            Some(_) => None,
            None => key.parse().ok().map(Id::Int),
        }
    }

    /// Plain text without quotes (parts of observation ids).
    pub fn plain(&self) -> String {
        match self {
            Id::Int(n) => n.to_string(),
            Id::Text(t) => t.clone(),
        }
    }

    /// Reads plain text.
    pub fn of_plain(text: &str) -> Self {
        text.parse().map_or_else(|_| Id::Text(text.to_string()), Id::Int)
    }
}

const URN: &str = "urn:dothi:";

/// The NGSI-LD id of an entity that was made through SensorThings.
pub(crate) fn urn(kind: Kind, n: i64) -> Iri {
    format!("{URN}{}:{n}", kind.name()).into()
}

/// The NGSI-LD id that stands for any target of a link.
pub(crate) fn urn_of(kind: Kind, id: &Id) -> Iri {
    match (kind, id) {
        (_, Id::Int(n)) => urn(kind, *n),
        (Kind::ObservedProperty, Id::Text(t)) => format!("{URN}{}:{t}", kind.name()).into(),
        (_, Id::Text(t)) => t.as_str().into(),
    }
}

/// Kind and number of an entity that was made through SensorThings.
pub(crate) fn own(urn: &str) -> Option<(Kind, i64)> {
    let (kind, n) = urn.strip_prefix(URN)?.split_once(':')?;
    let kind = Kind::ALL.into_iter().find(|k| k.name() == kind && *k != Kind::Observation)?;
    // Only the canonical form, so that every number has one entity.
    let number: i64 = n.parse().ok()?;
    (number >= 0 && number.to_string() == n).then_some((kind, number))
}

/// The id behind a link to an entity of a kind.
pub(crate) fn id_of(kind: Kind, target: &str) -> Id {
    match own(target) {
        Some((k, n)) if k == kind => Id::Int(n),
        _ if kind == Kind::ObservedProperty => Id::Text(target.strip_prefix(URN).and_then(|t| t.split_once(':')).map_or(target, |(_, t)| t).to_string()),
        _ => Id::Text(target.to_string()),
    }
}

/// Expanded name of the attribute that keeps a property or link.
pub(crate) fn attribute(name: &str) -> String {
    match name {
        "location" | "feature" => LOCATION.to_string(),
        "name" | "description" => crate::ld::Ld::default().expand(name).map_or_else(|_| format!("{DEFAULT_VOCAB}{name}"), |i| i.to_string()),
        _ => format!("{DEFAULT_VOCAB}{name}"),
    }
}

/// Where a place is kept that is no geometry of GeoJSON.
pub(crate) const PLACE: &str = "https://uri.etsi.org/ngsi-ld/default-context/place";

/// The attribute of a Datastream that holds its newest result.
pub(crate) const RESULT: &str = "result";

/// An instant or a stretch of time, µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: i64,
    pub to: Option<i64>,
}

/// Reads an instant with any offset.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if let Some(us) = quick_instant(text.as_bytes()) {
        return Some(us);
    }
    if text.len() > 40 {
        return None;
    }
    // A plus sign that was not encoded arrives as a blank.
    let text = match text.len().checked_sub(6) {
        Some(at) if text.as_bytes().get(at) == Some(&b' ') => format!("{}+{}", &text[..at], &text[at + 1..]),
        _ => text.to_string(),
    };
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond())
}

/// `2026-11-21T01:02:03Z` and `2026-11-21T01:02:03.456Z` without a general parser; others are left to it.
fn quick_instant(b: &[u8]) -> Option<i64> {
    let digits = |from: usize, n: usize| -> Option<i64> {
        b.get(from..from + n)?.iter().try_fold(0i64, |acc, c| if c.is_ascii_digit() { Some(acc * 10 + i64::from(c - b'0')) } else { None })
    };
    if b.len() < 20 || b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' || b[b.len() - 1] != b'Z' {
        return None;
    }
    let (y, m, d) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (h, min, s) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    if !(1..=12).contains(&m) || !(1..=days_in(y, m)).contains(&d) || h > 23 || min > 59 || s > 59 || y < 1 {
        return None;
    }
    let fraction = match b.len() {
        20 => 0,
        n if b[19] == b'.' && n <= 27 => digits(20, n - 21)? * 10i64.pow(u32::try_from(27 - n).ok()?),
        _ => return None,
    };
    // Days from the civil calendar (Howard Hinnant's algorithm).
    let (yy, mm) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let era = yy.div_euclid(400);
    let yoe = yy.rem_euclid(400);
    let doy = (153 * mm + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    Some(((days * 24 + h) * 60 + min) * 60_000_000 + s * 1_000_000 + fraction)
}

fn days_in(y: i64, m: i64) -> i64 {
    match m {
        2 if (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Span {
    /// Reads `instant` or `instant/instant`.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None => Some(Self { from: instant(text)?, to: None }),
            Some((from, to)) => {
                let (from, to) = (instant(from)?, instant(to)?);
                (from <= to).then_some(Self { from, to: Some(to) })
            }
        }
    }

    /// Writes it.
    pub fn text(self) -> String {
        match self.to {
            None => time_text(self.from),
            Some(to) => format!("{}/{}", time_text(self.from), time_text(to)),
        }
    }
}

/// Writes an instant.
pub(crate) fn time_text(us: i64) -> String {
    crate::model::instant(us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for text in ["2026-11-21T01:02:03Z", "1969-12-31T23:59:59.5Z", "2024-02-29T00:00:00.123456Z", "2000-01-01T00:00:00.007Z"] {
            let general: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(quick_instant(text.as_bytes()), Some(general.as_microsecond()), "{text}");
        }
        for text in ["2026-02-29T01:02:03Z", "2026-13-01T01:02:03Z", "2026-11-21T24:02:03Z", "x", "2026-11-21T01:02:03.Zé"] {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(instant("2026-11-21T08:00:00+07:00"), Some(1_795_222_800_000_000));
        assert_eq!(instant("2026-11-21T08:00:00 07:00"), Some(1_795_222_800_000_000));
        assert_eq!(Span::read("2026-11-21T08:00:00Z/2026-11-21T07:00:00Z"), None);
    }

    #[test]
    fn ids_and_their_urns() {
        assert_eq!(own("urn:dothi:Thing:12"), Some((Kind::Thing, 12)));
        assert_eq!(own("urn:dothi:Thing:012"), None);
        assert_eq!(own("urn:ngsi-ld:Thing:12"), None);
        let id = Id::of_key("'urn:x:it''s'").unwrap();
        assert_eq!(id, Id::Text("urn:x:it's".into()));
        assert_eq!(id.key(), "'urn:x:it''s'");
        assert_eq!(id_of(Kind::ObservedProperty, &urn_of(Kind::ObservedProperty, &Id::Text("pm25".into()))), Id::Text("pm25".into()));
        assert_eq!(id_of(Kind::Sensor, "urn:dothi:Sensor:3"), Id::Int(3));
    }
}
