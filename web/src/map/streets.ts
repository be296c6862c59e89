/** Streets when the map is near, from the platform's own roads, and the line of one way. Their source is named while they are shown. */
import type { GeoJSONSource, Map as Engine } from 'maplibre-gl'
import { useEffect } from 'react'
import { roadLines, useRoads } from '@/api/roads'
import { token } from './marks'

/** From this zoom on the important roads are shown, and from the next all of them. */
const MAIN = 11.5
const ALL = 13.5
const EMPTY: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }
const WIDE = ['match', ['get', 'class'], ['motorway', 'trunk', 'primary'], 1.6, ['secondary'], 1.2, ['tertiary'], 0.9, 0.55] as unknown as number

/** The line of a way, above the communes and below the points. */
function addWay(map: Engine, scale: number): void {
  const line = { 'line-cap': 'round', 'line-join': 'round' } as const
  map.addSource('way', { type: 'geojson', data: EMPTY })
  map.addLayer({ id: 'way-edge', type: 'line', source: 'way', layout: line, paint: { 'line-color': token('raised'), 'line-width': 8 * scale } }, 'clusters')
  map.addLayer({ id: 'way', type: 'line', source: 'way', layout: line, paint: { 'line-color': token('focus'), 'line-width': 4.5 * scale } }, 'clusters')
}

/** Streets below everything else, their names below the points. */
function addStreets(map: Engine, source: string, scale: number): void {
  map.addSource('streets', { type: 'geojson', data: EMPTY, attribution: source.replace(/[<>&]/g, '') })
  map.addLayer(
    {
      id: 'streets', type: 'line', source: 'streets', minzoom: MAIN, layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': token('line-strong'), 'line-opacity': 0.75, 'line-width': ['interpolate', ['exponential', 1.6], ['zoom'], MAIN, ['*', WIDE, 0.7], 18, ['*', WIDE, 9]] },
    },
    'commune-lines',
  )
  map.addLayer(
    {
      id: 'street-names', type: 'symbol', source: 'streets', minzoom: ALL, filter: ['any', ['!=', ['get', 'name'], ''], ['!=', ['get', 'number'], '']],
      layout: { 'symbol-placement': 'line', 'text-field': ['case', ['==', ['get', 'name'], ''], ['get', 'number'], ['get', 'name']], 'text-font': ['NotoSans-Regular'], 'text-size': 11 * scale, 'symbol-spacing': 320, 'text-padding': 3 },
      paint: { 'text-color': token('ink-2'), 'text-halo-color': token('home'), 'text-halo-width': 1.4 },
    },
    'clusters',
  )
}

/** Fetches the streets of what is in view each time the map comes to rest near enough. */
function follow(map: Engine): () => void {
  let asked: AbortController | undefined
  let shown: { box: readonly [number, number, number, number]; all: boolean } | undefined
  const look = () => {
    const zoom = map.getZoom()
    if (zoom < MAIN) return
    const b = map.getBounds()
    const all = zoom >= ALL
    const inside = shown && shown.all === all && b.getWest() >= shown.box[0] && b.getSouth() >= shown.box[1] && b.getEast() <= shown.box[2] && b.getNorth() <= shown.box[3]
    if (inside) return
    // A little more than is seen, so that a small move asks nothing; never more than the server gives.
    const more = (span: number) => Math.max(0, Math.min(span * 0.4, (0.48 - span) / 2))
    const [x, y] = [more(b.getEast() - b.getWest()), more(b.getNorth() - b.getSouth())]
    const box = [b.getWest() - x, b.getSouth() - y, b.getEast() + x, b.getNorth() + y] as const
    if (box[2] - box[0] > 0.49 || box[3] - box[1] > 0.49) return
    asked?.abort()
    asked = new AbortController()
    void roadLines(box, all ? undefined : 'tertiary', asked.signal).then(
      lines => {
        map.getSource<GeoJSONSource>('streets')?.setData(lines)
        shown = { box, all }
      },
      // A map without streets is still a map.
      () => undefined,
    )
  }
  map.on('moveend', look)
  look()
  return () => {
    map.off('moveend', look)
    asked?.abort()
  }
}

/** Puts streets on a map while it is near, and the line of a way when there is one. */
export function useStreets(map: Engine | undefined, ready: boolean, way: readonly (readonly [number, number])[] | undefined, scale: number): void {
  const roads = useRoads()
  const set = roads.data?.network ?? roads.data?.register
  const source = set ? `${set.source} · ${set.licence}` : undefined
  useEffect(() => {
    if (!ready || !map || !source) return
    if (!map.getSource('streets')) addStreets(map, source, scale)
    return follow(map)
  }, [map, ready, source, scale])
  useEffect(() => {
    if (!ready || !map) return
    if (!map.getSource('way')) addWay(map, scale)
    const line: GeoJSON.FeatureCollection = way && way.length > 1 ? { type: 'FeatureCollection', features: [{ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: way.map(p => [...p]) } }] } : EMPTY
    map.getSource<GeoJSONSource>('way')?.setData(line)
  }, [map, ready, way, scale])
}
