//! The registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope, UnitRef};
use dothi_store::Tx;
use url::Url;
use uuid::Uuid;

use crate::model::{Board, CameraInput, CameraRow, CameraView, DetectorDef, FindQuery, Hours, Mask, Record};
use crate::tables::{self, Camera};
use crate::{FORM, Video, sight, source, tables_seen};

/// Most cameras of an installation: they are held in memory.
const CAMERAS: i64 = 10_000;
const MASKS: usize = 20;
const DETECTORS: usize = 5;

fn wrong(field: &'static str) -> Error {
    Error::unprocessable("video.camera.invalid", "A field of the camera cannot be used.").with("field", field)
}

/// A URL without name and password, and these.
fn address(text: &str) -> Result<(String, Option<(String, String)>)> {
    let text = FORM.needed(text, 500, "url")?;
    if source::clip(&text).is_some() {
        return Ok((text, None));
    }
    let mut url = Url::parse(&text).map_err(|_| wrong("url"))?;
    if url.scheme() != "rtsp" || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("url"));
    }
    let plain = |part: &str| percent(part).ok_or_else(|| wrong("url"));
    let secret = if url.username().is_empty() { None } else { Some((plain(url.username())?, plain(url.password().unwrap_or(""))?)) };
    url.set_username("").map_err(|()| wrong("url"))?;
    url.set_password(None).map_err(|()| wrong("url"))?;
    Ok((url.to_string(), secret))
}

/// Undoes `%41`; none when it is no text then.
fn percent(text: &str) -> Option<String> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

/// Minutes of `06:00`.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= 1_440).then_some(hours * 60 + minutes)
}

fn check_masks(masks: &[Mask]) -> Result<()> {
    if masks.len() > MASKS {
        return Err(wrong("masks"));
    }
    for mask in masks {
        FORM.bounded(&mask.name, 100, "masks")?;
        mask.polygon().check().map_err(|_| wrong("masks"))?;
    }
    Ok(())
}

impl Video {
    fn check_detectors(&self, detectors: &[DetectorDef]) -> Result<()> {
        let pack = self.pack();
        let mut codes = BTreeSet::new();
        let named = |text: &str, most: usize| !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        for d in detectors {
            let model = pack.model.iter().find(|m| m.code == d.model).ok_or_else(|| wrong("detectors"))?;
            let known = sight::spec_of(model)?.told();
            let sound = codes.insert(&d.code)
                && named(&d.code, 40)
                && named(&d.attribute, 60)
                && (1..=20).contains(&d.classes.len())
                && d.classes.iter().all(|c| known.contains(c))
                && (5..=3_600).contains(&d.every_seconds)
                && crate::count::sound(&d.counting);
            if !sound {
                return Err(wrong("detectors"));
            }
        }
        if detectors.len() > DETECTORS { Err(wrong("detectors")) } else { Ok(()) }
    }

    fn check_hours(hours: &[Hours], record: Record) -> Result<()> {
        let sound = hours.len() <= 10 && hours.iter().all(|h| minutes(&h.from).zip(minutes(&h.to)).is_some_and(|(a, b)| a != b));
        if !sound || (record == Record::Hours) == hours.is_empty() { Err(wrong("hours")) } else { Ok(()) }
    }

    pub(crate) fn row(&self, c: &Camera) -> CameraRow {
        CameraRow {
            id: c.id,
            code: c.code.clone(),
            name: c.name.clone(),
            address: c.address.clone(),
            location: c.location,
            bearing: c.bearing,
            angle: c.angle,
            reach: c.reach,
            commune: self.commune_ref(&c.commune),
            unit: self.unit_ref(&c.unit),
            sector: c.sector.clone(),
            purpose: c.purpose.clone(),
            state: if c.active { c.state.clone() } else { crate::pack::UNKNOWN.into() },
            state_since: c.state_since,
            looked_at: c.looked_at,
            record: c.record,
            recording: self.recorders().is_recording(c.id),
            viewers: self.viewers().get(&c.id).copied().unwrap_or(0),
            masked: !c.masks.is_empty(),
            active: c.active,
            version: c.version,
        }
    }

    /// Cameras of the caller's units, by code. Needs `camera-watch`, `camera-manage` or `camera-audit`.
    pub fn list(&self, caller: &Caller, query: &FindQuery) -> Result<Page<CameraRow>> {
        let units = self.visible(caller)?;
        let words = dothi_kernel::text::fold(query.q.as_deref().unwrap_or(""));
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let after = query.after.as_deref().unwrap_or("");
        let same = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w.is_empty() || w == has);
        let mut all = self.all();
        all.retain(|c| {
            c.code.as_str() > after
                && (c.unit.is_empty() || units.as_ref().is_none_or(|u| u.contains(&c.unit)))
                && same(&query.unit, &c.unit)
                && same(&query.sector, &c.sector)
                && same(&query.state, &c.state)
                && (words.is_empty() || dothi_kernel::text::fold(&format!("{} {} {}", c.code, c.name, c.address)).contains(&words))
        });
        let page = Page::of(all, limit, |c| c.code.clone());
        Ok(Page { items: page.items.iter().map(|c| self.row(c)).collect(), next: page.next, total: None })
    }

    /// One camera. Needs `camera-watch`, `camera-manage` or `camera-audit` in its unit. 404 `video.camera.unknown`.
    pub async fn camera(&self, caller: &Caller, id: Uuid) -> Result<CameraView> {
        self.visible(caller)?;
        let c = self.known(id).ok_or_else(|| Error::not_found("video.camera.unknown", "There is no such camera."))?;
        if ![Permission::CameraManage, Permission::CameraAudit].iter().any(|p| self.may(caller, *p, &c)) {
            self.require(caller, Permission::CameraWatch, &c)?;
        }
        let manages = self.may(caller, Permission::CameraManage, &c);
        let policy = self.policy(caller.now).ok();
        let credentials = if manages { Some(tables::secret(&self.store, id).await?.is_some()) } else { None };
        Ok(CameraView {
            row: self.row(&c),
            legal: c.legal.clone(),
            retention_days: c.retention_days.or(policy.map(|p| p.retention_days)).unwrap_or(0),
            retention_own: c.retention_days.is_some(),
            hours: c.hours.clone(),
            entity: c.entity.clone(),
            url: manages.then(|| c.url.clone()),
            credentials,
            masks: c.masks.clone(),
            unmasked: self.may(caller, Permission::CameraUnmask, &c),
            detectors: c.detectors.clone(),
            health: tables::health(&self.store, id, 20).await?,
            counts: tables::counts(&self.store, id, 20).await?,
            link: self.hub.link(id),
            at: c.at,
            by: c.by.clone(),
        })
    }

    /// Figures of now, of the caller's units.
    pub async fn board(&self, caller: &Caller) -> Result<Board> {
        let units = self.visible(caller)?;
        let mut board = Board { asked: tables_seen::asked(&self.store).await?, ..Board::default() };
        let mut states: BTreeMap<String, u32> = BTreeMap::new();
        for c in self.all().iter().filter(|c| c.active && (c.unit.is_empty() || units.as_ref().is_none_or(|u| u.contains(&c.unit)))) {
            board.cameras += 1;
            *states.entry(c.state.clone()).or_default() += 1;
            let row = self.row(c);
            board.recording += u32::from(row.recording);
            board.viewers += row.viewers;
        }
        board.states = states;
        Ok(board)
    }

    fn unit_of(&self, input: &CameraInput, commune: &str, functions: &[String]) -> Result<String> {
        match input.unit.as_deref().map(str::trim).filter(|u| !u.is_empty()) {
            Some(unit) => {
                let found = self.directory.unit(unit);
                found.map(|u| u.id).ok_or_else(|| Error::unprocessable("video.unit", "There is no such unit.").with("unit", unit))
            }
            None if commune.is_empty() => Ok(String::new()),
            None => Ok(functions.iter().find_map(|f| self.directory.organisation_for(commune, f)).map(|u: UnitRef| u.id).unwrap_or_default()),
        }
    }

    fn commune_of(&self, input: &CameraInput) -> Result<String> {
        match input.commune.as_deref().map(str::trim).filter(|c| !c.is_empty()) {
            Some(code) => {
                self.directory.commune(code).ok_or_else(|| Error::unprocessable("video.commune", "There is no such commune.").with("commune", code))?;
                Ok(code.to_string())
            }
            None => Ok(input.location.and_then(|l| self.directory.locate(l)).map(|p| p.commune).unwrap_or_default()),
        }
    }

    /// Registers a camera (`id` absent) or changes one. Needs `camera-manage` in its unit, before and after.
    /// 400 `outside.refused`, 404, 409 `video.version`, `video.code.taken`, 422 `video.camera.invalid`, `video.camera.many`, `video.unit`, `video.commune`.
    pub async fn put(&self, caller: &Caller, id: Option<Uuid>, input: CameraInput) -> Result<CameraView> {
        caller.require(Permission::CameraManage, Scope::ANY)?;
        let policy = self.policy(caller.now)?;
        let (url, found) = address(&input.url)?;
        if let Ok(url) = Url::parse(&url) {
            self.settings.guard.check(&url)?;
        }
        let given = input.user.as_deref().map(|u| (u.trim().to_string(), input.password.clone().unwrap_or_default()));
        let secret = given.filter(|(u, _)| !u.is_empty()).or(found);
        if secret.as_ref().is_some_and(|(u, p)| u.len() > 200 || p.len() > 200) {
            return Err(wrong("password"));
        }
        Self::check_hours(&input.hours, input.record)?;
        let mut tx = self.store.begin(caller).await?;
        let old = match id {
            Some(id) => {
                let old = tables::camera_in(&mut tx, id).await?.ok_or_else(|| Error::not_found("video.camera.unknown", "There is no such camera."))?;
                self.require(caller, Permission::CameraManage, &old)?;
                if input.version != Some(old.version) {
                    return Err(FORM.stale());
                }
                Some(old)
            }
            None => {
                if tables::count(&mut tx).await? >= CAMERAS {
                    return Err(Error::unprocessable("video.camera.many", "There are as many cameras as an installation may have."));
                }
                None
            }
        };
        let camera = self.made(&tx, caller, &input, old.as_ref(), url, &policy)?;
        self.require(caller, Permission::CameraManage, &camera)?;
        if tables::camera_coded(&mut tx, &camera.code).await?.is_some_and(|c| c.id != camera.id) {
            return Err(Error::conflict("video.code.taken", "Another camera has this code."));
        }
        tables::put_camera(&mut tx, &camera).await?;
        self.put_secret(&mut tx, &camera, old.as_ref(), &input, secret).await?;
        let detail = serde_json::json!({ "code": camera.code, "active": camera.active, "masks": camera.masks.len(), "record": camera.record });
        tx.audit(if old.is_some() { "video.camera.change" } else { "video.camera.add" }, &format!("camera:{}", camera.id), &detail).await?;
        tx.emit(Event::CameraChanged { camera: camera.id, what: "camera".into(), unit: camera.unit.clone() });
        tx.commit().await?;
        let id = camera.id;
        self.cameras.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(camera));
        self.hub.again(id);
        self.camera(caller, id).await
    }

    async fn put_secret(&self, tx: &mut Tx, camera: &Camera, old: Option<&Camera>, input: &CameraInput, secret: Option<(String, String)>) -> Result<()> {
        let host = |url: &str| Url::parse(url).ok().map(|u| (u.host_str().unwrap_or_default().to_string(), u.port()));
        if let Some((user, password)) = &secret {
            return tables::put_secret(tx, camera.id, Some((user, password))).await;
        }
        // An empty name takes the password away; so does another address, which must not be told it.
        let elsewhere = old.is_some_and(|o| host(&o.url) != host(&camera.url));
        if input.user.is_some() || elsewhere { tables::put_secret(tx, camera.id, None).await } else { Ok(()) }
    }

    fn made(&self, tx: &Tx, caller: &Caller, input: &CameraInput, old: Option<&Camera>, url: String, policy: &crate::pack::Policy) -> Result<Camera> {
        let within = |v: Option<f64>, least: f64, most: f64, field: &'static str| match v {
            Some(v) if !(least..=most).contains(&v) => Err(wrong(field)),
            v => Ok(v),
        };
        if !self.pack().purpose.iter().any(|p| p.code == input.purpose) {
            return Err(wrong("purpose"));
        }
        if input.retention_days.is_some_and(|d| d == 0 || d > policy.retention_most) {
            return Err(wrong("retention_days"));
        }
        let masks = input.masks.clone().or(old.map(|o| o.masks.clone())).unwrap_or_default();
        check_masks(&masks)?;
        let detectors = input.detectors.clone().or(old.map(|o| o.detectors.clone())).unwrap_or_default();
        self.check_detectors(&detectors)?;
        let code = FORM.needed(&input.code, 40, "code")?;
        if !code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(wrong("code"));
        }
        let location = input.location.map(|l| dothi_kernel::geo::Point::new(l.lon, l.lat)).transpose()?;
        let commune = self.commune_of(input)?;
        Ok(Camera {
            id: old.map_or_else(|| tx.id(), |o| o.id),
            entity: old.map_or_else(|| format!("urn:ngsi-ld:Camera:{code}"), |o| o.entity.clone()),
            name: FORM.needed(&input.name, 200, "name")?,
            address: FORM.bounded(&input.address, 300, "address")?,
            location,
            bearing: within(input.bearing, 0.0, 360.0, "bearing")?,
            angle: within(input.angle, 1.0, 360.0, "angle")?,
            reach: within(input.reach, 1.0, 5_000.0, "reach")?,
            unit: self.unit_of(input, &commune, &policy.functions)?,
            commune,
            sector: FORM.bounded(&input.sector, 40, "sector")?,
            purpose: input.purpose.clone(),
            legal: FORM.bounded(&input.legal, 500, "legal")?,
            retention_days: input.retention_days,
            record: input.record,
            hours: input.hours.clone(),
            url,
            masks,
            detectors,
            active: input.active,
            state: old.map_or_else(|| crate::pack::UNKNOWN.into(), |o| o.state.clone()),
            state_since: old.and_then(|o| o.state_since),
            looked_at: old.and_then(|o| o.looked_at),
            at: caller.now,
            by: caller.name.to_string(),
            version: old.map_or(1, |o| o.version + 1),
            code,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_put_aside() {
        let (url, secret) = address("rtsp://admin:p%40ss@203.0.113.7:8554/live?x=1").unwrap();
        assert_eq!((url.as_str(), secret), ("rtsp://203.0.113.7:8554/live?x=1", Some(("admin".to_string(), "p@ss".to_string()))));
        assert!(address("http://203.0.113.7/").is_err() && address("file:../x").is_err() && address("rtsp:///x").is_err());
        assert_eq!((minutes("06:30"), minutes("24:00"), minutes("24:01"), minutes("7")), (Some(390), Some(1440), None, None));
    }
}
