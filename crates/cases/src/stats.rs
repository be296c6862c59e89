//! Public statistics, and the figures that indicators ask for.

use async_trait::async_trait;
use dothi_kernel::measure::MeasureQuery;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Evidence, Measure, Measures, Result, Timestamp};
use dothi_store::params;

use crate::Cases;
use crate::model::{StatRow, Stats, StatsQuery};
use crate::tables::{self, Filter};
use crate::tables_stats::{self, Group};

impl Cases {
    /// Public statistics of reports that came in within a span (default: the last 90 days, at most ten years).
    pub async fn stats(&self, caller: &Caller, query: &StatsQuery) -> Result<Stats> {
        let instant = |text: &Option<String>, default: Timestamp| match text {
            None => Ok(default),
            Some(t) => t.parse::<Timestamp>().map_err(|_| Error::invalid("case.stats.span", "A time looks like 2026-11-21T00:00:00Z.")),
        };
        let to = instant(&query.to, caller.now)?;
        let from = instant(&query.from, micros(to.as_microsecond() - 90 * 86_400_000_000))?;
        let group = query.group.as_deref().unwrap_or("unit");
        let by = match group {
            "unit" => Group::Column("unit"),
            "category" => Group::Column("category"),
            "area" => Group::Column("area"),
            "month" => Group::Months(self.months(from, to)?),
            _ => return Err(Error::invalid("case.stats.group", "Statistics are grouped by unit, category, area or month.")),
        };
        let mut rows = tables_stats::stats(&self.store, &by, from, to, caller.now).await?;
        if group == "month" {
            rows.sort_by(|a, b| b.key.cmp(&a.key));
        }
        let rows = rows.into_iter().map(|r| StatRow {
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
        });
        Ok(Stats { from, to, group: group.to_string(), rows: rows.collect() })
    }

    /// The months of a span, by the clock on the wall here: names and first instants, with the end of the last.
    fn months(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(String, Timestamp)>> {
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

    fn group_name(&self, group: &str, key: &str) -> String {
        let types = self.installed();
        let newest = || types.values().filter_map(|v| v.last_key_value()).map(|(_, t)| t);
        let found = match group {
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
