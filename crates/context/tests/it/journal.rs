//! What is durable: everything acknowledged and nothing else, on both engines.

use std::sync::Arc;

use dothi_context::Reading;
use dothi_kernel::{Event, Value as Val};
use dothi_store::testing::both;
use serde_json::{Value, json};

use crate::api::Api;
use crate::rig::PendingHistory;

fn reading(entity: &str, attribute: &str, value: f64, t: i64) -> Reading {
    Reading {
        entity: entity.into(),
        kind: "AirQualityObserved".into(),
        attribute: attribute.into(),
        value: Val::Number(value),
        unit: Some("GQ".into()),
        observed_at: t,
        quality: 0,
        location: None,
    }
}

const T0: i64 = 1_795_222_800_000_000;
const STATION: &str = "urn:ngsi-ld:AirQualityObserved:hy-1";

#[tokio::test]
async fn reopening_finds_exactly_what_was_acknowledged() {
    both(&[dothi_context::MIGRATIONS], async |store| {
        let mut api = Api::on(store).await;
        let shared = Arc::new(api);
        // Many writers at once, on the same entities, some of whom are refused.
        let tasks: Vec<_> = (0..8)
            .map(|w| {
                let api = shared.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for n in 0..20 {
                        let id = format!("urn:j:{}", (w * 20 + n) % 100);
                        if api.call("POST", "/entities", &json!({"id": id, "type": "J", "by": w})).await.status == 201 {
                            acknowledged.push(id.clone());
                        }
                        let name = format!("a{w}");
                        assert_eq!(api.call("POST", &format!("/entities/{id}/attrs"), &json!({name: n})).await.status, 204);
                    }
                    acknowledged
                })
            })
            .collect();
        let mut created = Vec::new();
        for task in tasks {
            created.extend(task.await.unwrap());
        }
        assert_eq!(created.len(), 100, "each entity was created once");
        api = Arc::into_inner(shared).unwrap();
        let before = api.get("/entities?type=J&limit=1000&options=sysAttrs").await.json();
        api.reopen().await;
        assert_eq!(api.get("/entities?type=J&limit=1000&options=sysAttrs").await.json(), before);
        assert_eq!(before.as_array().unwrap().len(), 100);
        let touched: usize = before.as_array().unwrap().iter().map(|e| e.as_object().unwrap().keys().filter(|k| k.starts_with('a')).count()).sum();
        assert_eq!(touched, 160, "no patch was lost");
        assert_eq!(api.call("DELETE", "/entities/urn:j:1", &Value::Null).await.status, 204);
        api.reopen().await;
        assert_eq!(api.context.size(), 99);
    })
    .await;
}

#[tokio::test]
async fn readings_are_history_and_latest_values() {
    both(&[dothi_context::MIGRATIONS], async |store| {
        let mut api = Api::on(store).await;
        let system = api.system();
        let history = PendingHistory(api.test.store.clone());
        let mut first = reading(STATION, "pm25", 35.0, T0);
        first.location = Some(dothi_kernel::geo::Point { lon: 106.5, lat: 20.5 });
        let done = api.context.ingest(&system, vec![first, reading(STATION, "pm10", 60.5, T0)]).await.unwrap();
        assert_eq!((done.accepted, done.late), (2, 0));
        let late = api.context.ingest(&system, vec![reading(STATION, "pm25", 99.0, T0 - 1), reading(STATION, "pm25", 36.0, T0 + 1)]).await.unwrap();
        assert_eq!((late.accepted, late.late), (2, 1));
        api.reopen().await;
        let entity = api.get(&format!("/entities/{STATION}")).await.json();
        assert_eq!(entity["pm25"], json!({"type": "Property", "value": 36, "unitCode": "GQ", "observedAt": "2026-11-21T01:00:00.000001Z"}));
        assert_eq!(entity["pm10"]["value"], 60.5);
        assert_eq!(entity["location"]["value"]["coordinates"], json!([106.5, 20.5]));
        let mut values: Vec<f64> = history.all().await.iter().map(|l| l.4.as_f64().unwrap()).collect();
        values.sort_by(f64::total_cmp);
        assert_eq!(values, [35.0, 36.0, 60.5, 99.0], "late ones are history too");
        let events = api.test.store.events_after(0, 100).await.unwrap();
        assert!(events.iter().any(|e| matches!(&e.event, Event::ObservationsAccepted { count: 2, .. })));
        assert!(events.iter().any(|e| matches!(&e.event, Event::EntityChanged { entities } if entities == &[STATION.to_string()])));
    })
    .await;
}

#[tokio::test]
async fn a_message_counts_once() {
    both(&[dothi_context::MIGRATIONS], async |store| {
        let mut api = Api::on(store).await;
        let system = api.system();
        for attempt in 0..3 {
            let done = api.context.ingest_message(&system, Some("dev-1/4711"), vec![reading(STATION, "pm25", 1.0, T0 + attempt)]).await.unwrap();
            assert_eq!(done.duplicate, attempt > 0);
            if attempt == 1 {
                api.reopen().await;
            }
        }
        assert_eq!(PendingHistory(api.test.store.clone()).all().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn writes_with_a_time_become_history() {
    let api = Api::new().await;
    let history = PendingHistory(api.test.store.clone());
    let at = |t: &str, v: Value| json!({"type": "Property", "value": v, "observedAt": t});
    api.create(&[json!({"id": STATION, "type": "AirQualityObserved", "pm25": at("2026-11-21T00:00:00Z", json!(12)), "note": at("2026-11-21T00:00:00Z", json!("ok")), "untimed": 1, "deep": at("2026-11-21T00:00:00Z", json!({"a": 1}))})]).await;
    api.call("PATCH", &format!("/entities/{STATION}/attrs"), &json!({"pm25": at("2026-11-21T01:00:00Z", json!(13))})).await;
    // The same again says nothing new.
    api.call("PATCH", &format!("/entities/{STATION}/attrs"), &json!({"pm25": at("2026-11-21T01:00:00Z", json!(13))})).await;
    let mut lines: Vec<(String, String, Value)> = history.all().await.into_iter().map(|l| (l.1, l.2, l.4)).collect();
    lines.sort_by(|a, b| (&a.1, a.2.to_string()).cmp(&(&b.1, b.2.to_string())));
    let kind = || "AirQualityObserved".to_string();
    assert_eq!(lines, [(kind(), "note".into(), json!("ok")), (kind(), "pm25".into(), json!(12.0)), (kind(), "pm25".into(), json!(13.0))]);
}

#[tokio::test]
async fn bad_readings_are_refused_whole() {
    let api = Api::new().await;
    let system = api.system();
    let mut rows = vec![("no-urn", "pm25", 1.0), (STATION, "", 1.0), (STATION, "a b", 1.0), (STATION, "pm25", f64::NAN)];
    for (entity, attribute, value) in rows.drain(..) {
        let good = reading(STATION, "pm25", 1.0, T0);
        assert!(api.context.ingest(&system, vec![good, reading(entity, attribute, value, T0)]).await.is_err(), "{entity} {attribute} {value}");
    }
    let many = vec![reading(STATION, "pm25", 1.0, T0); 10_001];
    assert_eq!(api.context.ingest(&system, many).await.unwrap_err().code(), "context.too-many-readings");
    assert_eq!(api.context.size(), 0);
}

/// An encoder that panics at one value.
struct Brittle(PendingHistory);

#[async_trait::async_trait]
impl dothi_kernel::History for Brittle {
    fn encode(&self, batch: &[dothi_kernel::Observation]) -> dothi_kernel::Result<Vec<u8>> {
        assert!(batch.iter().all(|o| o.value != Val::Number(13.0)), "thirteen");
        self.0.encode(batch)
    }
    fn decode(&self, bytes: &[u8]) -> dothi_kernel::Result<Vec<dothi_kernel::Observation>> {
        self.0.decode(bytes)
    }
    async fn latest(&self, entity: &str, attribute: &str) -> dothi_kernel::Result<Option<dothi_kernel::history::Point>> {
        self.0.latest(entity, attribute).await
    }
    async fn series(&self, query: &dothi_kernel::history::SeriesQuery) -> dothi_kernel::Result<Vec<dothi_kernel::history::Point>> {
        self.0.series(query).await
    }
    async fn table(&self, sql: &str, limits: dothi_kernel::history::QueryLimits) -> dothi_kernel::Result<dothi_kernel::history::Table> {
        self.0.table(sql, limits).await
    }
}

#[tokio::test]
async fn one_that_panics_takes_no_other_along() {
    let test = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
    let history = Arc::new(Brittle(PendingHistory(test.store.clone())));
    let context = dothi_context::Context::open(test.store.clone(), history, Arc::new(crate::api::OneCommune), Default::default()).await.unwrap();
    let system = dothi_kernel::Caller::system("test", test.clock.as_ref());
    let one = |value: f64| context.ingest(&system, vec![reading(&format!("urn:p:{value}"), "pm25", value, T0)]);
    let (a, b, c) = futures::join!(one(1.0), one(13.0), one(2.0));
    assert_eq!((a.map_err(|e| e.to_string()).map(|d| d.accepted), c.map_err(|e| e.to_string()).map(|d| d.accepted)), (Ok(1), Ok(1)));
    assert_eq!(b.unwrap_err().code(), "internal");
    assert!(one(3.0).await.is_ok(), "the writer goes on");
    assert_eq!(context.size(), 3);
}

#[tokio::test]
async fn what_was_staged_on_top_of_a_failed_batch_is_staged_anew() {
    let test = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
    let history = Arc::new(Brittle(PendingHistory(test.store.clone())));
    let context = dothi_context::Context::open(test.store.clone(), history, Arc::new(crate::api::OneCommune), Default::default()).await.unwrap();
    let system = dothi_kernel::Caller::system("test", test.clock.as_ref());
    // Each fills a batch, so that all are on their way at once; each but the second is sound.
    let many = |value: f64| (0..10_000).map(|i| reading(&format!("urn:s:{}", i % 50), "pm25", value, T0 + i)).collect::<Vec<_>>();
    let done = futures::future::join_all([1.0, 13.0, 2.0, 3.0, 13.0, 4.0].map(|value| context.ingest(&system, many(value)))).await;
    assert_eq!(done.iter().map(|d| d.as_ref().map_or(0, |d| d.accepted)).collect::<Vec<_>>(), [10_000, 0, 10_000, 10_000, 0, 10_000]);
    assert_eq!(context.entity(&system, "urn:s:7").unwrap().version, 4 * 200, "what failed left no trace");
    assert_eq!(PendingHistory(test.store.clone()).all().await.len(), 40_000);
}
