//! The journal: what each commit changed, as one compressed row, and the checkpoint that folds it into the table of
//! entities. A sensor that speaks every second costs one row of that table a checkpoint instead of one a second.
//!
//! Start-up reads the table and replays the journal. Records say what *is* afterwards, never what to add, and all rows
//! after a checkpoint's position are replayed in order; so it does no harm that the table may hold later states of some
//! entities when a crash interrupts a checkpoint.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use dothi_kernel::{Error, Result};
use dothi_store::Store;
use hashbrown::{DefaultHashBuilder, HashSet, HashTable};

use crate::leb::Leb;
use crate::live::{Live, Staged};
use crate::model::{Attr, AttrKind, Entity, Iri, Names, find, find_mut};
use crate::stored::{self, Reader, Spelled, Writer, damaged};
use crate::tables::{self, EntityRow};
use crate::tables_journal;
use crate::tables_temporal;
use crate::val::Val;

/// The first version of a row's form, in which entities were JSON; rows are written in that of [`stored::FORMAT`].
const FIRST: u8 = 1;
/// Level of zstd: the journal is short-lived, time matters more than bytes.
const LEVEL: i32 = 1;
/// Entities that one transaction of a checkpoint writes: others write in between.
const FOLD: usize = 500;
/// A checkpoint begins so long after the last one when few entities changed …
const EVERY: Duration = Duration::from_secs(30);
const FEW: usize = 20_000;
/// … so long after it in any case: of many things, ever more lie on the same page of the table, so waiting pays …
const LATEST: Duration = Duration::from_secs(600);
/// … or when so many bytes were journaled since.
const BYTES: usize = 64 << 20;
/// Between two of its transactions a checkpoint leaves as much time to others as it took, at most this.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a row that are made room for before they are seen.
const LONG: usize = 64 << 20;
/// Pages of the journal that are unpacked at once.
const READING: usize = 2;
/// So many superseded states are settled together at the latest. The more wait, the more of them share a page of the
/// indexes; the fewer, the sooner a reader of the past is served …
const UNSETTLED: usize = 40_000;
/// … and so many by one transaction: others write in between.
const SETTLE: usize = 400;
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Attributes that readings set, by entity. Of entities that are not in here the whole document is journaled.
pub type Measured = HashMap<Iri, Vec<Iri>>;

/// What is in the journal and not yet in the table, and the way from the one to the other.
pub struct Journal {
    store: Store,
    live: Arc<Live>,
    /// Last position given out.
    last: AtomicI64,
    state: Mutex<State>,
    /// One checkpoint runs at a time.
    turn: tokio::sync::Mutex<()>,
    /// Superseded states that wait to be settled; one settles them at a time.
    unsettled: Mutex<Unsettled>,
    settling: tokio::sync::Mutex<()>,
}

/// Which entities have superseded states that are durable, but not yet where readers of the past look.
#[derive(Default)]
struct Unsettled {
    waiting: Waiting,
    /// Those that are being settled just now.
    going: Waiting,
}

#[derive(Default)]
struct Waiting {
    states: usize,
    of: HashSet<Iri>,
    /// After a start or a failure anything may be among them.
    unknown: bool,
}

impl Waiting {
    fn concerns(&self, entity: Option<&str>) -> bool {
        self.unknown || entity.map_or(self.states > 0, |id| self.of.contains(id))
    }
}

struct State {
    /// Last position that readers see.
    seq: i64,
    /// Entities that rows up to there changed since they were last written to the table.
    dirty: HashSet<Iri>,
    bytes: usize,
    since: Instant,
}

impl Journal {
    /// Reads the journal, then of the table of entities what the journal does not state whole, and fills `live`: no
    /// document is parsed that does not count.
    pub async fn open(store: Store, live: Arc<Live>, names: &Arc<Names>) -> Result<Arc<Self>> {
        let mut found = Replay::default();
        let (mut seq, mut bytes, mut dirty) = (0, 0, HashSet::new());
        let mut reading = VecDeque::new();
        loop {
            // While one page is read, those before it are unpacked beside.
            let rows = tables_journal::after(&store, seq).await?;
            let more = !rows.is_empty();
            if let Some((last, _)) = rows.last() {
                seq = *last;
                bytes += rows.iter().map(|(_, row)| row.len()).sum::<usize>();
                let names = names.clone();
                reading.push_back(tokio::task::spawn_blocking(move || rows.iter().map(|(_, row)| decode(row, &names)).collect::<Result<Vec<_>>>()));
            }
            while reading.len() > if more { READING } else { 0 } {
                let Some(page) = reading.pop_front() else { break };
                for record in page.await.map_err(|e| Error::internal("reading the journal", e))??.into_iter().flatten() {
                    if !dirty.contains(record.id()) {
                        dirty.insert(record.id().clone());
                    }
                    found.take(record);
                }
            }
            if !more {
                break;
            }
        }
        let found = Arc::new(found);
        let known = found.clone();
        let stored = tables::load(&store, names, Arc::new(move |id: &str| known.states(id))).await?;
        let mut found = Arc::into_inner(found).ok_or_else(|| Error::internal("reading entities", "somebody still reads them"))?;
        found.add(stored);
        // Names that entities share with what is kept of them need no room of their own.
        let dirty = dirty.into_iter().map(|id: Iri| found.find(&id).map_or(id, |at| found.entities[at].id.clone())).collect();
        live.load(found.entities);
        let state = Mutex::new(State { seq, dirty, bytes, since: Instant::now() });
        Ok(Arc::new(Self {
            store,
            live,
            last: seq.into(),
            state,
            turn: tokio::sync::Mutex::new(()),
            unsettled: Mutex::new(Unsettled { waiting: Waiting { unknown: true, ..Waiting::default() }, going: Waiting::default() }),
            settling: tokio::sync::Mutex::new(()),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next position. One that is not used leaves a gap, which does no harm.
    pub fn next(&self) -> i64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes a row that is durable and visible.
    pub fn note<'a>(&self, seq: i64, bytes: usize, changed: impl Iterator<Item = &'a Iri>) {
        let mut state = self.state();
        state.seq = seq;
        state.bytes += bytes;
        for id in changed {
            if !state.dirty.contains(id) {
                state.dirty.insert(id.clone());
            }
        }
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes of which entities superseded states were stored beside the journal.
    pub fn superseded(&self, entities: impl Iterator<Item = Iri>) {
        let mut unsettled = self.unsettled();
        for entity in entities {
            unsettled.waiting.states += 1;
            unsettled.waiting.of.insert(entity);
        }
    }

    /// Puts the superseded states where readers of the past look for them, unless none of them is of this entity. Who
    /// reads the past calls this first.
    pub async fn settle(&self, entity: Option<&str>) -> Result<()> {
        let concerns = |u: &Unsettled| u.waiting.concerns(entity) || u.going.concerns(entity);
        if !concerns(&self.unsettled()) {
            return Ok(());
        }
        let _turn = self.settling.lock().await;
        {
            let mut unsettled = self.unsettled();
            if !concerns(&unsettled) {
                return Ok(());
            }
            // Something is still there when the last one was broken off.
            let broken = unsettled.going.concerns(None);
            unsettled.going = std::mem::take(&mut unsettled.waiting);
            unsettled.going.unknown |= broken;
        }
        let done = self.settle_all().await;
        let mut unsettled = self.unsettled();
        unsettled.going = Waiting::default();
        unsettled.waiting.unknown |= done.is_err();
        done
    }

    /// Settles all that is there when it begins. It may be interrupted anywhere and begun again: a state that is at its
    /// place stays as it is.
    async fn settle_all(&self) -> Result<()> {
        let Some(last) = tables_temporal::last_recent(&self.store).await? else { return Ok(()) };
        while let Some((mut rows, upto)) = tables_temporal::recent(&self.store, last, UNSETTLED).await? {
            loop {
                let rest = rows.split_off(rows.len().min(SETTLE));
                let mut tx = self.store.begin_as("context").await?;
                // A change of history itself settles what came before it, and then this is over.
                let there = tables_temporal::place_recent(&mut tx, rows, upto).await?;
                if rest.is_empty() && there {
                    tables_temporal::drop_recent(&mut tx, upto).await?;
                }
                tx.commit().await?;
                rows = rest;
                if rows.is_empty() || !there {
                    break;
                }
            }
        }
        Ok(())
    }

    fn many_unsettled(&self) -> bool {
        let unsettled = self.unsettled();
        unsettled.waiting.unknown || unsettled.waiting.states >= UNSETTLED
    }

    fn due(&self) -> bool {
        let state = self.state();
        let waited = state.since.elapsed();
        let ripe = waited >= LATEST || waited >= EVERY && state.dirty.len() <= FEW;
        !state.dirty.is_empty() && (ripe || state.bytes >= BYTES)
    }

    /// Checkpoints when it is time, until the journal is dropped.
    pub async fn keep(journal: Weak<Self>) {
        let mut settled = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(journal) = journal.upgrade() else { return };
            if journal.many_unsettled() || settled.elapsed() >= EVERY {
                settled = Instant::now();
                if let Err(e) = journal.settle(None).await {
                    tracing::warn!(error = %e, "moving superseded states to their places failed; it will be tried again");
                }
            }
            if journal.due()
                && let Err(e) = journal.checkpoint().await
            {
                tracing::warn!(error = %e, "folding the journal into the table of entities failed; it will be tried again");
            }
        }
    }

    /// Folds the journal into the table of entities; how many entities were written. Nothing is lost when it is
    /// interrupted anywhere.
    pub async fn checkpoint(&self) -> Result<usize> {
        let _turn = self.turn.lock().await;
        let (seq, dirty) = {
            let mut state = self.state();
            (state.bytes, state.since) = (0, Instant::now());
            (state.seq, std::mem::take(&mut state.dirty))
        };
        let mut ids: Vec<Iri> = dirty.into_iter().collect();
        ids.sort_unstable();
        let done = self.fold(&ids, seq).await;
        if done.is_err() {
            self.state().dirty.extend(ids.iter().cloned());
        }
        done.map(|()| ids.len())
    }

    async fn fold(&self, ids: &[Iri], seq: i64) -> Result<()> {
        let mut took: Option<Duration> = None;
        for ids in ids.chunks(FOLD) {
            // Who journals faster than this waits with us.
            let pressing = self.state().bytes >= BYTES;
            if let Some(pause) = took.filter(|_| !pressing) {
                tokio::time::sleep(PAUSE.min(pause)).await;
            }
            let begun = Instant::now();
            // The newest durable state: what came after `seq` is in rows that stay.
            let (live, ids) = (self.live.clone(), ids.to_vec());
            let rows = tokio::task::spawn_blocking(move || {
                let (mut rows, mut gone) = (Vec::with_capacity(ids.len()), Vec::new());
                for id in ids {
                    match live.get(&id) {
                        Some(entity) => rows.push(EntityRow::of(&entity)?),
                        None => gone.push(id),
                    }
                }
                Ok((rows, gone))
            });
            let (rows, gone) = rows.await.map_err(|e| Error::internal("writing entities", e))??;
            let mut tx = self.store.begin_as("context").await?;
            tables::save(&mut tx, rows).await?;
            tables::delete(&mut tx, &gone.iter().map(|id| &**id).collect::<Vec<_>>()).await?;
            tx.commit().await?;
            took = Some(begun.elapsed());
        }
        loop {
            let mut tx = self.store.begin_as("context").await?;
            let more = tables_journal::trim(&mut tx, seq).await?;
            tx.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// What a row says of one entity.
enum Record {
    /// It is this.
    Whole(Arc<Entity>),
    /// It is gone.
    Gone(Iri),
    /// These default instances were set.
    Values { id: Iri, set: Values },
}

/// Default instances that were set, and what changed with them.
struct Values {
    version: u64,
    modified: i64,
    area: Option<Iri>,
    values: Vec<(Iri, Attr)>,
}

impl Values {
    fn put_on(self, entity: &mut Entity) {
        (entity.version, entity.modified, entity.area) = (self.version, self.modified, self.area);
        for (name, attr) in self.values {
            match find_mut(&mut entity.attrs, &name) {
                None => entity.attrs.push((name, attr.into())),
                Some(instances) => match instances.iter_mut().find(|a| a.dataset().is_none()) {
                    Some(old) => *old = attr,
                    None => instances.push(attr),
                },
            }
        }
    }

    /// Adds what was set later.
    fn then(&mut self, later: Values) {
        (self.version, self.modified, self.area) = (later.version, later.modified, later.area);
        for (name, attr) in later.values {
            match self.values.iter_mut().find(|(n, _)| *n == name) {
                Some((_, old)) => *old = attr,
                None => self.values.push((name, attr)),
            }
        }
    }
}

impl Record {
    fn id(&self) -> &Iri {
        match self {
            Record::Whole(entity) => &entity.id,
            Record::Gone(id) | Record::Values { id, .. } => id,
        }
    }
}

/// Entities while the journal is replayed, found by id. The table of ids holds four bytes for each.
#[derive(Default)]
struct Replay {
    entities: Vec<Arc<Entity>>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// What the journal says is gone.
    gone: HashSet<Iri>,
    /// What was set on entities that only the table states.
    waiting: hashbrown::HashMap<Iri, Values>,
}

impl Replay {
    fn find(&self, id: &str) -> Option<usize> {
        self.ids.find(self.hasher.hash_one(id), |at| *self.entities[*at as usize].id == *id).map(|at| *at as usize)
    }

    /// Whether the journal says all of an entity.
    fn states(&self, id: &str) -> bool {
        self.find(id).is_some() || self.gone.contains(id)
    }

    fn note(&mut self, at: usize) {
        let Self { entities, ids, hasher, .. } = self;
        // There are never more than four thousand million.
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        ids.insert_unique(hasher.hash_one(&*entities[at as usize].id), at, |at| hasher.hash_one(&*entities[*at as usize].id));
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Whole(mut entity) => {
                self.waiting.remove(&entity.id);
                self.gone.remove(&entity.id);
                match self.find(&entity.id) {
                    Some(at) => {
                        if let Some(entity) = Arc::get_mut(&mut entity) {
                            entity.id = self.entities[at].id.clone();
                        }
                        self.entities[at] = entity;
                    }
                    None => {
                        self.entities.push(entity);
                        self.note(self.entities.len() - 1);
                    }
                }
            }
            Record::Gone(id) => {
                self.waiting.remove(&id);
                if let Some(at) = self.find(&id) {
                    self.forget(at);
                    if at + 1 < self.entities.len() {
                        self.forget(self.entities.len() - 1);
                    }
                    self.entities.swap_remove(at);
                    if at < self.entities.len() {
                        self.note(at);
                    }
                }
                self.gone.insert(id);
            }
            Record::Values { id, set } => match self.find(&id) {
                Some(at) => set.put_on(Arc::make_mut(&mut self.entities[at])),
                // A later row deletes it or states it whole, or the table holds it.
                None if self.gone.contains(&id) => {}
                None => match self.waiting.get_mut(&id) {
                    Some(waiting) => waiting.then(set),
                    None => drop(self.waiting.insert(id, set)),
                },
            },
        }
    }

    /// Adds what the table holds and the journal did not state.
    fn add(&mut self, stored: Vec<Arc<Entity>>) {
        let first = self.entities.len();
        self.entities.extend(stored);
        for at in first..self.entities.len() {
            if self.waiting.is_empty() {
                break;
            }
            if let Some(set) = self.waiting.remove(&self.entities[at].id) {
                set.put_on(Arc::make_mut(&mut self.entities[at]));
                self.note(at);
            }
        }
    }

    /// Takes the one at a place out of the table of ids.
    fn forget(&mut self, at: usize) {
        let hash = self.hasher.hash_one(&*self.entities[at].id);
        if let Ok(entry) = self.ids.find_entry(hash, |a| *a as usize == at) {
            entry.remove();
        }
    }
}

const WHOLE: u8 = 1;
const GONE: u8 = 2;
const VALUES: u8 = 3;

/// Writes a row.
pub fn encode(staged: &Staged, measured: &Measured) -> Result<Vec<u8>> {
    let mut out = Writer::after(Vec::with_capacity(staged.len() * 128));
    for (id, next) in staged {
        match (next, measured.get(id)) {
            (None, _) => {
                out.bytes.push(GONE);
                out.bytes.text(id);
            }
            (Some(entity), None) => {
                out.bytes.push(WHOLE);
                out.bytes.text(id);
                out.bytes.unsigned(entity.version);
                out.entity(entity)?;
            }
            (Some(entity), Some(set)) => {
                out.bytes.push(VALUES);
                out.bytes.text(id);
                write_values(&mut out, entity, set)?;
            }
        }
    }
    let packed = zstd::bulk::compress(&out.bytes, LEVEL).map_err(|e| Error::internal("packing the journal", e))?;
    let mut row = Vec::with_capacity(packed.len() + 1);
    row.push(stored::FORMAT);
    row.extend_from_slice(&packed);
    Ok(row)
}

fn write_values(out: &mut Writer, entity: &Entity, set: &[Iri]) -> Result<()> {
    out.bytes.unsigned(entity.version);
    out.bytes.signed(entity.modified);
    out.name(entity.area.as_ref());
    let default = |name: &Iri| find(&entity.attrs, name)?.iter().find(|a| a.dataset().is_none());
    let set: Vec<(&Iri, &Attr)> = set.iter().filter_map(|name| Some((name, default(name)?))).collect();
    out.bytes.unsigned(set.len() as u64);
    for (name, attr) in set {
        out.name(Some(name));
        out.attr(attr, entity.modified)?;
    }
    Ok(())
}

/// Unpacks at once what says how long it is; growing step by step would move it again and again.
fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let stated = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten().and_then(|n| usize::try_from(n).ok());
    match stated.filter(|n| *n <= LONG) {
        Some(n) => zstd::bulk::decompress(packed, n),
        None => zstd::stream::decode_all(packed),
    }
}

/// Reads a row.
fn decode(row: &[u8], names: &Names) -> Result<Vec<Record>> {
    let (first, packed) = match row.split_first() {
        Some((format @ (&FIRST | &stored::FORMAT), packed)) => (*format == FIRST, packed),
        _ => return Err(Error::internal("reading the journal", "a row has an unknown format; it was written by a newer version of the program")),
    };
    let bytes = unpack(packed).map_err(|e| Error::internal("reading the journal", e))?;
    let mut spelled = Spelled::default();
    let mut input = Reader::new(&bytes, &mut spelled, names);
    let mut records = Vec::new();
    while !input.ended() {
        records.push(record(&mut input, first, names)?);
    }
    Ok(records)
}

fn record(input: &mut Reader<'_>, first: bool, names: &Names) -> Result<Record> {
    let kind = input.byte()?;
    let id: Iri = input.text()?.into();
    match kind {
        GONE => Ok(Record::Gone(id)),
        WHOLE => {
            let version = input.unsigned()?;
            let entity = if first {
                let mut entity: Entity = input.json()?;
                (entity.id, entity.version) = (id, version);
                entity.intern(names);
                entity
            } else {
                input.entity(id, version)?
            };
            Ok(Record::Whole(Arc::new(entity)))
        }
        VALUES => {
            let (version, modified, area) = (input.unsigned()?, input.signed()?, input.name(first)?);
            let mut values = Vec::new();
            for _ in 0..input.unsigned()? {
                let name = input.name(first)?.ok_or_else(damaged)?;
                values.push((name, if first { attr_of_old(input, modified, names)? } else { input.attr(modified)? }));
            }
            Ok(Record::Values { id, set: Values { version, modified, area, values } })
        }
        _ => Err(damaged()),
    }
}

/// An attribute in the first version of a row.
fn attr_of_old(input: &mut Reader<'_>, modified: i64, names: &Names) -> Result<Attr> {
    let value: Val = match input.byte()? {
        0 => input.float()?.into(),
        1 => input.signed()?.into(),
        2 => false.into(),
        3 => true.into(),
        4 => input.text()?.into(),
        5 => {
            let mut attrs = vec![(Iri::from(""), input.json::<Attr>()?.into())];
            crate::model::intern_attrs(&mut attrs, names);
            return attrs.pop().and_then(|(_, instances)| instances.first().cloned()).ok_or_else(damaged);
        }
        _ => return Err(damaged()),
    };
    let mut attr = Attr::new(AttrKind::Property, value, modified);
    attr.set_unit(input.name(true)?);
    attr.set_observed(Some(input.signed()?.wrapping_add(modified)));
    attr.modified = input.signed()?.wrapping_add(modified);
    attr.created = input.signed()?.wrapping_add(modified);
    Ok(attr)
}
