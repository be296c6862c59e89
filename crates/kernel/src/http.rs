//! How errors and callers look over HTTP, for all domains alike.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use crate::{Caller, Error, Kind};

impl IntoResponse for Error {
    /// Problem details (RFC 9457). Internal errors are logged once with an incident id; the cause stays inside.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::json!({
            "type": format!("urn:dothi:error:{}", self.code()),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": self.code(),
            "detail": self.detail(),
        });
        if self.kind() == Kind::Internal {
            let incident = uuid::Uuid::now_v7();
            tracing::error!(%incident, error = %self, "request failed");
            body["incident"] = incident.to_string().into();
        } else {
            for (key, value) in self.context() {
                body[*key] = value.as_str().into();
            }
        }
        let wait = self.wait().map(|w| w.as_secs().max(1));
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = wait.or(matches!(self.kind(), Kind::TooMany | Kind::Unavailable).then_some(1)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The server's sign-in layer puts the caller into the request's extensions; handlers take it as an argument.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Error::internal("finding the caller", "no caller in the request's extensions"))
    }
}
