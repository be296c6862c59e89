//! A synthetic network of roads the size of a province's: how long it takes to build, what it costs in memory, and how soon a way is found.

use std::collections::BTreeMap;
use std::time::Instant;

use dothi_kernel::geo::Point;
use dothi_traffic::roads::graph::Graph;
use dothi_traffic::roads::pack::{Mode, Status, Vehicle};
use dothi_traffic::roads::search::{Change, Changes, Metric, Trip};
use dothi_traffic::roads::set::{RoadSet, Way, class_of, mode};

/// Metres between crossings, about.
const STEP: f64 = 150.0;
/// Points of a street between two crossings, both included.
const BENDS: usize = 4;

/// A small generator: the network is the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn share(&mut self) -> f64 {
        (self.next() % 1_000_000) as f64 / 1_000_000.0
    }
}

/// A lattice with bends: every tenth line is a main road, every third a tertiary one, the rest lanes, of which one in eight is one-way and
/// one in twelve is missing.
fn lattice(edges: usize) -> RoadSet {
    let side = ((edges as f64 / 4.0 / 0.93).sqrt().ceil() as usize).max(2);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut set = RoadSet { words: vec![String::new()], ..RoadSet::default() };
    let degree = STEP / 111_195.0;
    let point = |set: &mut RoadSet, x: f64, y: f64, dice: &mut Dice| {
        let (dx, dy) = ((dice.share() - 0.5) * 0.3, (dice.share() - 0.5) * 0.3);
        set.points.push([((106.0 + (x + dx) * degree / 0.937) * 1e7) as i32, ((20.2 + (y + dy) * degree) * 1e7) as i32]);
        (set.points.len() - 1) as u32
    };
    let crossings: Vec<u32> = (0..side * side).map(|i| point(&mut set, (i % side) as f64, (i / side) as f64, &mut dice)).collect();
    let classes = [class_of("primary"), class_of("tertiary"), class_of("residential")].map(|c| c.expect("a class"));
    for line in 0..side {
        let rank = if line % 10 == 0 {
            0
        } else if line % 3 == 0 {
            1
        } else {
            2
        };
        for across in [false, true] {
            let at = |i: usize| if across { crossings[line * side + i] } else { crossings[i * side + line] };
            for i in 0..side - 1 {
                if rank == 2 && dice.below(12) == 0 {
                    continue;
                }
                let (x0, y0, x1, y1) = if across { (i, line, i + 1, line) } else { (line, i, line, i + 1) };
                let mut points = vec![at(i)];
                for b in 1..BENDS - 1 {
                    let t = b as f64 / (BENDS - 1) as f64;
                    points.push(point(&mut set, x0 as f64 + t * (x1 - x0) as f64, y0 as f64 + t * (y1 - y0) as f64, &mut dice));
                }
                points.push(at(i + 1));
                let oneway = rank == 2 && dice.below(8) == 0;
                let backward = if oneway { mode::FOOT } else { mode::ALL };
                set.ways.push(Way { id: set.ways.len() as i64, points, class: classes[rank], forward: mode::ALL, backward, ..Way::default() });
            }
        }
    }
    set
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn timed(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    format!("p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms", quantile(&times, 0.5), quantile(&times, 0.99), quantile(&times, 1.0))
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split_whitespace().nth(1).and_then(|p| p.parse().ok()).unwrap_or(0.0);
    pages * 4_096.0 / 1_048_576.0
}

/// Measures and prints.
pub fn measure(edges: usize, routes: usize) {
    let set = lattice(edges);
    let (points, ways) = (set.points.len(), set.ways.len());
    let begun = Instant::now();
    let bytes = set.encode();
    let encoded = begun.elapsed();
    drop(set);
    let begun = Instant::now();
    let set = RoadSet::decode(&bytes).expect("what was written is read");
    let decoded = begun.elapsed();
    let size = bytes.len();
    drop(bytes);
    let before = resident();
    let begun = Instant::now();
    let graph = Graph::build(set);
    println!(
        "{} arcs, {} pieces, {} points; kept as {:.1} MB (written in {:.0} ms, read in {:.0} ms)",
        graph.arc_count(),
        ways,
        points,
        size as f64 / 1e6,
        encoded.as_secs_f64() * 1e3,
        decoded.as_secs_f64() * 1e3
    );
    println!(
        "built in {:.0} ms with the R-tree; {:.0} MiB reckoned, {:.0} MiB resident more than before",
        begun.elapsed().as_secs_f64() * 1e3,
        graph.bytes() as f64 / 1_048_576.0,
        resident() - before
    );
    let speed: BTreeMap<String, f64> = [("primary", 52.0), ("tertiary", 38.0), ("residential", 22.0)].into_iter().map(|(c, v)| (c.to_string(), v)).collect();
    let engine = Vehicle {
        code: "engine".into(),
        name: "engine".into(),
        name_en: "engine".into(),
        mode: Mode::Emergency,
        serves: Vec::new(),
        height_m: None,
        weight_t: None,
        over_limit: true,
        turns_free: false,
        speed,
        source_act: String::new(),
        status: Status::Invented,
    };
    let begun = Instant::now();
    let metric = Metric::of(&graph, &engine);
    println!("a vehicle's metric with its connected part: {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    let mut changes = Changes::new(graph.pieces().len());
    let mut dice = Dice(88_172_645_463_325_252);
    for _ in 0..2_000 {
        changes.add(dice.below(graph.pieces().len() * 2) as u32, Change::Closed { from: 0, to: 10, pass: Vec::new().into() });
    }
    let trip = Trip { graph: &graph, metric: &metric, changes: &changes, vehicle: "engine", at: 5 };
    let bbox = graph.bbox();
    let mut place = |within: f64| {
        let (x, y) = (0.5 + (dice.share() - 0.5) * within, 0.5 + (dice.share() - 0.5) * within);
        Point { lon: bbox.west + x * (bbox.east - bbox.west), lat: bbox.south + y * (bbox.north - bbox.south) }
    };
    let places: Vec<Point> = (0..routes).map(|_| place(1.0)).collect();
    let times = places.iter().map(|p| {
        let begun = Instant::now();
        assert!(!trip.snaps(*p, 2_000.0).is_empty());
        begun.elapsed().as_secs_f64() * 1e3
    });
    println!("nearest road: {}", timed(times.collect()));
    for (name, within) in [("across the whole network", 1.0), ("within a tenth of it", 0.1)] {
        let (mut found, mut times, mut km) = (0, Vec::new(), 0.0);
        for _ in 0..routes {
            let (a, b) = (place(within), place(within));
            let begun = Instant::now();
            let route = trip.route(&trip.snaps(a, 2_000.0), &trip.snaps(b, 2_000.0), 3 * 3_600_000);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            found += usize::from(route.is_some());
            km += route.map_or(0.0, |r| f64::from(r.takes.cm) / 100_000.0);
        }
        println!("{routes} routes {name} ({found} found, {:.0} km on average): {}", km / found.max(1) as f64, timed(times));
    }
    for (name, within) in [("across the whole network", 1.0), ("within a tenth of it", 0.1)] {
        let times = (0..40).map(|_| {
            let from: Vec<Point> = (0..50).map(|_| place(within)).collect();
            let to = place(within);
            let begun = Instant::now();
            let snaps: Vec<_> = from.iter().map(|p| trip.snaps(*p, 2_000.0)).collect();
            let found = trip.many_to_one(&snaps, &trip.snaps(to, 2_000.0), 3 * 3_600_000);
            assert!(found.iter().flatten().count() >= 45);
            begun.elapsed().as_secs_f64() * 1e3
        });
        println!("50 places to 1 {name}: {}", timed(times.collect()));
    }
    let times = (0..20).map(|_| {
        let begun = Instant::now();
        let reached = trip.reach(&trip.snaps(place(0.5), 2_000.0), 10 * 60_000, false);
        assert!(!reached.is_empty());
        begun.elapsed().as_secs_f64() * 1e3
    });
    println!("reached within ten minutes: {}", timed(times.collect()));
}
