/** Boards that people put together from widgets, and the wall screens that show them. */
import { useInfiniteQuery, useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import { instant } from './context'
import type { Page, Series, Severity } from './types'

export type WidgetKind = 'figure' | 'chart' | 'gauge' | 'table' | 'map' | 'alarms' | 'incidents' | 'on-time' | 'text' | 'heading' | 'clock' | 'air'
export type CountOf = 'alarms-waiting' | 'alarms-critical' | 'alarms-high' | 'cases-open' | 'cases-overdue' | 'cases-soon' | 'cases-answered' | 'things-ok' | 'things-silent' | 'incidents-open'
export interface SeriesOf {
  thing: string
  attribute: string
}
export interface WidgetSettings {
  count?: CountOf
  series?: SeriesOf[]
  every?: { type: string; attribute: string }
  indicator?: { set: string; code: string; area?: string }
  shape?: 'line' | 'bar'
  hours?: number
  bucket?: number
  take?: 'mean' | 'min' | 'max'
  levels?: 'aqi' | 'own'
  limits?: number[]
  low?: number
  high?: number
  rows?: 'alarms' | 'incidents' | 'cases' | 'silent-devices'
  layer?: 'alarms' | 'things' | 'cases' | 'incidents'
  type?: string
  severity?: Severity
  area?: string
  text?: string
  text_en?: string
}
export interface Widget {
  id: string
  kind: WidgetKind
  x: number
  y: number
  w: number
  h: number
  title?: string
  title_en?: string
  set: WidgetSettings
}
export type SharedWith = 'me' | 'unit' | 'role' | 'all'
export interface BoardEntry {
  id: string
  name: string
  owner_name: string
  mine: boolean
  shared: SharedWith
  with?: string
  with_name?: string
  size: number
  version: number
  changed_at: string
  start: boolean
}
export interface BoardView extends BoardEntry {
  widgets: Widget[]
}
export interface BoardTemplate {
  code: string
  title: string
  title_en: string
  note: string
  note_en: string
  needs: string[]
  widgets: Widget[]
}
export interface BoardVersion {
  version: number
  name: string
  at: string
  widgets: Widget[]
}
export interface Wall {
  id: string
  name: string
  boards: string[]
  seconds: number
  owner_name: string
  created_at: string
  expires_at: string
  ended_at?: string
  entered_at?: string
}

const ALL = '/api/oversight/boards'
const at = (id: string) => `${ALL}/${encodeURIComponent(id)}`

export function useBoards(enabled = true) {
  return useInfiniteQuery({
    queryKey: ['boards'],
    queryFn: ({ pageParam, signal }) => call<Page<BoardEntry>>(ALL, { query: { limit: 100, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    enabled,
  })
}

/** One board. A wall asks again every half minute: it is also how it knows that the server is there. */
export function useBoard(id: string | undefined, wall = false) {
  return useQuery({ queryKey: ['board', id], queryFn: ({ signal }) => call<BoardView>(at(id ?? ''), { signal }), enabled: Boolean(id), ...(wall ? { refetchInterval: 30_000, refetchIntervalInBackground: true, retry: 1 } : {}) })
}

export function useBoardTemplates() {
  return useQuery({ queryKey: ['board-templates'], queryFn: ({ signal }) => call<BoardTemplate[]>(`${ALL}/templates`, { signal }), staleTime: 600_000 })
}

export function useAddBoard() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (board: { name?: string; template?: string; copy_of?: string; lang?: string }) => call<BoardView>(ALL, { json: board }),
    onSuccess: board => {
      client.setQueryData(['board', board.id], board)
      return client.invalidateQueries({ queryKey: ['boards'] })
    },
  })
}

export interface BoardChange {
  version: number
  name: string
  shared: SharedWith
  with?: string
  widgets: Widget[]
}

export function useChangeBoard(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (change: BoardChange) => call<BoardView>(at(id), { method: 'PUT', json: change }),
    onSuccess: board => {
      client.setQueryData(['board', id], board)
      void client.invalidateQueries({ queryKey: ['board-versions', id] })
      return client.invalidateQueries({ queryKey: ['boards'] })
    },
  })
}

export function useRemoveBoard() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(at(id), { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['boards'] }) })
}

export function useBoardVersions(id: string, enabled: boolean) {
  return useQuery({ queryKey: ['board-versions', id], queryFn: ({ signal }) => call<Page<BoardVersion>>(`${at(id)}/versions`, { query: { limit: 50 }, signal }), enabled })
}

export function useStartBoard(enabled = true) {
  return useQuery({ queryKey: ['board-start'], queryFn: ({ signal }) => call<{ board?: string }>(`${ALL}/start`, { signal }), staleTime: 60_000, enabled })
}

export function useSetStartBoard() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (board: string | undefined) => call<{ board?: string }>(`${ALL}/start`, { method: 'PUT', json: { board } }),
    onSuccess: () => Promise.all(['board-start', 'boards', 'board'].map(key => client.invalidateQueries({ queryKey: [key] }))),
  })
}

// Wall screens

const WALLS = '/api/oversight/walls'

export function useWalls(enabled: boolean) {
  return useQuery({ queryKey: ['walls'], queryFn: ({ signal }) => call<Page<Wall>>(WALLS, { query: { limit: 200 }, signal }), enabled })
}

export function useAddWall() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wall: { name: string; boards: string[]; seconds: number; days: number }) => call<Wall & { secret: string }>(WALLS, { json: wall }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['walls'] }),
  })
}

export function useEndWall() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`${WALLS}/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['walls'] }) })
}

/** What this screen shows, when it is a wall; asked again so that it notices its end. */
export function useWall(enabled: boolean) {
  return useQuery({ queryKey: ['wall'], queryFn: ({ signal }) => call<Wall>('/api/oversight/wall', { signal }), enabled, refetchInterval: 60_000, refetchIntervalInBackground: true, retry: false })
}

/** Lets this browser in with a wall's link. */
export function useEnterWall() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (secret: string) => call<Wall>('/api/oversight/wall/enter', { json: { secret } }),
    onSuccess: async wall => {
      await client.invalidateQueries({ queryKey: ['me'] })
      client.setQueryData(['wall'], wall)
    },
  })
}

// Data of widgets

export interface Line {
  thing: string
  attribute: string
  points: [number, number][]
  unit?: string
}

/** Several series over the last hours, in the order asked for; one that may not be seen or is gone has no points and counts as failed. */
export function useLines(series: readonly SeriesOf[], hours: number, bucket: number, take: 'mean' | 'min' | 'max'): { lines: Line[]; pending: boolean; failed: number; error: unknown } {
  return useQueries({
    queries: series.map(({ thing, attribute }) => ({
      queryKey: ['series', thing, attribute, hours, bucket],
      queryFn: ({ signal }: { signal: AbortSignal }) => {
        const to = Math.ceil(Date.now() / 60_000) * 60_000
        const query = { attribute, from: new Date(to - hours * 3_600_000).toISOString(), to: new Date(to).toISOString(), bucket }
        return call<Series>(`/api/context/things/${encodeURIComponent(thing)}/series`, { query, signal })
      },
      refetchInterval: 60_000,
    })),
    combine: answers => ({
      lines: answers.map((answer, i) => ({
        thing: series[i]?.thing ?? '',
        attribute: series[i]?.attribute ?? '',
        ...(answer.data?.unit ? { unit: answer.data.unit } : {}),
        points: (answer.data?.points ?? []).flatMap((p): [number, number][] => {
          const value = take === 'min' ? (p.min ?? p.value) : take === 'max' ? (p.max ?? p.value) : p.value
          return typeof value === 'number' ? [[instant(p.t), value]] : []
        }),
      })),
      pending: answers.some(answer => answer.isPending),
      failed: answers.filter(answer => answer.isError).length,
      error: answers.find(answer => answer.isError)?.error,
    }),
  })
}
