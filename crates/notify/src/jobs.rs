//! Timer: once a day what has ended is forgotten.

use std::sync::Arc;

use dothi_kernel::Result;
use dothi_kernel::time::earlier;
use dothi_store::{JobRunner, Tx};

use crate::{Notify, tables};

const SWEEP: &str = "notify.sweep";

/// Sets the timer.
pub(crate) async fn schedule(tx: &mut Tx) -> Result<()> {
    // The next turn of the day: a restart does not put it off.
    let day = 86_400_000_000;
    let at = dothi_kernel::time::micros((tx.now().as_microsecond().div_euclid(day) + 1) * day);
    tx.schedule(SWEEP, "all", at).await
}

impl Notify {
    /// Registers the timer.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        runner.on(SWEEP, move |_| {
            let this = self.clone();
            async move { this.sweep().await }
        })
    }

    async fn sweep(&self) -> Result<()> {
        let mut tx = self.store.begin_as("notify").await?;
        if let Some(policy) = &self.declared().policy {
            let (kept, unconfirmed) = Self::forget_after(policy);
            let now = tx.now();
            tables::sweep(&mut tx, earlier(now, kept), earlier(now, unconfirmed)).await?;
        }
        schedule(&mut tx).await?;
        tx.commit().await
    }
}
