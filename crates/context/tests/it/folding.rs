//! The journal and its checkpoints: whatever happens in between, reading back gives what was acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use dothi_context::{Context, Reading};
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, SystemClock, Value as Val};
use dothi_store::testing::both;
use dothi_store::{Settings, Store, params};
use serde_json::{Value, json};

use crate::api::{Api, OneCommune};
use crate::rig::PendingHistory;

const T0: i64 = 1_795_222_800_000_000;
const STATION: &str = "urn:ngsi-ld:AirQualityObserved:hy-1";

fn reading(entity: &str, attribute: &str, value: impl Into<Val>, t: i64) -> Reading {
    Reading {
        entity: entity.into(),
        kind: "AirQualityObserved".into(),
        attribute: attribute.into(),
        value: value.into(),
        unit: Some("GQ".into()),
        observed_at: t,
        quality: 0,
        location: None,
    }
}

async fn rows(store: &Store, table: &str) -> i64 {
    store.row(&format!("select count(*) as n from {table}"), params![]).await.unwrap().unwrap().int("n").unwrap()
}

async fn everything(api: &Api) -> Value {
    api.get("/entities?type=AirQualityObserved,J&limit=1000&options=sysAttrs").await.json()
}

/// Changes of every kind, by readings and by requests.
async fn change(api: &Api, round: i64) {
    let system = api.system();
    let t = T0 + round * 1_000_000;
    let mut moving = reading(STATION, "pm25", Val::Number(round as f64 + 0.25), t);
    moving.location = Some(Point { lon: 106.1 + round as f64 / 10.0, lat: 20.5 });
    let mut odd = reading(STATION, "odd", Val::Number(-1.0), t);
    odd.quality = (round % 2) as u16;
    let texts = [reading(STATION, "state", Val::Text("mở".into()), t), reading(STATION, "on", Val::Bool(round % 2 == 0), t)];
    api.context.ingest(&system, [vec![moving, odd], texts.to_vec()].concat()).await.unwrap();
    api.context
        .ingest(&system, vec![reading(&format!("urn:r:{round}"), "pm25", Val::Number(1e300), t), reading(STATION, "pm25", Val::Number(0.0), 1)])
        .await
        .unwrap();
    let id = format!("urn:j:{round}");
    api.create(&[json!({"id": id, "type": "J", "a": [{"value": round}, {"value": "x", "datasetId": "urn:d:1"}], "scope": "/a"})]).await;
    api.context.ingest(&system, vec![reading(&id, "a", Val::Number(7.0), t), reading(&id, "a", Val::Number(8.0), t + 1)]).await.unwrap();
    assert_eq!(api.call("POST", &format!("/entities/{STATION}/attrs"), &json!({"note": {"value": {"deep": [round]}}})).await.status, 204);
    let set = json!({"pm25": {"value": round, "unitCode": "GP", "accuracy": {"value": 0.5}}, "note": {"value": round}});
    assert_eq!(api.call("PATCH", &format!("/entities/{STATION}/attrs"), &set).await.status, 204);
    assert_eq!(api.call("PATCH", &format!("/entities/{id}/attrs"), &json!({"a": {"value": "y", "datasetId": "urn:d:1"}})).await.status, 204);
    if round > 0 {
        assert_eq!(api.call("DELETE", &format!("/entities/urn:j:{}", round - 1), &Value::Null).await.status, 204);
        // Gone and there again: versions begin anew.
        api.context.ingest(&system, vec![reading(&format!("urn:j:{}", round - 1), "b", Val::Number(1.0), t)]).await.unwrap();
    }
}

#[tokio::test]
async fn replaying_and_folding_change_nothing() {
    both(&[dothi_context::MIGRATIONS], async |store| {
        let mut api = Api::on(store).await;
        for round in 0..4 {
            change(&api, round).await;
            assert!(rows(&api.test.store, "context_journal").await > 0);
            let before = everything(&api).await;
            assert!(before.as_array().unwrap().len() > 2);
            api.reopen().await;
            assert_eq!(everything(&api).await, before, "replayed");
            let journal = api.test.store.rows("select seq, doc from context_journal order by seq", params![]).await.unwrap();
            assert!(api.context.checkpoint().await.unwrap() > 0);
            assert_eq!(rows(&api.test.store, "context_journal").await, 0);
            api.reopen().await;
            assert_eq!(everything(&api).await, before, "folded");
            // As if it had been killed before the journal was trimmed, or while the table was ahead of it.
            let mut tx = api.test.store.begin(&api.system()).await.unwrap();
            for row in &journal[journal.len() / 2 * (round as usize % 2)..] {
                let (seq, doc) = (row.int("seq").unwrap(), row.bytes("doc").unwrap());
                tx.exec("insert into context_journal (seq, doc) values (?, ?)", params![seq, doc]).await.unwrap();
            }
            tx.commit().await.unwrap();
            api.reopen().await;
            assert_eq!(everything(&api).await, before, "replayed over what was folded");
        }
    })
    .await;
}

#[tokio::test]
async fn many_and_large_entities_are_read_back_whole() {
    both(&[dothi_context::MIGRATIONS], async |store| {
        let mut api = Api::on(store).await;
        let system = api.system();
        let small = (0..2_100).map(|n| reading(&format!("urn:r:{n:04}"), "state", Val::Text(format!("\u{1e}{n}\u{1f}ệ").into()), T0));
        api.context.ingest(&system, small.collect()).await.unwrap();
        // More than a page holds, in the middle of one.
        for n in 0..9 {
            let text = "ệ\"\u{1e}".repeat(60_000);
            api.create(&[json!({"id": format!("urn:r:0500-{n}"), "type": "AirQualityObserved", "text": {"value": text}})]).await;
        }
        let all = async |api: &Api| {
            let mut pages = Vec::new();
            for offset in [0, 1_000, 2_000] {
                pages.push(api.get(&format!("/entities?type=AirQualityObserved&limit=1000&offset={offset}&options=sysAttrs")).await.json());
            }
            pages
        };
        let before = all(&api).await;
        assert_eq!(before.iter().map(|page| page.as_array().unwrap().len()).sum::<usize>(), 2_109);
        assert_eq!(api.context.checkpoint().await.unwrap(), 2_109);
        api.reopen().await;
        assert!(all(&api).await == before, "read from the table");
    })
    .await;
}

#[tokio::test]
async fn a_busy_sensor_costs_one_row_a_checkpoint() {
    let mut api = Api::new().await;
    let system = api.system();
    for i in 0..50 {
        api.context.ingest(&system, vec![reading(STATION, "pm25", Val::Number(i as f64), T0 + i)]).await.unwrap();
    }
    assert_eq!(rows(&api.test.store, "context_entity").await, 0);
    assert_eq!(api.context.checkpoint().await.unwrap(), 1);
    assert_eq!(api.context.checkpoint().await.unwrap(), 0);
    let row = api.test.store.row("select version, body from context_entity", params![]).await.unwrap().unwrap();
    assert_eq!(row.int("version").unwrap(), 50);
    assert!(row.bytes("body").unwrap().len() < 200, "{}", row.bytes("body").unwrap().len());
    assert_eq!(rows(&api.test.store, "context_journal").await, 0);
    api.reopen().await;
    assert_eq!(api.get(&format!("/entities/{STATION}")).await.json()["pm25"]["value"], 49);
}

#[tokio::test]
async fn a_request_that_sets_one_attribute_is_journaled_without_the_others() {
    let mut api = Api::new().await;
    let long: String = (0..2_000u32).filter_map(|i| char::from_u32(0x4e00 + i * 7_919 % 20_000)).collect();
    api.create(&[json!({"id": "urn:j:1", "type": "J", "text": {"value": long}, "a": {"value": 1}})]).await;
    assert_eq!(api.call("PATCH", "/entities/urn:j:1/attrs", &json!({"a": {"value": 2}})).await.status, 204);
    let newest = api.test.store.row("select doc from context_journal order by seq desc limit 1", params![]).await.unwrap().unwrap();
    let bytes = newest.bytes("doc").unwrap().len();
    assert!(bytes < 300, "{bytes}");
    let before = everything(&api).await;
    assert_eq!(before[0]["a"]["value"], 2);
    api.reopen().await;
    assert_eq!(everything(&api).await, before);
}

#[tokio::test]
async fn rows_of_old_still_load() {
    let first = json!({"type": "Property", "value": 0.25, "unitCode": "GQ", "observedAt": "2026-11-21T01:00:00Z"});
    let second = json!({"type": "Property", "value": 0, "unitCode": "GP", "accuracy": {"type": "Property", "value": 0.5}});
    for (version, pm25, note, other) in [(1, first, json!({"deep": [0]}), "x"), (2, second, json!(0), "y")] {
        let mut api = Api::new().await;
        let golden = format!("{}/tests/golden/journal-v{version}.hex", env!("CARGO_MANIFEST_DIR"));
        if version == 2 && std::env::var_os("DOTHI_WRITE_GOLDEN").is_some() {
            change(&api, 0).await;
            let rows = api.test.store.rows("select doc from context_journal order by seq", params![]).await.unwrap();
            let lines: Vec<String> = rows.iter().map(|r| hex(&r.bytes("doc").unwrap())).collect();
            std::fs::write(&golden, lines.join("\n") + "\n").unwrap();
            api = Api::new().await;
        }
        let mut tx = api.test.store.begin(&api.system()).await.unwrap();
        for (seq, line) in (1i64..).zip(std::fs::read_to_string(golden).unwrap().lines()) {
            tx.exec("insert into context_journal (seq, doc) values (?, ?)", params![seq, bytes(line)]).await.unwrap();
        }
        tx.commit().await.unwrap();
        api.reopen().await;
        let entity = api.get(&format!("/entities/{STATION}")).await.json();
        assert_eq!((&entity["pm25"], &entity["note"]["value"]), (&pm25, &note));
        assert_eq!((&entity["state"]["value"], &entity["on"]["value"]), (&json!("mở"), &json!(true)));
        assert_eq!(entity["location"]["value"]["coordinates"], json!([106.1, 20.5]));
        let j = api.get("/entities/urn:j:0").await.json();
        assert_eq!((&j["a"][0]["value"], &j["a"][1]["value"]), (&json!(8), &json!(other)));
        assert_eq!(api.get("/entities/urn:r:0").await.json()["pm25"]["value"], json!(1e300));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// What the table of entities held before it held bytes, and what it holds now: the same thing.
#[tokio::test]
async fn entities_of_old_still_load() {
    let put = async |column: &str, value: dothi_store::Param| {
        let mut api = Api::new().await;
        let mut tx = api.test.store.begin(&api.system()).await.unwrap();
        let kind = "https://uri.etsi.org/ngsi-ld/default-context/Old";
        tx.exec("insert into context_entity (id, type, version, modified, doc) values ('urn:o:1', ?, 3, ?, '')", params![kind, T0]).await.unwrap();
        tx.exec(&format!("update context_entity set {column} = ?"), vec![value]).await.unwrap();
        tx.commit().await.unwrap();
        api.reopen().await;
        api
    };
    let first = include_str!("../golden/entity-v1.json").trim();
    let old = put("doc", first.into()).await;
    let entity = old.context.entity(&old.system(), "urn:o:1").unwrap();
    assert_eq!((entity.attrs.len(), entity.version), (3, 3));
    // And writing it again gives the same text: the format of snapshots has not moved.
    assert_eq!(serde_json::to_string(&*entity).unwrap(), first);
    // What touches it writes it in today's form.
    let second = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/entity-v2.hex")).unwrap();
    let second = second.trim();
    let new = put("body", bytes(second).into()).await;
    assert_eq!(new.context.entity(&new.system(), "urn:o:1").unwrap(), entity);
    assert_eq!(old.call("PATCH", "/entities/urn:o:1/attrs", &json!({"n": {"value": 1}})).await.status, 204);
    assert_eq!(old.context.checkpoint().await.unwrap(), 1);
    let row = old.test.store.row("select doc, body from context_entity", params![]).await.unwrap().unwrap();
    assert_eq!((row.text("doc").unwrap().as_str(), row.bytes("body").unwrap()[0]), ("", 2));
    // What is newer or broken is said.
    for broken in [vec![], vec![9], bytes(&second[..100])] {
        let api = Api::new().await;
        let mut tx = api.test.store.begin(&api.system()).await.unwrap();
        tx.exec("insert into context_entity (id, type, version, modified, doc, body) values ('urn:o:1', '', 3, 0, '', ?)", params![broken]).await.unwrap();
        tx.commit().await.unwrap();
        let history = Arc::new(PendingHistory(api.test.store.clone()));
        assert!(Context::open(api.test.store.clone(), history, Arc::new(OneCommune), Default::default()).await.is_err());
    }
}

#[tokio::test]
async fn a_damaged_or_newer_row_is_said_and_not_skipped() {
    for bytes in [vec![9u8, 1, 2], vec![1u8, 1, 2], vec![2u8, 1, 2], Vec::new()] {
        let api = Api::new().await;
        let mut tx = api.test.store.begin(&api.system()).await.unwrap();
        tx.exec("insert into context_journal (seq, doc) values (?, ?)", params![1i64, bytes]).await.unwrap();
        tx.commit().await.unwrap();
        let history = Arc::new(PendingHistory(api.test.store.clone()));
        assert!(Context::open(api.test.store.clone(), history, Arc::new(OneCommune), Default::default()).await.is_err());
    }
}

const VICTIM: &str = "DOTHI_TEST_FOLDING";
const STATIONS: i64 = 40;

async fn reopen(folder: &str) -> (Store, Arc<Context>, Caller) {
    let settings = Settings { data: folder.into(), database_url: None };
    let store = Store::open(&settings, Arc::new(SystemClock), &[dothi_context::MIGRATIONS]).await.unwrap();
    let history = Arc::new(PendingHistory(store.clone()));
    let context = Context::open(store.clone(), history, Arc::new(OneCommune), Default::default()).await.unwrap();
    let system = Caller::system("test", store.clock().as_ref());
    (store, Arc::new(context), system)
}

/// Runs in a process of its own until it is killed: writes and says what is acknowledged, while checkpoints never rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started and killed by killed_while_folding_it_keeps_everything_it_acknowledged"]
async fn folding_victim() {
    let Ok(order) = std::env::var(VICTIM) else { return };
    let (start, folder) = order.split_once(' ').unwrap();
    let start: i64 = start.parse().unwrap();
    let (_store, context, system) = reopen(folder).await;
    let background = context.clone();
    tokio::spawn(async move {
        loop {
            background.checkpoint().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for n in start.. {
        let one = |s: i64| reading(&format!("urn:k:{s}"), "n", Val::Number(n as f64), T0 + n);
        context.ingest(&system, (0..STATIONS).map(one).collect()).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_folding_it_keeps_everything_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap().to_string();
    let mut start = 1;
    for round in 0..4i64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "folding::folding_victim", "--ignored", "--nocapture"])
            .env(VICTIM, format!("{start} {place}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        // Killed in the middle of its work, after another number of steps each time.
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            acknowledged = line.rsplit("acknowledged ").next().and_then(|n| n.parse::<i64>().ok()).unwrap_or(acknowledged);
            if acknowledged >= start + 20 + 7 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acknowledged > start, "the victim did something");
        let (store, context, system) = reopen(&place).await;
        let values: Vec<f64> =
            (0..STATIONS).map(|s| context.entity(&system, &format!("urn:k:{s}")).unwrap().attrs[0].1.first().unwrap().value.as_f64().unwrap()).collect();
        assert!(values.iter().all(|v| *v == values[0]), "whole batches only: {values:?}");
        assert!(values[0] >= acknowledged as f64 && values[0] <= acknowledged as f64 + 1.0, "{} after {acknowledged} was acknowledged", values[0]);
        start = acknowledged + 10;
        drop(context);
        store.close().await.unwrap();
    }
}
