//! Roads as they are kept: points, ways with what matters of them, and bans on turns, in a compact and versioned form.

use dothi_kernel::{Error, Result};

/// Kinds of traffic, as bits.
pub mod mode {
    /// On foot.
    pub const FOOT: u8 = 1;
    /// On a motorcycle.
    pub const MOTORCYCLE: u8 = 2;
    /// In a car.
    pub const CAR: u8 = 4;
    /// In a lorry.
    pub const TRUCK: u8 = 8;
    /// With a blue light.
    pub const EMERGENCY: u8 = 16;
    /// All of them.
    pub const ALL: u8 = 31;
    /// All but on foot.
    pub const MOTOR: u8 = ALL & !FOOT;
}

/// Classes of roads: the words of OpenStreetMap, the most important first, and ferries.
pub const CLASSES: [&str; 23] = [
    "motorway",
    "motorway_link",
    "trunk",
    "trunk_link",
    "primary",
    "primary_link",
    "secondary",
    "secondary_link",
    "tertiary",
    "tertiary_link",
    "unclassified",
    "residential",
    "living_street",
    "road",
    "service",
    "busway",
    "track",
    "pedestrian",
    "cycleway",
    "footway",
    "path",
    "steps",
    "ferry",
];

/// The number of a class by its word.
pub fn class_of(word: &str) -> Option<u8> {
    CLASSES.iter().position(|c| *c == word).and_then(|i| u8::try_from(i).ok())
}

/// Bounds of one set of roads.
pub mod limit {
    /// Points.
    pub const POINTS: usize = 20_000_000;
    /// Ways.
    pub const WAYS: usize = 2_000_000;
    /// Points of a way.
    pub const WAY_POINTS: usize = 20_000;
    /// Bans on turns.
    pub const BANS: usize = 500_000;
    /// Different names and numbers.
    pub const WORDS: usize = 1_000_000;
    /// Characters of a name.
    pub const WORD: usize = 200;
    /// Bytes of a set as it is kept.
    pub const BYTES: usize = 512 * 1024 * 1024;
}

/// A road or a piece of one, as the source has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// Its number in the source.
    pub id: i64,
    /// Its points, by their place in [`RoadSet::points`].
    pub points: Vec<u32>,
    /// Class, see [`CLASSES`].
    pub class: u8,
    /// Who may go along it ([`mode`]).
    pub forward: u8,
    /// Who may go against its direction.
    pub backward: u8,
    /// Signed speed, km/h; 0 = none.
    pub maxspeed: u8,
    /// Signed height, centimetres; 0 = none.
    pub height_cm: u16,
    /// Signed weight, units of 10 kg; 0 = none.
    pub weight: u16,
    /// Seconds that a ferry takes; 0 = not said.
    pub seconds: u32,
    /// Name, by its place in [`RoadSet::words`].
    pub name: u32,
    /// Number.
    pub number: u32,
    /// Owner's code, when the source says.
    pub owner: u32,
}

/// A ban on a turn over one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Way one comes from, by its place in [`RoadSet::ways`].
    pub from: u32,
    /// Point.
    pub via: u32,
    /// Way one must not turn into (or, with `only`, must).
    pub to: u32,
    /// All other ways are banned.
    pub only: bool,
    /// For whom.
    pub modes: u8,
}

/// Roads of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoadSet {
    /// Longitude and latitude in 10⁻⁷ degrees.
    pub points: Vec<[i32; 2]>,
    /// Points that some cannot pass (bollards, gates), and who.
    pub barred: Vec<(u32, u8)>,
    /// Ways.
    pub ways: Vec<Way>,
    /// Bans on turns.
    pub bans: Vec<Ban>,
    /// Names, numbers, owners; the first is empty.
    pub words: Vec<String>,
}

const HEAD: &[u8; 8] = b"DOTHIRD1";

fn damaged() -> Error {
    Error::internal("reading stored roads", "the bytes are damaged")
}

struct Out(Vec<u8>);

impl Out {
    fn u(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push((v as u8 & 0x7f) | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }
    fn i(&mut self, v: i64) {
        self.u(((v << 1) ^ (v >> 63)) as u64);
    }
    fn len(&mut self, n: usize) {
        self.u(n as u64);
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn u(&mut self) -> Result<u64> {
        let (mut v, mut shift) = (0u64, 0u32);
        loop {
            let (first, rest) = self.0.split_first().ok_or_else(damaged)?;
            self.0 = rest;
            v |= u64::from(first & 0x7f).checked_shl(shift).ok_or_else(damaged)?;
            if first & 0x80 == 0 {
                return Ok(v);
            }
            shift += 7;
            if shift > 63 {
                return Err(damaged());
            }
        }
    }
    fn i(&mut self) -> Result<i64> {
        let v = self.u()?;
        Ok((v >> 1) as i64 ^ -((v & 1) as i64))
    }
    /// A number of things, each of which takes at least `least` bytes: no more is made room for than there can be.
    fn len(&mut self, most: usize, least: usize) -> Result<usize> {
        let n = usize::try_from(self.u()?).map_err(|_| damaged())?;
        if n > most || n.saturating_mul(least) > self.0.len() { Err(damaged()) } else { Ok(n) }
    }
    fn small<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.u()?).map_err(|_| damaged())
    }
    fn below(&mut self, n: usize) -> Result<u32> {
        let v: u32 = self.small()?;
        if (v as usize) < n { Ok(v) } else { Err(damaged()) }
    }
}

impl RoadSet {
    /// The bytes it is kept as.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(self.points.len() * 6 + self.ways.len() * 24 + 64));
        out.0.extend_from_slice(HEAD);
        out.len(self.words.len());
        for word in &self.words {
            out.len(word.len());
            out.0.extend_from_slice(word.as_bytes());
        }
        out.len(self.points.len());
        let mut last = [0i32; 2];
        for p in &self.points {
            out.i(i64::from(p[0]) - i64::from(last[0]));
            out.i(i64::from(p[1]) - i64::from(last[1]));
            last = *p;
        }
        out.len(self.barred.len());
        for (point, who) in &self.barred {
            out.u(u64::from(*point));
            out.u(u64::from(*who));
        }
        out.len(self.ways.len());
        let mut id = 0i64;
        for w in &self.ways {
            out.i(w.id.wrapping_sub(id));
            id = w.id;
            for v in [w.class, w.forward, w.backward, w.maxspeed] {
                out.u(u64::from(v));
            }
            for v in [u32::from(w.height_cm), u32::from(w.weight), w.seconds, w.name, w.number, w.owner] {
                out.u(u64::from(v));
            }
            out.len(w.points.len());
            let mut at = 0i64;
            for p in &w.points {
                out.i(i64::from(*p) - at);
                at = i64::from(*p);
            }
        }
        out.len(self.bans.len());
        for b in &self.bans {
            for v in [b.from, b.via, b.to, u32::from(b.only), u32::from(b.modes)] {
                out.u(u64::from(v));
            }
        }
        out.0
    }

    /// Reads such bytes; everything in them is within bounds then. 500 when they are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut input = In(bytes.strip_prefix(HEAD.as_slice()).ok_or_else(damaged)?);
        let mut words = Vec::new();
        for _ in 0..input.len(limit::WORDS, 1)? {
            let n = input.len(limit::WORD * 4, 1)?;
            let (word, rest) = input.0.split_at_checked(n).ok_or_else(damaged)?;
            input.0 = rest;
            words.push(String::from_utf8(word.to_vec()).map_err(|_| damaged())?);
        }
        let mut points = Vec::new();
        let mut last = [0i64; 2];
        for _ in 0..input.len(limit::POINTS, 2)? {
            last = [last[0].checked_add(input.i()?).ok_or_else(damaged)?, last[1].checked_add(input.i()?).ok_or_else(damaged)?];
            let (lon, lat) = (i32::try_from(last[0]).map_err(|_| damaged())?, i32::try_from(last[1]).map_err(|_| damaged())?);
            points.push([lon, lat]);
        }
        let mut barred = Vec::new();
        for _ in 0..input.len(points.len(), 2)? {
            barred.push((input.below(points.len())?, input.small::<u8>()? & mode::ALL));
        }
        let mut ways = Vec::new();
        let mut id = 0i64;
        for _ in 0..input.len(limit::WAYS, 12)? {
            id = id.wrapping_add(input.i()?);
            let class = input.below(CLASSES.len())? as u8;
            let (forward, backward, maxspeed) = (input.small()?, input.small()?, input.small()?);
            let (height_cm, weight, seconds) = (input.small()?, input.small()?, input.small()?);
            let (name, number, owner) = (input.below(words.len())?, input.below(words.len())?, input.below(words.len())?);
            let mut own = Vec::new();
            let mut at = 0i64;
            for _ in 0..input.len(limit::WAY_POINTS, 1)? {
                at = at.checked_add(input.i()?).ok_or_else(damaged)?;
                own.push(u32::try_from(at).ok().filter(|p| (*p as usize) < points.len()).ok_or_else(damaged)?);
            }
            ways.push(Way { id, points: own, class, forward, backward, maxspeed, height_cm, weight, seconds, name, number, owner });
        }
        let mut bans = Vec::new();
        for _ in 0..input.len(limit::BANS, 5)? {
            let (from, via, to) = (input.below(ways.len())?, input.below(points.len())?, input.below(ways.len())?);
            bans.push(Ban { from, via, to, only: input.u()? != 0, modes: input.small()? });
        }
        if input.0.is_empty() { Ok(Self { points, barred, ways, bans, words }) } else { Err(damaged()) }
    }
}

/// Gives each word one number.
#[derive(Debug, Default)]
pub(crate) struct Words {
    by: std::collections::HashMap<String, u32>,
    all: Vec<String>,
}

impl Words {
    /// The number of a word, trimmed and cut to its bound; 0 is the empty one. Beyond the bound of different words, too.
    pub(crate) fn put(&mut self, word: Option<&str>) -> u32 {
        if self.all.is_empty() {
            self.all.push(String::new());
        }
        let word: String = word.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(limit::WORD).collect();
        if word.is_empty() {
            return 0;
        }
        if let Some(n) = self.by.get(&word) {
            return *n;
        }
        if self.all.len() >= limit::WORDS {
            return 0;
        }
        let n = u32::try_from(self.all.len()).unwrap_or(0);
        self.all.push(word.clone());
        self.by.insert(word, n);
        n
    }

    pub(crate) fn into_vec(mut self) -> Vec<String> {
        if self.all.is_empty() {
            self.all.push(String::new());
        }
        self.all
    }
}
