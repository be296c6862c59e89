//! What a request does to an entity: pure functions from old to new.

use std::sync::Arc;

use dothi_kernel::Result;
use serde_json::Value;

use crate::fault::{bad, cut};
use crate::instances::Instances;
use crate::model::{Attr, AttrKind, Attrs, Entity, Iri, MAX_ATTRIBUTES, MAX_INSTANCES, NULL, find, find_mut};
use crate::parse::{AttrInput, Draft, Input, Tri};

/// What happened to each attribute of an append or update.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Updated {
    /// Expanded names that were set.
    pub updated: Vec<Iri>,
    /// Expanded names that were not, with the reason.
    pub not_updated: Vec<(Iri, &'static str)>,
}

pub(crate) fn complete(name: &str, input: &Input, now: i64) -> Result<Attr> {
    let input = match input {
        Input::Null(_) => return Err(bad(format!("{}: there is nothing to delete.", cut(name)))),
        Input::Attr(input) => input,
    };
    let kind = input.kind.unwrap_or(AttrKind::Property);
    let Tri::Set(value) = &input.value else {
        return Err(bad(format!("{}: a new {} needs the member {}.", cut(name), kind.name(), kind.member())));
    };
    if input.kind.is_none() && value.is_null() {
        return Err(bad(format!("{}: null is not a value.", cut(name))));
    }
    let mut attr = Attr::new(kind, stripped(value), now);
    attr.set_dataset(input.dataset.clone());
    attr.set_observed(set(&input.observed));
    attr.set_unit(set(&input.unit));
    attr.set_of(set(&input.of));
    attr.set_expires(set(&input.expires));
    for (sub, inputs) in &input.subs {
        let instances = inputs.iter().filter(|i| matches!(i, Input::Attr(_))).map(|i| complete(sub, i, now)).collect::<Result<Instances>>()?;
        if !instances.is_empty() {
            attr.subs_mut().push((sub.clone(), instances));
        }
    }
    Ok(attr)
}

fn set<T: Clone>(tri: &Tri<T>) -> Option<T> {
    match tri {
        Tri::Set(v) => Some(v.clone()),
        _ => None,
    }
}

/// A value without members that are NGSI-LD Null (RFC 7396: nulls of new objects leave nothing behind).
fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().filter(|(_, v)| v.as_str() != Some(NULL)).map(|(k, v)| (k.clone(), stripped(v))).collect(),
        v => v.clone(),
    }
}

fn types_of(draft: &Draft) -> Result<Vec<Iri>> {
    if draft.types.is_empty() { Err(bad("The entity has no type.")) } else { Ok(draft.types.clone()) }
}

/// A new entity.
pub fn create(id: Iri, draft: &Draft, now: i64) -> Result<Entity> {
    let mut entity = Entity::new(id, types_of(draft)?, now);
    entity.scope = set(&draft.scope).unwrap_or_default();
    entity.expires = set(&draft.expires);
    for (name, inputs) in &draft.attrs {
        let instances = inputs.iter().map(|i| complete(name, i, now)).collect::<Result<Instances>>()?;
        entity.attrs.push((name.clone(), instances));
    }
    Ok(entity)
}

/// Everything new but id and creation; the type may be left out.
pub fn replace(old: &Entity, draft: &Draft, now: i64) -> Result<Entity> {
    let mut draft = draft.clone();
    if draft.types.is_empty() {
        draft.types.clone_from(&old.types);
    }
    let mut entity = create(old.id.clone(), &draft, now)?;
    entity.created = old.created;
    entity.version = old.version;
    Ok(entity)
}

fn touch(entity: &mut Entity, draft: &Draft, now: i64) {
    for kind in &draft.types {
        if !entity.types.contains(kind) {
            entity.types.push(kind.clone());
        }
    }
    match &draft.expires {
        Tri::Set(x) => entity.expires = Some(*x),
        Tri::Null => entity.expires = None,
        Tri::Absent => {}
    }
    entity.modified = now;
}

/// Puts an instance in its place; the old one's creation is kept.
fn put(attrs: &mut Attrs, name: &Iri, mut attr: Attr) -> Result<()> {
    let room = attrs.len() < MAX_ATTRIBUTES;
    let Some(instances) = find_mut(attrs, name) else {
        if !room {
            return Err(bad(format!("An entity may have at most {MAX_ATTRIBUTES} attributes.")));
        }
        attrs.push((name.clone(), attr.into()));
        return Ok(());
    };
    if let Some(old) = instances.iter_mut().find(|a| a.dataset() == attr.dataset()) {
        attr.created = old.created;
        *old = attr;
    } else if instances.len() >= MAX_INSTANCES {
        return Err(bad(format!("{}: at most {MAX_INSTANCES} instances.", cut(name))));
    } else {
        instances.push(attr);
    }
    Ok(())
}

/// Removes one instance; false when it was not there.
fn remove(attrs: &mut Attrs, name: &str, dataset: Option<&Iri>) -> bool {
    let Some(instances) = find_mut(attrs, name) else { return false };
    let before = instances.len();
    instances.retain(|a| a.dataset() != dataset);
    let gone = instances.len() < before;
    attrs.retain(|(_, i)| !i.is_empty());
    gone
}

/// Append: new attributes are added, existing ones replaced unless `keep` holds on to them.
pub fn append(entity: &mut Entity, draft: &Draft, keep: bool, now: i64) -> Result<Updated> {
    let mut result = Updated::default();
    touch(entity, draft, now);
    match &draft.scope {
        Tri::Set(new) if !keep => entity.scope.clone_from(new),
        // Scopes beside those that are kept (5.6.3.4).
        Tri::Set(new) => {
            for scope in new {
                if !entity.scope.contains(scope) {
                    entity.scope.push(scope.clone());
                }
            }
        }
        _ => {}
    }
    for (name, inputs) in &draft.attrs {
        let mut kept = false;
        for input in inputs {
            let exists = find(&entity.attrs, name).is_some_and(|i| i.iter().any(|a| a.dataset() == input.dataset()));
            if keep && exists {
                kept = true;
            } else {
                put(&mut entity.attrs, name, complete(name, input, now)?)?;
            }
        }
        if kept {
            result.not_updated.push((name.clone(), "The attribute exists and noOverwrite was asked for."));
        } else {
            result.updated.push(name.clone());
        }
    }
    Ok(result)
}

/// Update (5.6.2, 5.5.8): attributes are replaced, added or (NGSI-LD Null) deleted; a scope is replaced if there is one.
/// What was to be deleted or replaced and is not there is told.
pub fn update(entity: &mut Entity, draft: &Draft, now: i64) -> Result<Updated> {
    let mut result = Updated::default();
    for (name, inputs) in &draft.attrs {
        let mut found = true;
        for input in inputs {
            match input {
                Input::Null(dataset) => found &= remove(&mut entity.attrs, name, dataset.as_ref()),
                input => put(&mut entity.attrs, name, complete(name, input, now)?)?,
            }
        }
        if found {
            result.updated.push(name.clone());
        } else {
            result.not_updated.push((name.clone(), "The entity has no such attribute."));
        }
    }
    let scoped = match &draft.scope {
        Tri::Set(_) if entity.scope.is_empty() => {
            result.not_updated.push(("scope".into(), "The entity has no scope to replace."));
            false
        }
        Tri::Set(new) => {
            entity.scope.clone_from(new);
            true
        }
        Tri::Null => !std::mem::take(&mut entity.scope).is_empty(),
        Tri::Absent => false,
    };
    if !result.updated.is_empty() || scoped || !draft.types.is_empty() || draft.expires != Tri::Absent {
        touch(entity, draft, now);
    }
    Ok(result)
}

/// Merge patch (RFC 7396 in NGSI-LD's words): deep on attributes, sub-attributes and compound values. `observed` is
/// the time given to changed attributes that had one and state none.
pub fn merge(entity: &mut Entity, draft: &Draft, observed: Option<i64>, now: i64) -> Result<()> {
    touch(entity, draft, now);
    match &draft.scope {
        Tri::Set(new) => entity.scope.clone_from(new),
        Tri::Null => entity.scope.clear(),
        Tri::Absent => {}
    }
    merge_attrs(&mut entity.attrs, &draft.attrs, observed, now)
}

fn merge_attrs(attrs: &mut Attrs, inputs: &[(Iri, Vec<Input>)], observed: Option<i64>, now: i64) -> Result<()> {
    for (name, instances) in inputs {
        for input in instances {
            match input {
                Input::Null(dataset) => {
                    remove(attrs, name, dataset.as_ref());
                }
                Input::Attr(new) => match find_mut(attrs, name).and_then(|i| i.iter_mut().find(|a| a.dataset() == new.dataset.as_ref())) {
                    Some(old) => merge_attr(name, old, new, observed, now)?,
                    None => {
                        let mut attr = complete(name, input, now)?;
                        if attr.observed().is_none() {
                            attr.set_observed(observed);
                        }
                        put(attrs, name, attr)?;
                    }
                },
            }
        }
    }
    Ok(())
}

fn merge_attr(name: &str, old: &mut Attr, new: &AttrInput, observed: Option<i64>, now: i64) -> Result<()> {
    old.modified = now;
    let before = old.observed();
    change_value(name, old, new, true)?;
    if before == old.observed() && observed.is_some() && before.is_some() && new.observed == Tri::Absent {
        old.set_observed(observed);
    }
    if new.subs.is_empty() {
        return Ok(());
    }
    merge_attrs(old.subs_mut(), &new.subs, None, now)
}

/// Sets the value and the plain members; `deep` merges compound values.
fn change_value(name: &str, old: &mut Attr, new: &AttrInput, deep: bool) -> Result<()> {
    match new.kind {
        Some(kind) if kind != old.kind => match &new.value {
            Tri::Set(value) => (old.kind, old.value) = (kind, stripped(value).into()),
            _ => return Err(bad(format!("{}: the attribute is a {}, not a {}.", cut(name), old.kind.name(), kind.name()))),
        },
        kind => {
            if let Tri::Set(value) = &new.value {
                if kind.is_none() && !matches!(old.kind, AttrKind::Property | AttrKind::JsonProperty) {
                    // A bare value in a fragment takes the kind that is there, if it can be one of it.
                    let ld = crate::ld::Ld::default();
                    old.value = crate::parse::checked(name, old.kind, value, &ld, crate::parse::Form::PATCH)?.into();
                } else if deep && matches!(old.kind, AttrKind::Property | AttrKind::JsonProperty | AttrKind::LanguageProperty) {
                    let mut merged = old.value.to_json();
                    merge_value(&mut merged, value);
                    old.value = merged.into();
                } else {
                    old.value = stripped(value).into();
                }
            }
        }
    }
    if new.observed != Tri::Absent {
        old.set_observed(set(&new.observed));
    }
    if new.unit != Tri::Absent {
        old.set_unit(set(&new.unit));
    }
    if new.of != Tri::Absent {
        old.set_of(set(&new.of));
    }
    if new.expires != Tri::Absent {
        old.set_expires(set(&new.expires));
    }
    Ok(())
}

fn merge_value(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                if value.as_str() == Some(NULL) {
                    old.shift_remove(key);
                } else if let Some(known) = old.get_mut(key) {
                    merge_value(known, value);
                } else {
                    old.insert(key.clone(), stripped(value));
                }
            }
        }
        (old, new) => *old = stripped(new),
    }
}

/// Partial update of one attribute: each member that is stated replaces the old one. False when the instance is not there.
pub fn partial(entity: &mut Entity, name: &Iri, inputs: &[Input], now: i64) -> Result<bool> {
    let mut found = true;
    for input in inputs {
        match input {
            Input::Null(dataset) => found &= remove(&mut entity.attrs, name, dataset.as_ref()),
            Input::Attr(new) => match find_mut(&mut entity.attrs, name).and_then(|i| i.iter_mut().find(|a| a.dataset() == new.dataset.as_ref())) {
                None => found = false,
                Some(old) => {
                    if let Some(kind) = new.kind
                        && kind != old.kind
                    {
                        return Err(bad(format!("{}: the attribute is a {}, not a {}.", cut(name), old.kind.name(), kind.name())));
                    }
                    change_value(name, old, new, false)?;
                    old.modified = now;
                    for (sub, inputs) in &new.subs {
                        for input in inputs {
                            match input {
                                Input::Null(dataset) => drop(remove(old.subs_mut(), sub, dataset.as_ref())),
                                input => put(old.subs_mut(), sub, complete(sub, input, now)?)?,
                            }
                        }
                    }
                }
            },
        }
    }
    entity.modified = now;
    Ok(found)
}

/// Replaces one attribute with all its instances given. False when it is not there.
pub fn replace_attr(entity: &mut Entity, name: &Iri, inputs: &[Input], now: i64) -> Result<bool> {
    for input in inputs {
        if !find(&entity.attrs, name).is_some_and(|i| i.iter().any(|a| a.dataset() == input.dataset())) {
            return Ok(false);
        }
        put(&mut entity.attrs, name, complete(name, input, now)?)?;
    }
    entity.modified = now;
    Ok(true)
}

/// Deletes an attribute: one instance, or all of them. False when there is nothing to delete.
pub fn delete_attr(entity: &mut Entity, name: &str, which: &Which, now: i64) -> bool {
    let gone = match which {
        _ if name == crate::temporal::SCOPE => !std::mem::take(&mut entity.scope).is_empty(),
        Which::All => {
            let before = entity.attrs.len();
            entity.attrs.retain(|(n, _)| &**n != name);
            entity.attrs.len() < before
        }
        Which::One(dataset) => remove(&mut entity.attrs, name, dataset.as_ref()),
    };
    if gone {
        entity.modified = now;
    }
    gone
}

/// Instances of an attribute to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// The one with this datasetId; none = the default one.
    One(Option<Arc<str>>),
}
