//! The door for wall screens: a browser that came with a wall's link may read what its boards show, as its maker may, and
//! nothing else.
//!
//! The link's secret becomes a cookie of its own. It counts only where nobody is signed in, only for reading, and only at the
//! addresses below; everywhere else the browser is nobody. It ends with the wall, with the day set for it, and when its
//! maker leaves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Caller, CallerKind, Error, Grant, Result};
use dothi_oversight::Wall;
use dothi_oversight::boards::WALL_PERMISSIONS;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::City;

/// Name of the cookie.
const COOKIE: &str = "dothi_wall";
/// Most bytes of a secret.
const SECRET: usize = 200;

/// What widgets ask for. Those that end in `/` stand for all below them.
const READS: [&str; 16] = [
    "/api/access/me",
    "/api/access/areas.geojson",
    "/api/live",
    "/api/views/vitals",
    "/api/rules/alarms",
    "/api/rules/figures",
    "/api/incidents",
    "/api/cases",
    "/api/cases/stats",
    "/api/context/types",
    "/api/context/map",
    "/api/context/devices",
    "/api/context/things",
    "/api/context/things/",
    "/api/oversight/wall",
    "/api/oversight/",
];

/// Tells the live stream that it serves a wall screen, so that it ends now and then and is let in anew.
#[derive(Debug, Clone, Copy)]
pub struct AtWall;

fn read_here(path: &str) -> bool {
    // Of people's boards it reads those it shows, not the lists.
    let lists = ["/api/oversight/boards", "/api/oversight/boards/templates", "/api/oversight/boards/start", "/api/oversight/walls", "/api/oversight/values"];
    READS.iter().any(|known| path == *known || (known.ends_with('/') && path.starts_with(known))) && !lists.contains(&path)
}

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|line| line.split(';')).filter_map(|p| p.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Lets a wall screen in where nobody is signed in; stands behind the layer that says who asks.
pub async fn admit(State(city): State<Arc<City>>, mut request: Request, next: Next) -> Response {
    let nobody = request.extensions().get::<Caller>().is_some_and(|c| c.kind == CallerKind::Anonymous);
    if nobody && request.method() == Method::GET && read_here(request.uri().path()) {
        let secret = cookie_of(request.headers()).filter(|s| !s.is_empty() && s.len() <= SECRET).map(str::to_string);
        if let Some(secret) = secret {
            match caller(&city, &secret).await {
                Ok(Some(wall)) => {
                    request.extensions_mut().insert(wall);
                    request.extensions_mut().insert(AtWall);
                }
                Ok(None) => {}
                Err(e) => return e.into_response(),
            }
        }
    }
    next.run(request).await
}

/// The wall as a caller: what its maker may read today.
async fn caller(city: &City, secret: &str) -> Result<Option<Caller>> {
    let system = Caller::system("wall", city.store.clock().as_ref());
    let Some(wall) = city.boards.wall_of(&system, secret).await? else { return Ok(None) };
    let Some(maker) = city.access.standing(&system, wall.owner()).await? else { return Ok(None) };
    let narrow = |grant: &Grant| {
        let mut grant = grant.clone();
        grant.permissions.retain(|p| WALL_PERMISSIONS.contains(p));
        grant
    };
    let grants: Vec<Grant> = maker.grants.iter().map(narrow).collect();
    Ok(Some(Caller { kind: CallerKind::Program, id: Some(wall.id), name: format!("wall {}", wall.name).into(), grants: grants.into(), ..system }))
}

/// The routes of the door.
pub fn router(city: Arc<City>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(enter)).with_state(city)
}

/// What a wall's link carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WallLink {
    secret: String,
}

/// Lets a screen in with a wall's link; sets the wall's cookie. 401 `oversight.wall.ended`.
#[utoipa::path(post, path = "/api/oversight/wall/enter", tag = "oversight", operation_id = "oversight_wall_enter", request_body = WallLink,
    responses((status = 200, body = Wall), (status = 401, description = "No such wall, or it has ended")))]
async fn enter(State(city): State<Arc<City>>, asking: Caller, Json(link): Json<WallLink>) -> Result<Response> {
    let system = Caller { address: asking.address, ..Caller::system("wall", city.store.clock().as_ref()) };
    let gone = || Error::unauthenticated("oversight.wall.ended", "This link is unknown or has ended.");
    let wall = city.boards.wall_of(&system, &link.secret).await?.ok_or_else(gone)?;
    city.boards.entered(&system, &wall).await?;
    let seconds = (wall.expires_at.as_second() - system.now.as_second()).max(1);
    let secure = if city.settings.secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", link.secret);
    let value = HeaderValue::from_str(&cookie).map_err(|e| Error::internal("writing a cookie", e))?;
    Ok((StatusCode::OK, [(header::SET_COOKIE, value)], Json(wall)).into_response())
}
