//! Reading the evolution of one entity: what is stored of it, what the lake holds, and what is the case now.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use dothi_kernel::history::{Point, SeriesQuery};
use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Result};

use super::{Header, Key, SCOPE, is_plain};
use crate::Context;
use crate::model::{Attr, AttrKind, Entity, Iri, find};
use crate::registry::short;
use crate::tables_temporal as tables;

/// Points that one look into the lake may bring.
const POINTS: usize = 100_000;
/// A day, in seconds.
const DAY_S: u32 = 86_400;

/// By which time a query goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeProperty {
    /// `observedAt`.
    Observed,
    /// `createdAt`.
    Created,
    /// `modifiedAt`.
    Modified,
    /// `deletedAt`.
    Deleted,
}

/// Which stretch of an attribute's evolution.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// By which time; none: all instances, whatever times they have.
    pub property: Option<TimeProperty>,
    /// From, inclusive (µs).
    pub from: i64,
    /// To, exclusive (µs).
    pub to: i64,
    /// The newest are wanted, not the oldest.
    pub newest: bool,
    /// So many at most.
    pub limit: usize,
}

/// A state that an attribute had.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its place.
    pub key: Key,
    /// The state.
    pub attr: Attr,
    /// When the attribute was deleted: the instance stands for that.
    pub deleted: Option<i64>,
}

impl Instance {
    /// A time of it.
    pub fn time(&self, property: TimeProperty) -> Option<i64> {
        match property {
            TimeProperty::Observed => self.attr.observed(),
            TimeProperty::Created => Some(self.attr.created),
            TimeProperty::Modified => Some(self.attr.modified),
            TimeProperty::Deleted => self.deleted,
        }
    }

    /// The time it is ordered by.
    pub fn place(&self, property: Option<TimeProperty>) -> i64 {
        property.and_then(|p| self.time(p)).or(self.attr.observed()).unwrap_or(self.attr.modified)
    }
}

impl Span {
    /// Whether an instance lies within.
    pub fn holds(&self, instance: &Instance) -> bool {
        self.property.is_none_or(|p| instance.time(p).is_some_and(|t| self.from <= t && t < self.to))
    }
}

/// An entity with a past.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Id.
    pub id: Iri,
    /// Its live state.
    pub live: Option<Arc<Entity>>,
    /// What else is known.
    pub header: Option<Header>,
}

impl Subject {
    /// Expanded types.
    pub fn types(&self) -> &[Iri] {
        self.live.as_ref().map(|e| e.types.as_slice()).or(self.header.as_ref().map(|h| h.types.as_slice())).unwrap_or_default()
    }

    /// Short name of its first type.
    pub fn kind(&self) -> &str {
        self.types().first().map_or("", |t| short(t))
    }

    /// `createdAt`, `modifiedAt`, `deletedAt`.
    pub fn times(&self) -> (i64, i64, Option<i64>) {
        match (&self.live, &self.header) {
            (Some(e), _) => (e.created, e.modified, None),
            (None, Some(h)) => (h.created, h.modified, h.deleted),
            (None, None) => (0, 0, None),
        }
    }

    fn former(&self) -> &[(Iri, Option<Iri>)] {
        self.header.as_ref().map(|h| h.attrs.as_slice()).unwrap_or_default()
    }

    fn states(&self, name: &str) -> &[Attr] {
        self.live.as_ref().and_then(|e| find(&e.attrs, name)).unwrap_or_default()
    }

    /// What the live entity shows as instances of an attribute, but for what the lake keeps.
    fn current(&self, name: &str, lake: bool, now: i64) -> Vec<Instance> {
        let instance = |attr: Attr| Instance { key: Key::of(&attr), attr, deleted: None };
        if name == SCOPE {
            let scope = self.live.iter().filter(|e| !e.scope.is_empty());
            return scope.map(|e| instance(super::scope_state(&e.scope, e.created, true))).collect();
        }
        self.states(name).iter().filter(|a| a.alive(now) && !(lake && is_plain(a))).map(|a| instance(a.clone())).collect()
    }
}

/// The state that an observation in the lake stands for.
fn observed(point: &Point, unit: Option<&Iri>) -> Attr {
    let mut attr = Attr::new(AttrKind::Property, crate::writer::to_val(&point.value), point.t);
    attr.set_observed(Some(point.t));
    attr.set_unit(unit.cloned());
    if point.quality != 0 {
        let name = format!("{}quality", crate::model::DEFAULT_VOCAB).into();
        attr.subs_mut().push((name, Attr::new(AttrKind::Property, i64::from(point.quality), point.t).into()));
    }
    attr
}

impl Context {
    /// An entity that is or was. None when nothing is known of it.
    pub(crate) async fn subject(&self, caller: &Caller, id: &str) -> Result<Option<Subject>> {
        self.journal.settle(Some(id)).await?;
        let live = self.look_up(id, caller);
        let header = tables::header(&self.store, id).await?;
        Ok((live.is_some() || header.is_some()).then(|| Subject { id: id.into(), live, header }))
    }

    /// Expanded names of all attributes that an entity has or had; the scope is one of them.
    pub(crate) async fn evolving(&self, subject: &Subject) -> Result<Vec<Iri>> {
        let mut names = tables::names(&self.store, &subject.id).await?;
        let mut known: HashSet<Iri> = names.iter().cloned().collect();
        let live = subject.live.iter().flat_map(|e| e.attrs.iter().map(|(n, _)| n.clone()));
        let scope = subject.live.iter().filter(|e| !e.scope.is_empty()).map(|_| SCOPE.into());
        let others: Vec<Iri> = live.chain(subject.former().iter().map(|(n, _)| n.clone())).chain(scope).collect();
        names.extend(others.into_iter().filter(|n| known.insert(n.clone())));
        Ok(names)
    }

    /// Instances of an attribute in time order, at most `span.limit` from the end that is wanted.
    pub(crate) async fn instances(&self, subject: &Subject, name: &Iri, span: &Span, now: i64) -> Result<Vec<Instance>> {
        let stored = tables::instances(&self.store, &subject.id, name, span).await?;
        let cut = stored.len() >= span.limit;
        let mut taken: HashSet<Key> = HashSet::with_capacity(stored.len());
        let mut out: Vec<Instance> = Vec::with_capacity(stored.len());
        for (key, instance) in stored {
            taken.insert(key);
            out.extend(instance.filter(|i| i.attr.alive(now)));
        }
        // Beyond the last stored instance of a list that was cut nobody knows what comes, so nothing from there is told.
        let edge = out.last().filter(|_| cut).map(|i| i.place(span.property));
        let beyond = |t: i64| edge.is_some_and(|e| if span.newest { t < e } else { t > e });
        // A scope that ever changed is stored with the time since when it holds.
        let stored_scope = &**name == SCOPE && tables::any(&self.store, &subject.id, Some(SCOPE)).await?;
        let current = if stored_scope { Vec::new() } else { subject.current(name, self.keeps_lake(), now) };
        out.extend(current.into_iter().filter(|i| span.holds(i) && !taken.contains(&i.key) && !beyond(i.place(span.property))));
        if &**name != SCOPE && self.keeps_lake() && span.property != Some(TimeProperty::Deleted) {
            let states = subject.states(name);
            let unit = states.first().and_then(Attr::unit);
            let unit = unit.or_else(|| subject.former().iter().find(|(n, _)| n == name).and_then(|(_, u)| u.clone()));
            let shown: HashSet<i64> = out.iter().filter(|i| i.key.dataset.is_none()).filter_map(|i| i.attr.observed()).collect();
            for point in self.observations(&subject.id, short(name), span).await? {
                let key = Key { dataset: None, basis: super::Basis::Observed, t: point.t };
                if shown.contains(&point.t) || taken.contains(&key) || beyond(point.t) {
                    continue;
                }
                let mut attr = observed(&point, unit.as_ref());
                if let Some(now) = states.iter().find(|a| a.observed() == Some(point.t) && a.dataset().is_none()) {
                    (attr.created, attr.modified) = (now.created, now.modified);
                }
                out.push(Instance { key, attr, deleted: None });
            }
        }
        out.sort_by(|a, b| a.place(span.property).cmp(&b.place(span.property)).then_with(|| a.key.cmp(&b.key)));
        if out.len() > span.limit {
            if span.newest { drop(out.drain(..out.len() - span.limit)) } else { out.truncate(span.limit) }
        }
        Ok(out)
    }

    /// Whether this city model's observations lie in the lake.
    pub(crate) fn keeps_lake(&self) -> bool {
        self.lake
    }

    /// Points of a series without deleted ones. An observation's times of writing are not kept: they count as its own.
    async fn observations(&self, entity: &str, attribute: &str, span: &Span) -> Result<Vec<Point>> {
        let (from, to) = if span.property.is_some() { (span.from, span.to) } else { (i64::MIN, i64::MAX) };
        if from >= to {
            return Ok(Vec::new());
        }
        let raw = |from, to, limit| SeriesQuery { entity: entity.into(), attribute: attribute.into(), from, to, bucket_s: None, offset_s: 0, limit };
        // Deleted points take room in what comes; some more are asked for, and all when that was not enough.
        let limit = span.limit.saturating_add(16).min(POINTS);
        let kept = |points: Vec<Point>| points.into_iter().filter(|p| p.quality & quality::DELETED == 0).collect::<Vec<_>>();
        let first = self.history.series(&raw(from, to, limit)).await?;
        let complete = first.len() < limit;
        let first = kept(first);
        if complete || (span.newest && first.len() >= span.limit) {
            return Ok(first);
        }
        if span.newest {
            return Ok(kept(self.history.series(&raw(from, to, POINTS)).await?));
        }
        // The port keeps the newest when it cuts; the oldest are found by counting days.
        let days = SeriesQuery { bucket_s: Some(DAY_S), limit: POINTS, ..raw(from, to, POINTS) };
        let mut found: BTreeMap<i64, Point> = BTreeMap::new();
        let (mut at, mut waiting) = (from, 0);
        for day in self.history.series(&days).await? {
            let end = day.t.saturating_add(i64::from(DAY_S) * 1_000_000).min(to);
            waiting += day.count.unwrap_or(1);
            if found.len() as u64 + waiting < span.limit as u64 {
                continue;
            }
            found.extend(kept(self.history.series(&raw(at, end, POINTS)).await?).into_iter().map(|p| (p.t, p)));
            if found.len() >= span.limit {
                return Ok(found.into_values().collect());
            }
            (at, waiting) = (end, 0);
        }
        // Words are in no bucket: what is left is read as it is.
        found.extend(kept(self.history.series(&raw(at, to, POINTS)).await?).into_iter().map(|p| (p.t, p)));
        Ok(found.into_values().collect())
    }

    /// Whether anything of the past of an entity, or of one of its attributes, can be shown.
    pub(crate) async fn has_history(&self, subject: &Subject, names: &[Iri], now: i64) -> Result<bool> {
        let span = Span { property: None, from: i64::MIN, to: i64::MAX, newest: true, limit: 1 };
        for name in names {
            if !self.instances(subject, name, &span, now).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
