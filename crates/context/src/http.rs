//! The native API: things, map, types, series and devices.

mod batch;
mod contexts;
mod distributed;
mod dividing;
mod federation;
mod fleet;
mod inventory;
mod known;
mod letters;
mod livemap;
mod maps;
mod mqtt;
mod ngsi;
mod params;
mod relay;
mod snapshots;
mod sta;
mod subscriptions;
mod temporal;
mod tenants;
mod versions;
mod wire;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use dothi_kernel::{Caller, Error, Page};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Context;
use crate::things::{Thing, ThingQuery, ThingSeries, ThingSeriesQuery, ThingType};

pub use mqtt::router as mqtt_router;
pub use ngsi::router as ngsi_router;
pub(crate) use params::{geo_member, selectors};
pub use sta::router as sta_router;
pub use tenants::is_ngsi;

type This = State<Arc<Context>>;

/// Routes under `/api/context`.
pub fn router(this: Arc<Context>) -> OpenApiRouter {
    let (devices, letters) = (crate::http_devices::router(this.clone()), letters::router(this.clone()));
    let (fleet, livemap) = (fleet::router(this.clone()), livemap::router(this.clone()));
    OpenApiRouter::new()
        .routes(routes!(things))
        .routes(routes!(thing))
        .routes(routes!(series))
        .routes(routes!(map))
        .routes(routes!(types))
        .with_state(this)
        .merge(devices)
        .merge(fleet)
        .merge(livemap)
        .merge(letters)
}

/// Things.
#[utoipa::path(get, path = "/api/context/things", tag = "context", params(ThingQuery), responses((status = 200, body = Page<Thing>)))]
async fn things(State(this): This, caller: Caller, Query(query): Query<ThingQuery>) -> Result<Json<Page<Thing>>, Error> {
    Ok(Json(this.things(&caller, &query)?))
}

/// One thing.
#[utoipa::path(get, path = "/api/context/things/{id}", tag = "context", params(("id" = String, Path, description = "URN")), responses((status = 200, body = Thing)))]
async fn thing(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Thing>, Error> {
    Ok(Json(this.thing(&caller, &id)?))
}

/// History of one attribute of a thing.
#[utoipa::path(get, path = "/api/context/things/{id}/series", tag = "context", params(("id" = String, Path, description = "URN"), ThingSeriesQuery), responses((status = 200, body = ThingSeries)))]
async fn series(State(this): This, caller: Caller, Path(id): Path<String>, Query(query): Query<ThingSeriesQuery>) -> Result<Json<ThingSeries>, Error> {
    Ok(Json(this.thing_series(&caller, &id, &query).await?))
}

/// Which things a map shows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MapQuery {
    /// Type, short name; all public ones when left out.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Things on the map, as a compact GeoJSON FeatureCollection.
#[utoipa::path(get, path = "/api/context/map", tag = "context", params(MapQuery), responses((status = 200, body = Object)))]
async fn map(State(this): This, caller: Caller, Query(query): Query<MapQuery>) -> Result<Json<serde_json::Value>, Error> {
    Ok(Json(this.map(&caller, query.kind.as_deref())?))
}

/// Types of things.
#[utoipa::path(get, path = "/api/context/types", tag = "context", responses((status = 200, body = Vec<ThingType>)))]
async fn types(State(this): This, caller: Caller) -> Json<Vec<ThingType>> {
    Json(this.kinds(&caller))
}
