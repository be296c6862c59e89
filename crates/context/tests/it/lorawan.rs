//! LoRaWAN: what network servers pass on, and the way of a maker's bytes into the city model.

use std::io::Read;

use dothi_context::lorawan::Uplink;
use serde_json::{Value, json};

use crate::rig::Rig;

#[test]
fn envelopes_of_the_networks_say_the_same() {
    let stack = json!({"end_device_ids": {"device_id": "aq-1", "dev_eui": "70B3D57ED0000001"}, "received_at": "2026-11-21T01:00:01Z",
        "uplink_message": {"f_port": 2, "frm_payload": "ARI=", "received_at": "2026-11-21T01:00:00Z", "last_battery_percentage": {"value": 50}}});
    let chirp4 =
        json!({"deviceInfo": {"devEui": "70b3d57ed0000001", "deviceName": "aq-1"}, "time": "2026-11-21T01:00:00Z", "fCnt": 1, "fPort": 2, "data": "ARI"});
    let chirp3 = json!({"devEUI": "cLPVftAAAAE=", "deviceName": "aq-1", "fPort": 2, "fCnt": 1, "data": "ARI=", "objectJSON": "{\"t\":1}", "rxInfo": [{"time": "2026-11-21T01:00:00Z"}]});
    let loriot = json!({"cmd": "gw", "EUI": "70B3D57ED0000001", "ts": 1_795_222_800_000_i64, "port": 2, "data": "0112", "bat": 127});
    let thing_park = json!({"DevEUI_uplink": {"DevEUI": "70B3D57ED0000001", "Time": "2026-11-21T08:00:00.000+07:00", "FPort": 2, "payload_hex": "0112"}});
    for message in [&stack, &chirp4, &chirp3, &loriot, &thing_park] {
        let uplink = Uplink::read(message).unwrap_or_else(|| panic!("{message}"));
        assert_eq!((uplink.eui.as_deref(), uplink.port, uplink.bytes.as_slice()), (Some("70b3d57ed0000001"), 2, [1, 0x12].as_slice()), "{message}");
        assert_eq!(uplink.received, Some(1_795_222_800_000_000), "{message}");
    }
    assert_eq!(Uplink::read(&stack).unwrap().battery, Some(0.5));
    assert_eq!(Uplink::read(&chirp3).unwrap().decoded, Some(json!({"t": 1})));
    let join = json!({"deviceInfo": {"devEui": "70b3d57ed0000001"}, "time": "2026-11-21T01:00:00Z", "devAddr": "01"});
    let command = json!({"DevEUI_downlink_Sent": {}});
    let bad = json!({"deviceInfo": {"devEui": "70b3d57ed0000001"}, "fCnt": 1, "fPort": 2, "data": "!"});
    for other in [join, command, bad, json!([]), json!(null), json!({"EUI": "x", "cmd": "gw"})] {
        assert_eq!(Uplink::read(&other), None, "{other}");
    }
}

/// Messages of real devices as six network servers send them (Apache-2.0).
#[test]
fn real_messages_of_all_networks_are_understood() {
    let archive = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets/devices-thingsboard-converters/converters.tar.zst");
    let Ok(file) = std::fs::File::open(&archive) else {
        eprintln!("skipped: {} is not there", archive.display());
        return;
    };
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(zstd::Decoder::new(file).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.contains("/uplink/") && path.ends_with(".json") && !path.ends_with("converter.json") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(path, text);
        }
    }
    let (mut understood, mut odd) = (0, Vec::new());
    for (path, text) in files.iter().filter(|(p, _)| p.rsplit('/').next().unwrap().starts_with("payload")) {
        let Some(result) = files.get(&path.replace("/payload", "/result")) else { continue };
        let message: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let Some(uplink) = Uplink::read(&message) else {
            odd.push(path.clone());
            continue;
        };
        let results: Value = serde_json::from_str(result).unwrap_or_else(|e| panic!("{path}: {e}"));
        let result = if results.is_array() { &results[0] } else { &results };
        if let Some(port) = result["attributes"]["fPort"].as_u64() {
            assert_eq!(u64::from(uplink.port), port, "{path}");
        }
        if let Some(eui) = result["attributes"]["eui"].as_str().filter(|e| e.len() == 16) {
            assert_eq!(uplink.eui.as_deref(), Some(eui.to_ascii_lowercase().as_str()), "{path}");
        }
        understood += 1;
    }
    println!("{understood} messages understood, {} of another kind", odd.len());
    // The one that is no uplink is a status report of the network.
    assert!(understood > 1_300 && odd.len() <= 1, "{understood} understood; others: {odd:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_makers_bytes_become_readings() {
    let rig = Rig::new().await;
    let codec = "function decodeUplink(input) { if (input.fPort !== 2) return { errors: ['unknown port'] };\
                 return { data: { temperature: ((input.bytes[0] << 8) | input.bytes[1]) / 100, volt: input.bytes[2] / 10 } }; }";
    rig.context.devices().set_codecs([("maker.js".to_string(), codec.to_string())]);
    let profile = json!({"name": "lora", "title": "LoRaWAN", "type": "AirQualityObserved", "lorawan": true, "codec": "maker.js", "topics": ["application/+/device/{device}/event/up"],
        "attributes": [{"name": "temperature", "unit": "CEL", "min": -20.0, "max": 60.0}, {"name": "battery", "path": "volt", "unit": "VLT"}]});
    rig.context.devices().set_profiles([serde_json::from_value(profile).unwrap()]);
    let secret = rig.device("70b3d57ed0000001", "lora").await;
    let up = |port: u8, data: &str| {
        json!({"deviceInfo": {"devEui": "70b3d57ed0000001"}, "time": "2026-11-21T00:59:00Z", "fCnt": 1, "fPort": port, "data": data}).to_string()
    };
    let post = async |body: &str| crate::devices::post(&rig, "/api/context/ingest/lora", Some(("70b3d57ed0000001", &secret)), &[], body).await;
    assert_eq!(post(&up(2, "C7gk")).await.0, 200);
    let thing = rig.context.thing(&rig.system(), "urn:ngsi-ld:AirQualityObserved:70b3d57ed0000001").unwrap();
    assert_eq!((thing.attributes["temperature"].value.clone(), thing.attributes["battery"].value.clone()), (json!(30), json!(3.6)));
    assert_eq!(thing.observed_at.unwrap().to_string(), "2026-11-21T00:59:00Z", "the network's time");
    for (body, code) in [(up(9, "C7gk"), "codec.failed"), (json!({"x": 1}).to_string(), "device.payload.envelope"), ("{".into(), "device.payload.json")] {
        let (status, answer) = post(&body).await;
        assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some(code)), "{answer}");
    }
}
