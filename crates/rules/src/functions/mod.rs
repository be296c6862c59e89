//! Named functions that packs may call for a value: `vn_aqi_hour(pm25, pm10, o3, no2, so2, co)`, `mean(pm25, 24, 18)`.
//!
//! All of them read hourly means of the last day from [`crate::window::Window`]; none keeps state of its own.

pub mod vn_aqi;

use std::sync::Arc;

use crate::window::{HOURS, Hour, Window};

/// Code of the reference data that the VN_AQI functions read.
pub const AQI_REFERENCE: &str = "vn-aqi";

/// Weeks that a seasonal baseline looks back on, when none are named.
const WEEKS: usize = 8;
/// How far apart two readings may lie to be compared, µs.
const TOGETHER: i64 = 3_600_000_000;

/// Which of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    VnAqiHour,
    VnAqiDay,
    NowCast,
    Mean,
    Max,
    Min,
    Rate,
    Difference,
    Ratio,
    Seasonal,
}

/// A call as a pack wrote it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    kind: Kind,
    inputs: Vec<Arc<str>>,
    hours: usize,
    least: usize,
}

/// What a call needs at evaluation.
pub trait Inputs {
    /// The window of an attribute, if anything was seen.
    fn window(&self, attribute: &str) -> Option<&Window>;
    /// How many spreads a value lies above what is usual at that hour of the week.
    fn deviation(&self, _attribute: &str, _t: i64, _value: f64) -> Option<f64> {
        None
    }
}

impl Call {
    /// Parses `name(argument, …)`. The fault is a sentence for the pack's author.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, rest) = text.split_once('(').ok_or_else(|| format!("`{text}` is not a call like mean(pm25, 24)"))?;
        let rest = rest.strip_suffix(')').ok_or_else(|| format!("`{text}` lacks its closing bracket"))?;
        let arguments: Vec<&str> = rest.split(',').map(str::trim).filter(|a| !a.is_empty()).collect();
        let (attributes, numbers): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|a| !a.starts_with(|c: char| c.is_ascii_digit()));
        let number =
            |at: usize, default: usize| numbers.get(at).map_or(Ok(default), |n| n.parse::<usize>().map_err(|_| format!("`{n}` is not a whole number")));
        let (kind, wanted, most_numbers) = match name.trim() {
            "vn_aqi_hour" => (Kind::VnAqiHour, 6, 0),
            "vn_aqi_day" => (Kind::VnAqiDay, 6, 0),
            "nowcast" => (Kind::NowCast, 1, 0),
            "mean" => (Kind::Mean, 1, 2),
            "max" => (Kind::Max, 1, 2),
            "min" => (Kind::Min, 1, 2),
            "rate" => (Kind::Rate, 1, 0),
            "diff" => (Kind::Difference, 2, 0),
            "ratio" => (Kind::Ratio, 2, 0),
            "seasonal" => (Kind::Seasonal, 1, 1),
            other => {
                let all = "vn_aqi_hour, vn_aqi_day, nowcast, mean, max, min, rate, diff, ratio, seasonal";
                return Err(format!("there is no function `{other}` ({all})"));
            }
        };
        if attributes.len() != wanted {
            return Err(format!("`{name}` takes {wanted} attributes, not {}", attributes.len()));
        }
        if numbers.len() > most_numbers {
            return Err(format!("`{name}` takes at most {most_numbers} numbers"));
        }
        if let Some(bad) = attributes.iter().find(|a| !crate::pack::is_name(a)) {
            return Err(format!("`{bad}` is not an attribute name"));
        }
        let hours = number(0, if kind == Kind::Seasonal { WEEKS } else { 1 })?;
        if kind == Kind::Seasonal && !(3..=12).contains(&hours) {
            return Err(format!("`{text}`: weeks must be 3 to 12"));
        }
        let least = number(1, hours.max(1))?;
        if !(1..=HOURS).contains(&hours) || least == 0 || least > hours {
            return Err(format!("`{text}`: hours must be 1 to {HOURS}, and the least number of them 1 to that"));
        }
        Ok(Self { kind, inputs: attributes.into_iter().map(Arc::from).collect(), hours, least })
    }

    /// Attributes it reads.
    pub fn inputs(&self) -> &[Arc<str>] {
        &self.inputs
    }

    /// Whether it needs the table of the air-quality index.
    pub fn needs_aqi_table(&self) -> bool {
        matches!(self.kind, Kind::VnAqiHour | Kind::VnAqiDay)
    }

    /// Weeks before today that it compares with.
    pub fn weeks(&self) -> Option<usize> {
        (self.kind == Kind::Seasonal).then_some(self.hours)
    }

    /// The value for the hour that holds `t` (µs); none when the data do not suffice.
    pub fn value(&self, inputs: &dyn Inputs, table: Option<&vn_aqi::Table>, t: i64) -> Option<f64> {
        let hour = Hour::of(t);
        match self.kind {
            Kind::VnAqiHour => vn_aqi::hourly(table?, &self.hours_of(inputs, hour, vn_aqi::NOWCAST_HOURS, 1)).map(|i| f64::from(i.value)),
            Kind::VnAqiDay => {
                let mut day = self.hours_of(inputs, hour, 24, 24);
                day.reverse();
                vn_aqi::daily(table?, &day).map(|i| f64::from(i.value))
            }
            Kind::NowCast => vn_aqi::nowcast(&self.means(inputs, 0, hour, vn_aqi::NOWCAST_HOURS)),
            Kind::Difference | Kind::Ratio => {
                let newest = |at: usize| inputs.window(self.inputs.get(at)?)?.newest().filter(|(seen, _)| (t - seen).abs() <= TOGETHER).map(|(_, v)| v);
                let (a, b) = (newest(0)?, newest(1)?);
                match self.kind {
                    Kind::Ratio => Some(a / b).filter(|r| r.is_finite()),
                    _ => Some(a - b),
                }
            }
            Kind::Seasonal => {
                let attribute = self.inputs.first()?;
                let (_, value) = inputs.window(attribute)?.newest().filter(|(seen, _)| *seen == t)?;
                inputs.deviation(attribute, t, value)
            }
            Kind::Rate => inputs.window(self.inputs.first()?)?.rate(t),
            Kind::Mean | Kind::Max | Kind::Min => {
                let means: Vec<f64> = self.means(inputs, 0, hour, self.hours).into_iter().flatten().collect();
                if means.len() < self.least {
                    return None;
                }
                Some(match self.kind {
                    Kind::Max => means.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    Kind::Min => means.iter().copied().fold(f64::INFINITY, f64::min),
                    _ => means.iter().sum::<f64>() / means.len() as f64,
                })
            }
        }
    }

    fn means(&self, inputs: &dyn Inputs, at: usize, hour: Hour, hours: usize) -> Vec<Option<f64>> {
        match self.inputs.get(at).and_then(|a| inputs.window(a)) {
            Some(window) => window.latest_first(hour, hours),
            None => vec![None; hours],
        }
    }

    /// So many hours of particles and so many, not more, of gases, the latest first.
    fn hours_of(&self, inputs: &dyn Inputs, hour: Hour, hours: usize, of_gases: usize) -> Vec<vn_aqi::Sample> {
        let columns: [Vec<Option<f64>>; 6] = std::array::from_fn(|at| self.means(inputs, at, hour, if at < 2 { hours } else { of_gases }));
        let mean = |at: usize, i: usize| columns[at].get(i).copied().flatten();
        (0..hours).map(|i| vn_aqi::Sample { pm25: mean(0, i), pm10: mean(1, i), o3: mean(2, i), no2: mean(3, i), so2: mean(4, i), co: mean(5, i) }).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Map(HashMap<&'static str, Window>);
    impl Inputs for Map {
        fn window(&self, attribute: &str) -> Option<&Window> {
            self.0.get(attribute)
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for bad in [
            "pm25",
            "mean(pm25",
            "mean()",
            "mean(pm25, 0)",
            "mean(pm25, 99)",
            "mean(pm25, 3, 4)",
            "median(pm25, 3)",
            "vn_aqi_hour(pm25)",
            "mean(pm 25, 3)",
            "rate(pm25, 1)",
        ] {
            assert!(Call::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn means_need_enough_hours() {
        const H: i64 = 3_600_000_000;
        let mut window = Window::default();
        for (hour, value) in [(1, 10.0), (2, 20.0), (4, 60.0)] {
            window.add(hour * H, value);
        }
        let inputs = Map(HashMap::from([("pm25", window)]));
        let at = |text: &str, t| Call::parse(text).unwrap().value(&inputs, None, t);
        assert_eq!(at("mean(pm25, 4, 3)", 4 * H + 5), Some(30.0));
        assert_eq!(at("mean(pm25, 4)", 4 * H), None, "one of four hours is missing");
        assert_eq!(at("max(pm25, 2, 1)", 3 * H), Some(20.0));
        assert_eq!(at("min(pm25, 2, 1)", 2 * H), Some(10.0));
        assert_eq!(at("mean(pm10, 1)", H), None);
        assert_eq!(at("vn_aqi_hour(pm25, pm10, o3, no2, so2, co)", 4 * H), None, "no table, no index");
    }
}
