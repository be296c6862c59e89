import { useQuery } from '@tanstack/react-query'
import { call, callBytes } from './client'
import type { AlarmState, LonLat, Severity } from './types'

export interface MapLevel {
  /** Least value of the level; a word instead for words. */
  from?: number
  word?: string
  colour: string
  /** Drawn on the symbol, so that colour never stands alone. */
  mark: string
  title: string
  title_en: string
}

/** A layer of the map as packs declare it. */
export interface MapLayer {
  code: string
  name: string
  name_en: string
  types: string[]
  attribute?: string
  unit_text?: string
  digits: number
  symbol?: string
  level?: MapLevel[]
  source_act?: string
  status?: string
  stands?: number
  cluster: boolean
  heat: boolean
  min_zoom?: number
  shown: boolean
  moves: boolean
  /** Shapes that another address of ours gives. */
  feed?: string
  feed_every?: number
  count: number
  /** Its past values may be seen. */
  replay: boolean
}

export interface NamedThing {
  id: string
  name: string
  type: string
  state: 'ok' | 'silent' | 'unknown'
  observed_at?: string
}

export interface AlarmThen {
  id: string
  title: string
  title_en: string
  severity: Severity
  state: AlarmState
  entity: string
  entity_name: string
  raised_at: string
  location?: LonLat
}

export function useMapLayers(enabled = true) {
  return useQuery({ queryKey: ['map-layers'], queryFn: ({ signal }) => call<MapLayer[]>('/api/context/map/layers', { signal }), refetchInterval: 120_000, enabled })
}

const layer = (code: string) => `/api/context/map/layers/${encodeURIComponent(code)}`

/** Everything of a layer, or what changed since a version; none when nothing did. */
export function mapSheet(code: string, since: string | undefined, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  return callBytes(layer(code), { query: { since }, ...(signal ? { signal } : {}) })
}

/** Values at moments at equal distances. */
export function mapBetween(code: string, from: number, to: number, frames: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  const query = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), frames }
  return callBytes(`${layer(code)}/between`, { query, timeoutMs: 45_000, ...(signal ? { signal } : {}) })
}

export function mapNames(ids: readonly string[]): Promise<NamedThing[]> {
  return call<NamedThing[]>('/api/context/map/names', { json: { ids } })
}

/** Shapes of a layer that another domain keeps. */
export function mapFeed(path: string, signal?: AbortSignal): Promise<GeoJSON.FeatureCollection> {
  return call<GeoJSON.FeatureCollection>(path, signal ? { signal } : {})
}

/** Alarms open now, or as they stood at an instant (ms). */
export function useAlarmsThen(time: number | undefined, enabled = true) {
  return useQuery({
    queryKey: ['alarms', 'then', time],
    queryFn: ({ signal }) => call<{ items: AlarmThen[]; truncated: boolean }>('/api/rules/alarms-then', { query: { time: time === undefined ? undefined : new Date(time).toISOString() }, signal }),
    enabled,
    placeholderData: before => before,
    ...(time === undefined ? { refetchInterval: 60_000 } : { staleTime: 300_000 }),
  })
}
