//! Finding entities: candidates from an index, the exact test on each, pages by id so that writes do not shift them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use regex::Regex;

use crate::Context;
use crate::fault::complex;
use crate::geoq::GeoQuery;
use crate::live::{Ask, Candidates, Clues, Live, Order, Plan};
use crate::model::{Entity, Iri, find};
use crate::order::OrderBy;
use crate::q::Query;
use crate::select::{ScopeQuery, TypeSelector};

/// Entities looked at under one lock.
const CHUNK: usize = 512;
/// Entities that are looked at on an async thread; a longer search leaves it.
const LARGE: usize = 5_000;
/// Entities that can be passed by in the time that looking at one takes.
const SWIFT: usize = 64;
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
#[derive(Debug, Clone)]
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

    fn clues(&self) -> Clues {
        let mut types = self.types.as_ref().map(TypeSelector::anchors);
        if types.is_none() && !self.selectors.is_empty() {
            let typed: Option<Vec<_>> = self.selectors.iter().map(|s| s.types.as_ref().map(TypeSelector::anchors)).collect();
            types = typed.map(|t| t.concat());
        }
        let types = types.map(|mut t| {
            t.sort_unstable();
            t.dedup();
            t
        });
        Clues { types, area: self.geo.as_ref().and_then(GeoQuery::reach), asks: self.q.as_ref().map(Query::asks).unwrap_or_default() }
    }

    /// The number of entities that match, when that is the length of a list.
    fn count(&self, live: &Live) -> Option<usize> {
        let rest = self.ids.is_none() && self.id_pattern.is_none() && self.attrs.is_none() && self.q.is_none() && self.geo.is_none() && self.scope.is_none();
        match &self.types {
            _ if !rest || !self.selectors.is_empty() => None,
            None => live.count_of(None),
            Some(types) => live.count_of(Some(types.single()?)),
        }
    }
}

/// A search that can pause, so that short ones need no thread of their own.
struct Search {
    plan: Option<Plan>,
    /// Conditions that columns may answer on the way.
    asks: Vec<Ask>,
    order: Order,
    at: Option<Iri>,
    /// Whether it begins at a cursor.
    inside: bool,
    skip: usize,
    enough: usize,
    /// Count all that match while looking.
    counting: bool,
    total: Option<usize>,
    seen: usize,
    found: Vec<Arc<Entity>>,
    begun: Instant,
}

impl Search {
    fn new(live: &Live, filter: &Filter, paging: &Paging) -> Self {
        let (order, at) = match (&paging.before, &paging.after) {
            (Some(before), _) => (Order::Down, Some(Iri::from(before.as_str()))),
            (None, Some(after)) => (Order::Up, Some(Iri::from(after.as_str()))),
            (None, None) => (Order::Up, None),
        };
        let total = if paging.count { filter.count(live) } else { None };
        // A cursor stands for the offset that led to it.
        let skip = if at.is_some() { 0 } else { paging.offset };
        let enough = skip.saturating_add(paging.limit).saturating_add(1);
        let counting = paging.count && total.is_none();
        Self { plan: None, asks: Vec::new(), order, inside: at.is_some(), at, skip, enough, counting, total, seen: 0, found: Vec::new(), begun: Instant::now() }
    }

    /// Goes on, looking at about `budget` entities. Whether it is done.
    fn go(&mut self, live: &Live, filter: &Filter, paging: &Paging, now: i64, mut budget: usize) -> Result<bool> {
        let plan = match (self.plan.take(), &filter.ids) {
            (Some(plan), _) => plan,
            (None, Some(ids)) => Plan::Walk(Candidates::Ids(ids.clone())),
            (None, None) => {
                let clues = filter.clues();
                let plan = live.plan(&clues, (!self.counting).then_some(self.enough));
                self.asks = clues.asks;
                plan
            }
        };
        match plan {
            Plan::Gathered(all) if all.len() > budget => {
                self.plan = Some(Plan::Gathered(all));
                Ok(false)
            }
            Plan::Gathered(all) => {
                self.sift(all, filter, paging, now, live);
                Ok(true)
            }
            // A cursor is in the middle, and all count.
            Plan::Walk(candidates) if self.counting && self.inside => {
                if budget < usize::MAX {
                    self.plan = Some(Plan::Walk(candidates));
                    return Ok(false);
                }
                self.total = Some(count(live, filter, &candidates, &self.asks, now));
                self.counting = false;
                self.plan = Some(Plan::Walk(candidates));
                self.go(live, filter, paging, now, budget)
            }
            Plan::Walk(candidates) => loop {
                let want = if self.counting { CHUNK } else { self.enough.saturating_sub(self.seen).saturating_mul(2).clamp(16, CHUNK) };
                let stretch = live.stretch(&candidates, &self.asks, self.at.as_deref(), self.order, want);
                budget = budget.saturating_sub(stretch.found.len().max(stretch.seen / SWIFT).max(1));
                for entity in stretch.found {
                    if filter.matches(&entity, now, live) {
                        self.seen += 1;
                        if self.seen > self.skip && self.found.len() <= paging.limit {
                            self.found.push(entity);
                        }
                    }
                }
                let Some(at) = stretch.at else { break Ok(true) };
                self.at = Some(at);
                if !self.counting && self.seen >= self.enough {
                    break Ok(true);
                }
                if self.begun.elapsed() > PATIENCE {
                    break Err(complex("The query takes too long; narrow it down by type or place."));
                }
                if budget == 0 {
                    self.plan = Some(Plan::Walk(candidates));
                    break Ok(false);
                }
            },
        }
    }

    /// Takes the page out of all that may match.
    fn sift(&mut self, mut all: Vec<Arc<Entity>>, filter: &Filter, paging: &Paging, now: i64, live: &Live) {
        all.retain(|e| filter.matches(e, now, live));
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        self.seen = all.len();
        let rows = paging.limit.saturating_add(1);
        self.found = match (&self.at, self.order) {
            (None, _) => all.into_iter().skip(self.skip).take(rows).collect(),
            (Some(at), Order::Up) => all.drain(..).skip_while(|e| *e.id <= **at).take(rows).collect(),
            (Some(at), Order::Down) => all.drain(..).rev().skip_while(|e| *e.id >= **at).take(rows).collect(),
        };
    }

    fn finish(mut self, paging: &Paging) -> Found {
        let mut more = self.found.len() > paging.limit;
        self.found.truncate(paging.limit);
        if self.order == Order::Down {
            self.found.reverse();
            // Rows after a page that was reached backwards: the one it was reached from.
            more = true;
        }
        let count = if self.counting { Some(self.seen) } else { self.total };
        Found { entities: self.found, count, more }
    }
}

/// Looks through memory.
pub fn scan(live: &Live, filter: &Filter, paging: &Paging, now: i64) -> Result<Found> {
    let mut search = Search::new(live, filter, paging);
    while !search.go(live, filter, paging, now, usize::MAX)? {}
    Ok(search.finish(paging))
}

fn count(live: &Live, filter: &Filter, candidates: &Candidates, asks: &[Ask], now: i64) -> usize {
    let (mut n, mut at) = (0, None::<Iri>);
    loop {
        let stretch = live.stretch(candidates, asks, at.as_deref(), Order::Up, CHUNK);
        n += stretch.found.iter().filter(|e| filter.matches(e, now, live)).count();
        at = stretch.at;
        if at.is_none() {
            return n;
        }
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
        let live = self.live.clone();
        let mut search = Search::new(&live, &filter, &paging);
        let short = !search.counting || live.count() < LARGE;
        if short && search.go(&live, &filter, &paging, now, LARGE)? {
            return Ok(search.finish(&paging));
        }
        let rest = move || {
            while !search.go(&live, &filter, &paging, now, usize::MAX)? {}
            Ok(search.finish(&paging))
        };
        tokio::task::spawn_blocking(rest).await.map_err(|e| Error::internal("looking for entities", e))?
    }
}
