//! Snapshots (5.16): the results of queries, frozen under a name. Later changes of the entities do not reach them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dothi_kernel::{Caller, Error, Permission, Result, Scope};
use dothi_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::change;
use crate::fault::{UNSUPPORTED, bad, cut, exists, missing};
use crate::ld::Ld;
use crate::live::Live;
use crate::model::{Entity, Iri, instant, parse_instant};
use crate::parse::{self, Form};
use crate::q::Query;
use crate::{Context, tables_federation as tables};

/// Snapshots there may be.
const MAX_SNAPSHOTS: usize = 100;
/// Entities of one snapshot.
pub const MAX_ENTITIES: usize = 100_000;
const DAY: i64 = 86_400_000_000;
/// Queries of one snapshot.
const MAX_QUERIES: usize = 50;

/// How far the making of a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Queries run.
    Preparing,
    /// All queries gave their results.
    Success,
    /// Some did.
    Partial,
    /// None did.
    Failure,
}

/// What is told and stored of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// URI.
    pub id: String,
    /// The queries, as given.
    pub queries: Vec<Value>,
    /// What came of each.
    #[serde(default)]
    pub details: Vec<Value>,
    /// Progress.
    pub status: Progress,
    /// 1 to 10; the higher, the longer it should be kept.
    pub priority: u64,
    /// Created, µs.
    pub created: i64,
    /// Modified, µs.
    pub modified: i64,
    /// Last read, µs.
    pub used: i64,
    /// End, µs.
    pub expires: i64,
}

/// A snapshot.
pub struct Snapshot {
    /// Its entities.
    pub live: Arc<Live>,
    /// What is told of it.
    pub state: Mutex<State>,
}

/// All snapshots.
#[derive(Default)]
pub struct Snapshots(RwLock<BTreeMap<Iri, Arc<Snapshot>>>);

impl State {
    /// As users see it.
    pub fn describe(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("id".into(), self.id.as_str().into());
        out.insert("type".into(), "Snapshot".into());
        out.insert("snapshotQueries".into(), self.queries.clone().into());
        out.insert("snapshotStatus".into(), json!(self.status));
        out.insert("snapshotPriority".into(), self.priority.into());
        out.insert("snapshotQueriesDetails".into(), self.details.clone().into());
        for (name, at) in [("createdAt", self.created), ("modifiedAt", self.modified), ("lastUsedAt", self.used), ("expiresAt", self.expires)] {
            out.insert(name.into(), instant(at).into());
        }
        out
    }

    /// As an entity, for conditions.
    fn entity(&self) -> Result<Entity> {
        let body = json!({
            "id": self.id, "type": "Snapshot", "snapshotStatus": self.status, "snapshotPriority": self.priority,
            "lastUsedAt": instant(self.used),
        });
        let draft = parse::draft(body.as_object().unwrap_or(&Map::new()), &Ld::default(), Form::WHOLE)?;
        let mut entity = change::create(self.id.as_str().into(), &draft, self.created)?;
        entity.modified = self.modified;
        entity.expires = Some(self.expires);
        Ok(entity)
    }
}

fn priority(body: &Map<String, Value>) -> Result<Option<u64>> {
    let wrong = || bad("snapshotPriority must be a whole number from 1 to 10.");
    body.get("snapshotPriority").map(|v| v.as_u64().filter(|p| (1..=10).contains(p)).ok_or_else(wrong)).transpose()
}

fn end(body: &Map<String, Value>, now: i64) -> Result<Option<i64>> {
    let read = |v: &Value| v.as_str().and_then(parse_instant).filter(|x| *x > now).map(|x| x.min(now + 30 * DAY));
    body.get("expiresAt").map(|v| read(v).ok_or_else(|| bad("expiresAt must be an instant in UTC that lies ahead."))).transpose()
}

fn known(body: &Map<String, Value>, members: &[&str]) -> Result<()> {
    match body.keys().find(|k| !members.contains(&k.as_str())) {
        Some(unknown) => Err(bad(format!("A Snapshot has no member {:?} that could be set here.", cut(unknown)))),
        None if body.get("type").is_some_and(|t| t != "Snapshot") => Err(bad("The type must be Snapshot.")),
        None => Ok(()),
    }
}

impl Snapshots {
    /// Reads what there is. What was being made when we stopped has failed.
    pub async fn open(store: &Store) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (id, doc) in tables::snapshots(store).await? {
            let mut state: State = serde_json::from_value(doc).map_err(|e| Error::internal("reading a snapshot", e))?;
            if state.status == Progress::Preparing {
                state.status = Progress::Failure;
            }
            let (mut entities, mut after) = (Vec::new(), String::new());
            loop {
                let page = tables::snapshot_entities(store, &id, &after).await?;
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
                entities.extend(page.into_iter().map(|(id, mut entity)| {
                    entity.id = id.into();
                    Arc::new(entity)
                }));
            }
            let live = Arc::new(Live::default());
            live.load(entities);
            all.insert(Iri::from(id), Arc::new(Snapshot { live, state: Mutex::new(state) }));
        }
        Ok(Self(RwLock::new(all)))
    }

    fn list(&self) -> Vec<Arc<Snapshot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn put(&self, id: &str, snapshot: Snapshot) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), Arc::new(snapshot));
    }

    fn remove(&self, id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Deletes those that have expired.
    pub async fn forget(&self, store: &Store, now: i64) -> Result<()> {
        for snapshot in self.list() {
            let state = snapshot.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if state.expires <= now {
                let mut tx = store.begin_as("federation").await?;
                tables::delete_snapshot(&mut tx, &state.id).await?;
                tx.commit().await?;
                self.remove(&state.id);
            }
        }
        Ok(())
    }
}

impl Snapshot {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// A snapshot, to be read from.
    pub fn snapshot(&self, caller: &Caller, id: &str) -> Result<Arc<Snapshot>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let found = self.federation.snapshots.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let now = caller.now.as_microsecond();
        let found = found.filter(|s| s.state.lock().unwrap_or_else(PoisonError::into_inner).expires > now);
        found.ok_or_else(|| missing(format!("There is no snapshot {}.", cut(id))))
    }

    /// Begins a snapshot whose queries have been checked; it is filled by [`Context::fill_snapshot`].
    pub async fn begin_snapshot(&self, caller: &Caller, body: &Map<String, Value>, source: Option<&Snapshot>) -> Result<State> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        caller.require(Permission::ContextRead, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let id = match body.get("id") {
            Some(id) => parse::entity_id(id)?.to_string(),
            None => format!("urn:ngsi-ld:Snapshot:{}", self.store.clock().id()),
        };
        let list = self.federation.snapshots.list();
        if list.iter().any(|s| s.state().id == id) {
            return Err(exists(format!("The snapshot {} exists already.", cut(&id))));
        }
        if list.len() >= MAX_SNAPSHOTS {
            return Err(Error::unprocessable(UNSUPPORTED, "There are too many snapshots."));
        }
        let (priority, expires) = (priority(body)?.unwrap_or(5), end(body, now)?.unwrap_or(now + DAY));
        let mut state =
            State { id, queries: Vec::new(), details: Vec::new(), status: Progress::Preparing, priority, created: now, modified: now, used: now, expires };
        let mut live = Arc::new(Live::default());
        match source {
            Some(source) => {
                known(body, &["id", "type", "snapshotPriority", "expiresAt"])?;
                let original = source.state();
                if original.status == Progress::Preparing {
                    return Err(Error::conflict(crate::fault::CONFLICT, "The snapshot is still being made."));
                }
                live = source.live.clone();
                (state.queries, state.details, state.status) = (original.queries, original.details, original.status);
            }
            None => {
                known(body, &["id", "type", "snapshotQueries", "snapshotPriority", "expiresAt"])?;
                let queries = body.get("snapshotQueries").and_then(Value::as_array).filter(|q| !q.is_empty() && q.len() <= MAX_QUERIES);
                state.queries = queries.cloned().ok_or_else(|| bad("A Snapshot needs snapshotQueries: a list of 1 to 50 queries."))?;
            }
        }
        self.keep_snapshot(caller, &state, source.map(|s| &*s.live)).await?;
        self.federation.snapshots.put(&state.id, Snapshot { live, state: Mutex::new(state.clone()) });
        Ok(state)
    }

    async fn keep_snapshot(&self, caller: &Caller, state: &State, entities: Option<&Live>) -> Result<()> {
        let doc = serde_json::to_value(state).map_err(|e| Error::internal("writing a snapshot", e))?;
        let mut rows = Vec::new();
        let mut at: Option<Iri> = None;
        while let Some(live) = entities {
            let chunk = live.chunk(&crate::live::Candidates::All, at.as_deref(), crate::live::Order::Up, 1_000);
            let Some(last) = chunk.last() else { break };
            at = Some(last.id.clone());
            for entity in chunk {
                rows.push((entity.id.to_string(), serde_json::to_string(&*entity).map_err(|e| Error::internal("writing a snapshot", e))?));
            }
        }
        let mut tx = self.store.begin(caller).await?;
        tables::save_snapshot(&mut tx, &state.id, state.expires, &doc).await?;
        tables::add_to_snapshot(&mut tx, &state.id, &rows).await?;
        tx.commit().await
    }

    /// Gives a snapshot the results of its queries.
    pub async fn fill_snapshot(&self, caller: &Caller, id: &str, entities: Vec<Arc<Entity>>, details: Vec<Value>) -> Result<()> {
        let snapshot = self.snapshot(caller, id)?;
        let mut state = snapshot.state();
        let good = details.iter().filter(|d| d["resultStatus"] == "success").count();
        state.status = match (good, details.len()) {
            (0, _) => Progress::Failure,
            (n, all) if n == all => Progress::Success,
            _ => Progress::Partial,
        };
        state.details = details;
        let live = Arc::new(Live::default());
        live.load(entities);
        self.keep_snapshot(caller, &state, Some(&live)).await?;
        self.federation.snapshots.put(id, Snapshot { live, state: Mutex::new(state) });
        Ok(())
    }

    /// What there is, by id.
    pub fn snapshot_states(&self, caller: &Caller) -> Result<Vec<State>> {
        caller.require(Permission::ContextRead, Scope::ANY)?;
        Ok(self.federation.snapshots.list().iter().map(|s| s.state()).collect())
    }

    /// Changes what may be changed of a snapshot.
    pub async fn change_snapshot(&self, caller: &Caller, id: &str, body: &Map<String, Value>) -> Result<State> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let now = caller.now.as_microsecond();
        let snapshot = self.snapshot(caller, id)?;
        known(body, &["type", "snapshotPriority", "expiresAt"])?;
        let (priority, expires) = (priority(body)?, end(body, now)?);
        let mut state = snapshot.state();
        state.priority = priority.unwrap_or(state.priority);
        state.expires = expires.unwrap_or(state.expires);
        state.modified = now;
        self.keep_snapshot(caller, &state, None).await?;
        *snapshot.state.lock().unwrap_or_else(PoisonError::into_inner) = state.clone();
        Ok(state)
    }

    /// Deletes a snapshot.
    pub async fn delete_snapshot(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        self.snapshot(caller, id)?;
        let mut tx = self.store.begin(caller).await?;
        tables::delete_snapshot(&mut tx, id).await?;
        tx.commit().await?;
        self.federation.snapshots.remove(id);
        Ok(())
    }

    /// Deletes all snapshots for which a condition on their own members holds.
    pub async fn purge_snapshots(&self, caller: &Caller, q: Option<&str>) -> Result<()> {
        caller.require(Permission::ContextWrite, Scope::ANY)?;
        let ld = Ld::default();
        let q = q.map(|q| Query::parse(q, &ld)).transpose()?;
        let members = ["snapshotStatus", "snapshotPriority", "lastUsedAt", "createdAt", "modifiedAt", "expiresAt", "id", "type"];
        let members: Vec<Iri> = members.iter().map(|m| ld.expand(m)).collect::<Result<_>>()?;
        let plain = |n: &Iri| members.contains(n) || matches!(&**n, "id" | "type" | "createdAt" | "modifiedAt" | "expiresAt");
        if q.as_ref().is_some_and(|q| !q.attributes().iter().all(plain)) {
            return Err(bad("q may look at members of Snapshot only."));
        }
        let now = caller.now.as_microsecond();
        for snapshot in self.federation.snapshots.list() {
            let state = snapshot.state();
            let entity = state.entity()?;
            if q.as_ref().is_none_or(|q| q.matches(&entity, now, &|_| None)) {
                match self.delete_snapshot(caller, &state.id).await {
                    Err(e) if e.kind() != dothi_kernel::Kind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
