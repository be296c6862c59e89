//! SQL of alarms as they stood.

use dothi_kernel::geo::Point;
use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store};

use crate::model::AlarmState;
use crate::tables::{Filter, word};
use crate::then::AlarmThen;

/// Alarms that had risen and were not over at `at`, the newest first; the log tells in which state they were.
pub(crate) async fn open_at(store: &Store, filter: Filter, at: Timestamp, limit: usize) -> Result<Vec<AlarmThen>> {
    let sql = format!(
        "select id, title, title_en, severity, entity, entity_name, raised_at, lon, lat,
           (select l.what from rules_alarm_log l where l.alarm = rules_alarm.id and l.at <= ? and l.what in ('raised', 'acknowledged', 'cleared', 'closed')
            order by l.n desc limit 1) as last
         from rules_alarm
         where (closed_at is null or closed_at > ?) and cause is null and {}
           and exists (select 1 from rules_alarm_log l where l.alarm = rules_alarm.id and l.what = 'raised' and l.at <= ?)
         order by raised_at desc, id desc limit ?",
        filter.sql()
    );
    let mut params: Vec<Param> = vec![at.into(), at.into()];
    params.extend(filter.params);
    params.push(at.into());
    params.push(limit.into());
    let rows = store.rows(&sql, params).await?;
    // One that was over and rose again later was not open in between.
    let found = rows.iter().map(alarm).collect::<Result<Vec<_>>>()?;
    Ok(found.into_iter().filter(|a| a.state != AlarmState::Closed).collect())
}

fn alarm(row: &Row) -> Result<AlarmThen> {
    let location = match (row.opt_real("lon")?, row.opt_real("lat")?) {
        (Some(lon), Some(lat)) => Some(Point { lon, lat }),
        _ => None,
    };
    let state = match row.text("last")?.as_str() {
        "acknowledged" => AlarmState::Acknowledged,
        "cleared" => AlarmState::Cleared,
        "closed" => AlarmState::Closed,
        _ => AlarmState::Active,
    };
    Ok(AlarmThen {
        id: row.uuid("id")?,
        title: row.text("title")?,
        title_en: row.text("title_en")?,
        severity: word(row.text("severity")?)?,
        state,
        entity: row.text("entity")?,
        entity_name: row.text("entity_name")?,
        raised_at: row.time("raised_at")?,
        location,
    })
}
