//! A million dossiers: how fast they come in, and how fast boards, lists and scores answer.

use std::fmt::Write;
use std::time::Instant;

use crate::city::Numbers;
use crate::http::Connection;
use crate::median;
use crate::process::Server;

const BATCH: u64 = 2_000;
const DAY: i64 = 86_400_000_000;

/// Codes of the province's communes, and its procedures with the agency that handles each (none: the commune).
async fn province(http: u16) -> (Vec<String>, Vec<(String, String)>) {
    let mut reader = csv::Reader::from_path("packs/base/access/units/communes.csv").expect("run it in the repository");
    let communes = reader.records().map(|r| r.expect("a row")).filter(|r| &r[4] == "33" && r[6].is_empty()).map(|r| r[0].to_string()).collect();
    let mut connection = Connection::open(http).await.expect("a connection");
    let (_, body) = connection.ask("GET", "/api/dossiers/catalogue", "", b"").await.expect("the catalogue");
    let catalogue: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_string();
    let procedures = catalogue["procedures"].as_array().expect("procedures").iter().map(|p| (text(&p["code"]), text(&p["agency"]))).collect();
    (communes, procedures)
}

/// A dossier of the last three years; one in twenty is open, one in eight of the others was late.
fn dossier(out: &mut String, n: u64, now: i64, communes: &[String], procedures: &[(String, String)]) {
    let mut numbers = Numbers(n + 1);
    let commune = &communes[numbers.below(communes.len() as u64) as usize];
    let (procedure, agency) = &procedures[numbers.below(procedures.len() as u64) as usize];
    let unit = if agency.is_empty() { format!("ubnd-{commune}") } else { agency.clone() };
    let open = numbers.below(20) == 0;
    let back = if open { numbers.below(30) } else { 1 + numbers.below(1_090) } as i64;
    let received = now - back * DAY - numbers.below(36_000) as i64 * 1_000_000;
    let took = if numbers.below(8) == 0 { 40 } else { numbers.below(5) as i64 } * DAY + 3_600_000_000;
    let instant = |us: i64| jiff::Timestamp::from_microsecond(us).expect("an instant").to_string();
    let ended = instant((received + took).min(now));
    let rest = if open { "\"state\":4".to_string() } else { format!(r#""state":10,"finished_at":"{ended}","returned_at":"{ended}""#) };
    write!(
        out,
        r#"{{"code":"H31.{:02}.{:02}-260101-{:07}","procedure":"{procedure}","unit":"{unit}","commune":"{commune}","channel":{},"received_at":"{}",{rest},"applicant":"Nobody {n}","phone":"0900{n:07}"}}"#,
        n % 90 + 10,
        n / 90 % 90 + 10,
        n % 10_000_000,
        1 + numbers.below(2),
        instant(received),
    )
    .expect("text");
}

/// Loads so many dossiers and asks what the screens ask.
pub async fn measure(total: u64, rounds: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path()).await;
    let (communes, procedures) = province(server.http).await;
    let now = jiff::Timestamp::now().as_microsecond();
    let mut connection = Connection::open(server.http).await.expect("a connection");
    let start = Instant::now();
    for from in (0..total).step_by(BATCH as usize) {
        let mut body = String::from(r#"{"dossiers":["#);
        for n in from..(from + BATCH).min(total) {
            if n > from {
                body.push(',');
            }
            dossier(&mut body, n, now, &communes, &procedures);
        }
        body.push_str("]}");
        let (status, answer) = connection.ask("POST", "/api/dossiers/records", "application/json", body.as_bytes()).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer).to_string();
        assert!(status == 200 && answer.contains(r#""rejected":0"#), "{status} {}", &answer[..answer.len().min(500)]);
    }
    let taken = start.elapsed().as_secs_f64();
    println!("{total} dossiers taken: {:.0}/s, durable, {:.0} MB resident", total as f64 / taken, server.process.memory_mb());
    let commune = &communes[0];
    let asked = [
        ("board by agency, this year", "/api/dossiers/board".to_string()),
        ("board by agency, three years", "/api/dossiers/board?from=2023-10&to=2026-12".to_string()),
        ("board by commune", "/api/dossiers/board?by=commune".to_string()),
        ("board by procedure", "/api/dossiers/board?by=procedure".to_string()),
        ("one agency by procedure", format!("/api/dossiers/board?by=procedure&unit=ubnd-{commune}")),
        ("public board", "/api/dossiers/public/board".to_string()),
        ("overdue, first page", "/api/dossiers?what=overdue&limit=100".to_string()),
        ("soon, first page", "/api/dossiers?what=soon&limit=100".to_string()),
        ("all of one agency, first page", format!("/api/dossiers?what=all&unit=ubnd-{commune}&limit=100")),
        ("late of one agency, first page", format!("/api/dossiers?what=late&unit=ubnd-{commune}&limit=100")),
        ("score of one agency", format!("/api/dossiers/score?unit=ubnd-{commune}&period=2026")),
        ("scores of all agencies", "/api/dossiers/scores?period=2026".to_string()),
        ("what looks odd", "/api/dossiers/anomalies".to_string()),
    ];
    for (name, path) in asked {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds.max(1) {
            let begin = Instant::now();
            let (status, answer) = connection.ask("GET", &path, "", b"").await.expect("an answer");
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        let most = times.iter().copied().fold(0.0, f64::max);
        println!("{name:<34} {:>8.1} ms, at most {most:.1} ms", median(times));
    }
}
