//! The live map over HTTP: who sees which layer, versions, and past values against a slow reckoner.

use std::collections::BTreeMap;

use dothi_context::Reading;
use dothi_context::map::{PastQuery, Sent};
use dothi_context::pack::ContextPack;
use dothi_kernel::{Caller, Value as Val};
use serde_json::{Value, json};

use crate::api::Api;

const PACK: &str = r##"
[[type]]
type = "Lamp"
name = "Đèn đường"
public = true
silent_after = 600
main_attribute = "power"
[[type.attribute]]
name = "power"
unit_text = "W"

[[type]]
type = "Pump"
name = "Trạm bơm"

[[layer]]
code = "lamps"
name = "Đèn đường"
types = ["Lamp"]
attribute = "power"
digits = 1
stands = 180
[[layer.level]]
from = 0
colour = "#00FF00"
mark = "1"
title = "Thấp"

[[layer]]
code = "roads"
name = "Đường"
feed = "/api/traffic/none"
"##;

async fn city() -> Api {
    let api = Api::new().await;
    let pack = ContextPack::load(&[("context/types.toml".into(), PACK.into())]).unwrap();
    api.context.install(&api.system(), "test", pack).await.unwrap();
    api.create(&[
        lamp(1, 106.5, 20.5),
        lamp(2, 106.6, 20.6),
        json!({"id": "urn:ngsi-ld:Lamp:nowhere", "type": "Lamp"}),
        json!({"id": "urn:ngsi-ld:Pump:1", "type": "Pump", "location": {"type": "Point", "coordinates": [106.5, 20.5]}}),
        json!({"id": "urn:ngsi-ld:Odd:1", "type": "Odd", "location": {"type": "Point", "coordinates": [106.5, 20.5]}}),
    ])
    .await;
    api
}

fn lamp(n: u32, lon: f64, lat: f64) -> Value {
    json!({"id": format!("urn:ngsi-ld:Lamp:{n}"), "type": "Lamp", "name": format!("Đèn số {n}"), "location": {"type": "Point", "coordinates": [lon, lat]}})
}

fn nobody(api: &Api) -> Caller {
    Caller::anonymous(api.test.clock.as_ref(), None)
}

async fn reads(api: &Api, n: u32, t: i64, value: f64) {
    let reading = Reading {
        entity: format!("urn:ngsi-ld:Lamp:{n}").into(),
        kind: "Lamp".into(),
        attribute: "power".into(),
        value: Val::Number(value),
        unit: None,
        observed_at: t,
        quality: 0,
        location: None,
    };
    api.context.ingest(&api.system(), vec![reading]).await.unwrap();
}

fn codes(api: &Api, caller: &Caller) -> Vec<(String, usize, bool)> {
    api.context.map_layers(caller).into_iter().map(|l| (l.layer.code, l.count, l.replay)).collect()
}

#[tokio::test]
async fn layers_are_those_of_the_packs_and_what_no_pack_knows() {
    let api = city().await;
    let all = [("lamps", 3, true), ("roads", 0, false), ("type-Pump", 1, false), ("other", 1, false)];
    assert_eq!(codes(&api, &api.system()), all.map(|(c, n, r)| (c.to_string(), n, r)));
    assert_eq!(codes(&api, &nobody(&api)), [("lamps".to_string(), 3, false)], "the public has public layers, and no replay");
    for (layer, status) in [("lamps", 200), ("type-Pump", 404), ("other", 404), ("roads", 404), ("none", 404)] {
        let path = format!("/api/context/map/layers/{layer}");
        assert_eq!(api.send(nobody(&api), "GET", &path, &[], String::new()).await.status, status, "{layer}");
    }
    for path in ["/at?time=2026-11-21T00:00:00Z", "/between?from=2026-11-21T00:00:00Z&to=2026-11-21T01:00:00Z"] {
        let path = format!("/api/context/map/layers/lamps{path}");
        assert_eq!(api.send(nobody(&api), "GET", &path, &[], String::new()).await.status, 401, "{path}");
        assert_eq!(api.send(api.system(), "GET", &path, &[], String::new()).await.status, 200, "{path}");
    }
    for wrong in
        ["/at?time=x", "/between?from=2026-11-21T01:00:00Z&to=2026-11-21T01:00:00Z", "/between?from=2026-11-01T01:00:00Z&to=2026-11-21T01:00:00Z", "?since=1"]
    {
        assert_eq!(api.send(api.system(), "GET", &format!("/api/context/map/layers/lamps{wrong}"), &[], String::new()).await.status, 400, "{wrong}");
    }
    let wanted = json!({"ids": ["urn:ngsi-ld:Lamp:2", "urn:ngsi-ld:Pump:1", "urn:none"]}).to_string();
    let names = api.send(nobody(&api), "POST", "/api/context/map/names", &[("content-type", "application/json")], wanted).await;
    assert_eq!(names.json(), json!([{"id": "urn:ngsi-ld:Lamp:2", "name": "Đèn số 2", "type": "Lamp", "state": "unknown"}]));
    let many = json!({"ids": vec!["urn:x"; 201]}).to_string();
    assert_eq!(api.send(api.system(), "POST", "/api/context/map/names", &[("content-type", "application/json")], many).await.status, 400);
}

#[tokio::test]
async fn a_screen_gets_what_changed_and_no_more_than_once_a_second() {
    let api = city().await;
    let first = api.send(nobody(&api), "GET", "/api/context/map/layers/lamps", &[], String::new()).await;
    let tag = first.header("etag").to_string();
    let version = tag.trim_start_matches("W/").trim_matches('"').to_string();
    assert!(first.status == 200 && first.text.starts_with("DTM1\u{1}"), "{}", first.text);
    assert_eq!(api.send(nobody(&api), "GET", "/api/context/map/layers/lamps", &[("if-none-match", &tag)], String::new()).await.status, 304);
    let since = format!("/api/context/map/layers/lamps?since={version}");
    assert_eq!(api.send(nobody(&api), "GET", &since, &[], String::new()).await.status, 204);
    reads(&api, 1, api.system().now.as_microsecond(), 70.0).await;
    assert_eq!(api.send(nobody(&api), "GET", &since, &[], String::new()).await.status, 204, "within the second nothing is looked at again");
    api.test.clock.advance_seconds(1);
    let changed = api.send(nobody(&api), "GET", &since, &[], String::new()).await;
    assert!(changed.status == 200 && changed.text.starts_with("DTM1\u{2}"), "{}", changed.text);
    // Ten minutes later it is silent, without anything having come in.
    let after = changed.header("etag").trim_start_matches("W/").trim_matches('"').to_string();
    api.test.clock.advance_seconds(601);
    let Sent::Bytes(bytes, _) = api.context.map_sheet(&nobody(&api), "lamps", Some(&after), None).unwrap() else { panic!("it fell silent") };
    assert_eq!(bytes[4], 2);
    // A version of another sheet gets everything.
    let Sent::Bytes(bytes, at) = api.context.map_sheet(&nobody(&api), "lamps", Some("5.5"), None).unwrap() else { panic!("everything") };
    assert_eq!(bytes[4], 1);
    // Installing packs anew makes another sheet.
    let pack = ContextPack::load(&[("context/types.toml".into(), PACK.into())]).unwrap();
    api.context.install(&api.system(), "test", pack).await.unwrap();
    api.test.clock.advance_seconds(1);
    let Sent::Bytes(bytes, next) = api.context.map_sheet(&nobody(&api), "lamps", Some(&at.to_string()), None).unwrap() else { panic!("everything") };
    assert!(bytes[4] == 1 && next.epoch != at.epoch);
}

/// Reads `DTM1` frames: per frame row → number.
fn frames(bytes: &[u8]) -> (Vec<i64>, Vec<BTreeMap<usize, i64>>) {
    struct At<'a>(&'a [u8]);
    impl At<'_> {
        fn n(&mut self) -> u64 {
            let (mut n, mut shift) = (0, 0);
            loop {
                let byte = self.0[0];
                self.0 = &self.0[1..];
                n |= u64::from(byte & 127) << shift;
                if byte < 128 {
                    return n;
                }
                shift += 7;
            }
        }
        fn s(&mut self) -> i64 {
            let n = self.n();
            (n >> 1) as i64 ^ -((n & 1) as i64)
        }
    }
    assert_eq!(&bytes[..5], b"DTM1\x03");
    let mut at = At(&bytes[5..]);
    let (_epoch, _version, _digits) = (at.n(), at.n(), at.n());
    assert_eq!(at.n(), 0, "no words");
    let (rows, count) = (at.n() as usize, at.n());
    let (start, step) = (at.s(), at.s());
    let (mut last, mut standing) = (vec![0i64; rows], BTreeMap::new());
    let all = (0..count)
        .map(|_| {
            let n = at.n();
            let mut next = 0;
            let numbers: Vec<usize> = (0..n)
                .map(|_| {
                    next += at.n() as usize + 1;
                    next - 1
                })
                .collect();
            let kinds: Vec<u64> = (0..n).map(|_| at.n()).collect();
            for (row, kind) in numbers.into_iter().zip(kinds) {
                if kind == 1 {
                    last[row] += at.s();
                    standing.insert(row, last[row]);
                } else {
                    standing.remove(&row);
                }
            }
            standing.clone()
        })
        .collect();
    assert!(at.0.is_empty());
    ((0..count as i64).map(|k| start + k * step).collect(), all)
}

#[tokio::test]
async fn the_past_is_what_a_slow_reckoner_finds() {
    let api = Api::new().await;
    let pack = ContextPack::load(&[("context/types.toml".into(), PACK.into())]).unwrap();
    api.context.install(&api.system(), "test", pack).await.unwrap();
    let lamps: Vec<Value> = (1..=5).map(|n| lamp(n, 106.5, 20.5)).collect();
    api.create(&lamps).await;
    let start = api.system().now.as_microsecond();
    let mut observed: Vec<(u32, i64, f64)> = Vec::new();
    // Odd distances, gaps longer than a value stands, two within a moment, and one exactly on the edge of each.
    for (lamp, gap) in [(1u32, 37), (2, 60), (3, 200), (4, 7)] {
        for k in 0..(1_200 / gap) {
            observed.push((lamp, start + k * gap * 1_000_000, (k * 3 + i64::from(lamp)) as f64 / 2.0));
        }
    }
    for (lamp, t, value) in &observed {
        reads(&api, *lamp, *t, *value).await;
    }
    api.test.clock.advance_seconds(2_000);
    let text = |us: i64| dothi_kernel::time::micros(us).to_string();
    let reckon = |lamp: u32, at: i64| {
        let standing = observed.iter().filter(|(l, t, _)| *l == lamp && *t <= at && *t > at - 180_000_000);
        standing.max_by_key(|(_, t, _)| *t).map(|(.., v)| (v * 10.0).round() as i64)
    };
    let check = |bytes: &[u8], count: usize| {
        let (times, frames) = frames(bytes);
        assert_eq!(frames.len(), count);
        for (ms, frame) in times.iter().zip(&frames) {
            for lamp in 1..=5u32 {
                assert_eq!(frame.get(&(lamp as usize - 1)).copied(), reckon(lamp, ms * 1_000), "lamp {lamp} at {ms}");
            }
        }
    };
    let query = PastQuery { from: text(start - 60_000_000), to: text(start + 1_680_000_000), frames: Some(59) };
    check(&api.context.map_between(&api.system(), "lamps", &query).await.unwrap(), 59);
    for seconds in [-1, 0, 1, 179, 180, 181, 601, 1_500] {
        check(&api.context.map_at(&api.system(), "lamps", &text(start + seconds * 1_000_000)).await.unwrap(), 1);
    }
    let refused = api.context.map_at(&api.system(), "type-Pump", &text(start)).await.unwrap_err();
    assert_eq!(refused.code(), "map.no-past", "pumps have no value to show");
}

#[test]
fn faulty_layers_are_told_all_their_faults() {
    let text = "[[layer]]\ncode = \"A b\"\nname = \"\"\ntypes = [\"T\"]\nfeed = \"http://x\"\nsymbol = \"cat\"\ndigits = 9\n[[layer.level]]\nfrom = 2\ncolour = \"red\"\nmark = \"123\"\ntitle = \"\"\n[[layer.level]]\nfrom = 1\ncolour = \"#000000\"\nmark = \"1\"\ntitle = \"b\"";
    let faults = ContextPack::load(&[("context/a.toml".into(), text.into())]).unwrap_err().join("\n");
    for part in
        ["the code may", "no name", "either types or a feed", "below /api/", "6 digits", "the symbol is one of", "#RRGGBB", "needs a title", "ascending"]
    {
        assert!(faults.contains(part), "{part}: {faults}");
    }
}
