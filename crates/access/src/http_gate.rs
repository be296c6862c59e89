//! The layer before every route: who is asking, and did an unsafe request with a cookie carry its CSRF token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Result};

use crate::Access;
use crate::model::Credentials;

/// Name of the session cookie.
pub const COOKIE: &str = "dothi_session";

/// What the layer needs.
#[derive(Clone)]
pub struct Gate {
    /// The domain.
    pub access: Arc<Access>,
    /// Paths (`/ngsi-ld/`) on which callers on loopback without credentials are administrators; empty = nowhere.
    pub trusted_paths: Arc<[String]>,
}

/// The session's value in a `Cookie` header.
pub fn session_cookie(header: &str) -> Option<&str> {
    header.split(';').filter_map(|p| p.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

pub(crate) fn session_of(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).find_map(session_cookie).map(str::to_string)
}

fn credentials(headers: &HeaderMap) -> Credentials {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| {
        let (scheme, value) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| value.trim().to_string())
    });
    match (bearer, session_of(headers)) {
        (Some(bearer), _) => Credentials::Bearer(bearer),
        (None, Some(session)) => Credentials::Session(session),
        (None, None) => Credentials::None,
    }
}

/// Puts the [`Caller`] into the request. Use with `axum::middleware::from_fn_with_state(gate, identify)`.
///
/// A session that has ended makes the caller anonymous for safe requests (public pages stay readable) and is 401
/// `access.session-expired` for others; its cookie is taken back either way.
pub async fn identify(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let found = gate.caller(request.headers(), request.uri().path(), safe, address).await;
    let (caller, ended) = match found {
        Ok(caller) => (Ok(caller), false),
        Err(e) if e.code() == "access.session-expired" => {
            let anonymous = if safe { gate.access.authenticate(&Credentials::None, address).await } else { Err(e) };
            (anonymous, true)
        }
        Err(e) => (Err(e), false),
    };
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(e) => e.into_response(),
    };
    if ended && let Ok(value) = HeaderValue::from_str(&gate.access.cookie("", 0)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

impl Gate {
    async fn caller(&self, headers: &HeaderMap, path: &str, safe: bool, address: Option<IpAddr>) -> Result<Caller> {
        let credentials = credentials(headers);
        if matches!(credentials, Credentials::None)
            && address.is_some_and(|a| a.to_canonical().is_loopback())
            && self.trusted_paths.iter().any(|p| path.starts_with(p.as_str()))
        {
            return Ok(self.access.trusted(address));
        }
        let caller = self.access.authenticate(&credentials, address).await?;
        if let (Credentials::Session(session), false) = (&credentials, safe) {
            self.access.check_csrf(session, headers.get("x-csrf-token").and_then(|v| v.to_str().ok()))?;
        }
        Ok(caller)
    }
}

impl Access {
    /// A `Set-Cookie` value for the session; with 0 seconds it takes the cookie back.
    pub(crate) fn cookie(&self, session: &str, seconds: u64) -> String {
        let secure = if self.settings.secure_cookies { "; Secure" } else { "" };
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }
}
