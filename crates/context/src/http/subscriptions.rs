//! Subscriptions over HTTP.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value};

use super::ngsi::{This, id_of, no_content};
use super::params::paging;
use super::wire::{Answer, Asked, answer, with_header};

pub async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let id = this.subscribe(&asked.caller, body, ld).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/ngsi-ld/v1/subscriptions/{id}"))]).into_response())
}

pub async fn list(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, page) = (asked.ld(&this).await?, paging(&asked.params)?);
    let all = this.subscriptions(&asked.caller)?;
    let now = asked.caller.now.as_microsecond();
    let shown: Vec<Value> = all.iter().skip(page.offset).take(page.limit).map(|s| Value::from(s.describe(now))).collect();
    let mut response = answer(&asked, media, shown.into(), &ld);
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

pub async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let ld = asked.ld(&this).await?;
    let found = this.subscription(&asked.caller, &id_of(&id)?)?;
    Ok(answer(&asked, media, found.describe(asked.caller.now.as_microsecond()).into(), &ld))
}

pub async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (body, ld): (Map<String, Value>, _) = asked.object(&this).await?;
    this.change_subscription(&asked.caller, &id_of(&id)?, body, ld).await?;
    Ok(no_content())
}

pub async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    this.unsubscribe(&asked.caller, &id_of(&id)?).await?;
    Ok(no_content())
}
