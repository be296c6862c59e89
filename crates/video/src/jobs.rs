//! What runs beside: looks, recordings, counts, retention, exports.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::time::earlier;
use dothi_kernel::{Event, Result, Timestamp};
use dothi_store::{JobRunner, Tx};
use tokio_util::sync::CancellationToken;

use crate::{Video, tables, tables_seen};

/// Gives disk back.
const KEEP: &str = "video.keep";
/// Makes the file of an export.
pub(crate) const EXPORT: &str = "video.export";
/// Between two rounds of retention.
const ROUND: Duration = Duration::from_secs(900);
/// Files that one round takes away of one camera in one change.
const STEP: usize = 200;
/// Days that single counts are kept; as observations they stay in the history.
const COUNTS: Duration = Duration::from_secs(7 * 86_400);

fn days(n: u32) -> Duration {
    Duration::from_secs(u64::from(n) * 86_400)
}

/// Sets the timer of retention.
pub(crate) async fn begin(tx: &mut Tx) -> Result<()> {
    let at = tx.now() + ROUND;
    tx.schedule(KEEP, "next", at).await
}

impl Video {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        let keeper = self.clone();
        let runner = runner.on(KEEP, move |_| {
            let this = keeper.clone();
            async move { this.give_back().await }
        });
        runner.heavy(EXPORT).on(EXPORT, move |job| {
            let this = self.clone();
            async move {
                match job.key.parse() {
                    Ok(id) => this.make_export(id).await,
                    Err(_) => Ok(()),
                }
            }
        })
    }

    /// Looks, records and counts until told to stop; what was recorded is kept then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let looks = async {
            loop {
                let pause = self.policy(self.store.clock().now()).map_or(60, |p| p.look_seconds);
                let begun = tokio::time::Instant::now();
                self.look_round().await;
                tokio::time::sleep_until(begun + Duration::from_secs(u64::from(pause))).await;
            }
        };
        let rest = async {
            loop {
                self.record_as_told();
                self.count_as_told();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = looks => {}
            () = rest => {}
            () = stop.cancelled() => {}
        }
        self.stop_counting();
        self.stop_recording().await;
    }

    /// Ends all connections to cameras. To be called before the store is closed.
    pub fn close(&self) {
        self.hub.close();
    }

    /// Takes away what outlived its retention and no hold keeps; sets the timer anew.
    pub(crate) async fn give_back(&self) -> Result<()> {
        let now = self.store.clock().now();
        if let Ok(policy) = self.policy(now) {
            for camera in self.all() {
                let keep = camera.retention_days.unwrap_or(policy.retention_days);
                while self.drop_step(camera.id, earlier(now, days(keep))).await? == STEP {}
            }
            self.drop_exports(earlier(now, days(policy.export_days))).await?;
            let mut tx = self.store.begin_as("video").await?;
            tables::forget(&mut tx, earlier(now, COUNTS), earlier(now, days(policy.log_days))).await?;
            tx.commit().await?;
        }
        let mut tx = self.store.begin_as("video").await?;
        begin(&mut tx).await?;
        tx.commit().await
    }

    async fn drop_step(&self, camera: uuid::Uuid, before: Timestamp) -> Result<usize> {
        let gone = tables_seen::outlived(&self.store, camera, before, STEP).await?;
        if gone.is_empty() {
            return Ok(0);
        }
        let mut bytes = Vec::new();
        let mut tx = self.store.begin_as("video").await?;
        for segment in &gone {
            if tables_seen::drop_segment(&mut tx, segment).await? {
                tx.detach(&segment.sha256).await?;
                bytes.push(segment.sha256.clone());
            }
        }
        tx.commit().await?;
        for sha256 in bytes {
            self.store.blobs().remove(&sha256).await?;
        }
        Ok(gone.len())
    }

    async fn drop_exports(&self, before: Timestamp) -> Result<()> {
        for e in tables_seen::exports_in(&self.store, "ready", before, STEP).await? {
            let mut tx = self.store.begin_as("video").await?;
            let Some(mut e) = tables_seen::export_in(&mut tx, e.id).await? else { continue };
            let sha256 = e.sha256.take();
            e.state = "gone".into();
            e.version += 1;
            tables_seen::put_export(&mut tx, &e).await?;
            let gone = match &sha256 {
                Some(sha256) if tables_seen::unnamed(&mut tx, sha256).await? => {
                    tx.detach(sha256).await?;
                    true
                }
                _ => false,
            };
            tx.emit(Event::CameraChanged { camera: e.camera, what: "export".into(), unit: e.unit.clone() });
            tx.commit().await?;
            if let (true, Some(sha256)) = (gone, sha256) {
                self.store.blobs().remove(&sha256).await?;
            }
        }
        Ok(())
    }
}
