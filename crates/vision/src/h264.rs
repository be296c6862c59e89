//! H.264 in and out. Coding is OpenH264's, which is C++: what reaches it is bounded and sifted here first (size of the unit,
//! kinds of NAL units, and the parameter sets that say how much memory a picture takes), and after every fault it is thrown away
//! and begun anew at the next key frame.

use std::collections::BTreeMap;

use dothi_kernel::{Error, Result};
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{BitRead, BitReader, decode_nal};
use openh264::OpenH264API;
use openh264::encoder::{BitRate, EncoderConfig, FrameRate, Profile, RateControlMode, VuiConfig};
use openh264::formats::{RgbSliceU8, YUVBuffer, YUVSource};

use crate::colour::Colour;
use crate::frame::{Frame, MOST_PIXELS};

/// Most bytes of an access unit: a key frame of 4096 × 2304 at a high rate takes about 2 MB.
const MOST_UNIT: usize = 8 << 20;
const MOST_NALS: usize = 4096;
/// Most bytes of a parameter set (of which H.264 allows 32 of the one and 256 of the other kind).
const MOST_SET: usize = 1024;
/// What pictures kept for reference may take, in bytes of 4:2:0.
const MOST_KEPT: u64 = 192 << 20;

const SLICE: u8 = 1;
const KEY_SLICE: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

fn broken(what: &'static str) -> Error {
    Error::unprocessable("picture.broken", "The picture cannot be read.").with("part", what)
}

/// The NAL units of an Annex B byte stream (start codes of 3 or 4 bytes), without start codes and trailing zeros.
fn nals(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = |from: usize| bytes.get(from..).and_then(|rest| rest.windows(3).position(|w| w == [0, 0, 1])).map(|i| from + i + 3);
    let mut next = start(0);
    std::iter::from_fn(move || {
        let from = next?;
        next = start(from);
        let nal = &bytes[from..next.map_or(bytes.len(), |n| n - 3)];
        let end = nal.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
        Some(&nal[..end])
    })
}

fn push_nal(to: &mut Vec<u8>, nal: &[u8]) {
    to.extend_from_slice(&[0, 0, 0, 1]);
    to.extend_from_slice(nal);
}

/// The parameter sets a stream has told, by their ids.
#[derive(Default, Clone)]
struct Sets {
    sps: BTreeMap<u8, Vec<u8>>,
    pps: BTreeMap<u8, Vec<u8>>,
    colour: Colour,
}

impl Sets {
    /// Keeps a sequence parameter set after looking at what it asks for.
    fn sps(&mut self, nal: &[u8]) -> Result<()> {
        if !(4..=MOST_SET).contains(&nal.len()) {
            return Err(broken("sequence parameters"));
        }
        let bytes = decode_nal(nal).map_err(|e| broken("sequence parameters").because(e))?;
        let sps = SeqParameterSet::from_bits(BitReader::new(&bytes[..])).map_err(|e| broken("sequence parameters").because(format!("{e:?}")))?;
        let unsupported = |what: &'static str| Error::unprocessable("picture.unsupported", "This kind of H.264 cannot be decoded.").with("part", what);
        let chroma = &sps.chroma_info;
        if chroma.chroma_format != ChromaFormat::YUV420 || chroma.bit_depth_luma_minus8 != 0 || chroma.bit_depth_chroma_minus8 != 0 {
            return Err(unsupported("chroma or depth"));
        }
        if sps.frame_mbs_flags != FrameMbsFlags::Frames {
            return Err(unsupported("interlaced"));
        }
        let side = |mbs: u32| (u64::from(mbs) + 1) * 16;
        let pixels = side(sps.pic_width_in_mbs_minus1).saturating_mul(side(sps.pic_height_in_map_units_minus1));
        let kept = (pixels.saturating_mul(3) / 2).saturating_mul(u64::from(sps.max_num_ref_frames) + 2);
        if pixels > MOST_PIXELS || sps.max_num_ref_frames > 16 || kept > MOST_KEPT {
            return Err(Error::too_large("picture.large", "The picture is larger than can be decoded.").with("pixels", pixels));
        }
        sps.pixel_dimensions().ok().filter(|(w, h)| *w > 0 && *h > 0).ok_or_else(|| broken("cropping"))?;
        let signal = sps.vui_parameters.as_ref().and_then(|v| v.video_signal_type.as_ref());
        self.colour = Colour {
            full: signal.is_some_and(|s| s.video_full_range_flag),
            bt709: signal.and_then(|s| s.colour_description.as_ref()).is_some_and(|c| c.matrix_coefficients == 1),
        };
        self.sps.insert(sps.id().id(), nal.to_vec());
        Ok(())
    }

    fn pps(&mut self, nal: &[u8]) -> Result<()> {
        if !(2..=MOST_SET).contains(&nal.len()) {
            return Err(broken("picture parameters"));
        }
        let bytes = decode_nal(nal).map_err(|e| broken("picture parameters").because(e))?;
        let id = BitReader::new(&bytes[..]).read_ue("pic_parameter_set_id").map_err(|e| broken("picture parameters").because(format!("{e:?}")))?;
        self.pps.insert(u8::try_from(id).map_err(|_| broken("picture parameters"))?, nal.to_vec());
        Ok(())
    }
}

/// What is worth decoding of an access unit.
#[derive(Default)]
struct Unit<'a> {
    slices: Vec<&'a [u8]>,
    sets: Vec<&'a [u8]>,
    key: bool,
    sps: bool,
    pps: bool,
}

/// Decodes H.264 (progressive, 8 bits, 4:2:0; to 4096 × 2304). Give it access units in order, each whole and alone.
///
/// It waits for a key frame at the start and after every fault. Parameter sets are remembered, so they need to come once only. Where
/// a camera sends B pictures, pictures come out in the order of decoding. One decoder holds the pictures that
/// others refer to (about 3 MB each at 1080p): whoever needs only key frames drops it between them.
pub struct Decoder {
    inner: Option<openh264::decoder::Decoder>,
    sets: Sets,
    /// Those that a key frame was decoded with; after a fault only they are believed.
    proven: Sets,
}

impl Decoder {
    /// A decoder that waits for a key frame.
    pub fn new() -> Result<Self> {
        Ok(Self { inner: None, sets: Sets::default(), proven: Sets::default() })
    }

    /// Takes parameter sets that do not come with the pictures (a camera may tell them in its session description only). Annex B.
    pub fn parameters(&mut self, annex_b: &[u8]) -> Result<()> {
        self.sift(annex_b)?;
        self.proven = self.sets.clone();
        Ok(())
    }

    /// Takes one access unit (Annex B). `None`: it held no picture, or a key frame is awaited.
    ///
    /// Errors: `picture.large` (413), `picture.broken` and `picture.unsupported` (422); go on with the next unit after any of them.
    pub fn push(&mut self, annex_b: &[u8]) -> Result<Option<Frame>> {
        let decoded = self.take(annex_b);
        if decoded.is_err() {
            self.inner = None;
            self.sets = self.proven.clone();
        }
        decoded
    }

    fn take(&mut self, annex_b: &[u8]) -> Result<Option<Frame>> {
        let unit = self.sift(annex_b)?;
        if unit.slices.is_empty() || (self.inner.is_none() && !unit.key) {
            return Ok(None);
        }
        let (bytes, fresh) = (self.stream(&unit, annex_b.len()), self.inner.is_none());
        let frame = match self.decode(&bytes) {
            // A key frame needs nothing from before: what came before may be what is wrong.
            Ok(None) | Err(_) if unit.key && !fresh => {
                self.inner = None;
                self.decode(&bytes)?
            }
            decoded => decoded?,
        };
        if frame.is_some() && unit.key && (fresh || !unit.sets.is_empty()) {
            self.proven = self.sets.clone();
        }
        Ok(frame)
    }

    /// The unit as the decoder gets it: a key frame comes with its parameter sets, its own or those remembered.
    fn stream(&self, unit: &Unit<'_>, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 256);
        if unit.key && !(unit.sps && unit.pps) {
            self.sets.sps.values().chain(self.sets.pps.values()).for_each(|nal| push_nal(&mut bytes, nal));
        } else {
            unit.sets.iter().for_each(|nal| push_nal(&mut bytes, nal));
        }
        unit.slices.iter().for_each(|nal| push_nal(&mut bytes, nal));
        bytes
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Option<Frame>> {
        let inner = match &mut self.inner {
            Some(inner) => inner,
            none => none.insert(openh264::decoder::Decoder::new().map_err(|e| Error::internal("starting the video decoder", e))?),
        };
        match inner
            .decode_with_options(bytes, openh264::decoder::DecodeOptions::new().flush_after_decode(openh264::decoder::Flush::NoFlush))
            .map_err(|e| broken("slices").because(e))?
        {
            Some(planes) => Ok(Some(picture(&planes, self.sets.colour)?)),
            None => Ok(None),
        }
    }

    /// Bounds a unit, keeps its parameter sets and picks its slices. What a camera adds beside (timing, watermarks, scalable
    /// layers, partitions) is left out: the decoder needs none of it.
    fn sift<'a>(&mut self, annex_b: &'a [u8]) -> Result<Unit<'a>> {
        if annex_b.len() > MOST_UNIT {
            return Err(Error::too_large("picture.large", "The access unit is larger than can be decoded.").with("bytes", annex_b.len()));
        }
        let mut unit = Unit::default();
        for (i, nal) in nals(annex_b).enumerate() {
            if i >= MOST_NALS {
                return Err(broken("too many parts"));
            }
            let Some(head) = nal.first() else { continue };
            match head & 0x1f {
                SPS => {
                    self.sets.sps(nal)?;
                    unit.sps = true;
                    unit.sets.push(nal);
                }
                PPS => {
                    self.sets.pps(nal)?;
                    unit.pps = true;
                    unit.sets.push(nal);
                }
                kind @ (SLICE | KEY_SLICE) => {
                    unit.key |= kind == KEY_SLICE;
                    unit.slices.push(nal);
                }
                _ => {}
            }
        }
        Ok(unit)
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("running", &self.inner.is_some()).finish_non_exhaustive()
    }
}

fn picture(planes: &impl YUVSource, colour: Colour) -> Result<Frame> {
    let (width, height) = planes.dimensions();
    let pixels = width as u64 * height as u64;
    if pixels == 0 || pixels > MOST_PIXELS {
        return Err(broken("size"));
    }
    let mut rgb = vec![0; width * height * 3];
    colour.write(planes, &mut rgb).ok_or_else(|| broken("planes"))?;
    Frame::new(width as u32, height as u32, rgb)
}

/// Writes H.264 (constrained baseline, one slice a picture), for exports whose frames were masked or written on.
pub struct Encoder {
    inner: openh264::encoder::Encoder,
    planes: YUVBuffer,
    size: (u32, u32),
    packed: Vec<u8>,
    fps: f32,
    pushed: u64,
}

impl Encoder {
    /// For frames of this size (16 to 3840 across, to 2160 down; an odd row or column at the end is left out), so many kilobits a
    /// second (at most 50,000) and frames a second (at most 120).
    pub fn new(width: u32, height: u32, kbit: u32, fps: f32) -> Result<Self> {
        let size = (width & !1, height & !1);
        let fits = |long: u32, short: u32| (16..=3840).contains(&long) && (16..=2160).contains(&short);
        if !(fits(size.0, size.1) || fits(size.1, size.0)) || !(16..=50_000).contains(&kbit) || !(0.1..=120.0).contains(&fps) {
            return Err(Error::invalid("picture.encoder", "The size, rate or speed of the video is outside what can be written.")
                .with("width", width)
                .with("height", height)
                .with("kbit", kbit)
                .with("fps", fps));
        }
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(kbit * 1000))
            .max_frame_rate(FrameRate::from_hz(fps))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(false)
            .profile(Profile::Baseline)
            .num_threads(1)
            // What `RgbSliceU8` is converted by.
            .vui(VuiConfig::bt601());
        let inner =
            openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| Error::internal("starting the video encoder", e))?;
        let planes = YUVBuffer::new(size.0 as usize, size.1 as usize);
        Ok(Self { inner, planes, size, packed: Vec::new(), fps, pushed: 0 })
    }

    /// The next frame as an access unit (Annex B). The first is a key frame, and so is each with `key`; parameter sets stand before
    /// every key frame. Frames are `1 / fps` apart.
    pub fn push(&mut self, frame: &Frame, key: bool) -> Result<Vec<u8>> {
        frame.whole()?;
        if (frame.width & !1, frame.height & !1) != self.size {
            return Err(Error::invalid("picture.size", "All frames of a video are of one size.").with("width", frame.width).with("height", frame.height));
        }
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let rgb = if frame.width.is_multiple_of(2) {
            &frame.rgb[..width * height * 3]
        } else {
            self.packed.clear();
            for row in frame.rgb.chunks_exact(frame.width as usize * 3).take(height) {
                self.packed.extend_from_slice(&row[..width * 3]);
            }
            &self.packed[..]
        };
        self.planes.read_rgb8(RgbSliceU8::new(rgb, (width, height)));
        if key && self.pushed > 0 {
            self.inner.force_intra_frame();
        }
        let at = (self.pushed as f64 * 1000.0 / f64::from(self.fps)) as u64;
        self.pushed += 1;
        let stream = self.inner.encode_at(&self.planes, openh264::Timestamp::from_millis(at)).map_err(|e| Error::internal("writing video", e))?;
        Ok(stream.to_vec())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("size", &self.size).field("fps", &self.fps).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_of_both_start_codes() {
        let bytes = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0, 0, 1, 0x65];
        assert_eq!(nals(&bytes).collect::<Vec<_>>(), [&[0x67u8, 1][..], &[0x68, 2], &[], &[0x65]]);
        assert_eq!(nals(&[0, 0, 0]).count(), 0);
    }
}
