//! The HTTP API of what people do with devices: commands, credentials, groups, bulk actions.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Scope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Context;
use crate::devices::{
    Accepted, Bulk, BulkItem, Command, CommandQuery, Credential, Device, DeviceChange, Entry, Group, GroupLife, NewCommand, NewCredential, NewKey, Refusal,
};
use crate::http_devices::own_entry;
use crate::import::{Imported, Mapping, Reject, Source};

type This = State<Arc<Context>>;

/// Bytes of a file that is imported over HTTP. Larger ones go into the drop folder.
const IMPORT: usize = 16 << 20;
/// Files imported over HTTP at a time.
static IMPORTS: Semaphore = Semaphore::const_new(2);
/// Left-out records that are told.
const TOLD: usize = 100;

/// Routes under `/api/context` that concern devices in people's hands.
pub fn router(this: Arc<Context>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(change))
        .routes(routes!(bulk))
        .routes(routes!(credentials, add_credential))
        .routes(routes!(drop_credential))
        .routes(routes!(send))
        .routes(routes!(commands))
        .routes(routes!(command))
        .routes(routes!(cancel))
        .routes(routes!(take))
        .routes(routes!(answer))
        .routes(routes!(groups, put_group))
        .routes(routes!(drop_group))
        .merge(OpenApiRouter::new().routes(routes!(import)).layer(DefaultBodyLimit::max(IMPORT)))
        .with_state(this)
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::invalid("device.invalid", "The body is not what is expected here.").with("reason", e))
}

fn id_of(text: &str) -> Result<Uuid, Error> {
    text.parse().map_err(|_| Error::not_found("device.command.missing", "There is no such command."))
}

/// Changes name or groups of a device; its connections stay.
#[utoipa::path(patch, path = "/api/context/devices/{id}", tag = "context", params(("id" = String, Path, description = "Device id")), request_body = DeviceChange, responses((status = 200, body = Device)))]
async fn change(State(this): This, caller: Caller, Path(id): Path<String>, bytes: Bytes) -> Result<Json<Device>, Error> {
    Ok(Json(this.devices().change(&caller, &id, body(&bytes)?).await?))
}

/// What became of a bulk action.
#[derive(Debug, Serialize, ToSchema)]
struct BulkAnswer {
    /// One line for each device.
    items: Vec<BulkItem>,
    /// How many of them were not done.
    failed: usize,
}

/// Does one thing with many devices; each has its own result.
#[utoipa::path(post, path = "/api/context/devices-bulk", tag = "context", request_body = Bulk, responses((status = 200, body = BulkAnswer)))]
async fn bulk(State(this): This, caller: Caller, bytes: Bytes) -> Result<Json<BulkAnswer>, Error> {
    let items = this.devices().bulk(&caller, body(&bytes)?).await?;
    let failed = items.iter().filter(|i| !i.ok).count();
    Ok(Json(BulkAnswer { items, failed }))
}

/// Credentials of a device beside its first secret (at most 20).
#[utoipa::path(get, path = "/api/context/devices/{id}/credentials", tag = "context", params(("id" = String, Path, description = "Device id")), responses((status = 200, body = Vec<Credential>)))]
async fn credentials(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Vec<Credential>>, Error> {
    Ok(Json(this.devices().credentials(&caller, &id)?))
}

/// Adds a secret or a certificate; those before it keep holding. A secret is shown in this answer only.
#[utoipa::path(post, path = "/api/context/devices/{id}/credentials", tag = "context", params(("id" = String, Path, description = "Device id")), request_body = NewCredential, responses((status = 201, body = NewKey)))]
async fn add_credential(State(this): This, caller: Caller, Path(id): Path<String>, bytes: Bytes) -> Result<(StatusCode, Json<NewKey>), Error> {
    let new: NewCredential = body(&bytes)?;
    Ok((StatusCode::CREATED, Json(this.devices().add_credential(&caller, &id, new).await?)))
}

/// Removes a credential; the device's connections end.
#[utoipa::path(delete, path = "/api/context/devices/{id}/credentials/{credential}", tag = "context", params(("id" = String, Path, description = "Device id"), ("credential" = String, Path, description = "Credential id")), responses((status = 204)))]
async fn drop_credential(State(this): This, caller: Caller, Path((id, credential)): Path<(String, String)>) -> Result<StatusCode, Error> {
    let credential = credential.parse().map_err(|_| Error::not_found("device.credential.unknown", "There is no such credential."))?;
    this.devices().drop_credential(&caller, &id, credential).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a command to a device. Answered when it is durable, with the address where its way can be followed. The same
/// `Idempotency-Key` again gives the command of before.
#[utoipa::path(
    post, path = "/api/context/devices/{id}/commands", tag = "context",
    params(("id" = String, Path, description = "Device id"), ("Idempotency-Key" = Option<String>, Header, description = "Names the sending")),
    request_body = NewCommand, responses((status = 202, body = Command))
)]
async fn send(
    State(this): This,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1], Json<Command>), Error> {
    let key = crate::http_devices::idempotency_key(&headers)?;
    let command = this.devices().send_command(&caller, &id, body(&bytes)?, key).await?;
    let address = HeaderValue::from_str(&format!("/api/context/commands/{}", command.id)).map_err(|e| Error::internal("naming a command", e))?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, address)], Json(command)))
}

/// Commands, newest first.
#[utoipa::path(get, path = "/api/context/commands", tag = "context", params(CommandQuery), responses((status = 200, body = Page<Command>)))]
async fn commands(State(this): This, caller: Caller, Query(query): Query<CommandQuery>) -> Result<Json<Page<Command>>, Error> {
    Ok(Json(this.devices().commands(&caller, &query).await?))
}

/// One command.
#[utoipa::path(get, path = "/api/context/commands/{id}", tag = "context", params(("id" = String, Path, description = "Command id")), responses((status = 200, body = Command)))]
async fn command(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Command>, Error> {
    Ok(Json(this.devices().command(&caller, id_of(&id)?).await?))
}

/// Takes back a command that was not sent yet.
#[utoipa::path(post, path = "/api/context/commands/{id}/cancel", tag = "context", params(("id" = String, Path, description = "Command id")), responses((status = 200, body = Command)))]
async fn cancel(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Command>, Error> {
    Ok(Json(this.devices().cancel_command(&caller, id_of(&id)?).await?))
}

/// The device that speaks, by its own credentials.
fn speaker(this: &Context, headers: &HeaderMap, id: &str) -> Result<Arc<Entry>, Error> {
    let wrong = || Error::unauthenticated("device.credentials", "The device's id or secret is wrong.");
    own_entry(this, headers).filter(|e| *e.id == *id).ok_or_else(wrong)
}

/// What waits for a device that speaks HTTP (its own credentials: HTTP Basic). What is answered here counts as delivered.
#[utoipa::path(post, path = "/api/context/devices/{id}/commands/take", tag = "context", params(("id" = String, Path, description = "Device id")), responses((status = 200, body = Vec<Object>)))]
async fn take(State(this): This, Path(id): Path<String>, headers: HeaderMap) -> Result<Json<Vec<Value>>, Error> {
    let entry = speaker(&this, &headers, &id)?;
    Ok(Json(this.devices().take_commands(&entry).await?))
}

/// A device's answer to a command, as it would be sent over MQTT to `dev/{id}/ack` (its own credentials: HTTP Basic).
#[utoipa::path(post, path = "/api/context/devices/{id}/commands/answer", tag = "context", params(("id" = String, Path, description = "Device id")), request_body(content = Object, description = "`id`, `ok`, `result`, `reason`"), responses((status = 204)))]
async fn answer(State(this): This, Path(id): Path<String>, headers: HeaderMap, bytes: Bytes) -> Result<StatusCode, Error> {
    let entry = speaker(&this, &headers, &id)?;
    match this.devices().answer(&entry, &bytes).await? {
        Ok(Accepted::Stored(_) | Accepted::Duplicate | Accepted::Noted) => Ok(StatusCode::NO_CONTENT),
        Err(Refusal::Payload(code)) => Err(Error::unprocessable(code, "The answer cannot be used.")),
        Err(Refusal::NotAllowed | Refusal::Unknown) => Err(Error::not_found("device.unknown", "There is no such device.")),
    }
}

/// How a file is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// Device profile that reads the rows; none for NGSI-LD entities and data arrays of SensorThings.
    profile: Option<String>,
    /// Registered device that all rows are of.
    device: Option<String>,
    /// Column that names the registered device.
    device_column: Option<String>,
    /// Name of the file, for people.
    name: Option<String>,
}

/// What came of a file.
#[derive(Debug, Serialize, ToSchema)]
struct ImportAnswer {
    /// Counts.
    #[serde(flatten)]
    done: Imported,
    /// The first 100 records that were left out.
    rejects: Vec<Reject>,
}

/// Imports a file of readings (CSV with a head line, JSON, JSON lines, NGSI-LD entities, data arrays; at most 16 MiB).
/// Nothing is stored twice: the same file again, or one that grew, takes only what is new.
#[utoipa::path(
    post, path = "/api/context/import", tag = "context", params(ImportQuery),
    request_body(content = String, content_type = "application/octet-stream", description = "The file"), responses((status = 200, body = ImportAnswer))
)]
async fn import(State(this): This, caller: Caller, Query(query): Query<ImportQuery>, bytes: Bytes) -> Result<Json<ImportAnswer>, Error> {
    caller.require(Permission::ContextWrite, Scope::ANY)?;
    let busy = |_| Error::unavailable("import.busy", "Other files are being imported; please try again.").retry_after(std::time::Duration::from_secs(10));
    let _place = IMPORTS.try_acquire().map_err(busy)?;
    let mapping = Mapping { profile: query.profile, device: query.device, device_column: query.device_column, ..Mapping::default() };
    let mut rejects = Vec::new();
    let mut tell = |reject: Reject| {
        if rejects.len() < TOLD {
            rejects.push(reject);
        }
    };
    let source = Source::Bytes(bytes.to_vec().into());
    let done = this.import(&caller, query.name.as_deref().unwrap_or("upload"), source, &mapping, &mut tell).await?;
    Ok(Json(ImportAnswer { done, rejects }))
}

/// Groups by path, with how their devices are doing.
#[utoipa::path(get, path = "/api/context/device-groups", tag = "context", params(PageQuery), responses((status = 200, body = Page<GroupLife>)))]
async fn groups(State(this): This, caller: Caller, Query(page): Query<PageQuery>) -> Result<Json<Page<GroupLife>>, Error> {
    Ok(Json(this.devices().group_list(&caller, &page)?))
}

/// Makes or changes a group.
#[utoipa::path(put, path = "/api/context/device-groups", tag = "context", request_body = Group, responses((status = 200, body = Group)))]
async fn put_group(State(this): This, caller: Caller, bytes: Bytes) -> Result<Json<Group>, Error> {
    Ok(Json(this.devices().put_group(&caller, body(&bytes)?).await?))
}

/// Removes an empty group.
#[utoipa::path(delete, path = "/api/context/device-groups/{path}", tag = "context", params(("path" = String, Path, description = "Path, its slashes encoded")), responses((status = 204)))]
async fn drop_group(State(this): This, caller: Caller, Path(path): Path<String>) -> Result<StatusCode, Error> {
    this.devices().drop_group(&caller, &path).await?;
    Ok(StatusCode::NO_CONTENT)
}
