//! The live state in memory: all entities by id, by type and by place. Locks are held for map look-ups only; scans go
//! in chunks and hold what they found by `Arc`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use dothi_kernel::geo::{BBox, Geometry};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::model::{Entity, Iri};

type Spot = GeomWithData<Rectangle<[f64; 2]>, Iri>;
type ById = BTreeMap<Iri, Arc<Entity>>;

/// New states by id; none = deleted.
pub type Staged = HashMap<Iri, Option<Arc<Entity>>>;

/// All entities as they are now.
#[derive(Default)]
pub struct Live(RwLock<State>);

#[derive(Default)]
struct State {
    all: ById,
    by_type: HashMap<Iri, ById>,
    places: RTree<Spot>,
    sta: crate::sta::Index,
}

/// Where a scan looks.
#[derive(Debug, Clone)]
pub enum Candidates {
    /// Everywhere.
    All,
    /// At entities of any of these types.
    Types(Vec<Iri>),
    /// At these, sorted by id.
    Ids(Vec<Iri>),
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ids ascending.
    Up,
    /// Ids descending.
    Down,
}

/// Smallest box around an entity's location.
pub fn bounds(entity: &Entity) -> Option<BBox> {
    let value = entity.location()?;
    match value.point() {
        Some((lon, lat)) => Some(BBox { west: lon, south: lat, east: lon, north: lat }),
        None => Geometry::from_geojson(&value.json()).ok()?.bbox(),
    }
}

fn spot(entity: &Entity) -> Option<Spot> {
    let b = bounds(entity)?;
    Some(Spot::new(Rectangle::from_corners([b.west, b.south], [b.east, b.north]), entity.id.clone()))
}

impl State {
    fn set(&mut self, id: &Iri, next: Option<Arc<Entity>>) {
        let before = match &next {
            Some(entity) => self.all.insert(id.clone(), entity.clone()),
            None => self.all.remove(id),
        };
        self.sta.set(id, before.as_deref(), next.as_ref());
        if let Some(before) = &before {
            let kept = |kind: &Iri| next.as_ref().is_some_and(|n| n.types.contains(kind));
            for kind in before.types.iter().filter(|k| !kept(k)) {
                if let Some(of_type) = self.by_type.get_mut(kind) {
                    of_type.remove(id);
                    if of_type.is_empty() {
                        self.by_type.remove(kind);
                    }
                }
            }
        }
        for kind in next.iter().flat_map(|n| &n.types) {
            if let Some(entity) = &next {
                self.by_type.entry(kind.clone()).or_default().insert(entity.id.clone(), entity.clone());
            }
        }
        let place = |e: &Option<Arc<Entity>>| e.as_ref().and_then(|e| e.location().cloned());
        if place(&before) != place(&next) {
            if let Some(old) = before.as_ref().and_then(|e| spot(e)) {
                self.places.remove(&old);
            }
            if let Some(new) = next.as_ref().and_then(|e| spot(e)) {
                self.places.insert(new);
            }
        }
    }
}

impl Live {
    /// Takes over what start-up read.
    pub fn load(&self, entities: Vec<Arc<Entity>>) {
        let places = entities.iter().filter_map(|e| spot(e)).collect();
        let mut by_type: HashMap<Iri, ById> = HashMap::new();
        for entity in &entities {
            for kind in &entity.types {
                by_type.entry(kind.clone()).or_default().insert(entity.id.clone(), entity.clone());
            }
        }
        let mut sta = crate::sta::Index::default();
        for entity in &entities {
            sta.set(&entity.id, None, Some(entity));
        }
        let all = entities.into_iter().map(|e| (e.id.clone(), e)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = State { all, by_type, places: RTree::bulk_load(places), sta };
    }

    /// Makes durable changes visible.
    pub fn apply(&self, staged: &Staged) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (id, next) in staged {
            state.set(id, next.clone());
        }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One entity, expired or not.
    pub fn get(&self, id: &str) -> Option<Arc<Entity>> {
        self.read(|s| s.all.get(id).cloned())
    }

    /// Looks at the entities made through SensorThings.
    pub(crate) fn sta<T>(&self, look: impl FnOnce(&crate::sta::Index) -> T) -> T {
        self.read(|s| look(&s.sta))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.read(|s| s.all.len())
    }

    /// Types in use with their number of entities, by IRI.
    pub fn types(&self) -> Vec<(Iri, usize)> {
        let mut types: Vec<_> = self.read(|s| s.by_type.iter().map(|(t, e)| (t.clone(), e.len())).collect());
        types.sort();
        types
    }

    /// Ids of entities whose location may touch a box, sorted. None when there are more than `most`.
    pub fn near(&self, area: BBox, most: usize) -> Option<Vec<Iri>> {
        let envelope = AABB::from_corners([area.west, area.south], [area.east, area.north]);
        let mut ids: Vec<Iri> = self.read(|s| s.places.locate_in_envelope_intersecting(&envelope).take(most + 1).map(|spot| spot.data.clone()).collect());
        if ids.len() > most {
            return None;
        }
        ids.sort_unstable();
        Some(ids)
    }

    /// Up to `n` candidates beyond `from` (exclusive) in id order.
    pub fn chunk(&self, candidates: &Candidates, from: Option<&str>, order: Order, n: usize) -> Vec<Arc<Entity>> {
        self.read(|s| match candidates {
            Candidates::All => walk(&s.all, from, order, n),
            Candidates::Types(types) => {
                let mut maps = types.iter().filter_map(|t| s.by_type.get(t));
                match (maps.next(), maps.next()) {
                    (None, _) => Vec::new(),
                    (Some(only), None) => walk(only, from, order, n),
                    (Some(a), Some(b)) => {
                        let mut found: Vec<_> = [a, b].into_iter().chain(maps).flat_map(|m| walk(m, from, order, n)).collect();
                        found.sort_by(|x, y| if order == Order::Up { x.id.cmp(&y.id) } else { y.id.cmp(&x.id) });
                        found.dedup_by(|x, y| x.id == y.id);
                        found.truncate(n);
                        found
                    }
                }
            }
            Candidates::Ids(ids) => {
                let get = |id: &Iri| s.all.get(id).cloned();
                match order {
                    Order::Up => {
                        let start = from.map_or(0, |f| ids.partition_point(|i| **i <= *f));
                        ids[start..].iter().filter_map(get).take(n).collect()
                    }
                    Order::Down => {
                        let end = from.map_or(ids.len(), |f| ids.partition_point(|i| **i < *f));
                        ids[..end].iter().rev().filter_map(get).take(n).collect()
                    }
                }
            }
        })
    }
}

fn walk(map: &ById, from: Option<&str>, order: Order, n: usize) -> Vec<Arc<Entity>> {
    let edge = from.map_or(Bound::Unbounded, Bound::Excluded);
    match order {
        Order::Up => map.range::<str, _>((edge, Bound::Unbounded)).take(n).map(|(_, e)| e.clone()).collect(),
        Order::Down => map.range::<str, _>((Bound::Unbounded, edge)).rev().take(n).map(|(_, e)| e.clone()).collect(),
    }
}
