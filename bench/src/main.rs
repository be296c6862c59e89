//! Reproducible measurements of ingest and query. Prints rates, medians and ratios; judges nothing.
//!
//! Both sides of a comparison run in one call on one machine; the load generator shares its processors with the server.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, clippy::panic)] // A measurement that fails should stop loudly.

mod alarms;
mod cameras;
mod cases;
mod city;
mod dossiers;
mod http;
mod ingest;
mod live;
mod livemap;
mod mqtt;
mod notify;
mod overload;
mod peers;
mod process;
mod query;
mod reports;
mod roads;
mod soak;
mod sta;
mod vision;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures Dothi. See bench/README.md.")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A feeder outage: raw alarms against lines on the operators' list.
    Alarms {
        /// Alarms.
        #[arg(long, default_value_t = 100_000)]
        raw: usize,
    },
    /// Cameras on one machine: all connected to and recorded, some watched live. To be run where `packs` is.
    Cameras {
        /// Cameras.
        #[arg(long, default_value_t = 64)]
        cameras: usize,
        /// Those of them that are recorded.
        #[arg(long, default_value_t = 64)]
        recorded: usize,
        /// Those of them that are watched live.
        #[arg(long, default_value_t = 9)]
        shown: usize,
        /// Seconds of it.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// A clip that each camera plays, or the RTSP address that each camera has.
        #[arg(long, default_value = "demo/hung-yen/clips/street.mp4")]
        url: String,
    },
    /// A synthetic network of roads: building, memory, routes, many ways to one.
    Roads {
        /// Directed edges.
        #[arg(long, default_value_t = 1_000_000)]
        edges: usize,
        /// Routes.
        #[arg(long, default_value_t = 300)]
        routes: usize,
    },
    /// Durable observations a second by MQTT QoS 1 and by NGSI-LD batch, beside mosquitto alone.
    Ingest {
        /// Messages by MQTT.
        #[arg(long, default_value_t = 100_000)]
        messages: u64,
        /// Observations by NGSI-LD batch.
        #[arg(long, default_value_t = 200_000)]
        observations: u64,
        /// Rounds; the median is quoted.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// From a sensor's message to an alarm on operators' screens. To be run where `packs` is, with `ulimit -n 16384`.
    Live {
        /// Observations a second.
        #[arg(long, default_value_t = 20_000)]
        rate: u64,
        /// Rules.
        #[arg(long, default_value_t = 1_000)]
        rules: usize,
        /// Screens on the live stream.
        #[arg(long, default_value_t = 5_000)]
        screens: usize,
        /// Limits crossed a second.
        #[arg(long, default_value_t = 20)]
        crossings: u64,
        /// Seconds of it.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Durable observations a second by SensorThings data arrays.
    Sta {
        /// Observations of a round.
        #[arg(long, default_value_t = 2_000_000)]
        observations: u64,
        /// Rounds; the median is quoted.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Query times over a lake of synthetic observations.
    Query {
        /// Observations to load.
        #[arg(long, alias = "observations", default_value_t = 10_000_000)]
        rows: u64,
        /// Days they are spread over, a minute apart.
        #[arg(long, default_value_t = 90)]
        days: i64,
        /// A Python with the packages of tests/requirements.txt: DuckDB then asks the same files.
        #[arg(long, env = "DOTHI_DUCKDB_PYTHON")]
        duckdb: Option<String>,
        /// The same questions to PostgreSQL and VictoriaMetrics.
        #[arg(long)]
        peers: bool,
    },
    /// Bytes that an observation of real measurements costs on disk.
    Bytes {
        /// CSV files, also compressed with gzip.
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
    },
    /// A city of a million things: loading, memory, start, lists by type and `q`, single changes.
    City {
        /// Entities.
        #[arg(long, default_value_t = 1_000_000)]
        entities: u64,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Folder to keep the city in; one that is there already is not loaded again.
        #[arg(long)]
        data: Option<std::path::PathBuf>,
        /// Only measurements whose name holds this word.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// A million reports: desk, public map and list, statistics. On PostgreSQL with `DOTHI_DATABASE_URL` (an empty database).
    Cases {
        /// Reports.
        #[arg(long, default_value_t = 1_000_000)]
        cases: u64,
    },
    /// The live map: a layer's snapshot, changes and past, in time and bytes. To be run where `packs` is.
    Livemap {
        /// Things with a place.
        #[arg(long, default_value_t = 50_000)]
        things: u64,
        /// Observations of each.
        #[arg(long, default_value_t = 10)]
        minutes: i64,
    },
    /// Notifications told, and how soon.
    Notify {
        /// Subscriptions.
        #[arg(long, default_value_t = 10_000)]
        subscriptions: u64,
        /// Writes a second.
        #[arg(long, default_value_t = 500)]
        rate: u64,
        /// Seconds of writing.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// A million dossiers of one-stop centres: taking them in, boards, lists, scores.
    Dossiers {
        /// Dossiers.
        #[arg(long, default_value_t = 1_000_000)]
        dossiers: u64,
        /// Times that each question is asked; the median is quoted.
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// More than can be stored, then a kill: nothing acknowledged is lost.
    Overload {
        /// Seconds of it.
        #[arg(long, default_value_t = 300)]
        seconds: u64,
    },
    /// Citizens' reports without photos and with one of a megabyte each: how soon they are accepted. To be run where `packs` is.
    Reports {
        /// Reports a second without photos.
        #[arg(long, default_value_t = 1_000)]
        rate: u64,
        /// Reports a second with a photo each.
        #[arg(long, default_value_t = 40)]
        photo_rate: u64,
        /// Seconds of each.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Real measurements replayed for an hour: memory and files stay flat, nothing is missing.
    Soak {
        /// Folder of CSV files: station, time, then measured columns.
        #[arg(long, default_value = "demo/hung-yen/air")]
        folder: std::path::PathBuf,
        /// Devices.
        #[arg(long, default_value_t = 200)]
        devices: usize,
        /// Messages a second of all devices.
        #[arg(long, default_value_t = 500)]
        rate: u64,
        /// Minutes.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// What pictures cost: decoding a 1080p key frame, judging it, finding things in it.
    Vision {
        /// Frames; medians are quoted.
        #[arg(long, default_value_t = 40)]
        rounds: usize,
        /// Folder of the model that is measured.
        #[arg(long, default_value = "packs/cameras/video/models")]
        models: std::path::PathBuf,
    },
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("the first provider");
    let profile = if cfg!(debug_assertions) { "debug build: figures mean little" } else { "optimised build" };
    println!("{} processors, {profile}", std::thread::available_parallelism().map_or(0, |n| n.get()));
    match Cli::parse().what {
        What::Cameras { cameras, recorded, shown, seconds, url } => cameras::measure(cameras::Asked { cameras, recorded, shown, seconds, url }).await,
        What::Roads { edges, routes } => roads::measure(edges, routes),
        What::Alarms { raw } => alarms::measure(raw).await,
        What::Ingest { messages, observations, rounds } => ingest::measure(messages, observations, rounds).await,
        What::Live { rate, rules, screens, crossings, seconds } => live::measure(live::Asked { rate, rules, screens, crossings, seconds }).await,
        What::Sta { observations, rounds } => sta::measure(observations, rounds).await,
        What::Query { rows, days, duckdb, peers } => query::measure(rows, days, duckdb, peers).await,
        What::Bytes { files } => query::bytes(&files).await,
        What::City { entities, seconds, data, only } => city::measure(entities, seconds, data, &only).await,
        What::Cases { cases } => cases::measure(cases).await,
        What::Livemap { things, minutes } => livemap::measure(things, minutes).await,
        What::Notify { subscriptions, rate, seconds } => notify::measure(subscriptions, rate, seconds).await,
        What::Dossiers { dossiers, rounds } => dossiers::measure(dossiers, rounds).await,
        What::Overload { seconds } => overload::measure(seconds).await,
        What::Reports { rate, photo_rate, seconds } => reports::measure(rate, photo_rate, seconds).await,
        What::Vision { rounds, models } => vision::measure(rounds.max(1), &models),
        What::Soak { folder, devices, rate, minutes } => soak::measure(&folder, devices, rate, minutes).await,
    }
}

/// The middle of a list.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
