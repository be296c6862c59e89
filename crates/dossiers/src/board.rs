//! Boards: what was received, what is late, what stands open, by agency, commune, procedure and month.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::rank::place;
use dothi_kernel::{Caller, Error, Result};

use crate::model::{Board, BoardQuery, BoardRow, Cell};
use crate::tables_board::{self, By, Slice, Standing, Tally};
use crate::{Dossiers, Rules, clock};

/// Months of one board.
const MONTHS: usize = 120;

/// The median and the ninth tenth of half-days, in days.
fn quantiles(took: &[(u32, i64)]) -> (Option<f64>, Option<f64>) {
    let counts = || took.iter().map(|(half, n)| (*half, usize::try_from(*n).unwrap_or(0)));
    let total: usize = counts().map(|(_, n)| n).sum();
    let days = |percent: u32| {
        let (at, mut seen) = (place(total, percent)?, 0);
        let (half, _) = counts().find(|(_, n)| {
            seen += n;
            seen > at
        })?;
        Some(f64::from(half) / 2.0)
    };
    (days(50), days(90))
}

/// Two decimals.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub(crate) fn cell(tally: &Tally, took: &[(u32, i64)], standing: &Standing) -> Cell {
    let (median_days, p90_days) = quantiles(took);
    let share = || rounded((tally.received - tally.late) as f64 * 100.0 / tally.received as f64);
    Cell {
        received: tally.received,
        online: tally.online,
        ended: tally.ended,
        late: tally.late,
        on_time: (tally.received > 0).then(share),
        median_days,
        p90_days,
        open: standing.open,
        waiting: standing.waiting,
        soon: standing.soon,
        overdue: standing.overdue,
    }
}

fn month_of(text: &str) -> Result<()> {
    let form = text.len() == 7 && text.as_bytes().get(4) == Some(&b'-') && format!("{text}-01").parse::<jiff::civil::Date>().is_ok();
    if form { Ok(()) } else { Err(Error::invalid("dossiers.month", "A month is written as 2026-11.")) }
}

impl Dossiers {
    /// A board over the units whose dossiers the caller may see. 400 `dossiers.board.by`, `dossiers.month`; 422
    /// `dossiers.board.both` for a commune and a procedure at once; 403 for a unit of others.
    pub async fn board(&self, caller: &Caller, query: &BoardQuery) -> Result<Board> {
        let mut units = self.visible(caller)?;
        if let Some(wanted) = &query.unit {
            if units.as_ref().is_some_and(|u| !u.contains(wanted)) {
                return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
            }
            units = Some(BTreeSet::from([wanted.clone()]));
        }
        self.board_of(caller, query, units).await
    }

    pub(crate) async fn board_of(&self, caller: &Caller, query: &BoardQuery, units: Option<BTreeSet<String>>) -> Result<Board> {
        let by = match query.by.as_deref() {
            None | Some("unit") => By::Unit,
            Some("commune") => By::Commune,
            Some("procedure") => By::Procedure,
            Some(_) => return Err(Error::invalid("dossiers.board.by", "Rows are told by unit, commune or procedure.")),
        };
        let both = |a: bool, b: bool| a && b;
        if both(query.commune.is_some(), query.procedure.is_some() || by == By::Procedure) || both(query.procedure.is_some(), by == By::Commune) {
            return Err(Error::unprocessable("dossiers.board.both", "Boards are told for a commune or for a procedure; look at the list for both."));
        }
        let (from, to) = self.months(caller, query.from.as_deref(), query.to.as_deref())?;
        let slice = Slice { from: from.clone(), to: to.clone(), units, procedure: query.procedure.clone(), commune: query.commune.clone() };
        let rules = self.rules();
        let soon_days = rules.policy(&self.calendar, caller.now).map_or(0, |(p, _)| p.soon_days);
        let soon_until = clock::days_ahead(&self.calendar, caller.now, soon_days)?;
        let tallies = tables_board::tallies(&self.store, &slice, by).await?;
        let took = tables_board::took(&self.store, &slice, by).await?;
        let standing = tables_board::standing(&self.store, &slice, by, caller.now, soon_until).await?;
        let (mut sum, mut stands, mut spent): (Tally, Standing, BTreeMap<u32, i64>) = Default::default();
        let keys: BTreeSet<&String> = tallies.keys().chain(standing.keys()).collect();
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let tally = tallies.get(key).copied().unwrap_or_default();
            let open = standing.get(key).copied().unwrap_or_default();
            let times = took.get(key).map_or(&[][..], Vec::as_slice);
            if tally == Tally::default() && open == Standing::default() {
                continue;
            }
            sum.add(&tally, 1);
            stands.open += open.open;
            stands.waiting += open.waiting;
            stands.soon += open.soon;
            stands.overdue += open.overdue;
            for (half, n) in times {
                *spent.entry(*half).or_default() += n;
            }
            rows.push(BoardRow { key: key.clone(), name: self.key_name(&rules, by, key), cell: cell(&tally, times, &open) });
        }
        rows.sort_by(|a, b| (b.cell.overdue, b.cell.soon, b.cell.received, &a.name).cmp(&(a.cell.overdue, a.cell.soon, a.cell.received, &b.name)));
        let spent: Vec<(u32, i64)> = spent.into_iter().collect();
        let monthly = tables_board::tallies(&self.store, &slice, By::Month).await?;
        let monthly_took = tables_board::took(&self.store, &slice, By::Month).await?;
        let months = monthly.iter().map(|(month, tally)| BoardRow {
            key: month.clone(),
            name: month.clone(),
            cell: cell(tally, monthly_took.get(month).map_or(&[][..], Vec::as_slice), &Standing::default()),
        });
        let months = months.collect();
        let by = query.by.clone().unwrap_or_else(|| "unit".into());
        Ok(Board { at: caller.now, by, from, to, soon_until, total: cell(&sum, &spent, &stands), rows, months })
    }

    /// The months of a period: given ones, else from the year's first to the present.
    pub(crate) fn months(&self, caller: &Caller, from: Option<&str>, to: Option<&str>) -> Result<(String, String)> {
        let present = self.month(caller.now);
        let to = to.map_or(present.clone(), str::to_string);
        month_of(&to)?;
        let from = from.map_or_else(|| format!("{}-01", &to[..4]), str::to_string);
        month_of(&from)?;
        let count = |m: &str| m[..4].parse::<usize>().unwrap_or(0) * 12 + m[5..].parse::<usize>().unwrap_or(0);
        if from > to || count(&to) - count(&from) >= MONTHS {
            return Err(Error::invalid("dossiers.month", "A period goes from a month to a later one, over ten years at most."));
        }
        Ok((from, to))
    }

    fn key_name(&self, rules: &Rules, by: By, key: &str) -> String {
        match by {
            By::Unit => self.unit_name(key),
            By::Commune if key.is_empty() => String::new(),
            By::Commune => self.commune_name(key),
            By::Procedure => rules.procedures.get(key).map_or_else(|| key.to_string(), |p| p.name.clone()),
            By::Month => key.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quantiles;

    #[test]
    fn quantiles_by_rank() {
        assert_eq!(quantiles(&[]), (None, None));
        assert_eq!(quantiles(&[(4, 1)]), (Some(2.0), Some(2.0)));
        // 1 × 1 day, 8 × 2 days, 1 × 9 days: the fifth took 2, the ninth too.
        assert_eq!(quantiles(&[(2, 1), (4, 8), (18, 1)]), (Some(2.0), Some(2.0)));
        assert_eq!(quantiles(&[(2, 5), (4, 3), (18, 2)]), (Some(1.0), Some(9.0)));
    }
}
