import { useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { ComputeReport, IndicatorDetail, IndicatorSet, IndicatorValue, NewValue, Page, Scorecard, ValueStatus } from './types'

export function useSets() {
  return useQuery({ queryKey: ['indicator-sets'], queryFn: ({ signal }) => call<IndicatorSet[]>('/api/oversight/sets', { signal }), staleTime: 3_600_000 })
}

export interface CardPlace {
  area?: string
  period?: string
}

export function useScorecard(query: CardPlace & { set?: string }) {
  return useQuery({ queryKey: ['scorecard', query], queryFn: ({ signal }) => call<Scorecard>('/api/oversight/scorecard', { query: { ...query }, signal }), enabled: Boolean(query.set) })
}

/** The leader's briefing: a scorecard on one sheet, as a PDF. */
export function briefingAddress(query: CardPlace & { set: string }, lang: string): string {
  return `/api/oversight/briefing.pdf?${new URLSearchParams({ ...query, lang })}`
}

export function useIndicator(set: string, code: string, place: CardPlace) {
  return useQuery({
    queryKey: ['indicator', set, code, place],
    queryFn: ({ signal }) => call<IndicatorDetail>(`/api/oversight/indicators/${encodeURIComponent(set)}/${encodeURIComponent(code)}`, { query: { ...place }, signal }),
  })
}

export function useValues(status: ValueStatus) {
  return useInfiniteQuery({
    queryKey: ['indicator-values', status],
    queryFn: ({ pageParam, signal }) => call<Page<IndicatorValue>>('/api/oversight/values', { query: { status, limit: 100, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
  })
}

/** A value changes its list, the card and the indicator's page. */
function freshen(client: QueryClient): void {
  for (const key of ['indicator-values', 'scorecard', 'indicator']) void client.invalidateQueries({ queryKey: [key] })
}

export function useEnterValue() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (value: NewValue) => call<IndicatorValue>('/api/oversight/values', { json: value }), onSuccess: () => freshen(client) })
}

export function useSettleValue() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, reason }: { id: string; reason?: string }) =>
      reason === undefined
        ? call<IndicatorValue>(`/api/oversight/values/${encodeURIComponent(id)}/approve`, { method: 'POST' })
        : call<IndicatorValue>(`/api/oversight/values/${encodeURIComponent(id)}/reject`, { json: { reason } }),
    onSettled: () => freshen(client),
  })
}

export function useCompute() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (set: string) => call<ComputeReport>('/api/oversight/compute', { json: { set }, timeoutMs: 60_000 }), onSuccess: () => freshen(client) })
}
