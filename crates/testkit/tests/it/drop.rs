//! The drop folder of a running city.

use std::fs;

use dothi_testkit::TestCity;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn files_put_into_the_drop_folder_are_imported_and_moved() {
    let drop = tempfile::tempdir().unwrap();
    let city = TestCity::with(|settings| settings.import_folder = Some(drop.path().to_path_buf())).await;
    let admin = city.person("admin", &["admin@ubnd-33"]).await;
    admin.post("/api/context/devices", &json!({"id": "thu-01", "name": "Trạm thử", "profile": "dothi-json"})).await;
    let by_profile = drop.path().join("dothi-json");
    fs::create_dir(&by_profile).unwrap();
    fs::write(by_profile.join("day.csv"), "device,t,pm25\nthu-01,2026-11-01T00:00:00Z,41\nthu-09,2026-11-01T00:00:00Z,1\n").unwrap();
    fs::write(drop.path().join("parks.json"), json!([{"id": "urn:ngsi-ld:Park:1", "type": "Park"}]).to_string()).unwrap();
    fs::write(drop.path().join("odd.csv"), "a,b\n1,2\n").unwrap();
    fs::write(drop.path().join("half.csv.part"), "not yet").unwrap();
    let seen = |path: &str| drop.path().join(path).exists().then_some(());
    for path in ["dothi-json/done/day.csv", "done/parks.json", "failed/odd.csv"] {
        city.until(path, async || seen(path)).await;
    }
    let left_out = city.until("what was left out is told", async || fs::read_to_string(by_profile.join("done/day.csv.rejects.jsonl")).ok()).await;
    assert!(left_out.contains("\"line\":3") && left_out.contains("import.device"), "{left_out}");
    city.until("why it failed is told", async || seen("failed/odd.csv.rejects.jsonl")).await;
    let thing = admin.get("/api/context/things/urn:ngsi-ld:AirQualityObserved:thu-01").await;
    assert_eq!(thing["attributes"]["pm25"]["value"], 41.0);
    assert!(drop.path().join("half.csv.part").exists(), "what is still written is left alone");
    // The same over HTTP: it was taken before.
    let body = "device,t,pm25\nthu-01,2026-11-01T00:00:00Z,41\nthu-09,2026-11-01T00:00:00Z,1\n";
    let request = admin.request(reqwest::Method::POST, "/api/context/import?profile=dothi-json&device_column=device").body(body);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["records"], &answer["before"], &answer["stored"]), (&json!(2), &json!(2), &json!(0)), "{answer}");
    city.finish().await;
}
