//! Shared subscriptions (5.0, 4.8.2; offered to 3.1.1 too): each message of a group goes to one of its members.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mqtt_protocol_core::mqtt::packet::Qos;

use super::keeper::Change;
use super::session::{Delivery, Message, Readiness, Session};
use super::{Broker, lesser, topics};

/// What begins the filter of a shared subscription.
const PREFIX: &str = "$share/";

/// Takes a filter apart: the name of the group, if it is shared, and the filter of topics.
pub(super) fn split(filter: &str) -> Option<(Option<&str>, &str)> {
    let Some(rest) = filter.strip_prefix(PREFIX) else { return Some((None, filter)) };
    let (name, topics) = rest.split_once('/')?;
    (!name.is_empty() && !name.contains(['+', '#'])).then_some((Some(name), topics))
}

/// The members of one shared subscription.
pub(super) struct Group {
    /// The whole filter, `$share/<name>/<filter>`.
    pub filter: Arc<str>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: Vec<Member>,
    next: usize,
}

/// Who shares a subscription, and how.
#[derive(Clone)]
pub(super) struct Member {
    pub session: Arc<Session>,
    pub qos: Qos,
    pub keep_retain: bool,
    pub id: Option<u32>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Sessions hold groups and groups sessions: their names are enough.
        f.debug_struct("Group").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Group {
    pub(super) fn new(filter: &str) -> Self {
        Self { filter: filter.into(), members: Mutex::default() }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a member, or changes how it takes part.
    pub(super) fn join(&self, member: Member) {
        let mut members = self.members();
        match members.all.iter_mut().find(|m| m.session.number == member.session.number) {
            Some(known) => *known = member,
            None => members.all.push(member),
        }
    }

    /// Removes a member; true when none is left.
    pub(super) fn leave(&self, session: u64) -> bool {
        let mut members = self.members();
        members.all.retain(|m| m.session.number != session);
        members.all.is_empty()
    }

    /// Members whose clients are away.
    fn away(&self) -> Vec<Arc<Session>> {
        self.members().all.iter().filter(|m| !m.session.is_attached()).map(|m| m.session.clone()).collect()
    }

    /// Whose turn it is: the next one in turn among those that are readiest. `sure` for what must arrive; `least` is
    /// what is asked of it.
    fn pick(&self, sure: bool, least: Readiness) -> Option<Member> {
        let mut members = self.members();
        let count = members.all.len();
        let turns = (0..count).map(|i| (members.next + i) % count);
        let ranked = turns.filter_map(|at| Some((members.all.get(at)?.session.readiness(sure)?, at))).filter(|(r, _)| *r <= least);
        // The first of the best: `min_by_key` keeps the earlier of equals.
        let (_, at) = ranked.min_by_key(|(readiness, _)| *readiness)?;
        members.next = at + 1;
        members.all.get(at).cloned()
    }
}

impl Broker {
    /// Passes a message to one member of a group. Nothing when it was dropped, and counted.
    pub(super) fn share(&self, group: &Arc<Group>, message: &Arc<Message>, least: Readiness) -> Option<Vec<Change>> {
        let member = group.pick(message.qos != Qos::AtMostOnce, least)?;
        let mut delivery = Delivery::new(message.clone(), lesser(member.qos, message.qos), member.keep_retain && message.retain);
        delivery.ids = member.id.into_iter().collect();
        delivery.group = Some(group.clone());
        Some(self.offer(&member.session, delivery).into_iter().collect())
    }

    /// Hands what waits in a session by shared subscriptions to other members. `ended` when it will not come back.
    pub(super) fn hand_over(&self, session: &Arc<Session>, ended: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for delivery in session.shared(&mut changes) {
            let Some(group) = delivery.group.clone() else { continue };
            let least = if ended { Readiness::Away } else { Readiness::Behind };
            match self.share(&group, &delivery.message, least) {
                Some(more) => changes.extend(more),
                None if ended => super::add(&self.options.stats.dropped, 1),
                // Nobody else is there: it waits where it was.
                None => {
                    let mut again = Delivery::new(delivery.message.clone(), delivery.qos, delivery.retain);
                    (again.ids, again.group, again.again) = (delivery.ids, delivery.group, delivery.again);
                    changes.extend(self.offer(session, again));
                }
            }
        }
        changes
    }

    /// A client is there: what waits for members of its groups that are away is for it.
    pub(super) fn relieve(&self, session: &Arc<Session>) -> Vec<Change> {
        let mut changes = Vec::new();
        for filter in session.filters() {
            let Some(group) = self.group(&filter) else { continue };
            for away in group.away() {
                changes.extend(self.hand_over(&away, false));
            }
        }
        changes
    }

    /// The group of a filter, if it is shared.
    pub(super) fn group(&self, filter: &str) -> Option<Arc<Group>> {
        let (Some(name), topics) = split(filter)? else { return None };
        self.shared.read().unwrap_or_else(PoisonError::into_inner).get(topics, name).cloned()
    }

    /// Makes a session a member.
    pub(super) fn join(&self, filter: &str, member: Member) {
        let Some((Some(name), topics)) = split(filter) else { return };
        // Under the lock, so that a group that empties is not left as one joins.
        let mut tree: std::sync::RwLockWriteGuard<'_, topics::Tree<Box<str>, Arc<Group>>> = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let group = match tree.get(topics, name) {
            Some(group) => group.clone(),
            None => {
                let group = Arc::new(Group::new(filter));
                tree.insert(topics, name.into(), group.clone());
                group
            }
        };
        group.join(member);
    }

    /// Ends a membership.
    pub(super) fn part(&self, filter: &str, session: u64) {
        let Some((Some(name), topics)) = split(filter) else { return };
        let mut tree = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if tree.get(topics, name).is_some_and(|group| group.leave(session)) {
            tree.remove(topics, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_filters_have_a_name_and_a_filter() {
        assert_eq!(split("a/+"), Some((None, "a/+")));
        assert_eq!(split("$share/g/a/#"), Some((Some("g"), "a/#")));
        assert_eq!(split("$share/g//a"), Some((Some("g"), "/a")));
        for bad in ["$share/", "$share/g", "$share//a", "$share/g+/a", "$share/#/a"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
