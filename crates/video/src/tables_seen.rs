//! SQL of who saw what, of recordings, bookmarks, holds and exports.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::model::{Bookmark, Hold};
use crate::tables::Filter;

/// A line of who saw what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub id: Uuid,
    pub camera: Uuid,
    pub unit: String,
    pub person: Option<Uuid>,
    pub who: String,
    pub kind: String,
    pub reason: String,
    pub unmasked: bool,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

const SEEN: &str = "id, camera, unit, person, who, kind, reason, unmasked, from_at, to_at, begun_at, ended_at";

fn seen_of(r: &Row) -> Result<Seen> {
    Ok(Seen {
        id: r.uuid("id")?,
        camera: r.uuid("camera")?,
        unit: r.text("unit")?,
        person: r.opt_uuid("person")?,
        who: r.text("who")?,
        kind: r.text("kind")?,
        reason: r.text("reason")?,
        unmasked: r.flag("unmasked")?,
        from: r.opt_time("from_at")?,
        to: r.opt_time("to_at")?,
        begun_at: r.time("begun_at")?,
        ended_at: r.opt_time("ended_at")?,
    })
}

/// Writes a line.
pub(crate) async fn put_seen(tx: &mut Tx, s: &Seen) -> Result<()> {
    let sql = dothi_store::upsert("video_view", SEEN, 1);
    let values = params![s.id, s.camera, &s.unit, s.person, &s.who, &s.kind, &s.reason, s.unmasked, s.from, s.to, s.begun_at, s.ended_at];
    tx.exec(&sql, values).await.map(|_| ())
}

/// Ends a line; one that was ended before is ended later.
pub(crate) async fn end_seen(tx: &mut Tx, id: Uuid) -> Result<()> {
    let now = tx.now();
    tx.exec("update video_view set ended_at = ? where id = ?", params![now, id]).await.map(|_| ())
}

/// Ends the lines of live pictures that nobody ended: the program fell.
pub(crate) async fn end_left(tx: &mut Tx) -> Result<u64> {
    tx.exec("update video_view set ended_at = begun_at where ended_at is null", params![]).await
}

/// A line by id.
pub(crate) async fn seen(store: &Store, id: Uuid) -> Result<Option<Seen>> {
    let row = store.row(&format!("select {SEEN} from video_view where id = ?"), params![id]).await?;
    row.as_ref().map(seen_of).transpose()
}

/// Lines, newest first.
pub(crate) async fn seen_list(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<Seen>> {
    let mut values = filter.params();
    values.push(Param::from(limit));
    let rows = store.rows(&format!("select {SEEN} from video_view{} order by begun_at desc, id desc limit ?", filter.sql()), values).await?;
    rows.iter().map(seen_of).collect()
}

/// A recorded file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    pub id: Uuid,
    pub camera: Uuid,
    pub from: Timestamp,
    pub to: Timestamp,
    pub sha256: String,
    pub size: u64,
    pub base: u64,
    pub frames: u32,
    /// Microseconds between the file before and this one, when more than there should be.
    pub gap: i64,
}

const SEGMENT: &str = "id, camera, from_at, to_at, sha256, size, base, frames, gap";

fn segment_of(r: &Row) -> Result<Segment> {
    Ok(Segment {
        id: r.uuid("id")?,
        camera: r.uuid("camera")?,
        from: r.time("from_at")?,
        to: r.time("to_at")?,
        sha256: r.text("sha256")?,
        size: u64::try_from(r.int("size")?).unwrap_or(0),
        base: u64::try_from(r.int("base")?).unwrap_or(0),
        frames: u32::try_from(r.int("frames")?).unwrap_or(0),
        gap: r.int("gap")?,
    })
}

/// Writes a recorded file's row.
pub(crate) async fn put_segment(tx: &mut Tx, s: &Segment) -> Result<()> {
    let sql = dothi_store::upsert("video_segment", SEGMENT, 1);
    tx.exec(&sql, params![s.id, s.camera, s.from, s.to, &s.sha256, s.size, s.base, s.frames, s.gap]).await.map(|_| ())
}

/// Files of a camera that overlap a span, oldest first.
pub(crate) async fn segments(store: &Store, camera: Uuid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Segment>> {
    let sql = format!("select {SEGMENT} from video_segment where camera = ? and to_at > ? and from_at < ? order by from_at, id limit ?");
    let rows = store.rows(&sql, params![camera, from, to, limit]).await?;
    rows.iter().map(segment_of).collect()
}

/// A file by id.
pub(crate) async fn segment(store: &Store, id: Uuid) -> Result<Option<Segment>> {
    let row = store.row(&format!("select {SEGMENT} from video_segment where id = ?"), params![id]).await?;
    row.as_ref().map(segment_of).transpose()
}

/// End of a camera's last file.
pub(crate) async fn last_end(store: &Store, camera: Uuid) -> Result<Option<Timestamp>> {
    let row = store.row("select max(to_at) as t from video_segment where camera = ?", params![camera]).await?;
    row.map_or(Ok(None), |r| r.opt_time("t"))
}

/// Oldest and newest instant and bytes of a camera's recordings.
pub(crate) async fn extent(store: &Store, camera: Uuid) -> Result<(Option<Timestamp>, Option<Timestamp>, u64)> {
    let sql = "select min(from_at) as f, max(to_at) as t, cast(coalesce(sum(size), 0) as bigint) as n from video_segment where camera = ?";
    match store.row(sql, params![camera]).await? {
        Some(r) => Ok((r.opt_time("f")?, r.opt_time("t")?, u64::try_from(r.int("n")?).unwrap_or(0))),
        None => Ok((None, None, 0)),
    }
}

/// Files of a camera that ended before an instant and that no hold keeps.
pub(crate) async fn outlived(store: &Store, camera: Uuid, before: Timestamp, limit: usize) -> Result<Vec<Segment>> {
    let sql = format!(
        "select {SEGMENT} from video_segment s where camera = ? and to_at < ? and not exists (select 1 from video_hold h where h.camera = s.camera \
         and h.ended_at is null and h.from_at < s.to_at and h.to_at > s.from_at) order by from_at limit ?"
    );
    let rows = store.rows(&sql, params![camera, before, limit]).await?;
    rows.iter().map(segment_of).collect()
}

/// Takes a file's row away; whether nothing names its bytes any more.
pub(crate) async fn drop_segment(tx: &mut Tx, s: &Segment) -> Result<bool> {
    tx.exec("delete from video_segment where id = ?", params![s.id]).await?;
    unnamed(tx, &s.sha256).await
}

/// Whether neither a recording nor an export names these bytes.
pub(crate) async fn unnamed(tx: &mut Tx, sha256: &str) -> Result<bool> {
    let sql = "select (select count(*) from video_segment where sha256 = ?) + (select count(*) from video_export where sha256 = ?) as n";
    let row = tx.row(sql, params![sha256, sha256]).await?;
    Ok(row.map_or(Ok(0), |r| r.int("n"))? == 0)
}

/// Keeps a bookmark.
pub(crate) async fn put_bookmark(tx: &mut Tx, camera: Uuid, b: &Bookmark) -> Result<()> {
    let sql = "insert into video_bookmark (id, camera, at, words, who, made_at) values (?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![b.id, camera, b.at, &b.words, &b.who, b.made_at]).await.map(|_| ())
}

/// Takes a bookmark away; how many that were.
pub(crate) async fn drop_bookmark(tx: &mut Tx, camera: Uuid, id: Uuid) -> Result<u64> {
    tx.exec("delete from video_bookmark where camera = ? and id = ?", params![camera, id]).await
}

/// Bookmarks within a span, oldest first.
pub(crate) async fn bookmarks(store: &Store, camera: Uuid, from: Timestamp, to: Timestamp) -> Result<Vec<Bookmark>> {
    let sql = "select id, at, words, who, made_at from video_bookmark where camera = ? and at >= ? and at <= ? order by at, id limit 200";
    let rows = store.rows(sql, params![camera, from, to]).await?;
    let of = |r: &Row| Ok(Bookmark { id: r.uuid("id")?, at: r.time("at")?, words: r.text("words")?, who: r.text("who")?, made_at: r.time("made_at")? });
    rows.iter().map(of).collect()
}

/// Keeps a hold.
pub(crate) async fn put_hold(tx: &mut Tx, camera: Uuid, h: &Hold) -> Result<()> {
    let sql = "insert into video_hold (id, camera, from_at, to_at, reason, who, made_at) values (?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![h.id, camera, h.from, h.to, &h.reason, &h.who, h.made_at]).await.map(|_| ())
}

/// Lifts a hold; how many that were.
pub(crate) async fn end_hold(tx: &mut Tx, camera: Uuid, id: Uuid, by: &str) -> Result<u64> {
    let now = tx.now();
    tx.exec("update video_hold set ended_at = ?, ended_by = ? where camera = ? and id = ? and ended_at is null", params![now, by, camera, id]).await
}

/// Holds of a camera, newest first.
pub(crate) async fn holds(store: &Store, camera: Uuid) -> Result<Vec<Hold>> {
    let sql = "select id, from_at, to_at, reason, who, made_at, ended_at, ended_by from video_hold where camera = ? order by made_at desc, id limit 100";
    let rows = store.rows(sql, params![camera]).await?;
    let of = |r: &Row| {
        Ok(Hold {
            id: r.uuid("id")?,
            from: r.time("from_at")?,
            to: r.time("to_at")?,
            reason: r.text("reason")?,
            who: r.text("who")?,
            made_at: r.time("made_at")?,
            ended_at: r.opt_time("ended_at")?,
            ended_by: r.opt_text("ended_by")?,
        })
    };
    rows.iter().map(of).collect()
}

/// An export as stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Export {
    pub id: Uuid,
    pub camera: Uuid,
    pub unit: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: String,
    pub state: String,
    pub person: Option<Uuid>,
    pub who: String,
    pub asked_at: Timestamp,
    pub settled_by: Option<String>,
    pub settled_at: Option<Timestamp>,
    pub settled_why: Option<String>,
    pub sha256: Option<String>,
    pub size: Option<i64>,
    pub manifest: Option<String>,
    pub fault: Option<String>,
    pub done_at: Option<Timestamp>,
    pub incident: Option<Uuid>,
    pub version: i64,
}

const EXPORT: &str = "id, camera, unit, from_at, to_at, reason, state, person, who, asked_at, settled_by, settled_at, settled_why, sha256, size, manifest, \
    fault, done_at, incident, version";

fn export_of(r: &Row) -> Result<Export> {
    Ok(Export {
        id: r.uuid("id")?,
        camera: r.uuid("camera")?,
        unit: r.text("unit")?,
        from: r.time("from_at")?,
        to: r.time("to_at")?,
        reason: r.text("reason")?,
        state: r.text("state")?,
        person: r.opt_uuid("person")?,
        who: r.text("who")?,
        asked_at: r.time("asked_at")?,
        settled_by: r.opt_text("settled_by")?,
        settled_at: r.opt_time("settled_at")?,
        settled_why: r.opt_text("settled_why")?,
        sha256: r.opt_text("sha256")?,
        size: r.opt_int("size")?,
        manifest: r.opt_text("manifest")?,
        fault: r.opt_text("fault")?,
        done_at: r.opt_time("done_at")?,
        incident: r.opt_uuid("incident")?,
        version: r.int("version")?,
    })
}

/// Writes an export, new or changed.
pub(crate) async fn put_export(tx: &mut Tx, e: &Export) -> Result<()> {
    let sql = dothi_store::upsert("video_export", EXPORT, 1);
    let values = params![
        e.id,
        e.camera,
        &e.unit,
        e.from,
        e.to,
        &e.reason,
        &e.state,
        e.person,
        &e.who,
        e.asked_at,
        e.settled_by.as_deref(),
        e.settled_at,
        e.settled_why.as_deref(),
        e.sha256.as_deref(),
        e.size,
        e.manifest.as_deref(),
        e.fault.as_deref(),
        e.done_at,
        e.incident,
        e.version,
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// An export by id, inside a change.
pub(crate) async fn export_in(tx: &mut Tx, id: Uuid) -> Result<Option<Export>> {
    let row = tx.row(&format!("select {EXPORT} from video_export where id = ?"), params![id]).await?;
    row.as_ref().map(export_of).transpose()
}

/// An export by id.
pub(crate) async fn export(store: &Store, id: Uuid) -> Result<Option<Export>> {
    let row = store.row(&format!("select {EXPORT} from video_export where id = ?"), params![id]).await?;
    row.as_ref().map(export_of).transpose()
}

/// Exports, newest first.
pub(crate) async fn exports(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<Export>> {
    let mut values = filter.params();
    values.push(Param::from(limit));
    let rows = store.rows(&format!("select {EXPORT} from video_export{} order by asked_at desc, id desc limit ?", filter.sql()), values).await?;
    rows.iter().map(export_of).collect()
}

/// Exports in a state that were done before an instant, oldest first.
pub(crate) async fn exports_in(store: &Store, state: &str, before: Timestamp, limit: usize) -> Result<Vec<Export>> {
    let sql = format!("select {EXPORT} from video_export where state = ? and coalesce(done_at, asked_at) < ? order by asked_at limit ?");
    let rows = store.rows(&sql, params![state, before, limit]).await?;
    rows.iter().map(export_of).collect()
}

/// How many exports wait for a second person.
pub(crate) async fn asked(store: &Store) -> Result<u32> {
    let row = store.row("select count(*) as n from video_export where state = 'asked'", params![]).await?;
    Ok(u32::try_from(row.map_or(Ok(0), |r| r.int("n"))?).unwrap_or(0))
}
