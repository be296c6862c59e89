//! A picture, and what is hidden of it before anyone sees it.

use dothi_kernel::{Error, Result};
use image::codecs::jpeg::JpegEncoder;
use serde::{Deserialize, Serialize};

use crate::area::resample;
use crate::shape::{Outline, touched};

/// Most pixels a picture may have: 4096 × 2304, what H.264 allows at most (level 5.2).
pub(crate) const MOST_PIXELS: u64 = 4096 * 2304;
const MOST_SIDE: u32 = 8192;
const MOST_CORNERS: usize = 64;

/// An area by its corners, as fractions 0..=1 of the picture's width and height. It is closed by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Polygon(pub Vec<(f32, f32)>);

impl Polygon {
    /// Refuses what is no area of a picture: under 3 or over 64 corners, corners outside, no extent.
    pub fn check(&self) -> Result<()> {
        if !(3..=MOST_CORNERS).contains(&self.0.len()) {
            return Err(Error::invalid("picture.area.corners", "An area has 3 to 64 corners.").with("corners", self.0.len()));
        }
        if !self.0.iter().all(|(x, y)| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y)) {
            return Err(Error::invalid("picture.area.outside", "Corners are fractions from 0 to 1 of the picture's width and height."));
        }
        let mut twice = 0.0;
        for (i, (x0, y0)) in self.0.iter().enumerate() {
            let (x1, y1) = self.0[(i + 1) % self.0.len()];
            twice += x0 * y1 - x1 * y0;
        }
        if twice.abs() < 1e-6 {
            return Err(Error::invalid("picture.area.flat", "The area has no extent."));
        }
        Ok(())
    }

    /// Whether a point (fractions) lies inside.
    pub fn holds(&self, x: f32, y: f32) -> bool {
        self.outline(1.0, 1.0).holds(x, y)
    }

    /// Its outline on a grid. Corners outside the picture, and those that are no numbers, go to its rim: rather too much is hidden.
    pub(crate) fn outline(&self, width: f32, height: f32) -> Outline {
        let within = |v: f32| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
        Outline::ring(self.0.iter().take(MOST_CORNERS).map(|(x, y)| (within(*x) * width, within(*y) * height)))
    }
}

/// An uncompressed picture, 8 bits for red, green and blue, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `width × height × 3` bytes.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// A picture of these bytes; refused when their number does not fit or the picture is larger than 4096 × 2304.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let frame = Self { width, height, rgb };
        frame.whole()?;
        Ok(frame)
    }

    pub(crate) fn whole(&self) -> Result<()> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        if pixels == 0 || pixels > MOST_PIXELS || self.width > MOST_SIDE || self.height > MOST_SIDE || self.rgb.len() as u64 != pixels * 3 {
            return Err(Error::unprocessable("picture.size", "The picture's size is not one that can be worked with.")
                .with("width", self.width)
                .with("height", self.height));
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width as usize, self.height as usize)
    }

    /// As JPEG. `quality` 1..=100; it carries pixels only, no time, place or camera.
    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        self.whole()?;
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
            .encode(&self.rgb, self.width, self.height, image::ExtendedColorType::Rgb8)
            .map_err(|e| Error::internal("writing a picture as JPEG", e))?;
        Ok(bytes)
    }

    /// Fills the areas with black, with every pixel they touch: what was there cannot be brought back. A picture whose bytes do
    /// not fit its size is blackened whole.
    pub fn mask(&mut self, areas: &[Polygon]) {
        if self.whole().is_err() {
            self.rgb.fill(0);
            return;
        }
        let (width, height) = self.size();
        let rgb = &mut self.rgb;
        for area in areas {
            touched(&area.outline(width as f32, height as f32), (width, height), |x, y| {
                let at = (y * width + x) * 3;
                rgb[at..at + 3].fill(0);
            });
        }
    }

    /// Writes lines of text in the lower left corner, white on a dark strip, so that they are read on bright and dark pictures.
    /// At most 8 lines; long ones are set smaller, to the picture's width.
    pub fn stamp(&mut self, lines: &[&str]) {
        if self.whole().is_ok() {
            crate::stamp::write(self, lines);
        }
    }

    /// The same picture with its longer side at most `longest` pixels; never made larger.
    pub fn smaller(&self, longest: u32) -> Result<Frame> {
        self.whole()?;
        let side = self.width.max(self.height);
        if side <= longest.max(1) {
            return Ok(self.clone());
        }
        let shrunk = |v: u32| (u64::from(v) * u64::from(longest.max(1)) / u64::from(side)).max(1) as u32;
        let (width, height) = (shrunk(self.width), shrunk(self.height));
        let samples = resample::<3>(&self.rgb, self.size(), (width as usize, height as usize));
        Frame::new(width, height, samples.into_iter().map(|v| (v + 0.5) as u8).collect())
    }

    /// How bright each pixel is (BT.601 weights).
    pub(crate) fn luma(&self) -> Vec<u8> {
        self.rgb.chunks_exact(3).map(|p| ((u32::from(p[0]) * 77 + u32::from(p[1]) * 150 + u32::from(p[2]) * 29) >> 8) as u8).collect()
    }
}
