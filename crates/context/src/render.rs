//! Entities out: normalized, concise, simplified and GeoJSON, with names compacted by the request's context.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::join::Join;
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, Attrs, Entity, Iri, LOCATION, find};
use crate::parse::SEALED;
use crate::project::Projection;
use crate::val::Look;

/// Representation of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// With types.
    #[default]
    Normalized,
    /// Types left out where they can be told.
    Concise,
    /// Values only.
    Simplified,
}

/// What of an entity is shown, and how.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Representation.
    pub form: Form,
    /// Show creation and modification.
    pub sys_attrs: bool,
    /// Only these members (`id`, `type`, `scope` or expanded attribute names).
    pub pick: Option<Vec<Iri>>,
    /// Not these members.
    pub omit: Vec<Iri>,
    /// Only these attributes (`attrs`, deprecated).
    pub attrs: Option<Vec<Iri>>,
    /// Languages in order of preference.
    pub lang: Option<Vec<String>>,
    /// Only these instances; `@none` is the default one.
    pub datasets: Option<Vec<Iri>>,
    /// Attribute that becomes the geometry in GeoJSON.
    pub geometry_property: Option<Iri>,
    /// What is shown of linked entities, by the attribute that links to them.
    pub linked: Vec<(Iri, Projection)>,
    /// How links are followed.
    pub join: Option<Join>,
}

impl View {
    /// How the entities are shown that an attribute links to.
    pub fn below(&self, name: &Iri) -> View {
        let shown = self.linked.iter().find(|(n, _)| n == name).map(|(_, p)| p.clone()).unwrap_or_default();
        View {
            form: self.form,
            sys_attrs: self.sys_attrs,
            pick: shown.pick,
            omit: shown.omit,
            linked: shown.linked,
            lang: self.lang.clone(),
            join: self.join.clone(),
            ..View::default()
        }
    }

    /// Whether an entity shows at least its name or its type, and so is never left out.
    pub fn names_itself(&self) -> bool {
        self.member("id") || self.member("type")
    }

    fn member(&self, name: &str) -> bool {
        self.pick.as_ref().is_none_or(|p| p.iter().any(|m| &**m == name)) && !self.omit.iter().any(|m| &**m == name)
    }

    fn attribute(&self, name: &str) -> bool {
        self.member(name) && self.attrs.as_ref().is_none_or(|a| a.iter().any(|m| &**m == name))
    }

    fn instance(&self, attr: &Attr) -> bool {
        let name = attr.dataset().map_or("@none", |d| d);
        self.datasets.as_ref().is_none_or(|d| d.iter().any(|m| &**m == name))
    }
}

/// What is written besides the data itself: under which context, how, and when.
#[derive(Clone, Copy)]
struct Scene<'a> {
    ld: &'a Ld,
    view: &'a View,
    now: i64,
}

/// An entity as a view shows it. It is written as it is read, without a tree between: lists are the hot path.
pub struct Shown<'a> {
    /// The entity.
    pub entity: &'a Entity,
    /// Names are compacted by this.
    pub ld: &'a Ld,
    /// What is shown.
    pub view: &'a View,
    /// Now, in µs.
    pub now: i64,
    /// `@context`, where it belongs into the body.
    pub context: Option<&'a Value>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (entity, view) = (self.entity, self.view);
        let mut out = to.serialize_map(None)?;
        if view.member("id") {
            out.serialize_entry("id", &*entity.id)?;
        }
        if view.member("type") {
            out.serialize_entry("type", &OneOrMany(&entity.types, Some(self.ld)))?;
        }
        if !entity.scope.is_empty() && view.member("scope") {
            out.serialize_entry("scope", &OneOrMany(&entity.scope, None))?;
        }
        if view.sys_attrs {
            out.serialize_entry("createdAt", &At(entity.created))?;
            out.serialize_entry("modifiedAt", &At(entity.modified))?;
            if let Some(x) = entity.expires {
                out.serialize_entry("expiresAt", &At(x))?;
            }
        }
        attributes(&mut out, &entity.attrs, Scene { ld: self.ld, view, now: self.now }, true)?;
        if let Some(context) = self.context {
            out.serialize_entry("@context", context)?;
        }
        out.end()
    }
}

/// An instant in µs, as text.
struct At(i64);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&dothi_kernel::time::micros(self.0))
    }
}

/// One text stands bare, several stand in an array; names are compacted when there is a context for them.
struct OneOrMany<'a, T>(&'a [T], Option<&'a Ld>);

impl<'a, T: AsRef<str>> Serialize for OneOrMany<'a, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let short = |text: &'a T| self.1.map_or(Cow::Borrowed(text.as_ref()), |ld| ld.compact(text.as_ref()));
        match self.0 {
            [one] => to.serialize_str(&short(one)),
            many => to.collect_seq(many.iter().map(short)),
        }
    }
}

/// An entity as an object, without `@context`.
pub fn entity(entity: &Entity, ld: &Ld, view: &View, now: i64) -> Map<String, Value> {
    match tree(&Shown { entity, ld, view, now, context: None }) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// As a tree. Names are texts and numbers are finite, so nothing can fail.
fn tree(shown: &impl Serialize) -> Value {
    serde_json::to_value(shown).unwrap_or_default()
}

pub(crate) fn one_or_many(mut many: Vec<Value>) -> Value {
    if many.len() == 1 { many.remove(0) } else { Value::Array(many) }
}

fn attributes<M: SerializeMap>(out: &mut M, attrs: &Attrs, scene: Scene<'_>, top: bool) -> Result<(), M::Error> {
    let Scene { ld, view, now } = scene;
    for (name, instances) in attrs {
        if top && !view.attribute(name) {
            continue;
        }
        if !top && let Some((short, bare)) = sealed(name, instances, ld) {
            out.serialize_entry(short, &bare)?;
            continue;
        }
        let mut shown = instances.iter().filter(|a| a.alive(now) && (!top || view.instance(a)));
        let Some(first) = shown.next() else { continue };
        let more = shown.next().map(|second| [first, second].into_iter().chain(shown).collect::<Vec<_>>());
        let name = ld.compact(name);
        match (view.form, more) {
            (Form::Simplified, None) => out.serialize_entry(&name, &Simple(first, scene))?,
            (Form::Simplified, Some(many)) => {
                let by_dataset: Map<String, Value> = many.iter().map(|a| (a.dataset().map_or("@none", |d| d).to_string(), simplified(a, ld, view))).collect();
                out.serialize_entry(&name, &json!({"dataset": by_dataset}))?;
            }
            (_, None) => out.serialize_entry(&name, &Instance(first, scene))?,
            (_, Some(many)) => out.serialize_entry(&name, &many.iter().map(|a| Instance(a, scene)).collect::<Vec<_>>())?,
        }
    }
    Ok(())
}

/// The members of a proof that stand bare (4.5.2.2).
fn sealed<'a>(name: &'a str, instances: &[Attr], ld: &Ld) -> Option<(&'a str, Value)> {
    let short = name.strip_prefix(SEALED).filter(|n| matches!(*n, "entityIdSealed" | "entityTypeSealed"))?;
    let value = instances.first()?;
    Some((short, if value.kind == AttrKind::VocabProperty { vocabulary(&value.value.to_json(), ld) } else { value.value.to_json() }))
}

/// The text of a language map in the best language, with its tag.
fn in_language<'a>(map: &'a Map<String, Value>, wanted: &[String]) -> Option<(&'a str, &'a Value)> {
    let by_tag = |tag: &str| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(tag)).map(|(k, v)| (k.as_str(), v));
    let by_prefix = |tag: &str| {
        let main = tag.split('-').next().unwrap_or(tag);
        map.iter().find(|(k, _)| k.split('-').next().is_some_and(|p| p.eq_ignore_ascii_case(main))).map(|(k, v)| (k.as_str(), v))
    };
    let best = wanted.iter().filter(|w| *w != "*").find_map(|w| by_tag(w)).or_else(|| wanted.iter().filter(|w| *w != "*").find_map(|w| by_prefix(w)));
    best.or_else(|| by_tag("@none")).or_else(|| by_tag("en")).or_else(|| map.iter().next().map(|(k, v)| (k.as_str(), v)))
}

fn translated<'a>(attr: &'a Attr, view: &View) -> Option<(&'a str, &'a Value)> {
    match (&view.lang, attr.kind, attr.value.look()) {
        (Some(wanted), AttrKind::LanguageProperty, Look::Object(map)) => in_language(map, wanted),
        _ => None,
    }
}

fn vocabulary(value: &Value, ld: &Ld) -> Value {
    match value {
        Value::Array(many) => many.iter().map(|v| vocabulary(v, ld)).collect(),
        Value::String(iri) => (&*ld.compact(iri)).into(),
        v => v.clone(),
    }
}

pub(crate) fn simplified(attr: &Attr, ld: &Ld, view: &View) -> Value {
    match attr.kind {
        AttrKind::LanguageProperty => match translated(attr, view) {
            Some((_, text)) => text.clone(),
            None => json!({"languageMap": attr.value}),
        },
        AttrKind::VocabProperty => json!({"vocab": vocabulary(&attr.value.json(), ld)}),
        AttrKind::JsonProperty => json!({"json": attr.value}),
        _ => attr.value.to_json(),
    }
}

/// An instance, simplified.
struct Simple<'a>(&'a Attr, Scene<'a>);

impl Serialize for Simple<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.kind {
            AttrKind::LanguageProperty | AttrKind::VocabProperty | AttrKind::JsonProperty => simplified(self.0, self.1.ld, self.1.view).serialize(to),
            _ => self.0.value.serialize(to),
        }
    }
}

/// One instance, normalized or concise.
pub fn attribute(attr: &Attr, ld: &Ld, view: &View, now: i64) -> Value {
    tree(&Instance(attr, Scene { ld, view, now }))
}

/// The same, to be written.
struct Instance<'a>(&'a Attr, Scene<'a>);

impl Instance<'_> {
    /// A concise Property that has nothing but a plain value is that value.
    fn bare(&self) -> bool {
        let Instance(attr, Scene { ld, view, now }) = self;
        let collapses = || match attr.value.look() {
            Look::Object(_) | Look::Point(..) => false,
            Look::List(many) => !many.iter().any(Value::is_object),
            _ => true,
        };
        view.form == Form::Concise
            && attr.kind.member() == "value"
            && !view.sys_attrs
            && attr.of().is_none()
            && attr.unit().is_none()
            && attr.observed().is_none()
            && attr.dataset().is_none()
            && (attr.kind == AttrKind::GeoProperty || collapses())
            && !attr.subs().iter().any(|(name, of)| sealed(name, of, ld).is_some() || of.iter().any(|a| a.alive(*now)))
    }
}

impl Serialize for Instance<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Instance(attr, scene) = *self;
        let Scene { ld, view, .. } = scene;
        let text = translated(attr, view);
        if text.is_none() && self.bare() {
            return attr.value.serialize(to);
        }
        let concise = view.form == Form::Concise;
        let kind = if text.is_some() { AttrKind::Property } else { attr.kind };
        let mut out = to.serialize_map(None)?;
        if !concise {
            out.serialize_entry("type", kind.name())?;
        }
        match (attr.kind, text) {
            (_, Some((_, text))) => out.serialize_entry(kind.member(), text)?,
            (AttrKind::VocabProperty, _) => out.serialize_entry(kind.member(), &vocabulary(&attr.value.json(), ld))?,
            (AttrKind::ListRelationship, _) if !concise => {
                let objects: Value = attr.value.as_array().into_iter().flatten().map(|u| json!({"object": u})).collect();
                out.serialize_entry(kind.member(), &objects)?;
            }
            _ => out.serialize_entry(kind.member(), &attr.value)?,
        }
        if let Some((tag, _)) = text {
            out.serialize_entry("lang", tag)?;
        }
        if let Some(of) = attr.of() {
            let name = if matches!(attr.kind, AttrKind::Relationship | AttrKind::ListRelationship) { "objectType" } else { "valueType" };
            out.serialize_entry(name, &vocabulary(of, ld))?;
        }
        if let Some(unit) = attr.unit() {
            out.serialize_entry("unitCode", &*unit)?;
        }
        if let Some(t) = attr.observed() {
            out.serialize_entry("observedAt", &At(t))?;
        }
        if let Some(dataset) = attr.dataset() {
            out.serialize_entry("datasetId", &**dataset)?;
        }
        if view.sys_attrs {
            out.serialize_entry("createdAt", &At(attr.created))?;
            out.serialize_entry("modifiedAt", &At(attr.modified))?;
            if let Some(x) = attr.expires() {
                out.serialize_entry("expiresAt", &At(x))?;
            }
        }
        attributes(&mut out, attr.subs(), scene, false)?;
        out.end()
    }
}

/// An entity as a GeoJSON Feature.
pub fn feature(source: &Entity, ld: &Ld, view: &View, now: i64) -> Map<String, Value> {
    feature_of(source, entity(source, ld, view, now), view, now)
}

/// A Feature of what is shown of an entity.
pub fn feature_of(source: &Entity, mut shown: Map<String, Value>, view: &View, now: i64) -> Map<String, Value> {
    let geometry_name = view.geometry_property.as_deref().unwrap_or(LOCATION);
    let geometry = find(&source.attrs, geometry_name)
        .and_then(|i| i.iter().find(|a| a.dataset().is_none()).or_else(|| i.first()))
        .filter(|a| a.kind == AttrKind::GeoProperty && a.alive(now))
        .map_or(Value::Null, |a| a.value.to_json());
    shown.shift_remove("id");
    let mut out = Map::new();
    out.insert("id".into(), (&*source.id).into());
    out.insert("type".into(), "Feature".into());
    out.insert("geometry".into(), geometry);
    out.insert("properties".into(), shown.into());
    out
}
