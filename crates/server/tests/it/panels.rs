//! Panels against a sender that is not ours, over real sockets, with a kill after the acknowledgement.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::{Caller, SystemClock};
use dothi_panels::model::{AccountInput, KeyForm, KeyInput, SignalQuery};
use dothi_server::{City, Settings};
use serde_json::{Value, json};

use crate::{dothi, free_port, project};

const KEY: &str = "AAAAAAAAAAAAAAAA";

fn python() -> String {
    std::env::var("DOTHI_SIA_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// What the sender was answered.
fn send(port: u16, messages: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/dc09_sender.py");
    let mut child = Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!({"port": port, "messages": messages}).to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn message(transport: &str, account: &str, key: Option<&str>, token: &str, sequence: u32, data: &str) -> Value {
    json!({"transport": transport, "account": account, "key": key, "token": token, "sequence": sequence, "line": "0", "data": data, "shift": 0})
}

async fn open(data: &Path) -> (Arc<City>, Caller) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings { data: data.to_path_buf(), packs: project().join("packs"), listen: any, mqtt_listen: any, ..Settings::default() };
    let city = City::open(settings, Arc::new(SystemClock)).await.unwrap();
    let system = Caller::system("test", city.store.clock().as_ref());
    (city, system)
}

fn account(number: &str) -> AccountInput {
    serde_json::from_value(json!({"account": number, "name": "Tủ thử"})).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_makers_sender_is_understood_and_what_was_acknowledged_survives_a_kill() {
    if !Command::new(python()).args(["-c", "import pysiaalarm"]).output().is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI_SIA").is_none(), "pysiaalarm is needed with CI_SIA");
        eprintln!("SKIPPED: python3 cannot import pysiaalarm (PyPI); DOTHI_SIA_PYTHON names another interpreter");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (city, system) = open(&data).await;
    city.panels.put_account(&system, None, account("AB12")).await.unwrap();
    let sealed = city.panels.put_account(&system, None, account("CD34")).await.unwrap();
    let key = KeyInput { form: Some(KeyForm::Text), key: Some(KEY.into()) };
    city.panels.set_key(&system, sealed.id, &key).await.unwrap();
    city.stop().await.unwrap();
    drop(city);

    let (http, mqtt, port) = (free_port(), free_port(), free_port());
    let mut child = dothi(&data)
        .env("DOTHI_DC09_LISTEN", format!("127.0.0.1:{port}"))
        .args(["serve", "--listen", &format!("127.0.0.1:{http}"), "--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while reqwest::get(format!("http://127.0.0.1:{http}/readyz")).await.map(|r| r.status().as_u16()).ok() != Some(200)
        || std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    {
        assert!(start.elapsed() < Duration::from_secs(90), "the server does not open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut late = message("tcp", "CD34", Some(KEY), "SIA-DCS", 8, "#CD34|Nri1/BA7");
    late["shift"] = json!(-90);
    let answers = send(
        port,
        &[
            message("tcp", "AB12", None, "SIA-DCS", 1, "#AB12|Nri1/FA12"),
            message("udp", "AB12", None, "ADM-CID", 2, "#AB12|1110 01 015"),
            message("tcp", "AB12", None, "NULL", 3, ""),
            message("udp", "AB12", None, "SIA-DCS", 1, "#AB12|Nri1/FA12"),
            message("tcp", "CD34", Some(KEY), "SIA-DCS", 4, "#CD34|Nri2/HA3"),
            message("udp", "CD34", Some(KEY), "ADM-CID", 5, "#CD34|1130 01 002"),
            message("tcp", "CD34", None, "SIA-DCS", 6, "#CD34|Nri1/BA9"),
            message("tcp", "EE99", None, "SIA-DCS", 7, "#EE99|Nri1/FA1"),
            late,
            message("tcp", "AB12", None, "SIA-DCS", 9, "#AB12|Nri1/FA13"),
        ],
    );
    // SIGKILL: nothing is flushed.
    child.kill().unwrap();
    child.wait().unwrap();
    let names: Vec<&str> = answers.iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ACK", "ACK", "ACK", "ACK", "*ACK", "*ACK", "DUH", "DUH", "NAK", "ACK"]);
    assert_eq!(answers[4]["sequence"], "0004");
    assert!(answers[4]["inside"].as_str().unwrap().starts_with("]_"), "an encrypted answer tells our time: {}", answers[4]);
    assert!(answers[8]["inside"].as_str().unwrap().starts_with('_'), "a refusal for the clock tells ours: {}", answers[8]);

    let (city, system) = open(&data).await;
    let query = SignalQuery { state: Some("all".into()), ..SignalQuery::default() };
    let mut seen: Vec<(String, String, String, u32)> =
        city.panels.signals(&system, &query).await.unwrap().items.into_iter().map(|s| (s.account, s.kind, s.zone, s.repeats)).collect();
    seen.sort();
    let expected = [("AB12", "fire", "015"), ("AB12", "fire", "12"), ("AB12", "fire", "13"), ("CD34", "burglary", "002"), ("CD34", "holdup", "3")];
    let expected: Vec<(String, String, String, u32)> = expected.iter().map(|(a, k, z)| ((*a).into(), (*k).into(), (*z).into(), 0)).collect();
    assert_eq!(seen, expected, "each acknowledged event is there, the repeated one once, the refused ones not");
    city.stop().await.unwrap();
}
