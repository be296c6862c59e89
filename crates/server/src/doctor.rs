//! `dothi doctor`: what this machine has and what is missing, in words that say what to do.

use std::fmt;

use crate::Settings;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fine.
    Fine,
    /// Works, but worth knowing.
    Note,
    /// Must be mended.
    Missing,
}

/// One thing looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what to do.
    pub words: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Fine => "ok     ",
            Verdict::Note => "note   ",
            Verdict::Missing => "MISSING",
        };
        write!(f, "{mark} {:<12} {}", self.what, self.words)
    }
}

fn finding(what: &'static str, verdict: Verdict, words: impl Into<String>) -> Finding {
    Finding { what, verdict, words: words.into() }
}

/// Looks at everything the platform needs. Changes nothing but a probe file in the data folder.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![data_folder(settings), packs(settings), web()];
    findings.push(listener("http", settings.listen).await);
    findings.push(listener("mqtt", settings.mqtt_listen).await);
    findings.push(match &settings.database_url {
        None => finding("database", Verdict::Fine, "embedded SQLite in the data folder"),
        Some(_) => database(settings).await,
    });
    if settings.trust_loopback {
        findings.push(finding("trust", Verdict::Note, "DOTHI_TRUST_LOOPBACK is on: every program on this machine is an administrator of the machine APIs"));
    }
    if !settings.listen.ip().is_loopback() && !settings.secure_cookies {
        findings.push(finding("cookies", Verdict::Note, "listening beyond this machine without DOTHI_SECURE_COOKIES=1; put a TLS proxy in front and set it"));
    }
    findings
}

fn data_folder(settings: &Settings) -> Finding {
    let probe = settings.data.join(".probe");
    let tried = std::fs::create_dir_all(&settings.data).and_then(|()| std::fs::write(&probe, b"probe")).and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => finding("data", Verdict::Fine, format!("{} can be written", settings.data.display())),
        Err(e) => finding("data", Verdict::Missing, format!("{} cannot be written ({e}); set DOTHI_DATA to a folder of your own", settings.data.display())),
    }
}

fn packs(settings: &Settings) -> Finding {
    match dothi_packs::Library::open(&settings.packs).and_then(|library| library.check(&[])) {
        Ok(reports) => match reports.iter().find(|r| !r.is_ok()) {
            None => finding("packs", Verdict::Fine, format!("{} packs in {}", reports.len(), settings.packs.display())),
            Some(report) => finding("packs", Verdict::Missing, report.to_string()),
        },
        Err(e) => finding(
            "packs",
            Verdict::Missing,
            format!("no packs in {} ({}); set DOTHI_PACKS or start in the project's folder", settings.packs.display(), e.code()),
        ),
    }
}

fn web() -> Finding {
    if crate::assets::present() {
        finding("web", Verdict::Fine, "built in")
    } else {
        finding("web", Verdict::Note, "not built in: APIs work, screens do not; run `make web` (needs Node.js 20) and build again")
    }
}

async fn listener(what: &'static str, address: std::net::SocketAddr) -> Finding {
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => finding(what, Verdict::Fine, format!("{address} is free")),
        Err(e) => finding(what, Verdict::Note, format!("{address} cannot be bound ({e}); is the platform running already?")),
    }
}

async fn database(settings: &Settings) -> Finding {
    let store = dothi_store::Settings { data: settings.data.clone(), database_url: settings.database_url.clone() };
    match dothi_store::Store::open(&store, std::sync::Arc::new(dothi_kernel::SystemClock), &[]).await {
        Ok(store) => {
            // Only the answer matters here.
            let _closed = store.close().await;
            finding("database", Verdict::Fine, "PostgreSQL answers")
        }
        Err(e) => finding("database", Verdict::Missing, format!("PostgreSQL does not answer ({}); check DOTHI_DATABASE_URL", e.code())),
    }
}
