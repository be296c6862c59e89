//! `/api/notify`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Html;
use dothi_kernel::http::{malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Page, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Notify;
use crate::model::{FollowReceipt, FollowRequest, FollowView, Health, MessageQuery, MessageRow, Offer, Preview, PreviewQuery, TokenInput};

type This = State<Arc<Notify>>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Wanted<T> = Result<Query<T>, QueryRejection>;
type At<T> = Result<Path<T>, PathRejection>;

/// All routes under `/api/notify`.
pub fn router(this: Arc<Notify>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(offer))
        .routes(routes!(following, follow))
        .routes(routes!(unfollow))
        .routes(routes!(confirm))
        .routes(routes!(stop, stop_page))
        .routes(routes!(messages))
        .routes(routes!(withdraw))
        .routes(routes!(again))
        .routes(routes!(health))
        .routes(routes!(preview))
        .with_state(this)
}

/// The parser's words may quote what was sent; an address must not come back in an error.
fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| unreadable(e.status(), None))
}

fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|_| malformed(None))
}

fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

/// The token of an address or a browser.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TokenQuery {
    /// From a mail, or from following in this browser; without it the signed-in person's own.
    token: Option<String>,
}

/// What can be chosen here: mail, and the key for web push.
#[utoipa::path(get, path = "/api/notify/offer", tag = "notify", operation_id = "notify_offer", responses((status = 200, body = Offer)))]
async fn offer(State(this): This, caller: Caller) -> Json<Offer> {
    Json(this.offer(&caller))
}

/// What is followed.
#[utoipa::path(get, path = "/api/notify/follows", tag = "notify", operation_id = "notify_following", params(TokenQuery),
    responses((status = 200, body = Vec<FollowView>), (status = 401), (status = 403)))]
async fn following(State(this): This, caller: Caller, query: Wanted<TokenQuery>) -> Result<Json<Vec<FollowView>>> {
    Ok(Json(this.following(&caller, wanted(query)?.token.as_deref()).await?))
}

/// Follow a case, a commune, a category, or (in office) one's work.
#[utoipa::path(post, path = "/api/notify/follows", tag = "notify", operation_id = "notify_follow", request_body = FollowRequest,
    responses((status = 202, body = FollowReceipt), (status = 400), (status = 401), (status = 404), (status = 409), (status = 422), (status = 429)))]
async fn follow(State(this): This, caller: Caller, given: Body<FollowRequest>) -> Result<(StatusCode, Json<FollowReceipt>)> {
    Ok((StatusCode::ACCEPTED, Json(this.follow(&caller, body(given)?).await?)))
}

/// End one thing that is followed.
#[utoipa::path(delete, path = "/api/notify/follows/{id}", tag = "notify", operation_id = "notify_unfollow", params(("id" = String, Path), TokenQuery),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn unfollow(State(this): This, caller: Caller, id: At<Uuid>, query: Wanted<TokenQuery>) -> Result<StatusCode> {
    this.unfollow(&caller, at(id)?, wanted(query)?.token.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begin what the link in a mail stands for.
#[utoipa::path(post, path = "/api/notify/confirm", tag = "notify", operation_id = "notify_confirm", request_body = TokenInput,
    responses((status = 200, body = Vec<FollowView>), (status = 403)))]
async fn confirm(State(this): This, caller: Caller, given: Body<TokenInput>) -> Result<Json<Vec<FollowView>>> {
    Ok(Json(this.confirm(&caller, &body(given)?.token).await?))
}

/// One-click end of everything that goes to an address (RFC 8058); the body is not looked at.
#[utoipa::path(post, path = "/api/notify/stop", tag = "notify", operation_id = "notify_stop", params(TokenQuery), responses((status = 204), (status = 403)))]
async fn stop(State(this): This, caller: Caller, query: Wanted<TokenQuery>) -> Result<StatusCode> {
    this.stop(&caller, &wanted(query)?.token.unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same address opened by a person, or looked at by a mail scanner: ends nothing, leads to the page that does.
#[utoipa::path(get, path = "/api/notify/stop", tag = "notify", operation_id = "notify_stop_page", params(TokenQuery),
    responses((status = 200, content_type = "text/html")))]
async fn stop_page(query: Wanted<TokenQuery>) -> Result<Html<String>> {
    let token: String = wanted(query)?.token.unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').take(100).collect();
    Ok(Html(format!(
        "<!doctype html><title>Dothi</title><meta http-equiv=\"refresh\" content=\"0;url=/follows#{token}\"><a href=\"/follows#{token}\">Dothi</a>"
    )))
}

/// The queue and what became of it; no address and no words.
#[utoipa::path(get, path = "/api/notify/messages", tag = "notify", operation_id = "notify_messages", params(MessageQuery),
    responses((status = 200, body = Page<MessageRow>), (status = 401), (status = 403)))]
async fn messages(State(this): This, caller: Caller, query: Wanted<MessageQuery>) -> Result<Json<Page<MessageRow>>> {
    Ok(Json(this.messages(&caller, &wanted(query)?).await?))
}

/// Take a message back that has not gone out.
#[utoipa::path(delete, path = "/api/notify/messages/{id}", tag = "notify", operation_id = "notify_withdraw", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn withdraw(State(this): This, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    this.withdraw(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a message again that was given up.
#[utoipa::path(post, path = "/api/notify/messages/{id}/again", tag = "notify", operation_id = "notify_again", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn again(State(this): This, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    this.again(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How the sending stands.
#[utoipa::path(get, path = "/api/notify/health", tag = "notify", operation_id = "notify_health", responses((status = 200, body = Health), (status = 401), (status = 403)))]
async fn health(State(this): This, caller: Caller) -> Result<Json<Health>> {
    Ok(Json(this.health(&caller).await?))
}

/// A template with made-up values.
#[utoipa::path(get, path = "/api/notify/preview", tag = "notify", operation_id = "notify_preview", params(PreviewQuery),
    responses((status = 200, body = Preview), (status = 401), (status = 403), (status = 404)))]
async fn preview(State(this): This, caller: Caller, query: Wanted<PreviewQuery>) -> Result<Json<Preview>> {
    let query = wanted(query)?;
    Ok(Json(this.preview(&caller, &query.template, query.lang.as_deref().unwrap_or("vi"))?))
}
