//! Oversight from the outside: sets from the real base pack, values, scorecards, computation, HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod boards;
mod compute;
mod http;
mod pack;
mod scorecard;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use dothi_kernel::geo::Point;
use dothi_kernel::measure::MeasureQuery;
use dothi_kernel::{Caller, CallerKind, Directory, Error, Evidence, Grant, Measure, Measures, Permission, Place, Result, UnitRef};
use dothi_oversight::{NewValue, Oversight, pack::OversightPack};
use dothi_store::testing::TestStore;
use uuid::Uuid;

/// A province of two communes; each is answered for by its own committee.
struct Places;

fn place(code: &str, name: &str) -> Place {
    Place { commune: code.into(), commune_name: name.into(), province: "33".into(), province_name: "Tỉnh Hưng Yên".into() }
}

impl Directory for Places {
    fn locate(&self, _: Point) -> Option<Place> {
        None
    }
    fn commune(&self, code: &str) -> Option<Place> {
        match code {
            "11111" => Some(place(code, "Phường Một")),
            "22222" => Some(place(code, "Xã Hai")),
            "99999" => Some(Place { province: "01".into(), ..place(code, "Phường Lạ") }),
            _ => None,
        }
    }
    fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef> {
        (function == "report").then(|| UnitRef { id: format!("ubnd-{area}"), name: format!("UBND {area}") })
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        match id {
            "33" => Some(UnitRef { id: "33".into(), name: "Tỉnh Hưng Yên".into() }),
            _ => id.starts_with("ubnd-").then(|| UnitRef { id: id.into(), name: id.into() }),
        }
    }
    fn is_within(&self, unit: &str, ancestor: &str) -> bool {
        unit == ancestor || ancestor == "ubnd-33"
    }
    fn communes(&self, _: &str) -> Vec<UnitRef> {
        ["11111", "22222"].map(|c| UnitRef { id: c.into(), name: c.into() }).to_vec()
    }
    fn home(&self) -> String {
        "33".into()
    }
}

/// Measures whose figures a test sets; `None` fails.
#[derive(Default)]
struct Figures(Mutex<BTreeMap<&'static str, Figure>>);

type Figure = Option<(f64, Option<f64>)>;

impl Figures {
    fn set(&self, name: &'static str, part: f64, whole: f64) {
        self.0.lock().unwrap().insert(name, Some((part, Some(whole))));
    }
    fn fail(&self, name: &'static str) {
        self.0.lock().unwrap().insert(name, None);
    }
}

#[async_trait::async_trait]
impl Measures for Figures {
    fn names(&self) -> Vec<&'static str> {
        vec!["cases.answered-public.planning", "cases.answered-public.budget", "cases.answered-public.services", "cases.satisfaction", "context.coverage.*"]
    }
    async fn measure(&self, name: &str, query: &MeasureQuery) -> Result<Measure> {
        assert!(query.from < query.to);
        let figure = self.0.lock().unwrap().get(name).copied().unwrap_or(Some((0.0, Some(0.0))));
        let (numerator, denominator) = figure.ok_or_else(|| Error::unavailable("test.down", "Down."))?;
        let rows = (0..numerator as usize).map(|n| Evidence { label: format!("{name} {n}"), link: format!("/r/{n}"), counts: true });
        Ok(Measure { numerator, denominator, rows: rows.collect() })
    }
}

/// The domain on a test store with the base pack installed.
struct World {
    oversight: Arc<Oversight>,
    figures: Arc<Figures>,
    test: TestStore,
}

fn base_files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/oversight");
    let read = |name: &str| (format!("oversight/{name}"), std::fs::read_to_string(folder.join(name)).unwrap());
    vec![read("tb-41.toml"), read("tb-41.csv")]
}

fn base() -> OversightPack {
    dothi_oversight::pack::load(&base_files()).unwrap()
}

impl World {
    async fn on(test: TestStore) -> Self {
        let figures = Arc::new(Figures::default());
        let oversight = Oversight::open(test.store.clone(), vec![figures.clone()], Arc::new(Places)).await.unwrap();
        oversight.install(&system(&test), "base", base()).await.unwrap();
        Self { oversight: Arc::new(oversight), figures, test }
    }

    fn caller(&self, person: u128, unit: &str, permissions: &[Permission]) -> Caller {
        caller(&self.test, person, unit, permissions)
    }

    fn reporter(&self) -> Caller {
        self.caller(1, "ubnd-33", &[Permission::IndicatorReport, Permission::ScorecardRead])
    }

    fn approver(&self) -> Caller {
        self.caller(2, "ubnd-33", &[Permission::IndicatorApprove, Permission::ScorecardRead])
    }

    fn public(&self) -> Caller {
        Caller::anonymous(self.test.clock.as_ref(), None)
    }
}

fn system(test: &TestStore) -> Caller {
    Caller::system("test", test.clock.as_ref())
}

fn caller(test: &TestStore, person: u128, unit: &str, permissions: &[Permission]) -> Caller {
    let units = if unit == "ubnd-33" { ["ubnd-33", "ubnd-11111", "ubnd-22222"].map(String::from).into() } else { BTreeSet::from([unit.to_string()]) };
    let grant =
        Grant { role: "test".into(), unit: unit.into(), permissions: permissions.iter().copied().collect(), units: Some(Arc::new(units)), sectors: None };
    let base = Caller::system(&format!("person-{person}"), test.clock.as_ref());
    Caller { kind: CallerKind::Staff, id: Some(Uuid::from_u128(person)), grants: Arc::new([grant]), ..base }
}

fn entry(indicator: &str, number: f64) -> NewValue {
    NewValue {
        set: "tb-41".into(),
        indicator: indicator.into(),
        area: "33".into(),
        period: "2026".into(),
        number: Some(number),
        yes_no: None,
        numerator: None,
        denominator: None,
        note: "Báo cáo quý IV".into(),
        evidence_url: Some("https://example.org/bao-cao".into()),
    }
}
