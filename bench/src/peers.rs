//! What others take for the questions of `query`: the same observations on the same machine in the same run.
//!
//! Both are given what they like best: PostgreSQL a narrow table, COPY and an index by series and time built at the end;
//! VictoriaMetrics its own import format. Neither is asked to keep corrections, units, quality or places of observations.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use dothi_kernel::{Observation, Value};
use dothi_store::testing::PrivatePostgres;

use crate::http::Connection;
use crate::process::{Process, free_port};
use crate::{median, query};

const DAY: i64 = 86_400_000_000;

/// What was loaded, and how often each question is asked.
pub struct Scene<'a> {
    /// Entity and area of each series.
    pub names: &'a [query::Name],
    /// First instant and the end, µs.
    pub span: (i64, i64),
    /// Questions asked, each of another series.
    pub times: usize,
}

impl Scene<'_> {
    fn one(&self, i: usize) -> &str {
        &self.names[query::chosen(i, self.names.len())].0
    }

    fn since(&self, days: i64) -> i64 {
        (self.span.1 - days * DAY).max(self.span.0)
    }

    /// All observations in batches of some 10,000, in the order of time.
    fn batches(&self) -> impl Iterator<Item = Vec<Observation>> {
        let step = query::step(self.names.len());
        let (begin, end) = self.span;
        (begin..end).step_by((step * query::MINUTE) as usize).map(move |at| query::batch(at, step.min((end - at) / query::MINUTE), self.names))
    }
}

fn number(value: &Value) -> f64 {
    if let Value::Number(v) = value { *v } else { 0.0 }
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { folder_bytes(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

fn told(what: &str, times: Vec<f64>) {
    let worst = times.iter().copied().fold(0.0, f64::max);
    println!("{what:<48} {:>9.2} ms  (worst {worst:>8.2})", median(times));
}

/// PostgreSQL with the settings of its package, a private server of our own.
pub fn postgres(scene: &Scene<'_>) {
    let Ok(Some(server)) = PrivatePostgres::start() else { return println!("PostgreSQL: no binaries found") };
    let url = format!("{}/postgres", server.url);
    let psql = |script: &str| {
        let out = Command::new("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", &url, "-c", script]).output().expect("psql");
        assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_string()
    };
    psql("create table observation (entity text, attribute text, t timestamptz, v double precision, area text)");
    let start = Instant::now();
    let mut copy = Command::new("psql").args(["-X", "-q", &url, "-c", "copy observation from stdin"]).stdin(Stdio::piped()).spawn().expect("psql");
    let mut rows = 0usize;
    if let Some(stdin) = copy.stdin.take() {
        let mut out = std::io::BufWriter::with_capacity(1 << 20, stdin);
        for batch in scene.batches() {
            rows += batch.len();
            for o in &batch {
                let t = jiff::Timestamp::from_microsecond(o.t).expect("an instant of the bench");
                writeln!(out, "{}\t{}\t{t}\t{}\t{}", o.entity, o.attribute, number(&o.value), o.area.as_deref().unwrap_or("\\N")).expect("psql reads");
            }
        }
    }
    assert!(copy.wait().is_ok_and(|s| s.success()), "COPY failed");
    for step in ["create index on observation (entity, attribute, t) include (v)", "create index on observation using brin (t)", "vacuum analyze observation"] {
        psql(step);
    }
    let seconds = start.elapsed().as_secs_f64();
    let bytes: f64 = psql("select pg_total_relation_size('observation')").parse().expect("a size");
    println!(
        "{} (fsync off while loading): {:.0} observations/s with its index, {:.1} bytes an observation",
        psql("show server_version"),
        rows as f64 / seconds,
        bytes / rows as f64
    );
    let at = |days| format!("timestamptz '{}'", jiff::Timestamp::from_microsecond(scene.since(days)).expect("an instant of the bench"));
    let of = |i: usize| format!("entity = '{}' and attribute = 'pm25'", scene.one(i));
    let means = |i, unit: &str, days| {
        format!("select date_trunc('{unit}', t) h, avg(v), min(v), max(v) from observation where {} and t >= {} group by h order by h", of(i), at(days))
    };
    let questions: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("last value of a series", &|i| format!("select v from observation where {} order by t desc limit 1", of(i))),
        ("last day of a series, raw", &|i| format!("select t, v from observation where {} and t >= {} order by t", of(i), at(1))),
        ("hourly means of a series, 30 days", &|i| means(i, "hour", 30)),
        ("daily means of a series, 90 days", &|i| means(i, "day", 90)),
        ("count of everything", &|_| "select count(*) from observation".into()),
        ("hourly means by commune, last day", &|_| {
            format!("select area, date_trunc('hour', t) h, avg(v) from observation where t >= {} group by area, h", at(1))
        }),
    ];
    for (what, ask) in questions {
        let script: String = (0..scene.times).map(|i| ask(i) + ";\n").collect();
        let mut child = Command::new("psql").args(["-X", "-q", &url]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql");
        child.stdin.take().expect("piped").write_all(format!("\\timing on\n\\o /dev/null\n{script}").as_bytes()).expect("psql reads");
        let out = child.wait_with_output().expect("psql");
        let text = String::from_utf8_lossy(&out.stdout);
        told(what, text.lines().filter_map(|l| l.strip_prefix("Time: ")?.split(' ').next()?.parse().ok()).collect());
    }
}

/// VictoriaMetrics with its defaults, its cache of answers switched off.
pub async fn victoria(scene: &Scene<'_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let started = Command::new("victoria-metrics")
        .arg(format!("-storageDataPath={}", folder.path().display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .args(["-retentionPeriod=10y", "-search.disableCache", "-search.latencyOffset=0s", "-loggerLevel=ERROR"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else { return println!("VictoriaMetrics: not installed (Debian: apt-get install victoria-metrics)") };
    let _process = Process::of(child);
    let mut connection = loop {
        match Connection::open(port).await {
            Ok(open) => break open,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    let start = Instant::now();
    let mut rows = 0usize;
    for batch in scene.batches() {
        rows += batch.len();
        let width = scene.names.len();
        let mut lines = Vec::new();
        for (s, (entity, area)) in scene.names.iter().enumerate() {
            let own = || batch.iter().skip(s).step_by(width);
            let values: Vec<f64> = own().map(|o| number(&o.value)).collect();
            let stamps: Vec<i64> = own().map(|o| o.t / 1000).collect();
            let line = serde_json::json!({ "metric": { "__name__": "pm25", "entity": **entity, "area": **area }, "values": values, "timestamps": stamps });
            writeln!(lines, "{line}").expect("memory");
        }
        let (status, _) = connection.ask("POST", "/api/v1/import", "application/json", &lines).await.expect("an answer");
        assert_eq!(status, 204, "import");
    }
    connection.ask("GET", "/internal/force_flush", "", b"").await.expect("flushed");
    let seconds = start.elapsed().as_secs_f64();
    // A snapshot waits until all is on the disk.
    connection.ask("GET", "/snapshot/create", "", b"").await.expect("on the disk");
    println!(
        "VictoriaMetrics: {:.0} observations/s, {:.2} bytes an observation, which it rounds to milliseconds",
        rows as f64 / seconds,
        folder_bytes(folder.path()) as f64 / rows as f64
    );
    let end = scene.span.1 / 1_000_000 - 1;
    let path = |kind: &str, query: String, from: Option<i64>, step: &str| {
        let from = from.map(|f| (f / 1_000_000).to_string());
        let mut pairs = vec![("query", query.as_str()), ("step", step)];
        let end = end.to_string();
        match &from {
            Some(from) => pairs.extend([("start", from.as_str()), ("end", &end)]),
            None => pairs.push(("time", &end)),
        }
        let url = reqwest::Url::parse_with_params("http://localhost/", &pairs).expect("a query");
        format!("/api/v1/{kind}?{}", url.query().unwrap_or_default())
    };
    let one = |i: usize| format!("pm25{{entity=\"{}\"}}", scene.one(i));
    let questions: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("last value of a series", &|i| path("query", format!("last_over_time({}[5m])", one(i)), None, "5m")),
        ("last day of a series, raw", &|i| path("query", format!("{}[1d]", one(i)), None, "1m")),
        ("hourly means of a series, 30 days", &|i| path("query_range", format!("avg_over_time({}[1h])", one(i)), Some(scene.since(30)), "1h")),
        ("daily means of a series, 90 days", &|i| path("query_range", format!("avg_over_time({}[1d])", one(i)), Some(scene.since(90)), "1d")),
        ("count of everything", &|_| path("query", format!("sum(count_over_time(pm25[{}d]))", (scene.span.1 - scene.span.0) / DAY), None, "1d")),
        ("hourly means by commune, last day", &|_| path("query_range", "avg(avg_over_time(pm25[1h])) by (area)".into(), Some(scene.since(1)), "1h")),
    ];
    for (what, ask) in questions {
        let mut times = Vec::new();
        for i in 0..scene.times {
            let path = ask(i);
            let start = Instant::now();
            let (status, body) = connection.ask("GET", &path, "", b"").await.expect("an answer");
            times.push(start.elapsed().as_secs_f64() * 1e3);
            assert!(status == 200 && body.len() > 100, "{path}: {status} {}", String::from_utf8_lossy(&body));
        }
        told(what, times);
    }
}
