//! The port to what was: observations in the lake. Domains see this trait; `lake` implements it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::value::quality;
use crate::{Error, Observation, Result, Value};

/// One point of a series. For buckets `t` is the bucket's start and `value` its mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SeriesPoint)]
pub struct Point {
    /// Microseconds since 1970 UTC.
    pub t: i64,
    /// Value (mean for a bucket).
    #[schema(value_type = Object)]
    pub value: Value,
    /// Least value of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Rows in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Flags of [`crate::value::quality`], or-ed over the bucket.
    pub quality: u16,
}

/// Which part of a series is asked for.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// Entity URN.
    pub entity: String,
    /// Attribute, short name.
    pub attribute: String,
    /// From, inclusive (µs).
    pub from: i64,
    /// To, exclusive (µs).
    pub to: i64,
    /// Bucket width in seconds; none = raw points. Buckets are aligned to the epoch shifted by `offset` seconds.
    pub bucket_s: Option<u32>,
    /// Offset of local time from UTC in seconds (25 200 in Vietnam), for buckets of a day.
    pub offset_s: i32,
    /// At most so many points (newest kept when cut).
    pub limit: usize,
}

/// Which values of many series are asked for: of each series the last one within each of some steps of time.
#[derive(Debug, Clone)]
pub struct StepsQuery {
    /// Entity types, short names.
    pub kinds: Vec<String>,
    /// Attribute, short name.
    pub attribute: String,
    /// The first step begins after this instant (µs).
    pub after: i64,
    /// Ends of the steps in ascending order (µs, inclusive); each begins after the end of the one before.
    pub ends: Vec<i64>,
    /// Values at most; beyond it 422 `history.steps`.
    pub limit: usize,
}

/// The last value of a series within a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepValue {
    /// Which step.
    pub step: u32,
    /// When it was observed (µs).
    pub t: i64,
    /// The value.
    pub value: Value,
}

/// Values by entity, in the order of steps; steps without a value are left out.
pub type Steps = HashMap<Arc<str>, Vec<StepValue>>;

/// Bounds of a free query.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Rows at most.
    pub rows: usize,
    /// Wall time at most.
    pub seconds: u32,
}

/// A table of plain JSON values.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Table {
    /// Column names in order.
    pub columns: Vec<String>,
    /// Rows; each as long as `columns`.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
    /// True when rows were cut at the limit.
    pub truncated: bool,
}

/// Observations kept for ever (or as long as retention says).
#[async_trait]
pub trait History: Send + Sync {
    /// Packs a batch into the bytes of one *pending batch* row (compressed Arrow IPC). At most 10 000 observations.
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>>;
    /// Reads such bytes back, for replay by rules.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Observation>>;
    /// The newest point of a series.
    async fn latest(&self, entity: &str, attribute: &str) -> Result<Option<Point>>;
    /// A stretch of a series in time order.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Point>>;
    /// The same, but the oldest points are kept when cut. Raw points only.
    async fn head(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        let mut points = self.series(&SeriesQuery { bucket_s: None, limit: usize::MAX, ..query.clone() }).await?;
        points.truncate(query.limit);
        Ok(points)
    }
    /// How many points a stretch of a series has (`bucket_s` and `limit` are not looked at).
    async fn count(&self, query: &SeriesQuery) -> Result<u64> {
        let (mut n, mut rest) = (0, SeriesQuery { bucket_s: None, limit: 100_000, ..query.clone() });
        loop {
            let points = self.head(&rest).await?;
            n += points.len() as u64;
            let Some(last) = points.last().filter(|_| points.len() == rest.limit) else { return Ok(n) };
            rest.from = last.t.saturating_add(1);
        }
    }
    /// The last values of all series of some types within steps of time, found in one go. 422 `history.steps` when there
    /// are too many, or where history is kept in a way that can't be asked so.
    async fn steps(&self, query: &StepsQuery) -> Result<Steps> {
        Err(Error::unprocessable("history.steps", "This history cannot be asked for many series at once.").with("attribute", &query.attribute))
    }
    /// A read-only SQL query over the lake's tables (`observation`).
    async fn table(&self, sql: &str, limits: QueryLimits) -> Result<Table>;
}

/// A history in which nothing is kept and nothing ever happened.
#[derive(Debug, Clone, Copy)]
pub struct NoHistory;

#[async_trait]
impl History for NoHistory {
    fn encode(&self, _: &[Observation]) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
    fn decode(&self, _: &[u8]) -> Result<Vec<Observation>> {
        Ok(Vec::new())
    }
    async fn latest(&self, _: &str, _: &str) -> Result<Option<Point>> {
        Ok(None)
    }
    async fn series(&self, _: &SeriesQuery) -> Result<Vec<Point>> {
        Ok(Vec::new())
    }
    async fn steps(&self, _: &StepsQuery) -> Result<Steps> {
        Ok(Steps::new())
    }
    async fn table(&self, _: &str, _: QueryLimits) -> Result<Table> {
        Ok(Table { columns: Vec::new(), rows: Vec::new(), truncated: false })
    }
}

/// What the values of a series should be like, as a pack or device profile declares it. What is not declared is not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Least and greatest possible value.
    #[schema(value_type = Option<Vec<f64>>)]
    pub range: Option<(f64, f64)>,
    /// Greatest possible change a second.
    pub rate_per_s: Option<f64>,
    /// Seconds for which a value may stay the same.
    pub stuck_after_s: Option<u32>,
    /// Seconds between two values. When a series is looked at as a whole, it is found from the values themselves.
    pub every_s: Option<u32>,
}

/// What was seen of a series so far, for judging the next value. Cheap to keep for every series.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Watch {
    /// The newest value and its time.
    last: Option<(i64, f64)>,
    /// Since when the value is the same.
    since: i64,
    /// What was said of the newest value.
    said: u16,
}

impl Watch {
    /// The newest value and its time (µs).
    pub fn last(&self) -> Option<(i64, f64)> {
        self.last
    }

    /// Since when the value is the same (µs).
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Flags of the newest value.
    pub fn said(&self) -> u16 {
        self.said
    }
}

/// A doubtful stretch of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stretch {
    /// First instant (µs); of a gap the last value before it.
    pub from: i64,
    /// Last instant (µs); of a gap the first value after it, or the end of what was looked at.
    pub to: i64,
    /// One flag of [`crate::value::quality`].
    pub flag: u16,
}

/// A silence of so many usual distances is a gap.
const GAP: f64 = 2.5;
/// Fewer distances say nothing about what is usual.
const USUAL: usize = 8;

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

impl Limits {
    /// Flags of the next value. One that is older than the newest seen is judged by its range alone and changes nothing;
    /// the newest once more (a message that is sent again) gets the same flags.
    pub fn flags(&self, watch: &mut Watch, t: i64, value: &Value) -> u16 {
        let Value::Number(x) = value else { return 0 };
        let mut flags = 0;
        if self.range.is_some_and(|(low, high)| *x < low || *x > high) || !x.is_finite() {
            flags |= quality::RANGE;
        }
        let Some((before, y)) = watch.last else {
            *watch = Watch { last: Some((t, *x)), since: t, said: flags };
            return flags;
        };
        if t <= before {
            return if t == before && *x == y { watch.said } else { flags };
        }
        let distance = seconds(t - before);
        if self.rate_per_s.is_some_and(|most| (x - y).abs() / distance > most) {
            flags |= quality::RATE;
        }
        if self.every_s.is_some_and(|every| distance > GAP * f64::from(every)) {
            flags |= quality::GAP;
        }
        if *x != y {
            watch.since = t;
        } else if self.stuck_after_s.is_some_and(|most| seconds(t - watch.since) > f64::from(most)) {
            flags |= quality::STUCK;
        }
        watch.last = Some((t, *x));
        watch.said = flags;
        flags
    }

    /// Doubtful stretches of raw points in order of time, up to the instant `to`: what the values say and what was
    /// flagged when they came in. Distances are judged by what is declared, or by the median of those there are.
    pub fn stretches(&self, points: &[Point], to: i64) -> Vec<Stretch> {
        let mut distances: Vec<i64> = points.windows(2).map(|w| w[1].t - w[0].t).collect();
        distances.sort_unstable();
        let usual = (distances.len() >= USUAL).then(|| seconds(distances[distances.len() / 2]));
        let silence = self.every_s.map(f64::from).or(usual).map(|every| GAP * every);
        let mut found: Vec<Stretch> = Vec::new();
        let mut open: [Option<Stretch>; 16] = [None; 16];
        let mut watch = Watch::default();
        let judge = Limits { every_s: None, ..*self };
        let mut before: Option<i64> = None;
        for point in points {
            if let (Some(b), Some(most)) = (before, silence)
                && seconds(point.t - b) > most
            {
                found.push(Stretch { from: b, to: point.t, flag: quality::GAP });
            }
            before = Some(point.t);
            let since = watch.since;
            let flags = (point.quality & !quality::GAP) | judge.flags(&mut watch, point.t, &point.value);
            for (bit, stretch) in open.iter_mut().enumerate() {
                let flag = 1u16 << bit;
                match stretch {
                    Some(s) if flags & flag != 0 => s.to = point.t,
                    Some(s) => {
                        found.push(*s);
                        *stretch = None;
                    }
                    None if flags & flag != 0 => {
                        // A stuck value was stuck from its first appearance.
                        let from = if flag == quality::STUCK && point.quality & flag == 0 { since } else { point.t };
                        *stretch = Some(Stretch { from, to: point.t, flag });
                    }
                    None => {}
                }
            }
        }
        found.extend(open.into_iter().flatten());
        if let (Some(b), Some(most)) = (before, silence)
            && seconds(to - b) > most
        {
            found.push(Stretch { from: b, to, flag: quality::GAP });
        }
        found.sort_by_key(|s| (s.from, s.flag));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn points(values: &[(i64, f64)]) -> Vec<Point> {
        values.iter().map(|(s, v)| Point { t: s * SECOND, value: Value::Number(*v), min: None, max: None, count: None, quality: 0 }).collect()
    }

    #[test]
    fn values_are_judged_as_they_come() {
        let limits = Limits { range: Some((0.0, 100.0)), rate_per_s: Some(2.0), stuck_after_s: Some(30), every_s: Some(10) };
        let mut watch = Watch::default();
        let mut next = |s: i64, v: f64| limits.flags(&mut watch, s * SECOND, &Value::Number(v));
        assert_eq!(next(0, 50.0), 0);
        assert_eq!(next(10, 60.0), 0);
        assert_eq!(next(20, 90.0), quality::RATE);
        assert_eq!(next(20, 90.0), quality::RATE, "sent again: the same");
        assert_eq!(next(20, 91.0), 0, "another value for the same instant is judged by its range alone");
        assert_eq!(next(30, 101.0), quality::RANGE);
        assert_eq!(next(40, 101.0), quality::RANGE);
        assert_eq!(next(70, 101.0), quality::RANGE | quality::STUCK | quality::GAP);
        assert_eq!(next(60, -1.0), quality::RANGE, "late: judged by its range alone");
        assert_eq!(next(80, 99.0), 0);
        assert_eq!(Limits::default().flags(&mut Watch::default(), 0, &Value::Number(f64::NAN)), quality::RANGE);
        assert_eq!(limits.flags(&mut Watch::default(), 0, &Value::Text("x".into())), 0);
    }

    #[test]
    fn stretches_of_a_whole_series() {
        let mut series: Vec<(i64, f64)> = (0..20).map(|i| (i * 60, i as f64)).collect();
        series.extend((40..50).map(|i| (i * 60, 7.0)));
        let mut points = points(&series);
        points[3].quality = quality::CLOCK;
        let limits = Limits { stuck_after_s: Some(240), range: Some((1.0, 18.0)), ..Limits::default() };
        let found = limits.stretches(&points, 60 * 60 * SECOND);
        let at = |from: i64, to: i64, flag| Stretch { from: from * 60 * SECOND, to: to * 60 * SECOND, flag };
        let expected = [
            at(0, 0, quality::RANGE),
            at(3, 3, quality::CLOCK),
            at(19, 19, quality::RANGE),
            at(19, 40, quality::GAP),
            at(40, 49, quality::STUCK),
            at(49, 60, quality::GAP),
        ];
        assert_eq!(found, expected);
        assert_eq!(Limits::default().stretches(&points[..5], 5 * 60 * SECOND).len(), 1, "too few values to know what is usual");
    }
}
