//! Making pictures smaller: every new sample is the mean of the area it covers.

/// For each new sample the old ones it covers: the first, and how much of each (the parts sum to 1).
struct Axis {
    cells: Vec<(usize, usize, usize)>,
    parts: Vec<f32>,
}

impl Axis {
    fn new(from: usize, to: usize) -> Self {
        let step = from as f64 / to as f64;
        let (mut cells, mut parts) = (Vec::with_capacity(to), Vec::new());
        for i in 0..to {
            let (start, end) = (i as f64 * step, ((i + 1) as f64 * step).min(from as f64));
            let first = (start as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let at = parts.len();
            for k in first..last {
                let covered = (end.min((k + 1) as f64) - start.max(k as f64)).max(0.0);
                parts.push((covered / (end - start)) as f32);
            }
            cells.push((first, at, last - first));
        }
        Self { cells, parts }
    }

    fn cell(&self, i: usize) -> (usize, &[f32]) {
        let (first, at, len) = self.cells[i];
        (first, &self.parts[at..at + len])
    }
}

/// Samples of `N` interleaved channels on a grid of `to` (width, height). The pixels must be `from.0 × from.1 × N`, none of the sides 0.
pub(crate) fn resample<const N: usize>(pixels: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let (across, down) = (Axis::new(from.0, to.0), Axis::new(from.1, to.1));
    let mut out = vec![0.0f32; to.0 * to.1 * N];
    let mut row = vec![0.0f32; to.0 * N];
    let mut ready = usize::MAX;
    for (y, line) in out.chunks_exact_mut(to.0 * N).enumerate() {
        let (first, parts) = down.cell(y);
        for (k, part) in parts.iter().enumerate() {
            if ready != first + k {
                ready = first + k;
                narrow::<N>(&pixels[ready * from.0 * N..(ready + 1) * from.0 * N], &across, &mut row);
            }
            for (sum, value) in line.iter_mut().zip(&row) {
                *sum += part * value;
            }
        }
    }
    out
}

fn narrow<const N: usize>(line: &[u8], across: &Axis, row: &mut [f32]) {
    for (i, cell) in row.chunks_exact_mut(N).enumerate() {
        let (first, parts) = across.cell(i);
        let mut sums = [0.0f32; N];
        for (pixel, part) in line[first * N..].chunks_exact(N).zip(parts) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += part * f32::from(*value);
            }
        }
        cell.copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_whole_and_broken_areas() {
        assert_eq!(resample::<1>(&[0, 10, 20, 30], (4, 1), (2, 1)), [5.0, 25.0]);
        let thirds = resample::<1>(&[0, 30, 60], (3, 1), (2, 1));
        assert!((thirds[0] - 10.0).abs() < 1e-3 && (thirds[1] - 50.0).abs() < 1e-3, "{thirds:?}");
        assert_eq!(resample::<2>(&[1, 2, 3, 4], (1, 2), (1, 1)), [2.0, 3.0]);
        assert_eq!(resample::<1>(&[7], (1, 1), (3, 2)), [7.0; 6]);
    }

    #[test]
    fn the_mean_of_all_stays() {
        let pixels: Vec<u8> = (0..97 * 53).map(|i| (i * 31 % 251) as u8).collect();
        let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
        let whole: Vec<f32> = pixels.iter().map(|p| f32::from(*p)).collect();
        assert!((mean(&resample::<1>(&pixels, (97, 53), (16, 9))) - mean(&whole)).abs() < 0.05);
    }
}
