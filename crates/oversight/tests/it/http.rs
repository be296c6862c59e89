use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use dothi_kernel::Caller;
use dothi_oversight::{MIGRATIONS, http::router};
use dothi_store::testing::store;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::World;

async fn send(w: &World, caller: Caller, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let (app, _) = router(w.oversight.clone()).split_for_parts();
    let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json").extension(caller).body(body).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_whole_life_over_http() {
    let w = World::on(store(&[MIGRATIONS]).await).await;
    let (status, sets) = send(&w, w.public(), "GET", "/api/oversight/sets", None).await;
    assert_eq!((status, sets[0]["source_act"].as_str().unwrap().starts_with("QĐ 2520")), (StatusCode::OK, true));
    let new = json!({"set": "tb-41", "indicator": "L2.N3.PN1.02", "area": "33", "period": "2026-Q4", "numerator": 8, "denominator": 10, "note": "Đợt 2"});
    let (status, value) = send(&w, w.reporter(), "POST", "/api/oversight/values", Some(new)).await;
    assert_eq!((status, &value["status"], &value["number"]), (StatusCode::CREATED, &json!("pending"), &json!(80.0)));
    let id = value["id"].as_str().unwrap();
    let (_, list) = send(&w, w.approver(), "GET", "/api/oversight/values?status=pending&limit=10", None).await;
    assert_eq!(list["items"][0]["id"], json!(id));
    let (status, problem) = send(&w, w.public(), "POST", &format!("/api/oversight/values/{id}/approve"), None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("access.sign-in-needed")));
    let (status, _) = send(&w, w.approver(), "POST", &format!("/api/oversight/values/{id}/approve"), None).await;
    assert_eq!(status, StatusCode::OK);
    let (_, card) = send(&w, w.public(), "GET", "/api/oversight/scorecard?set=tb-41&area=33&period=2026-Q4", None).await;
    assert_eq!(card["summary"], json!({"met": 1, "near": 0, "behind": 0, "no_data": 40, "total": 41, "achievement": 100.0}));
    let (status, detail) = send(&w, w.public(), "GET", "/api/oversight/indicators/tb-41/L2.N3.PN1.02?period=2026-Q4", None).await;
    assert_eq!((status, &detail["values"][0]["status"]), (StatusCode::OK, &json!("approved")));
    let (status, _) = send(&w, w.reporter(), "POST", "/api/oversight/compute", Some(json!({"set": "tb-41"}))).await;
    assert_eq!(status, StatusCode::OK);
    for (path, body, status, code) in [
        ("/api/oversight/values", json!("no object"), StatusCode::BAD_REQUEST, "request.malformed"),
        ("/api/oversight/values", json!({"set": "tb-41", "surprise": 1}), StatusCode::BAD_REQUEST, "request.malformed"),
        ("/api/oversight/values/not-an-id/approve", json!({}), StatusCode::NOT_FOUND, "request.path"),
    ] {
        let (found, problem) = send(&w, w.reporter(), "POST", path, Some(body)).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{path}");
    }
    let (status, problem) = send(&w, w.approver(), "GET", "/api/oversight/values?limit=many", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("request.malformed")));
    let (status, problem) = send(&w, w.public(), "GET", "/api/oversight/scorecard?period=soon", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("oversight.period")));
}

#[test]
fn every_route_is_described() {
    let routes = ["sets", "scorecard", "indicators/{set}/{code}", "values", "values/{id}/approve", "values/{id}/reject", "compute"];
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let w = World::on(store(&[MIGRATIONS]).await).await;
        let (_, api) = router(w.oversight.clone()).split_for_parts();
        let described: Vec<String> = api.paths.paths.keys().cloned().collect();
        for route in routes {
            assert!(described.contains(&format!("/api/oversight/{route}")), "{route} in {described:?}");
        }
    });
}
