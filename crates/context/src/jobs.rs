//! Timers: entities that have expired are deleted a little later (they are hidden at once).

use std::sync::Arc;

use dothi_kernel::{Caller, Result, time};
use dothi_store::JobRunner;

use crate::Context;
use crate::live::Candidates;
use crate::writer::{Change, Order};

const KIND: &str = "context.expire";
const KEY: &str = "entities";
/// Pause between two looks, in microseconds.
const PAUSE_US: i64 = 300_000_000;
/// Entities deleted at one look.
const BATCH: usize = 1_000;

impl Context {
    /// Registers what this domain does in the background.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        runner.on(KIND, move |_| {
            let this = self.clone();
            async move { this.expire().await }
        })
    }

    /// Sets the timer, once, at start.
    pub(crate) async fn schedule_expiry(&self) -> Result<()> {
        let system = Caller::system("context", self.store.clock().as_ref());
        let mut tx = self.store.begin(&system).await?;
        tx.schedule(KIND, KEY, time::micros(system.now.as_microsecond() + PAUSE_US)).await?;
        tx.commit().await
    }

    /// Deletes what has expired.
    async fn expire(&self) -> Result<()> {
        let system = Caller::system("context", self.store.clock().as_ref());
        let now = system.now.as_microsecond();
        let (mut orders, mut after) = (Vec::new(), None::<crate::model::Iri>);
        while orders.len() < BATCH {
            let chunk = self.live.chunk(&Candidates::All, after.as_deref(), crate::live::Order::Up, 512);
            let Some(last) = chunk.last() else { break };
            after = Some(last.id.clone());
            orders.extend(chunk.iter().filter(|e| !e.alive(now)).map(|e| Order { id: e.id.clone(), only: None, change: Change::Expire }));
        }
        if !orders.is_empty() {
            self.writer.orders(&system, orders).await?;
        }
        self.schedule_expiry().await
    }
}
