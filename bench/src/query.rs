//! Query times over a lake loaded through the same path as life: pending batches, then the compactor. DuckDB asks the
//! same questions of the same files beside it, when a Python with its packages is named.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use dothi_kernel::history::{QueryLimits, SeriesQuery};
use dothi_kernel::{Caller, History, Observation, SystemClock, Value};
use dothi_lake::Lake;
use dothi_store::{Settings, Store};

use crate::median;
use crate::peers::{self, Scene};

/// µs.
pub const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// Asked so many times, each time of another series.
const TIMES: usize = 15;

/// Entity and area of a series.
pub type Name = (Arc<str>, Arc<str>);

/// The series that the question of this number is about.
pub fn chosen(question: usize, series: usize) -> usize {
    (question * 7 + series / 2) % series
}

/// Minutes of so many series that make a batch.
pub fn step(series: usize) -> i64 {
    (10_000 / series as i64).max(1)
}

/// A stretch of minutes for all series, as sensors give them: a slow walk in steps of a tenth.
pub fn batch(from: i64, minutes: i64, names: &[Name]) -> Vec<Observation> {
    let (kind, attribute, unit): (Arc<str>, Arc<str>, Arc<str>) = ("AirQualityObserved".into(), "pm25".into(), "GQ".into());
    let mut rows = Vec::new();
    for m in 0..minutes {
        for (s, (entity, area)) in (0i64..).zip(names) {
            let t = from + m * MINUTE + (s % 60) * 1_000_000;
            let v = 40.0 + 20.0 * ((t / MINUTE) as f64 / 300.0 + s as f64).sin() + ((t / MINUTE + s) % 7) as f64;
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

async fn timed<T, F: Future<Output = T>>(what: &str, ask: impl Fn(usize) -> F, show: impl Fn(&T) -> String) -> f64 {
    let mut times = Vec::new();
    let mut shown = String::new();
    for i in 0..TIMES {
        let start = Instant::now();
        let answer = ask(i).await;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        shown = show(&answer);
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    let middle = median(times);
    println!("{what:<48} {middle:>9.2} ms  (worst {worst:>8.2})   {shown}");
    middle
}

/// Makes batches durable and compacts them as the jobs would.
async fn load(store: &Store, lake: &Lake, names: &[Name], begin: i64, end: i64) -> u64 {
    let system = Caller::system("bench", store.clock().as_ref());
    let step = step(names.len());
    let (mut at, mut count, mut loose) = (begin, 0u64, 0u64);
    while at < end {
        let minutes = step.min((end - at) / MINUTE);
        let rows = batch(at, minutes, names);
        let mut tx = store.begin(&system).await.expect("a change");
        for part in rows.chunks(10_000) {
            let bytes = lake.encode(part).expect("a batch");
            let (t_min, t_max) = (part.iter().map(|r| r.t).min().unwrap_or(0), part.iter().map(|r| r.t).max().unwrap_or(0));
            tx.put_pending(part.len() as u32, t_min, t_max, bytes).await.expect("pending");
        }
        tx.commit().await.expect("durable");
        count += rows.len() as u64;
        loose += rows.len() as u64;
        at += minutes * MINUTE;
        if loose >= 500_000 {
            lake.compact().await.expect("compacted");
            loose = 0;
        }
        if at.rem_euclid(10 * DAY) < minutes * MINUTE {
            lake.merge_small().await.expect("merged");
        }
    }
    lake.compact().await.expect("compacted");
    while lake.merge_small().await.expect("merged") > 0 {}
    count
}

/// Loads and asks.
pub async fn measure(observations: u64, days: i64, duckdb: Option<String>, peers: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { data: folder.path().to_path_buf(), database_url: None };
    let store = Store::open(&settings, Arc::new(SystemClock), &[dothi_lake::MIGRATIONS]).await.expect("a store");
    let lake = Lake::open(store.clone()).await.expect("a lake");
    let series = (observations as i64 / (days * 1440)).max(1) as usize;
    let names: Vec<Name> = (0..series).map(|s| (format!("urn:ngsi-ld:AirQualityObserved:s{s:05}").into(), format!("{:05}", 11_953 + s % 104).into())).collect();
    let midnight = jiff::Timestamp::now().as_microsecond() / DAY * DAY;
    let begin = midnight - days * DAY;
    let start = Instant::now();
    let count = load(&store, &lake, &names, begin, midnight).await;
    let seconds = start.elapsed().as_secs_f64();
    let stats = lake.stats().await.expect("figures");
    println!(
        "{count} observations of {series} series over {days} days loaded in {seconds:.0} s ({:.0}/s with compaction and merging); {} files, {:.2} bytes an observation",
        count as f64 / seconds,
        stats.files,
        stats.file_bytes as f64 / stats.file_rows as f64
    );
    let entity = |i: usize| names[chosen(i, series)].0.to_string();
    let query = |i: usize, from: i64, bucket_s: Option<u32>| SeriesQuery {
        entity: entity(i),
        attribute: "pm25".into(),
        from,
        to: midnight,
        bucket_s,
        offset_s: 25_200,
        limit: 100_000,
    };
    let ask = |i: usize, back: i64, bucket: Option<u32>| {
        let (lake, query) = (&lake, query(i, midnight - back * DAY, bucket));
        async move { lake.series(&query).await.expect("points").len() }
    };
    let points = |n: &usize| format!("{n} points");
    timed("last value of a series", |i| lake_latest(&lake, entity(i)), |p| p.clone()).await;
    timed("last day of a series, raw", |i| ask(i, 1, None), points).await;
    timed("hourly means of a series, 30 days", |i| ask(i, 30.min(days), Some(3600)), points).await;
    timed("daily means of a series, 90 days", |i| ask(i, 90.min(days), Some(86_400)), points).await;
    let sql = |text: String| {
        let lake = &lake;
        async move { lake.table(&text, QueryLimits { rows: 10_000, seconds: 120 }).await.expect("a table").rows.len() }
    };
    let rows = |n: &usize| format!("{n} rows");
    timed("count of everything (SQL)", |_| sql("select count(*) from observation".into()), rows).await;
    let by_commune = |_| {
        sql(format!(
            "select area, date_bin(interval '1 hour', t) as h, avg(v) from observation where t >= to_timestamp_micros({}) group by area, h",
            midnight - DAY
        ))
    };
    timed("hourly means by commune, last day (SQL)", by_commune, rows).await;
    store.close().await.expect("closed");
    if let Some(python) = duckdb {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/duckdb_lake.py");
        let catalog = format!("sqlite:{}", folder.path().join("dothi.db").display());
        let asked = Command::new(python).args([script, &catalog, &midnight.to_string(), &days.to_string(), &series.to_string()]).output().expect("python");
        print!("{}{}", String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
    }
    if peers {
        let scene = Scene { names: &names, span: (begin, midnight), times: TIMES };
        peers::victoria(&scene).await;
        peers::postgres(&scene);
    }
}

async fn lake_latest(lake: &Lake, entity: String) -> String {
    format!("{:?}", lake.latest(&entity, "pm25").await.expect("a value").map(|p| p.value))
}

/// Bytes an observation of real measurements costs: CSV files (`.csv` or `.csv.gz`) whose numeric columns are series.
pub async fn bytes(files: &[std::path::PathBuf]) {
    for file in files {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { data: folder.path().to_path_buf(), database_url: None };
        let store = Store::open(&settings, Arc::new(SystemClock), &[dothi_lake::MIGRATIONS]).await.expect("a store");
        let lake = Lake::open(store.clone()).await.expect("a lake");
        let rows = read(file);
        let system = Caller::system("bench", store.clock().as_ref());
        for part in rows.chunks(10_000) {
            let (t_min, t_max) = (part.iter().map(|r| r.t).min().unwrap_or(0), part.iter().map(|r| r.t).max().unwrap_or(0));
            let mut tx = store.begin(&system).await.expect("a change");
            tx.put_pending(part.len() as u32, t_min, t_max, lake.encode(part).expect("a batch")).await.expect("pending");
            tx.commit().await.expect("durable");
        }
        lake.compact().await.expect("compacted");
        while lake.merge_small().await.expect("merged") > 0 {}
        let stats = lake.stats().await.expect("figures");
        println!(
            "{:<50} {:>9} observations, {:>4} files, {:.2} bytes an observation",
            file.file_name().unwrap_or_default().to_string_lossy(),
            stats.file_rows,
            stats.files,
            stats.file_bytes as f64 / stats.file_rows.max(1) as f64
        );
        store.close().await.expect("closed");
    }
}

/// The measurements of a file: its instants from the first column that holds them or from year, month, day, hour.
fn read(file: &std::path::Path) -> Vec<Observation> {
    let text = if file.extension().is_some_and(|e| e == "gz") {
        Command::new("gzip").arg("-dc").arg(file).output().expect("gzip").stdout
    } else {
        std::fs::read(file).expect("a file")
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).comment(Some(b'#')).from_reader(text.as_slice());
    let heads: Vec<String> = reader.headers().expect("a head").iter().map(str::to_string).collect();
    let at = |name: &str| heads.iter().position(|h| h.eq_ignore_ascii_case(name));
    let civil = ["year", "month", "day", "hour"].map(at);
    let skip = ["no", "year", "month", "day", "hour", "site_no"];
    let name = file.file_stem().unwrap_or_default().to_string_lossy().split('.').next().unwrap_or_default().to_string();
    let mut rows = Vec::new();
    for record in reader.records().flatten() {
        let stamp = |text: &str| {
            let text = text.trim().replace(' ', "T");
            let dated = jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S", &text).or_else(|_| jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M", &text));
            dated.ok().and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|z| z.timestamp().as_microsecond())
        };
        let number = |i: Option<usize>| i.and_then(|i| record.get(i)).and_then(|v| v.parse::<i16>().ok());
        let t = match civil.map(number) {
            [Some(y), Some(m), Some(d), Some(h)] => stamp(&format!("{y:04}-{m:02}-{d:02}T{h:02}:00")),
            _ => record.iter().find_map(stamp),
        };
        let Some(t) = t else { continue };
        for (head, value) in heads.iter().zip(record.iter()) {
            let Ok(v) = value.trim().parse::<f64>() else { continue };
            if skip.iter().any(|s| head.eq_ignore_ascii_case(s)) {
                continue;
            }
            rows.push(Observation {
                entity: format!("urn:ngsi-ld:Device:{name}").into(),
                kind: "Device".into(),
                attribute: head.as_str().into(),
                t,
                value: Value::Number(v),
                unit: None,
                quality: 0,
                area: Some("11953".into()),
            });
        }
    }
    rows
}
