import { Plus, RefreshCw, Spline, Trash2 } from 'lucide-react'
import { useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { useT } from '@/i18n'
import { Button, cx } from '@/ui'
import { arrow, begun, clamp, fewest, MOST_CORNERS, moved, near, point, sound, split, turned, without, type Point, type Shape, type ShapeKind } from './shapes'
import './shapes.css'

/** How near (of the picture's height) a click is to a corner to mean it. */
const REACH = 0.035
const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

const path = (points: readonly Point[]): string => points.map(([x, y]) => `${x * 100},${y * 100}`).join(' ')

/**
 * Draws shapes over a camera's picture. Mouse and finger: each click sets a corner, a click on the first closes the area, corners are pulled.
 * Keyboard: the button sets a shape, corners take the focus and move with the arrows.
 */
export function ShapeEditor({ kind, picture, alt, value, onChange, most = 8 }: {
  kind: ShapeKind
  picture: string
  alt: string
  value: readonly Shape[]
  onChange: (shapes: readonly Shape[]) => void
  most?: number
}) {
  const t = useT()
  const [draft, setDraft] = useState<readonly Point[]>([])
  const [chosen, setChosen] = useState<number>()
  const [aspect, setAspect] = useState(16 / 9)
  const area = useRef<HTMLDivElement>(null)
  const pulled = useRef<{ shape: number; corner: number }>(undefined)
  const full = value.length >= most

  function at(event: PointerEvent): Point {
    const box = area.current?.getBoundingClientRect()
    return box ? point((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height) : [0, 0]
  }
  const replace = (n: number, shape: Shape) => onChange(value.map((old, i) => (i === n ? shape : old)))

  function finish(points: readonly Point[]): void {
    setDraft([])
    if (!sound(kind, points)) return
    onChange([...value, { points }])
    setChosen(value.length)
  }
  function set(event: PointerEvent): void {
    if (event.button !== 0 || full) return
    const place = at(event)
    const first = draft[0]
    if (kind !== 'line' && first && draft.length >= fewest(kind) && near(first, place, aspect, REACH)) finish(draft)
    else if (kind === 'line' && draft.length === 1) finish([...draft, place])
    else if (draft.length < MOST_CORNERS) setDraft([...draft, place])
  }
  function pull(event: PointerEvent, shape: number, corner: number): void {
    if (event.button !== 0) return
    event.stopPropagation()
    area.current?.setPointerCapture(event.pointerId)
    pulled.current = { shape, corner }
    setChosen(shape)
  }
  function go(event: PointerEvent): void {
    const now = pulled.current
    const shape = now && value[now.shape]
    if (now && shape) replace(now.shape, moved(shape, now.corner, at(event)))
  }
  function keys(event: KeyboardEvent, n: number, corner: number): void {
    const shape = value[n]
    const place = shape?.points[corner]
    if (!shape || !place) return
    const way = ARROWS[event.key]
    if (way) {
      event.preventDefault()
      const step = event.shiftKey ? 0.05 : 0.005
      replace(n, moved(shape, corner, [clamp(place[0] + way[0] * step), clamp(place[1] + way[1] * step)]))
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault()
      replace(n, without(kind, shape, corner))
    }
  }
  function add(): void {
    onChange([...value, begun(kind)])
    setChosen(value.length)
    setDraft([])
  }
  function remove(n: number): void {
    onChange(value.filter((_, i) => i !== n))
    setChosen(undefined)
  }

  const now = chosen === undefined ? undefined : value[chosen]
  return (
    <div className="stack-s">
      <p className="small quiet">{t(`video:shape.lead_${kind}`)}</p>
      <div
        className={cx('shape-area', full && 'full')}
        ref={area}
        onPointerDown={set}
        onPointerMove={go}
        onPointerUp={() => (pulled.current = undefined)}
        onPointerCancel={() => (pulled.current = undefined)}
      >
        <img src={picture} alt={alt} draggable={false} onLoad={event => setAspect(event.currentTarget.naturalWidth / Math.max(1, event.currentTarget.naturalHeight))} />
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden>
          {value.map((shape, i) => {
            const way = kind === 'line' ? arrow(shape.points, aspect) : undefined
            return (
              <g key={i} className={cx(`shape-${kind}`, i === chosen && 'chosen')}>
                {kind === 'line' ? <polyline points={path(shape.points)} /> : <polygon points={path(shape.points)} />}
                {way ? <polyline className="shape-way" points={path([way.from, way.to])} /> : null}
              </g>
            )
          })}
          {draft.length > 0 ? <polyline className="shape-draft" points={path(draft)} /> : null}
        </svg>
        {value.map((shape, i) => {
          const way = kind === 'line' ? arrow(shape.points, aspect) : undefined
          return way ? <i key={i} aria-hidden className="shape-head" style={{ left: `${way.to[0] * 100}%`, top: `${way.to[1] * 100}%` }} /> : null
        })}
        {value.map((shape, i) => shape.points.map(([x, y], k) => (
          <button
            key={`${i}-${k}`}
            type="button"
            className={cx('shape-corner', i === chosen && 'chosen')}
            style={{ left: `${x * 100}%`, top: `${y * 100}%` }}
            aria-label={t('video:shape.corner', { shape: i + 1, corner: k + 1, x: Math.round(x * 100), y: Math.round(y * 100) })}
            onFocus={() => setChosen(i)}
            onKeyDown={event => keys(event, i, k)}
            onPointerDown={event => pull(event, i, k)}
          />
        )))}
        {draft.map(([x, y], k) => <i key={k} aria-hidden className={cx('shape-dot', k === 0 && 'first')} style={{ left: `${x * 100}%`, top: `${y * 100}%` }} />)}
      </div>
      <div className="row">
        {draft.length > 0 ? (
          <>
            {kind !== 'line' ? <Button size="small" disabled={!sound(kind, draft)} onClick={() => finish(draft)}>{t('video:shape.close')}</Button> : null}
            <Button look="secondary" size="small" onClick={() => setDraft([])}>{t('ui.cancel')}</Button>
          </>
        ) : (
          <>
            <Button look="secondary" size="small" icon={<Plus size={17} aria-hidden />} disabled={full} onClick={add}>{t(`video:shape.add_${kind}`)}</Button>
            {kind === 'line'
              ? <Button look="quiet" size="small" icon={<RefreshCw size={17} aria-hidden />} disabled={!now} onClick={() => chosen !== undefined && now && replace(chosen, turned(now))}>{t('video:shape.turn')}</Button>
              : <Button look="quiet" size="small" icon={<Spline size={17} aria-hidden />} disabled={!now} onClick={() => chosen !== undefined && now && replace(chosen, split(now, aspect))}>{t('video:shape.split')}</Button>}
            <Button look="quiet" size="small" icon={<Trash2 size={17} aria-hidden />} disabled={!now} onClick={() => chosen !== undefined && remove(chosen)}>{t('video:shape.remove')}</Button>
          </>
        )}
        <span className="small quiet">{t('video:shape.count', { n: value.length, most })}</span>
      </div>
      <p className="small quiet">{t('video:shape.keys')}</p>
    </div>
  )
}
