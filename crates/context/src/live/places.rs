//! Where things are: points in a grid of cells of about half a kilometre, by type, everything else in an R-tree.

use dothi_kernel::geo::{BBox, Geometry};
use hashbrown::HashMap;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::model::{Entity, Iri};

/// Degrees of a cell.
const CELL: f64 = 0.005;
/// What `f32` may be off in degrees.
const BLUR: f64 = 3e-5;

type Shape = GeomWithData<Rectangle<[f64; 2]>, u32>;

#[derive(Clone, Copy)]
struct Spot {
    kind: u32,
    slot: u32,
    lon: f32,
    lat: f32,
}

/// Spots of a cell, those of a type side by side, so that a question for one type does not look at the others.
#[derive(Default)]
struct Cell(Vec<Spot>);

impl Cell {
    fn of(&self, kind: u32) -> &[Spot] {
        let from = self.0.partition_point(|s| s.kind < kind);
        let len = self.0[from..].partition_point(|s| s.kind == kind);
        &self.0[from..from + len]
    }

    /// Calls `each` with the spots of these types, or of all.
    fn visit(&self, kinds: Option<&[u32]>, each: &mut impl FnMut(&[Spot])) {
        match kinds {
            None => each(&self.0),
            Some(kinds) => kinds.iter().for_each(|k| each(self.of(*k))),
        }
    }
}

/// Entities by place. One of several types has a spot for each.
#[derive(Default)]
pub struct Places {
    cells: HashMap<(i32, i32), Cell>,
    shapes: RTree<Shape>,
    /// Numbers of types; they are few and stay.
    kinds: HashMap<Iri, u32>,
}

/// Number of what has no type.
const NO_TYPE: u32 = 0;

enum Place {
    Point(f64, f64),
    Shape(BBox),
}

fn place(entity: &Entity) -> Option<Place> {
    let value = entity.location()?;
    match value.point() {
        Some((lon, lat)) => Some(Place::Point(lon, lat)),
        None => Geometry::from_geojson(&value.json()).ok()?.bbox().map(Place::Shape),
    }
}

fn cell(degrees: f64) -> i32 {
    (degrees / CELL).floor() as i32
}

fn shape(b: BBox, slot: u32) -> Shape {
    Shape::new(Rectangle::from_corners([b.west, b.south], [b.east, b.north]), slot)
}

impl Places {
    fn kinds_of(&mut self, entity: &Entity) -> Vec<u32> {
        let mut kinds: Vec<u32> = Vec::with_capacity(entity.types.len().max(1));
        for kind in &entity.types {
            let next = self.kinds.len() as u32 + 1;
            let number = match self.kinds.get(kind) {
                Some(number) => *number,
                None => *self.kinds.entry(kind.clone()).or_insert(next),
            };
            if !kinds.contains(&number) {
                kinds.push(number);
            }
        }
        if kinds.is_empty() {
            kinds.push(NO_TYPE);
        }
        kinds
    }

    /// Adds an entity, when it has a place.
    pub fn insert(&mut self, slot: u32, entity: &Entity) {
        match place(entity) {
            Some(Place::Point(lon, lat)) => {
                let kinds = self.kinds_of(entity);
                let spots = &mut self.cells.entry((cell(lon), cell(lat))).or_default().0;
                for kind in kinds {
                    let at = spots.partition_point(|s| s.kind <= kind);
                    spots.insert(at, Spot { kind, slot, lon: lon as f32, lat: lat as f32 });
                }
            }
            Some(Place::Shape(b)) => self.shapes.insert(shape(b, slot)),
            None => {}
        }
    }

    /// Takes an entity out, as it was put in.
    pub fn remove(&mut self, slot: u32, entity: &Entity) {
        match place(entity) {
            Some(Place::Point(lon, lat)) => {
                let key = (cell(lon), cell(lat));
                if let Some(Cell(spots)) = self.cells.get_mut(&key) {
                    spots.retain(|s| s.slot != slot);
                    if spots.is_empty() {
                        self.cells.remove(&key);
                    }
                }
            }
            Some(Place::Shape(b)) => {
                self.shapes.remove(&shape(b, slot));
            }
            None => {}
        }
    }

    /// Cells that a box touches.
    fn cells(&self, area: BBox) -> impl Iterator<Item = &Cell> {
        let (west, east) = (cell(area.west - BLUR), cell(area.east + BLUR));
        let (south, north) = (cell(area.south - BLUR), cell(area.north + BLUR));
        let asked = (i64::from(east) - i64::from(west) + 1).saturating_mul(i64::from(north) - i64::from(south) + 1);
        let few = usize::try_from(asked).is_ok_and(|n| n < self.cells.len());
        let looked_up = (west..=east).filter(move |_| few).flat_map(move |x| (south..=north).filter_map(move |y| self.cells.get(&(x, y))));
        let within = move |(x, y): (i32, i32)| (west..=east).contains(&x) && (south..=north).contains(&y);
        looked_up.chain(self.cells.iter().filter(move |(key, _)| !few && within(**key)).map(|(_, cell)| cell))
    }

    fn shapes(&self, area: BBox) -> impl Iterator<Item = u32> {
        self.shapes.locate_in_envelope_intersecting(&AABB::from_corners([area.west, area.south], [area.east, area.north])).map(|s| s.data)
    }

    /// Numbers of types that are known here; none = all types.
    fn numbers(&self, types: Option<&[Iri]>) -> Option<Vec<u32>> {
        types.map(|types| types.iter().filter_map(|t| self.kinds.get(t).copied()).collect())
    }

    /// About how many entities of these types touch a box; stops to count beyond `most`.
    pub fn estimate(&self, area: BBox, types: Option<&[Iri]>, most: usize) -> usize {
        let kinds = self.numbers(types);
        let mut n = self.shapes(area).take(most + 1).count();
        for cell in self.cells(area) {
            cell.visit(kinds.as_deref(), &mut |spots| n += spots.len());
            if n > most {
                break;
            }
        }
        n
    }

    /// Entities of these types that may touch a box, in no order; shapes of all types.
    pub fn near(&self, area: BBox, types: Option<&[Iri]>) -> Vec<u32> {
        let (west, east) = ((area.west - BLUR) as f32, (area.east + BLUR) as f32);
        let (south, north) = ((area.south - BLUR) as f32, (area.north + BLUR) as f32);
        let inside = |s: &&Spot| s.lon >= west && s.lon <= east && s.lat >= south && s.lat <= north;
        let kinds = self.numbers(types);
        let mut found: Vec<u32> = self.shapes(area).collect();
        for cell in self.cells(area) {
            cell.visit(kinds.as_deref(), &mut |spots| found.extend(spots.iter().filter(inside).map(|s| s.slot)));
        }
        // One of several types was found by each.
        if kinds.is_none_or(|k| k.len() > 1) {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
