//! Reports by commune, heat and the yearly report over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Permission, Result, Scope};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::openness::{Density, DensityQuery, PeopleInput, YearReport};

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(density)).routes(routes!(set_people)).routes(routes!(heat)).routes(routes!(year)).with_state(this)
}

/// Reports by commune, for a thousand people where counts of people were entered. Public.
#[utoipa::path(get, path = "/api/cases/density", tag = "cases", operation_id = "cases_density", params(DensityQuery), responses((status = 200, body = Density), (status = 400)))]
async fn density(State(this): This, caller: Caller, Query(query): Query<DensityQuery>) -> Result<Json<Density>> {
    Ok(Json(this.density(&caller, &query).await?))
}

/// Enters how many people live in each commune, in place of what was entered before.
#[utoipa::path(put, path = "/api/cases/people", tag = "cases", operation_id = "cases_set_people", request_body = PeopleInput,
    responses((status = 204), (status = 401), (status = 403), (status = 422)))]
async fn set_people(State(this): This, caller: Caller, request: Request) -> Result<StatusCode> {
    caller.require(Permission::PackManage, Scope::ANY)?;
    let input: PeopleInput = crate::http::body(&this, request).await?;
    this.set_people(&caller, &input).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where reports come from: cells with counts, as GeoJSON. Public.
#[utoipa::path(get, path = "/api/cases/heat.geojson", tag = "cases", operation_id = "cases_heat", params(DensityQuery),
    responses((status = 200, body = serde_json::Value, content_type = "application/geo+json"), (status = 400)))]
async fn heat(State(this): This, caller: Caller, Query(query): Query<DensityQuery>) -> Result<Response> {
    let body = this.heat(&caller, &query).await?;
    Ok(([(header::CONTENT_TYPE, "application/geo+json"), (header::CACHE_CONTROL, "public, max-age=60")], body.to_string()).into_response())
}

/// A year in figures beside the year before. Public.
#[utoipa::path(get, path = "/api/cases/years/{year}", tag = "cases", operation_id = "cases_year", params(("year" = String, Path)),
    responses((status = 200, body = YearReport), (status = 404)))]
async fn year(State(this): This, caller: Caller, Path(year): Path<String>) -> Result<Json<YearReport>> {
    Ok(Json(this.year(&caller, year.parse().unwrap_or(0)).await?))
}
