//! What comes later is what holds; what is deleted is gone; what was kept long enough gives its disk back.

use dothi_kernel::history::History;
use dothi_kernel::value::quality;
use dothi_kernel::{Observation, Value};
use dothi_lake::Retention;
use dothi_store::testing::both;

use crate::{DAY, HOUR, LIMITS, count, number, observation, open, put, raw, schema};

fn deleted(entity: &str, t: i64) -> Observation {
    Observation { quality: quality::DELETED, ..number(entity, t, 0.0) }
}

async fn sql(lake: &dothi_lake::Lake, sql: &str) -> serde_json::Value {
    serde_json::to_value(lake.table(sql, LIMITS).await.unwrap().rows).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_and_deletions_hold_everywhere() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        let old = DAY - 400 * 24 * HOUR;
        for day in [old, DAY - 3 * 24 * HOUR, DAY] {
            put(&store, &lake, &(0..10).map(|i| number("a", day + i * HOUR, 100.0)).collect::<Vec<_>>()).await;
            lake.compact().await.unwrap();
            // One value is corrected, one is taken away; the correction must not be skipped for its small value.
            put(&store, &lake, &[number("a", day + 2 * HOUR, 1.0), deleted("a", day + 9 * HOUR)]).await;
            let check = |stage: &'static str| {
                let lake = lake.clone();
                async move {
                    let points = lake.series(&raw("a", day, day + 24 * HOUR)).await.unwrap();
                    assert_eq!(points.len(), 9, "{stage}");
                    assert_eq!((points[2].value.clone(), points[8].t), (Value::Number(1.0), day + 8 * HOUR), "{stage}");
                    let latest = lake.latest(&raw("a", 0, 1).entity, "pm25").await.unwrap().unwrap();
                    assert!(latest.t >= day + 8 * HOUR && latest.t != day + 9 * HOUR, "{stage}");
                    let within = format!("cast(t as bigint) >= {day} and cast(t as bigint) < {}", day + 24 * HOUR);
                    let found = sql(&lake, &format!("select count(*), min(v) from observation where {within}")).await;
                    assert_eq!(found, serde_json::json!([[9, 1.0]]), "{stage}");
                    let high = sql(&lake, &format!("select count(*) from observation where v > 50 and {within}")).await;
                    assert_eq!(high, serde_json::json!([[8]]), "{stage}");
                }
            };
            check("pending").await;
            lake.compact().await.unwrap();
            check("in two files").await;
            assert_eq!(sql(&lake, &format!("select count(*) from observation_raw where t >= to_timestamp_micros({day})")).await, serde_json::json!([[12]]));
            store.clock.advance_seconds(3 * 86_400);
            lake.merge_small().await.unwrap();
            check("merged").await;
            let left = format!("select count(*) from observation_raw where t >= to_timestamp_micros({day})");
            assert_eq!(sql(&lake, &left).await, serde_json::json!([[9]]), "superseded rows and tombstones are gone for good");
        }
        // A deletion of what is in no file any more stays without harm.
        put(&store, &lake, &[deleted("a", DAY + 9 * HOUR), deleted("nobody", DAY)]).await;
        lake.compact().await.unwrap();
        assert_eq!(count(&lake).await, 27);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_small_days_become_months() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        for day in 0..20 {
            put(&store, &lake, &[number("a", DAY + day * 24 * HOUR, day as f64), number("b", DAY + day * 24 * HOUR + 1, 1.0)]).await;
        }
        lake.compact().await.unwrap();
        assert_eq!(lake.stats().await.unwrap().files, 20, "days, while they are recent");
        store.clock.advance_seconds(120 * 86_400);
        assert_eq!(lake.merge_small().await.unwrap(), 20);
        assert_eq!((lake.stats().await.unwrap().files, count(&lake).await), (2, 40), "November and December");
        put(&store, &lake, &[number("a", DAY + 24 * HOUR, 77.0)]).await;
        lake.compact().await.unwrap();
        let points = lake.series(&raw("a", DAY, DAY + 30 * 24 * HOUR)).await.unwrap();
        assert_eq!((points.len(), points[1].value.number()), (20, Some(77.0)));
        assert_eq!((lake.merge_small().await.unwrap(), count(&lake).await), (2, 40));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_ends_a_type_and_gives_disk_back() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        let of = |kind: &str, t: i64| Observation { kind: kind.into(), ..observation("x", kind, t, Value::Number(1.0)) };
        for day in [DAY - 50 * 24 * HOUR, DAY] {
            put(&store, &lake, &[of("Noise", day), of("Water", day), of("Traffic", day)]).await;
        }
        lake.compact().await.unwrap();
        assert_eq!(lake.retain().await.unwrap(), 0, "nothing was said: kept for ever");
        let rule = |kind: &str, days| Retention { kind: kind.into(), days };
        lake.set_retention(vec![rule("Noise", 30), rule("Traffic", 300), rule("*", 40)]);
        store.clock.advance_seconds(86_400);
        let before = lake.stats().await.unwrap().file_bytes;
        assert_eq!(lake.retain().await.unwrap(), 1);
        assert_eq!(lake.retain().await.unwrap(), 0);
        let left = sql(&lake, "select type, count(*) from observation group by 1 order by 1").await;
        assert_eq!(left, serde_json::json!([["Noise", 1], ["Traffic", 2], ["Water", 1]]));
        assert!(lake.stats().await.unwrap().file_bytes < before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_found_and_taken_out_aloud() {
    both(&schema(), |store| async move {
        let lake = open(&store).await;
        for day in 0..3 {
            put(&store, &lake, &[number("a", DAY + day * 24 * HOUR, 1.0)]).await;
        }
        lake.compact().await.unwrap();
        let good = lake.verify().await.unwrap();
        assert_eq!((good.files, good.rows, good.faults.len(), good.orphans, good.without_checksum), (3, 3, 0, 0, 0));
        let folder = store.data().join("objects/lake/observation");
        let file = |day: &str| std::fs::read_dir(folder.join(format!("day={day}"))).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_file(file("2026-11-21")).unwrap();
        let torn = file("2026-11-22");
        let mut bytes = std::fs::read(&torn).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&torn, bytes).unwrap();
        std::fs::write(folder.join("day=2026-11-23/stray.parquet"), b"x").unwrap();
        let bad = lake.verify().await.unwrap();
        let mut faults: Vec<_> = bad.faults.iter().map(|f| f.fault).collect();
        faults.sort_unstable();
        assert_eq!((faults, bad.rows, bad.orphans), (vec!["checksum", "missing"], 1, 1));
        assert!(lake.series(&raw("a", DAY, DAY + HOUR)).await.is_err(), "never silently less");
        assert_eq!(lake.repair(&bad).await.unwrap(), 2);
        let after = lake.verify().await.unwrap();
        assert_eq!((after.files, after.faults.len(), after.quarantined), (1, 0, (2, 2)));
        assert_eq!((count(&lake).await, lake.series(&raw("a", DAY, DAY + HOUR)).await.unwrap().len()), (1, 0));
        let aside = store.data().join("objects/lake/quarantine/day=2026-11-22");
        assert_eq!(std::fs::read_dir(aside).unwrap().count(), 1, "what is left of it is kept");
    })
    .await;
}
