//! What a pack may say about roads: the vehicles with their speeds, and who owns which roads.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::set::{class_of, mode};

/// How far something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadStatus)]
pub enum Status {
    /// Read in the act itself.
    Confirmed,
    /// Read in a secondary source only: verify.
    Secondary,
    /// Our proposal.
    Proposed,
    /// Invented for showing the platform.
    Invented,
}

/// What a vehicle counts as on the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadMode)]
pub enum Mode {
    /// On foot.
    Foot,
    /// On a motorcycle.
    Motorcycle,
    /// In a car.
    Car,
    /// In a lorry.
    Truck,
    /// With a blue light.
    Emergency,
}

impl Mode {
    /// Its bit in [`mode`].
    pub fn bit(self) -> u8 {
        match self {
            Mode::Foot => mode::FOOT,
            Mode::Motorcycle => mode::MOTORCYCLE,
            Mode::Car => mode::CAR,
            Mode::Truck => mode::TRUCK,
            Mode::Emergency => mode::EMERGENCY,
        }
    }
}

/// A kind of vehicle, and how it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadVehicle)]
pub struct Vehicle {
    /// Code (`engine`).
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// What it counts as.
    pub mode: Mode,
    /// Kinds of resources that go by it; a kind that no vehicle names goes by the first.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Height, metres: bridges that are signed lower are no way for it.
    #[serde(default)]
    pub height_m: Option<f64>,
    /// Weight, tonnes.
    #[serde(default)]
    pub weight_t: Option<f64>,
    /// May be faster than the signs.
    #[serde(default)]
    pub over_limit: bool,
    /// Need not mind bans on turns.
    #[serde(default)]
    pub turns_free: bool,
    /// km/h by class of road; it does not pass classes that are not named.
    pub speed: BTreeMap<String, f64>,
    /// Act or document.
    #[serde(default)]
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
}

/// Who owns or maintains roads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoadOwner)]
pub struct Owner {
    /// Code (`national`), as the road register and routing rules write it.
    pub code: String,
    /// Name.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Beginnings of road numbers (`QL`): what such a number tells where no register does.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Act or document.
    #[serde(default)]
    pub source_act: String,
    /// How far it is known.
    pub status: Status,
}

/// What packs say about roads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoadsPack {
    /// Vehicles.
    pub vehicle: Vec<Vehicle>,
    /// Owners.
    pub owner: Vec<Owner>,
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl RoadsPack {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.vehicle.is_empty() && self.owner.is_empty()
    }

    /// Adds another pack's; what has the same code is taken from the later one.
    pub fn add(&mut self, other: RoadsPack) {
        for v in other.vehicle {
            self.vehicle.retain(|old| old.code != v.code);
            self.vehicle.push(v);
        }
        for o in other.owner {
            self.owner.retain(|old| old.code != o.code);
            self.owner.push(o);
        }
    }

    /// Its faults, in words.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut codes = BTreeSet::new();
        for v in &self.vehicle {
            let mut fault = |why: &str| faults.push(format!("vehicle `{}`: {why}", v.code));
            if !is_code(&v.code) || v.name.trim().is_empty() || !codes.insert(&v.code) {
                fault("needs a code of its own (a–z, 0–9, -) and a name");
            }
            if v.speed.is_empty() || v.speed.iter().any(|(class, kmh)| class_of(class).is_none() || !(1.0..=200.0).contains(kmh)) {
                fault("speeds are km/h (1 to 200) by a class of OpenStreetMap");
            }
            let fits = |value: Option<f64>, most: f64| value.is_none_or(|m| m > 0.0 && m <= most);
            if !fits(v.height_m, 20.0) || !fits(v.weight_t, 200.0) {
                fault("height is metres, weight is tonnes");
            }
        }
        let mut owners = BTreeSet::new();
        for o in &self.owner {
            let short = o.numbers.iter().all(|n| !n.trim().is_empty() && n.len() <= 10);
            if !is_code(&o.code) || o.name.trim().is_empty() || !owners.insert(&o.code) || !short {
                faults.push(format!("road owner `{}`: needs a code of its own, a name and beginnings of numbers", o.code));
            }
        }
        faults
    }

    /// The vehicle by which a kind of resource goes; the first when none names it. None without any vehicle.
    pub fn vehicle_for(&self, kind: &str) -> Option<&Vehicle> {
        let own = self.vehicle.iter().find(|v| v.code == kind);
        own.or_else(|| self.vehicle.iter().find(|v| v.serves.iter().any(|s| s == kind))).or(self.vehicle.first())
    }

    /// Who owns a road of this number, as far as its letters tell; the longest beginning counts.
    pub fn owner_by_number(&self, number: &str) -> Option<&Owner> {
        let fits = |n: &String| number.strip_prefix(n.as_str()).is_some_and(|rest| !rest.starts_with(char::is_alphabetic));
        let found = self.owner.iter().flat_map(|o| o.numbers.iter().filter(|n| fits(n)).map(move |n| (n.len(), o)));
        found.max_by_key(|(length, _)| *length).map(|(_, o)| o)
    }
}
