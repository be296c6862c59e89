//! A city of a million things: loading, memory, start-up, lists by type and `q`, single changes.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::median;
use crate::process::Server;

const TYPES: [&str; 10] =
    ["WasteContainer", "Streetlight", "ParkingSpot", "WaterMeter", "AirSensor", "NoiseSensor", "Tree", "Hydrant", "TrafficSensor", "FloodSensor"];
const STATES: [&str; 5] = ["ok", "fault", "silent", "repair", "new"];
const BATCH: u64 = 1_000;

/// A small generator of numbers, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn entity(out: &mut String, i: u64, numbers: &mut Numbers) {
    let kind = TYPES[(i % 10) as usize];
    let (level, state) = (numbers.below(1000) as f64 / 1000.0, STATES[numbers.below(5) as usize]);
    let (lon, lat) = (105.9 + numbers.below(40_000) as f64 / 1e5, 20.6 + numbers.below(40_000) as f64 / 1e5);
    write!(
        out,
        r#"{{"id":"urn:ngsi-ld:{kind}:{i:07}","type":"{kind}","name":{{"type":"Property","value":"Thing number {i}"}},"status":{{"type":"Property","value":"{state}"}},"level":{{"type":"Property","value":{level},"unitCode":"C62","observedAt":"2026-11-21T01:00:00Z"}},"battery":{{"type":"Property","value":{}}},"refDistrict":{{"type":"Relationship","object":"urn:ngsi-ld:District:{}"}},"location":{{"type":"GeoProperty","value":{{"type":"Point","coordinates":[{lon},{lat}]}}}}}}"#,
        numbers.below(100),
        numbers.below(104)
    )
    .expect("text");
}

async fn load(http: u16, total: u64) -> f64 {
    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let next = next.clone();
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(http).await.expect("a connection");
            loop {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                if from >= total {
                    return;
                }
                let (mut body, mut numbers) = (String::from("["), Numbers(from + 1));
                for i in from..(from + BATCH).min(total) {
                    if i > from {
                        body.push(',');
                    }
                    entity(&mut body, i, &mut numbers);
                }
                body.push(']');
                let (status, answer) =
                    connection.ask("POST", "/ngsi-ld/v1/entityOperations/upsert", "application/json", body.as_bytes()).await.expect("an answer");
                assert!(status < 300, "{status} {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
            }
        }));
    }
    for task in tasks {
        task.await.expect("a connection");
    }
    total as f64 / start.elapsed().as_secs_f64()
}

/// Requests a second, median and 99th percentile in ms, over a time with so many connections. All of them live on one
/// thread of their own: waking each other across threads would cost the shared processors more than the requests do.
pub async fn drive(
    http: u16,
    connections: u64,
    time: Duration,
    request: impl Fn(&mut Numbers) -> (&'static str, String, String) + Send + Sync + Clone + 'static,
) -> (f64, f64, f64) {
    let load = move || {
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        own.block_on(drive_here(http, connections, time, request))
    };
    tokio::task::spawn_blocking(load).await.expect("the load")
}

async fn drive_here(
    http: u16,
    connections: u64,
    time: Duration,
    request: impl Fn(&mut Numbers) -> (&'static str, String, String) + Send + Clone + 'static,
) -> (f64, f64, f64) {
    let start = Instant::now();
    let mut tasks = Vec::new();
    for c in 0..connections {
        let request = request.clone();
        tasks.push(tokio::spawn(async move {
            let (mut connection, mut numbers, mut times) = (Connection::open(http).await.expect("a connection"), Numbers(c * 7919 + 1), Vec::new());
            while start.elapsed() < time {
                let (method, path, body) = request(&mut numbers);
                let begin = Instant::now();
                let (status, answer) = connection.ask(method, &path, "application/json", body.as_bytes()).await.expect("an answer");
                times.push(begin.elapsed().as_secs_f64() * 1e3);
                assert!(status < 300, "{method} {path}: {status} {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
            }
            times
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a connection"));
    }
    let rate = all.len() as f64 / start.elapsed().as_secs_f64();
    all.sort_by(f64::total_cmp);
    (rate, all[all.len() / 2], all[all.len() * 99 / 100])
}

/// Loads, asks, starts again.
pub async fn measure(entities: u64, seconds: u64, data: Option<PathBuf>, only: &str) {
    let temporary = tempfile::tempdir().expect("a folder");
    let data = data.unwrap_or_else(|| temporary.path().to_path_buf());
    let there = data.join("dothi.db").exists();
    let server = Server::start(&data).await;
    let begun = server.process.memory_mb();
    if there {
        println!("start: {:.1} s, memory {begun:.0} MB", server.started.as_secs_f64());
    } else {
        let rate = load(server.http, entities).await;
        println!("{entities} entities of 6 attributes loaded: {rate:.0}/s, durable; memory {:.0} MB (empty: {begun:.0} MB)", server.process.memory_mb());
    }
    let time = Duration::from_secs(seconds);
    let each = entities / 10;
    for (what, path) in [
        ("list of 20 by type and q (number)", "/ngsi-ld/v1/entities?type={kind}&q=level%3E{n}&limit=20"),
        ("list of 20 by type and q (two terms)", "/ngsi-ld/v1/entities?type={kind}&q=level%3C{n};status==%22fault%22&limit=20"),
        (
            "list of 20 by type, q and place (2 km)",
            "/ngsi-ld/v1/entities?type={kind}&q=status==%22ok%22&georel=near;maxDistance==2000&geometry=Point&coordinates=[{lon},{lat}]&limit=20",
        ),
        ("one by id", "/ngsi-ld/v1/entities/urn:ngsi-ld:{kind}:{id}"),
    ] {
        if !what.contains(only) {
            continue;
        }
        let request = move |n: &mut Numbers| {
            let k = n.below(10);
            let path = path
                .replace("{kind}", TYPES[k as usize])
                .replace("{n}", &format!("{}", n.below(1000) as f64 / 1000.0))
                .replace("{lon}", &format!("{}", 105.9 + n.below(400) as f64 / 1e3))
                .replace("{lat}", &format!("{}", 20.6 + n.below(400) as f64 / 1e3))
                .replace("{id}", &format!("{:07}", n.below(each) * 10 + k));
            ("GET", path, String::new())
        };
        let before = server.process.cpu_s();
        let (rate, p50, p99) = drive(server.http, 16, time, request).await;
        let cpu = (server.process.cpu_s() - before) / (rate * time.as_secs_f64()) * 1e6;
        println!("{what:<42} {rate:>8.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms, {cpu:.0} µs of processor each");
    }
    let mut rates = Vec::new();
    for round in 0..if "PATCH".contains(only) { 3 } else { 0 } {
        let change = move |n: &mut Numbers| {
            let k = n.below(10);
            let body = format!(r#"{{"level":{{"type":"Property","value":{}}}}}"#, n.below(1000) as f64 / 1000.0 + f64::from(round));
            ("PATCH", format!("/ngsi-ld/v1/entities/urn:ngsi-ld:{}:{:07}/attrs", TYPES[k as usize], n.below(each) * 10 + k), body)
        };
        let before = server.process.cpu_s();
        let (rate, p50, p99) = drive(server.http, 64, time, change).await;
        let cpu = (server.process.cpu_s() - before) / (rate * time.as_secs_f64()) * 1e6;
        println!("PATCH of one attribute, 64 connections, durable: {rate:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms, {cpu:.0} µs of processor each");
        rates.push(rate);
    }
    if !rates.is_empty() {
        println!("PATCH, median: {:.0}/s", median(rates));
    }
    println!("memory after all that: {:.0} MB", server.process.memory_mb());
    drop(server);
    if !"start".contains(only) {
        return;
    }
    let again = Server::start(&data).await;
    println!("start with {entities} entities: {:.1} s, memory {:.0} MB", again.started.as_secs_f64(), again.process.memory_mb());
}
