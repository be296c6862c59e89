//! Timers: an entity that expires is hidden at once and deleted by its timer; a command to a device ends in time.

use std::sync::Arc;

use dothi_kernel::{Caller, Result};
use dothi_store::JobRunner;

use crate::Context;
use crate::writer::{Change, Order};

/// Timer of an entity that expires; its key is the entity's id.
pub(crate) const EXPIRE: &str = "context.expire";

impl Context {
    /// Registers what this domain does in the background.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let devices = self.devices.clone();
        let runner = runner.on(EXPIRE, move |job| {
            let this = self.clone();
            async move { this.expire(&job.key).await }
        });
        runner.on(crate::devices::commands::TIMER, move |job| {
            let devices = devices.clone();
            async move { devices.command_due(&job.key).await }
        })
    }

    /// Deletes an entity if its time is over; one that was given more time or is gone stays as it is.
    async fn expire(&self, id: &str) -> Result<()> {
        let system = Caller::system("context", self.store.clock().as_ref());
        let order = Order { id: id.into(), only: None, change: Change::Expire };
        self.writer.orders(&system, vec![order]).await.map(|_| ())
    }
}
