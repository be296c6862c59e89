import { useMemo } from 'react'
import { useStats, type CaseStats } from '@/api'
import { useT } from '@/i18n'
import { Empty, Figure, format, Loaded, PageHeader, Segments, Select, useTitle } from '@/ui'
import { DataTable, useSearch, type Column } from '@/ui/rich'
import '../cases.css'

type Row = CaseStats['rows'][number]
const GROUPS = ['unit', 'category', 'area', 'month'] as const
const DAYS = ['7', '30', '90', '365'] as const

/** A share of closed reports; nothing closed is no share, not 0 %. */
function share(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined
}

export default function StatsPage() {
  const t = useT()
  useTitle(t('lead:stats.title'))
  const [search, setSearch] = useSearch()
  const group = GROUPS.find(g => g === search['group']) ?? 'unit'
  const days = DAYS.find(d => d === search['days']) ?? '30'
  // The day is the grain, so that the question stays the same while the page is open.
  const from = useMemo(() => new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - Number(days) * 86_400_000).toISOString(), [days])
  const stats = useStats({ group, from })
  const columns = useMemo<Column<Row>[]>(
    () => [
      { id: 'name', header: t(`lead:stats.group.${group}`), value: r => r.name, cell: r => <span className="lines-2" title={r.name}>{group === 'month' ? format.month(r.key) : r.name || r.key}</span>, width: 'minmax(13rem, 2fr)' },
      { id: 'opened', header: t('lead:stats.opened'), value: r => r.opened, cell: r => format.number(r.opened), width: '7rem', align: 'end' },
      { id: 'closed', header: t('lead:stats.closed'), value: r => r.closed, cell: r => format.number(r.closed), width: '7rem', align: 'end' },
      { id: 'open', header: t('lead:stats.open'), value: r => r.open, cell: r => format.number(r.open), width: '7rem', align: 'end' },
      { id: 'overdue', header: t('lead:stats.overdue'), value: r => r.overdue, cell: r => <span className={r.overdue > 0 ? 'due-late strong' : undefined}>{format.number(r.overdue)}</span>, width: '7rem', align: 'end' },
      { id: 'on_time', header: t('lead:stats.on_time'), value: r => share(r.on_time, r.closed), cell: r => format.percent(share(r.on_time, r.closed)), width: '8rem', align: 'end' },
      { id: 'median', header: t('lead:stats.median'), value: r => r.median_minutes ?? undefined, cell: r => (r.median_minutes == null ? '–' : format.span(r.median_minutes)), width: '8rem', align: 'end' },
      { id: 'p90', header: t('lead:stats.p90'), value: r => r.p90_minutes ?? undefined, cell: r => (r.p90_minutes == null ? '–' : format.span(r.p90_minutes)), width: '8rem', align: 'end' },
      { id: 'solved', header: t('lead:stats.solved'), value: r => share(r.solved, r.closed), cell: r => format.percent(share(r.solved, r.closed)), width: '8rem', align: 'end' },
      { id: 'satisfied', header: t('lead:stats.satisfied'), value: r => share(r.satisfied, r.rated), cell: r => (r.rated > 0 ? `${format.percent(share(r.satisfied, r.rated))} (${format.number(r.rated)})` : '–'), width: '9rem', align: 'end' },
    ],
    [t, group],
  )
  return (
    <>
      <PageHeader title={t('lead:stats.title')} lead={t('lead:stats.lead')} />
      <div className="desk-tools">
        <Segments label={t('lead:stats.by')} value={group} onChange={g => setSearch({ group: g === 'unit' ? undefined : g })} options={GROUPS.map(g => ({ value: g, label: t(`lead:stats.group.${g}`) }))} />
        <Select aria-label={t('lead:stats.time')} value={days} onChange={e => setSearch({ days: e.target.value })}>
          {DAYS.map(d => <option key={d} value={d}>{t('lead:stats.days', { n: d })}</option>)}
        </Select>
      </div>
      <Loaded of={stats} height="4rem" rows={6}>
        {data => {
          const sum = (key: 'opened' | 'closed' | 'open' | 'overdue' | 'on_time' | 'rated' | 'satisfied') => data.rows.reduce((total, row) => total + row[key], 0)
          return data.rows.length === 0 ? (
            <Empty title={t('lead:stats.none')}>{t('lead:stats.none_body')}</Empty>
          ) : (
            <>
              <div className="figures">
                <Figure value={format.number(sum('opened'))} label={t('lead:stats.opened')} />
                <Figure value={format.number(sum('closed'))} label={t('lead:stats.closed')} />
                <Figure value={format.number(sum('overdue'))} label={t('lead:stats.overdue')} tone={sum('overdue') > 0 ? 'critical' : undefined} href="/work?view=all&due=overdue" />
                <Figure value={format.percent(share(sum('on_time'), sum('closed')))} label={t('lead:stats.on_time')} />
                <Figure value={format.percent(share(sum('satisfied'), sum('rated')))} label={t('lead:stats.satisfied')} />
              </div>
              <DataTable label={t('lead:stats.title')} rows={data.rows} columns={columns} rowKey={r => r.key} sortBy={[{ id: 'opened', desc: true }]} />
              <p className="small quiet" style={{ marginTop: 'var(--s3)' }}>{t('lead:stats.span', { from: format.date(data.from), to: format.date(data.to) })}</p>
            </>
          )
        }}
      </Loaded>
    </>
  )
}
