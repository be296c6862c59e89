//! Panels and buttons: numbers, keys, supervision, maintenance.

use std::time::Duration;

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, UnitRef};
use dothi_store::Tx;
use uuid::Uuid;

use crate::dc09::{Key, Scheme};
use crate::model::{AccountInput, AccountRow, FindQuery, KeyForm, KeyInput, MaintenanceInput, MessageRow, PathView, Stranger};
use crate::receive::{PATHS, supervision};
use crate::tables::{self, Account};
use crate::{FORM, Panels, tables_signals};

/// Most panels of an installation: they are held in memory.
const ACCOUNTS: i64 = 100_000;
/// Longest time between signs of life.
const LONGEST: u32 = 7 * 86_400;
/// Widest window of a clock.
const WINDOW: u32 = 86_400;

fn unknown() -> Error {
    Error::not_found("panels.account.unknown", "There is no such panel.")
}

fn wrong(field: &'static str) -> Error {
    Error::unprocessable("panels.account.invalid", "A field of the panel cannot be used.").with("field", field)
}

/// A panel's number: 3 to 16 hexadecimal digits, or the URN of a thing.
fn number(text: &str) -> Result<(String, Scheme)> {
    let text = FORM.needed(text, 200, "account")?;
    if text.starts_with("urn:") {
        return Ok((text, Scheme::Device));
    }
    let text = text.to_ascii_uppercase();
    let form = (3..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if form { Ok((text, Scheme::Sia)) } else { Err(wrong("account")) }
}

fn key_of(input: &KeyInput) -> Result<Option<Key>> {
    let Some(text) = input.key.as_deref().map(str::trim).filter(|k| !k.is_empty()) else { return Ok(None) };
    let bad = || Error::unprocessable("panels.key", "A key has 32, 48 or 64 hexadecimal digits, or 16, 24 or 32 letters.");
    let bytes = match input.form.ok_or_else(bad)? {
        KeyForm::Hex => hex::decode(text).map_err(|_| bad())?,
        KeyForm::Text => text.as_bytes().to_vec(),
    };
    Key::new(bytes).map(Some).ok_or_else(bad)
}

impl Panels {
    pub(crate) fn account_row(&self, caller: &Caller, a: &Account, premises: Option<UnitRef>) -> AccountRow {
        let rules = self.rules();
        let policy = rules.policy(caller.now).ok();
        let watch = self.watched();
        let seen = watch.seen.get(&a.id);
        let path = |n: usize| PathView {
            path: PATHS[n].into(),
            supervision: policy.map_or(0, |p| if a.scheme == Scheme::Device { 0 } else { supervision(a, n, p) }),
            seen_at: seen.map_or([a.primary_at, a.backup_at][n], |s| s.at[n]),
            lost_at: seen.map_or([a.primary_lost, a.backup_lost][n], |s| s.lost[n]),
        };
        let paths = if a.backup_line.is_some() { vec![path(0), path(1)] } else { vec![path(0)] };
        AccountRow {
            id: a.id,
            scheme: a.scheme,
            account: a.account.clone(),
            name: a.name.clone(),
            premises,
            key_bits: a.key.as_ref().and_then(|k| u32::try_from(k.bits()).ok()),
            paths,
            backup_line: a.backup_line.clone(),
            clock_past: a.clock_past,
            clock_ahead: a.clock_ahead,
            maintenance_until: a.maintenance_until.filter(|until| *until > caller.now),
            maintenance_why: a.maintenance_why.clone().filter(|_| a.maintenance_until.is_some_and(|until| until > caller.now)),
            active: a.active,
            drift: seen.and_then(|s| s.drift),
            refused: seen.map_or_else(Vec::new, super::receive::Seen::refusals),
            version: a.version,
        }
    }

    /// Panels by number. Needs `device-manage`.
    pub async fn accounts(&self, caller: &Caller, query: &FindQuery) -> Result<Page<AccountRow>> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let units = caller.units_with(Permission::DeviceManage);
        let words = dothi_kernel::text::fold(query.q.as_deref().unwrap_or(""));
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let mut all = self.all();
        all.sort_by(|a, b| a.account.cmp(&b.account));
        let after = query.after.as_deref().unwrap_or("");
        all.retain(|a| a.account.as_str() > after && (words.is_empty() || dothi_kernel::text::fold(&format!("{} {}", a.account, a.name)).contains(&words)));
        // Panels of other units' premises are left out; a step may therefore bring fewer rows than asked for.
        all.truncate(limit + 1);
        let page = Page::of(all, limit, |a| a.account.clone());
        let ids = page.items.iter().filter_map(|a| a.premises).collect();
        let premises = tables::premises_many(&self.store, &ids).await?;
        let row = |a: &std::sync::Arc<Account>| {
            let p = premises.iter().find(|p| Some(p.id) == a.premises);
            let mine = p.is_none_or(|p| p.unit.is_empty() || units.as_ref().is_none_or(|u| u.contains(&p.unit)));
            mine.then(|| self.account_row(caller, a, p.map(|p| UnitRef { id: p.id.to_string(), name: p.name.clone() })))
        };
        Ok(Page { items: page.items.iter().filter_map(row).collect(), next: page.next, total: None })
    }

    /// Accounts that are told and nobody registered, at most 500, since the program began. Needs `device-manage`.
    pub fn strangers(&self, caller: &Caller) -> Result<Vec<Stranger>> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        Ok(self.watched().strangers())
    }

    async fn own(&self, caller: &Caller, tx: &mut Tx, id: Uuid) -> Result<Account> {
        let account = tables::account(tx, id).await?.ok_or_else(unknown)?;
        let premises = self.premises_of(tx, &account).await?;
        self.require(caller, Permission::DeviceManage, premises.as_ref().map_or("", |p| p.unit.as_str()))?;
        Ok(account)
    }

    async fn told(&self, caller: &Caller, account: &Account) -> Result<AccountRow> {
        self.reload_accounts().await?;
        let place = match account.premises {
            Some(id) => tables::premises(&self.store, id).await?.map(|p| UnitRef { id: id.to_string(), name: p.name }),
            None => None,
        };
        Ok(self.account_row(caller, account, place))
    }

    /// Registers a panel (`id` absent) or changes one. Needs `device-manage` in the unit of its premises.
    /// 404, 409 `panels.version`, `panels.account.taken`, 422 `panels.account.invalid`, `panels.account.many`.
    pub async fn put_account(&self, caller: &Caller, id: Option<Uuid>, input: AccountInput) -> Result<AccountRow> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let old = match id {
            Some(id) => Some(self.own(caller, &mut tx, id).await?),
            None => None,
        };
        if old.as_ref().is_some_and(|o| input.version != Some(o.version)) {
            return Err(FORM.stale());
        }
        let made = self.settle_account(caller, &mut tx, old, &input).await?;
        self.set_watch(&mut tx).await?;
        tx.commit().await?;
        self.watched().forget_stranger(&made.account);
        self.told(caller, &made).await
    }

    /// Writes a panel within a change, after checking it.
    pub(crate) async fn settle_account(&self, caller: &Caller, tx: &mut Tx, old: Option<Account>, input: &AccountInput) -> Result<Account> {
        let (account, scheme) = number(&input.account)?;
        if tables::account_numbered(tx, &account).await?.is_some_and(|other| old.as_ref().is_none_or(|o| o.id != other.id)) {
            return Err(Error::conflict("panels.account.taken", "This number is registered already."));
        }
        if old.is_none() && tables::count_accounts(tx).await? >= ACCOUNTS {
            return Err(Error::unprocessable("panels.account.many", "There are as many panels as an installation may have.").with("limit", ACCOUNTS));
        }
        if let Some(premises) = input.premises {
            let premises = tables::premises_in(tx, premises).await?.ok_or_else(|| wrong("premises"))?;
            self.require(caller, Permission::DeviceManage, &premises.unit)?;
        }
        let times = [("supervision", input.supervision), ("backup_supervision", input.backup_supervision)];
        if let Some((field, _)) = times.into_iter().find(|(_, s)| s.is_some_and(|s| s > LONGEST || (s > 0 && s < 5))) {
            return Err(wrong(field));
        }
        if let Some((field, _)) =
            [("clock_past", input.clock_past), ("clock_ahead", input.clock_ahead)].into_iter().find(|(_, s)| s.is_some_and(|s| s > WINDOW))
        {
            return Err(wrong(field));
        }
        let backup_line = input.backup_line.as_deref().map(str::trim).filter(|l| !l.is_empty()).map(str::to_ascii_uppercase);
        if backup_line.as_ref().is_some_and(|l| l.len() > 6 || !l.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(wrong("backup_line"));
        }
        let back = old.as_ref().is_some_and(|o| !o.active) && input.active;
        let base = old.unwrap_or_else(|| Account {
            id: tx.id(),
            scheme,
            account: String::new(),
            name: String::new(),
            premises: None,
            key: None,
            clock_past: None,
            clock_ahead: None,
            supervision: None,
            backup_line: None,
            backup_supervision: None,
            maintenance_until: None,
            maintenance_why: None,
            active: true,
            primary_at: None,
            backup_at: None,
            primary_lost: None,
            backup_lost: None,
            since: caller.now,
            at: caller.now,
            by: String::new(),
            version: 0,
        });
        let since = if back { caller.now } else { base.since };
        let made = Account {
            scheme,
            account,
            name: FORM.bounded(&input.name, 120, "name")?,
            premises: input.premises,
            clock_past: input.clock_past,
            clock_ahead: input.clock_ahead,
            supervision: input.supervision,
            backup_supervision: input.backup_supervision.filter(|_| backup_line.is_some()),
            backup_line,
            active: input.active,
            since,
            at: caller.now,
            by: caller.name.to_string(),
            version: base.version + 1,
            ..base
        };
        tables::put_account(tx, &made).await?;
        let action = if made.version == 1 { "panels.account.add" } else { "panels.account.change" };
        tx.audit(action, &format!("panel:{}", made.id), &serde_json::json!({ "account": made.account })).await?;
        Ok(made)
    }

    /// Gives a panel its key, or none. It is never shown again. Needs `device-manage`. 422 `panels.key`.
    pub async fn set_key(&self, caller: &Caller, id: Uuid, input: &KeyInput) -> Result<AccountRow> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let key = key_of(input)?;
        let mut tx = self.store.begin(caller).await?;
        let mut account = self.own(caller, &mut tx, id).await?;
        let bits = key.as_ref().map(Key::bits);
        account.key = key;
        account.version += 1;
        tables::put_account(&mut tx, &account).await?;
        tx.audit("panels.account.key", &format!("panel:{id}"), &serde_json::json!({ "bits": bits })).await?;
        tx.commit().await?;
        self.told(caller, &account).await
    }

    /// Puts a panel into maintenance until an instant, or ends it: what it tells meanwhile is kept and raises nothing. Needs
    /// `device-manage` or `alarm-handle`. 422 `panels.maintenance` beyond the policy's longest, `panels.empty` without a reason.
    pub async fn set_maintenance(&self, caller: &Caller, id: Uuid, input: &MaintenanceInput) -> Result<AccountRow> {
        if caller.require(Permission::AlarmHandle, Scope::ANY).is_err() {
            caller.require(Permission::DeviceManage, Scope::ANY)?;
        }
        let mut tx = self.store.begin(caller).await?;
        let mut account = tables::account(&mut tx, id).await?.ok_or_else(unknown)?;
        let premises = self.premises_of(&mut tx, &account).await?;
        let unit = premises.as_ref().map_or("", |p| p.unit.as_str());
        if self.require(caller, Permission::AlarmHandle, unit).is_err() {
            self.require(caller, Permission::DeviceManage, unit)?;
        }
        let rules = self.rules();
        let longest = caller.now + Duration::from_secs(u64::from(rules.policy(caller.now)?.maintenance_hours) * 3_600);
        match input.until {
            Some(until) if until <= caller.now || until > longest => {
                return Err(Error::unprocessable("panels.maintenance", "Maintenance ends later than now, and not later than the policy allows.")
                    .with("latest", longest));
            }
            Some(until) => (account.maintenance_until, account.maintenance_why) = (Some(until), Some(FORM.needed(&input.reason, 300, "reason")?)),
            None => (account.maintenance_until, account.maintenance_why) = (None, None),
        }
        account.version += 1;
        tables::put_account(&mut tx, &account).await?;
        tx.audit("panels.account.maintenance", &format!("panel:{id}"), &serde_json::json!({ "until": input.until })).await?;
        tx.commit().await?;
        self.told(caller, &account).await
    }

    /// What a panel told last, newest first, at most 100. Needs `device-manage`.
    pub async fn messages(&self, caller: &Caller, id: Uuid) -> Result<Vec<MessageRow>> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        self.own(caller, &mut tx, id).await?;
        tx.rollback().await?;
        let found = tables_signals::messages(&self.store, "account", id, 100).await?;
        Ok(found.into_iter().map(|m| self.message(m)).collect())
    }
}
