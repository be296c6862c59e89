//! CAP 1.2 over HTTP: what was sent, for everybody.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dothi_kernel::{Caller, Error, Result};
use serde::Deserialize;

use crate::Incidents;
use crate::http::{At, This, Wanted, at, wanted};

pub(crate) fn router(this: Arc<Incidents>) -> Router {
    Router::new().route("/cap/v1/feed.atom", get(feed)).route("/cap/v1/alerts/{file}", get(alert)).with_state(this)
}

#[derive(Debug, Deserialize)]
struct FeedQuery {
    /// With exercises.
    #[serde(default)]
    exercises: bool,
}

/// Our own address as the asker sees it.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let fine = |h: &&str| h.len() <= 255 && h.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']'));
    let scheme = headers.get("x-forwarded-proto").and_then(|p| p.to_str().ok()).filter(|p| *p == "https").unwrap_or("http");
    host.filter(fine).map_or(String::new(), |h| format!("{scheme}://{h}"))
}

fn xml(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=15"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], body).into_response()
}

async fn feed(State(this): This, caller: Caller, headers: HeaderMap, query: Wanted<FeedQuery>) -> Result<Response> {
    let body = this.cap_feed(&caller, &base(&headers), wanted(query)?.exercises).await?;
    Ok(xml("application/atom+xml; charset=utf-8", body))
}

async fn alert(State(this): This, caller: Caller, path: At<String>) -> Result<Response> {
    let file = at(path)?;
    let identifier = file.strip_suffix(".xml").ok_or_else(|| Error::not_found("incidents.unknown", "There is no such thing."))?;
    Ok(xml("application/cap+xml; charset=utf-8", this.cap_alert(&caller, identifier).await?))
}
