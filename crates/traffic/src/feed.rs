//! Observations in: what they change is written in one transaction.

use std::sync::Arc;

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Event, EventRecord, Result};
use uuid::Uuid;

use crate::live::Change;
use crate::tables::{self, Incident};
use crate::{Traffic, works};

impl Traffic {
    /// Takes the batch an event tells of; other events lead to nothing. It may run twice: a reading that is known already changes nothing.
    pub async fn replay(&self, record: &EventRecord) -> Result<()> {
        let Event::ObservationsAccepted { batch, .. } = &record.event else { return Ok(()) };
        let (net, Ok(policy)) = (self.net(), self.policy(record.at)) else { return Ok(()) };
        if net.segments.is_empty() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let Some(pending) = self.store.pending(*batch).await? else {
            // The compactor was faster: the things themselves know their newest values.
            return self.rebuild_live().await;
        };
        let observations = self.history.decode(&pending.bytes)?;
        let now = self.store.clock().now().as_microsecond();
        let changes = self.live().observe(&net, &policy, &self.calendar, &observations, now);
        self.keep(changes).await
    }

    /// Writes what changed and tells of it. What cannot be written is taken back in memory too. The caller holds the turn.
    pub(crate) async fn keep(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let done = self.write_changes(&changes).await;
        match done {
            Ok(opened) => {
                let mut live = self.live();
                opened.into_iter().for_each(|(segment, incident, confirmed)| live.open(segment, incident, confirmed));
                Ok(())
            }
            Err(e) => {
                self.rebuild_live().await?;
                Err(e)
            }
        }
    }

    async fn write_changes(&self, changes: &[Change]) -> Result<Vec<(Uuid, Uuid, bool)>> {
        let system = Caller::system("traffic", self.store.clock().as_ref());
        let net = self.net();
        let mut tx = self.store.begin(&system).await?;
        let mut opened = Vec::new();
        for change in changes {
            let (segment, step, incident) = match change {
                Change::Begin { segment, suspect, neighbours } => {
                    let code = net.get(*segment).map(|s| s.code.clone()).unwrap_or_default();
                    let made = Incident {
                        id: tx.id(),
                        segment: *segment,
                        measure: suspect.measure,
                        value: suspect.value,
                        usual: suspect.usual,
                        since: micros(suspect.since),
                        at: system.now,
                        until: None,
                        confirmed: !neighbours.is_empty(),
                        neighbours: neighbours.clone(),
                        work: works::work_on(&net, &code, system.now, self.calendar.zone()),
                        verdict: None,
                        verdict_by: None,
                        verdict_why: None,
                        version: 1,
                    };
                    opened.push((*segment, made.id, made.confirmed));
                    (*segment, "begin", made)
                }
                Change::Confirm { segment, incident, neighbours } => {
                    let Some(old) = tables::incident_in(&mut tx, *incident).await? else { continue };
                    (*segment, "confirm", Incident { confirmed: true, neighbours: neighbours.clone(), version: old.version + 1, ..old })
                }
                Change::Clear { segment, incident, at } => {
                    let Some(old) = tables::incident_in(&mut tx, *incident).await? else { continue };
                    (*segment, "clear", Incident { until: Some(micros(*at)), version: old.version + 1, ..old })
                }
            };
            tables::put_incident(&mut tx, &incident).await?;
            let segment = net.get(segment).cloned();
            let unit = segment.as_ref().map(|s| s.unit.clone()).unwrap_or_default();
            tx.emit(Event::TrafficIncident { incident: incident.id, step: step.into(), unit });
            match (step, segment) {
                ("clear", Some(_)) => self.unpropose(&mut tx, &format!("incident:{}", incident.id)).await?,
                (_, Some(segment)) if incident.confirmed && incident.work.is_none() => self.propose_incident(&mut tx, &incident, &segment).await?,
                _ => {}
            }
        }
        tx.commit().await?;
        Ok(opened)
    }

    /// What is live, from what is stored and the newest values of the detectors. The caller holds the turn.
    pub(crate) async fn rebuild_live(&self) -> Result<()> {
        let (usual, open) = (tables::usuals(&self.store).await?, tables::open_incidents(&self.store).await?);
        let (net, now) = (self.net(), self.store.clock().now());
        let Ok(policy) = self.policy(now) else { return Ok(()) };
        let mut live = self.live();
        live.usual = usual.into_iter().map(|(id, u)| (id, Arc::new(u))).collect();
        live.keep(&net);
        for segment in net.segments.iter().filter(|s| s.active) {
            let mut newest = None;
            for detector in &segment.detectors {
                let entity: Arc<str> = detector.entity.as_str().into();
                for (attribute, value, t) in self.around.latest(&entity) {
                    if live.take(&net, &entity, &attribute, t, value).is_some() {
                        newest = newest.max(Some(t));
                    }
                }
            }
            if let Some(t) = newest {
                live.reckon(segment, &policy, t);
            }
        }
        let standing: Vec<(Uuid, Uuid)> = live.segments.iter().filter_map(|(id, s)| Some((*id, s.incident?))).collect();
        for (segment, incident) in standing {
            if !open.iter().any(|i| i.id == incident)
                && let Some(state) = live.segments.get_mut(&segment)
            {
                state.incident = None;
            }
        }
        for incident in open.iter().filter(|i| net.get(i.segment).is_some()) {
            if live.segments.get(&incident.segment).is_none_or(|s| s.incident != Some(incident.id)) {
                live.open(incident.segment, incident.id, incident.confirmed);
            }
        }
        Ok(())
    }
}
