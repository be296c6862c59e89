//! Notifications that were given up: listed, and sent once more.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use dothi_kernel::{Caller, Error, Page, PageQuery};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Context;
use crate::model::instant;

type This = State<Arc<Context>>;

/// Routes under `/api/context/subscriptions`.
pub fn router(this: Arc<Context>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list, resend)).with_state(this)
}

/// A notification that was given up.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetter {
    /// Its place in the queue.
    place: i64,
    /// When it was caused.
    caused_at: String,
    /// When it was given up.
    given_up_at: String,
    /// Why.
    reason: String,
    /// The entities that it told of.
    data: serde_json::Value,
}

/// How many are sent once more.
#[derive(Debug, Serialize, ToSchema)]
struct Resent {
    /// Number of notifications.
    sent: usize,
}

/// Notifications of a subscription that were given up, oldest first.
#[utoipa::path(get, path = "/api/context/subscriptions/{id}/dead-letters", tag = "context", params(("id" = String, Path, description = "URI of the subscription"), PageQuery), responses((status = 200, body = Page<DeadLetter>)))]
async fn list(State(this): This, caller: Caller, Path(id): Path<String>, Query(query): Query<PageQuery>) -> Result<Json<Page<DeadLetter>>, Error> {
    let wrong = |_| Error::invalid("context.page", "after must be the `next` of the page before.");
    let after = query.after.as_deref().map(|a| a.parse::<i64>().map_err(wrong)).transpose()?.unwrap_or(0);
    let letters = this.dead_letters(&caller, &id, after, query.limit() + 1).await?;
    let shown = letters.into_iter().map(|l| DeadLetter {
        place: l.waiting.seq,
        caused_at: instant(l.waiting.at),
        given_up_at: instant(l.failed),
        reason: l.reason,
        data: serde_json::from_str(&l.waiting.body).unwrap_or_default(),
    });
    Ok(Json(Page::of(shown.collect(), query.limit(), |l| l.place.to_string())))
}

/// Sends notifications that were given up once more, behind those that wait; at most 1,000 at a time.
#[utoipa::path(post, path = "/api/context/subscriptions/{id}/dead-letters", tag = "context", params(("id" = String, Path, description = "URI of the subscription")), responses((status = 200, body = Resent)))]
async fn resend(State(this): This, caller: Caller, Path(id): Path<String>) -> Result<Json<Resent>, Error> {
    Ok(Json(Resent { sent: this.resend_dead_letters(&caller, &id).await? }))
}
