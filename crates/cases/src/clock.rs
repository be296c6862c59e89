//! The deadline's clock: a budget of working minutes that runs, stands still and ends.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Result, Timestamp};

/// Shares of the budget at which somebody is told, per cent.
pub(crate) const REMINDERS: [u16; 3] = [50, 80, 100];

/// A clock as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseClock {
    /// Working minutes allowed.
    pub total: u32,
    /// Working minutes used up to `since` (or for good, when it does not run).
    pub used: u32,
    /// Since when it runs; none while it stands still.
    pub since: Option<Timestamp>,
    /// When the budget ends; stays where it was while the clock stands still.
    pub due: Timestamp,
    /// Last share told about.
    pub reminded: u16,
}

impl CaseClock {
    /// A clock that starts to run.
    pub fn start(calendar: &WorkCalendar, now: Timestamp, total: u32) -> Result<Self> {
        Ok(Self { total, used: 0, since: Some(now), due: calendar.add(now, total)?, reminded: 0 })
    }

    /// Working minutes used by `now`.
    pub fn used_at(&self, calendar: &WorkCalendar, now: Timestamp) -> u32 {
        self.used.saturating_add(self.since.map_or(0, |since| calendar.minutes_between(since, now)))
    }

    /// Stands still from now on.
    pub fn pause(&mut self, calendar: &WorkCalendar, now: Timestamp) {
        self.used = self.used_at(calendar, now);
        self.since = None;
    }

    /// Runs again; the deadline has moved on by the working time it stood still. A deadline that was over stays over.
    pub fn resume(&mut self, calendar: &WorkCalendar, now: Timestamp) -> Result<()> {
        if self.since.is_none() {
            self.since = Some(now);
            if self.used < self.total {
                self.due = calendar.add(now, self.total - self.used)?;
            }
        }
        Ok(())
    }

    /// Sets another budget, counted from the same start.
    pub fn set_total(&mut self, calendar: &WorkCalendar, total: u32) -> Result<()> {
        self.total = total;
        self.reminded = 0;
        if let Some(since) = self.since {
            self.due = if self.used <= total { calendar.add(since, total - self.used)? } else { since };
        }
        Ok(())
    }

    /// Minutes left: negative when over; none when the clock has ended or stands still without a rest.
    pub fn left(&self, calendar: &WorkCalendar, now: Timestamp) -> i64 {
        match self.since {
            Some(_) if now <= self.due => i64::from(calendar.minutes_between(now, self.due)),
            Some(_) => -i64::from(calendar.minutes_between(self.due, now)),
            None => i64::from(self.total) - i64::from(self.used),
        }
    }

    /// The instant at which `percent` of the budget is used; none while the clock stands still.
    fn instant(&self, calendar: &WorkCalendar, percent: u16) -> Result<Option<Timestamp>> {
        let Some(since) = self.since else { return Ok(None) };
        if percent >= 100 {
            return Ok(Some(self.due));
        }
        let share = u32::try_from(u64::from(self.total) * u64::from(percent) / 100).unwrap_or(u32::MAX);
        if share <= self.used { Ok(Some(since)) } else { calendar.add(since, share - self.used).map(Some) }
    }

    /// The next share to tell about, and when.
    pub fn next_reminder(&self, calendar: &WorkCalendar) -> Result<Option<Timestamp>> {
        match REMINDERS.iter().find(|p| **p > self.reminded) {
            Some(percent) => self.instant(calendar, *percent),
            None => Ok(None),
        }
    }

    /// The highest share reached by `now` that nobody was told about.
    pub fn reached(&self, calendar: &WorkCalendar, now: Timestamp) -> Result<Option<u16>> {
        for percent in REMINDERS.iter().rev().filter(|p| **p > self.reminded) {
            if self.instant(calendar, *percent)?.is_some_and(|at| at <= now) {
                return Ok(Some(*percent));
            }
        }
        Ok(None)
    }
}
