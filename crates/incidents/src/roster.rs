//! Who is on duty: duties by roster, position and shift; swaps.

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope, Timestamp};
use jiff::civil::{Date, Time};
use serde_json::json;
use uuid::Uuid;

use crate::model_ops::{Duty, DutyQuery, NewDuty, SwapInput};
use crate::{Incidents, stale, tables_ops, unknown, words};

const DAY: i64 = 86_400_000_000;

impl Incidents {
    /// Duties of some days.
    pub async fn duties(&self, caller: &Caller, query: &DutyQuery) -> Result<Vec<Duty>> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        let today = self.calendar.zone().to_datetime(caller.now).date();
        let from = query.from.as_deref().map_or(Ok(today), date)?;
        let begin = self.instant(from, Time::midnight())?;
        let days = i64::from(query.days.unwrap_or(7).clamp(1, 31));
        tables_ops::duties(&self.store, begin, micros(begin.as_microsecond() + days * DAY)).await
    }

    /// Plans a duty. Needs `incident-approve`. 409 `incidents.duty.taken` when the position has somebody in that shift,
    /// `incidents.duty.twice` when the person has another duty then.
    pub async fn plan_duty(&self, caller: &Caller, new: NewDuty) -> Result<Duty> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let rules = self.rules();
        let wrong = || Error::unprocessable("incidents.duty.unknown", "There is no such roster, position or shift.");
        let roster = rules.pack.roster.iter().find(|r| r.code == new.roster && r.positions.contains(&new.position)).ok_or_else(wrong)?;
        let shift = roster.shifts.iter().find(|s| s.code == new.shift).ok_or_else(wrong)?;
        let day = date(&new.day)?;
        let last = if shift.end > shift.start { day } else { day.tomorrow().map_err(|_| bad_day())? };
        let (starts_at, ends_at) = (self.instant(day, shift.start)?, self.instant(last, shift.end)?);
        let centre = &rules.policy()?.centre;
        let person = self.holder(new.person, Permission::IncidentRead, centre).await?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_ops::duties_of_in(&mut tx, person.id, starts_at, ends_at).await?.is_empty() {
            return Err(Error::conflict("incidents.duty.twice", "This person has another duty at that time."));
        }
        let duty = Duty {
            id: tx.id(),
            roster: new.roster,
            position: new.position,
            shift: new.shift,
            day: day.to_string(),
            person: person.id,
            person_name: person.name,
            starts_at,
            ends_at,
            instead_of: None,
            reason: None,
            version: 1,
        };
        let taken =
            |e: Error| if e.code() == "store.exists" { Error::conflict("incidents.duty.taken", "Somebody has this position in that shift.") } else { e };
        tables_ops::insert_duty(&mut tx, &duty).await.map_err(taken)?;
        tx.audit("incidents.duty.plan", &format!("duty:{}", duty.id), &json!({ "position": duty.position, "day": duty.day, "shift": duty.shift })).await?;
        tx.emit(Event::OperationsChanged { what: "duty".into() });
        tx.commit().await?;
        Ok(duty)
    }

    /// Gives a duty to somebody else: the one who has it, or whoever plans duties. It stays on record who had it and why.
    pub async fn swap_duty(&self, caller: &Caller, id: Uuid, input: SwapInput) -> Result<Duty> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        let reason = words(&input.reason, "reason", 500)?;
        let rules = self.rules();
        let person = self.holder(input.person, Permission::IncidentRead, &rules.policy()?.centre).await?;
        let mut tx = self.store.begin(caller).await?;
        let mut duty = tables_ops::duty_in(&mut tx, id).await?;
        if duty.person != caller.person()? {
            caller.require(Permission::IncidentApprove, Scope::ANY)?;
        }
        if duty.version != input.version {
            return Err(stale());
        }
        if duty.ends_at <= caller.now {
            return Err(Error::conflict("incidents.duty.over", "This duty is over."));
        }
        if tables_ops::duties_of_in(&mut tx, person.id, duty.starts_at, duty.ends_at).await?.iter().any(|d| d.id != id) {
            return Err(Error::conflict("incidents.duty.twice", "This person has another duty at that time."));
        }
        (duty.instead_of, duty.reason) = (Some(duty.person_name.clone()), Some(reason));
        (duty.person, duty.person_name) = (person.id, person.name);
        tables_ops::update_duty(&mut tx, &mut duty).await?;
        tx.audit("incidents.duty.swap", &format!("duty:{id}"), &json!({ "position": duty.position, "day": duty.day })).await?;
        tx.emit(Event::OperationsChanged { what: "duty".into() });
        tx.commit().await?;
        Ok(duty)
    }

    /// Takes a planned duty away. Needs `incident-approve`. What has begun stays on record.
    pub async fn drop_duty(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let duty = tables_ops::duty_in(&mut tx, id).await?;
        if duty.starts_at <= caller.now {
            return Err(Error::conflict("incidents.duty.over", "This duty has begun."));
        }
        if !tables_ops::delete_duty(&mut tx, id).await? {
            return Err(unknown());
        }
        tx.audit("incidents.duty.drop", &format!("duty:{id}"), &json!({ "position": duty.position, "day": duty.day })).await?;
        tx.emit(Event::OperationsChanged { what: "duty".into() });
        tx.commit().await
    }

    /// People who can be planned and can command.
    pub async fn people(&self, caller: &Caller) -> Result<Vec<dothi_kernel::PersonRef>> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        self.staff.holders(Permission::IncidentRead, &self.rules().policy()?.centre).await
    }

    /// An instant of a day here.
    pub(crate) fn instant(&self, day: Date, time: Time) -> Result<Timestamp> {
        self.calendar.zone().to_ambiguous_timestamp(day.to_datetime(time)).compatible().map_err(|_| bad_day())
    }
}

pub(crate) fn date(text: &str) -> Result<Date> {
    text.parse().map_err(|_| bad_day())
}

fn bad_day() -> Error {
    Error::invalid("incidents.day", "A day is written 2026-11-21.")
}
