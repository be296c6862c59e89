//! Which stretch of a line lies inside a shape: masks, zones and letters are all filled with this.

/// The edges of closed outlines, in any unit. What is wound around at least once is inside.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outline(Vec<[f32; 4]>);

impl Outline {
    /// Adds an edge. One with a coordinate that is no number is left out.
    pub fn edge(&mut self, from: (f32, f32), to: (f32, f32)) {
        let edge = [from.0, from.1, to.0, to.1];
        if edge.iter().all(|v| v.is_finite()) {
            self.0.push(edge);
        }
    }

    /// A closed outline through these corners.
    pub fn ring(corners: impl Iterator<Item = (f32, f32)>) -> Self {
        let corners: Vec<_> = corners.collect();
        let mut outline = Self::default();
        for (i, from) in corners.iter().enumerate() {
            outline.edge(*from, corners[(i + 1) % corners.len()]);
        }
        outline
    }

    pub fn edges(&self) -> &[[f32; 4]] {
        &self.0
    }

    /// Lowest and highest y.
    pub fn span(&self) -> Option<(f32, f32)> {
        let ys = self.0.iter().flat_map(|e| [e[1], e[3]]);
        ys.fold(None, |known, y| Some(known.map_or((y, y), |(low, high): (f32, f32)| (low.min(y), high.max(y)))))
    }

    /// The stretches of the horizontal line at `y` that are inside, from left to right. `crossings` is room to work in.
    pub fn inside(&self, y: f32, crossings: &mut Vec<(f32, i32)>, mut each: impl FnMut(f32, f32)) {
        crossings.clear();
        for [x0, y0, x1, y1] in &self.0 {
            // Half open, so that a corner on the line is crossed once.
            let (down, up) = (*y0 <= y && y < *y1, *y1 <= y && y < *y0);
            if down || up {
                crossings.push((x0 + (x1 - x0) * (y - y0) / (y1 - y0), if down { 1 } else { -1 }));
            }
        }
        crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut wound, mut from) = (0, 0.0);
        for (x, turn) in crossings.iter() {
            let before = wound;
            wound += turn;
            if before == 0 {
                from = *x;
            } else if wound == 0 {
                each(from, *x);
            }
        }
    }

    /// Whether the point is inside.
    pub fn holds(&self, x: f32, y: f32) -> bool {
        let mut held = false;
        self.inside(y, &mut Vec::new(), |from, to| held |= from <= x && x < to);
        held
    }
}

/// Marks every cell of a grid that the shape touches, however little: what must be hidden is hidden with its rim.
pub(crate) fn touched(outline: &Outline, (width, height): (usize, usize), mut mark: impl FnMut(usize, usize)) {
    let Some((low, high)) = outline.span() else { return };
    let mut room = Vec::new();
    let rows = (low.floor().max(0.0) as usize)..(high.ceil().max(0.0) as usize).min(height);
    for y in rows {
        for part in [0.001, 0.25, 0.5, 0.75, 0.999] {
            outline.inside(y as f32 + part, &mut room, |from, to| {
                for x in (from.floor().max(0.0) as usize)..(to.ceil().max(0.0) as usize).min(width) {
                    mark(x, y);
                }
            });
        }
    }
    // Slivers between those lines: follow the edges themselves.
    for [x0, y0, x1, y1] in outline.edges() {
        let steps = ((x1 - x0).abs().max((y1 - y0).abs()) * 2.0).ceil().clamp(1.0, 65_536.0) as usize;
        for i in 0..=steps {
            let t = i as f32 / steps as f32;
            let (x, y) = (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t);
            if x >= 0.0 && y >= 0.0 {
                let (x, y) = (x as usize, y as usize);
                if x < width && y < height {
                    mark(x, y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_loops_have_no_hole() {
        // A five-pointed star drawn in one go: its middle is wound around twice.
        let star = Outline::ring((0..5).map(|i| {
            let a = f32::from(i as u8 * 2 % 5) * std::f32::consts::TAU / 5.0;
            (10.0 + 8.0 * a.sin(), 10.0 - 8.0 * a.cos())
        }));
        assert!(star.holds(10.0, 10.0));
        assert!(!star.holds(1.0, 1.0));
    }

    #[test]
    fn every_touched_cell_is_marked() {
        let sliver = Outline::ring([(0.2, 3.4), (9.8, 3.4), (9.8, 3.401)].into_iter());
        let mut cells = std::collections::BTreeSet::new();
        touched(&sliver, (10, 10), |x, y| {
            cells.insert((x, y));
        });
        assert_eq!(cells, (0..10).map(|x| (x, 3)).collect());
    }
}
