//! Pictures in MP4 boxes: the head that a browser is given first, fragments of live and recorded pictures, and reading both back,
//! as well as plain MP4 clips.

use bytes::Bytes;
use dothi_kernel::{Error, Result};
use mp4_atom::{
    Atom, Avc1, Avcc, AvccExt, Codec, DecodeAtom, DecodeMaybe, Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Header, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mvex, Mvhd, Stbl, Stco, Stsd, StszSamples, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Visual, Vmhd,
};

use crate::media::{Config, LARGEST, TICKS, Unit};

/// Samples of one clip or segment that are read.
const SAMPLES: usize = 500_000;
/// Flags of a sample that decoding may begin with, and of the others (ISO/IEC 14496-12, 8.8.3.1).
const KEY: u32 = 0x0200_0000;
const NOT_KEY: u32 = 0x0101_0000;
/// Profiles whose head says more of the colours (ISO/IEC 14496-15, 5.3.3.1.2); cameras send 8 bits, 4:2:0.
const HIGH: [u8; 4] = [100, 110, 122, 144];

fn bad(why: impl std::fmt::Display) -> Error {
    Error::unprocessable("video.media", "These are no pictures that can be read: H.264 in MP4 is wanted.").because(why)
}

fn encoded(atom: &impl Encode, out: &mut Vec<u8>) -> Result<()> {
    atom.encode(out).map_err(|e| Error::internal("writing pictures", e))
}

/// The head: what is in the stream, without pictures.
pub fn init(config: &Config) -> Result<Bytes> {
    let mut avcc = Avcc::new(&config.sps, &config.pps).map_err(bad)?;
    if HIGH.contains(&avcc.avc_profile_indication) {
        avcc.ext = Some(AvccExt::default());
    }
    let visual = Visual { data_reference_index: 1, width: config.width, height: config.height, ..Visual::default() };
    let avc1 = Avc1 { visual, avcc, ..Avc1::default() };
    let trak = Trak {
        tkhd: Tkhd { track_id: 1, enabled: true, in_movie: true, width: config.width.into(), height: config.height.into(), ..Tkhd::default() },
        mdia: Mdia {
            mdhd: Mdhd { timescale: TICKS, language: "und".into(), ..Mdhd::default() },
            hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "video".into() },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
                stbl: Stbl { stsd: Stsd { codecs: vec![Codec::Avc1(avc1)] }, stco: Some(Stco::default()), ..Stbl::default() },
                ..Minf::default()
            },
        },
        ..Trak::default()
    };
    let moov = Moov {
        mvhd: Mvhd { timescale: TICKS, rate: 1.into(), volume: 1.into(), next_track_id: 2, ..Mvhd::default() },
        mvex: Some(Mvex { trex: vec![Trex { track_id: 1, default_sample_description_index: 1, ..Trex::default() }], ..Mvex::default() }),
        trak: vec![trak],
        ..Moov::default()
    };
    let mut out = Vec::with_capacity(1_024);
    let brands = vec![FourCC::new(b"iso6"), FourCC::new(b"avc1"), FourCC::new(b"mp41")];
    encoded(&Ftyp { major_brand: FourCC::new(b"iso6"), minor_version: 512, compatible_brands: brands }, &mut out)?;
    encoded(&moov, &mut out)?;
    Ok(out.into())
}

/// Pictures after the head; `sequence` counts from 1.
pub fn fragment(sequence: u32, units: &[Unit]) -> Result<Bytes> {
    let entry = |u: &Unit| TrunEntry {
        duration: Some(u.duration),
        size: u32::try_from(u.data.len()).ok(),
        flags: Some(if u.key { KEY } else { NOT_KEY }),
        cts: Some(i64::from(u.cts)),
    };
    let entries: Vec<TrunEntry> = units.iter().map(entry).collect();
    let moof = |offset: i32| Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: 1, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: units.first().map_or(0, |u| u.dts) }),
            trun: vec![Trun { data_offset: Some(offset), samples: entries.clone().into() }],
            ..Traf::default()
        }],
    };
    let size: usize = units.iter().map(|u| u.data.len()).sum();
    let mut out = Vec::with_capacity(size + 128 + 16 * units.len());
    // Pictures begin after this box and the next one's head; how long it is does not depend on the number.
    encoded(&moof(0), &mut out)?;
    let offset = i32::try_from(out.len() + 8).map_err(|e| Error::internal("writing pictures", e))?;
    out.clear();
    encoded(&moof(offset), &mut out)?;
    out.extend_from_slice(&u32::try_from(size + 8).map_err(|e| Error::internal("writing pictures", e))?.to_be_bytes());
    out.extend_from_slice(b"mdat");
    for unit in units {
        out.extend_from_slice(&unit.data);
    }
    Ok(out.into())
}

/// Boxes of a file: kind, place of the content, length of the content.
fn boxes(bytes: &[u8]) -> Result<Vec<(Header, usize, usize)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let mut rest = &bytes[at..];
        let Some(header) = Header::decode_maybe(&mut rest).map_err(bad)? else { return Err(bad("cut short")) };
        let start = bytes.len() - rest.len();
        let size = header.size.unwrap_or(rest.len());
        if size > rest.len() {
            return Err(bad("cut short"));
        }
        found.push((header, start, size));
        at = start + size;
    }
    Ok(found)
}

fn atom<A: Atom + DecodeAtom>(bytes: &[u8], (header, start, size): &(Header, usize, usize)) -> Result<A> {
    let mut content = &bytes[*start..start + size];
    let header = Header { size: Some(*size), ..*header };
    A::decode_atom(&header, &mut content).map_err(bad)
}

fn config_of(trak: &Trak) -> Option<Config> {
    let avc1 = trak.mdia.minf.stbl.stsd.codecs.iter().find_map(|c| if let Codec::Avc1(a) = c { Some(a) } else { None })?;
    let set = |sets: &[Vec<u8>]| sets.first().map(|s| Bytes::copy_from_slice(s));
    if avc1.avcc.length_size != 4 {
        return None;
    }
    Some(Config {
        sps: set(&avc1.avcc.sequence_parameter_sets)?,
        pps: set(&avc1.avcc.picture_parameter_sets)?,
        width: avc1.visual.width,
        height: avc1.visual.height,
    })
}

fn piece(bytes: &Bytes, at: usize, size: usize) -> Result<Bytes> {
    let end = at.checked_add(size).filter(|end| *end <= bytes.len() && size <= LARGEST).ok_or_else(|| bad("a picture lies outside"))?;
    Ok(bytes.slice(at..end))
}

/// Reads what [`init`] and [`fragment`] wrote. 422 `video.media`.
pub fn read(bytes: &Bytes) -> Result<(Config, Vec<Unit>)> {
    let all = boxes(bytes)?;
    let moov = all.iter().find(|b| b.0.kind == Moov::KIND).ok_or_else(|| bad("no head"))?;
    let moov: Moov = atom(bytes, moov)?;
    let config = moov.trak.first().and_then(config_of).ok_or_else(|| bad("no H.264"))?;
    let mut units = Vec::new();
    for found in all.iter().filter(|b| b.0.kind == Moof::KIND) {
        let moof: Moof = atom(bytes, found)?;
        let begin = found.1 - 8;
        for traf in &moof.traf {
            let mut dts = traf.tfdt.as_ref().map_or(0, |t| t.base_media_decode_time);
            for trun in &traf.trun {
                let offset = usize::try_from(trun.data_offset.unwrap_or(0)).map_err(bad)?;
                let mut at = begin.checked_add(offset).ok_or_else(|| bad("an offset is too large"))?;
                for e in trun.samples.iter() {
                    let size = e.size.or(traf.tfhd.default_sample_size).ok_or_else(|| bad("a size is missing"))? as usize;
                    let duration = e.duration.or(traf.tfhd.default_sample_duration).unwrap_or(0);
                    let key = e.flags.unwrap_or(0) & 0x0001_0000 == 0;
                    let cts = i32::try_from(e.cts.unwrap_or(0)).unwrap_or(0);
                    units.push(Unit { dts, duration, cts, key, data: piece(bytes, at, size)? });
                    at += size;
                    dts = dts.saturating_add(u64::from(duration));
                    if units.len() > SAMPLES {
                        return Err(bad("too many pictures"));
                    }
                }
            }
        }
    }
    Ok((config, units))
}

/// Reads a plain MP4 clip (not fragmented), its first H.264 track, in 90,000 ticks a second. 422 `video.media`.
pub fn read_clip(bytes: &Bytes) -> Result<(Config, Vec<Unit>)> {
    let all = boxes(bytes)?;
    let moov = all.iter().find(|b| b.0.kind == Moov::KIND).ok_or_else(|| bad("no head"))?;
    let moov: Moov = atom(bytes, moov)?;
    let (trak, config) = moov.trak.iter().find_map(|t| Some((t, config_of(t)?))).ok_or_else(|| bad("no H.264"))?;
    let stbl = &trak.mdia.minf.stbl;
    let scale = u64::from(trak.mdia.mdhd.timescale.max(1));
    let ticks = |t: u64| t.saturating_mul(u64::from(TICKS)) / scale;
    let sizes: Vec<u32> = match &stbl.stsz.samples {
        StszSamples::Identical { count, size } => vec![*size; (*count as usize).min(SAMPLES)],
        StszSamples::Different { sizes } => sizes.clone(),
    };
    if sizes.len() > SAMPLES {
        return Err(bad("too many pictures"));
    }
    let chunks: Vec<u64> = match (&stbl.stco, &stbl.co64) {
        (Some(stco), _) => stco.entries.iter().map(|o| u64::from(*o)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        (None, None) => return Err(bad("no chunks")),
    };
    let mut durations = stbl.stts.entries.iter().flat_map(|e| std::iter::repeat_n(e.sample_delta, (e.sample_count as usize).min(SAMPLES)));
    let mut shifts = stbl.ctts.iter().flat_map(|c| &c.entries).flat_map(|e| std::iter::repeat_n(e.sample_offset, (e.sample_count as usize).min(SAMPLES)));
    let keys: Option<std::collections::HashSet<u32>> = stbl.stss.as_ref().map(|s| s.entries.iter().copied().collect());
    let (mut units, mut time) = (Vec::with_capacity(sizes.len()), 0u64);
    for (n, chunk) in chunks.iter().enumerate() {
        let number = u32::try_from(n + 1).unwrap_or(u32::MAX);
        let per = stbl.stsc.entries.iter().rev().find(|e| e.first_chunk <= number).map_or(0, |e| e.samples_per_chunk);
        let mut at = usize::try_from(*chunk).map_err(bad)?;
        for _ in 0..per {
            let Some(size) = sizes.get(units.len()).map(|s| *s as usize) else { break };
            let long = u64::from(durations.next().unwrap_or(0));
            let cts = shifts.next().unwrap_or(0);
            let number = u32::try_from(units.len() + 1).unwrap_or(u32::MAX);
            units.push(Unit {
                dts: ticks(time),
                duration: u32::try_from(ticks(time + long) - ticks(time)).unwrap_or(TICKS),
                cts: i32::try_from(cts.saturating_mul(i64::from(TICKS)) / i64::try_from(scale).unwrap_or(1)).unwrap_or(0),
                key: keys.as_ref().is_none_or(|k| k.contains(&number)),
                data: piece(bytes, at, size)?,
            });
            at += size;
            time = time.saturating_add(long);
        }
    }
    if units.is_empty() { Err(bad("no pictures")) } else { Ok((config, units)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameter sets of a 16 × 16 picture (baseline).
    fn config() -> Config {
        Config { sps: Bytes::from_static(&[0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x1e]), pps: Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]), width: 16, height: 16 }
    }

    fn unit(n: u64) -> Unit {
        let nal = vec![if n == 0 { 0x65 } else { 0x41 }, 7, u8::try_from(n).unwrap()];
        let data = [&3u32.to_be_bytes()[..], &nal].concat();
        Unit { dts: n * 3_600 + 90_000, duration: 3_600, cts: if n == 2 { -100 } else { 0 }, key: n == 0, data: data.into() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let units: Vec<Unit> = (0..5).map(unit).collect();
        let mut file = init(&config()).unwrap().to_vec();
        assert_eq!(config().codec(), "avc1.42C00A");
        file.extend_from_slice(&fragment(1, &units[..1]).unwrap());
        file.extend_from_slice(&fragment(2, &units[1..]).unwrap());
        let kinds: Vec<String> = boxes(&file).unwrap().iter().map(|b| b.0.kind.to_string()).collect();
        assert_eq!(kinds, ["ftyp", "moov", "moof", "mdat", "moof", "mdat"]);
        let file = Bytes::from(file);
        assert_eq!(read(&file).unwrap(), (config(), units));
        for cut in [4, 40, file.len() - 1] {
            assert_eq!(read(&file.slice(..cut)).unwrap_err().code(), "video.media", "{cut}");
        }
        assert!(read_clip(&file).is_err(), "a fragmented file is no plain clip");
    }
}
