//! Values typed in: entered by one person, approved or rejected by another.

use std::collections::BTreeSet;

use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope};
use serde_json::json;
use uuid::Uuid;

use crate::model::{Indicator, IndicatorKind, IndicatorValue, NewValue, ValueStatus};
use crate::period::Period;
use crate::tables::{self, Cell, ValueRow, Waiting};
use crate::{Oversight, find_indicator, zone};

/// Functions by which the organisation that answers for the indicators of an area is known: the one declared for it, else
/// the one that takes reports there.
const FUNCTIONS: [&str; 2] = ["oversight", "report"];
const NOTE: usize = 2000;
const URL: usize = 500;
/// How far a stated ratio may be off its numerator and denominator, in its own unit: rounding to one decimal.
const ROUNDING: f64 = 0.051;

impl Oversight {
    /// Enters a value; it waits for approval by another person. A value that was waiting for the same cell is superseded.
    /// Needs `indicator-report` over the area. 422 `oversight.number`, `oversight.note`, `oversight.period-ahead`…
    pub async fn report(&self, caller: &Caller, new: NewValue) -> Result<IndicatorValue> {
        let set = self.find_set(Some(&new.set)).await?;
        let indicator = find_indicator(&set, &new.indicator)?;
        let area = self.area(&new.area)?;
        self.allow(caller, Permission::IndicatorReport, &area.id)?;
        let person = caller.person()?;
        let period = Period::parse(&new.period)?;
        if period.range(&zone(&set)?)?.0 > caller.now {
            return Err(Error::unprocessable("oversight.period-ahead", "The period has not begun."));
        }
        let number = checked(indicator, &new)?;
        let mut tx = self.store.begin(caller).await?;
        let value = ValueRow {
            id: tx.id(),
            cell: Cell { set: set.code.clone(), indicator: indicator.code.clone(), area: area.id, period: period.to_string() },
            status: ValueStatus::Pending,
            number,
            yes_no: new.yes_no,
            numerator: new.numerator,
            denominator: new.denominator,
            note: Some(new.note.trim().to_string()),
            evidence_url: new.evidence_url.clone(),
            source: "reported".into(),
            entered_id: Some(person),
            entered_by: caller.name.to_string(),
            entered_at: caller.now,
            decided_by: None,
            decided_at: None,
            reason: None,
            superseded_by: None,
        };
        let replaced = tables::supersede(&mut tx, &value.cell, Waiting::Waits, value.id).await?;
        tables::insert(&mut tx, &value, &[]).await?;
        tx.audit(
            "oversight.value.report",
            &format!("value:{}", value.id),
            &json!({ "cell": told(&value.cell), "number": number, "yes_no": new.yes_no, "replaced": replaced }),
        )
        .await?;
        tx.emit(Event::ValueReported { value: value.id, indicator: indicator.code.clone() });
        tx.commit().await?;
        Ok(self.shown(caller, &set, indicator, value, true))
    }

    /// Values of one status (`pending` when left out), oldest first. Needs `indicator-report` or `indicator-approve`.
    pub async fn values(&self, caller: &Caller, status: Option<ValueStatus>, page: &PageQuery) -> Result<Page<IndicatorValue>> {
        if !caller.may(Permission::IndicatorReport, Scope::ANY) {
            caller.require(Permission::IndicatorApprove, Scope::ANY)?;
        }
        let after = match &page.after {
            Some(text) => text.parse::<Uuid>().map_err(|_| Error::invalid("page.after", "`after` is not a cursor of this list."))?.to_string(),
            None => String::new(),
        };
        let limit = page.limit();
        let rows = tables::by_status(&self.store, status.unwrap_or(ValueStatus::Pending), &after, limit + 1).await?;
        let page = Page::of(rows, limit, |row| row.id.to_string());
        let sets = tables::sets(&self.store).await?;
        // A value whose indicator a newer pack left out has no definition to be shown with.
        let shown = page.items.into_iter().filter_map(|row| {
            let set = sets.iter().find(|s| s.code == row.cell.set)?;
            let indicator = set.indicators.iter().find(|i| i.code == row.cell.indicator)?;
            Some(self.shown(caller, set, indicator, row, true))
        });
        Ok(Page { items: shown.collect(), next: page.next, total: None })
    }

    /// Lets a waiting value count; what counted before is superseded. Needs `indicator-approve` over the area.
    /// 403 `oversight.same-person` for the one who entered it, 409 `oversight.not-pending`, 404 `oversight.value`.
    pub async fn approve(&self, caller: &Caller, id: Uuid) -> Result<IndicatorValue> {
        self.settle(caller, id, None).await
    }

    /// Refuses a waiting value with a reason. Rights and errors as for [`Oversight::approve`].
    pub async fn reject(&self, caller: &Caller, id: Uuid, reason: &str) -> Result<IndicatorValue> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > NOTE {
            return Err(Error::unprocessable("oversight.reason", "Say why, in at most 2 000 characters."));
        }
        self.settle(caller, id, Some(reason)).await
    }

    async fn settle(&self, caller: &Caller, id: Uuid, refused: Option<&str>) -> Result<IndicatorValue> {
        caller.require(Permission::IndicatorApprove, Scope::ANY)?;
        let person = caller.person()?;
        let sets = tables::sets(&self.store).await?;
        let missing = || Error::not_found("oversight.value", "There is no such value.");
        let mut tx = self.store.begin(caller).await?;
        let mut value = tables::get(&mut tx, id).await?.ok_or_else(missing)?;
        let set = sets.iter().find(|s| s.code == value.cell.set).ok_or_else(missing)?;
        let indicator = find_indicator(set, &value.cell.indicator)?;
        self.allow(caller, Permission::IndicatorApprove, &value.cell.area)?;
        if value.entered_id == Some(person) {
            return Err(Error::forbidden("oversight.same-person", "A value must be approved by somebody else than the one who entered it."));
        }
        let waiting = || Error::conflict("oversight.not-pending", "This value is no longer waiting.");
        if value.status != ValueStatus::Pending {
            return Err(waiting());
        }
        let status = if refused.is_some() { ValueStatus::Rejected } else { ValueStatus::Approved };
        if refused.is_none() {
            tables::supersede(&mut tx, &value.cell, Waiting::Counts, id).await?;
        }
        if tables::decide(&mut tx, id, status, refused).await? != 1 {
            return Err(waiting());
        }
        let action = if refused.is_some() { "oversight.value.reject" } else { "oversight.value.approve" };
        tx.audit(action, &format!("value:{id}"), &json!({ "cell": told(&value.cell) })).await?;
        if refused.is_none() {
            tx.emit(Event::ValueSettled { value: id, set: set.code.clone(), indicator: indicator.code.clone() });
        }
        tx.commit().await?;
        value.status = status;
        value.decided_by = Some(caller.name.to_string());
        value.decided_at = Some(caller.now);
        value.reason = refused.map(str::to_string);
        Ok(self.shown(caller, set, indicator, value, true))
    }

    /// Whether the caller may act for the area. For a commune: over the organisation that answers for it. For the province: as any
    /// office that is not a commune's own, because every department reports its indicators for the whole province.
    fn allow(&self, caller: &Caller, permission: Permission, area: &str) -> Result<()> {
        caller.require(permission, Scope::ANY)?;
        let owner = |area: &str| FUNCTIONS.iter().find_map(|f| self.directory.organisation_for(area, f)).map(|u| u.id);
        let home = self.directory.home();
        if area != home {
            return caller.require(permission, Scope { unit: owner(area).as_deref(), sector: None });
        }
        let Some(units) = caller.units_with(permission) else { return Ok(()) };
        let communal: BTreeSet<String> = self.directory.communes(&home).iter().filter_map(|c| owner(&c.id)).collect();
        if owner(&home).is_some_and(|o| units.contains(&o)) || units.iter().any(|u| !communal.contains(u)) {
            return Ok(());
        }
        Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."))
    }
}

fn told(cell: &Cell) -> String {
    format!("{}/{}/{}/{}", cell.set, cell.indicator, cell.area, cell.period)
}

/// The figure of a new value, after all checks of form.
fn checked(indicator: &Indicator, new: &NewValue) -> Result<Option<f64>> {
    let note = new.note.trim();
    if note.is_empty() || note.chars().count() > NOTE {
        return Err(Error::unprocessable("oversight.note", "Say where the figure comes from, in at most 2 000 characters."));
    }
    if let Some(url) = &new.evidence_url
        && (url.len() > URL || !(url.starts_with("https://") || url.starts_with("http://")) || url.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        return Err(Error::unprocessable("oversight.evidence", "The evidence must be a web address of at most 500 characters."));
    }
    let bad = |why: &str| Error::unprocessable("oversight.number", "The value does not fit the indicator.").with("reason", why);
    if indicator.kind == IndicatorKind::Boolean {
        if new.yes_no.is_none() || new.number.is_some() || new.numerator.is_some() || new.denominator.is_some() {
            return Err(bad("this indicator is answered yes or no"));
        }
        return Ok(None);
    }
    if new.yes_no.is_some() {
        return Err(bad("this indicator is a figure"));
    }
    if [new.number, new.numerator, new.denominator].into_iter().flatten().any(|n| !n.is_finite() || !(0.0..=1e15).contains(&n)) {
        return Err(bad("figures must be 0 or more"));
    }
    let percent = matches!(indicator.kind, IndicatorKind::Ratio | IndicatorKind::Survey);
    let number = match (new.numerator, new.denominator) {
        (Some(part), Some(whole)) => {
            if whole <= 0.0 {
                return Err(bad("the denominator must be above 0"));
            }
            let made = ratio(indicator.kind, part, whole);
            if new.number.is_some_and(|n| (n - made).abs() > ROUNDING) {
                return Err(bad("the figure does not follow from numerator and denominator"));
            }
            made
        }
        (None, None) => new.number.ok_or_else(|| bad("a figure is needed"))?,
        _ => return Err(bad("numerator and denominator belong together")),
    };
    if percent && number > 100.0 {
        return Err(bad("a share is at most 100 per cent"));
    }
    Ok(Some(number))
}

/// Numerator and denominator in the unit of the kind.
pub(crate) fn ratio(kind: IndicatorKind, part: f64, whole: f64) -> f64 {
    match kind {
        IndicatorKind::Ratio | IndicatorKind::Survey => part / whole * 100.0,
        IndicatorKind::Density | IndicatorKind::Count | IndicatorKind::Boolean => part / whole,
    }
}
