//! SQL of signs and their messages.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{Message, SignInput};

/// A sign as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sign {
    pub id: Uuid,
    pub input: SignInput,
    pub showing: Vec<String>,
    pub message: Option<Uuid>,
    pub order: Option<Uuid>,
    pub order_state: String,
    pub order_at: Option<Timestamp>,
    pub order_why: Option<String>,
    pub command: Option<Uuid>,
    pub at: Timestamp,
    pub by: String,
    pub version: i64,
}

const SIGN: &str = "id, code, unit, body, showing, message, order_id, order_state, order_at, order_why, command, at, by_name, version";

fn sign_of(row: &Row) -> Result<Sign> {
    let mut input: SignInput = row.json("body")?;
    let version = row.int("version")?;
    input.version = Some(version);
    Ok(Sign {
        id: row.uuid("id")?,
        input,
        showing: row.json("showing")?,
        message: row.opt_uuid("message")?,
        order: row.opt_uuid("order_id")?,
        order_state: row.text("order_state")?,
        order_at: row.opt_time("order_at")?,
        order_why: row.opt_text("order_why")?,
        command: row.opt_uuid("command")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version,
    })
}

/// All signs by code; there are at most as many as the registry takes.
pub(crate) async fn signs(store: &Store) -> Result<Vec<Sign>> {
    store.rows(&format!("select {SIGN} from traffic_sign order by code limit 2000"), params![]).await?.iter().map(sign_of).collect()
}

/// The same inside a change.
pub(crate) async fn signs_in(tx: &mut Tx) -> Result<Vec<Sign>> {
    tx.rows(&format!("select {SIGN} from traffic_sign order by code limit 2000"), params![]).await?.iter().map(sign_of).collect()
}

/// A sign inside a change.
pub(crate) async fn sign_in(tx: &mut Tx, id: Uuid) -> Result<Option<Sign>> {
    let row = tx.row(&format!("select {SIGN} from traffic_sign where id = ?"), params![id]).await?;
    row.as_ref().map(sign_of).transpose()
}

/// A sign.
pub(crate) async fn sign(store: &Store, id: Uuid) -> Result<Option<Sign>> {
    let row = store.row(&format!("select {SIGN} from traffic_sign where id = ?"), params![id]).await?;
    row.as_ref().map(sign_of).transpose()
}

/// Writes a sign, new or changed.
pub(crate) async fn put_sign(tx: &mut Tx, s: &Sign) -> Result<()> {
    let body = SignInput { version: None, ..s.input.clone() };
    let values = params![
        s.id,
        &s.input.code,
        &s.input.unit,
        Param::json(&body)?,
        Param::json(&s.showing)?,
        s.message,
        s.order,
        &s.order_state,
        s.order_at,
        s.order_why.as_deref(),
        s.command,
        s.at,
        &s.by,
        s.version,
    ];
    tx.exec(&dothi_store::upsert("traffic_sign", SIGN, 1), values).await.map(|_| ())
}

/// A message with what only the domain needs to know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub message: Message,
    /// What proposed it (`incident:…`, `delay:…`); empty: a person.
    pub origin: String,
    pub by_id: Option<Uuid>,
}

const MESSAGE: &str = "id, sign, library, lines, priority, state, minutes, until, why, origin, at, by_name, by_id, settled_by, version";

fn message_of(row: &Row) -> Result<Kept> {
    let message = Message {
        id: row.uuid("id")?,
        sign: row.uuid("sign")?,
        library: row.opt_text("library")?,
        lines: row.json("lines")?,
        priority: u8::try_from(row.int("priority")?).unwrap_or(1),
        state: row.text("state")?,
        minutes: u32::try_from(row.int("minutes")?).unwrap_or(0),
        until: row.opt_time("until")?,
        why: row.text("why")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        settled_by: row.opt_text("settled_by")?,
        version: row.int("version")?,
    };
    Ok(Kept { message, origin: row.text("origin")?, by_id: row.opt_uuid("by_id")? })
}

/// Writes a message, new or changed.
pub(crate) async fn put_message(tx: &mut Tx, kept: &Kept) -> Result<()> {
    let m = &kept.message;
    let values = params![
        m.id,
        m.sign,
        m.library.as_deref(),
        Param::json(&m.lines)?,
        u32::from(m.priority),
        &m.state,
        m.minutes,
        m.until,
        &m.why,
        &kept.origin,
        m.at,
        &m.by,
        kept.by_id,
        m.settled_by.as_deref(),
        m.version,
    ];
    tx.exec(&dothi_store::upsert("traffic_message", MESSAGE, 1), values).await.map(|_| ())
}

/// A message inside a change.
pub(crate) async fn message_in(tx: &mut Tx, id: Uuid) -> Result<Option<Kept>> {
    let row = tx.row(&format!("select {MESSAGE} from traffic_message where id = ?"), params![id]).await?;
    row.as_ref().map(message_of).transpose()
}

/// Messages of a sign, newest first.
pub(crate) async fn messages(store: &Store, sign: Uuid, limit: usize) -> Result<Vec<Kept>> {
    let sql = format!("select {MESSAGE} from traffic_message where sign = ? order by at desc, id desc limit ?");
    store.rows(&sql, params![sign, limit as i64]).await?.iter().map(message_of).collect()
}

/// Messages of a sign that are not over.
pub(crate) async fn living(tx: &mut Tx, sign: Uuid) -> Result<Vec<Kept>> {
    let sql = format!("select {MESSAGE} from traffic_message where sign = ? and state in ('proposed', 'waiting', 'approved') order by at, id limit 500");
    tx.rows(&sql, params![sign]).await?.iter().map(message_of).collect()
}

/// The newest message that something proposed for a sign.
pub(crate) async fn proposed_by(tx: &mut Tx, sign: Uuid, origin: &str) -> Result<Option<Kept>> {
    let sql = format!("select {MESSAGE} from traffic_message where sign = ? and origin = ? order by at desc, id desc limit 1");
    let row = tx.row(&sql, params![sign, origin]).await?;
    row.as_ref().map(message_of).transpose()
}

/// Messages that something proposed and that are not over.
pub(crate) async fn living_of(tx: &mut Tx, origin: &str) -> Result<Vec<Kept>> {
    let sql = format!("select {MESSAGE} from traffic_message where origin = ? and state in ('proposed', 'waiting', 'approved') order by id limit 500");
    tx.rows(&sql, params![origin]).await?.iter().map(message_of).collect()
}

/// How many messages wait for somebody, by sign.
pub(crate) async fn waiting(store: &Store) -> Result<std::collections::HashMap<Uuid, usize>> {
    let sql = "select sign, cast(count(*) as bigint) as n from traffic_message where state in ('proposed', 'waiting') group by sign";
    let rows = store.rows(sql, params![]).await?;
    rows.iter().map(|r| Ok((r.uuid("sign")?, usize::try_from(r.int("n")?).unwrap_or(0)))).collect()
}
