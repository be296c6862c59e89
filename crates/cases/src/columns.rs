//! Every case in a few dozen bytes of memory: what statistics, the public map and the figures by commune are counted over.
//!
//! The database stays the truth. Before each answer the rows that were touched since are read again, so every node sees what
//! others did; a million cases take about 150 MB and are counted in some ten milliseconds.

use std::collections::HashMap;

use dothi_kernel::geo::BBox;
use dothi_kernel::rank::place;
use dothi_kernel::{Result, Timestamp};
use dothi_store::Store;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};
use uuid::Uuid;

use crate::tables_columns::{self, Touched};

/// Rows read at once.
const CHUNK: usize = 20_000;
/// A change may become visible so long after its time stamp, microseconds.
const SLACK: i64 = 10_000_000;
/// Rows of one answer.
const ROWS: usize = 200;

/// One case.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub opened: i64,
    /// None = not ended.
    pub closed: Option<i64>,
    pub due: i64,
    /// Working minutes used.
    pub used: u32,
    pub lon: f32,
    pub lat: f32,
    unit: u16,
    category: u16,
    area: u16,
    /// None = not rated.
    pub stars: Option<u8>,
    pub phase: u8,
    pub listed: bool,
    /// Counted like any other, shown on no map.
    pub private: bool,
    pub running: bool,
    pub stopped: bool,
    pub on_time: bool,
    pub reopened: bool,
    code: [u8; 13],
}

/// Names as small numbers.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    numbers: HashMap<String, u16>,
}

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name.to_string());
        self.numbers.insert(name.to_string(), number);
        number
    }

    fn name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }
}

/// Phases by their number in [`Line::phase`].
const PHASES: [&str; 5] = ["open", "working", "waiting", "solved", "unsolved"];
const SOLVED: u8 = 3;
const UNSOLVED: u8 = 4;

/// The cases, in the order they were met.
#[derive(Default)]
pub(crate) struct Columns {
    lines: Vec<Line>,
    at: HashMap<Uuid, u32>,
    units: Names,
    categories: Names,
    areas: Names,
    /// The latest change seen.
    since: i64,
}

/// The columns with the lock that lets one reader at a time bring them up to date.
#[derive(Default)]
pub(crate) struct Counted {
    columns: RwLock<Columns>,
    refreshing: Mutex<()>,
}

impl Counted {
    /// The columns as the database says now.
    pub async fn now(&self, store: &Store) -> Result<RwLockReadGuard<'_, Columns>> {
        let _one = self.refreshing.lock().await;
        let mut from = (self.columns.read().await.since - SLACK, String::new());
        loop {
            let rows = tables_columns::touched(store, &from, CHUNK).await?;
            let Some(last) = rows.last() else { break };
            from = (last.touched, last.id.to_string());
            let more = rows.len() == CHUNK;
            let mut columns = self.columns.write().await;
            rows.into_iter().for_each(|row| columns.put(row));
            drop(columns);
            if !more {
                break;
            }
        }
        Ok(self.columns.read().await)
    }
}

/// What rows are grouped by.
pub(crate) enum Group {
    All,
    Unit,
    Category,
    Area,
    /// Months: name and first instant of each, rising; the last entry ends the last month.
    Months(Vec<(String, Timestamp)>),
}

/// Which cases are counted: listed ones that came in within a span.
pub(crate) struct Span<'a> {
    pub from: Timestamp,
    pub to: Timestamp,
    pub unit: Option<&'a str>,
    pub category: Option<&'a str>,
    pub area: Option<&'a str>,
}

impl Span<'_> {
    /// All that came in within a time.
    pub fn of(from: Timestamp, to: Timestamp) -> Self {
        Span { from, to, unit: None, category: None, area: None }
    }
}

/// A row of statistics, before names are put to keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StatRecord {
    pub key: String,
    pub opened: i64,
    pub closed: i64,
    pub overdue: i64,
    pub on_time: i64,
    pub solved: i64,
    pub unsolved: i64,
    pub reopened: i64,
    pub rated: i64,
    pub satisfied: i64,
    pub stars: i64,
    pub median: Option<i64>,
    pub p90: Option<i64>,
    /// Working minutes of those that ended.
    used: Vec<u32>,
}

/// A symbol of the public map.
pub(crate) struct Spot<'a> {
    pub code: String,
    pub category: &'a str,
    pub phase: &'static str,
    pub lon: f64,
    pub lat: f64,
    pub overdue: bool,
}

/// What the public map asks for.
pub(crate) struct SpotQuery<'a> {
    pub bbox: Option<BBox>,
    pub category: Option<&'a str>,
    pub area: Option<&'a str>,
    pub phase: Option<&'a str>,
}

/// The percentile of a list, which need not be sorted for it.
fn percentile(used: &mut [u32], percent: u32) -> Option<i64> {
    let at = place(used.len(), percent)?;
    let (_, value, _) = used.select_nth_unstable(at);
    Some(i64::from(*value))
}

impl StatRecord {
    fn add(&mut self, line: &Line, now: i64) {
        let one = i64::from;
        let ended = line.closed.is_some();
        self.opened += 1;
        self.closed += one(ended);
        self.overdue += one(line.overdue(now) && !ended);
        self.on_time += one(ended && line.on_time);
        self.solved += one(ended && line.phase == SOLVED);
        self.unsolved += one(ended && line.phase == UNSOLVED);
        self.reopened += one(line.reopened);
        self.rated += one(line.stars.is_some());
        self.satisfied += one(line.stars.is_some_and(|s| s >= 4));
        self.stars += line.stars.map_or(0, i64::from);
        if ended {
            self.used.push(line.used);
        }
    }

    fn rank(&mut self) {
        self.median = percentile(&mut self.used, 50);
        self.p90 = percentile(&mut self.used, 90);
        self.used = Vec::new();
    }
}

impl Line {
    fn overdue(&self, now: i64) -> bool {
        !self.stopped && self.running && self.due < now
    }
}

impl Columns {
    fn put(&mut self, row: Touched) {
        let mut code = [0; 13];
        code.iter_mut().zip(row.code.bytes()).for_each(|(to, from)| *to = from);
        let line = Line {
            opened: row.opened,
            closed: row.closed,
            due: row.due,
            used: row.used,
            lon: row.place.map_or(f32::NAN, |p| p.0 as f32),
            lat: row.place.map_or(f32::NAN, |p| p.1 as f32),
            unit: self.units.number(&row.unit),
            category: self.categories.number(&row.category),
            area: self.areas.number(&row.area),
            stars: row.stars,
            phase: PHASES.iter().position(|p| *p == row.phase).and_then(|p| u8::try_from(p).ok()).unwrap_or(0),
            listed: row.listed,
            private: row.private,
            running: row.running,
            stopped: row.stopped,
            on_time: row.on_time,
            reopened: row.reopened,
            code,
        };
        self.since = self.since.max(row.touched);
        match self.at.get(&row.id).and_then(|at| self.lines.get_mut(*at as usize)) {
            Some(known) => *known = line,
            None => {
                self.at.insert(row.id, u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
                self.lines.push(line);
            }
        }
    }

    /// Listed cases of a span.
    fn within<'a>(&'a self, span: &Span<'_>) -> impl Iterator<Item = &'a Line> {
        let (from, to) = (span.from.as_microsecond(), span.to.as_microsecond());
        // A name that nobody has met has no number, and nothing carries that one.
        let wanted = |names: &Names, name: Option<&str>| name.map(|n| names.numbers.get(n).copied().unwrap_or(u16::MAX));
        let (unit, category, area) = (wanted(&self.units, span.unit), wanted(&self.categories, span.category), wanted(&self.areas, span.area));
        self.lines.iter().filter(move |l| {
            l.listed
                && (from..to).contains(&l.opened)
                && unit.is_none_or(|n| n == l.unit)
                && category.is_none_or(|n| n == l.category)
                && area.is_none_or(|n| n == l.area)
        })
    }

    /// Statistics of a span, most reports first.
    pub fn stats(&self, group: &Group, span: &Span<'_>, now: Timestamp) -> Vec<StatRecord> {
        let now = now.as_microsecond();
        let names = match group {
            Group::Unit => self.units.names.clone(),
            Group::Category => self.categories.names.clone(),
            Group::Area => self.areas.names.clone(),
            Group::All => vec![String::new()],
            Group::Months(months) => months.iter().take(months.len().saturating_sub(1)).map(|m| m.0.clone()).collect(),
        };
        let mut records: Vec<StatRecord> = names.into_iter().map(|key| StatRecord { key, ..StatRecord::default() }).collect();
        for line in self.within(span) {
            let at = match group {
                Group::Unit => usize::from(line.unit),
                Group::Category => usize::from(line.category),
                Group::Area => usize::from(line.area),
                Group::All => 0,
                Group::Months(months) => months.partition_point(|m| m.1.as_microsecond() <= line.opened).saturating_sub(1),
            };
            if let Some(record) = records.get_mut(at) {
                record.add(line, now);
            }
        }
        records.retain(|r| r.opened > 0);
        records.iter_mut().for_each(StatRecord::rank);
        records.sort_by(|a, b| b.opened.cmp(&a.opened).then_with(|| a.key.cmp(&b.key)));
        records.truncate(ROWS);
        records
    }

    /// Reports by commune within a span; every commune that has any.
    pub fn by_area(&self, span: &Span<'_>) -> Vec<(&str, i64)> {
        let mut counts = vec![0i64; self.areas.names.len()];
        self.within(span).for_each(|l| counts[usize::from(l.area)] += 1);
        self.areas.names.iter().map(String::as_str).zip(counts).filter(|(_, n)| *n > 0).collect()
    }

    /// Cells of `size` degrees with the reports in them, most first.
    pub fn heat(&self, span: &Span<'_>, bbox: Option<BBox>, size: f64, most: usize) -> Vec<(f64, f64, i64)> {
        let mut cells: HashMap<(i32, i32), i64> = HashMap::new();
        let inside = |l: &&Line| l.lon.is_finite() && !l.private && bbox.is_none_or(|b| within(b, l));
        for line in self.within(span).filter(inside) {
            let cell = |v: f32| (f64::from(v) / size).floor() as i32;
            *cells.entry((cell(line.lon), cell(line.lat))).or_default() += 1;
        }
        let middle = |n: i32| (f64::from(n) + 0.5) * size;
        let mut cells: Vec<(f64, f64, i64)> = cells.into_iter().map(|((x, y), n)| (middle(x), middle(y), n)).collect();
        cells.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.total_cmp(&b.0)).then(a.1.total_cmp(&b.1)));
        cells.truncate(most);
        cells
    }

    /// Symbols of the public map, newest first.
    pub fn spots(&self, query: &SpotQuery<'_>, now: Timestamp, most: usize) -> Vec<Spot<'_>> {
        let span = Span { category: query.category, area: query.area, ..Span::of(Timestamp::MIN, Timestamp::MAX) };
        let phase = query.phase.map(|p| PHASES.iter().position(|known| *known == p).and_then(|p| u8::try_from(p).ok()).unwrap_or(u8::MAX));
        let fits = |l: &&Line| l.lon.is_finite() && !l.private && phase.is_none_or(|p| p == l.phase) && query.bbox.is_none_or(|b| within(b, l));
        let mut found: Vec<&Line> = self.within(&span).filter(fits).collect();
        if found.len() > most {
            found.select_nth_unstable_by(most, |a, b| b.opened.cmp(&a.opened));
            found.truncate(most);
        }
        found.sort_by(|a, b| b.opened.cmp(&a.opened).then(a.code.cmp(&b.code)));
        let now = now.as_microsecond();
        let spots = found.into_iter().map(|l| Spot {
            code: String::from_utf8_lossy(&l.code).trim_end_matches('\0').to_string(),
            category: self.categories.name(l.category),
            phase: PHASES[usize::from(l.phase)],
            lon: f64::from(l.lon),
            lat: f64::from(l.lat),
            overdue: l.overdue(now),
        });
        spots.collect()
    }
}

fn within(b: BBox, l: &Line) -> bool {
    let (lon, lat) = (f64::from(l.lon), f64::from(l.lat));
    lon >= b.west && lon <= b.east && lat >= b.south && lat <= b.north
}
