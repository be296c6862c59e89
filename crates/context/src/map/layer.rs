//! What a pack declares of a layer of the map.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Layers a pack may declare, and levels of a layer.
const LEVELS: usize = 24;

/// A layer of the map: things of some types with the value of one attribute, or shapes that another address gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MapLayer {
    /// Short name, in addresses (`air`).
    pub code: String,
    /// Title in Vietnamese.
    pub name: String,
    /// Title in English.
    #[serde(default)]
    pub name_en: String,
    /// Entity types, short names. Empty for a layer of shapes.
    #[serde(default)]
    pub types: Vec<String>,
    /// Attribute whose value is shown, short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// Unit or scale as people read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_text: Option<String>,
    /// Decimals of the value.
    #[serde(default)]
    pub digits: u8,
    /// Symbol of a thing: `round`, `square`, `diamond`, `drop`, `triangle` or `hexagon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Levels of the value in ascending order; the last whose `from` is reached, or the one whose `word` it is.
    #[serde(default, rename = "level", skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<MapLevel>,
    /// Where the scale comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_act: Option<String>,
    /// Whether the scale was checked against that: `confirmed`, `secondary` or `unconfirmed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Seconds for which a past value stands when no newer one came; the type's `silent_after` when left out, else an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands: Option<u32>,
    /// Things gather to clusters when the map is small.
    #[serde(default = "yes")]
    pub cluster: bool,
    /// May be drawn as heat.
    #[serde(default)]
    pub heat: bool,
    /// Zoom from which the layer is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_zoom: Option<f64>,
    /// Drawn when nobody chose otherwise.
    #[serde(default = "yes")]
    pub shown: bool,
    /// Its things move: their past values can't be shown where they are now.
    #[serde(default)]
    pub moves: bool,
    /// Address of ours (`/api/…`) that gives shapes as GeoJSON; each with `id`, `name` and `value`. It guards itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Seconds between two readings of the feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed_every: Option<u32>,
}

/// A level of a layer's scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MapLevel {
    /// Least value of the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// The value itself, for words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Colour, `#RRGGBB`.
    pub colour: String,
    /// One or two characters drawn on the symbol, so that colour never stands alone.
    pub mark: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    #[serde(default)]
    pub title_en: String,
}

fn yes() -> bool {
    true
}

impl MapLayer {
    /// Faults of what is declared.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let is_code = |c: &str| !c.is_empty() && c.len() <= 60 && c.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_code(&self.code) {
            faults.push("the code may have lower-case letters, digits and hyphens".into());
        }
        if self.name.trim().is_empty() {
            faults.push("has no name".into());
        }
        if self.types.is_empty() == self.feed.is_none() {
            faults.push("has either types or a feed".into());
        }
        if self.types.len() > 20 || self.types.iter().any(String::is_empty) {
            faults.push("at most 20 types, each with a name".into());
        }
        if self.feed.as_ref().is_some_and(|f| !f.starts_with("/api/") || f.contains("..")) {
            faults.push("the feed is an address below /api/".into());
        }
        if self.digits > 6 {
            faults.push("at most 6 digits".into());
        }
        if self.stands == Some(0) || self.feed_every.is_some_and(|s| s < 5) {
            faults.push("stands must be above 0, and feed_every at least 5".into());
        }
        if self.min_zoom.is_some_and(|z| !(0.0..=22.0).contains(&z)) {
            faults.push("min_zoom is between 0 and 22".into());
        }
        let symbols = ["round", "square", "diamond", "drop", "triangle", "hexagon"];
        if self.symbol.as_deref().is_some_and(|s| !symbols.contains(&s)) {
            faults.push(format!("the symbol is one of {}", symbols.join(", ")));
        }
        if self.status.as_deref().is_some_and(|s| !["confirmed", "secondary", "unconfirmed"].contains(&s)) {
            faults.push("the status is confirmed, secondary or unconfirmed".into());
        }
        if self.levels.len() > LEVELS {
            faults.push(format!("at most {LEVELS} levels"));
        }
        let is_colour = |c: &str| c.len() == 7 && c.starts_with('#') && c[1..].bytes().all(|b| b.is_ascii_hexdigit());
        for (i, level) in self.levels.iter().enumerate() {
            if level.from.is_some() == level.word.is_some() || level.from.is_some_and(|f| !f.is_finite()) {
                faults.push(format!("level {}: has either from or word", i + 1));
            }
            if !is_colour(&level.colour) {
                faults.push(format!("level {}: the colour is #RRGGBB", i + 1));
            }
            if level.title.trim().is_empty() || !(1..=2).contains(&level.mark.chars().count()) {
                faults.push(format!("level {}: needs a title and a mark of one or two characters", i + 1));
            }
        }
        if !self.levels.iter().filter_map(|l| l.from).is_sorted_by(|a, b| a < b) {
            faults.push("the levels must be in ascending order".into());
        }
        faults
    }
}
