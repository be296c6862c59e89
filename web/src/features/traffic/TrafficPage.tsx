import { useQueryClient } from '@tanstack/react-query'
import { CircleCheck, MousePointerClick, X } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { can, TRAFFIC_KEYS, useCommunes, useJudgeIncident, useLive, useMe, useTrafficCatalogue, useTrafficIncidents, useTrafficMap, useTravelTimes, type TrafficIncident } from '@/api'
import { useT } from '@/i18n'
import { CityMap, type MapPoint } from '@/map'
import { Badge, Button, cx, Dialog, Empty, FailedNote, Fence, Field, Figure, format, Input, Loaded, Note, Segments, useNow, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import { IncidentWord, Legend, minutes, useMeasured } from './parts'
import { SegmentPanel } from './SegmentPanel'
import { SignsPanel } from './SignsPanel'
import { WorksPanel } from './WorksPanel'
import './traffic.css'

const VIEWS = ['incidents', 'times', 'signs', 'works'] as const
type View = (typeof VIEWS)[number]

function JudgeDialog({ incident, onClose }: { incident: TrafficIncident; onClose: () => void }) {
  const t = useT()
  const judge = useJudgeIncident()
  const [reason, setReason] = useState('')
  const send = (real: boolean) => (event: FormEvent) => {
    event.preventDefault()
    if (reason.trim().length >= 3) judge.mutate({ id: incident.id, version: incident.version, real, reason: reason.trim() }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} title={t('traffic:verdict.title', { name: incident.name })}>
      <form className="stack" onSubmit={send(true)}>
        <Field label={t('traffic:verdict.reason')}>{ids => <Input {...ids} required minLength={3} maxLength={300} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={judge.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button look="secondary" busy={judge.isPending} disabled={reason.trim().length < 3} onClick={e => send(false)(e)}>{t('traffic:verdict.say_false')}</Button><Button type="submit" busy={judge.isPending}>{t('traffic:verdict.say_real')}</Button></div>
      </form>
    </Dialog>
  )
}

function Incidents({ onOpen }: { onOpen: (i: TrafficIncident) => void }) {
  const t = useT()
  const me = useMe()
  const now = useNow()
  const measured = useMeasured()
  const [state, setState] = useState<'open' | 'closed'>('open')
  const incidents = useTrafficIncidents(state)
  const [judging, setJudging] = useState<TrafficIncident>()
  const items = incidents.data?.pages.flatMap(page => page.items) ?? []
  return (
    <div className="stack">
      <Segments label={t('traffic:incident.which')} value={state} onChange={v => setState(v === 'closed' ? 'closed' : 'open')} options={[{ value: 'open', label: t('traffic:incident.open') }, { value: 'closed', label: t('traffic:incident.closed') }]} />
      <Loaded of={incidents}>
        {() =>
          items.length === 0 ? (
            <Empty icon={<CircleCheck size={30} aria-hidden />} title={t('traffic:incident.none')}>{t('traffic:incident.none_body')}</Empty>
          ) : (
            <ul className="road-cards">
              {items.map(i => (
                <li key={i.id} className="road-card">
                  <button type="button" className="road-link" onClick={() => onOpen(i)}><strong>{i.name}</strong> {i.direction}</button>
                  <div className="row"><IncidentWord incident={i} /><time className="small quiet">{format.ago(i.since, now)}</time></div>
                  <p className="small">{t(`traffic:incident.why.${i.measure}`, { value: measured(i.measure, i.value), usual: measured(i.measure, i.usual) })} {i.neighbours.length ? t('traffic:incident.neighbours', { names: i.neighbours.join(', ') }) : t('traffic:incident.no_neighbours')}</p>
                  {i.work ? <p className="small quiet">{t('traffic:incident.work', { title: i.work })}</p> : null}
                  {i.verdict_why ? <p className="small quiet">{i.verdict_by}: {i.verdict_why}</p> : null}
                  {can(me.data, 'traffic-handle') && !i.verdict ? <div><Button size="small" look="secondary" onClick={() => setJudging(i)}>{t('traffic:verdict.judge')}</Button></div> : null}
                </li>
              ))}
              {incidents.hasNextPage ? <li><Button look="secondary" wide busy={incidents.isFetchingNextPage} onClick={() => void incidents.fetchNextPage()}>{t('ui.more')}</Button></li> : null}
            </ul>
          )
        }
      </Loaded>
      {judging ? <JudgeDialog incident={judging} onClose={() => setJudging(undefined)} /> : null}
    </div>
  )
}

function Times() {
  const t = useT()
  const times = useTravelTimes()
  return (
    <Loaded of={times}>
      {all =>
        all.length === 0 ? (
          <Empty title={t('traffic:times.none')}>{t('traffic:times.none_body')}</Empty>
        ) : (
          <ul className="road-cards">
            {all.map(r => (
              <li key={r.code} className="road-card">
                <strong>{r.from} → {r.to}</strong>
                <p className="road-time"><b>{r.now_s == null ? '–' : t('traffic:minutes', { n: minutes(r.now_s) })}</b>{r.estimated ? <Badge tone="medium">{t('traffic:estimated')}</Badge> : null}</p>
                <p className="small quiet">{[r.usual_s == null ? '' : t('traffic:times.usual', { n: minutes(r.usual_s) }), r.p90_s == null ? '' : t('traffic:times.p90', { n: minutes(r.p90_s) }), `${format.number(r.km)} km`, r.silent ? t('traffic:times.silent', { n: r.silent }) : ''].filter(Boolean).join(' · ')}</p>
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  )
}

/** Where the rules stand. */
export function Marks() {
  const t = useT()
  const catalogue = useTrafficCatalogue()
  const policy = catalogue.data?.policy
  if (!policy) return null
  return (
    <details className="road-marks">
      <summary>{t('traffic:marks.title')}</summary>
      <ul className="road-list">{policy.marks.map(m => <li key={m.of}><Badge tone={m.status === 'confirmed' ? 'good' : 'high'}>{t(`traffic:marks.${m.status}`)}</Badge><span>{m.source_act}</span><span className="small quiet">{m.note}</span></li>)}</ul>
    </details>
  )
}

/** The operator's traffic: roads by level, incidents, a segment against its usual, travel times, signs, works. */
export default function TrafficPage() {
  const t = useT()
  useTitle(t('traffic:title'))
  const me = useMe()
  const client = useQueryClient()
  const [search, setSearch] = useSearch()
  const view: View = VIEWS.find(v => v === search['view']) ?? 'incidents'
  const map = useTrafficMap()
  const incidents = useTrafficIncidents('open')
  const communes = useCommunes(me.data?.home.code)
  const [flyTo, setFlyTo] = useState<{ lon: number; lat: number; zoom?: number }>()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  useLive(['traffic-incident', 'traffic-changed', 'hello', 'reset'], () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      for (const key of TRAFFIC_KEYS) void client.invalidateQueries({ queryKey: [key] })
    }, 500)
  })
  const open = useMemo(() => incidents.data?.pages.flatMap(page => page.items) ?? [], [incidents.data])
  const points = useMemo<MapPoint[]>(() => open.map(i => ({ id: i.segment, ...i.location, mark: i.confirmed ? 'critical' : 'medium' })), [open])
  const levels = useMemo(() => {
    const count = { free: 0, slow: 0, congested: 0, jam: 0, unknown: 0 }
    for (const f of map.data?.features ?? []) count[f.properties?.['level'] as keyof typeof count] += 1
    return count
  }, [map.data])
  const chosen = search['segment']
  const show = (id: string) => setSearch({ segment: id })
  const close = () => setSearch({ segment: undefined })
  return (
    <div className={cx('roads', chosen && 'roads-open')}>
      <header className="roads-strip">
        <h1>{t('traffic:title')}</h1>
        <div className="roads-figures" role="group" tabIndex={0} aria-label={t('traffic:figures')}>
          <Figure value={open.length} label={t('traffic:incident.open')} {...(open.length ? { tone: 'critical' } : {})} />
          <Figure value={levels.jam} label={t('traffic:level.jam')} {...(levels.jam ? { tone: 'critical' } : {})} />
          <Figure value={levels.congested} label={t('traffic:level.congested')} />
          <Figure value={levels.slow} label={t('traffic:level.slow')} />
          <Figure value={levels.free} label={t('traffic:level.free')} />
          <Figure value={levels.unknown} label={t('traffic:level.unknown')} />
        </div>
      </header>
      <aside className="roads-left" aria-label={t('traffic:list')}>
        <div className="roads-filters"><Segments label={t('traffic:view.label')} value={view} onChange={v => setSearch({ view: v === 'incidents' ? undefined : v })} options={VIEWS.map(v => ({ value: v, label: t(`traffic:view.${v}`) }))} /></div>
        <div className="roads-scroll" tabIndex={0} role="region" aria-label={t(`traffic:view.${view}`)}>
          <Fence key={view}>
            {view === 'incidents' ? <Incidents onOpen={i => { show(i.segment); setFlyTo({ ...i.location, zoom: 14 }) }} /> : view === 'times' ? <Times /> : view === 'signs' ? <SignsPanel /> : <WorksPanel />}
          </Fence>
          <Marks />
        </div>
      </aside>
      <div className="roads-map">
        <CityMap label={t('traffic:map')} home={me.data?.home.code} communes={communes.data} roads={map.data} chosenRoad={chosen} points={points} cluster={false} flyTo={flyTo} onRoad={show} onPoint={show} />
        <div className="roads-legend"><Legend /></div>
        {map.data?.features.length === 0 ? <div className="roads-empty"><Note>{t('traffic:no_segments')}</Note></div> : null}
      </div>
      <aside className="roads-right" aria-label={t('traffic:detail')}>
        {chosen ? (
          <>
            <Button className="roads-close" look="quiet" size="small" iconOnly icon={<X size={20} aria-hidden />} onClick={close}>{t('ui.close')}</Button>
            <Fence key={chosen}><SegmentPanel id={chosen} onOpen={show} /></Fence>
          </>
        ) : (
          <Empty icon={<MousePointerClick size={30} aria-hidden />} title={t('traffic:nothing')}>{t('traffic:nothing_body')}</Empty>
        )}
      </aside>
    </div>
  )
}
