//! Entity maps (5.2.39, 5.5.9.3): the result of a query, fixed for a while, so that its pages fit together. They live in
//! memory only: like a cursor, a map that is lost costs its user one more query.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dothi_kernel::{Error, Result};
use serde_json::{Value, json};

use crate::fault::{UNSUPPORTED, bad, cut, missing};
use crate::model::{Iri, instant};

/// Maps there may be at once.
const MAX_MAPS: usize = 1_000;
/// Entities of one map.
pub const MAX_ENTITIES: usize = 100_000;
/// Entities of all maps.
const MAX_ALL: usize = 2_000_000;
const HOUR: i64 = 3_600_000_000;
/// Longest life of a map, µs.
const LONGEST: i64 = 24 * HOUR;
/// Stands for ourselves.
pub const HERE: &str = "@none";

/// Where the entities of a result are.
pub type Sources = BTreeMap<Iri, Vec<Iri>>;

/// A map.
#[derive(Debug)]
pub struct EntityMap {
    /// URI.
    pub id: Iri,
    /// End, µs.
    pub expires: i64,
    /// Entities and who holds them.
    pub entities: Sources,
    /// Whether it was made for a temporal query.
    pub temporal: bool,
}

impl EntityMap {
    /// As users see it.
    pub fn describe(&self) -> Value {
        let entities: serde_json::Map<String, Value> =
            self.entities.iter().map(|(id, holders)| (id.to_string(), holders.iter().map(|h| Value::from(&**h)).collect())).collect();
        json!({"id": &*self.id, "type": "EntityMap", "expiresAt": instant(self.expires), "entityMap": entities, "linkedMaps": {}})
    }
}

/// A map that several may use at once.
pub type Shared = Arc<Mutex<EntityMap>>;

/// All maps.
#[derive(Debug, Default)]
pub struct Maps(RwLock<HashMap<Iri, Shared>>);

/// Reads an ISO 8601 duration, µs.
pub fn duration(text: &str) -> Result<i64> {
    let wrong = || bad(format!("{:?} is not an ISO 8601 duration.", cut(text)));
    // The parser takes friendlier spellings, too.
    let span: jiff::Span = Some(text).filter(|t| t.starts_with('P')).ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
    let long = span.to_duration(jiff::civil::date(2026, 1, 1)).map_err(|_| wrong())?;
    i64::try_from(long.as_micros()).ok().filter(|us| *us > 0).ok_or_else(wrong)
}

impl Maps {
    /// Keeps a new map; it lives as long as asked for, within bounds.
    pub fn add(&self, id: Iri, entities: Sources, lifetime: Option<i64>, temporal: bool, now: i64) -> Result<Shared> {
        let expires = now + lifetime.unwrap_or(HOUR).min(LONGEST);
        self.forget(now);
        let mut maps = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let held: usize = maps.values().map(|m| m.lock().unwrap_or_else(PoisonError::into_inner).entities.len()).sum();
        if maps.len() >= MAX_MAPS || entities.len() > MAX_ENTITIES || held + entities.len() > MAX_ALL {
            return Err(Error::unprocessable(UNSUPPORTED, "There are too many entity maps, or this one is too large."));
        }
        let map = Arc::new(Mutex::new(EntityMap { id: id.clone(), expires, entities, temporal }));
        maps.insert(id, map.clone());
        Ok(map)
    }

    /// A map; an expired one is gone.
    pub fn get(&self, id: &str, now: i64) -> Result<Shared> {
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let alive = found.filter(|m| m.lock().unwrap_or_else(PoisonError::into_inner).expires > now);
        alive.ok_or_else(|| missing(format!("There is no entity map {}.", cut(id))))
    }

    /// Gives a map another end, within bounds.
    pub fn extend(&self, id: &str, expires: i64, now: i64) -> Result<()> {
        let map = self.get(id, now)?;
        map.lock().unwrap_or_else(PoisonError::into_inner).expires = expires.min(now + LONGEST);
        Ok(())
    }

    /// Deletes a map.
    pub fn remove(&self, id: &str, now: i64) -> Result<()> {
        self.get(id, now)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    /// Forgets those that have expired.
    pub fn forget(&self, now: i64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, m| m.lock().unwrap_or_else(PoisonError::into_inner).expires > now);
    }
}
