//! What looks odd: the pack's patterns, each finding with the figures that triggered it.

use dothi_kernel::{Caller, Error, Result, Timestamp};
use dothi_store::params;

use crate::Dossiers;
use crate::model_more::{Anomalies, AnomalyQuery, Finding, Found};
use crate::pack::{AnomalyRule, Pattern};
use crate::tables_more::{self, Search};

/// Findings told of one rule.
const TOLD: usize = 100;
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

impl Dossiers {
    /// What the pack's rules find among the dossiers that the caller may see and that ended, were asked for or were received within
    /// the months. 400 `dossiers.month`, 403 for a unit of others.
    pub async fn anomalies(&self, caller: &Caller, query: &AnomalyQuery) -> Result<Anomalies> {
        let mut units = self.visible(caller)?;
        if let Some(wanted) = &query.unit {
            if units.as_ref().is_some_and(|u| !u.contains(wanted)) {
                return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
            }
            units = Some([wanted.clone()].into());
        }
        let (from, to) = self.months(caller, query.from.as_deref(), query.to.as_deref())?;
        let span = (self.month_start(&from, 0)?, self.month_start(&to, 1)?);
        let rules = self.rules();
        let mut findings = Vec::new();
        for rule in &rules.pack.anomaly {
            let rows = tables_more::found(&self.store, &search(rule, span, caller.now), units.as_ref(), TOLD + 1).await?;
            let more = rows.len() > TOLD;
            let found = rows.into_iter().take(TOLD).map(|r| Found {
                unit: dothi_kernel::UnitRef { name: self.unit_name(&r.unit), id: r.unit },
                code: r.code,
                n: r.n,
                at: r.at,
                received_at: r.received_at,
                due_at: r.due_at,
            });
            findings.push(Finding { rule: rule.clone(), found: found.collect(), more });
        }
        Ok(Anomalies { from, to, findings })
    }

    /// The first instant of a month, or of the one after.
    pub(crate) fn month_start(&self, month: &str, ahead: i32) -> Result<Timestamp> {
        let bad = |e: jiff::Error| Error::invalid("dossiers.month", "A month is written as 2026-11.").because(e);
        let day: jiff::civil::Date = format!("{month}-01").parse().map_err(bad)?;
        let day = day.checked_add(jiff::Span::new().months(ahead)).map_err(bad)?;
        let start = day.to_zoned(self.calendar.zone().clone()).map_err(bad)?;
        Ok(dothi_kernel::time::micros(start.timestamp().as_microsecond()))
    }
}

fn search(rule: &AnomalyRule, (from, to): (Timestamp, Timestamp), now: Timestamp) -> Search {
    let hours = i64::from(rule.hours) * HOUR;
    let minutes = i64::from(rule.minutes) * MINUTE;
    let (condition, params, instant, heap) = match rule.pattern {
        Pattern::BulkAtDeadline => (
            "ended = 1 and ended_at >= ? and ended_at < ? and month <> '' and due_at >= ended_at and due_at - ended_at <= ?",
            params![from, to, hours],
            "ended_at",
            Some((minutes, i64::from(rule.count))),
        ),
        Pattern::AtOnce => (
            // What is due on the day of receipt may well be done at once.
            "ended = 1 and ended_at >= ? and ended_at < ? and month <> '' and ended_at - received_at <= ? and due_at - received_at > ?",
            params![from, to, minutes, 24 * HOUR],
            "ended_at",
            None,
        ),
        Pattern::SupplementAtDeadline => (
            "last_supplement_at is not null and last_supplement_at >= ? and last_supplement_at < ? and due_at >= last_supplement_at and due_at - last_supplement_at <= ?",
            params![from, to, hours],
            "last_supplement_at",
            None,
        ),
        Pattern::PromisedLate => {
            ("received_at >= ? and received_at < ? and month <> '' and appointed_at - due_at > ?", params![from, to, hours], "received_at", None)
        }
        Pattern::NoSlip => (
            "ended = 0 and month <> '' and due_at < ? and paused_since is null and slips = 0 and received_at >= ? and received_at < ?",
            params![now.as_microsecond() - hours, from, to],
            "due_at",
            None,
        ),
    };
    Search { condition: condition.into(), params, instant, heap }
}
