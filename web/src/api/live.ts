/** Live events (`/api/live`). One connection a page, shared by all listeners; the browser resumes by Last-Event-ID. */
import type { LiveEvent } from './types'

export type LiveState = 'off' | 'connecting' | 'live' | 'lost'
type Listener = (event: LiveEvent) => void

const NAMES = [
  'alarm-raised', 'alarm-acknowledged', 'alarm-cleared', 'alarm-closed', 'alarm-changed', 'case-opened', 'case-moved', 'case-answered', 'case-rated', 'case-due', 'work-moved',
  'incident-opened', 'incident-changed', 'incident-escalated', 'warning-issued', 'operations-changed', 'entity-changed', 'entity-deleted', 'observations-accepted', 'value-reported', 'value-settled', 'panel-signalled', 'panel-confirmed', 'panel-restored', 'panel-handled', 'camera-health-changed', 'camera-changed', 'camera-counted', 'traffic-incident', 'traffic-changed', 'units-changed', 'pack-installed',
  // The stream begins afresh, or was away too long: lists must be loaded again.
  'hello', 'reset',
] as const
export type LiveName = (typeof NAMES)[number]

const listeners = new Map<Listener, ReadonlySet<string>>()
const watchers = new Set<() => void>()
let source: EventSource | undefined
let state: LiveState = 'off'

function become(next: LiveState): void {
  state = next
  for (const watcher of watchers) watcher()
}

function hand(message: MessageEvent<string>): void {
  let event: LiveEvent
  try {
    event = JSON.parse(message.data) as LiveEvent
  } catch {
    return
  }
  const name = event.event ?? message.type
  for (const [listener, names] of listeners) if (names.has(name)) listener({ ...event, event: name })
}

function connect(): void {
  if (source || typeof EventSource === 'undefined') return
  become('connecting')
  source = new EventSource('/api/live')
  source.onopen = () => become('live')
  source.onerror = () => {
    become('lost')
    // A refused connection is closed for good by the browser; we try again ourselves, without hurry.
    if (source?.readyState === EventSource.CLOSED) {
      source = undefined
      setTimeout(() => listeners.size > 0 && connect(), 8_000)
    }
  }
  for (const name of NAMES) source.addEventListener(name, hand as EventListener)
}

/** Listens to the named events until the returned function is called. */
export function listen(names: readonly LiveName[], listener: Listener): () => void {
  listeners.set(listener, new Set(names))
  connect()
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      source?.close()
      source = undefined
      become('off')
    }
  }
}

export const liveState = {
  get: (): LiveState => state,
  watch(watcher: () => void): () => void {
    watchers.add(watcher)
    return () => watchers.delete(watcher)
  },
}
