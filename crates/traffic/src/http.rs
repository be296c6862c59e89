//! Segments, incidents and travel times over HTTP, and what everybody sees.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::http::{file_too_large, malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Page, Result};
use serde_json::Value;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Traffic;
use crate::model::{Catalogue, FindQuery, Import, IncidentRow, PublicTraffic, SegmentInput, SegmentRow, SegmentView, TravelTime, VerdictInput};
use crate::pack::RouteDef;

/// Most bytes of a table.
const TABLE: usize = 8 * 1024 * 1024;
/// How long caches may keep what everybody sees.
const PUBLIC: &str = "public, max-age=30";

pub(crate) type This = State<Arc<Traffic>>;
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;
pub(crate) type Wanted<T> = Result<Query<T>, QueryRejection>;
pub(crate) type At<T> = Result<Path<T>, PathRejection>;
pub(crate) type Sent = Result<Bytes, BytesRejection>;

pub(crate) fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| unreadable(e.status(), Some(e.body_text())))
}

pub(crate) fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|e| malformed(Some(e.body_text())))
}

pub(crate) fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

pub(crate) fn sent(given: Sent, limit: usize) -> Result<Bytes> {
    given.map_err(|e| file_too_large(limit, e.body_text()))
}

/// All routes under `/api/traffic`.
pub fn router(this: Arc<Traffic>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(catalogue))
        .routes(routes!(segments, add_segment))
        .routes(routes!(segment, change_segment))
        .routes(routes!(import).layer(DefaultBodyLimit::max(TABLE)))
        .routes(routes!(map))
        .routes(routes!(incidents))
        .routes(routes!(judge))
        .routes(routes!(travel_times))
        .routes(routes!(put_route))
        .routes(routes!(ask_usual))
        .routes(routes!(public))
        .routes(routes!(feed))
        .with_state(this.clone())
        .merge(crate::http_signs::router(this.clone()))
        .merge(crate::http_roads::router(this.roads().clone()))
        .merge(crate::http_works::router(this))
}

/// Bands, classes, the library of messages, and where the rules stand.
#[utoipa::path(get, path = "/api/traffic/catalogue", tag = "traffic", operation_id = "traffic_catalogue",
    responses((status = 200, body = Catalogue), (status = 401), (status = 403)))]
async fn catalogue(State(this): This, caller: Caller) -> Result<Json<Catalogue>> {
    Ok(Json(this.catalogue(&caller)?))
}

/// Segments by code, with their present.
#[utoipa::path(get, path = "/api/traffic/segments", tag = "traffic", operation_id = "traffic_segments", params(FindQuery),
    responses((status = 200, body = Page<SegmentRow>), (status = 401), (status = 403)))]
async fn segments(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<SegmentRow>>> {
    Ok(Json(this.segments(&caller, &wanted(query)?).await?))
}

/// Hands in a segment.
#[utoipa::path(post, path = "/api/traffic/segments", tag = "traffic", operation_id = "traffic_segment_add", request_body = SegmentInput,
    responses((status = 200, body = SegmentRow), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_segment(State(this): This, caller: Caller, input: Body<SegmentInput>) -> Result<Json<SegmentRow>> {
    Ok(Json(this.put_segment(&caller, None, body(input)?).await?))
}

/// A segment with the day's course against the usual.
#[utoipa::path(get, path = "/api/traffic/segments/{id}", tag = "traffic", operation_id = "traffic_segment", params(("id" = String, Path)),
    responses((status = 200, body = SegmentView), (status = 401), (status = 403), (status = 404)))]
async fn segment(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<SegmentView>> {
    Ok(Json(this.segment(&caller, at(id)?).await?))
}

/// Changes a segment.
#[utoipa::path(put, path = "/api/traffic/segments/{id}", tag = "traffic", operation_id = "traffic_segment_change", params(("id" = String, Path)),
    request_body = SegmentInput, responses((status = 200, body = SegmentRow), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_segment(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SegmentInput>) -> Result<Json<SegmentRow>> {
    Ok(Json(this.put_segment(&caller, Some(at(id)?), body(input)?).await?))
}

/// A table (CSV) or map (GeoJSON) of segments. May be repeated.
#[utoipa::path(post, path = "/api/traffic/import", tag = "traffic", operation_id = "traffic_import",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Import), (status = 401), (status = 403), (status = 413), (status = 422)))]
async fn import(State(this): This, caller: Caller, bytes: Sent) -> Result<Json<Import>> {
    Ok(Json(this.import(&caller, &sent(bytes, TABLE)?).await?))
}

fn geojson(value: &Value, cache: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/geo+json"), (header::CACHE_CONTROL, cache)], value.to_string()).into_response()
}

/// All segments one may see as GeoJSON, with their level now.
#[utoipa::path(get, path = "/api/traffic/map", tag = "traffic", operation_id = "traffic_map",
    responses((status = 200, body = Object, content_type = "application/geo+json"), (status = 401), (status = 403), (status = 422)))]
async fn map(State(this): This, caller: Caller) -> Result<Response> {
    Ok(geojson(&this.map(&caller)?, "private, no-store"))
}

/// Incidents of one's units, newest first.
#[utoipa::path(get, path = "/api/traffic/incidents", tag = "traffic", operation_id = "traffic_incidents", params(FindQuery),
    responses((status = 200, body = Page<IncidentRow>), (status = 400), (status = 401), (status = 403)))]
async fn incidents(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<IncidentRow>>> {
    Ok(Json(this.incidents(&caller, &wanted(query)?).await?))
}

/// Says whether an incident is real.
#[utoipa::path(post, path = "/api/traffic/incidents/{id}/verdict", tag = "traffic", operation_id = "traffic_judge", params(("id" = String, Path)),
    request_body = VerdictInput, responses((status = 200, body = IncidentRow), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn judge(State(this): This, caller: Caller, id: At<Uuid>, input: Body<VerdictInput>) -> Result<Json<IncidentRow>> {
    Ok(Json(this.judge_incident(&caller, at(id)?, &body(input)?).await?))
}

/// Travel times now and usual.
#[utoipa::path(get, path = "/api/traffic/travel-times", tag = "traffic", operation_id = "traffic_travel_times",
    responses((status = 200, body = Vec<TravelTime>), (status = 401), (status = 403)))]
async fn travel_times(State(this): This, caller: Caller) -> Result<Json<Vec<TravelTime>>> {
    Ok(Json(this.travel_times(&caller).await?))
}

/// Hands in a route, new or in place of the one with its code.
#[utoipa::path(post, path = "/api/traffic/routes", tag = "traffic", operation_id = "traffic_route_put", request_body = RouteDef,
    responses((status = 204), (status = 401), (status = 403), (status = 422)))]
async fn put_route(State(this): This, caller: Caller, input: Body<RouteDef>) -> Result<StatusCode> {
    this.put_route(&caller, body(input)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks that what is usual be reckoned anew.
#[utoipa::path(post, path = "/api/traffic/usual", tag = "traffic", operation_id = "traffic_usual_ask",
    responses((status = 204), (status = 401), (status = 403)))]
async fn ask_usual(State(this): This, caller: Caller) -> Result<StatusCode> {
    this.ask_usual(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What everybody sees: slow roads, works, closures, travel times.
#[utoipa::path(get, path = "/api/traffic/public", tag = "traffic", operation_id = "traffic_public", responses((status = 200, body = PublicTraffic)))]
async fn public(State(this): This, caller: Caller) -> Result<Response> {
    Ok(([(header::CACHE_CONTROL, PUBLIC)], Json(this.public(&caller).await?)).into_response())
}

/// The same as open data: GeoJSON.
#[utoipa::path(get, path = "/api/traffic/public/feed.geojson", tag = "traffic", operation_id = "traffic_feed",
    responses((status = 200, body = Object, content_type = "application/geo+json")))]
async fn feed(State(this): This, caller: Caller) -> Result<Response> {
    Ok(geojson(&this.feed(&caller).await?, PUBLIC))
}
