//! Tests of the domain over both engines, with the rules of pack `one-stop`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod polls;
mod scores;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dothi_dossiers::model::{BoardQuery, Cell, DossierInput, HandIn, ListQuery, Outcome};
use dothi_dossiers::pack::DossiersPack;
use dothi_dossiers::{Dossiers, MIGRATIONS};
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, CallerKind, Clock, Directory, Grant, Permission, Place, Timestamp, UnitRef};
use dothi_store::JobRunner;
use dothi_store::testing::{TestStore, both};
use jiff::civil::{Weekday, time};
use serde_json::{Value, json};

const UNITS: [(&str, &str); 4] =
    [("ubnd-11953", "UBND phường Phố Hiến"), ("ubnd-13225", "UBND phường Thái Bình"), ("so-xd-33", "Sở Xây dựng"), ("so-tc-33", "Sở Tài chính")];

/// Two communes and four agencies.
struct Map;

impl Directory for Map {
    fn locate(&self, _: Point) -> Option<Place> {
        None
    }
    fn commune(&self, code: &str) -> Option<Place> {
        let name = match code {
            "11953" => "Phường Phố Hiến",
            "13225" => "Phường Thái Bình",
            _ => return None,
        };
        Some(Place { commune: code.into(), commune_name: name.into(), province: "33".into(), province_name: "Tỉnh Hưng Yên".into() })
    }
    fn organisation_for(&self, _: &str, _: &str) -> Option<UnitRef> {
        None
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

fn calendar() -> WorkCalendar {
    use Weekday::*;
    let hours = vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))];
    WorkCalendar::new("Asia/Ho_Chi_Minh", hours, &[Monday, Tuesday, Wednesday, Thursday, Friday], BTreeMap::new()).unwrap()
}

fn pack() -> DossiersPack {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/one-stop/dossiers");
    let files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap()))
        .collect();
    DossiersPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

struct App {
    store: TestStore,
    dossiers: Arc<Dossiers>,
}

impl App {
    async fn new(store: TestStore) -> Self {
        let dossiers = Dossiers::open(store.store.clone(), Arc::new(Map), Arc::new(calendar())).await.unwrap();
        let app = Self { dossiers: Arc::new(dossiers), store };
        app.dossiers.install(&app.system(), "one-stop", pack()).await.unwrap();
        app
    }

    fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

    /// Somebody with permissions at units; all units when none are named.
    fn staff(&self, name: &str, units: &[&str], permissions: &[Permission]) -> Caller {
        let covered: BTreeSet<String> = units.iter().map(|u| (*u).to_string()).collect();
        let grant = Grant {
            role: name.into(),
            unit: units.first().copied().unwrap_or("ubnd-33").into(),
            permissions: permissions.iter().copied().collect(),
            units: (!units.is_empty()).then(|| Arc::new(covered)),
            sectors: None,
        };
        Caller { kind: CallerKind::Staff, id: Some(self.store.clock.id()), name: name.into(), grants: Arc::new([grant]), ..self.system() }
    }

    fn officer(&self, unit: &str) -> Caller {
        self.staff("canbo", &[unit], &[Permission::CaseRead, Permission::CaseHandle])
    }

    fn program(&self) -> Caller {
        Caller { kind: CallerKind::Program, ..self.staff("mot-cua", &[], &[Permission::DossierWrite]) }
    }

    fn leader(&self) -> Caller {
        self.staff("chutich", &[], &[Permission::ScorecardRead])
    }

    fn set(&self, at: &str) {
        self.store.clock.set(at.parse().unwrap());
    }

    async fn hand_in(&self, records: &[Value]) -> Outcome {
        self.dossiers.hand_in(&self.program(), given(records)).await.unwrap()
    }

    async fn run_jobs(&self) {
        let runner = self.dossiers.clone().jobs(JobRunner::new(self.store.store.clone()));
        while runner.run_due(100).await.unwrap() > 0 {}
    }

    async fn total(&self) -> Cell {
        self.dossiers.board(&self.leader(), &BoardQuery::default()).await.unwrap().total
    }

    async fn codes(&self, what: &str) -> Vec<String> {
        let query = ListQuery { what: Some(what.into()), ..ListQuery::default() };
        self.dossiers.list(&self.leader(), &query).await.unwrap().items.into_iter().map(|d| d.code).collect()
    }
}

fn given(records: &[Value]) -> HandIn {
    HandIn { source: None, dossiers: records.iter().map(|r| serde_json::from_value::<DossierInput>(r.clone()).unwrap()).collect() }
}

/// A dossier of a procedure that allows three working days, received on a Monday morning.
fn record(number: u32, more: Value) -> Value {
    let mut record = json!({
        "code": code(number), "procedure": "1.004873", "unit": "ubnd-13225", "commune": "13225", "channel": 2, "state": 4,
        "received_at": "2026-11-16T08:00:00+07:00", "applicant": "Nguyễn Thị Thử", "phone": "0912 345 678",
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn code(number: u32) -> String {
    format!("H31.05.13-261116-{number:04}")
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}
