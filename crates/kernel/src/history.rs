//! The port to what was: observations in the lake. Domains see this trait; `lake` implements it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Observation, Result, Value};

/// One point of a series. For buckets `t` is the bucket's start and `value` its mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SeriesPoint)]
pub struct Point {
    /// Microseconds since 1970 UTC.
    pub t: i64,
    /// Value (mean for a bucket).
    #[schema(value_type = Object)]
    pub value: Value,
    /// Least value of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Rows in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Flags of [`crate::value::quality`], or-ed over the bucket.
    pub quality: u16,
}

/// Which part of a series is asked for.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// Entity URN.
    pub entity: String,
    /// Attribute, short name.
    pub attribute: String,
    /// From, inclusive (µs).
    pub from: i64,
    /// To, exclusive (µs).
    pub to: i64,
    /// Bucket width in seconds; none = raw points. Buckets are aligned to the epoch shifted by `offset` seconds.
    pub bucket_s: Option<u32>,
    /// Offset of local time from UTC in seconds (25 200 in Vietnam), for buckets of a day.
    pub offset_s: i32,
    /// At most so many points (newest kept when cut).
    pub limit: usize,
}

/// Bounds of a free query.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Rows at most.
    pub rows: usize,
    /// Wall time at most.
    pub seconds: u32,
}

/// A table of plain JSON values.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Table {
    /// Column names in order.
    pub columns: Vec<String>,
    /// Rows; each as long as `columns`.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<serde_json::Value>>,
    /// True when rows were cut at the limit.
    pub truncated: bool,
}

/// Observations kept for ever (or as long as retention says).
#[async_trait]
pub trait History: Send + Sync {
    /// Packs a batch into the bytes of one *pending batch* row (compressed Arrow IPC). At most 10 000 observations.
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>>;
    /// Reads such bytes back, for replay by rules.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Observation>>;
    /// The newest point of a series.
    async fn latest(&self, entity: &str, attribute: &str) -> Result<Option<Point>>;
    /// A stretch of a series in time order.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Point>>;
    /// The same, but the oldest points are kept when cut. Raw points only.
    async fn head(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        let mut points = self.series(&SeriesQuery { bucket_s: None, limit: usize::MAX, ..query.clone() }).await?;
        points.truncate(query.limit);
        Ok(points)
    }
    /// A read-only SQL query over the lake's tables (`observation`).
    async fn table(&self, sql: &str, limits: QueryLimits) -> Result<Table>;
}
