//! The lake against plain lists, crashes, foreign readers and old files.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod corrections;
mod cost;
mod crash;
mod delta;
mod duck;
mod golden;
mod hold;
mod model;
mod pg;
mod saved;
mod sql;
mod steps;

use std::sync::Arc;

use dothi_kernel::history::{History, QueryLimits, SeriesQuery};
use dothi_kernel::{Caller, Observation, Value};
use dothi_lake::{Lake, MIGRATIONS};
use dothi_store::testing::TestStore;

pub const LIMITS: QueryLimits = QueryLimits { rows: 1_000, seconds: 60 };
/// 2026-11-21T00:00:00Z.
pub const DAY: i64 = 1_795_219_200_000_000;
pub const HOUR: i64 = 3_600_000_000;

pub fn schema() -> [&'static [dothi_store::Migration]; 1] {
    [MIGRATIONS]
}

pub fn observation(entity: &str, attribute: &str, t: i64, value: Value) -> Observation {
    Observation {
        entity: format!("urn:ngsi-ld:AirQualityObserved:{entity}").into(),
        kind: "AirQualityObserved".into(),
        attribute: attribute.into(),
        t,
        value,
        unit: Some("GQ".into()),
        quality: 0,
        area: Some("12345".into()),
    }
}

pub fn number(entity: &str, t: i64, x: f64) -> Observation {
    observation(entity, "pm25", t, Value::Number(x))
}

/// Makes a batch durable, as ingest does.
pub async fn put(store: &TestStore, lake: &Lake, batch: &[Observation]) {
    if batch.is_empty() {
        return;
    }
    // Ids sort by time: a batch later by a moment arrives later.
    store.clock.advance_seconds(1);
    let caller = Caller::system("test", store.clock().as_ref());
    let bytes = lake.encode(batch).unwrap();
    let mut tx = store.begin(&caller).await.unwrap();
    let (first, last) = (batch.iter().map(|o| o.t).min().unwrap(), batch.iter().map(|o| o.t).max().unwrap());
    tx.put_pending(batch.len() as u32, first, last, bytes).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn open(store: &TestStore) -> Arc<Lake> {
    Arc::new(Lake::open(store.store.clone()).await.unwrap())
}

pub fn raw(entity: &str, from: i64, to: i64) -> SeriesQuery {
    SeriesQuery { entity: format!("urn:ngsi-ld:AirQualityObserved:{entity}"), attribute: "pm25".into(), from, to, bucket_s: None, offset_s: 0, limit: 10_000 }
}

pub async fn count(lake: &Lake) -> i64 {
    lake.table("select count(*) from observation", LIMITS).await.unwrap().rows[0][0].as_i64().unwrap()
}
