//! Figures that nobody can count here: reported by one person, approved by another.

use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, UnitRef};
use uuid::Uuid;

use crate::model_more::{FigureView, NewFigure, Settling};
use crate::tables_more::{self, FigureRow};
use crate::{Dossiers, score};

const MOST: f64 = 1e12;

impl Dossiers {
    /// Reports a figure of an agency; it waits for approval by another person. Needs `indicator-report` for the unit.
    /// 404 `dossiers.score.unknown`, `dossiers.figure.unknown`; 422 `dossiers.figure.value`, `dossiers.figure.note`.
    pub async fn report_figure(&self, caller: &Caller, new: NewFigure) -> Result<FigureView> {
        let unit = self.directory.unit(&new.unit).ok_or_else(|| Error::not_found("dossiers.unit.unknown", "The agency is not known."))?;
        caller.require(Permission::IndicatorReport, Scope::unit(&unit.id))?;
        let person = caller.person()?;
        let (from, _) = score::span(&new.period)?;
        if self.month_start(&from, 0)? > caller.now {
            return Err(Error::unprocessable("dossiers.figure.ahead", "The period has not begun."));
        }
        let rules = self.rules();
        let set = rules.pack.score.iter().find(|s| s.code == new.set);
        let set = set.ok_or_else(|| Error::not_found("dossiers.score.unknown", "No set of indicators holds for this period."))?;
        if !set.reported.iter().any(|r| r.code == new.figure) {
            return Err(Error::not_found("dossiers.figure.unknown", "This figure is not one that is reported."));
        }
        if !(new.value.is_finite() && (0.0..=MOST).contains(&new.value)) {
            return Err(Error::unprocessable("dossiers.figure.value", "A figure is 0 or more."));
        }
        let note = new.note.trim();
        if !(5..=1_000).contains(&note.chars().count()) {
            return Err(Error::unprocessable("dossiers.figure.note", "Say where the figure comes from, in 5 to 1,000 characters."));
        }
        let mut tx = self.store.begin(caller).await?;
        let row = FigureRow {
            id: tx.id(),
            score: set.code.clone(),
            unit: unit.id,
            period: new.period,
            figure: new.figure,
            value: new.value,
            note: note.into(),
            status: "pending".into(),
            entered_id: person,
            entered_by: caller.name.to_string(),
            entered_at: caller.now,
            decided_by: None,
            decided_at: None,
            reason: None,
        };
        tables_more::report(&mut tx, &row).await?;
        tx.audit("dossiers.figure.report", &format!("figure:{}", row.id), &told(&row)).await?;
        tx.commit().await?;
        Ok(self.figure_view(caller, row))
    }

    /// Figures of a status (`pending` when left out), oldest first, of the units where the caller reports or approves.
    pub async fn figures(&self, caller: &Caller, status: Option<&str>, page: &PageQuery) -> Result<Page<FigureView>> {
        if !caller.may(Permission::IndicatorReport, Scope::ANY) {
            caller.require(Permission::IndicatorApprove, Scope::ANY)?;
        }
        let status = status.unwrap_or("pending");
        if !["pending", "approved", "rejected", "superseded"].contains(&status) {
            return Err(Error::invalid("dossiers.figure.status", "A status is pending, approved, rejected or superseded."));
        }
        let limit = page.limit();
        let rows = tables_more::figures(&self.store, status, page.after.as_deref().unwrap_or(""), limit + 1).await?;
        let page = Page::of(rows, limit, |r| r.id.to_string());
        let mine = |r: &FigureRow| {
            let unit = Scope::unit(&r.unit);
            caller.may(Permission::IndicatorReport, unit) || caller.may(Permission::IndicatorApprove, unit)
        };
        Ok(Page { items: page.items.into_iter().filter(mine).map(|r| self.figure_view(caller, r)).collect(), next: page.next, total: None })
    }

    /// Approves or rejects a figure that waits. Needs `indicator-approve` for the unit. 403 `dossiers.figure.same-person`,
    /// 404 `dossiers.figure.unknown`, 409 `dossiers.figure.not-pending`, 422 `dossiers.figure.reason`.
    pub async fn settle_figure(&self, caller: &Caller, id: Uuid, settling: &Settling) -> Result<FigureView> {
        caller.require(Permission::IndicatorApprove, Scope::ANY)?;
        let person = caller.person()?;
        let reason = settling.reason.as_deref().map(str::trim).filter(|r| !r.is_empty());
        if !settling.approve && reason.is_none_or(|r| r.chars().count() > 1_000) {
            return Err(Error::unprocessable("dossiers.figure.reason", "Say why, in at most 1,000 characters."));
        }
        let mut tx = self.store.begin(caller).await?;
        let found = tables_more::figure(&mut tx, id).await?;
        let mut row = found.ok_or_else(|| Error::not_found("dossiers.figure.unknown", "There is no such figure."))?;
        caller.require(Permission::IndicatorApprove, Scope::unit(&row.unit))?;
        if row.entered_id == person {
            return Err(Error::forbidden("dossiers.figure.same-person", "A figure must be approved by somebody else than the one who reported it."));
        }
        if row.status != "pending" {
            return Err(Error::conflict("dossiers.figure.not-pending", "This figure is no longer waiting."));
        }
        row.status = if settling.approve { "approved" } else { "rejected" }.into();
        row.decided_by = Some(caller.name.to_string());
        row.decided_at = Some(caller.now);
        row.reason = reason.map(str::to_string);
        tables_more::settle(&mut tx, &row).await?;
        tx.audit("dossiers.figure.settle", &format!("figure:{id}"), &told(&row)).await?;
        tx.commit().await?;
        Ok(self.figure_view(caller, row))
    }

    fn figure_view(&self, caller: &Caller, r: FigureRow) -> FigureView {
        let rules = self.rules();
        let found = rules.pack.score.iter().find(|s| s.code == r.score).and_then(|s| s.reported.iter().find(|f| f.code == r.figure));
        let (name, name_en) = found.map_or_else(|| (r.figure.clone(), r.figure.clone()), |f| (f.name.clone(), f.name_en.clone()));
        let may_settle = r.status == "pending" && caller.may(Permission::IndicatorApprove, Scope::unit(&r.unit)) && caller.id != Some(r.entered_id);
        FigureView {
            id: r.id,
            set: r.score,
            unit: UnitRef { name: self.unit_name(&r.unit), id: r.unit },
            period: r.period,
            figure: r.figure,
            name,
            name_en,
            value: r.value,
            note: r.note,
            status: r.status,
            entered_by: r.entered_by,
            entered_at: r.entered_at,
            decided_by: r.decided_by,
            reason: r.reason,
            may_settle,
        }
    }
}

fn told(r: &FigureRow) -> serde_json::Value {
    serde_json::json!({ "score": r.score, "unit": r.unit, "period": r.period, "figure": r.figure, "value": r.value, "status": r.status })
}
