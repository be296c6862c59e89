//! From the planes a decoder gives to RGB. Cameras differ in the matrix (BT.601 or BT.709) and in the range (16–235 or 0–255);
//! both stand in the stream. Where nothing stands there, BT.601 and the narrow range are meant (H.264 annex E leaves it open).

use openh264::formats::YUVSource;

/// How a stream writes its colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Colour {
    /// 0–255 rather than 16–235.
    pub full: bool,
    /// BT.709 rather than BT.601.
    pub bt709: bool,
}

/// Factors in units of 1/65536.
struct Factors {
    black: i32,
    light: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Colour {
    fn factors(self) -> Factors {
        let (kr, kb) = if self.bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let kg = 1.0 - kr - kb;
        let (black, light, chroma) = if self.full { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |x: f64| (x * 65536.0).round() as i32;
        Factors {
            black,
            light: fixed(light),
            red_v: fixed(2.0 * (1.0 - kr) * chroma),
            green_u: fixed(-2.0 * (1.0 - kb) * kb / kg * chroma),
            green_v: fixed(-2.0 * (1.0 - kr) * kr / kg * chroma),
            blue_u: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    /// Writes `rgb` (exactly width × height × 3). `None` when the planes are shorter than they say.
    pub(crate) fn write(self, planes: &impl YUVSource, rgb: &mut [u8]) -> Option<()> {
        let ((width, height), (sy, su, sv)) = (planes.dimensions(), planes.strides());
        let half = width.div_ceil(2);
        if width == 0 || rgb.len() != width * height * 3 {
            return None;
        }
        let f = self.factors();
        for (row, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
            let y = planes.y().get(row * sy..row * sy + width)?;
            let u = planes.u().get(row / 2 * su..row / 2 * su + half)?;
            let v = planes.v().get(row / 2 * sv..row / 2 * sv + half)?;
            for (((two, light), u), v) in out.chunks_mut(6).zip(y.chunks(2)).zip(u).zip(v) {
                let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
                let (red, green, blue) = (f.red_v * v, f.green_u * u + f.green_v * v, f.blue_u * u);
                for (pixel, light) in two.chunks_exact_mut(3).zip(light) {
                    let light = (i32::from(*light) - f.black) * f.light + 32768;
                    pixel[0] = ((light + red) >> 16).clamp(0, 255) as u8;
                    pixel[1] = ((light + green) >> 16).clamp(0, 255) as u8;
                    pixel[2] = ((light + blue) >> 16).clamp(0, 255) as u8;
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openh264::formats::YUVBuffer;

    fn one(colour: Colour, y: u8, u: u8, v: u8) -> [u8; 3] {
        let planes = YUVBuffer::from_vec(vec![y, y, y, y, u, v], 2, 2);
        let mut rgb = [0u8; 12];
        colour.write(&planes, &mut rgb).expect("planes are whole");
        assert_eq!(rgb[..3], rgb[9..]);
        [rgb[0], rgb[1], rgb[2]]
    }

    #[test]
    fn black_white_and_primaries_of_each_kind() {
        for bt709 in [false, true] {
            assert_eq!(one(Colour { full: false, bt709 }, 16, 128, 128), [0; 3]);
            assert_eq!(one(Colour { full: false, bt709 }, 235, 128, 128), [255; 3]);
            assert_eq!(one(Colour { full: true, bt709 }, 0, 128, 128), [0; 3]);
            assert_eq!(one(Colour { full: true, bt709 }, 255, 128, 128), [255; 3]);
        }
        // Pure red as BT.601 and BT.709 write it (ITU-R BT.601-7 and BT.709-6, 8 bits).
        let near = |got: [u8; 3], want: [u8; 3]| got.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 2);
        assert!(near(one(Colour { full: false, bt709: false }, 81, 90, 240), [255, 0, 0]));
        assert!(near(one(Colour { full: false, bt709: true }, 63, 102, 240), [255, 0, 0]));
    }
}
