//! Tests of the domain over both engines, with the pack `operations`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod escalation;
mod proof;
mod sending;
mod steps;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use dothi_incidents::model::{AlarmCounts, AlarmFacts, CaseFacts, IncidentQuery, IncidentView, LogLine, MoveInput, NewIncident};
use dothi_incidents::pack::IncidentsPack;
use dothi_incidents::{Clip, Incidents, MIGRATIONS, Matters};
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, CallerKind, Directory, Error, Grant, PageQuery, Permission, PersonRef, Place, Result, Staff, Timestamp, UnitRef};
use dothi_store::JobRunner;
use dothi_store::testing::{TestStore, both};
use jiff::civil::{Weekday, time};
use serde_json::{Value, json};
use uuid::Uuid;

const UNITS: [(&str, &str); 4] =
    [("ioc-33", "Trung tâm điều hành"), ("cat-33", "Công an tỉnh"), ("ubnd-13225", "UBND phường Thái Bình"), ("ubnd-11953", "UBND phường Phố Hiến")];

/// Two communes side by side; the police answer for fires.
struct Map;

impl Directory for Map {
    fn locate(&self, point: Point) -> Option<Place> {
        self.commune(if point.lon < 106.2 { "11953" } else { "13225" })
    }
    fn commune(&self, code: &str) -> Option<Place> {
        let name = match code {
            "11953" => "Phường Phố Hiến",
            "13225" => "Phường Thái Bình",
            _ => return None,
        };
        Some(Place { commune: code.into(), commune_name: name.into(), province: "33".into(), province_name: "Tỉnh Hưng Yên".into() })
    }
    fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef> {
        match function {
            "fire" | "security" | "traffic-police" => self.unit("cat-33"),
            "commune" => self.unit(&format!("ubnd-{area}")),
            _ => None,
        }
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        UNITS.iter().find(|u| u.0 == id).map(|u| UnitRef { id: u.0.into(), name: u.1.into() })
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

/// People 1 to 9 hold every role.
struct Everybody;

fn person(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[async_trait]
impl Staff for Everybody {
    async fn holders(&self, _: Permission, _: &str) -> Result<Vec<PersonRef>> {
        Ok((1..10).map(|n| PersonRef { id: person(n), name: format!("Người {n}") }).collect())
    }
}

/// Alarms and a case made of their number.
struct Known;

#[async_trait]
impl Matters for Known {
    async fn alarm(&self, _: &Caller, id: Uuid) -> Result<AlarmFacts> {
        if id.as_u128() >= 1_000 { Err(Error::not_found("alarm.unknown", "None.")) } else { Ok(alarm(id.as_u128(), 106.3)) }
    }
    async fn case(&self, caller: &Caller, id: Uuid) -> Result<CaseFacts> {
        let point = Some(Point { lon: 106.3, lat: 20.45 });
        Ok(CaseFacts { id, code: "PA-1".into(), title: "Khói".into(), point, area: None, opened_at: caller.now })
    }
    async fn alarm_document(&self, _: &Caller, id: Uuid) -> Result<Value> {
        Ok(json!({ "id": id, "value": 87.5 }))
    }
    async fn clips(&self, _: &Caller, _: Uuid) -> Result<Vec<Clip>> {
        let clip = |name: &str, file: Option<&'static [u8]>| Clip { name: name.into(), about: json!({ "reason": "chứng cứ" }), file: file.map(Into::into) };
        Ok(vec![clip("NT-LB-01-1", Some(b"mp4")), clip("NT-LB-02-1", None)])
    }
    async fn alarm_counts(&self, _: &Caller) -> Result<AlarmCounts> {
        Ok(AlarmCounts { open: 7, unread: 3, shelved: 2 })
    }
}

fn alarm(n: u128, lon: f64) -> AlarmFacts {
    AlarmFacts {
        kind: "alarm",
        href: format!("/ioc?alarm={n}"),
        id: Uuid::from_u128(n),
        rule: "panel.fire.zone".into(),
        title: "Báo cháy".into(),
        severity: Severity::Critical,
        entity_name: format!("Tủ {n}"),
        point: Some(Point { lon, lat: 20.45 }),
        area: None,
        raised_at: at("2026-11-21T07:59:30+07:00"),
    }
}

fn pack() -> IncidentsPack {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/operations/incidents");
    let files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap()))
        .collect();
    IncidentsPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

struct App {
    store: TestStore,
    incidents: Arc<Incidents>,
}

impl App {
    /// Saturday, 21 November 2026, eight in the morning.
    async fn new(store: TestStore) -> Self {
        Self::with(store, None).await
    }

    /// The same where somebody knows the roads.
    async fn with(store: TestStore, roads: Option<Arc<dyn dothi_kernel::roads::Roads>>) -> Self {
        use Weekday::*;
        let hours = vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))];
        let days = [Monday, Tuesday, Wednesday, Thursday, Friday];
        let calendar = Arc::new(WorkCalendar::new("Asia/Ho_Chi_Minh", hours, &days, BTreeMap::new()).unwrap());
        let incidents = Incidents::open(store.store.clone(), Arc::new(Map), Arc::new(Everybody), Arc::new(Known), calendar).await.unwrap();
        let incidents = match roads {
            Some(roads) => incidents.with_roads(roads),
            None => incidents,
        };
        let app = Self { store, incidents: Arc::new(incidents) };
        app.set("2026-11-21T08:00:00+07:00");
        app.incidents.install(&app.system(), "operations", pack()).await.unwrap();
        app
    }

    fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

    fn somebody(&self, n: u128, role: &str, units: &[&str], permissions: &[Permission]) -> Caller {
        let covered: BTreeSet<String> = units.iter().map(|u| (*u).to_string()).collect();
        let grant = Grant {
            role: role.into(),
            unit: units.first().copied().unwrap_or("ioc-33").into(),
            permissions: permissions.iter().copied().collect(),
            units: (!units.is_empty()).then(|| Arc::new(covered)),
            sectors: None,
        };
        Caller { kind: CallerKind::Staff, id: Some(person(n)), name: format!("nguoi{n}").as_str().into(), grants: Arc::new([grant]), ..self.system() }
    }

    fn operator(&self) -> Caller {
        self.somebody(1, "centre-operator", &[], &[Permission::IncidentRead, Permission::IncidentHandle])
    }

    fn lead(&self) -> Caller {
        self.somebody(2, "centre-lead", &[], &[Permission::IncidentRead, Permission::IncidentHandle, Permission::IncidentApprove])
    }

    fn officer(&self, unit: &str) -> Caller {
        self.somebody(3, "officer", &[unit], &[Permission::IncidentRead])
    }

    fn crew(&self) -> Caller {
        self.somebody(4, "field-worker", &["cat-33"], &[Permission::DispatchDo])
    }

    fn set(&self, at: &str) {
        self.store.clock.set(at.parse().unwrap());
    }

    async fn run_jobs(&self) -> usize {
        self.incidents.clone().jobs(JobRunner::new(self.store.store.clone())).run_due(100).await.unwrap()
    }

    async fn open(&self, new: Value) -> IncidentView {
        self.incidents.open_incident(&self.operator(), serde_json::from_value::<NewIncident>(new).unwrap(), None).await.unwrap()
    }

    async fn step(&self, view: &IncidentView, name: &str, note: &str) -> IncidentView {
        let input = MoveInput { version: view.row.incident.version, note: Some(note.into()), reason: Some(note.into()) };
        self.incidents.move_incident(&self.operator(), view.row.incident.id, name, input).await.unwrap()
    }

    async fn log(&self, id: Uuid) -> Vec<LogLine> {
        let page = PageQuery { limit: Some(200), after: None };
        let mut lines = self.incidents.incident_log(&self.lead(), id, &page).await.unwrap().items;
        lines.reverse();
        lines
    }

    async fn codes(&self, caller: &Caller, query: IncidentQuery) -> Vec<String> {
        self.incidents.incidents(caller, &query).await.unwrap().items.into_iter().map(|i| i.incident.code).collect()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn life() -> IncidentQuery {
    IncidentQuery::default()
}

fn drills() -> IncidentQuery {
    IncidentQuery { drill: Some(true), ..IncidentQuery::default() }
}
