//! Where reports come from and where few do: reports per thousand people by commune, heat, and a year in figures.

use std::collections::BTreeMap;

use dothi_kernel::geo::BBox;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::Cases;
use crate::columns::{Group, Span};
use crate::stats::{self, StatRow};
use crate::tables_columns::{self, PeopleRecord};
use crate::text;

/// Cells of one heat map.
const CELLS: usize = 5_000;
/// Communes whose people can be counted.
const COMMUNES: usize = 5_000;
/// Rows of each table of a year.
const ROWS: usize = 50;

/// Which reports are counted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct DensityQuery {
    /// From, inclusive (RFC 3339); 90 days ago when left out.
    pub from: Option<String>,
    /// To, exclusive (RFC 3339); now when left out.
    pub to: Option<String>,
    /// Category code.
    pub category: Option<String>,
    /// For heat: `west,south,east,north`.
    pub bbox: Option<String>,
}

/// A commune with its reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DensityRow {
    /// Commune code.
    pub area: String,
    /// Its name.
    pub name: String,
    /// Reports that came in.
    pub reports: i64,
    /// People who live there, where that is known.
    pub people: Option<i64>,
    /// Reports for a thousand of them.
    pub per_thousand: Option<f64>,
}

/// Reports by commune, every commune of the province.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Density {
    /// From, inclusive.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, exclusive.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Communes, fewest reports for a thousand people first; those without a count of people last.
    pub rows: Vec<DensityRow>,
    /// Reports for a thousand people over all communes with a count.
    pub per_thousand: Option<f64>,
    /// Whose counts of people, and of which years; empty = nobody has entered any.
    pub sources: Vec<String>,
}

/// How many people live in a commune.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeopleRow {
    /// Commune code.
    pub area: String,
    /// People.
    pub people: u32,
}

/// Counts of people to be used from now on, in place of all earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeopleInput {
    /// Year of the count.
    pub year: u16,
    /// Who counted, as it shall be quoted.
    pub source: String,
    /// Communes; empty = forget all counts.
    pub rows: Vec<PeopleRow>,
}

/// A year in figures, beside the year before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct YearReport {
    /// The year.
    pub year: i16,
    /// Its first instant here.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Its end, or now while it lasts.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// Whether it is over.
    pub over: bool,
    /// All reports of the year; none came in = none.
    pub total: Option<StatRow>,
    /// The same span of the year before.
    pub before: Option<StatRow>,
    /// By month, January first.
    pub months: Vec<StatRow>,
    /// The same months of the year before.
    pub months_before: Vec<StatRow>,
    /// By category, most reports first.
    pub categories: Vec<StatRow>,
    /// The same of the year before, for comparison.
    pub categories_before: Vec<StatRow>,
    /// By unit, most reports first; at most fifty.
    pub units: Vec<StatRow>,
    /// By commune, most reports first; at most fifty.
    pub areas: Vec<StatRow>,
}

impl Cases {
    /// Reports by commune, for a thousand people where counts were entered. Few reports do not mean few problems.
    pub async fn density(&self, caller: &Caller, query: &DensityQuery) -> Result<Density> {
        let (from, to) = stats::span(query.from.as_deref(), query.to.as_deref(), caller.now)?;
        let people = tables_columns::people(&self.store).await?;
        let span = Span { category: query.category.as_deref(), ..Span::of(from, to) };
        let columns = self.counted.now(&self.store).await?;
        let mut reports: BTreeMap<&str, i64> = columns.by_area(&span).into_iter().collect();
        let living: BTreeMap<&str, i64> = people.iter().map(|p| (p.area.as_str(), p.people)).collect();
        let rate = |reports: i64, people: i64| (people > 0).then(|| (reports as f64 / people as f64 * 100_000.0).round() / 100.0);
        let mut rows: Vec<DensityRow> = Vec::new();
        for commune in self.directory.communes(&self.directory.home()) {
            let reports = reports.remove(commune.id.as_str()).unwrap_or(0);
            let people = living.get(commune.id.as_str()).copied();
            rows.push(DensityRow { per_thousand: people.and_then(|p| rate(reports, p)), area: commune.id, name: commune.name, reports, people });
        }
        let key = |r: &DensityRow| (r.per_thousand.is_none(), r.per_thousand.unwrap_or(r.reports as f64));
        rows.sort_by(|a, b| key(a).0.cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1)).then_with(|| a.area.cmp(&b.area)));
        let counted = rows.iter().filter_map(|r| r.people.map(|p| (r.reports, p))).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let mut sources: Vec<String> = people.iter().map(|p| format!("{}, {}", p.source, p.year)).collect();
        sources.sort();
        sources.dedup();
        sources.truncate(10);
        Ok(Density { from, to, per_thousand: rate(counted.0, counted.1), rows, sources })
    }

    /// Puts counts of people in place of the earlier ones. On record. 422 `case.people.invalid`.
    pub async fn set_people(&self, caller: &Caller, input: &PeopleInput) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let invalid = |why: &str| Error::unprocessable("case.people.invalid", "These counts are not usable.").with("fault", why);
        let source = text::clean(&input.source, "source", 200)?;
        if input.rows.len() > COMMUNES || (source.is_empty() && !input.rows.is_empty()) || !(1900..=2200).contains(&input.year) {
            return Err(invalid("a source, a year and at most 5,000 communes"));
        }
        let home = self.directory.home();
        let mut records: BTreeMap<&str, PeopleRecord> = BTreeMap::new();
        for row in &input.rows {
            if self.directory.commune(&row.area).is_none_or(|p| p.province != home) {
                return Err(invalid(&format!("there is no commune `{}` here", text::short(&row.area, 20))));
            }
            let record = PeopleRecord { area: row.area.clone(), people: i64::from(row.people), year: i64::from(input.year), source: source.clone() };
            if records.insert(&row.area, record).is_some() {
                return Err(invalid(&format!("the commune `{}` is counted twice", row.area)));
            }
        }
        let records: Vec<PeopleRecord> = records.into_values().collect();
        let mut tx = self.store.begin(caller).await?;
        tables_columns::set_people(&mut tx, &records).await?;
        tx.audit("case.people.set", "cases", &json!({ "communes": records.len(), "year": input.year, "source": source })).await?;
        tx.commit().await
    }

    /// Where reports come from, as cells of about two hundred metres: a GeoJSON FeatureCollection of points with counts.
    pub async fn heat(&self, caller: &Caller, query: &DensityQuery) -> Result<serde_json::Value> {
        let (from, to) = stats::span(query.from.as_deref(), query.to.as_deref(), caller.now)?;
        let bbox = query.bbox.as_deref().map(BBox::parse).transpose()?;
        let span = Span { category: query.category.as_deref(), ..Span::of(from, to) };
        // A province at once is looked at from farther away.
        let wide = bbox.is_none_or(|b| b.east - b.west > 0.5);
        let size = if wide { 0.005 } else { 0.002 };
        let cells = self.counted.now(&self.store).await?.heat(&span, bbox, size, CELLS);
        let round = |v: f64| (v * 10_000.0).round() / 10_000.0;
        let features: Vec<_> = cells
            .into_iter()
            .map(|(lon, lat, n)| json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [round(lon), round(lat)] }, "properties": { "n": n } }))
            .collect();
        Ok(json!({ "type": "FeatureCollection", "features": features }))
    }

    /// A year in figures beside the year before (of a year that lasts: the same span). 404 `case.year.none` before the first report
    /// and after today.
    pub async fn year(&self, caller: &Caller, year: i16) -> Result<YearReport> {
        let none = || Error::not_found("case.year.none", "There are no reports of this year.").with("year", year);
        let zone = self.calendar.zone();
        let first = |year: i16| -> Result<Timestamp> {
            let day = jiff::civil::Date::new(year, 1, 1).map_err(|e| none().because(e))?;
            let start = day.to_zoned(zone.clone()).map_err(|e| none().because(e))?;
            Ok(micros(start.timestamp().as_microsecond()))
        };
        if !(1901..=9000).contains(&year) {
            return Err(none());
        }
        let (from, end, earlier) = (first(year)?, first(year + 1)?, first(year - 1)?);
        let over = end <= caller.now;
        let to = end.min(caller.now);
        let begun = tables_columns::first_arrival(&self.store).await?;
        if from > caller.now || begun.is_none_or(|at| at >= end) {
            return Err(none());
        }
        // As far into the year before as this one has come.
        let before_to = if over { from } else { micros(earlier.as_microsecond() + (to.as_microsecond() - from.as_microsecond())) };
        let (this, before) = (Span::of(from, to), Span::of(earlier, before_to));
        let (months, months_before) = (Group::Months(self.months(from, to)?), Group::Months(self.months(earlier, before_to)?));
        let columns = self.counted.now(&self.store).await?;
        let rows = |group: &Group, name: &str, span: &Span<'_>| -> Vec<StatRow> {
            columns.stats(group, span, caller.now).into_iter().map(|r| self.stat_row(name, r)).collect()
        };
        let by_month = |group: &Group, span: &Span<'_>| {
            let mut found = rows(group, "month", span);
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found
        };
        let few = |mut found: Vec<StatRow>| {
            found.truncate(ROWS);
            found
        };
        Ok(YearReport {
            year,
            from,
            to,
            over,
            total: rows(&Group::All, "all", &this).into_iter().next(),
            before: rows(&Group::All, "all", &before).into_iter().next(),
            months: by_month(&months, &this),
            months_before: by_month(&months_before, &before),
            categories: few(rows(&Group::Category, "category", &this)),
            categories_before: few(rows(&Group::Category, "category", &before)),
            units: few(rows(&Group::Unit, "unit", &this)),
            areas: few(rows(&Group::Area, "area", &this)),
        })
    }
}
