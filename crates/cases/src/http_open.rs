//! What is open to everybody beside the pages (feeds, tables), and the desk of routing rules.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, Page, PageQuery, Permission, Result, Scope};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::http_open311::base;
use crate::model::{PublicCase, PublicQuery};
use crate::routing_desk::{DryRun, RoutingInput, RoutingView};

type This = State<Arc<Cases>>;

pub(crate) fn router(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(feed))
        .routes(routes!(table))
        .routes(routes!(case_feed))
        .routes(routes!(following))
        .routes(routes!(routing, save_routing, reset_routing))
        .routes(routes!(try_routing))
        .with_state(this)
}

fn atom(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")], body).into_response()
}

fn own(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |p| p.as_str())
}

/// The newest public cases as an Atom feed, with the filters of the list.
#[utoipa::path(get, path = "/api/cases/public.atom", tag = "cases", operation_id = "cases_feed", params(PublicQuery),
    responses((status = 200, content_type = "application/atom+xml"), (status = 400)))]
async fn feed(State(this): This, caller: Caller, headers: HeaderMap, uri: Uri, Query(query): Query<PublicQuery>) -> Result<Response> {
    Ok(atom(this.feed(&caller, &query, &base(&headers), own(&uri)).await?))
}

/// The steps of a public case as an Atom feed.
#[utoipa::path(get, path = "/api/cases/public/{code}/feed.atom", tag = "cases", operation_id = "cases_case_feed", params(("code" = String, Path)),
    responses((status = 200, content_type = "application/atom+xml"), (status = 404)))]
async fn case_feed(State(this): This, caller: Caller, headers: HeaderMap, uri: Uri, Path(code): Path<String>) -> Result<Response> {
    Ok(atom(this.case_feed(&caller, &code, &base(&headers), own(&uri)).await?))
}

/// Public cases as a table, newest first; at most 5,000 rows. `Link: rel="next"` names the next table.
#[utoipa::path(get, path = "/api/cases/public.csv", tag = "cases", operation_id = "cases_table", params(PublicQuery),
    responses((status = 200, content_type = "text/csv"), (status = 400)))]
async fn table(State(this): This, caller: Caller, uri: Uri, Query(query): Query<PublicQuery>) -> Result<Response> {
    let (body, next) = this.table(&caller, &query).await?;
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")], body).into_response();
    if let Some(next) = next {
        let kept = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).filter(|(k, _)| k != "after");
        let link = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("after", &next).finish();
        if let Ok(link) = HeaderValue::from_str(&format!("<{}?{link}>; rel=\"next\"", uri.path())) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// Public cases that the signed-in person follows.
#[utoipa::path(get, path = "/api/cases/following", tag = "cases", operation_id = "cases_following", params(PageQuery),
    responses((status = 200, body = Page<PublicCase>), (status = 401)))]
async fn following(State(this): This, caller: Caller, Query(query): Query<PageQuery>) -> Result<Json<Page<PublicCase>>> {
    Ok(Json(this.following(&caller, &query).await?))
}

/// The routing rules in force.
#[utoipa::path(get, path = "/api/cases/types/{kind}/routing", tag = "cases", operation_id = "cases_routing", params(("kind" = String, Path)),
    responses((status = 200, body = RoutingView), (status = 401), (status = 403), (status = 404)))]
async fn routing(State(this): This, caller: Caller, Path(kind): Path<String>) -> Result<Json<RoutingView>> {
    Ok(Json(this.routing(&caller, &kind).await?))
}

/// Saves routing rules, once they compile and pass their tests.
#[utoipa::path(put, path = "/api/cases/types/{kind}/routing", tag = "cases", operation_id = "cases_save_routing", params(("kind" = String, Path)),
    request_body = RoutingInput, responses((status = 200, body = RoutingView), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn save_routing(State(this): This, caller: Caller, Path(kind): Path<String>, request: Request) -> Result<Json<RoutingView>> {
    caller.require(Permission::PackManage, Scope::ANY)?;
    let input = crate::http::body(&this, request).await?;
    Ok(Json(this.save_routing(&caller, &kind, input).await?))
}

/// Gives saved rules up: the pack's count again.
#[utoipa::path(delete, path = "/api/cases/types/{kind}/routing", tag = "cases", operation_id = "cases_reset_routing", params(("kind" = String, Path)),
    responses((status = 200, body = RoutingView), (status = 401), (status = 403), (status = 404)))]
async fn reset_routing(State(this): This, caller: Caller, Path(kind): Path<String>) -> Result<Json<RoutingView>> {
    Ok(Json(this.reset_routing(&caller, &kind).await?))
}

/// What rules would have done to past cases; nothing is changed.
#[utoipa::path(post, path = "/api/cases/types/{kind}/routing/dry-run", tag = "cases", operation_id = "cases_try_routing", params(("kind" = String, Path)),
    request_body = RoutingInput, responses((status = 200, body = DryRun), (status = 401), (status = 403), (status = 404)))]
async fn try_routing(State(this): This, caller: Caller, Path(kind): Path<String>, request: Request) -> Result<Json<DryRun>> {
    if !caller.may(Permission::PackManage, Scope::ANY) {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
    }
    let input = crate::http::body(&this, request).await?;
    Ok(Json(this.try_routing(&caller, &kind, input).await?))
}
