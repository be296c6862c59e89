//! What a reporter does with the own case beside following it, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use dothi_kernel::{Caller, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::consent::ConsentInput;
use crate::http::body;
use crate::model::PublicCase;

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(set_consent)).with_state(this)
}

/// Agrees that those who handle the case may have the contact data, or takes it back.
#[utoipa::path(put, path = "/api/cases/track/{code}/consent", tag = "cases", operation_id = "cases_consent", params(("code" = String, Path)),
    request_body = ConsentInput, responses((status = 200, body = PublicCase), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn set_consent(State(this): This, caller: Caller, Path(code): Path<String>, request: Request) -> Result<Json<PublicCase>> {
    let input: ConsentInput = body(&this, request).await?;
    Ok(Json(this.set_consent(&caller, &code, input).await?))
}
