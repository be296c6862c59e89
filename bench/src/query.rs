//! Query times over a lake loaded through the same path as life: pending batches, then the compactor.

use std::sync::Arc;
use std::time::Instant;

use dothi_kernel::history::{QueryLimits, SeriesQuery};
use dothi_kernel::{Caller, History, Observation, SystemClock, Value};
use dothi_lake::Lake;
use dothi_store::{Settings, Store};

use crate::median;

const SERIES: u64 = 500;
const MINUTE: i64 = 60_000_000;

/// A day of minutes for all series, as sensors give them: a slow walk in steps of a tenth.
fn batch(series: std::ops::Range<u64>, from: i64, minutes: i64, names: &[(Arc<str>, Arc<str>)]) -> Vec<Observation> {
    let (kind, attribute, unit): (Arc<str>, Arc<str>, Arc<str>) = ("AirQualityObserved".into(), "pm25".into(), "GQ".into());
    let mut rows = Vec::new();
    for m in 0..minutes {
        for s in series.clone() {
            let (entity, area) = &names[s as usize];
            let t = from + m * MINUTE + (s as i64 % 60) * 1_000_000;
            let v = 40.0 + 20.0 * ((t / MINUTE) as f64 / 300.0 + s as f64).sin() + ((t / MINUTE + s as i64) % 7) as f64;
            rows.push(Observation {
                entity: entity.clone(),
                kind: kind.clone(),
                attribute: attribute.clone(),
                t,
                value: Value::Number((v * 10.0).round() / 10.0),
                unit: Some(unit.clone()),
                quality: 0,
                area: Some(area.clone()),
            });
        }
    }
    rows
}

async fn timed<T, F: Future<Output = T>>(what: &str, ask: impl Fn() -> F, show: impl Fn(&T) -> String) {
    let mut times = Vec::new();
    let mut shown = String::new();
    for _ in 0..7 {
        let start = Instant::now();
        let answer = ask().await;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        shown = show(&answer);
    }
    println!("{what:<55} {:>8.1} ms   {shown}", median(times));
}

/// Loads and asks.
pub async fn measure(observations: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { data: folder.path().to_path_buf(), database_url: None };
    let store = Store::open(&settings, Arc::new(SystemClock), &[dothi_lake::MIGRATIONS]).await.expect("a store");
    let lake = Lake::open(store.clone()).await.expect("a lake");
    let system = Caller::system("bench", store.clock().as_ref());
    let names: Vec<(Arc<str>, Arc<str>)> =
        (0..SERIES).map(|s| (format!("urn:ngsi-ld:AirQualityObserved:s{s:05}").into(), format!("{:05}", 11_953 + s % 104).into())).collect();
    let minutes = (observations / SERIES) as i64;
    let midnight = jiff::Timestamp::now().as_microsecond() / (1440 * MINUTE) * 1440 * MINUTE;
    let begin = midnight - minutes * MINUTE;
    let start = Instant::now();
    let (mut at, mut count) = (begin, 0u64);
    while at < midnight {
        let step = 20.min((midnight - at) / MINUTE);
        let rows = batch(0..SERIES, at, step, &names);
        let bytes = lake.encode(&rows).expect("a batch");
        let (t_min, t_max) = (rows.iter().map(|r| r.t).min().unwrap_or(0), rows.iter().map(|r| r.t).max().unwrap_or(0));
        let mut tx = store.begin(&system).await.expect("a change");
        tx.put_pending(rows.len() as u32, t_min, t_max, bytes).await.expect("pending");
        tx.commit().await.expect("durable");
        count += rows.len() as u64;
        at += step * MINUTE;
        if (at - begin) / MINUTE % 1440 < 20 {
            lake.compact().await.expect("compacted");
        }
    }
    while !store.pending_ids(1).await.expect("ids").is_empty() {
        lake.compact().await.expect("compacted");
    }
    let seconds = start.elapsed().as_secs_f64();
    let bytes: u64 = files(&folder.path().join("objects/lake"));
    println!(
        "{count} observations of {SERIES} series over {} days loaded in {seconds:.1} s ({:.0}/s with compaction); {:.2} bytes an observation in Parquet",
        minutes / 1440,
        count as f64 / seconds,
        bytes as f64 / count as f64
    );

    let entity = names[SERIES as usize / 2].0.to_string();
    let series = |from: i64, bucket_s: Option<u32>| SeriesQuery {
        entity: entity.clone(),
        attribute: "pm25".into(),
        from,
        to: midnight,
        bucket_s,
        offset_s: 25_200,
        limit: 100_000,
    };
    let limits = QueryLimits { rows: 10_000, seconds: 60 };
    timed("last value of a series", || async { lake.latest(&entity, "pm25").await.expect("a value") }, |p| format!("{p:?}").chars().take(40).collect()).await;
    timed(
        "last day of a series, raw",
        || async { lake.series(&series(midnight - 1440 * MINUTE, None)).await.expect("points") },
        |p| format!("{} points", p.len()),
    )
    .await;
    timed(
        "hourly means of a series, whole span",
        || async { lake.series(&series(begin, Some(3600))).await.expect("points") },
        |p| format!("{} points", p.len()),
    )
    .await;
    timed(
        "daily means of a series, whole span",
        || async { lake.series(&series(begin, Some(86_400))).await.expect("points") },
        |p| format!("{} points", p.len()),
    )
    .await;
    timed(
        "count of everything (SQL)",
        || async { lake.table("select count(*) from observation", limits).await.expect("a table") },
        |t| format!("{:?}", t.rows),
    )
    .await;
    let day = format!(
        "select area, date_bin(interval '1 hour', t) as h, avg(v) from observation where t >= to_timestamp_micros({}) group by area, h",
        midnight - 1440 * MINUTE
    );
    timed("hourly means by commune, last day (SQL)", || async { lake.table(&day, limits).await.expect("a table") }, |t| format!("{} rows", t.rows.len())).await;
    store.close().await.expect("closed");
}

fn files(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { files(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}
