//! The SQL of the domain.

use dothi_kernel::{Evidence, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{IndicatorSet, ValueStatus};

/// Schema of the domain.
pub const MIGRATIONS: &[Migration] = &[VALUES, crate::tables_boards::BOARDS];

const VALUES: Migration = Migration {
    domain: "oversight",
    version: 1,
    // The partial index holds the promise that one value counts for an indicator, area and period.
    sql: "create table oversight_set (code TEXT not null primary key, pack TEXT not null, position BIGINT not null, body TEXT not null);
          create table oversight_value (
            id TEXT not null primary key, set_code TEXT not null, indicator TEXT not null, area TEXT not null, period TEXT not null,
            status TEXT not null, number DOUBLE PRECISION, yes_no BIGINT, numerator DOUBLE PRECISION, denominator DOUBLE PRECISION,
            note TEXT, evidence_url TEXT, evidence TEXT not null, source TEXT not null,
            entered_id TEXT, entered_by TEXT not null, entered_at BIGINT not null,
            decided_id TEXT, decided_by TEXT, decided_at BIGINT, reason TEXT, superseded_by TEXT
          );
          create unique index oversight_value_counts on oversight_value (set_code, area, indicator, period) where status in ('approved', 'computed');
          create unique index oversight_value_waits on oversight_value (set_code, area, indicator, period) where status = 'pending';
          create index oversight_value_history on oversight_value (set_code, indicator, area, entered_at);
          create index oversight_value_status on oversight_value (status, id);",
};

/// Which cell of a scorecard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub set: String,
    pub indicator: String,
    pub area: String,
    pub period: String,
}

/// A value as stored.
#[derive(Debug, Clone)]
pub(crate) struct ValueRow {
    pub id: Uuid,
    pub cell: Cell,
    pub status: ValueStatus,
    pub number: Option<f64>,
    pub yes_no: Option<bool>,
    pub numerator: Option<f64>,
    pub denominator: Option<f64>,
    pub note: Option<String>,
    pub evidence_url: Option<String>,
    pub source: String,
    pub entered_id: Option<Uuid>,
    pub entered_by: String,
    pub entered_at: Timestamp,
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub reason: Option<String>,
    pub superseded_by: Option<Uuid>,
}

const COLUMNS: &str = "id, set_code, indicator, area, period, status, number, yes_no, numerator, denominator, note, evidence_url, source, \
                       entered_id, entered_by, entered_at, decided_by, decided_at, reason, superseded_by";

fn read(row: &Row) -> Result<ValueRow> {
    let status = row.text("status")?;
    Ok(ValueRow {
        id: row.uuid("id")?,
        cell: Cell { set: row.text("set_code")?, indicator: row.text("indicator")?, area: row.text("area")?, period: row.text("period")? },
        status: ValueStatus::parse(&status).ok_or_else(|| dothi_kernel::Error::internal("reading a value", format!("status {status}")))?,
        number: row.opt_real("number")?,
        yes_no: row.opt_int("yes_no")?.map(|v| v != 0),
        numerator: row.opt_real("numerator")?,
        denominator: row.opt_real("denominator")?,
        note: row.opt_text("note")?,
        evidence_url: row.opt_text("evidence_url")?,
        source: row.text("source")?,
        entered_id: row.opt_uuid("entered_id")?,
        entered_by: row.text("entered_by")?,
        entered_at: row.time("entered_at")?,
        decided_by: row.opt_text("decided_by")?,
        decided_at: row.opt_time("decided_at")?,
        reason: row.opt_text("reason")?,
        superseded_by: row.opt_uuid("superseded_by")?,
    })
}

fn read_all(rows: &[Row]) -> Result<Vec<ValueRow>> {
    rows.iter().map(read).collect()
}

pub(crate) async fn put_set(tx: &mut Tx, pack: &str, position: usize, set: &IndicatorSet) -> Result<()> {
    tx.exec(
        "insert into oversight_set (code, pack, position, body) values (?, ?, ?, ?) \
         on conflict (code) do update set pack = excluded.pack, position = excluded.position, body = excluded.body",
        params![&set.code, pack, position, Param::json(set)?],
    )
    .await?;
    Ok(())
}

pub(crate) async fn sets(store: &Store) -> Result<Vec<IndicatorSet>> {
    store.rows("select body from oversight_set order by position, code limit 100", params![]).await?.iter().map(|r| r.json("body")).collect()
}

pub(crate) async fn insert(tx: &mut Tx, value: &ValueRow, evidence: &[Evidence]) -> Result<()> {
    let cell = &value.cell;
    tx.exec(
        "insert into oversight_value (id, set_code, indicator, area, period, status, number, yes_no, numerator, denominator, note, evidence_url, \
         evidence, source, entered_id, entered_by, entered_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            value.id,
            &cell.set,
            &cell.indicator,
            &cell.area,
            &cell.period,
            value.status.name(),
            value.number,
            value.yes_no,
            value.numerator,
            value.denominator,
            value.note.clone(),
            value.evidence_url.clone(),
            Param::json(&evidence)?,
            &value.source,
            value.entered_id,
            &value.entered_by,
            value.entered_at
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut Tx, id: Uuid) -> Result<Option<ValueRow>> {
    tx.row(&format!("select {COLUMNS} from oversight_value where id = ?"), params![id]).await?.as_ref().map(read).transpose()
}

/// The value that counts for a cell.
pub(crate) async fn counting(tx: &mut Tx, cell: &Cell) -> Result<Option<ValueRow>> {
    let sql = format!(
        "select {COLUMNS} from oversight_value where set_code = ? and area = ? and indicator = ? and period = ? and status in ('approved', 'computed')"
    );
    tx.row(&sql, params![&cell.set, &cell.area, &cell.indicator, &cell.period]).await?.as_ref().map(read).transpose()
}

/// Retires what counts (or, with `waiting`, what waits) for a cell in favour of `by`.
pub(crate) async fn supersede(tx: &mut Tx, cell: &Cell, waiting: Waiting, by: Uuid) -> Result<u64> {
    let sql = match waiting {
        Waiting::Counts => {
            "update oversight_value set status = 'superseded', superseded_by = ? \
             where set_code = ? and area = ? and indicator = ? and period = ? and status in ('approved', 'computed')"
        }
        Waiting::Waits => {
            "update oversight_value set status = 'superseded', superseded_by = ? \
             where set_code = ? and area = ? and indicator = ? and period = ? and status = 'pending'"
        }
    };
    tx.exec(sql, params![by, &cell.set, &cell.area, &cell.indicator, &cell.period]).await
}

/// Which of a cell's values is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Counts,
    Waits,
}

/// A computed value that a newer one replaced needs its rows no more: the figure stays, the rows can be computed again.
pub(crate) async fn drop_evidence(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.exec("update oversight_value set evidence = '[]' where id = ? and source <> 'reported'", params![id]).await?;
    Ok(())
}

/// Rows behind a computed value, refreshed when the figure did not change.
pub(crate) async fn put_evidence(tx: &mut Tx, id: Uuid, evidence: &[Evidence]) -> Result<()> {
    tx.exec("update oversight_value set evidence = ? where id = ?", params![Param::json(&evidence)?, id]).await?;
    Ok(())
}

pub(crate) async fn evidence(store: &Store, id: Uuid) -> Result<Vec<Evidence>> {
    store.row("select evidence from oversight_value where id = ?", params![id]).await?.map_or_else(|| Ok(Vec::new()), |r| r.json("evidence"))
}

/// The same inside a change.
pub(crate) async fn evidence_in(tx: &mut Tx, id: Uuid) -> Result<Vec<Evidence>> {
    tx.row("select evidence from oversight_value where id = ?", params![id]).await?.map_or_else(|| Ok(Vec::new()), |r| r.json("evidence"))
}

/// Settles a waiting value; 0 when somebody else was faster.
pub(crate) async fn decide(tx: &mut Tx, id: Uuid, status: ValueStatus, reason: Option<&str>) -> Result<u64> {
    let caller = tx.caller().clone();
    tx.exec(
        "update oversight_value set status = ?, decided_id = ?, decided_by = ?, decided_at = ?, reason = ? where id = ? and status = 'pending'",
        params![status.name(), caller.id, &*caller.name, caller.now, reason.map(str::to_string), id],
    )
    .await
}

/// What a scorecard needs of one area: everything that counts or waits, from the year before the year before on.
pub(crate) async fn of_area(store: &Store, set: &str, area: &str, from_period: &str) -> Result<Vec<ValueRow>> {
    let sql = format!(
        "select {COLUMNS} from oversight_value where set_code = ? and area = ? and status in ('approved', 'computed', 'pending') and period >= ? \
         order by indicator, period limit 20000"
    );
    read_all(&store.rows(&sql, params![set, area, from_period]).await?)
}

/// An indicator's values in an area, newest first.
pub(crate) async fn history(store: &Store, set: &str, indicator: &str, area: &str, settled_only: bool) -> Result<Vec<ValueRow>> {
    // A value that waits or was refused is nobody's business outside; one that was replaced counted only if it was decided or computed.
    let shown = if settled_only {
        "and (status in ('approved', 'computed') or (status = 'superseded' and (decided_at is not null or source <> 'reported')))"
    } else {
        ""
    };
    let sql =
        format!("select {COLUMNS} from oversight_value where set_code = ? and indicator = ? and area = ? {shown} order by entered_at desc, id desc limit 100");
    read_all(&store.rows(&sql, params![set, indicator, area]).await?)
}

/// Values of one status, oldest first.
pub(crate) async fn by_status(store: &Store, status: ValueStatus, after: &str, limit: usize) -> Result<Vec<ValueRow>> {
    let sql = format!("select {COLUMNS} from oversight_value where status = ? and id > ? order by id limit ?");
    read_all(&store.rows(&sql, params![status.name(), after, limit]).await?)
}
