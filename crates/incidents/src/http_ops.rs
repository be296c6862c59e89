//! Procedures, tasks, resources, duties, the shift and warnings over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use dothi_kernel::{Caller, Page, PageQuery, PersonRef, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Incidents;
use crate::http::{At, Body, This, Wanted, at, body, key, wanted};
use crate::model::{EndTask, Task};
use crate::model_ops::{
    Chain, ChainQuery, Dispatch, Duty, DutyQuery, HandInput, NewDuty, NewProcedure, NewWarning, OpsOrder, OpsShift, ProcedureVersion, PublicWarning, Resource,
    ResourceInput, Settling, ShiftNow, StampInput, SwapInput, TakeInput, WarningNotice, Words,
};

pub(crate) fn router(this: Arc<Incidents>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(tasks))
        .routes(routes!(end_task))
        .routes(routes!(procedures, draft_procedure))
        .routes(routes!(procedure))
        .routes(routes!(approve_procedure))
        .routes(routes!(resources, add_resource))
        .routes(routes!(put_resource))
        .routes(routes!(crew_people))
        .routes(routes!(my_dispatches))
        .routes(routes!(stamp))
        .routes(routes!(chain))
        .routes(routes!(duties, plan_duty))
        .routes(routes!(swap_duty))
        .routes(routes!(drop_duty))
        .routes(routes!(people))
        .routes(routes!(shift_now, begin_shift))
        .routes(routes!(shifts))
        .routes(routes!(hand_over))
        .routes(routes!(take_over))
        .routes(routes!(shift_note))
        .routes(routes!(give_order))
        .routes(routes!(read_order))
        .routes(routes!(end_order))
        .routes(routes!(warnings, draft_warning))
        .routes(routes!(settle_warning))
        .routes(routes!(notices))
        .with_state(this)
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TasksQuery {
    /// `open` (the usual), `done`, `cancelled`, `all`.
    state: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl TasksQuery {
    fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, after: self.after.clone() }
    }
}

/// Which warnings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WarningsQuery {
    /// Of one incident; all when left out.
    #[param(value_type = Option<String>)]
    incident: Option<Uuid>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl WarningsQuery {
    fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, after: self.after.clone() }
    }
}

/// Tasks of one's units.
#[utoipa::path(get, path = "/api/incidents/tasks", tag = "incidents", operation_id = "incidents_tasks", params(TasksQuery),
    responses((status = 200, body = Page<Task>), (status = 401), (status = 403)))]
async fn tasks(State(this): This, caller: Caller, query: Wanted<TasksQuery>) -> Result<Json<Page<Task>>> {
    let query = wanted(query)?;
    Ok(Json(this.tasks(&caller, query.state.as_deref(), &query.page()).await?))
}

/// Ends a task.
#[utoipa::path(post, path = "/api/incidents/tasks/{id}", tag = "incidents", operation_id = "incidents_end_task", params(("id" = String, Path)), request_body = EndTask,
    responses((status = 200, body = Task), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn end_task(State(this): This, caller: Caller, path: At<Uuid>, input: Body<EndTask>) -> Result<Json<Task>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.end_task(&caller, id, input).await?))
}

/// Approved procedures and drafts.
#[utoipa::path(get, path = "/api/incidents/procedures", tag = "incidents", operation_id = "incidents_procedures",
    responses((status = 200, body = Vec<ProcedureVersion>), (status = 401), (status = 403)))]
async fn procedures(State(this): This, caller: Caller) -> Result<Json<Vec<ProcedureVersion>>> {
    Ok(Json(this.procedures(&caller).await?))
}

/// A new draft of a procedure.
#[utoipa::path(post, path = "/api/incidents/procedures", tag = "incidents", operation_id = "incidents_draft_procedure", request_body = NewProcedure,
    responses((status = 201, body = ProcedureVersion), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn draft_procedure(State(this): This, caller: Caller, input: Body<NewProcedure>) -> Result<(StatusCode, Json<ProcedureVersion>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.draft_procedure(&caller, input).await?)))
}

/// All versions of a procedure.
#[utoipa::path(get, path = "/api/incidents/procedures/{code}", tag = "incidents", operation_id = "incidents_procedure", params(("code" = String, Path)),
    responses((status = 200, body = Vec<ProcedureVersion>), (status = 401), (status = 403), (status = 404)))]
async fn procedure(State(this): This, caller: Caller, path: At<String>) -> Result<Json<Vec<ProcedureVersion>>> {
    let code = at(path)?;
    Ok(Json(this.procedure(&caller, &code).await?))
}

/// Approves somebody else's draft.
#[utoipa::path(post, path = "/api/incidents/procedures/{code}/{version}/approve", tag = "incidents", operation_id = "incidents_approve_procedure", params(("code" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = ProcedureVersion), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn approve_procedure(State(this): This, caller: Caller, path: At<(String, u32)>) -> Result<Json<ProcedureVersion>> {
    let (code, version) = at(path)?;
    Ok(Json(this.approve_procedure(&caller, &code, version).await?))
}

/// Resources.
#[utoipa::path(get, path = "/api/incidents/resources", tag = "incidents", operation_id = "incidents_resources",
    responses((status = 200, body = Vec<Resource>), (status = 401), (status = 403)))]
async fn resources(State(this): This, caller: Caller) -> Result<Json<Vec<Resource>>> {
    Ok(Json(this.resources(&caller).await?))
}

/// Makes a resource.
#[utoipa::path(post, path = "/api/incidents/resources", tag = "incidents", operation_id = "incidents_add_resource", request_body = ResourceInput,
    responses((status = 201, body = Resource), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn add_resource(State(this): This, caller: Caller, input: Body<ResourceInput>) -> Result<(StatusCode, Json<Resource>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.put_resource(&caller, None, input).await?)))
}

/// Changes a resource.
#[utoipa::path(put, path = "/api/incidents/resources/{id}", tag = "incidents", operation_id = "incidents_put_resource", params(("id" = String, Path)), request_body = ResourceInput,
    responses((status = 200, body = Resource), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn put_resource(State(this): This, caller: Caller, path: At<Uuid>, input: Body<ResourceInput>) -> Result<Json<Resource>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.put_resource(&caller, Some(id), input).await?))
}

/// People who can stamp for a unit's resources.
#[utoipa::path(get, path = "/api/incidents/crews/{code}", tag = "incidents", operation_id = "incidents_crew_people", params(("code" = String, Path)),
    responses((status = 200, body = Vec<PersonRef>), (status = 401), (status = 403)))]
async fn crew_people(State(this): This, caller: Caller, path: At<String>) -> Result<Json<Vec<PersonRef>>> {
    let code = at(path)?;
    Ok(Json(this.crew_people(&caller, &code).await?))
}

/// What one is sent to.
#[utoipa::path(get, path = "/api/incidents/dispatches/mine", tag = "incidents", operation_id = "incidents_my_dispatches",
    responses((status = 200, body = Vec<Dispatch>), (status = 401), (status = 403)))]
async fn my_dispatches(State(this): This, caller: Caller) -> Result<Json<Vec<Dispatch>>> {
    Ok(Json(this.my_dispatches(&caller).await?))
}

/// A tap of the crew. With `Idempotency-Key` it may be sent again.
#[utoipa::path(post, path = "/api/incidents/dispatches/{id}/{stamp}", tag = "incidents", operation_id = "incidents_stamp", params(("id" = String, Path), ("stamp" = String, Path)), request_body = StampInput,
    responses((status = 200, body = Dispatch), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn stamp(State(this): This, caller: Caller, path: At<(Uuid, String)>, headers: HeaderMap, input: Body<StampInput>) -> Result<Json<Dispatch>> {
    let (id, stamp) = at(path)?;
    let input = body(input)?;
    Ok(Json(this.stamp(&caller, id, &stamp, input, key(&headers)).await?))
}

/// Percentiles of the time chain by type or commune.
#[utoipa::path(get, path = "/api/incidents/chain", tag = "incidents", operation_id = "incidents_chain", params(ChainQuery),
    responses((status = 200, body = Chain), (status = 400), (status = 401), (status = 403)))]
async fn chain(State(this): This, caller: Caller, query: Wanted<ChainQuery>) -> Result<Json<Chain>> {
    let query = wanted(query)?;
    Ok(Json(this.chain(&caller, &query).await?))
}

/// Duties of some days.
#[utoipa::path(get, path = "/api/incidents/duties", tag = "incidents", operation_id = "incidents_duties", params(DutyQuery),
    responses((status = 200, body = Vec<Duty>), (status = 400), (status = 401), (status = 403)))]
async fn duties(State(this): This, caller: Caller, query: Wanted<DutyQuery>) -> Result<Json<Vec<Duty>>> {
    let query = wanted(query)?;
    Ok(Json(this.duties(&caller, &query).await?))
}

/// Plans a duty.
#[utoipa::path(post, path = "/api/incidents/duties", tag = "incidents", operation_id = "incidents_plan_duty", request_body = NewDuty,
    responses((status = 201, body = Duty), (status = 400), (status = 401), (status = 403), (status = 409), (status = 422)))]
async fn plan_duty(State(this): This, caller: Caller, input: Body<NewDuty>) -> Result<(StatusCode, Json<Duty>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.plan_duty(&caller, input).await?)))
}

/// Gives a duty to somebody else.
#[utoipa::path(post, path = "/api/incidents/duties/{id}/swap", tag = "incidents", operation_id = "incidents_swap_duty", params(("id" = String, Path)), request_body = SwapInput,
    responses((status = 200, body = Duty), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn swap_duty(State(this): This, caller: Caller, path: At<Uuid>, input: Body<SwapInput>) -> Result<Json<Duty>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.swap_duty(&caller, id, input).await?))
}

/// Takes a planned duty away.
#[utoipa::path(delete, path = "/api/incidents/duties/{id}", tag = "incidents", operation_id = "incidents_drop_duty", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn drop_duty(State(this): This, caller: Caller, path: At<Uuid>) -> Result<StatusCode> {
    let id = at(path)?;
    this.drop_duty(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// People who can be planned and can command.
#[utoipa::path(get, path = "/api/incidents/people", tag = "incidents", operation_id = "incidents_people",
    responses((status = 200, body = Vec<PersonRef>), (status = 401), (status = 403)))]
async fn people(State(this): This, caller: Caller) -> Result<Json<Vec<PersonRef>>> {
    Ok(Json(this.people(&caller).await?))
}

/// The room now.
#[utoipa::path(get, path = "/api/incidents/shift", tag = "incidents", operation_id = "incidents_shift_now",
    responses((status = 200, body = ShiftNow), (status = 401), (status = 403)))]
async fn shift_now(State(this): This, caller: Caller) -> Result<Json<ShiftNow>> {
    Ok(Json(this.shift_now(&caller).await?))
}

/// Begins the first shift.
#[utoipa::path(post, path = "/api/incidents/shift", tag = "incidents", operation_id = "incidents_begin_shift",
    responses((status = 201, body = OpsShift), (status = 401), (status = 403), (status = 409)))]
async fn begin_shift(State(this): This, caller: Caller) -> Result<(StatusCode, Json<OpsShift>)> {
    Ok((StatusCode::CREATED, Json(this.begin_shift(&caller).await?)))
}

/// Shifts, newest first.
#[utoipa::path(get, path = "/api/incidents/shifts", tag = "incidents", operation_id = "incidents_shifts", params(PageQuery),
    responses((status = 200, body = Page<OpsShift>), (status = 401), (status = 403)))]
async fn shifts(State(this): This, caller: Caller, query: Wanted<PageQuery>) -> Result<Json<Page<OpsShift>>> {
    let query = wanted(query)?;
    Ok(Json(this.shifts(&caller, &query).await?))
}

/// Signs the hand-over: words and open matters are sealed.
#[utoipa::path(post, path = "/api/incidents/shift/hand-over", tag = "incidents", operation_id = "incidents_hand_over", request_body = HandInput,
    responses((status = 200, body = OpsShift), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn hand_over(State(this): This, caller: Caller, input: Body<HandInput>) -> Result<Json<OpsShift>> {
    let input = body(input)?;
    Ok(Json(this.hand_over(&caller, input).await?))
}

/// Signs what was handed over, and leads the next shift.
#[utoipa::path(post, path = "/api/incidents/shift/take-over", tag = "incidents", operation_id = "incidents_take_over", request_body = TakeInput,
    responses((status = 200, body = OpsShift), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn take_over(State(this): This, caller: Caller, input: Body<TakeInput>) -> Result<Json<OpsShift>> {
    let input = body(input)?;
    Ok(Json(this.take_over_shift(&caller, input).await?))
}

/// A line for the operator log.
#[utoipa::path(post, path = "/api/incidents/shift/log", tag = "incidents", operation_id = "incidents_shift_note", request_body = Words,
    responses((status = 204), (status = 401), (status = 403), (status = 409)))]
async fn shift_note(State(this): This, caller: Caller, input: Body<Words>) -> Result<StatusCode> {
    let input = body(input)?;
    this.shift_note(&caller, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an order to the room.
#[utoipa::path(post, path = "/api/incidents/orders", tag = "incidents", operation_id = "incidents_give_order", request_body = Words,
    responses((status = 201, body = OpsOrder), (status = 401), (status = 403)))]
async fn give_order(State(this): This, caller: Caller, input: Body<Words>) -> Result<(StatusCode, Json<OpsOrder>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.give_order(&caller, input).await?)))
}

/// Confirms having read an order.
#[utoipa::path(post, path = "/api/incidents/orders/{id}/read", tag = "incidents", operation_id = "incidents_read_order", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn read_order(State(this): This, caller: Caller, path: At<Uuid>) -> Result<StatusCode> {
    let id = at(path)?;
    this.read_order(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an order.
#[utoipa::path(delete, path = "/api/incidents/orders/{id}", tag = "incidents", operation_id = "incidents_end_order", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn end_order(State(this): This, caller: Caller, path: At<Uuid>) -> Result<StatusCode> {
    let id = at(path)?;
    this.end_order(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Public warnings with drafts, newest first.
#[utoipa::path(get, path = "/api/incidents/warnings", tag = "incidents", operation_id = "incidents_warnings", params(WarningsQuery),
    responses((status = 200, body = Page<PublicWarning>), (status = 401), (status = 403)))]
async fn warnings(State(this): This, caller: Caller, query: Wanted<WarningsQuery>) -> Result<Json<Page<PublicWarning>>> {
    let query = wanted(query)?;
    Ok(Json(this.warnings(&caller, query.incident, &query.page()).await?))
}

/// Drafts a public warning.
#[utoipa::path(post, path = "/api/incidents/warnings", tag = "incidents", operation_id = "incidents_draft_warning", request_body = NewWarning,
    responses((status = 201, body = PublicWarning), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn draft_warning(State(this): This, caller: Caller, input: Body<NewWarning>) -> Result<(StatusCode, Json<PublicWarning>)> {
    let input = body(input)?;
    Ok((StatusCode::CREATED, Json(this.draft_warning(&caller, input).await?)))
}

/// Sends somebody else's draft, or refuses it.
#[utoipa::path(post, path = "/api/incidents/warnings/{id}/settle", tag = "incidents", operation_id = "incidents_settle_warning", params(("id" = String, Path)), request_body = Settling,
    responses((status = 200, body = PublicWarning), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn settle_warning(State(this): This, caller: Caller, path: At<Uuid>, input: Body<Settling>) -> Result<Json<PublicWarning>> {
    let id = at(path)?;
    let input = body(input)?;
    Ok(Json(this.settle_warning(&caller, id, input).await?))
}

/// Warnings in force. Public.
#[utoipa::path(get, path = "/api/incidents/notices", tag = "incidents", operation_id = "incidents_notices",
    responses((status = 200, body = Vec<WarningNotice>)))]
async fn notices(State(this): This, caller: Caller) -> Result<Json<Vec<WarningNotice>>> {
    Ok(Json(this.notices(&caller).await?))
}
