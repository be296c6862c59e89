//! `@context` documents known here (CIM 009, 5.13): the core, those of packs and users, copies of remote ones, and those
//! made for subscriptions.

use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use dothi_kernel::{Permission, Scope};
use serde_json::{Value, json};

use super::ngsi::{This, no_content};
use super::wire::{Answer, Asked, plain};
use crate::fault::{bad, invalid, missing};
use crate::ld::{CACHED, CORE_URL, Document, HOSTED, IMPLICIT, LOCAL_PATH, core_document, is_core};
use crate::model::instant;

fn described(document: &Document) -> Value {
    let url = if document.kind == CACHED { document.url.clone() } else { format!("{LOCAL_PATH}{}", document.url) };
    let mut out = json!({
        "URL": url, "localId": document.url, "kind": document.kind,
        "createdAt": instant(document.created), "numberOfHits": document.hits.load(Ordering::Relaxed),
    });
    let used = document.last_use.load(Ordering::Relaxed);
    if used > 0 {
        out["lastUsage"] = instant(used).into();
    }
    out
}

/// The core is a part of the program: it is as old as the program runs.
fn core_described(now: i64) -> Value {
    json!({"URL": CORE_URL, "localId": CORE_URL, "kind": CACHED, "createdAt": instant(now)})
}

pub async fn list(State(this): This, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let details = asked.params.flag("details")?;
    let kind = asked.params.get("kind");
    if kind.is_some_and(|k| ![HOSTED, CACHED, IMPLICIT].contains(&k)) {
        return Err(bad("kind must be Hosted, Cached or ImplicitlyCreated.").into());
    }
    let mut out = Vec::new();
    if kind.is_none_or(|k| k == CACHED) {
        out.push(if details { core_described(this.started()) } else { CORE_URL.into() });
    }
    for document in this.contexts().documents().iter().filter(|d| kind.is_none_or(|k| k == d.kind)) {
        let described = described(document);
        out.push(if details { described } else { described["URL"].clone() });
    }
    Ok(plain(StatusCode::OK, &out.into()))
}

/// Contexts are public: whoever gets an answer must be able to read its names.
pub async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let details = asked.params.flag("details")?;
    if is_core(&id) {
        return Ok(match details {
            true => plain(StatusCode::OK, &core_described(this.started())),
            false => ([(header::CONTENT_TYPE, media(&asked))], core_document()).into_response(),
        });
    }
    let document = this.contexts().find(&id).ok_or_else(|| missing("There is no such @context here."))?;
    if details {
        return Ok(plain(StatusCode::OK, &described(&document)));
    }
    Ok(([(header::CONTENT_TYPE, media(&asked))], document.value.to_string()).into_response())
}

/// `application/json` unless `application/ld+json` is asked for by name.
fn media(asked: &Asked) -> &'static str {
    let wanted = asked.headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let named = wanted.flat_map(|v| v.split(',')).any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/ld+json"));
    if named { "application/ld+json" } else { "application/json" }
}

pub async fn add(State(this): This, asked: Asked) -> Answer {
    let document: Value = serde_json::from_slice(&asked.body).map_err(|e| invalid(format!("The body is not JSON: {e}.")))?;
    let id = this.host_context(&asked.caller, document).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{LOCAL_PATH}{id}"))]).into_response())
}

pub async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let reload = asked.params.flag("reload")?;
    this.drop_context(&asked.caller, &id, reload).await?;
    Ok(no_content())
}
