/** A counter's tablet: faces that were touched wait on the device until the server has them, each with an id of its own. */
import { ApiError, call } from './client'

export interface TabletFace {
  unit: string
  name: string
  faces: number
}
export interface Touch {
  id: string
  at: string
  level: number
}

const TOKEN = 'dothi.tablet'
const WAITING = 'dothi.tablet.waiting'
const FACE = 'dothi.tablet.face'
/** What a device keeps at most; older touches give way. */
const MOST = 5_000
const STEP = 200

function read<T>(key: string, empty: T): T {
  try {
    return (JSON.parse(localStorage.getItem(key) ?? 'null') as T | null) ?? empty
  } catch {
    return empty
  }
}
function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value))
  } catch {
    // A device without storage sends at once or not at all.
  }
}

/** The token: from the address the first time (`#…`, which no server sees), then kept on the device. */
export function tabletToken(): string | undefined {
  const given = location.hash.slice(1)
  if (given.length === 32) {
    write(TOKEN, given)
    history.replaceState(null, '', location.pathname)
    return given
  }
  return read<string | undefined>(TOKEN, undefined)
}

export function waitingTouches(): number {
  return read<Touch[]>(WAITING, []).length
}

/** Keeps a touch before anything is sent. */
export function touch(level: number): void {
  const kept = read<Touch[]>(WAITING, [])
  write(WAITING, [...kept, { id: crypto.randomUUID(), at: new Date().toISOString(), level }].slice(-MOST))
}

/** What the tablet shows; the last known when there is no network. Undefined when the token does not count. */
export async function tabletFace(token: string): Promise<TabletFace | undefined> {
  try {
    const face = await call<TabletFace>('/api/dossiers/ratings', { headers: { 'X-Tablet-Token': token } })
    write(FACE, face)
    return face
  } catch (error) {
    if (error instanceof ApiError && error.offline) return read<TabletFace | undefined>(FACE, undefined)
    if (error instanceof ApiError && error.status === 401) return undefined
    throw error
  }
}

/** Sends what waits, step by step; what was sent is forgotten by its id, so that a touch meanwhile stays. */
export async function sendTouches(token: string): Promise<void> {
  for (let waiting = read<Touch[]>(WAITING, []); waiting.length > 0; waiting = read<Touch[]>(WAITING, [])) {
    const ratings = waiting.slice(0, STEP)
    await call('/api/dossiers/ratings', { json: { ratings }, headers: { 'X-Tablet-Token': token } })
    const sent = new Set(ratings.map(r => r.id))
    write(WAITING, read<Touch[]>(WAITING, []).filter(r => !sent.has(r.id)))
  }
}
