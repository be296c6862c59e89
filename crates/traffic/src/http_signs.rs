//! Signs over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Traffic;
use crate::http::{At, Body, This, Wanted, at, body, wanted};
use crate::model::{FindQuery, Message, MessageInput, SettleInput, SignInput, SignRow};

pub(crate) fn router(this: Arc<Traffic>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(signs, add_sign)).routes(routes!(change_sign)).routes(routes!(messages, say)).routes(routes!(settle)).with_state(this)
}

/// Signs of one's units with what they show.
#[utoipa::path(get, path = "/api/traffic/signs", tag = "traffic", operation_id = "traffic_signs", params(FindQuery),
    responses((status = 200, body = Page<SignRow>), (status = 401), (status = 403)))]
async fn signs(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<SignRow>>> {
    Ok(Json(this.signs(&caller, &wanted(query)?).await?))
}

/// Registers a sign.
#[utoipa::path(post, path = "/api/traffic/signs", tag = "traffic", operation_id = "traffic_sign_add", request_body = SignInput,
    responses((status = 200, body = SignRow), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_sign(State(this): This, caller: Caller, input: Body<SignInput>) -> Result<Json<SignRow>> {
    Ok(Json(this.put_sign(&caller, None, body(input)?).await?))
}

/// Changes a sign.
#[utoipa::path(put, path = "/api/traffic/signs/{id}", tag = "traffic", operation_id = "traffic_sign_change", params(("id" = String, Path)),
    request_body = SignInput, responses((status = 200, body = SignRow), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_sign(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SignInput>) -> Result<Json<SignRow>> {
    Ok(Json(this.put_sign(&caller, Some(at(id)?), body(input)?).await?))
}

/// Messages of a sign, newest first, at most 100.
#[utoipa::path(get, path = "/api/traffic/signs/{id}/messages", tag = "traffic", operation_id = "traffic_sign_messages", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Message>), (status = 401), (status = 403), (status = 404)))]
async fn messages(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<Vec<Message>>> {
    Ok(Json(this.messages(&caller, at(id)?).await?))
}

/// Gives a sign a message: of the library, or free text for approval.
#[utoipa::path(post, path = "/api/traffic/signs/{id}/messages", tag = "traffic", operation_id = "traffic_sign_say", params(("id" = String, Path)),
    request_body = MessageInput, responses((status = 200, body = Message), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn say(State(this): This, caller: Caller, id: At<Uuid>, input: Body<MessageInput>) -> Result<Json<Message>> {
    Ok(Json(this.say(&caller, at(id)?, &body(input)?).await?))
}

/// Allows a message, refuses it, or takes it back.
#[utoipa::path(post, path = "/api/traffic/messages/{id}/settle", tag = "traffic", operation_id = "traffic_sign_settle", params(("id" = String, Path)),
    request_body = SettleInput, responses((status = 200, body = Message), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn settle(State(this): This, caller: Caller, id: At<Uuid>, input: Body<SettleInput>) -> Result<Json<Message>> {
    Ok(Json(this.settle_message(&caller, at(id)?, &body(input)?).await?))
}
