//! The order of answers (CIM 009, 4.23): `orderBy` with directions and distances, in the collation of a language.

use std::cmp::Ordering;
use std::sync::Arc;

use dothi_kernel::Result;
use geo::{Centroid, Distance, Haversine};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::fault::{bad, cut};
use crate::ld::Ld;
use crate::model::{Attr, AttrKind, Entity, Iri, find};

/// Members one order may name.
const MAX_KEYS: usize = 10;

/// An order.
#[derive(Debug)]
pub struct OrderBy {
    keys: Vec<Key>,
    from: Option<geo::Point>,
    collation: Collation,
}

#[derive(Debug)]
struct Key {
    path: Vec<(String, Iri)>,
    compound: Vec<String>,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Up,
    Down,
    Near,
    Far,
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collation {
    /// By code point.
    #[default]
    None,
    /// By base letters, then marks, then case; right for most languages in Latin letters.
    Root,
    /// German telephone books: ä as ae.
    Phonebook,
    /// Vietnamese: ă, â, đ, ê, ô, ơ, ư are letters of their own; tones come last.
    Vietnamese,
}

impl Collation {
    /// Reads a language tag. 400 when it is none or names an order that is not kept here.
    pub fn parse(tag: &str) -> Result<Self> {
        let wrong = || bad(format!("The collation {:?} is not known here.", cut(tag)));
        let parts: Vec<&str> = tag.split('-').collect();
        let well_formed = |p: &&str| (1..=8).contains(&p.len()) && p.chars().all(|c| c.is_ascii_alphanumeric());
        if !parts.iter().all(well_formed) {
            return Err(wrong());
        }
        let language = parts[0].to_ascii_lowercase();
        let kind = parts.iter().position(|p| p.eq_ignore_ascii_case("co")).map(|at| parts.get(at + 1).copied().unwrap_or_default());
        match (language.as_str(), kind) {
            ("de", Some("phonebk")) => Ok(Self::Phonebook),
            ("vi", None | Some("standard")) => Ok(Self::Vietnamese),
            ("und" | "en" | "de" | "fr" | "it" | "nl" | "pt" | "id" | "ms", None | Some("standard")) => Ok(Self::Root),
            _ => Err(wrong()),
        }
    }

    fn key(self, text: &str) -> SortKey {
        if self == Self::None {
            return (text.to_string(), String::new(), String::new());
        }
        // Base letters first, then what distinguishes them, then the text itself.
        let (mut base, mut marks) = (String::new(), String::new());
        for c in text.nfc().flat_map(char::to_lowercase) {
            match (self, c) {
                (Self::Phonebook, 'ä') => base.push_str("ae"),
                (Self::Phonebook, 'ö') => base.push_str("oe"),
                (Self::Phonebook, 'ü') => base.push_str("ue"),
                (_, 'ß') => base.push_str("ss"),
                (Self::Vietnamese, 'đ') => base.push_str("d\u{10ffff}"),
                (_, 'đ') => base.push('d'),
                (_, 'ø') => base.push('o'),
                (_, 'ł') => base.push('l'),
                (_, c) => {
                    for part in std::iter::once(c).nfd() {
                        match part {
                            // Breve, circumflex and horn make letters in Vietnamese.
                            '\u{306}' | '\u{302}' | '\u{31b}' if self == Self::Vietnamese => {
                                base.push(if part == '\u{306}' { '\u{10fffd}' } else { '\u{10fffe}' });
                            }
                            '\u{300}'..='\u{36f}' => marks.push(part),
                            part => {
                                base.push(part);
                                marks.push('\0');
                            }
                        }
                    }
                }
            }
        }
        // Lower case before upper case.
        let case = text.chars().map(|c| if c.is_uppercase() { '1' } else { '0' }).collect();
        (base, marks, case)
    }
}

/// What texts are compared by, made once for each.
type SortKey = (String, String, String);

/// What an entity is ordered by. Kinds follow each other as 4.23.2 wants.
#[derive(Debug)]
enum Rank {
    Number(f64),
    Text(SortKey),
    Object,
    Array,
    Bool(bool),
    Absent,
}

impl Rank {
    fn place(&self) -> u8 {
        match self {
            Rank::Number(_) => 0,
            Rank::Text(_) => 1,
            Rank::Object => 2,
            Rank::Array => 3,
            Rank::Bool(_) => 4,
            Rank::Absent => 5,
        }
    }

    fn of(value: &Value, collation: Collation) -> Self {
        if let Some(n) = value.as_f64() {
            Rank::Number(n)
        } else if let Some(t) = value.as_str() {
            Rank::Text(collation.key(t))
        } else if let Some(b) = value.as_bool() {
            Rank::Bool(b)
        } else if value.is_array() {
            Rank::Array
        } else if value.is_object() {
            Rank::Object
        } else {
            Rank::Absent
        }
    }

    fn compare(&self, other: &Rank) -> Ordering {
        match (self, other) {
            (Rank::Number(a), Rank::Number(b)) => a.total_cmp(b),
            (Rank::Text(a), Rank::Text(b)) => a.cmp(b),
            (Rank::Bool(a), Rank::Bool(b)) => a.cmp(b),
            (a, b) => a.place().cmp(&b.place()),
        }
    }
}

impl OrderBy {
    /// Reads an order: `name;desc,other.sub,address[city],location;dist-asc`. Distances need a point to measure from.
    pub fn parse(keys: &[&str], from: Option<&Value>, geometry: Option<&str>, collation: Option<&str>, ld: &Ld) -> Result<Self> {
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(bad(format!("orderBy names between 1 and {MAX_KEYS} members.")));
        }
        let collation = collation.map(Collation::parse).transpose()?.unwrap_or_default();
        let from = from.map(|coordinates| reference(coordinates, geometry)).transpose()?;
        let keys = keys.iter().map(|k| Key::parse(k, ld)).collect::<Result<Vec<_>>>()?;
        if from.is_none() && keys.iter().any(|k| matches!(k.how, How::Near | How::Far)) {
            return Err(bad("An order by distance needs orderFrom."));
        }
        Ok(Self { keys, from, collation })
    }

    /// Sorts entities; those that are alike stay in the order of their ids.
    pub fn sort(&self, entities: &mut Vec<Arc<Entity>>, now: i64) {
        let mut keyed: Vec<(Vec<Rank>, Arc<Entity>)> = entities.drain(..).map(|e| (self.keys.iter().map(|k| k.rank(&e, self, now)).collect(), e)).collect();
        keyed.sort_by(|(a, x), (b, y)| {
            let by_keys = self.keys.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| match (a, b) {
                // What is not there comes last, whichever the direction.
                (Rank::Absent, _) | (_, Rank::Absent) => a.compare(b),
                _ if matches!(key.how, How::Down | How::Far) => b.compare(a),
                _ => a.compare(b),
            });
            by_keys.fold(Ordering::Equal, Ordering::then).then_with(|| x.id.cmp(&y.id))
        });
        entities.extend(keyed.into_iter().map(|(_, e)| e));
    }
}

fn reference(coordinates: &Value, geometry: Option<&str>) -> Result<geo::Point> {
    let wrong = || bad("orderFrom must be the coordinates of a geometry.");
    if !coordinates.is_array() {
        return Err(wrong());
    }
    let value = crate::parse::geojson("orderFrom", &json!({"type": geometry.unwrap_or("Point"), "coordinates": coordinates}))?;
    dothi_kernel::geo::Geometry::from_geojson(&value).ok().and_then(|g| g.0.centroid()).ok_or_else(wrong)
}

impl Key {
    fn parse(text: &str, ld: &Ld) -> Result<Self> {
        let wrong = || bad(format!("orderBy {:?} is not well formed.", cut(text)));
        let (path, how) = text.split_once(';').map_or((text, None), |(p, h)| (p, Some(h)));
        let how = match how {
            None | Some("asc") => How::Up,
            Some("desc") => How::Down,
            Some("dist-asc") => How::Near,
            Some("dist-desc") => How::Far,
            Some(_) => return Err(wrong()),
        };
        let (path, compound) = match path.split_once('[') {
            Some((path, inner)) => (path, inner.strip_suffix(']').ok_or_else(wrong)?.split('.').map(str::to_string).collect()),
            None => (path, Vec::new()),
        };
        let words: Vec<&str> = path.split('.').collect();
        if words.len() > 10 || words.iter().any(|w| w.is_empty()) || compound.iter().any(String::is_empty) {
            return Err(wrong());
        }
        let path = words.iter().map(|w| Ok(((*w).to_string(), ld.expand(w)?))).collect::<Result<Vec<_>>>()?;
        Ok(Self { path, compound, how })
    }

    fn rank(&self, entity: &Entity, order: &OrderBy, now: i64) -> Rank {
        let text = |t: &str| Rank::Text(order.collation.key(t));
        let Some(((word, name), rest)) = self.path.split_first() else { return Rank::Absent };
        let instant = |t: i64| Rank::Number(t as f64);
        if rest.is_empty() {
            match word.as_str() {
                "id" => return text(&entity.id),
                "type" => return entity.types.iter().min().map_or(Rank::Absent, |t| text(t)),
                "scope" => return entity.scope.first().map_or(Rank::Absent, |s| text(s)),
                "createdAt" => return instant(entity.created),
                "modifiedAt" => return instant(entity.modified),
                "expiresAt" => return entity.expires.map_or(Rank::Absent, instant),
                _ => {}
            }
        }
        let pick = |instances: &'_ [Attr]| -> Option<Attr> {
            let alive = || instances.iter().filter(|a| a.alive(now));
            alive().find(|a| a.dataset().is_none()).or_else(|| alive().next()).cloned()
        };
        let Some(mut attr) = find(&entity.attrs, name).and_then(pick) else { return Rank::Absent };
        for (word, name) in rest {
            match word.as_str() {
                "createdAt" => return instant(attr.created),
                "modifiedAt" => return instant(attr.modified),
                "observedAt" => return attr.observed().map_or(Rank::Absent, instant),
                "expiresAt" => return attr.expires().map_or(Rank::Absent, instant),
                "unitCode" => return attr.unit().map_or(Rank::Absent, |u| text(&u)),
                _ => {}
            }
            match find(attr.subs(), name).and_then(pick) {
                Some(sub) => attr = sub,
                None => return Rank::Absent,
            }
        }
        if let (How::Near | How::Far, Some(from)) = (self.how, order.from) {
            let there = (attr.kind == AttrKind::GeoProperty).then(|| dothi_kernel::geo::Geometry::from_geojson(&attr.value.json()).ok()).flatten();
            return there.and_then(|g| g.0.centroid()).map_or(Rank::Absent, |p| Rank::Number(Haversine.distance(from, p)));
        }
        let whole = attr.value.json();
        let mut value: &Value = &whole;
        for key in &self.compound {
            match value.get(key.as_str()) {
                Some(inner) => value = inner,
                None => return Rank::Absent,
            }
        }
        Rank::of(value, order.collation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_order() {
        let sorted = |tag: &str, mut words: Vec<&'static str>| {
            let collation = Collation::parse(tag).unwrap();
            words.sort_by_key(|w| collation.key(w));
            words
        };
        assert_eq!(sorted("und", vec!["b", "á", "A", "a"]), ["a", "A", "á", "b"]);
        assert_eq!(sorted("de-u-co-phonebk", vec!["Zebra", "Ähre", "Affe", "Adler"]), ["Adler", "Ähre", "Affe", "Zebra"]);
        assert_eq!(sorted("vi", vec!["đa", "dư", "du", "âm", "ăn", "an", "dzô"]), ["an", "ăn", "âm", "du", "dư", "dzô", "đa"]);
        for unknown in ["", "!!nope", "not a tag", "sv", "de-u-co-nosuch"] {
            assert!(Collation::parse(unknown).is_err(), "{unknown}");
        }
    }
}
