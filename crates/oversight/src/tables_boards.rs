//! The SQL of boards and walls.

use dothi_kernel::{Page, PageQuery, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, marks, params};
use uuid::Uuid;

use crate::board_model::{BoardTemplate, BoardVersion, SharedWith, Wall, Widget};

/// Schema of boards.
pub(crate) const BOARDS: Migration = Migration {
    domain: "oversight",
    version: 2,
    sql: "create table oversight_board (
            id TEXT not null primary key, owner TEXT not null, owner_name TEXT not null, name TEXT not null, shared TEXT not null, shared_with TEXT,
            version BIGINT not null, widgets TEXT not null, size BIGINT not null, created_at BIGINT not null, changed_at BIGINT not null
          );
          create index oversight_board_owner on oversight_board (owner, id);
          create index oversight_board_shared on oversight_board (shared, shared_with, id);
          create table oversight_board_version (
            board TEXT not null, version BIGINT not null, name TEXT not null, widgets TEXT not null, at BIGINT not null, primary key (board, version)
          );
          create table oversight_board_template (code TEXT not null primary key, pack TEXT not null, position BIGINT not null, body TEXT not null);
          create index oversight_board_template_pack on oversight_board_template (pack, position);
          create table oversight_board_start (person TEXT not null primary key, board TEXT not null);
          create table oversight_wall (
            id TEXT not null primary key, hash TEXT not null, name TEXT not null, boards TEXT not null, seconds BIGINT not null,
            owner TEXT not null, owner_name TEXT not null, created_at BIGINT not null, expires_at BIGINT not null, ended_at BIGINT, entered_at BIGINT
          );
          create unique index oversight_wall_hash on oversight_wall (hash);",
};

/// A board as stored.
#[derive(Debug, Clone)]
pub(crate) struct BoardStored {
    pub id: Uuid,
    pub owner: Uuid,
    pub owner_name: String,
    pub name: String,
    pub shared: SharedWith,
    pub with: Option<String>,
    pub version: u32,
    pub size: u32,
    pub changed_at: Timestamp,
}

const HEAD: &str = "id, owner, owner_name, name, shared, shared_with, version, size, changed_at";

fn head(row: &Row) -> Result<BoardStored> {
    Ok(BoardStored {
        id: row.uuid("id")?,
        owner: row.uuid("owner")?,
        owner_name: row.text("owner_name")?,
        name: row.text("name")?,
        shared: SharedWith::parse(&row.text("shared")?),
        with: row.opt_text("shared_with")?,
        version: u32::try_from(row.int("version")?).unwrap_or_default(),
        size: u32::try_from(row.int("size")?).unwrap_or_default(),
        changed_at: row.time("changed_at")?,
    })
}

/// Whose boards are looked for: one's own, those of one's units and roles, and everybody's.
pub(crate) struct Sight<'a> {
    pub person: Uuid,
    pub units: &'a [String],
    pub roles: &'a [String],
}

/// Boards that `sight` reaches, by id.
pub(crate) async fn boards(store: &Store, sight: &Sight<'_>, page: &PageQuery) -> Result<Page<BoardStored>> {
    let mut sql = format!("select {HEAD} from oversight_board where id > ? and (owner = ? or shared = 'all'");
    let mut given = params![page.after.clone().unwrap_or_default(), sight.person];
    for (kind, names) in [("unit", sight.units), ("role", sight.roles)] {
        if !names.is_empty() {
            sql.push_str(&format!(" or (shared = '{kind}' and shared_with in ({}))", marks(names.len())));
            given.extend(names.iter().map(Param::from));
        }
    }
    sql.push_str(") order by id limit ?");
    given.push((page.limit() + 1).into());
    let rows = store.rows(&sql, given).await?.iter().map(head).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(rows, page.limit(), |row| row.id.to_string()))
}

/// Units with which anything is shared; bounded, for there are no more organisations in a province.
pub(crate) async fn shared_units(store: &Store) -> Result<Vec<String>> {
    let rows = store.rows("select distinct shared_with from oversight_board where shared = 'unit' order by shared_with limit 5000", params![]).await?;
    rows.iter().map(|r| r.text("shared_with")).collect()
}

pub(crate) async fn board(store: &Store, id: Uuid) -> Result<Option<(BoardStored, Vec<Widget>)>> {
    let row = store.row(&format!("select {HEAD}, widgets from oversight_board where id = ?"), params![id]).await?;
    row.as_ref().map(|r| Ok((head(r)?, r.json("widgets")?))).transpose()
}

pub(crate) async fn count(tx: &mut Tx, owner: Uuid) -> Result<i64> {
    tx.row("select count(*) as n from oversight_board where owner = ?", params![owner]).await?.map_or(Ok(0), |r| r.int("n"))
}

pub(crate) async fn insert(tx: &mut Tx, board: &BoardStored, widgets: &[Widget]) -> Result<()> {
    let body = Param::json(&widgets)?;
    tx.exec(
        "insert into oversight_board (id, owner, owner_name, name, shared, shared_with, version, widgets, size, created_at, changed_at) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            board.id,
            board.owner,
            &board.owner_name,
            &board.name,
            board.shared.name(),
            board.with.clone(),
            board.version,
            body,
            widgets.len(),
            board.changed_at,
            board.changed_at
        ],
    )
    .await?;
    keep_version(tx, board, widgets).await
}

/// Writes the next version over the one before; 0 when somebody was faster.
pub(crate) async fn update(tx: &mut Tx, board: &BoardStored, widgets: &[Widget]) -> Result<u64> {
    let changed = tx
        .exec(
            "update oversight_board set name = ?, shared = ?, shared_with = ?, version = ?, widgets = ?, size = ?, changed_at = ? where id = ? and version = ?",
            params![
                &board.name,
                board.shared.name(),
                board.with.clone(),
                board.version,
                Param::json(&widgets)?,
                widgets.len(),
                board.changed_at,
                board.id,
                board.version.saturating_sub(1)
            ],
        )
        .await?;
    if changed == 1 {
        keep_version(tx, board, widgets).await?;
    }
    Ok(changed)
}

async fn keep_version(tx: &mut Tx, board: &BoardStored, widgets: &[Widget]) -> Result<()> {
    tx.exec(
        "insert into oversight_board_version (board, version, name, widgets, at) values (?, ?, ?, ?, ?)",
        params![board.id, board.version, &board.name, Param::json(&widgets)?, board.changed_at],
    )
    .await?;
    let before = i64::from(board.version) - crate::boards::VERSIONS;
    tx.exec("delete from oversight_board_version where board = ? and version <= ?", params![board.id, before]).await?;
    Ok(())
}

pub(crate) async fn remove(tx: &mut Tx, id: Uuid) -> Result<u64> {
    for sql in ["delete from oversight_board_version where board = ?", "delete from oversight_board_start where board = ?"] {
        tx.exec(sql, params![id]).await?;
    }
    tx.exec("delete from oversight_board where id = ?", params![id]).await
}

/// Versions of a board, newest first.
pub(crate) async fn versions(store: &Store, id: Uuid, before: i64, limit: usize) -> Result<Vec<BoardVersion>> {
    let sql = "select version, name, widgets, at from oversight_board_version where board = ? and version < ? order by version desc limit ?";
    let read = |r: &Row| -> Result<BoardVersion> {
        Ok(BoardVersion {
            version: u32::try_from(r.int("version")?).unwrap_or_default(),
            name: r.text("name")?,
            at: r.time("at")?,
            widgets: r.json("widgets")?,
        })
    };
    store.rows(sql, params![id, before, limit]).await?.iter().map(read).collect()
}

/// Replaces the templates of a pack.
pub(crate) async fn put_templates(tx: &mut Tx, pack: &str, templates: &[BoardTemplate]) -> Result<()> {
    tx.exec("delete from oversight_board_template where pack = ?", params![pack]).await?;
    for (position, template) in templates.iter().enumerate() {
        tx.exec(
            "insert into oversight_board_template (code, pack, position, body) values (?, ?, ?, ?) \
             on conflict (code) do update set pack = excluded.pack, position = excluded.position, body = excluded.body",
            params![&template.code, pack, position, Param::json(template)?],
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn templates(store: &Store) -> Result<Vec<BoardTemplate>> {
    store.rows("select body from oversight_board_template order by pack, position limit 200", params![]).await?.iter().map(|r| r.json("body")).collect()
}

pub(crate) async fn start(store: &Store, person: Uuid) -> Result<Option<Uuid>> {
    store.row("select board from oversight_board_start where person = ?", params![person]).await?.map(|r| r.uuid("board")).transpose()
}

pub(crate) async fn put_start(tx: &mut Tx, person: Uuid, board: Option<Uuid>) -> Result<()> {
    tx.exec("delete from oversight_board_start where person = ?", params![person]).await?;
    if let Some(board) = board {
        tx.exec("insert into oversight_board_start (person, board) values (?, ?)", params![person, board]).await?;
    }
    Ok(())
}

fn wall(row: &Row) -> Result<Wall> {
    Ok(Wall {
        id: row.uuid("id")?,
        name: row.text("name")?,
        boards: row.json("boards")?,
        seconds: u32::try_from(row.int("seconds")?).unwrap_or_default(),
        owner: row.uuid("owner")?,
        owner_name: row.text("owner_name")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        ended_at: row.opt_time("ended_at")?,
        entered_at: row.opt_time("entered_at")?,
    })
}

pub(crate) async fn add_wall(tx: &mut Tx, wall: &Wall, hash: &str) -> Result<()> {
    tx.exec(
        "insert into oversight_wall (id, hash, name, boards, seconds, owner, owner_name, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![wall.id, hash, &wall.name, Param::json(&wall.boards)?, wall.seconds, wall.owner, &wall.owner_name, wall.created_at, wall.expires_at],
    )
    .await?;
    Ok(())
}

/// Walls that have neither ended nor been ended.
pub(crate) async fn open_walls(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    tx.row("select count(*) as n from oversight_wall where ended_at is null and expires_at > ?", params![now]).await?.map_or(Ok(0), |r| r.int("n"))
}

/// Walls, newest first.
pub(crate) async fn walls(store: &Store, page: &PageQuery) -> Result<Page<Wall>> {
    let before = page.after.clone().unwrap_or_else(|| "g".into());
    let rows = store.rows("select * from oversight_wall where id < ? order by id desc limit ?", params![before, page.limit() + 1]).await?;
    let rows = rows.iter().map(wall).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(rows, page.limit(), |w| w.id.to_string()))
}

pub(crate) async fn wall_by_hash(store: &Store, hash: &str) -> Result<Option<Wall>> {
    store.row("select * from oversight_wall where hash = ?", params![hash]).await?.as_ref().map(wall).transpose()
}

pub(crate) async fn wall_by_id(store: &Store, id: Uuid) -> Result<Option<Wall>> {
    store.row("select * from oversight_wall where id = ?", params![id]).await?.as_ref().map(wall).transpose()
}

pub(crate) async fn end_wall(tx: &mut Tx, id: Uuid) -> Result<u64> {
    let now = tx.now();
    tx.exec("update oversight_wall set ended_at = ? where id = ? and ended_at is null", params![now, id]).await
}

pub(crate) async fn note_entry(tx: &mut Tx, id: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("update oversight_wall set entered_at = ? where id = ?", params![now, id]).await?;
    Ok(())
}
