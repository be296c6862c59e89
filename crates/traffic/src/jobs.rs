//! What happens by itself: what is usual each night, each minute what ended or should be proposed, and how far orders to signs got.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Result, Timestamp};
use dothi_store::JobRunner;

use crate::Traffic;

/// Kind of the nightly reckoning; its key is the code after which it goes on.
pub(crate) const USUAL: &str = "traffic.usual";
/// Kind of the look at each minute.
pub(crate) const MINUTE: &str = "traffic.minute";
/// Kind of a sign's timer; its key is the sign's id.
pub(crate) const SIGN: &str = "traffic.sign";
/// Segments reckoned in one step.
const STEP: usize = 25;
/// Hour of the night.
const NIGHT: i8 = 3;

impl Traffic {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let (usual, minute, sign) = (self.clone(), self.clone(), self);
        runner
            .on(USUAL, move |job| {
                let this = usual.clone();
                async move { this.reckon_step(&job.key).await }
            })
            .heavy(USUAL)
            .on(MINUTE, move |_| {
                let this = minute.clone();
                async move { this.minute().await }
            })
            .on(SIGN, move |job| {
                let this = sign.clone();
                async move { this.sign_due(&job.key).await }
            })
    }

    /// Sets the timers when there are segments.
    pub(crate) async fn begin_jobs(&self) -> Result<()> {
        if self.net().segments.is_empty() {
            return Ok(());
        }
        let fresh = self.live().usual.is_empty();
        let mut tx = self.store.begin_as("traffic").await?;
        let now = tx.now();
        tx.schedule(USUAL, "", if fresh { now + Duration::from_secs(5) } else { self.tonight(now) }).await?;
        tx.schedule(MINUTE, "next", now + Duration::from_secs(60)).await?;
        tx.commit().await
    }

    fn tonight(&self, now: Timestamp) -> Timestamp {
        let local = now.to_zoned(self.calendar.zone().clone());
        let day = if local.hour() < NIGHT { local.date() } else { local.date().tomorrow().unwrap_or(local.date()) };
        let at = self.calendar.zone().to_ambiguous_timestamp(day.at(NIGHT, 0, 0, 0)).compatible();
        at.unwrap_or(now + Duration::from_secs(86_400))
    }

    async fn reckon_step(&self, after: &str) -> Result<()> {
        let next = self.reckon_some(after, STEP).await?;
        if next.is_none() {
            self.reckon_routes().await?;
        }
        let mut tx = self.store.begin_as("traffic").await?;
        let now = tx.now();
        match next {
            Some(code) => tx.schedule(USUAL, &code, now).await?,
            None => {
                tx.schedule(USUAL, "", self.tonight(now)).await?;
                tx.emit(dothi_kernel::Event::TrafficChanged { what: "usual".into() });
            }
        }
        tx.commit().await
    }

    async fn minute(&self) -> Result<()> {
        let system = Caller::system("traffic", self.store.clock().as_ref());
        if let Ok(policy) = self.policy(system.now) {
            let _turn = self.turn.lock().await;
            let changes = self.live().silent(&policy, system.now.as_microsecond());
            self.keep(changes).await?;
            self.propose_delays(&system, &policy).await?;
            self.tell_works();
            self.tell_speeds();
        }
        let mut tx = self.store.begin(&system).await?;
        tx.schedule(MINUTE, "next", system.now + Duration::from_secs(60)).await?;
        tx.commit().await
    }
}
