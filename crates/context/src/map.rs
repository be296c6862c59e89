//! The live map: layers that packs declare, each drawn from one compact snapshot and what changed since.
//!
//! A layer's things stand in a [`sheet::Sheet`] that is brought up to date from memory at most once a second, however many
//! screens ask, and only while they ask. What goes out is cached by version. Past values come from history in one question
//! for the whole layer ([`past`]).

mod layer;
mod past;
mod sheet;
mod wire;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp, time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Context;
use crate::live::Candidates;
use crate::model::{Attr, AttrKind, Entity, Iri, find};
use crate::registry::short;
use crate::things::{MAP_LIMIT, ThingState, View, name_of, state_of};

pub use layer::{MapLayer, MapLevel};
pub use past::PastQuery;
use sheet::{Seen, Sheet, Shown};

/// µs between two looks at the things of a layer.
const PACE: i64 = 1_000_000;
/// Answers of a sheet that are kept for other screens.
const KEPT: usize = 8;
/// The layer of things whose type no pack declares.
const OTHER: &str = "other";
/// Names asked for at once.
const NAMES: usize = 200;

type Shared = Arc<Mutex<Held>>;

/// Sheets by layer, for those who see everything and for everybody else.
#[derive(Default)]
pub(crate) struct Maps {
    sheets: Mutex<HashMap<(String, bool), Shared>>,
    past: past::Past,
}

impl Maps {
    /// Layers may be others now.
    pub fn forget(&self) {
        lock(&self.sheets).clear();
        self.past.forget();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sheet and the answers made of it.
struct Held {
    sheet: Sheet,
    /// When it was last brought up to date, µs.
    looked: Option<i64>,
    snapshot: Option<(u64, Bytes)>,
    /// From version, to version, what changed (none: better everything).
    changes: VecDeque<(u64, u64, Option<Bytes>)>,
}

impl Held {
    fn snapshot(&mut self) -> Bytes {
        let version = self.sheet.version;
        if let Some((_, bytes)) = self.snapshot.as_ref().filter(|(of, _)| *of == version) {
            return bytes.clone();
        }
        let bytes = Bytes::from(wire::snapshot(&self.sheet));
        self.snapshot = Some((version, bytes.clone()));
        bytes
    }

    fn changes(&mut self, since: u64) -> Option<Bytes> {
        let version = self.sheet.version;
        if let Some((.., known)) = self.changes.iter().find(|(from, to, _)| (*from, *to) == (since, version)) {
            return known.clone();
        }
        let bytes = wire::changes(&self.sheet, since).map(Bytes::from);
        if self.changes.len() >= KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back((since, version, bytes.clone()));
        bytes
    }
}

/// A layer as screens know it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LayerView {
    /// What the pack declares.
    #[serde(flatten)]
    pub layer: MapLayer,
    /// Things of its types, with a place or without.
    pub count: usize,
    /// Whether the caller may see its past values.
    pub replay: bool,
}

/// What is sent of a layer.
#[derive(Debug, Clone)]
pub enum Sent {
    /// Nothing has changed.
    Same,
    /// A snapshot or changes, and their version.
    Bytes(Bytes, Version),
}

/// A state of a sheet: `epoch.version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Which sheet.
    pub epoch: u64,
    /// Which state of it.
    pub version: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.version)
    }
}

impl std::str::FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('.').and_then(|(epoch, version)| Some(Self { epoch: epoch.parse().ok()?, version: version.parse().ok()? }));
        parsed.ok_or_else(|| Error::invalid("map.since", "`since` is the version of an earlier answer."))
    }
}

/// Things whose names are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamesWanted {
    /// URNs, at most 200.
    pub ids: Vec<String>,
}

/// A thing in a line of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedThing {
    /// URN.
    pub id: String,
    /// Name.
    pub name: String,
    /// Type, short name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is heard of.
    pub state: ThingState,
    /// Newest observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Timestamp>,
}

fn code_of(kind: &str) -> String {
    format!("type-{kind}")
}

impl Context {
    /// Layers of the map that the caller may see: those of the packs, one for each other type of the packs, and one for
    /// things of types no pack knows.
    pub fn map_layers(&self, caller: &Caller) -> Vec<LayerView> {
        let view = self.view(caller);
        let counts: HashMap<String, usize> = self.live.types().into_iter().map(|(t, n)| (short(&t).to_string(), n)).collect();
        let replay = caller.may(Permission::ContextRead, Scope::ANY);
        let shown = self.layers(&view).into_iter().map(|layer| LayerView {
            count: layer.types.iter().filter_map(|t| counts.get(t)).sum(),
            replay: replay && !layer.moves && layer.attribute.is_some(),
            layer,
        });
        shown.filter(|l| l.layer.feed.is_some() || l.count > 0).collect()
    }

    fn layers(&self, view: &View) -> Vec<MapLayer> {
        let seen = |kind: &str| view.all || self.registry.kind(kind).is_some_and(|k| k.public);
        let declared: Vec<MapLayer> = self.registry.packs().iter().flat_map(|p| p.layers.clone()).collect();
        let mut covered: BTreeSet<String> = declared.iter().flat_map(|l| l.types.clone()).collect();
        // Shapes are guarded where they are; only staff is told of them.
        let mut layers: Vec<MapLayer> = declared.into_iter().filter(|l| if l.feed.is_some() { view.all } else { l.types.iter().any(|t| seen(t)) }).collect();
        for kind in self.registry.types().into_iter().filter(|k| seen(&k.kind)) {
            if covered.insert(kind.kind.clone()) {
                let main = kind.main_attribute.as_ref().and_then(|m| kind.attributes.iter().find(|a| a.name == *m));
                layers.push(MapLayer {
                    code: code_of(&kind.kind),
                    name: kind.name.clone(),
                    name_en: kind.name_en.clone(),
                    types: vec![kind.kind.clone()],
                    attribute: kind.main_attribute.clone(),
                    unit_text: main.and_then(|a| a.unit_text.clone()),
                    digits: 1,
                    cluster: true,
                    shown: true,
                    ..MapLayer::default()
                });
            }
        }
        if view.all {
            let unknown: BTreeSet<String> = self.live.types().iter().map(|(t, _)| short(t).to_string()).filter(|t| !covered.contains(t)).collect();
            if !unknown.is_empty() {
                let types = unknown.into_iter().collect();
                layers.push(MapLayer {
                    code: OTHER.into(),
                    name: "Khác".into(),
                    name_en: "Other".into(),
                    types,
                    cluster: true,
                    shown: true,
                    ..MapLayer::default()
                });
            }
        }
        layers
    }

    fn layer(&self, view: &View, code: &str) -> Result<MapLayer> {
        let found = self.layers(view).into_iter().find(|l| l.code == code);
        let found = found.ok_or_else(|| Error::not_found("map.no-such-layer", "There is no such layer, or it is not public."))?;
        if found.feed.is_some() { Err(Error::not_found("map.no-such-layer", "This layer has no things of its own.")) } else { Ok(found) }
    }

    /// The layer's sheet, no older than a second.
    fn sheet(&self, view: &View, layer: &MapLayer, now: i64) -> Arc<Mutex<Held>> {
        let fresh = |before: u64| {
            // Of another time than any sheet before it, even after a restart within the same moment.
            let epoch = u64::try_from(now).unwrap_or_default().max(before + 1);
            Held { sheet: Sheet::new(epoch, layer.digits), looked: None, snapshot: None, changes: VecDeque::new() }
        };
        let kept = {
            let mut sheets = lock(&self.maps.sheets);
            sheets.entry((layer.code.clone(), view.all)).or_insert_with(|| Arc::new(Mutex::new(fresh(0)))).clone()
        };
        {
            let mut held = lock(&kept);
            if held.looked.is_none_or(|at| !(at..at + PACE).contains(&now)) {
                if held.sheet.worn() {
                    *held = fresh(held.sheet.epoch);
                }
                let seen = self.seen(view, layer, now);
                held.sheet.look(seen);
                held.looked = Some(now);
            }
        }
        kept
    }

    /// The layer's things with a place, as the caller may see them.
    fn seen(&self, view: &View, layer: &MapLayer, now: i64) -> Vec<(Iri, Seen)> {
        let candidates = Candidates::Types(self.expanded(|s| layer.types.iter().any(|t| t == s)));
        let wanted = layer.attribute.as_deref().map(|a| (a, self.registry.expand(a)));
        let mut seen = Vec::new();
        self.walk(&candidates, |entity| {
            if seen.len() >= MAP_LIMIT || !entity.alive(now) || !self.visible(view, entity) {
                return;
            }
            let Some(point) = entity.point() else { return };
            let attr = wanted.as_ref().and_then(|(name, iri)| attr_of(entity, name, iri)).filter(|a| a.alive(now));
            let state = match state_of(entity, self.kind_of(entity).as_deref(), now) {
                ThingState::Ok => 0,
                ThingState::Silent => 1,
                ThingState::Unknown => 2,
            };
            let doubtful = attr.is_some_and(doubtful);
            seen.push((entity.id.clone(), Seen { lon: point.lon, lat: point.lat, value: attr.and_then(shown), state, doubtful }));
        });
        seen
    }

    /// A layer as it is now: everything, or what changed since a version (`since`), or that nothing did (also when
    /// everything is asked for and the caller has this version: `has`). A screen that is of another sheet or too far
    /// behind gets everything.
    pub fn map_sheet(&self, caller: &Caller, code: &str, since: Option<&str>, has: Option<&str>) -> Result<Sent> {
        let since = since.map(str::parse::<Version>).transpose()?;
        let view = self.view(caller);
        let layer = self.layer(&view, code)?;
        let held = self.sheet(&view, &layer, caller.now.as_microsecond());
        let mut held = lock(&held);
        let at = Version { epoch: held.sheet.epoch, version: held.sheet.version };
        if since == Some(at) || (since.is_none() && has.is_some_and(|h| h == at.to_string())) {
            return Ok(Sent::Same);
        }
        if let Some(since) = since.filter(|s| s.epoch == at.epoch)
            && let Some(bytes) = held.changes(since.version)
        {
            return Ok(Sent::Bytes(bytes, at));
        }
        Ok(Sent::Bytes(held.snapshot(), at))
    }

    /// Names of things, in the order asked for; those that cannot be seen are left out.
    pub fn map_names(&self, caller: &Caller, wanted: &NamesWanted) -> Result<Vec<NamedThing>> {
        if wanted.ids.len() > NAMES {
            return Err(Error::invalid("map.names", "At most 200 names at once."));
        }
        let (view, now) = (self.view(caller), caller.now.as_microsecond());
        let found = wanted.ids.iter().filter_map(|id| self.live.get(id)).filter(|e| e.alive(now) && self.visible(&view, e));
        Ok(found
            .map(|e| {
                let kind = self.kind_of(&e);
                NamedThing {
                    id: e.id.to_string(),
                    name: name_of(&e),
                    kind: kind.as_ref().map(|k| k.kind.clone()).or_else(|| e.types.first().map(|t| short(t).to_string())).unwrap_or_default(),
                    state: state_of(&e, kind.as_deref(), now),
                    observed_at: e.observed().map(time::micros),
                }
            })
            .collect())
    }
}

/// The attribute, under the name that packs give it or any other that is as short.
fn attr_of<'a>(entity: &'a Entity, name: &str, iri: &Iri) -> Option<&'a Attr> {
    if find(&entity.attrs, iri).is_some() {
        return entity.attr(iri);
    }
    entity.attrs.iter().find(|(n, _)| short(n) == name).and_then(|(n, _)| entity.attr(n))
}

fn shown(attr: &Attr) -> Option<Shown> {
    let number = attr.value.as_f64().or_else(|| attr.value.as_bool().map(|b| f64::from(u8::from(b))));
    number.map(Shown::Number).or_else(|| {
        let word = attr.value.as_str()?;
        let word = if attr.kind == AttrKind::VocabProperty { short(word) } else { word };
        (word.len() <= 100).then(|| Shown::Word(word.to_string()))
    })
}

/// Whether the newest value was marked on its way in (replays are as good as what they replay).
fn doubtful(attr: &Attr) -> bool {
    let flags = attr.subs().iter().find(|(n, _)| short(n) == "quality").and_then(|(_, i)| i.first()?.value.as_u64());
    flags.is_some_and(|f| f & !u64::from(quality::REPLAYED) != 0)
}

#[cfg(test)]
mod tests;
