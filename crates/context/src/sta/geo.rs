//! Places in expressions: well-known text, GeoJSON, and the relations between them (DE-9IM).

use ::geo::{Distance, Euclidean, Geometry, Length, Relate};
use dothi_kernel::Result;
use serde_json::Value;

use super::eval::{Func, Lit};
use super::filter::bad;

/// Coordinates of one text.
const POINTS: usize = 10_000;

struct Words<'a> {
    text: &'a str,
    count: usize,
}

fn wrong() -> dothi_kernel::Error {
    bad("The place is not well-known text.")
}

impl Words<'_> {
    fn skip(&mut self) {
        self.text = self.text.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip();
        match self.text.strip_prefix(c) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, c: char) -> Result<()> {
        if self.eat(c) { Ok(()) } else { Err(wrong()) }
    }

    fn name(&mut self) -> String {
        self.skip();
        let end = self.text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.text.len());
        let (name, rest) = self.text.split_at(end);
        self.text = rest;
        name.to_ascii_uppercase()
    }

    fn number(&mut self) -> Result<f64> {
        self.skip();
        let end = self.text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'))).unwrap_or(self.text.len());
        let (number, rest) = self.text.split_at(end);
        self.text = rest;
        number.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(wrong)
    }

    /// Two numbers; a height after them is left out.
    fn coord(&mut self) -> Result<::geo::Coord> {
        self.count += 1;
        if self.count > POINTS {
            return Err(bad("The place has too many points."));
        }
        let coord = ::geo::Coord { x: self.number()?, y: self.number()? };
        self.skip();
        while self.text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            self.number()?;
            self.skip();
        }
        Ok(coord)
    }

    fn list<T>(&mut self, each: &dyn Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.need('(')?;
        let mut out = vec![each(self)?];
        while self.eat(',') {
            out.push(each(self)?);
        }
        self.need(')')?;
        Ok(out)
    }

    fn line(&mut self) -> Result<::geo::LineString> {
        let coords = self.list(&|w| w.coord())?;
        if coords.len() < 2 { Err(wrong()) } else { Ok(::geo::LineString(coords)) }
    }

    fn polygon(&mut self) -> Result<::geo::Polygon> {
        let mut rings = self.list(&|w| w.line())?.into_iter();
        let outer = rings.next().filter(|r| r.0.len() >= 4).ok_or_else(wrong)?;
        Ok(::geo::Polygon::new(outer, rings.collect()))
    }
}

/// Reads well-known text; `SRID=4326;` in front is allowed.
pub(crate) fn wkt(text: &str) -> Result<Geometry> {
    let text = match text.split_once(';') {
        Some((srid, rest)) if srid.trim().eq_ignore_ascii_case("SRID=4326") => rest,
        Some(_) => return Err(bad("Places are given in WGS 84 (SRID 4326).")),
        None => text,
    };
    let mut words = Words { text, count: 0 };
    let name = words.name();
    words.skip();
    if words.text.starts_with(['Z', 'z']) {
        words.name();
    }
    let geometry = match name.as_str() {
        "POINT" => {
            words.need('(')?;
            let point = words.coord()?;
            words.need(')')?;
            Geometry::Point(point.into())
        }
        "LINESTRING" => Geometry::LineString(words.line()?),
        "POLYGON" => Geometry::Polygon(words.polygon()?),
        "MULTIPOINT" => {
            let points = words.list(&|w| {
                let bracket = w.eat('(');
                let coord = w.coord()?;
                if bracket {
                    w.need(')')?;
                }
                Ok(::geo::Point::from(coord))
            })?;
            Geometry::MultiPoint(::geo::MultiPoint(points))
        }
        "MULTILINESTRING" => Geometry::MultiLineString(::geo::MultiLineString(words.list(&|w| w.line())?)),
        "MULTIPOLYGON" => Geometry::MultiPolygon(::geo::MultiPolygon(words.list(&|w| w.polygon())?)),
        _ => return Err(wrong()),
    };
    words.skip();
    if words.text.is_empty() { Ok(geometry) } else { Err(wrong()) }
}

/// A GeoJSON geometry or the one of a Feature.
pub(crate) fn of_json(value: &Value) -> Option<Geometry> {
    let value = if value.get("type").and_then(Value::as_str) == Some("Feature") { value.get("geometry")? } else { value };
    dothi_kernel::geo::Geometry::from_geojson(value).ok().map(|g| g.0)
}

/// Whether a relation holds between two places.
pub(crate) fn relate(func: Func, a: &Geometry, b: &Geometry) -> bool {
    let matrix = a.relate(b);
    match func {
        Func::StEquals => matrix.is_equal_topo(),
        Func::StDisjoint => matrix.is_disjoint(),
        Func::StTouches => matrix.is_touches(),
        Func::StWithin => matrix.is_within(),
        Func::StOverlaps => matrix.is_overlaps(),
        Func::StCrosses => matrix.is_crosses(),
        Func::StContains => matrix.is_contains(),
        _ => matrix.is_intersects(),
    }
}

/// Functions of places. Distances and lengths are in degrees, as the coordinates are.
pub(crate) fn call(func: Func, args: &[Lit]) -> Option<Lit> {
    match (func, args) {
        (Func::GeoLength, [Lit::Geo(a)]) => Some(Lit::Num(match &**a {
            Geometry::LineString(line) => Euclidean.length(line),
            Geometry::MultiLineString(lines) => Euclidean.length(lines),
            _ => 0.0,
        })),
        (Func::GeoDistance, [Lit::Geo(a), Lit::Geo(b)]) => Some(Lit::Num(Euclidean.distance(&**a, &**b))),
        (Func::StRelate, [Lit::Geo(a), Lit::Geo(b), Lit::Str(pattern)]) => a.relate(&**b).matches(pattern).ok().map(Lit::Bool),
        (_, [Lit::Geo(a), Lit::Geo(b)]) => Some(Lit::Bool(relate(func, a, b))),
        _ => None,
    }
}
