//! Signals and premises over HTTP.

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

use crate::Panels;
use crate::model::{
    AckInput, Board, Catalogue, FindQuery, Offender, PremisesInput, PremisesRow, PremisesView, Private, SignalQuery, SignalRow, SignalView, VerdictInput,
};
use crate::premises::PLAN;

pub(crate) type This = State<Arc<Panels>>;
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

/// All routes under `/api/panels`.
pub fn router(this: Arc<Panels>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(catalogue))
        .routes(routes!(board))
        .routes(routes!(signals))
        .routes(routes!(signal))
        .routes(routes!(acknowledge))
        .routes(routes!(judge))
        .routes(routes!(offenders))
        .routes(routes!(premises_list, add_premises))
        .routes(routes!(premises, change_premises))
        .routes(routes!(private))
        .routes(routes!(add_plan).layer(DefaultBodyLimit::max(PLAN)))
        .routes(routes!(plan, drop_plan))
        .with_state(this.clone())
        .merge(crate::http_more::router(this))
}

/// Kinds of signals and the rules of verification.
#[utoipa::path(get, path = "/api/panels/catalogue", tag = "panels", operation_id = "panels_catalogue",
    responses((status = 200, body = Catalogue), (status = 401), (status = 403)))]
async fn catalogue(State(this): This, caller: Caller) -> Result<Json<Catalogue>> {
    Ok(Json(this.catalogue(&caller)?))
}

/// Figures of now.
#[utoipa::path(get, path = "/api/panels/board", tag = "panels", operation_id = "panels_board",
    responses((status = 200, body = Board), (status = 401), (status = 403)))]
async fn board(State(this): This, caller: Caller) -> Result<Json<Board>> {
    Ok(Json(this.board(&caller).await?))
}

/// Signals of one's units, newest first.
#[utoipa::path(get, path = "/api/panels/signals", tag = "panels", operation_id = "panels_signals", params(SignalQuery),
    responses((status = 200, body = Page<SignalRow>), (status = 400), (status = 401), (status = 403)))]
async fn signals(State(this): This, caller: Caller, query: Wanted<SignalQuery>) -> Result<Json<Page<SignalRow>>> {
    Ok(Json(this.signals(&caller, &wanted(query)?).await?))
}

/// A signal with its messages.
#[utoipa::path(get, path = "/api/panels/signals/{id}", tag = "panels", operation_id = "panels_signal", params(("id" = String, Path)),
    responses((status = 200, body = SignalView), (status = 401), (status = 403), (status = 404)))]
async fn signal(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<SignalView>> {
    Ok(Json(this.signal(&caller, at(id)?).await?))
}

/// Takes note of a signal.
#[utoipa::path(post, path = "/api/panels/signals/{id}/acknowledge", tag = "panels", operation_id = "panels_acknowledge", params(("id" = String, Path)),
    request_body = AckInput, responses((status = 200, body = SignalView), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn acknowledge(State(this): This, caller: Caller, id: At<Uuid>, input: Body<AckInput>) -> Result<Json<SignalView>> {
    Ok(Json(this.acknowledge(&caller, at(id)?, &body(input)?).await?))
}

/// Confirms a signal or ends it with a judgement.
#[utoipa::path(post, path = "/api/panels/signals/{id}/verdict", tag = "panels", operation_id = "panels_judge", params(("id" = String, Path)),
    request_body = VerdictInput, responses((status = 200, body = SignalView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn judge(State(this): This, caller: Caller, id: At<Uuid>, input: Body<VerdictInput>) -> Result<Json<SignalView>> {
    Ok(Json(this.judge(&caller, at(id)?, &body(input)?).await?))
}

/// Premises that cry wolf, the worst first.
#[utoipa::path(get, path = "/api/panels/offenders", tag = "panels", operation_id = "panels_offenders",
    responses((status = 200, body = Vec<Offender>), (status = 401), (status = 403)))]
async fn offenders(State(this): This, caller: Caller) -> Result<Json<Vec<Offender>>> {
    Ok(Json(this.offenders(&caller).await?))
}

/// Premises by code, with what is open there.
#[utoipa::path(get, path = "/api/panels/premises", tag = "panels", operation_id = "panels_premises_list", params(FindQuery),
    responses((status = 200, body = Page<PremisesRow>), (status = 401), (status = 403)))]
async fn premises_list(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<PremisesRow>>> {
    Ok(Json(this.premises_list(&caller, &wanted(query)?).await?))
}

/// Hands in new premises.
#[utoipa::path(post, path = "/api/panels/premises", tag = "panels", operation_id = "panels_premises_add", request_body = PremisesInput,
    responses((status = 200, body = PremisesView), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_premises(State(this): This, caller: Caller, input: Body<PremisesInput>) -> Result<Json<PremisesView>> {
    Ok(Json(this.put_premises(&caller, None, body(input)?).await?))
}

/// The premises file, without what is personal.
#[utoipa::path(get, path = "/api/panels/premises/{id}", tag = "panels", operation_id = "panels_premises", params(("id" = String, Path)),
    responses((status = 200, body = PremisesView), (status = 401), (status = 403), (status = 404)))]
async fn premises(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<PremisesView>> {
    Ok(Json(this.premises(&caller, at(id)?).await?))
}

/// Changes premises.
#[utoipa::path(put, path = "/api/panels/premises/{id}", tag = "panels", operation_id = "panels_premises_change", params(("id" = String, Path)),
    request_body = PremisesInput, responses((status = 200, body = PremisesView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_premises(State(this): This, caller: Caller, id: At<Uuid>, input: Body<PremisesInput>) -> Result<Json<PremisesView>> {
    Ok(Json(this.put_premises(&caller, Some(at(id)?), body(input)?).await?))
}

/// People to call, and keys. On record.
#[utoipa::path(get, path = "/api/panels/premises/{id}/private", tag = "panels", operation_id = "panels_private", params(("id" = String, Path)),
    responses((status = 200, body = Private), (status = 401), (status = 403), (status = 404)))]
async fn private(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Response> {
    let found = this.private(&caller, at(id)?).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(found)).into_response())
}

/// What a drawing is called.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PlanQuery {
    /// Name.
    name: String,
}

/// Adds a drawing: PNG, JPEG or PDF.
#[utoipa::path(post, path = "/api/panels/premises/{id}/plans", tag = "panels", operation_id = "panels_plan_add", params(("id" = String, Path), PlanQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = PremisesView), (status = 401), (status = 403), (status = 404), (status = 413), (status = 415), (status = 422)))]
async fn add_plan(State(this): This, caller: Caller, id: At<Uuid>, query: Wanted<PlanQuery>, bytes: Sent) -> Result<Json<PremisesView>> {
    Ok(Json(this.add_plan(&caller, at(id)?, &wanted(query)?.name, sent(bytes, PLAN)?).await?))
}

/// A drawing.
#[utoipa::path(get, path = "/api/panels/premises/{id}/plans/{sha}", tag = "panels", operation_id = "panels_plan",
    params(("id" = String, Path), ("sha" = String, Path)), responses((status = 200), (status = 401), (status = 403), (status = 404)))]
async fn plan(State(this): This, caller: Caller, path: At<(Uuid, String)>) -> Result<Response> {
    let (id, sha) = at(path)?;
    let (kind, bytes) = this.plan(&caller, id, &sha).await?;
    let heads = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, no-store".to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_string()),
        // A drawing comes from outside: nothing in it runs here.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_string()),
    ];
    Ok((heads, bytes).into_response())
}

/// Takes a drawing out.
#[utoipa::path(delete, path = "/api/panels/premises/{id}/plans/{sha}", tag = "panels", operation_id = "panels_plan_drop",
    params(("id" = String, Path), ("sha" = String, Path)), responses((status = 200, body = PremisesView), (status = 401), (status = 403), (status = 404)))]
async fn drop_plan(State(this): This, caller: Caller, path: At<(Uuid, String)>) -> Result<Json<PremisesView>> {
    let (id, sha) = at(path)?;
    Ok(Json(this.drop_plan(&caller, id, &sha).await?))
}
