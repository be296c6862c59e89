//! psql, which knows nothing of us, asks the lake.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Output};
use std::sync::Arc;

use async_trait::async_trait;
use dothi_kernel::history::History;
use dothi_kernel::{Caller, Error, Result, SystemClock, Value};
use dothi_lake::{Doorkeeper, Lake, PgLimits};
use dothi_store::testing::store;
use tokio::net::TcpListener;

use crate::{DAY, HOUR, LIMITS, number, observation, open, put, schema};

struct Door;

#[async_trait]
impl Doorkeeper for Door {
    async fn admit(&self, user: &str, password: &str, _: IpAddr) -> Result<Caller> {
        match (user, password) {
            ("token", "let me in") => Ok(Caller::system("test", &SystemClock)),
            _ => Err(Error::unauthenticated("access.token-invalid", "no")),
        }
    }
}

async fn serve(lake: &Arc<Lake>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lake = lake.clone();
    let limits = PgLimits { rows: 1_000, seconds: 20, ..PgLimits::default() };
    tokio::spawn(async move { lake.serve_pg(listener, None, Arc::new(Door), limits).await.unwrap() });
    address
}

async fn psql(at: SocketAddr, password: &'static str, sql: &'static str) -> Output {
    let ask = move || {
        Command::new("psql")
            .args([
                "-X",
                "-A",
                "-t",
                "-F",
                "|",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                &at.port().to_string(),
                "-U",
                "token",
                "-d",
                "dothi",
                "-c",
                sql,
            ])
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "20")
            .output()
            .unwrap()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_sees_the_same_rows_and_can_change_nothing() {
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no psql on this machine (Debian: postgresql-client)");
        return;
    }
    let store = store(&schema()).await;
    let lake = open(&store).await;
    put(&store, &lake, &(0..20).map(|i| number(["a", "b"][i as usize % 2], DAY + i * HOUR, i as f64 / 4.0)).collect::<Vec<_>>()).await;
    lake.compact().await.unwrap();
    put(&store, &lake, &[number("a", DAY, 99.5), observation("a", "door", DAY, Value::Text("mở".into()))]).await;
    let at = serve(&lake).await;

    let asked = "select entity, attribute, t, v, text, quality from observation order by entity, attribute, t";
    let shown = psql(at, "let me in", asked).await;
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let theirs: Vec<Vec<String>> = String::from_utf8(shown.stdout).unwrap().lines().map(|l| l.split('|').map(str::to_string).collect()).collect();
    let ours = lake.table(asked, LIMITS).await.unwrap();
    assert_eq!(theirs.len(), 21);
    for (a, b) in theirs.iter().zip(&ours.rows) {
        assert_eq!((a[0].as_str(), a[1].as_str()), (b[0].as_str().unwrap(), b[1].as_str().unwrap()));
        assert_eq!(a[3].parse::<f64>().ok(), b[3].as_f64());
        assert_eq!(a[4], b[4].as_str().unwrap_or_default());
        let (day, time) = (&b[2].as_str().unwrap()[..10], &b[2].as_str().unwrap()[11..19]);
        assert!(a[2].starts_with(day) && a[2].contains(time), "{} and {}", a[2], b[2]);
    }
    // What clients ask first.
    for (sql, expected) in [
        ("select table_name from information_schema.tables where table_schema = 'public' order by 1", "observation\nobservation_raw\n"),
        (
            "select relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' order by 1",
            "observation\nobservation_raw\n",
        ),
        (
            "select count(*) from pg_catalog.pg_attribute a join pg_catalog.pg_class c on a.attrelid = c.oid where c.relname = 'observation' and a.attnum > 0",
            "9\n",
        ),
        ("begin; select count(*) from observation_raw; commit", "BEGIN\n22\nCOMMIT\n"),
        ("set extra_float_digits = 3; select max(v) from observation", "SET\n99.5\n"),
    ] {
        let shown = psql(at, "let me in", sql).await;
        assert_eq!(String::from_utf8_lossy(&shown.stdout), expected, "{sql}: {}", String::from_utf8_lossy(&shown.stderr));
    }
    let described = psql(at, "let me in", "\\d").await;
    assert!(String::from_utf8_lossy(&described.stdout).contains("observation"), "{}", String::from_utf8_lossy(&described.stderr));
    for sql in [
        "insert into observation select * from observation",
        "create table x as select 1",
        "create schema x",
        "create view x as select 1",
        "drop table observation",
        "delete from observation",
        "update observation set v = 0",
        "copy observation to '/tmp/x'",
        "set datafusion.execution.batch_size = 1",
        "prepare p as select 1",
        "select * from observation a, observation b, observation c",
    ] {
        let shown = psql(at, "let me in", sql).await;
        assert!(!shown.status.success(), "{sql}: {}", String::from_utf8_lossy(&shown.stdout));
    }
    let stranger = psql(at, "guess", "select 1").await;
    assert!(!stranger.status.success() && stranger.stdout.is_empty());
    assert_eq!(crate::count(&lake).await, 21);
}
