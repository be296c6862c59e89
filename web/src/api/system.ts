/** Answers of the server itself: the operations centre's figures, health, SQL over the lake. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { HistoryTable, NewQuery, Page, SavedQuery, SystemHealth, Vitals } from './types'

export function useVitals(enabled = true) {
  return useQuery({ queryKey: ['vitals'], enabled, queryFn: ({ signal }) => call<Vitals>('/api/views/vitals', { signal }), refetchInterval: 30_000 })
}

export function useHealth() {
  return useQuery({ queryKey: ['health'], queryFn: ({ signal }) => call<SystemHealth>('/api/system/health', { signal }), refetchInterval: 10_000 })
}

export function useHistoryQuery() {
  return useMutation({ mutationFn: (sql: string) => call<HistoryTable>('/api/history/query', { json: { sql }, timeoutMs: 45_000 }) })
}

const QUERIES = ['history', 'queries']

export function useSavedQueries() {
  return useQuery({ queryKey: QUERIES, queryFn: ({ signal }) => call<Page<SavedQuery>>('/api/history/queries?limit=200', { signal }) })
}

export function useSaveQuery() {
  const cache = useQueryClient()
  return useMutation({ mutationFn: (query: NewQuery) => call<SavedQuery>('/api/history/queries', { json: query }), onSuccess: () => cache.invalidateQueries({ queryKey: QUERIES }) })
}

export function useChangeQuery() {
  const cache = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...query }: NewQuery & { id: string }) => call<SavedQuery>(`/api/history/queries/${id}`, { method: 'PUT', json: query }), onSuccess: () => cache.invalidateQueries({ queryKey: QUERIES }) })
}

export function useDropQuery() {
  const cache = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<undefined>(`/api/history/queries/${id}`, { method: 'DELETE' }), onSuccess: () => cache.invalidateQueries({ queryKey: QUERIES }) })
}
