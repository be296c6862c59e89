import { BookCheck, CalendarPlus, PenLine, ScrollText } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { can, useDuties, useLive, useMe, useOpsCatalogue, useOpsPeople, useRoomAct, useShift, useShifts, type Duty, type OpenMatters, type ShiftNow } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Dialog, Empty, FailedNote, Field, Figure, format, Input, Loaded, Note, PageHeader, Select, TextArea, toastError, useTitle } from '@/ui'
import './incidents.css'

function Open({ open }: { open: OpenMatters }) {
  const t = useT()
  return (
    <>
      <div className="figures">
        <Figure value={open.incidents.length} label={t('incidents:shift.incidents')} href="/ioc/incidents" />
        <Figure value={open.steps.length} label={t('incidents:shift.steps')} />
        <Figure value={open.tasks} label={t('incidents:shift.tasks')} />
        <Figure value={open.alarms.open} label={t('incidents:shift.alarms')} href="/ioc" />
        <Figure value={open.alarms.shelved} label={t('incidents:shift.shelved')} />
        <Figure value={open.warnings} label={t('incidents:shift.warnings')} />
      </div>
      {open.incidents.length > 0 ? <ul className="plain-list">{open.incidents.map(i => <li key={i.id}><a href={`/ioc/incidents?id=${i.id}`}>{i.code} {i.title}</a> <span className="quiet small">{i.state}</span></li>)}</ul> : null}
      {open.steps.length > 0 ? <ul className="plain-list">{open.steps.map(s => <li key={`${s.incident}${s.text}`} className="small"><b className="tnum">{s.incident}</b> {s.text}{s.due_at ? <span className="quiet"> · {format.time(s.due_at)}</span> : null}</li>)}</ul> : null}
    </>
  )
}

function HandOver({ now }: { now: ShiftNow }) {
  const t = useT()
  const me = useMe()
  const act = useRoomAct()
  const shift = now.shift
  const [notes, setNotes] = useState(shift?.notes ?? '')
  if (!shift) return <Empty icon={<PenLine size={30} aria-hidden />} title={t('incidents:shift.none')} action={<Button busy={act.isPending} onClick={() => act.mutate({ path: 'shift' }, { onError: toastError })}>{t('incidents:shift.begin')}</Button>}>{t('incidents:shift.none_body')}</Empty>
  const own = shift.lead.id === me.data?.id
  const sign = (event: FormEvent) => {
    event.preventDefault()
    act.mutate({ path: 'shift/hand-over', json: { version: shift.version, notes } })
  }
  return (
    <div className="stack-s">
      <p>{t('incidents:shift.led', { name: shift.lead.name, at: format.dateTime(shift.begun_at) })}</p>
      {shift.handed_at && shift.open ? (
        <Note tone="waiting" icon={<PenLine size={20} aria-hidden />}>
          <p><b>{t('incidents:shift.handed', { name: shift.lead.name, at: format.dateTime(shift.handed_at) })}</b></p>
          <p className="past-note">{shift.notes}</p>
          <Open open={shift.open} />
          <p className="small code break">{shift.seal}</p>
          {own ? null : <Button busy={act.isPending} onClick={() => act.mutate({ path: 'shift/take-over', json: { version: shift.version, seal: shift.seal } }, { onError: toastError })}>{t('incidents:shift.take')}</Button>}
        </Note>
      ) : null}
      {own || can(me.data, 'incident-approve') ? (
        <form className="stack-s" onSubmit={sign}>
          <Field label={t('incidents:shift.notes')} hint={t('incidents:shift.notes_hint')}>{ids => <TextArea {...ids} required rows={3} maxLength={4000} value={notes} onChange={e => setNotes(e.target.value)} />}</Field>
          <FailedNote error={act.error} />
          <Button type="submit" look="secondary" busy={act.isPending}>{t(shift.handed_at ? 'incidents:shift.sign_again' : 'incidents:shift.sign')}</Button>
        </form>
      ) : null}
    </div>
  )
}

function Orders({ now }: { now: ShiftNow }) {
  const t = useT()
  const me = useMe()
  const act = useRoomAct()
  const [words, setWords] = useState('')
  const gives = can(me.data, 'incident-approve')
  return (
    <Card>
      <h2>{t('incidents:shift.orders')}</h2>
      <ul className="plain-list stack-s">
        {now.orders.map(order => (
          <li key={order.id} className="op-line">
            <span className="grow">{order.text}<br /><span className="small quiet">{order.by.name} · {format.dateTime(order.at)} · {t('incidents:shift.readers', { n: order.readers.length })} {order.readers.join(', ')}</span></span>
            {order.read ? <Badge tone="good" icon={<BookCheck size={14} aria-hidden />}>{t('incidents:shift.read')}</Badge> : <Button size="small" onClick={() => act.mutate({ path: `orders/${order.id}/read` }, { onError: toastError })}>{t('incidents:shift.confirm')}</Button>}
            {gives ? <Button size="small" look="quiet" onClick={() => act.mutate({ path: `orders/${order.id}`, method: 'DELETE' }, { onError: toastError })}>{t('incidents:shift.end_order')}</Button> : null}
          </li>
        ))}
      </ul>
      {now.orders.length === 0 ? <p className="quiet">{t('incidents:shift.no_orders')}</p> : null}
      {gives ? (
        <form className="op-form" onSubmit={event => (event.preventDefault(), act.mutate({ path: 'orders', json: { text: words } }, { onSuccess: () => setWords(''), onError: toastError }))}>
          <Field label={t('incidents:shift.new_order')}>{ids => <Input {...ids} required maxLength={4000} value={words} onChange={e => setWords(e.target.value)} />}</Field>
          <Button type="submit" look="secondary">{t('incidents:give')}</Button>
        </form>
      ) : null}
    </Card>
  )
}

function Roster() {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const catalogue = useOpsCatalogue()
  const people = useOpsPeople()
  const duties = useDuties()
  const act = useRoomAct()
  const [draft, setDraft] = useState<{ roster: string; position: string; shift: string; day: string; person: string }>()
  const [swap, setSwap] = useState<{ duty: Duty; person: string; reason: string }>()
  const plans = can(me.data, 'incident-approve')
  const named2 = (list: readonly { code: string; name: string; name_en: string }[] | undefined, code: string) => {
    const found = list?.find(x => x.code === code)
    return found ? named(lng, found.name, found.name_en) : code
  }
  const roster = catalogue.data?.rosters.find(r => r.code === draft?.roster)
  return (
    <Card>
      <div className="spread"><h2>{t('incidents:shift.roster')}</h2>{plans ? <Button look="secondary" size="small" icon={<CalendarPlus size={16} aria-hidden />} onClick={() => setDraft({ roster: catalogue.data?.rosters[0]?.code ?? '', position: catalogue.data?.rosters[0]?.positions[0] ?? '', shift: catalogue.data?.rosters[0]?.shifts[0]?.code ?? '', day: new Date().toISOString().slice(0, 10), person: '' })}>{t('incidents:shift.plan')}</Button> : null}</div>
      <Loaded of={duties}>
        {list => list.length === 0 ? <p className="quiet">{t('incidents:shift.no_duties')}</p> : (
          <div className="table-scroll" tabIndex={0} role="region" aria-label={t('incidents:shift.roster')}>
            <table className="plain-table">
              <thead><tr><th scope="col">{t('incidents:shift.when')}</th><th scope="col">{t('incidents:shift.position')}</th><th scope="col">{t('incidents:shift.person')}</th><th scope="col"><span className="visually-hidden">{t('incidents:shift.swap')}</span></th></tr></thead>
              <tbody>{list.map(duty => <tr key={duty.id}><td className="tnum nowrap">{format.dateTime(duty.starts_at)} – {format.time(duty.ends_at)}</td><td>{named2(catalogue.data?.positions, duty.position)}</td><td>{duty.person_name}{duty.instead_of ? <span className="small quiet"> {t('incidents:shift.instead', { name: duty.instead_of, reason: duty.reason ?? '' })}</span> : null}</td><td>{plans || duty.person === me.data?.id ? <Button size="small" look="quiet" onClick={() => setSwap({ duty, person: '', reason: '' })}>{t('incidents:shift.swap')}</Button> : null}</td></tr>)}</tbody>
            </table>
          </div>
        )}
      </Loaded>
      <Dialog open={Boolean(draft)} onClose={() => setDraft(undefined)} title={t('incidents:shift.plan')}>
        {draft ? (
          <form className="stack" onSubmit={event => (event.preventDefault(), act.mutate({ path: 'duties', json: draft }, { onSuccess: () => setDraft(undefined) }))}>
            <Field label={t('incidents:shift.roster')}>{ids => <Select {...ids} value={draft.roster} onChange={e => { const next = catalogue.data?.rosters.find(r => r.code === e.target.value); setDraft({ ...draft, roster: e.target.value, position: next?.positions[0] ?? '', shift: next?.shifts[0]?.code ?? '' }) }}>{(catalogue.data?.rosters ?? []).map(r => <option key={r.code} value={r.code}>{named(lng, r.name, r.name_en)}</option>)}</Select>}</Field>
            <Field label={t('incidents:shift.position')}>{ids => <Select {...ids} value={draft.position} onChange={e => setDraft({ ...draft, position: e.target.value })}>{(roster?.positions ?? []).map(p => <option key={p} value={p}>{named2(catalogue.data?.positions, p)}</option>)}</Select>}</Field>
            <Field label={t('incidents:shift.shift')}>{ids => <Select {...ids} value={draft.shift} onChange={e => setDraft({ ...draft, shift: e.target.value })}>{(roster?.shifts ?? []).map(s => <option key={s.code} value={s.code}>{named(lng, s.name, s.name_en)}</option>)}</Select>}</Field>
            <Field label={t('incidents:shift.day')}>{ids => <Input {...ids} type="date" required value={draft.day} onChange={e => setDraft({ ...draft, day: e.target.value })} />}</Field>
            <Field label={t('incidents:shift.person')}>{ids => <Select {...ids} required value={draft.person} onChange={e => setDraft({ ...draft, person: e.target.value })}><option value="">–</option>{(people.data ?? []).map(p => <option key={p.id} value={p.id}>{p.name}</option>)}</Select>}</Field>
            <FailedNote error={act.error} />
            <div className="dialog-foot"><Button look="secondary" onClick={() => setDraft(undefined)}>{t('ui.cancel')}</Button><Button type="submit" busy={act.isPending}>{t('ui.save')}</Button></div>
          </form>
        ) : null}
      </Dialog>
      <Dialog open={Boolean(swap)} onClose={() => setSwap(undefined)} title={t('incidents:shift.swap')}>
        {swap ? (
          <form className="stack" onSubmit={event => (event.preventDefault(), act.mutate({ path: `duties/${swap.duty.id}/swap`, json: { version: swap.duty.version, person: swap.person, reason: swap.reason } }, { onSuccess: () => setSwap(undefined) }))}>
            <Field label={t('incidents:shift.person')}>{ids => <Select {...ids} required value={swap.person} onChange={e => setSwap({ ...swap, person: e.target.value })}><option value="">–</option>{(people.data ?? []).filter(p => p.id !== swap.duty.person).map(p => <option key={p.id} value={p.id}>{p.name}</option>)}</Select>}</Field>
            <Field label={t('incidents:reason')}>{ids => <Input {...ids} required maxLength={500} value={swap.reason} onChange={e => setSwap({ ...swap, reason: e.target.value })} />}</Field>
            <FailedNote error={act.error} />
            <div className="dialog-foot"><Button look="secondary" onClick={() => setSwap(undefined)}>{t('ui.cancel')}</Button><Button type="submit" busy={act.isPending}>{t('incidents:shift.swap')}</Button></div>
          </form>
        ) : null}
      </Dialog>
    </Card>
  )
}

/** The room: who leads, what is open, handing over, the operator log, orders, who is on duty. */
export default function ShiftPage() {
  const t = useT()
  useTitle(t('incidents:shift.title'))
  const client = useQueryClient()
  const shift = useShift()
  const past = useShifts()
  const act = useRoomAct()
  const [line, setLine] = useState('')
  useLive(['operations-changed', 'incident-opened', 'incident-changed', 'hello', 'reset'], () => {
    for (const key of ['ops-shift', 'ops-duties']) void client.invalidateQueries({ queryKey: [key] })
  })
  return (
    <>
      <PageHeader title={t('incidents:shift.title')} />
      <Loaded of={shift}>
        {now => (
          <div className="shift-grid">
            <Card><h2>{t('incidents:shift.open')}</h2><Open open={now.open} /></Card>
            <Card><h2>{t('incidents:shift.over')}</h2><HandOver key={now.shift?.version} now={now} /></Card>
            <Card>
              <h2><ScrollText size={18} aria-hidden /> {t('incidents:shift.log')}</h2>
              {now.shift ? (
                <form className="op-form" onSubmit={event => (event.preventDefault(), act.mutate({ path: 'shift/log', json: { text: line } }, { onSuccess: () => setLine(''), onError: toastError }))}>
                  <Field label={t('incidents:shift.line')}>{ids => <Input {...ids} required maxLength={4000} value={line} onChange={e => setLine(e.target.value)} />}</Field>
                  <Button type="submit" look="secondary" busy={act.isPending}>{t('incidents:write')}</Button>
                </form>
              ) : null}
              <ol className="op-log" tabIndex={0} aria-label={t('incidents:shift.log')}>{now.log.map(l => <li key={l.n}><time className="tnum">{format.time(l.at)}</time><span>{l.text} <span className="small quiet">{l.by}</span></span></li>)}</ol>
            </Card>
            <Orders now={now} />
            <Roster />
            <Card>
              <h2>{t('incidents:shift.past')}</h2>
              <ul className="plain-list stack-s">{(past.data?.items ?? []).filter(s => s.taken_at).map(s => <li key={s.id} className="small">{format.dateTime(s.begun_at)} · {s.lead.name} → {s.taken_by?.name} {format.dateTime(s.taken_at)}<br /><span className="quiet">{s.notes}</span></li>)}</ul>
            </Card>
          </div>
        )}
      </Loaded>
    </>
  )
}
