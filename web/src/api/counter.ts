/** A counter's tablet: faces that were touched wait on the device until the server has them, each with an id of its own. */
import { ApiError, call } from './client'
import { keep, kept } from './kept'

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

function waiting(): Touch[] {
  return kept<Touch[]>(WAITING) ?? []
}

/** The token: from the address the first time (`#…`, which no server sees), then kept on the device. */
export function tabletToken(): string | undefined {
  const given = location.hash.slice(1)
  if (given.length === 32) {
    keep(TOKEN, given)
    history.replaceState(null, '', location.pathname)
    return given
  }
  return kept<string>(TOKEN)
}

export function waitingTouches(): number {
  return waiting().length
}

/** Keeps a touch before anything is sent. */
export function touch(level: number): void {
  keep(WAITING, [...waiting(), { id: crypto.randomUUID(), at: new Date().toISOString(), level }].slice(-MOST))
}

/** What the tablet shows; the last known when there is no network. Undefined when the token does not count. */
export async function tabletFace(token: string): Promise<TabletFace | undefined> {
  try {
    const face = await call<TabletFace>('/api/dossiers/ratings', { headers: { 'X-Tablet-Token': token } })
    keep(FACE, face)
    return face
  } catch (error) {
    if (error instanceof ApiError && error.offline) return kept<TabletFace>(FACE)
    if (error instanceof ApiError && error.status === 401) return undefined
    throw error
  }
}

/** Sends what waits, step by step; what was sent is forgotten by its id, so that a touch meanwhile stays. */
export async function sendTouches(token: string): Promise<void> {
  for (let left = waiting(); left.length > 0; left = waiting()) {
    const ratings = left.slice(0, STEP)
    await call('/api/dossiers/ratings', { json: { ratings }, headers: { 'X-Tablet-Token': token } })
    const sent = new Set(ratings.map(r => r.id))
    keep(WAITING, waiting().filter(r => !sent.has(r.id)))
  }
}
