//! Making, changing and ending subscriptions.

use std::sync::Arc;

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde_json::{Map, Value, json};

use crate::fault::{bad, cut, exists, missing};
use crate::ld::Ld;
use crate::model::{Iri, NULL};
use crate::subs::{Delivery, Frame, MAX_SUBSCRIPTIONS, Notice, READ_ONLY, READ_ONLY_NOTIFICATION, Status, Subscription, Waiting, expanded};
use crate::tables_subs::{self as tables, DeadLetter};
use crate::{Context, fault};

/// All members of a subscription that a caller may set (5.2.12); others are left out.
const MEMBERS: [&str; 23] = [
    "type",
    "subscriptionName",
    "description",
    "entities",
    "watchedAttributes",
    "notificationTrigger",
    "timeInterval",
    "q",
    "geoQ",
    "csf",
    "scopeQ",
    "temporalQ",
    "isActive",
    "notification",
    "expiresAt",
    "throttling",
    "lang",
    "datasetId",
    "localOnly",
    "splitEntities",
    "expandValues",
    "jsonKeys",
    "ngsildConformance",
];

/// Members of a stored subscription.
fn stored(subscription: &Subscription) -> Value {
    json!({
        "body": subscription.body, "context": subscription.ld.source, "speech": subscription.speech.source,
        "created": subscription.created, "modified": subscription.modified, "base": subscription.base,
    })
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no subscription {}.", cut(id)))
}

/// The members that a caller may set.
fn writable(mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|k, _| MEMBERS.contains(&k.as_str()) && !READ_ONLY.contains(&k.as_str()));
    if let Some(Value::Object(notification)) = body.get_mut("notification") {
        notification.retain(|k, _| !READ_ONLY_NOTIFICATION.contains(&k.as_str()));
    }
    body
}

fn is_null(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some(NULL)
}

impl Context {
    /// Makes a subscription; returns its id. 409 when the id is taken. `base` is where the caller found us.
    pub async fn subscribe(&self, caller: &Caller, mut body: Map<String, Value>, ld: Ld, base: &str) -> Result<Iri> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let id = match body.get("id") {
            Some(id) => crate::parse::entity_id(id)?,
            None => format!("urn:ngsi-ld:Subscription:{}", self.store.clock().id()).into(),
        };
        let stated = body.shift_remove("jsonldContext");
        let body = expanded(writable(body), &ld)?;
        let frame = |speech: Ld| Frame { id: id.clone(), ld: ld.clone(), speech, base: base.into(), now, created: now, fresh: true };
        // What is wrong with it is told before anything is made for it.
        let draft = Subscription::parse(body.clone(), frame(Ld::default()), Arc::default())?;
        self.guard.check(&draft.receiver.url)?;
        let speech = match stated {
            Some(stated) => self.stated_context(&stated, now).await?,
            None => self.context_with_address(caller, &ld, base).await?,
        };
        let subscription = Subscription::parse(body, frame(speech), Arc::default())?;
        let _turn = self.subscribing.lock().await;
        if self.subscriptions.get(&id).is_some() {
            return Err(exists(format!("The subscription {} exists already.", cut(&id))));
        }
        if self.subscriptions.count() >= MAX_SUBSCRIPTIONS {
            return Err(Error::unprocessable(fault::UNSUPPORTED, "There are too many subscriptions."));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::save_subscription(&mut tx, &id, &stored(&subscription)).await?;
        tx.commit().await?;
        self.subscriptions.put(subscription);
        Ok(id)
    }

    /// What `jsonldContext` names.
    async fn stated_context(&self, stated: &Value, now: i64) -> Result<Ld> {
        match stated {
            Value::String(_) => self.contexts.resolve(stated, now).await,
            _ => Err(bad("jsonldContext must be an address.")),
        }
    }

    /// Subscriptions by id, from a place on, and how many there are.
    pub fn subscriptions(&self, caller: &Caller, offset: usize, limit: usize) -> Result<(Vec<Arc<Subscription>>, usize)> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        Ok((self.subscriptions.page(offset, limit), self.subscriptions.count()))
    }

    /// One subscription.
    pub fn subscription(&self, caller: &Caller, id: &str) -> Result<Arc<Subscription>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        self.subscriptions.get(id).ok_or_else(|| unknown(id))
    }

    /// Changes the members that are stated; NGSI-LD Null or null removes one.
    pub async fn change_subscription(&self, caller: &Caller, id: &str, mut body: Map<String, Value>, ld: Ld) -> Result<()> {
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
        let speech = match body.shift_remove("jsonldContext") {
            Some(stated) => self.stated_context(&stated, now).await?,
            None => old.speech.clone(),
        };
        let fresh = body.contains_key("expiresAt");
        // Conditions are read in the context that they were written in.
        let frame_ld = if body.contains_key("q") || body.contains_key("csf") { ld.clone() } else { old.ld.clone() };
        let mut members = old.body.clone();
        for (name, value) in expanded(writable(body), &ld)? {
            // A member is replaced whole (5.5.8), so that what a new `notification` lacks is told.
            if is_null(&value) { drop(members.shift_remove(&name)) } else { drop(members.insert(name, value)) }
        }
        let frame = Frame { id: old.id.clone(), ld: frame_ld, speech, base: old.base.clone(), now, created: old.created, fresh };
        let subscription = Subscription::parse(members, frame, old.delivery.clone())?;
        self.guard.check(&subscription.receiver.url)?;
        let mut tx = self.store.begin(caller).await?;
        tables::save_subscription(&mut tx, id, &stored(&subscription)).await?;
        tx.commit().await?;
        self.subscriptions.put(subscription);
        Ok(())
    }

    /// Ends a subscription; what waits for it is not sent any more.
    pub async fn unsubscribe(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let _turn = self.subscribing.lock().await;
        let old = self.subscriptions.get(id).ok_or_else(|| unknown(id))?;
        let mut tx = self.store.begin(caller).await?;
        tables::delete_subscription(&mut tx, id).await?;
        tx.commit().await?;
        self.subscriptions.remove(id);
        self.drop_implicit_context(caller, &old.speech).await
    }

    /// Reads subscriptions and what waits for them, at start.
    pub(crate) async fn load_subscriptions(&self, now: i64) -> Result<()> {
        let (counts, last) = tables::notice_counts(&self.store).await?;
        // Places never come again, so that what an earlier run books late cannot hit a later one's.
        self.subscriptions.start_at(last.max(now));
        for (id, at, doc, status) in tables::load_subscriptions::<Status>(&self.store).await? {
            match self.load_subscription(&id, at, &doc, now) {
                Ok(subscription) => {
                    subscription.delivery.restore(status, counts.get(&id).copied().unwrap_or(0));
                    self.subscriptions.put(subscription);
                }
                // The row stays; it works again when its context is back.
                Err(e) => tracing::error!(subscription = id, error = %e, "a subscription could not be read"),
            }
        }
        Ok(())
    }

    fn load_subscription(&self, id: &str, at: i64, doc: &Value, now: i64) -> Result<Subscription> {
        let context = |name: &str| match &doc[name] {
            Value::Null => Ok(Ld::default()),
            context => self.contexts.read(context, now),
        };
        let ld = context("context")?;
        // What was stored before had one context for both, and names as they were given.
        let speech = if doc.get("speech").is_some() { context("speech")? } else { ld.clone() };
        let created = doc["created"].as_i64().unwrap_or(at);
        let body = expanded(doc["body"].as_object().cloned().unwrap_or_default(), &ld)?;
        let base = doc["base"].as_str().unwrap_or_default().into();
        let frame = Frame { id: id.into(), ld, speech, base, now: doc["modified"].as_i64().unwrap_or(created), created, fresh: false };
        Subscription::parse(body, frame, Arc::new(Delivery::default()))
    }

    /// Notifications of a subscription that were given up, after a place.
    pub async fn dead_letters(&self, caller: &Caller, id: &str, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.subscription(caller, id)?;
        tables::dead_letters(&self.store, id, after, limit).await
    }

    /// Sends notifications that were given up once more, behind what waits; returns how many (at most 1,000).
    pub async fn resend_dead_letters(&self, caller: &Caller, id: &str) -> Result<usize> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let subscription = self.subscription(caller, id)?;
        let letters = tables::dead_letters(&self.store, id, 0, 1_000).await?;
        let now = caller.now.as_microsecond();
        let places: Vec<i64> = letters.iter().map(|l| l.waiting.seq).collect();
        let notices: Vec<Notice> = letters
            .into_iter()
            .map(|l| Notice { subscription: subscription.id.clone(), waiting: Waiting { seq: self.subscriptions.next_place(), at: now, ..l.waiting } })
            .collect();
        let mut tx = self.store.begin(caller).await?;
        tables::unbury(&mut tx, &places).await?;
        tables::put_notices(&mut tx, &notices).await?;
        tx.commit().await?;
        self.subscriptions.queued(notices);
        Ok(places.len())
    }
}
