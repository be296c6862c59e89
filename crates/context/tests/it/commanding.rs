//! Commands to devices: over HTTP from people, over MQTT to devices, and back.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use dothi_kernel::{Caller, Grant, Permission};
use dothi_store::JobRunner;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::rig::{Raw, Rig};

/// A request to the native API in a caller's name; status, `Location` and body.
pub async fn ask(rig: &Rig, caller: Caller, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> (StatusCode, Option<String>, Value) {
    let (router, _) = dothi_context::http::router(rig.context.clone()).split_for_parts();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(caller);
    let answer = router.oneshot(request).await.unwrap();
    let (status, location) = (answer.status(), answer.headers().get("location").map(|l| l.to_str().unwrap().to_string()));
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, location, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Somebody with these permissions, in one organisation or everywhere.
pub fn person(rig: &Rig, permissions: &[Permission], unit: Option<&str>) -> Caller {
    let units = unit.map(|u| std::sync::Arc::new([u.to_string()].into()));
    let grant = Grant { role: "t".into(), unit: unit.unwrap_or("x").into(), permissions: permissions.iter().copied().collect(), units, sectors: None };
    Caller { kind: dothi_kernel::CallerKind::Staff, grants: std::sync::Arc::new([grant]), name: "vận hành".into(), ..rig.system() }
}

fn lamps(rig: &Rig) {
    let profile = json!({"name": "lamp", "title": "Đèn", "type": "Streetlight", "attributes": [{"name": "power"}],
    "downlink": {"expires_s": 3600, "answer_s": 60},
    "command": [
        {"name": "dim", "title": "Độ sáng", "parameter": [{"name": "level", "title": "Mức", "kind": "integer", "min": 0.0, "max": 100.0}]},
        {"name": "reset", "title": "Khởi động lại", "expires_s": 60},
    ]});
    rig.context.devices().set_profiles([serde_json::from_value(profile).unwrap()]);
}

async fn send(rig: &Rig, device: &str, body: Value) -> Value {
    let (status, location, command) = ask(rig, rig.system(), Method::POST, &format!("/api/context/devices/{device}/commands"), &[], body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{command}");
    assert_eq!(location.unwrap(), format!("/api/context/commands/{}", command["id"].as_str().unwrap()));
    command
}

async fn state(rig: &Rig, command: &Value) -> Value {
    ask(rig, rig.system(), Method::GET, &format!("/api/context/commands/{}", command["id"].as_str().unwrap()), &[], Value::Null).await.2
}

async fn becomes(rig: &Rig, command: &Value, wanted: &str) -> Value {
    rig.eventually(wanted, async || state(rig, command).await["state"] == wanted).await;
    state(rig, command).await
}

async fn due(rig: &Rig) {
    rig.context.clone().jobs(JobRunner::new(rig.store.clone())).run_due(100).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reaches_its_device_and_its_answer_comes_back() {
    let rig = Rig::new().await;
    lamps(&rig);
    let secret = rig.device("lamp-1", "lamp").await;
    let command = send(&rig, "lamp-1", json!({"command": "dim", "parameters": {"level": 40}})).await;
    assert_eq!((command["state"].as_str(), command["actor"].as_str()), (Some("queued"), Some("test")));
    // The device was away; it comes and listens.
    let mut options = rumqttc::MqttOptions::new("lamp", "127.0.0.1", rig.address.port());
    options.set_credentials("lamp-1", &secret);
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    client.subscribe("dev/lamp-1/down/#", rumqttc::QoS::AtLeastOnce).await.unwrap();
    let told: Value = loop {
        if let rumqttc::Event::Incoming(rumqttc::Packet::Publish(message)) = events.poll().await.unwrap() {
            assert_eq!((message.topic.as_str(), message.qos), ("dev/lamp-1/down/dim", rumqttc::QoS::AtLeastOnce));
            break serde_json::from_slice(&message.payload).unwrap();
        }
    };
    assert_eq!((&told["id"], &told["command"], &told["parameters"]), (&command["id"], &json!("dim"), &json!({"level": 40})));
    let answer = json!({"id": told["id"], "ok": true, "result": {"level": 40}}).to_string();
    client.publish("dev/lamp-1/ack", rumqttc::QoS::AtLeastOnce, false, answer.clone()).await.unwrap();
    client.publish("dev/lamp-1/ack", rumqttc::QoS::AtLeastOnce, false, answer).await.unwrap();
    let mut acknowledged = 0;
    while acknowledged < 2 {
        acknowledged += i32::from(matches!(events.poll().await.unwrap(), rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))));
    }
    // The acknowledgement is proof.
    let done = state(&rig, &command).await;
    assert_eq!((done["state"].as_str(), &done["result"]), (Some("acknowledged"), &json!({"level": 40})));
    assert!(done["ended"].is_string());
    let audit = rig.store.rows("select action, object, detail from audit where action = 'device.command.send'", vec![]).await.unwrap();
    assert_eq!((audit.len(), audit[0].text("object").unwrap()), (1, "device:lamp-1".to_string()));
    assert!(audit[0].text("detail").unwrap().contains("\"level\":40"));
    // What the device cannot do is told in its words.
    let refused = send(&rig, "lamp-1", json!({"command": "reset"})).await;
    let told: Value = loop {
        if let rumqttc::Event::Incoming(rumqttc::Packet::Publish(message)) = events.poll().await.unwrap() {
            break serde_json::from_slice(&message.payload).unwrap();
        }
    };
    client.publish("dev/lamp-1/ack", rumqttc::QoS::AtLeastOnce, false, json!({"id": told["id"], "ok": false, "reason": "quá nóng"}).to_string()).await.unwrap();
    while !matches!(events.poll().await.unwrap(), rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_))) {}
    let failed = state(&rig, &refused).await;
    assert_eq!((failed["state"].as_str(), failed["reason"].as_str()), (Some("failed"), Some("quá nóng")));
    assert!(failed["delivered"].is_string() || failed["sent"].is_string(), "{failed}");
    // Lists are filtered and paged, newest first.
    let list = async |query: &str| ask(&rig, rig.system(), Method::GET, &format!("/api/context/commands{query}"), &[], Value::Null).await.2;
    assert_eq!(list("?state=failed").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(list("?device=lamp-9").await["items"], json!([]));
    let first = list("?device=lamp-1&limit=1").await;
    let rest = list(&format!("?device=lamp-1&limit=1&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), rest["next"].is_null()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_outlive_restarts_and_lost_acknowledgements() {
    let mut rig = Rig::new().await;
    lamps(&rig);
    let secret = rig.device("lamp-1", "lamp").await;
    let command = send(&rig, "lamp-1", json!({"command": "dim", "parameters": {"level": 1}})).await;
    rig.restart().await;
    lamps(&rig);
    let user = Some(("lamp-1", secret.as_str()));
    let (mut device, _) = Raw::connect(rig.address, false, "l", true, user).await;
    assert_eq!(device.subscribe("dev/lamp-1/down/#").await, 1);
    // It is read and not acknowledged: the line breaks.
    let (kind, _) = device.read().await.unwrap();
    assert_eq!(kind >> 4, 3);
    becomes(&rig, &command, "sent").await;
    drop(device);
    rig.eventually("the line is seen to be broken", async || !rig.context.devices().get(&rig.system(), "lamp-1").unwrap().connected).await;
    let (mut device, _) = Raw::connect(rig.address, false, "l", true, user).await;
    device.subscribe("dev/lamp-1/down/#").await;
    let (_, payload, _) = device.message().await;
    assert!(payload.contains(command["id"].as_str().unwrap()));
    becomes(&rig, &command, "delivered").await;
    // What it has does not come again, not even to another client of it.
    let (mut other, _) = Raw::connect(rig.address, false, "m", true, user).await;
    other.subscribe("dev/lamp-1/down/#").await;
    assert!(other.is_quiet(Duration::from_millis(300)).await);
    // An answer without an id means the oldest one that it has.
    device.publish("dev/lamp-1/ack", "{}", 5).await;
    assert_eq!(device.puback().await.1, 0);
    assert_eq!(state(&rig, &command).await["state"], "acknowledged");
    // A waiting session is served when its client is back.
    let (mut waiting, _) = Raw::connect(rig.address, true, "w", false, user).await;
    waiting.subscribe("dev/lamp-1/down/+").await;
    drop((waiting, device, other));
    rig.eventually("gone", async || !rig.context.devices().get(&rig.system(), "lamp-1").unwrap().connected).await;
    let next = send(&rig, "lamp-1", json!({"command": "dim", "parameters": {"level": 2}})).await;
    let (mut back, _) = Raw::connect(rig.address, true, "w", false, user).await;
    assert!(back.message().await.1.contains(next["id"].as_str().unwrap()));
    becomes(&rig, &next, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_what_is_not_delivered_or_not_answered() {
    let rig = Rig::new().await;
    lamps(&rig);
    let secret = rig.device("lamp-1", "lamp").await;
    let reset = send(&rig, "lamp-1", json!({"command": "reset"})).await;
    let brief = send(&rig, "lamp-1", json!({"command": "dim", "parameters": {"level": 1}, "expires_s": 30})).await;
    let dim = send(&rig, "lamp-1", json!({"command": "dim", "parameters": {"level": 2}})).await;
    assert_eq!(rig.context.devices().get(&rig.system(), "lamp-1").unwrap().commands, 3);
    rig.clock.advance_seconds(31);
    due(&rig).await;
    assert_eq!(state(&rig, &brief).await["state"], "expired");
    assert_eq!(state(&rig, &reset).await["state"], "queued");
    rig.clock.advance_seconds(30);
    due(&rig).await;
    let over = state(&rig, &reset).await;
    assert_eq!((over["state"].as_str(), over["reason"].as_str()), (Some("expired"), Some("device.command.not-delivered")));
    let (mut device, _) = Raw::connect(rig.address, true, "l", true, Some(("lamp-1", &secret))).await;
    device.subscribe("dev/lamp-1/down/#").await;
    assert!(device.message().await.1.contains(dim["id"].as_str().unwrap()), "only what is not over comes");
    becomes(&rig, &dim, "delivered").await;
    rig.clock.advance_seconds(59);
    due(&rig).await;
    assert_eq!(state(&rig, &dim).await["state"], "delivered");
    rig.clock.advance_seconds(2);
    due(&rig).await;
    let silent = state(&rig, &dim).await;
    assert_eq!((silent["state"].as_str(), silent["reason"].as_str()), (Some("failed"), Some("device.command.no-answer")));
    // An answer that comes too late changes nothing, and is taken.
    device.publish("dev/lamp-1/ack", &json!({"id": dim["id"]}).to_string(), 3).await;
    assert_eq!(device.puback().await.1, 0);
    assert_eq!(state(&rig, &dim).await["state"], "failed");
    device.publish("dev/lamp-1/ack", r#"{"id":"019a0000-0000-7000-8000-000000000000"}"#, 4).await;
    assert_eq!(device.puback().await.1, 0x99, "an answer to nothing is of no use");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_command_and_what_is_refused() {
    let rig = Rig::new().await;
    lamps(&rig);
    let secret = rig.device("lamp-1", "lamp").await;
    rig.device("aq-1", "flat").await;
    let path = "/api/context/devices/lamp-1/commands";
    let dim = json!({"command": "dim", "parameters": {"level": 40}});
    for (caller, status) in [
        (Caller::anonymous(rig.clock.as_ref(), None), 401),
        (person(&rig, &[Permission::ContextRead, Permission::DeviceManage], None), 403),
        (person(&rig, &[Permission::DeviceCommand], None), 202),
    ] {
        assert_eq!(ask(&rig, caller, Method::POST, path, &[], dim.clone()).await.0.as_u16(), status);
    }
    for (path, body, status, code) in [
        (path, json!({"command": "dim", "parameters": {"level": 101}}), 422, "device.command.parameter"),
        (path, json!({"command": "dim"}), 422, "device.command.parameter"),
        (path, json!({"command": "fly"}), 404, "device.command.unknown"),
        (path, json!({"command": "dim", "parameters": {"level": 1}, "expires_s": 3601}), 400, "device.command.expires"),
        (path, json!({"colour": 1}), 400, "device.invalid"),
        ("/api/context/devices/lamp-9/commands", dim.clone(), 404, "device.unknown"),
        ("/api/context/devices/aq-1/commands", dim.clone(), 404, "device.command.unknown"),
    ] {
        let (got, _, answer) = ask(&rig, rig.system(), Method::POST, path, &[], body.clone()).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{body}");
    }
    // The same key is the same command.
    let key = [("idempotency-key", "k1")];
    let (_, _, first) = ask(&rig, rig.system(), Method::POST, path, &key, dim.clone()).await;
    let (status, _, again) = ask(&rig, rig.system(), Method::POST, path, &key, dim.clone()).await;
    assert_eq!((status.as_u16(), &again["id"]), (202, &first["id"]));
    // What was not sent can be taken back; what came to its end cannot.
    let cancel = format!("/api/context/commands/{}/cancel", first["id"].as_str().unwrap());
    assert_eq!(ask(&rig, rig.system(), Method::POST, &cancel, &[], Value::Null).await.2["state"], "cancelled");
    assert_eq!(ask(&rig, rig.system(), Method::POST, &cancel, &[], Value::Null).await.2["code"], "device.command.under-way");
    // Not without bound.
    for _ in 0..99 {
        send(&rig, "lamp-1", dim.clone()).await;
    }
    let (status, _, answer) = ask(&rig, rig.system(), Method::POST, path, &[], dim.clone()).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (429, Some("device.command.too-many")));
    // A device that speaks HTTP fetches what waits and answers.
    let basic = |secret: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("lamp-1:{secret}")));
    let nobody = || Caller::anonymous(rig.clock.as_ref(), None);
    let take = async |secret: &str| {
        ask(&rig, nobody(), Method::POST, "/api/context/devices/lamp-1/commands/take", &[("authorization", &basic(secret))], Value::Null).await
    };
    assert_eq!(take("wrong").await.0, StatusCode::UNAUTHORIZED);
    let (status, _, taken) = take(&secret).await;
    assert_eq!((status.as_u16(), taken.as_array().unwrap().len()), (200, 100));
    assert_eq!(take(&secret).await.2, json!([]), "what it has does not come again");
    let answer = json!({"id": taken[0]["id"], "result": "xong"});
    let path = "/api/context/devices/lamp-1/commands/answer";
    assert_eq!(ask(&rig, nobody(), Method::POST, path, &[("authorization", &basic(&secret))], answer).await.0, StatusCode::NO_CONTENT);
    assert_eq!(state(&rig, &taken[0]).await["result"], "xong");
}

#[tokio::test(flavor = "multi_thread")]
async fn network_servers_carry_commands_to_lorawan_devices() {
    let rig = Rig::new().await;
    let codec = "function decodeUplink(i) { return { data: { power: i.bytes[0] } }; }\
                 function encodeDownlink(i) { return i.data.level > 90 ? { errors: ['too bright'] } : { bytes: [1, i.data.level], fPort: 9 }; }";
    rig.context.devices().set_codecs([("lamp.js".to_string(), codec.to_string())]);
    let profile = json!({"name": "lora", "title": "Đèn", "type": "Streetlight", "lorawan": true, "codec": "lamp.js",
        "topics": ["application/+/device/{device}/event/+", "v3/+/devices/{device}/up", "v3/+/devices/{device}/down/ack"], "attributes": [{"name": "power"}],
        "command": [{"name": "dim", "title": "Độ sáng", "parameter": [{"name": "level", "title": "Mức", "kind": "integer"}]}]});
    rig.context.devices().set_profiles([serde_json::from_value(profile).unwrap()]);
    let eui = "70b3d57ed0000001";
    for id in [eui, "tts-1"] {
        rig.device(id, "lora").await;
    }
    let dim = |level: i32| json!({"command": "dim", "parameters": {"level": level}});
    let path = format!("/api/context/devices/{eui}/commands");
    assert_eq!(ask(&rig, rig.system(), Method::POST, &path, &[], dim(5)).await.2["code"], "device.command.no-way");
    let (mut network, _) = Raw::connect(rig.address, true, "ns", true, None).await;
    network.subscribe("application/+/device/+/command/down").await;
    network.subscribe("v3/+/devices/+/down/push").await;
    let info = json!({"devEui": eui, "applicationId": "7"});
    let up = json!({"deviceInfo": info, "time": "2026-11-21T00:59:00Z", "fCnt": 1, "fPort": 2, "data": "Bw=="});
    network.publish(&format!("application/7/device/{eui}/event/up"), &up.to_string(), 1).await;
    assert_eq!(network.puback().await.1, 0);
    assert_eq!(ask(&rig, rig.system(), Method::POST, &path, &[], dim(91)).await.2["code"], "codec.failed");
    let command = send(&rig, eui, dim(80)).await;
    let (topic, payload, _) = network.message().await;
    assert_eq!(topic, format!("application/7/device/{eui}/command/down"));
    let told: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(told, json!({"id": command["id"], "devEui": eui, "confirmed": true, "fPort": 9, "data": "AVA="}));
    becomes(&rig, &command, "sent").await;
    let news = json!({"deviceInfo": info, "queueItemId": command["id"], "acknowledged": true, "fCntDown": 3});
    network.publish(&format!("application/7/device/{eui}/event/ack"), &news.to_string(), 2).await;
    assert_eq!(network.puback().await.1, 0);
    let done = state(&rig, &command).await;
    assert_eq!(done["state"], "delivered");
    assert!(done["ended"].is_string(), "nothing more is awaited");
    // The Things Stack, by its own topics and words.
    let ids = json!({"device_id": "tts-1", "application_ids": {"application_id": "app"}});
    let up = json!({"end_device_ids": ids, "received_at": "2026-11-21T00:59:00Z", "uplink_message": {"f_port": 2, "frm_payload": "Bw=="}});
    network.publish("v3/app@tenant/devices/tts-1/up", &up.to_string(), 3).await;
    assert_eq!(network.puback().await.1, 0);
    let command = send(&rig, "tts-1", dim(3)).await;
    let (topic, payload, _) = network.message().await;
    assert_eq!(topic, "v3/app@tenant/devices/tts-1/down/push");
    let told: Value = serde_json::from_str(&payload).unwrap();
    let (downlink, correlation) = (&told["downlinks"][0], &told["downlinks"][0]["correlation_ids"]);
    assert_eq!((&downlink["frm_payload"], &downlink["f_port"], &downlink["confirmed"]), (&json!("AQM="), &json!(9), &json!(true)));
    becomes(&rig, &command, "sent").await;
    let news = json!({"end_device_ids": ids, "correlation_ids": ["gs:uplink:1", correlation[0]], "downlink_ack": {"f_port": 9}});
    network.publish("v3/app@tenant/devices/tts-1/down/ack", &news.to_string(), 4).await;
    assert_eq!(network.puback().await.1, 0);
    assert_eq!(state(&rig, &command).await["state"], "delivered");
    // Nobody ends another device's command.
    let command = send(&rig, eui, dim(7)).await;
    network.message().await;
    let foreign = json!({"end_device_ids": ids, "correlation_ids": [format!("dothi:command:{}", command["id"].as_str().unwrap())], "downlink_nack": {}});
    network.publish("v3/app@tenant/devices/tts-1/down/ack", &foreign.to_string(), 5).await;
    assert_eq!(network.puback().await.1, 0);
    assert_eq!(becomes(&rig, &command, "sent").await["state"], "sent");
}
