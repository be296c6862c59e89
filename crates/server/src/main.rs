//! The command line of Dothi.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A command line speaks to people.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use dothi_access::model::NewToken;
use dothi_kernel::history::QueryLimits;
use dothi_kernel::{Caller, Error, History, Permission, Result, SystemClock};
use dothi_packs::Library;
use dothi_server::{City, Settings, demo, doctor};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Dothi, an open smart-city platform. Settings: dothi.toml, DOTHI_* variables, flags, in rising order.
#[derive(Parser)]
#[command(name = "dothi", version)]
struct Cli {
    /// Settings file.
    #[arg(long, global = true, default_value = "dothi.toml")]
    config: PathBuf,
    /// Data folder (DOTHI_DATA).
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the platform.
    Serve {
        /// Address for HTTP (DOTHI_LISTEN).
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
        /// Address for MQTT (DOTHI_MQTT_LISTEN).
        #[arg(long)]
        mqtt_listen: Option<std::net::SocketAddr>,
    },
    /// Load the demo province with real measurements, then run; prints the sign-ins.
    Demo {
        /// Folder of the demo province.
        #[arg(long, default_value = "demo/hung-yen")]
        from: PathBuf,
        /// Seconds between two hours of replayed measurements while catching up with the present.
        #[arg(long, default_value_t = 6)]
        pace: u64,
    },
    /// List, check, test and install packs.
    Pack {
        #[command(subcommand)]
        action: PackAction,
    },
    /// Ask the lake: one read-only SQL statement over `observation`.
    Query {
        /// The statement.
        sql: String,
        /// Print CSV instead of a table.
        #[arg(long)]
        csv: bool,
    },
    /// Add a person.
    User {
        /// Sign-in name.
        login: String,
        /// Name to show.
        #[arg(long)]
        name: String,
        /// Role and unit, e.g. `admin@ubnd-33`; may be repeated.
        #[arg(long)]
        role: Vec<String>,
    },
    /// Make a bearer token for a program; it is shown once.
    Token {
        /// Program's name.
        name: String,
        /// Permission, e.g. `context-write`; may be repeated.
        #[arg(long, required = true)]
        permission: Vec<String>,
    },
    /// Check the audit chain and every file of the lake.
    Verify {
        /// Take faulty files out of history (what is left of them is kept aside), so that all others can be read.
        #[arg(long)]
        repair: bool,
    },
    /// Write observations for other programs.
    Export {
        #[command(subcommand)]
        what: ExportWhat,
    },
    /// Say what is missing on this machine, if anything.
    Doctor,
}

#[derive(Subcommand)]
enum ExportWhat {
    /// A Delta table; exporting again into the same folder adds a version.
    Delta {
        /// Folder of the table.
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
enum PackAction {
    /// What there is, and what is installed.
    List,
    /// Check the form and all cross references.
    Check,
    /// Run the packs' own tests.
    Test,
    /// Install into the data folder (serve does so at its start, too).
    Install,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("DOTHI_LOG").unwrap_or_else(|_| "info,sqlx=warn".into()))
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(e) => {
            eprintln!("{}: {}", e.code(), e.detail());
            for (key, value) in e.context() {
                eprintln!("  {key}: {value}");
            }
            tracing::debug!(error = %e, "the command failed");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let mut settings = Settings::read(&cli.config, |name| std::env::var(name).ok())?;
    if let Some(data) = cli.data {
        settings.data = data;
    }
    match cli.command {
        Command::Serve { listen, mqtt_listen } => {
            settings.listen = listen.unwrap_or(settings.listen);
            settings.mqtt_listen = mqtt_listen.unwrap_or(settings.mqtt_listen);
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            serve(city).await
        }
        Command::Demo { from, pace } => {
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let guide = demo::load(&city, &from, pace).await?;
            println!("{guide}");
            serve(city).await
        }
        Command::Pack { action } => pack(settings, action).await,
        Command::Query { sql, csv } => {
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let table = city.lake.table(&sql, QueryLimits { rows: 100_000, seconds: 300 }).await?;
            print_table(&table, csv);
            city.stop().await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User { login, name, role } => {
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let system = Caller::system("command line", city.store.clock().as_ref());
            let password = demo::new_password();
            demo::add_person(&city, &system, &login, &name, &password, &role).await?;
            println!("{login}  {password}");
            city.stop().await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Token { name, permission } => {
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let system = Caller::system("command line", city.store.clock().as_ref());
            let unknown = |e: serde_json::Error| Error::invalid("token.permission", "There is no such permission.").because(e);
            let permissions = permission.iter().map(|p| serde_json::from_value::<Permission>(p.as_str().into()).map_err(unknown)).collect::<Result<_>>()?;
            let new = NewToken { name, permissions, expires_at: None };
            println!("{}", city.access.create_token(&system, new).await?.secret);
            city.stop().await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { repair } => verify(settings, repair).await,
        Command::Export { what: ExportWhat::Delta { folder } } => {
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let done = city.lake.export_delta(&folder).await;
            city.stop().await?;
            let done = done?;
            println!("{}: version {}, {} rows, {} files added, {} removed", folder.display(), done.version, done.rows, done.added, done.removed);
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => {
            let findings = doctor::examine(&settings).await;
            let ill = findings.iter().any(|f| f.verdict == doctor::Verdict::Missing);
            findings.iter().for_each(|f| println!("{f}"));
            Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

async fn verify(settings: Settings, repair: bool) -> Result<ExitCode> {
    let city = City::open(settings, Arc::new(SystemClock)).await?;
    let chain = city.store.audit_verify().await?;
    match chain.broken_at {
        None => println!("audit chain: {} rows, unbroken", chain.rows),
        Some(seq) => println!("audit chain: BROKEN at row {seq} ({} rows fit before it)", chain.rows),
    }
    let lake = city.lake.verify().await?;
    println!("lake: {} files, {} rows in order, {} without checksum, {} not in the registry", lake.files, lake.rows, lake.without_checksum, lake.orphans);
    for fault in &lake.faults {
        println!("lake: FAULT {}: {} ({} rows)", fault.fault, fault.path, fault.rows);
    }
    let mut sound = chain.broken_at.is_none() && lake.faults.is_empty();
    let (mut files, mut rows) = lake.quarantined;
    if repair && !lake.faults.is_empty() {
        let taken = city.lake.repair(&lake).await?;
        println!("lake: {taken} faulty files taken out of history; what is left of them is under objects/lake/quarantine");
        (files, rows) = (files + taken as u64, rows + lake.faults.iter().map(|f| f.rows).sum::<u64>());
        sound = chain.broken_at.is_none();
    }
    if files > 0 {
        println!("lake: {files} files with {rows} rows are in quarantine");
    }
    city.stop().await?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn serve(city: Arc<City>) -> Result<ExitCode> {
    city.run().await;
    let http = city.serve_http().await?;
    if let Some(https) = city.serve_https().await? {
        tracing::info!(%https, "people and programs are let in over HTTPS");
    }
    let mqtt = city.serve_mqtt().await?;
    if let Some(mqtts) = city.serve_mqtts().await? {
        tracing::info!(%mqtts, "devices are let in over MQTT inside TLS");
    }
    if let Some(pg) = city.serve_pg().await? {
        tracing::info!(%pg, "the lake answers over the PostgreSQL protocol");
    }
    tracing::info!(%http, %mqtt, "Dothi is open");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(|e| Error::internal("waiting for signals", e))?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("closing");
    city.stop().await?;
    Ok(ExitCode::SUCCESS)
}

async fn pack(settings: Settings, action: PackAction) -> Result<ExitCode> {
    let library = Library::open(&settings.packs)?;
    match action {
        PackAction::List => {
            for manifest in library.names()?.iter().filter_map(|name| library.manifest(name)) {
                println!("{:<16} {:<10} {}", manifest.name, manifest.version, manifest.title);
            }
            Ok(ExitCode::SUCCESS)
        }
        PackAction::Check => {
            let reports = library.check(&[])?;
            reports.iter().for_each(|r| println!("{r}"));
            Ok(if reports.iter().all(|r| r.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        PackAction::Test => {
            let packs = library.ordered(&library.names()?).map_err(|report| Error::unprocessable("packs.faulty", report.to_string()))?;
            let reports: Vec<_> = packs.iter().map(|p| p.test()).collect();
            reports.iter().for_each(|r| println!("{r}"));
            Ok(if reports.iter().all(|r| r.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        PackAction::Install => {
            // Opening a city installs what its folder of packs holds.
            let city = City::open(settings, Arc::new(SystemClock)).await?;
            let system = Caller::system("command line", city.store.clock().as_ref());
            for row in city.packs.list(&system, None).await? {
                println!("{:<16} {}", row.name, row.installed.unwrap_or_default());
            }
            city.stop().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print_table(table: &dothi_kernel::history::Table, csv: bool) {
    let show = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
    if csv {
        let mut writer = csv::Writer::from_writer(std::io::stdout());
        let rows = std::iter::once(table.columns.clone()).chain(table.rows.iter().map(|r| r.iter().map(show).collect()));
        for row in rows {
            if writer.write_record(&row).is_err() {
                return;
            }
        }
        return;
    }
    println!("{}", table.columns.join(" | "));
    for row in &table.rows {
        println!("{}", row.iter().map(show).collect::<Vec<_>>().join(" | "));
    }
    println!("({} rows{})", table.rows.len(), if table.truncated { ", cut at the limit" } else { "" });
}
