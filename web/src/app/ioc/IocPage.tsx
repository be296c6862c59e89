import { useQueryClient } from '@tanstack/react-query'
import { MousePointerClick, X } from 'lucide-react'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { can, useAlarmLoad, useAlarmPages, useCommunes, useDesk, useLive, useMe, useThings, type Alarm, type AlarmFilter, type Severity, type Suppression, type Thing } from '@/api'
import { IncomingList, IncomingPanel } from '@/features/cases/incoming/Incoming'
import { aqiOf } from '@/features/context/AirNear'
import { ThingPanel } from '@/features/context/ThingPanel'
import { AlarmList } from '@/features/rules/alarms/AlarmList'
import { AlarmPanel } from '@/features/rules/alarms/AlarmPanel'
import { useT } from '@/i18n'
import type { MapPoint } from '@/map'
import { LiveMap } from '@/map/live'
import { AqiBadge, Button, cx, Empty, Failed, Fence, Loading, Segments, Select, useNow, useTitle } from '@/ui'
import { showKeys, useKeys, useSearch } from '@/ui/rich'
import { VitalsStrip } from './VitalsStrip'
import './ioc.css'

const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info']
const NONE: readonly never[] = []
const SUPPRESSED: readonly Suppression[] = ['shelved', 'suppressed', 'out-of-service']
const STATES = ['open', 'active', 'acknowledged', 'cleared', 'latched', 'closed', 'all', ...SUPPRESSED] as const
/** Filters that the board of figures sets. */
const COUNTED = ['rule', 'entity', 'unit', 'sector', 'from', 'to', 'stale'] as const

/** Alarms that came in since the page was opened, for the motion that shows them. */
function useFresh(): [ReadonlySet<string>, (id: string) => void] {
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set())
  const add = useCallback((id: string) => {
    setFresh(before => new Set([...before, id]))
    setTimeout(() => setFresh(before => new Set([...before].filter(x => x !== id))), 8_000)
  }, [])
  return [fresh, add]
}

/** At most one refresh a second, however fast events come. */
function useCalmRefresh(): (...keys: string[]) => void {
  const client = useQueryClient()
  const waiting = useRef(new Set<string>())
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return useCallback(
    (...keys: string[]) => {
      for (const key of keys) waiting.current.add(key)
      timer.current ??= setTimeout(() => {
        timer.current = undefined
        for (const key of waiting.current) void client.invalidateQueries({ queryKey: [key] })
        waiting.current.clear()
      }, 400)
    },
    [client],
  )
}

/** Larger type and no rail for the wall; the class is on the root so that rem grows with it. */
function useWall(on: boolean): void {
  useEffect(() => {
    document.documentElement.classList.toggle('wall', on)
    return () => document.documentElement.classList.remove('wall')
  }, [on])
}

export default function IocPage() {
  const t = useT()
  useTitle(t('ioc:title'))
  const me = useMe()
  const now = useNow()
  const [search, setSearch] = useSearch()
  const wall = search['wall'] === '1'
  useWall(wall)
  const seesReports = can(me.data, 'case-read')
  const tab = search['tab'] === 'reports' && seesReports ? 'reports' : 'alarms'
  const severity = SEVERITIES.find(s => s === search['severity'])
  const state = STATES.find(s => s === search['state']) ?? 'open'
  const suppressed = SUPPRESSED.find(s => s === state)
  // What a figure counts, when one came from there.
  const counted = COUNTED.flatMap(key => (search[key] ? [[key, search[key]]] : []))

  const home = me.data?.home.code
  const communes = useCommunes(home)
  const filter: AlarmFilter = { ...(suppressed ? { suppressed, state: 'open' } : { state }), ...(severity ? { severity } : {}), ...(Object.fromEntries(counted) as AlarmFilter) }
  const alarms = useAlarmPages(filter)
  const load = useAlarmLoad()
  const flood = load.data?.storm === true
  const reports = useDesk({ view: 'all', sort: 'opened' })
  const stations = useThings({ type: 'AirQualityObserved', limit: 200 })
  const alarmItems = useMemo(() => alarms.data?.pages.flatMap(page => page.items) ?? NONE, [alarms.data])
  const reportItems = useMemo(() => reports.data?.pages.flatMap(page => page.items) ?? NONE, [reports.data])
  const stationItems = stations.data?.items ?? NONE

  const refresh = useCalmRefresh()
  const [fresh, addFresh] = useFresh()
  useLive(['alarm-raised', 'alarm-acknowledged', 'alarm-cleared', 'alarm-closed', 'alarm-changed'], event => {
    if (event.event === 'alarm-raised') addFresh(String(event['alarm']))
    refresh('alarms', 'vitals', 'alarm-load')
    if (event['alarm'] === search['alarm']) refresh('alarm')
  })
  useLive(['case-opened', 'case-moved', 'case-due', 'case-answered'], event => {
    if (event.event === 'case-opened') addFresh(String(event['case']))
    refresh('desk', 'vitals')
    if (event['case'] === search['report']) refresh('case')
  })
  useLive(['entity-changed', 'observations-accepted'], () => refresh('things', 'thing'))
  useLive(['hello', 'reset'], () => refresh('alarms', 'alarm', 'desk', 'case', 'vitals', 'things', 'thing'))

  // What is open on the right, and where the keyboard is
  const [cursor, setCursor] = useState<string>()
  const [order, setOrder] = useState<readonly string[]>(NONE)
  const [toggle, setToggle] = useState<{ key: string }>()
  const [focusNote, setFocusNote] = useState<object>()
  const [flyTo, setFlyTo] = useState<{ lon: number; lat: number; zoom?: number }>()
  const openAlarm = search['alarm']
  const openReport = search['report']
  const openThing = search['thing']
  const showAlarm = useCallback(
    (alarm: Alarm) => {
      setSearch({ alarm: alarm.id, report: undefined, thing: undefined, tab: undefined })
      if (alarm.location) setFlyTo({ ...alarm.location, zoom: 11.5 })
    },
    [setSearch],
  )
  const close = useCallback(() => setSearch({ alarm: undefined, report: undefined, thing: undefined }), [setSearch])
  const showReport = useCallback(
    (id: string) => {
      setSearch({ report: id, alarm: undefined, thing: undefined, tab: 'reports' })
      const at = reportItems.find(row => row.id === id)?.location
      if (at) setFlyTo({ ...at, zoom: 13 })
    },
    [setSearch, reportItems],
  )
  const showThing = useCallback((id: string) => setSearch({ thing: id, alarm: undefined, report: undefined }), [setSearch])

  const keys = tab === 'alarms' ? order : reportItems.map(row => row.id)
  const move = (by: number) => {
    const at = cursor === undefined ? -1 : keys.indexOf(cursor)
    const next = keys[Math.min(keys.length - 1, Math.max(0, at < 0 ? 0 : at + by))]
    if (next) setCursor(next)
  }
  const open = (then?: () => void) => {
    const alarm = alarmItems.find(a => a.id === cursor)
    if (tab === 'reports' && cursor) showReport(cursor)
    else if (alarm) {
      showAlarm(alarm)
      then?.()
    } else if (cursor) setToggle({ key: cursor })
  }
  const acknowledge = () => {
    if (openAlarm && (!cursor || cursor === openAlarm)) setFocusNote({})
    else open(() => setFocusNote({}))
  }
  const key = (name: string, run: () => void) => ({ label: t(`ioc:keys.${name}`), run })
  useKeys(t('ioc:title'), {
    j: key('j', () => move(1)),
    k: key('k', () => move(-1)),
    ArrowDown: { run: () => move(1) },
    ArrowUp: { run: () => move(-1) },
    Enter: key('enter', () => open()),
    ...(tab === 'alarms' ? { a: key('a', acknowledge) } : {}),
    1: key('1', () => setSearch({ tab: undefined })),
    ...(seesReports ? { 2: key('2', () => setSearch({ tab: 'reports' })) } : {}),
    w: key('w', () => setSearch({ wall: wall ? undefined : '1' })),
    Escape: key('esc', close),
  })

  const points = useMemo<MapPoint[]>(
    () => (tab === 'reports' ? reportItems.flatMap(row => (row.location ? [{ id: row.id, ...row.location, mark: row.phase }] : [])) : []),
    [tab, reportItems],
  )
  const worst = stationItems.reduce<Thing | undefined>((a, b) => (b.state === 'ok' && (aqiOf(b) ?? -1) > (a ? (aqiOf(a) ?? -1) : -1) ? b : a), undefined)
  const worstAqi = worst ? aqiOf(worst) : undefined
  const chosenPoint = openReport ?? openThing ?? alarmItems.find(a => a.id === openAlarm)?.entity

  const alarmsEnd = useCallback(() => {
    if (alarms.hasNextPage && !alarms.isFetchingNextPage) void alarms.fetchNextPage()
  }, [alarms.hasNextPage, alarms.isFetchingNextPage, alarms.fetchNextPage])
  const reportsEnd = useCallback(() => {
    if (reports.hasNextPage && !reports.isFetchingNextPage) void reports.fetchNextPage()
  }, [reports.hasNextPage, reports.isFetchingNextPage, reports.fetchNextPage])

  return (
    <div className={cx('ioc', (openAlarm || openReport || openThing) && 'ioc-open')}>
      <VitalsStrip
        worst={worst && worstAqi !== undefined ? { aqi: <AqiBadge aqi={worstAqi} />, name: worst.name, open: () => showThing(worst.id) } : undefined}
        onSeverity={s => setSearch({ severity: s, state: undefined, tab: undefined })}
        onWaiting={() => setSearch({ severity: undefined, state: undefined, tab: undefined })}
        wall={wall}
        onWall={() => setSearch({ wall: wall ? undefined : '1' })}
        onHelp={showKeys}
      />
      <aside className="ioc-left" aria-label={t('ioc:left')}>
        {seesReports ? (
          <div className="ioc-tabs">
            <Segments label={t('ioc:left')} value={tab} onChange={value => setSearch({ tab: value === 'reports' ? 'reports' : undefined })} options={[{ value: 'alarms', label: t('ioc:tabs.alarms') }, { value: 'reports', label: t('ioc:tabs.reports') }]} />
          </div>
        ) : null}
        {tab === 'alarms' ? (
          <Fence key="alarms">
            <div className="ioc-filters">
              <Select aria-label={t('ioc:filter.state')} value={state} onChange={e => setSearch({ state: e.target.value === 'open' ? undefined : e.target.value })}>
                {STATES.map(s => <option key={s} value={s}>{s === 'open' || s === 'all' ? t(`ioc:filter.${s}`) : SUPPRESSED.some(x => x === s) ? t(`ioc:aside.kind.${s}`) : t(`alarm.${s}`)}</option>)}
              </Select>
              <Select aria-label={t('ioc:filter.severity')} value={severity ?? ''} onChange={e => setSearch({ severity: e.target.value || undefined })}>
                <option value="">{t('ioc:filter.any_severity')}</option>
                {SEVERITIES.map(s => <option key={s} value={s}>{t(`severity.${s}`)}</option>)}
              </Select>
            </div>
            <nav className="ioc-more" aria-label={t('ioc:more.title')}>
              <a href="/ioc/alarms/figures">{t('ioc:more.figures')}</a>
              <a href="/ioc/alarms/aside">{t('ioc:more.aside')}</a>
              {counted.length > 0 ? <Button look="quiet" size="small" icon={<X size={16} aria-hidden />} onClick={() => setSearch(Object.fromEntries(COUNTED.map(key => [key, undefined])))}>{t('ioc:more.all')}</Button> : null}
            </nav>
            {flood ? <p className="flood-note" role="status">{t('ioc:more.flood', { where: (load.data?.positions ?? []).filter(p => p.storm_since).map(p => p.unit_name || t('ioc:figures.no_unit')).slice(0, 3).join(', ') })}</p> : null}
            {alarms.data ? (
              <AlarmList alarms={alarmItems} cursor={cursor} onCursor={setCursor} chosen={openAlarm} onOpen={showAlarm} fresh={fresh} now={now} filtered={state !== 'open' || Boolean(severity) || counted.length > 0} flood={flood} onEnd={alarmsEnd} onLines={setOrder} toggle={toggle} />
            ) : alarms.error ? (
              <Failed error={alarms.error} onRetry={() => void alarms.refetch()} />
            ) : (
              <Loading rows={6} />
            )}
          </Fence>
        ) : (
          <Fence key="reports">
            {reports.data ? (
              <IncomingList rows={reportItems} cursor={cursor} chosen={openReport} fresh={fresh} now={now} onOpen={row => { setCursor(row.id); showReport(row.id) }} onEnd={reportsEnd} />
            ) : reports.error ? (
              <Failed error={reports.error} onRetry={() => void reports.refetch()} />
            ) : (
              <Loading rows={6} />
            )}
          </Fence>
        )}
      </aside>
      <div className="ioc-map">
        <LiveMap
          label={t('ioc:map')} home={home} communes={communes.data} points={points} chosen={chosenPoint} cluster={tab === 'reports'} quiet={tab === 'reports'} flyTo={flyTo} large={wall}
          onPoint={showReport} onThing={showThing} onAlarm={alarm => { setCursor(alarm.id); setSearch({ alarm: alarm.id, report: undefined, thing: undefined }) }}
        />
      </div>
      <aside className="ioc-right-panel" aria-label={t('ioc:detail')}>
        {openAlarm || openReport || openThing ? (
          <>
            <Button className="ioc-close" look="quiet" size="small" iconOnly icon={<X size={20} aria-hidden />} onClick={close}>{t('ui.close')}</Button>
            <Fence key={openAlarm ?? openReport ?? openThing}>
              {openAlarm ? <AlarmPanel id={openAlarm} focusNote={focusNote} onPlace={alarm => alarm.location && setFlyTo({ ...alarm.location, zoom: 14 })} onOpen={id => setSearch({ alarm: id })} /> : openReport ? <IncomingPanel id={openReport} /> : openThing ? <ThingPanel id={openThing} /> : null}
            </Fence>
          </>
        ) : (
          <Empty icon={<MousePointerClick size={30} aria-hidden />} title={t('ioc:nothing')}>{t('ioc:nothing_body')}</Empty>
        )}
      </aside>
    </div>
  )
}
