#!/usr/bin/env python3
"""Builds the offline base map in public/basemap and src/map/vietnam.json from open outlines.

Usage: base_map.py <provinces.geojson> <land-50m topojson as geojson> <web folder>

* provinces: 34 provincial units of 2026 (MIT, thanglequoc/vietnamese-provinces-database); Đà Nẵng carries
  Hoàng Sa and Khánh Hoà carries Trường Sa, so their islands are kept at every scale.
* land: Natural Earth 1:50m land (public domain), without any country boundary.

Needs shapely. The results are committed: run this only when the boundaries change.
"""
import json
import sys

from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape
from shapely.ops import unary_union

VIEW = box(96, 3, 122, 28)
HOANG_SA = box(110.8, 15.5, 113.2, 17.3)
TRUONG_SA = box(111.0, 6.0, 118.5, 12.2)


def rounded(value, digits):
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    return round(value, digits) if isinstance(value, float) else value


def polygons(geometry):
    if geometry.is_empty:
        return []
    return [geometry] if isinstance(geometry, Polygon) else [g for g in getattr(geometry, "geoms", []) if isinstance(g, Polygon)]


def feature(geometry, properties, digits):
    shaped = mapping(geometry)
    return {"type": "Feature", "properties": properties, "geometry": {"type": shaped["type"], "coordinates": rounded(shaped["coordinates"], digits)}}


def write(path, value):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, separators=(",", ":"))


def group_of(polygon):
    """Which archipelago an island belongs to, if any: by place, not by name, so that no island is lost."""
    centre = polygon.representative_point()
    if HOANG_SA.contains(centre):
        return "hoang-sa"
    if TRUONG_SA.contains(centre):
        return "truong-sa"
    return None


def main():
    provinces_path, land_path, web = sys.argv[1:4]
    provinces = json.load(open(provinces_path, encoding="utf-8"))["features"]
    whole, outlines, islands, labels = [], [], [], []
    for item in provinces:
        p = item["properties"]
        geometry = shape(item["geometry"]).buffer(0)
        whole.append(geometry)
        name = {"code": p["code"], "name": p["name"], "full": p["fullName"]}
        outlines.append(feature(geometry, name, 3))
        biggest = max(polygons(geometry), key=lambda g: g.area)
        at = biggest.representative_point()
        labels.append({"type": "Feature", "properties": name, "geometry": {"type": "Point", "coordinates": [round(at.x, 3), round(at.y, 3)]}})
        for part in polygons(geometry):
            group = group_of(part)
            if group:
                centre = part.representative_point()
                islands.append({"type": "Feature", "properties": {"group": group, "province": p["name"]}, "geometry": {"type": "Point", "coordinates": [round(centre.x, 3), round(centre.y, 3)]}})
    vietnam = unary_union(whole).buffer(0)
    land = unary_union([shape(f["geometry"]).buffer(0) for f in json.load(open(land_path, encoding="utf-8"))["features"]]).intersection(VIEW)
    # Natural Earth's coast is rougher than ours: what sticks out of our coast as a sliver is dropped, the neighbours stay.
    beyond = land.difference(vietnam.buffer(0.01)).buffer(-0.09).buffer(0.09).intersection(land)
    # A hair's breadth around our own outlines closes the seams between provinces that were simplified one by one.
    # Its specks in the two archipelagos are dropped too: ours are drawn from the provinces.
    beyond = MultiPolygon([g for g in polygons(beyond) if g.area > 0.05 or not group_of(g)])
    base = unary_union([beyond, vietnam.buffer(0.012)]).simplify(0.006)
    base = MultiPolygon([Polygon(g.exterior, [r for r in g.interiors if Polygon(r).area > 0.02]) for g in polygons(base) if g.area > 0.0004])
    write(f"{web}/public/basemap/land.json", {"type": "FeatureCollection", "features": [feature(base, {}, 3)]})
    write(f"{web}/public/basemap/provinces.json", {"type": "FeatureCollection", "features": outlines})
    write(f"{web}/public/basemap/places.json", {"type": "FeatureCollection", "features": labels})
    write(f"{web}/public/basemap/islands.json", {"type": "FeatureCollection", "features": islands})
    # The inset: one small drawing of the whole country, the two archipelagos as dots so that they never vanish.
    coarse = []
    for item in outlines:
        geometry = shape(item["geometry"]).simplify(0.04)
        parts = [g for g in polygons(geometry) if g.area > 0.004 and not group_of(g)]
        rings = [[[round(x, 2), round(y, 2)] for x, y in g.exterior.coords] for g in parts]
        coarse.append({"code": item["properties"]["code"], "rings": rings})
    dots = {"hoang-sa": [], "truong-sa": []}
    for island in islands:
        x, y = island["geometry"]["coordinates"]
        kept = dots[island["properties"]["group"]]
        if all(abs(x - a) + abs(y - b) > 0.22 for a, b in kept):
            kept.append([round(x, 2), round(y, 2)])
    write(f"{web}/src/map/vietnam.json", {"provinces": coarse, "islands": dots})
    print(len(islands), "islands;", {k: len(v) for k, v in dots.items()})


main()
