//! A city with cameras: two communes, a fake clock, the repository's pack.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, CallerKind, Clock, Directory, Event, Grant, Permission, Place, UnitRef};
use dothi_store::JobRunner;
use dothi_store::outside::Guard;
use dothi_store::testing::TestStore;
use dothi_video::model::{CameraInput, CameraView, LogQuery, ViewRow};
use dothi_video::pack::VideoPack;
use dothi_video::{Video, VideoSettings};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

struct Map;

impl Directory for Map {
    fn locate(&self, p: Point) -> Option<Place> {
        self.commune(if p.lat > 20.5 { "11953" } else { "13225" })
    }
    fn commune(&self, code: &str) -> Option<Place> {
        let name = ["11953", "13225"].contains(&code).then(|| format!("Phường {code}"))?;
        Some(Place { commune: code.into(), commune_name: name, province: "33".into(), province_name: "Tỉnh Hưng Yên".into() })
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

pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub fn clip(name: &str) -> PathBuf {
    project().join("demo/hung-yen/clips").join(name)
}

pub fn pack() -> VideoPack {
    let folder = project().join("packs/cameras/video");
    let (mut texts, mut binaries) = (Vec::new(), Vec::new());
    for folder in [folder.clone(), folder.join("models")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let name = path.to_string_lossy().into_owned();
            match String::from_utf8(bytes) {
                Ok(text) => texts.push((name, text)),
                Err(e) => binaries.push((name, Bytes::from(e.into_bytes()))),
            }
        }
    }
    VideoPack::load(&texts, &binaries).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub struct App {
    pub store: TestStore,
    pub video: Arc<Video>,
}

impl App {
    /// With cameras on this machine allowed, looks once a second, and no second person for exports unless asked for.
    pub async fn new(store: TestStore) -> Self {
        Self::with(store, Guard { private: true, loopback: true }, |_| {}).await
    }

    pub async fn with(store: TestStore, guard: Guard, change: impl FnOnce(&mut VideoPack)) -> Self {
        let settings = VideoSettings { guard, base: "http://dothi.test".into() };
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let video = Arc::new(Video::open(store.store.clone(), Arc::new(Map), settings, zone).await.unwrap());
        let app = Self { video, store };
        let mut pack = pack();
        pack.policy[0].look_seconds = 1;
        change(&mut pack);
        app.video.install(&app.system(), "cameras", pack).await.unwrap();
        app
    }

    pub fn system(&self) -> Caller {
        Caller::system("test", self.store.clock.as_ref())
    }

    pub fn staff(&self, name: &str, units: &[&str], permissions: &[Permission]) -> Caller {
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

    pub fn input(code: &str, url: &str, more: Value) -> CameraInput {
        let mut input = json!({"code": code, "name": format!("Camera {code}"), "commune": "13225", "purpose": "order", "legal": "Quy chế", "url": url});
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        serde_json::from_value(input).unwrap()
    }

    pub async fn camera(&self, code: &str, url: &str, more: Value) -> CameraView {
        self.video.put(&self.system(), None, Self::input(code, url, more)).await.unwrap()
    }

    /// Puts a clip where cameras of the kind `file:` look for it.
    pub fn bring(&self, name: &str) {
        let folder = self.store.store.data().join("clips");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(clip(name), folder.join(name)).unwrap();
    }

    pub async fn events(&self) -> Vec<Event> {
        self.store.store.events_after(0, 1_000).await.unwrap().into_iter().map(|r| r.event).collect()
    }

    pub async fn log(&self) -> Vec<ViewRow> {
        self.video.log(&self.system(), &LogQuery::default()).await.unwrap().items
    }

    pub async fn run_jobs(&self) {
        let runner = self.video.clone().jobs(JobRunner::new(self.store.store.clone()));
        runner.run_due(20).await.unwrap();
    }

    /// The domain's routes over HTTP, as one person.
    pub async fn serve(&self, caller: Caller) -> SocketAddr {
        let (router, _) = dothi_video::http::router(self.video.clone()).split_for_parts();
        let router = router.layer(axum::Extension(caller));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }
}

/// Repeats `ask` until it gives something, at most a minute.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
