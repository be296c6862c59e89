//! How alarms are treated: classes, causes, and the figures of good practice. All of it is data of packs.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::event::Severity;
use dothi_kernel::geo::Geometry;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pack::{Reference, Status, is_name};

/// Code of the reference data that holds the figures.
pub const REFERENCE: &str = "alarm-practice";
/// Longest text of a reason, characters.
pub(crate) const REASON: usize = 500;

/// What kind of matter an alarm is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassDef {
    /// Code (`fire`).
    pub code: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Lives are at stake: never shelved, muted or folded.
    #[serde(default)]
    pub life_safety: bool,
}

/// Which relationship leads from a thing to what may be the cause of its alarms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseDef {
    /// Relationship from the child to its parent, short name (`fedBy`); `area` stands for the commune.
    pub along: String,
    /// Classes of alarms that show the loss of a child.
    pub classes: Vec<String>,
    /// Class of the parent's alarm.
    pub class: String,
    /// More children than so many,
    pub children: u32,
    /// lost within so many seconds, are one cause.
    pub within: u32,
    /// Severity of the parent's alarm.
    pub severity: Severity,
    /// Sector of the parent's alarm.
    pub sector: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// How sure we are of the figures.
    pub status: Status,
    /// Who answers for them.
    pub owner: String,
}

/// A place that rules speak of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FenceDef {
    /// Code.
    pub code: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Outline: longitude and latitude of 3 to 1 000 corners.
    pub polygon: Vec<(f64, f64)>,
}

impl FenceDef {
    /// The outline; a sentence when it is none.
    pub fn outline(&self) -> Result<Geometry, String> {
        if !(3..=1_000).contains(&self.polygon.len()) {
            return Err("an outline has 3 to 1 000 corners".into());
        }
        let mut ring: Vec<[f64; 2]> = self.polygon.iter().map(|(lon, lat)| [*lon, *lat]).collect();
        ring.extend(ring.first().copied());
        Geometry::from_geojson(&serde_json::json!({ "type": "Polygon", "coordinates": [ring] })).map_err(|e| e.to_string())
    }
}

/// The word that stands for the commune instead of a relationship.
pub(crate) const BY_AREA: &str = "area";

/// Classes and causes of all packs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Policy {
    pub classes: Vec<ClassDef>,
    pub causes: Vec<CauseDef>,
    pub fences: Vec<FenceDef>,
}

impl Policy {
    pub fn is_life_safety(&self, class: &str) -> bool {
        self.classes.iter().any(|c| c.code == class && c.life_safety)
    }

    /// Everything wrong with the declarations of one pack.
    pub fn faults(&self) -> Vec<String> {
        let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
        for class in &self.classes {
            if class.code.is_empty() || class.code.len() > 40 || class.title.is_empty() || class.title_en.is_empty() {
                faults.push(format!("class `{}`: code, title and title_en must be filled", class.code));
            }
            if !seen.insert(&class.code) {
                faults.push(format!("class `{}`: declared twice", class.code));
            }
        }
        for fence in &self.fences {
            if fence.code.is_empty() || fence.title.is_empty() || fence.title_en.is_empty() {
                faults.push(format!("fence `{}`: code, title and title_en must be filled", fence.code));
            }
            if let Err(why) = fence.outline() {
                faults.push(format!("fence `{}`: {why}", fence.code));
            }
        }
        for cause in &self.causes {
            let mut fault = |why: &str| faults.push(format!("cause `{}`: {why}", cause.along));
            if !is_name(&cause.along) {
                fault("`along` must be a plain name");
            }
            if cause.classes.is_empty() || cause.class.is_empty() || cause.title.is_empty() || cause.title_en.is_empty() {
                fault("classes, class, title and title_en must be filled");
            }
            if cause.children == 0 || cause.children > 10_000 || cause.within == 0 || cause.within > 86_400 {
                fault("`children` is 1 to 10 000 and `within` 1 to 86 400 seconds");
            }
            if self.is_life_safety(&cause.class) || cause.classes.iter().any(|c| self.is_life_safety(c)) {
                fault("alarms of life-safety classes are never muted and so have no cause");
            }
        }
        faults
    }
}

/// A figure of good practice with where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Target {
    /// Key (`per-day/most`).
    pub key: String,
    /// Value.
    pub value: f64,
    /// How sure we are.
    pub status: Status,
}

/// The figures that hold today; what no pack declares is not judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Practice {
    figures: BTreeMap<String, (f64, Status)>,
    source: String,
}

impl Practice {
    /// The figures valid on a day.
    pub fn of(reference: &[Reference], on: Date) -> Self {
        let sets = || reference.iter().filter(|r| r.code == REFERENCE);
        let valid = sets().flat_map(|r| &r.limits).filter(|l| l.valid_from <= on && l.valid_to.is_none_or(|to| on <= to));
        Self { figures: valid.map(|l| (l.key.clone(), (l.value, l.status))).collect(), source: sets().map(|r| r.source_act.clone()).next().unwrap_or_default() }
    }

    /// A figure.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.figures.get(key).map(|(value, _)| *value)
    }

    /// A figure in whole units.
    pub fn whole(&self, key: &str) -> Option<i64> {
        self.get(key).filter(|v| v.is_finite() && *v >= 0.0).map(|v| v as i64)
    }

    /// All of them, by key.
    pub fn targets(&self) -> Vec<Target> {
        self.figures.iter().map(|(key, (value, status))| Target { key: key.clone(), value: *value, status: *status }).collect()
    }

    /// Where they come from.
    pub fn source(&self) -> &str {
        &self.source
    }
}
