//! The live map: layers, snapshots and changes, past values. `docs/features/map.md` describes the bytes.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::This;
use crate::Context;
use crate::map::{LayerView, NamedThing, NamesWanted, PastQuery, Sent};

pub(super) fn router(this: Arc<Context>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(layers)).routes(routes!(sheet)).routes(routes!(at)).routes(routes!(between)).routes(routes!(names)).with_state(this)
}

/// Layers of the map that one may see.
#[utoipa::path(get, path = "/api/context/map/layers", tag = "context", responses((status = 200, body = Vec<LayerView>)))]
async fn layers(this: This, caller: Caller) -> Json<Vec<LayerView>> {
    Json(this.map_layers(&caller))
}

/// What a screen has of the layer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Version (`epoch.version`) of the answer before; everything when left out.
    since: Option<String>,
}

fn kind() -> (header::HeaderName, &'static str) {
    (header::CONTENT_TYPE, "application/octet-stream")
}

/// All things of a layer, or what changed since a version. 204 when nothing changed, 304 when `If-None-Match` names the version.
#[utoipa::path(get, path = "/api/context/map/layers/{layer}", tag = "context", params(("layer" = String, Path), Since),
    responses((status = 200, description = "Columns of the map, version 1", content_type = "application/octet-stream"), (status = 204), (status = 304), (status = 404)))]
async fn sheet(this: This, caller: Caller, Path(layer): Path<String>, Query(query): Query<Since>, headers: HeaderMap) -> Result<Response> {
    let tag = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).map(|t| t.trim_start_matches("W/").trim_matches('"'));
    Ok(match this.map_sheet(&caller, &layer, query.since.as_deref(), tag)? {
        Sent::Same if query.since.is_some() => StatusCode::NO_CONTENT.into_response(),
        Sent::Same => StatusCode::NOT_MODIFIED.into_response(),
        Sent::Bytes(bytes, version) => {
            let around = [kind(), (header::CACHE_CONTROL, "private, no-cache"), (header::VARY, "cookie, authorization")];
            (around, [(header::ETAG, format!("W/\"{version}\""))], bytes).into_response()
        }
    })
}

/// An instant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct At {
    /// RFC 3339.
    time: String,
}

fn binary(bytes: Bytes) -> Response {
    ([kind()], bytes).into_response()
}

/// Values of a layer as they stood at an instant.
#[utoipa::path(get, path = "/api/context/map/layers/{layer}/at", tag = "context", params(("layer" = String, Path), At),
    responses((status = 200, description = "Columns of the map, version 1", content_type = "application/octet-stream"), (status = 404), (status = 422)))]
async fn at(this: This, caller: Caller, Path(layer): Path<String>, Query(query): Query<At>) -> Result<Response> {
    Ok(binary(this.map_at(&caller, &layer, &query.time).await?))
}

/// Values of a layer as they stood at several moments.
#[utoipa::path(get, path = "/api/context/map/layers/{layer}/between", tag = "context", params(("layer" = String, Path), PastQuery),
    responses((status = 200, description = "Columns of the map, version 1", content_type = "application/octet-stream"), (status = 404), (status = 422)))]
async fn between(this: This, caller: Caller, Path(layer): Path<String>, Query(query): Query<PastQuery>) -> Result<Response> {
    Ok(binary(this.map_between(&caller, &layer, &query).await?))
}

/// Names of things on the map.
#[utoipa::path(post, path = "/api/context/map/names", tag = "context", request_body = NamesWanted, responses((status = 200, body = Vec<NamedThing>)))]
async fn names(this: This, caller: Caller, Json(wanted): Json<NamesWanted>) -> Result<Json<Vec<NamedThing>>> {
    Ok(Json(this.map_names(&caller, &wanted)?))
}
