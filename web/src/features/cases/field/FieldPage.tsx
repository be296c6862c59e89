import { ArrowRight, CloudOff, HardHat, MapPin, Route, TriangleAlert } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useCommunes, useMe, useMyOrders, type WorkOrder } from '@/api'
import { flush, forget, type QueuedStep } from '@/api/queue'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Badge, Button, Card, cx, Due, Empty, errorWords, Failed, format, go, Loading, Note, PackIcon, PageHeader, Segments, toast, useNow, useTitle } from '@/ui'
import '../cases.css'
import './field.css'
import { ahead, useOnline, useSteps } from './steps'
import { byDue, byWay, metres } from './way'

function OrderCard({ order, steps, here }: { order: WorkOrder; steps: readonly QueuedStep[]; here: { lon: number; lat: number } | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const now = ahead(order, steps)
  return (
    <a className={cx('order-card', order.overdue && 'late')} href={`/work/field/${order.id}`}>
      <span className="case-glyph"><PackIcon name={order.icon} size={24} /></span>
      <span className="case-body">
        <strong>{order.text}</strong>
        <span className="case-meta">
          <span className="bit"><MapPin size={15} aria-hidden /> {[order.address, order.area_name].filter(Boolean).join(', ') || t('field:no_place')}</span>
          {here && order.location ? <span className="tnum">{t('field:away', { km: format.number(metres(here, order.location) / 1000) })}</span> : null}
        </span>
        <span className="row">
          <Due at={order.due_at} />
          <Badge tone={order.phase}>{named(lng, now.name, now.name_en)}</Badge>
          {now.waiting > 0 ? <Badge tone="waiting" icon={<CloudOff size={13} aria-hidden />}>{t('field:waits', { n: now.waiting })}</Badge> : null}
        </span>
      </span>
      <ArrowRight size={20} aria-hidden />
    </a>
  )
}

/** Steps that the server refused: somebody changed the order meanwhile. */
export function Refused({ steps }: { steps: readonly QueuedStep[] }) {
  const t = useT()
  const refused = steps.filter(step => step.state === 'refused')
  if (refused.length === 0) return null
  return (
    <Note tone="high" icon={<TriangleAlert size={20} aria-hidden />}>
      <ul className="plain-list stack-s">
        {refused.map(step => (
          <li key={step.id}>
            <strong>{step.name}</strong> · {step.title}: {errorWords({ code: step.error })}{' '}
            <Button size="small" look="quiet" onClick={() => void forget(step.id)}>{t('field:forget')}</Button>
          </li>
        ))}
      </ul>
    </Note>
  )
}

export default function FieldPage() {
  const t = useT()
  useTitle(t('field:title'))
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const orders = useMyOrders()
  const steps = useSteps()
  const online = useOnline()
  const now = useNow()
  const [view, setView] = useState<'list' | 'map'>('list')
  const [sort, setSort] = useState<'due' | 'way'>('due')
  const [here, setHere] = useState<{ lon: number; lat: number }>()
  // What the crew has already finished waits for the network only.
  const open = useMemo(() => (orders.data?.items ?? []).filter(order => order.way.some(step => step.from.includes(ahead(order, steps).state))), [orders.data, steps])
  const listed = useMemo(() => {
    const first = byDue(open)
    const from = here ?? first.find(order => order.location)?.location
    return sort === 'way' && from ? byWay(open, from) : first
  }, [open, sort, here])
  const waiting = steps.filter(step => step.state !== 'refused').length

  function choose(next: 'due' | 'way'): void {
    setSort(next)
    if (next !== 'way' || here || !('geolocation' in navigator)) return
    navigator.geolocation.getCurrentPosition(found => setHere({ lon: found.coords.longitude, lat: found.coords.latitude }), () => toast(t('map.no_gps'), { tone: 'bad' }), { enableHighAccuracy: true, timeout: 12_000, maximumAge: 60_000 })
  }
  return (
    <div className="field">
      <PageHeader title={t('field:title')} lead={`${format.weekday(now)} · ${t('field:count', { n: open.length })}`} />
      {online ? null : <Note tone="waiting" icon={<CloudOff size={20} aria-hidden />}>{t('field:offline')}</Note>}
      {waiting > 0 ? (
        <Note>
          {t('field:queue', { n: waiting })} {online ? <Button size="small" look="quiet" onClick={() => void flush()}>{t('field:send_now')}</Button> : null}
        </Note>
      ) : null}
      <Refused steps={steps} />
      <div className="desk-tools">
        <Segments label={t('field:view')} value={view} onChange={setView} options={[{ value: 'list', label: t('field:list') }, { value: 'map', label: t('field:map') }]} />
        <Segments label={t('field:sort')} value={sort} onChange={choose} options={[{ value: 'due', label: t('field:by_due') }, { value: 'way', label: <><Route size={15} aria-hidden /> {t('field:by_way')}</> }]} />
      </div>
      {orders.isPending && !orders.data ? (
        <Loading rows={4} height="6rem" />
      ) : orders.error && !orders.data ? (
        <Failed error={orders.error} onRetry={() => void orders.refetch()} />
      ) : listed.length === 0 ? (
        <Empty icon={<HardHat size={30} aria-hidden />} title={t('field:none')}>{t('field:none_body')}</Empty>
      ) : view === 'map' ? (
        <Card tight>
          <div className="field-map"><CityMap label={t('field:map')} home={home} communes={communes.data} bare cluster={false} points={listed.flatMap((order, i) => (order.location ? [{ id: order.id, ...order.location, mark: order.phase, label: String(i + 1) }] : []))} onPoint={id => go(`/work/field/${id}`)} /></div>
        </Card>
      ) : (
        <ol className="plain-list order-list">{listed.map(order => <li key={order.id}><OrderCard order={order} steps={steps} here={here} /></li>)}</ol>
      )}
    </div>
  )
}
