//! The only SQL of the domain.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::flow::Phase;
use dothi_kernel::geo::{BBox, Point};
use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{Migration, Param, Row, Store, Tx, marks, params};
use uuid::Uuid;

use crate::clock::CaseClock;
use crate::model::{Contact, RoutingTrace};
use crate::pack::CaseType;
use crate::photos::Photo;
use crate::text;

/// The domain's schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration { domain: "cases", version: 1, sql: include_str!("schema.sql") },
    Migration { domain: "cases", version: 2, sql: WORK },
    Migration { domain: "cases", version: 3, sql: crate::tables_open311::SCHEMA },
    Migration { domain: "cases", version: 4, sql: crate::tables_routing::SCHEMA },
    Migration { domain: "cases", version: 5, sql: crate::tables_intake::SCHEMA },
    Migration { domain: "cases", version: 6, sql: crate::tables_work::SCHEMA },
    Migration { domain: "cases", version: 7, sql: crate::tables_upkeep::SCHEMA },
    Migration { domain: "cases", version: 8, sql: crate::tables_suggest::SCHEMA },
    Migration { domain: "cases", version: 9, sql: crate::tables_forward::SCHEMA },
    Migration { domain: "cases", version: 10, sql: crate::tables_consent::SCHEMA },
    Migration { domain: "cases", version: 11, sql: crate::tables_media::SCHEMA },
    Migration { domain: "cases", version: 12, sql: OPEN },
    Migration { domain: "cases", version: 13, sql: crate::tables_uploads::SCHEMA },
    Migration { domain: "cases", version: 14, sql: crate::tables_work::ALARMS },
];

/// Parts of a case, since when a unit has it, and who was told that its deadline is near.
const WORK: &str = "alter table case_main add column parent TEXT;
alter table case_main add column unit_since BIGINT;
alter table case_main add column escalated TEXT;
create index case_main_parent on case_main (parent);
create index case_main_escalated on case_main (escalated);";

/// Open cases are found by deadline and counted in an index alone. The index of ended ones no longer holds them: SQLite took it for
/// "not closed" and sorted all that is open.
const OPEN: &str = "drop index case_main_closed;
create index case_main_closed on case_main (closed_at) where closed_at is not null;
drop index case_main_unit_open;
create index case_main_unit_open on case_main (unit, due_at, id, running_since, assignee, state, escalated, closed_at) where closed_at is null;";

/// A case as stored.
#[derive(Debug, Clone)]
pub(crate) struct CaseRecord {
    pub id: Uuid,
    pub code: String,
    pub kind: String,
    pub type_version: u32,
    pub category: String,
    pub topic: Option<String>,
    pub urgency: String,
    pub text: String,
    pub answers: BTreeMap<String, String>,
    pub state: String,
    pub phase: Phase,
    pub unit: String,
    pub area: Option<String>,
    pub area_name: Option<String>,
    pub address: Option<String>,
    pub location: Option<Point>,
    pub source: String,
    pub opened_at: Timestamp,
    pub state_since: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub on_time: Option<bool>,
    pub clock: CaseClock,
    pub stopped: bool,
    pub extended: bool,
    pub planned_for: Option<String>,
    pub assignee: Option<String>,
    pub published: bool,
    pub public_text: Option<String>,
    pub listed: bool,
    pub draft: Option<String>,
    pub answer: Option<String>,
    pub answered_at: Option<Timestamp>,
    pub stars: Option<u8>,
    pub rating_comment: Option<String>,
    pub followers: u32,
    pub merged_into: Option<String>,
    pub routing: RoutingTrace,
    pub key_hash: String,
    pub version: i64,
    /// The case that this one is a part of.
    pub parent: Option<Uuid>,
    /// Since when the unit has it.
    pub unit_since: Timestamp,
    /// Who beside the handler was told about the deadline: `approver` or `centre`.
    pub escalated: Option<String>,
    /// How often the reporter asked to look again.
    pub reopened: u32,
    /// Whether only its kind and state are public.
    pub private: bool,
    /// Codes of what was noticed in the words, with a comma after each.
    pub flags: String,
}

/// A log row as stored.
#[derive(Debug, Clone)]
pub(crate) struct LogRecord {
    pub at: Timestamp,
    pub by_id: Option<Uuid>,
    pub by_name: String,
    pub step: String,
    pub from: String,
    pub to: String,
    pub unit: String,
    pub note: Option<String>,
    pub reason: Option<String>,
    pub public_text: Option<String>,
    pub photos: Vec<String>,
    pub late_minutes: u32,
}

impl LogRecord {
    /// An entry that leaves the case in its state.
    pub fn of(case: &CaseRecord, at: Timestamp, by: &str) -> Self {
        Self {
            at,
            by_id: None,
            by_name: by.to_string(),
            step: String::new(),
            from: case.state.clone(),
            to: case.state.clone(),
            unit: case.unit.clone(),
            note: None,
            reason: None,
            public_text: None,
            photos: Vec::new(),
            late_minutes: 0,
        }
    }
}

/// A photo row as stored.
#[derive(Debug, Clone)]
pub(crate) struct PhotoRecord {
    pub case: Uuid,
    pub sha: String,
    pub thumb: String,
    pub stage: String,
    pub public: bool,
    pub width: u32,
    pub height: u32,
    /// What is to be masked; none for photos from before masks were known.
    pub mask: Option<crate::tables_media::MaskRecord>,
}

/// A phase's name on the wire.
pub(crate) fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Working => "working",
        Phase::Waiting => "waiting",
        Phase::Solved => "solved",
        Phase::Unsolved => "unsolved",
    }
}

/// A phase from its name on the wire. 400 `case.phase`.
pub(crate) fn phase_of(text: &str) -> Result<Phase> {
    Ok(match text {
        "open" => Phase::Open,
        "working" => Phase::Working,
        "waiting" => Phase::Waiting,
        "solved" => Phase::Solved,
        "unsolved" => Phase::Unsolved,
        _ => return Err(Error::invalid("case.phase", "A phase is open, working, waiting, solved or unsolved.")),
    })
}

fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

impl CaseRecord {
    fn read(row: &Row) -> Result<Self> {
        let location = match (row.opt_real("lon")?, row.opt_real("lat")?) {
            (Some(lon), Some(lat)) => Some(Point { lon, lat }),
            _ => None,
        };
        let clock = CaseClock {
            total: small(row.int("total_minutes")?),
            used: small(row.int("used_minutes")?),
            since: row.opt_time("running_since")?,
            due: row.time("due_at")?,
            reminded: u16::try_from(row.int("reminded")?).unwrap_or(0),
        };
        Ok(Self {
            id: row.uuid("id")?,
            code: row.text("code")?,
            kind: row.text("kind")?,
            type_version: small(row.int("type_version")?),
            category: row.text("category")?,
            topic: row.opt_text("topic")?,
            urgency: row.text("urgency")?,
            text: row.text("body")?,
            answers: row.json("answers")?,
            state: row.text("state")?,
            phase: phase_of(&row.text("phase")?)?,
            unit: row.text("unit")?,
            area: row.opt_text("area")?,
            area_name: row.opt_text("area_name")?,
            address: row.opt_text("address")?,
            location,
            source: row.text("source")?,
            opened_at: row.time("opened_at")?,
            state_since: row.time("state_since")?,
            closed_at: row.opt_time("closed_at")?,
            on_time: row.opt_int("on_time")?.map(|v| v != 0),
            clock,
            stopped: row.flag("stopped")?,
            extended: row.flag("extended")?,
            planned_for: row.opt_text("planned_for")?,
            assignee: row.opt_text("assignee")?,
            published: row.flag("published")?,
            public_text: row.opt_text("public_text")?,
            listed: row.flag("listed")?,
            draft: row.opt_text("draft")?,
            answer: row.opt_text("answer")?,
            answered_at: row.opt_time("answered_at")?,
            stars: row.opt_int("stars")?.and_then(|s| u8::try_from(s).ok()),
            rating_comment: row.opt_text("rating_comment")?,
            followers: small(row.int("followers")?),
            merged_into: row.opt_text("merged_into")?,
            routing: row.json("routing")?,
            key_hash: row.text("key_hash")?,
            version: row.int("version")?,
            parent: row.opt_uuid("parent")?,
            unit_since: row.opt_time("unit_since")?.map_or_else(|| row.time("opened_at"), Ok)?,
            escalated: row.opt_text("escalated")?,
            reopened: small(row.int("reopened")?),
            private: row.flag("private")?,
            flags: row.text("flags")?,
        })
    }

    /// The columns that a change may touch, in the order of [`MUTABLE`].
    fn mutable(&self, public_folded: &str) -> Result<Vec<Param>> {
        Ok(params![
            &self.category,
            self.topic.as_deref(),
            &self.urgency,
            &self.state,
            phase_text(self.phase),
            &self.unit,
            self.state_since,
            self.closed_at,
            self.on_time,
            self.clock.total,
            self.clock.used,
            self.clock.since,
            self.clock.due,
            i64::from(self.clock.reminded),
            self.stopped,
            self.extended,
            self.planned_for.as_deref(),
            self.assignee.as_deref(),
            self.published,
            self.public_text.as_deref(),
            self.listed,
            self.draft.as_deref(),
            self.answer.as_deref(),
            self.answered_at,
            self.stars.map(i64::from),
            self.rating_comment.as_deref(),
            self.merged_into.as_deref(),
            Param::json(&self.routing)?,
            public_folded,
            self.unit_since,
            self.escalated.as_deref(),
            self.reopened,
        ])
    }
}

const MUTABLE: [&str; 32] = [
    "category",
    "topic",
    "urgency",
    "state",
    "phase",
    "unit",
    "state_since",
    "closed_at",
    "on_time",
    "total_minutes",
    "used_minutes",
    "running_since",
    "due_at",
    "reminded",
    "stopped",
    "extended",
    "planned_for",
    "assignee",
    "published",
    "public_text",
    "listed",
    "draft",
    "answer",
    "answered_at",
    "stars",
    "rating_comment",
    "merged_into",
    "routing",
    "public_folded",
    "unit_since",
    "escalated",
    "reopened",
];

/// Inserts a new case.
pub(crate) async fn insert_case(tx: &mut Tx, case: &CaseRecord, folded: &str, public_folded: &str) -> Result<()> {
    let fixed = "id, code, kind, type_version, body, answers, area, area_name, address, lon, lat, source, opened_at, followers, key_hash, version, folded, parent, private, flags, touched";
    let sql = format!("insert into case_main ({fixed}, {}) values ({})", MUTABLE.join(", "), dothi_store::marks(21 + MUTABLE.len()));
    let mut values = params![
        case.id,
        &case.code,
        &case.kind,
        case.type_version,
        &case.text,
        Param::json(&case.answers)?,
        case.area.as_deref(),
        case.area_name.as_deref(),
        case.address.as_deref(),
        case.location.map(|p| p.lon),
        case.location.map(|p| p.lat),
        &case.source,
        case.opened_at,
        case.followers,
        &case.key_hash,
        case.version,
        folded,
        case.parent,
        case.private,
        &case.flags,
        tx.now(),
    ];
    values.extend(case.mutable(public_folded)?);
    tx.put(sql, values).await
}

/// Writes a changed case when nobody else did since `case.version`; the row's version grows by one. 409 `case.version`.
pub(crate) async fn update_case(tx: &mut Tx, case: &CaseRecord, public_folded: &str) -> Result<()> {
    let sets: Vec<String> = MUTABLE.iter().map(|c| format!("{c} = ?")).collect();
    let sql = format!("update case_main set {}, touched = ?, version = version + 1 where id = ? and version = ?", sets.join(", "));
    let mut values = case.mutable(public_folded)?;
    values.extend(params![tx.now(), case.id, case.version]);
    if tx.exec(&sql, values).await? == 1 { Ok(()) } else { Err(stale()) }
}

/// Writes down which reminder was given; nobody's next move is disturbed by it.
pub(crate) async fn note_reminded(tx: &mut Tx, case: &CaseRecord) -> Result<()> {
    tx.exec(
        "update case_main set reminded = ?, escalated = ? where id = ? and version = ?",
        params![i64::from(case.clock.reminded), case.escalated.as_deref(), case.id, case.version],
    )
    .await?;
    Ok(())
}

/// Somebody else changed the case meanwhile.
pub(crate) fn stale() -> Error {
    Error::conflict("case.version", "Somebody changed this case meanwhile. Look at it again.")
}

/// A case that is not there.
pub(crate) fn unknown() -> Error {
    Error::not_found("case.unknown", "There is no such case.")
}

/// A case inside a change that will write to it or its log. Writing the row first holds it (PostgreSQL), so that whoever comes
/// second waits and then sees what the first one did.
pub(crate) async fn case_in(tx: &mut Tx, id: Uuid) -> Result<Option<CaseRecord>> {
    tx.exec("update case_main set version = version where id = ?", params![id]).await?;
    tx.row("select * from case_main where id = ?", params![id]).await?.map(|r| CaseRecord::read(&r)).transpose()
}

/// A case by public code, inside a change.
pub(crate) async fn case_by_code_in(tx: &mut Tx, code: &str) -> Result<Option<CaseRecord>> {
    tx.row("select * from case_main where code = ?", params![text::normal_code(code)]).await?.map(|r| CaseRecord::read(&r)).transpose()
}

/// A case by id.
pub(crate) async fn case(store: &Store, id: Uuid) -> Result<Option<CaseRecord>> {
    store.row("select * from case_main where id = ?", params![id]).await?.map(|r| CaseRecord::read(&r)).transpose()
}

/// Cases with the mail addresses that were given with them, in any order; those that are not there are left out.
pub(crate) async fn cases_with_mail(store: &Store, ids: &[Uuid]) -> Result<Vec<(CaseRecord, Option<String>)>> {
    let sql =
        format!("select m.*, r.email as reporter_email from case_main m left join case_reporter r on r.case_id = m.id where m.id in ({})", marks(ids.len()));
    let rows = store.rows(&sql, ids.iter().map(|id| Param::from(*id)).collect()).await?;
    rows.iter().map(|r| Ok((CaseRecord::read(r)?, r.opt_text("reporter_email")?))).collect()
}

/// A case by public code.
pub(crate) async fn case_by_code(store: &Store, code: &str) -> Result<Option<CaseRecord>> {
    store.row("select * from case_main where code = ?", params![text::normal_code(code)]).await?.map(|r| CaseRecord::read(&r)).transpose()
}

/// Whether a public code is taken; and how often a sender sent something since an instant.
pub(crate) async fn code_taken(tx: &mut Tx, code: &str, sender: Option<(&str, Timestamp)>) -> Result<(bool, i64)> {
    let (who, since) = sender.unwrap_or(("", Timestamp::MAX));
    let sql = "select (select count(*) from case_main where code = ?) as taken, \
               (select count(*) from case_flood where who = ? and at > ?) as sent";
    let row = tx.row(sql, params![code, who, since]).await?.ok_or_else(|| Error::internal("looking for a code", "no answer"))?;
    Ok((row.int("taken")? > 0, row.int("sent")?))
}

/// Keeps who reported, apart from the case.
pub(crate) async fn insert_reporter(tx: &mut Tx, case: Uuid, person: Option<Uuid>, contact: &Contact) -> Result<()> {
    tx.put(
        "insert into case_reporter (case_id, person, name, phone, email) values (?, ?, ?, ?, ?)",
        params![case, person, contact.name.as_deref(), contact.phone.as_deref(), contact.email.as_deref()],
    )
    .await
}

fn reporter(row: Option<Row>) -> Result<(Option<Uuid>, Contact)> {
    let Some(row) = row else { return Ok((None, Contact::default())) };
    Ok((row.opt_uuid("person")?, Contact { name: row.opt_text("name")?, phone: row.opt_text("phone")?, email: row.opt_text("email")? }))
}

/// Account and contact data of the reporter.
pub(crate) async fn reporter_of(store: &Store, case: Uuid) -> Result<(Option<Uuid>, Contact)> {
    reporter(store.row("select * from case_reporter where case_id = ?", params![case]).await?)
}

/// The same inside a change.
pub(crate) async fn reporter_in(tx: &mut Tx, case: Uuid) -> Result<(Option<Uuid>, Contact)> {
    reporter(tx.row("select * from case_reporter where case_id = ?", params![case]).await?)
}

/// Appends to a case's log.
pub(crate) async fn insert_log(tx: &mut Tx, case: Uuid, log: &LogRecord) -> Result<()> {
    tx.put(
        "insert into case_log (case_id, n, at, by_id, by_name, step, from_state, to_state, unit, note, reason, public_text, photos, late_minutes) \
         values (?, (select coalesce(max(n), 0) + 1 from case_log where case_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            case,
            case,
            log.at,
            log.by_id,
            &log.by_name,
            &log.step,
            &log.from,
            &log.to,
            &log.unit,
            log.note.as_deref(),
            log.reason.as_deref(),
            log.public_text.as_deref(),
            Param::json(&log.photos)?,
            log.late_minutes,
        ],
    )
    .await
}

fn read_log(row: &Row) -> Result<LogRecord> {
    Ok(LogRecord {
        at: row.time("at")?,
        by_id: row.opt_uuid("by_id")?,
        by_name: row.text("by_name")?,
        step: row.text("step")?,
        from: row.text("from_state")?,
        to: row.text("to_state")?,
        unit: row.text("unit")?,
        note: row.opt_text("note")?,
        reason: row.opt_text("reason")?,
        public_text: row.opt_text("public_text")?,
        photos: row.json("photos")?,
        late_minutes: small(row.int("late_minutes")?),
    })
}

/// A case's log, oldest first; the newest 500 entries.
pub(crate) async fn log_of(store: &Store, case: Uuid) -> Result<Vec<LogRecord>> {
    let rows = store.rows("select * from case_log where case_id = ? order by n desc limit 500", params![case]).await?;
    rows.iter().rev().map(read_log).collect()
}

/// Who last made a move on a case.
pub(crate) async fn last_maker(tx: &mut Tx, case: Uuid, step: &str) -> Result<Option<Uuid>> {
    let row = tx.row("select by_id from case_log where case_id = ? and step = ? order by n desc limit 1", params![case, step]).await?;
    row.map_or(Ok(None), |r| r.opt_uuid("by_id"))
}

/// Vouches for photos and ties them to a case.
pub(crate) async fn insert_photos(tx: &mut Tx, case: Uuid, stage: &str, photos: &[Photo]) -> Result<()> {
    for photo in photos {
        tx.attach(&photo.full).await?;
        tx.attach(&photo.thumb).await?;
        tx.put(
            "insert into case_photo (case_id, sha256, thumb, stage, public, width, height, at) values (?, ?, ?, ?, 0, ?, ?, ?) on conflict (case_id, sha256) do nothing",
            params![case, &photo.full.sha256, &photo.thumb.sha256, stage, photo.width, photo.height, tx.now()],
        )
        .await?;
    }
    Ok(())
}

/// A photo's row.
pub(crate) fn read_photo(row: &Row) -> Result<PhotoRecord> {
    Ok(PhotoRecord {
        case: row.uuid("case_id")?,
        sha: row.text("sha256")?,
        thumb: row.text("thumb")?,
        stage: row.text("stage")?,
        public: row.flag("public")?,
        width: small(row.int("width")?),
        height: small(row.int("height")?),
        mask: None,
    })
}

/// Photos of cases.
pub(crate) async fn photos_of(store: &Store, cases: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<PhotoRecord>>> {
    let mut found: BTreeMap<Uuid, Vec<PhotoRecord>> = BTreeMap::new();
    if cases.is_empty() {
        return Ok(found);
    }
    let sql = format!("select * from case_photo where case_id in ({}) order by at, sha256", marks(cases.len()));
    for row in store.rows(&sql, cases.iter().map(|c| Param::from(*c)).collect()).await? {
        let photo = read_photo(&row)?;
        found.entry(photo.case).or_default().push(photo);
    }
    for mask in crate::tables_media::masks_of(store, cases).await? {
        if let Some(photo) = found.get_mut(&mask.case).and_then(|all| all.iter_mut().find(|p| p.sha == mask.sha)) {
            photo.mask = Some(mask);
        }
    }
    Ok(found)
}

/// Photos of earlier work do not prove work that is done anew.
pub(crate) async fn retire_after_photos(tx: &mut Tx, case: Uuid) -> Result<()> {
    tx.exec("update case_photo set stage = 'earlier' where case_id = ? and stage = 'after'", params![case]).await?;
    Ok(())
}

/// Photos that the case does not have yet: the picture of the damage sent again proves no work.
pub(crate) async fn fresh_photos(tx: &mut Tx, case: Uuid, photos: &[Photo]) -> Result<usize> {
    let mut fresh = 0;
    for photo in photos {
        let known = tx.row("select 1 as one from case_photo where case_id = ? and sha256 = ?", params![case, &photo.full.sha256]).await?;
        fresh += usize::from(known.is_none());
    }
    Ok(fresh)
}

/// Whether a case has a photo of the work done.
pub(crate) async fn has_after_photo(tx: &mut Tx, case: Uuid) -> Result<bool> {
    Ok(tx.row("select 1 as one from case_photo where case_id = ? and stage = 'after' limit 1", params![case]).await?.is_some())
}

/// Shows or hides a case's photos of one stage.
pub(crate) async fn show_photos(tx: &mut Tx, case: Uuid, stage: &str, public: bool) -> Result<()> {
    tx.exec("update case_photo set public = ? where case_id = ? and stage = ?", params![public, case, stage]).await?;
    Ok(())
}

/// Hides single photos.
pub(crate) async fn hide_photo(tx: &mut Tx, case: Uuid, sha: &str) -> Result<()> {
    tx.exec("update case_photo set public = 0 where case_id = ? and sha256 = ?", params![case, sha]).await?;
    Ok(())
}

/// How often a sender sent something since an instant: an early look, outside the change.
pub(crate) async fn flood_peek(store: &Store, who: &str, since: Timestamp) -> Result<i64> {
    let row = store.row("select cast(count(*) as bigint) as n from case_flood where who = ? and at > ?", params![who, since]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Notes a submission and forgets everybody's old ones: nobody's address hash is kept longer than a limit needs it.
pub(crate) async fn flood_note(tx: &mut Tx, who: &str, forget: Timestamp) -> Result<()> {
    let (now, id) = (tx.now(), tx.id());
    tx.put("delete from case_flood where at <= ?", params![forget]).await?;
    tx.put("insert into case_flood (who, at, id) values (?, ?, ?)", params![who, now, id]).await
}

/// Adds a follower; false when they followed already.
pub(crate) async fn follow(tx: &mut Tx, case: Uuid, who: &str) -> Result<bool> {
    let now = tx.now();
    let fresh = tx.exec("insert into case_follow (case_id, who, at) values (?, ?, ?) on conflict (case_id, who) do nothing", params![case, who, now]).await?;
    if fresh == 1 {
        tx.exec("update case_main set followers = followers + 1 where id = ?", params![case]).await?;
    }
    Ok(fresh == 1)
}

/// Moves the followers of a merged case, and counts its reporter as one.
pub(crate) async fn move_followers(tx: &mut Tx, from: Uuid, to: Uuid) -> Result<()> {
    let moved = tx
        .exec(
            "insert into case_follow (case_id, who, at) select ?, f.who, f.at from case_follow f where f.case_id = ? \
             and not exists (select 1 from case_follow o where o.case_id = ? and o.who = f.who)",
            params![to, from, to],
        )
        .await?;
    tx.exec("update case_main set followers = followers + ? where id = ?", params![moved + 1, to]).await?;
    Ok(())
}

/// The installation's secret; made on first use.
pub(crate) async fn secret(tx: &mut Tx, fresh: &str) -> Result<String> {
    tx.exec("insert into case_setting (name, value) values ('secret', ?) on conflict (name) do nothing", params![fresh]).await?;
    let row = tx.row("select value from case_setting where name = 'secret'", params![]).await?;
    row.ok_or_else(|| Error::internal("reading the secret", "no row"))?.text("value")
}

/// All versions of all case types.
pub(crate) async fn types(store: &Store) -> Result<Vec<(u32, CaseType)>> {
    let rows = store.rows("select version, body from case_type order by kind, version", params![]).await?;
    rows.iter().map(|r| Ok((small(r.int("version")?), r.json("body")?))).collect()
}

/// Adds a version of a case type unless the newest one says the same; returns the version added.
pub(crate) async fn install_type(tx: &mut Tx, pack: &str, case_type: &CaseType) -> Result<Option<u32>> {
    let newest = tx.row("select version, body from case_type where kind = ? order by version desc limit 1", params![&case_type.kind]).await?;
    let version = match &newest {
        Some(row) if row.json::<CaseType>("body")? == *case_type => return Ok(None),
        Some(row) => small(row.int("version")?) + 1,
        None => 1,
    };
    let now = tx.now();
    tx.exec(
        "insert into case_type (kind, version, pack, body, at) values (?, ?, ?, ?, ?)",
        params![&case_type.kind, version, pack, Param::json(case_type)?, now],
    )
    .await?;
    Ok(Some(version))
}

/// One way in which a case waits for somebody.
pub(crate) struct Waiting {
    /// Column that says so.
    pub column: &'static str,
    /// Its values.
    pub values: BTreeSet<String>,
    /// Units they act for; none = all.
    pub units: Option<BTreeSet<String>>,
}

/// A filter under construction: conditions with their values.
#[derive(Default, Clone)]
pub(crate) struct Filter {
    conditions: Vec<String>,
    values: Vec<Param>,
}

impl Filter {
    /// Adds a condition with placeholders.
    pub fn add(&mut self, condition: impl Into<String>, values: Vec<Param>) -> &mut Self {
        self.conditions.push(condition.into());
        self.values.extend(values);
        self
    }

    /// The column holds one of the values.
    pub fn one_of<'a>(&mut self, column: &str, values: impl IntoIterator<Item = &'a String>) -> &mut Self {
        let values: Vec<Param> = values.into_iter().map(Param::from).collect();
        if values.is_empty() {
            return self.add("1 = 0", Vec::new());
        }
        self.add(format!("{column} in ({})", marks(values.len())), values)
    }

    /// The searchable column holds words that begin with each of the searched ones. Both are letters and digits only,
    /// so nothing in them means something to `like`.
    pub fn words(&mut self, column: &str, searched: &str) -> &mut Self {
        for word in searched.split(' ').filter(|w| !w.is_empty()).take(8) {
            self.add(format!("{column} like ?"), params![format!("% {word}%")]);
        }
        self
    }

    /// The spot lies in a box.
    pub fn within(&mut self, b: BBox) -> &mut Self {
        self.add("lon >= ? and lon <= ? and lat >= ? and lat <= ?", params![b.west, b.east, b.south, b.north])
    }

    /// What waits for somebody in one way or another.
    pub fn waiting_for(&mut self, groups: &[Waiting]) -> &mut Self {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for Waiting { column, values: states, units } in groups {
            if states.is_empty() || units.as_ref().is_some_and(BTreeSet::is_empty) {
                continue;
            }
            let mut part = format!("{column} in ({})", marks(states.len()));
            values.extend(states.iter().map(Param::from));
            if let Some(units) = units {
                part.push_str(&format!(" and unit in ({})", marks(units.len())));
                values.extend(units.iter().map(Param::from));
            }
            parts.push(format!("({part})"));
        }
        if parts.is_empty() { self.add("1 = 0", Vec::new()) } else { self.add(format!("({})", parts.join(" or ")), values) }
    }

    /// The condition and its values.
    pub fn parts(self) -> (String, Vec<Param>) {
        (self.sql(), self.values)
    }

    fn sql(&self) -> String {
        if self.conditions.is_empty() { "1 = 1".into() } else { self.conditions.join(" and ") }
    }
}

/// Cases that pass a filter.
pub(crate) async fn cases(store: &Store, filter: Filter, order: &'static str, limit: usize) -> Result<Vec<CaseRecord>> {
    cases_at(store, filter, order, limit, 0).await
}

/// The same from the row number `skip` on.
pub(crate) async fn cases_at(store: &Store, filter: Filter, order: &'static str, limit: usize, skip: usize) -> Result<Vec<CaseRecord>> {
    let sql = format!("select * from case_main where {} order by {order} limit ? offset ?", filter.sql());
    let mut values = filter.values;
    values.extend([Param::from(limit), Param::from(skip)]);
    store.rows(&sql, values).await?.iter().map(CaseRecord::read).collect()
}

/// What a public map symbol needs.
pub(crate) struct Spot {
    pub code: String,
    pub category: String,
    pub phase: String,
    pub location: Point,
    pub overdue: bool,
}

/// Symbols for a map, newest first.
pub(crate) async fn spots(store: &Store, filter: Filter, now: Timestamp, limit: usize) -> Result<Vec<Spot>> {
    let sql = format!(
        "select code, category, phase, lon, lat, cast(case when stopped = 0 and running_since is not null and due_at < ? then 1 else 0 end as bigint) as late \
         from case_main where lon is not null and private = 0 and {} order by opened_at desc limit ?",
        filter.sql()
    );
    let mut values = params![now];
    values.extend(filter.values);
    values.push(Param::from(limit));
    let rows = store.rows(&sql, values).await?;
    rows.iter()
        .map(|r| {
            let location = Point { lon: r.real("lon")?, lat: r.real("lat")? };
            Ok(Spot { code: r.text("code")?, category: r.text("category")?, phase: r.text("phase")?, location, overdue: r.flag("late")? })
        })
        .collect()
}

/// Sums over cases that pass a filter. Each column is an SQL condition to count.
pub(crate) async fn count_where<const N: usize>(store: &Store, filter: Filter, columns: [(&'static str, Vec<Param>); N]) -> Result<[i64; N]> {
    const NAMES: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let sums: Vec<String> = columns
        .iter()
        .zip(NAMES)
        .map(|((condition, _), name)| format!("cast(coalesce(sum(case when {condition} then 1 else 0 end), 0) as bigint) as {name}"))
        .collect();
    let sql = format!("select {} from case_main where {}", sums.join(", "), filter.sql());
    let mut values: Vec<Param> = columns.into_iter().flat_map(|(_, v)| v).collect();
    values.extend(filter.values);
    let row = store.row(&sql, values).await?.ok_or_else(|| Error::internal("counting cases", "no row"))?;
    let mut out = [0; N];
    for (slot, name) in out.iter_mut().zip(NAMES) {
        *slot = row.int(name)?;
    }
    Ok(out)
}

/// Codes of cases that pass a filter, each with whether it counts.
pub(crate) async fn evidence(store: &Store, filter: Filter, counts: &str) -> Result<Vec<(String, bool)>> {
    let sql = format!(
        "select code, cast(case when {counts} then 1 else 0 end as bigint) as counts from case_main where {} order by opened_at desc, id limit 200",
        filter.sql()
    );
    store.rows(&sql, filter.values).await?.iter().map(|r| Ok((r.text("code")?, r.flag("counts")?))).collect()
}
