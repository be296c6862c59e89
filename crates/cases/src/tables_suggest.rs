//! SQL of what is learned from decided cases, and of what was suggested.

use dothi_kernel::classify::{Measured, Model};
use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

/// Models with their measures (the newest keeps its weights), and what was suggested for each case. Besides: when a row was
/// last changed, for whoever keeps a copy, how many people live in a commune, and the indexes that lists of a million cases are read by.
pub(crate) const SCHEMA: &str = "create table case_model (
  kind TEXT not null, version BIGINT not null, at BIGINT not null, cases BIGINT not null, trained BIGINT not null,
  from_at BIGINT not null, to_at BIGINT not null,
  category TEXT not null, category_plain TEXT not null, urgency TEXT not null, category_bytes BYTEA, urgency_bytes BYTEA,
  primary key (kind, version)
);
create table case_suggestion (
  case_id TEXT not null primary key references case_main (id), model BIGINT not null, at BIGINT not null,
  first TEXT not null, top TEXT not null, p DOUBLE PRECISION not null, filled BIGINT not null, urgency TEXT not null, chosen TEXT not null
);
create index case_suggestion_at on case_suggestion (at);
create table case_people (area TEXT not null primary key, people BIGINT not null, year BIGINT not null, source TEXT not null);
alter table case_main add column touched BIGINT not null default 0;
update case_main set touched = opened_at;
create index case_main_touched on case_main (touched, id);
drop index case_main_due;
drop index case_main_opened;
drop index case_main_unit;
drop index case_main_span;
create index case_main_by_due on case_main (due_at, id);
create index case_main_by_opened on case_main (opened_at, id);
create index case_main_open on case_main (due_at, id) where closed_at is null;
create index case_main_unit_open on case_main (unit, due_at, id) where closed_at is null;
create index case_main_answered on case_main (answered_at) where answered_at is not null;";

/// A case that ended: what was written and what was decided.
pub(crate) struct DecidedCase {
    pub text: String,
    pub category: String,
    pub urgency: String,
    pub opened_at: Timestamp,
}

const USABLE: &str = "kind = ? and closed_at is not null and listed = 1 and merged_into is null and parent is null";

/// The newest cases that somebody decided, oldest first.
pub(crate) async fn decided(store: &Store, kind: &str, newest: u32) -> Result<Vec<DecidedCase>> {
    let sql = format!("select body, category, urgency, opened_at from case_main where {USABLE} order by opened_at desc, id desc limit ?");
    let rows = store.rows(&sql, params![kind, newest]).await?;
    rows.iter()
        .rev()
        .map(|r| Ok(DecidedCase { text: r.text("body")?, category: r.text("category")?, urgency: r.text("urgency")?, opened_at: r.time("opened_at")? }))
        .collect()
}

/// How many there are.
pub(crate) async fn count_decided(store: &Store, kind: &str) -> Result<i64> {
    let row = store.row(&format!("select cast(count(*) as bigint) as n from case_main where {USABLE}"), params![kind]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// A model as it is kept.
pub(crate) struct ModelRecord {
    pub version: i64,
    pub at: Timestamp,
    pub cases: i64,
    pub trained: i64,
    pub from: Timestamp,
    pub to: Timestamp,
    pub category: Measured,
    pub category_plain: Measured,
    pub urgency: Measured,
}

fn read(r: &Row) -> Result<ModelRecord> {
    Ok(ModelRecord {
        version: r.int("version")?,
        at: r.time("at")?,
        cases: r.int("cases")?,
        trained: r.int("trained")?,
        from: r.time("from_at")?,
        to: r.time("to_at")?,
        category: r.json("category")?,
        category_plain: r.json("category_plain")?,
        urgency: r.json("urgency")?,
    })
}

/// Models of a case type, newest first.
pub(crate) async fn models(store: &Store, kind: &str, limit: usize) -> Result<Vec<ModelRecord>> {
    let sql = "select kind, version, at, cases, trained, from_at, to_at, category, category_plain, urgency from case_model where kind = ? \
               order by version desc limit ?";
    store.rows(sql, params![kind, limit]).await?.iter().map(read).collect()
}

/// Number of the newest model; 0 = there is none.
pub(crate) async fn newest(store: &Store, kind: &str) -> Result<i64> {
    let row = store.row("select cast(coalesce(max(version), 0) as bigint) as n from case_model where kind = ?", params![kind]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// The newest model with its weights: category, urgency.
pub(crate) async fn weights(store: &Store, kind: &str) -> Result<Option<(ModelRecord, Model, Model)>> {
    let sql = "select * from case_model where kind = ? and category_bytes is not null order by version desc limit 1";
    let Some(row) = store.row(sql, params![kind]).await? else { return Ok(None) };
    let (category, urgency) = (Model::from_bytes(&row.bytes("category_bytes")?)?, Model::from_bytes(&row.bytes("urgency_bytes")?)?);
    Ok(Some((read(&row)?, category, urgency)))
}

/// Keeps a model as the newest; the weights of older ones go. Returns its number.
pub(crate) async fn keep(tx: &mut Tx, kind: &str, model: &ModelRecord, bytes: (Vec<u8>, Vec<u8>)) -> Result<i64> {
    let row = tx.row("select cast(coalesce(max(version), 0) as bigint) as n from case_model where kind = ?", params![kind]).await?;
    let version = row.map_or(Ok(0), |r| r.int("n"))? + 1;
    tx.exec(
        "insert into case_model (kind, version, at, cases, trained, from_at, to_at, category, category_plain, urgency, category_bytes, urgency_bytes) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            kind,
            version,
            model.at,
            model.cases,
            model.trained,
            model.from,
            model.to,
            Param::json(&model.category)?,
            Param::json(&model.category_plain)?,
            Param::json(&model.urgency)?,
            bytes.0,
            bytes.1,
        ],
    )
    .await?;
    tx.exec("update case_model set category_bytes = null, urgency_bytes = null where kind = ? and version < ?", params![kind, version]).await?;
    Ok(version)
}

/// Whether somebody asked for a new model.
pub(crate) async fn wanted(store: &Store, kind: &str) -> Result<bool> {
    Ok(store.row("select 1 as one from case_setting where name = ?", params![format!("learn.{kind}")]).await?.is_some())
}

/// Asks for a new model.
pub(crate) async fn want(tx: &mut Tx, kind: &str) -> Result<()> {
    tx.exec("insert into case_setting (name, value) values (?, '1') on conflict (name) do nothing", params![format!("learn.{kind}")]).await?;
    Ok(())
}

/// The wish is met.
pub(crate) async fn want_no_more(tx: &mut Tx, kind: &str) -> Result<()> {
    tx.exec("delete from case_setting where name = ?", params![format!("learn.{kind}")]).await?;
    Ok(())
}

/// What was suggested for a case when it came in.
pub(crate) struct SuggestionRecord<'a> {
    pub case: Uuid,
    pub model: i64,
    /// Codes, likeliest first.
    pub top: &'a [String],
    pub p: f64,
    pub filled: bool,
    pub urgency: &'a str,
    /// What the reporter chose.
    pub chosen: &'a str,
}

/// Writes it down.
pub(crate) async fn note(tx: &mut Tx, s: &SuggestionRecord<'_>) -> Result<()> {
    let at = tx.now();
    let first = s.top.first().map_or("", String::as_str);
    tx.put(
        "insert into case_suggestion (case_id, model, at, first, top, p, filled, urgency, chosen) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![s.case, s.model, at, first, format!(" {} ", s.top.join(" ")), s.p, s.filled, s.urgency, s.chosen],
    )
    .await
}

/// How suggestions fared against what was decided, by the class suggested first.
pub(crate) struct LifeRecord {
    pub first: String,
    pub cases: i64,
    pub right: i64,
    pub top3: i64,
    pub filled: i64,
    pub filled_right: i64,
    pub urgency_right: i64,
    pub chosen_right: i64,
}

/// Suggestions since an instant whose cases ended.
pub(crate) async fn life(store: &Store, kind: &str, since: Timestamp) -> Result<Vec<LifeRecord>> {
    let sum = |condition: &str, name: &str| format!("cast(coalesce(sum(case when {condition} then 1 else 0 end), 0) as bigint) as {name}");
    let sql = format!(
        "select s.first, cast(count(*) as bigint) as cases, {}, {}, {}, {}, {}, {} from case_suggestion s join case_main m on m.id = s.case_id \
         where s.at >= ? and m.kind = ? and m.closed_at is not null and m.listed = 1 and m.merged_into is null group by s.first order by cases desc, s.first limit 200",
        sum("m.category = s.first", "is_right"),
        sum("s.top like '% ' || m.category || ' %'", "top3"),
        sum("s.filled = 1", "filled"),
        sum("s.filled = 1 and m.category = s.first", "filled_right"),
        sum("m.urgency = s.urgency", "urgency_right"),
        sum("m.category = s.chosen", "chosen_right"),
    );
    let rows = store.rows(&sql, params![since, kind]).await?;
    rows.iter()
        .map(|r| {
            Ok(LifeRecord {
                first: r.text("first")?,
                cases: r.int("cases")?,
                right: r.int("is_right")?,
                top3: r.int("top3")?,
                filled: r.int("filled")?,
                filled_right: r.int("filled_right")?,
                urgency_right: r.int("urgency_right")?,
                chosen_right: r.int("chosen_right")?,
            })
        })
        .collect()
}
