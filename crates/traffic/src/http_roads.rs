//! Roads over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as Raw;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::{At, Body, Wanted, at, body, wanted};
use crate::roads::Roads;
use crate::roads::model::{
    ClosureInput, ClosureView, LinesQuery, MatchQuery, MatchView, ReachQuery, ReachView, RoadsState, RouteQuery, RouteView, SetInput, SetView, Slot,
    TimesInput, TimesView,
};

/// Bytes of a file of roads that is handed in here; larger ones go by the command line.
const FILE: u64 = 128 * 1024 * 1024;

type This = State<Arc<Roads>>;

/// All routes under `/api/traffic/roads`.
pub(crate) fn router(this: Arc<Roads>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(state))
        .routes(routes!(import))
        .routes(routes!(drop_set))
        .routes(routes!(route))
        .routes(routes!(reach))
        .routes(routes!(matched))
        .routes(routes!(times))
        .routes(routes!(lines))
        .routes(routes!(closures, close))
        .routes(routes!(reopen))
        .with_state(this)
}

/// Roads in force, where they are from, vehicles and owners. Public.
#[utoipa::path(get, path = "/api/traffic/roads", tag = "traffic", operation_id = "roads_state", responses((status = 200, body = RoadsState)))]
async fn state(State(this): This, caller: Caller) -> Json<RoadsState> {
    Json(this.state(&caller))
}

/// A file that is gone when nobody needs it any more.
struct Spool(PathBuf);

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.0) {
            tracing::warn!(error = %e, "a handed-in file of roads could not be removed");
        }
    }
}

/// Takes a file of roads in place of the one before: OpenStreetMap as PBF, XML or Overpass JSON, or lines as GeoJSON; at most 128 MiB.
#[utoipa::path(post, path = "/api/traffic/roads/import", tag = "traffic", operation_id = "roads_import", params(SetInput),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = SetView), (status = 400), (status = 401), (status = 403), (status = 409), (status = 413), (status = 422)))]
async fn import(State(this): This, caller: Caller, query: Wanted<SetInput>, file: Raw) -> Result<Json<SetView>> {
    caller.require(Permission::TrafficManage, Scope::ANY)?;
    let input = wanted(query)?;
    let failed = |e: std::io::Error| Error::unavailable("roads.spool", "The file cannot be kept while it is read.").because(e);
    let spool = Spool(this.spool());
    let mut kept = tokio::fs::File::create(&spool.0).await.map_err(failed)?;
    let (mut chunks, mut size) = (file.into_data_stream(), 0u64);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| Error::invalid("request.malformed", "The file did not come whole.").because(e))?;
        size += chunk.len() as u64;
        if size > FILE {
            return Err(Error::too_large("request.too-large", "The file is too large.").with("limit_bytes", FILE));
        }
        kept.write_all(&chunk).await.map_err(failed)?;
    }
    kept.flush().await.map_err(failed)?;
    Ok(Json(this.import(&caller, spool.0.clone(), input).await?))
}

/// Takes a set of roads away: `network` or `register`.
#[utoipa::path(delete, path = "/api/traffic/roads/{slot}", tag = "traffic", operation_id = "roads_drop", params(("slot" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn drop_set(State(this): This, caller: Caller, slot: At<Slot>) -> Result<StatusCode> {
    this.drop_set(&caller, at(slot)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The fastest route between two places.
#[utoipa::path(get, path = "/api/traffic/roads/route", tag = "traffic", operation_id = "roads_route", params(RouteQuery),
    responses((status = 200, body = RouteView), (status = 400), (status = 401), (status = 403), (status = 422), (status = 503)))]
async fn route(State(this): This, caller: Caller, query: Wanted<RouteQuery>) -> Result<Json<RouteView>> {
    Ok(Json(this.route(&caller, &wanted(query)?).await?))
}

/// What is reached from a place within some minutes, or from where it is.
#[utoipa::path(get, path = "/api/traffic/roads/reach", tag = "traffic", operation_id = "roads_reach", params(ReachQuery),
    responses((status = 200, body = ReachView), (status = 400), (status = 401), (status = 403), (status = 422), (status = 503)))]
async fn reach(State(this): This, caller: Caller, query: Wanted<ReachQuery>) -> Result<Json<ReachView>> {
    Ok(Json(this.reach(&caller, &wanted(query)?).await?))
}

/// Roads near a place, and whose they are.
#[utoipa::path(get, path = "/api/traffic/roads/match", tag = "traffic", operation_id = "roads_match", params(MatchQuery),
    responses((status = 200, body = MatchView), (status = 400), (status = 401), (status = 403)))]
async fn matched(State(this): This, caller: Caller, query: Wanted<MatchQuery>) -> Result<Json<MatchView>> {
    Ok(Json(this.matched(&caller, &wanted(query)?)?))
}

/// What the ways from many places to some take.
#[utoipa::path(post, path = "/api/traffic/roads/times", tag = "traffic", operation_id = "roads_times", request_body = TimesInput,
    responses((status = 200, body = TimesView), (status = 400), (status = 401), (status = 403), (status = 422), (status = 503)))]
async fn times(State(this): This, caller: Caller, input: Body<TimesInput>) -> Result<Json<TimesView>> {
    Ok(Json(this.times(&caller, body(input)?).await?))
}

/// Roads of a part of a map as GeoJSON. Public.
#[utoipa::path(get, path = "/api/traffic/roads/lines", tag = "traffic", operation_id = "roads_lines", params(LinesQuery),
    responses((status = 200, body = Object, content_type = "application/geo+json"), (status = 400)))]
async fn lines(State(this): This, caller: Caller, query: Wanted<LinesQuery>) -> Result<Response> {
    let found = this.lines(&caller, &wanted(query)?)?;
    let mut response = found.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/geo+json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

/// Closures by hand that are not over.
#[utoipa::path(get, path = "/api/traffic/roads/closures", tag = "traffic", operation_id = "roads_closures", params(PageQuery),
    responses((status = 200, body = Page<ClosureView>), (status = 401), (status = 403)))]
async fn closures(State(this): This, caller: Caller, query: Wanted<PageQuery>) -> Result<Json<Page<ClosureView>>> {
    Ok(Json(this.closures(&caller, &wanted(query)?).await?))
}

/// Closes a road.
#[utoipa::path(post, path = "/api/traffic/roads/closures", tag = "traffic", operation_id = "roads_close", request_body = ClosureInput,
    responses((status = 201, body = ClosureView), (status = 400), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn close(State(this): This, caller: Caller, input: Body<ClosureInput>) -> Result<(StatusCode, Json<ClosureView>)> {
    Ok((StatusCode::CREATED, Json(this.close(&caller, body(input)?).await?)))
}

/// Opens a road again.
#[utoipa::path(delete, path = "/api/traffic/roads/closures/{id}", tag = "traffic", operation_id = "roads_reopen", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn reopen(State(this): This, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    this.reopen(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
