//! A new password and a confirmed address, by mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use dothi_kernel::http::malformed;
use dothi_kernel::{Caller, Result};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Access;
use crate::letters::Address;

type Domain = State<Arc<Access>>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// The routes.
pub(crate) fn router(this: Arc<Access>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(address, ask_address))
        .routes(routes!(confirm_address))
        .routes(routes!(ask_password))
        .routes(routes!(reset_password))
        .with_state(this)
}

/// A password must not come back in an error, so only the form is named.
fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|_| malformed(Some("a field is missing, unknown or of the wrong type".into())))
}

/// A mail address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddressInput {
    email: String,
}

/// What is in a letter's link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LetterToken {
    token: String,
}

/// Whose password was forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForgottenPassword {
    /// Login, or confirmed mail address.
    login: String,
}

/// A new password with the letter's link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    token: String,
    new: String,
}

/// The mail address of one's account.
#[utoipa::path(get, path = "/api/access/address", tag = "access", operation_id = "access_address", responses((status = 200, body = Address), (status = 401)))]
async fn address(State(access): Domain, caller: Caller) -> Result<Json<Address>> {
    Ok(Json(access.address(&caller).await?))
}

/// Ask for the letter that confirms an address.
#[utoipa::path(post, path = "/api/access/address", tag = "access", operation_id = "access_ask_address", request_body = AddressInput,
    responses((status = 202), (status = 400), (status = 401), (status = 409), (status = 429)))]
async fn ask_address(State(access): Domain, caller: Caller, given: Body<AddressInput>) -> Result<StatusCode> {
    access.ask_address(&caller, &body(given)?.email).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Confirm an address with the letter's link.
#[utoipa::path(post, path = "/api/access/address/confirm", tag = "access", operation_id = "access_confirm_address", request_body = LetterToken,
    responses((status = 204), (status = 403), (status = 409)))]
async fn confirm_address(State(access): Domain, caller: Caller, given: Body<LetterToken>) -> Result<StatusCode> {
    access.confirm_address(&caller, &body(given)?.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for the letter that sets a new password; the answer says nothing about whether there is such an account.
#[utoipa::path(post, path = "/api/access/password/forgotten", tag = "access", operation_id = "access_ask_password", request_body = ForgottenPassword,
    responses((status = 202), (status = 429)))]
async fn ask_password(State(access): Domain, caller: Caller, given: Body<ForgottenPassword>) -> Result<StatusCode> {
    access.ask_password(&caller, &body(given)?.login).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with the letter's link; all sessions end.
#[utoipa::path(post, path = "/api/access/password/reset", tag = "access", operation_id = "access_reset_password", request_body = NewPassword,
    responses((status = 204), (status = 400), (status = 403)))]
async fn reset_password(State(access): Domain, caller: Caller, given: Body<NewPassword>) -> Result<StatusCode> {
    let given = body(given)?;
    access.reset_password(&caller, &given.token, &given.new).await?;
    Ok(StatusCode::NO_CONTENT)
}
