//! Scores, figures, tablets, anomalies and the public's pages over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Page, PageQuery, Result};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Dossiers;
use crate::http::{At, Body, This, Wanted, at, body, wanted};
use crate::model_more::{
    Anomalies, AnomalyQuery, FigureView, LookUp, NewFigure, NewTablet, OwnDossier, PublicBoard, PublicBoardQuery, RatingsIn, RatingsTaken, Satisfaction, Score,
    ScoreQuery, Scores, ScoresQuery, Settling, TabletFace, TabletToken, TabletView,
};

/// Routes beside those of [`crate::http::router`].
pub(crate) fn router(this: Arc<Dossiers>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(score))
        .routes(routes!(scores))
        .routes(routes!(figures, report_figure))
        .routes(routes!(settle_figure))
        .routes(routes!(anomalies))
        .routes(routes!(satisfaction))
        .routes(routes!(tablets, add_tablet))
        .routes(routes!(end_tablet))
        .routes(routes!(tablet_face, rate))
        .routes(routes!(public_board))
        .routes(routes!(look_up))
        .with_state(this)
}

/// The score of an agency in a period, opened down to its figures.
#[utoipa::path(get, path = "/api/dossiers/score", tag = "dossiers", operation_id = "dossiers_score", params(ScoreQuery),
    responses((status = 200, body = Score), (status = 401), (status = 403), (status = 404)))]
async fn score(State(this): This, caller: Caller, query: Wanted<ScoreQuery>) -> Result<Json<Score>> {
    Ok(Json(this.score(&caller, &wanted(query)?).await?))
}

/// The scores of all agencies that one may see.
#[utoipa::path(get, path = "/api/dossiers/scores", tag = "dossiers", operation_id = "dossiers_scores", params(ScoresQuery),
    responses((status = 200, body = Scores), (status = 401), (status = 403)))]
async fn scores(State(this): This, caller: Caller, query: Wanted<ScoresQuery>) -> Result<Json<Scores>> {
    Ok(Json(this.scores(&caller, &wanted(query)?).await?))
}

/// Which figures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FiguresQuery {
    /// Status; `pending` when left out.
    status: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Reported figures, oldest first.
#[utoipa::path(get, path = "/api/dossiers/figures", tag = "dossiers", operation_id = "dossiers_figures", params(FiguresQuery),
    responses((status = 200, body = Page<FigureView>), (status = 401), (status = 403)))]
async fn figures(State(this): This, caller: Caller, query: Wanted<FiguresQuery>) -> Result<Json<Page<FigureView>>> {
    let query = wanted(query)?;
    Ok(Json(this.figures(&caller, query.status.as_deref(), &PageQuery { limit: query.limit, after: query.after }).await?))
}

/// Reports a figure, to be approved by somebody else.
#[utoipa::path(post, path = "/api/dossiers/figures", tag = "dossiers", operation_id = "dossiers_report_figure", request_body = NewFigure,
    responses((status = 201, body = FigureView), (status = 401), (status = 403), (status = 404), (status = 422)))]
async fn report_figure(State(this): This, caller: Caller, new: Body<NewFigure>) -> Result<(StatusCode, Json<FigureView>)> {
    Ok((StatusCode::CREATED, Json(this.report_figure(&caller, body(new)?).await?)))
}

/// Approves or rejects a figure.
#[utoipa::path(post, path = "/api/dossiers/figures/{id}/settle", tag = "dossiers", operation_id = "dossiers_settle_figure", params(("id" = String, Path)),
    request_body = Settling, responses((status = 200, body = FigureView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn settle_figure(State(this): This, caller: Caller, id: At<Uuid>, settling: Body<Settling>) -> Result<Json<FigureView>> {
    Ok(Json(this.settle_figure(&caller, at(id)?, &body(settling)?).await?))
}

/// What looks odd, with the figures that triggered it.
#[utoipa::path(get, path = "/api/dossiers/anomalies", tag = "dossiers", operation_id = "dossiers_anomalies", params(AnomalyQuery),
    responses((status = 200, body = Anomalies), (status = 401), (status = 403)))]
async fn anomalies(State(this): This, caller: Caller, query: Wanted<AnomalyQuery>) -> Result<Json<Anomalies>> {
    Ok(Json(this.anomalies(&caller, &wanted(query)?).await?))
}

/// Which months.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MonthsQuery {
    /// First month.
    from: Option<String>,
    /// Last month.
    to: Option<String>,
}

/// Satisfaction at counters.
#[utoipa::path(get, path = "/api/dossiers/satisfaction", tag = "dossiers", operation_id = "dossiers_satisfaction", params(MonthsQuery),
    responses((status = 200, body = Satisfaction), (status = 401), (status = 403)))]
async fn satisfaction(State(this): This, caller: Caller, query: Wanted<MonthsQuery>) -> Result<Json<Satisfaction>> {
    let query = wanted(query)?;
    Ok(Json(this.satisfaction(&caller, query.from.as_deref(), query.to.as_deref()).await?))
}

/// Tablets of counters.
#[utoipa::path(get, path = "/api/dossiers/tablets", tag = "dossiers", operation_id = "dossiers_tablets",
    responses((status = 200, body = Vec<TabletView>), (status = 401), (status = 403)))]
async fn tablets(State(this): This, caller: Caller) -> Result<Json<Vec<TabletView>>> {
    Ok(Json(this.tablets(&caller).await?))
}

/// Adds a tablet; its token is told once.
#[utoipa::path(post, path = "/api/dossiers/tablets", tag = "dossiers", operation_id = "dossiers_add_tablet", request_body = NewTablet,
    responses((status = 201, body = TabletToken), (status = 401), (status = 403), (status = 422)))]
async fn add_tablet(State(this): This, caller: Caller, new: Body<NewTablet>) -> Result<Response> {
    let made = this.add_tablet(&caller, body(new)?).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "private, no-store")], Json(made)).into_response())
}

/// Ends a tablet.
#[utoipa::path(delete, path = "/api/dossiers/tablets/{id}", tag = "dossiers", operation_id = "dossiers_end_tablet", params(("id" = String, Path)),
    responses((status = 200, body = TabletView), (status = 401), (status = 403), (status = 404)))]
async fn end_tablet(State(this): This, caller: Caller, id: At<Uuid>) -> Result<Json<TabletView>> {
    Ok(Json(this.end_tablet(&caller, at(id)?).await?))
}

/// The tablet's token.
fn token(headers: &HeaderMap) -> &str {
    headers.get("x-tablet-token").and_then(|v| v.to_str().ok()).unwrap_or("")
}

/// What a tablet shows; its token is in the header `X-Tablet-Token`.
#[utoipa::path(get, path = "/api/dossiers/ratings", tag = "dossiers", operation_id = "dossiers_tablet_face",
    responses((status = 200, body = TabletFace), (status = 401)))]
async fn tablet_face(State(this): This, caller: Caller, headers: HeaderMap) -> Result<Json<TabletFace>> {
    Ok(Json(this.tablet_face(&caller, token(&headers)).await?))
}

/// Faces that were touched; the tablet's token is in the header `X-Tablet-Token`. May be repeated.
#[utoipa::path(post, path = "/api/dossiers/ratings", tag = "dossiers", operation_id = "dossiers_rate", request_body = RatingsIn,
    responses((status = 200, body = RatingsTaken), (status = 401), (status = 413)))]
async fn rate(State(this): This, caller: Caller, headers: HeaderMap, given: Body<RatingsIn>) -> Result<Json<RatingsTaken>> {
    Ok(Json(this.rate(&caller, token(&headers), body(given)?).await?))
}

/// Shares on time. Public.
#[utoipa::path(get, path = "/api/dossiers/public/board", tag = "dossiers", operation_id = "dossiers_public_board", params(PublicBoardQuery),
    responses((status = 200, body = PublicBoard)))]
async fn public_board(State(this): This, caller: Caller, query: Wanted<PublicBoardQuery>) -> Result<Response> {
    let board = this.public_board(&caller, &wanted(query)?).await?;
    Ok(([(header::CACHE_CONTROL, "public, max-age=60")], Json(board)).into_response())
}

/// One's own dossier, by its code and the last four digits of the telephone number. Public.
#[utoipa::path(post, path = "/api/dossiers/public/look-up", tag = "dossiers", operation_id = "dossiers_look_up", request_body = LookUp,
    responses((status = 200, body = OwnDossier), (status = 404), (status = 429)))]
async fn look_up(State(this): This, caller: Caller, given: Body<LookUp>) -> Result<Response> {
    let found = this.look_up(&caller, &body(given)?).await?;
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(found)).into_response())
}
