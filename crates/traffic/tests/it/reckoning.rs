//! The usual against a slow reckoner that looks at nothing but the definition.

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::time::micros;
use dothi_traffic::model::Level;
use dothi_traffic::reckon::{Sample, Skill, Usual, next_hour, skill, slot, speed_of_occupancy, speed_of_volume};
use proptest::prelude::*;

use crate::{QUARTER, SECOND, calendar, pack};

const HOUR: i64 = 3_600 * SECOND;

/// Weekday (0 = Monday; a holiday on a working day is a Sunday) and hour, by words of a calendar.
fn slow_slot(calendar: &WorkCalendar, t: i64) -> usize {
    let local = micros(t).to_zoned(calendar.zone().clone());
    let name = local.strftime("%a").to_string();
    let mut day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|d| *d == name).unwrap();
    if local.date() == jiff::civil::date(2026, 3, 4) || local.date() == jiff::civil::date(2026, 5, 1) {
        day = 6;
    }
    day * 24 + local.hour() as usize
}

fn slow_median(values: &[f64]) -> f64 {
    let mut rest = values.to_vec();
    // Takes the least and the greatest away until one or two are left.
    while rest.len() > 2 {
        let least = (0..rest.len()).min_by(|a, b| rest[*a].total_cmp(&rest[*b])).unwrap();
        rest.remove(least);
        let most = (0..rest.len()).max_by(|a, b| rest[*a].total_cmp(&rest[*b])).unwrap();
        rest.remove(most);
    }
    rest.iter().sum::<f64>() / rest.len() as f64
}

fn slow_usual(calendar: &WorkCalendar, samples: &[Sample], t: i64) -> Option<(f64, f64)> {
    let in_slot = |s: usize| samples.iter().filter(move |x| slow_slot(calendar, x.t) == s).copied().collect::<Vec<_>>();
    let line = |t: i64| {
        // The middles of the hours before and after.
        let start = t.div_euclid(HOUR) * HOUR;
        let (a, b) = if t - start < HOUR / 2 { (start - HOUR / 2, start + HOUR / 2) } else { (start + HOUR / 2, start + 3 * HOUR / 2) };
        let at = |m: i64| {
            let all: Vec<f64> = in_slot(slow_slot(calendar, m)).iter().map(|s| s.value).collect();
            (!all.is_empty()).then(|| f64::from(slow_median(&all) as f32))
        };
        let own = slow_slot(calendar, t);
        match (at(a), at(b)) {
            (Some(x), Some(y)) => Some(x + (y - x) * (t - a) as f64 / HOUR as f64),
            (Some(x), None) if slow_slot(calendar, a) == own => Some(x),
            (None, Some(y)) if slow_slot(calendar, b) == own => Some(y),
            _ => None,
        }
    };
    let far: Vec<f64> = in_slot(slow_slot(calendar, t)).iter().filter_map(|s| Some((s.value - line(s.t)?).abs())).collect();
    Some((line(t)?, if far.is_empty() { 0.0 } else { 1.4826 * slow_median(&far) }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_usual_is_what_its_definition_says(
        begin in 0i64..40_000,
        gaps in prop::collection::vec((1i64..40, 0.0f64..2_000.0), 1..160),
        asked in prop::collection::vec(0i64..6_000, 1..6),
    ) {
        let calendar = calendar();
        // From January 2026, so that the holiday on a Wednesday lies in it.
        let (mut t, mut samples) = (1_767_200_000 * SECOND + begin * 60 * SECOND, Vec::new());
        for (gap, value) in gaps {
            samples.push(Sample { t, value });
            t += gap * QUARTER;
        }
        let usual = Usual::of(&calendar, &samples);
        for n in asked {
            let at = samples[0].t + n * QUARTER / 2;
            let (fast, slow) = (usual.at(&calendar, at, 1), slow_usual(&calendar, &samples, at));
            prop_assert_eq!(fast.is_some(), slow.is_some(), "{}", at);
            if let (Some(f), Some(s)) = (fast, slow) {
                prop_assert!((f.0 - s.0).abs() < 0.05 && (f.1 - s.1).abs() < 0.05, "{:?} {:?}", f, s);
            }
        }
    }

    /// The slower, the worse: levels never turn back, and every speed has one.
    #[test]
    fn levels_fall_with_the_speed(free in 10.0f64..120.0, a in 0.0f64..150.0, b in 0.0f64..150.0) {
        let policy = pack().policy.remove(0);
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(policy.level(low, free) >= policy.level(high, free));
        prop_assert_ne!(policy.level(low, free), Level::Unknown);
    }

    /// Speeds that are reckoned stay between standing and free, and fall with what they are reckoned from.
    #[test]
    fn reckoned_speeds_are_speeds(free in 10.0f64..120.0, jam in 50.0f64..300.0, lanes in 1u32..6, a in 0.0f64..9_000.0, b in 0.0f64..9_000.0) {
        let (few, many) = (a.min(b), a.max(b));
        let (fast, slow) = (speed_of_volume(few, free, jam, lanes), speed_of_volume(many, free, jam, lanes));
        prop_assert!(slow <= fast && fast <= free && slow >= free / 2.0 - 1e-9);
        prop_assert!((0.0..=free).contains(&speed_of_occupancy(a / 5_000.0, free)));
    }
}

#[test]
fn a_holiday_is_a_sunday_and_does_not_spoil_its_weekday() {
    let calendar = calendar();
    let at = |d: i8, h: i8| jiff::civil::date(2026, 3, d).at(h, 0, 0, 0).to_zoned(calendar.zone().clone()).unwrap().timestamp().as_microsecond();
    assert_eq!(slot(&calendar, at(4, 8)).0, 6 * 24 + 8, "a Wednesday off");
    assert_eq!(slot(&calendar, at(11, 8)).0, 2 * 24 + 8);
    assert_eq!(slot(&calendar, at(7, 0)).0, 5 * 24);
}

#[test]
fn the_forecast_is_only_worth_showing_when_it_is_nearer_than_the_naive_words() {
    let calendar = calendar();
    // A daily wave, and deviations that die away: something the last value and the last week both miss.
    let start = 1_767_200_400 * SECOND / QUARTER * QUARTER;
    let (mut drift, mut dice) = (0.0f64, 7u64);
    let samples: Vec<Sample> = (0..6 * 7 * 96)
        .map(|n| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (dice >> 40) as f64 / f64::from(1 << 24) - 0.5;
            drift = 0.9 * drift + 60.0 * noise;
            let wave = 500.0 + 300.0 * (n as f64 / 96.0 * std::f64::consts::TAU).sin();
            Sample { t: start + n * QUARTER, value: wave + drift }
        })
        .collect();
    let split = start + 5 * 7 * 96 * QUARTER;
    let found = skill(&calendar, &samples, split, 3).unwrap();
    assert!(found.helps() && (0.3..0.95).contains(&found.keep), "{found:?}");
    let usual = Usual::of(&calendar, &samples);
    let last = *samples.last().unwrap();
    assert!(next_hour(&calendar, &usual, found.keep, last, 3).unwrap() > 0.0);
    assert!(!Skill { error: 5.0, error_last: 5.0, error_week: 9.0, ..found }.helps(), "no better than the last value");
    assert!(skill(&calendar, &samples[..200], start + 100 * QUARTER, 3).is_none(), "too little to say anything");
}
