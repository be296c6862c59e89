//! Fetching remote `@context` documents: bounded in size, time, redirects and number at once, from allowed addresses
//! only. Requests that need the same document at the same time share one fetch; failures are not remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dothi_kernel::{Error, Kind, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::fault::{NO_CONTEXT, bad, cut};
use crate::guard::Guard;

/// Bytes of a remote document.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest wait for a document, redirects included.
const PATIENCE: Duration = Duration::from_secs(8);
const REDIRECTS: usize = 5;
/// Fetches under way at once.
const AT_ONCE: usize = 16;

type Fetched = Result<Arc<Value>>;

/// Fetches context documents.
pub struct Remote {
    client: reqwest::Client,
    guard: Guard,
    room: Arc<Semaphore>,
    under_way: Mutex<HashMap<String, WeakShared<BoxFuture<'static, Fetched>>>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// LdContextNotAvailable.
pub fn unavailable(url: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, NO_CONTEXT, format!("The remote @context {} is not available: {reason}.", cut(url)))
}

impl Remote {
    /// Prepares fetching.
    pub fn new(guard: Guard) -> Result<Self> {
        Ok(Self { client: guard.client(REDIRECTS)?, guard, room: Arc::new(Semaphore::new(AT_ONCE)), under_way: Mutex::default() })
    }

    /// The document at an address, its relative references made absolute. 504 when it cannot be had, 400 when it is
    /// no `@context` document.
    pub async fn get(&self, url: &str) -> Fetched {
        let fetch = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            match under_way.get(url).and_then(WeakShared::upgrade) {
                Some(shared) => shared,
                None => {
                    let shared = self.start(url)?;
                    under_way.retain(|_, weak| weak.upgrade().is_some());
                    under_way.extend(shared.downgrade().map(|weak| (url.to_string(), weak)));
                    shared
                }
            }
        };
        fetch.await
    }

    fn start(&self, url: &str) -> Result<Shared<BoxFuture<'static, Fetched>>> {
        let address = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.host().is_some() && url.len() <= 2_048);
        let address = address.ok_or_else(|| bad(format!("The @context {:?} is not an address.", cut(url))))?;
        self.guard.check(&address).map_err(|e| unavailable(url, e.detail().trim_end_matches('.')))?;
        let (client, room, url) = (self.client.clone(), self.room.clone(), url.to_string());
        let fetch = async move {
            let _turn = room.acquire().await.map_err(|e| unavailable(&url, e))?;
            let bytes = tokio::time::timeout(PATIENCE, body(&client, &address)).await.map_err(|_| unavailable(&url, "it did not come in time"))?;
            let bytes = bytes.map_err(|reason| unavailable(&url, reason))?;
            let mut document: Value = serde_json::from_slice(&bytes).map_err(|_| bad(format!("{} is not JSON.", cut(&url))))?;
            let context = document.get_mut("@context").ok_or_else(|| bad(format!("{} has no member @context.", cut(&url))))?;
            absolute(context, &address, 0);
            Ok(Arc::new(document))
        };
        Ok(fetch.boxed().shared())
    }
}

async fn body(client: &reqwest::Client, url: &url::Url) -> std::result::Result<Vec<u8>, String> {
    let request = client.get(url.clone()).header("accept", "application/ld+json, application/json;q=0.9, */*;q=0.1");
    let mut response =
        request.send().await.map_err(|e| if e.is_timeout() { "it did not come in time".to_string() } else { "it cannot be reached".to_string() })?;
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "it broke off".to_string())? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(format!("it is larger than {MAX_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Relative addresses of contexts inside a context are relative to it.
fn absolute(context: &mut Value, base: &url::Url, depth: usize) {
    match context {
        Value::String(url) if url::Url::parse(url).is_err() => {
            if let Ok(full) = base.join(url) {
                *url = full.into();
            }
        }
        Value::Array(many) if depth < 8 => many.iter_mut().for_each(|one| absolute(one, base, depth + 1)),
        _ => {}
    }
}
