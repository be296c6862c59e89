//! SQL of the public statistics.

use std::collections::BTreeMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Store, params};

/// What rows are grouped by.
pub(crate) enum Group {
    /// A column of the case.
    Column(&'static str),
    /// Months: name and first instant of each, rising; the last entry ends the last month.
    Months(Vec<(String, Timestamp)>),
}

impl Group {
    /// The grouping expression with its values.
    fn sql(&self) -> (String, Vec<Param>) {
        match self {
            Group::Column(column) => (format!("coalesce({column}, '')"), Vec::new()),
            Group::Months(months) => {
                let mut values = Vec::new();
                let mut arms = String::new();
                for pair in months.windows(2) {
                    arms.push_str(" when opened_at < ? then cast(? as text)");
                    values.extend(params![pair[1].1, &pair[0].0]);
                }
                (format!("case{arms} else '' end"), values)
            }
        }
    }
}

/// A row of statistics, before names are put to keys.
#[derive(Default)]
pub(crate) struct StatRecord {
    pub key: String,
    pub opened: i64,
    pub closed: i64,
    pub overdue: i64,
    pub on_time: i64,
    pub solved: i64,
    pub unsolved: i64,
    pub reopened: i64,
    pub rated: i64,
    pub satisfied: i64,
    pub stars: i64,
    pub median: Option<i64>,
    pub p90: Option<i64>,
}

/// Statistics of listed cases that came in within a span.
pub(crate) async fn stats(store: &Store, group: &Group, from: Timestamp, to: Timestamp, now: Timestamp) -> Result<Vec<StatRecord>> {
    let sum = |condition: &str, name: &str| format!("cast(coalesce(sum(case when {condition} then 1 else 0 end), 0) as bigint) as {name}");
    let (key, key_values) = group.sql();
    let sql = format!(
        "select k, cast(count(*) as bigint) as opened, {}, {}, {}, {}, {}, {}, {}, {}, cast(coalesce(sum(stars), 0) as bigint) as star_sum \
         from (select {key} as k, closed_at, stopped, running_since, due_at, on_time, phase, answered_at, stars, reopened from case_main \
               where listed = 1 and opened_at >= ? and opened_at < ?) t \
         group by k order by opened desc, k limit 200",
        sum("closed_at is not null", "closed"),
        sum("stopped = 0 and running_since is not null and due_at < ?", "overdue"),
        sum("closed_at is not null and on_time = 1", "on_time"),
        sum("closed_at is not null and phase = 'solved'", "solved"),
        sum("closed_at is not null and phase = 'unsolved'", "unsolved"),
        sum("reopened > 0", "reopened"),
        sum("stars is not null", "rated"),
        sum("stars >= 4", "satisfied"),
    );
    let mut values = params![now];
    values.extend(key_values.clone());
    values.extend(params![from, to]);
    let mut found = Vec::new();
    for r in store.rows(&sql, values).await? {
        found.push(StatRecord {
            key: r.text("k")?,
            opened: r.int("opened")?,
            closed: r.int("closed")?,
            overdue: r.int("overdue")?,
            on_time: r.int("on_time")?,
            solved: r.int("solved")?,
            unsolved: r.int("unsolved")?,
            reopened: r.int("reopened")?,
            rated: r.int("rated")?,
            satisfied: r.int("satisfied")?,
            stars: r.int("star_sum")?,
            ..StatRecord::default()
        });
    }
    let mut times = times(store, (key.as_str(), key_values), from, to).await?;
    for record in &mut found {
        (record.median, record.p90) = times.remove(&record.key).unwrap_or_default();
    }
    Ok(found)
}

/// Median and 90th percentile (nearest rank) of the working minutes that ended cases took, by key.
async fn times(store: &Store, (key, key_values): (&str, Vec<Param>), from: Timestamp, to: Timestamp) -> Result<BTreeMap<String, (Option<i64>, Option<i64>)>> {
    let sql = format!(
        "select k, cast(min(case when rn * 2 >= n then used end) as bigint) as median, cast(min(case when rn * 10 >= n * 9 then used end) as bigint) as p90 \
         from (select k, used, row_number() over (partition by k order by used) as rn, count(*) over (partition by k) as n \
               from (select {key} as k, used_minutes as used from case_main \
                     where listed = 1 and closed_at is not null and opened_at >= ? and opened_at < ?) c) t \
         group by k"
    );
    let mut values = key_values;
    values.extend(params![from, to]);
    let rows = store.rows(&sql, values).await?;
    rows.iter().map(|r| Ok((r.text("k")?, (r.opt_int("median")?, r.opt_int("p90")?)))).collect()
}
