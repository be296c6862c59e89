import { CloudOff, Navigation, TriangleAlert, Truck } from 'lucide-react'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLive, useMyDispatches, type Dispatch } from '@/api'
import { enqueueStamp, flush, forget, keepSending, queuedStamps, type QueuedStamp } from '@/api/queue'
import { useQueued } from '@/api/useQueued'
import { useT } from '@/i18n'
import { Badge, Button, Card, cx, Empty, errorWords, Loaded, Note, PageHeader, toast, useTitle } from '@/ui'
import './incidents.css'
import { DrillBadge, Stamps } from './parts'

// What a crew taps is sent by itself.
keepSending()

const ORDER = ['accepted', 'turned-out', 'arrived', 'under-control', 'free'] as const

/** Where the telephone is, if it knows at once. */
function place(): Promise<{ lon?: number; lat?: number }> {
  if (!('geolocation' in navigator)) return Promise.resolve({})
  return new Promise(done => navigator.geolocation.getCurrentPosition(found => done({ lon: found.coords.longitude, lat: found.coords.latitude }), () => done({}), { timeout: 3_000, maximumAge: 30_000 }))
}

function Sent({ sent, waiting }: { sent: Dispatch; waiting: readonly QueuedStamp[] }) {
  const t = useT()
  const tapped = new Set([...sent.stamps.map(s => s.stamp), ...waiting.filter(w => w.state !== 'refused').map(w => w.stamp)])
  const last = Math.max(-1, ...ORDER.map((stamp, i) => (tapped.has(stamp) ? i : -1)))
  // Finding the place may take seconds; a tap is seen at once and not made twice.
  const [tapping, setTapping] = useState<string>()
  const known = tapping !== undefined && (tapped.has(tapping) || waiting.some(w => w.stamp === tapping))
  useEffect(() => {
    if (known) setTapping(undefined)
  }, [known])
  const tap = async (stamp: string) => {
    const at = new Date().toISOString()
    setTapping(stamp)
    try {
      await enqueueStamp({ dispatch: sent.id, stamp, at, ...(await place()) })
      void flush().catch(() => undefined)
    } catch {
      setTapping(undefined)
      toast(t('incidents:tap_not_kept'), { tone: 'bad' })
    }
  }
  return (
    <Card className={cx('dispatch', sent.drill && 'drill')}>
      <div className="row wrap-row"><b className="tnum">{sent.resource_code}</b><span className="quiet tnum">{sent.incident_code}</span><DrillBadge drill={sent.drill} /></div>
      <h2>{sent.incident_title}</h2>
      <p className="dispatch-place">{sent.place}</p>
      {sent.note ? <Note>{sent.note}</Note> : null}
      {sent.point ? <a className="btn btn-secondary" href={`geo:${sent.point.lat},${sent.point.lon}?q=${sent.point.lat},${sent.point.lon}`}><Navigation size={18} aria-hidden />{t('incidents:go_there')}</a> : null}
      <div className="dispatch-taps">
        {ORDER.map((stamp, i) => <Button key={stamp} wide size="big" look={i === last + 1 ? 'primary' : 'secondary'} busy={tapping === stamp} disabled={i <= last || tapping !== undefined} onClick={() => void tap(stamp)}>{t(`incidents:tap.${stamp}`)}</Button>)}
      </div>
      <Stamps stamps={[...sent.stamps, ...waiting.filter(w => w.state !== 'refused').map(w => ({ stamp: w.stamp, at: w.at, received_at: w.at, by: { name: '' }, typed: false }))]} sent={sent.sent_at} />
    </Card>
  )
}

/** What my vehicle is sent to, one large tap for each stage; works without a network. */
export default function DispatchPage() {
  const t = useT()
  useTitle(t('incidents:dispatch'))
  const client = useQueryClient()
  const mine = useMyDispatches()
  const stamps = useQueued(queuedStamps, 'dispatches')
  useLive(['incident-changed', 'hello', 'reset'], () => void client.invalidateQueries({ queryKey: ['dispatches'] }))
  const refused = stamps.filter(s => s.state === 'refused')
  const waiting = stamps.length - refused.length
  return (
    <div className="field">
      <PageHeader title={t('incidents:dispatch')} />
      {waiting > 0 ? <Note tone="waiting" icon={<CloudOff size={20} aria-hidden />}>{t('incidents:taps_wait', { n: waiting })}</Note> : null}
      {refused.map(s => <Note key={s.id} tone="high" icon={<TriangleAlert size={20} aria-hidden />}><Badge>{t(`incidents:stamp.${s.stamp}`)}</Badge> {errorWords({ code: s.error })} <Button size="small" look="quiet" onClick={() => void forget(s.id)}>{t('ui.close')}</Button></Note>)}
      <Loaded of={mine}>{list => (list.length === 0 ? <Empty icon={<Truck size={30} aria-hidden />} title={t('incidents:not_sent')}>{t('incidents:not_sent_body')}</Empty> : <div className="stack">{list.map(sent => <Sent key={sent.id} sent={sent} waiting={stamps.filter(s => s.dispatch === sent.id)} />)}</div>)}</Loaded>
    </div>
  )
}
