//! Stores for tests: a fresh folder, a fake clock, and the same test on both engines.
//!
//! PostgreSQL is a private server: the one `DOTHI_TEST_POSTGRES` names (`cargo xtask test` starts it once for all
//! tests), else one that this process starts and stops itself. Without binaries the PostgreSQL half is skipped aloud,
//! except in CI (`CI=true`), where it fails.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use dothi_kernel::{Error, FakeClock, Result, Timestamp};
use sea_orm::{ConnectionTrait, Database};

use crate::{Migration, Settings, Store};

/// A store with what keeps it alive.
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// Its clock; stands at 2026-11-21T01:00:00Z (a Saturday, 08:00 in Vietnam).
    pub clock: Arc<FakeClock>,
    /// How to open it again.
    pub settings: Settings,
    /// The folder; deleted when dropped.
    pub folder: tempfile::TempDir,
}

impl std::ops::Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

/// The instant at which test clocks start.
pub fn start_of_tests() -> Timestamp {
    dothi_kernel::time::micros(1_795_222_800_000_000)
}

/// A fresh store on SQLite.
pub async fn store(migrations: &[&[Migration]]) -> TestStore {
    open(None, migrations).await
}

/// Runs a test on SQLite and on PostgreSQL, each with a fresh store.
pub async fn both<F: Future<Output = ()>>(migrations: &[&[Migration]], test: impl Fn(TestStore) -> F) {
    test(store(migrations).await).await;
    match postgres_url().await {
        Some(url) => test(open(Some(url), migrations).await).await,
        None => {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL binaries are needed in CI");
            eprintln!("SKIPPED on PostgreSQL: no server binaries found (Debian: apt-get install postgresql)");
        }
    }
}

async fn open(database_url: Option<String>, migrations: &[&[Migration]]) -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = FakeClock::at(start_of_tests());
    let settings = Settings { data: folder.path().to_path_buf(), database_url };
    let store = Store::open(&settings, clock.clone(), migrations).await.expect("a fresh store opens");
    TestStore { store, clock, settings, folder }
}

/// The address of a fresh, empty database on the private server; none without binaries.
pub async fn postgres_url() -> Option<String> {
    let server = match std::env::var("DOTHI_TEST_POSTGRES") {
        Ok(url) => url,
        Err(_) => private_server()?,
    };
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let admin = Database::connect(format!("{server}/postgres")).await.expect("the private PostgreSQL answers");
    admin.execute_unprepared(&format!("create database {name}")).await.expect("a fresh database");
    admin.close().await.expect("closes");
    Some(format!("{server}/{name}"))
}

/// A PostgreSQL server of our own; stops when dropped.
pub struct PrivatePostgres {
    /// Address without a database name.
    pub url: String,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _stopped = self.child.wait();
    }
}

fn private_server() -> Option<String> {
    static SERVER: OnceLock<Mutex<Option<PrivatePostgres>>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(PrivatePostgres::start().expect("a private PostgreSQL starts")));
    server.lock().expect("not poisoned").as_ref().map(|s| s.url.clone())
}

fn binaries() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path().join("bin")).filter(|p| p.join("initdb").exists()).collect();
    found.sort();
    found.pop()
}

/// The account the server runs as: PostgreSQL refuses to be root.
fn account() -> Option<(u32, u32)> {
    let me = std::fs::metadata("/proc/self").ok()?;
    if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let line = passwd.lines().find(|l| l.starts_with(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// Words before a command that make it run as the account.
fn as_account(account: Option<(u32, u32)>) -> Vec<String> {
    let Some((uid, gid)) = account else { return Vec::new() };
    ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"].map(str::to_string).to_vec()
}

impl PrivatePostgres {
    /// Starts a server in a temporary folder on a free port; `None` without binaries. 500 when it does not come up.
    pub fn start() -> Result<Option<Self>> {
        let Some(bin) = binaries() else { return Ok(None) };
        let failed = |e: std::io::Error| Error::internal("starting PostgreSQL", e);
        let folder = tempfile::Builder::new().prefix("dothi-pg").tempdir().map_err(failed)?;
        let account = account();
        let run = |program: &str| {
            use std::os::unix::process::CommandExt;
            let mut command = Command::new(bin.join(program));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((uid, gid)) = account {
                command.uid(uid).gid(gid);
            }
            command
        };
        if let Some((uid, gid)) = account {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).map_err(failed)?;
        }
        let data = folder.path().join("data");
        let made = run("initdb").args(["-D"]).arg(&data).args(["-U", "dothi", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]).status();
        if !made.map_err(failed)?.success() {
            return Err(Error::internal("starting PostgreSQL", "initdb failed"));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(failed)?.port();
        // The shell ends the server when our end of its standard input closes, so that not even a killed test leaves one.
        let child = Command::new("sh")
            .args(["-c", "\"$@\" & cat >/dev/null; kill -QUIT $!; wait; rm -rf \"$0\""])
            .arg(folder.path())
            .args(as_account(account))
            .arg(bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300", "-k"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let server = Self { url: format!("postgres://dothi@127.0.0.1:{port}"), child, _folder: folder };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                std::thread::sleep(Duration::from_millis(200));
                return Ok(Some(server));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Error::internal("starting PostgreSQL", "it does not answer"))
    }
}
