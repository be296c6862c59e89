//! The only SQL of entities, messages and packs. (Subscriptions and devices have their own.)

use std::collections::VecDeque;
use std::sync::Arc;

use dothi_kernel::{Error, Result};
use dothi_store::{Migration, Param, Row, Store, Tx, marks, params, places};

use crate::model::{Entity, Names};
use crate::stored::{self, Reader, Spelled, Writer};

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
    crate::tables_temporal::MIGRATION,
    crate::tables_journal::MIGRATION,
    crate::tables_tenants::MIGRATION,
    crate::tables_subs::MIGRATION,
    crate::tables_federation::MIGRATION,
    Migration { domain: "context", version: 8, sql: crate::tables_sta::SCHEMA },
    crate::tables_mqtt::MIGRATION,
    crate::tables_devices::MIGRATION,
    crate::tables_federation::RELAY,
    crate::tables_temporal::RECENT,
    crate::tables_temporal::OBSERVED,
    // Instead of `doc`, which holds JSON of old.
    Migration { domain: "context", version: 15, sql: "alter table context_entity add column body BYTEA" },
];

/// Pages that are parsed at once.
const PARSING: usize = 3;
/// Rows of one statement.
const ROWS: usize = 100;

/// An entity and the columns beside it, made before the transaction begins.
pub struct EntityRow {
    id: String,
    kind: String,
    version: i64,
    modified: i64,
    body: Vec<u8>,
}

impl EntityRow {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes the entity.
    pub fn of(entity: &Entity) -> Result<Self> {
        let mut out = Writer::after(vec![stored::FORMAT]);
        out.entity(entity)?;
        let kind = entity.types.first().map(|t| t.to_string()).unwrap_or_default();
        Ok(Self { id: entity.id.to_string(), kind, version: i64::try_from(entity.version).unwrap_or(i64::MAX), modified: entity.modified, body: out.bytes })
    }
}

/// Inserts or replaces entities.
pub async fn save(tx: &mut Tx, rows: Vec<EntityRow>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut params: Vec<Param> = Vec::with_capacity(ROWS * 6);
        let mut n = 0;
        for row in rows.by_ref().take(ROWS) {
            n += 1;
            params.extend(params![row.id, row.kind, row.version, row.modified, "", row.body]);
        }
        let sql = format!(
            "insert into context_entity (id, type, version, modified, doc, body) values {} on conflict (id) do update set \
             type = excluded.type, version = excluded.version, modified = excluded.modified, doc = excluded.doc, body = excluded.body",
            places(n, 6)
        );
        tx.exec(&sql, params).await?;
    }
    Ok(())
}

/// Deletes entities.
pub async fn delete(tx: &mut Tx, ids: &[&str]) -> Result<()> {
    for ids in ids.chunks(ROWS) {
        let sql = format!("delete from context_entity where id in ({})", marks(ids.len()));
        tx.exec(&sql, ids.iter().map(|i| Param::from(*i)).collect()).await?;
    }
    Ok(())
}

/// Whether an entity of the table is known already, by id.
pub type Known = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Reads all entities that are not known, page by page; while one page is read, those before it are parsed beside.
pub async fn load(store: &Store, names: &Arc<Names>, known: Known) -> Result<Vec<Arc<Entity>>> {
    let (mut all, mut after, mut parsing) = (Vec::new(), String::new(), VecDeque::new());
    loop {
        let rows = store.rows("select id, version, doc, body from context_entity where id > ? order by id limit 4000", params![&after]).await?;
        let last = rows.last().map(|r| r.text("id")).transpose()?;
        if last.is_some() {
            let (names, known) = (names.clone(), known.clone());
            parsing.push_back(tokio::task::spawn_blocking(move || {
                let mut spelled = Spelled::default();
                rows.iter().filter_map(|row| entity(row, &mut spelled, &names, &known).transpose()).collect::<Result<Vec<_>>>()
            }));
        }
        while parsing.len() > if last.is_some() { PARSING } else { 0 } {
            let Some(page) = parsing.pop_front() else { break };
            all.extend(page.await.map_err(|e| Error::internal("reading entities", e))??);
        }
        match last {
            Some(last) => after = last,
            None => return Ok(all),
        }
    }
}

fn entity(row: &Row, spelled: &mut Spelled, names: &Names, known: &Known) -> Result<Option<Arc<Entity>>> {
    let id = row.text("id")?;
    if known(&id) {
        return Ok(None);
    }
    let (id, version) = (id.into(), u64::try_from(row.int("version")?).unwrap_or(0));
    let entity = match row.opt_bytes("body")?.as_deref().map(<[u8]>::split_first) {
        Some(Some((&stored::FORMAT, body))) => Reader::new(body, spelled, names).entity(id, version)?,
        Some(_) => return Err(Error::internal("reading entities", "one has an unknown format; it was written by a newer version of the program")),
        None => {
            let mut entity: Entity = row.json("doc")?;
            (entity.id, entity.version) = (id, version);
            entity.intern(names);
            entity
        }
    };
    Ok(Some(Arc::new(entity)))
}

/// Which of these message ids were taken before.
pub async fn seen_messages(store: &Store, ids: &[&str]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for ids in ids.chunks(ROWS) {
        let sql = format!("select id from context_message where id in ({})", marks(ids.len()));
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
        let sql = format!("insert into context_message (id, at) values {} on conflict (id) do nothing", places(ids.len(), 2));
        tx.put(&sql, ids.iter().flat_map(|i| params![i, now]).collect()).await?;
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
