//! The router: every address of the platform, the sign-in layer in front of it, and the bounds around it.

pub mod secure;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use dothi_access::http_gate::{Gate, identify};
use dothi_kernel::{Error, Kind};
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{City, assets, health, history, live, views, wall};

const BODY: usize = 1024 * 1024;
const SLOW: Duration = Duration::from_secs(60);

/// APIs for programs, where `DOTHI_TRUST_LOOPBACK` makes a loopback caller an administrator.
const MACHINE: [&str; 7] = ["/ngsi-ld/", "/sensorthings/", "/ogc/", "/open311/", "/api/context/", "/api/dossiers", "/api/history/"];

#[derive(OpenApi)]
#[openapi(info(title = "Dothi", description = "Open smart-city platform: native API", license(name = "Apache-2.0", identifier = "Apache-2.0")))]
struct Document;

fn native(city: &Arc<City>) -> (Router, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(dothi_access::http::router(city.access.clone()))
        .merge(dothi_context::http::router(city.context.clone()))
        .merge(dothi_rules::http::router(city.rules.clone()))
        .merge(dothi_cases::http::router(city.cases.clone()))
        .merge(dothi_cases::http_forward::router(city.forwarder.clone()))
        .merge(dothi_notify::http::router(city.notify.clone()))
        .merge(dothi_dossiers::http::router(city.dossiers.clone()))
        .merge(dothi_panels::http::router(city.panels.clone()))
        .merge(dothi_traffic::http::router(city.traffic.clone()))
        .merge(dothi_video::http::router(city.video.clone()))
        .merge(dothi_incidents::http::router(city.incidents.clone()))
        .merge(dothi_oversight::http::router(city.oversight.clone()))
        .merge(dothi_oversight::http_boards::router(city.boards.clone()))
        .merge(wall::router(city.clone()))
        .merge(history::router(city.clone()))
        .merge(OpenApiRouter::new().routes(routes!(live::stream)).with_state(city.live.clone()))
        .merge(OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(views::vitals)).routes(routes!(views::packs)).with_state(city.clone()))
        .split_for_parts()
}

/// The OpenAPI document of the native API.
pub fn openapi(city: &Arc<City>) -> utoipa::openapi::OpenApi {
    native(city).1
}

/// The whole platform as one service.
pub fn router(city: Arc<City>) -> Router {
    let (native, document) = native(&city);
    let document = Arc::new(document);
    let trusted: Vec<String> = if city.settings.trust_loopback { MACHINE.iter().map(|m| (*m).to_string()).collect() } else { Vec::new() };
    let gate = Gate { access: city.access.clone(), trusted_paths: trusted.into() };
    let machine = Router::new()
        .route("/healthz", axum::routing::get(health::healthz))
        .route("/readyz", axum::routing::get(health::readyz))
        .route("/metrics", axum::routing::get(health::metrics))
        .with_state(city.clone());
    let routes = native
        .merge(dothi_context::http::sta_router(city.context.clone()))
        .merge(dothi_context::http::mqtt_router(city.mqtt.clone(), city.stopping()))
        .merge(dothi_cases::http_open311::router(city.cases.clone()))
        .merge(dothi_incidents::http::cap_router(city.incidents.clone()))
        .route("/api/openapi.json", axum::routing::get(move || async move { Json(document.as_ref().clone()) }))
        .route("/api/docs", axum::routing::get(views::api_reader))
        .merge(machine)
        .fallback(assets::serve)
        .method_not_allowed_fallback(|| async { Error::new(Kind::Method, "route.method", "This address does not take this method.") });
    let ngsi = dothi_context::http::ngsi_router(city.context.clone());
    // Around all routes together: what is put around each of them is copied and boxed anew for every request.
    let around = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(|cause: Box<dyn std::any::Any + Send>| -> Response {
            let text = cause.downcast_ref::<String>().cloned().or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_string())).unwrap_or_default();
            Error::internal("answering a request", format!("panic: {text}")).into_response()
        }))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(city.clone(), bounds))
        .layer(from_fn_with_state(gate, identify))
        .layer(from_fn_with_state(city, wall::admit))
        .layer(from_fn_with_state(ngsi, by_standard))
        .service(routes);
    Router::new().fallback_service(around)
}

/// Leads to the routes of NGSI-LD, which choose for themselves, or to all others.
async fn by_standard(State(mut ngsi): State<Router>, mut request: Request, next: Next) -> Response {
    DefaultBodyLimit::max(BODY).apply(&mut request);
    if !dothi_context::http::is_ngsi(request.uri().path()) {
        return next.run(request).await;
    }
    match ngsi.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Bounds the number and the time of requests, and keeps answers about people out of shared caches.
async fn bounds(State(city): State<Arc<City>>, request: Request, next: Next) -> Response {
    city.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path();
    if path == "/api/live" {
        return next.run(request).await;
    }
    let private = path.starts_with("/api/") || path.starts_with("/ngsi-ld/") || path.starts_with("/sensorthings/");
    let Ok(_place) = city.places.clone().try_acquire_owned() else {
        return Error::unavailable("server.busy", "The platform is busy; please try again in a moment.").retry_after(Duration::from_secs(2)).into_response();
    };
    let Ok(mut response) = tokio::time::timeout(SLOW, next.run(request)).await else {
        return Error::unavailable("server.slow", "This took too long and was stopped.").into_response();
    };
    if private && !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
