//! What keeps sign-in from being guessed or flooded: counted failures and bounded hashing. Both live in memory and are
//! bounded; each node counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use dothi_kernel::{Error, Result, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::pack::{PasswordPolicy, ThrottlePolicy};

/// What failures are counted by. Logins are kept as hashes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair([u8; 16], Option<IpAddr>),
    Login([u8; 16]),
    Address(Option<IpAddr>),
    Registration(Option<IpAddr>),
}

/// Failures since the window began.
#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    failures: u32,
}

/// Counters of failures.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<Key, Count>>);

fn short(login: &str) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&Sha256::digest(login)[..16]);
    out
}

fn window(policy: &ThrottlePolicy) -> i64 {
    i64::from(policy.window_minutes) * 60_000_000
}

impl Throttle {
    /// 429 `access.too-many-tries` while too many failures lie within the window.
    pub(crate) fn admit(&self, policy: &ThrottlePolicy, now: Timestamp, login: &str, address: Option<IpAddr>) -> Result<()> {
        let login = short(login);
        self.below(policy, now, Key::Pair(login, address), policy.failures_per_login_and_address)?;
        self.below(policy, now, Key::Login(login), policy.failures_per_login)?;
        self.below(policy, now, Key::Address(address), policy.failures_per_address)
    }

    /// Counts a failure before it is known, so that tries sent together cannot slip through; [`Throttle::forgive`]
    /// takes it back.
    pub(crate) fn count(&self, policy: &ThrottlePolicy, now: Timestamp, login: &str, address: Option<IpAddr>) -> Result<()> {
        let login = short(login);
        [Key::Pair(login, address), Key::Login(login), Key::Address(address)].into_iter().try_for_each(|k| self.add(policy, now, k))
    }

    /// The try was right or did not happen.
    pub(crate) fn forgive(&self, login: &str, address: Option<IpAddr>) {
        let login = short(login);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in [Key::Pair(login, address), Key::Login(login), Key::Address(address)] {
            if let Some(count) = counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    /// Counts a new account; 429 when an address makes too many.
    pub(crate) fn register(&self, policy: &ThrottlePolicy, now: Timestamp, address: Option<IpAddr>) -> Result<()> {
        self.below(policy, now, Key::Registration(address), policy.registrations_per_address)?;
        self.add(policy, now, Key::Registration(address))
    }

    fn below(&self, policy: &ThrottlePolicy, now: Timestamp, key: Key, limit: u32) -> Result<()> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get(&key) else { return Ok(()) };
        let left = count.since.as_microsecond() + window(policy) - now.as_microsecond();
        if left <= 0 || count.failures < limit {
            return Ok(());
        }
        let wait = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        Err(Error::too_many("access.too-many-tries", "Too many tries. Please wait and try again.").retry_after(wait))
    }

    fn add(&self, policy: &ThrottlePolicy, now: Timestamp, key: Key) -> Result<()> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |c: &Count| c.since.as_microsecond() + window(policy) <= now.as_microsecond();
        if counts.len() >= policy.remembered && !counts.contains_key(&key) {
            counts.retain(|_, c| !over(c) && c.failures > 0);
            if counts.len() >= policy.remembered {
                return Err(Error::unavailable("access.busy", "Too many sign-ins at this moment. Please try again.").retry_after(Duration::from_secs(30)));
            }
        }
        let count = counts.entry(key).or_insert(Count { since: now, failures: 0 });
        if over(count) {
            *count = Count { since: now, failures: 0 };
        }
        count.failures += 1;
        Ok(())
    }
}

/// Hashes passwords, a few at a time.
pub(crate) struct Hashing {
    policy: PasswordPolicy,
    workers: Arc<Semaphore>,
    inside: AtomicUsize,
}

/// A place in the queue; left when dropped, also when the request is given up.
pub(crate) struct Place(Arc<Hashing>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hashing {
    pub(crate) fn new(policy: &PasswordPolicy) -> Arc<Self> {
        Arc::new(Self { policy: policy.clone(), workers: Arc::new(Semaphore::new(policy.at_once)), inside: AtomicUsize::new(0) })
    }

    /// Takes a place before any other work is done. 503 `access.busy` when too many wait.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place> {
        let ahead = self.inside.fetch_add(1, Ordering::SeqCst);
        let place = Place(self.clone());
        if ahead >= self.policy.waiting + self.policy.at_once {
            return Err(Error::unavailable("access.busy", "Too many sign-ins at this moment. Please try again.").retry_after(Duration::from_secs(5)));
        }
        Ok(place)
    }

    fn argon(&self) -> Result<Argon2<'static>> {
        let p = &self.policy;
        let params = Params::new(p.memory_kib, p.passes, p.lanes, None).map_err(|e| Error::internal("preparing a password hash", e))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl Place {
    /// Hashes a new password.
    pub(crate) async fn hash(self, password: String) -> Result<String> {
        let argon = self.0.argon()?;
        self.run(move || argon.hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(|e| Error::internal("hashing a password", e))).await?
    }

    /// Whether the password fits. Without a stored hash the same work is done in vain, so that time tells nothing.
    pub(crate) async fn verify(self, password: String, stored: Option<String>) -> Result<bool> {
        let argon = self.0.argon()?;
        self.run(move || match stored {
            Some(stored) => {
                let parsed = PasswordHash::new(&stored).map_err(|e| Error::internal("reading a password hash", e))?;
                Ok(argon.verify_password(password.as_bytes(), &parsed).is_ok())
            }
            None => Ok(argon.hash_password(password.as_bytes()).is_err()),
        })
        .await?
    }

    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let worker = self.0.workers.clone().acquire_owned().await.map_err(|e| Error::internal("waiting for a worker", e))?;
        let hashed = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held until the work is done, even when the request was given up meanwhile.
            drop((worker, self));
            done
        });
        hashed.await.map_err(|e| Error::internal("hashing a password", e))
    }
}

/// Longest password that is looked at, characters: hashing takes time with length.
pub(crate) const PASSWORD_MAX: usize = 200;
