//! Masks, text, sizes.

use std::collections::BTreeMap;

use dothi_vision::{Frame, Polygon};
use proptest::prelude::*;

use crate::rig::drawn;

fn grey(width: u32, height: u32, level: u8) -> Frame {
    drawn(width, height, |_, _| [level; 3])
}

#[test]
fn areas_that_are_none_are_refused() {
    let code = |corners: &[(f32, f32)]| Polygon(corners.to_vec()).check().map_err(|e| e.code());
    assert_eq!(code(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]), Ok(()));
    assert_eq!(code(&[(0.0, 0.0), (1.0, 1.0)]), Err("picture.area.corners"));
    assert_eq!(code(&[(0.5, 0.5); 65]), Err("picture.area.corners"));
    assert_eq!(code(&[(0.0, 0.0), (1.1, 0.0), (1.0, 1.0)]), Err("picture.area.outside"));
    assert_eq!(code(&[(0.0, 0.0), (f32::NAN, 0.0), (1.0, 1.0)]), Err("picture.area.outside"));
    assert_eq!(code(&[(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]), Err("picture.area.flat"));
}

#[test]
fn frames_that_do_not_fit_their_bytes_show_nothing() {
    assert!(Frame::new(2, 2, vec![0; 11]).is_err());
    assert!(Frame::new(0, 2, vec![]).is_err());
    assert!(Frame::new(8192, 8192, vec![]).is_err());
    let mut odd = Frame { width: 10, height: 10, rgb: vec![200; 100] };
    odd.mask(&[]);
    assert_eq!(odd.rgb, vec![0; 100]);
    odd.stamp(&["x"]);
    assert!(odd.jpeg(80).is_err() && odd.smaller(5).is_err());
}

proptest! {
    /// Against a slow reckoner: every pixel whose middle is inside (by winding) is black; pixels two away from it are untouched.
    #[test]
    fn masks_hide_all_of_their_area_and_little_more(corners in prop::collection::vec((0.0f32..=1.0, 0.0f32..=1.0), 3..9), w in 9u32..70, h in 9u32..50) {
        let mut frame = grey(w, h, 200);
        frame.mask(&[Polygon(corners.clone())]);
        let to = |(x, y): (f32, f32)| (f64::from(x) * f64::from(w), f64::from(y) * f64::from(h));
        let ring: Vec<_> = corners.iter().map(|c| to(*c)).collect();
        for y in 0..h {
            for x in 0..w {
                let middle = (f64::from(x) + 0.5, f64::from(y) + 0.5);
                let black = frame.rgb[((y * w + x) * 3) as usize] == 0;
                let (mut turn, mut near) = (0.0, f64::INFINITY);
                for (i, a) in ring.iter().enumerate() {
                    let b = ring[(i + 1) % ring.len()];
                    let (va, vb) = ((a.0 - middle.0, a.1 - middle.1), (b.0 - middle.0, b.1 - middle.1));
                    turn += (va.0 * vb.1 - va.1 * vb.0).atan2(va.0 * vb.0 + va.1 * vb.1);
                    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
                    let t = (-(va.0 * dx + va.1 * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
                    near = near.min((va.0 + dx * t).hypot(va.1 + dy * t));
                }
                let inside = turn.abs() > 3.0;
                if inside && near > 1e-3 {
                    prop_assert!(black, "({x}, {y}) is inside");
                }
                if !inside && near > 2.0 {
                    prop_assert!(!black, "({x}, {y}) is {near} away");
                }
            }
        }
    }
}

#[test]
fn nothing_of_what_was_masked_is_left_in_the_file() {
    let secret = |seed: u32| drawn(160, 120, move |x, y| [(x * 37 + y * 91 + seed * 17) as u8, (x * y + seed) as u8, (seed * 80) as u8]);
    let masked = |seed: u32| {
        // All but a rim of 8 pixels is under the mask; the rim is the same in both.
        let inner = secret(seed);
        let mut frame = drawn(160, 120, |x, y| {
            let k = ((y * 160 + x) * 3) as usize;
            if (8..152).contains(&x) && (8..112).contains(&y) { [inner.rgb[k], inner.rgb[k + 1], inner.rgb[k + 2]] } else { [128; 3] }
        });
        frame.mask(&[Polygon(vec![(0.05, 8.0 / 120.0), (0.95, 8.0 / 120.0), (0.95, 112.0 / 120.0), (0.05, 112.0 / 120.0)])]);
        frame.jpeg(90).unwrap()
    };
    assert_eq!(masked(1), masked(2));
}

/// The share of a frame that text made clearly brighter than its surroundings.
fn bright(frame: &Frame, over: u8) -> usize {
    frame.rgb.chunks_exact(3).filter(|p| p[0] > over).count()
}

#[test]
fn text_is_readable_on_bright_and_dark() {
    for level in [0, 90, 160, 255] {
        let mut frame = grey(640, 360, level);
        frame.stamp(&["Trích xuất: Nguyễn Thị Thuý Hằng", "Ngã tư Chợ Gạo, phường Phố Hiến 2026-11-21 21:00"]);
        let row = |y: u32| &frame.rgb[(y * 640 * 3) as usize..((y + 1) * 640 * 3) as usize];
        assert!(row(10).iter().all(|v| *v == level), "nothing is written at the top");
        // Within the strip: letters near white, ground at most a quarter of white: contrast over 7 : 1 (WCAG AAA).
        let strip: Vec<u8> = (335..352).flat_map(|y| row(y)[..900].to_vec()).collect();
        assert!(strip.iter().filter(|v| **v > 230).count() > 300, "letters at {level}");
        assert!(strip.iter().filter(|v| **v < 80).count() > 3000, "ground at {level}");
    }
}

#[test]
fn every_vietnamese_letter_is_itself() {
    let base = "aăâeêioôơuưy";
    let tones = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];
    let mut letters: Vec<String> = base.chars().flat_map(|c| std::iter::once(c.to_string()).chain(tones.iter().map(move |t| format!("{c}{t}")))).collect();
    letters.push("đ".into());
    letters.extend(letters.clone().iter().map(|l| l.to_uppercase()));
    assert_eq!(letters.len(), 146);
    let mut shapes = BTreeMap::new();
    let print = |text: &str| {
        let mut frame = grey(80, 1200, 0);
        frame.stamp(&[text]);
        frame.rgb
    };
    shapes.insert(print("?"), "?".to_string());
    for letter in letters {
        if let Some(other) = shapes.insert(print(&letter), letter.clone()) {
            panic!("{letter} looks like {other}");
        }
    }
    assert_eq!(print("Th\u{e1}i"), print("Tha\u{301}i"), "composed and decomposed spellings");
    assert_eq!(print("漢"), print("?"), "letters that the face lacks");
}

#[test]
fn text_of_any_length_stays_inside() {
    let long = "Đường ".repeat(80);
    let lines: Vec<&str> = std::iter::repeat_n(long.as_str(), 30).collect();
    for (w, h) in [(640, 360), (64, 48), (16, 16), (1, 1), (4096, 16)] {
        let mut frame = grey(w, h, 120);
        frame.stamp(&lines);
        frame.stamp(&["", " ", "\n\t\u{0}"]);
        assert_eq!(frame.rgb.len(), (w * h * 3) as usize);
    }
    let mut frame = grey(640, 360, 120);
    frame.stamp(&[&"M".repeat(60)]);
    assert!(bright(&frame, 200) > 500);
}

#[test]
fn smaller_keeps_shape_and_mean() {
    let frame = drawn(1920, 1080, |x, y| [(x % 256) as u8, (y % 256) as u8, 77]);
    let small = frame.smaller(320).unwrap();
    assert_eq!((small.width, small.height), (320, 180));
    assert!(small.rgb.chunks_exact(3).all(|p| p[2] == 77));
    assert_eq!(small.smaller(1000).unwrap(), small);
    let photo = image::load_from_memory(&small.jpeg(85).unwrap()).unwrap();
    assert_eq!((photo.width(), photo.height()), (320, 180));
}
