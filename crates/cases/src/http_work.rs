//! Work orders over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Error, Page, PersonRef, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Cases;
use crate::http::{Form, PHOTO_BODY, body, form, idempotency_key};
use crate::work::{Crew, CrewInput, NewOrder, OrderMove, OrderMoveForm, OrdersQuery, WorkKindView, WorkOrder};

type This = State<Arc<Cases>>;

/// The routes of `/api/cases/work`.
pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(kinds))
        .routes(routes!(crews, add_crew))
        .routes(routes!(change_crew))
        .routes(routes!(people))
        .routes(routes!(orders, give))
        .routes(routes!(order))
        .routes(routes!(move_order).layer(DefaultBodyLimit::max(PHOTO_BODY)))
        .routes(routes!(photo))
        .with_state(this)
}

fn order_id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|e| Error::not_found("work.order.unknown", "There is no such work order.").because(e))
}

/// Which unit.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UnitQuery {
    /// Unit id.
    unit: Option<String>,
}

/// Kinds of work that can be given.
#[utoipa::path(get, path = "/api/cases/work/kinds", tag = "work", operation_id = "work_kinds", responses((status = 200, body = Vec<WorkKindView>), (status = 401), (status = 403)))]
async fn kinds(State(this): This, caller: Caller) -> Result<Json<Vec<WorkKindView>>> {
    Ok(Json(this.list_work_kinds(&caller)?))
}

/// Crews of one's units.
#[utoipa::path(get, path = "/api/cases/work/crews", tag = "work", operation_id = "work_crews", params(UnitQuery), responses((status = 200, body = Vec<Crew>), (status = 401), (status = 403)))]
async fn crews(State(this): This, caller: Caller, Query(query): Query<UnitQuery>) -> Result<Json<Vec<Crew>>> {
    Ok(Json(this.crews(&caller, query.unit.as_deref()).await?))
}

/// Makes a crew.
#[utoipa::path(post, path = "/api/cases/work/crews", tag = "work", operation_id = "work_add_crew", request_body = CrewInput,
    responses((status = 201, body = Crew), (status = 400), (status = 401), (status = 403)))]
async fn add_crew(State(this): This, caller: Caller, request: Request) -> Result<(StatusCode, Json<Crew>)> {
    let input: CrewInput = body(&this, request).await?;
    Ok((StatusCode::CREATED, Json(this.put_crew(&caller, None, input).await?)))
}

/// Changes a crew.
#[utoipa::path(put, path = "/api/cases/work/crews/{id}", tag = "work", operation_id = "work_change_crew", params(("id" = String, Path)), request_body = CrewInput,
    responses((status = 200, body = Crew), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn change_crew(State(this): This, caller: Caller, Path(id): Path<String>, request: Request) -> Result<Json<Crew>> {
    let id = id.parse().map_err(|e| crate::crews::unknown_crew().because(e))?;
    let input: CrewInput = body(&this, request).await?;
    Ok(Json(this.put_crew(&caller, Some(id), input).await?))
}

/// People of a unit who may belong to a crew.
#[utoipa::path(get, path = "/api/cases/work/people", tag = "work", operation_id = "work_people", params(UnitQuery), responses((status = 200, body = Vec<PersonRef>), (status = 401), (status = 403)))]
async fn people(State(this): This, caller: Caller, Query(query): Query<UnitQuery>) -> Result<Json<Vec<PersonRef>>> {
    Ok(Json(this.crew_people(&caller, query.unit.as_deref().unwrap_or_default()).await?))
}

/// Work orders: those that wait for a crew of mine, or those of my units.
#[utoipa::path(get, path = "/api/cases/work/orders", tag = "work", operation_id = "work_orders", params(OrdersQuery), responses((status = 200, body = Page<WorkOrder>), (status = 401), (status = 403)))]
async fn orders(State(this): This, caller: Caller, Query(query): Query<OrdersQuery>) -> Result<Json<Page<WorkOrder>>> {
    Ok(Json(this.orders(&caller, &query).await?))
}

/// Gives a work order to a crew. The header `Idempotency-Key` makes it safe to repeat.
#[utoipa::path(post, path = "/api/cases/work/orders", tag = "work", operation_id = "work_give", request_body = NewOrder,
    responses((status = 201, body = WorkOrder), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409)))]
async fn give(State(this): This, caller: Caller, headers: HeaderMap, request: Request) -> Result<(StatusCode, Json<WorkOrder>)> {
    let key = idempotency_key(&headers)?;
    let new: NewOrder = body(&this, request).await?;
    Ok((StatusCode::CREATED, Json(this.give_order(&caller, new, key.as_deref()).await?)))
}

/// A work order.
#[utoipa::path(get, path = "/api/cases/work/orders/{id}", tag = "work", operation_id = "work_order", params(("id" = String, Path)),
    responses((status = 200, body = WorkOrder), (status = 401), (status = 403), (status = 404)))]
async fn order(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<WorkOrder>> {
    Ok(Json(this.order(&caller, order_id(&id)?).await?))
}

/// Makes a step of a work order. The header `Idempotency-Key` makes it safe to repeat: what was done without network is sent later.
#[utoipa::path(post, path = "/api/cases/work/orders/{id}/moves/{move}", tag = "work", operation_id = "work_move", params(("id" = String, Path), ("move" = String, Path)),
    request_body(content((OrderMove = "application/json"), (OrderMoveForm = "multipart/form-data"))),
    responses((status = 200, body = WorkOrder), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 413), (status = 415), (status = 503)))]
async fn move_order(
    State(this): This,
    caller: Caller,
    Path((id, step)): Path<(String, String)>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<WorkOrder>> {
    let (id, key) = (order_id(&id)?, idempotency_key(&headers)?);
    // Before the body is read: nobody without the right makes the server hold photos.
    this.may_read_order(&caller, id).await?;
    let Form { body, photos, _slot } = form::<OrderMove>(&this, request, "move").await?;
    Ok(Json(this.move_order(&caller, id, &step, body, photos, key.as_deref()).await?))
}

/// Which rendition.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SizeQuery {
    /// `full` (the default) or `thumb`.
    size: Option<String>,
}

/// A photo of a work order, or of the report it is about.
#[utoipa::path(get, path = "/api/cases/work/photos/{sha}", tag = "work", operation_id = "work_photo", params(("sha" = String, Path), SizeQuery),
    responses((status = 200, content_type = "image/jpeg"), (status = 401), (status = 403), (status = 404)))]
async fn photo(State(this): This, caller: Caller, Path(sha): Path<String>, Query(query): Query<SizeQuery>) -> Result<Response> {
    let bytes = this.order_photo(&caller, &sha, query.size.as_deref() == Some("thumb")).await?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], bytes)
        .into_response())
}
