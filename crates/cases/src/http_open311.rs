//! Open311 GeoReport v2 over HTTP: `/open311/v2/….xml` and `….json`, and the keys' native routes.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use dothi_kernel::{Caller, Error, Result};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Cases;
use crate::open311::{ApiKey, ApiKeyInput, Args, Faults};
use crate::open311_render::{Root, xml};

/// Most bytes of a request, with photos.
const BODY: usize = 25 * 1024 * 1024;
/// Most bytes of a form without photos.
const FORM: usize = 256 * 1024;
/// Most arguments of one request.
const ARGS: usize = 200;

type This = State<Arc<Cases>>;

/// The routes of `/open311/v2`, beside the native description: the standard describes them.
pub fn router(this: Arc<Cases>) -> Router {
    Router::new()
        .route("/open311/discovery.xml", get(discovery_xml))
        .route("/open311/discovery.json", get(discovery_json))
        .route("/open311/v2/{resource}", get(list).post(post).fallback(allowed).layer(DefaultBodyLimit::max(BODY)))
        .route("/open311/v2/{resource}/{name}", get(one))
        .with_state(this)
}

/// Keys of other systems.
pub(crate) fn keys(this: Arc<Cases>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_keys, make_key)).routes(routes!(revoke_key)).with_state(this)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Xml,
    Json,
}

/// A name and the format it ends with.
fn split(name: &str) -> Option<(&str, Format)> {
    let (stem, ending) = name.rsplit_once('.')?;
    match ending {
        "xml" => Some((stem, Format::Xml)),
        "json" => Some((stem, Format::Json)),
        _ => None,
    }
}

fn not_found() -> Faults {
    Faults::one(404, "There is no such resource; addresses end with .xml or .json")
}

fn answer(format: Format, root: Root, status: StatusCode, body: &Value) -> Response {
    let (kind, text) = match format {
        Format::Xml => ("text/xml; charset=utf-8", xml(root, body)),
        Format::Json => ("application/json; charset=utf-8", body.to_string()),
    };
    (status, [(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn fault(format: Format, faults: &Faults) -> Response {
    let status = StatusCode::from_u16(faults.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = answer(format, Root::Errors, status, &faults.body());
    if let Some(wait) = faults.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
    }
    response
}

fn said(format: Format, root: Root, found: std::result::Result<Value, Faults>) -> Response {
    match found {
        Ok(body) => answer(format, root, StatusCode::OK, &body),
        Err(faults) => fault(format, &faults),
    }
}

/// The server's own address as the client sees it.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    let plain = host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let secure = headers.get("x-forwarded-proto").is_some_and(|p| p == "https");
    format!("{}://{}", if secure { "https" } else { "http" }, if plain { host } else { "localhost" })
}

fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).take(ARGS).map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}

fn query(raw: Option<String>) -> Args {
    Args::new(pairs(raw.as_deref().unwrap_or("")))
}

async fn discovery_xml(State(this): This, headers: HeaderMap) -> Response {
    said(Format::Xml, Root::Discovery, this.open311_discovery(&base(&headers)))
}

async fn discovery_json(State(this): This, headers: HeaderMap) -> Response {
    said(Format::Json, Root::Discovery, this.open311_discovery(&base(&headers)))
}

async fn list(State(this): This, caller: Caller, Path(resource): Path<String>, RawQuery(raw): RawQuery, headers: HeaderMap) -> Response {
    let Some((name, format)) = split(&resource) else { return fault(Format::Xml, &not_found()) };
    let (args, base) = (query(raw), base(&headers));
    match name {
        // Some clients look for it beside the resources.
        "discovery" => said(format, Root::Discovery, this.open311_discovery(&base)),
        "services" => said(format, Root::Services, this.open311_services(&args)),
        "requests" => said(format, Root::ServiceRequests, this.open311_requests(&caller, &args, &base).await),
        "servicerequestupdates" => said(format, Root::RequestUpdates, this.open311_updates(&caller, &args, &base).await),
        _ => fault(format, &not_found()),
    }
}

/// What may be done here, for whoever asks (`OPTIONS`) or tries something else: not every resource takes POST.
async fn allowed(method: Method, Path(resource): Path<String>) -> Response {
    let posts = split(&resource).is_some_and(|(name, _)| matches!(name, "requests" | "servicerequestupdates"));
    let allow = [(header::ALLOW, if posts { "GET,HEAD,POST,OPTIONS" } else { "GET,HEAD,OPTIONS" })];
    if method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, allow).into_response();
    }
    let format = split(&resource).map_or(Format::Xml, |(_, format)| format);
    (allow, fault(format, &Faults::one(405, "This address does not take this method."))).into_response()
}

async fn one(State(this): This, caller: Caller, Path((resource, name)): Path<(String, String)>, RawQuery(raw): RawQuery, headers: HeaderMap) -> Response {
    let Some((id, format)) = split(&name) else { return fault(Format::Xml, &not_found()) };
    let args = query(raw);
    match resource.as_str() {
        "services" => said(format, Root::ServiceDefinition, this.open311_definition(&args, id)),
        "requests" => said(format, Root::ServiceRequests, this.open311_request(&caller, &args, id, &base(&headers)).await),
        "tokens" => said(format, Root::ServiceRequests, this.open311_token(&args, id).await),
        _ => fault(format, &not_found()),
    }
}

async fn post(State(this): This, caller: Caller, Path(resource): Path<String>, RawQuery(raw): RawQuery, request: Request) -> Response {
    let Some((name, format)) = split(&resource) else { return fault(Format::Xml, &not_found()) };
    let root = match name {
        "requests" => Root::ServiceRequests,
        "servicerequestupdates" => Root::RequestUpdates,
        _ => return fault(format, &not_found()),
    };
    let once = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).map(str::to_string);
    let (args, _slot) = match form(&this, raw, request).await {
        Ok((args, slot)) => (args.once(once), slot),
        Err(e) => return fault(format, &e.into()),
    };
    match root {
        Root::ServiceRequests => said(format, root, this.open311_post(&caller, args).await),
        _ => said(format, root, this.open311_post_update(&caller, &args).await),
    }
}

/// Arguments of the address and of the body: a form as the standard wants it, or multipart with photos named `media`.
async fn form(cases: &Cases, raw: Option<String>, request: Request) -> Result<(Args, Option<tokio::sync::OwnedSemaphorePermit>)> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
    let unreadable = |why: String| Error::invalid("case.form.unreadable", "The form cannot be read.").because(why);
    let mut found = pairs(raw.as_deref().unwrap_or(""));
    if kind.starts_with("multipart/form-data") {
        let slot = crate::http::room(cases, request.headers())?;
        let mut multipart = Multipart::from_request(request, &()).await.map_err(|e| unreadable(e.body_text()))?;
        let mut photos = Vec::new();
        while let Some(field) = multipart.next_field().await.map_err(|e| unreadable(e.body_text()))? {
            let name = field.name().unwrap_or_default().to_string();
            let file = field.file_name().is_some();
            let bytes = field.bytes().await.map_err(|e| unreadable(e.body_text()))?;
            if file && name.starts_with("media") && photos.len() < 10 {
                photos.extend(Some(bytes).filter(|b| !b.is_empty()));
            } else if !file && found.len() < ARGS && bytes.len() <= FORM {
                found.push((name, String::from_utf8(bytes.to_vec()).map_err(|e| unreadable(e.to_string()))?));
            } else {
                return Err(Error::invalid("case.form.part", "The form has a part that does not belong there."));
            }
        }
        return Ok((Args::new(found).with_photos(photos), slot));
    }
    let bytes = Bytes::from_request(request, &()).await.map_err(|e| unreadable(e.body_text()))?;
    if bytes.len() > FORM {
        return Err(Error::too_large("case.form.too-large", "The request is too large.").with("limit_bytes", FORM));
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| unreadable(e.to_string()))?;
    found.extend(pairs(text));
    Ok((Args::new(found), None))
}

/// Keys that other systems use over Open311.
#[utoipa::path(get, path = "/api/cases/open311/keys", tag = "cases", operation_id = "cases_open311_keys",
    responses((status = 200, body = Vec<ApiKey>), (status = 401), (status = 403)))]
async fn list_keys(State(this): This, caller: Caller) -> Result<Json<Vec<ApiKey>>> {
    Ok(Json(this.api_keys(&caller).await?))
}

/// Makes a key; its secret is in this answer only.
#[utoipa::path(post, path = "/api/cases/open311/keys", tag = "cases", operation_id = "cases_open311_make_key", request_body = ApiKeyInput,
    responses((status = 201, body = ApiKey), (status = 400), (status = 401), (status = 403)))]
async fn make_key(State(this): This, caller: Caller, request: Request) -> Result<(StatusCode, Json<ApiKey>)> {
    caller.require(dothi_kernel::Permission::PeopleManage, dothi_kernel::Scope::ANY)?;
    let input = crate::http::body(&this, request).await?;
    Ok((StatusCode::CREATED, Json(this.make_api_key(&caller, input).await?)))
}

/// Ends a key.
#[utoipa::path(delete, path = "/api/cases/open311/keys/{id}", tag = "cases", operation_id = "cases_open311_revoke_key", params(("id" = String, Path)),
    responses((status = 204), (status = 401), (status = 403), (status = 404)))]
async fn revoke_key(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    caller.require(dothi_kernel::Permission::PeopleManage, dothi_kernel::Scope::ANY)?;
    let unknown = || Error::not_found("case.open311-key.unknown", "There is no such key, or it was ended already.");
    this.revoke_api_key(&caller, id.parse().map_err(|_| unknown())?).await?;
    Ok(StatusCode::NO_CONTENT)
}
