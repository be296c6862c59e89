//! Over HTTP, with the gate before the routes.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use dothi_access::http_gate::{Gate, identify};
use dothi_access::{MIGRATIONS, http};
use dothi_store::testing::TestStore;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fixture::{PASSWORD, open, pack, real_files, small, staff, system};

struct App(Router);

struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl App {
    fn new(access: std::sync::Arc<dothi_access::Access>, trusted: &[&str]) -> Self {
        let gate = Gate { access: access.clone(), trusted_paths: trusted.iter().map(|s| s.to_string()).collect() };
        let (router, _) = http::router(access).split_for_parts();
        Self(router.layer(axum::middleware::from_fn_with_state(gate, identify)))
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo::<SocketAddr>("127.0.0.1:5000".parse().unwrap()));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or(Body::empty(), |b| Body::from(b.to_string()))).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    async fn sign_in(&self, login: &str) -> (String, String) {
        let answer = self.send("POST", "/api/access/sign-in", &[], Some(&json!({ "login": login, "password": PASSWORD }).to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=43200"), "{cookie}");
        (cookie.split(';').next().unwrap().to_string(), answer.body["csrf"].as_str().unwrap().to_string())
    }
}

async fn app(store: &TestStore) -> App {
    let access = small(store).await;
    staff(store, &access, "canbo", "officer", "ubnd-10001").await;
    staff(store, &access, "admin", "admin", "33").await;
    App::new(access, &[])
}

#[tokio::test]
async fn a_visit() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let app = app(&store).await;
    let me = app.get("/api/access/me").await;
    assert_eq!((me.status, &me.body["kind"], &me.body["home"]["name"]), (200, &json!("anonymous"), &json!("Tỉnh Hưng Yên")));
    let (cookie, csrf) = app.sign_in("canbo").await;
    let me = app.send("GET", "/api/access/me", &[("cookie", &cookie)], None).await;
    assert_eq!((me.body["login"].as_str(), me.body["csrf"].as_str()), (Some("canbo"), Some(csrf.as_str())));
    assert_eq!(me.body["grants"][0]["unit"], json!({ "id": "ubnd-10001", "name": "UBND xã Mới" }));
    assert_eq!(me.headers[header::CACHE_CONTROL], "no-store");
    // Signed in, an unsafe request needs the token, also this one.
    let out = app.send("POST", "/api/access/sign-out", &[("cookie", &cookie)], None).await;
    assert_eq!((out.status, &out.body["code"]), (403, &json!("access.csrf")));
    let out = app.send("POST", "/api/access/sign-out", &[("cookie", &cookie), ("x-csrf-token", &csrf)], None).await;
    assert_eq!(out.status, 204);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn an_ended_session_reads_on_but_writes_nothing() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let app = app(&store).await;
    let (cookie, csrf) = app.sign_in("canbo").await;
    store.clock.advance_seconds(13 * 3600);
    let read = app.send("GET", "/api/access/me", &[("cookie", &cookie)], None).await;
    assert_eq!((read.status, &read.body["kind"]), (200, &json!("anonymous")));
    assert!(read.headers.get_all(header::SET_COOKIE).iter().any(|c| c.to_str().unwrap().contains("Max-Age=0")));
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let write = app.send("POST", "/api/access/tokens", &headers, Some(r#"{"name":"x","permissions":["case-read"]}"#)).await;
    assert_eq!((write.status, &write.body["code"]), (401, &json!("access.session-expired")));
}

#[tokio::test]
async fn bearer_tokens_need_no_csrf() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let app = app(&store).await;
    let (cookie, csrf) = app.sign_in("admin").await;
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let made = app.send("POST", "/api/access/tokens", &headers, Some(r#"{"name":"kiem-toan","permissions":["audit-read"]}"#)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let bearer = format!("Bearer {}", made.body["secret"].as_str().unwrap());
    let log = app.send("GET", "/api/access/audit?prefix=access.&limit=3", &[("authorization", &bearer)], None).await;
    assert_eq!((log.status, log.body["items"].as_array().unwrap().len()), (200, 3));
    assert!(log.body["next"].is_string());
    let chain = app.send("GET", "/api/access/audit/verify", &[("authorization", &bearer)], None).await;
    assert_eq!((chain.status, chain.body.get("broken_at")), (200, None));
    let gone = app.send("DELETE", &format!("/api/access/tokens/{}", made.body["token"]["id"].as_str().unwrap()), &headers, None).await;
    assert_eq!(gone.status, 204);
    let refused = app.send("GET", "/api/access/audit", &[("authorization", &bearer)], None).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("access.token-invalid")));
}

#[tokio::test]
async fn bad_input_is_named_and_not_echoed() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let app = app(&store).await;
    for body in ["", "{", "[]", "null", r#"{"login":"x"}"#, r#"{"login":1,"password":"geheim"}"#, r#"{"login":"x","password":"geheim","extra":1}"#] {
        let answer = app.send("POST", "/api/access/sign-in", &[], Some(body)).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("request.malformed")), "{body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        assert!(!answer.body.to_string().contains("geheim"));
    }
    let long = json!({ "login": "x", "password": "y".repeat(300) }).to_string();
    assert_eq!(app.send("POST", "/api/access/sign-in", &[], Some(&long)).await.body["code"], "input.too-long");
    let form = app.send("POST", "/api/access/sign-in", &[("content-type", "text/plain")], None).await;
    assert_eq!((form.status, &form.body["code"]), (415, &json!("request.media-type")));
    for (path, status) in [
        ("/api/access/units?kind=planet", 400),
        ("/api/access/units?limit=-1", 400),
        ("/api/access/units?known_at=now", 400),
        ("/api/access/search?q=ba&after=x", 400),
        ("/api/access/locate?lon=x&lat=1", 400),
        ("/api/access/locate?lon=200&lat=1", 400),
        ("/api/access/locate?lon=1&lat=1", 404),
        ("/api/access/units/nothing", 404),
        ("/api/access/people", 401),
        ("/api/access/roles", 401),
        ("/api/access/tokens", 401),
        ("/api/access/audit", 401),
        ("/api/access/audit/verify", 401),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body["code"].is_string(), "{path}");
    }
    let (cookie, csrf) = app.sign_in("admin").await;
    let odd = app.send("POST", "/api/access/people/not-an-id/deactivate", &[("cookie", &cookie), ("x-csrf-token", &csrf)], None).await;
    assert_eq!((odd.status, &odd.body["code"]), (404, &json!("request.path")));
}

#[tokio::test]
async fn outlines_are_cached_by_their_tag() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = open(&store).await;
    access.install(&system(&store), "base", pack(&real_files())).await.unwrap();
    let app = App::new(access, &[]);
    let communes = app.get("/api/access/areas.geojson?parent=33").await;
    assert_eq!((communes.status, communes.body["features"].as_array().unwrap().len()), (200, 104));
    assert_eq!(communes.headers[header::CONTENT_TYPE], "application/geo+json");
    let tag = communes.headers[header::ETAG].to_str().unwrap().to_string();
    let again = app.send("GET", "/api/access/areas.geojson?parent=33", &[("if-none-match", &tag)], None).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED.as_u16());
    let provinces = app.get("/api/access/areas.geojson").await;
    assert_eq!(provinces.body["features"].as_array().unwrap().len(), 34);
    assert_ne!(provinces.headers[header::ETAG].to_str().unwrap(), tag);
    let place = app.get("/api/access/locate?lon=106.3363&lat=20.4463").await;
    assert_eq!((place.status, &place.body["province"]), (200, &json!("33")));
    let found = app.get("/api/access/search?q=thai%20binh&limit=5").await;
    assert_eq!((&found.body["items"][0]["code"], &found.body["items"][0]["current"][0]["code"]), (&json!("34"), &json!("33")));
    let days = app.get("/api/access/calendar?year=2026").await;
    assert!(days.body.as_array().unwrap().iter().any(|d| d["date"] == "2026-11-24" && d["status"] == "unconfirmed" && d["counts"] == false));
}

#[tokio::test]
async fn loopback_is_trusted_only_where_told() {
    let store = dothi_store::testing::store(&[MIGRATIONS]).await;
    let access = small(&store).await;
    let trusting = App::new(access.clone(), &["/api/access/audit"]);
    assert_eq!(trusting.get("/api/access/audit").await.status, 200);
    assert_eq!(trusting.get("/api/access/people").await.status, 401);
    assert_eq!(trusting.send("GET", "/api/access/audit", &[("authorization", "Bearer x")], None).await.status, 401, "bad credentials are not overlooked");
    assert_eq!(App::new(access, &[]).get("/api/access/audit").await.status, 401);
}
