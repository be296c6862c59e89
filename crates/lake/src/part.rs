//! Parts of the table: stretches of time whose rows share a folder.
//!
//! Rows live by UTC day. Days of long ago that hold little are kept by month: a file costs some kilobytes whatever it
//! holds, and a series of months is then read from few files.

use crate::schema::{DAY_US, day_name, day_of};

/// A day or a month, from inclusive to exclusive, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part {
    pub from: i64,
    pub to: i64,
}

fn midnight(date: jiff::civil::Date) -> Option<i64> {
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

impl Part {
    /// A day since 1970.
    pub fn day(day: i64) -> Self {
        Self { from: day.saturating_mul(DAY_US), to: day.saturating_add(1).saturating_mul(DAY_US) }
    }

    /// The month an instant lies in; its day where the calendar ends.
    pub fn month(t: i64) -> Self {
        let date = dothi_kernel::time::micros(t).to_zoned(jiff::tz::TimeZone::UTC).date();
        let bounds = || {
            let next = date.last_of_month().tomorrow().ok()?;
            Some(Self { from: midnight(date.first_of_month())?, to: midnight(next)? })
        };
        bounds().unwrap_or_else(|| Self::day(day_of(t)))
    }

    /// Whether it is longer than a day.
    pub fn is_month(&self) -> bool {
        self.to - self.from > DAY_US
    }

    /// Where a new file of this part goes, relative to the table's folder.
    pub fn path(&self, id: uuid::Uuid) -> String {
        let day = day_name(day_of(self.from));
        match self.is_month() {
            true => format!("month={}/{id}.parquet", &day[..7]),
            false => format!("day={day}/{id}.parquet"),
        }
    }

    /// The part that [`Part::path`] wrote into a path.
    pub fn in_path(path: &str) -> Option<Self> {
        let (folder, _) = path.split_once('/')?;
        let (kind, name) = folder.split_once('=')?;
        let instant = |text: String| text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond());
        match kind {
            "day" => Some(Self::day(day_of(instant(format!("{name}T00:00:00Z"))?))),
            "month" => Some(Self::month(instant(format!("{name}-01T00:00:00Z"))?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_in_paths() {
        for part in [Part::day(0), Part::day(-1), Part::day(20_778), Part::month(0), Part::month(-1), Part::month(1_795_222_800_000_001)] {
            assert_eq!(Part::in_path(&part.path(uuid::Uuid::nil())), Some(part), "{part:?}");
        }
        assert_eq!(Part::in_path("else/x.parquet"), None);
        let november = Part::month(1_795_222_800_000_000);
        assert!(november.is_month() && november.to - november.from == 30 * DAY_US);
        assert!(november.path(uuid::Uuid::nil()).starts_with("month=2026-11/"));
    }
}
