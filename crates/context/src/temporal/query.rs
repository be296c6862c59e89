//! Finding entities by what they were, and cutting answers into pages of time (5.7.3, 5.7.4, 6.3.10).

use std::sync::Arc;
use std::time::{Duration, Instant};

use dothi_kernel::history::{Point, SeriesQuery};
use dothi_kernel::{Caller, Error, Kind, Permission, Result, Scope};
use serde_json::{Value, json};

use super::aggregate::{Aggregation, MAX_PERIODS, Method, Period, too_many_periods};
use super::read::{Instance, Span, Subject, TimeProperty};
use super::{Header, SCOPE, is_plain};
use crate::Context;
use crate::fault::{TOO_MANY, complex, cut, missing};
use crate::live::{Candidates, Order};
use crate::model::{Attr, Entity, Iri, find, instant};
use crate::query::{Filter, Paging};
use crate::registry::short;
use crate::select::{ScopeQuery, TypeSelector};
use crate::tables_temporal as tables;

/// Entities looked at in one step.
const CHUNK: usize = 256;
/// Instances of one attribute that a condition or an aggregation may look at.
const TESTED: usize = 200_000;
const SECOND: i64 = 1_000_000;
/// Longest query.
const PATIENCE: Duration = Duration::from_secs(15);

/// `timerel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Before an instant.
    Before,
    /// At or after an instant.
    After,
    /// From one instant to before another.
    Between,
}

/// A temporal query.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// `timerel` with `timeAt` and, for between, `endTimeAt`.
    pub relation: Option<(Relation, i64, i64)>,
    /// `timeproperty`, when stated.
    pub property: Option<TimeProperty>,
    /// `lastN`.
    pub last: Option<usize>,
}

impl Window {
    /// The property by which instances are chosen; none when all are wanted.
    pub fn by(&self) -> Option<TimeProperty> {
        self.property.or(self.relation.map(|_| TimeProperty::Observed))
    }

    fn bounds(&self) -> (i64, i64) {
        match self.relation {
            None => (i64::MIN, i64::MAX),
            Some((Relation::Before, at, _)) => (i64::MIN, at),
            Some((Relation::After, at, _)) => (at, i64::MAX),
            Some((Relation::Between, at, end)) => (at, end),
        }
    }

    fn span(&self, limit: usize) -> Span {
        let (from, to) = self.bounds();
        Span { property: self.by(), from, to, newest: self.last.is_some(), limit }
    }
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Ask {
    /// Which entities. Conditions (`q`, places, scopes) are asked of their past.
    pub filter: Filter,
    /// Only these attributes.
    pub attrs: Option<Vec<Iri>>,
    /// Members that will be shown, when that is known: nothing else is read.
    pub pick: Option<Vec<Iri>>,
    /// Members that will not be shown.
    pub omit: Vec<Iri>,
    /// Only these datasets; `@none` is the default one.
    pub datasets: Option<Vec<Iri>>,
    /// When.
    pub window: Window,
    /// Aggregates instead of instances.
    pub aggregation: Option<Aggregation>,
    /// Ids descending.
    pub down: bool,
}

/// What each method gives, period by period.
pub type Aggregates = Vec<(Method, Vec<Value>)>;

/// The past of an entity, as far as it was asked for.
#[derive(Debug)]
pub struct Evolution {
    /// Of which entity.
    pub subject: Subject,
    /// Instances in time order by expanded name; the scope is one of the names.
    pub attrs: Vec<(Iri, Vec<Instance>)>,
    /// Aggregates that the lake computed: attributes of which no instance had to be read.
    pub computed: Vec<(Iri, Aggregates)>,
}

/// A page cut in time: from where to where it reaches, and how long it may be at most (`lastN`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub start: i64,
    /// Where it ends; before the start when the newest come first.
    pub end: i64,
    /// `lastN`.
    pub size: Option<usize>,
}

/// A page of entities.
#[derive(Debug)]
pub struct Pasts {
    /// By id.
    pub evolutions: Vec<Evolution>,
    /// Number of all.
    pub count: Option<usize>,
    /// Whether more follow.
    pub more: bool,
}

impl Ask {
    fn selects(&self, id: &str, types: &[Iri]) -> bool {
        let filter = &self.filter;
        let plain = || Entity::new(id.into(), types.to_vec(), 0);
        filter.ids.as_ref().is_none_or(|ids| ids.iter().any(|i| **i == *id))
            && filter.id_pattern.as_ref().is_none_or(|p| p.is_match(id))
            && filter.types.as_ref().is_none_or(|t| t.matches(types))
            && (filter.selectors.is_empty() || filter.selectors.iter().any(|s| s.matches(&plain())))
    }

    fn candidates(&self) -> Candidates {
        if let Some(ids) = &self.filter.ids {
            let mut ids = ids.clone();
            ids.sort_unstable();
            return Candidates::Ids(ids);
        }
        let typed = match &self.filter.types {
            Some(types) => Some(types.anchors()),
            None if self.filter.selectors.is_empty() => None,
            None => self.filter.selectors.iter().map(|s| s.types.as_ref().map(TypeSelector::anchors)).collect::<Option<Vec<_>>>().map(|t| t.concat()),
        };
        match typed {
            Some(mut types) => {
                types.sort_unstable();
                types.dedup();
                Candidates::Types(types)
            }
            None => Candidates::All,
        }
    }

    /// Attributes that a condition looks at.
    fn tested(&self) -> Vec<Iri> {
        let mut names: Vec<Iri> = self.filter.q.iter().flat_map(|q| q.attributes()).collect();
        names.extend(self.filter.geo.iter().map(|g| g.property().clone()));
        names.extend(self.filter.scope.iter().map(|_| Iri::from(SCOPE)));
        names
    }

    fn wants(&self, name: &Iri) -> bool {
        // A scope is no attribute, but it belongs to the entity.
        self.attrs.as_ref().is_none_or(|a| a.contains(name))
    }

    fn dataset(&self, instance: &Instance) -> bool {
        let name = instance.key.dataset.as_deref().unwrap_or("@none");
        self.datasets.as_ref().is_none_or(|d| d.iter().any(|m| &**m == name))
    }

    /// Whether a member will be seen.
    pub fn shows(&self, name: &str) -> bool {
        let here = |list: &[Iri]| list.iter().any(|m| &**m == name || (name == SCOPE && &**m == "scope"));
        self.pick.as_ref().is_none_or(|p| here(p)) && !here(&self.omit)
    }
}

/// Stretches of time in which the scope was asked for.
fn valid(instances: &[Instance], query: &ScopeQuery) -> Vec<(i64, i64)> {
    let since = |i: &Instance| i.attr.observed().unwrap_or(if i.deleted.is_some() { i.attr.modified } else { i64::MIN });
    let mut states: Vec<(i64, bool)> = instances
        .iter()
        .map(|i| {
            let scopes: Vec<Box<str>> = i.attr.value.as_array().unwrap_or_default().iter().filter_map(|s| s.as_str()).map(Box::from).collect();
            (since(i), query.matches(&scopes))
        })
        .collect();
    states.sort_by_key(|(t, _)| *t);
    let ends = states.iter().skip(1).map(|(t, _)| *t).chain([i64::MAX]);
    states.iter().zip(ends).filter(|((_, yes), _)| *yes).map(|((t, _), end)| (*t, end)).collect()
}

impl Context {
    /// How many instances one answer may hold.
    pub(crate) fn time_page(&self) -> usize {
        self.settings.temporal_page()
    }

    /// The past of one entity. None when it does not meet the conditions, or has nothing to tell.
    async fn past(&self, subject: Subject, ask: &Ask, names: &[Iri], now: i64) -> Result<Option<Evolution>> {
        let tested = ask.tested();
        let page = self.time_page().saturating_add(1);
        let whole = |name: &Iri| ask.aggregation.is_some() || tested.contains(name);
        let mut attrs: Vec<(Iri, Vec<Instance>)> = Vec::new();
        let mut computed = Vec::new();
        for name in names.iter().filter(|n| ask.wants(n) || tested.contains(n)) {
            if !tested.contains(name)
                && let Some(rows) = self.computed(&subject, name, ask).await?
            {
                computed.push((name.clone(), rows));
                continue;
            }
            let scoped = ask.filter.scope.is_some();
            let limit = if whole(name) || scoped { TESTED } else { ask.window.last.map_or(page, |n| n.min(page)) };
            let mut span = ask.window.span(limit);
            if **name == *SCOPE && scoped {
                // A scope may have been set before the time asked for.
                span = Span { property: None, from: i64::MIN, to: i64::MAX, newest: true, limit };
            }
            let instances = self.instances(&subject, name, &span, now).await?;
            if whole(name) && instances.len() >= TESTED {
                let detail = format!("{} has more than {TESTED} instances in this time; ask for a shorter one.", cut(name));
                return Err(Error::new(Kind::Forbidden, TOO_MANY, detail));
            }
            attrs.push((name.clone(), instances));
        }
        if ask.filter.q.is_some() || ask.filter.geo.is_some() {
            let mut then = Entity::new(subject.id.clone(), subject.types().to_vec(), now);
            (then.created, then.modified, _) = subject.times();
            let states = |i: &[Instance]| i.iter().filter(|i| i.deleted.is_none()).map(|i| i.attr.clone()).collect::<Vec<Attr>>();
            then.attrs = attrs.iter().map(|(n, i)| (n.clone(), states(i))).filter(|(_, s)| !s.is_empty()).map(|(n, s)| (n, s.into())).collect();
            let live = &self.live;
            if !ask.filter.geo.as_ref().is_none_or(|g| g.matches(&then, now))
                || !ask.filter.q.as_ref().is_none_or(|q| q.matches(&then, now, &|id| live.get(id)))
            {
                return Ok(None);
            }
        }
        if let Some(query) = &ask.filter.scope {
            let (from, to) = ask.window.bounds();
            let scopes = attrs.iter().find(|(n, _)| &**n == SCOPE).map(|(_, i)| i.as_slice()).unwrap_or_default();
            let stretches: Vec<(i64, i64)> = valid(scopes, query).into_iter().map(|(a, b)| (a.max(from), b.min(to))).filter(|(a, b)| a < b).collect();
            if stretches.is_empty() {
                return Ok(None);
            }
            let by = ask.window.by();
            for (name, instances) in &mut attrs {
                if &**name == SCOPE {
                    // Scopes that held at some time asked for: the last one set before it, and those set within.
                    let begun = instances.iter().rposition(|i| i.place(by) <= from).unwrap_or(0);
                    instances.drain(..begun);
                    instances.retain(|i| i.place(by) < to);
                } else {
                    instances.retain(|i| stretches.iter().any(|(a, b)| *a <= i.place(by) && i.place(by) < *b));
                }
            }
        }
        attrs.retain(|(name, _)| ask.wants(name));
        for (_, instances) in &mut attrs {
            instances.retain(|i| ask.dataset(i));
            if let Some(n) = ask.window.last
                && instances.len() > n
            {
                drop(instances.drain(..instances.len() - n));
            }
        }
        attrs.retain(|(_, instances)| !instances.is_empty());
        let any = attrs.iter().any(|(name, _)| &**name != SCOPE || ask.filter.scope.is_none());
        Ok((any || !computed.is_empty()).then_some(Evolution { subject, attrs, computed }))
    }

    /// Aggregates of a series that lies in the lake alone, when its buckets are what is asked for.
    async fn computed(&self, subject: &Subject, name: &Iri, ask: &Ask) -> Result<Option<Vec<(Method, Vec<Value>)>>> {
        let (Some(what), Some((Relation::After | Relation::Between, at, _))) = (&ask.aggregation, ask.window.relation) else { return Ok(None) };
        let Period::Micros(width) = what.period else { return Ok(None) };
        let methods = what.methods.iter().all(|m| matches!(m, Method::Avg | Method::Min | Method::Max | Method::TotalCount));
        let plain = ask.window.last.is_none() && ask.datasets.is_none() && ask.filter.scope.is_none() && ask.window.by() == Some(TimeProperty::Observed);
        let seconds = i32::try_from(width / SECOND).ok().filter(|_| width % SECOND == 0 && at % SECOND == 0);
        let states = subject.live.as_ref().and_then(|e| find(&e.attrs, name)).unwrap_or_default();
        let numbers = matches!(states, [one] if is_plain(one) && one.value.is_number());
        let Some(seconds) = seconds.filter(|_| methods && plain && numbers && self.keeps_lake()) else { return Ok(None) };
        if tables::any(&self.store, &subject.id, Some(name)).await? {
            return Ok(None);
        }
        let (from, to) = ask.window.bounds();
        let query = SeriesQuery {
            entity: subject.id.to_string(),
            attribute: short(name).to_string(),
            from,
            to,
            bucket_s: u32::try_from(seconds).ok(),
            // The first bucket begins at the time asked for.
            offset_s: -i32::try_from((at / SECOND).rem_euclid(i64::from(seconds))).unwrap_or(0),
            limit: MAX_PERIODS + 1,
        };
        let points = self.history.series(&query).await?;
        if points.len() > MAX_PERIODS {
            return Err(too_many_periods());
        }
        let value = |method: Method, point: &Point| match method {
            Method::Min => json!(point.min),
            Method::Max => json!(point.max),
            Method::TotalCount => json!(point.count),
            _ => json!(point.value.number()),
        };
        let row = |method: Method, p: &Point| json!([value(method, p), instant(p.t), instant(p.t.saturating_add(width))]);
        let rows = |method: Method| points.iter().map(|p| row(method, p)).collect::<Vec<Value>>();
        Ok((!points.is_empty()).then(|| what.methods.iter().map(|m| (*m, rows(*m))).collect()))
    }

    /// The past of one entity (5.7.3).
    pub async fn evolution(&self, caller: &Caller, id: &str, ask: &Ask) -> Result<Evolution> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let none = || missing(format!("There is no history of {}.", cut(id)));
        let subject = self.subject(caller, id).await?.ok_or_else(none)?;
        let names = self.evolving(&subject).await?;
        if ask.attrs.as_ref().is_some_and(|a| !a.iter().any(|n| names.contains(n))) {
            return Err(missing(format!("The entity {} has none of the attributes.", cut(id))));
        }
        match self.past(subject.clone(), ask, &names, now).await? {
            Some(evolution) => Ok(evolution),
            None if self.has_history(&subject, &names, now).await? => Ok(Evolution { subject, attrs: Vec::new(), computed: Vec::new() }),
            None => Err(none()),
        }
    }

    /// Entities by their past, live and deleted ones (5.7.4).
    pub async fn evolutions(&self, caller: &Caller, ask: &Ask, paging: &Paging) -> Result<Pasts> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let (begun, now) = (Instant::now(), caller.now.as_microsecond());
        let candidates = ask.candidates();
        let mut at: Option<Iri> = paging.after.as_deref().map(Iri::from);
        let skip = if at.is_some() && !paging.count { 0 } else { paging.offset };
        if paging.count {
            at = None;
        }
        let (mut seen, mut found) = (0usize, Vec::new());
        'all: loop {
            let chunk = self.chunk(&candidates, at.as_deref(), ask.down).await?;
            let Some((last, _, _)) = chunk.last() else { break };
            at = Some(last.clone());
            for (id, live, header) in chunk {
                if begun.elapsed() > PATIENCE {
                    return Err(complex("The query takes too long; narrow it down by id, type, attributes or time."));
                }
                let header = if header.is_some() { header } else { tables::header(&self.store, &id).await? };
                let subject = Subject { id, live, header };
                if !subject.live.as_ref().is_none_or(|e| e.alive(now)) || !ask.selects(&subject.id, subject.types()) {
                    continue;
                }
                let names = match &ask.attrs {
                    Some(attrs) => attrs.iter().cloned().chain(ask.tested()).collect(),
                    None => self.evolving(&subject).await?,
                };
                let Some(evolution) = self.past(subject, ask, &names, now).await? else { continue };
                seen += 1;
                if seen > skip && found.len() <= paging.limit {
                    found.push(evolution);
                }
                if !paging.count && found.len() > paging.limit {
                    break 'all;
                }
            }
        }
        let more = found.len() > paging.limit;
        found.truncate(paging.limit);
        Ok(Pasts { evolutions: found, count: paging.count.then_some(seen), more })
    }

    /// Live and deleted entities beyond an id, in order.
    async fn chunk(&self, candidates: &Candidates, from: Option<&str>, down: bool) -> Result<Vec<(Iri, Option<Arc<Entity>>, Option<Header>)>> {
        let order = if down { Order::Down } else { Order::Up };
        self.journal.settle(None).await?;
        let live = self.live.chunk(candidates, from, order, CHUNK);
        let dead = tables::deleted(&self.store, from, down, CHUNK).await?;
        // Where one list was cut, the other may not go on beyond it.
        let edges = [live.last().filter(|_| live.len() == CHUNK).map(|e| e.id.clone()), dead.last().filter(|_| dead.len() == CHUNK).map(|(id, _)| id.clone())];
        let edge = edges.into_iter().flatten().reduce(|a, b| if (a < b) == down { b } else { a });
        let mut out: Vec<(Iri, Option<Arc<Entity>>, Option<Header>)> = live.into_iter().map(|e| (e.id.clone(), Some(e), None)).collect();
        out.extend(dead.into_iter().map(|(id, header)| (id, None, Some(header))));
        out.retain(|(id, _, _)| edge.as_ref().is_none_or(|e| if down { id >= e } else { id <= e }));
        out.sort_by(|a, b| if down { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) }.then_with(|| b.1.is_some().cmp(&a.1.is_some())));
        out.dedup_by(|b, a| a.0 == b.0);
        Ok(out)
    }
}

/// Cuts answers that hold more instances than a page may: all attributes of all entities end at the same instant. None
/// when nothing was cut.
pub fn cut_in_time(evolutions: &mut [Evolution], window: &Window, page: usize) -> Option<Range> {
    let by = window.by();
    let mut times: Vec<i64> = evolutions.iter().flat_map(|e| &e.attrs).flat_map(|(_, i)| i).map(|i| i.place(by)).collect();
    if times.len() <= page {
        return None;
    }
    times.sort_unstable();
    let newest_first = window.last.is_some();
    let edge = if newest_first { times[times.len() - page.max(1)] } else { times[page.max(1) - 1] };
    let stays = |t: i64| if newest_first { t >= edge } else { t <= edge };
    for (_, instances) in evolutions.iter_mut().flat_map(|e| &mut e.attrs) {
        instances.retain(|i| stays(i.place(by)));
    }
    let left = times.into_iter().filter(|t| stays(*t));
    let (low, high) = left.fold((i64::MAX, i64::MIN), |(low, high), t| (low.min(t), high.max(t)));
    let (from, to) = window.bounds();
    Some(match newest_first {
        true => Range { start: if to == i64::MAX { high } else { to }, end: low, size: window.last },
        false => Range { start: if from == i64::MIN { low } else { from }, end: high, size: None },
    })
}
