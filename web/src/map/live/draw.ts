/** One mechanism for every layer: a source and a few engine layers, whose symbols come from the pack's scale. */
import type { GeoJSONSource, Map as Engine } from 'maplibre-gl'
import type { MapLayer } from '@/api'
import { token } from '../marks'
import type { Drawn } from './scene'
import { SCALE, SILENT, type Sheet } from './wire'

const SIZE = 52
/** Marks of severities by rank. */
export const SEVERITIES = ['', 'info', 'low', 'medium', 'high', 'critical'] as const
/** Below the points of lists, which are fewer and chosen by people. */
const BELOW = 'clusters'

function outline(c: CanvasRenderingContext2D, symbol: string | undefined): void {
  const m = SIZE / 2
  const polygon = (sides: number, radius: number, turn: number) => {
    for (let i = 0; i < sides; i++) c.lineTo(m + radius * Math.cos(turn + (i * 2 * Math.PI) / sides), m + radius * Math.sin(turn + (i * 2 * Math.PI) / sides))
    c.closePath()
  }
  c.beginPath()
  if (symbol === 'square') c.roundRect(7, 7, SIZE - 14, SIZE - 14, 9)
  else if (symbol === 'diamond') polygon(4, 23, 0)
  else if (symbol === 'triangle') polygon(3, 25, -Math.PI / 2)
  else if (symbol === 'hexagon') polygon(6, 22, 0)
  else if (symbol === 'drop') {
    c.moveTo(m, 3)
    c.bezierCurveTo(m + 8, 14, m + 18, 20, m + 18, 31)
    c.arc(m, 31, 18, 0, Math.PI)
    c.bezierCurveTo(m - 18, 20, m - 8, 14, m, 3)
  } else c.arc(m, m, 20, 0, 7)
}

/** Black or white, whichever is read better on a colour. */
export function inkOn(colour: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16) / 255).map(x => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.19 ? '#101418' : '#ffffff'
}

/** The name of the symbol of a level (-1: no value) or of a silent thing. */
function icon(layer: MapLayer, level: number, silent: boolean): string {
  return `live-${layer.code}-${silent ? 'silent' : level}`
}

function addIcons(map: Engine, layer: MapLayer): void {
  const levels = layer.level ?? []
  const plain = levels.length === 0 ? { colour: token('brand'), mark: '', ink: token('on-brand') } : { colour: token('surface'), mark: '–', ink: token('ink-2') }
  const all = [
    { name: icon(layer, -1, false), ...plain },
    { name: icon(layer, -1, true), colour: token('ink-3'), mark: '–', ink: token('surface') },
    ...levels.map((level, n) => ({ name: icon(layer, n, false), colour: level.colour, mark: level.mark, ink: inkOn(level.colour) })),
  ]
  for (const { name, colour, mark, ink } of all) {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = SIZE
    const c = canvas.getContext('2d', { willReadFrequently: true })
    if (!c || map.hasImage(name)) continue
    outline(c, layer.symbol)
    c.fillStyle = colour
    c.strokeStyle = token('ink-2')
    c.lineWidth = 3
    c.fill()
    c.stroke()
    c.fillStyle = ink
    c.font = `700 ${mark.length > 1 ? 21 : 26}px "Be Vietnam Pro", sans-serif`
    c.textAlign = 'center'
    c.textBaseline = 'middle'
    c.fillText(mark, SIZE / 2, SIZE / 2 + (layer.symbol === 'triangle' || layer.symbol === 'drop' ? 6 : 1.5))
    map.addImage(name, c.getImageData(0, 0, SIZE, SIZE), { pixelRatio: 2 })
  }
}

const sourceOf = (layer: MapLayer) => `live-${layer.code}`

/** Engine layers of a layer that can be pointed at. */
export function pointable(layer: MapLayer): string[] {
  return ['points', 'fill', 'line', 'dots'].map(part => `live-${layer.code}-${part}`)
}

export function clustersOf(layer: MapLayer): string {
  return `live-${layer.code}-clusters`
}

export interface Drawing {
  heat: boolean
  scale: number
}

/** Maps that are gone: nothing can be taken off them. */
const gone = new WeakSet<Engine>()

/** A thing as the engine takes it; the row is its id, so that it can be changed alone. */
export function feature(layer: MapLayer, sheet: Sheet, it: Drawn, label: string): GeoJSON.Feature {
  const levels = layer.level?.length ?? 0
  const severity = SEVERITIES[it.severity]
  return {
    type: 'Feature',
    id: it.row,
    properties: {
      row: it.row,
      icon: icon(layer, it.level, it.state === SILENT),
      severity: it.severity,
      weight: levels > 0 ? (it.level + 1) / levels : 1,
      label,
      ...(severity ? { badge: `mark-${severity}` } : {}),
    },
    geometry: { type: 'Point', coordinates: [(sheet.lon[it.row] ?? 0) / SCALE, (sheet.lat[it.row] ?? 0) / SCALE] },
  }
}

/** Adds a layer of things. */
export function addThings(map: Engine, layer: MapLayer, { heat, scale }: Drawing): void {
  const source = sourceOf(layer)
  const name = (part: string) => `${source}-${part}`
  const zoom = layer.min_zoom === undefined ? {} : { minzoom: layer.min_zoom }
  const empty: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }
  addIcons(map, layer)
  map.once('remove', () => gone.add(map))
  if (heat) {
    map.addSource(source, { type: 'geojson', data: empty })
    map.addLayer(
      {
        id: name('heat'), type: 'heatmap', source, ...zoom,
        paint: {
          'heatmap-weight': ['get', 'weight'],
          'heatmap-radius': ['interpolate', ['exponential', 2], ['zoom'], 7, 8, 11, 20, 15, 90],
          'heatmap-intensity': ['interpolate', ['linear'], ['zoom'], 7, 0.5, 13, 1.5],
          'heatmap-color': ['interpolate', ['linear'], ['heatmap-density'], 0, 'rgba(0,0,0,0)', 0.2, token('warm-soft'), 0.5, token('warm'), 0.8, token('high'), 1, token('critical')],
          'heatmap-opacity': 0.8,
        },
      },
      BELOW,
    )
    return
  }
  const gathers = layer.cluster ? { cluster: true, clusterRadius: 46, clusterMaxZoom: 12, clusterProperties: { severity: ['max', ['get', 'severity']] } } : {}
  map.addSource(source, { type: 'geojson', data: empty, ...gathers })
  if (layer.cluster) {
    map.addLayer(
      {
        id: name('clusters'), type: 'circle', source, filter: ['has', 'point_count'], ...zoom,
        paint: {
          'circle-color': ['match', ['get', 'severity'], 5, token('critical'), 4, token('high'), 3, token('medium'), token('brand')],
          'circle-stroke-color': token('raised'),
          'circle-stroke-width': 2.5,
          'circle-radius': ['step', ['get', 'point_count'], 14 * scale, 10, 17 * scale, 100, 21 * scale, 1000, 26 * scale],
        },
      },
      BELOW,
    )
    map.addLayer(
      {
        id: name('counts'), type: 'symbol', source, filter: ['has', 'point_count'], ...zoom,
        // Colour never stands alone: a cluster with a grave alarm in it says so by a sign as well.
        layout: { 'text-field': ['concat', ['get', 'point_count_abbreviated'], ['case', ['>=', ['get', 'severity'], 4], ' !', '']], 'text-font': ['NotoSans-Medium'], 'text-size': 12.5 * scale, 'text-allow-overlap': true },
        paint: { 'text-color': ['case', ['>=', ['get', 'severity'], 3], token('surface'), token('on-brand')] },
      },
      BELOW,
    )
  }
  map.addLayer(
    {
      id: name('points'), type: 'symbol', source, filter: ['!', ['has', 'point_count']], ...zoom,
      layout: {
        'icon-image': ['get', 'icon'], 'icon-allow-overlap': true, 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.78 * scale, 13, 1.05 * scale],
        'text-field': ['step', ['zoom'], '', 12.5, ['get', 'label']], 'text-font': ['NotoSans-Medium'], 'text-size': 11.5 * scale, 'text-offset': [0, 1.5], 'text-anchor': 'top', 'text-optional': true,
      },
      paint: { 'text-color': token('ink'), 'text-halo-color': token('home'), 'text-halo-width': 1.6 },
    },
    BELOW,
  )
  map.addLayer({ id: name('badges'), type: 'symbol', source, filter: ['has', 'badge'], ...zoom, layout: { 'icon-image': ['get', 'badge'], 'icon-allow-overlap': true, 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.6 * scale, 13, 0.8 * scale], 'icon-offset': [20, -20] } }, BELOW)
}

/** Adds a layer of shapes: areas, lines and points with `colour` and `mark`. */
export function addShapes(map: Engine, layer: MapLayer, scale: number): void {
  const source = sourceOf(layer)
  const name = (part: string) => `${source}-${part}`
  const zoom = layer.min_zoom === undefined ? {} : { minzoom: layer.min_zoom }
  map.once('remove', () => gone.add(map))
  map.addSource(source, { type: 'geojson', data: { type: 'FeatureCollection', features: [] }, promoteId: 'id' })
  map.addLayer({ id: name('fill'), type: 'fill', source, filter: ['==', ['geometry-type'], 'Polygon'], ...zoom, paint: { 'fill-color': ['get', 'colour'], 'fill-opacity': 0.35, 'fill-outline-color': token('ink-2') } }, BELOW)
  map.addLayer({ id: name('line'), type: 'line', source, filter: ['==', ['geometry-type'], 'LineString'], ...zoom, layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': ['get', 'colour'], 'line-width': ['interpolate', ['linear'], ['zoom'], 8, 1.6 * scale, 14, 5 * scale] } }, BELOW)
  map.addLayer({ id: name('dots'), type: 'circle', source, filter: ['==', ['geometry-type'], 'Point'], ...zoom, paint: { 'circle-color': ['get', 'colour'], 'circle-radius': 6 * scale, 'circle-stroke-color': token('raised'), 'circle-stroke-width': 2 } }, BELOW)
  map.addLayer(
    {
      id: name('marks'), type: 'symbol', source, filter: ['!=', ['get', 'mark'], ''], minzoom: Math.max(12, layer.min_zoom ?? 0),
      layout: { 'text-field': ['get', 'mark'], 'text-font': ['NotoSans-Medium'], 'text-size': 12 * scale, 'symbol-placement': 'point' },
      paint: { 'text-color': token('ink'), 'text-halo-color': token('home'), 'text-halo-width': 1.6 },
    },
    BELOW,
  )
}

/** Takes a layer off the map. */
export function takeAway(map: Engine, layer: MapLayer): void {
  if (gone.has(map)) return
  const source = sourceOf(layer)
  for (const part of ['heat', 'clusters', 'counts', 'points', 'badges', 'fill', 'line', 'dots', 'marks']) if (map.getLayer(`${source}-${part}`)) map.removeLayer(`${source}-${part}`)
  if (map.getSource(source)) map.removeSource(source)
}

export function sourceOn(map: Engine, layer: MapLayer): GeoJSONSource | undefined {
  return gone.has(map) ? undefined : map.getSource<GeoJSONSource>(sourceOf(layer))
}
