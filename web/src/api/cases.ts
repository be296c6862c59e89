import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, call, type Query } from './client'
import type { BulkResult, DryRun, Open311Key, RoutingRule, RoutingTest, RoutingView, Case, CaseCounts, CaseRow, CaseStats, CaseType, Identity, Page, PublicCase } from './types'

/** With the reporter's key also photos that are not public. */
export function photoAddress(sha: string, size: 'thumb' | 'full' = 'full', key?: string): string {
  return `/api/cases/photos/${encodeURIComponent(sha)}?size=${size}${key ? `&key=${encodeURIComponent(key)}` : ''}`
}

export function useCaseTypes() {
  return useQuery({ queryKey: ['case-types'], queryFn: ({ signal }) => call<CaseType[]>('/api/cases/types', { signal }), staleTime: 3_600_000 })
}

/** The case type of citizens' reports; packs may bring others. */
export function reportType(types: readonly CaseType[] | undefined) {
  return types?.find(one => one.kind === 'report') ?? types?.[0]
}

export interface PublicFilter {
  category?: string
  phase?: string
  area?: string
  q?: string
  limit?: number
}

export function usePublicCases(filter: PublicFilter) {
  return useInfiniteQuery({
    queryKey: ['public-cases', filter],
    queryFn: ({ pageParam, signal }) => call<Page<PublicCase>>('/api/cases/public', { query: { limit: 20, ...filter, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
  })
}

/** The first few, for a start page. */
export function usePublicTop(filter: PublicFilter) {
  return useQuery({ queryKey: ['public-cases', 'top', filter], queryFn: ({ signal }) => call<Page<PublicCase>>('/api/cases/public', { query: { ...filter }, signal }) })
}

export function usePublicGeo(filter: { phase?: string }) {
  return useQuery({
    queryKey: ['public-geo', filter],
    queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/cases/public.geojson', { query: filter, signal }),
  })
}

/**
 * One report as everybody may see it. With the key (from the tracking link), or signed in as who reported, it carries `own`;
 * where the own view is refused the public one is shown.
 */
export function usePublicCase(code: string, key: string | undefined, signedIn: boolean) {
  return useQuery({
    queryKey: ['public-case', code, key, signedIn],
    queryFn: async ({ signal }) => {
      if (key || signedIn) {
        try {
          return await call<PublicCase>(`/api/cases/track/${encodeURIComponent(code)}`, { query: { key }, signal })
        } catch (error) {
          if (!(error instanceof ApiError) || ![401, 403, 404].includes(error.status)) throw error
        }
      }
      return call<PublicCase>(`/api/cases/public/${encodeURIComponent(code)}`, { signal })
    },
    refetchInterval: 60_000,
  })
}

/** A move of the reporter, e.g. answering a question of the handling unit. */
export function useReporterMove(code: string, key?: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ move, ...fields }: { move: string; version: number; note?: string; reason?: string }) =>
      call<PublicCase>(`/api/cases/track/${encodeURIComponent(code)}/moves/${encodeURIComponent(move)}`, { json: { ...fields, key } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['public-case', code] }),
  })
}

/** Agrees that those who handle the case may have the contact data, or (without a version) takes it back. */
export function useConsent(code: string, key?: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (version: string | undefined) => call<PublicCase>(`/api/cases/track/${encodeURIComponent(code)}/consent`, { method: 'PUT', json: { key, version } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['public-case', code] }),
  })
}

/** The reporter's paper of a case, and the officer's. */
export function ownPaper(code: string, key: string | undefined, lang: string): string {
  return `/api/cases/track/${encodeURIComponent(code)}/paper?lang=${lang}${key ? `&key=${encodeURIComponent(key)}` : ''}`
}
export function casePaper(id: string, identity: boolean, lang: string): string {
  return `/api/cases/${encodeURIComponent(id)}/paper?lang=${lang}${identity ? '&identity=true' : ''}`
}

export function useMyCases(enabled: boolean) {
  return useQuery({ queryKey: ['my-cases'], queryFn: ({ signal }) => call<Page<PublicCase>>('/api/cases/mine', { signal }), enabled })
}

export function useNearby(at: { lon: number; lat: number } | undefined, category?: string) {
  return useQuery({
    queryKey: ['nearby', at?.lon, at?.lat, category],
    queryFn: async ({ signal }) => {
      return call<PublicCase[]>('/api/cases/nearby', { query: { lon: at?.lon, lat: at?.lat, category }, signal })
    },
    enabled: Boolean(at),
    retry: false,
  })
}

export function useFollow() {
  return useMutation({ mutationFn: (code: string) => call<unknown>(`/api/cases/public/${encodeURIComponent(code)}/follow`, { json: {} }) })
}

export function useRate(code: string, key?: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (rating: { stars: number; comment?: string }) => call<unknown>(`/api/cases/public/${encodeURIComponent(code)}/rating`, { json: { ...rating, key } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['public-case', code] }),
  })
}

export function useStats(query: { from?: string; to?: string; group?: 'unit' | 'category' | 'area' | 'month' }, enabled = true) {
  return useQuery({ queryKey: ['case-stats', query], enabled, queryFn: ({ signal }) => call<CaseStats>('/api/cases/stats', { query, signal }), staleTime: 60_000 })
}

// The desk

export interface DeskFilter {
  view?: 'todo' | 'unit' | 'all'
  state?: string
  category?: string
  due?: 'overdue' | 'soon'
  flagged?: 'any'
  photos?: 'undecided'
  q?: string
  sort?: string
}

export function useDesk(filter: DeskFilter, enabled = true) {
  return useInfiniteQuery({
    queryKey: ['desk', filter],
    queryFn: ({ pageParam, signal }) => call<Page<CaseRow>>('/api/cases', { query: { limit: 100, sort: 'due', ...filter, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    enabled,
  })
}

export function useCounts(enabled = true) {
  return useQuery({ queryKey: ['case-counts'], queryFn: ({ signal }) => call<CaseCounts>('/api/cases/counts', { signal }), enabled })
}

export function useCase(id: string) {
  return useQuery({ queryKey: ['case', id], queryFn: ({ signal }) => call<Case>(`/api/cases/${encodeURIComponent(id)}`, { signal }) })
}

export interface MoveForm {
  note?: string
  public_answer?: string
  public_text?: string
  reason?: string
  unit?: string
  category?: string
  urgency?: string
  merge_into?: string
  planned_for?: string
  /** Code of a work order whose after-photos prove the work. */
  proof_of?: string
  photos: File[]
}

/** Without what was left empty. */
function filled(fields: Omit<MoveForm, 'photos'>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value))
}

/** One move on many cases; each has its own result. */
export function useBulkMove() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ move, cases, form: { photos: _, ...fields } }: { move: string; cases: readonly { id: string; version: number }[]; form: MoveForm }) =>
      call<BulkResult[]>(`/api/cases/bulk/${encodeURIComponent(move)}`, { json: { cases: cases.map(({ id, version }) => ({ id, version })), input: filled(fields) } }),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ['desk'] })
      void client.invalidateQueries({ queryKey: ['case-counts'] })
    },
  })
}

export interface PartDraft {
  unit: string
  text: string
  category?: string
}

export function useSplit(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ version, parts }: { version: number; parts: readonly PartDraft[] }) => call<Case>(`/api/cases/${encodeURIComponent(id)}/parts`, { json: { version, parts } }),
    onSuccess: fresh => {
      client.setQueryData(['case', id], fresh)
      void client.invalidateQueries({ queryKey: ['desk'] })
    },
  })
}

export function useMove(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ move, version, form }: { move: string; version: number; form: MoveForm }) => {
      const { photos, ...fields } = form
      const body = { ...filled(fields), version }
      const path = `/api/cases/${encodeURIComponent(id)}/moves/${encodeURIComponent(move)}`
      if (photos.length === 0) return call<Case>(path, { json: body })
      const data = new FormData()
      data.set('move', new Blob([JSON.stringify(body)], { type: 'application/json' }))
      for (const photo of photos) data.append('photo', photo, photo.name)
      return call<Case>(path, { form: data })
    },
    onSuccess: fresh => {
      client.setQueryData(['case', id], fresh)
      void client.invalidateQueries({ queryKey: ['desk'] })
      void client.invalidateQueries({ queryKey: ['case-counts'] })
    },
  })
}

export function useIdentity(id: string) {
  return useMutation({ mutationFn: () => call<Identity>(`/api/cases/${encodeURIComponent(id)}/identity`) })
}

// Open311

export function useOpen311Keys() {
  return useQuery({ queryKey: ['open311-keys'], queryFn: ({ signal }) => call<Open311Key[]>('/api/cases/open311/keys', { signal }) })
}

export function useAddOpen311Key() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (name: string) => call<Open311Key>('/api/cases/open311/keys', { json: { name } }), onSuccess: () => client.invalidateQueries({ queryKey: ['open311-keys'] }) })
}

export function useEndOpen311Key() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`/api/cases/open311/keys/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['open311-keys'] }) })
}

// Routing

interface RoutingDraft {
  rules: readonly RoutingRule[]
  tests: readonly RoutingTest[]
  version?: number
}
const routingOf = (kind: string) => `/api/cases/types/${encodeURIComponent(kind)}/routing`

export function useRouting(kind: string | undefined) {
  return useQuery({ queryKey: ['routing', kind], queryFn: ({ signal }) => call<RoutingView>(routingOf(kind ?? ''), { signal }), enabled: kind !== undefined })
}

/** What rules would have done to the last month's cases; changes nothing. */
export function useTryRouting(kind: string) {
  return useMutation({ mutationFn: (draft: RoutingDraft) => call<DryRun>(`${routingOf(kind)}/dry-run`, { json: draft }) })
}

export function useSaveRouting(kind: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: (draft: RoutingDraft) => call<RoutingView>(routingOf(kind), { method: 'PUT', json: draft }), onSuccess: saved => client.setQueryData(['routing', kind], saved) })
}

/** The pack's rules count again. */
export function useResetRouting(kind: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: () => call<RoutingView>(routingOf(kind), { method: 'DELETE' }), onSuccess: back => client.setQueryData(['routing', kind], back) })
}

/** Public cases that the signed-in person follows. */
export function useFollowing(enabled: boolean) {
  return useQuery({ queryKey: ['following'], queryFn: ({ signal }) => call<Page<PublicCase>>('/api/cases/following', { signal }), enabled })
}
