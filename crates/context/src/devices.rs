//! The registry of devices: who they are, their secrets, how they are doing, and what their messages become.
//!
//! All devices are held in memory. What identifies them is durable at once; how they are doing (last seen, counts,
//! last error) is journaled in batches by [`Devices::flush`] and may be some seconds old after a crash.

pub(crate) mod commands;
pub(crate) mod credentials;
mod der;
mod groups;
mod inside;
mod model;
mod recent;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dothi_kernel::geo::Point;
use dothi_kernel::history::Watch;
use dothi_kernel::{Caller, CallerKind, Error, Grant, Kind, Observation, Page, PageQuery, Permission, Result, Scope, Timestamp, text, time};
use dothi_store::{Row, Store};
use futures::future::BoxFuture;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::codec::Codecs;
use crate::decode::{Decoder, DeviceProfile, Fault, Watches};
use crate::downlink::Way;
use crate::model::Reading;
use crate::tables_devices;
use commands::Commands;
pub use commands::{Command, CommandQuery, CommandState, NewCommand};
use credentials::Key;
pub use credentials::{Credential, CredentialKind, NewCredential, NewKey, PeerCertificate};
pub use groups::{Bulk, BulkAction, BulkItem, Group, GroupLife, NewGroup};
pub use model::{Accepted, Device, DeviceChange, DeviceQuery, DeviceState, Incoming, NewDevice, Refusal, Registered, SeriesLife, Transport};
use recent::{Known, Recent, Running};

/// The schema of devices and of what the broker keeps.
pub const SCHEMA: &str = include_str!("devices.sql");

/// Silence allowed to a device whose type says nothing, in seconds.
const SILENT_AFTER_S: u32 = 3_600;
/// Devices written in one transaction of [`Devices::flush`].
const FLUSH_BATCH: usize = 500;
/// Threads that run makers' codecs.
const CODEC_THREADS: usize = 2;

/// Where readings go. Implemented by [`crate::Context`]; tests put their own in its place.
pub trait Sink: Send + Sync + 'static {
    /// Stores readings; durable when it returns. `message` names the message for ever: false when it was stored before.
    fn accept<'a>(&'a self, caller: &'a Caller, message: Option<String>, readings: Vec<Reading>) -> BoxFuture<'a, Result<bool>>;

    /// Whether all of these are stored already. Asked only for repetitions that memory does not know. Without times
    /// of their own (`timed`), the same values seen a short while ago count as the same readings.
    fn holds<'a>(&'a self, readings: &'a [Reading], timed: bool) -> BoxFuture<'a, Result<bool>>;

    /// Stores an observation published under a topic of SensorThings; `path` is what follows the version in the topic.
    fn observe<'a>(&'a self, _caller: &'a Caller, _path: &'a str, _body: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Err(Error::not_found("sta.not-found", "SensorThings is not served here.")) })
    }

    /// Where observations can be heard of; none when SensorThings is not served.
    fn feed(&self) -> Option<&crate::sta::Feed> {
        None
    }

    /// Whether an MQTT client is a notifier of this process.
    fn is_own(&self, _client: &str) -> bool {
        false
    }

    /// An observation as subscribers of SensorThings read it.
    fn told<'a>(&'a self, _observation: &'a Observation) -> BoxFuture<'a, Option<Vec<u8>>> {
        Box::pin(async { None })
    }
}

/// One device in memory.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Arc<str>,
    pub(crate) profile: Arc<str>,
    pub(crate) entity: Arc<str>,
    /// Cancelled when the device is removed or its secret changes.
    pub(crate) revoked: CancellationToken,
    name: RwLock<Arc<str>>,
    transport: Transport,
    location: Option<Point>,
    area: Option<String>,
    created: Timestamp,
    secret_hash: String,
    groups: RwLock<Arc<[Arc<str>]>>,
    keys: RwLock<Vec<Key>>,
    live: Mutex<Live>,
    recent: Mutex<Recent>,
    watched: Mutex<Watched>,
    /// In whose name its readings are stored; made once, because every message needs it.
    grants: Arc<[Grant]>,
    login: Arc<str>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) last_seen: Option<Timestamp>,
    pub(crate) battery: Option<f64>,
    pub(crate) messages: u64,
    pub(crate) errors: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) last_error_at: Option<Timestamp>,
    /// How far its clock was ahead with the last message, µs.
    pub(crate) clock_offset: Option<i64>,
    pub(crate) flags: u16,
    pub(crate) doubtful: u64,
    /// The way back through a network server.
    pub(crate) way: Option<Way>,
    connections: u32,
}

/// What was seen of a device's series, and the profile that they belong to.
#[derive(Debug, Default)]
struct Watched(Option<Arc<Decoder>>, Watches);

/// The registry.
pub struct Devices {
    store: Store,
    entries: RwLock<BTreeMap<Arc<str>, Arc<Entry>>>,
    profiles: RwLock<BTreeMap<String, Arc<Decoder>>>,
    silent_after: RwLock<HashMap<String, u32>>,
    dirty: Mutex<HashSet<Arc<str>>>,
    groups: RwLock<BTreeMap<Arc<str>, Group>>,
    /// Devices by fingerprint or name of their certificates.
    certificates: RwLock<HashMap<(CredentialKind, String), Arc<str>>>,
    commands: Commands,
    hashing: RandomState,
    /// Codecs by the name of their file.
    sources: RwLock<HashMap<String, Arc<str>>>,
    /// Started with the first message that needs one.
    codecs: OnceLock<Codecs>,
}

// A poisoned lock only means that a panic passed by; every change under these locks is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn unknown() -> Error {
    Error::not_found("device.unknown", "There is no such device.")
}

fn exists(id: &str) -> Error {
    Error::conflict("device.exists", "A device with this id is registered already.").with("id", id)
}

fn may_read(caller: &Caller) -> Result<()> {
    if caller.may(Permission::DeviceManage, Scope::ANY) { Ok(()) } else { caller.require(Permission::ContextRead, Scope::ANY) }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn hash_of(secret: &str) -> String {
    digest(secret.as_bytes())
}

/// Compares without telling by its duration where the difference lies.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

/// 160 random bits in lower-case base32 (RFC 4648): 32 characters that can be typed on a device's keypad.
fn new_secret() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = [0u8; 20];
    rand::Rng::fill(&mut rand::rng(), &mut random[..]);
    let bit = |i: usize| (random[i / 8] >> (7 - i % 8)) & 1;
    (0..32).map(|c| char::from(LETTERS[(0..5).fold(0, |sum, b| sum << 1 | usize::from(bit(c * 5 + b)))])).collect()
}

fn valid_id(id: &str) -> bool {
    id.len() <= 64 && id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl Entry {
    fn read(row: &Row) -> Result<Self> {
        let location = match (row.opt_real("lon")?, row.opt_real("lat")?) {
            (Some(lon), Some(lat)) => Some(Point { lon, lat }),
            _ => None,
        };
        Ok(Self {
            id: row.text("id")?.into(),
            profile: row.text("profile")?.into(),
            entity: row.text("entity")?.into(),
            revoked: CancellationToken::new(),
            name: RwLock::new(row.text("name")?.into()),
            transport: if row.text("transport")? == "http" { Transport::Http } else { Transport::Mqtt },
            location,
            area: row.opt_text("area")?,
            created: row.time("created")?,
            secret_hash: row.text("secret_hash")?,
            live: Mutex::new(Live {
                last_seen: row.opt_time("last_seen")?,
                battery: row.opt_real("battery")?,
                messages: u64::try_from(row.int("messages")?).unwrap_or(0),
                errors: u64::try_from(row.int("errors")?).unwrap_or(0),
                last_error: row.opt_text("last_error")?,
                last_error_at: row.opt_time("last_error_at")?,
                clock_offset: row.opt_int("clock_offset")?,
                flags: u16::try_from(row.int("flags")?).unwrap_or(0),
                doubtful: u64::try_from(row.int("doubtful")?).unwrap_or(0),
                way: row.opt_text("way")?.as_deref().and_then(Way::back),
                connections: 0,
            }),
            groups: RwLock::new([].into()),
            keys: RwLock::default(),
            recent: Mutex::default(),
            watched: Mutex::default(),
            grants: Arc::new([Grant {
                role: "device".into(),
                unit: String::new(),
                permissions: [Permission::ContextWrite].into(),
                units: None,
                sectors: None,
            }]),
            login: format!("device:{}", row.text("id")?).into(),
        })
    }

    /// Notes that it came (`true`) or went over MQTT.
    pub(crate) fn connected(&self, came: bool) {
        let mut live = lock(&self.live);
        live.connections = if came { live.connections + 1 } else { live.connections.saturating_sub(1) };
    }

    fn series(&self) -> Vec<SeriesLife> {
        let watched = lock(&self.watched);
        let Some(decoder) = &watched.0 else { return Vec::new() };
        let life = |(attribute, watch): (&str, &Watch)| {
            let (at, value) = watch.last()?;
            Some(SeriesLife { attribute: attribute.to_string(), value, at: time::micros(at), same_since: time::micros(watch.since()), flags: watch.said() })
        };
        decoder.watched(&watched.1).filter_map(life).collect()
    }

    /// Marks readings by what came before them.
    fn judge(&self, decoder: &Arc<Decoder>, readings: &mut [Reading]) -> (u16, u64) {
        if !decoder.judges() {
            return decoder.judge(&mut Watches::default(), readings);
        }
        let mut watched = lock(&self.watched);
        // A profile that was changed begins anew.
        if !watched.0.as_ref().is_some_and(|d| Arc::ptr_eq(d, decoder)) {
            *watched = Watched(Some(decoder.clone()), Watches::default());
        }
        decoder.judge(&mut watched.1, readings)
    }

    /// The caller in whose name its readings are stored.
    pub(crate) fn caller(&self, address: Option<std::net::IpAddr>, clock: &dyn dothi_kernel::Clock) -> Caller {
        Caller { kind: CallerKind::Program, id: None, name: self.login.clone(), grants: self.grants.clone(), now: clock.now(), request: clock.id(), address }
    }
}

impl Devices {
    /// Reads the registry. Profiles come with [`Devices::set_profiles`].
    pub async fn open(store: Store) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let mut after = String::new();
        loop {
            let rows = tables_devices::after(&store, &after).await?;
            let Some(last) = rows.last() else { break };
            after = last.text("id")?;
            for row in &rows {
                let entry = Entry::read(row)?;
                entries.insert(entry.id.clone(), Arc::new(entry));
            }
        }
        let groups = Self::load_groups(&store, &entries).await?;
        let certificates = Self::load_credentials(&store, &entries).await?;
        Ok(Self {
            commands: Commands::load(&store).await?,
            groups: RwLock::new(groups),
            certificates: RwLock::new(certificates),
            store,
            entries: RwLock::new(entries),
            profiles: RwLock::default(),
            silent_after: RwLock::default(),
            dirty: Mutex::default(),
            hashing: RandomState::new(),
            sources: RwLock::default(),
            codecs: OnceLock::new(),
        })
    }

    /// The store's clock.
    pub(crate) fn clock(&self) -> &dyn dothi_kernel::Clock {
        self.store.clock().as_ref()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Adds profiles, replacing those of the same name. Takes effect with the next message.
    pub fn set_profiles(&self, profiles: impl IntoIterator<Item = DeviceProfile>) {
        write(&self.profiles).extend(profiles.into_iter().map(|p| (p.name.clone(), Arc::new(Decoder::new(p)))));
    }

    /// Says after how many seconds of silence a device of a type (short name) counts as silent.
    pub fn set_silent_after(&self, kind: &str, seconds: u32) {
        write(&self.silent_after).insert(kind.to_string(), seconds);
    }

    /// The profiles in use.
    pub fn profiles(&self) -> Vec<DeviceProfile> {
        read(&self.profiles).values().map(|d| d.profile.clone()).collect()
    }

    /// Registers a device and makes its secret. 409 `device.exists`, 400 `device.invalid`.
    pub async fn register(&self, caller: &Caller, new: NewDevice) -> Result<Registered> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let entity = self.check(&new)?;
        let secret = new_secret();
        let hash = hash_of(&secret);
        let mut tx = self.store.begin(caller).await?;
        let made = tables_devices::insert(&mut tx, &new, &entity, &hash).await?;
        if !made {
            return Err(exists(&new.id));
        }
        tables_devices::set_groups(&mut tx, &new.id, &new.groups).await?;
        tx.audit("device.register", &format!("device:{}", new.id), &json!({ "profile": new.profile, "entity": entity })).await?;
        tx.commit().await?;
        let entry = self.reload(&new.id).await?;
        Ok(Registered { device: self.describe(&entry, caller.now), secret })
    }

    /// Whether the caller may register this device now; its entity's URN.
    pub(crate) fn check_new(&self, caller: &Caller, new: &NewDevice) -> Result<String> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let entity = self.check(new)?;
        if self.entry(&new.id).is_some() { Err(exists(&new.id)) } else { Ok(entity) }
    }

    /// Checks what is told of a device; returns its entity's URN.
    fn check(&self, new: &NewDevice) -> Result<String> {
        let bad = |field: &'static str, why: &str| Error::invalid("device.invalid", why.to_string()).with("field", field);
        if !valid_id(&new.id) {
            return Err(bad("id", "The id must be 1 to 64 letters, digits, '-', '_' or '.', led by a letter or digit."));
        }
        if new.name.trim().is_empty() || new.name.len() > 200 {
            return Err(bad("name", "A name of 1 to 200 bytes is needed."));
        }
        let kind = read(&self.profiles).get(&new.profile).map(|d| d.profile.kind.clone()).ok_or_else(|| bad("profile", "There is no such device profile."))?;
        if let Some(point) = new.location {
            Point::new(point.lon, point.lat)?;
        }
        if new.area.as_ref().is_some_and(|a| a.is_empty() || a.len() > 16 || !a.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return Err(bad("area", "The area must be a unit's code."));
        }
        let entity = new.entity.clone().unwrap_or_else(|| format!("urn:ngsi-ld:{kind}:{}", new.id));
        self.check_groups(&new.groups)?;
        let fits = entity.len() <= 256 && entity.starts_with("urn:") && entity.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'(){};,\\^`|".contains(&b));
        if !fits {
            return Err(bad("entity", "The entity must be a URN such as urn:ngsi-ld:AirQualityObserved:hy-aq-01."));
        }
        Ok(entity)
    }

    /// Makes a new secret; the old one, and connections made with it, end at once.
    pub async fn renew_secret(&self, caller: &Caller, id: &str) -> Result<Registered> {
        self.reach(caller, Permission::DeviceManage, id)?;
        let secret = new_secret();
        let mut tx = self.store.begin(caller).await?;
        if !tables_devices::set_secret(&mut tx, id, &hash_of(&secret)).await? {
            return Err(unknown());
        }
        tx.audit("device.secret.renew", &format!("device:{id}"), &json!({})).await?;
        tx.commit().await?;
        let entry = self.reload(id).await?;
        Ok(Registered { device: self.describe(&entry, caller.now), secret })
    }

    /// Removes a device and ends its connections. Its entity and history stay.
    pub async fn remove(&self, caller: &Caller, id: &str) -> Result<()> {
        self.reach(caller, Permission::DeviceManage, id)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_devices::delete(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("device.remove", &format!("device:{id}"), &json!({})).await?;
        tx.commit().await?;
        if let Some(gone) = write(&self.entries).remove(id) {
            gone.revoked.cancel();
        }
        write(&self.certificates).retain(|_, device| **device != *id);
        self.commands.forget_device(id);
        Ok(())
    }

    /// One device. 404 `device.unknown`.
    pub fn get(&self, caller: &Caller, id: &str) -> Result<Device> {
        may_read(caller)?;
        let entry = self.entry(id).ok_or_else(unknown)?;
        Ok(Device { series: entry.series(), ..self.describe(&entry, caller.now) })
    }

    /// The devices that report on an entity.
    pub fn of_entity(&self, caller: &Caller, entity: &str) -> Result<Vec<Device>> {
        may_read(caller)?;
        Ok(read(&self.entries).values().filter(|e| &*e.entity == entity).take(20).map(|e| self.describe(e, caller.now)).collect())
    }

    /// Devices by id.
    pub fn list(&self, caller: &Caller, query: &DeviceQuery) -> Result<Page<Device>> {
        may_read(caller)?;
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let words: Vec<String> =
            query.q.as_deref().map(text::fold).unwrap_or_default().split(' ').filter(|w| !w.is_empty()).take(10).map(str::to_string).collect();
        let wanted = |device: &Device| {
            let folded = || text::fold(&format!("{} {}", device.id, device.name));
            query.profile.as_ref().is_none_or(|p| *p == device.profile)
                && query.area.as_ref().is_none_or(|a| Some(a) == device.area.as_ref())
                && query.state.is_none_or(|s| s == device.state)
                && query.doubtful.is_none_or(|d| d == (device.flags != 0))
                && (words.is_empty() || words.iter().all(|w| folded().contains(w.as_str())))
        };
        let entries = read(&self.entries);
        let after = page.after.clone().unwrap_or_default();
        let inside = |e: &&Arc<Entry>| query.group.as_ref().is_none_or(|g| e.belongs(g));
        let rows: Vec<Device> =
            entries.values().filter(|e| *e.id > *after).filter(inside).map(|e| self.describe(e, caller.now)).filter(wanted).take(page.limit() + 1).collect();
        Ok(Page::of(rows, page.limit(), |d| d.id.clone()))
    }

    /// The device with this id and secret.
    pub(crate) fn authenticate(&self, id: &str, secret: &[u8]) -> Option<Arc<Entry>> {
        let entry = self.entry(id)?;
        let secret = std::str::from_utf8(secret).ok().filter(|s| s.len() <= 128)?;
        let hash = hash_of(secret);
        (same(&hash, &entry.secret_hash) || entry.has_key(&hash, self.clock().now())).then_some(entry)
    }

    pub(crate) fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        read(&self.entries).get(id).cloned()
    }

    pub(crate) fn decoder(&self, profile: &str) -> Option<Arc<Decoder>> {
        read(&self.profiles).get(profile).cloned()
    }

    /// The profile that names a topic, with the id of the device that the topic holds.
    pub(crate) fn by_topic(&self, topic: &str) -> Option<(Arc<Decoder>, Option<String>)> {
        let profiles = read(&self.profiles);
        profiles.values().find_map(|decoder| decoder.profile.topics.iter().find_map(|pattern| capture(pattern, topic).map(|id| (decoder.clone(), id))))
    }

    async fn reload(&self, id: &str) -> Result<Arc<Entry>> {
        let row = tables_devices::one(&self.store, id).await?.ok_or_else(unknown)?;
        let entry = Arc::new(Entry::read(&row)?);
        *write(&entry.groups) = tables_devices::groups_of(&self.store, id).await?.into_iter().map(Arc::from).collect();
        *write(&entry.keys) = Self::keys_of(&self.store, id).await?;
        let mut entries = write(&self.entries);
        if let Some(old) = entries.insert(entry.id.clone(), entry.clone()) {
            old.revoked.cancel();
            // What was noted since the last flush is newer than the row.
            *lock(&entry.live) = Live { connections: 0, ..lock(&old.live).clone() };
            std::mem::swap(&mut *lock(&entry.recent), &mut *lock(&old.recent));
            std::mem::swap(&mut *lock(&entry.watched), &mut *lock(&old.watched));
        }
        Ok(entry)
    }

    fn describe(&self, entry: &Entry, now: Timestamp) -> Device {
        let live = lock(&entry.live).clone();
        let decoder = self.decoder(&entry.profile);
        let allowed = decoder.as_ref().and_then(|d| read(&self.silent_after).get(&d.profile.kind).copied()).unwrap_or(SILENT_AFTER_S);
        let low = decoder.as_ref().and_then(|d| d.profile.battery_low);
        let state = match live.last_seen {
            None => DeviceState::Never,
            Some(seen) if now.as_microsecond() - seen.as_microsecond() > i64::from(allowed) * 1_000_000 => DeviceState::Silent,
            Some(_) => DeviceState::Ok,
        };
        Device {
            id: entry.id.to_string(),
            name: read(&entry.name).to_string(),
            profile: entry.profile.to_string(),
            entity: entry.entity.to_string(),
            transport: entry.transport,
            location: entry.location,
            area: entry.area.clone(),
            created: entry.created,
            last_seen: live.last_seen,
            battery: live.battery,
            state,
            messages: live.messages,
            errors: live.errors,
            last_error: live.last_error,
            last_error_at: live.last_error_at,
            connected: live.connections > 0,
            groups: read(&entry.groups).iter().map(|g| g.to_string()).collect(),
            battery_low: live.battery.zip(low).is_some_and(|(charge, low)| charge < low),
            clock_offset_s: live.clock_offset.map(|us| us as f64 / 1e6),
            flags: live.flags,
            doubtful: live.doubtful,
            commands: self.commands.of_device(&entry.id),
            series: Vec::new(),
        }
    }

    fn note(&self, entry: &Entry, change: impl FnOnce(&mut Live)) {
        change(&mut lock(&entry.live));
        let mut dirty = lock(&self.dirty);
        if !dirty.contains(&entry.id) {
            dirty.insert(entry.id.clone());
        }
    }

    /// Notes a fault on the device, for people to see.
    pub(crate) fn note_error(&self, entry: &Entry, code: &str) {
        let now = self.clock().now();
        self.note(entry, |live| {
            live.errors += 1;
            live.last_error = Some(code.to_string());
            live.last_error_at = Some(now);
        });
    }

    /// Turns a message of a device into stored readings. `Ok(Err(_))` when the message is refused for good, `Err`
    /// when storing failed and the sender should try again. A repetition is recognised and stored once.
    pub(crate) async fn accept(
        &self,
        sink: &dyn Sink,
        caller: &Caller,
        entry: &Entry,
        incoming: Incoming<'_>,
    ) -> Result<std::result::Result<Accepted, Refusal>> {
        let refuse = |code: &'static str| {
            self.note_error(entry, code);
            Ok(Err(Refusal::Payload(code)))
        };
        let Some(decoder) = self.decoder(&entry.profile) else { return refuse("device.profile-unknown") };
        let mut decoded = match self.decode(&decoder, entry, incoming.payload, caller.now).await? {
            Ok(decoded) => decoded,
            Err("device.payload.envelope") if decoder.profile.lorawan => return self.news(entry, incoming.payload).await,
            Err(code) => return refuse(code),
        };
        let count = decoded.readings.len();
        let key = match (decoded.timed && count > 0, incoming.sending) {
            (true, _) => Some(self.hashing.hash_one((0u8, incoming.payload))),
            (false, Some((client, packet))) => Some(self.hashing.hash_one((1u8, client, packet, incoming.payload))),
            (false, None) => None,
        };
        let now = caller.now.as_microsecond();
        // Without a time of its own, the same payload again is a new measurement unless marked as a repetition.
        let known = key.map(|key| (key, lock(&entry.recent).begin(key, !decoded.timed && !incoming.repeated)));
        let (mut running, fresh) = match known {
            Some((_, Known::Done)) => return Ok(Ok(self.repeated(entry, caller.now))),
            Some((key, Known::Running(slot))) => (Some(Running::new(&entry.recent, key, slot, now)), false),
            Some((key, Known::Fresh(slot))) => (Some(Running::new(&entry.recent, key, slot, now)), true),
            None => (None, true),
        };
        let slot = running.as_ref().map(|r| r.slot.clone()).unwrap_or_default();
        let mut done = slot.lock().await;
        if *done {
            return Ok(Ok(self.repeated(entry, caller.now)));
        }
        let mut duplicate = incoming.repeated && fresh && count > 0 && sink.holds(&decoded.readings, decoded.timed).await?;
        let (mut flags, mut marked) = (0, 0);
        if !duplicate && count > 0 {
            (flags, marked) = entry.judge(&decoder, &mut decoded.readings);
            // HTTP cannot say that it repeats: a payload with its own times names itself, durably.
            let named = incoming.message.map(str::to_string);
            let named = named.or_else(|| (decoded.timed && incoming.sending.is_none() && !incoming.brief).then(|| digest(incoming.payload)));
            let message = named.map(|m| format!("device:{}:{m}", entry.id));
            match sink.accept(caller, message, decoded.readings).await {
                Ok(stored) => duplicate = !stored,
                Err(e) if matches!(e.kind(), Kind::Internal | Kind::Unavailable | Kind::TooMany) => return Err(e),
                Err(e) => return refuse(e.code()),
            }
        }
        *done = true;
        if let Some(running) = &mut running {
            running.stored = true;
        }
        if duplicate {
            return Ok(Ok(self.repeated(entry, caller.now)));
        }
        // Where an uplink came from is where a command goes.
        let way = incoming.topic.filter(|_| decoder.profile.lorawan).and_then(Way::back);
        self.note(entry, |live| {
            live.last_seen = Some(caller.now);
            live.battery = decoded.battery.or(live.battery);
            live.messages += 1;
            if count > 0 {
                live.flags = flags;
                live.doubtful += marked;
            }
            live.clock_offset = decoded.drift.or(live.clock_offset);
            if let Some(way) = way {
                live.way = Some(way);
            }
        });
        if let Some(fault) = decoded.fault {
            self.note_error(entry, fault.code());
        }
        Ok(Ok(Accepted::Stored(count)))
    }

    /// A message that was stored before: the device is alive all the same.
    fn repeated(&self, entry: &Entry, now: Timestamp) -> Accepted {
        self.note(entry, |live| live.last_seen = Some(now));
        Accepted::Duplicate
    }

    /// Journals how devices are doing; returns how many changed. Run every few seconds and at shutdown.
    pub async fn flush(&self) -> Result<usize> {
        let dirty: Vec<Arc<str>> = lock(&self.dirty).drain().collect();
        for batch in dirty.chunks(FLUSH_BATCH) {
            if let Err(e) = self.flush_batch(batch).await {
                lock(&self.dirty).extend(dirty);
                return Err(e);
            }
        }
        Ok(dirty.len())
    }

    async fn flush_batch(&self, ids: &[Arc<str>]) -> Result<()> {
        let mut tx = self.store.begin_as("devices").await?;
        for id in ids {
            let Some(entry) = self.entry(id) else { continue };
            let live = lock(&entry.live).clone();
            tables_devices::note(&mut tx, id, &live).await?;
        }
        tx.commit().await
    }
}

/// Whether a topic fits a profile's pattern, and the device's id in it.
fn capture(pattern: &str, topic: &str) -> Option<Option<String>> {
    let (mut levels, mut device) = (topic.split('/'), None);
    for part in pattern.split('/') {
        let level = levels.next()?;
        match part {
            "{device}" => device = Some(level.to_string()),
            "+" => {}
            plain if plain == level => {}
            _ => return None,
        }
    }
    levels.next().is_none().then_some(device)
}

/// A fault that makes a payload unusable, as a refusal.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Refusal::Payload(fault.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (new_secret(), new_secret());
        assert_eq!(a.len(), 32);
        assert!(a.bytes().all(|c| c.is_ascii_lowercase() || (b'2'..=b'7').contains(&c)));
        assert_ne!(a, b);
        assert!(same(&hash_of(&a), &hash_of(&a)) && !same(&hash_of(&a), &hash_of(&b)));
    }

    #[test]
    fn topics_of_profiles_hold_the_device() {
        assert_eq!(capture("v3/+/devices/{device}/up", "v3/app@t/devices/aq-1/up"), Some(Some("aq-1".into())));
        assert_eq!(capture("v3/+/devices/{device}/up", "v3/app@t/devices/aq-1/down"), None);
        assert_eq!(capture("gateway/up", "gateway/up"), Some(None));
        assert_eq!(capture("gateway/up", "gateway/up/x"), None);
    }
}
