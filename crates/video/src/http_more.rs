//! Recordings over HTTP: replays, bookmarks, holds, exports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Video;
use crate::http::{At, Body, This, Wanted, at, body, kept_here, wanted};
use crate::model::{Bookmark, BookmarkInput, Export, ExportInput, Hold, LogQuery, ReasonInput, Recordings, Replay, SettleInput, SpanInput, SpanQuery};

pub(crate) fn router(this: Arc<Video>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(recordings))
        .routes(routes!(replay))
        .routes(routes!(replayed))
        .routes(routes!(end_replay))
        .routes(routes!(bookmark))
        .routes(routes!(drop_bookmark))
        .routes(routes!(hold))
        .routes(routes!(lift))
        .routes(routes!(ask_export))
        .routes(routes!(exports))
        .routes(routes!(settle))
        .routes(routes!(exported))
        .with_state(this)
}

/// What a camera recorded.
#[utoipa::path(get, path = "/api/video/cameras/{id}/recordings", tag = "video", operation_id = "video_recordings", params(("id" = String, Path), SpanQuery),
    responses((status = 200, body = Recordings), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn recordings(State(this): This, caller: Caller, id: At<Uuid>, query: Wanted<SpanQuery>) -> Result<Json<Recordings>> {
    let span = wanted(query)?;
    Ok(Json(this.recordings(&caller, at(id)?, span.from, span.to).await?))
}

/// Opens a replay, with a reason that is kept.
#[utoipa::path(post, path = "/api/video/cameras/{id}/replays", tag = "video", operation_id = "video_replay", params(("id" = String, Path)),
    request_body = SpanInput, responses((status = 200, body = Replay), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn replay(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SpanInput>) -> Result<Json<Replay>> {
    Ok(Json(this.replay(&caller, at(id)?, &body(input)?).await?))
}

/// A file of one's own replay (fragmented MP4).
#[utoipa::path(get, path = "/api/video/replays/{replay}/{segment}", tag = "video", operation_id = "video_replayed",
    params(("replay" = String, Path), ("segment" = String, Path)),
    responses((status = 200, content_type = "video/mp4", body = Vec<u8>), (status = 401), (status = 403), (status = 404)))]
async fn replayed(State(this): This, caller: Caller, path: At<(Uuid, Uuid)>) -> Result<Response> {
    let (replay, segment) = at(path)?;
    Ok(kept_here("video/mp4", this.replayed(&caller, replay, segment).await?))
}

/// Says that one's replay ended.
#[utoipa::path(post, path = "/api/video/replays/{replay}/end", tag = "video", operation_id = "video_replay_end", params(("replay" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn end_replay(State(this): This, caller: Caller, replay: At<Uuid>) -> Result<StatusCode> {
    this.end_replay(&caller, at(replay)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a bookmark.
#[utoipa::path(post, path = "/api/video/cameras/{id}/bookmarks", tag = "video", operation_id = "video_bookmark", params(("id" = String, Path)),
    request_body = BookmarkInput, responses((status = 200, body = Bookmark), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn bookmark(State(this): This, caller: Caller, id: At<Uuid>, input: Body<BookmarkInput>) -> Result<Json<Bookmark>> {
    Ok(Json(this.bookmark(&caller, at(id)?, &body(input)?).await?))
}

/// Takes a bookmark away.
#[utoipa::path(delete, path = "/api/video/cameras/{id}/bookmarks/{bookmark}", tag = "video", operation_id = "video_bookmark_drop",
    params(("id" = String, Path), ("bookmark" = String, Path)), responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn drop_bookmark(State(this): This, caller: Caller, path: At<(Uuid, Uuid)>) -> Result<StatusCode> {
    let (id, bookmark) = at(path)?;
    this.drop_bookmark(&caller, id, bookmark).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a piece beyond its retention.
#[utoipa::path(post, path = "/api/video/cameras/{id}/holds", tag = "video", operation_id = "video_hold", params(("id" = String, Path)),
    request_body = SpanInput, responses((status = 200, body = Hold), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn hold(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SpanInput>) -> Result<Json<Hold>> {
    Ok(Json(this.hold(&caller, at(id)?, &body(input)?).await?))
}

/// Lifts a hold.
#[utoipa::path(post, path = "/api/video/cameras/{id}/holds/{hold}/lift", tag = "video", operation_id = "video_hold_lift",
    params(("id" = String, Path), ("hold" = String, Path)), request_body = ReasonInput,
    responses((status = 204), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn lift(State(this): This, caller: Caller, path: At<(Uuid, Uuid)>, input: Body<ReasonInput>) -> Result<StatusCode> {
    let (id, hold) = at(path)?;
    this.lift(&caller, id, hold, &body(input)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for a piece as a file.
#[utoipa::path(post, path = "/api/video/cameras/{id}/exports", tag = "video", operation_id = "video_export_ask", params(("id" = String, Path)),
    request_body = ExportInput, responses((status = 200, body = Export), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn ask_export(State(this): This, caller: Caller, id: At<Uuid>, input: Body<ExportInput>) -> Result<Json<Export>> {
    Ok(Json(this.ask_export(&caller, at(id)?, &body(input)?).await?))
}

/// Exports, newest first.
#[utoipa::path(get, path = "/api/video/exports", tag = "video", operation_id = "video_exports", params(LogQuery),
    responses((status = 200, body = Page<Export>), (status = 400), (status = 401), (status = 403)))]
async fn exports(State(this): This, caller: Caller, query: Wanted<LogQuery>) -> Result<Json<Page<Export>>> {
    Ok(Json(this.exports(&caller, &wanted(query)?).await?))
}

/// Allows or refuses an export of somebody else.
#[utoipa::path(post, path = "/api/video/exports/{id}/settle", tag = "video", operation_id = "video_export_settle", params(("id" = String, Path)),
    request_body = SettleInput, responses((status = 200, body = Export), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn settle(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SettleInput>) -> Result<Json<Export>> {
    Ok(Json(this.settle_export(&caller, at(id)?, &body(input)?).await?))
}

/// The file of an export.
#[utoipa::path(get, path = "/api/video/exports/{id}/file", tag = "video", operation_id = "video_export_file", params(("id" = String, Path)),
    responses((status = 200, content_type = "video/mp4", body = Vec<u8>), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn exported(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Response> {
    let (name, bytes) = this.exported(&caller, at(id)?).await?;
    let mut response = kept_here("video/mp4", bytes);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
