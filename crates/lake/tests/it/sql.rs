//! What may be asked in SQL, and what is refused.

use dothi_kernel::history::{History, QueryLimits};
use dothi_kernel::{Kind, Value};
use dothi_store::testing::store;

use crate::{DAY, HOUR, LIMITS, number, observation, open, put, schema};

const REFUSED: &[&str] = &[
    "",
    ";",
    "selec 1",
    "select * from nothing",
    "select nothing from observation",
    "select 1; select 2",
    "insert into observation values ('a','b','c',now(),1,null,null,0,null)",
    "update observation set v = 0",
    "delete from observation",
    "truncate table observation",
    "drop table observation",
    "drop schema main cascade",
    "create table x as select 1",
    "create view x as select * from observation",
    "create external table x stored as csv location '/etc/passwd'",
    "create schema x",
    "create database x",
    "create function f(a int) returns int return a",
    "copy observation to '/tmp/x.parquet'",
    "copy (select 1) to '/tmp/x.csv'",
    "explain copy observation to '/tmp/x.parquet'",
    "explain analyze copy observation to '/tmp/x.parquet'",
    "explain delete from observation",
    "select * from '/etc/passwd'",
    "select * from 'file:///etc/passwd'",
    "select * from \"lake/observation\"",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('x')",
    "select * from parquet_metadata('x')",
    "set datafusion.execution.batch_size = 1",
    "reset datafusion.execution.batch_size",
    "set datafusion.runtime.memory_limit = '10G'",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "begin",
    "commit",
    "use other",
    "attach 'x' as y",
    "install httpfs",
    "vacuum",
    "select repeat('x', 2000000000)",
    "select range(1, 1000000000)",
    "select lpad('x', 2000000000)",
    "select replace('aa', 'a', 'bb')",
    "select v from observation where",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_reading_is_allowed() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    put(&store, &lake, &[number("a", DAY, 1.0)]).await;
    for sql in REFUSED {
        let e = lake.table(sql, LIMITS).await.expect_err(sql);
        assert_eq!((e.kind(), e.code()), (Kind::Invalid, "history.sql"), "{sql}: {e}");
    }
    let long = format!("select '{}'", "x".repeat(70_000));
    assert_eq!(lake.table(&long, LIMITS).await.unwrap_err().code(), "history.sql");
    for sql in [
        "show tables",
        "describe observation",
        "explain select * from observation",
        "explain analyze select count(*) from observation",
        "show columns from observation",
    ] {
        assert!(!lake.table(sql, LIMITS).await.expect(sql).rows.is_empty(), "{sql}");
    }
    assert_eq!(crate::count(&lake).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_plain_json_over_files_and_pending() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    put(&store, &lake, &[number("a", DAY, 1.5), observation("a", "door", DAY + 1, Value::Text("mở".into()))]).await;
    lake.compact().await.unwrap();
    put(&store, &lake, &[observation("b", "on", DAY + HOUR, Value::Bool(true))]).await;
    let table = lake.table("select attribute, t, v, text, quality, v > 1.2 as high from observation order by t", LIMITS).await.unwrap();
    assert_eq!(table.columns, ["attribute", "t", "v", "text", "quality", "high"]);
    let rows = serde_json::json!([
        ["pm25", "2026-11-21T00:00:00Z", 1.5, null, 0, true],
        ["door", "2026-11-21T00:00:00.000001Z", null, "mở", 0, null],
        ["on", "2026-11-21T01:00:00Z", 1.0, "true", 0, false]
    ]);
    assert_eq!(serde_json::to_value(&table.rows).unwrap(), rows);
    let table = lake
        .table(
            "select date_bin(interval '1 hour', t) as hour, count(*) as n, avg(v) from observation where t < '2026-11-21T02:00:00Z' group by 1 order by 1",
            LIMITS,
        )
        .await
        .unwrap();
    assert_eq!(serde_json::to_value(&table.rows).unwrap(), serde_json::json!([["2026-11-21T00:00:00Z", 2, 1.5], ["2026-11-21T01:00:00Z", 1, 1.0]]));
    let table = lake.table("select a.entity from observation a join observation b on a.entity = b.entity and a.t < b.t", LIMITS).await.unwrap();
    assert_eq!(table.rows.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_time_and_memory_are_bounded() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let batch: Vec<_> = (0..500).map(|i| number("a", DAY + i, i as f64)).collect();
    put(&store, &lake, &batch).await;
    let limits = QueryLimits { rows: 10, seconds: 60 };
    let cut = lake.table("select v from observation order by v", limits).await.unwrap();
    assert_eq!((cut.rows.len(), cut.truncated), (10, true));
    let whole = lake.table("select v from observation order by v limit 10", limits).await.unwrap();
    assert_eq!((whole.rows.len(), whole.truncated), (10, false));
    let quick = QueryLimits { rows: 10, seconds: 1 };
    let slow = "select count(*) from observation a, observation b, observation c, observation d, observation e where a.v + b.v + c.v + d.v + e.v < 0";
    let start = std::time::Instant::now();
    assert_eq!(lake.table(slow, quick).await.unwrap_err().code(), "history.sql");
    let endless = "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r";
    assert_eq!(lake.table(endless, quick).await.unwrap_err().code(), "history.sql");
    assert!(start.elapsed().as_secs() < 30, "answered at the limit, not when done");
    let doubling: String = (1..26).map(|i| format!(", t{i} as (select s || s as s from t{} limit 1)", i - 1)).collect();
    let giant = format!("with t0 as (select 'xxxxxxxxxxxxxxxx' || entity as s from observation){doubling} select length(s) from t25");
    assert_eq!(lake.table(&giant, LIMITS).await.unwrap_err().code(), "history.sql");
    // Abandoned queries have given their turns back.
    for _ in 0..8 {
        assert_eq!(lake.table("select 1", LIMITS).await.unwrap().rows.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_choose_the_files() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let batch: Vec<_> = (0..40).map(|i| number(["a", "b"][i as usize % 2], DAY + i * 24 * HOUR, i as f64)).collect();
    put(&store, &lake, &batch).await;
    assert_eq!(lake.compact().await.unwrap().files, 40);
    let plan = |sql: &'static str| {
        let lake = lake.clone();
        async move {
            let table = lake.table(sql, LIMITS).await.unwrap();
            table.rows.iter().map(|r| r[1].as_str().unwrap().to_string()).collect::<String>()
        }
    };
    let one = plan("explain select avg(v) from observation where t >= '2026-11-25T00:00:00Z' and t < '2026-11-26T00:00:00Z'").await;
    assert_eq!(one.matches(".parquet").count(), 1, "{one}");
    assert!(one.contains("day=2026-11-25"));
    let high = plan("explain select entity from observation where v >= 38").await;
    assert_eq!(high.matches(".parquet").count(), 2, "{high}");
    let all = plan("explain select count(*) from observation").await;
    assert_eq!(all.matches(".parquet").count(), 0, "counted from the registry: {all}");
}
