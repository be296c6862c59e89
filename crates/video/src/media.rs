//! Encoded pictures on their way: H.264 access units with lengths before each NAL unit, on a time line of 90,000 ticks a second.

use bytes::Bytes;
use dothi_kernel::Timestamp;

/// Ticks of a second.
pub const TICKS: u32 = 90_000;
/// Longest picture that is taken; a 4K key frame stays well below.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;
/// Longest time that one picture stands.
const LONGEST: u64 = 10 * TICKS as u64;

/// What a decoder must know first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Sequence parameter set, a NAL unit.
    pub sps: Bytes,
    /// Picture parameter set, a NAL unit.
    pub pps: Bytes,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl Config {
    /// The codec's name in a media type (RFC 6381): `avc1.64001F`.
    pub fn codec(&self) -> String {
        let byte = |n: usize| self.sps.get(n).copied().unwrap_or(0);
        format!("avc1.{:02X}{:02X}{:02X}", byte(1), byte(2), byte(3))
    }
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// When it is decoded, ticks.
    pub dts: u64,
    /// How long until the next one, ticks.
    pub duration: u32,
    /// Shown so much after it is decoded, ticks.
    pub cts: i32,
    /// Whether decoding may begin here.
    pub key: bool,
    /// NAL units, each led by its length in four bytes.
    pub data: Bytes,
}

/// NAL units of a picture; stops where lengths do not fit.
pub fn nals(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*head) as usize;
        let nal = tail.get(..length)?;
        rest = &tail[length..];
        Some(nal)
    })
}

/// A picture as decoders take it: start codes (Annex B), parameter sets before key frames.
pub fn annex_b(config: &Config, unit: &Unit) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.data.len() + config.sps.len() + config.pps.len() + 64);
    let mut add = |nal: &[u8]| {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    };
    if unit.key {
        add(&config.sps);
        add(&config.pps);
    }
    nals(&unit.data).for_each(&mut add);
    out
}

/// The NAL units of an Annex B stream.
fn split(annex_b: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= annex_b.len() {
        if annex_b[at..at + 3] == [0, 0, 1] {
            starts.push(at);
            at += 3;
        } else {
            at += 1;
        }
    }
    let ends = starts.iter().skip(1).copied().chain([annex_b.len()]);
    let trimmed = starts.iter().zip(ends).map(|(from, to)| {
        let nal = &annex_b[from + 3..to];
        // A longer start code of the next unit, or trailing zeros.
        let length = nal.iter().rposition(|b| *b != 0).map_or(0, |n| n + 1);
        &nal[..length]
    });
    trimmed.filter(|nal| !nal.is_empty()).collect()
}

/// What an encoder gave, with lengths; parameter sets are taken out and handed back beside it.
pub fn from_annex_b(annex_b: &[u8]) -> (Bytes, Option<(Bytes, Bytes)>) {
    let (mut data, mut sps, mut pps) = (Vec::with_capacity(annex_b.len() + 16), None, None);
    for nal in split(annex_b) {
        match nal[0] & 0x1f {
            7 => sps = Some(Bytes::copy_from_slice(nal)),
            8 => pps = Some(Bytes::copy_from_slice(nal)),
            9 => {}
            _ => {
                data.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
                data.extend_from_slice(nal);
            }
        }
    }
    (data.into(), sps.zip(pps))
}

/// Puts pictures on one time line, over connections that end and clocks that jump. A picture is handed on when the next one
/// came, because only then it is known how long it stands.
#[derive(Debug, Default)]
pub(crate) struct TimeLine {
    /// Where the next picture would stand.
    next: u64,
    /// Source's time that stands at `base`.
    first: Option<i64>,
    base: u64,
    /// When the last picture is decoded.
    last: Option<u64>,
    waiting: Option<(Unit, Timestamp)>,
}

impl TimeLine {
    /// A new connection began, so much (ticks) after the last picture.
    pub fn again(&mut self, after: u64) -> Option<(Unit, Timestamp)> {
        self.base = self.next + after;
        self.first = None;
        self.waiting.take()
    }

    /// Takes a picture with the source's own time (ticks); gives the one before.
    pub fn push(&mut self, shown: i64, key: bool, data: Bytes, at: Timestamp) -> Option<(Unit, Timestamp)> {
        let first = *self.first.get_or_insert(shown);
        let mut place = i64::try_from(self.base).unwrap_or(0).saturating_add(shown.saturating_sub(first));
        let last = self.last.map_or(0, |l| i64::try_from(l).unwrap_or(i64::MAX));
        let longest = i64::try_from(LONGEST).unwrap_or(i64::MAX);
        if self.last.is_some() && (place - last > longest || last - place > longest) {
            // The source's clock jumped: go on where we are.
            self.base = self.next.max(self.base);
            self.first = Some(shown);
            place = i64::try_from(self.base).unwrap_or(0);
        }
        let earliest = self.last.map_or(0, |l| l + 1);
        let dts = u64::try_from(place).unwrap_or(0).max(earliest);
        let cts = i32::try_from(place - i64::try_from(dts).unwrap_or(0)).unwrap_or(0);
        let before = self.waiting.take().map(|(unit, at)| (Unit { duration: u32::try_from(dts.saturating_sub(unit.dts).max(1)).unwrap_or(TICKS), ..unit }, at));
        let usual = before.as_ref().map_or(u64::from(TICKS / 25), |(u, _)| u64::from(u.duration));
        self.last = Some(dts);
        self.next = dts + usual;
        self.waiting = Some((Unit { dts, duration: u32::try_from(usual).unwrap_or(TICKS), cts, key, data }, at));
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(line: &mut TimeLine, shown: i64) -> Option<Unit> {
        line.push(shown, false, Bytes::new(), Timestamp::UNIX_EPOCH).map(|(u, _)| u)
    }

    #[test]
    fn pictures_out_of_order_and_jumps_of_the_clock_stay_on_one_line() {
        let mut line = TimeLine::default();
        assert_eq!(push(&mut line, 1_000_000), None);
        let first = push(&mut line, 1_010_800).unwrap();
        assert_eq!((first.dts, first.duration, first.cts), (0, 10_800, 0));
        // Two pictures shown before the one that was decoded first.
        assert_eq!(push(&mut line, 1_003_600).unwrap().dts, 10_800);
        let early = push(&mut line, 1_007_200).unwrap();
        assert_eq!((early.dts, early.cts), (10_801, -7_201));
        let next = push(&mut line, 1_014_400).unwrap();
        assert_eq!((next.dts, next.cts, next.duration), (10_802, -3_602, 3_598));
        // Half a day ahead, then half a day back: neither is waited for.
        let before = push(&mut line, 1_014_400 + 43_200 * i64::from(TICKS)).unwrap();
        assert_eq!(before.dts, 14_400);
        assert!(push(&mut line, 5).unwrap().duration < TICKS);
        assert!(push(&mut line, 3_605).unwrap().duration < TICKS);
    }

    #[test]
    fn units_of_an_encoder_come_back_with_lengths() {
        let stream = [&[0, 0, 0, 1, 0x67, 1, 2][..], &[0, 0, 0, 1, 0x68, 3], &[0, 0, 1, 0x65, 9, 0, 0, 3, 1]].concat();
        let (data, sets) = from_annex_b(&stream);
        assert_eq!(&data[..], [0, 0, 0, 6, 0x65, 9, 0, 0, 3, 1]);
        let (sps, pps) = sets.unwrap();
        assert_eq!((&sps[..], &pps[..]), (&[0x67, 1, 2][..], &[0x68, 3][..]));
        let config = Config { sps, pps, width: 2, height: 2 };
        let unit = Unit { dts: 0, duration: 1, cts: 0, key: true, data };
        assert_eq!(annex_b(&config, &unit).len(), 4 + 3 + 4 + 2 + 4 + 6);
        assert_eq!(nals(&[0, 0, 0, 9, 1]).count(), 0, "a length that is too long is not followed");
    }
}
