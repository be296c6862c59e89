//! What is usual at an hour of the week, what the next hour brings, and speeds that are not measured: plain functions of numbers.
//!
//! The usual of an hour of the week is the median of all buckets seen in it; what lies between the middles of two hours is drawn in a
//! straight line, and the spread is the median distance from that line (× 1.4826, so that it reads like a standard deviation). Medians
//! do not mind a few incidents or a broken detector. A public holiday on a working weekday counts as a Sunday.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::rank::median;
use dothi_kernel::time::micros;
use serde::{Deserialize, Serialize};

/// Hours of a week.
pub const SLOTS: usize = 168;
const HOUR: i64 = 3_600_000_000;
/// Turns a median distance into what a standard deviation would be.
const NORMAL: f64 = 1.4826;

/// A value at an instant (µs).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When.
    pub t: i64,
    /// What.
    pub value: f64,
}

/// What is usual at each hour of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// Medians.
    pub median: Vec<f32>,
    /// Spreads about the line between them.
    pub spread: Vec<f32>,
    /// On how many days the hour was seen.
    pub days: Vec<u16>,
}

/// How well the next hour was foretold on days that were not looked at before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Skill {
    /// Share of a deviation that is still there an hour later.
    pub keep: f64,
    /// Mean error.
    pub error: f64,
    /// Mean error of "as it is now".
    pub error_last: f64,
    /// Mean error of "as a week ago".
    pub error_week: f64,
    /// Instants compared.
    pub n: u32,
}

impl Skill {
    /// Whether it is worth showing: nearer than both naive words.
    pub fn helps(&self) -> bool {
        self.n > 0 && self.error < self.error_last && self.error < self.error_week
    }
}

/// The hour of the week, 0 = Monday at midnight, of an instant; and the local day, for counting days.
pub fn slot(calendar: &WorkCalendar, t: i64) -> (usize, i32) {
    let local = calendar.zone().to_datetime(micros(t));
    let date = local.date();
    let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
    let day = if weekday < 5 && !calendar.is_working(date) { 6 } else { weekday };
    let number = i32::from(date.year()) * 400 + i32::from(date.day_of_year());
    (day * 24 + usize::try_from(local.hour()).unwrap_or(0), number)
}

/// The hours whose middles lie before and after an instant, and how far it is from the first (0 to 1).
fn between(calendar: &WorkCalendar, t: i64) -> (usize, usize, f64) {
    let before = (t - HOUR / 2).div_euclid(HOUR) * HOUR;
    let share = (t - HOUR / 2 - before) as f64 / HOUR as f64;
    (slot(calendar, before).0, slot(calendar, before + HOUR).0, share)
}

impl Usual {
    /// Reckons it from samples; those that are no numbers are left out.
    pub fn of(calendar: &WorkCalendar, samples: &[Sample]) -> Self {
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); SLOTS];
        let mut days: Vec<BTreeSet<i32>> = vec![BTreeSet::new(); SLOTS];
        for s in samples.iter().filter(|s| s.value.is_finite()) {
            let (slot, day) = slot(calendar, s.t);
            values[slot].push(s.value);
            days[slot].insert(day);
        }
        let medians = values.iter_mut().map(|v| median(v).unwrap_or(0.0) as f32).collect();
        let count = |d: &BTreeSet<i32>| u16::try_from(d.len()).unwrap_or(u16::MAX);
        let mut this = Self { median: medians, spread: vec![0.0; SLOTS], days: days.iter().map(count).collect() };
        let mut far: Vec<Vec<f64>> = vec![Vec::new(); SLOTS];
        for s in samples.iter().filter(|s| s.value.is_finite()) {
            if let Some(line) = this.line(calendar, s.t, 1) {
                far[slot(calendar, s.t).0].push((s.value - line).abs());
            }
        }
        this.spread = far.iter_mut().map(|f| (NORMAL * median(f).unwrap_or(0.0)) as f32).collect();
        this
    }

    fn line(&self, calendar: &WorkCalendar, t: i64, least: u16) -> Option<f64> {
        let (a, b, share) = between(calendar, t);
        let known = |s: usize| self.days.get(s).is_some_and(|d| *d >= least.max(1));
        let at = |s: usize| self.median.get(s).map_or(0.0, |m| f64::from(*m));
        match (known(a), known(b)) {
            (true, true) => Some(at(a) * (1.0 - share) + at(b) * share),
            (true, false) if slot(calendar, t).0 == a => Some(at(a)),
            (false, true) if slot(calendar, t).0 == b => Some(at(b)),
            _ => None,
        }
    }

    /// What is usual at an instant, and its spread; none when the hour was seen on fewer than `least` days.
    pub fn at(&self, calendar: &WorkCalendar, t: i64, least: u32) -> Option<(f64, f64)> {
        let line = self.line(calendar, t, u16::try_from(least).unwrap_or(u16::MAX))?;
        Some((line, self.spread.get(slot(calendar, t).0).map_or(0.0, |s| f64::from(*s))))
    }

    /// Whether anything is known.
    pub fn is_empty(&self) -> bool {
        self.days.iter().all(|d| *d == 0)
    }
}

/// The value an hour after `t`: what is usual then, and the share of the present deviation that is wont to last.
pub fn next_hour(calendar: &WorkCalendar, usual: &Usual, keep: f64, now: Sample, least: u32) -> Option<f64> {
    let (here, _) = usual.at(calendar, now.t, least)?;
    let (then, _) = usual.at(calendar, now.t + HOUR, least)?;
    Some((then + keep * (now.value - here)).max(0.0))
}

/// Learns from the samples before `split` how much of a deviation lasts an hour, and measures it on those after. None when
/// there is too little to say anything.
pub fn skill(calendar: &WorkCalendar, samples: &[Sample], split: i64, least: u32) -> Option<Skill> {
    let seen: Vec<Sample> = samples.iter().copied().filter(|s| s.t < split && s.value.is_finite()).collect();
    let usual = Usual::of(calendar, &seen);
    let at: BTreeMap<i64, f64> = samples.iter().filter(|s| s.value.is_finite()).map(|s| (s.t, s.value)).collect();
    let (mut with, mut square) = (0.0, 0.0);
    for s in &seen {
        let later = at.get(&(s.t + HOUR)).filter(|_| s.t + HOUR < split);
        if let (Some(later), Some((a, _)), Some((b, _))) = (later, usual.at(calendar, s.t, least), usual.at(calendar, s.t + HOUR, least)) {
            with += (s.value - a) * (later - b);
            square += (s.value - a) * (s.value - a);
        }
    }
    let keep = if square > 0.0 { (with / square).clamp(0.0, 1.0) } else { 0.0 };
    let (mut errors, mut n) = ([0.0; 3], 0u32);
    for (t, value) in at.range(split..) {
        let target = t + HOUR;
        let week = at.get(&(target - 168 * HOUR));
        let told = next_hour(calendar, &usual, keep, Sample { t: *t, value: *value }, least);
        if let (Some(truth), Some(week), Some(told)) = (at.get(&target), week, told) {
            for (sum, guess) in errors.iter_mut().zip([told, *value, *week]) {
                *sum += (guess - truth).abs();
            }
            n += 1;
        }
    }
    let mean = |sum: f64| sum / f64::from(n);
    (n >= 24).then(|| Skill { keep, error: mean(errors[0]), error_last: mean(errors[1]), error_week: mean(errors[2]), n })
}

/// Speed by Greenshields' straight line from the share of time that a detector is covered: full is standing.
pub fn speed_of_occupancy(occupancy: f64, free: f64) -> f64 {
    free * (1.0 - occupancy.clamp(0.0, 1.0))
}

/// Speed by the free branch of Greenshields' parabola from vehicles an hour. It cannot tell a jam: at capacity and beyond it says half
/// the free speed.
pub fn speed_of_volume(volume: f64, free: f64, jam_density: f64, lanes: u32) -> f64 {
    let most = free * jam_density * f64::from(lanes.max(1)) / 4.0;
    let share = if most > 0.0 { (volume / most).clamp(0.0, 1.0) } else { 0.0 };
    free / 2.0 * (1.0 + (1.0 - share).sqrt())
}
