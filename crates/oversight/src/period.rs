//! Reporting periods: `2026`, `2026-Q4`, `2026-11`.

use dothi_kernel::{Error, Result, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeriodKind {
    /// A calendar month.
    Month,
    /// A quarter.
    Quarter,
    /// A calendar year.
    Year,
}

/// One period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    year: i16,
    /// First month, 1 to 12.
    month: i8,
    kind: PeriodKind,
}

impl Period {
    /// Reads `2026`, `2026-Q4` or `2026-11`; 400 `oversight.period`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::invalid("oversight.period", "A period is written 2026, 2026-Q4 or 2026-11.");
        let (year, rest) = text.split_once('-').map_or((text, None), |(y, r)| (y, Some(r)));
        let number = |part: &str, length: usize| (part.len() == length && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i16>().ok()).flatten();
        let year = number(year, 4).filter(|y| (1990..=2200).contains(y)).ok_or_else(bad)?;
        match rest {
            None => Ok(Self { year, month: 1, kind: PeriodKind::Year }),
            Some(rest) => match rest.strip_prefix('Q') {
                Some(q) => number(q, 1).filter(|q| (1..=4).contains(q)).map(|q| Self { year, month: (q as i8 - 1) * 3 + 1, kind: PeriodKind::Quarter }),
                None => number(rest, 2).filter(|m| (1..=12).contains(m)).map(|m| Self { year, month: m as i8, kind: PeriodKind::Month }),
            }
            .ok_or_else(bad),
        }
    }

    /// The period of a kind that holds an instant.
    pub fn at(kind: PeriodKind, at: Timestamp, zone: &TimeZone) -> Self {
        let date = zone.to_datetime(at).date();
        let month = match kind {
            PeriodKind::Month => date.month(),
            PeriodKind::Quarter => (date.month() - 1) / 3 * 3 + 1,
            PeriodKind::Year => 1,
        };
        Self { year: date.year(), month, kind }
    }

    /// Its length.
    pub fn kind(self) -> PeriodKind {
        self.kind
    }

    /// Its year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// From (inclusive) and to (exclusive), midnight to midnight in `zone`.
    pub fn range(self, zone: &TimeZone) -> Result<(Timestamp, Timestamp)> {
        let months = match self.kind {
            PeriodKind::Month => 1,
            PeriodKind::Quarter => 3,
            PeriodKind::Year => 12,
        };
        let after = i16::from(self.month) - 1 + months;
        Ok((midnight(self.year, self.month, zone)?, midnight(self.year + after / 12, (after % 12) as i8 + 1, zone)?))
    }
}

fn midnight(year: i16, month: i8, zone: &TimeZone) -> Result<Timestamp> {
    let bad = |e: jiff::Error| Error::internal("finding the bounds of a period", e);
    let date = Date::new(year, month, 1).map_err(bad)?;
    zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().map_err(bad)
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            PeriodKind::Year => write!(f, "{:04}", self.year),
            PeriodKind::Quarter => write!(f, "{:04}-Q{}", self.year, (self.month - 1) / 3 + 1),
            PeriodKind::Month => write!(f, "{:04}-{:02}", self.year, self.month),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for text in ["2026", "2026-Q4", "2026-11", "2020-01"] {
            assert_eq!(Period::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "26", "2026-", "2026-0", "2026-13", "2026-Q5", "2026-q1", "2026-1", "20261", "2026-11-01", "+026", "1000"] {
            assert_eq!(Period::parse(text).unwrap_err().code(), "oversight.period", "{text}");
        }
    }

    #[test]
    fn bounds_are_local_midnights() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let range = |text: &str| {
            let (from, to) = Period::parse(text).unwrap().range(&zone).unwrap();
            (from.to_string(), to.to_string())
        };
        assert_eq!(range("2026"), ("2025-12-31T17:00:00Z".into(), "2026-12-31T17:00:00Z".into()));
        assert_eq!(range("2026-Q4"), ("2026-09-30T17:00:00Z".into(), "2026-12-31T17:00:00Z".into()));
        assert_eq!(range("2026-12"), ("2026-11-30T17:00:00Z".into(), "2026-12-31T17:00:00Z".into()));
        // 23:30 UTC on New Year's Eve is already the new year in Vietnam.
        let eve = "2026-12-31T23:30:00Z".parse().unwrap();
        assert_eq!(Period::at(PeriodKind::Month, eve, &zone).to_string(), "2027-01");
        assert_eq!(Period::at(PeriodKind::Quarter, eve, &zone).to_string(), "2027-Q1");
        assert_eq!(Period::at(PeriodKind::Year, eve, &zone).to_string(), "2027");
    }
}
