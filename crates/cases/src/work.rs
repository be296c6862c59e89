//! Work orders as they go in and out: a crew of a unit is to do something at a place, on a day, with a checklist.

use std::collections::BTreeMap;

use bytes::Bytes;
use dothi_kernel::flow::Phase;
use dothi_kernel::geo::Point;
use dothi_kernel::{PersonRef, Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::model::MoveRef;
use crate::work_pack::{CheckItem, Material};

/// A named group of people of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WorkCrew)]
pub struct Crew {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Unit it belongs to.
    pub unit: UnitRef,
    /// Name.
    pub name: String,
    /// Who leads it; one of the members.
    pub leader: PersonRef,
    /// Who belongs to it.
    pub members: Vec<PersonRef>,
    /// Whether it gets new orders.
    pub active: bool,
    /// Orders that wait for it.
    pub open_orders: i64,
}

/// Makes or changes a crew.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkCrewInput)]
pub struct CrewInput {
    /// Unit it belongs to.
    pub unit: String,
    /// Name.
    pub name: String,
    /// Who leads it.
    #[schema(value_type = String)]
    pub leader: Uuid,
    /// Who belongs to it; the leader always does.
    #[schema(value_type = Vec<String>)]
    pub members: Vec<Uuid>,
    /// Whether it gets new orders.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// A kind of work that can be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkKindView {
    /// Code.
    pub code: String,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Icon's name.
    pub icon: String,
    /// Categories of cases it is offered for; empty = all.
    pub categories: Vec<String>,
    /// What the crew checks.
    pub checklist: Vec<CheckItem>,
    /// Material it usually takes.
    pub materials: Vec<Material>,
}

/// Gives a work order.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewOrder {
    /// Case it is about; unit and place are the case's then.
    #[schema(value_type = Option<String>)]
    pub case: Option<Uuid>,
    /// Alarm it is given for; kept as a reference, with the unit and place named here.
    #[schema(value_type = Option<String>)]
    pub alarm: Option<Uuid>,
    /// Unit, for an order without a case.
    pub unit: Option<String>,
    /// Kind of work.
    pub kind: String,
    /// Crew that is to do it.
    #[schema(value_type = String)]
    pub crew: Uuid,
    /// What is to be done.
    pub text: String,
    /// Where, for an order without a case.
    pub address: Option<String>,
    /// Longitude, for an order without a case.
    pub lon: Option<f64>,
    /// Latitude, for an order without a case.
    pub lat: Option<f64>,
    /// Planned day (`2026-12-05`).
    pub planned_for: Option<String>,
}

/// A step of a crew or of the unit. What the crew filled in is kept with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrderMove {
    /// When it was done by the clock of the phone, when it could not be sent at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Longitude of the phone.
    pub lon: Option<f64>,
    /// Latitude of the phone.
    pub lat: Option<f64>,
    /// Note.
    pub note: Option<String>,
    /// Reason.
    pub reason: Option<String>,
    /// Answers of the checklist by code: `yes`, `no`, a number, words.
    pub answers: BTreeMap<String, String>,
    /// Material used, by code.
    pub used: BTreeMap<String, f64>,
    /// What each photo shows, in order: `before`, `after`, or a line of the checklist.
    pub items: Vec<String>,
}

/// A step's multipart form, for documentation.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct OrderMoveForm {
    /// The step as JSON.
    r#move: OrderMove,
    /// Photos.
    #[schema(value_type = Vec<String>, format = Binary)]
    photo: Vec<Bytes>,
}

/// The case an order is about, as the crew may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCase {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Category's name.
    pub category_name: String,
    /// Category's English name.
    pub category_name_en: String,
    /// When its answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// The reporter's photos (SHA-256).
    pub photos: Vec<String>,
}

/// A line of the checklist with its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckLine {
    /// The line.
    #[serde(flatten)]
    pub item: CheckItem,
    /// Its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Material with what was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MaterialLine {
    /// The material.
    #[serde(flatten)]
    pub material: Material,
    /// How much was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
}

/// A photo of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderPhoto {
    /// SHA-256: its address under `/api/cases/work/photos/`.
    pub sha: String,
    /// What it shows: `before`, `after`, or a line of the checklist.
    pub item: String,
}

/// One entry of an order's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderLog {
    /// When it was done.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it reached the server.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Who: a login.
    pub by: String,
    /// Move's code; `give` for the first.
    pub step: String,
    /// Move's name in Vietnamese.
    pub step_name: String,
    /// Move's name in English.
    pub step_name_en: String,
    /// State after it, in Vietnamese.
    pub state_name: String,
    /// State after it, in English.
    pub state_name_en: String,
    /// Note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where the phone was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
}

/// A step of the crew, so that a phone without network knows what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CrewStep {
    /// Move's code.
    pub code: String,
    /// Label in Vietnamese.
    pub name: String,
    /// Label in English.
    pub name_en: String,
    /// States it starts from.
    pub from: Vec<String>,
    /// State it leads to.
    pub to: String,
    /// That state's name in Vietnamese.
    pub to_name: String,
    /// That state's name in English.
    pub to_name_en: String,
    /// Fields it needs.
    pub requires: Vec<String>,
}

/// A work order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkOrder {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Kind of work.
    pub kind: String,
    /// Its name in Vietnamese.
    pub kind_name: String,
    /// Its name in English.
    pub kind_name_en: String,
    /// Its icon.
    pub icon: String,
    /// State code.
    pub state: String,
    /// State's name.
    pub state_name: String,
    /// State's English name.
    pub state_name_en: String,
    /// Phase.
    pub phase: Phase,
    /// Whom it waits for: `crew`, `unit`, or empty once it has ended.
    pub waits_for: String,
    /// Unit.
    pub unit: UnitRef,
    /// Crew's id.
    #[schema(value_type = String)]
    pub crew: Uuid,
    /// Crew's name.
    pub crew_name: String,
    /// The case it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<OrderCase>,
    /// The alarm it was given for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub alarm: Option<Uuid>,
    /// What is to be done.
    pub text: String,
    /// Address or description of the spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Commune's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_name: Option<String>,
    /// The spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
    /// Planned day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_for: Option<String>,
    /// When it is to be done.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Whether that is over (or was, when it ended).
    pub overdue: bool,
    /// When it was given.
    #[schema(value_type = String, format = DateTime)]
    pub given_at: Timestamp,
    /// Who gave it: a login.
    pub given_by: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The checklist.
    pub checklist: Vec<CheckLine>,
    /// Material.
    pub materials: Vec<MaterialLine>,
    /// Photos.
    pub photos: Vec<OrderPhoto>,
    /// What happened.
    pub log: Vec<OrderLog>,
    /// What the caller may do.
    pub moves: Vec<MoveRef>,
    /// The crew's steps, the usual one first; for members of the crew only.
    pub way: Vec<CrewStep>,
    /// Version.
    pub version: i64,
}

/// Which orders to list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct OrdersQuery {
    /// `mine` (wait for a crew of the caller, the default), `unit` (open ones of the caller's units) or `all`.
    pub view: Option<String>,
    /// Crew's id.
    pub crew: Option<String>,
    /// Case's id.
    pub case: Option<String>,
    /// Alarm's id.
    pub alarm: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}
