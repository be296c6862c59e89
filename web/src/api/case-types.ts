/** Shapes of cases in the native API: types, reports, handling, routing, statistics. */
import type { LonLat, Named } from './types'

export type Phase = 'open' | 'working' | 'waiting' | 'solved' | 'unsolved'
export interface NamedCode {
  code: string
  name: string
  name_en: string
}
export interface Question {
  code: string
  text: string
  text_en: string
  options?: { code: string; text: string; text_en: string; stop?: string | null; stop_en?: string | null }[]
  datatype?: 'string' | 'number' | 'datetime' | 'text' | 'singlevaluelist' | 'multivaluelist' | 'notice' | null
  required?: boolean
  hint?: string | null
  hint_en?: string | null
}
export interface Category extends NamedCode {
  icon: string
  group: string
  hint?: string
  hint_en?: string
  questions: Question[]
  deadline_minutes?: number
}
export interface CaseType {
  kind: string
  title: string
  title_en: string
  categories: Category[]
  groups: NamedCode[]
  urgencies: NamedCode[]
  states: NamedCode[]
  emergency_notice: string
  emergency_notice_en: string
  excluded_notice: string
  excluded_notice_en: string
  text_chars: number
  photos: number
  photo_bytes: number
  media: number
  media_bytes: number
  media_seconds: number
  /** What can be noticed in words. */
  flags: NamedCode[]
  /** What a private report means; empty = not offered. */
  private_notice: string
  private_notice_en: string
  /** What a reporter who leaves contact data may agree to. */
  consent?: ConsentWords
}
export interface ConsentWords {
  version: string
  text: string
  text_en: string
}
export interface Answer {
  text: string
  at: string
  photos: string[]
}
export interface OwnDetails {
  id: string
  text: string
  photos: string[]
  contact_left: boolean
  /** Whether those who handle the case may have the contact data. */
  consent?: { offered?: ConsentWords; given?: ConsentWords & { at: string; withdrawn_at?: string } }
  /** A question of the handling unit that waits for an answer. */
  question?: string
  may_rate: boolean
  moves: CaseMove[]
  version: number
}
export interface PublicCase {
  code: string
  category: string
  category_name: string
  category_name_en: string
  phase: Phase
  state: string
  state_name: string
  state_name_en: string
  text?: string
  location?: LonLat | null
  area?: string | null
  area_name?: string | null
  unit: Named
  opened_at: string
  due_at: string
  closed_at?: string
  overdue: boolean
  planned_for?: string
  photos: string[]
  answer?: Answer
  rating?: number
  followers: number
  merged_into?: string
  parts?: { unit: Named; state_name: string; state_name_en: string; phase: Phase }[]
  timeline?: { at: string; what: string; what_en: string; unit?: Named; text?: string }[]
  own?: OwnDetails
}
export interface ReportDraft {
  kind: string
  category: string
  text: string
  lon?: number
  lat?: number
  area?: string
  address?: string
  contact?: { name?: string; phone?: string; email?: string }
  answers?: Record<string, string>
  anonymous?: boolean
  private?: boolean
  /** Version of the words agreed to. */
  consent?: string
  device?: string
  source?: string
  urgency?: string
}
export interface ReportReceipt {
  id: string
  code: string
  key: string
  tracking: string
  due_at: string
  unit: Named
  state: string
  phase: Phase
  notice?: string
}
export interface CaseRow {
  id: string
  code: string
  category: string
  category_name: string
  urgency: string
  state: string
  state_name: string
  phase: Phase
  unit: Named
  area_name?: string | null
  opened_at: string
  due_at: string
  /** Working minutes, negative when over. */
  minutes_left: number
  overdue: boolean
  assignee?: string | null
  text_short: string
  location?: LonLat | null
  /** Who was told that the deadline is near or over: `approver` or `centre`. */
  escalated?: string | null
  /** A part of another case. */
  part: boolean
  /** What was noticed in the words (codes). */
  flags: string[]
  version: number
}
export interface CaseMove {
  code: string
  name: string
  name_en: string
  requires: string[]
  /** Fields that it can take besides. */
  optional?: string[]
  /** Until when it can be made, for moves that are open for a while only. */
  until?: string | null
}
export interface CasePart {
  id: string
  code: string
  unit: Named
  text_short: string
  state_name: string
  state_name_en: string
  phase: Phase
  due_at: string
  overdue: boolean
}
export interface BulkResult {
  id: string
  code?: string | null
  phase?: Phase | null
  error?: { code: string; detail: string } | null
}
export interface CaseLog {
  at: string
  by: string
  step: string
  step_name: string
  step_name_en: string
  from: string
  to: string
  unit: Named
  note?: string
  reason?: string
  public_text?: string
  photos: string[]
  late_minutes: number
}
export interface CasePhoto {
  sha: string
  /** `report` or `after`. */
  stage: string
  public: boolean
  width: number
  height: number
  /** When the camera says it was taken. */
  taken_at?: string | null
  /** Metres from the reported spot to where the camera says it stood. */
  taken_metres?: number | null
  mask?: 'waiting' | 'clear' | 'proposed' | 'failed' | 'masked' | 'shown' | null
  boxes?: MaskBox[]
  /** Address of the masked picture; reading the original beside it is on record. */
  masked?: string
}
/** A box on a photo, in shares of its sides. */
export interface MaskBox {
  x: number
  y: number
  w: number
  h: number
}
export interface MediaRef {
  id: string
  kind: string
  media_type: string
  bytes: number
  seconds: number
  at: string
}
export interface Reply {
  code: string
  title: string
  text: string
  moves: string[]
  categories?: string[]
}
export interface Screening {
  flags: (NamedCode & { words: string[] })[]
  /** The words as they could be shown. */
  proposal: string
}
export interface Barred {
  id: string
  kind: string
  label: string
  reason: string
  by: string
  at: string
  until: string
  ended_at?: string | null
  active: boolean
  hits: number
  last_hit?: string | null
}
export interface Case {
  id: string
  code: string
  kind: string
  category: string
  category_name: string
  category_name_en: string
  urgency: string
  urgency_name: string
  state: string
  state_name: string
  state_name_en: string
  phase: Phase
  /** An empty id means that nobody is named yet. */
  unit: Named
  area?: string | null
  area_name?: string | null
  address?: string | null
  location?: LonLat | null
  text: string
  answers: Record<string, string>
  private: boolean
  screening: Screening
  published: boolean
  public_text?: string | null
  photos: CasePhoto[]
  media: MediaRef[]
  source: string
  opened_at: string
  due_at: string
  closed_at?: string | null
  minutes_left: number
  overdue: boolean
  extended: boolean
  planned_for?: string | null
  assignee?: string | null
  answer_text?: string | null
  answer?: Answer | null
  rating?: number | null
  rating_comment?: string | null
  followers: number
  merged_into?: string | null
  version: number
  log: CaseLog[]
  moves: CaseMove[]
  clock: { used_minutes: number; total_minutes: number; paused: boolean; stopped: boolean }
  routing: { rule: string; why: string; word?: string; road?: { name: string; number: string; owner?: string; owner_by?: string; metres: number }; area?: string; skipped?: string[]; warning?: string }
  replies: Reply[]
  parts: CasePart[]
  parent?: CasePart | null
  may_split: boolean
  escalated?: string | null
  /** Since when the handling unit may have the contact data. */
  contact_shared?: string | null
}
export interface RoutingRule {
  code: string
  areas?: string[]
  categories?: string[]
  words?: string[]
  hours?: [string, string] | null
  weekdays?: string[]
  working?: boolean | null
  road?: { owners: string[]; within_m: number } | null
  function?: string | null
  unit?: string | null
  why: string
}
export interface RoutingTest {
  category: string
  text: string
  area?: string | null
  at?: string | null
  road_owner?: string | null
  expect: string
}
export interface RoutingView {
  kind: string
  version: number
  rules: RoutingRule[]
  tests: RoutingTest[]
  saved_by?: string | null
  saved_at?: string | null
}
export interface DryRun {
  faults: string[]
  failed: { test: number; expected: string; found: string }[]
  cases: number
  cut: boolean
  changed: number
  right_before: number
  right_after: number
  by_rule: { rule: string; before: number; after: number }[]
  samples: { code: string; category: string; area_name?: string | null; before: [string, Named]; after: [string, Named]; unit: Named }[]
}
export interface Open311Key {
  id: string
  name: string
  made_by: string
  at: string
  revoked_at?: string | null
  /** The secret, in the answer that makes it only. */
  key?: string | null
}
export interface CaseCounts {
  open: number
  overdue: number
  soon: number
  unassigned: number
  answered_today: number
}
export interface CaseStats {
  from: string
  to: string
  group: string
  rows: { key: string; name: string; opened: number; closed: number; open: number; overdue: number; on_time: number; solved: number; unsolved: number; reopened: number; rated: number; satisfied: number; mean_stars?: number | null; median_minutes?: number | null; p90_minutes?: number | null }[]
}
export interface Contact {
  name?: string | null
  phone?: string | null
  email?: string | null
}
export interface Identity {
  code: string
  contact: Contact
  callers: Contact[]
  person?: string | null
}
