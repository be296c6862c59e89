//! Entity maps over HTTP (5.14).

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use dothi_kernel::{Permission, Result, Scope};

use super::distributed::{keep_map, make_map};
use super::ngsi::{This, id_of, no_content};
use super::params;
use super::wire::{Answer, Asked, answer, plain};
use crate::Context;
use crate::fault::bad;
use crate::federation::maps::{HERE, Sources};
use crate::federation::matching::Temporal;
use crate::model::{Entity, parse_instant};
use crate::query::{Filter, Paging};

/// The routes of entity maps.
pub fn router() -> Router<Arc<Context>> {
    let one = get(retrieve).patch(update).delete(delete);
    Router::new()
        .route("/entityMaps", get(create).post(create))
        .route("/entityMaps/{id}", one.clone())
        .route("/temporal/entityMaps", get(create_temporal).post(create_temporal))
        .route("/temporal/entityMaps/{id}", one)
}

/// The query of a map, in the parameters or in the body.
async fn filter(this: &Context, asked: &Asked) -> Result<(Filter, crate::ld::Ld)> {
    if asked.body.is_empty() {
        let ld = asked.ld(this).await?;
        let stated = ["type", "attrs", "q", "georel", "local"];
        if !stated.iter().any(|name| asked.params.get(name).is_some()) {
            return Err(bad("The query is too wide: state at least one of type, attrs, q, a geo-query or local=true."));
        }
        return Ok((params::filter(&asked.params, &ld)?, ld));
    }
    let (body, ld) = asked.object(this).await?;
    Ok((params::query_body(&body, &asked.params, &ld)?.0, ld))
}

async fn create(State(this): This, asked: Asked) -> Answer {
    let (filter, ld) = filter(&this, &asked).await?;
    let map = make_map(&this, &asked, &ld, filter).await?;
    let body = map.lock().unwrap_or_else(PoisonError::into_inner).describe();
    Ok(plain(StatusCode::CREATED, &body))
}

/// A map of entities that were seen, changed or made at some time; what is known here are their present attributes.
async fn create_temporal(State(this): This, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let get = |name: &str| asked.params.get(name);
    if Temporal::parse(get("timerel"), get("timeAt"), get("endTimeAt"), get("timeproperty"))?.is_none() {
        return Err(bad("A temporal entity map needs a temporal query: timerel and timeAt.").into());
    }
    let (filter, _) = filter(&this, &asked).await?;
    let at = |name: &str| get(name).and_then(parse_instant);
    let (start, end) = match get("timerel") {
        Some("before") => (i64::MIN, at("timeAt").unwrap_or(i64::MAX)),
        Some("after") => (at("timeAt").unwrap_or(i64::MIN), i64::MAX),
        _ => (at("timeAt").unwrap_or(i64::MIN), at("endTimeAt").unwrap_or(i64::MAX)),
    };
    let property = get("timeproperty").unwrap_or("observedAt").to_string();
    let inside = |entity: &Entity| {
        let times = entity.attrs.iter().flat_map(|(_, a)| a).filter_map(|a| match property.as_str() {
            "createdAt" => Some(a.created),
            "modifiedAt" => Some(a.modified),
            _ => a.observed(),
        });
        times.into_iter().any(|t| t > start && t < end)
    };
    let page = Paging { limit: crate::federation::maps::MAX_ENTITIES + 1, ..Paging::default() };
    let found = this.query(&asked.caller, filter, page).await?;
    let sources: Sources = found.entities.iter().filter(|e| inside(e)).map(|e| (e.id.clone(), vec![HERE.into()])).collect();
    let map = keep_map(&this, &asked, sources, true)?;
    let body = map.lock().unwrap_or_else(PoisonError::into_inner).describe();
    Ok(plain(StatusCode::CREATED, &body))
}

async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let ld = asked.ld(&this).await?;
    let map = this.federation().maps.get(&id_of(&id)?, asked.caller.now.as_microsecond())?;
    let body = map.lock().unwrap_or_else(PoisonError::into_inner).describe();
    match asked.accept(false) {
        Ok(media) => Ok(answer(&asked, media, body, &ld)),
        Err(refused) => Ok(*refused),
    }
}

async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let (body, _) = asked.object(&this).await?;
    let id = id_of(&id)?;
    let now = asked.caller.now.as_microsecond();
    match body.get("expiresAt") {
        Some(value) => {
            let expires = value.as_str().and_then(parse_instant).ok_or_else(|| bad("expiresAt must be an instant in UTC."))?;
            this.federation().maps.extend(&id, expires, now)?;
        }
        // The other members are ours to set (5.14.2.4).
        None => drop(this.federation().maps.get(&id, now)?),
    }
    Ok(no_content())
}

async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    this.federation().maps.remove(&id_of(&id)?, asked.caller.now.as_microsecond())?;
    Ok(no_content())
}
