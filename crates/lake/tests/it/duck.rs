//! DuckDB, which knows nothing of us, reads the same rows.

use std::path::Path;
use std::process::Command;

use dothi_kernel::Value;
use dothi_kernel::history::History;
use dothi_store::testing::{TestStore, both};

use crate::{DAY, HOUR, LIMITS, number, observation, open, put, schema};

fn python() -> String {
    std::env::var("DOTHI_DUCKDB_PYTHON").unwrap_or_else(|_| "python3".into())
}

fn importable(engine: dothi_store::Engine) -> bool {
    let modules = match engine {
        dothi_store::Engine::Sqlite => "duckdb, duckdb_extension_ducklake, duckdb_extension_sqlite_scanner",
        dothi_store::Engine::Postgres => "duckdb, duckdb_extension_ducklake, duckdb_extension_postgres_scanner",
    };
    Command::new(python()).args(["-c", &format!("import {modules}")]).output().is_ok_and(|o| o.status.success())
}

fn catalog(store: &TestStore) -> String {
    match store.sqlite_file() {
        Some(file) => format!("sqlite:{}", file.display()),
        None => format!("postgres:{}", store.settings.database_url.clone().unwrap()),
    }
}

fn ask(store: &TestStore) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/duckdb_count.py");
    let done = Command::new(python()).arg(script).arg(catalog(store)).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_counts_the_same_rows() {
    both(&schema(), |store| async move {
        if !importable(store.engine()) {
            assert!(std::env::var_os("CI_DUCKDB").is_none(), "DuckDB and its extensions are needed with CI_DUCKDB");
            eprintln!(
                "SKIPPED: python3 cannot import duckdb and its DuckLake extension (PyPI: duckdb duckdb-extension-ducklake duckdb-extension-sqlite-scanner)"
            );
            return;
        }
        let lake = open(&store).await;
        let empty = ask(&store);
        assert_eq!(empty["count"], 0);
        for round in 0..5i64 {
            let batch: Vec<_> = (0..300)
                .map(|i| match i % 100 {
                    0 => observation("d", "state", DAY + i, Value::Text("mở".into())),
                    1 => observation("d", "on", DAY + i, Value::Bool(i % 200 == 1)),
                    _ => number(["a", "b", "c"][i as usize % 3], DAY - 30 * HOUR + (round * 300 + i) * 1_000_003, (i % 17) as f64 / 4.0),
                })
                .collect();
            put(&store, &lake, &batch).await;
            if round < 4 {
                lake.compact().await.unwrap();
            }
        }
        lake.compact().await.unwrap();
        same(&store, &lake).await;
        assert!(lake.merge_small().await.unwrap() > 0);
        same(&store, &lake).await;
        store.clock.advance_seconds(3 * 86_400);
        lake.expire().await.unwrap();
        store.clock.advance_seconds(86_400);
        assert!(lake.expire().await.unwrap() > 0);
        same(&store, &lake).await;
        let after = ask(&store);
        assert_eq!(after["columns"][3], serde_json::json!(["t", "TIMESTAMP WITH TIME ZONE"]));
    })
    .await;
}

async fn same(store: &TestStore, lake: &dothi_lake::Lake) {
    let theirs = ask(store);
    let sql = "select count(*), avg(v), cast(min(t) as bigint), cast(max(t) as bigint) from observation_raw";
    let ours = lake.table(sql, LIMITS).await.unwrap();
    assert_eq!(theirs["count"], ours.rows[0][0]);
    assert!((theirs["avg"].as_f64().unwrap() - ours.rows[0][1].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!((&theirs["first"], &theirs["last"]), (&ours.rows[0][2], &ours.rows[0][3]));
    let series = lake.table("select entity, attribute, count(*), sum(v) from observation_raw group by 1, 2 order by 1, 2", LIMITS).await.unwrap();
    assert_eq!(theirs["series"], serde_json::to_value(&series.rows).unwrap());
    let late = lake.table("select count(*) from observation_raw where t >= '2026-11-21T00:00:00Z'", LIMITS).await.unwrap();
    assert_eq!(theirs["late"], late.rows[0][0]);
    let words = lake.table("select count(*) from observation_raw where text is not null", LIMITS).await.unwrap();
    assert_eq!(theirs["words"], words.rows[0][0]);
}
