//! Public statistics, and the figures that indicators ask for.

use async_trait::async_trait;
use dothi_kernel::measure::MeasureQuery;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Evidence, Measure, Measures, Result, Timestamp};
use dothi_store::params;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Cases;
use crate::columns::{Group, Span, StatRecord};
use crate::tables::{self, Filter};

/// What statistics are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct StatsQuery {
    /// From, inclusive (RFC 3339); 90 days ago when left out.
    pub from: Option<String>,
    /// To, exclusive (RFC 3339); now when left out.
    pub to: Option<String>,
    /// `unit` (the default), `category`, `area`, `month` (of arrival, by the clock here) or `all` (one row).
    pub group: Option<String>,
    /// Only reports of this unit.
    pub unit: Option<String>,
    /// Only reports of this category.
    pub category: Option<String>,
    /// Only reports of this commune.
    pub area: Option<String>,
}

/// A row of the public statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatRow {
    /// Unit, category, commune, or month (`2026-11`).
    pub key: String,
    /// Its name.
    pub name: String,
    /// Reports that came in.
    pub opened: i64,
    /// Of these: ended.
    pub closed: i64,
    /// Of these: still open.
    pub open: i64,
    /// Of the open ones: over the deadline.
    pub overdue: i64,
    /// Of the ended ones: in time.
    pub on_time: i64,
    /// Of the ended ones: solved.
    pub solved: i64,
    /// Of the ended ones: answered, not solved.
    pub unsolved: i64,
    /// Of all: the reporter asked to look again.
    pub reopened: i64,
    /// Rated.
    pub rated: i64,
    /// Of these: four or five stars.
    pub satisfied: i64,
    /// Mean of the stars.
    pub mean_stars: Option<f64>,
    /// Working minutes within which half of the ended ones were answered; pauses do not count.
    pub median_minutes: Option<i64>,
    /// Working minutes within which nine of ten were.
    pub p90_minutes: Option<i64>,
}

/// Public statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// From, inclusive.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// To, exclusive.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// What the rows are.
    pub group: String,
    /// Rows, most reports first; at most 200.
    pub rows: Vec<StatRow>,
}

/// A span as it is asked for; the last 90 days when nothing is said.
pub(crate) fn span(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
    let instant = |text: Option<&str>, default: Timestamp| match text {
        None => Ok(default),
        Some(t) => t.parse::<Timestamp>().map_err(|_| Error::invalid("case.stats.span", "A time looks like 2026-11-21T00:00:00Z.")),
    };
    let to = instant(to, now)?;
    Ok((instant(from, micros(to.as_microsecond().saturating_sub(90 * 86_400_000_000)))?, to))
}

impl Cases {
    /// Reads all cases once, so that nobody's first question waits for it.
    pub async fn warm(&self) {
        if let Err(e) = self.counted.now(&self.store).await {
            tracing::warn!(error = %e, "reading the cases for statistics failed; the first question will try again");
        }
    }

    /// Public statistics of reports that came in within a span (default: the last 90 days).
    pub async fn stats(&self, caller: &Caller, query: &StatsQuery) -> Result<Stats> {
        let (from, to) = span(query.from.as_deref(), query.to.as_deref(), caller.now)?;
        let group = query.group.as_deref().unwrap_or("unit");
        let by = match group {
            "unit" => Group::Unit,
            "category" => Group::Category,
            "area" => Group::Area,
            "all" => Group::All,
            "month" => Group::Months(self.months(from, to)?),
            _ => return Err(Error::invalid("case.stats.group", "Statistics are grouped by unit, category, area, month or all.")),
        };
        let span = Span { unit: query.unit.as_deref(), category: query.category.as_deref(), area: query.area.as_deref(), ..Span::of(from, to) };
        let mut rows = self.counted.now(&self.store).await?.stats(&by, &span, caller.now);
        if group == "month" {
            rows.sort_by(|a, b| b.key.cmp(&a.key));
        }
        let rows = rows.into_iter().map(|r| self.stat_row(group, r)).collect();
        Ok(Stats { from, to, group: group.to_string(), rows })
    }

    /// A record with the name of what it counts.
    pub(crate) fn stat_row(&self, group: &str, r: StatRecord) -> StatRow {
        StatRow {
            name: self.group_name(group, &r.key),
            opened: r.opened,
            closed: r.closed,
            open: r.opened - r.closed,
            overdue: r.overdue,
            on_time: r.on_time,
            solved: r.solved,
            unsolved: r.unsolved,
            reopened: r.reopened,
            rated: r.rated,
            satisfied: r.satisfied,
            mean_stars: (r.rated > 0).then(|| (r.stars as f64 / r.rated as f64 * 100.0).round() / 100.0),
            median_minutes: r.median,
            p90_minutes: r.p90,
            key: r.key,
        }
    }

    /// The months of a span, by the clock on the wall here: names and first instants, with the end of the last.
    pub(crate) fn months(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        let zone = self.calendar.zone();
        let bad = |e: jiff::Error| Error::invalid("case.stats.span", "Months are told over ten years at most.").because(e);
        let mut day = zone.to_datetime(from).date().first_of_month();
        let mut months = Vec::new();
        while months.len() <= 121 {
            let start = day.to_zoned(zone.clone()).map_err(bad)?.timestamp();
            months.push((day.strftime("%Y-%m").to_string(), micros(start.as_microsecond())));
            if start >= to {
                return Ok(months);
            }
            day = day.checked_add(jiff::Span::new().months(1)).map_err(bad)?;
        }
        Err(Error::invalid("case.stats.span", "Months are told over ten years at most."))
    }

    pub(crate) fn group_name(&self, group: &str, key: &str) -> String {
        let types = self.installed();
        let newest = || types.values().filter_map(|v| v.last_key_value()).map(|(_, t)| t);
        let found = match group {
            "all" | "month" => None,
            "unit" if key.is_empty() => newest().next().map(|t| t.queue.name.clone()),
            "unit" => self.directory.unit(key).map(|u| u.name),
            "category" => newest().find_map(|t| t.category(key)).map(|c| c.name.clone()),
            _ => self.directory.commune(key).map(|p| p.commune_name),
        };
        found.unwrap_or_else(|| key.to_string())
    }

    /// Numerator and denominator by two conditions over the same filter, with the rows behind them.
    async fn share(&self, filter: Filter, counts: &'static str) -> Result<Measure> {
        let [numerator, denominator] = tables::count_where(&self.store, filter.clone(), [(counts, params![]), ("1 = 1", params![])]).await?;
        let rows = tables::evidence(&self.store, filter, counts).await?;
        let rows = rows.into_iter().map(|(code, counts)| Evidence { label: code.clone(), link: format!("/r/{code}"), counts });
        Ok(Measure { numerator: numerator as f64, denominator: Some(denominator as f64), rows: rows.collect() })
    }
}

#[async_trait]
impl Measures for Cases {
    fn names(&self) -> Vec<&'static str> {
        vec![
            "cases.answered-public",
            "cases.answered-public.budget",
            "cases.answered-public.planning",
            "cases.answered-public.services",
            "cases.satisfaction",
            "cases.on-time",
        ]
    }

    async fn measure(&self, name: &str, query: &MeasureQuery) -> Result<Measure> {
        let mut filter = Filter::default();
        filter.add("listed = 1 and merged_into is null", params![]);
        match query.area.as_deref() {
            None => {}
            Some(area) if area == self.directory.home() => {}
            Some(area) => {
                filter.add("area = ?", params![area]);
            }
        }
        match name {
            // Handled within the span; of these, with an answer that everybody can read.
            "cases.answered-public" => {
                filter.add("closed_at >= ? and closed_at < ?", params![query.from, query.to]);
                self.share(filter, "answered_at is not null").await
            }
            // Rated answers that were given within the span; of these, four or five stars.
            "cases.satisfaction" => {
                filter.add("stars is not null and answered_at >= ? and answered_at < ?", params![query.from, query.to]);
                self.share(filter, "stars >= 4").await
            }
            // Due within the span and ended, or over; of these, ended in time.
            "cases.on-time" => {
                let now = self.store.clock().now();
                filter.add("due_at >= ? and due_at < ?", params![query.from, query.to]);
                filter.add("(stopped = 1 or (running_since is not null and due_at < ?))", params![now]);
                self.share(filter, "stopped = 1 and on_time = 1").await
            }
            other => match other.strip_prefix("cases.answered-public.") {
                Some(topic) => {
                    filter.add("closed_at >= ? and closed_at < ? and topic = ?", params![query.from, query.to, topic]);
                    self.share(filter, "answered_at is not null").await
                }
                None => Err(Error::unprocessable("measure.unknown", "There is no such figure.").with("name", other)),
            },
        }
    }
}
