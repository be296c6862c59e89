//! People: entering, finding, giving and taking roles.

use std::collections::HashMap;

use dothi_kernel::{Caller, CallerKind, Error, Page, PageQuery, Permission, Result, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::guard::PASSWORD_MAX;
use crate::model::{GrantView, NewGrant, NewPerson, Person, PersonKind, SignedIn};
use crate::tables::{self, Contact, GrantRow, PersonRow};
use crate::{Access, bounded, unknown_unit};

/// The form under which a login is stored and looked up: e-mail addresses and staff logins in lower case, phone
/// numbers as digits with a leading 0.
pub(crate) fn login_key(login: &str) -> String {
    let login = login.trim().to_lowercase();
    let digits: String = login.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')')).collect();
    let number = digits.strip_prefix("+84").map(|rest| format!("0{rest}")).unwrap_or(digits);
    if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) { number } else { login }
}

pub(crate) fn contact(key: &str) -> Option<Contact> {
    if key.starts_with('0') && (9..=11).contains(&key.len()) && key.chars().all(|c| c.is_ascii_digit()) {
        return Some(Contact { phone: Some(key.to_string()), email: None });
    }
    let (user, host) = key.split_once('@')?;
    let fine = !user.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains('@');
    (fine && !key.chars().any(|c| c.is_whitespace() || c.is_control())).then(|| Contact { phone: None, email: Some(key.to_string()) })
}

fn staff_login(key: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    (2..=60).contains(&key.len()) && key.chars().all(fine) && key.starts_with(|c: char| c.is_ascii_lowercase())
}

fn unknown_person() -> Error {
    Error::not_found("access.person.unknown", "There is no such person.")
}

impl Access {
    /// Enters a person. 400 `access.login-form`, `access.name-form`, `access.password-short`; 409 `access.login-taken`.
    pub async fn create_person(&self, caller: &Caller, kind: PersonKind, new: NewPerson) -> Result<Person> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let row = self.enter(caller, kind, new).await?;
        Ok(Person { id: row.id, login: row.login, name: row.name, active: row.active, grants: Vec::new() })
    }

    /// A citizen enters themselves and is signed in. 429 when one address enters too many.
    pub async fn register(&self, caller: &Caller, new: NewPerson) -> Result<SignedIn> {
        self.throttle.register(&self.policy()?.throttle, caller.now, caller.address)?;
        let row = self.enter(caller, PersonKind::Citizen, new).await?;
        self.begin_session(caller, row).await
    }

    async fn enter(&self, caller: &Caller, kind: PersonKind, new: NewPerson) -> Result<PersonRow> {
        bounded(Some(&new.login), 100)?;
        let login = login_key(&new.login);
        let known = contact(&login);
        let fine = match kind {
            PersonKind::Staff => staff_login(&login),
            // Whoever enters others may give a citizen without phone and e-mail a plain login.
            PersonKind::Citizen => known.is_some() || (caller.kind != CallerKind::Anonymous && staff_login(&login)),
        };
        if !fine {
            return Err(Error::invalid("access.login-form", "The login must be a phone number or e-mail address, or for staff a short plain name."));
        }
        let name = new.name.trim().to_string();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::invalid("access.name-form", "Give a name of at most 100 characters."));
        }
        self.check_new_password(kind, &new.password)?;
        let place = self.hashing()?.enter()?;
        if tables::person_by_login(&self.store, &login).await?.is_some() {
            return Err(Error::conflict("access.login-taken", "This login is in use already."));
        }
        let password = place.hash(new.password).await?;
        let mut tx = self.store.begin(caller).await?;
        let row = PersonRow { id: tx.id(), kind, login, name, password, active: true };
        let contact = known.filter(|_| kind == PersonKind::Citizen).unwrap_or(Contact { phone: None, email: None });
        tables::add_person(&mut tx, &row, &contact).await?;
        if caller.kind == CallerKind::Anonymous {
            self.ask_at_entry(&mut tx, row.id, contact.email.as_deref()).await?;
        }
        tx.audit("access.person.created", &format!("person:{}", row.id), &json!({ "kind": kind, "by": entered_by(caller) })).await?;
        tx.commit().await?;
        Ok(row)
    }

    pub(crate) fn check_new_password(&self, kind: PersonKind, password: &str) -> Result<()> {
        let policy = self.policy()?;
        let least = match kind {
            PersonKind::Staff => policy.password.staff_min,
            PersonKind::Citizen => policy.password.citizen_min,
        };
        let length = password.chars().count();
        if length < least || length > PASSWORD_MAX {
            let error = Error::invalid("access.password-short", "The password is too short or too long.");
            return Err(error.with("min", least).with("max", PASSWORD_MAX));
        }
        Ok(())
    }

    /// The caller changes their own password; all their sessions end.
    pub async fn change_password(&self, caller: &Caller, old: &str, new: &str) -> Result<()> {
        let id = caller.person()?;
        let policy = self.policy()?;
        bounded(Some(old), PASSWORD_MAX)?;
        let person = tables::person_by_id(&self.store, id).await?.ok_or_else(unknown_person)?;
        self.check_new_password(person.kind, new)?;
        self.throttle.admit(&policy.throttle, caller.now, &person.login, caller.address)?;
        self.throttle.count(&policy.throttle, caller.now, &person.login, caller.address)?;
        let hashing = self.hashing()?;
        if !hashing.enter()?.verify(old.to_string(), Some(person.password)).await? {
            return Err(Error::unauthenticated("access.bad-credentials", "Login or password is wrong."));
        }
        self.throttle.forgive(&person.login, caller.address);
        let hash = hashing.enter()?.hash(new.to_string()).await?;
        let mut tx = self.store.begin(caller).await?;
        tables::set_password(&mut tx, id, &hash).await?;
        tables::end_sessions(&mut tx, id).await?;
        tx.audit("access.password.changed", &format!("person:{id}"), &json!({})).await?;
        tx.commit().await
    }

    /// People in office by login or name. Citizens are in no list.
    pub async fn people(&self, caller: &Caller, words: Option<&str>, page: &PageQuery) -> Result<Page<Person>> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let page = tables::staff(&self.store, bounded(words, 100)?, page).await?;
        let ids: Vec<Uuid> = page.items.iter().map(|p| p.id).collect();
        let mut grants: HashMap<Uuid, Vec<GrantRow>> = HashMap::new();
        for grant in tables::grants(&self.store, &ids).await? {
            grants.entry(grant.person).or_default().push(grant);
        }
        let view = |p: PersonRow| Person {
            grants: self.grant_views(grants.get(&p.id).map_or(&[][..], Vec::as_slice)),
            id: p.id,
            login: p.login,
            name: p.name,
            active: p.active,
        };
        Ok(Page { items: page.items.into_iter().map(view).collect(), next: page.next, total: page.total })
    }

    /// Gives a role at a unit. Whoever gives it must manage people wherever the role reaches, and everywhere when the
    /// role itself manages people. 404 `access.person.unknown`, `access.role.unknown`, `access.unit.unknown`.
    pub async fn grant(&self, caller: &Caller, person: Uuid, new: NewGrant) -> Result<GrantView> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let snapshot = self.snapshot();
        let unknown_role = || Error::not_found("access.role.unknown", "There is no such role.");
        let role = snapshot.roles.get(&new.role).ok_or_else(unknown_role)?;
        let unit = snapshot.unit(&new.unit).ok_or_else(|| unknown_unit(&new.unit))?;
        if new.sectors.as_ref().is_some_and(|s| s.is_empty() || s.len() > 50 || s.iter().any(|s| s.is_empty() || s.len() > 60)) {
            return Err(Error::invalid("access.sectors", "Sectors must be a short list of pack names, or absent."));
        }
        if let Some(mine) = caller.units_with(Permission::PeopleManage) {
            let reach = snapshot.cover(&unit.id, role.reach);
            if role.permissions.contains(&Permission::PeopleManage) || reach.is_none_or(|r| !r.is_subset(&mine)) {
                return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
            }
        }
        let known = tables::person_by_id(&self.store, person).await?;
        known.filter(|p| p.kind == PersonKind::Staff && p.active).ok_or_else(unknown_person)?;
        let mut tx = self.store.begin(caller).await?;
        let row = GrantRow { id: tx.id(), person, role: new.role, unit: new.unit, sectors: new.sectors };
        tables::add_grant(&mut tx, &row).await?;
        let detail = json!({ "grant": row.id, "role": row.role, "unit": row.unit, "sectors": row.sectors });
        tx.audit("access.grant.given", &format!("person:{person}"), &detail).await?;
        tx.commit().await?;
        self.grant_views(&[row]).pop().ok_or_else(unknown_person)
    }

    /// Takes a role away at once. 404 `access.grant.unknown`.
    pub async fn revoke_grant(&self, caller: &Caller, person: Uuid, grant: Uuid) -> Result<()> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let unknown = || Error::not_found("access.grant.unknown", "There is no such grant.");
        let row = tables::grant_of(&self.store, person, grant).await?.ok_or_else(unknown)?;
        caller.require(Permission::PeopleManage, Scope::unit(&row.unit))?;
        let mut tx = self.store.begin(caller).await?;
        tables::revoke_grant(&mut tx, grant).await?;
        tx.audit("access.grant.taken", &format!("person:{person}"), &json!({ "grant": grant, "role": row.role, "unit": row.unit })).await?;
        tx.commit().await
    }

    /// The person may no longer sign in; sessions and tokens end at once. Only for those who manage people everywhere
    /// the person holds a role. 404 `access.person.unknown`.
    pub async fn deactivate(&self, caller: &Caller, person: Uuid) -> Result<()> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        tables::person_by_id(&self.store, person).await?.ok_or_else(unknown_person)?;
        let grants = tables::grants(&self.store, &[person]).await?;
        if grants.is_empty() && caller.units_with(Permission::PeopleManage).is_some() {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        for grant in grants {
            caller.require(Permission::PeopleManage, Scope::unit(&grant.unit))?;
        }
        let mut tx = self.store.begin(caller).await?;
        if tables::deactivate(&mut tx, person).await? {
            tx.audit("access.person.deactivated", &format!("person:{person}"), &json!({})).await?;
        }
        tx.commit().await
    }
}

/// Whether a person entered themselves.
fn entered_by(caller: &Caller) -> &'static str {
    match caller.kind {
        CallerKind::Anonymous => "self",
        _ => "manager",
    }
}
