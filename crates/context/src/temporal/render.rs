//! Temporal representations (4.5.6–4.5.9, 4.5.19): instances in full, pairs of value and time, aggregates.

use dothi_kernel::Result;
use serde_json::{Map, Value, json};

use super::SCOPE;
use super::aggregate::aggregate;
use super::query::{Ask, Evolution, Relation};
use super::read::{Instance, TimeProperty};
use crate::ld::Ld;
use crate::model::{AttrKind, Iri, instant};
use crate::render::{self, View, one_or_many};

/// Which of the representations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Instances in full.
    #[default]
    Normalized,
    /// Pairs of value and time (`temporalValues`).
    Values,
    /// Aggregates (`aggregatedValues`).
    Aggregated,
}

/// An entity's evolution as an object, without `@context`.
pub fn evolution(past: &Evolution, ask: &Ask, form: Form, ld: &Ld, view: &View, now: i64) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    let subject = &past.subject;
    if ask.shows("id") {
        out.insert("id".into(), (&*subject.id).into());
    }
    if ask.shows("type") {
        out.insert("type".into(), one_or_many(subject.types().iter().map(|t| Value::from(&*ld.compact(t))).collect()));
    }
    if view.sys_attrs {
        let (created, modified, deleted) = subject.times();
        out.insert("createdAt".into(), instant(created).into());
        out.insert("modifiedAt".into(), instant(modified).into());
        if let Some(t) = deleted {
            out.insert("deletedAt".into(), instant(t).into());
        }
    }
    let anchor = anchor(past, ask);
    for (name, instances) in past.attrs.iter().filter(|(n, _)| ask.shows(n)) {
        let shown = if &**name == SCOPE { "scope".into() } else { ld.compact(name) };
        let value = match form {
            Form::Normalized => instances.iter().map(|i| normalized(&subject.id, name, i, ld, view, now)).collect(),
            Form::Values => values(name, instances, ask, ld, view),
            Form::Aggregated if &**name == SCOPE => continue,
            Form::Aggregated => match aggregated(instances, ask, anchor)? {
                Some(value) => value,
                None => continue,
            },
        };
        out.insert(shown.into_owned(), value);
    }
    for (name, rows) in past.computed.iter().filter(|(n, _)| form == Form::Aggregated && ask.shows(n)) {
        let mut value = Map::new();
        value.insert("type".into(), AttrKind::Property.name().into());
        value.extend(rows.iter().map(|(method, rows)| (method.word().to_string(), rows.clone().into())));
        out.insert(ld.compact(name).into_owned(), value.into());
    }
    Ok(out)
}

fn normalized(entity: &str, name: &Iri, instance: &Instance, ld: &Ld, view: &View, now: i64) -> Value {
    let mut value = render::attribute(&instance.attr, ld, view, now);
    if !value.is_object() {
        value = json!({"value": value});
    }
    if let Value::Object(object) = &mut value {
        if &**name == SCOPE {
            object.insert("value".into(), scope(instance));
        } else {
            object.insert("instanceId".into(), instance.key.id(entity, name).into());
        }
        if let Some(t) = instance.deleted {
            object.insert("deletedAt".into(), instant(t).into());
        }
    }
    value
}

/// One scope is a text, several are a list.
fn scope(instance: &Instance) -> Value {
    match instance.attr.value.to_json() {
        Value::Array(many) if !many.is_empty() => one_or_many(many),
        other => other,
    }
}

/// Instances that belong together: of one dataset and one kind.
fn groups(instances: &[Instance]) -> Vec<(Option<&Iri>, AttrKind, Vec<&Instance>)> {
    let mut groups: Vec<(Option<&Iri>, AttrKind, Vec<&Instance>)> = Vec::new();
    for instance in instances {
        let (dataset, kind) = (instance.key.dataset.as_ref(), instance.attr.kind);
        match groups.iter_mut().find(|(d, k, _)| *d == dataset && *k == kind) {
            Some((_, _, group)) => group.push(instance),
            None => groups.push((dataset, kind, vec![instance])),
        }
    }
    groups
}

fn values(name: &Iri, instances: &[Instance], ask: &Ask, ld: &Ld, view: &View) -> Value {
    let simplified = |i: &Instance| if &**name == SCOPE { scope(i) } else { render::simplified(&i.attr, ld, view) };
    let pairs = |group: &[&Instance]| -> Value {
        let of = |i: &&Instance| json!([simplified(i), instant(i.deleted.filter(|_| i.attr.observed().is_none()).unwrap_or(i.place(ask.window.by())))]);
        group.iter().map(of).collect()
    };
    let object = |dataset: Option<&Iri>, kind: AttrKind, pairs: Value| {
        // A text in the language asked for is a Property's value.
        let kind = if kind == AttrKind::LanguageProperty && view.lang.is_some() { AttrKind::Property } else { kind };
        let mut out = Map::new();
        out.insert("type".into(), kind.name().into());
        if let Some(dataset) = dataset {
            out.insert("datasetId".into(), (&**dataset).into());
        }
        out.insert(format!("{}s", kind.member()), pairs);
        Value::Object(out)
    };
    let many: Vec<Value> = groups(instances).into_iter().map(|(dataset, kind, group)| object(dataset, kind, pairs(&group))).collect();
    if many.is_empty() { object(None, AttrKind::Property, json!([])) } else { one_or_many(many) }
}

/// Where the first period of an aggregation begins and where the query ends.
fn anchor(past: &Evolution, ask: &Ask) -> (i64, i64) {
    let by = ask.window.by();
    let times = || past.attrs.iter().filter(|(n, _)| &**n != SCOPE).flat_map(|(_, i)| i).map(|i| i.place(by));
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    match ask.window.relation {
        Some((Relation::After, at, _)) => (at, high),
        Some((Relation::Between, at, end)) => (at, end),
        Some((Relation::Before, at, _)) => (low, at),
        None => (low, high),
    }
}

fn aggregated(instances: &[Instance], ask: &Ask, (anchor, last): (i64, i64)) -> Result<Option<Value>> {
    let Some(what) = &ask.aggregation else { return Ok(None) };
    let by = ask.window.by();
    let mut many = Vec::new();
    for (dataset, kind, group) in groups(instances) {
        let states: Vec<(i64, &Instance)> =
            group.into_iter().filter(|i| i.deleted.is_none() || by == Some(TimeProperty::Deleted)).map(|i| (i.place(by), i)).collect();
        let mut out = Map::new();
        out.insert("type".into(), kind.name().into());
        if let Some(dataset) = dataset {
            out.insert("datasetId".into(), (&**dataset).into());
        }
        for (method, rows) in aggregate(what, &states, anchor, last)? {
            if !rows.is_empty() {
                out.insert(method.word().into(), rows.into());
            }
        }
        many.push(Value::Object(out));
    }
    Ok((!many.is_empty()).then(|| one_or_many(many)))
}
