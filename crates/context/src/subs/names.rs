//! Names inside subscriptions: kept expanded, shown in the context of whoever asks.

use serde_json::{Map, Value};

use dothi_kernel::Result;

use crate::ld::Ld;

/// Members of entities that are no attributes.
const PLAIN: [&str; 8] = ["id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt", "@context"];

/// A subscription with its names expanded. 400 for what cannot be a name.
pub fn expanded(body: Map<String, Value>, ld: &Ld) -> Result<Map<String, Value>> {
    walk(body, &|name| ld.expand(name).map(|iri| iri.to_string()))
}

/// A subscription with its names as a context has them.
pub fn compacted(body: &Map<String, Value>, ld: &Ld) -> Map<String, Value> {
    // Compacting cannot fail.
    walk(body.clone(), &|name| Ok(ld.compact(name).into_owned())).unwrap_or_else(|_| body.clone())
}

type Rename<'a> = &'a dyn Fn(&str) -> Result<String>;

fn walk(mut body: Map<String, Value>, rename: Rename<'_>) -> Result<Map<String, Value>> {
    for selector in body.get_mut("entities").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::String(types)) = selector.get_mut("type") {
            *types = selection(types, rename)?;
        }
    }
    list(body.get_mut("watchedAttributes"), rename)?;
    if let Some(property) = body.get_mut("geoQ").and_then(|g| g.get_mut("geoproperty")) {
        one(property, rename)?;
    }
    if let Some(Value::Object(notification)) = body.get_mut("notification") {
        for member in ["attributes", "pick", "omit"] {
            list(notification.get_mut(member), rename)?;
        }
    }
    Ok(body)
}

fn list(value: Option<&mut Value>, rename: Rename<'_>) -> Result<()> {
    value.and_then(Value::as_array_mut).into_iter().flatten().try_for_each(|v| one(v, rename))
}

fn one(value: &mut Value, rename: Rename<'_>) -> Result<()> {
    if let Value::String(name) = value
        && !PLAIN.contains(&name.as_str())
        && !name.contains('{')
    {
        *name = rename(name)?;
    }
    Ok(())
}

/// Renames the types of a selection such as `(A;B),C`.
fn selection(text: &str, rename: Rename<'_>) -> Result<String> {
    let (mut out, mut name) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if !matches!(c, '(' | ')' | ',' | ';' | '|' | '\0') {
            name.push(c);
            continue;
        }
        match name.trim() {
            "" => {}
            "*" => out.push('*'),
            kind => out.push_str(&rename(kind)?),
        }
        name.clear();
        out.extend(Some(c).filter(|c| *c != '\0'));
    }
    Ok(out)
}
