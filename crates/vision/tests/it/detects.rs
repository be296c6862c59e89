//! Models on real frames.

use std::path::Path;

use dothi_vision::{Anchor, Detector, DetectorKind, DetectorSpec, Found, Frame, Line, LineCounter, Polygon, PresenceKind, Tracker, Tracking, ZoneCounter};

use crate::rig::{at, decoded, drawn, shared};

/// The model that the pack brings, as the pack describes it for people and vehicles seen from the side.
fn pack() -> (Vec<u8>, DetectorSpec) {
    described("fastestdet.toml")
}

fn described(file: &str) -> (Vec<u8>, DetectorSpec) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/cameras/video/models");
    let mut spec: DetectorSpec = toml::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    spec.classes = names(&folder.join("coco.names"));
    (std::fs::read(folder.join("fastestdet.onnx")).unwrap(), spec)
}

fn names(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(|l| l.trim().to_string()).filter(|l| !l.is_empty()).collect()
}

fn nanodet() -> Option<(Vec<u8>, DetectorSpec)> {
    let folder = shared("models-onnx")?;
    let (_, spec) = described("overhead.toml");
    let spec = DetectorSpec { kind: DetectorKind::NanoDet, width: 416, height: 416, score: 0.35, overlap: 0.6, ..spec };
    Some((std::fs::read(folder.join("nanodet_m_416.onnx")).unwrap(), spec))
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let (onnx, spec) = pack();
    let code = |onnx: &[u8], spec: &DetectorSpec| Detector::load(onnx, spec).map(|_| ()).map_err(|e| e.code());
    assert_eq!(code(&onnx, &spec), Ok(()));
    assert_eq!(code(&onnx, &DetectorSpec { kind: DetectorKind::NanoDet, ..spec.clone() }), Err("model.unfit"));
    assert_eq!(code(&onnx, &DetectorSpec { classes: spec.classes[..79].to_vec(), ..spec.clone() }), Err("model.unfit"));
    assert_eq!(code(&onnx[..onnx.len() / 2], &spec), Err("model.unfit"));
    assert_eq!(code(b"no model", &spec), Err("model.unfit"));
    assert_eq!(code(&vec![0; 33 << 20], &spec), Err("model.large"));
    for wrong in [
        DetectorSpec { width: 100, ..spec.clone() },
        DetectorSpec { score: f32::NAN, ..spec.clone() },
        DetectorSpec { keep: vec!["tuk-tuk".into()], ..spec.clone() },
        DetectorSpec { classes: vec![], ..spec.clone() },
    ] {
        assert_eq!(code(&onnx, &wrong), Err("model.spec"));
    }
}

/// How a model did on sampled frames: right findings, false ones, and things that were not found.
#[derive(Debug, Default)]
struct Score {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Score {
    fn precision(&self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }
    fn recall(&self) -> f64 {
        self.right as f64 / (self.right + self.missed).max(1) as f64
    }
}

/// Seconds of the second clip at which a person stands or walks in the picture, as a person counted them on pictures of each second.
/// At the seconds between these stretches nobody is there; those at which only a head or a heel is to be seen are left out.
const PRESENT: [(usize, usize); 6] = [(7, 19), (23, 44), (51, 69), (75, 86), (93, 119), (124, 135)];
const UNCLEAR: [usize; 7] = [6, 20, 45, 70, 87, 120, 136];

fn people(detector: &Detector, frames: &[Frame]) -> (Score, usize) {
    let (mut score, mut stays) = (Score::default(), 0);
    let mut tracker = Tracker::new(Tracking { overlap: 0.2, reach: 1.0, lost_after_s: 3.0, seen_times: 2 }).unwrap();
    let table = Polygon(vec![(0.4, 0.2), (0.8, 0.2), (0.8, 1.0), (0.4, 1.0)]);
    let mut zone = ZoneCounter::new(table, Anchor::Middle, 5.0).unwrap();
    for (second, frame) in frames.iter().step_by(10).enumerate() {
        let found: Vec<Found> = detector.find(frame).unwrap().into_iter().filter(|f| f.class == "person").collect();
        let now = at(second as f64);
        stays += zone.see(now, tracker.see(now, &found)).iter().filter(|p| p.kind == PresenceKind::Stayed).count();
        if UNCLEAR.contains(&second) {
            continue;
        }
        let there = usize::from(PRESENT.iter().any(|(from, to)| (*from..=*to).contains(&second)));
        score.right += there.min(found.len());
        score.missed += there.saturating_sub(found.len());
        score.wrong += found.len().saturating_sub(there);
    }
    (score, stays)
}

#[test]
fn people_are_found_and_their_stays_counted() {
    let Some([_, frames]) = decoded() else { return };
    let (onnx, spec) = pack();
    let detector = Detector::load(&onnx, &spec).unwrap();
    let (score, stays) = people(&detector, frames);
    println!("FastestDet, people: {score:?}, precision {:.2}, recall {:.2}, {stays} stays of 6", score.precision(), score.recall());
    assert!(score.precision() >= 0.95 && score.recall() >= 0.9, "{score:?}");
    assert_eq!(stays, 6);
}

/// Down and up over the middle of the picture, of vehicles of any kind: four cars come, two each way.
fn cars(detector: &Detector, frames: &[Frame]) -> (usize, usize) {
    let mut tracker = Tracker::new(Tracking { overlap: 0.2, reach: 1.0, lost_after_s: 1.0, seen_times: 2 }).unwrap();
    let mut line = LineCounter::new(Line { a: (0.0, 0.5), b: (1.0, 0.5), anchor: Anchor::Middle, margin: 0.01 }).unwrap();
    let (mut down, mut up) = (0, 0);
    for (i, frame) in frames.iter().enumerate().step_by(3) {
        let now = at(i as f64 / 12.5);
        for crossing in line.see(now, tracker.see(now, &detector.find(frame).unwrap())) {
            if crossing.forward { down += 1 } else { up += 1 }
        }
    }
    (down, up)
}

#[test]
fn cars_are_counted_both_ways() {
    let Some([frames, _]) = decoded() else { return };
    let (onnx, spec) = described("overhead.toml");
    let found = cars(&Detector::load(&onnx, &spec).unwrap(), frames);
    println!("FastestDet, cars: {found:?} of (2, 2)");
    assert_eq!(found, (2, 2));
}

#[test]
fn the_other_family_of_models_runs_too() {
    let (Some([frames, _]), Some((onnx, spec))) = (decoded(), nanodet()) else { return };
    let found = cars(&Detector::load(&onnx, &spec).unwrap(), frames);
    println!("NanoDet, cars: {found:?} of (2, 2)");
    assert_eq!(found, (2, 2));
}

/// A picture half of which is black bars finds the same boxes in other fractions.
#[test]
fn boxes_are_fractions_of_the_frame_itself() {
    let Some([_, frames]) = decoded() else { return };
    let (onnx, spec) = nanodet().map_or_else(pack, |(onnx, spec)| (onnx, DetectorSpec { as_one: None, ..spec }));
    let detector = Detector::load(&onnx, &spec).unwrap();
    let wide = &frames[300];
    let square = drawn(768, 768, |x, y| {
        if !(168..600).contains(&y) {
            return [0; 3];
        }
        let k = (((y - 168) * 768 + x) * 3) as usize;
        [wide.rgb[k], wide.rgb[k + 1], wide.rgb[k + 2]]
    });
    let person = |frame: &Frame| detector.find(frame).unwrap().into_iter().find(|f| f.class == "person").expect("a person");
    let (a, b) = (person(wide), person(&square));
    let seen = |v: f32| (v * 432.0 + 168.0) / 768.0;
    let moved = Found { y0: seen(a.y0), y1: seen(a.y1), ..a };
    assert!(moved.overlap(&b) > 0.85, "{moved:?} and {b:?}");
}
