import { useQueryClient } from '@tanstack/react-query'
import { BellOff, MousePointerClick, X } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useCommunes, useLive, useMe, usePanelBoard, usePanelCatalogue, usePanelPremises, usePanelSignals, type PanelSignal } from '@/api'
import { useT } from '@/i18n'
import { CityMap, type MapPoint } from '@/map'
import { Button, cx, Empty, Failed, Fence, Figure, format, Loading, Note, Segments, Select, SeverityIcon, useNow, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import { Confirmed, useKinds, useWhere } from './parts'
import { PremisesFile } from './PremisesFile'
import { SignalPanel } from './SignalPanel'
import './panels.css'

const KEYS = ['panel-signals', 'panel-signal', 'panel-board', 'panel-premises'] as const
const RANK = { critical: 4, high: 3, medium: 2, low: 1, info: 0 } as const
const NONE: readonly never[] = []

/** Confirmed first, then what nobody took note of, then the worst, then the newest. */
function urgent(a: PanelSignal, b: PanelSignal): number {
  const key = (s: PanelSignal) => (s.confirmed_at && s.open ? 100 : 0) + (s.open && !s.acked_at ? 10 : 0) + RANK[s.severity]
  return key(b) - key(a) || b.at.localeCompare(a.at)
}

function Row({ signal, chosen, now, onOpen }: { signal: PanelSignal; chosen: boolean; now: number; onOpen: () => void }) {
  const t = useT()
  const kinds = useKinds()
  const where = useWhere()
  return (
    <li>
      <button type="button" className={cx('panel-row', `tone-${signal.severity}`, chosen && 'chosen', signal.open && !signal.acked_at && 'waiting')} aria-current={chosen ? 'true' : undefined} onClick={onOpen}>
        <span className="panel-icon"><SeverityIcon severity={signal.severity} size={20} /></span>
        <span className="panel-body">
          <span className="panel-top"><strong className="clip">{kinds.name(signal.kind)}</strong><time className="tnum small quiet">{format.ago(signal.at, now)}</time></span>
          <span className="clip">{signal.premises?.name ?? t('panels:no_premises', { account: signal.account })}</span>
          <span className="clip small quiet">{[where(signal), signal.commune?.name].filter(Boolean).join(' · ')}</span>
          <span className="panel-tags"><Confirmed signal={signal} />{signal.repeats ? <span className="small quiet">×{signal.repeats + 1}</span> : null}{signal.restored_at ? <span className="small quiet">{t('panels:restored')}</span> : null}</span>
        </span>
      </button>
    </li>
  )
}

/** Live signals, the map of premises, and beside it the file of the one that is open. */
export default function SignalsPage() {
  const t = useT()
  useTitle(t('panels:title'))
  const now = useNow()
  const me = useMe()
  const client = useQueryClient()
  const [search, setSearch] = useSearch()
  const kind = search['class'] === 'trouble' ? 'trouble' : 'alarm'
  const state = search['state'] === 'closed' || search['state'] === 'all' ? search['state'] : 'open'
  const catalogue = usePanelCatalogue()
  const board = usePanelBoard()
  const signals = usePanelSignals({ state, class: kind })
  const premises = usePanelPremises('')
  const communes = useCommunes(me.data?.home.code)
  const [flyTo, setFlyTo] = useState<{ lon: number; lat: number; zoom?: number }>()

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  useLive(['panel-signalled', 'panel-confirmed', 'panel-restored', 'panel-handled', 'hello', 'reset'], () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      for (const key of KEYS) void client.invalidateQueries({ queryKey: [key] })
    }, 300)
  })

  const items = useMemo(() => (signals.data?.pages.flatMap(page => page.items) ?? NONE).toSorted(urgent), [signals.data])
  const places = useMemo(() => premises.data?.pages.flatMap(page => page.items) ?? NONE, [premises.data])
  const points = useMemo<MapPoint[]>(() => places.flatMap(p => (p.location ? [{ id: p.id, ...p.location, mark: p.worst ?? 'ok' }] : [])), [places])
  const openSignal = search['signal']
  const openPlace = search['premises']
  const chosen = items.find(s => s.id === openSignal)
  const fly = (at: { lon: number; lat: number }) => setFlyTo({ lon: at.lon, lat: at.lat, zoom: 14 })
  const show = (s: PanelSignal) => {
    setSearch({ signal: s.id, premises: undefined })
    if (s.location) fly(s.location)
  }
  const onPoint = (id: string) => {
    const worst = items.find(s => s.premises?.id === id && s.open)
    if (worst) show(worst)
    else setSearch({ premises: id, signal: undefined })
  }
  const close = () => setSearch({ signal: undefined, premises: undefined })
  const b = board.data
  return (
    <div className={cx('panels', (openSignal || openPlace) && 'panels-open')}>
      <header className="panels-strip">
        <h1>{t('panels:title')}</h1>
        {b ? (
          <div className="panels-figures" role="group" tabIndex={0} aria-label={t('panels:title')}>
            <Figure value={b.alarms} label={t('panels:board.alarms')} {...(b.alarms ? { tone: 'critical' } : {})} />
            <Figure value={b.confirmed} label={t('panels:board.confirmed')} {...(b.confirmed ? { tone: 'critical' } : {})} />
            <Figure value={b.waiting} label={t('panels:board.waiting')} />
            <Figure value={b.troubles} label={t('panels:board.troubles')} />
            <Figure value={b.lost} label={t('panels:board.lost')} {...(b.lost ? { tone: 'high' } : {})} />
            <Figure value={b.panels} label={t('panels:board.panels')} />
            {b.noted_p90 == null ? null : <Figure value={b.noted_p90} unit={t('panels:seconds')} label={t('panels:board.noted')} />}
          </div>
        ) : null}
      </header>
      <aside className="panels-left" aria-label={t('panels:list')}>
        <div className="panels-filters">
          <Segments label={t('panels:class.label')} value={kind} onChange={value => setSearch({ class: value === 'trouble' ? 'trouble' : undefined, signal: undefined })} options={[{ value: 'alarm', label: t('panels:class.alarm'), count: b?.alarms, hot: true }, { value: 'trouble', label: t('panels:class.trouble'), count: b?.troubles }]} />
          <Select aria-label={t('panels:state.label')} value={state} onChange={e => setSearch({ state: e.target.value === 'open' ? undefined : e.target.value })}>
            {['open', 'closed', 'all'].map(s => <option key={s} value={s}>{t(`panels:state.${s}`)}</option>)}
          </Select>
        </div>
        {catalogue.data && !catalogue.data.receiving ? <div className="panels-pad"><Note tone="medium">{t('panels:not_receiving')}</Note></div> : null}
        <Fence>
          {signals.data ? (
            items.length ? (
              <ul className="panels-scroll" tabIndex={0} aria-label={t('panels:list')}>
                {items.map(s => <Row key={s.id} signal={s} chosen={s.id === openSignal} now={now} onOpen={() => show(s)} />)}
                {signals.hasNextPage ? <li className="panels-pad"><Button look="secondary" wide busy={signals.isFetchingNextPage} onClick={() => void signals.fetchNextPage()}>{t('ui.more')}</Button></li> : null}
              </ul>
            ) : (
              <Empty icon={<BellOff size={30} aria-hidden />} title={t('panels:none')}>{t('panels:none_body')}</Empty>
            )
          ) : signals.error ? (
            <Failed error={signals.error} onRetry={() => void signals.refetch()} />
          ) : (
            <Loading rows={5} />
          )}
        </Fence>
      </aside>
      <div className="panels-map">
        <CityMap label={t('panels:map')} home={me.data?.home.code} communes={communes.data} points={points} chosen={chosen?.premises?.id ?? openPlace} cluster={points.length > 300} flyTo={flyTo} onPoint={onPoint} />
      </div>
      <aside className="panels-right" aria-label={t('panels:detail')}>
        {openSignal || openPlace ? (
          <>
            <Button className="panels-close" look="quiet" size="small" iconOnly icon={<X size={20} aria-hidden />} onClick={close}>{t('ui.close')}</Button>
            <Fence key={openSignal ?? openPlace}>{openSignal ? <SignalPanel id={openSignal} onPlace={fly} /> : openPlace ? <PremisesFile id={openPlace} onPlace={fly} /> : null}</Fence>
          </>
        ) : (
          <Empty icon={<MousePointerClick size={30} aria-hidden />} title={t('panels:nothing')}>{t('panels:nothing_body')}</Empty>
        )}
      </aside>
    </div>
  )
}
