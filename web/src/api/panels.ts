import { useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { address, call, type Query } from './client'
import type { LonLat, Named, Page, Severity } from './types'

export type PanelClass = 'alarm' | 'trouble' | 'note'
export interface PanelKind {
  code: string
  name: string
  name_en: string
  class: PanelClass
  severity: Severity
  confirm: 'at-once' | 'two' | 'never'
  with: string[]
  advice: string
  advice_en: string
}
export interface PanelMark {
  of: string
  source_act: string
  status: 'confirmed' | 'secondary' | 'unconfirmed' | 'proposed'
  note: string
}
export interface PanelCatalogue {
  policy?: { confirm_seconds: number; clock_past: number; clock_ahead: number; supervision: number; maintenance_hours: number; score_days: number; chronic: number; marks: PanelMark[] } | null
  kinds: PanelKind[]
  receiving: boolean
}
export interface PanelSignal {
  id: string
  account: string
  premises?: Named | null
  address: string
  location?: LonLat | null
  commune?: Named | null
  kind: string
  class: PanelClass
  severity: Severity
  scheme: 'sia' | 'cid' | 'device'
  code: string
  area: string
  zone: string
  zone_name?: string | null
  words: string
  at: string
  last_at: string
  repeats: number
  confirmed_at?: string | null
  confirmed_why?: string | null
  restored_at?: string | null
  acked_at?: string | null
  acked_by?: string | null
  verdict?: 'real' | 'false' | 'test' | null
  open: boolean
  version: number
}
export interface PanelMessage {
  at: string
  told_at?: string | null
  sequence: number
  path: string
  scheme: string
  code: string
  code_name?: string | null
  code_name_en?: string | null
  phase: string
  area: string
  zone: string
  words: string
  maintenance: boolean
}
export interface PanelSignalView extends PanelSignal {
  verdict_by?: string | null
  verdict_at?: string | null
  verdict_why?: string | null
  confirmed_with?: string | null
  alarm?: string | null
  messages: PanelMessage[]
}
export interface PanelPath {
  path: string
  supervision: number
  seen_at?: string | null
  lost_at?: string | null
}
export interface PanelAccount {
  id: string
  scheme: 'sia' | 'cid' | 'device'
  account: string
  name: string
  premises?: Named | null
  key_bits?: number | null
  paths: PanelPath[]
  backup_line?: string | null
  clock_past?: number | null
  clock_ahead?: number | null
  maintenance_until?: string | null
  maintenance_why?: string | null
  active: boolean
  drift?: number | null
  refused: { why: string; n: number; at: string }[]
  version: number
}
export interface PanelAccountInput {
  version?: number
  account: string
  name: string
  premises?: string
  clock_past?: number
  clock_ahead?: number
  supervision?: number
  backup_line?: string
  backup_supervision?: number
  active: boolean
}
export interface PanelPremisesRow {
  id: string
  code: string
  name: string
  kind: string
  address: string
  commune?: Named | null
  unit?: Named | null
  location?: LonLat | null
  open: number
  worst?: Severity | null
  confirmed: boolean
}
export interface PanelZone {
  zone: string
  name: string
  place: string
}
export interface PanelContact {
  name: string
  role: string
  phone: string
  key: boolean
}
export interface PanelPrivate {
  contacts: PanelContact[]
  keys: string
}
export interface PanelScore {
  points: number
  chronic: boolean
  days: number
  alarms: number
  wrong: number
  unconfirmed: number
  repeats: number
}
export interface PanelPremises extends PanelPremisesRow {
  hazards: string
  water: string
  approach: string
  zones: PanelZone[]
  plans: { sha256: string; media_type: string; name: string; at: string }[]
  accounts: PanelAccount[]
  score: PanelScore
  at: string
  by: string
  version: number
}
export interface PanelPremisesInput {
  version?: number
  code: string
  name: string
  kind: string
  address: string
  commune?: string
  location?: LonLat
  unit?: string
  hazards: string
  water: string
  approach: string
  zones: PanelZone[]
  private?: PanelPrivate
}
export interface PanelBoard {
  alarms: number
  confirmed: number
  waiting: number
  troubles: number
  lost: number
  maintenance: number
  panels: number
  noted_p90?: number | null
}
export interface PanelImport {
  read: number
  added: number
  changed: number
  accounts: number
  rejected: number
  rejects: { line: number; premises: string; code: string; detail: string }[]
}

const at = (id: string) => encodeURIComponent(id)
const next = { initialPageParam: undefined as string | undefined, getNextPageParam: (page: { next?: string }) => page.next }

function anew(client: QueryClient): void {
  for (const key of ['panel-signals', 'panel-signal', 'panel-board', 'panel-premises', 'panel-premises-one', 'panel-accounts', 'panel-strangers', 'panel-offenders']) void client.invalidateQueries({ queryKey: [key] })
}

export function usePanelCatalogue() {
  return useQuery({ queryKey: ['panel-catalogue'], queryFn: ({ signal }) => call<PanelCatalogue>('/api/panels/catalogue', { signal }), staleTime: 300_000 })
}

export function usePanelBoard() {
  return useQuery({ queryKey: ['panel-board'], queryFn: ({ signal }) => call<PanelBoard>('/api/panels/board', { signal }), refetchInterval: 30_000 })
}

export function usePanelSignals(filter: { state?: string; class?: string; premises?: string }) {
  return useInfiniteQuery({
    queryKey: ['panel-signals', filter],
    queryFn: ({ pageParam, signal }) => call<Page<PanelSignal>>('/api/panels/signals', { query: { limit: 100, ...filter, after: pageParam } satisfies Query, signal }),
    ...next,
    refetchInterval: 30_000,
  })
}

export function usePanelSignal(id: string | undefined) {
  return useQuery({ queryKey: ['panel-signal', id], queryFn: ({ signal }) => call<PanelSignalView>(`/api/panels/signals/${at(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

export function useNoteSignal() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, version }: { id: string; version: number }) => call<PanelSignalView>(`/api/panels/signals/${at(id)}/acknowledge`, { json: { version } }), onSettled: () => anew(client) })
}

export function useJudgeSignal() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...verdict }: { id: string; version: number; verdict: string; reason: string }) => call<PanelSignalView>(`/api/panels/signals/${at(id)}/verdict`, { json: verdict }), onSettled: () => anew(client) })
}

export function usePanelPremises(q: string) {
  return useInfiniteQuery({
    queryKey: ['panel-premises', q],
    queryFn: ({ pageParam, signal }) => call<Page<PanelPremisesRow>>('/api/panels/premises', { query: { limit: 200, q, after: pageParam } satisfies Query, signal }),
    ...next,
  })
}

export function usePanelPremisesOne(id: string | undefined) {
  return useQuery({ queryKey: ['panel-premises-one', id], queryFn: ({ signal }) => call<PanelPremises>(`/api/panels/premises/${at(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

/** People to call and keys. Each reading is on record, so it is asked for by a click and not kept. */
export function useReadPrivate() {
  return useMutation({ mutationFn: (id: string) => call<PanelPrivate>(`/api/panels/premises/${at(id)}/private`) })
}

export function useSavePremises() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, input }: { id?: string; input: PanelPremisesInput }) => call<PanelPremises>(id ? `/api/panels/premises/${at(id)}` : '/api/panels/premises', { method: id ? 'PUT' : 'POST', json: input }),
    onSuccess: () => anew(client),
  })
}

export function useAddPlan() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, file }: { id: string; file: File }) => call<PanelPremises>(`/api/panels/premises/${at(id)}/plans`, { method: 'POST', query: { name: file.name.slice(0, 120) }, file, timeoutMs: 60_000 }), onSuccess: () => anew(client) })
}

export function useDropPlan() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, sha }: { id: string; sha: string }) => call<PanelPremises>(`/api/panels/premises/${at(id)}/plans/${at(sha)}`, { method: 'DELETE' }), onSuccess: () => anew(client) })
}

export function planAddress(premises: string, sha: string): string {
  return address(`/api/panels/premises/${at(premises)}/plans/${at(sha)}`)
}

export function usePanelAccounts(q: string) {
  return useInfiniteQuery({
    queryKey: ['panel-accounts', q],
    queryFn: ({ pageParam, signal }) => call<Page<PanelAccount>>('/api/panels/accounts', { query: { limit: 100, q, after: pageParam } satisfies Query, signal }),
    ...next,
    refetchInterval: 60_000,
  })
}

export function useSaveAccount() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, input }: { id?: string; input: PanelAccountInput }) => call<PanelAccount>(id ? `/api/panels/accounts/${at(id)}` : '/api/panels/accounts', { method: id ? 'PUT' : 'POST', json: input }),
    onSuccess: () => anew(client),
  })
}

export function useSetPanelKey() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...key }: { id: string; form?: 'hex' | 'text'; key?: string }) => call<PanelAccount>(`/api/panels/accounts/${at(id)}/key`, { json: key }), onSuccess: () => anew(client) })
}

export function useSetMaintenance() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...wanted }: { id: string; until?: string; reason: string }) => call<PanelAccount>(`/api/panels/accounts/${at(id)}/maintenance`, { json: wanted }), onSuccess: () => anew(client) })
}

export function usePanelMessages(id: string | undefined) {
  return useQuery({ queryKey: ['panel-messages', id], queryFn: ({ signal }) => call<PanelMessage[]>(`/api/panels/accounts/${at(id ?? '')}/messages`, { signal }), enabled: Boolean(id) })
}

export function useStrangers() {
  return useQuery({ queryKey: ['panel-strangers'], queryFn: ({ signal }) => call<{ account: string; address: string; n: number; first_at: string; last_at: string }[]>('/api/panels/strangers', { signal }), refetchInterval: 30_000 })
}

export function useOffenders() {
  return useQuery({ queryKey: ['panel-offenders'], queryFn: ({ signal }) => call<{ premises: Named; code: string; score: PanelScore }[]>('/api/panels/offenders', { signal }) })
}

export function useImportPremises() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (file: File) => call<PanelImport>('/api/panels/import', { method: 'POST', file, headers: {}, timeoutMs: 120_000 }),
    onSuccess: () => anew(client),
  })
}
