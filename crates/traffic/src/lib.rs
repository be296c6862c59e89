//! Traffic: segments of roads and the detectors on them, how they flow now against the usual of the hour of the week, incidents, travel
//! times, message signs, works and events, and the road graph. What counts as slow or as an incident is a pack's.

mod baseline;
mod feed;
pub mod http;
pub mod http_roads;
mod http_signs;
mod http_works;
pub mod import;
mod incidents;
mod jobs;
pub mod live;
pub mod model;
mod model_public;
pub mod now;
pub mod pack;
mod public;
pub mod reckon;
pub mod roads;
mod roads_told;
mod segments;
pub mod signs;
mod tables;
mod tables_roads;
mod tables_signs;
mod tables_works;
mod travel;
pub mod works;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Caller, Cursors, Directory, Error, Form, History, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::{Migration, Store};
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::live::Live;
use crate::model::Catalogue;
use crate::now::Net;
use crate::pack::{Policy, RouteDef, TrafficPack};

/// The domain's schema, and that of the road graph.
pub const MIGRATIONS: &[Migration] = &[tables::SCHEMA, tables_roads::ROADS];

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('.');

/// Texts of forms: 422 `traffic.too-long` and `traffic.empty`, 409 `traffic.version`.
pub(crate) const FORM: Form = Form { too_long: "traffic.too-long", empty: "traffic.empty", version: "traffic.version" };

/// How far an order to a sign got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// On its way.
    Pending,
    /// The sign did it (or has it, when it does not answer).
    Done,
    /// It did not: why.
    Failed(String),
}

/// What the domain asks of its surroundings; the server wires it.
#[async_trait]
pub trait Around: Send + Sync {
    /// The newest values of a thing: attribute, value, instant (µs).
    fn latest(&self, entity: &str) -> Vec<(String, f64, i64)>;
    /// How far a command got; none when there is no such command.
    async fn fate(&self, command: Uuid) -> Result<Option<Fate>>;
}

/// The domain.
pub struct Traffic {
    pub(crate) store: Store,
    pub(crate) history: Arc<dyn History>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) around: Arc<dyn Around>,
    pub(crate) calendar: Arc<WorkCalendar>,
    /// The graph of roads.
    pub(crate) roads: Arc<roads::Roads>,
    rules: RwLock<Arc<TrafficPack>>,
    net: RwLock<Arc<Net>>,
    live: Mutex<Live>,
    /// One batch, job or change of the network at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Traffic {
    /// Opens the domain over a store that has [`MIGRATIONS`]; what is live is rebuilt from the newest values of the detectors.
    pub async fn open(
        store: Store,
        history: Arc<dyn History>,
        directory: Arc<dyn Directory>,
        around: Arc<dyn Around>,
        calendar: Arc<WorkCalendar>,
    ) -> Result<Self> {
        let roads = Arc::new(roads::Roads::open(store.clone()).await?);
        let this = Self {
            store,
            history,
            directory,
            around,
            calendar,
            roads,
            rules: RwLock::default(),
            net: RwLock::default(),
            live: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        };
        this.reload_rules().await?;
        this.reload().await?;
        this.begin_jobs().await?;
        Ok(this)
    }

    /// Installs what a pack declares, with the segments and routes it brings. 422 `traffic.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: TrafficPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if part.is_empty() {
            return Ok(());
        }
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("traffic.pack.invalid", "The pack's traffic part is not usable.").with("fault", fault));
        }
        let (segments, routes) = (part.segment.clone(), part.route.clone());
        let mut tx = self.store.begin(caller).await?;
        tables::put_pack(&mut tx, pack, &part).await?;
        tx.audit("traffic.pack.install", &format!("pack:{pack}"), &serde_json::json!({ "segments": segments.len() })).await?;
        tx.commit().await?;
        self.reload_rules().await?;
        for segment in segments {
            self.upsert_segment(caller, segment).await?;
        }
        for route in routes {
            self.put_route(caller, route).await?;
        }
        self.reload().await
    }

    async fn reload_rules(&self) -> Result<()> {
        let mut all = TrafficPack::default();
        for part in tables::packs(&self.store).await? {
            all.add(part);
        }
        self.roads.set_pack(all.roads.clone());
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<TrafficPack> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rules of an instant. 422 `traffic.policy.none`.
    pub(crate) fn policy(&self, at: Timestamp) -> Result<Policy> {
        let day = at.to_zoned(TimeZone::UTC).date();
        let rules = self.rules();
        let found = rules.policy.iter().rev().find(|p| p.valid_from <= day).or(rules.policy.first());
        found.cloned().ok_or_else(|| Error::unprocessable("traffic.policy.none", "No pack says how traffic is judged."))
    }

    /// The graph of roads.
    pub fn roads(&self) -> &Arc<roads::Roads> {
        &self.roads
    }

    pub(crate) fn net(&self) -> Arc<Net> {
        self.net.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_net(&self, net: Net) {
        *self.net.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(net);
        self.tell_works();
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bands, classes, the library of messages and where the rules stand. Needs `traffic-read`.
    pub fn catalogue(&self, caller: &Caller) -> Result<Catalogue> {
        self.visible(caller)?;
        let rules = self.rules();
        Ok(Catalogue { policy: self.policy(caller.now).ok(), classes: rules.class.clone(), library: rules.message.clone() })
    }

    /// Routes known: those of packs and those handed in.
    pub(crate) fn routes(&self) -> Vec<RouteDef> {
        self.net().routes.clone()
    }

    /// Units whose roads a caller may see: none = all. 401 or 403 for those who may see nothing.
    pub(crate) fn visible(&self, caller: &Caller) -> Result<Option<BTreeSet<String>>> {
        let units = caller.units_with(Permission::TrafficRead);
        if units.as_ref().is_some_and(BTreeSet::is_empty) {
            caller.require(Permission::TrafficRead, Scope::ANY)?;
        }
        Ok(units)
    }

    /// Refuses those who may not do it in a unit; what belongs to no unit may be done by all who may do it somewhere.
    pub(crate) fn require(&self, caller: &Caller, permission: Permission, unit: &str) -> Result<()> {
        caller.require(permission, if unit.is_empty() { Scope::ANY } else { Scope::unit(unit) })
    }

    pub(crate) fn unit_ref(&self, id: &str) -> Option<UnitRef> {
        (!id.is_empty()).then(|| self.directory.unit(id).unwrap_or_else(|| UnitRef { id: id.to_string(), name: id.to_string() }))
    }
}

/// Whether a matter of a unit is among those seen.
pub(crate) fn seen(units: Option<&BTreeSet<String>>, unit: &str) -> bool {
    unit.is_empty() || units.is_none_or(|u| u.contains(unit))
}
