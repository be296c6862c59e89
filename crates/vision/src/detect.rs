//! Finding things: small ONNX models run by tract, on the processor. Two families are known, each with the handling of pixels and
//! outputs that its authors publish: FastestDet (github.com/dog-qiuqiu/FastestDet) and NanoDet (github.com/RangiLyu/nanodet, the
//! export with separate scores and distances for each of three strides).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dothi_kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use tract_onnx::prelude::*;

use crate::area::resample;
use crate::frame::Frame;

const MOST_MODEL: usize = 32 << 20;
const MOST_SIDE: u32 = 1280;
const MOST_CLASSES: usize = 1000;
/// Boxes looked at for overlap, best first, and boxes returned.
const MOST_BOXES: usize = 600;
const MOST_FOUND: usize = 128;
/// NanoDet: cells' sizes in pixels, and steps that a distance is spread over (0 to 7).
const STRIDES: [usize; 3] = [8, 16, 32];
const STEPS: usize = 8;

/// Which family a model belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// One grid of boxes; the picture is stretched to the input.
    FastestDet,
    /// Three grids, distances as distributions; the picture keeps its shape between black bars.
    NanoDet,
}

/// What must be known of a model besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorSpec {
    /// Family.
    pub kind: DetectorKind,
    /// Width of the model's input in pixels.
    pub width: u32,
    /// Height of the model's input in pixels.
    pub height: u32,
    /// Findings under this score (0..=1) are dropped. FastestDet: objectness × class; NanoDet: class.
    pub score: f32,
    /// Of two boxes that overlap by more than this (intersection over union, 0..=1) the weaker is dropped.
    pub overlap: f32,
    /// Names of the classes in the model's order. A pack keeps them in a file of their own.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Only these classes are looked for; all when empty.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Every finding bears this name instead of its class: for cameras that see such things only, but from where the classes fail
    /// (seen from above, a model that learnt cars from the side takes them for telephones).
    #[serde(default)]
    pub as_one: Option<String>,
}

impl DetectorSpec {
    /// What findings can be called.
    pub fn told(&self) -> Vec<String> {
        match &self.as_one {
            Some(name) => vec![name.clone()],
            None if self.keep.is_empty() => self.classes.clone(),
            None => self.keep.clone(),
        }
    }

    fn check(&self) -> Result<()> {
        let sides = [self.width, self.height];
        let sound = sides.iter().all(|s| (32..=MOST_SIDE).contains(s) && s % 32 == 0)
            && (0.0..=1.0).contains(&self.score)
            && (0.0..=1.0).contains(&self.overlap)
            && (1..=MOST_CLASSES).contains(&self.classes.len())
            && self.keep.iter().all(|name| self.classes.contains(name));
        sound.then_some(()).ok_or_else(|| Error::invalid("model.spec", "The description of the model is not sound."))
    }
}

/// Something found in a frame. Its box is in fractions of the frame, `x0 < x1`, `y0 < y1`, within 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Name of its class.
    pub class: String,
    /// How sure the model is, 0..=1. It is no probability.
    pub score: f32,
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl Found {
    /// Intersection over union with another box.
    pub fn overlap(&self, other: &Found) -> f32 {
        overlap([self.x0, self.y0, self.x1, self.y1], [other.x0, other.y0, other.x1, other.y1])
    }
}

/// Intersection over union; 0 for boxes without extent.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |b: [f32; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let all = area(a) + area(b) - both;
    if all > 0.0 { both / all } else { 0.0 }
}

/// A model that is ready. It may be shared: finding does not change it.
pub struct Detector {
    plan: Arc<TypedRunnableModel>,
    spec: DetectorSpec,
    wanted: Vec<bool>,
}

/// A box before its class has a name.
struct Candidate {
    class: usize,
    score: f32,
    at: [f32; 4],
}

/// Where the picture lies within the model's input, in its pixels.
#[derive(Clone, Copy)]
struct Placed {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Detector {
    /// Reads a model (ONNX, at most 32 MB, weights inside) and runs it once on a black picture, so that one that does not fit its
    /// description is refused here: `model.large` (413), `model.unfit` and `model.spec`.
    pub fn load(onnx: &[u8], spec: &DetectorSpec) -> Result<Self> {
        spec.check()?;
        if onnx.len() > MOST_MODEL {
            return Err(Error::too_large("model.large", "The model is larger than 32 MB.").with("bytes", onnx.len()));
        }
        let (width, height) = (spec.width as usize, spec.height as usize);
        let plan = guarded(|| {
            tract_onnx::onnx().model_for_read(&mut &onnx[..])?.with_input_fact(0, f32::fact([1, 3, height, width]).into())?.into_optimized()?.into_runnable()
        })?;
        let wanted = spec.classes.iter().map(|name| spec.keep.is_empty() || spec.keep.contains(name)).collect();
        let detector = Self { plan, spec: spec.clone(), wanted };
        detector.find(&Frame::new(spec.width, spec.height, vec![0; width * height * 3])?)?;
        Ok(detector)
    }

    /// What is in the frame, surest first, at most 128.
    pub fn find(&self, frame: &Frame) -> Result<Vec<Found>> {
        frame.whole()?;
        let (input, placed) = self.input(frame);
        let shape = [1, 3, self.spec.height as usize, self.spec.width as usize];
        let outputs = guarded(|| self.plan.run(tvec!(Tensor::from_shape(&shape, &input)?.into())))?;
        let outputs = outputs.iter().map(Output::of).collect::<Result<Vec<_>>>()?;
        let boxes = match self.spec.kind {
            DetectorKind::FastestDet => self.fastestdet(&outputs)?,
            DetectorKind::NanoDet => self.nanodet(&outputs, placed)?,
        };
        Ok(self.best(boxes))
    }

    /// The frame as the model wants it: planes of blue, green and red.
    fn input(&self, frame: &Frame) -> (Vec<f32>, Placed) {
        let (width, height) = (self.spec.width as usize, self.spec.height as usize);
        let (placed, mean, scale) = match self.spec.kind {
            DetectorKind::FastestDet => (Placed { left: 0, top: 0, width, height }, [0.0; 3], [1.0 / 255.0; 3]),
            // Means and deviations of ImageNet, in the order blue, green, red.
            DetectorKind::NanoDet => (between_bars(frame, width, height), [103.53, 116.28, 123.675], [1.0 / 57.375, 1.0 / 57.12, 1.0 / 58.395]),
        };
        let small = resample::<3>(&frame.rgb, frame.size(), (placed.width, placed.height));
        let mut planes = vec![0.0f32; 3 * width * height];
        for (channel, plane) in planes.chunks_exact_mut(width * height).enumerate() {
            let adapt = |v: f32| (v - mean[channel]) * scale[channel];
            plane.fill(adapt(0.0));
            for (row, line) in small.chunks_exact(placed.width * 3).enumerate() {
                let at = (placed.top + row) * width + placed.left;
                for (to, pixel) in plane[at..at + placed.width].iter_mut().zip(line.chunks_exact(3)) {
                    *to = adapt(pixel[2 - channel]);
                }
            }
        }
        (planes, placed)
    }

    /// One output, 5 + classes planes of cells: objectness, offset of the centre (tanh), size (sigmoid), classes.
    fn fastestdet(&self, outputs: &[Output]) -> Result<Vec<Candidate>> {
        let classes = self.spec.classes.len();
        let [output] = outputs else { return Err(unfit("one output is expected")) };
        let [1, planes, rows, columns] = output.shape[..] else { return Err(unfit("four dimensions are expected")) };
        if planes != 5 + classes || rows == 0 || columns == 0 {
            return Err(unfit("the output has another number of classes"));
        }
        let cells = rows * columns;
        let plane = |p: usize, cell: usize| output.values[p * cells + cell];
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let mut boxes = Vec::new();
        for cell in 0..cells {
            let Some((class, best)) = self.surest((0..classes).map(|c| plane(5 + c, cell))) else { continue };
            let score = plane(0, cell) * best;
            if score >= self.spec.score {
                let (row, column) = (cell / columns, cell % columns);
                let x = (column as f32 + plane(1, cell).tanh()) / columns as f32;
                let y = (row as f32 + plane(2, cell).tanh()) / rows as f32;
                let (w, h) = (sigmoid(plane(3, cell)) / 2.0, sigmoid(plane(4, cell)) / 2.0);
                boxes.push(Candidate { class, score, at: [x - w, y - h, x + w, y + h] });
            }
        }
        Ok(boxes)
    }

    /// For each stride a list of scores (cells × classes) and one of distances to the four sides (cells × 4 × 8 steps).
    fn nanodet(&self, outputs: &[Output], placed: Placed) -> Result<Vec<Candidate>> {
        let classes = self.spec.classes.len();
        let (width, height) = (self.spec.width as usize, self.spec.height as usize);
        let mut boxes = Vec::new();
        for stride in STRIDES {
            let (columns, cells) = (width / stride, width / stride * (height / stride));
            let of = |len: usize| outputs.iter().find(|o| o.values.len() == cells * len && o.shape.last() == Some(&len));
            let (Some(scores), Some(distances)) = (of(classes), of(4 * STEPS)) else { return Err(unfit("an output for a stride is missing")) };
            for cell in 0..cells {
                let Some((class, score)) = self.surest(scores.values[cell * classes..(cell + 1) * classes].iter().copied()) else { continue };
                if score < self.spec.score {
                    continue;
                }
                let centre = |i: usize| (i * stride) as f32 + 0.5 * (stride as f32 - 1.0);
                let (x, y) = (centre(cell % columns), centre(cell / columns));
                let side = |k: usize| expected(&distances.values[(cell * 4 + k) * STEPS..][..STEPS]) * stride as f32;
                let across = |v: f32| (v - placed.left as f32) / placed.width as f32;
                let down = |v: f32| (v - placed.top as f32) / placed.height as f32;
                boxes.push(Candidate { class, score, at: [across(x - side(0)), down(y - side(1)), across(x + side(2)), down(y + side(3))] });
            }
        }
        Ok(boxes)
    }

    /// The surest class of a cell, when it is one that is looked for.
    fn surest(&self, scores: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
        let best = scores.enumerate().filter(|(_, s)| s.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))?;
        self.wanted[best.0].then_some(best)
    }

    /// Drops the weaker of overlapping boxes, of whatever class: one thing is one thing.
    fn best(&self, mut boxes: Vec<Candidate>) -> Vec<Found> {
        boxes.retain_mut(|b| {
            b.at = b.at.map(|v| v.clamp(0.0, 1.0));
            b.at[2] > b.at[0] && b.at[3] > b.at[1] && b.score.is_finite()
        });
        boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
        boxes.truncate(MOST_BOXES);
        let mut kept: Vec<Candidate> = Vec::new();
        for candidate in boxes {
            if kept.len() < MOST_FOUND && kept.iter().all(|k| overlap(k.at, candidate.at) <= self.spec.overlap) {
                kept.push(candidate);
            }
        }
        let name = |class: usize| self.spec.as_one.as_ref().unwrap_or(&self.spec.classes[class]).clone();
        kept.into_iter().map(|k| Found { class: name(k.class), score: k.score.min(1.0), x0: k.at[0], y0: k.at[1], x1: k.at[2], y1: k.at[3] }).collect()
    }
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("kind", &self.spec.kind).field("classes", &self.spec.classes.len()).finish_non_exhaustive()
    }
}

/// An output as plain numbers.
struct Output {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Output {
    fn of(value: &TValue) -> Result<Self> {
        let view = value.to_plain_array_view::<f32>().map_err(|e| unfit("an output is not of numbers").because(format!("{e:#}")))?;
        Ok(Self { shape: view.shape().to_vec(), values: view.iter().copied().collect() })
    }
}

fn unfit(why: &'static str) -> Error {
    Error::unprocessable("model.unfit", "The model does not fit its description, or cannot be run.").with("part", why)
}

/// Runs a part of tract. A model is data from outside: a panic over it is an error like others.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|e| unfit("reading or running").because(format!("{e:#}"))),
        Err(_) => Err(unfit("reading or running").because("a panic")),
    }
}

/// The largest place of the frame's shape in the middle of the input.
fn between_bars(frame: &Frame, width: usize, height: usize) -> Placed {
    let (fw, fh) = frame.size();
    let (w, h) = if fw * height >= fh * width { (width, fh * width / fw) } else { (fw * height / fh, height) };
    let (w, h) = (w.max(1), h.max(1));
    Placed { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
}

/// The mean of a distribution over 0, 1, 2 … that is given by its logarithms.
fn expected(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let parts = logits.iter().map(|l| (l - most).exp());
    let (sum, mean) = parts.enumerate().fold((0.0, 0.0), |(sum, mean), (i, p)| (sum + p, mean + p * i as f32));
    if sum > 0.0 { mean / sum } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_means() {
        assert!((expected(&[0.0; 8]) - 3.5).abs() < 1e-6);
        assert!((expected(&[-100.0, -100.0, 50.0, -100.0, -100.0, -100.0, -100.0, -100.0]) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_frame_keeps_its_shape_between_bars() {
        let frame = Frame::new(768, 432, vec![0; 768 * 432 * 3]).expect("a frame");
        let placed = between_bars(&frame, 416, 416);
        assert_eq!((placed.left, placed.top, placed.width, placed.height), (0, 91, 416, 234));
    }
}
