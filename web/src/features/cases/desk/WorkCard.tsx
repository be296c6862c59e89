import { HardHat } from 'lucide-react'
import { useState } from 'react'
import { can, useCrews, useGiveOrder, useMe, useOrders, useWorkKinds, type Case } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, Dialog, Due, FailedNote, Field, Input, PhaseBadge, Select, TextArea, toast } from '@/ui'

function GiveDialog({ item, onClose }: { item: Case; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const kinds = useWorkKinds()
  const crews = useCrews(item.unit.id)
  const give = useGiveOrder()
  // One key for the dialog: pressed twice, or sent again after a broken line, it is one order.
  const [key] = useState(() => crypto.randomUUID())
  const fitting = (kinds.data ?? []).filter(kind => kind.categories.length === 0 || kind.categories.includes(item.category))
  const ready = (crews.data ?? []).filter(crew => crew.active)
  const [kind, setKind] = useState('')
  const [crew, setCrew] = useState('')
  const [text, setText] = useState('')
  const [day, setDay] = useState('')
  const chosenKind = kind || fitting.find(one => one.categories.length > 0)?.code || fitting[0]?.code || ''
  const chosenCrew = crew || ready[0]?.id || ''
  const list = fitting.find(one => one.code === chosenKind)
  function send(): void {
    give.mutate({ key, draft: { case: item.id, kind: chosenKind, crew: chosenCrew, text, ...(day ? { planned_for: day } : {}) } }, { onSuccess: order => (toast(t('field:give.done', { code: order.code })), onClose()) })
  }
  return (
    <Dialog open onClose={onClose} title={t('field:give.title')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), send())}>
        <Field label={t('field:give.kind')}>{ids => <Select {...ids} required value={chosenKind} onChange={e => setKind(e.target.value)}>{fitting.map(one => <option key={one.code} value={one.code}>{named(lng, one.name, one.name_en)}</option>)}</Select>}</Field>
        {list && list.checklist.length > 0 ? <p className="small quiet">{t('field:give.checks', { what: list.checklist.map(line => named(lng, line.text, line.text_en)).join('; ') })}</p> : null}
        {crews.data && ready.length === 0 ? <p className="quiet">{t('field:give.no_crew')} <a href="/work/crews">{t('field:crews.title')}</a></p> : (
          <Field label={t('field:give.crew')}>{ids => <Select {...ids} required value={chosenCrew} onChange={e => setCrew(e.target.value)}>{ready.map(one => <option key={one.id} value={one.id}>{t('field:give.crew_line', { name: one.name, n: one.open_orders })}</option>)}</Select>}</Field>
        )}
        <Field label={t('field:give.what')} hint={t('field:give.what_hint')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={text} onChange={e => setText(e.target.value)} />}</Field>
        <Field label={t('field:give.day')} hint={t('field:give.day_hint')}>{ids => <Input {...ids} type="date" value={day} onChange={e => setDay(e.target.value)} />}</Field>
        <FailedNote error={give.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={give.isPending} disabled={!chosenKind || !chosenCrew || !text.trim()}>{t('field:give.do')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Work orders of a case. */
export function WorkCard({ item }: { item: Case }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const orders = useOrders({ view: 'all', case: item.id })
  const [giving, setGiving] = useState(false)
  const may = can(me.data, 'case-handle') && !item.clock.stopped
  const shown = orders.data?.items ?? []
  if (shown.length === 0 && !may) return null
  return (
    <Card tight>
      <div className="stack-s">
        <h3>{t('field:orders')}</h3>
        {shown.length > 0 ? (
          <ul className="plain-list stack-s">
            {shown.map(order => (
              <li key={order.id} className="part">
                <a href={`/work/field/${order.id}`}>{order.code} · {order.text}</a>
                <span className="row small">
                  <PhaseBadge phase={order.phase}>{named(lng, order.state_name, order.state_name_en)}</PhaseBadge>
                  <span className="quiet">{order.crew_name}</span>
                  {order.ended_at ? null : <Due at={order.due_at} />}
                </span>
              </li>
            ))}
          </ul>
        ) : null}
        {may ? <Button look="secondary" size="small" icon={<HardHat size={16} aria-hidden />} onClick={() => setGiving(true)}>{t('field:give.title')}</Button> : null}
      </div>
      {giving ? <GiveDialog item={item} onClose={() => setGiving(false)} /> : null}
    </Card>
  )
}
