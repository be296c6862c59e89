//! The city now: every thing is an NGSI-LD entity (ETSI GS CIM 009 v1.9.1), held in memory, journaled to the store.
//!
//! [`Context`] is the only door. Writes go through one task ([`writer`]) that journals before it answers; readers look
//! at memory. Observations become history in the same transaction. Devices, decoding and MQTT live in [`devices`],
//! [`decode`] and [`mqtt`].

pub mod change;
pub mod codec;
pub mod decode;
pub mod devices;
pub mod downlink;
pub mod fault;
pub mod federation;
pub mod geoq;
mod guard;
mod hosting;
pub mod http;
mod http_devices;
pub mod import;
mod instances;
mod inventory;
mod jobs;
pub mod join;
pub mod journal;
pub mod ld;
mod leb;
pub mod live;
pub mod lorawan;
pub mod map;
pub mod model;
pub mod mqtt;
mod notify;
pub mod order;
pub mod pack;
pub mod parse;
mod periodic;
pub mod project;
pub mod q;
pub mod query;
pub mod registry;
mod remote;
pub mod render;
pub mod select;
pub mod sta;
mod stored;
pub mod subs;
mod subscribing;
pub mod tables;
mod tables_commands;
mod tables_devices;
mod tables_federation;
mod tables_import;
mod tables_journal;
mod tables_mqtt;
mod tables_sta;
mod tables_subs;
mod tables_temporal;
mod tables_tenants;
pub mod temporal;
mod tenants;
pub mod things;
mod uplink;
pub mod val;
pub mod versions;
pub mod writer;

use std::sync::Arc;

use dothi_kernel::{Caller, Directory, Error, History, Permission, Result, Scope};
use dothi_store::Store;

use crate::devices::Devices;
use crate::guard::Guard;
use crate::journal::Journal;
use crate::ld::Contexts;
use crate::live::Live;
use crate::model::{Entity, Names};
use crate::notify::Sender;
use crate::pack::ContextPack;
use crate::registry::Registry;
use crate::subs::Subscriptions;
use crate::tenants::Tenants;
use crate::writer::{BATCH_OBSERVATIONS, Desk, Ingested, Order, Outcome, Writer};

pub use model::Reading;
pub use tables::MIGRATIONS;

/// What an installation may set.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContextSettings {
    /// Notifications may go to private addresses.
    pub notify_private: bool,
    /// Programs on this machine are trusted: notifications may go to loopback addresses.
    pub trust_loopback: bool,
    /// Instances that one answer of the temporal API holds at most; 0: 10,000.
    pub temporal_page: usize,
    /// Days for which superseded states are kept; 0: ten years.
    pub history_days: u32,
}

impl ContextSettings {
    fn temporal_page(&self) -> usize {
        if self.temporal_page == 0 { 10_000 } else { self.temporal_page }
    }

    fn keep_days(&self) -> u32 {
        if self.history_days == 0 { 3_653 } else { self.history_days }
    }
}

/// The city model.
pub struct Context {
    store: Store,
    history: Arc<dyn History>,
    live: Arc<Live>,
    registry: Arc<Registry>,
    contexts: Arc<Contexts>,
    subscriptions: Arc<Subscriptions>,
    devices: Arc<Devices>,
    writer: Writer,
    directory: Arc<dyn Directory>,
    sta: sta::Sta,
    feed: Arc<sta::Feed>,
    guard: Guard,
    started: i64,
    /// One subscription changes at a time.
    subscribing: tokio::sync::Mutex<()>,
    sending: [tokio::task::AbortHandle; 2],
    federation: Arc<federation::Federation>,
    /// Plain observed values are found in the lake.
    lake: bool,
    settings: ContextSettings,
    maps: map::Maps,
    journal: Arc<Journal>,
    folding: tokio::task::AbortHandle,
    /// Name of the tenant; empty for the default one.
    tenant: Arc<str>,
    /// The other tenants; the default one knows them.
    tenants: Option<Tenants>,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.sending.iter().for_each(tokio::task::AbortHandle::abort);
        self.folding.abort();
    }
}

impl Context {
    /// Reads everything into memory, that of the other tenants too, and starts the writing and notifying tasks.
    pub async fn open(store: Store, history: Arc<dyn History>, directory: Arc<dyn Directory>, settings: ContextSettings) -> Result<Self> {
        let mut context = Self::open_one(store.clone(), history, directory.clone(), settings, "".into()).await?;
        context.tenants = Some(Tenants::open(store, directory, settings).await?);
        Ok(context)
    }

    /// One tenant.
    async fn open_one(store: Store, history: Arc<dyn History>, directory: Arc<dyn Directory>, settings: ContextSettings, tenant: Arc<str>) -> Result<Self> {
        let guard = Guard::new(settings);
        let (live, names, registry, contexts) =
            (Arc::new(Live::default()), Arc::new(Names::default()), Arc::new(Registry::default()), Arc::new(Contexts::fetching(guard, store.clone())?));
        let now = store.clock().now().as_microsecond();
        hosting::load(&store, &contexts).await?;
        let journal = Journal::open(store.clone(), live.clone(), &names).await?;
        let devices = Arc::new(Devices::open(store.clone()).await?);
        let subscriptions = Arc::new(Subscriptions::default());
        let feed = Arc::new(sta::Feed::default());
        let desk = Desk {
            store: store.clone(),
            live: live.clone(),
            names,
            registry: registry.clone(),
            history: history.clone(),
            directory: directory.clone(),
            subscriptions: subscriptions.clone(),
            lake: tenant.is_empty(),
            keep_days: settings.keep_days(),
            feed: feed.clone(),
            journal: journal.clone(),
        };
        let sender = Sender::new(store.clone(), subscriptions.clone(), guard, tenant.clone())?;
        let periodic = periodic::run(subscriptions.clone(), live.clone(), store.clock().clone());
        let sta = sta::Sta::open(&store, &live).await?;
        let context = Self {
            sta,
            feed,
            writer: Writer::start(desk),
            sending: [tokio::spawn(sender.run()).abort_handle(), tokio::spawn(periodic).abort_handle()],
            folding: tokio::spawn(Journal::keep(Arc::downgrade(&journal))).abort_handle(),
            journal,
            subscribing: tokio::sync::Mutex::new(()),
            guard,
            federation: federation::Federation::open(store.clone(), guard).await?,
            started: now,
            store,
            history,
            live,
            registry,
            contexts,
            subscriptions,
            devices,
            directory,
            lake: tenant.is_empty(),
            settings,
            maps: map::Maps::default(),
            tenant,
            tenants: None,
        };
        for (name, part) in tables::load_packs(&context.store).await? {
            context.take_over(&name, part, now)?;
        }
        context.load_subscriptions(now).await?;
        context.load_listeners(now).await?;
        Ok(context)
    }

    /// Installs what a pack declares, in place of what it declared before.
    pub async fn install(&self, caller: &Caller, pack: &str, part: ContextPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let faults = part.check();
        if !faults.is_empty() {
            return Err(Error::invalid("pack.faulty", "The pack's city model has faults.").with("faults", faults.join("; ")));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::save_pack(&mut tx, pack, &part).await?;
        tx.commit().await?;
        let now = caller.now.as_microsecond();
        for tenant in self.tenants.iter().flat_map(Tenants::all) {
            tenant.take_over(pack, part.clone(), now)?;
        }
        self.take_over(pack, part, now)
    }

    fn take_over(&self, pack: &str, part: ContextPack, now: i64) -> Result<()> {
        if let Some(document) = part.context_document() {
            self.contexts.fix(pack, ld::HOSTED, document.clone(), now)?;
            for url in &part.context_urls {
                self.contexts.fix(url, ld::CACHED, document.clone(), now)?;
            }
        }
        self.devices.set_codecs(part.codecs.clone());
        self.registry.put(pack, part);
        self.maps.forget();
        let packs = self.registry.packs();
        self.devices.set_profiles(packs.iter().flat_map(|p| p.profiles.clone()));
        for kind in packs.iter().flat_map(|p| &p.types) {
            if let Some(seconds) = kind.silent_after {
                self.devices.set_silent_after(&kind.kind, seconds);
            }
        }
        Ok(())
    }

    /// Stores readings: history and latest values in one transaction, durable when it returns. 503 `context.busy`
    /// with a time to come back when too much is waiting.
    pub async fn ingest(&self, caller: &Caller, readings: Vec<Reading>) -> Result<Ingested> {
        self.ingest_message(caller, None, readings).await
    }

    /// Stores the readings of a message once: a repetition of the same id changes nothing.
    pub async fn ingest_message(&self, caller: &Caller, message: Option<&str>, readings: Vec<Reading>) -> Result<Ingested> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        if readings.len() > BATCH_OBSERVATIONS {
            return Err(Error::too_large("context.too-many-readings", "A message may carry at most 10,000 readings."));
        }
        if message.is_some_and(|m| m.is_empty() || m.len() > 200 || m.contains('\0')) {
            return Err(Error::invalid("context.message-id", "A message id has 1 to 200 characters."));
        }
        let mut before: Option<&Reading> = None;
        for reading in &readings {
            check(reading, before)?;
            before = Some(reading);
        }
        if readings.is_empty() {
            return Ok(Ingested::default());
        }
        self.writer.readings(caller, message.map(str::to_string), readings).await
    }

    /// Changes entities, in order; each change has its own result. The outer error means that nothing was stored.
    pub async fn change(&self, caller: &Caller, orders: Vec<Order>) -> Result<Vec<Result<Outcome>>> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.orders(caller, orders).await
    }

    /// Takes no more changes and waits until those that were taken are stored. To be called before the store is closed.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// One entity.
    pub fn entity(&self, caller: &Caller, id: &str) -> Result<Arc<Entity>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        self.look_up(id, caller).ok_or_else(|| fault::missing(format!("There is no entity {}.", fault::cut(id))))
    }

    fn look_up(&self, id: &str, caller: &Caller) -> Option<Arc<Entity>> {
        self.live.get(id).filter(|e| e.alive(caller.now.as_microsecond()))
    }

    /// Name of the tenant; empty for the default one.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The registry of devices.
    pub fn devices(&self) -> &Arc<Devices> {
        &self.devices
    }

    /// The store, for the modules that keep tables of their own.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps a copy of a remote context, so that requests may name it.
    pub fn pin_context(&self, url: &str, document: serde_json::Value) -> Result<()> {
        self.contexts.fix(url, ld::CACHED, document, self.store.clock().now().as_microsecond())
    }

    /// When the city model was opened, µs.
    pub fn started(&self) -> i64 {
        self.started
    }

    /// The contexts known here.
    pub fn contexts(&self) -> &Arc<Contexts> {
        &self.contexts
    }

    /// Folds the journal into the table of entities now; how many entities were written. It happens by itself too.
    pub async fn checkpoint(&self) -> Result<usize> {
        self.journal.checkpoint().await
    }

    /// Number of entities, for metrics.
    pub fn size(&self) -> usize {
        self.live.count()
    }
}

/// Checks a reading; what it shares with the one before is not looked at again.
fn check(reading: &Reading, before: Option<&Reading>) -> Result<()> {
    let same = |a: &Arc<str>, b: fn(&Reading) -> &Arc<str>| before.is_some_and(|r| Arc::ptr_eq(a, b(r)));
    let name = |n: &str| !n.is_empty() && n.len() <= 200 && !n.chars().any(|c| c.is_control() || c.is_whitespace());
    let entity = same(&reading.entity, |r| &r.entity) || (reading.entity.len() <= 512 && model::is_uri(&reading.entity));
    if !entity || !(same(&reading.kind, |r| &r.kind) || name(&reading.kind)) || !name(&reading.attribute) {
        return Err(Error::invalid("context.reading", "A reading needs an entity URN, a type and an attribute."));
    }
    match &reading.value {
        dothi_kernel::Value::Number(n) if !n.is_finite() => Err(Error::invalid("context.reading-value", "A reading's number must be finite.")),
        dothi_kernel::Value::Text(t) if t.len() > 1_024 => Err(Error::invalid("context.reading-value", "A reading's text may have at most 1,024 bytes.")),
        _ => Ok(()),
    }
}
