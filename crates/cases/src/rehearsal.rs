//! A pack's own tests of its case types: `[[cases]]` in `tests/*.toml`. Words go in; the rule, the urgency, the deadline
//! and the state at the end of a list of moves come out. People and places play no part: those are tested with code.

use serde::Deserialize;

use crate::pack::{CaseType, CasesPack};
use crate::routing::{self, Subject};

/// A file's tables; other domains' tables are theirs.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    cases: Vec<Rehearsal>,
}

/// One test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rehearsal {
    name: String,
    #[serde(default = "report")]
    kind: String,
    category: String,
    text: String,
    /// Moves in order.
    #[serde(default)]
    steps: Vec<String>,
    expect: Expected,
}

fn report() -> String {
    "report".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Routing rule that matches first.
    rule: Option<String>,
    urgency: Option<String>,
    /// Working time as the pack writes it (`5d`).
    deadline: Option<String>,
    /// Whether the words hint at a matter of another law.
    excluded: Option<bool>,
    /// State after the moves.
    state: Option<String>,
    /// The move that must not be possible after the others.
    refused: Option<String>,
}

/// Runs the `[[cases]]` tests of a pack: how many ran, and what failed, led by file and name.
pub fn run_tests(pack: &CasesPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut failed) = (0, Vec::new());
    for (path, text) in files {
        match toml::from_str::<File>(text) {
            Ok(file) => {
                for test in file.cases {
                    ran += 1;
                    let faults = match pack.types.iter().find(|t| t.kind == test.kind) {
                        Some(case_type) => test.run(case_type),
                        None => vec![format!("there is no case type `{}`", test.kind)],
                    };
                    failed.extend(faults.into_iter().map(|f| format!("{path}: {}: {f}", test.name)));
                }
            }
            Err(e) => failed.push(format!("{path}: {}", e.message())),
        }
    }
    (ran, failed)
}

impl Rehearsal {
    fn run(&self, case_type: &CaseType) -> Vec<String> {
        let mut faults = Vec::new();
        let mut same = |what: &str, expected: Option<&str>, found: &str| {
            if let Some(expected) = expected.filter(|e| *e != found) {
                faults.push(format!("{what} is `{found}`, expected `{expected}`"));
            }
        };
        let Some(category) = case_type.category(&self.category) else { return vec![format!("there is no category `{}`", self.category)] };
        let subject = Subject { area: None, category: &self.category, text: &self.text, at: None, roads: &[] };
        let urgency = routing::urgency(case_type, &subject);
        same("the urgency", self.expect.urgency.as_deref(), urgency);
        match routing::compile(&case_type.routing) {
            Ok(rules) => same("the rule", self.expect.rule.as_deref(), rules.first(&subject, "", None)),
            Err(found) => return found,
        }
        let time = category.deadline.get(urgency).or_else(|| case_type.deadline.get(urgency)).map_or_else(String::new, |t| String::from(*t));
        same("the deadline", self.expect.deadline.as_deref(), &time);
        let excluded = routing::excluded(case_type, &subject).to_string();
        same("excluded", self.expect.excluded.map(|e| e.to_string()).as_deref(), &excluded);
        let mut state = case_type.flow.initial.clone();
        let leads = |state: &str, step: &str| case_type.flow.moves.get(step).filter(|m| m.from.contains(state)).map(|m| m.to.clone());
        for step in &self.steps {
            match leads(&state, step) {
                Some(to) => state = to,
                None => {
                    faults.push(format!("the move `{step}` is not possible in `{state}`"));
                    return faults;
                }
            }
        }
        if let Some(expected) = self.expect.state.as_ref().filter(|e| **e != state) {
            faults.push(format!("the state is `{state}`, expected `{expected}`"));
        }
        if let Some(step) = self.expect.refused.as_ref().filter(|s| leads(&state, s).is_some()) {
            faults.push(format!("the move `{step}` is possible in `{state}`, which was not expected"));
        }
        faults
    }
}
