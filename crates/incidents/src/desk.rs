//! Opening, reading, moving, changing, merging and splitting incidents.

use std::collections::BTreeSet;

use dothi_kernel::event::Severity;
use dothi_kernel::flow::ClockRun;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::{
    AlarmFacts, By, Incident, IncidentChange, IncidentQuery, IncidentRow, IncidentView, Link, LinkInput, LogLine, MergeInput, MoveInput, NewIncident, NewNote,
    Place, SplitInput,
};
use crate::{CURSORS, Incidents, Rules, maybe, stale, tables, tables_ops, unknown, words};

const TITLE: usize = 200;
pub(crate) const TEXT: usize = 4_000;
/// How far back a call's signal may lie: a day.
const BACK: i64 = 86_400_000_000;

/// A new incident, complete but for its number.
pub(crate) struct Opened {
    pub kind: String,
    pub severity: Severity,
    pub title: String,
    pub text: String,
    pub place: Place,
    pub drill: bool,
    pub source: &'static str,
    pub opening: Option<String>,
    pub signal_at: Timestamp,
    pub links: Vec<Link>,
    pub parent: Option<Uuid>,
}

impl Incidents {
    /// Opens an incident by hand: from an alarm, a case, a call or from nothing. What an alarm or case opened already is not opened
    /// again: the incident there is told. With `key`, sending it twice opens one. Needs `incident-handle`.
    pub async fn open_incident(&self, caller: &Caller, new: NewIncident, key: Option<&str>) -> Result<IncidentView> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let rules = self.rules();
        let mut links = Vec::new();
        let (mut title, mut place, mut signal, mut source) = (None, Place::default(), caller.now, if new.call { "call" } else { "hand" });
        if let Some(id) = new.alarm {
            let facts = self.matters.alarm(caller, id).await?;
            place = self.place(facts.point, facts.area.as_deref(), None);
            (title, signal, source) = (Some(format!("{} · {}", facts.title, facts.entity_name)), facts.raised_at, "alarm");
            links.push(alarm_link(caller, &facts));
        } else if let Some(id) = new.case {
            let facts = self.matters.case(caller, id).await?;
            place = self.place(facts.point, facts.area.as_deref(), None);
            (title, signal, source) = (Some(format!("{} {}", facts.title, facts.code)), facts.opened_at, "case");
            links.push(case_link(caller, id, &format!("{} {}", facts.title, facts.code)));
        } else if new.call
            && let Some(at) = new.signal_at
        {
            signal = at.clamp(dothi_kernel::time::micros(caller.now.as_microsecond() - BACK), caller.now);
        }
        if let (Some(lon), Some(lat)) = (new.lon, new.lat) {
            place = self.place(Some(Point::new(lon, lat)?), new.area.as_deref(), None);
        } else if new.area.is_some() && place.point.is_none() {
            place = self.place(None, new.area.as_deref(), None);
        }
        place.address = maybe(new.address.as_deref(), "address", 300)?;
        let kind = rules.kind(&new.kind)?;
        let title = match maybe(new.title.as_deref(), "title", TITLE)?.or(title) {
            Some(t) => t.chars().take(TITLE).collect(),
            None => kind.name.clone(),
        };
        let opened = Opened {
            kind: kind.code.clone(),
            severity: new.severity.unwrap_or(kind.severity),
            title,
            text: maybe(new.text.as_deref(), "text", TEXT)?.unwrap_or_default(),
            place,
            drill: new.drill,
            source,
            opening: None,
            signal_at: signal,
            links,
            parent: None,
        };
        let mut tx = self.store.begin(caller).await?;
        if let Some(link) = opened.links.first()
            && let Some(there) = tables::linked(&mut tx, &link.kind, &link.reference, opened.drill).await?.filter(|i| !i.ended)
        {
            drop(tx);
            return self.incident(caller, there.id).await;
        }
        let id = tx.id();
        if let Some(key) = key.filter(|k| !k.is_empty() && k.len() <= 100) {
            let scope = format!("incidents.open:{}", caller.person().map(|p| p.to_string()).unwrap_or_default());
            if let Some(before) = tx.once(&scope, key, &id.to_string()).await? {
                drop(tx);
                return self.incident(caller, before.parse::<Uuid>().map_err(|e| Error::internal("reading an id", e))?).await;
            }
        }
        self.begin_incident(&mut tx, &rules, id, opened).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Writes a new incident with its log, ladder, procedures and event. Needs `incident-handle` over the unit that leads.
    pub(crate) async fn begin_incident(&self, tx: &mut Tx, rules: &Rules, id: Uuid, new: Opened) -> Result<Incident> {
        let caller = tx.caller().clone();
        let (policy, flow, kind) = (rules.policy()?, rules.flow()?, rules.kind(&new.kind)?);
        let lead = new.place.area.as_deref().and_then(|a| self.directory.organisation_for(a, &kind.function));
        let unit = match lead.filter(|u| caller.may(Permission::IncidentHandle, Scope::unit(&u.id))) {
            Some(unit) => unit,
            None => self.unit(&policy.centre)?,
        };
        caller.require(Permission::IncidentHandle, Scope::unit(&unit.id))?;
        let year = self.calendar.zone().to_datetime(caller.now).year();
        let prefix = if new.drill { &policy.drill_prefix } else { &policy.code_prefix };
        let number = tables::number(tx, &format!("{prefix}-{year}")).await?;
        let state = flow.states.get(&flow.initial).ok_or_else(unknown)?;
        let by = By::of(&caller);
        let mut incident = Incident {
            id,
            code: format!("{prefix}-{year}-{number:05}"),
            drill: new.drill,
            kind: new.kind,
            severity: new.severity,
            state: flow.initial.clone(),
            phase: state.phase,
            ended: state.clock == ClockRun::Stopped,
            title: new.title,
            text: new.text,
            place: new.place,
            unit,
            source: new.source.to_string(),
            opening: new.opening,
            commander: None,
            parent: new.parent,
            merged: false,
            signal_at: new.signal_at,
            opened_at: caller.now,
            opened_by: by.clone(),
            read_at: None,
            read_by: None,
            ended_at: None,
            ladder: None,
            level: 0,
            next_level_at: None,
            dispatched_at: None,
            arrived_at: None,
            controlled_at: None,
            version: 1,
        };
        // Who opens it by hand has taken note of it.
        if caller.id.is_some() {
            (incident.read_at, incident.read_by) = (Some(caller.now), Some(by.clone()));
        }
        self.climb(tx, rules, &mut incident).await?;
        tables::insert(tx, &incident).await?;
        // The centre sees what its units lead.
        tables::party(tx, id, &policy.centre).await?;
        for link in &new.links {
            tables::link(tx, id, link).await?;
        }
        let facts = json!({ "source": incident.source, "severity": incident.severity, "kind": incident.kind, "unit": incident.unit.id,
            "opening": incident.opening, "links": new.links.iter().map(|l| format!("{}:{}", l.kind, l.reference)).collect::<Vec<_>>() });
        tables::log(tx, id, &by, "opened", &incident.title, &facts).await?;
        tx.audit("incident.open", &format!("incident:{id}"), &json!({ "code": incident.code, "drill": incident.drill, "source": incident.source })).await?;
        tx.emit(Event::IncidentOpened {
            incident: id,
            code: incident.code.clone(),
            kind: incident.kind.clone(),
            severity: incident.severity,
            area: incident.place.area.clone(),
            unit: incident.unit.id.clone(),
            drill: incident.drill,
        });
        self.start_matching(tx, &incident).await?;
        Ok(incident)
    }

    /// A place with its commune.
    pub(crate) fn place(&self, point: Option<Point>, area: Option<&str>, address: Option<String>) -> Place {
        let found = point.and_then(|p| self.directory.locate(p)).or_else(|| area.and_then(|a| self.directory.commune(a)));
        Place { point, area: found.as_ref().map(|p| p.commune.clone()), area_name: found.map(|p| p.commune_name), address }
    }

    /// An incident that the caller may see: of their units, or one their units take part in. 404 else.
    pub(crate) async fn readable(&self, caller: &Caller, id: Uuid) -> Result<Incident> {
        let units = self.visible(caller)?;
        let incident = tables::get(&self.store, id).await?.ok_or_else(unknown)?;
        if let Some(units) = units
            && tables::parties(&self.store, id).await?.is_disjoint(&units)
        {
            return Err(unknown());
        }
        Ok(incident)
    }

    /// The incident within a change that the caller may work on. Ended ones take only notes.
    pub(crate) async fn workable(&self, tx: &mut Tx, caller: &Caller, id: Uuid, version: Option<i64>) -> Result<Incident> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let incident = tables::get_in(tx, id).await?;
        caller.require(Permission::IncidentHandle, Scope::unit(&incident.unit.id))?;
        if version.is_some_and(|v| v != incident.version) {
            return Err(stale());
        }
        if incident.ended {
            return Err(Error::conflict("incidents.ended", "This incident has ended.").with("code", &incident.code));
        }
        Ok(incident)
    }

    pub(crate) fn row(&self, rules: &Rules, incident: Incident) -> IncidentRow {
        let kind = rules.pack.kind.iter().find(|k| k.code == incident.kind);
        let state = rules.pack.flow.as_ref().and_then(|f| f.states.get(&incident.state));
        IncidentRow {
            kind_name: kind.map_or(incident.kind.clone(), |k| k.name.clone()),
            kind_name_en: kind.map_or(incident.kind.clone(), |k| k.name_en.clone()),
            icon: kind.map_or(String::new(), |k| k.icon.clone()),
            state_name: state.map_or(incident.state.clone(), |s| s.name.clone()),
            state_name_en: state.map_or(incident.state.clone(), |s| s.name_en.clone()),
            incident,
        }
    }

    /// Incidents one may see, newest first. Drills are never among those of life.
    pub async fn incidents(&self, caller: &Caller, query: &IncidentQuery) -> Result<Page<IncidentRow>> {
        let units = self.visible(caller)?;
        let rules = self.rules();
        let found = tables::list(&self.store, query, units.as_ref()).await?;
        let limit = dothi_kernel::PageQuery { limit: query.limit, after: None }.limit();
        let rows: Vec<IncidentRow> = found.into_iter().map(|i| self.row(&rules, i)).collect();
        Ok(Page::of(rows, limit, |r| CURSORS.write(r.incident.opened_at, r.incident.id)))
    }

    /// A page of the log, newest first. `after` is the `n` of the last one seen.
    pub async fn incident_log(&self, caller: &Caller, id: Uuid, page: &dothi_kernel::PageQuery) -> Result<Page<LogLine>> {
        self.readable(caller, id).await?;
        let before =
            page.after.as_deref().map_or(Ok(i64::MAX), str::parse).map_err(|_| Error::invalid("page.after", "`after` is not a cursor of this list."))?;
        let lines = tables::log_page(&self.store, id, before, page.limit() + 1).await?;
        Ok(Page::of(lines, page.limit(), |l| l.n.to_string()))
    }

    /// Makes a move of the pack's flow. An incident with open steps or tasks ends all the same; what was open is written into the log.
    pub async fn move_incident(&self, caller: &Caller, id: Uuid, step: &str, input: MoveInput) -> Result<IncidentView> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let rules = self.rules();
        if rules.policy()?.merge_move == step {
            return Err(Error::invalid("incidents.merge", "Merging names the incident that goes on."));
        }
        let mut tx = self.store.begin(caller).await?;
        let mut incident = tables::get_in(&mut tx, id).await?;
        caller.require(Permission::IncidentHandle, Scope::unit(&incident.unit.id))?;
        if input.version != incident.version {
            return Err(stale());
        }
        let (note, reason) = (maybe(input.note.as_deref(), "note", TEXT)?, maybe(input.reason.as_deref(), "reason", TEXT)?);
        let filled: BTreeSet<String> = [("note", note.is_some()), ("reason", reason.is_some()), ("commander", incident.commander.is_some())]
            .into_iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| name.to_string())
            .collect();
        rules.flow()?.admit(caller, &incident.state, &incident.unit.id, false, step, &filled)?;
        self.go_on(&mut tx, &rules, &mut incident, step, json!({ "note": note, "reason": reason })).await?;
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Moves on, writes it down, and ends what ends with it. The caller writes the incident.
    pub(crate) async fn go_on(&self, tx: &mut Tx, rules: &Rules, incident: &mut Incident, step: &str, facts: Value) -> Result<()> {
        let flow = rules.flow()?;
        let (m, from) = (flow.moves.get(step).ok_or_else(unknown)?, incident.state.clone());
        let state = flow.states.get(&m.to).ok_or_else(unknown)?;
        (incident.state, incident.phase) = (m.to.clone(), state.phase);
        let by = By::of(tx.caller());
        let was_ended = incident.ended;
        incident.ended = state.clock == ClockRun::Stopped;
        let mut data = json!({ "move": step, "from": from, "to": m.to, "facts": facts });
        if incident.ended && !was_ended {
            incident.ended_at = Some(tx.now());
            incident.next_level_at = None;
            tx.unschedule(crate::jobs::ESCALATE, &incident.id.to_string()).await?;
            data["left_open"] = self.close_down(tx, incident, &by).await?;
        } else if was_ended && !incident.ended {
            incident.ended_at = None;
        }
        tables::log(tx, incident.id, &by, "moved", &m.name, &data).await?;
        self.told(tx, incident, step);
        Ok(())
    }

    /// Ends runs, tasks and dispatches of an incident that ends; what was open, for the log.
    async fn close_down(&self, tx: &mut Tx, incident: &Incident, by: &By) -> Result<Value> {
        let (mut steps, mut tasks, mut freed) = (Vec::new(), Vec::new(), Vec::new());
        for mut run in tables_ops::runs_in(tx, incident.id).await?.into_iter().filter(|r| r.ended_at.is_none()) {
            steps.extend(run.steps.iter().filter(|s| matches!(s.state.as_str(), "active" | "waiting")).map(|s| format!("{}/{}", run.procedure, s.def.code)));
            run.ended_at = Some(tx.now());
            tx.unschedule(crate::jobs::STEP, &run.id.to_string()).await?;
            tables_ops::update_run(tx, &mut run).await?;
        }
        for mut task in tables::open_tasks_in(tx, incident.id).await? {
            tasks.push(task.text.clone());
            (task.state, task.done_at, task.done_by) = ("cancelled".into(), Some(tx.now()), Some(by.clone()));
            tables::update_task(tx, &mut task).await?;
        }
        for mut sent in tables_ops::dispatches_in(tx, incident.id).await?.into_iter().filter(|d| !d.ended) {
            freed.push(sent.resource_code.clone());
            sent.ended = true;
            tables_ops::update_dispatch(tx, &mut sent).await?;
            self.release(tx, sent.resource, sent.id).await?;
        }
        Ok(json!({ "steps": steps, "tasks": tasks, "resources": freed }))
    }

    /// Puts the change into the outbox.
    pub(crate) fn told(&self, tx: &mut Tx, incident: &Incident, what: &str) {
        tx.emit(Event::IncidentChanged {
            incident: incident.id,
            code: incident.code.clone(),
            what: what.to_string(),
            state: incident.state.clone(),
            unit: incident.unit.id.clone(),
            drill: incident.drill,
        });
    }

    /// Changes what is known: type, severity, words, place, commander.
    pub async fn change_incident(&self, caller: &Caller, id: Uuid, change: IncidentChange) -> Result<IncidentView> {
        let rules = self.rules();
        let unit = self.readable(caller, id).await?.unit.id;
        let commander = match change.commander {
            Some(person) => Some(self.holder(person, Permission::IncidentHandle, &unit).await?),
            None => None,
        };
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, Some(change.version)).await?;
        let mut data = serde_json::Map::new();
        let mut note = |field: &str, was: Value, now: Value| {
            if was != now {
                data.insert(field.to_string(), json!({ "was": was, "now": now }));
            }
        };
        if let Some(kind) = change.kind {
            rules.kind(&kind)?;
            note("kind", json!(incident.kind), json!(kind));
            incident.kind = kind;
        }
        if let Some(severity) = change.severity {
            note("severity", json!(incident.severity), json!(severity));
            incident.severity = severity;
        }
        if let Some(title) = change.title {
            let title = words(&title, "title", TITLE)?;
            note("title", json!(incident.title), json!(title));
            incident.title = title;
        }
        if let Some(text) = change.text {
            let text = maybe(Some(&text), "text", TEXT)?.unwrap_or_default();
            note("text", json!(incident.text), json!(text));
            incident.text = text;
        }
        if let (Some(lon), Some(lat)) = (change.lon, change.lat) {
            let place = self.place(Some(Point::new(lon, lat)?), None, incident.place.address.clone());
            note("place", json!(incident.place), json!(place));
            incident.place = place;
        }
        if let Some(address) = change.address {
            let address = maybe(Some(&address), "address", 300)?;
            note("address", json!(incident.place.address), json!(address));
            incident.place.address = address;
        }
        if let Some(commander) = commander {
            note("commander", json!(incident.commander), json!(commander));
            incident.commander = Some(commander);
        }
        if data.is_empty() {
            drop(tx);
            return self.incident(caller, id).await;
        }
        tables::log(&mut tx, id, &By::of(caller), "changed", "", &Value::Object(data)).await?;
        self.told(&mut tx, &incident, "changed");
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Adds a note or message to the log; also to an incident that has ended. Whoever sees the incident may.
    pub async fn note(&self, caller: &Caller, id: Uuid, note: NewNote) -> Result<()> {
        let incident = self.readable(caller, id).await?;
        let text = words(&note.text, "text", TEXT)?;
        caller.person()?;
        let mut tx = self.store.begin(caller).await?;
        tables::log(&mut tx, id, &By::of(caller), if note.message { "message" } else { "note" }, &text, &json!({})).await?;
        self.told(&mut tx, &incident, "log");
        tx.commit().await
    }

    /// Attaches an alarm or case.
    pub async fn attach(&self, caller: &Caller, id: Uuid, input: LinkInput) -> Result<IncidentView> {
        let link = match (input.alarm, input.case) {
            (Some(alarm), None) => {
                let facts = self.matters.alarm(caller, alarm).await?;
                alarm_link(caller, &facts)
            }
            (None, Some(case)) => {
                let facts = self.matters.case(caller, case).await?;
                case_link(caller, case, &format!("{} {}", facts.title, facts.code))
            }
            _ => return Err(Error::invalid("incidents.link", "Name an alarm or a case.")),
        };
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        if tables::link(&mut tx, id, &link).await? {
            tables::log(&mut tx, id, &By::of(caller), "link", &link.title, &json!({ "kind": link.kind, "ref": link.reference })).await?;
            self.told(&mut tx, &incident, "link");
            tables::update(&mut tx, &mut incident).await?;
        }
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Merges an incident into another: it ends and stands below that one; its alarms, cases, open tasks and resources go over.
    pub async fn merge(&self, caller: &Caller, id: Uuid, input: MergeInput) -> Result<IncidentView> {
        let rules = self.rules();
        let reason = words(&input.reason, "reason", TEXT)?;
        let mut tx = self.store.begin(caller).await?;
        let mut gone = self.workable(&mut tx, caller, id, Some(input.version)).await?;
        let mut into = self.workable(&mut tx, caller, input.into, None).await?;
        if gone.id == into.id || gone.drill != into.drill || into.parent == Some(gone.id) {
            return Err(Error::conflict(
                "incidents.merge.not-possible",
                "These two cannot be merged: an incident and a drill stay apart, and nothing stands below itself.",
            ));
        }
        let policy = rules.policy()?;
        rules.flow()?.admit(caller, &gone.state, &gone.unit.id, false, &policy.merge_move, &BTreeSet::from(["reason".to_string(), "note".to_string()]))?;
        let by = By::of(caller);
        for link in tables::links_in(&mut tx, gone.id).await? {
            tables::link(&mut tx, into.id, &link).await?;
        }
        for mut task in tables::open_tasks_in(&mut tx, gone.id).await? {
            let over = crate::model::Task { id: tx.id(), incident: into.id, code: into.code.clone(), title: into.title.clone(), version: 1, ..task.clone() };
            (task.state, task.done_at, task.done_by) = ("cancelled".into(), Some(caller.now), Some(by.clone()));
            task.note = Some(into.code.clone());
            tables::update_task(&mut tx, &mut task).await?;
            tables::insert_task(&mut tx, &over).await?;
        }
        for mut sent in tables_ops::dispatches_in(&mut tx, gone.id).await?.into_iter().filter(|d| !d.ended) {
            (sent.incident, sent.incident_code, sent.incident_title) = (into.id, into.code.clone(), into.title.clone());
            tables_ops::update_dispatch(&mut tx, &mut sent).await?;
        }
        (gone.parent, gone.merged) = (Some(into.id), true);
        self.go_on(&mut tx, &rules, &mut gone, &policy.merge_move, json!({ "into": into.code, "reason": reason })).await?;
        tables::update(&mut tx, &mut gone).await?;
        tables::log(&mut tx, into.id, &by, "merged", &format!("{} {}", gone.code, gone.title), &json!({ "from": gone.code, "reason": reason })).await?;
        // What came first counts for the time chain.
        into.signal_at = into.signal_at.min(gone.signal_at);
        into.severity = into.severity.max(gone.severity);
        self.told(&mut tx, &into, "merged");
        tables::update(&mut tx, &mut into).await?;
        tx.audit("incident.merge", &format!("incident:{id}"), &json!({ "into": into.code })).await?;
        tx.commit().await?;
        self.incident(caller, input.into).await
    }

    /// Splits a part off as an incident of its own below this one; the links named go over.
    pub async fn split(&self, caller: &Caller, id: Uuid, input: SplitInput) -> Result<IncidentView> {
        let rules = self.rules();
        let (title, reason) = (words(&input.title, "title", TITLE)?, words(&input.reason, "reason", TEXT)?);
        let mut tx = self.store.begin(caller).await?;
        let mut whole = self.workable(&mut tx, caller, id, Some(input.version)).await?;
        let wanted: BTreeSet<&str> = input.links.iter().map(String::as_str).collect();
        let moved: Vec<Link> =
            tables::links_in(&mut tx, id).await?.into_iter().filter(|l| wanted.contains(format!("{}:{}", l.kind, l.reference).as_str())).collect();
        if moved.len() != wanted.len() {
            return Err(Error::unprocessable("incidents.split.links", "What is to go over does not belong to this incident."));
        }
        let kind = input.kind.unwrap_or_else(|| whole.kind.clone());
        let opened = Opened {
            kind,
            severity: whole.severity,
            title,
            text: String::new(),
            place: whole.place.clone(),
            drill: whole.drill,
            source: "split",
            opening: None,
            signal_at: caller.now,
            links: moved.clone(),
            parent: Some(id),
        };
        for link in &moved {
            tables::unlink(&mut tx, id, &link.kind, &link.reference).await?;
        }
        let part_id = tx.id();
        let part = self.begin_incident(&mut tx, &rules, part_id, opened).await?;
        let facts = json!({ "into": part.code, "reason": reason, "links": input.links });
        tables::log(&mut tx, id, &By::of(caller), "split", &format!("{} {}", part.code, part.title), &facts).await?;
        self.told(&mut tx, &whole, "split");
        tables::update(&mut tx, &mut whole).await?;
        tx.commit().await?;
        self.incident(caller, part.id).await
    }
}

pub(crate) fn alarm_link(caller: &Caller, facts: &AlarmFacts) -> Link {
    let title = format!("{} · {}", facts.title, facts.entity_name);
    Link { kind: facts.kind.into(), reference: facts.id.to_string(), title, href: facts.href.clone(), at: caller.now, by: By::of(caller) }
}

pub(crate) fn case_link(caller: &Caller, id: Uuid, title: &str) -> Link {
    Link { kind: "case".into(), reference: id.to_string(), title: title.into(), href: format!("/work/{id}"), at: caller.now, by: By::of(caller) }
}
