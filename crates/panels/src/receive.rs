//! From a frame to its answer. An event is acknowledged after it is durable, never before.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use dothi_kernel::{Caller, Result, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Panels;
use crate::dc09::{self, Fault, Frame, Token};
use crate::model::{Refusal, Stranger};
use crate::pack::Policy;
use crate::signals::Arrival;
use crate::tables::Account;

/// Accounts that nobody registered which are remembered; the one heard longest ago makes room.
const STRANGERS: usize = 500;
/// Names of the two paths.
pub(crate) const PATHS: [&str; 2] = ["primary", "backup"];

/// What is seen of panels between commits.
pub(crate) struct Watch {
    /// When this program began to listen: nobody is silent since before.
    pub began: Timestamp,
    pub seen: HashMap<Uuid, Seen>,
    strangers: HashMap<String, Stranger>,
}

/// What is seen of one panel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Last sign of life on each path.
    pub at: [Option<Timestamp>; 2],
    /// Since when each path is lost.
    pub lost: [Option<Timestamp>; 2],
    /// Not written yet.
    pub dirty: bool,
    /// Seconds that its clock was ahead, last.
    pub drift: Option<i64>,
    refused: BTreeMap<&'static str, (u64, Timestamp)>,
    minute: i64,
    in_minute: u32,
}

impl Seen {
    /// Messages not taken, by reason.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refused.iter().map(|(why, (n, at))| Refusal { why: (*why).to_string(), n: *n, at: *at }).collect()
    }
}

impl Watch {
    pub fn since(began: Timestamp) -> Self {
        Self { began, seen: HashMap::new(), strangers: HashMap::new() }
    }

    fn refuse(&mut self, account: Uuid, why: &'static str, at: Timestamp) {
        let entry = self.seen.entry(account).or_default().refused.entry(why).or_insert((0, at));
        *entry = (entry.0 + 1, at);
    }

    /// Whether one more message of the panel is within its rate.
    fn within(&mut self, account: Uuid, rate: u32, at: Timestamp) -> bool {
        let seen = self.seen.entry(account).or_default();
        let minute = at.as_second() / 60;
        if seen.minute != minute {
            (seen.minute, seen.in_minute) = (minute, 0);
        }
        seen.in_minute = seen.in_minute.saturating_add(1);
        seen.in_minute <= rate
    }

    fn stranger(&mut self, account: &str, from: IpAddr, at: Timestamp) {
        if !self.strangers.contains_key(account) && self.strangers.len() >= STRANGERS {
            let oldest = self.strangers.values().min_by_key(|s| s.last_at).map(|s| s.account.clone());
            oldest.and_then(|a| self.strangers.remove(&a));
        }
        let fresh = || Stranger { account: account.to_string(), address: String::new(), n: 0, first_at: at, last_at: at };
        let entry = self.strangers.entry(account.to_string()).or_insert_with(fresh);
        entry.n += 1;
        entry.last_at = at;
        entry.address = from.to_string();
    }

    /// Accounts that nobody registered, the last heard first.
    pub fn strangers(&self) -> Vec<Stranger> {
        let mut all: Vec<Stranger> = self.strangers.values().cloned().collect();
        all.sort_by(|a, b| (b.last_at, &a.account).cmp(&(a.last_at, &b.account)));
        all
    }

    /// Forgets one: it is registered now.
    pub fn forget_stranger(&mut self, account: &str) {
        self.strangers.remove(account);
    }
}

/// The path a message came by: panels tell their second path by another line prefix.
fn path_of(account: &Account, frame: &Frame) -> usize {
    let plain = |line: &str| line.trim_start_matches('0').to_ascii_uppercase();
    usize::from(account.backup_line.as_deref().is_some_and(|backup| plain(backup) == plain(&frame.line)))
}

/// Seconds between signs of life on a path; 0: it is not supervised.
pub(crate) fn supervision(account: &Account, path: usize, policy: &Policy) -> u32 {
    if path == 0 { account.supervision.unwrap_or(policy.supervision) } else { account.backup_supervision.unwrap_or(0) }
}

impl Panels {
    /// Takes what stands between `<LF>` and `<CR>`; the answer as bytes. No answer: the panel will send it again.
    pub async fn receive(&self, bytes: &[u8], from: IpAddr) -> Option<Vec<u8>> {
        let frame = match Frame::parse(bytes) {
            Ok(frame) => frame,
            Err(fault) => {
                // What arrives broken is not answered: the sender repeats it.
                tracing::debug!(?fault, %from, "a frame was passed over");
                return None;
            }
        };
        let system = Caller { address: Some(from), ..Caller::system("panels", self.store.clock().as_ref()) };
        let now = system.now;
        let Some(account) = self.account_of(&frame.account) else {
            self.watched().stranger(&frame.account, from, now);
            return Some(frame.duh());
        };
        let rules = self.rules();
        let Ok(policy) = rules.policy(now) else {
            tracing::error!("no pack says how signals are verified: nothing of panels is taken");
            return None;
        };
        let refuse = |why| self.watched().refuse(account.id, why, now);
        if !account.active {
            refuse("inactive");
            return Some(frame.duh());
        }
        if !self.watched().within(account.id, policy.rate, now) {
            refuse("rate");
            return None;
        }
        // A panel that has a key is believed only with it.
        if account.key.is_some() && !frame.encrypted {
            refuse("plain");
            return Some(frame.duh());
        }
        let content = match frame.open(account.key.as_ref()) {
            Ok(content) => content,
            Err(fault) => {
                refuse(if fault == Fault::Key { "key" } else { "form" });
                return Some(frame.duh());
            }
        };
        if content.account.as_ref().is_some_and(|inside| *inside != account.account) {
            refuse("account");
            return Some(frame.duh());
        }
        if let Some(told) = content.at {
            let drift = (told.as_microsecond() - now.as_microsecond()).div_euclid(1_000_000);
            self.watched().seen.entry(account.id).or_default().drift = Some(drift);
            let (past, ahead) = (account.clock_past.unwrap_or(policy.clock_past), account.clock_ahead.unwrap_or(policy.clock_ahead));
            if drift < -i64::from(past) || drift > i64::from(ahead) {
                refuse("clock");
                return Some(dc09::nak(now));
            }
        } else if frame.encrypted {
            // Without an instant anybody could send it again.
            refuse("clock");
            return Some(dc09::nak(now));
        }
        let Ok(events) = content.events(frame.token) else {
            refuse("form");
            return Some(frame.duh());
        };
        let path = path_of(&account, &frame);
        let taken = async {
            if frame.token != Token::Null {
                let print = hex::encode(&Sha256::digest(format!("{:?}\n{}\n{:?}", frame.token, content.data, content.extended))[..16]);
                let arrival = Arrival {
                    account: &account,
                    path: PATHS[path],
                    sequence: i64::from(frame.sequence),
                    told_at: content.at,
                    print,
                    extended: content.extended,
                    events,
                    alarm: None,
                };
                self.record(&system, arrival).await?;
            }
            self.alive(&system, &account, path).await
        };
        match taken.await {
            Ok(()) => Some(frame.ack(account.key.as_ref(), now, &rand::random::<[u8; 16]>())),
            Err(error) => {
                tracing::warn!(%error, account = %account.id, "a message of a panel could not be stored and is not acknowledged");
                None
            }
        }
    }

    /// Notes a sign of life; a lost path is restored in a change of its own.
    async fn alive(&self, caller: &Caller, account: &Account, path: usize) -> Result<()> {
        let lost = {
            let mut watch = self.watched();
            let seen = watch.seen.entry(account.id).or_default();
            seen.at[path] = Some(caller.now);
            seen.dirty = true;
            seen.lost[path].is_some()
        };
        if lost { self.path_back(caller, account, path).await } else { Ok(()) }
    }
}
