//! Alarms that open incidents by themselves, as the pack says.

use dothi_kernel::event::Severity;
use dothi_kernel::time::{earlier, minutes};
use dothi_kernel::{Caller, Permission, Result, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::desk::{Opened, alarm_link};
use crate::model::{AlarmFacts, By};
use crate::{Incidents, tables};

impl Incidents {
    /// Whether an alarm of this rule and severity is for [`Incidents::on_alarm`] at all; asks nothing but memory.
    pub fn would_open(&self, rule: &str, severity: Severity) -> bool {
        self.rules().pack.opening_for(rule, severity).is_some()
    }

    /// An alarm rose: joins the open incident nearby, opens a new one, or does nothing, as the pack's openings say. Which incident it
    /// belongs to then. May run twice. For the platform alone.
    pub async fn on_alarm(&self, caller: &Caller, facts: &AlarmFacts) -> Result<Option<Uuid>> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let rules = self.rules();
        let Some(opening) = rules.pack.opening_for(&facts.rule, facts.severity).cloned() else { return Ok(None) };
        let mut tx = self.store.begin(caller).await?;
        let reference = facts.id.to_string();
        if let Some(there) = tables::linked(&mut tx, facts.kind, &reference, false).await?.filter(|i| !i.ended || i.opened_at >= facts.raised_at) {
            return Ok(Some(there.id));
        }
        let place = self.place(facts.point, facts.area.as_deref(), None);
        let title = format!("{} · {}", facts.title, facts.entity_name);
        let link = alarm_link(caller, facts);
        let since = earlier(caller.now, minutes(opening.within_min));
        let open = tables::open_of_kind(&mut tx, &opening.kind, since).await?;
        let near = open.into_iter().find(|i| match (i.place.point, place.point) {
            (Some(a), Some(b)) => opening.near_m > 0.0 && a.distance(b) <= opening.near_m,
            _ => opening.near_m > 0.0 && i.place.area.is_some() && i.place.area == place.area,
        });
        if let Some(mut incident) = near {
            tables::link(&mut tx, incident.id, &link).await?;
            tables::log(&mut tx, incident.id, &By::of(caller), "link", &title, &json!({ "kind": facts.kind, "ref": reference, "opening": opening.code }))
                .await?;
            incident.severity = incident.severity.max(facts.severity);
            self.told(&mut tx, &incident, "link");
            tables::update(&mut tx, &mut incident).await?;
            tx.commit().await?;
            return Ok(Some(incident.id));
        }
        let kind = rules.kind(&opening.kind)?;
        let opened = Opened {
            kind: kind.code.clone(),
            severity: facts.severity.max(kind.severity),
            title: title.chars().take(200).collect(),
            text: String::new(),
            place,
            drill: false,
            source: "alarm",
            opening: Some(opening.code.clone()),
            signal_at: facts.raised_at,
            links: vec![link],
            parent: None,
        };
        let id = tx.id();
        self.begin_incident(&mut tx, &rules, id, opened).await?;
        tx.commit().await?;
        Ok(Some(id))
    }
}
