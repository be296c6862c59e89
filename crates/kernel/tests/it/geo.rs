//! Points, boxes and geometries from outside.

use dothi_kernel::geo::{BBox, Geometry, Point};
use serde_json::json;

#[test]
fn points_are_on_earth() {
    assert!(Point::new(106.34, 20.45).is_ok() && Point::new(-180.0, -90.0).is_ok() && Point::new(180.0, 90.0).is_ok());
    for (lon, lat) in [(180.1, 0.0), (0.0, -90.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        assert_eq!(Point::new(lon, lat).unwrap_err().code(), "geo.out-of-range");
    }
    // One degree of latitude.
    let metres = Point::new(106.0, 20.0).unwrap().distance(Point::new(106.0, 21.0).unwrap());
    assert!((metres - 111_195.0).abs() < 100.0, "{metres}");
}

#[test]
fn boxes_parse_or_say_no() {
    let b = BBox::parse(" 105.9, 20.2 ,106.7,21").unwrap();
    assert_eq!((b.west, b.south, b.east, b.north), (105.9, 20.2, 106.7, 21.0));
    assert!(b.contains(Point { lon: 106.0, lat: 20.2 }) && !b.contains(Point { lon: 107.0, lat: 20.5 }));
    for bad in ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "3,2,1,4", "1,4,3,2", "NaN,1,2,3", "1,2,inf,4", "1;2;3;4"] {
        assert_eq!(BBox::parse(bad).unwrap_err().code(), "geo.bbox", "{bad}");
    }
}

#[test]
fn geometries_parse_or_say_why() {
    let square = Geometry::from_geojson(
        &json!({ "type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]], [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]] }),
    )
    .unwrap();
    let inside = |lon, lat| square.contains(Point { lon, lat });
    assert!(inside(1.5, 1.5) && !inside(0.7, 0.7), "a hole is outside");
    assert!(!inside(3.0, 1.0));
    assert_eq!(square.bbox().unwrap(), BBox { west: 0.0, south: 0.0, east: 2.0, north: 2.0 });
    assert!(square.contains(square.representative().unwrap()));
    for bad in [
        json!(null),
        json!({}),
        json!({ "type": "Point" }),
        json!({ "type": "Point", "coordinates": ["a", "b"] }),
        json!({ "type": "Point", "coordinates": [200.0, 10.0] }),
        json!({ "type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 95], [0, 0]]] }),
        json!({ "type": "Blob", "coordinates": [1, 2] }),
        json!({ "type": "GeometryCollection", "geometries": [] }),
    ] {
        assert_eq!(Geometry::from_geojson(&bad).map(|_| ()).unwrap_err().code(), "geo.invalid", "{bad}");
    }
}
