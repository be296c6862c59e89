//! What goes in and out of the domain.

use dothi_kernel::geo::Point;
use dothi_kernel::{Timestamp, UnitRef};
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub use crate::model_public::{AlarmWords, PublicRoad, PublicTraffic, PublicWork};
use crate::pack::{ClassDef, MessageDef, Policy};

/// How a segment flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = TrafficLevel)]
pub enum Level {
    /// Nothing fresh is known.
    #[default]
    Unknown,
    /// Free.
    Free,
    /// Slow.
    Slow,
    /// Congested.
    Congested,
    /// Stands, or nearly.
    Jam,
}

/// A quantity that detectors give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = TrafficMeasure)]
pub enum Measure {
    /// km/h.
    Speed,
    /// Vehicles an hour.
    Volume,
    /// Share of time that a detector is covered, 0 to 1.
    Occupancy,
}

impl Measure {
    /// As it is stored.
    pub fn code(self) -> &'static str {
        match self {
            Measure::Speed => "speed",
            Measure::Volume => "volume",
            Measure::Occupancy => "occupancy",
        }
    }
}

/// Rules, classes and messages.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficCatalogue)]
pub struct Catalogue {
    /// Rules of now; none when no pack declares any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Classes of roads.
    pub classes: Vec<ClassDef>,
    /// Library of messages.
    pub library: Vec<MessageDef>,
}

/// A detector on a segment: a thing of the city model (TrafficFlowObserved).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficDetector)]
pub struct Detector {
    /// URN of the thing.
    pub entity: String,
    /// Seconds that its `intensity` counts over; 3600 when it says vehicles an hour.
    #[serde(default = "hour")]
    pub period_s: u32,
}

fn hour() -> u32 {
    3_600
}

/// A segment as it is handed in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentInput {
    /// Version that was read; none for a new one.
    #[serde(default)]
    pub version: Option<i64>,
    /// Code, unique.
    pub code: String,
    /// Name of the road and stretch.
    pub name: String,
    /// Class of road.
    pub class: String,
    /// Which way it leads, in words (`về TP. Hưng Yên`).
    #[serde(default)]
    pub direction: String,
    /// Longitude and latitude of its points, the way traffic goes; 2 to 2000.
    pub line: Vec<[f64; 2]>,
    /// Free-flow speed, km/h; the class's when absent.
    #[serde(default)]
    pub free_speed: Option<f64>,
    /// Speed limit, km/h.
    #[serde(default)]
    pub speed_limit: Option<f64>,
    /// Lanes.
    #[serde(default = "one")]
    pub lanes: u32,
    /// Vehicles a kilometre and lane when it stands; the class's when absent.
    #[serde(default)]
    pub jam_density: Option<f64>,
    /// Unit that answers for it.
    #[serde(default)]
    pub unit: String,
    /// Codes of segments that follow; found by their ends when empty.
    #[serde(default)]
    pub downstream: Vec<String>,
    /// Detectors.
    #[serde(default)]
    pub detectors: Vec<Detector>,
    /// Where the readings come from, when they are not of this place.
    #[serde(default)]
    pub source: String,
    /// Whether it is in use.
    #[serde(default = "yes")]
    pub active: bool,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// A segment as stored.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = TrafficSegment)]
pub struct Segment {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Class.
    pub class: String,
    /// Which way it leads.
    pub direction: String,
    /// Its points.
    pub line: Vec<[f64; 2]>,
    /// Metres.
    pub length_m: f64,
    /// Free-flow speed, km/h.
    pub free_speed: f64,
    /// Speed limit.
    pub speed_limit: Option<f64>,
    /// Lanes.
    pub lanes: u32,
    /// Vehicles a kilometre and lane when it stands.
    pub jam_density: f64,
    /// Unit that answers for it; empty: none.
    pub unit: String,
    /// Commune code of its middle; empty when unknown.
    pub commune: String,
    /// Codes of segments that are declared to follow.
    pub downstream: Vec<String>,
    /// Detectors.
    pub detectors: Vec<Detector>,
    /// Where the readings come from, when not from here.
    pub source: String,
    /// Whether it is in use.
    pub active: bool,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Version.
    pub version: i64,
}

impl Segment {
    /// Its middle point.
    pub fn middle(&self) -> Point {
        let at = self.line.get(self.line.len() / 2).copied().unwrap_or_default();
        if self.line.len() == 2 {
            return Point { lon: (self.line[0][0] + self.line[1][0]) / 2.0, lat: (self.line[0][1] + self.line[1][1]) / 2.0 };
        }
        Point { lon: at[0], lat: at[1] }
    }
}

/// What the next hour will bring. Shown only when it was nearer to the truth than the naive words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = TrafficForecast)]
pub struct Forecast {
    /// Of what.
    pub measure: Measure,
    /// For when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Value.
    pub value: f64,
    /// Mean error on days it had not seen.
    pub error: f64,
    /// Mean error of "as it is now".
    pub error_last: f64,
    /// Mean error of "as a week ago".
    pub error_week: f64,
}

/// A segment now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = TrafficNow)]
pub struct Now {
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Speed, km/h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// True when the speed is reckoned from volume or occupancy, not measured.
    pub estimated: bool,
    /// Vehicles an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<f64>,
    /// Share of time covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occupancy: Option<f64>,
    /// Level.
    pub level: Level,
    /// Seconds to drive it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub travel_s: Option<f64>,
    /// Usual speed at this hour of the week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_speed: Option<f64>,
    /// Usual volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_volume: Option<f64>,
    /// The next hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Counts nothing while its neighbours flow: the detector may be out of order.
    pub doubtful: bool,
    /// Open incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub incident: Option<Uuid>,
}

/// A segment in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficSegmentRow)]
pub struct SegmentRow {
    /// The segment.
    #[serde(flatten)]
    pub segment: Segment,
    /// Unit that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_ref: Option<UnitRef>,
    /// Now.
    pub now: Now,
}

/// A quarter of an hour of a day: what was, and what is usual.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficDayPoint)]
pub struct DayPoint {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<f64>,
    /// Spread of the usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
}

/// A segment's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficSegmentView)]
pub struct SegmentView {
    /// The segment now.
    #[serde(flatten)]
    pub row: SegmentRow,
    /// What the day's course is of.
    pub measure: Measure,
    /// The day's course.
    pub day: Vec<DayPoint>,
    /// Segments before it.
    pub upstream: Vec<UnitRef>,
    /// Segments after it.
    pub next: Vec<UnitRef>,
    /// When the usual was reckoned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub usual_at: Option<Timestamp>,
}

/// What an incident is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficIncidentRow)]
pub struct IncidentRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Segment.
    #[schema(value_type = String)]
    pub segment: Uuid,
    /// Name of the segment.
    pub name: String,
    /// Which way.
    pub direction: String,
    /// Where.
    pub location: Point,
    /// What fell or rose.
    pub measure: Measure,
    /// To what.
    pub value: f64,
    /// From what is usual.
    pub usual: f64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Whether neighbours bear it out.
    pub confirmed: bool,
    /// Names of the neighbours that do.
    pub neighbours: Vec<String>,
    /// Published work on the segment at that time: no alarm is raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// `real` or `false`, as a person judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Who judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_why: Option<String>,
    /// Version.
    pub version: i64,
}

/// A person's judgement of an incident.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TrafficVerdictInput)]
pub struct VerdictInput {
    /// Version that was read.
    pub version: i64,
    /// Whether it is real.
    pub real: bool,
    /// Why, 3 to 300 characters.
    pub reason: String,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindQuery {
    /// Words.
    pub q: Option<String>,
    /// `open`, `closed`; all when absent.
    pub state: Option<String>,
    /// Rows wanted (default 50, at most 200).
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = TrafficImport)]
pub struct Import {
    /// Segments that are new.
    pub added: usize,
    /// Segments changed.
    pub changed: usize,
    /// Rows refused, at most 100.
    pub rejects: Vec<Reject>,
}

/// A row refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficReject)]
pub struct Reject {
    /// Line of the table, or number of the feature, from 1.
    pub line: usize,
    /// Why.
    pub detail: String,
}

/// The travel time of a route.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficTravelTime)]
pub struct TravelTime {
    /// Route.
    pub code: String,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Kilometres.
    pub km: f64,
    /// Seconds now; none when a segment is silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now_s: Option<f64>,
    /// Whether a part of it is reckoned from volume, not measured.
    pub estimated: bool,
    /// Usual seconds at this hour of the week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_s: Option<f64>,
    /// Seconds that nine of ten trips at this hour stay within.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90_s: Option<f64>,
    /// Segments whose speed is not known now.
    pub silent: usize,
    /// Whether the public sees it.
    pub public: bool,
}

/// What a sign can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = SignLetters)]
pub enum Letters {
    /// Vietnamese letters.
    Vietnamese,
    /// Plain Latin letters only.
    Plain,
}

/// A sign as it is handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInput {
    /// Version that was read; none for a new one.
    #[serde(default)]
    pub version: Option<i64>,
    /// Code, unique.
    pub code: String,
    /// Name and place.
    pub name: String,
    /// Device of the city model that is told.
    pub device: String,
    /// Command of its profile that takes the words in the parameter `text`.
    pub command: String,
    /// Lines, 1 to 8.
    pub lines: u32,
    /// Characters of a line, 4 to 40.
    pub chars: u32,
    /// Which letters it can show.
    pub letters: Letters,
    /// Where.
    pub location: Point,
    /// Codes of the segments it tells about.
    #[serde(default)]
    pub segments: Vec<String>,
    /// Unit that answers for it.
    #[serde(default)]
    pub unit: String,
    /// Whether it is in use.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A sign with what it shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TrafficSign)]
pub struct SignRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// As handed in.
    #[serde(flatten)]
    pub sign: SignInput,
    /// Lines it was told last; empty: dark.
    pub shown: Vec<String>,
    /// How far the last order got: `none`, `asked`, `sent`, `done`, `failed`.
    pub order_state: String,
    /// When it was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub order_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_why: Option<String>,
    /// Messages that wait for somebody.
    pub waiting: usize,
}

/// A message for a sign.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignMessageInput)]
pub struct MessageInput {
    /// Code in the library; none for free text.
    #[serde(default)]
    pub library: Option<String>,
    /// Lines; for a message of the library only those with places filled in, or empty to take it as it is.
    #[serde(default)]
    pub lines: Vec<String>,
    /// 1 (least) to 9.
    pub priority: u8,
    /// Minutes it stands, 1 to 10080.
    pub minutes: u32,
}

/// A message for a sign, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = SignMessage)]
pub struct Message {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Sign.
    #[schema(value_type = String)]
    pub sign: Uuid,
    /// Code in the library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Lines.
    pub lines: Vec<String>,
    /// 1 to 9.
    pub priority: u8,
    /// `proposed` (by the platform), `waiting` (for a second person), `approved`, `refused`, `ended`.
    pub state: String,
    /// Minutes it stands.
    pub minutes: u32,
    /// Until when it stands, once approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Why it was proposed.
    pub why: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Who approved or refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<String>,
    /// Version.
    pub version: i64,
}

/// A yes or no to a message.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignSettleInput)]
pub struct SettleInput {
    /// Version that was read.
    pub version: i64,
    /// Whether it may be shown; false also takes back one that stands.
    pub approve: bool,
}

/// How much of the road is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadClosure)]
pub enum Closure {
    /// Nothing.
    None,
    /// A lane.
    Lane,
    /// One direction.
    Direction,
    /// The whole road.
    Full,
}

/// What takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadWorkKind)]
pub enum WorkKind {
    /// Road works.
    Work,
    /// An event (procession, market, race).
    Event,
    /// A closure for other reasons.
    Closure,
}

/// Hours at which something recurs, local time; past midnight when `to` is before `from`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadWorkHours)]
pub struct Hours {
    /// From (`22:00:00`).
    #[schema(value_type = String)]
    pub from: Time,
    /// To.
    #[schema(value_type = String)]
    pub to: Time,
    /// Days of the week on which it begins, 1 = Monday; empty: every day.
    #[serde(default)]
    pub days: Vec<u8>,
}

/// Works or an event as handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadWorkInput)]
pub struct WorkInput {
    /// Version that was read; none for a new one.
    #[serde(default)]
    pub version: Option<i64>,
    /// What.
    pub kind: WorkKind,
    /// Title.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
    /// Codes of segments.
    #[serde(default)]
    pub segments: Vec<String>,
    /// A line, when it is on none of the segments, or on a part.
    #[serde(default)]
    pub line: Vec<[f64; 2]>,
    /// Commune code, when it is an area.
    #[serde(default)]
    pub area: String,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Only at these hours.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// What it closes.
    pub closes: Closure,
    /// Way around, in words for the public.
    #[serde(default)]
    pub detour: String,
    /// Unit that answers.
    pub unit: String,
    /// Office telephone or mail for the public; no person's.
    #[serde(default)]
    pub contact: String,
    /// Number of the permit.
    #[serde(default)]
    pub permit: String,
}

/// Works or an event.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RoadWork)]
pub struct WorkRow {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// As handed in.
    #[serde(flatten)]
    pub work: WorkInput,
    /// `draft`, `published`, `withdrawn`.
    pub state: String,
    /// Whether it goes on now.
    pub active: bool,
    /// Unit that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_ref: Option<UnitRef>,
    /// Others at the same place and time.
    pub conflicts: Vec<Conflict>,
    /// Who published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_by: Option<String>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// Another at the same place and time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadWorkConflict)]
pub struct Conflict {
    /// Which.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// The first time they meet.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Publishes works or takes them back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadWorkSettle)]
pub struct PublishInput {
    /// Version that was read.
    pub version: i64,
    /// Whether the public sees it.
    pub publish: bool,
}
