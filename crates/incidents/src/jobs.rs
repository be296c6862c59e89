//! Timers: steps that become due, levels that are called.

use std::sync::Arc;

use dothi_store::JobRunner;

use crate::Incidents;

/// Timer of a running procedure's active step; the key is the run.
pub(crate) const STEP: &str = "incidents.step";
/// Timer of an incident's next level; the key is the incident.
pub(crate) const ESCALATE: &str = "incidents.escalate";

impl Incidents {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (steps, levels) = (self.clone(), self);
        let runner = runner.on(STEP, move |job| {
            let this = steps.clone();
            async move { this.step_due(&job.key).await }
        });
        runner.on(ESCALATE, move |job| {
            let this = levels.clone();
            async move { this.escalate(&job.key).await }
        })
    }
}
