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
            AlarmState::Closed => "closed",
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
    /// Organisation whose matter it is.
    #[serde(skip)]
    pub unit: String,
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
    /// `raised`, `acknowledged`, `cleared`, `closed`.
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
    /// `active`, `acknowledged`, `cleared`, `closed`, or `open` for all that are not closed.
    pub state: Option<String>,
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
    /// Things to try it on, 1 to 20 URNs.
    pub entities: Vec<String>,
    /// From, inclusive.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, exclusive; at most 31 days later.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

/// An alarm that would have been.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WouldBe {
    /// Entity URN.
    pub entity: String,
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
