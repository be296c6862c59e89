//! Batch operations: many entities in one request, one journal entry, a result for each.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dothi_kernel::{Error, Result};
use serde_json::{Value, json};

use super::ngsi::{This, body_form, id_of, no_content};
use super::wire::{Answer, Asked, plain, problem};
use crate::Context;
use crate::fault::{bad, cut};
use crate::parse::{self, Draft, Form};
use crate::writer::{Change, Order, Outcome};

/// Entities of one batch.
const MAX_BATCH: usize = 10_000;

struct Failed {
    id: String,
    error: Error,
}

/// Reads the entities of a body; those that cannot be read are told apart.
async fn drafts(this: &Context, asked: &Asked, form: Form, typed: bool) -> Result<(Vec<Draft>, Vec<Failed>)> {
    let form = body_form(asked, form)?;
    let objects = asked.objects(this).await?;
    if objects.len() > MAX_BATCH {
        return Err(bad(format!("A batch may hold at most {MAX_BATCH} entities.")));
    }
    let (mut good, mut failed) = (Vec::with_capacity(objects.len()), Vec::new());
    for (object, ld) in objects {
        let id = object.get("id").or_else(|| object.get("@id")).and_then(Value::as_str).map(cut).unwrap_or_default();
        let read = ld.and_then(|ld| parse::draft(&object, &ld, form)).and_then(|draft| match (&draft.id, draft.types.is_empty()) {
            (None, _) => Err(bad("The entity has no id.")),
            (_, true) if typed => Err(bad("The entity has no type.")),
            _ => Ok(draft),
        });
        match read {
            Ok(draft) => good.push(draft),
            Err(error) => failed.push(Failed { id, error }),
        }
    }
    Ok((good, failed))
}

struct Done {
    created: Vec<String>,
    others: Vec<String>,
    failed: Vec<Failed>,
}

async fn run(this: &Context, asked: &Asked, orders: Vec<Order>, mut failed: Vec<Failed>) -> Result<Done> {
    let ids: Vec<String> = orders.iter().map(|o| o.id.to_string()).collect();
    let (mut created, mut others) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(this.change(&asked.caller, orders).await?) {
        match result {
            Ok(Outcome::Created) => created.push(id),
            Ok(Outcome::Updated(u)) if !u.not_updated.is_empty() => {
                let names: Vec<&str> = u.not_updated.iter().map(|(n, _)| &**n).collect();
                failed.push(Failed { id, error: bad(format!("These attributes exist and were kept: {}.", names.join(", "))) });
            }
            Ok(_) => others.push(id),
            Err(error) => failed.push(Failed { id, error }),
        }
    }
    Ok(Done { created, others, failed })
}

fn multi_status(done: Done) -> Response {
    let errors: Vec<Value> = done.failed.iter().map(|f| json!({"entityId": f.id, "error": problem(&f.error)})).collect();
    let success: Vec<String> = done.created.into_iter().chain(done.others).collect();
    plain(StatusCode::MULTI_STATUS, &json!({"success": success, "errors": errors}))
}

fn orders(drafts: Vec<Draft>, change: impl Fn(Draft) -> Change) -> Vec<Order> {
    let with_id = drafts.into_iter().filter_map(|d| Some((d.id.clone()?, d)));
    with_id.map(|(id, draft)| Order { id, only: None, change: change(draft) }).collect()
}

pub async fn create(State(this): This, asked: Asked) -> Answer {
    let (good, failed) = drafts(&this, &asked, Form::WHOLE, true).await?;
    let done = run(&this, &asked, orders(good, Change::Create), failed).await?;
    Ok(if done.failed.is_empty() { plain(StatusCode::CREATED, &json!(done.created)) } else { multi_status(done) })
}

pub async fn upsert(State(this): This, asked: Asked) -> Answer {
    let update = asked.params.option("update");
    let (good, failed) = drafts(&this, &asked, Form::WHOLE, !update).await?;
    let change = if update { Change::UpsertUpdate } else { Change::UpsertReplace };
    let done = run(&this, &asked, orders(good, change), failed).await?;
    Ok(match (done.failed.is_empty(), done.created.is_empty()) {
        (false, _) => multi_status(done),
        (true, true) => no_content(),
        (true, false) => {
            let mut seen = HashSet::new();
            let created: Vec<&String> = done.created.iter().filter(|id| seen.insert(*id)).collect();
            plain(StatusCode::CREATED, &json!(created))
        }
    })
}

pub async fn update(State(this): This, asked: Asked) -> Answer {
    let keep = asked.params.option("noOverwrite");
    let (good, failed) = drafts(&this, &asked, Form::WHOLE, false).await?;
    let done = run(&this, &asked, orders(good, |draft| Change::Append { draft, keep }), failed).await?;
    Ok(if done.failed.is_empty() { no_content() } else { multi_status(done) })
}

pub async fn merge(State(this): This, asked: Asked) -> Answer {
    let (good, failed) = drafts(&this, &asked, Form::MERGE, false).await?;
    let done = run(&this, &asked, orders(good, |draft| Change::Merge { draft, observed: None }), failed).await?;
    Ok(if done.failed.is_empty() { no_content() } else { multi_status(done) })
}

pub async fn delete(State(this): This, asked: Asked) -> Answer {
    let (body, _) = asked.value(&this).await?;
    let ids = body.as_array().filter(|a| !a.is_empty() && a.len() <= MAX_BATCH).ok_or_else(|| bad("The body must be a list of entity ids."))?;
    let (mut list, mut failed) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match id.as_str().ok_or_else(|| bad("An entity id must be a text.")).and_then(id_of) {
            Ok(id) => list.push(Order { id, only: None, change: Change::Delete }),
            Err(error) => failed.push(Failed { id: cut(id.as_str().unwrap_or_default()), error }),
        }
    }
    let done = run(&this, &asked, list, failed).await?;
    Ok(if done.failed.is_empty() { no_content() } else { multi_status(done) })
}
