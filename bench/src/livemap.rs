//! The live map: everything of a layer, what changed in a second, and moments of the past, over HTTP.

use std::fmt::Write;
use std::time::Instant;

use jiff::Timestamp;

use crate::city::Numbers;
use crate::http::Connection;
use crate::median;
use crate::process::Server;

const BATCH: u64 = 1_000;
const KIND: &str = "WaterObserved";
/// Things that report between two looks.
const REPORTS: u64 = 1_000;

fn upsert(from: u64, to: u64, minute: Option<i64>, begin: i64, place: bool) -> String {
    let (mut body, mut numbers) = (String::from("["), Numbers(from + 1 + minute.unwrap_or_default() as u64));
    for i in from..to {
        let sep = if i > from { "," } else { "" };
        let at = Timestamp::from_second(begin + minute.unwrap_or_default() * 60 + (i % 60) as i64).expect("an instant");
        write!(
            body,
            r#"{sep}{{"id":"urn:ngsi-ld:{KIND}:map-{i:06}","type":"{KIND}","height":{{"type":"Property","value":{},"observedAt":"{at}"}}"#,
            numbers.below(2_000) as f64 / 100.0
        )
        .expect("text");
        if place {
            let mut of = Numbers(i + 7);
            let (lon, lat) = (105.9 + of.below(60_000) as f64 / 1e5, 20.3 + of.below(40_000) as f64 / 1e5);
            write!(
                body,
                r#","name":{{"type":"Property","value":"Trạm {i}"}},"location":{{"type":"GeoProperty","value":{{"type":"Point","coordinates":[{lon},{lat}]}}}}"#
            )
            .expect("text");
        }
        body.push('}');
    }
    body.push(']');
    body
}

async fn put(connection: &mut Connection, total: u64, minute: Option<i64>, begin: i64, place: bool) {
    let mut from = 0;
    while from < total {
        let to = (from + BATCH).min(total);
        let body = upsert(from, to, minute, begin, place);
        let (status, answer) =
            connection.ask("POST", "/ngsi-ld/v1/entityOperations/upsert?options=update", "application/json", body.as_bytes()).await.expect("an answer");
        assert!(status < 300, "{status} {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        from = to;
    }
}

/// Milliseconds, bytes on the wire and the version of an answer that comes with gzip.
async fn ask(client: &reqwest::Client, url: &str) -> (f64, usize, String) {
    let begun = Instant::now();
    let answer = client.get(url).header("accept-encoding", "gzip").send().await.expect("an answer");
    let status = answer.status();
    let tag = answer.headers().get("etag").and_then(|t| t.to_str().ok()).unwrap_or_default().trim_start_matches("W/").trim_matches('"').to_string();
    let bytes = answer.bytes().await.expect("a body");
    assert!(status.is_success(), "{status} {url}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
    (begun.elapsed().as_secs_f64() * 1e3, bytes.len(), tag)
}

fn say(what: &str, times: Vec<f64>, bytes: usize) {
    let worst = times.iter().copied().fold(0.0, f64::max);
    println!("{what:<44} {:>9.1} ms  (worst {worst:>8.1})   {bytes:>9} bytes on the wire", median(times));
}

/// Asks for one after the other; prints their times and the size of the last.
async fn ask_each(client: &reqwest::Client, what: &str, urls: impl Iterator<Item = String>) {
    let (mut times, mut size) = (Vec::new(), 0);
    for url in urls {
        let (ms, bytes, _) = ask(client, &url).await;
        times.push(ms);
        size = bytes;
    }
    say(what, times, size);
}

/// Prints what the map costs with so many things that reported for so many minutes.
pub async fn measure(things: u64, minutes: i64) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path()).await;
    let mut connection = Connection::open(server.http).await.expect("a connection");
    let begin = Timestamp::now().as_second() - 3_600;
    let start = Instant::now();
    put(&mut connection, things, None, begin, true).await;
    for minute in 1..minutes {
        put(&mut connection, things, Some(minute * 60 / minutes), begin, false).await;
    }
    println!("{things} things with {} observations loaded in {:.1} s", things as i64 * minutes, start.elapsed().as_secs_f64());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let base = format!("http://127.0.0.1:{}/api/context/map/layers", server.http);
    let layers: serde_json::Value = client.get(&base).send().await.expect("an answer").json().await.expect("JSON");
    let code = layers.as_array().expect("layers").iter().find(|l| l["types"][0] == KIND).expect("the layer of the things")["code"]
        .as_str()
        .expect("a code")
        .to_string();
    let (first, bytes, mut version) = ask(&client, &format!("{base}/{code}")).await;
    say("the first snapshot", vec![first], bytes);
    ask_each(&client, "a snapshot that another screen had", (0..9).map(|_| format!("{base}/{code}"))).await;
    // Not like the others: each answer says from which version the next one asks.
    let (mut times, mut size) = (Vec::new(), 0);
    for round in 0..9 {
        put(&mut connection, REPORTS.min(things), Some(61 + round), begin, false).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
        let (ms, bytes, next) = ask(&client, &format!("{base}/{code}?since={version}")).await;
        (size, version) = (bytes, next);
        times.push(ms);
    }
    say(&format!("what {REPORTS} reports changed"), times, size);
    let instant = |s: i64| Timestamp::from_second(s).expect("an instant");
    let moments = (0..5).map(|round| format!("{base}/{code}/at?time={}", instant(begin + 1_800 + round * 60)));
    ask_each(&client, "an instant of the past", moments).await;
    let hours = (0..3).map(|round| format!("{base}/{code}/between?from={}&to={}&frames=61", instant(begin + round), instant(begin + 3_600 + round)));
    ask_each(&client, "an hour of the past to play", hours).await;
}
