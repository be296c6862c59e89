//! The entities made through SensorThings, by number and by what they are linked to. It is part of the live state and
//! changes with it, whichever door a change comes through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::model::{Kind, LINKS, attribute, own};
use crate::model::{Entity, Iri, find};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Index {
    all: BTreeMap<(Kind, i64), Arc<Entity>>,
    /// Target, link, kind and number of the entity that has the link.
    back: BTreeSet<(Iri, &'static str, Kind, i64)>,
}

/// Targets of a link of an entity.
pub(crate) fn targets(entity: &Entity, link: &str) -> Vec<Iri> {
    let mut out = Vec::new();
    for attr in find(&entity.attrs, &attribute(link)).unwrap_or_default() {
        let value = super::node::json_of(attr);
        match &value {
            serde_json::Value::String(one) => out.push(one.as_str().into()),
            serde_json::Value::Array(many) => out.extend(many.iter().filter_map(|v| v.as_str()).map(Iri::from)),
            _ => {}
        }
    }
    out
}

fn links(entity: &Entity) -> Vec<(&'static str, Iri)> {
    LINKS.into_iter().flat_map(|link| targets(entity, link).into_iter().map(move |t| (link, t))).collect()
}

impl Index {
    /// Takes a change over.
    pub fn set(&mut self, id: &str, before: Option<&Entity>, next: Option<&Arc<Entity>>) {
        let Some((kind, n)) = own(id) else { return };
        let (old, new) = (before.map(links).unwrap_or_default(), next.map(|e| links(e)).unwrap_or_default());
        if old != new {
            for (link, target) in old {
                self.back.remove(&(target, link, kind, n));
            }
            for (link, target) in new {
                self.back.insert((target, link, kind, n));
            }
        }
        match next {
            Some(entity) => self.all.insert((kind, n), entity.clone()),
            None => self.all.remove(&(kind, n)),
        };
    }

    /// One entity.
    pub fn get(&self, kind: Kind, n: i64) -> Option<Arc<Entity>> {
        self.all.get(&(kind, n)).cloned()
    }

    /// Greatest number in use.
    pub fn last(&self, kind: Kind) -> i64 {
        self.all.range((kind, i64::MIN)..=(kind, i64::MAX)).next_back().map_or(0, |((_, n), _)| *n)
    }

    /// Up to `most` entities of a kind after a number.
    pub fn after(&self, kind: Kind, after: i64, most: usize) -> Vec<Arc<Entity>> {
        self.all.range((kind, after.saturating_add(1))..=(kind, i64::MAX)).take(most).map(|(_, e)| e.clone()).collect()
    }

    /// Up to `most` entities of a kind, after a number, that are linked to a target.
    pub fn linked(&self, target: &str, link: &'static str, kind: Kind, after: i64, most: usize) -> Vec<Arc<Entity>> {
        let target: Iri = target.into();
        let from = (target.clone(), link, kind, after.saturating_add(1));
        let found = self.back.range(from..=(target, link, kind, i64::MAX));
        found.take(most).filter_map(|(_, _, kind, n)| self.get(*kind, *n)).collect()
    }
}
