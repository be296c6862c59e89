import { Plus, Trash2 } from 'lucide-react'
import { useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { photoAddress, useMaskPhoto, type CasePhoto, type MaskBox } from '@/api'
import { useT } from '@/i18n'
import { Button, cx, Dialog, FailedNote, Note, toast } from '@/ui'
import './intake.css'

const clamp = (value: number, most = 1) => Math.max(0, Math.min(most, value))
const STEP = 0.01

/** Where a pointer began, and what it does: draws a new box, moves one, or pulls its lower right corner. */
interface Drag {
  kind: 'draw' | 'move' | 'pull'
  box: number
  x: number
  y: number
  before: MaskBox
}

/** Boxes over a photo: proposed ones can be taken as they are, moved and thrown away; others are drawn by hand (faces not found, plates). */
export function MaskEditor({ caseId, photo, alt, onClose }: { caseId: string; photo: CasePhoto; alt: string; onClose: () => void }) {
  const t = useT()
  const save = useMaskPhoto(caseId)
  const [boxes, setBoxes] = useState<readonly MaskBox[]>(photo.boxes ?? [])
  const [chosen, setChosen] = useState<number>()
  const area = useRef<HTMLDivElement>(null)
  const drag = useRef<Drag>(undefined)

  function at(event: PointerEvent): { x: number; y: number } {
    const box = area.current?.getBoundingClientRect()
    return box ? { x: clamp((event.clientX - box.left) / box.width), y: clamp((event.clientY - box.top) / box.height) } : { x: 0, y: 0 }
  }
  const change = (n: number, box: MaskBox) => setBoxes(before => before.map((old, i) => (i === n ? box : old)))

  function begin(event: PointerEvent, kind: Drag['kind'], n?: number): void {
    if (event.button !== 0) return
    event.preventDefault()
    event.stopPropagation()
    area.current?.setPointerCapture(event.pointerId)
    const { x, y } = at(event)
    const box = n ?? boxes.length
    const before = boxes[box] ?? { x, y, w: 0.001, h: 0.001 }
    if (n === undefined) setBoxes(all => [...all, before])
    setChosen(box)
    drag.current = { kind, box, x, y, before }
  }
  function go(event: PointerEvent): void {
    const now = drag.current
    if (!now) return
    const { x, y } = at(event)
    const b = now.before
    if (now.kind === 'draw') change(now.box, { x: Math.min(x, now.x), y: Math.min(y, now.y), w: Math.max(0.001, Math.abs(x - now.x)), h: Math.max(0.001, Math.abs(y - now.y)) })
    else if (now.kind === 'move') change(now.box, { ...b, x: clamp(b.x + x - now.x, 1 - b.w), y: clamp(b.y + y - now.y, 1 - b.h) })
    else change(now.box, { ...b, w: Math.max(0.01, clamp(b.w + x - now.x, 1 - b.x)), h: Math.max(0.01, clamp(b.h + y - now.y, 1 - b.y)) })
  }
  function end(): void {
    drag.current = undefined
    // A touch without a stroke is no box.
    setBoxes(before => before.filter(b => b.w > 0.008 && b.h > 0.008))
  }
  function remove(n: number): void {
    setBoxes(before => before.filter((_, i) => i !== n))
    setChosen(undefined)
  }
  function keys(event: KeyboardEvent, n: number): void {
    const b = boxes[n]
    if (!b) return
    const by: Record<string, [number, number]> = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }
    const step = by[event.key]
    if (step) {
      event.preventDefault()
      change(n, event.shiftKey ? { ...b, w: Math.max(0.01, clamp(b.w + step[0], 1 - b.x)), h: Math.max(0.01, clamp(b.h + step[1], 1 - b.y)) } : { ...b, x: clamp(b.x + step[0], 1 - b.w), y: clamp(b.y + step[1], 1 - b.h) })
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault()
      remove(n)
    }
  }

  return (
    <Dialog wide open onClose={onClose} title={t('work:mask.title')}>
      <div className="stack">
        <p className="small quiet">{t('work:mask.lead')}</p>
        {photo.mask === 'failed' ? <Note tone="high">{t('work:mask.failed')}</Note> : null}
        <div className="mask-area" ref={area} onPointerDown={event => begin(event, 'draw')} onPointerMove={go} onPointerUp={end} onPointerCancel={end}>
          <img src={photoAddress(photo.sha)} alt={alt} draggable={false} />
          {boxes.map((b, i) => (
            <div
              key={i}
              role="button"
              tabIndex={0}
              aria-pressed={i === chosen}
              aria-label={t('work:mask.box', { n: i + 1 })}
              className={cx('mask-box', i === chosen && 'chosen')}
              style={{ left: `${b.x * 100}%`, top: `${b.y * 100}%`, width: `${b.w * 100}%`, height: `${b.h * 100}%` }}
              onFocus={() => setChosen(i)}
              onKeyDown={event => keys(event, i)}
              onPointerDown={event => begin(event, 'move', i)}
            >
              <i aria-hidden onPointerDown={event => begin(event, 'pull', i)} />
            </div>
          ))}
        </div>
        <div className="row">
          <Button look="secondary" size="small" icon={<Plus size={17} aria-hidden />} onClick={() => (setBoxes(before => [...before, { x: 0.4, y: 0.4, w: 0.2, h: 0.2 }]), setChosen(boxes.length))}>{t('work:mask.add')}</Button>
          <Button look="quiet" size="small" icon={<Trash2 size={17} aria-hidden />} disabled={chosen === undefined} onClick={() => chosen !== undefined && remove(chosen)}>{t('work:mask.remove')}</Button>
          <span className="small quiet">{t('work:mask.keys')}</span>
        </div>
        <FailedNote error={save.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button busy={save.isPending} onClick={() => save.mutate({ sha: photo.sha, boxes }, { onSuccess: () => (toast(t('work:mask.done')), onClose()) })}>
            {boxes.length > 0 ? t('work:mask.do', { n: boxes.length }) : t('work:mask.none')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
