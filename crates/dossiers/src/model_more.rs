//! What goes over the wire: scores, figures, tablets, anomalies, the public's pages.

use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::pack::{AnomalyRule, Class, Mark, Part, Reported};

/// Which score.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScoreQuery {
    /// Agency.
    pub unit: String,
    /// Period (`2026`, `2026-Q4`, `2026-11`); the present month when left out.
    pub period: Option<String>,
    /// Set of indicators; the one that holds when left out.
    pub set: Option<String>,
}

/// Which scores.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScoresQuery {
    /// Period; the present month when left out.
    pub period: Option<String>,
    /// Set of indicators; the one that holds when left out.
    pub set: Option<String>,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FigureSource {
    /// Counted from dossiers, procedures and ratings here.
    Counted,
    /// Reported by a person and approved by another.
    Reported,
}

/// A figure of a part.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScoreFigure {
    /// Code.
    pub code: String,
    /// Value; none when nobody reported one that was approved.
    pub value: Option<f64>,
    /// Where it comes from.
    pub source: FigureSource,
    /// Who reported and who approved it.
    pub by: Option<String>,
    /// What was said about it.
    pub note: Option<String>,
    /// A reported value waits for approval.
    pub waiting: bool,
}

/// A part with its points.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PartScore {
    /// The part with its formula.
    pub part: Part,
    /// Figure above the line.
    pub numerator: ScoreFigure,
    /// Figure below the line.
    pub denominator: ScoreFigure,
    /// Points; none when a figure is not known.
    pub points: Option<f64>,
}

/// A group with its points.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GroupScore {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Most points.
    pub most: f64,
    /// Most points of the parts whose figures are known.
    pub known: f64,
    /// Points of these.
    pub points: f64,
    /// Parts.
    pub parts: Vec<PartScore>,
}

/// The score of an agency in a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Score {
    /// Set of indicators.
    pub set: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Where its formulas stand and how far they are known.
    pub marks: Vec<Mark>,
    /// Figures that have to be reported.
    pub reported: Vec<Reported>,
    /// Agency.
    pub unit: UnitRef,
    /// Period.
    pub period: String,
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// Points of the parts whose figures are known.
    pub total: f64,
    /// Most points of these parts.
    pub known: f64,
    /// All points.
    pub most: f64,
    /// Class; told only when every part is known.
    pub class: Option<Class>,
    /// Groups.
    pub groups: Vec<GroupScore>,
}

/// The score of one agency among others.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScoreRow {
    /// Agency.
    pub unit: UnitRef,
    /// Points.
    pub total: f64,
    /// Most points of the parts whose figures are known.
    pub known: f64,
    /// Class; told only when every part is known.
    pub class: Option<Class>,
    /// Points by group, in the set's order.
    pub groups: Vec<f64>,
}

/// Scores of agencies.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Scores {
    /// Period.
    pub period: String,
    /// Agencies, highest first.
    pub rows: Vec<ScoreRow>,
}

/// A figure that is reported.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFigure {
    /// Set of indicators.
    pub set: String,
    /// Agency.
    pub unit: String,
    /// Period.
    pub period: String,
    /// Code of the figure.
    pub figure: String,
    /// Value, 0 or more.
    pub value: f64,
    /// Where it comes from, 5 to 1,000 characters.
    pub note: String,
}

/// A reported figure.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FigureView {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Set of indicators.
    pub set: String,
    /// Agency.
    pub unit: UnitRef,
    /// Period.
    pub period: String,
    /// Code.
    pub figure: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Value.
    pub value: f64,
    /// Where it comes from.
    pub note: String,
    /// `pending`, `approved`, `rejected` or `superseded`.
    pub status: String,
    /// Who reported it.
    pub entered_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub entered_at: Timestamp,
    /// Who approved or rejected it.
    pub decided_by: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The caller may approve and reject it.
    pub may_settle: bool,
}

/// Approving or rejecting.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settling {
    /// Approve; else reject.
    pub approve: bool,
    /// Why it is rejected.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Which anomalies.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnomalyQuery {
    /// First month.
    pub from: Option<String>,
    /// Last month.
    pub to: Option<String>,
    /// Only this agency.
    pub unit: Option<String>,
}

/// One finding: a dossier, or a heap of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DossierFound)]
pub struct Found {
    /// Agency.
    pub unit: UnitRef,
    /// The dossier; of a heap the first by code.
    pub code: String,
    /// How many dossiers.
    pub n: i64,
    /// The instant that it is about: the end, the request, the deadline.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Received; of a heap the first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// Deadline; of a heap the first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
}

/// What one rule found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Finding {
    /// The rule with its limits.
    pub rule: AnomalyRule,
    /// Findings, newest first, at most 100.
    pub found: Vec<Found>,
    /// There are more.
    pub more: bool,
}

/// Anomalies of a period.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Anomalies {
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// By rule.
    pub findings: Vec<Finding>,
}

/// A tablet for a counter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTablet {
    /// Agency.
    pub unit: String,
    /// Counter (`Quầy 3`).
    pub name: String,
    /// Faces it shows: 3 or 5.
    pub faces: u32,
}

/// A tablet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TabletView {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Agency.
    pub unit: UnitRef,
    /// Counter.
    pub name: String,
    /// Faces it shows.
    pub faces: u32,
    /// Who added it.
    pub created_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last sent something.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    /// When its token was ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// A new tablet with its token, which is told once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TabletToken {
    /// The tablet.
    pub tablet: TabletView,
    /// The token.
    pub token: String,
}

/// What a tablet shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TabletFace {
    /// Agency.
    pub unit: String,
    /// Counter.
    pub name: String,
    /// Faces.
    pub faces: u32,
}

/// A face that was touched.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingIn {
    /// The tablet's own id of it.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// 1 to 5; with three faces 1, 3 or 5.
    pub level: u32,
}

/// Faces that were touched.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingsIn {
    /// At most 500.
    pub ratings: Vec<RatingIn>,
}

/// What became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RatingsTaken {
    /// Kept.
    pub taken: u64,
    /// Known before.
    pub known: u64,
    /// Not usable.
    pub left_out: u64,
}

/// Ratings of one counter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RatedUnit {
    /// Agency.
    pub unit: UnitRef,
    /// Counter.
    pub counter: String,
    /// Ratings.
    pub rated: i64,
    /// Of these, content: 4 or 5.
    pub satisfied: i64,
    /// By level, 1 to 5.
    pub levels: Vec<i64>,
}

/// Satisfaction at counters.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Satisfaction {
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// By counter, most rated first.
    pub rows: Vec<RatedUnit>,
}

/// Which public board.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PublicBoardQuery {
    /// `unit` (the default), `commune` or `procedure`.
    pub by: Option<String>,
    /// First month of receipt.
    pub from: Option<String>,
    /// Last month of receipt.
    pub to: Option<String>,
}

/// A row of the public board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicRow {
    /// Key.
    pub key: String,
    /// Name.
    pub name: String,
    /// Received.
    pub received: i64,
    /// Share that is on time, per cent.
    pub on_time: Option<f64>,
    /// Working days that half took at most.
    pub median_days: Option<f64>,
    /// Overdue now.
    pub overdue: i64,
}

/// The public board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicBoard {
    /// When it was so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// All together.
    pub total: PublicRow,
    /// Rows, most received first.
    pub rows: Vec<PublicRow>,
    /// How deadlines are counted and how far that is known.
    pub marks: Vec<Mark>,
}

/// What one looks up one's own dossier by.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// Code of the dossier.
    pub code: String,
    /// Last four digits of the telephone number given with it.
    pub phone: String,
}

/// One's own dossier. No name, no number.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OwnDossier {
    /// Code.
    pub code: String,
    /// Procedure.
    pub procedure: String,
    /// Agency.
    pub unit: String,
    /// State.
    pub state: String,
    /// State in English.
    pub state_en: String,
    /// `on-time`, `soon`, `waiting`, `overdue`, `ended-on-time`, `ended-late` or `not-received`.
    pub standing: String,
    /// Received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// Deadline.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// New date of an apology slip.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub promised_at: Option<Timestamp>,
    /// Ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When the source last told us.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
}
