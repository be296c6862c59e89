//! What a pack may declare: kinds of signals, what codes mean, and the rules of verification.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::event::Severity;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dc09::Scheme;

/// Kind of a signal when a path of a panel is lost. A pack that declares kinds declares it too.
pub const PATH_LOSS: &str = "path-loss";

/// How far a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PanelStatus)]
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
#[schema(as = PanelMark)]
pub struct Mark {
    /// What it is about (`codes`).
    pub of: String,
    /// Act, standard or document.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    #[serde(default)]
    pub note: String,
}

/// What a kind of signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PanelClass)]
pub enum Class {
    /// Somebody may be in danger: is verified and judged.
    Alarm,
    /// Something does not work: stands until it is restored.
    Trouble,
    /// Told and kept, nothing more (openings, tests).
    Note,
}

impl Class {
    /// As it is stored.
    pub fn code(self) -> &'static str {
        match self {
            Class::Alarm => "alarm",
            Class::Trouble => "trouble",
            Class::Note => "note",
        }
    }
}

/// What makes a signal confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PanelConfirm)]
pub enum Confirm {
    /// The first signal (a call point pressed by a hand).
    AtOnce,
    /// A second detector, or a second kind named in `with`, within the policy's time.
    Two,
    /// Only a person.
    Never,
}

/// A kind of signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PanelKind)]
pub struct KindDef {
    /// Code (`fire`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What it asks for.
    pub class: Class,
    /// How urgent.
    pub severity: Severity,
    /// What confirms it.
    pub confirm: Confirm,
    /// Other kinds that confirm it at the same premises.
    #[serde(default)]
    pub with: Vec<String>,
    /// What to do, for those on duty.
    #[serde(default)]
    pub advice: String,
    /// The same in English.
    #[serde(default)]
    pub advice_en: String,
}

/// What a code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PanelPhase)]
pub enum Phase {
    /// A signal begins. Contact ID ends the same code by its qualifier.
    Raise,
    /// It ends.
    Restore,
    /// Told and kept.
    Note,
}

/// What a code means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeDef {
    /// Whose code.
    pub scheme: Scheme,
    /// The code: two letters, three digits, or a rule's code.
    pub code: String,
    /// Kind of signal.
    pub kind: String,
    /// What it does.
    pub phase: Phase,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// A further kind whose signals a restoral ends; empty: none.
    #[serde(default)]
    pub also: String,
}

/// The rules of one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PanelPolicy)]
pub struct Policy {
    /// From when.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// Seconds within which a second signal confirms the first.
    pub confirm_seconds: u32,
    /// Seconds within which the same message of an account is a repetition.
    pub repeat_seconds: u32,
    /// Seconds that a panel's clock may be behind, unless its account says otherwise.
    pub clock_past: u32,
    /// Seconds that it may be ahead.
    pub clock_ahead: u32,
    /// Seconds between signs of life, unless the account says otherwise; 0: not supervised.
    pub supervision: u32,
    /// Messages of an account in a minute; what is more is not answered.
    pub rate: u32,
    /// Longest maintenance, hours.
    pub maintenance_hours: u32,
    /// Days that the score of false alarms looks back.
    pub score_days: u32,
    /// Points for a signal found to be false.
    pub points_false: f64,
    /// Points for one that nothing confirmed and nobody judged.
    pub points_unconfirmed: f64,
    /// Points for each repetition of one detector.
    pub points_repeat: f64,
    /// Points from which premises stand in the list of chronic offenders.
    pub chronic: f64,
    /// Functions of organisations that answer for premises, the first one that somebody holds.
    pub functions: Vec<String>,
    /// Where each of these stands.
    pub marks: Vec<Mark>,
}

/// A pack's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PanelsPack {
    /// Rules by time.
    pub policy: Vec<Policy>,
    /// Kinds of signals.
    pub kind: Vec<KindDef>,
    /// Meanings of codes (tables, `.csv`).
    pub code: Vec<CodeDef>,
}

impl PanelsPack {
    /// Reads a pack's files: policies and kinds (`.toml`), codes (`.csv` with `scheme,code,kind,phase,name,name_en,also`). Faults
    /// begin with the file.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            if path.ends_with(".csv") {
                match csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes()).deserialize().collect::<Result<Vec<CodeDef>, _>>() {
                    Ok(rows) => pack.code.extend(rows),
                    Err(e) => faults.push(format!("{path}: {e}")),
                }
                continue;
            }
            match toml::from_str::<Self>(text) {
                Ok(part) => pack.add(part),
                Err(e) => faults.push(format!("{path}: {}", e.message())),
            }
        }
        faults.extend(pack.check());
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Takes over what another part declares.
    pub fn add(&mut self, other: Self) {
        self.policy.extend(other.policy);
        self.kind.extend(other.kind);
        self.code.extend(other.code);
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
        let mut kinds = BTreeSet::new();
        for kind in &self.kind {
            if !kinds.insert(kind.code.as_str()) {
                faults.push(format!("panels: kind `{}` stands twice", kind.code));
            }
            if kind.class != Class::Alarm && kind.confirm != Confirm::Never {
                faults.push(format!("panels: kind `{}` is no alarm, so nothing confirms it", kind.code));
            }
        }
        if !kinds.contains(PATH_LOSS) {
            faults.push(format!("panels: there must be a kind `{PATH_LOSS}`"));
        }
        for name in self.kind.iter().flat_map(|k| &k.with).filter(|name| !kinds.contains(name.as_str())) {
            faults.push(format!("panels: `with` names `{name}`, which is no kind"));
        }
        let mut codes: BTreeMap<(Scheme, &str), ()> = BTreeMap::new();
        for code in &self.code {
            if codes.insert((code.scheme, &code.code), ()).is_some() {
                faults.push(format!("panels: code `{}` stands twice", code.code));
            }
            if !kinds.contains(code.kind.as_str()) {
                faults.push(format!("panels: code `{}` names `{}`, which is no kind", code.code, code.kind));
            }
            if !code.also.is_empty() && (!kinds.contains(code.also.as_str()) || code.phase != Phase::Restore) {
                faults.push(format!("panels: code `{}`: `also` names a kind that a restoral ends", code.code));
            }
            let form = match code.scheme {
                Scheme::Sia => code.code.len() == 2 && code.code.bytes().all(|b| b.is_ascii_uppercase()),
                Scheme::Cid => code.code.len() == 3 && code.code.bytes().all(|b| b.is_ascii_hexdigit()),
                Scheme::Device => !code.code.is_empty(),
            };
            if !form {
                faults.push(format!("panels: code `{}` does not look like one of its list", code.code));
            }
        }
        if self.policy.is_empty() {
            faults.push("panels: there must be a policy".into());
        }
        for policy in &self.policy {
            let positive = [policy.confirm_seconds, policy.repeat_seconds, policy.rate, policy.maintenance_hours, policy.score_days];
            if positive.contains(&0) || policy.marks.is_empty() || policy.functions.is_empty() {
                faults.push(format!("panels: policy {}: times, rate, functions and marks must be given", policy.valid_from));
            }
            if [policy.points_false, policy.points_unconfirmed, policy.points_repeat, policy.chronic].iter().any(|p| !p.is_finite() || *p < 0.0) {
                faults.push(format!("panels: policy {}: points are numbers from 0", policy.valid_from));
            }
        }
        faults
    }
}
