//! Workflow as data: states, moves, who may make them, what they ask for and what they do to the clock.
//! Definitions come from packs and are checked when installed; `cases` runs them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Caller, Error, Permission, Result, Scope};

/// What a state means to the clock and to the public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Group shown to the public.
    pub phase: Phase,
    /// Whether working time runs here.
    #[serde(default)]
    pub clock: ClockRun,
}

/// Phase of a matter as a citizen understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Received, nobody has it yet.
    Open,
    /// Somebody works on it.
    Working,
    /// We wait for the citizen.
    Waiting,
    /// Answered, solved.
    Solved,
    /// Answered, not solved (explained, refused, passed on by law).
    Unsolved,
}

/// Whether the deadline's clock runs in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockRun {
    /// Working time counts.
    #[default]
    Runs,
    /// Time stands still; the deadline moves on by the pause.
    Paused,
    /// Time has ended.
    Stopped,
}

/// One way from states to a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Label of the button in Vietnamese.
    pub name: String,
    /// Label in English.
    pub name_en: String,
    /// States it starts from.
    pub from: BTreeSet<String>,
    /// State it leads to.
    pub to: String,
    /// Who may: holders of this permission over the handling unit.
    pub by: Actor,
    /// Fields that must be filled (`public_answer`, `reason`, `unit`, `photo_after`).
    #[serde(default)]
    pub requires: BTreeSet<String>,
    /// Place among the moves offered: lower comes first; the way a matter usually goes has the lowest.
    #[serde(default = "last")]
    pub order: u32,
    /// The person of one of these earlier moves must not make this one (second pair of eyes).
    #[serde(default)]
    pub not_by_maker_of: BTreeSet<String>,
}

fn last() -> u32 {
    100
}

/// Who makes a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The centre (`CaseTriage`).
    Centre,
    /// The handling unit (`CaseHandle`).
    Handler,
    /// Who approves answers (`CaseApprove`).
    Approver,
    /// A member of the crew that has the work order (`WorkDo`); whether somebody belongs to it, `cases` knows.
    Crew,
    /// Who leads incidents (`IncidentHandle`).
    Operations,
    /// Who approves in operations (`IncidentApprove`).
    OperationsLead,
    /// The person who reported.
    Reporter,
    /// The platform (timers).
    System,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// State of a new matter.
    pub initial: String,
    /// States by code.
    pub states: BTreeMap<String, State>,
    /// Moves by code.
    pub moves: BTreeMap<String, Move>,
}

impl Flow {
    /// Checks the definition: known states only, every state reachable, a stopped state reachable from everywhere,
    /// no state left that cannot be left while its clock runs. Returns every fault found.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.states.contains_key(&self.initial) {
            faults.push(format!("initial state `{}` is not declared", self.initial));
        }
        for (code, m) in &self.moves {
            for state in m.from.iter().chain([&m.to]) {
                if !self.states.contains_key(state) {
                    faults.push(format!("move `{code}` names the unknown state `{state}`"));
                }
            }
            if m.from.is_empty() {
                faults.push(format!("move `{code}` starts from no state"));
            }
            for other in &m.not_by_maker_of {
                if !self.moves.contains_key(other) {
                    faults.push(format!("move `{code}` names the unknown move `{other}`"));
                }
            }
        }
        let reach = |start: &str| {
            let mut seen = BTreeSet::from([start.to_string()]);
            let mut todo = vec![start.to_string()];
            while let Some(s) = todo.pop() {
                for m in self.moves.values().filter(|m| m.from.contains(&s)) {
                    if seen.insert(m.to.clone()) {
                        todo.push(m.to.clone());
                    }
                }
            }
            seen
        };
        let reachable = reach(&self.initial);
        for (code, state) in &self.states {
            if !reachable.contains(code) {
                faults.push(format!("state `{code}` cannot be reached"));
            }
            let ends = reach(code).iter().any(|s| self.states.get(s).is_some_and(|s| s.clock == ClockRun::Stopped));
            if state.clock != ClockRun::Stopped && !ends {
                faults.push(format!("no end can be reached from state `{code}`"));
            }
        }
        faults
    }

    /// The moves this caller may make now on a matter of `unit`, the usual one first; `is_reporter` when it is their own report.
    pub fn open_moves<'a>(&'a self, caller: &Caller, state: &str, unit: &str, is_reporter: bool) -> Vec<(&'a str, &'a Move)> {
        let open = self.moves.iter().filter(|(_, m)| m.from.contains(state) && m.by.may(caller, unit, is_reporter));
        let mut open: Vec<_> = open.map(|(code, m)| (code.as_str(), m)).collect();
        open.sort_by_key(|(code, m)| (m.order, *code));
        open
    }

    /// The move, if it exists, starts here and this caller may make it. 404 `flow.move.unknown`,
    /// 409 `flow.move.not-now`, 401/403, 400 `flow.field-missing`.
    pub fn admit<'a>(&'a self, caller: &Caller, state: &str, unit: &str, is_reporter: bool, code: &str, filled: &BTreeSet<String>) -> Result<&'a Move> {
        let m = self.moves.get(code).ok_or_else(|| Error::not_found("flow.move.unknown", "There is no such step.").with("move", code))?;
        if !m.by.may(caller, unit, is_reporter) {
            caller.require(m.by.permission().unwrap_or(Permission::SystemRead), Scope::unit(unit))?;
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        if !m.from.contains(state) {
            return Err(Error::conflict("flow.move.not-now", "This step is not possible in the present state.").with("move", code).with("state", state));
        }
        if let Some(field) = m.requires.iter().find(|f| !filled.contains(*f)) {
            return Err(Error::invalid("flow.field-missing", "A required field is missing.").with("field", field));
        }
        Ok(m)
    }
}

impl Actor {
    /// The permission that stands for the actor; none for reporter and system.
    pub fn permission(self) -> Option<Permission> {
        match self {
            Actor::Centre => Some(Permission::CaseTriage),
            Actor::Handler => Some(Permission::CaseHandle),
            Actor::Approver => Some(Permission::CaseApprove),
            Actor::Crew => Some(Permission::WorkDo),
            Actor::Operations => Some(Permission::IncidentHandle),
            Actor::OperationsLead => Some(Permission::IncidentApprove),
            Actor::Reporter | Actor::System => None,
        }
    }

    fn may(self, caller: &Caller, unit: &str, is_reporter: bool) -> bool {
        match self.permission() {
            Some(permission) => caller.may(permission, Scope::unit(unit)),
            None => (self == Actor::Reporter && is_reporter) || caller.kind == crate::CallerKind::System,
        }
    }
}
