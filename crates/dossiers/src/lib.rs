//! Dossiers of administrative procedures: every dossier's state and deadline, boards of what is on time, due soon and
//! overdue, apology slips, scores of agencies, satisfaction at the counter. The dossiers are made elsewhere, in the one-stop
//! systems; this crate takes them in, keeps their history and reckons. What procedures, states, deadlines and scores there
//! are is a pack's.

mod anomalies;
mod board;
mod clock;
mod desk;
mod figures;
pub mod http;
mod http_more;
mod http_polls;
mod intake;
mod jobs;
mod measures;
pub mod model;
pub mod model_more;
pub mod pack;
pub mod polls;
mod public;
mod ratings;
mod rehearsal;
mod score;
mod sheet;
mod slip;
mod tables;
mod tables_board;
mod tables_more;
mod tables_polls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Caller, Cursors, Directory, Error, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::outside::Guard;
use dothi_store::{Store, secret};
use regex::Regex;
use tokio::sync::Notify as Bell;

use crate::model::{Catalogue, PolicyView};
use crate::pack::{DossiersPack, Policy, Procedure, StateDef};

pub use rehearsal::run_tests;
pub use sheet::sheet;
pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('~');

/// What is installed, ready to be asked.
#[derive(Default)]
pub(crate) struct Rules {
    pub pack: DossiersPack,
    pub procedures: BTreeMap<String, Procedure>,
    pub states: BTreeMap<u32, StateDef>,
    /// Policies by their first day, rising, with the form of a dossier's code.
    pub policies: Vec<(Policy, Regex)>,
}

impl Rules {
    fn of(pack: DossiersPack) -> Self {
        let procedures = pack.procedure.iter().map(|p| (p.code.clone(), p.clone())).collect();
        let states = pack.state.iter().map(|s| (s.number, s.clone())).collect();
        // Patterns were tried when the pack was checked.
        let policies = pack.policy.iter().filter_map(|p| Some((p.clone(), Regex::new(&p.code).ok()?))).collect();
        Self { procedures, states, policies, pack }
    }

    /// The policy of an instant; the first one for what came before it. 422 `dossiers.policy.none`.
    pub fn policy(&self, calendar: &WorkCalendar, at: Timestamp) -> Result<&(Policy, Regex)> {
        let day = calendar.zone().to_datetime(at).date();
        let found = self.policies.iter().rev().find(|(p, _)| p.valid_from <= day).or(self.policies.first());
        found.ok_or_else(|| Error::unprocessable("dossiers.policy.none", "No pack says how deadlines are counted."))
    }
}

/// The domain.
pub struct Dossiers {
    store: Store,
    directory: Arc<dyn Directory>,
    calendar: Arc<WorkCalendar>,
    rules: RwLock<Arc<Rules>>,
    secret: String,
    tries: Mutex<public::Tries>,
    /// Which addresses sources may have.
    guard: Guard,
    /// Wakes whoever asks sources.
    bell: Bell,
}

impl Dossiers {
    /// Opens the domain over a store that has [`MIGRATIONS`]. Deadlines are counted by `calendar`.
    pub async fn open(store: Store, directory: Arc<dyn Directory>, calendar: Arc<WorkCalendar>) -> Result<Self> {
        let mut tx = store.begin_as("dossiers").await?;
        let own = tables::secret(&mut tx, &secret::letters(40)).await?;
        tx.commit().await?;
        let this =
            Self { store, directory, calendar, rules: RwLock::default(), secret: own, tries: Mutex::default(), guard: Guard::default(), bell: Bell::new() };
        this.reload().await?;
        Ok(this)
    }

    /// Installs what a pack declares; dossiers keep what was reckoned for them. 422 `dossiers.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: DossiersPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if part.is_empty() {
            return Ok(());
        }
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("dossiers.pack.invalid", "The pack's procedures are not usable.").with("fault", fault));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_pack(&mut tx, pack, &part).await?;
        tx.audit("dossiers.pack.install", &format!("pack:{pack}"), &serde_json::json!({ "procedures": part.procedure.len() })).await?;
        tx.commit().await?;
        self.reload().await
    }

    async fn reload(&self) -> Result<()> {
        let mut all = DossiersPack::default();
        for part in tables::packs(&self.store).await? {
            all.add(part);
        }
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::of(all));
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Procedures, states, channels and the rules of deadlines with how sure they are. Public.
    pub fn catalogue(&self, caller: &Caller) -> Result<Catalogue> {
        let rules = self.rules();
        let policy = rules.policy(&self.calendar, caller.now).ok().map(|(p, _)| PolicyView::of(p));
        Ok(Catalogue {
            policy,
            states: rules.pack.state.clone(),
            channels: rules.pack.channel.clone(),
            procedures: rules.pack.procedure.clone(),
            sources: rules.pack.source.iter().map(|s| UnitRef { id: s.code.clone(), name: s.name.clone() }).collect(),
        })
    }

    /// Units whose dossiers a caller may see: none = all. 401 or 403 for those who may see nothing.
    fn visible(&self, caller: &Caller) -> Result<Option<BTreeSet<String>>> {
        let mut units = BTreeSet::new();
        for permission in [Permission::CaseRead, Permission::ScorecardRead, Permission::DossierWrite] {
            match caller.units_with(permission) {
                None => return Ok(None),
                Some(some) => units.extend(some),
            }
        }
        if units.is_empty() {
            caller.require(Permission::CaseRead, Scope::ANY)?;
        }
        Ok(Some(units))
    }

    fn unit_name(&self, id: &str) -> String {
        self.directory.unit(id).map_or_else(|| id.to_string(), |u| u.name)
    }

    fn commune_name(&self, code: &str) -> String {
        self.directory.commune(code).map_or_else(|| code.to_string(), |p| p.commune_name)
    }

    /// The month of an instant (`2026-11`).
    fn month(&self, at: Timestamp) -> String {
        self.calendar.zone().to_datetime(at).date().strftime("%Y-%m").to_string()
    }

    /// A keyed hash that only this installation can make.
    fn keyed(&self, what: &str, text: &str) -> String {
        secret::kept(&format!("{}\n{what}\n{text}", self.secret))
    }
}

fn unknown() -> Error {
    Error::not_found("dossiers.unknown", "There is no such dossier.")
}
