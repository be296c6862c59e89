//! Incidents: what happens now and must be led — opened from alarms, reports, calls or by hand; with procedures, tasks, resources,
//! escalation, the shift of the room, public warnings, and proof afterwards. Which types, procedures, positions, ladders and targets
//! there are is a pack's.

mod auto;
mod cap;
mod chain;
mod desk;
mod evidence;
pub mod http;
mod http_cap;
mod http_ops;
mod jobs;
mod ladder;
pub mod model;
pub mod model_ops;
pub mod model_warn;
pub mod pack;
mod procedures;
mod report;
mod resources;
mod roster;
pub(crate) mod runs;
mod shift;
mod tables;
mod tables_ops;
mod tasks;
mod view;
mod warnings;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::roads::Roads;
use dothi_kernel::{Caller, Cursors, Directory, Error, Permission, Result, Scope, Staff};
use dothi_store::Store;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{AlarmCounts, AlarmFacts, CaseFacts};
use crate::pack::{IncidentsPack, KindDef, Ladder, Named, Policy, ResourceKind, RosterDef, SeverityDef, Target};

pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors(':');

/// What other domains know; the server wires it.
#[async_trait]
pub trait Matters: Send + Sync {
    /// An alarm the caller may see. 404 when there is none.
    async fn alarm(&self, caller: &Caller, id: Uuid) -> Result<AlarmFacts>;
    /// A case the caller may see. 404 when there is none.
    async fn case(&self, caller: &Caller, id: Uuid) -> Result<CaseFacts>;
    /// All of an alarm, for the evidence pack.
    async fn alarm_document(&self, caller: &Caller, id: Uuid) -> Result<Value>;
    /// Pieces of cameras' recordings that were exported for an incident.
    async fn clips(&self, caller: &Caller, incident: Uuid) -> Result<Vec<Clip>>;
    /// Alarms that are open.
    async fn alarm_counts(&self, caller: &Caller) -> Result<AlarmCounts>;
}

/// A piece of a recording, for the evidence pack.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Name of its files, without an ending.
    pub name: String,
    /// Camera, time, reason, who asked and who allowed it, masks, hashes; why there is no file, if there is none.
    pub about: Value,
    /// MP4, masks and watermark burnt in.
    pub file: Option<bytes::Bytes>,
}

/// What is installed, ready to be asked.
pub(crate) struct Rules {
    pub pack: IncidentsPack,
}

impl Rules {
    /// Bounds and words; 422 `incidents.not-installed` without a pack.
    pub fn policy(&self) -> Result<&Policy> {
        self.pack.policy.as_ref().ok_or_else(not_installed)
    }
    /// How incidents move.
    pub fn flow(&self) -> Result<&dothi_kernel::flow::Flow> {
        self.pack.flow.as_ref().ok_or_else(not_installed)
    }
    /// A type. 422 `incidents.kind`.
    pub fn kind(&self, code: &str) -> Result<&KindDef> {
        let found = self.pack.kind.iter().find(|k| k.code == code);
        found.ok_or_else(|| Error::unprocessable("incidents.kind", "There is no such type of incident.").with("kind", code))
    }
}

fn not_installed() -> Error {
    Error::unprocessable("incidents.not-installed", "No pack says how incidents are led here.")
}

/// What there is to choose from.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OperationsCatalogue)]
pub struct Catalogue {
    /// Types.
    pub kinds: Vec<KindDef>,
    /// Severities and what they mean.
    pub severities: Vec<SeverityDef>,
    /// States: code and names.
    pub states: Vec<Named>,
    /// Positions.
    pub positions: Vec<Named>,
    /// Rosters.
    pub rosters: Vec<RosterDef>,
    /// Ladders.
    pub ladders: Vec<Ladder>,
    /// Kinds of resources.
    pub resource_kinds: Vec<ResourceKind>,
    /// Targets of the time chain.
    pub targets: Vec<Target>,
    /// Bounds and words.
    pub policy: Option<Policy>,
}

/// The domain.
pub struct Incidents {
    pub(crate) store: Store,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) staff: Arc<dyn Staff>,
    pub(crate) matters: Arc<dyn Matters>,
    pub(crate) calendar: Arc<WorkCalendar>,
    /// Ways by road.
    pub(crate) roads: Option<Arc<dyn Roads>>,
    rules: RwLock<Arc<Rules>>,
}

impl Incidents {
    /// Opens the domain over a store that has [`MIGRATIONS`]. Days and shifts are those of `calendar`'s zone.
    pub async fn open(
        store: Store,
        directory: Arc<dyn Directory>,
        staff: Arc<dyn Staff>,
        matters: Arc<dyn Matters>,
        calendar: Arc<WorkCalendar>,
    ) -> Result<Self> {
        let this = Self { store, directory, staff, matters, calendar, roads: None, rules: RwLock::new(Arc::new(Rules { pack: IncidentsPack::default() })) };
        this.reload().await?;
        Ok(this)
    }

    /// Says who knows the ways by road; without, they are guessed.
    #[must_use]
    pub fn with_roads(mut self, roads: Arc<dyn Roads>) -> Self {
        self.roads = Some(roads);
        self
    }

    /// Installs what a pack declares. Its procedures become approved versions the first time; a procedure that changed since becomes a
    /// draft to be approved here, and what runs keeps its version. 422 `incidents.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: IncidentsPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if part.is_empty() {
            return Ok(());
        }
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("incidents.pack.invalid", "The pack's operations are not usable.").with("fault", fault));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_pack(&mut tx, pack, &part).await?;
        procedures::take_over(&mut tx, pack, &part.procedure).await?;
        tx.audit("incidents.pack.install", &format!("pack:{pack}"), &serde_json::json!({ "kinds": part.kind.len(), "procedures": part.procedure.len() }))
            .await?;
        tx.commit().await?;
        self.reload().await
    }

    async fn reload(&self) -> Result<()> {
        let mut pack = IncidentsPack::default();
        for part in tables::packs(&self.store).await? {
            pack.add(part);
        }
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules { pack });
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Types, severities, positions, ladders, kinds of resources and targets with how sure they are.
    pub fn catalogue(&self, caller: &Caller) -> Result<Catalogue> {
        require_any(caller, &[Permission::IncidentRead, Permission::DispatchDo])?;
        let p = &self.rules().pack;
        let states = p.flow.iter().flat_map(|f| &f.states).map(|(code, s)| Named { code: code.clone(), name: s.name.clone(), name_en: s.name_en.clone() });
        Ok(Catalogue {
            kinds: p.kind.clone(),
            severities: p.severity.clone(),
            states: states.collect(),
            positions: p.position.clone(),
            rosters: p.roster.clone(),
            ladders: p.ladder.clone(),
            resource_kinds: p.resource_kind.clone(),
            targets: p.target.clone(),
            policy: p.policy.clone(),
        })
    }

    /// Units whose incidents a caller may see: none = all. 401 or 403 for those who may see nothing.
    pub(crate) fn visible(&self, caller: &Caller) -> Result<Option<BTreeSet<String>>> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        Ok(caller.units_with(Permission::IncidentRead))
    }

    /// An organisation. 422 `incidents.unit`.
    pub(crate) fn unit(&self, id: &str) -> Result<dothi_kernel::UnitRef> {
        self.directory.unit(id).ok_or_else(|| Error::unprocessable("incidents.unit", "There is no such unit."))
    }

    /// The name of somebody who holds a permission over a unit. 422 `incidents.person`.
    pub(crate) async fn holder(&self, person: Uuid, permission: Permission, unit: &str) -> Result<dothi_kernel::PersonRef> {
        let found = self.staff.holders(permission, unit).await?.into_iter().find(|p| p.id == person);
        found.ok_or_else(|| Error::unprocessable("incidents.person", "This person has not the role for it here."))
    }
}

/// One of several permissions, anywhere.
pub(crate) fn require_any(caller: &Caller, any: &[Permission]) -> Result<()> {
    match any.iter().find(|p| caller.may(**p, Scope::ANY)) {
        Some(_) => Ok(()),
        None => caller.require(any.first().copied().unwrap_or(Permission::SystemRead), Scope::ANY),
    }
}

/// A text within bounds, trimmed. 400 `incidents.text` when it is empty or too long.
pub(crate) fn words(text: &str, field: &'static str, most: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most {
        return Err(Error::invalid("incidents.text", "A text is missing or too long.").with("field", field).with("limit", most));
    }
    Ok(text.to_string())
}

/// A text that may be left out.
pub(crate) fn maybe(text: Option<&str>, field: &'static str, most: usize) -> Result<Option<String>> {
    text.map(str::trim).filter(|t| !t.is_empty()).map(|t| words(t, field, most)).transpose()
}

/// Somebody else changed it meanwhile.
pub(crate) fn stale() -> Error {
    Error::conflict("incidents.version", "Somebody changed this meanwhile. Look at it again.")
}

pub(crate) fn unknown() -> Error {
    Error::not_found("incidents.unknown", "There is no such thing.")
}
