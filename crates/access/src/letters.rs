//! Letters that people ask for: the link that sets a new password, the link that confirms an address. Only the request is stored;
//! what is in the link is made from the installation's secret when the letter is written.

use std::time::Duration;

use dothi_kernel::{Caller, CallerKind, Error, Event, Result, Timestamp};
use dothi_store::Tx;
use dothi_store::secret::{fresh, kept};
use serde::Serialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::guard::PASSWORD_MAX;
use crate::people::{contact, login_key};
use crate::tables_mail::{self as sql, LetterRow};
use crate::{Access, bounded, tables};

const PASSWORD: &str = "password";
const ADDRESS: &str = "address";
/// How long a link counts.
const PASSWORD_LIFE: Duration = Duration::from_secs(3_600);
const ADDRESS_LIFE: Duration = Duration::from_secs(3 * 86_400);
/// Letters of one purpose an hour to one person.
const MOST: i64 = 3;

/// A letter that is to be written. For the platform only: it holds an address and a link's secret.
pub struct Letter {
    /// `password` or `address`: the name of its words.
    pub purpose: String,
    /// Mail address.
    pub email: String,
    /// Page and secret, from the root (`/password#…`).
    pub path: String,
    /// Minutes for which the link counts.
    pub minutes: u64,
}

/// The address of one's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AccountAddress)]
pub struct Address {
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether its owner opened the link.
    pub confirmed: bool,
}

fn shifted(at: Timestamp, by: Duration, back: bool) -> Timestamp {
    let us = i64::try_from(by.as_micros()).unwrap_or(0);
    dothi_kernel::time::micros(at.as_microsecond() + if back { -us } else { us })
}

fn invalid() -> Error {
    Error::forbidden("access.letter.invalid", "This link is not valid, or not any more.")
}

impl Access {
    /// The caller's own address.
    pub async fn address(&self, caller: &Caller) -> Result<Address> {
        let (email, confirmed) = sql::address(&self.store, caller.person()?).await?;
        Ok(Address { email, confirmed })
    }

    /// Asks for the link that confirms an address as the caller's own. 400 `access.address-form`; 409 `access.address-taken`;
    /// 429 `access.too-many-letters`.
    pub async fn ask_address(&self, caller: &Caller, email: &str) -> Result<()> {
        let person = caller.person()?;
        if !matches!(caller.kind, CallerKind::Citizen | CallerKind::Staff) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let email = email.trim().to_lowercase();
        let fine = bounded(Some(email.as_str()), 254).is_ok() && contact(&email).is_some_and(|c| c.email.is_some());
        if !fine {
            return Err(Error::invalid("access.address-form", "This is no mail address."));
        }
        if sql::owner(&self.store, &email).await?.is_some_and(|owner| owner != person) {
            return Err(Error::conflict("access.address-taken", "This address belongs to another account."));
        }
        let mut tx = self.store.begin(caller).await?;
        self.ask(&mut tx, person, ADDRESS, email, ADDRESS_LIFE).await?;
        tx.commit().await
    }

    /// Asks for the link that sets a new password. It goes to the confirmed address of the account, if there is one; the answer is the same
    /// when there is none, so that nobody learns who has an account. 429 `access.too-many-tries`.
    pub async fn ask_password(&self, caller: &Caller, login: &str) -> Result<()> {
        bounded(Some(login), 254)?;
        let login = login_key(login);
        let policy = self.policy()?;
        // Counted apart from sign-ins of the same login.
        let key = format!("forgot/{login}");
        self.throttle.admit(&policy.throttle, caller.now, &key, caller.address)?;
        self.throttle.count(&policy.throttle, caller.now, &key, caller.address)?;
        let person = match tables::person_by_login(&self.store, &login).await? {
            Some(person) => Some(person),
            None => match sql::owner(&self.store, &login).await? {
                Some(id) => tables::person_by_id(&self.store, id).await?,
                None => None,
            },
        };
        let Some(person) = person.filter(|p| p.active) else { return Ok(()) };
        let (Some(email), true) = sql::address(&self.store, person.id).await? else { return Ok(()) };
        let mut tx = self.store.begin(caller).await?;
        match self.ask(&mut tx, person.id, PASSWORD, email, PASSWORD_LIFE).await {
            Ok(()) => tx.commit().await,
            Err(e) if e.code() == "access.too-many-letters" => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Notes the request; the letter is written by what follows the event.
    pub(crate) async fn ask(&self, tx: &mut Tx, person: Uuid, purpose: &str, email: String, life: Duration) -> Result<()> {
        let now = tx.now();
        if sql::asked(tx, person, purpose, shifted(now, Duration::from_secs(3_600), true)).await? >= MOST {
            return Err(Error::too_many("access.too-many-letters", "Letters were sent already. Please look into your mail box.")
                .retry_after(Duration::from_secs(1_800)));
        }
        let row = LetterRow { id: tx.id(), person, purpose: purpose.into(), email, expires_at: shifted(now, life, false), used: false };
        sql::insert(tx, &row, shifted(now, ADDRESS_LIFE, true)).await?;
        tx.audit(&format!("access.letter.{purpose}"), &format!("person:{person}"), &json!({ "letter": row.id })).await?;
        tx.emit(Event::LetterAsked { letter: row.id });
        Ok(())
    }

    /// A citizen who entered themselves with a mail address is asked to confirm it.
    pub(crate) async fn ask_at_entry(&self, tx: &mut Tx, person: Uuid, email: Option<&str>) -> Result<()> {
        match email {
            Some(email) => self.ask(tx, person, ADDRESS, email.to_string(), ADDRESS_LIFE).await,
            None => Ok(()),
        }
    }

    async fn token(&self, letter: Uuid) -> Result<String> {
        let mut tx = self.store.begin_as("access").await?;
        let key = sql::secret(&mut tx, &fresh()).await?;
        tx.commit().await?;
        Ok(format!("{}.{}", letter.simple(), &kept(&format!("dothi-letter/{key}/{letter}"))[..40]))
    }

    /// The letter that was asked for; none when it is used up or too late. For the platform only.
    pub async fn letter(&self, system: &Caller, id: Uuid) -> Result<Option<Letter>> {
        if system.kind != CallerKind::System {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let Some(row) = sql::letter(&self.store, id).await?.filter(|l| !l.used && l.expires_at > system.now) else { return Ok(None) };
        let left = (row.expires_at.as_microsecond() - system.now.as_microsecond()) / 60_000_000;
        let path = format!("/{}#{}", row.purpose, self.token(id).await?);
        Ok(Some(Letter { path, purpose: row.purpose, email: row.email, minutes: u64::try_from(left).unwrap_or(1).max(1) }))
    }

    async fn opened(&self, caller: &Caller, token: &str, purpose: &str) -> Result<LetterRow> {
        let id: Uuid = token.split_once('.').and_then(|(id, _)| id.parse().ok()).ok_or_else(invalid)?;
        if !bool::from(self.token(id).await?.as_bytes().ct_eq(token.as_bytes())) {
            return Err(invalid());
        }
        let row = sql::letter(&self.store, id).await?.ok_or_else(invalid)?;
        if row.used || row.expires_at <= caller.now || row.purpose != purpose { Err(invalid()) } else { Ok(row) }
    }

    /// Sets a new password with the link from the letter; all sessions end. 403 `access.letter.invalid`, 400 `access.password-short`.
    pub async fn reset_password(&self, caller: &Caller, token: &str, new: &str) -> Result<()> {
        bounded(Some(new), PASSWORD_MAX)?;
        let row = self.opened(caller, token, PASSWORD).await?;
        let person = tables::person_by_id(&self.store, row.person).await?.filter(|p| p.active).ok_or_else(invalid)?;
        self.check_new_password(person.kind, new)?;
        let hash = self.hashing()?.enter()?.hash(new.to_string()).await?;
        let mut tx = self.store.begin(caller).await?;
        if !sql::consume(&mut tx, &row).await? {
            return Err(invalid());
        }
        tables::set_password(&mut tx, person.id, &hash).await?;
        tables::end_sessions(&mut tx, person.id).await?;
        tx.audit("access.password.reset", &format!("person:{}", person.id), &json!({ "letter": row.id })).await?;
        tx.commit().await
    }

    /// Confirms the address with the link from the letter. 403 `access.letter.invalid`, 409 `access.address-taken`.
    pub async fn confirm_address(&self, caller: &Caller, token: &str) -> Result<()> {
        let row = self.opened(caller, token, ADDRESS).await?;
        if sql::owner(&self.store, &row.email).await?.is_some_and(|owner| owner != row.person) {
            return Err(Error::conflict("access.address-taken", "This address belongs to another account."));
        }
        let mut tx = self.store.begin(caller).await?;
        if !sql::consume(&mut tx, &row).await? {
            return Err(invalid());
        }
        sql::confirm(&mut tx, row.person, &row.email).await?;
        tx.audit("access.address.confirmed", &format!("person:{}", row.person), &json!({ "letter": row.id })).await?;
        tx.commit().await
    }
}
