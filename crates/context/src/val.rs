//! Values as they are held in memory: a million entities have many millions of them, so scalars and points live in 24
//! bytes, most without an allocation; only compound values are JSON trees. Every value has exactly one form, so comparing
//! forms is comparing JSON.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of text that need no allocation.
const SHORT: usize = 22;

/// A JSON value, compactly. Reads like `serde_json::Value`; [`Val::to_json`] makes one.
#[derive(Clone, PartialEq)]
pub struct Val(Repr);

#[derive(Clone, PartialEq)]
enum Repr {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Up to [`SHORT`] bytes; the rest are zeros.
    Short(u8, [u8; SHORT]),
    Text(Arc<str>),
    /// `{"type": "Point", "coordinates": [longitude, latitude]}`, both written with a fraction.
    Point(f64, f64),
    /// Lists, objects that are no such point, and whole numbers above `i64`.
    Json(Box<Value>),
}

/// What a value is, to look at it by `match`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look<'a> {
    /// Null.
    Null,
    /// Truth value.
    Bool(bool),
    /// Number.
    Number(f64),
    /// Text.
    Text(&'a str),
    /// GeoJSON point: longitude, latitude.
    Point(f64, f64),
    /// List.
    List(&'a [Value]),
    /// Object that is not held as a point.
    Object(&'a Map<String, Value>),
}

impl Val {
    /// JSON null.
    pub const NULL: Val = Val(Repr::Null);

    /// What it is.
    pub fn look(&self) -> Look<'_> {
        match &self.0 {
            Repr::Null => Look::Null,
            Repr::Bool(b) => Look::Bool(*b),
            Repr::Int(n) => Look::Number(*n as f64),
            Repr::Float(n) => Look::Number(*n),
            Repr::Short(n, bytes) => Look::Text(short(*n, bytes)),
            Repr::Text(text) => Look::Text(text),
            Repr::Point(lon, lat) => Look::Point(*lon, *lat),
            Repr::Json(value) => look(value),
        }
    }

    /// A GeoJSON point.
    pub fn from_point(lon: f64, lat: f64) -> Self {
        if lon.is_finite() && lat.is_finite() { Val(Repr::Point(lon, lat)) } else { Val::NULL }
    }

    /// As a tree.
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Repr::Null => Value::Null,
            Repr::Bool(b) => (*b).into(),
            Repr::Int(n) => (*n).into(),
            Repr::Float(n) => (*n).into(),
            Repr::Short(n, bytes) => short(*n, bytes).into(),
            Repr::Text(text) => (&**text).into(),
            Repr::Point(lon, lat) => point(*lon, *lat).into(),
            Repr::Json(value) => (**value).clone(),
        }
    }

    /// As a tree, borrowed when it is held as one.
    pub fn json(&self) -> Cow<'_, Value> {
        match &self.0 {
            Repr::Json(value) => Cow::Borrowed(value),
            _ => Cow::Owned(self.to_json()),
        }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        match self.look() {
            Look::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Number.
    pub fn as_f64(&self) -> Option<f64> {
        match self.look() {
            Look::Number(n) => Some(n),
            _ => None,
        }
    }

    /// Whole number.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// Whole number, not below 0.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.0 {
            Repr::Int(n) => u64::try_from(*n).ok(),
            Repr::Json(value) => value.as_u64(),
            _ => None,
        }
    }

    /// Truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.0 {
            Repr::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// Members of a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self.look() {
            Look::List(many) => Some(many),
            _ => None,
        }
    }

    /// Members of an object.
    pub fn as_object(&self) -> Option<Cow<'_, Map<String, Value>>> {
        match &self.0 {
            Repr::Point(lon, lat) => Some(Cow::Owned(point(*lon, *lat))),
            Repr::Json(value) => value.as_object().map(Cow::Borrowed),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<Cow<'_, Value>> {
        match self.as_object()? {
            Cow::Borrowed(map) => map.get(key).map(Cow::Borrowed),
            Cow::Owned(mut map) => map.shift_remove(key).map(Cow::Owned),
        }
    }

    /// Longitude and latitude of a GeoJSON point, without parsing it as a geometry.
    pub fn point(&self) -> Option<(f64, f64)> {
        match &self.0 {
            Repr::Point(lon, lat) => Some((*lon, *lat)),
            Repr::Json(value) => crate::model::point_of(value),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.0 == Repr::Null
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self.look(), Look::Text(_))
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self.look(), Look::Number(_))
    }

    /// Whether it is a truth value.
    pub fn is_boolean(&self) -> bool {
        matches!(self.0, Repr::Bool(_))
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self.look(), Look::List(_))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.look(), Look::Object(_) | Look::Point(..))
    }

    /// Shares the text with all others, when it is long enough to pay.
    pub(crate) fn share(&mut self, shared: impl FnOnce(&Arc<str>) -> Arc<str>) {
        if let Repr::Text(text) = &mut self.0 {
            *text = shared(text);
        }
    }
}

fn look(value: &Value) -> Look<'_> {
    match value {
        Value::Null => Look::Null,
        Value::Bool(b) => Look::Bool(*b),
        Value::Number(n) => n.as_f64().map_or(Look::Null, Look::Number),
        Value::String(text) => Look::Text(text),
        Value::Array(many) => Look::List(many),
        Value::Object(map) => Look::Object(map),
    }
}

impl<'a> From<&'a Value> for Look<'a> {
    fn from(value: &'a Value) -> Self {
        look(value)
    }
}

fn short(n: u8, bytes: &[u8; SHORT]) -> &str {
    // What went in was a `str` of `n` bytes.
    bytes.get(..usize::from(n)).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
}

fn point(lon: f64, lat: f64) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".into(), "Point".into());
    map.insert("coordinates".into(), Value::Array(vec![lon.into(), lat.into()]));
    map
}

/// Coordinates of an object that can be held as a point without loss.
fn plain_point(map: &Map<String, Value>) -> Option<(f64, f64)> {
    if map.len() != 2 || map.get("type")?.as_str()? != "Point" {
        return None;
    }
    match map.get("coordinates")?.as_array()?.as_slice() {
        [lon, lat] if lon.is_f64() && lat.is_f64() => Some((lon.as_f64()?, lat.as_f64()?)),
        _ => None,
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(n)) => {
                room.copy_from_slice(text.as_bytes());
                Val(Repr::Short(n, bytes))
            }
            _ => Val(Repr::Text(text.into())),
        }
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        Val(Repr::Bool(value))
    }
}

impl From<i64> for Val {
    fn from(value: i64) -> Self {
        Val(Repr::Int(value))
    }
}

impl From<f64> for Val {
    /// JSON has no numbers that are not finite.
    fn from(value: f64) -> Self {
        Val(if value.is_finite() { Repr::Float(value) } else { Repr::Null })
    }
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Val::NULL,
            Value::Bool(b) => b.into(),
            Value::Number(n) => match (n.as_i64(), n.is_u64(), n.as_f64()) {
                (Some(n), ..) => n.into(),
                (None, false, Some(n)) => n.into(),
                _ => Val(Repr::Json(Box::new(Value::Number(n)))),
            },
            Value::String(text) => text.as_str().into(),
            Value::Object(map) => match plain_point(&map) {
                Some((lon, lat)) => Val(Repr::Point(lon, lat)),
                None => Val(Repr::Json(Box::new(Value::Object(map)))),
            },
            list => Val(Repr::Json(Box::new(list))),
        }
    }
}

impl From<&Value> for Val {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => text.as_str().into(),
            other => other.clone().into(),
        }
    }
}

impl From<&Val> for Value {
    fn from(value: &Val) -> Self {
        value.to_json()
    }
}

impl From<Val> for Value {
    fn from(value: Val) -> Self {
        match value.0 {
            Repr::Json(value) => *value,
            _ => value.to_json(),
        }
    }
}

impl PartialEq<Value> for Val {
    fn eq(&self, other: &Value) -> bool {
        *self.json() == *other
    }
}

impl fmt::Debug for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json())
    }
}

impl Serialize for Val {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Null => to.serialize_unit(),
            Repr::Bool(b) => to.serialize_bool(*b),
            Repr::Int(n) => to.serialize_i64(*n),
            Repr::Float(n) => to.serialize_f64(*n),
            Repr::Short(n, bytes) => to.serialize_str(short(*n, bytes)),
            Repr::Text(text) => to.serialize_str(text),
            Repr::Point(lon, lat) => {
                let mut map = to.serialize_map(Some(2))?;
                map.serialize_entry("type", "Point")?;
                map.serialize_entry("coordinates", &[lon, lat])?;
                map.end()
            }
            Repr::Json(value) => value.serialize(to),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Val, E> {
        Ok(Val::NULL)
    }

    fn visit_none<E: de::Error>(self) -> Result<Val, E> {
        Ok(Val::NULL)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Val, D::Error> {
        Val::deserialize(from)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Val, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Val, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Val, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::from(value).into(), Val::from))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Val, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Val, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, from: A) -> Result<Val, A::Error> {
        Value::deserialize(de::value::SeqAccessDeserializer::new(from)).map(Val::from)
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Val, A::Error> {
        Value::deserialize(de::value::MapAccessDeserializer::new(from)).map(Val::from)
    }
}

impl<'de> Deserialize<'de> for Val {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_and_exact() {
        assert!(size_of::<Val>() <= 24, "{}", size_of::<Val>());
        let long = "Đường Trần Hưng Đạo, phường Hồng Gai";
        let rows = [
            json!(null),
            json!(true),
            json!(0),
            json!(-7),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1.0),
            json!(0.1),
            json!(-0.0),
            json!(1e300),
            json!(""),
            json!("ê"),
            json!("1234567890123456789012"),
            json!("12345678901234567890123"),
            json!(long),
            json!([1, "a", {"b": null}]),
            json!({}),
            json!({"type": "Point", "coordinates": [106.5, 20.25]}),
            json!({"type": "Point", "coordinates": [106, 20.25]}),
            json!({"type": "Point", "coordinates": [106.5, 20.25, 3.0]}),
            json!({"type": "Point", "coordinates": [106.5, 20.25], "bbox": []}),
            json!({"type": "Polygon", "coordinates": [[[1.0, 2.0]]]}),
        ];
        for (i, row) in rows.iter().enumerate() {
            let val = Val::from(row.clone());
            assert_eq!(val.to_json(), *row);
            assert_eq!(Val::from(row), val);
            assert_eq!(serde_json::to_string(&val).unwrap(), row.to_string());
            assert_eq!(serde_json::from_str::<Val>(&row.to_string()).unwrap(), val, "{row}");
            assert_eq!(serde_json::from_value::<Val>(row.clone()).unwrap(), val);
            assert_eq!((val.as_f64(), val.as_u64(), val.as_str(), val.is_object(), val.is_array()), {
                (row.as_f64(), row.as_u64(), row.as_str(), row.is_object(), row.is_array())
            });
            assert_eq!(val.get("type").as_deref(), row.get("type"));
            for (j, other) in rows.iter().enumerate() {
                assert_eq!(val == *other, row == other, "{i} {j}");
            }
        }
        assert_eq!(Val::from(&rows[17]).point(), Some((106.5, 20.25)));
        assert_eq!(Val::from(&rows[18]).point(), Some((106.0, 20.25)));
    }
}
