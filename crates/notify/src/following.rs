//! Following: begun by a click (a browser) or by a link in a mail (double opt-in), shown, and ended with one click.

use std::net::IpAddr;
use std::time::Duration;

use dothi_kernel::time::earlier;
use dothi_kernel::{Caller, CallerKind, Error, Result};
use dothi_store::secret::hash;
use serde_json::json;
use uuid::Uuid;

use crate::model::{FollowReceipt, FollowRequest, FollowView, Offer, Subject, Topic, Via};
use crate::outbox::Letter;
use crate::pack::Policy;
use crate::push::Keys;
use crate::tables::{self, Channel, Follow, NewFollow};
use crate::{Notify, mail, render, shown};

/// Rows of "what I follow".
const MOST: usize = 200;
/// Longest address of a push service.
const ENDPOINT: usize = 1_000;

fn no_subject() -> Error {
    Error::not_found("notify.topic.unknown", "There is nothing of this name to follow.")
}

fn too_many() -> Error {
    Error::too_many("notify.requests", "Many requests came from you in a short time. Please wait a little.").retry_after(Duration::from_secs(900))
}

impl Notify {
    /// What can be chosen here.
    pub fn offer(&self, _: &Caller) -> Offer {
        Offer { mail: self.mailer.is_some(), push_key: self.vapid.public() }
    }

    /// Follows something by mail or in a browser. 400 `notify.follow.form`, `notify.mail.address`, `notify.push.keys`; 401 for what only
    /// people in office follow; 404 `notify.topic.unknown`; 409 `notify.follows.full`; 422 `notify.mail.off`; 429 `notify.requests`.
    pub async fn follow(&self, caller: &Caller, wanted: FollowRequest) -> Result<FollowReceipt> {
        let policy = self.policy()?;
        let topic = Topic::parse(&wanted.topic).ok_or_else(no_subject)?;
        if topic.of_office() && caller.kind != CallerKind::Staff {
            caller.person()?;
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let daily = match wanted.pace.as_deref() {
            Some("daily") => true,
            Some("now") => false,
            None => matches!(topic, Topic::Place { .. }),
            Some(_) => return Err(Error::invalid("notify.follow.form", "A pace is now or daily.")),
        };
        let new = self.channel_of(&wanted)?;
        let subject = self.subject(caller, &topic, wanted.key.as_deref()).await?.ok_or_else(no_subject)?;
        let mut tx = self.store.begin(caller).await?;
        let hour = Duration::from_secs(3_600);
        let mut limits = vec![(self.who(caller), hour)];
        if new.via == Via::Mail {
            limits.push((format!("m:{}", new.hash), hour * 24));
        }
        for (who, span) in limits {
            if tables::note_request(&mut tx, &who, earlier(caller.now, span), earlier(caller.now, hour * 24)).await? >= i64::from(policy.requests) {
                return Err(too_many());
            }
        }
        // Who ended mail to an address begins it again by the link in the mail only.
        let channel = tables::take_channel(&mut tx, &new, new.via == Via::Push).await?;
        if tables::count_follows(&mut tx, channel.id).await? >= i64::from(policy.follows) {
            return Err(Error::conflict("notify.follows.full", "You follow as much as can be followed. End something first."));
        }
        let person = caller.id.filter(|_| matches!(caller.kind, CallerKind::Citizen | CallerKind::Staff));
        let new_follow = NewFollow {
            channel: channel.id,
            topic: &topic.to_string(),
            own: subject.own,
            pace: if daily && new.via == Via::Mail { "daily" } else { "now" },
            person,
            confirmed: new.via == Via::Push,
        };
        let (id, confirmed) = tables::add_follow(&mut tx, &new_follow).await?;
        self.commit(tx).await?;
        if new.via == Via::Push {
            return Ok(FollowReceipt { state: "following".into(), token: Some(self.token("channel", channel.id)) });
        }
        if !confirmed || channel.ended {
            let letter = Letter {
                mark: format!("confirm:{id}:{}", caller.request),
                to: &new.address,
                template: "confirm",
                lang: &new.lang,
                path: format!("/follows?confirm#{}", self.token("follow", id)),
                data: json!({ "title": subject.title, "code": "", "state": "" }),
            };
            self.letter(caller, &letter).await?;
        }
        // The same answer whether it was followed before: nobody learns what others follow.
        Ok(FollowReceipt { state: "confirm".into(), token: None })
    }

    /// What a topic is called: the pack says it for what is followed in office, the server for the rest.
    async fn subject(&self, caller: &Caller, topic: &Topic, key: Option<&str>) -> Result<Option<Subject>> {
        if !topic.of_office() {
            return self.subjects.subject(caller, topic, key).await;
        }
        let title = self.declared().title.get(&topic.to_string()).cloned();
        Ok(title.map(|title| Subject { title, path: "/work".into(), own: false }))
    }

    fn channel_of(&self, wanted: &FollowRequest) -> Result<Channel> {
        match (&wanted.mail, &wanted.push) {
            (Some(address), None) => {
                if self.mailer.is_none() {
                    return Err(Error::unprocessable("notify.mail.off", "No mail goes out here yet."));
                }
                if !mail::is_address(address.trim()) {
                    return Err(Error::invalid("notify.mail.address", "This is no mail address."));
                }
                Ok(self.mail_channel(address, &wanted.lang))
            }
            (None, Some(push)) => {
                Keys::parse(&push.keys.p256dh, &push.keys.auth)?;
                let refused = || Error::invalid("notify.push.endpoint", "This push service cannot be used.");
                let url: url::Url = push.endpoint.parse().map_err(|_| refused())?;
                // Plain HTTP only where the installation allows its own network: for trying out.
                let scheme = url.scheme() == "https" || (url.scheme() == "http" && self.settings.guard.loopback);
                if !scheme || push.endpoint.len() > ENDPOINT || !url.username().is_empty() || url.password().is_some() {
                    return Err(refused());
                }
                self.settings.guard.check(&url).map_err(|_| refused())?;
                Ok(Channel {
                    id: Uuid::nil(),
                    via: Via::Push,
                    hash: hash(&[&self.secret, "push", &push.endpoint]),
                    shown: shown(Via::Push, &push.endpoint),
                    address: push.endpoint.clone(),
                    p256dh: push.keys.p256dh.clone(),
                    auth: push.keys.auth.clone(),
                    lang: render::language(&wanted.lang).to_string(),
                    ended: false,
                })
            }
            _ => Err(Error::invalid("notify.follow.form", "Give a mail address or a browser.")),
        }
    }

    /// Begins what the link in a mail stands for. 403 `notify.token`.
    pub async fn confirm(&self, caller: &Caller, token: &str) -> Result<Vec<FollowView>> {
        let gone = || Error::forbidden("notify.token", "This link is not valid, or not any more.");
        let id = self.opened("follow", token)?;
        let follow = tables::follow(&self.store, id).await?.ok_or_else(gone)?;
        let late = earlier(caller.now, Duration::from_secs(u64::from(self.policy()?.confirm_hours) * 3_600));
        if !follow.confirmed && follow.at < late {
            return Err(gone());
        }
        let mut tx = self.store.begin(caller).await?;
        if !tables::confirm(&mut tx, id).await? {
            return Err(gone());
        }
        tables::revive(&mut tx, follow.channel.id).await?;
        tx.commit().await?;
        self.of_channel(caller, follow.channel.id).await
    }

    async fn of_channel(&self, caller: &Caller, channel: Uuid) -> Result<Vec<FollowView>> {
        self.views(caller, tables::follows(&self.store, Some(channel), None, MOST).await?).await
    }

    async fn views(&self, caller: &Caller, follows: Vec<Follow>) -> Result<Vec<FollowView>> {
        let mut out = Vec::with_capacity(follows.len());
        for f in follows {
            let topic = Topic::parse(&f.topic).ok_or_else(|| Error::internal("reading a topic", &f.topic))?;
            let found = self.subject(caller, &topic, None).await?;
            let named = || crate::model::Named { vi: f.topic.clone(), en: f.topic.clone() };
            let (title, path) = found.map_or_else(|| (named(), "/".to_string()), |s| (s.title, s.path));
            out.push(FollowView {
                id: f.id,
                topic: f.topic.clone(),
                title,
                path,
                via: f.channel.via,
                address: f.channel.shown.clone(),
                pace: if f.daily { "daily" } else { "now" }.into(),
                waiting: !f.confirmed,
                since: f.at,
            });
        }
        Ok(out)
    }

    /// What an address follows (by the token from a mail or of a browser), or what the signed-in person asked for.
    pub async fn following(&self, caller: &Caller, token: Option<&str>) -> Result<Vec<FollowView>> {
        match token {
            Some(token) => {
                let channel = self.opened("channel", token)?;
                self.of_channel(caller, channel).await
            }
            None => self.views(caller, tables::follows(&self.store, None, Some(caller.person()?), MOST).await?).await,
        }
    }

    /// Ends one follow: of the token's address, or the signed-in person's own. 404 `notify.follow.unknown`.
    pub async fn unfollow(&self, caller: &Caller, id: Uuid, token: Option<&str>) -> Result<()> {
        let unknown = || Error::not_found("notify.follow.unknown", "There is no such thing followed.");
        let (channel, person) = match token {
            Some(token) => (Some(self.opened("channel", token)?), None),
            None => (None, Some(caller.person()?)),
        };
        let follow = tables::follow(&self.store, id).await?.ok_or_else(unknown)?;
        let theirs = channel == Some(follow.channel.id) || (person.is_some() && follow.person == person);
        if !theirs {
            return Err(unknown());
        }
        let mut tx = self.store.begin(caller).await?;
        tables::end_follow(&mut tx, id).await?;
        tx.commit().await
    }

    /// Ends everything that goes to an address, with one click (RFC 8058). 403 `notify.token`.
    pub async fn stop(&self, caller: &Caller, token: &str) -> Result<()> {
        let channel = self.opened("channel", token)?;
        let mut tx = self.store.begin(caller).await?;
        tables::end_channel(&mut tx, channel, "owner").await?;
        tx.commit().await
    }

    /// Who asks, for limits: a person, or a hash of the network address.
    fn who(&self, caller: &Caller) -> String {
        match (caller.id, caller.address) {
            (Some(id), _) => format!("p:{id}"),
            (None, Some(address)) => {
                let net = match address.to_canonical() {
                    IpAddr::V4(v4) => v4.to_string(),
                    IpAddr::V6(v6) => format!("{:x?}", &v6.segments()[..4]),
                };
                format!("a:{}", hash(&[&self.secret, "who", &net]))
            }
            (None, None) => "a:unknown".into(),
        }
    }

    pub(crate) fn forget_after(policy: &Policy) -> (Duration, Duration) {
        (Duration::from_secs(u64::from(policy.keep_days) * 86_400), Duration::from_secs(u64::from(policy.confirm_hours) * 3_600))
    }
}
