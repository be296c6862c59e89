import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { Page } from './types'

/** How far a rule is known, as packs say it. */
export type MarkStatus = 'confirmed' | 'secondary' | 'reverse-engineered' | 'unconfirmed' | 'proposed' | 'invented'
export interface RuleMark {
  of: string
  source_act: string
  status: MarkStatus
  note: string
}
export interface Procedure {
  code: string
  name: string
  name_en: string
  field: string
  level: 'province' | 'commune'
  agency: string
  days: number
  online: 'none' | 'partial' | 'full'
  fee: number
  source_act: string
  status: MarkStatus
}
export interface NamedNumber {
  number: number
  name: string
  name_en: string
}
export interface DossierCatalogue {
  policy?: { cutoff: string; counts_first_day: boolean; soon_days: number; supplements: number; slips: number; slip_moves_deadline: boolean; marks: RuleMark[] } | null
  states: (NamedNumber & { phase: string })[]
  channels: (NamedNumber & { online?: boolean })[]
  procedures: Procedure[]
  sources: { id: string; name: string }[]
}

export type BoardBy = 'unit' | 'commune' | 'procedure'
export interface BoardFilter {
  by?: BoardBy
  from?: string
  to?: string
  unit?: string
  procedure?: string
  commune?: string
}
export interface BoardCell {
  received: number
  online: number
  ended: number
  late: number
  on_time?: number | null
  median_days?: number | null
  p90_days?: number | null
  open: number
  waiting: number
  soon: number
  overdue: number
}
export interface BoardRow extends BoardCell {
  key: string
  name: string
}
export interface DossierBoard {
  at: string
  by: BoardBy
  from: string
  to: string
  soon_until: string
  total: BoardCell
  rows: BoardRow[]
  months: BoardRow[]
}

export type DossierStanding = 'on-time' | 'soon' | 'waiting' | 'overdue' | 'ended-on-time' | 'ended-late' | 'not-received'
export interface DossierRow {
  code: string
  procedure: string
  procedure_name: string
  unit: { id: string; name: string }
  commune?: { id: string; name: string } | null
  state: number
  phase?: string | null
  channel: number
  received_at?: string | null
  due_at?: string | null
  ended_at?: string | null
  waiting_since?: string | null
  supplements: number
  promised_at?: string | null
  standing: DossierStanding
  late_why?: 'deadline' | 'supplements' | null
}
export interface DossierSlip {
  n: number
  at: string
  was_due_at?: string | null
  promised_at: string
  reason: string
  by: string
}
export interface Dossier extends DossierRow {
  version: number
  source: string
  days?: number | null
  steps: string[]
  counts_from?: string | null
  appointed_at?: string | null
  finished_at?: string | null
  returned_at?: string | null
  late_at?: string | null
  took_days?: number | null
  waits: { from: string; to?: string | null; payment: boolean }[]
  fee: number
  paid_at?: string | null
  paid_online: boolean
  slips: DossierSlip[]
  log: { at: string; noted_at: string; kind: string; was?: string | null; became?: string | null; by: string }[]
  may_slip: boolean
  may_name: boolean
}
export type DossierWhat = 'overdue' | 'soon' | 'open' | 'waiting' | 'late' | 'ended' | 'all'
export interface DossierFilter {
  what: DossierWhat
  unit?: string
  procedure?: string
  commune?: string
  month?: string
  code?: string
}
export interface HandInOutcome {
  read: number
  added: number
  changed: number
  unchanged: number
  older: number
  rejected: number
  rejects: { line: number; dossier: string; code: string; detail: string }[]
}

export function useDossierCatalogue() {
  return useQuery({ queryKey: ['dossier-catalogue'], queryFn: ({ signal }) => call<DossierCatalogue>('/api/dossiers/catalogue', { signal }), staleTime: 3_600_000 })
}

export function useDossierBoard(filter: BoardFilter) {
  return useQuery({ queryKey: ['dossier-board', filter], queryFn: ({ signal }) => call<DossierBoard>('/api/dossiers/board', { query: { ...filter } satisfies Query, signal }), refetchInterval: 60_000 })
}

export function useDossiers(filter: DossierFilter) {
  return useInfiniteQuery({
    queryKey: ['dossiers', filter],
    queryFn: ({ pageParam, signal }) => call<Page<DossierRow>>('/api/dossiers', { query: { ...filter, limit: 100, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
  })
}

export function useDossier(code: string) {
  return useQuery({ queryKey: ['dossier', code], queryFn: ({ signal }) => call<Dossier>(`/api/dossiers/${encodeURIComponent(code)}`, { signal }) })
}

/** The applicant's name: asked for by hand only, because the reading is on record. */
export function useApplicant(code: string) {
  return useMutation({ mutationFn: () => call<{ name?: string | null }>(`/api/dossiers/${encodeURIComponent(code)}/applicant`) })
}

/** An apology slip as a PDF. */
export function slipAddress(code: string, n: number, lang: string): string {
  return `/api/dossiers/${encodeURIComponent(code)}/slips/${n}/paper?lang=${lang}`
}

export function useIssueSlip(code: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (slip: { version: number; day: string; reason: string }) => call<Dossier>(`/api/dossiers/${encodeURIComponent(code)}/slips`, { json: slip }),
    onSuccess: dossier => {
      client.setQueryData(['dossier', code], dossier)
      for (const key of ['dossiers', 'dossier-board']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useImportDossiers() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ file, source }: { file: Blob; source: string }) => call<HandInOutcome>('/api/dossiers/import', { file, query: { source }, timeoutMs: 120_000 }),
    onSettled: () => {
      for (const key of ['dossiers', 'dossier-board', 'dossier']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

// Scores, figures, tablets, anomalies, the public's pages.

export interface ScoreFigure {
  code: string
  value?: number | null
  source: 'counted' | 'reported'
  by?: string | null
  note?: string | null
  waiting: boolean
}
export interface ScorePart {
  part: { code: string; name: string; name_en: string; points: number; full_at: number; empty: 'zero' | 'full' }
  numerator: ScoreFigure
  denominator: ScoreFigure
  points?: number | null
}
export interface ScoreClass {
  from: number
  name: string
  name_en: string
}
export interface DossierScore {
  set: string
  title: string
  title_en: string
  marks: RuleMark[]
  reported: { code: string; name: string; name_en: string }[]
  unit: { id: string; name: string }
  period: string
  total: number
  known: number
  most: number
  class?: ScoreClass | null
  groups: { code: string; name: string; name_en: string; most: number; known: number; points: number; parts: ScorePart[] }[]
}
export interface DossierScores {
  period: string
  rows: { unit: { id: string; name: string }; total: number; known: number; class?: ScoreClass | null; groups: number[] }[]
}
export interface ReportedFigure {
  id: string
  unit: { id: string; name: string }
  period: string
  figure: string
  name: string
  name_en: string
  value: number
  note: string
  status: string
  entered_by: string
  entered_at: string
  may_settle: boolean
}
export interface AnomalyFinding {
  rule: { code: string; name: string; name_en: string; pattern: string; count: number; minutes: number; hours: number; status: MarkStatus }
  found: { unit: { id: string; name: string }; code: string; n: number; at: string; received_at?: string | null; due_at?: string | null }[]
  more: boolean
}
export interface Tablet {
  id: string
  unit: { id: string; name: string }
  name: string
  faces: number
  last_at?: string | null
  ended_at?: string | null
}
export interface CounterRatings {
  unit: { id: string; name: string }
  counter: string
  rated: number
  satisfied: number
  levels: number[]
}
export interface PublicDossierRow {
  key: string
  name: string
  received: number
  on_time?: number | null
  median_days?: number | null
  overdue: number
}
export interface PublicDossierBoard {
  at: string
  from: string
  to: string
  total: PublicDossierRow
  rows: PublicDossierRow[]
  marks: RuleMark[]
}
export interface OwnDossier {
  code: string
  procedure: string
  unit: string
  state: string
  state_en: string
  standing: DossierStanding
  received_at?: string | null
  due_at?: string | null
  promised_at?: string | null
  ended_at?: string | null
  seen_at: string
}

export function useScores(period: string) {
  return useQuery({ queryKey: ['dossier-scores', period], queryFn: ({ signal }) => call<DossierScores>('/api/dossiers/scores', { query: { period }, signal }) })
}

export function useScore(unit: string | undefined, period: string) {
  return useQuery({ queryKey: ['dossier-score', unit, period], queryFn: ({ signal }) => call<DossierScore>('/api/dossiers/score', { query: { unit, period }, signal }), enabled: Boolean(unit) })
}

export function useFigures(enabled: boolean) {
  return useQuery({ queryKey: ['dossier-figures'], queryFn: ({ signal }) => call<Page<ReportedFigure>>('/api/dossiers/figures', { query: { limit: 200 }, signal }), enabled })
}

export function useReportFigure() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (figure: { set: string; unit: string; period: string; figure: string; value: number; note: string }) => call<ReportedFigure>('/api/dossiers/figures', { json: figure }),
    onSuccess: () => {
      for (const key of ['dossier-figures', 'dossier-score']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useSettleFigure() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, ...settling }: { id: string; approve: boolean; reason?: string }) => call<ReportedFigure>(`/api/dossiers/figures/${encodeURIComponent(id)}/settle`, { json: settling }),
    onSettled: () => {
      for (const key of ['dossier-figures', 'dossier-score', 'dossier-scores']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
}

export function useAnomalies() {
  return useQuery({ queryKey: ['dossier-anomalies'], queryFn: ({ signal }) => call<{ from: string; to: string; findings: AnomalyFinding[] }>('/api/dossiers/anomalies', { signal }) })
}

export function useSatisfaction() {
  return useQuery({ queryKey: ['dossier-satisfaction'], queryFn: ({ signal }) => call<{ from: string; to: string; rows: CounterRatings[] }>('/api/dossiers/satisfaction', { signal }) })
}

export function useTablets() {
  return useQuery({ queryKey: ['tablets'], queryFn: ({ signal }) => call<Tablet[]>('/api/dossiers/tablets', { signal }) })
}

export function useAddTablet() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (tablet: { unit: string; name: string; faces: number }) => call<{ tablet: Tablet; token: string }>('/api/dossiers/tablets', { json: tablet }), onSuccess: () => client.invalidateQueries({ queryKey: ['tablets'] }) })
}

export function useEndTablet() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<Tablet>(`/api/dossiers/tablets/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSettled: () => client.invalidateQueries({ queryKey: ['tablets'] }) })
}

export function usePublicDossiers(by: BoardBy) {
  return useQuery({ queryKey: ['public-dossiers', by], queryFn: ({ signal }) => call<PublicDossierBoard>('/api/dossiers/public/board', { query: { by }, signal }) })
}

export function useLookUp() {
  return useMutation({ mutationFn: (wanted: { code: string; phone: string }) => call<OwnDossier>('/api/dossiers/public/look-up', { json: wanted }) })
}

/** A source of dossiers that is asked by the clock. */
export interface PollDraft {
  name: string
  source: string
  url: string
  format: 'json' | 'csv'
  items: string
  since_name: string
  cursor_at: string
  header: string
  secret?: string
  minutes: number
  active: boolean
  anew?: boolean
}
export interface Poll extends Omit<PollDraft, 'secret' | 'anew'> {
  id: string
  has_secret: boolean
  cursor: string
  due_at: string
  last_at?: string
  good_at?: string
  tries: number
  fault?: string
  fault_detail?: string
  made_by: string
}
export interface PollRun {
  at: string
  pages: number
  outcome: HandInOutcome
  fault?: string
  fault_detail?: string
}

export function usePolls() {
  return useQuery({ queryKey: ['dossier-polls'], queryFn: ({ signal }) => call<Poll[]>('/api/dossiers/polls', { signal }), refetchInterval: 15_000 })
}

export function usePollRuns(id: string) {
  return useQuery({ queryKey: ['dossier-polls', id], queryFn: ({ signal }) => call<PollRun[]>(`/api/dossiers/polls/${encodeURIComponent(id)}/runs`, { signal }), refetchInterval: 15_000 })
}

export function useSavePoll(id?: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (draft: PollDraft) => (id ? call<Poll>(`/api/dossiers/polls/${encodeURIComponent(id)}`, { method: 'PUT', json: draft }) : call<Poll>('/api/dossiers/polls', { json: draft })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['dossier-polls'] }),
  })
}

export function useRemovePoll() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`/api/dossiers/polls/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['dossier-polls'] }) })
}
