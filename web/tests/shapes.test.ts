import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { boundsOf, centreOf, featureAt } from '../src/map/shapes'
import { match, isCitizenPath } from '../src/app/citizen/routes'
import { safeNext } from '../src/features/access/SignInPage'
import { aqiLevel } from '../src/ui/display'

const square: GeoJSON.Feature = { type: 'Feature', properties: { code: '1' }, geometry: { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]] } }
const basemap = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, '../public/basemap', name), 'utf8')) as GeoJSON.FeatureCollection

describe('shapes', () => {
  it('have bounds and a centre', () => {
    expect(boundsOf(square)).toEqual([[0, 0], [2, 2]])
    expect(centreOf(square)).toEqual([1, 1])
  })
  it('hold points, but not in their holes', () => {
    const holed: GeoJSON.Feature = { ...square, geometry: { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]], [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]] } }
    const all: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [holed] }
    expect(featureAt(all, { lon: 1.5, lat: 1.5 })).toBe(holed)
    expect(featureAt(all, { lon: 0.7, lat: 0.7 })).toBeUndefined()
    expect(featureAt(all, { lon: 3, lat: 1 })).toBeUndefined()
  })
})

describe('the base map', () => {
  it('carries both archipelagos as islands of their provinces', () => {
    const islands = basemap('islands.json').features
    expect(islands.filter(f => f.properties?.['group'] === 'hoang-sa').every(f => f.properties?.['province'] === 'Đà Nẵng')).toBe(true)
    expect(islands.filter(f => f.properties?.['group'] === 'truong-sa').every(f => f.properties?.['province'] === 'Khánh Hoà')).toBe(true)
    expect(islands.filter(f => f.properties?.['group'] === 'hoang-sa').length).toBeGreaterThan(10)
    expect(islands.filter(f => f.properties?.['group'] === 'truong-sa').length).toBeGreaterThan(50)
    expect(basemap('provinces.json').features).toHaveLength(34)
  })
  it('names them as Việt Nam’s in both languages', () => {
    for (const lng of ['vi', 'en']) {
      const { map } = JSON.parse(readFileSync(join(import.meta.dirname, `../src/i18n/${lng}/common.json`), 'utf8')) as { map: Record<string, string> }
      expect(map['of_vietnam']).toBe('(Việt Nam)')
      for (const key of ['hoang_sa_short', 'truong_sa_short']) expect(map[key]).toContain('(Việt Nam)')
      expect(map['hoang_sa_1']).toContain('Hoàng Sa')
      expect(map['truong_sa_1']).toContain('Trường Sa')
    }
  })
})

describe('the portal’s router', () => {
  it('finds pages and their parts', () => {
    expect(match('/')?.route.path).toBe('/')
    expect(match('/r/HY-7K2M9P')?.params).toEqual({ code: 'HY-7K2M9P' })
    expect(match('/r/')).toBeUndefined()
    expect(match('/nothing/here')).toBeUndefined()
  })
  it('knows which addresses are not its own', () => {
    expect(isCitizenPath('/work')).toBe(false)
    expect(isCitizenPath('/ioc/alarms')).toBe(false)
    expect(isCitizenPath('/works')).toBe(true)
  })
  it('follows only addresses of this site after sign-in', () => {
    expect(safeNext('?next=/work/1')).toBe('/work/1')
    expect(safeNext('?next=//evil.example')).toBeUndefined()
    expect(safeNext('?next=/\\evil.example')).toBeUndefined()
    expect(safeNext('?next=https://evil.example')).toBeUndefined()
  })
})

it('VN_AQI levels change where the decision says', () => {
  expect([0, 50, 51, 100, 101, 150, 151, 200, 201, 300, 301, 500].map(aqiLevel)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
})
