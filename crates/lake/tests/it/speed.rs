//! Rates, printed on demand: `cargo test --release -p dothi-lake -- --ignored --nocapture rates`.

use std::time::Instant;

use dothi_kernel::history::{History, SeriesQuery};
use dothi_store::testing::store;

use crate::{DAY, HOUR, LIMITS, number, open, put, raw, schema};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn rates() {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    let rounds: i64 = std::env::var("DOTHI_RATES_BATCHES").map_or(50, |v| v.parse().unwrap());
    // 1,000 stations that report once a minute, up to 2 s late, walking in steps of 0.01.
    let (mut seed, mut at) = (7u64, vec![2_000i64; 1_000]);
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % n) as i64
    };
    let mut one = |minute: i64, station: usize| {
        at[station] += next(21) - 10;
        number(&format!("hy-{station:04}"), DAY + minute * 60_000_000 + next(2_000) * 1_000, at[station] as f64 / 100.0)
    };
    let batches: Vec<Vec<_>> = (0..rounds).map(|r| (0..10_000).map(|i| one(r * 10 + i / 1_000, i as usize % 1_000)).collect()).collect();
    let rows = rounds as f64 * 10_000.0;
    let start = Instant::now();
    let packed: Vec<_> = batches.iter().map(|b| lake.encode(b).unwrap()).collect();
    println!("encode {:.0} rows/s, {:.1} B/row", rows / start.elapsed().as_secs_f64(), packed.iter().map(Vec::len).sum::<usize>() as f64 / rows);
    let start = Instant::now();
    for bytes in &packed {
        lake.decode(bytes).unwrap();
    }
    println!("decode {:.0} rows/s", rows / start.elapsed().as_secs_f64());
    let start = Instant::now();
    for batch in &batches {
        put(&store, &lake, batch).await;
    }
    println!("durable (encode + commit, one at a time) {:.0} rows/s", rows / start.elapsed().as_secs_f64());
    let start = Instant::now();
    println!("pending count {} in {:?} (cold)", crate::count(&lake).await, start.elapsed());
    let start = Instant::now();
    let report = lake.compact().await.unwrap();
    println!("compact {:.0} rows/s, {:.2} B/row, {} files", rows / start.elapsed().as_secs_f64(), report.bytes as f64 / rows, report.files);
    for what in ["cold", "warm"] {
        let start = Instant::now();
        let n = lake.series(&raw("hy-0500", DAY, DAY + 24 * HOUR)).await.unwrap().len();
        println!("series {n} points in {:?} ({what})", start.elapsed());
    }
    let start = Instant::now();
    let n = lake.series(&SeriesQuery { bucket_s: Some(3_600), ..raw("hy-0500", DAY, DAY + 240 * HOUR) }).await.unwrap().len();
    println!("series {n} hours in {:?}", start.elapsed());
    let start = Instant::now();
    lake.latest(&raw("hy-0500", 0, 1).entity, "pm25").await.unwrap();
    println!("latest in {:?}", start.elapsed());
    for sql in ["select count(*) from observation", "select date_bin(interval '1 hour', t) as h, avg(v) from observation group by 1 order by 1"] {
        let start = Instant::now();
        lake.table(sql, LIMITS).await.unwrap();
        println!("{sql}: {:?}", start.elapsed());
    }
}
