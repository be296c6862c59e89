//! What operations ask of other domains: alarms and cases, without anything personal.

use std::sync::Arc;

use async_trait::async_trait;
use dothi_cases::Cases;
use dothi_incidents::Matters;
use dothi_incidents::model::{AlarmCounts, AlarmFacts, CaseFacts};
use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};
use dothi_rules::Rules;
use dothi_rules::model::BySeverity;
use serde_json::Value;
use uuid::Uuid;

use crate::City;

/// An alarm rose: it may open an incident, or join one.
pub async fn consider(city: &City, alarm: Uuid) -> Result<()> {
    let system = Caller::system("incidents", city.store.clock().as_ref());
    let known = Known { rules: city.rules.clone(), cases: city.cases.clone() };
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

/// Alarms and cases.
pub struct Known {
    /// Alarms.
    pub rules: Arc<Rules>,
    /// Cases.
    pub cases: Arc<Cases>,
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
