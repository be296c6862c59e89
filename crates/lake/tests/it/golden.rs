//! What earlier versions stored must still load. `DOTHI_WRITE_GOLDEN=1` writes files of the present version where none are.

use std::path::PathBuf;

use dothi_kernel::history::History;
use dothi_kernel::{Caller, Observation, Value};
use dothi_store::params;
use dothi_store::testing::{TestStore, store};

use crate::{DAY, LIMITS, number, observation, open, put, raw, schema};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn batch() -> Vec<Observation> {
    let mut odd = observation("b", "state", DAY + 3, Value::Text("đang mở".into()));
    (odd.unit, odd.area, odd.quality) = (None, None, 17);
    vec![number("a", DAY, 12.25), number("a", DAY + 60_000_000, -0.5), observation("b", "on", DAY + 1, Value::Bool(true)), odd]
}

/// The bytes kept under a name; written first when asked for and missing.
fn kept(name: &str, present: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = golden(name);
    if !path.exists() && std::env::var_os("DOTHI_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, present()).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn written(store: &TestStore) -> Vec<u8> {
    let folder = store.data().join("objects/lake/observation/day=2026-11-21");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::read(file).unwrap()
}

#[tokio::test]
async fn pending_batches_of_version_1_load() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let bytes = kept("pending-v1.bin", || lake.encode(&batch()).unwrap());
    assert_eq!(lake.decode(&bytes).unwrap(), batch());
}

#[tokio::test]
async fn files_of_version_1_load() {
    let first = store(&schema()).await;
    let lake = open(&first).await;
    put(&first, &lake, &batch()).await;
    lake.compact().await.unwrap();
    let bytes = kept("observation-v1.parquet", || written(&first));

    // Registered by hand and without statistics, as another DuckLake writer might.
    let second = store(&schema()).await;
    let lake = open(&second).await;
    let folder = second.data().join("objects/lake/observation/day=2026-11-21");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("old.parquet"), &bytes).unwrap();
    let mut tx = second.begin(&Caller::system("test", second.clock().as_ref())).await.unwrap();
    tx.exec("insert into ducklake_snapshot values (2, '2026-11-21 00:00:00+00', 1, 2, 1)", params![]).await.unwrap();
    tx.exec(
        "insert into ducklake_data_file (data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format, record_count, file_size_bytes, row_id_start) \
         values (0, 1, 2, 'day=2026-11-21/old.parquet', 1, 'parquet', 4, ?, 0)",
        params![bytes.len()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let points = lake.series(&raw("a", DAY, DAY + 120_000_000)).await.unwrap();
    assert_eq!(points.iter().map(|p| p.value.number().unwrap()).collect::<Vec<_>>(), [12.25, -0.5]);
    let b = raw("b", 0, 1).entity;
    assert_eq!(lake.latest(&b, "state").await.unwrap().unwrap().value, Value::Text("đang mở".into()));
    assert_eq!(lake.latest(&b, "on").await.unwrap().unwrap().value, Value::Bool(true));
    let table = lake.table("select quality, unit, area from observation where attribute = 'state'", LIMITS).await.unwrap();
    assert_eq!(serde_json::to_value(&table.rows).unwrap(), serde_json::json!([[17, null, null]]));
}
