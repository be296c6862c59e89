//! `/api/rules`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use dothi_kernel::{Caller, Page, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Rules;
use crate::board::{AlarmFigures, AlarmLoad, FiguresQuery};
use crate::model::{Acknowledgement, Alarm, AlarmDetail, AlarmQuery, AqiAnswer, AqiInput, Aside, AsideQuery, Counts, DryRun, NewAside, RuleRow, Shelve, Tried};
use crate::then::{AlarmsThen, ThenQuery};
use crate::versions::{NewVersion, RuleDetail};

/// The domain's routes.
pub fn router(this: Arc<Rules>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(alarms))
        .routes(routes!(alarms_then))
        .routes(routes!(alarm))
        .routes(routes!(acknowledge))
        .routes(routes!(reset))
        .routes(routes!(shelve))
        .routes(routes!(unshelve))
        .routes(routes!(asides, set_aside))
        .routes(routes!(end_aside))
        .routes(routes!(figures))
        .routes(routes!(load))
        .routes(routes!(counts))
        .routes(routes!(rules))
        .routes(routes!(rule, change_rule))
        .routes(routes!(vn_aqi))
        .routes(routes!(dry_run))
        .with_state(this)
}

/// Alarms, newest first.
#[utoipa::path(get, path = "/api/rules/alarms", tag = "rules", params(AlarmQuery), responses((status = 200, body = Page<Alarm>)))]
async fn alarms(State(this): State<Arc<Rules>>, caller: Caller, Query(query): Query<AlarmQuery>) -> Result<Json<Page<Alarm>>> {
    Ok(Json(this.alarms(&caller, &query).await?))
}

/// Alarms that were open at an instant, in short, for the map; at most 5,000.
#[utoipa::path(get, path = "/api/rules/alarms-then", tag = "rules", params(ThenQuery), responses((status = 200, body = AlarmsThen)))]
async fn alarms_then(State(this): State<Arc<Rules>>, caller: Caller, Query(query): Query<ThenQuery>) -> Result<Json<AlarmsThen>> {
    Ok(Json(this.alarms_then(&caller, &query).await?))
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

/// Resets a latched alarm.
#[utoipa::path(post, path = "/api/rules/alarms/{id}/reset", tag = "rules", params(("id" = String, Path)), request_body = Acknowledgement, responses((status = 200, body = Alarm)))]
async fn reset(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>, Json(words): Json<Acknowledgement>) -> Result<Json<Alarm>> {
    Ok(Json(this.reset(&caller, id, words).await?))
}

/// Sets an alarm aside for a while.
#[utoipa::path(post, path = "/api/rules/alarms/{id}/shelve", tag = "rules", params(("id" = String, Path)), request_body = Shelve, responses((status = 200, body = Alarm)))]
async fn shelve(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>, Json(wanted): Json<Shelve>) -> Result<Json<Alarm>> {
    Ok(Json(this.shelve(&caller, id, wanted).await?))
}

/// Takes an alarm back from its shelf.
#[utoipa::path(post, path = "/api/rules/alarms/{id}/unshelve", tag = "rules", params(("id" = String, Path)), request_body = Acknowledgement, responses((status = 200, body = Alarm)))]
async fn unshelve(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>, Json(words): Json<Acknowledgement>) -> Result<Json<Alarm>> {
    Ok(Json(this.unshelve(&caller, id, words).await?))
}

/// What is shelved, suppressed by planned work, or out of service.
#[utoipa::path(get, path = "/api/rules/asides", tag = "rules", params(AsideQuery), responses((status = 200, body = Page<Aside>)))]
async fn asides(State(this): State<Arc<Rules>>, caller: Caller, Query(query): Query<AsideQuery>) -> Result<Json<Page<Aside>>> {
    Ok(Json(this.asides(&caller, &query).await?))
}

/// Plans work, or takes a thing or rule out of service.
#[utoipa::path(post, path = "/api/rules/asides", tag = "rules", request_body = NewAside, responses((status = 200, body = Aside)))]
async fn set_aside(State(this): State<Arc<Rules>>, caller: Caller, Json(wanted): Json<NewAside>) -> Result<Json<Aside>> {
    Ok(Json(this.set_aside(&caller, wanted).await?))
}

/// Ends what is set aside.
#[utoipa::path(post, path = "/api/rules/asides/{id}/end", tag = "rules", params(("id" = String, Path)), responses((status = 200, body = Aside)))]
async fn end_aside(State(this): State<Arc<Rules>>, caller: Caller, Path(id): Path<Uuid>) -> Result<Json<Aside>> {
    Ok(Json(this.end_aside(&caller, id).await?))
}

/// The alarm system's own figures.
#[utoipa::path(get, path = "/api/rules/figures", tag = "rules", params(FiguresQuery), responses((status = 200, body = AlarmFigures)))]
async fn figures(State(this): State<Arc<Rules>>, caller: Caller, Query(query): Query<FiguresQuery>) -> Result<Json<AlarmFigures>> {
    Ok(Json(this.figures(&caller, &query).await?))
}

/// How much operators' positions are asked to look at now.
#[utoipa::path(get, path = "/api/rules/load", tag = "rules", responses((status = 200, body = AlarmLoad)))]
async fn load(State(this): State<Arc<Rules>>, caller: Caller) -> Result<Json<AlarmLoad>> {
    Ok(Json(this.load(&caller).await?))
}

/// A rule with the pack's text and its versions.
#[utoipa::path(get, path = "/api/rules/rules/{code}", tag = "rules", params(("code" = String, Path)), responses((status = 200, body = RuleDetail)))]
async fn rule(State(this): State<Arc<Rules>>, caller: Caller, Path(code): Path<String>) -> Result<Json<RuleDetail>> {
    Ok(Json(this.rule(&caller, &code).await?))
}

/// Changes a rule: a new version that counts at once.
#[utoipa::path(put, path = "/api/rules/rules/{code}", tag = "rules", params(("code" = String, Path)), request_body = NewVersion, responses((status = 200, body = RuleDetail)))]
async fn change_rule(State(this): State<Arc<Rules>>, caller: Caller, Path(code): Path<String>, Json(wanted): Json<NewVersion>) -> Result<Json<RuleDetail>> {
    Ok(Json(this.change_rule(&caller, &code, wanted).await?))
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
#[utoipa::path(post, path = "/api/rules/dry-run", tag = "rules", request_body = DryRun, responses((status = 200, body = Tried)))]
async fn dry_run(State(this): State<Arc<Rules>>, caller: Caller, Json(wanted): Json<DryRun>) -> Result<Json<Tried>> {
    Ok(Json(this.dry_run(&caller, &wanted).await?))
}
