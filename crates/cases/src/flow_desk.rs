//! Looking at workflows: a case type's states, moves and clocks as a screen draws them, version beside version, and what a changed
//! definition would have meant for past cases. Nothing is changed by it; definitions change with packs.

use std::collections::BTreeMap;

use dothi_kernel::flow::{Actor, ClockRun, Phase};
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::pack::{CaseType, Policy};
use crate::tables::CaseRecord;
use crate::{Cases, tables_upkeep};

/// Cases looked at, at most.
const CASES: usize = 20_000;
/// Cases shown as examples.
const SAMPLES: usize = 50;
/// Longest change that is tried, bytes.
const CHANGES: usize = 200_000;

/// A version of a case type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowVersion {
    /// Number.
    pub version: i64,
    /// Pack it came with; `local` = saved here.
    pub pack: String,
    /// When it was installed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A state as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowState {
    /// Code.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Phase.
    pub phase: Phase,
    /// Whether the deadline's clock runs.
    pub clock: ClockRun,
    /// Whether cases begin here.
    pub initial: bool,
    /// For whom it waits: `centre`, `handler`, `approver`.
    pub waits_for: Vec<String>,
    /// Days after which the platform moves on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_days: Option<u32>,
    /// Cases that stand here now, of all versions.
    pub cases: i64,
}

/// A move as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowMove {
    /// Code.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// States it starts from.
    pub from: Vec<String>,
    /// State it leads to.
    pub to: String,
    /// Who makes it.
    pub by: Actor,
    /// Fields it needs.
    pub requires: Vec<String>,
    /// Moves whose maker must not make it.
    pub second_person: Vec<String>,
    /// Working time within which it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// A deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowDeadline {
    /// Category code; empty = where the category says nothing.
    pub category: String,
    /// Urgency code.
    pub urgency: String,
    /// Working time as the pack writes it (`5d`).
    pub time: String,
    /// Working minutes.
    pub minutes: u32,
}

/// A case type's workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlowView {
    /// Case type.
    pub kind: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Version shown.
    pub version: i64,
    /// Where the deadlines come from.
    pub policy: Policy,
    /// States.
    pub states: Vec<FlowState>,
    /// Moves.
    pub moves: Vec<FlowMove>,
    /// Deadlines.
    pub deadlines: Vec<FlowDeadline>,
    /// All versions, the newest first.
    pub versions: Vec<FlowVersion>,
}

/// A change that is tried.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowTrialInput {
    /// Tables as in a pack's file (TOML), laid over the version in force; `false` in place of a state, move or deadline takes it out.
    pub changes: String,
    /// Instead of the version in force: this version.
    pub version: Option<u32>,
    /// Days that are looked back over (default 30, at most 366).
    pub days: Option<u32>,
}

/// Cases in a state (or with a category) that would no longer exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowLoss {
    /// Code.
    pub code: String,
    /// Cases, or times a step was made.
    pub count: i64,
}

/// A case whose lateness the change turns round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowSample {
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Working minutes used.
    pub used: u32,
    /// Working minutes allowed.
    pub before: u32,
    /// Working minutes the tried definition allows.
    pub after: u32,
    /// Whether it would be late; it was not, or the other way round.
    pub late: bool,
}

/// What a changed definition would have meant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlowTrial {
    /// What is wrong with the definition itself; nothing else is tried then.
    pub faults: Vec<String>,
    /// The workflow tried.
    pub view: Option<FlowView>,
    /// Cases looked at.
    pub cases: u32,
    /// Whether there were more than are looked at.
    pub cut: bool,
    /// Late as it was.
    pub late_before: u32,
    /// Late with the tried definition.
    pub late_after: u32,
    /// Open cases in states that would no longer exist.
    pub lost_states: Vec<FlowLoss>,
    /// Cases whose category would no longer exist.
    pub lost_categories: Vec<FlowLoss>,
    /// Steps that were made and would no longer exist.
    pub lost_moves: Vec<FlowLoss>,
    /// Some cases whose lateness changes.
    pub samples: Vec<FlowSample>,
}

/// Lays `over` on `under`: tables are joined, everything else is replaced, `false` takes a table's entry out.
fn lay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value == Value::Bool(false) && under.get(&key).is_some_and(|v| v.is_object() || v.is_string()) {
                    under.remove(&key);
                } else {
                    lay(under.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// The case type with changes laid over it, or why they cannot be read.
fn changed(case_type: &CaseType, changes: &str) -> std::result::Result<CaseType, String> {
    if changes.len() > CHANGES {
        return Err(format!("the change is longer than {CHANGES} bytes"));
    }
    let table: toml::Table = changes.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let over = serde_json::to_value(table).map_err(|e| e.to_string())?;
    let mut whole = serde_json::to_value(case_type).map_err(|e| e.to_string())?;
    lay(&mut whole, over);
    let tried: CaseType = serde_json::from_value(whole).map_err(|e| e.to_string())?;
    if tried.kind == case_type.kind { Ok(tried) } else { Err(format!("`kind` stays `{}`", case_type.kind)) }
}

impl Cases {
    fn version_of(&self, kind: &str, version: Option<u32>) -> Result<(u32, std::sync::Arc<CaseType>)> {
        let Some(version) = version else { return self.current_type(kind) };
        let found = self.installed().get(kind).and_then(|v| v.get(&version)).cloned();
        found.map(|t| (version, t)).ok_or_else(|| Error::not_found("case.kind.unknown", "There is no such kind of case."))
    }

    /// A case type's workflow, in force or of one version. 404 `case.kind.unknown`.
    pub async fn flow(&self, caller: &Caller, kind: &str, version: Option<u32>) -> Result<FlowView> {
        Self::may_see_flow(caller)?;
        let (version, case_type) = self.version_of(kind, version)?;
        self.flow_view(&case_type, version).await
    }

    fn may_see_flow(caller: &Caller) -> Result<()> {
        if caller.may(Permission::PackManage, Scope::ANY) { Ok(()) } else { caller.require(Permission::CaseTriage, Scope::ANY) }
    }

    async fn flow_view(&self, t: &CaseType, version: u32) -> Result<FlowView> {
        let counts = tables_upkeep::state_counts(&self.store, &t.kind).await?;
        let versions = tables_upkeep::versions(&self.store, &t.kind).await?;
        let waits = |code: &String| -> Vec<String> {
            let groups = [("centre", &t.todo.centre), ("handler", &t.todo.handler), ("approver", &t.todo.approver)];
            groups.into_iter().filter(|(_, states)| states.contains(code)).map(|(who, _)| who.to_string()).collect()
        };
        let states = t.flow.states.iter().map(|(code, s)| FlowState {
            code: code.clone(),
            name: s.name.clone(),
            name_en: s.name_en.clone(),
            phase: s.phase,
            clock: s.clock,
            initial: *code == t.flow.initial,
            waits_for: waits(code),
            timeout_days: t.timeouts.iter().find(|o| o.state == *code).map(|o| o.after_days),
            cases: counts.get(code).copied().unwrap_or(0),
        });
        let moves = t.flow.moves.iter().map(|(code, m)| FlowMove {
            code: code.clone(),
            name: m.name.clone(),
            name_en: m.name_en.clone(),
            from: m.from.iter().cloned().collect(),
            to: m.to.clone(),
            by: m.by,
            requires: m.requires.iter().cloned().collect(),
            second_person: m.not_by_maker_of.iter().cloned().collect(),
            within: t.window(code).map(String::from),
        });
        let deadline = |category: &str, urgency: &String, time: &crate::pack::WorkTime| FlowDeadline {
            category: category.to_string(),
            urgency: urgency.clone(),
            time: String::from(*time),
            minutes: time.minutes(&self.calendar),
        };
        let own = t.categories.iter().flat_map(|c| c.deadline.iter().map(|(urgency, time)| deadline(&c.code, urgency, time)).collect::<Vec<_>>());
        Ok(FlowView {
            kind: t.kind.clone(),
            title: t.title.clone(),
            title_en: t.title_en.clone(),
            version: i64::from(version),
            policy: t.policy.clone(),
            states: states.collect(),
            moves: moves.collect(),
            deadlines: t.deadline.iter().map(|(urgency, time)| deadline("", urgency, time)).chain(own).collect(),
            versions: versions.into_iter().map(|(version, pack, at)| FlowVersion { version, pack, at }).collect(),
        })
    }

    /// What a changed definition would have meant for the cases of the last days, without changing anything. Working time that a
    /// case used counts since it was last opened again; the one extension is the tried definition's.
    pub async fn try_flow(&self, caller: &Caller, kind: &str, input: FlowTrialInput) -> Result<FlowTrial> {
        Self::may_see_flow(caller)?;
        let (version, base) = self.version_of(kind, input.version)?;
        let tried = match changed(&base, &input.changes) {
            Ok(tried) => tried,
            Err(fault) => return Ok(FlowTrial { faults: vec![fault], ..FlowTrial::default() }),
        };
        let mut trial = FlowTrial { faults: tried.check(), ..FlowTrial::default() };
        if !trial.faults.is_empty() {
            return Ok(trial);
        }
        trial.view = Some(self.flow_view(&tried, version).await?);
        let days = input.days.unwrap_or(30).clamp(1, 366);
        let since = micros(caller.now.as_microsecond() - i64::from(days) * 86_400_000_000);
        let (mut states, mut categories): (BTreeMap<String, i64>, BTreeMap<String, i64>) = Default::default();
        trial.cut = self
            .past_cases(kind, since, CASES, |case| {
                trial.cases += 1;
                if !case.stopped && !tried.flow.states.contains_key(&case.state) {
                    *states.entry(case.state.clone()).or_insert(0) += 1;
                }
                if tried.category(&case.category).is_none() {
                    *categories.entry(case.category.clone()).or_insert(0) += 1;
                }
                self.weigh(&mut trial, case, &tried, caller.now);
            })
            .await?;
        let losses = |found: BTreeMap<String, i64>| -> Vec<FlowLoss> { found.into_iter().map(|(code, count)| FlowLoss { code, count }).collect() };
        (trial.lost_states, trial.lost_categories) = (losses(states), losses(categories));
        let steps = tables_upkeep::step_counts(&self.store, kind, since).await?;
        let gone = |step: &String| base.flow.moves.contains_key(step) && !tried.flow.moves.contains_key(step);
        trial.lost_moves = losses(steps.into_iter().filter(|(step, _)| gone(step)).collect());
        Ok(trial)
    }

    fn weigh(&self, trial: &mut FlowTrial, case: &CaseRecord, tried: &CaseType, now: Timestamp) {
        let used = case.clock.used_at(&self.calendar, now);
        let more = if case.extended { tried.extension.minutes(&self.calendar) } else { 0 };
        let total = tried.budget(&case.category, &case.urgency, &self.calendar).saturating_add(more);
        let (before, after) = (case.overdue(now), used > total);
        trial.late_before += u32::from(before);
        trial.late_after += u32::from(after);
        if before != after && trial.samples.len() < SAMPLES {
            trial.samples.push(FlowSample {
                code: case.code.clone(),
                category: case.category.clone(),
                used,
                before: case.clock.total,
                after: total,
                late: after,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn changes_are_joined_replaced_and_taken_out() {
        let mut whole = json!({ "a": { "x": { "n": 1 }, "y": { "n": 2 } }, "list": [1, 2], "flag": true, "time": "5d" });
        super::lay(&mut whole, json!({ "a": { "x": { "n": 7 }, "y": false, "z": { "n": 3 } }, "list": [3], "flag": false, "time": "7d" }));
        assert_eq!(whole, json!({ "a": { "x": { "n": 7 }, "z": { "n": 3 } }, "list": [3], "flag": false, "time": "7d" }));
    }
}
