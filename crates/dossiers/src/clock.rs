//! Deadlines in working days.
//!
//! A working day counts when the dossier does not wait for the citizen at its close. Counting begins on the working day
//! after receipt (or on the day itself, when the policy says so); what comes in after the cut-off or on a day off was
//! received on the next working day. The deadline is the close of the last day allowed.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Error, Result, Timestamp};
use jiff::civil::{Date, Time};

/// How far ahead a deadline may lie before the calendar is taken to be faulty.
const HORIZON_DAYS: u32 = 3_660;

/// What a deadline is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Working days allowed; 0 = by the close of the day of receipt.
    pub days: u32,
    /// What comes after it came on the next working day.
    pub cutoff: Time,
    /// Whether the day of receipt is counted.
    pub counts_first_day: bool,
}

/// A time during which the dossier waited; no end while it still does.
pub(crate) type Pause = (Timestamp, Option<Timestamp>);

fn next(date: Date) -> Result<Date> {
    date.tomorrow().map_err(|e| Error::internal("walking the calendar", e))
}

/// The first working day on or after `date`.
fn working(calendar: &WorkCalendar, mut date: Date) -> Result<Date> {
    for _ in 0..HORIZON_DAYS {
        if calendar.is_working(date) {
            return Ok(date);
        }
        date = next(date)?;
    }
    Err(too_far())
}

fn too_far() -> Error {
    Error::unprocessable("dossiers.deadline.too-far", "The deadline lies too far ahead.")
}

/// The close of a working day.
fn close(calendar: &WorkCalendar, date: Date) -> Result<Timestamp> {
    let midnight = date.to_zoned(calendar.zone().clone()).map_err(|e| Error::internal("walking the calendar", e))?;
    calendar.add(midnight.timestamp(), calendar.day_minutes())
}

/// The working day on which a dossier counts as received.
pub(crate) fn received_on(calendar: &WorkCalendar, received: Timestamp, cutoff: Time) -> Result<Date> {
    let wall = calendar.zone().to_datetime(received);
    let day = if calendar.is_working(wall.date()) && wall.time() > cutoff { next(wall.date())? } else { wall.date() };
    working(calendar, day)
}

/// The deadline. A pause that has not ended is left out: while it lasts nothing is late, and it counts once it ends.
pub(crate) fn due(calendar: &WorkCalendar, received: Timestamp, terms: Terms, pauses: &[Pause]) -> Result<Timestamp> {
    let receipt = received_on(calendar, received, terms.cutoff)?;
    let (mut date, left) = match (terms.days, terms.counts_first_day) {
        (0, _) => (receipt, 1),
        (days, true) => (receipt, days),
        (days, false) => (next(receipt)?, days),
    };
    let ended: Vec<(Timestamp, Timestamp)> = pauses.iter().filter_map(|(from, to)| Some((*from, (*to)?))).collect();
    let mut counted = 0;
    for _ in 0..HORIZON_DAYS {
        if calendar.is_working(date) {
            let waits = if ended.is_empty() {
                false
            } else {
                let close = close(calendar, date)?;
                ended.iter().any(|(from, to)| *from <= close && close < *to)
            };
            if !waits {
                counted += 1;
                if counted == left {
                    return close(calendar, date);
                }
            }
        }
        date = next(date)?;
    }
    Err(too_far())
}

/// The close of the working day that is `days` working days after today.
pub(crate) fn days_ahead(calendar: &WorkCalendar, now: Timestamp, days: u32) -> Result<Timestamp> {
    let mut date = calendar.zone().to_datetime(now).date();
    let mut left = days;
    while left > 0 {
        date = working(calendar, next(date)?)?;
        left -= 1;
    }
    close(calendar, working(calendar, date)?)
}

/// Working half-days from receipt to end without the pauses, rounded up.
pub(crate) fn took(calendar: &WorkCalendar, received: Timestamp, ended: Timestamp, pauses: &[Pause]) -> u32 {
    let mut minutes = i64::from(calendar.minutes_between(received, ended));
    for (from, to) in merged(pauses, ended) {
        minutes -= i64::from(calendar.minutes_between(from.max(received), to.min(ended)));
    }
    let half = i64::from(calendar.day_minutes().max(2) / 2);
    u32::try_from((minutes.max(0) + half - 1) / half).unwrap_or(u32::MAX)
}

/// Pauses in order, those that overlap made one.
fn merged(pauses: &[Pause], until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut spans: Vec<(Timestamp, Timestamp)> = pauses.iter().map(|(from, to)| (*from, to.unwrap_or(until))).filter(|(from, to)| from < to).collect();
    spans.sort();
    let mut out: Vec<(Timestamp, Timestamp)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dothi_kernel::calendar::DayKind;
    use dothi_kernel::time::micros;
    use jiff::civil::{Weekday, date, time};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;
    /// Tết, a swapped Saturday before National Day, a leap day, the end of a year.
    const BASES: [&str; 4] = ["2026-02-11T00:00:00Z", "2026-08-19T00:00:00Z", "2028-02-25T00:00:00Z", "2026-12-28T17:00:00Z"];

    fn special() -> BTreeMap<Date, DayKind> {
        let mut days: BTreeMap<_, _> = (16..=20).map(|d| (date(2026, 2, d), DayKind::Off)).collect();
        days.extend([(date(2026, 8, 22), DayKind::Work), (date(2026, 8, 31), DayKind::Off), (date(2026, 9, 1), DayKind::Off)]);
        days.extend([(date(2026, 9, 2), DayKind::Off), (date(2027, 1, 1), DayKind::Off)]);
        days
    }

    fn calendar() -> WorkCalendar {
        use Weekday::*;
        let hours = vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))];
        WorkCalendar::new("Asia/Ho_Chi_Minh", hours, &[Monday, Tuesday, Wednesday, Thursday, Friday], special()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const TERMS: Terms = Terms { days: 3, cutoff: time_of(16), counts_first_day: false };

    const fn time_of(hour: i8) -> Time {
        Time::constant(hour, 0, 0, 0)
    }

    #[test]
    fn tet_swapped_days_and_the_cut_off() {
        let c = calendar();
        // Thursday before Tết: Friday is the first day, then the holidays, Monday the second, Tuesday the third.
        assert_eq!(due(&c, at("2026-02-12T09:00:00+07:00"), TERMS, &[]).unwrap(), at("2026-02-24T17:30:00+07:00"));
        // After the cut-off it is Friday's: one day later.
        assert_eq!(due(&c, at("2026-02-12T16:01:00+07:00"), TERMS, &[]).unwrap(), at("2026-02-25T17:30:00+07:00"));
        // The swapped Saturday is worked, the Monday after next is not.
        assert_eq!(due(&c, at("2026-08-20T09:00:00+07:00"), TERMS, &[]).unwrap(), at("2026-08-24T17:30:00+07:00"));
        assert_eq!(due(&c, at("2026-08-27T09:00:00+07:00"), TERMS, &[]).unwrap(), at("2026-09-04T17:30:00+07:00"));
        // By the end of the day, and of the next when it came on a Sunday.
        let today = Terms { days: 0, ..TERMS };
        assert_eq!(due(&c, at("2026-11-20T09:00:00+07:00"), today, &[]).unwrap(), at("2026-11-20T17:30:00+07:00"));
        assert_eq!(due(&c, at("2026-11-22T09:00:00+07:00"), today, &[]).unwrap(), at("2026-11-23T17:30:00+07:00"));
        // Waiting from Monday to Wednesday morning: Monday and Tuesday do not count. Within one day nothing moves.
        let received = at("2026-11-05T09:00:00+07:00");
        let pause = (at("2026-11-09T10:00:00+07:00"), Some(at("2026-11-11T08:00:00+07:00")));
        assert_eq!(due(&c, received, TERMS, &[]).unwrap(), at("2026-11-10T17:30:00+07:00"));
        assert_eq!(due(&c, received, TERMS, &[pause]).unwrap(), at("2026-11-12T17:30:00+07:00"));
        let short = (at("2026-11-09T10:00:00+07:00"), Some(at("2026-11-09T16:00:00+07:00")));
        assert_eq!(due(&c, received, TERMS, &[short]).unwrap(), at("2026-11-10T17:30:00+07:00"));
        assert_eq!(took(&c, received, at("2026-11-10T11:30:00+07:00"), &[short]), 6);
    }

    /// Knows nothing of days and dates: it walks minute by minute with the wall clock in its hand, and marks each minute in
    /// which work ends for the day.
    struct Slow<'a> {
        pauses: &'a [(i64, i64)],
        cutoff: i32,
        first: bool,
    }

    impl Slow<'_> {
        fn works(minute: i64) -> Option<i32> {
            static SPECIAL: std::sync::LazyLock<BTreeMap<Date, DayKind>> = std::sync::LazyLock::new(special);
            let wall = TimeZone::fixed(jiff::tz::offset(7)).to_datetime(micros(minute));
            let day = match SPECIAL.get(&wall.date()) {
                Some(kind) => *kind == DayKind::Work,
                None => !matches!(wall.date().weekday(), Weekday::Saturday | Weekday::Sunday),
            };
            day.then(|| i32::from(wall.hour()) * 60 + i32::from(wall.minute()))
        }

        fn due(&self, received: i64, days: u32) -> i64 {
            // Closes from receipt on: each 17:30 of a working day.
            let mut closes = (received / MINUTE * MINUTE..).step_by(MINUTE as usize).filter(|m| Self::works(*m) == Some(1_050));
            // The close of the day of receipt: when it came in too late, the one after.
            let too_late = Self::works(received).is_some_and(|clock| clock * 60 + (received % MINUTE / 1_000_000) as i32 > self.cutoff * 60);
            let after_work = Self::works(received).is_some_and(|clock| clock > 1_050);
            let mut day = closes.next().unwrap();
            if too_late && !after_work {
                day = closes.next().unwrap();
            }
            if days > 0 && !self.first {
                day = closes.next().unwrap();
            }
            let mut left = days.max(1);
            loop {
                if !self.pauses.iter().any(|(from, to)| (*from..*to).contains(&day)) {
                    left -= 1;
                    if left == 0 {
                        return day;
                    }
                }
                day = closes.next().unwrap();
            }
        }

        fn took(&self, received: i64, ended: i64) -> u32 {
            let minutes = (received..ended).step_by(MINUTE as usize).filter(|m| {
                let hours = Self::works(*m).is_some_and(|c| (450..690).contains(&c) || (810..1_050).contains(&c));
                hours && !self.pauses.iter().any(|(from, to)| (*from..*to).contains(m))
            });
            (minutes.count() as u32).div_ceil(240)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

        #[test]
        fn deadlines_agree_with_the_slow_reckoner(
            base in 0usize..BASES.len(), offset in 0i64..5_760, days in 0u32..9, cutoff in 7i8..18, first: bool,
            gaps in proptest::collection::vec((0i64..4_000, 1i64..6_000), 0..4), end in 0i64..9_000,
        ) {
            let calendar = calendar();
            let received = at(BASES[base]).as_microsecond() + offset * MINUTE;
            let mut spans = Vec::new();
            let mut from = received;
            for (gap, length) in gaps {
                from += gap * MINUTE;
                spans.push((from, from + length * MINUTE));
                from += length * MINUTE;
            }
            let pauses: Vec<Pause> = spans.iter().map(|(a, b)| (micros(*a), Some(micros(*b)))).collect();
            let slow = Slow { pauses: &spans, cutoff: i32::from(cutoff) * 60, first };
            let terms = Terms { days, cutoff: time_of(cutoff), counts_first_day: first };
            let fast = due(&calendar, micros(received), terms, &pauses).unwrap();
            prop_assert_eq!(fast, micros(slow.due(received, days)), "received {}", micros(received));
            // A pause that goes on is left out until it ends.
            let mut open = pauses.clone();
            open.push((fast, None));
            prop_assert_eq!(due(&calendar, micros(received), terms, &open).unwrap(), fast);
            let ended = received + end * MINUTE;
            prop_assert_eq!(took(&calendar, micros(received), micros(ended), &pauses), slow.took(received, ended));
        }
    }
}
