import { describe, expect, it } from 'vitest'
import { arrow, begun, MOST_CORNERS, moved, near, point, sound, split, turned, without, type Point } from '../src/features/video/shapes'

const square = begun('zone')

describe('shapes over a picture', () => {
  it('keeps corners inside and short', () => {
    expect(point(-0.2, 1.7)).toEqual([0, 1])
    expect(point(0.123456, 0.5)).toEqual([0.123, 0.5])
    expect(moved(square, 1, [2, -1]).points[1]).toEqual([1, 0])
  })
  it('knows what the server refuses', () => {
    expect(sound('zone', square.points)).toBe(true)
    expect(sound('mask', square.points.slice(0, 2))).toBe(false)
    expect(sound('mask', [[0, 0], [0.5, 0.5], [1, 1]])).toBe(false)
    expect(sound('line', begun('line').points)).toBe(true)
    expect(sound('line', [[0.5, 0.5], [0.5, 0.505]])).toBe(false)
    expect(sound('zone', Array.from({ length: MOST_CORNERS + 1 }, (_, i): Point => [Math.cos(i) / 2 + 0.5, Math.sin(i) / 2 + 0.5]))).toBe(false)
  })
  it('adds a corner in the longest side as it is seen, and never takes the last three', () => {
    // The upper and lower sides are longer on a wide picture.
    expect(split(square, 16 / 9).points).toEqual([[0.4, 0.4], [0.5, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]])
    const three = without('zone', square, 0)
    expect(three.points).toHaveLength(3)
    expect(without('zone', three, 0)).toBe(three)
    expect(without('line', begun('line'), 0).points).toHaveLength(2)
  })
  it('shows forward on the right, seen from the first end', () => {
    const upwards = arrow(begun('line').points, 2)!
    expect(upwards.to[0]).toBeGreaterThan(upwards.from[0])
    expect(upwards.to[1]).toBeCloseTo(upwards.from[1])
    expect(arrow(turned(begun('line')).points, 2)!.to[0]).toBeLessThan(0.5)
    expect(arrow([[0.5, 0.5], [0.5, 0.5]], 2)).toBeUndefined()
  })
  it('takes a click beside the first corner for it', () => {
    expect(near([0.5, 0.5], [0.51, 0.5], 2, 0.035)).toBe(true)
    expect(near([0.5, 0.5], [0.53, 0.5], 2, 0.035)).toBe(false)
  })
})
