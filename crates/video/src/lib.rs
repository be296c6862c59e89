//! Cameras: registered with what they see and why, pulled by RTSP once however many watch, shown live, recorded, replayed and
//! exported with a reason, looked after, counted on. Who saw what is kept. Names of states, times and purposes are a pack's.

mod cameras;
mod count;
mod export;
pub mod http;
mod http_live;
mod http_more;
mod hub;
mod import;
mod jobs;
mod look;
pub mod media;
pub mod model;
pub mod mp4;
pub mod onvif;
pub mod pack;
mod record;
mod replay;
mod seen;
mod sight;
mod source;
mod tables;
mod tables_seen;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dothi_kernel::{Caller, Cursors, Directory, Error, Form, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::Store;
use dothi_store::outside::Guard;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::count::Counters;
use crate::hub::Hub;
use crate::look::Watched;
use crate::model::{Catalogue, ModelRow};
use crate::pack::{Policy, VideoPack};
use crate::record::Recorders;
use crate::source::Reach;
use crate::tables::Camera;

pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('~');

/// Texts of forms: 422 `video.too-long` and `video.empty`, 409 `video.version`.
pub(crate) const FORM: Form = Form { too_long: "video.too-long", empty: "video.empty", version: "video.version" };

/// What one installation is told about cameras.
#[derive(Debug, Clone, Default)]
pub struct VideoSettings {
    /// Which addresses cameras may have.
    pub guard: Guard,
    /// Our own address as people reach it: where live pictures may be asked from.
    pub base: String,
}

/// The domain.
pub struct Video {
    store: Store,
    directory: Arc<dyn Directory>,
    settings: VideoSettings,
    zone: TimeZone,
    pack: RwLock<Arc<VideoPack>>,
    cameras: RwLock<HashMap<Uuid, Arc<Camera>>>,
    hub: Arc<Hub>,
    watched: Mutex<Watched>,
    recorders: Mutex<Recorders>,
    counters: Mutex<Counters>,
    sight: sight::Sight,
    /// Live pictures being watched, by camera.
    viewers: Mutex<HashMap<Uuid, u32>>,
}

impl Video {
    /// Opens the domain over a store that has [`MIGRATIONS`]; `zone` is the province's.
    pub async fn open(store: Store, directory: Arc<dyn Directory>, settings: VideoSettings, zone: TimeZone) -> Result<Self> {
        let reach = Reach { guard: settings.guard, clips: store.data().join("clips") };
        let hub = Hub::new(store.clone(), reach);
        let this = Self {
            store,
            directory,
            settings,
            zone,
            pack: RwLock::default(),
            cameras: RwLock::default(),
            hub,
            watched: Mutex::default(),
            recorders: Mutex::default(),
            counters: Mutex::default(),
            sight: sight::Sight::default(),
            viewers: Mutex::default(),
        };
        this.reload_packs().await?;
        this.reload().await?;
        let mut tx = this.store.begin_as("video").await?;
        if tables_seen::end_left(&mut tx).await? > 0 {
            tx.commit().await?;
        }
        Ok(this)
    }

    /// Installs what a pack declares. 422 `video.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, mut part: VideoPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if part.is_empty() {
            return Ok(());
        }
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("video.pack.invalid", "The pack's part about cameras is not usable.").with("fault", fault));
        }
        let mut blobs = Vec::new();
        for model in &mut part.model {
            let Some(bytes) = part.bytes.get(&model.model) else { continue };
            let blob = self.store.blobs().put(bytes.clone(), "application/octet-stream").await?;
            model.sha256 = blob.sha256.clone();
            blobs.push(blob);
        }
        let mut tx = self.store.begin(caller).await?;
        for blob in &blobs {
            tx.attach(blob).await?;
        }
        tables::put_pack(&mut tx, pack, &part).await?;
        tx.audit("video.pack.install", &format!("pack:{pack}"), &serde_json::json!({ "models": part.model.len() })).await?;
        jobs::begin(&mut tx).await?;
        tx.commit().await?;
        self.reload_packs().await
    }

    async fn reload_packs(&self) -> Result<()> {
        let mut all = VideoPack::default();
        for part in tables::packs(&self.store).await? {
            all.add(part);
        }
        *self.pack.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    pub(crate) async fn reload(&self) -> Result<()> {
        let all = tables::all(&self.store).await?;
        *self.cameras.write().unwrap_or_else(PoisonError::into_inner) = all.into_iter().map(|c| (c.id, Arc::new(c))).collect();
        Ok(())
    }

    pub(crate) fn pack(&self) -> Arc<VideoPack> {
        self.pack.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rules of an instant. 422 `video.policy.none`.
    pub(crate) fn policy(&self, at: Timestamp) -> Result<Policy> {
        let (pack, day) = (self.pack(), at.to_zoned(self.zone.clone()).date());
        let found = pack.policy.iter().rev().find(|p| p.valid_from <= day).or(pack.policy.first());
        found.cloned().ok_or_else(|| Error::unprocessable("video.policy.none", "No pack says how cameras are watched."))
    }

    pub(crate) fn known(&self, id: Uuid) -> Option<Arc<Camera>> {
        self.cameras.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Cameras, by code.
    pub(crate) fn all(&self) -> Vec<Arc<Camera>> {
        let mut all: Vec<Arc<Camera>> = self.cameras.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by(|a, b| a.code.cmp(&b.code));
        all
    }

    pub(crate) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recorders(&self) -> MutexGuard<'_, Recorders> {
        self.recorders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn viewers(&self) -> MutexGuard<'_, HashMap<Uuid, u32>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rules, states, purposes, models. Needs `camera-watch`, `camera-manage` or `camera-audit`.
    pub fn catalogue(&self, caller: &Caller) -> Result<Catalogue> {
        self.visible(caller)?;
        let pack = self.pack();
        Ok(Catalogue {
            policy: self.policy(caller.now).ok(),
            states: pack.state.clone(),
            purposes: pack.purpose.clone(),
            models: pack
                .model
                .iter()
                .map(|m| ModelRow {
                    code: m.code.clone(),
                    name: m.name.clone(),
                    name_en: m.name_en.clone(),
                    counts: m.counts.clone(),
                    source: m.source.clone(),
                    licence: m.licence.clone(),
                    status: m.status,
                    note: m.note.clone(),
                })
                .collect(),
            private_networks: self.settings.guard.private,
        })
    }

    /// Units whose cameras a caller may see: none = all. 401 or 403 for those who may see nothing.
    pub(crate) fn visible(&self, caller: &Caller) -> Result<Option<BTreeSet<String>>> {
        let mut units = BTreeSet::new();
        for permission in [Permission::CameraWatch, Permission::CameraManage, Permission::CameraAudit] {
            match caller.units_with(permission) {
                None => return Ok(None),
                Some(some) => units.extend(some),
            }
        }
        if units.is_empty() {
            caller.require(Permission::CameraWatch, Scope::ANY)?;
        }
        Ok(Some(units))
    }

    /// A camera that the caller may do this with. 404 `video.camera.unknown`; 401, 403.
    pub(crate) fn own(&self, caller: &Caller, permission: Permission, id: Uuid) -> Result<Arc<Camera>> {
        caller.require(permission, Scope::ANY)?;
        let camera = self.known(id).ok_or_else(|| Error::not_found("video.camera.unknown", "There is no such camera."))?;
        self.require(caller, permission, &camera)?;
        Ok(camera)
    }

    /// Refuses those who may not do it in the camera's unit and sector; what belongs to no unit may be done by all who may do it somewhere.
    pub(crate) fn require(&self, caller: &Caller, permission: Permission, camera: &Camera) -> Result<()> {
        caller.require(permission, scope(&camera.unit, &camera.sector))
    }

    pub(crate) fn may(&self, caller: &Caller, permission: Permission, camera: &Camera) -> bool {
        caller.may(permission, scope(&camera.unit, &camera.sector))
    }

    pub(crate) fn unit_ref(&self, id: &str) -> Option<UnitRef> {
        (!id.is_empty()).then(|| self.directory.unit(id).unwrap_or_else(|| UnitRef { id: id.to_string(), name: id.to_string() }))
    }

    pub(crate) fn commune_ref(&self, code: &str) -> Option<UnitRef> {
        let name = || self.directory.commune(code).map_or_else(|| code.to_string(), |p| p.commune_name);
        (!code.is_empty()).then(|| UnitRef { id: code.to_string(), name: name() })
    }
}

fn scope<'a>(unit: &'a str, sector: &'a str) -> Scope<'a> {
    let scope = if unit.is_empty() { Scope::ANY } else { Scope::unit(unit) };
    if sector.is_empty() { scope } else { scope.sector(sector) }
}

/// A reason of 3 to 500 characters. 422 `video.reason`.
pub(crate) fn reason(text: &str) -> Result<String> {
    let text = FORM.bounded(text, 500, "reason")?;
    if text.chars().count() < 3 {
        return Err(Error::unprocessable("video.reason", "Say why, in 3 to 500 characters."));
    }
    Ok(text)
}

/// Reads an `after` of [`CURSORS`]. 400 `page.after`.
pub(crate) fn cursor(text: &str) -> Result<(Timestamp, Uuid)> {
    CURSORS.read(text).ok_or_else(|| Error::invalid("page.after", "This is not a `next` of a page before."))
}
