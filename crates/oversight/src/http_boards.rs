//! The HTTP API of boards and walls.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dothi_kernel::{Caller, Page, PageQuery, Result};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::board_model::{BoardChange, BoardEntry, BoardTemplate, BoardVersion, BoardView, NewBoard, NewWall, StartBoard, Wall, WallWithSecret};
use crate::boards::Boards;
use crate::http::{At, Body, Wanted, at, body, wanted};

type This = State<Arc<Boards>>;

/// All routes of boards and walls.
pub fn router(this: Arc<Boards>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(boards, add))
        .routes(routes!(templates))
        .routes(routes!(start, set_start))
        .routes(routes!(board, change, remove))
        .routes(routes!(versions))
        .routes(routes!(walls, add_wall))
        .routes(routes!(end_wall))
        .routes(routes!(wall))
        .with_state(this)
}

/// One's own boards and those shared with one.
#[utoipa::path(get, path = "/api/oversight/boards", tag = "oversight", operation_id = "oversight_boards", params(PageQuery),
    responses((status = 200, body = Page<BoardEntry>)))]
async fn boards(State(this): This, caller: Caller, page: Wanted<PageQuery>) -> Result<Json<Page<BoardEntry>>> {
    Ok(Json(this.boards(&caller, &wanted(page)?).await?))
}

/// Makes a board: empty, from a template, or as a copy.
#[utoipa::path(post, path = "/api/oversight/boards", tag = "oversight", operation_id = "oversight_board_add", request_body = NewBoard,
    responses((status = 201, body = BoardView), (status = 409, description = "Too many boards")))]
async fn add(State(this): This, caller: Caller, new: Body<NewBoard>) -> Result<(StatusCode, Json<BoardView>)> {
    Ok((StatusCode::CREATED, Json(this.add(&caller, body(new)?).await?)))
}

/// Templates of the packs.
#[utoipa::path(get, path = "/api/oversight/boards/templates", tag = "oversight", operation_id = "oversight_board_templates",
    responses((status = 200, body = Vec<BoardTemplate>)))]
async fn templates(State(this): This, caller: Caller) -> Result<Json<Vec<BoardTemplate>>> {
    Ok(Json(this.templates(&caller).await?))
}

/// The board one begins with.
#[utoipa::path(get, path = "/api/oversight/boards/start", tag = "oversight", operation_id = "oversight_board_start",
    responses((status = 200, body = StartBoard)))]
async fn start(State(this): This, caller: Caller) -> Result<Json<StartBoard>> {
    Ok(Json(this.start(&caller).await?))
}

/// Says with which board one begins.
#[utoipa::path(put, path = "/api/oversight/boards/start", tag = "oversight", operation_id = "oversight_board_set_start", request_body = StartBoard,
    responses((status = 200, body = StartBoard)))]
async fn set_start(State(this): This, caller: Caller, given: Body<StartBoard>) -> Result<Json<StartBoard>> {
    Ok(Json(this.set_start(&caller, &body(given)?).await?))
}

/// A board.
#[utoipa::path(get, path = "/api/oversight/boards/{id}", tag = "oversight", operation_id = "oversight_board", params(("id" = String, Path)),
    responses((status = 200, body = BoardView), (status = 404, description = "No such board, or not shared with the caller")))]
async fn board(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<BoardView>> {
    Ok(Json(this.board(&caller, at(id)?).await?))
}

/// Changes a board of one's own.
#[utoipa::path(put, path = "/api/oversight/boards/{id}", tag = "oversight", operation_id = "oversight_board_change", params(("id" = String, Path)),
    request_body = BoardChange, responses((status = 200, body = BoardView), (status = 409, description = "Changed elsewhere meanwhile")))]
async fn change(State(this): This, caller: Caller, id: At<Uuid>, given: Body<BoardChange>) -> Result<Json<BoardView>> {
    Ok(Json(this.change(&caller, at(id)?, body(given)?).await?))
}

/// Deletes a board.
#[utoipa::path(delete, path = "/api/oversight/boards/{id}", tag = "oversight", operation_id = "oversight_board_remove", params(("id" = String, Path)),
    responses((status = 204)))]
async fn remove(State(this): This, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    this.remove(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a board was.
#[utoipa::path(get, path = "/api/oversight/boards/{id}/versions", tag = "oversight", operation_id = "oversight_board_versions",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = Page<BoardVersion>)))]
async fn versions(State(this): This, caller: Caller, id: At<Uuid>, page: Wanted<PageQuery>) -> Result<Json<Page<BoardVersion>>> {
    Ok(Json(this.versions(&caller, at(id)?, &wanted(page)?).await?))
}

/// Wall screens.
#[utoipa::path(get, path = "/api/oversight/walls", tag = "oversight", operation_id = "oversight_walls", params(PageQuery),
    responses((status = 200, body = Page<Wall>)))]
async fn walls(State(this): This, caller: Caller, page: Wanted<PageQuery>) -> Result<Json<Page<Wall>>> {
    Ok(Json(this.walls(&caller, &wanted(page)?).await?))
}

/// Makes a wall screen; its secret is shown this once.
#[utoipa::path(post, path = "/api/oversight/walls", tag = "oversight", operation_id = "oversight_wall_add", request_body = NewWall,
    responses((status = 201, body = WallWithSecret)))]
async fn add_wall(State(this): This, caller: Caller, new: Body<NewWall>) -> Result<(StatusCode, Json<WallWithSecret>)> {
    Ok((StatusCode::CREATED, Json(this.add_wall(&caller, body(new)?).await?)))
}

/// Ends a wall screen at once.
#[utoipa::path(delete, path = "/api/oversight/walls/{id}", tag = "oversight", operation_id = "oversight_wall_end", params(("id" = String, Path)),
    responses((status = 204)))]
async fn end_wall(State(this): This, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    this.end_wall(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the asking wall screen shows.
#[utoipa::path(get, path = "/api/oversight/wall", tag = "oversight", operation_id = "oversight_wall",
    responses((status = 200, body = Wall), (status = 404, description = "The caller is no wall screen")))]
async fn wall(State(this): This, caller: Caller) -> Result<Json<Wall>> {
    Ok(Json(this.wall(&caller).await?))
}
