//! Roads as a screen sees them.

use dothi_kernel::Timestamp;
use dothi_kernel::geo::Point;
use dothi_kernel::roads::RoadNear;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::pack::{Owner, Vehicle};
use super::read::{Format, Taken};

/// Which of the two sets of roads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadsSlot)]
pub enum Slot {
    /// The network on which ways are searched.
    Network,
    /// The province's own register: who owns which road. It serves as the network, too, where there is none.
    Register,
}

impl Slot {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Slot::Network => "network",
            Slot::Register => "register",
        }
    }
}

/// What to know about a set of roads that is handed in.
#[derive(Debug, Clone, PartialEq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SetInput {
    /// Which set it becomes: `network` or `register`.
    #[param(value_type = String)]
    pub slot: Slot,
    /// How it is written; what the file's name tells when left out.
    #[param(value_type = Option<String>)]
    pub format: Option<Format>,
    /// The file's name.
    pub file: String,
    /// Where it is from (`© OpenStreetMap contributors`).
    pub source: String,
    /// Its licence (`ODbL 1.0`).
    pub licence: String,
    /// The day whose roads it shows.
    #[param(value_type = String, format = Date)]
    pub taken_on: Date,
}

/// A set of roads that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RoadsSet)]
pub struct SetView {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Which set.
    pub slot: Slot,
    /// Where it is from; shown with every map and answer.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// The day whose roads it shows.
    #[schema(value_type = String, format = Date)]
    pub taken_on: Date,
    /// The file's name.
    pub file: String,
    /// SHA-256 of what is kept.
    pub sha256: String,
    /// When it was handed in.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What was taken and left out.
    pub taken: Taken,
    /// Pieces between junctions.
    pub pieces: u64,
    /// Kilometres of road.
    pub km: f64,
    /// West, south, east, north.
    pub bbox: [f64; 4],
    /// Bytes in memory.
    pub bytes: u64,
    /// Bans on turns that name no one turn and are not kept.
    pub unclear: u64,
}

/// Roads as they stand.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadsState)]
pub struct RoadsState {
    /// The network; none without.
    pub network: Option<SetView>,
    /// The register; none without.
    pub register: Option<SetView>,
    /// Vehicles.
    pub vehicles: Vec<Vehicle>,
    /// Owners.
    pub owners: Vec<Owner>,
    /// Pieces (directions apart) over which a closure or a live speed lies.
    pub changed: usize,
}

/// A place as it is written in an address: `106.29,20.46`.
pub(crate) fn place(text: &str) -> dothi_kernel::Result<Point> {
    let bad = || dothi_kernel::Error::invalid("roads.place", "A place is longitude,latitude in degrees.");
    let (lon, lat) = text.split_once(',').ok_or_else(bad)?;
    Point::new(lon.trim().parse().map_err(|_| bad())?, lat.trim().parse().map_err(|_| bad())?)
}

/// A route wanted.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RouteQuery {
    /// From: `lon,lat`.
    pub from: String,
    /// To: `lon,lat`.
    pub to: String,
    /// Vehicle, or a kind of resource; the first vehicle when left out.
    pub vehicle: Option<String>,
}

/// A step of a route: as long as the road has one name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RouteStep)]
pub struct Step {
    /// Name; empty when it has none.
    pub name: String,
    /// Number.
    pub number: String,
    /// Class.
    pub class: String,
    /// Metres.
    pub metres: f64,
    /// Seconds.
    pub seconds: u32,
    /// Where it begins in the line: index of its first point.
    pub begins: u32,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadRoute)]
pub struct RouteView {
    /// Vehicle it was reckoned for.
    pub vehicle: String,
    /// Metres, with what lies between the places and the road.
    pub metres: f64,
    /// Seconds.
    pub seconds: u32,
    /// Metres from the first place to the road.
    pub before_m: f64,
    /// Metres from the road to the second place.
    pub after_m: f64,
    /// Its line: longitude, latitude.
    pub line: Vec<[f64; 2]>,
    /// Steps.
    pub steps: Vec<Step>,
    /// Where the roads are from, and their licence.
    pub source: String,
}

/// What is reached.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReachQuery {
    /// The place: `lon,lat`.
    pub at: String,
    /// Minutes, at most 60.
    pub minutes: f64,
    /// Vehicle, or a kind of resource.
    pub vehicle: Option<String>,
    /// From where the place is reached, instead of what is reached from it.
    #[serde(default)]
    pub toward: bool,
}

/// Roads reached within a time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadReach)]
pub struct ReachView {
    /// Vehicle.
    pub vehicle: String,
    /// Minutes.
    pub minutes: f64,
    /// Kilometres of road, each road once.
    pub km: f64,
    /// Lines; longitude, latitude.
    pub lines: Vec<Vec<[f64; 2]>>,
    /// Whether there were more lines than are given (20,000).
    pub cut: bool,
    /// Where the roads are from.
    pub source: String,
}

/// Which roads lie near.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MatchQuery {
    /// The place: `lon,lat`.
    pub at: String,
    /// Metres, at most 1,000 (default 50).
    pub within: Option<f64>,
}

/// Roads near a place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadMatch)]
pub struct MatchView {
    /// The nearest first.
    pub roads: Vec<RoadNear>,
    /// Where they are from.
    pub source: String,
}

/// Ways wanted: all of the first to all of the second.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadTimes)]
pub struct TimesInput {
    /// From: at most 200 places.
    pub from: Vec<Point>,
    /// To: at most 20 places.
    pub to: Vec<Point>,
    /// Vehicle, or a kind of resource.
    #[serde(default)]
    pub vehicle: Option<String>,
}

/// What ways take.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadTimesView)]
pub struct TimesView {
    /// Vehicle.
    pub vehicle: String,
    /// By place gone to, then by place come from: seconds; none where no road leads.
    pub seconds: Vec<Vec<Option<u32>>>,
    /// The same in metres.
    pub metres: Vec<Vec<Option<f64>>>,
    /// Where the roads are from.
    pub source: String,
}

/// Roads on a map.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LinesQuery {
    /// `west,south,east,north`; at most half a degree a side.
    pub bbox: String,
    /// The least important class wanted (`tertiary`); all when left out.
    pub to: Option<String>,
    /// `network` (the usual) or `register`.
    #[param(value_type = Option<String>)]
    pub slot: Option<Slot>,
}

/// A closure by hand.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CloseRoad)]
pub struct ClosureInput {
    /// Where: one point for the piece of road beside it, or points along the road (at most 50).
    pub line: Vec<Point>,
    /// Why, for all to read.
    pub reason: String,
    /// Both directions; otherwise the one in which the points lie.
    #[serde(default)]
    pub both: bool,
    /// From when; now when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Until when; until somebody opens it when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Vehicles that pass all the same.
    #[serde(default)]
    pub pass: Vec<String>,
}

/// A closure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RoadClosed)]
pub struct Closure {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Where.
    pub line: Vec<Point>,
    /// Why.
    pub reason: String,
    /// Both directions.
    pub both: bool,
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Vehicles that pass.
    pub pass: Vec<String>,
    /// By whom.
    pub by: String,
    /// When it was entered.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A closure with where it lies on the roads that are loaded.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RoadClosureView)]
pub struct ClosureView {
    /// The closure.
    #[serde(flatten)]
    pub closure: Closure,
    /// Metres of road that it closes, directions apart; 0 when no road was found there.
    pub metres: f64,
}

/// A closure that another part of the domain knows of (road works).
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Key, unique among those of its source.
    pub key: String,
    /// Where.
    pub line: Vec<Point>,
    /// Both directions.
    pub both: bool,
    /// From; always when none.
    pub from: Option<Timestamp>,
    /// Until; for ever when none.
    pub to: Option<Timestamp>,
    /// Vehicles that pass.
    pub pass: Vec<String>,
}
