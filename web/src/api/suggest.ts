import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { LonLat, PublicCase } from './types'

/** A class with its probability. */
export interface Guess {
  code: string
  p: number
}
export interface Suggestion {
  model?: number | null
  categories: Guess[]
  fill?: string | null
  similar: PublicCase[]
}
export interface SimilarCase {
  id: string
  code: string
  category_name: string
  category_name_en: string
  opened_at: string
  metres: number
  likeness: number
  text_short: string
}
export interface Advice {
  model?: number | null
  categories: Guess[]
  sure: boolean
  urgency?: Guess | null
  similar: SimilarCase[]
}
export interface ClassMeasure {
  label: string
  tested: number
  precision?: number | null
  recall?: number | null
  f1?: number | null
  /** Above one: never filled in. */
  threshold: number
  filled: number
  filled_right: number
}
export interface Measured {
  tested: number
  accuracy: number
  top3: number
  macro_f1: number
  classes: ClassMeasure[]
  /** Rows: what it is (the last: none of the classes), columns: what it was named. */
  confusion: number[][]
}
export interface LearnedModel {
  version: number
  at: string
  cases: number
  trained: number
  from: string
  to: string
  category: Measured
  category_plain: Measured
  urgency: Measured
}
export interface LifeRow {
  category: string
  cases: number
  right: number
  top3: number
  filled: number
  filled_right: number
  urgency_right: number
  chosen_right: number
}
export interface LearningView {
  kind: string
  policy?: { least_cases: number; least_of_each: number; newest: number; precision: number; every_days: number; staff_metres: number } | null
  decided: number
  wanted: boolean
  models: LearnedModel[]
  life: LifeRow[]
}

/** What the words of a report in the making point at. The words go in the body, never into an address. */
export function useSuggest(kind: string | undefined, text: string, place: LonLat | undefined, category: string | undefined) {
  return useQuery({
    queryKey: ['suggest', kind, text, place?.lon, place?.lat, category],
    queryFn: ({ signal }) => call<Suggestion>('/api/cases/suggest', { json: { kind: kind ?? '', text, ...(place ? { lon: place.lon, lat: place.lat } : {}), ...(category ? { category } : {}) }, signal }),
    enabled: kind !== undefined && text.length >= 8,
    placeholderData: before => before,
    staleTime: 60_000,
    retry: false,
  })
}

/** What is suggested for a case; an officer decides. */
export function useAdvice(id: string) {
  return useQuery({ queryKey: ['advice', id], queryFn: ({ signal }) => call<Advice>(`/api/cases/${encodeURIComponent(id)}/advice`, { signal }), staleTime: 60_000 })
}

const learningOf = (kind: string) => `/api/cases/types/${encodeURIComponent(kind)}/learning`

export function useLearning(kind: string | undefined) {
  return useQuery({
    queryKey: ['learning', kind],
    queryFn: ({ signal }) => call<LearningView>(learningOf(kind ?? ''), { signal }),
    enabled: kind !== undefined,
    // A model that was asked for comes in the background.
    refetchInterval: query => (query.state.data?.wanted ? 3_000 : false),
  })
}

export function useLearnNow(kind: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: () => call<LearningView>(learningOf(kind), { method: 'POST' }), onSuccess: view => client.setQueryData(['learning', kind], view) })
}
