//! Public warnings and what is told afterwards: what is kept, and what goes in and out.

use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::By;
use crate::pack::Target;

/// The words of a warning in one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarningWords {
    /// Headline, at most 160 characters.
    pub headline: String,
    /// What happens, at most 4,000 characters.
    pub description: String,
    /// What to do, at most 4,000 characters.
    pub instruction: String,
}

/// A public warning.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PublicWarning {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// CAP identifier.
    pub identifier: String,
    /// Incident it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub incident: Option<Uuid>,
    /// An exercise: CAP status `Exercise`, and never on the portal.
    pub drill: bool,
    /// `draft`, `issued`, `replaced`, `cancelled`, `refused`. What is over by time stays `issued`.
    pub state: String,
    /// CAP msgType: `Alert`, `Update`, `Cancel`.
    pub msg_type: String,
    /// CAP references: `sender,identifier,sent` of those before it.
    #[serde(default)]
    pub references: Vec<String>,
    /// The warning it updates or cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// CAP event.
    pub event: String,
    /// CAP category.
    pub category: String,
    /// CAP urgency.
    pub urgency: String,
    /// CAP severity.
    pub severity: String,
    /// CAP certainty.
    pub certainty: String,
    /// Vietnamese.
    pub vi: WarningWords,
    /// English; may be empty.
    pub en: WarningWords,
    /// Communes: code and name.
    pub areas: Vec<UnitRef>,
    /// Polygon (longitude, latitude), closed; may be empty.
    #[serde(default)]
    pub polygon: Vec<[f64; 2]>,
    /// Who made it.
    pub made_by: By,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// Who approved (or refused) it: somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<By>,
    /// When it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// When it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Hours for which it holds from its sending.
    pub hours: u32,
    /// Changes so far.
    pub version: i64,
}

/// A warning to draft.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewWarning {
    /// Incident; a drill's warning is an exercise.
    #[schema(value_type = Option<String>)]
    pub incident: Option<Uuid>,
    /// An exercise without an incident.
    pub drill: bool,
    /// Identifier of the warning it updates or cancels.
    pub replaces: Option<String>,
    /// It ends that one.
    pub cancel: bool,
    /// CAP event; the type's when left out.
    pub event: Option<String>,
    /// CAP category; the type's, else `Safety`.
    pub category: Option<String>,
    /// CAP urgency (`Immediate`).
    pub urgency: Option<String>,
    /// CAP severity (`Severe`).
    pub severity: Option<String>,
    /// CAP certainty (`Observed`).
    pub certainty: Option<String>,
    /// Vietnamese.
    pub vi: WarningWords,
    /// English.
    pub en: WarningWords,
    /// Commune codes.
    pub areas: Vec<String>,
    /// Polygon (longitude, latitude), closed, at most 200 points.
    pub polygon: Vec<[f64; 2]>,
    /// Hours for which it holds.
    pub hours: Option<u32>,
}

/// Approving or refusing.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SettleWarning)]
pub struct Settling {
    /// The version it is made on.
    pub version: i64,
    /// Send it.
    pub approve: bool,
}

/// A warning as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WarningNotice {
    /// CAP identifier.
    pub identifier: String,
    /// CAP event.
    pub event: String,
    /// CAP severity.
    pub severity: String,
    /// CAP urgency.
    pub urgency: String,
    /// Vietnamese.
    pub vi: WarningWords,
    /// English.
    pub en: WarningWords,
    /// Commune names.
    pub areas: Vec<String>,
    /// When it was sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// When it is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Its CAP message.
    pub cap: String,
}

/// What was learned.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Review {
    /// The version it is made on; 0 for the first.
    pub version: i64,
    /// What happened, in words.
    pub summary: String,
    /// What went well.
    pub good: String,
    /// What did not.
    pub bad: String,
    /// Lessons.
    pub lessons: String,
    /// Procedure whose revision is proposed.
    pub procedure: Option<String>,
    /// What is to change in it; a draft is made of it.
    pub proposal: String,
    /// Draft that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<u32>,
    /// Who wrote it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// The after-action report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AfterAction {
    /// The incident with all that belongs to it.
    pub incident: crate::model::IncidentView,
    /// Its log, at most 2,000 lines.
    pub log: Vec<crate::model::LogLine>,
    /// Warnings issued.
    pub warnings: Vec<PublicWarning>,
    /// Seconds of its time chain.
    pub chain: Vec<ChainPart>,
    /// What was learned.
    pub review: Review,
}

/// One interval of an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainPart {
    /// Interval.
    pub interval: String,
    /// Seconds; none while it is not over.
    pub seconds: Option<i64>,
    /// Target that fits.
    pub target: Option<Target>,
}
