//! Sending notifications: in order for each subscription, again and again with growing pauses, until they arrive or
//! are given up. A slow or silent receiver holds up nobody else. Private addresses are refused unless the settings
//! allow them.

mod ledger;
mod mqtt;
mod reach;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dothi_kernel::Result;
use dothi_store::Store;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guard::Guard;
use crate::model::{Iri, instant};
use crate::subs::{Accept, Subscription, Subscriptions, Waiting};
use crate::tables_subs::{self as tables, DeadLetter};
use ledger::{Entry, Ledger};
use mqtt::Links;
pub(crate) use mqtt::is_own;
use reach::Reach;

/// First pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Age at which an undelivered notification is given up, µs.
const GIVE_UP_US: i64 = 24 * 3_600 * 1_000_000;
/// Times a receiver may refuse a notification as such (4xx) before it is given up, so that one does not hold up all others.
const REFUSALS: u32 = 5;
/// Notifications joined into one when throttling holds them back.
const JOINED: usize = 1_000;
/// Requests under way at once.
const AT_ONCE: usize = 1_024;
/// Receivers remembered.
const MAX_REACHES: usize = 10_000;

/// Why a notification did not arrive.
#[derive(Debug)]
struct Fault {
    reason: String,
    /// The receiver is well and does not want this one.
    refused: bool,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refused: false }
    }
}

/// Sends what waits.
#[derive(Clone)]
pub struct Sender {
    store: Store,
    subscriptions: Arc<Subscriptions>,
    client: reqwest::Client,
    guard: Guard,
    links: Arc<Links>,
    reaches: Arc<Mutex<HashMap<String, Arc<Reach>>>>,
    at_once: Arc<Semaphore>,
    /// Name of the tenant; empty for the default one.
    tenant: Arc<str>,
}

impl Sender {
    /// Prepares sending.
    pub fn new(store: Store, subscriptions: Arc<Subscriptions>, guard: Guard, tenant: Arc<str>) -> Result<Self> {
        let client = guard.client(0)?;
        let (links, reaches, at_once) = (Arc::new(Links::new(guard)), Arc::default(), Arc::new(Semaphore::new(AT_ONCE)));
        Ok(Self { store, subscriptions, client, guard, links, reaches, at_once, tenant })
    }

    /// Sends whenever there is something to send. All that it started ends with it.
    pub async fn run(self) {
        let Some(mut ready) = self.subscriptions.served() else { return };
        let (ledger, book) = ledger::open(self.store.clone(), self.subscriptions.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(book);
        loop {
            tokio::select! {
                next = ready.recv() => match next {
                    Some(id) => drop(tasks.spawn(self.clone().serve(id, ledger.clone()))),
                    None => return,
                },
                Some(ended) = tasks.join_next() => if let Err(e) = ended && e.is_panic() {
                    tracing::error!(error = %e, "sending notifications panicked");
                },
            }
        }
    }

    /// Sends what waits for one subscription, in order, until nothing is left.
    async fn serve(self, id: Iri, ledger: Ledger) {
        let (mut failures, mut last) = (0u32, None::<Instant>);
        while let Some(subscription) = self.subscriptions.get(&id) {
            if !subscription.is_active(self.now()) {
                subscription.delivery.line().busy = false;
                return;
            }
            if let (Some(gap), Some(last)) = (subscription.throttling, last) {
                tokio::time::sleep_until(last + gap).await;
            }
            let batch = match self.next(&subscription).await {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    // A throttled one stays to keep the time; something may come until the gap is over.
                    match (subscription.throttling, last.take()) {
                        (Some(gap), Some(at)) if at.elapsed() < gap => {
                            tokio::time::sleep_until(at + gap).await;
                            continue;
                        }
                        _ if subscription.delivery.rest() => return,
                        _ => continue,
                    }
                }
                Err(e) => {
                    tracing::error!(error = %e, subscription = &*id, "reading what waits failed");
                    tokio::time::sleep(FIRST_PAUSE).await;
                    continue;
                }
            };
            last = Some(Instant::now());
            match self.deliver(&subscription, &batch).await {
                Ok(()) => failures = 0,
                Err(fault) => {
                    failures += 1;
                    tracing::info!(subscription = &*id, reason = fault.reason, failures, "a notification did not arrive");
                    let old = batch.first().is_some_and(|w| self.now() - w.at > GIVE_UP_US);
                    if !(old || fault.refused && failures >= REFUSALS || batch.iter().all(|w| w.seq == 0)) {
                        ledger.note(Entry::Status(id.clone())).await;
                        let pause = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_PAUSE);
                        // A change of the subscription may be the cure.
                        tokio::select! {
                            () = tokio::time::sleep(subscription.receiver.cooldown.unwrap_or(pause)) => {}
                            () = subscription.delivery.changed.notified() => {}
                        }
                        continue;
                    }
                    tracing::warn!(subscription = &*id, reason = fault.reason, "a notification was given up");
                    failures = 0;
                    self.taken(&subscription, batch.len());
                    let letters = batch.into_iter().filter(|w| w.seq > 0);
                    let letters = letters.map(|waiting| DeadLetter { waiting, failed: self.now(), reason: fault.reason.clone() }).collect();
                    ledger.note(Entry::GivenUp(id.clone(), letters)).await;
                    continue;
                }
            }
            self.taken(&subscription, batch.len());
            ledger.note(Entry::Sent(id.clone(), batch.iter().map(|w| w.seq).filter(|s| *s > 0).collect())).await;
        }
    }

    fn now(&self) -> i64 {
        self.store.clock().now().as_microsecond()
    }

    fn taken(&self, subscription: &Subscription, count: usize) {
        subscription.delivery.line().near.drain(..count);
        subscription.delivery.done(count);
    }

    /// What is to be sent next, still in the line.
    async fn next(&self, subscription: &Subscription) -> Result<Option<Vec<Waiting>>> {
        let many = if subscription.throttling.is_some() { JOINED } else { 1 };
        loop {
            let after = {
                let mut line = subscription.delivery.line();
                if !line.far || (many == 1 && !line.near.is_empty()) || line.near.len() >= many {
                    let batch: Vec<Waiting> = line.near.iter().take(many).cloned().collect();
                    return Ok(Some(batch).filter(|b| !b.is_empty()));
                }
                line.missed = false;
                line.last
            };
            let limit = many.max(crate::subs::NEAR);
            let rows = tables::notices(&self.store, &subscription.id, after, limit).await?;
            let mut line = subscription.delivery.line();
            line.far = rows.len() == limit || line.missed;
            if let Some(newest) = rows.last() {
                line.last = newest.seq;
            }
            line.near.extend(rows);
        }
    }

    async fn deliver(&self, subscription: &Subscription, batch: &[Waiting]) -> std::result::Result<(), Fault> {
        let reach = self.reach(&subscription.receiver.url);
        let turn = reach.enter().await;
        let _room = self.at_once.acquire().await.map_err(|e| Fault::new(e.to_string()))?;
        let now = self.now();
        {
            let mut status = subscription.delivery.status();
            status.times_sent += 1;
            status.last_notification = Some(now);
        }
        let body = self.body(subscription, &joined(batch), now);
        let sent = match subscription.receiver.url.scheme() {
            "mqtt" | "mqtts" => self.links.publish(subscription, self.metadata(subscription), &body).await,
            _ => self.post(subscription, body).await,
        };
        let mut status = subscription.delivery.status();
        match &sent {
            Ok(()) => status.last_success = Some(self.now()),
            Err(_) => {
                status.times_failed += 1;
                status.last_failure = Some(self.now());
            }
        }
        turn.report(sent.as_ref().err().is_none_or(|f| f.refused));
        sent
    }

    fn reach(&self, url: &url::Url) -> Arc<Reach> {
        let key = format!("{}://{}:{}", url.scheme(), url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut reaches = self.reaches.lock().unwrap_or_else(PoisonError::into_inner);
        if reaches.len() >= MAX_REACHES {
            reaches.retain(|_, r| Arc::strong_count(r) > 1);
        }
        reaches.entry(key).or_default().clone()
    }

    /// The notification (5.3.1). The entities are JSON already.
    fn body(&self, subscription: &Subscription, data: &str, now: i64) -> String {
        let to = &subscription.receiver;
        let id = self.store.clock().id();
        let about = Value::from(&*subscription.id);
        let mut body = format!(
            "{{\"id\":\"urn:ngsi-ld:Notification:{id}\",\"type\":\"Notification\",\"subscriptionId\":{about},\"notifiedAt\":\"{}\",\"data\":",
            instant(now)
        );
        match to.accept {
            Accept::GeoJson => {
                let context = if to.plain_body { String::new() } else { format!(",\"@context\":{}", subscription.speech.body()) };
                body.push_str(&format!("{{\"type\":\"FeatureCollection\",\"features\":{data}{context}}}"));
            }
            _ => body.push_str(data),
        }
        if to.accept == Accept::LdJson {
            body.push_str(&format!(",\"@context\":{}", subscription.speech.body()));
        }
        body.push('}');
        body
    }

    /// What goes beside the body: headers, or metadata over MQTT.
    fn metadata(&self, subscription: &Subscription) -> Vec<(String, String)> {
        let to = &subscription.receiver;
        let (kind, in_body) = match to.accept {
            Accept::Json => ("application/json", false),
            Accept::LdJson => ("application/ld+json", true),
            Accept::GeoJson => ("application/geo+json", !to.plain_body),
        };
        let mut out = vec![("Content-Type".to_string(), kind.to_string())];
        if !in_body {
            let link = format!("<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"", subscription.speech.link());
            out.push(("Link".to_string(), link));
        }
        if !self.tenant.is_empty() {
            out.push(("NGSILD-Tenant".to_string(), self.tenant.to_string()));
        }
        out.extend(to.info.iter().cloned());
        out
    }

    async fn post(&self, subscription: &Subscription, body: String) -> std::result::Result<(), Fault> {
        let to = &subscription.receiver;
        self.guard.check(&to.url).map_err(|e| Fault::new(e.detail()))?;
        let mut request = self.client.post(to.url.clone()).timeout(to.timeout);
        for (name, value) in self.metadata(subscription) {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(|e| Fault::new(e.without_url().to_string()))?;
        let status = response.status();
        if status.is_success() {
            // A body read to its end lets the connection be used again.
            let _body = response.bytes().await;
            return Ok(());
        }
        let refused = status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429);
        Err(Fault { reason: format!("the receiver answered {}", status.as_u16()), refused })
    }
}

/// The entities of several notifications as one list; of each the latest state.
fn joined(batch: &[Waiting]) -> Arc<str> {
    match batch {
        [one] => one.body.clone(),
        many => {
            let mut out: Vec<Value> = Vec::new();
            let mut places: HashMap<String, usize> = HashMap::new();
            for entity in many.iter().flat_map(|w| serde_json::from_str::<Vec<Value>>(&w.body).unwrap_or_default()) {
                match entity.get("id").and_then(Value::as_str).map(str::to_string) {
                    Some(id) if places.contains_key(&id) => out[places[&id]] = entity,
                    Some(id) => {
                        places.insert(id, out.len());
                        out.push(entity);
                    }
                    None => out.push(entity),
                }
            }
            Value::Array(out).to_string().into()
        }
    }
}
