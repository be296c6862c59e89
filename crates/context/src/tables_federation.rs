//! The SQL of federation: registrations, subscriptions to them, snapshots, and our name among brokers.

use dothi_kernel::Result;
use dothi_store::{Migration, Param, Store, Tx, params};
use serde_json::{Map, Value};

/// Schema.
pub const MIGRATION: Migration = Migration {
    domain: "context",
    version: 7,
    sql: "create table context_source (id TEXT not null primary key, created BIGINT not null, modified BIGINT not null, doc TEXT not null);
          create table context_source_subscription (id TEXT not null primary key, created BIGINT not null, doc TEXT not null);
          create table context_identity (id TEXT not null primary key);
          create table context_snapshot (id TEXT not null primary key, expires BIGINT not null, doc TEXT not null);
          create table context_snapshot_entity (snapshot TEXT not null, id TEXT not null, doc TEXT not null, primary key (snapshot, id));",
};

/// Schema of what proves that a source was told where to notify us.
pub const RELAY: Migration = Migration { domain: "context", version: 12, sql: "create table context_relay (secret TEXT not null primary key);" };

/// Inserts or replaces a registration.
pub async fn save_source(tx: &mut Tx, id: &str, created: i64, modified: i64, doc: &Map<String, Value>) -> Result<()> {
    let sql = "insert into context_source (id, created, modified, doc) values (?, ?, ?, ?) \
               on conflict (id) do update set modified = excluded.modified, doc = excluded.doc";
    tx.exec(sql, params![id, created, modified, Param::json(doc)?]).await.map(|_| ())
}

/// Deletes a registration.
pub async fn delete_source(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_source where id = ?", params![id]).await
}

/// A registration as it is stored: id, created, modified, document.
pub type SourceRow = (String, i64, i64, Map<String, Value>);

/// Registrations.
pub async fn sources(store: &Store) -> Result<Vec<SourceRow>> {
    let rows = store.rows("select id, created, modified, doc from context_source order by id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.int("created")?, r.int("modified")?, r.json("doc")?))).collect()
}

/// Inserts or replaces a subscription to registrations.
pub async fn save_listener(tx: &mut Tx, id: &str, doc: &Value) -> Result<()> {
    let now = tx.now();
    let sql = "insert into context_source_subscription (id, created, doc) values (?, ?, ?) on conflict (id) do update set doc = excluded.doc";
    tx.exec(sql, params![id, now, Param::json(doc)?]).await.map(|_| ())
}

/// Deletes a subscription to registrations.
pub async fn delete_listener(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_source_subscription where id = ?", params![id]).await
}

/// Subscriptions to registrations.
pub async fn listeners(store: &Store) -> Result<Vec<(String, Value)>> {
    let rows = store.rows("select id, doc from context_source_subscription order by id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.json("doc")?))).collect()
}

/// Our name among brokers, when one was given.
pub async fn identity(store: &Store) -> Result<Option<String>> {
    store.row("select id from context_identity order by id limit 1", params![]).await?.map(|r| r.text("id")).transpose()
}

/// Keeps our name.
pub async fn set_identity(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec("insert into context_identity (id) values (?)", params![id]).await.map(|_| ())
}

/// The secret of notifications from sources, when there is one.
pub async fn relay_secret(store: &Store) -> Result<Option<String>> {
    store.row("select secret from context_relay order by secret limit 1", params![]).await?.map(|r| r.text("secret")).transpose()
}

/// Keeps the secret of notifications from sources.
pub async fn set_relay_secret(tx: &mut Tx, secret: &str) -> Result<()> {
    tx.exec("insert into context_relay (secret) values (?)", params![secret]).await.map(|_| ())
}

/// Inserts or replaces a snapshot's description.
pub async fn save_snapshot(tx: &mut Tx, id: &str, expires: i64, doc: &Value) -> Result<()> {
    let sql = "insert into context_snapshot (id, expires, doc) values (?, ?, ?) \
               on conflict (id) do update set expires = excluded.expires, doc = excluded.doc";
    tx.exec(sql, params![id, expires, Param::json(doc)?]).await.map(|_| ())
}

/// Adds entities to a snapshot.
pub async fn add_to_snapshot(tx: &mut Tx, snapshot: &str, entities: &[(String, String)]) -> Result<()> {
    for part in entities.chunks(100) {
        let places = dothi_store::places(part.len(), 3);
        let sql = format!("insert into context_snapshot_entity (snapshot, id, doc) values {places}");
        tx.exec(&sql, part.iter().flat_map(|(id, doc)| params![snapshot, id, doc]).collect()).await?;
    }
    Ok(())
}

/// Deletes a snapshot with its entities.
pub async fn delete_snapshot(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_snapshot_entity where snapshot = ?", params![id]).await?;
    tx.exec("delete from context_snapshot where id = ?", params![id]).await
}

/// Snapshots.
pub async fn snapshots(store: &Store) -> Result<Vec<(String, Value)>> {
    let rows = store.rows("select id, doc from context_snapshot order by id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.json("doc")?))).collect()
}

/// The entities of a snapshot after an id: id and document.
pub async fn snapshot_entities(store: &Store, snapshot: &str, after: &str) -> Result<Vec<(String, crate::model::Entity)>> {
    let sql = "select id, doc from context_snapshot_entity where snapshot = ? and id > ? order by id limit 2000";
    store.rows(sql, params![snapshot, after]).await?.iter().map(|r| Ok((r.text("id")?, r.json("doc")?))).collect()
}
