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
use fields::{Field, Spans};
use places::Places;
use sorted::{Slots, Sorted};

/// Attributes with an index.
const FIELDS: usize = 12;
/// Entities that all columns of attributes together may have room for; each costs some 20 bytes.
const ENTRIES: usize = 10_000_000;
/// Conditions on an attribute after which it gets an index.
const WISHES: u32 = 16;
/// Entities that must be in question for a condition to count.
const LARGE: usize = 5_000;
/// Entities that the reading of a column looks at under one lock.
const STEP: usize = 1_024;
/// Candidates that are ever collected and sorted.
const GATHER: usize = 200_000;
/// What asking a column costs; looking at an entity is one.
const SIEVE: f64 = 0.01;
/// Entities whose columns are asked under one lock.
const SIFTED: usize = 32_768;

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
    /// Columns begun so far.
    serials: AtomicU64,
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

/// A piece of a walk.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Entities that may pass, in order.
    pub found: Vec<Arc<Entity>>,
    /// Where it goes on; none = nothing is left.
    pub at: Option<Iri>,
    /// How many were passed by.
    pub seen: usize,
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
                field.set(slot, name, next);
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

    /// Columns that answer some of the conditions.
    fn sieves<'a>(&'a self, asks: &'a [Ask]) -> Vec<(&'a Field, Spans)> {
        let ready = asks.iter().filter_map(|ask| self.fields.get(&ask.attr).filter(|(f, _)| f.ready).map(|field| (field, ask)));
        ready.map(|((field, _), ask)| (field, field.spans(ask))).collect()
    }

    /// Walks on along a list, past whatever the columns rule out.
    fn sift(&self, list: &Sorted, sieves: &[(&Field, Spans)], from: Option<&str>, order: Order, n: usize) -> Stretch {
        fn along(state: &State, slots: impl Iterator<Item = u32>, sieves: &[(&Field, Spans)], n: usize) -> Stretch {
            let mut stretch = Stretch::default();
            for slot in slots {
                stretch.seen += 1;
                if sieves.iter().all(|(field, spans)| field.passes(spans, slot)) {
                    stretch.found.extend(state.slots.get(slot).cloned());
                }
                if stretch.found.len() >= n || stretch.seen >= SIFTED {
                    stretch.at = state.slots.get(slot).map(|e| e.id.clone());
                    break;
                }
            }
            stretch
        }
        match order {
            Order::Up => along(self, list.up(from, &self.slots), sieves, n),
            Order::Down => along(self, list.down(from, &self.slots), sieves, n),
        }
    }

    fn plan(&self, clues: &Clues, need: Option<usize>) -> Plan {
        let listed = self.of_types(clues.types.as_deref());
        // Looking at as many as it takes to find enough in the order of ids costs the same as sorting about the root.
        let most = match need {
            None => listed / 2,
            Some(need) => (4.0 * (need as f64 * listed as f64).sqrt()) as usize,
        };
        let most = most.min(GATHER);
        let all = self.all.len().max(1) as f64;
        let sieves = self.sieves(&clues.asks);
        // The part of all that passes the columns, and the one of them that lets the fewest through.
        let (mut part, mut narrowest) = (1.0, None::<(usize, usize)>);
        for (i, (field, spans)) in sieves.iter().enumerate() {
            let n = field.estimate(spans);
            part *= (n as f64 / all).min(1.0);
            if narrowest.is_none_or(|(least, _)| n < least) {
                narrowest = Some((n, i));
            }
        }
        let mut likely = listed as f64 * part;
        let mut best = narrowest.filter(|(n, _)| *n <= most).map(|(n, i)| (2.0 * n as f64, Some(i)));
        if let Some(area) = clues.area {
            let n = self.places.estimate(area, clues.types.as_deref(), most);
            likely *= (n as f64 / (listed as f64).max(1.0)).min(1.0);
            let cost = if sieves.is_empty() { 2.0 * n as f64 } else { n as f64 * (4.0 * SIEVE + 2.0 * part) };
            if n <= most && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, None));
            }
        }
        let steps = need.map_or(listed as f64, |need| (need as f64 * listed as f64 / likely.max(0.5)).min(listed as f64));
        let walk = if sieves.is_empty() { steps } else { steps * SIEVE + need.map_or(likely, |need| likely.min(need as f64)) };
        let slots = match (best.filter(|(cost, _)| *cost <= walk), clues.area) {
            (Some((_, Some(i))), _) => sieves.get(i).map(|(field, spans)| field.collect(spans)).unwrap_or_default(),
            (Some((_, None)), Some(area)) => self.places.near(area, clues.types.as_deref()),
            _ => return Plan::Walk(clues.types.clone().map_or(Candidates::All, Candidates::Types)),
        };
        let passes = |slot: &u32| sieves.iter().all(|(field, spans)| field.passes(spans, *slot));
        Plan::Gathered(slots.into_iter().filter(passes).filter_map(|s| self.slots.get(s).cloned()).collect())
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
        let outgrown: Vec<(Iri, u64)> = {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            for (id, next) in staged {
                state.set(id, next.clone());
            }
            state.fields.iter_mut().filter_map(|(attr, (field, _))| field.outgrown().then(|| (attr.clone(), field.serial))).collect()
        };
        for (attr, serial) in outgrown {
            let shared = self.0.clone();
            beside(move || rerank(&shared, &attr, serial));
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
            for (_, used) in clues.asks.iter().filter_map(|ask| s.fields.get(&ask.attr)) {
                used.fetch_add(1, Ordering::Relaxed);
            }
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
        let serial = self.0.serials.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.fields.contains_key(&attr) {
                return;
            }
            let held: usize = state.fields.values().map(|(f, _)| f.room()).sum();
            if held + state.slots.0.len() > ENTRIES && !state.fields.is_empty() {
                tracing::info!(attribute = %attr, "no index: all indexes of attributes together would be too large");
                return;
            }
            if state.fields.len() >= FIELDS {
                // The least used one makes room; what was used long ago counts ever less.
                let least = state.fields.iter().filter(|(_, (f, _))| f.ready).min_by_key(|(_, (_, used))| used.load(Ordering::Relaxed));
                let Some(least) = least.map(|(name, _)| name.clone()) else { return };
                state.fields.remove(&least);
                state.fields.values().for_each(|(_, used)| used.store(used.load(Ordering::Relaxed) / 2, Ordering::Relaxed));
            }
            state.fields.insert(attr.clone(), (Field::new(serial), AtomicU64::default()));
        }
        let shared = self.0.clone();
        beside(move || fill(&shared, &attr, serial));
    }

    /// Candidates beyond `from` (exclusive) in id order that no column rules out, up to `n` and as far as one goes at once.
    pub fn stretch(&self, candidates: &Candidates, asks: &[Ask], from: Option<&str>, order: Order, n: usize) -> Stretch {
        let ahead = |a: &Iri, b: &Iri| if order == Order::Up { a.cmp(b) } else { b.cmp(a) };
        let sifted = self.read(|s| {
            let sieves = s.sieves(asks);
            let types = match candidates {
                _ if sieves.is_empty() => return None,
                Candidates::Ids(_) => return None,
                Candidates::All => return Some(s.sift(&s.all, &sieves, from, order, n)),
                Candidates::Types(types) => types,
            };
            let mut all: Vec<Stretch> = types.iter().filter_map(|t| s.by_type.get(t)).map(|list| s.sift(list, &sieves, from, order, n)).collect();
            if all.len() < 2 {
                return Some(all.pop().unwrap_or_default());
            }
            // As far as all lists were walked.
            let at = all.iter().filter_map(|s| s.at.clone()).min_by(ahead);
            let seen = all.iter().map(|s| s.seen).sum();
            let mut found: Vec<_> = all.into_iter().flat_map(|s| s.found).filter(|e| at.as_ref().is_none_or(|at| ahead(&e.id, at).is_le())).collect();
            found.sort_by(|x, y| ahead(&x.id, &y.id));
            found.dedup_by(|x, y| x.id == y.id);
            Some(Stretch { found, at, seen })
        });
        sifted.unwrap_or_else(|| {
            let found = self.chunk(candidates, from, order, n);
            Stretch { at: found.last().map(|e| e.id.clone()), seen: found.len(), found }
        })
    }

    /// Up to `n` candidates beyond `from` (exclusive) in id order.
    pub fn chunk(&self, candidates: &Candidates, from: Option<&str>, order: Order, n: usize) -> Vec<Arc<Entity>> {
        self.read(|s| match candidates {
            Candidates::All => s.walk(&s.all, from, order, n),
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

/// Runs long work beside the rest.
fn beside(work: impl FnOnce() + Send + 'static) {
    if let Err(e) = std::thread::Builder::new().name("context-index".into()).spawn(work) {
        tracing::warn!(error = %e, "an index cannot be built");
    }
}

/// Reads the column of an attribute beside the work. Entities may change meanwhile: such changes are noted in the column
/// itself and count more than what was read here.
fn fill(shared: &Shared, attr: &Iri, serial: u64) {
    let mut read = Vec::new();
    loop {
        let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some((field, _)) = state.fields.get(attr).filter(|(f, _)| f.serial == serial) else { return };
        let Some(rest) = state.slots.0.get(read.len()..).filter(|r| !r.is_empty()) else { break };
        read.reserve(rest.len());
        read.extend(rest.iter().take(STEP).map(|entity| entity.as_ref().map_or(0, |e| field.code(attr, e))));
    }
    let ranking = Field::rank(&read);
    let mut state = shared.state.write().unwrap_or_else(PoisonError::into_inner);
    if let Some((field, _)) = state.fields.get_mut(attr).filter(|(f, _)| f.serial == serial) {
        field.complete(read, ranking);
    }
}

/// Ranks a column anew beside the work.
fn rerank(shared: &Shared, attr: &Iri, serial: u64) {
    let column = {
        let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
        state.fields.get(attr).filter(|(f, _)| f.serial == serial).map(|(f, _)| f.column())
    };
    let Some(ranking) = column.map(|c| Field::rank(&c)) else { return };
    let mut state = shared.state.write().unwrap_or_else(PoisonError::into_inner);
    if let Some((field, _)) = state.fields.get_mut(attr).filter(|(f, _)| f.serial == serial) {
        field.ranked(ranking);
    }
}

#[cfg(test)]
mod tests;
