//! Far more than can be stored, for minutes, then a kill: memory stays, and what was acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Connection;
use crate::mqtt::{Count, Plan, publish};
use crate::process::Server;

const PUBLISHERS: usize = 64;
const WRITERS: usize = 32;
const BATCH: u64 = 1_000;

/// Sends as fast as the server lets, kills it, starts it again and counts.
pub async fn measure(seconds: u64) {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(data.path()).await;
    let empty = server.process.memory_mb();
    for p in 0..PUBLISHERS {
        server.ask("POST", "/api/context/devices", &json!({"id": format!("over-{p}"), "name": "overload", "profile": "dothi-json"}).to_string()).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let base = jiff::Timestamp::now().as_microsecond() - 86_400_000_000;
    let counts: Vec<Arc<Count>> = (0..PUBLISHERS).map(|_| Arc::default()).collect();
    for (p, count) in counts.iter().enumerate() {
        let (port, count, stop) = (server.mqtt, count.clone(), stop.clone());
        tokio::spawn(async move {
            let plan = Plan { port, client: format!("over-{p}"), topic: format!("dev/over-{p}/up"), window: 5_000, due: None, stop };
            publish(plan, count, |n| {
                let t = jiff::Timestamp::from_microsecond(base + n as i64 * 1_000).expect("a time");
                Some(format!(r#"{{"t":"{t}","pm25":{},"pm10":12.3,"no2":41.5,"temperature":28.4,"padding":"{:0100}"}}"#, n % 300, n).into_bytes())
            })
            .await;
        });
    }
    let (taken, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for w in 0..WRITERS {
        let (http, taken, refused, stop) = (server.http, taken.clone(), refused.clone(), stop.clone());
        tokio::spawn(async move {
            let Ok(mut connection) = Connection::open(http).await else { return };
            let mut n = 0i64;
            while !stop.load(Ordering::Relaxed) {
                let t = jiff::Timestamp::from_microsecond(base + n * 1_000).expect("a time");
                let entities: Vec<_> = (0..BATCH).map(|i| json!({"id": format!("urn:ngsi-ld:OverloadBench:{w}-{i}"), "type": "OverloadBench", "v": {"type": "Property", "value": n, "observedAt": t}})).collect();
                match connection
                    .ask("POST", "/ngsi-ld/v1/entityOperations/upsert?options=update", "application/json", json!(entities).to_string().as_bytes())
                    .await
                {
                    Ok((status, _)) if status < 300 => {
                        taken.fetch_add(BATCH, Ordering::Relaxed);
                        n += 1;
                    }
                    Ok((429 | 503, _)) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    Ok((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
                    Err(_) => return,
                }
            }
        });
    }
    let (start, mut peak) = (Instant::now(), 0.0f64);
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        peak = peak.max(server.process.memory_mb());
        if start.elapsed().as_secs() % 30 == 0 {
            let messages: u64 = counts.iter().map(|c| c.acknowledged.load(Ordering::Relaxed)).sum();
            println!(
                "{:>4} s: {messages} messages and {} observations by batch taken, {} batches refused, memory {:.0} MB",
                start.elapsed().as_secs(),
                taken.load(Ordering::Relaxed),
                refused.load(Ordering::Relaxed),
                server.process.memory_mb()
            );
        }
    }
    // The acknowledgements that count are those that came before the kill.
    let acknowledged: Vec<u64> = counts.iter().map(|c| c.acknowledged.load(Ordering::Relaxed)).collect();
    let by_batch = taken.load(Ordering::Relaxed);
    server.process.kill();
    stop.store(true, Ordering::Relaxed);
    let again = Server::start(data.path()).await;
    let mut lost = 0;
    for (p, told) in acknowledged.iter().enumerate() {
        let kept =
            again.count(&format!("select count(*) from observation where entity = 'urn:ngsi-ld:AirQualityObserved:over-{p}' and attribute = 'pm25'")).await;
        lost += told.saturating_sub(kept);
    }
    let kept = again.count("select count(*) from observation where type = 'OverloadBench'").await;
    let messages: u64 = acknowledged.iter().sum();
    println!(
        "{seconds} s of overload: {messages} messages ({:.0}/s) and {by_batch} observations by batch acknowledged, {} batches refused; memory at most {peak:.0} MB (empty: {empty:.0} MB)",
        messages as f64 / seconds as f64,
        refused.load(Ordering::Relaxed)
    );
    println!(
        "after kill -9 and a start of {:.1} s: {lost} acknowledged messages lost, {} observations by batch lost",
        again.started.as_secs_f64(),
        by_batch.saturating_sub(kept)
    );
    assert!(lost == 0 && kept >= by_batch, "something acknowledged is gone");
}
