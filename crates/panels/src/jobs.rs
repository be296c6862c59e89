//! One timer for all panels: it is set to the next moment at which one of them has been silent too long.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Result, Timestamp};
use dothi_store::{JobRunner, Tx};

use crate::dc09::{Scheme, Told};
use crate::pack::{PATH_LOSS, Phase, Policy};
use crate::receive::{PATHS, supervision};
use crate::signals::Arrival;
use crate::tables::{self, Account};
use crate::{Panels, Rules};

/// Kind of the timer.
pub(crate) const WATCH: &str = "panels.watch";
/// Panels of which a change tells.
const STEP: usize = 100;
/// Signs of life are written at least so often.
const WRITE: Duration = Duration::from_secs(300);

/// What the watch found.
struct Silent {
    account: Arc<Account>,
    path: usize,
}

impl Panels {
    /// Registers the domain's timers.
    pub fn jobs(self: Arc<Self>, runner: JobRunner) -> JobRunner {
        runner.on(WATCH, move |_| {
            let this = self.clone();
            async move { this.watch_paths().await }
        })
    }

    /// Takes over what is stored about signs of life, and sets the timer when there is a panel.
    pub(crate) async fn begin_watch(&self) -> Result<()> {
        let all = self.all();
        if all.is_empty() {
            return Ok(());
        }
        for account in &all {
            let mut watch = self.watched();
            let seen = watch.seen.entry(account.id).or_default();
            seen.at = [account.primary_at, account.backup_at];
            seen.lost = [account.primary_lost, account.backup_lost];
        }
        let mut tx = self.store.begin_as("panels").await?;
        self.set_watch(&mut tx).await?;
        tx.commit().await
    }

    /// Sets the timer to a moment from now: it looks and sets itself.
    pub(crate) async fn set_watch(&self, tx: &mut Tx) -> Result<()> {
        let at = tx.now() + Duration::from_secs(1);
        tx.schedule(WATCH, "next", at).await
    }

    /// When a path counts as lost; none when it is not supervised, or lost already.
    fn deadline(&self, account: &Account, path: usize, policy: &Policy) -> Option<Timestamp> {
        let every = supervision(account, path, policy);
        if every == 0 || !account.active || account.scheme == Scheme::Device {
            return None;
        }
        let watch = self.watched();
        let seen = watch.seen.get(&account.id);
        if seen.is_some_and(|s| s.lost[path].is_some()) {
            return None;
        }
        let from = seen.and_then(|s| s.at[path]).max(Some(account.since)).max(Some(watch.began))?;
        Some((from + Duration::from_secs(u64::from(every))).max(account.maintenance_until.unwrap_or(from)))
    }

    /// Tells of paths that are silent too long, writes signs of life, and sets the timer anew.
    async fn watch_paths(&self) -> Result<()> {
        let system = Caller::system("panels", self.store.clock().as_ref());
        let rules = self.rules();
        let Ok(policy) = rules.policy(system.now) else { return Ok(()) };
        let (mut silent, mut next) = (Vec::new(), None::<Timestamp>);
        let all = self.all();
        for account in &all {
            for path in 0..PATHS.len() {
                match self.deadline(account, path, policy) {
                    Some(at) if at <= system.now => silent.push(Silent { account: account.clone(), path }),
                    Some(at) => next = Some(next.map_or(at, |n| n.min(at))),
                    None => {}
                }
            }
        }
        let more = silent.len() > STEP;
        silent.truncate(STEP);
        let mut tx = self.store.begin(&system).await?;
        for s in &silent {
            self.path_lost(&mut tx, &rules, policy, s).await?;
        }
        let dirty = self.flush(&mut tx, &silent, system.now).await?;
        if !all.is_empty() {
            let least = system.now + Duration::from_secs(1);
            let latest = system.now + WRITE;
            let at = if more { least } else { next.map_or(latest, |n| n.clamp(least, latest)) };
            tx.schedule(WATCH, "next", at).await?;
        }
        tx.commit().await?;
        let mut watch = self.watched();
        for s in &silent {
            watch.seen.entry(s.account.id).or_default().lost[s.path] = Some(system.now);
        }
        for (id, at) in dirty {
            let seen = watch.seen.entry(id).or_default();
            seen.dirty = seen.at != at;
        }
        Ok(())
    }

    async fn path_lost(&self, tx: &mut Tx, rules: &Rules, policy: &Policy, silent: &Silent) -> Result<()> {
        let arrival = path_told(&silent.account, silent.path);
        let told = arrival.events.first().cloned();
        let premises = self.premises_of(tx, &silent.account).await?;
        match told.zip(rules.kind(PATH_LOSS)) {
            Some((told, kind)) => self.begin_or_repeat(tx, rules, policy, &arrival, &told, kind, premises.as_ref()).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Writes what is not written; what was written of whom.
    async fn flush(&self, tx: &mut Tx, silent: &[Silent], now: Timestamp) -> Result<Vec<(uuid::Uuid, [Option<Timestamp>; 2])>> {
        let changed: Vec<_> = {
            let watch = self.watched();
            let named = |id| silent.iter().any(|s: &Silent| s.account.id == id);
            watch.seen.iter().filter(|(id, s)| s.dirty || named(**id)).map(|(id, s)| (*id, s.at, s.lost)).collect()
        };
        for (id, at, lost) in &changed {
            let mut lost = *lost;
            for s in silent.iter().filter(|s| s.account.id == *id) {
                lost[s.path] = Some(now);
            }
            tables::put_seen(tx, *id, *at, lost).await?;
        }
        // A panel that was never heard is not in memory yet.
        for s in silent.iter().filter(|s| !changed.iter().any(|(id, ..)| *id == s.account.id)) {
            let mut lost = [None, None];
            lost[s.path] = Some(now);
            tables::put_seen(tx, s.account.id, [None, None], lost).await?;
        }
        Ok(changed.into_iter().map(|(id, at, _)| (id, at)).collect())
    }

    /// A lost path spoke again.
    pub(crate) async fn path_back(&self, caller: &Caller, account: &Account, path: usize) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        let arrival = path_told(account, path);
        for told in &arrival.events {
            self.restore(&mut tx, &arrival, told, PATH_LOSS).await?;
        }
        let (at, mut lost) = {
            let watch = self.watched();
            watch.seen.get(&account.id).map_or(([None; 2], [None; 2]), |s| (s.at, s.lost))
        };
        lost[path] = None;
        tables::put_seen(&mut tx, account.id, at, lost).await?;
        self.set_watch(&mut tx).await?;
        tx.commit().await?;
        self.watched().seen.entry(account.id).or_default().lost[path] = None;
        Ok(())
    }
}

/// A path as a signal is told of it: the path stands where a detector would.
fn path_told(account: &Account, path: usize) -> Arrival<'_> {
    let told = Told { scheme: account.scheme, code: PATH_LOSS.into(), qualifier: None, area: String::new(), zone: PATHS[path].into(), text: String::new() };
    Arrival {
        account,
        path: PATHS[path],
        sequence: 0,
        told_at: None,
        print: format!("{:?}", Phase::Raise),
        extended: Vec::new(),
        events: vec![told],
        alarm: None,
    }
}
