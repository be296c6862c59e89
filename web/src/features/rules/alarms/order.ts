/** How operators see alarms: what nobody has taken note of first, worst first, and a storm of one rule folded into one line. */
import type { Alarm, Severity } from '@/api'

const RANK: Record<Severity, number> = { critical: 0, high: 1, medium: 2, low: 3, info: 4 }
/** From so many alarms of one rule in one section on they are a storm. */
export const STORM = 6
/** While a position is in a flood, from so many on. */
const FLOOD = 2

export type Section = 'active' | 'cleared' | 'latched' | 'acknowledged' | 'closed'
const SECTIONS: readonly Section[] = ['active', 'cleared', 'latched', 'acknowledged', 'closed']

export type AlarmLine =
  | { kind: 'section'; key: string; section: Section; count: number }
  | { kind: 'storm'; key: string; first: Alarm; count: number; open: boolean }
  | { kind: 'alarm'; key: string; alarm: Alarm; folded: boolean }

export function worstFirst(a: Alarm, b: Alarm): number {
  return RANK[a.severity] - RANK[b.severity] || b.raised_at.localeCompare(a.raised_at)
}

/** What alarms without a cause of their own are folded by; life-safety alarms and those that stand for a cause never are. */
function kin(alarm: Alarm, flood: boolean): string | undefined {
  if (alarm.life_safety || alarm.children > 0) return undefined
  // Other sources name their alarms by device: the class says what they have in common.
  const kind = alarm.source === 'rule' ? alarm.rule : `${alarm.source}/${alarm.class}`
  return flood ? `${kind}@${alarm.area ?? ''}` : kind
}

/** Lines of the list. `unfolded` names the storms (`section:kind`) the operator has opened; in a `flood` they fold sooner, by place. */
export function lines(alarms: readonly Alarm[], unfolded: ReadonlySet<string>, flood = false): AlarmLine[] {
  const out: AlarmLine[] = []
  for (const section of SECTIONS) {
    const here = alarms.filter(alarm => alarm.state === section).toSorted(worstFirst)
    if (here.length === 0) continue
    out.push({ kind: 'section', key: section, section, count: here.length })
    const families = new Map<string, Alarm[]>()
    for (const alarm of here) {
      const family = kin(alarm, flood)
      if (family) families.set(family, [...(families.get(family) ?? []), alarm])
    }
    const drawn = new Set<string>()
    for (const alarm of here) {
      const family = kin(alarm, flood)
      const same = family ? (families.get(family) ?? []) : []
      if (!family || same.length < (flood ? FLOOD : STORM)) {
        out.push({ kind: 'alarm', key: alarm.id, alarm, folded: false })
        continue
      }
      if (drawn.has(family)) continue
      drawn.add(family)
      const key = `${section}:${family}`
      const open = unfolded.has(key)
      out.push({ kind: 'storm', key, first: alarm, count: same.length, open })
      if (open) for (const one of same) out.push({ kind: 'alarm', key: one.id, alarm: one, folded: true })
    }
  }
  return out
}
