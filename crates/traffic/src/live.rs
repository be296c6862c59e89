//! How segments flow now, and when a drop is an incident. Readings go in, changes come out; nothing here waits or writes.
//!
//! Memory is bounded by the number of detectors and segments: of each only the newest reading and the present suspicion are kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dothi_kernel::Observation;
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::time::micros;
use uuid::Uuid;

use crate::model::{Forecast, Level, Measure, Now, Segment};
use crate::now::Net;
use crate::pack::Policy;
use crate::reckon::{Sample, Skill, Usual, next_hour, speed_of_occupancy, speed_of_volume};

const SECOND: i64 = 1_000_000;
/// Segments that must be heard before a common drop is told from an incident.
const COMMON: usize = 8;

/// What is usual on a segment, by measure.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SegmentUsual {
    /// Speed.
    pub speed: Option<Usual>,
    /// Volume.
    pub volume: Option<Usual>,
    /// Occupancy.
    pub occupancy: Option<Usual>,
    /// What is foretold (speed where it is measured, else volume), and how well.
    pub skill: Option<Skill>,
    /// When it was reckoned (µs).
    pub at: i64,
}

impl SegmentUsual {
    fn of(&self, measure: Measure) -> Option<&Usual> {
        match measure {
            Measure::Speed => self.speed.as_ref(),
            Measure::Volume => self.volume.as_ref(),
            Measure::Occupancy => self.occupancy.as_ref(),
        }
    }

    /// What is usual at an instant, and its spread.
    pub fn at(&self, measure: Measure, calendar: &WorkCalendar, t: i64, policy: &Policy) -> Option<(f64, f64)> {
        self.of(measure)?.at(calendar, t, policy.least_days)
    }
}

#[derive(Debug, Default)]
struct DetectorNow {
    speed: Option<(i64, f64)>,
    volume: Option<(i64, f64)>,
    occupancy: Option<(i64, f64)>,
}

/// A drop that has not proved itself yet, or has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// Since when (µs).
    pub since: i64,
    /// What fell or rose.
    pub measure: Measure,
    /// To what.
    pub value: f64,
    /// From what is usual.
    pub usual: f64,
    readings: u32,
}

/// A segment's present.
#[derive(Debug, Clone, Default)]
pub struct SegmentNow {
    /// Newest reading (µs).
    pub at: i64,
    /// km/h.
    pub speed: Option<f64>,
    /// Whether the speed is reckoned, not measured.
    pub estimated: bool,
    /// Vehicles an hour.
    pub volume: Option<f64>,
    /// Share of time covered.
    pub occupancy: Option<f64>,
    /// What is suspect now.
    pub suspect: Option<Suspect>,
    /// Rather the detector than the road.
    pub doubtful: bool,
    /// Since when nothing is suspect, while an incident is open.
    clear: Option<i64>,
    /// Open incident.
    pub incident: Option<Uuid>,
    confirmed: bool,
}

/// What follows from new readings.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An incident began; `neighbours` bear it out when there are any.
    Begin {
        /// Where.
        segment: Uuid,
        /// What was seen.
        suspect: Suspect,
        /// Who bears it out.
        neighbours: Vec<Uuid>,
    },
    /// Neighbours bear out one that stood alone.
    Confirm {
        /// Where.
        segment: Uuid,
        /// Which.
        incident: Uuid,
        /// Who bears it out.
        neighbours: Vec<Uuid>,
    },
    /// It is over since.
    Clear {
        /// Where.
        segment: Uuid,
        /// Which.
        incident: Uuid,
        /// Since when (µs).
        at: i64,
    },
}

/// All of it.
#[derive(Debug, Default)]
pub struct Live {
    detectors: HashMap<Arc<str>, DetectorNow>,
    /// The present of segments.
    pub segments: HashMap<Uuid, SegmentNow>,
    /// What is usual on segments.
    pub usual: HashMap<Uuid, Arc<SegmentUsual>>,
}

impl Live {
    /// Forgets what belongs to no segment any more.
    pub fn keep(&mut self, net: &Net) {
        self.detectors.retain(|entity, _| net.of_detector(entity).is_some());
        self.segments.retain(|id, _| net.get(*id).is_some_and(|s| s.active));
        self.usual.retain(|id, _| net.get(*id).is_some());
    }

    /// Takes a reading of a detector; the segment it belongs to when it is news.
    pub fn take(&mut self, net: &Net, entity: &Arc<str>, attribute: &str, t: i64, value: f64) -> Option<Uuid> {
        let (segment, period) = net.of_detector(entity)?;
        let value = Some(value).filter(|v| v.is_finite() && *v >= 0.0)?;
        let now = self.detectors.entry(entity.clone()).or_default();
        let (place, value) = match attribute {
            "averageVehicleSpeed" => (&mut now.speed, value),
            "intensity" => (&mut now.volume, value * 3_600.0 / f64::from(period.max(1))),
            "occupancy" => (&mut now.occupancy, value),
            _ => return None,
        };
        if place.is_some_and(|(known, _)| known >= t) {
            return None;
        }
        *place = Some((t, value));
        Some(segment.id)
    }

    /// A batch of observations in order of time: what follows from it.
    pub fn observe(&mut self, net: &Net, policy: &Policy, calendar: &WorkCalendar, batch: &[Observation], now: i64) -> Vec<Change> {
        let oldest = now - i64::from(policy.stale_s) * SECOND;
        let mut rows: Vec<&Observation> = batch.iter().filter(|o| net.of_detector(&o.entity).is_some()).collect();
        rows.sort_by_key(|o| o.t);
        let mut changes = Vec::new();
        for group in rows.chunk_by(|a, b| a.t == b.t) {
            let touched: BTreeSet<Uuid> = group.iter().filter_map(|o| self.take(net, &o.entity, &o.attribute, o.t, o.value.number()?)).collect();
            // A station's stored backlog is history, not a present incident.
            if group[0].t >= oldest {
                changes.extend(self.settle(net, policy, calendar, &touched, group[0].t));
            }
        }
        changes
    }

    /// Reckons touched segments at an instant, then judges them beside their neighbours.
    pub fn settle(&mut self, net: &Net, policy: &Policy, calendar: &WorkCalendar, touched: &BTreeSet<Uuid>, t: i64) -> Vec<Change> {
        for segment in touched.iter().filter_map(|id| net.get(*id)) {
            self.reckon(segment, policy, t);
            let suspect = self.suspicion(segment.id, policy, calendar);
            let state = self.segments.entry(segment.id).or_default();
            state.suspect = match (suspect, state.suspect) {
                (Some(new), Some(old)) if old.measure == new.measure => Some(Suspect { since: old.since, readings: old.readings + 1, ..new }),
                (new, _) => new,
            };
            state.clear = if state.suspect.is_some() || state.incident.is_none() { None } else { state.clear.or(Some(t)) };
        }
        let general = self.general(policy, t);
        touched.iter().filter_map(|id| self.judge(net, policy, *id, t, general)).collect()
    }

    /// Ends incidents of segments that fell silent: nothing shows any more that they last.
    pub fn silent(&mut self, policy: &Policy, now: i64) -> Vec<Change> {
        let oldest = now - i64::from(policy.stale_s) * SECOND;
        let mut changes = Vec::new();
        for (id, state) in self.segments.iter_mut().filter(|(_, s)| s.at < oldest) {
            state.suspect = None;
            if let Some(incident) = state.incident.take() {
                changes.push(Change::Clear { segment: *id, incident, at: now });
            }
        }
        changes
    }

    /// The newest fresh readings of a segment's detectors together.
    pub(crate) fn reckon(&mut self, segment: &Segment, policy: &Policy, t: i64) {
        let oldest = t - i64::from(policy.stale_s) * SECOND;
        let fresh = |v: Option<(i64, f64)>| v.filter(|(at, _)| *at >= oldest).map(|(_, v)| v);
        let (mut speeds, mut volumes, mut covered, mut counting) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for now in segment.detectors.iter().filter_map(|d| self.detectors.get(d.entity.as_str())) {
            let volume = fresh(now.volume);
            counting += usize::from(now.volume.is_some());
            volumes.extend(volume);
            covered.extend(fresh(now.occupancy));
            // A lane that carries more says more about the speed.
            speeds.extend(fresh(now.speed).map(|s| (s, volume.unwrap_or(1.0).max(1.0))));
        }
        let mean = |v: &[f64]| (!v.is_empty()).then(|| v.iter().sum::<f64>() / v.len() as f64);
        let weight: f64 = speeds.iter().map(|(_, w)| w).sum();
        let measured = (!speeds.is_empty()).then(|| speeds.iter().map(|(s, w)| s * w).sum::<f64>() / weight);
        // A lane whose detector is silent would look like fewer vehicles.
        let volume: Option<f64> = (!volumes.is_empty() && volumes.len() == counting).then(|| volumes.iter().sum());
        let occupancy = mean(&covered);
        let by_occupancy = occupancy.map(|o| speed_of_occupancy(o, segment.free_speed));
        let by_volume = volume.map(|v| speed_of_volume(v, segment.free_speed, segment.jam_density, segment.lanes));
        let state = self.segments.entry(segment.id).or_default();
        (state.at, state.volume, state.occupancy) = (t, volume, occupancy);
        (state.speed, state.estimated) = (measured.or(by_occupancy).or(by_volume), measured.is_none());
    }

    /// What is suspect about a segment now.
    fn suspicion(&self, id: Uuid, policy: &Policy, calendar: &WorkCalendar) -> Option<Suspect> {
        let (state, usual) = (self.segments.get(&id)?, self.usual.get(&id)?);
        let at = |m: Measure| usual.at(m, calendar, state.at, policy);
        let found = |measure, value, usual| Some(Suspect { since: state.at, measure, value, usual, readings: 1 });
        if let (Some(value), false, Some((usual, spread))) = (state.speed, state.estimated, at(Measure::Speed))
            && value <= policy.drop_share * usual
            && usual - value >= policy.drop_spreads * spread
        {
            return found(Measure::Speed, value, usual);
        }
        if let (Some(value), Some((usual, spread))) = (state.occupancy, at(Measure::Occupancy))
            && value - usual >= policy.occupancy_rise.max(policy.drop_spreads * spread)
        {
            return found(Measure::Occupancy, value, usual);
        }
        // Where speed is measured, few vehicles at full speed are only few vehicles.
        if state.speed.is_some() && !state.estimated {
            return None;
        }
        if let (Some(value), Some((usual, spread))) = (state.volume, at(Measure::Volume))
            && usual >= policy.volume_least
            && value <= policy.volume_share * usual
            && usual - value >= policy.drop_spreads * spread
        {
            return found(Measure::Volume, value, usual);
        }
        None
    }

    fn fresh(&self, id: Uuid, policy: &Policy, t: i64) -> Option<&SegmentNow> {
        self.segments.get(&id).filter(|s| s.at >= t - i64::from(policy.stale_s) * SECOND)
    }

    /// Whether so much of the network is suspect at once that the day itself is unlike others.
    fn general(&self, policy: &Policy, t: i64) -> bool {
        let oldest = t - i64::from(policy.stale_s) * SECOND;
        let (mut all, mut suspect) = (0usize, 0usize);
        for (id, state) in self.segments.iter().filter(|(_, s)| s.at >= oldest) {
            if self.usual.contains_key(id) {
                all += 1;
                suspect += usize::from(state.suspect.is_some());
            }
        }
        all >= COMMON && suspect as f64 > policy.general_share * all as f64
    }

    /// What the neighbours say: those that bear it out, and whether any could.
    fn neighbours(&self, net: &Net, policy: &Policy, id: Uuid, suspect: &Suspect, t: i64) -> Word {
        let heard = |s: &Arc<Segment>| self.fresh(s.id, policy, t).map(|now| (s.id, now.suspect.is_some()));
        let up: Vec<(Uuid, bool)> = net.upstream(id).filter_map(heard).collect();
        let down: Vec<(Uuid, bool)> = net.downstream(id).filter_map(heard).collect();
        let slow = |side: &[(Uuid, bool)]| side.iter().filter(|(_, s)| *s).map(|(id, _)| *id).collect::<Vec<_>>();
        if suspect.measure == Measure::Volume {
            // Less gets through a blocked place: those after it, and soon those before it, carry less as well.
            let both = [slow(&up), slow(&down)].concat();
            if suspect.value == 0.0 && both.is_empty() && !(up.is_empty() && down.is_empty()) {
                return Word::Doubt;
            }
            return if both.is_empty() { Word::Alone } else { Word::Bears(both) };
        }
        if !slow(&down).is_empty() {
            return Word::Queue;
        }
        match slow(&up) {
            some if !some.is_empty() && !down.is_empty() => Word::Bears(some),
            _ => Word::Alone,
        }
    }

    fn judge(&mut self, net: &Net, policy: &Policy, id: Uuid, t: i64, general: bool) -> Option<Change> {
        let state = self.segments.get(&id)?;
        let Some(suspect) = state.suspect else {
            let over = state.clear.is_some_and(|since| t - since >= i64::from(policy.clear_s) * SECOND);
            let state = self.segments.get_mut(&id)?;
            state.doubtful = false;
            if !over {
                return None;
            }
            let (incident, at) = (state.incident.take()?, state.clear.take().unwrap_or(t));
            return Some(Change::Clear { segment: id, incident, at });
        };
        let lasted = |seconds: u32| suspect.readings >= 2 && t - suspect.since >= i64::from(seconds) * SECOND;
        let word = self.neighbours(net, policy, id, &suspect, t);
        let (incident, confirmed) = (state.incident, state.confirmed);
        let state = self.segments.get_mut(&id)?;
        state.doubtful = word == Word::Doubt;
        match (word, incident) {
            (Word::Bears(neighbours), Some(incident)) if !confirmed => {
                state.confirmed = true;
                Some(Change::Confirm { segment: id, incident, neighbours })
            }
            (Word::Bears(neighbours), None) if !general && lasted(policy.persist_s) => Some(Change::Begin { segment: id, suspect, neighbours }),
            (Word::Alone, None) if !general && lasted(policy.alone_s) => Some(Change::Begin { segment: id, suspect, neighbours: Vec::new() }),
            _ => None,
        }
    }

    /// An incident of a segment stands from now on.
    pub fn open(&mut self, segment: Uuid, incident: Uuid, confirmed: bool) {
        let state = self.segments.entry(segment).or_default();
        (state.incident, state.confirmed, state.clear) = (Some(incident), confirmed, None);
    }

    /// A segment as screens show it.
    pub fn now(&self, segment: &Segment, policy: &Policy, calendar: &WorkCalendar, now: i64) -> Now {
        let usual = self.usual.get(&segment.id);
        let at = |m: Measure| usual.and_then(|u| u.at(m, calendar, now, policy)).map(|(v, _)| v);
        let (usual_speed, usual_volume) = (at(Measure::Speed), at(Measure::Volume));
        let Some(state) = self.fresh(segment.id, policy, now) else {
            let heard = self.segments.get(&segment.id).filter(|s| s.at > 0).map(|s| micros(s.at));
            let incident = self.segments.get(&segment.id).and_then(|s| s.incident);
            return Now { at: heard, usual_speed, usual_volume, incident, ..Now::default() };
        };
        let travel = state.speed.map(|v| segment.length_m / (v.max(1.0) / 3.6));
        Now {
            at: Some(micros(state.at)),
            speed: state.speed,
            estimated: state.estimated,
            volume: state.volume,
            occupancy: state.occupancy,
            level: state.speed.map_or(Level::Unknown, |v| policy.level(v, segment.free_speed)),
            travel_s: travel,
            usual_speed,
            usual_volume,
            forecast: usual.and_then(|u| forecast(u, state, calendar, policy)),
            doubtful: state.doubtful,
            incident: state.incident,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Word {
    /// These are suspect in the way an incident makes them.
    Bears(Vec<Uuid>),
    /// The slow place lies further on.
    Queue,
    /// Nobody can bear it out, or nobody does.
    Alone,
    /// Rather the detector than the road.
    Doubt,
}

fn forecast(usual: &SegmentUsual, state: &SegmentNow, calendar: &WorkCalendar, policy: &Policy) -> Option<Forecast> {
    let skill = usual.skill.filter(Skill::helps)?;
    let (measure, value) = if usual.speed.is_some() { (Measure::Speed, state.speed.filter(|_| !state.estimated)?) } else { (Measure::Volume, state.volume?) };
    let told = next_hour(calendar, usual.of(measure)?, skill.keep, Sample { t: state.at, value }, policy.least_days)?;
    Some(Forecast {
        measure,
        at: micros(state.at + 3_600 * SECOND),
        value: told,
        error: skill.error,
        error_last: skill.error_last,
        error_week: skill.error_week,
    })
}
