//! The premises file: what stands where, what is dangerous there, whom to call.

use bytes::Bytes;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, UnitRef};
use dothi_store::{Tx, params};
use uuid::Uuid;

use crate::model::{Contact, FindQuery, Plan, PremisesInput, PremisesRow, PremisesView, Private, Zone};
use crate::signals::severity;
use crate::tables::{self, Filter, Found, Premises};
use crate::{FORM, Panels};

/// Zones of one premises file.
const ZONES: usize = 500;
/// Contacts of one.
const CONTACTS: usize = 20;
/// Drawings of one.
const PLANS: usize = 20;
/// Most bytes of a drawing.
pub(crate) const PLAN: usize = 10 * 1024 * 1024;

fn unknown() -> Error {
    Error::not_found("panels.premises.unknown", "There are no such premises.")
}

/// What a drawing may be, by its first bytes.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
}

pub(crate) fn checked_private(given: Private) -> Result<Private> {
    if given.contacts.len() > CONTACTS {
        return Err(Error::unprocessable("panels.too-many", "There are more contacts than a file may hold.").with("limit", CONTACTS));
    }
    let contact = |c: Contact| {
        Ok(Contact {
            name: FORM.needed(&c.name, 120, "contact.name")?,
            role: FORM.bounded(&c.role, 120, "contact.role")?,
            phone: FORM.bounded(&c.phone, 40, "contact.phone")?,
            key: c.key,
        })
    };
    Ok(Private { contacts: given.contacts.into_iter().map(contact).collect::<Result<_>>()?, keys: FORM.bounded(&given.keys, 1_000, "keys")? })
}

fn checked_zones(given: Vec<Zone>) -> Result<Vec<Zone>> {
    if given.len() > ZONES {
        return Err(Error::unprocessable("panels.too-many", "There are more detectors than a file may hold.").with("limit", ZONES));
    }
    let zone = |z: Zone| {
        Ok(Zone {
            zone: FORM.needed(&z.zone, 16, "zone.zone")?,
            name: FORM.needed(&z.name, 120, "zone.name")?,
            place: FORM.bounded(&z.place, 120, "zone.place")?,
        })
    };
    given.into_iter().map(zone).collect()
}

impl Panels {
    fn premises_row(&self, found: &Found) -> PremisesRow {
        let p = &found.premises;
        PremisesRow {
            id: p.id,
            code: p.code.clone(),
            name: p.name.clone(),
            kind: p.kind.clone(),
            address: p.address.clone(),
            commune: self.commune_ref(&p.commune),
            unit: self.unit_ref(&p.unit),
            location: p.location,
            open: found.open,
            worst: found.rank.map(severity),
            confirmed: found.confirmed,
        }
    }

    /// Premises of the caller's units by code, with what is open there. 400 `panels.too-long`.
    pub async fn premises_list(&self, caller: &Caller, query: &FindQuery) -> Result<Page<PremisesRow>> {
        let units = self.visible(caller)?;
        let mut filter = Filter::default();
        filter.units("p.unit", units.as_ref());
        if let Some(words) = query.q.as_deref().map(str::trim).filter(|w| !w.is_empty()) {
            let words = FORM.bounded(words, 100, "q")?;
            for word in dothi_kernel::text::fold(&words).split_whitespace() {
                let like = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                filter.add("p.folded like ? escape '\\'", params![format!("%{like}%")]);
            }
        }
        if let Some(after) = &query.after {
            filter.add("p.code > ?", params![after]);
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let page = Page::of(tables::find_premises(&self.store, &filter, limit + 1).await?, limit, |f| f.premises.code.clone());
        Ok(Page { items: page.items.iter().map(|f| self.premises_row(f)).collect(), next: page.next, total: None })
    }

    async fn seen_premises(&self, caller: &Caller, id: Uuid) -> Result<Found> {
        let units = self.visible(caller)?;
        let mut filter = Filter::default();
        filter.add("p.id = ?", params![id]);
        let found = tables::find_premises(&self.store, &filter, 1).await?.pop().ok_or_else(unknown)?;
        if !found.premises.unit.is_empty() && units.is_some_and(|u| !u.contains(&found.premises.unit)) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        Ok(found)
    }

    /// The premises file, without what is personal. 404 `panels.premises.unknown`, 403 for another unit's.
    pub async fn premises(&self, caller: &Caller, id: Uuid) -> Result<PremisesView> {
        let found = self.seen_premises(caller, id).await?;
        let accounts = tables::accounts_at(&self.store, id).await?;
        let place = UnitRef { id: id.to_string(), name: found.premises.name.clone() };
        let accounts = accounts.iter().map(|a| self.account_row(caller, a, Some(place.clone()))).collect();
        let p = &found.premises;
        Ok(PremisesView {
            row: self.premises_row(&found),
            hazards: p.hazards.clone(),
            water: p.water.clone(),
            approach: p.approach.clone(),
            zones: p.zones.clone(),
            plans: p.plans.clone(),
            accounts,
            score: self.score_of(caller, id).await?,
            at: p.at,
            by: p.by.clone(),
            version: p.version,
        })
    }

    /// People to call, and keys. Needs `alarm-handle` or `device-manage` in the unit; each reading is on record.
    pub async fn private(&self, caller: &Caller, id: Uuid) -> Result<Private> {
        let found = self.seen_premises(caller, id).await?;
        if self.require(caller, Permission::DeviceManage, &found.premises.unit).is_err() {
            self.require(caller, Permission::AlarmHandle, &found.premises.unit)?;
        }
        let mut tx = self.store.begin(caller).await?;
        tx.audit("panels.private.read", &format!("premises:{id}"), &serde_json::json!({})).await?;
        tx.commit().await?;
        tables::private(&self.store, id).await
    }

    /// Hands in premises, new (`id` absent) or changed. Needs `device-manage` in the unit.
    /// 404, 409 `panels.version`, `panels.code.taken`, 422 `panels.empty`, `panels.too-long`, `panels.too-many`, `panels.unit`, `panels.commune`.
    pub async fn put_premises(&self, caller: &Caller, id: Option<Uuid>, input: PremisesInput) -> Result<PremisesView> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let old = match id {
            Some(id) => Some(tables::premises_in(&mut tx, id).await?.ok_or_else(unknown)?),
            None => None,
        };
        if let Some(old) = &old {
            self.require(caller, Permission::DeviceManage, &old.unit)?;
            if input.version != Some(old.version) {
                return Err(FORM.stale());
            }
        }
        let made = self.settle_premises(caller, &mut tx, old, input).await?;
        tx.commit().await?;
        self.premises(caller, made.id).await
    }

    /// Writes premises within a change, after checking them.
    pub(crate) async fn settle_premises(&self, caller: &Caller, tx: &mut Tx, old: Option<Premises>, input: PremisesInput) -> Result<Premises> {
        let code = FORM.needed(&input.code, 40, "code")?;
        let location = input.location.map(|p| Point::new(p.lon, p.lat)).transpose()?;
        let commune = self.commune_of(input.commune.as_deref(), location)?;
        let unit = self.unit_of(caller, input.unit.as_deref(), &commune)?;
        self.require(caller, Permission::DeviceManage, &unit)?;
        if tables::premises_coded(tx, &code).await?.is_some_and(|other| old.as_ref().is_none_or(|o| o.id != other.id)) {
            return Err(Error::conflict("panels.code.taken", "Other premises have this code."));
        }
        let made = Premises {
            id: old.as_ref().map_or_else(|| tx.id(), |o| o.id),
            code,
            name: FORM.needed(&input.name, 200, "name")?,
            kind: FORM.bounded(&input.kind, 80, "kind")?,
            address: FORM.needed(&input.address, 300, "address")?,
            commune,
            unit,
            location,
            hazards: FORM.bounded(&input.hazards, 4_000, "hazards")?,
            water: FORM.bounded(&input.water, 1_000, "water")?,
            approach: FORM.bounded(&input.approach, 2_000, "approach")?,
            zones: checked_zones(input.zones)?,
            plans: old.as_ref().map_or_else(Vec::new, |o| o.plans.clone()),
            at: caller.now,
            by: caller.name.to_string(),
            version: old.as_ref().map_or(1, |o| o.version + 1),
        };
        tables::put_premises(tx, &made).await?;
        if let Some(private) = input.private {
            tables::put_private(tx, made.id, &checked_private(private)?).await?;
        }
        let action = if old.is_some() { "panels.premises.change" } else { "panels.premises.add" };
        tx.audit(action, &format!("premises:{}", made.id), &serde_json::json!({ "code": made.code })).await?;
        Ok(made)
    }

    fn commune_of(&self, given: Option<&str>, location: Option<Point>) -> Result<String> {
        match given.map(str::trim).filter(|c| !c.is_empty()) {
            Some(code) => match self.directory.commune(code) {
                Some(place) => Ok(place.commune),
                None => Err(Error::unprocessable("panels.commune", "The commune is not known.")),
            },
            None => Ok(location.and_then(|p| self.directory.locate(p)).map_or_else(String::new, |p| p.commune)),
        }
    }

    fn unit_of(&self, caller: &Caller, given: Option<&str>, commune: &str) -> Result<String> {
        if let Some(id) = given.map(str::trim).filter(|u| !u.is_empty()) {
            return match self.directory.unit(id) {
                Some(unit) => Ok(unit.id),
                None => Err(Error::unprocessable("panels.unit", "The unit is not known.")),
            };
        }
        let rules = self.rules();
        let functions = rules.policy(caller.now).map(|p| p.functions.clone()).unwrap_or_default();
        let found = functions.iter().find_map(|f| self.directory.organisation_for(commune, f)).filter(|_| !commune.is_empty());
        Ok(found.map_or_else(String::new, |u| u.id))
    }

    /// Adds a drawing (PNG, JPEG or PDF of at most 10 MB). Needs `device-manage`. 404, 413 `panels.plan.large`, 415 `panels.plan.kind`, 422 `panels.too-many`.
    pub async fn add_plan(&self, caller: &Caller, id: Uuid, name: &str, bytes: Bytes) -> Result<PremisesView> {
        let found = self.seen_premises(caller, id).await?;
        self.require(caller, Permission::DeviceManage, &found.premises.unit)?;
        let name = FORM.needed(name, 120, "name")?;
        if bytes.len() > PLAN {
            return Err(Error::too_large("panels.plan.large", "The drawing is too large.").with("limit_bytes", PLAN));
        }
        let kind = media_type(&bytes).ok_or_else(|| Error::unsupported("panels.plan.kind", "A drawing is a PNG, a JPEG or a PDF."))?;
        let blob = self.store.blobs().put(bytes, kind).await?;
        let mut tx = self.store.begin(caller).await?;
        let mut p = tables::premises_in(&mut tx, id).await?.ok_or_else(unknown)?;
        if p.plans.len() >= PLANS {
            return Err(Error::unprocessable("panels.too-many", "There are more drawings than a file may hold.").with("limit", PLANS));
        }
        tx.attach(&blob).await?;
        p.plans.retain(|plan| plan.sha256 != blob.sha256);
        p.plans.push(Plan { sha256: blob.sha256.clone(), media_type: kind.into(), name, at: caller.now });
        p.version += 1;
        tables::put_premises(&mut tx, &p).await?;
        tx.audit("panels.plan.add", &format!("premises:{id}"), &serde_json::json!({ "sha256": blob.sha256 })).await?;
        tx.commit().await?;
        self.premises(caller, id).await
    }

    /// A drawing's bytes. 404 when the premises do not have it.
    pub async fn plan(&self, caller: &Caller, id: Uuid, sha256: &str) -> Result<(String, Bytes)> {
        let found = self.seen_premises(caller, id).await?;
        let plan = found.premises.plans.iter().find(|p| p.sha256 == sha256).ok_or_else(unknown)?;
        let (_, bytes) = self.store.blobs().get(sha256).await?;
        Ok((plan.media_type.clone(), bytes))
    }

    /// Takes a drawing out. Needs `device-manage`.
    pub async fn drop_plan(&self, caller: &Caller, id: Uuid, sha256: &str) -> Result<PremisesView> {
        caller.require(Permission::DeviceManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let mut p = tables::premises_in(&mut tx, id).await?.ok_or_else(unknown)?;
        self.require(caller, Permission::DeviceManage, &p.unit)?;
        let before = p.plans.len();
        p.plans.retain(|plan| plan.sha256 != sha256);
        if p.plans.len() == before {
            return Err(unknown());
        }
        p.version += 1;
        tables::put_premises(&mut tx, &p).await?;
        if tables::plan_users(&mut tx, sha256).await? == 0 {
            tx.detach(sha256).await?;
        }
        tx.audit("panels.plan.drop", &format!("premises:{id}"), &serde_json::json!({ "sha256": sha256 })).await?;
        tx.commit().await?;
        self.premises(caller, id).await
    }
}
