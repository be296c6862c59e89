//! The small parts of attributes: nearly all have one instance, and unit codes are few.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, RwLock};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Attr, Iri};

/// The instances of an attribute: a list whose only member needs no allocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Instances(Held);

#[derive(Debug, Clone, PartialEq)]
enum Held {
    One(Attr),
    Many(Vec<Attr>),
}

impl Instances {
    /// Adds one.
    pub fn push(&mut self, attr: Attr) {
        let mut all: Vec<Attr> = std::mem::take(self).into();
        all.push(attr);
        *self = all.into();
    }

    /// Keeps those that pass.
    pub fn retain(&mut self, mut pass: impl FnMut(&Attr) -> bool) {
        match &mut self.0 {
            Held::One(attr) if pass(attr) => {}
            Held::One(_) => *self = Self::default(),
            Held::Many(_) => {
                let mut all: Vec<Attr> = std::mem::take(self).into();
                all.retain(pass);
                *self = all.into();
            }
        }
    }

    /// Gives back room that is not needed.
    pub fn shrink_to_fit(&mut self) {
        if let Held::Many(all) = &mut self.0 {
            all.shrink_to_fit();
        }
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self(Held::Many(Vec::new()))
    }
}

impl Deref for Instances {
    type Target = [Attr];

    fn deref(&self) -> &[Attr] {
        match &self.0 {
            Held::One(attr) => std::slice::from_ref(attr),
            Held::Many(all) => all,
        }
    }
}

impl DerefMut for Instances {
    fn deref_mut(&mut self) -> &mut [Attr] {
        match &mut self.0 {
            Held::One(attr) => std::slice::from_mut(attr),
            Held::Many(all) => all,
        }
    }
}

impl From<Attr> for Instances {
    fn from(attr: Attr) -> Self {
        Self(Held::One(attr))
    }
}

impl From<Vec<Attr>> for Instances {
    fn from(mut all: Vec<Attr>) -> Self {
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Self(Held::One(only)),
            (Some(last), false) => {
                all.push(last);
                Self(Held::Many(all))
            }
            (None, _) => Self(Held::Many(all)),
        }
    }
}

impl From<Instances> for Vec<Attr> {
    fn from(instances: Instances) -> Self {
        match instances.0 {
            Held::One(attr) => vec![attr],
            Held::Many(all) => all,
        }
    }
}

impl FromIterator<Attr> for Instances {
    fn from_iter<I: IntoIterator<Item = Attr>>(attrs: I) -> Self {
        attrs.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a Instances {
    type Item = &'a Attr;
    type IntoIter = std::slice::Iter<'a, Attr>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Instances {
    type Item = &'a mut Attr;
    type IntoIter = std::slice::IterMut<'a, Attr>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl Serialize for Instances {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Instances {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Instances;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of instances")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Instances, A::Error> {
                let Some(first) = from.next_element()? else { return Ok(Instances::default()) };
                let Some(second) = from.next_element()? else { return Ok(Instances(Held::One(first))) };
                let mut all = vec![first, second];
                while let Some(next) = from.next_element()? {
                    all.push(next);
                }
                Ok(Instances(Held::Many(all)))
            }
        }
        from.deserialize_seq(List)
    }
}

/// A unit code as a number: the codes of UN/CEFACT are some two thousand, and any text may be sent as one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Unit(Option<NonZeroU16>);

#[derive(Default)]
struct Codes {
    list: Vec<Iri>,
    numbers: HashMap<Iri, Unit>,
}

/// Unit codes seen so far. Of the process, because every attribute of every tenant points into it.
static CODES: RwLock<Option<Codes>> = RwLock::new(None);
/// Codes kept.
const MOST: usize = 20_000;

impl Unit {
    /// The unit of a code; none when the code is too long for the table, or the table is full.
    pub fn of(code: &str) -> Option<Self> {
        if code.len() > 30 {
            return None;
        }
        if let Some(known) = CODES.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|c| c.numbers.get(code)) {
            return Some(*known);
        }
        let mut codes = CODES.write().unwrap_or_else(PoisonError::into_inner);
        let codes = codes.get_or_insert_default();
        if let Some(known) = codes.numbers.get(code) {
            return Some(*known);
        }
        if codes.list.len() >= MOST {
            return None;
        }
        let code: Iri = Arc::from(code);
        codes.list.push(code.clone());
        let unit = Unit(u16::try_from(codes.list.len()).ok().and_then(NonZeroU16::new));
        codes.numbers.insert(code, unit);
        Some(unit)
    }

    /// Its code.
    pub fn code(self) -> Option<Iri> {
        let at = usize::from(self.0?.get()) - 1;
        CODES.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.list.get(at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AttrKind;

    #[test]
    fn attributes_are_small() {
        assert!(size_of::<Attr>() <= 64, "{}", size_of::<Attr>());
        assert_eq!(size_of::<Instances>(), size_of::<Attr>());
    }

    #[test]
    fn one_or_many() {
        let attr = |n: i64| Attr::new(AttrKind::Property, n, n);
        let mut some = Instances::default();
        for n in 0..3 {
            some.push(attr(n));
            assert_eq!(some.len() as i64, n + 1);
        }
        some.retain(|a| a.created != 1);
        assert_eq!(some, vec![attr(0), attr(2)].into());
        some.retain(|a| a.created != 0);
        assert_eq!(some, Instances::from(attr(2)));
        some.retain(|_| false);
        assert!(some.is_empty());
        for text in ["[]", r#"[{"k":"p","v":1,"u":"CEL","c":1,"m":2}]"#, r#"[{"k":"p","v":1,"c":1,"m":2},{"k":"p","v":2,"d":"a:b","c":1,"m":2}]"#] {
            assert_eq!(serde_json::to_string(&serde_json::from_str::<Instances>(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn units_come_back() {
        for code in ["GQ", "GQ", ""] {
            assert_eq!(Unit::of(code).and_then(Unit::code).as_deref(), Some(code));
        }
        assert_eq!(Unit::of("P1"), Unit::of("P1"));
        assert_eq!(Unit::default().code(), None);
        let mut attr = Attr::new(AttrKind::Property, 1, 1);
        for code in ["CEL".to_string(), "x".repeat(31), "P1".to_string()] {
            attr.set_unit(Some(code.as_str().into()));
            assert_eq!(attr.unit().as_deref(), Some(&*code));
            assert_eq!(serde_json::from_str::<Attr>(&serde_json::to_string(&attr).unwrap()).unwrap(), attr);
        }
        attr.set_unit(None);
        assert_eq!(attr.unit(), None);
    }
}
