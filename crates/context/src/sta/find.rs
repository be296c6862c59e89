//! Finding the entities of a set: by id, and in the order of their ids from any point on, so that pages cost what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Id, Kind, Link, Nav};
use super::node::{JOIN, Node, series_of, shown};
use crate::Context;
use crate::live::{Candidates, Order};
use crate::model::{Entity, Iri};
use crate::registry::short;

/// Entities looked at under one lock.
const CHUNK: usize = 512;

/// One entity; not for observations, which the history holds.
pub(crate) fn get(this: &Context, kind: Kind, id: &Id, now: i64) -> Option<Node> {
    match (kind, id) {
        (Kind::Observation, _) => None,
        (_, Id::Int(n)) => this.live.sta(|i| i.get(kind, *n)).filter(|e| e.alive(now)).map(|e| Node::Own(kind, e)),
        (Kind::ObservedProperty, Id::Text(name)) => quantities(this, now).remove(name.as_str()).map(Node::Quantity),
        (Kind::Datastream, Id::Text(text)) => {
            let (entity, name) = text.rsplit_once(JOIN)?;
            let entity = this.live.get(entity).filter(|e| shown(e, now))?;
            series_of(&entity).into_iter().find(|s| s.series().is_some_and(|(_, a)| a == name))
        }
        (Kind::Location | Kind::HistoricalLocation | Kind::FeatureOfInterest, Id::Text(urn)) => {
            city(this, urn, now).filter(|e| e.location().is_some()).map(|e| Node::City(kind, e))
        }
        (_, Id::Text(urn)) => city(this, urn, now).map(|e| Node::City(kind, e)),
    }
}

fn city(this: &Context, urn: &str, now: i64) -> Option<Arc<Entity>> {
    this.live.get(urn).filter(|e| shown(e, now))
}

/// Attributes that are observed somewhere in the city, by short name. They are few, and entities of a type are alike:
/// the first of each type speak for all.
pub(crate) fn quantities(this: &Context, now: i64) -> BTreeMap<String, Iri> {
    let mut names = BTreeMap::new();
    for (kind, _) in this.live.types() {
        for entity in this.live.chunk(&Candidates::Types(vec![kind]), None, Order::Up, CHUNK).iter().filter(|e| e.alive(now)) {
            for node in series_of(entity) {
                if let Node::Series(_, name) = node {
                    names.entry(short(&name).to_string()).or_insert(name);
                }
            }
        }
    }
    names
}

/// A set of entities: all of a kind, or those that a link of one leads to.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub kind: Kind,
    pub of: Option<(Node, &'static Nav)>,
}

impl Source {
    /// All of a kind.
    pub fn all(kind: Kind) -> Self {
        Self { kind, of: None }
    }

    /// Up to about `most` members after an id, in order: own ones by number, then those of the city by name. Empty at the end.
    pub fn after(&self, this: &Context, from: Option<&Id>, now: i64, most: usize) -> Vec<Node> {
        let alive = |e: &Arc<Entity>| e.alive(now);
        match &self.of {
            None => {
                if matches!(from, None | Some(Id::Int(_))) {
                    let after = if let Some(Id::Int(n)) = from { *n } else { -1 };
                    let own: Vec<Node> = self.own(this, after, most).into_iter().filter(alive).map(|e| Node::Own(self.kind, e)).collect();
                    if !own.is_empty() {
                        return own;
                    }
                }
                self.city_after(this, from, now, most, |_| true)
            }
            Some((Node::Quantity(name), _)) => {
                // The set of one attribute's series can be as large as the city.
                if matches!(from, None | Some(Id::Int(_))) {
                    let after = if let Some(Id::Int(n)) = from { *n } else { -1 };
                    let urn = super::model::urn_of(Kind::ObservedProperty, &Id::Text(short(name).to_string()));
                    let own = this.live.sta(|i| i.linked(&urn, "observedProperty", self.kind, after, most));
                    if !own.is_empty() {
                        return own.into_iter().filter(alive).map(|e| Node::Own(self.kind, e)).collect();
                    }
                }
                let wanted = short(name).to_string();
                self.city_after(this, from, now, most, |node| node.series().is_some_and(|(_, a)| a == wanted))
            }
            Some((node @ Node::Own(..), nav)) => match nav.link {
                Link::Back(link) => {
                    let after = match from {
                        None => -1,
                        Some(Id::Int(n)) => *n,
                        Some(Id::Text(_)) => return Vec::new(),
                    };
                    let urn = node.urn();
                    let found = this.live.sta(|i| i.linked(&urn, link, self.kind, after, most));
                    found.into_iter().filter(alive).map(|e| Node::Own(self.kind, e)).collect()
                }
                _ => beyond(node.linked(this, nav, now, usize::MAX), from),
            },
            Some((node, nav)) => beyond(node.linked(this, nav, now, 10_000), from),
        }
    }

    fn own(&self, this: &Context, after: i64, most: usize) -> Vec<Arc<Entity>> {
        this.live.sta(|i| i.after(self.kind, after, most))
    }

    fn city_after(&self, this: &Context, from: Option<&Id>, now: i64, most: usize, keep: impl Fn(&Node) -> bool) -> Vec<Node> {
        let from = if let Some(Id::Text(t)) = from { Some(t.as_str()) } else { None };
        if self.kind == Kind::ObservedProperty {
            let names = quantities(this, now);
            return names.into_iter().filter(|(n, _)| from.is_none_or(|f| n.as_str() > f)).map(|(_, iri)| Node::Quantity(iri)).collect();
        }
        // Within an entity of which a part was given already, only what comes after.
        let (mut at, inside) = match (self.kind, from) {
            (Kind::Datastream, Some(from)) => {
                let (entity, name) = from.rsplit_once(JOIN).unwrap_or((from, ""));
                (Some(Iri::from(entity)), Some((entity.to_string(), name.to_string())))
            }
            (_, from) => (from.map(Iri::from), None),
        };
        let mut found = Vec::new();
        if let Some((entity, name)) = inside
            && let Some(entity) = this.live.get(&entity).filter(|e| shown(e, now))
        {
            found.extend(series_of(&entity).into_iter().filter(|s| s.series().is_some_and(|(_, a)| *a > *name)).filter(&keep));
        }
        while found.len() < most {
            let chunk = this.live.chunk(&Candidates::All, at.as_deref(), Order::Up, CHUNK);
            let Some(last) = chunk.last() else { break };
            at = Some(last.id.clone());
            for entity in chunk.iter().filter(|e| shown(e, now)) {
                match self.kind {
                    Kind::Datastream => found.extend(series_of(entity).into_iter().filter(&keep)),
                    Kind::Location | Kind::HistoricalLocation | Kind::FeatureOfInterest if entity.location().is_none() => {}
                    kind => found.push(Node::City(kind, entity.clone())),
                }
            }
        }
        found
    }
}

/// Members of a small set after an id.
fn beyond(mut nodes: Vec<Node>, from: Option<&Id>) -> Vec<Node> {
    nodes.sort_by_cached_key(Node::id);
    nodes.retain(|n| from.is_none_or(|f| n.id() > *f));
    nodes
}
