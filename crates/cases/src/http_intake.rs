//! The call centre's entry, the list of barred senders, working hours, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Cases;
use crate::barred::{Barred, BarredInput};
use crate::http::body;
use crate::intake_desk::{CallerInput, Hours, ScreenInput};
use crate::model::Followers;
use crate::moderation::Screening;

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(hours))
        .routes(routes!(caller_too))
        .routes(routes!(screen))
        .routes(routes!(barred, bar))
        .routes(routes!(unbar))
        .with_state(this)
}

/// Whether it is working time now. Public.
#[utoipa::path(get, path = "/api/cases/hours", tag = "cases", operation_id = "cases_hours", responses((status = 200, body = Hours)))]
async fn hours(State(this): This, caller: Caller) -> Result<Json<Hours>> {
    Ok(Json(this.hours(&caller)?))
}

/// "Me too" for somebody who calls the centre.
#[utoipa::path(post, path = "/api/cases/calls/{code}", tag = "cases", operation_id = "cases_caller_too", params(("code" = String, Path)),
    request_body = CallerInput, responses((status = 200, body = Followers), (status = 401), (status = 403), (status = 404)))]
async fn caller_too(State(this): This, caller: Caller, Path(code): Path<String>, request: Request) -> Result<Json<Followers>> {
    caller.require(Permission::CaseTriage, Scope::ANY)?;
    Ok(Json(this.caller_too(&caller, &code, body(&this, request).await?).await?))
}

/// What is noticed in a text before it is published.
#[utoipa::path(post, path = "/api/cases/screen", tag = "cases", operation_id = "cases_screen", request_body = ScreenInput,
    responses((status = 200, body = Screening), (status = 401), (status = 403), (status = 404)))]
async fn screen(State(this): This, caller: Caller, request: Request) -> Result<Json<Screening>> {
    caller.require(Permission::CaseTriage, Scope::ANY)?;
    Ok(Json(this.screen(&caller, &body::<ScreenInput>(&this, request).await?)?))
}

/// Barred senders, newest first.
#[utoipa::path(get, path = "/api/cases/barred", tag = "cases", operation_id = "cases_barred", params(PageQuery), responses((status = 200, body = Page<Barred>), (status = 401), (status = 403)))]
async fn barred(State(this): This, caller: Caller, Query(query): Query<PageQuery>) -> Result<Json<Page<Barred>>> {
    Ok(Json(this.barred(&caller, &query).await?))
}

/// Bars a sender.
#[utoipa::path(post, path = "/api/cases/barred", tag = "cases", operation_id = "cases_bar", request_body = BarredInput,
    responses((status = 201, body = Vec<Barred>), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn bar(State(this): This, caller: Caller, request: Request) -> Result<(StatusCode, Json<Vec<Barred>>)> {
    caller.require(Permission::CaseTriage, Scope::ANY)?;
    Ok((StatusCode::CREATED, Json(this.bar(&caller, body(&this, request).await?).await?)))
}

/// Ends an entry early.
#[utoipa::path(delete, path = "/api/cases/barred/{id}", tag = "cases", operation_id = "cases_unbar", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn unbar(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    let id: Uuid = id.parse().map_err(|e| Error::not_found("case.barred.unknown", "There is no such entry, or it was ended already.").because(e))?;
    this.unbar(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
