//! Aggregated temporal representation (4.5.19): methods over periods of a duration.

use std::collections::HashSet;

use dothi_kernel::{Error, Kind, Result};
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::read::Instance;
use crate::fault::{TOO_MANY, bad, cut};
use crate::model::{AttrKind, instant};

/// Periods of one attribute at most.
pub const MAX_PERIODS: usize = 100_000;

/// What is computed of each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Number of values.
    TotalCount,
    /// Number of different values.
    DistinctCount,
    /// Sum.
    Sum,
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Standard deviation (of the population).
    Stddev,
    /// Sum of squares.
    Sumsq,
}

impl Method {
    const ALL: [(Method, &str); 8] = [
        (Method::TotalCount, "totalCount"),
        (Method::DistinctCount, "distinctCount"),
        (Method::Sum, "sum"),
        (Method::Avg, "avg"),
        (Method::Min, "min"),
        (Method::Max, "max"),
        (Method::Stddev, "stddev"),
        (Method::Sumsq, "sumsq"),
    ];

    /// Reads the word.
    pub fn parse(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|(_, w)| *w == word).map(|(m, _)| m);
        known.ok_or_else(|| bad(format!("aggrMethods: {:?} is not a method of aggregation.", cut(word))))
    }

    /// The word.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(m, _)| *m == self).map_or("", |(_, w)| w)
    }
}

/// How long a period is.
#[derive(Debug, Clone, Copy)]
pub enum Period {
    /// As long as the whole query (`PT0S`).
    Whole,
    /// So many microseconds.
    Micros(i64),
    /// Months and years have no fixed length.
    Calendar(Span),
}

impl Period {
    /// Reads an ISO 8601 duration.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || bad(format!("aggrPeriodDuration {:?} is not an ISO 8601 duration such as PT1H or P1D.", cut(text)));
        let span: Span = text.parse().map_err(|_| wrong())?;
        if !text.starts_with('P') || span.is_negative() {
            return Err(wrong());
        }
        if span.is_zero() {
            return Ok(Period::Whole);
        }
        if span.get_years() != 0 || span.get_months() != 0 {
            return Ok(Period::Calendar(span));
        }
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let clock = [(i64::from(span.get_hours()), 3_600_000_000), (span.get_minutes(), 60_000_000), (span.get_seconds(), 1_000_000)];
        let parts = [(days, 86_400_000_000), (span.get_milliseconds(), 1_000), (span.get_microseconds(), 1)];
        let sum = clock.into_iter().chain(parts).try_fold(0i64, |sum, (n, of)| sum.checked_add(n.checked_mul(of)?));
        sum.filter(|us| *us > 0).map(Period::Micros).ok_or_else(wrong)
    }

    /// Start and end of the period in which an instant lies, counted from an anchor not after it. `from` is the start of
    /// an earlier period to count on from.
    fn around(&self, anchor: i64, from: (i64, i64), t: i64, last: i64) -> Option<(i64, i64, i64)> {
        match self {
            Period::Whole => Some((anchor, last.max(anchor), 0)),
            Period::Micros(width) => {
                let start = anchor.checked_add(t.checked_sub(anchor)?.div_euclid(*width).checked_mul(*width)?)?;
                Some((start, start.checked_add(*width)?, 0))
            }
            Period::Calendar(span) => {
                // Steps are counted from the anchor: the 31st stays the last of the month.
                let begin = Timestamp::from_microsecond(anchor).ok()?.to_zoned(TimeZone::UTC);
                let (mut start, mut step) = from;
                loop {
                    let end = begin.checked_add(span.checked_mul(step + 1).ok()?).ok()?.timestamp().as_microsecond();
                    if t < end {
                        return Some((start, end, step));
                    }
                    (start, step) = (end, step + 1);
                    if step > MAX_PERIODS as i64 {
                        return None;
                    }
                }
            }
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Aggregation {
    /// Methods, in the order asked for.
    pub methods: Vec<Method>,
    /// Length of periods.
    pub period: Period,
}

/// A period's values so far.
#[derive(Debug, Default)]
struct Bucket {
    count: u64,
    distinct: HashSet<String>,
    numbers: Vec<f64>,
    texts: Option<(String, String)>,
}

impl Bucket {
    fn take(&mut self, value: &Value, kind: AttrKind, distinct: bool) {
        self.count += 1;
        if distinct {
            self.distinct.insert(value.to_string());
        }
        match value {
            Value::Number(n) if kind == AttrKind::Property => self.numbers.extend(n.as_f64()),
            Value::Bool(b) if kind == AttrKind::Property => self.numbers.push(f64::from(u8::from(*b))),
            // Lists are aggregated by their length.
            Value::Array(many) if matches!(kind, AttrKind::Property | AttrKind::ListProperty) => self.numbers.push(many.len() as f64),
            Value::String(s) if kind == AttrKind::Property => {
                let (low, high) = self.texts.get_or_insert_with(|| (s.clone(), s.clone()));
                if s < low {
                    low.clone_from(s);
                }
                if s > high {
                    high.clone_from(s);
                }
            }
            _ => {}
        }
    }

    /// None where a method has no meaning for what the values are.
    fn result(&self, method: Method) -> Option<Value> {
        let n = self.numbers.len() as f64;
        let numbers = || Some(self.numbers.iter().copied()).filter(|_| !self.numbers.is_empty() && self.numbers.len() as u64 == self.count);
        let sum = || numbers().map(Iterator::sum::<f64>);
        Some(match method {
            Method::TotalCount => self.count.into(),
            Method::DistinctCount => self.distinct.len().into(),
            Method::Sum => json!(sum()?),
            Method::Avg => json!(sum()? / n),
            Method::Sumsq => json!(numbers()?.map(|x| x * x).sum::<f64>()),
            Method::Stddev => {
                let mean = sum()? / n;
                json!((numbers()?.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
            }
            Method::Min => numbers().map(|v| json!(v.fold(f64::INFINITY, f64::min))).or_else(|| self.text().map(|t| json!(t.0)))?,
            Method::Max => numbers().map(|v| json!(v.fold(f64::NEG_INFINITY, f64::max))).or_else(|| self.text().map(|t| json!(t.1)))?,
        })
    }

    fn text(&self) -> Option<&(String, String)> {
        self.texts.as_ref().filter(|_| self.numbers.is_empty())
    }
}

/// 403 for a period that is too short for the time asked for.
pub fn too_many_periods() -> Error {
    Error::new(Kind::Forbidden, TOO_MANY, format!("The aggregation has more than {MAX_PERIODS} periods; choose a longer aggrPeriodDuration."))
}

/// The results of each method over the instances of one dataset, in time order: `[value, start, end]` of each period.
/// `anchor` is where the first period begins, `last` where the whole query ends.
pub fn aggregate(what: &Aggregation, instances: &[(i64, &Instance)], anchor: i64, last: i64) -> Result<Vec<(Method, Vec<Value>)>> {
    let distinct = what.methods.contains(&Method::DistinctCount);
    let mut periods: Vec<((i64, i64), Bucket)> = Vec::new();
    let mut from = (anchor, 0);
    for (t, instance) in instances {
        let around = what.period.around(anchor, from, *t, last);
        let (start, end, step) = around.ok_or_else(|| bad("aggrPeriodDuration cuts the time into too many periods."))?;
        from = (start, step);
        if periods.last().is_none_or(|(span, _)| span.0 != start) {
            if periods.len() >= MAX_PERIODS {
                return Err(too_many_periods());
            }
            periods.push(((start, end), Bucket::default()));
        }
        if let Some((_, bucket)) = periods.last_mut() {
            bucket.take(&instance.attr.value.json(), instance.attr.kind, distinct);
        }
    }
    let row = |value: Value, (start, end): (i64, i64)| json!([value, instant(start), instant(end)]);
    let rows = |method: Method| periods.iter().filter_map(|(span, bucket)| bucket.result(method).map(|v| row(v, *span))).collect();
    Ok(what.methods.iter().map(|m| (*m, rows(*m))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attr;
    use crate::temporal::{Basis, Key};

    fn at(text: &str, value: Value) -> (i64, Instance) {
        let t = crate::model::parse_instant(text).expect("an instant");
        let mut attr = Attr::new(AttrKind::Property, value, t);
        attr.set_observed(Some(t));
        (t, Instance { key: Key { dataset: None, basis: Basis::Observed, t }, attr, deleted: None })
    }

    fn run(methods: &[&str], period: &str, values: &[(i64, Instance)]) -> String {
        let what = Aggregation { methods: methods.iter().map(|m| Method::parse(m).unwrap()).collect(), period: Period::parse(period).unwrap() };
        let refs: Vec<(i64, &Instance)> = values.iter().map(|(t, i)| (*t, i)).collect();
        let results = aggregate(&what, &refs, values[0].0, values[values.len() - 1].0).unwrap();
        results.iter().map(|(m, rows)| format!("{}={}", m.word(), Value::from(rows.clone()))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn periods_and_methods() {
        let values: Vec<_> = [("2026-01-31T10:00:00Z", 2), ("2026-01-31T10:30:00Z", 4), ("2026-02-27T00:00:00Z", 4), ("2026-03-01T00:00:00Z", 10)]
            .into_iter()
            .map(|(t, v)| at(t, v.into()))
            .collect();
        assert_eq!(
            run(&["avg", "stddev", "distinctCount"], "PT1H", &values[..2]),
            r#"avg=[[3.0,"2026-01-31T10:00:00Z","2026-01-31T11:00:00Z"]] stddev=[[1.0,"2026-01-31T10:00:00Z","2026-01-31T11:00:00Z"]] distinctCount=[[2,"2026-01-31T10:00:00Z","2026-01-31T11:00:00Z"]]"#
        );
        // A month from the 31st ends on the last of February, the next one on the 31st of March.
        assert_eq!(
            run(&["sum"], "P1M", &values),
            r#"sum=[[10.0,"2026-01-31T10:00:00Z","2026-02-28T10:00:00Z"],[10.0,"2026-02-28T10:00:00Z","2026-03-31T10:00:00Z"]]"#
        );
        assert_eq!(
            run(&["sumsq", "totalCount"], "PT0S", &values),
            r#"sumsq=[[136.0,"2026-01-31T10:00:00Z","2026-03-01T00:00:00Z"]] totalCount=[[4,"2026-01-31T10:00:00Z","2026-03-01T00:00:00Z"]]"#
        );
        let words = vec![at("2026-01-31T10:00:00Z", "b".into()), at("2026-01-31T10:00:01Z", "a".into())];
        assert_eq!(run(&["min", "avg"], "P1D", &words), r#"min=[["a","2026-01-31T10:00:00Z","2026-02-01T10:00:00Z"]] avg=[]"#);
        for wrong in ["", "1D", "P", "-P1D", "PT1X"] {
            assert!(Period::parse(wrong).is_err(), "{wrong}");
        }
    }
}
