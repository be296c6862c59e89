//! Where sources send notifications of subscriptions that were passed on to them (5.8.6).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::Value;

use super::ngsi::This;
use super::wire::{Answer, Asked};
use crate::fault::bad;

pub async fn receive(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let copy = body.get("subscriptionId").and_then(Value::as_str).ok_or_else(|| bad("A notification needs subscriptionId."))?;
    let data = body.get("data").and_then(Value::as_array).ok_or_else(|| bad("A notification needs data."))?;
    this.notified(&asked.caller, copy, asked.params.get("key"), data, &ld).await?;
    Ok(StatusCode::OK.into_response())
}
