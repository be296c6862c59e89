//! The press: drawing takes processor and pictures take memory, so few papers are drawn at once and few wait.

use std::time::Duration;

use dothi_kernel::{Error, Result, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Imprint, Paper};

/// Papers that are drawn at once in this process.
const AT_ONCE: usize = 2;
/// Papers that wait or are drawn.
const PLACES: usize = 16;
/// When to come back if no place was free.
const LATER: Duration = Duration::from_secs(5);

static PRESS: Semaphore = Semaphore::const_new(AT_ONCE);
static QUEUE: Semaphore = Semaphore::const_new(PLACES);

/// A turn at the press. Take it before reading what makes a paper big (pictures), so that no more of that is in memory than is drawn.
pub struct Turn {
    _place: SemaphorePermit<'static>,
    _press: SemaphorePermit<'static>,
}

impl Turn {
    /// Waits for a turn. 503 `paper.busy` when too many wait already.
    pub async fn wait() -> Result<Self> {
        let busy = |_| Error::unavailable("paper.busy", "Many papers are being made. Please try again in a moment.").retry_after(LATER);
        let place = QUEUE.try_acquire().map_err(busy)?;
        let press = PRESS.acquire().await.map_err(|e| Error::internal("waiting to draw a paper", e))?;
        Ok(Self { _place: place, _press: press })
    }

    /// Draws a paper. Errors as of [`Paper::pdf`].
    pub async fn print(self, paper: Paper, imprint: Imprint, at: Timestamp) -> Result<Vec<u8>> {
        let drawn = tokio::task::spawn_blocking(move || {
            // The turn ends with the drawing, also when nobody waits for it any more.
            let _turn = self;
            paper.pdf(&imprint, at)
        });
        drawn.await.map_err(|e| Error::internal("drawing a paper", e))?
    }
}
