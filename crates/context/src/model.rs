//! Entities as they are held in memory: expanded names, typed members, instants in microseconds.
//!
//! The serde form of [`Entity`] is the first stored format (`context_entity.doc`; today's is in `stored.rs`) and that of
//! snapshots; single-letter member names keep it small. Golden files in `tests/golden` must load for ever.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, RwLock};

use hashbrown::{DefaultHashBuilder, HashSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::instances::{Instances, Unit};
use crate::val::Val;

/// An expanded name, shared between all entities that use it.
pub type Iri = Arc<str>;

/// NGSI-LD Null: deletes in merge and partial updates.
pub const NULL: &str = "urn:ngsi-ld:null";
/// Names that no context defines live here.
pub const DEFAULT_VOCAB: &str = "https://uri.etsi.org/ngsi-ld/default-context/";
/// Expanded name of `location`.
pub const LOCATION: &str = "https://uri.etsi.org/ngsi-ld/location";
/// Attributes an entity may have.
pub const MAX_ATTRIBUTES: usize = 1_000;
/// Instances (datasetId) an attribute may have.
pub const MAX_INSTANCES: usize = 1_000;
/// Types an entity may have.
pub const MAX_TYPES: usize = 32;

/// Kinds of attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttrKind {
    /// A plain value.
    #[serde(rename = "p")]
    Property,
    /// A place.
    #[serde(rename = "g")]
    GeoProperty,
    /// A link to one or more entities.
    #[serde(rename = "r")]
    Relationship,
    /// A text in several languages.
    #[serde(rename = "l")]
    LanguageProperty,
    /// A term of a vocabulary.
    #[serde(rename = "v")]
    VocabProperty,
    /// Raw JSON.
    #[serde(rename = "j")]
    JsonProperty,
    /// An ordered list of values.
    #[serde(rename = "lp")]
    ListProperty,
    /// An ordered list of links.
    #[serde(rename = "lr")]
    ListRelationship,
}

impl AttrKind {
    /// All of them, in the order of their numbers in the stored form.
    pub const ALL: [AttrKind; 8] = [
        AttrKind::Property,
        AttrKind::GeoProperty,
        AttrKind::Relationship,
        AttrKind::LanguageProperty,
        AttrKind::VocabProperty,
        AttrKind::JsonProperty,
        AttrKind::ListProperty,
        AttrKind::ListRelationship,
    ];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            AttrKind::Property => "Property",
            AttrKind::GeoProperty => "GeoProperty",
            AttrKind::Relationship => "Relationship",
            AttrKind::LanguageProperty => "LanguageProperty",
            AttrKind::VocabProperty => "VocabProperty",
            AttrKind::JsonProperty => "JsonProperty",
            AttrKind::ListProperty => "ListProperty",
            AttrKind::ListRelationship => "ListRelationship",
        }
    }

    /// The member that carries the value.
    pub fn member(self) -> &'static str {
        match self {
            AttrKind::Property | AttrKind::GeoProperty => "value",
            AttrKind::Relationship => "object",
            AttrKind::LanguageProperty => "languageMap",
            AttrKind::VocabProperty => "vocab",
            AttrKind::JsonProperty => "json",
            AttrKind::ListProperty => "valueList",
            AttrKind::ListRelationship => "objectList",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == word)
    }
}

/// One instance of an attribute. What few of them have lies apart, behind accessors.
#[derive(Clone)]
pub struct Attr {
    /// Value in the form of its kind; vocabulary terms and links expanded.
    pub value: Val,
    /// Created, µs.
    pub created: i64,
    /// Modified, µs.
    pub modified: i64,
    /// [`NEVER`] when not stated.
    observed: i64,
    rare: Option<Box<Rare>>,
    unit: Unit,
    /// Kind.
    pub kind: AttrKind,
}

const NEVER: i64 = i64::MIN;

/// What few attributes have.
#[derive(Clone, Default)]
struct Rare {
    dataset: Option<Iri>,
    /// A unit code that the table of units does not take.
    unit: Option<Iri>,
    of: Option<Value>,
    expires: Option<i64>,
    subs: Attrs,
}

/// Attributes by expanded name in order of arrival, each with its instances.
pub type Attrs = Vec<(Iri, Instances)>;

static NO_ATTRS: Attrs = Vec::new();

/// An entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// URI; a column of its own.
    #[serde(skip, default = "empty")]
    pub id: Iri,
    /// Counts changes; a column of its own.
    #[serde(skip)]
    pub version: u64,
    /// Expanded types.
    #[serde(rename = "t")]
    pub types: Vec<Iri>,
    /// Scopes (`/a/b`).
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<Box<str>>,
    /// Created, µs.
    #[serde(rename = "c")]
    pub created: i64,
    /// Modified, µs.
    #[serde(rename = "m")]
    pub modified: i64,
    /// When it stops to exist, µs.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Commune code of its location, as far as known.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Iri>,
    /// Attributes.
    #[serde(rename = "a")]
    pub attrs: Attrs,
}

fn empty() -> Iri {
    "".into()
}

/// One measured value on its way in. Names are the short ones of the packs.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Entity URN.
    pub entity: Arc<str>,
    /// Entity type (`AirQualityObserved`).
    pub kind: Arc<str>,
    /// Attribute (`pm25`).
    pub attribute: Arc<str>,
    /// Value.
    pub value: dothi_kernel::Value,
    /// UN/CEFACT unit code.
    pub unit: Option<Arc<str>>,
    /// Phenomenon time, µs.
    pub observed_at: i64,
    /// Flags of [`dothi_kernel::value::quality`].
    pub quality: u16,
    /// Where, when the device says so.
    pub location: Option<dothi_kernel::geo::Point>,
}

/// Finds the instances of an attribute.
pub fn find<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a [Attr]> {
    attrs.iter().find(|(n, _)| &**n == name).map(|(_, a)| &**a)
}

/// Finds the instances of an attribute, to change them.
pub fn find_mut<'a>(attrs: &'a mut Attrs, name: &str) -> Option<&'a mut Instances> {
    attrs.iter_mut().find(|(n, _)| &**n == name).map(|(_, a)| a)
}

impl Attr {
    /// A new instance without sub-attributes.
    pub fn new(kind: AttrKind, value: impl Into<Val>, now: i64) -> Self {
        Self { kind, value: value.into(), created: now, modified: now, observed: NEVER, unit: Unit::default(), rare: None }
    }

    /// Which instance; none is the default one.
    pub fn dataset(&self) -> Option<&Iri> {
        self.rare.as_ref()?.dataset.as_ref()
    }

    /// When it was observed, µs.
    pub fn observed(&self) -> Option<i64> {
        (self.observed != NEVER).then_some(self.observed)
    }

    /// UN/CEFACT unit code.
    pub fn unit(&self) -> Option<Iri> {
        self.unit.code().or_else(|| self.rare.as_ref()?.unit.clone())
    }

    /// `objectType` of links, `valueType` of values; expanded.
    pub fn of(&self) -> Option<&Value> {
        self.rare.as_ref()?.of.as_ref()
    }

    /// When it stops to exist, µs.
    pub fn expires(&self) -> Option<i64> {
        self.rare.as_ref()?.expires
    }

    /// Attributes of the attribute.
    pub fn subs(&self) -> &Attrs {
        self.rare.as_ref().map_or(&NO_ATTRS, |r| &r.subs)
    }

    /// Attributes of the attribute, to change them.
    pub fn subs_mut(&mut self) -> &mut Attrs {
        &mut self.rare.get_or_insert_default().subs
    }

    /// Sets which instance it is.
    pub fn set_dataset(&mut self, dataset: Option<Iri>) {
        if dataset.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().dataset = dataset;
        }
    }

    /// Sets when it was observed, µs.
    pub fn set_observed(&mut self, observed: Option<i64>) {
        self.observed = observed.unwrap_or(NEVER);
    }

    /// Sets the unit code.
    pub fn set_unit(&mut self, unit: Option<Iri>) {
        let known = unit.as_ref().and_then(|u| Unit::of(u));
        self.unit = known.unwrap_or_default();
        let odd = unit.filter(|_| known.is_none());
        if odd.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().unit = odd;
        }
    }

    /// Sets `objectType` or `valueType`.
    pub fn set_of(&mut self, of: Option<Value>) {
        if of.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().of = of;
        }
    }

    /// Sets when it stops to exist, µs.
    pub fn set_expires(&mut self, expires: Option<i64>) {
        if expires.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().expires = expires;
        }
    }

    /// Whether it still exists.
    pub fn alive(&self, now: i64) -> bool {
        self.expires().is_none_or(|x| x > now)
    }

    /// Whether two instances say the same; when they were written does not matter.
    pub fn same(&self, other: &Attr) -> bool {
        self.kind == other.kind
            && self.observed == other.observed
            && self.unit() == other.unit()
            && self.value == other.value
            && self.dataset() == other.dataset()
            && self.of() == other.of()
            && self.expires() == other.expires()
            && same_attrs(self.subs(), other.subs())
    }
}

impl PartialEq for Attr {
    fn eq(&self, other: &Self) -> bool {
        self.created == other.created && self.modified == other.modified && self.subs() == other.subs() && self.same(other)
    }
}

impl fmt::Debug for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether two sets of attributes say the same, in any order.
pub fn same_attrs(a: &Attrs, b: &Attrs) -> bool {
    a.len() == b.len() && a.iter().all(|(name, instances)| find(b, name).is_some_and(|other| same_instances(instances, other)))
}

/// Whether two lists of instances say the same, in any order.
pub fn same_instances(a: &[Attr], b: &[Attr]) -> bool {
    a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| x.same(y)))
}

impl Entity {
    /// An entity without attributes.
    pub fn new(id: Iri, types: Vec<Iri>, now: i64) -> Self {
        Self { id, version: 0, types, scope: Vec::new(), created: now, modified: now, expires: None, area: None, attrs: Vec::new() }
    }

    /// Whether it still exists.
    pub fn alive(&self, now: i64) -> bool {
        self.expires.is_none_or(|x| x > now)
    }

    /// The default instance of an attribute, or its first.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        let instances = find(&self.attrs, name)?;
        instances.iter().find(|a| a.dataset().is_none()).or_else(|| instances.first())
    }

    /// Its place, when it has one.
    pub fn location(&self) -> Option<&Val> {
        self.attr(LOCATION).filter(|a| a.kind == AttrKind::GeoProperty).map(|a| &a.value)
    }

    /// The point of its location, or one that stands for its area.
    pub fn point(&self) -> Option<dothi_kernel::geo::Point> {
        let value = self.location()?;
        if let Some((lon, lat)) = value.point() {
            return Some(dothi_kernel::geo::Point { lon, lat });
        }
        dothi_kernel::geo::Geometry::from_geojson(&value.json()).ok()?.representative()
    }

    /// Newest observation of any attribute, µs.
    pub fn observed(&self) -> Option<i64> {
        self.attrs.iter().flat_map(|(_, a)| a).filter_map(Attr::observed).max()
    }

    /// Shares its names with all others.
    pub fn intern(&mut self, names: &Names) {
        self.types.iter_mut().chain(self.area.iter_mut()).for_each(|t| *t = names.get(t));
        exact(&mut self.types);
        intern_attrs(&mut self.attrs, names);
    }
}

/// Shares the names of attributes with all others.
pub(crate) fn intern_attrs(attrs: &mut Attrs, names: &Names) {
    for (name, instances) in attrs.iter_mut() {
        *name = names.get(name);
        instances.shrink_to_fit();
        for attr in instances.iter_mut() {
            match attr.kind {
                AttrKind::VocabProperty => attr.value.share(|text| names.get(text)),
                _ => attr.value.share(|text| names.repeated(text)),
            }
            // What was there once and went leaves no empty box behind.
            attr.rare.take_if(|r| r.dataset.is_none() && r.unit.is_none() && r.of.is_none() && r.expires.is_none() && r.subs.is_empty());
            if let Some(rare) = &mut attr.rare {
                rare.dataset.iter_mut().for_each(|d| *d = names.get(d));
                intern_attrs(&mut rare.subs, names);
            }
        }
    }
    exact(attrs);
}

/// Moves a list into a block of its length. To shrink one in place is up to the allocator, and ours leaves a block that is
/// not twice too long.
fn exact<T>(list: &mut Vec<T>) {
    if list.capacity() > list.len() {
        let mut moved = Vec::with_capacity(list.len());
        moved.append(list);
        *list = moved;
    }
}

/// Longitude and latitude of a GeoJSON point, without parsing it as a geometry.
pub fn point_of(value: &Value) -> Option<(f64, f64)> {
    if value.get("type")?.as_str()? != "Point" {
        return None;
    }
    match value.get("coordinates")?.as_array()?.as_slice() {
        [lon, lat, ..] => Some((lon.as_f64()?, lat.as_f64()?)),
        _ => None,
    }
}

/// Names seen so far, each kept once.
#[derive(Debug, Default)]
pub struct Names {
    all: RwLock<HashSet<Iri>>,
    recent: Recent,
}

/// Texts seen lately, each in a place that follows from what it says: values that many things share, such as the
/// district they lie in, come again and again, and whatever does not costs nothing for long.
#[derive(Debug)]
struct Recent {
    places: Box<[Mutex<Option<Iri>>]>,
    hasher: DefaultHashBuilder,
}

/// Texts that are held to be shared.
const RECENT: usize = 4_096;

impl Default for Recent {
    fn default() -> Self {
        Self { places: (0..RECENT).map(|_| Mutex::default()).collect(), hasher: DefaultHashBuilder::default() }
    }
}

impl Names {
    /// The shared copy of a name. Long names are not shared, so that nobody can fill the table with text.
    pub fn get(&self, name: &str) -> Iri {
        if name.len() > 200 {
            return name.into();
        }
        if let Some(known) = self.all.read().unwrap_or_else(|e| e.into_inner()).get(name) {
            return known.clone();
        }
        let mut names = self.all.write().unwrap_or_else(|e| e.into_inner());
        if names.len() >= 1_000_000 {
            return name.into();
        }
        let shared: Iri = name.into();
        names.insert(shared.clone());
        names.get(name).cloned().unwrap_or(shared)
    }

    /// A copy of a text that others hold too, if one passed by lately. Nothing is kept for ever.
    pub fn repeated(&self, text: &Iri) -> Iri {
        let Recent { places, hasher } = &self.recent;
        let at = hasher.hash_one(&**text) as usize % RECENT;
        let Some(place) = places.get(at).filter(|_| text.len() <= 200) else { return text.clone() };
        let mut held = place.lock().unwrap_or_else(|e| e.into_inner());
        match &*held {
            Some(known) if known == text => known.clone(),
            _ => held.insert(text.clone()).clone(),
        }
    }
}

/// Reads an NGSI-LD instant: UTC with `Z`, fraction after `.` or `,`. Microseconds.
pub fn parse_instant(text: &str) -> Option<i64> {
    if text.len() > 40 || !text.ends_with('Z') || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let text = text.replace(',', ".");
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond())
}

/// Writes an instant in the form of NGSI-LD.
pub fn instant(us: i64) -> String {
    dothi_kernel::time::micros(us).to_string()
}

/// Whether a text can be a URI (RFC 3986, loosely): scheme, colon, something, no blanks or delimiters.
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    text.len() <= 2_048
        && !rest.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.chars().any(|c| c.is_whitespace() || c.is_control() || invisible(c) || matches!(c, '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`'))
}

/// Characters that nobody can see, that turn the direction of text, or that are none (RFC 3987 allows few of them): an id
/// with one looks like another id.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || (u32::from(c) & 0xfffe) == 0xfffe
}

mod stored {
    //! The document's form of an attribute.

    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use super::{Attr, AttrKind, Attrs, Iri};
    use crate::instances::Unit;
    use crate::val::Val;

    #[derive(Serialize)]
    struct Out<'a> {
        #[serde(rename = "k")]
        kind: AttrKind,
        #[serde(rename = "v")]
        value: &'a Val,
        #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
        dataset: Option<&'a Iri>,
        #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
        observed: Option<i64>,
        #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
        unit: Option<Iri>,
        #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
        of: Option<&'a Value>,
        #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
        #[serde(rename = "c")]
        created: i64,
        #[serde(rename = "m")]
        modified: i64,
        #[serde(rename = "s", skip_serializing_if = "Vec::is_empty")]
        subs: &'a Attrs,
    }

    impl Serialize for Attr {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let out = Out {
                kind: self.kind,
                value: &self.value,
                dataset: self.dataset(),
                observed: self.observed(),
                unit: self.unit(),
                of: self.of(),
                expires: self.expires(),
                created: self.created,
                modified: self.modified,
                subs: self.subs(),
            };
            out.serialize(to)
        }
    }

    #[derive(Deserialize)]
    struct In<'a> {
        #[serde(rename = "k")]
        kind: AttrKind,
        #[serde(rename = "v")]
        value: Val,
        #[serde(rename = "d", default)]
        dataset: Option<Iri>,
        #[serde(rename = "o", default)]
        observed: Option<i64>,
        #[serde(rename = "u", default, borrow)]
        unit: Option<Code<'a>>,
        #[serde(rename = "t", default)]
        of: Option<Value>,
        #[serde(rename = "x", default)]
        expires: Option<i64>,
        #[serde(rename = "c")]
        created: i64,
        #[serde(rename = "m")]
        modified: i64,
        #[serde(rename = "s", default)]
        subs: Attrs,
    }

    /// A text that is looked at and not kept.
    #[derive(Deserialize)]
    struct Code<'a>(#[serde(borrow)] Cow<'a, str>);

    impl<'de> Deserialize<'de> for Attr {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let read = In::deserialize(from)?;
            let mut attr = Attr { modified: read.modified, ..Attr::new(read.kind, read.value, read.created) };
            attr.set_observed(read.observed);
            if let Some(Code(code)) = read.unit {
                match Unit::of(&code) {
                    Some(unit) => attr.unit = unit,
                    None => attr.set_unit(Some(code.into())),
                }
            }
            attr.set_dataset(read.dataset);
            attr.set_of(read.of);
            attr.set_expires(read.expires);
            if !read.subs.is_empty() {
                *attr.subs_mut() = read.subs;
            }
            Ok(attr)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_need_utc() {
        assert_eq!(parse_instant("2026-11-21T01:00:00Z"), Some(1_795_222_800_000_000));
        assert_eq!(parse_instant("2026-11-21T01:00:00,5Z"), Some(1_795_222_800_500_000));
        assert_eq!(parse_instant("2026-11-21T08:00:00+07:00"), None);
        assert_eq!(parse_instant("2026-11-21"), None);
        assert_eq!(instant(1_795_222_800_500_000), "2026-11-21T01:00:00.5Z");
    }

    #[test]
    fn uris() {
        for good in ["urn:ngsi-ld:A:1", "http://a/b?c#d", "urn:x:ú"] {
            assert!(is_uri(good), "{good}");
        }
        for bad in ["", "abc", ":a", "urn:", "1a:b", "urn:a b", "urn:<x>", "urn:a\u{202e}b", "urn:a\u{200b}b", "urn:a\u{fffe}", "urn:\u{e0100}"] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
