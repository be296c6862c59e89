import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { Alarm, AlarmCounts, AlarmDetail, AlarmFigures, AlarmLoad, Aside, NewAside, Page, Rule, RuleChange, RuleDetail, Suppression, Tried } from './types'

export interface AlarmFilter {
  state?: string
  severity?: string
  area?: string
  sector?: string
  limit?: number
  /** Those that this alarm stands for. */
  cause?: string
  suppressed?: Suppression
  stale?: boolean
  rule?: string
  entity?: string
  unit?: string
  from?: string
  to?: string
}

export function useAlarms(filter: AlarmFilter, enabled = true) {
  return useQuery({ queryKey: ['alarms', filter], queryFn: ({ signal }) => call<Page<Alarm>>('/api/rules/alarms', { query: { ...filter }, signal }), enabled, refetchInterval: 30_000 })
}

/** Alarms page by page, newest first. */
export function useAlarmPages(filter: AlarmFilter) {
  return useInfiniteQuery({
    queryKey: ['alarms', 'pages', filter],
    queryFn: ({ pageParam, signal }) => call<Page<Alarm>>('/api/rules/alarms', { query: { limit: 200, ...filter, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    refetchInterval: 60_000,
  })
}

export function useAlarm(id: string | undefined) {
  return useQuery({ queryKey: ['alarm', id], queryFn: ({ signal }) => call<AlarmDetail>(`/api/rules/alarms/${encodeURIComponent(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

export function useAlarmCounts(enabled = true) {
  return useQuery({ queryKey: ['alarm-counts'], queryFn: ({ signal }) => call<AlarmCounts>('/api/rules/counts', { signal }), enabled, refetchInterval: 30_000 })
}

function useAlarmAction<V extends { id: string }>(path: string, body: (wanted: V) => object) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wanted: V) => call<Alarm>(`/api/rules/alarms/${encodeURIComponent(wanted.id)}/${path}`, { json: body(wanted) }),
    onSuccess: (_, { id }) => {
      for (const key of [['alarms'], ['alarm', id], ['alarm-counts'], ['asides'], ['vitals']]) void client.invalidateQueries({ queryKey: key })
    },
  })
}

export function useAcknowledge() {
  return useAlarmAction<{ id: string; note?: string }>('acknowledge', ({ note }) => ({ note }))
}

export function useResetAlarm() {
  return useAlarmAction<{ id: string; note?: string }>('reset', ({ note }) => ({ note }))
}

export function useShelve() {
  return useAlarmAction<{ id: string; minutes: number; reason: string }>('shelve', ({ minutes, reason }) => ({ minutes, reason }))
}

export function useUnshelve() {
  return useAlarmAction<{ id: string }>('unshelve', () => ({}))
}

/** What is shelved, under planned work, or out of service. */
export function useAsides(filter: { kind?: Suppression; ended?: boolean }) {
  return useInfiniteQuery({
    queryKey: ['asides', filter],
    queryFn: ({ pageParam, signal }) => call<Page<Aside>>('/api/rules/asides', { query: { limit: 100, ...filter, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    refetchInterval: 60_000,
  })
}

export function useSetAside() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wanted: NewAside) => call<Aside>('/api/rules/asides', { json: wanted }),
    onSuccess: () => {
      for (const key of ['asides', 'alarms', 'alarm-counts', 'vitals']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useEndAside() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => call<Aside>(`/api/rules/asides/${encodeURIComponent(id)}/end`, { method: 'POST' }),
    onSuccess: () => {
      for (const key of ['asides', 'alarms', 'alarm-counts', 'vitals']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

/** The alarm system's own figures. */
export function useAlarmFigures(query: { from?: string; to?: string; unit?: string; sector?: string }, enabled = true) {
  return useQuery({ queryKey: ['alarm-figures', query], enabled, queryFn: ({ signal }) => call<AlarmFigures>('/api/rules/figures', { query, signal }), refetchInterval: 300_000 })
}

/** How much operators' positions are asked to look at now. */
export function useAlarmLoad() {
  return useQuery({ queryKey: ['alarm-load'], queryFn: ({ signal }) => call<AlarmLoad>('/api/rules/load', { signal }), refetchInterval: 15_000 })
}

export function useRule(code: string | undefined) {
  return useQuery({ queryKey: ['rule', code], queryFn: ({ signal }) => call<RuleDetail>(`/api/rules/rules/${encodeURIComponent(code ?? '')}`, { signal }), enabled: Boolean(code) })
}

export function useChangeRule(code: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wanted: { version: number; change: RuleChange; reason: string }) => call<RuleDetail>(`/api/rules/rules/${encodeURIComponent(code)}`, { method: 'PUT', json: wanted }),
    onSuccess: detail => {
      client.setQueryData(['rule', code], detail)
      void client.invalidateQueries({ queryKey: ['rules'] })
    },
  })
}

/** What a rule would have raised over stored history. */
export function useTryRule() {
  return useMutation({ mutationFn: (wanted: { rule: string; change?: RuleChange; entities?: string[]; from: string; to: string }) => call<Tried>('/api/rules/dry-run', { json: wanted }) })
}

export function useRules() {
  return useQuery({ queryKey: ['rules'], queryFn: ({ signal }) => call<Page<Rule>>('/api/rules/rules', { query: { limit: 200 }, signal }) })
}
