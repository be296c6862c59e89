//! Indicators: what a plan promised, what was reported or computed, and how it stands.
//!
//! Sets come from packs. A value is entered by one person and counts when another approves it, or it is computed from
//! the platform's own [`Measures`] and carries the rows it was made of. Nothing is overwritten: a value is superseded.

mod board_model;
pub mod boards;
mod briefing;
mod compute;
pub mod http;
pub mod http_boards;
mod jobs;
mod model;
pub mod pack;
mod pack_boards;
mod period;
mod score;
mod stated;
mod tables;
mod tables_boards;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dothi_kernel::{Caller, Directory, Error, Evidence, Measures, Permission, Result, Scope, UnitRef};
use dothi_store::Store;
use jiff::tz::TimeZone;

pub use board_model::*;
pub use boards::Boards;
pub use model::*;
pub use period::{Period, PeriodKind};
pub use score::{Reading, achievement, standing, summary};
pub use stated::{Stated, StatedKind, Words, number, written};
pub use tables::MIGRATIONS;

use tables::ValueRow;

/// The indicators of this installation. Cheap to share by [`Arc`].
pub struct Oversight {
    store: Store,
    measures: Vec<Arc<dyn Measures>>,
    directory: Arc<dyn Directory>,
    /// Instants for which a computation is already set, by source, so that a storm of events writes one timer.
    set_for: Mutex<HashMap<String, i64>>,
}

impl Oversight {
    /// Opens the domain. `measures` are asked by name; a name two of them offer belongs to the first.
    pub async fn open(store: Store, measures: Vec<Arc<dyn Measures>>, directory: Arc<dyn Directory>) -> Result<Self> {
        Ok(Self { store, measures, directory, set_for: Mutex::new(HashMap::new()) })
    }

    /// Takes over what a pack declares; idempotent. Indicators that a newer version leaves out keep their values, unseen.
    pub async fn install(&self, caller: &Caller, pack: &str, part: pack::OversightPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let faults = part.check();
        if !faults.is_empty() {
            return Err(Error::unprocessable("oversight.pack", "The pack's indicator sets have faults.").with("faults", faults.join("; ")));
        }
        let mut tx = self.store.begin(caller).await?;
        for (position, set) in part.sets.iter().enumerate() {
            tables::put_set(&mut tx, pack, position, set).await?;
        }
        tables_boards::put_templates(&mut tx, pack, &part.templates).await?;
        for source in sources(&part.sets) {
            tx.schedule(jobs::COMPUTE, &source, caller.now).await?;
        }
        tx.commit().await
    }

    /// All sets. Public.
    pub async fn sets(&self, _caller: &Caller) -> Result<Vec<SetRow>> {
        Ok(tables::sets(&self.store).await?.iter().map(set_row).collect())
    }

    /// The names of the measures that can be used here.
    pub fn measure_names(&self) -> Vec<&'static str> {
        self.measures.iter().flat_map(|m| m.names()).collect()
    }

    /// A scorecard. Public: everybody sees what counts; holders of `scorecard-read` also see what waits for approval.
    /// 404 `oversight.set`, 422 `oversight.area`, 400 `oversight.period`.
    pub async fn scorecard(&self, caller: &Caller, query: &ScorecardQuery) -> Result<Scorecard> {
        let set = self.find_set(query.set.as_deref()).await?;
        let view = self.view(caller, &set, query.area.as_deref(), query.period.as_deref())?;
        let values = tables::of_area(&self.store, &set.code, &view.area.id, &(view.period.year() - 2).to_string()).await?;
        let cards: Vec<(&Indicator, CardIndicator)> = set.indicators.iter().map(|i| (i, card(&set, i, &values, &view))).collect();
        let summary_of = |below: &dyn Fn(&Indicator) -> bool| score::summary(cards.iter().filter(|(i, _)| below(i)).map(|(_, c)| (c.achievement, c.standing)));
        let groups = set.groups.iter().map(|group| CardGroup {
            parent: group.code.rsplit_once('.').map(|(above, _)| above.to_string()),
            level: group.code.split('.').count() as u32,
            summary: summary_of(&|i| is_below(&i.group, &group.code)),
            indicators: cards.iter().filter(|(i, _)| i.group == group.code).map(|(_, c)| c.clone()).collect(),
            code: group.code.clone(),
            name: group.name.clone(),
            name_en: group.name_en.clone(),
        });
        Ok(Scorecard {
            summary: summary_of(&|_| true),
            groups: groups.collect(),
            set: set_row(&set),
            area: view.area.id.clone(),
            area_name: view.area.name.clone(),
            period: view.period.to_string(),
        })
    }

    /// One indicator with its definition, formula, history and the rows behind the value shown. Public like
    /// [`Oversight::scorecard`]; names, notes and values that never counted are for `scorecard-read`.
    pub async fn indicator(&self, caller: &Caller, set: &str, code: &str, query: &IndicatorQuery) -> Result<IndicatorDetail> {
        let set = self.find_set(Some(set)).await?;
        let indicator = find_indicator(&set, code)?;
        let view = self.view(caller, &set, query.area.as_deref(), query.period.as_deref())?;
        let values = tables::of_area(&self.store, &set.code, &view.area.id, &(view.period.year() - 2).to_string()).await?;
        let shown = card(&set, indicator, &values, &view);
        let history = tables::history(&self.store, &set.code, code, &view.area.id, !view.staff).await?;
        let evidence = match &shown.value {
            Some(value) => self.evidence(&history, value, view.staff).await?,
            None => Vec::new(),
        };
        let proposed = indicator.formula_status == FormulaStatus::Proposed;
        let path = set.groups.iter().filter(|g| is_below(&indicator.group, &g.code)).map(|g| g.code.clone()).collect();
        Ok(IndicatorDetail {
            path,
            area: view.area.id.clone(),
            area_name: view.area.name.clone(),
            period: view.period.to_string(),
            indicator: shown,
            formula: Formula {
                numerator: indicator.numerator.clone(),
                denominator: indicator.denominator.clone(),
                status: indicator.formula_status,
                label: proposed.then(|| set.proposed_label.clone()),
                label_en: proposed.then(|| set.proposed_label_en.clone()),
            },
            measure: indicator.measure.clone(),
            values: history.into_iter().map(|row| self.shown(caller, &set, indicator, row, view.staff)).collect(),
            evidence,
            set: set_row(&set),
        })
    }

    async fn evidence(&self, history: &[ValueRow], value: &ShownValue, staff: bool) -> Result<Vec<Evidence>> {
        let mut rows = tables::evidence(&self.store, value.id).await?;
        if let Some(row) = history.iter().find(|row| row.id == value.id)
            && (row.note.is_some() || row.evidence_url.is_some())
        {
            let note = row.note.clone().filter(|_| staff);
            let link = row.evidence_url.clone().unwrap_or_default();
            rows.insert(0, Evidence { label: note.unwrap_or_else(|| link.clone()), link, counts: true });
            rows.retain(|r| !r.label.is_empty());
        }
        Ok(rows)
    }

    async fn find_set(&self, code: Option<&str>) -> Result<IndicatorSet> {
        let sets = tables::sets(&self.store).await?;
        sets.into_iter().find(|s| code.is_none_or(|c| s.code == c)).ok_or_else(|| Error::not_found("oversight.set", "There is no such indicator set."))
    }

    /// An area of the home province by code; 422 `oversight.area`.
    fn area(&self, code: &str) -> Result<UnitRef> {
        let home = self.directory.home();
        if code == home {
            return Ok(self.directory.unit(&home).unwrap_or(UnitRef { id: home.clone(), name: home }));
        }
        let place = self.directory.commune(code).filter(|p| p.province == home);
        place
            .map(|p| UnitRef { id: p.commune, name: p.commune_name })
            .ok_or_else(|| Error::unprocessable("oversight.area", "The area must be the province or one of its present communes."))
    }

    fn view(&self, caller: &Caller, set: &IndicatorSet, area: Option<&str>, period: Option<&str>) -> Result<View> {
        let zone = zone(set)?;
        let area = self.area(area.unwrap_or(&self.directory.home()))?;
        let period = match period {
            Some(text) => Period::parse(text)?,
            None => Period::at(PeriodKind::Year, caller.now, &zone),
        };
        let staff = [Permission::ScorecardRead, Permission::IndicatorReport, Permission::IndicatorApprove].iter().any(|p| caller.may(*p, Scope::ANY));
        Ok(View { area, period, zone, staff })
    }

    /// The outside form of a value; without `staff`, without names, notes and reasons.
    fn shown(&self, caller: &Caller, set: &IndicatorSet, indicator: &Indicator, row: ValueRow, staff: bool) -> IndicatorValue {
        let area_name = self.area(&row.cell.area).map_or_else(|_| row.cell.area.clone(), |a| a.name);
        IndicatorValue {
            id: row.id,
            set: set.code.clone(),
            indicator: indicator.code.clone(),
            indicator_name: indicator.name.clone(),
            unit: indicator.unit.clone(),
            area: row.cell.area,
            area_name,
            period: row.cell.period,
            status: row.status,
            number: row.number,
            yes_no: row.yes_no,
            numerator: row.numerator,
            denominator: row.denominator,
            note: row.note.filter(|_| staff),
            evidence_url: row.evidence_url,
            source: row.source,
            entered_by: Some(row.entered_by).filter(|_| staff),
            entered_at: row.entered_at,
            decided_by: row.decided_by.filter(|_| staff),
            decided_at: row.decided_at,
            reason: row.reason.filter(|_| staff),
            superseded_by: row.superseded_by,
            mine: row.entered_id.is_some() && row.entered_id == caller.id,
        }
    }
}

/// What is looked at, and by whom.
struct View {
    area: UnitRef,
    period: Period,
    zone: TimeZone,
    staff: bool,
}

fn zone(set: &IndicatorSet) -> Result<TimeZone> {
    TimeZone::get(&set.zone).map_err(|e| Error::internal("finding a set's time zone", e))
}

fn set_row(set: &IndicatorSet) -> SetRow {
    SetRow {
        code: set.code.clone(),
        title: set.title.clone(),
        title_en: set.title_en.clone(),
        source_act: set.source_act.clone(),
        version: set.version.clone(),
        indicators: set.indicators.len() as u32,
        columns: set.columns.clone(),
    }
}

fn find_indicator<'a>(set: &'a IndicatorSet, code: &str) -> Result<&'a Indicator> {
    set.indicators.iter().find(|i| i.code == code).ok_or_else(|| Error::not_found("oversight.indicator", "There is no such indicator in this set."))
}

/// Whether `code` is `group` or stands below it.
fn is_below(code: &str, group: &str) -> bool {
    code.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Domains whose measures the sets use.
fn sources(sets: &[IndicatorSet]) -> Vec<String> {
    let mut all: Vec<String> = sets.iter().flat_map(|s| &s.indicators).filter_map(|i| i.measure.as_ref()).map(|m| source(&m.name).to_string()).collect();
    all.sort();
    all.dedup();
    all
}

/// The domain a measure belongs to.
fn source(measure: &str) -> &str {
    measure.split('.').next().unwrap_or(measure)
}

fn card(set: &IndicatorSet, indicator: &Indicator, values: &[ValueRow], view: &View) -> CardIndicator {
    let own: Vec<&ValueRow> = values.iter().filter(|v| v.cell.indicator == indicator.code).collect();
    let period = view.period.to_string();
    let counts = own.iter().find(|v| v.cell.period == period && v.status != ValueStatus::Pending);
    let waits = own.iter().find(|v| view.staff && v.cell.period == period && v.status == ValueStatus::Pending);
    let reading = counts.map_or_else(Reading::default, |v| Reading { number: v.number, yes_no: v.yes_no });
    let achievement = score::achievement(&indicator.target, &reading);
    let shown = counts.or(waits).map(|v| ShownValue {
        id: v.id,
        number: v.number,
        text: v.yes_no.and_then(|answer| if answer { set.words.yes.first() } else { set.words.no.first() }.cloned()),
        numerator: v.numerator,
        denominator: v.denominator,
        at: v.decided_at.unwrap_or(v.entered_at),
        status: v.status,
        source: v.source.clone(),
    });
    CardIndicator {
        code: indicator.code.clone(),
        name: indicator.name.clone(),
        name_en: indicator.name_en.clone(),
        unit: indicator.unit.clone(),
        kind: indicator.kind,
        base: indicator.base.clone(),
        forecast: indicator.forecast.clone(),
        target: indicator.target.clone(),
        value: shown,
        achievement,
        standing: score::standing(achievement, set.near_from),
        trend: trend(&own, view),
        formula_status: indicator.formula_status,
        proxy: indicator.measure.as_ref().is_some_and(|m| m.proxy),
        lead: indicator.lead.clone(),
        waiting: waits.is_some(),
    }
}

/// The last twelve figures up to the period shown: by month when there are at least two, else by quarter, else by periods like the shown one.
fn trend(own: &[&ValueRow], view: &View) -> Vec<TrendPoint> {
    let end = |period: Period| period.range(&view.zone).map(|(_, to)| to).ok();
    let last = end(view.period);
    let mut points: Vec<(Period, f64)> = own
        .iter()
        .filter(|v| v.status != ValueStatus::Pending)
        .filter_map(|v| Some((Period::parse(&v.cell.period).ok()?, v.number?)))
        .filter(|(period, _)| end(*period) <= last)
        .collect();
    let several = |kind| points.iter().filter(|(p, _)| p.kind() == kind).count() >= 2;
    let kind = [PeriodKind::Month, PeriodKind::Quarter].into_iter().find(|k| several(*k)).unwrap_or(view.period.kind());
    points.retain(|(p, _)| p.kind() == kind);
    points.sort_by_key(|(p, _)| end(*p));
    points.drain(..points.len().saturating_sub(12));
    points.into_iter().map(|(p, number)| TrendPoint { period: p.to_string(), number }).collect()
}
