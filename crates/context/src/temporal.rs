//! What was: the temporal evolution of entities (CIM 009, 4.5.6–4.5.9, 5.6.11–5.6.16, 5.7.3, 5.7.4).
//!
//! There is one history. Plain observed numbers, texts and truth values lie in the lake (`kernel::History`), where the
//! devices' readings go; they are not copied. States of everything else are kept in `context_instance`, written when
//! they are over: what is the case now stands in the live entity and is read from there. An instance's id is made of
//! its place in the evolution, so both kinds can be addressed without a register of ids. See docs/adr/0006.

pub mod aggregate;
pub mod evolve;
pub mod query;
pub mod read;
pub mod recent;
pub mod render;

use dothi_kernel::Result;
use sha2::{Digest, Sha256};

use crate::model::{Attr, AttrKind, DEFAULT_VOCAB, Entity, Iri, NULL, find};
use crate::registry::short;

/// Expanded name under which scopes evolve.
pub const SCOPE: &str = "https://uri.etsi.org/ngsi-ld/scope";
/// What ids of instances begin with.
const INSTANCE: &str = "urn:ngsi-ld:Instance:";

/// What an instance's place in time rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// `observedAt`.
    Observed,
    /// The moment it was written.
    Modified,
    /// The moment its attribute was deleted.
    Deleted,
}

impl Basis {
    const ALL: [(Basis, char); 3] = [(Basis::Observed, 'o'), (Basis::Modified, 'm'), (Basis::Deleted, 'd')];

    /// As it is stored.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// As it was stored.
    pub fn of_code(code: i64) -> Self {
        Self::ALL.into_iter().map(|(b, _)| b).find(|b| b.code() == code).unwrap_or(Basis::Modified)
    }
}

/// Where in the evolution of an attribute an instance stands; there is one at each place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `datasetId`; none is the default instance.
    pub dataset: Option<Iri>,
    /// What `t` is.
    pub basis: Basis,
    /// Instant, µs.
    pub t: i64,
}

impl Key {
    /// The place of a state.
    pub fn of(attr: &Attr) -> Self {
        let (basis, t) = attr.observed().map_or((Basis::Modified, attr.modified), |t| (Basis::Observed, t));
        Self { dataset: attr.dataset().cloned(), basis, t }
    }

    fn digest(&self, entity: &str, name: &str) -> u64 {
        let mut hash = Sha256::new();
        for part in [entity, name, self.dataset.as_deref().unwrap_or_default()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte))
    }

    /// The `instanceId`.
    pub fn id(&self, entity: &str, name: &str) -> String {
        let letter = Basis::ALL.into_iter().find(|(b, _)| *b == self.basis).map_or('m', |(_, c)| c);
        format!("{INSTANCE}{letter}{:016x}{:016x}", self.t, self.digest(entity, name))
    }

    /// Reads an `instanceId`; none when it is not one of ours. Which dataset it belongs to is told by [`Key::has_id`].
    pub fn parse(id: &str) -> Option<(Basis, i64)> {
        let rest = id.strip_prefix(INSTANCE)?;
        let basis = rest.chars().next().and_then(|c| Basis::ALL.into_iter().find(|(_, l)| *l == c))?.0;
        let digits = rest.get(1..)?;
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let t = u64::from_str_radix(digits.get(..16)?, 16).ok()?;
        // Instants before 1970 are negative: the same bits.
        Some((basis, i64::from_ne_bytes(t.to_ne_bytes())))
    }

    /// Whether this is the id of the instance here.
    pub fn has_id(&self, id: &str, entity: &str, name: &str) -> bool {
        self.id(entity, name) == id
    }
}

/// An instance as it is stored.
#[derive(Debug, Clone)]
pub struct Row {
    /// Entity.
    pub entity: Iri,
    /// Short type of the entity, for retention.
    pub kind: String,
    /// Expanded name of the attribute.
    pub name: Iri,
    /// Place.
    pub key: Key,
    /// `observedAt`.
    pub observed: Option<i64>,
    /// `createdAt`.
    pub created: i64,
    /// `modifiedAt`.
    pub modified: i64,
    /// `deletedAt`.
    pub deleted: Option<i64>,
    /// The state; none: the instance that stands here is hidden (it was deleted from history).
    pub doc: Option<String>,
}

/// What is known of an entity beside its live state.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// Expanded types.
    pub types: Vec<Iri>,
    /// Attributes it had when it was deleted, with their units.
    pub attrs: Vec<(Iri, Option<Iri>)>,
    /// `createdAt`.
    pub created: i64,
    /// `modifiedAt`.
    pub modified: i64,
    /// `deletedAt`; none while it lives.
    pub deleted: Option<i64>,
    /// Came to be through the temporal API, and goes with its history.
    pub imported: bool,
}

/// Instances to forget.
#[derive(Debug, Clone)]
pub enum Which {
    /// Those of an entity, and that it was.
    Entity,
    /// All of an attribute.
    Attribute(Iri),
    /// Those of one dataset of an attribute.
    Dataset(Iri, Option<Iri>),
    /// One.
    One(Iri, Key),
}

/// A change of the stored part of history, made in the transaction of the change that causes it.
#[derive(Debug, Clone)]
pub enum Write {
    /// An instance that stays if its place is taken already.
    Past(Row),
    /// An instance in place of what stands at its place.
    Set(Row),
    /// Forget instances.
    Forget(Iri, Which),
    /// The entity came to be anew, not through this API.
    Alive(Iri),
    /// What is known of an entity that was deleted or came through the temporal API.
    Header(Iri, Header),
}

impl Write {
    /// Whether it concerns instances that may stand where recent ones belong, so that those come first.
    pub fn is_of_instances(&self) -> bool {
        matches!(self, Write::Past(_) | Write::Set(_) | Write::Forget(..))
    }
}

/// Whether an attribute's state is one that the lake keeps: a plain observed scalar without anything beside it.
pub fn is_plain(attr: &Attr) -> bool {
    let marks = |name: &str| name.strip_prefix(DEFAULT_VOCAB) == Some("quality");
    attr.kind == AttrKind::Property
        && attr.dataset().is_none()
        && attr.observed().is_some()
        && attr.of().is_none()
        && attr.expires().is_none()
        && attr.subs().iter().all(|(name, _)| marks(name))
        && crate::writer::scalar(&attr.value).is_some()
}

/// What stands for the value of a deleted attribute.
pub fn null_of(kind: AttrKind) -> serde_json::Value {
    match kind {
        AttrKind::LanguageProperty => serde_json::json!({"@none": NULL}),
        AttrKind::ListProperty | AttrKind::ListRelationship => serde_json::json!([NULL]),
        _ => NULL.into(),
    }
}

/// Whether a value stands for a deleted attribute.
pub fn is_null_of(kind: AttrKind, value: &serde_json::Value) -> bool {
    value.as_str() == Some(NULL) || *value == null_of(kind)
}

fn document(attr: &Attr) -> Result<Option<String>> {
    serde_json::to_string(attr).map(Some).map_err(|e| dothi_kernel::Error::internal("writing an instance", e))
}

impl Row {
    /// A state of an attribute.
    pub fn of(entity: &Iri, kind: &str, name: &Iri, attr: &Attr) -> Result<Self> {
        Ok(Self {
            entity: entity.clone(),
            kind: kind.to_string(),
            name: name.clone(),
            key: Key::of(attr),
            observed: attr.observed(),
            created: attr.created,
            modified: attr.modified,
            deleted: None,
            doc: document(attr)?,
        })
    }

    /// The deletion of an attribute.
    fn deletion(entity: &Iri, kind: &str, name: &Iri, attr: &Attr, now: i64) -> Result<Self> {
        let mut gone = Attr::new(attr.kind, null_of(attr.kind), now);
        gone.set_dataset(attr.dataset().cloned());
        let key = Key { dataset: attr.dataset().cloned(), basis: Basis::Deleted, t: now };
        let row = Self::of(entity, kind, name, &gone)?;
        Ok(Self { key, created: attr.created, deleted: Some(now), ..row })
    }

    /// Hides the instance that the live entity or nothing else shows at this place.
    pub fn hidden(entity: &Iri, kind: &str, name: &Iri, attr: &Attr) -> Result<Self> {
        Ok(Self { doc: None, ..Self::of(entity, kind, name, attr)? })
    }
}

/// The states of scopes: an attribute of their own kind. On changes through the entity API it is observed when it is made.
fn scope_state(scope: &[Box<str>], at: i64, observed: bool) -> Attr {
    let value: Vec<serde_json::Value> = scope.iter().map(|s| (&**s).into()).collect();
    let mut attr = Attr::new(AttrKind::Property, serde_json::Value::Array(value), at);
    attr.set_observed(observed.then_some(at));
    attr
}

/// What a change of an entity adds to history: states that are over, and deletions. `lake`: plain observed scalars are
/// kept there.
pub fn instances(before: Option<&Entity>, after: Option<&Entity>, now: i64, lake: bool) -> Result<Vec<Write>> {
    let mut out = Vec::new();
    let Some(before) = before else {
        out.extend(after.map(|e| Write::Alive(e.id.clone())));
        return Ok(out);
    };
    let (id, kind) = (&before.id, before.types.first().map_or("", |t| short(t)));
    for (name, states) in &before.attrs {
        for old in states {
            let new = after.and_then(|e| find(&e.attrs, name)).and_then(|s| s.iter().find(|a| a.dataset() == old.dataset()));
            if new.is_some_and(|new| new.same(old)) {
                continue;
            }
            if !(lake && is_plain(old)) && new.is_none_or(|new| Key::of(new) != Key::of(old)) {
                out.push(Write::Past(Row::of(id, kind, name, old)?));
            }
            if new.is_none() && after.is_some() {
                out.push(Write::Set(Row::deletion(id, kind, name, old, now)?));
            }
        }
    }
    let scope = after.map_or(&[][..], |e| &e.scope);
    if *scope != *before.scope {
        let name: Iri = SCOPE.into();
        if !before.scope.is_empty() {
            out.push(Write::Past(Row::of(id, kind, &name, &scope_state(&before.scope, before.created, true))?));
        }
        if !scope.is_empty() {
            out.push(Write::Set(Row::of(id, kind, &name, &scope_state(scope, now, true))?));
        } else if after.is_some() {
            let row = Row::of(id, kind, &name, &scope_state(&[], now, false))?;
            out.push(Write::Set(Row { key: Key { dataset: None, basis: Basis::Deleted, t: now }, deleted: Some(now), ..row }));
        }
    }
    if after.is_none() {
        let unit = |states: &[Attr]| states.first().and_then(Attr::unit);
        let attrs = before.attrs.iter().map(|(name, states)| (name.clone(), unit(states))).collect();
        let header = Header { types: before.types.clone(), attrs, created: before.created, modified: before.modified, deleted: Some(now), imported: false };
        out.push(Write::Header(id.clone(), header));
    }
    Ok(out)
}

/// The state of an attribute that a reading is about to replace, when the lake does not keep it.
pub fn passing(entity: &Entity, name: &str) -> Option<Write> {
    let old = find(&entity.attrs, name).and_then(|states| states.iter().find(|a| a.dataset().is_none()));
    let kind = entity.types.first().map_or("", |t| short(t));
    // A state that cannot be written as JSON cannot have been read either.
    old.filter(|a| !is_plain(a)).and_then(|a| Row::of(&entity.id, kind, &name.into(), a).ok()).map(Write::Past)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_the_place() {
        for t in [0, 1_795_222_800_000_000, -86_400_000_001, i64::MIN] {
            for (basis, _) in Basis::ALL {
                let key = Key { dataset: Some("urn:d".into()), basis, t };
                let id = key.id("urn:e", "urn:a");
                assert_eq!(Key::parse(&id), Some((basis, t)));
                assert!(key.has_id(&id, "urn:e", "urn:a") && !key.has_id(&id, "urn:e", "urn:b"));
            }
        }
        for wrong in ["urn:ngsi-ld:01234567890123456789", "urn:ngsi-ld:Instance:", "urn:ngsi-ld:Instance:oé", "urn:ngsi-ld:Instance:x00"] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }
}
