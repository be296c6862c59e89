//! Killed anywhere, nothing is lost and nothing doubled; disk is given back.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::history::History;
use dothi_kernel::{Caller, Clock, SystemClock};
use dothi_lake::{Lake, LakeStats};
use dothi_store::testing::{TestStore, both};
use dothi_store::{JobRunner, Settings, Store};

use crate::{DAY, HOUR, LIMITS, count, number, open, put, raw, schema};

fn files(store: &TestStore) -> usize {
    fn walk(at: PathBuf) -> usize {
        std::fs::read_dir(at).map_or(0, |entries| entries.flatten().map(|e| if e.path().is_dir() { walk(e.path()) } else { 1 }).sum())
    }
    walk(store.data().join("objects").join("lake"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_storing_and_registering_leaves_only_an_orphan() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        put(&store, &lake, &[number("a", DAY, 1.0), number("a", DAY + 30 * HOUR, 2.0)]).await;
        drop(lake.prepare().await.unwrap().unwrap());
        assert_eq!((files(&store), count(&lake).await), (2, 2));
        let lake = open(&store).await;
        let report = lake.compact().await.unwrap();
        assert_eq!((report.batches, report.rows, report.files), (1, 2, 2));
        assert_eq!((files(&store), count(&lake).await), (4, 2));
        let stats = lake.stats().await.unwrap();
        assert_eq!(stats, LakeStats { files: 2, file_rows: 2, file_bytes: report.bytes as u64, ..LakeStats::default() });
        assert_eq!(lake.expire().await.unwrap(), 0, "a young file may still be registered");
        // Files bear the system's time, whatever the store's clock says.
        store.clock.set(dothi_kernel::time::micros(SystemClock.now().as_microsecond() + 72 * HOUR));
        assert_eq!(lake.expire().await.unwrap(), 2);
        assert_eq!((files(&store), count(&lake).await), (2, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_batches_are_registered_once() {
    both(&schema(), |store| async move {
        let (one, two) = (open(&store).await, open(&store).await);
        put(&store, &one, &[number("a", DAY, 1.0)]).await;
        let (first, second) = (one.prepare().await.unwrap().unwrap(), two.prepare().await.unwrap().unwrap());
        one.register(first).await.unwrap();
        assert_eq!(two.register(second).await.unwrap_err().code(), "history.compacted");
        assert_eq!((count(&one).await, count(&two).await), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_keeps_one_copy_and_gives_disk_back() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        let other = open(&store).await;
        for i in 0..6 {
            put(&store, &lake, &[number("a", DAY + (i + 1) * HOUR, i as f64), number("a", DAY, 100.0 + i as f64)]).await;
            lake.compact().await.unwrap();
        }
        assert_eq!((files(&store), count(&other).await), (6, 7));
        assert_eq!(lake.merge_small().await.unwrap(), 6);
        assert_eq!(lake.merge_small().await.unwrap(), 0);
        assert_eq!((files(&store), count(&lake).await, count(&other).await), (7, 7, 7));
        // The later arrival still wins after the merge, also against a newer file.
        let first = || async { lake.series(&raw("a", DAY, DAY + 1)).await.unwrap()[0].value.number() };
        assert_eq!(first().await, Some(105.0));
        put(&store, &lake, &[number("a", DAY, 7.0)]).await;
        lake.compact().await.unwrap();
        assert_eq!(first().await, Some(7.0));
        store.clock.advance_seconds(2 * 86_400);
        assert_eq!(lake.expire().await.unwrap(), 0, "scheduled now, deleted after the grace");
        store.clock.advance_seconds(2 * 3_600);
        assert_eq!(lake.expire().await.unwrap(), 6);
        assert_eq!((files(&store), count(&lake).await, count(&other).await, count(&*open(&store).await).await), (2, 7, 7, 7));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_days_can_be_forgotten() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        put(&store, &lake, &[number("a", DAY - 100 * 24 * HOUR, 1.0), number("a", DAY, 2.0)]).await;
        lake.compact().await.unwrap();
        assert_eq!(lake.forget(dothi_kernel::time::micros(DAY - HOUR)).await.unwrap(), 1);
        assert_eq!(lake.forget(dothi_kernel::time::micros(DAY - HOUR)).await.unwrap(), 0);
        assert_eq!(count(&lake).await, 1);
        assert_eq!(lake.latest(&raw("a", 0, 1).entity, "pm25").await.unwrap().unwrap().t, DAY);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_keep_themselves_going() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        put(&store, &lake, &[number("a", DAY, 1.0)]).await;
        let runner = lake.clone().jobs(JobRunner::new(store.store.clone()));
        assert!(runner.run_due(10).await.unwrap() >= 1);
        assert!(store.pending_ids(1).await.unwrap().is_empty());
        put(&store, &lake, &[number("a", DAY + 1, 1.0)]).await;
        store.clock.advance_seconds(31);
        assert_eq!(runner.run_due(10).await.unwrap(), 2);
        assert!(store.pending_ids(1).await.unwrap().is_empty());
        let health = store.job_health().await.unwrap();
        assert_eq!((health.due, health.waiting, health.dead), (0, 2, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_folder_is_found_by_outside_readers_too() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    let (store, lake) = reopen(old.to_str().unwrap()).await;
    let told = |store: Store| async move {
        let row = store.row("select \"value\" as place from ducklake_metadata where \"key\" = 'data_path'", vec![]).await.unwrap();
        row.unwrap().text("place").unwrap()
    };
    assert!(told(store.clone()).await.ends_with("old/objects/lake/"));
    drop(lake);
    store.close().await.unwrap();
    std::fs::rename(&old, &new).unwrap();
    let (store, _lake) = reopen(new.to_str().unwrap()).await;
    assert!(told(store).await.ends_with("new/objects/lake/"));
}

const VICTIM: &str = "DOTHI_TEST_VICTIM";
const ROWS: i64 = 5;

async fn reopen(folder: &str) -> (Store, Arc<Lake>) {
    let settings = Settings { data: folder.into(), database_url: None };
    let store = Store::open(&settings, Arc::new(SystemClock), &schema()).await.unwrap();
    let lake = Arc::new(Lake::open(store.clone()).await.unwrap());
    (store, lake)
}

/// Runs in a process of its own until it is killed: makes batches durable and says so, while the compactor never rests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started and killed by kill_9_loses_and_doubles_nothing"]
async fn victim() {
    let Ok(order) = std::env::var(VICTIM) else { return };
    let (start, folder) = order.split_once(' ').unwrap();
    let start: i64 = start.parse().unwrap();
    let (store, lake) = reopen(folder).await;
    let background = lake.clone();
    tokio::spawn(async move {
        loop {
            background.compact().await.unwrap();
            background.merge_small().await.unwrap();
        }
    });
    for batch in 0.. {
        let rows: Vec<_> = (0..ROWS).map(|i| number("a", start + batch * ROWS + i, i as f64)).collect();
        let mut tx = store.begin(&Caller::system("test", store.clock().as_ref())).await.unwrap();
        tx.put_pending(ROWS as u32, rows[0].t, rows[ROWS as usize - 1].t, lake.encode(&rows).unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {}", batch + 1).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap().to_string();
    for round in 0..4i64 {
        let start = DAY + round * HOUR;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--ignored", "--nocapture"])
            .env(VICTIM, format!("{start} {place}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            out.lines().map_while(Result::ok).filter_map(|l| l.rsplit("acknowledged ").next()?.parse::<i64>().ok()).max().unwrap_or(0)
        });
        tokio::time::sleep(Duration::from_millis(1_500 + 137 * round as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap();
        let (store, lake) = reopen(&place).await;
        let sql = format!("select count(*), count(distinct t) from observation where cast(t as bigint) >= {start}");
        let table = lake.table(&sql, LIMITS).await.unwrap();
        let (rows, different) = (table.rows[0][0].as_i64().unwrap(), table.rows[0][1].as_i64().unwrap());
        assert!(acknowledged > 0, "the victim did something");
        assert_eq!(rows, different, "nothing doubled");
        assert!(rows >= acknowledged * ROWS && rows <= (acknowledged + 1) * ROWS, "{rows} rows, {acknowledged} batches acknowledged");
        assert_eq!(lake.series(&raw("a", start, start + HOUR)).await.unwrap().len() as i64, rows);
        store.close().await.unwrap();
    }
    let start = Instant::now();
    let (_store, lake) = reopen(&place).await;
    lake.compact().await.unwrap();
    assert_eq!(lake.stats().await.unwrap().pending_rows, 0);
    assert!(start.elapsed() < Duration::from_secs(60));
}
