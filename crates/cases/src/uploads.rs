//! Photos that came faster than they can be worked on: kept as they are, unseen, until the darkroom has time.

use dothi_kernel::{Caller, Kind, Result};
use dothi_store::{Job, Tx};
use serde_json::json;
use uuid::Uuid;

use crate::photos::Taken;
use crate::{Cases, jobs, tables_uploads};

/// Timer of a case whose photos wait.
pub(crate) const DEVELOP_JOB: &str = "case.develop";

impl Cases {
    /// Ties what was taken to a new case.
    pub(crate) async fn keep_taken(&self, tx: &mut Tx, case: Uuid, taken: &Taken) -> Result<()> {
        match taken {
            Taken::Developed(photos) => self.keep_photos(tx, case, "report", photos).await,
            Taken::Waiting(files) => {
                tables_uploads::insert_uploads(tx, case, files).await?;
                tx.schedule(DEVELOP_JOB, &case.to_string(), tx.now()).await
            }
        }
    }

    /// Develops the photos of a case that wait. What turns out to be no photo after all is noted in the audit log and dropped.
    pub(crate) async fn develop_waiting(&self, job: &Job) -> Result<()> {
        let case = jobs::id_of(job)?;
        let system = Caller::system("cases", self.store.clock().as_ref());
        for (n, sha) in tables_uploads::uploads_of(&self.store, case).await? {
            let (_, bytes) = self.store.blobs().get(&sha).await?;
            let developed = self.darkroom.develop_later(bytes).await;
            let mut tx = self.store.begin(&system).await?;
            match developed {
                Ok(photo) => self.keep_photos(&mut tx, case, "report", &[photo]).await?,
                Err(e) if matches!(e.kind(), Kind::Unsupported | Kind::TooLarge) => {
                    tx.audit("case.photo.dropped", &format!("case:{case}"), &json!({ "because": e.code() })).await?;
                }
                Err(e) => return Err(e),
            }
            let last = tables_uploads::drop_upload(&mut tx, case, n, &sha).await?;
            tx.commit().await?;
            if last {
                // The file tells where its camera stood, so it does not wait for the daily sweep.
                self.store.blobs().remove(&sha).await?;
            }
        }
        Ok(())
    }
}
