//! Files: what is taken, what is left out, and that nothing is taken twice.

use std::sync::Arc;

use dothi_context::import::{Imported, Mapping, Reject, Source};
use dothi_kernel::Permission;
use dothi_store::params;
use serde_json::json;

use crate::commanding::person;
use crate::rig::{Rig, new_device};

async fn import(rig: &Rig, text: &str, mapping: &str) -> (Imported, Vec<Reject>) {
    let mapping: Mapping = toml::from_str(mapping).unwrap();
    let mut rejects = Vec::new();
    let done = rig.context.import(&rig.system(), "t.csv", Source::Bytes(text.as_bytes().into()), &mapping, &mut |r| rejects.push(r)).await.unwrap();
    (done, rejects)
}

fn counts(done: &Imported) -> (u64, u64, u64, u64) {
    (done.records, done.before, done.stored, done.rejected)
}

const BY_COLUMN: &str = "profile = 'flat'\ndevice_column = 'trạm'\nnames = { 'thời gian' = 't', 'PM2.5' = 'pm25' }";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_csv_are_taken_once_and_bad_ones_told_with_their_line() {
    let rig = Rig::new().await;
    for id in ["aq-1", "aq-2"] {
        rig.device(id, "flat").await;
    }
    let head = "trạm;thời gian;PM2.5;temperature\n";
    let mut text = format!("\u{FEFF}{head}aq-1;2019-11-21T00:00:00Z;12.5;20\naq-2;2019-11-21T00:00:00Z;;21\n");
    text += "aq-9;2019-11-21T00:00:00Z;1;1\naq-1;yesterday;1;1\naq-1;2019-11-21T01:00:00Z;\"x\ny\";1\naq-1;2019-11-21T02:00:00Z\naq-1;2019-11-21T03:00:00Z;2000;1\n";
    let (done, rejects) = import(&rig, &text, BY_COLUMN).await;
    assert_eq!(counts(&done), (7, 0, 5, 4), "{rejects:#?}");
    let told: Vec<(u64, &str)> = rejects.iter().map(|r| (r.line, r.code.as_str())).collect();
    assert_eq!(told, [(4, "import.device"), (5, "device.payload.clock"), (6, "device.payload.value"), (8, "import.columns")]);
    let lines = rig.history.all().await;
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().any(|l| l.2 == "pm25" && l.4 == 2000.0 && l.5 == dothi_kernel::value::quality::RANGE), "judged as a message would be");
    // Again: nothing. Grown: what is new. Changed before its end: all of it.
    assert_eq!(counts(&import(&rig, &text, BY_COLUMN).await.0), (7, 7, 0, 0));
    let grown = text.clone() + "aq-2;2019-11-22T00:00:00Z;3;\n";
    assert_eq!(counts(&import(&rig, &grown, BY_COLUMN).await.0), (8, 7, 1, 0));
    assert_eq!(counts(&import(&rig, &grown, BY_COLUMN).await.0), (8, 8, 0, 0));
    assert_eq!(rig.history.all().await.len(), 6);
    // Without a device of the registry, with local times and decimal commas.
    let local = "ma,luc,pm\nS1,2019-11-21 07:30,\"1.012,5\"\n";
    let mapping = "entity = 'urn:ngsi-ld:AirQualityObserved:{ma}'\ndecimal_comma = true\n\
        [read]\ntype = 'AirQualityObserved'\ntime = { path = 'luc', format = 'civil', zone = 'Asia/Ho_Chi_Minh' }\nattributes = [{ name = 'pm10', path = 'pm' }]";
    assert_eq!(counts(&import(&rig, local, mapping).await.0), (1, 0, 1, 0));
    let last = rig.history.all().await.into_iter().find(|l| l.0.ends_with(":S1")).unwrap();
    assert_eq!((last.4, last.3), (json!(1012.5), 1_574_296_200_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_command_ends_what_it_began() {
    let rig = Rig::new().await;
    let mut tx = rig.store.begin_as("test").await.unwrap();
    let long_ago = tx.now().as_microsecond() - 3 * 86_400_000_000;
    tx.exec("insert into context_message (id, at) values ('old', ?)", params![long_ago]).await.unwrap();
    tx.commit().await.unwrap();
    rig.device("aq-1", "flat").await;
    import(&rig, "t,pm25\n2019-11-21T00:00:00Z,1\n", "device = 'aq-1'").await;
    rig.context.close().await;
    let kept = rig.store.rows("select id from context_message", params![]).await.unwrap();
    let kept: Vec<String> = kept.iter().map(|r| r.text("id").unwrap()).collect();
    assert!(kept.len() == 1 && kept[0].starts_with("import:"), "old ids were forgotten before the end: {kept:?}");
    let late = rig.context.add_device(&rig.system(), new_device("aq-2", "flat")).await.unwrap_err();
    assert_eq!(late.code(), "context.busy", "nothing is taken any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_goes_on_where_it_ended() {
    let rig = Rig::new().await;
    rig.device("aq-1", "flat").await;
    let row = |i: usize| format!("2025-01-{:02}T{:02}:{:02}:00Z,{i}\n", 1 + i / 1440, i / 60 % 24, i % 60);
    let text: String = std::iter::once("t,pm25\n".to_string()).chain((0..9_000).map(row)).collect();
    let mapping: Mapping = toml::from_str("device = 'aq-1'").unwrap();
    // It ends in the middle: whoever waits for it goes away.
    let (source, caller) = (Source::Bytes(text.as_bytes().into()), rig.system());
    {
        let mut reject = |_: Reject| {};
        let running = rig.context.import(&caller, "t", source.clone(), &mapping, &mut reject);
        let seen = rig.eventually("a part is stored", async || rig.history.all().await.len() >= 2_000);
        tokio::select! { _ = running => {}, () = seen => {} }
    }
    let (done, _) = import(&rig, &text, "device = 'aq-1'").await;
    assert_eq!((done.records, done.rejected), (9_000, 0));
    let mut lines: Vec<i64> = rig.history.all().await.into_iter().map(|l| l.3).collect();
    assert_eq!(lines.len(), 9_000, "each row once");
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 9_000);
    // A source that cannot be read is told.
    let gone = rig.context.import(&caller, "t", Source::File("/nowhere".into()), &mapping, &mut |_| {}).await.unwrap_err();
    assert_eq!(gone.code(), "import.unreadable");
    let reader = person(&rig, &[Permission::ContextRead], None);
    assert_eq!(rig.context.import(&reader, "t", source, &mapping, &mut |_| {}).await.unwrap_err().code(), "access.not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_entities_and_data_arrays() {
    let rig = Rig::new().await;
    rig.device("aq-1", "flat").await;
    // An array, and lines with a bad one among them.
    let array = "[\n {\"t\": \"2025-01-01T00:00:00Z\", \"pm25\": 1},\n {\"t\": \"2025-01-01T01:00:00Z\", \"pm25\": \"x\"}, 7 ]";
    let (done, rejects) = import(&rig, array, "device = 'aq-1'").await;
    assert_eq!(counts(&done), (3, 0, 1, 2));
    assert_eq!(rejects.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 3]);
    let lines = "{\"t\":\"2025-01-02T00:00:00Z\",\"pm25\":1}\n{\"t\":\n{\"t\":\"2025-01-02T01:00:00Z\",\"pm25\":2}\n";
    let (done, rejects) = import(&rig, lines, "device = 'aq-1'").await;
    assert_eq!((counts(&done), rejects[0].line), ((3, 0, 2, 1), 2));
    // NGSI-LD entities.
    let entities = json!([
        {"id": "urn:ngsi-ld:Park:1", "type": "Park", "name": {"type": "Property", "value": "Công viên"}},
        {"id": "urn:ngsi-ld:Park:2", "type": "Park", "level": {"type": "Property", "value": 3, "observedAt": "2025-01-01T00:00:00Z"}},
        {"id": "no uri", "type": "Park"},
        {"type": "Park"},
    ]);
    let (done, rejects) = import(&rig, &entities.to_string(), "").await;
    assert_eq!((counts(&done), rejects.len()), ((4, 0, 2, 2), 2));
    assert_eq!(rig.context.thing(&rig.system(), "urn:ngsi-ld:Park:1").unwrap().name, "Công viên");
    assert_eq!(counts(&import(&rig, &entities.to_string(), "").await.0), (4, 4, 0, 0));
    // Data arrays for a datastream that is not there are told, not lost.
    let arrays = json!([{"Datastream": {"@iot.id": 77}, "components": ["phenomenonTime", "result"], "dataArray": [["2025-01-01T00:00:00Z", 1], ["2025-01-01T01:00:00Z", 2]]}]);
    let (done, rejects) = import(&rig, &arrays.to_string(), "").await;
    assert_eq!((counts(&done), rejects[0].code.as_str()), ((1, 0, 0, 2), "import.rows"));
    let mapping: Mapping = toml::from_str("profile = 'none'").unwrap();
    let bytes: Arc<[u8]> = b"a,b\n1,2\n".as_slice().into();
    let refused = rig.context.import(&rig.system(), "t", Source::Bytes(bytes), &mapping, &mut |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "import.mapping");
}
