//! Codecs with examples. Two layouts are read: that of the LoRaWAN device repository, where a YAML file names the script
//! and lists inputs with the outputs that its maker promises, and that of ThingsBoard's converters, where
//! `payload*.json` and `result*.json` lie beside `converter.json`.

use std::path::{Path, PathBuf};

use dothi_kernel::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::converter::Converter;
use super::{Bounds, Call, run};

/// Files of a folder that are looked at.
const MAX_FILES: usize = 20_000;
/// Bytes of a file.
const MAX_FILE: u64 = 4 << 20;
/// Examples say what is given, not how fast: they may take ten times as long as a message.
pub(super) fn patient() -> Bounds {
    let usual = Bounds::default();
    Bounds { time: usual.time * 10, ..usual }
}
/// Numbers of a codec of bytes may differ by this part: engines differ in `Math.pow`.
const TOLERANCE: f64 = 1e-9;

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
    /// File that holds or names it.
    pub file: PathBuf,
    /// `uplink`, `downlink` or `back`.
    pub what: &'static str,
    /// What it shows.
    pub description: String,
    /// Why it failed; none when the output is the promised one.
    pub fault: Option<String>,
}

fn unreadable(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::invalid("codec.file", "A codec file cannot be read.").with("file", format!("{}: {e}", path.display()))
}

/// A file's text. 400 `codec.file` when it cannot be read or is too long.
pub(super) fn read_file(path: &Path) -> Result<String> {
    if std::fs::metadata(path).map_err(|e| unreadable(path, &e))?.len() > MAX_FILE {
        return Err(unreadable(path, &"too long"));
    }
    std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))
}

/// All files below a folder that may hold examples, in order of their paths.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| unreadable(&folder, &e))? {
            let path = entry.map_err(|e| unreadable(&folder, &e))?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if name.ends_with(".yaml") || name.ends_with("converter.json") {
                files.push(path);
            }
            if files.len() > MAX_FILES {
                return Err(unreadable(&folder, &"too many files"));
            }
        }
    }
    files.sort();
    Ok(files)
}

impl Repository {
    /// Tries every example below a folder, or every example of one codec: a script (its examples are in the YAML files
    /// beside it that name it), a YAML file or a converter. 400 `codec.file` when a file cannot be read.
    pub fn check(path: &Path) -> Result<Vec<Checked>> {
        if path.is_dir() {
            let mut checked = Vec::new();
            for file in files(path)? {
                checked.extend(Self::check_file(&file, None)?);
            }
            return Ok(checked);
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".json") || name.ends_with(".yaml") {
            return Self::check_file(path, None);
        }
        read_file(path)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut beside: Vec<PathBuf> = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?.filter_map(|e| Some(e.ok()?.path())).collect();
        beside.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
        beside.sort();
        let mut checked = Vec::new();
        for file in beside {
            checked.extend(Self::check_file(&file, Some(&name))?);
        }
        Ok(checked)
    }

    /// Tries a script against the examples of another file.
    pub fn check_against(script: &Path, examples: &Path) -> Result<Vec<Checked>> {
        let source = read_file(script)?;
        let repository: Repository = serde_yaml_ng::from_str(&read_file(examples)?).map_err(|e| unreadable(examples, &e))?;
        Ok(repository.parts().into_iter().flat_map(|(what, part)| part.check(examples, what, &source)).collect())
    }

    fn check_file(file: &Path, script: Option<&str>) -> Result<Vec<Checked>> {
        let text = read_file(file)?;
        if file.extension().is_some_and(|e| e == "json") {
            return Converter::read(&text).map_or_else(|| Ok(Vec::new()), |converter| converter.check(file));
        }
        // Files of another kind (vendors, profiles) lie beside codecs.
        let Ok(repository) = serde_yaml_ng::from_str::<Repository>(&text) else { return Ok(Vec::new()) };
        let mut checked = Vec::new();
        for (what, part) in repository.parts() {
            if script.is_none_or(|script| part.file_name == script) {
                checked.extend(part.check(file, what, &read_file(&file.with_file_name(&part.file_name))?));
            }
        }
        Ok(checked)
    }

    fn parts(self) -> Vec<(&'static str, Part)> {
        let parts = [("uplink", self.uplink_decoder), ("downlink", self.downlink_encoder), ("back", self.downlink_decoder)];
        parts.into_iter().filter_map(|(what, part)| Some((what, part?))).collect()
    }
}

impl Part {
    fn check(&self, file: &Path, what: &'static str, source: &str) -> Vec<Checked> {
        let try_one =
            |example: &Example| Checked { file: file.to_path_buf(), what, description: example.description.clone(), fault: example.fault(source, what) };
        self.examples.iter().map(try_one).collect()
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
        let output = match run(source, &call, patient()) {
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
            let difference = difference(self.output.get(name)?, &given, TOLERANCE)?;
            Some(if difference.starts_with(['.', '[']) { format!("{name}{difference}") } else { format!("{name}: {difference}") })
        })
    }
}

/// The first place where two values differ: `.a[0]: 5 instead of 6`. 1 and 1.0 are the same number, null and absent
/// members are the same, and numbers may differ by the part `tolerance`.
pub(super) fn difference(promised: &Value, given: &Value, tolerance: f64) -> Option<String> {
    let other = || Some(format!("{given} instead of {promised}"));
    let inside = |at: String, difference: String| {
        let point = if difference.starts_with(['.', '[']) { "" } else { ": " };
        Some(format!("{at}{point}{difference}"))
    };
    match (promised, given) {
        (Value::Number(a), Value::Number(b)) => {
            let near = a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= tolerance * a.abs().max(b.abs()));
            if a == b || near { None } else { other() }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| inside(format!("[{i}]"), difference(a, b, tolerance)?))
        }
        (Value::Object(a), Value::Object(b)) => {
            let missing = a.iter().find_map(|(k, v)| inside(format!(".{k}"), difference(v, b.get(k).unwrap_or(&Value::Null), tolerance)?));
            missing
                .or_else(|| b.iter().filter(|(k, _)| !a.contains_key(*k)).find_map(|(k, v)| inside(format!(".{k}"), difference(&Value::Null, v, tolerance)?)))
        }
        _ if promised == given => None,
        _ => other(),
    }
}
