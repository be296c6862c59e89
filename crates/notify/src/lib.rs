//! What goes out: mail and web push, with receipts. Messages wait in an outbox table that is written in the transaction of
//! what caused them; workers send them, again and again with growing pauses, until they are taken or given up.
//!
//! Who is told what when, in which words and how much at most, is a pack's; this crate does it.

mod desk;
mod following;
pub mod http;
mod jobs;
pub mod mail;
pub mod model;
mod outbox;
pub mod pack;
mod post;
pub mod push;
mod render;
mod tables;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dothi_kernel::{Caller, Cursors, Error, Permission, Result, Scope};
use dothi_store::outside::Guard;
use dothi_store::secret::{fresh, hash};
use dothi_store::{Store, Tx};
use jiff::tz::TimeZone;
use subtle::ConstantTimeEq;
use tokio::sync::{Notify as Bell, Semaphore};
use uuid::Uuid;

use crate::mail::{MailSettings, Mailer};
use crate::model::{Subjects, Via};
use crate::pack::{NotifyPack, Policy};
use crate::push::Vapid;

pub use outbox::{Happening, Letter};
pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('.');

/// Messages that are on their way at once.
const AT_ONCE: usize = 8;

/// What an installation says about sending.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    /// Mail server and sender.
    pub mail: MailSettings,
    /// Our own address as people reach it (`https://dothi.example.vn`), for links.
    pub base: String,
    /// Name of the portal in messages.
    pub portal: String,
    /// Which addresses push messages may go to.
    pub guard: Guard,
}

/// The domain.
pub struct Notify {
    store: Store,
    settings: NotifySettings,
    subjects: Arc<dyn Subjects>,
    zone: TimeZone,
    declared: RwLock<Arc<NotifyPack>>,
    secret: String,
    vapid: Vapid,
    mailer: Option<Mailer>,
    client: reqwest::Client,
    turns: Semaphore,
    bell: Bell,
    /// Messages of the running minute, by way.
    paced: Mutex<HashMap<Via, (i64, u32)>>,
}

impl Notify {
    /// Opens the domain over a store that has [`MIGRATIONS`]; quiet hours and digests follow the clocks of `zone`.
    pub async fn open(store: Store, settings: NotifySettings, subjects: Arc<dyn Subjects>, zone: TimeZone) -> Result<Self> {
        let mut tx = store.begin_as("notify").await?;
        let secret = tables::setting(&mut tx, "secret", &fresh()).await?;
        let key = tables::setting(&mut tx, "vapid", &Vapid::make()?).await?;
        jobs::schedule(&mut tx).await?;
        tx.commit().await?;
        let mailer = Mailer::new(&settings.mail)?;
        let subject = mailer.as_ref().map_or_else(|| settings.base.clone(), Mailer::contact);
        let notify = Self {
            vapid: Vapid::read(&key, &subject)?,
            client: settings.guard.client(0)?,
            mailer,
            store,
            settings,
            subjects,
            zone,
            declared: RwLock::default(),
            secret,
            turns: Semaphore::new(AT_ONCE),
            bell: Bell::new(),
            paced: Mutex::default(),
        };
        notify.reload().await?;
        Ok(notify)
    }

    /// Keeps what a pack declares. 422 `notify.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: NotifyPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("notify.pack.invalid", "The pack's messages are not usable.").with("fault", fault));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::put_pack(&mut tx, pack, &part).await?;
        tx.commit().await?;
        self.reload().await
    }

    async fn reload(&self) -> Result<()> {
        let mut all = NotifyPack::default();
        for pack in tables::packs(&self.store).await? {
            all.policy = pack.policy.or(all.policy);
            all.title.extend(pack.title);
            all.template.extend(pack.template);
            all.news.extend(pack.news);
        }
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    fn declared(&self) -> Arc<NotifyPack> {
        self.declared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn policy(&self) -> Result<Policy> {
        let missing = || Error::unavailable("notify.not-installed", "No pack says how messages are sent.");
        self.declared().policy.clone().ok_or_else(missing)
    }

    /// A token that proves to come from us; it names what it opens, so none is stored.
    fn token(&self, what: &str, id: Uuid) -> String {
        format!("{}.{}", id.simple(), &hash(&[&self.secret, what, &id.to_string()])[..40])
    }

    /// What a token opens. 403 `notify.token`.
    fn opened(&self, what: &str, token: &str) -> Result<Uuid> {
        let wrong = || Error::forbidden("notify.token", "This link is not valid, or not any more.");
        let id: Uuid = token.split_once('.').and_then(|(id, _)| id.parse().ok()).ok_or_else(wrong)?;
        if bool::from(self.token(what, id).as_bytes().ct_eq(token.as_bytes())) { Ok(id) } else { Err(wrong()) }
    }

    /// Wakes the workers.
    fn ring(&self) {
        self.bell.notify_one();
    }

    async fn commit(&self, tx: Tx) -> Result<()> {
        tx.commit().await?;
        self.ring();
        Ok(())
    }
}

/// An address as only its owner knows it: `n…@example.vn`, the host of a push service.
fn shown(via: Via, address: &str) -> String {
    match via {
        Via::Mail => match address.split_once('@') {
            Some((user, host)) => format!("{}…@{host}", user.chars().next().unwrap_or('…')),
            None => "…".into(),
        },
        Via::Push => url::Url::parse(address).ok().and_then(|u| u.host_str().map(str::to_string)).unwrap_or_else(|| "…".into()),
    }
}
