//! Clips, taken out of their MP4 files, and pictures made of them.

use std::path::PathBuf;
use std::sync::OnceLock;

use dothi_kernel::Timestamp;
use dothi_vision::{Decoder, Frame};

/// A video track: parameter sets and access units, both Annex B.
pub struct Clip {
    pub sets: Vec<u8>,
    pub units: Vec<Vec<u8>>,
    /// Frames a second.
    pub fps: f64,
}

/// A folder of data beside the project, if it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sets").join(path).canonicalize().ok();
    if found.is_none() {
        println!("skipped: ../shared/data/sets/{path} is not there");
    }
    found
}

/// The road with cars, and the room through which people walk one by one.
pub fn clips() -> Option<&'static [Clip; 2]> {
    static CLIPS: OnceLock<Option<[Clip; 2]>> = OnceLock::new();
    CLIPS
        .get_or_init(|| {
            let folder = shared("camera-video")?;
            let read = |name: &str| demux(&std::fs::read(folder.join(name)).unwrap());
            Some([read("car-detection.mp4"), read("one-by-one-person-detection.mp4")])
        })
        .as_ref()
}

/// Every frame of both clips, decoded once.
pub fn decoded() -> Option<&'static [Vec<Frame>; 2]> {
    static FRAMES: OnceLock<Option<[Vec<Frame>; 2]>> = OnceLock::new();
    FRAMES.get_or_init(|| clips().map(|clips| [clips[0].decode(), clips[1].decode()])).as_ref()
}

impl Clip {
    pub fn decode(&self) -> Vec<Frame> {
        let mut decoder = Decoder::new().unwrap();
        decoder.parameters(&self.sets).unwrap();
        self.units.iter().filter_map(|unit| decoder.push(unit).unwrap()).collect()
    }
}

pub fn at(seconds: f64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_000_000 + (seconds * 1e6) as i64).unwrap()
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// The boxes within a stretch of a file.
fn boxes(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        // A size of 1 says that the real one follows in 8 bytes.
        let (size, head) = if number(&bytes[..4]) == 1 { (number(&bytes[8..16]), 16) } else { (number(&bytes[..4]), 8) };
        assert!((head..=bytes.len()).contains(&size), "a box of the usual form");
        found.push((&bytes[4..8], &bytes[head..size]));
        bytes = &bytes[size..];
    }
    found
}

fn child<'a>(bytes: &'a [u8], path: &[&[u8]]) -> Option<&'a [u8]> {
    let Some((first, rest)) = path.split_first() else { return Some(bytes) };
    boxes(bytes).into_iter().filter(|(kind, _)| kind == first).find_map(|(_, body)| child(body, rest))
}

/// Numbers of `width` bytes from an offset on.
fn table(bytes: &[u8], from: usize, width: usize) -> Vec<usize> {
    bytes[from..].chunks_exact(width).map(number).collect()
}

fn demux(file: &[u8]) -> Clip {
    let moov = child(file, &[b"moov"]).unwrap();
    let video = boxes(moov).into_iter().filter(|(kind, _)| kind == b"trak").map(|(_, body)| body).find(|t| child(t, &[b"mdia", b"minf", b"vmhd"]).is_some());
    let media = child(video.unwrap(), &[b"mdia"]).unwrap();
    let times = child(media, &[b"mdhd"]).unwrap();
    let stbl = child(media, &[b"minf", b"stbl"]).unwrap();
    let sizes = table(child(stbl, &[b"stsz"]).unwrap(), 12, 4);
    let chunks = table(child(stbl, &[b"stco"]).unwrap(), 8, 4);
    let runs = table(child(stbl, &[b"stsc"]).unwrap(), 8, 4);
    let described = child(stbl, &[b"stsd"]).unwrap();
    let entry = boxes(&described[8..])[0].1;
    let sets = parameters(child(&entry[78..], &[b"avcC"]).unwrap());
    let (mut units, mut run) = (Vec::new(), 0);
    for (i, offset) in chunks.into_iter().enumerate() {
        while runs.get((run + 1) * 3).is_some_and(|first| *first <= i + 1) {
            run += 1;
        }
        let mut at = offset;
        for _ in 0..runs[run * 3 + 1] {
            let size = sizes[units.len()];
            units.push(annex_b(&file[at..at + size]));
            at += size;
        }
    }
    assert_eq!(units.len(), sizes.len());
    let seconds = number(&times[16..20]) as f64 / number(&times[12..16]) as f64;
    Clip { sets, fps: units.len() as f64 / seconds, units }
}

/// The sets of an AVC configuration.
fn parameters(avcc: &[u8]) -> Vec<u8> {
    assert_eq!(avcc[4] & 3, 3, "lengths of 4 bytes");
    let (mut out, mut at) = (Vec::new(), 5);
    for mask in [0x1f, 0xff] {
        let count = avcc[at] & mask;
        at += 1;
        for _ in 0..count {
            let size = number(&avcc[at..at + 2]);
            out.extend([0, 0, 0, 1]);
            out.extend(&avcc[at + 2..at + 2 + size]);
            at += 2 + size;
        }
    }
    out
}

fn annex_b(mut sample: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while sample.len() > 4 {
        let size = number(&sample[..4]);
        out.extend([0, 0, 0, 1]);
        out.extend(&sample[4..4 + size]);
        sample = &sample[4 + size..];
    }
    out
}

/// A picture of its place alone, without decoding anything.
pub fn drawn(width: u32, height: u32, of: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
    let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| of(x, y)).collect();
    Frame::new(width, height, rgb).unwrap()
}

/// Each value through a function.
pub fn toned(frame: &Frame, tone: impl Fn(f32) -> f32) -> Frame {
    let curve: Vec<u8> = (0..=255u8).map(|v| tone(f32::from(v)).round().clamp(0.0, 255.0) as u8).collect();
    Frame { rgb: frame.rgb.iter().map(|v| curve[usize::from(*v)]).collect(), ..frame.clone() }
}

/// The camera turned: the view moves by a share of the picture's width; what is new at the rim repeats the last column.
pub fn shifted(frame: &Frame, share: f32) -> Frame {
    let by = (frame.width as f32 * share) as i64;
    let from = |x: u32| (i64::from(x) + by).clamp(0, i64::from(frame.width) - 1) as usize;
    drawn(frame.width, frame.height, |x, y| {
        let i = (y as usize * frame.width as usize + from(x)) * 3;
        [frame.rgb[i], frame.rgb[i + 1], frame.rgb[i + 2]]
    })
}

/// Means over squares of `2 × radius + 1` pixels, twice: near enough to a lens out of focus.
pub fn blurred(frame: &Frame, radius: i64) -> Frame {
    let pass = |frame: &Frame, dx: i64, dy: i64| {
        let (w, h) = (i64::from(frame.width), i64::from(frame.height));
        drawn(frame.width, frame.height, |x, y| {
            let mut sums = [0u32; 3];
            for k in -radius..=radius {
                let (x, y) = ((i64::from(x) + k * dx).clamp(0, w - 1), (i64::from(y) + k * dy).clamp(0, h - 1));
                let i = ((y * w + x) * 3) as usize;
                (0..3).for_each(|c| sums[c] += u32::from(frame.rgb[i + c]));
            }
            sums.map(|s| (s / (2 * radius as u32 + 1)) as u8)
        })
    };
    (0..2).fold(frame.clone(), |f, _| pass(&pass(&f, 1, 0), 0, 1))
}

/// Peak signal to noise of two pictures of one size, in dB.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    if squares == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10() }
}
