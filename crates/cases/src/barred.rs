//! Senders whose reports wait in a queue of their own: by telephone, mail address, account or device, with a reason and an end.
//! Nothing they send is lost; somebody of the centre looks at it before it goes anywhere. What identifies them is kept as a hash.

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::Contact;
use crate::tables_intake::{self as sql, BarredRecord};
use crate::{CURSORS, Cases, tables, text};

/// Longest time somebody is barred, days.
const LONGEST_DAYS: u32 = 730;

/// What somebody is recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BarredKind {
    /// Telephone number.
    Phone,
    /// Mail address.
    Email,
    /// Account.
    Person,
    /// Browser or telephone.
    Device,
}

impl BarredKind {
    fn code(self) -> &'static str {
        match self {
            BarredKind::Phone => "phone",
            BarredKind::Email => "email",
            BarredKind::Person => "person",
            BarredKind::Device => "device",
        }
    }
}

/// Somebody is to be barred: by a telephone number or mail address, or as the sender of a case.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BarredInput {
    /// `phone` or `email` for a value; left out for the sender of a case.
    pub kind: Option<BarredKind>,
    /// The number or address.
    pub value: Option<String>,
    /// Code of a case: all that its sender is known by.
    pub case: Option<String>,
    /// Why.
    pub reason: String,
    /// For how many days, at most 730.
    pub days: u32,
}

/// A barred sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Barred {
    /// Entry's id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// `phone`, `email`, `person` or `device`.
    pub kind: String,
    /// The last digits, the first letters: enough to tell entries apart.
    pub label: String,
    /// Why.
    pub reason: String,
    /// Who added it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// When it was ended early.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Whether it counts now.
    pub active: bool,
    /// Reports it held back.
    pub hits: i64,
    /// The last of them.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_hit: Option<Timestamp>,
}

/// A telephone number as it is compared: digits with the leading zero.
pub(crate) fn plain_phone(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("0084").or_else(|| digits.strip_prefix("84").filter(|rest| rest.len() >= 9)) {
        Some(rest) => format!("0{}", rest.trim_start_matches('0')),
        None => digits,
    }
}

/// What is left to tell entries apart.
fn label(kind: BarredKind, value: &str) -> String {
    let last: String = value.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
    match kind {
        BarredKind::Email => {
            let (user, host) = value.split_once('@').unwrap_or((value, ""));
            format!("{}•••@{host}", user.chars().take(2).collect::<String>())
        }
        BarredKind::Phone => format!("•••{last}"),
        BarredKind::Person | BarredKind::Device => format!("…{last}"),
    }
}

impl Cases {
    fn barred_hash(&self, kind: BarredKind, value: &str) -> String {
        text::hash(&[&self.secret, "barred", kind.code(), value])
    }

    /// What a sender is known by.
    fn known_by(&self, person: Option<Uuid>, contact: &Contact, device: Option<&str>) -> Vec<(BarredKind, String)> {
        let phone = contact.phone.as_deref().map(plain_phone).filter(|p| !p.is_empty());
        let mail = contact.email.as_deref().map(str::to_lowercase);
        [
            (BarredKind::Phone, phone),
            (BarredKind::Email, mail),
            (BarredKind::Person, person.map(|p| p.to_string())),
            (BarredKind::Device, device.map(str::to_string)),
        ]
        .into_iter()
        .filter_map(|(kind, value)| Some((kind, value?)))
        .collect()
    }

    /// How a device is kept: as a hash of what it calls itself.
    pub(crate) fn device_hash(&self, device: Option<&str>) -> Option<String> {
        let named = device.filter(|d| (16..=100).contains(&d.len()) && d.is_ascii());
        named.map(|d| text::hash(&[&self.secret, "device", d]))
    }

    /// The entry that a sender falls under now.
    pub(crate) async fn barred_sender(&self, tx: &mut Tx, person: Option<Uuid>, contact: &Contact, device: Option<&str>) -> Result<Option<BarredRecord>> {
        let hashes: Vec<String> = self.known_by(person, contact, device).iter().map(|(kind, value)| self.barred_hash(*kind, value)).collect();
        if hashes.is_empty() { Ok(None) } else { sql::barred_hit(tx, &hashes).await }
    }

    /// Bars a sender; every way they are known by becomes an entry. 400 `case.barred.*`, 404 `case.unknown`, 409
    /// `case.barred.already`, 422 `case.barred.nobody` when the sender of the case left nothing to know them by.
    pub async fn bar(&self, caller: &Caller, input: BarredInput) -> Result<Vec<Barred>> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let reason = text::clean(&input.reason, "reason", 1_000)?;
        if reason.is_empty() {
            return Err(Error::invalid("case.barred.reason", "Say why."));
        }
        if !(1..=LONGEST_DAYS).contains(&input.days) {
            return Err(Error::invalid("case.barred.days", "Say for how many days.").with("limit", LONGEST_DAYS));
        }
        let until = micros(caller.now.as_microsecond() + i64::from(input.days) * 86_400_000_000);
        let mut tx = self.store.begin(caller).await?;
        let known = match (&input.case, input.kind, &input.value) {
            (Some(code), None, None) => {
                let case = tables::case_by_code_in(&mut tx, code).await?.ok_or_else(tables::unknown)?;
                caller.require(Permission::CaseTriage, Scope::unit(&case.unit))?;
                let (person, contact) = tables::reporter_in(&mut tx, case.id).await?;
                let device = sql::device_in(&mut tx, case.id).await?;
                self.known_by(person, &contact, device.as_deref())
            }
            (None, Some(BarredKind::Phone), Some(value)) if plain_phone(value).len() >= 8 => vec![(BarredKind::Phone, plain_phone(value))],
            (None, Some(BarredKind::Email), Some(value)) if value.contains('@') && value.len() <= 254 => vec![(BarredKind::Email, value.trim().to_lowercase())],
            _ => return Err(Error::invalid("case.barred.who", "Give a telephone number, a mail address, or the code of a case.")),
        };
        if known.is_empty() {
            return Err(Error::unprocessable("case.barred.nobody", "The sender of this case left nothing to know them by."));
        }
        let mut added = Vec::new();
        for (kind, value) in known {
            let hash = self.barred_hash(kind, &value);
            if sql::is_barred(&mut tx, &hash).await? {
                continue;
            }
            let entry = BarredRecord {
                id: tx.id(),
                kind: kind.code().into(),
                label: label(kind, &value),
                reason: reason.clone(),
                by_name: self.actor(caller).to_string(),
                at: caller.now,
                until,
                ended_at: None,
                hits: 0,
                last_hit: None,
            };
            sql::insert_barred(&mut tx, &entry, &hash, caller.id).await?;
            tx.audit("case.barred.add", &format!("case-barred:{}", entry.id), &json!({ "kind": entry.kind, "reason": reason, "until": until })).await?;
            added.push(shown(entry, caller.now));
        }
        if added.is_empty() {
            return Err(Error::conflict("case.barred.already", "This sender is on the list already."));
        }
        tx.commit().await?;
        Ok(added)
    }

    /// The list, newest first.
    pub async fn barred(&self, caller: &Caller, query: &PageQuery) -> Result<Page<Barred>> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let found = sql::barred(&self.store, CURSORS.after(query.after.as_deref())?, query.limit() + 1).await?;
        let page = Page::of(found, query.limit(), |b| CURSORS.write(b.at, b.id));
        Ok(Page { items: page.items.into_iter().map(|b| shown(b, caller.now)).collect(), next: page.next, total: None })
    }

    /// Ends an entry early. 404 `case.barred.unknown`.
    pub async fn unbar(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !sql::end_barred(&mut tx, id).await? {
            return Err(Error::not_found("case.barred.unknown", "There is no such entry, or it was ended already."));
        }
        tx.audit("case.barred.end", &format!("case-barred:{id}"), &json!({})).await?;
        tx.commit().await
    }
}

fn shown(b: BarredRecord, now: Timestamp) -> Barred {
    Barred {
        active: b.ended_at.is_none() && b.until > now,
        id: b.id,
        kind: b.kind,
        label: b.label,
        reason: b.reason,
        by: b.by_name,
        at: b.at,
        until: b.until,
        ended_at: b.ended_at,
        hits: b.hits,
        last_hit: b.last_hit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_however_they_are_written() {
        for written in ["0912 345 678", "+84 912.345.678", "0084912345678", "84912345678", "0912-345-678"] {
            assert_eq!(plain_phone(written), "0912345678", "{written}");
        }
        assert_eq!(plain_phone("02213 861 234"), "02213861234");
        assert_eq!(label(BarredKind::Phone, "0912345678"), "•••678");
        assert_eq!(label(BarredKind::Email, "hoa.nguyen@example.vn"), "ho•••@example.vn");
    }
}
