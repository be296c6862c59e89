//! Contexts: fetched once and kept, bounded, never from forbidden addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};

use crate::api::Api;

/// A server of contexts; it counts what is asked of `/good`.
async fn server() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let good = |State(asked): State<Arc<AtomicUsize>>| async move {
        asked.fetch_add(1, Ordering::SeqCst);
        json!({"@context": ["nested", {"brand": "x:brand"}]}).to_string()
    };
    let app = Router::new()
        .route("/good", get(good))
        .route("/nested", get(async || json!({"@context": {"x": "https://x.example/"}}).to_string()))
        .route("/circle", get(async || json!({"@context": ["circle"]}).to_string()))
        .route("/moved", get(async || (StatusCode::FOUND, [("location", "/good")]).into_response()))
        .route("/away", get(async || (StatusCode::FOUND, [("location", "http://10.0.0.1/c")]).into_response()))
        .route("/turning", get(async || (StatusCode::FOUND, [("location", "/turning")]).into_response()))
        .route("/text", get(async || "hello"))
        .route("/other", get(async || json!({"a": 1}).to_string()))
        .route("/large", get(async || "x".repeat(3_000_000)))
        .with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

fn entity(n: usize, context: Value) -> Value {
    json!({"@context": context, "id": format!("urn:v:{n}"), "type": "Vehicle", "brand": {"type": "Property", "value": "M"}})
}

#[tokio::test]
async fn a_remote_context_is_fetched_once_and_kept() {
    let ((url, asked), api) = (server().await, Api::new().await);
    let good = format!("{url}/good");
    let (one, two) = (entity(1, json!(good)), entity(2, json!([good, {"more": "https://y.example/more"}])));
    let replies = tokio::join!(api.call_ld("POST", "/entities", &one), api.call_ld("POST", "/entities", &two));
    assert_eq!((replies.0.status.as_u16(), replies.1.status.as_u16()), (201, 201), "{} {}", replies.0.text, replies.1.text);
    assert_eq!(api.call_ld("POST", "/entities", &entity(3, json!(format!("{url}/moved")))).await.status, 201);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "two at the same time share one fetch; another address is another document");
    assert_eq!(api.get("/entities/urn:v:1").await.json()["https://x.example/brand"]["value"], "M");
}

#[tokio::test]
async fn what_is_no_context_or_out_of_reach_is_told_apart() {
    let ((url, _), api) = (server().await, Api::new().await);
    let rows = [("/text", 400), ("/other", 400), ("/circle", 400), ("/none", 504), ("/away", 504), ("/turning", 504), ("/large", 504)];
    for (n, (path, status)) in rows.into_iter().enumerate() {
        let reply = api.call_ld("POST", "/entities", &entity(n, json!(format!("{url}{path}")))).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.text);
    }
    for (address, status) in
        [("http://127.0.0.1:9/c", 504), ("http://10.0.0.1/c", 504), ("http://169.254.169.254/c", 504), ("ftp://x/c", 400), ("c.jsonld", 400)]
    {
        let reply = api.call_ld("POST", "/entities", &entity(100, json!(address))).await;
        assert_eq!(reply.status.as_u16(), status, "{address}: {}", reply.text);
    }
}
