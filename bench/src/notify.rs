//! Ten thousand subscriptions: every change told, and how soon.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::city::Numbers;
use crate::http::Connection;
use crate::process::Server;

type Arrivals = Arc<Mutex<Vec<(u64, Instant)>>>;

/// Answers 200 to everything and notes the value it was told of.
async fn receive(listener: TcpListener, arrivals: Arrivals) {
    while let Ok((stream, _)) = listener.accept().await {
        let arrivals = arrivals.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            loop {
                let mut length = 0usize;
                loop {
                    line.clear();
                    match stream.read_line(&mut line).await {
                        Ok(n) if n > 0 => {}
                        _ => return,
                    }
                    let text = line.trim_end().to_ascii_lowercase();
                    if let Some(n) = text.strip_prefix("content-length:") {
                        length = n.trim().parse().unwrap_or(0);
                    }
                    if text.is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                if stream.read_exact(&mut body).await.is_err() || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
                    return;
                }
                let now = Instant::now();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let mut arrivals = arrivals.lock().expect("no panic");
                for entity in body["data"].as_array().into_iter().flatten() {
                    if let Some(n) = entity["n"]["value"].as_u64() {
                        arrivals.push((n, now));
                    }
                }
            }
        });
    }
}

/// Makes subscriptions, changes entities at a steady rate, counts what arrives.
pub async fn measure(subscriptions: u64, rate: u64, seconds: u64) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let receiver = format!("http://127.0.0.1:{}/notify", listener.local_addr().expect("an address").port());
    let arrivals = Arrivals::default();
    tokio::spawn(receive(listener, arrivals.clone()));
    let mut connection = Connection::open(server.http).await.expect("a connection");
    let begin = Instant::now();
    for i in 0..subscriptions {
        let entity = format!(r#"{{"id":"urn:ngsi-ld:Thing:{i}","type":"Thing","n":{{"type":"Property","value":0}}}}"#);
        let (status, _) = connection.ask("POST", "/ngsi-ld/v1/entities", "application/json", entity.as_bytes()).await.expect("an answer");
        assert_eq!(status, 201);
        let body = format!(
            r#"{{"type":"Subscription","entities":[{{"id":"urn:ngsi-ld:Thing:{i}","type":"Thing"}}],"watchedAttributes":["n"],"notification":{{"endpoint":{{"uri":"{receiver}"}}}}}}"#
        );
        let (status, answer) = connection.ask("POST", "/ngsi-ld/v1/subscriptions", "application/json", body.as_bytes()).await.expect("an answer");
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
    }
    println!("{subscriptions} entities and subscriptions made in {:.1} s", begin.elapsed().as_secs_f64());
    let mut sent: HashMap<u64, Instant> = HashMap::new();
    let (workers, mut tasks) = (8, Vec::new());
    let start = Instant::now();
    let cpu = server.process.cpu_s();
    for w in 0..workers {
        let http = server.http;
        tasks.push(tokio::spawn(async move {
            let (mut connection, mut numbers, mut sent) = (Connection::open(http).await.expect("a connection"), Numbers(w + 1), Vec::new());
            for k in 0..rate * seconds / workers {
                let due = start + Duration::from_secs_f64((k * workers + w) as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                let n = k * workers + w + 1;
                let path = format!("/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:{}/attrs", numbers.below(subscriptions));
                sent.push((n, Instant::now()));
                let (status, _) = connection
                    .ask("PATCH", &path, "application/json", format!(r#"{{"n":{{"type":"Property","value":{n}}}}}"#).as_bytes())
                    .await
                    .expect("an answer");
                assert_eq!(status, 204);
            }
            sent
        }));
    }
    for task in tasks {
        sent.extend(task.await.expect("a writer"));
    }
    let wrote = start.elapsed().as_secs_f64();
    for _ in 0..300 {
        if arrivals.lock().expect("no panic").len() >= sent.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let arrived: HashMap<u64, Instant> = arrivals.lock().expect("no panic").iter().copied().collect();
    let mut times: Vec<f64> = sent.iter().filter_map(|(n, at)| Some(arrived.get(n)?.duration_since(*at).as_secs_f64() * 1e3)).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{} writes at {:.0}/s: {} told ({:.2} %), from request to receiver p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; {:.0} µs of processor a write; memory {:.0} MB",
        sent.len(),
        sent.len() as f64 / wrote,
        times.len(),
        times.len() as f64 / sent.len() as f64 * 100.0,
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
        (server.process.cpu_s() - cpu) / sent.len() as f64 * 1e6,
        server.process.memory_mb()
    );
}
