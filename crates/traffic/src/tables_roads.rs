//! SQL of roads: the sets in force and closures by hand.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Store, Tx, params};
use uuid::Uuid;

use crate::roads::model::{Closure, SetView, Slot};

/// Sets of roads (their bytes are a blob), and closures.
pub(crate) const ROADS: Migration = Migration {
    domain: "traffic",
    version: 10,
    sql: "create table traffic_road_set (slot TEXT not null primary key, id TEXT not null, sha256 TEXT not null, doc TEXT not null);
create table traffic_road_closure (id TEXT not null primary key, until_at BIGINT not null, doc TEXT not null);
create index traffic_road_closure_until on traffic_road_closure (until_at);",
};

/// The sets in force.
pub(crate) async fn sets(store: &Store) -> Result<Vec<SetView>> {
    let rows = store.rows("select doc from traffic_road_set order by slot", params![]).await?;
    rows.iter().map(|r| r.json("doc")).collect()
}

/// Puts a set in the place of the one before; gives the checksum of the bytes that nobody names any more.
pub(crate) async fn replace(tx: &mut Tx, set: &SetView) -> Result<Option<String>> {
    let before = forget(tx, set.slot).await?;
    tx.exec("insert into traffic_road_set (slot, id, sha256, doc) values (?, ?, ?, ?)", params![set.slot.word(), set.id, &set.sha256, Param::json(set)?])
        .await?;
    Ok(before.filter(|b| *b != set.sha256))
}

/// Takes a set away; gives the checksum of its bytes when nobody else names them.
pub(crate) async fn forget(tx: &mut Tx, slot: Slot) -> Result<Option<String>> {
    let Some(row) = tx.row("select sha256 from traffic_road_set where slot = ?", params![slot.word()]).await? else { return Ok(None) };
    let sha256 = row.text("sha256")?;
    tx.exec("delete from traffic_road_set where slot = ?", params![slot.word()]).await?;
    let other = tx.row("select slot from traffic_road_set where sha256 = ?", params![&sha256]).await?;
    Ok(other.is_none().then_some(sha256))
}

/// Closures that are not over, in the order of their ids, at most so many.
pub(crate) async fn closures(store: &Store, at: Timestamp, after: &str, limit: usize) -> Result<Vec<Closure>> {
    let rows = store.rows("select doc from traffic_road_closure where until_at > ? and id > ? order by id limit ?", params![at, after, limit]).await?;
    rows.iter().map(|r| r.json("doc")).collect()
}

/// How many are not over.
pub(crate) async fn closure_count(tx: &mut Tx, at: Timestamp) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from traffic_road_closure where until_at > ?", params![at]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Enters a closure.
pub(crate) async fn put_closure(tx: &mut Tx, closure: &Closure) -> Result<()> {
    let until = closure.to.map_or(i64::MAX, |t| t.as_microsecond());
    tx.exec("insert into traffic_road_closure (id, until_at, doc) values (?, ?, ?)", params![closure.id, until, Param::json(closure)?]).await.map(|_| ())
}

/// Ends a closure; whether there was one.
pub(crate) async fn open(tx: &mut Tx, id: Uuid) -> Result<bool> {
    Ok(tx.exec("delete from traffic_road_closure where id = ?", params![id]).await? > 0)
}
