import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import { enqueueStep, flush, forget, queued, queuedSteps } from '../src/api/queue'
import type { WorkOrder } from '../src/api/work-types'
import { byDue, byWay } from '../src/features/cases/field/way'

const order = (code: string, due: string, lon?: number) => ({ code, due_at: due, location: lon === undefined ? null : { lon, lat: 20.65 } }) as WorkOrder
const step = (move: string) => enqueueStep({ order: 'o1', move, name: move, title: 'Thay bóng', body: { at: '2026-11-21T02:00:00Z' }, photos: [] })
const never = vi.fn(async () => Promise.reject(new Error('no report waits')))
const later = () => new Promise(done => setTimeout(done, 3))

beforeEach(async () => {
  for (const kept of await queuedSteps()) await forget(kept.id)
})

describe('the way of a crew', () => {
  it('goes to the nearest next, and what has no place comes last by its deadline', () => {
    const all = [order('a', '2026-11-24', 106.09), order('b', '2026-11-22'), order('c', '2026-11-23', 106.01), order('d', '2026-11-21'), order('e', '2026-11-25', 106.04)]
    expect(byWay(all, { lon: 106.1, lat: 20.65 }).map(o => o.code)).toEqual(['a', 'e', 'c', 'd', 'b'])
    expect(byWay(all, { lon: 106.0, lat: 20.65 }).map(o => o.code)).toEqual(['c', 'e', 'a', 'd', 'b'])
    expect(byDue(all).map(o => o.code)).toEqual(['d', 'b', 'c', 'a', 'e'])
  })
})

describe('steps of a crew in the queue', () => {
  it('are sent in their order under their own keys, are no reports, and are gone when the server has them', async () => {
    const first = await step('take')
    await later()
    const second = await step('arrive')
    expect(await queued()).toEqual([])
    const seen: string[] = []
    await flush(never, async kept => Promise.reject((seen.push(kept.move), new ApiError('net.offline', 0))))
    expect(seen).toEqual(['take'])
    expect((await queuedSteps()).map(kept => kept.state)).toEqual(['waiting', 'waiting'])
    const keys: string[] = []
    await flush(never, async kept => void keys.push(kept.id))
    expect(keys).toEqual([first.id, second.id])
    expect(await queuedSteps()).toEqual([])
    expect(never).not.toHaveBeenCalled()
  })
  it('wait for somebody to sign in again, and are kept with the reason when they are refused', async () => {
    await step('take')
    for (const [code, status, state] of [['access.sign-in-needed', 401, 'waiting'], ['access.csrf', 403, 'waiting'], ['flow.move.not-now', 409, 'refused']] as const) {
      await flush(never, async () => Promise.reject(new ApiError(code, status)))
      expect((await queuedSteps())[0]).toMatchObject({ state, error: code })
    }
  })
})
