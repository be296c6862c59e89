//! SQL over the lake for permitted people.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dothi_kernel::history::{QueryLimits, Table};
use dothi_kernel::{Caller, Error, History, Permission, Result, Scope};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::City;

/// Bounds of a query over HTTP.
const LIMITS: QueryLimits = QueryLimits { rows: 10_000, seconds: 30 };

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
