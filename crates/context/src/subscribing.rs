//! Making, changing and ending subscriptions, and hosting contexts: what users keep beside entities.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde_json::{Map, Value, json};

use crate::fault::{bad, cut, exists, missing};
use crate::ld::Ld;
use crate::model::{Iri, NULL};
use crate::subs::{MAX_SUBSCRIPTIONS, READ_ONLY, Status, Subscription};
use crate::{Context, tables};

/// Contexts that users may host.
const MAX_HOSTED: usize = 1_000;

/// Members of a stored subscription.
fn stored(subscription: &Subscription) -> Value {
    json!({"body": subscription.body, "context": subscription.ld.source})
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no subscription {}.", cut(id)))
}

/// The members that a caller may set.
fn writable(mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|k, _| !READ_ONLY.contains(&k.as_str()) && k != "id");
    if let Some(Value::Object(notification)) = body.get_mut("notification") {
        notification.retain(|k, _| !matches!(k.as_str(), "status" | "timesSent" | "timesFailed" | "lastNotification" | "lastSuccess" | "lastFailure"));
    }
    body
}

impl Context {
    /// Makes a subscription; returns its id. 409 when the id is taken.
    pub async fn subscribe(&self, caller: &Caller, body: Map<String, Value>, ld: Ld) -> Result<Iri> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let id = match body.get("id") {
            Some(id) => crate::parse::entity_id(id)?,
            None => format!("urn:ngsi-ld:Subscription:{}", self.store.clock().id()).into(),
        };
        let ld = self.notification_context(&body, ld, now).await?;
        let subscription = Subscription::parse(id.clone(), writable(body), ld, now, true)?;
        self.guard.check(&subscription.endpoint)?;
        let _turn = self.subscribing.lock().await;
        if self.subscriptions.get(&id).is_some() {
            return Err(exists(format!("The subscription {} exists already.", cut(&id))));
        }
        if self.subscriptions.list().len() >= MAX_SUBSCRIPTIONS {
            return Err(Error::unprocessable(crate::fault::UNSUPPORTED, "There are too many subscriptions."));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::save_subscription(&mut tx, &id, &stored(&subscription), &Status::default()).await?;
        tx.commit().await?;
        self.subscriptions.put(subscription);
        Ok(id)
    }

    /// `jsonldContext` goes before the context of the request.
    async fn notification_context(&self, body: &Map<String, Value>, ld: Ld, now: i64) -> Result<Ld> {
        match body.get("jsonldContext") {
            None => Ok(ld),
            Some(url @ Value::String(_)) => self.contexts.resolve(url, now).await,
            Some(_) => Err(bad("jsonldContext must be an address.")),
        }
    }

    /// All subscriptions, by id.
    pub fn subscriptions(&self, caller: &Caller) -> Result<Vec<Arc<Subscription>>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        Ok(self.subscriptions.list())
    }

    /// One subscription.
    pub fn subscription(&self, caller: &Caller, id: &str) -> Result<Arc<Subscription>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        self.subscriptions.get(id).ok_or_else(|| unknown(id))
    }

    /// Changes the members that are stated; NGSI-LD Null or null removes one.
    pub async fn change_subscription(&self, caller: &Caller, id: &str, body: Map<String, Value>, ld: Ld) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let _turn = self.subscribing.lock().await;
        let old = self.subscriptions.get(id).ok_or_else(|| unknown(id))?;
        if body.get("id").is_some_and(|i| i.as_str() != Some(id)) || body.get("type").is_some_and(|t| t != "Subscription") {
            return Err(bad("The id and type of a subscription cannot be changed."));
        }
        if body.is_empty() {
            return Err(bad("The body states nothing to change."));
        }
        let expiry_stated = body.contains_key("expiresAt");
        let ld = if ld.source.is_some() { ld } else { old.ld.clone() };
        let ld = self.notification_context(&body, ld, now).await?;
        let mut members = old.body.clone();
        for (name, value) in writable(body) {
            match (members.get_mut(&name), value) {
                (_, v) if v.is_null() || v.as_str() == Some(NULL) => drop(members.shift_remove(&name)),
                (Some(Value::Object(old)), Value::Object(new)) if name == "notification" => old.extend(new),
                (_, value) => drop(members.insert(name, value)),
            }
        }
        let subscription = Subscription::parse(old.id.clone(), members, ld, now, expiry_stated)?;
        self.guard.check(&subscription.endpoint)?;
        let status = old.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        *subscription.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = status.clone();
        let mut tx = self.store.begin(caller).await?;
        tables::save_subscription(&mut tx, id, &stored(&subscription), &status).await?;
        tx.commit().await?;
        self.subscriptions.put(subscription);
        self.subscriptions.wake();
        Ok(())
    }

    /// Ends a subscription; what waits for it is not sent any more.
    pub async fn unsubscribe(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let _turn = self.subscribing.lock().await;
        self.subscriptions.get(id).ok_or_else(|| unknown(id))?;
        let mut tx = self.store.begin(caller).await?;
        tables::delete_subscription(&mut tx, id).await?;
        tx.commit().await?;
        self.subscriptions.remove(id);
        Ok(())
    }

    /// Reads subscriptions and what waits for them, at start.
    pub(crate) async fn load_subscriptions(&self, now: i64) -> Result<()> {
        let (counts, last) = tables::notice_counts(&self.store).await?;
        self.subscriptions.start_at(last);
        for (id, _, doc, status) in tables::load_subscriptions::<Status>(&self.store).await? {
            let ld = match &doc["context"] {
                Value::Null => Ok(Ld::default()),
                context => self.contexts.resolve(context, now).await,
            };
            let body = doc["body"].as_object().cloned().unwrap_or_default();
            match ld.and_then(|ld| Subscription::parse(id.as_str().into(), body, ld, now, false)) {
                Ok(subscription) => {
                    *subscription.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = status;
                    let waiting = counts.iter().find(|(s, _)| *s == id).map_or(0, |(_, n)| *n);
                    subscription.waiting.store(waiting, Ordering::SeqCst);
                    self.subscriptions.put(subscription);
                }
                // The row stays; it works again when its context is back.
                Err(e) => tracing::error!(subscription = id, error = %e, "a subscription could not be read"),
            }
        }
        Ok(())
    }

    /// Hosts a `@context` document; returns its local id.
    pub async fn host_context(&self, caller: &Caller, document: Value) -> Result<String> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        if self.contexts.documents().len() >= MAX_HOSTED {
            return Err(Error::unprocessable(crate::fault::UNSUPPORTED, "There are too many hosted contexts."));
        }
        let id = self.store.clock().id().to_string();
        let now = caller.now.as_microsecond();
        self.contexts.resolve(document.get("@context").ok_or_else(|| bad("A context document needs a member @context."))?, now).await?;
        let mut tx = self.store.begin(caller).await?;
        tables::save_hosted(&mut tx, &id, &document).await?;
        tx.commit().await?;
        self.contexts.put(&id, "Hosted", document, now)?;
        Ok(id)
    }

    /// Deletes a hosted context. Those of packs and of the core stay.
    pub async fn drop_context(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let gone = tables::delete_hosted(&mut tx, id).await?;
        tx.commit().await?;
        if gone == 0 {
            return Err(missing("There is no such hosted @context, or it belongs to a pack."));
        }
        self.contexts.remove(id);
        Ok(())
    }
}
