/** Shapes of the native API (`/api`), as the contract states them. `schema.d.ts` is generated from the server and checks these. */

export interface Page<T> {
  items: T[]
  next?: string
  total?: number
}
export interface LonLat {
  lon: number
  lat: number
}
export interface Named {
  id: string
  name: string
}

// access
export interface Grant {
  id?: string
  role: string
  role_name: string
  unit: Named
  sectors?: string[]
}
export interface Me {
  kind: 'anonymous' | 'citizen' | 'staff' | 'program' | 'system'
  id?: string
  name: string
  login?: string
  csrf?: string
  permissions: string[]
  grants: Grant[]
  home: { code: string; name: string }
}
export interface Unit {
  id: string
  kind: 'area' | 'organisation'
  level?: string
  name: string
  name_en?: string
  parent?: string
  area?: string
  /** What the organisation does, as packs name it. */
  functions?: string[]
  valid_from?: string
  valid_to?: string
  source_act?: string
  /** How sure the dates are. */
  dates?: string
}
export interface Relative {
  id: string
  name: string
  kind: string
  date?: string
  share?: number
}
export interface UnitDetail {
  unit: Unit
  versions: Unit[]
  predecessors: Relative[]
  successors: Relative[]
}
export interface Place {
  commune: string
  commune_name: string
  province: string
  province_name: string
}
export interface AreaHit {
  code: string
  name: string
  level?: string
  /** Day from which the name is no longer in use. */
  until?: string
  current: { code: string; name: string }[]
}
export interface Person {
  id: string
  login: string
  name: string
  active: boolean
  grants: Grant[]
}
export interface Role {
  code: string
  name: string
  name_en: string
  reach: 'below' | 'area' | 'all'
  permissions: string[]
}
export interface Token {
  id: string
  name: string
  permissions: string[]
  created_at: string
  expires_at: string
  revoked_at?: string
}
export interface AuditRow {
  seq: number
  at: string
  actor: string
  actor_id?: string
  address?: string
  request: string
  action: string
  object: string
  detail: unknown
  hash: string
}
export interface AuditChain {
  rows: number
  broken_at?: number
}

// context
export interface Reading {
  value: number | string | boolean | null
  unit?: string
  observed_at?: string
  quality?: number
}
export interface Thing {
  id: string
  type: string
  name: string
  location?: LonLat
  area?: string
  area_name?: string
  attributes: Record<string, Reading>
  observed_at?: string
  state: 'ok' | 'silent' | 'unknown'
  source?: string
  device?: Device
}
export interface Device {
  id: string
  name: string
  profile: string
  entity?: string
  last_seen?: string
  /** On the broker now. */
  connected?: boolean
  /** 0 to 1. */
  battery?: number
  /** Below what its profile calls low. */
  battery_low?: boolean
  state: 'ok' | 'silent' | 'never'
  transport?: 'mqtt' | 'http'
  location?: LonLat
  area?: string
  created?: string
  messages?: number
  errors?: number
  last_error?: string
  last_error_at?: string
  groups?: string[]
  /** Seconds that its clock was ahead of ours with its last message; negative when behind, or when it sent late. */
  clock_offset_s?: number
  /** Flags of its last message, or-ed. */
  flags?: number
  /** Readings marked so far. */
  doubtful?: number
  /** Commands under way. */
  commands?: number
  /** Series that are judged by what came before (in the detailed view). */
  series?: SeriesLife[]
}
export interface SeriesLife {
  attribute: string
  value?: number
  at: string
  same_since: string
  flags: number
}
export interface DeviceProfile {
  name: string
  title: string
  title_en?: string
  type: string
  command?: CommandSpec[]
}
export interface CommandSpec {
  name: string
  title: string
  title_en?: string
  sensitive?: boolean
  parameter?: CommandParameter[]
}
export interface CommandParameter {
  name: string
  title: string
  title_en?: string
  kind?: 'number' | 'integer' | 'bool' | 'text'
  min?: number
  max?: number
  unit_text?: string
  options?: unknown[]
  default?: unknown
}
export type CommandState = 'queued' | 'sent' | 'delivered' | 'acknowledged' | 'failed' | 'expired' | 'cancelled'
export interface DeviceCommand {
  id: string
  device: string
  command: string
  parameters: Record<string, unknown>
  state: CommandState
  actor: string
  created: string
  expires: string
  sent?: string
  delivered?: string
  ended?: string
  reason?: string
  result?: unknown
}
export interface Credential {
  id: string
  kind: 'secret' | 'fingerprint' | 'name'
  /** Fingerprint or name; none for a secret. */
  value?: string
  label: string
  valid_from?: string
  valid_to?: string
  created: string
}
export interface DeviceGroup {
  path: string
  title: string
  title_en?: string
  unit?: string
}
export interface DeviceGroupLife extends DeviceGroup {
  devices: number
  ok: number
  silent: number
  never: number
  doubtful: number
  battery_low: number
}
export interface BulkItem {
  device: string
  ok: boolean
  command?: string
  code?: string
  detail?: string
}
export interface ImportDone {
  records: number
  before: number
  stored: number
  rejected: number
  rejects: { line: number; code: string; detail: string; record: string }[]
}
export interface ThingType {
  type: string
  name: string
  name_en: string
  icon?: string
  main_attribute?: string
  attributes: { name: string; title: string; title_en: string; unit?: string; unit_text?: string; palette?: string }[]
  count: number
}
export interface SeriesPoint {
  /** Microseconds since 1970 UTC, or an RFC 3339 instant. */
  t: number | string
  value: number | string | boolean | null
  min?: number
  max?: number
  count?: number
  quality?: number
}
export interface Series {
  unit?: string
  points: SeriesPoint[]
}

// rules
export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info'
export type AlarmState = 'active' | 'acknowledged' | 'cleared' | 'closed'
export interface Alarm {
  id: string
  rule: string
  title: string
  title_en: string
  severity: Severity
  state: AlarmState
  entity: string
  entity_name: string
  area?: string
  area_name?: string
  sector: string
  value?: number
  unit?: string
  limit?: number
  raised_at: string
  acknowledged_at?: string
  acknowledged_by?: string
  cleared_at?: string
  closed_at?: string
  count: number
  location?: LonLat
}
/** How sure a limit is: read in the act itself, in a secondary source, or ours. */
export type RuleStatus = 'confirmed' | 'secondary' | 'unconfirmed'
export interface AlarmDetail extends Alarm {
  why: { condition: string; limit?: number; source_act?: string; status?: RuleStatus; advice?: string; advice_en?: string; owner?: string; observed: SeriesPoint[] }
  history: { at: string; what: string; by?: string; note?: string }[]
}
export interface AlarmCounts {
  active: Record<Severity, number>
  acknowledged: Record<Severity, number>
}
export interface Rule {
  code: string
  title: string
  title_en?: string
  kind?: 'threshold' | 'absence' | 'derive'
  owner?: string
  sector: string
  severity: Severity
  type: string
  attribute: string
  condition_text: string
  source_act?: string
  status?: RuleStatus
  enabled: boolean
}
export interface VnAqi {
  aqi: number
  level: number
  level_name: string
  colour: string
  main: string
  parts: Record<string, number>
}

// cases
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
  lon: number
  lat: number
  address?: string
  contact?: { name?: string; phone?: string; email?: string }
  answers?: Record<string, string>
  anonymous?: boolean
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
  version: number
}
export interface CaseMove {
  code: string
  name: string
  name_en: string
  requires: string[]
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
}
export interface Reply {
  code: string
  title: string
  text: string
  moves: string[]
  categories?: string[]
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
  published: boolean
  public_text?: string | null
  photos: CasePhoto[]
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
  routing: { rule: string; why: string; word?: string; area?: string; skipped?: string[]; warning?: string }
  replies: Reply[]
  parts: CasePart[]
  parent?: CasePart | null
  may_split: boolean
  escalated?: string | null
}
export interface RoutingRule {
  code: string
  areas?: string[]
  categories?: string[]
  words?: string[]
  hours?: [string, string] | null
  weekdays?: string[]
  working?: boolean | null
  function?: string | null
  unit?: string | null
  why: string
}
export interface RoutingTest {
  category: string
  text: string
  area?: string | null
  at?: string | null
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
export interface Identity {
  code: string
  contact: { name?: string | null; phone?: string | null; email?: string | null }
  person?: string | null
}

// oversight
export interface Stated {
  text: string
  number?: number
  bool?: boolean
  kind: 'number' | 'at-least' | 'yes-no' | 'not-started' | 'undetermined' | 'in-progress' | 'text'
}
export type Standing = 'met' | 'near' | 'behind' | 'no-data'
export type ValueStatus = 'pending' | 'approved' | 'computed' | 'rejected' | 'superseded'
export interface ShownValue {
  id: string
  number?: number
  /** The answer in the source's words. */
  text?: string
  numerator?: number
  denominator?: number
  at: string
  status: ValueStatus
  /** `reported`, or the measure's name. */
  source: string
}
export interface TrendPoint {
  period: string
  number: number
}
export type IndicatorKind = 'ratio' | 'density' | 'boolean' | 'survey' | 'count'
export interface Indicator {
  code: string
  name: string
  name_en: string
  unit: string
  kind: IndicatorKind
  base: Stated
  forecast: Stated
  target: Stated
  value?: ShownValue
  /** Per cent of the target reached. */
  achievement?: number
  standing: Standing
  trend: TrendPoint[]
  formula_status: 'official' | 'proposed'
  /** The platform computes a stand-in. */
  proxy: boolean
  lead: string
  /** A newer value waits for approval. */
  waiting: boolean
}
export interface StandingSummary {
  met: number
  near: number
  behind: number
  no_data: number
  total: number
  achievement?: number
}
export interface ScoreGroup {
  code: string
  parent?: string
  name: string
  name_en: string
  level: number
  summary: StandingSummary
  indicators: Indicator[]
}
export interface SetColumns {
  base: string
  base_en: string
  forecast: string
  forecast_en: string
  target: string
  target_en: string
}
export interface IndicatorSet {
  code: string
  title: string
  title_en: string
  source_act: string
  version: string
  indicators: number
  columns: SetColumns
}
export interface Scorecard {
  set: IndicatorSet
  area: string
  area_name: string
  period: string
  summary: StandingSummary
  groups: ScoreGroup[]
}
export interface IndicatorValue {
  id: string
  set: string
  indicator: string
  indicator_name: string
  unit: string
  area: string
  area_name: string
  period: string
  status: ValueStatus
  number?: number
  yes_no?: boolean
  numerator?: number
  denominator?: number
  note?: string
  evidence_url?: string
  source: string
  entered_by?: string
  entered_at: string
  decided_by?: string
  decided_at?: string
  reason?: string
  superseded_by?: string
  /** Entered by the asking person, who so may not approve it. */
  mine: boolean
}
export interface Evidence {
  label: string
  link: string
  /** Whether it counts in the numerator. */
  counts: boolean
}
export interface IndicatorDetail {
  set: IndicatorSet
  /** Headings above it, top first. */
  path: string[]
  area: string
  area_name: string
  period: string
  indicator: Indicator
  formula: { numerator: string; denominator: string; status: 'official' | 'proposed'; label?: string; label_en?: string }
  measure?: { name: string; note: string; note_en: string; proxy: boolean; denominator?: number; communes: boolean }
  values: IndicatorValue[]
  evidence: Evidence[]
}
export interface NewValue {
  set: string
  indicator: string
  area: string
  period: string
  number?: number
  yes_no?: boolean
  numerator?: number
  denominator?: number
  note: string
  evidence_url?: string
}
export interface ComputeReport {
  changed: number
  unchanged: number
  kept: number
  empty: number
  unknown: string[]
  failed: string[]
}

// server
export interface Vitals {
  alarms: AlarmCounts
  cases: CaseCounts
  things: { ok: number; silent: number; unknown: number }
  seq: number
}
export interface Pack {
  name: string
  title: string
  title_en: string
  licence: string
  installed?: string
  installed_at?: string
  hash?: string
  available?: string
}
export interface SystemHealth {
  version: string
  engine: string
  events: number
  reactions_behind: number
  jobs_due: number
  jobs_waiting: number
  jobs_dead: number
  pending_observations: number
  screens: number
  memory_bytes?: number | null
  web: boolean
}
export interface HistoryTable {
  columns: string[]
  rows: unknown[][]
  /** Cut at the limit. */
  truncated: boolean
}

/** A statement kept under a name. */
export interface SavedQuery {
  id: string
  name: string
  sql: string
  owner_name: string
  unit?: string
  shared: 'me' | 'unit' | 'all'
  created_at: string
  changed_at: string
  mine: boolean
}

export interface NewQuery {
  name: string
  sql: string
  shared: SavedQuery['shared']
  unit?: string
}

// live
export interface LiveEvent {
  seq: number
  at: string
  event: string
  [key: string]: unknown
}
