//! Figures that indicators may ask for.

use async_trait::async_trait;
use dothi_kernel::measure::MeasureQuery;
use dothi_kernel::{Error, Evidence, Measure, Measures, Result};

use crate::Dossiers;
use crate::tables_board::{self, By, Slice};
use crate::tables_more;

#[async_trait]
impl Measures for Dossiers {
    fn names(&self) -> Vec<&'static str> {
        vec!["dossiers.on-time", "dossiers.online", "dossiers.satisfaction"]
    }

    /// Months are the grain: a query counts the months that begin within it.
    async fn measure(&self, name: &str, query: &MeasureQuery) -> Result<Measure> {
        let unknown = || Error::unprocessable("measure.unknown", "There is no such figure.").with("name", name);
        let last = dothi_kernel::time::micros(query.to.as_microsecond() - 1);
        let mut slice = Slice { from: self.month(query.from), to: self.month(last), ..Slice::default() };
        let area = query.area.as_deref().filter(|area| *area != self.directory.home());
        if name == "dossiers.satisfaction" {
            // Counters belong to agencies; an area has those that answer for it.
            let units = area.map(|a| self.directory.organisation_for(a, "commune").map(|u| u.id).into_iter().collect());
            let rated = tables_more::rated(&self.store, units.as_ref(), &slice.from, &slice.to).await?;
            let rows = rated.iter().map(|r| Evidence {
                label: format!("{}: {} / {}", self.unit_name(&r.unit), r.satisfied, r.rated),
                link: "/lead/dossiers".into(),
                counts: r.satisfied > 0,
            });
            let sum = |of: fn(&tables_more::RatedRow) -> i64| rated.iter().map(of).sum::<i64>() as f64;
            return Ok(Measure { numerator: sum(|r| r.satisfied), denominator: Some(sum(|r| r.rated)), rows: rows.take(200).collect() });
        }
        slice.commune = area.map(str::to_string);
        let tallies = tables_board::tallies(&self.store, &slice, By::Unit).await?;
        let counts = |t: &tables_board::Tally| match name {
            "dossiers.on-time" => Some(t.received - t.late),
            "dossiers.online" => Some(t.online),
            _ => None,
        };
        let (mut numerator, mut denominator, mut rows) = (0, 0, Vec::new());
        for (unit, tally) in &tallies {
            let part = counts(tally).ok_or_else(unknown)?;
            numerator += part;
            denominator += tally.received;
            let link = format!("/lead/dossiers?unit={unit}&by=procedure");
            rows.push(Evidence { label: format!("{}: {part} / {}", self.unit_name(unit), tally.received), link, counts: part > 0 });
        }
        if !self.names().contains(&name) {
            return Err(unknown());
        }
        rows.truncate(200);
        Ok(Measure { numerator: numerator as f64, denominator: Some(denominator as f64), rows })
    }
}
