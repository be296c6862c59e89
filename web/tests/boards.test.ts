import { describe, expect, it } from 'vitest'
import type { Widget } from '../src/api/boards'
import { bandOf, begin, COLUMNS, FIRST, freePlace, freshId, missing, place, redo, step, tidy, tonesOf, undo, within } from '../src/features/oversight/boards/model'

const box = (id: string, x: number, y: number, w = 3, h = 2): Widget => ({ id, kind: 'clock', x, y, w, h, set: {} })
const meet = (a: Widget, b: Widget) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
const apart = (all: readonly Widget[]) => all.every((a, i) => all.every((b, j) => i === j || !meet(a, b)))

describe('the grid of a board', () => {
  it('puts a widget where it is wanted and moves away what is there', () => {
    const all = [box('a', 0, 0), box('b', 3, 0), box('c', 0, 2), box('d', 0, 4)]
    const after = place(all, 'b', { x: 0, y: 0, w: 3, h: 2 })
    expect(after.map(w => [w.id, w.x, w.y])).toEqual([['a', 0, 2], ['b', 0, 0], ['c', 0, 4], ['d', 0, 6]])
    expect(all[0]?.y, 'what was is untouched: it can be taken back').toBe(0)
  })
  it('never lets two lie on each other, wherever one is put', () => {
    let seed = 7
    const below = (n: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % n
    let all = Array.from({ length: 12 }, (_, i) => box(`w${i}`, (i % 4) * 3, Math.floor(i / 4) * 2))
    for (let turn = 0; turn < 500; turn += 1) {
      all = place(all, `w${below(12)}`, { x: below(16) - 2, y: below(20), w: below(14), h: below(7) })
      expect(apart(all)).toBe(true)
      expect(all.every(w => w.x >= 0 && w.x + w.w <= COLUMNS && w.w >= 1 && w.h >= 1)).toBe(true)
    }
    const closed = tidy(all)
    expect(apart(closed) && closed.every(w => w.y === 0 || closed.some(o => o !== w && meet(o, { ...w, y: w.y - 1 })))).toBe(true)
  })
  it('keeps to its edges', () => {
    expect(within({ x: 11, y: -3, w: 4, h: 99 })).toEqual({ x: 8, y: 0, w: 4, h: 20 })
    expect(freePlace([box('a', 0, 0, 12, 3)], 4, 2)).toEqual({ x: 0, y: 3 })
    expect(freshId([{ ...box('clock-1', 0, 0) }], 'clock')).toBe('clock-2')
  })
  it('takes steps back and again, and forgets what was ahead at a new one', () => {
    const three = step(step(begin('a'), 'b'), 'c')
    expect(undo(undo(three)).now).toBe('a')
    expect(undo(undo(undo(three))).now, 'no further than the start').toBe('a')
    expect(redo(undo(three)).now).toBe('c')
    expect(redo(step(undo(three), 'x')).now).toBe('x')
  })
  it('knows what a widget still needs, and says nothing where nothing is missing', () => {
    const needs = Object.entries(FIRST).flatMap(([kind, first]) => {
      const what = missing({ id: 'a', kind: kind as Widget['kind'], x: 0, y: 0, w: first.w, h: first.h, set: first.set })
      return what ? [[kind, what]] : []
    })
    expect(needs).toEqual([['chart', 'series'], ['gauge', 'series'], ['text', 'text'], ['heading', 'title']])
  })
  it('finds the level of a value; a level begins with its bound', () => {
    expect([bandOf(9.9, [10, 20]), bandOf(10, [10, 20]), bandOf(25, [10, 20])]).toEqual([0, 1, 2])
    expect(tonesOf([10, 20])).toEqual(['good', 'high', 'critical'])
  })
})
