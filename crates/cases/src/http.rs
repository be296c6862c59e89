//! The domain over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Cases;
use crate::bulk::{BulkInput, BulkResult};
use crate::model::{
    Case, CaseRow, Counts, FollowInput, Followers, Identity, ListQuery, MoveForm, MoveInput, NewReport, NoteInput, PublicCase, PublicQuery, RatingInput,
    Receipt, ReportForm, Stats, StatsQuery, TypeView,
};
use crate::parts::SplitInput;

/// Most bytes of a request with photos.
pub(crate) const PHOTO_BODY: usize = 25 * 1024 * 1024;
/// Most photos read from a form before the case type's own limit is asked.
const PHOTO_PARTS: usize = 10;
/// Most bytes of a form's JSON part.
const JSON_PART: usize = 64 * 1024;

/// The routes of `/api/cases`.
pub fn router(this: Arc<Cases>) -> OpenApiRouter {
    let with_photos = || DefaultBodyLimit::max(PHOTO_BODY);
    OpenApiRouter::new()
        .routes(routes!(list, report).layer(with_photos()))
        .routes(routes!(types))
        .routes(routes!(counts))
        .routes(routes!(stats))
        .routes(routes!(nearby))
        .routes(routes!(public_list))
        .routes(routes!(public_map))
        .routes(routes!(public_case))
        .routes(routes!(follow))
        .routes(routes!(rate))
        .routes(routes!(mine))
        .routes(routes!(track))
        .routes(routes!(reporter_move).layer(with_photos()))
        .routes(routes!(photo))
        .routes(routes!(get_case))
        .routes(routes!(identity))
        .routes(routes!(note))
        .routes(routes!(split))
        .routes(routes!(bulk_move))
        .routes(routes!(make_move).layer(with_photos()))
        .with_state(this.clone())
        .merge(crate::http_intake::router(this.clone()))
        .merge(crate::http_media::router(this.clone()))
        .merge(crate::http_open311::keys(this.clone()))
        .merge(crate::http_work::router(this.clone()))
        .merge(crate::http_desk::router(this.clone()))
        .merge(crate::http_suggest::router(this.clone()))
        .merge(crate::http_openness::router(this.clone()))
        .merge(crate::http_own::router(this.clone()))
        .merge(crate::http_open::router(this))
}

type This = State<Arc<Cases>>;

/// A form's JSON part and photos.
pub(crate) struct Form<T> {
    pub body: T,
    pub photos: Vec<Bytes>,
    /// Held until the photos are out of memory again.
    pub _slot: Option<OwnedSemaphorePermit>,
}

/// Reads a request that is JSON, or multipart with a JSON part of the given name and photos.
pub(crate) async fn form<T: DeserializeOwned>(cases: &Cases, request: Request, part: &str) -> Result<Form<T>> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if !kind.starts_with("multipart/form-data") {
        let bytes = Bytes::from_request(request, &()).await.map_err(|e| body_error(e.status(), &e.body_text()))?;
        if bytes.len() > JSON_PART {
            return Err(Error::too_large("case.form.too-large", "The request is too large.").with("limit_bytes", JSON_PART));
        }
        return Ok(Form { body: json(&bytes)?, photos: Vec::new(), _slot: None });
    }
    let slot = room(cases, request.headers())?;
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|e| body_error(e.status(), &e.body_text()))?;
    let (mut body, mut photos) = (None, Vec::new());
    while let Some(field) = multipart.next_field().await.map_err(|e| body_error(e.status(), &e.body_text()))? {
        let name = field.name().unwrap_or_default().to_string();
        let bytes = field.bytes().await.map_err(|e| body_error(e.status(), &e.body_text()))?;
        if name == part && body.is_none() && bytes.len() <= JSON_PART {
            body = Some(json(&bytes)?);
        } else if name == "photo" && photos.len() < PHOTO_PARTS {
            // A form sends an empty part when no file was chosen.
            if !bytes.is_empty() {
                photos.push(bytes);
            }
        } else {
            return Err(Error::invalid("case.form.part", "The form has a part that does not belong there.").with("part", crate::text::short(&name, 40)));
        }
    }
    let body = body.ok_or_else(|| Error::invalid("case.form.part", "The form's JSON part is missing.").with("part", part))?;
    Ok(Form { body, photos, _slot: slot })
}

/// Room for a form with photos, refused at once when too many others are being sent. A form that says it is too short for a photo
/// needs none: who sends words must not be sent away because of photos.
pub(crate) fn room(cases: &Cases, headers: &HeaderMap) -> Result<Option<OwnedSemaphorePermit>> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if length.is_some_and(|n| n <= JSON_PART) { Ok(None) } else { cases.upload_slot().map(Some) }
}

/// The client's idempotency key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let key = headers.get("idempotency-key").map(|v| v.to_str().map(str::to_string));
    key.transpose().map_err(|e| Error::invalid("case.idempotency-key", "An Idempotency-Key has 8 to 200 characters.").because(e))
}

/// Reads a small JSON body.
pub(crate) async fn body<T: DeserializeOwned>(cases: &Cases, request: Request) -> Result<T> {
    Ok(form::<T>(cases, request, "body").await?.body)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::invalid("case.form.json", "The request's JSON cannot be read.").with("line", e.line()).with("column", e.column()).because(e))
}

fn body_error(status: StatusCode, why: &str) -> Error {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Error::too_large("case.form.too-large", "The request is too large.").with("limit_bytes", PHOTO_BODY)
    } else {
        Error::invalid("case.form.unreadable", "The form cannot be read.").because(why)
    }
}

/// What can be reported: categories, questions, notices. Public.
#[utoipa::path(get, path = "/api/cases/types", tag = "cases", operation_id = "cases_types", responses((status = 200, body = Vec<TypeView>)))]
async fn types(State(this): This, caller: Caller) -> Json<Vec<TypeView>> {
    Json(this.types(&caller))
}

/// Reports something. The header `Idempotency-Key` makes it safe to repeat.
#[utoipa::path(post, path = "/api/cases", tag = "cases", operation_id = "cases_report",
    request_body(content = ReportForm, content_type = "multipart/form-data"),
    responses((status = 201, body = Receipt), (status = 400), (status = 413), (status = 415), (status = 422), (status = 429), (status = 503)))]
async fn report(State(this): This, caller: Caller, headers: HeaderMap, request: Request) -> Result<(StatusCode, Json<Receipt>)> {
    let key = idempotency_key(&headers)?;
    let Form { body, photos, _slot } = form::<NewReport>(&this, request, "report").await?;
    let receipt = this.report(&caller, body, photos, key.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(receipt)))
}

/// Cases of one's units.
#[utoipa::path(get, path = "/api/cases", tag = "cases", operation_id = "cases_list", params(ListQuery), responses((status = 200, body = Page<CaseRow>)))]
async fn list(State(this): This, caller: Caller, Query(query): Query<ListQuery>) -> Result<Json<Page<CaseRow>>> {
    Ok(Json(this.list(&caller, &query).await?))
}

/// Figures for the officer's start page.
#[utoipa::path(get, path = "/api/cases/counts", tag = "cases", operation_id = "cases_counts", responses((status = 200, body = Counts)))]
async fn counts(State(this): This, caller: Caller) -> Result<Json<Counts>> {
    Ok(Json(this.counts(&caller).await?))
}

/// Public statistics.
#[utoipa::path(get, path = "/api/cases/stats", tag = "cases", operation_id = "cases_stats", params(StatsQuery), responses((status = 200, body = Stats)))]
async fn stats(State(this): This, caller: Caller, Query(query): Query<StatsQuery>) -> Result<Json<Stats>> {
    Ok(Json(this.stats(&caller, &query).await?))
}

/// Where to look for similar reports.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct NearbyQuery {
    /// Longitude.
    lon: f64,
    /// Latitude.
    lat: f64,
    /// Category code.
    category: Option<String>,
}

/// Open reports near a spot.
#[utoipa::path(get, path = "/api/cases/nearby", tag = "cases", operation_id = "cases_nearby", params(NearbyQuery), responses((status = 200, body = Vec<PublicCase>)))]
async fn nearby(State(this): This, caller: Caller, Query(query): Query<NearbyQuery>) -> Result<Json<Vec<PublicCase>>> {
    Ok(Json(this.nearby(&caller, Point::new(query.lon, query.lat)?, query.category.as_deref()).await?))
}

/// Public cases, newest first.
#[utoipa::path(get, path = "/api/cases/public", tag = "cases", operation_id = "cases_public_list", params(PublicQuery), responses((status = 200, body = Page<PublicCase>)))]
async fn public_list(State(this): This, caller: Caller, Query(query): Query<PublicQuery>) -> Result<Json<Page<PublicCase>>> {
    Ok(Json(this.public_list(&caller, &query).await?))
}

/// Public cases for the map: a GeoJSON FeatureCollection.
#[utoipa::path(get, path = "/api/cases/public.geojson", tag = "cases", operation_id = "cases_public_map", params(PublicQuery),
    responses((status = 200, body = serde_json::Value, content_type = "application/geo+json")))]
async fn public_map(State(this): This, caller: Caller, Query(query): Query<PublicQuery>) -> Result<Response> {
    let body = this.public_map(&caller, &query).await?;
    Ok(([(header::CONTENT_TYPE, "application/geo+json"), (header::CACHE_CONTROL, "public, max-age=15")], body.to_string()).into_response())
}

/// One public case.
#[utoipa::path(get, path = "/api/cases/public/{code}", tag = "cases", operation_id = "cases_public_case", params(("code" = String, Path)), responses((status = 200, body = PublicCase), (status = 404)))]
async fn public_case(State(this): This, caller: Caller, Path(code): Path<String>) -> Result<Json<PublicCase>> {
    Ok(Json(this.public_case(&caller, &code).await?))
}

/// "Me too".
#[utoipa::path(post, path = "/api/cases/public/{code}/follow", tag = "cases", operation_id = "cases_follow", params(("code" = String, Path)),
    request_body = Option<FollowInput>, responses((status = 200, body = Followers), (status = 404)))]
async fn follow(State(this): This, caller: Caller, Path(code): Path<String>) -> Result<Json<Followers>> {
    Ok(Json(this.follow(&caller, &code).await?))
}

/// Rates the answer.
#[utoipa::path(post, path = "/api/cases/public/{code}/rating", tag = "cases", operation_id = "cases_rate", params(("code" = String, Path)),
    request_body = RatingInput, responses((status = 200, body = PublicCase), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn rate(State(this): This, caller: Caller, Path(code): Path<String>, request: Request) -> Result<Json<PublicCase>> {
    let form: Form<RatingInput> = form(&this, request, "rating").await?;
    Ok(Json(this.rate(&caller, &code, form.body).await?))
}

/// Own cases.
#[utoipa::path(get, path = "/api/cases/mine", tag = "cases", operation_id = "cases_mine", params(PageQuery), responses((status = 200, body = Page<PublicCase>)))]
async fn mine(State(this): This, caller: Caller, Query(query): Query<PageQuery>) -> Result<Json<Page<PublicCase>>> {
    Ok(Json(this.mine(&caller, &query).await?))
}

/// The reporter's secret.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The secret of the receipt; not needed for signed-in reporters.
    key: Option<String>,
}

/// An own case by tracking code.
#[utoipa::path(get, path = "/api/cases/track/{code}", tag = "cases", operation_id = "cases_track", params(("code" = String, Path), KeyQuery),
    responses((status = 200, body = PublicCase), (status = 401), (status = 403), (status = 404)))]
async fn track(State(this): This, caller: Caller, Path(code): Path<String>, Query(query): Query<KeyQuery>) -> Result<Response> {
    let case = this.track(&caller, &code, query.key.as_deref()).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(case)).into_response())
}

/// A move of the reporter, e.g. answering a question.
#[utoipa::path(post, path = "/api/cases/track/{code}/moves/{move}", tag = "cases", operation_id = "cases_reporter_move",
    params(("code" = String, Path), ("move" = String, Path)), request_body(content = MoveForm, content_type = "multipart/form-data"),
    responses((status = 200, body = PublicCase), (status = 401), (status = 403), (status = 409)))]
async fn reporter_move(State(this): This, caller: Caller, Path((code, step)): Path<(String, String)>, request: Request) -> Result<Json<PublicCase>> {
    let Form { body, photos, _slot } = form::<MoveInput>(&this, request, "move").await?;
    Ok(Json(this.reporter_move(&caller, &code, &step, body, photos).await?))
}

/// Which rendition of a photo.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PhotoQuery {
    /// `full` (the default) or `thumb`.
    size: Option<String>,
    /// The reporter's secret, for photos that are not public.
    key: Option<String>,
}

/// A photo.
#[utoipa::path(get, path = "/api/cases/photos/{sha}", tag = "cases", operation_id = "cases_photo", params(("sha" = String, Path), PhotoQuery),
    responses((status = 200, content_type = "image/jpeg"), (status = 401), (status = 403), (status = 404)))]
async fn photo(State(this): This, caller: Caller, Path(sha): Path<String>, Query(query): Query<PhotoQuery>) -> Result<Response> {
    let thumb = match query.size.as_deref() {
        None | Some("full") => false,
        Some("thumb") => true,
        Some(_) => return Err(Error::invalid("case.photo.size", "A size is full or thumb.")),
    };
    let (bytes, public) = this.photo(&caller, &sha, thumb, query.key.as_deref()).await?;
    // An hour only: a photo that is taken from the public should not linger in caches.
    let cache = if public { "public, max-age=3600" } else { "private, no-store" };
    Ok(([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, cache), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], bytes).into_response())
}

pub(crate) fn case_id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|e| crate::tables::unknown().because(e))
}

/// A case in full.
#[utoipa::path(get, path = "/api/cases/{id}", tag = "cases", operation_id = "cases_get", params(("id" = String, Path)),
    responses((status = 200, body = Case), (status = 401), (status = 403), (status = 404)))]
async fn get_case(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Case>> {
    Ok(Json(this.get(&caller, case_id(&id)?).await?))
}

/// Who reported. On record.
#[utoipa::path(get, path = "/api/cases/{id}/identity", tag = "cases", operation_id = "cases_identity", params(("id" = String, Path)),
    responses((status = 200, body = Identity), (status = 401), (status = 403), (status = 404)))]
async fn identity(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    let identity = this.identity(&caller, case_id(&id)?).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(identity)).into_response())
}

/// Adds an internal note.
#[utoipa::path(post, path = "/api/cases/{id}/notes", tag = "cases", operation_id = "cases_note", params(("id" = String, Path)), request_body = NoteInput,
    responses((status = 200, body = Case), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn note(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Case>> {
    let id = case_id(&id)?;
    this.may_read(&caller, id).await?;
    let form: Form<NoteInput> = form(&this, request, "note").await?;
    Ok(Json(this.note(&caller, id, &form.body.note).await?))
}

/// Makes a move.
#[utoipa::path(post, path = "/api/cases/{id}/moves/{move}", tag = "cases", operation_id = "cases_move", params(("id" = String, Path), ("move" = String, Path)),
    request_body(content((MoveInput = "application/json"), (MoveForm = "multipart/form-data"))),
    responses((status = 200, body = Case), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn make_move(State(this): This, caller: Caller, Path((id, step)): Path<(String, String)>, request: Request) -> Result<Json<Case>> {
    let id = case_id(&id)?;
    // Before the body is read: nobody without the right makes the server hold photos.
    this.may_read(&caller, id).await?;
    let Form { body, photos, _slot } = form::<MoveInput>(&this, request, "move").await?;
    Ok(Json(this.make_move(&caller, id, &step, body, photos).await?))
}

/// Splits a case into parts for several units.
#[utoipa::path(post, path = "/api/cases/{id}/parts", tag = "cases", operation_id = "cases_split", params(("id" = String, Path)), request_body = SplitInput,
    responses((status = 200, body = Case), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn split(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Case>> {
    let id = case_id(&id)?;
    this.may_read(&caller, id).await?;
    let form: Form<SplitInput> = form(&this, request, "split").await?;
    Ok(Json(this.split(&caller, id, form.body).await?))
}

/// Makes one move on many cases; every case has its own result.
#[utoipa::path(post, path = "/api/cases/bulk/{move}", tag = "cases", operation_id = "cases_bulk_move", params(("move" = String, Path)), request_body = BulkInput,
    responses((status = 200, body = Vec<BulkResult>), (status = 400), (status = 401), (status = 403)))]
async fn bulk_move(State(this): This, caller: Caller, Path(step): Path<String>, request: Request) -> Result<Json<Vec<BulkResult>>> {
    caller.require(Permission::CaseRead, Scope::ANY)?;
    let form: Form<BulkInput> = form(&this, request, "bulk").await?;
    Ok(Json(this.bulk_move(&caller, &step, form.body).await?))
}
