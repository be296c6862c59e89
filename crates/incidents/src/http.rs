//! Incidents over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::http::{malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Page, PageQuery, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::model::{
    IncidentChange, IncidentQuery, IncidentRow, IncidentView, LinkInput, LogLine, MergeInput, MoveInput, NewIncident, NewNote, NewTask, SplitInput,
};
use crate::model_ops::{AfterAction, NearResource, Review, SendInput, StartInput, StepInput, Words};
use crate::{Catalogue, Incidents};

pub(crate) type This = State<Arc<Incidents>>;
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;
pub(crate) type Wanted<T> = Result<Query<T>, QueryRejection>;
pub(crate) type At<T> = Result<Path<T>, PathRejection>;

pub(crate) fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| unreadable(e.status(), Some(e.body_text())))
}

pub(crate) fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|e| malformed(Some(e.body_text())))
}

pub(crate) fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

/// The key that makes sending twice do once.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get("idempotency-key").and_then(|v| v.to_str().ok())
}

/// All native routes of the domain, under `/api/incidents`.
pub fn router(this: Arc<Incidents>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(catalogue))
        .routes(routes!(list, open))
        .routes(routes!(get_incident, change))
        .routes(routes!(make_move))
        .routes(routes!(log, note))
        .routes(routes!(link))
        .routes(routes!(merge))
        .routes(routes!(split))
        .routes(routes!(take_note))
        .routes(routes!(de_escalate))
        .routes(routes!(give_task))
        .routes(routes!(start_procedure))
        .routes(routes!(end_step))
        .routes(routes!(nearest))
        .routes(routes!(send))
        .routes(routes!(after_action, put_review))
        .routes(routes!(report))
        .routes(routes!(evidence))
        .with_state(this.clone())
        .merge(crate::http_ops::router(this))
}

/// CAP messages and their feed, under `/cap/v1`.
pub fn cap_router(this: Arc<Incidents>) -> axum::Router {
    crate::http_cap::router(this)
}

/// Which resources.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KindQuery {
    /// Kind; all when left out.
    kind: Option<String>,
}

/// In which language a paper is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PaperQuery {
    /// `vi` (the default) or `en`.
    lang: Option<String>,
}

/// A file to keep.
fn file(kind: &'static str, name: &str, bytes: bytes::Bytes) -> Response {
    let mut response = ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, no-store")], bytes).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// The after-action report as a PDF. On record.
#[utoipa::path(get, path = "/api/incidents/{id}/report.pdf", tag = "incidents", operation_id = "incidents_report", params(("id" = String, Path), PaperQuery),
    responses((status = 200, content_type = "application/pdf"), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn report(State(this): This, caller: Caller, path: At<Uuid>, query: Wanted<PaperQuery>) -> Result<Response> {
    let (id, query) = (at(path)?, wanted(query)?);
    let (name, bytes) = this.report(&caller, id, query.lang.as_deref()).await?;
    Ok(file("application/pdf", &name, bytes))
}

/// The evidence pack: a ZIP with a manifest of SHA-256 hashes.
#[utoipa::path(get, path = "/api/incidents/{id}/evidence.zip", tag = "incidents", operation_id = "incidents_evidence", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/zip"), (status = 401), (status = 403), (status = 404)))]
async fn evidence(State(this): This, caller: Caller, path: At<Uuid>) -> Result<Response> {
    let (name, bytes) = this.evidence(&caller, at(path)?).await?;
    Ok(file("application/zip", &name, bytes))
}

/// Types, positions, ladders, kinds of resources, targets.
#[utoipa::path(get, path = "/api/incidents/catalogue", tag = "incidents", operation_id = "incidents_catalogue",
    responses((status = 200, body = Catalogue), (status = 401), (status = 403)))]
async fn catalogue(State(this): This, caller: Caller) -> Result<Json<Catalogue>> {
    Ok(Json(this.catalogue(&caller)?))
}

/// Incidents, newest first; drills only when they are asked for.
#[utoipa::path(get, path = "/api/incidents", tag = "incidents", operation_id = "incidents_list", params(IncidentQuery),
    responses((status = 200, body = Page<IncidentRow>), (status = 401), (status = 403)))]
async fn list(State(this): This, caller: Caller, query: Wanted<IncidentQuery>) -> Result<Json<Page<IncidentRow>>> {
    let query = wanted(query)?;
    Ok(Json(this.incidents(&caller, &query).await?))
}

/// Opens an incident. With `Idempotency-Key`, sending it twice opens one.
#[utoipa::path(post, path = "/api/incidents", tag = "incidents", operation_id = "incidents_open", request_body = NewIncident,
    responses((status = 201, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn open(State(this): This, caller: Caller, headers: HeaderMap, input: Body<NewIncident>) -> Result<(StatusCode, Json<IncidentView>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.open_incident(&caller, input, key(&headers)).await?)))
}

/// An incident with all that belongs to it.
#[utoipa::path(get, path = "/api/incidents/{id}", tag = "incidents", operation_id = "incidents_get_incident", params(("id" = String, Path)),
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404)))]
async fn get_incident(State(this): This, caller: Caller, path: At<Uuid>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    Ok(Json(this.incident(&caller, id).await?))
}

/// Changes what is known of it.
#[utoipa::path(patch, path = "/api/incidents/{id}", tag = "incidents", operation_id = "incidents_change", params(("id" = String, Path)), request_body = IncidentChange,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change(State(this): This, caller: Caller, path: At<Uuid>, input: Body<IncidentChange>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.change_incident(&caller, id, input).await?))
}

/// Makes a move.
#[utoipa::path(post, path = "/api/incidents/{id}/moves/{step}", tag = "incidents", operation_id = "incidents_make_move", params(("id" = String, Path), ("step" = String, Path)), request_body = MoveInput,
    responses((status = 200, body = IncidentView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn make_move(State(this): This, caller: Caller, path: At<(Uuid, String)>, input: Body<MoveInput>) -> Result<Json<IncidentView>> {
    let (id, step) = at(path)?;
    let input = body(input)?;
    Ok(Json(this.move_incident(&caller, id, &step, input).await?))
}

/// Its log, newest first.
#[utoipa::path(get, path = "/api/incidents/{id}/log", tag = "incidents", operation_id = "incidents_log", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Page<LogLine>), (status = 401), (status = 403), (status = 404)))]
async fn log(State(this): This, caller: Caller, path: At<Uuid>, query: Wanted<PageQuery>) -> Result<Json<Page<LogLine>>> {
    let id = at(path)?;
    let query = wanted(query)?;
    Ok(Json(this.incident_log(&caller, id, &query).await?))
}

/// Adds a note or message to its log.
#[utoipa::path(post, path = "/api/incidents/{id}/log", tag = "incidents", operation_id = "incidents_note", params(("id" = String, Path)), request_body = NewNote,
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn note(State(this): This, caller: Caller, path: At<Uuid>, input: Body<NewNote>) -> Result<StatusCode> {
    let id = at(path)?;
    let input = body(input)?;
    this.note(&caller, id, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attaches an alarm or a case.
#[utoipa::path(post, path = "/api/incidents/{id}/links", tag = "incidents", operation_id = "incidents_link", params(("id" = String, Path)), request_body = LinkInput,
    responses((status = 200, body = IncidentView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn link(State(this): This, caller: Caller, path: At<Uuid>, input: Body<LinkInput>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.attach(&caller, id, input).await?))
}

/// Merges it into another one.
#[utoipa::path(post, path = "/api/incidents/{id}/merge", tag = "incidents", operation_id = "incidents_merge", params(("id" = String, Path)), request_body = MergeInput,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn merge(State(this): This, caller: Caller, path: At<Uuid>, input: Body<MergeInput>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.merge(&caller, id, input).await?))
}

/// Splits a part off.
#[utoipa::path(post, path = "/api/incidents/{id}/split", tag = "incidents", operation_id = "incidents_split", params(("id" = String, Path)), request_body = SplitInput,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn split(State(this): This, caller: Caller, path: At<Uuid>, input: Body<SplitInput>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.split(&caller, id, input).await?))
}

/// Takes note of it: nobody else is called.
#[utoipa::path(post, path = "/api/incidents/{id}/read", tag = "incidents", operation_id = "incidents_take_note", params(("id" = String, Path)),
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn take_note(State(this): This, caller: Caller, path: At<Uuid>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    Ok(Json(this.take_note(&caller, id).await?))
}

/// Takes an escalation back by a level.
#[utoipa::path(post, path = "/api/incidents/{id}/de-escalate", tag = "incidents", operation_id = "incidents_de_escalate", params(("id" = String, Path)), request_body = Words,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn de_escalate(State(this): This, caller: Caller, path: At<Uuid>, input: Body<Words>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.de_escalate(&caller, id, input).await?))
}

/// Gives a task to an agency.
#[utoipa::path(post, path = "/api/incidents/{id}/tasks", tag = "incidents", operation_id = "incidents_give_task", params(("id" = String, Path)), request_body = NewTask,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn give_task(State(this): This, caller: Caller, path: At<Uuid>, input: Body<NewTask>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.give_task(&caller, id, input).await?))
}

/// Starts a procedure by hand.
#[utoipa::path(post, path = "/api/incidents/{id}/procedures", tag = "incidents", operation_id = "incidents_start_procedure", params(("id" = String, Path)), request_body = StartInput,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn start_procedure(State(this): This, caller: Caller, path: At<Uuid>, input: Body<StartInput>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.start_procedure(&caller, id, input).await?))
}

/// Ends the active step of a procedure, or skips it with a reason.
#[utoipa::path(post, path = "/api/incidents/{id}/procedures/{run}", tag = "incidents", operation_id = "incidents_end_step", params(("id" = String, Path), ("run" = String, Path)), request_body = StepInput,
    responses((status = 200, body = IncidentView), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn end_step(State(this): This, caller: Caller, path: At<(Uuid, Uuid)>, input: Body<StepInput>) -> Result<Json<IncidentView>> {
    let (id, run) = at(path)?;
    let input = body(input)?;
    Ok(Json(this.end_step(&caller, id, run, input).await?))
}

/// Resources by their way to it: a straight line times a factor, not a route.
#[utoipa::path(get, path = "/api/incidents/{id}/nearest", tag = "incidents", operation_id = "incidents_nearest", params(("id" = String, Path), KindQuery),
    responses((status = 200, body = Vec<NearResource>), (status = 401), (status = 403), (status = 404)))]
async fn nearest(State(this): This, caller: Caller, path: At<Uuid>, query: Wanted<KindQuery>) -> Result<Json<Vec<NearResource>>> {
    let id = at(path)?;
    let query = wanted(query)?;
    Ok(Json(this.nearest(&caller, id, query.kind.as_deref()).await?))
}

/// Sends a resource.
#[utoipa::path(post, path = "/api/incidents/{id}/dispatches", tag = "incidents", operation_id = "incidents_send", params(("id" = String, Path)), request_body = SendInput,
    responses((status = 200, body = IncidentView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn send(State(this): This, caller: Caller, path: At<Uuid>, input: Body<SendInput>) -> Result<Json<IncidentView>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.send(&caller, id, input).await?))
}

/// The after-action report.
#[utoipa::path(get, path = "/api/incidents/{id}/review", tag = "incidents", operation_id = "incidents_after_action", params(("id" = String, Path)),
    responses((status = 200, body = AfterAction), (status = 401), (status = 403), (status = 404)))]
async fn after_action(State(this): This, caller: Caller, path: At<Uuid>) -> Result<Json<AfterAction>> {
    let id = at(path)?;
    Ok(Json(this.after_action(&caller, id).await?))
}

/// Writes down what was learned; a proposal makes a draft of the procedure.
#[utoipa::path(put, path = "/api/incidents/{id}/review", tag = "incidents", operation_id = "incidents_put_review", params(("id" = String, Path)), request_body = Review,
    responses((status = 200, body = AfterAction), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn put_review(State(this): This, caller: Caller, path: At<Uuid>, input: Body<Review>) -> Result<Json<AfterAction>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.put_review(&caller, id, input).await?))
}
