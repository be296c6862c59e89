//! Incidents in lists, their judgement by people, and the words of their alarms.

use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, Timestamp};
use uuid::Uuid;

use crate::model::{AlarmWords, FindQuery, IncidentRow, Measure, VerdictInput};
use crate::tables::{self, Incident};
use crate::{CURSORS, FORM, Traffic, seen};

fn unknown() -> Error {
    Error::not_found("traffic.incident.unknown", "There is no such incident.")
}

impl Traffic {
    fn incident_row(&self, i: &Incident) -> IncidentRow {
        let net = self.net();
        let segment = net.get(i.segment);
        let name = |id: &Uuid| net.get(*id).map(|s| s.name.clone());
        IncidentRow {
            id: i.id,
            segment: i.segment,
            name: segment.map(|s| s.name.clone()).unwrap_or_default(),
            direction: segment.map(|s| s.direction.clone()).unwrap_or_default(),
            location: segment.map_or(dothi_kernel::geo::Point { lon: 0.0, lat: 0.0 }, |s| s.middle()),
            measure: i.measure,
            value: i.value,
            usual: i.usual,
            since: i.since,
            until: i.until,
            confirmed: i.confirmed,
            neighbours: i.neighbours.iter().filter_map(name).collect(),
            work: i.work.map(|w| net.works.iter().find(|(id, _)| *id == w).map_or_else(|| w.to_string(), |(_, work)| work.title.clone())),
            verdict: i.verdict.clone(),
            verdict_by: i.verdict_by.clone(),
            verdict_why: i.verdict_why.clone(),
            version: i.version,
        }
    }

    /// Incidents of one's units, newest first. Needs `traffic-read`. 400 `page.after`.
    pub async fn incidents(&self, caller: &Caller, query: &FindQuery) -> Result<Page<IncidentRow>> {
        let units = self.visible(caller)?;
        let mut before = CURSORS.after(query.after.as_deref())?;
        let open = query.state.as_deref().and_then(|s| match s {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        });
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let (net, mut rows) = (self.net(), Vec::new());
        // Those of other units are passed over, a bounded number of steps.
        for _ in 0..20 {
            let found = tables::incidents(&self.store, open, before, limit + 1).await?;
            before = found.last().map(|i| (i.since, i.id));
            let more = found.len() > limit;
            rows.extend(found.into_iter().filter(|i| net.get(i.segment).is_some_and(|s| seen(units.as_ref(), &s.unit))));
            if rows.len() > limit || !more {
                break;
            }
        }
        let page = Page::of(rows, limit, |i: &Incident| CURSORS.write(i.since, i.id));
        Ok(Page { items: page.items.iter().map(|i| self.incident_row(i)).collect(), next: page.next, total: None })
    }

    /// A person says whether it is real. Needs `traffic-handle` in the road's unit. 404, 409 `traffic.version`.
    pub async fn judge_incident(&self, caller: &Caller, id: Uuid, input: &VerdictInput) -> Result<IncidentRow> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let why = FORM.needed(&input.reason, 300, "reason")?;
        let mut tx = self.store.begin(caller).await?;
        let old = tables::incident_in(&mut tx, id).await?.ok_or_else(unknown)?;
        let segment = self.net().get(old.segment).cloned().ok_or_else(unknown)?;
        self.require(caller, Permission::TrafficHandle, &segment.unit)?;
        if old.version != input.version {
            return Err(FORM.stale());
        }
        let verdict = if input.real { "real" } else { "false" };
        let made =
            Incident { verdict: Some(verdict.into()), verdict_by: Some(caller.name.to_string()), verdict_why: Some(why), version: old.version + 1, ..old };
        tables::put_incident(&mut tx, &made).await?;
        if input.real && made.until.is_none() && made.work.is_none() {
            self.propose_incident(&mut tx, &made, &segment).await?;
        } else if !input.real {
            self.unpropose(&mut tx, &format!("incident:{id}")).await?;
        }
        tx.audit("traffic.incident.judge", &format!("incident:{id}"), &serde_json::json!({ "verdict": verdict })).await?;
        tx.emit(Event::TrafficIncident { incident: id, step: verdict.into(), unit: segment.unit.clone() });
        tx.commit().await?;
        Ok(self.incident_row(&made))
    }

    /// The alarm of an incident, with the words why; it stands as long as `until` is none. None when there is no such incident
    /// or works account for it.
    pub async fn alarm_of(&self, id: Uuid) -> Result<Option<AlarmWords>> {
        let Some(i) = tables::incident(&self.store, id).await?.filter(|i| i.work.is_none()) else { return Ok(None) };
        let net = self.net();
        let (Some(segment), Ok(policy)) = (net.get(i.segment), self.policy(i.at)) else { return Ok(None) };
        let words = &policy.words;
        let neighbours: Vec<String> = i.neighbours.iter().filter_map(|n| net.get(*n)).map(|s| s.name.clone()).collect();
        let number = |v: f64| if i.measure == Measure::Occupancy { format!("{:.0} %", v * 100.0) } else { format!("{v:.0}") };
        let fill = |text: &str| {
            text.replace("{name}", &segment.name)
                .replace("{direction}", &segment.direction)
                .replace("{value}", &number(i.value))
                .replace("{usual}", &number(i.usual))
                .replace("{neighbours}", &neighbours.join(", "))
        };
        let why = match i.measure {
            Measure::Speed => &words.speed,
            Measure::Volume => &words.volume,
            Measure::Occupancy => &words.occupancy,
        };
        let borne = if i.confirmed { &words.borne } else { &words.alone };
        let over = i.until.or_else(|| (i.verdict.as_deref() == Some("false")).then_some(self.store.clock().now()));
        let cut = |text: String, most: usize| text.chars().take(most).collect::<String>();
        Ok(Some(AlarmWords {
            key: i.id.to_string(),
            entity: segment.detectors.first().map(|d| d.entity.clone()).unwrap_or_default(),
            severity: if i.confirmed { policy.severity } else { policy.severity_alone },
            title: cut(fill(&words.title), 300),
            title_en: cut(fill(&words.title_en), 300),
            text: cut(format!("{} {}", fill(why), fill(borne)), 500),
            at: i.since.max(Timestamp::UNIX_EPOCH),
            area: (!segment.commune.is_empty()).then(|| segment.commune.clone()),
            location: segment.middle(),
            until: over,
        }))
    }
}
