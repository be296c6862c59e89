//! Ways as they are asked for: routes, reach, times, roads on a map, and the port for other domains.

use std::sync::Arc;

use async_trait::async_trait;
use dothi_kernel::geo::{BBox, Point};
use dothi_kernel::roads::{RoadNear, Way};
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde_json::{Value, json};

use super::graph::Graph;
use super::model::{LinesQuery, MatchQuery, MatchView, ReachQuery, ReachView, RouteQuery, RouteView, Slot, Step, TimesInput, TimesView, place};
use super::pack::Vehicle;
use super::search::{Changes, Metric, Part, Takes, Trip};
use super::set::{CLASSES, class_of, mode};
use super::{APART, Net, Roads};

/// Milliseconds of the longest way that is searched.
const LONGEST: u32 = 3 * 3_600_000;
/// Minutes of the widest reach.
const WIDEST: f64 = 60.0;
/// Lines of one answer.
const LINES: usize = 20_000;
/// Roads of one part of a map.
const FEATURES: usize = 4_000;
/// Degrees of a side of it.
const SIDE: f64 = 0.5;
/// Places of one table of times.
const FROM: usize = 200;
const TO: usize = 20;

fn seconds(ms: u32) -> u32 {
    ms.div_ceil(1_000)
}

fn metres(cm: u32) -> f64 {
    f64::from(cm).round() / 100.0
}

fn pair(p: Point) -> [f64; 2] {
    let short = |v: f64| (v * 1e6).round() / 1e6;
    [short(p.lon), short(p.lat)]
}

/// All that a search needs, to be taken along to another thread.
struct Ready {
    net: Arc<Net>,
    metric: Arc<Metric>,
    changes: Arc<Changes>,
    vehicle: Vehicle,
    at: i64,
}

impl Ready {
    fn trip(&self) -> Trip<'_> {
        Trip { graph: &self.net.graph, metric: &self.metric, changes: &self.changes, vehicle: &self.vehicle.code, at: self.at }
    }

    fn source(&self) -> String {
        format!("{} · {}", self.net.view.source, self.net.view.licence)
    }
}

fn may(caller: &Caller) -> Result<()> {
    // Whoever leads or drives to an incident needs the way there.
    let also = [Permission::IncidentRead, Permission::DispatchDo];
    if also.iter().any(|p| caller.may(*p, Scope::ANY)) { Ok(()) } else { caller.require(Permission::TrafficRead, Scope::ANY) }
}

fn no_way() -> Error {
    Error::unprocessable("roads.no-way", "No road leads from the one place to the other.")
}

fn steps(trip: &Trip<'_>, parts: &[Part]) -> (Vec<[f64; 2]>, Vec<Step>) {
    let (mut line, mut steps): (Vec<[f64; 2]>, Vec<(u32, Step)>) = (Vec::new(), Vec::new());
    for part in parts {
        let piece = part.directed >> 1;
        let (graph, way) = (trip.graph, trip.graph.way(piece));
        let share = part.to - part.from;
        let ms = (f64::from(trip.cost(part.directed)) * share).round() as u32;
        let long = f64::from(graph.pieces()[piece as usize].length_cm) / 100.0 * share;
        let same = steps.last().is_some_and(|(_, s)| s.name == graph.word(way.name) && s.number == graph.word(way.number));
        if !same {
            let begins = u32::try_from(line.len().saturating_sub(1)).unwrap_or(u32::MAX);
            let class = CLASSES[usize::from(way.class)].to_string();
            let (name, number) = (graph.word(way.name).to_string(), graph.word(way.number).to_string());
            steps.push((0, Step { name, number, class, metres: 0.0, seconds: 0, begins }));
        }
        if let Some((so_far, step)) = steps.last_mut() {
            *so_far = so_far.saturating_add(ms);
            step.metres += long;
        }
        for p in graph.line(part.directed, part.from, part.to).into_iter().map(pair) {
            if line.last() != Some(&p) {
                line.push(p);
            }
        }
    }
    let rounded = |(ms, s): (u32, Step)| Step { metres: s.metres.round(), seconds: seconds(ms), ..s };
    (line, steps.into_iter().map(rounded).collect())
}

/// Who answers for a road by its owner and number, and from where that is known.
type Owner<'a> = dyn Fn(&str, &str) -> Option<(String, &'static str)> + 'a;

/// Pieces as lines, those of one road joined where they follow one another.
fn features(graph: &Graph, pieces: &[u32], owner: &Owner<'_>) -> Vec<Value> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < pieces.len() && out.len() < FEATURES {
        let first = pieces[i];
        let way = graph.way(first);
        let mut line: Vec<[f64; 2]> = graph.line(first << 1, 0.0, 1.0).into_iter().map(pair).collect();
        let mut last = first;
        i += 1;
        while i < pieces.len() && pieces[i] == last + 1 {
            let (a, b) = (&graph.pieces()[last as usize], &graph.pieces()[pieces[i] as usize]);
            if a.way != b.way || a.to != b.from {
                break;
            }
            line.extend(graph.line(pieces[i] << 1, 0.0, 1.0).into_iter().skip(1).map(pair));
            last = pieces[i];
            i += 1;
        }
        let (motor, against) = (way.forward & mode::MOTOR, way.backward & mode::MOTOR);
        let owner = owner(graph.word(way.owner), graph.word(way.number));
        out.push(json!({
            "type": "Feature",
            "geometry": { "type": "LineString", "coordinates": line },
            "properties": {
                "name": graph.word(way.name), "number": graph.word(way.number), "class": CLASSES[usize::from(way.class)],
                "owner": owner.as_ref().map(|(code, _)| code), "owner_by": owner.as_ref().map(|(_, by)| *by),
                "oneway": motor != against, "maxspeed": (way.maxspeed > 0).then_some(way.maxspeed),
            },
        }));
    }
    out
}

impl Roads {
    fn ready(&self, kind: Option<&str>, at: Timestamp) -> Option<Ready> {
        let net = self.loaded().routed()?.clone();
        let vehicle = self.pack().vehicle_for(kind.unwrap_or_default())?.clone();
        Some(Ready { metric: net.metric(&vehicle), changes: net.changes(), vehicle, at: at.as_microsecond(), net })
    }

    fn needed(&self, kind: Option<&str>, at: Timestamp) -> Result<Ready> {
        self.ready(kind, at).ok_or_else(|| Error::unprocessable("roads.no-graph", "There are no roads here, or no pack says how vehicles go."))
    }

    /// The fastest route between two places. Needs `traffic-read`, `incident-read` or `dispatch-do`. 422 `roads.no-graph`, `roads.no-way`.
    pub async fn route(&self, caller: &Caller, query: &RouteQuery) -> Result<RouteView> {
        may(caller)?;
        let (from, to) = (place(&query.from)?, place(&query.to)?);
        let ready = self.needed(query.vehicle.as_deref(), caller.now)?;
        let work = move || {
            let trip = ready.trip();
            let route = trip.route(&trip.snaps(from, APART), &trip.snaps(to, APART), LONGEST)?;
            let (line, steps) = steps(&trip, &route.parts);
            Some(RouteView {
                vehicle: ready.vehicle.code.clone(),
                metres: metres(route.takes.cm).round(),
                seconds: seconds(route.takes.ms),
                before_m: route.begin.metres.round(),
                after_m: route.end.metres.round(),
                line,
                steps,
                source: ready.source(),
            })
        };
        self.turn(work).await?.ok_or_else(no_way)
    }

    /// What roads are reached from a place within some minutes, or from where the place is. Needs what [`Roads::route`] needs.
    pub async fn reach(&self, caller: &Caller, query: &ReachQuery) -> Result<ReachView> {
        may(caller)?;
        let at = place(&query.at)?;
        if !query.minutes.is_finite() || query.minutes <= 0.0 || query.minutes > WIDEST {
            return Err(Error::invalid("roads.minutes", "Minutes must be above 0 and at most 60.").with("limit", WIDEST));
        }
        let ready = self.needed(query.vehicle.as_deref(), caller.now)?;
        let (minutes, toward) = (query.minutes, query.toward);
        let work = move || {
            let trip = ready.trip();
            let reached = trip.reach(&trip.snaps(at, APART), (minutes * 60_000.0) as u32, toward);
            let graph = &ready.net.graph;
            let cm: f64 = reached.iter().map(|r| f64::from(graph.pieces()[r.piece as usize].length_cm) * (r.to - r.from)).sum();
            let lines = reached.iter().take(LINES).map(|r| graph.line(r.piece << 1, r.from, r.to).into_iter().map(pair).collect()).collect();
            let km = (cm / 10_000.0).round() / 10.0;
            ReachView { vehicle: ready.vehicle.code.clone(), minutes, km, lines, cut: reached.len() > LINES, source: ready.source() }
        };
        self.turn(work).await
    }

    /// Which roads lie near a place, and whose they are. Needs `traffic-read` or `case-read`.
    pub fn matched(&self, caller: &Caller, query: &MatchQuery) -> Result<MatchView> {
        if !caller.may(Permission::CaseRead, Scope::ANY) {
            may(caller)?;
        }
        let at = place(&query.at)?;
        let within = query.within.unwrap_or(50.0);
        if !within.is_finite() || !(0.0..=1_000.0).contains(&within) {
            return Err(Error::invalid("roads.within", "Metres must be between 0 and 1,000."));
        }
        let loaded = self.loaded();
        let nets = [&loaded.register, &loaded.network];
        let sources: Vec<&str> = nets.into_iter().flatten().map(|n| n.view.source.as_str()).collect();
        Ok(MatchView { roads: self.nearest(at, within), source: sources.join(" · ") })
    }

    /// What the ways from many places to some take. Needs what [`Roads::route`] needs.
    pub async fn times(&self, caller: &Caller, input: TimesInput) -> Result<TimesView> {
        may(caller)?;
        if input.from.is_empty() || input.to.is_empty() || input.from.len() > FROM || input.to.len() > TO {
            return Err(Error::invalid("roads.places", "Ask for 1 to 200 places to come from and 1 to 20 to go to."));
        }
        input.from.iter().chain(&input.to).try_for_each(|p| Point::new(p.lon, p.lat).map(|_| ()))?;
        let ready = self.needed(input.vehicle.as_deref(), caller.now)?;
        let work = move || {
            let trip = ready.trip();
            let from: Vec<_> = input.from.iter().map(|p| trip.snaps(*p, APART)).collect();
            let rows: Vec<Vec<Option<Takes>>> = input.to.iter().map(|p| trip.many_to_one(&from, &trip.snaps(*p, APART), LONGEST)).collect();
            TimesView {
                vehicle: ready.vehicle.code.clone(),
                seconds: rows.iter().map(|r| r.iter().map(|t| t.map(|t| seconds(t.ms))).collect()).collect(),
                metres: rows.iter().map(|r| r.iter().map(|t| t.map(|t| metres(t.cm).round())).collect()).collect(),
                source: ready.source(),
            }
        };
        self.turn(work).await
    }

    /// Roads of a part of a map as GeoJSON, the most important first, at most 4,000 lines; empty without roads. Public.
    pub fn lines(&self, _: &Caller, query: &LinesQuery) -> Result<Value> {
        let bbox = BBox::parse(&query.bbox)?;
        if bbox.east - bbox.west > SIDE || bbox.north - bbox.south > SIDE {
            return Err(Error::invalid("roads.bbox", "The part of the map is too large.").with("degrees", SIDE));
        }
        let least = match &query.to {
            None => None,
            Some(word) => Some(class_of(word).ok_or_else(|| Error::invalid("roads.class", "There is no such class of roads."))?),
        };
        let (loaded, pack) = (self.loaded(), self.pack());
        let net = match query.slot {
            Some(Slot::Register) => loaded.register.as_ref(),
            _ => loaded.routed(),
        };
        let Some(net) = net else { return Ok(json!({ "type": "FeatureCollection", "features": [] })) };
        let graph = &net.graph;
        // Links belong to the class they lead to.
        let wanted = |piece: &u32| {
            least.is_none_or(|l| {
                graph.way(*piece).class <= l || CLASSES.get(usize::from(l) + 1).is_some_and(|c| c.ends_with("_link") && graph.way(*piece).class == l + 1)
            })
        };
        let mut pieces: Vec<u32> = graph.inside(&bbox).into_iter().filter(wanted).collect();
        let cut = pieces.len() > FEATURES * 4;
        if cut {
            pieces.sort_by_key(|p| (graph.way(*p).class, *p));
            pieces.truncate(FEATURES * 4);
            pieces.sort_unstable();
        }
        let owner = |said: &str, number: &str| match said {
            "" => pack.owner_by_number(number).map(|o| (o.code.clone(), "number")),
            said => Some((said.to_string(), "register")),
        };
        let features = features(graph, &pieces, &owner);
        let cut = cut || features.len() >= FEATURES;
        Ok(json!({ "type": "FeatureCollection", "features": features, "cut": cut, "source": net.view.source, "licence": net.view.licence }))
    }
}

#[async_trait]
impl dothi_kernel::roads::Roads for Roads {
    async fn ways(&self, kind: &str, from: &[Point], to: Point, at: Timestamp) -> Result<Vec<Option<Way>>> {
        let Some(ready) = self.ready(Some(kind), at).filter(|_| !from.is_empty()) else { return Ok(vec![None; from.len()]) };
        let from = from.to_vec();
        let work = move || {
            let trip = ready.trip();
            let snaps: Vec<_> = from.iter().map(|p| trip.snaps(*p, APART)).collect();
            let found = trip.many_to_one(&snaps, &trip.snaps(to, APART), LONGEST);
            let way = |t: Takes| Way { metres: metres(t.cm).round(), seconds: seconds(t.ms), by: "road".into() };
            found.into_iter().map(|t| t.map(way)).collect()
        };
        self.turn(work).await
    }

    fn near(&self, point: Point, within_m: f64) -> Vec<RoadNear> {
        self.nearest(point, within_m)
    }
}
