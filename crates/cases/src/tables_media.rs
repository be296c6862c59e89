//! SQL of what is kept beside photos: what they told, what is to be masked, and videos and sound.

use dothi_kernel::{Error, Result, Timestamp};
use dothi_store::{BlobRef, Param, Row, Store, Tx, params};
use uuid::Uuid;

use crate::masks::{MaskBox, MaskState};
use crate::photos::Photo;
use crate::tables::{self, PhotoRecord};

/// Masks of photos, and recordings.
pub(crate) const SCHEMA: &str = "create table case_mask (
  case_id TEXT not null references case_main (id), sha256 TEXT not null, state TEXT not null, boxes TEXT not null, masked TEXT, masked_thumb TEXT,
  taken_at BIGINT, lon DOUBLE PRECISION, lat DOUBLE PRECISION, by_name TEXT, at BIGINT not null,
  primary key (case_id, sha256)
);
create index case_mask_masked on case_mask (masked);
create index case_mask_thumb on case_mask (masked_thumb);
create index case_mask_state on case_mask (state, at);
create table case_media (
  id TEXT not null primary key, case_id TEXT not null references case_main (id), sha256 TEXT not null, kind TEXT not null, media_type TEXT not null,
  bytes BIGINT not null, seconds BIGINT not null, by_name TEXT not null, at BIGINT not null,
  unique (case_id, sha256)
);";

/// What is known of a photo beside the picture.
#[derive(Debug, Clone)]
pub(crate) struct MaskRecord {
    pub case: Uuid,
    pub sha: String,
    pub state: MaskState,
    pub boxes: Vec<MaskBox>,
    pub masked: Option<String>,
    pub masked_thumb: Option<String>,
    pub taken_at: Option<Timestamp>,
    pub lon: Option<f64>,
    pub lat: Option<f64>,
}

fn read(row: &Row) -> Result<MaskRecord> {
    Ok(MaskRecord {
        case: row.uuid("case_id")?,
        sha: row.text("sha256")?,
        state: MaskState::of(&row.text("state")?),
        boxes: row.json("boxes")?,
        masked: row.opt_text("masked")?,
        masked_thumb: row.opt_text("masked_thumb")?,
        taken_at: row.opt_time("taken_at")?,
        lon: row.opt_real("lon")?,
        lat: row.opt_real("lat")?,
    })
}

/// Notes what a photo told, and that nobody has looked for faces yet; nothing when the case has the photo already.
pub(crate) async fn insert_mask(tx: &mut Tx, case: Uuid, photo: &Photo) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "insert into case_mask (case_id, sha256, state, boxes, taken_at, lon, lat, at) values (?, ?, 'waiting', '[]', ?, ?, ?, ?) on conflict (case_id, sha256) do nothing",
        params![case, &photo.full.sha256, photo.told.taken_at, photo.told.place.map(|p| p.lon), photo.told.place.map(|p| p.lat), now],
    )
    .await?;
    Ok(())
}

/// Photos of the work that a case took over from an order wait to be looked at like all others; returns them.
pub(crate) async fn insert_masks_of_order(tx: &mut Tx, case: Uuid, order: Uuid) -> Result<Vec<String>> {
    let now = tx.now();
    let fresh = "select p.sha256 from case_photo p join work_photo w on w.sha256 = p.sha256 where p.case_id = ? and w.order_id = ? \
                 and not exists (select 1 from case_mask m where m.case_id = p.case_id and m.sha256 = p.sha256)";
    let photos: Vec<String> = tx.rows(fresh, params![case, order]).await?.iter().map(|r| r.text("sha256")).collect::<Result<_>>()?;
    for sha in &photos {
        tx.exec(
            "insert into case_mask (case_id, sha256, state, boxes, at) values (?, ?, 'waiting', '[]', ?) on conflict (case_id, sha256) do nothing",
            params![case, sha, now],
        )
        .await?;
    }
    Ok(photos)
}

/// A part knows of the photos of the whole what the whole knows.
pub(crate) async fn copy_masks(tx: &mut Tx, whole: Uuid, part: Uuid) -> Result<()> {
    tx.exec(
        "insert into case_mask (case_id, sha256, state, boxes, masked, masked_thumb, taken_at, lon, lat, by_name, at) \
         select ?, m.sha256, m.state, m.boxes, m.masked, m.masked_thumb, m.taken_at, m.lon, m.lat, m.by_name, m.at from case_mask m \
         where m.case_id = ? and exists (select 1 from case_photo p where p.case_id = ? and p.sha256 = m.sha256)",
        params![part, whole, part],
    )
    .await?;
    Ok(())
}

/// Cases with a photo about which somebody must decide.
pub(crate) const UNDECIDED: &str = "id in (select case_id from case_mask where state in ('proposed', 'failed'))";

/// Stored bytes of what is kept beside photos, with their rows taken out: masked pictures, and recordings (only the reporter's own, or all).
pub(crate) async fn drop_recordings(tx: &mut Tx, case: Uuid, own: bool) -> Result<Vec<String>> {
    let which = if own { "by_name = 'reporter'" } else { "1 = 1" };
    let gone = tx.rows(&format!("select sha256 from case_media where case_id = ? and {which}"), params![case]).await?;
    tx.exec(&format!("delete from case_media where case_id = ? and {which}"), params![case]).await?;
    gone.iter().map(|r| r.text("sha256")).collect()
}

/// Takes out what is known of a case's photos; returns the masked pictures.
pub(crate) async fn drop_masks(tx: &mut Tx, case: Uuid) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for row in tx.rows("select masked, masked_thumb from case_mask where case_id = ?", params![case]).await? {
        gone.extend([row.opt_text("masked")?, row.opt_text("masked_thumb")?].into_iter().flatten());
    }
    tx.exec("delete from case_mask where case_id = ?", params![case]).await?;
    Ok(gone)
}

/// Forgets where and when the cameras of a case's photos say they stood.
pub(crate) async fn forget_told(tx: &mut Tx, case: Uuid) -> Result<()> {
    tx.exec("update case_mask set taken_at = null, lon = null, lat = null where case_id = ?", params![case]).await?;
    Ok(())
}

/// Gives up stored bytes that nothing else of this domain uses.
pub(crate) async fn give_up(tx: &mut Tx, hashes: &[String]) -> Result<()> {
    let used = "select 1 as one from case_photo where sha256 = ? or thumb = ? union all select 1 as one from work_photo where sha256 = ? or thumb = ? \
                union all select 1 as one from case_mask where masked = ? or masked_thumb = ? union all select 1 as one from case_media where sha256 = ? limit 1";
    for sha in hashes {
        if tx.row(used, params![sha, sha, sha, sha, sha, sha, sha]).await?.is_none() {
            tx.detach(sha).await?;
        }
    }
    Ok(())
}

/// What is known of the photos of cases.
pub(crate) async fn masks_of(store: &Store, cases: &[Uuid]) -> Result<Vec<MaskRecord>> {
    let marks = dothi_store::marks(cases.len());
    let sql = format!("select * from case_mask where case_id in ({marks})");
    store.rows(&sql, cases.iter().map(|c| Param::from(*c)).collect()).await?.iter().map(read).collect()
}

/// What is known of one photo.
async fn mask(store: &Store, case: Uuid, sha: &str) -> Result<Option<MaskRecord>> {
    store.row("select * from case_mask where case_id = ? and sha256 = ?", params![case, sha]).await?.map(|r| read(&r)).transpose()
}

/// Photos whose masked picture (or its thumbnail) this is.
async fn masked_uses(store: &Store, sha: &str) -> Result<Vec<(Uuid, String)>> {
    let rows = store.rows("select case_id, sha256 from case_mask where masked = ? or masked_thumb = ? limit 20", params![sha, sha]).await?;
    rows.iter().map(|r| Ok((r.uuid("case_id")?, r.text("sha256")?))).collect()
}

/// Cases that a photo belongs to.
pub(crate) async fn photo_uses(store: &Store, sha: &str) -> Result<Vec<PhotoRecord>> {
    let mut found = store.rows("select * from case_photo where sha256 = ? or thumb = ? limit 20", params![sha, sha]).await?;
    for (case, original) in masked_uses(store, sha).await? {
        found.extend(store.row("select * from case_photo where case_id = ? and sha256 = ?", params![case, original]).await?);
    }
    let mut photos: Vec<PhotoRecord> = found.iter().map(tables::read_photo).collect::<Result<_>>()?;
    for photo in &mut photos {
        photo.mask = mask(store, photo.case, &photo.sha).await?;
    }
    Ok(photos)
}

/// The oldest photos that nobody has looked at, of those whose hash begins so.
pub(crate) async fn waiting(store: &Store, lane: &str, limit: usize) -> Result<Vec<(Uuid, String)>> {
    let sql = "select case_id, sha256 from case_mask where state = 'waiting' and sha256 like ? order by at limit ?";
    store.rows(sql, params![format!("{lane}%"), limit]).await?.iter().map(|r| Ok((r.uuid("case_id")?, r.text("sha256")?))).collect()
}

/// Writes what was found, unless a person has decided meanwhile.
pub(crate) async fn propose(tx: &mut Tx, case: Uuid, sha: &str, state: MaskState, boxes: &[MaskBox]) -> Result<()> {
    let now = tx.now();
    tx.exec(
        "update case_mask set state = ?, boxes = ?, at = ? where case_id = ? and sha256 = ? and state = 'waiting'",
        params![state.code(), Param::json(&boxes)?, now, case, sha],
    )
    .await?;
    Ok(())
}

/// Writes what a person decided; photos from before masks were known get their row now.
pub(crate) async fn decide(tx: &mut Tx, case: Uuid, sha: &str, boxes: &[MaskBox], masked: Option<(&BlobRef, &BlobRef)>, by: &str) -> Result<()> {
    let now = tx.now();
    let state = if masked.is_some() { MaskState::Masked } else { MaskState::Shown };
    let before = tx.row("select masked, masked_thumb from case_mask where case_id = ? and sha256 = ?", params![case, sha]).await?;
    let before = before.map_or(Ok(Vec::new()), |r| Ok(vec![r.opt_text("masked")?, r.opt_text("masked_thumb")?]))?;
    for blob in masked.iter().flat_map(|(full, thumb)| [*full, *thumb]) {
        tx.attach(blob).await?;
    }
    tx.exec(
        "insert into case_mask (case_id, sha256, state, boxes, masked, masked_thumb, by_name, at) values (?, ?, ?, ?, ?, ?, ?, ?) \
         on conflict (case_id, sha256) do update set state = excluded.state, boxes = excluded.boxes, masked = excluded.masked, \
         masked_thumb = excluded.masked_thumb, by_name = excluded.by_name, at = excluded.at",
        params![
            case,
            sha,
            state.code(),
            Param::json(&boxes)?,
            masked.map(|(full, _)| full.sha256.clone()),
            masked.map(|(_, thumb)| thumb.sha256.clone()),
            by,
            now
        ],
    )
    .await?;
    give_up(tx, &before.into_iter().flatten().collect::<Vec<_>>()).await
}

/// A video or sound as stored.
#[derive(Debug, Clone)]
pub(crate) struct MediaRecord {
    pub id: Uuid,
    pub sha: String,
    pub kind: String,
    pub media_type: String,
    pub bytes: i64,
    pub seconds: i64,
    pub by: String,
    pub at: Timestamp,
}

fn read_media(row: &Row) -> Result<MediaRecord> {
    Ok(MediaRecord {
        id: row.uuid("id")?,
        sha: row.text("sha256")?,
        kind: row.text("kind")?,
        media_type: row.text("media_type")?,
        bytes: row.int("bytes")?,
        seconds: row.int("seconds")?,
        by: row.text("by_name")?,
        at: row.time("at")?,
    })
}

/// Recordings of a case.
pub(crate) async fn media_of(store: &Store, case: Uuid) -> Result<Vec<MediaRecord>> {
    store.rows("select * from case_media where case_id = ? order by at, id limit 50", params![case]).await?.iter().map(read_media).collect()
}

/// One recording with its case.
pub(crate) async fn media(store: &Store, id: Uuid) -> Result<(Uuid, MediaRecord)> {
    let row = store.row("select * from case_media where id = ?", params![id]).await?;
    let row = row.ok_or_else(|| Error::not_found("case.media.unknown", "There is no such recording."))?;
    Ok((row.uuid("case_id")?, read_media(&row)?))
}

/// How many recordings a case has.
pub(crate) async fn count_media(tx: &mut Tx, case: Uuid) -> Result<i64> {
    let row = tx.row("select cast(count(*) as bigint) as n from case_media where case_id = ?", params![case]).await?;
    row.map_or(Ok(0), |r| r.int("n"))
}

/// Keeps a recording; false when the case has it already.
pub(crate) async fn insert_media(tx: &mut Tx, case: Uuid, m: &MediaRecord, blob: &BlobRef) -> Result<bool> {
    tx.attach(blob).await?;
    let sql = "insert into case_media (id, case_id, sha256, kind, media_type, bytes, seconds, by_name, at) values (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         on conflict (case_id, sha256) do nothing";
    let fresh = tx.exec(sql, params![m.id, case, &m.sha, &m.kind, &m.media_type, m.bytes, m.seconds, &m.by, m.at]).await?;
    Ok(fresh == 1)
}
