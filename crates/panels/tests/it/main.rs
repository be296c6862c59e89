//! Tests of the domain over both engines, with the rules of pack `fire`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod files;
mod messages;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, CallerKind, Clock, Directory, Event, Grant, Permission, Place, UnitRef};
use dothi_panels::dc09::{Frame, Framer, Inside, compose};
use dothi_panels::model::{AccountInput, AccountRow, PremisesInput, PremisesView, SignalQuery, SignalRow};
use dothi_panels::pack::PanelsPack;
use dothi_panels::{MIGRATIONS, Panels};
use dothi_store::JobRunner;
use dothi_store::testing::TestStore;
use serde_json::{Value, json};

/// Two communes; the police answer for one of them.
struct Map;

impl Directory for Map {
    fn locate(&self, p: Point) -> Option<Place> {
        self.commune(if p.lat > 20.0 { "13225" } else { "11953" })
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
        (function == "commune").then(|| self.unit(&format!("ubnd-{area}"))).flatten()
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

fn pack() -> PanelsPack {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/fire/panels");
    let files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&p).unwrap()))
        .collect();
    PanelsPack::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

struct App {
    store: TestStore,
    panels: Arc<Panels>,
}

impl App {
    async fn new(store: TestStore) -> Self {
        let panels = Arc::new(Panels::open(store.store.clone(), Arc::new(Map)).await.unwrap());
        let app = Self { panels, store };
        app.panels.install(&app.system(), "fire", pack()).await.unwrap();
        app
    }

    /// The program ends and begins again on the same data.
    async fn again(self) -> Self {
        let panels = Arc::new(Panels::open(self.store.store.clone(), Arc::new(Map)).await.unwrap());
        Self { panels, ..self }
    }

    fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

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

    fn operator(&self) -> Caller {
        self.staff("truc", &["ubnd-13225"], &[Permission::AlarmRead, Permission::AlarmHandle])
    }

    async fn premises(&self, code: &str, more: Value) -> PremisesView {
        let mut input = json!({"code": code, "name": format!("Trường {code}"), "address": "12 Lê Lợi", "commune": "13225"});
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let input: PremisesInput = serde_json::from_value(input).unwrap();
        self.panels.put_premises(&self.system(), None, input).await.unwrap()
    }

    async fn account(&self, number: &str, more: Value) -> AccountRow {
        let mut input = json!({"account": number});
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let input: AccountInput = serde_json::from_value(input).unwrap();
        self.panels.put_account(&self.system(), None, input).await.unwrap()
    }

    /// Sends bytes with their `<LF>` and `<CR>`; the name of the answer.
    async fn answer(&self, bytes: &[u8]) -> Option<String> {
        let frame = Framer::default().push(bytes).remove(0);
        let answer = self.panels.receive(&frame, IpAddr::V4(Ipv4Addr::LOCALHOST)).await?;
        Some(String::from_utf8(answer).unwrap().split('"').nth(1).unwrap().to_string())
    }

    async fn tell(&self, account: &str, sequence: u16, events: &str) -> Option<String> {
        self.answer(&compose("SIA-DCS", sequence, Some("1"), "0", account, Inside::Plain(&format!("#{account}|{events}]")))).await
    }

    async fn alive(&self, account: &str, line: &str) -> Option<String> {
        self.answer(&compose("NULL", 1, None, line, account, Inside::Plain("]"))).await
    }

    async fn run_jobs(&self) {
        let runner = self.panels.clone().jobs(JobRunner::new(self.store.store.clone()));
        runner.run_due(10).await.unwrap();
    }

    async fn signals(&self, state: &str) -> Vec<SignalRow> {
        let query = SignalQuery { state: Some(state.into()), ..SignalQuery::default() };
        let mut items = self.panels.signals(&self.system(), &query).await.unwrap().items;
        items.sort_by_key(|s| (s.at, s.id));
        items
    }

    async fn events(&self) -> Vec<Event> {
        self.store.store.events_after(0, 1_000).await.unwrap().into_iter().map(|r| r.event).collect()
    }

    fn wait(&self, seconds: i64) {
        self.store.clock.advance_seconds(seconds);
    }
}

/// Reads an answer's bytes.
fn read(bytes: &[u8]) -> Frame {
    Frame::parse(&Framer::default().push(bytes)[0]).unwrap()
}
