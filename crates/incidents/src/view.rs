//! One incident with all that belongs to it.

use dothi_kernel::{Caller, Permission, Result, Scope};
use uuid::Uuid;

use crate::model::{IncidentView, MoveView};
use crate::{Incidents, tables, tables_ops};

impl Incidents {
    /// An incident with its links, tasks, procedures, resources and who is called.
    pub async fn incident(&self, caller: &Caller, id: Uuid) -> Result<IncidentView> {
        let incident = self.readable(caller, id).await?;
        let rules = self.rules();
        let merge = rules.policy().map(|p| p.merge_move.clone()).unwrap_or_default();
        let open = rules.pack.flow.as_ref().map(|f| f.open_moves(caller, &incident.state, &incident.unit.id, false)).unwrap_or_default();
        let moves = open.into_iter().filter(|(code, _)| *code != merge).map(|(code, m)| MoveView {
            code: code.to_string(),
            name: m.name.clone(),
            name_en: m.name_en.clone(),
            requires: m.requires.iter().cloned().collect(),
        });
        let above = match incident.parent {
            Some(parent) => tables::get(&self.store, parent).await?.map(|i| Box::new(self.row(&rules, i))),
            None => None,
        };
        let children = tables::children(&self.store, id).await?.into_iter().map(|i| self.row(&rules, i)).collect();
        let called = self.called(&rules, &incident).await?;
        let kind = rules.pack.kind.iter().find(|k| k.code == incident.kind);
        Ok(IncidentView {
            moves: moves.collect(),
            may_handle: caller.may(Permission::IncidentHandle, Scope::unit(&incident.unit.id)),
            links: tables::links(&self.store, id).await?,
            children,
            above,
            tasks: tables::tasks(&self.store, id).await?,
            runs: tables_ops::runs(&self.store, id).await?,
            dispatches: tables_ops::dispatches(&self.store, id).await?,
            called,
            sends: kind.map(|k| k.sends.clone()).unwrap_or_default(),
            row: self.row(&rules, incident),
        })
    }
}
