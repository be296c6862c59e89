//! Durable ingest: our server and mosquitto, each as a process of its own, under the same clients.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::json;

use crate::median;

const PUBLISHERS: u64 = 8;
const IN_FLIGHT: u16 = 200;
const BATCH: u64 = 1_000;
const CONNECTIONS: u64 = 4;

struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _stopped = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Process {
    fn memory_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kb = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        kb.unwrap_or(0.0) / 1024.0
    }

    /// Seconds of processor used so far.
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<f64> = stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
        // utime and stime, in ticks of 10 ms.
        fields.get(11).zip(fields.get(12)).map_or(0.0, |(u, s)| (u + s) / 100.0)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

fn message(n: u64) -> Vec<u8> {
    // About 200 bytes, six measured values, as our stations send them.
    let now = jiff::Timestamp::now().strftime("%FT%T%.6fZ").to_string();
    let v = (n % 1000) as f64 / 10.0;
    json!({"t": now, "pm25": v, "pm10": v + 12.3, "no2": 41.5, "so2": 3.2, "o3": 88.1, "co": 612.0, "temperature": 28.4, "relativeHumidity": 0.81, "n": n})
        .to_string()
        .into_bytes()
}

/// Publishes with QoS 1 from several clients; messages acknowledged a second.
async fn publish(port: u16, total: u64, user: impl Fn(u64) -> Option<(String, String)>) -> f64 {
    let start = Instant::now();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for p in 0..PUBLISHERS {
        let mut options = MqttOptions::new(format!("bench-{p}"), "127.0.0.1", port);
        options.set_inflight(IN_FLIGHT).set_keep_alive(Duration::from_secs(30)).set_max_packet_size(1 << 20, 1 << 20);
        if let Some((name, secret)) = user(p) {
            options.set_credentials(name, secret);
        }
        let (client, mut events) = AsyncClient::new(options, 1_000);
        let share = total / PUBLISHERS;
        tokio::spawn(async move {
            for n in 0..share {
                client.publish(format!("dev/bench-{p}/up"), QoS::AtLeastOnce, false, message(n)).await.expect("queued");
            }
            // The client must live until everything is acknowledged.
            tokio::time::sleep(Duration::from_secs(600)).await;
        });
        let acknowledged = acknowledged.clone();
        tasks.push(tokio::spawn(async move {
            let mut mine = 0;
            while mine < share {
                if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.expect("the broker stays") {
                    mine += 1;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("a publisher");
    }
    acknowledged.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

async fn batches(http: &str, total: u64) -> f64 {
    let start = Instant::now();
    let mut tasks = Vec::new();
    for c in 0..CONNECTIONS {
        let http = http.to_string();
        tasks.push(tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            for round in 0..total / BATCH / CONNECTIONS {
                let now = jiff::Timestamp::now().strftime("%FT%T%.6fZ").to_string();
                let entities: Vec<_> = (0..BATCH)
                    .map(|i| json!({"id": format!("urn:ngsi-ld:AirQualityObserved:b{c}-{i}"), "type": "AirQualityObserved", "pm25": {"type": "Property", "value": (i + round) % 300, "unitCode": "GQ", "observedAt": now}}))
                    .collect();
                let answer = client.post(format!("{http}/ngsi-ld/v1/entityOperations/upsert?options=update")).json(&entities).send().await.expect("an answer");
                assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
            }
        }));
    }
    for task in tasks {
        task.await.expect("a connection");
    }
    total as f64 / start.elapsed().as_secs_f64()
}

/// Runs both sides in turn and prints the table.
pub async fn measure(messages: u64, observations: u64, rounds: usize) {
    let data = tempfile::tempdir().expect("a folder");
    let (http_port, mqtt_port) = (free_port(), free_port());
    let binary = std::env::current_exe().expect("our path").with_file_name("dothi");
    let started = Instant::now();
    let child = Command::new(&binary)
        .args(["serve", "--listen", &format!("127.0.0.1:{http_port}"), "--mqtt-listen", &format!("127.0.0.1:{mqtt_port}")])
        .env("DOTHI_DATA", data.path())
        .env("DOTHI_TRUST_LOOPBACK", "1")
        .env("DOTHI_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the server starts: build it in the same profile first");
    let server = Process { child };
    let http = format!("http://127.0.0.1:{http_port}");
    while reqwest::get(format!("{http}/readyz")).await.map(|r| r.status().as_u16()).ok() != Some(200) {
        assert!(started.elapsed() < Duration::from_secs(120), "the server does not open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("start with an empty folder: {:.1} s; memory {:.0} MB", started.elapsed().as_secs_f64(), server.memory_mb());
    for p in 0..PUBLISHERS {
        let device = json!({"id": format!("bench-{p}"), "name": "bench", "profile": "dothi-json"});
        let answer = reqwest::Client::new().post(format!("{http}/api/context/devices")).json(&device).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }
    let peer_port = free_port();
    let peer = Command::new("mosquitto").args(["-p", &peer_port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let peer = peer.ok().map(|child| Process { child });
    tokio::time::sleep(Duration::from_millis(500)).await;

    let (mut ours, mut theirs, mut by_batch, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let before = server.cpu_s();
        ours.push(publish(mqtt_port, messages, |_| None).await);
        cpu.push((server.cpu_s() - before) / messages as f64 * 1e6);
        if peer.is_some() {
            theirs.push(publish(peer_port, messages, |_| None).await);
        }
        by_batch.push(batches(&http, observations).await);
        let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
        println!(
            "round {round}: MQTT {:.0} msg/s, mosquitto {:.0} msg/s, NGSI-LD batch {:.0} obs/s, memory {:.0} MB",
            last(&ours),
            last(&theirs),
            last(&by_batch),
            server.memory_mb()
        );
    }
    let mqtt = median(ours);
    println!("\nfsync: every acknowledged message and batch (SQLite WAL, synchronous=FULL, group commit); mosquitto keeps nothing");
    println!(
        "MQTT QoS 1, {PUBLISHERS} publishers, 200 bytes, 8 values a message, decoded into the model: {mqtt:.0} msg/s = {:.0} obs/s, {:.0} µs of processor a message",
        mqtt * 8.0,
        median(cpu)
    );
    if !theirs.is_empty() {
        let other = median(theirs);
        println!("mosquitto, QoS 1, no persistence, no subscriber: {other:.0} msg/s; ratio {:.2}", mqtt / other);
    }
    println!("NGSI-LD batch upsert, {BATCH} entities a request, {CONNECTIONS} connections: {:.0} obs/s", median(by_batch));
    println!("memory under load: {:.0} MB", server.memory_mb());
}
