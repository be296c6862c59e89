//! Commands to devices: what a profile declares of them, how parameters are checked, and what network servers of
//! LoRaWAN want to be told. Nothing about a maker is written here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dothi_kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Commands of one profile.
const MAX_COMMANDS: usize = 100;
/// Parameters of one command.
const MAX_PARAMETERS: usize = 50;
/// Longest text parameter in bytes, unless the declaration says less.
const MAX_TEXT: u32 = 1_024;
/// Longest life of a command.
const MAX_LIFE_S: u32 = 30 * 86_400;

/// How commands reach the devices of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Downlink {
    /// MQTT topic; `{device}` and `{command}` stand for the device's id and the command's name. Devices behind a network server
    /// of LoRaWAN are reached by the topic that belongs to the one their uplinks come from.
    pub topic: String,
    /// LoRaWAN port when the codec names none.
    pub port: u8,
    /// Whether a device behind a network server must acknowledge what it received.
    pub confirmed: bool,
    /// Seconds for which a command waits for its device, unless the command says otherwise.
    pub expires_s: u32,
    /// Seconds that a device has to answer what it received.
    pub answer_s: u32,
    /// Whether devices answer commands themselves (topic `dev/{device}/ack`). None: those behind a network server do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<bool>,
}

impl Default for Downlink {
    fn default() -> Self {
        Self { topic: "dev/{device}/down/{command}".into(), port: 1, confirmed: true, expires_s: 86_400, answer_s: 300, answers: None }
    }
}

impl Downlink {
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !self.topic.starts_with("dev/{device}/down/") || !crate::mqtt::topics::valid_name(&self.topic.replace("{device}", "x").replace("{command}", "x")) {
            return Some("the topic must be a name under dev/{device}/down/");
        }
        let lasts = |s: u32| (1..=MAX_LIFE_S).contains(&s);
        if !lasts(self.expires_s) || !lasts(self.answer_s) {
            return Some("expires_s and answer_s must be 1 second to 30 days");
        }
        (!(1..=223).contains(&self.port)).then_some("the port must be 1 to 223")
    }
}

/// A command that devices of a profile understand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// Name (`set-interval`): letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// Whether people are asked once more before it is sent.
    #[serde(default)]
    pub sensitive: bool,
    /// Constant part of what the device, or its codec, is told; parameters are put into it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
    /// Seconds for which it waits for its device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u32>,
    /// Seconds that the device has to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_s: Option<u32>,
    /// What may be said.
    #[serde(default, rename = "parameter", alias = "parameters", skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

/// A parameter of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// What is expected.
    #[serde(default)]
    pub kind: ParameterKind,
    /// Where it is put in what the device is told, dotted; the name itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Longest text in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Unit as people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_text: Option<String>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub options: Vec<Value>,
    /// Taken when nothing is said; without it the parameter is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub default: Option<Value>,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterKind {
    /// A number.
    #[default]
    Number,
    /// A whole number.
    Integer,
    /// A truth value.
    Bool,
    /// A text.
    Text,
}

fn plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl CommandSpec {
    /// What is wrong with the declaration.
    pub(crate) fn faults(&self, say: &mut dyn FnMut(String)) {
        if !plain(&self.name) {
            say("the name must be 1 to 64 letters, digits, '-', '_' or '.'".into());
        }
        if self.title.trim().is_empty() {
            say("a Vietnamese title is needed".into());
        }
        if self.parameters.len() > MAX_PARAMETERS {
            say(format!("at most {MAX_PARAMETERS} parameters"));
        }
        if self.expires_s.iter().chain(&self.answer_s).any(|s| !(1..=MAX_LIFE_S).contains(s)) {
            say("expires_s and answer_s must be 1 second to 30 days".into());
        }
        for (i, parameter) in self.parameters.iter().enumerate() {
            if !plain(&parameter.name) || self.parameters[..i].iter().any(|p| p.name == parameter.name) {
                say(format!("parameter {:?} is not a usable name or declared twice", parameter.name));
            }
            if parameter.title.trim().is_empty() {
                say(format!("parameter {}: a Vietnamese title is needed", parameter.name));
            }
            if parameter.path.as_ref().is_some_and(|p| p.len() > 256 || p.split('.').any(str::is_empty)) {
                say(format!("parameter {}: the path must be dotted names", parameter.name));
            }
            if parameter.min.zip(parameter.max).is_some_and(|(min, max)| min > max) {
                say(format!("parameter {}: min is above max", parameter.name));
            }
            for value in parameter.options.iter().chain(&parameter.default) {
                if let Err(why) = parameter.accepts(value) {
                    say(format!("parameter {}: {value} {why}", parameter.name));
                }
            }
        }
    }

    /// What the device, or its codec, is told. 422 `device.command.parameter` names the parameter and what is wrong.
    pub(crate) fn fill(&self, given: &Map<String, Value>) -> Result<Map<String, Value>> {
        let wrong = |name: &str, why: &str| {
            Error::unprocessable("device.command.parameter", "A parameter of the command cannot be used.").with("parameter", name).with("reason", why)
        };
        if let Some(stranger) = given.keys().find(|k| self.parameters.iter().all(|p| p.name != **k)) {
            return Err(wrong(&stranger.chars().take(64).collect::<String>(), "is not declared"));
        }
        let mut told = self.data.clone();
        for parameter in &self.parameters {
            let Some(value) = given.get(&parameter.name).filter(|v| !v.is_null()).or(parameter.default.as_ref()) else {
                return Err(wrong(&parameter.name, "is needed"));
            };
            parameter.accepts(value).map_err(|why| wrong(&parameter.name, why))?;
            put(&mut told, parameter.path.as_deref().unwrap_or(&parameter.name), value.clone()).map_err(|why| wrong(&parameter.name, why))?;
        }
        Ok(told)
    }
}

/// Puts a value at a dotted path.
fn put(into: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), &'static str> {
    match path.split_once('.') {
        None => {
            into.insert(path.to_string(), value);
            Ok(())
        }
        Some((first, rest)) => match into.entry(first).or_insert_with(|| json!({})) {
            Value::Object(inner) => put(inner, rest, value),
            _ => Err("its path leads through a value"),
        },
    }
}

impl Parameter {
    fn accepts(&self, value: &Value) -> Result<(), &'static str> {
        if !self.options.is_empty() && !self.options.contains(value) {
            return Err("is none of the values allowed");
        }
        match self.kind {
            ParameterKind::Bool => value.is_boolean().then_some(()).ok_or("must be true or false"),
            ParameterKind::Text => {
                let text = value.as_str().ok_or("must be a text")?;
                let most = self.max_length.unwrap_or(MAX_TEXT).min(MAX_TEXT) as usize;
                (text.len() <= most && !text.contains('\0')).then_some(()).ok_or("is too long")
            }
            ParameterKind::Number | ParameterKind::Integer => {
                let number = value.as_f64().filter(|n| n.is_finite()).ok_or("must be a number")?;
                if self.kind == ParameterKind::Integer && number.fract() != 0.0 {
                    return Err("must be a whole number");
                }
                if self.min.is_some_and(|min| number < min) {
                    return Err("is below the least value");
                }
                if self.max.is_some_and(|max| number > max) {
                    return Err("is above the greatest value");
                }
                Ok(())
            }
        }
    }
}

/// More than a hundred commands are a mistake.
pub(crate) fn too_many(commands: usize) -> bool {
    commands > MAX_COMMANDS
}

/// The way to a device behind a network server, known from the topic of its uplinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// ChirpStack: what stands before `/event/…`.
    ChirpStack(String),
    /// The Things Stack: what stands before `/up`.
    TheThingsStack(String),
}

impl Way {
    /// The way back from the topic of an uplink, as the network servers lay out their topics.
    pub(crate) fn back(topic: &str) -> Option<Self> {
        if let Some(base) = topic.strip_suffix("/event/up") {
            return Some(Way::ChirpStack(base.to_string()));
        }
        topic.strip_suffix("/up").filter(|base| base.starts_with("v3/") && base.contains("/devices/")).map(|base| Way::TheThingsStack(base.to_string()))
    }

    /// As it is stored: the topic of uplinks.
    pub(crate) fn uplinks(&self) -> String {
        match self {
            Way::ChirpStack(base) => format!("{base}/event/up"),
            Way::TheThingsStack(base) => format!("{base}/up"),
        }
    }

    /// The topic of downlinks.
    pub(crate) fn topic(&self) -> String {
        match self {
            Way::ChirpStack(base) => format!("{base}/command/down"),
            Way::TheThingsStack(base) => format!("{base}/down/push"),
        }
    }

    /// What the network server is told.
    pub(crate) fn message(&self, id: &str, confirmed: bool, port: u8, frame: &Frame) -> Value {
        match self {
            Way::ChirpStack(base) => {
                let mut message = json!({"id": id, "devEui": base.rsplit('/').next().unwrap_or_default(), "confirmed": confirmed, "fPort": port});
                match frame {
                    Frame::Bytes(bytes) => message["data"] = STANDARD.encode(bytes).into(),
                    Frame::Data(data) => message["object"] = Value::Object(data.clone()),
                }
                message
            }
            Way::TheThingsStack(_) => {
                let mut message = json!({"f_port": port, "confirmed": confirmed, "priority": "NORMAL", "correlation_ids": [format!("{CORRELATION}{id}")]});
                match frame {
                    Frame::Bytes(bytes) => message["frm_payload"] = STANDARD.encode(bytes).into(),
                    Frame::Data(data) => message["decoded_payload"] = Value::Object(data.clone()),
                }
                json!({"downlinks": [message]})
            }
        }
    }
}

/// What stands before a command's id in the correlation ids of The Things Stack.
pub(crate) const CORRELATION: &str = "dothi:command:";

/// What is sent to a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    /// Bytes, made by the profile's codec.
    Bytes(Vec<u8>),
    /// Values, for the network server's own codec.
    Data(Map<String, Value>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CommandSpec {
        toml::from_str(
            r#"
            name = "dim"
            title = "Điều chỉnh độ sáng"
            data = { channel = 1 }
            [[parameter]]
            name = "level"
            title = "Độ sáng"
            kind = "integer"
            min = 0
            max = 100
            path = "light.level"
            [[parameter]]
            name = "mode"
            title = "Chế độ"
            kind = "text"
            options = ["auto", "manual"]
            default = "manual"
            "#,
        )
        .unwrap()
    }

    #[test]
    fn parameters_are_checked_and_put_where_they_belong() {
        let spec = spec();
        let mut faults = Vec::new();
        spec.faults(&mut |f| faults.push(f));
        assert_eq!(faults, Vec::<String>::new());
        let fill = |given: Value| spec.fill(given.as_object().unwrap());
        assert_eq!(Value::Object(fill(json!({"level": 40})).unwrap()), json!({"channel": 1, "light": {"level": 40}, "mode": "manual"}));
        for (given, reason) in [
            (json!({}), "is needed"),
            (json!({"level": null}), "is needed"),
            (json!({"level": 101}), "is above the greatest value"),
            (json!({"level": -1}), "is below the least value"),
            (json!({"level": 1.5}), "must be a whole number"),
            (json!({"level": "1"}), "must be a number"),
            (json!({"level": 1, "mode": "off"}), "is none of the values allowed"),
            (json!({"level": 1, "more": 1}), "is not declared"),
        ] {
            let error = fill(given.clone()).unwrap_err();
            assert_eq!(error.code(), "device.command.parameter");
            assert!(error.context().iter().any(|(_, v)| v == reason), "{given}: {error:?}");
        }
    }

    #[test]
    fn network_servers_are_told_in_their_own_words() {
        let way = Way::back("application/7/device/0102030405060708/event/up").unwrap();
        assert_eq!(way.topic(), "application/7/device/0102030405060708/command/down");
        let told = way.message("i", true, 10, &Frame::Bytes(vec![1, 2]));
        assert_eq!(told, json!({"id": "i", "devEui": "0102030405060708", "confirmed": true, "fPort": 10, "data": "AQI="}));
        let way = Way::back("v3/app@tenant/devices/dev-1/up").unwrap();
        assert_eq!(Way::back(&way.uplinks()), Some(way.clone()));
        assert_eq!(way.topic(), "v3/app@tenant/devices/dev-1/down/push");
        assert_eq!(way.message("i", false, 3, &Frame::Bytes(vec![255]))["downlinks"][0]["frm_payload"], "/w==");
        assert_eq!(Way::back("dev/x/up"), None);
    }
}
