//! What is measured: values and observations.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A measured or stated value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Truth value.
    Bool(bool),
    /// Number; unit beside it in UN/CEFACT code.
    Number(f64),
    /// Text or code.
    Text(Arc<str>),
}

impl Value {
    /// The number, when it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => Some(*n),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            Value::Text(_) => None,
        }
    }
}

/// Quality flags of an observation; bits can be combined. 0 is good.
pub mod quality {
    /// Outside the range the device profile declares.
    pub const RANGE: u16 = 1;
    /// Changed faster than the profile allows.
    pub const RATE: u16 = 2;
    /// Same value for longer than the profile allows.
    pub const STUCK: u16 = 4;
    /// The source's clock disagrees with ours; the time is that of arrival, or as stated where the profile says so.
    pub const CLOCK: u16 = 8;
    /// Replayed or simulated for demonstration.
    pub const REPLAYED: u16 = 16;
    /// The first value after a longer silence than the series usually has.
    pub const GAP: u16 = 32;
    /// Not a value: takes the point of this series and instant out of history.
    pub const DELETED: u16 = 64;
}

/// One value of one attribute of one entity at one instant. One row of the lake.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Entity URN.
    pub entity: Arc<str>,
    /// Entity type, short name as the packs declare it (`AirQualityObserved`).
    pub kind: Arc<str>,
    /// Attribute, short name as the packs declare it (`pm25`).
    pub attribute: Arc<str>,
    /// Phenomenon time, microseconds since 1970 UTC.
    pub t: i64,
    /// The value.
    pub value: Value,
    /// UN/CEFACT unit code (`GQ` = µg/m³).
    pub unit: Option<Arc<str>>,
    /// Flags of [`quality`].
    pub quality: u16,
    /// Commune code of the place, when known (5 digits).
    pub area: Option<Arc<str>>,
}
