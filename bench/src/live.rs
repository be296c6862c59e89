//! From a sensor's message to an alarm on operators' screens: 1,000 rules, observations at a steady rate by MQTT, 5,000 screens on
//! the live stream. To be run where `packs` is, with room for so many sockets (`ulimit -n 16384`).
//!
//! Rules are spread as in a province: each entity type has some of them, so that an observation is looked at by those of its
//! attribute. A message that crosses a limit is told apart by thing and rule; the time runs from the making of the message to the
//! arrival of the alarm's event at a screen. Clients share the processors with the server.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::mqtt::{Count, Plan};
use crate::process::Server;

const TYPES: usize = 25;
const ATTRIBUTES: usize = 8;
/// Each with a connection of its own.
const DEVICES: usize = 200;
/// One screen of so many is read closely.
const WATCHED: usize = 100;
const CALM: f64 = 20.0;
const HIGH: f64 = 1_000.0;

/// When a limit was crossed, by thing and attribute.
type Crossings = Arc<Mutex<HashMap<(usize, usize), Instant>>>;

fn held<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pack with the types, the profiles and the rules; one rule of each attribute can be crossed, the others watch other limits.
fn pack(folder: &Path, rules: usize) {
    let (mut context, mut all) = (String::new(), String::new());
    for k in 0..TYPES {
        write!(
            context,
            "[[type]]\ntype = \"Bench{k}\"\nname = \"Đo thử {k}\"\nname_en = \"Bench {k}\"\nicon = \"gauge\"\nmain_attribute = \"v0\"\nsilent_after = 7200\npublic = false\n"
        )
        .expect("text");
        for a in 0..ATTRIBUTES {
            write!(context, "[[type.attribute]]\nname = \"v{a}\"\ntitle = \"Trị số {a}\"\ntitle_en = \"Value {a}\"\nunit = \"C62\"\nunit_text = \"\"\n")
                .expect("text");
        }
        let attributes: Vec<String> = (0..ATTRIBUTES).map(|a| format!("{{ name = \"v{a}\", unit = \"C62\", min = -10000, max = 10000 }}")).collect();
        writeln!(
            context,
            "[[profile]]\nname = \"bench-{k}\"\ntitle = \"Bench {k}\"\ntype = \"Bench{k}\"\ntime = {{ path = \"t\", format = \"rfc3339\" }}\nattributes = [{}]",
            attributes.join(", ")
        )
        .expect("text");
    }
    for n in 0..rules {
        let (k, a, level) = (n % TYPES, n / TYPES % ATTRIBUTES, n / TYPES / ATTRIBUTES);
        writeln!(
            all,
            "[[rule]]\ncode = \"bench.{n}\"\ntitle = \"Vượt ngưỡng {n}\"\ntitle_en = \"Limit {n}\"\nkind = \"threshold\"\nseverity = \"medium\"\nsector = \"bench\"\ntype = \"Bench{k}\"\nattribute = \"v{a}\"\nraise = \">= {}\"\nstatus = \"unconfirmed\"\nowner = \"bench\"",
            if level == 0 { HIGH } else { HIGH * (level + 5) as f64 }
        )
        .expect("text");
    }
    for (name, text) in [
        ("pack.toml", "name = \"bench\"\ntitle = \"Đo\"\ntitle_en = \"Bench\"\nversion = \"0.1.0\"\nrequires = [\"base\"]\nlicence = \"Apache-2.0\"\n"),
        ("context/bench.toml", context.as_str()),
        ("rules/bench.toml", all.as_str()),
    ] {
        let path = folder.join("bench").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file of the pack");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the packs").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A token with these permissions, from the command line of the binary beside this one.
pub(crate) fn token(data: &Path, packs: &Path, permissions: &[&str]) -> String {
    let binary = std::env::current_exe().expect("our path").with_file_name("dothi");
    let made = Command::new(binary)
        .args(["token", "bench"])
        .args(permissions.iter().flat_map(|p| ["--permission", p]))
        .env("DOTHI_DATA", data)
        .env("DOTHI_PACKS", packs)
        .env("DOTHI_LOG", "error")
        .output()
        .expect("the binary runs: build it in the same profile first");
    assert!(made.status.success(), "a token: {}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8_lossy(&made.stdout).lines().last().unwrap_or_default().trim().to_string()
}

fn message(device: usize, crossed: u8) -> Vec<u8> {
    let mut text = format!(r#"{{"t":"{}""#, jiff::Timestamp::now().strftime("%FT%T%.6fZ"));
    for a in 0..ATTRIBUTES {
        let value = if crossed & (1 << a) != 0 { HIGH + 5.0 } else { CALM + (device % 10) as f64 };
        write!(text, r#","v{a}":{value}"#).expect("text");
    }
    text.push('}');
    text.into_bytes()
}

/// Opens a screen and waits for its first word.
async fn screen(port: u16, token: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection: `ulimit -n` too low?");
    stream.set_nodelay(true).expect("no delay");
    let ask = format!("GET /api/live HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.expect("asked");
    let mut reader = BufReader::with_capacity(2 * 1024, stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.expect("an answer");
    assert!(line.contains(" 200 "), "{line}");
    while !line.starts_with("event: hello") {
        line.clear();
        assert!(reader.read_line(&mut line).await.expect("a stream") > 0, "the stream ended");
    }
    reader
}

/// Reads a screen closely and notes how long each alarm took.
async fn watch(reader: BufReader<TcpStream>, crossings: Crossings, took: Arc<Mutex<Vec<f64>>>) {
    let mut lines = reader.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(data) = line.strip_prefix("data: ").filter(|d| d.contains("alarm-raised")) else { continue };
        let now = Instant::now();
        let Ok(event) = serde_json::from_str::<serde_json::Value>(data) else { continue };
        let device = event["entity"].as_str().and_then(|e| e.rsplit(['-', ':']).next()?.parse::<usize>().ok());
        let rule = event["rule"].as_str().and_then(|r| r.strip_prefix("bench.")?.parse::<usize>().ok());
        if let Some((device, rule)) = device.zip(rule)
            && let Some(begun) = held(&crossings).get(&(device, rule / TYPES % ATTRIBUTES))
        {
            held(&took).push((now - *begun).as_secs_f64() * 1e3);
        }
    }
}

/// Screens that only take what comes, on a thread of their own.
fn crowd(port: u16, token: String, screens: usize, ready: Arc<AtomicU64>, bytes: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        own.block_on(async move {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..screens {
                let (mut stream, bytes) = (screen(port, &token).await, bytes.clone());
                ready.fetch_add(1, Ordering::Relaxed);
                all.spawn(async move {
                    let mut buffer = [0; 2 * 1024];
                    while let Ok(n) = stream.read(&mut buffer).await
                        && n > 0
                    {
                        bytes.fetch_add(n as u64, Ordering::Relaxed);
                    }
                });
            }
            while all.join_next().await.is_some() {}
        });
    });
}

fn share(sorted: &[f64], part: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// How it is asked for.
pub struct Asked {
    /// Observations a second.
    pub rate: u64,
    /// Rules.
    pub rules: usize,
    /// Screens on the live stream.
    pub screens: usize,
    /// Limits crossed a second.
    pub crossings: u64,
    /// Seconds of it.
    pub seconds: u64,
}

/// Runs it and prints the figures.
pub async fn measure(asked: Asked) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files: usize = limits.lines().find(|l| l.starts_with("Max open files")).and_then(|l| l.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0);
    assert!(files > asked.screens + 500, "{files} open files are too few for {} screens: ulimit -n 16384", asked.screens);
    let folder = tempfile::tempdir().expect("a folder");
    let (data, packs) = (folder.path().join("data"), folder.path().join("packs"));
    copy(Path::new("packs"), &packs);
    pack(&packs, asked.rules);
    let token = token(&data, &packs, &["alarm-read"]);
    let folder_of_packs = packs.to_string_lossy().into_owned();
    let server = Server::start_with(&data, &[("DOTHI_PACKS", folder_of_packs.as_str())]).await;
    for device in 0..DEVICES {
        server
            .ask(
                "POST",
                "/api/context/devices",
                &json!({"id": format!("bench-{device}"), "name": "bench", "profile": format!("bench-{}", device % TYPES)}).to_string(),
            )
            .await;
    }
    let (before, took) = (server.process.memory_mb(), Arc::new(Mutex::new(Vec::new())));
    let crossings: Crossings = Arc::default();
    let watched = (asked.screens / WATCHED).max(1);
    for _ in 0..watched {
        tokio::spawn(watch(screen(server.http, &token).await, crossings.clone(), took.clone()));
    }
    let (ready, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    crowd(server.http, token, asked.screens - watched, ready.clone(), bytes.clone());
    while (ready.load(Ordering::Relaxed) as usize) < asked.screens - watched {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{} screens open: {:.0} MB more, {:.0} MB in all", asked.screens, server.process.memory_mb() - before, server.process.memory_mb());

    let (start, cpu) = (Instant::now(), server.process.cpu_s());
    let (acknowledged, made) = publish(&server, &asked, &crossings).await;
    let spent = start.elapsed().as_secs_f64();
    // What is under way still arrives.
    let end = Instant::now() + Duration::from_secs(10);
    while held(&took).len() < made * watched && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut all = held(&took).clone();
    all.sort_by(f64::total_cmp);
    println!("rules                  {} ({} of each attribute)", asked.rules, asked.rules / TYPES / ATTRIBUTES);
    println!("observations           {:.0}/s durable over {spent:.0} s (asked for {})", acknowledged as f64 * ATTRIBUTES as f64 / spent, asked.rate);
    println!("limits crossed         {made}; alarms seen on {watched} screens: {} of {}", all.len(), made * watched);
    println!("message → alarm        p50 {:.0} ms, p99 {:.0} ms, most {:.0} ms", share(&all, 0.5), share(&all, 0.99), share(&all, 1.0));
    println!("sent to the others     {:.1} MB/s", bytes.load(Ordering::Relaxed) as f64 / 1e6 / spent);
    println!("server                 {:.0} % of a processor, {:.0} MB", (server.process.cpu_s() - cpu) / spent * 100.0, server.process.memory_mb());
}

/// Publishes at the rate asked for; messages acknowledged, and limits crossed.
async fn publish(server: &Server, asked: &Asked, crossings: &Crossings) -> (u64, usize) {
    let (stop, crossed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (acknowledged, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let messages = (asked.rate / ATTRIBUTES as u64).max(1);
    let each = DEVICES.min(messages as usize);
    let gap = Duration::from_secs_f64(each as f64 / messages as f64);
    let mut tasks = Vec::new();
    for device in 0..each {
        let plan = Plan {
            port: server.mqtt,
            client: format!("bench-{device}"),
            topic: format!("dev/bench-{device}/up"),
            window: 200,
            due: Some((start + gap.mul_f64(device as f64 / each as f64), gap)),
            stop: stop.clone(),
        };
        let (crossings, crossed, own, sum, asked_for, seconds) =
            (crossings.clone(), crossed.clone(), Arc::new(Count::default()), acknowledged.clone(), asked.crossings, asked.seconds);
        tasks.push(tokio::spawn(async move {
            let mut high = 0u8;
            crate::mqtt::publish(plan, own.clone(), move |_| {
                let spent = start.elapsed().as_secs_f64();
                if spent > seconds as f64 {
                    return None;
                }
                // Each crossing is of a thing and an attribute that was calm until then. The first second is for settling.
                let due = ((spent - 1.0).max(0.0) * asked_for as f64) as u64;
                if high != u8::MAX && crossed.load(Ordering::Relaxed) < due && spent < seconds as f64 - 1.0 {
                    crossed.fetch_add(1, Ordering::Relaxed);
                    let attribute = high.trailing_ones() as usize;
                    high |= 1 << attribute;
                    held(&crossings).insert((device, attribute), Instant::now());
                }
                Some(message(device, high))
            })
            .await;
            sum.fetch_add(own.acknowledged.load(Ordering::Relaxed), Ordering::Relaxed);
        }));
    }
    for task in tasks {
        task.await.expect("a publisher");
    }
    let made = held(crossings).len();
    (acknowledged.load(Ordering::Relaxed), made)
}
