//! Which types and attributes are in use.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::{Caller, Error, Permission, Result, Scope};

use crate::Context;
use crate::live::{Candidates, Live, Order};
use crate::model::Iri;

/// An attribute in use.
#[derive(Debug, Clone, Default)]
pub struct Attribute {
    /// Entities (of the type) that have it.
    pub count: usize,
    /// Kinds it has.
    pub kinds: BTreeSet<&'static str>,
    /// Types of entities that have it.
    pub types: BTreeSet<Iri>,
}

/// A type in use.
#[derive(Debug, Clone, Default)]
pub struct Kind {
    /// Entities.
    pub count: usize,
    /// Their attributes.
    pub attributes: BTreeMap<Iri, Attribute>,
}

/// All types in use.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// By expanded name.
    pub types: BTreeMap<Iri, Kind>,
    attributes: BTreeMap<Iri, Attribute>,
}

impl Inventory {
    fn take(live: &Live, now: i64) -> Self {
        let (mut all, mut after) = (Self::default(), None::<Iri>);
        loop {
            let chunk = live.chunk(&Candidates::All, after.as_deref(), Order::Up, 512);
            let Some(last) = chunk.last() else { return all };
            after = Some(last.id.clone());
            for entity in chunk.iter().filter(|e| e.alive(now)) {
                for kind in &entity.types {
                    let of_kind = all.types.entry(kind.clone()).or_default();
                    of_kind.count += 1;
                    for (name, instances) in &entity.attrs {
                        let attribute = of_kind.attributes.entry(name.clone()).or_default();
                        attribute.count += 1;
                        attribute.kinds.extend(instances.iter().map(|a| a.kind.name()));
                    }
                }
                for (name, instances) in &entity.attrs {
                    let attribute = all.attributes.entry(name.clone()).or_default();
                    attribute.count += 1;
                    attribute.kinds.extend(instances.iter().map(|a| a.kind.name()));
                    attribute.types.extend(entity.types.iter().cloned());
                }
            }
        }
    }

    /// Attributes of all types by expanded name.
    pub fn attributes(&self) -> &BTreeMap<Iri, Attribute> {
        &self.attributes
    }
}

impl Context {
    /// Types and attributes in use.
    pub async fn inventory(&self, caller: &Caller) -> Result<Inventory> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let (live, now) = (self.live.clone(), caller.now.as_microsecond());
        tokio::task::spawn_blocking(move || Inventory::take(&live, now)).await.map_err(|e| Error::internal("counting types", e))
    }
}
