//! From a reading to an incident, and what everybody hears of it.

use dothi_kernel::Permission;
use dothi_testkit::TestCity;
use serde_json::json;

use crate::walks::{LAT, LON};

#[tokio::test(flavor = "multi_thread")]
async fn air_at_its_worst_opens_an_incident_and_a_warning_reaches_everybody() {
    let city = TestCity::start().await;
    let operator = city.person("dieuhanh", &["centre-operator@ioc-33"]).await;
    let lead = city.person("truongca", &["centre-lead@ioc-33"]).await;
    let program = city.program(&[Permission::ContextWrite, Permission::ContextRead]).await;
    let urn = "urn:ngsi-ld:AirQualityObserved:test-02";
    let now = jiff::Timestamp::now();
    for hours_ago in (0..12).rev() {
        let at = (now - jiff::SignedDuration::from_hours(hours_ago)).strftime("%FT%TZ").to_string();
        let reading = json!({
            "id": urn, "type": "AirQualityObserved",
            "name": {"type": "Property", "value": "Trạm thử"},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [LON, LAT]}},
            "pm25": {"type": "Property", "value": 450.0, "unitCode": "GQ", "observedAt": at},
        });
        program.post("/ngsi-ld/v1/entityOperations/upsert?options=update", &json!([reading])).await;
    }
    let incident = city
        .until("an incident is opened by the alarm", || async {
            let page = operator.get("/api/incidents").await;
            page["items"].as_array().unwrap().iter().find(|i| i["kind"] == "air").cloned()
        })
        .await;
    let id = incident["id"].as_str().unwrap();
    let view = operator.get(&format!("/api/incidents/{id}")).await;
    assert_eq!((view["source"].as_str(), view["place"]["area"].as_str(), view["drill"].as_bool()), (Some("alarm"), Some("13225"), Some(false)));
    assert_eq!(view["links"][0]["kind"], "alarm");
    let alarm = view["links"][0]["ref"].as_str().unwrap();
    let again = operator.post("/api/incidents", &json!({"kind": "air", "alarm": alarm})).await;
    assert_eq!(again["id"], incident["id"]);
    operator.post(&format!("/api/incidents/{id}/read"), &json!({})).await;

    let words = json!({"headline": "Không khí nguy hại", "instruction": "Ở trong nhà, đóng cửa."});
    let draft = operator.post("/api/incidents/warnings", &json!({"incident": id, "vi": words, "areas": ["13225"]})).await;
    let path = format!("/api/incidents/warnings/{}/settle", draft["id"].as_str().unwrap());
    assert_eq!(operator.refused(&path, &json!({"version": 1, "approve": true})).await.0, 403);
    let nobody = city.anonymous();
    assert_eq!(nobody.get("/api/incidents/notices").await, json!([]));
    lead.post(&path, &json!({"version": 1, "approve": true})).await;
    let notices = nobody.get("/api/incidents/notices").await;
    assert_eq!(notices[0]["vi"]["headline"], "Không khí nguy hại");
    let answer = nobody.request(reqwest::Method::GET, notices[0]["cap"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/cap+xml; charset=utf-8");
    assert!(answer.text().await.unwrap().contains("<msgType>Alert</msgType>"));
    let feed = nobody.request(reqwest::Method::GET, "/cap/v1/feed.atom").send().await.unwrap().text().await.unwrap();
    assert!(feed.contains(draft["identifier"].as_str().unwrap()), "{feed}");
    // The pack of proof, as a person in charge gets it; its reading is on record.
    let zip = operator.request(reqwest::Method::GET, &format!("/api/incidents/{id}/evidence.zip")).send().await.unwrap();
    assert_eq!(zip.headers()["content-type"], "application/zip");
    assert!(zip.bytes().await.unwrap().starts_with(b"PK"));
    city.finish().await;
}
