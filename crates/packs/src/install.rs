//! Handing a pack's parts to the domains, and remembering that it was done.

use std::collections::BTreeMap;
use std::sync::Arc;

use dothi_access::Access;
use dothi_cases::Cases;
use dothi_context::Context;
use dothi_dossiers::Dossiers;
use dothi_incidents::Incidents;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope, Timestamp};
use dothi_notify::Notify;
use dothi_oversight::Oversight;
use dothi_panels::Panels;
use dothi_rules::Rules;
use dothi_store::Store;
use dothi_traffic::Traffic;
use dothi_video::Video;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::manifest::Version;
use crate::tables::{self, InstalledRow};
use crate::{Library, Pack};

/// Version of this program; a pack is installed anew by a later one, because what is stored may have changed.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// Who takes a pack's parts.
#[derive(Clone)]
pub struct Domains {
    /// Areas, organisations, roles.
    pub access: Arc<Access>,
    /// Entity types and profiles.
    pub context: Arc<Context>,
    /// Rules.
    pub rules: Arc<Rules>,
    /// Case types.
    pub cases: Arc<Cases>,
    /// Messages.
    pub notify: Arc<Notify>,
    /// Procedures.
    pub dossiers: Arc<Dossiers>,
    /// Signals of panels.
    pub panels: Arc<Panels>,
    /// Traffic.
    pub traffic: Arc<Traffic>,
    /// Cameras.
    pub video: Arc<Video>,
    /// Operations.
    pub incidents: Arc<Incidents>,
    /// Indicators.
    pub oversight: Arc<Oversight>,
}

/// What is installed here.
#[derive(Clone)]
pub struct Packs {
    store: Store,
    domains: Domains,
}

/// What installing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Installation {
    /// Pack.
    pub name: String,
    /// Version.
    pub version: String,
    /// Content hash.
    pub hash: String,
    /// False when exactly this was installed already.
    pub changed: bool,
}

/// A pack in a list: what is installed and what the folder offers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PackRow {
    /// Name.
    pub name: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Licences of its contents.
    pub licence: String,
    /// Version installed; absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<String>,
    /// When it was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub installed_at: Option<Timestamp>,
    /// Content hash of what is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Version in the folder of packs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
}

/// How a pack in the folder differs from what is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// Version installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Version in the folder.
    pub to: String,
    /// Files that are new.
    pub added: Vec<String>,
    /// Files that changed.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
}

impl Packs {
    /// The packs of an installation.
    pub fn open(store: Store, domains: Domains) -> Self {
        Self { store, domains }
    }

    /// Installs a pack: each domain takes its part in one change, then the pack is marked as installed. Doing it twice, or
    /// again after a fall in the middle, ends the same. Needs `pack-manage`.
    /// 422 `packs.requires` when a pack it builds on is not installed, `packs.older` when a later version is.
    pub async fn install(&self, caller: &Caller, pack: &Pack) -> Result<Installation> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let (name, head) = (pack.manifest.name.as_str(), &pack.manifest);
        let installed = tables::all(&self.store).await?;
        let version = |row: &InstalledRow| Version::parse(&row.manifest.version);
        for r in head.requirements() {
            let there = installed.iter().find(|row| row.manifest.name == r.name);
            if there.is_none_or(|row| r.least.is_some() && version(row) < r.least) {
                return Err(Error::unprocessable("packs.requires", "A pack this one builds on is not installed.").with("pack", name).with("requires", r.name));
            }
        }
        let done = |changed| Installation { name: name.to_string(), version: head.version.clone(), hash: pack.hash.clone(), changed };
        if let Some(row) = installed.iter().find(|row| row.manifest.name == name) {
            if row.hash == pack.hash && row.program == PROGRAM {
                return Ok(done(false));
            }
            if version(row) > Version::parse(&head.version) {
                return Err(Error::unprocessable("packs.older", "A later version of this pack is installed.")
                    .with("pack", name)
                    .with("installed", &row.manifest.version)
                    .with("offered", &head.version));
            }
        }
        let d = &self.domains;
        // Areas and organisations first: the others may look them up.
        if let Some(part) = &pack.access {
            d.access.install(caller, name, part.clone()).await?;
        }
        d.context.install(caller, name, pack.context.clone()).await?;
        d.rules.install(caller, name, pack.rules.clone()).await?;
        d.cases.install(caller, name, pack.cases.clone()).await?;
        d.notify.install(caller, name, pack.notify.clone()).await?;
        d.dossiers.install(caller, name, pack.dossiers.clone()).await?;
        d.panels.install(caller, name, pack.panels.clone()).await?;
        d.traffic.install(caller, name, pack.traffic.clone()).await?;
        d.video.install(caller, name, pack.video.clone()).await?;
        d.incidents.install(caller, name, pack.incidents.clone()).await?;
        d.oversight.install(caller, name, pack.oversight.clone()).await?;
        let mut tx = self.store.begin(caller).await?;
        let row = InstalledRow { manifest: head.clone(), hash: pack.hash.clone(), program: PROGRAM.into(), files: pack.files.clone(), at: caller.now };
        tables::put(&mut tx, &row).await?;
        tx.audit("pack.install", &format!("pack:{name}"), &json!({ "version": head.version, "hash": pack.hash })).await?;
        tx.emit(Event::PackInstalled { pack: name.to_string() });
        tx.commit().await?;
        Ok(done(true))
    }

    /// What is installed, and what `library` offers beside it. Needs `pack-manage`.
    pub async fn list(&self, caller: &Caller, library: Option<&Library>) -> Result<Vec<PackRow>> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let mut rows: BTreeMap<String, PackRow> = BTreeMap::new();
        if let Some(library) = library {
            for manifest in library.names()?.iter().filter_map(|name| library.manifest(name)) {
                let available = Some(manifest.version.clone());
                rows.insert(manifest.name.clone(), PackRow { available, ..row_of(manifest) });
            }
        }
        for row in tables::all(&self.store).await? {
            let available = rows.get(&row.manifest.name).and_then(|r| r.available.clone());
            let listed =
                PackRow { installed: Some(row.manifest.version.clone()), installed_at: Some(row.at), hash: Some(row.hash), available, ..row_of(row.manifest) };
            rows.insert(listed.name.clone(), listed);
        }
        Ok(rows.into_values().collect())
    }

    /// What installing a pack would change, by file. Needs `pack-manage`.
    pub async fn diff(&self, caller: &Caller, pack: &Pack) -> Result<Difference> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let installed = tables::all(&self.store).await?.into_iter().find(|row| row.manifest.name == pack.manifest.name);
        let before = installed.as_ref().map(|row| &row.files);
        let was = |path: &String| before.and_then(|files| files.get(path));
        let picked =
            |keep: &dyn Fn(&String, &String) -> bool| pack.files.iter().filter(|(path, hash)| keep(path, hash)).map(|(path, _)| path.clone()).collect();
        Ok(Difference {
            added: picked(&|path, _| was(path).is_none()),
            changed: picked(&|path, hash| was(path).is_some_and(|h| h != hash)),
            removed: before.into_iter().flatten().map(|(path, _)| path).filter(|path| !pack.files.contains_key(*path)).cloned().collect(),
            from: installed.as_ref().map(|row| row.manifest.version.clone()),
            to: pack.manifest.version.clone(),
        })
    }
}

fn row_of(manifest: crate::Manifest) -> PackRow {
    PackRow {
        name: manifest.name,
        title: manifest.title,
        title_en: manifest.title_en,
        licence: manifest.licence,
        installed: None,
        installed_at: None,
        hash: None,
        available: None,
    }
}
