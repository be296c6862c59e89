//! Figures of the alarm system, reckoned from what was logged. Pure; one pass over sorted instants for each.

use std::collections::BTreeMap;

use dothi_kernel::event::Severity;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::practice::Practice;

const SECOND: i64 = 1_000_000;
pub(crate) const TEN_MINUTES: i64 = 600 * SECOND;
pub(crate) const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// Lines of the longest lists.
const LISTED: usize = 50;

/// What a line of the log says about its alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It rose and was shown.
    Raised,
    /// It rose, but nobody was shown it.
    Kept,
    /// Its condition went away.
    Cleared,
    /// Somebody took note.
    Acknowledged,
}

/// One alarm with its log, in order of time.
#[derive(Debug, Clone)]
pub struct Life {
    /// Which rule and thing: alarms with the same number are the same again.
    pub key: usize,
    /// Whose: unit and sector.
    pub position: usize,
    /// Priority.
    pub severity: Severity,
    /// When (µs) what.
    pub lines: Vec<(i64, What)>,
}

/// A flood of alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// From, µs.
    pub from: i64,
    /// To, µs; the end of the period when it had not ended.
    pub to: i64,
    /// Whether it was still going on then.
    pub open: bool,
    /// Alarms shown in it, with those that began it.
    pub alarms: u64,
    /// Most in ten minutes.
    pub peak: u64,
}

/// Rates of a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Alarms shown.
    pub alarms: u64,
    /// A day, on average.
    pub per_day: f64,
    /// An hour, on average.
    pub per_hour: f64,
    /// In ten minutes, on average.
    pub per_10_min: f64,
    /// Most within ten minutes, wherever they begin.
    pub peak_10_min: u64,
    /// When that was reached, µs.
    pub peak_at: Option<i64>,
    /// Share of ten-minute periods above the figure, per cent.
    pub busy_10_min: f64,
    /// Share of hours above the figure, per cent.
    pub busy_hours: f64,
    /// Share of time in flood, per cent.
    pub in_flood: f64,
}

/// One day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Day {
    /// Local date.
    pub day: Date,
    /// Alarms shown.
    pub alarms: u64,
    /// With those that were muted or withheld.
    pub raw: u64,
    /// Floods that began.
    pub floods: u64,
    /// Alarms whose condition had held for too long when the day ended.
    pub stale: u64,
}

/// How often a rule and thing did something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Often {
    /// Which.
    pub key: usize,
    /// How often.
    pub times: u64,
    /// When last, µs.
    pub last: i64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reckoned {
    /// Rates.
    pub rates: Rates,
    /// With those that were muted or withheld.
    pub raw: u64,
    /// Floods, the newest first; at most 50.
    pub floods: Vec<Flood>,
    /// How many there were.
    pub flood_count: u64,
    /// Days.
    pub days: Vec<Day>,
    /// Alarms shown by local hour of the day.
    pub hours: [u64; 24],
    /// Most frequent, at most ten.
    pub top: Vec<Often>,
    /// Share of those, per cent.
    pub top_share: f64,
    /// Rose too often in too short a time; `times` counts the episodes.
    pub chattering: Vec<Often>,
    /// Went away before anybody could act.
    pub fleeting: Vec<Often>,
    /// Alarms shown by priority.
    pub severities: BTreeMap<Severity, u64>,
}

/// Floods among sorted instants: one begins with the `begins`-th alarm within `width`, and ends when fewer than `ends` lie
/// that close together.
pub fn floods(at: &[i64], begins: u64, ends: u64, width: i64, until: i64) -> Vec<Flood> {
    let (mut found, mut flood): (Vec<Flood>, Option<Flood>) = (Vec::new(), None);
    // The alarms within the window are those from `first` to before `next`.
    let (mut first, mut next) = (0usize, 0usize);
    let end = |flood: &mut Option<Flood>, found: &mut Vec<Flood>, within: usize, at: i64| {
        if (within as u64) < ends
            && let Some(over) = flood.take()
        {
            found.push(Flood { to: at, open: false, ..over });
        }
    };
    while next < at.len() {
        let t = at[next];
        // Alarms leave the window `width` after they came; a flood may end between two alarms.
        while first < next && at[first] + width < t {
            first += 1;
            end(&mut flood, &mut found, next - first, at[first - 1] + width);
        }
        let come = at[next..].partition_point(|a| *a == t);
        next += come;
        while first < next && at[first] + width <= t {
            first += 1;
        }
        let within = (next - first) as u64;
        end(&mut flood, &mut found, next - first, t);
        match &mut flood {
            Some(flood) => (flood.alarms, flood.peak) = (flood.alarms + come as u64, flood.peak.max(within)),
            None if within >= begins => flood = Some(Flood { from: t, to: until, open: true, alarms: within, peak: within }),
            None => {}
        }
    }
    while first < at.len() && flood.is_some() && at[first] + width <= until {
        first += 1;
        end(&mut flood, &mut found, at.len() - first, at[first - 1] + width);
    }
    found.extend(flood);
    found
}

/// Most instants within a width, and when that was reached.
fn peak(at: &[i64], width: i64) -> (u64, Option<i64>) {
    let (mut first, mut most, mut when) = (0, 0, None);
    for (n, t) in at.iter().enumerate() {
        while at[first] <= t - width {
            first += 1;
        }
        let within = (n - first + 1) as u64;
        if within > most {
            (most, when) = (within, Some(*t));
        }
    }
    (most, when)
}

/// Share of periods (from `from`, one after the other) with more than `over` instants, per cent.
fn busy(at: &[i64], (from, to): (i64, i64), width: i64, over: f64) -> f64 {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for t in at {
        *counts.entry((t - from) / width).or_default() += 1;
    }
    let periods = (to - from + width - 1) / width;
    if periods == 0 { 0.0 } else { 100.0 * counts.values().filter(|n| **n as f64 > over).count() as f64 / periods as f64 }
}

/// Rates of sorted instants in a stretch of time.
pub fn rates(at: &[i64], (from, to): (i64, i64), floods: &[Flood], practice: &Practice) -> Rates {
    let (long, n) = ((to - from).max(1) as f64, at.len() as f64);
    let (peak_10_min, peak_at) = peak(at, TEN_MINUTES);
    let over = |key| practice.get(key).unwrap_or(f64::INFINITY);
    Rates {
        alarms: at.len() as u64,
        per_day: n * DAY as f64 / long,
        per_hour: n * HOUR as f64 / long,
        per_10_min: n * TEN_MINUTES as f64 / long,
        peak_10_min,
        peak_at,
        busy_10_min: busy(at, (from, to), TEN_MINUTES, over("busy-10-min/over")),
        busy_hours: busy(at, (from, to), HOUR, over("busy-hour/over")),
        in_flood: 100.0 * floods.iter().map(|f| f.to.min(to) - f.from.max(from)).sum::<i64>() as f64 / long,
    }
}

/// Floods by the figures of practice; none when no pack declares them.
pub(crate) fn floods_by(at: &[i64], practice: &Practice, until: i64) -> Vec<Flood> {
    let figure = |key| practice.whole(key).and_then(|n| u64::try_from(n).ok());
    match (figure("flood/begins"), figure("flood/ends"), practice.whole("flood/minutes")) {
        (Some(begins), Some(ends), Some(minutes)) if begins > 0 && minutes > 0 => floods(at, begins, ends, minutes * 60 * SECOND, until),
        _ => Vec::new(),
    }
}

/// Reckons a stretch of time from the lives of all alarms that were open in it.
pub fn reckon(lives: &[Life], (from, to): (i64, i64), practice: &Practice, zone: &TimeZone) -> Reckoned {
    let inside = |t: &i64| (from..to).contains(t);
    let (mut shown, mut raw) = (Vec::new(), 0);
    let (mut by_key, mut severities): (BTreeMap<usize, (u64, i64)>, BTreeMap<Severity, u64>) = Default::default();
    let mut rises: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    let mut fleeting: BTreeMap<usize, (u64, i64)> = BTreeMap::new();
    let mut standing: Vec<(i64, i64)> = Vec::new();
    let short = practice.get("fleeting/seconds").map(|s| (s * 1e6) as i64);
    for life in lives {
        // Since when it stands, whether operators were shown it, and whether one took note.
        let mut since: Option<(i64, bool, bool)> = None;
        for &(t, what) in &life.lines {
            match what {
                What::Raised | What::Kept => {
                    if inside(&t) {
                        raw += 1;
                        rises.entry(life.key).or_default().push(t);
                        if what == What::Raised {
                            shown.push(t);
                            *severities.entry(life.severity).or_default() += 1;
                            let often = by_key.entry(life.key).or_default();
                            *often = (often.0 + 1, often.1.max(t));
                        }
                    }
                    since = Some((t, what == What::Raised, false));
                }
                What::Acknowledged => since = since.map(|(t, shown, _)| (t, shown, true)),
                What::Cleared => {
                    if let Some((raised, true, noted)) = since.take() {
                        standing.push((raised, t));
                        if inside(&raised) && !noted && short.is_some_and(|short| t - raised < short) {
                            let often = fleeting.entry(life.key).or_default();
                            *often = (often.0 + 1, often.1.max(raised));
                        }
                    }
                }
            }
        }
        if let Some((raised, true, _)) = since {
            standing.push((raised, i64::MAX));
        }
    }
    shown.sort_unstable();
    let all = floods_by(&shown, practice, to);
    let often = |map: BTreeMap<usize, (u64, i64)>, most: usize| {
        let mut list: Vec<Often> = map.into_iter().map(|(key, (times, last))| Often { key, times, last }).collect();
        list.sort_by_key(|o| (std::cmp::Reverse(o.times), std::cmp::Reverse(o.last), o.key));
        list.truncate(most);
        list
    };
    let top = often(by_key, 10);
    let top_share = if shown.is_empty() { 0.0 } else { 100.0 * top.iter().map(|o| o.times).sum::<u64>() as f64 / shown.len() as f64 };
    let mut hours = [0; 24];
    for t in &shown {
        let hour = dothi_kernel::time::micros(*t).to_zoned(zone.clone()).hour();
        hours[usize::try_from(hour).unwrap_or(0) % 24] += 1;
    }
    Reckoned {
        rates: rates(&shown, (from, to), &all, practice),
        raw,
        days: days(&shown, &rises, &all, &standing, (from, to), practice, zone),
        hours,
        top,
        top_share,
        chattering: often(chattering(rises, practice), LISTED),
        fleeting: often(fleeting, LISTED),
        severities,
        flood_count: all.len() as u64,
        floods: all.into_iter().rev().take(LISTED).collect(),
    }
}

/// Episodes of rising too often, by key: how many, and when the last began.
fn chattering(rises: BTreeMap<usize, Vec<i64>>, practice: &Practice) -> BTreeMap<usize, (u64, i64)> {
    let (Some(times), Some(seconds)) = (practice.whole("chatter/times"), practice.whole("chatter/seconds")) else { return BTreeMap::new() };
    let (Ok(times), width) = (usize::try_from(times), seconds * SECOND) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (key, mut at) in rises {
        at.sort_unstable();
        let mut n = 0;
        while times > 0 && n + times <= at.len() {
            if at[n + times - 1] - at[n] < width {
                let episode = found.entry(key).or_insert((0, 0));
                *episode = (episode.0 + 1, at[n]);
                // The episode lasts as long as they come this fast.
                n += times;
                while n < at.len() && at[n] - at[n + 1 - times] < width {
                    n += 1;
                }
            } else {
                n += 1;
            }
        }
    }
    found
}

fn days(
    shown: &[i64],
    rises: &BTreeMap<usize, Vec<i64>>,
    floods: &[Flood],
    standing: &[(i64, i64)],
    (from, to): (i64, i64),
    practice: &Practice,
    zone: &TimeZone,
) -> Vec<Day> {
    let date = |t: i64| dothi_kernel::time::micros(t).to_zoned(zone.clone()).date();
    let stale = practice.get("stale/hours").map(|h| (h * HOUR as f64) as i64);
    let mut days = Vec::new();
    let mut day = date(from);
    while let Ok(start) = day.to_zoned(zone.clone()).map(|z| z.timestamp().as_microsecond()) {
        if start >= to || days.len() > 400 {
            break;
        }
        let Ok(next) = day.tomorrow() else { break };
        let end = next.to_zoned(zone.clone()).map_or(to, |z| z.timestamp().as_microsecond()).min(to);
        let within = |t: &i64| (start..end).contains(t);
        let count = |at: &[i64]| (at.partition_point(|t| *t < end) - at.partition_point(|t| *t < start)) as u64;
        days.push(Day {
            day,
            alarms: count(shown),
            raw: rises.values().map(|at| at.iter().filter(|t| within(t)).count() as u64).sum(),
            floods: floods.iter().filter(|f| within(&f.from)).count() as u64,
            stale: stale.map_or(0, |stale| standing.iter().filter(|(raised, gone)| raised + stale < end && *gone > end).count() as u64),
        });
        day = next;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Second by second, without any cleverness.
    fn slow(at: &[i64], begins: u64, ends: u64, width: i64, until: i64) -> Vec<(i64, i64)> {
        let (mut found, mut since) = (Vec::new(), None);
        for now in 0..=until {
            let within = at.iter().filter(|t| **t <= now && **t > now - width).count() as u64;
            match since {
                None if within >= begins => since = Some(now),
                Some(from) if within < ends => {
                    found.push((from, now));
                    since = None;
                }
                _ => {}
            }
        }
        found.extend(since.map(|from| (from, until)));
        found
    }

    proptest! {
        #[test]
        fn floods_are_those_a_patient_clerk_finds(mut at in prop::collection::vec(0i64..400, 0..80), begins in 2u64..8, less in 1u64..4, width in 5i64..40) {
            at.sort_unstable();
            let ends = (begins - less.min(begins - 1)).max(1);
            let got: Vec<(i64, i64)> = floods(&at, begins, ends, width, 500).iter().map(|f| (f.from, f.to)).collect();
            prop_assert_eq!(got, slow(&at, begins, ends, width, 500));
        }
    }
}
