//! A million citizens' reports: the desk's list, the public map and list, statistics, a new report.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use dothi_kernel::{Clock, SystemClock};
use dothi_store::{Param, Settings, Store, params};
use serde_json::{Value, json};

use crate::city::Numbers;
use crate::median;
use crate::process::Server;

const CATEGORIES: [&str; 18] = [
    "road-damage",
    "street-light",
    "traffic-sign",
    "parking",
    "garbage",
    "pollution",
    "tree",
    "animal",
    "drainage",
    "water-supply",
    "cable-power",
    "dike",
    "noise",
    "obstruction",
    "construction",
    "public-service",
    "planning-info",
    "budget-info",
];
const DAY: i64 = 86_400_000_000;
/// Rows of one statement.
const ROWS: u64 = 250;

const COLUMNS: [&str; 47] = [
    "id",
    "code",
    "kind",
    "type_version",
    "category",
    "urgency",
    "body",
    "answers",
    "state",
    "phase",
    "unit",
    "area",
    "area_name",
    "lon",
    "lat",
    "source",
    "opened_at",
    "state_since",
    "closed_at",
    "on_time",
    "total_minutes",
    "used_minutes",
    "running_since",
    "due_at",
    "reminded",
    "stopped",
    "extended",
    "assignee",
    "published",
    "public_text",
    "listed",
    "answer",
    "answered_at",
    "stars",
    "followers",
    "routing",
    "key_hash",
    "folded",
    "public_folded",
    "version",
    "unit_since",
    "escalated",
    "reopened",
    "touched",
    "address",
    "topic",
    "draft",
];

/// Communes of the home province: code, name, a point.
fn communes() -> Vec<(String, String)> {
    let file = Path::new("packs/base/access/units/communes.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(file).expect("run it in the project's folder");
    let headers = reader.headers().expect("headers").clone();
    let at = |names: &[&str]| headers.iter().position(|h| names.contains(&h)).expect("a column");
    let (code, name, province) = (at(&["id", "code"]), at(&["name", "full_name"]), at(&["parent"]));
    reader.records().map(|r| r.expect("a row")).filter(|r| &r[province] == "33").map(|r| (r[code].to_string(), r[name].to_string())).collect()
}

/// One case: 2 in 100 are open, the rest ended; spread over three years.
fn case(i: u64, now: i64, communes: &[(String, String)], numbers: &mut Numbers) -> Vec<Param> {
    let (code, name) = &communes[numbers.below(communes.len() as u64) as usize];
    let category = CATEGORIES[numbers.below(18) as usize];
    let open = numbers.below(100) < 2;
    let opened = if open { now - numbers.below(20 * 86_400) as i64 * 1_000_000 } else { now - DAY - numbers.below(3 * 365 * 86_400) as i64 * 1_000_000 };
    let used = 60 + numbers.below(3_000) as i64;
    let closed = (!open).then_some((opened + used * 3 * 60_000_000).min(now));
    let late = numbers.below(10) == 0;
    let (lon, lat) = (105.9 + numbers.below(60_000) as f64 / 1e5, 20.3 + numbers.below(60_000) as f64 / 1e5);
    let (state, phase) = match (open, numbers.below(4)) {
        (false, 0) => ("not_resolved", "unsolved"),
        (false, _) => ("closed", "solved"),
        (true, 0) => ("received", "open"),
        (true, 1) => ("assigned", "open"),
        (true, _) => ("in_progress", "working"),
    };
    let text = format!("Phản ánh số {i}: đèn đường, rác thải hoặc ổ gà trước số nhà {}, đề nghị xử lý sớm giúp bà con.", numbers.below(300));
    let due = opened + 5 * DAY;
    let stars = (!open && numbers.below(4) == 0).then_some(1 + numbers.below(5) as i64);
    let folded = format!(" phan anh so {i} den duong rac thai hoac o ga truoc so nha");
    params![
        format!("019a0000-0000-7000-8000-{i:012x}"),
        format!("HY-{}", base32(i)),
        "report",
        1i64,
        category,
        "normal",
        &text,
        "{}",
        state,
        phase,
        format!("ubnd-{code}"),
        code,
        name,
        lon,
        lat,
        "web",
        opened,
        closed.unwrap_or(opened),
        closed,
        closed.map(|_| i64::from(!late)),
        2_400i64,
        used,
        open.then_some(opened),
        due,
        0i64,
        i64::from(!open),
        0i64,
        (open && state == "in_progress").then_some("canbo"),
        1i64,
        &text,
        1i64,
        closed.map(|_| "Đã xử lý xong."),
        closed,
        stars,
        0i64,
        "{\"rule\":\"commune\",\"why\":\"\"}",
        "",
        &folded,
        &folded,
        1i64,
        opened,
        Option::<&str>::None,
        i64::from(numbers.below(50) == 0),
        closed.unwrap_or(opened),
        Option::<&str>::None,
        Option::<&str>::None,
        Option::<&str>::None,
    ]
}

/// Six letters and digits that no two numbers share.
fn base32(mut i: u64) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut out = [b'0'; 6];
    for slot in out.iter_mut().rev() {
        *slot = LETTERS[(i % 32) as usize];
        i /= 32;
    }
    String::from_utf8_lossy(&out).into_owned()
}

async fn fill(data: &Path, database: Option<String>, cases: u64) {
    let store = Store::open(&Settings { data: data.to_path_buf(), database_url: database }, Arc::new(SystemClock), &[]).await.expect("the server's store");
    let (communes, now, mut numbers) = (communes(), SystemClock.now().as_microsecond(), Numbers(7));
    let start = Instant::now();
    let mut done = 0;
    while done < cases {
        let mut tx = store.begin_as("bench").await.expect("a change");
        for _ in 0..40 {
            let rows = ROWS.min(cases - done);
            if rows == 0 {
                break;
            }
            let row = format!("({})", vec!["?"; COLUMNS.len()].join(", "));
            let sql = format!("insert into case_main ({}) values {}", COLUMNS.join(", "), vec![row; rows as usize].join(", "));
            let values = (done..done + rows).flat_map(|i| case(i, now, &communes, &mut numbers)).collect();
            tx.exec(&sql, values).await.expect("rows");
            done += rows;
        }
        tx.commit().await.expect("a commit");
    }
    println!("{cases} cases written straight into the table in {:.0} s", start.elapsed().as_secs_f64());
    store.close().await.expect("a closed store");
}

fn command(data: &Path, args: &[&str]) -> String {
    let binary: PathBuf = std::env::current_exe().expect("our path").with_file_name("dothi");
    let out = Command::new(binary).args(args).env("DOTHI_DATA", data).env("DOTHI_LOG", "error").output().expect("the program runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_string()
}

struct Asker {
    client: reqwest::Client,
    base: String,
}

impl Asker {
    /// Asks twenty times; prints the median, the slowest and the size of the answer.
    async fn time(&self, what: &str, token: Option<&str>, path: &str) {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..20 {
            let mut request = self.client.get(format!("{}{path}", self.base));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let start = Instant::now();
            let answer = request.send().await.expect("an answer");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            size = answer.bytes().await.expect("a body").len();
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let slowest = times.iter().copied().fold(0.0, f64::max);
        println!("{what:<58} median {:>7.1} ms   slowest {slowest:>7.1} ms   {:>7.1} kB", median(times), size as f64 / 1024.0);
    }
}

/// Fills a fresh server with cases and times what people look at.
pub async fn measure(cases: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = std::env::var("DOTHI_DATABASE_URL").ok();
    println!("database: {}", if database.is_some() { "PostgreSQL" } else { "embedded SQLite" });
    // The first start makes the schema and installs the packs.
    drop(Server::start(folder.path()).await);
    fill(folder.path(), database, cases).await;
    let permissions = ["case-read", "case-triage", "case-handle", "case-approve"].map(|p| ["--permission", p]).concat();
    let token = command(folder.path(), &[["token", "bench"].as_slice(), &permissions].concat());
    let server = Server::start(folder.path()).await;
    println!("start {:.1} s, {:.0} MB", server.started.as_secs_f64(), server.process.memory_mb());
    let asker = Asker { client: reqwest::Client::new(), base: format!("http://127.0.0.1:{}", server.http) };
    let start = Instant::now();
    asker.client.get(format!("{}/api/cases/stats", asker.base)).send().await.expect("an answer").bytes().await.expect("a body");
    println!("statistics for the first time (all cases are read once) {:.1} s, {:.0} MB", start.elapsed().as_secs_f64(), server.process.memory_mb());
    for (what, path) in [
        ("desk: what waits for me, by due time", "/api/cases?view=todo&limit=100"),
        ("desk: open cases of my units", "/api/cases?view=unit&limit=100"),
        ("desk: overdue", "/api/cases?view=unit&due=overdue&limit=100"),
        ("desk: all, newest first", "/api/cases?view=all&sort=opened&limit=100"),
        ("desk: one category, all", "/api/cases?view=all&category=noise&limit=100"),
        ("desk: counts", "/api/cases/counts"),
    ] {
        asker.time(what, Some(&token), path).await;
    }
    let years = "from=2000-01-01T00:00:00Z";
    for (what, path) in [
        ("public map, whole province (5,000 symbols)", "/api/cases/public.geojson".to_string()),
        ("public map, a town", "/api/cases/public.geojson?bbox=106.05,20.64,106.07,20.66".to_string()),
        ("public list", "/api/cases/public".to_string()),
        ("public list, one commune", "/api/cases/public?area=11953".to_string()),
        ("statistics by unit, 90 days", "/api/cases/stats?group=unit".to_string()),
        ("statistics by unit, all years", format!("/api/cases/stats?group=unit&{years}")),
        ("statistics by category, all years", format!("/api/cases/stats?group=category&{years}")),
        ("statistics by commune, all years", format!("/api/cases/stats?group=area&{years}")),
        ("statistics by month, ten years", "/api/cases/stats?group=month&from=2018-01-01T00:00:00Z".to_string()),
        ("reports for a thousand people", format!("/api/cases/density?{years}")),
        ("heat", format!("/api/cases/heat.geojson?{years}")),
        ("last year in figures", format!("/api/cases/years/{}", year() - 1)),
    ] {
        asker.time(what, None, &path).await;
    }
    let mut times = Vec::new();
    for n in 0..100 {
        let report = json!({ "kind": "report", "category": "garbage", "text": format!("Rác chất đống ở đầu ngõ {n}"), "area": "11953", "source": "phone" });
        let start = Instant::now();
        let request = asker.client.post(format!("{}/api/cases", asker.base)).json(&report);
        let answer: Value = request.bearer_auth(&token).send().await.expect("an answer").json().await.expect("JSON");
        assert!(answer["code"].is_string(), "{answer}");
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    println!("a new report, acknowledged: median {:.1} ms", median(times));
    asker.time("statistics after a hundred new reports", None, "/api/cases/stats?group=unit").await;
    println!("{:.0} MB", server.process.memory_mb());
}

fn year() -> i16 {
    jiff::Zoned::now().year()
}
