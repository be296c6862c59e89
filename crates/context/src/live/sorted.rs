//! Entities in the order of their ids, four bytes each.

use std::sync::Arc;

use crate::model::Entity;

/// Longest run; a full one is split.
const RUN: usize = 512;

/// All entities by number. A number stays with an entity as long as it lives.
#[derive(Default)]
pub struct Slots(pub Vec<Option<Arc<Entity>>>);

impl Slots {
    /// An entity by its number.
    pub fn get(&self, slot: u32) -> Option<&Arc<Entity>> {
        self.0.get(slot as usize)?.as_ref()
    }

    /// Its id.
    pub fn id(&self, slot: u32) -> &str {
        self.get(slot).map_or("", |e| &e.id)
    }
}

/// Numbers of entities in the order of their ids, in runs.
#[derive(Debug, Default)]
pub struct Sorted {
    runs: Vec<Vec<u32>>,
    len: usize,
}

impl Sorted {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds one whose id comes after all that are there.
    pub fn push_last(&mut self, slot: u32) {
        match self.runs.last_mut() {
            Some(run) if run.len() < RUN * 3 / 4 => run.push(slot),
            _ => self.runs.push(vec![slot]),
        }
        self.len += 1;
    }

    /// Run and place of the first whose id is not before `id`.
    fn place(&self, id: &str, slots: &Slots) -> (usize, usize) {
        // Indexes are built in the order of ids.
        if self.runs.last().and_then(|r| r.last()).is_some_and(|s| slots.id(*s) < id) {
            return (self.runs.len(), 0);
        }
        let run = self.runs.partition_point(|r| r.last().is_some_and(|s| slots.id(*s) < id));
        (run, self.runs.get(run).map_or(0, |r| r.partition_point(|s| slots.id(*s) < id)))
    }

    /// Adds an entity; false when it was there.
    pub fn insert(&mut self, slot: u32, slots: &Slots) -> bool {
        let (at, place) = self.place(slots.id(slot), slots);
        if self.runs.get(at).and_then(|r| r.get(place)) == Some(&slot) {
            return false;
        }
        if at == self.runs.len() {
            self.push_last(slot);
            return true;
        }
        let run = &mut self.runs[at];
        run.insert(place, slot);
        if run.len() > RUN {
            let rest = run.split_off(RUN / 2);
            self.runs.insert(at + 1, rest);
        }
        self.len += 1;
        true
    }

    /// Takes an entity out; false when it was not there.
    pub fn remove(&mut self, slot: u32, slots: &Slots) -> bool {
        let (at, place) = self.place(slots.id(slot), slots);
        if self.runs.get(at).and_then(|r| r.get(place)) != Some(&slot) {
            return false;
        }
        self.runs[at].remove(place);
        if self.runs[at].is_empty() {
            self.runs.remove(at);
        }
        self.len -= 1;
        true
    }

    /// Numbers in order of ids beyond `from` (exclusive).
    pub fn up<'a>(&'a self, from: Option<&str>, slots: &Slots) -> impl Iterator<Item = u32> + use<'a> {
        let (at, mut place) = from.map_or((0, 0), |f| self.place(f, slots));
        if let (Some(from), Some(slot)) = (from, self.runs.get(at).and_then(|r| r.get(place)))
            && slots.id(*slot) == from
        {
            place += 1;
        }
        self.runs.get(at..).into_iter().flatten().enumerate().flat_map(move |(i, run)| run[if i == 0 { place.min(run.len()) } else { 0 }..].iter().copied())
    }

    /// Numbers in falling order of ids before `from` (exclusive).
    pub fn down<'a>(&'a self, from: Option<&str>, slots: &Slots) -> impl Iterator<Item = u32> + use<'a> {
        let (at, place) = from.map_or((self.runs.len(), 0), |f| self.place(f, slots));
        let first = self.runs.get(at).map_or(&[][..], |r| &r[..place]);
        first.iter().rev().copied().chain(self.runs[..at].iter().rev().flat_map(|run| run.iter().rev().copied()))
    }
}
