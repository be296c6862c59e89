//! The port to roads: how long a way is for a kind of vehicle, and which road is near. `traffic` implements it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::geo::Point;
use crate::{Result, Timestamp};

/// A way by road.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RoadWay)]
pub struct Way {
    /// Metres, with what lies between the points and the road.
    pub metres: f64,
    /// Seconds.
    pub seconds: u32,
    /// How it was reckoned: `road`.
    pub by: String,
}

/// A road near a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RoadNear)]
pub struct RoadNear {
    /// Name; empty when it has none.
    pub name: String,
    /// Number (`QL.39`); empty when it has none.
    pub number: String,
    /// Class of the road, a word of OpenStreetMap (`primary`).
    pub class: String,
    /// Who owns or maintains it: a code of the road register or of a pack; none when nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where the owner is known from: `register`, or `number` when it was only read off the road's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_by: Option<String>,
    /// Metres from the point.
    pub metres: f64,
}

/// Roads as they stand now.
#[async_trait]
pub trait Roads: Send + Sync {
    /// The ways of a kind of resource from many points to one at an instant, in their order. None where no road leads, and
    /// everywhere when there is no graph of roads.
    async fn ways(&self, kind: &str, from: &[Point], to: Point, at: Timestamp) -> Result<Vec<Option<Way>>>;

    /// Roads within so many metres of a point, the nearest first, at most 20; those of the road register first where there is one.
    /// From memory; never blocks.
    fn near(&self, point: Point, within_m: f64) -> Vec<RoadNear>;
}
