//! Counting: what was found in one frame is followed into the next, and what is followed crosses lines and stays in places.

use std::collections::BTreeMap;

use dothi_kernel::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::detect::{Found, overlap};
use crate::frame::Polygon;

const MOST_TRACKS: usize = 256;
const MOST_CLASSES: usize = 8;

/// How things are followed from frame to frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracking {
    /// A box is the same thing when it overlaps where the thing should be by at least this (intersection over union, 0..=1) …
    pub overlap: f32,
    /// … or when its middle is nearer than this many of the thing's own sizes (for few frames a second).
    pub reach: f32,
    /// A thing that was not seen for so many seconds is gone.
    pub lost_after_s: f32,
    /// A thing counts from so many sightings on: single false findings do not.
    pub seen_times: u32,
}

/// A thing that is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its number, never used again.
    pub id: u64,
    /// The class it was seen as most.
    pub class: String,
    /// Box at the last sighting: left, top, right, bottom, as fractions.
    pub at: [f32; 4],
    /// First sighting.
    pub since: Timestamp,
    /// Last sighting.
    pub seen: Timestamp,
    /// Sightings.
    pub times: u32,
    speed: [f32; 2],
    votes: Vec<(String, f32)>,
}

fn seconds(from: Timestamp, to: Timestamp) -> f32 {
    to.as_microsecond().saturating_sub(from.as_microsecond()).max(0) as f32 / 1e6
}

fn middle(b: [f32; 4]) -> [f32; 2] {
    [(b[0] + b[2]) / 2.0, (b[1] + b[3]) / 2.0]
}

impl Track {
    fn new(id: u64, found: &Found, at: Timestamp) -> Self {
        let votes = vec![(found.class.clone(), found.score)];
        Self { id, class: found.class.clone(), at: of(found), since: at, seen: at, times: 1, speed: [0.0; 2], votes }
    }

    /// Where it should be now if it goes on as before.
    fn due(&self, at: Timestamp) -> [f32; 4] {
        let t = seconds(self.seen, at);
        let (dx, dy) = (self.speed[0] * t, self.speed[1] * t);
        [self.at[0] + dx, self.at[1] + dy, self.at[2] + dx, self.at[3] + dy]
    }

    fn sighted(&mut self, found: &Found, at: Timestamp) {
        let (before, now) = (middle(self.at), middle(of(found)));
        let t = seconds(self.seen, at);
        if t > 0.0 {
            for k in 0..2 {
                let speed = (now[k] - before[k]) / t;
                self.speed[k] = if self.times == 1 { speed } else { (self.speed[k] + speed) / 2.0 };
            }
        }
        (self.at, self.seen) = (of(found), self.seen.max(at));
        self.times = self.times.saturating_add(1);
        match self.votes.iter().position(|(class, _)| *class == found.class) {
            Some(known) => self.votes[known].1 += found.score,
            None if self.votes.len() < MOST_CLASSES => self.votes.push((found.class.clone(), found.score)),
            None => {}
        }
        if let Some((class, _)) = self.votes.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            self.class.clone_from(class);
        }
    }

    /// The point that stands for it.
    pub fn point(&self, anchor: Anchor) -> (f32, f32) {
        let [x, y] = middle(self.at);
        match anchor {
            Anchor::Middle => (x, y),
            Anchor::Foot => (x, self.at[3]),
        }
    }
}

fn of(found: &Found) -> [f32; 4] {
    [found.x0, found.y0, found.x1, found.y1]
}

/// Follows things through the frames of one camera.
#[derive(Debug, Clone)]
pub struct Tracker {
    rules: Tracking,
    tracks: Vec<Track>,
    shown: Vec<Track>,
    last: u64,
}

impl Tracker {
    /// Begins with nothing.
    pub fn new(rules: Tracking) -> Result<Self> {
        let sound = (0.0..=1.0).contains(&rules.overlap)
            && rules.overlap > 0.0
            && (0.0..=10.0).contains(&rules.reach)
            && (0.0..=60.0).contains(&rules.lost_after_s)
            && (1..=100).contains(&rules.seen_times);
        if !sound {
            return Err(Error::invalid("camera.tracking", "How things are followed is outside its range."));
        }
        Ok(Self { rules, tracks: Vec::new(), shown: Vec::new(), last: 0 })
    }

    /// Takes what was found at this instant (instants must rise) and gives the things that are there: those seen often enough and
    /// not lost yet. One that was missed just now has its last sighting in the past.
    pub fn see(&mut self, at: Timestamp, found: &[Found]) -> &[Track] {
        let lost = self.rules.lost_after_s;
        self.tracks.retain(|t| seconds(t.seen, at) <= lost);
        let mut free = vec![true; found.len()];
        for (track, finding) in self.pairs(at, found) {
            self.tracks[track].sighted(&found[finding], at);
            free[finding] = false;
        }
        for (finding, _) in found.iter().zip(&free).filter(|(_, free)| **free) {
            if self.tracks.len() < MOST_TRACKS {
                self.last += 1;
                self.tracks.push(Track::new(self.last, finding, at));
            }
        }
        self.shown = self.tracks.iter().filter(|t| t.times >= self.rules.seen_times).cloned().collect();
        &self.shown
    }

    /// Which finding is which track: the best fit first, each once.
    fn pairs(&self, at: Timestamp, found: &[Found]) -> Vec<(usize, usize)> {
        let mut fits = Vec::new();
        for (i, track) in self.tracks.iter().enumerate() {
            let due = track.due(at);
            let size = (track.at[2] - track.at[0]).hypot(track.at[3] - track.at[1]);
            for (k, finding) in found.iter().enumerate() {
                let shared = overlap(due, of(finding));
                let (a, b) = (middle(due), middle(of(finding)));
                let away = (a[0] - b[0]).hypot(a[1] - b[1]) / size.max(1e-6);
                if shared >= self.rules.overlap {
                    fits.push((1.0 + shared, i, k));
                } else if away < self.rules.reach {
                    fits.push((1.0 - away / self.rules.reach, i, k));
                }
            }
        }
        fits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut tracks, mut findings) = (vec![false; self.tracks.len()], vec![false; found.len()]);
        let mut pairs = Vec::new();
        for (_, i, k) in fits {
            if !tracks[i] && !findings[k] {
                (tracks[i], findings[k]) = (true, true);
                pairs.push((i, k));
            }
        }
        pairs
    }
}

/// Which point of a thing crosses a line or stands in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The middle of its lower edge: where it touches the ground, for cameras that look along it.
    #[default]
    Foot,
    /// The middle, for cameras that look down.
    Middle,
}

/// A line across the picture. Seen from `a` towards `b`, going from its left to its right is forward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// One end, as fractions.
    pub a: (f32, f32),
    /// The other.
    pub b: (f32, f32),
    /// Which point must cross.
    #[serde(default)]
    pub anchor: Anchor,
    /// How far (a fraction of the picture) a thing must be beyond the line to count: trembling boxes do not.
    pub margin: f32,
}

/// A thing crossed the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// Number of its track.
    pub track: u64,
    /// Its class.
    pub class: String,
    /// From left to right, seen from `a` to `b`.
    pub forward: bool,
    /// When it was first seen beyond.
    pub at: Timestamp,
}

/// Counts what crosses a line, both ways.
#[derive(Debug, Clone)]
pub struct LineCounter {
    line: Line,
    /// The last point of each thing that was clearly on a side.
    clear: BTreeMap<u64, (f32, f32)>,
}

impl LineCounter {
    /// Refuses lines outside the picture, without length, or with a margin over 0.25.
    pub fn new(line: Line) -> Result<Self> {
        let inside = |(x, y): (f32, f32)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        let long = (line.a.0 - line.b.0).hypot(line.a.1 - line.b.1);
        if !inside(line.a) || !inside(line.b) || long < 0.01 || !(0.0..=0.25).contains(&line.margin) {
            return Err(Error::invalid("camera.line", "A line needs two different ends inside the picture and a margin of at most a quarter."));
        }
        Ok(Self { line, clear: BTreeMap::new() })
    }

    /// Takes the tracks of the next frame; gives those that crossed since the one before.
    pub fn see(&mut self, at: Timestamp, tracks: &[Track]) -> Vec<Crossing> {
        self.clear.retain(|id, _| tracks.iter().any(|t| t.id == *id));
        let mut crossings = Vec::new();
        for track in tracks.iter().filter(|t| t.seen == at) {
            let point = track.point(self.line.anchor);
            let side = side(&self.line, point);
            if side.abs() <= self.line.margin {
                continue;
            }
            if let Some(before) = self.clear.insert(track.id, point)
                && self::side(&self.line, before).signum() != side.signum()
                && meets(&self.line, before, point)
            {
                crossings.push(Crossing { track: track.id, class: track.class.clone(), forward: side > 0.0, at });
            }
        }
        crossings
    }
}

/// Distance from the line through `a` and `b`: positive on the right, seen from `a` to `b` (y goes down).
fn side(line: &Line, (x, y): (f32, f32)) -> f32 {
    let (dx, dy) = (line.b.0 - line.a.0, line.b.1 - line.a.1);
    (dx * (y - line.a.1) - dy * (x - line.a.0)) / dx.hypot(dy)
}

/// Whether the way between two points on either side passes between the line's ends.
fn meets(line: &Line, from: (f32, f32), to: (f32, f32)) -> bool {
    let (before, after) = (side(line, from), side(line, to));
    let t = before / (before - after);
    let (x, y) = (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t);
    let (dx, dy) = (line.b.0 - line.a.0, line.b.1 - line.a.1);
    let along = ((x - line.a.0) * dx + (y - line.a.1) * dy) / (dx * dx + dy * dy);
    (0.0..=1.0).contains(&along)
}

/// What a thing did in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceKind {
    /// It came in.
    Entered,
    /// It has been inside as long as is watched for; told once a stay.
    Stayed,
    /// It went out, or was lost from sight.
    Left,
}

/// A thing and a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// Number of its track.
    pub track: u64,
    /// Its class.
    pub class: String,
    /// What it did.
    pub kind: PresenceKind,
    /// When.
    pub at: Timestamp,
    /// Seconds it was inside until then.
    pub seconds: f32,
}

#[derive(Debug, Clone)]
struct Stay {
    class: String,
    since: Timestamp,
    seen: Timestamp,
    told: bool,
}

/// Watches how long things stay in a place.
#[derive(Debug, Clone)]
pub struct ZoneCounter {
    zone: Polygon,
    anchor: Anchor,
    stay_s: f32,
    inside: BTreeMap<u64, Stay>,
}

impl ZoneCounter {
    /// A place, and after how many seconds inside it a thing is told.
    pub fn new(zone: Polygon, anchor: Anchor, stay_s: f32) -> Result<Self> {
        zone.check()?;
        if !(0.0..=86_400.0).contains(&stay_s) {
            return Err(Error::invalid("camera.zone.stay", "A stay is 0 to 86,400 seconds."));
        }
        Ok(Self { zone, anchor, stay_s, inside: BTreeMap::new() })
    }

    /// Things inside now.
    pub fn inside(&self) -> usize {
        self.inside.len()
    }

    /// Takes the tracks of the next frame; gives what changed since the one before.
    pub fn see(&mut self, at: Timestamp, tracks: &[Track]) -> Vec<Presence> {
        let mut changes = Vec::new();
        self.inside.retain(|id, stay| {
            let there = tracks.iter().any(|t| t.id == *id);
            if !there {
                changes.push(presence(*id, stay, PresenceKind::Left, stay.seen));
            }
            there
        });
        for track in tracks.iter().filter(|t| t.seen == at) {
            let (x, y) = track.point(self.anchor);
            match (self.zone.holds(x, y), self.inside.get_mut(&track.id)) {
                (true, Some(stay)) => {
                    stay.seen = at;
                    stay.class.clone_from(&track.class);
                }
                (true, None) => {
                    let stay = Stay { class: track.class.clone(), since: at, seen: at, told: false };
                    changes.push(presence(track.id, &stay, PresenceKind::Entered, at));
                    self.inside.insert(track.id, stay);
                }
                (false, Some(stay)) => {
                    changes.push(presence(track.id, stay, PresenceKind::Left, at));
                    self.inside.remove(&track.id);
                }
                (false, None) => {}
            }
        }
        for (id, stay) in self.inside.iter_mut().filter(|(_, stay)| !stay.told && seconds(stay.since, stay.seen) >= self.stay_s) {
            stay.told = true;
            changes.push(presence(*id, stay, PresenceKind::Stayed, at));
        }
        changes
    }
}

fn presence(track: u64, stay: &Stay, kind: PresenceKind, at: Timestamp) -> Presence {
    Presence { track, class: stay.class.clone(), kind, at, seconds: seconds(stay.since, at) }
}
