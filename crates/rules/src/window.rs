//! Hourly means of the last day of one series, in a few hundred bytes.

use std::collections::VecDeque;

/// Hours a window remembers.
pub const HOURS: usize = 25;

const HOUR_US: i64 = 3_600_000_000;

/// An hour counted since 1970; labelled by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(i64);

impl Hour {
    /// The hour that holds an instant (µs).
    pub fn of(t: i64) -> Self {
        Self(t.div_euclid(HOUR_US))
    }
    /// Its first instant (µs).
    pub fn start(self) -> i64 {
        self.0 * HOUR_US
    }
    /// So many hours earlier.
    pub fn back(self, hours: usize) -> Self {
        Self(self.0 - i64::try_from(hours).unwrap_or(i64::MAX))
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hour: Hour,
    sum: f64,
    count: u64,
}

/// The window. Late readings find their hour; readings older than the window are dropped.
#[derive(Debug, Clone, Default)]
pub struct Window {
    slots: VecDeque<Slot>,
    last: Option<(i64, f64)>,
    before: Option<(i64, f64)>,
}

impl Window {
    /// Adds a reading.
    pub fn add(&mut self, t: i64, value: f64) {
        self.add_mean(t, value, 1);
        if self.last.is_none_or(|(seen, _)| t > seen) {
            self.before = self.last.replace((t, value));
        }
    }

    /// Adds a mean of `count` readings of the hour that holds `t`.
    pub fn add_mean(&mut self, t: i64, mean: f64, count: u64) {
        if !mean.is_finite() || count == 0 {
            return;
        }
        let hour = Hour::of(t);
        let newest = self.slots.back().map_or(hour, |s| s.hour.max(hour));
        if hour <= newest.back(HOURS) {
            return;
        }
        let at = self.slots.partition_point(|s| s.hour < hour);
        match self.slots.get_mut(at) {
            Some(slot) if slot.hour == hour => {
                slot.sum += mean * count as f64;
                slot.count += count;
            }
            _ => self.slots.insert(at, Slot { hour, sum: mean * count as f64, count }),
        }
        while self.slots.front().is_some_and(|s| s.hour <= newest.back(HOURS)) {
            self.slots.pop_front();
        }
    }

    /// Means of `hours` hours ending with `hour`, latest first; missing ones are none.
    pub fn latest_first(&self, hour: Hour, hours: usize) -> Vec<Option<f64>> {
        let from = self.slots.partition_point(|s| s.hour <= hour);
        let mut slots = self.slots.range(..from).rev().peekable();
        let mean = |back| slots.next_if(|s| s.hour == hour.back(back)).map(|s| s.sum / s.count as f64);
        (0..hours).map(mean).collect()
    }

    /// The newest reading and its instant (µs).
    pub fn newest(&self) -> Option<(i64, f64)> {
        self.last
    }

    /// Change per hour between the reading at `t` and the one before it; none for other instants.
    pub fn rate(&self, t: i64) -> Option<f64> {
        let ((t1, v1), (t0, v0)) = (self.last?, self.before?);
        (t1 == t && t1 > t0).then(|| (v1 - v0) / ((t1 - t0) as f64 / HOUR_US as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_day_and_finds_late_hours() {
        let mut window = Window::default();
        for hour in 0..100i64 {
            window.add(hour * HOUR_US, hour as f64);
        }
        assert_eq!(window.slots.len(), HOURS);
        window.add(10 * HOUR_US, 5.0);
        assert_eq!(window.slots.len(), HOURS, "too old to matter");
        window.add(98 * HOUR_US + 1, 100.0);
        assert_eq!(window.latest_first(Hour::of(99 * HOUR_US), 3), vec![Some(99.0), Some(99.0), Some(97.0)]);
        assert_eq!(window.latest_first(Hour::of(101 * HOUR_US), 2), vec![None, None]);
        assert_eq!(window.rate(99 * HOUR_US), Some(1.0));
        assert_eq!(window.rate(98 * HOUR_US + 1), None, "late readings do not make a rate");
    }
}
