//! Timers: reminders before and at the deadline, and states that must not last for ever.

use std::sync::Arc;

use dothi_kernel::{Caller, Error, Event, Result};
use dothi_store::{Job, JobRunner};
use uuid::Uuid;

use crate::model::MoveInput;
use crate::moves::{CLOCK_JOB, Step, TIMEOUT_JOB};
use crate::tables::LogRecord;
use crate::uploads::DEVELOP_JOB;
use crate::{Cases, tables};

impl Cases {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (clock, learner, retention, developer, timeout) = (self.clone(), self.clone(), self.clone(), self.clone(), self);
        runner
            .on(CLOCK_JOB, move |job| {
                let cases = clock.clone();
                async move { cases.remind(&job).await }
            })
            .on(crate::suggest::LEARN_JOB, move |job| {
                let cases = learner.clone();
                async move { cases.learn(&job).await }
            })
            .on(TIMEOUT_JOB, move |job| {
                let cases = timeout.clone();
                async move { cases.time_out(&job).await }
            })
            .on(DEVELOP_JOB, move |job| {
                let cases = developer.clone();
                async move { cases.develop_waiting(&job).await }
            })
            .heavy(DEVELOP_JOB)
            .on(crate::retention::RETENTION_JOB, move |_| {
                let cases = retention.clone();
                async move { cases.retain().await }
            })
    }

    /// Tells about the highest share of the working time that was reached, once.
    async fn remind(&self, job: &Job) -> Result<()> {
        let id = id_of(job)?;
        let Some(seen) = tables::case(&self.store, id).await? else { return Ok(()) };
        let case_type = self.type_of(&seen).await?;
        let system = Caller::system("cases", self.store.clock().as_ref());
        let mut tx = self.store.begin(&system).await?;
        let Some(mut case) = tables::case_in(&mut tx, id).await? else { return Ok(()) };
        let Some(percent) = case.clock.reached(&self.calendar, system.now, &case_type.shares())? else {
            // Woken early or twice: the timer is set by what the case says now.
            self.set_timers(&mut tx, &case, &case_type).await?;
            return tx.commit().await;
        };
        case.clock.reminded = percent;
        if let Some(to) = case_type.escalates_to(percent) {
            case.escalated = Some(to.to_string());
        }
        tables::note_reminded(&mut tx, &case).await?;
        let log = LogRecord {
            step: "remind".into(),
            reason: Some(format!("{percent} %")),
            late_minutes: case.clock.late(&self.calendar, system.now),
            ..LogRecord::of(&case, system.now, "system")
        };
        tables::insert_log(&mut tx, id, &log).await?;
        tx.emit(Event::CaseDue { case: id, code: case.code.clone(), percent, unit: case.unit.clone() });
        self.set_timers(&mut tx, &case, &case_type).await?;
        tx.commit().await
    }

    /// Makes the platform's move when the state still is the one that lasted too long.
    async fn time_out(&self, job: &Job) -> Result<()> {
        let id = id_of(job)?;
        let Some(seen) = tables::case(&self.store, id).await? else { return Ok(()) };
        let case_type = self.type_of(&seen).await?;
        let system = Caller::system("cases", self.store.clock().as_ref());
        let mut tx = self.store.begin(&system).await?;
        let Some(mut case) = tables::case_in(&mut tx, id).await? else { return Ok(()) };
        let Some(timeout) = case_type.timeouts.iter().find(|t| t.state == case.state) else { return Ok(()) };
        let over = case.state_since.as_microsecond() + i64::from(timeout.after_days) * 86_400_000_000;
        if system.now.as_microsecond() < over {
            self.set_timers(&mut tx, &case, &case_type).await?;
            return tx.commit().await;
        }
        self.apply(&mut tx, &mut case, &case_type, Step { code: &timeout.step, input: &MoveInput::default(), photos: &[], own: false }).await?;
        tx.commit().await
    }
}

pub(crate) fn id_of(job: &Job) -> Result<Uuid> {
    job.key.parse().map_err(|e| Error::internal("reading a timer's key", e))
}
