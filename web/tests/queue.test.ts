import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import { enqueue, flush, forget, queued, watchQueue } from '../src/api/queue'
import type { ReportReceipt } from '../src/api/types'

const draft = { kind: 'report', category: 'waste', text: 'Rác trước cổng chợ', lon: 106.05, lat: 20.65 }
const receipt: ReportReceipt = { id: '1', code: 'HY-7K2M9P', key: 'secret', tracking: '/t/HY-7K2M9P#secret', due_at: '2026-11-24T09:00:00Z', unit: { id: 'u', name: 'UBND' }, state: 'received', phase: 'open' }
const add = (text = draft.text) => enqueue({ draft: { ...draft, text }, photos: [new Blob(['x'])], category_name: 'Rác thải', place_name: 'Phường Phố Hiến' })

beforeEach(async () => {
  for (const report of await queued()) await forget(report.id)
})

describe('the offline queue', () => {
  it('keeps a report before it is sent, and its key over all attempts', async () => {
    const kept = await add()
    const keys: string[] = []
    await flush(async report => {
      keys.push(report.id)
      throw new ApiError('net.offline', 0)
    })
    expect((await queued())[0]).toMatchObject({ id: kept.id, state: 'waiting', attempts: 1, error: 'net.offline' })
    await flush(async report => {
      keys.push(report.id)
      return receipt
    })
    expect(keys).toEqual([kept.id, kept.id])
    expect((await queued())[0]).toMatchObject({ state: 'sent', attempts: 2, receipt: { code: 'HY-7K2M9P' } })
  })
  it('frees the photos once the server has them, and drops the old error', async () => {
    await add()
    await flush(async () => Promise.reject(new ApiError('server.busy', 503)))
    expect((await queued())[0]?.photos).toHaveLength(1)
    await flush(async () => receipt)
    const [sent] = await queued()
    expect(sent?.photos).toHaveLength(0)
    expect(sent?.error).toBeUndefined()
  })
  it('keeps what the server refused, with the code, and does not try it again', async () => {
    await add()
    const send = vi.fn(async () => Promise.reject(new ApiError('case.place.outside', 422)))
    await flush(send)
    await flush(send)
    expect(send).toHaveBeenCalledTimes(1)
    expect((await queued())[0]).toMatchObject({ state: 'refused', error: 'case.place.outside' })
  })
  it('sends in order, goes on after a refusal, and stops at the first failure of the network', async () => {
    await add('một')
    await new Promise(done => setTimeout(done, 3))
    await add('hai')
    await new Promise(done => setTimeout(done, 3))
    await add('ba')
    const seen: string[] = []
    await flush(async report => {
      seen.push(report.draft.text)
      if (report.draft.text === 'một') throw new ApiError('case.flood', 422)
      if (report.draft.text === 'hai') throw new ApiError('net.timeout', 0)
      return receipt
    })
    expect(seen).toEqual(['một', 'hai'])
    expect((await queued()).map(report => report.state)).toEqual(['waiting', 'waiting', 'refused'])
  })
  it('takes up again what was being sent when the page was closed', async () => {
    await add()
    let stop: (() => void) | undefined
    const hanging = flush(() => new Promise<ReportReceipt>((_, fail) => (stop = () => fail(new ApiError('net.offline', 0)))))
    await vi.waitFor(() => expect(stop).toBeDefined())
    expect((await queued())[0]?.state).toBe('sending')
    // A second call joins the run: no report is sent twice at a time.
    const second = vi.fn(async () => receipt)
    const joined = flush(second)
    stop?.()
    await Promise.all([hanging, joined])
    expect(second).not.toHaveBeenCalled()
    await flush(async () => receipt)
    expect((await queued())[0]?.state).toBe('sent')
  })
  it('takes along what is added while another is on its way', async () => {
    await add('một')
    const seen: string[] = []
    await flush(async report => {
      seen.push(report.draft.text)
      if (seen.length === 1) await add('hai')
      return receipt
    })
    expect(seen).toEqual(['một', 'hai'])
  })
  it('tells who watches', async () => {
    const told = vi.fn()
    const stop = watchQueue(told)
    await add()
    stop()
    await add()
    expect(told).toHaveBeenCalledTimes(1)
  })
})
