//! Fire and robbery panels: receives their messages (SIA DC-09), verifies them, knows the premises behind them, and
//! notices when a panel falls silent. What codes mean and when a signal counts as confirmed is a pack's.

mod accounts;
pub mod dc09;
mod desk;
pub mod http;
mod http_more;
mod import;
mod jobs;
mod listen;
pub mod model;
pub mod pack;
mod premises;
mod receive;
mod signals;
mod tables;
mod tables_signals;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dothi_kernel::{Caller, Cursors, Directory, Error, Form, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::Store;
use jiff::tz::TimeZone;

use crate::dc09::Scheme;
use crate::model::Catalogue;
use crate::pack::{CodeDef, KindDef, PanelsPack, Policy};
use crate::receive::Watch;
use crate::tables::Account;

pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('~');

/// Texts of forms: 422 `panels.too-long` and `panels.empty`, 409 `panels.version`.
pub(crate) const FORM: Form = Form { too_long: "panels.too-long", empty: "panels.empty", version: "panels.version" };

/// What is installed, ready to be asked.
#[derive(Default)]
pub(crate) struct Rules {
    pub pack: PanelsPack,
    kinds: HashMap<String, KindDef>,
    codes: HashMap<(Scheme, String), CodeDef>,
}

impl Rules {
    fn of(pack: PanelsPack) -> Self {
        let kinds = pack.kind.iter().map(|k| (k.code.clone(), k.clone())).collect();
        let codes = pack.code.iter().map(|c| ((c.scheme, c.code.clone()), c.clone())).collect();
        Self { pack, kinds, codes }
    }

    pub fn kind(&self, code: &str) -> Option<&KindDef> {
        self.kinds.get(code)
    }

    pub fn code(&self, scheme: Scheme, code: &str) -> Option<&CodeDef> {
        self.codes.get(&(scheme, code.to_string()))
    }

    /// The rules of an instant. 422 `panels.policy.none`.
    pub fn policy(&self, at: Timestamp) -> Result<&Policy> {
        let day = at.to_zoned(TimeZone::UTC).date();
        let found = self.pack.policy.iter().rev().find(|p| p.valid_from <= day).or(self.pack.policy.first());
        found.ok_or_else(|| Error::unprocessable("panels.policy.none", "No pack says how signals are verified."))
    }
}

/// The domain.
pub struct Panels {
    store: Store,
    directory: Arc<dyn Directory>,
    rules: RwLock<Arc<Rules>>,
    /// Panels by account.
    accounts: RwLock<HashMap<String, Arc<Account>>>,
    /// What is seen of them, and of strangers, between commits.
    watch: Mutex<Watch>,
    receiving: AtomicBool,
}

impl Panels {
    /// Opens the domain over a store that has [`MIGRATIONS`].
    pub async fn open(store: Store, directory: Arc<dyn Directory>) -> Result<Self> {
        let watch = Mutex::new(Watch::since(store.clock().now()));
        let this = Self { store, directory, rules: RwLock::default(), accounts: RwLock::default(), watch, receiving: AtomicBool::new(false) };
        this.reload_rules().await?;
        this.reload_accounts().await?;
        this.begin_watch().await?;
        Ok(this)
    }

    /// Installs what a pack declares. 422 `panels.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: PanelsPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if part.is_empty() {
            return Ok(());
        }
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("panels.pack.invalid", "The pack's signals are not usable.").with("fault", fault));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_pack(&mut tx, pack, &part).await?;
        tx.audit("panels.pack.install", &format!("pack:{pack}"), &serde_json::json!({ "codes": part.code.len() })).await?;
        tx.commit().await?;
        self.reload_rules().await
    }

    async fn reload_rules(&self) -> Result<()> {
        let mut all = PanelsPack::default();
        for part in tables::packs(&self.store).await? {
            all.add(part);
        }
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::of(all));
        Ok(())
    }

    pub(crate) async fn reload_accounts(&self) -> Result<()> {
        let all = tables::all_accounts(&self.store).await?;
        let by_number = all.into_iter().map(|a| (a.account.clone(), Arc::new(a))).collect();
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = by_number;
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn account_of(&self, number: &str) -> Option<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(number).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn watched(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kinds and rules. Needs `alarm-read` or `device-manage`.
    pub fn catalogue(&self, caller: &Caller) -> Result<Catalogue> {
        self.visible(caller)?;
        let rules = self.rules();
        Ok(Catalogue {
            policy: rules.policy(caller.now).ok().cloned(),
            kinds: rules.pack.kind.clone(),
            receiving: self.receiving.load(std::sync::atomic::Ordering::Relaxed),
        })
    }

    /// What a kind of signal is called; its code when no pack declares it any more.
    pub fn kind_name(&self, code: &str) -> String {
        self.rules().kind(code).map_or_else(|| code.to_string(), |k| k.name.clone())
    }

    /// Units whose signals a caller may see: none = all. 401 or 403 for those who may see nothing.
    pub(crate) fn visible(&self, caller: &Caller) -> Result<Option<BTreeSet<String>>> {
        let mut units = BTreeSet::new();
        for permission in [Permission::AlarmRead, Permission::DeviceManage] {
            match caller.units_with(permission) {
                None => return Ok(None),
                Some(some) => units.extend(some),
            }
        }
        if units.is_empty() {
            caller.require(Permission::AlarmRead, Scope::ANY)?;
        }
        Ok(Some(units))
    }

    /// Refuses those who may not do it in a unit; what belongs to no unit may be done by all who may do it somewhere.
    pub(crate) fn require(&self, caller: &Caller, permission: Permission, unit: &str) -> Result<()> {
        caller.require(permission, if unit.is_empty() { Scope::ANY } else { Scope::unit(unit) })
    }

    pub(crate) fn unit_ref(&self, id: &str) -> Option<UnitRef> {
        (!id.is_empty()).then(|| self.directory.unit(id).unwrap_or_else(|| UnitRef { id: id.to_string(), name: id.to_string() }))
    }

    pub(crate) fn commune_ref(&self, code: &str) -> Option<UnitRef> {
        let name = || self.directory.commune(code).map_or_else(|| code.to_string(), |p| p.commune_name);
        (!code.is_empty()).then(|| UnitRef { id: code.to_string(), name: name() })
    }
}
