//! Registry, profiles and HTTP ingest.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use dothi_context::decode::{Decoder, Fault, parse};
use dothi_context::devices::{DeviceQuery, DeviceState, Devices, NewDevice};
use dothi_context::pack::ContextPack;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Kind, SystemClock, time};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::rig::{Rig, new_device, pack, profile, system};

fn new(id: &str) -> NewDevice {
    NewDevice { name: "Trạm Lê Lợi".into(), ..new_device(id, "flat") }
}

#[tokio::test]
async fn the_registry_outlives_the_process() {
    dothi_store::testing::both(&[dothi_context::MIGRATIONS], |test| async move {
        // Captured as a whole: its folder must live as long as the test.
        let test = test;
        let caller = system(test.clock.as_ref());
        let devices = Devices::open(test.store.clone()).await.unwrap();
        devices.set_profiles(pack().profiles);
        let placed = NewDevice { location: Some(Point { lon: 106.34, lat: 20.45 }), area: Some("11111".into()), ..new("aq-1") };
        let first = devices.register(&caller, placed).await.unwrap();
        assert_eq!(first.device.state, DeviceState::Never);
        assert_eq!(first.device.entity, "urn:ngsi-ld:AirQualityObserved:aq-1");
        assert_eq!(devices.register(&caller, new("aq-1")).await.unwrap_err().code(), "device.exists");
        devices.register(&caller, new("aq-2")).await.unwrap();
        devices.flush().await.unwrap();
        let again = Devices::open(test.store.clone()).await.unwrap();
        again.set_profiles(pack().profiles);
        assert_eq!(again.get(&caller, "aq-1").unwrap(), first.device);
        again.remove(&caller, "aq-2").await.unwrap();
        assert_eq!(again.remove(&caller, "aq-2").await.unwrap_err().code(), "device.unknown");
        let stored = test.store.rows("select secret_hash from context_device", vec![]).await.unwrap();
        assert_eq!(stored.len(), 1);
        assert_ne!(stored[0].text("secret_hash").unwrap(), first.secret, "only a hash is kept");
    })
    .await;
}

#[tokio::test]
async fn faulty_descriptions_are_refused_with_a_code() {
    let rig = Rig::new().await;
    let caller = rig.system();
    let long = "x".repeat(201);
    for (device, code) in [
        (new(""), "device.invalid"),
        (new("-a"), "device.invalid"),
        (new("a/b"), "device.invalid"),
        (new("a+"), "device.invalid"),
        (new(&"a".repeat(65)), "device.invalid"),
        (NewDevice { name: " ".into(), ..new("a") }, "device.invalid"),
        (NewDevice { name: long, ..new("a") }, "device.invalid"),
        (NewDevice { profile: "none".into(), ..new("a") }, "device.invalid"),
        (NewDevice { entity: Some("no urn".into()), ..new("a") }, "device.invalid"),
        (NewDevice { area: Some("not a code".into()), ..new("a") }, "device.invalid"),
        (NewDevice { location: Some(Point { lon: 200.0, lat: 0.0 }), ..new("a") }, "geo.out-of-range"),
    ] {
        let error = rig.context.add_device(&caller, device.clone()).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (code, Kind::Invalid), "{device:?}");
    }
    let nobody = Caller::anonymous(&SystemClock, None);
    assert_eq!(rig.context.add_device(&nobody, new("a")).await.unwrap_err().kind(), Kind::Unauthenticated);
    assert_eq!(rig.context.devices().list(&nobody, &DeviceQuery::default()).unwrap_err().kind(), Kind::Unauthenticated);
    assert_eq!(rig.context.devices().get(&nobody, "a").unwrap_err().kind(), Kind::Unauthenticated);
}

#[tokio::test]
async fn lists_are_paged_and_searched() {
    let rig = Rig::new().await;
    let caller = rig.system();
    for i in 0..7 {
        let placed = NewDevice { name: format!("Trạm Lê Lợi {i}"), location: Some(Point { lon: 106.0, lat: 20.0 }), ..new(&format!("d-{i}")) };
        rig.context.add_device(&caller, placed).await.unwrap();
    }
    let list = |query: DeviceQuery| rig.context.devices().list(&caller, &query).unwrap();
    let first = list(DeviceQuery { limit: Some(3), ..Default::default() });
    assert_eq!((first.items.len(), first.next.as_deref()), (3, Some("d-2")));
    let rest = list(DeviceQuery { limit: Some(200), after: first.next, ..Default::default() });
    assert_eq!((rest.items.len(), rest.next), (4, None));
    assert_eq!(list(DeviceQuery { q: Some("le loi 4".into()), ..Default::default() }).items.len(), 1);
    assert_eq!(list(DeviceQuery { state: Some(DeviceState::Ok), ..Default::default() }).items.len(), 0);
    // The entity is there before the first reading, with name and place.
    let thing = rig.context.thing(&caller, "urn:ngsi-ld:AirQualityObserved:d-4").unwrap();
    assert_eq!((thing.name.as_str(), thing.location), ("Trạm Lê Lợi 4", Some(Point { lon: 106.0, lat: 20.0 })));
    assert_eq!(thing.device.unwrap().id, "d-4");
}

#[tokio::test]
async fn state_is_journaled_in_batches() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let (status, _) = post(&rig, "/api/context/ingest/flat", Some(("aq-1", &secret)), &[], r#"{"pm25":4,"bat":50}"#).await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = post(&rig, "/api/context/ingest/flat", Some(("aq-1", &secret)), &[], "{").await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("device.payload.json")));
    assert_eq!(rig.context.devices().flush().await.unwrap(), 1);
    assert_eq!(rig.context.devices().flush().await.unwrap(), 0);
    let again = Devices::open(rig.store.clone()).await.unwrap();
    let device = again.get(&rig.system(), "aq-1").unwrap();
    assert_eq!((device.messages, device.errors, device.battery), (1, 1, Some(0.5)));
    assert_eq!(device.last_error.as_deref(), Some("device.payload.json"));
    assert_eq!(device.last_seen, Some(rig.system().now));
}

async fn send(rig: &Rig, caller: Caller, request: Request<Body>) -> (StatusCode, Value) {
    let (router, _) = dothi_context::http::router(rig.context.clone()).split_for_parts();
    let mut request = request;
    request.extensions_mut().insert(caller);
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub async fn post(rig: &Rig, path: &str, device: Option<(&str, &str)>, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
    let mut request = Request::post(path);
    if let Some((id, secret)) = device {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        request = request.header("authorization", format!("Basic {encoded}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let caller = if device.is_some() { Caller::anonymous(rig.clock.as_ref(), None) } else { rig.system() };
    send(rig, caller, request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn http_ingest_reads_like_mqtt_and_stores_once() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let own = Some(("aq-1", secret.as_str()));
    let path = "/api/context/ingest/flat";
    let timed = r#"{"t":"2026-11-21T00:30:00Z","pm25":12,"pm10":20}"#;
    assert_eq!(post(&rig, path, own, &[], timed).await, (StatusCode::OK, json!({"accepted": 2, "duplicate": false})));
    assert_eq!(post(&rig, path, own, &[], timed).await.1["duplicate"], true);
    let untimed = r#"{"pm25":13}"#;
    for accepted in [1, 1] {
        assert_eq!(post(&rig, path, own, &[], untimed).await.1["accepted"], accepted);
    }
    for duplicate in [false, true] {
        assert_eq!(post(&rig, path, own, &[("idempotency-key", "k1")], r#"{"pm25":14}"#).await.1["duplicate"], duplicate);
    }
    assert_eq!(rig.history.all().await.len(), 5);
    // A buffer of messages in one request.
    let buffer = r#"[{"t":"2026-11-21T00:31:00Z","pm25":1},{"t":"2026-11-21T00:32:00Z","pm25":2}]"#;
    assert_eq!(post(&rig, &format!("{path}?device=aq-1"), None, &[], buffer).await.1["accepted"], 2);
    for (path, device, body, status, code) in [
        (path, Some(("aq-1", "wrong")), timed, 401, "device.credentials"),
        ("/api/context/ingest/gateway", own, timed, 403, "device.other-profile"),
        ("/api/context/ingest/none?device=aq-1", None, timed, 404, "device.profile-unknown"),
        ("/api/context/ingest/flat?device=zz", None, timed, 404, "device.unknown"),
        (path, None, timed, 400, "device.missing"),
        (path, own, "[]", 422, "device.payload.empty"),
        (path, own, r#"{"other":1}"#, 422, "device.payload.empty"),
    ] {
        let (got, answer) = post(&rig, path, device, &[], body).await;
        assert_eq!((got.as_u16(), answer["code"].as_str()), (status, Some(code)), "{path} {body}");
    }
    // A restart forgets nothing of what HTTP must not store twice.
    let mut rig = rig;
    rig.restart().await;
    assert_eq!(post(&rig, path, own, &[], timed).await.1["duplicate"], true);
}

#[tokio::test]
async fn the_device_routes() {
    let rig = Rig::new().await;
    let json = |text: &str| Body::from(text.to_string());
    let body = r#"{"id":"aq-7","name":"Trạm 7","profile":"flat","location":{"lon":106.3,"lat":20.4}}"#;
    let (status, made) = send(&rig, rig.system(), Request::post("/api/context/devices").body(json(body)).unwrap()).await;
    assert_eq!((status, made["device"]["state"].as_str()), (StatusCode::CREATED, Some("never")));
    assert_eq!(made["secret"].as_str().unwrap().len(), 32);
    let (status, again) = send(&rig, rig.system(), Request::post("/api/context/devices").body(json(body)).unwrap()).await;
    assert_eq!((status, again["code"].as_str()), (StatusCode::CONFLICT, Some("device.exists")));
    let (status, bad) = send(&rig, rig.system(), Request::post("/api/context/devices").body(json(r#"{"id":1}"#)).unwrap()).await;
    assert_eq!((status, bad["code"].as_str()), (StatusCode::BAD_REQUEST, Some("device.invalid")));
    let (_, list) = send(&rig, rig.system(), Request::get("/api/context/devices?q=tram").body(Body::empty()).unwrap()).await;
    assert_eq!(list["items"][0]["id"], "aq-7");
    assert!(!list.to_string().contains("secret"));
    let (_, renewed) = send(&rig, rig.system(), Request::post("/api/context/devices/aq-7/secret").body(Body::empty()).unwrap()).await;
    assert_ne!(renewed["secret"], made["secret"]);
    let (status, _) = send(&rig, rig.system(), Request::delete("/api/context/devices/aq-7").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = send(&rig, rig.system(), Request::get("/api/context/devices/aq-7").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, profiles) = send(&rig, rig.system(), Request::get("/api/context/profiles").body(Body::empty()).unwrap()).await;
    assert_eq!(profiles.as_array().unwrap().len(), 2);
}

#[test]
fn the_environment_pack_is_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/environment/context");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the pack's folder").flatten() {
        files.push((format!("context/{}", entry.file_name().to_string_lossy()), std::fs::read_to_string(entry.path()).expect("text")));
    }
    let pack = ContextPack::load(&files).expect("no faults");
    assert!(pack.types.iter().any(|t| t.kind == "AirQualityObserved" && t.attributes.iter().any(|a| a.name == "vnAqi")));
    // What profiles read is what types declare, in the same unit.
    for profile in &pack.profiles {
        let kind = pack.types.iter().find(|t| t.kind == profile.kind).unwrap_or_else(|| panic!("{} reads an unknown type", profile.name));
        for field in &profile.attributes {
            let declared = kind.attributes.iter().find(|a| a.name == field.name).unwrap_or_else(|| panic!("{}: {}", profile.name, field.name));
            assert_eq!(declared.unit, field.unit, "{}: {}", profile.name, field.name);
        }
    }
}

fn decode(profile_name: &str, payload: &str) -> Result<dothi_context::decode::Decoded, Fault> {
    let now = time::micros(1_795_222_800_000_000);
    Decoder::new(profile(profile_name)).decode(&parse(payload.as_bytes())?, &Arc::from("urn:x:e"), now)
}

#[test]
fn profiles_read_flat_and_nested_payloads() {
    let flat = decode("flat", r#"{"t":"2026-11-21T07:59:00+07:00","pm25":12.5,"pm10":null,"temperature":25,"unknown":{"a":[1]}}"#).unwrap();
    assert_eq!(flat.readings.len(), 2);
    assert!(flat.timed);
    assert!(flat.readings.iter().all(|r| r.observed_at == 1_795_222_740_000_000 && r.quality == 0));
    let nested = decode("gateway", r#"{"at":1795222740000.5,"message":{"values":[{"v":5}]}}"#).unwrap();
    assert_eq!(nested.readings[0].value, dothi_kernel::Value::Number(2.5));
    assert_eq!(nested.readings[0].observed_at, 1_795_222_740_000_500);
    // A good value beside a bad one is kept, and the fault is told.
    let half = decode("flat", r#"{"pm25":"12","pm10":7}"#).unwrap();
    assert_eq!((half.readings.len(), half.fault, half.timed), (1, Some(Fault::Value), false));
    // Messages without time keep their order and stay apart.
    let many = decode("flat", r#"[{"pm25":1},{"pm25":2},{"pm25":3}]"#).unwrap();
    let times: Vec<i64> = many.readings.iter().map(|r| r.observed_at - 1_795_222_800_000_000).collect();
    assert_eq!(times, [-2, -1, 0]);
    let thousand = format!("[{}]", vec![r#"{"pm25":1}"#; 1_001].join(","));
    assert_eq!(decode("flat", &thousand), Err(Fault::TooMany));
    assert_eq!(decode("flat", &"[".repeat(10_000)), Err(Fault::Json));
}

#[test]
fn faulty_profiles_are_told() {
    let text = r#"
[[profile]]
name = "bad name"
title = " "
type = "A"
topics = ["dev/{device}/x", "x/#", "plain", "a/x{device}"]
time = { path = "a..b" }
attributes = [{ name = "p", factor = 0 }, { name = "p", min = 2, max = 1 }]
"#;
    let faults = ContextPack::load(&[("context/x.toml".into(), text.into())]).unwrap_err();
    for part in [
        "name must be",
        "title",
        "belong to the platform",
        "not a topic pattern",
        "must hold {device}",
        "whole level",
        "not a path",
        "twice",
        "factor",
        "above max",
    ] {
        assert!(faults.iter().any(|f| f.contains(part)), "{part}: {faults:#?}");
    }
    assert!(ContextPack::load(&[("context/x.toml".into(), text.replace("name = \"bad", "colour = \"bad"))]).is_err(), "unknown fields are faults");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_payload_breaks_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200), t in "\\PC{0,30}", v in any::<f64>(), n in any::<i64>()) {
        let _refused = decode("flat", &String::from_utf8_lossy(&bytes));
        let number = if v.is_finite() { json!(v) } else { json!(n) };
        for payload in [json!({"t": t, "pm25": number, "bat": n}), json!({"at": number, "message": {"values": [{"v": n}]}}), json!([{"t": n, "pm10": t}])] {
            for name in ["flat", "gateway"] {
                if let Ok(decoded) = decode(name, &payload.to_string()) {
                    for reading in decoded.readings {
                        prop_assert!(reading.value.number().is_none_or(f64::is_finite));
                        prop_assert!((reading.observed_at - 1_795_222_800_000_000).abs() <= 30 * 86_400_000_000 + 600_000_000);
                    }
                }
            }
        }
    }
}
