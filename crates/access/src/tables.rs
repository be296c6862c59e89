//! The only SQL of `access`.
//!
//! Units and successions are bitemporal: `valid_from`/`valid_to` is the time of law (days), `recorded_at`/
//! `superseded_at` the time of our belief (instants). A row is never changed but for its `superseded_at`.
//! Personal data stand in `access_person.name`, `.phone`, `.email` and, for citizens, `.login`; nowhere else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dothi_kernel::text::fold;
use dothi_kernel::{Error, Page, PageQuery, Permission, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{Outline, PersonKind, Succession, Token, Unit, UnitKind};
use crate::pack::{AccessPack, PackSettings};
use crate::snapshot::Loaded;

/// The schema.
pub const MIGRATIONS: &[Migration] =
    &[Migration { domain: "access", version: 1, sql: FIRST }, Migration { domain: "access", version: 2, sql: crate::tables_mail::SCHEMA }];

const FIRST: &str = "
create table access_pack (name TEXT not null primary key, hash TEXT not null, settings TEXT not null, at BIGINT not null);

create table access_unit (
  id TEXT not null, kind TEXT not null, level TEXT not null, name TEXT not null, folded TEXT not null, name_en TEXT, parent TEXT, area TEXT,
  functions TEXT not null, valid_from TEXT not null, valid_to TEXT, source_act TEXT, dates TEXT not null,
  source TEXT not null, recorded_at BIGINT not null, superseded_at BIGINT,
  primary key (id, valid_from, recorded_at)
);
create index access_unit_parent on access_unit (parent, kind);
create index access_unit_kind on access_unit (kind, id);

create table access_succession (
  old TEXT not null, new TEXT not null, date TEXT not null, kind TEXT not null, share DOUBLE PRECISION, source_act TEXT,
  source TEXT not null, recorded_at BIGINT not null, superseded_at BIGINT,
  primary key (old, new, date, recorded_at)
);

create table access_outline (area TEXT not null primary key, level TEXT not null, tolerance DOUBLE PRECISION not null, geometry TEXT not null, source TEXT not null);

create table access_person (
  id TEXT not null primary key, kind TEXT not null, login TEXT not null unique, name TEXT not null, folded TEXT not null, phone TEXT, email TEXT,
  password TEXT not null, active BIGINT not null, created_at BIGINT not null, changed_at BIGINT not null
);
create index access_person_kind on access_person (kind, login);

create table access_grant (
  id TEXT not null primary key, person TEXT not null, role TEXT not null, unit TEXT not null, sectors TEXT,
  granted_at BIGINT not null, granted_by TEXT not null, revoked_at BIGINT
);
create index access_grant_person on access_grant (person);

create table access_session (
  hash TEXT not null primary key, person TEXT not null, created_at BIGINT not null, expires_at BIGINT not null
);
create index access_session_person on access_session (person);
create index access_session_end on access_session (expires_at);

create table access_token (
  id TEXT not null primary key, hash TEXT not null unique, name TEXT not null, owner TEXT, permissions TEXT not null,
  created_at BIGINT not null, expires_at BIGINT not null, revoked_at BIGINT
);
create index access_token_owner on access_token (owner);
";

/// Rows of one insert; times the columns it stays below what both engines bind.
const ROWS: usize = 500;

async fn insert(tx: &mut Tx, table: &str, columns: &str, rows: Vec<Vec<Param>>) -> Result<()> {
    let width = columns.split(',').count();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Param>> = rows.by_ref().take(ROWS).collect();
        let sql = format!("insert into {table} ({columns}) values {}", dothi_store::places(chunk.len(), width));
        tx.exec(&sql, chunk.into_iter().flatten().collect()).await?;
    }
    Ok(())
}

fn unit(row: &Row) -> Result<Unit> {
    Ok(Unit {
        id: row.text("id")?,
        kind: if row.text("kind")? == UnitKind::Area.code() { UnitKind::Area } else { UnitKind::Organisation },
        level: row.text("level")?,
        name: row.text("name")?,
        name_en: row.opt_text("name_en")?,
        parent: row.opt_text("parent")?,
        area: row.opt_text("area")?,
        functions: row.text("functions")?.split_whitespace().map(str::to_string).collect(),
        valid_from: row.text("valid_from")?,
        valid_to: row.opt_text("valid_to")?,
        source_act: row.opt_text("source_act")?,
        dates: row.text("dates")?,
    })
}

fn succession(row: &Row) -> Result<Succession> {
    Ok(Succession {
        old: row.text("old")?,
        new: row.text("new")?,
        date: row.text("date")?,
        kind: row.text("kind")?,
        share: row.opt_real("share")?,
        source_act: row.opt_text("source_act")?,
    })
}

/// Everything believed now.
pub(crate) async fn load(store: &Store) -> Result<Loaded> {
    let units = store.rows("select * from access_unit where superseded_at is null", params![]).await?;
    let successions = store.rows("select * from access_succession where superseded_at is null order by date, old, new", params![]).await?;
    let outlines = store.rows("select * from access_outline", params![]).await?;
    let packs = store.rows("select hash, settings from access_pack order by name", params![]).await?;
    let outline =
        |r: &Row| Ok(Outline { area: r.text("area")?, level: r.text("level")?, tolerance: r.real("tolerance")?, geometry: Arc::from(r.text("geometry")?) });
    Ok(Loaded {
        units: units.iter().map(unit).collect::<Result<_>>()?,
        successions: successions.iter().map(succession).collect::<Result<_>>()?,
        outlines: outlines.iter().map(outline).collect::<Result<_>>()?,
        packs: packs.iter().map(|r| Ok((r.text("hash")?, r.json::<PackSettings>("settings")?))).collect::<Result<_>>()?,
    })
}

pub(crate) async fn pack_hash(tx: &mut Tx, pack: &str) -> Result<Option<String>> {
    let row = tx.row("select hash from access_pack where name = ?", params![pack]).await?;
    row.map(|r| r.text("hash")).transpose()
}

/// Makes what a pack declares the present belief: new and changed versions are recorded, versions that are changed or
/// gone are superseded; nothing is overwritten. Returns how many rows began and ended.
pub(crate) async fn record_pack(tx: &mut Tx, pack: &str, part: &AccessPack) -> Result<(usize, usize)> {
    let now = tx.now();
    let rows = tx.rows("select * from access_unit where source = ? and superseded_at is null", params![pack]).await?;
    let mut believed = HashMap::new();
    for row in &rows {
        let u = unit(row)?;
        believed.insert((u.id.clone(), u.valid_from.clone()), u);
    }
    let mut begun: Vec<&Unit> = Vec::new();
    let mut ended = Vec::new();
    for u in &part.units {
        match believed.remove(&(u.id.clone(), u.valid_from.clone())) {
            Some(before) if before == *u => {}
            Some(before) => {
                ended.push(before);
                begun.push(u);
            }
            None => begun.push(u),
        }
    }
    ended.extend(believed.into_values());
    for u in &ended {
        tx.exec("update access_unit set superseded_at = ? where id = ? and valid_from = ? and superseded_at is null", params![now, &u.id, &u.valid_from])
            .await?;
    }
    let rows = begun.iter().map(|u| {
        params![
            &u.id,
            u.kind.code(),
            &u.level,
            &u.name,
            fold(&u.name),
            u.name_en.as_deref(),
            u.parent.as_deref(),
            u.area.as_deref(),
            u.functions.join(" "),
            &u.valid_from,
            u.valid_to.as_deref(),
            u.source_act.as_deref(),
            &u.dates,
            pack,
            now
        ]
    });
    let columns = "id, kind, level, name, folded, name_en, parent, area, functions, valid_from, valid_to, source_act, dates, source, recorded_at";
    let count = (begun.len(), ended.len());
    insert(tx, "access_unit", columns, rows.collect()).await?;
    let more = record_successions(tx, pack, &part.successions).await?;
    tx.exec("delete from access_outline where source = ?", params![pack]).await?;
    let outlines = part.outlines.iter().map(|o| params![&o.area, &o.level, o.tolerance, &*o.geometry, pack]).collect();
    insert(tx, "access_outline", "area, level, tolerance, geometry, source", outlines).await?;
    tx.exec(
        "insert into access_pack (name, hash, settings, at) values (?, ?, ?, ?) \
         on conflict (name) do update set hash = excluded.hash, settings = excluded.settings, at = excluded.at",
        params![pack, &part.hash, Param::json(&part.settings)?, now],
    )
    .await?;
    Ok((count.0 + more.0, count.1 + more.1))
}

async fn record_successions(tx: &mut Tx, pack: &str, all: &[Succession]) -> Result<(usize, usize)> {
    let now = tx.now();
    let rows = tx.rows("select * from access_succession where source = ? and superseded_at is null", params![pack]).await?;
    let mut believed = HashMap::new();
    for row in &rows {
        let s = succession(row)?;
        believed.insert((s.old.clone(), s.new.clone(), s.date.clone()), s);
    }
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for s in all {
        match believed.remove(&(s.old.clone(), s.new.clone(), s.date.clone())) {
            Some(before) if before == *s => {}
            Some(before) => {
                ended.push(before);
                begun.push(s);
            }
            None => begun.push(s),
        }
    }
    ended.extend(believed.into_values());
    for s in &ended {
        tx.exec(
            "update access_succession set superseded_at = ? where old = ? and new = ? and date = ? and superseded_at is null",
            params![now, &s.old, &s.new, &s.date],
        )
        .await?;
    }
    let count = (begun.len(), ended.len());
    let rows = begun.iter().map(|s| params![&s.old, &s.new, &s.date, &s.kind, s.share, s.source_act.as_deref(), pack, now]).collect();
    insert(tx, "access_succession", "old, new, date, kind, share, source_act, source, recorded_at", rows).await?;
    Ok(count)
}

/// A pattern that finds the words anywhere in a folded column.
fn like(words: &str) -> String {
    format!("%{}%", fold(words).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// What units to read.
pub(crate) struct UnitFilter<'a> {
    pub kind: Option<UnitKind>,
    pub level: Option<&'a str>,
    pub parent: Option<&'a str>,
    pub words: Option<&'a str>,
    /// Day of law.
    pub as_of: &'a str,
    /// Instant of belief.
    pub known_at: Timestamp,
}

pub(crate) async fn units(store: &Store, filter: &UnitFilter<'_>, page: &PageQuery) -> Result<Page<Unit>> {
    let mut sql = String::from(
        "select * from access_unit where valid_from <= ? and (valid_to is null or valid_to > ?) \
         and recorded_at <= ? and (superseded_at is null or superseded_at > ?)",
    );
    let mut params = params![filter.as_of, filter.as_of, filter.known_at, filter.known_at];
    let mut and = |condition: &str, value: Param| {
        sql.push_str(condition);
        params.push(value);
    };
    if let Some(kind) = filter.kind {
        and(" and kind = ?", kind.code().into());
    }
    if let Some(level) = filter.level {
        and(" and level = ?", level.into());
    }
    if let Some(parent) = filter.parent {
        and(" and parent = ?", parent.into());
    }
    if let Some(words) = filter.words {
        and(" and folded like ? escape '\\'", like(words).into());
    }
    if let Some(after) = &page.after {
        and(" and id > ?", after.into());
    }
    and(" order by id limit ?", (page.limit() + 1).into());
    let rows = store.rows(&sql, params).await?;
    let units = rows.iter().map(unit).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(units, page.limit(), |u| u.id.clone()))
}

/// A person as the sign-in reads them.
pub(crate) struct PersonRow {
    pub id: Uuid,
    pub kind: PersonKind,
    pub login: String,
    pub name: String,
    pub password: String,
    pub active: bool,
}

fn person(row: &Row) -> Result<PersonRow> {
    Ok(PersonRow {
        id: row.uuid("id")?,
        kind: if row.text("kind")? == PersonKind::Staff.code() { PersonKind::Staff } else { PersonKind::Citizen },
        login: row.text("login")?,
        name: row.text("name")?,
        password: row.text("password")?,
        active: row.flag("active")?,
    })
}

pub(crate) async fn person_by_login(store: &Store, login: &str) -> Result<Option<PersonRow>> {
    store.row("select * from access_person where login = ?", params![login]).await?.as_ref().map(person).transpose()
}

pub(crate) async fn person_by_id(store: &Store, id: Uuid) -> Result<Option<PersonRow>> {
    store.row("select * from access_person where id = ?", params![id]).await?.as_ref().map(person).transpose()
}

/// Staff only: citizens are in no list.
pub(crate) async fn staff(store: &Store, words: Option<&str>, page: &PageQuery) -> Result<Page<PersonRow>> {
    let after = page.after.clone().unwrap_or_default();
    let words = like(words.unwrap_or_default());
    let rows = store
        .rows(
            "select * from access_person where kind = 'staff' and login > ? and (login like ? escape '\\' or folded like ? escape '\\') order by login limit ?",
            params![after, &words, &words, page.limit() + 1],
        )
        .await?;
    let people = rows.iter().map(person).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(people, page.limit(), |p| p.login.clone()))
}

/// Contact of a citizen, taken from the login.
pub(crate) struct Contact {
    pub phone: Option<String>,
    pub email: Option<String>,
}

pub(crate) async fn add_person(tx: &mut Tx, p: &PersonRow, contact: &Contact) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into access_person (id, kind, login, name, folded, phone, email, password, active, created_at, changed_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![p.id, p.kind.code(), &p.login, &p.name, fold(&p.name), contact.phone.as_deref(), contact.email.as_deref(), &p.password, p.active, now, now],
    )
    .await
    .map_err(|e| match e.code() {
        "store.exists" => Error::conflict("access.login-taken", "This login is in use already."),
        _ => e,
    })?;
    Ok(())
}

pub(crate) async fn set_password(tx: &mut Tx, id: Uuid, hash: &str) -> Result<()> {
    let now = tx.now();
    tx.exec("update access_person set password = ?, changed_at = ? where id = ?", params![hash, now, id]).await?;
    Ok(())
}

/// Returns whether the person was active.
pub(crate) async fn deactivate(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    let touched = tx.exec("update access_person set active = 0, changed_at = ? where id = ? and active = 1", params![now, id]).await?;
    end_sessions(tx, id).await?;
    Ok(touched == 1)
}

/// A grant as stored.
pub(crate) struct GrantRow {
    pub id: Uuid,
    pub person: Uuid,
    pub role: String,
    pub unit: String,
    pub sectors: Option<BTreeSet<String>>,
}

pub(crate) async fn grants(store: &Store, people: &[Uuid]) -> Result<Vec<GrantRow>> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let marks = dothi_store::marks(people.len());
    let sql = format!("select * from access_grant where person in ({marks}) and revoked_at is null order by granted_at, id");
    let rows = store.rows(&sql, people.iter().map(|p| Param::from(*p)).collect()).await?;
    rows.iter().map(grant).collect()
}

fn grant(r: &Row) -> Result<GrantRow> {
    Ok(GrantRow { id: r.uuid("id")?, person: r.uuid("person")?, role: r.text("role")?, unit: r.text("unit")?, sectors: sectors(r)? })
}

fn sectors(r: &Row) -> Result<Option<BTreeSet<String>>> {
    r.opt_text("sectors")?.map(|t| serde_json::from_str(&t).map_err(|e| Error::internal("reading a grant", e))).transpose()
}

/// Active people in office with their grants; the first 5,000 by login.
pub(crate) async fn granted_staff(store: &Store) -> Result<Vec<(PersonRow, Vec<GrantRow>)>> {
    let rows = store.rows("select * from access_person where kind = 'staff' and active = 1 order by login limit 5000", vec![]).await?;
    let mut found: Vec<(PersonRow, Vec<GrantRow>)> = rows.iter().map(|r| Ok((person(r)?, Vec::new()))).collect::<Result<_>>()?;
    for chunk in found.chunks_mut(400) {
        let ids: Vec<Uuid> = chunk.iter().map(|(p, _)| p.id).collect();
        for grant in grants(store, &ids).await? {
            if let Some((_, own)) = chunk.iter_mut().find(|(p, _)| p.id == grant.person) {
                own.push(grant);
            }
        }
    }
    Ok(found)
}

pub(crate) async fn add_grant(tx: &mut Tx, g: &GrantRow) -> Result<()> {
    let (now, by) = (tx.now(), tx.caller().name.to_string());
    let sectors = g.sectors.as_ref().map(serde_json::to_string).transpose().map_err(|e| Error::internal("writing a grant", e))?;
    tx.exec(
        "insert into access_grant (id, person, role, unit, sectors, granted_at, granted_by) values (?, ?, ?, ?, ?, ?, ?)",
        params![g.id, g.person, &g.role, &g.unit, sectors, now, by],
    )
    .await?;
    Ok(())
}

pub(crate) async fn grant_of(store: &Store, person: Uuid, id: Uuid) -> Result<Option<GrantRow>> {
    store.row("select * from access_grant where id = ? and person = ? and revoked_at is null", params![id, person]).await?.as_ref().map(grant).transpose()
}

pub(crate) async fn revoke_grant(tx: &mut Tx, id: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("update access_grant set revoked_at = ? where id = ? and revoked_at is null", params![now, id]).await?;
    Ok(())
}

/// A session with whose it is and what they hold, in one reading.
pub(crate) struct SessionRow {
    pub expires_at: Timestamp,
    pub person: PersonRow,
    pub grants: Vec<GrantRow>,
}

pub(crate) async fn session(store: &Store, hash: &str) -> Result<Option<SessionRow>> {
    let rows = store
        .rows(
            "select s.expires_at, p.id, p.kind, p.login, p.name, p.password, p.active, g.id as grant_id, g.role, g.unit, g.sectors \
             from access_session s join access_person p on p.id = s.person left join access_grant g on g.person = p.id and g.revoked_at is null \
             where s.hash = ? order by g.granted_at, g.id",
            params![hash],
        )
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let owner = person(first)?;
    let mut grants = Vec::new();
    for row in &rows {
        if let Some(id) = row.opt_uuid("grant_id")? {
            grants.push(GrantRow { id, person: owner.id, role: row.text("role")?, unit: row.text("unit")?, sectors: sectors(row)? });
        }
    }
    Ok(Some(SessionRow { expires_at: first.time("expires_at")?, person: owner, grants }))
}

pub(crate) async fn add_session(tx: &mut Tx, hash: &str, person: Uuid, expires_at: Timestamp) -> Result<()> {
    let now = tx.now();
    tx.exec("insert into access_session (hash, person, created_at, expires_at) values (?, ?, ?, ?)", params![hash, person, now, expires_at]).await?;
    Ok(())
}

pub(crate) async fn extend_session(tx: &mut Tx, hash: &str, expires_at: Timestamp) -> Result<()> {
    tx.exec("update access_session set expires_at = ? where hash = ?", params![expires_at, hash]).await?;
    Ok(())
}

pub(crate) async fn end_session(tx: &mut Tx, hash: &str) -> Result<u64> {
    tx.exec("delete from access_session where hash = ?", params![hash]).await
}

pub(crate) async fn end_sessions(tx: &mut Tx, person: Uuid) -> Result<u64> {
    tx.exec("delete from access_session where person = ?", params![person]).await
}

pub(crate) async fn sweep_sessions(tx: &mut Tx) -> Result<u64> {
    let now = tx.now();
    tx.exec("delete from access_session where expires_at <= ?", params![now]).await
}

pub(crate) async fn next_session_end(store: &Store) -> Result<Option<Timestamp>> {
    let row = store.row("select min(expires_at) as at from access_session", params![]).await?;
    row.map_or(Ok(None), |r| r.opt_time("at"))
}

/// A token as stored.
pub(crate) struct TokenRow {
    pub token: Token,
    pub owner: Option<Uuid>,
}

fn token(r: &Row) -> Result<TokenRow> {
    let token = Token {
        id: r.uuid("id")?,
        name: r.text("name")?,
        permissions: r.json::<BTreeSet<Permission>>("permissions")?,
        created_at: r.time("created_at")?,
        expires_at: r.time("expires_at")?,
        revoked_at: r.opt_time("revoked_at")?,
    };
    Ok(TokenRow { token, owner: r.opt_uuid("owner")? })
}

pub(crate) async fn add_token(tx: &mut Tx, t: &TokenRow, hash: &str) -> Result<()> {
    tx.exec(
        "insert into access_token (id, hash, name, owner, permissions, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?)",
        params![t.token.id, hash, &t.token.name, t.owner, Param::json(&t.token.permissions)?, t.token.created_at, t.token.expires_at],
    )
    .await?;
    Ok(())
}

pub(crate) async fn token_by_hash(store: &Store, hash: &str) -> Result<Option<TokenRow>> {
    store.row("select * from access_token where hash = ?", params![hash]).await?.as_ref().map(token).transpose()
}

pub(crate) async fn token_by_id(store: &Store, id: Uuid) -> Result<Option<TokenRow>> {
    store.row("select * from access_token where id = ?", params![id]).await?.as_ref().map(token).transpose()
}

pub(crate) async fn tokens(store: &Store, owner: Uuid, page: &PageQuery) -> Result<Page<Token>> {
    let after = page.after.clone().unwrap_or_default();
    let rows = store.rows("select * from access_token where owner = ? and id > ? order by id limit ?", params![owner, after, page.limit() + 1]).await?;
    let tokens = rows.iter().map(|r| Ok(token(r)?.token)).collect::<Result<Vec<_>>>()?;
    Ok(Page::of(tokens, page.limit(), |t| t.id.to_string()))
}

pub(crate) async fn revoke_token(tx: &mut Tx, id: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("update access_token set revoked_at = ? where id = ? and revoked_at is null", params![now, id]).await?;
    Ok(())
}
