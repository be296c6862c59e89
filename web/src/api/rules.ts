import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { Alarm, AlarmCounts, AlarmDetail, Page, Rule } from './types'

export interface AlarmFilter {
  state?: string
  severity?: string
  area?: string
  sector?: string
  limit?: number
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

export function useAcknowledge() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, note }: { id: string; note?: string }) => call<Alarm>(`/api/rules/alarms/${encodeURIComponent(id)}/acknowledge`, { json: { note } }),
    onSuccess: (_, { id }) => {
      void client.invalidateQueries({ queryKey: ['alarms'] })
      void client.invalidateQueries({ queryKey: ['alarm', id] })
      void client.invalidateQueries({ queryKey: ['alarm-counts'] })
      void client.invalidateQueries({ queryKey: ['vitals'] })
    },
  })
}

export function useRules() {
  return useQuery({ queryKey: ['rules'], queryFn: ({ signal }) => call<Page<Rule>>('/api/rules/rules', { query: { limit: 200 }, signal }) })
}
