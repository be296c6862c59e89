//! The graph of roads in memory: pieces of roads between junctions, arcs by node in one array (CSR), and an R-tree to find the
//! road beside a point.
//!
//! Bans on turns are kept by copies: the arc from which some turn is banned ends in a copy of its node, and the arcs that leave the
//! copy say who must not take them. So the search stays one of nodes, and what is banned cannot be gone around within the junction.

use std::collections::HashMap;

use dothi_kernel::geo::{BBox, Point};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use super::set::{RoadSet, Way};

/// Metres of a degree of latitude, from below: distances reckoned with it are never too long.
const DEGREE: f64 = 110_500.0;

/// A piece of a road from one junction to the next.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Node it begins at.
    pub from: u32,
    /// Node it ends at.
    pub to: u32,
    /// First of its points in the graph's shape; the next piece's is where it ends.
    shape: u32,
    /// Length in centimetres.
    pub length_cm: u32,
    /// Its road.
    pub way: u32,
}

/// A way out of a node (or into it): the node at the other end, and the piece with its direction (`piece << 1 | against`). The highest
/// bit of the piece says that not everybody may go over here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arc {
    pub node: u32,
    piece: u32,
}

const GUARDED: u32 = 1 << 31;

impl Arc {
    /// The piece with its direction.
    pub(crate) fn piece(self) -> u32 {
        self.piece & !GUARDED
    }
    pub(crate) fn guarded(self) -> bool {
        self.piece & GUARDED != 0
    }
}

/// The box around a piece, in metres from the graph's middle.
#[derive(Debug, Clone, Copy)]
struct Boxed {
    low: [f32; 2],
    high: [f32; 2],
    piece: u32,
}

impl RTreeObject for Boxed {
    type Envelope = AABB<[f32; 2]>;
    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.low, self.high)
    }
}

impl PointDistance for Boxed {
    fn distance_2(&self, p: &[f32; 2]) -> f32 {
        let apart = |i: usize| (self.low[i] - p[i]).max(p[i] - self.high[i]).max(0.0);
        apart(0).powi(2) + apart(1).powi(2)
    }
}

/// A place on a piece of road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snap {
    /// Piece.
    pub piece: u32,
    /// Share of its length from its beginning.
    pub share: f64,
    /// Metres between the point and the road.
    pub metres: f64,
    /// The place on the road.
    pub at: Point,
}

/// The graph.
pub struct Graph {
    ways: Vec<Way>,
    words: Vec<String>,
    shape: Vec<[i32; 2]>,
    pieces: Vec<Piece>,
    /// Where each node lies; copies lie where their node does.
    nodes: Vec<[i32; 2]>,
    /// Nodes before the copies.
    plain: u32,
    out_first: Vec<u32>,
    out: Vec<Arc>,
    in_first: Vec<u32>,
    inn: Vec<Arc>,
    /// Node that a piece leads to when gone along, and when gone against.
    heads: Vec<[u32; 2]>,
    /// Copies of a node.
    copies: HashMap<u32, Vec<u32>>,
    /// Who cannot leave a node by a piece because something stands there, and who must not because a sign bans the turn.
    denied: HashMap<(u32, u32), [u8; 2]>,
    tree: RTree<Boxed>,
    middle: Point,
    /// Metres of a degree of longitude, from below.
    narrow: f64,
    bbox: BBox,
    /// Bans that name no one turn and were left out.
    pub unclear: u64,
}

/// Degrees of a kept number.
pub(crate) fn degrees(at: [i32; 2]) -> Point {
    Point { lon: f64::from(at[0]) * 1e-7, lat: f64::from(at[1]) * 1e-7 }
}

fn csr(nodes: usize, arcs: &[(u32, Arc)]) -> (Vec<u32>, Vec<Arc>) {
    let mut first = vec![0u32; nodes + 1];
    for (node, _) in arcs {
        first[*node as usize + 1] += 1;
    }
    for i in 0..nodes {
        first[i + 1] += first[i];
    }
    let mut next = first.clone();
    let mut out = vec![Arc { node: 0, piece: 0 }; arcs.len()];
    for (node, arc) in arcs {
        let place = &mut next[*node as usize];
        out[*place as usize] = *arc;
        *place += 1;
    }
    (first, out)
}

/// The pieces of all ways, cut where roads meet.
struct Cut {
    shape: Vec<[i32; 2]>,
    pieces: Vec<Piece>,
    nodes: Vec<[i32; 2]>,
    /// Node by point; `u32::MAX` = none.
    node_of: Vec<u32>,
}

fn cut(set: &RoadSet) -> Cut {
    // 0 unseen, 1 seen once inside a way, 2 a junction.
    let mut met = vec![0u8; set.points.len()];
    for way in &set.ways {
        let last = way.points.len().saturating_sub(1);
        for (i, p) in way.points.iter().enumerate() {
            let met = &mut met[*p as usize];
            *met = if i == 0 || i == last { 2 } else { (*met + 1).min(2) };
        }
    }
    for (point, _) in &set.barred {
        met[*point as usize] = 2;
    }
    for ban in &set.bans {
        met[ban.via as usize] = 2;
    }
    let mut all = Cut { shape: Vec::new(), pieces: Vec::new(), nodes: Vec::new(), node_of: vec![u32::MAX; set.points.len()] };
    let node = |all: &mut Cut, p: u32| {
        if all.node_of[p as usize] == u32::MAX {
            all.node_of[p as usize] = all.nodes.len() as u32;
            all.nodes.push(set.points[p as usize]);
        }
        all.node_of[p as usize]
    };
    for (w, way) in set.ways.iter().enumerate() {
        let mut begin = 0;
        for i in 1..way.points.len() {
            if met[way.points[i] as usize] != 2 {
                continue;
            }
            let run = &way.points[begin..=i];
            begin = i;
            let points: Vec<[i32; 2]> = run.iter().map(|p| set.points[*p as usize]).collect();
            let metres: f64 = points.windows(2).map(|p| degrees(p[0]).distance(degrees(p[1]))).sum();
            let (from, to) = (node(&mut all, run[0]), node(&mut all, run[run.len() - 1]));
            let piece = Piece { from, to, shape: all.shape.len() as u32, length_cm: (metres * 100.0).round().clamp(1.0, 4e9) as u32, way: w as u32 };
            all.shape.extend(points);
            all.pieces.push(piece);
        }
    }
    all
}

impl Graph {
    /// Builds the graph of a set of roads.
    pub fn build(set: RoadSet) -> Self {
        let Cut { shape, pieces, mut nodes, node_of } = cut(&set);
        let plain = nodes.len() as u32;
        // What leaves each plain node, with its direction; and who is barred there.
        let mut leaving: HashMap<u32, Vec<u32>> = HashMap::new();
        let special: HashMap<u32, u8> = set.barred.iter().map(|(p, who)| (node_of[*p as usize], *who)).filter(|(n, _)| *n != u32::MAX).collect();
        let via: std::collections::HashSet<u32> = set.bans.iter().map(|b| node_of[b.via as usize]).collect();
        for (i, p) in pieces.iter().enumerate() {
            for (tail, directed) in [(p.from, (i as u32) << 1), (p.to, (i as u32) << 1 | 1)] {
                if special.contains_key(&tail) || via.contains(&tail) {
                    leaving.entry(tail).or_default().push(directed);
                }
            }
        }
        let head = |directed: u32| {
            let p = &pieces[(directed >> 1) as usize];
            if directed & 1 == 0 { p.to } else { p.from }
        };
        // By arriving piece: who must not go on by which.
        let mut bans: HashMap<u32, HashMap<u32, [u8; 2]>> = HashMap::new();
        let mut unclear = 0;
        for ban in &set.bans {
            let node = node_of[ban.via as usize];
            let here = leaving.get(&node).map_or(&[][..], Vec::as_slice);
            let of = |way: u32| here.iter().copied().filter(|d| pieces[(*d >> 1) as usize].way == way).collect::<Vec<_>>();
            // Arriving by a way is going one of its pieces here the other way round.
            let (&[from], &[to]) = (&of(ban.from)[..], &of(ban.to)[..]) else {
                unclear += 1;
                continue;
            };
            let row = bans.entry(from ^ 1).or_default();
            for other in here.iter().filter(|d| (**d == to) != ban.only) {
                row.entry(*other).or_default()[1] |= ban.modes;
            }
        }
        let mut heads: Vec<[u32; 2]> = pieces.iter().map(|p| [p.to, p.from]).collect();
        let mut copies: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut denied: HashMap<(u32, u32), [u8; 2]> = HashMap::new();
        // Whoever is barred at a node arrives there and turns round: each way in has a copy of its own.
        for (node, who) in &special {
            for out in leaving.get(node).into_iter().flatten() {
                let row = bans.entry(out ^ 1).or_default();
                for other in leaving.get(node).into_iter().flatten().filter(|o| *o != out) {
                    row.entry(*other).or_default()[0] |= who;
                }
            }
        }
        let mut rows: Vec<_> = bans.into_iter().filter(|(_, row)| row.values().any(|m| *m != [0, 0])).collect();
        rows.sort_unstable_by_key(|(arriving, _)| *arriving);
        for (arriving, row) in rows {
            let node = head(arriving);
            let copy = nodes.len() as u32;
            nodes.push(nodes[node as usize]);
            heads[(arriving >> 1) as usize][(arriving & 1) as usize] = copy;
            copies.entry(node).or_default().push(copy);
            for (leaving, who) in row {
                denied.insert((copy, leaving), who);
            }
        }
        let mut arcs = Vec::with_capacity(pieces.len() * 2);
        for (i, p) in pieces.iter().enumerate() {
            let way = &set.ways[p.way as usize];
            for (tail, against, who) in [(p.from, 0u32, way.forward), (p.to, 1, way.backward)] {
                if who == 0 {
                    continue;
                }
                let directed = (i as u32) << 1 | against;
                for from in std::iter::once(tail).chain(copies.get(&tail).into_iter().flatten().copied()) {
                    let guard = if denied.contains_key(&(from, directed)) { GUARDED } else { 0 };
                    arcs.push((from, Arc { node: heads[i][against as usize], piece: directed | guard }));
                }
            }
        }
        let (out_first, out) = csr(nodes.len(), &arcs);
        let back: Vec<(u32, Arc)> = arcs.iter().map(|(from, arc)| (arc.node, Arc { node: *from, piece: arc.piece })).collect();
        let (in_first, inn) = csr(nodes.len(), &back);
        let mut bbox = BBox { west: 180.0, south: 90.0, east: -180.0, north: -90.0 };
        for p in &shape {
            let p = degrees(*p);
            bbox = BBox { west: bbox.west.min(p.lon), south: bbox.south.min(p.lat), east: bbox.east.max(p.lon), north: bbox.north.max(p.lat) };
        }
        let middle = Point { lon: (bbox.west + bbox.east) / 2.0, lat: (bbox.south + bbox.north) / 2.0 };
        let narrow = DEGREE * bbox.south.abs().max(bbox.north.abs()).to_radians().cos().max(0.01);
        let ways = set.ways.into_iter().map(|w| Way { points: Vec::new(), ..w }).collect();
        let mut graph = Self {
            ways,
            words: set.words,
            shape,
            pieces,
            nodes,
            plain,
            out_first,
            out,
            in_first,
            inn,
            heads,
            copies,
            denied,
            tree: RTree::new(),
            middle,
            narrow,
            bbox,
            unclear,
        };
        let boxes = (0..graph.pieces.len() as u32).map(|i| graph.boxed(i)).collect();
        graph.tree = RTree::bulk_load(boxes);
        graph
    }

    fn flat(&self, p: Point) -> [f32; 2] {
        [((p.lon - self.middle.lon) * self.narrow) as f32, ((p.lat - self.middle.lat) * DEGREE) as f32]
    }

    fn boxed(&self, piece: u32) -> Boxed {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for at in self.shape_of(piece) {
            let at = self.flat(degrees(*at));
            for i in 0..2 {
                low[i] = low[i].min(at[i]);
                high[i] = high[i].max(at[i]);
            }
        }
        Boxed { low, high, piece }
    }

    /// The points of a piece, from its beginning.
    pub(crate) fn shape_of(&self, piece: u32) -> &[[i32; 2]] {
        let i = piece as usize;
        let end = self.pieces.get(i + 1).map_or(self.shape.len(), |p| p.shape as usize);
        &self.shape[self.pieces[i].shape as usize..end]
    }

    /// Pieces of roads.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
    /// Nodes, copies included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }
    /// Ways from node to node, copies included.
    pub fn arc_count(&self) -> usize {
        self.out.len()
    }
    /// The box around all roads.
    pub fn bbox(&self) -> BBox {
        self.bbox
    }
    /// The road of a piece.
    pub fn way(&self, piece: u32) -> &Way {
        &self.ways[self.pieces[piece as usize].way as usize]
    }
    /// All roads.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }
    /// A name, number or owner.
    pub fn word(&self, n: u32) -> &str {
        self.words.get(n as usize).map_or("", String::as_str)
    }
    /// Bytes it takes, the R-tree at what its leaves need.
    pub fn bytes(&self) -> usize {
        self.shape.len() * 8
            + self.pieces.len() * (size_of::<Piece>() + 8 + 2 * size_of::<Boxed>())
            + self.nodes.len() * 16
            + (self.out.len() + self.inn.len()) * size_of::<Arc>()
            + self.ways.len() * size_of::<Way>()
            + self.words.iter().map(|w| w.len() + 24).sum::<usize>()
    }

    pub(crate) fn leaving(&self, node: u32) -> &[Arc] {
        &self.out[self.out_first[node as usize] as usize..self.out_first[node as usize + 1] as usize]
    }
    pub(crate) fn arriving(&self, node: u32) -> &[Arc] {
        &self.inn[self.in_first[node as usize] as usize..self.in_first[node as usize + 1] as usize]
    }
    /// The node that a piece leads to in its direction.
    pub(crate) fn head(&self, directed: u32) -> u32 {
        self.heads[(directed >> 1) as usize][(directed & 1) as usize]
    }
    /// Whether one of these may leave a node by a piece: something may stand there, and a sign may ban the turn.
    pub(crate) fn passes(&self, node: u32, directed: u32, modes: u8, turns: u8) -> bool {
        self.denied.get(&(node, directed)).is_none_or(|[barred, banned]| (barred & modes) | (banned & turns) == 0)
    }
    /// The nodes from which one may enter a piece in its direction.
    pub(crate) fn tails(&self, directed: u32, modes: u8, turns: u8) -> impl Iterator<Item = u32> + '_ {
        let p = &self.pieces[(directed >> 1) as usize];
        let tail = if directed & 1 == 0 { p.from } else { p.to };
        let all = std::iter::once(tail).chain(self.copies.get(&tail).into_iter().flatten().copied());
        all.filter(move |n| self.passes(*n, directed, modes, turns))
    }
    /// Metres between two nodes in a straight line, never too many.
    pub(crate) fn least_metres(&self, node: u32, to: Point) -> f64 {
        let at = degrees(self.nodes[node as usize]);
        ((at.lon - to.lon) * self.narrow).hypot((at.lat - to.lat) * DEGREE) * 0.998
    }
    /// Nodes without copies.
    pub fn plain_nodes(&self) -> u32 {
        self.plain
    }

    /// The place on a piece that is nearest to a point.
    pub(crate) fn onto(&self, piece: u32, point: Point) -> Snap {
        let cos = point.lat.to_radians().cos();
        // Metres from the point: exact enough for the few kilometres that matter.
        let flat = |at: [i32; 2]| {
            let p = degrees(at);
            [(p.lon - point.lon) * 111_195.0 * cos, (p.lat - point.lat) * 111_195.0]
        };
        let (mut best, mut before, mut so_far, mut at) = (f64::INFINITY, 0.0, 0.0, point);
        let shape = self.shape_of(piece);
        for pair in shape.windows(2) {
            let (a, b) = (flat(pair[0]), flat(pair[1]));
            let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
            let long = dx.hypot(dy);
            let t = if long > 0.0 { (-(a[0] * dx + a[1] * dy) / (long * long)).clamp(0.0, 1.0) } else { 0.0 };
            let away = (a[0] + t * dx).hypot(a[1] + t * dy);
            if away < best {
                best = away;
                before = so_far + t * long;
                let (p, q) = (degrees(pair[0]), degrees(pair[1]));
                at = Point { lon: p.lon + t * (q.lon - p.lon), lat: p.lat + t * (q.lat - p.lat) };
            }
            so_far += long;
        }
        let share = if so_far > 0.0 { (before / so_far).clamp(0.0, 1.0) } else { 0.0 };
        Snap { piece, share, metres: best, at }
    }

    /// Pieces by their distance from a point, the nearest first, as far as wanted.
    pub(crate) fn around(&self, point: Point, within_m: f64) -> Around<'_> {
        Around {
            graph: self,
            point,
            within_m,
            boxes: Box::new(self.tree.nearest_neighbor_iter_with_distance_2(&self.flat(point)).map(|(b, d)| (b.piece, d))),
            ready: Vec::new(),
            ended: false,
        }
    }

    /// Pieces whose box meets a box.
    pub fn inside(&self, bbox: &BBox) -> Vec<u32> {
        let low = self.flat(Point { lon: bbox.west, lat: bbox.south });
        let high = self.flat(Point { lon: bbox.east, lat: bbox.north });
        let mut found: Vec<u32> = self.tree.locate_in_envelope_intersecting(&AABB::from_corners(low, high)).map(|b| b.piece).collect();
        found.sort_unstable();
        found
    }

    /// Whether one of these may go along the piece at all.
    pub(crate) fn open_to(&self, directed: u32, modes: u8) -> bool {
        let way = self.way(directed >> 1);
        (if directed & 1 == 0 { way.forward } else { way.backward }) & modes != 0
    }
}

type Boxes<'a> = Box<dyn Iterator<Item = (u32, f32)> + 'a>;

/// Pieces around a point in the order of their distance.
pub(crate) struct Around<'a> {
    graph: &'a Graph,
    point: Point,
    within_m: f64,
    boxes: Boxes<'a>,
    /// Found and not yet given out; their distance may still be undercut by a box to come.
    ready: Vec<Snap>,
    ended: bool,
}

impl Iterator for Around<'_> {
    type Item = Snap;

    fn next(&mut self) -> Option<Snap> {
        loop {
            let nearest = self.ready.iter().enumerate().min_by(|a, b| a.1.metres.total_cmp(&b.1.metres)).map(|(i, s)| (i, s.metres));
            if self.ended {
                return nearest.map(|(i, _)| self.ready.swap_remove(i));
            }
            match self.boxes.next() {
                None => self.ended = true,
                Some((piece, apart_2)) => {
                    // The box is at least so far away; a metre for what `f32` rounds.
                    let apart = f64::from(apart_2).sqrt() - 1.0;
                    let snap = self.graph.onto(piece, self.point);
                    if apart > self.within_m {
                        self.ended = true;
                    } else if snap.metres <= self.within_m {
                        self.ready.push(snap);
                    }
                    if let Some((i, metres)) = nearest.filter(|(_, m)| *m <= apart) {
                        debug_assert!(self.ready[i].metres == metres);
                        return Some(self.ready.swap_remove(i));
                    }
                }
            }
        }
    }
}
