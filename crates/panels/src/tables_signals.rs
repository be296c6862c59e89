//! SQL of messages and signals.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::dc09::Scheme;
use crate::tables::{Filter, scheme_code, scheme_of};

/// A message's event as stored.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub id: Uuid,
    pub account: Uuid,
    pub at: Timestamp,
    pub told_at: Option<Timestamp>,
    pub sequence: i64,
    pub print: String,
    pub path: String,
    pub scheme: Scheme,
    pub code: String,
    pub qualifier: Option<i64>,
    pub area: String,
    pub zone: String,
    pub words: String,
    pub extended: Vec<(char, String)>,
    pub kind: String,
    pub phase: String,
    pub signal: Option<Uuid>,
    pub maintenance: bool,
}

/// A signal as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signal {
    pub id: Uuid,
    pub account: Uuid,
    pub premises: Option<Uuid>,
    pub unit: String,
    pub commune: String,
    pub kind: String,
    pub class: String,
    pub rank: i64,
    pub scheme: Scheme,
    pub code: String,
    pub area: String,
    pub zone: String,
    pub words: String,
    pub at: Timestamp,
    pub last_at: Timestamp,
    pub told_at: Option<Timestamp>,
    pub repeats: i64,
    pub confirmed_at: Option<Timestamp>,
    pub confirmed_why: Option<String>,
    pub confirmed_with: Option<Uuid>,
    pub restored_at: Option<Timestamp>,
    pub acked_at: Option<Timestamp>,
    pub acked_by: Option<String>,
    pub verdict: Option<String>,
    pub verdict_at: Option<Timestamp>,
    pub verdict_by: Option<String>,
    pub verdict_why: Option<String>,
    pub alarm: Option<Uuid>,
    pub open: bool,
    pub version: i64,
}

const SIGNAL: &str = "id, account, premises, unit, commune, kind, class, rank, scheme, code, area, zone, words, at, last_at, told_at, repeats, confirmed_at, \
    confirmed_why, confirmed_with, restored_at, acked_at, acked_by, verdict, verdict_at, verdict_by, verdict_why, alarm, open, version";

fn signal_of(row: &Row) -> Result<Signal> {
    Ok(Signal {
        id: row.uuid("id")?,
        account: row.uuid("account")?,
        premises: row.opt_uuid("premises")?,
        unit: row.text("unit")?,
        commune: row.text("commune")?,
        kind: row.text("kind")?,
        class: row.text("class")?,
        rank: row.int("rank")?,
        scheme: scheme_of(&row.text("scheme")?),
        code: row.text("code")?,
        area: row.text("area")?,
        zone: row.text("zone")?,
        words: row.text("words")?,
        at: row.time("at")?,
        last_at: row.time("last_at")?,
        told_at: row.opt_time("told_at")?,
        repeats: row.int("repeats")?,
        confirmed_at: row.opt_time("confirmed_at")?,
        confirmed_why: row.opt_text("confirmed_why")?,
        confirmed_with: row.opt_uuid("confirmed_with")?,
        restored_at: row.opt_time("restored_at")?,
        acked_at: row.opt_time("acked_at")?,
        acked_by: row.opt_text("acked_by")?,
        verdict: row.opt_text("verdict")?,
        verdict_at: row.opt_time("verdict_at")?,
        verdict_by: row.opt_text("verdict_by")?,
        verdict_why: row.opt_text("verdict_why")?,
        alarm: row.opt_uuid("alarm")?,
        open: row.flag("open")?,
        version: row.int("version")?,
    })
}

/// Whether the same message of the account was taken since.
pub(crate) async fn repeated(tx: &mut Tx, account: Uuid, sequence: i64, print: &str, since: Timestamp) -> Result<bool> {
    let sql = "select 1 as one from panel_message where account = ? and sequence = ? and at >= ? and print = ? limit 1";
    Ok(tx.row(sql, params![account, sequence, since, print]).await?.is_some())
}

/// Keeps a message's event.
pub(crate) async fn put_message(tx: &mut Tx, m: &Message) -> Result<()> {
    let sql = "insert into panel_message (id, account, at, told_at, sequence, print, path, scheme, code, qualifier, area, zone, words, extended, kind, phase, \
               signal, maintenance) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = params![
        m.id,
        m.account,
        m.at,
        m.told_at,
        m.sequence,
        &m.print,
        &m.path,
        scheme_code(m.scheme),
        &m.code,
        m.qualifier,
        &m.area,
        &m.zone,
        &m.words,
        Param::json(&m.extended)?,
        &m.kind,
        &m.phase,
        m.signal,
        m.maintenance,
    ];
    tx.exec(sql, values).await.map(|_| ())
}

fn message_of(r: &Row) -> Result<Message> {
    Ok(Message {
        id: r.uuid("id")?,
        account: r.uuid("account")?,
        at: r.time("at")?,
        told_at: r.opt_time("told_at")?,
        sequence: r.int("sequence")?,
        print: r.text("print")?,
        path: r.text("path")?,
        scheme: scheme_of(&r.text("scheme")?),
        code: r.text("code")?,
        qualifier: r.opt_int("qualifier")?,
        area: r.text("area")?,
        zone: r.text("zone")?,
        words: r.text("words")?,
        extended: r.json("extended")?,
        kind: r.text("kind")?,
        phase: r.text("phase")?,
        signal: r.opt_uuid("signal")?,
        maintenance: r.flag("maintenance")?,
    })
}

/// Messages of a signal (`signal`) or of a panel (`account`), newest first.
pub(crate) async fn messages(store: &Store, column: &'static str, id: Uuid, limit: usize) -> Result<Vec<Message>> {
    let rows = store.rows(&format!("select * from panel_message where {column} = ? order by at desc, id desc limit ?"), params![id, limit]).await?;
    rows.iter().map(message_of).collect()
}

/// Writes a signal, new or changed.
pub(crate) async fn put_signal(tx: &mut Tx, s: &Signal) -> Result<()> {
    let sql = dothi_store::upsert("panel_signal", SIGNAL, 1);
    let values = params![
        s.id,
        s.account,
        s.premises,
        &s.unit,
        &s.commune,
        &s.kind,
        &s.class,
        s.rank,
        scheme_code(s.scheme),
        &s.code,
        &s.area,
        &s.zone,
        &s.words,
        s.at,
        s.last_at,
        s.told_at,
        s.repeats,
        s.confirmed_at,
        s.confirmed_why.as_deref(),
        s.confirmed_with,
        s.restored_at,
        s.acked_at,
        s.acked_by.as_deref(),
        s.verdict.as_deref(),
        s.verdict_at,
        s.verdict_by.as_deref(),
        s.verdict_why.as_deref(),
        s.alarm,
        s.open,
        s.version,
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// A signal, inside a change.
pub(crate) async fn signal_in(tx: &mut Tx, id: Uuid) -> Result<Option<Signal>> {
    let row = tx.row(&format!("select {SIGNAL} from panel_signal where id = ?"), params![id]).await?;
    row.as_ref().map(signal_of).transpose()
}

/// A signal.
pub(crate) async fn signal(store: &Store, id: Uuid) -> Result<Option<Signal>> {
    let row = store.row(&format!("select {SIGNAL} from panel_signal where id = ?"), params![id]).await?;
    row.as_ref().map(signal_of).transpose()
}

/// Open signals of a panel and kind.
pub(crate) async fn open_of(tx: &mut Tx, account: Uuid, kind: &str) -> Result<Vec<Signal>> {
    let sql = format!("select {SIGNAL} from panel_signal where account = ? and kind = ? and open = 1 order by at limit 200");
    let rows = tx.rows(&sql, params![account, kind]).await?;
    rows.iter().map(signal_of).collect()
}

/// The open signal that an alarm of the rules raised.
pub(crate) async fn open_by_alarm(tx: &mut Tx, alarm: Uuid) -> Result<Option<Signal>> {
    let row = tx.row(&format!("select {SIGNAL} from panel_signal where alarm = ? and open = 1 limit 1"), params![alarm]).await?;
    row.as_ref().map(signal_of).transpose()
}

/// Open alarm signals of premises (or of a panel without premises) told since.
pub(crate) async fn near(tx: &mut Tx, premises: Option<Uuid>, account: Uuid, since: Timestamp) -> Result<Vec<Signal>> {
    let (column, id) = premises.map_or(("account", account), |p| ("premises", p));
    let sql = format!("select {SIGNAL} from panel_signal where {column} = ? and open = 1 and class = 'alarm' and last_at >= ? order by at limit 200");
    let rows = tx.rows(&sql, params![id, since]).await?;
    rows.iter().map(signal_of).collect()
}

/// Signals, newest first; `after` is the last one seen.
pub(crate) async fn list(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<Signal>> {
    let mut values = filter.params();
    values.push(Param::from(limit));
    let rows = store.rows(&format!("select {SIGNAL} from panel_signal{} order by at desc, id desc limit ?", filter.sql()), values).await?;
    rows.iter().map(signal_of).collect()
}

/// What a score is made of.
pub(crate) struct Tally {
    pub premises: Uuid,
    pub alarms: i64,
    pub wrong: i64,
    pub unconfirmed: i64,
    pub repeats: i64,
}

/// Counts of alarm signals by premises since an instant; of one when named.
pub(crate) async fn tallies(store: &Store, filter: &Filter) -> Result<Vec<Tally>> {
    let sql = format!(
        "select premises, cast(count(*) as bigint) as alarms, cast(sum(case when verdict = 'false' then 1 else 0 end) as bigint) as wrong, \
         cast(sum(case when verdict is null and confirmed_at is null and restored_at is not null then 1 else 0 end) as bigint) as unconfirmed, \
         cast(sum(case when verdict = 'false' or (verdict is null and confirmed_at is null) then repeats else 0 end) as bigint) as repeats \
         from panel_signal{} group by premises",
        filter.sql()
    );
    let rows = store.rows(&sql, filter.params()).await?;
    rows.iter()
        .map(|r| {
            Ok(Tally {
                premises: r.uuid("premises")?,
                alarms: r.int("alarms")?,
                wrong: r.int("wrong")?,
                unconfirmed: r.int("unconfirmed")?,
                repeats: r.int("repeats")?,
            })
        })
        .collect()
}

/// Figures of open signals: alarms, confirmed, nobody took note, troubles.
pub(crate) async fn counts(store: &Store, filter: &Filter) -> Result<[i64; 4]> {
    let sql = format!(
        "select cast(coalesce(sum(case when class = 'alarm' then 1 else 0 end), 0) as bigint) as alarms, \
         cast(coalesce(sum(case when class = 'alarm' and confirmed_at is not null then 1 else 0 end), 0) as bigint) as confirmed, \
         cast(coalesce(sum(case when class = 'alarm' and acked_at is null then 1 else 0 end), 0) as bigint) as waiting, \
         cast(coalesce(sum(case when class = 'trouble' then 1 else 0 end), 0) as bigint) as troubles from panel_signal{}",
        filter.sql()
    );
    let Some(row) = store.row(&sql, filter.params()).await? else { return Ok([0; 4]) };
    Ok([row.int("alarms")?, row.int("confirmed")?, row.int("waiting")?, row.int("troubles")?])
}

/// Seconds from first message to somebody taking note, of the latest signals.
pub(crate) async fn noted(store: &Store, filter: &Filter) -> Result<Vec<i64>> {
    let sql = format!("select acked_at - at as took from panel_signal{} order by at desc limit 5000", filter.sql());
    let rows = store.rows(&sql, filter.params()).await?;
    rows.iter().map(|r| Ok(r.int("took")? / 1_000_000)).collect()
}
