//! Workflows, samples, and what reporters may ask of their data, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Error, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Cases;
use crate::flow_desk::{FlowTrial, FlowTrialInput, FlowView};
use crate::http::body;
use crate::quality::{Sample, SampleInput, Samples};
use crate::retention::{Erasure, ErasureDecision, ErasureInput, HeldData};

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(flow))
        .routes(routes!(try_flow))
        .routes(routes!(samples))
        .routes(routes!(check_sample))
        .routes(routes!(held_data))
        .routes(routes!(ask_erasure))
        .routes(routes!(erasures))
        .routes(routes!(decide_erasure))
        .with_state(this)
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct VersionQuery {
    /// Version; the one in force when left out.
    version: Option<u32>,
}

/// A case type's workflow: states, moves, roles, clocks.
#[utoipa::path(get, path = "/api/cases/types/{kind}/flow", tag = "cases", operation_id = "cases_flow", params(("kind" = String, Path), VersionQuery),
    responses((status = 200, body = FlowView), (status = 401), (status = 403), (status = 404)))]
async fn flow(State(this): This, caller: Caller, Path(kind): Path<String>, Query(query): Query<VersionQuery>) -> Result<Json<FlowView>> {
    Ok(Json(this.flow(&caller, &kind, query.version).await?))
}

/// What a changed workflow or policy would have meant for past cases. Changes nothing.
#[utoipa::path(post, path = "/api/cases/types/{kind}/flow/dry-run", tag = "cases", operation_id = "cases_try_flow", params(("kind" = String, Path)),
    request_body = FlowTrialInput, responses((status = 200, body = FlowTrial), (status = 401), (status = 403), (status = 404)))]
async fn try_flow(State(this): This, caller: Caller, Path(kind): Path<String>, request: Request) -> Result<Json<FlowTrial>> {
    let input: FlowTrialInput = body(&this, request).await?;
    Ok(Json(this.try_flow(&caller, &kind, input).await?))
}

/// Closed cases drawn for a check, and the figures of the units.
#[utoipa::path(get, path = "/api/cases/samples", tag = "cases", operation_id = "cases_samples", responses((status = 200, body = Samples), (status = 401), (status = 403)))]
async fn samples(State(this): This, caller: Caller) -> Result<Json<Samples>> {
    Ok(Json(this.samples(&caller).await?))
}

/// Writes down what a check found.
#[utoipa::path(post, path = "/api/cases/{id}/sample", tag = "cases", operation_id = "cases_check_sample", params(("id" = String, Path)), request_body = SampleInput,
    responses((status = 200, body = Sample), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn check_sample(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Sample>> {
    let id = id.parse().map_err(|e| crate::tables::unknown().because(e))?;
    this.may_read(&caller, id).await?;
    let input: SampleInput = body(&this, request).await?;
    Ok(Json(this.check_sample(&caller, id, input).await?))
}

/// The reporter's secret.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// The secret of the receipt; not needed for signed-in reporters.
    key: Option<String>,
}

/// Everything held about the reporter of a case, for the reporter. On record.
#[utoipa::path(get, path = "/api/cases/track/{code}/data", tag = "cases", operation_id = "cases_held_data", params(("code" = String, Path), KeyQuery),
    responses((status = 200, body = HeldData), (status = 401), (status = 403), (status = 404)))]
async fn held_data(State(this): This, caller: Caller, Path(code): Path<String>, Query(query): Query<KeyQuery>) -> Result<Response> {
    let held = this.held_data(&caller, &code, query.key.as_deref()).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(held)).into_response())
}

/// Asks to have the own data erased; an officer decides.
#[utoipa::path(post, path = "/api/cases/track/{code}/erasure", tag = "cases", operation_id = "cases_ask_erasure", params(("code" = String, Path)), request_body = ErasureInput,
    responses((status = 200, body = HeldData), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn ask_erasure(State(this): This, caller: Caller, Path(code): Path<String>, request: Request) -> Result<Response> {
    let input: ErasureInput = body(&this, request).await?;
    let held = this.ask_erasure(&caller, &code, input).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(held)).into_response())
}

/// Requests for erasure, the open ones first.
#[utoipa::path(get, path = "/api/cases/erasures", tag = "cases", operation_id = "cases_erasures", responses((status = 200, body = Vec<Erasure>), (status = 401), (status = 403)))]
async fn erasures(State(this): This, caller: Caller) -> Result<Json<Vec<Erasure>>> {
    Ok(Json(this.erasures(&caller).await?))
}

/// Decides a request for erasure.
#[utoipa::path(post, path = "/api/cases/erasures/{id}", tag = "cases", operation_id = "cases_decide_erasure", params(("id" = String, Path)), request_body = ErasureDecision,
    responses((status = 200, body = Erasure), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn decide_erasure(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Erasure>> {
    let id: Uuid = id.parse().map_err(|e| Error::not_found("case.erasure.unknown", "There is no such request.").because(e))?;
    let input: ErasureDecision = body(&this, request).await?;
    Ok(Json(this.decide_erasure(&caller, id, input).await?))
}
