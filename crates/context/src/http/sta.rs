//! SensorThings under `/sensorthings/v1.1`: one address space with a grammar of its own, read in [`crate::sta`].

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use dothi_kernel::{Caller, Error};

use crate::Context;
use crate::sta::{Asked, answer, bad};

/// Where the API lives.
const PREFIX: &str = "/sensorthings/v1.1";
/// Bytes of a body; data arrays are the largest.
const BODY: usize = 16 * 1024 * 1024;

/// The routes, with their full paths.
pub fn router(this: Arc<Context>) -> Router {
    Router::new()
        .route(PREFIX, any(serve))
        .route("/sensorthings/v1.1/", any(serve))
        .route("/sensorthings/v1.1/{*path}", any(serve))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(this)
}

/// The address under which the client reached us. Links must lead back the same way.
fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let host = text("host").filter(|h| !h.is_empty() && h.len() <= 255 && h.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b)));
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    host.map_or_else(|| PREFIX.to_string(), |host| format!("{scheme}://{host}{PREFIX}"))
}

async fn serve(State(this): State<Arc<Context>>, request: Request) -> Result<Response, Error> {
    let caller = request.extensions().get::<Caller>().cloned().ok_or_else(|| Error::internal("finding the caller", "no caller in the request's extensions"))?;
    let (method, uri, base) = (request.method().as_str().to_string(), request.uri().clone(), base(request.headers()));
    let body = Bytes::from_request(request, &this).await.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::too_large("sta.too-large", "The body is too large.").with("limit", BODY),
        _ => bad("The body could not be read."),
    })?;
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default().to_string();
    let asked = Asked { caller, method, path, query: uri.query().unwrap_or_default().to_string(), body, base };
    let answer = answer(&this, &asked).await?;
    let mut response = (StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK), answer.body.unwrap_or_default()).into_response();
    let kind = if answer.plain { "text/plain; charset=utf-8" } else { "application/json" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(location) = answer.location.and_then(|l| HeaderValue::from_str(&l).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
