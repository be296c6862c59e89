//! Tests of the domain over both engines, with the rules of pack `traffic`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod flow;
mod real;
mod reckoning;
mod roads;
mod roads_graph;
mod roads_real;
mod signs;
mod works;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dothi_kernel::calendar::{DayKind, WorkCalendar};
use dothi_kernel::geo::Point;
use dothi_kernel::history::{Point as Reading, QueryLimits, SeriesQuery, Table};
use dothi_kernel::{Caller, CallerKind, Clock, Directory, Error, Event, EventRecord, Grant, History, Observation, Permission, Place, Result, UnitRef, Value};
use dothi_store::JobRunner;
use dothi_store::testing::TestStore;
use dothi_traffic::model::{FindQuery, IncidentRow, SegmentInput, SegmentRow};
use dothi_traffic::pack::TrafficPack;
use dothi_traffic::{Around, Fate, MIGRATIONS, Traffic};
use jiff::civil::{date, time};
use serde_json::{Value as Json, json};
use uuid::Uuid;

pub const SECOND: i64 = 1_000_000;
pub const QUARTER: i64 = 900 * SECOND;

/// Observations as they were encoded; buckets are the mean of their readings.
#[derive(Default)]
pub struct Memory(Mutex<Vec<Vec<Observation>>>);

#[async_trait]
impl History for Memory {
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>> {
        let mut batches = self.0.lock().unwrap();
        batches.push(batch.to_vec());
        Ok((batches.len() - 1).to_string().into_bytes())
    }
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Observation>> {
        let n: usize = String::from_utf8_lossy(bytes).parse().unwrap();
        Ok(self.0.lock().unwrap()[n].clone())
    }
    async fn latest(&self, _: &str, _: &str) -> Result<Option<Reading>> {
        Ok(None)
    }
    async fn series(&self, q: &SeriesQuery) -> Result<Vec<Reading>> {
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        let width = i64::from(q.bucket_s.unwrap()) * SECOND;
        for o in self.0.lock().unwrap().iter().flatten().filter(|o| *o.entity == *q.entity && *o.attribute == *q.attribute && (q.from..q.to).contains(&o.t)) {
            buckets.entry(o.t / width * width).or_default().push(o.value.number().unwrap());
        }
        let mean = |v: &Vec<f64>| Value::Number(v.iter().sum::<f64>() / v.len() as f64);
        Ok(buckets.iter().map(|(t, v)| Reading { t: *t, value: mean(v), min: None, max: None, count: None, quality: 0 }).collect())
    }
    async fn table(&self, _: &str, _: QueryLimits) -> Result<Table> {
        Err(Error::internal("asking a table", "no table here"))
    }
}

/// Two communes, each with its unit.
struct Map;

impl Directory for Map {
    fn locate(&self, p: Point) -> Option<Place> {
        self.commune(if p.lat > 20.5 { "11953" } else { "13225" })
    }
    fn commune(&self, code: &str) -> Option<Place> {
        let place = |n: &str| Place { commune: code.into(), commune_name: n.into(), province: "33".into(), province_name: "Tỉnh Hưng Yên".into() };
        ["13225", "11953"].contains(&code).then(|| place(&format!("Phường {code}")))
    }
    fn organisation_for(&self, area: &str, _: &str) -> Option<UnitRef> {
        self.unit(&format!("ubnd-{area}"))
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        ["ubnd-13225", "ubnd-11953"].contains(&id).then(|| UnitRef { id: id.into(), name: id.into() })
    }
    fn is_within(&self, unit: &str, ancestor: &str) -> bool {
        unit == ancestor
    }
    fn communes(&self, _: &str) -> Vec<UnitRef> {
        Vec::new()
    }
    fn home(&self) -> String {
        "33".into()
    }
}

/// Attribute, value, and when in µs.
type Latest = (String, f64, i64);

/// What the city model and the devices say.
#[derive(Default)]
pub struct City {
    pub latest: Mutex<HashMap<String, Vec<Latest>>>,
    pub fates: Mutex<HashMap<Uuid, Fate>>,
}

#[async_trait]
impl Around for City {
    fn latest(&self, entity: &str) -> Vec<(String, f64, i64)> {
        self.latest.lock().unwrap().get(entity).cloned().unwrap_or_default()
    }
    async fn fate(&self, command: Uuid) -> Result<Option<Fate>> {
        Ok(self.fates.lock().unwrap().get(&command).cloned())
    }
}

/// Hà Nội, Monday to Friday; the first of May is off, and so is the fourth of March 2026 (a Wednesday).
pub fn calendar() -> Arc<WorkCalendar> {
    let special = BTreeMap::from([(date(2026, 3, 4), DayKind::Off), (date(2026, 5, 1), DayKind::Off)]);
    let days = [1, 2, 3, 4, 5].map(|d| jiff::civil::Weekday::from_monday_one_offset(d).unwrap());
    Arc::new(WorkCalendar::new("Asia/Ho_Chi_Minh", vec![(time(8, 0, 0, 0), time(17, 0, 0, 0))], &days, special).unwrap())
}

pub fn pack() -> TrafficPack {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/traffic/traffic");
    let files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap()))
        .collect();
    TrafficPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub struct App {
    pub store: TestStore,
    pub traffic: Arc<Traffic>,
    pub history: Arc<Memory>,
    pub city: Arc<City>,
}

impl App {
    pub async fn new(store: TestStore) -> Self {
        let (history, city) = (Arc::new(Memory::default()), Arc::new(City::default()));
        let traffic = Traffic::open(store.store.clone(), history.clone(), Arc::new(Map), city.clone(), calendar()).await.unwrap();
        let app = Self { store, traffic: Arc::new(traffic), history, city };
        app.traffic.install(&app.system(), "traffic", pack()).await.unwrap();
        app
    }

    /// The program ends and begins again on the same data.
    pub async fn again(self) -> Self {
        let traffic = Traffic::open(self.store.store.clone(), self.history.clone(), Arc::new(Map), self.city.clone(), calendar()).await.unwrap();
        Self { traffic: Arc::new(traffic), ..self }
    }

    pub fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

    pub fn now(&self) -> i64 {
        self.store.clock.now().as_microsecond()
    }

    pub fn staff(&self, name: &str, units: &[&str], permissions: &[Permission]) -> Caller {
        let covered: BTreeSet<String> = units.iter().map(|u| (*u).to_string()).collect();
        let grant = Grant {
            role: name.into(),
            unit: "ubnd-33".into(),
            permissions: permissions.iter().copied().collect(),
            units: (!units.is_empty()).then(|| Arc::new(covered)),
            sectors: None,
        };
        Caller { kind: CallerKind::Staff, id: Some(self.store.clock.id()), name: name.into(), grants: Arc::new([grant]), ..self.system() }
    }

    /// Segments `a` → `b` → `c` → … southward, one detector each, of one unit.
    pub async fn road(&self, codes: &[&str]) -> Vec<SegmentRow> {
        let mut made = Vec::new();
        for (n, code) in codes.iter().enumerate() {
            let (from, to) = (20.46 - 0.01 * n as f64, 20.45 - 0.01 * n as f64);
            made.push(self.segment(json!({"code": code, "line": [[106.3, from], [106.3, to]]})).await);
        }
        made
    }

    pub async fn segment(&self, more: Json) -> SegmentRow {
        self.traffic.put_segment(&self.system(), None, segment(more)).await.unwrap()
    }

    /// A batch as the city model stores it: values of detectors at one instant.
    pub async fn tell(&self, attribute: &str, t: i64, values: &[(&str, f64)]) {
        let all = values.iter().map(|(code, v)| observation(code, attribute, t, *v)).collect();
        self.batch(all).await;
    }

    pub async fn batch(&self, all: Vec<Observation>) {
        let (from, to) = (all.iter().map(|o| o.t).min().unwrap(), all.iter().map(|o| o.t).max().unwrap());
        let bytes = self.history.encode(&all).unwrap();
        let mut tx = self.store.store.begin_as("test").await.unwrap();
        let id = tx.put_pending(all.len() as u32, from, to, bytes).await.unwrap();
        tx.commit().await.unwrap();
        let event = Event::ObservationsAccepted { batch: id, count: all.len() as u32 };
        self.traffic.replay(&EventRecord { seq: 1, at: self.store.clock.now(), event }).await.unwrap();
    }

    /// Weeks of a quiet road in history: 50 km/h and 600 vehicles an hour with a little life in them, and the usual of it.
    pub async fn live_weeks(&self, codes: &[&str]) {
        let now = self.now();
        for code in codes {
            let course = |attribute: &str, middle: f64| {
                (1..=6 * 7 * 96).map(|n| observation(code, attribute, now - n * QUARTER, middle + f64::from((n % 5) as i32 - 2))).collect::<Vec<_>>()
            };
            self.history.encode(&course("averageVehicleSpeed", 50.0)).unwrap();
            self.history.encode(&course("intensity", 600.0)).unwrap();
        }
        self.traffic.ask_usual(&self.system()).await.unwrap();
        self.run_jobs().await;
    }

    pub async fn run_jobs(&self) {
        let runner = self.traffic.clone().jobs(JobRunner::new(self.store.store.clone()));
        runner.run_due(20).await.unwrap();
    }

    pub async fn incidents(&self, state: &str) -> Vec<IncidentRow> {
        let query = FindQuery { state: Some(state.into()), ..FindQuery::default() };
        self.traffic.incidents(&self.system(), &query).await.unwrap().items
    }

    pub async fn row(&self, code: &str) -> SegmentRow {
        let query = FindQuery { q: Some(code.into()), ..FindQuery::default() };
        self.traffic.segments(&self.system(), &query).await.unwrap().items.into_iter().find(|s| s.segment.code == code).unwrap()
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.store.events_after(0, 1_000).await.unwrap().into_iter().map(|r| r.event).collect()
    }

    pub fn wait(&self, seconds: i64) {
        self.store.clock.advance_seconds(seconds);
    }
}

pub fn segment(more: Json) -> SegmentInput {
    let code = more["code"].as_str().unwrap_or("x").to_string();
    let mut input = json!({"code": code, "name": format!("Đường {code}"), "class": "primary", "unit": "ubnd-13225", "line": [[106.3, 20.46], [106.3, 20.45]],
        "detectors": [{"entity": format!("urn:ngsi-ld:TrafficFlowObserved:{code}")}]});
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    serde_json::from_value(input).unwrap()
}

pub fn observation(code: &str, attribute: &str, t: i64, value: f64) -> Observation {
    Observation {
        entity: format!("urn:ngsi-ld:TrafficFlowObserved:{code}").into(),
        kind: "TrafficFlowObserved".into(),
        attribute: attribute.into(),
        t,
        value: Value::Number(value),
        unit: None,
        quality: 0,
        area: None,
    }
}

pub const SCHEMA: &[&[dothi_store::Migration]] = &[MIGRATIONS];
