//! SQL of what is kept in columns ([`crate::columns`]), and of how many people live where.

use dothi_kernel::{Result, Timestamp};
use dothi_store::{Store, Tx, params};
use uuid::Uuid;

/// What statistics need of a row.
pub(crate) struct Touched {
    pub touched: i64,
    pub id: Uuid,
    pub code: String,
    pub opened: i64,
    pub closed: Option<i64>,
    pub due: i64,
    pub used: u32,
    pub unit: String,
    pub category: String,
    pub area: String,
    pub place: Option<(f64, f64)>,
    pub stars: Option<u8>,
    pub phase: String,
    pub listed: bool,
    pub private: bool,
    pub running: bool,
    pub stopped: bool,
    pub on_time: bool,
    pub reopened: bool,
}

/// Rows changed after an instant, in the order of their changes. `from` is the last row's change and id.
pub(crate) async fn touched(store: &Store, from: &(i64, String), limit: usize) -> Result<Vec<Touched>> {
    let sql = "select touched, id, code, opened_at, closed_at, due_at, used_minutes, unit, category, coalesce(area, '') as area, lon, lat, stars, phase, \
               listed, private, running_since, stopped, on_time, reopened from case_main where (touched, id) > (?, ?) order by touched, id limit ?";
    let rows = store.rows(sql, params![from.0, &from.1, limit]).await?;
    rows.iter()
        .map(|r| {
            Ok(Touched {
                touched: r.int("touched")?,
                id: r.uuid("id")?,
                code: r.text("code")?,
                opened: r.int("opened_at")?,
                closed: r.opt_int("closed_at")?,
                due: r.int("due_at")?,
                used: u32::try_from(r.int("used_minutes")?).unwrap_or(0),
                unit: r.text("unit")?,
                category: r.text("category")?,
                area: r.text("area")?,
                place: r.opt_real("lon")?.zip(r.opt_real("lat")?),
                stars: r.opt_int("stars")?.and_then(|s| u8::try_from(s).ok()),
                phase: r.text("phase")?,
                listed: r.flag("listed")?,
                private: r.flag("private")?,
                running: r.opt_int("running_since")?.is_some(),
                stopped: r.flag("stopped")?,
                on_time: r.opt_int("on_time")? == Some(1),
                reopened: r.int("reopened")? > 0,
            })
        })
        .collect()
}

/// How many people live in a commune, by whose count.
#[derive(Debug, Clone)]
pub(crate) struct PeopleRecord {
    pub area: String,
    pub people: i64,
    pub year: i64,
    pub source: String,
}

/// All counts.
pub(crate) async fn people(store: &Store) -> Result<Vec<PeopleRecord>> {
    let rows = store.rows("select area, people, year, source from case_people order by area limit 20000", params![]).await?;
    rows.iter().map(|r| Ok(PeopleRecord { area: r.text("area")?, people: r.int("people")?, year: r.int("year")?, source: r.text("source")? })).collect()
}

/// Puts new counts in place of the old.
pub(crate) async fn set_people(tx: &mut Tx, counts: &[PeopleRecord]) -> Result<()> {
    tx.exec("delete from case_people", params![]).await?;
    for c in counts {
        tx.exec("insert into case_people (area, people, year, source) values (?, ?, ?, ?)", params![&c.area, c.people, c.year, &c.source]).await?;
    }
    Ok(())
}

/// First arrival of a listed case; none = there is none.
pub(crate) async fn first_arrival(store: &Store) -> Result<Option<Timestamp>> {
    store.row("select opened_at from case_main where listed = 1 order by opened_at, id limit 1", params![]).await?.map(|r| r.time("opened_at")).transpose()
}
