//! Scores of agencies: the pack's groups and parts, each with the figures that it came from.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::{Caller, Error, Result, UnitRef};

use crate::Dossiers;
use crate::board::rounded;
use crate::model_more::{FigureSource, GroupScore, PartScore, Score, ScoreFigure, ScoreQuery, ScoreRow, Scores, ScoresQuery};
use crate::pack::{Empty, OnlineLevel, Part, Procedure, ScoreSet};
use crate::tables_board::{self, By, Slice, Tally};
use crate::tables_more;

/// Months of a period (`2026`, `2026-Q4`, `2026-11`). 400 `dossiers.period`.
pub(crate) fn span(period: &str) -> Result<(String, String)> {
    let bad = || Error::invalid("dossiers.period", "A period is written as 2026, 2026-Q4 or 2026-11.");
    let (year, rest) = (period.get(..4).ok_or_else(bad)?, period.get(4..).ok_or_else(bad)?);
    if !year.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let months = match rest.strip_prefix('-') {
        None if rest.is_empty() => (1, 12),
        Some(part) => match part.strip_prefix('Q').map(str::parse::<u32>) {
            Some(Ok(quarter @ 1..=4)) => (quarter * 3 - 2, quarter * 3),
            Some(_) => return Err(bad()),
            None => match part.parse::<u32>() {
                Ok(month @ 1..=12) if part.len() == 2 => (month, month),
                _ => return Err(bad()),
            },
        },
        None => return Err(bad()),
    };
    Ok((format!("{year}-{:02}", months.0), format!("{year}-{:02}", months.1)))
}

/// The points of a part: `points × ratio ∕ full_at`, never more than the points; two decimals.
pub(crate) fn points(part: &Part, numerator: Option<f64>, denominator: Option<f64>) -> Option<f64> {
    let (numerator, denominator) = (numerator?, denominator?);
    if denominator <= 0.0 {
        return Some(if part.empty == Empty::Full { part.points } else { 0.0 });
    }
    Some(rounded((part.points * (numerator / denominator) / part.full_at).clamp(0.0, part.points)))
}

impl Dossiers {
    fn score_set(&self, rules: &crate::Rules, code: Option<&str>, month: &str) -> Result<ScoreSet> {
        let day = format!("{month}-01").parse().unwrap_or(jiff::civil::Date::MIN);
        let fits = |s: &&ScoreSet| code.is_none_or(|c| s.code == c) && s.valid_from <= day && s.valid_to.is_none_or(|to| to >= day);
        let found = rules.pack.score.iter().rev().find(fits).cloned();
        found.ok_or_else(|| Error::not_found("dossiers.score.unknown", "No set of indicators holds for this period."))
    }

    /// The score of an agency in a period, opened down to its figures. 404 `dossiers.score.unknown`, `dossiers.unit.unknown`.
    pub async fn score(&self, caller: &Caller, query: &ScoreQuery) -> Result<Score> {
        let unit = self.directory.unit(&query.unit).ok_or_else(|| Error::not_found("dossiers.unit.unknown", "The agency is not known."))?;
        if self.visible(caller)?.is_some_and(|u| !u.contains(&unit.id)) {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let period = query.period.clone().unwrap_or_else(|| self.month(caller.now));
        let (from, to) = span(&period)?;
        let rules = self.rules();
        let set = self.score_set(&rules, query.set.as_deref(), &from)?;
        let counted = self.counted(&rules.procedures, &unit, &from, &to).await?;
        let reported = tables_more::figures_of(&self.store, &set.code, &unit.id, &period).await?;
        let lookup = |code: &str| -> ScoreFigure {
            if let Some(value) = counted.get(code) {
                return ScoreFigure { code: code.into(), value: Some(*value), source: FigureSource::Counted, by: None, note: None, waiting: false };
            }
            let approved = reported.iter().find(|f| f.figure == code && f.status == "approved");
            let waiting = reported.iter().any(|f| f.figure == code && f.status == "pending");
            ScoreFigure {
                code: code.into(),
                value: approved.map(|f| f.value),
                source: FigureSource::Reported,
                by: approved.map(|f| format!("{} / {}", f.entered_by, f.decided_by.clone().unwrap_or_default())),
                note: approved.map(|f| f.note.clone()),
                waiting,
            }
        };
        let groups: Vec<GroupScore> = set
            .groups
            .iter()
            .map(|group| {
                let parts: Vec<PartScore> = group
                    .parts
                    .iter()
                    .map(|part| {
                        let (numerator, denominator) = (lookup(&part.numerator), lookup(&part.denominator));
                        PartScore { points: points(part, numerator.value, denominator.value), part: part.clone(), numerator, denominator }
                    })
                    .collect();
                let known = parts.iter().filter_map(|p| p.points.map(|got| (got, p.part.points)));
                let (sum, of) = known.fold((0.0, 0.0), |(a, b), (got, most)| (a + got, b + most));
                GroupScore {
                    code: group.code.clone(),
                    name: group.name.clone(),
                    name_en: group.name_en.clone(),
                    most: group.points,
                    known: of,
                    points: rounded(sum),
                    parts,
                }
            })
            .collect();
        let total = rounded(groups.iter().map(|g| g.points).sum());
        let known: f64 = groups.iter().map(|g| g.known).sum();
        // A class is told only when every part is known: half a sum is no class.
        let class = (known + 1e-9 >= set.points()).then(|| set.classes.iter().find(|c| total >= c.from).cloned()).flatten();
        Ok(Score {
            set: set.code,
            title: set.title,
            title_en: set.title_en,
            marks: set.marks,
            reported: set.reported,
            unit,
            period,
            from,
            to,
            total,
            known: rounded(known),
            most: rounded(groups.iter().map(|g| g.most).sum()),
            class,
            groups,
        })
    }

    /// The scores of the agencies that had dossiers in a period and that the caller may see, highest first; at most 300.
    pub async fn scores(&self, caller: &Caller, query: &ScoresQuery) -> Result<Scores> {
        let units = self.visible(caller)?;
        let period = query.period.clone().unwrap_or_else(|| self.month(caller.now));
        let (from, to) = span(&period)?;
        let slice = Slice { from, to, units, ..Slice::default() };
        let busy = tables_board::tallies(&self.store, &slice, By::Unit).await?;
        let mut rows = Vec::new();
        for id in busy.into_iter().filter(|(_, t)| t.received > 0).map(|(id, _)| id).take(300) {
            let score = self.score(caller, &ScoreQuery { unit: id, period: Some(period.clone()), set: query.set.clone() }).await?;
            rows.push(ScoreRow {
                groups: score.groups.iter().map(|g| g.points).collect(),
                unit: score.unit,
                total: score.total,
                known: score.known,
                class: score.class,
            });
        }
        rows.sort_by(|a, b| b.total.total_cmp(&a.total).then_with(|| a.unit.name.cmp(&b.unit.name)));
        Ok(Scores { period, rows })
    }

    /// Figures that are counted here, by code.
    async fn counted(&self, procedures: &BTreeMap<String, Procedure>, unit: &UnitRef, from: &str, to: &str) -> Result<BTreeMap<&'static str, f64>> {
        let slice = Slice { from: from.into(), to: to.into(), units: Some(BTreeSet::from([unit.id.clone()])), ..Slice::default() };
        let used = tables_board::used_procedures(&self.store, &slice).await?;
        let mut sum = Tally::default();
        used.iter().for_each(|(_, t)| sum.add(t, 1));
        // The agency's own procedures: those that name it, those of communes for a commune, and whatever it handled.
        let communes = self.directory.communes(&self.directory.home());
        let commune = communes.iter().any(|c| self.directory.organisation_for(&c.id, "commune").is_some_and(|u| u.id == unit.id));
        let handled: BTreeSet<&str> = used.iter().map(|(code, _)| code.as_str()).collect();
        let own = |p: &&Procedure| p.agency == unit.id || (commune && p.agency.is_empty()) || handled.contains(p.code.as_str());
        let own: Vec<&Procedure> = procedures.values().filter(own).collect();
        let among = |keep: &dyn Fn(&Procedure) -> bool| own.iter().filter(|p| keep(p)).count() as f64;
        let seen = |code: &str, keep: &dyn Fn(&Tally) -> bool| used.iter().any(|(c, t)| c == code && keep(t));
        let online = |p: &Procedure| p.online != OnlineLevel::None;
        let units = BTreeSet::from([unit.id.clone()]);
        let rated = tables_more::rated(&self.store, Some(&units), from, to).await?;
        Ok(BTreeMap::from([
            ("received", sum.received as f64),
            ("on-time", (sum.received - sum.late) as f64),
            ("late", sum.late as f64),
            ("ended", sum.ended as f64),
            ("online", sum.online as f64),
            ("paid", sum.paid as f64),
            ("paid-online", sum.paid_online as f64),
            ("fee-due", sum.fee_due as f64),
            ("electronic-results", sum.electronic_result as f64),
            ("digitised", sum.digitised as f64),
            ("reused", sum.reused as f64),
            ("slips", sum.slips as f64),
            ("supplements-over", sum.excess as f64),
            ("rated", rated.iter().map(|r| r.rated).sum::<i64>() as f64),
            ("satisfied", rated.iter().map(|r| r.satisfied).sum::<i64>() as f64),
            ("procedures", own.len() as f64),
            ("procedures-online", among(&online)),
            ("procedures-full", among(&|p| p.online == OnlineLevel::Full)),
            ("procedures-with-online", among(&|p| online(p) && seen(&p.code, &|t| t.online > 0))),
            ("procedures-fee", among(&|p| p.fee > 0)),
            ("procedures-paid", among(&|p| p.fee > 0 && seen(&p.code, &|t| t.paid_online > 0))),
            ("procedures-fee-used", among(&|p| p.fee > 0 && seen(&p.code, &|t| t.received > 0))),
        ]))
    }
}
