//! Public warnings: drafted by one person, sent by another; updated, cancelled, over by time.

use dothi_kernel::geo::Geometry;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::model::By;
use crate::model_ops::{NewWarning, PublicWarning, Settling, WarningNotice, WarningWords};
use crate::procedures::second_person;
use crate::{CURSORS, Incidents, maybe, stale, tables, tables_ops, unknown, words};

const HOUR: i64 = 3_600_000_000;
const POINTS: usize = 200;
const AREAS: usize = 200;
/// CAP 1.2 §3.2.2: the words a message may use.
const CATEGORIES: &[&str] = &["Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"];
const URGENCIES: &[&str] = &["Immediate", "Expected", "Future", "Past", "Unknown"];
const SEVERITIES: &[&str] = &["Extreme", "Severe", "Moderate", "Minor", "Unknown"];
const CERTAINTIES: &[&str] = &["Observed", "Likely", "Possible", "Unlikely", "Unknown"];

fn one_of(given: Option<String>, usual: &str, all: &[&str], field: &'static str) -> Result<String> {
    let word = given.unwrap_or_else(|| usual.to_string());
    if all.contains(&word.as_str()) { Ok(word) } else { Err(Error::invalid("incidents.warning.word", "This is no word of CAP.").with("field", field)) }
}

fn checked(w: WarningWords, needed: bool) -> Result<WarningWords> {
    let headline = if needed { words(&w.headline, "headline", 160)? } else { maybe(Some(&w.headline), "headline", 160)?.unwrap_or_default() };
    Ok(WarningWords {
        headline,
        description: maybe(Some(&w.description), "description", 4_000)?.unwrap_or_default(),
        instruction: maybe(Some(&w.instruction), "instruction", 4_000)?.unwrap_or_default(),
    })
}

fn ring(polygon: Vec<[f64; 2]>) -> Result<Vec<[f64; 2]>> {
    if polygon.is_empty() {
        return Ok(polygon);
    }
    if polygon.len() < 4 || polygon.len() > POINTS || polygon.first() != polygon.last() {
        return Err(Error::invalid("incidents.warning.polygon", "A polygon has 4 to 200 points, the first one again at the end."));
    }
    Geometry::from_geojson(&json!({ "type": "Polygon", "coordinates": [polygon] }))?;
    Ok(polygon)
}

impl Incidents {
    /// Drafts a warning. Nothing goes out before somebody else approves it. Needs `incident-handle`.
    pub async fn draft_warning(&self, caller: &Caller, new: NewWarning) -> Result<PublicWarning> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        caller.person()?;
        let rules = self.rules();
        let policy = rules.policy()?;
        let incident = match new.incident {
            Some(id) => Some(self.readable(caller, id).await?),
            None => None,
        };
        let kind = incident.as_ref().and_then(|i| rules.pack.kind.iter().find(|k| k.code == i.kind));
        let (usual_event, usual_category) =
            kind.map_or(("", "Safety"), |k| (k.event.as_str(), if k.category.is_empty() { "Safety" } else { k.category.as_str() }));
        let (vi, en) = (checked(new.vi, true)?, checked(new.en, false)?);
        if new.areas.len() > AREAS || (new.areas.is_empty() && new.polygon.is_empty() && !new.cancel) {
            return Err(Error::invalid("incidents.warning.area", "Say for where: communes or a polygon.").with("limit", AREAS));
        }
        let commune = |code: &String| -> Result<dothi_kernel::UnitRef> {
            let found = self.directory.commune(code).ok_or_else(|| Error::unprocessable("incidents.area", "There is no such commune.").with("area", code))?;
            Ok(dothi_kernel::UnitRef { id: found.commune, name: found.commune_name })
        };
        let mut areas = new.areas.iter().map(commune).collect::<Result<Vec<_>>>()?;
        let mut polygon = ring(new.polygon)?;
        let mut tx = self.store.begin(caller).await?;
        let mut references = Vec::new();
        let (mut drill, mut event) = (incident.as_ref().map_or(new.drill, |i| i.drill), maybe(new.event.as_deref(), "event", 100)?);
        if let Some(before) = &new.replaces {
            let old = tables_ops::sent_in(&mut tx, before).await?.ok_or_else(unknown)?;
            if old.state != "issued" || old.expires_at.is_some_and(|at| at <= caller.now) {
                return Err(Error::conflict("incidents.warning.over", "That warning is over already."));
            }
            references = old.references.clone();
            references.push(reference(&policy.cap_sender, &old));
            drill = old.drill;
            event = event.or(Some(old.event));
            if areas.is_empty() && polygon.is_empty() {
                (areas, polygon) = (old.areas, old.polygon);
            }
        } else if new.cancel {
            return Err(Error::invalid("incidents.warning.cancel", "Name the warning that is cancelled."));
        }
        let year = self.calendar.zone().to_datetime(caller.now).year();
        let number = tables::number(&mut tx, &format!("cap-{year}")).await?;
        let warning = PublicWarning {
            id: tx.id(),
            identifier: format!("{}-{year}-{number:05}", policy.cap_sender.replace('@', ".")),
            incident: new.incident,
            drill,
            state: "draft".into(),
            msg_type: if new.cancel {
                "Cancel"
            } else if new.replaces.is_some() {
                "Update"
            } else {
                "Alert"
            }
            .to_string(),
            references,
            replaces: new.replaces,
            event: event.or_else(|| Some(usual_event.to_string()).filter(|e| !e.is_empty())).unwrap_or_else(|| vi.headline.clone()),
            category: one_of(new.category, usual_category, CATEGORIES, "category")?,
            urgency: one_of(new.urgency, if new.cancel { "Past" } else { "Immediate" }, URGENCIES, "urgency")?,
            severity: one_of(new.severity, "Severe", SEVERITIES, "severity")?,
            certainty: one_of(new.certainty, "Observed", CERTAINTIES, "certainty")?,
            vi,
            en,
            areas,
            polygon,
            made_by: By::of(caller),
            made_at: caller.now,
            approved_by: None,
            sent_at: None,
            expires_at: None,
            hours: new.hours.unwrap_or(policy.warning_hours).clamp(1, 168),
            version: 1,
        };
        tables_ops::insert_warning(&mut tx, &warning).await?;
        if let Some(i) = &incident {
            let facts = json!({ "identifier": warning.identifier, "what": "drafted", "msg_type": warning.msg_type });
            tables::log(&mut tx, i.id, &By::of(caller), "warning", &warning.vi.headline, &facts).await?;
        }
        tx.audit("incidents.warning.draft", &format!("warning:{}", warning.identifier), &json!({ "drill": drill })).await?;
        tx.emit(Event::OperationsChanged { what: "warning".into() });
        tx.commit().await?;
        Ok(warning)
    }

    /// Sends a draft, or refuses it. Needs `incident-approve` and another person than the maker.
    pub async fn settle_warning(&self, caller: &Caller, id: Uuid, input: Settling) -> Result<PublicWarning> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let mut warning = tables_ops::warning_in(&mut tx, id).await?;
        if warning.version != input.version {
            return Err(stale());
        }
        if warning.state != "draft" {
            return Err(Error::conflict("incidents.warning.state", "This was settled already."));
        }
        second_person(caller, &warning.made_by)?;
        warning.approved_by = Some(By::of(caller));
        if input.approve {
            warning.sent_at = Some(caller.now);
            warning.expires_at = Some(micros(caller.now.as_microsecond() + i64::from(warning.hours) * HOUR));
            warning.state = "issued".into();
            if let Some(before) = &warning.replaces {
                let mut old = tables_ops::sent_in(&mut tx, before).await?.ok_or_else(unknown)?;
                if old.state != "issued" {
                    return Err(Error::conflict("incidents.warning.over", "That warning is over already."));
                }
                old.state = if warning.msg_type == "Cancel" { "cancelled" } else { "replaced" }.to_string();
                tables_ops::update_warning(&mut tx, &mut old).await?;
            }
            if warning.msg_type == "Cancel" {
                // The message goes out, and nothing is in force any more.
                warning.state = "cancelled".into();
            }
            tx.emit(Event::WarningIssued { identifier: warning.identifier.clone(), drill: warning.drill });
        } else {
            warning.state = "refused".into();
        }
        tables_ops::update_warning(&mut tx, &mut warning).await?;
        if let Some(incident) = warning.incident {
            let what = if input.approve { "sent" } else { "refused" };
            let facts = json!({ "identifier": warning.identifier, "what": what, "msg_type": warning.msg_type });
            tables::log(&mut tx, incident, &By::of(caller), "warning", &warning.vi.headline, &facts).await?;
        }
        tx.audit("incidents.warning.settle", &format!("warning:{}", warning.identifier), &json!({ "approve": input.approve })).await?;
        tx.emit(Event::OperationsChanged { what: "warning".into() });
        tx.commit().await?;
        Ok(warning)
    }

    /// Warnings with drafts, newest first; of one incident, or all.
    pub async fn warnings(&self, caller: &Caller, incident: Option<Uuid>, page: &PageQuery) -> Result<Page<PublicWarning>> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        let found = tables_ops::warnings(&self.store, incident, page).await?;
        Ok(Page::of(found, page.limit(), |w| CURSORS.write(w.made_at, w.id)))
    }

    /// Warnings in force, for everybody. Exercises are never among them.
    pub async fn notices(&self, caller: &Caller) -> Result<Vec<WarningNotice>> {
        let found = tables_ops::in_force(&self.store, caller.now).await?;
        Ok(found.into_iter().map(notice).collect())
    }
}

fn notice(w: PublicWarning) -> WarningNotice {
    WarningNotice {
        cap: format!("/cap/v1/alerts/{}.xml", w.identifier),
        identifier: w.identifier,
        event: w.event,
        severity: w.severity,
        urgency: w.urgency,
        vi: w.vi,
        en: w.en,
        areas: w.areas.into_iter().map(|a| a.name).collect(),
        sent_at: w.sent_at,
        expires_at: w.expires_at,
    }
}

/// CAP 1.2 §3.2.1: `sender,identifier,sent`.
fn reference(sender: &str, w: &PublicWarning) -> String {
    let sent = w.sent_at.map(crate::cap::instant).unwrap_or_default();
    format!("{sender},{},{sent}", w.identifier)
}
