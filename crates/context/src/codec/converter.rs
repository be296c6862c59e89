//! ThingsBoard's converters: a script that is given a network server's whole message and makes of it a device's name,
//! attributes and telemetry; for a command it makes of it what the network server wants.
//!
//! A converter is a file as ThingsBoard exports it (`converter.json`), or its script alone: TBEL, or the body of a
//! JavaScript function. It is given `payload` (the message's bytes) and `metadata` (texts by name); a command's is given
//! `msg` and `metadata`.

use std::path::Path;

use dothi_kernel::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::repository::{Checked, difference, patient, read_file};
use super::{Call, run, tbel};

/// What a converter is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// The body of a JavaScript function.
    JavaScript,
    /// ThingsBoard's own.
    Tbel,
}

/// Which scripts a device profile's codec is one of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodecKind {
    /// `decodeUplink` and its forerunners: a device's bytes into values.
    #[default]
    Lorawan,
    /// A converter of ThingsBoard in JavaScript: a network server's message into telemetry.
    Thingsboard,
    /// The same in TBEL.
    Tbel,
}

impl CodecKind {
    /// The language of a converter; none for codecs of bytes.
    pub fn converter(self) -> Option<Language> {
        match self {
            CodecKind::Lorawan => None,
            CodecKind::Thingsboard => Some(Language::JavaScript),
            CodecKind::Tbel => Some(Language::Tbel),
        }
    }
}

/// What a script in JavaScript finds around it.
const AROUND: &str = r"var atob = function (text) {
  var digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', out = '', held = 0, bits = 0;
  for (var c of String(text).replace(/[\s=]/g, '')) {
    var digit = digits.indexOf(c);
    if (digit < 0) throw new Error('not base64');
    held = (held << 6) | digit;
    bits += 6;
    if (bits >= 8) { bits -= 8; out += String.fromCharCode((held >> bits) & 255); held &= (1 << bits) - 1; }
  }
  return out;
};
var btoa = function (text) {
  var digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', out = '';
  for (var i = 0; i < text.length; i += 3) {
    var n = Math.min(3, text.length - i), held = 0;
    for (var k = 0; k < 3; k++) held = (held << 8) | (k < n ? text.charCodeAt(i + k) & 255 : 0);
    for (k = 0; k < 4; k++) out += k <= n ? digits[(held >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
};";

/// Makes of the call's JSON and the script the result's JSON.
pub(super) const ADAPTER: &str = r"(function (call, script) {
  'use strict';
  var input = JSON.parse(call);
  var out = input.bytes === undefined
    ? script(input.data, input.metadata, 'POST_TELEMETRY_REQUEST', input.metadata)
    : script(typeof $payload === 'function' ? $payload(input.bytes) : input.bytes, input.metadata);
  return JSON.stringify(out === undefined ? null : out, function (k, v) { return v instanceof Uint8Array || v instanceof Int8Array ? Array.from(v) : v; });
})";

impl Language {
    /// What is evaluated before the script.
    pub(super) fn around(self) -> &'static str {
        match self {
            Language::JavaScript => AROUND,
            Language::Tbel => tbel::PRELUDE,
        }
    }

    /// The script as a JavaScript function.
    pub(super) fn function(self, source: &str, command: bool) -> Result<String> {
        let parameters = if command { "msg, metadata, msgType, integrationMetadata" } else { "payload, metadata" };
        Ok(match self {
            Language::JavaScript => format!("(function ({parameters}) {{{source}\n}})"),
            Language::Tbel => format!("(function ({parameters}) {{{}\n}})", tbel::translate(source)?),
        })
    }
}

/// A converter as ThingsBoard exports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Converter {
    /// What it is written in.
    pub language: Language,
    /// Whether it makes messages of commands.
    pub command: bool,
    /// Its script.
    pub source: String,
}

impl Converter {
    /// Reads an exported file; none when it is another kind of JSON.
    pub fn read(text: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        let command = match file.get("type")?.as_str()? {
            "UPLINK" => false,
            "DOWNLINK" => true,
            _ => return None,
        };
        let configuration = file.get("configuration")?;
        let (language, name) = match (configuration.get("scriptLang").and_then(Value::as_str), command) {
            (Some("TBEL"), false) => (Language::Tbel, "tbelDecoder"),
            (Some("TBEL"), true) => (Language::Tbel, "tbelEncoder"),
            (_, false) => (Language::JavaScript, "decoder"),
            (_, true) => (Language::JavaScript, "encoder"),
        };
        let source = configuration.get(name)?.as_str().filter(|s| !s.trim().is_empty())?.to_string();
        Some(Self { language, command, source })
    }

    /// Tries the examples beside a converter's file: `payload*.json` must become `result*.json`. Numbers must be the same
    /// number (1 and 1.0 are), and nothing may be missing or added; null counts as absent.
    pub(super) fn check(&self, file: &Path) -> Result<Vec<Checked>> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let metadata = match std::fs::exists(folder.join("metadata.json")) {
            Ok(true) => serde_json::from_str::<Map<String, Value>>(&read_file(&folder.join("metadata.json"))?).unwrap_or_default(),
            _ => Map::new(),
        };
        let mut payloads: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("payload") && name.ends_with(".json"))
            .collect();
        payloads.sort();
        let mut checked = Vec::new();
        for payload in payloads {
            let expected = folder.join(payload.replacen("payload", "result", 1));
            if !expected.exists() {
                continue;
            }
            let fault = match (read_file(&folder.join(&payload)), read_file(&expected)) {
                (Ok(message), Ok(expected)) => self.fault(&message, &metadata, &expected),
                (Err(e), _) | (_, Err(e)) => Some(e.detail().to_string()),
            };
            checked.push(Checked { file: file.to_path_buf(), what: if self.command { "downlink" } else { "uplink" }, description: payload, fault });
        }
        Ok(checked)
    }

    fn fault(&self, message: &str, metadata: &Map<String, Value>, expected: &str) -> Option<String> {
        let Ok(expected) = serde_json::from_str::<Value>(expected) else { return Some("the result is not JSON".into()) };
        let (language, metadata) = (self.language, texts(metadata));
        let call = if self.command {
            match serde_json::from_str(message) {
                Ok(data) => Call::ConvertCommand { language, data, metadata },
                Err(e) => return Some(format!("the payload is not JSON: {e}")),
            }
        } else {
            Call::Convert { language, message: message.as_bytes().to_vec(), metadata }
        };
        match run(&self.source, &call, patient()) {
            Ok(output) => difference(&expected, &output.data, 0.0),
            Err(e) => Some(e.detail().to_string()),
        }
    }
}

/// ThingsBoard hands metadata over as texts, whatever they were.
fn texts(metadata: &Map<String, Value>) -> Map<String, Value> {
    metadata.iter().map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_string).into())).collect()
}

/// A converter's result as records that a device profile reads: one for each moment, with the values beside `ts`
/// (milliseconds), `attributes` and `deviceName`. Times may be numbers or texts; a record without one has no `ts`.
pub fn records(result: &Value) -> Vec<Value> {
    let many = |v: &Value| match v {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let mut records = Vec::new();
    for device in many(result) {
        let attributes = device.get("attributes").filter(|a| a.is_object()).cloned();
        let mut telemetry = many(device.get("telemetry").unwrap_or(&Value::Null));
        if telemetry.is_empty() && attributes.is_some() {
            telemetry.push(json!({}));
        }
        for entry in telemetry {
            let (stamp, values) = match entry.get("values") {
                Some(Value::Object(values)) => (entry.get("ts").and_then(millis), values.clone()),
                _ => (None, entry.as_object().cloned().unwrap_or_default()),
            };
            let mut record = values;
            record.extend(stamp.map(|ts| ("ts".to_string(), ts.into())));
            record.extend(attributes.iter().map(|a| ("attributes".to_string(), a.clone())));
            record.extend(device.get("deviceName").map(|name| ("deviceName".to_string(), name.clone())));
            records.push(record.into());
        }
    }
    records
}

fn millis(stamp: &Value) -> Option<i64> {
    match stamp {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.abs() < 9.0e15).map(|f| f as i64)),
        Value::String(text) => text.parse::<Timestamp>().ok().map(|t| t.as_millisecond()),
        _ => None,
    }
}

/// The script of a pack's codec file, and what kind it must be declared as. 400 `codec.file` for an exported converter that
/// holds no script for uplinks.
pub fn script(path: &str, text: &str) -> Result<(String, Option<CodecKind>)> {
    if !path.ends_with(".json") {
        let kind = path.ends_with(".tbel").then_some(CodecKind::Tbel);
        return Ok((text.to_string(), kind));
    }
    let Some(converter) = Converter::read(text).filter(|c| !c.command) else {
        return Err(Error::invalid("codec.file", "This is no uplink converter as ThingsBoard exports it."));
    };
    let kind = match converter.language {
        Language::JavaScript => CodecKind::Thingsboard,
        Language::Tbel => CodecKind::Tbel,
    };
    Ok((converter.source, Some(kind)))
}
