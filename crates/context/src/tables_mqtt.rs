//! The SQL of MQTT sessions.

use dothi_kernel::Result;
use dothi_store::{Migration, Param, Row, Store, Tx, params};

/// Sessions, their filters, what waits in them, and packet ids of QoS 2 that were taken in; properties of retained messages.
pub(crate) const MIGRATION: Migration = Migration {
    domain: "context",
    version: 9,
    sql: "create table context_mqtt_session (id BIGINT not null primary key, owner TEXT not null, client TEXT not null, expiry_s BIGINT not null, away_at BIGINT);
          create table context_mqtt_filter (session BIGINT not null, filter TEXT not null, options BIGINT not null, number BIGINT, primary key (session, filter));
          create table context_mqtt_queue (session BIGINT not null, seq BIGINT not null, topic TEXT not null, payload BYTEA not null, props TEXT not null,
            qos BIGINT not null, retain BIGINT not null, ids TEXT not null, shared TEXT, expires BIGINT, released BIGINT not null, primary key (session, seq));
          create table context_mqtt_received (session BIGINT not null, packet BIGINT not null, primary key (session, packet));
          alter table context_retained add column props TEXT;
          alter table context_retained add column expires BIGINT;",
};

/// Rows of one statement.
const ROWS: usize = 50;
/// Rows read at once.
const PAGE: i64 = 1_000;

/// A message that waits.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) session: i64,
    pub(crate) seq: i64,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) props: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) ids: String,
    /// Filter of the shared subscription that it came by.
    pub(crate) shared: Option<String>,
    /// When it stops to be of use, µs.
    pub(crate) expires: Option<i64>,
    pub(crate) released: bool,
}

/// Stores a session.
pub(crate) async fn open(tx: &mut Tx, id: i64, owner: &str, client: &str, expiry_s: i64) -> Result<()> {
    let sql = "insert into context_mqtt_session (id, owner, client, expiry_s) values (?, ?, ?, ?) on conflict (id) do update set expiry_s = excluded.expiry_s";
    tx.exec(sql, params![id, owner, client, expiry_s]).await.map(|_| ())
}

/// Its client came, or went (`away_at`, µs).
pub(crate) async fn life(tx: &mut Tx, id: i64, expiry_s: i64, away_at: Option<i64>) -> Result<()> {
    tx.exec("update context_mqtt_session set expiry_s = ?, away_at = ? where id = ?", params![expiry_s, away_at, id]).await.map(|_| ())
}

/// Removes a session and all that it kept.
pub(crate) async fn end(tx: &mut Tx, id: i64) -> Result<()> {
    tx.exec("delete from context_mqtt_queue where session = ?", params![id]).await?;
    tx.exec("delete from context_mqtt_filter where session = ?", params![id]).await?;
    tx.exec("delete from context_mqtt_received where session = ?", params![id]).await?;
    tx.exec("delete from context_mqtt_session where id = ?", params![id]).await.map(|_| ())
}

/// Adds or replaces a filter.
pub(crate) async fn put_filter(tx: &mut Tx, session: i64, filter: &str, options: i64, id: Option<u32>) -> Result<()> {
    let sql = "insert into context_mqtt_filter (session, filter, options, number) values (?, ?, ?, ?) \
               on conflict (session, filter) do update set options = excluded.options, number = excluded.number";
    tx.exec(sql, params![session, filter, options, id]).await.map(|_| ())
}

/// Removes a filter.
pub(crate) async fn drop_filter(tx: &mut Tx, session: i64, filter: &str) -> Result<()> {
    tx.exec("delete from context_mqtt_filter where session = ? and filter = ?", params![session, filter]).await.map(|_| ())
}

/// Notes a packet id of QoS 2.
pub(crate) async fn took(tx: &mut Tx, session: i64, packet: u16) -> Result<()> {
    let sql = "insert into context_mqtt_received (session, packet) values (?, ?) on conflict (session, packet) do nothing";
    tx.exec(sql, params![session, u32::from(packet)]).await.map(|_| ())
}

/// Forgets a packet id of QoS 2.
pub(crate) async fn freed(tx: &mut Tx, session: i64, packet: u16) -> Result<()> {
    tx.exec("delete from context_mqtt_received where session = ? and packet = ?", params![session, u32::from(packet)]).await.map(|_| ())
}

/// Keeps waiting messages.
pub(crate) async fn queue(tx: &mut Tx, rows: Vec<Queued>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut params, mut places): (Vec<Param>, Vec<&str>) = (Vec::with_capacity(ROWS * 11), Vec::with_capacity(ROWS));
        for r in rows.by_ref().take(ROWS) {
            places.push("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
            params.extend(params![r.session, r.seq, r.topic, r.payload, r.props, i32::from(r.qos), r.retain, r.ids, r.shared, r.expires, r.released]);
        }
        let sql = format!(
            "insert into context_mqtt_queue (session, seq, topic, payload, props, qos, retain, ids, shared, expires, released) values {} \
             on conflict (session, seq) do nothing",
            places.join(", ")
        );
        tx.exec(&sql, params).await?;
    }
    Ok(())
}

fn pairs(pairs: &[(i64, i64)]) -> (String, Vec<Param>) {
    let places = vec!["(session = ? and seq = ?)"; pairs.len()];
    (places.join(" or "), pairs.iter().flat_map(|(session, seq)| params![*session, *seq]).collect())
}

/// Clients have these messages of QoS 2.
pub(crate) async fn release(tx: &mut Tx, messages: &[(i64, i64)]) -> Result<()> {
    for part in messages.chunks(ROWS) {
        let (places, params) = pairs(part);
        tx.exec(&format!("update context_mqtt_queue set released = 1 where {places}"), params).await?;
    }
    Ok(())
}

/// These messages are done.
pub(crate) async fn done(tx: &mut Tx, messages: &[(i64, i64)]) -> Result<()> {
    for part in messages.chunks(ROWS) {
        let (places, params) = pairs(part);
        tx.exec(&format!("delete from context_mqtt_queue where {places}"), params).await?;
    }
    Ok(())
}

/// Stored sessions after a number, at most 1 000.
pub(crate) async fn sessions(store: &Store, after: i64) -> Result<Vec<Row>> {
    store.rows("select * from context_mqtt_session where id > ? order by id limit ?", params![after, PAGE]).await
}

/// Filters after one, at most 1 000.
pub(crate) async fn filters(store: &Store, session: i64, filter: &str) -> Result<Vec<Row>> {
    let sql = "select * from context_mqtt_filter where session > ? or (session = ? and filter > ?) order by session, filter limit ?";
    store.rows(sql, params![session, session, filter, PAGE]).await
}

/// Waiting messages after one, at most 1 000.
pub(crate) async fn waiting(store: &Store, session: i64, seq: i64) -> Result<Vec<Row>> {
    let sql = "select * from context_mqtt_queue where session > ? or (session = ? and seq > ?) order by session, seq limit ?";
    store.rows(sql, params![session, session, seq, PAGE]).await
}

/// Packet ids of QoS 2 after one, at most 1 000.
pub(crate) async fn received(store: &Store, session: i64, packet: i64) -> Result<Vec<Row>> {
    let sql = "select * from context_mqtt_received where session > ? or (session = ? and packet > ?) order by session, packet limit ?";
    store.rows(sql, params![session, session, packet, PAGE]).await
}
