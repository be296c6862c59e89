//! Roads handed in over HTTP serve those who send vehicles, those who route reports, and every map.

use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};

fn roads() -> Value {
    let line = |coordinates: Value, properties: Value| json!({ "type": "Feature", "geometry": { "type": "LineString", "coordinates": coordinates }, "properties": properties });
    json!({ "type": "FeatureCollection", "features": [
        line(json!([[106.30, 20.45], [106.34, 20.45]]), json!({ "name": "Đường Nam", "class": "primary", "owner": "national" })),
        line(json!([[106.30, 20.45], [106.30, 20.452]]), json!({ "name": "Ngõ Tây", "class": "residential", "owner": "commune" })),
        // Beside the scene, and over the river: no bridge leads here.
        line(json!([[106.302, 20.455], [106.31, 20.455]]), json!({ "name": "Bờ bên kia", "class": "residential" })),
        line(json!([[106.31, 20.455], [106.31, 20.48], [106.35, 20.48], [106.34, 20.45]]), json!({ "name": "Đường vòng", "class": "primary" })),
    ] })
}

#[tokio::test(flavor = "multi_thread")]
async fn roads_serve_dispatch_routing_and_maps() {
    let city = TestCity::start().await;
    let lead = city.person("truongca", &["centre-lead@ioc-33"]).await;
    let operator = city.person("dieuhanh", &["centre-operator@ioc-33"]).await;
    let engine = |code: &str, lon: f64, lat: f64| json!({ "code": code, "name": "Xe", "kind": "engine", "unit": "ioc-33", "lon": lon, "lat": lat });
    lead.post("/api/incidents/resources", &engine("BEN-KIA", 106.302, 20.4551)).await;
    lead.post("/api/incidents/resources", &engine("BEN-NAY", 106.33, 20.4501)).await;
    let incident = operator.post("/api/incidents", &json!({ "kind": "fire", "lon": 106.30, "lat": 20.4519, "call": true, "title": "Cháy nhà" })).await;
    let near = format!("/api/incidents/{}/nearest", incident["id"].as_str().unwrap());
    let told = |found: &Value| {
        found.as_array().unwrap().iter().map(|r| (r["code"].as_str().unwrap().to_string(), r["by"].as_str().unwrap().to_string())).collect::<Vec<_>>()
    };
    let guessed = told(&operator.get(&near).await);
    assert_eq!(guessed[0], ("BEN-KIA".into(), "straight-line-times-factor".into()), "without roads the one across the river looks near");
    let path = "/api/traffic/roads/import?slot=network&file=duong.geojson&source=Th%E1%BB%AD&licence=CC0&taken_on=2026-11-01";
    let refused = operator.request(Method::POST, path).body(roads().to_string()).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let taken = lead.request(Method::POST, path).body(roads().to_string()).send().await.unwrap();
    assert_eq!(taken.status(), 200, "{}", taken.text().await.unwrap());
    let found = operator.get(&near).await;
    assert_eq!(told(&found), [("BEN-NAY".to_string(), "road".to_string()), ("BEN-KIA".into(), "road".into())]);
    let route = operator.get("/api/traffic/roads/route?from=106.33,20.4501&to=106.30,20.4519&vehicle=engine").await;
    let streets: Vec<_> = route["steps"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(streets, ["Đường Nam", "Ngõ Tây"]);
    assert_eq!((route["seconds"].clone(), route["source"].as_str().unwrap()), (found[0]["seconds"].clone(), "Thử · CC0"));
    let sent = operator.post(&format!("/api/incidents/{}/dispatches", incident["id"].as_str().unwrap()), &json!({ "resource": found[0]["id"] })).await;
    assert_eq!((sent["dispatches"][0]["eta_s"].clone(), sent["dispatches"][0]["way_by"].as_str().unwrap()), (found[0]["seconds"].clone(), "road"));
    // Everybody sees the streets, and whose data they are.
    let map = city.anonymous().get("/api/traffic/roads/lines?bbox=106.29,20.44,106.36,20.49").await;
    assert_eq!((map["features"].as_array().unwrap().len(), map["source"].as_str().unwrap()), (4, "Thử"));
    assert_eq!(city.anonymous().get("/api/traffic/roads").await["network"]["licence"], "CC0");
    // A closure counts for the next question.
    lead.post("/api/traffic/roads/closures", &json!({ "line": [{ "lon": 106.32, "lat": 20.45 }], "reason": "Sập cầu", "both": true })).await;
    let now = told(&operator.get(&near).await);
    assert!(!now.contains(&("BEN-NAY".to_string(), "road".to_string())) || now[0].0 != "BEN-NAY", "{now:?}");
    city.finish().await;
}
