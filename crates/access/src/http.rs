//! `/api/access`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dothi_kernel::geo::Point;
use dothi_kernel::http::{malformed, no_such_path, unreadable};
use dothi_kernel::{Caller, Error, Page, PageQuery, Place, Result, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub use crate::http_gate::session_cookie;
use crate::http_gate::session_of;
use crate::model::{
    Found, GrantView, Me, NewGrant, NewPerson, NewToken, Person, PersonKind, RoleView, SignedIn, SpecialDay, Token, TokenWithSecret, Unit, UnitHistory,
    UnitKind,
};
use crate::{Access, UnitsWanted};

type Domain = State<Arc<Access>>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Wanted<T> = Result<Query<T>, QueryRejection>;
type At<T> = Result<Path<T>, PathRejection>;

/// Everything under `/api/access`.
pub fn router(this: Arc<Access>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
        .routes(routes!(register))
        .routes(routes!(me))
        .routes(routes!(change_password))
        .routes(routes!(units))
        .routes(routes!(unit))
        .routes(routes!(areas_geojson))
        .routes(routes!(locate))
        .routes(routes!(search))
        .routes(routes!(calendar))
        .routes(routes!(people, create_person))
        .routes(routes!(grant))
        .routes(routes!(revoke_grant))
        .routes(routes!(deactivate))
        .routes(routes!(roles))
        .routes(routes!(tokens, create_token))
        .routes(routes!(revoke_token))
        .routes(routes!(audit))
        .routes(routes!(audit_verify))
        .with_state(this.clone())
        .merge(crate::http_letters::router(this))
}

fn body<T>(given: Body<T>) -> Result<T> {
    given.map(|Json(t)| t).map_err(|e| {
        // The parser's words may quote what was sent; a password must not come back, so only the form is named.
        let why = match &e {
            JsonRejection::JsonDataError(_) => "a field is missing, unknown or of the wrong type".to_string(),
            JsonRejection::JsonSyntaxError(_) => "not JSON".to_string(),
            other => other.status().to_string(),
        };
        unreadable(e.status(), Some(why))
    })
}

fn wanted<T>(given: Wanted<T>) -> Result<T> {
    given.map(|Query(t)| t).map_err(|e| malformed(Some(e.body_text())))
}

fn at<T>(given: At<T>) -> Result<T> {
    given.map(|Path(t)| t).map_err(|_| no_such_path())
}

fn with_cookie(access: &Access, status: StatusCode, signed: SignedIn) -> Result<Response> {
    let cookie = access.cookie(&signed.session, signed.idle.as_secs());
    let mut response = (status, Json(signed.me)).into_response();
    set_cookie(&mut response, &cookie)?;
    Ok(response)
}

fn set_cookie(response: &mut Response, cookie: &str) -> Result<()> {
    let value = HeaderValue::from_str(cookie).map_err(|e| Error::internal("writing a cookie", e))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(())
}

/// Login and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    login: String,
    password: String,
}

/// Sign in; sets the session cookie.
#[utoipa::path(post, path = "/api/access/sign-in", tag = "access", request_body = SignIn,
    responses((status = 200, body = Me), (status = 401, description = "access.bad-credentials"), (status = 429, description = "access.too-many-tries")))]
async fn sign_in(State(access): Domain, caller: Caller, given: Body<SignIn>) -> Result<Response> {
    let given = body(given)?;
    let signed = access.sign_in(&caller, &given.login, &given.password).await?;
    with_cookie(&access, StatusCode::OK, signed)
}

/// Sign out; ends the session.
#[utoipa::path(post, path = "/api/access/sign-out", tag = "access", responses((status = 204)))]
async fn sign_out(State(access): Domain, caller: Caller, headers: HeaderMap) -> Result<Response> {
    if let Some(session) = session_of(&headers) {
        access.sign_out(&caller, &session).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &access.cookie("", 0))?;
    Ok(response)
}

/// Make a citizen's account and sign in.
#[utoipa::path(post, path = "/api/access/register", tag = "access", request_body = NewPerson,
    responses((status = 201, body = Me), (status = 409, description = "access.login-taken")))]
async fn register(State(access): Domain, caller: Caller, given: Body<NewPerson>) -> Result<Response> {
    let signed = access.register(&caller, body(given)?).await?;
    with_cookie(&access, StatusCode::CREATED, signed)
}

/// Who am I, and what may I do.
#[utoipa::path(get, path = "/api/access/me", tag = "access", responses((status = 200, body = Me)))]
async fn me(State(access): Domain, caller: Caller, headers: HeaderMap) -> Result<Response> {
    let me = access.me(&caller, session_of(&headers).as_deref()).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(me)).into_response())
}

/// Old and new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    old: String,
    new: String,
}

/// Change one's own password; all sessions end.
#[utoipa::path(post, path = "/api/access/password", tag = "access", request_body = PasswordChange, responses((status = 204)))]
async fn change_password(State(access): Domain, caller: Caller, given: Body<PasswordChange>) -> Result<StatusCode> {
    let given = body(given)?;
    access.change_password(&caller, &given.old, &given.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UnitsQuery {
    /// `area` or `organisation`.
    kind: Option<UnitKind>,
    /// Only this level, such as `province`, `commune`, `department`.
    level: Option<String>,
    /// Only units directly below this one.
    parent: Option<String>,
    /// Words in the name, accents or not.
    q: Option<String>,
    /// Day of law, such as `2025-06-30`; today if absent.
    as_of: Option<String>,
    /// Instant of record (RFC 3339): what was believed then; now if absent.
    known_at: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Areas and organisations as the law stood on a day.
#[utoipa::path(get, path = "/api/access/units", tag = "access", params(UnitsQuery), responses((status = 200, body = Page<Unit>)))]
async fn units(State(access): Domain, caller: Caller, query: Wanted<UnitsQuery>) -> Result<Json<Page<Unit>>> {
    let q = wanted(query)?;
    let instant =
        |t: String| t.parse::<Timestamp>().map_err(|_| Error::invalid("access.unit.known-at", "`known_at` must be an instant such as 2025-07-01T00:00:00Z."));
    let known_at = q.known_at.map(instant).transpose()?;
    let filter = UnitsWanted { kind: q.kind, level: q.level, parent: q.parent, words: q.q, as_of: q.as_of, known_at };
    Ok(Json(access.units(&caller, &filter, &PageQuery { limit: q.limit, after: q.after }).await?))
}

/// One unit with its history.
#[utoipa::path(get, path = "/api/access/units/{id}", tag = "access", params(("id" = String, Path)), responses((status = 200, body = UnitHistory), (status = 404)))]
async fn unit(State(access): Domain, caller: Caller, id: At<String>) -> Result<Json<UnitHistory>> {
    Ok(Json(access.unit_history(&caller, &at(id)?)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AreasQuery {
    /// Areas below this one; provinces if absent.
    parent: Option<String>,
}

/// Outlines of areas as GeoJSON.
#[utoipa::path(get, path = "/api/access/areas.geojson", tag = "access", params(AreasQuery),
    responses((status = 200, description = "GeoJSON FeatureCollection; properties code, name, level", content_type = "application/geo+json"), (status = 304)))]
async fn areas_geojson(State(access): Domain, caller: Caller, query: Wanted<AreasQuery>, headers: HeaderMap) -> Result<Response> {
    let query = wanted(query)?;
    let (tag, text) = access.areas_geojson(&caller, query.parent.as_deref());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let mut known = known.map(|t| t.trim().trim_start_matches("W/"));
    let fresh = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "public, max-age=3600, stale-while-revalidate=86400".to_string())];
    if known.any(|t| t == tag || t == "*") {
        return Ok((StatusCode::NOT_MODIFIED, fresh).into_response());
    }
    Ok((fresh, [(header::CONTENT_TYPE, "application/geo+json")], text).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LocateQuery {
    /// Degrees east.
    lon: f64,
    /// Degrees north.
    lat: f64,
}

/// The commune at a point.
#[utoipa::path(get, path = "/api/access/locate", tag = "access", params(LocateQuery), responses((status = 200, body = Place), (status = 404, description = "access.place.outside")))]
async fn locate(State(access): Domain, caller: Caller, query: Wanted<LocateQuery>) -> Result<Json<Place>> {
    let q = wanted(query)?;
    Ok(Json(access.place_at(&caller, Point::new(q.lon, q.lat)?)?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WordsQuery {
    /// Words, accents or not.
    q: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Areas by old and new names, with the areas they are today.
#[utoipa::path(get, path = "/api/access/search", tag = "access", params(WordsQuery), responses((status = 200, body = Page<Found>)))]
async fn search(State(access): Domain, caller: Caller, query: Wanted<WordsQuery>) -> Result<Json<Page<Found>>> {
    let q = wanted(query)?;
    Ok(Json(access.search(&caller, q.q.as_deref().unwrap_or_default(), &PageQuery { limit: q.limit, after: q.after })?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CalendarQuery {
    /// Only this year.
    year: Option<i16>,
}

/// Days off and swapped days, with how far each is known.
#[utoipa::path(get, path = "/api/access/calendar", tag = "access", params(CalendarQuery), responses((status = 200, body = Vec<SpecialDay>)))]
async fn calendar(State(access): Domain, caller: Caller, query: Wanted<CalendarQuery>) -> Result<Json<Vec<SpecialDay>>> {
    let q = wanted(query)?;
    Ok(Json(access.special_days(&caller, q.year)))
}

/// People in office.
#[utoipa::path(get, path = "/api/access/people", tag = "access", params(WordsQuery), responses((status = 200, body = Page<Person>)))]
async fn people(State(access): Domain, caller: Caller, query: Wanted<WordsQuery>) -> Result<Json<Page<Person>>> {
    let q = wanted(query)?;
    Ok(Json(access.people(&caller, q.q.as_deref(), &PageQuery { limit: q.limit, after: q.after }).await?))
}

/// Enter a person in office.
#[utoipa::path(post, path = "/api/access/people", tag = "access", request_body = NewPerson, responses((status = 201, body = Person)))]
async fn create_person(State(access): Domain, caller: Caller, given: Body<NewPerson>) -> Result<(StatusCode, Json<Person>)> {
    Ok((StatusCode::CREATED, Json(access.create_person(&caller, PersonKind::Staff, body(given)?).await?)))
}

/// Give a role at a unit.
#[utoipa::path(post, path = "/api/access/people/{id}/grants", tag = "access", params(("id" = String, Path)), request_body = NewGrant, responses((status = 201, body = GrantView)))]
async fn grant(State(access): Domain, caller: Caller, id: At<Uuid>, given: Body<NewGrant>) -> Result<(StatusCode, Json<GrantView>)> {
    Ok((StatusCode::CREATED, Json(access.grant(&caller, at(id)?, body(given)?).await?)))
}

/// Take a role away.
#[utoipa::path(delete, path = "/api/access/people/{id}/grants/{grant}", tag = "access", params(("id" = String, Path), ("grant" = String, Path)), responses((status = 204)))]
async fn revoke_grant(State(access): Domain, caller: Caller, ids: At<(Uuid, Uuid)>) -> Result<StatusCode> {
    let (person, grant) = at(ids)?;
    access.revoke_grant(&caller, person, grant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop a person from signing in; sessions and tokens end at once.
#[utoipa::path(post, path = "/api/access/people/{id}/deactivate", tag = "access", params(("id" = String, Path)), responses((status = 204)))]
async fn deactivate(State(access): Domain, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    access.deactivate(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Roles there are.
#[utoipa::path(get, path = "/api/access/roles", tag = "access", responses((status = 200, body = Vec<RoleView>)))]
async fn roles(State(access): Domain, caller: Caller) -> Result<Json<Vec<RoleView>>> {
    caller.person()?;
    Ok(Json(access.roles(&caller)))
}

/// One's own tokens for programs.
#[utoipa::path(get, path = "/api/access/tokens", tag = "access", params(PageQuery), responses((status = 200, body = Page<Token>)))]
async fn tokens(State(access): Domain, caller: Caller, page: Wanted<PageQuery>) -> Result<Json<Page<Token>>> {
    Ok(Json(access.tokens(&caller, &wanted(page)?).await?))
}

/// Make a token; its secret is shown this once.
#[utoipa::path(post, path = "/api/access/tokens", tag = "access", request_body = NewToken, responses((status = 201, body = TokenWithSecret)))]
async fn create_token(State(access): Domain, caller: Caller, given: Body<NewToken>) -> Result<Response> {
    let made = access.create_token(&caller, body(given)?).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// End a token at once.
#[utoipa::path(delete, path = "/api/access/tokens/{id}", tag = "access", params(("id" = String, Path)), responses((status = 204)))]
async fn revoke_token(State(access): Domain, caller: Caller, id: At<Uuid>) -> Result<StatusCode> {
    access.revoke_token(&caller, at(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    seq: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    request: String,
    action: String,
    object: String,
    detail: serde_json::Value,
    hash: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only actions beginning so (`access.`).
    prefix: Option<String>,
    /// Rows wanted (default 50, at most 200).
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/api/access/audit", tag = "access", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
async fn audit(State(access): Domain, caller: Caller, query: Wanted<AuditQuery>) -> Result<Json<Page<AuditEntry>>> {
    let q = wanted(query)?;
    let page = access.audit(&caller, q.prefix.as_deref().unwrap_or_default(), &PageQuery { limit: q.limit, after: q.after }).await?;
    let entry = |r: dothi_store::AuditRow| AuditEntry {
        seq: r.seq,
        at: r.at,
        actor: r.actor,
        actor_id: r.actor_id,
        address: r.address,
        request: r.request,
        action: r.action,
        object: r.object,
        detail: r.detail,
        hash: r.hash,
    };
    Ok(Json(Page { items: page.items.into_iter().map(entry).collect(), next: page.next, total: page.total }))
}

/// What checking the audit log's chain found.
#[derive(Serialize, ToSchema)]
struct ChainState {
    /// Rows read.
    rows: i64,
    /// First position whose hash does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<i64>,
}

/// Check the audit log's chain.
#[utoipa::path(get, path = "/api/access/audit/verify", tag = "access", responses((status = 200, body = ChainState)))]
async fn audit_verify(State(access): Domain, caller: Caller) -> Result<Json<ChainState>> {
    let report = access.audit_verify(&caller).await?;
    Ok(Json(ChainState { rows: report.rows, broken_at: report.broken_at }))
}
