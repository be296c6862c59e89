//! Values computed from the platform's own measures, with the rows they were made of.

use dothi_kernel::measure::{Measure, MeasureQuery};
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope};

use crate::model::{ComputeReport, Indicator, IndicatorSet, MeasureRef, ValueStatus};
use crate::period::Period;
use crate::tables::{self, Cell, ValueRow, Waiting};
use crate::values::ratio;
use crate::{Oversight, source, zone};

/// What one cell's computation came to.
enum Outcome {
    Changed,
    Unchanged,
    Kept,
    Empty,
}

/// Whose areas are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Areas {
    Home,
    Communes,
}

impl Oversight {
    /// Computes all measured indicators of a set now, for the province. Needs `indicator-report`.
    pub async fn compute(&self, caller: &Caller, set: &str) -> Result<ComputeReport> {
        caller.require(Permission::IndicatorReport, Scope::ANY)?;
        let set = self.find_set(Some(set)).await?;
        let mut report = ComputeReport::default();
        self.compute_set(caller, &set, Areas::Home, None, &mut report).await?;
        Ok(report)
    }

    /// Computes what one domain's measures feed (all, without a domain), in all sets.
    pub(crate) async fn compute_all(&self, caller: &Caller, areas: Areas, domain: Option<&str>) -> Result<ComputeReport> {
        let mut report = ComputeReport::default();
        for set in tables::sets(&self.store).await? {
            self.compute_set(caller, &set, areas, domain, &mut report).await?;
        }
        Ok(report)
    }

    async fn compute_set(&self, caller: &Caller, set: &IndicatorSet, areas: Areas, domain: Option<&str>, report: &mut ComputeReport) -> Result<()> {
        let periods = periods(caller, set)?;
        let home = self.directory.home();
        let places: Vec<String> = match areas {
            Areas::Home => vec![home.clone()],
            Areas::Communes => self.directory.communes(&home).into_iter().map(|u| u.id).collect(),
        };
        for indicator in &set.indicators {
            let Some(measure) = indicator.measure.as_ref().filter(|m| domain.is_none_or(|d| source(&m.name) == d)) else { continue };
            if areas == Areas::Communes && !measure.communes {
                continue;
            }
            for area in &places {
                for period in &periods {
                    let cell = Cell { set: set.code.clone(), indicator: indicator.code.clone(), area: area.clone(), period: period.to_string() };
                    let planned = measure.denominator.filter(|_| *area == home);
                    match self.compute_cell(caller, set, indicator, measure, planned, cell, *period).await {
                        Ok(Outcome::Changed) => report.changed += 1,
                        Ok(Outcome::Unchanged) => report.unchanged += 1,
                        Ok(Outcome::Kept) => report.kept += 1,
                        Ok(Outcome::Empty) => report.empty += 1,
                        Err(e) if e.code() == "measure.unknown" => note(&mut report.unknown, &measure.name),
                        Err(e) => {
                            tracing::warn!(measure = measure.name, indicator = indicator.code, error = %e, "computing an indicator failed");
                            note(&mut report.failed, &measure.name);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // one cell is exactly these; a struct of them would be used once
    async fn compute_cell(
        &self,
        caller: &Caller,
        set: &IndicatorSet,
        indicator: &Indicator,
        measure: &MeasureRef,
        planned: Option<f64>,
        cell: Cell,
        period: Period,
    ) -> Result<Outcome> {
        let (from, to) = period.range(&zone(set)?)?;
        let made = self.ask(&measure.name, &MeasureQuery { from, to, area: Some(cell.area.clone()) }).await?;
        let denominator = planned.or(made.denominator);
        let number = match denominator {
            Some(whole) if whole > 0.0 => Some(ratio(indicator.kind, made.numerator, whole)),
            // Nothing to measure is no value; it is not 0.
            Some(_) => None,
            None => Some(made.numerator),
        }
        .filter(|n| n.is_finite());
        let mut tx = self.store.begin(caller).await?;
        let before = tables::counting(&mut tx, &cell).await?;
        match &before {
            // What a person answers for stands above what we compute.
            Some(b) if b.status == ValueStatus::Approved => return Ok(Outcome::Kept),
            None if number.is_none() => return Ok(Outcome::Empty),
            Some(b) if b.number == number && b.numerator == Some(made.numerator) && b.denominator == denominator && b.source == measure.name => {
                if tables::evidence_in(&mut tx, b.id).await? != made.rows {
                    tables::put_evidence(&mut tx, b.id, &made.rows).await?;
                    tx.commit().await?;
                }
                return Ok(Outcome::Unchanged);
            }
            _ => {}
        }
        let value = ValueRow {
            id: tx.id(),
            cell,
            status: ValueStatus::Computed,
            number,
            yes_no: None,
            numerator: Some(made.numerator),
            denominator,
            note: None,
            evidence_url: None,
            source: measure.name.clone(),
            entered_id: None,
            entered_by: caller.name.to_string(),
            entered_at: caller.now,
            decided_by: None,
            decided_at: None,
            reason: None,
            superseded_by: None,
        };
        if let Some(b) = &before {
            tables::supersede(&mut tx, &value.cell, Waiting::Counts, value.id).await?;
            tables::drop_evidence(&mut tx, b.id).await?;
        }
        tables::insert(&mut tx, &value, &made.rows).await?;
        tx.emit(Event::ValueSettled { value: value.id, set: set.code.clone(), indicator: indicator.code.clone() });
        tx.commit().await?;
        Ok(Outcome::Changed)
    }

    async fn ask(&self, name: &str, query: &MeasureQuery) -> Result<Measure> {
        // A source may offer a family of measures: `context.coverage.*`.
        let offers = |offered: &str| offered == name || offered.strip_suffix('*').is_some_and(|family| name.len() > family.len() && name.starts_with(family));
        match self.measures.iter().find(|m| m.names().into_iter().any(offers)) {
            Some(source) => source.measure(name, query).await,
            None => Err(Error::unprocessable("measure.unknown", "No part of this installation offers this measure.").with("measure", name)),
        }
    }
}

fn note(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|n| n == name) {
        list.push(name.to_string());
    }
}

/// The present periods, and those that ended within the days of grace.
fn periods(caller: &Caller, set: &IndicatorSet) -> Result<Vec<Period>> {
    let zone = zone(set)?;
    let earlier = dothi_kernel::time::micros(caller.now.as_microsecond() - i64::from(set.grace_days) * 86_400_000_000);
    let mut all = Vec::new();
    for at in [caller.now, earlier] {
        for kind in &set.periods {
            let period = Period::at(*kind, at, &zone);
            if !all.contains(&period) {
                all.push(period);
            }
        }
    }
    Ok(all)
}
