//! What is measured of one frame.

use dothi_kernel::Result;

use crate::area::resample;
use crate::frame::{Frame, Polygon};
use crate::shape::touched;

/// Grid of the view: fine enough to see a shift of 5 %, coarse enough to overlook leaves and people.
pub(crate) const VIEW: (usize, usize) = (64, 36);
/// Places where single pixels are compared; not means, for those would hide the noise that tells a live picture from a still one.
const POINTS: (usize, usize) = (128, 72);
/// Width at which sharpness is measured, so that cameras of different resolution compare.
const SHARP: usize = 480;

/// Levels of brightness by which neighbouring cells differ at an edge that counts half.
const HALF: f32 = 4.0;

/// A frame in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Brightness (0–255) under which 5 % of the picture lies.
    pub low: u8,
    /// Brightness (0–255) under which 95 % of the picture lies.
    pub high: u8,
    /// Variance of the Laplacian over the variance of brightness, at 480 pixels across: falls with blur, not with light.
    pub sharp: f32,
    pub(crate) points: Vec<u8>,
    pub(crate) edges: Vec<[f32; 2]>,
}

impl Look {
    /// Share of the compared points (0..=1) that differ by more than `noise` levels; 1 when the two do not compare.
    pub fn changed(&self, other: &Look, noise: u8) -> f32 {
        differing(&self.points, &other.points, noise)
    }
}

pub(crate) fn differing(a: &[u8], b: &[u8], noise: u8) -> f32 {
    if a.len() != b.len() || a.is_empty() {
        return 1.0;
    }
    a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > noise).count() as f32 / a.len() as f32
}

/// Looks at the whole frame.
pub fn look(frame: &Frame) -> Result<Look> {
    look_outside(frame, &[])
}

/// Looks at the frame except some areas: a clock that the camera writes into its picture, a privacy mask, a waving tree.
/// The areas must stay the same for one camera's [`super::Watch`].
pub fn look_outside(frame: &Frame, areas: &[Polygon]) -> Result<Look> {
    frame.whole()?;
    let (size, luma) = (frame.size(), frame.luma());
    let points = points(&luma, size, &outside(areas, POINTS));
    let (low, high) = percentiles(&points);
    let (sharp, edges) = (sharpness(&luma, size, areas), edges(&luma, size, &outside(areas, VIEW)));
    Ok(Look { low, high, sharp, points, edges })
}

/// Which cells of a grid count.
fn outside(areas: &[Polygon], (width, height): (usize, usize)) -> Vec<bool> {
    let mut counts = vec![true; width * height];
    for area in areas {
        touched(&area.outline(width as f32, height as f32), (width, height), |x, y| counts[y * width + x] = false);
    }
    counts
}

fn points(luma: &[u8], (width, height): (usize, usize), counts: &[bool]) -> Vec<u8> {
    let place = |i: usize| {
        let (x, y) = (i % POINTS.0, i / POINTS.0);
        luma[(2 * y + 1) * height / (2 * POINTS.1) * width + (2 * x + 1) * width / (2 * POINTS.0)]
    };
    counts.iter().enumerate().filter(|(_, counts)| **counts).map(|(i, _)| place(i)).collect()
}

/// The values under which 5 % and 95 % of the samples lie.
fn percentiles(samples: &[u8]) -> (u8, u8) {
    let mut counts = [0usize; 256];
    samples.iter().for_each(|s| counts[usize::from(*s)] += 1);
    let at = |share: usize| {
        let mut left = samples.len() * share / 100;
        for (value, count) in counts.iter().enumerate() {
            if left < *count {
                return value as u8;
            }
            left -= count;
        }
        0
    };
    (at(5), at(95))
}

fn sharpness(luma: &[u8], from: (usize, usize), areas: &[Polygon]) -> f32 {
    let width = from.0.clamp(3, SHARP);
    let to = (width, (from.1 * width / from.0).clamp(3, 2 * SHARP));
    let (small, counts) = (resample::<1>(luma, from, to), outside(areas, to));
    let (mut n, mut bend, mut bend2, mut light, mut light2) = (0.0f64, 0.0, 0.0, 0.0, 0.0);
    for y in 1..to.1 - 1 {
        for x in 1..to.0 - 1 {
            let i = y * to.0 + x;
            let around = [i - 1, i + 1, i - to.0, i + to.0];
            // The rim of a mask is sharp, but no part of the scene.
            if !counts[i] || around.iter().any(|k| !counts[*k]) {
                continue;
            }
            let laplace = f64::from(4.0 * small[i] - around.iter().map(|k| small[*k]).sum::<f32>());
            let value = f64::from(small[i]);
            n += 1.0;
            bend += laplace;
            bend2 += laplace * laplace;
            light += value;
            light2 += value * value;
        }
    }
    if n < 1.0 {
        return 0.0;
    }
    let variance = |sum: f64, squares: f64| (squares / n - (sum / n) * (sum / n)).max(0.0);
    let spread = variance(light, light2);
    // A picture of one colour is neither sharp nor blurred: it has nothing to be sharp.
    if spread < 1.0 { 0.0 } else { (variance(bend, bend2) / spread) as f32 }
}

/// Direction and strength of the edges in each cell. The angle is doubled, so that an edge that turns from dark-on-bright to
/// bright-on-dark (day to night) stays the same edge; strength saturates, so that a few hard edges do not outvote all others.
fn edges(luma: &[u8], from: (usize, usize), counts: &[bool]) -> Vec<[f32; 2]> {
    let grid = resample::<1>(luma, from, VIEW);
    let mut edges = vec![[0.0; 2]; VIEW.0 * VIEW.1];
    for y in 1..VIEW.1 - 1 {
        for x in 1..VIEW.0 - 1 {
            let i = y * VIEW.0 + x;
            let around = [i - 1, i + 1, i - VIEW.0, i + VIEW.0];
            if !counts[i] || around.iter().any(|k| !counts[*k]) {
                continue;
            }
            let (gx, gy) = (grid[i + 1] - grid[i - 1], grid[i + VIEW.0] - grid[i - VIEW.0]);
            let strength = (gx * gx + gy * gy).sqrt();
            if strength > 0.0 {
                let weight = 1.0 / (strength * (strength + HALF));
                edges[i] = [(gx * gx - gy * gy) * weight, 2.0 * gx * gy * weight];
            }
        }
    }
    edges
}
