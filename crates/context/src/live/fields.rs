//! Columns of attributes' values: what every entity has under an attribute, in eight bytes. Conditions are asked of these
//! before an entity is looked at at all. They let through every entity that might pass, never fewer; the exact condition
//! is asked afterwards.

use std::hash::BuildHasher;
use std::ops::RangeInclusive;

use hashbrown::{DefaultHashBuilder, HashSet};

use crate::model::{Entity, Iri, find};
use crate::val::Look;

/// Changes since a column was sorted that do not matter yet, and the part of its length that does not.
const STALE: usize = if cfg!(test) { 8 } else { 2_000 };
const STALE_PART: usize = 8;

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

/// What stands in a column: numbers in their order, words by a hash in the room that no number takes, and two marks.
type Code = u64;

/// Codes that a condition lets through.
pub type Spans = Vec<RangeInclusive<Code>>;

/// No value.
const NONE: Code = 0;
/// Several values: nothing can be said without looking at the entity.
const SEVERAL: Code = Code::MAX;
/// Words are above all numbers.
const WORDS: Code = 0xfff8 << 48;

/// A number as one that is ordered the same way.
fn ordered(n: f64) -> Code {
    let bits = (n + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// Entities with one value in the order of their values, as they were at some time.
#[derive(Default)]
pub struct Ranking {
    codes: Vec<Code>,
    slots: Vec<u32>,
}

impl Ranking {
    fn of(column: &[Code]) -> Self {
        let mut pairs: Vec<(Code, u32)> = (0u32..).zip(column).filter(|(_, c)| !matches!(**c, NONE | SEVERAL)).map(|(slot, code)| (*code, slot)).collect();
        pairs.sort_unstable();
        Self { codes: pairs.iter().map(|(code, _)| *code).collect(), slots: pairs.iter().map(|(_, slot)| *slot).collect() }
    }

    fn within(&self, span: &RangeInclusive<Code>) -> &[u32] {
        let from = self.codes.partition_point(|c| c < span.start());
        let to = self.codes.partition_point(|c| c <= span.end());
        self.slots.get(from..to).unwrap_or_default()
    }
}

/// The column of one attribute.
#[derive(Default)]
pub struct Field {
    /// Whether it holds all entities yet.
    pub ready: bool,
    /// Tells it from one of the same attribute before or after it.
    pub serial: u64,
    column: Vec<Code>,
    several: HashSet<u32>,
    ranking: Ranking,
    /// Entities whose value is another than in the ranking.
    changed: HashSet<u32>,
    /// The same for the ranking that is being made.
    since: Option<HashSet<u32>>,
    hasher: DefaultHashBuilder,
}

impl Field {
    /// An empty column.
    pub fn new(serial: u64) -> Self {
        Self { serial, ..Self::default() }
    }

    fn word(&self, word: impl std::hash::Hash) -> Code {
        // 51 bits, and never the mark of several.
        (WORDS | self.hasher.hash_one(word) >> 13).min(SEVERAL - 1)
    }

    /// What stands for an entity.
    pub fn code(&self, attr: &str, entity: &Entity) -> u64 {
        let mut code = NONE;
        for instance in find(&entity.attrs, attr).unwrap_or_default() {
            crate::q::scalars(instance, &mut |look| {
                let one = match look {
                    Look::Text(text) => self.word(text),
                    Look::Bool(b) => self.word(b),
                    Look::Number(n) => ordered(n),
                    _ => return,
                };
                code = if matches!(code, NONE) || code == one { one } else { SEVERAL };
            });
        }
        code
    }

    /// How many entities it has room for.
    pub fn room(&self) -> usize {
        self.column.len()
    }

    fn put(&mut self, slot: u32, code: Code) {
        let at = slot as usize;
        if at >= self.column.len() {
            self.column.resize(at + 1, NONE);
        }
        self.column[at] = code;
        if code == SEVERAL {
            self.several.insert(slot);
        } else if !self.several.is_empty() {
            self.several.remove(&slot);
        }
    }

    /// Sets what an entity has now.
    pub fn set(&mut self, slot: u32, attr: &str, entity: Option<&Entity>) {
        let code = entity.map_or(NONE, |e| self.code(attr, e));
        self.put(slot, code);
        self.changed.insert(slot);
        if let Some(since) = &mut self.since {
            since.insert(slot);
        }
    }

    /// Takes over what was read of all entities while they could change; what did change is known better here.
    pub fn complete(&mut self, read: Vec<u64>, ranking: Ranking) {
        let own = std::mem::replace(&mut self.column, read);
        if self.column.len() < own.len() {
            self.column.resize(own.len(), NONE);
        }
        self.several = (0u32..).zip(&self.column).filter(|(_, c)| **c == SEVERAL).map(|(slot, _)| slot).collect();
        for slot in std::mem::take(&mut self.changed) {
            let code = own.get(slot as usize).copied().unwrap_or(NONE);
            self.put(slot, code);
            self.changed.insert(slot);
        }
        (self.ranking, self.ready) = (ranking, true);
    }

    /// The ranking of a column.
    pub fn rank(column: &[u64]) -> Ranking {
        Ranking::of(column)
    }

    /// Whether the ranking is so old that it should be made anew; says so once.
    pub fn outgrown(&mut self) -> bool {
        let stale = self.ready && self.since.is_none() && self.changed.len() > STALE.max(self.column.len() / STALE_PART);
        if stale {
            self.since = Some(HashSet::new());
        }
        stale
    }

    /// The column, to rank it beside the work.
    pub fn column(&self) -> Vec<u64> {
        self.column.clone()
    }

    /// Takes over a ranking of the column as it was after [`Field::outgrown`] said so.
    pub fn ranked(&mut self, ranking: Ranking) {
        if let Some(since) = self.since.take() {
            (self.ranking, self.changed) = (ranking, since);
        }
    }

    /// Codes that a condition lets through.
    pub fn spans(&self, ask: &Ask) -> Spans {
        let span = |wanted: &Wanted| match wanted {
            Wanted::Numbers(low, high) => ordered(*low)..=ordered(*high),
            Wanted::Text(text) => self.word(text.as_str())..=self.word(text.as_str()),
            Wanted::Bool(b) => self.word(b)..=self.word(b),
        };
        ask.any.iter().map(span).collect()
    }

    /// Whether an entity may pass.
    pub fn passes(&self, spans: &Spans, slot: u32) -> bool {
        let code = self.column.get(slot as usize).copied().unwrap_or(NONE);
        code == SEVERAL || spans.iter().any(|span| span.contains(&code))
    }

    /// About how many entities may pass.
    pub fn estimate(&self, spans: &Spans) -> usize {
        self.several.len() + self.changed.len() + spans.iter().map(|span| self.ranking.within(span).len()).sum::<usize>()
    }

    /// Entities that may pass, in no order, perhaps some twice, and others.
    pub fn collect(&self, spans: &Spans) -> Vec<u32> {
        let ranked = spans.iter().flat_map(|span| self.ranking.within(span));
        ranked.chain(&self.several).chain(&self.changed).copied().collect()
    }
}
