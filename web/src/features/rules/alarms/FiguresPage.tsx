import { useMemo } from 'react'
import { useAlarmFigures, useAlarmLoad, type AlarmFigures, type AlarmOften } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Card, cx, format, LinkButton, Loaded, Note, PageHeader, Segments, SeverityBadge, useTitle } from '@/ui'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { DataTable, useSearch, type Column } from '@/ui/rich'
import './alarms.css'

const SPANS = ['1', '7', '31'] as const
const DAY = 86_400_000

function alarmsLink(filter: Record<string, string | undefined>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(filter)) if (value) search.set(key, value)
  return `/ioc?${search.toString()}`
}

interface Held {
  key: string
  value: number | undefined
  unit?: string
  /** Keys of the targets: what is good, and what is the most. */
  good?: string
  most: string
  href: string
}

/** Every figure beside what good practice asks; it opens the alarms it counts. */
function Practice({ figures, whose }: { figures: AlarmFigures; whose: Record<string, string | undefined> }) {
  const t = useT()
  const target = (key: string | undefined) => figures.targets.find(x => x.key === key)
  const all = alarmsLink({ state: 'all', from: figures.from, to: figures.to, ...whose })
  const peak = figures.rates.peak_at ? Date.parse(figures.rates.peak_at) : undefined
  const peakAlarms = peak === undefined ? all : alarmsLink({ state: 'all', from: new Date(peak - 600_000).toISOString(), to: new Date(peak + 1).toISOString(), ...whose })
  const positions = Math.max(1, figures.positions.length)
  const held: Held[] = [
    { key: 'per_day', value: figures.rates.per_day / positions, good: 'per-day/acceptable', most: 'per-day/most', href: all },
    { key: 'per_hour', value: figures.rates.per_hour / positions, good: 'per-hour/acceptable', most: 'per-hour/most', href: all },
    { key: 'per_10_min', value: figures.rates.per_10_min / positions, good: 'per-10-min/acceptable', most: 'per-10-min/most', href: all },
    { key: 'peak_10_min', value: figures.rates.peak_10_min, most: 'peak-10-min/most', href: peakAlarms },
    { key: 'busy_10_min', value: figures.rates.busy_10_min, unit: '%', most: 'busy-10-min/most', href: all },
    { key: 'busy_hours', value: figures.rates.busy_hours, unit: '%', most: 'busy-hour/most', href: all },
    { key: 'in_flood', value: figures.rates.in_flood, unit: '%', most: 'in-flood/most', href: '#floods' },
    { key: 'top_share', value: figures.top_share, unit: '%', most: 'top-share/most', href: '#top' },
    { key: 'chattering', value: figures.chattering.length, most: 'chattering/most', href: '#chattering' },
    { key: 'fleeting', value: figures.fleeting.length, most: 'fleeting/most', href: '#fleeting' },
    { key: 'stale', value: figures.stale, most: 'stale/most', href: alarmsLink({ stale: 'true', ...whose }) },
    { key: 'shelved', value: figures.shelved, most: 'shelved/most', href: '/ioc/alarms/aside?kind=shelved' },
  ]
  return (
    <div className="practice">
      {held.map(h => {
        const [good, most] = [target(h.good), target(h.most)]
        const over = h.value !== undefined && most !== undefined && h.value > most.value
        const near = !over && h.value !== undefined && good !== undefined && h.value > good.value
        return (
          <a key={h.key} href={h.href} className={cx(over && 'over', near && 'near')}>
            <span>{t(`ioc:figures.${h.key}`)}</span>
            <b className="tnum">{format.number(h.value, 1)}{h.unit ? ` ${h.unit}` : ''}</b>
            <small>{most ? (good ? t('ioc:figures.aim_two', { good: format.number(good.value), most: format.number(most.value) }) : t('ioc:figures.aim', { most: format.number(most.value) })) : t('ioc:figures.no_aim')}{over ? ` · ${t('ioc:figures.over')}` : ''}</small>
          </a>
        )
      })}
    </div>
  )
}

function Ranks({ rows, figures, id, title, empty, times }: { rows: readonly AlarmOften[]; figures: AlarmFigures; id: string; title: string; empty: string; times: string }) {
  const t = useT()
  const lng = useLanguage()
  return (
    <Card id={id}>
      <h2>{title}</h2>
      {rows.length === 0 ? <p className="quiet">{empty}</p> : (
        <ol className="ranks">
          {rows.slice(0, 10).map(row => (
            <li key={`${row.rule} ${row.entity}`}>
              <a href={alarmsLink({ state: 'all', rule: row.rule, entity: row.entity, from: figures.from, to: figures.to })}>
                <span><strong>{named(lng, row.title, row.title_en)}</strong><br /><span className="small quiet">{row.entity_name}</span></span>
                <span className="tnum">{t(times, { n: format.number(row.times), share: format.number(row.share) })}</span>
              </a>
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}

function Days({ figures }: { figures: AlarmFigures }) {
  const t = useT()
  const aim = figures.targets.find(x => x.key === 'per-day/most')?.value
  const option = useMemo(
    () => (c: ChartColours) => ({
      legend: { textStyle: { color: c.quiet }, top: 0 },
      grid: { left: 4, right: 12, top: 36, bottom: 4, containLabel: true },
      xAxis: { type: 'category', data: figures.days.map(d => format.dayMonth(d.day)), axisLabel: { color: c.quiet, hideOverlap: true } },
      yAxis: { type: 'value', axisLabel: { color: c.quiet }, splitLine: { lineStyle: { color: c.line } } },
      series: [
        { type: 'bar', name: t('ioc:figures.shown'), data: figures.days.map(d => d.alarms), stack: 'all', markLine: aim === undefined ? undefined : { symbol: 'none', silent: true, data: [{ yAxis: aim, lineStyle: { color: c.token('critical'), type: 'dashed' }, label: { formatter: format.number(aim), color: c.token('critical') } }] } },
        { type: 'bar', name: t('ioc:figures.kept'), data: figures.days.map(d => d.raw - d.alarms), stack: 'all' },
      ],
    }),
    [figures, aim, t],
  )
  return <Chart option={option} height="16rem" summary={t('ioc:figures.days_summary', { n: format.number(figures.rates.alarms), raw: format.number(figures.raw), days: figures.days.length })} />
}

export default function FiguresPage() {
  const t = useT()
  useTitle(t('ioc:figures.title'))
  const [search, setSearch] = useSearch()
  const span = SPANS.find(s => s === search['days']) ?? '7'
  const { unit, sector } = search
  // To the minute, so that the same question is asked again.
  const now = Math.floor(Date.now() / 60_000) * 60_000
  const from = useMemo(() => new Date(now - Number(span) * DAY).toISOString(), [span, now])
  const whose = { ...(unit === undefined ? {} : { unit }), ...(sector === undefined ? {} : { sector }) }
  const figures = useAlarmFigures({ from, ...whose })
  const load = useAlarmLoad()
  const columns = useMemo<Column<AlarmFigures['positions'][number]>[]>(
    () => [
      { id: 'unit', header: t('ioc:figures.position'), value: p => p.unit_name, cell: p => <span><strong>{p.unit_name || t('ioc:figures.no_unit')}</strong><br /><span className="small quiet">{p.sector}</span></span>, width: 'minmax(14rem, 2fr)' },
      { id: 'alarms', header: t('ioc:figures.shown'), value: p => p.rates.alarms, cell: p => <span className="tnum">{format.number(p.rates.alarms)}</span>, width: '8rem', align: 'end' },
      { id: 'day', header: t('ioc:figures.per_day'), value: p => p.rates.per_day, cell: p => <span className="tnum">{format.number(p.rates.per_day)}</span>, width: '9rem', align: 'end' },
      { id: 'ten', header: t('ioc:figures.per_10_min'), value: p => p.rates.per_10_min, cell: p => <span className="tnum">{format.number(p.rates.per_10_min, 2)}</span>, width: '9rem', align: 'end' },
      { id: 'peak', header: t('ioc:figures.peak_10_min'), value: p => p.rates.peak_10_min, cell: p => <span className="tnum">{p.rates.peak_10_min}</span>, width: '9rem', align: 'end' },
      { id: 'flood', header: t('ioc:figures.in_flood'), value: p => p.rates.in_flood, cell: p => <span className="tnum">{format.number(p.rates.in_flood, 2)} %</span>, width: '9rem', align: 'end' },
      { id: 'now', header: t('ioc:figures.last_10'), cell: p => { const l = load.data?.positions.find(x => x.unit === p.unit && x.sector === p.sector); return l ? <span className="tnum">{l.last_10_min}{l.storm_since ? <> <Badge tone="critical">{t('ioc:figures.flood_now')}</Badge></> : null}</span> : '–' }, width: '10rem', align: 'end' },
    ],
    [t, load.data],
  )
  return (
    <>
      <PageHeader title={t('ioc:figures.title')} lead={t('ioc:figures.lead')} actions={<LinkButton look="quiet" href="/ioc">{t('ioc:title')}</LinkButton>} />
      <div className="tools">
        <Segments label={t('ioc:figures.span')} value={span} onChange={days => setSearch({ days })} options={SPANS.map(value => ({ value, label: t('ioc:figures.days_n', { n: value }) }))} />
        {unit !== undefined || sector !== undefined ? <LinkButton look="secondary" size="small" href={`/ioc/alarms/figures?days=${span}`}>{t('ioc:figures.all_positions')}</LinkButton> : null}
      </div>
      <Loaded of={figures}>
        {f => (
          <div className="stack">
            {f.truncated ? <Note tone="medium">{t('ioc:figures.truncated')}</Note> : null}
            {f.targets.length === 0 ? <Note tone="medium">{t('ioc:figures.no_practice')}</Note> : <Note tone="medium">{t('ioc:figures.source', { source: f.source })}</Note>}
            <Practice figures={f} whose={whose} />
            <div className="board">
              <Card className="wide"><h2>{t('ioc:figures.by_day')}</h2><Days figures={f} /></Card>
              <Card className="wide">
                <h2>{t('ioc:figures.positions')}</h2>
                {f.positions.length === 0 ? <p className="quiet">{t('ioc:figures.none')}</p> : <DataTable label={t('ioc:figures.positions')} rows={f.positions} columns={columns} rowKey={p => `${p.unit} ${p.sector}`} href={p => `/ioc/alarms/figures?days=${span}&unit=${encodeURIComponent(p.unit)}&sector=${encodeURIComponent(p.sector)}`} height="18rem" rowHeight={60} />}
              </Card>
              <Card>
                <h2>{t('ioc:figures.priorities')}</h2>
                <ul className="ranks">
                  {f.severities.map(s => (
                    <li key={s.severity}><a href={alarmsLink({ state: 'all', severity: s.severity, from: f.from, to: f.to, ...whose })}><span><SeverityBadge severity={s.severity} /></span><span className="tnum">{format.number(s.alarms)} · {format.number(s.share)} %</span></a></li>
                  ))}
                </ul>
                <p className="small quiet">{t('ioc:figures.split', Object.fromEntries(['low', 'medium', 'high'].map(p => [p, format.number(f.targets.find(x => x.key === `priority-${p}/about`)?.value)])))}</p>
              </Card>
              <Card id="floods">
                <h2>{t('ioc:figures.floods', { n: f.flood_count })}</h2>
                {f.floods.length === 0 ? <p className="quiet">{t('ioc:figures.no_floods')}</p> : (
                  <ol className="ranks">
                    {f.floods.slice(0, 10).map(flood => (
                      <li key={flood.from}><a href={alarmsLink({ state: 'all', from: flood.from, to: flood.to, ...whose })}><span className="tnum"><strong>{format.dateTime(flood.from)}</strong><br /><span className="small quiet">{flood.open ? t('ioc:figures.flood_now') : format.span((Date.parse(flood.to) - Date.parse(flood.from)) / 60_000)}</span></span><span className="tnum">{t('ioc:figures.flood_size', { n: flood.alarms, peak: flood.peak })}</span></a></li>
                    ))}
                  </ol>
                )}
              </Card>
              <Ranks id="top" rows={f.top} figures={f} title={t('ioc:figures.top')} empty={t('ioc:figures.none')} times="ioc:figures.times_share" />
              <Ranks id="chattering" rows={f.chattering} figures={f} title={t('ioc:figures.chattering')} empty={t('ioc:figures.no_chattering')} times="ioc:figures.episodes" />
              <Ranks id="fleeting" rows={f.fleeting} figures={f} title={t('ioc:figures.fleeting')} empty={t('ioc:figures.no_fleeting')} times="ioc:figures.times" />
              <Card>
                <h2>{t('ioc:figures.aside')}</h2>
                <ul className="ranks">
                  <li><a href="/ioc/alarms/aside?kind=shelved"><span>{t('ioc:aside.kind.shelved')}</span><span className="tnum">{f.shelved}</span></a></li>
                  <li><a href={alarmsLink({ state: 'suppressed', ...whose })}><span>{t('ioc:aside.kind.suppressed')}</span><span className="tnum">{f.suppressed}</span></a></li>
                  <li><a href={alarmsLink({ state: 'out-of-service', ...whose })}><span>{t('ioc:aside.kind.out-of-service')}</span><span className="tnum">{f.out_of_service}</span></a></li>
                </ul>
              </Card>
            </div>
          </div>
        )}
      </Loaded>
    </>
  )
}
