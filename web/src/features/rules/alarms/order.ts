/** How operators see alarms: what nobody has taken note of first, worst first, and a storm of one rule folded into one line. */
import type { Alarm, Severity } from '@/api'

const RANK: Record<Severity, number> = { critical: 0, high: 1, medium: 2, low: 3, info: 4 }
/** From so many alarms of one rule in one section on they are a storm. */
export const STORM = 6

export type Section = 'active' | 'cleared' | 'acknowledged' | 'closed'
const SECTIONS: readonly Section[] = ['active', 'cleared', 'acknowledged', 'closed']

export type AlarmLine =
  | { kind: 'section'; key: string; section: Section; count: number }
  | { kind: 'storm'; key: string; first: Alarm; count: number; open: boolean }
  | { kind: 'alarm'; key: string; alarm: Alarm; folded: boolean }

export function worstFirst(a: Alarm, b: Alarm): number {
  return RANK[a.severity] - RANK[b.severity] || b.raised_at.localeCompare(a.raised_at)
}

/** Lines of the list. `unfolded` names the storms (`section:rule`) the operator has opened. */
export function lines(alarms: readonly Alarm[], unfolded: ReadonlySet<string>): AlarmLine[] {
  const out: AlarmLine[] = []
  for (const section of SECTIONS) {
    const here = alarms.filter(alarm => alarm.state === section).toSorted(worstFirst)
    if (here.length === 0) continue
    out.push({ kind: 'section', key: section, section, count: here.length })
    const byRule = new Map<string, Alarm[]>()
    for (const alarm of here) byRule.set(alarm.rule, [...(byRule.get(alarm.rule) ?? []), alarm])
    const drawn = new Set<string>()
    for (const alarm of here) {
      const same = byRule.get(alarm.rule) ?? []
      if (same.length < STORM) {
        out.push({ kind: 'alarm', key: alarm.id, alarm, folded: false })
        continue
      }
      if (drawn.has(alarm.rule)) continue
      drawn.add(alarm.rule)
      const key = `${section}:${alarm.rule}`
      const open = unfolded.has(key)
      out.push({ kind: 'storm', key, first: alarm, count: same.length, open })
      if (open) for (const one of same) out.push({ kind: 'alarm', key: one.id, alarm: one, folded: true })
    }
  }
  return out
}
