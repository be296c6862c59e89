/** Shapes of work orders in the native API. */
import type { CaseMove, Phase } from './case-types'
import type { LonLat, Named } from './types'

export interface CheckLine {
  code: string
  text: string
  text_en: string
  answer: 'done' | 'yes-no' | 'number' | 'text'
  unit?: string | null
  min?: number | null
  max?: number | null
  required: boolean
  photo: boolean
  value?: string | null
}
export interface MaterialLine {
  code: string
  name: string
  name_en: string
  unit: string
  expected?: number | null
  used?: number | null
}
export interface OrderLog {
  at: string
  received_at: string
  by: string
  step: string
  step_name: string
  step_name_en: string
  state_name: string
  state_name_en: string
  note?: string | null
  reason?: string | null
  location?: LonLat | null
}
export interface CrewStep {
  code: string
  name: string
  name_en: string
  from: string[]
  to: string
  to_name: string
  to_name_en: string
  requires: string[]
}
export interface WorkOrder {
  id: string
  code: string
  kind: string
  kind_name: string
  kind_name_en: string
  icon: string
  state: string
  state_name: string
  state_name_en: string
  phase: Phase
  /** Whom it waits for; empty once it has ended. */
  waits_for: string
  unit: Named
  crew: string
  crew_name: string
  case?: { id: string; code: string; category_name: string; category_name_en: string; due_at: string; photos: string[] } | null
  /** The alarm it was given for. */
  alarm?: string | null
  text: string
  address?: string | null
  area_name?: string | null
  location?: LonLat | null
  planned_for?: string | null
  due_at: string
  overdue: boolean
  given_at: string
  given_by: string
  ended_at?: string | null
  checklist: CheckLine[]
  materials: MaterialLine[]
  photos: { sha: string; item: string }[]
  log: OrderLog[]
  moves: CaseMove[]
  /** The crew's steps, so that a phone without network knows what comes next. */
  way: CrewStep[]
  version: number
}
/** What the crew fills in with a step. */
export interface OrderStep {
  at?: string
  lon?: number
  lat?: number
  note?: string
  reason?: string
  answers?: Record<string, string>
  used?: Record<string, number>
  /** What each photo shows: `before`, `after`, or a line of the checklist. */
  items?: string[]
}
export interface Crew {
  id: string
  unit: Named
  name: string
  leader: Named
  members: Named[]
  active: boolean
  open_orders: number
}
export interface CrewDraft {
  unit: string
  name: string
  leader: string
  members: string[]
  active: boolean
}
export interface WorkKind {
  code: string
  name: string
  name_en: string
  icon: string
  categories: string[]
  checklist: CheckLine[]
  materials: MaterialLine[]
}
export interface OrderDraft {
  case?: string
  alarm?: string
  unit?: string
  address?: string
  lon?: number
  lat?: number
  kind: string
  crew: string
  text: string
  planned_for?: string
}
