//! Finding entities: candidates from an index, the exact test on each, pages by id so that writes do not shift them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use regex::Regex;

use crate::Context;
use crate::fault::complex;
use crate::geoq::GeoQuery;
use crate::live::{Candidates, Live, Order};
use crate::model::{Entity, Iri, find};
use crate::order::OrderBy;
use crate::q::Query;
use crate::select::{ScopeQuery, TypeSelector};

/// Entities looked at under one lock.
const CHUNK: usize = 512;
/// Candidates of a geo-query beyond which the index does not pay.
const GEO_CANDIDATES: usize = 100_000;
/// Entities above which a scan leaves the async threads.
const LARGE: usize = 10_000;
/// Longest scan.
const PATIENCE: Duration = Duration::from_secs(15);
/// Entities that are put in another order than that of their ids.
const MAX_SORTED: usize = 100_000;

/// Which entities.
#[derive(Debug, Default)]
pub struct Filter {
    /// These ids.
    pub ids: Option<Vec<Iri>>,
    /// Ids that match.
    pub id_pattern: Option<Regex>,
    /// Types.
    pub types: Option<TypeSelector>,
    /// At least one of these attributes.
    pub attrs: Option<Vec<Iri>>,
    /// Condition.
    pub q: Option<Query>,
    /// Place.
    pub geo: Option<GeoQuery>,
    /// Scope.
    pub scope: Option<ScopeQuery>,
    /// Several of the above as alternatives: id, pattern, type (bodies of queries and subscriptions).
    pub selectors: Vec<Selector>,
}

/// One `EntitySelector` of a query's body or a subscription.
#[derive(Debug)]
pub struct Selector {
    /// These ids.
    pub ids: Option<Vec<Iri>>,
    /// Ids that match.
    pub id_pattern: Option<Regex>,
    /// Types; none = any (`*`).
    pub types: Option<TypeSelector>,
}

impl Selector {
    /// Whether an entity is meant.
    pub fn matches(&self, entity: &Entity) -> bool {
        // An id goes before a pattern (5.2.33).
        let named = match (&self.ids, &self.id_pattern) {
            (Some(ids), _) => ids.contains(&entity.id),
            (None, Some(pattern)) => pattern.is_match(&entity.id),
            (None, None) => true,
        };
        named && self.types.as_ref().is_none_or(|t| t.matches(&entity.types))
    }
}

/// Which page.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// Rows.
    pub limit: usize,
    /// Rows to leave out.
    pub offset: usize,
    /// Only ids after this one.
    pub after: Option<String>,
    /// Only ids before this one, the nearest of them.
    pub before: Option<String>,
    /// Count all.
    pub count: bool,
}

/// A page.
#[derive(Debug)]
pub struct Found {
    /// Rows in id order.
    pub entities: Vec<Arc<Entity>>,
    /// Number of all.
    pub count: Option<usize>,
    /// Whether more follow.
    pub more: bool,
}

impl Filter {
    /// Whether an entity is meant.
    pub fn matches(&self, entity: &Entity, now: i64, live: &Live) -> bool {
        entity.alive(now)
            && self.ids.as_ref().is_none_or(|ids| ids.binary_search(&entity.id).is_ok())
            && (self.ids.is_some() || self.id_pattern.as_ref().is_none_or(|p| p.is_match(&entity.id)))
            && self.types.as_ref().is_none_or(|t| t.matches(&entity.types))
            && (self.selectors.is_empty() || self.selectors.iter().any(|s| s.matches(entity)))
            && self.attrs.as_ref().is_none_or(|attrs| attrs.iter().any(|a| find(&entity.attrs, a).is_some_and(|i| i.iter().any(|a| a.alive(now)))))
            && self.scope.as_ref().is_none_or(|s| s.matches(&entity.scope))
            && self.geo.as_ref().is_none_or(|g| g.matches(entity, now))
            && self.q.as_ref().is_none_or(|q| q.matches(entity, now, &|id| live.get(id)))
    }

    fn candidates(&self, live: &Live) -> Candidates {
        if let Some(ids) = &self.ids {
            return Candidates::Ids(ids.clone());
        }
        if let Some(ids) = self.geo.as_ref().and_then(GeoQuery::reach).and_then(|area| live.near(area, GEO_CANDIDATES)) {
            return Candidates::Ids(ids);
        }
        if let Some(types) = &self.types {
            return Candidates::Types(types.anchors());
        }
        let typed: Option<Vec<_>> = self.selectors.iter().map(|s| s.types.as_ref().map(TypeSelector::anchors)).collect();
        match typed.filter(|_| !self.selectors.is_empty()) {
            Some(types) => {
                let mut types = types.concat();
                types.sort_unstable();
                types.dedup();
                Candidates::Types(types)
            }
            None => Candidates::All,
        }
    }
}

/// Looks through memory.
pub fn scan(live: &Live, filter: &Filter, paging: &Paging, now: i64) -> Result<Found> {
    let begun = Instant::now();
    let candidates = filter.candidates(live);
    let (order, mut at) = match (&paging.before, &paging.after) {
        (Some(before), _) => (Order::Down, Some(Iri::from(before.as_str()))),
        (None, Some(after)) => (Order::Up, Some(Iri::from(after.as_str()))),
        (None, None) => (Order::Up, None),
    };
    // A cursor stands for the offset that led to it.
    let skip = if at.is_some() { 0 } else { paging.offset };
    let (mut seen, mut found) = (0usize, Vec::new());
    let enough = skip.saturating_add(paging.limit).saturating_add(1);
    let counting_here = paging.count && at.is_none();
    loop {
        let chunk = live.chunk(&candidates, at.as_deref(), order, CHUNK);
        let Some(last) = chunk.last() else { break };
        at = Some(last.id.clone());
        for entity in chunk {
            if filter.matches(&entity, now, live) {
                seen += 1;
                if seen > skip && found.len() <= paging.limit {
                    found.push(entity);
                }
            }
        }
        if !counting_here && seen >= enough {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err(complex("The query takes too long; narrow it down by type or place."));
        }
    }
    let mut more = found.len() > paging.limit;
    found.truncate(paging.limit);
    if order == Order::Down {
        found.reverse();
        // Rows after a page that was reached backwards: the one it was reached from.
        more = true;
    }
    let count = match (paging.count, counting_here) {
        (true, true) => Some(seen),
        (true, false) => Some(count(live, filter, &candidates, now)),
        (false, _) => None,
    };
    Ok(Found { entities: found, count, more })
}

fn count(live: &Live, filter: &Filter, candidates: &Candidates, now: i64) -> usize {
    let (mut n, mut at) = (0, None::<Iri>);
    loop {
        let chunk = live.chunk(candidates, at.as_deref(), Order::Up, CHUNK);
        let Some(last) = chunk.last() else { return n };
        at = Some(last.id.clone());
        n += chunk.iter().filter(|e| filter.matches(e, now, live)).count();
    }
}

/// Finds all, sorts them and cuts out the page. 403 when there are too many to sort.
fn sorted(live: &Live, filter: &Filter, order: &OrderBy, paging: &Paging, now: i64) -> Result<Found> {
    let mut found = scan(live, filter, &Paging { limit: MAX_SORTED, ..Paging::default() }, now)?;
    if found.more {
        return Err(complex(format!("More than {MAX_SORTED} entities cannot be ordered; narrow the query down.")));
    }
    let all = found.entities.len();
    order.sort(&mut found.entities, now);
    let entities = found.entities.into_iter().skip(paging.offset).take(paging.limit).collect();
    Ok(Found { entities, count: paging.count.then_some(all), more: paging.offset.saturating_add(paging.limit) < all })
}

impl Context {
    /// Finds entities in an order of their own; pages go by offset.
    pub async fn query_ordered(&self, caller: &Caller, filter: Filter, order: OrderBy, paging: Paging) -> Result<Found> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let (live, now) = (self.live.clone(), caller.now.as_microsecond());
        tokio::task::spawn_blocking(move || sorted(&live, &filter, &order, &paging, now)).await.map_err(|e| Error::internal("ordering entities", e))?
    }

    /// Finds entities. 403 TooComplexQuery when it would take too long.
    pub async fn query(&self, caller: &Caller, filter: Filter, paging: Paging) -> Result<Found> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        if self.live.count() < LARGE {
            return scan(&self.live, &filter, &paging, now);
        }
        let live = self.live.clone();
        tokio::task::spawn_blocking(move || scan(&live, &filter, &paging, now)).await.map_err(|e| Error::internal("looking for entities", e))?
    }
}
