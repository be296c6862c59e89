import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { MapLayer } from '../src/api/livemap'
import { drawn, inside, isShown, levelOf, select, stateOf, valueOf, type Ring } from '../src/map/live/scene'
import { Past, Sheet, WireError } from '../src/map/live/wire'

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../crates/context/tests/golden/livemap.json'), 'utf8')) as Record<'snapshot' | 'changes' | 'frames', string>
const bytes = (name: keyof typeof golden) => Uint8Array.from(golden[name].match(/../g) ?? [], pair => parseInt(pair, 16))
const layer: MapLayer = {
  code: 'x', name: 'X', name_en: '', types: ['X'], digits: 1, cluster: true, heat: false, shown: true, moves: false, count: 5, replay: true,
  level: [{ from: 0, colour: '#00ff00', mark: '1', title: 'a', title_en: '' }, { from: 100, colour: '#ff0000', mark: '2', title: 'b', title_en: '' }, { word: 'sáng', colour: '#ffff00', mark: 's', title: 'c', title_en: '' }],
}
const none = new Map<string, number>()

function snapshot(): Sheet {
  const sheet = new Sheet()
  expect(sheet.take(bytes('snapshot'))).toBe('all')
  return sheet
}

describe('the columns of the live map', () => {
  it('are read as the server wrote them', () => {
    const sheet = snapshot()
    expect(sheet.since).toBe('1795219200000000.2')
    expect(sheet.ids).toEqual(['urn:ngsi-ld:Air:0001', 'urn:ngsi-ld:Air:0002', 'urn:ngsi-ld:Air:0010', 'urn:ngsi-ld:Đèn:1', 'urn:ngsi-ld:Đèn:2'])
    expect(sheet.ids.map((_, row) => (sheet.gone(row) ? 'gone' : valueOf(sheet, undefined, row)))).toEqual([1234.5, 'gone', undefined, 'sáng', 'sáng'])
    expect([...sheet.lon.subarray(0, 5)]).toEqual([10_634_000, 10_634_120, 10_500_000, 10_633_999, 10_634_001])
    expect([...sheet.lat.subarray(0, 5)]).toEqual([2_045_000, 2_044_990, 2_150_001, -5, 2_045_001])
    expect(stateOf(sheet, undefined, 2)).toBe(2)
    expect(sheet.row('urn:ngsi-ld:Đèn:2')).toBe(4)
  })
  it('refuse changes of another state, and what is cut short', () => {
    expect(() => snapshot().take(bytes('changes'))).toThrow(WireError)
    const whole = bytes('snapshot')
    for (let length = 0; length < whole.length; length++) expect(() => new Sheet().take(whole.subarray(0, length))).toThrow(WireError)
  })
  it('play the past forwards and backwards alike', () => {
    const sheet = snapshot()
    const past = new Past(bytes('frames'))
    expect([past.count, past.start, past.step, past.epoch]).toEqual([3, 1_795_219_200_000, 60_000, sheet.epoch])
    const wanted = [[35.5, undefined, undefined, 'sáng', undefined], [35, undefined, -0.7, 'sáng', undefined], [undefined, undefined, -0.7, undefined, undefined]]
    for (const frame of [0, 1, 2, 0, 2, 1, 0]) {
      past.show(frame)
      expect(sheet.ids.map((_, row) => valueOf(sheet, past, row)), `frame ${frame}`).toEqual(wanted[frame])
    }
    expect([past.at(past.start - 1), past.at(past.start + 60_000), past.at(past.start + 119_999), past.at(past.start + 1e9)]).toEqual([0, 1, 1, 2])
  })
})

describe('what is drawn', () => {
  it('has the last level that is reached, and is filtered by the legend', () => {
    expect([-1, 0, 99.9, 100, 'sáng', 'tối', undefined].map(v => levelOf(layer.level ?? [], v))).toEqual([-1, 0, 0, 1, 2, -1, -1])
    const sheet = snapshot()
    const it0 = drawn(layer, sheet, undefined, new Map([['urn:ngsi-ld:Air:0001', 4]]), 0)
    expect(it0).toEqual({ row: 0, level: 1, state: 0, severity: 4, value: 1234.5 })
    expect([isShown(new Set(), it0), isShown(new Set(['1']), it0), isShown(new Set(['calm']), it0), isShown(new Set(['calm']), { ...it0, severity: 0 })]).toEqual([true, false, true, false])
  })
  it('is selected within a ring, with what it adds up to', () => {
    const sheet = snapshot()
    const box: Ring = [[106.3, 20], [106.4, 20], [106.4, 21], [106.3, 21]]
    const found = select(layer, sheet, undefined, new Map([['urn:ngsi-ld:Đèn:2', 5]]), new Set(), box)
    expect([found.count, found.alarms, found.levels, found.numbers, found.ids]).toEqual([2, 1, [0, 1, 1, 0], { n: 1, sum: 1234.5, min: 1234.5, max: 1234.5 }, ['urn:ngsi-ld:Đèn:2', 'urn:ngsi-ld:Air:0001']])
    expect(select(layer, sheet, undefined, none, new Set(['1', '2']), box).count).toBe(0)
    const notch: Ring = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]]
    expect([inside(notch, 2, 0.5), inside(notch, 2, 2), inside(notch, 0.5, 2), inside(notch, 5, 1)]).toEqual([true, false, true, false])
  })
})
