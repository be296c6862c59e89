/** Shapes of the native API (`/api`), as the contract states them. `schema.d.ts` is generated from the server and checks these. */

import type { CaseCounts } from './case-types'
export * from './case-types'

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
export type AlarmState = 'active' | 'acknowledged' | 'cleared' | 'latched' | 'closed'
/** How an alarm is kept from operators. */
export type Suppression = 'shelved' | 'suppressed' | 'out-of-service'
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
  /** `rule`, `cause` (it stands for others), or an outside source. */
  source: string
  class: string
  life_safety: boolean
  latch: boolean
  text?: string
  suppressed?: Suppression
  suppressed_until?: string
  /** The alarm that stands for the cause of this one. */
  cause?: string
  children: number
  standing: number
  first_out?: string
  chattering_at?: string
  stale: boolean
}
/** Something set aside: one alarm on a shelf, planned work, or what is out of service. */
export interface Aside {
  id: string
  kind: Suppression
  rule?: string
  entity?: string
  entity_name?: string
  area?: string
  sector: string
  reason: string
  by: string
  begins_at: string
  ends_at?: string
  ended_at?: string
  ended_by?: string
}
export interface NewAside {
  kind: Suppression
  rule?: string
  entity?: string
  area?: string
  sector: string
  begins_at?: string
  ends_at?: string
  reason: string
}
export interface AlarmRates {
  alarms: number
  per_day: number
  per_hour: number
  per_10_min: number
  peak_10_min: number
  peak_at?: string
  busy_10_min: number
  busy_hours: number
  in_flood: number
}
export interface AlarmOften {
  rule: string
  entity: string
  entity_name: string
  title: string
  title_en: string
  severity: Severity
  times: number
  share: number
  last: string
}
export interface AlarmFigures {
  from: string
  to: string
  rates: AlarmRates
  raw: number
  positions: { unit: string; unit_name: string; sector: string; rates: AlarmRates }[]
  floods: { from: string; to: string; open: boolean; alarms: number; peak: number }[]
  flood_count: number
  days: { day: string; alarms: number; raw: number; floods: number; stale: number }[]
  hours: number[]
  top: AlarmOften[]
  top_share: number
  chattering: AlarmOften[]
  fleeting: AlarmOften[]
  severities: { severity: Severity; alarms: number; share: number }[]
  stale: number
  shelved: number
  suppressed: number
  out_of_service: number
  targets: { key: string; value: number; status: RuleStatus }[]
  source: string
  truncated: boolean
}
export interface AlarmLoad {
  positions: { unit: string; unit_name: string; sector: string; last_10_min: number; last_hour: number; last_day: number; storm_since?: string }[]
  storm: boolean
}
/** The parts of a rule that people may change; what is left out is as the pack says. */
export interface RuleChange {
  raise?: string
  clear?: string
  when?: string
  suppress_when?: string
  on_delay?: number
  off_delay?: number
  silent_for?: number
  severity?: Severity
  enabled?: boolean
}
export interface RuleVersion {
  version: number
  change: RuleChange
  by: string
  reason: string
  at: string
}
export interface RuleDetail extends Rule {
  given: RuleChange
  now: RuleChange
  versions: RuleVersion[]
}
/** What a rule would have raised. */
export interface Tried {
  total: number
  days: { day: string; alarms: number }[]
  alarms: { entity: string; entity_name: string; raised_at: string; cleared_at?: string; value?: number }[]
  things: number
  truncated: boolean
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
  kind?: 'threshold' | 'absence' | 'derive' | 'sequence'
  owner?: string
  sector: string
  severity: Severity
  type: string
  attribute: string
  condition_text: string
  source_act?: string
  status?: RuleStatus
  enabled: boolean
  /** 0 = as the pack says. */
  version: number
  /** Why it does not run as written. */
  fault?: string
}
export interface VnAqi {
  aqi: number
  level: number
  level_name: string
  colour: string
  main: string
  parts: Record<string, number>
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
