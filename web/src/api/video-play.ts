/** Pictures of cameras in a `video`: live ones over WebSocket, recorded ones file by file, both through Media Source Extensions. */
import { endReplay, replayFile, type CameraReplay } from './video'

export type LiveTold = { state: 'connecting' | 'playing' | 'failed' | 'unsupported'; why?: string | undefined; firstMs?: number }

/** Behind the newest picture by more seconds than this: skip to it. */
const BEHIND = 1.6
const NEAR = 0.25
/** Seconds that are kept behind the picture. */
const KEPT = 15
const AGAIN = [1_000, 2_000, 4_000, 8_000, 15_000]

function joined(parts: ArrayBuffer[]): ArrayBuffer {
  const [only] = parts
  if (only && parts.length === 1) return only
  const all = new Uint8Array(parts.reduce((n, p) => n + p.byteLength, 0))
  let place = 0
  for (const part of parts) {
    all.set(new Uint8Array(part), place)
    place += part.byteLength
  }
  return all.buffer
}

/** What the browser is fed, one piece after another. */
class Feeder {
  private waiting: ArrayBuffer[] = []
  private buffer: SourceBuffer | undefined
  private readonly source = new MediaSource()
  private readonly href = URL.createObjectURL(this.source)

  constructor(private readonly video: HTMLVideoElement, mime: string, private readonly failed: () => void) {
    video.src = this.href
    this.source.addEventListener('sourceopen', () => {
      try {
        this.buffer = this.source.addSourceBuffer(mime)
        this.buffer.mode = 'segments'
        this.buffer.addEventListener('updateend', () => this.next())
        this.buffer.addEventListener('error', failed)
        this.next()
      } catch {
        failed()
      }
    }, { once: true })
  }

  push(part: ArrayBuffer): void {
    this.waiting.push(part)
    this.next()
  }

  private next(): void {
    const { buffer, video } = this
    if (!buffer || buffer.updating || this.source.readyState !== 'open') return
    try {
      const ranges = buffer.buffered
      if (ranges.length > 0) {
        const [start, end] = [ranges.start(ranges.length - 1), ranges.end(ranges.length - 1)]
        if (video.currentTime < start || end - video.currentTime > BEHIND) video.currentTime = Math.max(start, end - NEAR)
        if (video.paused) void video.play().catch(() => undefined)
        if (ranges.start(0) < video.currentTime - 2 * KEPT) {
          buffer.remove(0, video.currentTime - KEPT)
          return
        }
      }
      if (this.waiting.length > 0) buffer.appendBuffer(joined(this.waiting.splice(0)))
    } catch {
      this.failed()
    }
  }

  close(): void {
    this.waiting = []
    this.video.removeAttribute('src')
    this.video.load()
    URL.revokeObjectURL(this.href)
  }
}

/** Shows a camera's live picture until the function that comes back is called. */
export function watchLive(video: HTMLVideoElement, camera: string, reason: string, tell: (told: LiveTold) => void): () => void {
  if (typeof MediaSource === 'undefined') {
    tell({ state: 'unsupported' })
    return () => undefined
  }
  let over = false
  let tries = 0
  let socket: WebSocket | undefined
  let feeder: Feeder | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const begun = performance.now()
  let first = false
  const shown = () => {
    if (!over) tell({ state: 'playing', ...(first ? {} : { firstMs: Math.round(performance.now() - begun) }) })
    first = true
  }
  video.muted = true
  video.addEventListener('loadeddata', shown)

  const open = () => {
    if (over) return
    const query = reason ? `?reason=${encodeURIComponent(reason)}` : ''
    socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/video/cameras/${encodeURIComponent(camera)}/live${query}`)
    socket.binaryType = 'arraybuffer'
    const mine = socket
    const broken = () => mine.close()
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => {
      if (typeof message.data !== 'string') {
        feeder?.push(message.data)
        return
      }
      const told = JSON.parse(message.data) as { kind: string; mime?: string; state?: string; why?: string | null }
      if (told.kind === 'start' && told.mime) {
        if (!MediaSource.isTypeSupported(told.mime)) {
          tell({ state: 'unsupported', why: told.mime })
          return
        }
        tries = 0
        feeder?.close()
        feeder = new Feeder(video, told.mime, broken)
      } else if (told.kind === 'link' && (told.state === 'failed' || told.state === 'connecting')) tell({ state: told.state, why: told.why ?? undefined })
    }
    socket.onclose = () => {
      if (over || mine !== socket) return
      tell({ state: tries > 1 ? 'failed' : 'connecting', why: tries > 1 ? 'video.closed' : undefined })
      timer = setTimeout(open, AGAIN[Math.min(tries++, AGAIN.length - 1)])
    }
  }
  tell({ state: 'connecting' })
  open()
  return () => {
    over = true
    clearTimeout(timer)
    video.removeEventListener('loadeddata', shown)
    socket?.close()
    feeder?.close()
  }
}

/** A replay in a `video`: files are fetched ahead of the picture. Times are seconds since the replay's `from`. */
export function playReplay(video: HTMLVideoElement, replay: CameraReplay, from: string, failed: (error: unknown) => void): () => void {
  const begin = Date.parse(from)
  const parts = replay.segments.map(s => ({ ...s, start: (Date.parse(s.from) - begin) / 1000, end: (Date.parse(s.to) - begin) / 1000 }))
  const loaded = new Set<string>()
  const stop = new AbortController()
  const source = new MediaSource()
  const href = URL.createObjectURL(source)
  let buffer: SourceBuffer | undefined
  let busy = false

  const settled = (target: SourceBuffer) => new Promise<void>((done, fail) => {
    target.addEventListener('updateend', () => done(), { once: true })
    target.addEventListener('error', () => fail(new Error('append')), { once: true })
  })
  const fill = async () => {
    if (busy || !buffer || stop.signal.aborted || source.readyState === 'closed') return
    const now = video.currentTime
    const ahead = parts.find(p => !loaded.has(p.id) && p.end > now - 1 && p.start < now + 75)
    if (!ahead) {
      skip(now)
      return
    }
    busy = true
    try {
      const bytes = await (await replayFile(replay.id, ahead.id, stop.signal)).arrayBuffer()
      const target = buffer
      if (target.buffered.length > 0 && target.buffered.start(0) < video.currentTime - 180) {
        const until = video.currentTime - 120
        const gone = settled(target)
        target.remove(0, until)
        await gone
        for (const p of parts) if (p.start < until) loaded.delete(p.id)
      }
      target.timestampOffset = ahead.start - ahead.base
      const done = settled(target)
      target.appendBuffer(bytes)
      await done
      loaded.add(ahead.id)
    } catch (error) {
      if (!stop.signal.aborted) failed(error)
      loaded.add(ahead.id)
    } finally {
      busy = false
    }
    void fill()
  }
  /** Nothing was recorded here: on to where something was. */
  function skip(now: number): void {
    const inside = parts.some(p => p.start <= now + 0.5 && p.end > now + 0.5)
    const later = parts.find(p => p.start > now)
    if (!inside && later && !video.seeking) video.currentTime = later.start + 0.05
  }
  video.src = href
  source.addEventListener('sourceopen', () => {
    try {
      buffer = source.addSourceBuffer(replay.mime)
      buffer.mode = 'segments'
      const last = parts.at(-1)
      if (last) source.duration = last.end
      const first = parts[0]
      if (first && first.start > 0) video.currentTime = first.start + 0.05
      void fill()
    } catch (error) {
      failed(error)
    }
  }, { once: true })
  const look = () => void fill()
  video.addEventListener('timeupdate', look)
  video.addEventListener('seeking', look)
  video.addEventListener('waiting', look)
  void video.play().catch(() => undefined)
  return () => {
    stop.abort()
    for (const name of ['timeupdate', 'seeking', 'waiting']) video.removeEventListener(name, look)
    video.removeAttribute('src')
    video.load()
    URL.revokeObjectURL(href)
    endReplay(replay.id)
  }
}
