//! The live state in memory: all entities by id, by type, by place and by the values of attributes that are asked for
//! often. Inside, an entity is a number of four bytes. Locks are held for look-ups only; scans go in chunks and hold
//! what they found by `Arc`.

mod fields;
mod places;
mod sorted;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dothi_kernel::geo::BBox;
use hashbrown::{DefaultHashBuilder, HashTable};

pub use fields::{Ask, Wanted};

use crate::model::{Entity, Iri, find};
use fields::Field;
use places::Places;
use sorted::{Slots, Sorted};

/// Attributes with an index.
const FIELDS: usize = 12;
/// Values that all indexes of attributes may hold; each costs some 40 bytes at most.
const ENTRIES: usize = 8_000_000;
/// Conditions on an attribute after which it gets an index.
const WISHES: u32 = 16;
/// Entities that must be in question for a condition to count.
const LARGE: usize = 5_000;
/// Entities that the building of an index takes under one lock.
const STEP: usize = 256;
/// Candidates that are ever collected and sorted.
const GATHER: usize = 200_000;

/// New states by id; none = deleted.
pub type Staged = HashMap<Iri, Option<Arc<Entity>>>;

/// All entities as they are now.
#[derive(Default)]
pub struct Live(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: RwLock<State>,
    /// Conditions on attributes that have no index.
    wishes: Mutex<HashMap<Iri, u32>>,
}

#[derive(Default)]
struct State {
    slots: Slots,
    free: Vec<u32>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    all: Sorted,
    by_type: hashbrown::HashMap<Iri, Sorted>,
    places: Places,
    fields: BTreeMap<Iri, (Field, AtomicU64)>,
    /// Entities that expire some time.
    mortal: usize,
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
    /// At entities with this one value.
    Value(Ask),
}

/// What narrows a query down.
#[derive(Debug, Default)]
pub struct Clues {
    /// Any of these types; none = all.
    pub types: Option<Vec<Iri>>,
    /// The location touches this box.
    pub area: Option<BBox>,
    /// All of these hold.
    pub asks: Vec<Ask>,
}

/// The cheapest way to answer a query.
#[derive(Debug)]
pub enum Plan {
    /// Walk these in the order of ids until there are enough.
    Walk(Candidates),
    /// These are all that may match, in no order.
    Gathered(Vec<Arc<Entity>>),
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ids ascending.
    Up,
    /// Ids descending.
    Down,
}

impl State {
    fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(id), |slot| self.slots.id(*slot) == id).copied()
    }

    fn get(&self, id: &str) -> Option<&Arc<Entity>> {
        self.slots.get(self.find(id)?)
    }

    fn set(&mut self, id: &Iri, next: Option<Arc<Entity>>) {
        let known = self.find(id);
        let before = known.and_then(|slot| self.slots.get(slot)).cloned();
        let slot = match (known, &next) {
            (Some(slot), _) => slot,
            (None, None) => return,
            (None, Some(_)) => match self.free.pop() {
                Some(slot) => slot,
                None => {
                    self.slots.0.push(None);
                    u32::try_from(self.slots.0.len() - 1).unwrap_or(u32::MAX)
                }
            },
        };
        self.sta.set(id, before.as_deref(), next.as_ref());
        // While lists are changed, the slot tells the id, which is the same before and after.
        if let Some(entity) = &next {
            self.slots.0[slot as usize] = Some(entity.clone());
        }
        if before.is_none() {
            let (slots, hasher) = (&self.slots, &self.hasher);
            self.ids.insert_unique(hasher.hash_one(&**id), slot, |s| hasher.hash_one(slots.id(*s)));
            self.all.insert(slot, slots);
        }
        self.index(slot, before.as_deref(), next.as_deref());
        if next.is_none() {
            self.all.remove(slot, &self.slots);
            if let Ok(entry) = self.ids.find_entry(self.hasher.hash_one(&**id), |s| *s == slot) {
                entry.remove();
            }
            self.slots.0[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// Brings everything but the list of all up to date.
    fn index(&mut self, slot: u32, before: Option<&Entity>, next: Option<&Entity>) {
        let Self { slots, by_type, places, fields, mortal, .. } = self;
        let slots = &*slots;
        let has = |e: Option<&Entity>, kind: &Iri| e.is_some_and(|e| e.types.contains(kind));
        for kind in before.iter().flat_map(|b| &b.types).filter(|k| !has(next, k)) {
            if let Some(of_type) = by_type.get_mut(kind) {
                of_type.remove(slot, slots);
                if of_type.len() == 0 {
                    by_type.remove(kind);
                }
            }
        }
        for kind in next.iter().flat_map(|n| &n.types).filter(|k| !has(before, k)) {
            by_type.entry(kind.clone()).or_default().insert(slot, slots);
        }
        if before.and_then(Entity::location) != next.and_then(Entity::location) || before.map(|e| &e.types) != next.map(|e| &e.types) {
            before.iter().for_each(|e| places.remove(slot, e));
            next.iter().for_each(|e| places.insert(slot, e));
        }
        for (name, (field, _)) in fields.iter_mut() {
            let (old, new) = (before.and_then(|e| find(&e.attrs, name)), next.and_then(|e| find(&e.attrs, name)));
            let same = match (old, new) {
                (None, None) => true,
                (Some(old), Some(new)) => old.len() == new.len() && old.iter().zip(new).all(|(o, n)| o.kind == n.kind && o.value == n.value),
                _ => false,
            };
            if !same {
                before.iter().for_each(|e| field.remove(name, slot, e, slots));
                next.iter().for_each(|e| field.insert(name, slot, e, slots));
            }
        }
        let dies = |e: Option<&Entity>| usize::from(e.is_some_and(mortal_one));
        *mortal = *mortal + dies(next) - dies(before);
    }

    /// How many entities have one of the types, at most.
    fn of_types(&self, types: Option<&[Iri]>) -> usize {
        types.map_or(self.all.len(), |types| types.iter().filter_map(|t| self.by_type.get(t)).map(Sorted::len).sum())
    }

    fn walk(&self, list: &Sorted, from: Option<&str>, order: Order, n: usize) -> Vec<Arc<Entity>> {
        let get = |slot: u32| self.slots.get(slot).cloned();
        match order {
            Order::Up => list.up(from, &self.slots).filter_map(get).take(n).collect(),
            Order::Down => list.down(from, &self.slots).filter_map(get).take(n).collect(),
        }
    }

    fn plan(&self, clues: &Clues, need: Option<usize>) -> Plan {
        let walk = || Plan::Walk(clues.types.clone().map_or(Candidates::All, Candidates::Types));
        let listed = self.of_types(clues.types.as_deref());
        // Looking at as many as it takes to find enough in the order of ids costs the same as sorting about the root.
        let most = match need {
            None => listed / 2,
            Some(need) => (4.0 * (need as f64 * listed as f64).sqrt()) as usize,
        };
        let most = most.min(GATHER);
        let all = self.all.len().max(1) as f64;
        let (mut likely, mut best, mut lists) = (listed as f64, None::<(usize, Option<&Ask>)>, None::<(usize, &Ask)>);
        if let Some(area) = clues.area {
            let n = self.places.estimate(area, clues.types.as_deref(), most);
            likely *= (n as f64 / (listed as f64).max(1.0)).min(1.0);
            offer(&mut best, most, n, None);
        }
        for ask in &clues.asks {
            let Some((field, used)) = self.fields.get(&ask.attr).filter(|(f, _)| f.ready) else { continue };
            used.fetch_add(1, Ordering::Relaxed);
            match field.list(ask) {
                Some(list) => {
                    likely *= (list.len() as f64 / all).min(1.0);
                    offer(&mut best, most, list.len(), Some(ask));
                    if lists.is_none_or(|(least, _)| list.len() < least) {
                        lists = Some((list.len(), ask));
                    }
                }
                None => {
                    let n = field.estimate(ask, most);
                    likely *= (n as f64 / all).min(1.0);
                    offer(&mut best, most, n, Some(ask));
                }
            }
        }
        let steps = |len: usize| need.map_or(len as f64, |need| (need as f64 * len as f64 / likely.max(0.5)).min(len as f64));
        let (by_type, by_list) = (steps(listed), lists.map_or(f64::INFINITY, |(n, _)| steps(n)));
        match (best, lists) {
            (Some((n, how)), _) if 2.0 * n as f64 <= by_type.min(by_list) => {
                let slots: Vec<u32> = match (how, clues.area) {
                    (Some(ask), _) => self.fields.get(&ask.attr).map(|(f, _)| f.collect(ask, &self.slots)).unwrap_or_default(),
                    (None, Some(area)) => self.places.near(area, clues.types.as_deref()),
                    (None, None) => return walk(),
                };
                Plan::Gathered(slots.into_iter().filter_map(|s| self.slots.get(s).cloned()).collect())
            }
            (_, Some((_, ask))) if by_list < by_type => Plan::Walk(Candidates::Value(ask.clone())),
            _ => walk(),
        }
    }
}

fn offer<T>(best: &mut Option<(usize, T)>, most: usize, n: usize, what: T) {
    if n <= most && best.as_ref().is_none_or(|(least, _)| n < *least) {
        *best = Some((n, what));
    }
}

fn mortal_one(entity: &Entity) -> bool {
    entity.expires.is_some()
}

impl Live {
    /// Takes over what start-up read.
    pub fn load(&self, mut entities: Vec<Arc<Entity>>) {
        let by_id = |a: &Arc<Entity>, b: &Arc<Entity>| a.id.cmp(&b.id);
        // Two at a time; the whole is then two runs that are merged.
        let half = entities.len() / 2;
        let (first, second) = entities.split_at_mut(half);
        std::thread::scope(|threads| {
            threads.spawn(|| first.sort_by(by_id));
            second.sort_by(by_id);
        });
        entities.sort_by(by_id);
        entities.dedup_by(|a, b| a.id == b.id);
        let mut state = State::default();
        state.slots.0 = entities.into_iter().map(Some).collect();
        let State { slots, ids, hasher, all, by_type, places, mortal, sta, .. } = &mut state;
        let slots = &*slots;
        let numbered = || (0u32..).zip(&slots.0).filter_map(|(slot, entity)| Some((slot, entity.as_ref()?)));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for (slot, entity) in numbered() {
                    places.insert(slot, entity);
                    sta.set(&entity.id, None, Some(entity));
                    *mortal += usize::from(mortal_one(entity));
                }
            });
            ids.reserve(slots.0.len(), |_| 0);
            for (slot, entity) in numbered() {
                ids.insert_unique(hasher.hash_one(&*entity.id), slot, |s| hasher.hash_one(slots.id(*s)));
                all.push_last(slot);
                for (_, kind) in entity.types.iter().enumerate().filter(|(i, k)| !entity.types[..*i].contains(k)) {
                    match by_type.get_mut(kind) {
                        Some(list) => list.push_last(slot),
                        None => by_type.entry(kind.clone()).or_default().push_last(slot),
                    }
                }
            }
        });
        let wanted: Vec<Iri> = {
            let mut held = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *held, &mut state);
            state.fields.into_keys().collect()
        };
        wanted.into_iter().for_each(|attr| self.build(attr));
    }

    /// Makes durable changes visible.
    pub fn apply(&self, staged: &Staged) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        for (id, next) in staged {
            state.set(id, next.clone());
        }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One entity, expired or not.
    pub fn get(&self, id: &str) -> Option<Arc<Entity>> {
        self.read(|s| s.get(id).cloned())
    }

    /// Looks at the entities made through SensorThings.
    pub(crate) fn sta<T>(&self, look: impl FnOnce(&crate::sta::Index) -> T) -> T {
        self.read(|s| look(&s.sta))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.read(|s| s.all.len())
    }

    /// How many there are of a type, or of all; none when some may have expired, so that they must be looked at.
    pub fn count_of(&self, kind: Option<&str>) -> Option<usize> {
        self.read(|s| (s.mortal == 0).then(|| kind.map_or(s.all.len(), |k| s.by_type.get(k).map_or(0, Sorted::len))))
    }

    /// Types in use with their number of entities, by IRI.
    pub fn types(&self) -> Vec<(Iri, usize)> {
        let mut types: Vec<_> = self.read(|s| s.by_type.iter().map(|(t, e)| (t.clone(), e.len())).collect());
        types.sort();
        types
    }

    /// Ids of entities whose location may touch a box, sorted. None when there are more than `most`.
    pub fn near(&self, area: BBox, most: usize) -> Option<Vec<Iri>> {
        let mut ids: Vec<Iri> =
            self.read(|s| s.places.near(area, None).into_iter().take(most + 1).filter_map(|slot| s.slots.get(slot).map(|e| e.id.clone())).collect());
        if ids.len() > most {
            return None;
        }
        ids.sort_unstable();
        Some(ids)
    }

    /// How to answer a query that needs so many rows; none = all of them.
    pub fn plan(&self, clues: &Clues, need: Option<usize>) -> Plan {
        let (plan, unknown) = self.read(|s| {
            let unknown: Vec<Iri> = match s.of_types(clues.types.as_deref()) {
                n if n < LARGE => Vec::new(),
                _ => clues.asks.iter().filter(|a| !s.fields.contains_key(&a.attr)).map(|a| a.attr.clone()).collect(),
            };
            (s.plan(clues, need), unknown)
        });
        for attr in unknown {
            if self.wish(&attr) {
                self.build(attr);
            }
        }
        plan
    }

    /// Whether an attribute has been asked for often enough to get an index.
    fn wish(&self, attr: &Iri) -> bool {
        let mut wishes = self.0.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        if wishes.len() >= 1_000 && !wishes.contains_key(attr) {
            wishes.clear();
        }
        let count = wishes.entry(attr.clone()).or_default();
        *count += 1;
        let enough = *count >= WISHES;
        if enough {
            wishes.remove(attr);
        }
        enough
    }

    /// Builds the index of an attribute beside the work, on a thread of its own.
    fn build(&self, attr: Iri) {
        {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.fields.contains_key(&attr) {
                return;
            }
            if state.fields.len() >= FIELDS {
                // The least used one makes room; what was used long ago counts ever less.
                let least = state.fields.iter().filter(|(_, (f, _))| f.ready).min_by_key(|(_, (_, used))| used.load(Ordering::Relaxed));
                let Some(least) = least.map(|(name, _)| name.clone()) else { return };
                state.fields.remove(&least);
                state.fields.values().for_each(|(_, used)| used.store(used.load(Ordering::Relaxed) / 2, Ordering::Relaxed));
            }
            state.fields.insert(attr.clone(), Default::default());
        }
        let shared = self.0.clone();
        let begun = std::thread::Builder::new().name("context-index".into()).spawn(move || fill(&shared, &attr));
        if let Err(e) = begun {
            tracing::warn!(error = %e, "an index cannot be built");
        }
    }

    /// Up to `n` candidates beyond `from` (exclusive) in id order.
    pub fn chunk(&self, candidates: &Candidates, from: Option<&str>, order: Order, n: usize) -> Vec<Arc<Entity>> {
        self.read(|s| match candidates {
            Candidates::All => s.walk(&s.all, from, order, n),
            // An index that has gone since takes nothing away: the exact condition is asked anyway.
            Candidates::Value(ask) => {
                let list = s.fields.get(&ask.attr).filter(|(f, _)| f.ready).and_then(|(f, _)| f.list(ask));
                s.walk(list.unwrap_or(&s.all), from, order, n)
            }
            Candidates::Types(types) => {
                let mut lists = types.iter().filter_map(|t| s.by_type.get(t));
                match (lists.next(), lists.next()) {
                    (None, _) => Vec::new(),
                    (Some(only), None) => s.walk(only, from, order, n),
                    (Some(a), Some(b)) => {
                        let mut found: Vec<_> = [a, b].into_iter().chain(lists).flat_map(|m| s.walk(m, from, order, n)).collect();
                        found.sort_by(|x, y| if order == Order::Up { x.id.cmp(&y.id) } else { y.id.cmp(&x.id) });
                        found.dedup_by(|x, y| x.id == y.id);
                        found.truncate(n);
                        found
                    }
                }
            }
            Candidates::Ids(ids) => {
                let get = |id: &Iri| s.get(id).cloned();
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

/// Puts all entities into a new index, a few at a time and in the order of their ids, in which each goes to the end of
/// its list; changes meanwhile keep it right where it has been.
fn fill(shared: &Shared, attr: &Iri) {
    let mut at: Option<Iri> = None;
    loop {
        let mut state = shared.state.write().unwrap_or_else(PoisonError::into_inner);
        let State { slots, fields, all, .. } = &mut *state;
        let held: usize = fields.values().map(|(f, _)| f.entries).sum();
        let Some((field, _)) = fields.get_mut(attr) else { return };
        if held > ENTRIES {
            fields.remove(attr);
            tracing::info!(attribute = %attr, "no index: all indexes of attributes together would be too large");
            return;
        }
        let mut last = None;
        for slot in all.up(at.as_deref(), slots).take(STEP) {
            last = slots.get(slot);
            last.iter().for_each(|entity| field.insert(attr, slot, entity, slots));
        }
        let Some(last) = last else {
            field.ready = true;
            return;
        };
        at = Some(last.id.clone());
        drop(state);
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests;
