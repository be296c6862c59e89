/** Widgets of rows: alarms, incidents, cases, silent devices; and the map of them. */
import { BellOff, Siren } from 'lucide-react'
import { useContext, useMemo, type ReactNode } from 'react'
import { useAlarms, useCommunes, useDesk, useDevices, useIncidents, useMe, useThings, useThingsGeo, type Alarm, type Incident, type Severity } from '@/api'
import type { Widget } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap, type MapPoint, type Mark } from '@/map'
import { aqiLevel, Badge, cx, Due, Empty, format, go, Loaded, SeverityBadge, SeverityIcon, useNow } from '@/ui'
import { clock, OnWall, titleOf } from './shared'

const MOST = 50
const RANK: Record<Severity, number> = { critical: 0, high: 1, medium: 2, low: 3, info: 4 }

function useWidgetAlarms({ set }: Widget) {
  const list = useAlarms({ state: 'open', limit: 200, ...(set.severity ? { severity: set.severity } : {}), ...(set.area ? { area: set.area } : {}) })
  const rows = useMemo(() => (list.data?.items ?? []).toSorted((a, b) => Number(b.state === 'active') - Number(a.state === 'active') || RANK[a.severity] - RANK[b.severity] || Date.parse(b.raised_at) - Date.parse(a.raised_at)), [list.data])
  return { list, rows }
}

function More({ shown, all }: { shown: number; all: boolean }) {
  const t = useT()
  return all ? null : <p className="small quiet">{t('boards:more', { n: shown })}</p>
}

function Calm() {
  const t = useT()
  return <Empty icon={<BellOff size={26} aria-hidden />} title={t('boards:no_alarms')} />
}

export function AlarmsBody({ widget }: { widget: Widget }) {
  const lng = useLanguage()
  const t = useT()
  const now = useNow()
  const { list, rows } = useWidgetAlarms(widget)
  return (
    <Loaded of={list}>
      {({ next }) => rows.length === 0 ? <Calm /> : (
        <>
          <ul className="widget-rows">
            {rows.slice(0, MOST).map(alarm => (
              <li key={alarm.id}>
                <a className={cx('widget-row', `tone-${alarm.severity}`)} href={`/ioc?alarm=${encodeURIComponent(alarm.id)}`}>
                  <SeverityIcon severity={alarm.severity} size={20} />
                  <span className="grow">
                    <strong className="lines-2">{named(lng, alarm.title, alarm.title_en)}</strong>
                    <span className="small quiet clip">{[t(`severity.${alarm.severity}`), t(`alarm.${alarm.state}`), alarm.entity_name, alarm.area_name].filter(Boolean).join(' · ')}</span>
                  </span>
                  <time className="small tnum">{format.ago(alarm.raised_at, now)}</time>
                </a>
              </li>
            ))}
          </ul>
          <More shown={Math.min(MOST, rows.length)} all={rows.length <= MOST && !next} />
        </>
      )}
    </Loaded>
  )
}

function since(incident: Incident, now: number): string {
  return clock(((incident.ended_at ? Date.parse(incident.ended_at) : now) - Date.parse(incident.opened_at)) / 1000)
}

export function IncidentsBody() {
  const t = useT()
  const lng = useLanguage()
  const now = useNow(1_000)
  const list = useIncidents({ view: 'open', drill: false })
  return (
    <Loaded of={list}>
      {data => {
        const rows = data.pages[0]?.items ?? []
        if (rows.length === 0) return <Empty icon={<Siren size={26} aria-hidden />} title={t('boards:no_incidents')} />
        return (
          <>
            <ul className="widget-rows">
              {rows.slice(0, MOST).map(incident => (
                <li key={incident.id}>
                  <a className={cx('widget-row', `tone-${incident.severity}`)} href={`/ioc/incidents?id=${encodeURIComponent(incident.id)}`}>
                    <SeverityIcon severity={incident.severity} size={20} />
                    <span className="grow">
                      <strong className="lines-2">{incident.title}</strong>
                      <span className="small quiet clip">{[t(`severity.${incident.severity}`), incident.code, named(lng, incident.state_name, incident.state_name_en), incident.place.area_name].filter(Boolean).join(' · ')}</span>
                    </span>
                    <time className="tnum strong">{since(incident, now)}</time>
                  </a>
                </li>
              ))}
            </ul>
            <More shown={Math.min(MOST, rows.length)} all={rows.length <= MOST && !data.pages[0]?.next} />
          </>
        )
      }}
    </Loaded>
  )
}

interface Column<T> {
  head: string
  cell: (row: T) => ReactNode
  end?: boolean
}

function Rows<T>({ label, rows, columns, keyOf, all, none }: { label: string; rows: readonly T[]; columns: readonly Column<T>[]; keyOf: (row: T) => string; all: boolean; none: string }) {
  if (rows.length === 0) return <Empty title={none} />
  return (
    <>
      <table className="plain widget-table">
        <caption className="visually-hidden">{label}</caption>
        <thead><tr>{columns.map(c => <th key={c.head} scope="col" className={c.end ? 'end' : undefined}>{c.head}</th>)}</tr></thead>
        <tbody>{rows.slice(0, MOST).map(row => <tr key={keyOf(row)}>{columns.map(c => <td key={c.head} className={c.end ? 'end' : undefined}>{c.cell(row)}</td>)}</tr>)}</tbody>
      </table>
      <More shown={Math.min(MOST, rows.length)} all={all && rows.length <= MOST} />
    </>
  )
}

function AlarmTable({ widget }: { widget: Widget }) {
  const t = useT()
  const lng = useLanguage()
  const now = useNow()
  const { list, rows } = useWidgetAlarms(widget)
  const columns: Column<Alarm>[] = [
    { head: t('boards:col.severity'), cell: a => <SeverityBadge severity={a.severity} /> },
    { head: t('boards:col.what'), cell: a => <a href={`/ioc?alarm=${encodeURIComponent(a.id)}`}>{named(lng, a.title, a.title_en)}</a> },
    { head: t('boards:col.where'), cell: a => [a.entity_name, a.area_name].filter(Boolean).join(', ') },
    { head: t('boards:col.since'), cell: a => format.ago(a.raised_at, now), end: true },
  ]
  return <Loaded of={list}>{({ next }) => <Rows label={titleOf(widget)} rows={rows} columns={columns} keyOf={a => a.id} all={!next} none={t('boards:no_alarms')} />}</Loaded>
}

function IncidentTable({ widget }: { widget: Widget }) {
  const t = useT()
  const lng = useLanguage()
  const now = useNow(1_000)
  const list = useIncidents({ view: 'open', drill: false })
  const columns: Column<Incident>[] = [
    { head: t('boards:col.code'), cell: i => <a href={`/ioc/incidents?id=${encodeURIComponent(i.id)}`}>{i.code}</a> },
    { head: t('boards:col.severity'), cell: i => <SeverityBadge severity={i.severity} /> },
    { head: t('boards:col.what'), cell: i => i.title },
    { head: t('boards:col.state'), cell: i => <Badge tone={i.phase}>{named(lng, i.state_name, i.state_name_en)}</Badge> },
    { head: t('boards:col.since'), cell: i => since(i, now), end: true },
  ]
  return <Loaded of={list}>{data => <Rows label={titleOf(widget)} rows={data.pages[0]?.items ?? []} columns={columns} keyOf={i => i.id} all={!data.pages[0]?.next} none={t('boards:no_incidents')} />}</Loaded>
}

function CaseTable({ widget }: { widget: Widget }) {
  const t = useT()
  const list = useDesk({ view: 'all', sort: 'due' })
  return (
    <Loaded of={list}>
      {data => (
        // What people wrote stays off boards: they hang on walls.
        <Rows
          label={titleOf(widget)}
          rows={data.pages[0]?.items ?? []}
          keyOf={row => row.id}
          all={!data.pages[0]?.next}
          none={t('boards:no_cases')}
          columns={[
            { head: t('boards:col.code'), cell: row => <a href={`/work/${row.id}`}>{row.code}</a> },
            { head: t('boards:col.what'), cell: row => row.category_name },
            { head: t('boards:col.unit'), cell: row => row.unit.name },
            { head: t('boards:col.due'), cell: row => <Due at={row.due_at} />, end: true },
          ]}
        />
      )}
    </Loaded>
  )
}

function SilentTable({ widget }: { widget: Widget }) {
  const t = useT()
  const now = useNow()
  const list = useDevices({ state: 'silent' })
  return (
    <Loaded of={list}>
      {data => (
        <Rows
          label={titleOf(widget)}
          rows={data.pages[0]?.items ?? []}
          keyOf={row => row.id}
          all={!data.pages[0]?.next}
          none={t('boards:no_silent')}
          columns={[
            { head: t('boards:col.device'), cell: row => row.name },
            { head: t('boards:col.profile'), cell: row => row.profile },
            { head: t('boards:col.seen'), cell: row => (row.last_seen ? format.ago(row.last_seen, now) : t('boards:never')), end: true },
          ]}
        />
      )}
    </Loaded>
  )
}

export function TableBody({ widget }: { widget: Widget }) {
  const { rows } = widget.set
  if (rows === 'incidents') return <IncidentTable widget={widget} />
  if (rows === 'cases') return <CaseTable widget={widget} />
  return rows === 'silent-devices' ? <SilentTable widget={widget} /> : <AlarmTable widget={widget} />
}

function useAlarmPoints(widget: Widget): MapPoint[] {
  const { rows } = useWidgetAlarms(widget)
  return rows.flatMap(a => (a.location ? [{ id: `/ioc?alarm=${encodeURIComponent(a.id)}`, ...a.location, mark: a.severity }] : []))
}

function useThingPoints(type: string | undefined): MapPoint[] {
  const geo = useThingsGeo(type)
  const things = useThings({ ...(type ? { type } : {}), limit: 200 })
  return useMemo(() => {
    const known = new Map((things.data?.items ?? []).map(thing => [thing.id, thing]))
    return (geo.data?.features ?? []).flatMap((feature): MapPoint[] => {
      if (feature.geometry.type !== 'Point') return []
      const [lon = 0, lat = 0] = feature.geometry.coordinates
      const id = String(feature.properties?.['id'] ?? '')
      const aqi = known.get(id)?.attributes['vnAqi']?.value
      const level = typeof aqi === 'number' ? aqiLevel(aqi) : undefined
      const mark: Mark = level ? `aqi-${level}` : feature.properties?.['state'] === 'ok' ? 'ok' : 'silent'
      return [{ id: `/ioc?thing=${encodeURIComponent(id)}`, lon, lat, mark, ...(typeof aqi === 'number' ? { label: String(Math.round(aqi)) } : {}), darkLabel: (level ?? 0) >= 5 }]
    })
  }, [geo.data, things.data])
}

function Place({ widget, points }: { widget: Widget; points: readonly MapPoint[] }) {
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const wall = useContext(OnWall)
  return <div className="widget-map"><CityMap label={titleOf(widget)} home={home} communes={communes.data} points={points} cluster={points.length > 200} bare={widget.w < 5} large={wall} onPoint={go} /></div>
}

function AlarmMap({ widget }: { widget: Widget }) {
  return <Place widget={widget} points={useAlarmPoints(widget)} />
}
function ThingMap({ widget }: { widget: Widget }) {
  return <Place widget={widget} points={useThingPoints(widget.set.type)} />
}
function CaseMap({ widget }: { widget: Widget }) {
  const list = useDesk({ view: 'all', sort: 'opened' })
  return <Place widget={widget} points={(list.data?.pages[0]?.items ?? []).flatMap(row => (row.location ? [{ id: `/work/${row.id}`, ...row.location, mark: row.phase }] : []))} />
}
function IncidentMap({ widget }: { widget: Widget }) {
  const list = useIncidents({ view: 'open', drill: false })
  return <Place widget={widget} points={(list.data?.pages[0]?.items ?? []).flatMap(i => (i.place.point ? [{ id: `/ioc/incidents?id=${encodeURIComponent(i.id)}`, ...i.place.point, mark: i.severity }] : []))} />
}

export function MapBody({ widget }: { widget: Widget }) {
  const { layer } = widget.set
  if (layer === 'things') return <ThingMap widget={widget} />
  if (layer === 'cases') return <CaseMap widget={widget} />
  return layer === 'incidents' ? <IncidentMap widget={widget} /> : <AlarmMap widget={widget} />
}
