//! Suggestions over HTTP: for the form, for the centre, and what was learned.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use dothi_kernel::{Caller, Permission, Result, Scope};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::suggest::{Advice, LearningView, SuggestInput, Suggestion};

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(suggest)).routes(routes!(advice)).routes(routes!(learning, learn_now)).with_state(this)
}

/// What the words of a report in the making point at, and similar reports nearby. Nothing is kept of it.
#[utoipa::path(post, path = "/api/cases/suggest", tag = "cases", operation_id = "cases_suggest", request_body = SuggestInput,
    responses((status = 200, body = Suggestion), (status = 400), (status = 404)))]
async fn suggest(State(this): This, caller: Caller, request: Request) -> Result<Json<Suggestion>> {
    let input: SuggestInput = crate::http::body(&this, request).await?;
    Ok(Json(this.suggest(&caller, &input).await?))
}

/// What is suggested for a case: category, urgency, cases that may be the same.
#[utoipa::path(get, path = "/api/cases/{id}/advice", tag = "cases", operation_id = "cases_advice", params(("id" = String, Path)),
    responses((status = 200, body = Advice), (status = 401), (status = 403), (status = 404)))]
async fn advice(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Advice>> {
    Ok(Json(this.advice(&caller, crate::http::case_id(&id)?).await?))
}

/// What was learned from ended cases, and how good it is.
#[utoipa::path(get, path = "/api/cases/types/{kind}/learning", tag = "cases", operation_id = "cases_learning", params(("kind" = String, Path)),
    responses((status = 200, body = LearningView), (status = 401), (status = 403), (status = 404)))]
async fn learning(State(this): This, caller: Caller, Path(kind): Path<String>) -> Result<Json<LearningView>> {
    Ok(Json(this.learning(&caller, &kind).await?))
}

/// Asks for a new model now; it is made in the background.
#[utoipa::path(post, path = "/api/cases/types/{kind}/learning", tag = "cases", operation_id = "cases_learn", params(("kind" = String, Path)),
    responses((status = 202, body = LearningView), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn learn_now(State(this): This, caller: Caller, Path(kind): Path<String>) -> Result<(StatusCode, Json<LearningView>)> {
    caller.require(Permission::PackManage, Scope::ANY)?;
    Ok((StatusCode::ACCEPTED, Json(this.learn_now(&caller, &kind).await?)))
}
