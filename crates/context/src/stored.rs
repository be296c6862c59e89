//! The stored form of entities: what the table of entities and the journal hold of them. Bytes of our own, because a million
//! entities are read at every start, and to read them as JSON took most of it.
//!
//! Whole numbers are LEB128 (`leb.rs`); instants are µs as distances from one another, which are short.
//! A name is spelled once, as far as it differs from the beginning of the longest before it, and later told by its number.
//! Golden files in `tests/golden` must load for ever.

use dothi_kernel::{Error, Result};
use hashbrown::HashMap;

use crate::instances::Instances;
use crate::leb::Leb;
use crate::model::{Attr, AttrKind, Attrs, Entity, Iri, Names};
use crate::val::{Look, Val};

/// Version of the form. The first was JSON.
pub const FORMAT: u8 = 2;
/// Attributes of attributes of attributes …; more than what is taken from outside.
const DEPTH: usize = 64;

// What a value is, three bits.
const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const POINT: u8 = 6;
const JSON: u8 = 7;
// The first byte of an attribute is its kind's number, then what its value is, then:
const OBSERVED: u8 = 0x40;
const RARE: u8 = 0x80;

fn writing(e: serde_json::Error) -> Error {
    Error::internal("writing an entity", e)
}

/// What reads differently from what was written.
pub fn damaged() -> Error {
    Error::internal("reading entities", "stored bytes are damaged")
}

/// Writes entities one after another; they share the names that were spelled.
#[derive(Default)]
pub struct Writer {
    /// What is written so far.
    pub bytes: Vec<u8>,
    names: HashMap<Iri, u64>,
    longest: Option<Iri>,
}

impl Writer {
    /// Goes on behind these bytes.
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    fn count(&mut self, n: usize) {
        self.bytes.unsigned(n as u64);
    }

    /// 0 = none, 1 = a new name follows, n + 2 = the n-th name.
    pub fn name(&mut self, name: Option<&Iri>) {
        let Some(name) = name else { return self.bytes.push(0) };
        if let Some(n) = self.names.get(name).copied() {
            return self.bytes.unsigned(n + 2);
        }
        self.bytes.push(1);
        let longest = self.longest.as_deref().unwrap_or_default();
        let longer = name.len() > longest.len();
        let mut same = longest.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        while !name.is_char_boundary(same) {
            same -= 1;
        }
        self.count(same);
        self.bytes.text(&name[same..]);
        self.names.insert(name.clone(), self.names.len() as u64);
        if longer {
            self.longest = Some(name.clone());
        }
    }

    fn names(&mut self, names: &[Iri]) {
        self.count(names.len());
        names.iter().for_each(|n| self.name(Some(n)));
    }

    fn instant(&mut self, at: Option<i64>, base: i64) {
        self.bytes.push(at.is_some().into());
        if let Some(at) = at {
            self.bytes.signed(at.wrapping_sub(base));
        }
    }

    /// All of an entity but its id and version.
    pub fn entity(&mut self, entity: &Entity) -> Result<()> {
        self.names(&entity.types);
        self.count(entity.scope.len());
        entity.scope.iter().for_each(|s| self.bytes.text(s));
        self.bytes.signed(entity.modified);
        self.bytes.signed(entity.created.wrapping_sub(entity.modified));
        self.instant(entity.expires, entity.modified);
        self.name(entity.area.as_ref());
        self.attrs(&entity.attrs, entity.modified)
    }

    fn attrs(&mut self, attrs: &Attrs, base: i64) -> Result<()> {
        self.count(attrs.len());
        for (name, instances) in attrs {
            self.name(Some(name));
            self.count(instances.len());
            instances.iter().try_for_each(|attr| self.attr(attr, base))?;
        }
        Ok(())
    }

    /// One instance; `base` is an instant near its own.
    pub fn attr(&mut self, attr: &Attr, base: i64) -> Result<()> {
        let kind = AttrKind::ALL.iter().position(|k| *k == attr.kind).unwrap_or_default() as u8;
        let rare = attr.dataset().is_some() || attr.of().is_some() || attr.expires().is_some() || !attr.subs().is_empty();
        let head = kind | if attr.observed().is_some() { OBSERVED } else { 0 } | if rare { RARE } else { 0 };
        self.value(head, &attr.value)?;
        self.bytes.signed(attr.modified.wrapping_sub(base));
        self.bytes.signed(attr.created.wrapping_sub(attr.modified));
        if let Some(observed) = attr.observed() {
            self.bytes.signed(observed.wrapping_sub(attr.modified));
        }
        self.name(attr.unit().as_ref());
        if rare {
            self.name(attr.dataset());
            self.instant(attr.expires(), attr.modified);
            let of = attr.of().map(serde_json::to_string).transpose().map_err(writing)?;
            self.bytes.text(of.as_deref().unwrap_or_default());
            self.attrs(attr.subs(), attr.modified)?;
        }
        Ok(())
    }

    fn value(&mut self, head: u8, value: &Val) -> Result<()> {
        let mut tag = |what: u8| self.bytes.push(head | what << 3);
        match (value.look(), value.as_i64()) {
            (Look::Null, _) => tag(NULL),
            (Look::Bool(b), _) => tag(if b { TRUE } else { FALSE }),
            (Look::Number(_), Some(n)) => {
                tag(INT);
                self.bytes.signed(n);
            }
            (Look::Number(n), None) if value.as_u64().is_none() => {
                tag(FLOAT);
                self.bytes.extend_from_slice(&n.to_le_bytes());
            }
            (Look::Text(text), _) => {
                tag(TEXT);
                self.bytes.text(text);
            }
            (Look::Point(lon, lat), _) => {
                tag(POINT);
                self.bytes.extend_from_slice(&lon.to_le_bytes());
                self.bytes.extend_from_slice(&lat.to_le_bytes());
            }
            _ => {
                tag(JSON);
                self.bytes.text(&serde_json::to_string(value).map_err(writing)?);
            }
        }
        Ok(())
    }
}

/// Names as they were spelled, and as they were where the reader was before: things of one kind spell the same ones, and
/// to compare a name with one is quicker than to look it up.
#[derive(Default)]
pub struct Spelled {
    names: Vec<Iri>,
    /// Place of the longest.
    longest: usize,
    before: Vec<Iri>,
}

/// Reads what one [`Writer`] wrote. Errors are those of a damaged store.
pub struct Reader<'a> {
    rest: &'a [u8],
    spelled: &'a mut Spelled,
    shared: &'a Names,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads bytes whose names are shared with all others.
    pub fn new(bytes: &'a [u8], spelled: &'a mut Spelled, shared: &'a Names) -> Self {
        std::mem::swap(&mut spelled.names, &mut spelled.before);
        spelled.names.clear();
        spelled.longest = 0;
        Self { rest: bytes, spelled, shared, depth: 0 }
    }

    /// Whether all is read.
    pub fn ended(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A whole number.
    pub fn unsigned(&mut self) -> Result<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(damaged())
    }

    /// A whole number of either sign.
    pub fn signed(&mut self) -> Result<i64> {
        let n = self.unsigned()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// So many things, each of at least a byte, follow.
    fn count(&mut self) -> Result<usize> {
        usize::try_from(self.unsigned()?).ok().filter(|n| *n <= self.rest.len()).ok_or_else(damaged)
    }

    /// A number with a fraction.
    pub fn float(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take(8)?.try_into().map_err(|_| damaged())?))
    }

    /// A text that is no name.
    pub fn text(&mut self) -> Result<&'a str> {
        let n = self.count()?;
        std::str::from_utf8(self.take(n)?).map_err(|_| damaged())
    }

    /// JSON of a text.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_str(self.text()?).map_err(|e| Error::internal("reading entities", e))
    }

    /// A name; `whole` says that names are spelled whole, as they were in the first format of the journal.
    pub fn name(&mut self, whole: bool) -> Result<Option<Iri>> {
        match self.unsigned()? {
            0 => Ok(None),
            1 => {
                let same = if whole { 0 } else { self.unsigned()? };
                let rest = self.text()?;
                let Spelled { names, longest, before } = &mut *self.spelled;
                let known = names.get(*longest).map_or("", |n| n);
                let start = usize::try_from(same).ok().and_then(|n| known.get(..n)).ok_or_else(damaged)?;
                let is = |known: &&Iri| known.strip_prefix(start) == Some(rest);
                let name = match before.get(names.len()).filter(is) {
                    Some(known) => known.clone(),
                    None if start.is_empty() => self.shared.get(rest),
                    None => self.shared.get(&[start, rest].concat()),
                };
                if name.len() > known.len() {
                    *longest = names.len();
                }
                names.push(name.clone());
                Ok(Some(name))
            }
            n => usize::try_from(n - 2).ok().and_then(|n| self.spelled.names.get(n)).cloned().map(Some).ok_or_else(damaged),
        }
    }

    fn given(&mut self) -> Result<Iri> {
        self.name(false)?.ok_or_else(damaged)
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let n = self.count()?;
        // What is damaged may claim any number.
        let mut all = Vec::with_capacity(n.min(1_000));
        for _ in 0..n {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn instant(&mut self, base: i64) -> Result<Option<i64>> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(self.signed()?.wrapping_add(base))),
            _ => Err(damaged()),
        }
    }

    /// An entity with its names shared.
    pub fn entity(&mut self, id: Iri, version: u64) -> Result<Entity> {
        let types = self.many(Self::given)?;
        let scope = self.many(|r| r.text().map(Box::from))?;
        let modified = self.signed()?;
        let created = self.signed()?.wrapping_add(modified);
        let (expires, area) = (self.instant(modified)?, self.name(false)?);
        let attrs = self.attrs(modified)?;
        Ok(Entity { id, version, types, scope, created, modified, expires, area, attrs })
    }

    fn attrs(&mut self, base: i64) -> Result<Attrs> {
        self.many(|r| {
            let (name, n) = (r.given()?, r.count()?);
            let instances = match n {
                1 => r.attr(base)?.into(),
                n => (0..n).map(|_| r.attr(base)).collect::<Result<Instances>>()?,
            };
            Ok((name, instances))
        })
    }

    /// One instance.
    pub fn attr(&mut self, base: i64) -> Result<Attr> {
        let head = self.byte()?;
        let kind = AttrKind::ALL[usize::from(head & 7)];
        let mut value: Val = match head >> 3 & 7 {
            NULL => Val::NULL,
            FALSE => false.into(),
            TRUE => true.into(),
            INT => self.signed()?.into(),
            FLOAT => self.float()?.into(),
            TEXT => self.text()?.into(),
            POINT => Val::from_point(self.float()?, self.float()?),
            _ => self.json()?,
        };
        value.share(|text| if kind == AttrKind::VocabProperty { self.shared.get(text) } else { self.shared.repeated(text) });
        let modified = self.signed()?.wrapping_add(base);
        let mut attr = Attr::new(kind, value, modified);
        attr.created = self.signed()?.wrapping_add(modified);
        if head & OBSERVED != 0 {
            attr.set_observed(Some(self.signed()?.wrapping_add(modified)));
        }
        attr.set_unit(self.name(false)?);
        if head & RARE != 0 {
            attr.set_dataset(self.name(false)?);
            attr.set_expires(self.instant(modified)?);
            let of = self.text()?;
            if !of.is_empty() {
                attr.set_of(Some(serde_json::from_str(of).map_err(|e| Error::internal("reading entities", e))?));
            }
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(damaged());
            }
            let subs = self.attrs(modified)?;
            self.depth -= 1;
            if !subs.is_empty() {
                *attr.subs_mut() = subs;
            }
        }
        Ok(attr)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            (-180.0..180.0, -90.0..90.0).prop_map(|(lon, lat)| json!({"type": "Point", "coordinates": [lon, lat]})),
            prop::collection::vec(any::<i32>().prop_map(Value::from), 0..3).prop_map(Value::from),
            "[a-z]{1,3}".prop_map(|k| json!({k: {"deep": [null, 0.5]}})),
        ]
    }

    /// Names that begin alike, differ within a letter, or are empty.
    fn name() -> impl Strategy<Value = Iri> {
        prop_oneof![
            "(https://uri.etsi.org/ngsi-ld/(default-context/)?)?[a-zêéèế]{0,3}".prop_map(Iri::from),
            Just("https://uri.etsi.org/ngsi-ld/location".into())
        ]
    }

    fn instant() -> impl Strategy<Value = i64> {
        prop_oneof![1_795_222_800_000_000..1_795_222_900_000_000i64, any::<i64>()]
    }

    fn attr(subs: BoxedStrategy<Attrs>) -> impl Strategy<Value = Attr> {
        let rare = (prop::option::of(name()), prop::option::of(value()), prop::option::of(instant()), subs);
        let times = (instant(), instant(), prop::option::of(instant()));
        (0usize..8, value(), times, prop::option::of(prop_oneof![Just("CEL".into()), name()]), prop::option::of(rare)).prop_map(
            |(kind, value, (created, modified, observed), unit, rare)| {
                let mut attr = Attr::new(AttrKind::ALL[kind], value, created);
                attr.modified = modified;
                attr.set_observed(observed);
                attr.set_unit(unit);
                if let Some((dataset, of, expires, subs)) = rare {
                    attr.set_dataset(dataset);
                    attr.set_of(of);
                    attr.set_expires(expires);
                    if !subs.is_empty() {
                        *attr.subs_mut() = subs;
                    }
                }
                attr
            },
        )
    }

    fn attrs(depth: u32) -> BoxedStrategy<Attrs> {
        let subs = if depth == 0 { Just(Attrs::new()).boxed() } else { attrs(depth - 1) };
        let instances = prop::collection::vec(attr(subs), 0..3).prop_map(Instances::from);
        prop::collection::hash_map(name(), instances, 0..4).prop_map(Attrs::from_iter).boxed()
    }

    fn entity() -> impl Strategy<Value = Entity> {
        let times = (instant(), instant(), prop::option::of(instant()));
        (prop::collection::vec(name(), 0..3), prop::collection::vec("/[a-zê]{0,3}", 0..3), times, prop::option::of(name()), attrs(2)).prop_map(
            |(types, scope, (created, modified, expires), area, attrs)| {
                let scope = scope.into_iter().map(Box::from).collect();
                Entity { id: "urn:e:1".into(), version: 7, types, scope, created, modified, expires, area, attrs }
            },
        )
    }

    fn read(bytes: &[u8], spelled: &mut Spelled, names: &Names) -> Result<Entity> {
        let mut reader = Reader::new(bytes, spelled, names);
        let entity = reader.entity("urn:e:1".into(), 7)?;
        if reader.ended() { Ok(entity) } else { Err(damaged()) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_is_written_is_read(entities in prop::collection::vec(entity(), 1..4)) {
            let (names, mut spelled) = (Names::default(), Spelled::default());
            let mut together = Writer::default();
            for entity in &entities {
                let mut alone = Writer::default();
                alone.entity(entity).unwrap();
                prop_assert_eq!(&read(&alone.bytes, &mut spelled, &names).unwrap(), entity);
                together.entity(entity).unwrap();
            }
            let mut reader = Reader::new(&together.bytes, &mut spelled, &names);
            for entity in &entities {
                prop_assert_eq!(&reader.entity(entity.id.clone(), 7).unwrap(), entity);
            }
            prop_assert!(reader.ended());
        }

        #[test]
        fn what_is_damaged_is_refused_or_read(entity in entity(), at in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
            let mut out = Writer::default();
            out.entity(&entity).unwrap();
            let (names, mut spelled) = (Names::default(), Spelled::default());
            prop_assert!(read(&out.bytes[..end.index(out.bytes.len())], &mut spelled, &names).is_err(), "cut short");
            let at = at.index(out.bytes.len());
            out.bytes[at] = byte;
            if let Ok(read) = read(&out.bytes, &mut spelled, &names) {
                prop_assert!(Writer::default().entity(&read).is_ok(), "what was read can be written");
            }
        }
    }

    #[test]
    fn things_of_a_kind_take_few_bytes_and_share_their_names() {
        let names = Names::default();
        let mut spelled = Spelled::default();
        let of = |n: i64| {
            let name = |n: &str| names.get(&format!("https://uri.etsi.org/ngsi-ld/default-context/{n}"));
            let mut entity = Entity::new("urn:e:1".into(), vec![name("AirQualityObserved")], n);
            for (attr, value) in [("pm25", 12.5), ("pm10", 30.25), ("no2", 1.5)] {
                let mut attr_ = Attr::new(AttrKind::Property, value, n);
                attr_.set_observed(Some(n - 1_000_000));
                attr_.set_unit(Some("GQ".into()));
                entity.attrs.push((name(attr), attr_.into()));
            }
            entity.version = 7;
            entity
        };
        let mut before: Option<Entity> = None;
        for n in 0..3 {
            let entity = of(1_795_222_800_000_000 + n);
            let mut out = Writer::default();
            out.entity(&entity).unwrap();
            assert!(out.bytes.len() < 160, "{}", out.bytes.len());
            let read = read(&out.bytes, &mut spelled, &names).unwrap();
            assert_eq!(read, entity);
            if let Some(before) = before.replace(read.clone()) {
                assert!(before.attrs.iter().zip(&read.attrs).all(|(a, b)| std::sync::Arc::ptr_eq(&a.0, &b.0)));
            }
        }
    }

    #[test]
    fn the_form_has_not_moved() {
        let mut entity: Entity = serde_json::from_str(include_str!("../tests/golden/entity-v1.json")).unwrap();
        (entity.id, entity.version) = ("urn:e:1".into(), 7);
        let mut out = Writer::after(vec![FORMAT]);
        out.entity(&entity).unwrap();
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/entity-v2.hex");
        let text: String = out.bytes.iter().map(|b| format!("{b:02x}")).collect();
        if std::env::var_os("DOTHI_WRITE_GOLDEN").is_some() {
            std::fs::write(golden, text.clone() + "\n").unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(golden).unwrap().trim());
        assert_eq!(read(&out.bytes[1..], &mut Spelled::default(), &Names::default()).unwrap(), entity);
    }
}
