//! Judging looks over time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dothi_kernel::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::look::{Look, VIEW, differing};

/// What a camera's picture is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Fine,
    /// Frames come, but always the same.
    Frozen,
    /// Too dark to see anything.
    Dark,
    /// Blinded.
    Bright,
    /// Out of focus, dirty, or something before the lens.
    Blurred,
    /// Shows something other than the remembered view.
    Moved,
}

/// Thresholds, given by a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Dark when 95 % of the picture is not brighter than this (0–255) …
    pub dark_level: u8,
    /// … for so many seconds.
    pub dark_after_s: u32,
    /// Blinded when 95 % of the picture is at least this bright (0–255) …
    pub bright_level: u8,
    /// … for so many seconds.
    pub bright_after_s: u32,
    /// A point changed when it differs by more than so many levels.
    pub frozen_noise: u8,
    /// Frozen when never more than this share of the points changed (0..=1; leave room for a running clock) …
    pub frozen_share: f32,
    /// … within so many seconds.
    pub frozen_after_s: u32,
    /// Blurred when sharpness is under this …
    pub blurred_below: f32,
    /// … or under this share of the remembered view's (0..=1) …
    pub blurred_share: f32,
    /// … for so many seconds.
    pub blurred_after_s: u32,
    /// Moved when likeness with every remembered view (-1..=1) is under this …
    pub moved_below: f32,
    /// … for so many seconds.
    pub moved_after_s: u32,
    /// Fine again after so many seconds without a fault.
    pub fine_after_s: u32,
    /// Over about so many seconds the view is averaged, so that what passes by vanishes.
    pub average_s: u32,
    /// The first view is remembered after so many seconds without a fault.
    pub learn_after_s: u32,
    /// Slow change (light, seasons) is followed while likeness is at least this …
    pub follow_above: f32,
    /// … by this share an hour (0..=1).
    pub follow_per_hour: f32,
    /// Views remembered at most (day and night, presets of a camera that turns).
    pub views: usize,
    /// After so many seconds without a frame, judging begins anew.
    pub gap_s: u32,
}

impl Policy {
    /// Refuses what cannot be meant.
    pub fn check(&self) -> Result<()> {
        let shares = [self.frozen_share, self.blurred_share, self.follow_per_hour];
        let likenesses = [self.moved_below, self.follow_above];
        let sound = shares.iter().all(|v| (0.0..=1.0).contains(v))
            && likenesses.iter().all(|v| (-1.0..=1.0).contains(v))
            && self.dark_level < self.bright_level
            && (0.0..=1000.0).contains(&self.blurred_below)
            && self.follow_above >= self.moved_below
            && (1..=8).contains(&self.views)
            && self.frozen_after_s > 0
            && self.gap_s > 0;
        sound.then_some(()).ok_or_else(|| Error::invalid("camera.health.policy", "These thresholds contradict each other or are outside their range."))
    }
}

/// A view as it is remembered: where edges run, and how sharp they are. It shows no people and cannot be made a picture again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct View {
    edges: Vec<[f32; 2]>,
    sharp: f32,
}

/// How a view is kept: edges as signed bytes in base64.
#[derive(Serialize, Deserialize)]
struct Written {
    grid: (usize, usize),
    edges: String,
    sharp: f32,
}

/// Signed bytes hold ±127 of this: strength stays under 1.
const UNIT: f32 = 1.0 / 127.0;

impl From<View> for Written {
    fn from(view: View) -> Self {
        let bytes: Vec<u8> = view.edges.as_flattened().iter().map(|v| ((v / UNIT).round().clamp(-127.0, 127.0) as i8).cast_unsigned()).collect();
        Self { grid: VIEW, edges: STANDARD.encode(bytes), sharp: view.sharp }
    }
}

impl TryFrom<Written> for View {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let bytes = STANDARD.decode(&written.edges).map_err(|e| e.to_string())?;
        if written.grid != VIEW || bytes.len() != VIEW.0 * VIEW.1 * 2 || !written.sharp.is_finite() {
            return Err("not a view of this version".into());
        }
        let edges = bytes.chunks_exact(2).map(|pair| [f32::from(pair[0].cast_signed()) * UNIT, f32::from(pair[1].cast_signed()) * UNIT]).collect();
        Ok(Self { edges, sharp: written.sharp })
    }
}

/// What becomes of the views remembered so far when a person confirms the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The camera was set anew: only the present view holds.
    Instead,
    /// The present one holds too (night, another preset); the oldest goes when there are too many.
    Beside,
}

/// Watches one camera. Give it looks in order of time; one every few seconds is enough.
#[derive(Debug, Clone)]
pub struct Watch {
    policy: Policy,
    views: Vec<View>,
    state: State,
    /// What the last looks say, and since when they have said so.
    seen: Option<(State, Timestamp)>,
    last: Option<Timestamp>,
    /// The points when something last changed.
    still: Option<(Timestamp, Vec<u8>)>,
    /// The view at present, averaged.
    present: Option<View>,
    alike: Option<f32>,
}

impl Watch {
    /// A watch that has yet to learn its view.
    pub fn new(policy: Policy) -> Self {
        Self::with_views(policy, Vec::new())
    }

    /// A watch that remembers what [`Watch::views`] gave before.
    pub fn with_views(policy: Policy, mut views: Vec<View>) -> Self {
        views.truncate(policy.views.max(1));
        Self { policy, views, state: State::Fine, seen: None, last: None, still: None, present: None, alike: None }
    }

    /// Takes a look and says what the camera is like now.
    pub fn see(&mut self, at: Timestamp, look: &Look) -> State {
        let gone = self.last.map_or(0.0, |last| seconds(last, at));
        if gone > f64::from(self.policy.gap_s) {
            (self.seen, self.still, self.present) = (None, None, None);
        }
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let now = self.judge(at, look, gone);
        let since = match self.seen {
            Some((before, since)) if before == now => since,
            _ => at,
        };
        self.seen = Some((now, since));
        let held = seconds(since, at);
        if now != self.state && held >= f64::from(self.patience(now)) {
            self.state = now;
        }
        if now == State::Fine && self.state == State::Fine {
            self.learn(held, gone);
        }
        self.state
    }

    /// What the camera was like at the last look.
    pub fn state(&self) -> State {
        self.state
    }

    /// How much the present view is like the best of the remembered ones (1 the same, 0 nothing in common).
    pub fn alike(&self) -> Option<f32> {
        self.alike
    }

    /// The remembered views, to be kept with the camera.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// A person says that the present view is right. Refused before anything was seen.
    pub fn confirm(&mut self, keep: Keep) -> Result<()> {
        let present = self.present.clone().ok_or_else(|| Error::conflict("camera.view.none", "There is no picture to remember yet."))?;
        if keep == Keep::Instead {
            self.views.clear();
        } else if self.views.len() >= self.policy.views {
            self.views.remove(0);
        }
        self.views.push(present);
        (self.state, self.seen) = (State::Fine, None);
        Ok(())
    }

    /// Seconds that a finding must last before it counts.
    fn patience(&self, state: State) -> u32 {
        match state {
            State::Fine => self.policy.fine_after_s,
            State::Dark => self.policy.dark_after_s,
            State::Bright => self.policy.bright_after_s,
            State::Blurred => self.policy.blurred_after_s,
            State::Moved => self.policy.moved_after_s,
            // The time is part of the finding itself.
            State::Frozen => 0,
        }
    }

    /// The gravest that this look says; what is seen through darkness or glare is not judged further.
    fn judge(&mut self, at: Timestamp, look: &Look, gone: f64) -> State {
        let frozen = self.frozen(at, look);
        if look.high <= self.policy.dark_level {
            return State::Dark;
        }
        if look.low >= self.policy.bright_level {
            return State::Bright;
        }
        if frozen {
            return State::Frozen;
        }
        self.average(look, gone);
        let best = self.best();
        self.alike = best.map(|(_, alike)| alike);
        let usual = best.map_or(0.0, |(i, _)| self.views[i].sharp * self.policy.blurred_share);
        if look.sharp < self.policy.blurred_below.max(usual) {
            return State::Blurred;
        }
        if self.alike.is_some_and(|alike| alike < self.policy.moved_below) {
            return State::Moved;
        }
        State::Fine
    }

    fn frozen(&mut self, at: Timestamp, look: &Look) -> bool {
        match &self.still {
            Some((since, points)) if differing(points, &look.points, self.policy.frozen_noise) <= self.policy.frozen_share => {
                seconds(*since, at) >= f64::from(self.policy.frozen_after_s)
            }
            _ => {
                self.still = Some((at, look.points.clone()));
                false
            }
        }
    }

    fn average(&mut self, look: &Look, gone: f64) {
        match &mut self.present {
            Some(present) => {
                let part = (1.0 - (-gone / f64::from(self.policy.average_s.max(1))).exp()) as f32;
                blend(present, &look.edges, look.sharp, part);
            }
            none => *none = Some(View { edges: look.edges.clone(), sharp: look.sharp }),
        }
    }

    /// The remembered view that the present one is most like.
    fn best(&self) -> Option<(usize, f32)> {
        let present = self.present.as_ref()?;
        let likenesses = self.views.iter().map(|view| likeness(&view.edges, &present.edges)).enumerate();
        likenesses.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Remembers the first view, and follows slow change of the others.
    fn learn(&mut self, held: f64, gone: f64) {
        let Some(present) = self.present.clone() else { return };
        if self.views.is_empty() {
            if held >= f64::from(self.policy.learn_after_s) {
                self.views.push(present);
            }
        } else if let Some((i, _)) = self.best().filter(|(_, alike)| *alike >= self.policy.follow_above) {
            let part = (f64::from(self.policy.follow_per_hour) * gone / 3600.0).clamp(0.0, 1.0) as f32;
            blend(&mut self.views[i], &present.edges, present.sharp, part);
        }
    }
}

fn blend(view: &mut View, edges: &[[f32; 2]], sharp: f32, part: f32) {
    for (old, new) in view.edges.as_flattened_mut().iter_mut().zip(edges.as_flattened()) {
        *old += (new - *old) * part;
    }
    view.sharp += (sharp - view.sharp) * part;
}

/// Seconds from one instant to a later one; 0 when it is not later.
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_microsecond().saturating_sub(from.as_microsecond()).max(0)) as f64 / 1e6
}

/// Correlation of two edge fields, the best over shifts of one cell (a mast sways in the wind).
fn likeness(a: &[[f32; 2]], b: &[[f32; 2]]) -> f32 {
    let shifts = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
    shifts.map(|shift| correlation(a, b, shift)).fold(-1.0, f32::max)
}

fn correlation(a: &[[f32; 2]], b: &[[f32; 2]], (dx, dy): (isize, isize)) -> f32 {
    let pairs = || {
        let rows = 2..VIEW.1 - 2;
        rows.flat_map(move |y| (2..VIEW.0 - 2).map(move |x| (y * VIEW.0 + x, y.wrapping_add_signed(dy) * VIEW.0 + x.wrapping_add_signed(dx))))
            .map(move |(i, k)| (a[i], b[k]))
    };
    // What all of a scene has in common (a horizon, walls) says nothing about where it is: it is taken off.
    let (mut n, mut ma, mut mb) = (0.0f32, [0.0f32; 2], [0.0f32; 2]);
    for (a, b) in pairs() {
        n += 1.0;
        for k in 0..2 {
            ma[k] += a[k];
            mb[k] += b[k];
        }
    }
    let (mut both, mut aa, mut bb) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in pairs() {
        for k in 0..2 {
            let (a, b) = (a[k] - ma[k] / n, b[k] - mb[k] / n);
            both += a * b;
            aa += a * a;
            bb += b * b;
        }
    }
    if aa > 0.0 && bb > 0.0 { both / (aa * bb).sqrt() } else { 0.0 }
}
