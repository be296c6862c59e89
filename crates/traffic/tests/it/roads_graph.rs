//! The graph and its searches against a slow reckoner that knows nothing of nodes, copies or heaps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use dothi_kernel::geo::Point;
use dothi_traffic::roads::graph::{Graph, Snap};
use dothi_traffic::roads::pack::{Mode, Status, Vehicle};
use dothi_traffic::roads::read::{Format, read_from};
use dothi_traffic::roads::search::{Change, Changes, Metric, Trip};
use dothi_traffic::roads::set::{Ban, RoadSet, Way, class_of, mode};
use proptest::prelude::*;

pub(crate) fn vehicle(mode: Mode, speeds: &[(&str, f64)]) -> Vehicle {
    Vehicle {
        code: "test".into(),
        name: "test".into(),
        name_en: "test".into(),
        mode,
        serves: Vec::new(),
        height_m: None,
        weight_t: None,
        over_limit: false,
        turns_free: false,
        speed: speeds.iter().map(|(c, v)| ((*c).to_string(), *v)).collect(),
        source_act: String::new(),
        status: Status::Invented,
    }
}

pub(crate) fn car() -> Vehicle {
    vehicle(Mode::Car, &[("primary", 60.0), ("tertiary", 40.0), ("residential", 20.0), ("service", 10.0), ("ferry", 8.0)])
}

/// A set whose ways have two points each, so that a way is a piece.
#[derive(Debug, Clone)]
struct Town {
    set: RoadSet,
    /// From and to: way and share of its length.
    places: Vec<(usize, f64)>,
    closed: BTreeSet<u32>,
}

fn towns() -> impl Strategy<Value = Town> {
    let ways = prop::collection::vec((0usize..8, 0usize..8, 0usize..3, 0usize..6), 3..15);
    let bans = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..7);
    let barred = prop::collection::vec(0u32..8, 0..2);
    let places = prop::collection::vec((any::<prop::sample::Index>(), 0.05f64..0.95), 2..6);
    let closed = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..3);
    (prop::collection::vec((0i32..4_000, 0i32..4_000), 8), ways, bans, barred, places, closed).prop_map(|(points, ways, bans, barred, places, closed)| {
        let points: Vec<[i32; 2]> = points.iter().enumerate().map(|(i, (x, y))| [1_063_000_000 + x * 100 + i as i32 * 7, 204_500_000 + y * 100]).collect();
        let classes = ["primary", "tertiary", "residential"];
        let ways: Vec<Way> = ways
            .into_iter()
            .enumerate()
            .map(|(i, (a, b, class, access))| {
                let b = if a == b { (b + 1) % 8 } else { b };
                let (forward, backward) = match access {
                    0 => (mode::ALL, mode::FOOT),
                    1 => (mode::FOOT, mode::ALL),
                    2 => (mode::TRUCK, mode::CAR),
                    _ => (mode::ALL, mode::ALL),
                };
                let points = vec![a as u32, b as u32];
                Way { id: i as i64, points, class: class_of(classes[class]).unwrap(), forward, backward, ..Way::default() }
            })
            .collect();
        // Bans over a point that both ways touch.
        let mut kept = Vec::new();
        for (from, to, only) in bans {
            let (from, to) = (from.index(ways.len()), to.index(ways.len()));
            if let Some(via) = ways[from].points.iter().find(|p| ways[to].points.contains(p)) {
                kept.push(Ban { from: from as u32, via: *via, to: to as u32, only, modes: mode::MOTOR });
            }
        }
        let closed = closed.iter().map(|(i, against)| (i.index(ways.len()) as u32) << 1 | u32::from(*against)).collect();
        let places = places.into_iter().map(|(i, share)| (i.index(ways.len()), share)).collect();
        let used: BTreeSet<u32> = ways.iter().flat_map(|w| w.points.clone()).collect();
        let barred = barred.into_iter().filter(|p| used.contains(p)).map(|p| (p, mode::CAR)).collect();
        Town { set: RoadSet { points, barred, ways, bans: kept, words: vec![String::new()] }, places, closed }
    })
}

/// Everything between directed ways by Floyd and Warshall: what lies between the end of one and the beginning of another.
struct Slow {
    cost: Vec<Option<u64>>,
    between: Vec<Vec<Option<u64>>>,
}

impl Slow {
    fn of(town: &Town, graph: &Graph, vehicle: &Vehicle) -> Self {
        let set = &town.set;
        let n = set.ways.len() * 2;
        let ends = |d: usize| {
            let p = &set.ways[d / 2].points;
            if d.is_multiple_of(2) { (p[0], p[1]) } else { (p[1], p[0]) }
        };
        let cost: Vec<Option<u64>> = (0..n)
            .map(|d| {
                let way = &set.ways[d / 2];
                let may = if d.is_multiple_of(2) { way.forward } else { way.backward };
                let kmh = vehicle.speed[["primary", "tertiary", "residential"].into_iter().find(|c| class_of(c) == Some(way.class)).unwrap()];
                let metres = f64::from(graph.pieces()[d / 2].length_cm) / 100.0;
                let open = may & mode::CAR != 0 && !town.closed.contains(&(d as u32));
                open.then(|| (metres / (kmh / 3.6) * 1_000.0).round().max(1.0) as u64)
            })
            .collect();
        let may_turn = |e: usize, f: usize| {
            let (via, way_e, way_f) = (ends(e).1, (e / 2) as u32, (f / 2) as u32);
            let round = e / 2 == f / 2;
            let stopped = set.barred.iter().any(|(p, _)| *p == via) && !round;
            // A ban counts for whoever arrives by its way at its point.
            let banned = set.bans.iter().filter(|b| b.via == via && b.from == way_e).any(|b| (b.to == way_f) != b.only);
            ends(f).0 == via && !stopped && !banned
        };
        let mut between = vec![vec![None; n]; n];
        for e in 0..n {
            for f in 0..n {
                if cost[e].is_some() && cost[f].is_some() && may_turn(e, f) {
                    between[e][f] = Some(0);
                }
            }
        }
        for g in 0..n {
            let Some(through) = cost[g] else { continue };
            for e in 0..n {
                for f in 0..n {
                    if let (Some(a), Some(b)) = (between[e][g], between[g][f]) {
                        let all = a + through + b;
                        between[e][f] = Some(between[e][f].map_or(all, |old: u64| old.min(all)));
                    }
                }
            }
        }
        Self { cost, between }
    }

    fn way(&self, (i, a): (usize, f64), (j, b): (usize, f64)) -> Option<f64> {
        let mut best: Option<f64> = None;
        let mut take = |ms: f64| best = Some(best.map_or(ms, |old: f64| old.min(ms)));
        for e in [i * 2, i * 2 + 1] {
            let Some(cost_e) = self.cost[e] else { continue };
            let a = if e % 2 == 0 { a } else { 1.0 - a };
            for f in [j * 2, j * 2 + 1] {
                let Some(cost_f) = self.cost[f] else { continue };
                let b = if f % 2 == 0 { b } else { 1.0 - b };
                if e == f && b >= a {
                    take(cost_e as f64 * (b - a));
                }
                if let Some(between) = self.between[e][f] {
                    take(cost_e as f64 * (1.0 - a) + between as f64 + cost_f as f64 * b);
                }
            }
        }
        best
    }
}

/// A way from a set as a snap on its piece.
fn snap(graph: &Graph, (way, share): (usize, f64)) -> Vec<Snap> {
    let at = graph.line((way as u32) << 1, share, share)[0];
    vec![Snap { piece: way as u32, share, metres: 0.0, at }]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn searches_find_what_the_slow_reckoner_finds(town in towns()) {
        let graph = Graph::build(town.set.clone());
        prop_assert_eq!(graph.pieces().len(), town.set.ways.len());
        let mut changes = Changes::new(graph.pieces().len());
        for directed in &town.closed {
            changes.add(*directed, Change::Closed { from: 0, to: 10, pass: Vec::new().into() });
        }
        let vehicle = car();
        let metric = Metric::of(&graph, &vehicle);
        let trip = Trip { graph: &graph, metric: &metric, changes: &changes, vehicle: "test", at: 5 };
        // A way that lies between the same two points more than once makes a ban over both unclear: then it counts nowhere.
        let mut kept = town.clone();
        kept.set.bans.retain(|b| {
            let touch = |way: u32| town.set.ways[way as usize].points.iter().filter(|p| **p == b.via).count() == 1;
            touch(b.from) && touch(b.to)
        });
        prop_assert_eq!(graph.unclear as usize, town.set.bans.len() - kept.set.bans.len());
        let slow = Slow::of(&kept, &graph, &vehicle);
        let snaps: Vec<Vec<Snap>> = town.places.iter().map(|p| snap(&graph, *p)).collect();
        for (j, to) in town.places.iter().enumerate() {
            let times = trip.many_to_one(&snaps, &snaps[j], u32::MAX - 1);
            for (i, from) in town.places.iter().enumerate() {
                let expected = slow.way(*from, *to);
                let route = trip.route(&snaps[i], &snaps[j], u32::MAX - 1);
                prop_assert_eq!(expected.is_some(), times[i].is_some(), "{} to {}", i, j);
                prop_assert_eq!(expected.is_some(), route.is_some(), "route {} to {}", i, j);
                let (Some(expected), Some(takes), Some(route)) = (expected, times[i], route) else { continue };
                prop_assert!((f64::from(takes.ms) - expected).abs() <= 3.0, "{} instead of {}", takes.ms, expected);
                prop_assert!((f64::from(route.takes.ms) - expected).abs() <= 3.0, "route {} instead of {}", route.takes.ms, expected);
                // The route is whole: each part begins where the one before ends, and together they take what it says.
                let mut ms = 0.0;
                for pair in route.parts.windows(2) {
                    let end = *graph.line(pair[0].directed, pair[0].from, pair[0].to).last().unwrap();
                    let begin = graph.line(pair[1].directed, pair[1].from, pair[1].to)[0];
                    prop_assert!(end.distance(begin) < 0.1, "a gap of {} m", end.distance(begin));
                }
                for part in &route.parts {
                    ms += f64::from(trip.cost(part.directed)) * (part.to - part.from);
                }
                prop_assert!((ms - expected).abs() <= 3.0);
            }
        }
        // What is reached within a time is what takes no longer.
        for (i, from) in town.places.iter().enumerate() {
            for back in [false, true] {
                let reached = trip.reach(&snaps[i], 20_000, back);
                for to in &town.places {
                    let takes = if back { slow.way(*to, *from) } else { slow.way(*from, *to) };
                    let inside = reached.iter().any(|r| r.piece as usize == to.0 && r.from <= to.1 + 1e-9 && to.1 <= r.to + 1e-9);
                    match takes {
                        Some(ms) if ms < 19_990.0 => prop_assert!(inside, "reached in {} ms, back {}", ms, back),
                        Some(ms) if ms <= 20_010.0 => {}
                        _ => prop_assert!(!inside, "not reached ({:?}), back {}", takes, back),
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_read_back_and_damage_is_noticed(town in towns(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut set = town.set;
        set.words = vec![String::new(), "Phố Huế".into()];
        set.ways[0].name = 1;
        let bytes = set.encode();
        prop_assert_eq!(&RoadSet::decode(&bytes).unwrap(), &set);
        let mut broken = bytes.clone();
        let place = at.index(bytes.len());
        broken[place] = byte;
        // Whatever it is read as, nothing points outside.
        if let Ok(set) = RoadSet::decode(&broken) {
            Graph::build(set);
        }
        prop_assert!(RoadSet::decode(&bytes[..place]).is_err());
    }

    #[test]
    fn the_nearest_road_is_the_nearest(town in towns(), x in 0.0f64..0.05, y in 0.0f64..0.05) {
        let graph = Graph::build(town.set.clone());
        let point = Point { lon: 106.3 + x, lat: 20.45 + y };
        let vehicle = car();
        let metric = Metric::of(&graph, &vehicle);
        let none = Changes::default();
        let trip = Trip { graph: &graph, metric: &metric, changes: &none, vehicle: "test", at: 0 };
        let found = trip.snaps(point, 50_000.0);
        let passable = |w: &Way| (w.forward | w.backward) & mode::CAR != 0;
        // A thousand places on each road.
        let apart = |i: usize| graph.line((i as u32) << 1, 0.0, 1.0).windows(2).flat_map(|p| (0..=1_000).map(move |k| (p[0], p[1], f64::from(k) / 1_000.0)))
            .map(|(a, b, t)| Point { lon: a.lon + t * (b.lon - a.lon), lat: a.lat + t * (b.lat - a.lat) }.distance(point)).fold(f64::INFINITY, f64::min);
        let slow = town.set.ways.iter().enumerate().filter(|(_, w)| passable(w)).map(|(i, _)| apart(i)).fold(f64::INFINITY, f64::min);
        match found.first() {
            None => prop_assert!(slow.is_infinite()),
            Some(first) => prop_assert!((first.metres - slow).abs() < 5.0 + slow * 0.002, "{} instead of {}", first.metres, slow),
        }
    }
}

const TOWN: &str = r#"
n 1 106.300 20.450
n 2 106.301 20.450
n 3 106.302 20.450 barrier=bollard
n 4 106.303 20.450
n 5 106.301 20.451
n 6 106.302 20.449
n 7 106.310 20.460
n 8 106.311 20.460
n 9 106.305 20.455 highway=crossing
w 10 1,2 highway=primary name=Phố_Huế ref=QL.39 maxspeed=50
w 18 2,3,4 highway=primary name=Phố_Huế ref=QL.39 maxspeed=50
w 11 2,5 highway=residential oneway=yes name=Ngõ_1
w 12 3,6,404,5 highway=tertiary bridge=yes maxheight=3.2
w 13 7,8 highway=service access=private
w 14 4,7 route=ferry duration=00:10
w 15 1,6 building=yes
w 16 5,9,1 highway=construction
r 20 w10:from,n2:via,w11:to type=restriction restriction=no_left_turn
r 21 w10:from,w12:via,w11:to type=restriction restriction=no_left_turn
r 22 w10:from,n2:via,w11:to type=restriction restriction:conditional=no_left_turn_@_(07:00-09:00)
r 23 w99:outer type=boundary
"#;

type Parts = Vec<(char, i64, String, Vec<(String, String)>)>;

fn parts() -> Parts {
    TOWN.lines()
        .filter(|l| !l.is_empty())
        .map(|l| {
            let mut words = l.split(' ');
            let kind = words.next().unwrap().chars().next().unwrap();
            let id = words.next().unwrap().parse().unwrap();
            let body = if kind == 'n' { format!("{} {}", words.next().unwrap(), words.next().unwrap()) } else { words.next().unwrap().to_string() };
            let tags =
                words.map(|w| w.split_once('=').unwrap()).map(|(k, v)| (k.to_string(), v.replace('_', " ").replace("no left turn", "no_left_turn"))).collect();
            (kind, id, body, tags)
        })
        .collect()
}

fn member(text: &str) -> (String, i64, String) {
    let (what, role) = text.split_once(':').unwrap();
    let kind = if what.starts_with('w') { "way" } else { "node" };
    (kind.into(), what[1..].parse().unwrap(), role.into())
}

fn as_xml() -> String {
    let mut out =
        String::from("<?xml version='1.0' encoding='UTF-8'?>\n<osm version=\"0.6\">\n<bounds minlat=\"1\" minlon=\"1\" maxlat=\"2\" maxlon=\"2\"/>\n");
    for (kind, id, body, tags) in parts() {
        let tags: String = tags.iter().map(|(k, v)| format!("<tag k=\"{k}\" v=\"{v}\"/>")).collect();
        match kind {
            'n' => {
                let (lon, lat) = body.split_once(' ').unwrap();
                if tags.is_empty() {
                    writeln!(out, "<node id=\"{id}\" lat=\"{lat}\" lon=\"{lon}\"/>").unwrap();
                } else {
                    writeln!(out, "<node id=\"{id}\" lat=\"{lat}\" lon=\"{lon}\">{tags}</node>").unwrap();
                }
            }
            'w' => {
                let refs: String = body.split(',').map(|r| format!("<nd ref=\"{r}\"/>")).collect();
                writeln!(out, "<way id=\"{id}\">{refs}{tags}</way>").unwrap();
            }
            _ => {
                let members: String = body.split(',').map(member).map(|(k, r, role)| format!("<member type=\"{k}\" ref=\"{r}\" role=\"{role}\"/>")).collect();
                writeln!(out, "<relation id=\"{id}\">{members}{tags}</relation>").unwrap();
            }
        }
    }
    out + "</osm>\n"
}

fn as_json() -> String {
    let elements: Vec<serde_json::Value> = parts()
        .into_iter()
        .rev()
        .map(|(kind, id, body, tags)| {
            let tags: BTreeMap<String, String> = tags.into_iter().collect();
            match kind {
                'n' => {
                    let (lon, lat) = body.split_once(' ').unwrap();
                    serde_json::json!({ "type": "node", "id": id, "lon": lon.parse::<f64>().unwrap(), "lat": lat.parse::<f64>().unwrap(), "tags": tags })
                }
                'w' => serde_json::json!({ "type": "way", "id": id, "nodes": body.split(',').map(|r| r.parse::<i64>().unwrap()).collect::<Vec<_>>(), "tags": tags }),
                _ => {
                    let members: Vec<_> = body.split(',').map(member).map(|(k, r, role)| serde_json::json!({ "type": k, "ref": r, "role": role })).collect();
                    serde_json::json!({ "type": "relation", "id": id, "members": members, "tags": tags })
                }
            }
        })
        .collect();
    serde_json::json!({ "version": 0.6, "elements": elements, "osm3s": { "copyright": "ODbL" } }).to_string()
}

fn read(format: Format, text: &str) -> dothi_kernel::Result<(RoadSet, dothi_traffic::roads::read::Taken)> {
    read_from(format, || Ok(text.as_bytes()))
}

#[test]
fn a_town_is_read_from_xml_and_from_overpass_alike() {
    let (xml, taken) = read(Format::OsmXml, &as_xml()).unwrap();
    let (json, also) = read(Format::Overpass, &as_json()).unwrap();
    let named = |set: &RoadSet| {
        let word = |n: u32| set.words[n as usize].clone();
        let at = |p: &u32| set.points[*p as usize];
        let mut all: Vec<_> = set
            .ways
            .iter()
            .map(|w| {
                let line: Vec<_> = w.points.iter().map(at).collect();
                (w.id, line, (w.class, w.forward, w.backward, w.maxspeed, w.height_cm, w.seconds), word(w.name), word(w.number))
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(named(&xml), named(&json));
    assert_eq!(taken, also);
    // A building and a road being built are no roads. Of three bans one holds always and over a point.
    assert_eq!((taken.ways, taken.ways_left, taken.bans, taken.bans_left), (6, 2, 1, 2));
    let by = |id: i64| xml.ways.iter().find(|w| w.id == id).unwrap();
    assert_eq!((by(11).forward, by(11).backward, by(13).forward), (mode::ALL, mode::FOOT, mode::EMERGENCY));
    assert_eq!((by(12).height_cm, by(14).seconds, by(10).maxspeed), (320, 600, 50));
    assert_eq!(xml.barred.len(), 1);
    let graph = Graph::build(xml);
    let vehicle = car();
    let metric = Metric::of(&graph, &vehicle);
    let none = Changes::default();
    let trip = Trip { graph: &graph, metric: &metric, changes: &none, vehicle: "test", at: 0 };
    // On the nearest road alone: on foot one gets to the next one.
    let place = |lon: f64, lat: f64| trip.snaps(Point { lon, lat }, 100.0).into_iter().take(1).collect::<Vec<_>>();
    let lane = place(106.301, 20.4505);
    let round = trip.route(&place(106.3005, 20.45), &lane, 10_000_000).unwrap().takes;
    assert!((30_000..33_000).contains(&round.cm), "the left turn is banned: on to the posts, back and in from there: {round:?}");
    assert!(trip.route(&lane, &place(106.3005, 20.45), 10_000_000).is_none(), "the lane is one-way");
    assert!(trip.route(&place(106.3005, 20.45), &place(106.3028, 20.45), 10_000_000).is_none(), "posts stand in the road");
    let ferry = trip.route(&place(106.3025, 20.45), &place(106.306, 20.4543), 10_000_000).unwrap();
    assert!(ferry.takes.ms > 200_000, "the ferry takes ten minutes: {ferry:?}");
}

#[test]
fn a_file_that_is_no_roads_says_so() {
    let fault = |format, text: &str| read(format, text).unwrap_err().code();
    for (format, text, code) in [
        (Format::OsmXml, "<osm><node id='1' lat='1' lon='1'/></osm>", "roads.none"),
        (Format::OsmXml, "<osm><way id='1'><nd ref='1'/><nd ref='2'/><tag k='highway' v='primary'/></way></osm>", "roads.none"),
        (Format::OsmXml, "<osm><way id='1'", "roads.unreadable"),
        (Format::Overpass, "{\"elements\": [{\"type\": \"way\", \"id\": \"x\"}]}", "roads.unreadable"),
        (Format::Overpass, "{\"features\": []}", "roads.unreadable"),
        (
            Format::Geojson,
            "{\"features\": [{\"geometry\": {\"type\": \"LineString\", \"coordinates\": [[200, 20], [106, 20]]}, \"properties\": {\"class\": \"primary\"}}]}",
            "roads.unreadable",
        ),
        (Format::Geojson, "{\"features\": [{\"geometry\": null, \"properties\": null}]}", "roads.none"),
        (Format::OsmPbf, "this is no protocol buffer, and long enough to be looked at", "roads.unreadable"),
    ] {
        assert_eq!(fault(format, text), code, "{text}");
    }
    // A loop of parentheses is no stack overflow, and a wild number no panic.
    let deep = format!("{{\"elements\": {}", "[".repeat(100_000));
    assert_eq!(fault(Format::Overpass, &deep), "roads.unreadable");
}

#[test]
fn a_register_joins_where_lines_share_a_point_and_says_whose_roads_they_are() {
    let line = |coordinates: serde_json::Value, properties: serde_json::Value| serde_json::json!({ "type": "Feature", "geometry": { "type": "LineString", "coordinates": coordinates }, "properties": properties });
    let text = serde_json::json!({ "type": "FeatureCollection", "features": [
        line(serde_json::json!([[106.30, 20.45], [106.31, 20.45], [106.32, 20.45]]), serde_json::json!({ "name": "Đường 1", "class": "primary", "owner": "national", "ref": "QL.39" })),
        // Drawn by another office: three centimetres beside.
        line(serde_json::json!([[106.310_000_3, 20.45], [106.31, 20.46]]), serde_json::json!({ "class": "residential", "owner": "commune", "oneway": "yes", "maxspeed": 30 })),
        line(serde_json::json!([[106.30, 20.45], [106.31, 20.45]]), serde_json::json!({ "class": "canal" })),
    ] });
    let (set, taken) = read(Format::Geojson, &text.to_string()).unwrap();
    assert_eq!((taken.ways, taken.ways_left, set.points.len()), (2, 1, 4));
    let graph = Graph::build(set);
    assert_eq!(graph.pieces().len(), 3);
    assert_eq!((graph.word(graph.ways()[0].owner), graph.ways()[1].backward, graph.ways()[1].maxspeed), ("national", mode::FOOT, 30));
}

/// An island beside the road: whoever snaps to it would never get anywhere.
#[test]
fn an_island_of_the_network_makes_no_place_unreachable() {
    let text = "<osm><node id='1' lat='20.45' lon='106.30'/><node id='2' lat='20.45' lon='106.32'/><node id='3' lat='20.47' lon='106.31'/>\
        <node id='4' lat='20.4505' lon='106.305'/><node id='5' lat='20.4505' lon='106.306'/>\
        <way id='1'><nd ref='1'/><nd ref='2'/><tag k='highway' v='primary'/></way>\
        <way id='3'><nd ref='2'/><nd ref='3'/><tag k='highway' v='primary'/></way><way id='4'><nd ref='3'/><nd ref='1'/><tag k='highway' v='primary'/></way>\
        <way id='2'><nd ref='4'/><nd ref='5'/><tag k='highway' v='service'/></way></osm>";
    let graph = Graph::build(read(Format::OsmXml, text).unwrap().0);
    let vehicle = car();
    let metric = Metric::of(&graph, &vehicle);
    let none = Changes::default();
    let trip = Trip { graph: &graph, metric: &metric, changes: &none, vehicle: "test", at: 0 };
    let yard = trip.snaps(Point { lon: 106.3055, lat: 20.4506 }, 2_000.0);
    assert_eq!(yard.iter().map(|s| graph.way(s.piece).id).collect::<Vec<_>>(), [2, 1]);
    let there = trip.snaps(Point { lon: 106.311, lat: 20.468 }, 2_000.0);
    assert_eq!(there.len(), 1);
    assert!(trip.route(&yard, &there, 10_000_000).is_some());
    assert!(trip.many_to_one(std::slice::from_ref(&yard), &there, 10_000_000)[0].is_some());
    assert!(trip.route(&there, &yard, 10_000_000).is_some());
    // Within the yard the short way is still the short way.
    let gate = trip.snaps(Point { lon: 106.3052, lat: 20.4506 }, 2_000.0);
    assert!(trip.route(&yard, &gate, 10_000_000).unwrap().takes.cm < 6_500);
}

#[test]
fn bridges_signs_and_speeds_are_each_vehicles_own() {
    let text = as_xml().replace("maxheight\" v=\"3.2", "maxheight\" v=\"3.0");
    let graph = Graph::build(read(Format::OsmXml, &text).unwrap().0);
    let low = (0..graph.pieces().len() as u32).find(|p| graph.way(*p).id == 12).unwrap();
    let main = (0..graph.pieces().len() as u32).find(|p| graph.way(*p).id == 10).unwrap();
    let none = Changes::default();
    let cost = |vehicle: &Vehicle, directed: u32| {
        let metric = Metric::of(&graph, vehicle);
        Trip { graph: &graph, metric: &metric, changes: &none, vehicle: "test", at: 0 }.cost(directed)
    };
    let engine = Vehicle { height_m: Some(3.4), over_limit: true, ..vehicle(Mode::Emergency, &[("primary", 60.0), ("tertiary", 40.0), ("service", 10.0)]) };
    let van = Vehicle { height_m: Some(2.6), ..engine.clone() };
    assert_eq!(cost(&engine, low << 1), u32::MAX);
    assert_ne!(cost(&van, low << 1), u32::MAX);
    // 50 is signed: who may be faster is, the car is not.
    let length = f64::from(graph.pieces()[main as usize].length_cm) / 100.0;
    assert_eq!(cost(&engine, main << 1), (length / 60.0 * 3_600.0).round() as u32);
    assert_eq!(cost(&car(), main << 1), (length / 50.0 * 3_600.0).round() as u32);
    // Slower traffic counts for all who drive; faster than usual for nobody.
    let mut changes = Changes::new(graph.pieces().len());
    changes.add(main << 1, Change::Speed { kmh: 10.0, until: 100 });
    changes.add(main << 1 | 1, Change::Speed { kmh: 200.0, until: 100 });
    let metric = Metric::of(&graph, &car());
    let at = |at: i64| Trip { graph: &graph, metric: &metric, changes: &changes, vehicle: "test", at };
    assert_eq!((at(99).cost(main << 1), at(100).cost(main << 1)), ((length / 10.0 * 3_600.0) as u32, cost(&car(), main << 1)));
    assert_eq!(at(99).cost(main << 1 | 1), cost(&car(), main << 1 | 1));
}
