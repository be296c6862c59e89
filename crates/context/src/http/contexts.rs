//! `@context` documents known here: the core, those of packs, configured copies, and those that users host.

use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use dothi_kernel::{Permission, Scope};
use serde_json::{Value, json};

use super::ngsi::{This, no_content};
use super::wire::{Answer, Asked, plain};
use crate::fault::{bad, missing};
use crate::ld::{CORE_URL, Document, LOCAL_PATH, core_document, is_core};
use crate::model::instant;

fn described(document: &Document) -> Value {
    let mut out = json!({
        "URL": document.url, "localId": document.url, "kind": document.kind,
        "createdAt": instant(document.created), "numberOfHits": document.hits.load(Ordering::Relaxed),
    });
    let used = document.last_use.load(Ordering::Relaxed);
    if used > 0 {
        out["lastUsage"] = instant(used).into();
    }
    if document.kind == "Hosted" {
        out["URL"] = format!("{LOCAL_PATH}{}", document.url).into();
    }
    out
}

pub async fn list(State(this): This, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let details = asked.params.flag("details")?;
    let kind = asked.params.get("kind");
    if kind.is_some_and(|k| !matches!(k, "Hosted" | "Cached" | "ImplicitlyCreated")) {
        return Err(bad("kind must be Hosted, Cached or ImplicitlyCreated.").into());
    }
    let mut out = Vec::new();
    if kind.is_none_or(|k| k == "Cached") {
        out.push(if details { json!({"URL": CORE_URL, "localId": CORE_URL, "kind": "Cached"}) } else { CORE_URL.into() });
    }
    for document in this.contexts().documents().iter().filter(|d| kind.is_none_or(|k| k == d.kind)) {
        let described = described(document);
        out.push(if details { described } else { described["URL"].clone() });
    }
    Ok(plain(StatusCode::OK, &out.into()))
}

/// Contexts are public: whoever gets an answer must be able to read its names.
pub async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    if is_core(&id) {
        return Ok(([(header::CONTENT_TYPE, "application/ld+json")], core_document()).into_response());
    }
    let document = this.contexts().document(&id).ok_or_else(|| missing("There is no such @context here."))?;
    if asked.params.flag("details")? {
        return Ok(plain(StatusCode::OK, &described(&document)));
    }
    Ok(([(header::CONTENT_TYPE, "application/ld+json")], document.value.to_string()).into_response())
}

pub async fn add(State(this): This, asked: Asked) -> Answer {
    let document: Value = serde_json::from_slice(&asked.body).map_err(|e| bad(format!("The body is not JSON: {e}.")))?;
    let id = this.host_context(&asked.caller, document).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{LOCAL_PATH}{id}"))]).into_response())
}

pub async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    this.drop_context(&asked.caller, &id).await?;
    Ok(no_content())
}
