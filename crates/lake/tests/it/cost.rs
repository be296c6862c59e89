//! What an observation of real sensors costs on disk. Reads data sets beside the checkout and is skipped without them.

use std::path::{Path, PathBuf};
use std::process::Command;

use dothi_kernel::{Observation, Value};
use dothi_store::testing::store;

use crate::{observation, open, put, schema};

fn lines(file: &str) -> Option<Vec<Vec<String>>> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(3).take(3).map(|a| a.join("shared/data/sets")).find(|p| p.exists())?;
    let text = Command::new("gzip").arg("-dc").arg(root.join(file)).output().ok().filter(|o| o.status.success())?.stdout;
    let cells = |line: &str| {
        let (mut cells, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    };
    Some(String::from_utf8(text).unwrap().lines().map(cells).collect())
}

/// Bytes an observation costs after compaction and merging.
async fn cost(rows: Vec<Observation>) -> f64 {
    let store = store(&schema()).await;
    let lake = open(&store).await;
    for batch in rows.chunks(10_000) {
        put(&store, &lake, batch).await;
    }
    lake.compact().await.unwrap();
    while lake.merge_small().await.unwrap() > 0 {}
    let stats = lake.stats().await.unwrap();
    assert_eq!(stats.file_rows as usize, rows.len());
    stats.file_bytes as f64 / stats.file_rows as f64
}

fn instant(civil: &str) -> i64 {
    civil.parse::<jiff::civil::DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_measurements_cost_at_most_four_bytes() {
    let (Some(air), Some(water)) = (lines("air-beijing-prsa/PRSA_Data_Tiantan_20130301-20170228.csv.gz"), lines("water-usgs-5min/graphing-2.csv.gz")) else {
        eprintln!("SKIPPED: the data sets air-beijing-prsa and water-usgs-5min are not beside the checkout");
        return;
    };
    let series = |name: &str, head: &[String], row: &[String], columns: &[usize], t: i64| {
        let value = |c: &usize| row[*c].parse::<f64>().ok().map(|v| observation(name, &head[*c], t, Value::Number(v)));
        columns.iter().filter_map(value).collect::<Vec<_>>()
    };
    let columns: Vec<usize> = (5..15).chain([16]).collect();
    let of_air = air[1..]
        .iter()
        .take(9_000)
        .flat_map(|r| series("tiantan", &air[0], r, &columns, instant(&format!("{}-{:0>2}-{:0>2}T{:0>2}:00", r[1], r[2], r[3], r[4]))))
        .collect();
    let of_water =
        water[1..].iter().take(30_000).flat_map(|r| series("river", &water[0], r, &[2, 4, 6, 8, 10], instant(&r[0][..19].replace(' ', "T")))).collect();
    let (air, water) = (cost(of_air).await, cost(of_water).await);
    eprintln!("bytes an observation: one hourly air station {air:.2}, one river gauge every 5 minutes {water:.2}");
    assert!(air <= 4.0 && water <= 4.0, "air {air:.2}, water {water:.2}");
}
