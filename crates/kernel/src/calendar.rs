//! Working time: weekly hours, holidays and swapped days, in one time zone.
//!
//! A calendar is data (packs/base/calendars). Deadlines are counted in working minutes; nights, weekends and
//! holidays do not count, a swapped Saturday does.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Timestamp};

/// What a special date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DayKind {
    /// Public holiday or a day off in lieu.
    Off,
    /// A weekend day worked in exchange.
    Work,
}

/// Working hours of an authority.
#[derive(Debug, Clone)]
pub struct WorkCalendar {
    zone: TimeZone,
    hours: Vec<(Time, Time)>,
    days: [bool; 7],
    special: BTreeMap<Date, DayKind>,
}

/// How far ahead a deadline may lie before the calendar is taken to be faulty.
const HORIZON_DAYS: u32 = 3660;

impl WorkCalendar {
    /// Builds a calendar. `hours` are the day's stretches in order, e.g. 07:30–11:30 and 13:30–17:30.
    /// 400 `calendar.invalid` for unknown zones, empty or overlapping hours, or no working day at all.
    pub fn new(zone: &str, hours: Vec<(Time, Time)>, weekdays: &[Weekday], special: BTreeMap<Date, DayKind>) -> Result<Self> {
        let bad = |why: &str| Error::invalid("calendar.invalid", "The working calendar is not usable.").with("reason", why);
        let zone = TimeZone::get(zone).map_err(|e| bad(&e.to_string()))?;
        if hours.is_empty() || hours.iter().any(|(a, b)| a >= b) || hours.windows(2).any(|w| w[0].1 > w[1].0) {
            return Err(bad("hours must be ordered, non-empty stretches"));
        }
        let mut days = [false; 7];
        weekdays.iter().for_each(|d| days[d.to_monday_zero_offset() as usize] = true);
        if !days.contains(&true) {
            return Err(bad("no working weekday"));
        }
        Ok(Self { zone, hours, days, special })
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether anybody works on that date.
    pub fn is_working(&self, date: Date) -> bool {
        match self.special.get(&date) {
            Some(kind) => *kind == DayKind::Work,
            None => self.days[date.weekday().to_monday_zero_offset() as usize],
        }
    }

    /// Minutes of one full working day.
    pub fn day_minutes(&self) -> u32 {
        let seconds: i64 = self.hours.iter().map(|(a, b)| b.duration_since(*a).as_secs()).sum();
        u32::try_from(seconds / 60).unwrap_or(0)
    }

    fn stretches(&self, date: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let working = self.is_working(date);
        self.hours.iter().filter(move |_| working).filter_map(move |(a, b)| {
            let at = |t: &Time| self.zone.to_ambiguous_timestamp(date.to_datetime(*t)).compatible().ok();
            Some((at(a)?, at(b)?))
        })
    }

    fn date_of(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// The instant at which `minutes` of working time have passed since `from`. With 0 minutes, the first working
    /// instant at or after `from`. 422 `calendar.too-far` beyond ten years.
    pub fn add(&self, from: Timestamp, minutes: u32) -> Result<Timestamp> {
        let mut left = i64::from(minutes) * 60_000_000;
        let mut date = self.date_of(from);
        for _ in 0..HORIZON_DAYS {
            for (start, end) in self.stretches(date) {
                let start = start.max(from);
                if start >= end {
                    continue;
                }
                let room = end.as_microsecond() - start.as_microsecond();
                if left <= room {
                    return Ok(crate::time::micros(start.as_microsecond() + left));
                }
                left -= room;
            }
            date = date.tomorrow().map_err(|e| Error::internal("walking the calendar", e))?;
        }
        Err(Error::unprocessable("calendar.too-far", "The deadline lies too far ahead."))
    }

    /// Whole working minutes between two instants; 0 when `to` is not after `from`.
    pub fn minutes_between(&self, from: Timestamp, to: Timestamp) -> u32 {
        let mut sum = 0i64;
        let (mut date, last) = (self.date_of(from), self.date_of(to));
        while date <= last {
            for (start, end) in self.stretches(date) {
                sum += (end.min(to).as_microsecond() - start.max(from).as_microsecond()).max(0);
            }
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
        u32::try_from(sum / 60_000_000).unwrap_or(u32::MAX)
    }
}
