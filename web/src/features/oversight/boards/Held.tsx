/** The grid while it is edited: every widget can be taken by mouse, finger and keyboard. */
import { MoveDiagonal2 } from 'lucide-react'
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import type { Widget } from '@/api/boards'
import { text, useT } from '@/i18n'
import { cx } from '@/ui'
import { cellStyle, inOrder, missing, place, type Box } from './model'
import { titleOf } from './shared'
import { WidgetBox } from './WidgetBox'

interface Drag {
  id: string
  how: 'move' | 'size'
  from: Box
  at: { x: number; y: number }
  cell: { w: number; h: number }
  before: readonly Widget[]
}

interface HeldProps {
  widgets: readonly Widget[]
  chosen: string | undefined
  onChoose: (id: string) => void
  /** A step that can be taken back. */
  onStep: (widgets: Widget[], said: string) => void
  onSettings: (id: string) => void
  onRemove: (id: string) => void
  onDuplicate: (id: string) => void
}

export function whereText({ x, y, w, h }: Box): string {
  return text('boards:edit.where', { x: x + 1, y: y + 1, w, h })
}

const MOVES: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

export function HeldGrid({ widgets, chosen, onChoose, onStep, onSettings, onRemove, onDuplicate }: HeldProps) {
  const t = useT()
  const grid = useRef<HTMLDivElement>(null)
  const [drag, setDrag] = useState<Drag>()
  const [shown, setShown] = useState<readonly Widget[]>()
  const drawn = shown ?? widgets
  // A new order in the page must not take the focus away from what is moved.
  const focused = useRef<string>(undefined)
  useEffect(() => {
    if (focused.current && document.activeElement === document.body) document.getElementById(`held-${focused.current}`)?.focus({ preventScroll: true })
  }, [widgets])

  const begin = (event: PointerEvent, widget: Widget, how: Drag['how']) => {
    const box = grid.current?.getBoundingClientRect()
    if (!box || event.button !== 0) return
    event.stopPropagation()
    event.currentTarget.setPointerCapture(event.pointerId)
    const style = getComputedStyle(grid.current as Element)
    const gap = parseFloat(style.columnGap) || 0
    setDrag({ id: widget.id, how, from: widget, at: { x: event.clientX, y: event.clientY }, cell: { w: (box.width + gap) / 12, h: (parseFloat(style.gridAutoRows) || 68) + gap }, before: widgets })
    onChoose(widget.id)
  }
  const boxAt = (event: PointerEvent, { how, from, at, cell }: Drag): Box => {
    const [dx, dy] = [Math.round((event.clientX - at.x) / cell.w), Math.round((event.clientY - at.y) / cell.h)]
    return how === 'move' ? { ...from, x: from.x + dx, y: from.y + dy } : { ...from, w: Math.min(12 - from.x, from.w + dx), h: from.h + dy }
  }
  const drags = {
    onPointerMove: (event: PointerEvent) => drag && setShown(place(drag.before, drag.id, boxAt(event, drag))),
    onPointerUp: (event: PointerEvent) => {
      if (!drag) return
      const next = place(drag.before, drag.id, boxAt(event, drag))
      const now = next.find(one => one.id === drag.id)
      const moved = now && (now.x !== drag.from.x || now.y !== drag.from.y || now.w !== drag.from.w || now.h !== drag.from.h)
      setDrag(undefined)
      setShown(undefined)
      if (now && moved) onStep(next, `${titleOf(now)}: ${whereText(now)}`)
    },
    onPointerCancel: () => (setDrag(undefined), setShown(undefined)),
  }
  const onKey = (event: KeyboardEvent, widget: Widget) => {
    if (event.target !== event.currentTarget) return
    const by = MOVES[event.key]
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const [dx, dy] = by
      const box = event.shiftKey ? { ...widget, w: Math.min(12 - widget.x, widget.w + dx), h: widget.h + dy } : { ...widget, x: widget.x + dx, y: widget.y + dy }
      const next = place(widgets, widget.id, box)
      const now = next.find(one => one.id === widget.id) ?? widget
      focused.current = widget.id
      onStep(next, `${titleOf(now)}: ${whereText(now)}`)
    } else if (event.key === 'Enter' || event.key === ' ') onSettings(widget.id)
    else if (event.key === 'Delete' || event.key === 'Backspace') onRemove(widget.id)
    else if (event.key.toLowerCase() === 'd' && (event.ctrlKey || event.metaKey)) onDuplicate(widget.id)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <div className="editor-stage">
      <p id="held-help" className="visually-hidden">{t('boards:edit.how')}</p>
      <div className="board editing" ref={grid}>
        {inOrder(drawn).map(widget => (
          <div
            key={widget.id}
            id={`held-${widget.id}`}
            role="group"
            aria-roledescription={t('boards:edit.role')}
            aria-label={`${titleOf(widget)}, ${whereText(widget)}${missing(widget) ? `, ${t('boards:edit.lacks')}` : ''}`}
            aria-describedby="held-help"
            tabIndex={0}
            className={cx('board-cell', 'held', chosen === widget.id && 'chosen', drag?.id === widget.id && 'moving', missing(widget) && 'lacks')}
            style={cellStyle(widget)}
            onFocus={() => onChoose(widget.id)}
            onDoubleClick={() => onSettings(widget.id)}
            onKeyDown={event => onKey(event, widget)}
          >
            <div className="held-grip" onPointerDown={event => begin(event, widget, 'move')} {...drags} aria-hidden />
            <div inert className="held-body">
              <WidgetBox widget={widget} still />
            </div>
            <div className="held-size" onPointerDown={event => begin(event, widget, 'size')} {...drags} aria-hidden>
              <MoveDiagonal2 size={18} aria-hidden />
            </div>
          </div>
        ))}
      </div>
    </div>
  )
}
