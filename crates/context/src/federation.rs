//! Federation: sources of context that others run (registrations), operations that reach them (CIM 009, 4.3.6), and
//! what fixes the result of a query: entity maps and snapshots. Without registrations nothing here costs anything.

pub mod forward;
pub mod listeners;
pub mod maps;
pub mod matching;
pub mod merge;
pub mod registration;
pub mod relay;
pub mod snapshots;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use dothi_store::Store;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::fault::{self, bad, cut, exists, missing};
use crate::guard::Guard;
use crate::ld::Ld;
use crate::model::{Iri, NULL, find};
use crate::query::{Filter, Paging, Selector, scan};
use crate::select::TypeSelector;
use crate::{Context, tables_federation as tables};

use listeners::{Listeners, Reason};
use maps::Maps;
use registration::{Mode, Registration};
use snapshots::Snapshots;

/// Registrations there may be.
const MAX_REGISTRATIONS: usize = 10_000;
/// Calls to sources under way at once.
const AT_ONCE: usize = 64;
/// How often what has expired is taken away.
const SWEEP: Duration = Duration::from_secs(2);

/// All of federation that one tenant has.
pub struct Federation {
    index: RwLock<Arc<Index>>,
    any: AtomicBool,
    pub(crate) client: reqwest::Client,
    pub(crate) guard: Guard,
    pub(crate) at_once: Semaphore,
    /// Our name in `Via` (5.15.1).
    pub alias: String,
    /// When we began, µs.
    pub started: i64,
    /// One registration or subscription to them changes at a time.
    changing: tokio::sync::Mutex<()>,
    pub(crate) listeners: Listeners,
    pub(crate) maps: Maps,
    pub(crate) snapshots: Snapshots,
    /// From it the proofs of those whom we told where to notify us are made.
    pub(crate) relay_secret: String,
    store: Store,
}

/// Registrations by what they cover.
#[derive(Default)]
pub struct Index {
    all: BTreeMap<Iri, Arc<Registration>>,
    by_id: HashMap<Iri, Vec<Arc<Registration>>>,
    by_type: HashMap<Iri, Vec<Arc<Registration>>>,
    /// Those that cover entities whose ids they do not name.
    wide: Vec<Arc<Registration>>,
    /// Those that cover entities whose types they do not name.
    open: Vec<Arc<Registration>>,
}

impl Index {
    fn of(all: BTreeMap<Iri, Arc<Registration>>) -> Self {
        let mut index = Self { all, ..Self::default() };
        for registration in index.all.values() {
            let (mut wide, mut open) = (false, false);
            for info in &registration.information {
                let Some(entities) = &info.entities else {
                    (wide, open) = (true, true);
                    continue;
                };
                for entity in entities {
                    match &entity.id {
                        Some(id) => index.by_id.entry(id.clone()).or_default().push(registration.clone()),
                        None => wide = true,
                    }
                    for kind in &entity.types {
                        index.by_type.entry(kind.clone()).or_default().push(registration.clone());
                    }
                }
            }
            if wide {
                index.wide.push(registration.clone());
            }
            if open {
                index.open.push(registration.clone());
            }
        }
        index
    }

    /// Registrations that may know entities with these ids (none = any) and types (empty = any), by id.
    pub fn candidates(&self, ids: Option<&[Iri]>, types: &[Iri]) -> Vec<Arc<Registration>> {
        let mut found: Vec<Arc<Registration>> = if !types.is_empty() {
            types.iter().filter_map(|t| self.by_type.get(t)).flatten().chain(&self.open).cloned().collect()
        } else if let Some(ids) = ids {
            ids.iter().filter_map(|i| self.by_id.get(i)).flatten().chain(&self.wide).cloned().collect()
        } else {
            return self.all.values().cloned().collect();
        };
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        found
    }

    /// All, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.all.values()
    }
}

impl Federation {
    /// Reads what is registered and begins to take away what expires.
    pub async fn open(store: Store, guard: Guard) -> Result<Arc<Self>> {
        let alias = match tables::identity(&store).await? {
            Some(alias) => alias,
            None => {
                let alias = format!("urn:dothi:{}", store.clock().id());
                let mut tx = store.begin_as("federation").await?;
                tables::set_identity(&mut tx, &alias).await?;
                tx.commit().await?;
                alias
            }
        };
        let relay_secret = match tables::relay_secret(&store).await? {
            Some(secret) => secret,
            None => {
                let mut random = [0u8; 32];
                rand::Rng::fill(&mut rand::rng(), &mut random[..]);
                let secret: String = random.iter().map(|b| format!("{b:02x}")).collect();
                let mut tx = store.begin_as("federation").await?;
                tables::set_relay_secret(&mut tx, &secret).await?;
                tx.commit().await?;
                secret
            }
        };
        let federation = Self {
            relay_secret,
            index: RwLock::default(),
            any: AtomicBool::new(false),
            client: guard.client(0)?,
            guard,
            at_once: Semaphore::new(AT_ONCE),
            alias,
            started: store.clock().now().as_microsecond(),
            changing: tokio::sync::Mutex::new(()),
            listeners: Listeners::default(),
            maps: Maps::default(),
            snapshots: Snapshots::open(&store).await?,
            store,
        };
        let now = federation.store.clock().now().as_microsecond();
        let mut all = BTreeMap::new();
        for (id, created, modified, body) in tables::sources(&federation.store).await? {
            match Registration::parse(id.as_str().into(), body, now, false) {
                Ok(mut registration) => {
                    (registration.created, registration.modified) = (created, modified);
                    all.insert(registration.id.clone(), Arc::new(registration));
                }
                Err(e) => tracing::error!(registration = id, error = %e, "a registration could not be read"),
            }
        }
        federation.set(all);
        let federation = Arc::new(federation);
        tokio::spawn(sweep(Arc::downgrade(&federation)));
        Ok(federation)
    }

    fn set(&self, all: BTreeMap<Iri, Arc<Registration>>) {
        self.any.store(!all.is_empty(), Ordering::SeqCst);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Index::of(all));
    }

    /// Whether nobody is registered.
    pub fn alone(&self) -> bool {
        !self.any.load(Ordering::SeqCst)
    }

    /// The registrations as they are now.
    pub fn index(&self) -> Arc<Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One registration.
    pub fn get(&self, id: &str) -> Option<Arc<Registration>> {
        self.index().all.get(id).cloned()
    }

    fn put(self: &Arc<Self>, new: Registration) {
        let mut all = self.index().all.clone();
        let new = Arc::new(new);
        let old = all.insert(new.id.clone(), new.clone());
        self.set(all);
        self.tell(old.as_deref(), Some(&new));
    }

    fn remove(self: &Arc<Self>, id: &str) {
        let mut all = self.index().all.clone();
        let old = all.remove(id);
        self.set(all);
        self.tell(old.as_deref(), None);
    }

    /// Tells those who listen of a change of a registration.
    fn tell(self: &Arc<Self>, old: Option<&Registration>, new: Option<&Registration>) {
        let now = self.store.clock().now().as_microsecond();
        for listener in self.listeners.list() {
            let before = old.is_some_and(|r| listener.wants(r, now));
            let after = new.is_some_and(|r| listener.wants(r, now));
            let (reason, which) = match (before, after) {
                (false, true) => (Reason::NewlyMatching, new),
                (true, true) => (Reason::Updated, new),
                (true, false) => (Reason::NoLongerMatching, new.or(old)),
                (false, false) => continue,
            };
            if let Some(registration) = which {
                self.notify(&listener, reason, vec![listener.part(registration)]);
            }
        }
    }

    async fn take_away_expired(self: &Arc<Self>) -> Result<()> {
        let now = self.store.clock().now().as_microsecond();
        let gone: Vec<Iri> = self.index().all().filter(|r| !r.alive(now)).map(|r| r.id.clone()).collect();
        if !gone.is_empty() {
            let _turn = self.changing.lock().await;
            let mut tx = self.store.begin_as("federation").await?;
            for id in &gone {
                tables::delete_source(&mut tx, id).await?;
            }
            tx.commit().await?;
            gone.iter().for_each(|id| self.remove(id));
        }
        self.maps.forget(now);
        self.snapshots.forget(&self.store, now).await?;
        self.tell_in_time(now);
        Ok(())
    }
}

/// Takes away what has expired, for as long as somebody holds the federation.
async fn sweep(federation: Weak<Federation>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(federation) = federation.upgrade() else { return };
        if let Err(e) = federation.take_away_expired().await {
            tracing::warn!(error = %e, "taking away what expired failed");
        }
    }
}

/// 409 of a registration that contradicts another, or of an operation that a source does not offer.
pub fn conflict(detail: impl Into<String>) -> Error {
    Error::conflict(fault::CONFLICT, detail)
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no registration {}.", cut(id)))
}

fn is_null(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some(NULL)
}

impl Context {
    /// Registers a source; returns its id.
    pub async fn register_source(&self, caller: &Caller, body: Map<String, Value>, ld: &Ld) -> Result<Iri> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let id = match body.get("id") {
            Some(id) => crate::parse::entity_id(id)?,
            None => format!("urn:ngsi-ld:ContextSourceRegistration:{}", self.store.clock().id()).into(),
        };
        let mut body = registration::expanded(body, ld)?;
        body.insert("id".into(), (&*id).into());
        let registration = Registration::parse(id.clone(), body, now, true)?;
        self.federation.guard.check(&registration.endpoint)?;
        let _turn = self.federation.changing.lock().await;
        if self.federation.get(&id).is_some() {
            return Err(exists(format!("The registration {} exists already.", cut(&id))));
        }
        if self.federation.index().all.len() >= MAX_REGISTRATIONS {
            return Err(Error::unprocessable(fault::UNSUPPORTED, "There are too many registrations."));
        }
        self.check_mode(&registration, now)?;
        self.keep(caller, registration).await?;
        Ok(id)
    }

    async fn keep(&self, caller: &Caller, registration: Registration) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        tables::save_source(&mut tx, &registration.id, registration.created, registration.modified, &registration.body).await?;
        tx.commit().await?;
        self.federation.put(registration);
        Ok(())
    }

    /// 409 when data that the registration claims for its source are here already, or claimed by another one (5.9.2.4).
    fn check_mode(&self, new: &Registration, now: i64) -> Result<()> {
        if !matches!(new.mode, Mode::Exclusive | Mode::Redirect) {
            return Ok(());
        }
        for info in &new.information {
            let selectors: Vec<Selector> = info.entities.iter().flatten().map(selector).collect();
            let filter = Filter { selectors, attrs: info.attrs.clone(), ..Filter::default() };
            let here = scan(&self.live, &filter, &Paging { limit: 1, ..Paging::default() }, now)?;
            if let Some(entity) = here.entities.first() {
                return Err(conflict(format!("The entity {} is held here and would be covered by the registration.", cut(&entity.id))));
            }
        }
        let index = self.federation.index();
        let other = index.all().filter(|r| r.id != new.id && r.alive(now)).find(|r| match (new.mode, r.mode) {
            (Mode::Exclusive, Mode::Exclusive | Mode::Redirect) | (Mode::Redirect, Mode::Exclusive) => matching::overlap(new, r),
            _ => false,
        });
        match other {
            Some(other) => Err(conflict(format!("The registration {} covers the same attributes of the same entity.", cut(&other.id)))),
            None => Ok(()),
        }
    }

    /// One registration.
    pub fn source(&self, caller: &Caller, id: &str) -> Result<Arc<Registration>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        self.federation.get(id).filter(|r| r.alive(now)).ok_or_else(|| unknown(id))
    }

    /// Registrations in force, by id.
    pub fn sources(&self, caller: &Caller) -> Result<Vec<Arc<Registration>>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        Ok(self.federation.index().all().filter(|r| r.alive(now)).cloned().collect())
    }

    /// Changes the members that are stated; null removes one.
    pub async fn change_source(&self, caller: &Caller, id: &str, body: Map<String, Value>, ld: &Ld) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let _turn = self.federation.changing.lock().await;
        let old = self.federation.get(id).filter(|r| r.alive(now)).ok_or_else(|| unknown(id))?;
        if body.get("id").is_some_and(|i| i.as_str() != Some(id)) || body.get("type").is_some_and(|t| t != "ContextSourceRegistration") {
            return Err(bad("The id and type of a registration cannot be changed."));
        }
        if body.is_empty() {
            return Err(bad("The body states nothing to change."));
        }
        let expiry_stated = body.get("expiresAt").is_some_and(|v| !is_null(v));
        let mut members = old.body.clone();
        for (name, value) in registration::expanded(body, ld)? {
            if is_null(&value) {
                members.shift_remove(&name);
            } else {
                members.insert(name, value);
            }
        }
        let mut registration = Registration::parse(old.id.clone(), members, now, expiry_stated)?;
        self.federation.guard.check(&registration.endpoint)?;
        registration.follow(&old);
        self.check_mode(&registration, now)?;
        self.keep(caller, registration).await
    }

    /// Ends a registration.
    pub async fn unregister_source(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let _turn = self.federation.changing.lock().await;
        self.federation.get(id).ok_or_else(|| unknown(id))?;
        let mut tx = self.store.begin(caller).await?;
        tables::delete_source(&mut tx, id).await?;
        tx.commit().await?;
        self.federation.remove(id);
        Ok(())
    }

    /// What federation knows.
    pub fn federation(&self) -> &Arc<Federation> {
        &self.federation
    }
}

fn selector(info: &registration::EntityInfo) -> Selector {
    Selector {
        ids: info.id.clone().map(|id| vec![id]),
        id_pattern: info.pattern.clone(),
        types: (!info.types.is_empty()).then(|| TypeSelector::any(info.types.clone())),
    }
}

/// Whether an entity has one of these attributes.
pub fn has_any(entity: &crate::model::Entity, attrs: &[Iri]) -> bool {
    attrs.iter().any(|a| find(&entity.attrs, a).is_some())
}
