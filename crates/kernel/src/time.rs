//! Time and ids come from a clock, so that tests own both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use jiff::Timestamp;
use uuid::Uuid;

/// Source of now and of time-ordered ids (UUIDv7, RFC 9562).
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// A new id that sorts by the clock's time.
    fn id(&self) -> Uuid {
        let ms = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let mut random = [0u8; 10];
        rand::Rng::fill(&mut rand::rng(), &mut random[..]);
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Microseconds are what the stores keep; finer digits would not survive a round trip.
        micros(Timestamp::now().as_microsecond())
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// A clock standing at `at`.
    pub fn at(at: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(at.as_microsecond())))
    }
    /// Moves on by whole seconds (negative moves back).
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
    /// Sets the clock.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        micros(self.0.load(Ordering::SeqCst))
    }
}

/// So many minutes.
pub fn minutes(n: u32) -> Duration {
    Duration::from_secs(u64::from(n) * 60)
}

/// `at` and so much more; at most the last instant there is.
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    micros(at.as_microsecond().saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

/// So much before `at`; at least the first instant there is.
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    micros(at.as_microsecond().saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

/// A timestamp from microseconds since 1970, clamped to what [`Timestamp`] can hold.
pub fn micros(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
