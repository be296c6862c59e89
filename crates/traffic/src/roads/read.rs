//! Reading roads: OpenStreetMap as PBF, XML or Overpass JSON, and a province's own register as GeoJSON. Streaming: what is no road is
//! never kept, and every number that grows with the file has its bound.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use dothi_kernel::{Error, Result};
use osmpbf::{BlobDecode, BlobReader, RelMemberType};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::osm::{self, Tags};
use super::set::{Ban, RoadSet, Way, Words, class_of, limit, mode};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RoadFormat)]
pub enum Format {
    /// OpenStreetMap, PBF.
    OsmPbf,
    /// OpenStreetMap, XML.
    OsmXml,
    /// OpenStreetMap, JSON of Overpass.
    Overpass,
    /// Lines in GeoJSON with `name`, `class`, `owner`, `oneway`, `maxspeed`.
    Geojson,
}

impl Format {
    /// The format that a file's name tells.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match () {
            () if name.ends_with(".pbf") => Some(Self::OsmPbf),
            () if name.ends_with(".osm") || name.ends_with(".xml") => Some(Self::OsmXml),
            () if name.ends_with(".geojson") => Some(Self::Geojson),
            () if name.ends_with(".json") => Some(Self::Overpass),
            () => None,
        }
    }
}

/// What an import took and what it left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[schema(as = RoadsTaken)]
pub struct Taken {
    /// Roads taken.
    pub ways: u64,
    /// Bans on turns taken.
    pub bans: u64,
    /// Lines that are no roads, or of which the file has fewer than two points.
    pub ways_left: u64,
    /// Bans left out: over a way, conditional, or of roads that are not in the file.
    pub bans_left: u64,
}

fn unreadable(why: impl std::fmt::Display) -> Error {
    Error::unprocessable("roads.unreadable", "The file cannot be read as roads.").with("reason", why)
}

fn too_many(what: &'static str, most: usize) -> Error {
    Error::too_large("roads.too-many", "The file holds more than can be taken.").with("what", what).with("limit", most)
}

/// What a pass over a file looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Lines,
    Points,
}

/// A member of a relation.
struct Member<'a> {
    kind: char,
    id: i64,
    role: &'a str,
}

/// What the elements of a file are handed to.
#[derive(Default)]
struct Gather {
    words: Words,
    taken: Taken,
    /// Ways with the numbers of their points.
    ways: Vec<(Way, Vec<i64>)>,
    /// Bans by numbers: from, via, to.
    bans: Vec<(i64, i64, i64, bool, u8)>,
    /// Points that are needed, in order.
    wanted: Vec<i64>,
    found: Vec<Option<[i32; 2]>>,
    barred: Vec<(u32, u8)>,
    refs: usize,
}

impl Gather {
    fn way(&mut self, id: i64, points: Vec<i64>, tags: &Tags<'_>) -> Result<()> {
        let Some(road) = osm::road(tags).filter(|_| points.len() >= 2) else {
            self.taken.ways_left += 1;
            return Ok(());
        };
        self.refs += points.len();
        if self.ways.len() >= limit::WAYS || points.len() > limit::WAY_POINTS {
            return Err(too_many("ways", limit::WAYS));
        }
        if self.refs > limit::POINTS * 2 {
            return Err(too_many("points", limit::POINTS));
        }
        let (name, number) = (self.words.put(road.name), self.words.put(road.number));
        let way = Way {
            id,
            points: Vec::new(),
            class: road.class,
            forward: road.forward,
            backward: road.backward,
            maxspeed: road.maxspeed,
            height_cm: road.height_cm,
            weight: road.weight,
            seconds: road.seconds,
            name,
            number,
            owner: 0,
        };
        self.ways.push((way, points));
        Ok(())
    }

    fn relation(&mut self, members: &[Member<'_>], tags: &Tags<'_>) -> Result<()> {
        if !tags.iter().any(|(k, v)| *k == "type" && *v == "restriction") {
            return Ok(());
        }
        let all = |role: &str, kind: char| members.iter().filter(|m| m.role == role && m.kind == kind).map(|m| m.id).collect::<Vec<_>>();
        match (osm::ban(tags), &all("from", 'w')[..], &all("via", 'n')[..], &all("to", 'w')[..]) {
            (Some((only, modes)), [from], [via], [to]) => {
                if self.bans.len() >= limit::BANS {
                    return Err(too_many("bans", limit::BANS));
                }
                self.bans.push((*from, *via, *to, only, modes));
            }
            _ => self.taken.bans_left += 1,
        }
        Ok(())
    }

    /// Between the passes: which points are needed.
    fn settle(&mut self) -> Result<()> {
        if self.ways.is_empty() {
            return Err(Error::unprocessable("roads.none", "There is no road in this file."));
        }
        let mut wanted: Vec<i64> = self.ways.iter().flat_map(|(_, refs)| refs.iter().copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.len() > limit::POINTS {
            return Err(too_many("points", limit::POINTS));
        }
        self.found = vec![None; wanted.len()];
        self.wanted = wanted;
        Ok(())
    }

    fn point(&mut self, id: i64, at: [i32; 2], tags: &Tags<'_>) {
        let Ok(place) = self.wanted.binary_search(&id) else { return };
        let inside = at[0].unsigned_abs() <= 1_800_000_000 && at[1].unsigned_abs() <= 900_000_000;
        if let Some(found) = self.found.get_mut(place).filter(|_| inside) {
            *found = Some(at);
        }
        let who = osm::barred(tags);
        if who != 0 {
            self.barred.push((place as u32, who));
        }
    }

    fn finish(mut self) -> Result<(RoadSet, Taken)> {
        // Points that the file does not have leave a gap: what lies on both sides of it are two roads.
        let mut place = vec![u32::MAX; self.found.len()];
        let mut points = Vec::new();
        for (i, at) in self.found.iter().enumerate() {
            if let Some(at) = at {
                place[i] = points.len() as u32;
                points.push(*at);
            }
        }
        let at = |id: &i64| self.wanted.binary_search(id).ok().map(|i| place[i]).filter(|p| *p != u32::MAX);
        let mut ways: Vec<Way> = Vec::with_capacity(self.ways.len());
        for (way, refs) in &self.ways {
            let before = ways.len();
            for run in refs.iter().map(at).collect::<Vec<_>>().split(Option::is_none) {
                let mut run: Vec<u32> = run.iter().filter_map(|p| *p).collect();
                run.dedup();
                if run.len() >= 2 {
                    ways.push(Way { points: run, ..way.clone() });
                }
            }
            self.taken.ways_left += u64::from(ways.len() == before);
        }
        if ways.is_empty() {
            return Err(Error::unprocessable("roads.none", "There is no road in this file."));
        }
        let mut by_id: HashMap<i64, Vec<u32>> = HashMap::new();
        for (i, way) in ways.iter().enumerate() {
            by_id.entry(way.id).or_default().push(i as u32);
        }
        let touching = |id: i64, via: u32| {
            let own = by_id.get(&id)?;
            own.iter().copied().find(|w| [ways[*w as usize].points.first(), ways[*w as usize].points.last()].contains(&Some(&via)))
        };
        let mut bans = Vec::new();
        for (from, via, to, only, modes) in &self.bans {
            let found = at(via).and_then(|via| Some((touching(*from, via)?, via, touching(*to, via)?)));
            match found {
                Some((from, via, to)) => bans.push(Ban { from, via, to, only: *only, modes: *modes }),
                None => self.taken.bans_left += 1,
            }
        }
        let barred = self.barred.iter().filter_map(|(i, who)| place.get(*i as usize).filter(|p| **p != u32::MAX).map(|p| (*p, *who))).collect();
        self.taken.ways = ways.len() as u64;
        self.taken.bans = bans.len() as u64;
        Ok((RoadSet { points, barred, ways, bans, words: self.words.into_vec() }, self.taken))
    }
}

/// Reads a file of roads. 422 `roads.unreadable` with the reason, 422 `roads.none`, 413 `roads.too-many`.
pub fn read(path: &Path, format: Format) -> Result<(RoadSet, Taken)> {
    read_from(format, || File::open(path).map_err(unreadable))
}

/// The same from anything that can be read twice.
pub fn read_from<R: Read + Send>(format: Format, open: impl Fn() -> Result<R>) -> Result<(RoadSet, Taken)> {
    if format == Format::Geojson {
        return register(BufReader::new(open()?));
    }
    let mut gather = Gather::default();
    for pass in [Pass::Lines, Pass::Points] {
        let source = BufReader::new(open()?);
        match format {
            Format::OsmPbf => pbf(source, pass, &mut gather)?,
            Format::OsmXml => xml(source, pass, &mut gather)?,
            Format::Overpass | Format::Geojson => overpass(source, pass, &mut gather)?,
        }
        if pass == Pass::Lines {
            gather.settle()?;
        }
    }
    gather.finish()
}

fn pbf(source: impl Read + Send, pass: Pass, gather: &mut Gather) -> Result<()> {
    let narrow = |nano: i64| i32::try_from(nano / 100).unwrap_or(i32::MAX);
    for blob in BlobReader::new(source) {
        let blob = blob.map_err(unreadable)?;
        let BlobDecode::OsmData(block) = blob.decode().map_err(unreadable)? else { continue };
        for group in block.groups() {
            if pass == Pass::Points {
                for node in group.nodes() {
                    let tags: Vec<(&str, &str)> = node.tags().collect();
                    gather.point(node.id(), [narrow(node.nano_lon()), narrow(node.nano_lat())], &tags);
                }
                for node in group.dense_nodes() {
                    let tags: Vec<(&str, &str)> = node.tags().collect();
                    gather.point(node.id(), [narrow(node.nano_lon()), narrow(node.nano_lat())], &tags);
                }
                continue;
            }
            for way in group.ways() {
                let tags: Vec<(&str, &str)> = way.tags().collect();
                gather.way(way.id(), way.refs().collect(), &tags)?;
            }
            for relation in group.relations() {
                let tags: Vec<(&str, &str)> = relation.tags().collect();
                if !tags.contains(&("type", "restriction")) {
                    continue;
                }
                let members: Vec<Member<'_>> =
                    relation.members().map(|m| Member { kind: kind_of(&m.member_type), id: m.member_id, role: m.role().unwrap_or_default() }).collect();
                gather.relation(&members, &tags)?;
            }
        }
    }
    Ok(())
}

fn kind_of(kind: &RelMemberType) -> char {
    match kind {
        RelMemberType::Node => 'n',
        RelMemberType::Way => 'w',
        RelMemberType::Relation => 'r',
    }
}

/// Degrees as they are kept.
fn e7(degrees: f64) -> i32 {
    (degrees * 1e7).round().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
}

/// Members and tags of one element at most: beyond that it is none of ours.
const PARTS: usize = 40_000;

/// An element of the XML that is being read.
#[derive(Default)]
struct Element {
    kind: u8,
    id: i64,
    at: [i32; 2],
    refs: Vec<i64>,
    members: Vec<(char, i64, String)>,
    tags: Vec<(String, String)>,
}

impl Element {
    fn hand_over(&self, pass: Pass, gather: &mut Gather) -> Result<()> {
        let tags: Vec<(&str, &str)> = self.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        match (self.kind, pass) {
            (b'n', Pass::Points) => gather.point(self.id, self.at, &tags),
            (b'w', Pass::Lines) => gather.way(self.id, self.refs.clone(), &tags)?,
            (b'r', Pass::Lines) => {
                let members: Vec<Member<'_>> = self.members.iter().map(|(kind, id, role)| Member { kind: *kind, id: *id, role }).collect();
                gather.relation(&members, &tags)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn part(&mut self, name: &str, tag: &BytesStart<'_>) -> Result<()> {
        if self.refs.len() + self.members.len() + self.tags.len() >= PARTS {
            return Err(too_many("parts of an element", PARTS));
        }
        match name {
            "nd" => self.refs.extend(attribute(tag, "ref")?.and_then(|r| r.parse::<i64>().ok())),
            "tag" => self.tags.extend(attribute(tag, "k")?.zip(attribute(tag, "v")?)),
            "member" => {
                let kind = attribute(tag, "type")?.and_then(|t| t.chars().next()).unwrap_or(' ');
                let id = attribute(tag, "ref")?.and_then(|r| r.parse().ok()).unwrap_or(0);
                self.members.push((kind, id, attribute(tag, "role")?.unwrap_or_default()));
            }
            _ => {}
        }
        Ok(())
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let Some(found) = tag.try_get_attribute(name).map_err(unreadable)? else { return Ok(None) };
    Ok(Some(found.normalized_value(XmlVersion::Implicit1_0).map_err(unreadable)?.into_owned()))
}

fn xml(source: impl Read, pass: Pass, gather: &mut Gather) -> Result<()> {
    let mut reader = quick_xml::Reader::from_reader(BufReader::new(source));
    let mut buffer = Vec::new();
    let mut open: Option<Element> = None;
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(unreadable)?;
        let (tag, closed) = match &event {
            Event::Start(tag) => (tag, false),
            Event::Empty(tag) => (tag, true),
            Event::End(tag) => {
                if matches!(tag.name().as_ref(), "node" | "way" | "relation")
                    && let Some(element) = open.take()
                {
                    element.hand_over(pass, gather)?;
                }
                continue;
            }
            Event::Eof => return Ok(()),
            _ => continue,
        };
        let name = tag.name();
        match name.as_ref() {
            kind @ ("node" | "way" | "relation") => {
                let number = |n| attribute(tag, n).map(|v| v.and_then(|v| v.parse::<f64>().ok()).unwrap_or(f64::INFINITY));
                let at = if kind == "node" && pass == Pass::Points { [e7(number("lon")?), e7(number("lat")?)] } else { [i32::MAX; 2] };
                let id = attribute(tag, "id")?.and_then(|i| i.parse().ok()).unwrap_or(0);
                let element = Element { kind: kind.as_bytes()[0], id, at, ..Element::default() };
                if closed {
                    element.hand_over(pass, gather)?;
                } else {
                    open = Some(element);
                }
            }
            other => {
                if let Some(element) = &mut open {
                    element.part(other, tag)?;
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct JsonMember {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    r#ref: i64,
    #[serde(default)]
    role: String,
}

#[derive(Deserialize)]
struct JsonElement {
    r#type: String,
    #[serde(default)]
    id: i64,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    lon: Option<f64>,
    #[serde(default)]
    nodes: Vec<i64>,
    #[serde(default)]
    members: Vec<JsonMember>,
    #[serde(default)]
    tags: HashMap<String, String>,
}

fn overpass(source: impl Read, pass: Pass, gather: &mut Gather) -> Result<()> {
    each(source, "elements", |e: JsonElement| {
        let tags: Vec<(&str, &str)> = e.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        match (e.r#type.as_str(), pass) {
            ("node", Pass::Points) => {
                if let Some((lon, lat)) = e.lon.zip(e.lat) {
                    gather.point(e.id, [e7(lon), e7(lat)], &tags);
                }
            }
            ("way", Pass::Lines) => gather.way(e.id, e.nodes, &tags)?,
            ("relation", Pass::Lines) => {
                let kind = |m: &JsonMember| m.r#type.chars().next().unwrap_or(' ');
                let members: Vec<Member<'_>> = e.members.iter().map(|m| Member { kind: kind(m), id: m.r#ref, role: &m.role }).collect();
                gather.relation(&members, &tags)?;
            }
            _ => {}
        }
        Ok(())
    })
}

/// Shows each element of one list of a JSON document, one at a time.
fn each<T: DeserializeOwned>(source: impl Read, list: &'static str, show: impl FnMut(T) -> Result<()>) -> Result<()> {
    struct Whole<T, F> {
        list: &'static str,
        show: F,
        failed: Option<Error>,
        seen: bool,
        of: std::marker::PhantomData<T>,
    }
    struct List<'a, T, F>(&'a mut Whole<T, F>);

    impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> DeserializeSeed<'de> for List<'_, T, F> {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
            d.deserialize_seq(self)
        }
    }
    impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> Visitor<'de> for List<'_, T, F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while let Some(one) = seq.next_element::<T>()? {
                if let Err(e) = (self.0.show)(one) {
                    self.0.failed = Some(e);
                    return Err(serde::de::Error::custom("refused"));
                }
            }
            Ok(())
        }
    }
    impl<'de, T: DeserializeOwned, F: FnMut(T) -> Result<()>> Visitor<'de> for &mut Whole<T, F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "an object with `{}`", self.list)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<String>()? {
                if key == self.list {
                    self.seen = true;
                    map.next_value_seed(List(&mut *self))?;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }

    let mut whole = Whole { list, show, failed: None, seen: false, of: std::marker::PhantomData };
    let read = serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_reader(source), &mut whole);
    match (whole.failed, read) {
        (Some(e), _) => Err(e),
        (None, Err(e)) => Err(unreadable(e)),
        (None, Ok(())) if !whole.seen => Err(unreadable(format!("there is no `{list}`"))),
        (None, Ok(())) => Ok(()),
    }
}

#[derive(Deserialize)]
struct Line {
    geometry: Option<LineShape>,
    #[serde(default)]
    properties: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum LineShape {
    LineString {
        coordinates: Vec<Vec<f64>>,
    },
    MultiLineString {
        coordinates: Vec<Vec<Vec<f64>>>,
    },
    #[serde(other)]
    Other,
}

/// A province's own register. Lines meet where they share a point (to a decimetre), inner points included.
fn register(source: impl Read) -> Result<(RoadSet, Taken)> {
    let (mut words, mut taken, mut set) = (Words::default(), Taken::default(), RoadSet::default());
    let mut known: HashMap<[i32; 2], u32> = HashMap::new();
    let mut n = 0i64;
    each(source, "features", |line: Line| {
        n += 1;
        let lines = match line.geometry {
            Some(LineShape::LineString { coordinates }) => vec![coordinates],
            Some(LineShape::MultiLineString { coordinates }) => coordinates,
            _ => Vec::new(),
        };
        let properties = line.properties.unwrap_or_default();
        let text = |key: &str| properties.get(key).and_then(|v| v.as_str()).map(str::trim).filter(|v| !v.is_empty());
        let Some(class) = class_of(text("class").unwrap_or("road")).filter(|_| !lines.is_empty()) else {
            taken.ways_left += 1;
            return Ok(());
        };
        let flag = |key: &str| properties.get(key).is_some_and(|v| v.as_bool() == Some(true) || matches!(v.as_str(), Some("yes" | "true" | "1")));
        let number = |key: &str| properties.get(key).and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok())).filter(|v| v.is_finite() && *v > 0.0);
        let way = Way {
            id: properties.get("id").and_then(serde_json::Value::as_i64).unwrap_or(n),
            points: Vec::new(),
            class,
            forward: mode::ALL,
            backward: if flag("oneway") { mode::FOOT } else { mode::ALL },
            maxspeed: number("maxspeed").map_or(0, |v| v.min(200.0) as u8),
            height_cm: number("maxheight").map_or(0, |v| (v * 100.0).min(60_000.0) as u16),
            weight: number("maxweight").map_or(0, |v| (v * 100.0).min(60_000.0) as u16),
            seconds: 0,
            name: words.put(text("name")),
            number: words.put(text("ref").or_else(|| text("number"))),
            owner: words.put(text("owner").filter(|o| o.len() <= 60)),
        };
        for line in lines {
            let mut points: Vec<u32> = Vec::with_capacity(line.len());
            if line.len() > limit::WAY_POINTS {
                return Err(too_many("points of a line", limit::WAY_POINTS));
            }
            for at in line {
                let place = match at[..] {
                    [lon, lat, ..] => dothi_kernel::geo::Point::new(lon, lat).map_err(|e| unreadable(e.detail()))?,
                    _ => return Err(unreadable("a coordinate has not two numbers")),
                };
                // To a decimetre: what the offices of two communes drew should still meet.
                let key = [e7(place.lon).div_euclid(10), e7(place.lat).div_euclid(10)];
                let index = *known.entry(key).or_insert_with(|| {
                    set.points.push([e7(place.lon), e7(place.lat)]);
                    (set.points.len() - 1) as u32
                });
                points.push(index);
            }
            points.dedup();
            if set.points.len() > limit::POINTS {
                return Err(too_many("points", limit::POINTS));
            }
            if points.len() < 2 {
                taken.ways_left += 1;
                continue;
            }
            if set.ways.len() >= limit::WAYS {
                return Err(too_many("ways", limit::WAYS));
            }
            set.ways.push(Way { points, ..way.clone() });
        }
        Ok(())
    })?;
    if set.ways.is_empty() {
        return Err(Error::unprocessable("roads.none", "There is no road in this file."));
    }
    taken.ways = set.ways.len() as u64;
    set.words = words.into_vec();
    Ok((set, taken))
}
