//! `WorkCalendar` against a reckoner that knows nothing but to walk minute by minute and look at the wall clock.

use std::collections::BTreeMap;

use dothi_kernel::Timestamp;
use dothi_kernel::calendar::{DayKind, WorkCalendar};
use jiff::civil::{Date, Time, Weekday, date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;

#[derive(Debug, Clone)]
struct Plan {
    zone: &'static str,
    hours: Vec<(Time, Time)>,
    weekdays: Vec<Weekday>,
    special: BTreeMap<Date, DayKind>,
}

impl Plan {
    fn calendar(&self) -> WorkCalendar {
        WorkCalendar::new(self.zone, self.hours.clone(), &self.weekdays, self.special.clone()).unwrap()
    }

    /// Whether the minute that begins at `at` is worked, by looking at the wall clock.
    fn works(&self, zone: &TimeZone, at: i64) -> bool {
        let wall = zone.to_datetime(Timestamp::from_microsecond(at).unwrap());
        let day = match self.special.get(&wall.date()) {
            Some(DayKind::Work) => true,
            Some(DayKind::Off) => false,
            None => self.weekdays.contains(&wall.date().weekday()),
        };
        day && self.hours.iter().any(|(a, b)| *a <= wall.time() && wall.time() < *b)
    }

    fn slow_add(&self, from: i64, minutes: u32) -> i64 {
        let zone = TimeZone::get(self.zone).unwrap();
        let (mut at, mut left) = (from, minutes);
        // With nothing to count, the first working instant; else the end of the last counted minute.
        loop {
            if self.works(&zone, at) {
                if left == 0 {
                    return at;
                }
                left -= 1;
                if left == 0 {
                    return at + MINUTE;
                }
            }
            at += MINUTE;
        }
    }

    fn slow_between(&self, from: i64, to: i64) -> u32 {
        let zone = TimeZone::get(self.zone).unwrap();
        (0..).map(|i| from + i * MINUTE).take_while(|at| *at < to).filter(|at| self.works(&zone, *at)).count() as u32
    }
}

fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn hours() -> impl Strategy<Value = Vec<(Time, Time)>> {
    prop_oneof![
        Just(vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))]),
        Just(vec![(time(8, 0, 0, 0), time(16, 45, 0, 0))]),
        // From midnight, and through the hour that a change of the clocks skips or repeats.
        Just(vec![(time(0, 0, 0, 0), time(1, 15, 0, 0)), (time(1, 15, 0, 0), time(4, 0, 0, 0)), (time(22, 0, 0, 0), time(23, 59, 0, 0))]),
    ]
}

fn weekdays() -> impl Strategy<Value = Vec<Weekday>> {
    use Weekday::*;
    prop_oneof![
        Just(vec![Monday, Tuesday, Wednesday, Thursday, Friday]),
        Just(vec![Monday, Tuesday, Wednesday, Thursday, Friday, Saturday]),
        Just(vec![Wednesday]),
        Just(vec![Saturday, Sunday]),
    ]
}

/// A base day and a plan whose special days lie around it.
fn plans() -> impl Strategy<Value = (Plan, i64)> {
    let bases = prop_oneof![
        // Vietnam over Tết and a swapped Saturday; a leap day; the clocks of Berlin going forward and back.
        Just(("Asia/Ho_Chi_Minh", date(2026, 2, 12))),
        Just(("Asia/Ho_Chi_Minh", date(2026, 8, 20))),
        Just(("Asia/Ho_Chi_Minh", date(2028, 2, 27))),
        Just(("Europe/Berlin", date(2026, 3, 27))),
        Just(("Europe/Berlin", date(2026, 10, 23))),
        Just(("America/New_York", date(2026, 10, 30))),
    ];
    (bases, hours(), weekdays(), proptest::collection::btree_map(0i32..12, prop_oneof![Just(DayKind::Off), Just(DayKind::Work)], 0..6), 0i64..(3 * 1440))
        .prop_map(|((zone, base), hours, weekdays, special, offset)| {
            let special = special.into_iter().map(|(d, k)| (base.checked_add(jiff::Span::new().days(d)).unwrap(), k)).collect();
            let start = TimeZone::get(zone).unwrap().to_timestamp(base.at(0, 0, 0, 0)).unwrap().as_microsecond() + offset * MINUTE;
            (Plan { zone, hours, weekdays, special }, start)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn add_agrees_with_the_slow_reckoner((plan, from) in plans(), minutes in 0u32..1500) {
        let fast = plan.calendar().add(Timestamp::from_microsecond(from).unwrap(), minutes).unwrap().as_microsecond();
        prop_assert_eq!(fast, plan.slow_add(from, minutes));
    }

    #[test]
    fn between_agrees_with_the_slow_reckoner((plan, from) in plans(), length in -600i64..20_000) {
        let to = from + length * MINUTE;
        let fast = plan.calendar().minutes_between(Timestamp::from_microsecond(from).unwrap(), Timestamp::from_microsecond(to).unwrap());
        prop_assert_eq!(fast, plan.slow_between(from, to));
    }

    #[test]
    fn between_undoes_add((plan, from) in plans(), minutes in 0u32..3000, seconds in 0i64..60) {
        let calendar = plan.calendar();
        let from = Timestamp::from_microsecond(from + seconds * 1_000_000).unwrap();
        let due = calendar.add(from, minutes).unwrap();
        prop_assert!(due >= from);
        prop_assert_eq!(calendar.minutes_between(from, due), minutes);
        prop_assert!(calendar.add(from, minutes + 1).unwrap() > due || minutes == 0);
    }
}

fn vietnam(special: &[(Date, DayKind)]) -> Plan {
    use Weekday::*;
    Plan {
        zone: "Asia/Ho_Chi_Minh",
        hours: vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))],
        weekdays: vec![Monday, Tuesday, Wednesday, Thursday, Friday],
        special: special.iter().copied().collect(),
    }
}

#[test]
fn known_deadlines() {
    let plan =
        vietnam(&[(date(2026, 8, 31), DayKind::Off), (date(2026, 9, 1), DayKind::Off), (date(2026, 9, 2), DayKind::Off), (date(2026, 8, 22), DayKind::Work)]);
    let calendar = plan.calendar();
    for (from, minutes, due) in [
        // Friday 21 August 2026, 17:00 and one hour: half an hour goes on the worked Saturday.
        ("2026-08-21T10:00:00Z", 60, "2026-08-22T01:00:00Z"),
        // Friday 28 August 17:30 sharp and one minute: after the National Day, Thursday 3 September 07:31.
        ("2026-08-28T10:30:00Z", 1, "2026-09-03T00:31:00Z"),
        // Nothing to do from midnight on Saturday: the first working instant.
        ("2026-11-20T17:00:00Z", 0, "2026-11-23T00:30:00Z"),
        // A whole day ends at the day's end, not next morning.
        ("2026-11-20T00:30:00Z", 480, "2026-11-20T10:30:00Z"),
        // Over a leap day, which is a Tuesday.
        ("2028-02-28T10:00:00Z", 60, "2028-02-29T01:00:00Z"),
    ] {
        assert_eq!(calendar.add(from.parse().unwrap(), minutes).unwrap().to_string(), due, "{from} + {minutes}");
        assert_eq!(plan.slow_add(micros(from), minutes), micros(due));
    }
}

#[test]
fn unusable_calendars_are_refused() {
    let hour = |a: i8, b: i8| (time(a, 0, 0, 0), time(b, 0, 0, 0));
    let new = |zone: &str, hours: Vec<(Time, Time)>, days: &[Weekday]| WorkCalendar::new(zone, hours, days, BTreeMap::new()).map(|_| ()).map_err(|e| e.code());
    assert_eq!(new("Asia/Ho_Chi_Minh", vec![hour(8, 12)], &[Weekday::Monday]), Ok(()));
    assert_eq!(new("Nowhere/Land", vec![hour(8, 12)], &[Weekday::Monday]), Err("calendar.invalid"));
    for hours in [vec![], vec![hour(12, 8)], vec![hour(8, 8)], vec![hour(8, 12), hour(11, 17)], vec![hour(13, 17), hour(8, 12)]] {
        assert_eq!(new("Asia/Ho_Chi_Minh", hours, &[Weekday::Monday]), Err("calendar.invalid"));
    }
    assert_eq!(new("Asia/Ho_Chi_Minh", vec![hour(8, 12)], &[]), Err("calendar.invalid"));
    let calendar = vietnam(&[]).calendar();
    assert_eq!(calendar.add("2026-11-20T00:00:00Z".parse().unwrap(), u32::MAX).unwrap_err().code(), "calendar.too-far");
}
