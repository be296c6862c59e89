//! The only SQL of entities and subscriptions. (Devices keep their own beside their registry.)

use std::collections::VecDeque;
use std::sync::Arc;

use dothi_kernel::{Error, Result};
use dothi_store::{Migration, Param, Row, Store, Tx, params};

use crate::model::{Entity, Names};

/// Schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        domain: "context",
        version: 1,
        sql: "create table context_entity (id TEXT not null primary key, type TEXT not null, version BIGINT not null, modified BIGINT not null, doc TEXT not null);
              create table context_message (id TEXT not null primary key, at BIGINT not null);
              create index context_message_at on context_message (at);
              create table context_pack (pack TEXT not null primary key, doc TEXT not null);
              create table context_hosted (id TEXT not null primary key, at BIGINT not null, doc TEXT not null);
              create table context_subscription (id TEXT not null primary key, at BIGINT not null, doc TEXT not null, status TEXT not null);
              create table context_notice (seq BIGINT not null primary key, subscription TEXT not null, at BIGINT not null, body TEXT not null);
              create index context_notice_subscription on context_notice (subscription, seq);",
    },
    Migration { domain: "context", version: 2, sql: crate::devices::SCHEMA },
    crate::tables_journal::MIGRATION,
    crate::tables_tenants::MIGRATION,
    crate::tables_federation::MIGRATION,
    Migration { domain: "context", version: 8, sql: crate::tables_sta::SCHEMA },
];

/// Pages that are parsed at once.
const PARSING: usize = 3;
/// Rows of one statement.
const ROWS: usize = 100;

fn places(columns: &str, rows: usize) -> String {
    let mut sql = String::with_capacity((columns.len() + 2) * rows);
    for i in 0..rows {
        if i > 0 {
            sql.push_str(", ");
        }
        sql.push_str(columns);
    }
    sql
}

/// A document and the columns beside it, made before the transaction begins.
pub struct EntityRow {
    id: String,
    kind: String,
    version: i64,
    modified: i64,
    doc: String,
}

impl EntityRow {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes the document.
    pub fn of(entity: &Entity) -> Result<Self> {
        let doc = serde_json::to_string(entity).map_err(|e| Error::internal("writing an entity", e))?;
        let kind = entity.types.first().map(|t| t.to_string()).unwrap_or_default();
        Ok(Self { id: entity.id.to_string(), kind, version: i64::try_from(entity.version).unwrap_or(i64::MAX), modified: entity.modified, doc })
    }
}

/// Inserts or replaces entities.
pub async fn save(tx: &mut Tx, rows: Vec<EntityRow>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut params: Vec<Param> = Vec::with_capacity(ROWS * 5);
        let mut n = 0;
        for row in rows.by_ref().take(ROWS) {
            n += 1;
            params.extend(params![row.id, row.kind, row.version, row.modified, row.doc]);
        }
        let sql = format!(
            "insert into context_entity (id, type, version, modified, doc) values {} on conflict (id) do update set \
             type = excluded.type, version = excluded.version, modified = excluded.modified, doc = excluded.doc",
            places("(?, ?, ?, ?, ?)", n)
        );
        tx.exec(&sql, params).await?;
    }
    Ok(())
}

/// Deletes entities.
pub async fn delete(tx: &mut Tx, ids: &[&str]) -> Result<()> {
    for ids in ids.chunks(ROWS) {
        let sql = format!("delete from context_entity where id in ({})", places("?", ids.len()));
        tx.exec(&sql, ids.iter().map(|i| Param::from(*i)).collect()).await?;
    }
    Ok(())
}

/// Reads all entities, page by page; while one page is read, those before it are parsed beside.
pub async fn load(store: &Store, names: &Names) -> Result<Vec<Arc<Entity>>> {
    let (mut all, mut after, mut parsing) = (Vec::new(), String::new(), VecDeque::new());
    loop {
        let rows = store.rows("select id, version, doc from context_entity where id > ? order by id limit 4000", params![&after]).await?;
        let last = rows.last().map(|r| r.text("id")).transpose()?;
        if last.is_some() {
            parsing.push_back(tokio::task::spawn_blocking(move || rows.iter().map(entity).collect::<Result<Vec<_>>>()));
        }
        while parsing.len() > if last.is_some() { PARSING } else { 0 } {
            let Some(page) = parsing.pop_front() else { break };
            for mut entity in page.await.map_err(|e| Error::internal("reading entities", e))?? {
                entity.intern(names);
                all.push(Arc::new(entity));
            }
        }
        match last {
            Some(last) => after = last,
            None => return Ok(all),
        }
    }
}

fn entity(row: &Row) -> Result<Entity> {
    let mut entity: Entity = row.json("doc")?;
    entity.id = row.text("id")?.into();
    entity.version = u64::try_from(row.int("version")?).unwrap_or(0);
    Ok(entity)
}

/// Which of these message ids were taken before.
pub async fn seen_messages(store: &Store, ids: &[&str]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for ids in ids.chunks(ROWS) {
        let sql = format!("select id from context_message where id in ({})", places("?", ids.len()));
        for row in store.rows(&sql, ids.iter().map(|i| Param::from(*i)).collect()).await? {
            seen.push(row.text("id")?);
        }
    }
    Ok(seen)
}

/// Remembers message ids.
pub async fn remember_messages(tx: &mut Tx, ids: &[String]) -> Result<()> {
    let now = tx.now();
    for ids in ids.chunks(ROWS) {
        let sql = format!("insert into context_message (id, at) values {} on conflict (id) do nothing", places("(?, ?)", ids.len()));
        tx.exec(&sql, ids.iter().flat_map(|i| params![i, now]).collect()).await?;
    }
    Ok(())
}

/// Forgets message ids older than an instant.
pub async fn forget_messages(tx: &mut Tx, before: i64) -> Result<u64> {
    tx.exec("delete from context_message where at < ?", params![before]).await
}

/// Keeps what a pack declares.
pub async fn save_pack(tx: &mut Tx, pack: &str, doc: &crate::pack::ContextPack) -> Result<()> {
    let sql = "insert into context_pack (pack, doc) values (?, ?) on conflict (pack) do update set doc = excluded.doc";
    tx.exec(sql, params![pack, Param::json(doc)?]).await.map(|_| ())
}

/// What the installed packs declare.
pub async fn load_packs(store: &Store) -> Result<Vec<(String, crate::pack::ContextPack)>> {
    let rows = store.rows("select pack, doc from context_pack order by pack", params![]).await?;
    rows.iter().map(|r| Ok((r.text("pack")?, r.json("doc")?))).collect()
}

/// Keeps a hosted context.
pub async fn save_hosted(tx: &mut Tx, id: &str, doc: &serde_json::Value) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into context_hosted (id, at, doc) values (?, ?, ?)", params![id, now, Param::json(doc)?]).await.map(|_| ())
}

/// Deletes a hosted context.
pub async fn delete_hosted(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_hosted where id = ?", params![id]).await
}

/// Hosted contexts: id, time, document.
pub async fn load_hosted(store: &Store) -> Result<Vec<(String, i64, serde_json::Value)>> {
    let rows = store.rows("select id, at, doc from context_hosted order by at, id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.int("at")?, r.json("doc")?))).collect()
}

/// Inserts or replaces a subscription.
pub async fn save_subscription(tx: &mut Tx, id: &str, doc: &serde_json::Value, status: &impl serde::Serialize) -> Result<()> {
    let now = tx.now();
    let sql = "insert into context_subscription (id, at, doc, status) values (?, ?, ?, ?) on conflict (id) do update set doc = excluded.doc, status = excluded.status";
    tx.exec(sql, params![id, now, Param::json(doc)?, Param::json(status)?]).await.map(|_| ())
}

/// Writes how a subscription is doing.
pub async fn save_status(tx: &mut Tx, id: &str, status: &impl serde::Serialize) -> Result<()> {
    tx.exec("update context_subscription set status = ? where id = ?", params![Param::json(status)?, id]).await.map(|_| ())
}

/// Deletes a subscription with what waits for it.
pub async fn delete_subscription(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_notice where subscription = ?", params![id]).await?;
    tx.exec("delete from context_subscription where id = ?", params![id]).await
}

/// Subscriptions: id, creation, document, status.
pub async fn load_subscriptions<S: serde::de::DeserializeOwned>(store: &Store) -> Result<Vec<(String, i64, serde_json::Value, S)>> {
    let rows = store.rows("select id, at, doc, status from context_subscription order by id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.int("at")?, r.json("doc")?, r.json("status")?))).collect()
}

/// A notification that waits to be sent.
#[derive(Debug, Clone)]
pub struct NoticeRow {
    /// Position in the queue.
    pub seq: i64,
    /// When it was caused, µs.
    pub at: i64,
    /// What to send.
    pub body: serde_json::Value,
}

/// Queues a notification.
pub async fn put_notice(tx: &mut Tx, seq: i64, subscription: &str, body: &serde_json::Value) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into context_notice (seq, subscription, at, body) values (?, ?, ?, ?)", params![seq, subscription, now, Param::json(body)?])
        .await
        .map(|_| ())
}

/// The oldest notifications of a subscription.
pub async fn notices(store: &Store, subscription: &str, limit: usize) -> Result<Vec<NoticeRow>> {
    let rows = store.rows("select seq, at, body from context_notice where subscription = ? order by seq limit ?", params![subscription, limit]).await?;
    rows.iter().map(|r| Ok(NoticeRow { seq: r.int("seq")?, at: r.int("at")?, body: r.json("body")? })).collect()
}

/// How many notifications wait for each subscription, and the last position of all.
pub async fn notice_counts(store: &Store) -> Result<(Vec<(String, i64)>, i64)> {
    let last = store.row("select coalesce(max(seq), 0) as seq from context_notice", params![]).await?.map_or(Ok(0), |r| r.int("seq"))?;
    let rows = store.rows("select subscription, count(*) as n from context_notice group by subscription", params![]).await?;
    Ok((rows.iter().map(|r| Ok((r.text("subscription")?, r.int("n")?))).collect::<Result<_>>()?, last))
}

/// Removes notifications up to a position.
pub async fn drop_notices(tx: &mut Tx, subscription: &str, up_to: i64) -> Result<u64> {
    tx.exec("delete from context_notice where subscription = ? and seq <= ?", params![subscription, up_to]).await
}
