//! Entities as screens want them: short names, plain values, names of areas, and whether a thing is silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dothi_kernel::geo::{BBox, Point};
use dothi_kernel::history::SeriesQuery;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp, text, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::Context;
use crate::devices::Device;
use crate::live::{Candidates, Order};
use crate::model::{Attr, AttrKind, Entity, Iri};
use crate::pack::{AttributeType, EntityType};
use crate::registry::short;
use crate::val::{Look, Val};

/// Entities looked at in one go while scanning.
const CHUNK: usize = 512;
/// Things beyond which looking at all of them is no work for an async thread.
const MANY: usize = 5_000;
/// Things on one map answer.
pub(crate) const MAP_LIMIT: usize = 100_000;
/// Points of one series answer.
const SERIES_LIMIT: usize = 20_000;

/// How a thing is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThingState {
    /// Heard of in time.
    Ok,
    /// Not heard of for longer than its type allows.
    Silent,
    /// Its type sets no time, or it was never heard of.
    Unknown,
}

/// The latest value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThingAttribute {
    /// Value.
    #[schema(value_type = Object)]
    pub value: Value,
    /// UN/CEFACT unit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// When it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Timestamp>,
    /// Quality flags, when not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u16>,
}

/// A thing of the city.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Thing {
    /// URN.
    pub id: String,
    /// Type, short name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name; the last part of the id when it has none.
    pub name: String,
    /// A point that stands for its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
    /// Commune code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Commune's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_name: Option<String>,
    /// Latest values by short name.
    pub attributes: BTreeMap<String, ThingAttribute>,
    /// Newest observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Timestamp>,
    /// Whether it is heard of.
    pub state: ThingState,
    /// Where the data come from, when stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The device that reports on it (in the detailed view, for those who may see devices).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// Which things.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThingQuery {
    /// Type, short name.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Words of the name or id.
    pub q: Option<String>,
    /// `west,south,east,north`.
    pub bbox: Option<String>,
    /// Commune or province code.
    pub area: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Which stretch of a series.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThingSeriesQuery {
    /// Attribute, short name.
    pub attribute: String,
    /// From, inclusive (RFC 3339); a day before `to` when left out.
    pub from: Option<String>,
    /// To, exclusive (RFC 3339); now when left out.
    pub to: Option<String>,
    /// Bucket width in seconds; raw points when left out.
    pub bucket: Option<u32>,
    /// Offset of local time in seconds, for buckets of a day.
    pub offset: Option<i32>,
}

/// A series.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThingSeries {
    /// UN/CEFACT unit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Points in time order.
    pub points: Vec<dothi_kernel::history::Point>,
}

/// A type with what screens need of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThingType {
    /// Short name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon.
    pub icon: String,
    /// Attribute shown on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_attribute: Option<String>,
    /// Attributes.
    pub attributes: Vec<AttributeType>,
    /// Seconds after which a thing counts as silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<u32>,
    /// Things there are.
    pub count: usize,
}

/// What a caller may see.
pub(crate) struct View {
    pub(crate) all: bool,
}

impl Context {
    pub(crate) fn view(&self, caller: &Caller) -> View {
        View { all: caller.may(Permission::ContextRead, Scope::ANY) }
    }

    pub(crate) fn kind_of(&self, entity: &Entity) -> Option<Arc<EntityType>> {
        entity.types.iter().find_map(|t| self.registry.kind(short(t)))
    }

    pub(crate) fn visible(&self, view: &View, entity: &Entity) -> bool {
        view.all || self.kind_of(entity).is_some_and(|k| k.public)
    }

    /// Expanded types with one of these short names.
    pub(crate) fn expanded(&self, wanted: impl Fn(&str) -> bool) -> Vec<Iri> {
        self.live.types().into_iter().map(|(t, _)| t).filter(|t| wanted(short(t))).collect()
    }

    /// Types the caller may see, or the one asked for.
    fn candidates(&self, view: &View, kind: Option<&str>) -> Candidates {
        match kind {
            Some(kind) => Candidates::Types(self.expanded(|s| s == kind)),
            None if view.all => Candidates::All,
            None => Candidates::Types(self.expanded(|s| self.registry.kind(s).is_some_and(|k| k.public))),
        }
    }

    /// Things, by id.
    pub fn things(&self, caller: &Caller, query: &ThingQuery) -> Result<Page<Thing>> {
        self.apart(|| self.find_things(caller, query))
    }

    fn find_things(&self, caller: &Caller, query: &ThingQuery) -> Result<Page<Thing>> {
        let view = self.view(caller);
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let area = query.bbox.as_deref().map(BBox::parse).transpose()?;
        let words: Vec<String> =
            query.q.as_deref().map(text::fold).unwrap_or_default().split(' ').filter(|w| !w.is_empty()).take(10).map(str::to_string).collect();
        let candidates = match area.and_then(|a| self.live.near(a, 50_000)) {
            Some(ids) => Candidates::Ids(ids),
            None => self.candidates(&view, query.kind.as_deref()),
        };
        let now = caller.now.as_microsecond();
        let wanted = |e: &Arc<Entity>| {
            e.alive(now)
                && self.visible(&view, e)
                && query.kind.as_ref().is_none_or(|k| e.types.iter().any(|t| short(t) == k))
                && area.is_none_or(|a| e.point().is_some_and(|p| a.contains(p)))
                && query.area.as_ref().is_none_or(|a| e.area.as_ref().is_some_and(|code| **code == **a || self.in_area(code, a)))
                && (words.is_empty() || {
                    let folded = text::fold(&format!("{} {}", name_of(e), e.id));
                    words.iter().all(|w| folded.contains(w.as_str()))
                })
        };
        let (mut found, mut after) = (Vec::new(), query.after.clone());
        while found.len() <= page.limit() {
            let chunk = self.live.chunk(&candidates, after.as_deref(), Order::Up, CHUNK);
            let Some(last) = chunk.last() else { break };
            after = Some(last.id.to_string());
            found.extend(chunk.into_iter().filter(&wanted).take(page.limit() + 1 - found.len()));
        }
        Ok(Page::of(found.iter().map(|e| self.thing_of(e, now)).collect(), page.limit(), |t| t.id.clone()))
    }

    fn in_area(&self, commune: &str, area: &str) -> bool {
        self.directory.commune(commune).is_some_and(|p| p.province == area) || self.directory.is_within(commune, area)
    }

    fn found(&self, caller: &Caller, id: &str) -> Result<Arc<Entity>> {
        let view = self.view(caller);
        let entity = self.look_up(id, caller).filter(|e| self.visible(&view, e));
        entity.ok_or_else(|| Error::not_found("context.no-such-thing", "There is no such thing, or it is not public."))
    }

    /// One thing in detail.
    pub fn thing(&self, caller: &Caller, id: &str) -> Result<Thing> {
        let entity = self.found(caller, id)?;
        let mut thing = self.thing_of(&entity, caller.now.as_microsecond());
        thing.device = self.devices.of_entity(caller, id).ok().and_then(|d| d.into_iter().next());
        Ok(thing)
    }

    /// Ids that the relationships of this short name point at, in their order.
    pub fn related(&self, caller: &Caller, id: &str, name: &str) -> Vec<String> {
        let Ok(entity) = self.found(caller, id) else { return Vec::new() };
        let text = |value: &Value| value.as_str().or_else(|| value.get("object")?.as_str()).map(str::to_string);
        let attrs = entity.attrs.iter().filter(|(n, _)| short(n) == name).flat_map(|(_, instances)| instances.iter());
        attrs
            .filter(|a| matches!(a.kind, AttrKind::Relationship | AttrKind::ListRelationship))
            .flat_map(|a| match a.value.look() {
                Look::Text(one) => vec![one.to_string()],
                Look::List(many) => many.iter().filter_map(text).collect(),
                _ => Vec::new(),
            })
            .collect()
    }

    /// A stretch of a thing's history.
    pub async fn thing_series(&self, caller: &Caller, id: &str, query: &ThingSeriesQuery) -> Result<ThingSeries> {
        let entity = self.found(caller, id)?;
        let instant = |text: &Option<String>| -> Result<Option<i64>> {
            let wrong = |_| Error::invalid("context.time", "Times must be RFC 3339 instants.");
            text.as_deref().map(|t| t.parse::<Timestamp>().map(|t| t.as_microsecond()).map_err(wrong)).transpose()
        };
        let to = instant(&query.to)?.unwrap_or(caller.now.as_microsecond() + 1);
        let from = instant(&query.from)?.unwrap_or(to - 86_400_000_000);
        if from >= to || query.attribute.len() > 200 || query.bucket == Some(0) {
            return Err(Error::invalid("context.series", "`from` must be before `to`, and `bucket` above 0."));
        }
        let attr = entity.attrs.iter().find(|(n, _)| short(n) == query.attribute).and_then(|(n, _)| entity.attr(n));
        let declared = self.kind_of(&entity).and_then(|k| k.attributes.iter().find(|a| a.name == query.attribute).and_then(|a| a.unit.clone()));
        let series = SeriesQuery {
            entity: id.to_string(),
            attribute: query.attribute.clone(),
            from,
            to,
            bucket_s: query.bucket,
            offset_s: query.offset.unwrap_or(0).clamp(-50_400, 50_400),
            limit: SERIES_LIMIT,
        };
        let points = self.history.series(&series).await?;
        Ok(ThingSeries { unit: attr.and_then(Attr::unit).map(|u| u.to_string()).or(declared), points })
    }

    /// All things with a place, compactly: GeoJSON with id, type, name, main value and state.
    pub fn map(&self, caller: &Caller, kind: Option<&str>) -> Result<Value> {
        self.apart(|| self.draw(caller, kind))
    }

    fn draw(&self, caller: &Caller, kind: Option<&str>) -> Result<Value> {
        let view = self.view(caller);
        let candidates = self.candidates(&view, kind);
        let now = caller.now.as_microsecond();
        let (mut features, mut after) = (Vec::new(), None::<Iri>);
        while features.len() < MAP_LIMIT {
            let chunk = self.live.chunk(&candidates, after.as_deref(), Order::Up, CHUNK);
            let Some(last) = chunk.last() else { break };
            after = Some(last.id.clone());
            for entity in chunk.iter().filter(|e| e.alive(now) && self.visible(&view, e)) {
                let Some(point) = entity.point() else { continue };
                let declared = self.kind_of(entity);
                let main = declared.as_ref().and_then(|k| k.main_attribute.as_deref());
                let value = main.and_then(|m| entity.attrs.iter().find(|(n, _)| short(n) == m)).and_then(|(n, _)| entity.attr(n)).map(plain);
                let mut properties = json!({"id": &*entity.id, "type": self.short_kind(entity, declared.as_deref()), "name": name_of(entity), "state": state_of(entity, declared.as_deref(), now)});
                if let Some(value) = value {
                    properties["value"] = value;
                }
                // Six decimals are a tenth of a metre.
                let round = |v: f64| (v * 1e6).round() / 1e6;
                features.push(
                    json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [round(point.lon), round(point.lat)]}, "properties": properties}),
                );
            }
        }
        Ok(json!({"type": "FeatureCollection", "features": features}))
    }

    /// The types of the installed packs that the caller may see, with counts.
    pub fn kinds(&self, caller: &Caller) -> Vec<ThingType> {
        let view = self.view(caller);
        let counts = self.live.types();
        let count = |name: &str| counts.iter().filter(|(t, _)| short(t) == name).map(|(_, n)| n).sum();
        let seen = self.registry.types().into_iter().filter(|k| view.all || k.public);
        seen.map(|k| ThingType {
            kind: k.kind.clone(),
            name: k.name.clone(),
            name_en: k.name_en.clone(),
            icon: k.icon.clone(),
            main_attribute: k.main_attribute.clone(),
            attributes: k.attributes.clone(),
            silent_after: k.silent_after,
            count: count(&k.kind),
        })
        .collect()
    }

    /// Communes that have a thing of a type which is heard of in time.
    pub fn live_areas(&self, caller: &Caller, kind: &str) -> Result<BTreeSet<String>> {
        let view = self.view(caller);
        let (now, mut areas) = (caller.now.as_microsecond(), BTreeSet::new());
        self.walk(&self.candidates(&view, Some(kind)), |entity| {
            if let Some(area) = entity.area.as_ref().filter(|a| entity.alive(now) && self.visible(&view, entity) && !areas.contains(&***a))
                && state_of(entity, self.kind_of(entity).as_deref(), now) == ThingState::Ok
            {
                areas.insert(area.to_string());
            }
        });
        Ok(areas)
    }

    /// Things of the packs' types that are heard of, silent, and never heard of.
    pub fn state_counts(&self, caller: &Caller) -> Result<(u64, u64, u64)> {
        let view = self.view(caller);
        let (now, mut counts) = (caller.now.as_microsecond(), (0, 0, 0));
        let declared = Candidates::Types(self.expanded(|s| self.registry.kind(s).is_some_and(|k| view.all || k.public)));
        self.walk(&declared, |entity| match state_of(entity, self.kind_of(entity).as_deref(), now) {
            _ if !entity.alive(now) => {}
            ThingState::Ok => counts.0 += 1,
            ThingState::Silent => counts.1 += 1,
            ThingState::Unknown => counts.2 += 1,
        });
        Ok(counts)
    }

    pub(crate) fn walk(&self, candidates: &Candidates, mut visit: impl FnMut(&Entity)) {
        self.apart(|| {
            let mut after = None::<Iri>;
            loop {
                let chunk = self.live.chunk(candidates, after.as_deref(), Order::Up, CHUNK);
                let Some(last) = chunk.last() else { return };
                after = Some(last.id.clone());
                chunk.iter().for_each(|e| visit(e));
            }
        });
    }

    /// Looks at many things without keeping other tasks of this thread waiting.
    fn apart<T>(&self, look: impl FnOnce() -> T) -> T {
        let several = || tokio::runtime::Handle::try_current().is_ok_and(|h| h.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
        if self.live.count() > MANY && several() { tokio::task::block_in_place(look) } else { look() }
    }

    fn short_kind(&self, entity: &Entity, declared: Option<&EntityType>) -> String {
        declared.map(|k| k.kind.clone()).or_else(|| entity.types.first().map(|t| short(t).to_string())).unwrap_or_default()
    }

    fn thing_of(&self, entity: &Entity, now: i64) -> Thing {
        let declared = self.kind_of(entity);
        let hidden = |name: &str| matches!(name, "location" | "name" | "source");
        let mut attributes = BTreeMap::new();
        for (name, _) in entity.attrs.iter().filter(|(n, _)| !hidden(short(n))) {
            let Some(attr) = entity.attr(name).filter(|a| a.alive(now)) else { continue };
            let quality =
                attr.subs().iter().find(|(n, _)| short(n) == "quality").and_then(|(_, i)| i.first()?.value.as_u64()).and_then(|q| u16::try_from(q).ok());
            let shown =
                ThingAttribute { value: plain(attr), unit: attr.unit().map(|u| u.to_string()), observed_at: attr.observed().map(time::micros), quality };
            attributes.insert(short(name).to_string(), shown);
        }
        let area_name = entity.area.as_deref().and_then(|a| self.directory.commune(a)).map(|p| p.commune_name);
        Thing {
            id: entity.id.to_string(),
            kind: self.short_kind(entity, declared.as_deref()),
            name: name_of(entity),
            location: entity.point(),
            area: entity.area.as_ref().map(|a| a.to_string()),
            area_name,
            attributes,
            observed_at: entity.observed().map(time::micros),
            state: state_of(entity, declared.as_deref(), now),
            source: entity.attrs.iter().find(|(n, _)| short(n) == "source").and_then(|(n, _)| entity.attr(n)).and_then(|a| text_of(&a.value)),
            device: None,
        }
    }
}

fn plain(attr: &Attr) -> Value {
    match attr.kind {
        AttrKind::VocabProperty => attr.value.as_str().map_or_else(|| attr.value.to_json(), |v| short(v).into()),
        _ => attr.value.to_json(),
    }
}

fn text_of(value: &Val) -> Option<String> {
    match value.look() {
        Look::Text(s) => Some(s.to_string()),
        Look::Object(map) => map.get("vi").or_else(|| map.get("@none")).or_else(|| map.values().next()).and_then(Value::as_str).map(str::to_string),
        _ => None,
    }
}

pub(crate) fn name_of(entity: &Entity) -> String {
    let named = entity.attrs.iter().find(|(n, _)| short(n) == "name").and_then(|(n, _)| entity.attr(n)).and_then(|a| text_of(&a.value));
    named.unwrap_or_else(|| entity.id.rsplit(':').next().unwrap_or(&entity.id).to_string())
}

pub(crate) fn state_of(entity: &Entity, kind: Option<&EntityType>, now: i64) -> ThingState {
    match (kind.and_then(|k| k.silent_after), entity.observed()) {
        (Some(after), Some(seen)) if now - seen > i64::from(after) * 1_000_000 => ThingState::Silent,
        (Some(_), Some(_)) | (None, Some(_)) => ThingState::Ok,
        (_, None) => ThingState::Unknown,
    }
}
