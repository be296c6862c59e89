//! What LoRaWAN network servers wrap around a device's bytes: who sent them, on which port, when. One reading for all
//! of them, so that a device profile does not depend on the network its devices are in.
//!
//! Known by their members: The Things Stack 3, ChirpStack 4 and 3, LORIOT, Actility ThingPark.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use dothi_kernel::Timestamp;

/// An uplink message, taken out of its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Uplink {
    /// DevEUI in lower-case hexadecimal digits.
    pub eui: Option<String>,
    /// The network server's name of the device.
    pub name: Option<String>,
    /// LoRaWAN port; 0 carries no application data.
    pub port: u8,
    /// Payload.
    pub bytes: Vec<u8>,
    /// When the network received it, µs.
    pub received: Option<i64>,
    /// What the network server decoded itself.
    pub decoded: Option<Value>,
    /// The device's battery as LoRaWAN states it, 0 to 1.
    pub battery: Option<f64>,
}

impl Uplink {
    /// Takes an uplink out of its envelope; none when the message is of another kind (a join, an acknowledgement) or of
    /// no network server known here.
    pub fn read(message: &Value) -> Option<Self> {
        the_things_stack(message).or_else(|| thing_park(message)).or_else(|| loriot(message)).or_else(|| chirpstack(message))
    }

    /// The ids under which the device may be registered, best first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.eui.iter().chain(&self.name).map(String::as_str)
    }
}

fn port(value: &Value) -> u8 {
    value.as_u64().and_then(|p| u8::try_from(p).ok()).unwrap_or(0)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|t| !t.is_empty()).map(str::to_string)
}

/// Sixteen hexadecimal digits, or (ChirpStack 3) the same eight bytes in base64.
fn eui(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let bytes = base64(value)?;
    (bytes.len() == 8).then(|| hex_of(&bytes))
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn base64(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn hexadecimal(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str().filter(|t| t.is_ascii() && t.len() % 2 == 0)?;
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

fn instant(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(|t| t.as_microsecond())
}

/// Absent bytes are an empty payload; unreadable ones are no uplink.
fn bytes(value: &Value, read: fn(&Value) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    if value.is_null() { Some(Vec::new()) } else { read(value) }
}

fn the_things_stack(message: &Value) -> Option<Uplink> {
    let (ids, up) = (message.get("end_device_ids")?, message.get("uplink_message")?);
    let received = instant(&up["received_at"]).or_else(|| instant(&message["received_at"]));
    Some(Uplink {
        eui: eui(&ids["dev_eui"]),
        name: text(&ids["device_id"]),
        port: port(&up["f_port"]),
        bytes: bytes(&up["frm_payload"], base64)?,
        received,
        decoded: up.get("decoded_payload").filter(|d| d.is_object()).cloned(),
        battery: up["last_battery_percentage"]["value"].as_f64().map(|p| p / 100.0),
    })
}

fn chirpstack(message: &Value) -> Option<Uplink> {
    let info = &message["deviceInfo"];
    let id = if info.is_object() { info.get("devEui")? } else { message.get("devEUI").or_else(|| message.get("devEui"))? };
    // Joins and status events name a device too, but carry no frame.
    message.get("fPort").or_else(|| message.get("fCnt"))?;
    let named = if info.is_object() { &info["deviceName"] } else { &message["deviceName"] };
    let gateway = message["rxInfo"].get(0).unwrap_or(&Value::Null);
    // Version 3 hands its own codec's result over as text.
    let inner = message["objectJSON"].as_str().and_then(|o| serde_json::from_str::<Value>(o).ok());
    Some(Uplink {
        eui: eui(id),
        name: text(named),
        port: port(&message["fPort"]),
        bytes: bytes(&message["data"], base64)?,
        received: instant(&message["time"]).or_else(|| instant(&gateway["time"])).or_else(|| instant(&message["publishedAt"])),
        decoded: message.get("object").cloned().or(inner).filter(Value::is_object),
        battery: None,
    })
}

fn loriot(message: &Value) -> Option<Uplink> {
    message["cmd"].as_str().filter(|c| matches!(*c, "rx" | "gw"))?;
    // Battery as in DevStatusAns: 1 to 254; 0 is outside power, 255 unknown.
    let battery = message["bat"].as_f64().filter(|b| (1.0..=254.0).contains(b)).map(|b| b / 254.0);
    Some(Uplink {
        eui: Some(eui(message.get("EUI")?)?),
        name: None,
        port: port(&message["port"]),
        bytes: bytes(&message["data"], hexadecimal)?,
        received: message["ts"].as_i64().and_then(|ms| ms.checked_mul(1_000)),
        decoded: message.get("decoded").filter(|d| d.is_object()).cloned(),
        battery,
    })
}

fn thing_park(message: &Value) -> Option<Uplink> {
    let up = message.get("DevEUI_uplink")?;
    Some(Uplink {
        eui: Some(eui(up.get("DevEUI")?)?),
        name: None,
        port: port(&up["FPort"]),
        bytes: bytes(&up["payload_hex"], hexadecimal)?,
        received: instant(&up["Time"]),
        decoded: up.get("payload").filter(|d| d.is_object()).cloned(),
        battery: up["BatteryLevel"].as_f64().filter(|b| (1.0..=254.0).contains(b)).map(|b| b / 254.0),
    })
}

/// What became of a downlink, as a network server tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The network server has it in its queue.
    Queued,
    /// A gateway sent it.
    Sent,
    /// The device acknowledged it.
    Acknowledged,
    /// The device did not acknowledge it, or it could not be sent.
    Lost,
}

/// News of a downlink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Ids under which the device may be registered, best first.
    pub ids: Vec<String>,
    /// Our name of the downlink; none when the network server does not repeat it.
    pub command: Option<String>,
    /// What happened.
    pub fate: Fate,
}

impl Notice {
    /// Takes news of a downlink out of an event of ChirpStack 4 or The Things Stack 3; none when it is something else.
    pub fn read(message: &Value) -> Option<Self> {
        if let Some(ids) = message.get("end_device_ids") {
            let fates = [
                ("downlink_queued", Fate::Queued),
                ("downlink_sent", Fate::Sent),
                ("downlink_ack", Fate::Acknowledged),
                ("downlink_nack", Fate::Lost),
                ("downlink_failed", Fate::Lost),
            ];
            let (event, fate) = fates.into_iter().find_map(|(name, fate)| Some((message.get(name)?, fate)))?;
            let named = [&message["correlation_ids"], &event["correlation_ids"], &event["downlink"]["correlation_ids"]];
            let command = named.into_iter().filter_map(Value::as_array).flatten().find_map(|id| id.as_str()?.strip_prefix(crate::downlink::CORRELATION));
            let ids = eui(&ids["dev_eui"]).into_iter().chain(text(&ids["device_id"])).collect();
            return Some(Self { ids, command: command.map(str::to_string), fate });
        }
        let info = message.get("deviceInfo")?;
        let fate = match message.get("acknowledged").and_then(Value::as_bool) {
            Some(true) => Fate::Acknowledged,
            Some(false) => Fate::Lost,
            None => message.get("downlinkId").map(|_| Fate::Sent)?,
        };
        let ids = eui(&info["devEui"]).into_iter().chain(text(&info["deviceName"])).collect();
        Some(Self { ids, command: text(&message["queueItemId"]), fate })
    }
}
