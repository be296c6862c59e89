import { useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { address, call, type Query } from './client'
import type { LonLat, Named, Page, Severity } from './types'

export type TrafficLevel = 'unknown' | 'free' | 'slow' | 'congested' | 'jam'
export type TrafficMeasure = 'speed' | 'volume' | 'occupancy'
export interface TrafficMark {
  of: string
  source_act: string
  status: 'confirmed' | 'secondary' | 'unconfirmed' | 'proposed'
  note: string
}
export interface TrafficTemplate {
  code: string
  name: string
  name_en: string
  lines: string[]
  priority: number
  on: 'never' | 'incident' | 'delay'
}
export interface TrafficCatalogue {
  policy?: { bands: { level: TrafficLevel; from: number }[]; weeks: number; least_days: number; drop_share: number; volume_share: number; persist_s: number; alone_s: number; four_eyes: boolean; severity: Severity; marks: TrafficMark[] } | null
  classes: { code: string; name: string; name_en: string; free_speed: number; jam_density: number }[]
  library: TrafficTemplate[]
}
export interface TrafficNow {
  at?: string | null
  speed?: number | null
  estimated: boolean
  volume?: number | null
  occupancy?: number | null
  level: TrafficLevel
  travel_s?: number | null
  usual_speed?: number | null
  usual_volume?: number | null
  forecast?: { measure: TrafficMeasure; at: string; value: number; error: number; error_last: number; error_week: number } | null
  doubtful: boolean
  incident?: string | null
}
export interface TrafficSegmentInput {
  version?: number
  code: string
  name: string
  class: string
  direction: string
  line: [number, number][]
  free_speed?: number
  speed_limit?: number
  lanes: number
  jam_density?: number
  unit: string
  downstream: string[]
  detectors: { entity: string; period_s: number }[]
  source: string
  active: boolean
}
export interface TrafficSegment {
  id: string
  code: string
  name: string
  class: string
  direction: string
  line: [number, number][]
  length_m: number
  free_speed: number
  speed_limit?: number | null
  lanes: number
  jam_density: number
  unit: string
  commune: string
  downstream: string[]
  detectors: { entity: string; period_s: number }[]
  source: string
  active: boolean
  version: number
  unit_ref?: Named | null
  now: TrafficNow
}
export interface TrafficSegmentView extends TrafficSegment {
  measure: TrafficMeasure
  day: { at: string; value?: number | null; usual?: number | null; spread?: number | null }[]
  upstream: Named[]
  next: Named[]
  usual_at?: string | null
}
export interface TrafficIncident {
  id: string
  segment: string
  name: string
  direction: string
  location: LonLat
  measure: TrafficMeasure
  value: number
  usual: number
  since: string
  until?: string | null
  confirmed: boolean
  neighbours: string[]
  work?: string | null
  verdict?: string | null
  verdict_by?: string | null
  verdict_why?: string | null
  version: number
}
export interface TrafficTravelTime {
  code: string
  from: string
  to: string
  km: number
  now_s?: number | null
  estimated: boolean
  usual_s?: number | null
  p90_s?: number | null
  silent: number
  public: boolean
}
export interface SignInput {
  version?: number
  code: string
  name: string
  device: string
  command: string
  lines: number
  chars: number
  letters: 'vietnamese' | 'plain'
  location: LonLat
  segments: string[]
  unit: string
  active: boolean
}
export interface TrafficSign extends SignInput {
  id: string
  shown: string[]
  order_state: 'none' | 'asked' | 'sent' | 'done' | 'failed'
  order_at?: string | null
  order_why?: string | null
  waiting: number
}
export interface SignMessage {
  id: string
  sign: string
  library?: string | null
  lines: string[]
  priority: number
  state: 'proposed' | 'waiting' | 'approved' | 'refused' | 'ended'
  minutes: number
  until?: string | null
  why: string
  at: string
  by: string
  settled_by?: string | null
  version: number
}
export interface RoadHours {
  from: string
  to: string
  days: number[]
}
export type RoadClosure = 'none' | 'lane' | 'direction' | 'full'
export interface RoadWorkInput {
  version?: number
  kind: 'work' | 'event' | 'closure'
  title: string
  title_en: string
  segments: string[]
  line: [number, number][]
  area: string
  from: string
  to: string
  hours?: RoadHours | null
  closes: RoadClosure
  detour: string
  unit: string
  contact: string
  permit: string
}
export interface RoadWork extends RoadWorkInput {
  id: string
  state: 'draft' | 'published' | 'withdrawn'
  active: boolean
  unit_ref?: Named | null
  conflicts: { id: string; title: string; at: string }[]
  published_by?: string | null
  at: string
  by: string
}
export interface PublicTraffic {
  at: string
  known: number
  slow: { name: string; direction: string; level: TrafficLevel; speed?: number | null; usual?: number | null; estimated: boolean; incident: boolean; source: string }[]
  works: { kind: 'work' | 'event' | 'closure'; title: string; title_en: string; roads: string[]; area?: string | null; from: string; to: string; hours?: RoadHours | null; closes: RoadClosure; detour: string; unit: string; contact: string; active: boolean }[]
  times: TrafficTravelTime[]
  sources: string[]
  marks: TrafficMark[]
}

const at = (id: string) => encodeURIComponent(id)
const next = { initialPageParam: undefined as string | undefined, getNextPageParam: (page: { next?: string }) => page.next }
const OFTEN = { refetchInterval: 30_000 }

/** What hangs on roads and their present. */
export const TRAFFIC_KEYS = ['traffic-map', 'traffic-incidents', 'traffic-times', 'traffic-signs', 'traffic-messages', 'traffic-works', 'traffic-segments', 'traffic-segment'] as const

function anew(client: QueryClient): void {
  for (const key of TRAFFIC_KEYS) void client.invalidateQueries({ queryKey: [key] })
}

export function useTrafficCatalogue() {
  return useQuery({ queryKey: ['traffic-catalogue'], queryFn: ({ signal }) => call<TrafficCatalogue>('/api/traffic/catalogue', { signal }), staleTime: 300_000 })
}

export function useTrafficMap() {
  return useQuery({ queryKey: ['traffic-map'], queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/traffic/map', { signal }), ...OFTEN })
}

export function useTrafficSegments(q: string) {
  return useInfiniteQuery({
    queryKey: ['traffic-segments', q],
    queryFn: ({ pageParam, signal }) => call<Page<TrafficSegment>>('/api/traffic/segments', { query: { limit: 200, q, after: pageParam } satisfies Query, signal }),
    ...next,
  })
}

export function useTrafficSegment(id: string | undefined) {
  return useQuery({ queryKey: ['traffic-segment', id], queryFn: ({ signal }) => call<TrafficSegmentView>(`/api/traffic/segments/${at(id ?? '')}`, { signal }), enabled: Boolean(id), ...OFTEN })
}

export function useSaveSegment() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, input }: { id?: string; input: TrafficSegmentInput }) => call<TrafficSegment>(id ? `/api/traffic/segments/${at(id)}` : '/api/traffic/segments', { method: id ? 'PUT' : 'POST', json: input }), onSuccess: () => anew(client) })
}

export function useImportSegments() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (file: File) => call<{ added: number; changed: number; rejects: { line: number; detail: string }[] }>('/api/traffic/import', { method: 'POST', file, timeoutMs: 120_000 }), onSuccess: () => anew(client) })
}

export function useAskUsual() {
  return useMutation({ mutationFn: () => call<void>('/api/traffic/usual', { method: 'POST' }) })
}

export function useTrafficIncidents(state: 'open' | 'closed') {
  return useInfiniteQuery({
    queryKey: ['traffic-incidents', state],
    queryFn: ({ pageParam, signal }) => call<Page<TrafficIncident>>('/api/traffic/incidents', { query: { limit: 50, state, after: pageParam } satisfies Query, signal }),
    ...next,
    ...OFTEN,
  })
}

export function useJudgeIncident() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...verdict }: { id: string; version: number; real: boolean; reason: string }) => call<TrafficIncident>(`/api/traffic/incidents/${at(id)}/verdict`, { json: verdict }), onSettled: () => anew(client) })
}

export function useTravelTimes() {
  return useQuery({ queryKey: ['traffic-times'], queryFn: ({ signal }) => call<TrafficTravelTime[]>('/api/traffic/travel-times', { signal }), ...OFTEN })
}

export function useTrafficSigns() {
  return useInfiniteQuery({
    queryKey: ['traffic-signs'],
    queryFn: ({ pageParam, signal }) => call<Page<TrafficSign>>('/api/traffic/signs', { query: { limit: 200, after: pageParam } satisfies Query, signal }),
    ...next,
    refetchInterval: 10_000,
  })
}

export function useSaveSign() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, input }: { id?: string; input: SignInput }) => call<TrafficSign>(id ? `/api/traffic/signs/${at(id)}` : '/api/traffic/signs', { method: id ? 'PUT' : 'POST', json: input }), onSuccess: () => anew(client) })
}

export function useSignMessages(sign: string | undefined) {
  return useQuery({ queryKey: ['traffic-messages', sign], queryFn: ({ signal }) => call<SignMessage[]>(`/api/traffic/signs/${at(sign ?? '')}/messages`, { signal }), enabled: Boolean(sign), ...OFTEN })
}

export function useSay() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ sign, ...message }: { sign: string; library?: string; lines: string[]; priority: number; minutes: number }) => call<SignMessage>(`/api/traffic/signs/${at(sign)}/messages`, { json: message }), onSettled: () => anew(client) })
}

export function useSettleMessage() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...word }: { id: string; version: number; approve: boolean }) => call<SignMessage>(`/api/traffic/messages/${at(id)}/settle`, { json: word }), onSettled: () => anew(client) })
}

export function useRoadWorks(state: 'open' | 'closed') {
  return useInfiniteQuery({
    queryKey: ['traffic-works', state],
    queryFn: ({ pageParam, signal }) => call<Page<RoadWork>>('/api/traffic/works', { query: { limit: 50, state, after: pageParam } satisfies Query, signal }),
    ...next,
  })
}

export function useSaveWork() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, input }: { id?: string; input: RoadWorkInput }) => call<RoadWork>(id ? `/api/traffic/works/${at(id)}` : '/api/traffic/works', { method: id ? 'PUT' : 'POST', json: input }), onSuccess: () => anew(client) })
}

export function usePublishWork() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...word }: { id: string; version: number; publish: boolean }) => call<RoadWork>(`/api/traffic/works/${at(id)}/publish`, { json: word }), onSettled: () => anew(client) })
}

export function usePublicTraffic() {
  return useQuery({ queryKey: ['traffic-public'], queryFn: ({ signal }) => call<PublicTraffic>('/api/traffic/public', { signal }), refetchInterval: 60_000 })
}

export function usePublicTrafficMap(enabled: boolean) {
  return useQuery({ queryKey: ['traffic-public-map'], queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/traffic/public/feed.geojson', { signal }), refetchInterval: 60_000, enabled })
}

export const TRAFFIC_FEED = address('/api/traffic/public/feed.geojson')
