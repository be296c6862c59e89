//! Incidents: what is kept of them, and what goes in and out.

use dothi_kernel::event::Severity;
use dothi_kernel::flow::Phase;
use dothi_kernel::geo::Point;
use dothi_kernel::{PersonRef, Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Who did something in an office: id (none for the platform itself) and login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsActor)]
pub struct By {
    /// Person.
    #[schema(value_type = Option<String>)]
    pub id: Option<Uuid>,
    /// Login, or the part of the platform.
    pub name: String,
}

impl By {
    pub(crate) fn of(caller: &dothi_kernel::Caller) -> Self {
        Self { id: caller.id, name: caller.name.to_string() }
    }
}

/// Where it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = IncidentPlace)]
pub struct Place {
    /// Longitude and latitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// Commune code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Commune name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_name: Option<String>,
    /// Street, landmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// An incident as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code people say (`SC-2026-00012`; drills have another beginning).
    pub code: String,
    /// A drill: kept apart from life everywhere.
    pub drill: bool,
    /// Type.
    pub kind: String,
    /// Severity.
    pub severity: Severity,
    /// State of the pack's flow.
    pub state: String,
    /// Phase of the state.
    pub phase: Phase,
    /// Whether it has ended.
    pub ended: bool,
    /// What it is, in a line.
    pub title: String,
    /// What is known, in words.
    pub text: String,
    /// Place.
    pub place: Place,
    /// Organisation that leads.
    pub unit: UnitRef,
    /// Where it came from: `alarm`, `case`, `call`, `hand`, `split`.
    pub source: String,
    /// Opening rule of the pack, when it opened by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
    /// Commander.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commander: Option<PersonRef>,
    /// Incident above it: it was merged into that one or split from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<Uuid>,
    /// Whether it was merged into its parent.
    #[serde(default)]
    pub merged: bool,
    /// When the signal came: the alarm's or report's instant.
    #[schema(value_type = String, format = DateTime)]
    pub signal_at: Timestamp,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// By whom.
    pub opened_by: By,
    /// When somebody took note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read_at: Option<Timestamp>,
    /// Who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<By>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Ladder of escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<String>,
    /// Level that is called now, from 1; 0 without a ladder.
    pub level: u32,
    /// When the next level is called if nobody takes note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_level_at: Option<Timestamp>,
    /// When the first resource was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub dispatched_at: Option<Timestamp>,
    /// When the first one arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub arrived_at: Option<Timestamp>,
    /// When it was told to be under control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub controlled_at: Option<Timestamp>,
    /// Changes so far; a change names the one it saw.
    pub version: i64,
}

/// A line of an incident's log. Lines are only added; each carries the hash of the one before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = IncidentLogLine)]
pub struct LogLine {
    /// Position, from 1.
    pub n: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: By,
    /// What kind of thing: `opened`, `moved`, `note`, `message`, `link`, `unlink`, `task`, `step`, `dispatch`, `escalated`, `merged`, `split`, `changed`, `read`, `warning`.
    pub kind: String,
    /// Words.
    pub text: String,
    /// Facts.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// SHA-256 over this line and the hash before it, hex.
    pub hash: String,
}

/// An alarm, a panel's signal or a case that belongs to an incident.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = IncidentLink)]
pub struct Link {
    /// `alarm`, `signal` (of a panel) or `case`.
    pub kind: String,
    /// Its id.
    #[serde(rename = "ref")]
    #[schema(rename = "ref")]
    pub reference: String,
    /// What it says.
    pub title: String,
    /// Page about it.
    pub href: String,
    /// Since when it is attached.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: By,
}

/// A task for an agency or a person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = IncidentTask)]
pub struct Task {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Incident.
    #[schema(value_type = String)]
    pub incident: Uuid,
    /// Its code.
    pub code: String,
    /// Its title.
    pub title: String,
    /// A drill.
    pub drill: bool,
    /// What is to be done.
    pub text: String,
    /// Agency.
    pub unit: UnitRef,
    /// Person, when one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Step of a running procedure it comes from: `run:code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// `open`, `done`, `cancelled`.
    pub state: String,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: By,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// Who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_by: Option<By>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes so far.
    pub version: i64,
}

/// A move that may be made now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = IncidentMove)]
pub struct MoveView {
    /// Code.
    pub code: String,
    /// Label.
    pub name: String,
    /// Label in English.
    pub name_en: String,
    /// Fields that must be filled.
    pub requires: Vec<String>,
}

/// An incident in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentRow {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Name of its type.
    pub kind_name: String,
    /// The same in English.
    pub kind_name_en: String,
    /// Icon of its type.
    pub icon: String,
    /// Name of its state.
    pub state_name: String,
    /// The same in English.
    pub state_name_en: String,
}

/// An incident with what belongs to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentView {
    /// The incident.
    #[serde(flatten)]
    pub row: IncidentRow,
    /// Moves open to the caller.
    pub moves: Vec<MoveView>,
    /// Whether the caller may work on it.
    pub may_handle: bool,
    /// Alarms and cases attached.
    pub links: Vec<Link>,
    /// Incidents below it.
    pub children: Vec<IncidentRow>,
    /// The one above it.
    pub above: Option<Box<IncidentRow>>,
    /// Tasks, at most 200.
    pub tasks: Vec<Task>,
    /// Procedures that run or ran.
    pub runs: Vec<crate::model_ops::Run>,
    /// Resources sent.
    pub dispatches: Vec<crate::model_ops::Dispatch>,
    /// Who is on duty at the level that is called now.
    pub called: Vec<crate::model_ops::Duty>,
    /// Kinds of resources usually sent.
    pub sends: Vec<String>,
}

/// A new incident.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewIncident {
    /// Type.
    pub kind: String,
    /// Severity; the type's when left out.
    pub severity: Option<Severity>,
    /// What it is, in a line (at most 200 characters); the alarm's or case's words when left out.
    pub title: Option<String>,
    /// What is known (at most 4,000 characters).
    pub text: Option<String>,
    /// Longitude.
    pub lon: Option<f64>,
    /// Latitude.
    pub lat: Option<f64>,
    /// Commune code, when there is no point.
    pub area: Option<String>,
    /// Street, landmark.
    pub address: Option<String>,
    /// A drill.
    pub drill: bool,
    /// Alarm it comes from.
    #[schema(value_type = Option<String>)]
    pub alarm: Option<Uuid>,
    /// Case it comes from.
    #[schema(value_type = Option<String>)]
    pub case: Option<Uuid>,
    /// Came by telephone.
    pub call: bool,
    /// When the signal came, for a call; now when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub signal_at: Option<Timestamp>,
}

/// Which incidents.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct IncidentQuery {
    /// `open` (the usual), `ended`, `all`.
    pub view: Option<String>,
    /// Drills instead of life.
    pub drill: Option<bool>,
    /// Type.
    pub kind: Option<String>,
    /// Commune.
    pub area: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A move.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = IncidentMoveInput)]
pub struct MoveInput {
    /// The version it is made on.
    pub version: i64,
    /// Words.
    pub note: Option<String>,
    /// Why, where the move asks for it.
    pub reason: Option<String>,
}

/// What may be changed of an incident beside its state; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentChange {
    /// The version it is made on.
    pub version: i64,
    /// Type.
    pub kind: Option<String>,
    /// Severity.
    pub severity: Option<Severity>,
    /// Title.
    pub title: Option<String>,
    /// What is known.
    pub text: Option<String>,
    /// Longitude, with the latitude.
    pub lon: Option<f64>,
    /// Latitude.
    pub lat: Option<f64>,
    /// Street, landmark.
    pub address: Option<String>,
    /// Commander: a person who handles incidents of the unit.
    #[schema(value_type = Option<String>)]
    pub commander: Option<Uuid>,
}

/// A note or message for the log.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    /// Words, at most 4,000 characters.
    pub text: String,
    /// A message to those who take part instead of a note.
    #[serde(default)]
    pub message: bool,
}

/// An alarm or case to attach; exactly one.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = IncidentLinkInput)]
pub struct LinkInput {
    /// Alarm.
    #[schema(value_type = Option<String>)]
    pub alarm: Option<Uuid>,
    /// Case.
    #[schema(value_type = Option<String>)]
    pub case: Option<Uuid>,
}

/// Merging into another incident.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentMerge)]
pub struct MergeInput {
    /// The version of the one that ends.
    pub version: i64,
    /// The one that goes on.
    #[schema(value_type = String)]
    pub into: Uuid,
    /// Why.
    pub reason: String,
}

/// Splitting a part off as an incident of its own.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentSplit)]
pub struct SplitInput {
    /// The version of the one that is split.
    pub version: i64,
    /// Title of the new one.
    pub title: String,
    /// Type of the new one; the same when left out.
    #[serde(default)]
    pub kind: Option<String>,
    /// Links that go over: `alarm:ID` or `case:ID`.
    #[serde(default)]
    pub links: Vec<String>,
    /// Why.
    pub reason: String,
}

/// A new task.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NewIncidentTask)]
pub struct NewTask {
    /// What is to be done, at most 1,000 characters.
    pub text: String,
    /// Agency.
    pub unit: String,
    /// Person.
    pub person: Option<String>,
    /// Minutes until it is due.
    pub minutes: Option<u32>,
}

/// Ending a task.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = EndIncidentTask)]
pub struct EndTask {
    /// What came of it.
    pub note: Option<String>,
    /// Cancelled instead of done; then a note is needed.
    pub cancel: bool,
}

/// What the platform knows of an alarm, as the server tells it.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmFacts {
    /// Which list it stands in: `alarm`, or `signal` of a fire or burglary panel.
    pub kind: &'static str,
    /// Page about it.
    pub href: String,
    /// Id.
    pub id: Uuid,
    /// Rule.
    pub rule: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub severity: Severity,
    /// Name of the thing.
    pub entity_name: String,
    /// Where.
    pub point: Option<Point>,
    /// Commune code.
    pub area: Option<String>,
    /// When it rose.
    pub raised_at: Timestamp,
}

/// What the platform knows of a case, without anything personal.
#[derive(Debug, Clone, Serialize)]
pub struct CaseFacts {
    /// Id.
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Title: its category.
    pub title: String,
    /// Where.
    pub point: Option<Point>,
    /// Commune code.
    pub area: Option<String>,
    /// When it came in.
    pub opened_at: Timestamp,
}

/// Alarms that are not closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpsAlarmCounts)]
pub struct AlarmCounts {
    /// Not closed.
    pub open: i64,
    /// Of these, nobody took note.
    pub unread: i64,
    /// Put aside for a time.
    pub shelved: i64,
}
