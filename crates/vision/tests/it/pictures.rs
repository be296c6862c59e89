//! Decoding and encoding.

use dothi_kernel::error::Kind;
use dothi_vision::{Decoder, Encoder, Frame};
use proptest::prelude::*;

use crate::rig::{clips, decoded, drawn, psnr, shared};

#[test]
fn clips_are_decoded_whole() {
    let Some(([cars, people], frames)) = clips().zip(decoded()) else { return };
    assert_eq!((cars.units.len(), people.units.len()), (377, 1394));
    // The second holds B pictures: they come one late, so the last waits for a next one.
    assert_eq!((frames[0].len(), frames[1].len()), (377, 1393));
    assert!(frames.iter().flatten().all(|f| (f.width, f.height, f.rgb.len()) == (768, 432, 768 * 432 * 3)));
}

/// What another decoder makes of the same clip, when it is on the machine.
#[test]
fn pictures_are_those_that_ffmpeg_sees() {
    let (Some(folder), Some(frames)) = (shared("camera-video"), decoded()) else { return };
    let run = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(folder.join("car-detection.mp4"))
        .args(["-vf", "scale=flags=accurate_rnd+full_chroma_int+neighbor:in_color_matrix=bt601", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output();
    let Ok(run) = run else {
        println!("skipped: ffmpeg is not there");
        return;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let theirs: Vec<&[u8]> = run.stdout.chunks_exact(768 * 432 * 3).collect();
    assert_eq!(theirs.len(), frames[0].len());
    let worst = theirs.iter().zip(&frames[0]).map(|(a, b)| psnr(a, &b.rgb)).fold(f64::INFINITY, f64::min);
    println!("worst of {} pictures: {worst:.1} dB", theirs.len());
    assert!(worst > 40.0, "{worst}");
}

#[test]
fn after_a_loss_pictures_come_back_with_the_next_key_frame() {
    let Some([cars, _]) = clips() else { return };
    let mut decoder = Decoder::new().unwrap();
    decoder.parameters(&cars.sets).unwrap();
    // Joined in the middle: nothing until a key frame.
    assert!(cars.units[30..60].iter().all(|unit| decoder.push(unit).unwrap().is_none()));
    assert!(decoder.push(&cars.units[60]).unwrap().is_some());
    // A unit with its second half overwritten.
    let mut torn = cars.units[61].clone();
    let half = torn.len() / 2;
    torn[half..].fill(0xaa);
    if let Err(e) = decoder.push(&torn) {
        assert_eq!((e.kind(), e.code()), (Kind::Unprocessable, "picture.broken"));
        assert!(cars.units[62..120].iter().all(|unit| decoder.push(unit).unwrap().is_none()), "no picture made of a broken one");
    }
    let healed = decoder.push(&cars.units[120]).unwrap().unwrap();
    assert_eq!(healed, decoded().unwrap()[0][120]);
}

/// Bits of a sequence parameter set.
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, bits: u32) -> &mut Self {
        (0..bits).rev().for_each(|i| self.0.push(value >> i & 1 == 1));
        self
    }
    /// Exp-Golomb.
    fn ue(&mut self, value: u64) -> &mut Self {
        let bits = 64 - (value + 1).leading_zeros();
        self.put(0, bits - 1).put(value + 1, bits)
    }
    fn nal(&mut self) -> Vec<u8> {
        self.put(1, 1);
        let mut out = vec![0, 0, 0, 1, 0x67];
        let mut zeros = 0;
        for byte in self.0.chunks(8).map(|c| c.iter().enumerate().fold(0, |b, (i, set)| b | u8::from(*set) << (7 - i))) {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }
}

/// A progressive baseline (66) or high 4:2:2 (122) set of so many macroblocks across and down.
fn sps(profile: u64, across: u64, down: u64, references: u64) -> Vec<u8> {
    let mut bits = Bits(Vec::new());
    bits.put(profile, 8).put(0, 8).put(51, 8).ue(0);
    if profile == 122 {
        bits.ue(2).ue(0).ue(0).put(0, 2);
    }
    bits.ue(0).ue(2).ue(references).put(0, 1).ue(across - 1).ue(down - 1);
    // Frames only, 8×8 inference, neither cropping nor VUI.
    bits.put(0b1100, 4).nal()
}

#[test]
fn what_asks_for_too_much_is_refused_before_it_is_decoded() {
    let mut decoder = Decoder::new().unwrap();
    let mut told = |bytes: &[u8]| decoder.push(bytes).map(|f| f.is_some()).map_err(|e| e.code());
    assert_eq!(told(&sps(66, 120, 68, 4)), Ok(false));
    assert_eq!(told(&sps(66, 256, 144, 4)), Ok(false));
    assert_eq!(told(&sps(66, 1024, 1024, 1)), Err("picture.large"));
    assert_eq!(told(&sps(66, 1 << 31, 1 << 31, 1)), Err("picture.large"));
    assert_eq!(told(&sps(66, 256, 144, 16)), Err("picture.large"), "sixteen kept pictures of 4096 × 2304");
    assert_eq!(told(&sps(122, 120, 68, 4)), Err("picture.unsupported"));
    assert_eq!(told(&vec![0; 9 << 20]), Err("picture.large"));
    assert_eq!(told(&[0, 0, 1, 0x65].repeat(5000)), Err("picture.broken"));
    assert_eq!(told(&[]), Ok(false));
    assert_eq!(told(&[0, 0, 1, 0x67]), Err("picture.broken"));
}

fn moving(width: u32, height: u32, i: u32) -> Frame {
    drawn(width, height, |x, y| {
        let wave = ((x + 3 * i) as f32 / 9.0).sin() * 60.0 + (y as f32 / 13.0).cos() * 50.0;
        [(128.0 + wave) as u8, (120.0 + wave / 2.0) as u8, (x * 255 / width) as u8]
    })
}

#[test]
fn what_is_written_is_read_again() {
    for (width, height) in [(320, 180), (333, 77)] {
        let mut encoder = Encoder::new(width, height, 2_000, 10.0).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for i in 0..12 {
            let frame = moving(width, height, i);
            let unit = encoder.push(&frame, i == 5).unwrap();
            let kinds: Vec<u8> = unit.windows(4).filter(|w| w[..3] == [0, 0, 1]).map(|w| w[3] & 0x1f).collect();
            assert_eq!(kinds, if i == 0 || i == 5 { vec![7, 8, 5] } else { vec![1] }, "frame {i}");
            let seen = decoder.push(&unit).unwrap().expect("a picture for each frame");
            assert_eq!((seen.width, seen.height), (width & !1, height & !1));
            let even = drawn(seen.width, seen.height, |x, y| {
                let k = ((y * width + x) * 3) as usize;
                [frame.rgb[k], frame.rgb[k + 1], frame.rgb[k + 2]]
            });
            let near = psnr(&even.rgb, &seen.rgb);
            assert!(near > 30.0, "frame {i}: {near} dB");
        }
        assert!(encoder.push(&moving(64, 64, 0), false).is_err(), "another size");
    }
    for (width, height, kbit, fps) in [(8, 8, 100, 5.0), (5000, 100, 100, 5.0), (3840, 3840, 100, 5.0), (64, 64, 0, 5.0), (64, 64, 100, f32::NAN)] {
        assert!(Encoder::new(width, height, kbit, fps).is_err());
    }
}

#[test]
fn a_real_frame_survives_writing() {
    let Some([cars, _]) = decoded() else { return };
    let mut encoder = Encoder::new(768, 432, 2_000, 12.5).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let near: Vec<f64> = cars[..25].iter().map(|f| psnr(&decoder.push(&encoder.push(f, false).unwrap()).unwrap().unwrap().rgb, &f.rgb)).collect();
    println!("{:.1} dB on the mean at 2 Mbit/s", near.iter().sum::<f64>() / near.len() as f64);
    assert!(near.iter().all(|db| *db > 28.0), "{near:?}");
}

/// A good stream of five units; the first and the fourth begin anew.
fn stream() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(96, 64, 300, 5.0).unwrap();
    (0..5).map(|i| encoder.push(&moving(96, 64, i), i == 3).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a unit: an error or a picture of the right size, and the next key frame heals.
    #[test]
    fn noise_is_survived(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40), cut in any::<prop::sample::Index>(), which in 0usize..3, raw in prop::collection::vec(any::<u8>(), 0..200)) {
        let units = stream();
        let mut decoder = Decoder::new().unwrap();
        for (i, unit) in units[..3].iter().enumerate() {
            let mut bytes = unit.clone();
            if i == which {
                hits.iter().for_each(|(at, value)| { let at = at.index(bytes.len()); bytes[at] = *value; });
                bytes.truncate(cut.index(bytes.len()) + 1);
            }
            if let Ok(Some(frame)) = decoder.push(&bytes) {
                prop_assert_eq!(frame.rgb.len(), (frame.width * frame.height * 3) as usize);
            }
        }
        let mut noise = vec![0, 0, 1, [0x65, 0x67, 0x68, 0x41][which % 4]];
        noise.extend(raw);
        let _ = decoder.push(&noise);
        let healed = decoder.push(&units[3]).unwrap();
        prop_assert!(healed.is_some_and(|f| (f.width, f.height) == (96, 64)));
    }
}
