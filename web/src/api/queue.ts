/**
 * Reports, and steps of field crews, wait here (IndexedDB) until the server has them. Each is stored before the first attempt to send, and its id is the
 * Idempotency-Key of every attempt: closing the page, losing the network or sending twice never loses or doubles it.
 */
import { ApiError, call } from './client'
import { keepText, keptText } from './kept'
import type { ReportDraft, ReportReceipt } from './types'
import type { OrderStep } from './work-types'

interface Kept {
  /** Idempotency key. */
  id: string
  created: number
  photos: Blob[]
  state: 'waiting' | 'sending' | 'sent' | 'refused'
  attempts: number
  /** Code of the last failure. */
  error?: string
}
export interface QueuedReport extends Kept {
  draft: ReportDraft
  category_name: string
  place_name: string
  receipt?: ReportReceipt
}
/** A step of a work order, made by its crew. */
export interface QueuedStep extends Kept {
  order: string
  move: string
  /** What it leads to, for the list while it waits. */
  name: string
  title: string
  body: OrderStep
}
/** A tap of a crew that was sent to an incident. */
export interface QueuedStamp extends Kept {
  dispatch: string
  stamp: string
  at: string
  lon?: number
  lat?: number
}
type Queued = QueuedReport | QueuedStep | QueuedStamp

export type Sender = (report: QueuedReport) => Promise<ReportReceipt>
export type StepSender = (step: QueuedStep) => Promise<unknown>
export type StampSender = (stamp: QueuedStamp) => Promise<unknown>
const isStep = (kept: Queued): kept is QueuedStep => 'order' in kept
const isStamp = (kept: Queued): kept is QueuedStamp => 'dispatch' in kept

const DB = 'dothi'
const STORE = 'reports'
const watchers = new Set<() => void>()
let opened: Promise<IDBDatabase> | undefined
let running: Promise<void> | undefined
let gone = 0

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DB, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => {
      opened = undefined
      reject(request.error ?? new Error('indexeddb'))
    }
  })
  return opened
}

async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open()
  return new Promise((resolve, reject) => {
    const tx = db.transaction(STORE, mode)
    const request = work(tx.objectStore(STORE))
    tx.oncomplete = () => resolve(request.result)
    tx.onabort = tx.onerror = () => reject(tx.error ?? new Error('indexeddb'))
  })
}

async function put(report: Queued): Promise<void> {
  await inStore('readwrite', store => store.put(report))
  for (const watcher of watchers) watcher()
}

/** Everything kept on this device, newest first. */
async function all(): Promise<Queued[]> {
  const kept = (await inStore('readonly', store => store.getAll())) as Queued[]
  return kept.sort((a, b) => b.created - a.created)
}

/** Reports kept on this device, newest first. */
export async function queued(): Promise<QueuedReport[]> {
  return (await all()).filter(kept => !isStep(kept) && !isStamp(kept)) as QueuedReport[]
}

/** Steps of work orders kept on this device, oldest first. */
export async function queuedSteps(): Promise<QueuedStep[]> {
  return (await all()).filter(isStep).reverse()
}

/** Taps kept on this device, oldest first. */
export async function queuedStamps(): Promise<QueuedStamp[]> {
  return (await all()).filter(isStamp).reverse()
}

export function watchQueue(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

export async function enqueue(report: Pick<QueuedReport, 'draft' | 'photos' | 'category_name' | 'place_name'>): Promise<QueuedReport> {
  const kept: QueuedReport = { ...report, id: crypto.randomUUID(), created: Date.now(), state: 'waiting', attempts: 0 }
  await put(kept)
  return kept
}

export async function enqueueStep(step: Pick<QueuedStep, 'order' | 'move' | 'name' | 'title' | 'body' | 'photos'>): Promise<QueuedStep> {
  const kept: QueuedStep = { ...step, id: crypto.randomUUID(), created: Date.now(), state: 'waiting', attempts: 0 }
  await put(kept)
  return kept
}

export async function enqueueStamp(stamp: Pick<QueuedStamp, 'dispatch' | 'stamp' | 'at' | 'lon' | 'lat'>): Promise<QueuedStamp> {
  const kept: QueuedStamp = { ...stamp, id: crypto.randomUUID(), created: Date.now(), photos: [], state: 'waiting', attempts: 0 }
  await put(kept)
  return kept
}

/** How many were taken by the server or given up since the page was opened. */
export function taken(): number {
  return gone
}

export async function forget(id: string): Promise<void> {
  await inStore('readwrite', store => store.delete(id))
  gone += 1
  for (const watcher of watchers) watcher()
}

/** Sends what waits. One run at a time; a failure of the network leaves the report waiting, a refusal is kept with its code. */
export function flush(send: Sender = sendReport, sendOn: StepSender = sendStep, tap: StampSender = sendStamp): Promise<void> {
  running ??= run(send, sendOn, tap).finally(() => {
    running = undefined
  })
  return running
}

async function run(send: Sender, sendOn: StepSender, tap: StampSender): Promise<void> {
  // Asked anew after each: what was added while another was on its way goes with this run, not half a minute later.
  const next = async () => (await all()).reverse().find(r => r.state === 'waiting' || r.state === 'sending')
  for (let kept = await next(); kept; kept = await next()) {
    const trying: Queued = { ...kept, state: 'sending', attempts: kept.attempts + 1 }
    await put(trying)
    try {
      // Photos are on the server then: give the phone its space back.
      if (isStep(trying)) {
        await sendOn(trying)
        await forget(trying.id)
      } else if (isStamp(trying)) {
        await tap(trying)
        await forget(trying.id)
      } else {
        const receipt = await send(trying)
        const { error: _, ...done } = trying
        await put({ ...done, state: 'sent', receipt, photos: [] })
      }
    } catch (cause) {
      const error = cause instanceof ApiError ? cause : new ApiError('net.offline', 0)
      // A session that ended is signed in again; the work of a crew waits for that.
      const signIn = (isStep(trying) || isStamp(trying)) && (error.status === 401 || error.code === 'access.csrf')
      const later = error.offline || error.status === 429 || error.status >= 500 || signIn
      await put({ ...trying, state: later ? 'waiting' : 'refused', error: error.code })
      if (later) return
    }
  }
}

/** What this browser calls itself, so that a flood from it can be stopped; made up here, kept by the server as a hash. */
function deviceName(): { device?: string } {
  const known = keptText('dothi.device') ?? crypto.randomUUID()
  return keepText('dothi.device', known) ? { device: known } : {}
}

export async function sendReport(report: QueuedReport): Promise<ReportReceipt> {
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ ...report.draft, ...deviceName() })], { type: 'application/json' }))
  report.photos.forEach((photo, index) => form.append('photo', photo, `photo-${index + 1}.jpg`))
  return call<ReportReceipt>('/api/cases', { form, headers: { 'Idempotency-Key': report.id } })
}

export async function sendStep(step: QueuedStep): Promise<unknown> {
  const path = `/api/cases/work/orders/${encodeURIComponent(step.order)}/moves/${encodeURIComponent(step.move)}`
  const headers = { 'Idempotency-Key': step.id }
  if (step.photos.length === 0) return call(path, { json: step.body, headers })
  const form = new FormData()
  form.set('move', new Blob([JSON.stringify(step.body)], { type: 'application/json' }))
  step.photos.forEach((photo, index) => form.append('photo', photo, `photo-${index + 1}.jpg`))
  return call(path, { form, headers })
}

export async function sendStamp(stamp: QueuedStamp): Promise<unknown> {
  const json = { at: stamp.at, ...(stamp.lon === undefined ? {} : { lon: stamp.lon }), ...(stamp.lat === undefined ? {} : { lat: stamp.lat }) }
  return call(`/api/incidents/dispatches/${encodeURIComponent(stamp.dispatch)}/${encodeURIComponent(stamp.stamp)}`, { json, headers: { 'Idempotency-Key': stamp.id } })
}

/** Tries again when the network is back, when the page is shown, and every half minute while something waits. */
export function keepSending(): void {
  const attempt = () => void flush().catch(() => undefined)
  window.addEventListener('online', attempt)
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && attempt())
  setInterval(attempt, 30_000)
  attempt()
}
