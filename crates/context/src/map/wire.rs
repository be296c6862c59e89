//! The wire format of the map, version 1: columns of variable-length integers, made to be small after gzip and quick to
//! read into typed arrays. `docs/features/map.md` describes it; golden files hold it still.

use super::sheet::{Cell, Line, Sheet, Words};
use crate::leb::Leb;

/// First bytes of every answer.
const MAGIC: &[u8; 4] = b"DTM1";
/// What follows.
const SNAPSHOT: u8 = 1;
const CHANGES: u8 = 2;
const FRAMES: u8 = 3;

/// Bytes under construction.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn begin(kind: u8, epoch: u64, version: u64, digits: u8, words: &Words) -> Self {
        let mut out = Self(Vec::with_capacity(1 << 12));
        out.0.extend_from_slice(MAGIC);
        out.0.push(kind);
        out.0.unsigned(epoch);
        out.0.unsigned(version);
        out.0.push(digits);
        out.0.unsigned(words.0.len() as u64);
        for word in &words.0 {
            out.0.text(word);
        }
        out
    }

    /// Ids, each without what it shares with the one before.
    fn ids<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        let mut before: &[u8] = b"";
        for id in ids {
            let id = id.as_bytes();
            let shared = before.iter().zip(id).take_while(|(a, b)| a == b).count();
            self.0.unsigned(shared as u64);
            self.0.unsigned((id.len() - shared) as u64);
            self.0.extend_from_slice(&id[shared..]);
            before = id;
        }
    }

    /// Flags, coordinates and values of rows, column after column.
    fn columns<'a>(&mut self, lines: impl Iterator<Item = &'a Line> + Clone) {
        for line in lines.clone() {
            let kind = match line.cell {
                Cell::None => 0,
                Cell::Number(_) => 1,
                Cell::Word(_) => 2,
            };
            self.0.push(line.state | kind << 2 | u8::from(line.gone) << 4 | u8::from(line.doubtful) << 5);
        }
        for axis in [|l: &Line| l.lon, |l: &Line| l.lat] {
            let mut before = 0;
            for line in lines.clone() {
                self.0.signed(i64::from(axis(line)) - before);
                before = i64::from(axis(line));
            }
        }
        for line in lines {
            match line.cell {
                Cell::None => {}
                Cell::Number(n) => self.0.signed(n),
                Cell::Word(n) => self.0.unsigned(u64::from(n)),
            }
        }
    }
}

/// Everything.
pub(crate) fn snapshot(sheet: &Sheet) -> Vec<u8> {
    let mut out = Out::begin(SNAPSHOT, sheet.epoch, sheet.version, sheet.digits, &sheet.words);
    out.0.unsigned(sheet.lines.len() as u64);
    out.ids(sheet.lines.iter().map(|l| &*l.id));
    out.columns(sheet.lines.iter());
    out.0
}

/// What changed since a version; none when that is no less than everything.
pub(crate) fn changes(sheet: &Sheet, since: u64) -> Option<Vec<u8>> {
    let known = sheet.known(since);
    let (old, new) = sheet.lines.split_at(known);
    let count = old.iter().filter(|l| l.changed > since).count();
    if since > sheet.version || (count + new.len()) * 2 > sheet.lines.len().max(64) {
        return None;
    }
    let mut out = Out::begin(CHANGES, sheet.epoch, sheet.version, sheet.digits, &sheet.words);
    out.0.unsigned(since);
    out.0.unsigned(known as u64);
    out.0.unsigned(new.len() as u64);
    out.0.unsigned(count as u64);
    let changed = old.iter().enumerate().filter(|(_, l)| l.changed > since);
    let mut next = 0;
    for (n, _) in changed.clone() {
        out.0.unsigned((n - next) as u64);
        next = n + 1;
    }
    out.ids(new.iter().map(|l| &*l.id));
    out.columns(changed.map(|(_, l)| l).chain(new));
    Some(out.0)
}

/// One moment of the past: what changed against the moment before, by row.
pub(crate) type Frame = Vec<(u32, Cell)>;

/// Moments of the past. `rows` is how many rows the numbers are of; times in milliseconds.
pub(crate) fn frames(sheet: (u64, u64, usize), digits: u8, words: &Words, times: (i64, i64), frames: &[Frame]) -> Vec<u8> {
    let (epoch, version, rows) = sheet;
    let mut out = Out::begin(FRAMES, epoch, version, digits, words);
    out.0.unsigned(rows as u64);
    out.0.unsigned(frames.len() as u64);
    out.0.signed(times.0);
    out.0.signed(times.1);
    let mut numbers = vec![0i64; rows];
    for frame in frames {
        out.0.unsigned(frame.len() as u64);
        let mut next = 0;
        for (row, _) in frame {
            out.0.unsigned(u64::from(row - next));
            next = row + 1;
        }
        for (_, cell) in frame {
            out.0.push(match cell {
                Cell::None => 0,
                Cell::Number(_) => 1,
                Cell::Word(_) => 2,
            });
        }
        for (row, cell) in frame {
            match cell {
                Cell::None => {}
                Cell::Number(n) => {
                    // Mostly near the last number of the same thing.
                    let before = &mut numbers[*row as usize];
                    out.0.signed(n - *before);
                    *before = *n;
                }
                Cell::Word(n) => out.0.unsigned(u64::from(*n)),
            }
        }
    }
    out.0
}
