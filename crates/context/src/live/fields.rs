//! Indexes of attributes' values. They hold for every entity that might pass a condition, never fewer; the exact
//! condition is asked afterwards.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::sorted::{Slots, Sorted};
use crate::model::{Entity, Iri, find};
use crate::val::Look;

/// Values of one attribute of one entity that are indexed; an entity with more is a candidate of every condition.
const VALUES: usize = 64;

/// A condition that an index can answer: any of these values of the attribute.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Attribute, expanded.
    pub attr: Iri,
    /// Values.
    pub any: Vec<Wanted>,
}

/// Values of a condition.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Numbers from, to, both inclusive.
    Numbers(f64, f64),
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Number(u64),
    Word(u64),
}

enum Posting {
    One(u32),
    Many(Box<Sorted>),
}

impl Posting {
    fn len(&self) -> usize {
        match self {
            Posting::One(_) => 1,
            Posting::Many(many) => many.len(),
        }
    }

    fn collect(&self, slots: &Slots, out: &mut Vec<u32>) {
        match self {
            Posting::One(slot) => out.push(*slot),
            Posting::Many(many) => out.extend(many.up(None, slots)),
        }
    }

    fn insert(&mut self, slot: u32, slots: &Slots) -> bool {
        match self {
            Posting::One(one) if *one == slot => false,
            Posting::One(one) => {
                let mut many = Sorted::default();
                many.insert(*one, slots);
                many.insert(slot, slots);
                *self = Posting::Many(Box::new(many));
                true
            }
            Posting::Many(many) => many.insert(slot, slots),
        }
    }

    /// Whether it was there, and whether nothing is left.
    fn remove(&mut self, slot: u32, slots: &Slots) -> (bool, bool) {
        match self {
            Posting::One(one) => (*one == slot, *one == slot),
            Posting::Many(many) => (many.remove(slot, slots), many.len() == 0),
        }
    }
}

/// The index of one attribute.
#[derive(Default)]
pub struct Field {
    /// Whether it holds all entities yet.
    pub ready: bool,
    /// Values held.
    pub entries: usize,
    numbers: BTreeMap<u64, Posting>,
    words: HashMap<u64, Posting>,
    /// Entities with too many values.
    rest: Sorted,
    hasher: DefaultHashBuilder,
}

/// A number as one that is ordered the same way.
fn ordered(n: f64) -> u64 {
    let bits = (n + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

impl Field {
    fn word(&self, look: &Look<'_>) -> Option<Key> {
        match look {
            Look::Text(text) => Some(Key::Word(self.hasher.hash_one(text))),
            Look::Bool(b) => Some(Key::Word(self.hasher.hash_one(b))),
            Look::Number(n) => Some(Key::Number(ordered(*n))),
            _ => None,
        }
    }

    /// Keys of an entity; none when there are too many.
    fn keys(&self, attr: &str, entity: &Entity) -> Option<Vec<Key>> {
        let mut keys = Vec::new();
        for instance in find(&entity.attrs, attr).unwrap_or_default() {
            crate::q::scalars(instance, &mut |look| {
                if keys.len() <= VALUES {
                    keys.extend(self.word(&look).filter(|k| !keys.contains(k)));
                }
            });
        }
        (keys.len() <= VALUES).then_some(keys)
    }

    /// Adds an entity; nothing happens when it is there.
    pub fn insert(&mut self, attr: &str, slot: u32, entity: &Entity, slots: &Slots) {
        let Some(keys) = self.keys(attr, entity) else {
            self.entries += usize::from(self.rest.insert(slot, slots));
            return;
        };
        for key in keys {
            let mut new = false;
            let fresh = || {
                new = true;
                Posting::One(slot)
            };
            let posting = match key {
                Key::Number(n) => self.numbers.entry(n).or_insert_with(fresh),
                Key::Word(w) => self.words.entry(w).or_insert_with(fresh),
            };
            self.entries += usize::from(posting.insert(slot, slots) || new);
        }
    }

    /// Takes an entity out, as it was put in.
    pub fn remove(&mut self, attr: &str, slot: u32, entity: &Entity, slots: &Slots) {
        let Some(keys) = self.keys(attr, entity) else {
            self.entries -= usize::from(self.rest.remove(slot, slots));
            return;
        };
        for key in keys {
            let posting = match key {
                Key::Number(n) => self.numbers.get_mut(&n),
                Key::Word(w) => self.words.get_mut(&w),
            };
            let (gone, empty) = posting.map_or((false, false), |p| p.remove(slot, slots));
            self.entries -= usize::from(gone);
            match key {
                Key::Number(n) if empty => drop(self.numbers.remove(&n)),
                Key::Word(w) if empty => drop(self.words.remove(&w)),
                _ => {}
            }
        }
    }

    fn postings<'a, 'b>(&'a self, ask: &'b Ask) -> impl Iterator<Item = &'a Posting> + use<'a, 'b> {
        ask.any.iter().flat_map(move |wanted| {
            let (low, high, key) = match wanted {
                Wanted::Numbers(low, high) if low <= high => (ordered(*low), ordered(*high), None),
                Wanted::Numbers(..) => (1, 1, None),
                Wanted::Text(text) => (1, 1, self.word(&Look::Text(text))),
                Wanted::Bool(b) => (1, 1, self.word(&Look::Bool(*b))),
            };
            let word = match key {
                Some(Key::Word(w)) => self.words.get(&w),
                _ => None,
            };
            self.numbers.range(low..=high).map(|(_, p)| p).chain(word)
        })
    }

    /// How many entities may pass; stops to count beyond `most`.
    pub fn estimate(&self, ask: &Ask, most: usize) -> usize {
        let mut n = self.rest.len();
        for posting in self.postings(ask) {
            n += posting.len();
            if n > most {
                break;
            }
        }
        n
    }

    /// Entities that may pass, in no order, perhaps some twice.
    pub fn collect(&self, ask: &Ask, slots: &Slots) -> Vec<u32> {
        let mut out: Vec<u32> = self.rest.up(None, slots).collect();
        self.postings(ask).for_each(|p| p.collect(slots, &mut out));
        out
    }

    /// The list of the only value asked for, in the order of ids; none when there is no such single list.
    pub fn list(&self, ask: &Ask) -> Option<&Sorted> {
        let range = |wanted: &Wanted| matches!(wanted, Wanted::Numbers(low, high) if low < high);
        if self.rest.len() > 0 || ask.any.iter().any(range) {
            return None;
        }
        let mut postings = self.postings(ask);
        match (postings.next(), postings.next()) {
            (Some(Posting::Many(many)), None) => Some(many),
            _ => None,
        }
    }
}
