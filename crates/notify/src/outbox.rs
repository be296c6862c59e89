//! Into the outbox: what happened becomes messages to those who are to know, in one change. Doing it twice puts nothing in twice.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use dothi_kernel::time::later;
use dothi_kernel::{Caller, Permission, Result, Timestamp};
use dothi_store::secret::hash;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::{Topic, Via};
use crate::pack::{News, On, Policy, Tell, Template, Urgency};
use crate::tables::{self, Channel, Follow, NewMessage};
use crate::{Notify, shown};

/// Followers told in one change; more are told in further ones.
const STEP: usize = 500;
/// Followers told of one thing at most.
const MOST: usize = 20_000;

/// What happened to a case, as far as it may be told.
#[derive(Clone)]
pub struct Happening {
    /// Number of the event: what it causes is put in once.
    pub seq: i64,
    /// What.
    pub on: On,
    /// Which move.
    pub step: String,
    /// Which share of the time.
    pub percent: u16,
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Commune code.
    pub area: Option<String>,
    /// Handling unit.
    pub unit: String,
    /// Whether everybody may see it.
    pub public: bool,
    /// Mail address that the reporter gave with it.
    pub reporter: Option<String>,
    /// The reporter's own page, with the key behind `#`.
    pub own_path: String,
    /// Code of the case that it became part of.
    pub merged_into: Option<String>,
    /// Values for the words; those in two languages as `{vi, en}`.
    pub data: Value,
}

/// A letter to one mail address that asked for it: confirming, a new password.
pub struct Letter<'a> {
    /// The same mark is sent once.
    pub mark: String,
    /// Mail address.
    pub to: &'a str,
    /// Which words.
    pub template: &'a str,
    /// `vi` or `en`.
    pub lang: &'a str,
    /// Page for the link, from the root.
    pub path: String,
    /// Further values.
    pub data: Value,
}

fn matches(news: &News, what: &Happening) -> bool {
    news.on == what.on && (news.steps.is_empty() || news.steps.contains(&what.step)) && (news.percents.is_empty() || news.percents.contains(&what.percent))
}

fn topics(news: &News, what: &Happening) -> Vec<String> {
    let case = || vec![Topic::Case(what.code.clone()).to_string()];
    match news.tell {
        Tell::Reporter => case(),
        Tell::Followers if what.public => case(),
        Tell::Place if what.public => {
            let category = Some(what.category.clone());
            let mut places = vec![Topic::Place { area: None, category: category.clone() }];
            if what.area.is_some() {
                places.push(Topic::Place { area: what.area.clone(), category });
                places.push(Topic::Place { area: what.area.clone(), category: None });
            }
            places.iter().map(Topic::to_string).collect()
        }
        Tell::Work => vec![Topic::Work.to_string()],
        Tell::Due => vec![Topic::Due.to_string()],
        Tell::Followers | Tell::Place => Vec::new(),
    }
}

impl Notify {
    /// The topics of what happened that anybody follows now: one look for many happenings.
    pub async fn followed<'a>(&self, happenings: impl Iterator<Item = &'a Happening>) -> Result<HashSet<String>> {
        let declared = self.declared();
        let about: BTreeSet<String> = happenings.flat_map(|what| declared.news.iter().filter(|n| matches(n, what)).flat_map(|n| topics(n, what))).collect();
        if about.is_empty() { Ok(HashSet::new()) } else { tables::followed(&self.store, &about.into_iter().collect::<Vec<_>>()).await }
    }

    /// Tells those who are to know. Repeating it after a crash puts nothing in twice. `followed` is what [`Notify::followed`] gave for it
    /// and others together.
    pub async fn happened(&self, caller: &Caller, what: &Happening, followed: &HashSet<String>) -> Result<()> {
        let declared = self.declared();
        let Some(policy) = declared.policy.clone() else { return Ok(()) };
        for news in declared.news.iter().filter(|n| matches(n, what)) {
            let Some(template) = declared.template.get(&news.template) else { continue };
            if news.tell == Tell::Reporter {
                self.tell_reporter(caller, what, news, template, &policy).await?;
            }
            let topics: Vec<String> = topics(news, what).into_iter().filter(|t| followed.contains(t)).collect();
            let (mut after, mut told) = (String::new(), 0);
            while !topics.is_empty() && told < MOST {
                let found = tables::followers(&self.store, &topics, &after, STEP).await?;
                let Some(last) = found.last() else { break };
                after = last.id.to_string();
                told += found.len();
                self.tell_followers(caller, what, news, template, &policy, found).await?;
            }
        }
        if let Some(into) = &what.merged_into {
            let mut tx = self.store.begin(caller).await?;
            tables::move_follows(&mut tx, &Topic::Case(what.code.clone()).to_string(), &Topic::Case(into.clone()).to_string()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn tell_reporter(&self, caller: &Caller, what: &Happening, news: &News, template: &Template, policy: &Policy) -> Result<()> {
        let Some(mail) = what.reporter.as_deref().filter(|m| self.mailer.is_some() && crate::mail::is_address(m)) else { return Ok(()) };
        let mut tx = self.store.begin(caller).await?;
        let channel = tables::take_channel(&mut tx, &self.mail_channel(mail, "vi"), false).await?;
        if !channel.ended {
            let message = self.message(what, news, template, policy, &channel, (true, false))?;
            tables::put_message(&mut tx, &message.borrowed(&channel, &news.template, &what.code)).await?;
        }
        self.commit(tx).await
    }

    async fn tell_followers(&self, caller: &Caller, what: &Happening, news: &News, template: &Template, policy: &Policy, found: Vec<Follow>) -> Result<()> {
        let mut wanted = Vec::new();
        for follow in found {
            let for_them = match news.tell {
                Tell::Reporter => follow.own,
                Tell::Work | Tell::Due => match (follow.person, news.needs) {
                    (Some(person), Some(needs)) => self.may(person, needs, &what.unit).await?,
                    _ => false,
                },
                Tell::Followers | Tell::Place => true,
            };
            if for_them && (follow.channel.via == Via::Push || self.mailer.is_some()) {
                wanted.push(follow);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin(caller).await?;
        for follow in &wanted {
            let own = follow.own && news.tell == Tell::Reporter;
            let daily = follow.daily && follow.channel.via == Via::Mail && template.urgency == Urgency::Normal;
            let message = self.message(what, news, template, policy, &follow.channel, (own, daily))?;
            tables::put_message(&mut tx, &message.borrowed(&follow.channel, &news.template, &what.code)).await?;
        }
        self.commit(tx).await
    }

    async fn may(&self, person: Uuid, needs: Permission, unit: &str) -> Result<bool> {
        self.subjects.may(person, needs, unit).await
    }

    fn message(&self, what: &Happening, news: &News, template: &Template, policy: &Policy, channel: &Channel, (own, daily): (bool, bool)) -> Result<Prepared> {
        let now = self.store.clock().now();
        let base = &self.settings.base;
        let mut data = what.data.clone();
        let path = match news.tell {
            Tell::Work | Tell::Due => "/work".to_string(),
            _ if own => what.own_path.clone(),
            _ => format!("/r/{}", what.code),
        };
        data["link"] = json!(format!("{base}{path}"));
        data["code"] = json!(what.code);
        let mark = if news.once { format!("once:{}:{}:{}", news.template, what.code, channel.id) } else { format!("{}:{}", what.seq, channel.id) };
        let wished = later(now, Duration::from_secs(u64::from(news.after_hours) * 3_600));
        let due_at = if daily { self.next_digest(policy, now)? } else { self.not_in_quiet_hours(policy, template.urgency, wished)? };
        // A newer word about the same case takes the place of an older one that a phone has not fetched.
        let tag = Some(hash(&[&what.code])[..24].to_string());
        Ok(Prepared { mark, data, urgency: template.urgency, tag, state: if daily { "held" } else { "waiting" }, due_at })
    }

    /// A letter that somebody waits for; it goes out at once. False when no mail goes out here.
    pub async fn letter(&self, caller: &Caller, letter: &Letter<'_>) -> Result<bool> {
        if self.mailer.is_none() || !self.declared().template.contains_key(letter.template) {
            return Ok(false);
        }
        let mut data = letter.data.clone();
        data["link"] = json!(format!("{}{}", self.settings.base, letter.path));
        let to = self.mail_channel(letter.to, letter.lang);
        let mut tx = self.store.begin(caller).await?;
        let message = NewMessage {
            mark: letter.mark.clone(),
            channel: None,
            via: Via::Mail,
            hash: &to.hash,
            address: &to.address,
            shown: &to.shown,
            template: letter.template,
            lang: letter.lang,
            data: &data,
            urgency: Urgency::High,
            tag: None,
            code: None,
            state: "waiting",
            due_at: caller.now,
        };
        tables::put_message(&mut tx, &message).await?;
        self.commit(tx).await?;
        Ok(true)
    }

    /// What must not be said any more, because it was overtaken: asking for a rating that was given.
    pub async fn overtaken(&self, caller: &Caller, code: &str, template: &str) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        tables::withdraw(&mut tx, code, template).await?;
        tx.commit().await
    }

    /// A mail address as a channel that is not stored yet.
    pub(crate) fn mail_channel(&self, address: &str, lang: &str) -> Channel {
        let address = address.trim().to_string();
        Channel {
            id: Uuid::nil(),
            via: Via::Mail,
            hash: hash(&[&self.secret, "mail", &address.to_lowercase()]),
            shown: shown(Via::Mail, &address),
            address,
            p256dh: String::new(),
            auth: String::new(),
            lang: crate::render::language(lang).to_string(),
            ended: false,
        }
    }

    /// The next instant at which digests go out.
    pub(crate) fn next_digest(&self, policy: &Policy, now: Timestamp) -> Result<Timestamp> {
        self.next(now, &policy.digest_at)
    }

    /// The next time the clocks here show an hour.
    fn next(&self, now: Timestamp, hour: &str) -> Result<Timestamp> {
        let lost = |e: jiff::Error| dothi_kernel::Error::internal("reckoning an hour", e);
        let hour: jiff::civil::Time = hour.parse().map_err(lost)?;
        let here = now.to_zoned(self.zone.clone());
        let today = here.date().to_datetime(hour).to_zoned(self.zone.clone()).map_err(lost)?;
        let next = if today > here { today } else { here.date().tomorrow().map_err(lost)?.to_datetime(hour).to_zoned(self.zone.clone()).map_err(lost)? };
        Ok(dothi_kernel::time::micros(next.timestamp().as_microsecond()))
    }

    /// The instant itself, or the end of the quiet hours it lies in.
    pub(crate) fn not_in_quiet_hours(&self, policy: &Policy, urgency: Urgency, at: Timestamp) -> Result<Timestamp> {
        if urgency == Urgency::High || policy.quiet_from == policy.quiet_to {
            return Ok(at);
        }
        // Quiet when the end comes before the next beginning.
        let (ends, begins) = (self.next(at, &policy.quiet_to)?, self.next(at, &policy.quiet_from)?);
        Ok(if ends < begins { ends } else { at })
    }
}

/// A message without its receiver.
struct Prepared {
    mark: String,
    data: Value,
    urgency: Urgency,
    tag: Option<String>,
    state: &'static str,
    due_at: Timestamp,
}

impl Prepared {
    fn borrowed<'a>(&'a self, to: &'a Channel, template: &'a str, code: &'a str) -> NewMessage<'a> {
        NewMessage {
            mark: self.mark.clone(),
            channel: Some(to.id),
            via: to.via,
            hash: &to.hash,
            address: &to.address,
            shown: &to.shown,
            template,
            lang: &to.lang,
            data: &self.data,
            urgency: self.urgency,
            tag: self.tag.clone(),
            code: Some(code),
            state: self.state,
            due_at: self.due_at,
        }
    }
}
