//! The live map through a whole city: bytes on the wire, and the past from the real lake.

use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};

/// Things on the map, and bytes of each that a snapshot may take after gzip: 50,000 are a megabyte then.
const THINGS: usize = 4_000;
const EACH: usize = 20;

fn gauge(n: usize, height: f64, at: &str) -> Value {
    let place = |k: usize| (n * k % 45_007) as f64 / 1e5;
    json!({"id": format!("urn:ngsi-ld:WaterObserved:kenh-{n:05}"), "type": "WaterObserved", "name": format!("Cống {n}"),
        "location": {"type": "Point", "coordinates": [106.0 + place(7_919), 20.3 + place(104_729)]},
        "height": {"type": "Property", "value": height, "observedAt": at}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_small_and_its_past_comes_from_the_lake() {
    let city = TestCity::start().await;
    let admin = city.person("admin", &["admin@ubnd-33"]).await;
    let data = city.program(&[dothi_kernel::Permission::ContextRead, dothi_kernel::Permission::ContextWrite]).await;
    let now = city.system().now.as_second();
    let at = |before: i64| dothi_kernel::Timestamp::from_second(now - before).unwrap().to_string();
    for (before, height) in [(900, 1.25), (300, 2.5)] {
        for from in (0..THINGS).step_by(1_000) {
            let batch: Vec<Value> = (from..from + 1_000).map(|n| gauge(n, height + (n % 100) as f64 / 100.0, &at(before))).collect();
            let done = data.request(Method::POST, "/ngsi-ld/v1/entityOperations/upsert").json(&batch).send().await.unwrap();
            assert!(done.status().is_success(), "{}", done.text().await.unwrap());
        }
    }
    let path = "/api/context/map/layers/water";
    let sheet = admin.request(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(sheet.headers()["content-encoding"], "gzip");
    assert_eq!(sheet.headers()["cache-control"], "private, no-cache");
    let bytes = sheet.bytes().await.unwrap();
    assert!(bytes.len() <= THINGS * EACH, "{} bytes for {THINGS} things", bytes.len());
    // At each of these instants every gauge has one value, or none.
    for (before, values) in [(1_000, 0), (600, THINGS), (100, THINGS)] {
        let then = admin.request(Method::GET, &format!("{path}/at?time={}", at(before))).send().await.unwrap();
        assert_eq!(then.status(), 200);
        let bytes = then.bytes().await.unwrap();
        assert_eq!((&bytes[..4], bytes[4]), (&b"DTM1"[..], 3));
        // Three bytes of a value at least, and next to nothing without values.
        assert!(if values == 0 { bytes.len() < 100 } else { bytes.len() > values * 3 }, "{before}: {} bytes", bytes.len());
    }
    assert_eq!(data.request(Method::GET, "/api/rules/alarms-then").send().await.unwrap().status(), 403);
    city.finish().await;
}
