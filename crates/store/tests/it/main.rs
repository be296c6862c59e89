//! The store's promises, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dothi_kernel::{Caller, Event, PageQuery};
use dothi_store::testing::{both, store};
use dothi_store::{JobRunner, Migration, Store, params};

const NOTES: &[Migration] = &[
    Migration { domain: "notes", version: 1, sql: "create table note (id TEXT not null primary key, body TEXT, size DOUBLE PRECISION, n BIGINT, raw BYTEA)" },
    Migration { domain: "notes", version: 2, sql: "create index note_n on note (n); create index note_size on note (size)" },
];

fn system(store: &Store) -> Caller {
    Caller::system("test", store.clock().as_ref())
}

async fn add(store: &Store, id: &str, n: i64) -> dothi_kernel::Result<()> {
    let mut tx = store.begin(&system(store)).await?;
    tx.exec("insert into note (id, n) values (?, ?)", params![id, n]).await?;
    tx.emit(Event::EntityDeleted { entity: id.to_string() });
    tx.commit().await
}

async fn count(store: &Store) -> i64 {
    store.row("select count(*) as n from note", params![]).await.unwrap().unwrap().int("n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_went() {
    both(&[NOTES], |s| async move {
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.exec("insert into note (id, body, size, n, raw) values (?, ?, ?, ?, ?)", params!["a", "đô thị?", 0.1, -7i64, vec![0u8, 255]]).await.unwrap();
        tx.exec("insert into note (id, body, size, n, raw) values (?, ?, ?, ?, ?)", params!["b", None::<String>, None::<f64>, None::<i64>, None::<Vec<u8>>])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let row = s.row("select * from note where id = ? and body <> 'x?'", params!["a"]).await.unwrap().unwrap();
        assert_eq!((row.text("body").unwrap().as_str(), row.real("size").unwrap(), row.int("n").unwrap()), ("đô thị?", 0.1, -7));
        assert_eq!(row.bytes("raw").unwrap(), vec![0, 255]);
        let row = s.row("select * from note where id = ?", params!["b"]).await.unwrap().unwrap();
        assert_eq!((row.opt_text("body").unwrap(), row.opt_real("size").unwrap(), row.opt_int("n").unwrap()), (None, None, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_put_off_are_seen_in_order_and_fail_with_what_follows() {
    both(&[NOTES], |s| async move {
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.put("insert into note (id, body, n) values (?, '?;', ?)", params!["a", 1]).await.unwrap();
        tx.put("update note set n = n + ? where id = ?", params![2, "a"]).await.unwrap();
        let row = tx.row("select n, body from note where id = ?", params!["a"]).await.unwrap().unwrap();
        assert_eq!((row.int("n").unwrap(), row.text("body").unwrap().as_str()), (3, "?;"), "a reading sees what was put before it");
        tx.put("insert into note (id, n) values (?, ?)", params!["b", 5]).await.unwrap();
        assert_eq!(tx.exec("update note set n = n * ?", params![10]).await.unwrap(), 2, "rows of the last statement alone are counted");
        for n in 0..100 {
            tx.put("insert into note (id, n) values (?, ?)", params![format!("many {n}"), n]).await.unwrap();
        }
        for n in 0..3 {
            tx.emit(Event::EntityDeleted { entity: format!("e{n}") });
        }
        tx.commit().await.unwrap();
        assert_eq!(count(&s).await, 102);
        assert_eq!(s.row("select n from note where id = 'b'", params![]).await.unwrap().unwrap().int("n").unwrap(), 50);
        let events = s.events_after(0, 10).await.unwrap();
        let told: Vec<(i64, &Event)> = events.iter().map(|e| (e.seq, &e.event)).collect();
        let entity = |n: i64| Event::EntityDeleted { entity: format!("e{}", n - 1) };
        assert_eq!(told, [(1, &entity(1)), (2, &entity(2)), (3, &entity(3))]);

        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.put("insert into note (id, n) values ('c', 1)", params![]).await.unwrap();
        tx.put("insert into note (id, n) values ('a', 1)", params![]).await.unwrap();
        assert_eq!(tx.commit().await.unwrap_err().code(), "store.exists");
        assert_eq!(count(&s).await, 102, "nothing of the change is kept");
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.put("insert into note (id, n) values ('d', 1)", params![]).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(count(&s).await, 102);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_change_leaves_nothing_and_harms_nobody() {
    both(&[NOTES], |s| async move {
        add(&s, "kept", 1).await.unwrap();
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.exec("insert into note (id, n) values ('lost', 2)", params![]).await.unwrap();
        drop(tx);
        add(&s, "after", 3).await.unwrap();
        assert_eq!(count(&s).await, 2);
        // A failing statement spoils its own change only.
        assert_eq!(add(&s, "kept", 9).await.unwrap_err().code(), "store.exists");
        add(&s, "later", 4).await.unwrap();
        assert_eq!(count(&s).await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_get_every_event_once_and_in_order() {
    both(&[NOTES], |s| async move {
        let tasks: Vec<_> = (0..200)
            .map(|i| {
                let s = s.store.clone();
                tokio::spawn(async move {
                    if i % 5 == 0 {
                        // A caller that goes away in the middle.
                        let gone = tokio::time::timeout(std::time::Duration::from_micros(i * 40), add(&s, &format!("n{i}"), 0)).await;
                        return gone.is_ok_and(|r| r.is_ok()).then_some(i);
                    }
                    add(&s, &format!("n{i}"), 0).await.unwrap();
                    Some(i)
                })
            })
            .collect();
        let mut acknowledged = 0;
        for task in tasks {
            acknowledged += i64::from(task.await.unwrap().is_some());
        }
        add(&s, "last", 0).await.unwrap();
        let events = s.events_after(0, 1000).await.unwrap();
        let rows = count(&s).await;
        assert_eq!(events.len() as i64, rows, "one event a row");
        assert!(rows > acknowledged, "everything acknowledged is there: {rows} rows, {acknowledged} acknowledged");
        assert!(events.iter().zip(1..).all(|(e, n)| e.seq == n), "no gaps");
        assert_eq!(*s.watch_events().borrow(), rows);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_all_have_seen_are_forgotten() {
    both(&[NOTES], |s| async move {
        for n in 0..6 {
            add(&s, &format!("n{n}"), n).await.unwrap();
        }
        let later = s.clock().now() + Duration::from_secs(60);
        assert_eq!(s.forget_events(later, 10).await.unwrap(), 0, "nobody has seen them");
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.move_cursor("quick", 6).await.unwrap();
        tx.move_cursor("slow", 3).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(s.forget_events(s.clock().now(), 10).await.unwrap(), 0, "they are not old");
        assert_eq!((s.forget_events(later, 2).await.unwrap(), s.forget_events(later, 2).await.unwrap()), (2, 1), "not more at once");
        let seqs = |events: Vec<dothi_kernel::EventRecord>| events.iter().map(|e| e.seq).collect::<Vec<_>>();
        assert_eq!(seqs(s.events_after(0, 10).await.unwrap()), [4, 5, 6]);
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.move_cursor("slow", 6).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(s.forget_events(later, 10).await.unwrap(), 2);
        assert_eq!(seqs(s.events_after(0, 10).await.unwrap()), [6], "the newest says where positions go on");
        add(&s, "next", 7).await.unwrap();
        assert_eq!(seqs(s.events_after(6, 10).await.unwrap()), [7]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn group_commit_shares_the_fsync() {
    let s = store(&[NOTES]).await;
    let tasks: Vec<_> = (0..300)
        .map(|i| {
            let s = s.store.clone();
            tokio::spawn(async move { add(&s, &format!("n{i}"), i).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(count(&s).await, 300);
    s.store.close().await.unwrap();
    let again = Store::open(&s.settings, s.clock.clone(), &[NOTES]).await.unwrap();
    assert_eq!(count(&again).await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_steps_run_once_and_a_newer_schema_is_refused() {
    both(&[&NOTES[..1]], |s| async move {
        add(&s, "old", 1).await.unwrap();
        s.store.close().await.unwrap();
        let newer = Store::open(&s.settings, s.clock.clone(), &[NOTES]).await.unwrap();
        assert_eq!(count(&newer).await, 1);
        newer.close().await.unwrap();
        let error = Store::open(&s.settings, s.clock.clone(), &[&NOTES[..1]]).await.err().unwrap();
        assert_eq!(error.code(), "store.newer");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_chain_shows_tampering() {
    both(&[NOTES], |s| async move {
        for i in 0..5 {
            let mut tx = s.begin(&system(&s)).await.unwrap();
            tx.audit("note.read", &format!("note:{i}"), &serde_json::json!({"i": i})).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(s.audit_verify().await.unwrap().broken_at, None);
        let page = s.audit_page(&PageQuery { limit: Some(2), after: None }, "note.").await.unwrap();
        assert_eq!((page.items.len(), page.items[0].seq, page.next.as_deref()), (2, 5, Some("4")));
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.exec("update audit set object = 'note:other' where seq = 3", params![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(s.audit_verify().await.unwrap().broken_at, Some(3));
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.exec("update audit set object = 'note:2' where seq = 3", params![]).await.unwrap();
        tx.exec("delete from audit where seq = 5", params![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(s.audit_verify().await.unwrap().broken_at, Some(5), "a missing tail is seen");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_when_due_retry_and_keep_a_newer_timer() {
    both(&[NOTES], |s| async move {
        let now = s.clock().now();
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.schedule("ok", "1", now).await.unwrap();
        tx.schedule("ok", "later", dothi_kernel::time::micros(now.as_microsecond() + 60_000_000)).await.unwrap();
        tx.schedule("bad", "1", now).await.unwrap();
        tx.schedule("panics", "1", now).await.unwrap();
        tx.schedule("again", "1", now).await.unwrap();
        tx.commit().await.unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let (seen, again) = (ran.clone(), s.store.clone());
        let runner = JobRunner::new(s.store.clone())
            .on("ok", move |_| {
                let seen = seen.clone();
                async move {
                    seen.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            })
            .on("bad", |_| async { Err(dothi_kernel::Error::conflict("test.no", "no")) })
            .on("panics", |job| async move { panic!("{}", job.key) })
            .on("again", move |_| {
                let s = again.clone();
                async move {
                    let mut tx = s.begin(&Caller::system("t", s.clock().as_ref())).await?;
                    tx.schedule("again", "1", dothi_kernel::time::micros(s.clock().now().as_microsecond() + 3_600_000_000)).await?;
                    tx.commit().await
                }
            });
        assert_eq!(runner.run_due(10).await.unwrap(), 4);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        let health = s.job_health().await.unwrap();
        assert_eq!((health.due, health.waiting, health.dead), (0, 4, 0), "later, bad, panics and again wait");
        s.clock.advance_seconds(61);
        assert_eq!(runner.run_due(10).await.unwrap(), 3);
        assert_eq!(ran.load(Ordering::SeqCst), 2);
        for _ in 0..15 {
            s.clock.advance_seconds(5000);
            runner.run_due(10).await.unwrap();
        }
        assert_eq!(s.job_health().await.unwrap().dead, 2, "given up, and visible");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_set_while_its_job_runs_stands() {
    both(&[NOTES], |s| async move {
        let at = |s: &Store, seconds: i64| dothi_kernel::time::micros(s.clock().now().as_microsecond() + seconds * 1_000_000);
        let mut tx = s.begin(&system(&s)).await.unwrap();
        for key in ["quiet", "busy"] {
            tx.schedule("round", key, s.clock().now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let (count, store) = (ran.clone(), s.store.clone());
        let runner = JobRunner::new(s.store.clone()).on("round", move |job| {
            let (count, s) = (count.clone(), store.clone());
            async move {
                let system = Caller::system("t", s.clock().as_ref());
                let first = count.fetch_add(1, Ordering::SeqCst) < 2;
                if first && job.key == "busy" {
                    let mut tx = s.begin(&system).await?;
                    tx.schedule("round", "busy", at(&s, 10)).await?;
                    tx.commit().await?;
                }
                let mut tx = s.begin(&system).await?;
                assert_eq!(tx.again(&job, at(&s, 3600)).await?, !(first && job.key == "busy"));
                tx.commit().await
            }
        });
        assert_eq!(runner.run_due(10).await.unwrap(), 2);
        s.clock.advance_seconds(11);
        assert_eq!(runner.run_due(10).await.unwrap(), 1, "busy, at the instant that was set meanwhile");
        s.clock.advance_seconds(3600);
        assert_eq!(runner.run_due(10).await.unwrap(), 2);
        let health = s.job_health().await.unwrap();
        assert_eq!((health.due, health.waiting, health.dead), (0, 2, 0), "both go on, none failed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_taken_once() {
    both(&[NOTES], |s| async move {
        let mut tx = s.begin(&system(&s)).await.unwrap();
        assert_eq!(tx.once("report", "k", "first").await.unwrap(), None);
        tx.commit().await.unwrap();
        let mut tx = s.begin(&system(&s)).await.unwrap();
        assert_eq!(tx.once("report", "k", "second").await.unwrap().as_deref(), Some("first"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_need_a_row_and_orphans_are_swept() {
    both(&[NOTES], |s| async move {
        let kept = s.blobs().put("kept".into(), "text/plain").await.unwrap();
        let lost = s.blobs().put("lost".into(), "text/plain").await.unwrap();
        let mut tx = s.begin(&system(&s)).await.unwrap();
        tx.attach(&kept).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(s.blobs().get(&kept.sha256).await.unwrap().1, "kept");
        assert_eq!(s.blobs().get(&lost.sha256).await.unwrap_err().code(), "blob.unknown");
        assert_eq!(s.blobs().get("../../etc/passwd").await.unwrap_err().code(), "blob.unknown");
        assert_eq!(s.blobs().sweep().await.unwrap(), 0, "young orphans stay: their row may be on its way");
        s.clock.set(dothi_kernel::time::micros(dothi_kernel::Timestamp::now().as_microsecond() + 2 * 86_400_000_000));
        assert_eq!(s.blobs().sweep().await.unwrap(), 1);
        assert_eq!(s.blobs().get(&kept.sha256).await.unwrap().1, "kept");
    })
    .await;
}
