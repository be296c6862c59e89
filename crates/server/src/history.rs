//! Questions to the lake by permitted people: SQL, saved queries, the quality of a series; and who may ask over the
//! PostgreSQL protocol.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::{Path, Query as Params, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_access::Access;
use dothi_access::model::Credentials;
use dothi_kernel::history::{Limits, QueryLimits, SeriesQuery, Stretch, Table};
use dothi_kernel::{Caller, Error, History, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_lake::{Doorkeeper, NewQuery, SavedQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::City;

/// Bounds of a query over HTTP.
const LIMITS: QueryLimits = QueryLimits { rows: 10_000, seconds: 30 };
/// Points that one look at quality reads.
const POINTS: usize = 100_000;

/// The routes under `/api/history`.
pub fn router(city: Arc<City>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(query))
        .routes(routes!(queries, save_query))
        .routes(routes!(saved_query, change_query, drop_query))
        .routes(routes!(run_query))
        .routes(routes!(series_quality))
        .with_state(city)
}

/// A question to the lake.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Query {
    /// One read-only statement over `observation`.
    pub sql: String,
}

/// `POST /api/history/query`: one read-only statement; at most 10 000 rows and 30 s.
#[utoipa::path(post, path = "/api/history/query", tag = "history", request_body = Query, responses((status = 200, body = Table)))]
pub async fn query(State(city): State<Arc<City>>, caller: Caller, Json(question): Json<Query>) -> Result<Json<Table>> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    if question.sql.len() > 20_000 {
        return Err(Error::too_large("history.sql-too-long", "The statement is too long."));
    }
    Ok(Json(city.lake.table(&question.sql, LIMITS).await?))
}

/// The saved queries one may see: one's own, those of one's units, those for all.
#[utoipa::path(get, path = "/api/history/queries", tag = "history", params(PageQuery), responses((status = 200, body = Page<SavedQuery>)))]
async fn queries(State(city): State<Arc<City>>, caller: Caller, Params(page): Params<PageQuery>) -> Result<Json<Page<SavedQuery>>> {
    Ok(Json(city.lake.queries(&caller, &page).await?))
}

/// Saves a query.
#[utoipa::path(post, path = "/api/history/queries", tag = "history", request_body = NewQuery, responses((status = 201, body = SavedQuery)))]
async fn save_query(State(city): State<Arc<City>>, caller: Caller, Json(new): Json<NewQuery>) -> Result<(StatusCode, Json<SavedQuery>)> {
    Ok((StatusCode::CREATED, Json(city.lake.save_query(&caller, new).await?)))
}

fn id_of(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| Error::not_found("history.query.unknown", "There is no such saved query."))
}

/// A saved query.
#[utoipa::path(get, path = "/api/history/queries/{id}", tag = "history", params(("id" = String, Path)), responses((status = 200, body = SavedQuery), (status = 404)))]
async fn saved_query(State(city): State<Arc<City>>, caller: Caller, Path(id): Path<String>) -> Result<Json<SavedQuery>> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    Ok(Json(city.lake.query(&caller, id_of(&id)?).await?))
}

/// Changes a query of one's own.
#[utoipa::path(put, path = "/api/history/queries/{id}", tag = "history", params(("id" = String, Path)), request_body = NewQuery,
    responses((status = 200, body = SavedQuery), (status = 403), (status = 404)))]
async fn change_query(State(city): State<Arc<City>>, caller: Caller, Path(id): Path<String>, Json(new): Json<NewQuery>) -> Result<Json<SavedQuery>> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    Ok(Json(city.lake.change_query(&caller, id_of(&id)?, new).await?))
}

/// Deletes a query of one's own.
#[utoipa::path(delete, path = "/api/history/queries/{id}", tag = "history", params(("id" = String, Path)), responses((status = 204), (status = 403), (status = 404)))]
async fn drop_query(State(city): State<Arc<City>>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    city.lake.drop_query(&caller, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a saved query: JSON, or CSV with `Accept: text/csv`. Same bounds as a free query.
#[utoipa::path(post, path = "/api/history/queries/{id}/run", tag = "history", params(("id" = String, Path)), responses((status = 200, body = Table), (status = 404)))]
async fn run_query(State(city): State<Arc<City>>, caller: Caller, Path(id): Path<String>, headers: HeaderMap) -> Result<Response> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    let saved = city.lake.query(&caller, id_of(&id)?).await?;
    let table = city.lake.table(&saved.sql, LIMITS).await?;
    let wants_csv = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/csv"));
    if !wants_csv {
        return Ok(Json(table).into_response());
    }
    let bytes = csv_of(&table)?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes).into_response())
}

/// A table as CSV, with a head line; nulls are empty.
fn csv_of(table: &Table) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::internal("writing CSV", e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).map_err(failed)?;
    for row in &table.rows {
        let cells = row.iter().map(|v| match v {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(s) => s.clone(),
            other => other.to_string(),
        });
        writer.write_record(cells).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Error::internal("writing CSV", e))
}

/// Which series, when, and what its values should be like.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QualityQuery {
    /// Entity URN.
    pub entity: String,
    /// Attribute, short name.
    pub attribute: String,
    /// From (RFC 3339; a day before `to` when left out).
    pub from: Option<String>,
    /// To (RFC 3339; now when left out).
    pub to: Option<String>,
    /// Seconds between two values; found from the values when left out.
    pub every: Option<u32>,
    /// Seconds for which a value may stay the same.
    pub stuck_after: Option<u32>,
    /// Least possible value.
    pub min: Option<f64>,
    /// Greatest possible value.
    pub max: Option<f64>,
    /// Greatest possible change a second.
    pub rate: Option<f64>,
}

/// What is doubtful in a series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesQuality {
    /// Values looked at.
    pub points: usize,
    /// Doubtful stretches in order of time.
    pub stretches: Vec<Stretch>,
}

/// Gaps, stuck values and values out of range of one series, with what was flagged when it came in.
#[utoipa::path(get, path = "/api/history/quality", tag = "history", params(QualityQuery), responses((status = 200, body = SeriesQuality)))]
async fn series_quality(State(city): State<Arc<City>>, caller: Caller, Params(asked): Params<QualityQuery>) -> Result<Json<SeriesQuality>> {
    caller.require(Permission::HistoryQuery, Scope::ANY)?;
    let instant = |text: &Option<String>| -> Result<Option<i64>> {
        let wrong = |_| Error::invalid("history.time", "Times must be RFC 3339 instants.");
        text.as_deref().map(|t| t.parse::<Timestamp>().map(|t| t.as_microsecond()).map_err(wrong)).transpose()
    };
    let to = instant(&asked.to)?.unwrap_or(caller.now.as_microsecond() + 1);
    let from = instant(&asked.from)?.unwrap_or(to - 86_400_000_000);
    if from >= to || asked.entity.len() > 2_000 || asked.attribute.len() > 200 {
        return Err(Error::invalid("history.series", "`from` must be before `to`."));
    }
    let series = SeriesQuery { entity: asked.entity, attribute: asked.attribute, from, to, bucket_s: None, offset_s: 0, limit: POINTS };
    let points = city.lake.series(&series).await?;
    let range = (asked.min.is_some() || asked.max.is_some()).then(|| (asked.min.unwrap_or(f64::MIN), asked.max.unwrap_or(f64::MAX)));
    let limits = Limits { range, rate_per_s: asked.rate, stuck_after_s: asked.stuck_after, every_s: asked.every };
    Ok(Json(SeriesQuality { points: points.len(), stretches: limits.stretches(&points, to) }))
}

/// Lets programs in over the PostgreSQL protocol: the password is an API token that may ask the lake; the user name is
/// `token`, the token's name or the sign-in name of whoever made it.
pub struct Door(pub Arc<Access>);

#[async_trait]
impl Doorkeeper for Door {
    async fn admit(&self, user: &str, password: &str, address: IpAddr) -> Result<Caller> {
        let caller = self.0.authenticate(&Credentials::Bearer(password.to_string()), Some(address)).await?;
        caller.require(Permission::HistoryQuery, Scope::ANY)?;
        if user == "token" || user == &*caller.name || self.0.token_owner(&caller).await?.is_some_and(|login| login == user) {
            return Ok(caller);
        }
        Err(Error::unauthenticated("access.token-invalid", "This token belongs to another name."))
    }
}
