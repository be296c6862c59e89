//! A wall screen: comes in with a link, reads what its boards show, and nothing else.

use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_screen_reads_its_boards_and_nothing_else() {
    let city = TestCity::start().await;
    let (admin, officer) = (city.person("admin", &["admin@ubnd-33"]).await, city.person("canbo", &["officer@ubnd-13225"]).await);
    let made: Value = admin.request(Method::POST, "/api/oversight/boards").json(&json!({"template": "operations"})).send().await.unwrap().json().await.unwrap();
    let board = made["id"].as_str().unwrap().to_string();
    let new = json!({"name": "Phòng trực", "boards": [board], "days": 7});
    let refused = officer.request(Method::POST, "/api/oversight/walls").json(&new).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let wall: Value = admin.request(Method::POST, "/api/oversight/walls").json(&new).send().await.unwrap().json().await.unwrap();
    let secret = wall["secret"].as_str().unwrap();

    // The link becomes a cookie; a wrong one does not.
    let nobody = city.anonymous();
    let wrong = nobody.request(Method::POST, "/api/oversight/wall/enter").json(&json!({"secret": "x".repeat(64)})).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let entered = nobody.request(Method::POST, "/api/oversight/wall/enter").json(&json!({"secret": secret})).send().await.unwrap();
    assert_eq!(entered.status(), 200);
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().to_string();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_string();
    let asks = async |method: Method, path: &str| {
        let request = nobody.request(method, path).header("cookie", &cookie);
        request.send().await.unwrap().status().as_u16()
    };
    let shown = format!("/api/oversight/boards/{board}");
    for path in [shown.as_str(), "/api/oversight/wall", "/api/views/vitals", "/api/rules/alarms", "/api/incidents", "/api/access/me", "/api/context/things"] {
        assert_eq!(asks(Method::GET, path).await, 200, "{path}");
    }
    let live = nobody.request(Method::GET, "/api/live").header("cookie", &cookie).send().await.unwrap();
    assert_eq!(live.status(), 200);
    drop(live);
    // Lists of people's boards, other people's matters, and every change are closed to it.
    for path in ["/api/oversight/boards", "/api/oversight/walls", "/api/oversight/values", "/api/access/people", "/api/access/audit", "/api/system/health"] {
        assert_eq!(asks(Method::GET, path).await, 401, "{path}");
    }
    for (method, path) in [(Method::POST, "/api/oversight/boards"), (Method::PUT, shown.as_str()), (Method::DELETE, shown.as_str())] {
        assert!(asks(method, path).await >= 400, "{path}");
    }

    // Taken back, it is nobody at once.
    let path = format!("/api/oversight/walls/{}", wall["id"].as_str().unwrap());
    assert_eq!(admin.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(asks(Method::GET, &shown).await, 401);
    city.finish().await;
}
