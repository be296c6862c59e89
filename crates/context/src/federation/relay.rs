//! Subscriptions passed on to registered sources (5.8.1.4, 5.8.2.4, 5.8.5.4), and what these notify of (5.8.6). Which
//! source has which copy is not stored: it follows from the subscriptions and registrations, and so does a copy's id.

use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use reqwest::Method;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::Context;
use crate::fault::{bad, missing};
use crate::federation::forward::{Call, Origin, encoded, renamed};
use crate::federation::listeners::Reason;
use crate::federation::matching::{self, Wanted};
use crate::federation::merge;
use crate::federation::registration::{Mode, Registration};
use crate::ld::Ld;
use crate::model::{Entity, Iri};
use crate::subs::{MAX_DATA, MAX_WAITING, Notice, Subscription, Waiting, compacted};
use crate::tables_subs;

/// Where sources send what they notify of; beside the API, as the standard names no place.
pub const PATH: &str = "/ngsi-ld/ex/remote-notify";
/// Pauses before a source is told once more.
const AGAIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(15)];

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn wants(subscription: &Subscription, registration: &Registration, now: i64) -> bool {
    registration.mode != Mode::Auxiliary && subscription.relays() && subscription.sources().matches(registration, now)
}

fn reason(before: bool, after: bool) -> Option<Reason> {
    match (before, after) {
        (false, true) => Some(Reason::NewlyMatching),
        (true, true) => Some(Reason::Updated),
        (true, false) => Some(Reason::NoLongerMatching),
        (false, false) => None,
    }
}

/// The entities of a subscription that a registration covers.
fn entities(subscription: &Subscription, registration: &Registration, wanted: &Wanted, body: &Map<String, Value>) -> Option<Value> {
    let shown = body.get("entities")?.as_array()?;
    let mut out: Vec<Value> = Vec::new();
    let mut add = |one: Value| {
        if !out.contains(&one) {
            out.push(one);
        }
    };
    for (selector, shown) in subscription.filter().selectors.iter().zip(shown) {
        for info in registration.information.iter().filter(|i| wanted.concerns(i)) {
            let Some(known) = &info.entities else {
                add(shown.clone());
                continue;
            };
            for entity in known.iter().filter(|e| matching::meets(selector, e)) {
                let mut one = shown.clone();
                if let (Some(id), None, Value::Object(one)) = (&entity.id, &selector.ids, &mut one) {
                    one.shift_remove("idPattern");
                    one.insert("id".into(), (&**id).into());
                }
                add(one);
            }
        }
    }
    Some(out.into())
}

impl Context {
    fn copy_id(&self, subscription: &str, registration: &str) -> String {
        format!("{subscription}:{}", digest(&[&self.federation.alias, registration]))
    }

    /// What proves that a notification comes from whom we told of its address.
    fn copy_key(&self, copy: &str) -> String {
        digest(&[&self.federation.relay_secret, copy])
    }

    /// The copy of a subscription for one source: what concerns it, told to us.
    fn copy(&self, subscription: &Subscription, registration: &Registration, id: &str) -> Map<String, Value> {
        let mut body = compacted(&subscription.body, &subscription.ld);
        let wanted = subscription.sources();
        if let Some(entities) = entities(subscription, registration, &wanted, &body) {
            body.insert("entities".into(), entities);
        }
        let known = registration.information.iter().filter(|i| wanted.concerns(i)).map(|i| i.attrs.clone()).collect::<Option<Vec<_>>>();
        if let Some(known) = known.map(|k| k.concat()).filter(|_| subscription.interval.is_none()) {
            let kept = known.iter().filter(|a| wanted.attrs.as_ref().is_none_or(|w| w.contains(a)));
            let mut names: Vec<Value> = kept.map(|a| Value::from(subscription.ld.compact(a).into_owned())).collect();
            names.dedup();
            body.insert("watchedAttributes".into(), names.into());
        }
        let mut notification = Map::new();
        let given = body.shift_remove("notification").unwrap_or_default();
        let split = subscription.splits();
        for name in ["attributes", "pick", "omit", "showChanges"].into_iter().filter(|n| !split || *n == "showChanges") {
            if let Some(value) = given.get(name) {
                notification.insert(name.into(), value.clone());
            }
        }
        let uri = format!("{}{PATH}?key={}", subscription.base, self.copy_key(id));
        notification.insert("endpoint".into(), json!({"uri": uri, "accept": "application/json"}));
        // What is left to us: the receiver's pace and form, and conditions on what several hold together.
        for name in ["throttling", "csf", "lang"].into_iter().chain(["q", "geoQ", "scopeQ"].into_iter().filter(|_| split)) {
            body.shift_remove(name);
        }
        body.insert("notification".into(), notification.into());
        body
    }

    /// Tells sources what a change of a registration means for subscriptions to entities.
    pub fn source_changed(self: &Arc<Self>, old: Option<&Arc<Registration>>, new: Option<&Arc<Registration>>) {
        let now = self.store.clock().now().as_microsecond();
        let Some(registration) = new.or(old).filter(|_| self.tenant.is_empty()) else { return };
        for subscription in self.subscriptions.those(Subscription::relays) {
            let of = |r: Option<&Arc<Registration>>| r.is_some_and(|r| wants(&subscription, r, now));
            if let Some(reason) = reason(of(old), of(new)) {
                self.pass_on(subscription.clone(), registration.clone(), reason);
            }
        }
    }

    /// Tells sources what a change of a subscription to entities means for them.
    pub fn subscription_changed(self: &Arc<Self>, old: Option<&Arc<Subscription>>, new: Option<&Arc<Subscription>>) {
        let now = self.store.clock().now().as_microsecond();
        let Some(subscription) = new.or(old).filter(|_| !self.federation.alone() && self.tenant.is_empty()) else { return };
        for registration in self.federation.index().all() {
            let of = |s: Option<&Arc<Subscription>>| s.is_some_and(|s| wants(s, registration, now));
            if let Some(reason) = reason(of(old), of(new)) {
                self.pass_on(subscription.clone(), registration.clone(), reason);
            }
        }
    }

    fn pass_on(self: &Arc<Self>, subscription: Arc<Subscription>, registration: Arc<Registration>, reason: Reason) {
        let this = self.clone();
        tokio::spawn(async move {
            // What happens to one copy happens in order.
            let _turn = subscription.delivery.relaying.lock().await;
            for pause in AGAIN.iter().map(Some).chain([None]) {
                let gone = this.subscriptions.get(&subscription.id).is_none() && reason != Reason::NoLongerMatching;
                if gone || this.told(&subscription, &registration, reason).await {
                    return;
                }
                if let Some(pause) = pause {
                    tokio::time::sleep(*pause).await;
                }
            }
            tracing::warn!(subscription = &*subscription.id, registration = &*registration.id, "a context source does not follow a subscription");
        });
    }

    /// Whether a source knows now.
    async fn told(&self, subscription: &Subscription, registration: &Registration, reason: Reason) -> bool {
        let id = self.copy_id(&subscription.id, &registration.id);
        let body = self.copy(subscription, registration, &id);
        let create = |mut body: Map<String, Value>| {
            body.insert("id".into(), id.as_str().into());
            (Method::POST, "/subscriptions".to_string(), Some(body))
        };
        let place = format!("/subscriptions/{}", encoded(&id));
        let (operation, (method, path, stated)) = match reason {
            Reason::NewlyMatching => ("createSubscription", create(body.clone())),
            Reason::Updated => ("updateSubscription", (Method::PATCH, place, Some(body.clone()))),
            Reason::NoLongerMatching => ("deleteSubscription", (Method::DELETE, place, None)),
        };
        if !registration.offers(operation) {
            return true;
        }
        let now = self.store.clock().now().as_microsecond();
        let call = |method, path, body: Option<Map<String, Value>>| Call { method, path, query: Vec::new(), body: body.map(Value::from), ld: &subscription.ld };
        let origin = Origin::default();
        match self.call_source(&origin, registration, call(method, path, stated), now).await {
            Ok(reply) if reply.status == 404 && reason == Reason::Updated && registration.offers("createSubscription") => {
                let (method, path, body) = create(body);
                self.call_source(&origin, registration, call(method, path, body), now).await.is_ok_and(|r| r.status < 300)
            }
            // It is there already, or gone already.
            Ok(reply) => reply.status < 300 || matches!((reply.status, reason), (409, Reason::NewlyMatching) | (404, Reason::NoLongerMatching)),
            Err(_) => false,
        }
    }

    /// Subscriptions to registrations that subscriptions to entities bring about (5.8.1.4), as users see them.
    pub fn followers(&self, ld: &Ld) -> Vec<Map<String, Value>> {
        let describe = |s: Arc<Subscription>| {
            let body = compacted(&s.body, ld);
            let mut out = Map::new();
            out.insert("id".into(), format!("{}:sources", s.id).into());
            out.insert("type".into(), "Subscription".into());
            for name in ["entities", "watchedAttributes", "csf"] {
                out.extend(body.get(name).map(|v| (name.to_string(), v.clone())));
            }
            out.insert("notification".into(), json!({"endpoint": {"uri": format!("{}{PATH}", s.base), "accept": "application/json"}}));
            out.insert("status".into(), if s.is_active(self.store.clock().now().as_microsecond()) { "active" } else { "paused" }.into());
            out
        };
        if self.tenant.is_empty() { self.subscriptions.those(Subscription::relays).into_iter().map(describe).collect() } else { Vec::new() }
    }

    /// Takes in a notification of a source and passes it on to the subscriber. 404 when we asked for no such one.
    pub async fn notified(&self, caller: &Caller, copy: &str, key: Option<&str>, data: &[Value], ld: &Ld) -> Result<()> {
        let now = caller.now.as_microsecond();
        let unknown = || missing("Nobody here subscribed to this.");
        if key != Some(self.copy_key(copy).as_str()) {
            caller.require(Permission::ContextWrite, Scope::ANY)?;
        }
        let (id, mark) = copy.rsplit_once(':').ok_or_else(unknown)?;
        let subscription = self.subscriptions.get(id).filter(|s| s.relays()).ok_or_else(unknown)?;
        let index = self.federation.index();
        let from = index.all().find(|r| digest(&[&self.federation.alias, &r.id]) == mark).ok_or_else(unknown)?;
        if data.len() > MAX_DATA {
            return Err(bad(format!("A notification may hold at most {MAX_DATA} entities.")));
        }
        if !subscription.is_active(now) {
            return Ok(());
        }
        if subscription.delivery.waiting() >= MAX_WAITING {
            return Err(Error::unavailable("context.busy", "The subscriber does not keep up."));
        }
        let mut told: Vec<Value> = Vec::new();
        for one in data {
            match merge::read(one, ld) {
                Ok(entity) => {
                    let mut entity = if subscription.splits() { self.with_others(entity, &from.id, now).await } else { entity };
                    merge::finish(&mut entity, now);
                    if !subscription.splits() || subscription.filter().matches(&entity, now, &self.live) {
                        told.extend(subscription.show(&Arc::new(entity), now, &|id| self.live.get(id)));
                    }
                }
                // What went is told as it came.
                Err(_) if !subscription.splits() => told.push(renamed(one, ld, &subscription.speech)),
                Err(_) => {}
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_string(&told).unwrap_or_default().into();
        let waiting = Waiting { seq: self.subscriptions.next_place(), at: now, body };
        let notices = vec![Notice { subscription: subscription.id.clone(), waiting }];
        let mut tx = self.store.begin(caller).await?;
        tables_subs::put_notices(&mut tx, &notices).await?;
        tx.commit().await?;
        self.subscriptions.queued(notices);
        Ok(())
    }

    /// An entity with what we and other sources than the one it comes from hold of it.
    async fn with_others(&self, mut entity: Entity, from: &Iri, now: i64) -> Entity {
        // Just told without times is newer than what is here.
        for attr in entity.attrs.iter_mut().flat_map(|(_, a)| a).filter(|a| a.modified == 0) {
            attr.modified = now;
        }
        let index = self.federation.index();
        let id = entity.id.clone();
        if let Some(ours) = self.live.get(&id).filter(|e| e.alive(now)).and_then(|e| matching::stripped(&index, &e, now)) {
            merge::merge(&mut entity, Entity::clone(&ours), false);
        }
        let parts = matching::readers(&index, Some(std::slice::from_ref(&id)), &entity.types, None, &["retrieveEntity"], now);
        for part in parts.iter().filter(|p| p.registration.id != *from) {
            let query = vec![("options".to_string(), "sysAttrs".to_string())];
            let call = Call { method: Method::GET, path: format!("/entities/{}", encoded(&id)), query, body: None, ld: &Ld::default() };
            if let Ok(reply) = self.call_source(&Origin::default(), &part.registration, call, now).await
                && let (200, Some(body)) = (reply.status, &reply.body)
                && let Ok(theirs) = merge::read(body, &reply.ld)
                && theirs.id == id
            {
                merge::merge(&mut entity, theirs, part.registration.mode == Mode::Auxiliary);
            }
        }
        entity
    }
}
