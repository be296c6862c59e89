/** Answers of the server itself: the operations centre's figures, health, SQL over the lake. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { HistoryTable, SystemHealth, Vitals } from './types'

export function useVitals() {
  return useQuery({ queryKey: ['vitals'], queryFn: ({ signal }) => call<Vitals>('/api/views/vitals', { signal }), refetchInterval: 30_000 })
}

export function useHealth() {
  return useQuery({ queryKey: ['health'], queryFn: ({ signal }) => call<SystemHealth>('/api/system/health', { signal }), refetchInterval: 10_000 })
}

export function useHistoryQuery() {
  return useMutation({ mutationFn: (sql: string) => call<HistoryTable>('/api/history/query', { json: { sql }, timeoutMs: 45_000 }) })
}
