import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { LonLat, Page } from './types'

export type RoadsSlot = 'network' | 'register'
export interface RoadsSet {
  id: string
  slot: RoadsSlot
  source: string
  licence: string
  taken_on: string
  file: string
  at: string
  by: string
  taken: { ways: number; bans: number; ways_left: number; bans_left: number }
  pieces: number
  km: number
  bbox: [number, number, number, number]
  bytes: number
  unclear: number
}
export interface RoadVehicle {
  code: string
  name: string
  name_en: string
  mode: string
  serves: string[]
  height_m?: number | null
  weight_t?: number | null
  speed: Record<string, number>
  source_act: string
  status: 'confirmed' | 'secondary' | 'proposed' | 'invented'
}
export interface RoadOwner {
  code: string
  name: string
  name_en: string
  numbers: string[]
  source_act: string
  status: RoadVehicle['status']
}
export interface RoadsState {
  network?: RoadsSet | null
  register?: RoadsSet | null
  vehicles: RoadVehicle[]
  owners: RoadOwner[]
  changed: number
}
export interface RoadNear {
  name: string
  number: string
  class: string
  owner?: string
  owner_by?: 'register' | 'number'
  metres: number
}
export interface RoadRoute {
  vehicle: string
  metres: number
  seconds: number
  before_m: number
  after_m: number
  line: [number, number][]
  steps: { name: string; number: string; class: string; metres: number; seconds: number; begins: number }[]
  source: string
}
export interface RoadClosed {
  id: string
  line: LonLat[]
  reason: string
  both: boolean
  from: string
  to?: string | null
  pass: string[]
  by: string
  at: string
  metres: number
}
export interface NewClosure {
  line: LonLat[]
  reason: string
  both: boolean
  to?: string | undefined
  pass: string[]
}
export interface NewRoads {
  slot: RoadsSlot
  source: string
  licence: string
  taken_on: string
  file: File
}
export interface RoadLines extends GeoJSON.FeatureCollection {
  cut?: boolean
}

const ROADS = '/api/traffic/roads'

/** Roads in force and whose they are; asked once, for maps. */
export function useRoads() {
  return useQuery({ queryKey: ['roads'], queryFn: ({ signal }) => call<RoadsState>(ROADS, { signal }), staleTime: 300_000 })
}

/** Roads of a part of a map. */
export function roadLines(bbox: readonly number[], to: string | undefined, signal: AbortSignal): Promise<RoadLines> {
  return call<RoadLines>(`${ROADS}/lines`, { query: { bbox: bbox.map(v => v.toFixed(4)).join(','), to }, signal, headers: { Accept: 'application/geo+json' } })
}

/** The way of a kind of vehicle between two places. */
export function useRoadRoute(from: LonLat | undefined, to: LonLat | undefined, vehicle: string | undefined) {
  const at = (p: LonLat | undefined) => (p ? `${p.lon.toFixed(6)},${p.lat.toFixed(6)}` : '')
  return useQuery({
    queryKey: ['road-route', at(from), at(to), vehicle],
    queryFn: ({ signal }) => call<RoadRoute>(`${ROADS}/route`, { query: { from: at(from), to: at(to), vehicle }, signal }),
    enabled: Boolean(from && to),
    retry: false,
  })
}

export function useRoadClosures() {
  return useQuery({ queryKey: ['road-closures'], queryFn: ({ signal }) => call<Page<RoadClosed>>(`${ROADS}/closures`, { query: { limit: 200 }, signal }) })
}

export function useCloseRoad() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (json: NewClosure) => call<RoadClosed>(`${ROADS}/closures`, { json }), onSuccess: () => void client.invalidateQueries({ queryKey: ['road-closures'] }) })
}

export function useOpenRoad() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<undefined>(`${ROADS}/closures/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => void client.invalidateQueries({ queryKey: ['road-closures'] }) })
}

export function useImportRoads() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ file, ...about }: NewRoads) => call<RoadsSet>(`${ROADS}/import`, { method: 'POST', file, query: { ...about, file: file.name.slice(0, 200) }, timeoutMs: 120_000 }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ['roads'] }),
  })
}

export function useDropRoads() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (slot: RoadsSlot) => call<undefined>(`${ROADS}/${slot}`, { method: 'DELETE' }), onSuccess: () => void client.invalidateQueries({ queryKey: ['roads'] }) })
}
