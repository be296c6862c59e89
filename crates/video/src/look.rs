//! Looking after cameras: every so often a key frame of each is looked at; a camera that gives none is silent. Changes are told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Event, Permission, Result};
use dothi_vision::Polygon;
use dothi_vision::health::{Keep, State, Watch, look_outside};
use futures::StreamExt;
use uuid::Uuid;

use crate::model::{CameraView, Mask};
use crate::tables::{self, Camera};
use crate::{Video, sight};

/// Cameras that are looked at at once.
const AT_ONCE: usize = 4;
/// How long a camera has to give a picture.
const PICTURE: Duration = Duration::from_secs(20);

/// What is remembered of cameras between looks.
#[derive(Default)]
pub(crate) struct Watched {
    watches: HashMap<Uuid, Watch>,
    /// Looks without a picture, one after another.
    missed: HashMap<Uuid, u32>,
}

fn code(state: State) -> &'static str {
    match state {
        State::Fine => "fine",
        State::Frozen => "frozen",
        State::Dark => "dark",
        State::Bright => "bright",
        State::Blurred => "blurred",
        State::Moved => "moved",
    }
}

impl Video {
    /// Looks at every camera in use once.
    pub(crate) async fn look_round(self: &Arc<Self>) {
        let cameras: Vec<Arc<Camera>> = self.all().into_iter().filter(|c| c.active).collect();
        futures::stream::iter(cameras)
            .for_each_concurrent(AT_ONCE, |camera| async move {
                if let Err(e) = self.look_at(&camera).await {
                    tracing::warn!(camera = %camera.id, error = %e, "looking at a camera failed");
                }
            })
            .await;
    }

    /// Looks at one camera; its state now.
    pub(crate) async fn look_at(&self, camera: &Camera) -> Result<String> {
        let policy = self.policy(self.store.clock().now())?;
        let lease = self.hub.lease(camera.id);
        let state = match lease.key_frame(PICTURE).await {
            Ok(piece) => {
                let masks: Vec<Polygon> = camera.masks.iter().map(Mask::polygon).collect();
                let look = self.sight.work(move || look_outside(&sight::decode(&piece.config, &piece.unit)?, &masks)).await;
                match look {
                    Ok(look) => Some(self.seen(camera, &look).await?),
                    // A key frame that cannot be decoded is as good as none.
                    Err(e) => {
                        tracing::debug!(camera = %camera.id, error = %e, "a key frame cannot be decoded");
                        None
                    }
                }
            }
            Err(_) => None,
        };
        drop(lease);
        let missed = {
            let mut watched = self.watched();
            let missed = watched.missed.entry(camera.id).or_default();
            *missed = if state.is_some() { 0 } else { *missed + 1 };
            *missed
        };
        let state = match state {
            Some(state) => state,
            None if missed >= policy.silent_looks => "silent",
            // Once is no reason to call anybody.
            None => return Ok(camera.state.clone()),
        };
        self.settle(camera, state).await?;
        Ok(state.to_string())
    }

    async fn seen(&self, camera: &Camera, look: &dothi_vision::health::Look) -> Result<&'static str> {
        let known = self.watched().watches.contains_key(&camera.id);
        if !known {
            let thresholds = self.pack().health.clone().ok_or_else(|| Error::unprocessable("video.policy.none", "No pack says when a picture is faulty."))?;
            let views = serde_json::from_str(&tables::views(&self.store, camera.id).await?).unwrap_or_default();
            self.watched().watches.entry(camera.id).or_insert_with(|| Watch::with_views(thresholds, views));
        }
        let now = self.store.clock().now();
        let mut watched = self.watched();
        let Some(watch) = watched.watches.get_mut(&camera.id) else { return Ok(code(State::Fine)) };
        Ok(code(watch.see(now, look)))
    }

    /// Keeps what a look found; a change is told.
    async fn settle(&self, camera: &Camera, state: &str) -> Result<()> {
        let before = self.known(camera.id).map_or_else(|| camera.state.clone(), |c| c.state.clone());
        let changed = before != state;
        let views = {
            let watched = self.watched();
            let views = watched.watches.get(&camera.id).map(Watch::views);
            views.map(serde_json::to_string).transpose().map_err(|e| Error::internal("keeping a camera's view", e))?
        };
        let kept = tables::views(&self.store, camera.id).await?;
        let mut tx = self.store.begin_as("video").await?;
        tables::put_health(&mut tx, camera.id, state, changed.then_some(before.as_str()), views.as_deref().filter(|v| *v != kept)).await?;
        if changed {
            tx.emit(Event::CameraHealthChanged {
                camera: camera.id,
                state: state.to_string(),
                before,
                area: (!camera.commune.is_empty()).then(|| camera.commune.clone()),
                unit: camera.unit.clone(),
            });
        }
        let now = tx.now();
        tx.commit().await?;
        let mut cameras = self.cameras.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = cameras.get(&camera.id) {
            let mut fresh = Camera::clone(known);
            fresh.looked_at = Some(now);
            if changed {
                (fresh.state, fresh.state_since) = (state.to_string(), Some(now));
            }
            cameras.insert(camera.id, Arc::new(fresh));
        }
        Ok(())
    }

    /// A person says that what the camera shows now is right (it was turned on purpose): needs `camera-manage`. 409 `camera.view.none`.
    pub async fn confirm_view(&self, caller: &Caller, id: Uuid, beside: bool) -> Result<CameraView> {
        let camera = self.own(caller, Permission::CameraManage, id)?;
        let none = || Error::conflict("camera.view.none", "There is no picture to remember yet.");
        self.watched().watches.get_mut(&id).ok_or_else(none)?.confirm(if beside { Keep::Beside } else { Keep::Instead })?;
        let mut tx = self.store.begin(caller).await?;
        tx.audit("video.camera.view", &format!("camera:{id}"), &serde_json::json!({ "beside": beside })).await?;
        tx.commit().await?;
        self.settle(&camera, "fine").await?;
        self.camera(caller, id).await
    }

    /// What a state is called and how urgent it is; for those who make alarms of it.
    pub fn state_def(&self, state: &str) -> Option<crate::pack::StateDef> {
        self.pack().state.iter().find(|s| s.code == state).cloned()
    }

    /// Thing, name, sector and place of a camera; for those who make alarms of it.
    pub fn facts(&self, id: Uuid) -> Option<Facts> {
        self.known(id).map(|c| Facts { entity: c.entity.clone(), name: c.name.clone(), sector: c.sector.clone(), location: c.location })
    }

    /// An alarm about a thing: cameras that stand for it and record on events begin.
    pub fn thing_alarmed(&self, caller: &Caller, entity: &str) {
        for camera in self.all().iter().filter(|c| c.active && c.entity == entity) {
            self.record_event(camera, caller.now);
        }
    }
}

/// What others need to know of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// URN of its thing.
    pub entity: String,
    /// Name.
    pub name: String,
    /// Sector.
    pub sector: String,
    /// Place.
    pub location: Option<dothi_kernel::geo::Point>,
}
