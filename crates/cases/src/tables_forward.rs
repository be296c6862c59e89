//! SQL of cases that another system works on.

use std::collections::BTreeMap;

use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Other systems, what was handed to them, and what they said.
pub(crate) const SCHEMA: &str = "create table case_peer (
  id TEXT not null primary key, name TEXT not null, url TEXT not null, jurisdiction TEXT, api_key TEXT not null, format TEXT not null,
  services TEXT not null, repeats BIGINT not null, poll_minutes BIGINT not null, active BIGINT not null, made_by TEXT not null, at BIGINT not null
);
create table case_forward (
  id TEXT not null primary key, case_id TEXT not null references case_main (id), peer TEXT not null references case_peer (id), service_code TEXT not null,
  state TEXT not null, tries BIGINT not null, due_at BIGINT not null, locked_until BIGINT not null, outside_id TEXT, token TEXT, reason TEXT,
  status TEXT, notes TEXT, first_try BIGINT, sent_at BIGINT, checked_at BIGINT, ended_at BIGINT, by_name TEXT not null, at BIGINT not null
);
create index case_forward_due on case_forward (state, due_at);
create index case_forward_case on case_forward (case_id);
create index case_forward_peer on case_forward (peer, state);
create table case_forward_seen (forward TEXT not null, update_id TEXT not null, primary key (forward, update_id));";

/// How one of our categories is called there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Open311Service)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Our category.
    pub category: String,
    /// Their service.
    pub service_code: String,
    /// Whether every case of the category goes there by itself, once the centre has accepted it.
    #[serde(default)]
    pub auto: bool,
    /// Answers to questions that the service requires, the same for every case.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Another system, with its secret.
#[derive(Clone)]
pub(crate) struct PeerRecord {
    pub id: Uuid,
    pub name: String,
    pub url: String,
    pub jurisdiction: Option<String>,
    pub api_key: String,
    pub format: String,
    pub services: Vec<Mapping>,
    pub repeats: bool,
    pub poll_minutes: u32,
    pub active: bool,
    pub made_by: String,
    pub at: Timestamp,
}

fn peer_of(r: &Row) -> Result<PeerRecord> {
    Ok(PeerRecord {
        id: r.uuid("id")?,
        name: r.text("name")?,
        url: r.text("url")?,
        jurisdiction: r.opt_text("jurisdiction")?,
        api_key: r.text("api_key")?,
        format: r.text("format")?,
        services: r.json("services")?,
        repeats: r.flag("repeats")?,
        poll_minutes: u32::try_from(r.int("poll_minutes")?).unwrap_or(10),
        active: r.flag("active")?,
        made_by: r.text("made_by")?,
        at: r.time("at")?,
    })
}

/// All other systems, by name; at most 200.
pub(crate) async fn peers(store: &Store) -> Result<Vec<PeerRecord>> {
    store.rows("select * from case_peer order by name, id limit 200", params![]).await?.iter().map(peer_of).collect()
}

/// One of them.
pub(crate) async fn peer(store: &Store, id: Uuid) -> Result<Option<PeerRecord>> {
    store.row("select * from case_peer where id = ?", params![id]).await?.as_ref().map(peer_of).transpose()
}

/// Keeps one, new or changed.
pub(crate) async fn put_peer(tx: &mut Tx, p: &PeerRecord) -> Result<()> {
    tx.exec(
        "insert into case_peer (id, name, url, jurisdiction, api_key, format, services, repeats, poll_minutes, active, made_by, at) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set name = excluded.name, url = excluded.url, \
         jurisdiction = excluded.jurisdiction, api_key = excluded.api_key, format = excluded.format, services = excluded.services, \
         repeats = excluded.repeats, poll_minutes = excluded.poll_minutes, active = excluded.active",
        params![
            p.id,
            &p.name,
            &p.url,
            p.jurisdiction.as_deref(),
            &p.api_key,
            &p.format,
            Param::json(&p.services)?,
            p.repeats,
            p.poll_minutes,
            p.active,
            &p.made_by,
            p.at
        ],
    )
    .await?;
    Ok(())
}

/// A case in another system's hands.
#[derive(Clone)]
pub(crate) struct ForwardRecord {
    pub id: Uuid,
    pub case: Uuid,
    pub peer: Uuid,
    pub service_code: String,
    pub state: String,
    /// The state as it is in the table.
    pub stored: String,
    pub tries: u32,
    pub due_at: Timestamp,
    pub outside_id: Option<String>,
    pub token: Option<String>,
    pub reason: Option<String>,
    pub status: Option<String>,
    pub notes: Option<String>,
    pub first_try: Option<Timestamp>,
    pub sent_at: Option<Timestamp>,
    pub checked_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub by: String,
    pub at: Timestamp,
}

fn forward_of(r: &Row) -> Result<ForwardRecord> {
    Ok(ForwardRecord {
        id: r.uuid("id")?,
        case: r.uuid("case_id")?,
        peer: r.uuid("peer")?,
        service_code: r.text("service_code")?,
        state: r.text("state")?,
        stored: r.text("state")?,
        tries: u32::try_from(r.int("tries")?).unwrap_or(0),
        due_at: r.time("due_at")?,
        outside_id: r.opt_text("outside_id")?,
        token: r.opt_text("token")?,
        reason: r.opt_text("reason")?,
        status: r.opt_text("status")?,
        notes: r.opt_text("notes")?,
        first_try: r.opt_time("first_try")?,
        sent_at: r.opt_time("sent_at")?,
        checked_at: r.opt_time("checked_at")?,
        ended_at: r.opt_time("ended_at")?,
        by: r.text("by_name")?,
        at: r.time("at")?,
    })
}

/// Puts a new hand-over in.
pub(crate) async fn insert(tx: &mut Tx, f: &ForwardRecord) -> Result<()> {
    tx.exec(
        "insert into case_forward (id, case_id, peer, service_code, state, tries, due_at, locked_until, by_name, at) values (?, ?, ?, ?, ?, 0, ?, 0, ?, ?)",
        params![f.id, f.case, f.peer, &f.service_code, &f.state, f.due_at, &f.by, f.at],
    )
    .await?;
    Ok(())
}

/// Writes down how one stands, and lets go of it; false, and nothing is written, when somebody else decided meanwhile.
pub(crate) async fn update(tx: &mut Tx, f: &ForwardRecord) -> Result<bool> {
    let written = tx
        .exec(
            "update case_forward set state = ?, tries = ?, due_at = ?, locked_until = 0, outside_id = ?, token = ?, reason = ?, status = ?, notes = ?, \
             first_try = ?, sent_at = ?, checked_at = ?, ended_at = ? where id = ? and state = ?",
            params![
                &f.state,
                f.tries,
                f.due_at,
                f.outside_id.as_deref(),
                f.token.as_deref(),
                f.reason.as_deref(),
                f.status.as_deref(),
                f.notes.as_deref(),
                f.first_try,
                f.sent_at,
                f.checked_at,
                f.ended_at,
                f.id,
                &f.stored
            ],
        )
        .await?;
    Ok(written == 1)
}

/// Writes down under which id one exists there, however it stands here.
pub(crate) async fn set_outside(tx: &mut Tx, id: Uuid, outside: &str) -> Result<()> {
    tx.exec("update case_forward set outside_id = ? where id = ?", params![outside, id]).await?;
    Ok(())
}

/// Takes one for a while when it still stands as it was seen; false when somebody else was faster.
pub(crate) async fn take(tx: &mut Tx, f: &ForwardRecord, until: Timestamp) -> Result<bool> {
    let now = tx.now();
    let taken =
        tx.exec("update case_forward set locked_until = ? where id = ? and state = ? and locked_until <= ?", params![until, f.id, &f.state, now]).await?;
    Ok(taken == 1)
}

/// What is due.
pub(crate) async fn due(store: &Store, now: Timestamp, limit: usize) -> Result<Vec<ForwardRecord>> {
    let rows = store
        .rows(
            "select * from case_forward where state in ('waiting', 'unsure', 'token', 'open') and due_at <= ? and locked_until <= ? order by due_at, id limit ?",
            params![now, now, limit],
        )
        .await?;
    rows.iter().map(forward_of).collect()
}

/// One of them, inside a change.
pub(crate) async fn forward_in(tx: &mut Tx, id: Uuid) -> Result<ForwardRecord> {
    let row = tx.row("select * from case_forward where id = ?", params![id]).await?;
    forward_of(&row.ok_or_else(|| Error::not_found("case.forward.unknown", "There is no such hand-over."))?)
}

/// Hand-overs of a case, newest first.
pub(crate) async fn of_case(store: &Store, case: Uuid) -> Result<Vec<ForwardRecord>> {
    store.rows("select * from case_forward where case_id = ? order by at desc, id limit 50", params![case]).await?.iter().map(forward_of).collect()
}

/// The same inside a change.
pub(crate) async fn of_case_in(tx: &mut Tx, case: Uuid) -> Result<Vec<ForwardRecord>> {
    tx.rows("select * from case_forward where case_id = ? order by at desc, id limit 50", params![case]).await?.iter().map(forward_of).collect()
}

/// Hand-overs in a state (all that have not ended when none is named), oldest first; with the case's code.
pub(crate) async fn listed(store: &Store, state: Option<&str>, after: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<(ForwardRecord, String)>> {
    let mut sql = "select f.*, m.code as code from case_forward f join case_main m on m.id = f.case_id where ".to_string();
    let mut values: Vec<Param> = Vec::new();
    match state {
        Some(state) => {
            sql.push_str("f.state = ?");
            values.push(Param::from(state));
        }
        None => sql.push_str("f.ended_at is null"),
    }
    if let Some((at, id)) = after {
        sql.push_str(" and (f.at > ? or (f.at = ? and f.id > ?))");
        values.extend(params![at, at, id]);
    }
    sql.push_str(" order by f.at, f.id limit ?");
    values.push(Param::from(limit));
    store.rows(&sql, values).await?.iter().map(|r| Ok((forward_of(r)?, r.text("code")?))).collect()
}

/// Notes that an update was seen; false when it was before.
pub(crate) async fn see(tx: &mut Tx, forward: Uuid, update: &str) -> Result<bool> {
    let fresh = tx
        .exec("insert into case_forward_seen (forward, update_id) values (?, ?) on conflict (forward, update_id) do nothing", params![forward, update])
        .await?;
    Ok(fresh == 1)
}
