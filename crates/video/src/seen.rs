//! Who saw what: each live picture, replay, snapshot and export is a line, with its reason.

use std::sync::Arc;

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::params;
use uuid::Uuid;

use crate::hub::Lease;
use crate::model::{LogQuery, ViewRow};
use crate::tables::{Camera, Filter};
use crate::tables_seen::{self, Seen};
use crate::{CURSORS, FORM, Video, cursor, reason};

/// Kinds of lines.
const KINDS: [&str; 4] = ["live", "replay", "snapshot", "export"];
/// Live pictures that one person watches at once.
const AT_ONCE: usize = 12;

/// A live picture that is being watched. Dropped, the line ends.
pub(crate) struct Watching {
    video: Arc<Video>,
    pub camera: Arc<Camera>,
    pub lease: Lease,
    line: Uuid,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(n) = self.video.viewers().get_mut(&self.camera.id) {
            *n = n.saturating_sub(1);
        }
        let (video, line) = (self.video.clone(), self.line);
        // The runtime is gone when the program ends; the next start ends the line then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(e) = video.end_line(line).await {
                    tracing::warn!(error = %e, "the end of watching could not be kept");
                }
            });
        }
    }
}

impl Video {
    /// A line for something seen. Its camera's unit goes with it, so that who reads the log sees only their own.
    pub(crate) fn line(&self, caller: &Caller, camera: &Camera, kind: &str, why: String, span: Option<(Timestamp, Timestamp)>) -> Seen {
        Seen {
            id: self.store.clock().id(),
            camera: camera.id,
            unit: camera.unit.clone(),
            person: caller.id,
            who: caller.name.to_string(),
            kind: kind.into(),
            reason: why,
            unmasked: camera.masks.is_empty() || self.may(caller, Permission::CameraUnmask, camera),
            from: span.map(|s| s.0),
            to: span.map(|s| s.1),
            begun_at: caller.now,
            ended_at: None,
        }
    }

    async fn end_line(&self, line: Uuid) -> Result<()> {
        let mut tx = self.store.begin_as("video").await?;
        tables_seen::end_seen(&mut tx, line).await?;
        tx.commit().await
    }

    /// Begins to watch a live picture; the line is kept before the first picture goes out. Needs `camera-watch` in the camera's
    /// unit. 409 `video.inactive`, 422 `video.reason`, 429 `video.watching`.
    pub(crate) async fn watch(self: &Arc<Self>, caller: &Caller, id: Uuid, why: &str) -> Result<Watching> {
        let camera = self.own(caller, Permission::CameraWatch, id)?;
        if !camera.active {
            return Err(Error::conflict("video.inactive", "The camera is not in use."));
        }
        let why = if self.policy(caller.now)?.live_reason { reason(why)? } else { FORM.bounded(why, 500, "reason")? };
        let mut filter = Filter::default();
        filter.add("kind = 'live' and ended_at is null and who = ?", params![&*caller.name]);
        if tables_seen::seen_list(&self.store, &filter, AT_ONCE).await?.len() >= AT_ONCE {
            return Err(Error::too_many("video.watching", "You watch as many cameras as one person may at once."));
        }
        let line = self.line(caller, &camera, "live", why, None);
        let mut tx = self.store.begin(caller).await?;
        tables_seen::put_seen(&mut tx, &line).await?;
        tx.commit().await?;
        *self.viewers().entry(id).or_default() += 1;
        Ok(Watching { lease: self.hub.lease(id), video: self.clone(), camera, line: line.id })
    }

    /// Lines of the caller's units, newest first: `camera-audit`; without it, one camera's lines for those who may replay it.
    /// 400 `video.kind`, `page.after`.
    pub async fn log(&self, caller: &Caller, query: &LogQuery) -> Result<Page<ViewRow>> {
        let mut filter = Filter::default();
        if let Some(camera) = query.camera {
            if !self.known(camera).is_some_and(|c| self.may(caller, Permission::CameraReplay, &c)) {
                self.own(caller, Permission::CameraAudit, camera)?;
            }
            filter.add("camera = ?", params![camera]);
        } else {
            caller.require(Permission::CameraAudit, Scope::ANY)?;
            filter.units(caller.units_with(Permission::CameraAudit).as_ref());
        }
        if let Some(who) = query.who.as_deref().filter(|w| !w.is_empty()) {
            filter.add("who = ?", params![who]);
        }
        if let Some(kind) = query.kind.as_deref().filter(|k| !k.is_empty()) {
            if !KINDS.contains(&kind) {
                return Err(Error::invalid("video.kind", "Ask for `live`, `replay`, `snapshot` or `export`."));
            }
            filter.add("kind = ?", params![kind]);
        }
        if let Some(after) = &query.after {
            let (at, id) = cursor(after)?;
            filter.add("(begun_at < ? or (begun_at = ? and id < ?))", params![at, at, id]);
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let page = Page::of(tables_seen::seen_list(&self.store, &filter, limit + 1).await?, limit, |s| CURSORS.write(s.begun_at, s.id));
        Ok(Page { items: page.items.into_iter().map(|s| self.view_row(s)).collect(), next: page.next, total: None })
    }

    pub(crate) fn camera_ref(&self, id: Uuid) -> UnitRef {
        UnitRef { id: id.to_string(), name: self.known(id).map_or_else(|| id.to_string(), |c| c.name.clone()) }
    }

    fn view_row(&self, s: Seen) -> ViewRow {
        ViewRow {
            id: s.id,
            camera: self.camera_ref(s.camera),
            who: s.who,
            kind: s.kind,
            reason: s.reason,
            unmasked: s.unmasked,
            from: s.from,
            to: s.to,
            begun_at: s.begun_at,
            ended_at: s.ended_at,
        }
    }
}
