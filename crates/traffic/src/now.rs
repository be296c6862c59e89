//! The network in memory: segments, which detector belongs to which, and which segment follows which.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::geo::Point;
use uuid::Uuid;

use crate::model::{Segment, WorkInput};
use crate::pack::RouteDef;

/// Cosine of the sharpest turn at which a segment still follows another by its ends alone: no turning back.
const TURN: f64 = -0.5;

/// Works that are published: id, version that was published, and what.
pub type Published = (Uuid, WorkInput);

/// The network.
#[derive(Debug, Default)]
pub struct Net {
    /// Segments by code.
    pub(crate) segments: Vec<Arc<Segment>>,
    by_id: HashMap<Uuid, usize>,
    by_code: HashMap<String, usize>,
    /// Segment and the seconds its `intensity` counts over, by the detector's URN.
    detectors: HashMap<Arc<str>, (usize, u32)>,
    down: Vec<Vec<usize>>,
    up: Vec<Vec<usize>>,
    pub(crate) routes: Vec<RouteDef>,
    pub(crate) works: Vec<Published>,
}

fn point(at: [f64; 2]) -> Point {
    Point { lon: at[0], lat: at[1] }
}

fn heading(from: [f64; 2], to: [f64; 2]) -> (f64, f64) {
    let scale = from[1].to_radians().cos();
    let (x, y) = ((to[0] - from[0]) * scale, to[1] - from[1]);
    let length = x.hypot(y).max(1e-12);
    (x / length, y / length)
}

/// Metres along a line.
pub(crate) fn length(line: &[[f64; 2]]) -> f64 {
    line.windows(2).map(|w| point(w[0]).distance(point(w[1]))).sum()
}

impl Net {
    /// Builds it. `join_m`: how near an end and a beginning must be.
    pub fn of(segments: Vec<Arc<Segment>>, routes: Vec<RouteDef>, works: Vec<Published>, join_m: f64) -> Self {
        let by_id = segments.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let by_code: HashMap<String, usize> = segments.iter().enumerate().map(|(i, s)| (s.code.clone(), i)).collect();
        let detectors = segments.iter().enumerate().filter(|(_, s)| s.active);
        let detectors = detectors.flat_map(|(i, s)| s.detectors.iter().map(move |d| (Arc::from(d.entity.as_str()), (i, d.period_s)))).collect();
        let mut this =
            Self { by_id, by_code, detectors, down: vec![Vec::new(); segments.len()], up: vec![Vec::new(); segments.len()], segments, routes, works };
        this.join(join_m);
        this
    }

    fn join(&mut self, join_m: f64) {
        // A grid of about 500 m, so that a province's segments are not all compared with all.
        let cell = |at: [f64; 2]| ((at[0] * 200.0).floor() as i64, (at[1] * 200.0).floor() as i64);
        let mut begins: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
        for (i, s) in self.segments.iter().enumerate().filter(|(_, s)| s.active) {
            begins.entry(cell(s.line[0])).or_default().push(i);
        }
        for i in 0..self.segments.len() {
            let s = self.segments[i].clone();
            if !s.active {
                continue;
            }
            let found: Vec<usize> = if s.downstream.is_empty() {
                let (x, y) = cell(s.line[s.line.len() - 1]);
                let near = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
                near.filter_map(|c| begins.get(&c)).flatten().copied().filter(|j| *j != i && follows(&s, &self.segments[*j], join_m)).collect()
            } else {
                s.downstream.iter().filter_map(|code| self.by_code.get(code).copied()).filter(|j| *j != i).collect()
            };
            for j in found {
                if !self.down[i].contains(&j) {
                    self.down[i].push(j);
                    self.up[j].push(i);
                }
            }
        }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Arc<Segment>> {
        self.by_id.get(&id).and_then(|i| self.segments.get(*i))
    }

    pub(crate) fn coded(&self, code: &str) -> Option<&Arc<Segment>> {
        self.by_code.get(code).and_then(|i| self.segments.get(*i))
    }

    /// The segment of a detector, and the seconds that its `intensity` counts over.
    pub(crate) fn of_detector(&self, entity: &str) -> Option<(&Arc<Segment>, u32)> {
        self.detectors.get(entity).and_then(|(i, period)| Some((self.segments.get(*i)?, *period)))
    }

    /// Codes of the segments that follow one.
    pub fn after(&self, id: Uuid) -> Vec<String> {
        self.downstream(id).map(|s| s.code.clone()).collect()
    }

    pub(crate) fn upstream(&self, id: Uuid) -> impl Iterator<Item = &Arc<Segment>> {
        self.by_id.get(&id).into_iter().flat_map(|i| &self.up[*i]).map(|j| &self.segments[*j])
    }

    pub(crate) fn downstream(&self, id: Uuid) -> impl Iterator<Item = &Arc<Segment>> {
        self.by_id.get(&id).into_iter().flat_map(|i| &self.down[*i]).map(|j| &self.segments[*j])
    }
}

/// Whether `next` begins where `s` ends and does not lead back.
fn follows(s: &Segment, next: &Segment, join_m: f64) -> bool {
    let n = s.line.len();
    if point(s.line[n - 1]).distance(point(next.line[0])) > join_m {
        return false;
    }
    let (a, b) = (heading(s.line[n - 2], s.line[n - 1]), heading(next.line[0], next.line[1]));
    a.0 * b.0 + a.1 * b.1 > TURN
}
