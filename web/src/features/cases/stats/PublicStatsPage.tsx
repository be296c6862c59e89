import { CalendarRange, Download, Map as MapIcon, Rss } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { CaseStats } from '@/api'
import { useStats } from '@/api/cases'
import { useT } from '@/i18n'
import { Empty, Figure, format, Loaded, PageHeader, Segments, Select, useTitle } from '@/ui'
import '../cases.css'

type Row = CaseStats['rows'][number]
const GROUPS = ['unit', 'category', 'area', 'month'] as const
const DAYS = ['30', '90', '365', '1095'] as const

/** Nothing to divide by is no share, not 0 %. */
function share(part: number, whole: number): string {
  return whole > 0 ? format.percent(part / whole) : '–'
}
const span = (minutes: number | null | undefined) => (minutes === null || minutes === undefined ? '–' : format.span(minutes))

/** How each unit answers, for everybody: counts, times, shares, and the data behind them. */
export default function PublicStatsPage() {
  const t = useT()
  useTitle(t('citizen:stats.title'))
  const [group, setGroup] = useState<(typeof GROUPS)[number]>('unit')
  const [days, setDays] = useState<string>('90')
  const from = useMemo(() => new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - Number(days) * 86_400_000).toISOString(), [days])
  const stats = useStats({ group, from })
  const name = (row: Row) => (group === 'month' ? format.month(row.key) : row.name || row.key)
  return (
    <div className="wrap page">
      <PageHeader title={t('citizen:stats.title')} lead={t('citizen:stats.lead')} />
      <div className="desk-tools">
        <Segments label={t('citizen:stats.by')} value={group} onChange={setGroup} options={GROUPS.map(value => ({ value, label: t(`citizen:stats.group.${value}`) }))} />
        <Select aria-label={t('citizen:stats.time')} value={days} onChange={e => setDays(e.target.value)}>
          {DAYS.map(d => <option key={d} value={d}>{t('citizen:stats.days', { n: d })}</option>)}
        </Select>
      </div>
      <Loaded of={stats} height="4rem" rows={6}>
        {data => {
          const sum = (key: 'opened' | 'closed' | 'on_time' | 'rated' | 'satisfied') => data.rows.reduce((total, row) => total + row[key], 0)
          return data.rows.length === 0 ? (
            <Empty title={t('citizen:stats.none')}>{t('citizen:stats.none_body')}</Empty>
          ) : (
            <>
              <div className="figures">
                <Figure value={format.number(sum('opened'))} label={t('citizen:stats.opened')} />
                <Figure value={format.number(sum('closed'))} label={t('citizen:stats.closed')} />
                <Figure value={share(sum('on_time'), sum('closed'))} label={t('citizen:stats.on_time')} />
                <Figure value={share(sum('satisfied'), sum('rated'))} label={t('citizen:stats.satisfied')} />
              </div>
              <div className="stats-table" tabIndex={0} role="region" aria-label={t('citizen:stats.title')}>
                <table>
                  <thead>
                    <tr>
                      {(['name', 'opened', 'closed', 'overdue', 'on_time', 'median', 'p90', 'unsolved', 'reopened', 'satisfied'] as const).map(key => <th key={key} scope="col">{key === 'name' ? t(`citizen:stats.group.${group}`) : t(`citizen:stats.${key}`)}</th>)}
                    </tr>
                  </thead>
                  <tbody>
                    {(group === 'month' ? data.rows : [...data.rows].sort((a, b) => b.opened - a.opened)).map(row => (
                      <tr key={row.key}>
                        <th scope="row">{name(row)}</th>
                        <td>{format.number(row.opened)}</td>
                        <td>{format.number(row.closed)}</td>
                        <td>{format.number(row.overdue)}</td>
                        <td>{share(row.on_time, row.closed)}</td>
                        <td>{span(row.median_minutes)}</td>
                        <td>{span(row.p90_minutes)}</td>
                        <td>{share(row.unsolved, row.closed)}</td>
                        <td>{share(row.reopened, row.opened)}</td>
                        <td>{row.rated > 0 ? `${share(row.satisfied, row.rated)} (${format.number(row.rated)})` : '–'}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <p className="small quiet">{t('citizen:stats.how', { from: format.date(data.from), to: format.date(data.to) })}</p>
            </>
          )
        }}
      </Loaded>
      <p className="row">
        <a className="bit" href="/stats/map"><MapIcon size={16} aria-hidden /> {t('citizen:density.open')}</a>
        <a className="bit" href={`/stats/${new Date().getFullYear()}`}><CalendarRange size={16} aria-hidden /> {t('citizen:year.report', { year: new Date().getFullYear() })}</a>
        <a className="bit" href="/api/cases/public.csv" download="phan-anh.csv"><Download size={16} aria-hidden /> {t('citizen:stats.csv')}</a>
        <a className="bit" href="/api/cases/public.atom"><Rss size={16} aria-hidden /> {t('citizen:stats.feed')}</a>
        <a href="/open311/discovery.xml">Open311</a>
      </p>
    </div>
  )
}
