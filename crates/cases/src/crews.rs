//! Crews of a unit, and the kinds of work that can be given to them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use dothi_kernel::{Caller, Error, Permission, PersonRef, Result, Scope};
use uuid::Uuid;

use crate::tables_work::{self, CrewRecord};
use crate::work::{Crew, CrewInput, WorkKindView};
use crate::work_pack::{InstalledKind, WorkPack};
use crate::{Cases, text};

/// Most people of a crew.
const MEMBERS: usize = 60;

/// Installed kinds of work: every version by code.
pub(crate) type Kinds = BTreeMap<String, BTreeMap<u32, Arc<InstalledKind>>>;

impl Cases {
    /// Installs the kinds of work of a pack. A kind that changed becomes a new version; orders keep the version they were
    /// given with. 422 `case.pack.invalid`.
    pub(crate) async fn install_work(&self, tx: &mut dothi_store::Tx, pack: &str, part: &WorkPack) -> Result<()> {
        for flow in &part.flows {
            tables_work::install_flow(tx, pack, flow).await?;
        }
        for kind in &part.kinds {
            let way = tables_work::flow(tx, &kind.flow).await?.ok_or_else(|| {
                let fault = format!("work `{}`: no pack declares the work flow `{}`", kind.code, kind.flow);
                Error::unprocessable("case.pack.invalid", "The pack's case types are not usable.").with("fault", fault)
            })?;
            let installed = InstalledKind { kind: kind.clone(), way };
            if let Some(version) = tables_work::install_kind(tx, pack, &installed).await? {
                let detail = serde_json::json!({ "pack": pack, "version": version });
                tx.audit("work.kind.install", &format!("work-kind:{}", kind.code), &detail).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn reload_work(&self) -> Result<()> {
        let mut kinds = Kinds::new();
        for (version, kind) in tables_work::kinds(&self.store).await? {
            kinds.entry(kind.kind.code.clone()).or_default().insert(version, Arc::new(kind));
        }
        *self.work.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(kinds);
        Ok(())
    }

    pub(crate) fn work_kinds(&self) -> Arc<Kinds> {
        self.work.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Kinds of work that can be given, for officers and crews.
    pub fn list_work_kinds(&self, caller: &Caller) -> Result<Vec<WorkKindView>> {
        works(caller, Scope::ANY)?;
        let kinds = self.work_kinds();
        let newest = kinds.values().filter_map(|versions| versions.last_key_value()).map(|(_, k)| &k.kind);
        Ok(newest
            .map(|k| WorkKindView {
                code: k.code.clone(),
                name: k.name.clone(),
                name_en: k.name_en.clone(),
                icon: k.icon.clone(),
                categories: k.categories.iter().cloned().collect(),
                checklist: k.checklist.clone(),
                materials: k.materials.clone(),
            })
            .collect())
    }

    fn crew_view(&self, crew: CrewRecord) -> Crew {
        let unit = self.directory.unit(&crew.unit).unwrap_or_else(|| dothi_kernel::UnitRef { id: crew.unit.clone(), name: crew.unit.clone() });
        let leader = crew.members.iter().find(|m| m.id == crew.leader).cloned();
        Crew {
            unit,
            leader: leader.unwrap_or(PersonRef { id: crew.leader, name: String::new() }),
            id: crew.id,
            name: crew.name,
            members: crew.members,
            active: crew.active,
            open_orders: crew.open_orders,
        }
    }

    /// Crews of the caller's units, or of one of them.
    pub async fn crews(&self, caller: &Caller, unit: Option<&str>) -> Result<Vec<Crew>> {
        works(caller, unit.map_or(Scope::ANY, Scope::unit))?;
        let mut units = match (caller.units_with(Permission::CaseHandle), caller.units_with(Permission::WorkDo)) {
            (Some(a), Some(b)) => Some(a.union(&b).cloned().collect()),
            _ => None,
        };
        if let Some(unit) = unit {
            units = Some([unit.to_string()].into());
        }
        Ok(tables_work::crews(&self.store, None, units.as_ref()).await?.into_iter().map(|c| self.crew_view(c)).collect())
    }

    /// People of a unit who may belong to a crew: those who may do work orders there.
    pub async fn crew_people(&self, caller: &Caller, unit: &str) -> Result<Vec<PersonRef>> {
        caller.require(Permission::CaseHandle, Scope::unit(unit))?;
        match &self.staff {
            Some(staff) => staff.holders(Permission::WorkDo, unit).await,
            None => Ok(Vec::new()),
        }
    }

    /// Makes a crew (`id` none) or changes one. 400 `work.crew.*`, 403, 404 `work.crew.unknown`.
    pub async fn put_crew(&self, caller: &Caller, id: Option<Uuid>, input: CrewInput) -> Result<Crew> {
        caller.require(Permission::CaseHandle, Scope::unit(&input.unit))?;
        if let Some(id) = id {
            let found = tables_work::crews(&self.store, Some(id), None).await?.pop();
            let found = found.ok_or_else(unknown_crew)?;
            if found.unit != input.unit {
                return Err(Error::invalid("work.crew.unit", "A crew stays with its unit."));
            }
        } else if self.directory.unit(&input.unit).is_none() {
            return Err(Error::invalid("case.unit.unknown", "There is no such unit."));
        }
        let name = text::clean(&input.name, "name", 120)?;
        if name.is_empty() {
            return Err(Error::invalid("work.crew.name", "A crew needs a name."));
        }
        let mut wanted = input.members;
        wanted.push(input.leader);
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.len() > MEMBERS {
            return Err(Error::invalid("work.crew.members", "Too many people.").with("limit", MEMBERS));
        }
        let able = self.crew_people(caller, &input.unit).await?;
        let members: Vec<PersonRef> = wanted.iter().filter_map(|id| able.iter().find(|p| p.id == *id).cloned()).collect();
        if members.len() != wanted.len() {
            return Err(Error::invalid("work.crew.members", "Somebody of this crew may not do work orders of this unit."));
        }
        let mut tx = self.store.begin(caller).await?;
        let crew =
            CrewRecord { id: id.unwrap_or_else(|| tx.id()), unit: input.unit, name, leader: input.leader, active: input.active, members, open_orders: 0 };
        tables_work::put_crew(&mut tx, &crew).await?;
        let detail = serde_json::json!({ "unit": crew.unit, "name": crew.name, "members": crew.members.len(), "active": crew.active });
        tx.audit("work.crew.put", &format!("crew:{}", crew.id), &detail).await?;
        tx.commit().await?;
        let kept = tables_work::crews(&self.store, Some(crew.id), None).await?.pop().ok_or_else(unknown_crew)?;
        Ok(self.crew_view(kept))
    }
}

/// Officers who handle cases, and people of crews.
pub(crate) fn works(caller: &Caller, scope: Scope<'_>) -> Result<()> {
    if caller.may(Permission::WorkDo, scope) || caller.may(Permission::CaseRead, scope) { Ok(()) } else { caller.require(Permission::CaseHandle, scope) }
}

pub(crate) fn unknown_crew() -> Error {
    Error::not_found("work.crew.unknown", "There is no such crew.")
}
