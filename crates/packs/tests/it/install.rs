use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use dothi_access::{Access, AccessSettings};
use dothi_cases::Cases;
use dothi_context::Context;
use dothi_dossiers::Dossiers;
use dothi_incidents::model::{AlarmCounts, AlarmFacts, CaseFacts};
use dothi_incidents::{Incidents, Matters};
use dothi_kernel::history::{History, NoHistory};
use dothi_kernel::places::Things;
use dothi_kernel::{Caller, Directory, Measures, PageQuery, Permission, Result, geo};
use dothi_notify::model::{Subject, Subjects, Topic};
use dothi_notify::{Notify, NotifySettings};
use dothi_oversight::Oversight;
use dothi_packs::{Domains, Library, Packs};
use dothi_panels::Panels;
use dothi_rules::Rules;
use dothi_store::testing::{TestStore, both};
use dothi_traffic::{Around, Fate, Traffic};
use dothi_video::{Video, VideoSettings};

use crate::{Shelf, repository};

/// A city without things.
struct Nothing;

impl Things for Nothing {
    fn brief(&self, _: &str) -> Option<(String, Option<geo::Point>)> {
        None
    }
}

#[async_trait]
impl Around for Nothing {
    fn latest(&self, _: &str) -> Vec<(String, f64, i64)> {
        Vec::new()
    }
    async fn fate(&self, _: uuid::Uuid) -> Result<Option<Fate>> {
        Ok(None)
    }
}

#[async_trait]
impl Subjects for Nothing {
    async fn subject(&self, _: &Caller, _: &Topic, _: Option<&str>) -> Result<Option<Subject>> {
        Ok(None)
    }
    async fn may(&self, _: uuid::Uuid, _: Permission, _: &str) -> Result<bool> {
        Ok(false)
    }
}

#[async_trait]
impl Matters for Nothing {
    async fn alarm(&self, _: &Caller, _: uuid::Uuid) -> Result<AlarmFacts> {
        Err(none())
    }
    async fn case(&self, _: &Caller, _: uuid::Uuid) -> Result<CaseFacts> {
        Err(none())
    }
    async fn alarm_document(&self, _: &Caller, _: uuid::Uuid) -> Result<serde_json::Value> {
        Err(none())
    }
    async fn clips(&self, _: &Caller, _: uuid::Uuid) -> Result<Vec<dothi_incidents::Clip>> {
        Ok(Vec::new())
    }
    async fn alarm_counts(&self, _: &Caller) -> Result<AlarmCounts> {
        Ok(AlarmCounts::default())
    }
}

fn none() -> dothi_kernel::Error {
    dothi_kernel::Error::not_found("none", "None.")
}

const SCHEMA: &[&[dothi_store::Migration]] = &[
    dothi_access::MIGRATIONS,
    dothi_context::MIGRATIONS,
    dothi_rules::MIGRATIONS,
    dothi_cases::MIGRATIONS,
    dothi_notify::MIGRATIONS,
    dothi_dossiers::MIGRATIONS,
    dothi_incidents::MIGRATIONS,
    dothi_oversight::MIGRATIONS,
    dothi_panels::MIGRATIONS,
    dothi_traffic::MIGRATIONS,
    dothi_video::MIGRATIONS,
    dothi_packs::MIGRATIONS,
];

async fn open(test: &TestStore) -> (Packs, Domains) {
    let store = || test.store.clone();
    let history: Arc<dyn History> = Arc::new(NoHistory);
    let access = Arc::new(Access::open(store(), AccessSettings { home_province: "33".into(), secure_cookies: false }).await.unwrap());
    // The calendar is the base pack's; cases cannot open without one.
    let base = Library::open(repository()).unwrap().load("base").unwrap();
    access.install(&system(test), "base", base.access.unwrap()).await.unwrap();
    let directory: Arc<dyn Directory> = access.clone();
    let context = Arc::new(Context::open(store(), history.clone(), directory.clone(), dothi_context::ContextSettings::default()).await.unwrap());
    let calendar = access.calendar().unwrap();
    let rules = Arc::new(Rules::open(store(), history, directory.clone(), Arc::new(Nothing), calendar.zone().clone()).await.unwrap());
    let cases = Arc::new(Cases::open(store(), directory.clone(), calendar.clone()).await.unwrap());
    let dossiers = Arc::new(Dossiers::open(store(), directory.clone(), calendar.clone()).await.unwrap());
    let incidents = Incidents::open(store(), directory.clone(), access.clone(), Arc::new(Nothing), calendar).await.unwrap();
    let incidents = Arc::new(incidents);
    let panels = Arc::new(Panels::open(store(), directory.clone()).await.unwrap());
    let traffic = Traffic::open(store(), Arc::new(NoHistory), directory.clone(), Arc::new(Nothing), access.calendar().unwrap()).await.unwrap();
    let traffic = Arc::new(traffic);
    let video = Video::open(store(), directory.clone(), VideoSettings::default(), access.calendar().unwrap().zone().clone()).await.unwrap();
    let video = Arc::new(video);
    let oversight = Arc::new(Oversight::open(store(), vec![cases.clone()], directory).await.unwrap());
    let zone = access.calendar().unwrap().zone().clone();
    let notify = Arc::new(Notify::open(store(), NotifySettings::default(), Arc::new(Nothing), zone).await.unwrap());
    let domains = Domains { access, context, rules, cases, notify, dossiers, incidents, panels, traffic, video, oversight };
    (Packs::open(store(), domains.clone()), domains)
}

fn system(test: &TestStore) -> Caller {
    Caller::system("test", test.clock.as_ref())
}

#[tokio::test]
async fn the_repositorys_packs_install_once_and_again() {
    both(SCHEMA, |test| async move {
        let (packs, domains) = open(&test).await;
        let library = Library::open(repository()).unwrap();
        let all = library.ordered(&library.names().unwrap()).unwrap();
        for pack in &all {
            assert!(packs.install(&system(&test), pack).await.unwrap().changed);
        }
        for pack in &all {
            assert!(!packs.install(&system(&test), pack).await.unwrap().changed, "the same again changes nothing");
        }
        assert_eq!(domains.oversight.sets(&system(&test)).await.unwrap().len(), 2);
        assert!(!domains.cases.types(&system(&test)).is_empty());
        let rows = packs.list(&system(&test), Some(&library)).await.unwrap();
        assert!(rows.iter().all(|r| r.installed.is_some() && r.installed == r.available), "{rows:?}");
        let seen: Vec<String> = test.audit_page(&PageQuery::default(), "pack.install").await.unwrap().items.into_iter().map(|r| r.object).collect();
        assert_eq!(seen.len(), all.len());
        // Opened anew, everything is there.
        let (packs, domains) = open(&test).await;
        assert!(!packs.install(&system(&test), &all[0]).await.unwrap().changed);
        assert!(!domains.cases.types(&system(&test)).is_empty());
    })
    .await;
}

#[tokio::test]
async fn refuses_what_is_older_or_stands_on_nothing() {
    let test = dothi_store::testing::store(SCHEMA).await;
    let (packs, _) = open(&test).await;
    let shelf = Shelf::new();
    shelf.pack("one", "", &[("README.md", "1"), ("LICENSE", "x")]).pack("two", "\"one >= 1.0.0\"", &[]);
    let load = |name: &str| shelf.library().load(name).unwrap();
    let code = async |name: &str| packs.install(&system(&test), &load(name)).await.map_or_else(|e| e.code(), |_| "installed");
    assert_eq!(code("two").await, "packs.requires");
    assert_eq!(code("one").await, "installed");
    assert_eq!(code("two").await, "installed");
    let later = load("one").manifest;
    let text = |version: &str| {
        format!("name = \"one\"\ntitle = \"{}\"\ntitle_en = \"{}\"\nversion = \"{version}\"\nrequires = []\nlicence = \"MIT\"\n", later.title, later.title_en)
    };
    shelf.pack("one", "", &[("pack.toml", &text("1.1.0")), ("README.md", "2"), ("tests/a.toml", "")]);
    let diff = packs.diff(&system(&test), &load("one")).await.unwrap();
    assert_eq!((diff.from.as_deref(), diff.to.as_str()), (Some("1.0.0"), "1.1.0"));
    assert_eq!((diff.added, diff.changed, diff.removed), (vec!["tests/a.toml".to_string()], vec!["README.md".to_string(), "pack.toml".to_string()], vec![]));
    assert_eq!(code("one").await, "installed");
    shelf.pack("one", "", &[("pack.toml", &text("1.0.9"))]);
    assert_eq!(code("one").await, "packs.older");
    let nobody = Caller::anonymous(test.clock.as_ref(), None);
    assert_eq!(packs.list(&nobody, None).await.unwrap_err().code(), "access.sign-in-needed");
    assert_eq!(packs.install(&nobody, &load("two")).await.unwrap_err().code(), "access.sign-in-needed");
}

/// The list that `pack check` holds indicators against is what the domains offer.
#[tokio::test]
async fn known_measures_are_those_that_exist() {
    let test = dothi_store::testing::store(SCHEMA).await;
    let (_, domains) = open(&test).await;
    let offered: BTreeSet<&str> = domains.cases.names().into_iter().collect();
    let known = dothi_packs::known_measures();
    let fits = |name: &str| known.iter().any(|k| *k == name || k.strip_suffix('*').is_some_and(|family| name.starts_with(family)));
    assert!(offered.iter().all(|name| fits(name)), "{offered:?}");
    let there = |k: &&&str| offered.iter().any(|name| name == *k || k.strip_suffix('*').is_some_and(|family| name.starts_with(family)));
    assert!(known.iter().filter(|k| k.starts_with("cases.")).all(|k| there(&k)), "{known:?}");
}
