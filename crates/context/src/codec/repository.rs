//! Codecs with examples, in the form of the LoRaWAN device repository: a YAML file names the script and lists inputs
//! with the outputs that its maker promises.

use std::path::{Path, PathBuf};

use dothi_kernel::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Bounds, Call, run};

/// Codec files of a folder that are read.
const MAX_FILES: usize = 20_000;
/// Bytes of a codec file.
const MAX_FILE: u64 = 4 << 20;

/// A `…-codec.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// Bytes of the device into values.
    #[serde(default)]
    pub uplink_decoder: Option<Part>,
    /// Values of a command into bytes.
    #[serde(default)]
    pub downlink_encoder: Option<Part>,
    /// Bytes of a command into values.
    #[serde(default)]
    pub downlink_decoder: Option<Part>,
}

/// One function of a codec.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Script, beside the YAML file.
    pub file_name: String,
    /// What it must give.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// An input and what must come of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Example {
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// Input.
    pub input: Value,
    /// Output.
    pub output: Value,
}

/// An example that was tried.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Codec file.
    pub file: PathBuf,
    /// `uplink`, `downlink` or `back`.
    pub what: &'static str,
    /// What it shows.
    pub description: String,
    /// Why it failed; none when the output is the promised one.
    pub fault: Option<String>,
}

impl Repository {
    /// Tries every example of every `*codec*.yaml` below a folder, in order of their paths. 400 `codec.file` when a file
    /// cannot be read.
    pub fn check(folder: &Path) -> Result<Vec<Checked>> {
        let unreadable = |path: &Path, e: &dyn std::fmt::Display| {
            Error::invalid("codec.file", "A codec file cannot be read.").with("file", format!("{}: {e}", path.display()))
        };
        let mut files = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|e| unreadable(&folder, &e))? {
                let path = entry.map_err(|e| unreadable(&folder, &e))?.path();
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".yaml") && files.len() < MAX_FILES {
                    files.push(path);
                }
            }
        }
        files.sort();
        let mut checked = Vec::new();
        for file in files {
            if std::fs::metadata(&file).map_err(|e| unreadable(&file, &e))?.len() > MAX_FILE {
                return Err(unreadable(&file, &"too long"));
            }
            let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&file, &e))?;
            // Files of another kind (vendors, profiles) lie beside codecs.
            let Ok(repository) = serde_yaml_ng::from_str::<Repository>(&text) else { continue };
            let parts = [("uplink", repository.uplink_decoder), ("downlink", repository.downlink_encoder), ("back", repository.downlink_decoder)];
            for (what, part) in parts.into_iter().filter_map(|(w, p)| Some((w, p?))) {
                let script = file.with_file_name(&part.file_name);
                let source = std::fs::read_to_string(&script).map_err(|e| unreadable(&script, &e))?;
                checked.extend(part.examples.iter().map(|example| Checked {
                    file: file.clone(),
                    what,
                    description: example.description.clone(),
                    fault: example.fault(&source, what),
                }));
            }
        }
        Ok(checked)
    }
}

impl Example {
    /// Why a codec does not give what the example promises.
    pub fn fault(&self, source: &str, what: &str) -> Option<String> {
        let bytes = || serde_json::from_value::<Vec<u8>>(self.input.get("bytes").cloned().unwrap_or_default());
        let port = self.input.get("fPort").and_then(Value::as_u64).and_then(|p| u8::try_from(p).ok()).unwrap_or(1);
        let call = match (what, bytes()) {
            ("uplink", Ok(bytes)) => {
                let received = self.input.get("recvTime").and_then(Value::as_str).map(str::to_string);
                Call::DecodeUplink { bytes, port, received, variables: Default::default() }
            }
            ("back", Ok(bytes)) => Call::DecodeDownlink { bytes, port },
            ("downlink", _) => Call::EncodeDownlink { data: self.input.get("data").cloned().unwrap_or_default(), port, variables: Default::default() },
            (_, Err(e)) => return Some(format!("the example's bytes cannot be read: {e}")),
            _ => return Some(format!("{what} is not known")),
        };
        let output = match run(source, &call, Bounds::default()) {
            Ok(output) => output,
            Err(e) => return Some(e.detail().to_string()),
        };
        let list = |v: &[String]| Value::from(v.to_vec());
        // An example promises what it names; what it does not name is free.
        let given = [
            ("data", output.data.clone()),
            ("bytes", Value::from(output.bytes.clone())),
            ("fPort", output.port.map_or(Value::Null, Value::from)),
            ("warnings", list(&output.warnings)),
            ("errors", list(&output.errors)),
        ];
        given.into_iter().find_map(|(name, given)| {
            let promised = self.output.get(name)?;
            (!alike(promised, &given)).then(|| format!("{name}: {given} instead of {promised}"))
        })
    }
}

/// JSON equality in which 1 and 1.0 are the same, null and absent members are, and so are numbers that differ in the
/// last digits only (engines differ in `Math.pow`).
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs())),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(k, v)| alike(v, b.get(k).unwrap_or(&Value::Null))) && b.iter().all(|(k, v)| a.contains_key(k) || v.is_null())
        }
        _ => a == b,
    }
}
