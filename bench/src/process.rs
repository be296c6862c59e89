//! The server as a process of its own, and what it uses.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::Connection;

/// A process that ends with its owner.
pub struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Takes over a child.
    pub fn of(child: Child) -> Self {
        Self { child }
    }

    /// Ends it at once, as a failure of power would.
    pub fn kill(&mut self) {
        let _stopped = self.child.kill().and_then(|()| self.child.wait());
    }

    /// Resident memory, MB.
    pub fn memory_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kb = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
        kb.unwrap_or(0.0) / 1024.0
    }

    /// Open files and sockets.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// Seconds of processor used so far.
    pub fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<f64> = stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
        // utime and stime, in ticks of 10 ms.
        fields.get(11).zip(fields.get(12)).map_or(0.0, |(u, s)| (u + s) / 100.0)
    }
}

/// A running server of ours.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it answers.
    pub http: u16,
    /// Where its broker listens.
    pub mqtt: u16,
    /// Time from its start to ready.
    pub started: Duration,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

impl Server {
    /// Starts the binary beside this one on a folder and waits until it is ready.
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// The same with settings of its own.
    pub async fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let (http, mqtt) = (free_port(), free_port());
        let binary = std::env::current_exe().expect("our path").with_file_name("dothi");
        let begin = Instant::now();
        let child = Command::new(&binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{http}"), "--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
            .env("DOTHI_DATA", data)
            .env("DOTHI_TRUST_LOOPBACK", "1")
            .env("DOTHI_LOG", "error")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts: build it in the same profile first");
        let process = Process::of(child);
        loop {
            assert!(begin.elapsed() < Duration::from_secs(300), "the server does not open");
            if let Ok(mut c) = Connection::open(http).await
                && c.ask("GET", "/readyz", "", b"").await.is_ok_and(|(status, _)| status == 200)
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { process, http, mqtt, started: begin.elapsed() }
    }

    /// One request on a connection of its own; its body.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let mut connection = Connection::open(self.http).await.expect("a connection");
        let (status, body) = connection.ask(method, path, "application/json", body.as_bytes()).await.expect("an answer");
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        body
    }

    /// One cell of a query over the lake.
    pub async fn count(&self, sql: &str) -> u64 {
        let answer = self.ask("POST", "/api/history/query", &serde_json::json!({ "sql": sql }).to_string()).await;
        let table: serde_json::Value = serde_json::from_slice(&answer).expect("a table");
        table["rows"][0][0].as_f64().expect("a number") as u64
    }
}
