//! The shift of the room: who leads it, what is open, handing over with both signatures, the operator log, orders that are read.

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::desk::TEXT;
use crate::model::{By, IncidentQuery};
use crate::model_ops::{HandInput, OpenIncident, OpenMatters, OpenStep, OpsOrder, OpsShift, OrderView, ShiftNow, TakeInput, Words};
use crate::procedures::second_person;
use crate::{CURSORS, Incidents, stale, tables, tables_ops, unknown, words};

const LINES: usize = 200;

/// What both sign: the words and what was open.
fn seal(notes: &str, open: &OpenMatters) -> Result<String> {
    let text = serde_json::to_string(&(notes, open)).map_err(|e| Error::internal("sealing a shift", e))?;
    Ok(hex::encode(Sha256::digest(text)))
}

impl Incidents {
    /// What is open now. Drills are left out.
    async fn open_matters(&self, caller: &Caller) -> Result<OpenMatters> {
        let all = IncidentQuery { limit: Some(200), ..IncidentQuery::default() };
        let units = self.visible(caller)?;
        let mut incidents = tables::list(&self.store, &all, units.as_ref()).await?;
        incidents.truncate(200);
        let rules = self.rules();
        let codes: std::collections::BTreeMap<Uuid, String> = incidents.iter().map(|i| (i.id, i.code.clone())).collect();
        let steps = tables_ops::running(&self.store, 200).await?.into_iter().filter_map(|run| {
            let incident = codes.get(&run.incident)?.clone();
            let step = run.steps.into_iter().find(|s| s.state == "active")?;
            Some(OpenStep { incident, text: step.def.text, due_at: step.due_at })
        });
        Ok(OpenMatters {
            steps: steps.collect(),
            tasks: tables::count_open_tasks(&self.store).await?,
            alarms: self.matters.alarm_counts(caller).await?,
            warnings: tables_ops::in_force(&self.store, caller.now).await?.len() as i64,
            incidents: incidents
                .into_iter()
                .map(|i| {
                    let state = rules.pack.flow.as_ref().and_then(|f| f.states.get(&i.state)).map_or(i.state.clone(), |s| s.name.clone());
                    OpenIncident { id: i.id, code: i.code, title: i.title, state }
                })
                .collect(),
        })
    }

    /// The room now: shift, open matters, who is on duty, log and orders.
    pub async fn shift_now(&self, caller: &Caller) -> Result<ShiftNow> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let shift = tables_ops::shift(&self.store).await?;
        let log = match &shift {
            Some(s) => tables_ops::shift_lines(&self.store, s.id, LINES).await?,
            None => Vec::new(),
        };
        let me = caller.id;
        let orders = tables_ops::orders(&self.store).await?.into_iter().map(|(order, readers)| OrderView {
            read: readers.iter().any(|(id, _)| Some(*id) == me),
            readers: readers.into_iter().map(|(_, name)| name).collect(),
            order,
        });
        Ok(ShiftNow {
            shift,
            open: self.open_matters(caller).await?,
            on_duty: tables_ops::duties(&self.store, caller.now, micros(caller.now.as_microsecond() + 1)).await?,
            log,
            orders: orders.collect(),
        })
    }

    /// Begins the first shift. After that each begins by taking over. 409 `incidents.shift.runs`.
    pub async fn begin_shift(&self, caller: &Caller) -> Result<OpsShift> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        caller.person()?;
        let mut tx = self.store.begin(caller).await?;
        if tables_ops::shift_in(&mut tx).await?.is_some() {
            return Err(Error::conflict("incidents.shift.runs", "A shift runs; it is taken over, not begun."));
        }
        let shift = fresh(tx.id(), caller, None);
        tables_ops::insert_shift(&mut tx, &shift).await?;
        tx.audit("incidents.shift.begin", &format!("shift:{}", shift.id), &json!({})).await?;
        tx.emit(Event::OperationsChanged { what: "shift".into() });
        tx.commit().await?;
        Ok(shift)
    }

    /// Whoever leads the shift signs: the words and what is open are frozen and sealed. It may be done again until it is taken over.
    pub async fn hand_over(&self, caller: &Caller, input: HandInput) -> Result<OpsShift> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let notes = words(&input.notes, "notes", TEXT)?;
        let open = self.open_matters(caller).await?;
        let mut tx = self.store.begin(caller).await?;
        let mut shift = tables_ops::shift_in(&mut tx).await?.ok_or_else(unknown)?;
        if shift.version != input.version {
            return Err(stale());
        }
        if shift.lead.id != Some(caller.person()?) && !caller.may(Permission::IncidentApprove, Scope::ANY) {
            return Err(Error::forbidden("incidents.shift.lead", "Whoever leads the shift hands it over."));
        }
        (shift.seal, shift.handed_at) = (Some(seal(&notes, &open)?), Some(caller.now));
        (shift.notes, shift.open) = (notes, Some(open));
        tables_ops::update_shift(&mut tx, &mut shift).await?;
        tx.audit("incidents.shift.hand-over", &format!("shift:{}", shift.id), &json!({ "seal": shift.seal })).await?;
        tx.emit(Event::OperationsChanged { what: "shift".into() });
        tx.commit().await?;
        Ok(shift)
    }

    /// Somebody else signs what they read, and leads the next shift. 403 `incidents.second-person`, 409 `incidents.shift.seal` when
    /// it was sealed anew meanwhile.
    pub async fn take_over_shift(&self, caller: &Caller, input: TakeInput) -> Result<OpsShift> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        caller.person()?;
        let mut tx = self.store.begin(caller).await?;
        let mut old = tables_ops::shift_in(&mut tx).await?.ok_or_else(unknown)?;
        if old.version != input.version {
            return Err(stale());
        }
        if old.seal.as_deref() != Some(input.seal.as_str()) {
            return Err(Error::conflict("incidents.shift.seal", "Nothing was handed over, or it was changed since you read it."));
        }
        second_person(caller, &old.lead)?;
        (old.taken_at, old.taken_by) = (Some(caller.now), Some(By::of(caller)));
        tables_ops::update_shift(&mut tx, &mut old).await?;
        let next = fresh(tx.id(), caller, Some(old.id));
        tables_ops::insert_shift(&mut tx, &next).await?;
        tx.audit("incidents.shift.take-over", &format!("shift:{}", old.id), &json!({ "seal": old.seal, "next": next.id })).await?;
        tx.emit(Event::OperationsChanged { what: "shift".into() });
        tx.commit().await?;
        Ok(next)
    }

    /// Shifts, newest first.
    pub async fn shifts(&self, caller: &Caller, page: &PageQuery) -> Result<Page<OpsShift>> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let found = tables_ops::shifts(&self.store, page).await?;
        Ok(Page::of(found, page.limit(), |s| CURSORS.write(s.begun_at, s.id)))
    }

    /// A line for the operator log of the shift that runs.
    pub async fn shift_note(&self, caller: &Caller, input: Words) -> Result<()> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let text = words(&input.text, "text", TEXT)?;
        let mut tx = self.store.begin(caller).await?;
        let none = || Error::conflict("incidents.shift.none", "No shift runs; begin one.");
        let shift = tables_ops::shift_in(&mut tx).await?.ok_or_else(none)?;
        tables_ops::shift_line(&mut tx, shift.id, &caller.name, &text).await?;
        tx.emit(Event::OperationsChanged { what: "shift".into() });
        tx.commit().await
    }

    /// Gives an order to the room. Needs `incident-approve`.
    pub async fn give_order(&self, caller: &Caller, input: Words) -> Result<OpsOrder> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let text = words(&input.text, "text", TEXT)?;
        let mut tx = self.store.begin(caller).await?;
        let order = OpsOrder { id: tx.id(), at: caller.now, by: By::of(caller), text };
        tables_ops::insert_order(&mut tx, &order).await?;
        tx.audit("incidents.order.give", &format!("order:{}", order.id), &json!({})).await?;
        tx.emit(Event::OperationsChanged { what: "order".into() });
        tx.commit().await?;
        Ok(order)
    }

    /// Confirms having read an order. Again changes nothing.
    pub async fn read_order(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let person = caller.person()?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_ops::read_order(&mut tx, id, person, &caller.name).await? {
            return Err(unknown());
        }
        tx.emit(Event::OperationsChanged { what: "order".into() });
        tx.commit().await
    }

    /// Ends an order. Needs `incident-approve`.
    pub async fn end_order(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_ops::end_order(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("incidents.order.end", &format!("order:{id}"), &json!({})).await?;
        tx.emit(Event::OperationsChanged { what: "order".into() });
        tx.commit().await
    }
}

fn fresh(id: Uuid, caller: &Caller, before: Option<Uuid>) -> OpsShift {
    OpsShift {
        id,
        begun_at: caller.now,
        lead: By::of(caller),
        before,
        handed_at: None,
        notes: String::new(),
        open: None,
        seal: None,
        taken_at: None,
        taken_by: None,
        version: 1,
    }
}
