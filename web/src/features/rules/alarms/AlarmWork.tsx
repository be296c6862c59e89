import { HardHat } from 'lucide-react'
import { useState } from 'react'
import { can, useCrews, useGiveOrder, useMe, useOrders, useWorkKinds, type AlarmDetail } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Dialog, Due, FailedNote, Field, Input, PhaseBadge, Select, TextArea, toast } from '@/ui'

function GiveDialog({ alarm, onClose }: { alarm: AlarmDetail; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const kinds = useWorkKinds()
  const crews = useCrews()
  const give = useGiveOrder()
  // One key for the dialog: pressed twice, it is one order.
  const [key] = useState(() => crypto.randomUUID())
  // Kinds that belong to no category of reports fit anything; those of an alarm's unit come first.
  const fitting = (kinds.data ?? []).filter(kind => kind.categories.length === 0)
  const ready = (crews.data ?? []).filter(crew => crew.active).toSorted((a, b) => Number(b.unit.id === alarm.unit) - Number(a.unit.id === alarm.unit))
  const [kind, setKind] = useState('')
  const [crew, setCrew] = useState('')
  const [text, setText] = useState(`${named(lng, alarm.title, alarm.title_en)}: ${alarm.entity_name}`)
  const [day, setDay] = useState('')
  const chosenKind = kind || fitting[0]?.code || ''
  const chosen = ready.find(one => one.id === crew) ?? ready[0]
  const send = () => {
    if (!chosen) return
    const place = alarm.location ? { lon: alarm.location.lon, lat: alarm.location.lat } : {}
    const draft = { alarm: alarm.id, unit: chosen.unit.id, kind: chosenKind, crew: chosen.id, text, address: alarm.entity_name.slice(0, 300), ...place, ...(day ? { planned_for: day } : {}) }
    give.mutate({ key, draft }, { onSuccess: order => (toast(t('ioc:work.done', { code: order.code })), onClose()) })
  }
  return (
    <Dialog open onClose={onClose} title={t('ioc:work.give')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), send())}>
        <Field label={t('ioc:work.kind')}>{ids => <Select {...ids} required value={chosenKind} onChange={e => setKind(e.target.value)}>{fitting.map(one => <option key={one.code} value={one.code}>{named(lng, one.name, one.name_en)}</option>)}</Select>}</Field>
        {crews.data && ready.length === 0 ? <p className="quiet">{t('ioc:work.no_crew')} <a href="/work/crews">{t('ioc:work.crews')}</a></p> : (
          <Field label={t('ioc:work.crew')}>{ids => <Select {...ids} required value={chosen?.id ?? ''} onChange={e => setCrew(e.target.value)}>{ready.map(one => <option key={one.id} value={one.id}>{`${one.name} · ${one.unit.name}`}</option>)}</Select>}</Field>
        )}
        <Field label={t('ioc:work.what')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={text} onChange={e => setText(e.target.value)} />}</Field>
        <Field label={t('ioc:work.day')} hint={t('ioc:work.day_hint')}>{ids => <Input {...ids} type="date" value={day} onChange={e => setDay(e.target.value)} />}</Field>
        <FailedNote error={give.error} />
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={give.isPending} disabled={!chosenKind || !chosen || !text.trim()}>{t('ioc:work.do')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Work orders that were given because of an alarm, and the way to give one. */
export function AlarmWork({ alarm }: { alarm: AlarmDetail }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const orders = useOrders({ view: 'all', alarm: alarm.id }, can(me.data, 'case-read'))
  const [giving, setGiving] = useState(false)
  const may = can(me.data, 'case-handle')
  const shown = orders.data?.items ?? []
  if (shown.length === 0 && !may) return null
  return (
    <section className="stack-s" aria-labelledby="alarm-work">
      <h3 id="alarm-work">{t('ioc:work.title')}</h3>
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
      {may ? <Button look="secondary" icon={<HardHat size={18} aria-hidden />} onClick={() => setGiving(true)}>{t('ioc:work.give')}</Button> : null}
      {giving ? <GiveDialog alarm={alarm} onClose={() => setGiving(false)} /> : null}
    </section>
  )
}
