//! Timers: the day on which a unit begins or ends, and the end of sessions.

use std::sync::Arc;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Job, JobRunner};

use crate::{Access, tables};

/// A day begins on which some unit begins or ends.
pub(crate) const TURN: &str = "access.turn";
/// Sessions that have ended are deleted.
pub(crate) const SESSIONS: &str = "access.sessions";

const HOUR: i64 = 3_600_000_000;

/// The next full hour: sign-ins of the same hour set the same timer.
pub(crate) fn next_hour(now: Timestamp) -> Timestamp {
    dothi_kernel::time::micros((now.as_microsecond().div_euclid(HOUR) + 1) * HOUR)
}

impl Access {
    /// Registers the timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (turn, sessions) = (self.clone(), self);
        runner
            .on(TURN, move |job| {
                let this = turn.clone();
                async move { this.turn(&job).await }
            })
            .on(SESSIONS, move |job| {
                let this = sessions.clone();
                async move { this.sweep(&job).await }
            })
    }

    async fn turn(&self, job: &Job) -> Result<()> {
        self.reload().await?;
        let snapshot = self.snapshot();
        let Some(day) = snapshot.next_turn().and_then(|d| d.parse::<jiff::civil::Date>().ok()) else { return Ok(()) };
        let zone = snapshot.calendar.as_ref().map_or(jiff::tz::TimeZone::UTC, |c| c.zone().clone());
        let Ok(midnight) = zone.to_timestamp(day.at(0, 0, 0, 0)) else { return Ok(()) };
        let mut tx = self.store.begin_as("access").await?;
        tx.again(job, midnight).await?;
        tx.commit().await
    }

    async fn sweep(&self, job: &Job) -> Result<()> {
        let next = tables::next_session_end(&self.store).await?;
        let mut tx = self.store.begin_as("access").await?;
        tables::sweep_sessions(&mut tx).await?;
        if let Some(end) = next {
            let hour = next_hour(tx.now());
            tx.again(job, end.max(hour)).await?;
        }
        tx.commit().await
    }
}
