//! Tasks across agencies: given at the incident, seen and ended by the agency.

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, time};
use serde_json::json;
use uuid::Uuid;

use crate::desk::TEXT;
use crate::model::{By, EndTask, IncidentView, NewTask, Task};
use crate::{CURSORS, Incidents, maybe, tables, words};

/// Open tasks of one incident.
const OPEN: usize = 200;

impl Incidents {
    /// Gives a task to an agency; it sees the incident from then on.
    pub async fn give_task(&self, caller: &Caller, id: Uuid, new: NewTask) -> Result<IncidentView> {
        let text = words(&new.text, "text", 1_000)?;
        let (unit, person) = (self.unit(&new.unit)?, maybe(new.person.as_deref(), "person", 120)?);
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        if tables::open_tasks_in(&mut tx, id).await?.len() >= OPEN {
            return Err(Error::conflict("incidents.tasks.full", "There are too many open tasks.").with("limit", OPEN));
        }
        let minutes = new.minutes.filter(|m| (1..=43_200).contains(m));
        let task = Task {
            id: tx.id(),
            incident: id,
            code: incident.code.clone(),
            title: incident.title.clone(),
            drill: incident.drill,
            text,
            unit,
            person,
            step: None,
            due_at: minutes.map(|m| time::later(caller.now, time::minutes(m))),
            state: "open".into(),
            at: caller.now,
            by: By::of(caller),
            done_at: None,
            done_by: None,
            note: None,
            version: 1,
        };
        tables::insert_task(&mut tx, &task).await?;
        tables::log(&mut tx, id, &task.by, "task", &task.text, &json!({ "task": task.id, "unit": task.unit.id, "due": task.due_at, "what": "given" })).await?;
        self.told(&mut tx, &incident, "task");
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Ends a task: the agency that has it, or whoever leads the incident. Cancelling needs words. 409 `incidents.task.ended`.
    pub async fn end_task(&self, caller: &Caller, id: Uuid, input: EndTask) -> Result<Task> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        let note = maybe(input.note.as_deref(), "note", TEXT)?;
        if input.cancel && note.is_none() {
            return Err(Error::invalid("incidents.task.reason", "Say why the task is cancelled."));
        }
        let mut tx = self.store.begin(caller).await?;
        let mut task = tables::task_in(&mut tx, id).await?;
        let incident = tables::get_in(&mut tx, task.incident).await?;
        let leads = caller.may(Permission::IncidentHandle, Scope::unit(&incident.unit.id));
        if !leads && (input.cancel || !caller.may(Permission::IncidentRead, Scope::unit(&task.unit.id))) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        caller.person()?;
        if task.state != "open" {
            return Err(Error::conflict("incidents.task.ended", "This task has ended already."));
        }
        task.state = if input.cancel { "cancelled" } else { "done" }.to_string();
        (task.done_at, task.done_by, task.note) = (Some(caller.now), Some(By::of(caller)), note);
        tables::update_task(&mut tx, &mut task).await?;
        tables::log(&mut tx, incident.id, &By::of(caller), "task", &task.text, &json!({ "task": id, "what": task.state, "note": task.note })).await?;
        self.told(&mut tx, &incident, "task");
        tx.commit().await?;
        Ok(task)
    }

    /// Tasks of one's units, newest first; `state` `open` when left out, `all` for all.
    pub async fn tasks(&self, caller: &Caller, state: Option<&str>, page: &PageQuery) -> Result<Page<Task>> {
        let units = self.visible(caller)?;
        let state = Some(state.unwrap_or("open")).filter(|s| *s != "all");
        let found = tables::tasks_of(&self.store, units.as_ref(), state, page).await?;
        Ok(Page::of(found, page.limit(), |t| CURSORS.write(t.at, t.id)))
    }
}
