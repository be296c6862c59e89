//! What is remembered of a device's messages, so that a repetition is recognised while the first sending is still on
//! its way to the disk, and for some time after.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use super::lock;

/// Messages of a device that are remembered, at most.
const REMEMBERED: usize = 1_024;
/// For how long, in µs.
const REMEMBERED_US: i64 = 3_600 * 1_000_000;

/// `true` once the message's readings are durable. Whoever holds the lock is storing them.
type Slot = Arc<tokio::sync::Mutex<bool>>;

/// The messages of a device that are being stored, and those stored a short while ago.
#[derive(Debug, Default)]
pub(super) struct Recent {
    running: HashMap<u64, Slot>,
    done: VecDeque<(u64, i64)>,
    /// The keys of `done`.
    stored: HashSet<u64>,
}

/// What memory knows of a message.
#[derive(Debug)]
pub(super) enum Known {
    /// It is stored.
    Done,
    /// It is being stored, or was tried.
    Running(Slot),
    /// Nothing.
    Fresh(Slot),
}

impl Recent {
    /// Looks a message up; `afresh` forgets what was known of it.
    pub(super) fn begin(&mut self, key: u64, afresh: bool) -> Known {
        if afresh {
            if self.stored.remove(&key) {
                self.done.retain(|(k, _)| *k != key);
            }
        } else if self.stored.contains(&key) {
            return Known::Done;
        } else if let Some(slot) = self.running.get(&key) {
            return Known::Running(slot.clone());
        }
        let slot = Slot::default();
        self.running.insert(key, slot.clone());
        Known::Fresh(slot)
    }

    /// Notes how a message ended.
    fn end(&mut self, key: u64, slot: &Slot, stored: bool, now: i64) {
        // Others may wait for the slot; the last one removes it.
        if self.running.get(&key).is_some_and(|s| Arc::ptr_eq(s, slot) && (stored || Arc::strong_count(slot) <= 2)) {
            self.running.remove(&key);
        }
        if !stored {
            return;
        }
        // Two sendings of the same may end one after the other.
        if self.stored.insert(key) {
            self.done.push_back((key, now));
        }
        while self.done.len() > REMEMBERED || self.done.front().is_some_and(|(_, at)| *at < now - REMEMBERED_US) {
            if let Some((old, _)) = self.done.pop_front() {
                self.stored.remove(&old);
            }
        }
    }
}

/// Ends a message in [`Recent`] however the storing of it ends.
pub(super) struct Running<'a> {
    recent: &'a Mutex<Recent>,
    key: u64,
    now: i64,
    /// The message's slot.
    pub(super) slot: Slot,
    /// Whether its readings are durable.
    pub(super) stored: bool,
}

impl<'a> Running<'a> {
    /// A message being stored.
    pub(super) fn new(recent: &'a Mutex<Recent>, key: u64, slot: Slot, now: i64) -> Self {
        Self { recent, key, now, slot, stored: false }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(self.recent).end(self.key, &self.slot, self.stored, self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_messages_is_bounded() {
        let mut recent = Recent::default();
        let store = |recent: &mut Recent, key: u64, now: i64| {
            let Known::Fresh(slot) = recent.begin(key, false) else { panic!("{key} should be new") };
            recent.end(key, &slot, true, now);
        };
        for key in 0..5_000 {
            store(&mut recent, key, 0);
        }
        assert_eq!((recent.running.len(), recent.done.len(), recent.stored.len()), (0, REMEMBERED, REMEMBERED));
        assert!(matches!(recent.begin(4_999, false), Known::Done));
        let Known::Fresh(slot) = recent.begin(4_999, true) else { panic!("a fresh sending is new") };
        assert!(matches!(recent.begin(4_999, false), Known::Running(_)));
        recent.end(4_999, &slot, false, 0);
        assert!(matches!(recent.begin(4_999, false), Known::Fresh(_)), "what failed is tried again");
        store(&mut recent, 9_999, REMEMBERED_US + 1);
        assert_eq!((recent.done.len(), recent.stored.len()), (1, 1), "old ones are forgotten");
    }
}
