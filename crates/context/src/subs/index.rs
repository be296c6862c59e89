//! Which subscriptions a change may concern: by entity, type and attribute, so that thousands of others cost nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::tell::Diff;
use super::{Pair, Subscription};
use crate::model::Iri;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// About this entity.
    Id(Iri),
    /// About entities of this type.
    Type(Iri),
    /// About this attribute of entities of this type.
    TypeAttr(Iri, Iri),
    /// About this attribute of any entity.
    Attr(Iri),
    /// About anything.
    Any,
}

/// Subscriptions by what they may be concerned by.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<Key, Vec<Arc<Subscription>>>);

fn keys(subscription: &Subscription) -> Vec<Key> {
    // Whoever hears of entities as such hears of them whatever attribute changed.
    let t = subscription.triggers;
    let watched = subscription.watched.as_deref().filter(|_| !t.entity_created && !t.entity_deleted);
    let mut keys = Vec::new();
    let any = |keys: &mut Vec<Key>| match watched {
        Some(watched) => keys.extend(watched.iter().cloned().map(Key::Attr)),
        None => keys.push(Key::Any),
    };
    if subscription.filter.selectors.is_empty() {
        any(&mut keys);
    }
    for selector in &subscription.filter.selectors {
        match (&selector.ids, &selector.types) {
            (Some(ids), _) => keys.extend(ids.iter().cloned().map(Key::Id)),
            (None, Some(types)) => {
                for kind in types.anchors() {
                    match watched {
                        Some(watched) => keys.extend(watched.iter().map(|w| Key::TypeAttr(kind.clone(), w.clone()))),
                        None => keys.push(Key::Type(kind)),
                    }
                }
            }
            (None, None) => any(&mut keys),
        }
    }
    keys
}

impl Index {
    pub(super) fn add(&mut self, subscription: &Arc<Subscription>) {
        for key in keys(subscription) {
            self.0.entry(key).or_default().push(subscription.clone());
        }
    }

    pub(super) fn remove(&mut self, subscription: &Arc<Subscription>) {
        for key in keys(subscription) {
            if let Some(all) = self.0.get_mut(&key) {
                all.retain(|s| !Arc::ptr_eq(s, subscription));
                if all.is_empty() {
                    self.0.remove(&key);
                }
            }
        }
    }

    /// Those that a change may concern, each once.
    pub(super) fn candidates(&self, (before, after): &Pair, diff: &Diff<'_>) -> Vec<Arc<Subscription>> {
        let mut found: Vec<Arc<Subscription>> = Vec::new();
        let mut take = |key: &Key| found.extend(self.0.get(key).into_iter().flatten().cloned());
        take(&Key::Any);
        if let Some(subject) = after.as_ref().or(before.as_ref()) {
            take(&Key::Id(subject.id.clone()));
            for kind in &subject.types {
                take(&Key::Type(kind.clone()));
                for name in diff.names() {
                    take(&Key::TypeAttr(kind.clone(), name.clone()));
                }
            }
        }
        for name in diff.names() {
            take(&Key::Attr(name.clone()));
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        found
    }
}
