//! Writing history: instances given from outside, corrections and deletions.

use std::collections::HashMap;

use dothi_kernel::value::quality;
use dothi_kernel::{Caller, Error, Observation, Permission, Result, Scope, Value as Scalar};
use serde_json::{Map, Value};

use super::read::{Instance, Span, Subject};
use super::{Basis, Header, Key, Row, SCOPE, Which, Write, is_null_of, is_plain, null_of};
use crate::Context;
use crate::change;
use crate::fault::{bad, cut, missing};
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, Entity, Iri, MAX_ATTRIBUTES, find, find_mut, is_uri, parse_instant};
use crate::parse::{self, Form, Input, Tri};
use crate::registry::short;
use crate::tables_temporal as tables;
use crate::writer::{Change, Order, Outcome, scalar};

/// Instances of one request.
const MAX_INSTANCES: usize = 100_000;
/// Points that one step of a deletion takes.
const STEP: usize = 10_000;

/// Instances of an entity's attributes, as a request states them.
#[derive(Debug, Clone, Default)]
pub struct Evolution {
    /// Id, when stated.
    pub id: Option<Iri>,
    /// Expanded types.
    pub types: Vec<Iri>,
    /// `expiresAt`.
    pub expires: Option<i64>,
    /// Instances in the order given, by expanded name. The scope is one of the names.
    pub attrs: Vec<(Iri, Vec<Given>)>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Given {
    /// The state.
    pub attr: Attr,
    /// It stands for the deletion of the attribute.
    pub null: bool,
}

/// A prepared change of history.
#[derive(Debug, Clone, Default)]
pub struct Revision {
    /// Stored instances.
    pub writes: Vec<Write>,
    /// Points of the lake, corrected or deleted.
    pub observations: Vec<Observation>,
    /// The live entity goes, too.
    pub with_entity: bool,
}

/// Reads a temporal representation of an entity, or a fragment of one.
pub fn read(body: &Map<String, Value>, ld: &Ld, now: i64) -> Result<Evolution> {
    // What does not evolve is read like that of any entity.
    let (head, attrs): (Map<_, _>, Map<_, _>) = body
        .clone()
        .into_iter()
        .partition(|(key, _)| matches!(key.as_str(), "id" | "@id" | "type" | "@type" | "expiresAt" | "createdAt" | "modifiedAt" | "deletedAt"));
    let draft = parse::draft(&head, ld, Form::WHOLE)?;
    let expires = if let Tri::Set(x) = draft.expires { Some(x) } else { None };
    let mut out = Evolution { id: draft.id, types: draft.types, expires, attrs: Vec::new() };
    let mut count = 0;
    for (key, value) in &attrs {
        let name: Iri = if key == "scope" { SCOPE.into() } else { ld.expand(key)? };
        if out.attrs.iter().any(|(n, _)| *n == name) {
            return Err(bad(format!("The attribute {} is stated twice.", cut(key))));
        }
        let given = if &*name == SCOPE { scopes(value, now)? } else { states(key, &name, value, ld, now)? };
        count += given.len();
        if out.attrs.len() >= MAX_ATTRIBUTES || count > MAX_INSTANCES {
            return Err(bad(format!("A request may bring at most {MAX_ATTRIBUTES} attributes and {MAX_INSTANCES} instances.")));
        }
        out.attrs.push((name, given));
    }
    Ok(out)
}

fn states(name: &str, iri: &Iri, value: &Value, ld: &Ld, now: i64) -> Result<Vec<Given>> {
    let many: Vec<&Value> = match value {
        Value::Array(many) if !many.is_empty() && many.iter().all(Value::is_object) => many.iter().collect(),
        one => vec![one],
    };
    let mut out: Vec<Given> = Vec::with_capacity(many.len());
    let mut untimed: HashMap<Option<Iri>, i64> = HashMap::new();
    for one in many {
        let mut given = state(name, iri, one, ld, now)?;
        // Instances without a time of their own are of this moment, one after the other.
        if given.attr.observed().is_none() {
            let before = untimed.entry(given.attr.dataset().cloned()).or_insert(0i64);
            given.attr.modified = now.saturating_add(*before);
            *before += 1;
        }
        out.push(given);
    }
    Ok(out)
}

fn state(name: &str, iri: &Iri, value: &Value, ld: &Ld, now: i64) -> Result<Given> {
    if let Some(attr) = deletion(name, value, now)? {
        return Ok(Given { attr, null: true });
    }
    let inputs = parse::attribute(name, iri, value, ld, Form::WHOLE, 0)?;
    match inputs.as_slice() {
        [input @ Input::Attr(_)] => Ok(Given { attr: change::complete(name, input, now)?, null: false }),
        _ => Err(bad(format!("{}: an instance of an attribute is one object.", cut(name)))),
    }
}

/// An instance whose value is NGSI-LD Null stands for a deletion (4.5.7).
fn deletion(name: &str, value: &Value, now: i64) -> Result<Option<Attr>> {
    let Some(object) = value.as_object() else { return Ok(None) };
    let Some(kind) = AttrKind::ALL.into_iter().find(|k| object.get(k.member()).is_some_and(|v| is_null_of(*k, v))) else { return Ok(None) };
    let kind = object.get("type").and_then(Value::as_str).and_then(AttrKind::parse).unwrap_or(kind);
    let wrong = |what: &str| bad(format!("{}: {what} has a wrong form.", cut(name)));
    let mut attr = Attr::new(kind, null_of(kind), now);
    attr.set_observed(object.get("observedAt").map(|t| t.as_str().and_then(parse_instant).ok_or_else(|| wrong("observedAt"))).transpose()?);
    attr.set_dataset(match object.get("datasetId").map(Value::as_str) {
        None | Some(Some("@none")) => None,
        Some(Some(uri)) if is_uri(uri) => Some(uri.into()),
        Some(_) => return Err(wrong("datasetId")),
    });
    Ok(Some(attr))
}

/// Scopes: as of an entity, or as instances of a Property.
fn scopes(value: &Value, now: i64) -> Result<Vec<Given>> {
    let instances: Vec<&Value> = match value {
        Value::Object(_) => vec![value],
        Value::Array(many) if !many.is_empty() && many.iter().all(Value::is_object) => many.iter().collect(),
        plain => {
            let attr = Attr::new(AttrKind::Property, scope(plain)?, now);
            return Ok(vec![Given { attr, null: false }]);
        }
    };
    let mut out = Vec::with_capacity(instances.len());
    for one in instances {
        let null = one.get("value").is_some_and(|v| v.as_array().is_some_and(Vec::is_empty) || is_null_of(AttrKind::Property, v));
        let value = match one.get("value") {
            Some(_) if null => Value::Array(Vec::new()),
            Some(value) => scope(value)?,
            None => return Err(bad("scope: an instance without value.")),
        };
        let time = |t: &Value| t.as_str().and_then(parse_instant).ok_or_else(|| bad("scope: observedAt must be an instant in UTC."));
        let mut attr = Attr::new(AttrKind::Property, value, now.saturating_add(i64::try_from(out.len()).unwrap_or(0)));
        attr.set_observed(one.get("observedAt").map(time).transpose()?);
        out.push(Given { attr, null });
    }
    Ok(out)
}

fn scope(value: &Value) -> Result<Value> {
    let mut body = Map::new();
    body.insert("scope".into(), value.clone());
    match parse::draft(&body, &Ld::default(), Form::WHOLE)?.scope {
        Tri::Set(scopes) => Ok(scopes.iter().map(|s| Value::from(&**s)).collect()),
        _ => Err(bad("scope: not a scope.")),
    }
}

fn observation(entity: &Iri, kind: &str, name: &str, attr: &Attr, area: Option<&Iri>) -> Option<Observation> {
    Some(Observation {
        entity: entity.clone(),
        kind: kind.into(),
        attribute: short(name).into(),
        t: attr.observed()?,
        value: scalar(&attr.value)?,
        unit: attr.unit(),
        quality: 0,
        area: area.cloned(),
    })
}

/// What a temporal representation does: the live entity after it, and what history takes in. Instances that are newer
/// than what is the case now become what is the case now.
pub fn evolve(id: &Iri, current: Option<&Entity>, evolution: &Evolution, now: i64, lake: bool) -> Result<(Entity, Revision)> {
    let mut out = Revision::default();
    let mut entity = match current {
        Some(entity) => entity.clone(),
        None if evolution.types.is_empty() => return Err(bad("The entity has no type.")),
        None => Entity::new(id.clone(), Vec::new(), now),
    };
    for kind in &evolution.types {
        if !entity.types.contains(kind) {
            entity.types.push(kind.clone());
        }
    }
    entity.expires = evolution.expires.or(entity.expires);
    entity.modified = now;
    let kind = entity.types.first().map_or("", |t| short(t)).to_string();
    for (name, given) in &evolution.attrs {
        for Given { attr, null } in given {
            let row = Row::of(id, &kind, name, attr)?;
            let key = row.key.clone();
            match observation(id, &kind, name, attr, entity.area.as_ref()).filter(|_| lake && !null && &**name != SCOPE && is_plain(attr)) {
                Some(point) => {
                    out.observations.push(point);
                    if current.is_some() {
                        out.writes.push(Write::Forget(id.clone(), Which::One(name.clone(), key)));
                    }
                }
                None => {
                    let deleted = null.then(|| attr.observed().unwrap_or(now));
                    out.writes.push(Write::Set(Row { deleted, ..row }));
                }
            }
        }
        match &**name {
            SCOPE => {
                let newest = given.iter().max_by_key(|g| g.attr.observed().unwrap_or(i64::MAX));
                let texts = newest.and_then(|g| g.attr.value.as_array()).unwrap_or_default();
                entity.scope = texts.iter().filter_map(Value::as_str).map(Box::from).collect();
            }
            _ => present(&mut entity, name, given)?,
        }
    }
    if entity.attrs.len() > MAX_ATTRIBUTES {
        return Err(bad(format!("An entity may have at most {MAX_ATTRIBUTES} attributes.")));
    }
    if current.is_none() {
        let header = Header { types: entity.types.clone(), attrs: Vec::new(), created: now, modified: now, deleted: None, imported: true };
        out.writes.insert(0, Write::Header(id.clone(), header));
    }
    Ok((entity, out))
}

/// Brings the live attribute up to the newest of the instances.
fn present(entity: &mut Entity, name: &Iri, given: &[Given]) -> Result<()> {
    let mut datasets: Vec<Option<Iri>> = given.iter().map(|g| g.attr.dataset().cloned()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    for dataset in datasets {
        let of = given.iter().filter(|g| g.attr.dataset() == dataset.as_ref());
        let Some(newest) = of.max_by_key(|g| g.attr.observed().unwrap_or(i64::MAX)) else { continue };
        let old = find(&entity.attrs, name).and_then(|i| i.iter().find(|a| a.dataset() == dataset.as_ref()));
        if old.is_some_and(|old| matches!((old.observed(), newest.attr.observed()), (Some(o), Some(n)) if o > n)) {
            continue;
        }
        let mut attr = newest.attr.clone();
        attr.created = old.map_or(attr.created, |o| o.created);
        match find_mut(&mut entity.attrs, name) {
            Some(states) => {
                states.retain(|a| a.dataset() != dataset.as_ref());
                if !newest.null {
                    states.push(attr);
                }
            }
            None if newest.null => {}
            None => entity.attrs.push((name.clone(), attr.into())),
        }
    }
    entity.attrs.retain(|(_, states)| !states.is_empty());
    Ok(())
}

/// A point that is no more.
fn tombstone(subject: &Subject, name: &str, t: i64) -> Observation {
    Observation {
        entity: subject.id.clone(),
        kind: subject.kind().into(),
        attribute: short(name).into(),
        t,
        value: Scalar::Number(0.0),
        unit: None,
        quality: quality::DELETED,
        area: None,
    }
}

/// Which instances of an attribute a deletion means.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// All.
    All,
    /// Of one dataset.
    Dataset(Option<Iri>),
}

impl Context {
    fn writing(&self, caller: &Caller) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)
    }

    async fn past_of(&self, caller: &Caller, id: &str) -> Result<(Subject, Vec<Iri>)> {
        let subject = self.subject(caller, id).await?.ok_or_else(|| missing(format!("There is no entity {}.", cut(id))))?;
        let names = self.evolving(&subject).await?;
        Ok((subject, names))
    }

    async fn revise(&self, caller: &Caller, id: &Iri, revision: Revision) -> Result<()> {
        let order = Order { id: id.clone(), only: None, change: Change::Revise(Box::new(revision)) };
        self.change(caller, vec![order]).await?.pop().unwrap_or_else(|| Err(Error::internal("changing history", "no answer"))).map(|_| ())
    }

    /// Adds instances to an entity's evolution; true when there was none. With `existing`, the entity must be known.
    pub async fn evolve(&self, caller: &Caller, id: Iri, evolution: Evolution, existing: bool) -> Result<bool> {
        self.writing(caller)?;
        let known = self.subject(caller, &id).await?;
        if known.is_none() && existing {
            return Err(missing(format!("There is no entity {}.", cut(&id))));
        }
        let mut evolution = evolution;
        if let Some(past) = known.as_ref().filter(|s| s.live.is_none()) {
            evolution.types = past.types().iter().chain(&evolution.types).cloned().collect();
        }
        let order = Order { id, only: None, change: Change::Evolve(Box::new(evolution)) };
        let done = self.change(caller, vec![order]).await?.pop().unwrap_or_else(|| Err(Error::internal("changing history", "no answer")))?;
        Ok(done == Outcome::Created && known.is_none())
    }

    /// Says of points of the history that they are no more; the live state stays.
    pub(crate) async fn bury_points(&self, caller: &Caller, entity: &Iri, tombstones: Vec<Observation>) -> Result<()> {
        self.revise(caller, entity, Revision { observations: tombstones, ..Revision::default() }).await
    }

    /// Deletes points of a series, the newest first, in bounded steps; each is durable by itself.
    async fn bury(&self, caller: &Caller, subject: &Subject, name: &Iri) -> Result<()> {
        if !self.keeps_lake() || &**name == SCOPE {
            return Ok(());
        }
        let mut to = i64::MAX;
        loop {
            let query = dothi_kernel::history::SeriesQuery {
                entity: subject.id.to_string(),
                attribute: short(name).to_string(),
                from: i64::MIN,
                to,
                bucket_s: None,
                offset_s: 0,
                limit: STEP,
            };
            let points = self.history.series(&query).await?;
            let Some(oldest) = points.first().map(|p| p.t) else { return Ok(()) };
            let dead: Vec<_> = points.iter().filter(|p| p.quality & quality::DELETED == 0).map(|p| tombstone(subject, name, p.t)).collect();
            if !dead.is_empty() {
                self.revise(caller, &subject.id, Revision { observations: dead, ..Revision::default() }).await?;
            }
            if points.len() < STEP {
                return Ok(());
            }
            to = oldest;
        }
    }

    /// Hides what the live entity shows of an attribute.
    fn hide(&self, subject: &Subject, name: &Iri, chosen: &Chosen, writes: &mut Vec<Write>) -> Result<()> {
        let states = subject.live.as_ref().and_then(|e| find(&e.attrs, name)).unwrap_or_default();
        let meant = |a: &&Attr| match chosen {
            Chosen::All => true,
            Chosen::Dataset(dataset) => a.dataset() == dataset.as_ref(),
        };
        for state in states.iter().filter(meant).filter(|a| !(self.keeps_lake() && is_plain(a))) {
            writes.push(Write::Set(Row::hidden(&subject.id, subject.kind(), name, state)?));
        }
        Ok(())
    }

    /// Deletes all that history knows of an entity. One that came to be through the temporal API goes with it.
    pub async fn forget_entity(&self, caller: &Caller, id: &str) -> Result<()> {
        self.writing(caller)?;
        let (subject, names) = self.past_of(caller, id).await?;
        if !self.has_history(&subject, &names, caller.now.as_microsecond()).await? && subject.header.is_none() {
            return Err(missing(format!("There is no history of {}.", cut(id))));
        }
        for name in &names {
            self.bury(caller, &subject, name).await?;
        }
        let with_entity = subject.header.as_ref().is_some_and(|h| h.imported);
        let mut writes = vec![Write::Forget(subject.id.clone(), Which::Entity)];
        if !with_entity {
            for name in &names {
                self.hide(&subject, name, &Chosen::All, &mut writes)?;
            }
        }
        self.revise(caller, &subject.id, Revision { writes, observations: Vec::new(), with_entity }).await
    }

    /// Deletes instances of an attribute from history.
    pub async fn forget_attribute(&self, caller: &Caller, id: &str, name: &Iri, chosen: Chosen) -> Result<()> {
        self.writing(caller)?;
        let (subject, names) = self.past_of(caller, id).await?;
        let now = caller.now.as_microsecond();
        let span = Span { property: None, from: i64::MIN, to: i64::MAX, newest: true, limit: 10_000 };
        let instances = if names.contains(name) { self.instances(&subject, name, &span, now).await? } else { Vec::new() };
        let meant = |i: &Instance| match &chosen {
            Chosen::All => true,
            Chosen::Dataset(dataset) => i.key.dataset == *dataset,
        };
        if !instances.iter().any(meant) {
            return Err(missing(format!("The entity has no attribute {} here.", cut(short(name)))));
        }
        if !matches!(&chosen, Chosen::Dataset(Some(_))) {
            self.bury(caller, &subject, name).await?;
        }
        let which = match &chosen {
            Chosen::All => Which::Attribute(name.clone()),
            Chosen::Dataset(dataset) => Which::Dataset(name.clone(), dataset.clone()),
        };
        let mut writes = vec![Write::Forget(subject.id.clone(), which)];
        self.hide(&subject, name, &chosen, &mut writes)?;
        self.revise(caller, &subject.id, Revision { writes, ..Revision::default() }).await
    }

    /// An instance by its id, and whether the lake holds it.
    async fn instance(&self, caller: &Caller, id: &str, name: &Iri, instance: &str) -> Result<(Subject, Instance, bool)> {
        let (subject, names) = self.past_of(caller, id).await?;
        let none = || missing(format!("There is no instance {} of this attribute.", cut(instance)));
        let (basis, t) = Key::parse(instance).filter(|_| names.contains(name)).ok_or_else(none)?;
        let here = |key: &Key| key.has_id(instance, &subject.id, name);
        if let Some((_, stored)) = tables::at(&self.store, &subject.id, name, basis, t).await?.into_iter().find(|(key, _)| here(key)) {
            return stored.map(|i| (subject.clone(), i, false)).ok_or_else(none);
        }
        // What is the case now, and points of the lake, are found in a look at that one instant.
        let property = if basis == Basis::Observed { super::read::TimeProperty::Observed } else { super::read::TimeProperty::Modified };
        let span = Span { property: Some(property), from: t, to: t.saturating_add(1), newest: true, limit: 100 };
        let found = self.instances(&subject, name, &span, caller.now.as_microsecond()).await?;
        let found = found.into_iter().find(|i| here(&i.key)).ok_or_else(none)?;
        let in_lake = self.keeps_lake() && is_plain(&found.attr);
        Ok((subject, found, in_lake))
    }

    /// Deletes one instance from history.
    pub async fn forget_instance(&self, caller: &Caller, id: &str, name: &Iri, instance: &str) -> Result<()> {
        self.writing(caller)?;
        let (subject, found, in_lake) = self.instance(caller, id, name, instance).await?;
        let mut revision = Revision::default();
        if found.key.basis == Basis::Observed && found.key.dataset.is_none() && self.keeps_lake() && scalar(&found.attr.value).is_some() {
            revision.observations.push(tombstone(&subject, name, found.key.t));
        }
        if !in_lake {
            let live = subject.live.as_ref().and_then(|e| find(&e.attrs, name)).unwrap_or_default();
            revision.writes.push(match live.iter().find(|a| Key::of(a) == found.key) {
                Some(state) => Write::Set(Row::hidden(&subject.id, subject.kind(), name, state)?),
                None => Write::Forget(subject.id.clone(), Which::One(name.clone(), found.key)),
            });
        }
        self.revise(caller, &subject.id, revision).await
    }

    /// Changes one instance; it keeps its id.
    pub async fn amend_instance(&self, caller: &Caller, id: &str, name: &Iri, instance: &str, inputs: &[Input]) -> Result<()> {
        self.writing(caller)?;
        let (subject, found, in_lake) = self.instance(caller, id, name, instance).await?;
        let now = caller.now.as_microsecond();
        let mut entity = Entity::new(subject.id.clone(), subject.types().to_vec(), now);
        entity.attrs.push((name.clone(), found.attr.clone().into()));
        if !change::partial(&mut entity, name, inputs, now)? {
            return Err(bad("The fragment must describe this one instance; its datasetId cannot change."));
        }
        let mut revision = Revision::default();
        let Some(mut attr) = find(&entity.attrs, name).and_then(|s| s.first()).cloned() else {
            return self.forget_instance(caller, id, name, instance).await;
        };
        attr.modified = now;
        let area = subject.live.as_ref().and_then(|e| e.area.as_ref());
        let point = observation(&subject.id, subject.kind(), name, &attr, area);
        match point.filter(|p| in_lake && is_plain(&attr) && p.t == found.key.t) {
            // The same series and time again: the later value counts, also for what is the case now.
            Some(_) => {
                let evolution =
                    Evolution { attrs: vec![(name.clone(), vec![Given { attr, null: false }])], types: subject.types().to_vec(), ..Evolution::default() };
                return self.evolve(caller, subject.id.clone(), evolution, true).await.map(|_| ());
            }
            None => {
                if in_lake {
                    revision.observations.push(tombstone(&subject, name, found.key.t));
                }
                let row = Row::of(&subject.id, subject.kind(), name, &attr)?;
                revision.writes.push(Write::Set(Row { key: found.key, created: found.attr.created, deleted: found.deleted, ..row }));
            }
        }
        self.revise(caller, &subject.id, revision).await
    }
}
