//! How errors and callers look over HTTP, and what a request that cannot be read is told, for all domains alike.

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

/// A body that could not be read, by the extractor's status: 413 `request.too-large`, 415 `request.media-type`, or [`malformed`].
pub fn unreadable(status: StatusCode, why: Option<String>) -> Error {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Error::too_large("request.too-large", "The request is too large."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::unsupported("request.media-type", "Send JSON with `Content-Type: application/json`."),
        _ => malformed(why),
    }
}

/// A body or query of another form. 400 `request.malformed`; `why` are the parser's words, left out where they may quote what must
/// not come back in an answer.
pub fn malformed(why: Option<String>) -> Error {
    let error = Error::invalid("request.malformed", "The request is not in the expected form.");
    match why {
        Some(why) => error.with("reason", why),
        None => error,
    }
}

/// A file with more than so many bytes. 413 `request.too-large`; `why` goes to the log.
pub fn file_too_large(limit: usize, why: impl std::fmt::Display) -> Error {
    Error::too_large("request.too-large", "The file is too large.").with("limit_bytes", limit).because(why)
}

/// A path whose parts are not what they should be (an id that is none). 404 `request.path`.
pub fn no_such_path() -> Error {
    Error::not_found("request.path", "There is no such thing.")
}
