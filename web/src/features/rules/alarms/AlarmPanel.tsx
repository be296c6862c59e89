import { Activity, Archive, ArchiveRestore, Check, CircleCheck, MapPin, RotateCcw, ShieldAlert, Siren } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { can, instant, useAcknowledge, useAlarm, useAlarmPages, useMe, useResetAlarm, useRules, useShelve, useThingTypes, useUnshelve, type AlarmDetail, type SeriesPoint } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Failed, FailedNote, Field, format, Input, Loading, Note, Select, SeverityBadge, TextArea, toast } from '@/ui'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { AlarmWork } from './AlarmWork'
import './alarms.css'

/** The rule's attribute with its title and unit, as the packs name them. */
function useMeasured(rule: string) {
  const rules = useRules()
  const types = useThingTypes()
  const found = rules.data?.items.find(r => r.code === rule)
  const attribute = types.data?.find(type => type.type === found?.type)?.attributes.find(a => a.name === found?.attribute)
  return { rule: found, attribute }
}

function Observed({ points, limit, title, unit, raised }: { points: readonly SeriesPoint[]; limit?: number | undefined; title: string; unit: string; raised: string }) {
  const t = useT()
  const data = useMemo(() => points.flatMap(p => (typeof p.value === 'number' ? [[instant(p.t), p.value] as const] : [])), [points])
  const option = useMemo(
    () => (c: ChartColours) => ({
      grid: { left: 4, right: 16, top: 26, bottom: 4, containLabel: true },
      xAxis: { type: 'time', axisLabel: { formatter: (v: number) => format.time(v), hideOverlap: true, color: c.quiet }, axisLine: { lineStyle: { color: c.line } }, splitLine: { show: false } },
      yAxis: { type: 'value', name: unit, nameTextStyle: { color: c.quiet, align: 'left' }, axisLabel: { formatter: (v: number) => format.number(v), color: c.quiet }, splitLine: { lineStyle: { color: c.line } }, max: (range: { max: number }) => (limit === undefined ? undefined : Math.max(range.max, limit * 1.08)) },
      tooltip: { trigger: 'axis', backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink, fontFamily: 'Be Vietnam Pro' }, formatter: (items: { value: [number, number] }[]) => (items[0] ? `${format.dateTime(items[0].value[0])}<br><b>${format.number(items[0].value[1], 2)}</b> ${unit}` : '') },
      series: [
        {
          type: 'line', data, showSymbol: data.length < 3, symbolSize: 6, lineStyle: { width: 2.5 }, areaStyle: { opacity: 0.12 },
          markLine: {
            symbol: 'none', silent: true,
            data: [
              ...(limit === undefined ? [] : [{ yAxis: limit, lineStyle: { color: c.token('critical'), type: 'dashed', width: 2 }, label: { formatter: t('ioc:alarm.limit_at', { n: format.number(limit) }), color: c.token('critical'), position: 'insideEndTop', fontWeight: 600 } }]),
              { xAxis: Date.parse(raised), lineStyle: { color: c.warm, width: 2 }, label: { formatter: t('ioc:alarm.raised_short'), color: c.ink, position: 'end' } },
            ],
          },
        },
      ],
    }),
    [data, limit, unit, raised, t],
  )
  if (data.length === 0) return <p className="small quiet">{t('ioc:alarm.no_series')}</p>
  const values = data.map(([, v]) => v)
  return <Chart option={option} height="13rem" summary={t('ioc:alarm.chart', { title, min: format.number(Math.min(...values)), max: format.number(Math.max(...values)), unit })} />
}

function Acknowledge({ alarm, focus }: { alarm: AlarmDetail; focus: object | undefined }) {
  const t = useT()
  const me = useMe()
  const acknowledge = useAcknowledge()
  const [note, setNote] = useState('')
  const form = useRef<HTMLFormElement>(null)
  const waits = alarm.state === 'active' || alarm.state === 'cleared'
  useEffect(() => {
    if (focus) form.current?.querySelector('textarea')?.focus()
  }, [focus])
  if (!waits) return null
  if (!can(me.data, 'alarm-handle')) return <Note>{t('ioc:alarm.may_not')}</Note>
  const send = (event: FormEvent) => {
    event.preventDefault()
    acknowledge.mutate({ id: alarm.id, ...(note.trim() ? { note: note.trim() } : {}) }, { onSuccess: () => { setNote(''); toast(t('ioc:alarm.acknowledged')) } })
  }
  return (
    <form ref={form} className="stack-s ack" onSubmit={send}>
      <Field label={t('ioc:alarm.note')} hint={t('ioc:alarm.note_hint')}>
        {ids => <TextArea {...ids} value={note} maxLength={1000} rows={2} onChange={e => setNote(e.target.value)} onKeyDown={e => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.currentTarget.form?.requestSubmit() }} />}
      </Field>
      <FailedNote error={acknowledge.error} />
      <Button type="submit" wide busy={acknowledge.isPending} icon={<Check size={20} aria-hidden />}>{t('ioc:alarm.acknowledge')}</Button>
    </form>
  )
}

const MINUTES = [15, 30, 60, 120, 240, 480] as const

/** Setting an alarm aside for a while, and taking it back; proposed where an alarm chatters. */
function Shelf({ alarm }: { alarm: AlarmDetail }) {
  const t = useT()
  const me = useMe()
  const shelve = useShelve()
  const back = useUnshelve()
  const reset = useResetAlarm()
  const [open, setOpen] = useState(false)
  const [minutes, setMinutes] = useState<number>(60)
  const [reason, setReason] = useState('')
  if (!can(me.data, 'alarm-handle')) return null
  if (alarm.state === 'latched') {
    return (
      <div className="stack-s">
        <Note>{t('ioc:shelf.latched')}</Note>
        <FailedNote error={reset.error} />
        <Button icon={<RotateCcw size={18} aria-hidden />} busy={reset.isPending} onClick={() => reset.mutate({ id: alarm.id }, { onSuccess: () => toast(t('ioc:shelf.reset_done')) })}>{t('ioc:shelf.reset')}</Button>
      </div>
    )
  }
  if (alarm.suppressed === 'shelved') {
    return (
      <div className="stack-s">
        <FailedNote error={back.error} />
        <Button look="secondary" icon={<ArchiveRestore size={18} aria-hidden />} busy={back.isPending} onClick={() => back.mutate({ id: alarm.id }, { onSuccess: () => toast(t('ioc:shelf.back_done')) })}>{t('ioc:shelf.back')}</Button>
      </div>
    )
  }
  if (alarm.state === 'closed' || alarm.suppressed) return null
  if (alarm.life_safety) return <Note tone="critical" icon={<ShieldAlert size={20} aria-hidden />}>{t('ioc:shelf.life_safety')}</Note>
  const send = (event: FormEvent) => {
    event.preventDefault()
    shelve.mutate({ id: alarm.id, minutes, reason: reason.trim() }, { onSuccess: () => { setOpen(false); setReason(''); toast(t('ioc:shelf.done', { n: minutes })) } })
  }
  return (
    <section className="stack-s" aria-label={t('ioc:shelf.title')}>
      {alarm.chattering_at && !open ? <Note tone="medium" icon={<Activity size={20} aria-hidden />}>{t('ioc:shelf.propose')}</Note> : null}
      {open ? (
        <form className="shelve-form ack" onSubmit={send}>
          <Field label={t('ioc:shelf.minutes')}>{ids => <Select {...ids} value={minutes} onChange={e => setMinutes(Number(e.target.value))}>{MINUTES.map(n => <option key={n} value={n}>{format.span(n)}</option>)}</Select>}</Field>
          <Field label={t('ioc:shelf.reason')}>{ids => <Input {...ids} required minLength={3} maxLength={500} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
          <FailedNote error={shelve.error} />
          <div className="row"><Button type="submit" busy={shelve.isPending} icon={<Archive size={18} aria-hidden />}>{t('ioc:shelf.shelve')}</Button><Button look="quiet" onClick={() => setOpen(false)}>{t('ui.cancel')}</Button></div>
        </form>
      ) : (
        <Button look="secondary" icon={<Archive size={18} aria-hidden />} onClick={() => setOpen(true)}>{t('ioc:shelf.shelve')}</Button>
      )}
    </section>
  )
}

/** What an alarm stands for: the alarms gathered under it, the first one marked. */
function Children({ alarm, onOpen }: { alarm: AlarmDetail; onOpen: (id: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const below = useAlarmPages({ cause: alarm.id })
  const rows = below.data?.pages.flatMap(page => page.items) ?? []
  return (
    <section className="stack-s" aria-labelledby="below">
      <h3 id="below">{t('ioc:group.title', { n: format.number(alarm.children) })}</h3>
      <p className="small quiet">{t('ioc:group.body', { standing: format.number(alarm.standing) })}</p>
      {below.error ? <FailedNote error={below.error} /> : null}
      <ul className="alarm-children">
        {rows.map(row => (
          <li key={row.id}>
            <button type="button" onClick={() => onOpen(row.id)}>
              <strong className="clip">{row.entity_name}</strong>
              <time className="tnum small">{format.time(row.raised_at)}</time>
              <span className="small quiet clip">{named(lng, row.title, row.title_en)}{row.children > 0 ? ` · ${t('ioc:alarms.children', { n: format.number(row.children) })}` : ''}</span>
              <span className="small">{row.id === alarm.first_out ? <Badge tone="high">{t('ioc:group.first')}</Badge> : t(`alarm.${row.state}`)}</span>
            </button>
          </li>
        ))}
      </ul>
      {below.hasNextPage ? <Button look="quiet" busy={below.isFetchingNextPage} onClick={() => void below.fetchNextPage()}>{t('ui.more')}</Button> : null}
      {alarm.first_out && !rows.some(row => row.id === alarm.first_out) ? <Button look="secondary" onClick={() => alarm.first_out && onOpen(alarm.first_out)}>{t('ioc:group.open_first')}</Button> : null}
    </section>
  )
}

function Panel({ alarm, focusNote, onPlace, onOpen }: { alarm: AlarmDetail; focusNote: object | undefined; onPlace: () => void; onOpen: (id: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const { rule, attribute } = useMeasured(alarm.rule)
  const unit = attribute?.unit_text ?? ''
  const title = attribute ? named(lng, attribute.title, attribute.title_en) || attribute.name : (rule?.attribute ?? '')
  const advice = named(lng, alarm.why.advice, alarm.why.advice_en)
  return (
    <div className="stack alarm-panel">
      <header className="stack-s">
        <div className="row">
          <SeverityBadge severity={alarm.severity} />
          <Badge tone={alarm.state === 'active' ? 'critical' : alarm.state === 'acknowledged' || alarm.state === 'latched' ? 'medium' : 'good'}>{t(`alarm.${alarm.state}`)}</Badge>
          {alarm.count > 1 ? <span className="small quiet tnum">{t('ioc:alarm.times', { n: alarm.count })}</span> : null}
        </div>
        <h2>{named(lng, alarm.title, alarm.title_en)}</h2>
        <p className="quiet">
          {alarm.location ? <button type="button" className="linklike" onClick={onPlace}><MapPin size={16} aria-hidden />{alarm.entity_name}</button> : alarm.entity_name}
          {alarm.area_name ? ` · ${alarm.area_name}` : ''}
        </p>
      </header>
      {alarm.value === undefined ? null : (
        <div className={cx('measure', `tone-${alarm.severity}`)}>
          <div><span>{title || t('ioc:alarm.value')}</span><b className="tnum">{format.number(alarm.value, 2)} <small>{unit}</small></b></div>
          {alarm.limit === undefined ? null : <div><span>{t('ioc:alarm.limit')}</span><b className="tnum">{format.number(alarm.limit, 2)} <small>{unit}</small></b></div>}
        </div>
      )}
      {alarm.text ? <p>{alarm.text}</p> : null}
      {alarm.suppressed ? <Note>{t(`ioc:aside.kind.${alarm.suppressed}`)}{alarm.suppressed_until ? ` · ${t('ioc:aside.until', { at: format.dateTime(alarm.suppressed_until) })}` : ''}</Note> : null}
      {alarm.cause ? <Button look="quiet" onClick={() => alarm.cause && onOpen(alarm.cause)}>{t('ioc:group.part_of')}</Button> : null}
      <Acknowledge alarm={alarm} focus={focusNote} />
      <Shelf alarm={alarm} />
      {alarm.children > 0 ? <Children alarm={alarm} onOpen={onOpen} /> : null}
      {can(me.data, 'incident-handle') ? <a className="btn btn-secondary" href={`/ioc/incidents?alarm=${alarm.id}`}><Siren size={18} aria-hidden />{t('ioc:alarm.open_incident')}</a> : null}
      <AlarmWork alarm={alarm} />
      <section className="stack-s" aria-labelledby="why">
        <h3 id="why">{t('ioc:alarm.why')}</h3>
        {alarm.why.condition ? <p className="condition">{alarm.why.condition}</p> : null}
        <dl className="facts">
          {alarm.why.source_act ? <div><dt>{t('ioc:alarm.source')}</dt><dd>{alarm.why.source_act}</dd></div> : null}
          {alarm.why.status ? <div><dt>{t('ioc:alarm.sure')}</dt><dd>{t(`ioc:rule_status.${alarm.why.status}`)}</dd></div> : null}
          {alarm.why.owner ? <div><dt>{t('ioc:alarm.owner')}</dt><dd>{alarm.why.owner}</dd></div> : null}
          <div><dt>{t('ioc:alarm.rule')}</dt><dd><span className="code">{alarm.rule}</span></dd></div>
        </dl>
        {advice ? <Note tone="low">{advice}</Note> : null}
      </section>
      {alarm.why.observed.length > 0 || alarm.value !== undefined ? (
        <section className="stack-s" aria-labelledby="seen">
          <h3 id="seen">{t('ioc:alarm.observed')}</h3>
          <Observed points={alarm.why.observed} limit={alarm.why.limit ?? alarm.limit} title={title} unit={unit} raised={alarm.raised_at} />
        </section>
      ) : null}
      <section className="stack-s" aria-labelledby="past">
        <h3 id="past">{t('ioc:alarm.history')}</h3>
        <ol className="past">
          {alarm.history.toReversed().map((entry, i) => (
            <li key={`${entry.at}${i}`}>
              <span className="past-what">{entry.what === 'closed' || entry.what === 'cleared' ? <CircleCheck size={16} aria-hidden /> : null}{t(`ioc:alarm.happened.${entry.what}`)}</span>
              <time className="small quiet tnum">{format.dateTime(entry.at)}</time>
              {entry.by ? <span className="small quiet">{entry.by}</span> : null}
              {entry.note ? <p className="past-note">{entry.note}</p> : null}
            </li>
          ))}
        </ol>
      </section>
    </div>
  )
}

/** One alarm with its reasons. `focusNote` is a new object each time the note should take the keyboard. */
export function AlarmPanel({ id, focusNote, onPlace, onOpen }: { id: string; focusNote: object | undefined; onPlace: (alarm: AlarmDetail) => void; onOpen: (id: string) => void }) {
  const alarm = useAlarm(id)
  if (alarm.data) return <Panel key={id} alarm={alarm.data} focusNote={focusNote} onPlace={() => alarm.data && onPlace(alarm.data)} onOpen={onOpen} />
  if (alarm.error) return <Failed error={alarm.error} onRetry={() => void alarm.refetch()} />
  return <Loading height="6rem" />
}
