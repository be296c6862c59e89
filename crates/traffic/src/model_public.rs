//! What everybody sees, and what becomes an alarm.

use dothi_kernel::Timestamp;
use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Closure, Hours, Level, TravelTime, WorkKind};

/// A slow or closed road as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PublicRoad)]
pub struct PublicRoad {
    /// Name.
    pub name: String,
    /// Which way.
    pub direction: String,
    /// Level.
    pub level: Level,
    /// Speed, km/h, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Usual speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<f64>,
    /// Whether the speed is reckoned, not measured.
    pub estimated: bool,
    /// An incident that neighbours or a person bear out.
    pub incident: bool,
    /// Where the readings come from, when not from here.
    pub source: String,
}

/// Works as everybody sees them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PublicWork)]
pub struct PublicWork {
    /// What.
    pub kind: WorkKind,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Roads.
    pub roads: Vec<String>,
    /// Name of the area, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Only at these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// What it closes.
    pub closes: Closure,
    /// Way around.
    pub detour: String,
    /// Unit that answers.
    pub unit: String,
    /// Office to ask.
    pub contact: String,
    /// Whether it goes on now.
    pub active: bool,
}

/// What everybody sees.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PublicTraffic)]
pub struct PublicTraffic {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Segments with fresh readings.
    pub known: usize,
    /// Slow roads, the slowest first, at most 100.
    pub slow: Vec<PublicRoad>,
    /// Works, events and closures of now and the coming week, at most 200.
    pub works: Vec<PublicWork>,
    /// Travel times.
    pub times: Vec<TravelTime>,
    /// Where readings come from that are not of this place.
    pub sources: Vec<String>,
    /// What the levels are and where they stand.
    pub marks: Vec<crate::pack::Mark>,
}

/// What the rules make an alarm of; the server hands it to the alarm list.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmWords {
    /// Key, the incident's id.
    pub key: String,
    /// Thing it is about.
    pub entity: String,
    /// Severity.
    pub severity: Severity,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Why.
    pub text: String,
    /// Since when.
    pub at: Timestamp,
    /// Commune.
    pub area: Option<String>,
    /// Where.
    pub location: Point,
    /// When it ended; none while it stands.
    pub until: Option<Timestamp>,
}
