//! Which tenant a request is for (`NGSILD-Tenant`; CIM 009, 6.3.14). Each tenant has a router over its own city model;
//! this stands in front, picks one and echoes the name, so that no handler knows of tenants. A slash at the end of an
//! address is taken off here too.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Result};
use tower::{Service, ServiceBuilder};

use super::wire::{Fault, PREFIX};
use super::{known, versions};
use crate::Context;
use crate::fault::{bad, cut, invalid};

/// Header that names the tenant.
pub const HEADER: &str = "NGSILD-Tenant";

/// Addresses at which a POST creates the tenant it names (5.5.10).
const CREATING: [&str; 9] = [
    "/entities",
    "/entityOperations/create",
    "/entityOperations/upsert",
    "/temporal/entities",
    "/subscriptions",
    "/csourceRegistrations",
    "/csourceSubscriptions",
    "/jsonldContexts",
    "/snapshots",
];

struct Front {
    default: Arc<Context>,
    routers: RwLock<HashMap<String, Router>>,
    make: fn(Arc<Context>) -> Router,
}

/// Puts the choice of a tenant before the routes that `make` gives for one, which know nothing of [`PREFIX`].
pub fn in_front(default: Arc<Context>, make: fn(Arc<Context>) -> Router) -> Router {
    let routes = make(default.clone());
    let front = Arc::new(Front { default, routers: RwLock::default(), make });
    // Around all routes together: what is put around each of them is copied and boxed anew for every request.
    Router::new().fallback_service(ServiceBuilder::new().layer(from_fn_with_state(front, choose)).service(routes))
}

/// Whether an address is one of [`in_front`].
pub fn is_ngsi(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|below| below.is_empty() || below.starts_with('/')) || path == crate::federation::relay::PATH
}

/// An address below [`PREFIX`], as the routes know it.
fn below(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(PREFIX)?;
    let rest: PathAndQuery = if rest.starts_with('/') { rest.parse() } else { format!("/{rest}").parse() }.ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest);
    Uri::from_parts(parts).ok()
}

fn inside(mut request: Request) -> Request {
    if let Some(uri) = below(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// The tenant that a request names; none for the default one.
fn named(request: &Request) -> Result<Option<String>> {
    // The tenant named in a source's notification is one of the source.
    if request.uri().path() == crate::federation::relay::PATH {
        return Ok(None);
    }
    match request.headers().get(HEADER) {
        None => Ok(None),
        Some(value) => {
            let name = value.to_str().map_err(|_| bad("The tenant's name is not readable."))?.trim();
            Ok((!name.is_empty() && name != "default").then(|| name.to_string()))
        }
    }
}

/// `/entities/` is `/entities`. Addresses of contexts may end with a slash of their own.
fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    let below = path.strip_prefix(PREFIX)?;
    if below.starts_with("/jsonldContexts/") {
        return None;
    }
    match uri.query() {
        Some(query) => format!("{path}?{query}").parse().ok(),
        None => path.parse().ok(),
    }
}

async fn choose(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let echo = request.headers().get(HEADER).cloned();
    // A body whose length is not stated is not read at all (6.3.4), whatever tenant it is for.
    let writes = matches!(*request.method(), Method::POST | Method::PATCH | Method::PUT);
    if writes && !request.headers().contains_key(CONTENT_LENGTH) && request.body().size_hint().exact().is_none() {
        return StatusCode::LENGTH_REQUIRED.into_response();
    }
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let wanted = versions::Wanted::of(request.headers(), request.method(), path, request.uri().query().unwrap_or_default());
    let undefined = known::undefined(request.method(), path, request.uri().query().unwrap_or_default());
    // An address that ends where the id belongs names no entity (5.6.17.4, 5.6.18.4).
    let nameless = matches!(*request.method(), Method::PUT | Method::PATCH) && path == "/entities/";
    if nameless {
        return Fault(bad("The id of the entity is missing.")).into_response();
    }
    let mut response = match undefined.map_or_else(|| named(&request), |name| Err(invalid(format!("The parameter {:?} is not defined here.", cut(&name))))) {
        Ok(None) => match without_slash(request.uri()) {
            Some(uri) => front.anew(front.default.clone(), uri, request).await,
            None => next.run(inside(request)).await,
        },
        Ok(Some(name)) => front.serve(&name, request, next).await,
        Err(e) => Fault(e).into_response(),
    };
    if let Some(wanted) = wanted {
        response = wanted.amend(response).await;
    }
    if let Some(name) = echo.filter(|n| !HeaderValue::is_empty(n)) {
        response.headers_mut().insert(HEADER, name);
    }
    response
}

impl Front {
    async fn serve(&self, name: &str, request: Request, next: Next) -> Response {
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().trim_end_matches('/').to_string();
        let creates = request.method() == Method::POST && CREATING.contains(&path.as_str());
        let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(inside(request)).await };
        let context = match self.default.of_tenant(&caller, name, creates).await {
            Ok(context) => context,
            // Who we are does not depend on what a tenant holds.
            Err(_) if path == "/info/sourceIdentity" => return next.run(inside(request)).await,
            Err(e) => return Fault(e).into_response(),
        };
        let uri = without_slash(request.uri()).unwrap_or_else(|| request.uri().clone());
        self.anew(context, uri, request).await
    }

    /// Routes a request once more, to a tenant's routes and maybe under another address. What the first routing noted
    /// in it must go.
    async fn anew(&self, context: Arc<Context>, uri: Uri, request: Request) -> Response {
        let mut router = self.router(context);
        let (mut parts, body) = request.into_parts();
        let (caller, peer) = (parts.extensions.remove::<Caller>(), parts.extensions.remove::<ConnectInfo<SocketAddr>>());
        parts.extensions.clear();
        caller.map(|c| parts.extensions.insert(c));
        peer.map(|p| parts.extensions.insert(p));
        parts.uri = below(&uri).unwrap_or(uri);
        match router.call(Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn router(&self, context: Arc<Context>) -> Router {
        if let Some(router) = self.routers.read().unwrap_or_else(PoisonError::into_inner).get(context.tenant()) {
            return router.clone();
        }
        let name = context.tenant().to_string();
        let router = (self.make)(context);
        self.routers.write().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(router).clone()
    }
}
