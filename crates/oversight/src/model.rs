//! Types of the domain: what a set says, what was reported, and what the outside sees.

use dothi_kernel::{Evidence, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::period::PeriodKind;
use crate::stated::{Stated, Words};

/// How an indicator is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IndicatorKind {
    /// Numerator over denominator, per cent.
    Ratio,
    /// Number per something (per km², per 1 000 people).
    Density,
    /// Yes or no.
    Boolean,
    /// Share of answers in a survey, per cent.
    Survey,
    /// A plain number.
    Count,
}

/// Whether the formula stands in the act or is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FormulaStatus {
    /// Written in the act.
    Official,
    /// Proposed here, to be confirmed by the authority; screens must say so.
    Proposed,
}

/// A measure of the platform that computes an indicator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeasureRef {
    /// Name, led by its domain (`cases.answered-public`).
    pub name: String,
    /// What the reader must know about it, for instance that it is a stand-in.
    pub note: String,
    /// The same in English.
    pub note_en: String,
    /// True when it stands in for what the indicator really asks.
    pub proxy: bool,
    /// Denominator for the whole province that replaces the measure's own (points that must be watched, by plan).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<f64>,
    /// Whether it is also computed for every commune.
    pub communes: bool,
}

/// One indicator of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Indicator {
    /// Code in the act (`L2.N3.PN1.03`).
    pub code: String,
    /// Group it stands in (a code of [`IndicatorSet::groups`]).
    pub group: String,
    /// Name as in the act.
    pub name: String,
    /// Name in English (ours).
    pub name_en: String,
    /// Unit as in the act.
    pub unit: String,
    /// Kind.
    pub kind: IndicatorKind,
    /// Value when the plan was made.
    pub base: Stated,
    /// Value expected without the plan.
    pub forecast: Stated,
    /// Value aimed at.
    pub target: Stated,
    /// What is counted.
    pub numerator: String,
    /// Out of what; empty for plain answers.
    pub denominator: String,
    /// Whose formula it is.
    pub formula_status: FormulaStatus,
    /// Who answers for it.
    pub lead: String,
    /// How the platform computes it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureRef>,
}

/// A heading of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// Code (`L1`, `L1.N1`, `L1.N1.PN2`); its parent is the code without the last part.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
}

/// A set of indicators, as an act gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndicatorSet {
    /// Code (`tb-41`).
    pub code: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Act and annex it is taken from.
    pub source_act: String,
    /// Version of these data (semver).
    pub version: String,
    /// Time zone whose midnights bound the periods.
    pub zone: String,
    /// Achievement in per cent from which an indicator is near its target.
    pub near_from: f64,
    /// Days after a period's end in which its computed values still follow the data.
    pub grace_days: u16,
    /// Periods for which computed values are kept.
    pub periods: Vec<PeriodKind>,
    /// Titles of the three columns of the act.
    pub columns: Columns,
    /// What a proposed formula is called.
    pub proposed_label: String,
    /// The same in English.
    pub proposed_label_en: String,
    /// Words of the source for what is not a number.
    pub words: Words,
    /// Headings in order.
    pub groups: Vec<Heading>,
    /// Indicators in order.
    pub indicators: Vec<Indicator>,
}

/// Titles of the columns of the act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Of `base`.
    pub base: String,
    /// In English.
    pub base_en: String,
    /// Of `forecast`.
    pub forecast: String,
    /// In English.
    pub forecast_en: String,
    /// Of `target`.
    pub target: String,
    /// In English.
    pub target_en: String,
}

/// A set in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SetRow {
    /// Code.
    pub code: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Act and annex.
    pub source_act: String,
    /// Version of the data.
    pub version: String,
    /// Number of indicators.
    pub indicators: u32,
    /// Titles of the act's columns.
    pub columns: Columns,
}

/// Where a value stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueStatus {
    /// Entered, waits for a second person.
    Pending,
    /// Approved by a second person; counts.
    Approved,
    /// Computed by the platform; counts.
    Computed,
    /// Refused with a reason.
    Rejected,
    /// Replaced by a later one; kept.
    Superseded,
}

impl ValueStatus {
    /// Its name in the store and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Computed => "computed",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Computed, Self::Rejected, Self::Superseded].into_iter().find(|s| s.name() == text)
    }
}

/// A value of an indicator for an area and a period, with its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorValue {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Set.
    pub set: String,
    /// Indicator code.
    pub indicator: String,
    /// Indicator's name.
    pub indicator_name: String,
    /// Unit.
    pub unit: String,
    /// Area code.
    pub area: String,
    /// Area's name.
    pub area_name: String,
    /// Period.
    pub period: String,
    /// Status.
    pub status: ValueStatus,
    /// The figure; absent when there was nothing to measure or the answer is yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yes_no: Option<bool>,
    /// Counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<f64>,
    /// Out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<f64>,
    /// What the reporter wrote; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the evidence is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_url: Option<String>,
    /// `reported`, or the measure's name.
    pub source: String,
    /// Who entered it; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered_by: Option<String>,
    /// When it was entered or computed.
    #[schema(value_type = String, format = DateTime)]
    pub entered_at: Timestamp,
    /// Who approved or rejected it; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When it was approved or rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Why it was rejected; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The value that replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub superseded_by: Option<Uuid>,
    /// True when the asking person entered it and so may not approve it.
    pub mine: bool,
}

/// What a reporter enters.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValue {
    /// Set.
    pub set: String,
    /// Indicator code.
    pub indicator: String,
    /// Area code.
    pub area: String,
    /// Period.
    pub period: String,
    /// The figure; may be left out when numerator and denominator are given.
    pub number: Option<f64>,
    /// The answer, for yes-no indicators.
    pub yes_no: Option<bool>,
    /// Counted.
    pub numerator: Option<f64>,
    /// Out of.
    pub denominator: Option<f64>,
    /// Where the figure comes from.
    pub note: String,
    /// Link to the evidence.
    pub evidence_url: Option<String>,
}

/// How an indicator stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Target reached.
    Met,
    /// Close to it.
    Near,
    /// Far from it.
    Behind,
    /// No value, or no target to hold it against. Not the same as 0.
    NoData,
}

/// Which scorecard.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScorecardQuery {
    /// Set; the first one when left out.
    pub set: Option<String>,
    /// Area code; the home province when left out.
    pub area: Option<String>,
    /// Period; the present year when left out.
    pub period: Option<String>,
}

/// Counts by standing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// Target reached.
    pub met: u32,
    /// Near.
    pub near: u32,
    /// Behind.
    pub behind: u32,
    /// Without data.
    pub no_data: u32,
    /// All.
    pub total: u32,
    /// Mean achievement of those that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achievement: Option<f64>,
}

/// The value a scorecard shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShownValue {
    /// Id of the value.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// The figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// The answer in the source's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numerator: Option<f64>,
    /// Out of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<f64>,
    /// Since when it counts (or waits).
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `computed`, `approved`, or `pending` (shown to staff, not counted).
    pub status: ValueStatus,
    /// `reported`, or the measure's name.
    pub source: String,
}

/// A point of a trend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrendPoint {
    /// Period.
    pub period: String,
    /// Figure.
    pub number: f64,
}

/// One indicator on a scorecard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CardIndicator {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Unit.
    pub unit: String,
    /// Kind.
    pub kind: IndicatorKind,
    /// Value when the plan was made.
    pub base: Stated,
    /// Value expected without the plan.
    pub forecast: Stated,
    /// Value aimed at.
    pub target: Stated,
    /// Value of the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<ShownValue>,
    /// Per cent of the target reached, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achievement: Option<f64>,
    /// Standing.
    pub standing: Standing,
    /// Earlier values, oldest first, at most twelve.
    pub trend: Vec<TrendPoint>,
    /// Whose formula.
    pub formula_status: FormulaStatus,
    /// True when the platform computes a stand-in.
    pub proxy: bool,
    /// Who answers for it.
    pub lead: String,
    /// True when a newer value waits for approval; told to staff only.
    pub waiting: bool,
}

/// A heading on a scorecard; indicators stand under the lowest ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CardGroup {
    /// Code.
    pub code: String,
    /// Code of the heading above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Depth, from 1.
    pub level: u32,
    /// Counts and mean over everything below.
    pub summary: Summary,
    /// Its own indicators.
    pub indicators: Vec<CardIndicator>,
}

/// A scorecard: one set, one area, one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scorecard {
    /// Set.
    pub set: SetRow,
    /// Area code.
    pub area: String,
    /// Area's name.
    pub area_name: String,
    /// Period.
    pub period: String,
    /// Counts and mean over all.
    pub summary: Summary,
    /// Headings in order.
    pub groups: Vec<CardGroup>,
}

/// How an indicator is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Formula {
    /// What is counted.
    pub numerator: String,
    /// Out of what.
    pub denominator: String,
    /// Whose formula.
    pub status: FormulaStatus,
    /// What to call it when it is only proposed ("công thức đề xuất").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The same in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_en: Option<String>,
}

/// Where and when an indicator is asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IndicatorQuery {
    /// Area code; the home province when left out.
    pub area: Option<String>,
    /// Period; the present year when left out.
    pub period: Option<String>,
}

/// An indicator with everything behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndicatorDetail {
    /// Set.
    pub set: SetRow,
    /// Headings above it, top first.
    pub path: Vec<String>,
    /// Area code.
    pub area: String,
    /// Area's name.
    pub area_name: String,
    /// Period.
    pub period: String,
    /// As on the scorecard.
    pub indicator: CardIndicator,
    /// How it is made.
    pub formula: Formula,
    /// How the platform computes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureRef>,
    /// Its values of the period and others, newest first, at most 100.
    pub values: Vec<IndicatorValue>,
    /// Rows behind the value shown.
    pub evidence: Vec<Evidence>,
}

/// What a computation did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComputeReport {
    /// Values that changed or are new.
    pub changed: u32,
    /// Values that stayed.
    pub unchanged: u32,
    /// Left alone because an approved value stands.
    pub kept: u32,
    /// Nothing to measure.
    pub empty: u32,
    /// Measures no part of this installation offers.
    pub unknown: Vec<String>,
    /// Measures that failed; they are tried again.
    pub failed: Vec<String>,
}
