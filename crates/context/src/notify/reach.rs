//! One receiver, whoever it is subscribed by: how many requests it gets at once, and a breaker that leaves it alone
//! for growing times while it fails.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests that one receiver gets at once.
const AT_ONCE: usize = 32;
/// Failures in a row after which it is left alone.
const PATIENCE: u32 = 8;
/// Longest time it is left alone.
const LONGEST: Duration = Duration::from_secs(60);

/// One receiver.
#[derive(Debug)]
pub(super) struct Reach {
    turns: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
    /// One request finds out whether it is well again.
    probing: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), state: Mutex::default() }
    }
}

/// Leave to send one request.
pub(super) struct Turn<'a> {
    reach: &'a Reach,
    probes: bool,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Reach {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub(super) async fn enter(&self) -> Turn<'_> {
        loop {
            // Closing never happens; without a permit there is no cap, that is all.
            let permit = self.turns.acquire().await.ok();
            let wait = {
                let mut state = self.state();
                let now = Instant::now();
                match state.closed_until {
                    None => return Turn { reach: self, probes: false, _permit: permit },
                    Some(until) if until <= now && !state.probing => {
                        state.probing = true;
                        return Turn { reach: self, probes: true, _permit: permit };
                    }
                    Some(until) => until.max(now + Duration::from_millis(100)),
                }
            };
            drop(permit);
            tokio::time::sleep_until(wait).await;
        }
    }
}

impl Turn<'_> {
    /// Tells what came of it.
    pub(super) fn report(self, well: bool) {
        let mut state = self.reach.state();
        if well {
            (state.failures, state.closed_until) = (0, None);
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= PATIENCE {
            let pause = Duration::from_secs(1 << (state.failures - PATIENCE).min(6)).min(LONGEST);
            state.closed_until = Some(Instant::now() + pause);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.probes {
            self.reach.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failing_receiver_is_left_alone_then_tried_once() {
        let reach = Reach::default();
        for _ in 0..PATIENCE {
            reach.enter().await.report(false);
        }
        let until = reach.state().closed_until;
        assert!(until.is_some_and(|u| u > Instant::now()), "left alone");
        reach.state().closed_until = Some(Instant::now());
        let probe = reach.enter().await;
        let other = tokio::time::timeout(Duration::from_millis(20), reach.enter()).await;
        assert!(probe.probes && other.is_err(), "only one finds out");
        probe.report(true);
        assert!(!reach.enter().await.probes, "open for all again");
    }
}
