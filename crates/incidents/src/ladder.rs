//! Escalation: who is called when nobody takes note, and taking it back.

use dothi_kernel::time::{later, micros, minutes};
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope};
use dothi_store::Tx;
use serde_json::json;
use uuid::Uuid;

use crate::desk::TEXT;
use crate::jobs::ESCALATE;
use crate::model::{By, Incident, IncidentView};
use crate::model_ops::{Duty, Words};
use crate::pack::Ladder;
use crate::{Incidents, Rules, tables, tables_ops, words};

fn ladder<'a>(rules: &'a Rules, incident: &Incident) -> Option<&'a Ladder> {
    rules.pack.ladder.iter().find(|l| Some(&l.code) == incident.ladder.as_ref())
}

impl Incidents {
    /// Puts a new incident on the first rung of the ladder that fits; the timer runs until somebody takes note.
    pub(crate) async fn climb(&self, tx: &mut Tx, rules: &Rules, incident: &mut Incident) -> Result<()> {
        let Some(ladder) = rules.pack.ladder_for(&incident.kind, incident.severity) else { return Ok(()) };
        let Some(first) = ladder.levels.first() else { return Ok(()) };
        (incident.ladder, incident.level) = (Some(ladder.code.clone()), 1);
        if incident.read_at.is_none() {
            let at = later(tx.now(), minutes(first.minutes));
            incident.next_level_at = Some(at);
            tx.schedule(ESCALATE, &incident.id.to_string(), at).await?;
        }
        Ok(())
    }

    /// Who is on duty now at the level that is called.
    pub(crate) async fn called(&self, rules: &Rules, incident: &Incident) -> Result<Vec<Duty>> {
        let level = ladder(rules, incident).and_then(|l| l.levels.get(incident.level.saturating_sub(1) as usize));
        let Some(level) = level.filter(|_| !incident.ended) else { return Ok(Vec::new()) };
        let now = self.store.clock().now();
        let duties = tables_ops::duties(&self.store, now, micros(now.as_microsecond() + 1)).await?;
        Ok(duties.into_iter().filter(|d| d.position == level.position).collect())
    }

    /// The time of a level is over: if nobody took note, the next one is called. May run twice.
    pub(crate) async fn escalate(&self, key: &str) -> Result<()> {
        let Ok(id) = key.parse::<Uuid>() else { return Ok(()) };
        let rules = self.rules();
        let mut tx = self.store.begin_as("incidents").await?;
        let Ok(mut incident) = tables::get_in(&mut tx, id).await else { return Ok(()) };
        let now = tx.now();
        if incident.ended || incident.read_at.is_some() || incident.next_level_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let Some(ladder) = ladder(&rules, &incident) else { return Ok(()) };
        incident.next_level_at = None;
        if let Some(next) = ladder.levels.get(incident.level as usize) {
            incident.level += 1;
            let at = later(now, minutes(next.minutes));
            // At the last level nobody else can be called: it stands there until somebody takes note.
            if ladder.levels.len() > incident.level as usize {
                incident.next_level_at = Some(at);
                tx.schedule(ESCALATE, key, at).await?;
            }
            let on_duty = tables_ops::on_duty_in(&mut tx, &next.position, now).await?;
            let people: Vec<&str> = on_duty.iter().map(|d| d.person_name.as_str()).collect();
            let facts = json!({ "level": incident.level, "position": next.position, "on_duty": people });
            tables::log(&mut tx, id, &By { id: None, name: "incidents".into() }, "escalated", &next.position, &facts).await?;
            tx.emit(Event::IncidentEscalated {
                incident: id,
                code: incident.code.clone(),
                level: incident.level,
                position: next.position.clone(),
                unit: incident.unit.id.clone(),
                drill: incident.drill,
            });
        }
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await
    }

    /// Takes note: nobody else is called. Again changes nothing.
    pub async fn take_note(&self, caller: &Caller, id: Uuid) -> Result<IncidentView> {
        caller.person()?;
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        if incident.read_at.is_none() {
            (incident.read_at, incident.read_by, incident.next_level_at) = (Some(caller.now), Some(By::of(caller)), None);
            tx.unschedule(ESCALATE, &id.to_string()).await?;
            tables::log(&mut tx, id, &By::of(caller), "read", "", &json!({ "level": incident.level })).await?;
            self.told(&mut tx, &incident, "read");
            tables::update(&mut tx, &mut incident).await?;
        }
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Takes an escalation back by a level, with a reason. 409 `incidents.level` on the first.
    pub async fn de_escalate(&self, caller: &Caller, id: Uuid, why: Words) -> Result<IncidentView> {
        let reason = words(&why.text, "text", TEXT)?;
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        caller.require(Permission::IncidentHandle, Scope::unit(&incident.unit.id))?;
        if incident.level <= 1 {
            return Err(Error::conflict("incidents.level", "It stands on the first level."));
        }
        incident.level -= 1;
        incident.next_level_at = None;
        tx.unschedule(ESCALATE, &id.to_string()).await?;
        // Who takes it back has read it.
        if incident.read_at.is_none() {
            (incident.read_at, incident.read_by) = (Some(caller.now), Some(By::of(caller)));
        }
        tables::log(&mut tx, id, &By::of(caller), "escalated", &reason, &json!({ "level": incident.level, "back": true })).await?;
        self.told(&mut tx, &incident, "escalated");
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }
}
