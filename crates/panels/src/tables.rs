//! SQL of premises and panels.

use std::collections::BTreeSet;

use dothi_kernel::geo::Point;
use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::dc09::{Key, Scheme};
use crate::model::{Plan, Private, Zone};
use crate::pack::PanelsPack;

/// The domain's schema.
pub const MIGRATIONS: &[Migration] = &[Migration { domain: "panels", version: 1, sql: include_str!("schema.sql") }];

/// A panel as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    pub id: Uuid,
    pub scheme: Scheme,
    pub account: String,
    pub name: String,
    pub premises: Option<Uuid>,
    pub key: Option<Key>,
    pub clock_past: Option<u32>,
    pub clock_ahead: Option<u32>,
    pub supervision: Option<u32>,
    pub backup_line: Option<String>,
    pub backup_supervision: Option<u32>,
    pub maintenance_until: Option<Timestamp>,
    pub maintenance_why: Option<String>,
    pub active: bool,
    pub primary_at: Option<Timestamp>,
    pub backup_at: Option<Timestamp>,
    pub primary_lost: Option<Timestamp>,
    pub backup_lost: Option<Timestamp>,
    /// From when silence counts: when it was registered or let in again.
    pub since: Timestamp,
    pub at: Timestamp,
    pub by: String,
    pub version: i64,
}

const ACCOUNT: &str = "id, scheme, account, name, premises, secret, clock_past, clock_ahead, supervision, backup_line, backup_supervision, maintenance_until, \
    maintenance_why, active, primary_at, backup_at, primary_lost, backup_lost, since, at, by_name, version";

pub(crate) fn scheme_code(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Sia => "sia",
        Scheme::Cid => "cid",
        Scheme::Device => "device",
    }
}

pub(crate) fn scheme_of(code: &str) -> Scheme {
    match code {
        "cid" => Scheme::Cid,
        "device" => Scheme::Device,
        _ => Scheme::Sia,
    }
}

fn small(value: Option<i64>) -> Option<u32> {
    value.and_then(|v| u32::try_from(v).ok())
}

fn account_of(row: &Row) -> Result<Account> {
    let key = row.opt_text("secret")?.and_then(|h| hex::decode(h).ok()).and_then(Key::new);
    Ok(Account {
        id: row.uuid("id")?,
        scheme: scheme_of(&row.text("scheme")?),
        account: row.text("account")?,
        name: row.text("name")?,
        premises: row.opt_uuid("premises")?,
        key,
        clock_past: small(row.opt_int("clock_past")?),
        clock_ahead: small(row.opt_int("clock_ahead")?),
        supervision: small(row.opt_int("supervision")?),
        backup_line: row.opt_text("backup_line")?,
        backup_supervision: small(row.opt_int("backup_supervision")?),
        maintenance_until: row.opt_time("maintenance_until")?,
        maintenance_why: row.opt_text("maintenance_why")?,
        active: row.flag("active")?,
        primary_at: row.opt_time("primary_at")?,
        backup_at: row.opt_time("backup_at")?,
        primary_lost: row.opt_time("primary_lost")?,
        backup_lost: row.opt_time("backup_lost")?,
        since: row.time("since")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version: row.int("version")?,
    })
}

/// All installed packs.
pub(crate) async fn packs(store: &Store) -> Result<Vec<PanelsPack>> {
    let rows = store.rows("select body from panel_pack order by pack", params![]).await?;
    rows.iter().map(|r| r.json("body")).collect()
}

/// Keeps a pack's part.
pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, part: &PanelsPack) -> Result<()> {
    let sql = "insert into panel_pack (pack, body) values (?, ?) on conflict (pack) do update set body = excluded.body";
    tx.exec(sql, params![pack, Param::json(part)?]).await.map(|_| ())
}

/// All panels, to be held in memory.
pub(crate) async fn all_accounts(store: &Store) -> Result<Vec<Account>> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |a: &Account| a.account.clone());
        let rows = store.rows(&format!("select {ACCOUNT} from panel_account where account > ? order by account limit 2000"), params![after]).await?;
        if rows.is_empty() {
            return Ok(all);
        }
        for row in &rows {
            all.push(account_of(row)?);
        }
    }
}

/// How many panels there are.
pub(crate) async fn count_accounts(tx: &mut Tx) -> Result<i64> {
    let row = tx.row("select count(*) as n from panel_account", params![]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// A panel by id.
pub(crate) async fn account(tx: &mut Tx, id: Uuid) -> Result<Option<Account>> {
    let row = tx.row(&format!("select {ACCOUNT} from panel_account where id = ?"), params![id]).await?;
    row.as_ref().map(account_of).transpose()
}

/// A panel by number.
pub(crate) async fn account_numbered(tx: &mut Tx, number: &str) -> Result<Option<Account>> {
    let row = tx.row(&format!("select {ACCOUNT} from panel_account where account = ?"), params![number]).await?;
    row.as_ref().map(account_of).transpose()
}

/// Panels of premises.
pub(crate) async fn accounts_at(store: &Store, premises: Uuid) -> Result<Vec<Account>> {
    let rows = store.rows(&format!("select {ACCOUNT} from panel_account where premises = ? order by account limit 100"), params![premises]).await?;
    rows.iter().map(account_of).collect()
}

/// Writes a panel, new or changed.
pub(crate) async fn put_account(tx: &mut Tx, a: &Account) -> Result<()> {
    let sql = dothi_store::upsert("panel_account", ACCOUNT, 1);
    let values = params![
        a.id,
        scheme_code(a.scheme),
        &a.account,
        &a.name,
        a.premises,
        a.key.as_ref().map(|k| hex::encode(k.bytes())),
        a.clock_past,
        a.clock_ahead,
        a.supervision,
        a.backup_line.as_deref(),
        a.backup_supervision,
        a.maintenance_until,
        a.maintenance_why.as_deref(),
        a.active,
        a.primary_at,
        a.backup_at,
        a.primary_lost,
        a.backup_lost,
        a.since,
        a.at,
        &a.by,
        a.version,
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// Writes when a panel was last seen on its paths, and since when these are lost.
pub(crate) async fn put_seen(tx: &mut Tx, id: Uuid, seen: [Option<Timestamp>; 2], lost: [Option<Timestamp>; 2]) -> Result<()> {
    let sql = "update panel_account set primary_at = ?, backup_at = ?, primary_lost = ?, backup_lost = ? where id = ?";
    tx.exec(sql, params![seen[0], seen[1], lost[0], lost[1], id]).await.map(|_| ())
}

/// Premises as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Premises {
    pub id: Uuid,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub address: String,
    pub commune: String,
    pub unit: String,
    pub location: Option<Point>,
    pub hazards: String,
    pub water: String,
    pub approach: String,
    pub zones: Vec<Zone>,
    pub plans: Vec<Plan>,
    pub at: Timestamp,
    pub by: String,
    pub version: i64,
}

const PREMISES: &str = "id, code, name, kind, address, commune, unit, lon, lat, hazards, water, approach, zones, plans, folded, at, by_name, version";

fn premises_of(row: &Row) -> Result<Premises> {
    let (lon, lat) = (row.opt_real("lon")?, row.opt_real("lat")?);
    Ok(Premises {
        id: row.uuid("id")?,
        code: row.text("code")?,
        name: row.text("name")?,
        kind: row.text("kind")?,
        address: row.text("address")?,
        commune: row.text("commune")?,
        unit: row.text("unit")?,
        location: lon.zip(lat).map(|(lon, lat)| Point { lon, lat }),
        hazards: row.text("hazards")?,
        water: row.text("water")?,
        approach: row.text("approach")?,
        zones: row.json("zones")?,
        plans: row.json("plans")?,
        at: row.time("at")?,
        by: row.text("by_name")?,
        version: row.int("version")?,
    })
}

/// Premises by code.
pub(crate) async fn premises_coded(tx: &mut Tx, code: &str) -> Result<Option<Premises>> {
    let row = tx.row(&format!("select {PREMISES} from panel_premises where code = ?"), params![code]).await?;
    row.as_ref().map(premises_of).transpose()
}

/// Premises by id, inside a change.
pub(crate) async fn premises_in(tx: &mut Tx, id: Uuid) -> Result<Option<Premises>> {
    let row = tx.row(&format!("select {PREMISES} from panel_premises where id = ?"), params![id]).await?;
    row.as_ref().map(premises_of).transpose()
}

/// Premises by id.
pub(crate) async fn premises(store: &Store, id: Uuid) -> Result<Option<Premises>> {
    let row = store.row(&format!("select {PREMISES} from panel_premises where id = ?"), params![id]).await?;
    row.as_ref().map(premises_of).transpose()
}

/// Several premises by id.
pub(crate) async fn premises_many(store: &Store, ids: &BTreeSet<Uuid>) -> Result<Vec<Premises>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("select {PREMISES} from panel_premises where id in ({})", dothi_store::marks(ids.len()));
    let rows = store.rows(&sql, ids.iter().map(|id| Param::from(*id)).collect()).await?;
    rows.iter().map(premises_of).collect()
}

/// Writes premises, new or changed.
pub(crate) async fn put_premises(tx: &mut Tx, p: &Premises) -> Result<()> {
    let sql = dothi_store::upsert("panel_premises", PREMISES, 1);
    let folded = dothi_kernel::text::fold(&format!("{} {} {}", p.code, p.name, p.address));
    let values = params![
        p.id,
        &p.code,
        &p.name,
        &p.kind,
        &p.address,
        &p.commune,
        &p.unit,
        p.location.map(|l| l.lon),
        p.location.map(|l| l.lat),
        &p.hazards,
        &p.water,
        &p.approach,
        Param::json(&p.zones)?,
        Param::json(&p.plans)?,
        folded,
        p.at,
        &p.by,
        p.version,
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// Who to call, and keys.
pub(crate) async fn private(store: &Store, premises: Uuid) -> Result<Private> {
    let row = store.row("select body from panel_private where premises = ?", params![premises]).await?;
    row.map_or_else(|| Ok(Private::default()), |r| r.json("body"))
}

/// Writes them.
pub(crate) async fn put_private(tx: &mut Tx, premises: Uuid, private: &Private) -> Result<()> {
    let sql = "insert into panel_private (premises, body) values (?, ?) on conflict (premises) do update set body = excluded.body";
    tx.exec(sql, params![premises, Param::json(private)?]).await.map(|_| ())
}

/// How many premises name a drawing.
pub(crate) async fn plan_users(tx: &mut Tx, sha256: &str) -> Result<i64> {
    let row = tx.row("select count(*) as n from panel_premises where plans like ?", params![format!("%{sha256}%")]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Premises with what is open there.
pub(crate) struct Found {
    pub premises: Premises,
    pub open: u32,
    pub rank: Option<i64>,
    pub confirmed: bool,
}

/// A list's conditions, joined by `and`.
#[derive(Default)]
pub(crate) struct Filter {
    parts: Vec<String>,
    params: Vec<Param>,
}

impl Filter {
    pub fn add(&mut self, part: &str, params: Vec<Param>) {
        self.parts.push(part.to_string());
        self.params.extend(params);
    }

    /// What belongs to these units, or to none.
    pub fn units(&mut self, column: &str, units: Option<&BTreeSet<String>>) {
        if let Some(units) = units {
            let marks = dothi_store::marks(units.len());
            self.add(&format!("({column} = '' or {column} in ({marks}))"), units.iter().map(Param::from).collect());
        }
    }

    pub fn sql(&self) -> String {
        if self.parts.is_empty() { String::new() } else { format!(" where {}", self.parts.join(" and ")) }
    }

    pub fn params(&self) -> Vec<Param> {
        self.params.clone()
    }
}

/// Premises by code, with what is open there.
pub(crate) async fn find_premises(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<Found>> {
    let columns: Vec<String> = PREMISES.split(',').map(|c| format!("p.{}", c.trim())).collect();
    let sql = format!(
        "select {}, coalesce(s.n, 0) as open_n, s.worst as worst, coalesce(s.confirmed, 0) as confirmed_n from panel_premises p left join \
         (select premises, cast(count(*) as bigint) as n, cast(max(rank) as bigint) as worst, \
          cast(sum(case when confirmed_at is null then 0 else 1 end) as bigint) as confirmed \
          from panel_signal where open = 1 and premises is not null group by premises) s on s.premises = p.id{} order by p.code limit ?",
        columns.join(", "),
        filter.sql()
    );
    let mut values = filter.params();
    values.push(Param::from(limit));
    let rows = store.rows(&sql, values).await?;
    rows.iter()
        .map(|r| {
            Ok(Found {
                premises: premises_of(r)?,
                open: small(r.opt_int("open_n")?).unwrap_or(0),
                rank: r.opt_int("worst")?,
                confirmed: r.int("confirmed_n")? > 0,
            })
        })
        .collect()
}
