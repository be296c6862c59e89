//! Durable ingest by SensorThings data arrays (`CreateObservations`).

use std::fmt::Write;
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::Connection;
use crate::median;
use crate::process::Server;

const CONNECTIONS: u64 = 4;
/// Datastreams that one request writes to, and rows for each.
const STREAMS: u64 = 10;
const ROWS: u64 = 500;

fn thing(name: &str, streams: u64) -> Value {
    let stream = |n: u64| {
        json!({
            "name": format!("{name} {n}"), "description": "bench", "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
            "unitOfMeasurement": {"name": "microgram per cubic metre", "symbol": "ug/m3", "definition": "http://www.qudt.org/qudt/owl/1.0.0/unit/Instances.html"},
            "Sensor": {"name": "sensor", "description": "bench", "encodingType": "application/pdf", "metadata": "https://example.org/sensor.pdf"},
            "ObservedProperty": {"name": "pm25", "description": "bench", "definition": "https://example.org/pm25"},
        })
    };
    json!({
        "name": name, "description": "bench",
        "Locations": [{"name": name, "description": "bench", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [106.05, 20.65]}}],
        "Datastreams": (0..streams).map(stream).collect::<Vec<_>>(),
    })
}

/// Ids of the Datastreams of a Thing that is made for one connection.
async fn streams(http: u16, c: u64) -> Vec<String> {
    let mut connection = Connection::open(http).await.expect("a connection");
    let name = format!("station {c}");
    let body = thing(&name, STREAMS).to_string();
    let (status, answer) = connection.ask("POST", "/sensorthings/v1.1/Things", "application/json", body.as_bytes()).await.expect("an answer");
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
    let path = format!("/sensorthings/v1.1/Things?$filter=name%20eq%20%27station%20{c}%27&$expand=Datastreams($select=id)");
    let (status, answer) = connection.ask("GET", &path, "", b"").await.expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let found: Value = serde_json::from_slice(&answer).expect("JSON");
    let streams = found["value"][0]["Datastreams"].as_array().expect("its Datastreams");
    streams.iter().map(|s| s["@iot.id"].to_string()).collect()
}

/// One round; observations stored a second. No time is written twice; a stream of each connection is counted afterwards.
async fn round(http: u16, total: u64, from: i64) -> f64 {
    let requests = (total / (CONNECTIONS * STREAMS * ROWS)).max(1);
    let mut all = Vec::new();
    for c in 0..CONNECTIONS {
        all.push(streams(http, c).await);
    }
    let first: Vec<String> = all.iter().map(|streams| streams[0].clone()).collect();
    let start = Instant::now();
    let tasks = all.into_iter().map(|streams| {
        tokio::spawn(async move {
            let mut connection = Connection::open(http).await.expect("a connection");
            for request in 0..requests {
                let mut body = String::with_capacity(1 << 18);
                for (i, stream) in streams.iter().enumerate() {
                    let lead = if i == 0 { '[' } else { ',' };
                    write!(body, r#"{lead}{{"Datastream":{{"@iot.id":{stream}}},"components":["phenomenonTime","result"],"dataArray":["#).expect("text");
                    for row in 0..ROWS {
                        let t = jiff::Timestamp::from_second(from + (request * ROWS + row) as i64).expect("a time");
                        let lead = if row == 0 { "" } else { "," };
                        write!(body, r#"{lead}["{t}",{}]"#, ((row + request) % 900) as f64 / 10.0).expect("text");
                    }
                    body.push_str("]}");
                }
                body.push(']');
                let asked = connection.ask("POST", "/sensorthings/v1.1/CreateObservations", "application/json", body.as_bytes()).await;
                let (status, answer) = asked.expect("an answer");
                assert!(
                    status == 201 && std::str::from_utf8(&answer).is_ok_and(|a| !a.contains("\"error\"")),
                    "{status} {}",
                    String::from_utf8_lossy(&answer[..answer.len().min(300)])
                );
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("a connection");
    }
    let rate = (requests * CONNECTIONS * STREAMS * ROWS) as f64 / start.elapsed().as_secs_f64();
    let end = from + (requests * ROWS) as i64;
    for stream in first {
        assert_eq!(stored(http, &stream, from, end).await, requests * ROWS, "Datastream {stream} keeps what was acknowledged");
    }
    rate
}

/// Observations of a Datastream that are there to be read, from a second to another.
async fn stored(http: u16, stream: &str, from: i64, end: i64) -> u64 {
    let time = |s: i64| jiff::Timestamp::from_second(s).expect("a time");
    let filter = format!("phenomenonTime%20ge%20{}%20and%20phenomenonTime%20lt%20{}", time(from), time(end));
    let path = format!("/sensorthings/v1.1/Datastreams({stream})/Observations?$count=true&$top=1&$filter={filter}");
    let mut connection = Connection::open(http).await.expect("a connection");
    let (status, answer) = connection.ask("GET", &path, "", b"").await.expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    serde_json::from_slice::<Value>(&answer).expect("JSON")["@iot.count"].as_u64().expect("a count")
}

/// Runs the rounds and prints the median.
pub async fn measure(observations: u64, rounds: usize) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    let begin = jiff::Timestamp::now().as_second() - 40_000_000;
    for n in 0..rounds {
        let before = server.process.cpu_s();
        let rate = round(server.http, observations, begin + n as i64 * 10_000_000).await;
        let cost = (server.process.cpu_s() - before) / observations as f64 * 1e6;
        println!("round {}: {rate:.0} obs/s, {cost:.1} µs of processor each, memory {:.0} MB", n + 1, server.process.memory_mb());
        rates.push(rate);
        costs.push(cost);
    }
    let (streams, rows) = (STREAMS, ROWS);
    println!(
        "SensorThings data arrays, {streams} Datastreams of {rows} rows a request, {CONNECTIONS} connections, durable: {:.0} obs/s, {:.1} µs of processor each",
        median(rates),
        median(costs)
    );
}
