//! A pack's own tests: observations in, alarms and computed values out. No store, no clock but the test's.

use std::sync::Arc;

use dothi_kernel::{Observation, Timestamp, Value};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::engine::{Effect, Engine, Timers};
use crate::pack::{Rule, RulesPack, aqi_table};

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// First instant; `given` rows follow each other by `every_minutes`.
    from: Timestamp,
    every_minutes: i64,
    /// Values by attribute, one an interval; `null`-like gaps are NaN.
    given: std::collections::BTreeMap<String, Vec<f64>>,
    /// Intervals to run, when silence follows the last value.
    #[serde(default)]
    intervals: Option<usize>,
    expect: Vec<Expected>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `raise`, `clear` or `derive`.
    what: String,
    /// Rule's code, or the computed attribute.
    of: String,
    /// Interval (0 = first).
    at: i64,
    #[serde(default)]
    value: Option<f64>,
}

/// Runs the tests of `tests/*.toml` that speak of rules; how many ran, and what failed.
pub fn run_tests(pack: &RulesPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut failed) = (0, Vec::new());
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".toml")) {
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(e) => {
                failed.push(format!("{path}: {}", e.message()));
                continue;
            }
        };
        for test in file.rules {
            ran += 1;
            match run(pack, &test) {
                Ok(got) if got == test.expect => {}
                Ok(got) => failed.push(format!("{path}: {}: expected {:?}, got {got:?}", test.name, test.expect)),
                Err(why) => failed.push(format!("{path}: {}: {why}", test.name)),
            }
        }
    }
    (ran, failed)
}

fn run(pack: &RulesPack, test: &Test) -> Result<Vec<Expected>, String> {
    let day = test.from.to_zoned(TimeZone::UTC).date();
    let rules: Result<Vec<_>, String> =
        pack.rules.iter().filter(|r| r.entity_type == test.kind).map(|r| Rule::compile("test", r, &pack.reference, &pack.fences, day).map(Arc::new)).collect();
    let table = aqi_table(&pack.reference)?.map(Arc::new);
    let mut engine = Engine::new(rules?, table, TimeZone::UTC);
    let step = test.every_minutes * 60_000_000;
    let (kind, entity): (Arc<str>, Arc<str>) = (test.kind.as_str().into(), "urn:test".into());
    let most = test.given.values().map(Vec::len).max().unwrap_or(0);
    let mut got = Vec::new();
    let mut timers = Timers::default();
    for n in 0..most.max(test.intervals.unwrap_or(0)) {
        let at = i64::try_from(n).map_err(|e| e.to_string())?;
        let t = test.from.as_microsecond() + at * step;
        let mut effects = Vec::new();
        while let Some(effect) = timers.next(&mut engine, t) {
            timers.note(&effect);
            let mut one = vec![effect];
            engine.follow(&mut one);
            effects.extend(one);
        }
        let readings = test.given.iter().filter_map(|(attribute, values)| values.get(n).filter(|v| v.is_finite()).map(|v| (attribute, *v)));
        let batch: Vec<Observation> = readings
            .map(|(attribute, value)| Observation {
                entity: entity.clone(),
                kind: kind.clone(),
                attribute: attribute.as_str().into(),
                t,
                value: Value::Number(value),
                unit: None,
                quality: 0,
                area: None,
            })
            .collect();
        let observed = engine.observe(&batch, t);
        observed.iter().for_each(|effect| timers.note(effect));
        effects.extend(observed);
        for effect in effects {
            let named = |what: &str, of: &str, value: Option<f64>| {
                let wants = test.expect.iter().any(|e| e.what == what && e.of == of && e.value.is_some());
                Expected { what: what.into(), of: of.into(), at, value: value.filter(|_| wants) }
            };
            match effect {
                Effect::Raise { rule, value, .. } => got.push(named("raise", &rule, value)),
                Effect::Clear { rule, value, .. } => got.push(named("clear", &rule, value)),
                // Computed values are looked at only where the test names their instant.
                Effect::Derive { attribute, value, .. } if test.expect.iter().any(|e| e.what == "derive" && e.of == *attribute && e.at == at) => {
                    got.push(named("derive", &attribute, Some(value)));
                }
                _ => {}
            }
        }
    }
    Ok(got)
}
