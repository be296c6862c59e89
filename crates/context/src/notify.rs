//! Sending notifications: in order for each subscription, again and again with growing pauses, until they arrive or
//! are a day old. One slow receiver holds up nobody else. Private addresses are refused unless the settings allow them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dothi_kernel::{Caller, Error, Result};
use dothi_store::Store;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::ContextSettings;
use crate::fault::bad;
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

/// Which addresses notifications may go to.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    private: bool,
    loopback: bool,
}

impl Guard {
    /// As the installation allows.
    pub fn new(settings: ContextSettings) -> Self {
        Self { private: settings.notify_private, loopback: settings.notify_private || settings.trust_loopback }
    }

    fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return self.loopback;
        }
        let never = address.is_unspecified() || address.is_multicast();
        let private = match address {
            IpAddr::V4(a) => {
                let [first, second, ..] = a.octets();
                let shared = first == 100 && (64..128).contains(&second);
                a.is_private()
                    || a.is_link_local()
                    || a.is_broadcast()
                    || first == 0
                    || first >= 240
                    || shared
                    || (first == 192 && second == 0)
                    || (first == 198 && (second & 0xfe) == 18)
            }
            IpAddr::V6(a) => (a.segments()[0] & 0xfe00) == 0xfc00 || (a.segments()[0] & 0xffc0) == 0xfe80,
        };
        !never && (!private || self.private)
    }

    /// Refuses an address that is written as a number; names are looked at when they are resolved.
    pub fn check(self, url: &url::Url) -> Result<()> {
        let literal = match url.host() {
            Some(url::Host::Ipv4(a)) => Some(IpAddr::V4(a)),
            Some(url::Host::Ipv6(a)) => Some(IpAddr::V6(a)),
            _ => None,
        };
        match literal {
            Some(address) if !self.allows(address) => Err(bad("endpoint: notifications may not go to this address.")),
            _ => Ok(()),
        }
    }
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (guard, host) = (*self, name.as_str().to_string());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.filter(|a| guard.allows(a.ip())).collect();
            if found.is_empty() {
                return Err("the name leads to no address that notifications may go to".into());
            }
            let addresses: reqwest::dns::Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

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
        // Another part of the program may have chosen the provider already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(guard))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .user_agent("Dothi")
            .build()
            .map_err(|e| Error::internal("preparing notifications", e))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused() {
        let closed = Guard::new(ContextSettings::default());
        for bad in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.9.9",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "224.0.0.1",
        ] {
            assert!(!closed.allows(bad.parse().unwrap()), "{bad}");
        }
        assert!(closed.allows("203.113.131.1".parse().unwrap()) && closed.allows("2001:ee0::1".parse().unwrap()));
        let local = Guard::new(ContextSettings { trust_loopback: true, ..ContextSettings::default() });
        assert!(local.allows("127.0.0.1".parse().unwrap()) && !local.allows("10.0.0.1".parse().unwrap()));
        let open = Guard::new(ContextSettings { notify_private: true, ..ContextSettings::default() });
        assert!(open.allows("10.0.0.1".parse().unwrap()) && !open.allows("224.0.0.1".parse().unwrap()));
    }
}
