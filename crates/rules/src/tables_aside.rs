//! SQL of what is set aside and of groups.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{Alarm, Aside, Suppression};
use crate::tables::{Filter, alarm, word};

pub(crate) const ALARM_SYSTEM: Migration = Migration {
    domain: "rules",
    version: 2,
    sql: "
alter table rules_alarm add column source TEXT not null default 'rule';
alter table rules_alarm add column class TEXT not null default '';
alter table rules_alarm add column life_safety BIGINT not null default 0;
alter table rules_alarm add column latch BIGINT not null default 0;
alter table rules_alarm add column body TEXT;
alter table rules_alarm add column suppressed TEXT not null default '';
alter table rules_alarm add column suppressed_until BIGINT;
alter table rules_alarm add column cause TEXT;
alter table rules_alarm add column children BIGINT not null default 0;
alter table rules_alarm add column standing BIGINT not null default 0;
alter table rules_alarm add column first_out TEXT;
alter table rules_alarm add column chatter_at BIGINT;
create index rules_alarm_listed on rules_alarm (closed_at, cause, raised_at);
create index rules_alarm_cause on rules_alarm (cause);
create index rules_alarm_log_at on rules_alarm_log (what, at);
create table rules_aside (
  id TEXT not null primary key, kind TEXT not null, rule TEXT not null, entity TEXT not null, area TEXT not null, sector TEXT not null, unit TEXT not null,
  reason TEXT not null, by_name TEXT not null, begins_at BIGINT not null, ends_at BIGINT, begun BIGINT not null, ended_at BIGINT, ended_by TEXT
);
create index rules_aside_open on rules_aside (ended_at, begins_at);
create table rules_policy (pack TEXT not null primary key, def TEXT not null);
create table rules_version (
  rule TEXT not null, version BIGINT not null, def TEXT not null, by_name TEXT not null, reason TEXT not null, at BIGINT not null, primary key (rule, version)
);",
};

fn aside(row: &Row) -> Result<Aside> {
    let named = |column| -> Result<Option<String>> { Ok(Some(row.text(column)?).filter(|s| !s.is_empty())) };
    Ok(Aside {
        id: row.uuid("id")?,
        kind: word(row.text("kind")?)?,
        rule: named("rule")?,
        entity: named("entity")?,
        entity_name: None,
        area: named("area")?,
        sector: row.text("sector")?,
        reason: row.text("reason")?,
        by: row.text("by_name")?,
        begins_at: row.time("begins_at")?,
        ends_at: row.opt_time("ends_at")?,
        ended_at: row.opt_time("ended_at")?,
        ended_by: row.opt_text("ended_by")?,
        unit: row.text("unit")?,
        begun: row.flag("begun")?,
    })
}

pub(crate) async fn put_aside(tx: &mut Tx, a: &Aside) -> Result<()> {
    tx.put(
        "insert into rules_aside (id, kind, rule, entity, area, sector, unit, reason, by_name, begins_at, ends_at, begun) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            a.id,
            a.kind.code(),
            a.rule.clone().unwrap_or_default(),
            a.entity.clone().unwrap_or_default(),
            a.area.clone().unwrap_or_default(),
            &a.sector,
            &a.unit,
            &a.reason,
            &a.by,
            a.begins_at,
            a.ends_at,
            a.begun
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn aside_in(tx: &mut Tx, id: Uuid) -> Result<Option<Aside>> {
    tx.row("select * from rules_aside where id = ?", params![id]).await?.map(|r| aside(&r)).transpose()
}

/// How many are not over.
pub(crate) async fn asides_open(tx: &mut Tx) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from rules_aside where ended_at is null", params![]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

pub(crate) async fn begin_aside(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.put("update rules_aside set begun = 1 where id = ?", params![id]).await?;
    Ok(())
}

/// Ends it; false when it was over already.
pub(crate) async fn end_aside(tx: &mut Tx, id: Uuid, at: Timestamp, by: Option<&str>) -> Result<bool> {
    Ok(tx.exec("update rules_aside set ended_at = ?, ended_by = ? where id = ? and ended_at is null", params![at, by, id]).await? == 1)
}

/// The shelf of an alarm, if it lies on one.
pub(crate) async fn shelf_of(tx: &mut Tx, rule: &str, entity: &str) -> Result<Option<Aside>> {
    let sql = "select * from rules_aside where ended_at is null and kind = 'shelved' and rule = ? and entity = ? limit 1";
    tx.row(sql, params![rule, entity]).await?.map(|r| aside(&r)).transpose()
}

/// What keeps an alarm from operators at an instant, and until when; the strongest first: out of service, by design, shelved.
/// Alarms of life-safety classes are kept back only by what names their thing or rule.
pub(crate) async fn kept_back(tx: &mut Tx, a: &Alarm, at: Timestamp) -> Result<Option<(Suppression, Option<Timestamp>)>> {
    let row = tx
        .row(
            "select kind, ends_at from rules_aside where ended_at is null and begins_at <= ? and (ends_at is null or ends_at > ?) and sector = ? \
             and (rule = '' or rule = ?) and (entity = '' or entity = ?) and (area = '' or area = ?) and (? = 0 or rule <> '' or entity <> '') \
             order by case kind when 'out-of-service' then 0 when 'suppressed' then 1 else 2 end, case when ends_at is null then 0 else 1 end, ends_at desc limit 1",
            params![at, at, &a.sector, &a.rule, &a.entity, a.area.clone().unwrap_or_default(), a.life_safety],
        )
        .await?;
    row.map(|r| Ok((word(r.text("kind")?)?, r.opt_time("ends_at")?))).transpose()
}

/// Open alarms that something set aside speaks of and that are kept back in a way (empty: not at all), by id; at most `limit`.
pub(crate) async fn spoken_of(tx: &mut Tx, a: &Aside, suppressed: &str, after: Uuid, limit: usize) -> Result<Vec<Alarm>> {
    let mut filter = Filter::default();
    filter.add("sector = ?", vec![a.sector.as_str().into()]);
    for (column, value) in [("rule = ?", &a.rule), ("entity = ?", &a.entity), ("area = ?", &a.area)] {
        if let Some(value) = value {
            filter.add(column, vec![value.into()]);
        }
    }
    if a.rule.is_none() && a.entity.is_none() {
        filter.add("life_safety = 0", vec![]);
    }
    let sql = format!("select * from rules_alarm where closed_at is null and suppressed = ? and id > ? and {} order by id limit ?", filter.sql());
    let mut all: Vec<Param> = vec![suppressed.into(), after.into()];
    all.extend(filter.params);
    all.push(limit.into());
    tx.rows(&sql, all).await?.iter().map(alarm).collect()
}

pub(crate) async fn set_suppressed(tx: &mut Tx, id: Uuid, by: Option<Suppression>, until: Option<Timestamp>) -> Result<()> {
    let sql = "update rules_alarm set suppressed = ?, suppressed_until = ? where id = ?";
    tx.put(sql, params![by.map_or("", Suppression::code), until, id]).await?;
    Ok(())
}

pub(crate) async fn asides(store: &Store, filter: Filter, limit: usize) -> Result<Vec<Aside>> {
    let sql = format!("select * from rules_aside where {} order by begins_at desc, id desc limit ?", filter.sql());
    let mut params = filter.params;
    params.push(limit.into());
    store.rows(&sql, params).await?.iter().map(aside).collect()
}

/// How often the alarms of a rule and thing rose since an instant, shown or not.
pub(crate) async fn rises_since(tx: &mut Tx, rule: &str, entity: &str, since: Timestamp) -> Result<i64> {
    let sql = "select cast(count(*) as bigint) as n from rules_alarm_log l join rules_alarm a on a.id = l.alarm \
               where a.rule = ? and a.entity = ? and l.at > ? and l.what in ('raised', 'muted', 'withheld')";
    tx.row(sql, params![rule, entity, since]).await?.map_or(Ok(0), |r| r.int("n"))
}

pub(crate) async fn set_chatter(tx: &mut Tx, id: Uuid, at: Timestamp) -> Result<()> {
    tx.put("update rules_alarm set chatter_at = ? where id = ?", params![at, id]).await?;
    Ok(())
}

/// Open alarms of lost children that belong to no group yet.
pub(crate) async fn children(tx: &mut Tx, entities: &[std::sync::Arc<str>], classes: &[String], since: Timestamp, but: Uuid) -> Result<Vec<Alarm>> {
    let mut found = Vec::new();
    for some in entities.chunks(400) {
        let mut filter = Filter::default();
        filter.one_of("entity", some.iter().map(|e| e.to_string()));
        filter.one_of("class", classes.iter().cloned());
        filter.add("raised_at >= ? and id <> ?", vec![since.into(), but.into()]);
        let sql = format!("select * from rules_alarm where closed_at is null and cause is null and life_safety = 0 and suppressed = '' and {}", filter.sql());
        let rows = tx.rows(&sql, filter.params).await?;
        found.extend(rows.iter().map(alarm).collect::<Result<Vec<_>>>()?);
    }
    Ok(found)
}

pub(crate) async fn set_cause(tx: &mut Tx, id: Uuid, cause: Option<Uuid>) -> Result<()> {
    tx.put("update rules_alarm set cause = ? where id = ?", params![cause, id]).await?;
    Ok(())
}

pub(crate) async fn set_first_out(tx: &mut Tx, id: Uuid, first: Uuid) -> Result<()> {
    tx.put("update rules_alarm set first_out = ? where id = ?", params![first, id]).await?;
    Ok(())
}

/// Adds to what an open alarm stands for. Its state, what stands now, and its own cause; none when it is over.
pub(crate) async fn count_up(tx: &mut Tx, id: Uuid, children: i64, standing: i64) -> Result<Option<Alarm>> {
    let row = tx
        .row(
            "update rules_alarm set children = children + ?, standing = case when standing + ? < 0 then 0 else standing + ? end \
             where id = ? and closed_at is null returning *",
            params![children, standing, standing, id],
        )
        .await?;
    row.map(|r| alarm(&r)).transpose()
}

const UNDER: &str =
    "with recursive below(id) as (select id from rules_alarm where cause = ? union all select a.id from rules_alarm a join below b on a.cause = b.id)";

/// An operator took note of a group: so it is with all it stands for, logged with each.
pub(crate) async fn acknowledge_below(tx: &mut Tx, id: Uuid, at: Timestamp, by: &str) -> Result<()> {
    let log = format!(
        "{UNDER} insert into rules_alarm_log (alarm, n, at, what, by_name) select a.id, \
         (select coalesce(max(l.n), -1) + 1 from rules_alarm_log l where l.alarm = a.id), ?, 'acknowledged', ? \
         from rules_alarm a join below b on a.id = b.id where a.state in ('active', 'cleared')"
    );
    tx.put(&log, params![id, at, by]).await?;
    let state = format!(
        "{UNDER} update rules_alarm set acknowledged_at = ?, acknowledged_by = ?, closed_at = case when state = 'cleared' and latch = 0 then ? else closed_at end, \
         state = case when state = 'active' then 'acknowledged' when latch = 1 then 'latched' else 'closed' end \
         where id in (select id from below) and state in ('active', 'cleared')"
    );
    tx.put(&state, params![id, at, by, at]).await?;
    Ok(())
}

/// A group is over: what it stood for and nobody noted is over with it.
pub(crate) async fn close_below(tx: &mut Tx, id: Uuid, at: Timestamp) -> Result<()> {
    let log = format!(
        "{UNDER} insert into rules_alarm_log (alarm, n, at, what) select a.id, \
         (select coalesce(max(l.n), -1) + 1 from rules_alarm_log l where l.alarm = a.id), ?, 'closed' \
         from rules_alarm a join below b on a.id = b.id where a.state in ('cleared', 'latched')"
    );
    tx.put(&log, params![id, at]).await?;
    let state =
        format!("{UNDER} update rules_alarm set closed_at = ?, state = 'closed' where id in (select id from below) and state in ('cleared', 'latched')");
    tx.put(&state, params![id, at]).await?;
    Ok(())
}

/// Alarms that may show a loss, since an instant: thing, class, commune, when; at most `limit`, oldest first.
pub(crate) async fn lost_since(store: &Store, since: Timestamp, limit: usize) -> Result<Vec<(String, String, Option<String>, i64)>> {
    let sql = "select entity, class, area, raised_at from rules_alarm where closed_at is null and cleared_at is null and cause is null and suppressed = '' \
               and life_safety = 0 and raised_at >= ? order by raised_at limit ?";
    let rows = store.rows(sql, params![since, limit]).await?;
    rows.iter().map(|r| Ok((r.text("entity")?, r.text("class")?, r.opt_text("area")?, r.int("raised_at")?))).collect()
}

/// Open alarms that stand for a cause: id, rule, thing.
pub(crate) async fn groups(store: &Store) -> Result<Vec<(Uuid, String, String)>> {
    let rows = store.rows("select id, rule, entity from rules_alarm where closed_at is null and source = 'cause'", params![]).await?;
    rows.iter().map(|r| Ok((r.uuid("id")?, r.text("rule")?, r.text("entity")?))).collect()
}
