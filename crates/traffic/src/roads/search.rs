//! Ways through the graph: what a piece costs a vehicle, changes that lie over it, and the searches.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use dothi_kernel::geo::Point;

use super::graph::{Graph, Snap, degrees};
use super::pack::Vehicle;
use super::set::CLASSES;

/// Not passable.
pub const NEVER: u32 = u32::MAX;
/// Milliseconds of a metre between a point and the road: on foot.
const WALK: f64 = 720.0;
/// Pieces looked at for a place on the road.
const LOOKED: usize = 4_000;

/// What every piece costs a vehicle in each direction, in milliseconds.
pub struct Metric {
    cost: Vec<u32>,
    /// Nodes of the largest part within which everything reaches everything.
    main: Vec<u64>,
    /// Metres a millisecond at most.
    fastest: f64,
    modes: u8,
    turns: u8,
}

fn bit(bits: &[u64], n: u32) -> bool {
    bits.get((n >> 6) as usize).is_some_and(|w| w >> (n & 63) & 1 == 1)
}

fn set_bit(bits: &mut [u64], n: u32) {
    if let Some(word) = bits.get_mut((n >> 6) as usize) {
        *word |= 1 << (n & 63);
    }
}

impl Metric {
    /// The metric of a vehicle.
    pub fn of(graph: &Graph, vehicle: &Vehicle) -> Self {
        let speeds: Vec<f64> = CLASSES.iter().map(|c| vehicle.speed.get(*c).copied().unwrap_or(0.0)).collect();
        let modes = vehicle.mode.bit();
        let height = vehicle.height_m.map_or(0, |m| (m * 100.0).round() as u16);
        let weight = vehicle.weight_t.map_or(0, |t| (t * 100.0).round() as u16);
        let mut cost = vec![NEVER; graph.pieces().len() * 2];
        for (i, piece) in graph.pieces().iter().enumerate() {
            let way = graph.way(i as u32);
            let low = (way.height_cm > 0 && height > way.height_cm) || (way.weight > 0 && weight > way.weight);
            let mut kmh = speeds.get(usize::from(way.class)).copied().unwrap_or(0.0);
            if low || kmh <= 0.0 {
                continue;
            }
            if way.maxspeed > 0 && !vehicle.over_limit {
                kmh = kmh.min(f64::from(way.maxspeed));
            }
            let ms = if way.seconds > 0 {
                // What the ferry takes for all of its way, by this piece's share; the water is slower than any wheel.
                (f64::from(piece.length_cm) / 100.0 / kmh * 3_600.0).max(f64::from(way.seconds) * 1_000.0)
            } else {
                f64::from(piece.length_cm) / 100.0 / kmh * 3_600.0
            };
            let ms = ms.round().clamp(1.0, 4e9) as u32;
            for against in [0u32, 1] {
                let directed = (i as u32) << 1 | against;
                if graph.open_to(directed, modes) {
                    cost[directed as usize] = ms;
                }
            }
        }
        Self::from(graph, cost, modes, if vehicle.turns_free { 0 } else { modes })
    }

    /// Every piece in both directions, at its length in centimetres: for laying lines over roads.
    pub fn lengths(graph: &Graph) -> Self {
        let cost = graph.pieces().iter().flat_map(|p| [p.length_cm; 2]).collect();
        Self::from(graph, cost, 0, 0)
    }

    fn from(graph: &Graph, cost: Vec<u32>, modes: u8, turns: u8) -> Self {
        let speed = |(i, c): (usize, &u32)| if *c == NEVER { 0.0 } else { f64::from(graph.pieces()[i / 2].length_cm) / 100.0 / f64::from(*c) };
        let fastest = cost.iter().enumerate().map(speed).fold(1e-9, f64::max);
        let mut metric = Self { cost, main: Vec::new(), fastest, modes, turns };
        metric.main = metric.largest_part(graph);
        metric
    }

    /// Pieces that it passes in at least one direction.
    pub fn passable(&self) -> usize {
        self.cost.chunks(2).filter(|c| c.iter().any(|c| *c != NEVER)).count()
    }

    /// The largest strongly connected part (Tarjan, without recursion).
    fn largest_part(&self, graph: &Graph) -> Vec<u64> {
        let n = graph.node_count();
        let (mut number, mut low) = (vec![0u32; n], vec![0u32; n]);
        let mut on_stack = vec![0u64; n.div_ceil(64)];
        let (mut stack, mut calls): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
        let (mut count, mut best): (u32, Vec<u32>) = (0, Vec::new());
        for root in 0..n as u32 {
            if number[root as usize] != 0 {
                continue;
            }
            calls.push((root, 0));
            while let Some((node, next)) = calls.pop() {
                let at = node as usize;
                if next == 0 {
                    count += 1;
                    (number[at], low[at]) = (count, count);
                    stack.push(node);
                    set_bit(&mut on_stack, node);
                }
                let mut deeper = None;
                for (i, arc) in graph.leaving(node).iter().enumerate().skip(next) {
                    let closed = self.cost[arc.piece() as usize] == NEVER || (arc.guarded() && !graph.passes(node, arc.piece(), self.modes, self.turns));
                    if closed {
                        continue;
                    }
                    if number[arc.node as usize] == 0 {
                        deeper = Some((i + 1, arc.node));
                        break;
                    }
                    if bit(&on_stack, arc.node) {
                        low[at] = low[at].min(number[arc.node as usize]);
                    }
                }
                if let Some((next, child)) = deeper {
                    calls.push((node, next));
                    calls.push((child, 0));
                    continue;
                }
                if low[at] == number[at] {
                    let from = stack.iter().rposition(|n| *n == node).unwrap_or(0);
                    let part = stack.split_off(from);
                    part.iter().for_each(|n| on_stack[(*n >> 6) as usize] &= !(1 << (n & 63)));
                    if part.len() > best.len() {
                        best = part;
                    }
                }
                if let Some((parent, _)) = calls.last() {
                    let parent = *parent as usize;
                    low[parent] = low[parent].min(low[at]);
                }
            }
        }
        let mut main = vec![0u64; n.div_ceil(64)];
        best.iter().for_each(|n| set_bit(&mut main, *n));
        main
    }
}

/// What changes a piece for a time.
#[derive(Debug, Clone)]
pub enum Change {
    /// Closed from an instant to another (µs), but for some vehicles.
    Closed {
        /// From.
        from: i64,
        /// Until.
        to: i64,
        /// Vehicles that pass all the same.
        pass: Arc<[String]>,
    },
    /// It flows at a speed until an instant (µs).
    Speed {
        /// km/h.
        kmh: f64,
        /// Until.
        until: i64,
    },
}

/// Changes by piece and direction, laid over the metrics without a rebuild.
#[derive(Debug, Default)]
pub struct Changes {
    marked: Vec<u64>,
    by: HashMap<u32, Vec<Change>>,
}

impl Changes {
    /// None yet, for a graph of so many pieces.
    pub fn new(pieces: usize) -> Self {
        Self { marked: vec![0; (pieces * 2).div_ceil(64)], by: HashMap::new() }
    }
    /// Lays a change over a piece in a direction.
    pub fn add(&mut self, directed: u32, change: Change) {
        set_bit(&mut self.marked, directed);
        self.by.entry(directed).or_default().push(change);
    }
    /// How many pieces are changed, directions apart.
    pub fn len(&self) -> usize {
        self.by.len()
    }
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.by.is_empty()
    }
    /// Pieces (directions apart) that are closed at an instant, at most so many.
    pub fn closed(&self, at: i64, most: usize) -> Vec<u32> {
        let shut = |c: &Change| matches!(c, Change::Closed { from, to, .. } if *from <= at && at < *to);
        let mut found: Vec<u32> = self.by.iter().filter(|(_, all)| all.iter().any(shut)).map(|(d, _)| *d).collect();
        found.sort_unstable();
        found.truncate(most);
        found
    }
}

/// A vehicle on its way at an instant.
#[derive(Clone, Copy)]
pub struct Trip<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// What pieces cost it.
    pub metric: &'a Metric,
    /// What lies over them.
    pub changes: &'a Changes,
    /// Its code.
    pub vehicle: &'a str,
    /// The instant (µs).
    pub at: i64,
}

/// What a way takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Takes {
    /// Milliseconds.
    pub ms: u32,
    /// Centimetres.
    pub cm: u32,
}

impl Takes {
    fn and(self, other: Takes) -> Takes {
        Takes { ms: self.ms.saturating_add(other.ms), cm: self.cm.saturating_add(other.cm) }
    }
}

/// A part of a route: a piece in its direction, from one share of it to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Piece and direction.
    pub directed: u32,
    /// From this share of it, in its direction.
    pub from: f64,
    /// To this share.
    pub to: f64,
}

/// A route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What it takes, with the way to the road and from it.
    pub takes: Takes,
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// Where it comes onto the road.
    pub begin: Snap,
    /// Where it leaves it.
    pub end: Snap,
}

/// Which part of a piece is reached, by shares of its length from its beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// Piece.
    pub piece: u32,
    /// From.
    pub from: f64,
    /// To.
    pub to: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Toward {
    /// From the seeds onwards.
    On,
    /// Against the arcs, to the seeds.
    Back,
}

const NONE: u32 = u32::MAX;

struct Labels {
    takes: Vec<Takes>,
    /// The node before, when routes are wanted.
    before: Vec<u32>,
    /// The piece that led here.
    by: Vec<u32>,
}

impl<'a> Trip<'a> {
    /// What a piece costs now.
    pub fn cost(&self, directed: u32) -> u32 {
        let usual = self.metric.cost[directed as usize];
        if usual == NEVER || !bit(&self.changes.marked, directed) {
            return usual;
        }
        let mut cost = usual;
        for change in self.changes.by.get(&directed).into_iter().flatten() {
            match change {
                Change::Closed { from, to, pass } if *from <= self.at && self.at < *to && !pass.iter().any(|v| v == self.vehicle) => return NEVER,
                Change::Speed { kmh, until } if self.at < *until && self.metric.modes & super::set::mode::FOOT == 0 => {
                    let metres = f64::from(self.graph.pieces()[(directed >> 1) as usize].length_cm) / 100.0;
                    cost = cost.max((metres / kmh.max(1.0) * 3_600.0).min(4e9) as u32);
                }
                _ => {}
            }
        }
        cost
    }

    fn length(&self, directed: u32) -> f64 {
        f64::from(self.graph.pieces()[(directed >> 1) as usize].length_cm)
    }

    fn in_main(&self, piece: u32) -> bool {
        let open = |d: &u32| self.cost(*d) != NEVER;
        let both = [piece << 1, piece << 1 | 1];
        both.iter().copied().filter(open).any(|d| bit(&self.metric.main, self.graph.head(d)))
            && both.iter().copied().filter(open).any(|d| self.graph.tails(d, self.metric.modes, self.metric.turns).any(|n| bit(&self.metric.main, n)))
    }

    /// Where a point comes onto the road: the nearest piece that is open to the vehicle and, when that lies apart from the rest of the
    /// network, the nearest one that does not.
    pub fn snaps(&self, point: Point, within_m: f64) -> Vec<Snap> {
        let mut found = Vec::new();
        let open = |s: &Snap| self.cost(s.piece << 1) != NEVER || self.cost(s.piece << 1 | 1) != NEVER;
        for snap in self.graph.around(point, within_m).take(LOOKED).filter(open) {
            let main = self.in_main(snap.piece);
            if main || found.is_empty() {
                found.push(snap);
            }
            if main {
                break;
            }
        }
        found
    }

    fn off(snap: &Snap) -> Takes {
        Takes { ms: (snap.metres * WALK).round().min(4e9) as u32, cm: (snap.metres * 100.0).round().min(4e9) as u32 }
    }

    fn share(&self, directed: u32, share: f64) -> Takes {
        Takes { ms: (f64::from(self.cost(directed)) * share).round() as u32, cm: (self.length(directed) * share).round() as u32 }
    }

    /// Nodes one comes to first from a place on the road (`On`), or last before it (`Back`), with the piece taken.
    fn seeds(&self, snap: &Snap, toward: Toward) -> Vec<(u32, Takes, u32)> {
        let mut out = Vec::new();
        for against in [0, 1] {
            let directed = snap.piece << 1 | against;
            if self.cost(directed) == NEVER {
                continue;
            }
            let done = if against == 0 { snap.share } else { 1.0 - snap.share };
            match toward {
                Toward::On => out.push((self.graph.head(directed), Self::off(snap).and(self.share(directed, 1.0 - done)), directed)),
                Toward::Back => {
                    let takes = Self::off(snap).and(self.share(directed, done));
                    out.extend(self.graph.tails(directed, self.metric.modes, self.metric.turns).map(|n| (n, takes, directed)));
                }
            }
        }
        out
    }

    /// The way along one piece, when both places lie on it in the right order.
    fn along(&self, a: &Snap, b: &Snap) -> Option<(Takes, Part)> {
        if a.piece != b.piece {
            return None;
        }
        let part = if b.share >= a.share {
            Part { directed: a.piece << 1, from: a.share, to: b.share }
        } else {
            Part { directed: a.piece << 1 | 1, from: 1.0 - a.share, to: 1.0 - b.share }
        };
        // Standing on the spot is no way along a closed direction.
        let directed = [part.directed, part.directed ^ 1].into_iter().find(|d| self.cost(*d) != NEVER && (*d == part.directed || a.share == b.share))?;
        let part = Part { directed, ..part };
        Some((Self::off(a).and(Self::off(b)).and(self.share(directed, part.to - part.from)), part))
    }

    /// Dijkstra, or A* when `guess` tells what is left at least (milliseconds). `settled` sees nodes in the order of what they take
    /// plus the guess, and may end it.
    fn spread(
        &self,
        toward: Toward,
        seeds: &[(u32, Takes, u32)],
        bound: u32,
        traced: bool,
        guess: impl Fn(u32) -> u32,
        mut settled: impl FnMut(u32, Takes, u32) -> ControlFlow<()>,
    ) -> Labels {
        let n = self.graph.node_count();
        let trace = if traced { n } else { 0 };
        let mut labels = Labels { takes: vec![Takes { ms: NEVER, cm: NEVER }; n], before: vec![NONE; trace], by: vec![NONE; trace] };
        let mut heap = BinaryHeap::new();
        for (node, takes, _) in seeds {
            let label = &mut labels.takes[*node as usize];
            if takes.ms < label.ms && takes.ms <= bound {
                *label = *takes;
                heap.push((Reverse(takes.ms.saturating_add(guess(*node))), Reverse(takes.ms), *node));
            }
        }
        while let Some((Reverse(reckoned), Reverse(ms), node)) = heap.pop() {
            let here = labels.takes[node as usize];
            if ms > here.ms {
                continue;
            }
            if settled(node, here, reckoned).is_break() {
                break;
            }
            let arcs = if toward == Toward::On { self.graph.leaving(node) } else { self.graph.arriving(node) };
            for arc in arcs {
                let directed = arc.piece();
                let cost = self.cost(directed);
                let tail = if toward == Toward::On { node } else { arc.node };
                if cost == NEVER || (arc.guarded() && !self.graph.passes(tail, directed, self.metric.modes, self.metric.turns)) {
                    continue;
                }
                let next = here.and(Takes { ms: cost, cm: self.length(directed) as u32 });
                if next.ms <= bound && next.ms < labels.takes[arc.node as usize].ms {
                    labels.takes[arc.node as usize] = next;
                    if traced {
                        labels.before[arc.node as usize] = node;
                        labels.by[arc.node as usize] = directed;
                    }
                    heap.push((Reverse(next.ms.saturating_add(guess(arc.node))), Reverse(next.ms), arc.node));
                }
            }
        }
        labels
    }

    /// What the ways from many places to one take, at most `bound` milliseconds; each place by its ways onto the road ([`Trip::snaps`]).
    pub fn many_to_one(&self, from: &[Vec<Snap>], to: &[Snap], bound: u32) -> Vec<Option<Takes>> {
        let mut best: Vec<Option<Takes>> = vec![None; from.len()];
        let mut starts: HashMap<u32, Vec<(usize, Takes)>> = HashMap::new();
        let better = |slot: &mut Option<Takes>, found: Takes| {
            let takes = found.ms <= bound && slot.is_none_or(|b| found < b);
            if takes {
                *slot = Some(found);
            }
            takes
        };
        for (i, snaps) in from.iter().enumerate() {
            for snap in snaps {
                for (takes, _) in to.iter().filter_map(|t| self.along(snap, t)) {
                    better(&mut best[i], takes);
                }
                for (node, takes, _) in self.seeds(snap, Toward::On) {
                    starts.entry(node).or_default().push((i, takes));
                }
            }
        }
        let seeds: Vec<_> = to.iter().flat_map(|t| self.seeds(t, Toward::Back)).collect();
        let wanted = from.iter().filter(|s| !s.is_empty()).count();
        let worst =
            |best: &[Option<Takes>]| if best.iter().flatten().count() < wanted { NEVER } else { best.iter().flatten().map(|b| b.ms).max().unwrap_or(0) };
        let mut stop = worst(&best);
        self.spread(
            Toward::Back,
            &seeds,
            bound,
            false,
            |_| 0,
            |node, takes, _| {
                if takes.ms >= stop {
                    return ControlFlow::Break(());
                }
                let mut changed = false;
                for (i, start) in starts.get(&node).into_iter().flatten() {
                    changed |= better(&mut best[*i], start.and(takes));
                }
                if changed {
                    stop = worst(&best);
                }
                ControlFlow::Continue(())
            },
        );
        best
    }

    /// The fastest route between two places, at most `bound` milliseconds.
    pub fn route(&self, from: &[Snap], to: &[Snap], bound: u32) -> Option<Route> {
        let mut best: Option<(Takes, Route)> = None;
        for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (a, b))) {
            if let Some((takes, part)) = self.along(a, b)
                && best.as_ref().is_none_or(|(t, _)| takes < *t)
            {
                best = Some((takes, Route { takes, parts: vec![part], begin: *a, end: *b }));
            }
        }
        // By node: the cheapest beginning and the cheapest end there.
        let mut begins: HashMap<u32, (Takes, u32, Snap)> = HashMap::new();
        let mut ends: HashMap<u32, (Takes, u32, Snap)> = HashMap::new();
        let mut seeds = Vec::new();
        for (all, snaps, toward) in [(&mut begins, from, Toward::On), (&mut ends, to, Toward::Back)] {
            for snap in snaps {
                for (node, takes, directed) in self.seeds(snap, toward) {
                    if toward == Toward::On {
                        seeds.push((node, takes, directed));
                    }
                    let slot = all.entry(node).or_insert((takes, directed, *snap));
                    if takes < slot.0 {
                        *slot = (takes, directed, *snap);
                    }
                }
            }
        }
        let guess = |node: u32| {
            let metres = to.iter().map(|t| self.graph.least_metres(node, t.at)).fold(f64::INFINITY, f64::min);
            (metres / self.metric.fastest).min(4e9) as u32
        };
        let mut found: Option<(Takes, u32)> = None;
        let mut stop = best.as_ref().map_or(bound, |(t, _)| t.ms.min(bound));
        let labels = self.spread(Toward::On, &seeds, stop, true, guess, |node, takes, reckoned| {
            if reckoned > stop {
                return ControlFlow::Break(());
            }
            if let Some((end, _, _)) = ends.get(&node) {
                let all = takes.and(*end);
                if all.ms <= stop && best.as_ref().is_none_or(|(b, _)| all < *b) && found.is_none_or(|(f, _)| all < f) {
                    found = Some((all, node));
                    stop = all.ms;
                }
            }
            ControlFlow::Continue(())
        });
        let Some((takes, last)) = found else { return best.map(|(_, route)| route).filter(|r| r.takes.ms <= bound) };
        let (_, by, end) = ends.get(&last).copied()?;
        let along = |directed: u32, share: f64| if directed & 1 == 0 { share } else { 1.0 - share };
        let mut parts = vec![Part { directed: by, from: 0.0, to: along(by, end.share) }];
        let mut node = last;
        while labels.before[node as usize] != NONE {
            parts.push(Part { directed: labels.by[node as usize], from: 0.0, to: 1.0 });
            node = labels.before[node as usize];
        }
        let (_, by, begin) = begins.get(&node).copied()?;
        parts.push(Part { directed: by, from: along(by, begin.share), to: 1.0 });
        parts.reverse();
        Some(Route { takes, parts, begin, end })
    }

    /// What can be reached from a place within `bound` milliseconds, or, `back`, from where it can be reached.
    pub fn reach(&self, place: &[Snap], bound: u32, back: bool) -> Vec<Reached> {
        let toward = if back { Toward::Back } else { Toward::On };
        let seeds: Vec<_> = place.iter().flat_map(|s| self.seeds(s, toward)).collect();
        let labels = self.spread(toward, &seeds, bound, false, |_| 0, |_, _, _| ControlFlow::Continue(()));
        // By piece: how far from its beginning, and how far from its end.
        let mut far: HashMap<u32, [f64; 2]> = HashMap::new();
        let mut out = Vec::new();
        for snap in place {
            let left = bound.saturating_sub(Self::off(snap).ms);
            for against in [0u32, 1] {
                let cost = self.cost(snap.piece << 1 | against);
                if cost == NEVER || left == 0 {
                    continue;
                }
                let reach = f64::from(left) / f64::from(cost);
                // Onwards along the piece, or, back, from where it comes.
                let (from, to) = if (against == 0) != back { (snap.share, (snap.share + reach).min(1.0)) } else { ((snap.share - reach).max(0.0), snap.share) };
                out.push(Reached { piece: snap.piece, from, to });
            }
        }
        for (node, takes) in labels.takes.iter().enumerate().filter(|(_, t)| t.ms <= bound) {
            let node = node as u32;
            let arcs = if back { self.graph.arriving(node) } else { self.graph.leaving(node) };
            for arc in arcs {
                let directed = arc.piece();
                let cost = self.cost(directed);
                let tail = if back { arc.node } else { node };
                if cost == NEVER || (arc.guarded() && !self.graph.passes(tail, directed, self.metric.modes, self.metric.turns)) {
                    continue;
                }
                let share = (f64::from(bound - takes.ms) / f64::from(cost)).min(1.0);
                // Going along begins at the beginning; so does coming back against the direction.
                let end = usize::from((directed & 1 == 1) != back);
                let slot = &mut far.entry(directed >> 1).or_default()[end];
                *slot = slot.max(share);
            }
        }
        for (piece, [begin, end]) in far {
            if begin + end >= 1.0 {
                out.push(Reached { piece, from: 0.0, to: 1.0 });
                continue;
            }
            out.extend((begin > 0.0).then_some(Reached { piece, from: 0.0, to: begin }));
            out.extend((end > 0.0).then_some(Reached { piece, from: 1.0 - end, to: 1.0 }));
        }
        out.sort_by(|a, b| a.piece.cmp(&b.piece).then(a.from.total_cmp(&b.from)));
        // What is reached in more than one way counts once.
        let mut whole: Vec<Reached> = Vec::with_capacity(out.len());
        for part in out {
            match whole.last_mut() {
                Some(last) if last.piece == part.piece && part.from <= last.to => last.to = last.to.max(part.to),
                _ => whole.push(part),
            }
        }
        whole
    }
}

impl Graph {
    /// The line of a piece in its direction, between two shares of its length.
    pub fn line(&self, directed: u32, from: f64, to: f64) -> Vec<Point> {
        let mut points: Vec<Point> = self.shape_of(directed >> 1).iter().map(|p| degrees(*p)).collect();
        if directed & 1 == 1 {
            points.reverse();
        }
        if from <= 0.0 && to >= 1.0 {
            return points;
        }
        let long: Vec<f64> = points.windows(2).map(|p| p[0].distance(p[1])).collect();
        let all: f64 = long.iter().sum();
        let (from, to) = (from.clamp(0.0, 1.0) * all, to.clamp(0.0, 1.0) * all);
        let place = |at: f64| {
            let mut so_far = 0.0;
            for (i, l) in long.iter().enumerate() {
                if so_far + l >= at && *l > 0.0 {
                    let t = (at - so_far) / l;
                    let (a, b) = (points[i], points[i + 1]);
                    return Point { lon: a.lon + t * (b.lon - a.lon), lat: a.lat + t * (b.lat - a.lat) };
                }
                so_far += l;
            }
            points[points.len() - 1]
        };
        let mut line = vec![place(from)];
        let mut so_far = 0.0;
        for (i, l) in long.iter().enumerate() {
            so_far += l;
            if so_far > from && so_far < to {
                line.push(points[i + 1]);
            }
        }
        line.push(place(to));
        line
    }
}
