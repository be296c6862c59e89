//! JSON-LD in: normalized, concise and simplified forms become [`Draft`]s with expanded names. Nothing is guessed:
//! what does not fit is refused with the name of the attribute and the reason.

use dothi_kernel::Result;
use serde_json::{Map, Value};

use crate::fault::{bad, cut};
use crate::ld::{Ld, core};
use crate::model::{AttrKind, DEFAULT_VOCAB, Iri, MAX_ATTRIBUTES, MAX_INSTANCES, MAX_TYPES, NULL, is_uri, parse_instant};

/// A member that may be absent, deleted or set.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tri<T> {
    /// Not mentioned.
    #[default]
    Absent,
    /// To be deleted.
    Null,
    /// To be set.
    Set(T),
}

/// What a request says about one instance of an attribute.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttrInput {
    /// Kind, stated or inferred.
    pub kind: Option<AttrKind>,
    /// Instance.
    pub dataset: Option<Iri>,
    /// Value.
    pub value: Tri<Value>,
    /// `observedAt`.
    pub observed: Tri<i64>,
    /// `unitCode`.
    pub unit: Tri<Iri>,
    /// `objectType` or `valueType`.
    pub of: Tri<Value>,
    /// `expiresAt`.
    pub expires: Tri<i64>,
    /// Sub-attributes.
    pub subs: Vec<(Iri, Vec<Input>)>,
}

/// An instance to be deleted or set.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// NGSI-LD Null.
    Null(Option<Iri>),
    /// Something to set.
    Attr(Box<AttrInput>),
}

impl Input {
    /// Which instance is meant.
    pub fn dataset(&self) -> Option<&Iri> {
        match self {
            Input::Null(dataset) => dataset.as_ref(),
            Input::Attr(attr) => attr.dataset.as_ref(),
        }
    }
}

/// An entity, or a fragment of one, as a request states it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// Id, when stated.
    pub id: Option<Iri>,
    /// Types, expanded.
    pub types: Vec<Iri>,
    /// Scopes.
    pub scope: Tri<Vec<Box<str>>>,
    /// `expiresAt`.
    pub expires: Tri<i64>,
    /// Attributes.
    pub attrs: Vec<(Iri, Vec<Input>)>,
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// NGSI-LD Null deletes; elsewhere it is refused.
    pub nulls: bool,
    /// Fragments of attributes are enough.
    pub partial: bool,
    /// Simplified form: values stand bare.
    pub simplified: bool,
    /// NGSI-LD Null deletes inside compound values too.
    pub merge: bool,
}

impl Form {
    /// Whole attributes (create, replace, append).
    pub const WHOLE: Form = Form { nulls: false, partial: false, simplified: false, merge: false };
    /// Whole attributes, NGSI-LD Null deletes (update attributes).
    pub const UPDATE: Form = Form { nulls: true, partial: false, simplified: false, merge: false };
    /// Fragments (partial update).
    pub const PATCH: Form = Form { nulls: true, partial: true, simplified: false, merge: false };
    /// Fragments that are merged in depth.
    pub const MERGE: Form = Form { nulls: true, partial: true, simplified: false, merge: true };
}

/// Non-reified properties of the core context; no attribute may have their names (4.5.1). (`value`, `object` and the like
/// may be: published models use them.)
const RESERVED: [&str; 15] = [
    "datasetId",
    "instanceId",
    "observedAt",
    "unitCode",
    "valueType",
    "objectType",
    "previousValue",
    "previousObject",
    "previousLanguageMap",
    "previousVocab",
    "previousJson",
    "previousValueList",
    "previousObjectList",
    "entityIdSealed",
    "entityTypeSealed",
];

/// What the expanded names of `entityIdSealed` and `entityTypeSealed` begin with; the core context knows them inside of
/// proofs only.
pub const SEALED: &str = "https://uri.etsi.org/ngsi-ld/";

/// Attributes that are places by definition (4.7.1).
const PLACES: [&str; 3] = ["location", "observationSpace", "operationSpace"];

/// Depth of a body's JSON.
const MAX_DEPTH: usize = 64;

/// Refuses JSON that is nested too deep to be walked.
fn shallow(value: &Value, depth: usize) -> bool {
    depth <= MAX_DEPTH
        && match value {
            Value::Array(many) => many.iter().all(|v| shallow(v, depth + 1)),
            Value::Object(map) => map.values().all(|v| shallow(v, depth + 1)),
            _ => true,
        }
}

/// Expands the name of a type or attribute (4.6.2: it begins with a letter).
fn named(name: &str, ld: &Ld) -> Result<Iri> {
    let iri = ld.expand(name)?;
    match iri.strip_prefix(DEFAULT_VOCAB) {
        Some(own) if !own.starts_with(|c: char| c.is_alphabetic() || c == '_') => Err(bad(format!("{}: a name begins with a letter.", cut(name)))),
        _ => Ok(iri),
    }
}

/// Refuses another name of a word that is looked for by its spelling: it would be shown as that word.
fn well_spelled(name: &str, iri: &Iri) -> Result<()> {
    if iri.starts_with(DEFAULT_VOCAB) {
        return Ok(());
    }
    let looked_for = |word: &str| {
        let other = matches!(word, "scope" | "createdAt" | "modifiedAt" | "deletedAt" | "expiresAt" | "ngsildproof");
        other || RESERVED.contains(&word) || MEMBERS.contains(&word) || PLACES.contains(&word)
    };
    match core().name(iri).or_else(|| iri.strip_prefix(SEALED)) {
        Some(word) if word != name && looked_for(word) => Err(bad(format!("{}: this is {word} of the core, and has to be called so.", cut(name)))),
        _ => Ok(()),
    }
}

/// Reads the body of an entity; `@context` must have been taken out.
pub fn draft(body: &Map<String, Value>, ld: &Ld, form: Form) -> Result<Draft> {
    let mut draft = Draft::default();
    if !body.values().all(|v| shallow(v, 1)) {
        return Err(bad("The body is nested too deep."));
    }
    for (key, value) in body {
        match key.as_str() {
            "id" | "@id" => draft.id = Some(entity_id(value)?),
            "type" | "@type" => draft.types = types(value, ld)?,
            "@context" | "createdAt" | "modifiedAt" | "deletedAt" => {}
            "scope" => draft.scope = scope(value, form)?,
            "expiresAt" => draft.expires = tri(value, form, "expiresAt", time)?,
            name => {
                let iri = named(name, ld)?;
                if draft.attrs.iter().any(|(n, _)| *n == iri) {
                    return Err(bad(format!("The attribute {} is stated twice.", cut(name))));
                }
                let inputs = attribute(name, &iri, value, ld, form, 0)?;
                draft.attrs.push((iri, inputs));
            }
        }
    }
    if draft.attrs.len() > MAX_ATTRIBUTES {
        return Err(bad(format!("An entity may have at most {MAX_ATTRIBUTES} attributes.")));
    }
    Ok(draft)
}

/// Checks an entity id.
pub fn entity_id(value: &Value) -> Result<Iri> {
    match value.as_str() {
        Some(id) if id.len() <= 512 && is_uri(id) && id != NULL => Ok(id.into()),
        Some(id) => Err(bad(format!("The id {:?} is not a URI of at most 512 characters.", cut(id)))),
        None => Err(bad("The id must be a text.")),
    }
}

fn types(value: &Value, ld: &Ld) -> Result<Vec<Iri>> {
    let words: Vec<&Value> = match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    };
    let mut types = Vec::with_capacity(words.len());
    for word in words {
        let word = word.as_str().ok_or_else(|| bad("The entity type must be a text or a list of texts."))?;
        if matches!(word, "id" | "type") {
            // Both stand for keywords of JSON-LD in the core context.
            return Err(bad(format!("{word} is not the name of a type.")));
        }
        let iri = named(word, ld)?;
        well_spelled(word, &iri)?;
        if !types.contains(&iri) {
            types.push(iri);
        }
    }
    if types.is_empty() || types.len() > MAX_TYPES {
        return Err(bad(format!("An entity has between 1 and {MAX_TYPES} types.")));
    }
    Ok(types)
}

fn scope(value: &Value, form: Form) -> Result<Tri<Vec<Box<str>>>> {
    if form.nulls && value.as_str() == Some(NULL) {
        return Ok(Tri::Null);
    }
    let words: Vec<&Value> = match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    };
    let mut scopes: Vec<Box<str>> = Vec::new();
    for word in words {
        let text = word.as_str().ok_or_else(|| bad("The scope must be a text or a list of texts."))?;
        let levels = text.strip_prefix('/').unwrap_or(text);
        let level_ok = |l: &str| l.starts_with(char::is_alphabetic) && l.chars().all(|c| c.is_alphanumeric() || c == '_');
        if levels.is_empty() || text.len() > 500 || !levels.split('/').all(level_ok) {
            return Err(bad(format!("The scope {:?} is not of the form /level/level.", cut(text))));
        }
        let full: Box<str> = format!("/{levels}").into();
        if !scopes.contains(&full) {
            scopes.push(full);
        }
    }
    if scopes.len() > 100 {
        return Err(bad("An entity may have at most 100 scopes."));
    }
    Ok(Tri::Set(scopes))
}

fn time(value: &Value) -> Option<i64> {
    value.as_str().and_then(parse_instant)
}

fn tri<T>(value: &Value, form: Form, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Tri<T>> {
    if form.nulls && value.as_str() == Some(NULL) {
        return Ok(Tri::Null);
    }
    match read(value) {
        Some(v) => Ok(Tri::Set(v)),
        None if name.ends_with("At") => Err(bad(format!("{name} must be an instant in UTC such as 2026-11-21T01:00:00Z."))),
        None => Err(bad(format!("{name} has a wrong form."))),
    }
}

/// Reads one attribute with all its instances, by its name as it was given and as an IRI. 400 for the names of members.
pub fn attribute(name: &str, iri: &Iri, value: &Value, ld: &Ld, form: Form, depth: usize) -> Result<Vec<Input>> {
    if depth == 0 && RESERVED.contains(&name) {
        return Err(bad(format!("{name}: this is a member of attributes, not the name of one.")));
    }
    well_spelled(name, iri)?;
    let is_instance =
        |v: &Value| v.as_object().is_some_and(|o| o.contains_key("datasetId") || (o.contains_key("type") && kind_of(o).is_some()) || main_member(o).is_some());
    if !shallow(value, depth) {
        return Err(bad(format!("{}: the value is nested too deep.", cut(name))));
    }
    match value {
        Value::Array(many) if !many.is_empty() && !form.simplified && many.iter().all(is_instance) => {
            if many.len() > MAX_INSTANCES {
                return Err(bad(format!("{}: at most {MAX_INSTANCES} instances.", cut(name))));
            }
            let inputs = many.iter().map(|one| instance(name, one, ld, form, depth)).collect::<Result<Vec<_>>>()?;
            let mut seen = std::collections::HashSet::new();
            match inputs.iter().find(|i| !seen.insert(i.dataset())) {
                Some(_) => Err(bad(format!("{}: two instances with the same datasetId.", cut(name)))),
                None => Ok(inputs),
            }
        }
        one => Ok(vec![instance(name, one, ld, form, depth)?]),
    }
}

fn kind_of(object: &Map<String, Value>) -> Option<AttrKind> {
    object.get("type").and_then(Value::as_str).and_then(AttrKind::parse)
}

const MEMBERS: [&str; 7] = ["value", "object", "languageMap", "vocab", "json", "valueList", "objectList"];

fn main_member(object: &Map<String, Value>) -> Option<&'static str> {
    MEMBERS.into_iter().find(|m| object.contains_key(*m))
}

fn is_geojson(value: &Value) -> bool {
    let kinds = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"];
    value.get("coordinates").is_some() && value.get("type").and_then(Value::as_str).is_some_and(|t| kinds.contains(&t))
}

fn instance(name: &str, value: &Value, ld: &Ld, form: Form, depth: usize) -> Result<Input> {
    let shown = || cut(name);
    let plain = |kind: AttrKind, value: Value| Ok(Input::Attr(Box::new(AttrInput { kind: Some(kind), value: Tri::Set(value), ..AttrInput::default() })));
    let bare = |value: &Value| Ok(Input::Attr(Box::new(AttrInput { value: Tri::Set(value.clone()), ..AttrInput::default() })));
    if depth > 6 {
        return Err(bad(format!("{}: sub-attributes are nested too deep.", shown())));
    }
    match value {
        Value::Null => Err(bad(format!("{}: null is not allowed; \"{NULL}\" deletes in updates.", shown()))),
        Value::String(s) if s == NULL && form.nulls => Ok(Input::Null(None)),
        Value::String(s) if s == NULL => Err(bad(format!("{}: \"{NULL}\" is allowed in updates only.", shown()))),
        v if is_geojson(v) => plain(AttrKind::GeoProperty, checked(name, AttrKind::GeoProperty, v, ld, form)?),
        Value::Object(object) if form.simplified => {
            match main_member(object).filter(|m| object.len() == 1 && matches!(*m, "languageMap" | "vocab" | "json" | "object")) {
                Some(_) => member_input(name, object, ld, form, depth),
                None => plain(AttrKind::Property, checked(name, AttrKind::Property, value, ld, form)?),
            }
        }
        Value::Object(object) => member_input(name, object, ld, form, depth),
        v if form.partial => bare(v),
        v => plain(AttrKind::Property, checked(name, AttrKind::Property, v, ld, form)?),
    }
}

/// What a kind of attribute may not have (4.5.2, 4.5.3, 4.5.18–4.5.24).
fn prohibited(name: &str, kind: Option<AttrKind>, object: &Map<String, Value>) -> Result<()> {
    let unitless = !matches!(kind, None | Some(AttrKind::Property | AttrKind::ListProperty | AttrKind::GeoProperty));
    let wrong = object.keys().find(|k| match k.as_str() {
        "unitCode" => unitless,
        "entityIdSealed" | "entityTypeSealed" => name != "ngsildproof",
        k => k.starts_with("previous") && RESERVED.contains(&k),
    });
    if let Some(member) = wrong {
        return Err(bad(format!("{}: the member {member} does not belong here.", cut(name))));
    }
    if kind == Some(AttrKind::LanguageProperty) && object.get("valueType").is_some_and(|t| !matches!(t.as_str(), Some("langString" | "rdf:langString"))) {
        return Err(bad(format!("{}: the valueType of a LanguageProperty is langString.", cut(name))));
    }
    if name == "ngsildproof" && object.get("value").is_some_and(|v| !v.is_object()) {
        return Err(bad("ngsildproof: the value must be an object with a proof."));
    }
    Ok(())
}

fn member_input(name: &str, object: &Map<String, Value>, ld: &Ld, form: Form, depth: usize) -> Result<Input> {
    let mut input = AttrInput::default();
    let main = main_member(object);
    input.kind = stated_kind(name, object, main)?;
    if let (Some(kind), Some(member)) = (input.kind, main)
        && (kind.member() != member || MEMBERS.iter().filter(|m| object.contains_key(**m)).count() > 1)
    {
        return Err(bad(format!("{}: a {} has the member {}, and no other value.", cut(name), kind.name(), kind.member())));
    }
    prohibited(name, input.kind, object)?;
    for (key, value) in object {
        match key.as_str() {
            "type" | "createdAt" | "modifiedAt" | "deletedAt" | "instanceId" => {}
            "entityIdSealed" | "entityTypeSealed" => {
                let text = value.as_str().ok_or_else(|| bad(format!("{key} must be a text.")))?;
                let (kind, stored) =
                    if key == "entityTypeSealed" { (AttrKind::VocabProperty, ld.expand(text)?.as_ref().into()) } else { (AttrKind::Property, value.clone()) };
                let sealed = AttrInput { kind: Some(kind), value: Tri::Set(stored), ..AttrInput::default() };
                input.subs.push((format!("{SEALED}{key}").into(), vec![Input::Attr(Box::new(sealed))]));
            }
            "datasetId" => match value.as_str() {
                Some("@none") => {}
                Some(uri) if is_uri(uri) && uri != NULL => input.dataset = Some(uri.into()),
                _ => return Err(bad(format!("{}: datasetId must be a URI.", cut(name)))),
            },
            "observedAt" => input.observed = tri(value, form, "observedAt", time)?,
            "expiresAt" => input.expires = tri(value, form, "expiresAt", time)?,
            "unitCode" => input.unit = tri(value, form, "unitCode", |v| v.as_str().filter(|s| s.len() <= 50).map(Iri::from))?,
            "objectType" | "valueType" => {
                input.of = if form.nulls && value.as_str() == Some(NULL) {
                    Tri::Null
                } else {
                    let expanded = types(value, ld)?.iter().map(|t| Value::from(&**t)).collect::<Vec<_>>();
                    Tri::Set(if expanded.len() == 1 { expanded[0].clone() } else { expanded.into() })
                };
            }
            member if Some(member) == main => {
                let Some(kind) = input.kind else { continue };
                if is_null(kind, value) {
                    if !form.nulls {
                        return Err(bad(format!("{}: \"{NULL}\" is allowed in updates only.", cut(name))));
                    }
                    input.value = Tri::Null;
                } else {
                    input.value = Tri::Set(checked(name, kind, value, ld, form)?);
                }
            }
            sub => {
                let iri = named(sub, ld)?;
                if input.subs.iter().any(|(n, _)| *n == iri) || input.subs.len() >= 100 {
                    return Err(bad(format!("{}: the sub-attribute {} is stated twice, or there are too many.", cut(name), cut(sub))));
                }
                let inputs = attribute(sub, &iri, value, ld, form, depth + 1)?;
                input.subs.push((iri, inputs));
            }
        }
    }
    if input.value == Tri::Absent && !form.partial {
        let what = input.kind.map_or("an attribute", AttrKind::name);
        let member = input.kind.map_or("value", AttrKind::member);
        return Err(bad(format!("{}: {what} without {member}.", cut(name))));
    }
    if input.value == Tri::Null {
        return Ok(Input::Null(input.dataset));
    }
    Ok(Input::Attr(Box::new(input)))
}

fn stated_kind(name: &str, object: &Map<String, Value>, main: Option<&'static str>) -> Result<Option<AttrKind>> {
    match object.get("type") {
        Some(Value::String(word)) => match AttrKind::parse(word) {
            Some(kind) => Ok(Some(kind)),
            None => Err(bad(format!("{}: {:?} is not a type of attribute.", cut(name), cut(word)))),
        },
        Some(_) => Err(bad(format!("{}: the attribute's type must be a text.", cut(name)))),
        None => Ok(main.map(|member| match member {
            "value" if object.get("value").is_some_and(is_geojson) => AttrKind::GeoProperty,
            "value" => AttrKind::Property,
            "object" => AttrKind::Relationship,
            "languageMap" => AttrKind::LanguageProperty,
            "vocab" => AttrKind::VocabProperty,
            "json" => AttrKind::JsonProperty,
            "valueList" => AttrKind::ListProperty,
            _ => AttrKind::ListRelationship,
        })),
    }
}

fn is_null(kind: AttrKind, value: &Value) -> bool {
    match value {
        Value::String(s) => s == NULL,
        Value::Object(o) if kind == AttrKind::LanguageProperty => o.len() == 1 && o.get("@none").and_then(Value::as_str) == Some(NULL),
        _ => false,
    }
}

/// The value of a kind, checked and in the form in which it is stored.
pub fn checked(name: &str, kind: AttrKind, value: &Value, ld: &Ld, form: Form) -> Result<Value> {
    let wrong = |what: &str| bad(format!("{}: {what}.", cut(name)));
    // In an update of attributes a language may be deleted, nothing inside of other values.
    let allowed = form.merge || (form.nulls && kind == AttrKind::LanguageProperty);
    if !allowed && kind != AttrKind::JsonProperty && contains_null(value) {
        return Err(wrong(&format!("\"{NULL}\" is allowed inside of values in merges only")));
    }
    if kind != AttrKind::GeoProperty && PLACES.contains(&name) {
        return Err(wrong("this attribute is a GeoProperty"));
    }
    match kind {
        AttrKind::JsonProperty => match value {
            Value::Object(_) => Ok(value.clone()),
            Value::Array(many) if many.iter().all(Value::is_object) => Ok(value.clone()),
            _ => Err(wrong("json must be an object or a list of objects")),
        },
        _ if value.is_null() => Err(wrong("null is not a value")),
        AttrKind::Property => Ok(value.clone()),
        AttrKind::GeoProperty => geojson(name, value),
        AttrKind::Relationship => match value {
            Value::String(uri) if is_uri(uri) => Ok(value.clone()),
            Value::Array(many) if !many.is_empty() && many.iter().all(|u| u.as_str().is_some_and(is_uri)) => Ok(value.clone()),
            _ => Err(wrong("the object of a Relationship must be a URI or a list of URIs")),
        },
        AttrKind::LanguageProperty => {
            let text = |v: &Value| v.is_string() || v.as_array().is_some_and(|a| !a.is_empty() && a.iter().all(Value::is_string));
            let tag = |t: &str| t == "@none" || (!t.is_empty() && t.len() <= 35 && t.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            match value.as_object() {
                Some(map) if map.iter().all(|(t, v)| tag(t) && text(v)) => Ok(value.clone()),
                _ => Err(wrong("languageMap must map language tags to texts")),
            }
        }
        AttrKind::VocabProperty => {
            let one = |v: &Value| v.as_str().ok_or_else(|| wrong("vocab must be a text or a list of texts")).and_then(|t| Ok(Value::from(&*ld.expand(t)?)));
            match value {
                Value::Array(many) if !many.is_empty() => many.iter().map(one).collect::<Result<Vec<_>>>().map(Value::Array),
                v => one(v),
            }
        }
        AttrKind::ListProperty => match value {
            Value::Array(_) => Ok(value.clone()),
            _ => Err(wrong("valueList must be a list")),
        },
        AttrKind::ListRelationship => {
            let one = |v: &Value| {
                let uri = v.get("object").unwrap_or(v);
                uri.as_str().filter(|u| is_uri(u)).map(Value::from).ok_or_else(|| wrong("objectList must be a list of {\"object\": URI}"))
            };
            match value {
                Value::Array(many) => many.iter().map(one).collect::<Result<Vec<_>>>().map(Value::Array),
                _ => Err(wrong("objectList must be a list")),
            }
        }
    }
}

fn contains_null(value: &Value) -> bool {
    match value {
        Value::String(s) => s == NULL,
        Value::Array(many) => many.iter().any(contains_null),
        Value::Object(map) => map.values().any(contains_null),
        _ => false,
    }
}

/// A checked GeoJSON geometry (RFC 7946); a text that holds one is read.
pub fn geojson(name: &str, value: &Value) -> Result<Value> {
    let parsed;
    let value = match value {
        Value::String(text) => {
            parsed = serde_json::from_str::<Value>(text).map_err(|_| bad(format!("{}: the text is not GeoJSON.", cut(name))))?;
            &parsed
        }
        v => v,
    };
    if !is_geojson(value) {
        return Err(bad(format!("{}: the value must be a GeoJSON geometry other than GeometryCollection.", cut(name))));
    }
    if crate::model::point_of(value).is_none() || value["type"] != "Point" {
        check_rings(name, value)?;
    }
    dothi_kernel::geo::Geometry::from_geojson(value).map_err(|e| {
        let reason = e.context().iter().find(|(k, _)| *k == "reason").map_or(e.detail(), |(_, v)| v);
        bad(format!("{}: not a valid GeoJSON geometry ({}).", cut(name), cut(reason)))
    })?;
    Ok(value.clone())
}

fn check_rings(name: &str, value: &Value) -> Result<()> {
    let lists = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let rings: Vec<Value> = match value["type"].as_str() {
        Some("Polygon") => lists(&value["coordinates"]),
        Some("MultiPolygon") => lists(&value["coordinates"]).iter().flat_map(lists).collect(),
        Some("LineString") if lists(&value["coordinates"]).len() < 2 => return Err(bad(format!("{}: a LineString has at least two positions.", cut(name)))),
        _ => return Ok(()),
    };
    let closed = |r: &Value| r.as_array().is_some_and(|p| p.len() >= 4 && p.first() == p.last());
    if rings.is_empty() || !rings.iter().all(closed) {
        return Err(bad(format!("{}: a polygon's rings have at least four positions, the last the same as the first.", cut(name))));
    }
    Ok(())
}
