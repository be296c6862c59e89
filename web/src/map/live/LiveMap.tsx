import type { Map as Engine, MapLayerMouseEvent, MapMouseEvent } from 'maplibre-gl'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { mapNames, useAlarmsThen, useLive, useMapLayers, type AlarmThen, type MapLayer, type Severity } from '@/api'
import { keepText, keptText } from '@/api/kept'
import { named, useLanguage, useT } from '@/i18n'
import { errorWords } from '@/ui'
import { useSearch } from '@/ui/rich/search'
import CityMap from '../CityMap'
import type { CityMapProps, MapPoint } from '../types'
import { clustersOf, pointable, SEVERITIES, sourceOn } from './draw'
import { labelOf, ShapeLayer, ThingLayer } from './Layer'
import { FindThing, LayerPanel, type Choice } from './LayerPanel'
import { drawn, select, type Ring, type Selected } from './scene'
import { DrawPad, SelectedPanel, SelectTools, type Manner } from './Selecting'
import { hourOf, PastBanner, TimeBar, type Moment } from './TimeBar'
import type { LiveMapProps } from './types'
import { SILENT, type Past, type Sheet } from './wire'
import './live.css'

const KEPT = 'dothi.map'
const NOTHING: readonly never[] = []
const NO_HIDDEN: ReadonlySet<string> = new Set()
/** Frames of an hour: each minute, both ends. */
const FRAMES = 61
const rank = (severity: Severity) => Math.max(0, SEVERITIES.indexOf(severity))
const words = (set: ReadonlySet<string>) => [...set].sort().join(',') || undefined
const setOf = (text: string | undefined) => new Set((text ?? '').split(',').filter(Boolean))

/** Which layers, in the address so that a view can be shared; and kept, so that it is there next time. */
function useChoice(layers: readonly MapLayer[]): [Choice, (choice: Choice) => void] {
  const [search, setSearch] = useSearch()
  const [hidden, setHidden] = useState<Choice['hidden']>({})
  const [kept] = useState(() => keptText(KEPT))
  const { off, heat } = search
  const choice = useMemo<Choice>(() => {
    const [keptOff, keptHeat] = (kept ?? '').split(';')
    const never = layers.filter(l => !l.shown).map(l => l.code).join(',')
    return { off: setOf(off === '-' ? '' : (off ?? (kept === undefined ? never : keptOff))), heat: setOf(heat ?? keptHeat), hidden }
  }, [off, heat, kept, hidden, layers])
  const set = useCallback(
    (next: Choice) => {
      setHidden(next.hidden)
      keepText(KEPT, `${words(next.off) ?? ''};${words(next.heat) ?? ''}`)
      // '-': nothing is off, which is another thing than nothing said.
      setSearch({ off: words(next.off) ?? '-', heat: words(next.heat) })
    },
    [setSearch],
  )
  return [choice, set]
}

interface Shown {
  sheet: Sheet
  past: Past | undefined
}

export default function LiveMap(props: LiveMapProps) {
  const { onThing, onAlarm, only, quiet, bare, alarms: withAlarms = true, points, onPoint, children, ...map } = props
  const t = useT()
  const lng = useLanguage()
  const [engine, setEngine] = useState<Engine>()
  const [search, setSearch] = useSearch()
  const listed = useMapLayers()
  const layers = useMemo(() => (listed.data ?? NOTHING).filter(l => !only || only.includes(l.code)), [listed.data, only])
  const [choice, setChoice] = useChoice(layers)
  const [flyTo, setFlyTo] = useState<CityMapProps['flyTo']>()
  const [seenFly, setSeenFly] = useState(map.flyTo)
  if (map.flyTo !== seenFly) {
    setSeenFly(map.flyTo)
    setFlyTo(map.flyTo)
  }

  // The past
  const [moment, setMoment] = useState<Moment | undefined>(() => {
    const at = Date.parse(search['at'] ?? '')
    return Number.isFinite(at) && at <= Date.now() ? hourOf(at) : undefined
  })
  const changeMoment = useCallback((next: Moment | undefined) => setMoment(next), [])
  const [pasts, setPasts] = useState<Readonly<Record<string, string>>>({})
  const told = useRef(search['at'])
  useEffect(() => {
    // Playing must not fill the address bar's history faster than a person reads it.
    const timer = setTimeout(() => {
      const at = moment ? new Date(moment.time).toISOString() : undefined
      if (told.current === at) return
      told.current = at
      setSearch({ at })
    }, 600)
    return () => clearTimeout(timer)
  }, [moment, setSearch])

  // Alarms, now or then
  const then = useAlarmsThen(moment?.time, withAlarms)
  const open = then.data?.items ?? NOTHING
  const severities = useMemo(() => {
    const worst = new Map<string, number>()
    for (const alarm of open) worst.set(alarm.entity, Math.max(worst.get(alarm.entity) ?? 0, rank(alarm.severity)))
    return worst
  }, [open])

  // Columns of the layers
  const sheets = useRef(new Map<string, Shown>())
  const [turn, setTurn] = useState(0)
  const onSheet = useCallback((code: string, sheet: Sheet | undefined, past: Past | undefined) => {
    if (sheet) sheets.current.set(code, { sheet, past: past ?? undefined })
    else sheets.current.delete(code)
    setTurn(n => n + 1)
  }, [])
  const [troubles, setTroubles] = useState<Readonly<Record<string, string>>>({})
  const onError = useCallback((code: string, error: unknown) => setTroubles(before => ({ ...before, [code]: errorWords(error) })), [])
  const onPast = useCallback((code: string, state: string) => {
    setPasts(before => ({ ...before, [code]: state }))
    if (state === 'ready') setTroubles(({ [code]: _, ...rest }) => rest)
  }, [])
  const listeners = useRef(new Set<() => void>())
  const wake = useCallback((listener: () => void) => {
    listeners.current.add(listener)
    return () => void listeners.current.delete(listener)
  }, [])
  useLive(['entity-changed', 'entity-deleted', 'observations-accepted', 'hello', 'reset'], () => listeners.current.forEach(listener => listener()))

  const on = useMemo(() => layers.filter(l => !choice.off.has(l.code)), [layers, choice.off])
  const busy = moment !== undefined && on.some(l => l.replay && !l.feed && pasts[l.code] !== 'ready' && pasts[l.code] !== 'failed')
  const window = useMemo(() => (moment ? { from: moment.from, to: moment.to, frames: FRAMES } : undefined), [moment?.from, moment?.to])

  // Alarms whose things are in no layer still have a place.
  const loose = useMemo<MapPoint[]>(() => {
    if (quiet || !withAlarms) return []
    const placed = (id: string) => [...sheets.current.values()].some(({ sheet }) => sheet.row(id) !== undefined)
    const seen = new Set<string>()
    return open.flatMap(alarm => {
      if (!alarm.location || seen.has(alarm.entity) || placed(alarm.entity)) return []
      seen.add(alarm.entity)
      return [{ id: alarm.entity, ...alarm.location, mark: SEVERITIES[severities.get(alarm.entity) ?? 1] as Severity }]
    })
    // `turn` stands for the columns.
  }, [open, severities, turn, quiet, withAlarms])

  const alarmOf = useCallback((id: string): AlarmThen | undefined => open.filter(a => a.entity === id).toSorted((a, b) => rank(b.severity) - rank(a.severity))[0], [open])
  const choose = useCallback(
    (id: string) => {
      const alarm = alarmOf(id)
      if (alarm && onAlarm) onAlarm(alarm)
      else onThing(id)
    },
    [alarmOf, onAlarm, onThing],
  )

  // Pointing
  const [hover, setHover] = useState<{ x: number; y: number; lines: readonly string[] }>()
  const names = useRef(new Map<string, string>())
  const say = useRef<(layer: MapLayer, properties: Record<string, unknown>) => { id: string; lines: string[] }>(undefined)
  useEffect(() => {
    say.current = (layer, properties) => {
      if (layer.feed) return { id: String(properties['id'] ?? ''), lines: [String(properties['name'] ?? ''), String(properties['value'] ?? '')].filter(Boolean) }
      const shown = sheets.current.get(layer.code)
      const row = Number(properties['row'])
      const id = shown?.sheet.ids[row] ?? ''
      if (!shown || !id) return { id: '', lines: [] }
      const it = drawn(layer, shown.sheet, moment ? shown.past : undefined, severities, row)
      const level = layer.level?.[it.level]
      const alarm = alarmOf(id)
      return {
        id,
        lines: [
          names.current.get(id) ?? '…',
          [labelOf(layer, it.value) || t('ioc:live.no_value'), level ? named(lng, level.title, level.title_en) : ''].filter(Boolean).join(' · '),
          it.state === SILENT ? t('thing.silent') : '',
          alarm ? `${t(`severity.${alarm.severity}`)}: ${named(lng, alarm.title, alarm.title_en)}` : '',
        ].filter(Boolean),
      }
    }
  })
  const chooser = useRef(choose)
  useEffect(() => {
    chooser.current = choose
  })
  useEffect(() => {
    if (!engine) return
    const undo: (() => void)[] = []
    let asked = ''
    for (const layer of on) {
      const move = (event: MapLayerMouseEvent) => {
        const properties = event.features?.[0]?.properties
        const said = properties && say.current?.(layer, properties)
        if (!said || said.lines.length === 0) return
        engine.getCanvas().style.cursor = 'pointer'
        const { x, y } = event.point
        setHover({ x, y, lines: said.lines })
        if (layer.feed || names.current.has(said.id) || asked === said.id) return
        asked = said.id
        mapNames([said.id]).then(([thing]) => {
          if (names.current.size > 2_000) names.current.clear()
          names.current.set(said.id, thing?.name ?? said.id)
          setHover(before => before && { ...before, lines: say.current?.(layer, properties).lines ?? before.lines })
        }, () => names.current.set(said.id, said.id))
      }
      const leave = () => {
        engine.getCanvas().style.cursor = ''
        setHover(undefined)
      }
      const press = (event: MapLayerMouseEvent) => {
        const properties = event.features?.[0]?.properties
        const id = properties && !event.defaultPrevented ? say.current?.(layer, properties).id : ''
        if (!id || layer.feed) return
        event.preventDefault()
        chooser.current(id)
      }
      const spread = (event: MapLayerMouseEvent) => {
        const found = event.features?.[0]
        if (!found || event.defaultPrevented) return
        event.preventDefault()
        const to = (found.geometry as GeoJSON.Point).coordinates as [number, number]
        void sourceOn(engine, layer)?.getClusterExpansionZoom(found.properties['cluster_id'] as number).then(zoom => engine.easeTo({ center: to, zoom }))
      }
      for (const id of pointable(layer)) {
        engine.on('mousemove', id, move)
        engine.on('mouseleave', id, leave)
        engine.on('click', id, press)
        undo.push(() => {
          engine.off('mousemove', id, move)
          engine.off('mouseleave', id, leave)
          engine.off('click', id, press)
        })
      }
      engine.on('click', clustersOf(layer), spread)
      undo.push(() => engine.off('click', clustersOf(layer), spread))
    }
    return () => undo.forEach(step => step())
  }, [engine, on])

  // How soon what was there was drawn; a walk reads it.
  const holder = useRef<HTMLDivElement>(null)
  const ready = on.length > 0 && on.every(l => l.feed || sheets.current.has(l.code) || troubles[l.code])
  useEffect(() => {
    const element = holder.current
    if (!engine || !ready || !element || element.dataset['drawn']) return
    const idle = () => {
      element.dataset['things'] = String([...sheets.current.values()].reduce((n, { sheet }) => n + sheet.ids.length, 0))
      element.dataset['drawn'] = String(Math.round(performance.now()))
    }
    void engine.once('idle', idle)
    return () => void engine.off('idle', idle)
  }, [engine, ready])

  // Selecting
  const [manner, setManner] = useState<Manner>()
  const [ring, setRing] = useState<Ring>()
  const found = useMemo<readonly Selected[]>(() => {
    if (!ring) return NOTHING
    return on.flatMap(layer => {
      const shown = sheets.current.get(layer.code)
      return shown && (!moment || layer.replay) ? [select(layer, shown.sheet, moment ? shown.past : undefined, severities, choice.hidden[layer.code] ?? NO_HIDDEN, ring)] : []
    })
    // `turn` stands for the columns.
  }, [ring, on, moment, severities, choice.hidden, turn])
  const stopDrawing = useCallback(() => setManner(undefined), [])
  const inView = () => {
    const bounds = engine?.getBounds()
    if (!bounds) return
    const [w, s, e, n] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()]
    setRing([[w, s], [e, s], [e, n], [w, n]])
  }
  useEffect(() => {
    if (!engine || !ring) return
    const source = 'live-ring'
    const data: GeoJSON.Feature = { type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [[...ring, ring[0] ?? [0, 0]]] } }
    const colour = getComputedStyle(document.documentElement).getPropertyValue('--focus').trim()
    let there = true
    const gone = (_: MapMouseEvent | object) => (there = false)
    engine.once('remove', gone)
    engine.addSource(source, { type: 'geojson', data })
    engine.addLayer({ id: source, type: 'line', source, paint: { 'line-color': colour, 'line-width': 3, 'line-dasharray': [2, 1.5] } })
    return () => {
      if (!there) return
      engine.removeLayer(source)
      engine.removeSource(source)
    }
  }, [engine, ring])

  const shownPoints = quiet ? points : [...(points ?? []), ...loose]
  const clickPoint = (id: string) => (loose.some(p => p.id === id) ? choose(id) : onPoint?.(id))
  return (
    <div ref={holder} className={moment ? 'live live-in-past' : 'live'}>
      <CityMap {...map} points={shownPoints} onPoint={clickPoint} flyTo={flyTo} onEngine={setEngine}>
        {children}
      </CityMap>
      {engine
        ? on.map(layer =>
            layer.feed ? (
              <ShapeLayer key={layer.code} engine={engine} layer={layer} large={map.large ?? false} visible={!quiet && !moment} onError={onError} />
            ) : (
              <ThingLayer
                key={layer.code} engine={engine} layer={layer} heat={choice.heat.has(layer.code)} hidden={choice.hidden[layer.code] ?? NO_HIDDEN} large={map.large ?? false} severities={severities}
                past={layer.replay ? window : undefined} time={layer.replay ? moment?.time : undefined} visible={!quiet && (!moment || layer.replay)} wake={wake} onSheet={onSheet} onPast={onPast} onError={onError}
              />
            ),
          )
        : null}
      {hover && !manner ? (
        <div className="live-hover" style={{ left: hover.x, top: hover.y }} aria-hidden>
          {hover.lines.map((line, n) => (n === 0 ? <b key={n}>{line}</b> : <span key={n}>{line}</span>))}
        </div>
      ) : null}
      {engine && manner ? <DrawPad engine={engine} manner={manner} onRing={area => { setRing(area); setManner(undefined) }} onCancel={stopDrawing} /> : null}
      <div className="live-over">
        {moment ? <PastBanner moment={moment} busy={busy || then.isFetching} open={open} /> : null}
        {bare || quiet ? null : (
          <div className="live-top">
            <FindThing onFound={thing => { if (thing.location) setFlyTo({ ...thing.location, zoom: 15 }); onThing(thing.id) }} />
            <SelectTools manner={manner} onManner={setManner} onView={inView} />
          </div>
        )}
        {quiet ? null : <LayerPanel layers={layers} choice={choice} onChoice={setChoice} past={moment !== undefined} troubles={troubles} alarms={withAlarms} />}
      </div>
      {bare || quiet ? null : <TimeBar moment={moment} onMoment={changeMoment} busy={busy} />}
      {ring && !quiet ? <SelectedPanel found={found} onThing={onThing} onClose={() => setRing(undefined)} /> : null}
    </div>
  )
}
