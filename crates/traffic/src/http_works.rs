//! Works and events over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Traffic;
use crate::http::{At, Body, This, Wanted, at, body, wanted};
use crate::model::{FindQuery, PublishInput, WorkInput, WorkRow};

pub(crate) fn router(this: Arc<Traffic>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(works, add_work)).routes(routes!(change_work)).routes(routes!(publish)).with_state(this)
}

/// Works and events of one's units: those that are not over, or with `state=closed` those that are.
#[utoipa::path(get, path = "/api/traffic/works", tag = "traffic", operation_id = "traffic_works", params(FindQuery),
    responses((status = 200, body = Page<WorkRow>), (status = 400), (status = 401), (status = 403)))]
async fn works(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<WorkRow>>> {
    Ok(Json(this.works(&caller, &wanted(query)?).await?))
}

/// Hands in works or an event.
#[utoipa::path(post, path = "/api/traffic/works", tag = "traffic", operation_id = "traffic_work_add", request_body = WorkInput,
    responses((status = 200, body = WorkRow), (status = 401), (status = 403), (status = 422)))]
async fn add_work(State(this): This, caller: Caller, input: Body<WorkInput>) -> Result<Json<WorkRow>> {
    Ok(Json(this.put_work(&caller, None, body(input)?).await?))
}

/// Changes works.
#[utoipa::path(put, path = "/api/traffic/works/{id}", tag = "traffic", operation_id = "traffic_work_change", params(("id" = String, Path)),
    request_body = WorkInput, responses((status = 200, body = WorkRow), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_work(State(this): This, caller: Caller, id: At<Uuid>, input: Body<WorkInput>) -> Result<Json<WorkRow>> {
    Ok(Json(this.put_work(&caller, Some(at(id)?), body(input)?).await?))
}

/// Publishes works or takes them back.
#[utoipa::path(post, path = "/api/traffic/works/{id}/publish", tag = "traffic", operation_id = "traffic_work_publish", params(("id" = String, Path)),
    request_body = PublishInput, responses((status = 200, body = WorkRow), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn publish(State(this): This, caller: Caller, id: At<Uuid>, input: Body<PublishInput>) -> Result<Json<WorkRow>> {
    Ok(Json(this.publish_work(&caller, at(id)?, &body(input)?).await?))
}
