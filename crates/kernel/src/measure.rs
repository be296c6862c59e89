//! The port by which indicators ask other domains for figures, and can show the rows behind them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Result, Timestamp};

/// What is measured over which time and place.
#[derive(Debug, Clone)]
pub struct MeasureQuery {
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Area code: a province or a commune; none = everything.
    pub area: Option<String>,
}

/// A row behind a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// What it is (`Phản ánh HY-7K3M`).
    pub label: String,
    /// Screen that shows it (`/r/HY-7K3M`).
    pub link: String,
    /// Whether it counts in the numerator.
    pub counts: bool,
}

/// A figure with what it was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measure {
    /// Numerator (or the plain figure).
    pub numerator: f64,
    /// Denominator; none for a plain figure. 0 means there was nothing to measure.
    pub denominator: Option<f64>,
    /// Up to 200 rows it was made of.
    pub rows: Vec<Evidence>,
}

/// A domain's figures, by name (`cases.answered-public`).
#[async_trait]
pub trait Measures: Send + Sync {
    /// Names this source can compute.
    fn names(&self) -> Vec<&'static str>;
    /// Computes one; 422 `measure.unknown` for a name it does not have.
    async fn measure(&self, name: &str, query: &MeasureQuery) -> Result<Measure>;
}
