//! `/api/rules`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Rules;
use crate::model::{Acknowledgement, Alarm, AlarmDetail, AlarmQuery, AqiAnswer, AqiInput, Counts, DryRun, RuleRow, WouldBe};

/// The domain's routes.
pub fn router(this: Arc<Rules>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(alarms))
        .routes(routes!(alarm))
        .routes(routes!(acknowledge))
        .routes(routes!(counts))
        .routes(routes!(rules))
        .routes(routes!(vn_aqi))
        .routes(routes!(dry_run))
        .with_state(this)
}

/// Alarms, newest first.
#[utoipa::path(get, path = "/api/rules/alarms", tag = "rules", params(AlarmQuery), responses((status = 200, body = Page<Alarm>)))]
async fn alarms(State(this): State<Arc<Rules>>, caller: Caller, Query(query): Query<AlarmQuery>) -> Result<Json<Page<Alarm>>> {
    Ok(Json(this.alarms(&caller, &query).await?))
}

/// One alarm with its reasons.
#[utoipa::path(get, path = "/api/rules/alarms/{id}", tag = "rules", params(("id" = String, Path)), responses((status = 200, body = AlarmDetail)))]
async fn alarm(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>) -> Result<Json<AlarmDetail>> {
    Ok(Json(this.alarm(&caller, id).await?))
}

/// Takes note of an alarm.
#[utoipa::path(post, path = "/api/rules/alarms/{id}/acknowledge", tag = "rules", params(("id" = String, Path)), request_body = Acknowledgement, responses((status = 200, body = Alarm)))]
async fn acknowledge(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>, Json(words): Json<Acknowledgement>) -> Result<Json<Alarm>> {
    Ok(Json(this.acknowledge(&caller, id, words).await?))
}

/// Alarms that are not closed, by severity.
#[utoipa::path(get, path = "/api/rules/counts", tag = "rules", responses((status = 200, body = Counts)))]
async fn counts(State(this): State<Arc<Rules>>, caller: Caller) -> Result<Json<Counts>> {
    Ok(Json(this.counts(&caller).await?))
}

/// The installed rules.
#[utoipa::path(get, path = "/api/rules/rules", tag = "rules", responses((status = 200, body = Page<RuleRow>)))]
async fn rules(State(this): State<Arc<Rules>>, caller: Caller) -> Result<Json<Page<RuleRow>>> {
    Ok(Json(this.rules(&caller).await?))
}

/// Calculates the hourly VN_AQI. Public.
#[utoipa::path(post, path = "/api/rules/vn-aqi", tag = "rules", request_body = AqiInput, responses((status = 200, body = AqiAnswer)))]
async fn vn_aqi(State(this): State<Arc<Rules>>, _: Caller, Json(input): Json<AqiInput>) -> Result<Json<AqiAnswer>> {
    Ok(Json(this.vn_aqi(&input).await?))
}

/// Alarms that a rule would have raised over stored history; nothing is written.
#[utoipa::path(post, path = "/api/rules/dry-run", tag = "rules", request_body = DryRun, responses((status = 200, body = Vec<WouldBe>)))]
async fn dry_run(State(this): State<Arc<Rules>>, caller: Caller, Json(wanted): Json<DryRun>) -> Result<Json<Vec<WouldBe>>> {
    Ok(Json(this.dry_run(&caller, &wanted).await?))
}
