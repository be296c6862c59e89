//! How a value stands against its target, and how a group stands. A missing value is missing, never 0.

use crate::model::{Standing, Summary};
use crate::stated::{Stated, StatedKind};

/// What was reported or computed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Figure.
    pub number: Option<f64>,
    /// Answer.
    pub yes_no: Option<bool>,
}

/// Per cent of the target reached, at most 100; none when there is no value or no target to hold it against.
pub fn achievement(target: &Stated, reading: &Reading) -> Option<f64> {
    match target.kind {
        StatedKind::Number | StatedKind::AtLeast => {
            let (target, value) = (target.number?, reading.number?);
            if value >= target {
                Some(100.0)
            } else {
                // Below a target of 0 or less there is no share to speak of.
                (target > 0.0).then(|| (value / target * 100.0).clamp(0.0, 100.0))
            }
        }
        StatedKind::YesNo => Some(if reading.yes_no? == target.bool? { 100.0 } else { 0.0 }),
        StatedKind::NotStarted | StatedKind::Undetermined | StatedKind::InProgress | StatedKind::Text => None,
    }
}

/// The standing that follows from it.
pub fn standing(achievement: Option<f64>, near_from: f64) -> Standing {
    match achievement {
        None => Standing::NoData,
        Some(a) if a >= 100.0 => Standing::Met,
        Some(a) if a >= near_from => Standing::Near,
        Some(_) => Standing::Behind,
    }
}

/// Counts and the mean of those that have an achievement.
pub fn summary(indicators: impl Iterator<Item = (Option<f64>, Standing)>) -> Summary {
    let (mut out, mut sum, mut with) = (Summary::default(), 0.0, 0u32);
    for (achievement, standing) in indicators {
        out.total += 1;
        match standing {
            Standing::Met => out.met += 1,
            Standing::Near => out.near += 1,
            Standing::Behind => out.behind += 1,
            Standing::NoData => out.no_data += 1,
        }
        if let Some(a) = achievement {
            sum += a;
            with += 1;
        }
    }
    out.achievement = (with > 0).then(|| sum / f64::from(with));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stated::tests::words;

    fn number(n: f64) -> Reading {
        Reading { number: Some(n), yes_no: None }
    }

    #[test]
    fn against_each_kind_of_target() {
        let target = |text: &str| Stated::parse(text, &words());
        assert_eq!(achievement(&target("80"), &number(40.0)), Some(50.0));
        assert_eq!(achievement(&target("80"), &number(90.0)), Some(100.0));
        assert_eq!(achievement(&target("≥ 50"), &number(49.0)), Some(98.0));
        assert_eq!(achievement(&target("≥ 50"), &number(0.0)), Some(0.0));
        assert_eq!(achievement(&target("0,2"), &number(0.05)), Some(25.0));
        assert_eq!(achievement(&target("0"), &number(0.0)), Some(100.0));
        assert_eq!(achievement(&target("Có"), &Reading { number: None, yes_no: Some(true) }), Some(100.0));
        assert_eq!(achievement(&target("Có"), &Reading { number: None, yes_no: Some(false) }), Some(0.0));
        // No value is no value, whatever the target.
        assert_eq!(achievement(&target("80"), &Reading::default()), None);
        assert_eq!(achievement(&target("Có"), &Reading::default()), None);
        assert_eq!(achievement(&target("Chưa xác định"), &number(10.0)), None);
        assert_eq!(standing(None, 80.0), Standing::NoData);
        assert_eq!(standing(Some(80.0), 80.0), Standing::Near);
        assert_eq!(standing(Some(79.9), 80.0), Standing::Behind);
    }

    #[test]
    fn means_leave_out_what_is_missing() {
        let s = summary([(Some(100.0), Standing::Met), (None, Standing::NoData), (Some(50.0), Standing::Behind)].into_iter());
        assert_eq!(s, Summary { met: 1, near: 0, behind: 1, no_data: 1, total: 3, achievement: Some(75.0) });
        assert_eq!(summary([(None, Standing::NoData)].into_iter()).achievement, None);
    }

    proptest! {
        #[test]
        fn stays_between_0_and_100(target in 0.001f64..1e6, value in -1e6f64..1e6) {
            let text = Stated { text: String::new(), number: Some(target), bool: None, kind: StatedKind::AtLeast };
            let a = achievement(&text, &number(value)).unwrap_or(f64::NAN);
            prop_assert!((0.0..=100.0).contains(&a));
            prop_assert_eq!(a >= 100.0, value >= target);
        }
    }
}
