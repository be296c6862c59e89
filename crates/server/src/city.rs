//! One running city: the domains, wired.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dothi_access::{Access, AccessSettings};
use dothi_cases::Cases;
use dothi_cases::forward::Forwarder;
use dothi_context::{Context, ContextSettings, mqtt};
use dothi_dossiers::Dossiers;
use dothi_incidents::Incidents;
use dothi_kernel::{Caller, Clock, Directory, Error, History, Measures, Result};
use dothi_lake::Lake;
use dothi_notify::{Notify, NotifySettings};
use dothi_oversight::{Boards, Oversight};
use dothi_packs::{Domains, Library, Packs};
use dothi_panels::Panels;
use dothi_rules::Rules;
use dothi_store::outside::Guard;
use dothi_store::{JobRunner, Store};
use dothi_traffic::Traffic;
use dothi_video::{Video, VideoSettings};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::http::secure::{self, Secure};
use crate::live::LiveHub;

/// Requests worked on at once; more are told to come back.
const REQUESTS: usize = 1_024;
const JOB_PAUSE: Duration = Duration::from_millis(500);
/// How long events are kept at least; those that somebody has not seen yet stay longer.
const EVENTS_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Events that one transaction forgets.
const EVENTS_STEP: usize = 5_000;

/// A running city.
pub struct City {
    /// What it was told.
    pub settings: Settings,
    /// The store.
    pub store: Store,
    /// Observations.
    pub lake: Arc<Lake>,
    /// People, units, sign-in.
    pub access: Arc<Access>,
    /// Entities and devices.
    pub context: Arc<Context>,
    /// Rules and alarms.
    pub rules: Arc<Rules>,
    /// Reports and other cases.
    pub cases: Arc<Cases>,
    /// Cases in other systems' hands.
    pub forwarder: Arc<Forwarder>,
    /// What goes out.
    pub notify: Arc<Notify>,
    /// Dossiers of one-stop centres.
    pub dossiers: Arc<Dossiers>,
    /// Fire and robbery panels.
    pub panels: Arc<Panels>,
    /// Roads and what flows on them.
    pub traffic: Arc<Traffic>,
    /// Cameras.
    pub video: Arc<Video>,
    /// Incidents and the operations room.
    pub incidents: Arc<Incidents>,
    /// Indicators.
    pub oversight: Arc<Oversight>,
    /// Boards that people put together, and the walls that show them.
    pub boards: Arc<Boards>,
    /// Installed packs.
    pub packs: Packs,
    /// Live screens.
    pub live: Arc<LiveHub>,
    /// HTTP requests answered.
    pub requests: AtomicU64,
    /// The MQTT broker.
    pub mqtt: Arc<mqtt::Broker>,
    pub(crate) mqtt_stats: Arc<mqtt::MqttStats>,
    pub(crate) places: Arc<Semaphore>,
    shutdown: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Tables of all domains, in the order in which they are made.
const MIGRATIONS: [&[dothi_store::Migration]; 13] = [
    dothi_lake::MIGRATIONS,
    dothi_access::MIGRATIONS,
    dothi_context::MIGRATIONS,
    dothi_rules::MIGRATIONS,
    dothi_cases::MIGRATIONS,
    dothi_notify::MIGRATIONS,
    dothi_dossiers::MIGRATIONS,
    dothi_incidents::MIGRATIONS,
    dothi_oversight::MIGRATIONS,
    dothi_panels::MIGRATIONS,
    dothi_traffic::MIGRATIONS,
    dothi_video::MIGRATIONS,
    dothi_packs::MIGRATIONS,
];

impl City {
    /// Opens the data and wires the domains; nothing runs and nobody is let in yet.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        settings.check()?;
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let library = Library::open(&settings.packs)?;
        let names = library.names()?;
        let packs = library
            .ordered(&names)
            .map_err(|report| Error::unprocessable("packs.faulty", "A pack has faults; `dothi pack check` lists them.").with("report", report))?;
        let home = settings
            .home
            .clone()
            .or_else(|| packs.iter().find_map(|p| p.access.as_ref()?.default_home()))
            .ok_or_else(|| Error::invalid("settings.home-missing", "Say which province this is: set DOTHI_HOME to its two-digit code."))?;
        let store_settings = dothi_store::Settings { data: settings.data.clone(), database_url: settings.database_url.clone() };
        let store = Store::open(&store_settings, clock, &MIGRATIONS).await?;
        let lake = Arc::new(Lake::open(store.clone()).await?);
        lake.hold_for(crate::reactions::CONSUMER, dothi_lake::HoldLimits::default());
        lake.set_retention(settings.retention.iter().map(|(kind, days)| dothi_lake::Retention { kind: kind.clone(), days: *days }).collect());
        let history: Arc<dyn History> = lake.clone();
        let access = Arc::new(Access::open(store.clone(), AccessSettings { home_province: home, secure_cookies: settings.secure_cookies }).await?);
        let system = Caller::system("start", store.clock().as_ref());
        // Units and calendars come first: the other domains ask for them when they open.
        for pack in &packs {
            if let Some(part) = &pack.access {
                access.install(&system, &pack.manifest.name, part.clone()).await?;
            }
        }
        let directory: Arc<dyn Directory> = access.clone();
        let context_settings = ContextSettings {
            notify_private: settings.notify_private,
            trust_loopback: settings.trust_loopback,
            temporal_page: settings.temporal_page,
            history_days: settings.history_days,
        };
        let context = Arc::new(Context::open(store.clone(), history.clone(), directory.clone(), context_settings).await?);
        let things = Arc::new(crate::measures::Names(context.clone()));
        let zone = access.calendar()?.zone().clone();
        let rules = Arc::new(Rules::open(store.clone(), history.clone(), directory.clone(), things, zone).await?);
        let around = Arc::new(crate::traffic::City(context.clone()));
        let traffic = Traffic::open(store.clone(), history.clone(), directory.clone(), around, access.calendar()?).await?;
        let traffic = Arc::new(traffic);
        // Roads are asked for ways by those who send vehicles, and for their owners by those who route reports.
        let roads = traffic.roads().clone();
        let cases = Cases::open(store.clone(), directory.clone(), access.calendar()?).await?;
        let cases = Arc::new(cases.with_staff(access.clone()).with_roads(roads.clone()));
        let dossiers = Arc::new(Dossiers::open(store.clone(), directory.clone(), access.calendar()?).await?.with_guard(guard(&settings)));
        let panels = Arc::new(Panels::open(store.clone(), directory.clone()).await?);
        let video = Video::open(store.clone(), directory.clone(), video_settings(&settings), access.calendar()?.zone().clone()).await?;
        let video = Arc::new(video);
        let matters = Arc::new(crate::matters::Known { rules: rules.clone(), cases: cases.clone(), video: video.clone() });
        let incidents = Incidents::open(store.clone(), directory.clone(), access.clone(), matters, access.calendar()?).await?;
        let incidents = Arc::new(incidents.with_roads(roads));
        let measures: Vec<Arc<dyn Measures>> =
            vec![cases.clone(), dossiers.clone(), Arc::new(crate::measures::Coverage { context: context.clone(), directory: directory.clone() })];
        let topics = Arc::new(crate::word::Topics { cases: cases.clone(), access: access.clone(), directory: directory.clone() });
        let notify = Arc::new(Notify::open(store.clone(), notify_settings(&settings), topics, access.calendar()?.zone().clone()).await?);
        let forwarder = Arc::new(Forwarder::new(cases.clone(), guard(&settings), settings.base())?);
        let boards = Arc::new(Boards::open(store.clone(), directory.clone()));
        let oversight = Arc::new(Oversight::open(store.clone(), measures, directory).await?);
        let domains = Domains {
            access: access.clone(),
            context: context.clone(),
            rules: rules.clone(),
            cases: cases.clone(),
            notify: notify.clone(),
            dossiers: dossiers.clone(),
            panels: panels.clone(),
            traffic: traffic.clone(),
            video: video.clone(),
            incidents: incidents.clone(),
            oversight: oversight.clone(),
        };
        let installed = Packs::open(store.clone(), domains);
        for pack in &packs {
            installed.install(&system, pack).await?;
        }
        let mqtt_options = mqtt::Options {
            programs: Some(Arc::new(crate::measures::ProgramTokens(access.clone()))),
            trust_loopback: settings.trust_loopback,
            ..mqtt::Options::default()
        };
        let mqtt_stats = mqtt_options.stats.clone();
        let mqtt = mqtt::Broker::open(context.devices().clone(), context.clone(), mqtt_options).await?;
        Ok(Arc::new(Self {
            live: LiveHub::new(store.clone()),
            requests: AtomicU64::new(0),
            mqtt,
            mqtt_stats,
            places: Arc::new(Semaphore::new(REQUESTS)),
            shutdown: CancellationToken::new(),
            tasks: Mutex::new(Vec::new()),
            settings,
            store,
            lake,
            access,
            context,
            rules,
            cases,
            forwarder,
            notify,
            dossiers,
            panels,
            traffic,
            video,
            incidents,
            oversight,
            boards,
            packs: installed,
        }))
    }

    /// Starts reactions, jobs, the live stream, the MQTT broker and the watch over the drop folder.
    pub async fn run(self: &Arc<Self>) {
        self.spawn(crate::reactions::run(self.clone())).await;
        self.spawn(self.live.clone().run()).await;
        self.spawn(self.job_runner().run(JOB_PAUSE)).await;
        self.spawn(forget_events(self.store.clone())).await;
        self.spawn(self.notify.clone().run(self.shutdown.clone())).await;
        self.spawn(self.forwarder.clone().run(self.shutdown.clone())).await;
        self.spawn(self.dossiers.clone().run_polls(self.shutdown.clone())).await;
        self.spawn(self.video.clone().run(self.shutdown.clone())).await;
        let cases = self.cases.clone();
        self.spawn(async move { cases.warm().await }).await;
        let (broker, stop) = (self.mqtt.clone(), self.shutdown.clone());
        self.spawn(async move {
            if let Err(e) = broker.run(stop).await {
                tracing::error!(error = %e, "the MQTT broker stopped");
            }
        })
        .await;
        if let Some(folder) = &self.settings.import_folder {
            self.spawn(crate::imports::watch(self.clone(), folder.clone())).await;
        }
    }

    /// All job handlers of all domains.
    pub fn job_runner(&self) -> JobRunner {
        let runner = JobRunner::new(self.store.clone());
        let runner = self.lake.clone().jobs(runner);
        let runner = self.access.clone().jobs(runner);
        let runner = self.context.clone().jobs(runner);
        let runner = self.rules.clone().jobs(runner);
        let runner = self.cases.clone().jobs(runner);
        let runner = self.notify.clone().jobs(runner);
        let runner = self.dossiers.clone().jobs(runner);
        let runner = self.panels.clone().jobs(runner);
        let runner = self.traffic.clone().jobs(runner);
        let runner = self.video.clone().jobs(runner);
        let runner = self.incidents.clone().jobs(runner);
        self.oversight.clone().jobs(runner)
    }

    /// Lets people and programs in over HTTP; returns the address (port 0 asks for any).
    pub async fn serve_http(self: &Arc<Self>) -> Result<SocketAddr> {
        let (listener, address) = bind("listening for HTTP", self.settings.listen).await?;
        let service = crate::http::router(self.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let stop = self.shutdown.clone();
        self.spawn(async move {
            let served = axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await;
            if let Err(e) = served {
                tracing::error!(error = %e, "the HTTP listener stopped");
            }
        })
        .await;
        Ok(address)
    }

    /// Lets people and programs in over HTTPS, if that is wanted; returns the address.
    pub async fn serve_https(self: &Arc<Self>) -> Result<Option<SocketAddr>> {
        let (Some(wanted), Some(tls)) = (self.settings.https_listen, crate::tls::https(&self.settings)?) else { return Ok(None) };
        let (listener, address) = bind("listening for HTTPS", wanted).await?;
        let listener = Secure::over(listener, tls).map_err(|e| Error::unavailable("server.listen", "The address cannot be listened on.").because(e))?;
        let service = crate::http::router(self.clone()).layer(axum::middleware::from_fn(secure::tell)).into_make_service_with_connect_info::<secure::Peer>();
        let stop = self.shutdown.clone();
        self.spawn(async move {
            let served = axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await;
            if let Err(e) = served {
                tracing::error!(error = %e, "the HTTPS listener stopped");
            }
        })
        .await;
        Ok(Some(address))
    }

    /// Lets devices in over MQTT; returns the address.
    pub async fn serve_mqtt(self: &Arc<Self>) -> Result<SocketAddr> {
        let (listener, address) = bind("listening for MQTT", self.settings.mqtt_listen).await?;
        self.spawn(self.mqtt.clone().listen(listener, None, self.shutdown.clone())).await;
        Ok(address)
    }

    /// Lets devices in over MQTT inside TLS, if that is wanted; returns the address.
    pub async fn serve_mqtts(self: &Arc<Self>) -> Result<Option<SocketAddr>> {
        let (Some(wanted), Some(tls)) = (self.settings.mqtts_listen, crate::tls::mqtt(&self.settings)?) else { return Ok(None) };
        let (listener, address) = bind("listening for MQTT inside TLS", wanted).await?;
        self.spawn(self.mqtt.clone().listen(listener, Some(tls), self.shutdown.clone())).await;
        Ok(Some(address))
    }

    /// Lets fire and robbery panels in over TCP and UDP (SIA DC-09), if that is wanted; returns the address, the same for both.
    pub async fn serve_dc09(self: &Arc<Self>) -> Result<Option<SocketAddr>> {
        let Some(wanted) = self.settings.dc09_listen else { return Ok(None) };
        let (listener, address) = bind("listening for panels", wanted).await?;
        let failed = |e: std::io::Error| Error::unavailable("server.listen", "The address cannot be listened on.").with("address", address).because(e);
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        self.spawn(self.panels.clone().listen_tcp(listener, self.shutdown.clone())).await;
        self.spawn(self.panels.clone().listen_udp(socket, self.shutdown.clone())).await;
        Ok(Some(address))
    }

    /// Ends with the city.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Lets other programs ask the lake over the PostgreSQL protocol, if that is wanted; returns the address.
    pub async fn serve_pg(self: &Arc<Self>) -> Result<Option<SocketAddr>> {
        let Some(wanted) = self.settings.pg_listen else { return Ok(None) };
        let tls = crate::tls::acceptor(&self.settings)?;
        let (listener, address) = bind("listening for PostgreSQL", wanted).await?;
        let door = Arc::new(crate::history::Door(self.access.clone()));
        let (lake, stop) = (self.lake.clone(), self.shutdown.clone());
        self.spawn(async move {
            tokio::select! {
                served = lake.serve_pg(listener, tls, door, dothi_lake::PgLimits::default()) => {
                    if let Err(e) = served {
                        tracing::error!(error = %e, "the PostgreSQL listener stopped");
                    }
                }
                () = stop.cancelled() => {}
            }
        })
        .await;
        Ok(Some(address))
    }

    /// Takes computed observations (an air-quality index) back into the city model.
    pub(crate) async fn ingest_derived(&self, outcome: dothi_rules::Outcome) -> Result<()> {
        if outcome.derived.is_empty() {
            return Ok(());
        }
        let system = Caller::system("rules", self.store.clock().as_ref());
        let readings = outcome.derived.into_iter().map(crate::measures::reading).collect();
        self.context.ingest(&system, readings).await.map(|_| ())
    }

    /// Stops letting people in, ends the tasks, and closes the store after the last commit.
    pub async fn stop(&self) -> Result<()> {
        self.shutdown.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().await);
        for task in &mut tasks {
            // Listeners end by themselves; loops are ended.
            if tokio::time::timeout(Duration::from_millis(300), &mut *task).await.is_err() {
                task.abort();
            }
        }
        self.video.close();
        self.context.close().await;
        self.store.close().await
    }

    /// Ends when the city is asked to stop.
    pub async fn stopped(&self) {
        self.shutdown.cancelled().await;
    }

    /// Runs a task that ends with the city.
    pub async fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().await.push(tokio::spawn(task));
    }
}

/// Which addresses the platform itself may call.
fn guard(settings: &Settings) -> Guard {
    Guard { private: settings.notify_private, loopback: settings.notify_private || settings.trust_loopback }
}

/// Cameras live in private networks: those are allowed by a setting of their own.
fn video_settings(settings: &Settings) -> VideoSettings {
    let guard = Guard { private: settings.camera_private, loopback: settings.camera_private || settings.trust_loopback };
    VideoSettings { guard, base: settings.base() }
}

fn notify_settings(settings: &Settings) -> NotifySettings {
    NotifySettings { mail: settings.mail.clone(), base: settings.base(), portal: "Dothi".into(), guard: guard(settings) }
}

/// Events are for those who react to them, not an archive.
async fn forget_events(store: Store) {
    let mut hours = tokio::time::interval(Duration::from_secs(3_600));
    loop {
        hours.tick().await;
        let before = store.clock().now() - EVENTS_KEPT;
        loop {
            match store.forget_events(before, EVENTS_STEP).await {
                Ok(gone) if gone < EVENTS_STEP as u64 => break,
                Ok(_) => {}
                Err(e) => {
                    tracing::warn!(error = %e, "forgetting old events failed; it will be tried again");
                    break;
                }
            }
        }
    }
}

async fn bind(doing: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed =
        |e: std::io::Error| Error::unavailable("server.listen", "The address cannot be listened on.").with("doing", doing).with("address", address).because(e);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
