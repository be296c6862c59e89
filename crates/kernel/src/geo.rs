//! Places: WGS 84 longitude and latitude in degrees, GeoJSON (RFC 7946) on the wire.

use ::geo::{BoundingRect, Contains, Distance, Haversine, InteriorPoint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Result};

/// A point on earth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Longitude, degrees east.
    pub lon: f64,
    /// Latitude, degrees north.
    pub lat: f64,
}

impl Point {
    /// A checked point; 400 `geo.out-of-range`.
    pub fn new(lon: f64, lat: f64) -> Result<Self> {
        if lon.is_finite() && lat.is_finite() && (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) {
            Ok(Self { lon, lat })
        } else {
            Err(Error::invalid("geo.out-of-range", "Longitude must be within ±180 and latitude within ±90 degrees."))
        }
    }

    /// Great-circle distance in metres.
    pub fn distance(self, other: Point) -> f64 {
        Haversine.distance(self.into(), other.into())
    }
}

impl From<Point> for ::geo::Point {
    fn from(p: Point) -> Self {
        ::geo::Point::new(p.lon, p.lat)
    }
}

/// West, south, east, north in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Western edge.
    pub west: f64,
    /// Southern edge.
    pub south: f64,
    /// Eastern edge.
    pub east: f64,
    /// Northern edge.
    pub north: f64,
}

impl BBox {
    /// Parses `west,south,east,north`; 400 `geo.bbox`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::invalid("geo.bbox", "bbox must be west,south,east,north in degrees.");
        let parts: Vec<f64> = text.split(',').map(|p| p.trim().parse::<f64>()).collect::<Result<_, _>>().map_err(|_| bad())?;
        match parts[..] {
            [west, south, east, north] if parts.iter().all(|v| v.is_finite()) && west <= east && south <= north => Ok(Self { west, south, east, north }),
            _ => Err(bad()),
        }
    }
    /// Whether it holds the point.
    pub fn contains(&self, p: Point) -> bool {
        (self.west..=self.east).contains(&p.lon) && (self.south..=self.north).contains(&p.lat)
    }
}

/// A geometry; remembers nothing but its coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry(pub ::geo::Geometry);

impl Geometry {
    /// Reads a GeoJSON geometry object. 400 `geo.invalid` with the reason; GeometryCollection is refused.
    pub fn from_geojson(value: &serde_json::Value) -> Result<Self> {
        let bad = |why: String| Error::invalid("geo.invalid", "Not a valid GeoJSON geometry.").with("reason", why);
        let parsed = serde_json::from_value::<geojson::Geometry>(value.clone()).map_err(|e| bad(e.to_string()))?;
        if matches!(parsed.value, geojson::GeometryValue::GeometryCollection { .. }) {
            return Err(bad("GeometryCollection is not supported".into()));
        }
        let geometry = ::geo::Geometry::try_from(parsed).map_err(|e| bad(e.to_string()))?;
        let mut ok = true;
        ::geo::CoordsIter::coords_iter(&geometry).for_each(|c| ok &= Point::new(c.x, c.y).is_ok());
        if ok { Ok(Self(geometry)) } else { Err(bad("coordinates out of range".into())) }
    }

    /// Smallest box around it; none when empty.
    pub fn bbox(&self) -> Option<BBox> {
        self.0.bounding_rect().map(|r| BBox { west: r.min().x, south: r.min().y, east: r.max().x, north: r.max().y })
    }

    /// Whether the point lies inside (areas).
    pub fn contains(&self, p: Point) -> bool {
        self.0.contains(&::geo::Point::from(p))
    }

    /// A point that stands for it: itself, or one inside an area.
    pub fn representative(&self) -> Option<Point> {
        self.0.interior_point().map(|p| Point { lon: p.x(), lat: p.y() })
    }
}
