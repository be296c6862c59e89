//! What is usual for a series at an hour of the week: median and spread of the same hour in the weeks before.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::rank::median;
use jiff::tz::TimeZone;

/// Hours of a week.
const SLOTS: usize = 168;
/// Weeks that an hour needs before anything is usual in it.
const LEAST: usize = 3;
/// From the median of absolute deviations to a standard deviation, for values that are spread normally.
const NORMAL: f64 = 1.4826;

/// Median and spread of one hour of the week; none when too little is known, or nothing ever differed.
type Usual = Option<(f32, f32)>;

/// An attribute with what is usual of it.
type Week = (Arc<str>, Box<[Usual; SLOTS]>);
/// Means of a series by hour of the week; its key is the entity and the attribute.
type Hours = HashMap<(Arc<str>, Arc<str>), Vec<Vec<f64>>>;

/// Baselines of many series.
#[derive(Default)]
pub struct Baselines {
    series: HashMap<Arc<str>, Vec<Week>>,
}

/// The hour of the local week that holds an instant (µs); Monday's first hour is 0.
fn slot(t: i64, zone: &TimeZone) -> usize {
    let local = dothi_kernel::time::micros(t).to_zoned(zone.clone());
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
    day * 24 + usize::try_from(local.hour()).unwrap_or(0)
}

impl Baselines {
    /// From hourly means: entity, attribute, an instant of the hour (µs), mean.
    pub fn of(means: impl Iterator<Item = (Arc<str>, Arc<str>, i64, f64)>, zone: &TimeZone) -> Self {
        let mut hours = Hours::new();
        for (entity, attribute, t, mean) in means.filter(|(.., mean)| mean.is_finite()) {
            hours.entry((entity, attribute)).or_insert_with(|| vec![Vec::new(); SLOTS])[slot(t, zone)].push(mean);
        }
        let mut series: HashMap<Arc<str>, Vec<_>> = HashMap::new();
        for ((entity, attribute), slots) in hours {
            let mut usual: Box<[Usual; SLOTS]> = Box::new([None; SLOTS]);
            for (n, mut values) in slots.into_iter().enumerate().filter(|(_, values)| values.len() >= LEAST) {
                let Some(middle) = median(&mut values) else { continue };
                let mut off: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
                let spread = NORMAL * median(&mut off).unwrap_or(0.0);
                usual[n] = (spread > 0.0).then_some((middle as f32, spread as f32));
            }
            series.entry(entity).or_default().push((attribute, usual));
        }
        Self { series }
    }

    /// How many spreads a value lies above (or below) what is usual at that hour.
    pub fn deviation(&self, entity: &str, attribute: &str, t: i64, value: f64, zone: &TimeZone) -> Option<f64> {
        let (_, usual) = self.series.get(entity)?.iter().find(|(a, _)| **a == *attribute)?;
        let (middle, spread) = usual[slot(t, zone)]?;
        Some((value - f64::from(middle)) / f64::from(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hour_of_the_week_is_compared() {
        const HOUR: i64 = 3_600_000_000;
        let zone = TimeZone::UTC;
        let (entity, attribute): (Arc<str>, Arc<str>) = ("e".into(), "a".into());
        // Rush hours are 100 ± 5, and one week was a holiday; the hour after is quiet.
        let weeks = [95.0, 100.0, 105.0, 100.0, 20.0];
        let rush = weeks.iter().zip(0..).map(|(v, w)| (w * SLOTS as i64 * HOUR, *v));
        let calm = weeks.iter().zip(0..).map(|(_, w)| ((w * SLOTS as i64 + 1) * HOUR, 10.0));
        let usual = Baselines::of(rush.chain(calm).map(|(t, v)| (entity.clone(), attribute.clone(), t, v)), &zone);
        let at = |hour: i64, value| usual.deviation("e", "a", (5 * SLOTS as i64 + hour) * HOUR, value, &zone);
        let jam = at(0, 130.0);
        assert!(jam.is_some_and(|d| (4.0..4.1).contains(&d)), "{jam:?}: one odd week does not widen the spread");
        assert_eq!(at(0, 100.0), Some(0.0));
        assert_eq!(at(1, 50.0), None, "what never differed has no spread");
        assert_eq!(at(2, 50.0), None, "nothing is known of this hour");
    }
}
