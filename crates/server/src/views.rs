//! Answers made of several domains, for one screen each.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use dothi_kernel::{Caller, Permission, Result, Scope};
use dothi_packs::PackRow;
use serde::Serialize;
use utoipa::ToSchema;

use crate::City;

/// The strip of figures on top of the operations centre.
#[derive(Debug, Serialize, ToSchema)]
pub struct Vitals {
    /// Alarms not closed, by severity.
    pub alarms: dothi_rules::model::Counts,
    /// Cases of the centre.
    pub cases: dothi_cases::model::Counts,
    /// Things by state.
    pub things: Things,
    /// Newest event, so that a screen knows where to resume.
    pub seq: i64,
}

/// Things by state.
#[derive(Debug, Serialize, ToSchema)]
pub struct Things {
    /// Reporting in time.
    pub ok: u64,
    /// Silent for longer than their type allows.
    pub silent: u64,
    /// Never reported.
    pub unknown: u64,
}

/// `GET /api/views/vitals`.
#[utoipa::path(get, path = "/api/views/vitals", tag = "views", responses((status = 200, body = Vitals)))]
pub async fn vitals(State(city): State<Arc<City>>, caller: Caller) -> Result<Json<Vitals>> {
    caller.require(Permission::AlarmRead, Scope::ANY)?;
    let (ok, silent, unknown) = city.context.state_counts(&caller)?;
    Ok(Json(Vitals {
        alarms: city.rules.counts(&caller).await?,
        cases: city.cases.counts(&caller).await?,
        things: Things { ok, silent, unknown },
        seq: *city.store.watch_events().borrow(),
    }))
}

/// `GET /api/packs`: installed packs.
#[utoipa::path(get, path = "/api/packs", tag = "packs", responses((status = 200, body = Vec<PackRow>)))]
pub async fn packs(State(city): State<Arc<City>>, caller: Caller) -> Result<Json<Vec<PackRow>>> {
    Ok(Json(city.packs.list(&caller, None).await?))
}

/// `GET /api/docs`: a reader of the OpenAPI document that needs no other host.
pub async fn api_reader() -> Html<&'static str> {
    Html(include_str!("api_reader.html"))
}
