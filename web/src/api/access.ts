import { queryOptions, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, setCsrf, type Query } from './client'
import { forget } from './kept'
import type { AreaHit, AuditChain, AuditRow, Me, Page, Person, Place, Role, Token, Unit, UnitDetail } from './types'

async function readMe(): Promise<Me> {
  const me = await call<Me>('/api/access/me')
  setCsrf(me.csrf)
  return me
}

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: readMe, staleTime: 60_000 })

export function useMe() {
  return useQuery(meQuery)
}

/** Whether the signed-in person holds the permission anywhere. Only for what is shown; the server decides. */
export function can(me: Me | undefined, permission: string): boolean {
  return me?.permissions.includes(permission) ?? false
}

export function useSignIn() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (form: { login: string; password: string }) => call<Me>('/api/access/sign-in', { json: form }),
    onSuccess: async me => {
      setCsrf(me.csrf)
      client.clear()
      client.setQueryData(['me'], me)
    },
  })
}

export function useSignOut() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call<void>('/api/access/sign-out', { method: 'POST' }).finally(() => forget('dothi.field')),
    onSuccess: () => {
      setCsrf(undefined)
      client.clear()
    },
  })
}

export function useRegister() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (form: { login: string; name: string; password: string }) => {
      await call<Me>('/api/access/register', { json: form })
      return call<Me>('/api/access/sign-in', { json: { login: form.login, password: form.password } })
    },
    onSuccess: me => {
      setCsrf(me.csrf)
      client.clear()
      client.setQueryData(['me'], me)
    },
  })
}

export function useUnits(query: { kind?: 'area' | 'organisation'; parent?: string; q?: string; as_of?: string; limit?: number }, enabled = true) {
  return useQuery({ queryKey: ['units', query], queryFn: ({ signal }) => call<Page<Unit>>('/api/access/units', { query, signal }), staleTime: 300_000, enabled })
}

export function useUnit(id: string | undefined) {
  return useQuery({ queryKey: ['unit', id], queryFn: ({ signal }) => call<UnitDetail>(`/api/access/units/${encodeURIComponent(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

/** The communes of a province (the home province when none is named). */
export function useCommunes(province: string | undefined) {
  return useQuery({
    queryKey: ['communes', province],
    queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/access/areas.geojson', { query: { parent: province }, signal }),
    staleTime: Infinity,
    enabled: Boolean(province),
  })
}

export function locate(lon: number, lat: number): Promise<Place> {
  return call<Place>('/api/access/locate', { query: { lon, lat } })
}

export function useLocate(at: { lon: number; lat: number } | undefined) {
  return useQuery({ queryKey: ['locate', at?.lon, at?.lat], queryFn: () => locate(at?.lon ?? 0, at?.lat ?? 0), enabled: Boolean(at), staleTime: Infinity, retry: false })
}

export function useAreaSearch(q: string) {
  return useQuery({
    queryKey: ['area-search', q],
    queryFn: ({ signal }) => call<Page<AreaHit>>('/api/access/search', { query: { q, limit: 8 }, signal }),
    enabled: q.trim().length >= 2,
    staleTime: 300_000,
  })
}

// Administration

function pages<T>(key: readonly unknown[], path: string, query: Query) {
  return {
    queryKey: key,
    queryFn: ({ pageParam, signal }: { pageParam: string | undefined; signal: AbortSignal }) => call<Page<T>>(path, { query: { limit: 100, ...query, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next,
  }
}

export function usePeople(q: string) {
  return useInfiniteQuery(pages<Person>(['people', q], '/api/access/people', { q }))
}

export function useRoles() {
  return useQuery({ queryKey: ['roles'], queryFn: ({ signal }) => call<Role[]>('/api/access/roles', { signal }), staleTime: 300_000 })
}

/** A change to people or their grants; lists are read again after it. */
function usePeopleChange<V, R>(mutationFn: (value: V) => Promise<R>) {
  const client = useQueryClient()
  return useMutation({ mutationFn, onSuccess: () => client.invalidateQueries({ queryKey: ['people'] }) })
}

export function useAddPerson() {
  return usePeopleChange((person: { login: string; name: string; password: string }) => call<Person>('/api/access/people', { json: person }))
}

export function useGiveRole() {
  return usePeopleChange(({ person, ...grant }: { person: string; role: string; unit: string; sectors?: string[] }) => call<unknown>(`/api/access/people/${encodeURIComponent(person)}/grants`, { json: grant }))
}

export function useTakeRole() {
  return usePeopleChange(({ person, grant }: { person: string; grant: string }) => call<void>(`/api/access/people/${encodeURIComponent(person)}/grants/${encodeURIComponent(grant)}`, { method: 'DELETE' }))
}

export function useDeactivate() {
  return usePeopleChange((person: string) => call<void>(`/api/access/people/${encodeURIComponent(person)}/deactivate`, { method: 'POST' }))
}

export interface UnitFilter {
  kind?: string
  level?: string
  parent?: string
  q?: string
  as_of?: string
}

export function useUnitPages(filter: UnitFilter) {
  return useInfiniteQuery(pages<Unit>(['unit-pages', filter], '/api/access/units', { ...filter }))
}

export function useTokens() {
  return useInfiniteQuery(pages<Token>(['tokens'], '/api/access/tokens', {}))
}

export function useAddToken() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (token: { name: string; permissions: string[]; expires_at?: string }) => call<{ token: Token; secret: string }>('/api/access/tokens', { json: token }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }),
  })
}

export function useRevokeToken() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`/api/access/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }) })
}

export function useAudit(prefix: string) {
  return useInfiniteQuery(pages<AuditRow>(['audit', prefix], '/api/access/audit', { prefix }))
}

/** Walks the whole chain on the server: asked for only when somebody wants to know. */
export function useAuditCheck() {
  return useMutation({ mutationFn: () => call<AuditChain>('/api/access/audit/verify', { timeoutMs: 60_000 }) })
}
