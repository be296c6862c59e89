//! What a pack may declare: procedures, states, how sources are read, the rules of deadlines, scores and anomalies.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use regex::Regex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How sure we are of a rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// What it is about (`cutoff`).
    pub of: String,
    /// Act or document.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
    /// What to know about it.
    #[serde(default)]
    pub note: String,
}

/// How far a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DossierStatus)]
pub enum Status {
    /// Read in the act itself.
    Confirmed,
    /// Read in a secondary source only.
    Secondary,
    /// Found out by others from the figures of the national portal.
    ReverseEngineered,
    /// Known from practice, no source found.
    Unconfirmed,
    /// Our proposal.
    Proposed,
    /// Invented for showing the platform.
    Invented,
}

/// The rules of one time: how deadlines are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DossierPolicy)]
pub struct Policy {
    /// From when; dossiers received from that day on follow it.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// What a dossier's code looks like (regular expression).
    pub code: String,
    /// What a procedure's code looks like (regular expression).
    pub procedure_code: String,
    /// What is received after it counts as received on the next working day.
    #[schema(value_type = String)]
    pub cutoff: Time,
    /// Whether the day of receipt is counted itself.
    pub counts_first_day: bool,
    /// Working days before the deadline from which a dossier is due soon.
    pub soon_days: u32,
    /// Requests for supplements that are in order; more count as overdue.
    pub supplements: u32,
    /// Times that a new date may be given.
    pub slips: u32,
    /// Whether a new date moves the deadline that lateness is told by.
    pub slip_moves_deadline: bool,
    /// Where each of these stands.
    pub marks: Vec<Mark>,
}

/// What a state means for the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DossierPhase)]
pub enum Phase {
    /// Handed in, not yet received: no clock.
    Registered,
    /// Not received: no clock, and it does not count.
    Refused,
    /// The clock runs.
    Working,
    /// Waits for a supplement: the clock stands still, and the request counts.
    Supplement,
    /// Waits for a payment: the clock stands still.
    Payment,
    /// Ended without a result.
    Stopped,
    /// The result is there.
    Done,
    /// The result was handed over.
    Returned,
}

impl Phase {
    /// Ended, in whatever way.
    pub fn ended(self) -> bool {
        matches!(self, Phase::Stopped | Phase::Done | Phase::Returned | Phase::Refused)
    }
    /// The clock stands still.
    pub fn waits(self) -> bool {
        matches!(self, Phase::Supplement | Phase::Payment)
    }
    /// Received, so that it counts.
    pub fn received(self) -> bool {
        !matches!(self, Phase::Registered | Phase::Refused)
    }
}

/// A state of the national set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StateDef {
    /// Number in the national set.
    pub number: u32,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What it means for the clock.
    pub phase: Phase,
}

/// A numbered name: a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbered {
    /// Number.
    pub number: u32,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Whether the dossier came in online.
    #[serde(default)]
    pub online: bool,
}

/// How far a procedure can be done online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnlineLevel {
    /// Not at all.
    None,
    /// In part.
    Partial,
    /// All the way.
    Full,
}

/// Which level of government handles a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DossierLevel)]
pub enum Level {
    /// The province and its departments.
    Province,
    /// The commune.
    Commune,
}

/// A procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// National code (`1.012766`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Field (`Hộ tịch`).
    pub field: String,
    /// Level that handles it.
    pub level: Level,
    /// Agency: an organisation, or empty for every commune.
    #[serde(default)]
    pub agency: String,
    /// Working days allowed; 0 = by the end of the day of receipt.
    pub days: u32,
    /// How far it can be done online.
    pub online: OnlineLevel,
    /// Fee in đồng; 0 = none.
    pub fee: i64,
    /// Steps on the way, in order, with `;` between them.
    #[serde(default)]
    pub steps: String,
    /// Where it stands.
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
}

/// How a source's table is read: its columns and words, and ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Our field → the source's column.
    pub columns: BTreeMap<String, String>,
    /// The source's word for a state → number of the national set.
    #[serde(default)]
    pub states: BTreeMap<String, u32>,
    /// The source's word for a channel → number.
    #[serde(default)]
    pub channels: BTreeMap<String, u32>,
    /// The source's code of an agency → organisation here. Codes that stand here need no line.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// How instants are written (`%d/%m/%Y %H:%M`), tried in turn; RFC 3339 always works.
    #[serde(default)]
    pub instants: Vec<String>,
    /// Words for yes.
    #[serde(default)]
    pub yes: Vec<String>,
    /// Field delimiter; a comma when left out.
    #[serde(default)]
    pub delimiter: Option<char>,
}

/// Fields a source's columns may be read into.
pub const FIELDS: [&str; 22] = [
    "code",
    "procedure",
    "unit",
    "commune",
    "channel",
    "state",
    "state_at",
    "registered_at",
    "received_at",
    "appointed_at",
    "finished_at",
    "returned_at",
    "supplements",
    "fee",
    "paid_at",
    "paid_online",
    "electronic_result",
    "digitised",
    "reused",
    "applicant",
    "phone",
    "updated_at",
];

/// What a part of a score is when there was nothing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Empty {
    /// No points.
    Zero,
    /// All points.
    Full,
}

/// A part of a score: `min(points, points × (numerator ∕ denominator) ∕ full_at)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Code within the set.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Most points.
    pub points: f64,
    /// Ratio that gives all points.
    #[serde(default = "one")]
    pub full_at: f64,
    /// Figure above the line: one that is counted here, or one that is reported.
    pub numerator: String,
    /// Figure below the line.
    pub denominator: String,
    /// What it is when the figure below the line is 0.
    pub empty: Empty,
}

fn one() -> f64 {
    1.0
}

/// A group of parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DossierGroup)]
pub struct Group {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Most points.
    pub points: f64,
    /// Parts.
    pub parts: Vec<Part>,
}

/// A class that a sum of points falls into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// From how many points.
    pub from: f64,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// A figure that agencies report because nobody can count it here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// A set of indicators by which agencies are scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreSet {
    /// Code.
    pub code: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// From when.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// Until when.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_to: Option<Date>,
    /// Where its parts stand and how far they are known.
    pub marks: Vec<Mark>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Classes, from the highest.
    pub classes: Vec<Class>,
    /// Figures that are reported.
    #[serde(default)]
    pub reported: Vec<Reported>,
}

/// What is looked for among dossiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// At least `count` of an agency ended within `minutes`, each within `hours` of its deadline.
    BulkAtDeadline,
    /// Received and ended within `minutes`, though the procedure allows days.
    AtOnce,
    /// A supplement asked for within `hours` before the deadline.
    SupplementAtDeadline,
    /// The source promised a later date than the deadline, by more than `hours`.
    PromisedLate,
    /// Overdue for more than `hours` without an apology slip.
    NoSlip,
}

/// An anomaly that is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnomalyRule {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What is looked for.
    pub pattern: Pattern,
    /// Least number.
    #[serde(default = "single")]
    pub count: u32,
    /// Minutes.
    #[serde(default)]
    pub minutes: u32,
    /// Hours.
    #[serde(default)]
    pub hours: u32,
    /// How far its figures are known.
    pub status: Status,
}

fn single() -> u32 {
    1
}

/// A procedure has at most so many steps' text.
const STEPS: usize = 2_000;

/// Figures that are counted here; whatever else a score names must be reported.
pub const COUNTED: [&str; 22] = [
    "received",
    "on-time",
    "late",
    "ended",
    "online",
    "paid",
    "paid-online",
    "fee-due",
    "electronic-results",
    "digitised",
    "reused",
    "rated",
    "satisfied",
    "procedures",
    "procedures-online",
    "procedures-full",
    "procedures-with-online",
    "procedures-fee",
    "procedures-paid",
    "procedures-fee-used",
    "slips",
    "supplements-over",
];

/// What a pack declares for this domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DossiersPack {
    /// Rules of deadlines, by time.
    pub policy: Vec<Policy>,
    /// States.
    pub state: Vec<StateDef>,
    /// Channels.
    pub channel: Vec<Numbered>,
    /// Sources.
    pub source: Vec<Source>,
    /// Procedures.
    pub procedure: Vec<Procedure>,
    /// Score sets.
    pub score: Vec<ScoreSet>,
    /// Anomalies.
    pub anomaly: Vec<AnomalyRule>,
}

impl DossiersPack {
    /// Reads the part from files (path, text); a fault for each that cannot be read.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let (mut pack, mut faults) = (Self::default(), Vec::new());
        for (path, text) in files {
            if path.ends_with(".csv") {
                match csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<Vec<Procedure>, _>>() {
                    Ok(rows) => pack.procedure.extend(rows),
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
        self.state.extend(other.state);
        self.channel.extend(other.channel);
        self.source.extend(other.source);
        self.procedure.extend(other.procedure);
        self.score.extend(other.score);
        self.anomaly.extend(other.anomaly);
        self.policy.sort_by_key(|p| p.valid_from);
    }

    /// Whether it declares nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Its faults, in words.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut procedure_form = None;
        for policy in &self.policy {
            for (name, pattern) in [("code", &policy.code), ("procedure_code", &policy.procedure_code)] {
                match Regex::new(pattern) {
                    Ok(regex) if name == "procedure_code" => procedure_form = Some(regex),
                    Ok(_) => {}
                    Err(e) => faults.push(format!("dossiers: policy {}: `{name}`: {e}", policy.valid_from)),
                }
            }
            if policy.marks.is_empty() {
                faults.push(format!("dossiers: policy {}: `marks` say where it stands", policy.valid_from));
            }
        }
        let mut codes = BTreeSet::new();
        for p in &self.procedure {
            if !codes.insert(&p.code) {
                faults.push(format!("dossiers: procedure {}: stands there twice", p.code));
            }
            if procedure_form.as_ref().is_some_and(|form| !form.is_match(&p.code)) {
                faults.push(format!("dossiers: procedure {}: the code has not the form of the policy", p.code));
            }
            if p.days > 1_000 || p.fee < 0 || p.name.trim().is_empty() || p.steps.len() > STEPS {
                faults.push(format!("dossiers: procedure {}: days, fee, name or steps are not usable", p.code));
            }
        }
        let numbers: BTreeSet<u32> = self.state.iter().map(|s| s.number).collect();
        if numbers.len() != self.state.len() {
            faults.push("dossiers: a state's number stands there twice".into());
        }
        for source in &self.source {
            let unknown = source.columns.keys().filter(|f| !FIELDS.contains(&f.as_str()));
            faults.extend(unknown.map(|f| format!("dossiers: source {}: there is no field `{f}`", source.code)));
            let wrong = source.states.values().filter(|n| !self.state.is_empty() && !numbers.contains(n));
            faults.extend(wrong.map(|n| format!("dossiers: source {}: there is no state {n}", source.code)));
            for field in ["code", "procedure", "unit", "state"] {
                if !source.columns.contains_key(field) {
                    faults.push(format!("dossiers: source {}: no column for `{field}`", source.code));
                }
            }
        }
        faults.extend(self.score.iter().flat_map(ScoreSet::check));
        for rule in &self.anomaly {
            let needs = match rule.pattern {
                Pattern::BulkAtDeadline => rule.count > 1 && rule.minutes > 0 && rule.hours > 0,
                Pattern::AtOnce => rule.minutes > 0,
                Pattern::SupplementAtDeadline => rule.hours > 0,
                Pattern::PromisedLate | Pattern::NoSlip => true,
            };
            if !needs {
                faults.push(format!("dossiers: anomaly {}: a figure of its pattern is missing", rule.code));
            }
        }
        faults
    }
}

impl ScoreSet {
    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let known = |figure: &str| COUNTED.contains(&figure) || self.reported.iter().any(|r| r.code == figure);
        for group in &self.groups {
            let sum: f64 = group.parts.iter().map(|p| p.points).sum();
            if (sum - group.points).abs() > 1e-9 {
                faults.push(format!("dossiers: score {}: the parts of {} have {sum} points, not {}", self.code, group.code, group.points));
            }
            for part in &group.parts {
                let strange = [&part.numerator, &part.denominator].into_iter().filter(|f| !known(f));
                faults.extend(strange.map(|f| format!("dossiers: score {}: {}: nobody counts or reports `{f}`", self.code, part.code)));
                if !(part.full_at > 0.0 && part.points > 0.0) {
                    faults.push(format!("dossiers: score {}: {}: points and full_at must be above 0", self.code, part.code));
                }
            }
        }
        if self.marks.is_empty() {
            faults.push(format!("dossiers: score {}: `marks` say where it stands", self.code));
        }
        faults
    }

    /// All points.
    pub fn points(&self) -> f64 {
        self.groups.iter().map(|g| g.points).sum()
    }
}
