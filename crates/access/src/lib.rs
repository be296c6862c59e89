//! People, organisations and areas (with their history), sign-in, tokens, roles, the working calendar.
//!
//! [`Access`] is the domain; it also is the platform's [`Directory`]. Units are bitemporal in the store and held in
//! memory as they stand today; see the README.

mod guard;
pub mod http;
pub mod http_gate;
mod http_letters;
mod jobs;
pub mod letters;
pub mod model;
pub mod pack;
mod people;
mod sessions;
mod snapshot;
mod tables;
mod tables_mail;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Directory, Error, Event, Page, PageQuery, Permission, PersonRef, Place, Result, Scope, Staff, Timestamp, UnitRef};
use dothi_store::{AuditRow, ChainReport, Store};
use serde_json::json;

pub use model::Credentials;
use model::{AreaRef, Found, RoleView, SpecialDay, Unit, UnitHistory, UnitKind};
use pack::{AccessPack, Policy};
use snapshot::Snapshot;
pub use tables::MIGRATIONS;

/// What the installation says, not the pack.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// Code of the province this installation serves.
    pub home_province: String,
    /// Whether the session cookie is sent over HTTPS only.
    pub secure_cookies: bool,
}

/// The domain.
pub struct Access {
    store: Store,
    settings: AccessSettings,
    snapshot: RwLock<Arc<Snapshot>>,
    throttle: guard::Throttle,
}

/// What units to list.
#[derive(Debug, Clone, Default)]
pub struct UnitsWanted {
    /// Areas or organisations.
    pub kind: Option<UnitKind>,
    /// Level (`province`).
    pub level: Option<String>,
    /// Directly below this unit.
    pub parent: Option<String>,
    /// Words in the name.
    pub words: Option<String>,
    /// As the law stood on this day; none = today.
    pub as_of: Option<String>,
    /// As we believed at this instant; none = now.
    pub known_at: Option<Timestamp>,
}

impl Access {
    /// Opens the domain on what is stored; units, roles and rules come with [`Access::install`].
    pub async fn open(store: Store, settings: AccessSettings) -> Result<Self> {
        let snapshot = Snapshot::build(tables::load(&store).await?, store.clock().now())?;
        Ok(Self { store, settings, snapshot: RwLock::new(Arc::new(snapshot)), throttle: guard::Throttle::default() })
    }

    /// Makes what a pack declares the present belief. Does nothing when the same files are installed already.
    /// 400 `access.pack.faulty` with the first faults.
    pub async fn install(&self, caller: &Caller, pack: &str, part: AccessPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let faults = part.check();
        if let Some(first) = faults.first() {
            return Err(Error::invalid("access.pack.faulty", "The pack's units or roles are not usable.").with("fault", first).with("faults", faults.len()));
        }
        let mut tx = self.store.begin(caller).await?;
        if tables::pack_hash(&mut tx, pack).await?.as_deref() == Some(part.hash.as_str()) {
            return tx.rollback().await;
        }
        let (begun, ended) = tables::record_pack(&mut tx, pack, &part).await?;
        tx.audit("access.pack.installed", &format!("pack:{pack}"), &json!({ "hash": part.hash, "begun": begun, "ended": ended })).await?;
        tx.emit(Event::UnitsChanged);
        tx.schedule(jobs::TURN, "units", caller.now).await?;
        tx.commit().await?;
        self.reload().await
    }

    /// Reads units, roles and rules again: after another node changed them, or when a day begins on which some unit
    /// begins or ends.
    pub async fn reload(&self) -> Result<()> {
        let snapshot = Arc::new(Snapshot::build(tables::load(&self.store).await?, self.store.clock().now())?);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn policy(&self) -> Result<Arc<Policy>> {
        self.snapshot().policy.clone().ok_or_else(not_installed)
    }

    /// Working time of the authorities. 503 `access.not-installed` before a pack with a calendar is installed.
    pub fn calendar(&self) -> Result<Arc<WorkCalendar>> {
        self.snapshot().calendar.clone().ok_or_else(not_installed)
    }

    /// Days off and swapped days with how far each is known.
    pub fn special_days(&self, _caller: &Caller, year: Option<i16>) -> Vec<SpecialDay> {
        let prefix = year.map(|y| format!("{y:04}-")).unwrap_or_default();
        self.snapshot().days.iter().filter(|d| d.date.starts_with(&prefix)).cloned().collect()
    }

    /// Units as the law stood on a day, as we believed at an instant.
    pub async fn units(&self, caller: &Caller, wanted: &UnitsWanted, page: &PageQuery) -> Result<Page<Unit>> {
        let today = self.snapshot().today().to_string();
        if let Some(day) = &wanted.as_of
            && (day.len() != 10 || day.parse::<jiff::civil::Date>().is_err())
        {
            return Err(Error::invalid("access.unit.as-of", "`as_of` must be a day such as 2025-06-30."));
        }
        let filter = tables::UnitFilter {
            kind: wanted.kind,
            level: wanted.level.as_deref(),
            parent: wanted.parent.as_deref(),
            words: bounded(wanted.words.as_deref(), 100)?,
            as_of: wanted.as_of.as_deref().unwrap_or(&today),
            known_at: wanted.known_at.unwrap_or(caller.now),
        };
        tables::units(&self.store, &filter, page).await
    }

    /// A unit with all its versions and what came before and after. 404 `access.unit.unknown`.
    pub fn unit_history(&self, _caller: &Caller, id: &str) -> Result<UnitHistory> {
        self.snapshot().history(id).ok_or_else(|| unknown_unit(id))
    }

    /// Areas by old and new names, accents or not, with the areas of today.
    pub fn search(&self, _caller: &Caller, words: &str, page: &PageQuery) -> Result<Page<Found>> {
        bounded(Some(words), 100)?;
        let skip: usize = page.after.as_deref().map_or(Ok(0), str::parse).map_err(|_| Error::invalid("page.after", "`after` is not a cursor of this list."))?;
        let snapshot = self.snapshot();
        let hits = snapshot.search(words);
        let total = hits.len();
        let items: Vec<Found> = hits.into_iter().skip(skip).take(page.limit()).map(|u| snapshot.found(u)).collect();
        let end = skip.saturating_add(items.len());
        Ok(Page { items, next: (end < total).then(|| end.to_string()), total: Some(total as u64) })
    }

    /// GeoJSON of the areas below `parent` (none = provinces) and an entity tag.
    pub fn areas_geojson(&self, _caller: &Caller, parent: Option<&str>) -> (String, String) {
        let snapshot = self.snapshot();
        let tag = dothi_store::secret::kept(&format!("{}/{}", snapshot.stamp, parent.unwrap_or_default()));
        (format!("\"{}\"", &tag[..32]), snapshot.areas_geojson(parent))
    }

    /// The commune at a point. 404 `access.place.outside`.
    pub fn place_at(&self, _caller: &Caller, point: Point) -> Result<Place> {
        self.snapshot().locate(point).ok_or_else(|| Error::not_found("access.place.outside", "This place lies outside the areas known here."))
    }

    /// All roles.
    pub fn roles(&self, _caller: &Caller) -> Vec<RoleView> {
        let view = |(code, r): (&String, &model::Role)| RoleView {
            code: code.clone(),
            name: r.name.clone(),
            name_en: r.name_en.clone(),
            reach: r.reach,
            permissions: r.permissions.clone(),
        };
        self.snapshot().roles.iter().map(view).collect()
    }

    /// The audit log, newest first.
    pub async fn audit(&self, caller: &Caller, prefix: &str, page: &PageQuery) -> Result<Page<AuditRow>> {
        caller.require(Permission::AuditRead, Scope::ANY)?;
        bounded(Some(prefix), 100)?;
        self.store.audit_page(page, prefix).await
    }

    /// Checks the audit log's chain from the first row to the last.
    pub async fn audit_verify(&self, caller: &Caller) -> Result<ChainReport> {
        caller.require(Permission::AuditRead, Scope::ANY)?;
        self.store.audit_verify().await
    }

    pub(crate) fn home_ref(&self) -> AreaRef {
        let code = self.settings.home_province.clone();
        let name = self.snapshot().unit(&code).map_or_else(|| code.clone(), |u| u.name.clone());
        AreaRef { code, name }
    }

    /// Every permission there is, for callers that the installation itself trusts.
    pub(crate) fn everything() -> BTreeSet<Permission> {
        use Permission::*;
        BTreeSet::from([
            ContextRead,
            ContextWrite,
            DeviceManage,
            DeviceCommand,
            AlarmRead,
            AlarmHandle,
            CaseRead,
            CaseHandle,
            CaseTriage,
            CaseApprove,
            CaseIdentity,
            WorkDo,
            DossierWrite,
            IndicatorReport,
            IndicatorApprove,
            ScorecardRead,
            HistoryQuery,
            PeopleManage,
            UnitsManage,
            PackManage,
            AuditRead,
            SystemRead,
        ])
    }
}

#[async_trait]
impl Staff for Access {
    async fn holders(&self, permission: Permission, unit: &str) -> Result<Vec<PersonRef>> {
        let mut found = Vec::new();
        for (person, grants) in tables::granted_staff(&self.store).await? {
            let holds = |g: &dothi_kernel::Grant| g.permissions.contains(&permission) && g.units.as_ref().is_none_or(|us| us.contains(unit));
            if self.expand(&grants).iter().any(holds) {
                found.push(PersonRef { id: person.id, name: person.name });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.truncate(500);
        Ok(found)
    }
}

impl Directory for Access {
    fn locate(&self, point: Point) -> Option<Place> {
        self.snapshot().locate(point)
    }
    fn commune(&self, code: &str) -> Option<Place> {
        self.snapshot().place(code)
    }
    fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef> {
        self.snapshot().organisation_for(area, function)
    }
    fn unit(&self, id: &str) -> Option<UnitRef> {
        self.snapshot().unit(id).map(|u| u.reference())
    }
    fn is_within(&self, unit: &str, ancestor: &str) -> bool {
        self.snapshot().is_within(unit, ancestor)
    }
    fn communes(&self, province: &str) -> Vec<UnitRef> {
        self.snapshot().areas_below(province)
    }
    fn home(&self) -> String {
        self.settings.home_province.clone()
    }
}

fn not_installed() -> Error {
    Error::unavailable("access.not-installed", "The base pack is not installed yet.")
}

pub(crate) fn unknown_unit(id: &str) -> Error {
    Error::not_found("access.unit.unknown", "There is no such unit.").with("unit", id.chars().take(60).collect::<String>())
}

/// The text when it is not longer than `max` characters; 400 `input.too-long`.
pub(crate) fn bounded(text: Option<&str>, max: usize) -> Result<Option<&str>> {
    match text {
        Some(t) if t.chars().count() > max => Err(Error::invalid("input.too-long", "This text is too long.").with("max", max)),
        other => Ok(other),
    }
}
