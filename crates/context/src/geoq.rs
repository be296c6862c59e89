//! Geo-queries (CIM 009, 4.10): `near` in metres on the sphere, the others by the DE-9IM relation of the geometries.

use dothi_kernel::Result;
use dothi_kernel::geo::{BBox, Geometry, Point};
use geo::{Distance, Euclidean, MapCoords, Relate};
use serde_json::{Value, json};

use crate::fault::{bad, complex, cut};
use crate::model::{AttrKind, Entity, Iri, LOCATION, find};
use crate::val::Val;

/// Metres of one degree of latitude.
const DEGREE: f64 = 111_195.0;
/// Positions that a query's geometry may have.
const MAX_POSITIONS: usize = 10_000;

/// A relation to the query's geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Relation {
    /// Not farther than, not nearer than, in metres.
    Near(Option<f64>, Option<f64>),
    /// Lies within.
    Within,
    /// Contains.
    Contains,
    /// Has a point in common.
    Intersects,
    /// Is the same place.
    Equals,
    /// Has no point in common.
    Disjoint,
    /// Overlaps partly.
    Overlaps,
}

/// A parsed geo-query.
#[derive(Debug, Clone)]
pub struct GeoQuery {
    relation: Relation,
    geometry: Geometry,
    property: Iri,
}

impl Relation {
    /// Reads `georel`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || bad(format!("georel {:?} is not known.", cut(text)));
        let mut parts = text.split(';');
        let relation = match parts.next() {
            Some("near") => {
                let part = parts.next().ok_or_else(|| bad("georel near needs maxDistance or minDistance."))?;
                let (name, metres) = part.split_once("==").ok_or_else(wrong)?;
                let metres = metres.parse::<f64>().ok().filter(|m| m.is_finite() && *m > 0.0);
                let metres = metres.ok_or_else(|| bad("The distance of near must be a number of metres above 0."))?;
                match name {
                    "maxDistance" => Relation::Near(Some(metres), None),
                    "minDistance" => Relation::Near(None, Some(metres)),
                    _ => return Err(wrong()),
                }
            }
            Some("within") => Relation::Within,
            Some("contains") => Relation::Contains,
            Some("intersects") => Relation::Intersects,
            Some("equals") => Relation::Equals,
            Some("disjoint") => Relation::Disjoint,
            Some("overlaps") => Relation::Overlaps,
            _ => return Err(wrong()),
        };
        if parts.next().is_some() { Err(wrong()) } else { Ok(relation) }
    }
}

impl GeoQuery {
    /// Builds a query of its parts. `coordinates` is JSON.
    pub fn new(georel: &str, geometry: &str, coordinates: &Value, property: Option<Iri>) -> Result<Self> {
        let relation = Relation::parse(georel)?;
        let value = json!({"type": geometry, "coordinates": coordinates});
        let value = crate::parse::geojson("geometry", &value)?;
        let geometry = Geometry::from_geojson(&value).map_err(|_| bad("The geometry of the query is not valid."))?;
        if geo::CoordsIter::coords_count(&geometry.0) > MAX_POSITIONS {
            return Err(complex("The geometry of the query has too many positions."));
        }
        Ok(Self { relation, geometry, property: property.unwrap_or_else(|| LOCATION.into()) })
    }

    /// The attribute it looks at.
    pub fn property(&self) -> &Iri {
        &self.property
    }

    /// A box outside of which no location can match; none when there is no such box or another property is asked.
    pub fn reach(&self) -> Option<BBox> {
        let b = self.geometry.bbox().filter(|_| &*self.property == LOCATION)?;
        match self.relation {
            Relation::Disjoint | Relation::Near(None, _) => None,
            Relation::Near(Some(max), _) => {
                let up = max / DEGREE * 1.01 + 1e-9;
                let widest = (b.south - up).abs().max((b.north + up).abs());
                if widest > 85.0 {
                    return None;
                }
                let side = up / widest.to_radians().cos();
                let reach = BBox { west: b.west - side, south: b.south - up, east: b.east + side, north: b.north + up };
                (reach.west >= -180.0 && reach.east <= 180.0).then_some(reach)
            }
            _ => Some(b),
        }
    }

    /// Whether any instance of the property stands in the relation.
    pub fn matches(&self, entity: &Entity, now: i64) -> bool {
        let instances = find(&entity.attrs, &self.property).unwrap_or_default();
        instances.iter().filter(|a| a.kind == AttrKind::GeoProperty && a.alive(now)).any(|a| self.holds(&a.value))
    }

    fn holds(&self, value: &Val) -> bool {
        let point = value.point();
        if let (Some((lon, lat)), Relation::Near(max, min), geo::Geometry::Point(p)) = (point, self.relation, &self.geometry.0) {
            let metres = Point { lon, lat }.distance(Point { lon: p.x(), lat: p.y() });
            return max.is_none_or(|m| metres <= m) && min.is_none_or(|m| metres >= m);
        }
        let place = match point {
            Some((lon, lat)) => Geometry(geo::Geometry::Point(geo::Point::new(lon, lat))),
            None => match Geometry::from_geojson(&value.json()) {
                Ok(place) => place,
                Err(_) => return false,
            },
        };
        if let Relation::Near(max, min) = self.relation {
            let metres = distance(&place.0, &self.geometry.0);
            return max.is_none_or(|m| metres <= m) && min.is_none_or(|m| metres >= m);
        }
        // The same positions are the same place, also of polygons that cross themselves, whose topology is undefined.
        if self.relation == Relation::Equals && place.0 == self.geometry.0 {
            return true;
        }
        let matrix = place.0.relate(&self.geometry.0);
        match self.relation {
            Relation::Within => matrix.is_within(),
            Relation::Contains => matrix.is_contains(),
            Relation::Intersects => matrix.is_intersects(),
            Relation::Equals => matrix.is_equal_topo(),
            Relation::Disjoint => matrix.is_disjoint(),
            Relation::Overlaps => matrix.is_overlaps(),
            Relation::Near(..) => false,
        }
    }
}

/// Metres between two geometries, on a plane that touches the sphere at the first: within a city the error is far below
/// the width of a street.
fn distance(a: &geo::Geometry, b: &geo::Geometry) -> f64 {
    let Some(middle) = geo::Centroid::centroid(a) else { return f64::INFINITY };
    let shrink = middle.y().to_radians().cos();
    let flat = |g: &geo::Geometry| g.map_coords(|c| geo::Coord { x: (c.x - middle.x()) * DEGREE * shrink, y: (c.y - middle.y()) * DEGREE });
    Euclidean.distance(&flat(a), &flat(b))
}
