//! Versions of standard procedures: a draft by one person, approved by another.

use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope};
use dothi_store::Tx;
use serde_json::json;

use crate::model::By;
use crate::model_ops::{NewProcedure, ProcedureVersion};
use crate::pack::ProcedureDef;
use crate::{Incidents, tables_ops, unknown, words};

/// Most versions of a procedure.
const VERSIONS: usize = 200;

/// Takes over a pack's procedures: the first version of each is approved with the pack, a changed one becomes a draft.
pub(crate) async fn take_over(tx: &mut Tx, pack: &str, procedures: &[ProcedureDef]) -> Result<()> {
    for def in procedures {
        let versions = tables_ops::versions_in(tx, &def.code).await?;
        let from = format!("pack:{pack}");
        // The pack's own last word, whatever people made of it since.
        if versions.iter().find(|v| v.made_by.name == from).is_some_and(|v| v.def == *def) {
            continue;
        }
        let by = By { id: None, name: from };
        let first = versions.is_empty();
        let version = ProcedureVersion {
            code: def.code.clone(),
            version: versions.first().map_or(1, |v| v.version + 1),
            state: if first { "approved" } else { "draft" }.to_string(),
            def: def.clone(),
            reason: by.name.clone(),
            from_incident: None,
            made_at: tx.now(),
            made_by: by.clone(),
            approved_at: first.then(|| tx.now()),
            approved_by: first.then_some(by),
        };
        tables_ops::put_procedure(tx, &version).await?;
    }
    Ok(())
}

impl Incidents {
    /// Approved procedures and drafts.
    pub async fn procedures(&self, caller: &Caller) -> Result<Vec<ProcedureVersion>> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        tables_ops::procedures(&self.store).await
    }

    /// All versions of a procedure, newest first.
    pub async fn procedure(&self, caller: &Caller, code: &str) -> Result<Vec<ProcedureVersion>> {
        caller.require(Permission::IncidentRead, Scope::ANY)?;
        let versions = tables_ops::versions(&self.store, code).await?;
        if versions.is_empty() { Err(unknown()) } else { Ok(versions) }
    }

    /// A new draft; an older draft of the same procedure is retired by it. 422 `incidents.procedure.invalid` with the first fault.
    pub async fn draft_procedure(&self, caller: &Caller, new: NewProcedure) -> Result<ProcedureVersion> {
        caller.require(Permission::IncidentHandle, Scope::ANY)?;
        let reason = words(&new.reason, "reason", 2_000)?;
        let mut tx = self.store.begin(caller).await?;
        let draft = self.draft(&mut tx, new.def, reason, None).await?;
        tx.commit().await?;
        Ok(draft)
    }

    pub(crate) async fn draft(&self, tx: &mut Tx, def: ProcedureDef, reason: String, from_incident: Option<String>) -> Result<ProcedureVersion> {
        let rules = self.rules();
        let unknown_kind = def.start.kinds.iter().find(|k| rules.kind(k).is_err()).map(|k| format!("there is no type `{k}`"));
        if let Some(fault) = def.check().into_iter().chain(unknown_kind).next() {
            return Err(Error::unprocessable("incidents.procedure.invalid", "The procedure is not usable.").with("fault", fault));
        }
        let versions = tables_ops::versions_in(tx, &def.code).await?;
        if versions.len() >= VERSIONS {
            return Err(Error::conflict("incidents.procedure.full", "There are too many versions of this procedure.").with("limit", VERSIONS));
        }
        for old in versions.iter().filter(|v| v.state == "draft") {
            tables_ops::put_procedure(tx, &ProcedureVersion { state: "retired".into(), ..old.clone() }).await?;
        }
        let draft = ProcedureVersion {
            code: def.code.clone(),
            version: versions.first().map_or(1, |v| v.version + 1),
            state: "draft".into(),
            def,
            reason,
            from_incident,
            made_at: tx.now(),
            made_by: By::of(tx.caller()),
            approved_at: None,
            approved_by: None,
        };
        tables_ops::put_procedure(tx, &draft).await?;
        tx.audit("incidents.procedure.draft", &format!("procedure:{}", draft.code), &json!({ "version": draft.version })).await?;
        tx.emit(Event::OperationsChanged { what: "procedure".into() });
        Ok(draft)
    }

    /// Approves a draft made by somebody else: it is the procedure from now on. What runs keeps the version it began with.
    /// 403 `incidents.second-person` for one's own, 409 `incidents.procedure.state`.
    pub async fn approve_procedure(&self, caller: &Caller, code: &str, version: u32) -> Result<ProcedureVersion> {
        caller.require(Permission::IncidentApprove, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        let versions = tables_ops::versions_in(&mut tx, code).await?;
        let mut draft = versions.iter().find(|v| v.version == version).cloned().ok_or_else(unknown)?;
        if draft.state != "draft" {
            return Err(Error::conflict("incidents.procedure.state", "Only a draft can be approved."));
        }
        second_person(caller, &draft.made_by)?;
        for old in versions.iter().filter(|v| v.state == "approved") {
            tables_ops::put_procedure(&mut tx, &ProcedureVersion { state: "retired".into(), ..old.clone() }).await?;
        }
        (draft.state, draft.approved_at, draft.approved_by) = ("approved".into(), Some(caller.now), Some(By::of(caller)));
        tables_ops::put_procedure(&mut tx, &draft).await?;
        tx.audit("incidents.procedure.approve", &format!("procedure:{code}"), &json!({ "version": version })).await?;
        tx.emit(Event::OperationsChanged { what: "procedure".into() });
        tx.commit().await?;
        Ok(draft)
    }
}

/// Another person than the maker. 403 `incidents.second-person`.
pub(crate) fn second_person(caller: &Caller, maker: &By) -> Result<()> {
    if maker.id.is_some() && maker.id == Some(caller.person()?) {
        return Err(Error::forbidden("incidents.second-person", "Somebody else must approve this."));
    }
    Ok(())
}
