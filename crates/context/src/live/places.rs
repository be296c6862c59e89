//! Where things are: points in a grid of cells of about half a kilometre, everything else in an R-tree.

use std::collections::HashMap;

use dothi_kernel::geo::{BBox, Geometry};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::model::Entity;

/// Degrees of a cell.
const CELL: f64 = 0.005;
/// What `f32` may be off in degrees.
const BLUR: f64 = 3e-5;

type Shape = GeomWithData<Rectangle<[f64; 2]>, u32>;

struct Spot {
    slot: u32,
    lon: f32,
    lat: f32,
}

/// Entities by place.
#[derive(Default)]
pub struct Places {
    points: HashMap<(i32, i32), Vec<Spot>>,
    shapes: RTree<Shape>,
}

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
    /// Adds an entity, when it has a place.
    pub fn insert(&mut self, slot: u32, entity: &Entity) {
        match place(entity) {
            Some(Place::Point(lon, lat)) => {
                self.points.entry((cell(lon), cell(lat))).or_default().push(Spot { slot, lon: lon as f32, lat: lat as f32 });
            }
            Some(Place::Shape(b)) => self.shapes.insert(shape(b, slot)),
            None => {}
        }
    }

    /// Takes an entity out.
    pub fn remove(&mut self, slot: u32, entity: &Entity) {
        match place(entity) {
            Some(Place::Point(lon, lat)) => {
                let key = (cell(lon), cell(lat));
                if let Some(spots) = self.points.get_mut(&key) {
                    if let Some(at) = spots.iter().position(|s| s.slot == slot) {
                        spots.swap_remove(at);
                    }
                    if spots.is_empty() {
                        self.points.remove(&key);
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
    fn cells(&self, area: BBox) -> impl Iterator<Item = &Vec<Spot>> {
        let (west, east) = (cell(area.west - BLUR), cell(area.east + BLUR));
        let (south, north) = (cell(area.south - BLUR), cell(area.north + BLUR));
        let asked = (i64::from(east) - i64::from(west) + 1).saturating_mul(i64::from(north) - i64::from(south) + 1);
        let few = usize::try_from(asked).is_ok_and(|n| n < self.points.len());
        let looked_up = (west..=east).filter(move |_| few).flat_map(move |x| (south..=north).filter_map(move |y| self.points.get(&(x, y))));
        let within = move |(x, y): (i32, i32)| (west..=east).contains(&x) && (south..=north).contains(&y);
        looked_up.chain(self.points.iter().filter(move |(key, _)| !few && within(**key)).map(|(_, spots)| spots))
    }

    fn shapes(&self, area: BBox) -> impl Iterator<Item = u32> {
        self.shapes.locate_in_envelope_intersecting(&AABB::from_corners([area.west, area.south], [area.east, area.north])).map(|s| s.data)
    }

    /// About how many entities touch a box; stops to count beyond `most`.
    pub fn estimate(&self, area: BBox, most: usize) -> usize {
        let mut n = self.shapes(area).take(most + 1).count();
        for spots in self.cells(area) {
            n += spots.len();
            if n > most {
                break;
            }
        }
        n
    }

    /// Entities that may touch a box, in no order.
    pub fn near(&self, area: BBox) -> impl Iterator<Item = u32> {
        let (west, east) = ((area.west - BLUR) as f32, (area.east + BLUR) as f32);
        let (south, north) = ((area.south - BLUR) as f32, (area.north + BLUR) as f32);
        let inside = move |s: &&Spot| s.lon >= west && s.lon <= east && s.lat >= south && s.lat <= north;
        self.shapes(area).chain(self.cells(area).flat_map(move |spots| spots.iter().filter(inside)).map(|s| s.slot))
    }
}
