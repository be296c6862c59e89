//! The native API: things as screens want them, and what the public may see.

use dothi_context::Reading;
use dothi_context::pack::ContextPack;
use dothi_kernel::{Caller, Value as Val};
use serde_json::{Value, json};

use crate::api::Api;

const PACK: &str = r#"
[[type]]
type = "Air"
name = "Trạm không khí"
name_en = "Air station"
icon = "wind"
main_attribute = "pm25"
silent_after = 3600
public = true
[[type.attribute]]
name = "pm25"
title = "Bụi PM2.5"
unit = "GQ"
unit_text = "µg/m³"
range = [0.0, 1000.0]

[[type]]
type = "Camera"
name = "Camera"
"#;

async fn city() -> Api {
    let api = Api::new().await;
    let pack = ContextPack::load(&[("context/types.toml".into(), PACK.into())]).unwrap();
    api.context.install(&api.system(), "test", pack).await.unwrap();
    api.create(&[
        json!({"id": "urn:ngsi-ld:Air:1", "type": "Air", "name": "Trạm Lê Lợi", "location": {"type": "Point", "coordinates": [106.5, 20.5]},
            "pm25": {"type": "Property", "value": 35.5, "unitCode": "GQ", "observedAt": "2026-11-21T00:30:00Z"}, "source": "Dữ liệu mở"}),
        json!({"id": "urn:ngsi-ld:Air:2", "type": "Air", "name": {"languageMap": {"vi": "Trạm Hai", "en": "Two"}}, "location": {"type": "Point", "coordinates": [105.0, 21.5]},
            "pm25": {"type": "Property", "value": 10, "observedAt": "2026-11-20T00:00:00Z"}}),
        json!({"id": "urn:ngsi-ld:Air:3", "type": "Air"}),
        json!({"id": "urn:ngsi-ld:Camera:1", "type": "Camera", "name": "Bí mật", "location": {"type": "Point", "coordinates": [106.5, 20.5]}}),
    ])
    .await;
    api
}

async fn get(api: &Api, caller: Caller, path: &str) -> (u16, Value) {
    let reply = api.send(caller, "GET", &format!("/api/context{path}"), &[], String::new()).await;
    (reply.status.as_u16(), serde_json::from_str(&reply.text).unwrap_or_default())
}

fn ids(page: &Value) -> String {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["id"].as_str().unwrap().trim_start_matches("urn:ngsi-ld:").replace("Air:", ""))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn things_in_short() {
    let api = city().await;
    let (status, thing) = get(&api, api.system(), "/things/urn:ngsi-ld:Air:1").await;
    assert_eq!(
        (status, thing),
        (
            200,
            json!({
                "id": "urn:ngsi-ld:Air:1", "type": "Air", "name": "Trạm Lê Lợi", "location": {"lon": 106.5, "lat": 20.5}, "area": "12345", "area_name": "Phường Mẫu",
                "attributes": {"pm25": {"value": 35.5, "unit": "GQ", "observed_at": "2026-11-21T00:30:00Z"}},
                "observed_at": "2026-11-21T00:30:00Z", "state": "ok", "source": "Dữ liệu mở"
            })
        )
    );
    for (query, found) in [
        ("", "1 2 3 Camera:1"),
        ("?type=Air", "1 2 3"),
        ("?q=le loi", "1"),
        ("?q=tram", "1 2"),
        ("?area=12345", "1 Camera:1"),
        ("?area=33&type=Air", "1"),
        ("?bbox=104,21,106,22", "2"),
        ("?bbox=106,20,107,21&type=Air", "1"),
        ("?limit=2", "1 2"),
        ("?limit=2&after=urn:ngsi-ld:Air:2", "3 Camera:1"),
    ] {
        let (_, page) = get(&api, api.system(), &format!("/things{}", query.replace(' ', "%20"))).await;
        assert_eq!(ids(&page), found, "{query}");
    }
    let states: Vec<Value> = get(&api, api.system(), "/things?type=Air").await.1["items"].as_array().unwrap().iter().map(|t| t["state"].clone()).collect();
    assert_eq!(states, ["ok", "silent", "unknown"]);
    assert_eq!(api.context.state_counts(&api.system()).unwrap(), (1, 1, 2));
    assert_eq!(api.context.live_areas(&api.system(), "Air").unwrap().into_iter().collect::<Vec<_>>(), ["12345"]);
    assert_eq!(get(&api, api.system(), "/things?bbox=1,2,3").await.0, 400);
}

#[tokio::test]
async fn the_public_sees_public_types_only() {
    let api = city().await;
    let nobody = || Caller::anonymous(api.test.clock.as_ref(), None);
    assert_eq!(ids(&get(&api, nobody(), "/things").await.1), "1 2 3");
    assert_eq!(ids(&get(&api, nobody(), "/things?bbox=106,20,107,21").await.1), "1");
    assert_eq!(get(&api, nobody(), "/things?type=Camera").await.1["items"], json!([]));
    assert_eq!(get(&api, nobody(), "/things/urn:ngsi-ld:Camera:1").await.0, 404);
    assert_eq!(get(&api, nobody(), "/things/urn:ngsi-ld:Camera:1/series?attribute=x").await.0, 404);
    let (_, map) = get(&api, nobody(), "/map").await;
    assert_eq!(map["features"].as_array().unwrap().len(), 2);
    assert_eq!(map["features"][0]["properties"], json!({"id": "urn:ngsi-ld:Air:1", "type": "Air", "name": "Trạm Lê Lợi", "state": "ok", "value": 35.5}));
    let (_, types) = get(&api, nobody(), "/types").await;
    assert_eq!((types.as_array().unwrap().len(), &types[0]["count"], &types[0]["attributes"][0]["unit_text"]), (1, &json!(3), &json!("µg/m³")));
    assert_eq!(get(&api, api.system(), "/types").await.1.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn series_come_from_history() {
    let api = city().await;
    let (status, series) = get(&api, api.system(), "/things/urn:ngsi-ld:Air:1/series?attribute=pm25&from=2026-11-21T00:00:00Z&to=2026-11-21T01:00:00Z").await;
    assert_eq!((status, &series["unit"], series["points"].as_array().unwrap().len()), (200, &json!("GQ"), 1));
    for wrong in ["from=x", "from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z", "bucket=0"] {
        assert_eq!(get(&api, api.system(), &format!("/things/urn:ngsi-ld:Air:1/series?attribute=pm25&{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn readings_meet_the_entity_that_a_context_named_differently() {
    let api = city().await;
    let body = json!({"id": "urn:ngsi-ld:Air:9", "type": "https://models.example/Air", "https://models.example/pm25": {"type": "Property", "value": 1, "observedAt": "2026-11-21T00:00:00Z"}});
    api.create(&[body]).await;
    let reading = Reading {
        entity: "urn:ngsi-ld:Air:9".into(),
        kind: "Air".into(),
        attribute: "pm25".into(),
        value: Val::Number(2.0),
        unit: None,
        observed_at: api.system().now.as_microsecond(),
        quality: 1,
        location: None,
    };
    api.context.ingest(&api.system(), vec![reading]).await.unwrap();
    let (_, thing) = get(&api, api.system(), "/things/urn:ngsi-ld:Air:9").await;
    assert_eq!(thing["attributes"], json!({"pm25": {"value": 2, "observed_at": "2026-11-21T01:00:00Z", "quality": 1}}));
    assert_eq!(ids(&get(&api, api.system(), "/things?type=Air").await.1), "1 2 3 9");
}

#[tokio::test]
async fn a_packs_names_are_a_context() {
    let api = Api::new().await;
    let text = "[[type]]\ntype = \"Air\"\niri = \"https://models.example/Air\"\nname = \"Khí\"\n[[type.attribute]]\nname = \"pm\"\niri = \"https://models.example/pm\"";
    let pack = ContextPack::load(&[("context/a.toml".into(), text.into())]).unwrap();
    api.context.install(&api.system(), "env", pack).await.unwrap();
    assert_eq!(api.get("/jsonldContexts/env").await.json(), json!({"@context": {"Air": "https://models.example/Air", "pm": "https://models.example/pm"}}));
    let link = "<http://any.host/ngsi-ld/v1/jsonldContexts/env>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";
    let body = json!({"id": "urn:a:1", "type": "Air", "pm": 1}).to_string();
    let made = api.send(api.system(), "POST", "/ngsi-ld/v1/entities", &[("content-type", "application/json"), ("link", link)], body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        api.get("/entities?type=https://models.example/Air&options=keyValues").await.json(),
        json!([{"id": "urn:a:1", "type": "https://models.example/Air", "https://models.example/pm": 1}])
    );
}

#[test]
fn faulty_packs_are_told_all_their_faults() {
    let load = |text: &str| ContextPack::load(&[("context/a.toml".into(), text.into())]).unwrap_err().join("\n");
    let faults = load(
        "[[type]]\ntype = \"A b\"\nname = \"\"\nmain_attribute = \"x\"\nsilent_after = 0\n[[type.attribute]]\nname = \"y\"\nrange = [2.0, 1.0]\niri = \"no uri\"",
    );
    for part in ["not a usable name", "has no name", "main_attribute", "silent_after", "empty range", "not a URI"] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
    assert!(load("[[type]]\nnosuch = 1").contains("unknown field"));
    assert!(load("[[type]]\ntype = \"A\"\nname = \"A\"\n[[type]]\ntype = \"A\"\nname = \"A\"").contains("declared twice"));
}
