//! The workers: take what is due, send it, write down what came of it. A message is taken for a while by one worker; when that one
//! dies, another sends it again, so a message can arrive twice and never gets lost.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dothi_kernel::time::{earlier, later};
use dothi_kernel::{Error, Result, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::Notify;
use crate::mail::Mail;
use crate::model::Via;
use crate::pack::{Policy, Urgency};
use crate::push::{Keys, encrypt};
use crate::render::{Rendered, render};
use crate::tables::{self, Message, NewMessage};

/// Messages taken at once.
const CLAIM: usize = 32;
/// How long a worker has them for itself.
const LOCK: Duration = Duration::from_secs(180);
/// Longest time without a look, so that messages of another node are seen.
const LOOK: Duration = Duration::from_secs(15);
/// First pause after a failure; it doubles.
const PAUSE: Duration = Duration::from_secs(30);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// Longest wait for a push service.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side took it, and said this.
    Taken(String),
    /// Later perhaps.
    Later {
        /// Why not now.
        why: String,
        /// How long the other side wants to be left alone.
        wait: Option<Duration>,
    },
    /// Not this message.
    Never(String),
    /// The address is no more.
    Gone,
}

impl Notify {
    /// Sends until told to stop.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let pause = match self.send_due().await {
                Ok(Some(pause)) => pause,
                Ok(None) => continue,
                Err(e) => {
                    tracing::error!(error = %e, "sending messages failed");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends what is due; returns how long nothing will be, or none when there was something.
    pub async fn send_due(self: &Arc<Self>) -> Result<Option<Duration>> {
        let Some(policy) = self.declared().policy.clone() else { return Ok(Some(LOOK)) };
        let policy = Arc::new(policy);
        let now = self.store.clock().now();
        for channel in tables::digests_due(&self.store, now).await? {
            self.digest(channel).await?;
        }
        let mut tx = self.store.begin_as("notify").await?;
        let claimed = tables::claim(&mut tx, later(now, LOCK), CLAIM).await?;
        tx.commit().await?;
        if claimed.is_empty() {
            let next = tables::next_due(&self.store).await?.map_or(LOOK, |at| {
                let wait = at.as_microsecond() - self.store.clock().now().as_microsecond();
                Duration::from_micros(u64::try_from(wait).unwrap_or(0))
            });
            return Ok(Some(next.clamp(Duration::from_millis(200), LOOK)));
        }
        let sending = claimed.into_iter().map(|message| {
            let (this, policy) = (self.clone(), policy.clone());
            tokio::spawn(async move {
                let id = message.id;
                if let Err(e) = this.deliver(&policy, message).await {
                    tracing::error!(message = %id, error = %e, "a message could not be worked on");
                }
            })
        });
        for done in futures::future::join_all(sending).await {
            done.map_err(|e| Error::internal("sending a message", e))?;
        }
        Ok(None)
    }

    async fn deliver(&self, policy: &Policy, message: Message) -> Result<()> {
        let _turn = self.turns.acquire().await.map_err(|e| Error::internal("waiting for a turn", e))?;
        let now = self.store.clock().now();
        if let Some(at) = self.too_many(policy, &message, now).await? {
            let mut tx = self.store.begin_as("notify").await?;
            tables::put_off(&mut tx, message.id, at).await?;
            return tx.commit().await;
        }
        let outcome = match self.words(&message) {
            Err(e) => Outcome::Never(e.cause().unwrap_or(e.detail()).chars().take(300).collect()),
            Ok(words) => match message.via {
                Via::Mail => self.mail(&message, words).await,
                Via::Push => self.push(policy, &message, &words).await?,
            },
        };
        self.settle(policy, &message, outcome).await
    }

    async fn settle(&self, policy: &Policy, message: &Message, outcome: Outcome) -> Result<()> {
        let mut tx = self.store.begin_as("notify").await?;
        match outcome {
            Outcome::Taken(receipt) => tables::sent(&mut tx, message.id, &receipt).await?,
            Outcome::Gone => {
                tables::failed(&mut tx, message.id, "the address is no more", None).await?;
                if let Some(channel) = message.channel {
                    tables::end_channel(&mut tx, channel, "gone").await?;
                }
            }
            Outcome::Never(why) => {
                tracing::warn!(message = %message.id, via = message.via.code(), why, "a message was given up");
                tables::failed(&mut tx, message.id, &why, None).await?;
            }
            Outcome::Later { why, .. } if message.tries + 1 >= policy.tries => {
                tracing::warn!(message = %message.id, via = message.via.code(), why, "a message was given up");
                tables::failed(&mut tx, message.id, &why, None).await?;
            }
            Outcome::Later { why, wait } => {
                let pause = PAUSE.saturating_mul(1 << message.tries.min(10)).min(LONGEST);
                let at = later(tx.now(), wait.map_or(pause, |w| w.max(pause).min(LONGEST)));
                tables::failed(&mut tx, message.id, &why, Some(at)).await?;
            }
        }
        tx.commit().await
    }

    /// When a message may go out, if not now: everybody's minute is full, or the address had its share of the hour.
    async fn too_many(&self, policy: &Policy, message: &Message, now: Timestamp) -> Result<Option<Timestamp>> {
        if message.urgency != Urgency::High {
            let hour = Duration::from_secs(3_600);
            if tables::sent_since(&self.store, &message.hash, earlier(now, hour)).await? >= i64::from(policy.per_address_hour) {
                return Ok(Some(later(now, hour / 4)));
            }
        }
        let most = match message.via {
            Via::Mail => policy.mails_per_minute,
            Via::Push => policy.pushes_per_minute,
        };
        let minute = now.as_second() / 60;
        let mut paced = self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        let (running, count) = paced.entry(message.via).or_insert((minute, 0));
        if *running != minute {
            (*running, *count) = (minute, 0);
        }
        if *count >= most {
            return Ok(Some(dothi_kernel::time::micros((minute + 1) * 60_000_000)));
        }
        *count += 1;
        Ok(None)
    }

    fn words(&self, message: &Message) -> Result<Rendered> {
        let declared = self.declared();
        let missing = || Error::unprocessable("notify.template", "There are no words of this name.");
        let template = declared.template.get(&message.template).ok_or_else(missing)?;
        let mut data = message.data.clone();
        data["portal"] = json!(self.settings.portal);
        data["stop"] =
            json!(message.channel.map_or_else(|| self.settings.base.clone(), |c| format!("{}/follows#{}", self.settings.base, self.token("channel", c))));
        render(template, &message.lang, &data)
    }

    async fn mail(&self, message: &Message, words: Rendered) -> Outcome {
        let Some(mailer) = &self.mailer else { return Outcome::Later { why: "no mail server is set up".into(), wait: None } };
        let stop = message.channel.map(|c| format!("{}/api/notify/stop?token={}", self.settings.base, self.token("channel", c)));
        let mail = Mail {
            to: &message.address,
            subject: words.subject,
            text: words.text,
            html: words.html,
            id: message.id.to_string(),
            at: self.store.clock().now(),
            stop,
        };
        mailer.send(mail).await
    }

    async fn push(&self, policy: &Policy, message: &Message, words: &Rendered) -> Result<Outcome> {
        let channel = match message.channel {
            Some(id) => tables::channel(&self.store, id).await?,
            None => None,
        };
        let Some(channel) = channel.filter(|c| !c.ended) else { return Ok(Outcome::Gone) };
        let Ok(endpoint) = url::Url::parse(&channel.address) else { return Ok(Outcome::Gone) };
        if let Err(e) = self.settings.guard.check(&endpoint) {
            return Ok(Outcome::Never(e.detail().to_string()));
        }
        // The link's key stays here: what a push service keeps for a phone that is off holds code and state only.
        let page = message.code.as_ref().map_or_else(
            || "/".to_string(),
            |code| if message.data["link"].as_str().is_some_and(|l| l.ends_with("/work")) { "/work".into() } else { format!("/r/{code}") },
        );
        let body = json!({ "title": self.settings.portal, "body": words.push, "url": page, "tag": message.tag }).to_string();
        let sealed = match Keys::parse(&channel.p256dh, &channel.auth).and_then(|keys| encrypt(&keys, body.as_bytes())) {
            Ok(sealed) => sealed,
            Err(e) => return Ok(Outcome::Never(e.detail().to_string())),
        };
        let now = self.store.clock().now();
        let mut request = self
            .client
            .post(endpoint.clone())
            .timeout(PATIENCE)
            .header("authorization", self.vapid.authorization(&endpoint, now)?)
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("ttl", u64::from(policy.push_hours) * 3_600)
            .header("urgency", if message.urgency == Urgency::High { "high" } else { "normal" });
        if let Some(tag) = &message.tag {
            request = request.header("topic", tag);
        }
        Ok(match request.body(sealed).send().await {
            Err(e) => Outcome::Later {
                why: if e.is_timeout() { "the push service did not answer in time".into() } else { "the push service cannot be reached".into() },
                wait: None,
            },
            Ok(answer) => judged(&answer),
        })
    }

    /// All that waits for somebody's digest becomes one letter.
    async fn digest(&self, channel: uuid::Uuid) -> Result<()> {
        let Some(to) = tables::channel(&self.store, channel).await? else { return Ok(()) };
        let mut tx = self.store.begin_as("notify").await?;
        let held = tables::fold(&mut tx, channel).await?;
        let Some(last) = held.last() else { return Ok(()) };
        let mark = format!("digest:{}", last.id);
        // The newest word about each case.
        let items: BTreeMap<&str, Value> = held
            .iter()
            .filter_map(|m| {
                let of = |name: &str| m.data.get(name).cloned().unwrap_or_default();
                let code = m.code.as_deref()?;
                Some((code, json!({ "code": code, "category": of("category"), "state": of("state"), "link": of("link") })))
            })
            .collect();
        let data = json!({ "items": items.values().collect::<Vec<_>>(), "code": "", "state": "" });
        let message = NewMessage {
            mark,
            channel: Some(channel),
            via: to.via,
            hash: &to.hash,
            address: &to.address,
            shown: &to.shown,
            template: "digest",
            lang: &to.lang,
            data: &data,
            urgency: Urgency::Normal,
            tag: None,
            code: None,
            state: "waiting",
            due_at: tx.now(),
        };
        if !to.ended {
            tables::put_message(&mut tx, &message).await?;
        }
        tx.commit().await
    }
}

/// What a push service's answer means (RFC 8030, RFC 8292).
fn judged(answer: &reqwest::Response) -> Outcome {
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    match status {
        200..=299 => Outcome::Taken(format!("{status}")),
        404 | 410 => Outcome::Gone,
        429 | 500..=599 => Outcome::Later { why: format!("the push service answered {status}"), wait },
        _ => Outcome::Never(format!("the push service answered {status}")),
    }
}
