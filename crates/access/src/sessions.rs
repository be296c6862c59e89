//! Sign-in, sessions, CSRF, bearer tokens, and how they become a [`Caller`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dothi_kernel::time::later;
use dothi_kernel::{Caller, CallerKind, Clock, Error, Grant, Kind, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::secret::{fresh, kept};
use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::guard::PASSWORD_MAX;
use crate::model::{Credentials, GrantView, Me, NewToken, PersonKind, SignedIn, Token, TokenWithSecret};
use crate::people::login_key;
use crate::tables::{self, GrantRow, PersonRow, TokenRow};
use crate::{Access, bounded, jobs};

/// Share of a session's life that may pass before its use is written down again.
const REFRESH: i64 = 20;

fn expired() -> Error {
    Error::unauthenticated("access.session-expired", "Your session has ended. Please sign in again.")
}

fn bad_credentials() -> Error {
    Error::unauthenticated("access.bad-credentials", "Login or password is wrong.")
}

/// The CSRF token of a session: known to who holds the session, useless without it.
pub fn csrf_of(session: &str) -> String {
    kept(&format!("dothi-csrf/{session}"))
}

impl Access {
    /// Checks login and password and begins a session. 401 `access.bad-credentials`, 429 `access.too-many-tries`,
    /// 503 `access.busy`.
    pub async fn sign_in(&self, caller: &Caller, login: &str, password: &str) -> Result<SignedIn> {
        let policy = self.policy()?;
        bounded(Some(login), 100)?;
        bounded(Some(password), PASSWORD_MAX)?;
        let login = login_key(login);
        self.throttle.admit(&policy.throttle, caller.now, &login, caller.address)?;
        let place = self.hashing()?.enter()?;
        self.throttle.count(&policy.throttle, caller.now, &login, caller.address)?;
        let result = self.check_password(place, &login, password).await;
        if !matches!(&result, Err(e) if e.kind() == Kind::Unauthenticated) {
            self.throttle.forgive(&login, caller.address);
        }
        match result {
            Ok(person) => self.begin_session(caller, person).await,
            Err(e) => {
                self.note_failure(caller, &login, &e).await?;
                Err(e)
            }
        }
    }

    async fn check_password(&self, place: crate::guard::Place, login: &str, password: &str) -> Result<PersonRow> {
        let person = tables::person_by_login(&self.store, login).await?;
        let stored = person.as_ref().map(|p| p.password.clone());
        let fits = place.verify(password.to_string(), stored).await?;
        person.filter(|p| fits && p.active).ok_or_else(bad_credentials)
    }

    /// Failures at a known person are kept in the audit log; the throttle bounds how many there can be.
    async fn note_failure(&self, caller: &Caller, login: &str, error: &Error) -> Result<()> {
        if error.kind() != Kind::Unauthenticated {
            return Ok(());
        }
        let Some(person) = tables::person_by_login(&self.store, login).await? else { return Ok(()) };
        let mut tx = self.store.begin(caller).await?;
        tx.audit("access.sign-in.failed", &format!("person:{}", person.id), &json!({ "active": person.active })).await?;
        tx.commit().await
    }

    pub(crate) fn hashing(&self) -> Result<Arc<crate::guard::Hashing>> {
        self.snapshot().hashing.clone().ok_or_else(crate::not_installed)
    }

    fn idle(&self, kind: PersonKind) -> Result<Duration> {
        let session = &self.policy()?.session;
        let minutes = match kind {
            PersonKind::Staff => session.staff_idle_minutes,
            PersonKind::Citizen => session.citizen_idle_minutes,
        };
        Ok(Duration::from_secs(u64::from(minutes) * 60))
    }

    pub(crate) async fn begin_session(&self, caller: &Caller, person: PersonRow) -> Result<SignedIn> {
        let (session, idle) = (fresh(), self.idle(person.kind)?);
        let grants = tables::grants(&self.store, &[person.id]).await?;
        let me = self.me_of(&person, &grants, &session);
        let who = self.person_caller(&person, &grants, caller.now, caller.request, caller.address);
        let mut tx = self.store.begin(&who).await?;
        tables::add_session(&mut tx, &kept(&session), person.id, later(caller.now, idle)).await?;
        tx.schedule(jobs::SESSIONS, "sweep", jobs::next_hour(caller.now)).await?;
        tx.audit("access.signed-in", &format!("person:{}", person.id), &json!({})).await?;
        tx.commit().await?;
        Ok(SignedIn { me, session, idle })
    }

    /// Ends the session; that it has ended already is fine.
    pub async fn sign_out(&self, caller: &Caller, session: &str) -> Result<()> {
        let mut tx = self.store.begin(caller).await?;
        if tables::end_session(&mut tx, &kept(session)).await? == 1 {
            let id = caller.id.map(|i| i.to_string()).unwrap_or_default();
            tx.audit("access.signed-out", &format!("person:{id}"), &json!({})).await?;
        }
        tx.commit().await
    }

    /// Who a request comes from. Nothing → anonymous; 401 `access.session-expired`, `access.token-invalid`.
    pub async fn authenticate(&self, credentials: &Credentials, address: Option<IpAddr>) -> Result<Caller> {
        let clock = self.store.clock();
        match credentials {
            Credentials::None => Ok(Caller::anonymous(clock.as_ref(), address)),
            Credentials::Session(session) => self.by_session(session, clock.as_ref(), address).await,
            Credentials::Bearer(bearer) => self.by_token(bearer, clock.as_ref(), address).await,
        }
    }

    async fn by_session(&self, session: &str, clock: &dyn Clock, address: Option<IpAddr>) -> Result<Caller> {
        if session.len() != 64 {
            return Err(expired());
        }
        let (hash, now) = (kept(session), clock.now());
        let row = tables::session(&self.store, &hash).await?.filter(|r| r.expires_at > now && r.person.active).ok_or_else(expired)?;
        let caller = self.person_caller(&row.person, &row.grants, now, clock.id(), address);
        let end = later(now, self.idle(row.person.kind)?);
        let gained = end.as_microsecond() - row.expires_at.as_microsecond();
        if gained > (end.as_microsecond() - now.as_microsecond()) / REFRESH {
            let mut tx = self.store.begin(&caller).await?;
            tables::extend_session(&mut tx, &hash, end).await?;
            tx.commit().await?;
        }
        Ok(caller)
    }

    async fn by_token(&self, bearer: &str, clock: &dyn Clock, address: Option<IpAddr>) -> Result<Caller> {
        let invalid = || Error::unauthenticated("access.token-invalid", "This token is unknown, revoked or has ended.");
        if bearer.len() > 200 {
            return Err(invalid());
        }
        let now = clock.now();
        let row = tables::token_by_hash(&self.store, &kept(bearer)).await?.ok_or_else(invalid)?;
        if row.token.revoked_at.is_some() || row.token.expires_at <= now {
            return Err(invalid());
        }
        let grants: Vec<Grant> = match row.owner {
            // Made by the installation itself: holds what it says, everywhere.
            None => {
                vec![Grant { role: "token".into(), unit: self.settings.home_province.clone(), permissions: row.token.permissions, units: None, sectors: None }]
            }
            Some(owner) => {
                tables::person_by_id(&self.store, owner).await?.filter(|p| p.active).ok_or_else(invalid)?;
                let held = self.expand(&tables::grants(&self.store, &[owner]).await?);
                let narrow = |mut g: Grant| {
                    g.permissions.retain(|p| row.token.permissions.contains(p));
                    (!g.permissions.is_empty()).then_some(g)
                };
                held.into_iter().filter_map(narrow).collect()
            }
        };
        Ok(Caller { kind: CallerKind::Program, id: Some(row.token.id), name: row.token.name.into(), grants: grants.into(), now, request: clock.id(), address })
    }

    /// A caller the installation trusts by itself (`DOTHI_TRUST_LOOPBACK`): an administrator of everything.
    pub fn trusted(&self, address: Option<IpAddr>) -> Caller {
        let clock = self.store.clock();
        let all = Grant { role: "admin".into(), unit: self.settings.home_province.clone(), permissions: Self::everything(), units: None, sectors: None };
        Caller { kind: CallerKind::Program, id: None, name: "loopback".into(), grants: Arc::new([all]), now: clock.now(), request: clock.id(), address }
    }

    /// What a person in office may do today, for work that the platform does for them while they are away. For the platform only.
    pub async fn standing(&self, system: &Caller, person: Uuid) -> Result<Option<Caller>> {
        if system.kind != CallerKind::System {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let Some(row) = tables::person_by_id(&self.store, person).await?.filter(|p| p.active) else { return Ok(None) };
        let grants = tables::grants(&self.store, &[person]).await?;
        Ok(Some(self.person_caller(&row, &grants, system.now, system.request, None)))
    }

    /// 403 `access.csrf` unless the header's value is the session's.
    pub fn check_csrf(&self, session: &str, given: Option<&str>) -> Result<()> {
        let expected = csrf_of(session);
        if given.is_some_and(|g| bool::from(g.as_bytes().ct_eq(expected.as_bytes()))) {
            return Ok(());
        }
        Err(Error::forbidden("access.csrf", "The request did not carry this session's X-CSRF-Token."))
    }

    fn person_caller(&self, person: &PersonRow, grants: &[GrantRow], now: Timestamp, request: Uuid, address: Option<IpAddr>) -> Caller {
        let (kind, name) = match person.kind {
            PersonKind::Staff => (CallerKind::Staff, person.login.as_str()),
            // A citizen's login is a phone number or an e-mail address: it never leaves its column.
            PersonKind::Citizen => (CallerKind::Citizen, "citizen"),
        };
        Caller { kind, id: Some(person.id), name: name.into(), grants: self.expand(grants).into(), now, request, address }
    }

    /// Grants with what they cover today. A role that no pack declares any more allows nothing.
    pub(crate) fn expand(&self, rows: &[GrantRow]) -> Vec<Grant> {
        let snapshot = self.snapshot();
        let grant = |g: &GrantRow| {
            let role = snapshot.roles.get(&g.role)?;
            let units = snapshot.cover(&g.unit, role.reach);
            Some(Grant { role: g.role.clone(), unit: g.unit.clone(), permissions: role.permissions.clone(), units, sectors: g.sectors.clone() })
        };
        rows.iter().filter_map(grant).collect()
    }

    pub(crate) fn grant_views(&self, rows: &[GrantRow]) -> Vec<GrantView> {
        let snapshot = self.snapshot();
        let view = |g: &GrantRow| GrantView {
            id: g.id,
            role: g.role.clone(),
            role_name: snapshot.roles.get(&g.role).map_or_else(|| g.role.clone(), |r| r.name.clone()),
            unit: snapshot.unit(&g.unit).map_or_else(|| dothi_kernel::UnitRef { id: g.unit.clone(), name: g.unit.clone() }, |u| u.reference()),
            sectors: g.sectors.clone(),
        };
        rows.iter().map(view).collect()
    }

    fn me_of(&self, person: &PersonRow, grants: &[GrantRow], session: &str) -> Me {
        Me {
            kind: if person.kind == PersonKind::Staff { CallerKind::Staff } else { CallerKind::Citizen },
            id: Some(person.id),
            name: person.name.clone(),
            login: Some(person.login.clone()),
            csrf: Some(csrf_of(session)),
            permissions: self.expand(grants).into_iter().flat_map(|g| g.permissions).collect(),
            grants: self.grant_views(grants),
            home: self.home_ref(),
        }
    }

    /// Who the caller is, for the caller's own eyes.
    pub async fn me(&self, caller: &Caller, session: Option<&str>) -> Result<Me> {
        let person = match (caller.kind, caller.id) {
            (CallerKind::Citizen | CallerKind::Staff, Some(id)) => tables::person_by_id(&self.store, id).await?,
            _ => None,
        };
        if let Some(person) = person {
            let grants = tables::grants(&self.store, &[person.id]).await?;
            return Ok(self.me_of(&person, &grants, session.unwrap_or_default()));
        }
        let permissions: BTreeSet<Permission> = caller.grants.iter().flat_map(|g| g.permissions.iter().copied()).collect();
        Ok(Me {
            kind: caller.kind,
            id: caller.id,
            name: caller.name.to_string(),
            login: None,
            csrf: None,
            permissions,
            grants: Vec::new(),
            home: self.home_ref(),
        })
    }

    /// Makes a token for a program. It never allows more than its maker holds when it is used. 403
    /// `access.token-exceeds`, 400 `access.token-life`.
    pub async fn create_token(&self, caller: &Caller, new: NewToken) -> Result<TokenWithSecret> {
        if !matches!(caller.kind, CallerKind::Staff | CallerKind::System) {
            caller.person()?;
            return Err(Error::forbidden("access.not-allowed", "Only people in office make tokens."));
        }
        let name = new.name.trim().to_string();
        if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
            return Err(Error::invalid("access.token-name", "Give the token a name of at most 60 characters."));
        }
        if new.permissions.is_empty() || !new.permissions.iter().all(|p| caller.may(*p, Scope::ANY)) {
            return Err(Error::forbidden("access.token-exceeds", "A token cannot allow what you are not allowed."));
        }
        let longest = later(caller.now, Duration::from_secs(u64::from(self.policy()?.token.max_days) * 86_400));
        let expires_at = new.expires_at.unwrap_or(longest);
        if expires_at <= caller.now || expires_at > longest {
            return Err(Error::invalid("access.token-life", "The token must end in the future, within the longest life allowed.").with("latest", longest));
        }
        let secret = format!("dothi_{}", fresh());
        let mut tx = self.store.begin(caller).await?;
        let token = Token { id: tx.id(), name, permissions: new.permissions, created_at: caller.now, expires_at, revoked_at: None };
        let row = TokenRow { token, owner: caller.id };
        tables::add_token(&mut tx, &row, &kept(&secret)).await?;
        let detail = json!({ "name": row.token.name, "permissions": row.token.permissions, "expires_at": row.token.expires_at });
        tx.audit("access.token.created", &format!("token:{}", row.token.id), &detail).await?;
        tx.commit().await?;
        Ok(TokenWithSecret { token: row.token, secret })
    }

    /// The caller's own tokens.
    pub async fn tokens(&self, caller: &Caller, page: &PageQuery) -> Result<Page<Token>> {
        tables::tokens(&self.store, caller.person()?, page).await
    }

    /// The sign-in name of whoever made the token a program came with; none for tokens of the installation itself.
    pub async fn token_owner(&self, program: &Caller) -> Result<Option<String>> {
        let (CallerKind::Program, Some(id)) = (program.kind, program.id) else { return Ok(None) };
        let Some(owner) = tables::token_by_id(&self.store, id).await?.and_then(|row| row.owner) else { return Ok(None) };
        Ok(tables::person_by_id(&self.store, owner).await?.map(|p| p.login))
    }

    /// Ends a token: one's own, or anybody's for those who manage people. 404 `access.token.unknown`.
    pub async fn revoke_token(&self, caller: &Caller, id: Uuid) -> Result<()> {
        let unknown = || Error::not_found("access.token.unknown", "There is no such token.");
        if caller.kind != CallerKind::System {
            caller.person()?;
        }
        let row = tables::token_by_id(&self.store, id).await?.ok_or_else(unknown)?;
        let manages = caller.may(Permission::PeopleManage, Scope::ANY) && caller.units_with(Permission::PeopleManage).is_none();
        if !manages && (caller.id.is_none() || row.owner != caller.id) {
            return Err(unknown());
        }
        let mut tx = self.store.begin(caller).await?;
        tables::revoke_token(&mut tx, id).await?;
        tx.audit("access.token.revoked", &format!("token:{id}"), &json!({})).await?;
        tx.commit().await
    }
}
