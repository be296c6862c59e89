//! What a reporter does with the own case beside following it, and papers, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::consent::ConsentInput;
use crate::http::{body, case_id};
use crate::model::PublicCase;
use crate::paper::Printed;

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(set_consent)).routes(routes!(own_paper)).routes(routes!(case_paper)).with_state(this)
}

/// Agrees that those who handle the case may have the contact data, or takes it back.
#[utoipa::path(put, path = "/api/cases/track/{code}/consent", tag = "cases", operation_id = "cases_consent", params(("code" = String, Path)),
    request_body = ConsentInput, responses((status = 200, body = PublicCase), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn set_consent(State(this): This, caller: Caller, Path(code): Path<String>, request: Request) -> Result<Json<PublicCase>> {
    let input: ConsentInput = body(&this, request).await?;
    Ok(Json(this.set_consent(&caller, &code, input).await?))
}

/// How the reporter's paper is made.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OwnPaperQuery {
    /// The secret of the receipt; not needed for signed-in reporters.
    key: Option<String>,
    /// `vi` (the default) or `en`.
    lang: Option<String>,
}

fn pdf(printed: Printed) -> Response {
    let name = format!("attachment; filename=\"{}\"", printed.name);
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_string()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-store".to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_string()),
    ];
    (headers, printed.pdf).into_response()
}

/// The own case as a PDF: what is public, and the own words.
#[utoipa::path(get, path = "/api/cases/track/{code}/paper", tag = "cases", operation_id = "cases_own_paper", params(("code" = String, Path), OwnPaperQuery),
    responses((status = 200, content_type = "application/pdf"), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn own_paper(State(this): This, caller: Caller, Path(code): Path<String>, Query(query): Query<OwnPaperQuery>) -> Result<Response> {
    this.own_paper(&caller, &code, query.key.as_deref(), query.lang.as_deref()).await.map(pdf)
}

/// How an officer's paper is made.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CasePaperQuery {
    /// Whether who reported stands on it; on record.
    #[serde(default)]
    identity: bool,
    /// `vi` (the default) or `en`.
    lang: Option<String>,
}

/// A case as a PDF with its log. On record.
#[utoipa::path(get, path = "/api/cases/{id}/paper", tag = "cases", operation_id = "cases_paper", params(("id" = String, Path), CasePaperQuery),
    responses((status = 200, content_type = "application/pdf"), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn case_paper(State(this): This, caller: Caller, Path(id): Path<String>, Query(query): Query<CasePaperQuery>) -> Result<Response> {
    this.case_paper(&caller, case_id(&id)?, query.identity, query.lang.as_deref()).await.map(pdf)
}
