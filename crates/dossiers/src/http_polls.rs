//! Sources that are asked by the clock, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dothi_kernel::{Caller, Error, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Dossiers;
use crate::http::{At, Body, This, at, body};
use crate::polls::{PollInput, PollRun, PollView};

pub(crate) fn router(this: Arc<Dossiers>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(polls, add_poll)).routes(routes!(put_poll, remove_poll)).routes(routes!(poll_runs)).with_state(this)
}

fn id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| Error::not_found("dossiers.poll", "There is no such source."))
}

/// Sources that are asked by the clock.
#[utoipa::path(get, path = "/api/dossiers/polls", tag = "dossiers", operation_id = "dossiers_polls",
    responses((status = 200, body = Vec<PollView>), (status = 401), (status = 403)))]
async fn polls(State(this): This, caller: Caller) -> Result<Json<Vec<PollView>>> {
    Ok(Json(this.polls(&caller).await?))
}

/// Sets one up; it is asked at once.
#[utoipa::path(post, path = "/api/dossiers/polls", tag = "dossiers", operation_id = "dossiers_add_poll", request_body = PollInput,
    responses((status = 201, body = PollView), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn add_poll(State(this): This, caller: Caller, input: Body<PollInput>) -> Result<(StatusCode, Json<PollView>)> {
    Ok((StatusCode::CREATED, Json(this.put_poll(&caller, None, body(input)?).await?)))
}

/// Changes one; it is asked at once.
#[utoipa::path(put, path = "/api/dossiers/polls/{poll}", tag = "dossiers", operation_id = "dossiers_put_poll", params(("poll" = String, Path)),
    request_body = PollInput, responses((status = 200, body = PollView), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn put_poll(State(this): This, caller: Caller, poll: At<String>, input: Body<PollInput>) -> Result<Json<PollView>> {
    Ok(Json(this.put_poll(&caller, Some(id(&at(poll)?)?), body(input)?).await?))
}

/// It is asked no more; what it told stays.
#[utoipa::path(delete, path = "/api/dossiers/polls/{poll}", tag = "dossiers", operation_id = "dossiers_remove_poll", params(("poll" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn remove_poll(State(this): This, caller: Caller, poll: At<String>) -> Result<StatusCode> {
    this.remove_poll(&caller, id(&at(poll)?)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What came of the last times, newest first.
#[utoipa::path(get, path = "/api/dossiers/polls/{poll}/runs", tag = "dossiers", operation_id = "dossiers_poll_runs", params(("poll" = String, Path)),
    responses((status = 200, body = Vec<PollRun>), (status = 401), (status = 403)))]
async fn poll_runs(State(this): This, caller: Caller, poll: At<String>) -> Result<Json<Vec<PollRun>>> {
    Ok(Json(this.poll_runs(&caller, id(&at(poll)?)?).await?))
}
