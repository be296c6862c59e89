import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { Phase } from './case-types'
import type { Named } from './types'

export interface FlowState {
  code: string
  name: string
  name_en: string
  phase: Phase
  clock: 'runs' | 'paused' | 'stopped'
  initial: boolean
  waits_for: string[]
  timeout_days?: number | null
  cases: number
}
export interface FlowMove {
  code: string
  name: string
  name_en: string
  from: string[]
  to: string
  by: 'centre' | 'handler' | 'approver' | 'crew' | 'reporter' | 'system'
  requires: string[]
  second_person: string[]
  within?: string | null
}
export interface FlowView {
  kind: string
  title: string
  title_en: string
  version: number
  policy: { source_act: string; status: string; valid_from: string; valid_to?: string | null }
  states: FlowState[]
  moves: FlowMove[]
  deadlines: { category: string; urgency: string; time: string; minutes: number }[]
  versions: { version: number; pack: string; at: string }[]
}
interface Loss {
  code: string
  count: number
}
export interface FlowTrial {
  faults: string[]
  view?: FlowView | null
  cases: number
  cut: boolean
  late_before: number
  late_after: number
  lost_states: Loss[]
  lost_categories: Loss[]
  lost_moves: Loss[]
  samples: { code: string; category: string; used: number; before: number; after: number; late: boolean }[]
}

const of = (kind: string) => `/api/cases/types/${encodeURIComponent(kind)}/flow`

export function useFlow(kind: string | undefined, version?: number) {
  return useQuery({ queryKey: ['flow', kind, version], queryFn: ({ signal }) => call<FlowView>(of(kind ?? ''), { query: { version }, signal }), enabled: kind !== undefined })
}

/** What a changed definition would have meant for past cases; changes nothing. */
export function useTryFlow(kind: string) {
  return useMutation({ mutationFn: (input: { changes: string; version?: number; days?: number }) => call<FlowTrial>(`${of(kind)}/dry-run`, { json: input }) })
}

export interface SampleQuestion {
  code: string
  text: string
  text_en: string
}
export interface Sample {
  case: string
  code: string
  category_name: string
  category_name_en: string
  unit: Named
  drawn_at: string
  percent: number
  questions: SampleQuestion[]
}
export interface Samples {
  open: Sample[]
  units: { unit: Named; drawn: number; checked: number; passed: number }[]
}

export function useSamples() {
  return useQuery({ queryKey: ['samples'], queryFn: ({ signal }) => call<Samples>('/api/cases/samples', { signal }) })
}

export function useCheckSample() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, answers, note }: { id: string; answers: Record<string, boolean>; note?: string }) => call<unknown>(`/api/cases/${encodeURIComponent(id)}/sample`, { json: { answers, note } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['samples'] }),
  })
}

export interface Erasure {
  id: string
  case: string
  code: string
  asked_at: string
  words: string
  state: 'open' | 'granted' | 'refused'
  decided_at?: string | null
  by?: string | null
  reason?: string | null
}

export function useErasures() {
  return useQuery({ queryKey: ['erasures'], queryFn: ({ signal }) => call<Erasure[]>('/api/cases/erasures', { signal }) })
}

export function useDecideErasure() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, ...decision }: { id: string; grant: boolean; reason: string }) => call<Erasure>(`/api/cases/erasures/${encodeURIComponent(id)}`, { json: decision }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['erasures'] }),
  })
}

/** What is held about the reporter of a case. */
export interface HeldData {
  code: string
  retention?: { source_act: string; status: string; anonymise_after_days: number; media_after_days: number } | null
  erasure?: 'open' | 'granted' | 'refused' | null
  erasure_reason?: string | null
}

export function useHeldData(code: string) {
  return useMutation({ mutationFn: (key: string | undefined) => call<HeldData>(`/api/cases/track/${encodeURIComponent(code)}/data`, { query: { key } }) })
}

export function useAskErasure(code: string) {
  return useMutation({ mutationFn: (input: { key?: string; words: string }) => call<HeldData>(`/api/cases/track/${encodeURIComponent(code)}/erasure`, { json: input }) })
}
