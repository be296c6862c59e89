//! Sending notifications: in order for each subscription, again and again with growing pauses, until they arrive or
//! are a day old. One slow receiver holds up nobody else. Private addresses are refused unless the settings allow them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dothi_kernel::{Caller, Result};
use dothi_store::Store;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::guard::Guard;
use crate::subs::{Accept, Subscription, Subscriptions};
use crate::tables::{self, NoticeRow};

/// First pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Age at which an undelivered notification is given up, µs.
const GIVE_UP_US: i64 = 24 * 3_600 * 1_000_000;
/// Notifications joined into one when throttling holds them back.
const JOINED: usize = 1_000;
/// Requests under way at once.
const AT_ONCE: usize = 64;

/// Sends what waits.
#[derive(Clone)]
pub struct Sender {
    store: Store,
    subscriptions: Arc<Subscriptions>,
    client: reqwest::Client,
    guard: Guard,
    at_once: Arc<Semaphore>,
}

impl Sender {
    /// Prepares sending.
    pub fn new(store: Store, subscriptions: Arc<Subscriptions>, guard: Guard) -> Result<Self> {
        let client = guard.client(0)?;
        Ok(Self { store, subscriptions, client, guard, at_once: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Sends whenever there is something to send.
    pub async fn run(self) {
        loop {
            for subscription in self.subscriptions.list() {
                if subscription.waiting.load(Ordering::SeqCst) > 0 && !subscription.busy.swap(true, Ordering::SeqCst) {
                    let sender = self.clone();
                    tokio::spawn(async move { sender.serve(subscription).await });
                }
            }
            self.subscriptions.woken().await;
        }
    }

    /// Sends what waits for one subscription, in order, until nothing is left.
    async fn serve(self, subscription: Arc<Subscription>) {
        let (mut pause, mut last) = (FIRST_PAUSE, None::<Instant>);
        while !subscription.gone.load(Ordering::SeqCst) {
            if let (Some(gap), Some(last)) = (subscription.throttling, last) {
                tokio::time::sleep_until(last + gap).await;
            }
            match self.send_next(&subscription).await {
                Ok(Some(true)) => (pause, last) = (FIRST_PAUSE, Some(Instant::now())),
                Ok(None) => {
                    // Throttled ones stay to keep the time; something may come until the gap is over.
                    match (subscription.throttling, last) {
                        (Some(gap), Some(at)) if at.elapsed() < gap => {
                            tokio::time::sleep_until(at + gap).await;
                            last = None;
                        }
                        _ => break,
                    }
                }
                Ok(Some(false)) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(e) => {
                    tracing::error!(error = %e, subscription = &*subscription.id, "notifying failed");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        subscription.busy.store(false, Ordering::SeqCst);
        if subscription.waiting.load(Ordering::SeqCst) > 0 && !subscription.gone.load(Ordering::SeqCst) {
            self.subscriptions.wake();
        }
    }

    /// `None` when nothing waits; else whether it arrived.
    async fn send_next(&self, subscription: &Subscription) -> Result<Option<bool>> {
        let many = if subscription.throttling.is_some() { JOINED } else { 1 };
        let seen = subscription.waiting.load(Ordering::SeqCst);
        let rows = tables::notices(&self.store, &subscription.id, many).await?;
        let Some(last) = rows.last() else {
            // What was counted while its transaction failed was never written.
            subscription.waiting.fetch_sub(seen, Ordering::SeqCst);
            return Ok(None);
        };
        let system = Caller::system("notify", self.store.clock().as_ref());
        let now = system.now.as_microsecond();
        let data = joined(&rows);
        let sent = match self.post(subscription, data, now).await {
            Ok(()) => true,
            Err(reason) => {
                tracing::info!(subscription = &*subscription.id, reason, "a notification did not arrive");
                false
            }
        };
        let given_up = !sent && now - last.at > GIVE_UP_US;
        let status = {
            let mut status = subscription.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.last_notification = Some(now);
            if sent {
                status.times_sent += 1;
                status.last_success = Some(now);
            } else {
                status.times_failed += 1;
                status.last_failure = Some(now);
            }
            status.clone()
        };
        let mut tx = self.store.begin(&system).await?;
        if sent || given_up {
            tables::drop_notices(&mut tx, &subscription.id, last.seq).await?;
        }
        tables::save_status(&mut tx, &subscription.id, &status).await?;
        tx.commit().await?;
        if sent || given_up {
            subscription.waiting.fetch_sub(i64::try_from(rows.len()).unwrap_or(0), Ordering::SeqCst);
        }
        if given_up {
            tracing::warn!(subscription = &*subscription.id, "a notification was given up after a day");
        }
        Ok(Some(sent))
    }

    async fn post(&self, subscription: &Subscription, data: Vec<Value>, now: i64) -> std::result::Result<(), String> {
        self.guard.check(&subscription.endpoint).map_err(|e| e.detail().to_string())?;
        let _turn = self.at_once.acquire().await.map_err(|e| e.to_string())?;
        let data = match subscription.accept {
            Accept::GeoJson => json!({"type": "FeatureCollection", "features": data}),
            _ => data.into(),
        };
        let mut body = json!({
            "id": format!("urn:ngsi-ld:Notification:{}", self.store.clock().id()),
            "type": "Notification",
            "subscriptionId": &*subscription.id,
            "notifiedAt": crate::model::instant(now),
            "data": data,
        });
        let mut request = self.client.post(subscription.endpoint.clone()).timeout(subscription.timeout);
        match subscription.accept {
            Accept::LdJson => {
                body["@context"] = subscription.ld.body();
                request = request.header("content-type", "application/ld+json");
            }
            accept => {
                let kind = if accept == Accept::GeoJson { "application/geo+json" } else { "application/json" };
                let link = format!("<{}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"", subscription.ld.link());
                request = request.header("content-type", kind).header("link", link);
            }
        }
        for (name, value) in &subscription.headers {
            request = request.header(name, value);
        }
        let response = request.body(body.to_string()).send().await.map_err(|e| e.without_url().to_string())?;
        if response.status().is_success() { Ok(()) } else { Err(format!("the receiver answered {}", response.status())) }
    }
}

/// The entities of several notifications; of each the latest state.
fn joined(rows: &[NoticeRow]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for entity in rows.iter().filter_map(|r| r.body.as_array()).flatten() {
        match out.iter_mut().find(|o| o["id"] == entity["id"] && rows.len() > 1) {
            Some(old) => *old = entity.clone(),
            None => out.push(entity.clone()),
        }
    }
    out
}
