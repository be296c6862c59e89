//! The port to organisations and areas. `access` implements it from memory; calls never block.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::geo::Point;
use crate::{Permission, Result};

/// A reference to a unit that a screen can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnitRef {
    /// Unit id.
    pub id: String,
    /// Name in Vietnamese.
    pub name: String,
}

/// Where a point lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Commune code (5 digits).
    pub commune: String,
    /// Commune's full name (`Phường Thái Bình`).
    pub commune_name: String,
    /// Province code (2 digits).
    pub province: String,
    /// Province's full name.
    pub province_name: String,
}

/// Organisations and areas as they stand now.
pub trait Directory: Send + Sync {
    /// The commune at a point; none outside the loaded outlines.
    fn locate(&self, point: Point) -> Option<Place>;
    /// A commune by code.
    fn commune(&self, code: &str) -> Option<Place>;
    /// The organisation that handles `function` for an area: the nearest one upward from the commune that declares
    /// the function (`report`, `environment`, …); `None` when nobody does.
    fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef>;
    /// A unit's name.
    fn unit(&self, id: &str) -> Option<UnitRef>;
    /// True when `unit` is `ancestor` or stands below it.
    fn is_within(&self, unit: &str, ancestor: &str) -> bool;
    /// All current communes of a province: code and name.
    fn communes(&self, province: &str) -> Vec<UnitRef>;
    /// The province this installation serves (code).
    fn home(&self) -> String;
}

/// The port to the names and places of things, for domains that only know their URN.
pub trait Things: Send + Sync {
    /// Name and place of an entity; none when it is not (or no longer) there.
    fn brief(&self, entity: &str) -> Option<(String, Option<Point>)>;
    /// What the entity is related to by the relationship of this short name (`fedBy`), in its order.
    fn related(&self, _entity: &str, _relationship: &str) -> Vec<String> {
        Vec::new()
    }
    /// Entities of a type (short name), by id; at most `limit`.
    fn of_type(&self, _kind: &str, _limit: usize) -> Vec<String> {
        Vec::new()
    }
}

/// A person in office as a screen names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonRef {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name.
    pub name: String,
}

/// The port to people in office, for domains that choose among them. `access` implements it.
#[async_trait]
pub trait Staff: Send + Sync {
    /// Active people in office who hold `permission` over `unit`, by name; at most 500.
    async fn holders(&self, permission: Permission, unit: &str) -> Result<Vec<PersonRef>>;
}
