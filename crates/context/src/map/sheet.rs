//! A layer as it is now, in columns: what a screen needs of each thing to draw it, and since when it is so.
//!
//! A thing keeps its row for as long as the sheet lives; versions count changes. A screen that knows the sheet up to a
//! version needs only the rows changed since. There is no log to outgrow: whatever a screen missed, it is a set of rows.

use std::collections::HashMap;

use crate::model::Iri;

/// Degrees per unit of coordinates: a metre.
pub(crate) const SCALE: f64 = 1e5;
/// Different words of a layer; what is beyond has no value.
const WORDS: usize = 250;
/// Rows of things that are gone, from which on the sheet is made anew when they are a quarter of all.
const GONE: usize = 1_000;
/// Numbers are exact up to here on the wire.
const EXACT: f64 = 4_503_599_627_370_496.0;

/// What is known of a thing at one look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub lon: f64,
    pub lat: f64,
    pub value: Option<Shown>,
    pub state: u8,
    pub doubtful: bool,
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    Number(f64),
    Word(String),
}

/// A value as it goes out: a number without its decimal point, or the number of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cell {
    #[default]
    None,
    Number(i64),
    Word(u32),
}

/// Words by number.
#[derive(Debug, Default, Clone)]
pub(crate) struct Words(pub Vec<String>);

impl Words {
    /// The cell of a value with so many decimals.
    pub fn cell(&mut self, value: Option<&Shown>, digits: u8) -> Cell {
        match value {
            None => Cell::None,
            Some(Shown::Number(x)) => {
                let scaled = (x * 10f64.powi(i32::from(digits))).round();
                // What is not a number fails this too.
                if scaled.abs() <= EXACT { Cell::Number(scaled as i64) } else { Cell::None }
            }
            Some(Shown::Word(word)) => match self.0.iter().position(|w| w == word) {
                Some(n) => Cell::Word(n as u32),
                None if self.0.len() < WORDS => {
                    self.0.push(word.clone());
                    Cell::Word(self.0.len() as u32 - 1)
                }
                None => Cell::None,
            },
        }
    }
}

/// A thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub id: Iri,
    pub lon: i32,
    pub lat: i32,
    pub cell: Cell,
    /// 0 heard of in time, 1 silent, 2 unknown.
    pub state: u8,
    pub doubtful: bool,
    pub gone: bool,
    /// Version since which the row is there, and that of its last change.
    pub born: u64,
    pub changed: u64,
    /// The look at which it was last seen.
    look: u64,
}

/// All things of a layer.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Tells this sheet from those before it.
    pub epoch: u64,
    pub version: u64,
    pub digits: u8,
    pub words: Words,
    /// In the order of `born`.
    pub lines: Vec<Line>,
    index: HashMap<Iri, u32>,
    look: u64,
    gone: usize,
}

impl Sheet {
    pub fn new(epoch: u64, digits: u8) -> Self {
        Self { epoch, version: 0, digits, words: Words::default(), lines: Vec::new(), index: HashMap::new(), look: 0, gone: 0 }
    }

    /// Whether so much is gone that a new sheet is better.
    pub fn worn(&self) -> bool {
        self.gone > GONE && self.gone * 4 > self.lines.len()
    }

    /// Takes over what is there now. Things come in any order; the order of the sheet is the cheapest.
    pub fn look(&mut self, things: impl IntoIterator<Item = (Iri, Seen)>) {
        self.look += 1;
        let next = self.version + 1;
        let (mut changed, mut expected) = (false, 0usize);
        for (id, seen) in things {
            let at = match self.lines.get(expected) {
                Some(line) if line.id == id => Some(expected),
                _ => self.index.get(&id).map(|n| *n as usize),
            };
            let cell = self.words.cell(seen.value.as_ref(), self.digits);
            let (lon, lat) = ((seen.lon * SCALE).round() as i32, (seen.lat * SCALE).round() as i32);
            let Some(at) = at else {
                self.index.insert(id.clone(), self.lines.len() as u32);
                let Seen { state, doubtful, .. } = seen;
                self.lines.push(Line { id, lon, lat, cell, state, doubtful, gone: false, born: next, changed: next, look: self.look });
                expected = self.lines.len();
                changed = true;
                continue;
            };
            let line = &mut self.lines[at];
            line.look = self.look;
            expected = at + 1;
            if (line.lon, line.lat, line.cell, line.state, line.doubtful, line.gone) != (lon, lat, cell, seen.state, seen.doubtful, false) {
                self.gone -= usize::from(line.gone);
                (line.lon, line.lat, line.cell, line.state, line.doubtful, line.gone) = (lon, lat, cell, seen.state, seen.doubtful, false);
                line.changed = next;
                changed = true;
            }
        }
        for line in self.lines.iter_mut().filter(|l| l.look != self.look && !l.gone) {
            // A row without a thing carries nothing of it.
            (line.cell, line.state, line.doubtful, line.gone, line.changed) = (Cell::None, 0, false, true, next);
            self.gone += 1;
            changed = true;
        }
        if changed {
            self.version = next;
        }
    }

    /// Rows that a screen at this version has.
    pub fn known(&self, version: u64) -> usize {
        self.lines.partition_point(|l| l.born <= version)
    }
}
