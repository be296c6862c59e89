//! A payload to be read by paths. Devices' messages are read into a tree that borrows from the bytes and looks members up
//! one by one: a message has few, and hashing their names costs more than comparing them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::Fault;

/// What a profile's paths walk through.
pub trait Tree: Sized {
    /// A member of an object; the last of that name.
    fn member(&self, name: &str) -> Option<&Self>;
    /// Items of a list.
    fn items(&self) -> Option<&[Self]>;
    /// Whether it is an object.
    fn is_object(&self) -> bool;
    /// Whether it is null.
    fn is_null(&self) -> bool;
    /// Number.
    fn as_f64(&self) -> Option<f64>;
    /// Whole number.
    fn as_i64(&self) -> Option<i64>;
    /// Truth value.
    fn as_bool(&self) -> Option<bool>;
    /// Text.
    fn as_str(&self) -> Option<&str>;
}

impl Tree for Json {
    fn member(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }
    fn items(&self) -> Option<&[Self]> {
        self.as_array().map(Vec::as_slice)
    }
    fn is_object(&self) -> bool {
        Json::is_object(self)
    }
    fn is_null(&self) -> bool {
        Json::is_null(self)
    }
    fn as_f64(&self) -> Option<f64> {
        Json::as_f64(self)
    }
    fn as_i64(&self) -> Option<i64> {
        Json::as_i64(self)
    }
    fn as_bool(&self) -> Option<bool> {
        Json::as_bool(self)
    }
    fn as_str(&self) -> Option<&str> {
        Json::as_str(self)
    }
}

/// JSON that borrows from its bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// Null.
    Null,
    /// Truth value.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// List.
    List(Vec<Node<'a>>),
    /// Object, members in order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Reads a payload's bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Fault> {
        serde_json::from_slice(payload).map_err(|_| Fault::Json)
    }
}

impl Tree for Node<'_> {
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Node::Object(members) => members.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }
    fn items(&self) -> Option<&[Self]> {
        match self {
            Node::List(items) => Some(items),
            _ => None,
        }
    }
    fn is_object(&self) -> bool {
        matches!(self, Node::Object(_))
    }
    fn is_null(&self) -> bool {
        *self == Node::Null
    }
    fn as_f64(&self) -> Option<f64> {
        match self {
            Node::Int(n) => Some(*n as f64),
            Node::Float(n) => Some(*n),
            _ => None,
        }
    }
    fn as_i64(&self) -> Option<i64> {
        match self {
            Node::Int(n) => Some(*n),
            _ => None,
        }
    }
    fn as_bool(&self) -> Option<bool> {
        match self {
            Node::Bool(b) => Some(*b),
            _ => None,
        }
    }
    fn as_str(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// A member's name, borrowed when it needs no unescaping.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Reader)? {
            Node::Text(text) => Ok(Name(text)),
            _ => Err(serde::de::Error::custom("a name must be a text")),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(value))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_string())))
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(node: &Node<'_>, json: &Json) -> bool {
        match (node, json) {
            (Node::List(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Node::Object(_), Json::Object(b)) => b.iter().all(|(name, value)| node.member(name).is_some_and(|n| same(n, value))),
            _ => {
                let texts = Tree::as_str(node) == Tree::as_str(json) && Tree::is_null(node) == Tree::is_null(json) && !Tree::is_object(json);
                texts && (Tree::as_f64(node), Tree::as_i64(node), Tree::as_bool(node)) == (Tree::as_f64(json), Tree::as_i64(json), Tree::as_bool(json))
            }
        }
    }

    #[test]
    fn both_trees_read_the_same() {
        let texts = [
            r#"{"a":1,"b":-2.5,"c":"x\u00e9\n","d":[null,true,{"e":18446744073709551615}],"":0.1e-3,"a":2}"#,
            "[]",
            "{}",
            "9223372036854775807",
            "-9223372036854775809",
            r#""plain""#,
        ];
        for text in texts {
            let json: Json = serde_json::from_str(text).expect("JSON");
            assert!(same(&Node::parse(text.as_bytes()).expect("JSON"), &json), "{text}");
        }
        let deep = "[".repeat(100_000);
        for bad in ["", "{", "{\"a\":1}x", "nul", "\"\u{1}\"", &deep] {
            assert_eq!(Node::parse(bad.as_bytes()), Err(Fault::Json), "{bad:.20}");
            assert!(serde_json::from_str::<Json>(bad).is_err());
        }
        assert_eq!(Node::parse(b"\"\xff\""), Err(Fault::Json));
    }
}
