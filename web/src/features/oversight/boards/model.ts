/** The grid of a board, apart from how it is drawn: places, moves, what makes way, and the steps one can take back. */
import type { CSSProperties } from 'react'
import type { Widget, WidgetKind, WidgetSettings } from '@/api/boards'

export const COLUMNS = 12
export const ROWS = 200
export const HIGHEST = 20
export const WIDGETS = 40
export const SERIES = 8

export interface Box {
  x: number
  y: number
  w: number
  h: number
}

/** Where a widget stands, for the style sheet. */
export function cellStyle({ x, y, w, h }: Box): CSSProperties {
  return { '--x': x + 1, '--y': y + 1, '--w': w, '--h': h } as CSSProperties
}

const meets = (a: Box, b: Box) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h

/** Keeps a box within the grid. */
export function within({ x, y, w, h }: Box): Box {
  const wide = Math.min(COLUMNS, Math.max(1, Math.round(w)))
  const high = Math.min(HIGHEST, Math.max(1, Math.round(h)))
  return { x: Math.min(COLUMNS - wide, Math.max(0, Math.round(x))), y: Math.min(ROWS - high, Math.max(0, Math.round(y))), w: wide, h: high }
}

/** Puts one widget where it is wanted; those in its way go down, in the order they stand in. */
export function place(widgets: readonly Widget[], id: string, box: Box): Widget[] {
  const wanted = within(box)
  const set: Widget[] = []
  const moved = widgets.find(one => one.id === id)
  if (!moved) return [...widgets]
  set.push({ ...moved, ...wanted })
  const others = widgets.filter(one => one.id !== id).toSorted((a, b) => a.y - b.y || a.x - b.x)
  for (const other of others) {
    let at: Widget = other
    for (let hit = set.find(one => meets(one, at)); hit; hit = set.find(one => meets(one, at))) at = { ...at, y: hit.y + hit.h }
    set.push(at)
  }
  // What the grid cannot hold any more stays as it was.
  if (set.some(one => one.y + one.h > ROWS)) return [...widgets]
  const by = new Map(set.map(one => [one.id, one]))
  return widgets.map(one => by.get(one.id) ?? one)
}

/** Closes gaps: every widget goes up as far as it can. */
export function tidy(widgets: readonly Widget[]): Widget[] {
  const set: Widget[] = []
  for (const one of widgets.toSorted((a, b) => a.y - b.y || a.x - b.x)) {
    let y = one.y
    while (y > 0 && !set.some(other => meets(other, { ...one, y: y - 1 }))) y -= 1
    set.push({ ...one, y })
  }
  const by = new Map(set.map(one => [one.id, one]))
  return widgets.map(one => by.get(one.id) ?? one)
}

/** The first free place of a size, from the top. */
export function freePlace(widgets: readonly Widget[], w: number, h: number): { x: number; y: number } {
  for (let y = 0; y <= ROWS - h; y += 1) for (let x = 0; x <= COLUMNS - w; x += 1) if (!widgets.some(one => meets(one, { x, y, w, h }))) return { x, y }
  return { x: 0, y: ROWS - h }
}

/** Rows that are in use. */
export function rowsOf(widgets: readonly Widget[]): number {
  return widgets.reduce((most, one) => Math.max(most, one.y + one.h), 0)
}

/** In the order they are read, for one column and for the keyboard. */
export function inOrder(widgets: readonly Widget[]): Widget[] {
  return widgets.toSorted((a, b) => a.y - b.y || a.x - b.x)
}

export function freshId(widgets: readonly Widget[], kind: WidgetKind): string {
  for (let n = 1; ; n += 1) if (!widgets.some(one => one.id === `${kind}-${n}`)) return `${kind}-${n}`
}

/** What a kind begins with. */
export const FIRST: Record<WidgetKind, { w: number; h: number; set: WidgetSettings }> = {
  figure: { w: 3, h: 2, set: { count: 'alarms-waiting' } },
  chart: { w: 6, h: 4, set: { hours: 24, bucket: 3600, shape: 'line', take: 'mean' } },
  gauge: { w: 3, h: 3, set: { levels: 'aqi' } },
  table: { w: 6, h: 4, set: { rows: 'alarms' } },
  map: { w: 6, h: 5, set: { layer: 'alarms' } },
  alarms: { w: 4, h: 5, set: {} },
  incidents: { w: 4, h: 5, set: {} },
  'on-time': { w: 4, h: 4, set: {} },
  air: { w: 4, h: 3, set: {} },
  text: { w: 4, h: 2, set: { text: '' } },
  heading: { w: 12, h: 1, set: {} },
  clock: { w: 3, h: 2, set: {} },
}
export const KINDS = Object.keys(FIRST) as WidgetKind[]

export type Missing = 'series' | 'text' | 'title' | 'limits'

/** What a widget still needs before it can be kept. */
export function missing({ kind, title, set }: Widget): Missing | undefined {
  if (kind === 'chart' && !set.every && !set.series?.length) return 'series'
  if (kind === 'gauge' && set.series?.length !== 1) return 'series'
  if (kind === 'gauge' && set.levels === 'own' && !set.limits?.length) return 'limits'
  if (kind === 'figure' && !set.count && !set.indicator && set.series?.length !== 1) return 'series'
  if (kind === 'text' && !set.text?.trim()) return 'text'
  if (kind === 'heading' && !title?.trim()) return 'title'
  return undefined
}

/** Steps that can be taken back and taken again. */
export interface Steps<T> {
  past: readonly T[]
  now: T
  ahead: readonly T[]
}
const KEPT = 100

export function begin<T>(now: T): Steps<T> {
  return { past: [], now, ahead: [] }
}
export function step<T>(steps: Steps<T>, next: T): Steps<T> {
  return Object.is(next, steps.now) ? steps : { past: [...steps.past, steps.now].slice(-KEPT), now: next, ahead: [] }
}
export function undo<T>(steps: Steps<T>): Steps<T> {
  const last = steps.past.at(-1)
  return last === undefined ? steps : { past: steps.past.slice(0, -1), now: last, ahead: [steps.now, ...steps.ahead] }
}
export function redo<T>(steps: Steps<T>): Steps<T> {
  const [next, ...ahead] = steps.ahead
  return next === undefined ? steps : { past: [...steps.past, steps.now], now: next, ahead }
}

/** The band a value lies in, from 0; `limits` rise. */
export function bandOf(value: number, limits: readonly number[]): number {
  const at = limits.findIndex(limit => value < limit)
  return at < 0 ? limits.length : at
}

/** Tones of one's own levels, the last the worst. */
export function tonesOf(limits: readonly number[]): string[] {
  const scale = ['good', 'low', 'medium', 'high', 'critical']
  const keep: Record<number, number[]> = { 1: [0, 4], 2: [0, 3, 4], 3: [0, 2, 3, 4], 4: [0, 1, 2, 3, 4] }
  return (keep[limits.length] ?? [0]).map(i => scale[i] ?? 'good')
}
