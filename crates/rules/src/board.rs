//! The alarm system's own board: how much it asks of each operator, held against figures of good practice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp, time};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::figures::{self, HOUR, Life, Often, Reckoned, TEN_MINUTES};
use crate::practice::{Practice, Target};
use crate::tables_figures::Line;
use crate::{Rules, tables_figures};

const DAY: i64 = 24 * HOUR;
/// Longest stretch of a board.
const DAYS: i64 = 31;
/// Lines of the log read for one board.
const LINES: usize = 400_000;
/// Alarms looked at for the load of the last day.
const SHOWN: usize = 100_000;
/// The load is reckoned at most once in so many µs, for all screens together.
const FRESH: i64 = 5_000_000;

/// Which stretch of time, and whose alarms.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FiguresQuery {
    /// From, RFC 3339; a week before `to` when left out.
    pub from: Option<String>,
    /// To, RFC 3339; now when left out. At most 31 days after `from`.
    pub to: Option<String>,
    /// Organisation.
    pub unit: Option<String>,
    /// Sector.
    pub sector: Option<String>,
}

/// Rates of alarms shown to operators.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmRates {
    /// Alarms shown.
    pub alarms: u64,
    /// A day, on average.
    pub per_day: f64,
    /// An hour, on average.
    pub per_hour: f64,
    /// In ten minutes, on average.
    pub per_10_min: f64,
    /// Most within ten minutes.
    pub peak_10_min: u64,
    /// When that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub peak_at: Option<Timestamp>,
    /// Share of ten-minute periods above the figure, per cent.
    pub busy_10_min: f64,
    /// Share of hours above the figure, per cent.
    pub busy_hours: f64,
    /// Share of time in flood, per cent.
    pub in_flood: f64,
}

impl AlarmRates {
    fn of(r: figures::Rates) -> Self {
        let round = |v: f64| (v * 1000.0).round() / 1000.0;
        Self {
            alarms: r.alarms,
            per_day: round(r.per_day),
            per_hour: round(r.per_hour),
            per_10_min: round(r.per_10_min),
            peak_10_min: r.peak_10_min,
            peak_at: r.peak_at.map(time::micros),
            busy_10_min: round(r.busy_10_min),
            busy_hours: round(r.busy_hours),
            in_flood: round(r.in_flood),
        }
    }
}

/// A flood of alarms.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmFlood {
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, or the end of the board.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Still going on then.
    pub open: bool,
    /// Alarms shown in it.
    pub alarms: u64,
    /// Most within ten minutes.
    pub peak: u64,
}

/// One day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmDay {
    /// Local date.
    #[schema(value_type = String, format = Date)]
    pub day: jiff::civil::Date,
    /// Alarms shown.
    pub alarms: u64,
    /// With those that were muted or withheld.
    pub raw: u64,
    /// Floods that began.
    pub floods: u64,
    /// Stale when the day ended.
    pub stale: u64,
}

/// How often alarms of a rule and thing did something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmOften {
    /// Rule.
    pub rule: String,
    /// Thing.
    pub entity: String,
    /// Its name.
    pub entity_name: String,
    /// Title.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Severity.
    pub severity: Severity,
    /// How often.
    pub times: u64,
    /// Share of all alarms shown, per cent.
    pub share: f64,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    pub last: Timestamp,
}

/// Alarms of one priority.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmShare {
    /// Priority.
    pub severity: Severity,
    /// Alarms shown.
    pub alarms: u64,
    /// Share, per cent.
    pub share: f64,
}

/// An operator's position: alarms of a sector that belong to an organisation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Position {
    /// Organisation; empty when the alarms belong to none.
    pub unit: String,
    /// Its name.
    pub unit_name: String,
    /// Sector.
    pub sector: String,
    /// Rates.
    pub rates: AlarmRates,
}

/// The board.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmFigures {
    /// From.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Rates over all positions asked for.
    pub rates: AlarmRates,
    /// Everything that rose, with what was muted under its cause or withheld.
    pub raw: u64,
    /// By position.
    pub positions: Vec<Position>,
    /// Floods, the newest first; at most 50.
    pub floods: Vec<AlarmFlood>,
    /// How many there were.
    pub flood_count: u64,
    /// By day.
    pub days: Vec<AlarmDay>,
    /// By local hour of the day.
    pub hours: Vec<u64>,
    /// The ten most frequent.
    pub top: Vec<AlarmOften>,
    /// Share of those, per cent.
    pub top_share: f64,
    /// Rose too often in too short a time.
    pub chattering: Vec<AlarmOften>,
    /// Went away before anybody could act.
    pub fleeting: Vec<AlarmOften>,
    /// By priority.
    pub severities: Vec<AlarmShare>,
    /// Open now whose condition has held for too long.
    pub stale: i64,
    /// Shelved now.
    pub shelved: i64,
    /// Suppressed by design now.
    pub suppressed: i64,
    /// Out of service now.
    pub out_of_service: i64,
    /// Figures of good practice that the packs declare.
    pub targets: Vec<Target>,
    /// Where those come from.
    pub source: String,
    /// There was more than the board reads: the newest part is missing.
    pub truncated: bool,
}

/// What operators' positions are asked to look at now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmLoad {
    /// Positions with alarms in the last day, the busiest first.
    pub positions: Vec<PositionLoad>,
    /// Any of them is in a flood: lists fold by cause.
    pub storm: bool,
}

/// One position now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PositionLoad {
    /// Organisation; empty when the alarms belong to none.
    pub unit: String,
    /// Its name.
    pub unit_name: String,
    /// Sector.
    pub sector: String,
    /// Alarms shown in the last ten minutes.
    pub last_10_min: u64,
    /// In the last hour.
    pub last_hour: u64,
    /// In the last day.
    pub last_day: u64,
    /// In a flood since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub storm_since: Option<Timestamp>,
}

/// When alarms were shown lately, by position, and when that was read.
#[derive(Default)]
pub(crate) struct Lately {
    read_at: i64,
    by_position: Arc<Positions>,
}

/// Unit and sector → instants.
type Positions = BTreeMap<(String, String), Vec<i64>>;

impl Rules {
    /// The board over a stretch of time, for the alarms the caller may see. 400 `alarm.figures.time`, `alarm.figures.span`.
    pub async fn figures(&self, caller: &Caller, query: &FiguresQuery) -> Result<AlarmFigures> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let instant = |text: &Option<String>| -> Result<Option<Timestamp>> {
            text.as_deref()
                .map(|t| t.parse::<Timestamp>().map_err(|_| Error::invalid("alarm.figures.time", "`from` and `to` are RFC 3339 instants.")))
                .transpose()
        };
        let to = instant(&query.to)?.unwrap_or(caller.now).min(caller.now);
        let from = instant(&query.from)?.unwrap_or(time::micros(to.as_microsecond() - 7 * DAY));
        // Screens tell the beginning in whole minutes.
        if from >= to || to.as_microsecond() - from.as_microsecond() > DAYS * DAY + HOUR {
            return Err(Error::invalid("alarm.figures.span", "The beginning lies before the end, by at most 31 days."));
        }
        let filter = || {
            let mut filter = Self::visible(caller);
            for (column, value) in [("unit = ?", &query.unit), ("sector = ?", &query.sector)] {
                if let Some(value) = value {
                    filter.add(column, vec![value.into()]);
                }
            }
            filter
        };
        let practice = self.live.lock().await.room.practice.clone();
        let lines = tables_figures::lines(&self.store, filter(), from, to, LINES).await?;
        let truncated = lines.len() == LINES;
        let stale = practice.get("stale/hours").map_or(Timestamp::MIN, |h| time::micros(caller.now.as_microsecond() - (h * HOUR as f64) as i64));
        let kept = tables_figures::kept_now(&self.store, filter(), stale).await?;
        let of = |how: &str| kept.iter().find(|(suppressed, ..)| suppressed == how).map_or((0, 0), |(_, n, stale)| (*n, *stale));
        let period = (from.as_microsecond(), to.as_microsecond());
        let zone = self.zone.clone();
        // Hundreds of thousands of lines are no work for an async thread.
        let reckoned = tokio::task::spawn_blocking(move || {
            let gathered = Gathered::of(lines);
            let reckoned = figures::reckon(&gathered.lives, period, &practice, &zone);
            let positions = gathered.positions(period, &practice);
            (gathered.keys, positions, reckoned, practice)
        });
        let (keys, positions, r, practice) = reckoned.await.map_err(|e| Error::internal("reckoning figures", e))?;
        let shown = r.rates.alarms;
        Ok(AlarmFigures {
            from,
            to,
            positions: positions.into_iter().map(|((unit, sector), rates)| Position { unit_name: self.unit_name(&unit), unit, sector, rates }).collect(),
            top: self.often(&keys, &r.top, shown).await?,
            chattering: self.often(&keys, &r.chattering, shown).await?,
            fleeting: self.often(&keys, &r.fleeting, shown).await?,
            stale: of("").1,
            shelved: of("shelved").0,
            suppressed: of("suppressed").0,
            out_of_service: of("out-of-service").0,
            targets: practice.targets(),
            source: practice.source().to_string(),
            truncated,
            ..plain(r, from, to)
        })
    }

    fn unit_name(&self, unit: &str) -> String {
        self.directory.unit(unit).map(|u| u.name).unwrap_or_default()
    }

    async fn often(&self, keys: &[(String, String)], list: &[Often], shown: u64) -> Result<Vec<AlarmOften>> {
        let mut found = Vec::new();
        for o in list {
            let Some((rule, entity)) = keys.get(o.key) else { continue };
            let Some((title, title_en, entity_name, severity)) = tables_figures::named(&self.store, rule, entity).await? else { continue };
            let share = if shown == 0 { 0.0 } else { (o.times as f64 * 1000.0 / shown as f64).round() / 10.0 };
            let (rule, entity, last) = (rule.clone(), entity.clone(), time::micros(o.last));
            found.push(AlarmOften { rule, entity, entity_name, title, title_en, severity, times: o.times, share, last });
        }
        Ok(found)
    }

    /// How much the caller's positions are asked to look at now.
    pub async fn load(&self, caller: &Caller) -> Result<AlarmLoad> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let practice = self.live.lock().await.room.practice.clone();
        let now = caller.now.as_microsecond();
        let lately = {
            let mut lately = self.lately.lock().await;
            if now < lately.read_at || now - lately.read_at > FRESH {
                let mut by_position = Positions::new();
                for (at, unit, sector) in tables_figures::shown_since(&self.store, time::micros(now - DAY), SHOWN).await? {
                    by_position.entry((unit, sector)).or_default().push(at);
                }
                *lately = Lately { read_at: now, by_position: Arc::new(by_position) };
            }
            lately.by_position.clone()
        };
        let mut positions = Vec::new();
        for ((unit, sector), at) in lately.iter() {
            let scope = if unit.is_empty() { Scope::ANY } else { Scope::unit(unit) };
            if !caller.may(Permission::AlarmRead, scope.sector(sector)) {
                continue;
            }
            let since = |t: i64| (at.len() - at.partition_point(|a| *a <= now - t)) as u64;
            let storm = figures::floods_by(at, &practice, now).into_iter().rev().find(|f| f.open);
            positions.push(PositionLoad {
                unit: unit.clone(),
                unit_name: self.unit_name(unit),
                sector: sector.clone(),
                last_10_min: since(TEN_MINUTES),
                last_hour: since(HOUR),
                last_day: since(DAY),
                storm_since: storm.map(|f| time::micros(f.from)),
            });
        }
        positions.sort_by_key(|p| (std::cmp::Reverse(p.last_10_min), std::cmp::Reverse(p.last_day)));
        Ok(AlarmLoad { storm: positions.iter().any(|p| p.storm_since.is_some()), positions })
    }
}

/// What needs no names.
fn plain(r: Reckoned, from: Timestamp, to: Timestamp) -> AlarmFigures {
    let shown = r.rates.alarms.max(1) as f64;
    let percent = |n: u64| (n as f64 * 1000.0 / shown).round() / 10.0;
    AlarmFigures {
        from,
        to,
        rates: AlarmRates::of(r.rates),
        raw: r.raw,
        positions: Vec::new(),
        floods: r
            .floods
            .iter()
            .map(|f| AlarmFlood { from: time::micros(f.from), to: time::micros(f.to), open: f.open, alarms: f.alarms, peak: f.peak })
            .collect(),
        flood_count: r.flood_count,
        days: r.days.iter().map(|d| AlarmDay { day: d.day, alarms: d.alarms, raw: d.raw, floods: d.floods, stale: d.stale }).collect(),
        hours: r.hours.to_vec(),
        top: Vec::new(),
        top_share: (r.top_share * 10.0).round() / 10.0,
        chattering: Vec::new(),
        fleeting: Vec::new(),
        severities: r.severities.iter().rev().map(|(severity, n)| AlarmShare { severity: *severity, alarms: *n, share: percent(*n) }).collect(),
        stale: 0,
        shelved: 0,
        suppressed: 0,
        out_of_service: 0,
        targets: Vec::new(),
        source: String::new(),
        truncated: false,
    }
}

/// Lines put together by alarm.
struct Gathered {
    lives: Vec<Life>,
    keys: Vec<(String, String)>,
    whose: Vec<(String, String)>,
}

impl Gathered {
    fn of(lines: Vec<Line>) -> Self {
        let (mut lives, mut keys, mut whose) = (Vec::<Life>::new(), Vec::new(), Vec::new());
        let (mut by_alarm, mut by_key, mut by_position) = (HashMap::new(), HashMap::new(), HashMap::new());
        for line in lines {
            let at = *by_alarm.entry(line.alarm).or_insert_with(|| {
                let key = *by_key.entry((line.rule.clone(), line.entity.clone())).or_insert_with_key(|k| {
                    keys.push(k.clone());
                    keys.len() - 1
                });
                let position = *by_position.entry((line.unit.clone(), line.sector.clone())).or_insert_with_key(|k| {
                    whose.push(k.clone());
                    whose.len() - 1
                });
                lives.push(Life { key, position, severity: line.severity, lines: Vec::new() });
                lives.len() - 1
            });
            lives[at].lines.push((line.at, line.what));
        }
        Self { lives, keys, whose }
    }

    /// Rates by position, the busiest first.
    fn positions(&self, (from, to): (i64, i64), practice: &Practice) -> Vec<((String, String), AlarmRates)> {
        let mut instants: Vec<Vec<i64>> = vec![Vec::new(); self.whose.len()];
        for life in &self.lives {
            let shown = life.lines.iter().filter(|(t, what)| *what == figures::What::Raised && (from..to).contains(t));
            instants[life.position].extend(shown.map(|(t, _)| *t));
        }
        let mut found: Vec<_> = self
            .whose
            .iter()
            .zip(instants)
            .filter(|(_, at)| !at.is_empty())
            .map(|(whose, mut at)| {
                at.sort_unstable();
                let floods = figures::floods_by(&at, practice, to);
                (whose.clone(), AlarmRates::of(figures::rates(&at, (from, to), &floods, practice)))
            })
            .collect();
        found.sort_by_key(|(_, rates)| std::cmp::Reverse(rates.alarms));
        found
    }
}
