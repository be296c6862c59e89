//! What operations ask of other domains: alarms and cases, without anything personal.

use std::sync::Arc;

use async_trait::async_trait;
use dothi_cases::Cases;
use dothi_incidents::model::{AlarmCounts, AlarmFacts, CaseFacts};
use dothi_incidents::{Clip, Matters};
use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};
use dothi_rules::Rules;
use dothi_rules::model::{BySeverity, Outside};
use dothi_video::Video;
use serde_json::Value;
use uuid::Uuid;

use crate::City;

/// Source of the alarms about cameras, and their sector when they have none.
const CAMERA: &str = "camera";
/// Bytes of recordings that one evidence pack takes: it is put together in memory.
const CLIPS: usize = 256 << 20;

/// An alarm rose: it may open an incident, or join one.
pub async fn consider(city: &City, alarm: Uuid) -> Result<()> {
    let system = Caller::system("incidents", city.store.clock().as_ref());
    let known = Known { rules: city.rules.clone(), cases: city.cases.clone(), video: city.video.clone() };
    match known.alarm(&system, alarm).await {
        Ok(facts) => city.incidents.on_alarm(&system, &facts).await.map(|_| ()),
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// A panel's signal is confirmed: the same, under the name `panel.` and its kind.
pub async fn consider_signal(city: &City, signal: Uuid, kind: &str, severity: Severity) -> Result<()> {
    let rule = format!("panel.{kind}");
    if !city.incidents.would_open(&rule, severity) {
        return Ok(());
    }
    let system = Caller::system("incidents", city.store.clock().as_ref());
    let row = match city.panels.signal(&system, signal).await {
        Ok(found) => found.row,
        Err(e) if e.kind() == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let facts = AlarmFacts {
        kind: "signal",
        href: format!("/ioc/panels?signal={signal}"),
        id: signal,
        rule,
        title: city.panels.kind_name(kind),
        severity: row.severity,
        entity_name: row.premises.map_or(row.address, |p| p.name),
        point: row.location,
        area: row.commune.map(|c| c.id),
        raised_at: row.at,
    };
    city.incidents.on_alarm(&system, &facts).await.map(|_| ())
}

/// A camera's picture became worse or better: an alarm, or the end of one. The state before and the one now may both be alarms.
pub async fn camera_changed(city: &City, system: &Caller, camera: Uuid, state: &str, before: &str, area: Option<String>) -> Result<()> {
    let Some(facts) = city.video.facts(camera) else { return Ok(()) };
    let key = |state: &str| format!("{camera}:{state}");
    if city.video.state_def(before).is_some_and(|s| s.severity.is_some()) {
        city.rules.return_to_normal(system, CAMERA, &key(before), &facts.entity, Some(system.now)).await?;
    }
    let Some(def) = city.video.state_def(state).filter(|s| s.severity.is_some()) else { return Ok(()) };
    let alarm = Outside {
        source: CAMERA.into(),
        key: key(state),
        entity: facts.entity,
        severity: def.severity,
        title: def.alarm,
        title_en: def.alarm_en,
        name: Some(facts.name),
        sector: if facts.sector.is_empty() { CAMERA.into() } else { facts.sector },
        at: Some(system.now),
        area,
        location: facts.location,
        ..Outside::default()
    };
    city.rules.raise_from(system, &alarm).await.map(|_| ())
}

/// Alarms and cases.
pub struct Known {
    /// Alarms.
    pub rules: Arc<Rules>,
    /// Cases.
    pub cases: Arc<Cases>,
    /// Cameras.
    pub video: Arc<Video>,
}

#[async_trait]
impl Matters for Known {
    async fn alarm(&self, caller: &Caller, id: Uuid) -> Result<AlarmFacts> {
        let alarm = self.rules.alarm(caller, id).await?.alarm;
        Ok(AlarmFacts {
            kind: "alarm",
            href: format!("/ioc?alarm={id}"),
            id,
            rule: alarm.rule,
            title: alarm.title,
            severity: alarm.severity,
            entity_name: alarm.entity_name,
            point: alarm.location,
            area: alarm.area,
            raised_at: alarm.raised_at,
        })
    }

    async fn case(&self, caller: &Caller, id: Uuid) -> Result<CaseFacts> {
        let case = self.cases.get(caller, id).await?;
        Ok(CaseFacts { id, code: case.code, title: case.category_name, point: case.location, area: case.area, opened_at: case.opened_at })
    }

    async fn alarm_document(&self, caller: &Caller, id: Uuid) -> Result<Value> {
        let alarm = self.rules.alarm(caller, id).await?;
        serde_json::to_value(alarm).map_err(|e| Error::internal("writing an alarm", e))
    }

    async fn clips(&self, caller: &Caller, incident: Uuid) -> Result<Vec<Clip>> {
        let mut clips = Vec::new();
        for (export, file) in self.video.evidence(caller, incident, CLIPS).await? {
            let mut about = serde_json::to_value(&export).map_err(|e| Error::internal("writing about a recording", e))?;
            let file = match file {
                Ok((_, bytes)) => Some(bytes),
                Err(e) if e.kind() == dothi_kernel::Kind::Internal => return Err(e),
                Err(e) => {
                    about["missing"] = e.code().into();
                    None
                }
            };
            clips.push(Clip { name: format!("{}-{}", export.from.strftime("%Y%m%dT%H%M%SZ"), export.id.simple()), about, file });
        }
        Ok(clips)
    }

    async fn alarm_counts(&self, caller: &Caller) -> Result<AlarmCounts> {
        // Who keeps the shift without seeing alarms hands over what they see.
        if !caller.may(Permission::AlarmRead, Scope::ANY) {
            return Ok(AlarmCounts::default());
        }
        let counts = self.rules.counts(caller).await?;
        let sum = |s: &BySeverity| s.critical + s.high + s.medium + s.low + s.info;
        let unread = sum(&counts.active);
        let shelved = self.rules.shelved(caller).await?;
        Ok(AlarmCounts { open: unread + sum(&counts.acknowledged), unread, shelved })
    }
}
