//! Delays and silences.

use std::sync::Arc;

use dothi_store::JobRunner;

use crate::{Rules, TIMER};

impl Rules {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        runner.on(TIMER, move |job| {
            let rules = self.clone();
            async move { rules.on_timer(&job.key).await }
        })
    }
}
