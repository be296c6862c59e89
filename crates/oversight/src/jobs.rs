//! When values are computed again: soon after what feeds them changed, and every so often because silence changes them too
//! (a station that falls silent sends no event).

use std::sync::{Arc, PoisonError};

use dothi_kernel::{Caller, Error, Event, EventRecord, Result};
use dothi_store::{Job, JobRunner};

use crate::Oversight;
use crate::compute::Areas;

/// Computes for the province; the key is the domain whose measures changed.
pub(crate) const COMPUTE: &str = "oversight.compute";
/// Computes for the communes.
pub(crate) const COMMUNES: &str = "oversight.communes";

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
/// Computed again at least so often.
const IDLE: i64 = 15 * 60 * SECOND;

impl Oversight {
    /// Sets the timer of what an event may have changed. Events of the same few seconds share one: instants are rounded up to
    /// a grid, so a steady stream can neither flood the timers nor push one ahead of itself for ever.
    pub async fn on_event(&self, record: &EventRecord) -> Result<()> {
        let (domain, grid) = match &record.event {
            Event::CaseOpened { .. } | Event::CaseMoved { .. } | Event::CaseAnswered { .. } | Event::CaseRated { .. } => ("cases", 5 * SECOND),
            // Live values change with every batch; coverage by live stations does not need to follow each of them.
            Event::EntityChanged { .. } | Event::EntityDeleted { .. } | Event::ObservationsAccepted { .. } => ("context", 60 * SECOND),
            Event::AlarmRaised { .. }
            | Event::AlarmAcknowledged { .. }
            | Event::AlarmCleared { .. }
            | Event::AlarmClosed { .. }
            | Event::AlarmChanged { .. } => ("rules", 60 * SECOND),
            Event::UnitsChanged => ("context", 5 * SECOND),
            Event::CaseDue { .. }
            | Event::WorkMoved { .. }
            | Event::PanelSignalled { .. }
            | Event::PanelConfirmed { .. }
            | Event::PanelRestored { .. }
            | Event::PanelHandled { .. }
            | Event::TrafficIncident { .. }
            | Event::SignAsked { .. }
            | Event::TrafficChanged { .. }
            | Event::IncidentOpened { .. }
            | Event::IncidentChanged { .. }
            | Event::IncidentEscalated { .. }
            | Event::WarningIssued { .. }
            | Event::OperationsChanged { .. }
            | Event::CameraHealthChanged { .. }
            | Event::CameraCounted { .. }
            | Event::CameraChanged { .. }
            | Event::LetterAsked { .. }
            | Event::ValueReported { .. }
            | Event::ValueSettled { .. }
            | Event::PackInstalled { .. } => {
                return Ok(());
            }
        };
        let system = Caller::system("oversight", self.store.clock().as_ref());
        let due = up(system.now.as_microsecond(), grid);
        if self.known(domain, due) {
            return Ok(());
        }
        let used = crate::sources(&crate::tables::sets(&self.store).await?).iter().any(|s| s == domain);
        if used {
            let mut tx = self.store.begin(&system).await?;
            tx.schedule(COMPUTE, domain, dothi_kernel::time::micros(due)).await?;
            tx.schedule(COMMUNES, domain, dothi_kernel::time::micros(up(due, HOUR))).await?;
            tx.commit().await?;
        }
        self.set_for.lock().unwrap_or_else(PoisonError::into_inner).insert(domain.to_string(), due);
        Ok(())
    }

    fn known(&self, domain: &str, due: i64) -> bool {
        self.set_for.lock().unwrap_or_else(PoisonError::into_inner).get(domain) == Some(&due)
    }

    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let communes = self.clone();
        runner
            .on(COMPUTE, move |job| {
                let this = self.clone();
                async move { this.run(Areas::Home, &job).await }
            })
            .on(COMMUNES, move |job| {
                let this = communes.clone();
                async move { this.run(Areas::Communes, &job).await }
            })
    }

    async fn run(&self, areas: Areas, job: &Job) -> Result<()> {
        let system = Caller::system("oversight", self.store.clock().as_ref());
        let report = self.compute_all(&system, areas, Some(&job.key)).await?;
        if !report.failed.is_empty() {
            return Err(Error::internal("computing indicators", report.failed.join(", ")));
        }
        let next = match areas {
            Areas::Home => up(system.now.as_microsecond(), IDLE),
            Areas::Communes => up(system.now.as_microsecond(), 24 * HOUR),
        };
        let mut tx = self.store.begin(&system).await?;
        tx.again(job, dothi_kernel::time::micros(next)).await?;
        tx.commit().await
    }
}

/// The next instant of the grid after `at`.
fn up(at: i64, grid: i64) -> i64 {
    (at.div_euclid(grid) + 1) * grid
}
