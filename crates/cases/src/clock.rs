//! The deadline's clock: a budget of working minutes that runs, stands still and ends.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Result, Timestamp};

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

    /// Sets another budget, counted from the same start. A deadline that is over by it, too, does not move on.
    pub fn set_total(&mut self, calendar: &WorkCalendar, total: u32) -> Result<()> {
        self.total = total;
        self.reminded = 0;
        if let Some(since) = self.since {
            self.due = if self.used < total { calendar.add(since, total - self.used)? } else { self.due.min(since) };
        }
        Ok(())
    }

    /// Minutes left, negative when over. Time that the clock stood still counts for neither.
    pub fn left(&self, calendar: &WorkCalendar, now: Timestamp) -> i64 {
        i64::from(self.total) - i64::from(self.used_at(calendar, now))
    }

    /// Minutes by which the deadline is over; 0 while the clock stands still.
    pub fn late(&self, calendar: &WorkCalendar, now: Timestamp) -> u32 {
        self.since.map_or(0, |_| u32::try_from(-self.left(calendar, now)).unwrap_or(0))
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

    /// When the next of `shares` (per cent, rising) is reached.
    pub fn next_reminder(&self, calendar: &WorkCalendar, shares: &[u16]) -> Result<Option<Timestamp>> {
        match shares.iter().find(|p| **p > self.reminded) {
            Some(percent) => self.instant(calendar, *percent),
            None => Ok(None),
        }
    }

    /// The highest of `shares` reached by `now` that nobody was told about.
    pub fn reached(&self, calendar: &WorkCalendar, now: Timestamp, shares: &[u16]) -> Result<Option<u16>> {
        for percent in shares.iter().rev().filter(|p| **p > self.reminded) {
            if self.instant(calendar, *percent)?.is_some_and(|at| at <= now) {
                return Ok(Some(*percent));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dothi_kernel::calendar::DayKind;
    use jiff::civil::{Weekday, date, time};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;
    /// Four days around Tết and a swapped Saturday, a leap day, and the end of a year.
    const BASES: [&str; 4] = ["2026-02-13T00:00:00Z", "2026-08-21T00:00:00Z", "2028-02-28T00:00:00Z", "2026-12-30T17:00:00Z"];

    fn at(us: i64) -> Timestamp {
        dothi_kernel::time::micros(us)
    }

    fn special() -> BTreeMap<jiff::civil::Date, DayKind> {
        let mut days: BTreeMap<_, _> = (16..=20).map(|d| (date(2026, 2, d), DayKind::Off)).collect();
        days.extend([(date(2026, 8, 22), DayKind::Work), (date(2026, 8, 31), DayKind::Off), (date(2027, 1, 1), DayKind::Off)]);
        days
    }

    fn calendar() -> WorkCalendar {
        use Weekday::*;
        let hours = vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))];
        WorkCalendar::new("Asia/Ho_Chi_Minh", hours, &[Monday, Tuesday, Wednesday, Thursday, Friday], special()).unwrap()
    }

    /// Knows nothing of budgets and intervals: it walks minute by minute, looks at the wall clock and whether the case ran then.
    struct Slow {
        start: i64,
        /// Instants at which the clock stopped and went on, in turn.
        turns: Vec<i64>,
    }

    impl Slow {
        fn runs(&self, minute: i64) -> bool {
            self.turns.iter().filter(|t| **t <= minute).count().is_multiple_of(2)
        }

        fn works(minute: i64) -> bool {
            static SPECIAL: std::sync::LazyLock<BTreeMap<jiff::civil::Date, DayKind>> = std::sync::LazyLock::new(special);
            let wall = TimeZone::fixed(jiff::tz::offset(7)).to_datetime(at(minute));
            let day = match SPECIAL.get(&wall.date()) {
                Some(kind) => *kind == DayKind::Work,
                None => !matches!(wall.date().weekday(), Weekday::Saturday | Weekday::Sunday),
            };
            let clock = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
            day && ((450..690).contains(&clock) || (810..1050).contains(&clock))
        }

        fn used(&self, now: i64) -> u32 {
            (self.start..now).step_by(MINUTE as usize).filter(|m| self.runs(*m) && Self::works(*m)).count() as u32
        }

        /// The end of the minute with which `count` minutes are used, when nothing else happens.
        fn reaches(&self, count: u32) -> i64 {
            let mut minutes = (self.start..).step_by(MINUTE as usize).filter(|m| self.runs(*m) && Self::works(*m));
            minutes.nth(count as usize - 1).unwrap() + MINUTE
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Turn,
        Extend(u32),
    }

    fn acts() -> impl Strategy<Value = Vec<(i64, Act)>> {
        let act = prop_oneof![3 => Just(Act::Turn), 1 => (1u32..600).prop_map(Act::Extend)];
        proptest::collection::vec((0i64..2_500, act), 0..7)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn pauses_extensions_and_reminders_agree_with_the_slow_reckoner(base in 0usize..BASES.len(), offset in 0i64..1_440, total in 1u32..1_500, acts in acts()) {
            let calendar = calendar();
            let start = BASES[base].parse::<Timestamp>().unwrap().as_microsecond() + offset * MINUTE;
            let mut slow = Slow { start, turns: Vec::new() };
            let mut clock = CaseClock::start(&calendar, at(start), total).unwrap();
            let mut now = start;
            for (gap, act) in acts {
                now += gap * MINUTE;
                match act {
                    Act::Turn => {
                        slow.turns.push(now);
                        if clock.since.is_some() { clock.pause(&calendar, at(now)) } else { clock.resume(&calendar, at(now)).unwrap() }
                    }
                    Act::Extend(more) => {
                        let more = clock.total + more;
                        clock.set_total(&calendar, more).unwrap();
                    }
                }
                prop_assert_eq!(clock.used_at(&calendar, at(now)), slow.used(now), "used at {}", at(now));
                let later = now + 777 * MINUTE;
                prop_assert_eq!(clock.used_at(&calendar, at(later)), slow.used(later), "used at {}", at(later));
                if clock.since.is_none() {
                    prop_assert_eq!(clock.left(&calendar, at(later)), i64::from(clock.total) - i64::from(slow.used(later)));
                    prop_assert_eq!(clock.next_reminder(&calendar, &[50]).unwrap(), None);
                    continue;
                }
                if clock.used < clock.total {
                    prop_assert_eq!(clock.due.as_microsecond(), slow.reaches(clock.total), "due with {} minutes", clock.total);
                } else {
                    prop_assert!(clock.due <= at(now), "over stays over");
                }
                prop_assert_eq!(clock.left(&calendar, at(now)), i64::from(clock.total) - i64::from(slow.used(now)), "left");
                for percent in [1, 50, 80] {
                    let share = clock.total * percent / 100;
                    let told = clock.instant(&calendar, percent as u16).unwrap().unwrap();
                    if share > clock.used {
                        prop_assert_eq!(told.as_microsecond(), slow.reaches(share), "{} %", percent);
                    }
                }
            }
        }
    }
}
