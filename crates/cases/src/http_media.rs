//! Masks on photos, videos and sound, mail, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Cases;
use crate::http::body;
use crate::mail::{self, MailResult};
use crate::masks::MaskInput;
use crate::media::{self, MediaRef};
use crate::model::Case;

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    let recordings = || DefaultBodyLimit::max(media::MOST_BYTES);
    OpenApiRouter::new()
        .routes(routes!(mask))
        .routes(routes!(own_media).layer(recordings()))
        .routes(routes!(add_media).layer(recordings()))
        .routes(routes!(recording))
        .routes(routes!(letter).layer(DefaultBodyLimit::max(mail::MESSAGE)))
        .with_state(this)
}

fn case_id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|e| crate::tables::unknown().because(e))
}

/// Longest time for a body: few may be on their way at once.
const SLOW: Duration = Duration::from_secs(180);

/// The body as it came, within the bound of its route.
async fn raw(request: Request) -> Result<Bytes> {
    let body = tokio::time::timeout(SLOW, Bytes::from_request(request, &())).await;
    let slow = |e| Error::unavailable("case.form.slow", "This took too long. Please try again with a better connection.").retry_after(SLOW).because(e);
    body.map_err(slow)?.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::too_large("case.form.too-large", "The request is too large."),
        _ => Error::invalid("case.form.unreadable", "The request cannot be read.").because(e.body_text()),
    })
}

/// Decides what of a photo the public sees.
#[utoipa::path(post, path = "/api/cases/{id}/photos/{sha}/mask", tag = "cases", operation_id = "cases_mask_photo",
    params(("id" = String, Path), ("sha" = String, Path)), request_body = MaskInput,
    responses((status = 200, body = Case), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn mask(State(this): This, caller: Caller, Path((id, sha)): Path<(String, String)>, request: Request) -> Result<Json<Case>> {
    let id = case_id(&id)?;
    this.may_read(&caller, id).await?;
    Ok(Json(this.mask_photo(&caller, id, &sha, body(&this, request).await?).await?))
}

/// The reporter's secret.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The secret of the receipt; not needed for signed-in reporters and officers.
    key: Option<String>,
}

/// Adds a video or sound to the own report; the body is the file.
#[utoipa::path(post, path = "/api/cases/track/{code}/media", tag = "cases", operation_id = "cases_own_media", params(("code" = String, Path), KeyQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = MediaRef), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415), (status = 503)))]
async fn own_media(
    State(this): This,
    caller: Caller,
    Path(code): Path<String>,
    Query(query): Query<KeyQuery>,
    request: Request,
) -> Result<(StatusCode, Json<MediaRef>)> {
    // Before the body is read: only the reporter makes the server hold it, and only so many at once.
    this.track(&caller, &code, query.key.as_deref()).await?;
    let _slot = this.media_slot()?;
    Ok((StatusCode::CREATED, Json(this.report_media(&caller, &code, query.key.as_deref(), raw(request).await?).await?)))
}

/// Adds a video or sound as an officer; the body is the file.
#[utoipa::path(post, path = "/api/cases/{id}/media", tag = "cases", operation_id = "cases_add_media", params(("id" = String, Path)),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = MediaRef), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415), (status = 503)))]
async fn add_media(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<(StatusCode, Json<MediaRef>)> {
    let id = case_id(&id)?;
    this.may_read(&caller, id).await?;
    let _slot = this.media_slot()?;
    Ok((StatusCode::CREATED, Json(this.add_media(&caller, id, raw(request).await?).await?)))
}

/// A video or sound, or a part of it. Never public.
#[utoipa::path(get, path = "/api/cases/media/{id}", tag = "cases", operation_id = "cases_media", params(("id" = String, Path), KeyQuery),
    responses((status = 200, content_type = "video/mp4"), (status = 206, content_type = "video/mp4"), (status = 401), (status = 403), (status = 404)))]
async fn recording(State(this): This, caller: Caller, headers: HeaderMap, Path(id): Path<String>, Query(query): Query<KeyQuery>) -> Result<Response> {
    let id: Uuid = id.parse().map_err(|e| Error::not_found("case.media.unknown", "There is no such recording.").because(e))?;
    let range = media::range(headers.get(header::RANGE).and_then(|v| v.to_str().ok()));
    let part = this.media(&caller, id, query.key.as_deref(), range).await?;
    let common = [
        (header::CONTENT_TYPE, part.media_type.clone()),
        (header::CACHE_CONTROL, "private, no-store".to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_string()),
        (header::ACCEPT_RANGES, "bytes".to_string()),
    ];
    if range.is_none() || part.bytes.is_empty() {
        return Ok((common, part.bytes).into_response());
    }
    let last = part.from + part.bytes.len() - 1;
    let which = [(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", part.from, part.whole))];
    Ok((StatusCode::PARTIAL_CONTENT, common, which, part.bytes).into_response())
}

/// A mail message (RFC 5322) as the province's mail server hands it over.
#[utoipa::path(post, path = "/api/cases/mail", tag = "cases", operation_id = "cases_mail", request_body(content = String, content_type = "message/rfc822"),
    responses((status = 200, body = MailResult), (status = 400), (status = 401), (status = 403), (status = 413), (status = 422), (status = 503)))]
async fn letter(State(this): This, caller: Caller, request: Request) -> Result<Json<MailResult>> {
    caller.require(Permission::CaseTriage, Scope::ANY)?;
    let _slot = this.media_slot()?;
    Ok(Json(this.take_mail(&caller, raw(request).await?).await?))
}
