//! SQL of the alarm system's figures.

use dothi_kernel::event::Severity;
use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Store, params};
use uuid::Uuid;

use crate::figures::What;
use crate::tables::{Filter, word};

/// A line of the log with its alarm.
pub(crate) struct Line {
    pub alarm: Uuid,
    pub at: i64,
    pub what: What,
    pub rule: String,
    pub entity: String,
    pub unit: String,
    pub sector: String,
    pub severity: Severity,
}

/// Lines of alarms that were open at some time from `from` on, written before `to`, in order of time; at most `limit`, the oldest kept.
pub(crate) async fn lines(store: &Store, filter: Filter, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Line>> {
    let sql = format!(
        "select l.alarm, l.at, l.what, a.rule, a.entity, a.unit, a.sector, a.severity from rules_alarm_log l join rules_alarm a on a.id = l.alarm \
         where (a.closed_at is null or a.closed_at >= ?) and l.at < ? and l.what in ('raised', 'muted', 'withheld', 'cleared', 'acknowledged') and {} \
         order by l.at, l.alarm, l.n limit ?",
        filter.sql()
    );
    let mut params: Vec<Param> = vec![from.into(), to.into()];
    params.extend(filter.params);
    params.push(limit.into());
    let line = |r: &dothi_store::Row| -> Result<Line> {
        Ok(Line {
            alarm: r.uuid("alarm")?,
            at: r.int("at")?,
            what: match r.text("what")?.as_str() {
                "raised" => What::Raised,
                "cleared" => What::Cleared,
                "acknowledged" => What::Acknowledged,
                _ => What::Kept,
            },
            rule: r.text("rule")?,
            entity: r.text("entity")?,
            unit: r.text("unit")?,
            sector: r.text("sector")?,
            severity: word(r.text("severity")?)?,
        })
    };
    store.rows(&sql, params).await?.iter().map(line).collect()
}

/// When alarms were shown since an instant, and whose they are: µs, unit, sector; in order of time.
pub(crate) async fn shown_since(store: &Store, since: Timestamp, limit: usize) -> Result<Vec<(i64, String, String)>> {
    let sql = "select l.at, a.unit, a.sector from rules_alarm_log l join rules_alarm a on a.id = l.alarm \
               where l.what = 'raised' and l.at >= ? order by l.at desc limit ?";
    let rows = store.rows(sql, params![since, limit]).await?;
    rows.iter().rev().map(|r| Ok((r.int("at")?, r.text("unit")?, r.text("sector")?))).collect()
}

/// Titles and the thing's name of the newest alarm of a rule and thing.
pub(crate) async fn named(store: &Store, rule: &str, entity: &str) -> Result<Option<(String, String, String, Severity)>> {
    let sql = "select title, title_en, entity_name, severity from rules_alarm where rule = ? and entity = ? order by raised_at desc limit 1";
    let row = store.row(sql, params![rule, entity]).await?;
    row.map(|r| Ok((r.text("title")?, r.text("title_en")?, r.text("entity_name")?, word(r.text("severity")?)?))).transpose()
}

/// Open alarms by how they are kept back, and those whose condition has held since before `stale`.
pub(crate) async fn kept_now(store: &Store, filter: Filter, stale: Timestamp) -> Result<Vec<(String, i64, i64)>> {
    let sql = format!(
        "select suppressed, cast(count(*) as bigint) as n, cast(sum(case when cleared_at is null and raised_at < ? then 1 else 0 end) as bigint) as stale \
         from rules_alarm where closed_at is null and cause is null and {} group by suppressed",
        filter.sql()
    );
    let mut params: Vec<Param> = vec![stale.into()];
    params.extend(filter.params);
    let rows = store.rows(&sql, params).await?;
    rows.iter().map(|r| Ok((r.text("suppressed")?, r.int("n")?, r.int("stale")?))).collect()
}
