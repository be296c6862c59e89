//! From what detectors say to an alarm, and from an operator's word to a sign that answers.

use dothi_context::Reading;
use dothi_context::devices::{NewDevice, Transport};
use dothi_kernel::Value;
use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::json;

const MINUTE: i64 = 60_000_000;

fn reading(code: &str, t: i64, speed: f64) -> Reading {
    Reading {
        entity: format!("urn:ngsi-ld:TrafficFlowObserved:{code}").into(),
        kind: "TrafficFlowObserved".into(),
        attribute: "averageVehicleSpeed".into(),
        value: Value::Number(speed),
        unit: None,
        observed_at: t,
        quality: 0,
        location: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_an_alarm_and_a_sign_is_told_over_its_device() {
    let city = TestCity::start().await;
    let lead = city.person("truongca", &["centre-lead@ioc-33"]).await;
    let now = jiff::Timestamp::now().as_microsecond();
    for (n, code) in ["a", "b", "c"].iter().enumerate() {
        let (from, to) = (20.46 - 0.01 * n as f64, 20.45 - 0.01 * n as f64);
        let segment = json!({"code": code, "name": format!("Đường {code}"), "class": "primary", "unit": "ubnd-13225", "line": [[106.3, from], [106.3, to]],
            "detectors": [{"entity": format!("urn:ngsi-ld:TrafficFlowObserved:{code}")}]});
        lead.post("/api/traffic/segments", &segment).await;
        let past: Vec<Reading> = (2..5 * 7 * 48).map(|q| reading(code, now - q * 30 * MINUTE, 50.0 + (q % 3) as f64)).collect();
        for chunk in past.chunks(4_000) {
            city.city.context.ingest(&city.system(), chunk.to_vec()).await.unwrap();
        }
    }
    assert_eq!(lead.request(Method::POST, "/api/traffic/usual").send().await.unwrap().status(), 204);
    city.until("the usual is known", || async {
        let page = lead.get("/api/traffic/segments").await;
        page["items"].as_array().unwrap().iter().all(|s| s["now"]["usual_speed"].as_f64().is_some_and(|v| (v - 51.0).abs() < 2.0)).then_some(())
    })
    .await;
    let operator = city.person("dieuhanh", &["centre-operator@ioc-33"]).await;
    let secret = {
        let new = NewDevice {
            id: "bien-01".into(),
            name: "Biển thử".into(),
            profile: "dothi-sign-json".into(),
            entity: None,
            transport: Transport::Http,
            location: None,
            area: Some("13225".into()),
            groups: Vec::new(),
        };
        city.city.context.add_device(&city.system(), new).await.unwrap().secret
    };
    let sign = json!({"code": "B1", "name": "Biển thử", "device": "bien-01", "command": "show", "lines": 3, "chars": 20, "letters": "vietnamese",
        "location": {"lon": 106.3, "lat": 20.46}, "segments": ["b"], "unit": "ubnd-13225"});
    let sign = lead.post("/api/traffic/signs", &sign).await;
    // Ten minutes of a blocked road, as stored readings of the last quarter of an hour.
    for m in 0..10 {
        let t = now - (11 - m) * MINUTE;
        let batch = vec![reading("a", t, 20.0), reading("b", t, 10.0), reading("c", t, 50.0)];
        city.city.context.ingest(&city.system(), batch).await.unwrap();
    }
    let alarm = city
        .until("the incident is an alarm", || async {
            let page = operator.get("/api/rules/alarms?state=open").await;
            page["items"].as_array().unwrap().iter().find(|a| a["sector"] == "traffic").cloned()
        })
        .await;
    assert!(alarm["title"].as_str().unwrap().contains("Đường b"), "{alarm}");
    let messages = format!("/api/traffic/signs/{}/messages", sign["id"].as_str().unwrap());
    let proposed = city.until("words are proposed", || async { operator.get(&messages).await.as_array().unwrap().first().cloned() }).await;
    operator.post(&format!("/api/traffic/messages/{}/settle", proposed["id"].as_str().unwrap()), &json!({"version": 1, "approve": true})).await;
    let device = city.anonymous();
    let taken = city
        .until("the device is told", || async {
            let answer = device.request(Method::POST, "/api/context/devices/bien-01/commands/take").basic_auth("bien-01", Some(&secret)).send().await.unwrap();
            let all: Vec<serde_json::Value> = answer.json().await.unwrap();
            all.into_iter().next()
        })
        .await;
    assert!(taken.to_string().contains("Đường b"), "{taken}");
    let path = "/api/context/devices/bien-01/commands/answer";
    let answer = device.request(Method::POST, path).basic_auth("bien-01", Some(&secret)).json(&json!({"id": taken["id"]})).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    city.until("the sign says that it took them", || async {
        let signs = operator.get("/api/traffic/signs").await;
        (signs["items"][0]["order_state"] == "done").then_some(())
    })
    .await;
    let nobody = city.anonymous();
    let public = nobody.get("/api/traffic/public").await;
    assert!(public["slow"].as_array().unwrap().iter().any(|r| r["name"] == "Đường b" && r["incident"] == true), "{public}");
    let feed = nobody.request(Method::GET, "/api/traffic/public/feed.geojson").send().await.unwrap();
    assert_eq!(feed.headers()["content-type"], "application/geo+json");
    city.finish().await;
}
