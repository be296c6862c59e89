//! Answers for those who read an earlier version of the standard (`Prefer: ngsi-ld=1.5`; CIM 009, 4.3.6.8 and 6.3.6).

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::wire::Params;
use crate::versions::{Edition, OURS, minor};

/// Bytes of an answer that is amended.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The minor version of NGSI-LD 1 that the request prefers, at most ours.
pub fn preferred(headers: &HeaderMap) -> Option<u32> {
    let all = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|v| v.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("ngsi-ld") { minor(value.trim().trim_matches('"')) } else { None }
    })
}

/// What of a request says how to amend its answer.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    edition: Edition,
    /// The answer holds entities.
    entities: bool,
}

impl Wanted {
    /// What a request wants; none when it prefers no version.
    pub fn of(headers: &HeaderMap, method: &Method, path: &str, query: &str) -> Option<Self> {
        let minor = preferred(headers)?;
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let entities = match parts.as_slice() {
            ["entities"] | ["entities", _] => method == Method::GET,
            ["entityOperations", "query"] => true,
            _ => false,
        };
        let params = Params::read(query);
        let simple = |w: &str| matches!(w, "keyValues" | "simplified");
        let simplified = match params.get("format") {
            Some(format) => simple(format),
            None => params.list("options").unwrap_or_default().into_iter().any(simple),
        };
        Some(Self { edition: Edition { minor, simplified }, entities })
    }

    /// Puts the version on an answer and amends the entities in it; 203 when that changed something.
    pub async fn amend(self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Response::from_parts(parts, body);
        }
        if let Ok(applied) = HeaderValue::from_str(&format!("ngsi-ld=1.{}", self.edition.minor)) {
            parts.headers.insert("preference-applied", applied);
        }
        if !self.entities || self.edition.minor >= OURS || parts.status == StatusCode::MULTI_STATUS {
            return Response::from_parts(parts, Body::new(body));
        }
        let Ok(bytes) = to_bytes(body, MAX_ANSWER).await else {
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::empty());
        };
        let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else { return Response::from_parts(parts, Body::from(bytes)) };
        if !self.edition.amend(&mut value) {
            return Response::from_parts(parts, Body::from(bytes));
        }
        if parts.status == StatusCode::OK {
            parts.status = StatusCode::NON_AUTHORITATIVE_INFORMATION;
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(value.to_string()))
    }
}
