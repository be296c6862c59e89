//! What the outside sees and sends.

use dothi_kernel::geo::Point;
use dothi_kernel::{Timestamp, UnitRef};
use dothi_vision::Polygon;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::pack::{Policy, Purpose, StateDef, Status};

/// When pictures are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = CameraRecord)]
pub enum Record {
    /// Never.
    #[default]
    None,
    /// Always.
    Always,
    /// Within the hours given.
    Hours,
    /// After an event, for the policy's time.
    Event,
}

/// Hours of a day in the province's time, `06:00` to `22:00`; over midnight when the end comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraHours)]
pub struct Hours {
    /// From.
    pub from: String,
    /// To.
    pub to: String,
}

/// A part of the picture that is hidden: corners as fractions of width and height.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraMask)]
pub struct Mask {
    /// What lies behind it (`cửa sổ nhà dân`).
    #[serde(default)]
    pub name: String,
    /// Corners, 3 to 64: `[x, y]` from 0 to 1.
    pub corners: Vec<(f32, f32)>,
}

impl Mask {
    pub(crate) fn polygon(&self) -> Polygon {
        Polygon(self.corners.clone())
    }
}

/// What a detector counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = CameraCountKind)]
pub enum Counting {
    /// Things that cross the line from `a` to `b`, in both directions.
    Line {
        /// One end, fractions of the picture.
        a: (f32, f32),
        /// The other end.
        b: (f32, f32),
    },
    /// Most things at once within the area.
    Zone {
        /// Corners, fractions of the picture.
        corners: Vec<(f32, f32)>,
    },
}

/// A detector of a camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraDetector)]
pub struct DetectorDef {
    /// Code, unique at the camera (`xe`).
    pub code: String,
    /// Model's code.
    pub model: String,
    /// Classes that count (`car`, `person`).
    pub classes: Vec<String>,
    /// What is counted.
    pub counting: Counting,
    /// Attribute of the camera's thing that the count becomes (`vehicleCount`).
    pub attribute: String,
    /// Seconds of one count.
    pub every_seconds: u32,
}

/// A camera as it is handed in.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraInput)]
#[serde(deny_unknown_fields)]
pub struct CameraInput {
    /// Version seen, for a change; absent for a new camera.
    pub version: Option<i64>,
    /// Code, unique here.
    pub code: String,
    /// Name.
    pub name: String,
    /// Where it hangs, in words.
    #[serde(default)]
    pub address: String,
    /// Place.
    pub location: Option<Point>,
    /// Where it looks, degrees from north.
    pub bearing: Option<f64>,
    /// How wide, degrees.
    pub angle: Option<f64>,
    /// How far, metres.
    pub reach: Option<f64>,
    /// Commune code; found by the place when absent.
    pub commune: Option<String>,
    /// Unit that owns it; found by the commune when absent.
    pub unit: Option<String>,
    /// Sector (`order`, `traffic`).
    #[serde(default)]
    pub sector: String,
    /// Purpose's code.
    pub purpose: String,
    /// Legal ground.
    #[serde(default)]
    pub legal: String,
    /// Days that recordings are kept; absent: as the policy says.
    pub retention_days: Option<u32>,
    /// When pictures are kept.
    #[serde(default)]
    pub record: Record,
    /// Hours of recording.
    #[serde(default)]
    pub hours: Vec<Hours>,
    /// `rtsp://…`, or `file:` and the name of a clip that the installation keeps for trying out. A name and password in it are put aside.
    pub url: String,
    /// Name to sign in with at the camera; absent: as before.
    pub user: Option<String>,
    /// Password to sign in with; absent: as before.
    pub password: Option<String>,
    /// Hidden parts of the picture; absent: as before.
    pub masks: Option<Vec<Mask>>,
    /// Detectors; absent: as before.
    pub detectors: Option<Vec<DetectorDef>>,
    /// Whether it is in use.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// A camera in a list and on the map.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraRow)]
pub struct CameraRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Where it hangs, in words.
    pub address: String,
    /// Place.
    pub location: Option<Point>,
    /// Where it looks, degrees from north.
    pub bearing: Option<f64>,
    /// How wide, degrees.
    pub angle: Option<f64>,
    /// How far, metres.
    pub reach: Option<f64>,
    /// Commune.
    pub commune: Option<UnitRef>,
    /// Unit that owns it.
    pub unit: Option<UnitRef>,
    /// Sector.
    pub sector: String,
    /// Purpose's code.
    pub purpose: String,
    /// State of its picture.
    pub state: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub state_since: Option<Timestamp>,
    /// When its picture was last looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub looked_at: Option<Timestamp>,
    /// When pictures are kept.
    pub record: Record,
    /// Whether it is recording now.
    pub recording: bool,
    /// Viewers of the live picture now.
    pub viewers: u32,
    /// Whether parts of the picture are hidden.
    pub masked: bool,
    /// Whether it is in use.
    pub active: bool,
    /// Version, for changes.
    pub version: i64,
}

/// A camera with all that one may see.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraView)]
pub struct CameraView {
    /// As in a list.
    #[serde(flatten)]
    pub row: CameraRow,
    /// Legal ground.
    pub legal: String,
    /// Days that recordings are kept.
    pub retention_days: u32,
    /// Whether the camera itself says so.
    pub retention_own: bool,
    /// Hours of recording.
    pub hours: Vec<Hours>,
    /// URN of its thing in the city model.
    pub entity: String,
    /// Address of its stream without name and password; only for those who manage it.
    pub url: Option<String>,
    /// Whether there is a name and password for it; only for those who manage it.
    pub credentials: Option<bool>,
    /// Hidden parts of the picture.
    pub masks: Vec<Mask>,
    /// Whether the caller sees the picture without them.
    pub unmasked: bool,
    /// Detectors.
    pub detectors: Vec<DetectorDef>,
    /// Changes of its health, newest first, at most 20.
    pub health: Vec<HealthRow>,
    /// What its detectors counted last, newest first, at most 20.
    pub counts: Vec<CountRow>,
    /// What the connection is doing.
    pub link: Link,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// What the connection to a camera is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CameraLink)]
pub struct Link {
    /// `idle`, `connecting`, `playing` or `failed`.
    pub state: String,
    /// Why it failed: a code (`video.connect`).
    pub why: Option<String>,
}

/// A change of health.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraHealthRow)]
pub struct HealthRow {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// State from then on.
    pub state: String,
    /// State before.
    pub before: String,
}

/// A count.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraCountRow)]
pub struct CountRow {
    /// Detector's code.
    pub detector: String,
    /// Attribute.
    pub attribute: String,
    /// End of the count.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How many.
    pub n: u32,
}

/// Rules, states, purposes, models.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraCatalogue)]
pub struct Catalogue {
    /// The rules now.
    pub policy: Option<Policy>,
    /// States of health.
    pub states: Vec<StateDef>,
    /// Purposes.
    pub purposes: Vec<Purpose>,
    /// Models of detectors.
    pub models: Vec<ModelRow>,
    /// Whether masked cameras can be exported, and pictures be looked at.
    pub private_networks: bool,
}

/// A model.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraModelRow)]
pub struct ModelRow {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What may be counted with it.
    pub counts: Vec<crate::pack::CountDef>,
    /// Where it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    pub note: String,
}

/// Which cameras.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct FindQuery {
    /// Words of code, name, address.
    pub q: Option<String>,
    /// Unit that owns them.
    pub unit: Option<String>,
    /// Sector.
    pub sector: Option<String>,
    /// State of health.
    pub state: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A span of time.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SpanQuery {
    /// From.
    #[param(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[param(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// What a camera recorded in a span.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraRecordings)]
pub struct Recordings {
    /// Pieces without gaps, oldest first.
    pub spans: Vec<Span>,
    /// Bookmarks.
    pub bookmarks: Vec<Bookmark>,
    /// Pieces that are held beyond their retention.
    pub holds: Vec<Hold>,
    /// The oldest recorded instant there is.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first: Option<Timestamp>,
    /// The newest one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// Bytes of all recordings of this camera.
    pub bytes: u64,
}

/// A piece without a gap.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CameraSpan)]
pub struct Span {
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// A moment worth finding again.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraBookmark)]
pub struct Bookmark {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Which moment.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Words.
    pub words: String,
    /// Who made it.
    pub who: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
}

/// A new bookmark.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraBookmarkInput)]
#[serde(deny_unknown_fields)]
pub struct BookmarkInput {
    /// Which moment.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Words.
    pub words: String,
}

/// A piece that is kept beyond its retention.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraHold)]
pub struct Hold {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub who: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// When it was lifted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Who lifted it.
    pub ended_by: Option<String>,
}

/// A span with a reason: to be replayed, held or exported.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraSpanInput)]
#[serde(deny_unknown_fields)]
pub struct SpanInput {
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Why, 3 to 500 characters.
    pub reason: String,
}

/// A piece of a recording that is wanted as a file.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraExportInput)]
#[serde(deny_unknown_fields)]
pub struct ExportInput {
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Why, 3 to 500 characters.
    pub reason: String,
    /// The incident it is evidence for: the file goes into that incident's evidence pack.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub incident: Option<Uuid>,
}

/// A reason.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraReasonInput)]
#[serde(deny_unknown_fields)]
pub struct ReasonInput {
    /// Why, 3 to 500 characters.
    pub reason: String,
}

/// A recorded file in a replay.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraSegment)]
pub struct Segment {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Time of the first picture in the file, seconds.
    pub base: f64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// A replay that was opened.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraReplay)]
pub struct Replay {
    /// Id; its files are asked for by it.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Files, oldest first.
    pub segments: Vec<Segment>,
    /// Hidden parts of the picture.
    pub masks: Vec<Mask>,
    /// Whether the caller sees the picture without them.
    pub unmasked: bool,
    /// Media type for the player.
    pub mime: String,
}

/// Who saw what.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraViewRow)]
pub struct ViewRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Camera.
    pub camera: UnitRef,
    /// Who.
    pub who: String,
    /// `live`, `replay`, `snapshot` or `export`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Whether without masks.
    pub unmasked: bool,
    /// From when pictures were seen (replay, export).
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// To when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Begin of watching.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// End of watching; none while it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// Which lines of the log.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct LogQuery {
    /// One camera.
    #[param(value_type = Option<String>)]
    pub camera: Option<Uuid>,
    /// Name of who watched.
    pub who: Option<String>,
    /// `live`, `replay`, `snapshot` or `export`.
    pub kind: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// An export.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraExport)]
pub struct Export {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Camera.
    pub camera: UnitRef,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// `asked`, `waiting`, `ready`, `refused`, `failed` or `gone`.
    pub state: String,
    /// Who asked.
    pub who: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// Who allowed or refused it.
    pub settled_by: Option<String>,
    /// Why it was refused.
    pub settled_why: Option<String>,
    /// Why it failed: a code.
    pub fault: Option<String>,
    /// SHA-256 of the file.
    pub sha256: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// What is in it, and what it was made of.
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<serde_json::Value>,
    /// The incident it is evidence for.
    #[schema(value_type = Option<String>)]
    pub incident: Option<Uuid>,
    /// Until when the file is kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Whether the caller may settle it.
    pub mine_to_settle: bool,
    /// Version, for changes.
    pub version: i64,
}

/// Allows or refuses an export.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CameraSettleInput)]
#[serde(deny_unknown_fields)]
pub struct SettleInput {
    /// Version seen.
    pub version: i64,
    /// Whether it is allowed.
    pub approve: bool,
    /// Why not.
    #[serde(default)]
    pub reason: String,
}

/// What importing a table did.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = CameraImport)]
pub struct Import {
    /// Rows read.
    pub read: u32,
    /// New cameras.
    pub added: u32,
    /// Changed cameras.
    pub changed: u32,
    /// Rows left out.
    pub rejected: u32,
    /// The first of them.
    pub rejects: Vec<Reject>,
}

/// A row that was left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CameraReject)]
pub struct Reject {
    /// Line of the file.
    pub line: u64,
    /// Camera's code.
    pub camera: String,
    /// Code of the fault.
    pub code: String,
    /// In words.
    pub detail: String,
}

/// Figures of now.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = CameraBoard)]
pub struct Board {
    /// Cameras in use.
    pub cameras: u32,
    /// By state of health.
    pub states: std::collections::BTreeMap<String, u32>,
    /// Recording now.
    pub recording: u32,
    /// Live pictures being watched now.
    pub viewers: u32,
    /// Exports that wait for a second person.
    pub asked: u32,
}

/// Where to look for cameras.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = CameraProbeInput)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeInput {
    /// Addresses that are asked directly (at most 64); none: everybody on this machine's network.
    pub addresses: Vec<String>,
}

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CameraProbed)]
pub struct Probed {
    /// Address of its device service.
    pub service: String,
    /// Name it gives itself.
    pub name: String,
    /// Hardware it names.
    pub hardware: String,
    /// Whether a camera with this address is registered.
    pub known: bool,
}

/// A device service to be asked.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(as = CameraOnvifInput)]
#[serde(deny_unknown_fields)]
pub struct OnvifInput {
    /// Address of its device service.
    pub service: String,
    /// Name to sign in with.
    #[serde(default)]
    pub user: String,
    /// Password; used for this question and not kept.
    #[serde(default)]
    pub password: String,
}

/// What a device said of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = CameraOnvifDevice)]
pub struct OnvifDevice {
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Version of its program.
    pub firmware: String,
    /// Serial number.
    pub serial: String,
    /// Streams.
    pub profiles: Vec<OnvifProfile>,
}

/// A stream that a device offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = CameraOnvifProfile)]
pub struct OnvifProfile {
    /// Token.
    pub token: String,
    /// Name.
    pub name: String,
    /// Encoding (`H264`).
    pub encoding: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Address of the stream.
    pub url: String,
}
