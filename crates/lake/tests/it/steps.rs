//! Last values within steps of time, against a plain list, while files and pending batches come and go.

use std::collections::BTreeMap;

use dothi_kernel::history::{History, StepsQuery};
use dothi_kernel::{Observation, Value};
use dothi_store::testing::store;

use crate::{DAY, HOUR, observation, open, put, schema};

/// The last values by looking at each observation for each step.
fn reckon(all: &[Observation], query: &StepsQuery) -> BTreeMap<String, Vec<(u32, i64, Value)>> {
    let mut begin = query.after;
    let mut found: BTreeMap<String, Vec<(u32, i64, Value)>> = BTreeMap::new();
    for (step, end) in (0u32..).zip(&query.ends) {
        // What arrived last replaces what has the same instant.
        let mut last: BTreeMap<&str, &Observation> = BTreeMap::new();
        for o in all.iter().filter(|o| query.kinds.iter().any(|k| **k == *o.kind) && *o.attribute == *query.attribute && o.t > begin && o.t <= *end) {
            if last.get(&*o.entity).is_none_or(|l| o.t >= l.t) {
                last.insert(&o.entity, o);
            }
        }
        for (entity, o) in last {
            found.entry(entity.into()).or_default().push((step, o.t, o.value.clone()));
        }
        begin = *end;
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_values_of_all_series_within_steps() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let mut all = Vec::new();
    let minute = HOUR / 60;
    let values = [Value::Number(1.5), Value::Text("hỏng".into()), Value::Bool(true), Value::Number(-3.0), Value::Bool(false)];
    for round in 0..6i64 {
        let mut batch: Vec<Observation> = (0..400i64)
            .map(|i| {
                let (t, value) = (DAY + (i * 7 + round * 31) % 240 * minute / 2, values[((i + round) % 5) as usize].clone());
                let mut o = observation(&format!("tram-{}", i % 9), if i % 4 == 0 { "pm10" } else { "pm25" }, t, value);
                if i % 9 > 5 {
                    o.kind = "WaterObserved".into();
                }
                o
            })
            .collect();
        // Of one instant within a batch the order is not told: leave each once.
        batch.sort_by(|a, b| (&a.entity, &a.attribute, a.t).cmp(&(&b.entity, &b.attribute, b.t)));
        batch.dedup_by(|a, b| (&a.entity, &a.attribute, a.t) == (&b.entity, &b.attribute, b.t));
        put(&store, &lake, &batch).await;
        all.extend(batch);
        if round % 2 == 1 {
            lake.compact().await.unwrap();
        }
        let kinds = ["AirQualityObserved", "WaterObserved"];
        for (after, every, steps, kinds) in
            [(DAY - 1, 10, 12, &kinds[..1]), (DAY, 1, 120, &kinds[..]), (DAY + HOUR, 60, 1, &kinds[1..]), (DAY - HOUR, 7, 9, &kinds[..])]
        {
            let ends = (1..=steps).map(|k| after + k * every * minute).collect();
            let query = StepsQuery { kinds: kinds.iter().map(|k| (*k).to_string()).collect(), attribute: "pm25".into(), after, ends, limit: 100_000 };
            let found = lake.steps(&query).await.unwrap();
            let found: BTreeMap<String, Vec<_>> =
                found.into_iter().map(|(e, v)| (e.to_string(), v.into_iter().map(|s| (s.step, s.t, s.value)).collect())).collect();
            assert_eq!(found, reckon(&all, &query), "round {round}, {query:?}");
        }
    }
    let query = StepsQuery { kinds: vec!["AirQualityObserved".into()], attribute: "pm25".into(), after: DAY - 1, ends: vec![DAY + HOUR], limit: 3 };
    assert_eq!(lake.steps(&query).await.unwrap_err().code(), "history.steps");
    let query = StepsQuery { ends: vec![DAY + HOUR, DAY], ..query };
    assert_eq!(lake.steps(&query).await.unwrap_err().code(), "history.steps");
}
