//! One timer for all dossiers: it is set to the next deadline, and what is over then is written down as late.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::Result;
use dothi_kernel::time::later;
use dothi_store::JobRunner;

use crate::tables::Entry;
use crate::tables_board::Deltas;
use crate::{Dossiers, intake, tables};

/// Kind of the timer.
pub(crate) const WATCH: &str = "dossiers.watch";
/// Dossiers that become late in one change.
const STEP: usize = 250;

/// How long after the deadline it is over.
pub(crate) const OVER: Duration = Duration::from_micros(1);

impl Dossiers {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        runner.on(WATCH, move |_| {
            let this = self.clone();
            async move { this.watch().await }
        })
    }

    /// Writes down what has become late, and sets the timer to the next deadline.
    async fn watch(&self) -> Result<()> {
        let rules = self.rules();
        let mut tx = self.store.begin_as("dossiers").await?;
        let (now, by) = (tx.now(), tx.caller().name.to_string());
        let found = tables::newly_late(&mut tx, now, STEP).await?;
        let (mut deltas, mut log, mut rows) = (Deltas::default(), Vec::new(), Vec::new());
        for mut d in found {
            let Some(received) = d.received_at else { continue };
            let (policy, _) = rules.policy(&self.calendar, received)?;
            let Some((at, why)) = intake::lateness(&d, policy, now) else { continue };
            deltas.count(&d, self.over(&rules, &d), -1);
            (d.late, d.late_at, d.late_why) = (true, Some(at), Some(why.to_string()));
            d.version += 1;
            deltas.count(&d, self.over(&rules, &d), 1);
            log.push(Entry { code: d.code.clone(), n: 0, at, noted_at: now, kind: "late", was: None, became: Some(why.into()), by: by.clone() });
            rows.push(d);
        }
        tables::put(&mut tx, &rows).await?;
        tables::put_log(&mut tx, log, &Default::default()).await?;
        deltas.write(&mut tx).await?;
        if let Some(due) = tables::next_deadline(&mut tx).await? {
            tx.schedule(WATCH, "next", later(due, OVER)).await?;
        }
        tx.commit().await
    }
}
