//! Tenants (CIM 009, 4.14 and 5.5.10): each is a [`Context`] of its own over a branch of the store, so that nothing of
//! one can be seen or changed from another, and no other code needs to know of them. Only the default tenant writes
//! history and tells the rest of the platform of its changes.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dothi_kernel::history::NoHistory;
use dothi_kernel::{Caller, Directory, Error, Permission, Result, Scope};
use dothi_store::{JobRunner, Store};

use crate::fault::{self, bad, cut};
use crate::{Context, ContextSettings, MIGRATIONS, tables, tables_tenants};

/// Tenants there may be beside the default one.
const MAX_TENANTS: usize = 128;
/// How often a tenant's timers are looked at when nothing wakes them.
const JOB_PAUSE: Duration = Duration::from_secs(2);

/// All tenants but the default one.
pub(crate) struct Tenants {
    store: Store,
    directory: Arc<dyn Directory>,
    settings: ContextSettings,
    all: RwLock<BTreeMap<String, Tenant>>,
    /// One is made at a time.
    making: tokio::sync::Mutex<()>,
}

struct Tenant {
    context: Arc<Context>,
    jobs: tokio::task::AbortHandle,
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.jobs.abort();
    }
}

impl Tenants {
    /// Opens those that there are.
    pub(crate) async fn open(store: Store, directory: Arc<dyn Directory>, settings: ContextSettings) -> Result<Self> {
        let tenants = Self { store, directory, settings, all: RwLock::default(), making: tokio::sync::Mutex::new(()) };
        for (number, name) in tables_tenants::load(&tenants.store).await? {
            tenants.start(number, &name).await?;
        }
        Ok(tenants)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Context>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().map(|t| t.context.clone()).collect()
    }

    fn get(&self, name: &str) -> Option<Arc<Context>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(name).map(|t| t.context.clone())
    }

    async fn start(&self, number: i64, name: &str) -> Result<Arc<Context>> {
        let store = self.store.branch(&format!("tenant_{number}"), &[MIGRATIONS]).await?;
        let context = Arc::new(Context::open_one(store.clone(), Arc::new(NoHistory), self.directory.clone(), self.settings, name.into()).await?);
        let now = store.clock().now().as_microsecond();
        for (pack, part) in tables::load_packs(&self.store).await? {
            context.take_over(&pack, part, now)?;
        }
        let jobs = tokio::spawn(context.clone().jobs(JobRunner::new(store)).run(JOB_PAUSE)).abort_handle();
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), Tenant { context: context.clone(), jobs });
        Ok(context)
    }

    async fn make(&self, caller: &Caller, name: &str) -> Result<Arc<Context>> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let _turn = self.making.lock().await;
        if let Some(made) = self.get(name) {
            return Ok(made);
        }
        let known = tables_tenants::load(&self.store).await?;
        if known.len() >= MAX_TENANTS {
            return Err(Error::unprocessable(fault::UNSUPPORTED, "There are too many tenants."));
        }
        let number = known.iter().map(|(n, _)| *n).max().unwrap_or(0) + 1;
        let mut tx = self.store.begin(caller).await?;
        tables_tenants::add(&mut tx, number, name).await?;
        tx.commit().await?;
        self.start(number, name).await
    }
}

/// Whether a name can be that of a tenant.
fn is_name(name: &str) -> bool {
    name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

impl Context {
    /// Another tenant. 404 NonexistentTenant when there is none of this name, unless `create` says to make it.
    pub async fn of_tenant(&self, caller: &Caller, name: &str, create: bool) -> Result<Arc<Context>> {
        if !is_name(name) {
            return Err(bad("A tenant's name has at most 100 letters, digits, '_', '-', '.' or ':'."));
        }
        let unknown = || Error::not_found(fault::NO_TENANT, format!("There is no tenant {}.", cut(name)));
        let tenants = self.tenants.as_ref().ok_or_else(unknown)?;
        match tenants.get(name) {
            Some(context) => Ok(context),
            None if create => tenants.make(caller, name).await,
            None => Err(unknown()),
        }
    }
}
