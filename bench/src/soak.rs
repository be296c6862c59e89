//! An hour of a city's life with real measurements: memory and open files stay flat, and the lake holds what was sent.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Connection;
use crate::median;
use crate::mqtt::{Count, Plan, publish};
use crate::process::Server;

/// A measurement as its file has it: column names and values.
type Row = Vec<(String, f64)>;

fn rows(folder: &Path) -> Vec<Row> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of measurements")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|x| x == "csv"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let mut reader = csv::Reader::from_path(&file).expect("a file of measurements");
        let names: Vec<String> = reader.headers().expect("a head").iter().map(str::to_string).collect();
        for record in reader.records() {
            let record = record.expect("a row");
            rows.push(names.iter().zip(record.iter()).skip(2).filter_map(|(n, v)| Some((n.clone(), v.parse().ok()?))).collect());
        }
    }
    rows
}

/// Replays `folder` through so many devices at a steady rate for some minutes.
pub async fn measure(folder: &Path, devices: usize, rate: u64, minutes: u64) {
    let rows = Arc::new(rows(folder));
    assert!(!rows.is_empty(), "no measurements in {}", folder.display());
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    for d in 0..devices {
        server.ask("POST", "/api/context/devices", &json!({"id": format!("soak-{d}"), "name": "soak", "profile": "dothi-json"}).to_string()).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<Arc<Count>> = (0..devices).map(|_| Arc::default()).collect();
    let (start, total) = (Instant::now(), rate * minutes * 60 / devices as u64);
    let mut tasks = Vec::new();
    for (d, count) in counts.iter().enumerate() {
        let (port, count, stop, rows) = (server.mqtt, count.clone(), stop.clone(), rows.clone());
        tasks.push(tokio::spawn(async move {
            let gap = Duration::from_secs_f64(devices as f64 / rate as f64);
            let due = Some((start + gap.mul_f64(d as f64 / devices as f64), gap));
            let plan = Plan { port, client: format!("soak-{d}"), topic: format!("dev/soak-{d}/up"), window: 100, due, stop };
            publish(plan, count, move |n| {
                if n >= total {
                    return None;
                }
                let row = &rows[(n as usize + d * 97) % rows.len()];
                let mut message = serde_json::Map::new();
                message.insert("t".into(), jiff::Timestamp::now().to_string().into());
                message.extend(row.iter().filter_map(|(k, v)| Some((rename(k)?.to_string(), json!(v)))));
                Some(serde_json::Value::Object(message).to_string().into_bytes())
            })
            .await;
        }));
    }
    // Readers go on all the while.
    let (http, stopped) = (server.http, stop.clone());
    let reader = tokio::spawn(async move {
        let (mut connection, mut asked) = (Connection::open(http).await.expect("a connection"), 0u64);
        while !stopped.load(Ordering::Relaxed) {
            for path in ["/ngsi-ld/v1/entities?type=AirQualityObserved&q=pm25%3E50&limit=20", "/api/context/map", "/sensorthings/v1.1/Things?$top=20"] {
                let (status, _) = connection.ask("GET", path, "", b"").await.expect("an answer");
                assert!(status < 300, "{path}: {status}");
                asked += 1;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        asked
    });
    let mut samples = Vec::new();
    for minute in 1..=minutes {
        tokio::time::sleep_until((start + Duration::from_secs(minute * 60)).into()).await;
        let sent: u64 = counts.iter().map(|c| c.acknowledged.load(Ordering::Relaxed)).sum();
        samples.push((server.process.memory_mb(), server.process.open_files()));
        println!(
            "{minute:>3} min: {sent} messages, memory {:.0} MB, {} open files, {:.0} s of processor",
            samples[samples.len() - 1].0,
            samples[samples.len() - 1].1,
            server.process.cpu_s()
        );
    }
    for task in tasks {
        task.await.expect("a device");
    }
    stop.store(true, Ordering::Relaxed);
    let asked = reader.await.expect("a reader");
    let sent: u64 = counts.iter().map(|c| c.acknowledged.load(Ordering::Relaxed)).sum();
    let mut expected = 0u64;
    for d in 0..devices {
        for n in 0..counts[d].acknowledged.load(Ordering::Relaxed) {
            expected += rows[(n as usize + d * 97) % rows.len()].iter().filter(|(k, _)| rename(k).is_some()).count() as u64;
        }
    }
    // A query has thirty seconds, so devices are counted one by one.
    let mut kept = 0;
    for d in 0..devices {
        let sql = format!("select count(*) from observation where entity = 'urn:ngsi-ld:AirQualityObserved:soak-{d}' and attribute <> 'vnAqi'");
        kept += server.count(&sql).await;
    }
    let part = (samples.len() / 4).max(1);
    let of = |s: &[(f64, usize)]| (median(s.iter().map(|x| x.0).collect()), median(s.iter().map(|x| x.1 as f64).collect()));
    let (first, last) = (of(&samples[..part]), of(&samples[samples.len() - part..]));
    println!(
        "{minutes} minutes: {sent} messages = {expected} observations sent and acknowledged, {kept} in the lake; {asked} requests answered; memory {:.0} → {:.0} MB, open files {:.0} → {:.0} (medians of the first and last quarter)",
        first.0, last.0, first.1, last.1
    );
    assert!(kept >= expected, "{} observations are missing", expected - kept);
}

/// The profile's name of a column.
fn rename(column: &str) -> Option<&'static str> {
    Some(match column {
        "pm25" => "pm25",
        "pm10" => "pm10",
        "so2" => "so2",
        "no2" => "no2",
        "co" => "co",
        "o3" => "o3",
        "temp" => "temperature",
        "pres" => "pressure",
        _ => return None,
    })
}
