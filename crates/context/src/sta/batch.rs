//! `$batch` in JSON (clause 11; OData JSON format 4.01, 19): requests one after the other. A later request may name what an
//! earlier one created as `$id`, in its address and as the id of a reference.

use std::collections::HashMap;

use dothi_kernel::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::bad;
use super::wire::{Answer, Asked, answer};
use crate::Context;

/// Requests of one batch.
const MOST: usize = 1_000;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    id: Value,
    method: String,
    url: String,
    #[serde(default)]
    body: Option<Value>,
}

/// Puts the ids of what was created in place of `$name`.
fn resolved(value: Value, made: &HashMap<String, Value>) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let known = if key == "@iot.id" { value.as_str().and_then(|v| v.strip_prefix('$')).and_then(|n| made.get(n)) } else { None };
                let value = known.cloned().unwrap_or_else(|| resolved(value, made));
                (key, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|v| resolved(v, made)).collect(),
        other => other,
    }
}

/// Path and query below the root of the service.
fn address(url: &str, base: &str, links: &HashMap<String, String>) -> (String, String) {
    let url = url.strip_prefix(base).unwrap_or(url);
    let url = url.rsplit_once("/sensorthings/v1.1/").map_or(url, |(_, rest)| rest).trim_start_matches('/');
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let path = match first.strip_prefix('$').and_then(|name| links.get(name)) {
        Some(link) => format!("{link}/{rest}"),
        None => format!("/{path}"),
    };
    (path.trim_end_matches('/').to_string(), query.to_string())
}

/// Answers a batch.
pub(crate) async fn batch(this: &Context, asked: &Asked) -> Result<Value> {
    let batch: Batch = serde_json::from_slice(&asked.body).map_err(|e| bad(format!("The body is not a batch: {e}.")))?;
    if batch.requests.len() > MOST {
        return Err(bad("A batch may hold at most 1,000 requests."));
    }
    let (mut ids, mut links, mut responses) = (HashMap::new(), HashMap::new(), Vec::with_capacity(batch.requests.len()));
    for one in batch.requests {
        let name = one.id.as_str().map_or_else(|| one.id.to_string(), str::to_string);
        let (path, query) = address(&one.url, &asked.base, &links);
        let body = one.body.map(|b| resolved(b, &ids).to_string()).unwrap_or_default();
        let part = Asked { method: one.method.to_ascii_uppercase(), path, query, body: body.into(), ..asked.clone() };
        let done = if part.path.trim_matches('/') == "$batch" { Err(bad("A batch cannot hold a batch.")) } else { Box::pin(answer(this, &part)).await };
        responses.push(match done {
            Ok(Answer { status, body, plain, location }) => {
                let body = body.map(|b| if plain { Value::from(b) } else { serde_json::from_str(&b).unwrap_or_default() });
                if let (Some(link), Some(Value::Object(entity))) = (&location, &body) {
                    ids.insert(name.clone(), entity.get("@iot.id").cloned().unwrap_or_default());
                    links.insert(name, link.strip_prefix(&asked.base).unwrap_or(link).to_string());
                }
                json!({"id": one.id, "status": status, "location": location, "body": body})
            }
            Err(e) => json!({"id": one.id, "status": e.kind().status(), "body": {"code": e.code(), "message": e.detail()}}),
        });
    }
    Ok(json!({"responses": responses}))
}
