//! A piece of a recording as a file: asked for with a reason, allowed by a second person where the pack says so, made by a job with
//! masks and watermark burnt in, with a manifest of what it was made of, and kept for some days.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Event, Kind, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::params;
use serde_json::json;
use uuid::Uuid;

use crate::media::{Config, TICKS, Unit};
use crate::model::{Export, ExportInput, LogQuery, Mask, SettleInput};
use crate::replay::span;
use crate::sight::Burner;
use crate::tables::{Camera, Filter};
use crate::tables_seen::{self, Segment};
use crate::{CURSORS, FORM, Video, cursor, jobs, mp4, reason};

/// Largest result.
const LARGEST: usize = 512 * 1024 * 1024;
/// Exports that go with one incident.
const EVIDENCE: usize = 50;
/// Files of one export.
const FILES: usize = 1_000;
/// Kilobits a second of the new pictures.
const KBIT: u32 = 3_000;
/// Pictures of one fragment of the result.
const TOGETHER: usize = 50;

fn unknown() -> Error {
    Error::not_found("video.export.unknown", "There is no such export.")
}

/// The result as it grows.
struct File {
    bytes: Vec<u8>,
    waiting: Vec<Unit>,
    sequence: u32,
    frames: u32,
}

impl File {
    fn push(&mut self, unit: Unit) -> Result<()> {
        self.waiting.push(unit);
        self.frames += 1;
        if self.waiting.len() >= TOGETHER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.bytes.extend_from_slice(&mp4::fragment(self.sequence, &self.waiting)?);
            self.sequence += 1;
            self.waiting.clear();
        }
        if self.bytes.len() > LARGEST {
            return Err(Error::unprocessable("video.export.large", "The piece is too long for one file."));
        }
        Ok(())
    }
}

/// What one file of the recording adds, worked on beside the asynchronous work.
struct Work {
    burner: Burner,
    file: File,
    /// Time in the result at which the next picture stands.
    next: u64,
}

impl Work {
    fn add(&mut self, source: &Bytes, segment: &Segment, span: (Timestamp, Timestamp), head: &str, zone: &jiff::tz::TimeZone) -> Result<()> {
        let (config, units) = mp4::read(source)?;
        for unit in units {
            let after = unit.dts.saturating_sub(segment.base) * 1_000_000 / u64::from(TICKS);
            let at = segment.from + Duration::from_micros(after);
            if at >= span.1 {
                break;
            }
            if at + Duration::from_micros(u64::from(unit.duration) * 1_000_000 / u64::from(TICKS)) <= span.0 {
                self.burner.pass(&config, &unit)?;
                continue;
            }
            let clock = at.to_zoned(zone.clone()).strftime("%d/%m/%Y %H:%M:%S").to_string();
            let Some(made) = self.burner.push(&config, &unit, &[head, &clock])? else { continue };
            self.begin()?;
            self.file.push(Unit { dts: self.next, ..made })?;
            self.next += u64::from(unit.duration);
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        if self.file.bytes.is_empty() {
            let config: &Config = self.burner.config().ok_or_else(|| Error::internal("exporting a recording", "no parameter sets"))?;
            self.file.bytes = mp4::init(config)?.to_vec();
        }
        Ok(())
    }
}

impl Video {
    /// Asks for a piece as a file: needs `camera-export` in the unit and a reason. 404 `video.recording.none`, 422 `video.span`, `video.reason`.
    pub async fn ask_export(&self, caller: &Caller, id: Uuid, input: &ExportInput) -> Result<Export> {
        let camera = self.own(caller, Permission::CameraExport, id)?;
        let policy = self.policy(caller.now)?;
        let why = reason(&input.reason)?;
        span(input.from, input.to, Duration::from_secs(u64::from(policy.export_minutes) * 60))?;
        if tables_seen::segments(&self.store, id, input.from, input.to, 1).await?.is_empty() {
            return Err(Error::not_found("video.recording.none", "Nothing was recorded in this time."));
        }
        let mut tx = self.store.begin(caller).await?;
        let made = tables_seen::Export {
            id: tx.id(),
            camera: id,
            unit: camera.unit.clone(),
            from: input.from,
            to: input.to,
            reason: why,
            state: if policy.export_approval { "asked" } else { "waiting" }.into(),
            person: caller.id,
            who: caller.name.to_string(),
            asked_at: caller.now,
            settled_by: None,
            settled_at: None,
            settled_why: None,
            sha256: None,
            size: None,
            manifest: None,
            fault: None,
            done_at: None,
            incident: input.incident,
            version: 1,
        };
        tables_seen::put_export(&mut tx, &made).await?;
        let detail = json!({ "from": made.from, "to": made.to, "reason": made.reason, "incident": made.incident });
        tx.audit("video.export.ask", &format!("camera:{id}"), &detail).await?;
        if made.state == "waiting" {
            tx.schedule(jobs::EXPORT, &made.id.to_string(), caller.now).await?;
        }
        tx.emit(Event::CameraChanged { camera: id, what: "export".into(), unit: camera.unit.clone() });
        tx.commit().await?;
        Ok(self.export_view(caller, made))
    }

    /// Exports of the caller's units, newest first: needs `camera-export`, `camera-approve` or `camera-audit`.
    pub async fn exports(&self, caller: &Caller, query: &LogQuery) -> Result<Page<Export>> {
        let mut filter = Filter::default();
        let mut units = std::collections::BTreeSet::new();
        let mut all = false;
        for permission in [Permission::CameraExport, Permission::CameraApprove, Permission::CameraAudit] {
            match caller.units_with(permission) {
                None => all = true,
                Some(some) => units.extend(some),
            }
        }
        if !all {
            if units.is_empty() {
                caller.require(Permission::CameraExport, Scope::ANY)?;
            }
            filter.units(Some(&units));
        }
        if let Some(camera) = query.camera {
            filter.add("camera = ?", params![camera]);
        }
        if let Some(who) = query.who.as_deref().filter(|w| !w.is_empty()) {
            filter.add("who = ?", params![who]);
        }
        if let Some(after) = &query.after {
            let (at, id) = cursor(after)?;
            filter.add("(asked_at < ? or (asked_at = ? and id < ?))", params![at, at, id]);
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let page = Page::of(tables_seen::exports(&self.store, &filter, limit + 1).await?, limit, |e| CURSORS.write(e.asked_at, e.id));
        Ok(Page { items: page.items.into_iter().map(|e| self.export_view(caller, e)).collect(), next: page.next, total: None })
    }

    fn export_view(&self, caller: &Caller, e: tables_seen::Export) -> Export {
        let days = self.policy(caller.now).map_or(0, |p| p.export_days);
        let settles = e.state == "asked" && e.who != *caller.name && self.known(e.camera).is_some_and(|c| self.may(caller, Permission::CameraApprove, &c));
        Export {
            id: e.id,
            camera: self.camera_ref(e.camera),
            from: e.from,
            to: e.to,
            reason: e.reason,
            until: e.done_at.filter(|_| e.state == "ready").map(|d| d + Duration::from_secs(u64::from(days) * 86_400)),
            state: e.state,
            who: e.who,
            asked_at: e.asked_at,
            settled_by: e.settled_by,
            settled_why: e.settled_why,
            fault: e.fault,
            sha256: e.sha256,
            size: e.size.and_then(|s| u64::try_from(s).ok()),
            manifest: e.manifest.and_then(|m| serde_json::from_str(&m).ok()),
            incident: e.incident,
            mine_to_settle: settles,
            version: e.version,
        }
    }

    /// Allows or refuses what somebody else asked for: needs `camera-approve` in the unit. 403 `video.export.own`, 404, 409 `video.version`.
    pub async fn settle_export(&self, caller: &Caller, id: Uuid, input: &SettleInput) -> Result<Export> {
        caller.require(Permission::CameraApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let mut e = tables_seen::export_in(&mut tx, id).await?.ok_or_else(unknown)?;
        let camera = self.known(e.camera).ok_or_else(unknown)?;
        self.require(caller, Permission::CameraApprove, &camera)?;
        if e.who == *caller.name {
            return Err(Error::forbidden("video.export.own", "A second person must allow what you asked for."));
        }
        if e.state != "asked" || e.version != input.version {
            return Err(FORM.stale());
        }
        let why = if input.approve { FORM.bounded(&input.reason, 500, "reason")? } else { reason(&input.reason)? };
        e.state = if input.approve { "waiting" } else { "refused" }.into();
        (e.settled_by, e.settled_at, e.settled_why) = (Some(caller.name.to_string()), Some(caller.now), Some(why));
        e.version += 1;
        tables_seen::put_export(&mut tx, &e).await?;
        let detail = json!({ "approve": input.approve, "reason": e.settled_why });
        tx.audit("video.export.settle", &format!("export:{id}"), &detail).await?;
        if input.approve {
            tx.schedule(jobs::EXPORT, &id.to_string(), caller.now).await?;
        }
        tx.emit(Event::CameraChanged { camera: e.camera, what: "export".into(), unit: e.unit.clone() });
        tx.commit().await?;
        Ok(self.export_view(caller, e))
    }

    /// The file: needs `camera-export` in the unit. A line says who took it, before it goes out. 404 `video.export.unknown`, 409 `video.export.state`.
    pub async fn exported(&self, caller: &Caller, id: Uuid) -> Result<(String, Bytes)> {
        caller.require(Permission::CameraExport, Scope::ANY)?;
        let e = tables_seen::export(&self.store, id).await?.ok_or_else(unknown)?;
        let camera = self.own(caller, Permission::CameraExport, e.camera)?;
        let Some(sha256) = e.sha256.filter(|_| e.state == "ready") else {
            return Err(Error::conflict("video.export.state", "There is no file: it is not ready, or not kept any more.").with("state", &e.state));
        };
        let (_, bytes) = self.store.blobs().get(&sha256).await?;
        let mut line = self.line(caller, &camera, "export", e.reason, Some((e.from, e.to)));
        // Masks are burnt in, whoever takes it.
        line.unmasked = camera.masks.is_empty();
        line.ended_at = Some(caller.now);
        let mut tx = self.store.begin(caller).await?;
        tables_seen::put_seen(&mut tx, &line).await?;
        tx.commit().await?;
        Ok((format!("{}-{}.mp4", camera.code, e.from.strftime("%Y%m%dT%H%M%SZ")), bytes))
    }

    /// What was exported for an incident, oldest first, each with its file as far as the caller may have it (`exported`). Files after the
    /// first `most` bytes are left where they are (413 `video.export.large`).
    pub async fn evidence(&self, caller: &Caller, incident: Uuid, most: usize) -> Result<Vec<(Export, Result<(String, Bytes)>)>> {
        let mut filter = Filter::default();
        filter.add("incident = ?", params![incident]);
        let mut found = tables_seen::exports(&self.store, &filter, EVIDENCE).await?;
        found.reverse();
        let (mut all, mut taken) = (Vec::new(), 0);
        for e in found {
            let size = e.size.and_then(|s| usize::try_from(s).ok()).unwrap_or(0);
            let file = if taken + size > most {
                Err(Error::too_large("video.export.large", "The file is too large to go with the others; it is at the camera."))
            } else {
                self.exported(caller, e.id).await
            };
            taken += file.as_ref().map_or(0, |(_, bytes)| bytes.len());
            all.push((self.export_view(caller, e), file));
        }
        Ok(all)
    }

    /// Makes the file of an export that waits; may run twice.
    pub(crate) async fn make_export(self: Arc<Self>, id: Uuid) -> Result<()> {
        let Some(e) = tables_seen::export(&self.store, id).await?.filter(|e| e.state == "waiting") else { return Ok(()) };
        let outcome = match self.known(e.camera) {
            Some(camera) => self.burn(&camera, &e).await,
            None => Err(unknown()),
        };
        let outcome = match outcome {
            // What will not be better the next time ends it; the rest is tried again.
            Err(fault) if matches!(fault.kind(), Kind::Internal | Kind::Unavailable) => return Err(fault),
            other => other,
        };
        let blob = match &outcome {
            Ok((bytes, _)) => Some(self.store.blobs().put(bytes.clone(), "video/mp4").await?),
            Err(_) => None,
        };
        let mut tx = self.store.begin_as("video").await?;
        let Some(mut e) = tables_seen::export_in(&mut tx, id).await?.filter(|e| e.state == "waiting") else { return Ok(()) };
        e.done_at = Some(tx.now());
        e.version += 1;
        match (outcome, blob) {
            (Ok((_, mut manifest)), Some(blob)) => {
                tx.attach(&blob).await?;
                manifest["file"] = json!({ "sha256": blob.sha256, "size": blob.size });
                e.state = "ready".into();
                (e.size, e.sha256) = (i64::try_from(blob.size).ok(), Some(blob.sha256));
                e.manifest = Some(manifest.to_string());
            }
            (Err(fault), _) => {
                e.state = "failed".into();
                e.fault = Some(fault.code().to_string());
            }
            (Ok(_), None) => return Ok(()),
        }
        tables_seen::put_export(&mut tx, &e).await?;
        tx.emit(Event::CameraChanged { camera: e.camera, what: "export".into(), unit: e.unit.clone() });
        tx.commit().await
    }

    async fn burn(&self, camera: &Camera, e: &tables_seen::Export) -> Result<(Bytes, serde_json::Value)> {
        let segments = tables_seen::segments(&self.store, e.camera, e.from, e.to, FILES).await?;
        if segments.is_empty() {
            return Err(Error::not_found("video.recording.none", "Nothing was recorded in this time."));
        }
        let frames: u32 = segments.iter().map(|s| s.frames).sum();
        let long: i64 = segments.iter().map(|s| s.to.as_microsecond() - s.from.as_microsecond()).sum();
        let fps = (f64::from(frames) * 1e6 / (long.max(1) as f64)).clamp(1.0, 60.0) as f32;
        let head = format!("{} · {} · {}", camera.code, e.who, e.id.simple());
        let masks = camera.masks.iter().map(Mask::polygon).collect();
        let file = File { bytes: Vec::new(), waiting: Vec::new(), sequence: 1, frames: 0 };
        let mut work = Work { burner: Burner::new(masks, KBIT, fps)?, file, next: 0 };
        for segment in &segments {
            let (_, bytes) = self.store.blobs().get(&segment.sha256).await?;
            let (piece, head, span, zone) = (segment.clone(), head.clone(), (e.from, e.to), self.zone.clone());
            let mut worked = work;
            work = self.sight.work(move || worked.add(&bytes, &piece, span, &head, &zone).map(|()| worked)).await?;
        }
        work.file.flush()?;
        if work.file.frames == 0 {
            return Err(Error::not_found("video.recording.none", "Nothing was recorded in this time."));
        }
        let sources: Vec<_> = segments.iter().map(|s| json!({ "sha256": s.sha256, "from": s.from, "to": s.to, "gap_us": s.gap })).collect();
        let manifest = json!({
            "camera": { "code": camera.code, "name": camera.name, "entity": camera.entity },
            "from": e.from, "to": e.to, "reason": e.reason, "asked_by": e.who, "asked_at": e.asked_at, "allowed_by": e.settled_by,
            "masks": camera.masks.len(), "watermark": head, "frames": work.file.frames, "recordings": sources,
        });
        Ok((work.file.bytes.into(), manifest))
    }
}
