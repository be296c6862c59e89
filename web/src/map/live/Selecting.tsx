import type { Map as Engine } from 'maplibre-gl'
import { Lasso, Scan, Spline, SquareDashed, X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { mapNames, type NamedThing } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Failed, format } from '@/ui'
import { inkOn } from './draw'
import { labelOf } from './Layer'
import { LISTED, type Ring, type Selected } from './scene'

export type Manner = 'box' | 'polygon' | 'lasso'
const MANNERS: readonly [Manner, typeof Lasso][] = [['box', SquareDashed], ['polygon', Spline], ['lasso', Lasso]]
/** Corners of what is drawn. */
const CORNERS = 400

interface ToolsProps {
  manner: Manner | undefined
  onManner: (manner: Manner | undefined) => void
  /** The area in view, for who doesn't draw. */
  onView: () => void
}

export function SelectTools({ manner, onManner, onView }: ToolsProps) {
  const t = useT()
  return (
    <div className="live-panel live-tools" role="group" aria-label={t('ioc:live.select')}>
      {MANNERS.map(([name, Icon]) => (
        <Button key={name} look="quiet" size="small" iconOnly aria-pressed={manner === name} className={manner === name ? 'on' : undefined} icon={<Icon size={18} aria-hidden />} onClick={() => onManner(manner === name ? undefined : name)}>{t(`ioc:live.select_${name}`)}</Button>
      ))}
      <Button look="quiet" size="small" iconOnly icon={<Scan size={18} aria-hidden />} onClick={onView}>{t('ioc:live.select_view')}</Button>
    </div>
  )
}

type Spot = [number, number]

/** A sheet over the map that is drawn on; gives the ring in degrees. */
export function DrawPad({ engine, manner, onRing, onCancel }: { engine: Engine; manner: Manner; onRing: (ring: Ring) => void; onCancel: () => void }) {
  const t = useT()
  const [spots, setSpots] = useState<readonly Spot[]>([])
  const pad = useRef<SVGSVGElement>(null)
  const done = (all: readonly Spot[]) => {
    setSpots([])
    const corners = manner === 'box' && all[0] && all[1] ? ([all[0], [all[1][0], all[0][1]], all[1], [all[0][0], all[1][1]]] satisfies Spot[]) : all
    if (corners.length < 3) return
    onRing(corners.map(spot => engine.unproject(spot).toArray() as [number, number]))
  }
  const latest = useRef({ done, spots })
  useEffect(() => {
    latest.current = { done, spots }
  })
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' && event.key !== 'Enter') return
      event.stopPropagation()
      event.preventDefault()
      if (event.key === 'Escape') onCancel()
      else latest.current.done(latest.current.spots)
    }
    addEventListener('keydown', key, true)
    return () => removeEventListener('keydown', key, true)
  }, [onCancel])
  const at = (event: React.PointerEvent | React.MouseEvent): Spot => {
    const box = pad.current?.getBoundingClientRect()
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)]
  }
  const drags = manner !== 'polygon'
  const shape = manner === 'box' && spots[0] && spots[1] ? [spots[0], [spots[1][0], spots[0][1]], spots[1], [spots[0][0], spots[1][1]]] : spots
  return (
    <svg
      ref={pad} className="live-pad" role="img" aria-label={t(`ioc:live.draw_${manner}`)}
      onPointerDown={event => {
        if (!drags) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setSpots([at(event)])
      }}
      onPointerMove={event => {
        if (drags && spots[0] && event.buttons > 0) setSpots(manner === 'box' ? [spots[0], at(event)] : spots.length < CORNERS ? [...spots, at(event)] : spots)
      }}
      onPointerUp={() => drags && done(spots)}
      onClick={event => !drags && spots.length < CORNERS && setSpots([...spots, at(event)])}
      onDoubleClick={() => !drags && done(spots)}
    >
      <polygon points={shape.map(spot => spot.join(',')).join(' ')} />
      {drags ? null : spots.map(([x, y], n) => <circle key={n} cx={x} cy={y} r={5} />)}
      <text x="50%" y="24" textAnchor="middle">{t(`ioc:live.draw_${manner}`)}</text>
    </svg>
  )
}

/** What was selected: numbers, and a list to open things from. */
export function SelectedPanel({ found, onThing, onClose }: { found: readonly Selected[]; onThing: (id: string) => void; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const total = found.reduce((sum, f) => sum + f.count, 0)
  const [list, setList] = useState<{ of: readonly Selected[]; names?: NamedThing[]; error?: unknown }>()
  const open = () => {
    const ids = found.flatMap(f => f.ids).slice(0, LISTED)
    setList({ of: found })
    mapNames(ids).then(names => setList({ of: found, names }), (error: unknown) => setList({ of: found, error }))
  }
  const shown = list?.of === found ? list : undefined
  return (
    <section className="live-panel live-selected" aria-label={t('ioc:live.selected')}>
      <header>
        <h2 role="status">{t('ioc:live.selected_n', { n: format.number(total, 0) })}</h2>
        <Button look="quiet" size="small" iconOnly icon={<X size={18} aria-hidden />} onClick={onClose}>{t('ui.close')}</Button>
      </header>
      {found.filter(f => f.count > 0).map(({ layer, count, silent, alarms, levels, numbers }) => (
        <div key={layer.code} className="live-sum">
          <h3>{layer.code === 'other' ? t('ioc:live.other') : named(lng, layer.name, layer.name_en)} <span className="tnum quiet">{format.number(count, 0)}</span></h3>
          <p className="small">
            {[alarms > 0 ? t('ioc:live.with_alarm', { n: format.number(alarms, 0) }) : '', silent > 0 ? t('ioc:live.silent_n', { n: format.number(silent, 0) }) : ''].filter(Boolean).join(' · ')}
          </p>
          {numbers ? (
            <dl className="live-facts">
              {([['mean', numbers.sum / numbers.n], ['min', numbers.min], ['max', numbers.max]] as const).map(([key, value]) => (
                <div key={key}><dt>{t(`ioc:live.${key}`)}</dt><dd className="tnum">{labelOf({ ...layer, digits: Math.max(layer.digits, key === 'mean' ? 1 : 0) }, value)}</dd></div>
              ))}
            </dl>
          ) : null}
          {(layer.level ?? []).length > 0 ? (
            <ul className="live-legend">
              {(layer.level ?? []).map((level, n) => (levels[n] ? <li key={level.title} className="live-level"><i aria-hidden style={{ background: level.colour, color: inkOn(level.colour) }}>{level.mark}</i>{named(lng, level.title, level.title_en)} <span className="tnum">{format.number(levels[n], 0)}</span></li> : null))}
            </ul>
          ) : null}
        </div>
      ))}
      {total > 0 && !shown ? <Button look="secondary" size="small" onClick={open}>{t('ioc:live.list')}</Button> : null}
      {shown?.error ? <Failed error={shown.error} onRetry={open} /> : null}
      {shown?.names ? (
        <>
          {total > shown.names.length ? <p className="small quiet">{t('ioc:live.listed', { n: shown.names.length, all: format.number(total, 0) })}</p> : null}
          <ul className="live-list" tabIndex={0} aria-label={t('ioc:live.selected')}>
            {shown.names.map(thing => (
              <li key={thing.id}>
                <button type="button" onClick={() => onThing(thing.id)}>
                  <b>{thing.name}</b> <span className="small quiet">{[t(`thing.${thing.state}`), thing.observed_at ? format.ago(thing.observed_at) : ''].filter(Boolean).join(' · ')}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </section>
  )
}
