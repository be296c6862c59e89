/** Small geometry for drawing: bounds and label points. */
type Ring = [number, number][]

function rings(geometry: GeoJSON.Geometry): Ring[] {
  if (geometry.type === 'Polygon') return geometry.coordinates.slice(0, 1) as Ring[]
  if (geometry.type === 'MultiPolygon') return geometry.coordinates.map(polygon => polygon[0] as Ring)
  return []
}

export type Bounds = [[number, number], [number, number]]

export function boundsOf(shapes: GeoJSON.FeatureCollection | GeoJSON.Feature): Bounds {
  const features = shapes.type === 'Feature' ? [shapes] : shapes.features
  let [west, south, east, north] = [180, 90, -180, -90]
  for (const feature of features)
    for (const ring of rings(feature.geometry))
      for (const [x, y] of ring) {
        west = Math.min(west, x)
        east = Math.max(east, x)
        south = Math.min(south, y)
        north = Math.max(north, y)
      }
  return west > east ? [[102, 8], [110, 23.5]] : [[west, south], [east, north]]
}

/** Centroid of the largest ring. */
export function centreOf(feature: GeoJSON.Feature): [number, number] | undefined {
  let best: { area: number; at: [number, number] } | undefined
  for (const ring of rings(feature.geometry)) {
    let [area, x, y] = [0, 0, 0]
    for (let i = 0; i < ring.length - 1; i++) {
      const [ax, ay] = ring[i] ?? [0, 0]
      const [bx, by] = ring[i + 1] ?? [0, 0]
      const cross = ax * by - bx * ay
      area += cross
      x += (ax + bx) * cross
      y += (ay + by) * cross
    }
    if (area !== 0 && (!best || Math.abs(area) > Math.abs(best.area))) best = { area, at: [x / (3 * area), y / (3 * area)] }
  }
  return best?.at
}

export function centres(shapes: GeoJSON.FeatureCollection): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: shapes.features.flatMap(feature => {
      const at = centreOf(feature)
      const name = String(feature.properties?.['name'] ?? '').replace(/^(Phường|Xã|Đặc khu) /, '')
      return at ? [{ type: 'Feature' as const, properties: { code: feature.properties?.['code'], name }, geometry: { type: 'Point' as const, coordinates: at } }] : []
    }),
  }
}

function inRing(ring: Ring, x: number, y: number): boolean {
  let inside = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i] ?? [0, 0]
    const [bx, by] = ring[j] ?? [0, 0]
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside
  }
  return inside
}

/** The feature that holds the point: a look-up that works without a network. */
export function featureAt(shapes: GeoJSON.FeatureCollection, at: { lon: number; lat: number }): GeoJSON.Feature | undefined {
  return shapes.features.find(({ geometry }) => {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.type === 'MultiPolygon' ? geometry.coordinates : []
    return polygons.some(([outer, ...holes]) => outer !== undefined && inRing(outer as Ring, at.lon, at.lat) && !holes.some(hole => inRing(hole as Ring, at.lon, at.lat)))
  })
}
