//! One request to another Open311 server, and what its answer means. Nothing here knows cases or tables.

use std::time::Duration;

use dothi_kernel::{Result, Timestamp};
use dothi_store::outside::Guard;

use crate::open311_read::{self, Record};
use crate::tables_forward::PeerRecord;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const LARGEST: usize = 4 * 1024 * 1024;

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It did not reach the other side: trying again is safe.
    Unreached(String),
    /// The other side asks to come again.
    Busy(String, Option<Duration>),
    /// It may have reached the other side or not.
    Unknown(String),
    /// The other side says no.
    Refused(u16, String),
}

impl Trouble {
    pub fn words(&self) -> &str {
        match self {
            Trouble::Unreached(w) | Trouble::Busy(w, _) | Trouble::Unknown(w) | Trouble::Refused(_, w) => w,
        }
    }
}

/// Speaks to other servers.
#[derive(Clone)]
pub(crate) struct Wire {
    client: reqwest::Client,
    guard: Guard,
}

fn clipped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

impl Wire {
    pub fn new(guard: Guard) -> Result<Self> {
        Ok(Self { client: guard.client(0)?, guard })
    }

    pub fn check(&self, url: &url::Url) -> Result<()> {
        self.guard.check(url)
    }

    /// GET of a resource (`services`, `requests/12`).
    pub async fn get(&self, peer: &PeerRecord, resource: &str, pairs: &[(&str, String)]) -> Result<Vec<Record>, Trouble> {
        let mut url = self.url(peer, resource)?;
        if let Some(jurisdiction) = &peer.jurisdiction {
            url.query_pairs_mut().append_pair("jurisdiction_id", jurisdiction);
        }
        for (name, value) in pairs {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.answer(peer, self.client.get(url)).await
    }

    /// POST of a form. `once` is the same for every try: servers that know it take it once.
    pub async fn post(&self, peer: &PeerRecord, resource: &str, pairs: &[(String, String)], once: &str) -> Result<Vec<Record>, Trouble> {
        let url = self.url(peer, resource)?;
        let jurisdiction = peer.jurisdiction.as_deref().map(|j| ("jurisdiction_id", j));
        let own = jurisdiction.into_iter().chain([("api_key", peer.api_key.as_str())]);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(own).extend_pairs(pairs).finish();
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded; charset=utf-8").header("idempotency-key", once);
        self.answer(peer, request.body(form)).await
    }

    fn url(&self, peer: &PeerRecord, resource: &str) -> Result<url::Url, Trouble> {
        let text = format!("{}/{resource}.{}", peer.url, peer.format);
        let url = text.parse::<url::Url>().map_err(|_| Trouble::Refused(0, "the address of the other system cannot be read".into()))?;
        self.guard.check(&url).map_err(|e| Trouble::Refused(0, e.detail().to_string()))?;
        Ok(url)
    }

    async fn answer(&self, peer: &PeerRecord, request: reqwest::RequestBuilder) -> Result<Vec<Record>, Trouble> {
        let sent = request.timeout(PATIENCE).send().await;
        let mut answer = sent.map_err(|e| match e {
            e if e.is_connect() || e.is_builder() => Trouble::Unreached("the other system cannot be reached".into()),
            e if e.is_timeout() => Trouble::Unknown("the other system did not answer in time".into()),
            _ => Trouble::Unknown("the connection to the other system broke off".into()),
        })?;
        let status = answer.status().as_u16();
        let wait = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| Trouble::Unknown("the answer of the other system broke off".into()))? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(Trouble::Unknown("the answer of the other system is too large".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let records = match peer.format.as_str() {
            "json" => open311_read::json(&bytes),
            _ => open311_read::xml(&String::from_utf8_lossy(&bytes)),
        };
        let said = || {
            let first = records.iter().flatten().find_map(|r| r.get("description").cloned());
            clipped(&format!("the other system answered {status}{}", first.map(|d| format!(": {d}")).unwrap_or_default()))
        };
        match status {
            200..=299 => records.ok_or_else(|| Trouble::Unknown("the answer of the other system cannot be read".into())),
            429 | 503 => Err(Trouble::Busy(said(), wait)),
            500..=599 => Err(Trouble::Unknown(said())),
            _ => Err(Trouble::Refused(status, said())),
        }
    }
}

/// A W3C date and time.
pub(crate) fn w3c(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
