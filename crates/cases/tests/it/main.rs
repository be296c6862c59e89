//! Tests of the cases domain over both engines, with the case type of pack `base`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod boston;
mod clocks;
mod content;
mod field;
mod figures;
mod intake;
mod media;
mod open;
mod open311;
mod openness;
mod own;
mod photos;
mod routing;
mod suggest;
mod upkeep;
mod walk;
mod web;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dothi_cases::model::{Case, MoveInput, NewReport, Receipt};
use dothi_cases::pack::CasesPack;
use dothi_cases::{Cases, MIGRATIONS};
use dothi_kernel::calendar::{DayKind, WorkCalendar};
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, CallerKind, Clock, Directory, Grant, Permission, PersonRef, Place, Result, Staff, Timestamp, UnitRef};
use dothi_store::JobRunner;
use dothi_store::testing::{TestStore, both};
use jiff::civil::{Weekday, date, time};

/// Two communes of the home province and a neighbour, as boxes.
struct Map;

const COMMUNES: [(&str, &str, &str, [f64; 4]); 3] = [
    ("11953", "Phường Phố Hiến", "33", [106.03, 20.63, 106.09, 20.69]),
    ("12452", "Phường Thái Bình", "33", [106.30, 20.42, 106.38, 20.48]),
    ("13285", "Phường Phủ Lý", "35", [105.88, 20.50, 105.95, 20.57]),
];
const UNITS: [(&str, &str); 8] = [
    ("ubnd-33", "UBND tỉnh Hưng Yên"),
    ("ubnd-11953", "UBND phường Phố Hiến"),
    ("ubnd-12452", "UBND phường Thái Bình"),
    ("so-xd-33", "Sở Xây dựng"),
    ("so-nnmt-33", "Sở Nông nghiệp và Môi trường"),
    ("so-ct-33", "Sở Công Thương"),
    ("ioc-33", "Trung tâm điều hành"),
    ("cat-33", "Công an tỉnh"),
];

/// A national road goes through the second commune, a commune's own beside it.
struct Streets;

#[async_trait::async_trait]
impl dothi_kernel::roads::Roads for Streets {
    async fn ways(&self, _: &str, from: &[Point], _: Point, _: Timestamp) -> Result<Vec<Option<dothi_kernel::roads::Way>>> {
        Ok(vec![None; from.len()])
    }
    fn near(&self, point: Point, within_m: f64) -> Vec<dothi_kernel::roads::RoadNear> {
        let road = |number: &str, owner: &str, lat: f64| dothi_kernel::roads::RoadNear {
            name: String::new(),
            number: number.into(),
            class: "primary".into(),
            owner: Some(owner.into()),
            owner_by: Some("register".into()),
            metres: (point.lat - lat).abs() * 111_195.0,
        };
        let mut found = vec![road("QL.39", "national", 20.45), road("ĐX.01", "commune", 20.451)];
        found.retain(|r| r.metres <= within_m);
        found.sort_by(|a, b| a.metres.total_cmp(&b.metres));
        found
    }
}

fn place(row: &(&str, &str, &str, [f64; 4])) -> Place {
    let province_name = if row.2 == "33" { "Tỉnh Hưng Yên" } else { "Tỉnh Ninh Bình" };
    Place { commune: row.0.into(), commune_name: row.1.into(), province: row.2.into(), province_name: province_name.into() }
}

impl Directory for Map {
    fn locate(&self, p: Point) -> Option<Place> {
        COMMUNES.iter().find(|(_, _, _, b)| (b[0]..=b[2]).contains(&p.lon) && (b[1]..=b[3]).contains(&p.lat)).map(place)
    }
    fn commune(&self, code: &str) -> Option<Place> {
        COMMUNES.iter().find(|c| c.0 == code).map(place)
    }
    fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef> {
        match function {
            "report" if area.len() == 5 => self.unit(&format!("ubnd-{area}")),
            "report-unplaced" => self.unit("ioc-33"),
            "road" | "construction" => self.unit("so-xd-33"),
            "environment" | "dikes" => self.unit("so-nnmt-33"),
            "electricity" => self.unit("so-ct-33"),
            _ => None,
        }
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        UNITS.iter().find(|u| u.0 == id).map(|u| UnitRef { id: u.0.into(), name: u.1.into() })
    }
    fn is_within(&self, unit: &str, ancestor: &str) -> bool {
        unit == ancestor || ancestor == "ubnd-33"
    }
    fn communes(&self, province: &str) -> Vec<UnitRef> {
        COMMUNES.iter().filter(|c| c.2 == province).map(|c| UnitRef { id: c.0.into(), name: c.1.into() }).collect()
    }
    fn home(&self) -> String {
        "33".into()
    }
}

/// Working hours 07:30–11:30, 13:30–17:30; Tết and National Day of 2026 with a swapped Saturday.
fn calendar() -> WorkCalendar {
    let mut special = BTreeMap::new();
    special.extend((16..=20).map(|d| (date(2026, 2, d), DayKind::Off)));
    special.extend([(date(2026, 8, 22), DayKind::Work), (date(2026, 8, 31), DayKind::Off), (date(2026, 9, 1), DayKind::Off), (date(2026, 9, 2), DayKind::Off)]);
    let hours = vec![(time(7, 30, 0, 0), time(11, 30, 0, 0)), (time(13, 30, 0, 0), time(17, 30, 0, 0))];
    let week = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    WorkCalendar::new("Asia/Ho_Chi_Minh", hours, &week, special).unwrap()
}

fn pack() -> CasesPack {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/cases");
    let files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap()))
        .collect();
    CasesPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

struct App {
    store: TestStore,
    cases: Arc<Cases>,
}

impl App {
    async fn new(store: TestStore) -> Self {
        let cases =
            Cases::open(store.store.clone(), Arc::new(Map), Arc::new(calendar())).await.unwrap().with_staff(Arc::new(Hands)).with_roads(Arc::new(Streets));
        let app = Self { cases: Arc::new(cases), store };
        app.cases.install(&app.system(), "base", pack()).await.unwrap();
        app
    }

    fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

    /// Nobody known, from one of many addresses.
    fn anybody(&self) -> Caller {
        self.from("203.0.113.7")
    }

    fn from(&self, address: &str) -> Caller {
        Caller::anonymous(self.store.clock.as_ref(), Some(address.parse().unwrap()))
    }

    fn person(&self, kind: CallerKind, name: &str, unit: &str, units: Option<&[&str]>, permissions: &[Permission]) -> Caller {
        let units = units.map(|us| Arc::new(us.iter().map(|u| u.to_string()).collect::<BTreeSet<_>>()));
        let grant = Grant { role: "test".into(), unit: unit.into(), permissions: permissions.iter().copied().collect(), units, sectors: None };
        let grants: Arc<[Grant]> = if permissions.is_empty() { Arc::new([]) } else { Arc::new([grant]) };
        // The same name is the same person in every request.
        let id = person_id(name);
        let clock = &self.store.clock;
        Caller { kind, id: Some(id), name: name.into(), grants, now: clock.now(), request: clock.id(), address: Some("198.51.100.1".parse().unwrap()) }
    }

    fn citizen(&self, name: &str) -> Caller {
        self.person(CallerKind::Citizen, name, "", None, &[])
    }

    fn officer(&self, name: &str, unit: &str) -> Caller {
        self.person(CallerKind::Staff, name, unit, Some(&[unit]), &[Permission::CaseRead, Permission::CaseHandle])
    }

    fn leader(&self, name: &str, unit: &str) -> Caller {
        self.person(CallerKind::Staff, name, unit, Some(&[unit]), &[Permission::CaseRead, Permission::CaseHandle, Permission::CaseApprove])
    }

    fn centre(&self) -> Caller {
        let units: Vec<&str> = UNITS.iter().map(|u| u.0).collect();
        self.person(CallerKind::Staff, "dieuhanh", "ioc-33", Some(&units), &[Permission::CaseRead, Permission::CaseTriage, Permission::CaseIdentity])
    }

    async fn open(&self, report: NewReport) -> Receipt {
        self.cases.report(&self.anybody(), report, vec![], None).await.unwrap()
    }

    /// Makes a move with the newest version.
    async fn step(&self, caller: &Caller, id: uuid::Uuid, step: &str, input: MoveInput) -> Result<Case> {
        let version = self.cases.get(&self.system(), id).await?.version;
        self.cases.make_move(caller, id, step, MoveInput { version, ..input }, vec![]).await
    }

    /// Runs due timers; returns how many ran.
    async fn timers(&self) -> usize {
        self.cases.clone().jobs(JobRunner::new(self.store.store.clone())).run_due(100).await.unwrap()
    }

    fn at(&self, text: &str) {
        self.store.clock.set(text.parse::<Timestamp>().unwrap());
    }
}

fn person_id(name: &str) -> uuid::Uuid {
    uuid::Uuid::from_u128(name.bytes().fold(7, |sum, b| sum * 131 + u128::from(b)))
}

/// People of Phố Hiến who do work orders.
struct Hands;

#[async_trait::async_trait]
impl Staff for Hands {
    async fn holders(&self, permission: Permission, unit: &str) -> Result<Vec<PersonRef>> {
        let known = permission == Permission::WorkDo && unit == "ubnd-11953";
        let people = ["tho-a", "tho-b"].into_iter().filter(|_| known);
        Ok(people.map(|name| PersonRef { id: person_id(name), name: name.into() }).collect())
    }
}

/// A report about a light in Phố Hiến.
fn light() -> NewReport {
    NewReport {
        category: "street-light".into(),
        text: "Đèn đường trước cổng trường bị tắt ba hôm nay.".into(),
        lon: Some(106.0512345),
        lat: Some(20.6598765),
        ..NewReport::default()
    }
}

fn answer(text: &str) -> MoveInput {
    MoveInput { public_answer: Some(text.into()), ..MoveInput::default() }
}

fn reason(text: &str) -> MoveInput {
    MoveInput { reason: Some(text.into()), ..MoveInput::default() }
}

fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn with_app<F: Future<Output = ()>>(test: impl Fn(App) -> F) {
    both(&[MIGRATIONS], |store| async { test(App::new(store).await).await }).await;
}
