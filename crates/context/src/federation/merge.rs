//! One entity out of what several hold of it (4.5.5): of each instance of an attribute the newest observation counts,
//! else the newest change; sources that only help out fill gaps.

use dothi_kernel::Result;
use serde_json::{Map, Value};

use crate::change;
use crate::fault::bad;
use crate::ld::Ld;
use crate::model::{Attr, Entity, find_mut, parse_instant};
use crate::parse::{self, Form};

fn time(object: &Value, name: &str) -> Option<i64> {
    object.get(name).and_then(Value::as_str).and_then(parse_instant)
}

/// Reads an entity from a source's answer, with the system's times that it states.
pub fn read(value: &Value, ld: &Ld) -> Result<Entity> {
    let object = value.as_object().ok_or_else(|| bad("A source's entity is not an object."))?;
    let mut body: Map<String, Value> = object.clone();
    body.shift_remove("@context");
    let draft = parse::draft(&body, ld, Form::WHOLE)?;
    let id = draft.id.clone().ok_or_else(|| bad("A source's entity has no id."))?;
    let mut entity = change::create(id, &draft, 0)?;
    entity.created = time(value, "createdAt").unwrap_or(0);
    entity.modified = time(value, "modifiedAt").unwrap_or(0);
    for (key, given) in &body {
        let Ok(name) = ld.expand(key) else { continue };
        let Some(instances) = find_mut(&mut entity.attrs, &name) else { continue };
        let given: Vec<&Value> = given.as_array().filter(|a| a.len() == instances.len()).map_or_else(|| vec![given], |a| a.iter().collect());
        for (instance, given) in instances.iter_mut().zip(given) {
            instance.created = time(given, "createdAt").unwrap_or(0);
            instance.modified = time(given, "modifiedAt").unwrap_or(0);
        }
    }
    Ok(entity)
}

fn newer(a: &Attr, b: &Attr) -> bool {
    match (a.observed(), b.observed()) {
        (Some(x), Some(y)) if x != y => x > y,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        _ => a.modified > b.modified,
    }
}

/// Puts what another one holds into an entity. `gaps`: only attributes that are missing.
pub fn merge(into: &mut Entity, from: Entity, gaps: bool) {
    for kind in from.types {
        if !into.types.contains(&kind) {
            into.types.push(kind);
        }
    }
    for scope in from.scope {
        if !into.scope.contains(&scope) {
            into.scope.push(scope);
        }
    }
    // 0 is not known.
    if into.created == 0 || (from.created != 0 && from.created < into.created) {
        into.created = from.created;
    }
    into.modified = into.modified.max(from.modified);
    into.expires = into.expires.or(from.expires);
    for (name, instances) in from.attrs {
        match find_mut(&mut into.attrs, &name) {
            None => into.attrs.push((name, instances)),
            Some(_) if gaps => {}
            Some(mine) => {
                for instance in Vec::from(instances) {
                    match mine.iter_mut().find(|m| m.dataset() == instance.dataset()) {
                        Some(old) if newer(&instance, old) => *old = instance,
                        Some(_) => {}
                        None => mine.push(instance),
                    }
                }
            }
        }
    }
}

/// Gives times to what came without.
pub fn finish(entity: &mut Entity, now: i64) {
    let fix = |t: &mut i64| {
        if *t == 0 {
            *t = now;
        }
    };
    fix(&mut entity.created);
    fix(&mut entity.modified);
    for attr in entity.attrs.iter_mut().flat_map(|(_, a)| a) {
        fix(&mut attr.created);
        fix(&mut attr.modified);
    }
}
