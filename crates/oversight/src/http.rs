//! The HTTP API of the domain.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::http::{malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Page, PageQuery, Result};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Oversight;
use crate::model::{ComputeReport, IndicatorDetail, IndicatorQuery, IndicatorValue, NewValue, Scorecard, ScorecardQuery, SetRow, ValueStatus};

type This = State<Arc<Oversight>>;
pub(crate) type Body<T> = Result<Json<T>, JsonRejection>;
pub(crate) type Wanted<T> = Result<Query<T>, QueryRejection>;
pub(crate) type At<T> = Result<Path<T>, PathRejection>;

pub(crate) fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| unreadable(e.status(), Some(e.body_text())))
}

pub(crate) fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|e| malformed(Some(e.body_text())))
}

pub(crate) fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

/// All routes under `/api/oversight`.
pub fn router(this: Arc<Oversight>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(sets))
        .routes(routes!(scorecard))
        .routes(routes!(briefing))
        .routes(routes!(indicator))
        .routes(routes!(values, report))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(compute))
        .with_state(this)
}

/// Indicator sets.
#[utoipa::path(get, path = "/api/oversight/sets", tag = "oversight", operation_id = "oversight_sets", responses((status = 200, body = Vec<SetRow>)))]
async fn sets(State(this): This, caller: Caller) -> Result<Json<Vec<SetRow>>> {
    Ok(Json(this.sets(&caller).await?))
}

/// A scorecard: one set, one area, one period.
#[utoipa::path(get, path = "/api/oversight/scorecard", tag = "oversight", operation_id = "oversight_scorecard", params(ScorecardQuery),
    responses((status = 200, body = Scorecard), (status = 404, description = "No such set")))]
async fn scorecard(State(this): This, caller: Caller, query: Wanted<ScorecardQuery>) -> Result<Json<Scorecard>> {
    Ok(Json(this.scorecard(&caller, &wanted(query)?).await?))
}

/// Which scorecard, in which language.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BriefingQuery {
    /// Set; the first one when left out.
    set: Option<String>,
    /// Area code; the home province when left out.
    area: Option<String>,
    /// Period; the present year when left out.
    period: Option<String>,
    /// `vi` (the default) or `en`.
    lang: Option<String>,
}

/// The leader's briefing: a scorecard on one sheet, as a PDF.
#[utoipa::path(get, path = "/api/oversight/briefing.pdf", tag = "oversight", operation_id = "oversight_briefing", params(BriefingQuery),
    responses((status = 200, content_type = "application/pdf"), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
async fn briefing(State(this): This, caller: Caller, query: Wanted<BriefingQuery>) -> Result<Response> {
    let query = wanted(query)?;
    let card = ScorecardQuery { set: query.set, area: query.area, period: query.period };
    let (name, pdf) = this.briefing(&caller, &card, query.lang.as_deref()).await?;
    let named = format!("attachment; filename=\"{name}\"");
    let head =
        [(header::CONTENT_TYPE, "application/pdf".to_string()), (header::CONTENT_DISPOSITION, named), (header::CACHE_CONTROL, "private, no-store".to_string())];
    Ok((head, pdf).into_response())
}

/// One indicator with formula, history and evidence.
#[utoipa::path(get, path = "/api/oversight/indicators/{set}/{code}", tag = "oversight", operation_id = "oversight_indicator",
    params(("set" = String, Path), ("code" = String, Path), IndicatorQuery), responses((status = 200, body = IndicatorDetail)))]
async fn indicator(State(this): This, caller: Caller, path: At<(String, String)>, query: Wanted<IndicatorQuery>) -> Result<Json<IndicatorDetail>> {
    let (set, code) = at(path)?;
    Ok(Json(this.indicator(&caller, &set, &code, &wanted(query)?).await?))
}

/// Which values.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ValuesQuery {
    /// Status; `pending` when left out.
    status: Option<ValueStatus>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Values of one status, oldest first.
#[utoipa::path(get, path = "/api/oversight/values", tag = "oversight", operation_id = "oversight_values", params(ValuesQuery),
    responses((status = 200, body = Page<IndicatorValue>)))]
async fn values(State(this): This, caller: Caller, query: Wanted<ValuesQuery>) -> Result<Json<Page<IndicatorValue>>> {
    let query = wanted(query)?;
    let page = PageQuery { limit: query.limit, after: query.after };
    Ok(Json(this.values(&caller, query.status, &page).await?))
}

/// Enters a value, to be approved by somebody else.
#[utoipa::path(post, path = "/api/oversight/values", tag = "oversight", operation_id = "oversight_report", request_body = NewValue,
    responses((status = 201, body = IndicatorValue), (status = 422, description = "The value does not fit")))]
async fn report(State(this): This, caller: Caller, new: Body<NewValue>) -> Result<(StatusCode, Json<IndicatorValue>)> {
    Ok((StatusCode::CREATED, Json(this.report(&caller, body(new)?).await?)))
}

/// Lets a waiting value count.
#[utoipa::path(post, path = "/api/oversight/values/{id}/approve", tag = "oversight", operation_id = "oversight_approve", params(("id" = String, Path)),
    responses((status = 200, body = IndicatorValue), (status = 403, description = "Entered by the same person")))]
async fn approve(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<IndicatorValue>> {
    Ok(Json(this.approve(&caller, at(id)?).await?))
}

/// Why a value is refused.
#[derive(Deserialize, ToSchema)]
struct Refusal {
    /// The reason, for the one who entered it.
    reason: String,
}

/// Refuses a waiting value.
#[utoipa::path(post, path = "/api/oversight/values/{id}/reject", tag = "oversight", operation_id = "oversight_reject", params(("id" = String, Path)),
    request_body = Refusal, responses((status = 200, body = IndicatorValue)))]
async fn reject(State(this): This, caller: Caller, id: At<Uuid>, refusal: Body<Refusal>) -> Result<Json<IndicatorValue>> {
    Ok(Json(this.reject(&caller, at(id)?, &body(refusal)?.reason).await?))
}

/// Which set.
#[derive(Deserialize, ToSchema)]
struct ComputeBody {
    /// Set code.
    set: String,
}

/// Computes the measured indicators of a set now.
#[utoipa::path(post, path = "/api/oversight/compute", tag = "oversight", operation_id = "oversight_compute", request_body = ComputeBody,
    responses((status = 200, body = ComputeReport)))]
async fn compute(State(this): This, caller: Caller, given: Body<ComputeBody>) -> Result<Json<ComputeReport>> {
    Ok(Json(this.compute(&caller, &body(given)?.set).await?))
}
