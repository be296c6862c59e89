/** Small things that widgets share. */
import { createContext } from 'react'
import { can, useMe } from '@/api'
import type { CountOf, Widget } from '@/api/boards'
import { text } from '@/i18n'

/** Whether the board hangs on a wall. */
export const OnWall = createContext(false)

/** What a widget's data ask of whoever looks; the server decides anyway. */
export function needs(widget: Widget): string | undefined {
  const { kind, set } = widget
  const of: Record<string, string> = { alarms: 'alarm-read', things: 'context-read', cases: 'case-read', incidents: 'incident-read', 'silent-devices': 'context-read' }
  if (kind === 'alarms' || kind === 'incidents') return of[kind]
  if (kind === 'table') return of[set.rows ?? 'alarms']
  if (kind === 'map') return of[set.layer ?? 'alarms']
  if (kind === 'figure' && set.count) return set.count === 'incidents-open' ? 'incident-read' : 'alarm-read'
  return undefined
}

export function useMay(permission: string | undefined): boolean {
  const me = useMe()
  return permission === undefined || can(me.data, permission)
}

/** What stands above a widget when its maker gave it no title. */
export function titleOf(widget: Widget): string {
  const { kind, set, title } = widget
  if (title) return title
  if (kind === 'figure' && set.count) return text(`boards:count.${set.count}`)
  if (kind === 'table') return text(`boards:rows.${set.rows ?? 'alarms'}`)
  if (kind === 'map') return text(`boards:layer.${set.layer ?? 'alarms'}`)
  return text(`boards:kind.${kind}.name`)
}

/** Where a widget leads: its rows or its page. */
export function pageOf(widget: Widget): string | undefined {
  const { kind, set } = widget
  const filter = `${set.severity ? `&severity=${set.severity}` : ''}`
  if (kind === 'figure' && set.count) return COUNT_PAGES[set.count]
  if (kind === 'figure' && set.indicator) return `/lead/${encodeURIComponent(set.indicator.set)}/${encodeURIComponent(set.indicator.code)}${set.indicator.area ? `?area=${encodeURIComponent(set.indicator.area)}` : ''}`
  if ((kind === 'figure' || kind === 'gauge' || kind === 'air' || kind === 'chart') && set.series?.[0]) return `/ioc?thing=${encodeURIComponent(set.series[0].thing)}`
  if (kind === 'alarms' || (kind === 'table' && set.rows === 'alarms') || (kind === 'map' && set.layer === 'alarms')) return `/ioc?state=open${filter}`
  if (kind === 'incidents' || (kind === 'table' && set.rows === 'incidents') || (kind === 'map' && set.layer === 'incidents')) return '/ioc/incidents'
  if ((kind === 'table' && set.rows === 'cases') || (kind === 'map' && set.layer === 'cases')) return '/work?view=all'
  if (kind === 'table' && set.rows === 'silent-devices') return '/admin/devices?state=silent'
  if (kind === 'map') return '/ioc'
  if (kind === 'on-time') return '/lead/cases'
  return undefined
}

const COUNT_PAGES: Record<CountOf, string> = {
  'alarms-waiting': '/ioc',
  'alarms-critical': '/ioc?severity=critical',
  'alarms-high': '/ioc?severity=high',
  'cases-open': '/work?view=all',
  'cases-overdue': '/work?view=all&due=overdue',
  'cases-soon': '/work?view=all&due=soon',
  'cases-answered': '/work?view=all',
  'things-ok': '/admin/devices',
  'things-silent': '/admin/devices?state=silent',
  'incidents-open': '/ioc/incidents',
}

/** Minutes and seconds, hours before them. */
export function clock(seconds: number): string {
  const all = Math.max(0, Math.floor(seconds))
  const two = (n: number) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60), all % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}
