//! What is usual, from history: reckoned anew each night, a few segments at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dothi_kernel::{Caller, Permission, Result, Scope};

use crate::live::SegmentUsual;
use crate::model::{Measure, Segment};
use crate::pack::{Policy, RouteDef};
use crate::reckon::{Sample, Usual, skill, speed_of_occupancy, speed_of_volume};
use crate::travel::RouteUsual;
use crate::{Traffic, tables};

const HOUR: i64 = 3_600_000_000;
const WEEK: i64 = 168 * HOUR;

/// Values by the beginning of their bucket (µs).
pub(crate) type Course = BTreeMap<i64, f64>;

fn samples(course: &Course) -> Vec<Sample> {
    course.iter().map(|(t, v)| Sample { t: *t, value: *v }).collect()
}

impl Traffic {
    /// A segment's course in buckets, its detectors together: vehicles add up where all of them counted, speeds weigh by vehicles.
    pub(crate) async fn course(&self, segment: &Segment, measure: Measure, from: i64, to: i64, bucket_s: u32) -> Result<Course> {
        let mut counts: Vec<HashMap<i64, f64>> = Vec::new();
        if measure != Measure::Occupancy {
            for d in &segment.detectors {
                let scale = 3_600.0 / f64::from(d.period_s.max(1));
                let found = self.buckets(&d.entity, "intensity", from, to, bucket_s).await?;
                counts.push(found.into_iter().map(|(t, v)| (t, v * scale)).collect());
            }
        }
        if measure == Measure::Volume {
            let counting: Vec<&HashMap<i64, f64>> = counts.iter().filter(|c| !c.is_empty()).collect();
            let Some(first) = counting.first() else { return Ok(Course::new()) };
            let all = |t: &i64| counting.iter().map(|c| c.get(t).copied()).sum::<Option<f64>>();
            return Ok(first.keys().filter_map(|t| Some((*t, all(t)?))).collect());
        }
        let attribute = if measure == Measure::Speed { "averageVehicleSpeed" } else { "occupancy" };
        let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for (n, d) in segment.detectors.iter().enumerate() {
            for (t, v) in self.buckets(&d.entity, attribute, from, to, bucket_s).await? {
                let weight = counts.get(n).and_then(|c| c.get(&t)).copied().unwrap_or(1.0).max(1.0);
                let sum = sums.entry(t).or_default();
                (sum.0, sum.1) = (sum.0 + v * weight, sum.1 + weight);
            }
        }
        Ok(sums.into_iter().map(|(t, (v, w))| (t, v / w)).collect())
    }

    /// The course of a segment's speed, reckoned where it is not measured.
    async fn speeds(&self, s: &Segment, from: i64, to: i64, bucket_s: u32) -> Result<Course> {
        let measured = self.course(s, Measure::Speed, from, to, bucket_s).await?;
        if !measured.is_empty() {
            return Ok(measured);
        }
        let covered = self.course(s, Measure::Occupancy, from, to, bucket_s).await?;
        if !covered.is_empty() {
            return Ok(covered.into_iter().map(|(t, o)| (t, speed_of_occupancy(o, s.free_speed))).collect());
        }
        let volume = self.course(s, Measure::Volume, from, to, bucket_s).await?;
        Ok(volume.into_iter().map(|(t, v)| (t, speed_of_volume(v, s.free_speed, s.jam_density, s.lanes))).collect())
    }

    /// What is usual on one segment, reckoned from the policy's weeks before `now` (µs).
    async fn usual_of(&self, segment: &Segment, policy: &Policy, now: i64) -> Result<SegmentUsual> {
        let from = now - i64::from(policy.weeks) * WEEK;
        let mut made = SegmentUsual { at: now, ..SegmentUsual::default() };
        for measure in [Measure::Speed, Measure::Volume, Measure::Occupancy] {
            let course = self.course(segment, measure, from, now, policy.bucket_s).await?;
            let (samples, calendar) = (samples(&course), self.calendar.clone());
            let least = policy.least_days;
            // The forecast is of speed where it is measured, else of volume; it is tried on the last week, which it has not seen.
            let tried = measure == Measure::Speed || (measure == Measure::Volume && made.speed.is_none());
            let reckoned = tokio::task::spawn_blocking(move || {
                let usual = Usual::of(&calendar, &samples);
                let skill = tried.then(|| skill(&calendar, &samples, now - WEEK, least)).flatten();
                (Some(usual).filter(|u| !u.is_empty()), skill)
            });
            let (usual, skill) = reckoned.await.map_err(|e| dothi_kernel::Error::internal("reckoning what is usual", e))?;
            if tried && usual.is_some() {
                made.skill = skill;
            }
            match measure {
                Measure::Speed => made.speed = usual,
                Measure::Volume => made.volume = usual,
                Measure::Occupancy => made.occupancy = usual,
            }
        }
        Ok(made)
    }

    /// Reckons segments whose codes come after `after`, at most `most`; the last code, or none when there are no more.
    pub(crate) async fn reckon_some(&self, after: &str, most: usize) -> Result<Option<String>> {
        let (net, now) = (self.net(), self.store.clock().now());
        let Ok(policy) = self.policy(now) else { return Ok(None) };
        let some: Vec<Arc<Segment>> = net.segments.iter().filter(|s| s.code.as_str() > after && s.active).take(most).cloned().collect();
        let (mut made, now_us) = (Vec::new(), now.as_microsecond());
        for segment in &some {
            made.push((segment.id, self.usual_of(segment, &policy, now_us).await?));
        }
        let mut tx = self.store.begin_as("traffic").await?;
        for (id, usual) in &made {
            tables::put_usual(&mut tx, *id, usual).await?;
        }
        tx.commit().await?;
        let mut live = self.live();
        made.into_iter().for_each(|(id, usual)| drop(live.usual.insert(id, Arc::new(usual))));
        Ok(some.last().filter(|_| some.len() == most).map(|s| s.code.clone()))
    }

    /// Reckons how long each route takes by hour of the week: of every bucket in which all of its segments are known.
    pub(crate) async fn reckon_routes(&self) -> Result<()> {
        let now = self.store.clock().now();
        let Ok(policy) = self.policy(now) else { return Ok(()) };
        for route in self.routes() {
            let times = self.route_course(&route, &policy, now.as_microsecond()).await?;
            let usual = RouteUsual::of(&self.calendar, &times);
            let mut tx = self.store.begin_as("traffic").await?;
            tables::put_route_usual(&mut tx, &route.code, &usual).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn route_course(&self, route: &RouteDef, policy: &Policy, now: i64) -> Result<Course> {
        let net = self.net();
        let from = now - i64::from(policy.weeks) * WEEK;
        let mut sum: Option<Course> = None;
        for segment in route.segments.iter().map(|code| net.coded(code).cloned()) {
            let Some(segment) = segment else { return Ok(Course::new()) };
            let speeds = self.speeds(&segment, from, now, policy.bucket_s).await?;
            let times = speeds.into_iter().map(|(t, v)| (t, segment.length_m / (v.max(1.0) / 3.6)));
            sum = Some(match sum {
                None => times.collect(),
                Some(before) => times.filter_map(|(t, s)| Some((t, before.get(&t)? + s))).collect(),
            });
        }
        Ok(sum.unwrap_or_default())
    }

    /// Asks that what is usual be reckoned anew, soon. Needs `traffic-manage`.
    pub async fn ask_usual(&self, caller: &Caller) -> Result<()> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        tx.schedule(crate::jobs::USUAL, "", caller.now).await?;
        tx.audit("traffic.usual.ask", "traffic", &serde_json::json!({})).await?;
        tx.commit().await
    }
}
