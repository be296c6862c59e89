//! All SQL of the domain.

use dothi_kernel::event::Severity;
use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::engine::Phase;
use crate::model::{Alarm, AlarmState, LogLine, Suppression};
use crate::pack::{ClassDef, Reference, RuleDef};
use crate::practice::Policy;

/// Schema.
pub const MIGRATIONS: &[Migration] = &[FIRST, crate::tables_aside::ALARM_SYSTEM];

const FIRST: Migration = Migration {
    domain: "rules",
    version: 1,
    sql: "
create table rules_def (code TEXT not null primary key, pack TEXT not null, def TEXT not null);
create table rules_reference (code TEXT not null, pack TEXT not null, def TEXT not null, primary key (code, pack));
create table rules_alarm (
  id TEXT not null primary key, rule TEXT not null, title TEXT not null, title_en TEXT not null, severity TEXT not null, state TEXT not null,
  entity TEXT not null, entity_name TEXT not null, area TEXT, area_name TEXT, unit TEXT not null, sector TEXT not null,
  value DOUBLE PRECISION, limit_value DOUBLE PRECISION, lon DOUBLE PRECISION, lat DOUBLE PRECISION,
  raised_at BIGINT not null, acknowledged_at BIGINT, acknowledged_by TEXT, cleared_at BIGINT, closed_at BIGINT, times BIGINT not null
);
create index rules_alarm_open on rules_alarm (closed_at, raised_at);
create index rules_alarm_of on rules_alarm (rule, entity);
create table rules_alarm_log (alarm TEXT not null, n BIGINT not null, at BIGINT not null, what TEXT not null, by_name TEXT, note TEXT, primary key (alarm, n));
create table rules_phase (
  rule TEXT not null, entity TEXT not null, phase TEXT not null, since BIGINT not null, value DOUBLE PRECISION, area TEXT, primary key (rule, entity)
);",
};

pub(crate) fn severity_code(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

pub(crate) fn word<T: serde::de::DeserializeOwned>(text: String) -> Result<T> {
    serde_json::from_value(text.into()).map_err(|e| Error::internal("reading a word", e))
}

/// Puts a pack's declarations in place of its old ones; the code of a rule that another pack has, if any (give up then).
pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, rules: &[RuleDef], reference: &[Reference], policy: &Policy) -> Result<Option<String>> {
    tx.put("delete from rules_def where pack = ?", params![pack]).await?;
    tx.put("delete from rules_policy where pack = ?", params![pack]).await?;
    tx.put("insert into rules_policy (pack, def) values (?, ?)", params![pack, Param::json(policy)?]).await?;
    tx.put("delete from rules_reference where pack = ?", params![pack]).await?;
    for rule in rules {
        let sql = "insert into rules_def (code, pack, def) values (?, ?, ?) on conflict (code) do nothing";
        if tx.exec(sql, params![&rule.code, pack, Param::json(rule)?]).await? == 0 {
            return Ok(Some(rule.code.clone()));
        }
    }
    for set in reference {
        tx.put("insert into rules_reference (code, pack, def) values (?, ?, ?)", params![&set.code, pack, Param::json(set)?]).await?;
    }
    Ok(None)
}

/// Rules and entities that still stand somewhere though the rule is gone.
pub(crate) async fn orphans(tx: &mut Tx) -> Result<Vec<(String, String)>> {
    let rows = tx
        .rows(
            "select rule, entity from rules_alarm where source = 'rule' and closed_at is null and cleared_at is null and rule not in (select code from rules_def) \
             union select rule, entity from rules_phase where rule not in (select code from rules_def)",
            params![],
        )
        .await?;
    rows.iter().map(|r| Ok((r.text("rule")?, r.text("entity")?))).collect()
}

/// Things for which a rule stands somewhere.
pub(crate) async fn stands_for(tx: &mut Tx, rule: &str) -> Result<Vec<String>> {
    let sql = "select entity from rules_alarm where rule = ? and closed_at is null and cleared_at is null union select entity from rules_phase where rule = ?";
    tx.rows(sql, params![rule, rule]).await?.iter().map(|r| r.text("entity")).collect()
}

/// A cleared or latched alarm rises again; false when it is neither any more.
pub(crate) async fn rise_again(tx: &mut Tx, id: Uuid, at: Timestamp, value: Option<f64>) -> Result<bool> {
    let done = tx
        .exec(
            "update rules_alarm set state = 'active', value = ?, raised_at = ?, cleared_at = null, times = times + 1 \
             where id = ? and state in ('cleared', 'latched')",
            params![value, at, id],
        )
        .await?;
    Ok(done == 1)
}

/// The condition of a standing alarm went away; its state now, none when it was not standing. What nobody was shown
/// (suppressed by design, out of service) is over; a latched alarm waits for its reset.
pub(crate) async fn return_to_normal(tx: &mut Tx, id: Uuid, at: Timestamp) -> Result<Option<AlarmState>> {
    const OVER: &str = "suppressed in ('suppressed', 'out-of-service') or (state = 'acknowledged' and latch = 0)";
    let row = tx
        .row(
            &format!(
                "update rules_alarm set cleared_at = ?, closed_at = case when {OVER} then ? else null end, \
                 state = case when {OVER} then 'closed' when state = 'acknowledged' then 'latched' else 'cleared' end \
                 where id = ? and cleared_at is null and closed_at is null returning state"
            ),
            params![at, at, id],
        )
        .await?;
    row.map(|r| word(r.text("state")?)).transpose()
}

/// Classes and causes of all packs, in the packs' order by name.
pub(crate) async fn policy(store: &Store) -> Result<Policy> {
    let mut all = Policy::default();
    for row in store.rows("select def from rules_policy order by pack", params![]).await? {
        let one: Policy = row.json("def")?;
        let new = |c: &ClassDef| all.classes.iter().all(|known| known.code != c.code);
        let classes: Vec<ClassDef> = one.classes.into_iter().filter(new).collect();
        all.classes.extend(classes);
        all.causes.extend(one.causes);
        all.fences.extend(one.fences);
    }
    Ok(all)
}

pub(crate) async fn definitions(store: &Store) -> Result<(Vec<(String, RuleDef)>, Vec<Reference>)> {
    let rules = store.rows("select pack, def from rules_def order by code", params![]).await?;
    let reference = store.rows("select def from rules_reference order by code", params![]).await?;
    Ok((rules.iter().map(|r| Ok((r.text("pack")?, r.json("def")?))).collect::<Result<_>>()?, reference.iter().map(|r| r.json("def")).collect::<Result<_>>()?))
}

pub(crate) fn alarm(row: &Row) -> Result<Alarm> {
    let location = match (row.opt_real("lon")?, row.opt_real("lat")?) {
        (Some(lon), Some(lat)) => Some(dothi_kernel::geo::Point { lon, lat }),
        _ => None,
    };
    Ok(Alarm {
        id: row.uuid("id")?,
        rule: row.text("rule")?,
        title: row.text("title")?,
        title_en: row.text("title_en")?,
        severity: word(row.text("severity")?)?,
        state: word(row.text("state")?)?,
        entity: row.text("entity")?,
        entity_name: row.text("entity_name")?,
        area: row.opt_text("area")?,
        area_name: row.opt_text("area_name")?,
        sector: row.text("sector")?,
        value: row.opt_real("value")?,
        limit: row.opt_real("limit_value")?,
        raised_at: row.time("raised_at")?,
        acknowledged_at: row.opt_time("acknowledged_at")?,
        acknowledged_by: row.opt_text("acknowledged_by")?,
        cleared_at: row.opt_time("cleared_at")?,
        closed_at: row.opt_time("closed_at")?,
        count: row.int("times")?,
        location,
        source: row.text("source")?,
        class: row.text("class")?,
        life_safety: row.flag("life_safety")?,
        latch: row.flag("latch")?,
        text: row.opt_text("body")?,
        suppressed: Some(row.text("suppressed")?).filter(|s| !s.is_empty()).map(word).transpose()?,
        suppressed_until: row.opt_time("suppressed_until")?,
        cause: row.opt_uuid("cause")?,
        children: row.int("children")?,
        standing: row.int("standing")?,
        first_out: row.opt_uuid("first_out")?,
        chattering_at: row.opt_time("chatter_at")?,
        stale: false,
        unit: row.text("unit")?,
    })
}

/// The newest alarm of a rule and thing, an open one before all others.
pub(crate) async fn newest(tx: &mut Tx, rule: &str, entity: &str) -> Result<Option<Alarm>> {
    let sql = "select * from rules_alarm where rule = ? and entity = ? order by case when closed_at is null then 0 else 1 end, raised_at desc, id desc limit 1";
    tx.row(sql, params![rule, entity]).await?.map(|r| alarm(&r)).transpose()
}

pub(crate) async fn alarm_in(tx: &mut Tx, id: Uuid) -> Result<Option<Alarm>> {
    tx.row("select * from rules_alarm where id = ?", params![id]).await?.map(|r| alarm(&r)).transpose()
}

pub(crate) async fn get(store: &Store, id: Uuid) -> Result<Option<Alarm>> {
    store.row("select * from rules_alarm where id = ?", params![id]).await?.map(|r| alarm(&r)).transpose()
}

pub(crate) async fn insert(tx: &mut Tx, a: &Alarm) -> Result<()> {
    let (lon, lat) = (a.location.map(|p| p.lon), a.location.map(|p| p.lat));
    tx.put(
        "insert into rules_alarm (id, rule, title, title_en, severity, state, entity, entity_name, area, area_name, unit, sector, value, limit_value, lon, lat, raised_at, \
         times, source, class, life_safety, latch, body, suppressed, suppressed_until) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            a.id, &a.rule, &a.title, &a.title_en, severity_code(a.severity), a.state.code(), &a.entity, &a.entity_name, a.area.clone(), a.area_name.clone(), &a.unit,
            &a.sector, a.value, a.limit, lon, lat, a.raised_at, a.count, &a.source, &a.class, a.life_safety, a.latch, a.text.clone(),
            a.suppressed.map_or("", Suppression::code), a.suppressed_until
        ],
    )
    .await?;
    Ok(())
}

/// Writes the changing part, only when nobody changed the state meanwhile; false then.
pub(crate) async fn update(tx: &mut Tx, before: AlarmState, a: &Alarm) -> Result<bool> {
    let done = tx
        .exec(
            "update rules_alarm set state = ?, value = ?, raised_at = ?, acknowledged_at = ?, acknowledged_by = ?, cleared_at = ?, closed_at = ?, times = ? where id = ? and state = ?",
            params![
                a.state.code(), a.value, a.raised_at, a.acknowledged_at, a.acknowledged_by.clone(), a.cleared_at, a.closed_at, a.count, a.id, before.code()
            ],
        )
        .await?;
    Ok(done == 1)
}

pub(crate) async fn log(tx: &mut Tx, id: Uuid, at: Timestamp, what: &str, by: Option<&str>, note: Option<&str>) -> Result<()> {
    let row = tx.row("select cast(coalesce(max(n), -1) + 1 as bigint) as n from rules_alarm_log where alarm = ?", params![id]).await?;
    let n = row.map_or(Ok(0), |r| r.int("n"))?;
    tx.put("insert into rules_alarm_log (alarm, n, at, what, by_name, note) values (?, ?, ?, ?, ?, ?)", params![id, n, at, what, by, note]).await?;
    Ok(())
}

pub(crate) async fn log_of(store: &Store, id: Uuid) -> Result<Vec<LogLine>> {
    let rows = store.rows("select at, what, by_name, note from rules_alarm_log where alarm = ? order by n desc limit 200", params![id]).await?;
    rows.iter().rev().map(|r| Ok(LogLine { at: r.time("at")?, what: r.text("what")?, by: r.opt_text("by_name")?, note: r.opt_text("note")? })).collect()
}

/// A `where` clause being built.
#[derive(Default)]
pub(crate) struct Filter {
    text: Vec<String>,
    pub(crate) params: Vec<Param>,
}

impl Filter {
    pub(crate) fn add(&mut self, text: &str, params: Vec<Param>) {
        self.text.push(text.to_string());
        self.params.extend(params);
    }
    pub(crate) fn one_of(&mut self, column: &str, values: impl IntoIterator<Item = String>) {
        let params: Vec<Param> = values.into_iter().map(Param::from).collect();
        match params.len() {
            0 => self.text.push("1 = 0".into()),
            n => {
                self.text.push(format!("{column} in ({})", dothi_store::marks(n)));
                self.params.extend(params);
            }
        }
    }
    /// One of several groups; a group holds when each of its columns has one of its values (none = any).
    pub(crate) fn any_of<const N: usize>(&mut self, groups: impl Iterator<Item = [(&'static str, Option<Vec<String>>); N]>) {
        let mut texts = Vec::new();
        for group in groups {
            let mut one = Filter::default();
            for (column, values) in group {
                if let Some(values) = values {
                    one.one_of(column, values);
                }
            }
            texts.push(format!("({})", one.sql()));
            self.params.extend(one.params);
        }
        self.text.push(if texts.is_empty() { "1 = 0".into() } else { format!("({})", texts.join(" or ")) });
    }
    pub(crate) fn sql(&self) -> String {
        if self.text.is_empty() { "1 = 1".into() } else { self.text.join(" and ") }
    }
}

pub(crate) async fn list(store: &Store, filter: Filter, limit: usize) -> Result<Vec<Alarm>> {
    let sql = format!("select * from rules_alarm where {} order by raised_at desc, id desc limit ?", filter.sql());
    let mut params = filter.params;
    params.push(limit.into());
    store.rows(&sql, params).await?.iter().map(alarm).collect()
}

pub(crate) async fn counts(store: &Store, filter: Filter) -> Result<Vec<(AlarmState, Severity, i64)>> {
    let sql = format!(
        "select state, severity, cast(count(*) as bigint) as n from rules_alarm where closed_at is null and cause is null and suppressed = '' and {} group by state, severity",
        filter.sql()
    );
    let rows = store.rows(&sql, filter.params).await?;
    rows.iter().map(|r| Ok((word(r.text("state")?)?, word(r.text("severity")?)?, r.int("n")?))).collect()
}

pub(crate) async fn put_phase(tx: &mut Tx, rule: &str, entity: &str, phase: Phase, value: Option<f64>, area: Option<&str>) -> Result<()> {
    let (name, since) = match phase {
        Phase::Normal | Phase::Raised => {
            tx.put("delete from rules_phase where rule = ? and entity = ?", params![rule, entity]).await?;
            return Ok(());
        }
        Phase::Arming(since) => ("arming", since),
        Phase::Clearing(since) => ("clearing", since),
    };
    tx.put(
        "insert into rules_phase (rule, entity, phase, since, value, area) values (?, ?, ?, ?, ?, ?) on conflict (rule, entity) do update set \
         phase = excluded.phase, since = excluded.since, value = excluded.value, area = excluded.area",
        params![rule, entity, name, since, value, area],
    )
    .await?;
    Ok(())
}

/// Value and area remembered with a phase.
pub(crate) async fn held(store: &Store, rule: &str, entity: &str) -> Result<Option<(Option<f64>, Option<String>)>> {
    let row = store.row("select value, area from rules_phase where rule = ? and entity = ?", params![rule, entity]).await?;
    row.map(|r| Ok((r.opt_real("value")?, r.opt_text("area")?))).transpose()
}

/// Where rules stand, and the newest instant (µs) that is known to have been looked at.
pub(crate) async fn phases(store: &Store) -> Result<Vec<(String, String, Phase, i64)>> {
    let mut found = Vec::new();
    let sql = "select rule, entity, cast(max(case when cleared_at is null and closed_at is null then 1 else 0 end) as bigint) as standing, \
               max(coalesce(cleared_at, raised_at)) as last from rules_alarm group by rule, entity";
    for r in store.rows(sql, params![]).await? {
        let phase = if r.flag("standing")? { Phase::Raised } else { Phase::Normal };
        found.push((r.text("rule")?, r.text("entity")?, phase, r.int("last")?));
    }
    for r in store.rows("select rule, entity, phase, since from rules_phase", params![]).await? {
        let since = r.int("since")?;
        let phase = if r.text("phase")? == "arming" { Phase::Arming(since) } else { Phase::Clearing(since) };
        found.push((r.text("rule")?, r.text("entity")?, phase, since));
    }
    Ok(found)
}
