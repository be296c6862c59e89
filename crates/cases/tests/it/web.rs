//! The domain over HTTP: forms, statuses, headers.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use dothi_cases::http::router;
use dothi_kernel::Caller;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::photos::jpeg;
use crate::{App, light};

const EDGE: &str = "dothi-edge";

/// Name and bytes of a form's part.
type Part<'a> = (&'a str, &'a [u8]);

fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in parts {
        let file = if *name == "photo" { "; filename=\"a.jpg\"\r\nContent-Type: image/jpeg" } else { "" };
        out.extend_from_slice(format!("--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{EDGE}--\r\n").as_bytes());
    out
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

async fn send(app: &App, caller: Caller, mut request: Request<Body>) -> Answer {
    request.extensions_mut().insert(caller);
    let (routes, _) = router(app.cases.clone()).split_for_parts();
    let response = routes.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, 64 << 20).await.unwrap().to_vec() }
}

async fn get(app: &App, caller: Caller, path: &str) -> Answer {
    send(app, caller, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn form(app: &App, caller: Caller, path: &str, parts: &[Part<'_>]) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={EDGE}")).header("Idempotency-Key", "web-test-key-1");
    send(app, caller, request.body(multipart(parts).into()).unwrap()).await
}

async fn post(app: &App, caller: Caller, path: &str, body: Value) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    send(app, caller, request.body(body.to_string().into()).unwrap()).await
}

async fn app() -> App {
    App::new(dothi_store::testing::store(&[dothi_cases::MIGRATIONS]).await).await
}

#[tokio::test]
async fn a_report_with_photos_over_http() {
    let app = app().await;
    let report = serde_json::to_vec(&light()).unwrap();
    let photo = jpeg(30, 20);
    let made = form(&app, app.anybody(), "/api/cases", &[("report", &report), ("photo", &photo), ("photo", b"")]).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&made.body));
    let again = form(&app, app.anybody(), "/api/cases", &[("report", &report), ("photo", &photo)]).await;
    assert_eq!((again.status, again.json()), (StatusCode::CREATED, made.json()));
    let (id, code, key) =
        (made.json()["id"].as_str().unwrap().to_string(), made.json()["code"].as_str().unwrap().to_string(), made.json()["key"].as_str().unwrap().to_string());
    assert_eq!(made.json()["tracking"], format!("/t/{code}#{key}"));

    let moved = post(&app, app.centre(), &format!("/api/cases/{id}/moves/accept"), json!({ "version": 1 })).await;
    assert_eq!((moved.status, moved.json()["state"].as_str()), (StatusCode::OK, Some("assigned")));
    let stale = post(&app, app.officer("canbo", "ubnd-11953"), &format!("/api/cases/{id}/moves/take"), json!({ "version": 1 })).await;
    assert_eq!((stale.status, stale.json()["code"].as_str()), (StatusCode::CONFLICT, Some("case.version")));
    let unknown = post(&app, app.centre(), &format!("/api/cases/{id}/moves/fly"), json!({ "version": 2 })).await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("flow.move.unknown")));

    app.timers().await;
    let page = get(&app, app.anybody(), &format!("/api/cases/public/{code}")).await.json();
    assert!(page["timeline"].is_array() && page.get("own").is_none());
    let sha = page["photos"][0].as_str().unwrap().to_string();
    let picture = get(&app, app.anybody(), &format!("/api/cases/photos/{sha}?size=thumb")).await;
    assert_eq!((picture.status, picture.headers[header::CONTENT_TYPE].to_str().unwrap(), &picture.body[..2]), (StatusCode::OK, "image/jpeg", &b"\xff\xd8"[..]));
    let own = get(&app, app.anybody(), &format!("/api/cases/track/{code}?key={key}")).await;
    assert_eq!((own.headers[header::CACHE_CONTROL].to_str().unwrap(), own.json()["own"]["id"].as_str()), ("private, no-store", Some(id.as_str())));
    let map = get(&app, app.anybody(), "/api/cases/public.geojson?phase=open&bbox=106,20,107,21").await;
    assert_eq!(
        (map.headers[header::CONTENT_TYPE].to_str().unwrap(), map.json()["features"][0]["geometry"]["coordinates"].clone()),
        ("application/geo+json", json!([106.0512, 20.6599]))
    );
    let types = get(&app, app.anybody(), "/api/cases/types").await.json();
    assert_eq!(types[0]["kind"], "report");
    assert!(types[0]["categories"].as_array().unwrap().len() >= 14);
    let after =
        form(&app, app.officer("canbo", "ubnd-11953"), &format!("/api/cases/{id}/moves/take"), &[("move", br#"{"version":2}"#), ("photo", &photo)]).await;
    assert_eq!(after.json()["photos"].as_array().unwrap().len(), 1, "the same bytes are one photo: {}", after.json());
    for path in [
        "/api/cases?view=all&q=den",
        "/api/cases/counts",
        "/api/cases/stats?group=area",
        "/api/cases/nearby?lon=106.05&lat=20.66",
        "/api/cases/public?phase=working",
    ] {
        assert_eq!(get(&app, app.centre(), path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(post(&app, app.anybody(), &format!("/api/cases/public/{code}/follow"), json!({})).await.json(), json!({ "followers": 1 }));
}

#[tokio::test]
async fn bad_requests_get_coded_answers() {
    let app = app().await;
    let report = serde_json::to_vec(&light()).unwrap();
    let huge = vec![1u8; 26 * 1024 * 1024];
    let cases: Vec<(u16, &str, Vec<Part<'_>>)> = vec![
        (400, "case.form.part", vec![("photo", b"x")]),
        (400, "case.form.part", vec![("report", &report), ("sneaky", b"x")]),
        (400, "case.form.json", vec![("report", b"{not json")]),
        (400, "case.form.json", vec![("report", br#"{"category":"street-light","admin":true}"#)]),
        (415, "case.photo.unreadable", vec![("report", &report), ("photo", b"not a photo")]),
        (413, "case.form.too-large", vec![("report", &report), ("photo", &huge)]),
    ];
    for (status, code, parts) in cases {
        let answer = form(&app, app.anybody(), "/api/cases", &parts).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (status, Some(code)));
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    let outside = post(&app, app.anybody(), "/api/cases", json!({ "category": "street-light", "text": "x", "lon": 106.0905, "lat": 20.66 })).await;
    assert_eq!((outside.status.as_u16(), outside.json()["nearest_name"].as_str()), (422, Some("Phường Phố Hiến")));
    for (path, status) in [("/api/cases", 401), ("/api/cases/not-an-id", 404), ("/api/cases/mine", 401), ("/api/cases/public/HY-000000", 404)] {
        assert_eq!(get(&app, app.anybody(), path).await.status.as_u16(), status, "{path}");
    }
    for path in ["/api/cases/public?bbox=1,2", "/api/cases/public?phase=dreaming", "/api/cases/public?after=zzz", "/api/cases/photos/abc?size=poster"] {
        assert_eq!(get(&app, app.anybody(), path).await.status.as_u16(), 400, "{path}");
    }
    // Photos of people without the right are never read: the answer comes before the body.
    let id = app.open(light()).await.id;
    let refused = form(&app, app.officer("canbo2", "ubnd-12452"), &format!("/api/cases/{id}/moves/take"), &[("nonsense", b"x")]).await;
    assert_eq!(refused.status.as_u16(), 403);
}

#[tokio::test]
async fn uploads_beyond_the_room_are_put_off() {
    let app = app().await;
    let report = serde_json::to_vec(&light()).unwrap();
    let photo = jpeg(90, 70);
    let sends = (0..40).map(|n| {
        let (app, report, photo) = (&app, &report, &photo);
        async move {
            let request = Request::post("/api/cases").header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={EDGE}"));
            let body = multipart(&[("report", report), ("photo", photo)]);
            send(app, app.from(&format!("203.0.113.{n}")), request.body(body.into()).unwrap()).await
        }
    });
    let answers = futures::future::join_all(sends).await;
    let (made, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == StatusCode::CREATED);
    assert!(!made.is_empty() && !busy.is_empty(), "{} made, {} put off", made.len(), busy.len());
    assert!(busy.iter().all(|a| a.status == StatusCode::SERVICE_UNAVAILABLE && a.headers.contains_key(header::RETRY_AFTER)));
    // The room is free again afterwards.
    assert_eq!(form(&app, app.anybody(), "/api/cases", &[("report", &report), ("photo", &photo)]).await.status, StatusCode::CREATED);
}
