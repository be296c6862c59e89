//! What a pack may declare: the rules of watching and keeping, what states of health are called, purposes, models of detectors.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::event::Severity;
use dothi_vision::health::Policy as HealthPolicy;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// States of health that the program finds; a pack names all of them.
pub const STATES: [&str; 7] = ["fine", "silent", "frozen", "dark", "bright", "blurred", "moved"];
/// State of a camera that was not looked at yet, or is not active.
pub const UNKNOWN: &str = "unknown";

/// How far a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = CameraRuleStatus)]
pub enum Status {
    /// Read in the source itself.
    Confirmed,
    /// Read in a secondary source only: verify.
    Secondary,
    /// Known from practice, no source found.
    Unconfirmed,
    /// Our proposal.
    Proposed,
}

/// How sure we are of a rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraMark)]
pub struct Mark {
    /// What it is about (`retention`).
    pub of: String,
    /// Act, standard or document.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    #[serde(default)]
    pub note: String,
}

/// The rules of one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraPolicy)]
pub struct Policy {
    /// From when.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// Seconds of one recorded file, about.
    pub segment_seconds: u32,
    /// Seconds between two looks at a camera's picture.
    pub look_seconds: u32,
    /// Looks without a picture, one after another, after which a camera is silent.
    pub silent_looks: u32,
    /// Days that recordings are kept when the camera says nothing else.
    pub retention_days: u32,
    /// Most days that a camera may say.
    pub retention_most: u32,
    /// Seconds that a camera which records on events goes on after one.
    pub event_seconds: u32,
    /// Longest export, minutes.
    pub export_minutes: u32,
    /// Days that a finished export is kept.
    pub export_days: u32,
    /// Whether a second person must allow an export.
    pub export_approval: bool,
    /// Whether looking at the live picture needs a reason, too.
    pub live_reason: bool,
    /// Days that it is kept who watched what.
    pub log_days: u32,
    /// Functions of organisations that own cameras, the first one that somebody holds.
    pub functions: Vec<String>,
    /// Where each of these stands.
    pub marks: Vec<Mark>,
}

/// What a state of health is called, and how urgent it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraStateDef)]
pub struct StateDef {
    /// Code, one of the program's.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// How urgent; absent: no alarm.
    pub severity: Option<Severity>,
    /// Title of the alarm.
    #[serde(default)]
    pub alarm: String,
    /// The same in English.
    #[serde(default)]
    pub alarm_en: String,
}

/// What cameras are there for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraPurpose)]
pub struct Purpose {
    /// Code (`order`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Act that such cameras usually rest on.
    #[serde(default)]
    pub legal: String,
}

/// How things are followed from picture to picture to be counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountRules {
    /// Milliseconds between two pictures that are looked at, at least.
    pub every_ms: u32,
    /// How a thing is known again.
    pub tracking: dothi_vision::Tracking,
    /// How far beyond a line a thing must be, a fraction of the picture.
    pub margin: f32,
}

/// Something that cameras may count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CameraCount)]
pub struct CountDef {
    /// Attribute of the camera's thing that the count becomes (`vehicleCount`).
    pub attribute: String,
    /// What is counted.
    pub name: String,
    /// What is counted, in English.
    pub name_en: String,
    /// Findings that count (`car`, `bus`).
    pub classes: Vec<String>,
}

/// A model that finds things in pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDef {
    /// Code: the file's name.
    #[serde(default)]
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// File of the model beside this one.
    pub model: String,
    /// What cameras may count with it.
    pub counts: Vec<CountDef>,
    /// File with a class on each line.
    pub classes_file: String,
    /// Where it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    #[serde(default)]
    pub note: String,
    /// SHA-256 of the model's bytes, once they are kept.
    #[serde(default)]
    pub sha256: String,
    /// What the detector must know.
    #[serde(flatten)]
    pub spec: BTreeMap<String, serde_json::Value>,
}

/// A pack's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoPack {
    /// Rules by time.
    pub policy: Vec<Policy>,
    /// States of health.
    pub state: Vec<StateDef>,
    /// Purposes.
    pub purpose: Vec<Purpose>,
    /// Thresholds of health.
    pub health: Option<HealthPolicy>,
    /// How things are counted.
    pub count: Option<CountRules>,
    /// Models.
    pub model: Vec<ModelDef>,
    /// Bytes of models by file; not part of what is stored as the pack.
    #[serde(skip)]
    pub bytes: BTreeMap<String, bytes::Bytes>,
}

impl VideoPack {
    /// Reads a pack's files: parts (`.toml`), models (`models/*.toml` with `.names`), and the models' bytes. Faults begin with the file.
    pub fn load(files: &[(String, String)], binaries: &[(String, bytes::Bytes)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
        pack.bytes = binaries.iter().map(|(path, bytes)| (name(path), bytes.clone())).collect();
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".toml")) {
            if !path.contains("models/") {
                match toml::from_str::<Self>(text) {
                    Ok(part) => pack.add(part),
                    Err(e) => faults.push(format!("{path}: {}", e.message())),
                }
                continue;
            }
            match toml::from_str::<ModelDef>(text) {
                Ok(mut model) => {
                    model.code = name(path).trim_end_matches(".toml").to_string();
                    match files.iter().find(|(p, _)| name(p) == model.classes_file) {
                        Some((_, names)) => {
                            let classes: Vec<&str> = names.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
                            model.spec.insert("classes".into(), serde_json::json!(classes));
                        }
                        None => faults.push(format!("{path}: there is no file `{}`", model.classes_file)),
                    }
                    if !pack.bytes.contains_key(&model.model) {
                        faults.push(format!("{path}: there is no file `{}`", model.model));
                    }
                    match crate::sight::spec_of(&model).map(|spec| spec.told()) {
                        Ok(told) => faults.extend(
                            model.counts.iter().flat_map(|c| &c.classes).filter(|c| !told.contains(c)).map(|c| format!("{path}: the model finds no `{c}`")),
                        ),
                        Err(e) => faults.push(format!("{path}: {}", e.cause().unwrap_or(e.detail()))),
                    }
                    pack.model.push(model);
                }
                Err(e) => faults.push(format!("{path}: {}", e.message())),
            }
        }
        faults.extend(pack.check());
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Takes over what another part declares.
    pub fn add(&mut self, other: Self) {
        self.policy.extend(other.policy);
        self.state.extend(other.state);
        self.purpose.extend(other.purpose);
        self.model.extend(other.model);
        self.bytes.extend(other.bytes);
        self.health = other.health.or(self.health.take());
        self.count = other.count.or(self.count.take());
        self.policy.sort_by_key(|p| p.valid_from);
    }

    /// Whether it declares nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Its faults, in words.
    pub fn check(&self) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for state in &self.state {
            if !STATES.contains(&state.code.as_str()) || !seen.insert(state.code.as_str()) {
                faults.push(format!("video: state `{}` is none of the program's, or stands twice", state.code));
            }
            if state.severity.is_some() && (state.alarm.is_empty() || state.alarm_en.is_empty()) {
                faults.push(format!("video: state `{}` raises an alarm and has no title for it", state.code));
            }
        }
        for lacking in STATES.iter().filter(|s| !seen.contains(*s)) {
            faults.push(format!("video: state `{lacking}` has no name"));
        }
        let mut purposes = BTreeSet::new();
        for purpose in self.purpose.iter().filter(|p| !purposes.insert(p.code.as_str())) {
            faults.push(format!("video: purpose `{}` stands twice", purpose.code));
        }
        if self.policy.is_empty() || self.purpose.is_empty() || self.health.is_none() || self.count.is_none() {
            faults.push("video: there must be a policy, a purpose, thresholds of health, and how things are counted".into());
        }
        for p in &self.policy {
            let positive = [p.segment_seconds, p.look_seconds, p.silent_looks, p.retention_days, p.event_seconds, p.export_minutes, p.export_days, p.log_days];
            if positive.contains(&0) || p.segment_seconds > 600 || p.export_minutes > 60 || p.retention_days > p.retention_most {
                faults.push(format!("video: policy {}: times must be given and within bounds", p.valid_from));
            }
            if p.marks.is_empty() || p.functions.is_empty() {
                faults.push(format!("video: policy {}: functions and marks must be given", p.valid_from));
            }
        }
        faults
    }
}
