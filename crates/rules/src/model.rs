//! What goes in and out.

use dothi_kernel::Timestamp;
use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use dothi_kernel::history::Point as SeriesPoint;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::pack::{RuleKind, Status};

/// Where an alarm stands (ISA-18.2: unacknowledged, acknowledged, returned to normal, normal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmState {
    /// The condition holds, nobody took note.
    Active,
    /// The condition holds, somebody took note.
    Acknowledged,
    /// The condition went away, nobody took note.
    Cleared,
    /// The condition went away and somebody took note, but the rule wants a reset by hand.
    Latched,
    /// Over.
    Closed,
}

impl AlarmState {
    /// Its word in the store.
    pub fn code(self) -> &'static str {
        match self {
            AlarmState::Active => "active",
            AlarmState::Acknowledged => "acknowledged",
            AlarmState::Cleared => "cleared",
            AlarmState::Latched => "latched",
            AlarmState::Closed => "closed",
        }
    }
}

/// How an alarm can be kept from operators (ISA-18.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suppression {
    /// An operator set it aside for a while.
    Shelved,
    /// By design: a condition of the rule, or planned work.
    Suppressed,
    /// The thing or the rule is out of service.
    OutOfService,
}

impl Suppression {
    /// Its word in the store.
    pub fn code(self) -> &'static str {
        match self {
            Suppression::Shelved => "shelved",
            Suppression::Suppressed => "suppressed",
            Suppression::OutOfService => "out-of-service",
        }
    }
}

/// An alarm.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Rule's code.
    pub rule: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Severity.
    pub severity: Severity,
    /// State.
    pub state: AlarmState,
    /// Entity URN.
    pub entity: String,
    /// Its name, or the URN.
    pub entity_name: String,
    /// Commune code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Commune name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_name: Option<String>,
    /// Sector.
    pub sector: String,
    /// Value that raised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Limit it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// When somebody took note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// When the condition went away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cleared_at: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Times it rose.
    pub count: i64,
    /// Where, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Point>,
    /// Who raised it: `rule`, `cause` (the parent of a group), or an outside source (`panel`).
    pub source: String,
    /// Class; empty for none.
    pub class: String,
    /// Lives are at stake: never shelved, muted or folded.
    pub life_safety: bool,
    /// Stays until somebody resets it.
    pub latch: bool,
    /// Words of an outside source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Kept from the operators' list, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppression>,
    /// Until when; none = until somebody ends it, or the rule's condition does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub suppressed_until: Option<Timestamp>,
    /// The alarm that stands for the cause of this one, which is muted then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cause: Option<Uuid>,
    /// Alarms this one stands for, at every level.
    pub children: i64,
    /// Those of them whose condition holds.
    pub standing: i64,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub first_out: Option<Uuid>,
    /// When it last rose too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub chattering_at: Option<Timestamp>,
    /// Its condition has held for too long.
    pub stale: bool,
    /// Organisation whose matter it is.
    #[serde(skip)]
    pub unit: String,
}

/// An alarm of another source than a rule: a panel, a camera, a person. Its key is its identity: raising it twice is raising
/// it once, and so is a word that comes late.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Source, a plain name (`panel`).
    pub source: String,
    /// What the source calls the condition, unique within it; at most 200 characters.
    pub key: String,
    /// The thing it is about (URN).
    pub entity: String,
    /// What the thing is called when the city model does not know it, at most 500 characters.
    pub name: Option<String>,
    /// Class; empty for none.
    pub class: String,
    /// Severity; none = medium.
    pub severity: Option<Severity>,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// More words, at most 500 characters.
    pub text: Option<String>,
    /// Sector (pack name).
    pub sector: String,
    /// When the source saw it; none = now.
    pub at: Option<Timestamp>,
    /// Commune code; none = where the thing is.
    pub area: Option<String>,
    /// Place; none = the thing's.
    pub location: Option<Point>,
    /// Stays until somebody resets it.
    pub latch: bool,
}

/// For how long an operator sets an alarm aside, and why.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shelve {
    /// Minutes; the pack says how many at most.
    pub minutes: u32,
    /// Why, 3 to 500 characters.
    pub reason: String,
}

/// What is kept from operators, and why.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAside {
    /// `suppressed` (planned work) or `out-of-service`.
    pub kind: Suppression,
    /// Rule's code; none = all of the sector.
    #[serde(default)]
    pub rule: Option<String>,
    /// Thing; none = all.
    #[serde(default)]
    pub entity: Option<String>,
    /// Commune; none = all.
    #[serde(default)]
    pub area: Option<String>,
    /// Sector whose alarms it is about.
    pub sector: String,
    /// From; none = now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begins_at: Option<Timestamp>,
    /// To; planned work must end, what is out of service need not.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// Why, 3 to 500 characters.
    pub reason: String,
}

/// Something set aside.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Aside {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// How.
    pub kind: Suppression,
    /// Rule's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Name of the thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_name: Option<String>,
    /// Commune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Sector.
    pub sector: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub begins_at: Timestamp,
    /// To.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Who ended it; none = time did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Organisation whose matter it is.
    #[serde(skip)]
    pub unit: String,
    #[serde(skip)]
    pub(crate) begun: bool,
}

/// Which of what is set aside.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsideQuery {
    /// `shelved`, `suppressed`, `out-of-service`; all when left out.
    pub kind: Option<Suppression>,
    /// `true` for those that are over.
    pub ended: Option<bool>,
    /// Rows wanted.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// Why an alarm rose.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Why {
    /// The condition as the pack states it.
    pub condition: String,
    /// Limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Act it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_act: Option<String>,
    /// How sure we are of it.
    pub status: Status,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The same in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice_en: Option<String>,
    /// Who answers for the rule.
    pub owner: String,
    /// The attribute's last two days.
    pub observed: Vec<SeriesPoint>,
}

/// One line of an alarm's log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogLine {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `raised`, `muted` (raised into a group), `withheld` (raised while set aside), `acknowledged`, `cleared`, `reset`, `closed`,
    /// `grouped`, `shelved`, `suppressed`, `out-of-service`, `returned`.
    pub what: String,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An alarm with its reasons.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmDetail {
    /// The alarm.
    #[serde(flatten)]
    pub alarm: Alarm,
    /// Why it rose.
    pub why: Why,
    /// What happened to it.
    pub history: Vec<LogLine>,
}

/// Which alarms.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlarmQuery {
    /// `active`, `acknowledged`, `cleared`, `latched`, `closed`, or `open` for all that are not closed.
    pub state: Option<String>,
    /// Those that this alarm stands for; without it, muted alarms are left out.
    #[param(value_type = Option<String>)]
    pub cause: Option<Uuid>,
    /// Muted alarms among the others, too.
    pub muted: Option<bool>,
    /// Those kept from operators in this way; without it they are left out.
    pub suppressed: Option<Suppression>,
    /// Only those whose condition has held for too long.
    pub stale: Option<bool>,
    /// Rule's code.
    pub rule: Option<String>,
    /// Thing.
    pub entity: Option<String>,
    /// Organisation whose matter they are.
    pub unit: Option<String>,
    /// Raised (and shown) from, RFC 3339.
    pub from: Option<String>,
    /// Raised (and shown) before, RFC 3339.
    pub to: Option<String>,
    /// Severity.
    pub severity: Option<Severity>,
    /// Commune code.
    pub area: Option<String>,
    /// Sector.
    pub sector: Option<String>,
    /// Rows wanted.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// An operator's words.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acknowledgement {
    /// Note, at most 1 000 characters.
    pub note: Option<String>,
}

/// Alarms by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BySeverity {
    /// Critical.
    pub critical: i64,
    /// High.
    pub high: i64,
    /// Medium.
    pub medium: i64,
    /// Low.
    pub low: i64,
    /// Info.
    pub info: i64,
}

/// Alarms that are not closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AlarmCounts)]
pub struct Counts {
    /// Nobody took note.
    pub active: BySeverity,
    /// Somebody did.
    pub acknowledged: BySeverity,
}

/// A rule as a list shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleRow {
    /// Code.
    pub code: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Kind.
    pub kind: RuleKind,
    /// Sector.
    pub sector: String,
    /// Severity.
    pub severity: Severity,
    /// Entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Attribute.
    pub attribute: String,
    /// Condition.
    pub condition_text: String,
    /// Act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_act: Option<String>,
    /// How sure we are.
    pub status: Status,
    /// Who answers for it.
    pub owner: String,
    /// Whether it runs.
    pub enabled: bool,
    /// Version; 0 = as the pack says.
    pub version: i64,
    /// Why it does not run as written, when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Hours for the calculator, latest first.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AqiInput {
    /// At most twelve hours, latest first; µg/m³.
    #[schema(value_type = Vec<Object>)]
    pub hours: Vec<crate::functions::vn_aqi::Sample>,
}

/// The index.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AqiAnswer {
    /// Hourly VN_AQI.
    pub aqi: u16,
    /// Level from 1.
    pub level: usize,
    /// Level's name.
    pub level_name: String,
    /// The same in English.
    pub level_name_en: String,
    /// Official colour.
    pub colour: String,
    /// The pollutant that decides.
    pub main: String,
    /// Sub-indices by pollutant, rounded.
    pub parts: std::collections::BTreeMap<String, f64>,
}

/// A rule to try on history.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// Code of an installed rule.
    pub rule: String,
    /// What differs from the pack's text; none = the rule as it counts.
    #[serde(default)]
    pub change: Option<crate::versions::RuleChange>,
    /// Things to try it on, at most 20 URNs; none = all of the type, as far as they are read.
    #[serde(default)]
    pub entities: Vec<String>,
    /// From, inclusive.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, exclusive; at most 31 days later.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// What a rule would have raised.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Tried {
    /// Alarms in all.
    pub total: usize,
    /// By local day, also those without any.
    pub days: Vec<TriedDay>,
    /// The alarms, oldest first; at most 500.
    pub alarms: Vec<WouldBe>,
    /// Things it was tried on.
    pub things: usize,
    /// There are more things or readings than are read for a trial.
    pub truncated: bool,
}

/// One day of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TriedDay {
    /// Local date.
    #[schema(value_type = String, format = Date)]
    pub day: jiff::civil::Date,
    /// Alarms that would have risen.
    pub alarms: usize,
}

/// An alarm that would have been.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WouldBe {
    /// Entity URN.
    pub entity: String,
    /// Its name.
    pub entity_name: String,
    /// When it would have risen.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// When it would have cleared; none = still standing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cleared_at: Option<Timestamp>,
}
