//! MQTT through the whole platform: over WebSocket, and notifications that come back to where they went out.

use std::time::Duration;

use dothi_testkit::TestCity;
use futures::{SinkExt, StreamExt};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

const HELLO: &[u8] = &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'w'];
const SUBSCRIBE: &[u8] = &[0x82, 7, 0, 1, 0, 0, 1, b't', 1];

async fn trusting() -> TestCity {
    TestCity::with(|s| s.trust_loopback = true).await
}

async fn publish(city: &TestCity, topic: &str, payload: &str) {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("p", "127.0.0.1", city.mqtt.port()), 10);
    client.publish(topic, QoS::AtLeastOnce, false, payload.to_string()).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::PubAck(_))) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn mqtt_over_websocket() {
    let city = trusting().await;
    let ask = |protocol: Option<&'static str>, origin: Option<&str>| {
        let mut request = format!("ws://{}/mqtt", city.http).into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        tokio_tungstenite::connect_async(request)
    };
    for (protocol, origin, status) in [(None, None, 400), (Some("mqttv3.1"), None, 400), (Some("mqtt"), Some("https://elsewhere.example"), 403)] {
        match ask(protocol, origin).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), status, "{protocol:?} {origin:?}"),
            other => panic!("{protocol:?} {origin:?}: {other:?}"),
        }
    }
    let own = format!("http://{}", city.http);
    let (mut socket, answer) = ask(Some("mqttv3.1, mqtt"), Some(&own)).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "mqtt");
    // Packets need not end where messages end.
    let both = [HELLO, SUBSCRIBE].concat();
    for part in [&both[..5], &both[5..20], &both[20..]] {
        socket.send(Message::Binary(part.to_vec().into())).await.unwrap();
    }
    let mut heard = Vec::new();
    let mut read = async |heard: &mut Vec<u8>, wanted: usize| {
        while heard.len() < wanted {
            match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.expect("in time") {
                Some(Ok(Message::Binary(bytes))) => heard.extend_from_slice(&bytes),
                Some(Ok(_)) => {}
                ended => panic!("{ended:?} after {heard:?}"),
            }
        }
    };
    read(&mut heard, 2).await;
    assert_eq!(heard[0], 0x20, "CONNACK");
    let hello = usize::from(heard[1]) + 2;
    read(&mut heard, hello + 6).await;
    assert_eq!((heard[3], &heard[hello..]), (0, [0x90, 4, 0, 1, 0, 1].as_slice()), "SUBACK");
    publish(&city, "t", "xyz").await;
    let mut heard = Vec::new();
    read(&mut heard, 11).await;
    assert_eq!((heard[0], &heard[2..5], &heard[heard.len() - 3..]), (0x32, [0, 1, b't'].as_slice(), b"xyz".as_slice()));
    // Text is not for MQTT.
    socket.send(Message::Text("hello".into())).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok());
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_does_not_feed_itself() {
    let city = trusting().await;
    let here = city.anonymous();
    here.post("/api/context/devices", &json!({"id": "echo-01", "name": "Trạm", "profile": "dothi-json"})).await;
    let endpoint = |id: &str, topic: &str| {
        json!({"id": format!("urn:ngsi-ld:Subscription:{id}"), "type": "Subscription", "entities": [{"type": "AirQualityObserved"}], "notification":
            {"endpoint": {"uri": format!("mqtt://127.0.0.1:{}/{topic}", city.mqtt.port()), "accept": "application/json",
              "notifierInfo": [{"key": "MQTT-Version", "value": "mqtt5.0"}, {"key": "MQTT-QoS", "value": "1"}]}}})
    };
    for (id, topic) in [("echo", "dev/echo-01/up"), ("tell", "told/air")] {
        here.post("/ngsi-ld/v1/subscriptions", &endpoint(id, topic)).await;
    }
    let (client, mut events) = AsyncClient::new(MqttOptions::new("listener", "127.0.0.1", city.mqtt.port()), 10);
    client.subscribe("told/air", QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::SubAck(_))) {}
    publish(&city, "dev/echo-01/up", r#"{"pm25":7}"#).await;
    // To those who listen it goes on.
    let told = loop {
        if let Event::Incoming(Incoming::Publish(p)) = tokio::time::timeout(Duration::from_secs(20), events.poll()).await.expect("in time").unwrap() {
            break p.payload;
        }
    };
    assert!(String::from_utf8_lossy(&told).contains("pm25"));
    // As readings of a device it is refused for what it is, not for its form.
    city.until("the refusal is noted", async || {
        let found = here.get("/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:echo").await;
        found["notification"]["lastFailure"].is_string().then_some(())
    })
    .await;
    let device = here.get("/api/context/devices/echo-01").await;
    assert_eq!((&device["messages"], &device["errors"]), (&json!(1), &json!(0)), "{device}");
    let metrics = here.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let count = |name: &str| metrics.lines().find_map(|l| l.strip_prefix(&format!("dothi_mqtt_{name}_total "))?.parse::<f64>().ok()).unwrap();
    assert_eq!((count("stored"), count("malformed")), (1.0, 0.0));
    assert!(count("not_allowed") >= 1.0);
    here.request(reqwest::Method::DELETE, "/ngsi-ld/v1/subscriptions/urn:ngsi-ld:Subscription:echo").send().await.unwrap();
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_and_mqtt_inside_tls() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let any = Some("127.0.0.1:0".parse().unwrap());
    let city = TestCity::with(|s| {
        (s.https_listen, s.mqtts_listen, s.tls_cert, s.tls_key, s.trust_loopback) = (any, any, Some(cert), Some(key), true);
    })
    .await;
    let https = city.city.serve_https().await.unwrap().expect("HTTPS listens");
    let trusted = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    // A loopback caller is trusted here too: its address is known.
    let root: serde_json::Value = client.get(format!("https://localhost:{}/sensorthings/v1.1", https.port())).send().await.unwrap().json().await.unwrap();
    assert!(root["value"][0]["url"].as_str().unwrap().starts_with("https://localhost:"), "{root}");
    // Who does not speak TLS holds up nobody.
    let _silent = tokio::net::TcpStream::connect(https).await.unwrap();
    let healthy = client.get(format!("https://localhost:{}/healthz", https.port())).send().await.unwrap();
    assert_eq!(healthy.status(), 200);
    let mqtts = city.city.serve_mqtts().await.unwrap().expect("MQTT inside TLS listens");
    let mut options = MqttOptions::new("t", "localhost", mqtts.port());
    options.set_transport(rumqttc::Transport::tls(own.cert.pem().into_bytes(), None, None));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.publish("t", QoS::AtLeastOnce, false, "x").await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Incoming::PubAck(_))) {}
    city.finish().await;
}

/// Over WebSocket, both versions, QoS 2 both ways, and a session that goes on.
const PAHO: &str = r#"
import sys, paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
port, heard = int(sys.argv[1]), []
for version in (mqtt.MQTTv311, mqtt.MQTTv5):
    def client():
        c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"paho-{version}", protocol=version, transport="websockets", **({} if version == mqtt.MQTTv5 else {"clean_session": False}))
        c.ws_set_options(path="/mqtt")
        c.on_connect = lambda c, u, flags, reason, props: (heard.append(f"present={flags.session_present}"), c.subscribe("paho/#", qos=2))
        c.on_subscribe = lambda c, u, mid, codes, props: c.publish("paho/x", "hello", qos=2)
        done = []
        both = lambda c, what: (done.append(what), len(done) == 2 and c.disconnect())
        c.on_message = lambda c, u, m: (heard.append(f"{m.topic} {m.payload.decode()} {m.qos}"), both(c, "heard"))
        c.on_publish = lambda c, u, mid, reason, props: both(c, "said")
        if version == mqtt.MQTTv5:
            lasts = Properties(PacketTypes.CONNECT)
            lasts.SessionExpiryInterval = 600
            c.connect("127.0.0.1", port, clean_start=False, properties=lasts)
        else:
            c.connect("127.0.0.1", port)
        return c
    client().loop_forever()
    client().loop_forever()
print("\n".join(heard))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn paho_talks_to_it() {
    let python = std::env::var("DOTHI_PAHO_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = tokio::process::Command::new(&python).args(["-c", "from paho.mqtt.enums import CallbackAPIVersion"]).output().await;
    if !there.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: no Python with paho-mqtt 2 (set DOTHI_PAHO_PYTHON)");
        return;
    }
    let city = trusting().await;
    let run = tokio::process::Command::new(&python).args(["-c", PAHO, &city.http.port().to_string()]).kill_on_drop(true).output();
    let out = tokio::time::timeout(Duration::from_secs(60), run).await.expect("in time").unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let once = "present=False\npaho/x hello 2\npresent=True\npaho/x hello 2\n";
    assert_eq!(text, once.repeat(2), "{}", String::from_utf8_lossy(&out.stderr));
    city.finish().await;
}
