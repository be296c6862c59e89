//! What follows from cameras elsewhere: alarms about their health, counts as observations.

use dothi_kernel::Event;
use dothi_testkit::TestCity;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_camera_is_an_alarm_and_what_it_counts_is_measured() {
    let city = TestCity::start().await;
    let operator = city.person("truc", &["centre-operator@ioc-33"]).await;
    let admin = city.person("quantri", &["admin@ubnd-33"]).await;
    let input = json!({"code": "N-1", "name": "Ngã tư Lý Bôn", "purpose": "order", "url": "file:none.mp4", "commune": "13225", "active": false,
        "location": {"lon": 106.3385, "lat": 20.4478}});
    let camera = admin.post("/api/video/cameras", &input).await;
    let id: uuid::Uuid = camera["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(operator.status(&format!("/api/video/cameras/{id}")).await, 200);
    let tell = async |state: &str, before: &str| {
        let mut tx = city.city.store.begin(&city.system()).await.unwrap();
        let (state, before) = (state.to_string(), before.to_string());
        tx.emit(Event::CameraHealthChanged { camera: id, state, before, area: Some("13225".into()), unit: String::new() });
        tx.commit().await.unwrap();
        city.settle().await;
    };
    let standing = async || -> Vec<(String, String)> {
        let alarms = operator.get("/api/rules/alarms").await;
        let items: Vec<&Value> = alarms["items"].as_array().unwrap().iter().filter(|a| a["entity"] == "urn:ngsi-ld:Camera:N-1").collect();
        items.iter().map(|a| (a["title"].as_str().unwrap().to_string(), a["state"].as_str().unwrap_or_default().to_string())).collect()
    };
    tell("silent", "fine").await;
    let first = standing().await;
    assert_eq!(first.iter().map(|(t, _)| t.as_str()).collect::<Vec<_>>(), ["Camera mất hình"]);
    // One fault after another: the first alarm is over, the second stands.
    tell("moved", "silent").await;
    let titles: Vec<String> = standing().await.into_iter().map(|(t, _)| t).collect();
    assert!(titles.contains(&"Camera bị xoay lệch hướng".to_string()), "{titles:?}");

    let mut tx = city.city.store.begin(&city.system()).await.unwrap();
    let counts = vec![("vehicleCount".to_string(), 12)];
    tx.emit(Event::CameraCounted { camera: id, entity: "urn:ngsi-ld:Camera:N-1".into(), counts, unit: String::new() });
    tx.commit().await.unwrap();
    city.settle().await;
    let thing = admin.get("/api/context/things/urn:ngsi-ld:Camera:N-1").await;
    assert_eq!(thing["attributes"]["vehicleCount"]["value"].as_f64(), Some(12.0), "{thing}");
    city.finish().await;
}
