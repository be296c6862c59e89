//! Durable ingest: our server and mosquitto, each as a process of its own, under the same clients.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Connection;
use crate::median;
use crate::mqtt::{Count, Plan};
use crate::process::{Process, Server, free_port};

const PUBLISHERS: u64 = 8;
const WINDOW: usize = 200;
const BATCH: u64 = 1_000;
const CONNECTIONS: u64 = 4;
const ATTRIBUTES: [&str; 8] = ["pm25", "pm10", "no2", "so2", "o3", "co", "temperature", "relativeHumidity"];

/// About 200 bytes: a time and eight measured values, as our stations send them, or one value and what a gauge says of itself.
fn message(p: u64, n: u64, values: usize) -> Vec<u8> {
    let now = jiff::Timestamp::now().strftime("%FT%T%.6fZ");
    let v = ((n + p) % 1000) as f64 / 10.0;
    if values == 1 {
        return format!(
            r#"{{"t":"{now}","temperature":{v},"n":{n},"station":"bench-{p:04}","maker":"an example","model":"gauge with one probe","firmware":"1.4.2","network":"good","power":"mains, buffered"}}"#
        )
        .into_bytes();
    }
    format!(
        r#"{{"t":"{now}","pm25":{v},"pm10":{},"no2":41.5,"so2":3.2,"o3":88.1,"co":612.0,"temperature":28.4,"relativeHumidity":0.81,"n":{n},"station":"bench-{p:04}"}}"#,
        v + 12.3
    )
    .into_bytes()
}

/// Publishes messages of so many values with QoS 1 from several clients; messages acknowledged a second.
async fn publish(port: u16, total: u64, values: usize) -> f64 {
    let start = Instant::now();
    let count = Arc::new(Count::default());
    let (stop, share) = (Arc::new(AtomicBool::new(false)), total / PUBLISHERS);
    let mut tasks = Vec::new();
    for p in 0..PUBLISHERS {
        let plan = Plan { port, client: format!("bench-{p}"), topic: format!("dev/bench-{p}/up"), window: WINDOW, due: None, stop: stop.clone() };
        // Each waits for its own acknowledgements.
        let mine = Arc::new(Count::default());
        let sum = count.clone();
        tasks.push(tokio::spawn(async move {
            crate::mqtt::publish(plan, mine.clone(), move |n| (n < share).then(|| message(p, n, values))).await;
            sum.acknowledged.fetch_add(mine.acknowledged.load(Ordering::Relaxed), Ordering::Relaxed);
        }));
    }
    for task in tasks {
        task.await.expect("a publisher");
    }
    let acknowledged = count.acknowledged.load(Ordering::Relaxed);
    assert_eq!(acknowledged, share * PUBLISHERS, "everything is acknowledged");
    acknowledged as f64 / start.elapsed().as_secs_f64()
}

/// Entities with `attributes` observed attributes each; observations stored a second.
async fn batches(http: u16, total: u64, attributes: usize) -> f64 {
    let start = Instant::now();
    let rounds = (total / BATCH / CONNECTIONS / attributes as u64).max(1);
    let mut tasks = Vec::new();
    for c in 0..CONNECTIONS {
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(http).await.expect("a connection");
            for round in 0..rounds {
                use std::fmt::Write;
                let now = jiff::Timestamp::now().strftime("%FT%T%.6fZ").to_string();
                let mut body = String::with_capacity(1 << 20);
                for i in 0..BATCH {
                    let lead = if i == 0 { '[' } else { ',' };
                    write!(body, r#"{lead}{{"id":"urn:ngsi-ld:AirQualityObserved:b{c}-{i}","type":"AirQualityObserved""#).expect("text");
                    for (k, name) in ATTRIBUTES.iter().take(attributes).enumerate() {
                        let value = ((i + round + k as u64) % 3000) as f64 / 10.0;
                        write!(body, r#","{name}":{{"type":"Property","value":{value},"unitCode":"GQ","observedAt":"{now}"}}"#).expect("text");
                    }
                    body.push('}');
                }
                body.push(']');
                let asked = connection.ask("POST", "/ngsi-ld/v1/entityOperations/upsert?options=update", "application/json", body.as_bytes()).await;
                let (status, answer) = asked.expect("an answer");
                assert!((200..300).contains(&status), "{status} {}", String::from_utf8_lossy(&answer));
            }
        }));
    }
    for task in tasks {
        task.await.expect("a connection");
    }
    (rounds * BATCH * CONNECTIONS * attributes as u64) as f64 / start.elapsed().as_secs_f64()
}

/// Waits until the server has nothing left to do: what one measurement leaves to rules and the lake must not slow the next one, nor
/// the peer's.
async fn calm(server: &Server) {
    for _ in 0..240 {
        let before = server.process.cpu_s();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if server.process.cpu_s() - before < 0.05 {
            return;
        }
    }
    println!("the server did not come to rest in two minutes");
}

/// Rounds of messages with so many values: a second here and at the peer, and µs of our processor each.
#[derive(Default)]
struct Messages {
    values: usize,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    cpu: Vec<f64>,
}

/// Runs both sides in turn and prints the table.
pub async fn measure(messages: u64, observations: u64, rounds: usize) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    println!("start with an empty folder: {:.1} s; memory {:.0} MB", server.started.as_secs_f64(), server.process.memory_mb());
    for p in 0..PUBLISHERS {
        server.ask("POST", "/api/context/devices", &json!({"id": format!("bench-{p}"), "name": "bench", "profile": "dothi-json"}).to_string()).await;
    }
    let peer_port = free_port();
    let peer = Command::new("mosquitto").args(["-p", &peer_port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let peer = peer.ok().map(Process::of);
    tokio::time::sleep(Duration::from_millis(500)).await;

    let mut mqtt = [1, 8].map(|values| Messages { values, ..Messages::default() });
    let (mut small, mut wide) = (Vec::new(), Vec::new());
    let (mut cpu_wide, mut patches) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for side in &mut mqtt {
            calm(&server).await;
            let before = server.process.cpu_s();
            side.ours.push(publish(server.mqtt, messages, side.values).await);
            side.cpu.push((server.process.cpu_s() - before) / messages as f64 * 1e6);
            if peer.is_some() {
                calm(&server).await;
                side.theirs.push(publish(peer_port, messages, side.values).await);
            }
        }
        calm(&server).await;
        small.push(batches(server.http, observations, 1).await);
        calm(&server).await;
        let before = server.process.cpu_s();
        wide.push(batches(server.http, observations * 4, 8).await);
        cpu_wide.push((server.process.cpu_s() - before) / (observations * 4) as f64 * 1e6);
        let change = |n: &mut crate::city::Numbers| {
            let body = format!(r#"{{"pm25":{{"type":"Property","value":{}}}}}"#, n.below(3_000) as f64 / 10.0);
            ("PATCH", format!("/ngsi-ld/v1/entities/urn:ngsi-ld:AirQualityObserved:b{}-{}/attrs", n.below(CONNECTIONS), n.below(BATCH)), body)
        };
        calm(&server).await;
        patches.push(crate::city::drive(server.http, 64, Duration::from_secs(5), change).await.0);
        let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
        println!(
            "round {round}: MQTT of 1 value {:.0} msg/s, mosquitto {:.0} msg/s, of 8 values {:.0} msg/s, mosquitto {:.0} msg/s, batches of 1 attribute {:.0} obs/s, of 8 {:.0} obs/s, PATCH {:.0}/s, memory {:.0} MB",
            last(&mqtt[0].ours),
            last(&mqtt[0].theirs),
            last(&mqtt[1].ours),
            last(&mqtt[1].theirs),
            last(&small),
            last(&wide),
            last(&patches),
            server.process.memory_mb()
        );
    }
    println!("\nfsync: every acknowledged message and batch (SQLite WAL, synchronous=FULL, group commit); mosquitto keeps nothing");
    for Messages { values, ours, theirs, cpu } in mqtt {
        let rate = median(ours);
        println!(
            "MQTT QoS 1, {PUBLISHERS} publishers, 200 bytes, {values} values a message, decoded into the model: {rate:.0} msg/s = {:.0} obs/s, {:.0} µs of processor a message",
            rate * values as f64,
            median(cpu)
        );
        if !theirs.is_empty() {
            let other = median(theirs);
            println!("mosquitto, QoS 1, no persistence, no subscriber: {other:.0} msg/s; ratio {:.2}", rate / other);
        }
    }
    println!("NGSI-LD batch upsert, {BATCH} entities of 1 observed attribute, {CONNECTIONS} connections: {:.0} obs/s", median(small));
    println!(
        "NGSI-LD batch upsert, {BATCH} entities of 8 observed attributes, {CONNECTIONS} connections: {:.0} obs/s, {:.1} µs of processor an observation",
        median(wide),
        median(cpu_wide)
    );
    println!("NGSI-LD PATCH of one attribute, 64 connections: {:.0}/s", median(patches));
    println!("memory under load: {:.0} MB", server.process.memory_mb());
}
