//! Which registrations a request concerns (5.12), and how it is divided between them and us (4.3.6).

use std::sync::Arc;

use dothi_kernel::Result;
use regex::Regex;

use crate::fault::{bad, cut};
use crate::federation::Index;
use crate::federation::registration::{EntityInfo, Info, Mode, Registration};
use crate::geoq::GeoQuery;
use crate::model::{Iri, parse_instant};
use crate::q::Query;
use crate::query::Selector;
use crate::select::{ScopeQuery, TypeSelector};

/// A temporal query against the times that sources state.
#[derive(Debug, Clone, PartialEq)]
pub struct Temporal {
    from: i64,
    to: i64,
    managed: bool,
}

impl Temporal {
    /// Reads `timerel`, `timeAt`, `endTimeAt`, `timeproperty`. None when there is none.
    pub fn parse(timerel: Option<&str>, at: Option<&str>, end: Option<&str>, property: Option<&str>) -> Result<Option<Self>> {
        let instant = |name: &str, text: Option<&str>| {
            let text = text.ok_or_else(|| bad(format!("The temporal query needs {name}.")))?;
            parse_instant(text).ok_or_else(|| bad(format!("{name} must be an instant in UTC.")))
        };
        let Some(timerel) = timerel else {
            return if at.is_some() || end.is_some() { Err(bad("timeAt and endTimeAt need timerel.")) } else { Ok(None) };
        };
        let managed = match property {
            None | Some("observedAt") => false,
            Some("createdAt" | "modifiedAt" | "deletedAt") => true,
            Some(other) => return Err(bad(format!("timeproperty {:?} is not known.", cut(other)))),
        };
        let start = instant("timeAt", at)?;
        let (from, to) = match timerel {
            "before" => (i64::MIN, start),
            "after" => (start, i64::MAX),
            "between" => (start, instant("endTimeAt", end)?),
            other => return Err(bad(format!("timerel {:?} is not known.", cut(other)))),
        };
        if from >= to {
            return Err(bad("The temporal query ends before it starts."));
        }
        Ok(Some(Self { from, to, managed }))
    }

    fn matches(&self, registration: &Registration) -> bool {
        let interval = if self.managed { registration.management } else { registration.observation };
        interval.is_some_and(|(start, end)| start < self.to && end > self.from)
    }
}

/// Which registrations somebody looks for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Entities, as alternatives; empty = any.
    pub entities: Vec<Selector>,
    /// At least one of these attributes.
    pub attrs: Option<Vec<Iri>>,
    /// Conditions on the registration's own members.
    pub conditions: Vec<Query>,
    /// Its place.
    pub geo: Option<GeoQuery>,
    /// Its scope.
    pub scope: Option<ScopeQuery>,
    /// Times of its data.
    pub temporal: Option<Temporal>,
}

/// Whether a selector may mean an entity of which a registration tells.
pub(super) fn meets(selector: &Selector, info: &EntityInfo) -> bool {
    let id = match (&selector.ids, &selector.id_pattern, &info.id, &info.pattern) {
        (Some(ids), _, Some(id), _) => ids.contains(id),
        (Some(ids), _, None, Some(pattern)) => ids.iter().any(|i| pattern.is_match(i)),
        (None, Some(pattern), Some(id), _) => pattern.is_match(id),
        // Two patterns may have an id in common; only asking the source tells.
        _ => true,
    };
    id && selector.types.as_ref().is_none_or(|types| types.anchors().iter().any(|t| info.types.contains(t)))
}

impl Wanted {
    /// Whether one part of a registration's information is looked for.
    pub fn concerns(&self, info: &Info) -> bool {
        let entities = self.entities.is_empty() || info.entities.as_ref().is_none_or(|all| all.iter().any(|e| self.entities.iter().any(|s| meets(s, e))));
        entities && self.attrs.as_ref().is_none_or(|attrs| info.attrs.as_ref().is_none_or(|has| has.iter().any(|a| attrs.contains(a))))
    }

    /// Whether one of its entities is looked for.
    pub fn concerns_entity(&self, info: &EntityInfo) -> bool {
        self.entities.is_empty() || self.entities.iter().any(|s| meets(s, info))
    }

    /// Whether a registration is looked for. Without a temporal query only sources of the present state are.
    pub fn matches(&self, registration: &Registration, now: i64) -> bool {
        let times = match &self.temporal {
            Some(temporal) => temporal.matches(registration),
            None => current(registration),
        };
        times
            && registration.alive(now)
            && registration.information.iter().any(|i| self.concerns(i))
            && self.scope.as_ref().is_none_or(|s| s.matches(&registration.properties.scope))
            && self.geo.as_ref().is_none_or(|g| g.matches(&registration.properties, now))
            && self.conditions.iter().all(|q| q.matches(&registration.properties, now, &|_| None))
    }
}

/// Whether a source holds the present state, not (only) the past.
pub fn current(registration: &Registration) -> bool {
    registration.observation.is_none() && registration.management.is_none()
}

/// Whether two registrations cover the same attribute of the same entity.
pub fn overlap(a: &Registration, b: &Registration) -> bool {
    let attrs = |x: &Info, y: &Info| match (&x.attrs, &y.attrs) {
        (Some(x), Some(y)) => x.iter().any(|n| y.contains(n)),
        _ => true,
    };
    let same_id = |x: &EntityInfo, y: &EntityInfo| match (&x.id, &y.id) {
        (Some(x), Some(y)) => x == y,
        (Some(x), None) => y.pattern.as_ref().is_none_or(|p: &Regex| p.is_match(x)),
        (None, Some(y)) => x.pattern.as_ref().is_none_or(|p: &Regex| p.is_match(y)),
        (None, None) => true,
    };
    let entities = |x: &Info, y: &Info| match (&x.entities, &y.entities) {
        (Some(x), Some(y)) => x.iter().any(|x| y.iter().any(|y| same_id(x, y) && x.types.iter().any(|t| y.types.contains(t)))),
        _ => true,
    };
    a.information.iter().any(|x| b.information.iter().any(|y| entities(x, y) && attrs(x, y)))
}

/// What of an operation goes to one source.
#[derive(Debug, Clone)]
pub struct Part {
    /// The source.
    pub registration: Arc<Registration>,
    /// Attributes that it gets; none = all.
    pub attrs: Option<Vec<Iri>>,
}

/// What of an operation is done here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    All,
    /// All but these attributes.
    Without(Vec<Iri>),
    /// Nothing.
    Nothing,
}

/// How an operation that changes an entity is divided.
#[derive(Debug)]
pub struct Plan {
    /// What sources get.
    pub parts: Vec<Part>,
    /// What only a source may do that does not offer the operation.
    pub refused: Vec<Part>,
    /// What is done here.
    pub kept: Kept,
}

/// An entity that is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its id.
    pub id: &'a Iri,
    /// Its types as far as known.
    pub types: &'a [Iri],
    /// Attributes that the request names; none = the entity as a whole.
    pub attrs: Option<&'a [Iri]>,
    /// The operation (4.20).
    pub operation: &'a str,
    /// Now, µs.
    pub now: i64,
}

/// Divides an operation. `fits` leaves out sources that may not be asked (loops).
pub fn plan(index: &Index, target: &Target<'_>) -> Plan {
    let Target { id, types, attrs: named, operation, now } = *target;
    let candidates = index.candidates(Some(std::slice::from_ref(id)), types);
    let known: Vec<(Arc<Registration>, Option<Vec<Iri>>)> = candidates
        .into_iter()
        .filter(|r| r.alive(now) && current(r) && r.mode != Mode::Auxiliary)
        .filter_map(|r| r.attributes_of(Some(id), types).map(|attrs| (r, attrs)))
        .collect();
    let mut plan = Plan { parts: Vec::new(), refused: Vec::new(), kept: Kept::All };
    let mut rest: Option<Vec<Iri>> = named.map(<[Iri]>::to_vec);
    for mode in [Mode::Exclusive, Mode::Redirect, Mode::Inclusive] {
        let mut taken: Vec<Iri> = Vec::new();
        let mut all_taken = false;
        for (registration, offered) in known.iter().filter(|(r, _)| r.mode == mode) {
            let attrs = match (&rest, offered) {
                (Some(rest), Some(offered)) => Some(rest.iter().filter(|a| offered.contains(a)).cloned().collect::<Vec<_>>()),
                (Some(rest), None) if Some(rest.as_slice()) == named => None,
                (Some(rest), None) => Some(rest.clone()),
                (None, offered) => offered.clone(),
            };
            // A request that names attributes does not concern a source that has none of them.
            if named.is_some_and(|n| !n.is_empty() || offered.is_some()) && attrs.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            match &attrs {
                Some(attrs) => taken.extend(attrs.iter().cloned()),
                None => all_taken = true,
            }
            let part = Part { registration: registration.clone(), attrs };
            match (registration.offers(operation), mode) {
                (true, _) => plan.parts.push(part),
                (false, Mode::Inclusive) => {}
                (false, _) => plan.refused.push(part),
            }
        }
        if mode == Mode::Inclusive {
            break;
        }
        if all_taken {
            plan.kept = Kept::Nothing;
            return plan;
        }
        if let Some(rest) = &mut rest {
            rest.retain(|a| !taken.contains(a));
        }
    }
    if let (Some(named), Some(rest)) = (named, rest) {
        plan.kept = match (named.is_empty(), rest.is_empty(), rest.len() == named.len()) {
            (true, _, _) | (_, _, true) => Kept::All,
            (false, true, _) => Kept::Nothing,
            _ => Kept::Without(named.iter().filter(|a| !rest.contains(a)).cloned().collect()),
        };
    }
    plan
}

/// Sources to read from, with the attributes that they may be asked for.
pub fn readers(index: &Index, ids: Option<&[Iri]>, types: &[Iri], wanted: Option<&[Iri]>, operations: &[&str], now: i64) -> Vec<Part> {
    let mut out = Vec::new();
    for registration in index.candidates(ids, types) {
        if !registration.alive(now) || !current(&registration) || !operations.iter().any(|o| registration.offers(o)) {
            continue;
        }
        let known: Vec<Option<Vec<Iri>>> = match ids {
            Some(ids) => ids.iter().filter_map(|id| registration.attributes_of(Some(id), types)).collect(),
            None => registration.attributes_of(None, types).into_iter().collect(),
        };
        if known.is_empty() {
            continue;
        }
        let offered: Option<Vec<Iri>> = known.into_iter().collect::<Option<Vec<_>>>().map(|all| {
            let mut all = all.concat();
            all.sort_unstable();
            all.dedup();
            all
        });
        let attrs = match (offered, wanted) {
            (Some(offered), Some(wanted)) => Some(offered.into_iter().filter(|a| wanted.contains(a)).collect::<Vec<_>>()),
            (offered, _) => offered,
        };
        if attrs.as_ref().is_none_or(|a| !a.is_empty()) {
            out.push(Part { registration, attrs });
        }
    }
    out
}

/// Takes from an entity what only sources may hold; none when that is the whole entity.
pub fn stripped(index: &Index, entity: &Arc<crate::model::Entity>, now: i64) -> Option<Arc<crate::model::Entity>> {
    let mut gone: Vec<Iri> = Vec::new();
    for registration in index.candidates(Some(std::slice::from_ref(&entity.id)), &entity.types) {
        if !matches!(registration.mode, Mode::Exclusive | Mode::Redirect) || !registration.alive(now) || !current(&registration) {
            continue;
        }
        match registration.attributes_of(Some(&entity.id), &entity.types) {
            None => {}
            Some(None) => return None,
            Some(Some(attrs)) => gone.extend(attrs),
        }
    }
    if gone.is_empty() || !super::has_any(entity, &gone) {
        return Some(entity.clone());
    }
    let mut rest = crate::model::Entity::clone(entity);
    rest.attrs.retain(|(name, _)| !gone.contains(name));
    Some(Arc::new(rest))
}

/// Types of a selection of which an entity has at least one.
pub fn anchors(types: Option<&TypeSelector>, selectors: &[Selector]) -> Vec<Iri> {
    let mut out: Vec<Iri> = types.map(TypeSelector::anchors).unwrap_or_default();
    if types.is_none() && !selectors.is_empty() {
        let all: Option<Vec<_>> = selectors.iter().map(|s| s.types.as_ref().map(TypeSelector::anchors)).collect();
        out = all.unwrap_or_default().concat();
        out.sort_unstable();
        out.dedup();
    }
    out
}
