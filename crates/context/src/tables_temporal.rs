//! The only SQL of temporal evolutions.

use dothi_kernel::{Error, Result};
use dothi_store::{Migration, Param, Row as Found, Store, Tx, params};

use crate::model::Iri;
use crate::temporal::read::{Instance, Span, TimeProperty};
use crate::temporal::recent;
use crate::temporal::{Basis, Header, Key, Row, Which, Write};

/// Schema.
pub const MIGRATION: Migration = Migration {
    domain: "context",
    version: 6,
    sql: "create table context_instance (entity TEXT not null, attr TEXT not null, dataset TEXT not null, basis BIGINT not null, t BIGINT not null,
              kind TEXT not null, observed BIGINT, created BIGINT not null, modified BIGINT not null, deleted BIGINT, doc TEXT,
              primary key (entity, attr, dataset, basis, t));
          create index context_instance_observed on context_instance (entity, attr, observed);
          create index context_instance_kind on context_instance (kind, modified);
          create table context_evolution (entity TEXT not null primary key, types TEXT not null, attrs TEXT not null, created BIGINT not null,
              modified BIGINT not null, deleted BIGINT, imported BIGINT not null);",
};

/// States that were superseded a moment ago, a row a commit. Three indexes would cost each commit more than the commit itself,
/// so they go into `context_instance` together, at the latest when somebody asks.
pub const RECENT: Migration =
    Migration { domain: "context", version: 13, sql: "create table context_recent (seq BIGINT not null primary key, doc BYTEA not null)" };

/// Most states say nothing of when they were observed: an index of times of observation without them spares each of
/// them a page of its own.
pub const OBSERVED: Migration = Migration {
    domain: "context",
    version: 14,
    sql: "drop index context_instance_observed;
          create index context_instance_observed on context_instance (entity, attr, observed) where observed is not null",
};

/// Rows of one statement.
const ROWS: usize = 100;
/// Commits that one step of [`settle`] looks at, and states after which it ends.
const STEP: (usize, usize) = (128, 2_000);
const COLUMNS: &str = "dataset, basis, t, created, modified, deleted, doc";

fn dataset(dataset: Option<&Iri>) -> &str {
    dataset.map_or("", |d| d)
}

/// Keeps superseded states of one commit, packed, until they are settled.
pub async fn put_recent(tx: &mut Tx, seq: i64, doc: Vec<u8>) -> Result<()> {
    tx.put("insert into context_recent (seq, doc) values (?, ?)", params![seq, doc]).await
}

/// Position of the newest commit with recent states.
pub async fn last_recent(store: &Store) -> Result<Option<i64>> {
    let row = store.row("select max(seq) as seq from context_recent", params![]).await?;
    row.map_or(Ok(None), |r| r.opt_int("seq"))
}

/// The oldest recent states of commits up to `last`, about `most` of them, in the order of their places, and the position
/// of the last commit among them; none when no more are there.
pub async fn recent(store: &Store, last: i64, most: usize) -> Result<Option<(Vec<Row>, i64)>> {
    let (mut rows, mut upto) = (Vec::new(), None);
    while rows.len() < most {
        let sql = "select seq, doc from context_recent where seq > ? and seq <= ? order by seq limit ?";
        let found = store.rows(sql, params![upto.unwrap_or(i64::MIN), last, STEP.0]).await?;
        for row in &found {
            rows.extend(recent::unpack(&row.bytes("doc")?)?);
            upto = Some(row.int("seq")?);
            if rows.len() >= most {
                break;
            }
        }
        if found.len() < STEP.0 {
            break;
        }
    }
    sort(&mut rows);
    Ok(upto.map(|upto| (rows, upto)))
}

/// Neighbours in the index are written together. Of two at one place the first stays: the sort is stable.
fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (&a.entity, &a.name, &a.key).cmp(&(&b.entity, &b.name, &b.key)));
}

/// Puts recent states at their places; false, and nothing is done, when the commits up to `upto` are settled already. The
/// lock of that row makes sure that they stay so until this transaction ends.
pub async fn place_recent(tx: &mut Tx, mut rows: Vec<Row>, upto: i64) -> Result<bool> {
    if tx.exec("update context_recent set seq = seq where seq = ?", params![upto]).await? == 0 {
        return Ok(false);
    }
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        insert(tx, std::mem::replace(&mut rows, rest), "do nothing").await?;
    }
    Ok(true)
}

/// Forgets recent states that are at their places.
pub async fn drop_recent(tx: &mut Tx, upto: i64) -> Result<()> {
    tx.exec("delete from context_recent where seq <= ?", params![upto]).await.map(|_| ())
}

/// Puts the oldest recent states where they are looked for; false when none were left.
async fn settle(tx: &mut Tx) -> Result<bool> {
    let found = tx.rows("select seq, doc from context_recent order by seq limit ?", params![STEP.0]).await?;
    let (mut rows, mut upto) = (Vec::new(), None);
    for row in &found {
        rows.extend(recent::unpack(&row.bytes("doc")?)?);
        upto = Some(row.int("seq")?);
        if rows.len() >= STEP.1 {
            break;
        }
    }
    let Some(upto) = upto else { return Ok(false) };
    sort(&mut rows);
    place_recent(tx, rows, upto).await?;
    drop_recent(tx, upto).await?;
    Ok(true)
}

/// Makes changes of history, in order, after those that are recent.
pub async fn apply(tx: &mut Tx, writes: Vec<Write>) -> Result<()> {
    if writes.iter().any(Write::is_of_instances) {
        while settle(tx).await? {}
    }
    let mut writes = writes.into_iter().peekable();
    while let Some(write) = writes.next() {
        match write {
            Write::Past(row) => {
                let mut rows = vec![row];
                while let Some(Write::Past(row)) = writes.next_if(|w| rows.len() < ROWS && matches!(w, Write::Past(_))) {
                    rows.push(row);
                }
                insert(tx, rows, "do nothing").await?;
            }
            Write::Set(row) => {
                let mut rows = vec![row];
                // One statement must not name a place twice.
                while let Some(Write::Set(row)) = writes.next_if(|w| match w {
                    Write::Set(next) => rows.len() < ROWS && !rows.iter().any(|r| r.key == next.key && r.name == next.name && r.entity == next.entity),
                    _ => false,
                }) {
                    rows.push(row);
                }
                let over = "(entity, attr, dataset, basis, t) do update set kind = excluded.kind, observed = excluded.observed, modified = excluded.modified, \
                            deleted = excluded.deleted, doc = excluded.doc";
                insert(tx, rows, over).await?;
            }
            Write::Forget(entity, which) => forget(tx, &entity, which).await?,
            Write::Alive(entity) => {
                let mut ids = vec![entity];
                while let Some(Write::Alive(entity)) = writes.next_if(|w| ids.len() < ROWS && matches!(w, Write::Alive(_))) {
                    ids.push(entity);
                }
                let marks = dothi_store::marks(ids.len());
                let sql = format!("update context_evolution set deleted = null, imported = 0 where entity in ({marks})");
                tx.exec(&sql, ids.iter().map(|i| Param::from(&**i)).collect()).await?;
            }
            Write::Header(entity, header) => put_header(tx, &entity, &header).await?,
        }
    }
    Ok(())
}

async fn insert(tx: &mut Tx, rows: Vec<Row>, conflict: &str) -> Result<()> {
    let mut values: Vec<Param> = Vec::with_capacity(rows.len() * 11);
    for r in &rows {
        let at = &r.key;
        values.extend(params![
            &*r.entity,
            &*r.name,
            dataset(at.dataset.as_ref()),
            at.basis.code(),
            at.t,
            r.kind.as_str(),
            r.observed,
            r.created,
            r.modified,
            r.deleted,
            r.doc.as_deref()
        ]);
    }
    let marks = dothi_store::places(rows.len(), 11);
    let sql = format!(
        "insert into context_instance (entity, attr, dataset, basis, t, kind, observed, created, modified, deleted, doc) values {marks} on conflict {conflict}"
    );
    tx.exec(&sql, values).await.map(|_| ())
}

async fn forget(tx: &mut Tx, entity: &str, which: Which) -> Result<()> {
    match which {
        Which::Entity => {
            tx.exec("delete from context_instance where entity = ?", params![entity]).await?;
            tx.exec("delete from context_evolution where entity = ?", params![entity]).await?;
        }
        Which::Attribute(name) => {
            tx.exec("delete from context_instance where entity = ? and attr = ?", params![entity, &*name]).await?;
        }
        Which::Dataset(name, of) => {
            let sql = "delete from context_instance where entity = ? and attr = ? and dataset = ?";
            tx.exec(sql, params![entity, &*name, dataset(of.as_ref())]).await?;
        }
        Which::One(name, key) => {
            let sql = "delete from context_instance where entity = ? and attr = ? and dataset = ? and basis = ? and t = ?";
            tx.exec(sql, params![entity, &*name, dataset(key.dataset.as_ref()), key.basis.code(), key.t]).await?;
        }
    }
    Ok(())
}

async fn put_header(tx: &mut Tx, entity: &str, header: &Header) -> Result<()> {
    let sql = "insert into context_evolution (entity, types, attrs, created, modified, deleted, imported) values (?, ?, ?, ?, ?, ?, ?) on conflict (entity) do update set \
               types = excluded.types, attrs = excluded.attrs, modified = excluded.modified, deleted = excluded.deleted, imported = excluded.imported";
    let values = params![entity, Param::json(&header.types)?, Param::json(&header.attrs)?, header.created, header.modified, header.deleted, header.imported];
    tx.exec(sql, values).await.map(|_| ())
}

fn read_header(row: &Found) -> Result<Header> {
    Ok(Header {
        types: row.json("types")?,
        attrs: row.json("attrs")?,
        created: row.int("created")?,
        modified: row.int("modified")?,
        deleted: row.opt_int("deleted")?,
        imported: row.int("imported")? != 0,
    })
}

/// What is known of an entity beside its live state.
pub async fn header(store: &Store, entity: &str) -> Result<Option<Header>> {
    let sql = "select types, attrs, created, modified, deleted, imported from context_evolution where entity = ?";
    store.row(sql, params![entity]).await?.map(|r| read_header(&r)).transpose()
}

/// Deleted entities beyond `from`, by id.
pub async fn deleted(store: &Store, from: Option<&str>, down: bool, limit: usize) -> Result<Vec<(Iri, Header)>> {
    let (than, order) = if down { ("<", "desc") } else { (">", "asc") };
    let edge = if from.is_some() { format!("and entity {than} ?") } else { String::new() };
    let sql = format!(
        "select entity, types, attrs, created, modified, deleted, imported from context_evolution where deleted is not null {edge} order by entity {order} limit ?"
    );
    let mut values: Vec<Param> = from.map(Param::from).into_iter().collect();
    values.extend(params![limit]);
    store.rows(&sql, values).await?.iter().map(|r| Ok((r.text("entity")?.into(), read_header(r)?))).collect()
}

/// Names of the attributes of which instances are stored. Steps from name to name, however many instances each has.
pub async fn names(store: &Store, entity: &str) -> Result<Vec<Iri>> {
    let (mut names, mut last) = (Vec::new(), String::new());
    while let Some(row) = store.row("select min(attr) as attr from context_instance where entity = ? and attr > ?", params![entity, &last]).await? {
        let Some(name) = row.opt_text("attr")? else { break };
        names.push(name.as_str().into());
        last = name;
    }
    Ok(names)
}

fn read_instance(row: &Found) -> Result<(Key, Option<Instance>)> {
    let dataset = Some(row.text("dataset")?).filter(|d| !d.is_empty()).map(|d| Iri::from(d.as_str()));
    let key = Key { dataset, basis: Basis::of_code(row.int("basis")?), t: row.int("t")? };
    let Some(doc) = row.opt_text("doc")? else { return Ok((key, None)) };
    let mut attr: crate::model::Attr = serde_json::from_str(&doc).map_err(|e| Error::internal("reading an instance", e))?;
    (attr.created, attr.modified) = (row.int("created")?, row.int("modified")?);
    let deleted = row.opt_int("deleted")?;
    Ok((key.clone(), Some(Instance { key, attr, deleted })))
}

/// Instances of an attribute within a span, from its near end; places that are hidden have none.
pub async fn instances(store: &Store, entity: &str, name: &str, span: &Span) -> Result<Vec<(Key, Option<Instance>)>> {
    let column = match span.property {
        Some(TimeProperty::Observed) => "observed",
        Some(TimeProperty::Created) => "created",
        Some(TimeProperty::Modified) => "modified",
        Some(TimeProperty::Deleted) => "deleted",
        None => "coalesce(observed, modified)",
    };
    let order = if span.newest { "desc" } else { "asc" };
    let (mut within, mut values) = (String::new(), params![entity, name]);
    if span.property.is_some() {
        within = format!("and {column} >= ? and {column} < ?");
        values.extend(params![span.from, span.to]);
    }
    values.extend(params![span.limit]);
    let sql = format!("select {COLUMNS} from context_instance where entity = ? and attr = ? {within} order by {column} {order} limit ?");
    store.rows(&sql, values).await?.iter().map(read_instance).collect()
}

/// What stands at a place, in any dataset; hidden places have no instance.
pub async fn at(store: &Store, entity: &str, name: &str, basis: Basis, t: i64) -> Result<Vec<(Key, Option<Instance>)>> {
    let sql = format!("select {COLUMNS} from context_instance where entity = ? and attr = ? and basis = ? and t = ?");
    let rows = store.rows(&sql, params![entity, name, basis.code(), t]).await?;
    rows.iter().map(read_instance).collect()
}

/// Whether anything but hidden places is stored of an entity.
pub async fn any(store: &Store, entity: &str, name: Option<&str>) -> Result<bool> {
    let (more, mut values) = (if name.is_some() { "and attr = ?" } else { "" }, params![entity]);
    values.extend(name.map(Param::from));
    let sql = format!("select 1 as n from context_instance where entity = ? and doc is not null {more} limit 1");
    Ok(store.row(&sql, values).await?.is_some())
}

/// Forgets up to `limit` instances of a type (or of all types but some) that were over before an instant.
pub async fn expire(tx: &mut Tx, kind: Option<&str>, but: &[&str], before: i64, limit: usize) -> Result<u64> {
    let (which, mut values): (String, Vec<Param>) = match kind {
        Some(kind) => ("kind = ?".into(), params![kind]),
        None if but.is_empty() => ("1 = 1".into(), Vec::new()),
        None => (format!("kind not in ({})", dothi_store::marks(but.len())), but.iter().map(|k| Param::from(*k)).collect()),
    };
    values.extend(params![before, limit]);
    let sql = format!(
        "delete from context_instance where (entity, attr, dataset, basis, t) in \
         (select entity, attr, dataset, basis, t from context_instance where {which} and modified < ? limit ?)"
    );
    tx.exec(&sql, values).await
}
