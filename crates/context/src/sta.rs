//! OGC SensorThings API 1.1 (OGC 18-088) over the city model. `docs/adr/0005-sensorthings-mapping.md` says what is what.
//!
//! Things, Sensors, … are entities of the live state; Observations are the history's. Nothing is kept twice: what an
//! observation has beyond time, value and quality stands in `context_sta_extra`.

mod arrays;
mod batch;
mod eval;
mod feed;
mod filter;
mod find;
mod geo;
pub(crate) mod index;
mod insert;
mod measure;
mod model;
mod node;
mod observations;
mod options;
mod path;
mod read;
mod render;
mod wire;

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use dothi_kernel::{Caller, Result};
use dothi_store::Store;

use crate::live::Live;
use crate::tables_sta as tables;

pub(crate) use arrays::create_observations;
pub(crate) use batch::batch;
pub use feed::Feed;
pub(crate) use feed::{stream_key, told};
pub(crate) use filter::bad;
pub(crate) use index::Index;
use model::Kind;
pub(crate) use node::Extra;
pub(crate) use wire::{Asked, answer, observe};

/// Rows of `context_sta_extra` with times below this are marks of their stream.
pub(crate) const MARKS: i64 = i64::MIN + 16;
/// Mark: observations without a stated result time have that of their phenomenon.
const INSTANT_RESULT: i64 = i64::MIN;
/// Mark: observations may show another phenomenon time than the history's.
const MOVED: i64 = i64::MIN + 1;
/// Numbers that are set aside at a time.
const BLOCK: i64 = 32;

/// What is true of a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// Something is kept of some observation.
    extras: bool,
    instant_result: bool,
    moved: bool,
}

/// What SensorThings keeps in memory beside the live state.
#[derive(Debug)]
pub(crate) struct Sta {
    /// One change of metadata at a time: checks and changes see the same state.
    numbers: tokio::sync::Mutex<Numbers>,
    marks: RwLock<HashMap<String, Marks>>,
}

/// Numbers for new entities.
#[derive(Debug, Default)]
struct Numbers {
    next: HashMap<Kind, i64>,
    ceilings: HashMap<Kind, i64>,
}

impl Numbers {
    fn take(&mut self, kind: Kind) -> i64 {
        let next = self.next.entry(kind).or_insert(1);
        *next += 1;
        *next - 1
    }

    /// Makes sure that no number taken so far is ever given away again.
    async fn secure(&mut self, store: &Store, caller: &Caller) -> Result<()> {
        let due: Vec<(Kind, i64)> = self.next.iter().filter(|(k, n)| self.ceilings.get(k).is_none_or(|c| *n > c)).map(|(k, n)| (*k, *n + BLOCK)).collect();
        if due.is_empty() {
            return Ok(());
        }
        let mut tx = store.begin(caller).await?;
        for (kind, ceiling) in &due {
            tables::put_ceiling(&mut tx, kind.name(), *ceiling).await?;
        }
        tx.commit().await?;
        self.ceilings.extend(due);
        Ok(())
    }
}

impl Sta {
    /// Reads what is kept.
    pub async fn open(store: &Store, live: &Live) -> Result<Self> {
        let mut numbers = Numbers::default();
        let kept: HashMap<String, i64> = tables::ceilings(store).await?.into_iter().collect();
        for kind in Kind::ALL {
            let ceiling = kept.get(kind.name()).copied();
            numbers.next.insert(kind, (live.sta(|i| i.last(kind)) + 1).max(ceiling.unwrap_or(1)));
            if let Some(ceiling) = ceiling {
                numbers.ceilings.insert(kind, ceiling);
            }
        }
        let mut marks: HashMap<String, Marks> = tables::streams(store).await?.into_iter().map(|s| (s, Marks { extras: true, ..Marks::default() })).collect();
        for (stream, mark) in tables::marks(store).await? {
            let of_stream = marks.entry(stream).or_default();
            of_stream.instant_result |= mark == INSTANT_RESULT;
            of_stream.moved |= mark == MOVED;
        }
        Ok(Self { numbers: tokio::sync::Mutex::new(numbers), marks: RwLock::new(marks) })
    }

    fn marks(&self, stream: &str) -> Marks {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).get(stream).copied().unwrap_or_default()
    }

    fn mark(&self, stream: &str, change: impl FnOnce(&mut Marks)) {
        change(self.marks.write().unwrap_or_else(PoisonError::into_inner).entry(stream.to_string()).or_default());
    }
}

/// Reads a path and options as those of a request, and asks `$filter` of an observation each of whose properties is
/// `value`: all that a text from outside can set off without a store. 400 with what is wrong.
pub fn weigh(path: &str, options: &[(String, String)], value: &serde_json::Value, now: i64) -> Result<bool> {
    let _steps = path::parse(path)?;
    let options = options::Options::read(options, Kind::Observation)?;
    let given = eval::typed(value, None);
    Ok(options.filter.is_none_or(|filter| eval::holds(&filter, &|_| given.clone(), now)))
}
