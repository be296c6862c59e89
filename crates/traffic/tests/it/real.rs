//! Measured on real counts, where these are at hand (`../shared/data/sets`, or DOTHI_SETS): 139 approaches of Melbourne in October
//! 2006 by quarters of an hour, and a motorway of Minnesota by hours. Thresholds are the pack's; days that are judged were not
//! learned from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use dothi_kernel::Observation;
use dothi_kernel::calendar::WorkCalendar;
use dothi_traffic::live::{Change, Live, SegmentUsual};
use dothi_traffic::model::Segment;
use dothi_traffic::now::Net;
use dothi_traffic::pack::Policy;
use dothi_traffic::reckon::{Sample, Skill, Usual, skill};
use jiff::civil::{DateTime, Weekday, date, time};
use serde_json::json;
use uuid::Uuid;

use crate::{QUARTER, observation, pack, segment};

const DAY: i64 = 96 * QUARTER;
const HOUR: i64 = 4 * QUARTER;

/// The lines of a packed table; none where the set is not at hand.
fn lines(path: &str) -> Option<Vec<String>> {
    let home = std::env::var("DOTHI_SETS").map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets"), PathBuf::from);
    let file = home.join(path);
    if !file.exists() {
        eprintln!("SKIPPED: {} is not here", file.display());
        return None;
    }
    let mut child = Command::new("gzip").arg("-dc").arg(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    child.wait().unwrap();
    Some(String::from_utf8_lossy(&bytes).lines().map(String::from).collect())
}

/// Days of that place, all at one offset: what matters is the hour of the week.
fn calendar(zone: &str) -> WorkCalendar {
    let days = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    WorkCalendar::new(zone, vec![(time(8, 0, 0, 0), time(17, 0, 0, 0))], &days, BTreeMap::new()).unwrap()
}

fn stored(code: &str, downstream: Vec<String>, n: usize) -> Segment {
    let input = segment(json!({"code": code}));
    let at = dothi_kernel::time::micros(0);
    Segment {
        id: Uuid::from_u128(n as u128 + 1),
        code: code.into(),
        name: input.name,
        class: input.class,
        direction: String::new(),
        line: vec![[106.0 + n as f64 * 0.05, 20.0], [106.01 + n as f64 * 0.05, 20.0]],
        length_m: 1_000.0,
        free_speed: 60.0,
        speed_limit: None,
        lanes: 3,
        jam_density: 140.0,
        unit: String::new(),
        commune: String::new(),
        downstream,
        detectors: input.detectors,
        source: String::new(),
        active: true,
        at,
        by: String::new(),
        version: 1,
    }
}

struct Melbourne {
    calendar: WorkCalendar,
    policy: Policy,
    net: Net,
    /// Vehicles an hour by approach, in order of the network's segments.
    courses: Vec<(Uuid, String, BTreeMap<i64, f64>)>,
    first: i64,
}

/// `BURKE_RD N of HARP_RD`: road and side.
fn leg(location: &str) -> Option<(String, String)> {
    let (left, _) = location.split_once(" of ").or_else(|| location.split_once(" OF "))?;
    let (road, side) = left.trim().rsplit_once(' ')?;
    Some((road.to_uppercase(), side.to_uppercase()))
}

fn melbourne() -> Option<Melbourne> {
    let rows = lines("traffic-scats-vicroads-2006/scats_october_2006.csv.gz")?;
    let calendar = calendar("Etc/GMT-10");
    let first = date(2006, 10, 1).to_zoned(calendar.zone().clone()).unwrap().timestamp().as_microsecond();
    let mut found: BTreeMap<String, (f64, f64, BTreeMap<i64, f64>)> = BTreeMap::new();
    for row in rows.iter().skip(2) {
        let cells: Vec<&str> = row.split(',').collect();
        let (Some(day), true) = (cells.get(9).and_then(|d| d.split('/').next()).and_then(|d| d.parse::<i64>().ok()), cells.len() >= 106) else { continue };
        let entry = found
            .entry(format!("{}|{}", cells[0], cells[1]))
            .or_insert_with(|| (cells[3].parse().unwrap_or(0.0), cells[4].parse().unwrap_or(0.0), BTreeMap::new()));
        for (q, cell) in cells[10..106].iter().enumerate() {
            if let Ok(count) = cell.parse::<f64>() {
                entry.2.insert(first + (day - 1) * DAY + q as i64 * QUARTER, count * 4.0);
            }
        }
    }
    // The same leg of the same road at the next crossing lies downstream: from the north they go south.
    let mut roads: BTreeMap<(String, String), Vec<(f64, String)>> = BTreeMap::new();
    for (code, (lat, lon, _)) in found.iter().filter(|(_, f)| f.0 != 0.0) {
        let Some((road, side)) = leg(code.split('|').nth(1).unwrap()) else { continue };
        let along = match side.as_str() {
            "N" => -lat,
            "S" => *lat,
            "E" => -lon,
            "W" => *lon,
            _ => continue,
        };
        roads.entry((road, side)).or_default().push((along, code.clone()));
    }
    let mut after: BTreeMap<String, String> = BTreeMap::new();
    for legs in roads.values_mut() {
        legs.sort_by(|a, b| a.0.total_cmp(&b.0));
        after.extend(legs.windows(2).map(|w| (w[0].1.clone(), w[1].1.clone())));
    }
    let codes: Vec<&String> = found.keys().collect();
    let segments: Vec<Arc<Segment>> =
        codes.iter().enumerate().map(|(n, code)| Arc::new(stored(code, after.get(*code).into_iter().cloned().collect(), n))).collect();
    let courses = segments.iter().map(|s| (s.id, s.code.clone(), found[&s.code].2.clone())).collect();
    let net = Net::of(segments, Vec::new(), Vec::new(), 0.0);
    Some(Melbourne { calendar, policy: pack().policy.remove(0), net, courses, first })
}

/// Lives days from `from` to `to` (of the month, from 0) through the judge; what began: approach and instant, and whether borne out.
fn live(m: &Melbourne, usual: &BTreeMap<Uuid, Arc<SegmentUsual>>, from: i64, to: i64, change: impl Fn(&str, i64, f64) -> f64) -> Vec<(Uuid, i64, bool)> {
    let mut live = Live::default();
    live.usual = usual.iter().map(|(id, u)| (*id, u.clone())).collect();
    let (mut begun, mut next) = (Vec::new(), 1_000_000u128);
    for q in 0..(to - from) * 96 {
        let t = m.first + from * DAY + q * QUARTER;
        let batch: Vec<Observation> =
            m.courses.iter().filter_map(|(_, code, course)| Some(observation(code, "intensity", t, change(code, t, *course.get(&t)?)))).collect();
        for c in live.observe(&m.net, &m.policy, &m.calendar, &batch, t) {
            if let Change::Begin { segment, neighbours, .. } = c {
                next += 1;
                live.open(segment, Uuid::from_u128(next), !neighbours.is_empty());
                begun.push((segment, t, !neighbours.is_empty()));
            }
        }
    }
    begun
}

#[test]
fn melbourne_october_2006() {
    let Some(m) = melbourne() else { return };
    let split = m.first + 21 * DAY;
    let mut usual = BTreeMap::new();
    let (mut skills, mut shown) = (Vec::new(), 0);
    for (id, _, course) in &m.courses {
        let seen: Vec<Sample> = course.range(..split).map(|(t, v)| Sample { t: *t, value: *v }).collect();
        usual.insert(*id, Arc::new(SegmentUsual { volume: Some(Usual::of(&m.calendar, &seen)), ..SegmentUsual::default() }));
        let all: Vec<Sample> = course.iter().map(|(t, v)| Sample { t: *t, value: *v }).collect();
        // Learned from three weeks, tried on the ten days after.
        if let Some(s) = skill(&m.calendar, &all, split, m.policy.least_days) {
            shown += usize::from(s.helps());
            skills.push(s);
        }
    }
    let mean = |of: fn(&Skill) -> f64| skills.iter().map(of).sum::<f64>() / skills.len() as f64;
    println!(
        "forecast, {} approaches: error {:.1} vehicles an hour, as now {:.1}, as a week ago {:.1}; worth showing for {shown}",
        skills.len(),
        mean(|s| s.error),
        mean(|s| s.error_last),
        mean(|s| s.error_week)
    );
    assert!(mean(|s| s.error) < mean(|s| s.error_last) && mean(|s| s.error) < mean(|s| s.error_week));
    let ordinary = live(&m, &usual, 21, 31, |_, _, v| v);
    let days = 10.0 * m.courses.len() as f64;
    let borne = ordinary.iter().filter(|b| b.2).count();
    println!(
        "the ordinary ten days: {} incidents on {} approaches ({:.4} an approach and day), {borne} borne out by neighbours",
        ordinary.len(),
        m.courses.len(),
        ordinary.len() as f64 / days
    );
    assert!((ordinary.len() as f64) < 0.05 * days, "false alarms");
    // An hour's blockage on a weekday at an hour of traffic: a quarter of the vehicles get through, and half of them reach the next.
    let begun: BTreeSet<(Uuid, i64)> = ordinary.iter().map(|b| (b.0, b.1)).collect();
    let (mut tried, mut hit, mut in_half_hour, mut with_neighbours, mut borne) = (0, 0, 0, 0, 0);
    for (n, (id, code, course)) in m.courses.iter().enumerate() {
        let day = 22 + (n as i64 % 4);
        let at = m.first + day * DAY + (8 + n as i64 % 10) * HOUR;
        let enough = usual[id].volume.as_ref().unwrap().at(&m.calendar, at, m.policy.least_days).is_some_and(|u| u.0 >= m.policy.volume_least);
        if !enough || !course.contains_key(&at) {
            continue;
        }
        let next: Vec<String> = m.net_next(*id);
        let change = |c: &str, t: i64, v: f64| {
            let on = (at..at + HOUR).contains(&t);
            if on && c == code {
                v * 0.25
            } else if on && next.iter().any(|x| x == c) {
                v * 0.4
            } else {
                v
            }
        };
        let found = live(&m, &usual, day, day + 1, change);
        let first = found.iter().find(|b| b.0 == *id && (at..at + 2 * HOUR).contains(&b.1) && !begun.contains(&(b.0, b.1)));
        tried += 1;
        with_neighbours += usize::from(!next.is_empty());
        if let Some(first) = first {
            hit += 1;
            in_half_hour += usize::from(first.1 - at <= 2 * QUARTER);
            borne += usize::from(first.2);
        }
    }
    println!("injected: {hit} of {tried} found ({in_half_hour} within half an hour); {with_neighbours} had a neighbour, {borne} were borne out by it");
    assert!(hit * 10 >= tried * 8, "found {hit} of {tried}");
}

impl Melbourne {
    fn net_next(&self, id: Uuid) -> Vec<String> {
        self.net.after(id)
    }
}

#[test]
fn a_motorway_of_minnesota_by_hours() {
    let Some(rows) = lines("traffic-i94-hourly/Metro_Interstate_Traffic_Volume.csv.gz") else { return };
    let (calendar, policy) = (calendar("America/Chicago"), pack().policy.remove(0));
    let (mut course, mut holidays) = (BTreeMap::new(), BTreeSet::new());
    for row in rows.iter().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let at: DateTime = cells[7].replace(' ', "T").parse().unwrap();
        let t = at.to_zoned(calendar.zone().clone()).unwrap().timestamp().as_microsecond();
        // The same hour stands more than once where the weather was mixed.
        course.insert(t, cells[8].parse::<f64>().unwrap());
        if cells[0] != "None" {
            holidays.insert(at.date());
        }
    }
    // The year 2017, week by week, each judged by the eight weeks before it.
    let begin = date(2017, 1, 2).to_zoned(calendar.zone().clone()).unwrap().timestamp().as_microsecond();
    let segments = vec![Arc::new(stored("i94", Vec::new(), 0))];
    let net = Net::of(segments, Vec::new(), Vec::new(), 0.0);
    let id = Uuid::from_u128(1);
    let (mut skills, mut alarms, mut on_holidays, mut hours) = (Vec::new(), 0, 0, 0);
    for week in 0..51 {
        let start = begin + week * 7 * DAY;
        let of = |from: i64, to: i64| course.range(from..to).map(|(t, v)| Sample { t: *t, value: *v }).collect::<Vec<_>>();
        let seen = of(start - 56 * DAY, start);
        skills.extend(skill(&calendar, &of(start - 56 * DAY, start + 7 * DAY), start, policy.least_days));
        let mut live = Live::default();
        live.usual.insert(id, Arc::new(SegmentUsual { volume: Some(Usual::of(&calendar, &seen)), ..SegmentUsual::default() }));
        for s in of(start, start + 7 * DAY) {
            hours += 1;
            for c in live.observe(&net, &policy, &calendar, &[observation("i94", "intensity", s.t, s.value)], s.t) {
                if let Change::Begin { segment, .. } = c {
                    live.open(segment, Uuid::from_u128(9), false);
                    let day = dothi_kernel::time::micros(s.t).to_zoned(calendar.zone().clone()).date();
                    if holidays.contains(&day) || holidays.contains(&day.yesterday().unwrap()) || holidays.contains(&day.tomorrow().unwrap()) {
                        on_holidays += 1
                    } else {
                        alarms += 1
                    }
                }
            }
        }
    }
    let weight: f64 = skills.iter().map(|s| f64::from(s.n)).sum();
    let mean = |of: fn(&Skill) -> f64| skills.iter().map(|s| of(s) * f64::from(s.n)).sum::<f64>() / weight;
    println!(
        "2017, {hours} hours: error {:.0} vehicles an hour, as now {:.0}, as a week ago {:.0}",
        mean(|s| s.error),
        mean(|s| s.error_last),
        mean(|s| s.error_week)
    );
    println!("alarms: {alarms} on ordinary days, {on_holidays} on holidays and the days beside them ({} holidays in the set)", holidays.len());
    assert!(mean(|s| s.error) < mean(|s| s.error_last) && mean(|s| s.error) < mean(|s| s.error_week));
    assert!(alarms <= 26, "about one in two weeks at most: {alarms}");
}
