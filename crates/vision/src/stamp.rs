//! Text on a picture: who took it out, when, and from which camera. Set in Be Vietnam Pro, whose letters have all Vietnamese
//! signs; text is brought to composed letters first, so one letter is one sign.

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};
use unicode_normalization::UnicodeNormalization;

use crate::frame::Frame;
use crate::shape::Outline;

/// The typeface that papers are set in; it lies (with its licence, OFL-1.1) where they are made.
static FACE: &[u8] = include_bytes!("../../paper/fonts/BeVietnamPro-SemiBold.ttf");
const UNKNOWN: char = '?';
const MOST_LINES: usize = 8;
const MOST_LETTERS: usize = 200;
/// Lines looked at within a pixel's height: enough for smooth letters at the smallest size.
const FINE: usize = 5;
/// How much of the picture is left below the text, in 256ths.
const STRIP: u32 = 56;

pub(crate) fn write(frame: &mut Frame, lines: &[&str]) {
    let Ok(font) = FontRef::new(FACE) else { return };
    let lines: Vec<Vec<GlyphId>> = lines.iter().take(MOST_LINES).map(|line| set(&font, line)).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return;
    }
    let (width, height) = (frame.width as f32, frame.height as f32);
    let wanted = (height / 32.0).clamp(12.0, 64.0);
    let widest = lines.iter().map(|line| advance(&font, line, 1.0)).fold(0.0, f32::max);
    // Margins of half a letter at both sides; all lines must fit above each other.
    let size = wanted.min(width / (widest + 1.0)).min(height / (1.3 * lines.len() as f32 + 0.4));
    if size.is_nan() || size < 1.0 {
        return;
    }
    let (step, margin) = (size * 1.3, size * 0.5);
    let top = height - step * lines.len() as f32 - margin * 0.8;
    darken(frame, top.max(0.0) as usize, (widest * size + 2.0 * margin).min(width).ceil() as usize);
    for (i, line) in lines.iter().enumerate() {
        let base = top + margin * 0.4 + step * i as f32 + size;
        draw(frame, &outline(&font, line, size, (margin, base)));
    }
}

/// The signs of a line. Letters that the face does not have become question marks.
fn set(font: &FontRef<'_>, line: &str) -> Vec<GlyphId> {
    let map = font.charmap();
    let blank = |c: char| if c.is_whitespace() || c.is_control() { ' ' } else { c };
    line.nfc().take(MOST_LETTERS).map(blank).map(|c| map.map(c).or_else(|| map.map(UNKNOWN)).unwrap_or_default()).collect()
}

fn advance(font: &FontRef<'_>, line: &[GlyphId], size: f32) -> f32 {
    let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
    line.iter().map(|id| metrics.advance_width(*id).unwrap_or_default()).sum()
}

fn darken(frame: &mut Frame, top: usize, across: usize) {
    let width = frame.width as usize;
    for row in frame.rgb.chunks_exact_mut(width * 3).skip(top) {
        for value in &mut row[..across.min(width) * 3] {
            *value = ((u32::from(*value) * STRIP) >> 8) as u8;
        }
    }
}

fn outline(font: &FontRef<'_>, line: &[GlyphId], size: f32, (mut x, base): (f32, f32)) -> Outline {
    let (signs, metrics) = (font.outline_glyphs(), font.glyph_metrics(Size::new(size), LocationRef::default()));
    let mut pen = Pen { outline: Outline::default(), origin: (x, base), start: (x, base), at: (x, base) };
    for id in line {
        pen.origin = (x, base);
        if let Some(sign) = signs.get(*id) {
            // A sign that cannot be drawn leaves its room blank.
            let _ = sign.draw(DrawSettings::unhinted(Size::new(size), LocationRef::default()), &mut pen);
        }
        x += metrics.advance_width(*id).unwrap_or_default();
    }
    pen.outline
}

fn draw(frame: &mut Frame, letters: &Outline) {
    let Some((low, high)) = letters.span() else { return };
    let width = frame.width as usize;
    let (mut room, mut cover) = (Vec::new(), vec![0.0f32; width]);
    let first = low.floor().max(0.0) as usize;
    let last = (high.ceil().max(0.0) as usize).min(frame.height as usize);
    for (y, row) in frame.rgb.chunks_exact_mut(width * 3).enumerate().take(last).skip(first) {
        cover.fill(0.0);
        for k in 0..FINE {
            letters.inside(y as f32 + (k as f32 + 0.5) / FINE as f32, &mut room, |from, to| add(&mut cover, from, to));
        }
        for (pixel, covered) in row.chunks_exact_mut(3).zip(&cover) {
            let covered = (covered / FINE as f32).min(1.0);
            for value in pixel {
                *value = (f32::from(*value) + (255.0 - f32::from(*value)) * covered + 0.5) as u8;
            }
        }
    }
}

/// Adds a stretch to what is covered of each pixel of a row.
fn add(cover: &mut [f32], from: f32, to: f32) {
    let (from, to) = (from.max(0.0), to.min(cover.len() as f32));
    for x in (from as usize)..(to.ceil().max(0.0) as usize).min(cover.len()) {
        cover[x] += (to.min((x + 1) as f32) - from.max(x as f32)).max(0.0);
    }
}

/// Turns curves into short straight edges; y goes down in pictures and up in typefaces.
struct Pen {
    outline: Outline,
    origin: (f32, f32),
    start: (f32, f32),
    at: (f32, f32),
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.origin.0 + x, self.origin.1 - y)
    }

    fn go(&mut self, to: (f32, f32)) {
        self.outline.edge(self.at, to);
        self.at = to;
    }

    fn curve(&mut self, points: &[(f32, f32)]) {
        const STEPS: u8 = 6;
        let from = self.at;
        for i in 1..=STEPS {
            let t = f32::from(i) / f32::from(STEPS);
            // De Casteljau: between neighbours until one point is left.
            let mut left: Vec<(f32, f32)> = std::iter::once(from).chain(points.iter().copied()).collect();
            while left.len() > 1 {
                left = left.windows(2).map(|w| (w[0].0 + (w[1].0 - w[0].0) * t, w[0].1 + (w[1].1 - w[0].1) * t)).collect();
            }
            self.go(left[0]);
        }
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = self.place(x, y);
        self.at = self.start;
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.go(to);
    }
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let points = [self.place(cx, cy), self.place(x, y)];
        self.curve(&points);
    }
    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let points = [self.place(ax, ay), self.place(bx, by), self.place(x, y)];
        self.curve(&points);
    }
    fn close(&mut self) {
        let start = self.start;
        self.go(start);
    }
}
