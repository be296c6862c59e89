/** The base map: local files only. Hoàng Sa and Trường Sa are drawn and named as Việt Nam's wherever they are in view. */
import type { StyleSpecification } from 'maplibre-gl'
import { text } from '@/i18n'
import { token } from './marks'

const FILES = '/basemap'

function point(lon: number, lat: number, properties: Record<string, string | number>): GeoJSON.Feature {
  return { type: 'Feature', properties, geometry: { type: 'Point', coordinates: [lon, lat] } }
}

function seaNames(): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: [
      point(111.95, 15.55, { name: `${text('map.hoang_sa_1')}\n${text('map.of_vietnam')}`, kind: 'islands' }),
      point(113.6, 7.1, { name: `${text('map.truong_sa_1')}\n${text('map.of_vietnam')}`, kind: 'islands' }),
      point(111.2, 13.2, { name: text('map.east_sea'), kind: 'sea' }),
      point(107.9, 19.3, { name: text('map.gulf'), kind: 'sea' }),
    ],
  }
}

export function baseStyle(home: string): StyleSpecification {
  const ink = token('ink-2')
  const halo = token('home')
  const strong = token('line-strong')
  const archipelago = ['match', ['get', 'group'], 'hoang-sa', text('map.hoang_sa_short'), text('map.truong_sa_short')] as unknown as string
  return {
    version: 8,
    glyphs: `${location.origin}${FILES}/fonts/{fontstack}/{range}.pbf`,
    sources: {
      land: { type: 'geojson', data: `${FILES}/land.json` },
      provinces: { type: 'geojson', data: `${FILES}/provinces.json` },
      places: { type: 'geojson', data: `${FILES}/places.json` },
      islands: { type: 'geojson', data: `${FILES}/islands.json` },
      names: { type: 'geojson', data: seaNames() },
    },
    layers: [
      { id: 'sea', type: 'background', paint: { 'background-color': token('sea') } },
      { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': token('land') } },
      { id: 'vietnam', type: 'fill', source: 'provinces', paint: { 'fill-color': halo, 'fill-opacity': ['match', ['get', 'code'], home, 1, 0.62] } },
      { id: 'province-lines', type: 'line', source: 'provinces', paint: { 'line-color': strong, 'line-opacity': 0.55, 'line-width': ['interpolate', ['linear'], ['zoom'], 4, 0.4, 9, 1.2] } },
      { id: 'home-line', type: 'line', source: 'provinces', filter: ['==', ['get', 'code'], home], paint: { 'line-color': token('brand'), 'line-width': ['interpolate', ['linear'], ['zoom'], 4, 1, 9, 2.2, 13, 3] } },
      { id: 'islands', type: 'circle', source: 'islands', maxzoom: 9, paint: { 'circle-color': halo, 'circle-stroke-color': strong, 'circle-stroke-width': 0.8, 'circle-radius': ['interpolate', ['linear'], ['zoom'], 3, 1.2, 8, 3.2] } },
      {
        id: 'island-names', type: 'symbol', source: 'islands', minzoom: 7.2,
        layout: { 'text-field': archipelago, 'text-font': ['NotoSans-Regular'], 'text-size': 11, 'text-offset': [0, 1], 'text-anchor': 'top' },
        paint: { 'text-color': ink, 'text-halo-color': token('sea'), 'text-halo-width': 1.4 },
      },
      {
        id: 'province-names', type: 'symbol', source: 'places', minzoom: 5.2, maxzoom: 10,
        filter: ['!=', ['get', 'code'], home],
        layout: { 'text-field': ['get', 'name'], 'text-font': ['NotoSans-Regular'], 'text-size': ['interpolate', ['linear'], ['zoom'], 5, 10.5, 9, 14], 'text-max-width': 7, 'text-padding': 6 },
        paint: { 'text-color': ink, 'text-halo-color': halo, 'text-halo-width': 1.3 },
      },
      {
        id: 'sea-names', type: 'symbol', source: 'names',
        layout: {
          'text-field': ['get', 'name'], 'text-font': ['NotoSans-Medium'], 'text-max-width': 16, 'text-allow-overlap': true, 'text-ignore-placement': true,
          'text-size': ['interpolate', ['linear'], ['zoom'], 3, ['match', ['get', 'kind'], 'islands', 10, 11], 8, ['match', ['get', 'kind'], 'islands', 14, 17]],
          'text-letter-spacing': ['match', ['get', 'kind'], 'sea', 0.14, 0.02],
        },
        paint: { 'text-color': ['match', ['get', 'kind'], 'islands', token('ink'), token('low')], 'text-halo-color': token('sea'), 'text-halo-width': 1.5 },
      },
    ],
  }
}
