import { useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { CaseStats } from './types'

export type StatRow = CaseStats['rows'][number]

export interface Density {
  from: string
  to: string
  /** Fewest reports for a thousand people first; communes without a count of people last. */
  rows: { area: string; name: string; reports: number; people?: number | null; per_thousand?: number | null }[]
  per_thousand?: number | null
  sources: string[]
}
export interface YearReport {
  year: number
  from: string
  to: string
  over: boolean
  total?: StatRow | null
  before?: StatRow | null
  months: StatRow[]
  months_before: StatRow[]
  categories: StatRow[]
  categories_before: StatRow[]
  units: StatRow[]
  areas: StatRow[]
}

/** Reports by commune. */
export function useDensity(query: { from?: string; category?: string }) {
  return useQuery({ queryKey: ['density', query], queryFn: ({ signal }) => call<Density>('/api/cases/density', { query, signal }), staleTime: 60_000 })
}

/** Where reports come from, as cells with counts. */
export function useHeat(query: { from?: string; category?: string }, enabled: boolean) {
  return useQuery({ queryKey: ['heat', query], queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/cases/heat.geojson', { query, signal }), staleTime: 60_000, enabled })
}

/** A year in figures beside the year before. */
export function useYear(year: number) {
  return useQuery({ queryKey: ['case-year', year], queryFn: ({ signal }) => call<YearReport>(`/api/cases/years/${year}`, { signal }), staleTime: 60_000, retry: false })
}
