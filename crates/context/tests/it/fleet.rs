//! Credentials, groups, bulk actions and life of devices.

use axum::http::{Method, StatusCode};
use dothi_context::devices::{Devices, PeerCertificate};
use dothi_kernel::Permission;
use dothi_kernel::value::quality;
use serde_json::{Value, json};

use crate::commanding::{ask, person};
use crate::rig::{Raw, Rig, pack};

fn certificate(name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) -> rcgen::Certificate {
    let mut params = rcgen::CertificateParams::new(vec![format!("{name}.dev.example")]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_sign_devices_in() {
    let rig = Rig::new().await;
    rig.device("aq-1", "flat").await;
    rig.device("aq-2", "flat").await;
    let add = async |device: &str, body: Value| ask(&rig, rig.system(), Method::POST, &format!("/api/context/devices/{device}/credentials"), &[], body).await;
    let now = certificate("aq-1", (2026, 1, 1), (2027, 1, 1));
    let next = certificate("aq-1", (2026, 11, 1), (2028, 1, 1));
    let seen = |c: &rcgen::Certificate, trusted: bool| PeerCertificate::read(c.der(), trusted).unwrap();
    let who = |c: &PeerCertificate| rig.context.devices().authenticate_certificate(c).map(|id| id.to_string());
    assert_eq!(who(&seen(&now, true)), None, "nobody's yet");
    let (status, _, made) = add("aq-1", json!({"certificate": now.pem(), "label": "2026"})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["credential"]["value"].as_str().unwrap(), seen(&now, false).fingerprint);
    assert_eq!(made["credential"]["valid_to"], "2027-01-01T00:00:00Z", "its validity is taken from it");
    assert_eq!(who(&seen(&now, false)).as_deref(), Some("aq-1"), "a fingerprint needs no authority");
    assert_eq!(add("aq-2", json!({"certificate": now.pem()})).await.2["code"], "device.credential.taken");
    // Rotation: both hold, then the old one is taken away.
    let colons: String =
        seen(&next, false).fingerprint.to_uppercase().as_bytes().chunks(2).map(|b| std::str::from_utf8(b).unwrap()).collect::<Vec<_>>().join(":");
    assert_eq!(add("aq-1", json!({"fingerprint": colons})).await.0, StatusCode::CREATED);
    assert_eq!((who(&seen(&now, false)), who(&seen(&next, false))), (Some("aq-1".into()), Some("aq-1".into())));
    let drop = format!("/api/context/devices/aq-1/credentials/{}", made["credential"]["id"].as_str().unwrap());
    assert_eq!(ask(&rig, rig.system(), Method::DELETE, &drop, &[], Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!((who(&seen(&now, true)), who(&seen(&next, false))), (None, Some("aq-1".into())));
    // A name counts only under an authority that was verified, and only when it names one device.
    assert_eq!(add("aq-2", json!({"name": "aq-1.dev.example"})).await.0, StatusCode::CREATED);
    assert_eq!((who(&seen(&now, false)), who(&seen(&now, true)).as_deref()), (None, Some("aq-2")));
    assert_eq!(add("aq-1", json!({"name": "aq-1"})).await.0, StatusCode::CREATED);
    assert_eq!(who(&seen(&now, true)), None, "two names of two devices");
    // All of it is there after a restart; time ends it.
    let again = Devices::open(rig.store.clone()).await.unwrap();
    again.set_profiles(pack().profiles);
    assert_eq!(again.authenticate_certificate(&seen(&next, false)).as_deref(), Some("aq-1"));
    let old = certificate("old", (2020, 1, 1), (2021, 1, 1));
    assert_eq!(add("aq-1", json!({"certificate": old.pem()})).await.2["code"], "device.credential.invalid", "it would never hold");
    assert_eq!(add("aq-1", json!({"fingerprint": seen(&old, false).fingerprint})).await.0, StatusCode::CREATED);
    assert_eq!(who(&seen(&old, false)), None, "the certificate itself is over");
    for (body, code) in [
        (json!({"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}), "device.certificate"),
        (json!({"fingerprint": "abc"}), "device.credential.invalid"),
        (json!({"fingerprint": "a".repeat(64), "name": "x"}), "device.credential.invalid"),
    ] {
        assert_eq!(add("aq-1", body.clone()).await.2["code"], code, "{body}");
    }
    rig.context.devices().remove(&rig.system(), "aq-1").await.unwrap();
    assert_eq!(who(&seen(&next, false)), None);
    assert!(PeerCertificate::read(&[0x30, 0x03, 1, 2, 3], true).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_secrets_hold_side_by_side() {
    let rig = Rig::new().await;
    let first = rig.device("aq-1", "flat").await;
    let path = "/api/context/devices/aq-1/credentials";
    let (_, _, made) = ask(&rig, rig.system(), Method::POST, path, &[], json!({"label": "mới", "valid_to": "2026-12-01T00:00:00Z"})).await;
    let second = made["secret"].as_str().unwrap().to_string();
    let stored = rig.store.rows("select value from context_credential", vec![]).await.unwrap();
    assert!(stored.len() == 1 && !stored[0].text("value").unwrap().contains(&second), "only a hash is kept");
    let hello = async |secret: &str| Raw::connect(rig.address, true, "c", true, Some(("aq-1", secret))).await;
    for secret in [&first, &second] {
        assert_eq!(hello(secret).await.1[1], 0);
    }
    let (mut connected, _) = hello(&second).await;
    let drop = format!("{path}/{}", made["credential"]["id"].as_str().unwrap());
    assert_eq!(ask(&rig, person(&rig, &[Permission::ContextRead], None), Method::DELETE, &drop, &[], Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&rig, rig.system(), Method::DELETE, &drop, &[], Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(connected.read().await.expect("a DISCONNECT").0, 0xE0, "connections end with the credential");
    assert_eq!((hello(&second).await.1[1], hello(&first).await.1[1]), (0x86, 0));
    let list = ask(&rig, rig.system(), Method::GET, path, &[], Value::Null).await.2;
    assert_eq!(list, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_filter_tell_and_guard() {
    let rig = Rig::new().await;
    for id in ["a-1", "a-2", "b-1"] {
        rig.device(id, "flat").await;
    }
    let system = || rig.system();
    let put = async |body: Value| ask(&rig, system(), Method::PUT, "/api/context/device-groups", &[], body).await;
    assert_eq!(put(json!({"path": "air/ward-1", "title": "Phường 1"})).await.2["code"], "device.group.invalid", "first the one above");
    assert_eq!(put(json!({"path": "air", "title": "Không khí"})).await.0, StatusCode::OK);
    assert_eq!(put(json!({"path": "air/ward-1", "title": "Phường 1", "unit": "ubnd-1"})).await.0, StatusCode::OK);
    assert_eq!(put(json!({"path": "Air", "title": "x"})).await.2["code"], "device.group.invalid");
    let bulk = async |caller, body: Value| ask(&rig, caller, Method::POST, "/api/context/devices-bulk", &[], body).await;
    let (status, _, done) = bulk(system(), json!({"devices": ["a-1", "a-2", "none"], "action": {"join": "air/ward-1"}})).await;
    assert_eq!((status.as_u16(), done["failed"].as_i64()), (200, Some(1)), "{done}");
    assert_eq!(done["items"][2], json!({"device": "none", "ok": false, "code": "device.unknown", "detail": "There is no such device."}));
    // Filters see the groups below, too; the overview counts.
    let list = async |query: &str| ask(&rig, system(), Method::GET, &format!("/api/context/devices{query}"), &[], Value::Null).await.2["items"].clone();
    assert_eq!(list("?group=air").await.as_array().unwrap().len(), 2);
    assert_eq!(list("?group=ai").await, json!([]));
    let (_, _, life) = ask(&rig, system(), Method::GET, "/api/context/device-groups", &[], Value::Null).await;
    assert_eq!((&life["items"][0]["path"], &life["items"][0]["devices"], &life["items"][0]["never"]), (&json!("air"), &json!(2), &json!(2)));
    // A group of an organisation is touched by its own people only.
    let (own, other) = (person(&rig, &[Permission::DeviceManage], Some("ubnd-1")), person(&rig, &[Permission::DeviceManage], Some("ubnd-2")));
    let rename = json!({"name": "Trạm mới"});
    for (caller, device, status) in [(&other, "a-1", 403), (&own, "a-1", 200), (&other, "b-1", 200)] {
        let path = format!("/api/context/devices/{device}");
        assert_eq!(ask(&rig, caller.clone(), Method::PATCH, &path, &[], rename.clone()).await.0.as_u16(), status, "{device}");
    }
    let (_, _, refused) = bulk(other.clone(), json!({"devices": ["b-1"], "action": {"join": "air/ward-1"}})).await;
    assert_eq!(refused["items"][0]["code"], "access.not-allowed", "nor is anything put into it");
    assert_eq!(ask(&rig, other, Method::DELETE, "/api/context/device-groups/air%2Fward-1", &[], Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&rig, system(), Method::DELETE, "/api/context/device-groups/air", &[], Value::Null).await.2["code"], "device.group.in-use");
    // All of it outlives the process.
    let again = Devices::open(rig.store.clone()).await.unwrap();
    again.set_profiles(pack().profiles);
    let device = again.get(&rig.system(), "a-1").unwrap();
    assert_eq!((device.name.as_str(), device.groups), ("Trạm mới", vec!["air/ward-1".to_string()]));
    assert_eq!(bulk(system(), json!({"group": "air", "action": "remove"})).await.2["failed"], 0);
    assert_eq!(ask(&rig, system(), Method::DELETE, "/api/context/device-groups/air%2Fward-1", &[], Value::Null).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_impossible_and_too_fast_values_are_marked_at_the_door() {
    let rig = Rig::new().await;
    let profile = json!({"name": "judged", "title": "x", "type": "AirQualityObserved", "time": {"path": "t"}, "every_s": 60, "battery": "bat", "battery_low": 0.2,
        "attributes": [{"name": "pm25", "min": 0.0, "max": 500.0, "rate_per_s": 1.0, "stuck_after_s": 100}, {"name": "note", "kind": "text"}]});
    let replace: dothi_context::decode::DeviceProfile = serde_json::from_value(profile).unwrap();
    let mark = dothi_context::decode::DeviceProfile { name: "marked".into(), clock: dothi_context::decode::ClockPolicy::Mark, ..replace.clone() };
    rig.context.devices().set_profiles([replace, mark]);
    let secret = rig.device("d", "judged").await;
    rig.device("m", "marked").await;
    let (mut raw, _) = Raw::connect(rig.address, false, "c", true, Some(("d", &secret))).await;
    let sends = [
        ("00:00:00", "10", 0),
        ("00:01:00", "20", 0),
        ("00:02:00", "200", quality::RATE),
        ("00:03:00", "200", 0),
        ("00:03:50", "200", quality::STUCK),
        ("00:03:50", "200", quality::STUCK),
        ("00:10:00", "501", quality::RANGE | quality::GAP),
    ];
    for (i, (t, value, flags)) in sends.iter().enumerate() {
        rig.clock.advance_seconds(1);
        raw.publish("dev/d/up", &format!(r#"{{"t":"2026-11-21T{t}Z","pm25":{value},"note":"x","bat":0.1}}"#), i as u16 + 1).await;
        assert_eq!(raw.puback().await.1, 0);
        let lines = rig.history.all().await;
        let last = lines.iter().rev().find(|l| l.2 == "pm25").unwrap();
        assert_eq!(last.5, *flags, "{t} {value}");
    }
    let device = ask(&rig, rig.system(), Method::GET, "/api/context/devices/d", &[], Value::Null).await.2;
    assert_eq!((&device["flags"], &device["doubtful"], &device["battery_low"]), (&json!(33), &json!(3), &json!(true)), "{device}");
    assert_eq!((&device["series"][0]["value"], &device["series"][0]["flags"]), (&json!(501.0), &json!(33)));
    assert_eq!(ask(&rig, rig.system(), Method::GET, "/api/context/devices?doubtful=true", &[], Value::Null).await.2["items"].as_array().unwrap().len(), 1);
    let thing = rig.context.thing(&rig.system(), "urn:ngsi-ld:AirQualityObserved:d").unwrap();
    assert_eq!(thing.attributes["pm25"].quality, Some(33), "the flag stands beside the value");
    // A clock that is wrong: the offset shows; what is done with the time says the profile.
    let (mut program, _) = Raw::connect(rig.address, true, "p", true, None).await;
    for (device, kept) in [("d", false), ("m", true)] {
        rig.clock.advance_seconds(1);
        program.publish(&format!("dev/{device}/up"), r#"{"t":"2026-11-21T03:00:00Z","pm25":30}"#, 1).await;
        assert_eq!(program.puback().await.1, 0);
        let entity = format!("urn:ngsi-ld:AirQualityObserved:{device}");
        let last = rig.history.all().await.into_iter().rfind(|l| l.0 == entity).unwrap();
        assert_eq!(last.5 & quality::CLOCK, quality::CLOCK);
        assert_eq!(dothi_kernel::time::micros(last.3).to_string().starts_with("2026-11-21T03:00"), kept, "{device}");
        let offset = rig.context.devices().get(&rig.system(), device).unwrap().clock_offset_s.unwrap();
        assert!((7_000.0..7_300.0).contains(&offset), "{offset}");
    }
}
