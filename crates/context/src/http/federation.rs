//! Registered sources, subscriptions to them, and who we are, over HTTP.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dothi_kernel::{Permission, Result, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

use super::ngsi::{This, id_of, no_content};
use super::params::{conditions, paging};
use super::wire::{Answer, Asked, PREFIX, Params, answer, plain, with_header};
use super::{maps, snapshots};
use crate::Context;
use crate::fault::bad;
use crate::federation::forward::encoded;
use crate::federation::matching::{Temporal, Wanted};
use crate::ld::Ld;
use crate::q::Query;
use crate::query::{Paging, Selector};

/// The routes of federation, below the API's prefix.
pub fn router() -> Router<Arc<Context>> {
    Router::new()
        .route("/csourceRegistrations", post(create).get(list))
        .route("/csourceRegistrations/{id}", get(retrieve).patch(update).delete(delete))
        .route("/csourceSubscriptions", post(listen).get(listeners))
        .route("/csourceSubscriptions/{id}", get(listener).patch(change_listener).delete(stop_listening))
        .route("/info/sourceIdentity", get(identity))
        .merge(maps::router())
        .merge(snapshots::router())
}

async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let id = this.register_source(&asked.caller, body, &ld).await?;
    this.source_changed(None, this.federation().get(&id).as_ref());
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{PREFIX}/csourceRegistrations/{}", encoded(&id)))]).into_response())
}

/// Which registrations a request looks for (5.10.2).
fn wanted(params: &Params, ld: &Ld) -> Result<Wanted> {
    // The same conditions as for entities, and checked in the same way.
    let filter = conditions(params, ld)?;
    let stated = ["type", "attrs", "id", "idPattern", "q", "csf", "georel", "scopeQ"];
    if !stated.iter().any(|name| params.get(name).is_some()) {
        return Err(bad("The query is too wide: state at least one of type, attrs, id, idPattern, q, csf, scopeQ or a geo-query."));
    }
    let entities = if filter.ids.is_some() || filter.id_pattern.is_some() || filter.types.is_some() {
        vec![Selector { ids: filter.ids, id_pattern: filter.id_pattern, types: filter.types }]
    } else {
        Vec::new()
    };
    let csf = params.get("csf").map(|q| Query::parse(q, ld)).transpose()?;
    let temporal = Temporal::parse(params.get("timerel"), params.get("timeAt"), params.get("endTimeAt"), params.get("timeproperty"))?;
    Ok(Wanted { entities, attrs: filter.attrs, conditions: filter.q.into_iter().chain(csf).collect(), geo: filter.geo, scope: filter.scope, temporal })
}

/// A page of a list, with links to those around.
pub fn listed(asked: &Asked, ld: &Ld, all: &[Value], page: &Paging) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let shown: Vec<Value> = all.iter().skip(page.offset).take(page.limit).cloned().collect();
    let mut response = answer(asked, media, shown.into(), ld);
    let link = |rel: &str, offset: usize| {
        let mut query = asked.params.without(&["offset", "limit"]);
        query.append_pair("limit", &page.limit.to_string()).append_pair("offset", &offset.to_string());
        format!("<{}?{}>; rel=\"{rel}\"; type=\"application/ld+json\"", asked.path(), query.finish())
    };
    if page.offset > 0 && page.limit > 0 {
        response = with_header(response, "link", &link("prev", page.offset.saturating_sub(page.limit)));
    }
    if page.limit > 0 && all.len() > page.offset.saturating_add(page.limit) {
        response = with_header(response, "link", &link("next", page.offset + page.limit));
    }
    if page.count {
        response = with_header(response, "ngsild-results-count", &all.len().to_string());
    }
    Ok(response)
}

async fn list(State(this): This, asked: Asked) -> Answer {
    let (ld, page) = (asked.ld(&this).await?, paging(&asked.params)?);
    let wanted = wanted(&asked.params, &ld)?;
    let (now, sys) = (asked.caller.now.as_microsecond(), asked.params.option("sysAttrs"));
    let all = this.sources(&asked.caller)?;
    let found: Vec<Value> = all.iter().filter(|r| wanted.matches(r, now)).map(|r| r.describe(&ld, sys).into()).collect();
    listed(&asked, &ld, &found, &page)
}

fn shown(asked: &Asked, ld: &Ld, body: Value) -> Answer {
    match asked.accept(false) {
        Ok(media) => Ok(answer(asked, media, body, ld)),
        Err(refused) => Ok(*refused),
    }
}

async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    let found = this.source(&asked.caller, &id_of(&id)?)?;
    let body = found.describe(&ld, asked.params.option("sysAttrs"));
    shown(&asked, &ld, body.into())
}

async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let id = id_of(&id)?;
    let (body, ld) = asked.object(&this).await?;
    let old = this.federation().get(&id);
    this.change_source(&asked.caller, &id, body, &ld).await?;
    this.source_changed(old.as_ref(), this.federation().get(&id).as_ref());
    Ok(no_content())
}

async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let id = id_of(&id)?;
    let old = this.federation().get(&id);
    this.unregister_source(&asked.caller, &id).await?;
    this.source_changed(old.as_ref(), None);
    Ok(no_content())
}

async fn listen(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let id = this.listen_to_sources(&asked.caller, body, ld).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{PREFIX}/csourceSubscriptions/{}", encoded(&id)))]).into_response())
}

async fn listeners(State(this): This, asked: Asked) -> Answer {
    let (ld, page) = (asked.ld(&this).await?, paging(&asked.params)?);
    let now = asked.caller.now.as_microsecond();
    let mut all: Vec<Value> = this.listeners(&asked.caller)?.iter().map(|l| l.describe(now).into()).collect();
    all.extend(this.followers(&ld).into_iter().map(Value::from));
    listed(&asked, &ld, &all, &page)
}

async fn listener(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    let id = id_of(&id)?;
    let body = match this.listener(&asked.caller, &id) {
        Ok(found) => found.describe(asked.caller.now.as_microsecond()),
        // One that a subscription to entities brought about.
        Err(e) => this.followers(&ld).into_iter().find(|f| f.get("id").is_some_and(|i| *i == *id)).ok_or(e)?,
    };
    shown(&asked, &ld, body.into())
}

async fn change_listener(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let id = id_of(&id)?;
    let (body, ld) = asked.object(&this).await?;
    this.change_listener(&asked.caller, &id, body, ld).await?;
    Ok(no_content())
}

async fn stop_listening(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    this.stop_listening(&asked.caller, &id_of(&id)?).await?;
    Ok(no_content())
}

/// Who we are (5.15). Each tenant has a name of its own, so that brokers may pass on from one to another.
async fn identity(State(this): This, asked: Asked) -> Answer {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let started = this.federation().started;
    let up = (asked.caller.now.as_microsecond() - started).max(0) / 1_000_000;
    let named = asked.headers.get(super::tenants::HEADER).and_then(|v| v.to_str().ok()).filter(|t| !t.is_empty() && *t != "default");
    let alias = match named {
        // A tenant that does not exist yet.
        Some(name) if this.tenant().is_empty() => format!("{}:{name}", this.federation().alias),
        _ => this.federation().alias.clone(),
    };
    let now = crate::model::instant(asked.caller.now.as_microsecond());
    let body = json!({"id": &this.federation().alias, "type": "ContextSourceIdentity", "contextSourceAlias": alias, "contextSourceUptime": format!("PT{up}S"), "contextSourceTimeAt": now});
    let response: Response = plain(StatusCode::OK, &body);
    Ok(response)
}
