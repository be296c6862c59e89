//! What goes in and out: inputs, the officer's view, the public view.

use std::collections::BTreeMap;

use bytes::Bytes;
use dothi_kernel::flow::Phase;
use dothi_kernel::geo::Point;
use dothi_kernel::{Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::consent::{ConsentPolicy, ConsentView};
use crate::masks::PhotoRef;
use crate::media::MediaRef;
use crate::moderation::Screening;
use crate::pack::{Policy, Question, Reply};
use crate::parts::{PartRef, PublicPart};
pub use crate::stats::{StatRow, Stats, StatsQuery};

/// A citizen's report.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewReport {
    /// Case type; `report` when left out.
    pub kind: String,
    /// Category code.
    pub category: String,
    /// What is wrong, in the reporter's words.
    pub text: String,
    /// Longitude of the spot.
    pub lon: Option<f64>,
    /// Latitude of the spot.
    pub lat: Option<f64>,
    /// Address or description of the spot.
    pub address: Option<String>,
    /// Commune code, when the spot is not on the map.
    pub area: Option<String>,
    /// How to reach the reporter; never shown to the public.
    pub contact: Option<Contact>,
    /// Answers to the category's questions.
    pub answers: BTreeMap<String, String>,
    /// Whether a signed-in person does not want the report among their own.
    pub anonymous: bool,
    /// Channel it came by, when staff enter it for somebody: `phone`, `counter`, `letter`, `social`, `import`.
    pub source: Option<String>,
    /// Urgency, when staff enter it; else by the case type's rules.
    pub urgency: Option<String>,
    /// Whether the reporter asks that only its kind and state are public.
    pub private: bool,
    /// Version of the words by which the reporter agrees that those who handle the case get the contact data; none = does not.
    pub consent: Option<String>,
    /// What the sending browser or telephone calls itself: 16 to 100 characters it made up. Kept as a hash.
    pub device: Option<String>,
}

/// How to reach a reporter. Personal data: kept apart, read only with the permission and on record.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    /// Name.
    pub name: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
}

impl std::fmt::Debug for Contact {
    /// Never prints what it holds, so that no log can.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact(personal)")
    }
}

/// A report's multipart form, for documentation.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct ReportForm {
    /// The report as JSON.
    report: NewReport,
    /// Up to five photos (JPEG, PNG, WebP; 10 MB each).
    #[schema(value_type = Vec<String>, format = Binary)]
    photo: Vec<Bytes>,
}

/// What the reporter gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Secret of the reporter: opens the own view and the rating. Shown once.
    pub key: String,
    /// Page to follow the case on.
    pub tracking: String,
    /// When an answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Handling unit.
    pub unit: UnitRef,
    /// State code.
    pub state: String,
    /// Phase.
    pub phase: Phase,
    /// What the reporter should know, e.g. that a complaint by law goes another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// What a move carries.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoveInput {
    /// The version the caller saw.
    pub version: i64,
    /// Internal note.
    pub note: Option<String>,
    /// Text for the public and the reporter.
    pub public_answer: Option<String>,
    /// The reporter's text as it may be shown, when it had to be shortened.
    pub public_text: Option<String>,
    /// Reason.
    pub reason: Option<String>,
    /// Unit that is to handle it.
    pub unit: Option<String>,
    /// Corrected category.
    pub category: Option<String>,
    /// Corrected urgency.
    pub urgency: Option<String>,
    /// Code of the case that this one becomes part of.
    pub merge_into: Option<String>,
    /// Date of planned work (`2026-12-05`).
    pub planned_for: Option<String>,
    /// Code of a work order of the case whose after-photos prove the work.
    pub proof_of: Option<String>,
    /// The reporter's secret, for moves of the reporter without sign-in.
    pub key: Option<String>,
    /// Photos (SHA-256) that are not to be shown to the public.
    pub hide_photos: Vec<String>,
}

/// A move's multipart form, for documentation.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct MoveForm {
    /// The move as JSON.
    r#move: MoveInput,
    /// Photos of the work done.
    #[schema(value_type = Vec<String>, format = Binary)]
    photo: Vec<Bytes>,
}

/// Why a unit got the case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoutingTrace {
    /// Rule that decided; empty when none did.
    pub rule: String,
    /// The reason in a sentence.
    pub why: String,
    /// The word that made the rule match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// The road beside the place that made the rule match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub road: Option<dothi_kernel::roads::RoadNear>,
    /// Commune code it was decided for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Rules that matched but whose function nobody holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// A hint for the centre, e.g. that it reads like a complaint by law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One entry of a case's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: a login, `reporter` or `system`.
    pub by: String,
    /// Move's code; `open`, `note` and `rate` beside the flow's.
    pub step: String,
    /// Move's name in Vietnamese.
    pub step_name: String,
    /// Move's name in English.
    pub step_name_en: String,
    /// State before.
    pub from: String,
    /// State after.
    pub to: String,
    /// Handling unit after it.
    pub unit: UnitRef,
    /// Internal note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Text for the public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_text: Option<String>,
    /// Photos added by it (SHA-256).
    pub photos: Vec<String>,
    /// Working minutes by which the deadline was over when it happened.
    pub late_minutes: u32,
}

/// A move that the caller may make now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MoveRef {
    /// Code.
    pub code: String,
    /// Label in Vietnamese.
    pub name: String,
    /// Label in English.
    pub name_en: String,
    /// Fields it needs.
    pub requires: Vec<String>,
    /// Fields that it can take besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// Until when it can be made, for moves that are open for a while only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// The clock as a screen shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockView {
    /// Working minutes used.
    pub used_minutes: u32,
    /// Working minutes allowed.
    pub total_minutes: u32,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether it has ended.
    pub stopped: bool,
}

/// The public answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// What was done.
    pub text: String,
    /// When it became public.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Photos of the work done (SHA-256).
    pub photos: Vec<String>,
}

/// A case as officers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Case {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Case type.
    pub kind: String,
    /// Category code.
    pub category: String,
    /// Category's name.
    pub category_name: String,
    /// Category's English name.
    pub category_name_en: String,
    /// Urgency code.
    pub urgency: String,
    /// Urgency's name.
    pub urgency_name: String,
    /// State code.
    pub state: String,
    /// State's name.
    pub state_name: String,
    /// State's English name.
    pub state_name_en: String,
    /// Phase.
    pub phase: Phase,
    /// Handling unit; an empty id means that nobody is named yet.
    pub unit: UnitRef,
    /// Commune code.
    pub area: Option<String>,
    /// Commune's name.
    pub area_name: Option<String>,
    /// Address or description of the spot.
    pub address: Option<String>,
    /// The spot.
    pub location: Option<Point>,
    /// The reporter's words.
    pub text: String,
    /// Answers to the category's questions.
    pub answers: BTreeMap<String, String>,
    /// Whether the reporter asked that only its kind and state are public.
    pub private: bool,
    /// What was noticed in the words, and how they could be shown.
    pub screening: Screening,
    /// Whether the words may be shown to the public.
    pub published: bool,
    /// The words as the public sees them.
    pub public_text: Option<String>,
    /// Photos.
    pub photos: Vec<PhotoRef>,
    /// Videos and sound; never public.
    pub media: Vec<MediaRef>,
    /// Channel it came by.
    pub source: String,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When an answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Working minutes left, negative when over.
    pub minutes_left: i64,
    /// Whether the deadline is over.
    pub overdue: bool,
    /// Whether the one extension is used.
    pub extended: bool,
    /// Date of planned work.
    pub planned_for: Option<String>,
    /// Officer who works on it.
    pub assignee: Option<String>,
    /// Draft or public answer.
    pub answer_text: Option<String>,
    /// The public answer.
    pub answer: Option<Answer>,
    /// Stars.
    pub rating: Option<u8>,
    /// The reporter's words to the rating.
    pub rating_comment: Option<String>,
    /// People who have the same problem.
    pub followers: u32,
    /// Code of the case it became part of.
    pub merged_into: Option<String>,
    /// Version, for the next move.
    pub version: i64,
    /// Version of the case type it was opened with.
    pub type_version: u32,
    /// What happened.
    pub log: Vec<LogEntry>,
    /// What the caller may do.
    pub moves: Vec<MoveRef>,
    /// The clock.
    pub clock: ClockView,
    /// Why this unit.
    pub routing: RoutingTrace,
    /// Ready-made replies that fit.
    pub replies: Vec<Reply>,
    /// Parts it was split into.
    pub parts: Vec<PartRef>,
    /// The case it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<PartRef>,
    /// Whether the caller may split it now.
    pub may_split: bool,
    /// Who was told that its deadline is near or over: `approver` or `centre`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated: Option<String>,
    /// Since when the handling unit may have the reporter's contact data, because the reporter agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub contact_shared: Option<Timestamp>,
}

/// A row of the officer's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaseRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Category's name.
    pub category_name: String,
    /// Urgency code.
    pub urgency: String,
    /// State code.
    pub state: String,
    /// State's name.
    pub state_name: String,
    /// Phase.
    pub phase: Phase,
    /// Handling unit.
    pub unit: UnitRef,
    /// Commune's name.
    pub area_name: Option<String>,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When an answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Working minutes left, negative when over; 0 once it has ended.
    pub minutes_left: i64,
    /// Whether the deadline is over.
    pub overdue: bool,
    /// Officer who works on it.
    pub assignee: Option<String>,
    /// The first words.
    pub text_short: String,
    /// Who was told that its deadline is near or over: `approver` or `centre`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated: Option<String>,
    /// Whether it is a part of another case.
    pub part: bool,
    /// What was noticed in the words (codes).
    pub flags: Vec<String>,
    /// Version, for a move on several.
    pub version: i64,
    /// The spot.
    pub location: Option<Point>,
}

/// How officers filter their list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct ListQuery {
    /// `todo` (waits for me, the default), `unit` (open cases of my units), `all`.
    pub view: Option<String>,
    /// State code.
    pub state: Option<String>,
    /// Category code.
    pub category: Option<String>,
    /// Handling unit.
    pub unit: Option<String>,
    /// Commune code.
    pub area: Option<String>,
    /// `overdue` or `soon`.
    pub due: Option<String>,
    /// Words, with or without marks.
    pub q: Option<String>,
    /// `any` for cases in whose words something was noticed.
    pub flagged: Option<String>,
    /// `undecided` for cases with a photo that is not public before somebody has decided what to mask.
    pub photos: Option<String>,
    /// `due` (the default) or `opened` (newest first).
    pub sort: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// How the public filters.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PublicQuery {
    /// `west,south,east,north`.
    pub bbox: Option<String>,
    /// Category code.
    pub category: Option<String>,
    /// Phase.
    pub phase: Option<String>,
    /// Commune code.
    pub area: Option<String>,
    /// Words, with or without marks.
    pub q: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// One step as the public sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// State's name in Vietnamese.
    pub what: String,
    /// State's name in English.
    pub what_en: String,
    /// Unit that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitRef>,
    /// What the public was told at this step: why the deadline was extended, what is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A case as everybody may see it. Built by one function only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicCase {
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Category's name.
    pub category_name: String,
    /// Category's English name.
    pub category_name_en: String,
    /// Phase.
    pub phase: Phase,
    /// State code.
    pub state: String,
    /// State's name.
    pub state_name: String,
    /// State's English name.
    pub state_name_en: String,
    /// The reporter's words, once the centre has let them through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The spot, to about eleven metres.
    pub location: Option<Point>,
    /// Commune code.
    pub area: Option<String>,
    /// Commune's name.
    pub area_name: Option<String>,
    /// Handling unit.
    pub unit: UnitRef,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When an answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Whether the deadline is (or was) over.
    pub overdue: bool,
    /// Date of planned work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_for: Option<String>,
    /// Photos let through (SHA-256).
    pub photos: Vec<String>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Stars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<u8>,
    /// People who have the same problem.
    pub followers: u32,
    /// Code of the case it became part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Parts that other units work on; on the page of one case only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<PublicPart>>,
    /// What happened; on the page of one case only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<TimelineEntry>>,
    /// What only the reporter sees; absent for everybody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnDetails>,
}

/// What the reporter sees of the own case beside the public view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OwnDetails {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// The own words.
    pub text: String,
    /// Own photos (SHA-256), also those not public.
    pub photos: Vec<String>,
    /// Whether contact data were left.
    pub contact_left: bool,
    /// Whether those who handle the case may have them; none = it was never asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentView>,
    /// A question of the handling unit that waits for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Whether the answer can be rated now.
    pub may_rate: bool,
    /// Moves of the reporter.
    pub moves: Vec<MoveRef>,
    /// Version, for the next move.
    pub version: i64,
}

/// A reporter's rating.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingInput {
    /// 1 to 5.
    pub stars: u8,
    /// The reporter's words, for the officers.
    #[serde(default)]
    pub comment: Option<String>,
    /// The reporter's secret; not needed for signed-in reporters.
    #[serde(default)]
    pub key: Option<String>,
}

/// An internal note.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteInput {
    /// The words; never public.
    pub note: String,
}

/// "Me too".
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FollowInput {
    /// Not needed; kept for clients that have one.
    pub key: Option<String>,
}

/// How many follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Followers {
    /// People who have the same problem.
    pub followers: u32,
}

/// Who reported. Reading it is on record. The handling unit, with the reporter's consent, gets the contact data alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// Case.
    pub code: String,
    /// Contact data.
    pub contact: Contact,
    /// Account, when the reporter was signed in.
    #[schema(value_type = Option<String>)]
    pub person: Option<Uuid>,
    /// Others who called about it.
    pub callers: Vec<Contact>,
}

/// What the officer's start page counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CaseCounts)]
pub struct Counts {
    /// Not ended.
    pub open: i64,
    /// Of these: over the deadline.
    pub overdue: i64,
    /// Of these: nearly.
    pub soon: i64,
    /// Of these: no officer has taken it.
    pub unassigned: i64,
    /// Answers published since midnight.
    pub answered_today: i64,
}

/// A case type as the form needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TypeView {
    /// Code.
    pub kind: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Version.
    pub version: u32,
    /// Categories.
    pub categories: Vec<CategoryView>,
    /// Groups of categories.
    pub groups: Vec<NamedCode>,
    /// Urgencies.
    pub urgencies: Vec<NamedCode>,
    /// States, for filters.
    pub states: Vec<NamedCode>,
    /// Where the deadlines come from.
    pub policy: Policy,
    /// Whom to call when life is in danger.
    pub emergency_notice: String,
    /// The same in English.
    pub emergency_notice_en: String,
    /// What this form is not for.
    pub excluded_notice: String,
    /// The same in English.
    pub excluded_notice_en: String,
    /// Longest text.
    pub text_chars: usize,
    /// Most photos.
    pub photos: usize,
    /// Biggest photo, bytes.
    pub photo_bytes: usize,
    /// Most videos and sounds.
    pub media: usize,
    /// Biggest of them, bytes.
    pub media_bytes: usize,
    /// Longest of them, seconds.
    pub media_seconds: u32,
    /// What can be noticed in words.
    pub flags: Vec<NamedCode>,
    /// What a private report means; empty = not offered.
    pub private_notice: String,
    /// The same in English.
    pub private_notice_en: String,
    /// What a reporter who leaves contact data may agree to; none = it is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentPolicy>,
}

/// A code with its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedCode {
    /// Code.
    pub code: String,
    /// Vietnamese.
    pub name: String,
    /// English.
    pub name_en: String,
}

/// A category as the form shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CategoryView {
    /// Code.
    pub code: String,
    /// Vietnamese.
    pub name: String,
    /// English.
    pub name_en: String,
    /// Icon.
    pub icon: String,
    /// Group.
    pub group: String,
    /// Hint in Vietnamese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Hint in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint_en: Option<String>,
    /// More questions.
    pub questions: Vec<Question>,
    /// Working minutes to answer an ordinary report.
    pub deadline_minutes: u32,
}
