//! Subscriptions: who wants to hear of which changes (CIM 009, 5.2.12 and 5.8). What is to be sent is found while a
//! batch is staged and queued in its transaction, so that no acknowledged change goes untold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use dothi_kernel::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::fault::{bad, cut};
use crate::geoq::GeoQuery;
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, Entity, Iri, NULL, find, instant, parse_instant, same_instances};
use crate::q::Query;
use crate::query::Selector;
use crate::render::{self, Form, View};
use crate::select::ScopeQuery;

/// Entities of one notification.
const MAX_DATA: usize = 1_000;
/// Notifications that may wait for one receiver; newer ones are dropped and counted.
const MAX_WAITING: i64 = 10_000;
/// Subscriptions there may be.
pub const MAX_SUBSCRIPTIONS: usize = 10_000;

/// A notification to be queued.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Position in the queue.
    pub seq: i64,
    /// For whom.
    pub subscription: Iri,
    /// Entities (or features) to send.
    pub body: Value,
}

/// How sending goes; kept in the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Notifications sent.
    pub times_sent: u64,
    /// Attempts that failed.
    pub times_failed: u64,
    /// Last attempt, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notification: Option<i64>,
    /// Last success, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<i64>,
    /// Last failure, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<i64>,
}

/// What makes a subscription speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Triggers {
    attribute_created: bool,
    attribute_updated: bool,
    attribute_deleted: bool,
    entity_created: bool,
    entity_updated: bool,
    entity_deleted: bool,
}

/// Media type of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Context in a `Link` header.
    Json,
    /// Context in the body.
    LdJson,
    /// Features.
    GeoJson,
}

/// A subscription, ready to be asked.
#[derive(Debug)]
pub struct Subscription {
    /// URI.
    pub id: Iri,
    /// As it was given, without `@context`.
    pub body: Map<String, Value>,
    /// Context it was given in.
    pub ld: Ld,
    /// Where to send.
    pub endpoint: url::Url,
    /// What to send.
    pub accept: Accept,
    /// Headers to send along.
    pub headers: Vec<(String, String)>,
    /// Least time between two notifications.
    pub throttling: Option<Duration>,
    /// Longest wait for the receiver.
    pub timeout: Duration,
    /// How it is going.
    pub status: Mutex<Status>,
    /// True while a task is sending.
    pub busy: AtomicBool,
    /// Notifications that wait, about.
    pub waiting: AtomicI64,
    /// Set when it is deleted or replaced.
    pub gone: AtomicBool,
    active: bool,
    expires: Option<i64>,
    selectors: Vec<Selector>,
    watched: Option<Vec<Iri>>,
    q: Option<Query>,
    geo: Option<GeoQuery>,
    scope: Option<ScopeQuery>,
    triggers: Triggers,
    view: View,
    show_changes: bool,
}

/// All subscriptions.
#[derive(Debug, Default)]
pub struct Subscriptions {
    all: RwLock<BTreeMap<Iri, Arc<Subscription>>>,
    seq: AtomicI64,
    due: Notify,
}

/// An entity before and after a change.
pub type Pair = (Option<Arc<Entity>>, Option<Arc<Entity>>);

impl Subscriptions {
    /// Starts counting notifications after the last one in the store.
    pub fn start_at(&self, seq: i64) {
        self.seq.store(seq, Ordering::SeqCst);
    }

    /// Whether anybody listens.
    pub fn listening(&self) -> bool {
        !self.all.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Adds or replaces one.
    pub fn put(&self, subscription: Subscription) {
        let new = Arc::new(subscription);
        let old = self.all.write().unwrap_or_else(PoisonError::into_inner).insert(new.id.clone(), new.clone());
        if let Some(old) = old {
            old.gone.store(true, Ordering::SeqCst);
            new.waiting.store(old.waiting.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    /// Removes one.
    pub fn remove(&self, id: &str) {
        if let Some(old) = self.all.write().unwrap_or_else(PoisonError::into_inner).remove(id) {
            old.gone.store(true, Ordering::SeqCst);
        }
    }

    /// Ends all sending; what waits stays in the store.
    pub fn close(&self) {
        self.list().iter().for_each(|s| s.gone.store(true, Ordering::SeqCst));
    }

    /// One.
    pub fn get(&self, id: &str) -> Option<Arc<Subscription>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All, by id.
    pub fn list(&self) -> Vec<Arc<Subscription>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Wakes the sender.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Waits until somebody calls [`Subscriptions::wake`].
    pub async fn woken(&self) {
        self.due.notified().await;
    }

    /// Counts notifications that are durable now, and wakes the sender.
    pub fn queued(&self, notices: &[Notice]) {
        for notice in notices {
            if let Some(subscription) = self.get(&notice.subscription) {
                subscription.waiting.fetch_add(1, Ordering::SeqCst);
            }
        }
        if !notices.is_empty() {
            self.wake();
        }
    }

    /// What to send about the changes of one request: one notification for each subscription they touch.
    pub fn notices(&self, pairs: &[Pair], now: i64, get: impl Fn(&str) -> Option<Arc<Entity>>) -> Vec<Notice> {
        let mut notices = Vec::new();
        for subscription in self.list() {
            if !subscription.is_active(now) {
                continue;
            }
            // A subscription whose test panics must not hold up the change it looks at.
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pairs.iter().filter_map(|pair| subscription.tell(pair, now, &get)).collect()));
            let data: Vec<Value> = told.unwrap_or_else(|_| {
                tracing::error!(subscription = &*subscription.id, "a subscription panicked");
                Vec::new()
            });
            for part in data.chunks(MAX_DATA) {
                if subscription.waiting.load(Ordering::SeqCst) >= MAX_WAITING {
                    subscription.status.lock().unwrap_or_else(PoisonError::into_inner).times_failed += 1;
                    tracing::warn!(subscription = &*subscription.id, "too many notifications wait; one was dropped");
                    continue;
                }
                let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
                notices.push(Notice { seq, subscription: subscription.id.clone(), body: part.to_vec().into() });
            }
        }
        notices
    }
}

/// Members of a subscription that only the platform sets.
pub const READ_ONLY: [&str; 5] = ["status", "createdAt", "modifiedAt", "jsonldContextCreated", "notificationStatus"];

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    object.get(name).map(|v| v.as_str().ok_or_else(|| bad(format!("{name} must be a text.")))).transpose()
}

fn names(object: &Map<String, Value>, name: &str, ld: &Ld) -> Result<Option<Vec<Iri>>> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let many = value.as_array().filter(|m| !m.is_empty() && m.len() <= 500).ok_or_else(|| bad(format!("{name} must be a list of 1 to 500 names.")))?;
    let one = |v: &Value| {
        v.as_str()
            .ok_or_else(|| bad(format!("{name} must be a list of names.")))
            .and_then(|w| if matches!(w, "id" | "type" | "scope") { Ok(w.into()) } else { ld.expand(w) })
    };
    many.iter().map(one).collect::<Result<Vec<_>>>().map(Some)
}

fn triggers(object: &Map<String, Value>) -> Result<Triggers> {
    let Some(value) = object.get("notificationTrigger") else {
        return Ok(Triggers { attribute_created: true, attribute_updated: true, ..Triggers::default() });
    };
    let mut out = Triggers::default();
    for word in value.as_array().filter(|m| !m.is_empty()).ok_or_else(|| bad("notificationTrigger must be a list."))? {
        match word.as_str() {
            Some("attributeCreated") => out.attribute_created = true,
            Some("attributeUpdated") => out.attribute_updated = true,
            Some("attributeDeleted") => out.attribute_deleted = true,
            Some("entityCreated") => out.entity_created = true,
            Some("entityUpdated") => out.entity_updated = true,
            Some("entityDeleted") => out.entity_deleted = true,
            _ => return Err(bad(format!("notificationTrigger: {} is not known.", cut(&word.to_string())))),
        }
    }
    Ok(out)
}

struct Receiver {
    endpoint: url::Url,
    accept: Accept,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

fn receiver(notification: &Map<String, Value>) -> Result<Receiver> {
    let endpoint = notification.get("endpoint").and_then(Value::as_object).ok_or_else(|| bad("notification needs an endpoint."))?;
    let uri = text(endpoint, "uri")?.filter(|u| u.len() <= 2_048).ok_or_else(|| bad("endpoint needs a uri."))?;
    let url = url::Url::parse(uri).map_err(|_| bad("endpoint: uri is not a URI."))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad("endpoint: uri must be an http or https address."));
    }
    let accept = match text(endpoint, "accept")? {
        None | Some("application/json") => Accept::Json,
        Some("application/ld+json") => Accept::LdJson,
        Some("application/geo+json") => Accept::GeoJson,
        Some(other) => return Err(bad(format!("endpoint: the media type {:?} is not supported.", cut(other)))),
    };
    let mut headers = Vec::new();
    if let Some(info) = endpoint.get("receiverInfo") {
        for pair in info.as_array().filter(|m| m.len() <= 50).ok_or_else(|| bad("receiverInfo must be a list."))? {
            let part =
                |name: &str| pair.get(name).and_then(Value::as_str).filter(|v| v.len() <= 2_000).ok_or_else(|| bad("receiverInfo needs texts key and value."));
            let (key, value) = (part("key")?, part("value")?);
            let known = reqwest::header::HeaderName::from_bytes(key.as_bytes()).is_ok() && reqwest::header::HeaderValue::from_str(value).is_ok();
            let ours = ["host", "content-length", "content-type", "transfer-encoding", "connection", "link"].contains(&key.to_ascii_lowercase().as_str());
            if !known || ours {
                return Err(bad(format!("receiverInfo: {:?} cannot be sent as a header.", cut(key))));
            }
            headers.push((key.to_string(), value.to_string()));
        }
    }
    let timeout = endpoint.get("timeout").and_then(Value::as_u64).unwrap_or(5_000).clamp(100, 30_000);
    Ok(Receiver { endpoint: url, accept, headers, timeout: Duration::from_millis(timeout) })
}

impl Subscription {
    /// Reads a subscription. 400 with the member that is wrong.
    pub fn parse(id: Iri, body: Map<String, Value>, ld: Ld, now: i64, fresh: bool) -> Result<Self> {
        if body.get("type").and_then(Value::as_str) != Some("Subscription") {
            return Err(bad("The type must be Subscription."));
        }
        let selectors = body.get("entities").map(|e| crate::http::selectors(e, &ld)).transpose()?.unwrap_or_default();
        let watched = names(&body, "watchedAttributes", &ld)?;
        if selectors.is_empty() && watched.is_none() {
            return Err(bad("A subscription needs entities or watchedAttributes."));
        }
        if body.contains_key("timeInterval") {
            return Err(dothi_kernel::Error::unprocessable(crate::fault::UNSUPPORTED, "Periodic notifications (timeInterval) are not supported."));
        }
        let wrong_time = || bad("expiresAt must be an instant in UTC such as 2026-11-21T01:00:00Z.");
        let expires = text(&body, "expiresAt")?.map(|t| parse_instant(t).ok_or_else(wrong_time)).transpose()?;
        if fresh && expires.is_some_and(|x| x <= now) {
            return Err(bad("expiresAt lies in the past."));
        }
        let wrong_pause = || bad("throttling must be a number of seconds, not below 0.");
        let throttling = body.get("throttling").map(|t| t.as_f64().filter(|s| (0.0..=1e8).contains(s)).ok_or_else(wrong_pause)).transpose()?;
        let active = body.get("isActive").map(|v| v.as_bool().ok_or_else(|| bad("isActive must be true or false."))).transpose()?.unwrap_or(true);
        let notification = body.get("notification").and_then(Value::as_object).ok_or_else(|| bad("A subscription needs notification."))?;
        let to = receiver(notification)?;
        let form = match text(notification, "format")? {
            None | Some("normalized") => Form::Normalized,
            Some("concise") => Form::Concise,
            Some("keyValues" | "simplified") => Form::Simplified,
            Some(other) => return Err(bad(format!("notification: the format {:?} is not known.", cut(other)))),
        };
        let view = View {
            form,
            sys_attrs: notification.get("sysAttrs") == Some(&Value::Bool(true)),
            pick: names(notification, "pick", &ld)?,
            omit: names(notification, "omit", &ld)?.unwrap_or_default(),
            attrs: names(notification, "attributes", &ld)?,
            lang: text(&body, "lang")?.map(|l| l.split(',').map(str::to_string).collect()),
            ..View::default()
        };
        Ok(Self {
            q: text(&body, "q")?.map(|q| Query::parse(q, &ld)).transpose()?,
            geo: body.get("geoQ").map(|g| crate::http::geo_member(g, &ld)).transpose()?,
            scope: text(&body, "scopeQ")?.map(ScopeQuery::parse).transpose()?,
            triggers: triggers(&body)?,
            show_changes: notification.get("showChanges") == Some(&Value::Bool(true)),
            endpoint: to.endpoint,
            accept: to.accept,
            headers: to.headers,
            timeout: to.timeout,
            throttling: throttling.filter(|s| *s > 0.0).map(Duration::from_secs_f64),
            status: Mutex::default(),
            busy: AtomicBool::new(false),
            waiting: AtomicI64::new(0),
            gone: AtomicBool::new(false),
            id,
            ld,
            active,
            expires,
            selectors,
            watched,
            view,
            body,
        })
    }

    /// Whether it speaks at all.
    pub fn is_active(&self, now: i64) -> bool {
        self.active && self.expires.is_none_or(|x| x > now)
    }

    /// What is to be sent about a change; none when it does not concern this subscription.
    fn tell(&self, (before, after): &Pair, now: i64, get: &dyn Fn(&str) -> Option<Arc<Entity>>) -> Option<Value> {
        let subject = after.as_ref().or(before.as_ref())?;
        if !self.selectors.is_empty() && !self.selectors.iter().any(|s| s.matches(subject)) {
            return None;
        }
        let Some(after) = after else {
            if !self.triggers.entity_deleted {
                return None;
            }
            let kinds: Vec<Value> = subject.types.iter().map(|t| Value::from(&*self.ld.compact(t))).collect();
            let kind = if kinds.len() == 1 { kinds[0].clone() } else { kinds.into() };
            return Some(json!({"id": &*subject.id, "type": kind, "deletedAt": instant(now)}));
        };
        let deleted = self.triggered(before.as_deref(), after)?;
        let asked = self.scope.as_ref().is_none_or(|s| s.matches(&after.scope))
            && self.geo.as_ref().is_none_or(|g| g.matches(after, now))
            && self.q.as_ref().is_none_or(|q| q.matches(after, now, get));
        if !asked {
            return None;
        }
        if self.accept == Accept::GeoJson {
            return Some(render::feature(after, &self.ld, &self.view, now).into());
        }
        let mut data = render::entity(after, &self.ld, &self.view, now);
        for (name, kind) in deleted {
            data.insert(self.ld.compact(&name).into_owned(), self.deletion(kind, now));
        }
        if let Some(before) = before.as_ref().filter(|_| self.show_changes && self.view.form != Form::Simplified) {
            self.add_previous(&mut data, before, after);
        }
        Some(data.into())
    }

    /// Whether the difference is one that this subscription speaks about; then the attributes that went.
    fn triggered(&self, before: Option<&Entity>, after: &Entity) -> Option<Vec<(Iri, AttrKind)>> {
        let t = self.triggers;
        let watched = |name: &Iri| self.watched.as_ref().is_none_or(|w| w.contains(name));
        let mut fires = before.is_none() && t.entity_created;
        let mut differs = false;
        for (name, instances) in after.attrs.iter().filter(|(n, _)| watched(n)) {
            match before.and_then(|b| find(&b.attrs, name)) {
                None => {
                    fires |= t.attribute_created;
                    differs = true;
                }
                Some(old) if !same_instances(old, instances) => {
                    fires |= t.attribute_updated;
                    differs = true;
                }
                Some(_) => {}
            }
        }
        let mut gone = Vec::new();
        for (name, instances) in before.iter().flat_map(|b| &b.attrs).filter(|(n, _)| watched(n) && find(&after.attrs, n).is_none()) {
            differs = true;
            if t.attribute_deleted {
                gone.push((name.clone(), instances.first().map_or(AttrKind::Property, |a: &Attr| a.kind)));
            }
        }
        fires |= !gone.is_empty();
        fires |= t.entity_updated && before.is_some_and(|b| differs || (self.watched.is_none() && (b.types != after.types || b.scope != after.scope)));
        fires.then_some(gone)
    }

    fn deletion(&self, kind: AttrKind, now: i64) -> Value {
        let nothing = if kind == AttrKind::LanguageProperty { json!({"@none": NULL}) } else { Value::from(NULL) };
        match self.view.form {
            Form::Simplified => NULL.into(),
            Form::Concise => json!({kind.member(): nothing, "deletedAt": instant(now)}),
            Form::Normalized => json!({"type": kind.name(), kind.member(): nothing, "deletedAt": instant(now)}),
        }
    }

    fn add_previous(&self, data: &mut Map<String, Value>, before: &Entity, after: &Entity) {
        for (name, _) in &after.attrs {
            let (Some(new), Some(old)) = (after.attr(name), before.attr(name)) else { continue };
            if old.value == new.value {
                continue;
            }
            if let Some(Value::Object(shown)) = data.get_mut(&*self.ld.compact(name)) {
                let member = old.kind.member();
                let word = format!("previous{}{}", member[..1].to_uppercase(), &member[1..]);
                shown.insert(word, render::attribute(old, &self.ld, &View::default(), i64::MIN)[member].clone());
            }
        }
    }

    /// As a `GET` shows it.
    pub fn describe(&self, now: i64) -> Map<String, Value> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut out = self.body.clone();
        out.insert("id".into(), (&*self.id).into());
        let word = match (self.active, self.expires.is_some_and(|x| x <= now)) {
            (_, true) => "expired",
            (true, _) => "active",
            (false, _) => "paused",
        };
        out.insert("status".into(), word.into());
        out.insert("isActive".into(), self.active.into());
        if let Some(Value::Object(notification)) = out.get_mut("notification") {
            let failed = status.last_failure > status.last_success;
            notification.insert("status".into(), if failed { "failed" } else { "ok" }.into());
            if status.times_sent > 0 || status.times_failed > 0 {
                notification.insert("timesSent".into(), status.times_sent.into());
            }
            if status.times_failed > 0 {
                notification.insert("timesFailed".into(), status.times_failed.into());
            }
            for (name, at) in [("lastNotification", status.last_notification), ("lastSuccess", status.last_success), ("lastFailure", status.last_failure)] {
                if let Some(at) = at {
                    notification.insert(name.into(), instant(at).into());
                }
            }
        }
        out
    }
}
