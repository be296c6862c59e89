//! Other systems and what is handed to them, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::forward::{Decision, Forward, ForwardInput, Forwarder, OutsideService, Peer, PeerInput};

type This = State<Arc<Forwarder>>;

/// The routes below `/api/cases` that the forwarder answers.
pub fn router(this: Arc<Forwarder>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(peers, add_peer))
        .routes(routes!(change_peer))
        .routes(routes!(outside_services))
        .routes(routes!(forwards))
        .routes(routes!(decide))
        .routes(routes!(of_case, forward))
        .with_state(this)
}

fn id_of(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| Error::not_found("case.peer.unknown", "There is no such system."))
}

/// Other systems that cases can be handed to.
#[utoipa::path(get, path = "/api/cases/open311/peers", tag = "cases", operation_id = "cases_open311_peers",
    responses((status = 200, body = Vec<Peer>), (status = 401), (status = 403)))]
async fn peers(State(this): This, caller: Caller) -> Result<Json<Vec<Peer>>> {
    Ok(Json(this.peers(&caller).await?))
}

/// Enters another system.
#[utoipa::path(post, path = "/api/cases/open311/peers", tag = "cases", operation_id = "cases_open311_add_peer", request_body = PeerInput,
    responses((status = 201, body = Peer), (status = 400), (status = 401), (status = 403)))]
async fn add_peer(State(this): This, caller: Caller, request: Request) -> Result<(StatusCode, Json<Peer>)> {
    caller.require(Permission::PeopleManage, Scope::ANY)?;
    let input = crate::http::body(this.cases(), request).await?;
    Ok((StatusCode::CREATED, Json(this.save_peer(&caller, None, input).await?)))
}

/// Changes another system; an empty key keeps the one there is.
#[utoipa::path(put, path = "/api/cases/open311/peers/{id}", tag = "cases", operation_id = "cases_open311_change_peer", params(("id" = String, Path)),
    request_body = PeerInput, responses((status = 200, body = Peer), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn change_peer(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Peer>> {
    caller.require(Permission::PeopleManage, Scope::ANY)?;
    let input = crate::http::body(this.cases(), request).await?;
    Ok(Json(this.save_peer(&caller, Some(id_of(&id)?), input).await?))
}

/// What another system offers, asked now.
#[utoipa::path(get, path = "/api/cases/open311/peers/{id}/services", tag = "cases", operation_id = "cases_open311_outside_services", params(("id" = String, Path)),
    responses((status = 200, body = Vec<OutsideService>), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn outside_services(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Vec<OutsideService>>> {
    caller.require(Permission::PeopleManage, Scope::ANY)?;
    Ok(Json(this.outside_services(&caller, id_of(&id)?).await?))
}

/// Which hand-overs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct ForwardsQuery {
    /// A state; all that have not ended when left out.
    state: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Cases in other systems' hands.
#[utoipa::path(get, path = "/api/cases/open311/forwards", tag = "cases", operation_id = "cases_open311_forwards", params(ForwardsQuery),
    responses((status = 200, body = Page<Forward>), (status = 401), (status = 403)))]
async fn forwards(State(this): This, caller: Caller, Query(query): Query<ForwardsQuery>) -> Result<Json<Page<Forward>>> {
    let page = PageQuery { limit: query.limit, after: query.after };
    Ok(Json(this.forwards(&caller, query.state.as_deref(), &page).await?))
}

/// Decides about a hand-over: send again, take back, or name its id there.
#[utoipa::path(post, path = "/api/cases/open311/forwards/{id}", tag = "cases", operation_id = "cases_open311_decide", params(("id" = String, Path)),
    request_body = Decision, responses((status = 200, body = Forward), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn decide(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Forward>> {
    caller.require(Permission::CaseTriage, Scope::ANY)?;
    let unknown = |_| Error::not_found("case.forward.unknown", "There is no such hand-over.");
    let decision = crate::http::body(this.cases(), request).await?;
    Ok(Json(this.decide(&caller, id.parse().map_err(unknown)?, &decision).await?))
}

/// Hand-overs of a case, newest first.
#[utoipa::path(get, path = "/api/cases/{id}/forwards", tag = "cases", operation_id = "cases_forwards", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Forward>), (status = 401), (status = 403), (status = 404)))]
async fn of_case(State(this): This, caller: Caller, Path(id): Path<Uuid>) -> Result<Json<Vec<Forward>>> {
    Ok(Json(this.of_case(&caller, id).await?))
}

/// Hands a case to another system.
#[utoipa::path(post, path = "/api/cases/{id}/forwards", tag = "cases", operation_id = "cases_forward", params(("id" = String, Path)), request_body = ForwardInput,
    responses((status = 202, body = Forward), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn forward(State(this): This, caller: Caller, Path(id): Path<Uuid>, request: Request) -> Result<(StatusCode, Json<Forward>)> {
    this.cases().may_read(&caller, id).await?;
    let input = crate::http::body(this.cases(), request).await?;
    Ok((StatusCode::ACCEPTED, Json(this.forward(&caller, id, &input).await?)))
}
