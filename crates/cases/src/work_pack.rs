//! Kinds of field work a pack declares: what a crew checks, proves and uses, and the way an order goes.
//!
//! Two kinds of files lie beside the case types: `work_flow = "…"` declares a way that several kinds share (also kinds of
//! other packs), `work = "…"` a kind of work.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::flow::{Actor, ClockRun, Flow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pack::{WorkTime, is_code};

/// What a pack says about field work.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkPack {
    /// Ways of orders.
    pub flows: Vec<WorkFlow>,
    /// Kinds of work.
    pub kinds: Vec<WorkKind>,
}

/// The way of an order, shared by kinds of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkFlow {
    /// Code (`field-work`).
    #[serde(rename = "work_flow")]
    pub code: String,
    /// Letters before an order's code.
    pub code_prefix: String,
    /// States and moves.
    pub flow: Flow,
}

/// A kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkKind {
    /// Code (`street-light-repair`).
    #[serde(rename = "work")]
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon's name.
    pub icon: String,
    /// Its way: the code of a [`WorkFlow`].
    pub flow: String,
    /// Working time in which it is to be done, when nothing nearer is asked for.
    pub within: WorkTime,
    /// Categories of cases it is offered for; empty = all.
    #[serde(default)]
    pub categories: BTreeSet<String>,
    /// What the crew checks, in order.
    #[serde(default)]
    pub checklist: Vec<CheckItem>,
    /// Material it usually takes.
    #[serde(default)]
    pub materials: Vec<Material>,
}

/// One line of a checklist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckItem {
    /// Code of the answer.
    pub code: String,
    /// Vietnamese.
    pub text: String,
    /// English.
    pub text_en: String,
    /// What an answer looks like.
    #[serde(default)]
    pub answer: CheckAnswer,
    /// Unit of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Least number that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest number that can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Whether the work is not done without it.
    #[serde(default)]
    pub required: bool,
    /// Whether a photo must prove it.
    #[serde(default)]
    pub photo: bool,
}

/// What the answer to a line of a checklist looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckAnswer {
    /// `yes` once it is done.
    #[default]
    Done,
    /// `yes` or `no`.
    YesNo,
    /// A number.
    Number,
    /// Words.
    Text,
}

/// Material of a kind of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Code.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Unit it is counted in (`cái`, `m`, `kg`).
    pub unit: String,
    /// How much it usually takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
}

/// A kind of work as it is installed: with its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstalledKind {
    /// What the pack declares.
    pub kind: WorkKind,
    /// Its way, as it was when the kind was installed.
    pub way: WorkFlow,
}

/// Fields that a move of an order can require.
pub const REQUIRABLE: [&str; 5] = ["reason", "note", "photo_after", "checklist", "material"];
/// What a photo can show beside a line of the checklist.
pub(crate) const PHOTO_ITEMS: [&str; 2] = ["before", "after"];

impl WorkFlow {
    /// Every fault of the definition.
    pub fn check(&self) -> Vec<String> {
        let mut faults = self.flow.check();
        if !is_code(&self.code) {
            faults.push(format!("`{}` is not a code", self.code));
        }
        if !(1..=6).contains(&self.code_prefix.len()) || !self.code_prefix.bytes().all(|b| b.is_ascii_uppercase()) {
            faults.push("code_prefix must be 1 to 6 capital letters".into());
        }
        for (code, m) in &self.flow.moves {
            if let Some(field) = m.requires.iter().find(|f| !REQUIRABLE.contains(&f.as_str())) {
                faults.push(format!("move `{code}` requires the unknown field `{field}`; there are {}", REQUIRABLE.join(", ")));
            }
            if !matches!(m.by, Actor::Crew | Actor::Handler | Actor::Approver | Actor::Centre) {
                faults.push(format!("move `{code}`: orders are moved by crew, handler, approver or centre"));
            }
        }
        if !self.flow.moves.values().any(|m| m.by == Actor::Crew) {
            faults.push("no move is the crew's".into());
        }
        faults
    }

    /// Whom an order in this state waits for: `crew`, `unit`, or nobody (it has ended).
    pub(crate) fn waits_for(&self, state: &str) -> &'static str {
        let stopped = self.flow.states.get(state).is_none_or(|s| s.clock == ClockRun::Stopped);
        let crew = self.flow.moves.values().any(|m| m.by == Actor::Crew && m.from.contains(state));
        match (stopped, crew) {
            (true, _) => "",
            (_, true) => "crew",
            _ => "unit",
        }
    }
}

impl WorkKind {
    /// Every fault of the definition.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_code(&self.code) {
            faults.push(format!("`{}` is not a code", self.code));
        }
        if self.checklist.len() > 60 || self.materials.len() > 60 {
            faults.push("at most 60 lines of a checklist and 60 materials".into());
        }
        let mut seen = BTreeSet::new();
        for item in &self.checklist {
            if !is_code(&item.code) || PHOTO_ITEMS.contains(&item.code.as_str()) {
                faults.push(format!("checklist: `{}` is not a code, or one that photos use", item.code));
            }
            if !seen.insert(&item.code) {
                faults.push(format!("checklist: `{}` is declared twice", item.code));
            }
            let number = item.answer == CheckAnswer::Number;
            if !number && (item.unit.is_some() || item.min.is_some() || item.max.is_some()) {
                faults.push(format!("checklist: `{}` is no number, so it has no unit and no bounds", item.code));
            }
            if item.min.zip(item.max).is_some_and(|(min, max)| min > max) {
                faults.push(format!("checklist: `{}` allows no number at all", item.code));
            }
        }
        let mut seen = BTreeSet::new();
        for material in &self.materials {
            if !is_code(&material.code) || !seen.insert(&material.code) {
                faults.push(format!("materials: `{}` is not a code, or declared twice", material.code));
            }
            if material.unit.trim().is_empty() || material.expected.is_some_and(|n| !n.is_finite() || n <= 0.0) {
                faults.push(format!("materials: `{}` needs a unit, and an expected amount above 0 if any", material.code));
            }
        }
        faults
    }
}

impl WorkPack {
    /// Takes a file's table when it declares work: true when it was one. Faults are added with the file's path.
    pub(crate) fn take(&mut self, path: &str, table: &toml::Table, faults: &mut Vec<String>) -> bool {
        let told = |e: toml::de::Error| format!("{path}: {}", e.message());
        if table.contains_key("work_flow") {
            match WorkFlow::deserialize(toml::Value::Table(table.clone())) {
                Ok(flow) => self.flows.push(flow),
                Err(e) => faults.push(told(e)),
            }
        } else if table.contains_key("work") {
            match WorkKind::deserialize(toml::Value::Table(table.clone())) {
                Ok(kind) => self.kinds.push(kind),
                Err(e) => faults.push(told(e)),
            }
        } else {
            return false;
        }
        true
    }

    /// Every fault of the content.
    pub fn check(&self) -> Vec<String> {
        let flows = self.flows.iter().flat_map(|f| f.check().into_iter().map(move |fault| format!("work flow `{}`: {fault}", f.code)));
        let kinds = self.kinds.iter().flat_map(|k| k.check().into_iter().map(move |fault| format!("work `{}`: {fault}", k.code)));
        let mut faults: Vec<String> = flows.chain(kinds).collect();
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for code in self.flows.iter().map(|f| f.code.as_str()).chain(self.kinds.iter().map(|k| k.code.as_str())) {
            *codes.entry(code).or_default() += 1;
        }
        faults.extend(codes.iter().filter(|(_, n)| **n > 1).map(|(code, _)| format!("work `{code}` is declared twice")));
        faults
    }
}
