import { ArrowLeft, CloudOff, ExternalLink, MapPin, Navigation } from 'lucide-react'
import { useState } from 'react'
import { photoAddress, useMe, useOrder, useOrderMove, workPhoto, type CheckLine, type CrewStep, type OrderStep, type WorkOrder } from '@/api'
import { forget, keep, kept } from '@/api/kept'
import { enqueueStep, flush } from '@/api/queue'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Due, Failed, FailedNote, Field, format, go, Input, LinkButton, Loading, Note, PackIcon, PhaseBadge, PhotoPicker, Photos, Segments, TextArea, toast, useTitle } from '@/ui'
import '../cases.css'
import './field.css'
import { Refused } from './FieldPage'
import { ahead, useOnline, useSteps } from './steps'

/** What the crew filled in and did not send yet; kept in the phone, photos in memory. */
interface Draft {
  answers: Record<string, string>
  used: Record<string, string>
  note: string
}
const slip = (id: string) => `dothi.field.${id}`
function read(id: string): Draft {
  const empty: Draft = { answers: {}, used: {}, note: '' }
  return { ...empty, ...kept<Partial<Draft>>(slip(id)) }
}

function Answer({ line, value, onChange }: { line: CheckLine; value: string; onChange: (value: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const label = `${named(lng, line.text, line.text_en)}${line.required ? ' *' : ''}`
  if (line.answer === 'done') return <label className="check check-line"><input type="checkbox" checked={value === 'yes'} onChange={e => onChange(e.target.checked ? 'yes' : '')} /><span>{label}</span></label>
  if (line.answer === 'yes-no') {
    return (
      <div className="stack-s">
        <span className="field-label">{label}</span>
        <Segments label={label} value={value} onChange={onChange} options={[{ value: 'yes', label: t('ui.yes') }, { value: 'no', label: t('ui.no') }]} />
      </div>
    )
  }
  if (line.answer === 'number') return <Field label={line.unit ? `${label} (${line.unit})` : label}>{ids => <Input {...ids} type="number" inputMode="decimal" step="any" min={line.min ?? undefined} max={line.max ?? undefined} value={value} onChange={e => onChange(e.target.value)} />}</Field>
  return <Field label={label}>{ids => <TextArea {...ids} rows={2} maxLength={500} value={value} onChange={e => onChange(e.target.value)} />}</Field>
}

/** Where the phone is, if it knows at once. */
function place(): Promise<{ lon?: number; lat?: number }> {
  if (!('geolocation' in navigator)) return Promise.resolve({})
  return new Promise(done => navigator.geolocation.getCurrentPosition(found => done({ lon: found.coords.longitude, lat: found.coords.latitude }), () => done({}), { timeout: 3_000, maximumAge: 60_000 }))
}

function Crew({ order }: { order: WorkOrder }) {
  const t = useT()
  const lng = useLanguage()
  const steps = useSteps()
  const [draft, setDraft] = useState(() => read(order.id))
  const [photos, setPhotos] = useState<Record<string, File[]>>({})
  const [asking, setAsking] = useState<CrewStep>()
  const [reason, setReason] = useState('')
  const [busy, setBusy] = useState(false)
  const now = ahead(order, steps)
  const open = order.way.filter(step => step.from.includes(now.state))
  const value = (code: string) => draft.answers[code] ?? order.checklist.find(line => line.code === code)?.value ?? ''
  const set = (next: Draft) => {
    setDraft(next)
    // A full phone keeps it on the screen only.
    keep(slip(order.id), next)
  }
  const shown = (item: string) => (photos[item]?.length ?? 0) > 0 || order.photos.some(photo => photo.item === item) || steps.some(step => step.order === order.id && step.body.items?.includes(item))
  /** What a step still asks for, in words. */
  function lacks(step: CrewStep): string[] {
    const lines = step.requires.includes('checklist') ? order.checklist.filter(line => line.required && (!value(line.code) || (line.photo && !shown(line.code)))) : []
    return [...lines.map(line => named(lng, line.text, line.text_en)), ...(step.requires.includes('photo_after') && !shown('after') ? [t('field:after')] : [])]
  }
  const full = open.some(step => step.requires.includes('checklist') || step.requires.includes('photo_after'))

  async function make(step: CrewStep): Promise<void> {
    setBusy(true)
    const at = new Date().toISOString()
    const items = Object.entries(photos).flatMap(([item, list]) => list.map(photo => ({ item, photo })))
    const used = Object.fromEntries(Object.entries(draft.used).flatMap(([code, text]) => (text.trim() && Number.isFinite(Number(text)) ? [[code, Number(text)]] : [])))
    const answers = Object.fromEntries(Object.entries(draft.answers).filter(([, text]) => text))
    const body: OrderStep = { at, ...(await place()), answers, used, items: items.map(one => one.item), ...(draft.note.trim() ? { note: draft.note.trim() } : {}), ...(step.requires.includes('reason') ? { reason: reason.trim() } : {}) }
    try {
      await enqueueStep({ order: order.id, move: step.code, name: named(lng, step.name, step.name_en), title: order.text, body, photos: items.map(one => one.photo) })
      forget(slip(order.id))
      setDraft({ answers: {}, used: {}, note: '' })
      setPhotos({})
      setReason('')
      setAsking(undefined)
      void flush()
      toast(t(navigator.onLine ? 'field:noted' : 'field:noted_offline', { step: named(lng, step.name, step.name_en) }))
      if (!order.way.some(one => one.from.includes(step.to))) go('/work/field')
    } catch {
      toast(t('field:not_kept'), { tone: 'bad' })
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <Refused steps={steps.filter(step => step.order === order.id)} />
      {now.waiting > 0 ? <Note tone="waiting" icon={<CloudOff size={20} aria-hidden />}>{t('field:queue', { n: now.waiting })}</Note> : null}
      {full ? (
        <>
          {order.checklist.length > 0 ? (
            <Card>
              <div className="stack">
                <h2>{t('field:checklist')}</h2>
                {order.checklist.map(line => (
                  <div key={line.code} className="stack-s">
                    <Answer line={line} value={value(line.code)} onChange={text => set({ ...draft, answers: { ...draft.answers, [line.code]: text } })} />
                    {line.photo ? <PhotoPicker max={2} label={t('field:proof')} photos={photos[line.code] ?? []} onChange={list => setPhotos({ ...photos, [line.code]: list })} /> : null}
                  </div>
                ))}
              </div>
            </Card>
          ) : null}
          {order.materials.length > 0 ? (
            <Card>
              <div className="stack">
                <h2>{t('field:material')}</h2>
                {order.materials.map(one => (
                  <Field key={one.code} label={`${named(lng, one.name, one.name_en)} (${one.unit})`} {...(one.expected ? { hint: t('field:expected', { n: format.number(one.expected), unit: one.unit }) } : {})}>
                    {ids => <Input {...ids} type="number" inputMode="decimal" min={0} step="any" value={draft.used[one.code] ?? (one.used ?? '').toString()} onChange={e => set({ ...draft, used: { ...draft.used, [one.code]: e.target.value } })} />}
                  </Field>
                ))}
              </div>
            </Card>
          ) : null}
          <Card>
            <div className="stack">
              <h2>{t('field:photos')}</h2>
              {(['before', 'after'] as const).map(item => (
                <div key={item} className="stack-s">
                  <span className="field-label">{t(`field:${item}`)}</span>
                  <PhotoPicker max={4} photos={photos[item] ?? []} onChange={list => setPhotos({ ...photos, [item]: list })} />
                </div>
              ))}
              <Field label={t('field:note')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} value={draft.note} onChange={e => set({ ...draft, note: e.target.value })} />}</Field>
            </div>
          </Card>
        </>
      ) : null}
      <div className="field-foot">
        {asking ? (
          <form className="stack" onSubmit={event => (event.preventDefault(), void make(asking))}>
            <Field label={t('field:reason')}>{ids => <TextArea {...ids} required autoFocus rows={2} maxLength={1000} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
            <div className="row">
              <Button look="secondary" onClick={() => setAsking(undefined)}>{t('ui.cancel')}</Button>
              <Button type="submit" busy={busy} disabled={!reason.trim()}>{named(lng, asking.name, asking.name_en)}</Button>
            </div>
          </form>
        ) : (
          <>
            {open[0] && lacks(open[0]).length > 0 ? <p className="small quiet">{t('field:lacks', { what: lacks(open[0]).join('; ') })}</p> : null}
            <div className="moves">
              {open.map((step, i) => (
                <Button key={step.code} wide look={i === 0 ? 'primary' : 'secondary'} busy={busy} disabled={lacks(step).length > 0} onClick={() => (step.requires.includes('reason') ? setAsking(step) : void make(step))}>{named(lng, step.name, step.name_en)}</Button>
              ))}
            </div>
          </>
        )}
      </div>
    </>
  )
}

/** The unit's own steps: check, do again, cancel. */
function Unit({ order }: { order: WorkOrder }) {
  const t = useT()
  const lng = useLanguage()
  const act = useOrderMove()
  const [reason, setReason] = useState('')
  const own = order.moves.filter(move => !order.way.some(step => step.code === move.code))
  if (own.length === 0) return null
  const asks = own.some(move => move.requires.includes('reason'))
  return (
    <Card>
      <div className="stack">
        {asks ? <Field label={t('field:reason')}>{ids => <TextArea {...ids} rows={2} maxLength={1000} value={reason} onChange={e => setReason(e.target.value)} />}</Field> : null}
        <FailedNote error={act.error} />
        <div className="moves">
          {own.map((move, i) => (
            <Button key={move.code} look={i === 0 ? 'primary' : 'secondary'} busy={act.isPending} disabled={move.requires.includes('reason') && !reason.trim()} onClick={() => act.mutate({ order: order.id, move: move.code, body: reason.trim() ? { reason: reason.trim() } : {} }, { onSuccess: () => setReason('') })}>{named(lng, move.name, move.name_en)}</Button>
          ))}
        </div>
      </div>
    </Card>
  )
}

function Filled({ order }: { order: WorkOrder }) {
  const t = useT()
  const lng = useLanguage()
  const words = (line: CheckLine) => (line.answer === 'number' && line.value ? `${format.number(Number(line.value))} ${line.unit ?? ''}` : line.value === 'yes' ? t('ui.yes') : line.value === 'no' ? t('ui.no') : line.value ?? '–')
  const used = order.materials.filter(one => one.used)
  if (order.photos.length === 0 && used.length === 0 && order.checklist.every(line => !line.value)) return null
  return (
    <Card>
      <div className="stack">
        <Photos size={120} photos={order.photos.map(photo => ({ thumb: workPhoto(photo.sha, 'thumb'), full: workPhoto(photo.sha), alt: photo.item, ...(photo.item === 'after' || photo.item === 'before' ? { tag: t(`field:${photo.item}`) } : {}) }))} />
        <dl className="facts">
          {order.checklist.filter(line => line.value).map(line => <div key={line.code}><dt>{named(lng, line.text, line.text_en)}</dt><dd>{words(line)}</dd></div>)}
          {used.map(one => <div key={one.code}><dt>{named(lng, one.name, one.name_en)}</dt><dd>{format.number(one.used)} {one.unit}</dd></div>)}
        </dl>
      </div>
    </Card>
  )
}

function Order({ order }: { order: WorkOrder }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const officer = me.data?.permissions.includes('case-read') ?? false
  const to = order.location ? `geo:${order.location.lat},${order.location.lon}?q=${order.location.lat},${order.location.lon}` : undefined
  return (
    <div className="field stack">
      <header className="stack-s">
        <a className="small" href={officer && order.case ? `/work/${order.case.id}` : '/work/field'}><ArrowLeft size={15} aria-hidden style={{ display: 'inline', verticalAlign: '-2px' }} /> {officer && order.case ? order.case.code : t('field:title')}</a>
        <h1 className="order-title"><PackIcon name={order.icon} size={26} /> {named(lng, order.kind_name, order.kind_name_en)}</h1>
        <div className="row">
          <PhaseBadge phase={order.phase}>{named(lng, order.state_name, order.state_name_en)}</PhaseBadge>
          <Due at={order.due_at} closed={order.ended_at ?? undefined} />
          <span className="quiet tnum">{order.code}</span>
          <span className="quiet">{order.crew_name}</span>
        </div>
      </header>
      <Card>
        <div className="stack">
          <p className="said">{order.text}</p>
          {order.case ? <span className="small quiet">{named(lng, order.case.category_name, order.case.category_name_en)} · {order.case.code} · {t('field:case_due', { at: format.dateTime(order.case.due_at) })}</span> : null}
          {order.case && order.case.photos.length > 0 ? <Photos size={120} photos={order.case.photos.map((sha, i) => ({ thumb: officer ? photoAddress(sha, 'thumb') : workPhoto(sha, 'thumb'), full: officer ? photoAddress(sha) : workPhoto(sha), alt: t('ui.photo_n', { n: i + 1 }), tag: t('field:reported') }))} /> : null}
          <div className="row">
            <span className="bit grow"><MapPin size={16} aria-hidden /> {[order.address, order.area_name].filter(Boolean).join(', ') || t('field:no_place')}</span>
            {to ? <LinkButton look="secondary" size="small" href={to} icon={<Navigation size={17} aria-hidden />}>{t('field:go_there')}</LinkButton> : null}
          </div>
          {order.planned_for ? <Badge>{t('field:planned', { day: format.date(order.planned_for) })}</Badge> : null}
          {order.alarm && me.data?.permissions.includes('alarm-read') ? <LinkButton look="quiet" size="small" href={`/ioc?alarm=${order.alarm}`} icon={<ExternalLink size={16} aria-hidden />}>{t('field:open_alarm')}</LinkButton> : null}
          {officer && order.case ? <LinkButton look="quiet" size="small" href={`/work/${order.case.id}`} icon={<ExternalLink size={16} aria-hidden />}>{t('field:open_case')}</LinkButton> : null}
        </div>
      </Card>
      <Filled order={order} />
      {order.way.length > 0 && order.waits_for === 'crew' ? <Crew order={order} /> : null}
      <Unit order={order} />
      <Card>
        <h2>{t('field:log')}</h2>
        <ol className="plain-list stack-s">
          {order.log.map((entry, i) => (
            <li key={i} className="spread">
              <span><strong>{entry.step === 'give' ? t('field:given') : named(lng, entry.step_name, entry.step_name_en)}</strong> <span className="quiet small">{entry.by}</span>{entry.reason ?? entry.note ? <span className="small"> – {entry.reason ?? entry.note}</span> : null}</span>
              <span className="small quiet tnum">{format.dateTime(entry.at)}</span>
            </li>
          ))}
        </ol>
      </Card>
    </div>
  )
}

export default function OrderPage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const order = useOrder(params['id'] ?? '')
  const online = useOnline()
  useTitle(order.data?.code ?? t('field:title'))
  if (order.data) {
    return (
      <>
        {online ? null : <Note tone="waiting" icon={<CloudOff size={20} aria-hidden />}>{t('field:offline')}</Note>}
        <Order key={order.data.id} order={order.data} />
      </>
    )
  }
  if (order.error) return <Failed error={order.error} onRetry={() => void order.refetch()} />
  return <Loading height="8rem" />
}
