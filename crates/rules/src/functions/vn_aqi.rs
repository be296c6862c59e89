//! The Vietnamese air-quality index: sub-indices, NowCast, hourly and daily index.
//!
//! Pure arithmetic. The table of break points and the levels are reference data of a pack
//! (`packs/environment/reference/vn-aqi.toml`); nothing of them is compiled in. Concentrations are µg/m³.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Hours that NowCast looks back, the present one included.
pub const NOWCAST_HOURS: usize = 12;

/// What is measured, as a break-point curve. Ozone has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pollutant {
    /// Particles up to 2.5 µm.
    Pm25,
    /// Particles up to 10 µm.
    Pm10,
    /// Ozone, mean of an hour.
    #[serde(rename = "o3_1h")]
    O3Hour,
    /// Ozone, mean of eight hours.
    #[serde(rename = "o3_8h")]
    O3EightHours,
    /// Nitrogen dioxide.
    No2,
    /// Sulphur dioxide.
    So2,
    /// Carbon monoxide.
    Co,
}

impl Pollutant {
    const ALL: [Pollutant; 7] = [Self::Pm25, Self::Pm10, Self::O3Hour, Self::O3EightHours, Self::No2, Self::So2, Self::Co];

    /// Name of its curve in the reference data.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pm25 => "pm25",
            Self::Pm10 => "pm10",
            Self::O3Hour => "o3_1h",
            Self::O3EightHours => "o3_8h",
            Self::No2 => "no2",
            Self::So2 => "so2",
            Self::Co => "co",
        }
    }
}

/// One band of the index with what the public is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Code (`good`).
    pub code: String,
    /// Lowest index of the band.
    pub from: u16,
    /// Highest index of the band.
    pub to: u16,
    /// Name in Vietnamese.
    pub name: String,
    /// Name in English.
    pub name_en: String,
    /// Official colour, `#RRGGBB`.
    pub colour: String,
    /// What it means for people, Vietnamese.
    pub advice: String,
    /// The same in English.
    pub advice_en: String,
}

/// Break points and levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    index: Vec<f64>,
    curves: BTreeMap<Pollutant, Vec<f64>>,
    levels: Vec<Level>,
    day_least: usize,
    o3_least: usize,
}

/// Means of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// PM2.5.
    pub pm25: Option<f64>,
    /// PM10.
    pub pm10: Option<f64>,
    /// Ozone.
    pub o3: Option<f64>,
    /// Nitrogen dioxide.
    pub no2: Option<f64>,
    /// Sulphur dioxide.
    pub so2: Option<f64>,
    /// Carbon monoxide.
    pub co: Option<f64>,
}

/// An index with what made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The index, rounded half away from zero.
    pub value: u16,
    /// The pollutant with the highest sub-index.
    pub main: Pollutant,
    /// All sub-indices, unrounded.
    pub parts: Vec<(Pollutant, f64)>,
}

impl Table {
    /// A checked table: `index` and every curve strictly rising from 0, the 8-hour ozone curve may end early, levels
    /// without gap from 0 up. `day_least` hours are needed for a daily mean, `o3_least` of eight for an 8-hour mean.
    pub fn new(index: &[f64], curves: &BTreeMap<String, Vec<f64>>, levels: &[Level], day_least: usize, o3_least: usize) -> Result<Self, String> {
        let rising = |v: &[f64]| v.len() >= 2 && v[0] == 0.0 && v.iter().all(|x| x.is_finite()) && v.windows(2).all(|w| w[0] < w[1]);
        if !rising(index) {
            return Err("`index` must rise from 0".into());
        }
        let mut known = BTreeMap::new();
        for pollutant in Pollutant::ALL {
            let curve = curves.get(pollutant.name()).ok_or_else(|| format!("break points of `{}` are missing", pollutant.name()))?;
            if !rising(curve) || curve.len() > index.len() || (curve.len() < index.len() && pollutant != Pollutant::O3EightHours) {
                return Err(format!("break points of `{}` must rise from 0 and be as many as `index`", pollutant.name()));
            }
            known.insert(pollutant, curve.clone());
        }
        if let Some(other) = curves.keys().find(|k| !Pollutant::ALL.iter().any(|p| p.name() == k.as_str())) {
            return Err(format!("`{other}` is not a pollutant of the index"));
        }
        let mut next = 0;
        for level in levels {
            if level.from != next || level.to < level.from {
                return Err(format!("level `{}` must begin at {next}", level.code));
            }
            if level.colour.len() != 7 || !level.colour.starts_with('#') || !level.colour[1..].bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(format!("level `{}`: colour must be #RRGGBB", level.code));
            }
            next = level.to.saturating_add(1);
        }
        if index.last().is_none_or(|top| f64::from(next) <= *top) {
            return Err("the levels do not reach the top of the index".into());
        }
        if !(1..=24).contains(&day_least) || !(1..=8).contains(&o3_least) {
            return Err("least numbers of hours are out of range".into());
        }
        Ok(Self { index: index.to_vec(), curves: known, levels: levels.to_vec(), day_least, o3_least })
    }

    /// Sub-index of a concentration, unrounded. Above the last break point it stays at the top of the index; the
    /// 8-hour ozone curve ends earlier and then gives none (the hourly one decides).
    pub fn sub_index(&self, pollutant: Pollutant, concentration: f64) -> Option<f64> {
        if !concentration.is_finite() || concentration < 0.0 {
            return None;
        }
        let curve = self.curves.get(&pollutant)?;
        for (bounds, values) in curve.windows(2).zip(self.index.windows(2)) {
            if concentration <= bounds[1] {
                return Some((values[1] - values[0]) / (bounds[1] - bounds[0]) * (concentration - bounds[0]) + values[0]);
            }
        }
        if curve.len() == self.index.len() { self.index.last().copied() } else { None }
    }

    /// The level an index falls into; indices above the last one belong to it.
    pub fn level(&self, value: u16) -> Option<&Level> {
        self.levels.iter().find(|l| value <= l.to).or(self.levels.last())
    }

    /// The levels in rising order.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    fn highest(parts: Vec<(Pollutant, f64)>) -> Option<Index> {
        let (main, top) = parts.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
        // The act does not say how to round halves: half away from zero.
        Some(Index { value: top.round().clamp(0.0, f64::from(u16::MAX)) as u16, main, parts })
    }
}

/// NowCast of particles, latest hour first. Two of the last three hours must be there; a missing hour weighs nothing.
pub fn nowcast(latest_first: &[Option<f64>]) -> Option<f64> {
    let hours = &latest_first[..latest_first.len().min(NOWCAST_HOURS)];
    let usable = |c: &Option<f64>| c.filter(|v| v.is_finite() && *v >= 0.0);
    if hours.iter().take(3).filter_map(usable).count() < 2 {
        return None;
    }
    let least = hours.iter().filter_map(usable).fold(f64::INFINITY, f64::min);
    let most = hours.iter().filter_map(usable).fold(0.0, f64::max);
    let ratio = if most > 0.0 { least / most } else { 1.0 };
    let present = || hours.iter().enumerate().filter_map(|(i, c)| usable(c).map(|c| (i32::try_from(i).unwrap_or(i32::MAX), c)));
    if ratio > 0.5 {
        let weighed = |(sum, weights): (f64, f64), (i, c)| {
            let weight = ratio.powi(i);
            (sum + weight * c, weights + weight)
        };
        let (sum, weights) = present().fold((0.0, 0.0), weighed);
        Some(sum / weights)
    } else {
        Some(present().map(|(i, c)| 0.5f64.powi(i + 1) * c).sum())
    }
}

/// The hourly index, latest hour first. None unless PM2.5 or PM10 has a NowCast.
pub fn hourly(table: &Table, latest_first: &[Sample]) -> Option<Index> {
    let now = latest_first.first()?;
    let column = |of: fn(&Sample) -> Option<f64>| latest_first.iter().map(of).collect::<Vec<_>>();
    let pm25 = nowcast(&column(|s| s.pm25)).and_then(|c| table.sub_index(Pollutant::Pm25, c));
    let pm10 = nowcast(&column(|s| s.pm10)).and_then(|c| table.sub_index(Pollutant::Pm10, c));
    if pm25.is_none() && pm10.is_none() {
        return None;
    }
    let gas = |p: Pollutant, c: Option<f64>| (p, c.and_then(|c| table.sub_index(p, c)));
    let parts = [
        (Pollutant::Pm25, pm25),
        (Pollutant::Pm10, pm10),
        gas(Pollutant::O3Hour, now.o3),
        gas(Pollutant::No2, now.no2),
        gas(Pollutant::So2, now.so2),
        gas(Pollutant::Co, now.co),
    ];
    Table::highest(parts.into_iter().filter_map(|(p, v)| v.map(|v| (p, v))).collect())
}

/// The daily index of 24 hours in order of time (01:00 to 00:00). Particles by the mean of the day, ozone by the worse
/// of the highest hour and the highest 8-hour mean, the other gases by the highest hour. None without particles.
pub fn daily(table: &Table, hours: &[Sample]) -> Option<Index> {
    let hours = &hours[..hours.len().min(24)];
    let usable = |of: fn(&Sample) -> Option<f64>| hours.iter().map(of).map(|c| c.filter(|v| v.is_finite() && *v >= 0.0)).collect::<Vec<_>>();
    let mean = |values: &[Option<f64>], least: usize| {
        let present: Vec<f64> = values.iter().flatten().copied().collect();
        (present.len() >= least).then(|| present.iter().sum::<f64>() / present.len() as f64)
    };
    let highest = |values: &[Option<f64>]| values.iter().flatten().copied().reduce(f64::max);
    let pm25 = mean(&usable(|s| s.pm25), table.day_least).and_then(|c| table.sub_index(Pollutant::Pm25, c));
    let pm10 = mean(&usable(|s| s.pm10), table.day_least).and_then(|c| table.sub_index(Pollutant::Pm10, c));
    if pm25.is_none() && pm10.is_none() {
        return None;
    }
    let o3 = usable(|s| s.o3);
    let eight = o3.windows(8).filter_map(|w| mean(w, table.o3_least)).reduce(f64::max);
    let part = |p: Pollutant, c: Option<f64>| (p, c.and_then(|c| table.sub_index(p, c)));
    let parts = [
        (Pollutant::Pm25, pm25),
        (Pollutant::Pm10, pm10),
        part(Pollutant::O3Hour, highest(&o3)),
        part(Pollutant::O3EightHours, eight),
        part(Pollutant::No2, highest(&usable(|s| s.no2))),
        part(Pollutant::So2, highest(&usable(|s| s.so2))),
        part(Pollutant::Co, highest(&usable(|s| s.co))),
    ];
    Table::highest(parts.into_iter().filter_map(|(p, v)| v.map(|v| (p, v))).collect())
}
