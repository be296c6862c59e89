/** What is drawn of a thing, and what is selected: plain functions over the columns, without engine or page. */
import type { MapLayer, MapLevel } from '@/api'
import { NONE, NUMBER, SCALE, SILENT, UNKNOWN, WORD, type Past, type Sheet } from './wire'

/** The value of a row now, or as it stood. */
export function valueOf(sheet: Sheet, past: Past | undefined, row: number): number | string | undefined {
  const from = past ?? sheet
  const kind = past ? (past.kinds[row] ?? NONE) : ((sheet.flags[row] ?? 0) >> 2) & 3
  const value = from.values[row] ?? 0
  if (kind === NUMBER) return value / 10 ** from.digits
  return kind === WORD ? from.words[value] : undefined
}

/** 0 heard of, 1 silent, 2 unknown; in the past: whether a value stood. */
export function stateOf(sheet: Sheet, past: Past | undefined, row: number): number {
  return past ? ((past.kinds[row] ?? NONE) === NONE ? UNKNOWN : 0) : (sheet.flags[row] ?? 0) & 3
}

/** The level of a value: the last whose `from` it reaches, or the one whose word it is; -1 for none. */
export function levelOf(levels: readonly MapLevel[], value: number | string | undefined): number {
  if (value === undefined) return -1
  if (typeof value === 'string') return levels.findIndex(level => level.word === value)
  let found = -1
  levels.forEach((level, n) => {
    if (level.from !== undefined && value >= level.from) found = n
  })
  return found
}

/** What of the legend is switched off: levels by number, `-1` for no value, `silent`, `calm` (things without alarm). */
export type Hidden = ReadonlySet<string>

export interface Drawn {
  row: number
  level: number
  state: number
  severity: number
  value: number | string | undefined
}

export function drawn(layer: MapLayer, sheet: Sheet, past: Past | undefined, severities: ReadonlyMap<string, number>, row: number): Drawn {
  const value = valueOf(sheet, past, row)
  return { row, value, level: levelOf(layer.level ?? [], value), state: stateOf(sheet, past, row), severity: severities.get(sheet.ids[row] ?? '') ?? 0 }
}

export function isShown(hidden: Hidden, it: Drawn): boolean {
  if (hidden.has('calm') && it.severity === 0) return false
  return it.state === SILENT ? !hidden.has('silent') : !hidden.has(String(it.level))
}

export type Ring = [number, number][]

export function inside(ring: Ring, x: number, y: number): boolean {
  let within = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i] ?? [0, 0]
    const [bx, by] = ring[j] ?? [0, 0]
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within
  }
  return within
}

export interface Selected {
  layer: MapLayer
  count: number
  silent: number
  alarms: number
  /** Things by level; the last entry those without. */
  levels: number[]
  numbers: { n: number; sum: number; min: number; max: number } | undefined
  /** Ids of the first ones, those with alarms before the others. */
  ids: string[]
}

/** Things listed by name at most. */
export const LISTED = 200

/** What of a layer lies within a ring, as it is drawn now. */
export function select(layer: MapLayer, sheet: Sheet, past: Past | undefined, severities: ReadonlyMap<string, number>, hidden: Hidden, ring: Ring): Selected {
  const levels = layer.level ?? []
  const found: Selected = { layer, count: 0, silent: 0, alarms: 0, levels: new Array<number>(levels.length + 1).fill(0), numbers: undefined, ids: [] }
  const [xs, ys] = [ring.map(([x]) => x), ring.map(([, y]) => y)]
  const [west, east, south, north] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
  const calm: string[] = []
  for (let row = 0; row < sheet.ids.length; row++) {
    if (sheet.gone(row)) continue
    const [x, y] = [(sheet.lon[row] ?? 0) / SCALE, (sheet.lat[row] ?? 0) / SCALE]
    if (x < west || x > east || y < south || y > north || !inside(ring, x, y)) continue
    const it = drawn(layer, sheet, past, severities, row)
    if (!isShown(hidden, it)) continue
    found.count++
    if (it.state === SILENT) found.silent++
    if (it.severity > 0) found.alarms++
    const at = it.level < 0 ? levels.length : it.level
    found.levels[at] = (found.levels[at] ?? 0) + 1
    if (typeof it.value === 'number') {
      const n = (found.numbers ??= { n: 0, sum: 0, min: it.value, max: it.value })
      n.n++
      n.sum += it.value
      n.min = Math.min(n.min, it.value)
      n.max = Math.max(n.max, it.value)
    }
    const id = sheet.ids[row] ?? ''
    if (it.severity > 0) found.ids.push(id)
    else if (calm.length < LISTED) calm.push(id)
  }
  found.ids = [...found.ids, ...calm].slice(0, LISTED)
  return found
}
