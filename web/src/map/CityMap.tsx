import { AttributionControl, Map as Engine, NavigationControl, setWorkerUrl, type GeoJSONSource, type MapLayerMouseEvent } from 'maplibre-gl'
import 'maplibre-gl/dist/maplibre-gl.css'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url'
import { useEffect, useRef, useState } from 'react'
import { useLanguage, useT } from '@/i18n'
import { useTheme } from '@/ui'
import { addMarks, token } from './marks'
import type { CityMapProps, MapPoint } from './types'
import { baseStyle } from './style'
import { outlineBounds, VietnamInset } from './VietnamInset'
import { centres, boundsOf } from './shapes'
import { useStreets } from './streets'
import './map.css'

setWorkerUrl(workerUrl)

const NATION: [[number, number], [number, number]] = [[101.6, 6.6], [118.2, 23.6]]
const REACH: [[number, number], [number, number]] = [[94, 2], [124, 29]]

function collection(points: readonly MapPoint[]): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: points.map(p => ({ type: 'Feature', properties: { id: p.id, mark: `mark-${p.mark}`, label: p.label ?? '', dark: p.darkLabel ? 1 : 0, ...(p.badge ? { badge: `mark-${p.badge}` } : {}) }, geometry: { type: 'Point', coordinates: [p.lon, p.lat] } })),
  }
}

/** Adds what lies above the base: communes, points in clusters, the ring around the chosen one. */
function addLayers(map: Engine, cluster: boolean, scale: number): void {
  const empty: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }
  map.addSource('communes', { type: 'geojson', data: empty, promoteId: 'code' })
  map.addSource('commune-centres', { type: 'geojson', data: empty })
  map.addSource('points', { type: 'geojson', data: empty, cluster, clusterRadius: 42, clusterMaxZoom: 13 })
  map.addLayer({ id: 'commune-fill', type: 'fill', source: 'communes', paint: { 'fill-color': ['coalesce', ['feature-state', 'fill'], token('brand')], 'fill-opacity': ['coalesce', ['feature-state', 'opacity'], 0] } }, 'home-line')
  map.addLayer({ id: 'commune-lines', type: 'line', source: 'communes', paint: { 'line-color': token('line-strong'), 'line-opacity': 0.5, 'line-width': ['interpolate', ['linear'], ['zoom'], 8, 0.4, 13, 1.4] } }, 'home-line')
  map.addSource('heat', { type: 'geojson', data: empty })
  map.addLayer({
    id: 'heat', type: 'heatmap', source: 'heat',
    paint: {
      'heatmap-weight': ['interpolate', ['linear'], ['ln', ['+', 1, ['get', 'n']]], 0, 0.15, 6, 1],
      'heatmap-radius': ['interpolate', ['exponential', 2], ['zoom'], 7, 10, 11, 26, 15, 120],
      'heatmap-intensity': ['interpolate', ['linear'], ['zoom'], 7, 0.8, 13, 1.6],
      'heatmap-color': ['interpolate', ['linear'], ['heatmap-density'], 0, 'rgba(0,0,0,0)', 0.2, token('warm-soft'), 0.5, token('warm'), 0.8, token('high'), 1, token('critical')],
      'heatmap-opacity': 0.8,
    },
  })
  map.addSource('fans', { type: 'geojson', data: empty })
  map.addLayer({ id: 'fans', type: 'fill', source: 'fans', paint: { 'fill-color': token('brand'), 'fill-opacity': 0.28, 'fill-outline-color': token('brand') } })
  map.addLayer({ id: 'commune-chosen', type: 'line', source: 'communes', filter: ['==', ['get', 'code'], ''], paint: { 'line-color': token('brand'), 'line-width': 3 } })
  map.addLayer({
    id: 'commune-names', type: 'symbol', source: 'commune-centres', minzoom: 9.6,
    layout: { 'text-field': ['get', 'name'], 'text-font': ['NotoSans-Regular'], 'text-size': ['interpolate', ['linear'], ['zoom'], 9.6, 10.5 * scale, 13, 14 * scale], 'text-max-width': 7, 'text-padding': 4 },
    paint: { 'text-color': token('ink-2'), 'text-halo-color': token('home'), 'text-halo-width': 1.4 },
  })
  map.addSource('roads', { type: 'geojson', data: empty })
  map.addLayer({ id: 'road-chosen', type: 'line', source: 'roads', filter: ['==', ['get', 'id'], ''], layout: { 'line-cap': 'round', 'line-join': 'round' }, paint: { 'line-color': token('focus'), 'line-width': ['interpolate', ['linear'], ['zoom'], 9, 8, 15, 18] } })
  // The slower, the wider: the level does not hang on colour alone.
  map.addLayer({
    id: 'roads', type: 'line', source: 'roads', layout: { 'line-cap': 'round', 'line-join': 'round', 'line-sort-key': ['match', ['get', 'level'], 'jam', 4, 'congested', 3, 'slow', 2, 'free', 1, 0] },
    paint: {
      'line-color': ['match', ['get', 'level'], 'free', token('good'), 'slow', token('warm'), 'congested', token('high'), 'jam', token('critical'), token('line-strong')],
      'line-width': ['interpolate', ['linear'], ['zoom'], 9, ['match', ['get', 'level'], 'jam', 5, 'congested', 4, 'slow', 3, 2], 15, ['match', ['get', 'level'], 'jam', 12, 'congested', 10, 'slow', 8, 6]],
    },
  })
  map.addLayer({
    id: 'clusters', type: 'circle', source: 'points', filter: ['has', 'point_count'],
    paint: { 'circle-color': token('brand'), 'circle-stroke-color': token('raised'), 'circle-stroke-width': 2.5, 'circle-radius': ['step', ['get', 'point_count'], 15 * scale, 10, 19 * scale, 50, 24 * scale] },
  })
  map.addLayer({
    id: 'cluster-counts', type: 'symbol', source: 'points', filter: ['has', 'point_count'],
    layout: { 'text-field': ['get', 'point_count_abbreviated'], 'text-font': ['NotoSans-Medium'], 'text-size': 13 * scale, 'text-allow-overlap': true },
    paint: { 'text-color': token('on-brand') },
  })
  map.addLayer({ id: 'chosen', type: 'circle', source: 'points', filter: ['==', ['get', 'id'], ''], paint: { 'circle-radius': 20 * scale, 'circle-color': 'transparent', 'circle-stroke-color': token('focus'), 'circle-stroke-width': 3 } })
  map.addLayer({
    id: 'points', type: 'symbol', source: 'points', filter: ['!', ['has', 'point_count']],
    layout: { 'icon-image': ['get', 'mark'], 'icon-allow-overlap': true, 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.82 * scale, 13, 1.1 * scale], 'text-field': ['get', 'label'], 'text-font': ['NotoSans-Medium'], 'text-size': 11.5 * scale, 'text-allow-overlap': true },
    paint: { 'text-color': ['case', ['==', ['get', 'dark'], 1], '#ffffff', '#14210c'] },
  })
  map.addLayer({ id: 'point-badges', type: 'symbol', source: 'points', filter: ['has', 'badge'], layout: { 'icon-image': ['get', 'badge'], 'icon-allow-overlap': true, 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.62 * scale, 13, 0.8 * scale], 'icon-offset': [20, -20] } })
}

export default function CityMap(props: CityMapProps) {
  const { communes, roads, points = [], chosen, chosenRoad, chosenArea, areaFill, heat, fans, cluster = true, view, onPoint, onArea, onRoad, onMove, label, bare, large } = props
  const t = useT()
  const theme = useTheme()
  const lng = useLanguage()
  const home = props.home ?? ''
  const holder = useRef<HTMLDivElement>(null)
  const engine = useRef<Engine>(undefined)
  const kept = useRef<{ center: [number, number]; zoom: number }>(undefined)
  const [ready, setReady] = useState(false)
  const [failed, setFailed] = useState(false)
  const latest = useRef(view)
  const handlers = useRef({ onPoint, onArea, onRoad, onMove, onEngine: props.onEngine })
  useEffect(() => {
    handlers.current = { onPoint, onArea, onRoad, onMove, onEngine: props.onEngine }
    latest.current = view
  })

  useEffect(() => {
    if (!holder.current) return
    const begin = latest.current
    let map: Engine
    try {
      map = new Engine({
        container: holder.current,
        style: baseStyle(home),
        // Where it will be looked at, so that nothing is drawn for the way there.
        ...(kept.current ?? (begin && begin !== 'nation' ? { center: [begin.lon, begin.lat], zoom: begin.zoom } : { bounds: (begin ? undefined : outlineBounds(home)) ?? NATION, fitBoundsOptions: { padding: begin ? 12 : 28 } })),
        maxBounds: REACH,
        minZoom: 3,
        maxZoom: 18,
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        locale: { 'NavigationControl.ZoomIn': t('map.zoom_in'), 'NavigationControl.ZoomOut': t('map.zoom_out'), 'Map.Title': label },
      })
    } catch {
      setFailed(true)
      return
    }
    engine.current = map
    map.touchZoomRotate.disableRotation()
    map.addControl(new NavigationControl({ showCompass: false }), 'bottom-right')
    map.addControl(new AttributionControl({ compact: false, customAttribution: t(bare || matchMedia('(max-width: 40rem)').matches ? 'map.attribution_short' : 'map.attribution') }), 'bottom-left')
    const ready = () => {
      addMarks(map)
      addLayers(map, cluster, large ? 2 : 1)
      setReady(true)
      handlers.current.onEngine?.(map)
    }
    map.on('style.load', ready)
    map.on('moveend', () => {
      const c = map.getCenter()
      kept.current = { center: [c.lng, c.lat], zoom: map.getZoom() }
      handlers.current.onMove?.({ lon: c.lng, lat: c.lat }, map.getZoom())
    })
    map.on('click', 'points', (event: MapLayerMouseEvent) => {
      const id = event.features?.[0]?.properties['id'] as string | undefined
      if (id) {
        event.preventDefault()
        handlers.current.onPoint?.(id)
      }
    })
    map.on('click', 'roads', (event: MapLayerMouseEvent) => {
      const id = event.features?.[0]?.properties['id'] as string | undefined
      if (id && !event.defaultPrevented) {
        event.preventDefault()
        handlers.current.onRoad?.(id)
      }
    })
    map.on('click', 'clusters', (event: MapLayerMouseEvent) => {
      event.preventDefault()
      const found = event.features?.[0]
      const source = map.getSource<GeoJSONSource>('points')
      if (!found || !source) return
      void source.getClusterExpansionZoom(found.properties['cluster_id'] as number).then(zoom => map.easeTo({ center: (found.geometry as GeoJSON.Point).coordinates as [number, number], zoom }))
    })
    map.on('click', 'commune-fill', (event: MapLayerMouseEvent) => {
      const code = event.features?.[0]?.properties['code'] as string | undefined
      if (code && !event.defaultPrevented) handlers.current.onArea?.(code)
    })
    for (const layer of ['points', 'clusters', 'roads']) {
      map.on('mouseenter', layer, () => (map.getCanvas().style.cursor = 'pointer'))
      map.on('mouseleave', layer, () => (map.getCanvas().style.cursor = ''))
    }
    return () => {
      setReady(false)
      handlers.current.onEngine?.(undefined)
      engine.current = undefined
      map.remove()
    }
    // The engine is made anew when theme or language change: colours and names are in its style.
  }, [home, theme, lng, cluster, label, bare, large, t])

  useEffect(() => {
    const map = engine.current
    if (!ready || !map || !communes) return
    map.getSource<GeoJSONSource>('communes')?.setData(communes)
    map.getSource<GeoJSONSource>('commune-centres')?.setData(centres(communes))
  }, [ready, communes])

  useEffect(() => {
    const map = engine.current
    if (!ready || !map || kept.current) return
    if (view === 'nation') map.fitBounds(NATION, { padding: 12, animate: false })
    else if (view) map.jumpTo({ center: [view.lon, view.lat], zoom: view.zoom })
    else if (communes && communes.features.length > 0) map.fitBounds(boundsOf(communes), { padding: 28, animate: false })
  }, [ready, communes, view])

  useEffect(() => {
    if (ready) engine.current?.getSource<GeoJSONSource>('points')?.setData(collection(points))
  }, [ready, points])

  useEffect(() => {
    const map = engine.current
    if (!ready || !map) return
    map.setFilter('chosen', ['==', ['get', 'id'], chosen ?? ''])
    map.setFilter('commune-chosen', ['==', ['get', 'code'], chosenArea ?? ''])
  }, [ready, chosen, chosenArea])

  useEffect(() => {
    const map = engine.current
    if (!ready || !map) return
    map.removeFeatureState({ source: 'communes' })
    for (const [code, fill] of Object.entries(areaFill ?? {})) map.setFeatureState({ source: 'communes', id: code }, typeof fill === 'number' ? { fill: token('brand'), opacity: fill } : { fill, opacity: 0.55 })
  }, [ready, areaFill, communes])

  useEffect(() => {
    if (ready) engine.current?.getSource<GeoJSONSource>('roads')?.setData(roads ?? { type: 'FeatureCollection', features: [] })
  }, [ready, roads])

  useEffect(() => {
    if (ready) engine.current?.setFilter('road-chosen', ['==', ['get', 'id'], chosenRoad ?? ''])
  }, [ready, chosenRoad])

  useEffect(() => {
    if (ready) engine.current?.getSource<GeoJSONSource>('heat')?.setData(heat ?? { type: 'FeatureCollection', features: [] })
  }, [ready, heat])

  useEffect(() => {
    if (ready) engine.current?.getSource<GeoJSONSource>('fans')?.setData(fans ?? { type: 'FeatureCollection', features: [] })
  }, [ready, fans])
  useStreets(engine.current, ready, props.way, large ? 2 : 1)

  const flown = useRef<CityMapProps['flyTo']>(undefined)
  useEffect(() => {
    const map = engine.current
    const to = props.flyTo
    if (!ready || !map || !to || to === flown.current) return
    flown.current = to
    const animate = !matchMedia('(prefers-reduced-motion: reduce)').matches
    if ('bounds' in to) map.fitBounds(to.bounds, { padding: 40, maxZoom: 15, animate })
    else map.easeTo({ center: [to.lon, to.lat], zoom: to.zoom ?? Math.max(map.getZoom(), 15), animate })
  }, [ready, props.flyTo])

  return (
    <div className="city-map">
      {failed ? (
        <div className="map-failed">
          <VietnamInset home={home} large />
          <p>{t('map.no_webgl')}</p>
        </div>
      ) : (
        <div ref={holder} className="map-canvas" role="application" aria-label={label} />
      )}
      {bare || failed ? null : <VietnamInset home={home} />}
      {props.children}
    </div>
  )
}
