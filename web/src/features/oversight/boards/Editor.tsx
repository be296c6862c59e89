import { ChartLine, ChartNoAxesCombined, Clock, Gauge, Heading, History, List, ListChecks, Map as MapIcon, Maximize2, Plus, Redo2, Save, Share2, Siren, Smartphone, Sparkles, Table, Trash2, Type, Undo2, Copy, Wind, Hash, type LucideIcon } from 'lucide-react'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useChangeBoard, type BoardView, type SharedWith, type Widget, type WidgetKind } from '@/api/boards'
import { useT } from '@/i18n'
import { Button, Dialog, Empty, FailedNote, Input, toast } from '@/ui'
import { useKeys } from '@/ui/rich'
import { BoardGrid, useWallType } from './Grid'
import { HeldGrid, whereText } from './Held'
import { begin, FIRST, freePlace, freshId, KINDS, missing, place, redo, step, tidy, undo, WIDGETS, type Steps } from './model'
import { Settings } from './Settings'
import { ShareFields } from './Share'
import { titleOf } from './shared'
import { Versions } from './Versions'
import { WidgetBox } from './WidgetBox'

interface Draft {
  name: string
  shared: SharedWith
  with?: string | undefined
  widgets: readonly Widget[]
}

const ICONS: Record<WidgetKind, LucideIcon> = { figure: Hash, chart: ChartLine, gauge: Gauge, table: Table, map: MapIcon, alarms: List, incidents: Siren, 'on-time': ListChecks, air: Wind, text: Type, heading: Heading, clock: Clock }

/** Every kind of widget, with a look at what it will be. */
function Kinds({ onAdd }: { onAdd: (kind: WidgetKind) => void }) {
  const t = useT()
  const [shown, setShown] = useState<WidgetKind>('figure')
  const first = FIRST[shown]
  return (
    <div className="stack">
      <div className="kinds">
        {KINDS.map(kind => {
          const Icon = ICONS[kind]
          return (
            <button key={kind} type="button" className="kind" data-kind={kind} onClick={() => onAdd(kind)} onFocus={() => setShown(kind)} onMouseEnter={() => setShown(kind)}>
              <Icon size={22} aria-hidden />
              <b>{t(`boards:kind.${kind}.name`)}</b>
              <small>{t(`boards:kind.${kind}.what`)}</small>
            </button>
          )
        })}
      </div>
      <div className="kind-look" inert aria-hidden>
        <WidgetBox widget={{ id: 'look', kind: shown, x: 0, y: 0, w: first.w, h: first.h, set: first.set, ...(shown === 'heading' ? { title: t('boards:kind.heading.name') } : {}) }} still />
      </div>
    </div>
  )
}

/** The editor: nothing is kept before it is saved, and every step can be taken back. */
export function Editor({ board, onDone }: { board: BoardView; onDone: () => void }) {
  const t = useT()
  const change = useChangeBoard(board.id)
  const [steps, setSteps] = useState<Steps<Draft>>(() => begin({ name: board.name, shared: board.shared, with: board.with, widgets: board.widgets }))
  const [version, setVersion] = useState(board.version)
  const [saved, setSaved] = useState(steps.now)
  const [chosen, setChosen] = useState<string>()
  const [open, setOpen] = useState<'add' | 'settings' | 'share' | 'versions'>()
  const [look, setLook] = useState<'phone' | 'wall'>()
  const [said, setSaid] = useState('')
  const { widgets, name } = steps.now
  const dirty = steps.now !== saved
  const widget = widgets.find(one => one.id === chosen)
  const lacking = widgets.find(missing)
  useWallType(look === 'wall')

  const last = useRef({ about: '', at: 0 })
  const go = useCallback((part: Partial<Draft>, words?: string, about = '') => {
    // Letters of one word are one step.
    const amends = about !== '' && last.current.about === about && Date.now() - last.current.at < 1_000
    last.current = { about, at: Date.now() }
    setSteps(before => (amends ? { ...before, now: { ...before.now, ...part }, ahead: [] } : step(before, { ...before.now, ...part })))
    if (words) setSaid(words)
  }, [])
  // Where the focus goes next, once what is to have it is there.
  const next = useRef<string>(undefined)
  useEffect(() => {
    if (!next.current || open) return
    document.getElementById(next.current)?.focus()
    next.current = undefined
  })
  const focusWidget = (id: string | undefined) => (next.current = id ? `held-${id}` : 'board-add')

  // A dialog that closes gives the focus back to a widget; while the next one is open that chooses nothing.
  const choose = (id: string) => {
    if (!open) setChosen(id)
  }
  const add = (kind: WidgetKind) => {
    if (widgets.length >= WIDGETS) return toast(t('boards:edit.full', { n: WIDGETS }), { tone: 'bad' })
    const first = FIRST[kind]
    const made: Widget = { id: freshId(widgets, kind), kind, ...freePlace(widgets, first.w, first.h), w: first.w, h: first.h, set: first.set }
    go({ widgets: [...widgets, made] }, t('boards:edit.added', { what: titleOf(made), where: whereText(made) }))
    setChosen(made.id)
    // What still needs something is asked for it at once.
    setOpen(missing(made) ? 'settings' : undefined)
    focusWidget(made.id)
  }
  const remove = (id: string) => {
    const gone = widgets.find(one => one.id === id)
    const rest = widgets.filter(one => one.id !== id)
    if (!gone) return
    go({ widgets: rest }, t('boards:edit.removed', { what: titleOf(gone) }))
    setChosen(rest[0]?.id)
    setOpen(undefined)
    focusWidget(rest[0]?.id)
  }
  const duplicate = (id: string) => {
    const one = widgets.find(other => other.id === id)
    if (!one || widgets.length >= WIDGETS) return
    const made = { ...one, id: freshId(widgets, one.kind), ...freePlace(widgets, one.w, one.h) }
    go({ widgets: [...widgets, made] }, t('boards:edit.added', { what: titleOf(made), where: whereText(made) }))
    setChosen(made.id)
    focusWidget(made.id)
  }
  const save = () => {
    const draft = steps.now
    if (lacking) {
      setChosen(lacking.id)
      setOpen('settings')
      return
    }
    change.mutate(
      { version, name: draft.name, shared: draft.shared, ...(draft.with ? { with: draft.with } : {}), widgets: [...draft.widgets] },
      {
        onSuccess: kept => {
          setVersion(kept.version)
          setSaved(draft)
          setSaid(t('boards:edit.saved'))
          toast(t('boards:edit.saved'))
        },
      },
    )
  }
  const back = () => (setSteps(undo), setSaid(t('boards:edit.undone')))
  const again = () => (setSteps(redo), setSaid(t('boards:edit.redone')))

  useEffect(() => {
    if (!dirty) return
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [dirty])
  useKeys(t('boards:edit.title'), {
    n: { label: t('boards:edit.add'), run: () => setOpen('add') },
    'Ctrl+z': { label: t('boards:edit.undo'), run: back },
    'Ctrl+Shift+z': { label: t('boards:edit.redo'), run: again },
    'Ctrl+y': { run: again },
    'Ctrl+s': { label: t('ui.save'), run: save, always: true },
    t: { label: t('boards:edit.tidy'), run: () => go({ widgets: tidy(widgets) }, t('boards:edit.tidied')) },
    p: { label: t('boards:edit.phone'), run: () => setLook(look === 'phone' ? undefined : 'phone') },
    w: { label: t('boards:edit.wall'), run: () => setLook(look === 'wall' ? undefined : 'wall') },
    Escape: { label: t('boards:edit.escape'), run: () => setLook(undefined) },
  })
  useKeys(t('boards:edit.widget'), {
    'ArrowUp ': { label: t('boards:edit.k_move'), run: () => undefined },
    'Shift+ArrowRight ': { label: t('boards:edit.k_size'), run: () => undefined },
    'Enter ': { label: t('boards:edit.k_settings'), run: () => undefined },
    'Ctrl+D ': { label: t('boards:edit.k_copy'), run: () => undefined },
    'Delete ': { label: t('boards:edit.k_remove'), run: () => undefined },
  })

  if (look === 'wall')
    return (
      <div className="wall-page">
        <header className="wall-head"><h1 className="grow clip">{name}</h1><Button autoFocus look="secondary" onClick={() => setLook(undefined)}>{t('boards:edit.back')}</Button></header>
        <BoardGrid widgets={widgets} fills />
      </div>
    )
  return (
    <div className="stack">
      <h1 className="visually-hidden">{t('boards:edit.title')}</h1>
      <p className="visually-hidden" role="status" aria-live="polite">{said}</p>
      <div className="editor-tools">
        <Input aria-label={t('boards:name')} maxLength={120} value={name} onChange={e => go({ name: e.target.value }, undefined, 'name')} />
        <Button id="board-add" look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setOpen('add')}>{t('boards:edit.add')}</Button>
        <Button look="quiet" iconOnly icon={<Undo2 size={20} aria-hidden />} disabled={steps.past.length === 0} onClick={back}>{t('boards:edit.undo')}</Button>
        <Button look="quiet" iconOnly icon={<Redo2 size={20} aria-hidden />} disabled={steps.ahead.length === 0} onClick={again}>{t('boards:edit.redo')}</Button>
        <Button look="quiet" iconOnly icon={<Sparkles size={20} aria-hidden />} disabled={widgets.length === 0} onClick={() => go({ widgets: tidy(widgets) }, t('boards:edit.tidied'))}>{t('boards:edit.tidy')}</Button>
        <Button look="quiet" iconOnly icon={<Smartphone size={20} aria-hidden />} aria-pressed={look === 'phone'} onClick={() => setLook(look === 'phone' ? undefined : 'phone')}>{t('boards:edit.phone')}</Button>
        <Button look="quiet" iconOnly icon={<Maximize2 size={20} aria-hidden />} onClick={() => setLook('wall')}>{t('boards:edit.wall')}</Button>
        <Button look="quiet" iconOnly icon={<Share2 size={20} aria-hidden />} onClick={() => setOpen('share')}>{t('boards:share.title')}</Button>
        <Button look="quiet" iconOnly icon={<History size={20} aria-hidden />} onClick={() => setOpen('versions')}>{t('boards:versions.title')}</Button>
        <Button icon={<Save size={18} aria-hidden />} busy={change.isPending} disabled={!dirty || !name.trim()} onClick={save}>{t('ui.save')}</Button>
        <Button look="secondary" onClick={onDone}>{t(dirty ? 'boards:edit.drop' : 'boards:edit.done')}</Button>
      </div>
      <FailedNote error={change.error} />
      {look === 'phone' ? (
        <div className="as-phone"><BoardGrid widgets={widgets} /></div>
      ) : widgets.length === 0 ? (
        <Empty icon={<ChartNoAxesCombined size={30} aria-hidden />} title={t('boards:edit.empty')} action={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setOpen('add')}>{t('boards:edit.add')}</Button>}>{t('boards:edit.empty_body')}</Empty>
      ) : (
        <div className="editor">
          <HeldGrid widgets={widgets} chosen={chosen} onChoose={choose} onStep={(after, words) => go({ widgets: after }, words)} onSettings={id => (setChosen(id), focusWidget(id), setOpen('settings'))} onRemove={remove} onDuplicate={duplicate} />
          <aside className="editor-side card card-tight" aria-label={t('boards:edit.side')}>
            {widget ? (
              <div className="stack-s">
                <h3>{titleOf(widget)}</h3>
                <p className="small quiet">{t(`boards:kind.${widget.kind}.name`)} · {whereText(widget)}</p>
                <Button wide look="secondary" onClick={() => (focusWidget(widget.id), setOpen('settings'))}>{t('boards:edit.settings')}</Button>
                <Button wide look="quiet" icon={<Copy size={18} aria-hidden />} onClick={() => duplicate(widget.id)}>{t('boards:edit.duplicate')}</Button>
                <Button wide look="quiet" icon={<Trash2 size={18} aria-hidden />} onClick={() => remove(widget.id)}>{t('boards:edit.remove')}</Button>
              </div>
            ) : <p className="quiet">{t('boards:edit.choose')}</p>}
          </aside>
        </div>
      )}
      <Dialog open={open === 'add'} onClose={() => setOpen(undefined)} wide title={t('boards:edit.add')}><Kinds onAdd={add} /></Dialog>
      <Dialog open={open === 'settings' && widget !== undefined} onClose={() => setOpen(undefined)} title={widget ? titleOf(widget) : ''}>
        {widget ? <Settings widget={widget} onChange={after => go({ widgets: widgets.map(one => (one.id === after.id ? after : one)) }, undefined, after.id)} onPlace={box => go({ widgets: place(widgets, widget.id, box) }, whereText(box))} /> : null}
        <div className="dialog-foot"><Button onClick={() => setOpen(undefined)}>{t('boards:edit.ok')}</Button></div>
      </Dialog>
      <Dialog open={open === 'share'} onClose={() => setOpen(undefined)} title={t('boards:share.title')}>
        <ShareFields shared={steps.now.shared} audience={steps.now.with} onChange={(shared, audience) => go({ shared, with: audience })} />
        <div className="dialog-foot"><Button onClick={() => setOpen(undefined)}>{t('boards:edit.ok')}</Button></div>
      </Dialog>
      <Dialog open={open === 'versions'} onClose={() => setOpen(undefined)} title={t('boards:versions.title')}>
        <Versions id={board.id} now={version} onTake={taken => (go({ name: taken.name, widgets: taken.widgets }, t('boards:versions.taken', { n: taken.version })), setOpen(undefined))} />
      </Dialog>
    </div>
  )
}
