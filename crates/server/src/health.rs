//! `/healthz`, `/readyz`, `/metrics` and the health page's figures.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use dothi_kernel::{Caller, Permission, Result, Scope};
use dothi_store::JobHealth;
use serde::Serialize;
use utoipa::ToSchema;

use crate::City;

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can do its work: the database answers and the clock of jobs is not far behind.
pub async fn readyz(State(city): State<Arc<City>>) -> impl IntoResponse {
    match city.store.row("select 1 as one", vec![]).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

/// What an administrator sees of the machine room.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Program version.
    pub version: &'static str,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// Newest event.
    pub events: i64,
    /// Events that reactions have not handled yet.
    pub reactions_behind: i64,
    /// Jobs due now.
    pub jobs_due: i64,
    /// Jobs waiting for their time.
    pub jobs_waiting: i64,
    /// Jobs given up.
    pub jobs_dead: i64,
    /// Observations not yet in files.
    pub pending_observations: i64,
    /// Screens on the live stream.
    pub screens: usize,
    /// Bytes of memory in use, when the system tells.
    pub memory_bytes: Option<u64>,
    /// Whether the web is built in.
    pub web: bool,
}

impl City {
    /// Reads the figures.
    pub async fn health(&self) -> Result<Health> {
        let JobHealth { due, waiting, dead } = self.store.job_health().await?;
        let events = *self.store.watch_events().borrow();
        let pending: i64 = self.store.pending_ids(100_000).await?.iter().map(|(_, n)| i64::from(*n)).sum();
        Ok(Health {
            version: env!("CARGO_PKG_VERSION"),
            engine: match self.store.engine() {
                dothi_store::Engine::Sqlite => "sqlite",
                dothi_store::Engine::Postgres => "postgres",
            },
            events,
            reactions_behind: events - self.store.cursor(crate::reactions::CONSUMER).await?,
            jobs_due: due,
            jobs_waiting: waiting,
            jobs_dead: dead,
            pending_observations: pending,
            screens: self.live.screens(),
            memory_bytes: memory_bytes(),
            web: crate::assets::present(),
        })
    }
}

/// `GET /api/system/health`.
#[utoipa::path(get, path = "/api/system/health", tag = "system", responses((status = 200, body = Health)))]
pub async fn health(State(city): State<Arc<City>>, caller: Caller) -> Result<Json<Health>> {
    caller.require(Permission::SystemRead, Scope::ANY)?;
    Ok(Json(city.health().await?))
}

/// Resident memory of this process.
pub fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// `GET /metrics`: Prometheus text. Counts only, no names.
pub async fn metrics(State(city): State<Arc<City>>) -> Result<impl IntoResponse> {
    let h = city.health().await?;
    let mut text = String::new();
    let gauges: [(&str, &str, f64); 9] = [
        ("dothi_events_total", "Events written", h.events as f64),
        ("dothi_reactions_behind", "Events not yet reacted to", h.reactions_behind as f64),
        ("dothi_jobs_due", "Jobs due now", h.jobs_due as f64),
        ("dothi_jobs_dead", "Jobs given up", h.jobs_dead as f64),
        ("dothi_pending_observations", "Observations not yet in files", h.pending_observations as f64),
        ("dothi_lake_unseen_batches_total", "Batches that went into files before rules saw them", city.lake.unseen() as f64),
        ("dothi_live_screens", "Screens on the live stream", h.screens as f64),
        ("dothi_http_requests_total", "HTTP requests answered", city.requests.load(std::sync::atomic::Ordering::Relaxed) as f64),
        ("process_resident_memory_bytes", "Resident memory", h.memory_bytes.unwrap_or(0) as f64),
    ];
    let mqtt = city.mqtt_stats.snapshot().into_iter().map(|(name, value)| {
        let gauge = matches!(name, "connections" | "sessions");
        (format!("dothi_mqtt_{name}{}", if gauge { "" } else { "_total" }), "MQTT broker", value as f64)
    });
    for (name, help, value) in gauges.into_iter().map(|(n, h, v)| (n.to_string(), h, v)).chain(mqtt) {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a String cannot fail.
        let _ok = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
