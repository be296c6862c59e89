//! The HTTP API of devices: registry, profiles, and ingest for those that speak HTTP.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use dothi_kernel::{Caller, Error, Page, Permission, Scope};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Context;
use crate::decode::DeviceProfile;
use crate::devices::{Accepted, Device, DeviceQuery, Entry, Incoming, NewDevice, Refusal, Registered};

type This = State<Arc<Context>>;

/// Routes under `/api/context` that concern devices.
pub fn router(this: Arc<Context>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list, register))
        .routes(routes!(get, remove))
        .routes(routes!(renew_secret))
        .routes(routes!(profiles))
        .routes(routes!(ingest))
        .with_state(this)
}

/// Devices, by id.
#[utoipa::path(get, path = "/api/context/devices", tag = "context", params(DeviceQuery), responses((status = 200, body = Page<Device>)))]
async fn list(State(this): This, caller: Caller, Query(query): Query<DeviceQuery>) -> Result<Json<Page<Device>>, Error> {
    Ok(Json(this.devices().list(&caller, &query)?))
}

/// Registers a device. Its secret is shown in this answer only.
#[utoipa::path(post, path = "/api/context/devices", tag = "context", request_body = NewDevice, responses((status = 201, body = Registered)))]
async fn register(State(this): This, caller: Caller, body: Bytes) -> Result<(StatusCode, Json<Registered>), Error> {
    let new: NewDevice =
        serde_json::from_slice(&body).map_err(|e| Error::invalid("device.invalid", "The body is not a device's description.").with("reason", e))?;
    Ok((StatusCode::CREATED, Json(this.add_device(&caller, new).await?)))
}

/// One device.
#[utoipa::path(get, path = "/api/context/devices/{id}", tag = "context", params(("id" = String, Path, description = "Device id")), responses((status = 200, body = Device)))]
async fn get(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Device>, Error> {
    Ok(Json(this.devices().get(&caller, &id)?))
}

/// Removes a device; its entity and history stay.
#[utoipa::path(delete, path = "/api/context/devices/{id}", tag = "context", params(("id" = String, Path, description = "Device id")), responses((status = 204)))]
async fn remove(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Error> {
    this.devices().remove(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret; the old one ends at once.
#[utoipa::path(post, path = "/api/context/devices/{id}/secret", tag = "context", params(("id" = String, Path, description = "Device id")), responses((status = 200, body = Registered)))]
async fn renew_secret(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Registered>, Error> {
    Ok(Json(this.devices().renew_secret(&caller, &id).await?))
}

/// Device profiles of the installed packs.
#[utoipa::path(get, path = "/api/context/profiles", tag = "context", responses((status = 200, body = Vec<DeviceProfile>)))]
async fn profiles(State(this): This, caller: Caller) -> Result<Json<Vec<DeviceProfile>>, Error> {
    if !caller.may(Permission::DeviceManage, Scope::ANY) {
        caller.require(Permission::ContextRead, Scope::ANY)?;
    }
    Ok(Json(this.devices().profiles()))
}

/// Which device a program speaks for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct IngestQuery {
    /// Device id; not needed with a device's own credentials or when the payload names the device.
    device: Option<String>,
}

/// What became of a payload.
#[derive(Debug, Serialize, ToSchema)]
struct IngestAnswer {
    /// Readings stored.
    accepted: usize,
    /// True when the payload had been stored before; nothing was done.
    duplicate: bool,
}

/// Takes a device's payload, read by the same profile as over MQTT. Sent by the device itself (HTTP Basic: id and
/// secret) or by a program with a bearer token. Answered when the readings are durable; sending the same payload again
/// with its own times, or the same `Idempotency-Key`, stores nothing twice.
#[utoipa::path(
    post, path = "/api/context/ingest/{profile}", tag = "context",
    params(("profile" = String, Path, description = "Device profile"), IngestQuery, ("Idempotency-Key" = Option<String>, Header, description = "Names the message")),
    request_body(content = Object, description = "As the profile says"),
    responses((status = 200, body = IngestAnswer))
)]
async fn ingest(
    State(this): This,
    caller: Caller,
    Path(profile): Path<String>,
    Query(query): Query<IngestQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<IngestAnswer>, Error> {
    let devices = this.devices();
    let (entry, caller) = match basic(&headers) {
        Some((id, secret)) => {
            let wrong = || Error::unauthenticated("device.credentials", "The device's id or secret is wrong.");
            let entry = devices.authenticate(&id, secret.as_bytes()).ok_or_else(wrong)?;
            let own = entry.caller(caller.address, devices.clock());
            (entry, own)
        }
        None => {
            caller.require(Permission::ContextWrite, Scope::ANY)?;
            (named(&this, &profile, &query, &body)?, caller)
        }
    };
    if *entry.profile != *profile {
        return Err(Error::forbidden("device.other-profile", "The device is registered with another profile."));
    }
    let message = idempotency_key(&headers)?;
    let incoming = Incoming { payload: &body, sending: None, repeated: false, message, topic: None, brief: false };
    match devices.accept(this.as_ref(), &caller, &entry, incoming).await? {
        Ok(Accepted::Stored(accepted)) => Ok(Json(IngestAnswer { accepted, duplicate: false })),
        Ok(Accepted::Duplicate) => Ok(Json(IngestAnswer { accepted: 0, duplicate: true })),
        Ok(Accepted::Noted) => Ok(Json(IngestAnswer { accepted: 0, duplicate: false })),
        Err(Refusal::Payload(code)) => Err(Error::unprocessable(code, "The payload cannot be used as the device's profile reads it.")),
        Err(Refusal::NotAllowed | Refusal::Unknown) => Err(unknown()),
    }
}

/// The name that a sender gives a request, if any.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let key = headers.get("idempotency-key").map(|v| v.to_str().unwrap_or_default());
    if key.is_some_and(|m| m.is_empty() || m.len() > 100) {
        return Err(Error::invalid("device.idempotency-key", "Idempotency-Key must hold 1 to 100 ASCII characters."));
    }
    Ok(key)
}

/// The device whose own credentials a request shows.
pub(crate) fn own_entry(this: &Context, headers: &HeaderMap) -> Option<Arc<Entry>> {
    let (id, secret) = basic(headers)?;
    this.devices().authenticate(&id, secret.as_bytes())
}

fn unknown() -> Error {
    Error::not_found("device.unknown", "There is no such device.")
}

/// The device that a program's request or payload names.
fn named(this: &Context, profile: &str, query: &IngestQuery, body: &[u8]) -> Result<Arc<Entry>, Error> {
    let decoder = this.devices().decoder(profile).ok_or_else(|| Error::not_found("device.profile-unknown", "There is no such device profile."))?;
    let ids = match &query.device {
        Some(id) => vec![id.clone()],
        None => this.devices().ids_in(&decoder, body).unwrap_or_default(),
    };
    if ids.is_empty() {
        return Err(Error::invalid("device.missing", "Say which device it is: ?device= or as the profile declares."));
    }
    ids.iter().find_map(|id| this.devices().entry(id)).ok_or_else(unknown)
}

/// User and password of HTTP Basic authentication.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_string(), password.to_string()))
}
