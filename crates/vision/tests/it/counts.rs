//! Following and counting, with things that are made up.

use dothi_vision::{Anchor, Found, Line, LineCounter, Polygon, PresenceKind, Tracker, Tracking, ZoneCounter};
use proptest::prelude::*;

use crate::rig::at;

pub fn rules() -> Tracking {
    Tracking { overlap: 0.2, reach: 1.0, lost_after_s: 1.0, seen_times: 2 }
}

fn found(class: &str, x: f32, y: f32) -> Found {
    Found { class: class.into(), score: 0.8, x0: x - 0.05, y0: y - 0.1, x1: x + 0.05, y1: y }
}

fn upright() -> Line {
    Line { a: (0.5, 1.0), b: (0.5, 0.0), anchor: Anchor::Foot, margin: 0.01 }
}

/// Forward and backward crossings of things that walk along these ways, one point a fifth of a second.
fn crossings(line: Line, ways: &[Vec<(f32, f32)>]) -> (usize, usize) {
    let (mut tracker, mut counter) = (Tracker::new(rules()).unwrap(), LineCounter::new(line).unwrap());
    let (mut forward, mut backward) = (0, 0);
    for i in 0..ways.iter().map(Vec::len).max().unwrap_or(0) {
        let now = at(i as f64 * 0.2);
        let seen: Vec<Found> = ways.iter().filter_map(|w| w.get(i)).map(|(x, y)| found("car", *x, *y)).collect();
        for crossing in counter.see(now, tracker.see(now, &seen)) {
            assert_eq!((crossing.class.as_str(), crossing.at), ("car", now));
            if crossing.forward { forward += 1 } else { backward += 1 }
        }
    }
    (forward, backward)
}

fn walk(from: (f32, f32), to: (f32, f32), steps: usize) -> Vec<(f32, f32)> {
    (0..=steps).map(|i| i as f32 / steps as f32).map(|t| (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t)).collect()
}

#[test]
fn both_ways_are_counted_once_each() {
    // From `a` (below) to `b` (above), left is left: rightwards is forward.
    assert_eq!(crossings(upright(), &[walk((0.1, 0.5), (0.9, 0.5), 20)]), (1, 0));
    assert_eq!(crossings(upright(), &[walk((0.9, 0.5), (0.1, 0.5), 20)]), (0, 1));
    let there_and_back = [walk((0.1, 0.5), (0.9, 0.5), 20), walk((0.9, 0.5), (0.1, 0.5), 20)].concat();
    assert_eq!(crossings(upright(), &[there_and_back]), (1, 1));
    // Two that pass each other, well apart.
    assert_eq!(crossings(upright(), &[walk((0.1, 0.3), (0.9, 0.3), 20), walk((0.9, 0.8), (0.1, 0.8), 20)]), (1, 1));
    // Beside the line's end, and along it.
    let short = Line { b: (0.5, 0.6), ..upright() };
    assert_eq!(crossings(short, &[walk((0.1, 0.4), (0.9, 0.4), 20)]), (0, 0));
    assert_eq!(crossings(upright(), &[walk((0.4, 0.1), (0.4, 0.9), 20)]), (0, 0));
}

#[test]
fn a_thing_that_is_missed_for_a_moment_is_the_same_thing() {
    let way = walk((0.1, 0.5), (0.9, 0.5), 40);
    let (mut tracker, mut counter) = (Tracker::new(rules()).unwrap(), LineCounter::new(upright()).unwrap());
    let (mut ids, mut count) = (std::collections::BTreeSet::new(), 0);
    for (i, (x, y)) in way.iter().enumerate() {
        let now = at(i as f64 * 0.1);
        // Hidden behind a pole for half a second, seen as a lorry now and then.
        let seen = if (18..23).contains(&i) { vec![] } else { vec![found(if i % 7 == 0 { "truck" } else { "car" }, *x, *y)] };
        let tracks = tracker.see(now, &seen);
        ids.extend(tracks.iter().map(|t| t.id));
        assert!(i < 8 || tracks.iter().all(|t| t.class == "car"));
        count += counter.see(now, tracks).len();
    }
    assert_eq!((ids.len(), count), (1, 1));
}

#[test]
fn single_false_findings_are_nothing() {
    let mut tracker = Tracker::new(rules()).unwrap();
    for i in 0..50 {
        let far = found("person", 0.1 + 0.8 * (i % 2) as f32, 0.2 + 0.7 * (i % 3) as f32 / 2.0);
        assert!(tracker.see(at(f64::from(i) * 2.0), &[far]).is_empty());
    }
}

#[test]
fn a_stay_is_told_once() {
    let zone = Polygon(vec![(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]);
    let (mut tracker, mut counter) = (Tracker::new(rules()).unwrap(), ZoneCounter::new(zone.clone(), Anchor::Foot, 3.0).unwrap());
    let way = [walk((0.2, 0.5), (0.5, 0.5), 10), vec![(0.5, 0.5); 50], walk((0.5, 0.5), (0.8, 0.5), 10)].concat();
    let mut told = Vec::new();
    for (i, (x, y)) in way.iter().enumerate() {
        let now = at(i as f64 * 0.1);
        told.extend(counter.see(now, tracker.see(now, &[found("person", *x, *y)])).into_iter().map(|p| (p.kind, p.seconds)));
        assert!(counter.inside() <= 1);
    }
    let kinds: Vec<PresenceKind> = told.iter().map(|t| t.0).collect();
    assert_eq!(kinds, [PresenceKind::Entered, PresenceKind::Stayed, PresenceKind::Left]);
    assert!((told[1].1 - 3.0).abs() < 0.11 && told[2].1 > 5.0, "{told:?}");
    // Lost from sight inside: it left when it was last seen.
    let mut counter = ZoneCounter::new(zone, Anchor::Foot, 60.0).unwrap();
    let mut tracker = Tracker::new(rules()).unwrap();
    for i in 0..5 {
        counter.see(at(f64::from(i)), tracker.see(at(f64::from(i)), &[found("person", 0.5, 0.5)]));
    }
    let gone = counter.see(at(60.0), tracker.see(at(60.0), &[]));
    assert_eq!((gone.len(), gone[0].kind, gone[0].at, counter.inside()), (1, PresenceKind::Left, at(4.0), 0));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert!(LineCounter::new(Line { b: (0.5, 1.0), ..upright() }).is_err());
    assert!(LineCounter::new(Line { a: (0.5, f32::NAN), ..upright() }).is_err());
    assert!(LineCounter::new(Line { margin: 0.5, ..upright() }).is_err());
    assert!(Tracker::new(Tracking { seen_times: 0, ..rules() }).is_err());
    assert!(Tracker::new(Tracking { overlap: f32::NAN, ..rules() }).is_err());
    assert!(ZoneCounter::new(Polygon(vec![]), Anchor::Foot, 1.0).is_err());
    assert!(ZoneCounter::new(Polygon(vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]), Anchor::Foot, f32::INFINITY).is_err());
}

proptest! {
    /// Over a line across the whole picture, what went forward less what went back is the net change of side, and both never differ
    /// by more than one: whatever way a thing takes.
    #[test]
    fn sums_agree_with_where_a_thing_ended(turns in prop::collection::vec((0.06f32..0.94, 0.2f32..0.9), 2..8)) {
        let mut way = Vec::new();
        for pair in turns.windows(2) {
            let length = (pair[0].0 - pair[1].0).hypot(pair[0].1 - pair[1].1);
            way.extend(walk(pair[0], pair[1], (length / 0.03).ceil().max(1.0) as usize));
        }
        let beyond = |x: f32| (x - 0.5).abs() > 0.01;
        let first = way.iter().skip(1).find(|p| beyond(p.0)).map(|p| p.0 > 0.5);
        let last = way.iter().rev().find(|p| beyond(p.0)).map(|p| p.0 > 0.5);
        let (forward, backward) = crossings(upright(), &[way]);
        let net = match (first, last) { (Some(false), Some(true)) => 1, (Some(true), Some(false)) => -1, _ => 0 };
        prop_assert_eq!(forward as i64 - backward as i64, net);
    }

    /// Trembling within the margin counts nothing.
    #[test]
    fn trembling_is_not_crossing(shakes in prop::collection::vec(-0.009f32..0.009, 2..60)) {
        let way: Vec<_> = shakes.iter().map(|s| (0.5 + s, 0.5)).collect();
        prop_assert_eq!(crossings(upright(), &[way]), (0, 0));
    }

    /// Whatever is found, numbers are never used twice at once, and the work is bounded.
    #[test]
    fn any_findings_are_followed(frames in prop::collection::vec(prop::collection::vec((0.0f32..1.0, 0.0f32..1.0), 0..40), 1..30)) {
        let mut tracker = Tracker::new(rules()).unwrap();
        for (i, frame) in frames.iter().enumerate() {
            let seen: Vec<Found> = frame.iter().map(|(x, y)| found("car", *x, *y)).collect();
            let tracks = tracker.see(at(i as f64 * 0.2), &seen);
            prop_assert!(tracks.len() <= 256);
            let ids: std::collections::BTreeSet<u64> = tracks.iter().map(|t| t.id).collect();
            prop_assert_eq!(ids.len(), tracks.len());
        }
    }
}
