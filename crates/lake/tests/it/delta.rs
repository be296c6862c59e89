//! The exported Delta table, read by its log and by a reader that is not ours.

use std::process::Command;

use dothi_kernel::history::History;
use dothi_store::testing::store;

use crate::{DAY, HOUR, LIMITS, number, open, put, schema};

fn log(folder: &std::path::Path, version: u32) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join(format!("_delta_log/{version:020}.json"))).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_export_is_a_delta_table() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let folder = tempfile::tempdir().unwrap();
    for day in 0..3 {
        put(&store, &lake, &(0..10).map(|i| number("a", DAY + day * 24 * HOUR + i * HOUR + 1, i as f64)).collect::<Vec<_>>()).await;
    }
    let first = lake.export_delta(folder.path()).await.unwrap();
    assert_eq!((first.version, first.added, first.removed, first.rows), (0, 3, 0, 30));
    assert_eq!(lake.export_delta(folder.path()).await.unwrap().version, 0, "nothing new, no version");
    let adds: Vec<_> = log(folder.path(), 0).into_iter().filter_map(|l| l.get("add").cloned()).collect();
    let stats: serde_json::Value = serde_json::from_str(adds[0]["stats"].as_str().unwrap()).unwrap();
    assert_eq!((stats["numRecords"].as_u64(), stats["minValues"]["t"].as_str()), (Some(10), Some("2026-11-21T00:00:00.000Z")));
    assert_eq!((&stats["maxValues"]["t"], &stats["nullCount"]["text"]), (&serde_json::json!("2026-11-21T09:00:00.001Z"), &serde_json::json!(10)));
    assert!(folder.path().join(adds[0]["path"].as_str().unwrap()).exists());
    // A correction: the day's file makes way for the merged one.
    put(&store, &lake, &[number("a", DAY + 1, 1000.0)]).await;
    let second = lake.export_delta(folder.path()).await.unwrap();
    assert_eq!((second.version, second.added, second.removed, second.rows), (1, 1, 1, 30));

    let python = std::env::var("DOTHI_DUCKDB_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python).args(["-c", "import deltalake, pyarrow"]).output().is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED the second half: python3 cannot import deltalake and pyarrow (PyPI)");
        return;
    }
    let script =
        "import sys, deltalake\nt = deltalake.DeltaTable(sys.argv[1])\nr = t.to_pyarrow_table()\nprint(t.version(), r.num_rows, sum(r['v'].to_pylist()))";
    let shown = Command::new(&python).args(["-c", script]).arg(folder.path()).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let ours = lake.table("select count(*), sum(v) from observation", LIMITS).await.unwrap();
    let expected = format!("1 {} {:.1}\n", ours.rows[0][0], ours.rows[0][1].as_f64().unwrap());
    assert_eq!(String::from_utf8_lossy(&shown.stdout), expected);
}
