/**
 * Reports wait here (IndexedDB) until the server has them. A report is stored before the first attempt to send, and its id is the
 * Idempotency-Key of every attempt: closing the page, losing the network or sending twice never loses or doubles it.
 */
import { ApiError, call } from './client'
import type { ReportDraft, ReportReceipt } from './types'

export interface QueuedReport {
  /** Idempotency key. */
  id: string
  created: number
  draft: ReportDraft
  category_name: string
  place_name: string
  photos: Blob[]
  state: 'waiting' | 'sending' | 'sent' | 'refused'
  attempts: number
  receipt?: ReportReceipt
  /** Code of the last failure. */
  error?: string
}

export type Sender = (report: QueuedReport) => Promise<ReportReceipt>

const DB = 'dothi'
const STORE = 'reports'
const watchers = new Set<() => void>()
let opened: Promise<IDBDatabase> | undefined
let running: Promise<void> | undefined

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

async function put(report: QueuedReport): Promise<void> {
  await inStore('readwrite', store => store.put(report))
  for (const watcher of watchers) watcher()
}

/** Everything kept on this device, newest first. */
export async function queued(): Promise<QueuedReport[]> {
  const all = (await inStore('readonly', store => store.getAll())) as QueuedReport[]
  return all.sort((a, b) => b.created - a.created)
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

export async function forget(id: string): Promise<void> {
  await inStore('readwrite', store => store.delete(id))
  for (const watcher of watchers) watcher()
}

/** Sends what waits. One run at a time; a failure of the network leaves the report waiting, a refusal is kept with its code. */
export function flush(send: Sender = sendReport): Promise<void> {
  running ??= run(send).finally(() => {
    running = undefined
  })
  return running
}

async function run(send: Sender): Promise<void> {
  const waiting = (await queued()).filter(r => r.state === 'waiting' || r.state === 'sending').reverse()
  for (const report of waiting) {
    const trying: QueuedReport = { ...report, state: 'sending', attempts: report.attempts + 1 }
    await put(trying)
    try {
      const receipt = await send(trying)
      const { error: _, ...done } = trying
      // Photos are on the server now: give the phone its space back.
      await put({ ...done, state: 'sent', receipt, photos: [] })
    } catch (cause) {
      const error = cause instanceof ApiError ? cause : new ApiError('net.offline', 0)
      const later = error.offline || error.status === 429 || error.status >= 500
      await put({ ...trying, state: later ? 'waiting' : 'refused', error: error.code })
      if (later) return
    }
  }
}

/** What this browser calls itself, so that a flood from it can be stopped; made up here, kept by the server as a hash. */
function deviceName(): { device?: string } {
  try {
    const known = localStorage.getItem('dothi.device') ?? crypto.randomUUID()
    localStorage.setItem('dothi.device', known)
    return { device: known }
  } catch {
    // Private windows may refuse storage.
    return {}
  }
}

export async function sendReport(report: QueuedReport): Promise<ReportReceipt> {
  const form = new FormData()
  form.set('report', new Blob([JSON.stringify({ ...report.draft, ...deviceName() })], { type: 'application/json' }))
  report.photos.forEach((photo, index) => form.append('photo', photo, `photo-${index + 1}.jpg`))
  return call<ReportReceipt>('/api/cases', { form, headers: { 'Idempotency-Key': report.id } })
}

/** Tries again when the network is back, when the page is shown, and every half minute while something waits. */
export function keepSending(): void {
  const attempt = () => void flush().catch(() => undefined)
  window.addEventListener('online', attempt)
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && attempt())
  setInterval(attempt, 30_000)
  attempt()
}
