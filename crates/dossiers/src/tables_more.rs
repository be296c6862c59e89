//! SQL of reported figures, tablets and ratings, and anomalies.

use std::collections::BTreeSet;

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Param, Row, Store, Tx, params};
use uuid::Uuid;

/// A reported figure as stored.
#[derive(Debug, Clone)]
pub(crate) struct FigureRow {
    pub id: Uuid,
    pub score: String,
    pub unit: String,
    pub period: String,
    pub figure: String,
    pub value: f64,
    pub note: String,
    pub status: String,
    pub entered_id: Uuid,
    pub entered_by: String,
    pub entered_at: Timestamp,
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub reason: Option<String>,
}

const FIGURE: &str = "id, score, unit, period, figure, value, note, status, entered_id, entered_by, entered_at, decided_by, decided_at, reason";

impl FigureRow {
    fn read(r: &Row) -> Result<Self> {
        Ok(Self {
            id: r.uuid("id")?,
            score: r.text("score")?,
            unit: r.text("unit")?,
            period: r.text("period")?,
            figure: r.text("figure")?,
            value: r.real("value")?,
            note: r.text("note")?,
            status: r.text("status")?,
            entered_id: r.uuid("entered_id")?,
            entered_by: r.text("entered_by")?,
            entered_at: r.time("entered_at")?,
            decided_by: r.opt_text("decided_by")?,
            decided_at: r.opt_time("decided_at")?,
            reason: r.opt_text("reason")?,
        })
    }
}

/// Writes a figure that waits; one that waited for the same cell is superseded.
pub(crate) async fn report(tx: &mut Tx, f: &FigureRow) -> Result<()> {
    let cell = params![&f.score, &f.unit, &f.period, &f.figure];
    tx.exec("update dossier_figure set status = 'superseded' where score = ? and unit = ? and period = ? and figure = ? and status = 'pending'", cell).await?;
    let sql = format!("insert into dossier_figure ({FIGURE}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let values = params![
        f.id,
        &f.score,
        &f.unit,
        &f.period,
        &f.figure,
        f.value,
        &f.note,
        &f.status,
        f.entered_id,
        &f.entered_by,
        f.entered_at,
        f.decided_by.as_deref(),
        f.decided_at,
        f.reason.as_deref(),
    ];
    tx.exec(&sql, values).await.map(|_| ())
}

/// One figure, read inside the change.
pub(crate) async fn figure(tx: &mut Tx, id: Uuid) -> Result<Option<FigureRow>> {
    let row = tx.row(&format!("select {FIGURE} from dossier_figure where id = ?"), params![id]).await?;
    row.as_ref().map(FigureRow::read).transpose()
}

/// Approves or rejects a figure; an approved one takes the place of the one that counted.
pub(crate) async fn settle(tx: &mut Tx, f: &FigureRow) -> Result<()> {
    if f.status == "approved" {
        let cell = params![&f.score, &f.unit, &f.period, &f.figure];
        tx.exec("update dossier_figure set status = 'superseded' where score = ? and unit = ? and period = ? and figure = ? and status = 'approved'", cell)
            .await?;
    }
    let sql = "update dossier_figure set status = ?, decided_by = ?, decided_at = ?, reason = ? where id = ?";
    tx.exec(sql, params![&f.status, f.decided_by.as_deref(), f.decided_at, f.reason.as_deref(), f.id]).await.map(|_| ())
}

/// Figures of a unit and period that count or wait.
pub(crate) async fn figures_of(store: &Store, score: &str, unit: &str, period: &str) -> Result<Vec<FigureRow>> {
    let sql = format!("select {FIGURE} from dossier_figure where unit = ? and period = ? and score = ? and status in ('approved', 'pending') order by id");
    let rows = store.rows(&sql, params![unit, period, score]).await?;
    rows.iter().map(FigureRow::read).collect()
}

/// Figures of a status, oldest first.
pub(crate) async fn figures(store: &Store, status: &str, after: &str, limit: usize) -> Result<Vec<FigureRow>> {
    let sql = format!("select {FIGURE} from dossier_figure where status = ? and id > ? order by id limit ?");
    let rows = store.rows(&sql, params![status, after, limit]).await?;
    rows.iter().map(FigureRow::read).collect()
}

/// A counter's tablet as stored.
#[derive(Debug, Clone)]
pub(crate) struct TabletRow {
    pub id: Uuid,
    pub unit: String,
    pub name: String,
    pub faces: u32,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

fn tablet_of(r: &Row) -> Result<TabletRow> {
    Ok(TabletRow {
        id: r.uuid("id")?,
        unit: r.text("unit")?,
        name: r.text("name")?,
        faces: u32::try_from(r.int("faces")?).unwrap_or(5),
        created_by: r.text("created_by")?,
        created_at: r.time("created_at")?,
        last_at: r.opt_time("last_at")?,
        ended_at: r.opt_time("ended_at")?,
    })
}

const TABLET: &str = "id, unit, name, faces, created_by, created_at, last_at, ended_at";

/// Adds a tablet with the hash of its token.
pub(crate) async fn add_tablet(tx: &mut Tx, t: &TabletRow, token: &str) -> Result<()> {
    let sql = "insert into dossier_tablet (id, unit, name, faces, token, created_by, created_at) values (?, ?, ?, ?, ?, ?, ?)";
    tx.exec(sql, params![t.id, &t.unit, &t.name, t.faces, token, &t.created_by, t.created_at]).await.map(|_| ())
}

/// The tablet of a token that still counts.
pub(crate) async fn tablet_by(store: &Store, token: &str) -> Result<Option<TabletRow>> {
    let row = store.row(&format!("select {TABLET} from dossier_tablet where token = ? and ended_at is null"), params![token]).await?;
    row.as_ref().map(tablet_of).transpose()
}

/// A tablet by id.
pub(crate) async fn tablet(store: &Store, id: Uuid) -> Result<Option<TabletRow>> {
    let row = store.row(&format!("select {TABLET} from dossier_tablet where id = ?"), params![id]).await?;
    row.as_ref().map(tablet_of).transpose()
}

/// All tablets, newest first, at most 500.
pub(crate) async fn tablets(store: &Store) -> Result<Vec<TabletRow>> {
    let rows = store.rows(&format!("select {TABLET} from dossier_tablet order by ended_at is not null, created_at desc, id limit 500"), params![]).await?;
    rows.iter().map(tablet_of).collect()
}

/// Ends a tablet; whether it was not ended before.
pub(crate) async fn end_tablet(tx: &mut Tx, id: Uuid) -> Result<bool> {
    let now = tx.now();
    Ok(tx.exec("update dossier_tablet set ended_at = ? where id = ? and ended_at is null", params![now, id]).await? == 1)
}

/// One face that was touched.
pub(crate) struct RatingRow {
    pub id: Uuid,
    pub at: Timestamp,
    pub month: String,
    pub level: u32,
}

/// Keeps ratings of a tablet; those known by id are passed over. How many were new.
pub(crate) async fn add_ratings(tx: &mut Tx, tablet: &TabletRow, ratings: &[RatingRow]) -> Result<u64> {
    let now = tx.now();
    let mut fresh = 0;
    for r in ratings {
        let sql = "insert into dossier_rating (id, tablet, unit, at, month, level, faces, got_at) values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing";
        fresh += tx.exec(sql, params![r.id, tablet.id, &tablet.unit, r.at, &r.month, r.level, tablet.faces, now]).await?;
    }
    tx.exec("update dossier_tablet set last_at = ? where id = ?", params![now, tablet.id]).await?;
    Ok(fresh)
}

/// What was rated: how many, and how many were content, by unit and tablet.
pub(crate) struct RatedRow {
    pub unit: String,
    pub tablet: String,
    pub rated: i64,
    pub satisfied: i64,
    pub levels: [i64; 5],
}

/// Ratings of a period by unit and tablet. Content are the two highest of five faces and the highest of three.
pub(crate) async fn rated(store: &Store, units: Option<&BTreeSet<String>>, from: &str, to: &str) -> Result<Vec<RatedRow>> {
    let mut clause = "month >= ? and month <= ?".to_string();
    let mut values = params![from, to];
    if let Some(units) = units {
        clause.push_str(&if units.is_empty() { " and 1 = 0".to_string() } else { format!(" and unit in ({})", dothi_store::marks(units.len())) });
        values.extend(units.iter().map(Param::from));
    }
    let count = |condition: &str, name: &str| format!("cast(sum(case when {condition} then 1 else 0 end) as bigint) as {name}");
    // Three faces are told on the scale of five: 1, 3, 5.
    let sql = format!(
        "select unit, tablet, cast(count(*) as bigint) as rated, {}, {}, {}, {}, {}, {} from dossier_rating where {clause} \
         group by unit, tablet order by rated desc, tablet limit 500",
        count("level >= 4", "satisfied"),
        count("level = 1", "l1"),
        count("level = 2", "l2"),
        count("level = 3", "l3"),
        count("level = 4", "l4"),
        count("level = 5", "l5"),
    );
    let rows = store.rows(&sql, values).await?;
    let read = |r: &Row| {
        Ok(RatedRow {
            unit: r.text("unit")?,
            tablet: r.text("tablet")?,
            rated: r.int("rated")?,
            satisfied: r.int("satisfied")?,
            levels: [r.int("l1")?, r.int("l2")?, r.int("l3")?, r.int("l4")?, r.int("l5")?],
        })
    };
    rows.iter().map(read).collect()
}

/// What an anomaly was found in: one dossier or a heap of them.
pub(crate) struct FoundRow {
    pub unit: String,
    pub code: String,
    pub n: i64,
    pub at: Timestamp,
    pub received_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
}

/// A condition over dossiers, found by an index.
pub(crate) struct Search {
    pub condition: String,
    pub params: Vec<Param>,
    /// The instant that the finding is about.
    pub instant: &'static str,
    /// Width of a heap in microseconds, and how many make one; none for single dossiers.
    pub heap: Option<(i64, i64)>,
}

/// What matches, newest first.
pub(crate) async fn found(store: &Store, search: &Search, units: Option<&BTreeSet<String>>, limit: usize) -> Result<Vec<FoundRow>> {
    let mut clause = search.condition.clone();
    let mut values = search.params.clone();
    if let Some(units) = units {
        clause.push_str(&if units.is_empty() { " and 1 = 0".to_string() } else { format!(" and unit in ({})", dothi_store::marks(units.len())) });
        values.extend(units.iter().map(Param::from));
    }
    let instant = search.instant;
    let sql = match search.heap {
        None => {
            format!(
                "select unit, code, cast(1 as bigint) as n, {instant} as at, received_at, due_at from dossier where {clause} order by {instant} desc, code limit ?"
            )
        }
        Some((width, count)) => {
            let mut lead = params![width];
            lead.append(&mut values);
            values = lead;
            values.extend(params![count]);
            format!(
                "select unit, min(code) as code, cast(count(*) as bigint) as n, min({instant}) as at, min(received_at) as received_at, min(due_at) as due_at \
                 from (select unit, code, {instant}, received_at, due_at, {instant} / ? as slot from dossier where {clause}) t \
                 group by unit, slot having count(*) >= ? order by min({instant}) desc limit ?"
            )
        }
    };
    values.extend(params![limit]);
    let rows = store.rows(&sql, values).await?;
    let read = |r: &Row| {
        Ok(FoundRow {
            unit: r.text("unit")?,
            code: r.text("code")?,
            n: r.int("n")?,
            at: r.time("at")?,
            received_at: r.opt_time("received_at")?,
            due_at: r.opt_time("due_at")?,
        })
    };
    rows.iter().map(read).collect()
}
