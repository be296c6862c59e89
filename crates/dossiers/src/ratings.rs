//! Satisfaction at the counter: tablets with a token each, and the faces that people touch.

use dothi_kernel::{Caller, Error, Permission, Result, Scope, UnitRef};
use dothi_store::secret;
use uuid::Uuid;

use crate::Dossiers;
use crate::model_more::{NewTablet, RatedUnit, RatingsIn, RatingsTaken, Satisfaction, TabletFace, TabletToken, TabletView};
use crate::tables_more::{self, RatingRow, TabletRow};

/// Ratings sent at once; a tablet that was offline for longer sends in several steps.
const MOST: usize = 500;
/// How long a tablet may keep a rating before it sends it.
const KEPT: i64 = 30 * 24 * 3_600_000_000;
/// How far a tablet's clock may be ahead.
const AHEAD: i64 = 10 * 60_000_000;
/// Ratings of one tablet in one minute of its own clock: people need a moment to touch a face.
const A_MINUTE: usize = 20;

fn unknown() -> Error {
    Error::not_found("dossiers.tablet.unknown", "There is no such tablet.")
}

impl Dossiers {
    /// Adds a tablet to a counter; its token is told once. Needs `dossier-write` or `case-approve` for the unit.
    /// 422 `dossiers.tablet.name`, `dossiers.tablet.faces`, `dossiers.unit.unknown`.
    pub async fn add_tablet(&self, caller: &Caller, new: NewTablet) -> Result<TabletToken> {
        let unit = self.directory.unit(&new.unit).ok_or_else(|| Error::unprocessable("dossiers.unit.unknown", "The agency is not known."))?;
        manages(caller, &unit.id)?;
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > 80 {
            return Err(Error::unprocessable("dossiers.tablet.name", "Name the counter, in at most 80 characters."));
        }
        if ![3, 5].contains(&new.faces) {
            return Err(Error::unprocessable("dossiers.tablet.faces", "A tablet shows three or five faces."));
        }
        let token = secret::letters(32);
        let mut tx = self.store.begin(caller).await?;
        let row = TabletRow {
            id: tx.id(),
            unit: unit.id,
            name: name.into(),
            faces: new.faces,
            created_by: caller.name.to_string(),
            created_at: caller.now,
            last_at: None,
            ended_at: None,
        };
        tables_more::add_tablet(&mut tx, &row, &self.keyed("tablet", &token)).await?;
        tx.audit("dossiers.tablet.add", &format!("tablet:{}", row.id), &serde_json::json!({ "unit": row.unit })).await?;
        tx.commit().await?;
        Ok(TabletToken { tablet: self.tablet_view(row), token })
    }

    /// The tablets of the units that the caller may see.
    pub async fn tablets(&self, caller: &Caller) -> Result<Vec<TabletView>> {
        let units = self.visible(caller)?;
        let rows = tables_more::tablets(&self.store).await?;
        Ok(rows.into_iter().filter(|t| units.as_ref().is_none_or(|u| u.contains(&t.unit))).map(|t| self.tablet_view(t)).collect())
    }

    /// Ends a tablet: its token counts no more. 404 `dossiers.tablet.unknown`.
    pub async fn end_tablet(&self, caller: &Caller, id: Uuid) -> Result<TabletView> {
        self.visible(caller)?;
        let row = tables_more::tablet(&self.store, id).await?.ok_or_else(unknown)?;
        manages(caller, &row.unit)?;
        let mut tx = self.store.begin(caller).await?;
        if tables_more::end_tablet(&mut tx, id).await? {
            tx.audit("dossiers.tablet.end", &format!("tablet:{id}"), &serde_json::json!({ "unit": row.unit })).await?;
        }
        tx.commit().await?;
        tables_more::tablet(&self.store, id).await?.map(|t| self.tablet_view(t)).ok_or_else(unknown)
    }

    fn tablet_view(&self, t: TabletRow) -> TabletView {
        let unit = UnitRef { name: self.unit_name(&t.unit), id: t.unit };
        TabletView {
            id: t.id,
            unit,
            name: t.name,
            faces: t.faces,
            created_by: t.created_by,
            created_at: t.created_at,
            last_at: t.last_at,
            ended_at: t.ended_at,
        }
    }

    async fn tablet_of(&self, token: &str) -> Result<TabletRow> {
        let refused = || Error::unauthenticated("dossiers.tablet.token", "This tablet's token does not count any more.");
        if token.len() != 32 {
            return Err(refused());
        }
        tables_more::tablet_by(&self.store, &self.keyed("tablet", token)).await?.ok_or_else(refused)
    }

    /// What a tablet shows. 401 `dossiers.tablet.token`.
    pub async fn tablet_face(&self, _: &Caller, token: &str) -> Result<TabletFace> {
        let row = self.tablet_of(token).await?;
        Ok(TabletFace { unit: self.unit_name(&row.unit), name: row.name, faces: row.faces })
    }

    /// Takes the faces that were touched; each has an id of the tablet's, so that what is sent twice counts once. Those with an
    /// impossible instant or level, and more than twenty in a minute, are left out. 401 `dossiers.tablet.token`, 413 `dossiers.too-many`.
    pub async fn rate(&self, caller: &Caller, token: &str, given: RatingsIn) -> Result<RatingsTaken> {
        let tablet = self.tablet_of(token).await?;
        if given.ratings.len() > MOST {
            return Err(Error::too_large("dossiers.too-many", "Send fewer ratings at a time.").with("limit", MOST));
        }
        let now = caller.now.as_microsecond();
        let read = given.ratings.len();
        let mut minutes: std::collections::BTreeMap<i64, usize> = Default::default();
        let usable = given.ratings.into_iter().filter(|r| {
            let at = r.at.as_microsecond();
            let count = minutes.entry(at / 60_000_000).or_default();
            *count += 1;
            let level = if tablet.faces == 3 { [1, 3, 5].contains(&r.level) } else { (1..=5).contains(&r.level) };
            level && at > now - KEPT && at < now + AHEAD && *count <= A_MINUTE
        });
        let rows: Vec<RatingRow> = usable.map(|r| RatingRow { id: r.id, at: r.at, month: self.month(r.at), level: r.level }).collect();
        let mut tx = self.store.begin(caller).await?;
        let fresh = tables_more::add_ratings(&mut tx, &tablet, &rows).await?;
        tx.commit().await?;
        Ok(RatingsTaken { taken: fresh, known: rows.len() as u64 - fresh, left_out: (read - rows.len()) as u64 })
    }

    /// How content people were at the counters of the units that the caller may see.
    pub async fn satisfaction(&self, caller: &Caller, from: Option<&str>, to: Option<&str>) -> Result<Satisfaction> {
        let units = self.visible(caller)?;
        let (from, to) = self.months(caller, from, to)?;
        let rows = tables_more::rated(&self.store, units.as_ref(), &from, &to).await?;
        let names: std::collections::BTreeMap<String, String> =
            tables_more::tablets(&self.store).await?.into_iter().map(|t| (t.id.to_string(), t.name)).collect();
        let rows = rows.into_iter().map(|r| RatedUnit {
            unit: UnitRef { name: self.unit_name(&r.unit), id: r.unit },
            counter: names.get(&r.tablet).cloned().unwrap_or_default(),
            rated: r.rated,
            satisfied: r.satisfied,
            levels: r.levels.to_vec(),
        });
        Ok(Satisfaction { from, to, rows: rows.collect() })
    }
}

/// Whether somebody may add and end tablets of a unit.
fn manages(caller: &Caller, unit: &str) -> Result<()> {
    if caller.may(Permission::DossierWrite, Scope::unit(unit)) {
        return Ok(());
    }
    caller.require(Permission::CaseApprove, Scope::unit(unit))
}
