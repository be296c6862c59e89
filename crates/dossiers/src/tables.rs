//! SQL of dossiers and their history.

use std::collections::BTreeMap;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, marks, params, places, upsert};

use crate::clock::Pause;
use crate::pack::DossiersPack;

/// The domain's schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration { domain: "dossiers", version: 1, sql: include_str!("schema.sql") },
    Migration { domain: "dossiers", version: 2, sql: crate::tables_polls::SCHEMA },
    Migration { domain: "dossiers", version: 3, sql: include_str!("schema_boards.sql") },
    Migration { domain: "dossiers", version: 4, sql: include_str!("schema_open.sql") },
];

/// A dossier as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dossier {
    pub code: String,
    pub source: String,
    pub procedure: String,
    pub unit: String,
    pub commune: String,
    pub channel: u32,
    pub state: u32,
    pub state_at: Timestamp,
    pub registered_at: Option<Timestamp>,
    pub received_at: Option<Timestamp>,
    /// Month of receipt (`2026-11`); empty when it was not received.
    pub month: String,
    pub appointed_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub returned_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub ended: bool,
    pub paused_since: Option<Timestamp>,
    pub pauses: Vec<Wait>,
    pub supplements: u32,
    pub last_supplement_at: Option<Timestamp>,
    pub slips: u32,
    pub promised_at: Option<Timestamp>,
    pub late: bool,
    pub late_at: Option<Timestamp>,
    pub late_why: Option<String>,
    /// Working half-days from receipt to end.
    pub took: Option<u32>,
    pub fee: i64,
    pub paid_at: Option<Timestamp>,
    pub paid_online: bool,
    pub electronic_result: bool,
    pub digitised: bool,
    pub reused: bool,
    pub online: bool,
    pub seen_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub fingerprint: String,
    pub version: i64,
}

/// A time during which the dossier waited for the citizen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Wait {
    pub from: Timestamp,
    pub to: Option<Timestamp>,
    /// A supplement was asked for; else a payment.
    pub supplement: bool,
}

impl Wait {
    pub fn pause(&self) -> Pause {
        (self.from, self.to)
    }
}

const COLUMNS: &str = "code, source, procedure, unit, commune, channel, state, state_at, registered_at, received_at, month, appointed_at, due_at, finished_at, \
    returned_at, ended_at, ended, paused_since, pauses, supplements, last_supplement_at, slips, promised_at, late, late_at, late_why, took, fee, paid_at, \
    paid_online, electronic_result, digitised, reused, online, seen_at, updated_at, fingerprint, version";

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

impl Dossier {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            code: row.text("code")?,
            source: row.text("source")?,
            procedure: row.text("procedure")?,
            unit: row.text("unit")?,
            commune: row.text("commune")?,
            channel: small(row.int("channel")?),
            state: small(row.int("state")?),
            state_at: row.time("state_at")?,
            registered_at: row.opt_time("registered_at")?,
            received_at: row.opt_time("received_at")?,
            month: row.text("month")?,
            appointed_at: row.opt_time("appointed_at")?,
            due_at: row.opt_time("due_at")?,
            finished_at: row.opt_time("finished_at")?,
            returned_at: row.opt_time("returned_at")?,
            ended_at: row.opt_time("ended_at")?,
            ended: row.flag("ended")?,
            paused_since: row.opt_time("paused_since")?,
            pauses: row.json("pauses")?,
            supplements: small(row.int("supplements")?),
            last_supplement_at: row.opt_time("last_supplement_at")?,
            slips: small(row.int("slips")?),
            promised_at: row.opt_time("promised_at")?,
            late: row.flag("late")?,
            late_at: row.opt_time("late_at")?,
            late_why: row.opt_text("late_why")?,
            took: row.opt_int("took")?.map(small),
            fee: row.int("fee")?,
            paid_at: row.opt_time("paid_at")?,
            paid_online: row.flag("paid_online")?,
            electronic_result: row.flag("electronic_result")?,
            digitised: row.flag("digitised")?,
            reused: row.flag("reused")?,
            online: row.flag("online")?,
            seen_at: row.time("seen_at")?,
            updated_at: row.opt_time("updated_at")?,
            fingerprint: row.text("fingerprint")?,
            version: row.int("version")?,
        })
    }

    fn params(&self) -> Result<Vec<Param>> {
        Ok(params![
            &self.code,
            &self.source,
            &self.procedure,
            &self.unit,
            &self.commune,
            self.channel,
            self.state,
            self.state_at,
            self.registered_at,
            self.received_at,
            &self.month,
            self.appointed_at,
            self.due_at,
            self.finished_at,
            self.returned_at,
            self.ended_at,
            self.ended,
            self.paused_since,
            Param::json(&self.pauses)?,
            self.supplements,
            self.last_supplement_at,
            self.slips,
            self.promised_at,
            self.late,
            self.late_at,
            self.late_why.as_deref(),
            self.took,
            self.fee,
            self.paid_at,
            self.paid_online,
            self.electronic_result,
            self.digitised,
            self.reused,
            self.online,
            self.seen_at,
            self.updated_at,
            &self.fingerprint,
            self.version,
        ])
    }
}

/// An entry of a dossier's history.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub code: String,
    /// Number within the dossier; 0 is given the next one.
    pub n: i64,
    pub at: Timestamp,
    pub noted_at: Timestamp,
    pub kind: &'static str,
    pub was: Option<String>,
    pub became: Option<String>,
    pub by: String,
}

/// An entry as it is read back.
pub(crate) struct LogRow {
    pub at: Timestamp,
    pub noted_at: Timestamp,
    pub kind: String,
    pub was: Option<String>,
    pub became: Option<String>,
    pub by: String,
}

/// All installed packs.
pub(crate) async fn packs(store: &Store) -> Result<Vec<DossiersPack>> {
    let rows = store.rows("select body from dossier_pack order by pack", params![]).await?;
    rows.iter().map(|r| r.json("body")).collect()
}

/// Keeps a pack's part.
pub(crate) async fn put_pack(tx: &mut Tx, pack: &str, part: &DossiersPack) -> Result<()> {
    let sql = "insert into dossier_pack (pack, body) values (?, ?) on conflict (pack) do update set body = excluded.body";
    tx.exec(sql, params![pack, Param::json(part)?]).await.map(|_| ())
}

/// The installation's secret; `fresh` the first time.
pub(crate) async fn secret(tx: &mut Tx, fresh: &str) -> Result<String> {
    tx.exec("insert into dossier_secret (id, secret) values (1, ?) on conflict (id) do nothing", params![fresh]).await?;
    let row = tx.row("select secret from dossier_secret where id = 1", params![]).await?;
    row.map_or_else(|| Ok(fresh.to_string()), |r| r.text("secret"))
}

/// Dossiers by code.
pub(crate) async fn existing(tx: &mut Tx, codes: &[&str]) -> Result<BTreeMap<String, Dossier>> {
    let mut found = BTreeMap::new();
    for chunk in codes.chunks(500) {
        let sql = format!("select {COLUMNS} from dossier where code in ({})", marks(chunk.len()));
        let rows = tx.rows(&sql, chunk.iter().map(|c| Param::from(*c)).collect()).await?;
        for row in &rows {
            let dossier = Dossier::read(row)?;
            found.insert(dossier.code.clone(), dossier);
        }
    }
    Ok(found)
}

/// One dossier.
pub(crate) async fn one(store: &Store, code: &str) -> Result<Option<Dossier>> {
    let row = store.row(&format!("select {COLUMNS} from dossier where code = ?"), params![code]).await?;
    row.as_ref().map(Dossier::read).transpose()
}

/// Writes dossiers, new or changed.
pub(crate) async fn put(tx: &mut Tx, dossiers: &[Dossier]) -> Result<()> {
    for chunk in dossiers.chunks(200) {
        let mut values = Vec::new();
        for dossier in chunk {
            values.extend(dossier.params()?);
        }
        tx.exec(&upsert("dossier", COLUMNS, chunk.len()), values).await?;
    }
    Ok(())
}

/// Writes what is known of applicants; nothing known changes nothing.
pub(crate) async fn put_applicants(tx: &mut Tx, rows: &[(String, Option<String>, Option<String>)]) -> Result<()> {
    for chunk in rows.chunks(500) {
        let sql = format!(
            "insert into dossier_applicant (code, name, second) values {} on conflict (code) do update set \
             name = coalesce(excluded.name, dossier_applicant.name), second = coalesce(excluded.second, dossier_applicant.second)",
            places(chunk.len(), 3)
        );
        let values = chunk.iter().flat_map(|(code, name, second)| params![code, name.as_deref(), second.as_deref()]).collect();
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// An applicant's name, and the keyed hash that the second fact is compared with.
pub(crate) async fn applicant(store: &Store, code: &str) -> Result<Option<(Option<String>, Option<String>)>> {
    let row = store.row("select name, second from dossier_applicant where code = ?", params![code]).await?;
    row.map(|r| Ok((r.opt_text("name")?, r.opt_text("second")?))).transpose()
}

/// Writes history. Entries of one dossier are numbered in the order given.
pub(crate) async fn put_log(tx: &mut Tx, mut entries: Vec<Entry>, fresh: &std::collections::BTreeSet<String>) -> Result<()> {
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    let mut old: Vec<String> = entries.iter().filter(|e| !fresh.contains(&e.code)).map(|e| e.code.clone()).collect();
    old.sort();
    old.dedup();
    for chunk in old.chunks(500) {
        let sql = format!("select code, max(n) as n from dossier_log where code in ({}) group by code", marks(chunk.len()));
        for row in tx.rows(&sql, chunk.iter().map(Param::from).collect()).await? {
            next.insert(row.text("code")?, row.int("n")?);
        }
    }
    for entry in &mut entries {
        let n = next.entry(entry.code.clone()).or_insert(0);
        *n += 1;
        entry.n = *n;
    }
    for chunk in entries.chunks(500) {
        let sql = format!("insert into dossier_log (code, n, at, noted_at, kind, was, became, by_name) values {}", places(chunk.len(), 8));
        let values = chunk.iter().flat_map(|e| params![&e.code, e.n, e.at, e.noted_at, e.kind, e.was.as_deref(), e.became.as_deref(), &e.by]).collect();
        tx.exec(&sql, values).await?;
    }
    Ok(())
}

/// A dossier's history, newest first, at most `limit` entries.
pub(crate) async fn log(store: &Store, code: &str, limit: usize) -> Result<Vec<LogRow>> {
    let sql = "select at, noted_at, kind, was, became, by_name from dossier_log where code = ? order by n desc limit ?";
    let rows = store.rows(sql, params![code, limit]).await?;
    let read = |r: &Row| {
        Ok(LogRow {
            at: r.time("at")?,
            noted_at: r.time("noted_at")?,
            kind: r.text("kind")?,
            was: r.opt_text("was")?,
            became: r.opt_text("became")?,
            by: r.text("by_name")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Open dossiers whose deadline is over and that nobody wrote down as late, by deadline.
pub(crate) async fn newly_late(tx: &mut Tx, now: Timestamp, limit: usize) -> Result<Vec<Dossier>> {
    let sql = format!(
        "select {COLUMNS} from dossier where ended = 0 and late = 0 and paused_since is null and due_at is not null and due_at < ? order by due_at limit ?"
    );
    let rows = tx.rows(&sql, params![now, limit]).await?;
    rows.iter().map(Dossier::read).collect()
}

/// The next deadline of a dossier that runs and is not late.
pub(crate) async fn next_deadline(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let sql = "select min(due_at) as due from dossier where ended = 0 and late = 0 and paused_since is null and due_at is not null";
    tx.row(sql, params![]).await?.map_or(Ok(None), |r| r.opt_time("due"))
}

/// Which dossiers a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    sql: Vec<String>,
    params: Vec<Param>,
}

impl Filter {
    pub fn add(&mut self, condition: &str, params: Vec<Param>) {
        self.sql.push(condition.to_string());
        self.params.extend(params);
    }

    /// Only these units; none = all of them.
    pub fn units(&mut self, units: Option<&std::collections::BTreeSet<String>>) {
        if let Some(units) = units {
            // An empty set must find nothing, not fail.
            let list: Vec<Param> = units.iter().map(Param::from).collect();
            let condition = if list.is_empty() { "1 = 0".to_string() } else { format!("unit in ({})", marks(list.len())) };
            self.add(&condition, list);
        }
    }

    fn clause(&self) -> String {
        if self.sql.is_empty() { "1 = 1".into() } else { self.sql.join(" and ") }
    }
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nearest deadline first.
    Due,
    /// Newest first.
    Received,
}

/// A page of dossiers; `after` is the last row's instant and code.
pub(crate) async fn list(store: &Store, filter: &Filter, order: Order, after: Option<(Timestamp, &str)>, limit: usize) -> Result<Vec<Dossier>> {
    let mut filter = filter.clone();
    let (column, direction, sign) = match order {
        Order::Due => ("due_at", "asc", ">"),
        Order::Received => ("received_at", "desc", "<"),
    };
    if let Some((at, code)) = after {
        filter.add(&format!("({column} {sign} ? or ({column} = ? and code {sign} ?))"), params![at, at, code]);
        filter.add(&format!("{column} {sign}= ?"), params![at]);
    }
    let sql = format!("select {COLUMNS} from dossier where {} order by {column} {direction}, code {direction} limit ?", filter.clause());
    let mut values = filter.params;
    values.extend(params![limit]);
    let rows = store.rows(&sql, values).await?;
    rows.iter().map(Dossier::read).collect()
}

/// A slip as stored.
pub(crate) struct SlipRow {
    pub n: i64,
    pub at: Timestamp,
    pub promised_at: Timestamp,
    pub was_due_at: Option<Timestamp>,
    pub reason: String,
    pub by: String,
}

/// Keeps an apology slip.
pub(crate) async fn put_slip(tx: &mut Tx, code: &str, slip: &SlipRow) -> Result<()> {
    let sql = "insert into dossier_slip (code, n, at, promised_at, was_due_at, reason, by_name) values (?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![code, slip.n, slip.at, slip.promised_at, slip.was_due_at, &slip.reason, &slip.by]).await.map(|_| ())
}

/// A dossier's apology slips.
pub(crate) async fn slips(store: &Store, code: &str) -> Result<Vec<SlipRow>> {
    let rows = store.rows("select n, at, promised_at, was_due_at, reason, by_name from dossier_slip where code = ? order by n limit 20", params![code]).await?;
    let read = |r: &Row| {
        Ok(SlipRow {
            n: r.int("n")?,
            at: r.time("at")?,
            promised_at: r.time("promised_at")?,
            was_due_at: r.opt_time("was_due_at")?,
            reason: r.text("reason")?,
            by: r.text("by_name")?,
        })
    };
    rows.iter().map(read).collect()
}
