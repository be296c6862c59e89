//! Panels over HTTP: numbers, keys, supervision, tables.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Panels;
use crate::http::{At, Body, Sent, This, Wanted, at, body, sent, wanted};
use crate::model::{AccountInput, AccountRow, FindQuery, Import, KeyInput, MaintenanceInput, MessageRow, Stranger};

/// Most bytes of a table.
const TABLE: usize = 8 * 1024 * 1024;

pub(crate) fn router(this: Arc<Panels>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(accounts, add_account))
        .routes(routes!(change_account))
        .routes(routes!(set_key))
        .routes(routes!(set_maintenance))
        .routes(routes!(messages))
        .routes(routes!(strangers))
        .routes(routes!(import).layer(DefaultBodyLimit::max(TABLE)))
        .with_state(this)
}

/// Panels by number.
#[utoipa::path(get, path = "/api/panels/accounts", tag = "panels", operation_id = "panels_accounts", params(FindQuery),
    responses((status = 200, body = Page<AccountRow>), (status = 401), (status = 403)))]
async fn accounts(State(this): This, caller: Caller, query: Wanted<FindQuery>) -> Result<Json<Page<AccountRow>>> {
    Ok(Json(this.accounts(&caller, &wanted(query)?).await?))
}

/// Registers a panel.
#[utoipa::path(post, path = "/api/panels/accounts", tag = "panels", operation_id = "panels_account_add", request_body = AccountInput,
    responses((status = 200, body = AccountRow), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_account(State(this): This, caller: Caller, input: Body<AccountInput>) -> Result<Json<AccountRow>> {
    Ok(Json(this.put_account(&caller, None, body(input)?).await?))
}

/// Changes a panel.
#[utoipa::path(put, path = "/api/panels/accounts/{id}", tag = "panels", operation_id = "panels_account_change", params(("id" = String, Path)),
    request_body = AccountInput, responses((status = 200, body = AccountRow), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn change_account(State(this): This, caller: Caller, id: At<Uuid>, input: Body<AccountInput>) -> Result<Json<AccountRow>> {
    Ok(Json(this.put_account(&caller, Some(at(id)?), body(input)?).await?))
}

/// Gives a panel its key, or none.
#[utoipa::path(post, path = "/api/panels/accounts/{id}/key", tag = "panels", operation_id = "panels_account_key", params(("id" = String, Path)),
    request_body = KeyInput, responses((status = 200, body = AccountRow), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn set_key(State(this): This, caller: Caller, id: At<Uuid>, input: Body<KeyInput>) -> Result<Json<AccountRow>> {
    Ok(Json(this.set_key(&caller, at(id)?, &body(input)?).await?))
}

/// Puts a panel into maintenance until an instant, or ends it.
#[utoipa::path(post, path = "/api/panels/accounts/{id}/maintenance", tag = "panels", operation_id = "panels_account_maintenance",
    params(("id" = String, Path)), request_body = MaintenanceInput,
    responses((status = 200, body = AccountRow), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn set_maintenance(State(this): This, caller: Caller, id: At<Uuid>, input: Body<MaintenanceInput>) -> Result<Json<AccountRow>> {
    Ok(Json(this.set_maintenance(&caller, at(id)?, &body(input)?).await?))
}

/// What a panel told last.
#[utoipa::path(get, path = "/api/panels/accounts/{id}/messages", tag = "panels", operation_id = "panels_account_messages", params(("id" = String, Path)),
    responses((status = 200, body = Vec<MessageRow>), (status = 401), (status = 403), (status = 404)))]
async fn messages(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<Vec<MessageRow>>> {
    Ok(Json(this.messages(&caller, at(id)?).await?))
}

/// Accounts that are told and nobody registered.
#[utoipa::path(get, path = "/api/panels/strangers", tag = "panels", operation_id = "panels_strangers",
    responses((status = 200, body = Vec<Stranger>), (status = 401), (status = 403)))]
async fn strangers(State(this): This, caller: Caller) -> Result<Json<Vec<Stranger>>> {
    Ok(Json(this.strangers(&caller)?))
}

/// A table of premises with their panels. May be repeated.
#[utoipa::path(post, path = "/api/panels/import", tag = "panels", operation_id = "panels_import",
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Import), (status = 401), (status = 403), (status = 413), (status = 422)))]
async fn import(State(this): This, caller: Caller, bytes: Sent) -> Result<Json<Import>> {
    Ok(Json(this.import(&caller, &sent(bytes, TABLE)?).await?))
}
