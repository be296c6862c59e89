//! Any interleaving of arrivals and background work answers like a plain list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::history::{History, Point, SeriesQuery};
use dothi_kernel::value::quality;
use dothi_kernel::{Observation, Value};
use dothi_lake::Lake;
use dothi_store::testing::{TestStore, both, store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{DAY, HOUR, LIMITS, observation, open, put, raw, schema};

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u8, i64, u8)>),
    Compact,
    /// Files stored, then killed before they are registered.
    Crash,
    /// Dropped at any await.
    Cancel(u64),
    Merge,
    /// Two days later: old snapshots and orphans go.
    Expire,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few instants over three days, so that rows often collide and arrive late.
    let row = (0u8..4, 0i64..40, any::<u8>()).prop_map(|(series, slot, v)| (series, DAY + slot * HOUR * 2 - 24 * HOUR, v));
    let step = prop_oneof![
        5 => prop::collection::vec(row, 1..30).prop_map(Step::Put),
        3 => Just(Step::Compact),
        1 => Just(Step::Crash),
        2 => (0u64..30_000).prop_map(Step::Cancel),
        2 => Just(Step::Merge),
        1 => Just(Step::Expire),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..14)
}

fn row(series: u8, t: i64, v: u8) -> Observation {
    let value = match v % 8 {
        0 => Value::Text(format!("trạng thái {}", v / 8).into()),
        1 => Value::Bool(v & 8 == 0),
        // Quarters add up exactly in any order.
        _ => Value::Number(f64::from(v) / 4.0),
    };
    let mut o = observation(["a", "b"][usize::from(series % 2)], ["pm25", "pm10"][usize::from(series / 2)], t, value);
    o.quality = if v % 11 == 5 { quality::DELETED } else { u16::from(v % 3) };
    o
}

/// The series of a list: sorted by time, the later arrival of equals.
fn naive(all: &[Observation], query: &SeriesQuery) -> Vec<Point> {
    let mut by_time = BTreeMap::new();
    for o in all.iter().filter(|o| *o.entity == *query.entity && *o.attribute == *query.attribute && (query.from..query.to).contains(&o.t)) {
        by_time.insert(o.t, o);
    }
    by_time.retain(|_, o| o.quality & quality::DELETED == 0);
    let mut points = Vec::new();
    match query.bucket_s {
        None => points.extend(by_time.values().map(|o| Point { t: o.t, value: o.value.clone(), min: None, max: None, count: None, quality: o.quality })),
        Some(width) => {
            let (width, offset) = (i64::from(width) * 1_000_000, i64::from(query.offset_s) * 1_000_000);
            let mut buckets: BTreeMap<i64, (Vec<f64>, u16)> = BTreeMap::new();
            for o in by_time.values() {
                if let Some(x) = o.value.number() {
                    let bucket = buckets.entry((o.t + offset).div_euclid(width) * width - offset).or_default();
                    bucket.0.push(x);
                    bucket.1 |= o.quality;
                }
            }
            points.extend(buckets.into_iter().map(|(t, (xs, quality))| Point {
                t,
                value: Value::Number(xs.iter().sum::<f64>() / xs.len() as f64),
                min: xs.iter().copied().reduce(f64::min),
                max: xs.iter().copied().reduce(f64::max),
                count: Some(xs.len() as u64),
                quality,
            }));
        }
    }
    points.split_off(points.len().saturating_sub(query.limit))
}

async fn check(lake: &Lake, all: &[Observation], queries: &[SeriesQuery]) {
    for query in queries {
        assert_eq!(lake.series(query).await.unwrap(), naive(all, query), "{query:?}");
        let mut head = naive(all, &SeriesQuery { bucket_s: None, limit: usize::MAX, ..query.clone() });
        assert_eq!(lake.count(query).await.unwrap(), head.len() as u64, "{query:?}");
        head.truncate(query.limit);
        assert_eq!(lake.head(query).await.unwrap(), head, "{query:?}");
        let whole = SeriesQuery { from: i64::MIN, to: i64::MAX, bucket_s: None, limit: 1, ..query.clone() };
        assert_eq!(lake.latest(&query.entity, &query.attribute).await.unwrap(), naive(all, &whole).pop());
    }
    let mut standing = BTreeMap::new();
    for o in all {
        standing.insert((&o.entity, &o.attribute, o.t), o);
    }
    standing.retain(|_, o| o.quality & quality::DELETED == 0);
    let sums = |fits: &dyn Fn(&Observation) -> bool| {
        let fit: Vec<&&Observation> = standing.values().filter(|o| fits(o)).collect();
        let texts = fit.iter().filter(|o| !matches!(o.value, Value::Number(_))).count();
        (fit.len(), fit.iter().filter_map(|o| o.value.number()).sum::<f64>(), texts)
    };
    // A filter on values must not bring back what was superseded.
    for (filter, expected) in [
        ("true", sums(&|_| true)),
        ("v > 20", sums(&|o| o.value.number().is_some_and(|v| v > 20.0))),
        ("quality = 1 and attribute = 'pm25'", sums(&|o| o.quality == 1 && &*o.attribute == "pm25")),
        ("t >= '2026-11-21T06:00:00Z' and v < 30", sums(&|o| o.t >= DAY + 6 * HOUR && o.value.number().is_some_and(|v| v < 30.0))),
    ] {
        let table = lake.table(&format!("select count(*), sum(v), count(text) from observation where {filter}"), LIMITS).await.unwrap();
        let row = &table.rows[0];
        assert_eq!((row[0].as_u64().unwrap() as usize, row[1].as_f64().unwrap_or(0.0), row[2].as_u64().unwrap() as usize), expected, "{filter}");
    }
    assert_eq!(crate::count(lake).await, standing.len() as i64);
    let raw = lake.table("select count(*) from observation_raw", LIMITS).await.unwrap().rows[0][0].as_u64().unwrap() as usize;
    assert!((standing.len()..=all.len()).contains(&raw), "{raw} rows lie there");
}

async fn walk(store: &TestStore, steps: &[Step]) {
    let mut lake: Arc<Lake> = open(store).await;
    let mut all: Vec<Observation> = Vec::new();
    let mut queries = Vec::new();
    for (entity, attribute, bucket_s, offset_s, limit) in
        [("a", "pm25", None, 0, 1_000), ("b", "pm10", Some(7_200), 0, 1_000), ("a", "pm10", Some(86_400), 25_200, 2), ("b", "pm25", None, 0, 3)]
    {
        queries.push(SeriesQuery { attribute: attribute.into(), bucket_s, offset_s, limit, ..raw(entity, DAY - 20 * HOUR, DAY + 40 * HOUR) });
    }
    for step in steps {
        match step {
            Step::Put(rows) => {
                let batch: Vec<_> = rows.iter().map(|(s, t, v)| row(*s, *t, *v)).collect();
                put(store, &lake, &batch).await;
                all.extend(batch);
            }
            Step::Compact => {
                lake.compact().await.unwrap();
                assert!(store.pending_ids(1).await.unwrap().is_empty());
            }
            Step::Crash => drop(lake.prepare().await.unwrap()),
            Step::Cancel(us) => drop(tokio::time::timeout(Duration::from_micros(*us), lake.compact()).await),
            Step::Merge => drop(lake.merge_small().await.unwrap()),
            Step::Expire => {
                store.clock.advance_seconds(48 * 3600);
                lake.expire().await.unwrap();
            }
            Step::Reopen => lake = open(store).await,
        }
        check(&lake, &all, &queries[..1]).await;
    }
    check(&lake, &all, &queries).await;
    lake.compact().await.unwrap();
    lake.merge_small().await.unwrap();
    check(&lake, &all, &queries).await;
    check(&*open(store).await, &all, &queries).await;
}

#[test]
fn any_interleaving_answers_like_a_list() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cases = std::env::var("PROPTEST_CASES").map_or(12, |v| v.parse().unwrap());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            runtime.block_on(async { walk(&store(&schema()).await, &steps).await });
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_both_engines() {
    let rows = |from: i64| (0..12).map(|i| ((i % 4) as u8, DAY + (from + i * 3) * HOUR, (from * 7 + i * 5) as u8)).collect::<Vec<_>>();
    let steps = [
        Step::Put(rows(0)),
        Step::Compact,
        Step::Put(rows(-12)),
        Step::Crash,
        Step::Put(rows(0)),
        Step::Compact,
        Step::Put(rows(3)),
        Step::Merge,
        Step::Expire,
        Step::Cancel(9_000),
        Step::Compact,
        Step::Merge,
        Step::Expire,
        Step::Put(rows(0)),
    ];
    both(&schema(), |store| {
        let steps = steps.clone();
        async move { walk(&store, &steps).await }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_each_row_once_while_the_compactor_runs() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let background = {
        let (lake, stop) = (lake.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                lake.compact().await.unwrap();
                lake.merge_small().await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 0..15i64 {
        let batch: Vec<_> = (0..10).map(|i| crate::number("a", DAY + (round * 10 + i) * 1_000_000, i as f64)).collect();
        put(&store, &lake, &batch).await;
        for _ in 0..3 {
            assert_eq!(crate::count(&lake).await, (round + 1) * 10);
            assert_eq!(lake.series(&raw("a", DAY, DAY + HOUR)).await.unwrap().len() as i64, (round + 1) * 10);
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    background.await.unwrap();
}

#[tokio::test]
async fn odd_questions_have_plain_answers() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    assert_eq!(lake.latest("urn:none", "x").await.unwrap(), None);
    assert_eq!(lake.series(&raw("a", DAY, DAY + HOUR)).await.unwrap(), []);
    assert_eq!(lake.compact().await.unwrap(), dothi_lake::CompactReport::default());
    assert_eq!(crate::count(&lake).await, 0);
    put(&store, &lake, &[crate::number("a", DAY, 1.0)]).await;
    assert_eq!(lake.series(&raw("a", DAY + 1, DAY)).await.unwrap(), []);
    assert_eq!(lake.series(&SeriesQuery { limit: 0, ..raw("a", DAY, DAY + 1) }).await.unwrap(), []);
    let none = SeriesQuery { bucket_s: Some(0), ..raw("a", DAY, DAY + 1) };
    assert_eq!(lake.series(&none).await.unwrap_err().code(), "history.bucket");
    let widest = SeriesQuery { bucket_s: Some(u32::MAX), offset_s: i32::MIN, ..raw("a", i64::MIN, i64::MAX) };
    assert_eq!(lake.series(&widest).await.unwrap().len(), 1);
}
