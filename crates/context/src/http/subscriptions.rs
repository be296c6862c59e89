//! Subscriptions over HTTP.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;

use super::ngsi::{This, id_of, no_content};
use super::params::paging;
use super::wire::{Answer, Asked, answer, with_header};

/// Where the caller found us, so that what we make has an address for others too.
fn base(asked: &Asked) -> String {
    let word = |name: header::HeaderName| asked.headers.get(name).and_then(|v| v.to_str().ok());
    let scheme = asked.headers.get("x-forwarded-proto").and_then(|v| v.to_str().ok()).filter(|s| *s == "https").unwrap_or("http");
    let host = word(header::HOST).or_else(|| asked.uri.authority().map(|a| a.as_str()));
    host.filter(|h| h.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))).map_or_else(String::new, |h| format!("{scheme}://{h}"))
}

pub async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let id = this.subscribe(&asked.caller, body, ld, &base(&asked)).await?;
    this.subscription_changed(None, this.subscription(&asked.caller, &id).ok().as_ref());
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/ngsi-ld/v1/subscriptions/{id}"))]).into_response())
}

pub async fn list(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (ld, page) = (asked.ld(&this).await?, paging(&asked.params)?);
    let (found, count) = this.subscriptions(&asked.caller, page.offset, page.limit)?;
    let (now, sys_attrs) = (asked.caller.now.as_microsecond(), asked.params.option("sysAttrs"));
    let shown: Vec<Value> = found.iter().map(|s| Value::from(s.describe(&ld, sys_attrs, now))).collect();
    let mut response = answer(&asked, media, shown.into(), &ld);
    let link = |rel: &str, offset: usize| {
        let mut query = asked.params.without(&["offset", "limit"]);
        query.append_pair("limit", &page.limit.to_string()).append_pair("offset", &offset.to_string());
        format!("<{}?{}>;rel=\"{rel}\";type=\"application/ld+json\"", asked.path(), query.finish())
    };
    if page.offset > 0 && page.limit > 0 {
        response = with_header(response, "link", &link("prev", page.offset.saturating_sub(page.limit)));
    }
    if page.limit > 0 && count > page.offset.saturating_add(page.limit) {
        response = with_header(response, "link", &link("next", page.offset + page.limit));
    }
    if page.count {
        response = with_header(response, "ngsild-results-count", &count.to_string());
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
    let shown = found.describe(&ld, asked.params.option("sysAttrs"), asked.caller.now.as_microsecond());
    Ok(answer(&asked, media, shown.into(), &ld))
}

pub async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let id = id_of(&id)?;
    let (body, ld) = asked.object(&this).await?;
    let old = this.subscription(&asked.caller, &id).ok();
    this.change_subscription(&asked.caller, &id, body, ld).await?;
    this.subscription_changed(old.as_ref(), this.subscription(&asked.caller, &id).ok().as_ref());
    Ok(no_content())
}

pub async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let id = id_of(&id)?;
    let old = this.subscription(&asked.caller, &id).ok();
    this.unsubscribe(&asked.caller, &id).await?;
    this.subscription_changed(old.as_ref(), None);
    Ok(no_content())
}
