//! Cameras over HTTP: the registry, live pictures, the log.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dothi_kernel::http::{file_too_large, malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Page, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Video;
use crate::model::{
    Board, CameraInput, CameraRow, CameraView, Catalogue, FindQuery, Import, LogQuery, OnvifDevice, OnvifInput, ProbeInput, Probed, ReasonInput, ViewRow,
};

pub(crate) type This = State<Arc<Video>>;
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;
pub(crate) type Wanted<T> = Result<Query<T>, QueryRejection>;
pub(crate) type At<T> = Result<Path<T>, PathRejection>;

/// Most bytes of a table.
const TABLE: usize = 8 * 1024 * 1024;

pub(crate) fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| unreadable(e.status(), Some(e.body_text())))
}

pub(crate) fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|e| malformed(Some(e.body_text())))
}

pub(crate) fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

/// Bytes that stay with who asked.
pub(crate) fn kept_here(kind: &'static str, bytes: Bytes) -> Response {
    let heads = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    (heads, bytes).into_response()
}

/// All routes under `/api/video`.
pub fn router(this: Arc<Video>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(catalogue))
        .routes(routes!(board))
        .routes(routes!(cameras, add_camera))
        .routes(routes!(camera, change_camera))
        .routes(routes!(snapshot))
        .routes(routes!(drawing_board))
        .routes(routes!(confirm_view))
        .routes(routes!(log))
        .routes(routes!(probe))
        .routes(routes!(ask_device))
        .routes(routes!(import).layer(DefaultBodyLimit::max(TABLE)))
        .routes(routes!(crate::http_live::live))
        .with_state(this.clone())
        .merge(crate::http_more::router(this))
}

/// Rules, states, purposes, models.
#[utoipa::path(get, path = "/api/video/catalogue", tag = "video", operation_id = "video_catalogue",
    responses((status = 200, body = Catalogue), (status = 401), (status = 403)))]
async fn catalogue(State(this): This, caller: Caller) -> Result<Json<Catalogue>> {
    Ok(Json(this.catalogue(&caller)?))
}

/// Figures of now.
#[utoipa::path(get, path = "/api/video/board", tag = "video", operation_id = "video_board",
    responses((status = 200, body = Board), (status = 401), (status = 403)))]
async fn board(State(this): This, caller: Caller) -> Result<Json<Board>> {
    Ok(Json(this.board(&caller).await?))
}

/// Cameras of one's units, by code.
#[utoipa::path(get, path = "/api/video/cameras", tag = "video", operation_id = "video_cameras", params(FindQuery),
    responses((status = 200, body = Page<CameraRow>), (status = 400), (status = 401), (status = 403)))]
async fn cameras(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<CameraRow>>> {
    Ok(Json(this.list(&caller, &wanted(query)?)?))
}

/// Registers a camera.
#[utoipa::path(post, path = "/api/video/cameras", tag = "video", operation_id = "video_camera_add", request_body = CameraInput,
    responses((status = 200, body = CameraView), (status = 400), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_camera(State(this): This, caller: Caller, input: Body<CameraInput>) -> Result<Json<CameraView>> {
    Ok(Json(this.put(&caller, None, body(input)?).await?))
}

/// A camera.
#[utoipa::path(get, path = "/api/video/cameras/{id}", tag = "video", operation_id = "video_camera", params(("id" = String, Path)),
    responses((status = 200, body = CameraView), (status = 401), (status = 403), (status = 404)))]
async fn camera(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<CameraView>> {
    Ok(Json(this.camera(&caller, at(id)?).await?))
}

/// Changes a camera.
#[utoipa::path(put, path = "/api/video/cameras/{id}", tag = "video", operation_id = "video_camera_change", params(("id" = String, Path)),
    request_body = CameraInput,
    responses((status = 200, body = CameraView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_camera(State(this): This, caller: Caller, id: At<Uuid>, input: Body<CameraInput>) -> Result<Json<CameraView>> {
    Ok(Json(this.put(&caller, Some(at(id)?), body(input)?).await?))
}

/// The picture of now as JPEG, with a reason that is kept.
#[utoipa::path(post, path = "/api/video/cameras/{id}/snapshot", tag = "video", operation_id = "video_snapshot", params(("id" = String, Path)),
    request_body = ReasonInput,
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 401), (status = 403), (status = 404), (status = 422), (status = 503)))]
async fn snapshot(State(this): This, caller: Caller, id: At<Uuid>, input: Body<ReasonInput>) -> Result<Response> {
    let jpeg = this.snapshot(&caller, at(id)?, &body(input)?).await?;
    Ok(kept_here("image/jpeg", jpeg.into()))
}

/// The picture of now, to draw masks on; kept in the log.
#[utoipa::path(post, path = "/api/video/cameras/{id}/drawing-board", tag = "video", operation_id = "video_drawing_board", params(("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn drawing_board(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Response> {
    let jpeg = this.drawing_board(&caller, at(id)?).await?;
    Ok(kept_here("image/jpeg", jpeg.into()))
}

/// Whether the views remembered before stay.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ViewQuery {
    /// Beside those remembered before, not instead of them.
    #[serde(default)]
    beside: bool,
}

/// Says that what the camera shows now is right.
#[utoipa::path(post, path = "/api/video/cameras/{id}/view", tag = "video", operation_id = "video_confirm_view", params(("id" = String, Path), ViewQuery),
    responses((status = 200, body = CameraView), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn confirm_view(State(this): This, caller: Caller, id: At<Uuid>, query: Wanted<ViewQuery>) -> Result<Json<CameraView>> {
    Ok(Json(this.confirm_view(&caller, at(id)?, wanted(query)?.beside).await?))
}

/// Who saw what, newest first.
#[utoipa::path(get, path = "/api/video/log", tag = "video", operation_id = "video_log", params(LogQuery),
    responses((status = 200, body = Page<ViewRow>), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn log(State(this): This, caller: Caller, query: Wanted<LogQuery>) -> Result<Json<Page<ViewRow>>> {
    Ok(Json(this.log(&caller, &wanted(query)?).await?))
}

/// Looks for cameras (WS-Discovery).
#[utoipa::path(post, path = "/api/video/probe", tag = "video", operation_id = "video_probe", request_body = ProbeInput,
    responses((status = 200, body = Vec<Probed>), (status = 400), (status = 401), (status = 403), (status = 422), (status = 503)))]
async fn probe(State(this): This, caller: Caller, input: Body<ProbeInput>) -> Result<Json<Vec<Probed>>> {
    Ok(Json(this.probe(&caller, &body(input)?).await?))
}

/// Asks a device for its streams (ONVIF).
#[utoipa::path(post, path = "/api/video/device", tag = "video", operation_id = "video_device", request_body = OnvifInput,
    responses((status = 200, body = OnvifDevice), (status = 400), (status = 401), (status = 403), (status = 422)))]
async fn ask_device(State(this): This, caller: Caller, input: Body<OnvifInput>) -> Result<Json<OnvifDevice>> {
    Ok(Json(this.ask_device(&caller, &body(input)?).await?))
}

/// A table of cameras. May be repeated.
#[utoipa::path(post, path = "/api/video/import", tag = "video", operation_id = "video_import",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Import), (status = 401), (status = 403), (status = 413), (status = 422)))]
async fn import(State(this): This, caller: Caller, bytes: Result<Bytes, BytesRejection>) -> Result<Json<Import>> {
    let bytes = bytes.map_err(|e| file_too_large(TABLE, e.body_text()))?;
    Ok(Json(this.import(&caller, &bytes).await?))
}
