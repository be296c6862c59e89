//! The only SQL of subscriptions, of what waits for their receivers, and of contexts.

use std::sync::Arc;

use dothi_kernel::Result;
use dothi_store::{Migration, Param, Store, Tx, marks, params, places};

use crate::subs::{Notice, Waiting};

/// Kinds of contexts, the delivery of subscriptions apart from what they say, and what was given up.
pub const MIGRATION: Migration = Migration {
    domain: "context",
    version: 5,
    sql: "alter table context_hosted add column kind TEXT not null default 'Hosted';
          create table context_delivery (subscription TEXT not null primary key, doc TEXT not null);
          create table context_dead_letter (seq BIGINT not null primary key, subscription TEXT not null, at BIGINT not null, failed BIGINT not null, reason TEXT not null, body TEXT not null);
          create index context_dead_letter_subscription on context_dead_letter (subscription, seq);",
};

/// Rows of one statement.
const ROWS: usize = 200;

/// Keeps a context, in place of what was there.
pub async fn save_context(tx: &mut Tx, id: &str, kind: &str, doc: &serde_json::Value) -> Result<()> {
    let now = tx.now();
    let sql = "insert into context_hosted (id, at, kind, doc) values (?, ?, ?, ?) on conflict (id) do update set at = excluded.at, kind = excluded.kind, doc = excluded.doc";
    tx.exec(sql, params![id, now, kind, Param::json(doc)?]).await.map(|_| ())
}

/// Deletes a context.
pub async fn delete_context(tx: &mut Tx, id: &str) -> Result<u64> {
    tx.exec("delete from context_hosted where id = ?", params![id]).await
}

/// All kept contexts: id, time, kind, document.
pub async fn load_contexts(store: &Store) -> Result<Vec<(String, i64, String, serde_json::Value)>> {
    let rows = store.rows("select id, at, kind, doc from context_hosted order by at, id", params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.int("at")?, r.text("kind")?, r.json("doc")?))).collect()
}

/// Inserts or replaces a subscription.
pub async fn save_subscription(tx: &mut Tx, id: &str, doc: &serde_json::Value) -> Result<()> {
    let now = tx.now();
    let sql = "insert into context_subscription (id, at, doc, status) values (?, ?, ?, '{}') on conflict (id) do update set doc = excluded.doc";
    tx.exec(sql, params![id, now, Param::json(doc)?]).await.map(|_| ())
}

/// Writes how the deliveries of subscriptions go.
pub async fn save_deliveries(tx: &mut Tx, all: &[(Arc<str>, impl serde::Serialize)]) -> Result<()> {
    for some in all.chunks(ROWS) {
        let sql = format!(
            "insert into context_delivery (subscription, doc) values {} on conflict (subscription) do update set doc = excluded.doc",
            places(some.len(), 2)
        );
        let mut values = Vec::with_capacity(some.len() * 2);
        for (id, status) in some {
            values.extend(params![&**id, Param::json(status)?]);
        }
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// Deletes a subscription with what waits for it and what was given up.
pub async fn delete_subscription(tx: &mut Tx, id: &str) -> Result<u64> {
    for sql in [
        "delete from context_notice where subscription = ?",
        "delete from context_dead_letter where subscription = ?",
        "delete from context_delivery where subscription = ?",
    ] {
        tx.exec(sql, params![id]).await?;
    }
    tx.exec("delete from context_subscription where id = ?", params![id]).await
}

/// Subscriptions: id, creation, document, delivery.
pub async fn load_subscriptions<S: serde::de::DeserializeOwned>(store: &Store) -> Result<Vec<(String, i64, serde_json::Value, S)>> {
    let sql = "select s.id as id, s.at as at, s.doc as doc, coalesce(d.doc, s.status) as status \
               from context_subscription s left join context_delivery d on d.subscription = s.id order by s.id";
    let rows = store.rows(sql, params![]).await?;
    rows.iter().map(|r| Ok((r.text("id")?, r.int("at")?, r.json("doc")?, r.json("status")?))).collect()
}

/// Queues notifications.
pub async fn put_notices(tx: &mut Tx, notices: &[Notice]) -> Result<()> {
    for some in notices.chunks(ROWS) {
        let sql = format!("insert into context_notice (seq, subscription, at, body) values {}", places(some.len(), 4));
        let values = some.iter().flat_map(|n| params![n.waiting.seq, &*n.subscription, n.waiting.at, &*n.waiting.body]).collect();
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// The oldest notifications of a subscription after a position.
pub async fn notices(store: &Store, subscription: &str, after: i64, limit: usize) -> Result<Vec<Waiting>> {
    let sql = "select seq, at, body from context_notice where subscription = ? and seq > ? order by seq limit ?";
    let rows = store.rows(sql, params![subscription, after, limit]).await?;
    rows.iter().map(|r| Ok(Waiting { seq: r.int("seq")?, at: r.int("at")?, body: r.text("body")?.into() })).collect()
}

/// How many notifications wait for each subscription, and the last position of all.
pub async fn notice_counts(store: &Store) -> Result<(std::collections::HashMap<String, i64>, i64)> {
    let mut last = 0;
    for sql in ["select coalesce(max(seq), 0) as seq from context_notice", "select coalesce(max(seq), 0) as seq from context_dead_letter"] {
        last = last.max(store.row(sql, params![]).await?.map_or(Ok(0), |r| r.int("seq"))?);
    }
    let rows = store.rows("select subscription, count(*) as n from context_notice group by subscription", params![]).await?;
    Ok((rows.iter().map(|r| Ok((r.text("subscription")?, r.int("n")?))).collect::<Result<_>>()?, last))
}

/// Removes notifications.
pub async fn drop_notices(tx: &mut Tx, seqs: &[i64]) -> Result<()> {
    for some in seqs.chunks(ROWS) {
        let sql = format!("delete from context_notice where seq in ({})", marks(some.len()));
        tx.exec(&sql, some.iter().map(|s| Param::from(*s)).collect()).await?;
    }
    Ok(())
}

/// A notification that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its place in the queue.
    pub waiting: Waiting,
    /// When it was given up, µs.
    pub failed: i64,
    /// Why.
    pub reason: String,
}

/// Keeps a notification that was given up; of a subscription's the newest `keep` stay.
pub async fn bury(tx: &mut Tx, subscription: &str, letters: &[DeadLetter], keep: usize) -> Result<()> {
    for some in letters.chunks(ROWS) {
        let sql = format!(
            "insert into context_dead_letter (seq, subscription, at, failed, reason, body) values {} on conflict (seq) do nothing",
            places(some.len(), 6)
        );
        let values = some.iter().flat_map(|l| params![l.waiting.seq, subscription, l.waiting.at, l.failed, &l.reason, &*l.waiting.body]).collect();
        tx.exec(&sql, values).await?;
    }
    let sql = "delete from context_dead_letter where subscription = ? and seq <= coalesce((select seq from context_dead_letter where subscription = ? order by seq desc limit 1 offset ?), -1)";
    tx.exec(sql, params![subscription, subscription, keep]).await.map(|_| ())
}

/// Notifications of a subscription that were given up, after a position.
pub async fn dead_letters(store: &Store, subscription: &str, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
    let sql = "select seq, at, failed, reason, body from context_dead_letter where subscription = ? and seq > ? order by seq limit ?";
    let rows = store.rows(sql, params![subscription, after, limit]).await?;
    rows.iter()
        .map(|r| {
            let waiting = Waiting { seq: r.int("seq")?, at: r.int("at")?, body: r.text("body")?.into() };
            Ok(DeadLetter { waiting, failed: r.int("failed")?, reason: r.text("reason")? })
        })
        .collect()
}

/// Forgets notifications that were given up.
pub async fn unbury(tx: &mut Tx, seqs: &[i64]) -> Result<()> {
    for some in seqs.chunks(ROWS) {
        let sql = format!("delete from context_dead_letter where seq in ({})", marks(some.len()));
        tx.exec(&sql, some.iter().map(|s| Param::from(*s)).collect()).await?;
    }
    Ok(())
}
