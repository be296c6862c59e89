/** Screens without a keyboard, for those who manage access. */
import { Copy, MonitorPlay, Plus } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useAddWall, useEndWall, useWalls, type BoardEntry, type Wall } from '@/api/boards'
import { useT } from '@/i18n'
import { Badge, Button, Check, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, Select, toast, toastError } from '@/ui'

function New({ boards, onClose }: { boards: readonly BoardEntry[]; onClose: () => void }) {
  const t = useT()
  const add = useAddWall()
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<readonly string[]>([])
  const [seconds, setSeconds] = useState(30)
  const [days, setDays] = useState(90)
  const made = add.data
  const link = made ? `${location.origin}/ioc/wall#${made.secret}` : ''
  const submit = (event: FormEvent) => {
    event.preventDefault()
    add.mutate({ name, boards: [...chosen], seconds, days })
  }
  if (made)
    return (
      <div className="stack">
        <Note tone="high">{t('boards:walls.once')}</Note>
        <pre className="pre">{link}</pre>
        <div className="dialog-foot">
          <Button look="secondary" icon={<Copy size={18} aria-hidden />} onClick={() => void navigator.clipboard.writeText(link).then(() => toast(t('boards:walls.copied')), toastError)}>{t('boards:walls.copy')}</Button>
          <Button onClick={onClose}>{t('ui.close')}</Button>
        </div>
      </div>
    )
  return (
    <form className="stack" onSubmit={submit}>
      <Note>{t('boards:walls.note')}</Note>
      <Field label={t('boards:walls.name')}>{ids => <Input {...ids} required maxLength={60} value={name} onChange={e => setName(e.target.value)} />}</Field>
      <fieldset className="stack-s">
        <legend className="strong">{t('boards:walls.boards')}</legend>
        {boards.map(board => <Check key={board.id} checked={chosen.includes(board.id)} disabled={!chosen.includes(board.id) && chosen.length >= 12} onChange={e => setChosen(e.target.checked ? [...chosen, board.id] : chosen.filter(id => id !== board.id))}>{board.name}</Check>)}
      </fieldset>
      <div className="two-up">
        <Field label={t('boards:walls.seconds')}>{ids => <Input {...ids} type="number" min={5} max={3600} value={seconds} onChange={e => setSeconds(Number(e.target.value))} />}</Field>
        <Field label={t('boards:walls.days')}>{ids => <Select {...ids} value={days} onChange={e => setDays(Number(e.target.value))}>{[1, 7, 30, 90, 180, 366].map(n => <option key={n} value={n}>{t('boards:walls.days_n', { n })}</option>)}</Select>}</Field>
      </div>
      <FailedNote error={add.error} />
      <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending} disabled={chosen.length === 0}>{t('boards:walls.make')}</Button></div>
    </form>
  )
}

function Line({ wall, boards }: { wall: Wall; boards: readonly BoardEntry[] }) {
  const t = useT()
  const end = useEndWall()
  const over = Boolean(wall.ended_at) || Date.parse(wall.expires_at) < Date.now()
  const names = wall.boards.map(id => boards.find(board => board.id === id)?.name ?? t('boards:walls.unseen')).join(' → ')
  return (
    <li className="command row">
      <span className="grow">
        <b>{wall.name}</b> {over ? <Badge>{t('boards:walls.over')}</Badge> : <Badge tone="good">{t('boards:walls.open')}</Badge>}
        <br /><span className="small quiet">{names} · {t('boards:walls.each', { n: wall.seconds })}</span>
        <br /><span className="small quiet">{t('boards:by', { who: wall.owner_name })} · {t('boards:walls.until', { at: format.dateTime(wall.ended_at ?? wall.expires_at) })} · {wall.entered_at ? t('boards:walls.entered', { at: format.dateTime(wall.entered_at) }) : t('boards:walls.never')}</span>
      </span>
      {over ? null : <Button look="danger" size="small" busy={end.isPending} onClick={() => end.mutate(wall.id, { onSuccess: () => toast(t('boards:walls.ended')), onError: toastError })}>{t('boards:walls.end')}</Button>}
    </li>
  )
}

export function Walls({ boards }: { boards: readonly BoardEntry[] }) {
  const t = useT()
  const list = useWalls(true)
  const [adding, setAdding] = useState(false)
  return (
    <section aria-labelledby="walls" className="stack-s">
      <div className="section-title"><h2 id="walls">{t('boards:walls.title')}</h2><Button look="secondary" icon={<Plus size={18} aria-hidden />} disabled={boards.length === 0} onClick={() => setAdding(true)}>{t('boards:walls.new')}</Button></div>
      <Loaded of={list} rows={2}>
        {page => page.items.length === 0 ? <Empty icon={<MonitorPlay size={30} aria-hidden />} title={t('boards:walls.none')}>{t('boards:walls.none_body')}</Empty> : <ul className="commands">{page.items.map(wall => <Line key={wall.id} wall={wall} boards={boards} />)}</ul>}
      </Loaded>
      <Dialog open={adding} onClose={() => setAdding(false)} title={t('boards:walls.new')}><New boards={boards} onClose={() => setAdding(false)} /></Dialog>
    </section>
  )
}
