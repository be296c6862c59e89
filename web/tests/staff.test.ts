import { describe, expect, it } from 'vitest'
import type { Alarm, AlarmState, Severity } from '@/api/types'
import { readNumber } from '@/features/oversight/number'
import { lines, STORM } from '@/features/rules/alarms/order'
import { toCsv } from '@/features/system/csv'

let serial = 0
function alarm(rule: string, severity: Severity, state: AlarmState, minute: number): Alarm {
  serial += 1
  return { id: `a${serial}`, rule, title: rule, title_en: rule, severity, state, entity: `e${serial}`, entity_name: '', sector: 'environment', source: 'rule', class: '', life_safety: false, latch: false, children: 0, standing: 0, stale: false, raised_at: `2026-11-21T05:${String(minute).padStart(2, '0')}:00Z`, count: 1 }
}

describe('alarm list', () => {
  it('puts what waits first, worst first, newest first', () => {
    const [old, fresh, worse, seen] = [alarm('x', 'low', 'active', 1), alarm('y', 'low', 'active', 9), alarm('z', 'critical', 'active', 0), alarm('w', 'critical', 'acknowledged', 9)]
    const keys = lines([seen, old, fresh, worse], new Set()).map(line => line.key)
    expect(keys).toEqual(['active', worse.id, fresh.id, old.id, 'acknowledged', seen.id])
  })

  it('folds a storm of one rule into one line and unfolds it', () => {
    const storm = Array.from({ length: STORM }, (_, i) => alarm('silent', 'low', 'active', i))
    const other = alarm('bad', 'high', 'active', 0)
    const folded = lines([...storm, other], new Set())
    expect(folded.map(line => line.kind)).toEqual(['section', 'alarm', 'storm'])
    expect(folded[2]).toMatchObject({ count: STORM, open: false })
    expect(lines([...storm, other], new Set(['active:silent'])).filter(line => line.kind === 'alarm')).toHaveLength(STORM + 1)
  })

  it('leaves fewer than a storm alone', () => {
    const few = Array.from({ length: STORM - 1 }, (_, i) => alarm('silent', 'low', 'active', i))
    expect(lines(few, new Set()).some(line => line.kind === 'storm')).toBe(false)
  })
  it('folds sooner and by place while a position is in a flood, and never what lives depend on', () => {
    const of = (area: string, more: Partial<Alarm> = {}): Alarm => ({ ...alarm('silent', 'low', 'active', 1), area, ...more })
    const flood = lines([of('1'), of('1'), of('2'), of('1', { life_safety: true }), of('1', { children: 40 })], new Set(), true)
    expect(flood.map(line => line.kind)).toEqual(['section', 'storm', 'alarm', 'alarm', 'alarm'])
  })
})

describe('figures typed by hand', () => {
  it.each([
    ['1.234,5', 1234.5],
    ['1.234', 1234],
    ['84.5', 84.5],
    ['84,5', 84.5],
    [' 12 000 ', 12000],
    ['0', 0],
  ])('reads %s', (words, number) => expect(readNumber(words)).toBe(number))
  it.each(['', 'abc', '1,2,3', '≥ 50'])('does not guess %s', words => expect(readNumber(words)).toBeUndefined())
})

describe('CSV', () => {
  it('quotes, keeps empty apart from 0, and defuses formulas', () => {
    expect(toCsv(['a', 'b'], [['x,"y"', 0], [null, '=1+1'], [-5, '-5']])).toBe('\uFEFFa,b\r\n"x,""y""",0\r\n,\'=1+1\r\n-5,\'-5\r\n')
  })
})
