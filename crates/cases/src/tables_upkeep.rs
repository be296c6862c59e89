//! SQL about what is kept how long, what reporters ask to have erased, and what the centre checks by sample.

use std::collections::BTreeMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::tables::Filter;
use crate::tables_media;

/// Samples, requests for erasure, and since when a case holds nobody's data and no photos any more.
pub(crate) const SCHEMA: &str = "alter table case_main add column anonymised_at BIGINT;
alter table case_main add column media_gone_at BIGINT;
create table case_erasure (
  id TEXT not null primary key, case_id TEXT not null references case_main (id), asked_at BIGINT not null, words TEXT not null,
  state TEXT not null, decided_at BIGINT, by_id TEXT, by_name TEXT, reason TEXT
);
create index case_erasure_state on case_erasure (state, asked_at, id);
create index case_erasure_case on case_erasure (case_id);
create table case_sample (
  case_id TEXT not null references case_main (id), round BIGINT not null, kind TEXT not null, unit TEXT not null, category TEXT not null,
  drawn_at BIGINT not null, draw BIGINT not null, percent BIGINT not null,
  checked_at BIGINT, by_id TEXT, by_name TEXT, answers TEXT, passed BIGINT, note TEXT, primary key (case_id, round)
);
create index case_sample_open on case_sample (checked_at, drawn_at);
create index case_sample_unit on case_sample (unit, drawn_at);";

/// The seed of samples; made on first use and kept, so that every draw can be made again.
pub(crate) async fn seed(tx: &mut Tx, fresh: &str) -> Result<String> {
    tx.exec("insert into case_setting (name, value) values ('sampling-seed', ?) on conflict (name) do nothing", params![fresh]).await?;
    tx.row("select value from case_setting where name = 'sampling-seed'", params![]).await?.map_or(Ok(String::new()), |r| r.text("value"))
}

/// A case that was drawn.
pub(crate) struct SampleRecord {
    pub case: Uuid,
    pub round: i64,
    pub unit: String,
    pub category: String,
    pub drawn_at: Timestamp,
    pub percent: i64,
    pub checked_at: Option<Timestamp>,
    pub by: Option<String>,
    pub answers: BTreeMap<String, bool>,
    pub passed: Option<bool>,
    pub note: Option<String>,
}

fn sample(row: &Row) -> Result<SampleRecord> {
    Ok(SampleRecord {
        case: row.uuid("case_id")?,
        round: row.int("round")?,
        unit: row.text("unit")?,
        category: row.text("category")?,
        drawn_at: row.time("drawn_at")?,
        percent: row.int("percent")?,
        checked_at: row.opt_time("checked_at")?,
        by: row.opt_text("by_name")?,
        answers: match row.opt_text("answers")? {
            Some(_) => row.json("answers")?,
            None => BTreeMap::new(),
        },
        passed: row.opt_int("passed")?.map(|n| n != 0),
        note: row.opt_text("note")?,
    })
}

/// Writes down that a case was drawn.
pub(crate) async fn insert_sample(tx: &mut Tx, case: &crate::tables::CaseRecord, draw: u32, percent: u8) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into case_sample (case_id, round, kind, unit, category, drawn_at, draw, percent) values (?, ?, ?, ?, ?, ?, ?, ?) \
         on conflict (case_id, round) do nothing",
        params![case.id, i64::from(case.reopened), &case.kind, &case.unit, &case.category, now, i64::from(draw), i64::from(percent)],
    )
    .await?;
    Ok(())
}

/// Samples, those to be checked first, the oldest first.
pub(crate) async fn samples(store: &Store, filter: Filter, limit: usize) -> Result<Vec<SampleRecord>> {
    let (condition, mut values) = filter.parts();
    values.push(Param::from(limit));
    let sql = format!("select * from case_sample where {condition} order by drawn_at, case_id, round limit ?");
    store.rows(&sql, values).await?.iter().map(sample).collect()
}

/// The newest sample of a case, inside a change.
pub(crate) async fn sample_in(tx: &mut Tx, case: Uuid) -> Result<Option<SampleRecord>> {
    tx.row("select * from case_sample where case_id = ? order by round desc limit 1", params![case]).await?.as_ref().map(sample).transpose()
}

/// Writes the result of a check; false when somebody else was faster.
pub(crate) async fn check_sample(tx: &mut Tx, s: &SampleRecord, by: (Option<Uuid>, &str)) -> Result<bool> {
    let now = tx.now();
    let touched = tx
        .exec(
            "update case_sample set checked_at = ?, by_id = ?, by_name = ?, answers = ?, passed = ?, note = ? where case_id = ? and round = ? and checked_at is null",
            params![now, by.0, by.1, Param::json(&s.answers)?, s.passed, s.note.as_deref(), s.case, s.round],
        )
        .await?;
    Ok(touched == 1)
}

/// By unit: drawn, checked, passed.
pub(crate) async fn sample_figures(store: &Store, filter: Filter) -> Result<Vec<(String, i64, i64, i64)>> {
    let (condition, values) = filter.parts();
    let sql = format!(
        "select unit, cast(count(*) as bigint) as drawn, cast(count(checked_at) as bigint) as checked, \
         cast(coalesce(sum(case when passed = 1 then 1 else 0 end), 0) as bigint) as passed from case_sample where {condition} group by unit order by unit limit 500"
    );
    store.rows(&sql, values).await?.iter().map(|r| Ok((r.text("unit")?, r.int("drawn")?, r.int("checked")?, r.int("passed")?))).collect()
}

/// Ended cases whose time is over, by what still stands: `anonymised_at` or `media_gone_at`.
pub(crate) async fn overripe(store: &Store, kind: &str, column: &'static str, before: Timestamp, limit: usize) -> Result<Vec<Uuid>> {
    let sql = format!("select id from case_main where kind = ? and stopped = 1 and closed_at < ? and {column} is null order by closed_at, id limit ?");
    store.rows(&sql, vec![Param::from(kind), Param::from(before), Param::from(limit)]).await?.iter().map(|r| r.uuid("id")).collect()
}

/// Takes out of a case who reported it. The words that stay are given.
pub(crate) async fn anonymise(tx: &mut Tx, case: &crate::tables::CaseRecord, folded: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("delete from case_reporter where case_id = ?", params![case.id]).await?;
    tx.exec("delete from case_follow where case_id = ?", params![case.id]).await?;
    tx.exec("delete from case_caller where case_id = ?", params![case.id]).await?;
    tx.exec(
        "update case_main set body = ?, answers = ?, rating_comment = ?, folded = ?, anonymised_at = ?, version = version + 1 where id = ?",
        params![&case.text, Param::json(&case.answers)?, case.rating_comment.as_deref(), folded, now, case.id],
    )
    .await?;
    Ok(())
}

/// What the reporter wrote into a case's log.
pub(crate) async fn reporter_notes(tx: &mut Tx, case: Uuid) -> Result<Vec<(i64, String)>> {
    let rows = tx.rows("select n, note from case_log where case_id = ? and by_name = 'reporter' and note is not null", params![case]).await?;
    rows.iter().map(|r| Ok((r.int("n")?, r.text("note")?))).collect()
}

/// Rewrites a note of the reporter.
pub(crate) async fn set_note(tx: &mut Tx, case: Uuid, n: i64, note: &str) -> Result<()> {
    tx.exec("update case_log set note = ? where case_id = ? and n = ?", params![note, case, n]).await?;
    Ok(())
}

/// Takes all photos from a case and its work orders, their masked pictures and all recordings; bytes that nothing else of this domain
/// uses are given up. Returns how many photos and recordings.
pub(crate) async fn drop_media(tx: &mut Tx, case: Uuid) -> Result<(u64, u64)> {
    let now = tx.now();
    let mut hashes = Vec::new();
    let mut gone = 0;
    for (read, delete) in [
        ("select sha256, thumb from case_photo where case_id = ?", "delete from case_photo where case_id = ?"),
        (
            "select sha256, thumb from work_photo where order_id in (select id from work_order where case_id = ?)",
            "delete from work_photo where order_id in (select id from work_order where case_id = ?)",
        ),
    ] {
        for row in tx.rows(read, params![case]).await? {
            hashes.extend([row.text("sha256")?, row.text("thumb")?]);
        }
        gone += tx.exec(delete, params![case]).await?;
    }
    hashes.extend(tables_media::drop_masks(tx, case).await?);
    let recordings = tables_media::drop_recordings(tx, case, false).await?;
    let heard = recordings.len() as u64;
    hashes.extend(recordings);
    tables_media::give_up(tx, &hashes).await?;
    tx.exec("update case_main set media_gone_at = ? where id = ?", params![now, case]).await?;
    Ok((gone, heard))
}

/// A request for erasure.
pub(crate) struct ErasureRecord {
    pub id: Uuid,
    pub case: Uuid,
    pub code: String,
    pub unit: String,
    pub asked_at: Timestamp,
    pub words: String,
    pub state: String,
    pub decided_at: Option<Timestamp>,
    pub by: Option<String>,
    pub reason: Option<String>,
}

fn erasure(r: &Row) -> Result<ErasureRecord> {
    Ok(ErasureRecord {
        id: r.uuid("id")?,
        case: r.uuid("case_id")?,
        code: r.text("code")?,
        unit: r.text("unit")?,
        asked_at: r.time("asked_at")?,
        words: r.text("words")?,
        state: r.text("state")?,
        decided_at: r.opt_time("decided_at")?,
        by: r.opt_text("by_name")?,
        reason: r.opt_text("reason")?,
    })
}

const ERASURE: &str = "select e.id, e.case_id, c.code, c.unit, e.asked_at, e.words, e.state, e.decided_at, e.by_name, e.reason \
                       from case_erasure e join case_main c on c.id = e.case_id";

/// Requests, the open ones first, the oldest first.
pub(crate) async fn erasures(store: &Store, filter: Filter, limit: usize) -> Result<Vec<ErasureRecord>> {
    let (condition, mut values) = filter.parts();
    values.push(Param::from(limit));
    let sql = format!("{ERASURE} where {condition} order by case when e.state = 'open' then 0 else 1 end, e.asked_at, e.id limit ?");
    store.rows(&sql, values).await?.iter().map(erasure).collect()
}

/// The newest request of a case.
pub(crate) async fn erasure_of(store: &Store, case: Uuid) -> Result<Option<ErasureRecord>> {
    store.row(&format!("{ERASURE} where e.case_id = ? order by e.asked_at desc limit 1"), params![case]).await?.as_ref().map(erasure).transpose()
}

/// A request inside a change.
pub(crate) async fn erasure_in(tx: &mut Tx, id: Uuid) -> Result<Option<ErasureRecord>> {
    tx.row(&format!("{ERASURE} where e.id = ?"), params![id]).await?.as_ref().map(erasure).transpose()
}

/// Writes a request.
pub(crate) async fn insert_erasure(tx: &mut Tx, case: Uuid, words: &str) -> Result<()> {
    let (id, now) = (tx.id(), tx.now());
    tx.exec("insert into case_erasure (id, case_id, asked_at, words, state) values (?, ?, ?, ?, 'open')", params![id, case, now, words]).await?;
    Ok(())
}

/// Writes a decision; false when there was one already.
pub(crate) async fn decide_erasure(tx: &mut Tx, id: Uuid, state: &str, by: (Option<Uuid>, &str), reason: &str) -> Result<bool> {
    let now = tx.now();
    let sql = "update case_erasure set state = ?, decided_at = ?, by_id = ?, by_name = ?, reason = ? where id = ? and state = 'open'";
    Ok(tx.exec(sql, params![state, now, by.0, by.1, reason, id]).await? == 1)
}

/// Versions of a case type: number, pack, instant.
pub(crate) async fn versions(store: &Store, kind: &str) -> Result<Vec<(i64, String, Timestamp)>> {
    let rows = store.rows("select version, pack, at from case_type where kind = ? order by version desc limit 200", params![kind]).await?;
    rows.iter().map(|r| Ok((r.int("version")?, r.text("pack")?, r.time("at")?))).collect()
}

/// How many cases stand in each state.
pub(crate) async fn state_counts(store: &Store, kind: &str) -> Result<BTreeMap<String, i64>> {
    let rows = store.rows("select state, cast(count(*) as bigint) as n from case_main where kind = ? group by state", params![kind]).await?;
    rows.iter().map(|r| Ok((r.text("state")?, r.int("n")?))).collect()
}

/// How often each step was made on cases that came in since.
pub(crate) async fn step_counts(store: &Store, kind: &str, since: Timestamp) -> Result<BTreeMap<String, i64>> {
    let sql = "select l.step, cast(count(*) as bigint) as n from case_log l join case_main c on c.id = l.case_id where c.kind = ? and c.opened_at >= ? group by l.step";
    store.rows(sql, params![kind, since]).await?.iter().map(|r| Ok((r.text("step")?, r.int("n")?))).collect()
}
