//! Order statistics: percentiles by nearest rank, and the median.
//!
//! A percentile by nearest rank is the smallest of the values that so many per cent of them do not exceed: always a value that was
//! there. The median of an even number of values lies midway between the two in the middle.

/// Where a percentile (1 to 100) stands among `n` ascending values, counted from 0; none among none.
pub fn place(n: usize, percent: u32) -> Option<usize> {
    (n > 0).then(|| (n * percent as usize).div_ceil(100).clamp(1, n) - 1)
}

/// The percentile (1 to 100) of ascending values; none without values.
pub fn percentile<T: Copy>(sorted: &[T], percent: u32) -> Option<T> {
    place(sorted.len(), percent).map(|at| sorted[at])
}

/// The median of values, which are sorted by it; none without values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{median, percentile};

    /// Takes the least and the greatest away until one or two are left.
    fn slow_median(values: &[f64]) -> f64 {
        let mut rest = values.to_vec();
        while rest.len() > 2 {
            let least = (0..rest.len()).min_by(|a, b| rest[*a].total_cmp(&rest[*b])).unwrap();
            rest.remove(least);
            let most = (0..rest.len()).max_by(|a, b| rest[*a].total_cmp(&rest[*b])).unwrap();
            rest.remove(most);
        }
        rest.iter().sum::<f64>() / rest.len() as f64
    }

    proptest! {
        #[test]
        fn a_percentile_is_what_its_definition_says(mut values in prop::collection::vec(-50i64..50, 1..120), percent in 1u32..=100) {
            values.sort_unstable();
            let reached = |v: i64| values.iter().filter(|x| **x <= v).count() * 100 >= values.len() * percent as usize;
            prop_assert_eq!(percentile(&values, percent), values.iter().copied().find(|v| reached(*v)));
        }

        #[test]
        fn the_median_is_in_the_middle(mut values in prop::collection::vec(-1e6f64..1e6, 1..60)) {
            let slow = slow_median(&values);
            prop_assert_eq!(median(&mut values), Some(slow));
        }
    }

    #[test]
    fn of_ten_and_of_none() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], 90), Some(9.0));
        assert_eq!(percentile::<f64>(&[], 90), None);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
