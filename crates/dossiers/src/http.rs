//! The domain over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dothi_kernel::http::{malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Error, Page, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::Dossiers;
use crate::model::{ApplicantView, Board, BoardQuery, Catalogue, DossierRow, DossierView, HandIn, ListQuery, Outcome, SlipInput};

/// Most bytes of dossiers in one request.
const RECORDS: usize = 8 * 1024 * 1024;
/// Most bytes of a table.
const TABLE: usize = 32 * 1024 * 1024;

pub(crate) type This = State<Arc<Dossiers>>;
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

/// All routes under `/api/dossiers`.
pub fn router(this: Arc<Dossiers>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(catalogue))
        .routes(routes!(board))
        .routes(routes!(list))
        .routes(routes!(hand_in).layer(DefaultBodyLimit::max(RECORDS)))
        .routes(routes!(import).layer(DefaultBodyLimit::max(TABLE)))
        .routes(routes!(get_dossier))
        .routes(routes!(applicant))
        .routes(routes!(issue_slip))
        .routes(routes!(slip_paper))
        .with_state(this.clone())
        .merge(crate::http_polls::router(this.clone()))
        .merge(crate::http_more::router(this))
}

/// Procedures, states and the rules of deadlines. Public.
#[utoipa::path(get, path = "/api/dossiers/catalogue", tag = "dossiers", operation_id = "dossiers_catalogue", responses((status = 200, body = Catalogue)))]
async fn catalogue(State(this): This, caller: Caller) -> Result<Json<Catalogue>> {
    Ok(Json(this.catalogue(&caller)?))
}

/// On time, due soon, overdue: by agency, commune or procedure.
#[utoipa::path(get, path = "/api/dossiers/board", tag = "dossiers", operation_id = "dossiers_board", params(BoardQuery),
    responses((status = 200, body = Board), (status = 401), (status = 403)))]
async fn board(State(this): This, caller: Caller, query: Wanted<BoardQuery>) -> Result<Json<Board>> {
    Ok(Json(this.board(&caller, &wanted(query)?).await?))
}

/// Dossiers of one's units.
#[utoipa::path(get, path = "/api/dossiers", tag = "dossiers", operation_id = "dossiers_list", params(ListQuery),
    responses((status = 200, body = Page<DossierRow>), (status = 401), (status = 403)))]
async fn list(State(this): This, caller: Caller, query: Wanted<ListQuery>) -> Result<Json<Page<DossierRow>>> {
    Ok(Json(this.list(&caller, &wanted(query)?).await?))
}

/// Dossiers of a source as they stand now, at most 5,000. May be repeated.
#[utoipa::path(post, path = "/api/dossiers/records", tag = "dossiers", operation_id = "dossiers_hand_in", request_body = HandIn,
    responses((status = 200, body = Outcome), (status = 401), (status = 403), (status = 404), (status = 413)))]
async fn hand_in(State(this): This, caller: Caller, given: Body<HandIn>) -> Result<Json<Outcome>> {
    Ok(Json(this.hand_in(&caller, body(given)?).await?))
}

/// Whose table.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// Source code.
    source: String,
}

/// A CSV table of a source. May be repeated.
#[utoipa::path(post, path = "/api/dossiers/import", tag = "dossiers", operation_id = "dossiers_import", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Outcome), (status = 401), (status = 403), (status = 404), (status = 413), (status = 422)))]
async fn import(State(this): This, caller: Caller, query: Wanted<ImportQuery>, bytes: Result<axum::body::Bytes, BytesRejection>) -> Result<Json<Outcome>> {
    let bytes = bytes.map_err(|e| Error::too_large("request.too-large", "The table is too large.").with("limit_bytes", TABLE).because(e.body_text()))?;
    Ok(Json(this.import(&caller, &wanted(query)?.source, &bytes).await?))
}

/// A dossier with its history.
#[utoipa::path(get, path = "/api/dossiers/{dossier}", tag = "dossiers", operation_id = "dossiers_get", params(("dossier" = String, Path)),
    responses((status = 200, body = DossierView), (status = 401), (status = 403), (status = 404)))]
async fn get_dossier(State(this): This, caller: Caller, code: At<String>) -> Result<Json<DossierView>> {
    Ok(Json(this.get(&caller, &at(code)?).await?))
}

/// The applicant's name. On record.
#[utoipa::path(get, path = "/api/dossiers/{dossier}/applicant", tag = "dossiers", operation_id = "dossiers_applicant", params(("dossier" = String, Path)),
    responses((status = 200, body = ApplicantView), (status = 401), (status = 403), (status = 404)))]
async fn applicant(State(this): This, caller: Caller, code: At<String>) -> Result<Response> {
    let found = this.applicant(&caller, &at(code)?).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(found)).into_response())
}

/// In which language a paper is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PaperQuery {
    /// `vi` (the default) or `en`.
    lang: Option<String>,
}

/// An apology slip as a PDF.
#[utoipa::path(get, path = "/api/dossiers/{dossier}/slips/{n}/paper", tag = "dossiers", operation_id = "dossiers_slip_paper",
    params(("dossier" = String, Path), ("n" = String, Path), PaperQuery),
    responses((status = 200, content_type = "application/pdf"), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn slip_paper(State(this): This, caller: Caller, path: At<(String, i64)>, query: Wanted<PaperQuery>) -> Result<Response> {
    let ((code, n), query) = (at(path)?, wanted(query)?);
    let (name, pdf) = this.slip_paper(&caller, &code, n, query.lang.as_deref()).await?;
    let named = format!("attachment; filename=\"{}\"", name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-"));
    let head =
        [(header::CONTENT_TYPE, "application/pdf".to_string()), (header::CONTENT_DISPOSITION, named), (header::CACHE_CONTROL, "private, no-store".to_string())];
    Ok((head, pdf).into_response())
}

/// Issues an apology slip with a new date.
#[utoipa::path(post, path = "/api/dossiers/{dossier}/slips", tag = "dossiers", operation_id = "dossiers_slip", params(("dossier" = String, Path)),
    request_body = SlipInput, responses((status = 200, body = DossierView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn issue_slip(State(this): This, caller: Caller, code: At<String>, input: Body<SlipInput>) -> Result<Json<DossierView>> {
    Ok(Json(this.issue_slip(&caller, &at(code)?, &body(input)?).await?))
}
