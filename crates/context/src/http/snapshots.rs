//! Snapshots over HTTP (5.16).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value};

use super::distributed::{detail, everything};
use super::federation::listed;
use super::ngsi::{This, id_of, no_content};
use super::params::{self, paging};
use super::wire::{Answer, Asked, PREFIX, answer};
use crate::Context;
use crate::fault::bad;
use crate::federation::forward::encoded;
use crate::federation::snapshots::{MAX_ENTITIES, State as SnapshotState};
use crate::ld::Ld;
use crate::model::{Entity, Iri};

/// The routes of snapshots.
pub fn router() -> Router<Arc<Context>> {
    Router::new()
        .route("/snapshots", post(create).get(list).delete(purge))
        .route("/snapshots/{id}", get(retrieve).patch(update).delete(delete))
        .route("/snapshots/{id}/clone", post(duplicate))
}

fn created(state: &SnapshotState) -> Response {
    (StatusCode::CREATED, [(header::LOCATION, format!("{PREFIX}/snapshots/{}", encoded(&state.id)))]).into_response()
}

fn shown(asked: &Asked, ld: &Ld, body: Map<String, Value>) -> Answer {
    match asked.accept(false) {
        Ok(media) => Ok(answer(asked, media, body.into(), ld)),
        Err(refused) => Ok(*refused),
    }
}

async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    for query in body.get("snapshotQueries").and_then(Value::as_array).into_iter().flatten() {
        let query = query.as_object().ok_or_else(|| bad("snapshotQueries must be a list of queries."))?;
        if query.contains_key("temporalQ") {
            return Err(bad("snapshotQueries look at the present; temporalQ has no place there.").into());
        }
        params::query_body(query, &asked.params, &ld)?;
    }
    let state = this.begin_snapshot(&asked.caller, &body, None).await?;
    let answer = created(&state);
    tokio::spawn(async move {
        if let Err(e) = fill(&this, &asked, &ld, &state).await {
            tracing::error!(snapshot = state.id, error = %e, "a snapshot could not be filled");
        }
    });
    Ok(answer)
}

/// Runs the queries, here and at sources, and freezes what they find.
async fn fill(this: &Context, asked: &Asked, ld: &Ld, state: &SnapshotState) -> dothi_kernel::Result<()> {
    let mut all: BTreeMap<Iri, Arc<Entity>> = BTreeMap::new();
    let mut details = Vec::new();
    for (number, query) in state.queries.iter().enumerate() {
        let outcome = match query.as_object() {
            Some(body) => one(this, asked, ld, body).await,
            None => Err(bad("A query must be an object.")),
        };
        let told = outcome.as_ref().map(Vec::len).map_err(Clone::clone);
        details.push(detail(number, &told));
        all.extend(outcome.unwrap_or_default().into_iter().map(|e| (e.id.clone(), e)));
    }
    this.fill_snapshot(&asked.caller, &state.id, all.into_values().collect(), details).await
}

async fn one(this: &Context, asked: &Asked, ld: &Ld, body: &Map<String, Value>) -> dothi_kernel::Result<Vec<Arc<Entity>>> {
    let (filter, _, _) = params::query_body(body, &asked.params, ld)?;
    everything(this, &asked.querying(body), ld, filter, MAX_ENTITIES).await
}

async fn duplicate(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (body, _) = asked.object(&this).await?;
    let source = this.snapshot(&asked.caller, &id_of(&id)?)?;
    let state = this.begin_snapshot(&asked.caller, &body, Some(&source)).await?;
    Ok(created(&state))
}

async fn list(State(this): This, asked: Asked) -> Answer {
    let (ld, page) = (asked.ld(&this).await?, paging(&asked.params)?);
    let all: Vec<Value> = this.snapshot_states(&asked.caller)?.iter().map(|s| s.describe().into()).collect();
    listed(&asked, &ld, &all, &page)
}

async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    let snapshot = this.snapshot(&asked.caller, &id_of(&id)?)?;
    let body = snapshot.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).describe();
    shown(&asked, &ld, body)
}

async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let state = this.change_snapshot(&asked.caller, &id_of(&id)?, &body).await?;
    shown(&asked, &ld, state.describe())
}

async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    this.delete_snapshot(&asked.caller, &id_of(&id)?).await?;
    Ok(no_content())
}

async fn purge(State(this): This, asked: Asked) -> Answer {
    this.purge_snapshots(&asked.caller, asked.params.get("q")).await?;
    Ok(no_content())
}
