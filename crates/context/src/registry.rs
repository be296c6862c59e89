//! What the installed packs say about types and attributes, and short names for expanded ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use crate::ld::Ld;
use crate::model::{DEFAULT_VOCAB, Iri};
use crate::pack::{ContextPack, EntityType};

/// The short name of an expanded one: what stands after the last `/` or `#` (or `:` in a URN).
pub fn short(iri: &str) -> &str {
    let tail = iri.rsplit(['/', '#']).next().unwrap_or(iri);
    tail.rsplit(':').next().unwrap_or(tail)
}

/// Types of all installed packs.
#[derive(Debug, Default)]
pub struct Registry(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    packs: BTreeMap<String, Arc<ContextPack>>,
    types: BTreeMap<String, Arc<EntityType>>,
    names: HashMap<Box<str>, Iri>,
}

impl Registry {
    /// Takes over what a pack declares, in place of what it declared before.
    pub fn put(&self, pack: &str, part: ContextPack) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.packs.insert(pack.to_string(), Arc::new(part));
        let types: BTreeMap<_, _> = inner.packs.values().flat_map(|p| &p.types).map(|t| (t.kind.clone(), Arc::new(t.clone()))).collect();
        inner.names.clear();
        for kind in types.values() {
            let attributes = kind.attributes.iter().filter_map(|a| Some((a.name.as_str(), a.iri.as_deref()?)));
            for (name, iri) in attributes.chain(kind.iri.as_deref().map(|iri| (kind.kind.as_str(), iri))) {
                inner.names.entry(name.into()).or_insert_with(|| iri.into());
            }
        }
        inner.types = types;
    }

    /// All types by short name.
    pub fn types(&self) -> Vec<Arc<EntityType>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).types.values().cloned().collect()
    }

    /// All packs' parts.
    pub fn packs(&self) -> Vec<Arc<ContextPack>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).packs.values().cloned().collect()
    }

    /// A type by short name.
    pub fn kind(&self, name: &str) -> Option<Arc<EntityType>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).types.get(name).cloned()
    }

    /// The expanded name that packs give a short one; the core's or the default vocabulary's otherwise.
    pub fn expand(&self, name: &str) -> Iri {
        if let Some(iri) = self.0.read().unwrap_or_else(PoisonError::into_inner).names.get(name) {
            return iri.clone();
        }
        Ld::default().expand(name).unwrap_or_else(|_| format!("{DEFAULT_VOCAB}{name}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn short_names() {
        for (iri, name) in [
            ("https://uri.etsi.org/ngsi-ld/default-context/pm25", "pm25"),
            ("https://smartdatamodels.org/dataModel.Environment/AirQualityObserved", "AirQualityObserved"),
            ("http://x.org/voc#thing", "thing"),
            ("urn:x:y", "y"),
            ("plain", "plain"),
        ] {
            assert_eq!(short(iri), name);
        }
    }
}
