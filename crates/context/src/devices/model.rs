//! What others see of devices, and what comes from them.

use dothi_kernel::Timestamp;
use dothi_kernel::geo::Point;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How a device is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// Heard of within the time its type allows.
    Ok,
    /// Not heard of for too long.
    Silent,
    /// Never heard of.
    Never,
}

/// A device as others see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Id; also its MQTT user name.
    pub id: String,
    /// Name.
    pub name: String,
    /// Profile that reads its messages.
    pub profile: String,
    /// Entity its readings are about (URN).
    pub entity: String,
    /// How it sends: `mqtt` or `http`.
    pub transport: Transport,
    /// Where it stands, when fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
    /// Commune code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When the last usable message came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Charge of its battery, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery: Option<f64>,
    /// How it is doing.
    pub state: DeviceState,
    /// Usable messages so far.
    pub messages: u64,
    /// Faulty messages so far.
    pub errors: u64,
    /// Code of the last fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_error_at: Option<Timestamp>,
    /// Whether it is connected over MQTT now.
    pub connected: bool,
    /// Groups it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether its battery is below what its profile calls low.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub battery_low: bool,
    /// How far its clock was ahead of ours with its last message, in seconds; negative when behind, or when it sent late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_s: Option<f64>,
    /// Quality flags of its last message, or-ed: 1 range, 2 rate, 4 stuck, 8 clock, 32 gap.
    #[serde(default)]
    pub flags: u16,
    /// Readings that were marked so far.
    #[serde(default)]
    pub doubtful: u64,
    /// Commands under way.
    #[serde(default)]
    pub commands: usize,
    /// Series that its profile judges by what came before (in the detailed view; since the program started).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesLife>,
}

/// How a series of a device is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesLife {
    /// Attribute, short name.
    pub attribute: String,
    /// Newest value.
    pub value: f64,
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Since when it is the same.
    #[schema(value_type = String, format = DateTime)]
    pub same_since: Timestamp,
    /// Quality flags of the newest value.
    pub flags: u16,
}

/// How a device sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// MQTT.
    #[default]
    Mqtt,
    /// HTTP.
    Http,
}

impl Transport {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Transport::Mqtt => "mqtt",
            Transport::Http => "http",
        }
    }
}

/// What is told when a device is registered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Id: 1 to 64 letters, digits, `-`, `_`, `.`, led by a letter or digit.
    pub id: String,
    /// Name.
    pub name: String,
    /// Profile.
    pub profile: String,
    /// Entity its readings are about; `urn:ngsi-ld:<type of the profile>:<id>` when absent.
    #[serde(default)]
    pub entity: Option<String>,
    /// How it sends.
    #[serde(default)]
    pub transport: Transport,
    /// Where it stands.
    #[serde(default)]
    pub location: Option<Point>,
    /// Commune code.
    #[serde(default)]
    pub area: Option<String>,
    /// Groups it belongs to.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What is changed of a device; what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Groups it belongs to, in place of those before.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
}

/// A device just registered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// The device.
    pub device: Device,
    /// Its secret (MQTT password). Shown this once; only its hash is kept.
    pub secret: String,
}

/// Which devices are listed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Words of name or id.
    pub q: Option<String>,
    /// Profile.
    pub profile: Option<String>,
    /// Commune code.
    pub area: Option<String>,
    /// State.
    #[param(value_type = Option<String>)]
    pub state: Option<DeviceState>,
    /// Group; those below it count too.
    pub group: Option<String>,
    /// Only those whose last message was marked (`true`).
    pub doubtful: Option<bool>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Why a message was not taken for good: sending it again would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The payload cannot be used.
    Payload(&'static str),
    /// The sender may not do this.
    NotAllowed,
    /// Nobody knows the topic or the device.
    Unknown,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Stored: so many readings.
    Stored(usize),
    /// Stored before; nothing was done.
    Duplicate,
    /// News of a command, noted.
    Noted,
}

/// What came in.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The bytes.
    pub payload: &'a [u8],
    /// Names the sending: client and packet id. Lets a repetition be recognised when the payload holds no time.
    pub sending: Option<(&'a str, u16)>,
    /// Whether the sender says that it is a repetition.
    pub repeated: bool,
    /// Name of the message, to be remembered durably (`Idempotency-Key`).
    pub message: Option<&'a str>,
    /// MQTT topic, unless it is the device's own.
    pub topic: Option<&'a str>,
    /// Whether memory alone guards against repetitions (MQTT QoS 0 is never repeated).
    pub brief: bool,
}
