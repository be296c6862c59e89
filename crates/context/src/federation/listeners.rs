//! Subscriptions to registrations (5.2.12, 5.11): who wants to hear which sources come, change and go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use serde_json::{Map, Value, json};

use crate::fault::{UNSUPPORTED, bad, cut, exists, missing};
use crate::federation::matching::{Temporal, Wanted};
use crate::federation::registration::Registration;
use crate::federation::{Federation, is_null};
use crate::ld::Ld;
use crate::model::{Iri, instant, parse_instant};
use crate::q::Query;
use crate::select::ScopeQuery;
use crate::{Context, tables_federation as tables};

/// Subscriptions to registrations there may be.
const MAX_LISTENERS: usize = 1_000;
/// Notifications that may wait for one receiver.
const MAX_WAITING: usize = 100;
/// Longest wait for a receiver.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses before a notification is tried again.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Members that only we set.
const READ_ONLY: [&str; 4] = ["status", "createdAt", "modifiedAt", "@context"];

/// Why a notification is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A source came, or came to match.
    NewlyMatching,
    /// A source changed.
    Updated,
    /// A source went, or matches no more.
    NoLongerMatching,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Reason::NewlyMatching => "newlyMatching",
            Reason::Updated => "updated",
            Reason::NoLongerMatching => "noLongerMatching",
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Figures {
    sent: u64,
    failed: u64,
    last: Option<i64>,
    last_success: Option<i64>,
    last_failure: Option<i64>,
}

/// A subscription to registrations.
#[derive(Debug)]
pub struct Listener {
    /// URI.
    pub id: Iri,
    body: Map<String, Value>,
    ld: Ld,
    wanted: Wanted,
    endpoint: url::Url,
    ld_json: bool,
    headers: Vec<(String, String)>,
    every: Option<i64>,
    next: AtomicI64,
    active: bool,
    expires: Option<i64>,
    figures: Arc<Mutex<Figures>>,
    waiting: AtomicUsize,
    turn: tokio::sync::Mutex<()>,
}

/// All subscriptions to registrations.
#[derive(Debug, Default)]
pub struct Listeners(RwLock<BTreeMap<Iri, Arc<Listener>>>);

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    body.get(name).map(|v| v.as_str().ok_or_else(|| bad(format!("{name} must be a text.")))).transpose()
}

fn names(value: Option<&Value>, name: &str, ld: &Ld) -> Result<Option<Vec<Iri>>> {
    let Some(value) = value else { return Ok(None) };
    let wrong = || bad(format!("{name} must be a list of 1 to 500 names."));
    let many = value.as_array().filter(|m| !m.is_empty() && m.len() <= 500).ok_or_else(wrong)?;
    many.iter().map(|v| v.as_str().ok_or_else(wrong).and_then(|n| ld.expand(n))).collect::<Result<Vec<_>>>().map(Some)
}

struct Receiver {
    endpoint: url::Url,
    ld_json: bool,
    headers: Vec<(String, String)>,
}

fn receiver(body: &Map<String, Value>) -> Result<Receiver> {
    let notification = body.get("notification").and_then(Value::as_object).ok_or_else(|| bad("A subscription needs a notification."))?;
    let endpoint = notification.get("endpoint").and_then(Value::as_object).ok_or_else(|| bad("notification needs an endpoint."))?;
    let uri = text(endpoint, "uri")?.ok_or_else(|| bad("endpoint needs a uri."))?;
    let url = url::Url::parse(uri).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.host().is_some() && uri.len() <= 2_048);
    let ld_json = match text(endpoint, "accept")? {
        None | Some("application/json") => false,
        Some("application/ld+json") => true,
        Some(other) => return Err(bad(format!("endpoint: accept {:?} is not known.", cut(other)))),
    };
    if let Some(format) = text(notification, "format")?
        && !["normalized", "concise", "keyValues", "simplified"].contains(&format)
    {
        return Err(bad(format!("notification: the format {:?} is not known.", cut(format))));
    }
    let mut headers = Vec::new();
    for one in endpoint.get("receiverInfo").and_then(Value::as_array).into_iter().flatten().take(50) {
        let (Some(key), Some(value)) = (one.get("key").and_then(Value::as_str), one.get("value").and_then(Value::as_str)) else {
            return Err(bad("receiverInfo must be a list of {\"key\": text, \"value\": text}."));
        };
        let reserved = ["host", "content-length", "content-type", "transfer-encoding", "connection", "link"];
        let fits = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !value.chars().any(char::is_control);
        if !fits || reserved.iter().any(|r| key.eq_ignore_ascii_case(r)) {
            return Err(bad(format!("receiverInfo: {:?} cannot be set.", cut(key))));
        }
        headers.push((key.to_string(), value.to_string()));
    }
    Ok(Receiver { endpoint: url.ok_or_else(|| bad("endpoint: uri must be an http or https address."))?, ld_json, headers })
}

impl Listener {
    fn parse(id: Iri, body: Map<String, Value>, ld: Ld, now: i64, fresh: bool) -> Result<Self> {
        if body.get("type").and_then(Value::as_str) != Some("Subscription") {
            return Err(bad("The type must be Subscription."));
        }
        let notification = body.get("notification");
        let attrs = match names(body.get("watchedAttributes"), "watchedAttributes", &ld)? {
            Some(watched) => Some(watched),
            None => names(notification.and_then(|n| n.get("attributes")), "attributes", &ld)?,
        };
        let entities = body.get("entities").map(|e| crate::http::selectors(e, &ld)).transpose()?.unwrap_or_default();
        if entities.is_empty() && attrs.is_none() {
            return Err(bad("A subscription needs entities or watchedAttributes."));
        }
        // q is about entities: sources cannot be chosen by it, but it must be well formed.
        text(&body, "q")?.map(|q| Query::parse(q, &ld)).transpose()?;
        let temporal = match body.get("temporalQ") {
            None => None,
            Some(t) => {
                let member = |name: &str| t.get(name).and_then(Value::as_str);
                let found = Temporal::parse(member("timerel"), member("timeAt"), member("endTimeAt"), member("timeproperty"))?;
                Some(found.ok_or_else(|| bad("temporalQ needs timerel."))?)
            }
        };
        let every = match body.get("timeInterval") {
            None => None,
            Some(v) => {
                Some(v.as_f64().filter(|s| *s >= 1.0 && *s <= 31_536_000.0).ok_or_else(|| bad("timeInterval must be a number of seconds, at least 1."))?)
            }
        };
        let flag = |name: &str| body.get(name).map(|v| v.as_bool().ok_or_else(|| bad(format!("{name} must be true or false.")))).transpose();
        let expires =
            body.get("expiresAt").map(|v| v.as_str().and_then(parse_instant).ok_or_else(|| bad("expiresAt must be an instant in UTC."))).transpose()?;
        if fresh && expires.is_some_and(|x| x <= now) {
            return Err(bad("expiresAt lies in the past."));
        }
        let receiver = receiver(&body)?;
        let every = every.map(|s| i64::try_from(Duration::from_secs_f64(s).as_micros()).unwrap_or(i64::MAX));
        Ok(Self {
            wanted: Wanted {
                entities,
                attrs,
                conditions: text(&body, "csf")?.map(|q| Query::parse(q, &ld)).transpose()?.into_iter().collect(),
                geo: body.get("geoQ").map(|g| crate::http::geo_member(g, &ld)).transpose()?,
                scope: text(&body, "scopeQ")?.map(ScopeQuery::parse).transpose()?,
                temporal,
            },
            active: flag("isActive")?.unwrap_or(true),
            next: AtomicI64::new(every.map_or(i64::MAX, |e| now.saturating_add(e))),
            every,
            endpoint: receiver.endpoint,
            ld_json: receiver.ld_json,
            headers: receiver.headers,
            expires,
            figures: Arc::default(),
            waiting: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::new(()),
            id,
            body,
            ld,
        })
    }

    fn speaks(&self, now: i64) -> bool {
        self.active && self.expires.is_none_or(|x| x > now)
    }

    /// Whether it wants to hear of a registration.
    pub fn wants(&self, registration: &Registration, now: i64) -> bool {
        self.speaks(now) && self.wanted.matches(registration, now)
    }

    /// What it is told of a registration: the parts of the information that concern it.
    pub fn part(&self, registration: &Registration) -> Value {
        let mut shown = registration.describe(&self.ld, false);
        if let Some(Value::Array(all)) = shown.get_mut("information")
            && registration.information.iter().any(|i| self.wanted.concerns(i))
        {
            let mut infos = registration.information.iter();
            all.retain_mut(|shown| {
                let Some(info) = infos.next().filter(|i| self.wanted.concerns(i)) else { return false };
                if let (Some(Value::Array(entities)), Some(known)) = (shown.get_mut("entities"), &info.entities) {
                    let mut known = known.iter();
                    entities.retain(|_| known.next().is_some_and(|e| self.wanted.concerns_entity(e)));
                }
                true
            });
        }
        shown.into()
    }

    /// As users see it.
    pub fn describe(&self, now: i64) -> Map<String, Value> {
        let mut out = self.body.clone();
        let status = match (self.expires.is_some_and(|x| x <= now), self.active) {
            (true, _) => "expired",
            (false, false) => "paused",
            (false, true) => "active",
        };
        out.insert("status".into(), status.into());
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Value::Object(notification)) = out.get_mut("notification")
            && figures.sent > 0
        {
            let ok = figures.last_success >= figures.last_failure;
            notification.insert("status".into(), if ok { "ok" } else { "failed" }.into());
            notification.insert("timesSent".into(), figures.sent.into());
            if figures.failed > 0 {
                notification.insert("timesFailed".into(), figures.failed.into());
            }
            for (name, at) in [("lastNotification", figures.last), ("lastSuccess", figures.last_success), ("lastFailure", figures.last_failure)] {
                if let Some(at) = at {
                    notification.insert(name.into(), instant(at).into());
                }
            }
        }
        out
    }
}

impl Listeners {
    /// All, by id.
    pub fn list(&self) -> Vec<Arc<Listener>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn get(&self, id: &str) -> Option<Arc<Listener>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, listener: Listener) -> Arc<Listener> {
        let listener = Arc::new(listener);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(listener.id.clone(), listener.clone());
        listener
    }
}

impl Federation {
    /// Sends a notification in its turn; one slow receiver holds up nobody else.
    pub(crate) fn notify(self: &Arc<Self>, listener: &Arc<Listener>, reason: Reason, data: Vec<Value>) {
        if listener.waiting.fetch_add(1, Ordering::SeqCst) >= MAX_WAITING {
            listener.waiting.fetch_sub(1, Ordering::SeqCst);
            listener.figures.lock().unwrap_or_else(PoisonError::into_inner).failed += 1;
            return;
        }
        let (this, listener) = (self.clone(), listener.clone());
        tokio::spawn(async move {
            let _turn = listener.turn.lock().await;
            let sent = this.deliver(&listener, reason, data).await;
            listener.waiting.fetch_sub(1, Ordering::SeqCst);
            let now = this.store.clock().now().as_microsecond();
            let mut figures = listener.figures.lock().unwrap_or_else(PoisonError::into_inner);
            figures.sent += 1;
            figures.last = Some(now);
            if sent {
                figures.last_success = Some(now);
            } else {
                figures.failed += 1;
                figures.last_failure = Some(now);
            }
        });
    }

    async fn deliver(&self, listener: &Listener, reason: Reason, data: Vec<Value>) -> bool {
        let mut body = json!({
            "id": format!("urn:ngsi-ld:ContextSourceNotification:{}", self.store.clock().id()),
            "type": "ContextSourceNotification",
            "subscriptionId": &*listener.id,
            "notifiedAt": instant(self.store.clock().now().as_microsecond()),
            "data": data,
            "triggerReason": reason.word(),
        });
        let kind = if listener.ld_json {
            body["@context"] = listener.ld.body();
            "application/ld+json"
        } else {
            "application/json"
        };
        let link = format!("<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"", listener.ld.link());
        for pause in AGAIN.iter().map(Some).chain([None]) {
            // Who has ended the subscription meanwhile wants to hear nothing more.
            if self.listeners.get(&listener.id).is_none() {
                return false;
            }
            let Ok(room) = self.at_once.acquire().await else { return false };
            let mut request = self.client.post(listener.endpoint.clone()).timeout(PATIENCE).header("content-type", kind);
            if !listener.ld_json {
                request = request.header("link", &link);
            }
            for (name, value) in &listener.headers {
                request = request.header(name, value);
            }
            let allowed = self.guard.check(&listener.endpoint).is_ok();
            if allowed && request.body(body.to_string()).send().await.is_ok_and(|r| r.status().is_success()) {
                return true;
            }
            drop(room);
            match pause {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => break,
            }
        }
        tracing::info!(subscription = &*listener.id, "a notification of sources did not arrive");
        false
    }

    /// Tells those who want to hear all in a rhythm.
    pub(crate) fn tell_in_time(self: &Arc<Self>, now: i64) {
        for listener in self.listeners.list() {
            if let Some(every) = listener.every
                && listener.next.load(Ordering::SeqCst) <= now
            {
                listener.next.store(now.saturating_add(every), Ordering::SeqCst);
                self.tell_all(&listener, now);
            }
        }
    }

    /// Tells somebody of all sources that it wants to hear of.
    fn tell_all(self: &Arc<Self>, listener: &Arc<Listener>, now: i64) {
        let data: Vec<Value> = self.index().all().filter(|r| listener.wants(r, now)).take(1_000).map(|r| listener.part(r)).collect();
        if !data.is_empty() {
            self.notify(listener, Reason::NewlyMatching, data);
        }
    }
}

fn unknown(id: &str) -> Error {
    missing(format!("There is no subscription {}.", cut(id)))
}

fn writable(mut body: Map<String, Value>) -> Map<String, Value> {
    body.retain(|k, _| !READ_ONLY.contains(&k.as_str()));
    if let Some(Value::Object(notification)) = body.get_mut("notification") {
        notification.retain(|k, _| !matches!(k.as_str(), "status" | "timesSent" | "timesFailed" | "lastNotification" | "lastSuccess" | "lastFailure"));
    }
    body
}

impl Context {
    /// Reads subscriptions to registrations, at start.
    pub(crate) async fn load_listeners(&self, now: i64) -> Result<()> {
        for (id, doc) in tables::listeners(&self.store).await? {
            let ld = match &doc["context"] {
                Value::Null => Ok(Ld::default()),
                context => self.contexts.resolve(context, now).await,
            };
            let body = doc["body"].as_object().cloned().unwrap_or_default();
            match ld.and_then(|ld| Listener::parse(id.as_str().into(), body, ld, now, false)) {
                Ok(listener) => drop(self.federation.listeners.put(listener)),
                Err(e) => tracing::error!(subscription = id, error = %e, "a subscription to sources could not be read"),
            }
        }
        Ok(())
    }

    async fn keep_listener(&self, caller: &Caller, listener: Listener) -> Result<()> {
        let doc = json!({"body": listener.body, "context": listener.ld.source});
        let mut tx = self.store.begin(caller).await?;
        tables::save_listener(&mut tx, &listener.id, &doc).await?;
        tx.commit().await?;
        let listener = self.federation.listeners.put(listener);
        self.federation.tell_all(&listener, caller.now.as_microsecond());
        Ok(())
    }

    /// Subscribes to registrations; returns the id.
    pub async fn listen_to_sources(&self, caller: &Caller, body: Map<String, Value>, ld: Ld) -> Result<Iri> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let id = match body.get("id") {
            Some(id) => crate::parse::entity_id(id)?,
            None => format!("urn:ngsi-ld:Subscription:{}", self.store.clock().id()).into(),
        };
        let mut body = writable(body);
        body.insert("id".into(), (&*id).into());
        let listener = Listener::parse(id.clone(), body, ld, caller.now.as_microsecond(), true)?;
        self.federation.guard.check(&listener.endpoint)?;
        let _turn = self.federation.changing.lock().await;
        if self.federation.listeners.get(&id).is_some() {
            return Err(exists(format!("The subscription {} exists already.", cut(&id))));
        }
        if self.federation.listeners.list().len() >= MAX_LISTENERS {
            return Err(Error::unprocessable(UNSUPPORTED, "There are too many subscriptions to sources."));
        }
        self.keep_listener(caller, listener).await?;
        Ok(id)
    }

    /// Subscriptions to registrations, by id.
    pub fn listeners(&self, caller: &Caller) -> Result<Vec<Arc<Listener>>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        Ok(self.federation.listeners.list())
    }

    /// One subscription to registrations.
    pub fn listener(&self, caller: &Caller, id: &str) -> Result<Arc<Listener>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        self.federation.listeners.get(id).ok_or_else(|| unknown(id))
    }

    /// Changes the members that are stated; null removes one.
    pub async fn change_listener(&self, caller: &Caller, id: &str, body: Map<String, Value>, ld: Ld) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let _turn = self.federation.changing.lock().await;
        let old = self.federation.listeners.get(id).ok_or_else(|| unknown(id))?;
        if body.get("id").is_some_and(|i| i.as_str() != Some(id)) || body.get("type").is_some_and(|t| t != "Subscription") {
            return Err(bad("The id and type of a subscription cannot be changed."));
        }
        if body.is_empty() {
            return Err(bad("The body states nothing to change."));
        }
        let mut members = old.body.clone();
        for (name, value) in writable(body) {
            if is_null(&value) { drop(members.shift_remove(&name)) } else { drop(members.insert(name, value)) }
        }
        let ld = if ld.source.is_some() { ld } else { old.ld.clone() };
        let mut listener = Listener::parse(old.id.clone(), members, ld, now, false)?;
        self.federation.guard.check(&listener.endpoint)?;
        listener.figures = old.figures.clone();
        self.keep_listener(caller, listener).await
    }

    /// Ends a subscription to registrations.
    pub async fn stop_listening(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let _turn = self.federation.changing.lock().await;
        self.federation.listeners.get(id).ok_or_else(|| unknown(id))?;
        let mut tx = self.store.begin(caller).await?;
        tables::delete_listener(&mut tx, id).await?;
        tx.commit().await?;
        self.federation.listeners.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }
}
