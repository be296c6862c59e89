//! Procedures, resources, rosters, the shift and public warnings: what is kept, and what goes in and out.

use dothi_kernel::geo::Point;
use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::model::By;
pub use crate::model_warn::{AfterAction, ChainPart, NewWarning, PublicWarning, Review, Settling, WarningNotice, WarningWords};
use crate::pack::{ProcedureDef, StepDef, Target};

/// A version of a procedure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProcedureVersion {
    /// Its code.
    pub code: String,
    /// Number, rising.
    pub version: u32,
    /// `draft`, `approved`, `retired`.
    pub state: String,
    /// The procedure.
    pub def: ProcedureDef,
    /// Why there is this version.
    pub reason: String,
    /// Incident whose review proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_incident: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: By,
    /// When it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub approved_at: Option<Timestamp>,
    /// By whom: somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<By>,
}

/// A new draft of a procedure.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProcedure {
    /// The procedure.
    pub def: ProcedureDef,
    /// Why.
    pub reason: String,
}

/// A step of a running procedure.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// What it asks for; frozen.
    pub def: StepDef,
    /// `waiting`, `active`, `done`, `skipped`, `passed-by` (on a branch not taken).
    pub state: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begun_at: Option<Timestamp>,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// Whether the due time passed while it was active.
    #[serde(default)]
    pub late: bool,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Answer to its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Points ticked, by number from 0.
    #[serde(default)]
    pub ticked: Vec<u32>,
}

/// A procedure that runs for an incident, at the version it began with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Incident.
    #[schema(value_type = String)]
    pub incident: Uuid,
    /// Procedure.
    pub procedure: String,
    /// Its version.
    pub procedure_version: u32,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Started by a match, not by hand.
    pub automatic: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// By whom.
    pub by: By,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Its steps.
    pub steps: Vec<RunStep>,
    /// Changes so far.
    pub version: i64,
}

/// Which procedure to start.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StartProcedure)]
pub struct StartInput {
    /// Its code.
    pub procedure: String,
}

/// Ending the active step.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = EndStep)]
pub struct StepInput {
    /// The version of the run it is made on.
    pub version: i64,
    /// Step's code, so that nobody ends another than they see.
    pub step: String,
    /// Skip it: needs a reason.
    pub skip: bool,
    /// Why it is skipped.
    pub reason: Option<String>,
    /// Words.
    pub note: Option<String>,
    /// Answer to its question.
    pub answer: Option<String>,
    /// Points ticked.
    pub ticked: Vec<u32>,
}

/// A vehicle, team or unit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Call sign.
    pub code: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Whose.
    pub unit: UnitRef,
    /// Position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// When it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub point_at: Option<Timestamp>,
    /// `free`, `busy`, `off`.
    pub state: String,
    /// Dispatch that keeps it busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub dispatch: Option<Uuid>,
    /// Code of the incident it is busy with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_code: Option<String>,
    /// Whether that is a drill.
    #[serde(default)]
    pub drill: bool,
    /// People who stamp for it.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub crew: Vec<Uuid>,
    /// Changes so far.
    pub version: i64,
}

/// A resource to make or change.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceInput {
    /// Call sign.
    pub code: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Whose.
    pub unit: String,
    /// Longitude.
    pub lon: Option<f64>,
    /// Latitude.
    pub lat: Option<f64>,
    /// People who stamp for it.
    #[schema(value_type = Vec<String>)]
    pub crew: Vec<Uuid>,
    /// Out of service.
    pub off: bool,
}

/// A resource with how far it is from an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NearResource {
    /// The resource.
    #[serde(flatten)]
    pub resource: Resource,
    /// Metres; none without both positions.
    pub metres: Option<f64>,
    /// Seconds; a rough guess where the way is one.
    pub seconds: Option<u32>,
    /// How the way was reckoned: `straight-line-times-factor`, or `road` where there is a road graph.
    pub by: String,
}

/// A resource sent to an incident, with the stamps of its crew.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Dispatch {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Incident.
    #[schema(value_type = String)]
    pub incident: Uuid,
    /// Its code.
    pub incident_code: String,
    /// Its title.
    pub incident_title: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// Address and commune.
    pub place: String,
    /// A drill.
    pub drill: bool,
    /// Type of the incident.
    pub kind: String,
    /// Resource.
    #[schema(value_type = String)]
    pub resource: Uuid,
    /// Its call sign.
    pub resource_code: String,
    /// Its name.
    pub resource_name: String,
    /// Whose.
    pub unit: UnitRef,
    /// State: `sent`, then the last stamp.
    pub state: String,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub sent_at: Timestamp,
    /// By whom.
    pub sent_by: By,
    /// Words for the crew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Metres when it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metres: Option<f64>,
    /// Seconds that the way was said to take when it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<u32>,
    /// How that was reckoned: `road`, or `straight-line-times-factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_by: Option<String>,
    /// The crew's stamps.
    pub stamps: Vec<Stamp>,
    /// Whether it is over.
    pub ended: bool,
    /// Changes so far.
    pub version: i64,
}

/// A tap of the crew.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DispatchStamp)]
pub struct Stamp {
    /// `accepted`, `turned-out`, `arrived`, `under-control`, `free`.
    pub stamp: String,
    /// When they tapped.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it reached us.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Who.
    pub by: By,
    /// Typed at the centre instead of tapped by the crew.
    #[serde(default)]
    pub typed: bool,
    /// Where the telephone was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
}

/// Sending a resource.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = SendResource)]
pub struct SendInput {
    /// Resource.
    #[schema(value_type = String)]
    pub resource: Uuid,
    /// Words for the crew.
    pub note: Option<String>,
}

/// A tap.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = StampInput)]
pub struct StampInput {
    /// When they tapped; now when left out. Neither before the sending nor in the future.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Longitude.
    pub lon: Option<f64>,
    /// Latitude.
    pub lat: Option<f64>,
}

/// Which part of the time chain.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct ChainQuery {
    /// First day (`2026-11-01`); thirty days back when left out.
    pub from: Option<String>,
    /// Last day.
    pub to: Option<String>,
    /// Drills instead of life.
    pub drill: Option<bool>,
    /// `kind` (the usual) or `area`.
    pub by: Option<String>,
}

/// Percentiles of one interval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainCell {
    /// `answering`, `dispatching`, `turnout`, `travel`, `control`.
    pub interval: String,
    /// How many were measured.
    pub count: usize,
    /// Median, seconds.
    pub p50: i64,
    /// 90th percentile, seconds.
    pub p90: i64,
    /// Percentile at the target's rank, seconds, when there is a target.
    pub reached: Option<i64>,
    /// Target that fits, with its source.
    pub target: Option<Target>,
}

/// How well the time of travel was told when resources were sent, against what their crews stamped.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ChainTold)]
pub struct ToldWell {
    /// How it was reckoned: `road`, or `straight-line-times-factor`.
    pub by: String,
    /// Travels that were measured.
    pub count: usize,
    /// Median of measured minus told, seconds: above 0, they took longer.
    pub bias_s: i64,
    /// Median of how far off it was, seconds.
    pub error_s: i64,
}

/// The time chain of a type or commune.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainRow {
    /// Code; empty for all.
    pub key: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Incidents.
    pub incidents: usize,
    /// Intervals.
    pub cells: Vec<ChainCell>,
    /// How well the time of travel was told, by how it was reckoned.
    pub told: Vec<ToldWell>,
}

/// Percentiles of the time chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Chain {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// Drills.
    pub drill: bool,
    /// Whether there were more incidents than are reckoned (20,000).
    pub cut: bool,
    /// All, then each.
    pub rows: Vec<ChainRow>,
}

/// Somebody's duty.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Duty {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Roster.
    pub roster: String,
    /// Position.
    pub position: String,
    /// Shift of the roster.
    pub shift: String,
    /// Day it begins on.
    pub day: String,
    /// Person.
    #[schema(value_type = String)]
    pub person: Uuid,
    /// Name.
    pub person_name: String,
    /// Begins.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// Ends.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Who had it before, when it was swapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Changes so far.
    pub version: i64,
}

/// A duty to plan.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDuty {
    /// Roster.
    pub roster: String,
    /// Position.
    pub position: String,
    /// Shift.
    pub shift: String,
    /// Day (`2026-11-21`).
    pub day: String,
    /// Person.
    #[schema(value_type = String)]
    pub person: Uuid,
}

/// A swap.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SwapDuty)]
pub struct SwapInput {
    /// The version it is made on.
    pub version: i64,
    /// Who takes it.
    #[schema(value_type = String)]
    pub person: Uuid,
    /// Why.
    pub reason: String,
}

/// Which duties.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct DutyQuery {
    /// First day; today when left out.
    pub from: Option<String>,
    /// Days (default 7, at most 31).
    pub days: Option<u32>,
}

/// What is open when a shift is handed over.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct OpenMatters {
    /// Incidents that have not ended: code, title, state. At most 200; drills are left out.
    pub incidents: Vec<OpenIncident>,
    /// Active steps of running procedures.
    pub steps: Vec<OpenStep>,
    /// Tasks not done.
    pub tasks: i64,
    /// Alarms.
    pub alarms: crate::model::AlarmCounts,
    /// Public warnings in force.
    pub warnings: i64,
}

/// An incident that is open.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenIncident {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Title.
    pub title: String,
    /// State.
    pub state: String,
}

/// A step that is active.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenStep {
    /// Code of the incident.
    pub incident: String,
    /// What is to be done.
    pub text: String,
    /// When it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
}

/// A shift of the room.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpsShift {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// Who leads it.
    pub lead: By,
    /// The shift before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub before: Option<Uuid>,
    /// When the one who goes signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub handed_at: Option<Timestamp>,
    /// Words for the next.
    #[serde(default)]
    pub notes: String,
    /// What was open then; frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenMatters>,
    /// SHA-256 over notes and open matters: what both signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// When the one who comes signed; the shift is over then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub taken_at: Option<Timestamp>,
    /// Who took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<By>,
    /// Changes so far.
    pub version: i64,
}

/// The room now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ShiftNow {
    /// The shift that runs; none before the first.
    pub shift: Option<OpsShift>,
    /// What is open now.
    pub open: OpenMatters,
    /// Who is on duty.
    pub on_duty: Vec<Duty>,
    /// The operator log of this shift, newest first, at most 200 lines.
    pub log: Vec<ShiftLine>,
    /// Orders in force, with whether the caller confirmed reading them.
    pub orders: Vec<OrderView>,
}

/// A line of the operator log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShiftLine {
    /// Position.
    pub n: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Words.
    pub text: String,
}

/// Words.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpsWords)]
pub struct Words {
    /// At most 4,000 characters.
    pub text: String,
}

/// Handing over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HandOver)]
pub struct HandInput {
    /// The version it is made on.
    pub version: i64,
    /// Words for the next.
    pub notes: String,
}

/// Taking over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TakeOver)]
pub struct TakeInput {
    /// The version it is made on.
    pub version: i64,
    /// The seal that was read.
    pub seal: String,
}

/// An order whose reading is confirmed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpsOrder {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: By,
    /// Words.
    pub text: String,
}

/// An order with who read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderView {
    /// The order.
    #[serde(flatten)]
    pub order: OpsOrder,
    /// Whether the caller confirmed it.
    pub read: bool,
    /// Who confirmed it.
    pub readers: Vec<String>,
}
