import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, call, type Query } from './client'
import type { Page, Phase, Severity } from './types'

export interface OpsBy {
  id?: string | null
  name: string
}
export interface OpsNamed {
  code: string
  name: string
  name_en: string
}
export interface OpsTarget {
  interval: string
  kinds: string[]
  percentile: number
  seconds: number
  source_act: string
  status: 'confirmed' | 'secondary' | 'proposed' | 'invented'
}
export interface OpsCatalogue {
  kinds: (OpsNamed & { icon: string; severity: Severity; sends: string[]; event: string; category: string })[]
  severities: { severity: Severity; meaning: string; meaning_en: string }[]
  states: OpsNamed[]
  positions: OpsNamed[]
  rosters: (OpsNamed & { positions: string[]; shifts: (OpsNamed & { start: string; end: string })[] })[]
  ladders: { code: string; levels: { position: string; minutes: number }[] }[]
  resource_kinds: (OpsNamed & { icon: string; speed_kmh: number })[]
  targets: OpsTarget[]
  policy?: { road_factor: number; centre: string; warning_hours: number } | null
}
export interface Incident {
  id: string
  code: string
  drill: boolean
  kind: string
  kind_name: string
  kind_name_en: string
  icon: string
  severity: Severity
  state: string
  state_name: string
  state_name_en: string
  phase: Phase
  ended: boolean
  title: string
  text: string
  place: { point?: { lon: number; lat: number }; area?: string; area_name?: string; address?: string }
  unit: { id: string; name: string }
  source: string
  commander?: { id: string; name: string }
  parent?: string
  merged: boolean
  signal_at: string
  opened_at: string
  opened_by: OpsBy
  read_at?: string
  read_by?: OpsBy
  ended_at?: string
  ladder?: string
  level: number
  next_level_at?: string
  dispatched_at?: string
  arrived_at?: string
  controlled_at?: string
  version: number
}
export interface IncidentLine {
  n: number
  at: string
  by: OpsBy
  kind: string
  text: string
  data: Record<string, unknown>
}
export interface IncidentLink {
  kind: 'alarm' | 'signal' | 'case'
  ref: string
  title: string
  href: string
  at: string
}
export interface IncidentTask {
  id: string
  incident: string
  code: string
  title: string
  drill: boolean
  text: string
  unit: { id: string; name: string }
  person?: string
  due_at?: string
  state: 'open' | 'done' | 'cancelled'
  at: string
  by: OpsBy
  done_at?: string
  note?: string
}
export interface StepDef {
  code: string
  text: string
  text_en: string
  role?: string | null
  checklist: string[]
  links: { title: string; href: string }[]
  minutes?: number | null
  question?: string | null
  question_en?: string | null
  answers: (OpsNamed & { goto?: string | null })[]
  task_for?: string | null
}
export interface RunStep {
  def: StepDef
  state: 'waiting' | 'active' | 'done' | 'skipped' | 'passed-by'
  begun_at?: string
  due_at?: string
  late: boolean
  ended_at?: string
  by?: OpsBy
  note?: string
  reason?: string
  answer?: string
}
export interface ProcedureRun {
  id: string
  procedure: string
  procedure_version: number
  name: string
  name_en: string
  automatic: boolean
  begun_at: string
  ended_at?: string
  steps: RunStep[]
  version: number
}
export interface DispatchStamp {
  stamp: string
  at: string
  received_at: string
  by: OpsBy
  typed: boolean
}
export interface Dispatch {
  id: string
  incident: string
  incident_code: string
  incident_title: string
  point?: { lon: number; lat: number }
  place: string
  drill: boolean
  kind: string
  resource: string
  resource_code: string
  resource_name: string
  unit: { id: string; name: string }
  state: string
  sent_at: string
  note?: string
  metres?: number
  eta_s?: number
  way_by?: string
  stamps: DispatchStamp[]
  ended: boolean
}
export interface Duty {
  id: string
  roster: string
  position: string
  shift: string
  day: string
  person: string
  person_name: string
  starts_at: string
  ends_at: string
  instead_of?: string
  reason?: string
  version: number
}
export interface IncidentMove {
  code: string
  name: string
  name_en: string
  requires: string[]
}
export interface IncidentView extends Incident {
  moves: IncidentMove[]
  may_handle: boolean
  links: IncidentLink[]
  children: Incident[]
  above?: Incident | null
  tasks: IncidentTask[]
  runs: ProcedureRun[]
  dispatches: Dispatch[]
  called: Duty[]
  sends: string[]
}
export interface NewIncident {
  kind: string
  severity?: Severity
  title?: string
  text?: string
  lon?: number
  lat?: number
  area?: string
  address?: string
  drill?: boolean
  alarm?: string
  case?: string
  call?: boolean
}
export interface Resource {
  id: string
  code: string
  name: string
  kind: string
  unit: { id: string; name: string }
  point?: { lon: number; lat: number }
  point_at?: string
  state: 'free' | 'busy' | 'off'
  incident_code?: string
  drill: boolean
  version: number
}
export interface NearResource extends Resource {
  metres?: number | null
  seconds?: number | null
  by: string
}
export interface ProcedureDef extends OpsNamed {
  start: { kinds: string[]; from?: Severity | null }
  source_act: string
  status: OpsTarget['status']
  steps: StepDef[]
}
export interface ProcedureVersion {
  code: string
  version: number
  state: 'draft' | 'approved' | 'retired'
  def: ProcedureDef
  reason: string
  from_incident?: string
  made_at: string
  made_by: OpsBy
  approved_at?: string
  approved_by?: OpsBy
}
export interface OpenMatters {
  incidents: { id: string; code: string; title: string; state: string }[]
  steps: { incident: string; text: string; due_at?: string }[]
  tasks: number
  alarms: { open: number; unread: number; shelved: number }
  warnings: number
}
export interface OpsShift {
  id: string
  begun_at: string
  lead: OpsBy
  handed_at?: string
  notes: string
  open?: OpenMatters
  seal?: string
  taken_at?: string
  taken_by?: OpsBy
  version: number
}
export interface ShiftNow {
  shift?: OpsShift | null
  open: OpenMatters
  on_duty: Duty[]
  log: { n: number; at: string; by: string; text: string }[]
  orders: { id: string; at: string; by: OpsBy; text: string; read: boolean; readers: string[] }[]
}
export interface WarningWords {
  headline: string
  description: string
  instruction: string
}
export interface PublicWarning {
  id: string
  identifier: string
  incident?: string
  drill: boolean
  state: 'draft' | 'issued' | 'replaced' | 'cancelled' | 'refused'
  msg_type: 'Alert' | 'Update' | 'Cancel'
  severity: string
  vi: WarningWords
  en: WarningWords
  areas: { id: string; name: string }[]
  made_by: OpsBy
  approved_by?: OpsBy
  sent_at?: string
  expires_at?: string
  hours: number
  version: number
}
export interface NewWarning {
  incident?: string
  replaces?: string
  cancel?: boolean
  severity?: string
  vi: WarningWords
  en?: WarningWords
  areas: string[]
  hours?: number
}
export interface WarningNotice {
  identifier: string
  event: string
  severity: string
  vi: WarningWords
  en: WarningWords
  areas: string[]
  sent_at?: string
  expires_at?: string
  cap: string
}
export interface ChainCell {
  interval: string
  count: number
  p50: number
  p90: number
  reached?: number | null
  target?: OpsTarget | null
}
export interface ChainTold {
  by: string
  count: number
  bias_s: number
  error_s: number
}
export interface Chain {
  from: string
  to: string
  drill: boolean
  cut: boolean
  rows: { key: string; name: string; name_en: string; incidents: number; cells: ChainCell[]; told: ChainTold[] }[]
}
export interface IncidentReview {
  version: number
  summary: string
  good: string
  bad: string
  lessons: string
  procedure?: string | null
  proposal: string
  draft?: number | null
}
export interface AfterAction {
  incident: IncidentView
  log: IncidentLine[]
  warnings: PublicWarning[]
  chain: { interval: string; seconds?: number | null; target?: OpsTarget | null }[]
  review: IncidentReview
}

const at = (id: string) => `/api/incidents/${encodeURIComponent(id)}`

export function useOpsCatalogue() {
  return useQuery({ queryKey: ['ops-catalogue'], queryFn: ({ signal }) => call<OpsCatalogue>('/api/incidents/catalogue', { signal }), staleTime: 600_000 })
}

export function useIncidents(filter: { view?: string; drill?: boolean; kind?: string }, enabled = true) {
  return useInfiniteQuery({
    queryKey: ['incidents', filter],
    queryFn: ({ pageParam, signal }) => call<Page<Incident>>('/api/incidents', { query: { ...filter, limit: 100, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    enabled,
    refetchInterval: 60_000,
  })
}

export function useIncident(id: string | undefined) {
  return useQuery({ queryKey: ['incident', id], queryFn: ({ signal }) => call<IncidentView>(at(id ?? ''), { signal }), enabled: Boolean(id) })
}

export function useIncidentLog(id: string) {
  return useQuery({ queryKey: ['incident-log', id], queryFn: ({ signal }) => call<Page<IncidentLine>>(`${at(id)}/log`, { query: { limit: 200 }, signal }) })
}

export function useOpenIncident() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ key, ...incident }: NewIncident & { key: string }) => call<IncidentView>('/api/incidents', { json: incident, headers: { 'Idempotency-Key': key } }),
    onSuccess: view => {
      client.setQueryData(['incident', view.id], view)
      void client.invalidateQueries({ queryKey: ['incidents'] })
    },
  })
}

/** Whatever is done to an incident: the path below it, and the body. The answer is the incident as it stands then. */
export function useIncidentAct(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ path, json, method }: { path: string; json?: unknown; method?: 'PATCH' | 'POST' }) => call<IncidentView | undefined>(`${at(id)}${path}`, { method: method ?? 'POST', ...(json === undefined ? {} : { json }) }),
    onSuccess: view => {
      if (view) client.setQueryData(['incident', view.id], view)
    },
    onSettled: () => {
      for (const key of ['incidents', 'incident', 'incident-log', 'incident-near', 'incident-warnings', 'ops-resources']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useNearest(id: string, enabled: boolean) {
  return useQuery({ queryKey: ['incident-near', id], queryFn: ({ signal }) => call<NearResource[]>(`${at(id)}/nearest`, { signal }), enabled })
}

export function useIncidentTasks(state: string) {
  return useQuery({ queryKey: ['incident-tasks', state], queryFn: ({ signal }) => call<Page<IncidentTask>>('/api/incidents/tasks', { query: { state, limit: 200 }, signal }), refetchInterval: 60_000 })
}

export function useEndTask() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, ...json }: { id: string; note?: string; cancel?: boolean }) => call<IncidentTask>(`/api/incidents/tasks/${encodeURIComponent(id)}`, { json }),
    onSettled: () => {
      for (const key of ['incident-tasks', 'incident', 'incident-log']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useProcedures() {
  return useQuery({ queryKey: ['procedures'], queryFn: ({ signal }) => call<ProcedureVersion[]>('/api/incidents/procedures', { signal }) })
}

export function useDraftProcedure() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (draft: { def: ProcedureDef; reason: string }) => call<ProcedureVersion>('/api/incidents/procedures', { json: draft }), onSettled: () => client.invalidateQueries({ queryKey: ['procedures'] }) })
}

export function useApproveProcedure() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ code, version }: { code: string; version: number }) => call<ProcedureVersion>(`/api/incidents/procedures/${encodeURIComponent(code)}/${version}/approve`, { method: 'POST' }),
    onSettled: () => client.invalidateQueries({ queryKey: ['procedures'] }),
  })
}

export function useResources() {
  return useQuery({ queryKey: ['ops-resources'], queryFn: ({ signal }) => call<Resource[]>('/api/incidents/resources', { signal }) })
}

export function useChain(by: 'kind' | 'area', drill: boolean) {
  return useQuery({ queryKey: ['chain', by, drill], queryFn: ({ signal }) => call<Chain>('/api/incidents/chain', { query: { by, drill }, signal }) })
}

export function useShift() {
  return useQuery({ queryKey: ['ops-shift'], queryFn: ({ signal }) => call<ShiftNow>('/api/incidents/shift', { signal }), refetchInterval: 60_000 })
}

export function useShifts() {
  return useQuery({ queryKey: ['ops-shifts'], queryFn: ({ signal }) => call<Page<OpsShift>>('/api/incidents/shifts', { query: { limit: 20 }, signal }) })
}

/** Whatever is done in the room: path below `/api/incidents/`. */
export function useRoomAct() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ path, json, method }: { path: string; json?: unknown; method?: 'POST' | 'DELETE' }) => call(`/api/incidents/${path}`, { method: method ?? 'POST', ...(json === undefined ? {} : { json }) }),
    onSettled: () => {
      for (const key of ['ops-shift', 'ops-shifts', 'ops-duties']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useDuties(from?: string) {
  return useQuery({ queryKey: ['ops-duties', from], queryFn: ({ signal }) => call<Duty[]>('/api/incidents/duties', { query: { from, days: 7 }, signal }) })
}

export function useOpsPeople(enabled = true) {
  return useQuery({ queryKey: ['ops-people'], queryFn: ({ signal }) => call<{ id: string; name: string }[]>('/api/incidents/people', { signal }), enabled, staleTime: 300_000 })
}

export function useWarnings(incident: string) {
  return useQuery({ queryKey: ['incident-warnings', incident], queryFn: ({ signal }) => call<Page<PublicWarning>>('/api/incidents/warnings', { query: { incident }, signal }) })
}

export function useWarningAct() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ path, json }: { path: string; json: unknown }) => call<PublicWarning>(`/api/incidents/warnings${path}`, { json }),
    onSettled: () => {
      for (const key of ['incident-warnings', 'incident-log']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useAfterAction(id: string) {
  return useQuery({ queryKey: ['after-action', id], queryFn: ({ signal }) => call<AfterAction>(`${at(id)}/review`, { signal }) })
}

export function usePutReview(id: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: (review: IncidentReview) => call<AfterAction>(`${at(id)}/review`, { method: 'PUT', json: review }), onSuccess: report => client.setQueryData(['after-action', id], report) })
}

export const reportAddress = (id: string, lang: string) => `${at(id)}/report.pdf?lang=${lang}`
export const evidenceAddress = (id: string) => `${at(id)}/evidence.zip`

const MINE = 'dothi.dispatch'

function kept(): Dispatch[] | undefined {
  try {
    const text = localStorage.getItem(MINE)
    return text ? (JSON.parse(text) as Dispatch[]) : undefined
  } catch {
    return undefined
  }
}

/** What my resource is sent to; while there is no network, as the phone knew it last. */
export function useMyDispatches() {
  return useQuery({
    queryKey: ['dispatches', 'mine'],
    queryFn: async ({ signal }) => {
      try {
        const found = await call<Dispatch[]>('/api/incidents/dispatches/mine', { signal })
        try {
          localStorage.setItem(MINE, JSON.stringify(found))
        } catch {
          // A full phone keeps the list it has.
        }
        return found
      } catch (error) {
        const list = error instanceof ApiError && error.offline ? kept() : undefined
        if (list) return list
        throw error
      }
    },
    networkMode: 'always',
    retry: false,
    refetchInterval: 20_000,
  })
}
