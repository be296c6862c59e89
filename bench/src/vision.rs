//! What pictures cost: decoding a key frame, looking at it, finding things in it. One thread; processor time and the clock agree then.

use std::path::Path;
use std::time::Instant;

use dothi_vision::{Decoder, Detector, DetectorSpec, Encoder, Frame, Polygon, health};

use crate::median;

/// A made-up scene: bands, edges, and the fine grain that makes key frames of real cameras large.
fn scene(width: u32, height: u32, step: u32) -> Frame {
    let mut seed = 7 + step;
    let mut grain = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 28) as u8
    };
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let block = ((x + step * 6) / 48 * 37 + y / 32 * 53) % 160;
            let wave = ((x as f32 / 7.0).sin() * (y as f32 / 11.0).cos() * 24.0) as i32;
            let level = (40 + block as i32 + wave).clamp(0, 235) as u8;
            rgb.extend([level.saturating_add(grain()), level.saturating_add(grain()), (level / 2).saturating_add(grain())]);
        }
    }
    Frame::new(width, height, rgb).expect("a frame")
}

/// Milliseconds of one call, the median of many.
fn timed<T>(rounds: usize, mut work: impl FnMut(usize) -> T) -> f64 {
    let mut times = Vec::new();
    for i in 0..rounds {
        let begun = Instant::now();
        std::hint::black_box(work(i));
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    median(times)
}

pub(crate) fn measure(rounds: usize, models: &Path) {
    let (width, height) = (1920, 1080);
    let mut encoder = Encoder::new(width, height, 8_000, 12.5).expect("an encoder");
    let frames: Vec<Frame> = (0..rounds as u32).map(|i| scene(width, height, i)).collect();
    let mut keys = Vec::new();
    let writing = timed(rounds, |i| keys.push(encoder.push(&frames[i], true).expect("written")));
    let size = median(keys.iter().map(|k| k.len() as f64).collect()) / 1e3;
    println!("1920 × 1080, key frames of {size:.0} kB (median), {rounds} rounds, ms of one thread (median):");
    println!("  write as H.264 key frame       {writing:7.1}");
    let mut encoder = Encoder::new(width, height, 8_000, 12.5).expect("an encoder");
    let units: Vec<Vec<u8>> = frames.iter().map(|f| encoder.push(f, false).expect("written")).collect();
    let mut kept = Decoder::new().expect("a decoder");
    println!(
        "  decode key frame, new decoder  {:7.1}",
        timed(rounds, |i| Decoder::new().expect("a decoder").push(&keys[i]).expect("read").expect("a picture"))
    );
    println!("  decode, one after the other    {:7.1}", timed(rounds, |i| kept.push(&units[i]).expect("read").expect("a picture")));
    println!("  health: look                   {:7.1}", timed(rounds, |i| health::look(&frames[i]).expect("a look")));
    let looks: Vec<_> = frames.iter().map(|f| health::look(f).expect("a look")).collect();
    println!("  compare two looks              {:7.3}", timed(rounds, |i| looks[0].changed(&looks[i], 3)));
    let area = [Polygon(vec![(0.1, 0.1), (0.6, 0.15), (0.5, 0.7), (0.1, 0.6)])];
    let mut frame = frames[0].clone();
    println!("  mask a third of it             {:7.1}", timed(rounds, |_| frame.mask(&area)));
    println!(
        "  write two lines on it          {:7.1}",
        timed(rounds, |_| frame.stamp(&["Trích xuất: Nguyễn Thị Thuý Hằng", "Ngã tư Chợ Gạo 2026-11-21 21:00:00 +07:00"]))
    );
    println!("  write as JPEG, quality 80      {:7.1}", timed(rounds, |i| frames[i].jpeg(80).expect("a file")));
    match detector(models) {
        Ok(detector) => println!("  find things (FastestDet 352)   {:7.1}", timed(rounds, |i| detector.find(&frames[i]).expect("findings"))),
        Err(why) => println!("  find things: not measured, {why} (run it where packs/ is)"),
    }
}

fn detector(models: &Path) -> Result<Detector, String> {
    let text = |name: &str| std::fs::read_to_string(models.join(name)).map_err(|e| format!("{name}: {e}"));
    let mut spec: DetectorSpec = toml::from_str(&text("fastestdet.toml")?).map_err(|e| e.to_string())?;
    spec.classes = text("coco.names")?.lines().map(str::to_string).collect();
    let onnx = std::fs::read(models.join("fastestdet.onnx")).map_err(|e| e.to_string())?;
    Detector::load(&onnx, &spec).map_err(|e| e.to_string())
}
