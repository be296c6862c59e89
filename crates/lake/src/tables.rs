//! Tables of the lake beside the registry: files taken out by repairs, and saved queries.

use dothi_kernel::{Caller, Error, Page, PageQuery, Result};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::registry::FileEntry;
use crate::saved::{SavedQuery, Sharing};

/// Files taken out of history, and the rows they should have held.
pub(crate) async fn quarantined(store: &Store) -> Result<(u64, u64)> {
    let row = store.row("select count(*) as files, cast(coalesce(sum(rows), 0) as bigint) as rows from lake_quarantine", params![]).await?;
    row.map_or(Ok((0, 0)), |r| Ok((r.int("files")?.max(0) as u64, r.int("rows")?.max(0) as u64)))
}

pub(crate) async fn quarantine(tx: &mut Tx, file: &FileEntry, fault: &str, aside: Option<&str>) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into lake_quarantine (data_file_id, path, rows, fault, moved_to, at) values (?, ?, ?, ?, ?, ?)",
        params![file.id, &file.path, file.rows, fault, aside, now],
    )
    .await?;
    Ok(())
}

const COLUMNS: &str = "id, name, sql, owner, owner_name, unit, shared, created_at, changed_at";

fn read(row: &Row) -> Result<SavedQuery> {
    Ok(SavedQuery {
        id: row.uuid("id")?,
        name: row.text("name")?,
        sql: row.text("sql")?,
        owner: row.text("owner")?,
        owner_name: row.text("owner_name")?,
        unit: row.opt_text("unit")?,
        shared: Sharing::of(&row.text("shared")?),
        created_at: row.time("created_at")?,
        changed_at: row.time("changed_at")?,
        mine: false,
    })
}

/// Queries of an owner, of some units (none = all) and those for everybody.
pub(crate) async fn queries(store: &Store, owner: &str, units: Option<&[String]>, page: &PageQuery) -> Result<Page<SavedQuery>> {
    let after = page.after.clone().unwrap_or_default();
    let limit = page.limit();
    let mut values: Vec<Param> = params![owner];
    let of_units = match units {
        None => "shared = 'unit'".to_string(),
        Some([]) => "1 = 0".to_string(),
        Some(units) => {
            values.extend(units.iter().map(Param::from));
            format!("(shared = 'unit' and unit in ({}))", dothi_store::marks(units.len()))
        }
    };
    values.extend(params![&after, limit + 1]);
    let sql = format!("select {COLUMNS} from lake_query where (owner = ? or shared = 'all' or {of_units}) and id > ? order by id limit ?");
    let rows = store.rows(&sql, values).await?;
    Ok(Page::of(rows.iter().map(read).collect::<Result<Vec<_>>>()?, limit, |q| q.id.to_string()))
}

pub(crate) async fn query(store: &Store, id: Uuid) -> Result<Option<SavedQuery>> {
    store.row(&format!("select {COLUMNS} from lake_query where id = ?"), params![id]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn count(tx: &mut Tx, owner: &str) -> Result<i64> {
    tx.row("select count(*) as n from lake_query where owner = ?", params![owner]).await?.map_or(Ok(0), |r| r.int("n"))
}

pub(crate) async fn put_query(tx: &mut Tx, q: &SavedQuery) -> Result<()> {
    tx.exec(
        "insert into lake_query (id, name, sql, owner, owner_name, unit, shared, created_at, changed_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         on conflict (id) do update set name = excluded.name, sql = excluded.sql, unit = excluded.unit, shared = excluded.shared, changed_at = excluded.changed_at",
        params![q.id, &q.name, &q.sql, &q.owner, &q.owner_name, q.unit.clone(), q.shared.text(), q.created_at, q.changed_at],
    )
    .await?;
    Ok(())
}

pub(crate) async fn drop_query(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.exec("delete from lake_query where id = ?", params![id]).await?;
    Ok(())
}

/// Who a query belongs to: a person, a program, or a caller without id by its name.
pub(crate) fn owner(caller: &Caller) -> Result<String> {
    match (caller.id, caller.kind) {
        (Some(id), _) => Ok(id.to_string()),
        (None, dothi_kernel::CallerKind::Anonymous) => Err(Error::unauthenticated("access.sign-in-needed", "Sign in first.")),
        (None, _) => Ok(format!("name:{}", caller.name)),
    }
}
