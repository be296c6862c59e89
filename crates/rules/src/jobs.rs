//! Delays and silences; what is set aside begins, ends, and is looked at again.

use std::sync::Arc;

use dothi_store::JobRunner;

use crate::aside::ASIDE;
use crate::life::DESIGNED;
use crate::{Rules, TIMER};

impl Rules {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (asides, designed) = (self.clone(), self.clone());
        let runner = runner.on(TIMER, move |job| {
            let rules = self.clone();
            async move { rules.on_timer(&job.key).await }
        });
        let runner = runner.on(ASIDE, move |job| {
            let rules = asides.clone();
            async move { rules.on_aside(&job.key).await }
        });
        runner.on(DESIGNED, move |job| {
            let rules = designed.clone();
            async move { rules.on_designed(&job.key).await }
        })
    }
}
