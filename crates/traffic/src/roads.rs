//! Roads: our own graph in memory. A file of OpenStreetMap or a province's register becomes a graph; over it lie closures and live
//! speeds; on it ways are searched for the vehicles that packs describe. See `docs/adr/0019-roads-our-own-graph-in-memory.md`.

pub mod graph;
pub mod model;
pub mod osm;
pub mod pack;
pub mod read;
pub mod search;
pub mod set;
mod ways;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use dothi_kernel::geo::Point;
use dothi_kernel::roads::RoadNear;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope, Timestamp};
use dothi_store::Store;
use serde_json::json;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::tables_roads;
use graph::Graph;
use model::{Closing, Closure, ClosureInput, ClosureView, RoadsState, SetInput, SetView, Slot};
use pack::RoadsPack;
use read::Format;
use search::{Change, Changes, Metric, Trip};
use set::RoadSet;

/// Searches at once, and those that wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 64;
/// Metres between a point and a road at most.
pub(crate) const APART: f64 = 2_000.0;
/// Metres between a line that is laid over roads and the road.
const BESIDE: f64 = 60.0;
/// Closures by hand.
const CLOSURES: i64 = 2_000;
/// Points of a closure.
const POINTS: usize = 50;
/// Closures of one source, and live speeds.
const TOLD: usize = 20_000;

/// A line and the pieces under it.
type Cover = (Vec<Point>, Vec<u32>);

/// A set of roads that is loaded.
pub(crate) struct Net {
    pub view: SetView,
    pub graph: Graph,
    metrics: Mutex<HashMap<String, Arc<Metric>>>,
    lengths: OnceLock<Metric>,
    changes: RwLock<Arc<Changes>>,
    /// Pieces under live speeds, by key and line: found once.
    covers: Mutex<HashMap<String, Cover>>,
}

#[derive(Clone, Default)]
pub(crate) struct Loaded {
    pub network: Option<Arc<Net>>,
    pub register: Option<Arc<Net>>,
}

impl Loaded {
    /// The set on which ways are searched.
    pub fn routed(&self) -> Option<&Arc<Net>> {
        self.network.as_ref().or(self.register.as_ref())
    }
}

/// A speed at which a stretch of road flows.
#[derive(Debug, Clone, PartialEq)]
pub struct Flowing {
    /// Key of the stretch.
    pub key: String,
    /// Points along it, in the direction of travel.
    pub line: Vec<Point>,
    /// km/h.
    pub kmh: f64,
    /// Until when that is believed.
    pub until: Timestamp,
}

/// What lies over the roads.
#[derive(Default)]
struct Told {
    closings: BTreeMap<String, Vec<Closing>>,
    flowing: Vec<Flowing>,
}

/// The roads of the domain.
pub struct Roads {
    store: Store,
    pack: RwLock<Arc<RoadsPack>>,
    loaded: RwLock<Loaded>,
    told: Mutex<Told>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    importing: tokio::sync::Mutex<()>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(text: &str, field: &'static str, most: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(Error::invalid("roads.text", "A text is missing or too long.").with("field", field).with("limit", most));
    }
    Ok(text.to_string())
}

fn gone_wrong(e: tokio::task::JoinError) -> Error {
    if e.is_panic() {
        // A parser that gives up on outside bytes is the file's fault.
        Error::unprocessable("roads.unreadable", "The file cannot be read as roads.").with("reason", "it is damaged").because(e)
    } else {
        Error::internal("reading roads", e)
    }
}

impl Net {
    fn new(view: SetView, graph: Graph) -> Self {
        let changes = RwLock::new(Arc::new(Changes::new(graph.pieces().len())));
        Self { view, graph, metrics: Mutex::default(), lengths: OnceLock::new(), changes, covers: Mutex::default() }
    }

    pub(crate) fn changes(&self) -> Arc<Changes> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The metric of a vehicle; reckoned when it is first asked for.
    pub(crate) fn metric(&self, vehicle: &pack::Vehicle) -> Arc<Metric> {
        let mut metrics = held(&self.metrics);
        metrics.entry(vehicle.code.clone()).or_insert_with(|| Arc::new(Metric::of(&self.graph, vehicle))).clone()
    }

    /// The pieces that a line of points lies over, in the direction of the points.
    fn cover(&self, line: &[Point], both: bool) -> Vec<u32> {
        let lengths = self.lengths.get_or_init(|| Metric::lengths(&self.graph));
        let none = Changes::default();
        let trip = Trip { graph: &self.graph, metric: lengths, changes: &none, vehicle: "", at: 0 };
        let near = |p: &Point| self.graph.around(*p, BESIDE).take(1).collect::<Vec<_>>();
        let mut found: Vec<u32> = Vec::new();
        if let [point] = line {
            found.extend(near(point).iter().flat_map(|s| [s.piece << 1, s.piece << 1 | 1]));
        }
        for pair in line.windows(2) {
            let straight = pair[0].distance(pair[1]);
            let (a, b) = (near(&pair[0]), near(&pair[1]));
            // A line that the roads do not follow lies over none of them.
            let bound = ((straight * 2.0 + 500.0) * 100.0 + BESIDE * 1_440.0).min(4e9) as u32;
            let Some(route) = trip.route(&a, &b, bound) else { continue };
            for (i, part) in route.parts.iter().enumerate() {
                let inner = i > 0 && i + 1 < route.parts.len();
                // The first and the last piece count when the line lies over a good part of them, or over nothing else.
                if inner || part.to - part.from >= 0.3 || route.parts.len() == 1 {
                    found.push(part.directed);
                }
            }
        }
        if both {
            found.extend(found.clone().iter().map(|d| d ^ 1));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn lay(&self, told: &Told) {
        let mut changes = Changes::new(self.graph.pieces().len());
        for closing in told.closings.values().flatten() {
            let (from, to) = (closing.from.map_or(i64::MIN, |t| t.as_microsecond()), closing.to.map_or(i64::MAX, |t| t.as_microsecond()));
            let pass: Arc<[String]> = closing.pass.clone().into();
            for directed in self.cover(&closing.line, closing.both) {
                changes.add(directed, Change::Closed { from, to, pass: pass.clone() });
            }
        }
        let mut covers = held(&self.covers);
        covers.retain(|key, _| told.flowing.iter().any(|f| f.key == *key));
        for f in &told.flowing {
            let known = covers.get(&f.key).filter(|(line, _)| *line == f.line).map(|(_, pieces)| pieces.clone());
            let pieces = known.unwrap_or_else(|| {
                let pieces = self.cover(&f.line, false);
                covers.insert(f.key.clone(), (f.line.clone(), pieces.clone()));
                pieces
            });
            for directed in pieces {
                changes.add(directed, Change::Speed { kmh: f.kmh, until: f.until.as_microsecond() });
            }
        }
        *self.changes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(changes);
    }
}

impl Roads {
    /// Opens the roads over a store that has the domain's migrations; the graphs of the sets in force are built.
    pub async fn open(store: Store) -> Result<Self> {
        let this = Self {
            store,
            pack: RwLock::default(),
            loaded: RwLock::default(),
            told: Mutex::default(),
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            importing: tokio::sync::Mutex::default(),
        };
        for view in tables_roads::sets(&this.store).await? {
            let (_, bytes) = this.store.blobs().get(&view.sha256).await?;
            let graph = tokio::task::spawn_blocking(move || RoadSet::decode(&bytes).map(Graph::build)).await.map_err(gone_wrong)??;
            this.put(Net::new(view, graph));
        }
        this.reload_closures().await?;
        Ok(this)
    }

    /// Says how vehicles go and who owns what, as packs have it.
    pub fn set_pack(&self, pack: RoadsPack) {
        *self.pack.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pack);
        let loaded = self.loaded();
        for net in [&loaded.network, &loaded.register].into_iter().flatten() {
            held(&net.metrics).clear();
        }
    }

    pub(crate) fn pack(&self) -> Arc<RoadsPack> {
        self.pack.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn loaded(&self) -> Loaded {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, net: Net) {
        net.lay(&held(&self.told));
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        let slot = if net.view.slot == Slot::Network { &mut loaded.network } else { &mut loaded.register };
        *slot = Some(Arc::new(net));
    }

    fn lay(&self) {
        let told = held(&self.told);
        let loaded = self.loaded();
        for net in [&loaded.network, &loaded.register].into_iter().flatten() {
            net.lay(&told);
        }
    }

    /// Replaces the closures of one source (`works`): those of others stay. At most 20,000; what is more is left out.
    pub fn set_closures(&self, source: &str, mut closings: Vec<Closing>) {
        closings.truncate(TOLD);
        let before = held(&self.told).closings.insert(source.to_string(), closings.clone());
        if before.as_ref() != Some(&closings) {
            self.lay();
        }
    }

    /// Replaces all live speeds. At most 20,000; what is more is left out.
    pub fn set_speeds(&self, mut flowing: Vec<Flowing>) {
        flowing.truncate(TOLD);
        flowing.retain(|f| f.kmh.is_finite() && f.kmh > 0.0);
        held(&self.told).flowing = flowing;
        self.lay();
    }

    /// Sets in force, vehicles and owners, with where each is from. Public: what a map shows must say whose it is.
    pub fn state(&self, _: &Caller) -> RoadsState {
        let (loaded, pack) = (self.loaded(), self.pack());
        let view = |net: &Option<Arc<Net>>| net.as_ref().map(|n| n.view.clone());
        RoadsState {
            network: view(&loaded.network),
            register: view(&loaded.register),
            vehicles: pack.vehicle.clone(),
            owners: pack.owner.clone(),
            changed: loaded.routed().map_or(0, |n| n.changes().len()),
        }
    }

    /// Takes a file of roads: the graph is built first, then it takes the place of the one before in one change. Needs
    /// `traffic-manage`. 422 `roads.unreadable`, `roads.none` or `roads.format`, 413 `roads.too-many`, 409 `roads.importing`.
    pub async fn import(&self, caller: &Caller, path: PathBuf, input: SetInput) -> Result<SetView> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let (source, licence) = (words(&input.source, "source", 300)?, words(&input.licence, "licence", 100)?);
        let file = words(&input.file, "file", 200)?;
        let unknown = || Error::unprocessable("roads.format", "Say how the file is written: PBF, OSM XML, Overpass JSON or GeoJSON.");
        let format = input.format.or_else(|| Format::of(&file)).ok_or_else(unknown)?;
        let Ok(_turn) = self.importing.try_lock() else {
            return Err(Error::conflict("roads.importing", "Another file of roads is being taken."));
        };
        let work = move || {
            let (set, taken) = read::read(&path, format)?;
            let bytes = set.encode();
            Ok::<_, Error>((bytes, Graph::build(set), taken))
        };
        let (bytes, graph, taken) = tokio::task::spawn_blocking(work).await.map_err(gone_wrong)??;
        if bytes.len() > set::limit::BYTES {
            return Err(Error::too_large("roads.too-many", "The file holds more than can be taken.").with("limit", set::limit::BYTES));
        }
        let blob = self.store.blobs().put(bytes.into(), "application/octet-stream").await?;
        let bbox = graph.bbox();
        let mut tx = self.store.begin(caller).await?;
        let view = SetView {
            id: tx.id(),
            slot: input.slot,
            source,
            licence,
            taken_on: input.taken_on,
            file,
            sha256: blob.sha256.clone(),
            at: caller.now,
            by: caller.name.to_string(),
            taken,
            pieces: graph.pieces().len() as u64,
            km: (graph.pieces().iter().map(|p| f64::from(p.length_cm)).sum::<f64>() / 10_000.0).round() / 10.0,
            bbox: [bbox.west, bbox.south, bbox.east, bbox.north],
            bytes: graph.bytes() as u64,
            unclear: graph.unclear,
        };
        tx.attach(&blob).await?;
        if let Some(before) = tables_roads::replace(&mut tx, &view).await? {
            tx.detach(&before).await?;
        }
        let facts = json!({ "file": view.file, "source": view.source, "licence": view.licence, "taken_on": view.taken_on, "pieces": view.pieces });
        tx.audit("roads.import", &format!("roads:{}", view.slot.word()), &facts).await?;
        tx.emit(Event::TrafficChanged { what: "roads".into() });
        tx.commit().await?;
        self.put(Net::new(view.clone(), graph));
        Ok(view)
    }

    /// Takes a set of roads away. Needs `traffic-manage`. 404 when there is none.
    pub async fn drop_set(&self, caller: &Caller, slot: Slot) -> Result<()> {
        caller.require(Permission::TrafficManage, Scope::ANY)?;
        let Ok(_turn) = self.importing.try_lock() else {
            return Err(Error::conflict("roads.importing", "Another file of roads is being taken."));
        };
        let there = match slot {
            Slot::Network => self.loaded().network.is_some(),
            Slot::Register => self.loaded().register.is_some(),
        };
        if !there {
            return Err(Error::not_found("roads.no-set", "There is no such set of roads."));
        }
        let mut tx = self.store.begin(caller).await?;
        if let Some(before) = tables_roads::forget(&mut tx, slot).await? {
            tx.detach(&before).await?;
        }
        tx.audit("roads.drop", &format!("roads:{}", slot.word()), &json!({})).await?;
        tx.emit(Event::TrafficChanged { what: "roads".into() });
        tx.commit().await?;
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        match slot {
            Slot::Network => loaded.network = None,
            Slot::Register => loaded.register = None,
        }
        Ok(())
    }

    async fn reload_closures(&self) -> Result<()> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(String::new(), |c: &Closure| c.id.to_string());
            let some = tables_roads::closures(&self.store, self.store.clock().now(), &after, 500).await?;
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        let closing = |c: &Closure| Closing { key: c.id.to_string(), line: c.line.clone(), both: c.both, from: Some(c.from), to: c.to, pass: c.pass.clone() };
        self.set_closures("hand", all.iter().map(closing).collect());
        Ok(())
    }

    fn closure_view(&self, closure: Closure) -> ClosureView {
        let metres = self.loaded().routed().map_or(0.0, |net| {
            let length = |d: &u32| f64::from(net.graph.pieces()[(*d >> 1) as usize].length_cm) / 100.0;
            net.cover(&closure.line, closure.both).iter().map(length).sum()
        });
        ClosureView { closure, metres }
    }

    /// Closures by hand that are not over, by id. Needs `traffic-read`.
    pub async fn closures(&self, caller: &Caller, query: &dothi_kernel::PageQuery) -> Result<dothi_kernel::Page<ClosureView>> {
        caller.require(Permission::TrafficRead, Scope::ANY)?;
        let limit = query.limit();
        let rows = tables_roads::closures(&self.store, caller.now, query.after.as_deref().unwrap_or(""), limit + 1).await?;
        let page = dothi_kernel::Page::of(rows, limit, |c| c.id.to_string());
        Ok(dothi_kernel::Page { items: page.items.into_iter().map(|c| self.closure_view(c)).collect(), next: page.next, total: page.total })
    }

    /// Closes a road. Needs `traffic-handle`. 422 `roads.closure.nowhere` when no road lies there.
    pub async fn close(&self, caller: &Caller, input: ClosureInput) -> Result<ClosureView> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let reason = words(&input.reason, "reason", 500)?;
        if input.line.is_empty() || input.line.len() > POINTS {
            return Err(Error::invalid("roads.closure.line", "A closure has one to fifty points.").with("limit", POINTS));
        }
        let line = input.line.iter().map(|p| Point::new(p.lon, p.lat)).collect::<Result<Vec<_>>>()?;
        let from = input.from.unwrap_or(caller.now);
        if input.to.is_some_and(|to| to <= from || to <= caller.now) {
            return Err(Error::invalid("roads.closure.time", "A closure ends after it begins, and not before now."));
        }
        let known = self.pack();
        if let Some(unknown) = input.pass.iter().find(|p| !known.vehicle.iter().any(|v| v.code == **p)) {
            return Err(Error::unprocessable("roads.vehicle", "There is no such vehicle.").with("vehicle", unknown));
        }
        let mut tx = self.store.begin(caller).await?;
        if tables_roads::closure_count(&mut tx, caller.now).await? >= CLOSURES {
            return Err(Error::conflict("roads.closure.full", "There are too many closures.").with("limit", CLOSURES));
        }
        let both = input.both || line.len() == 1;
        let closure = Closure { id: tx.id(), line, reason, both, from, to: input.to, pass: input.pass, by: caller.name.to_string(), at: caller.now };
        let view = self.closure_view(closure);
        if view.metres == 0.0 {
            return Err(Error::unprocessable("roads.closure.nowhere", "No road lies under this line.").with("within_m", BESIDE));
        }
        tables_roads::put_closure(&mut tx, &view.closure).await?;
        let facts = json!({ "reason": view.closure.reason, "metres": view.metres.round(), "from": from, "to": view.closure.to });
        tx.audit("roads.close", &format!("closure:{}", view.closure.id), &facts).await?;
        tx.emit(Event::TrafficChanged { what: "roads".into() });
        tx.commit().await?;
        self.reload_closures().await?;
        Ok(view)
    }

    /// Ends a closure. Needs `traffic-handle`. 404 when there is none.
    pub async fn reopen(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::TrafficHandle, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !tables_roads::open(&mut tx, id).await? {
            return Err(Error::not_found("roads.closure.unknown", "There is no such closure."));
        }
        tx.audit("roads.reopen", &format!("closure:{id}"), &json!({})).await?;
        tx.emit(Event::TrafficChanged { what: "roads".into() });
        tx.commit().await?;
        self.reload_closures().await
    }

    /// Roads within so many metres, the nearest first, each once; those of the register before those of the network.
    pub fn nearest(&self, point: Point, within_m: f64) -> Vec<RoadNear> {
        let (loaded, pack) = (self.loaded(), self.pack());
        let mut found: Vec<RoadNear> = Vec::new();
        for net in [&loaded.register, &loaded.network].into_iter().flatten() {
            let mut seen = std::collections::HashSet::new();
            for snap in net.graph.around(point, within_m.clamp(0.0, APART)).take(500) {
                let way = net.graph.way(snap.piece);
                // The pieces of one road count once.
                if found.len() >= 20 || !seen.insert((way.name, way.number, way.class, way.owner)) {
                    continue;
                }
                let (name, number) = (net.graph.word(way.name).to_string(), net.graph.word(way.number).to_string());
                let said = net.graph.word(way.owner);
                let owner =
                    if said.is_empty() { pack.owner_by_number(&number).map(|o| (o.code.clone(), "number")) } else { Some((said.to_string(), "register")) };
                found.push(RoadNear {
                    name,
                    number,
                    class: set::CLASSES[usize::from(way.class)].to_string(),
                    owner_by: owner.as_ref().map(|(_, by)| (*by).to_string()),
                    owner: owner.map(|(code, _)| code),
                    metres: (snap.metres * 10.0).round() / 10.0,
                });
            }
        }
        found
    }

    /// A name in the data folder for a file that is being handed in.
    pub(crate) fn spool(&self) -> PathBuf {
        self.store.data().join(format!("roads-{}.tmp", self.store.clock().id()))
    }

    /// Does a search away from the requests' threads, when its turn comes. 503 `roads.busy` when too many wait.
    pub(crate) async fn turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Error::unavailable("roads.busy", "Too many ways are being searched. Try again in a moment.");
        let _place = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|e| Error::internal("searching a way", e))
    }
}
