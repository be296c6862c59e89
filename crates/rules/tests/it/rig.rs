//! A store with rules over it, a history in memory, and one commune each for two units.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dothi_kernel::geo::Point as Place;
use dothi_kernel::history::{Point, QueryLimits, SeriesQuery, Table};
use dothi_kernel::{Caller, CallerKind, Directory, Error, EventRecord, Grant, History, Observation, Permission, Result, Things, UnitRef, Value};
use dothi_rules::pack::RulesPack;
use dothi_rules::{Derived, MIGRATIONS, Rules};
use dothi_store::testing::TestStore;
use dothi_store::{JobRunner, Migration};
use jiff::tz::{TimeZone, offset};

pub const SCHEMA: &[&[Migration]] = &[MIGRATIONS];
pub const MINUTE: i64 = 60_000_000;
pub const STATION: &str = "urn:ngsi-ld:AirQualityObserved:a";

/// Observations as they were encoded.
#[derive(Default)]
pub struct Memory(Mutex<Vec<Vec<Observation>>>);

impl Memory {
    fn all(&self) -> Vec<Observation> {
        self.0.lock().unwrap().iter().flatten().cloned().collect()
    }
}

fn point(o: &Observation) -> Point {
    Point { t: o.t, value: o.value.clone(), min: None, max: None, count: None, quality: o.quality }
}

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
    async fn latest(&self, entity: &str, attribute: &str) -> Result<Option<Point>> {
        Ok(self.all().iter().filter(|o| &*o.entity == entity && &*o.attribute == attribute).max_by_key(|o| o.t).map(point))
    }
    async fn series(&self, q: &SeriesQuery) -> Result<Vec<Point>> {
        let mut found: Vec<Point> =
            self.all().iter().filter(|o| *o.entity == *q.entity && *o.attribute == *q.attribute && (q.from..q.to).contains(&o.t)).map(point).collect();
        found.sort_by_key(|p| p.t);
        Ok(found)
    }
    /// The one query rules ask: hourly means.
    async fn table(&self, sql: &str, _: QueryLimits) -> Result<Table> {
        assert!(sql.contains("date_trunc('hour', t)"), "{sql}");
        let rows = self
            .all()
            .iter()
            .filter_map(|o| Some(vec![(*o.entity).into(), (*o.attribute).into(), (o.t / 1_000_000).into(), o.value.number()?.into(), 1.into()]))
            .collect();
        Ok(Table { columns: Vec::new(), rows, truncated: false })
    }
}

/// Communes `11111` and `22222`; each has its people's committee.
struct Units;

impl Directory for Units {
    fn locate(&self, _: Place) -> Option<dothi_kernel::Place> {
        self.commune("11111")
    }
    fn commune(&self, code: &str) -> Option<dothi_kernel::Place> {
        Some(dothi_kernel::Place { commune: code.into(), commune_name: format!("Xã {code}"), province: "33".into(), province_name: "Hưng Yên".into() })
    }
    fn organisation_for(&self, area: &str, _: &str) -> Option<UnitRef> {
        Some(UnitRef { id: format!("ubnd-{area}"), name: format!("UBND {area}") })
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        Some(UnitRef { id: id.into(), name: id.into() })
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

struct Names;

impl Things for Names {
    fn brief(&self, entity: &str) -> Option<(String, Option<Place>)> {
        let place = match entity {
            "urn:boat:in" => Some(Place { lon: 106.3, lat: 20.4 }),
            "urn:boat:out" => Some(Place { lon: 105.3, lat: 20.4 }),
            _ => None,
        };
        (!entity.ends_with(":gone")).then(|| (format!("Trạm {}", entity.rsplit(':').next().unwrap()), place))
    }
    /// `urn:lamp:<feeder>-<cabinet>-<n>` is fed by its cabinet, and that by its feeder.
    fn related(&self, entity: &str, relationship: &str) -> Vec<String> {
        let up = match (relationship, entity.strip_prefix("urn:lamp:"), entity.strip_prefix("urn:cabinet:")) {
            ("fedBy", Some(lamp), _) => lamp.rsplit_once('-').map(|(cabinet, _)| format!("urn:cabinet:{cabinet}")),
            ("fedBy", _, Some(cabinet)) => cabinet.split_once('-').map(|(feeder, _)| format!("urn:feeder:{feeder}")),
            _ => None,
        };
        up.into_iter().collect()
    }
}

pub struct Rig {
    pub store: TestStore,
    pub history: Arc<Memory>,
    pub rules: Arc<Rules>,
    seen: Mutex<i64>,
}

impl Rig {
    pub async fn new(store: TestStore, pack: &str) -> Self {
        let history = Arc::new(Memory::default());
        let rules = open(&store, &history).await;
        let rig = Self { store, history, rules, seen: Mutex::new(0) };
        rig.install(pack).await.unwrap();
        rig
    }

    pub async fn install(&self, pack: &str) -> Result<()> {
        let part = RulesPack::load(&[("rules/test.toml".into(), pack.into())]).map_err(|f| Error::invalid("test.toml", f.join("; ")))?;
        self.rules.install(&self.system(), "test", part).await
    }

    /// The same store after a crash: what was in memory is gone.
    pub async fn restart(&mut self) {
        self.rules = open(&self.store, &self.history).await;
    }

    pub fn system(&self) -> Caller {
        Caller::system("test", self.store.clock().as_ref())
    }

    /// Now, µs.
    pub fn now(&self) -> i64 {
        self.store.clock().now().as_microsecond()
    }

    /// Makes a batch durable without letting rules see it.
    pub async fn accept(&self, batch: &[Observation]) {
        let bytes = self.history.encode(batch).unwrap();
        let mut tx = self.store.begin(&self.system()).await.unwrap();
        tx.put_pending(batch.len() as u32, 0, 0, bytes).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn events(&self) -> Vec<EventRecord> {
        self.store.events_after(0, 10_000).await.unwrap()
    }

    /// Lets rules see everything new.
    pub async fn react(&self) -> Vec<Derived> {
        let mut derived = Vec::new();
        for record in self.events().await {
            if record.seq > *self.seen.lock().unwrap() {
                derived.extend(self.rules.replay(&record).await.unwrap().derived);
                *self.seen.lock().unwrap() = record.seq;
            }
        }
        derived
    }

    /// Lets rules see everything from the beginning again.
    pub async fn again(&self) {
        for record in self.events().await {
            self.rules.replay(&record).await.unwrap();
        }
    }

    pub async fn take(&self, batch: &[Observation]) -> Vec<Derived> {
        self.accept(batch).await;
        self.react().await
    }

    /// One reading of `pm25` at the first station, now.
    pub async fn reads(&self, value: f64) {
        self.take(&[observation(STATION, "pm25", self.now(), value)]).await;
    }

    pub async fn timers(&self) {
        self.rules.clone().jobs(JobRunner::new((*self.store).clone())).run_due(100).await.unwrap();
    }

    /// Rule, state and count of every alarm, in order.
    pub async fn alarms(&self) -> Vec<(String, &'static str, i64)> {
        let page = self.rules.alarms(&self.system(), &Default::default()).await.unwrap();
        let mut found: Vec<_> = page.items.into_iter().map(|a| (a.rule, a.state.code(), a.count)).collect();
        found.sort();
        found
    }

    /// Names of the alarm events so far.
    pub async fn told(&self) -> Vec<String> {
        self.events().await.iter().map(|r| r.event.name()).filter(|n| n.starts_with("alarm")).collect()
    }
}

async fn open(store: &TestStore, history: &Arc<Memory>) -> Arc<Rules> {
    let zone = TimeZone::fixed(offset(7));
    Arc::new(Rules::open((**store).clone(), history.clone(), Arc::new(Units), Arc::new(Names), zone).await.unwrap())
}

pub fn observation(entity: &str, attribute: &str, t: i64, value: f64) -> Observation {
    Observation {
        entity: entity.into(),
        kind: "AirQualityObserved".into(),
        attribute: attribute.into(),
        t,
        value: Value::Number(value),
        unit: None,
        quality: 0,
        area: Some("11111".into()),
    }
}

/// A person in office at units, perhaps for some sectors only.
pub fn officer(rig: &Rig, units: &[&str], sectors: Option<&[&str]>, permissions: &[Permission]) -> Caller {
    let grant = Grant {
        role: "test".into(),
        unit: units[0].into(),
        permissions: permissions.iter().copied().collect(),
        units: Some(Arc::new(units.iter().map(|u| u.to_string()).collect())),
        sectors: sectors.map(|s| s.iter().map(|s| s.to_string()).collect()),
    };
    Caller { kind: CallerKind::Staff, grants: Arc::new([grant]), name: "canbo".into(), ..rig.system() }
}

/// A threshold rule at 150 with a dead band down to 140, with lines of one's own.
pub fn rule(code: &str, more: &str) -> String {
    let clear = if more.contains("clear =") { "" } else { "clear = \"< 140\"\n" };
    format!(
        "[[rule]]\ncode = \"{code}\"\ntitle = \"Bụi\"\ntitle_en = \"Dust\"\nkind = \"threshold\"\nsector = \"environment\"\ntype = \"AirQualityObserved\"\nattribute = \"pm25\"\n\
         status = \"unconfirmed\"\nowner = \"test\"\n{}{clear}{more}\n",
        if more.contains("raise =") { "" } else { "raise = \">= 150\"\n" }
    )
}

pub fn silence(seconds: u32) -> String {
    format!(
        "[[rule]]\ncode = \"silent\"\ntitle = \"Im\"\ntitle_en = \"Silent\"\nkind = \"absence\"\nsector = \"environment\"\ntype = \"AirQualityObserved\"\nattribute = \"pm25\"\n\
         status = \"unconfirmed\"\nowner = \"test\"\nsilent_for = {seconds}\n"
    )
}
