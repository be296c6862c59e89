//! What a pack may declare: types of incidents, their flow, what opens them, standard procedures, positions and rosters, ladders of
//! escalation, kinds of resources, targets of the time chain, public warnings.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::event::Severity;
use dothi_kernel::flow::{ClockRun, Flow};
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = IncidentStatus)]
pub enum Status {
    /// Read in the act itself.
    Confirmed,
    /// Read in a secondary source only: verify.
    Secondary,
    /// Our proposal.
    Proposed,
    /// Invented for showing the platform.
    Invented,
}

/// A code with its names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentNamed)]
pub struct Named {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// A type of incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentKind)]
pub struct KindDef {
    /// Code (`fire`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon's name.
    #[serde(default)]
    pub icon: String,
    /// Severity when nobody says another.
    pub severity: Severity,
    /// Function of the organisation that leads (looked up upward from the commune); the centre when nobody has it.
    pub function: String,
    /// Kinds of resources usually sent.
    #[serde(default)]
    pub sends: Vec<String>,
    /// Event word of a public warning (CAP `event`).
    #[serde(default)]
    pub event: String,
    /// CAP category (`Fire`, `Met`, `Safety` …).
    #[serde(default)]
    pub category: String,
}

/// What a severity means here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentSeverity)]
pub struct SeverityDef {
    /// Which.
    pub severity: Severity,
    /// What it means.
    pub meaning: String,
    /// The same in English.
    pub meaning_en: String,
}

/// Which alarms open an incident by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentOpening)]
pub struct Opening {
    /// Code.
    pub code: String,
    /// Rules of alarms: a code, or a beginning ended by `*`.
    pub rules: Vec<String>,
    /// Least severity.
    pub from: Severity,
    /// Type of the incident.
    pub kind: String,
    /// Alarms this near and this soon join an open incident of the type: metres.
    #[serde(default)]
    pub near_m: f64,
    /// Minutes after opening.
    #[serde(default)]
    pub within_min: u32,
}

/// One answer to a step's question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StepAnswer)]
pub struct Answer {
    /// Code (`yes`).
    pub code: String,
    /// Label.
    pub name: String,
    /// Label in English.
    pub name_en: String,
    /// Step to go on with, further down; `end` ends the procedure; the next step when left out.
    #[serde(default)]
    pub goto: Option<String>,
}

/// A link of the reference library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcedureLink)]
pub struct Link {
    /// Title.
    pub title: String,
    /// Address: a path here, `https://…` or `tel:`.
    pub href: String,
}

/// A step of a procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcedureStep)]
pub struct StepDef {
    /// Code, unique in the procedure.
    pub code: String,
    /// What is to be done.
    pub text: String,
    /// The same in English.
    pub text_en: String,
    /// Role that does it; whoever approves in operations may stand in. Anybody who handles incidents when left out.
    #[serde(default)]
    pub role: Option<String>,
    /// Points to look at.
    #[serde(default)]
    pub checklist: Vec<String>,
    /// Documents and contacts.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Minutes until it is due.
    #[serde(default)]
    pub minutes: Option<u32>,
    /// Question that decides how it goes on.
    #[serde(default)]
    pub question: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub question_en: Option<String>,
    /// Answers to it.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// Function of the organisation that gets a task when the step begins.
    #[serde(default)]
    pub task_for: Option<String>,
}

/// When a procedure starts by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ProcedureStart)]
pub struct Start {
    /// Types of incidents; none = only by hand.
    pub kinds: Vec<String>,
    /// Least severity.
    pub from: Option<Severity>,
}

/// A standard procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcedureDef {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// When it starts by itself.
    #[serde(default)]
    pub start: Start,
    /// Where it comes from.
    #[serde(default)]
    pub source_act: String,
    /// How far that is known.
    pub status: Status,
    /// Its steps in order.
    pub steps: Vec<StepDef>,
}

/// Most steps of a procedure.
const STEPS: usize = 60;

impl ProcedureDef {
    /// Its faults, in words.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |why: String| faults.push(format!("procedure {}: {why}", self.code));
        if !is_code(&self.code) || self.name.trim().is_empty() || self.name.len() > 300 || self.steps.is_empty() || self.steps.len() > STEPS {
            fault(format!("needs a code (a–z, 0–9, -), a name and 1 to {STEPS} steps"));
        }
        for (i, step) in self.steps.iter().enumerate() {
            let twice = self.steps.iter().filter(|s| s.code == step.code).count() > 1;
            let long = step.text.len() > 4_000 || step.checklist.len() > 30 || step.links.len() > 20 || step.checklist.iter().any(|c| c.len() > 500);
            if !is_code(&step.code) || step.code == "end" || twice || step.text.trim().is_empty() || long || step.minutes.is_some_and(|m| m == 0 || m > 10_080)
            {
                fault(format!("step `{}`: code, text, checklist or minutes are not usable", step.code));
            }
            if step.question.is_some() == step.answers.is_empty() || step.answers.len() > 8 {
                fault(format!("step `{}`: a question needs answers, and answers a question", step.code));
            }
            for goto in step.answers.iter().filter_map(|a| a.goto.as_deref()).filter(|g| *g != "end") {
                // Only forward: that is why every run ends.
                if !self.steps.iter().skip(i + 1).any(|s| s.code == goto) {
                    fault(format!("step `{}`: there is no step `{goto}` after it", step.code));
                }
            }
            let safe = |href: &str| ["/", "https://", "tel:"].iter().any(|p| href.starts_with(p)) && href.len() <= 500 && !href.starts_with("//");
            if step.links.iter().any(|l| !safe(&l.href) || l.title.trim().is_empty()) {
                fault(format!("step `{}`: links begin with /, https:// or tel:", step.code));
            }
        }
        faults
    }
}

/// A shift of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftDef {
    /// Code (`day`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Begins.
    #[schema(value_type = String)]
    pub start: Time,
    /// Ends; on the next day when it is not after the beginning.
    #[schema(value_type = String)]
    pub end: Time,
}

/// Which positions are staffed in which shifts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RosterDef {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Positions.
    pub positions: Vec<String>,
    /// Shifts of a day.
    pub shifts: Vec<ShiftDef>,
}

/// A level of a ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelDef {
    /// Position that is called.
    pub position: String,
    /// Minutes it has to take note before the next level is called.
    pub minutes: u32,
}

/// Who is called when nobody takes note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// Code.
    pub code: String,
    /// Types of incidents; none = all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Least severity.
    pub from: Severity,
    /// Levels, the first one first.
    pub levels: Vec<LevelDef>,
}

/// A kind of resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceKind {
    /// Code (`engine`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon's name.
    #[serde(default)]
    pub icon: String,
    /// Speed for a rough guess of the way, km/h.
    pub speed_kmh: f64,
}

/// A target of the time chain, as a percentile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChainTarget)]
pub struct Target {
    /// Interval: `answering`, `dispatching`, `turnout`, `travel`, `control`.
    pub interval: String,
    /// Types of incidents; none = all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Percentile (90).
    pub percentile: u32,
    /// Seconds.
    pub seconds: u32,
    /// Act or document.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
}

/// Intervals of the time chain.
pub const INTERVALS: &[&str] = &["answering", "dispatching", "turnout", "travel", "control"];
/// What a unit stamps, in order; `free` may come after any of them.
pub const STAMPS: &[&str] = &["accepted", "turned-out", "arrived", "under-control", "free"];

/// Bounds and words that belong to no list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OperationsPolicy)]
pub struct Policy {
    /// Beginning of an incident's code (`SC`).
    pub code_prefix: String,
    /// Beginning of a drill's code (`DT`).
    pub drill_prefix: String,
    /// Organisation that leads when nobody has the function.
    pub centre: String,
    /// Move that ends an incident which was merged into another.
    pub merge_move: String,
    /// Moves that the first stamp of this name makes (`arrived` → `arrive`); `dispatched` for the first sending.
    #[serde(default)]
    pub advance: BTreeMap<String, String>,
    /// The way by road is taken to be so much longer than the straight line. Not a route.
    pub road_factor: f64,
    /// How far that is known.
    pub road_status: Status,
    /// CAP `sender`.
    pub cap_sender: String,
    /// CAP `senderName`.
    pub cap_sender_name: String,
    /// Hours for which a public warning holds when nobody says otherwise.
    pub warning_hours: u32,
}

/// What a pack declares for this domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentsPack {
    /// Bounds and words.
    pub policy: Option<Policy>,
    /// How an incident moves.
    pub flow: Option<Flow>,
    /// Types.
    pub kind: Vec<KindDef>,
    /// Severities.
    pub severity: Vec<SeverityDef>,
    /// What opens incidents.
    pub opening: Vec<Opening>,
    /// Standard procedures.
    pub procedure: Vec<ProcedureDef>,
    /// Positions.
    pub position: Vec<Named>,
    /// Rosters.
    pub roster: Vec<RosterDef>,
    /// Ladders; the first that fits counts.
    pub ladder: Vec<Ladder>,
    /// Kinds of resources.
    pub resource_kind: Vec<ResourceKind>,
    /// Targets.
    pub target: Vec<Target>,
}

pub(crate) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl IncidentsPack {
    /// Reads the part from files (path, text); a fault for each that cannot be read.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            match toml::from_str::<Self>(text) {
                Ok(part) => pack.add(part),
                Err(e) => faults.push(format!("{path}: {}", e.message())),
            }
        }
        if faults.is_empty() {
            faults.extend(pack.check().into_iter().map(|f| format!("incidents: {f}")));
        }
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Takes over what another part declares.
    pub fn add(&mut self, other: Self) {
        self.policy = other.policy.or(self.policy.take());
        self.flow = other.flow.or(self.flow.take());
        self.kind.extend(other.kind);
        self.severity.extend(other.severity);
        self.opening.extend(other.opening);
        self.procedure.extend(other.procedure);
        self.position.extend(other.position);
        self.roster.extend(other.roster);
        self.ladder.extend(other.ladder);
        self.resource_kind.extend(other.resource_kind);
        self.target.extend(other.target);
    }

    /// Whether it declares nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Its faults, in words. A part that only adds types or procedures is fine: what it names may stand in another pack.
    pub fn check(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.procedure.iter().flat_map(ProcedureDef::check).collect();
        let codes = |list: Vec<&str>, what: &str, faults: &mut Vec<String>| {
            let mut seen = BTreeSet::new();
            for code in list {
                if !is_code(code) || !seen.insert(code.to_string()) {
                    faults.push(format!("{what} `{code}`: not a code, or there twice"));
                }
            }
        };
        codes(self.kind.iter().map(|k| k.code.as_str()).collect(), "type", &mut faults);
        codes(self.procedure.iter().map(|k| k.code.as_str()).collect(), "procedure", &mut faults);
        codes(self.position.iter().map(|k| k.code.as_str()).collect(), "position", &mut faults);
        codes(self.roster.iter().map(|k| k.code.as_str()).collect(), "roster", &mut faults);
        codes(self.ladder.iter().map(|k| k.code.as_str()).collect(), "ladder", &mut faults);
        codes(self.resource_kind.iter().map(|k| k.code.as_str()).collect(), "resource kind", &mut faults);
        codes(self.opening.iter().map(|k| k.code.as_str()).collect(), "opening", &mut faults);
        let position = |code: &str| self.position.is_empty() || self.position.iter().any(|p| p.code == code);
        for roster in &self.roster {
            faults.extend(roster.positions.iter().filter(|p| !position(p)).map(|p| format!("roster {}: no position `{p}`", roster.code)));
            if roster.shifts.is_empty() || roster.positions.is_empty() {
                faults.push(format!("roster {}: needs positions and shifts", roster.code));
            }
        }
        for ladder in &self.ladder {
            faults.extend(ladder.levels.iter().filter(|l| !position(&l.position)).map(|l| format!("ladder {}: no position `{}`", ladder.code, l.position)));
            if ladder.levels.is_empty() || ladder.levels.len() > 10 || ladder.levels.iter().any(|l| l.minutes == 0) {
                faults.push(format!("ladder {}: 1 to 10 levels, each of a minute or more", ladder.code));
            }
        }
        for kind in self.resource_kind.iter().filter(|k| !(k.speed_kmh > 0.0 && k.speed_kmh < 300.0)) {
            faults.push(format!("resource kind {}: speed_kmh is not usable", kind.code));
        }
        for target in &self.target {
            if !INTERVALS.contains(&target.interval.as_str()) || !(1..=99).contains(&target.percentile) || target.source_act.is_empty() {
                faults.push(format!("target {}: interval, percentile or source is not usable", target.interval));
            }
        }
        for opening in self.opening.iter().filter(|o| o.rules.is_empty() || !self.kind.iter().any(|k| k.code == o.kind)) {
            faults.push(format!("opening {}: needs rules and a type of this pack", opening.code));
        }
        if let Some(flow) = &self.flow {
            faults.extend(flow.check().into_iter().map(|f| format!("flow: {f}")));
            if let Some(policy) = &self.policy {
                let named = policy.advance.values().chain([&policy.merge_move]);
                faults.extend(named.filter(|m| !flow.moves.contains_key(*m)).map(|m| format!("policy: no move `{m}`")));
                faults.extend(policy.advance.keys().filter(|s| *s != "dispatched" && !STAMPS.contains(&s.as_str())).map(|s| format!("policy: no stamp `{s}`")));
                let ends = flow.moves.get(&policy.merge_move).and_then(|m| flow.states.get(&m.to)).is_some_and(|s| s.clock == ClockRun::Stopped);
                if !ends {
                    faults.push("policy: merge_move must end the incident".into());
                }
            }
        }
        if let Some(p) = &self.policy
            && (!(1.0..=5.0).contains(&p.road_factor) || p.warning_hours == 0 || p.cap_sender.is_empty() || p.cap_sender.contains([' ', ',', '<', '&']))
        {
            faults.push("policy: road_factor (1 to 5), warning_hours or cap_sender is not usable".into());
        }
        faults
    }

    /// What an alarm of a rule opens, if anything.
    pub fn opening_for(&self, rule: &str, severity: Severity) -> Option<&Opening> {
        let fits = |pattern: &String| pattern.strip_suffix('*').map_or(pattern == rule, |head| rule.starts_with(head));
        self.opening.iter().find(|o| severity >= o.from && o.rules.iter().any(fits))
    }

    /// The ladder of a type and severity.
    pub fn ladder_for(&self, kind: &str, severity: Severity) -> Option<&Ladder> {
        self.ladder.iter().find(|l| severity >= l.from && (l.kinds.is_empty() || l.kinds.iter().any(|k| k == kind)))
    }
}

/// A test of a pack: what an alarm opens, and which way a procedure goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackTest {
    name: String,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    severity: Option<Severity>,
    /// Type it opens; empty for nothing.
    #[serde(default)]
    opens: Option<String>,
    #[serde(default)]
    ladder: Option<String>,
    #[serde(default)]
    procedure: Option<String>,
    /// Answers by step.
    #[serde(default)]
    answers: BTreeMap<String, String>,
    /// Steps passed, in order.
    #[serde(default)]
    way: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PackTests {
    incidents: Vec<PackTest>,
}

/// Runs a pack's own tests; how many ran and what failed.
pub fn run_tests(pack: &IncidentsPack, files: &[(String, String)]) -> (usize, Vec<String>) {
    let (mut ran, mut failed) = (0, Vec::new());
    for (path, text) in files {
        let tests = match toml::from_str::<PackTests>(text) {
            Ok(tests) => tests.incidents,
            Err(e) => {
                failed.push(format!("{path}: {}", e.message()));
                continue;
            }
        };
        for test in tests {
            ran += 1;
            failed.extend(test.run(pack).into_iter().map(|why| format!("{path}: {}: {why}", test.name)));
        }
    }
    (ran, failed)
}

impl PackTest {
    fn run(&self, pack: &IncidentsPack) -> Option<String> {
        if let (Some(rule), Some(wanted)) = (&self.rule, &self.opens) {
            let severity = self.severity.unwrap_or(Severity::Critical);
            let found = pack.opening_for(rule, severity).map_or("", |o| o.kind.as_str());
            if found != wanted {
                return Some(format!("opens `{found}`, not `{wanted}`"));
            }
            if let Some(ladder) = &self.ladder {
                let found = pack.ladder_for(found, severity).map_or("", |l| l.code.as_str());
                if found != ladder {
                    return Some(format!("ladder `{found}`, not `{ladder}`"));
                }
            }
        }
        if let Some(code) = &self.procedure {
            let Some(procedure) = pack.procedure.iter().find(|p| p.code == *code) else { return Some(format!("there is no procedure `{code}`")) };
            let (mut at, mut way) = (Some(0), Vec::new());
            while let Some(step) = at.and_then(|i| procedure.steps.get(i)) {
                way.push(step.code.clone());
                let answer = self.answers.get(&step.code).map(String::as_str);
                at = crate::runs::following(&procedure.steps, way_index(&procedure.steps, &step.code), answer);
            }
            if way != self.way {
                return Some(format!("goes {}", way.join(" → ")));
            }
        }
        None
    }
}

fn way_index(steps: &[StepDef], code: &str) -> usize {
    steps.iter().position(|s| s.code == code).unwrap_or(0)
}
