//! A feeder goes down and everything that hangs on it raises an alarm: how many lines an operator is left with, and how long
//! it takes until they are there.

use std::sync::Arc;
use std::time::Instant;

use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Clock, Directory, History, Observation, Place, SystemClock, Things, UnitRef, Value};
use dothi_lake::Lake;
use dothi_rules::Rules;
use dothi_rules::model::AlarmQuery;
use dothi_rules::pack::RulesPack;
use dothi_store::{Settings, Store};

/// Lamps of one cabinet; cabinets of one feeder are as many as it takes.
const LAMPS: usize = 100;
/// Observations of one batch.
const BATCH: usize = 1_000;

const PACK: &str = r#"
[[rule]]
code = "lamp.power"
title = "Mất điện"
title_en = "Power lost"
kind = "threshold"
sector = "infrastructure"
type = "Streetlight"
attribute = "voltage"
raise = "< 100"
class = "power"
status = "unconfirmed"
owner = "bench"
[[cause]]
along = "fedBy"
classes = ["power"]
class = "power"
children = 10
within = 600
severity = "high"
sector = "infrastructure"
title = "Mất nguồn chung"
title_en = "Common supply lost"
status = "unconfirmed"
owner = "bench"
"#;

struct Graph;

impl Things for Graph {
    fn brief(&self, entity: &str) -> Option<(String, Option<Point>)> {
        Some((entity.to_string(), None))
    }
    fn related(&self, entity: &str, _: &str) -> Vec<String> {
        let lamp = entity.strip_prefix("urn:lamp:").and_then(|n| n.parse::<usize>().ok());
        match lamp {
            Some(n) => vec![format!("urn:cabinet:{}", n / LAMPS)],
            None if entity.starts_with("urn:cabinet:") => vec!["urn:feeder:1".into()],
            None => Vec::new(),
        }
    }
}

struct Nowhere;

impl Directory for Nowhere {
    fn locate(&self, _: Point) -> Option<Place> {
        None
    }
    fn commune(&self, _: &str) -> Option<Place> {
        None
    }
    fn organisation_for(&self, _: &str, _: &str) -> Option<UnitRef> {
        None
    }
    fn unit(&self, _: &str) -> Option<UnitRef> {
        None
    }
    fn is_within(&self, _: &str, _: &str) -> bool {
        false
    }
    fn communes(&self, _: &str) -> Vec<UnitRef> {
        Vec::new()
    }
    fn home(&self) -> String {
        String::new()
    }
}

/// Runs it and prints the figures.
pub async fn measure(raw: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { data: folder.path().to_path_buf(), database_url: None };
    let store = Store::open(&settings, Arc::new(SystemClock), &[dothi_lake::MIGRATIONS, dothi_rules::MIGRATIONS]).await.expect("a store");
    let lake: Arc<dyn History> = Arc::new(Lake::open(store.clone()).await.expect("a lake"));
    let zone = jiff::tz::TimeZone::UTC;
    let rules = Rules::open(store.clone(), lake.clone(), Arc::new(Nowhere), Arc::new(Graph), zone).await.expect("rules");
    let system = Caller::system("bench", &SystemClock);
    let pack = RulesPack::load(&[("rules/bench.toml".into(), PACK.into())]).expect("a pack");
    rules.install(&system, "bench", pack).await.expect("the pack installed");
    let dark = |n: usize, t: i64| Observation {
        entity: format!("urn:lamp:{n}").into(),
        kind: "Streetlight".into(),
        attribute: "voltage".into(),
        t,
        value: Value::Number(0.0),
        unit: None,
        quality: 0,
        area: None,
    };
    let (begun, mut cursor, mut slowest) = (Instant::now(), 0, 0.0f64);
    for first in (0..raw).step_by(BATCH) {
        let one = Instant::now();
        let t = SystemClock.now().as_microsecond();
        let batch: Vec<Observation> = (first..raw.min(first + BATCH)).map(|n| dark(n, t)).collect();
        let bytes = lake.encode(&batch).expect("encoded");
        let mut tx = store.begin(&Caller::system("bench", &SystemClock)).await.expect("a change");
        tx.put_pending(batch.len() as u32, t, t, bytes).await.expect("a batch");
        tx.commit().await.expect("durable");
        for record in store.events_after(cursor, 10_000).await.expect("events") {
            rules.replay(&record).await.expect("evaluated");
            cursor = record.seq;
        }
        slowest = slowest.max(one.elapsed().as_secs_f64());
    }
    let took = begun.elapsed().as_secs_f64();
    let open = || AlarmQuery { state: Some("open".into()), limit: Some(200), ..AlarmQuery::default() };
    let asked = Instant::now();
    let lines = rules.alarms(&system, &open()).await.expect("a list").items;
    let list_ms = asked.elapsed().as_secs_f64() * 1e3;
    let told = store.events_after(0, 1_000_000).await.expect("events").iter().filter(|r| r.event.name() == "alarm-raised").count();
    println!("raw alarms             {raw}");
    println!("lines on the list      {}", lines.len());
    println!("alarms they stand for  {}", lines.iter().map(|a| a.children.max(1)).sum::<i64>());
    println!("alarm-raised events    {told}");
    println!("durable, evaluated     {took:.1} s ({:.0} alarms/s); slowest batch of {BATCH}: {:.0} ms", raw as f64 / took, slowest * 1e3);
    println!("the list answers in    {list_ms:.1} ms");
    store.close().await.expect("closed");
}
