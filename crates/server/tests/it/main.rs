//! The binary itself: killed under load, asked by its command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod panels;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn dothi(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dothi"));
    command.current_dir(project()).env("DOTHI_DATA", data).env("DOTHI_TRUST_LOOPBACK", "1").env("DOTHI_LOG", "error").stdin(Stdio::null());
    command
}

struct Server {
    child: Child,
    http: String,
    mqtt: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: nothing is flushed.
        let _killed = self.child.kill().and_then(|()| self.child.wait());
    }
}

async fn serve(data: &Path) -> Server {
    let (http, mqtt) = (free_port(), free_port());
    let child = dothi(data)
        .args(["serve", "--listen", &format!("127.0.0.1:{http}"), "--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, http: format!("http://127.0.0.1:{http}"), mqtt };
    let start = Instant::now();
    while reqwest::get(format!("{}/readyz", server.http)).await.map(|r| r.status().as_u16()).ok() != Some(200) {
        assert!(start.elapsed() < Duration::from_secs(90), "the server does not open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

fn entity(id: &str, value: u64) -> Value {
    json!({"id": id, "type": "AirQualityObserved", "pm25": {"type": "Property", "value": value, "observedAt": jiff::Timestamp::now().strftime("%FT%T%.3fZ").to_string()}})
}

/// Writes until told to stop; what was acknowledged is in `done`.
async fn write_entities(http: String, round: usize, worker: usize, stop: Arc<AtomicBool>, done: Arc<Mutex<Vec<(String, u64)>>>) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    for n in 0u64.. {
        let id = format!("urn:ngsi-ld:AirQualityObserved:w{round}-{worker}-{}", n / 3);
        let sent = client.post(format!("{http}/ngsi-ld/v1/entityOperations/upsert")).json(&json!([entity(&id, n)])).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => done.lock().unwrap().push((id, n)),
            _ if stop.load(Ordering::SeqCst) => return,
            Ok(answer) => panic!("refused: {}", answer.text().await.unwrap_or_default()),
            Err(_) => return,
        }
    }
}

/// Publishes with QoS 1 until the connection ends; counts the acknowledged messages.
async fn publish(mqtt: u16, round: usize, acknowledged: Arc<Mutex<u64>>) {
    let mut options = MqttOptions::new(format!("kill-{round}"), "127.0.0.1", mqtt);
    options.set_keep_alive(Duration::from_secs(5)).set_inflight(50);
    let (client, mut events) = AsyncClient::new(options, 100);
    let sender = tokio::spawn(async move {
        for n in 0u64.. {
            let body = json!({"pm25": n % 100, "t": jiff::Timestamp::now().strftime("%FT%T%.6fZ").to_string()}).to_string();
            if client.publish("dev/kill-01/up", QoS::AtLeastOnce, false, body).await.is_err() {
                return;
            }
        }
    });
    while let Ok(event) = events.poll().await {
        if matches!(event, Event::Incoming(Packet::PubAck(_))) {
            *acknowledged.lock().unwrap() += 1;
        }
    }
    sender.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_keeps_everything_it_acknowledged() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().unwrap();
    let done = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::new(Mutex::new(0u64));
    for round in 0..4usize {
        let mut server = serve(data.path()).await;
        if round == 0 {
            let device = json!({"id": "kill-01", "name": "Trạm thử", "profile": "dothi-json", "location": {"lon": 106.3, "lat": 20.46}});
            let answer = reqwest::Client::new().post(format!("{}/api/context/devices", server.http)).json(&device).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks: Vec<_> = (0..6).map(|w| tokio::spawn(write_entities(server.http.clone(), round, w, stop.clone(), done.clone()))).collect();
        tasks.push(tokio::spawn(publish(server.mqtt, round, published.clone())));
        tokio::time::sleep(Duration::from_millis(700 + 350 * round as u64)).await;
        stop.store(true, Ordering::SeqCst);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    }
    let server = serve(data.path()).await;
    let acknowledged = std::mem::take(&mut *done.lock().unwrap());
    assert!(acknowledged.len() > 50, "there was load: {}", acknowledged.len());
    let mut last = std::collections::BTreeMap::new();
    acknowledged.iter().for_each(|(id, n)| {
        last.insert(id.clone(), *n);
    });
    for (id, n) in &last {
        let found: Value = reqwest::get(format!("{}/ngsi-ld/v1/entities/{id}", server.http)).await.unwrap().json().await.unwrap();
        let value = found["pm25"]["value"].as_u64().unwrap_or_else(|| panic!("{id} was acknowledged and is lost: {found}"));
        assert!(value >= *n, "{id} stands at {value}, acknowledged was {n}");
    }
    drop(server);
    let count = |sql: &str| {
        let out = dothi(data.path()).args(["query", "--csv", sql]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let kept = count("select count(*) from observation where entity like '%:w%'");
    assert!(kept >= acknowledged.len() as u64, "{kept} observations for {} acknowledged writes", acknowledged.len());
    let messages = *published.lock().unwrap();
    let kept = count("select count(*) from observation where entity like '%kill-01' and attribute = 'pm25'");
    assert!(messages > 20 && kept >= messages, "{kept} observations for {messages} acknowledged messages");
    let out = dothi(data.path()).arg("verify").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn doctor_says_what_is_missing() {
    let data = tempfile::tempdir().unwrap();
    let out = dothi(data.path()).args(["doctor"]).env("DOTHI_LISTEN", "127.0.0.1:0").env("DOTHI_MQTT_LISTEN", "127.0.0.1:0").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let out = dothi(data.path()).args(["doctor"]).env("DOTHI_PACKS", "/nowhere").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(!out.status.success() && text.contains("MISSING packs"), "{text}");
}

#[test]
fn settings_that_open_the_door_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let out = dothi(data.path()).args(["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("settings.invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_it_keeps_what_waits_for_a_client() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::{AsyncClient, Event, EventLoop, Incoming, MqttOptions};
    let _first = rustls::crypto::ring::default_provider().install_default();
    let data = tempfile::tempdir().unwrap();
    let connect = |port: u16, id: &str| {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_clean_start(false).set_session_expiry_interval(Some(600));
        AsyncClient::new(options, 100)
    };
    let until = async |events: &mut EventLoop, wanted: fn(&Incoming) -> bool| {
        loop {
            if let Event::Incoming(packet) = tokio::time::timeout(Duration::from_secs(20), events.poll()).await.expect("in time").unwrap()
                && wanted(&packet)
            {
                return packet;
            }
        }
    };
    let mut server = serve(data.path()).await;
    let (client, mut events) = connect(server.mqtt, "away");
    client.subscribe("work/#", QoS::ExactlyOnce).await.unwrap();
    until(&mut events, |p| matches!(p, Incoming::SubAck(_))).await;
    drop(events);
    let (sender, mut sent) = connect(server.mqtt, "sender");
    for (n, qos) in [QoS::AtLeastOnce, QoS::ExactlyOnce].iter().cycle().take(20).enumerate() {
        sender.publish("work/x", *qos, false, n.to_string()).await.unwrap();
    }
    let mut acknowledged = 0;
    while acknowledged < 20 {
        until(&mut sent, |p| matches!(p, Incoming::PubAck(_) | Incoming::PubComp(_))).await;
        acknowledged += 1;
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = serve(data.path()).await;
    let (_client, mut events) = connect(server.mqtt, "away");
    let Incoming::ConnAck(hello) = until(&mut events, |p| matches!(p, Incoming::ConnAck(_))).await else { unreachable!() };
    assert!(hello.session_present);
    for n in 0..20 {
        let Incoming::Publish(told) = until(&mut events, |p| matches!(p, Incoming::Publish(_))).await else { unreachable!() };
        assert_eq!(told.payload, n.to_string(), "all of them, in order");
    }
}
