//! Units in memory: everything `Directory` answers, without waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, RwLock};

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::geo::{BBox, Geometry, Point};
use dothi_kernel::text::fold;
use dothi_kernel::{Error, Place, Result, UnitRef};

use crate::guard::Hashing;
use crate::model::{AreaRef, Found, Outline, Reach, Related, Role, SpecialDay, Succession, Unit, UnitHistory, UnitKind};
use crate::pack::{PackSettings, Policy};

/// How often an area may pass on to another when following it to today.
const STEPS: usize = 16;

/// Ids that a grant covers.
type Cover = Arc<BTreeSet<String>>;

/// Units, roles and rules as believed now. Replaced as a whole when they change.
pub(crate) struct Snapshot {
    today: String,
    versions: HashMap<String, Vec<Arc<Unit>>>,
    current: HashMap<String, Arc<Unit>>,
    below: HashMap<String, Vec<String>>,
    /// All versions of areas by parent, also past ones.
    ever_below: HashMap<String, Vec<Arc<Unit>>>,
    by_area: HashMap<String, Vec<String>>,
    successors: HashMap<String, Vec<Succession>>,
    predecessors: HashMap<String, Vec<Succession>>,
    names: Vec<(String, Arc<Unit>)>,
    outlines: HashMap<String, Outline>,
    shapes: Vec<Shape>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) hashing: Option<Arc<Hashing>>,
    pub(crate) calendar: Option<Arc<WorkCalendar>>,
    pub(crate) days: Vec<SpecialDay>,
    /// Changes whenever anything that `areas.geojson` shows changes.
    pub(crate) stamp: String,
    covers: RwLock<HashMap<(String, Reach), Cover>>,
}

/// The outline of a commune, ready to be asked.
struct Shape {
    code: String,
    tolerance: f64,
    bbox: BBox,
    geometry: Geometry,
}

/// What the tables hold.
pub(crate) struct Loaded {
    pub units: Vec<Unit>,
    pub successions: Vec<Succession>,
    pub outlines: Vec<Outline>,
    pub packs: Vec<(String, PackSettings)>,
}

impl Snapshot {
    pub(crate) fn build(loaded: Loaded, now: dothi_kernel::Timestamp) -> Result<Self> {
        let (mut roles, mut policy, mut calendar, mut days, mut stamp) = (BTreeMap::new(), None, None, Vec::new(), String::new());
        for (hash, settings) in loaded.packs {
            roles.extend(settings.roles);
            policy = settings.policy.map(Arc::new).or(policy);
            if let Some(text) = &settings.calendar {
                calendar = Some(Arc::new(crate::pack::calendar(text)?));
                days = crate::pack::special_days(text)?;
            }
            stamp.push_str(&hash);
        }
        let zone = calendar.as_ref().map_or(jiff::tz::TimeZone::UTC, |c| c.zone().clone());
        let today = zone.to_datetime(now).date().to_string();
        let mut s = Self {
            today,
            versions: HashMap::new(),
            current: HashMap::new(),
            below: HashMap::new(),
            ever_below: HashMap::new(),
            by_area: HashMap::new(),
            successors: HashMap::new(),
            predecessors: HashMap::new(),
            names: Vec::with_capacity(loaded.units.len()),
            outlines: loaded.outlines.into_iter().map(|o| (o.area.clone(), o)).collect(),
            shapes: Vec::new(),
            roles,
            hashing: policy.as_ref().map(|p: &Arc<Policy>| Hashing::new(&p.password)),
            policy,
            calendar,
            days,
            stamp,
            covers: RwLock::default(),
        };
        for unit in loaded.units {
            s.add(Arc::new(unit));
        }
        for list in s.below.values_mut().chain(s.by_area.values_mut()) {
            list.sort_unstable();
            list.dedup();
        }
        s.versions.values_mut().for_each(|v| v.sort_by(|a, b| a.valid_from.cmp(&b.valid_from)));
        for succession in loaded.successions {
            s.predecessors.entry(succession.new.clone()).or_default().push(succession.clone());
            s.successors.entry(succession.old.clone()).or_default().push(succession);
        }
        s.shapes = s.read_shapes()?;
        s.stamp.push_str(&s.today);
        Ok(s)
    }

    fn add(&mut self, unit: Arc<Unit>) {
        if unit.kind == UnitKind::Area {
            self.names.push((fold(&unit.name), unit.clone()));
            if let Some(parent) = &unit.parent {
                self.ever_below.entry(parent.clone()).or_default().push(unit.clone());
            }
        }
        if unit.valid_on(&self.today) {
            if let Some(parent) = &unit.parent {
                self.below.entry(parent.clone()).or_default().push(unit.id.clone());
            }
            if let Some(area) = &unit.area {
                self.by_area.entry(area.clone()).or_default().push(unit.id.clone());
            }
            self.current.insert(unit.id.clone(), unit.clone());
        }
        self.versions.entry(unit.id.clone()).or_default().push(unit);
    }

    /// Outlines of areas without areas below them: those that `locate` answers with.
    fn read_shapes(&self) -> Result<Vec<Shape>> {
        let lowest = |o: &&Outline| self.current.contains_key(&o.area) && !self.below.get(&o.area).is_some_and(|b| b.iter().any(|id| self.is_area(id)));
        let shape = |o: &Outline| {
            let json = serde_json::from_str(&o.geometry).map_err(|e| Error::internal("reading an outline", e))?;
            let geometry = Geometry::from_geojson(&json)?;
            Ok(geometry.bbox().map(|bbox| Shape { code: o.area.clone(), tolerance: o.tolerance, bbox, geometry }))
        };
        let mut shapes: Vec<Shape> = self.outlines.values().filter(lowest).map(shape).filter_map(Result::transpose).collect::<Result<_>>()?;
        shapes.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        Ok(shapes)
    }

    fn is_area(&self, id: &str) -> bool {
        self.current.get(id).is_some_and(|u| u.kind == UnitKind::Area)
    }

    pub(crate) fn today(&self) -> &str {
        &self.today
    }

    pub(crate) fn unit(&self, id: &str) -> Option<&Arc<Unit>> {
        self.current.get(id)
    }

    /// The next day on which some unit begins or ends.
    pub(crate) fn next_turn(&self) -> Option<&str> {
        let days = self.versions.values().flatten().flat_map(|u| [Some(u.valid_from.as_str()), u.valid_to.as_deref()]);
        days.flatten().filter(|d| *d > self.today.as_str()).min()
    }

    pub(crate) fn place(&self, code: &str) -> Option<Place> {
        let commune = self.current.get(code).filter(|u| u.kind == UnitKind::Area)?;
        let mut top = commune;
        while let Some(parent) = top.parent.as_ref().and_then(|p| self.current.get(p)) {
            top = parent;
        }
        if top.id == commune.id {
            return None;
        }
        Some(Place { commune: commune.id.clone(), commune_name: commune.name.clone(), province: top.id.clone(), province_name: top.name.clone() })
    }

    /// The lowest area at a point. Outlines are simplified one by one, so there are slivers between neighbours: a
    /// point in one belongs to the nearest outline within their tolerance.
    pub(crate) fn locate(&self, p: Point) -> Option<Place> {
        let near = |s: &&Shape| {
            let t = s.tolerance * 2.0;
            (s.bbox.west - t..=s.bbox.east + t).contains(&p.lon) && (s.bbox.south - t..=s.bbox.north + t).contains(&p.lat)
        };
        let candidates: Vec<&Shape> = self.shapes.iter().filter(near).collect();
        let inside = candidates.iter().find(|s| s.bbox.contains(p) && s.geometry.contains(p));
        let found = inside.or_else(|| [1.0, 2.0].into_iter().find_map(|ring| candidates.iter().find(|s| s.touches(p, s.tolerance * ring))))?;
        self.place(&found.code)
    }

    pub(crate) fn organisation_for(&self, area: &str, function: &str) -> Option<UnitRef> {
        let mut function = function;
        loop {
            let mut at = Some(area);
            for _ in 0..STEPS {
                let Some(code) = at else { break };
                let organisations = self.by_area.get(code).into_iter().flatten().filter_map(|id| self.current.get(id));
                if let Some(found) = organisations.into_iter().find(|o| o.functions.iter().any(|f| f == function)) {
                    return Some(found.reference());
                }
                at = self.current.get(code).and_then(|u| u.parent.as_deref());
            }
            function = function.rsplit_once(':')?.0;
        }
    }

    pub(crate) fn is_within(&self, unit: &str, ancestor: &str) -> bool {
        let climb = |from: &str| {
            let mut at = Some(from.to_string());
            for _ in 0..STEPS {
                match at {
                    Some(id) if id == ancestor => return true,
                    Some(id) => at = self.current.get(&id).and_then(|u| u.parent.clone()),
                    None => return false,
                }
            }
            false
        };
        climb(unit) || self.current.get(unit).and_then(|u| u.area.as_deref()).is_some_and(climb)
    }

    pub(crate) fn areas_below(&self, parent: &str) -> Vec<UnitRef> {
        let areas = self.below.get(parent).into_iter().flatten().filter_map(|id| self.current.get(id)).filter(|u| u.kind == UnitKind::Area);
        areas.map(|u| u.reference()).collect()
    }

    /// Ids a role with this reach covers at a unit; `None` = all.
    pub(crate) fn cover(&self, unit: &str, reach: Reach) -> Option<Cover> {
        if reach == Reach::All {
            return None;
        }
        let key = (unit.to_string(), reach);
        if let Some(known) = self.covers.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key) {
            return Some(known.clone());
        }
        let cover = Arc::new(self.reckon_cover(unit, reach));
        // Keys are units of grants that exist, times two: the map stays small.
        self.covers.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key, cover.clone());
        Some(cover)
    }

    fn reckon_cover(&self, unit: &str, reach: Reach) -> BTreeSet<String> {
        let mut cover = BTreeSet::from([unit.to_string()]);
        let Some(of) = self.current.get(unit) else { return cover };
        let area = if of.kind == UnitKind::Area { Some(of.id.as_str()) } else { of.area.as_deref() };
        let areas = area.map(|a| self.descend(a)).unwrap_or_default();
        if reach == Reach::Area || of.kind == UnitKind::Area {
            for id in areas.iter().filter_map(|a| self.by_area.get(a)).flatten() {
                cover.extend(self.descend(id));
            }
        } else {
            cover.extend(self.descend(unit));
        }
        cover.extend(areas);
        cover
    }

    fn descend(&self, from: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::from([from.to_string()]);
        let mut queue = VecDeque::from([from.to_string()]);
        while let Some(id) = queue.pop_front() {
            for below in self.below.get(&id).into_iter().flatten() {
                if seen.insert(below.clone()) {
                    queue.push_back(below.clone());
                }
            }
        }
        seen
    }

    /// Areas whose old or new names hold the words; names of today and near matches first.
    pub(crate) fn search(&self, words: &str) -> Vec<&Arc<Unit>> {
        let words = fold(words);
        if words.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(u8, bool, &Arc<Unit>)> = Vec::new();
        for (name, unit) in &self.names {
            let Some(at) = name.find(&words) else { continue };
            let whole_word = at == 0 || name[..at].ends_with(' ');
            // "thai binh" finds "tinh thai binh" before "xa thai binh trung" before "xa nam thai binhx".
            let rank = match (at + words.len() == name.len(), whole_word) {
                (true, true) => 0,
                (false, true) => 1,
                _ => 2,
            };
            found.push((rank, !unit.valid_on(&self.today), unit));
        }
        let level = |u: &Unit| u.id.len();
        found.sort_by(|a, b| (a.0, level(a.2), a.1, &a.2.id, &a.2.valid_from).cmp(&(b.0, level(b.2), b.1, &b.2.id, &b.2.valid_from)));
        let mut seen = HashSet::new();
        found.into_iter().map(|(_, _, u)| u).filter(|u| seen.insert((u.id.as_str(), u.name.as_str()))).collect()
    }

    pub(crate) fn found(&self, unit: &Arc<Unit>) -> Found {
        let mut current = BTreeSet::new();
        self.follow(unit, &mut current, &mut HashSet::new(), STEPS);
        let current = current.into_iter().filter_map(|id| self.current.get(id)).map(|u| AreaRef { code: u.id.clone(), name: u.name.clone() }).collect();
        let until = unit.valid_to.clone().filter(|_| !unit.valid_on(&self.today));
        Found { code: unit.id.clone(), name: unit.name.clone(), level: unit.level.clone(), until, current }
    }

    /// What became of a version: itself when it still stands, else what succeeded it, else (a level that was
    /// abolished) what became of the units below it.
    fn follow<'a>(&'a self, unit: &'a Unit, out: &mut BTreeSet<&'a str>, seen: &mut HashSet<(&'a str, &'a str)>, steps: usize) {
        if !seen.insert((&unit.id, &unit.valid_from)) || steps == 0 {
            return;
        }
        let Some(end) = unit.valid_to.as_deref().filter(|_| !unit.valid_on(&self.today)) else {
            out.insert(&unit.id);
            return;
        };
        let passed = |s: &&Succession| s.date.as_str() >= end;
        let next = self.successors.get(&unit.id).into_iter().flatten().filter(passed).map(|s| s.date.as_str()).min();
        let later = self.versions.get(&unit.id).into_iter().flatten().find(|v| v.valid_from.as_str() >= end);
        // A later version of the same unit counts only up to the next succession.
        if let Some(later) = later.filter(|l| next.is_none_or(|n| l.valid_from.as_str() < n)) {
            return self.follow(later, out, seen, steps - 1);
        }
        if let Some(date) = next {
            for s in self.successors.get(&unit.id).into_iter().flatten().filter(|s| s.date == date) {
                if let Some(new) = self.version_on(&s.new, date) {
                    self.follow(new, out, seen, steps - 1);
                }
            }
            return;
        }
        for child in self.ever_below.get(&unit.id).into_iter().flatten().filter(|v| v.valid_to.as_deref() == Some(end)) {
            self.follow(child, out, seen, steps - 1);
        }
    }

    fn version_on(&self, id: &str, day: &str) -> Option<&Arc<Unit>> {
        self.versions.get(id)?.iter().find(|v| v.valid_on(day))
    }

    pub(crate) fn history(&self, id: &str) -> Option<UnitHistory> {
        let versions = self.versions.get(id)?;
        let unit = self.current.get(id).or(versions.last())?;
        let before = |s: &Succession| {
            // The old unit's name on its last day.
            let old = self.versions.get(&s.old).and_then(|v| v.iter().rev().find(|v| v.valid_from < s.date));
            Related { id: s.old.clone(), name: old.map_or(s.old.clone(), |u| u.name.clone()), kind: s.kind.clone(), date: s.date.clone(), share: s.share }
        };
        let after = |s: &Succession| {
            let new = self.version_on(&s.new, &s.date);
            Related { id: s.new.clone(), name: new.map_or(s.new.clone(), |u| u.name.clone()), kind: s.kind.clone(), date: s.date.clone(), share: s.share }
        };
        Some(UnitHistory {
            unit: Unit::clone(unit),
            versions: versions.iter().map(|v| Unit::clone(v)).collect(),
            predecessors: self.predecessors.get(id).into_iter().flatten().map(before).collect(),
            successors: self.successors.get(id).into_iter().flatten().map(after).collect(),
        })
    }

    /// A GeoJSON feature collection of the areas below `parent` (none = the top) whose outlines are loaded.
    pub(crate) fn areas_geojson(&self, parent: Option<&str>) -> String {
        let mut areas: Vec<&Arc<Unit>> =
            self.outlines.keys().filter_map(|id| self.current.get(id)).filter(|u| u.kind == UnitKind::Area && u.parent.as_deref() == parent).collect();
        areas.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut out = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
        for (i, unit) in areas.into_iter().enumerate() {
            let Some(outline) = self.outlines.get(&unit.id) else { continue };
            if i > 0 {
                out.push(',');
            }
            let properties = serde_json::json!({ "code": unit.id, "name": unit.name, "level": unit.level });
            out.push_str(&format!("{{\"type\":\"Feature\",\"properties\":{properties},\"geometry\":{}}}", outline.geometry));
        }
        out.push_str("]}");
        out
    }
}

impl Shape {
    /// Whether a circle of this radius (degrees) around the point, taken at eight places, reaches the area.
    fn touches(&self, p: Point, radius: f64) -> bool {
        const DIAGONAL: f64 = std::f64::consts::FRAC_1_SQRT_2;
        let around =
            [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (DIAGONAL, DIAGONAL), (DIAGONAL, -DIAGONAL), (-DIAGONAL, DIAGONAL), (-DIAGONAL, -DIAGONAL)];
        around.iter().any(|(x, y)| self.geometry.contains(Point { lon: p.lon + x * radius, lat: p.lat + y * radius }))
    }
}
