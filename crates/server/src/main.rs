//! The command line of Dothi.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A command line speaks to people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use dothi_access::model::NewToken;
use dothi_context::codec::Repository;
use dothi_context::import::Mapping;
use dothi_kernel::history::QueryLimits;
use dothi_kernel::{Caller, Error, History, Permission, Result, SystemClock};
use dothi_packs::Library;
use dothi_server::{City, Settings, demo, doctor, imports};
use dothi_traffic::roads::model::SetInput;

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
    /// Try payload codecs and converters against their examples.
    Codec {
        #[command(subcommand)]
        action: CodecAction,
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
    /// Import files of readings: CSV, JSON, JSON lines, NGSI-LD entities, data arrays of SensorThings. Nothing is taken
    /// twice; what cannot be used is told. While the server runs, use its drop folder (DOTHI_IMPORT_FOLDER) or its API.
    Import {
        /// A file, a folder, or `-` for the standard input.
        path: PathBuf,
        /// Device profile that reads the rows.
        #[arg(long, conflicts_with = "mapping")]
        profile: Option<String>,
        /// Registered device that all rows are of.
        #[arg(long, conflicts_with = "mapping")]
        device: Option<String>,
        /// Column that names the registered device.
        #[arg(long, conflicts_with = "mapping")]
        device_column: Option<String>,
        /// File that says how rows are read (docs/features/devices.md).
        #[arg(long)]
        mapping: Option<PathBuf>,
        /// Where to tell what was left out; `<file>.rejects.jsonl` when not said.
        #[arg(long)]
        rejects: Option<PathBuf>,
    },
    /// Take a file of roads in place of the one before: OpenStreetMap as PBF, XML or Overpass JSON, or lines as GeoJSON. Needs the
    /// server to be stopped; while it runs, hand the file in at /admin/roads.
    ImportRoads {
        /// The file.
        path: PathBuf,
        /// `network` for ways, `register` for the province's own list of who owns which road.
        #[arg(long, default_value = "network")]
        slot: String,
        /// How it is written (osm-pbf, osm-xml, overpass, geojson), when its name does not tell.
        #[arg(long)]
        format: Option<String>,
        /// Where it is from; shown with every map.
        #[arg(long, default_value = "© OpenStreetMap contributors")]
        source: String,
        /// Its licence.
        #[arg(long, default_value = "ODbL 1.0")]
        licence: String,
        /// The day whose roads it shows (2026-11-01).
        #[arg(long)]
        date: String,
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
enum CodecAction {
    /// Say of every example whether its codec gives what it promises, and where not. Fails when one does not, or when there is none.
    Check {
        /// A script, a `…codec.yaml`, a `…converter.json`, or a folder with any of them below.
        path: PathBuf,
        /// A YAML file with the examples of the script, when it does not lie beside it.
        #[arg(long)]
        examples: Option<PathBuf>,
        /// Name the examples that pass, too.
        #[arg(long)]
        all: bool,
    },
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
        Command::Codec { action: CodecAction::Check { path, examples, all } } => check_codecs(&path, examples.as_deref(), all),
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
        Command::Import { path, profile, device, device_column, mapping, rejects } => {
            let mapping = match mapping {
                Some(file) => imports::mapping(&file)?,
                None => Mapping { profile, device, device_column, ..Mapping::default() },
            };
            import(settings, path, mapping, rejects).await
        }
        Command::ImportRoads { path, slot, format, source, licence, date } => {
            let input = serde_json::json!({ "slot": slot, "format": format, "source": source, "licence": licence, "taken_on": date,
                "file": path.file_name().map(|n| n.to_string_lossy().into_owned()) });
            let wrong = |e: serde_json::Error| Error::invalid("roads.flags", "A flag cannot be used.").with("reason", e);
            import_roads(settings, path, serde_json::from_value(input).map_err(wrong)?).await
        }
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

/// Only one process may write into a data folder.
fn claim(settings: &Settings) -> Result<std::fs::File> {
    let failed = |e: std::io::Error| Error::unavailable("server.data-folder", "The data folder cannot be used.").because(e);
    std::fs::create_dir_all(&settings.data).map_err(failed)?;
    let lock = std::fs::File::create(settings.data.join("running.lock")).map_err(failed)?;
    lock.try_lock().map_err(|e| Error::conflict("server.running", "A server or an import runs on this data folder.").because(e))?;
    Ok(lock)
}

async fn import(settings: Settings, path: PathBuf, mapping: Mapping, rejects: Option<PathBuf>) -> Result<ExitCode> {
    let failed = |e: std::io::Error| Error::unprocessable("import.unreadable", "The file cannot be read.").because(e);
    let _claimed = claim(&settings)?;
    let mut spool = None;
    let files = if path.as_os_str() == "-" {
        // Kept on the disk, not in memory: an import looks at its source twice.
        let copy = settings.data.join(format!("import-{}.tmp", std::process::id()));
        let mut to = std::fs::File::create(&copy).map_err(failed)?;
        std::io::copy(&mut std::io::stdin().lock(), &mut to).map_err(failed)?;
        spool = Some(copy.clone());
        vec![copy]
    } else if path.is_dir() {
        imports::files(&path)?
    } else {
        vec![path.clone()]
    };
    let city = City::open(settings, Arc::new(SystemClock)).await?;
    let system = Caller::system("command line", city.store.clock().as_ref());
    let (mut all, mut outcome) = (ExitCode::SUCCESS, Ok(()));
    for file in &files {
        let beside = if spool.is_some() { PathBuf::from("stdin.rejects.jsonl") } else { PathBuf::from(format!("{}.rejects.jsonl", file.display())) };
        let beside = rejects.clone().unwrap_or(beside);
        match imports::file(&city, &system, file, &mapping, beside.clone()).await {
            Ok(done) => {
                let name = if spool.is_some() { "-".to_string() } else { file.display().to_string() };
                println!("{name}: {} records, {} taken before, {} values stored, {} left out", done.records, done.before, done.stored, done.rejected);
                if done.rejected > 0 {
                    println!("  what was left out: {}", beside.display());
                    all = ExitCode::FAILURE;
                }
            }
            Err(e) => {
                outcome = Err(e.with("file", file.display()));
                break;
            }
        }
    }
    city.stop().await?;
    if let Some(copy) = spool {
        std::fs::remove_file(copy).map_err(failed)?;
    }
    outcome.map(|()| all)
}

async fn import_roads(settings: Settings, path: PathBuf, input: SetInput) -> Result<ExitCode> {
    let _claimed = claim(&settings)?;
    let city = City::open(settings, Arc::new(SystemClock)).await?;
    let system = Caller::system("command line", city.store.clock().as_ref());
    let done = city.traffic.roads().import(&system, path, input).await;
    city.stop().await?;
    let set = done?;
    println!("{}: {} roads in {} pieces, {} km, {} bans on turns", set.file, set.taken.ways, set.pieces, set.km, set.taken.bans);
    println!("  left out: {} lines that are no roads, {} bans", set.taken.ways_left, set.taken.bans_left + set.unclear);
    println!("  {} · {} · {} · {} MiB in memory", set.source, set.licence, set.taken_on, set.bytes / 1_048_576);
    Ok(ExitCode::SUCCESS)
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
    let _claimed = claim(&city.settings)?;
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
    if let Some(dc09) = city.serve_dc09().await? {
        tracing::info!(%dc09, "fire and robbery panels report over TCP and UDP (SIA DC-09)");
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

fn check_codecs(path: &Path, examples: Option<&Path>, all: bool) -> Result<ExitCode> {
    let checked = match examples {
        Some(examples) => Repository::check_against(path, examples)?,
        None => Repository::check(path)?,
    };
    let failed = checked.iter().filter(|c| c.fault.is_some()).count();
    for one in &checked {
        let at = format!("{} · {} · {}", one.file.display(), one.what, one.description);
        match &one.fault {
            Some(fault) => println!("FAIL {at}\n     {fault}"),
            None if all => println!("ok   {at}"),
            None => {}
        }
    }
    println!("{} of {} examples pass", checked.len() - failed, checked.len());
    Ok(if failed == 0 && !checked.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
