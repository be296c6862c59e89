//! The SQL of SensorThings: numbers given away, and what observations have beyond time and value.

use dothi_kernel::Result;
use dothi_store::{Param, Row, Store, Tx, params};

use crate::sta::{Extra, MARKS};

/// Schema.
pub(crate) const SCHEMA: &str = "create table context_sta_sequence (kind TEXT not null primary key, ceiling BIGINT not null);
    create table context_sta_extra (stream TEXT not null, t BIGINT not null, feature TEXT, doc TEXT not null, primary key (stream, t));
    create index context_sta_extra_feature on context_sta_extra (feature, stream, t);";

/// Numbers up to which each kind may have given some away.
pub(crate) async fn ceilings(store: &Store) -> Result<Vec<(String, i64)>> {
    let rows = store.rows("select kind, ceiling from context_sta_sequence", params![]).await?;
    rows.iter().map(|r| Ok((r.text("kind")?, r.int("ceiling")?))).collect()
}

/// Keeps such a number.
pub(crate) async fn put_ceiling(tx: &mut Tx, kind: &str, ceiling: i64) -> Result<()> {
    let sql = "insert into context_sta_sequence (kind, ceiling) values (?, ?) on conflict (kind) do update set ceiling = excluded.ceiling";
    tx.exec(sql, params![kind, ceiling]).await.map(|_| ())
}

/// Streams of which something is kept of single observations.
pub(crate) async fn streams(store: &Store) -> Result<Vec<String>> {
    let rows = store.rows("select distinct stream from context_sta_extra where t >= ?", params![MARKS]).await?;
    rows.iter().map(|r| r.text("stream")).collect()
}

/// The marks of streams: what is true of all their observations.
pub(crate) async fn marks(store: &Store) -> Result<Vec<(String, i64)>> {
    let rows = store.rows("select stream, t from context_sta_extra where t < ?", params![MARKS]).await?;
    rows.iter().map(|r| Ok((r.text("stream")?, r.int("t")?))).collect()
}

/// What is kept of a stretch of a stream, both ends inclusive.
pub(crate) async fn extras(store: &Store, stream: &str, from: i64, to: i64) -> Result<Vec<(i64, Extra)>> {
    let from = from.max(MARKS);
    let rows = store.rows("select t, doc from context_sta_extra where stream = ? and t between ? and ? order by t", params![stream, from, to]).await?;
    rows.iter().map(|r: &Row| Ok((r.int("t")?, r.json("doc")?))).collect()
}

/// Keeps what observations of streams have.
pub(crate) async fn put_extras(tx: &mut Tx, rows: &[(String, i64, Extra)]) -> Result<()> {
    for rows in rows.chunks(100) {
        let places = dothi_store::places(rows.len(), 4);
        let sql = format!(
            "insert into context_sta_extra (stream, t, feature, doc) values {places} on conflict (stream, t) do update set feature = excluded.feature, doc = excluded.doc"
        );
        let mut values: Vec<Param> = Vec::with_capacity(rows.len() * 4);
        for (stream, t, extra) in rows {
            values.extend(params![stream, *t, extra.feature.clone(), Param::json(extra)?]);
        }
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// Forgets what was kept of some observations of a stream.
pub(crate) async fn drop_extras(tx: &mut Tx, stream: &str, times: &[i64]) -> Result<()> {
    for times in times.chunks(100) {
        let sql = format!("delete from context_sta_extra where stream = ? and t in ({})", dothi_store::marks(times.len()));
        let values = std::iter::once(Param::from(stream)).chain(times.iter().map(|t| Param::from(*t))).collect();
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// Forgets a stream.
pub(crate) async fn drop_stream(tx: &mut Tx, stream: &str) -> Result<()> {
    tx.exec("delete from context_sta_extra where stream = ?", params![stream]).await.map(|_| ())
}

/// Streams with observations of a feature of interest that was named with them.
pub(crate) async fn streams_of(store: &Store, feature: &str, most: usize) -> Result<Vec<String>> {
    let sql = "select distinct stream from context_sta_extra where feature = ? order by stream limit ?";
    let rows = store.rows(sql, params![feature, most]).await?;
    rows.iter().map(|r| r.text("stream")).collect()
}
