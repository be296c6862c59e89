//! Entities out: normalized, concise, simplified and GeoJSON, with names compacted by the request's context.

use serde_json::{Map, Value, json};

use crate::join::Join;
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, Attrs, Entity, Iri, LOCATION, find, instant};
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

/// An entity as an object, without `@context`.
pub fn entity(entity: &Entity, ld: &Ld, view: &View, now: i64) -> Map<String, Value> {
    let mut out = Map::new();
    if view.member("id") {
        out.insert("id".into(), (&*entity.id).into());
    }
    if view.member("type") {
        out.insert("type".into(), types(entity, ld));
    }
    if !entity.scope.is_empty() && view.member("scope") {
        out.insert("scope".into(), one_or_many(entity.scope.iter().map(|s| Value::from(&**s)).collect()));
    }
    if view.sys_attrs {
        out.insert("createdAt".into(), instant(entity.created).into());
        out.insert("modifiedAt".into(), instant(entity.modified).into());
    }
    if let Some(x) = entity.expires.filter(|_| view.sys_attrs) {
        out.insert("expiresAt".into(), instant(x).into());
    }
    attributes(&mut out, &entity.attrs, ld, view, now, true);
    out
}

fn types(entity: &Entity, ld: &Ld) -> Value {
    one_or_many(entity.types.iter().map(|t| Value::from(&*ld.compact(t))).collect())
}

pub(crate) fn one_or_many(mut many: Vec<Value>) -> Value {
    if many.len() == 1 { many.remove(0) } else { Value::Array(many) }
}

fn attributes(out: &mut Map<String, Value>, attrs: &Attrs, ld: &Ld, view: &View, now: i64, top: bool) {
    for (name, instances) in attrs {
        if top && !view.attribute(name) {
            continue;
        }
        if !top && let Some(bare) = sealed(name, instances, ld) {
            out.insert(ld.compact(name).into_owned(), bare);
            continue;
        }
        let shown: Vec<&Attr> = instances.iter().filter(|a| a.alive(now) && (!top || view.instance(a))).collect();
        if shown.is_empty() {
            continue;
        }
        let value = match (view.form, shown.as_slice()) {
            (Form::Simplified, [one]) => simplified(one, ld, view),
            (Form::Simplified, many) => {
                let by_dataset: Map<String, Value> = many.iter().map(|a| (a.dataset().map_or("@none", |d| d).to_string(), simplified(a, ld, view))).collect();
                json!({"dataset": by_dataset})
            }
            (_, [one]) => attribute(one, ld, view, now),
            (_, many) => many.iter().map(|a| attribute(a, ld, view, now)).collect(),
        };
        out.insert(ld.compact(name).into_owned(), value);
    }
}

/// The members of a proof that stand bare (4.5.2.2).
fn sealed(name: &str, instances: &[Attr], ld: &Ld) -> Option<Value> {
    let bare = matches!(name, "https://uri.etsi.org/ngsi-ld/entityIdSealed" | "https://uri.etsi.org/ngsi-ld/entityTypeSealed");
    instances.first().filter(|_| bare).map(|a| if a.kind == AttrKind::VocabProperty { vocabulary(&a.value.to_json(), ld) } else { a.value.to_json() })
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

/// One instance, normalized or concise.
pub fn attribute(attr: &Attr, ld: &Ld, view: &View, now: i64) -> Value {
    let mut out = Map::new();
    let concise = view.form == Form::Concise;
    let text = translated(attr, view);
    let kind = if text.is_some() { AttrKind::Property } else { attr.kind };
    if !concise {
        out.insert("type".into(), kind.name().into());
    }
    let value = match (attr.kind, text) {
        (_, Some((_, text))) => text.clone(),
        (AttrKind::VocabProperty, _) => vocabulary(&attr.value.json(), ld),
        (AttrKind::ListRelationship, _) if !concise => attr.value.as_array().into_iter().flatten().map(|u| json!({"object": u})).collect(),
        _ => attr.value.to_json(),
    };
    out.insert(kind.member().into(), value);
    if let Some((tag, _)) = text {
        out.insert("lang".into(), tag.into());
    }
    if let Some(of) = attr.of() {
        let name = if matches!(attr.kind, AttrKind::Relationship | AttrKind::ListRelationship) { "objectType" } else { "valueType" };
        out.insert(name.into(), vocabulary(of, ld));
    }
    if let Some(unit) = attr.unit() {
        out.insert("unitCode".into(), (&*unit).into());
    }
    if let Some(t) = attr.observed() {
        out.insert("observedAt".into(), instant(t).into());
    }
    if let Some(dataset) = attr.dataset() {
        out.insert("datasetId".into(), (&**dataset).into());
    }
    if view.sys_attrs {
        out.insert("createdAt".into(), instant(attr.created).into());
        out.insert("modifiedAt".into(), instant(attr.modified).into());
        if let Some(x) = attr.expires() {
            out.insert("expiresAt".into(), instant(x).into());
        }
    }
    attributes(&mut out, attr.subs(), ld, view, now, false);
    // A concise Property that has nothing but a plain value is that value.
    let collapses = |v: &Value| !v.is_object() && !v.as_array().is_some_and(|a| a.iter().any(Value::is_object));
    match out.get("value") {
        Some(v) if concise && out.len() == 1 && (attr.kind == AttrKind::GeoProperty || collapses(v)) => v.clone(),
        _ => Value::Object(out),
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
