import type { Map as Engine } from 'maplibre-gl'
import { useCallback, useEffect, useRef, useState } from 'react'
import { mapBetween, mapFeed, mapSheet, type MapLayer } from '@/api'
import { format } from '@/ui'
import { addShapes, addThings, feature, sourceOn, takeAway } from './draw'
import { drawn, isShown, levelOf, type Hidden } from './scene'
import { Past, Sheet, WireError } from './wire'
import { token } from '../marks'

/** Changes are asked for no more often than this. */
const PACE_MS = 1_000
/** Without any event: what fell silent tells nobody. */
const IDLE_MS = 20_000
/** Features beyond which a whole new set is no dearer than changes. */
const MANY = 4_000

export interface Window {
  from: number
  to: number
  frames: number
}

export interface LayerProps {
  engine: Engine
  layer: MapLayer
  heat: boolean
  hidden: Hidden
  large: boolean
  /** Rank by thing of the gravest alarm. */
  severities: ReadonlyMap<string, number>
  /** The stretch of the past that is looked at, and the instant (ms). */
  past: Window | undefined
  time: number | undefined
  visible: boolean
  /** Tells when something may have changed. */
  wake: (listener: () => void) => () => void
  /** The columns, whenever they are others, and what of the past is shown. */
  onSheet: (code: string, sheet: Sheet | undefined, past: Past | undefined) => void
  onPast: (code: string, state: 'loading' | 'ready' | 'failed') => void
  onError: (code: string, error: unknown) => void
}

export function labelOf(layer: MapLayer, value: number | string | undefined): string {
  return value === undefined ? '' : typeof value === 'number' ? `${format.number(value, layer.digits)}${layer.unit_text ? ` ${layer.unit_text}` : ''}` : value
}

/** A layer of things: keeps its columns up to date and draws what changed. */
export function ThingLayer(props: LayerProps) {
  const { engine, layer, heat, hidden, large, severities, past: window, time, visible, wake, onSheet, onPast, onError } = props
  const sheet = useRef(new Sheet())
  const [loaded, setLoaded] = useState(0)
  const [past, setPast] = useState<Past>()
  const present = useRef(new Set<number>())
  const now = { layer, hidden, severities, past: window ? past : undefined, replaying: window !== undefined }
  const latest = useRef(now)
  useEffect(() => {
    latest.current = now
  })

  const one = useCallback((row: number): GeoJSON.Feature | undefined => {
    const { layer, hidden, severities, past, replaying } = latest.current
    const columns = sheet.current
    if (columns.gone(row) || (replaying && !past)) return undefined
    const it = drawn(layer, columns, past, severities, row)
    return isShown(hidden, it) ? feature(layer, columns, it, labelOf(layer, it.value)) : undefined
  }, [])

  const drawAll = useCallback(() => {
    const source = sourceOn(engine, latest.current.layer)
    if (!source) return
    const features: GeoJSON.Feature[] = []
    present.current.clear()
    for (let row = 0; row < sheet.current.ids.length; row++) {
      const it = one(row)
      if (!it) continue
      present.current.add(row)
      features.push(it)
    }
    void source.setData({ type: 'FeatureCollection', features })
  }, [engine, one])

  const drawRows = useCallback(
    (rows: Iterable<number>) => {
      const source = sourceOn(engine, latest.current.layer)
      const [add, remove]: [GeoJSON.Feature[], number[]] = [[], []]
      for (const row of rows) {
        const it = one(row)
        if (it) {
          add.push(it)
          present.current.add(row)
        } else if (present.current.delete(row)) remove.push(row)
        if (add.length > MANY) return drawAll()
      }
      if (source && add.length + remove.length > 0) void source.updateData({ add, remove })
    },
    [engine, one, drawAll],
  )

  // The columns: once everything, then what changed.
  const { code } = layer
  useEffect(() => {
    const stop = new AbortController()
    let [asked, busy, again]: [number, boolean, ReturnType<typeof setTimeout> | undefined] = [0, false, undefined]
    const refresh = async () => {
      if (busy || (document.hidden && sheet.current.since)) return
      busy = true
      asked = Date.now()
      try {
        const bytes = await mapSheet(code, sheet.current.since, stop.signal)
        if (stop.signal.aborted || !bytes) return
        const touched = sheet.current.take(bytes)
        onSheet(code, sheet.current, undefined)
        if (touched === 'all') setLoaded(n => n + 1)
        else if (!latest.current.replaying) drawRows(touched)
      } catch (fault) {
        if (stop.signal.aborted) return
        // What does not fit is not mended but loaded anew.
        if (fault instanceof WireError) sheet.current = new Sheet()
        onError(code, fault)
      } finally {
        busy = false
      }
    }
    const soon = () => {
      again ??= setTimeout(() => {
        again = undefined
        void refresh()
      }, Math.max(0, asked + PACE_MS - Date.now()))
    }
    void refresh()
    const deaf = wake(soon)
    const idle = setInterval(soon, IDLE_MS)
    return () => {
      stop.abort()
      clearTimeout(again)
      clearInterval(idle)
      deaf()
      onSheet(code, undefined, undefined)
    }
  }, [code, wake, drawRows, onSheet, onError])

  // The engine's layers, made anew with theme, language and manner of drawing.
  useEffect(() => {
    addThings(engine, latest.current.layer, { heat, scale: large ? 2 : 1 })
    const mine = latest.current.layer
    return () => takeAway(engine, mine)
  }, [engine, code, heat, large])

  useEffect(() => {
    for (const part of ['heat', 'clusters', 'counts', 'points', 'badges']) {
      const id = `live-${code}-${part}`
      if (engine.getLayer(id)) engine.setLayoutProperty(id, 'visibility', visible ? 'visible' : 'none')
    }
  }, [engine, code, heat, large, visible])

  // A stretch of the past.
  const { from, to, frames } = window ?? {}
  useEffect(() => {
    setPast(undefined)
    if (from === undefined || to === undefined || loaded === 0) return
    const stop = new AbortController()
    onPast(code, 'loading')
    mapBetween(code, from, to, frames ?? 61, stop.signal).then(
      bytes => {
        if (stop.signal.aborted || !bytes) return
        const found = new Past(bytes)
        // The rows it speaks of are of a newer sheet: once that has come, this is asked again.
        if (found.epoch !== sheet.current.epoch) return
        setPast(found)
        onPast(code, 'ready')
      },
      (fault: unknown) => {
        if (stop.signal.aborted) return
        onPast(code, 'failed')
        onError(code, fault)
      },
    )
    return () => stop.abort()
  }, [code, from, to, frames, loaded, onPast, onError])

  const shown = useRef<Past>(undefined)
  useEffect(() => {
    if (past && time !== undefined) {
      const touched = past.show(past.at(time))
      onSheet(code, sheet.current, past)
      if (shown.current === past) drawRows(touched)
      else drawAll()
    } else onSheet(code, loaded > 0 ? sheet.current : undefined, undefined)
    shown.current = past
  }, [code, past, time, loaded, drawRows, drawAll, onSheet])

  useEffect(drawAll, [drawAll, loaded, hidden, heat, large, window === undefined, past === undefined])

  const before = useRef(severities)
  useEffect(() => {
    const changed = new Set<number>()
    const note = (id: string) => {
      const row = sheet.current.row(id)
      if (row !== undefined && before.current.get(id) !== severities.get(id)) changed.add(row)
    }
    for (const id of before.current.keys()) note(id)
    for (const id of severities.keys()) note(id)
    before.current = severities
    if (changed.size > 0) drawRows(changed)
  }, [severities, drawRows])

  return null
}

/** A layer of shapes that another domain gives. */
export function ShapeLayer({ engine, layer, large, visible, onError }: Pick<LayerProps, 'engine' | 'layer' | 'large' | 'visible' | 'onError'>) {
  const latest = useRef(layer)
  useEffect(() => {
    latest.current = layer
  })
  const { code, feed, feed_every } = layer
  useEffect(() => {
    const mine = latest.current
    addShapes(engine, mine, large ? 2 : 1)
    const stop = new AbortController()
    const load = async () => {
      if (!feed || document.hidden) return
      try {
        const shapes = await mapFeed(feed, stop.signal)
        const levels = latest.current.level ?? []
        const coloured = shapes.features.map(f => {
          const value = f.properties?.['value'] as number | string | undefined
          const level = levels[levelOf(levels, value ?? undefined)]
          return { ...f, properties: { ...f.properties, value: labelOf(latest.current, value ?? undefined), colour: level?.colour ?? token('ink-3'), mark: level?.mark ?? '' } }
        })
        void sourceOn(engine, mine)?.setData({ type: 'FeatureCollection', features: coloured })
      } catch (fault) {
        if (!stop.signal.aborted) onError(code, fault)
      }
    }
    void load()
    const timer = setInterval(() => void load(), (feed_every ?? 60) * 1_000)
    return () => {
      stop.abort()
      clearInterval(timer)
      takeAway(engine, mine)
    }
  }, [engine, code, feed, feed_every, large, onError])
  useEffect(() => {
    for (const part of ['fill', 'line', 'dots', 'marks']) {
      const id = `live-${code}-${part}`
      if (engine.getLayer(id)) engine.setLayoutProperty(id, 'visibility', visible ? 'visible' : 'none')
    }
  }, [engine, code, visible])
  return null
}
