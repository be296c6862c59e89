import { ChevronLeft, ChevronRight, Printer } from 'lucide-react'
import { useYear, type StatRow, type YearReport } from '@/api/openness'
import { useT } from '@/i18n'
import { Button, Empty, Figure, format, Loaded, PageHeader, useTitle } from '@/ui'
import '../cases.css'

function share(part: number, whole: number): string {
  return whole > 0 ? format.percent(part / whole) : '–'
}
const span = (minutes: number | null | undefined) => (minutes === null || minutes === undefined ? '–' : format.span(minutes))

/** How a figure changed against the year before, with its sign. */
function change(now: number, before: number | undefined): string {
  return before === undefined || before === 0 ? '–' : `${now >= before ? '+' : '−'}${format.percent(Math.abs(now - before) / before)}`
}

function Months({ report }: { report: YearReport }) {
  const t = useT()
  const months = Array.from({ length: 12 }, (_, i) => String(i + 1).padStart(2, '0'))
  const of = (rows: readonly StatRow[], year: number, month: string) => rows.find(r => r.key === `${year}-${month}`)?.opened ?? 0
  const most = Math.max(1, ...report.months.map(r => r.opened), ...report.months_before.map(r => r.opened))
  return (
    <div className="stats-table" tabIndex={0} role="region" aria-label={t('citizen:year.months')}>
      <table className="year-months">
        <thead><tr><th scope="col">{t('citizen:stats.group.month')}</th><th scope="col">{report.year}</th><th scope="col">{report.year - 1}</th><th scope="col" aria-hidden /></tr></thead>
        <tbody>
          {months.map(month => {
            const [now, before] = [of(report.months, report.year, month), of(report.months_before, report.year - 1, month)]
            return (
              <tr key={month}>
                <th scope="row">{format.month(`${report.year}-${month}`)}</th>
                <td>{format.number(now)}</td>
                <td>{format.number(before)}</td>
                <td className="year-bars" aria-hidden><i style={{ width: `${(now / most) * 100}%` }} /><i className="before" style={{ width: `${(before / most) * 100}%` }} /></td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function Rows({ title, rows, before }: { title: string; rows: readonly StatRow[]; before?: readonly StatRow[] }) {
  const t = useT()
  return (
    <>
      <h2>{title}</h2>
      <div className="stats-table" tabIndex={0} role="region" aria-label={title}>
        <table>
          <thead>
            <tr>
              <th scope="col">{title}</th>
              <th scope="col">{t('citizen:stats.opened')}</th>
              {before ? <th scope="col">{t('citizen:year.change')}</th> : null}
              <th scope="col">{t('citizen:stats.closed')}</th>
              <th scope="col">{t('citizen:stats.on_time')}</th>
              <th scope="col">{t('citizen:stats.median')}</th>
              <th scope="col">{t('citizen:stats.p90')}</th>
              <th scope="col">{t('citizen:stats.satisfied')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr key={row.key}>
                <th scope="row">{row.name || row.key || '–'}</th>
                <td>{format.number(row.opened)}</td>
                {before ? <td>{change(row.opened, before.find(b => b.key === row.key)?.opened)}</td> : null}
                <td>{format.number(row.closed)}</td>
                <td>{share(row.on_time, row.closed)}</td>
                <td>{span(row.median_minutes)}</td>
                <td>{span(row.p90_minutes)}</td>
                <td>{row.rated > 0 ? `${share(row.satisfied, row.rated)} (${format.number(row.rated)})` : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function Sheet({ report }: { report: YearReport }) {
  const t = useT()
  const { total, before } = report
  if (!total) return <Empty title={t('citizen:year.empty')}>{t('citizen:year.empty_body')}</Empty>
  const lines: [string, string, string][] = [
    [t('citizen:stats.opened'), format.number(total.opened), before ? format.number(before.opened) : '–'],
    [t('citizen:stats.closed'), format.number(total.closed), before ? format.number(before.closed) : '–'],
    [t('citizen:stats.on_time'), share(total.on_time, total.closed), before ? share(before.on_time, before.closed) : '–'],
    [t('citizen:stats.median'), span(total.median_minutes), before ? span(before.median_minutes) : '–'],
    [t('citizen:stats.p90'), span(total.p90_minutes), before ? span(before.p90_minutes) : '–'],
    [t('citizen:year.solved'), share(total.solved, total.closed), before ? share(before.solved, before.closed) : '–'],
    [t('citizen:stats.reopened'), share(total.reopened, total.opened), before ? share(before.reopened, before.opened) : '–'],
    [t('citizen:stats.satisfied'), share(total.satisfied, total.rated), before ? share(before.satisfied, before.rated) : '–'],
  ]
  return (
    <>
      <div className="figures">
        <Figure value={format.number(total.opened)} label={t('citizen:stats.opened')} />
        <Figure value={share(total.closed, total.opened)} label={t('citizen:year.ended')} />
        <Figure value={share(total.on_time, total.closed)} label={t('citizen:stats.on_time')} />
        <Figure value={share(total.satisfied, total.rated)} label={t('citizen:stats.satisfied')} />
      </div>
      <h2>{t('citizen:year.compared')}</h2>
      <div className="stats-table" tabIndex={0} role="region" aria-label={t('citizen:year.compared')}>
        <table>
          <thead><tr><th scope="col">{t('citizen:year.figure')}</th><th scope="col">{report.year}</th><th scope="col">{report.over ? report.year - 1 : t('citizen:year.same_span', { year: report.year - 1 })}</th></tr></thead>
          <tbody>{lines.map(([what, now, then]) => <tr key={what}><th scope="row">{what}</th><td>{now}</td><td>{then}</td></tr>)}</tbody>
        </table>
      </div>
      <h2>{t('citizen:year.months')}</h2>
      <Months report={report} />
      <Rows title={t('citizen:stats.group.category')} rows={report.categories} before={report.categories_before} />
      <Rows title={t('citizen:stats.group.unit')} rows={report.units} />
      <Rows title={t('citizen:stats.group.area')} rows={report.areas} />
      <p className="small quiet">{t('citizen:year.how', { from: format.date(report.from), to: format.date(report.to) })}</p>
    </>
  )
}

/** A year in figures beside the year before, to read and to print. */
export default function YearPage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const year = /^\d{4}$/.test(params['year'] ?? '') ? Number(params['year']) : new Date().getFullYear()
  useTitle(t('citizen:year.title', { year }))
  const report = useYear(year)
  return (
    <div className="wrap page year-report">
      <PageHeader
        title={t('citizen:year.title', { year })}
        lead={report.data && !report.data.over ? t('citizen:year.lasting', { at: format.date(report.data.to) }) : t('citizen:year.lead')}
        actions={<Button look="secondary" icon={<Printer size={18} aria-hidden />} onClick={() => print()}>{t('citizen:year.print')}</Button>}
      />
      <nav className="row no-print" aria-label={t('citizen:year.other')}>
        <a className="bit" href={`/stats/${year - 1}`}><ChevronLeft size={16} aria-hidden /> {year - 1}</a>
        {year < new Date().getFullYear() ? <a className="bit" href={`/stats/${year + 1}`}>{year + 1} <ChevronRight size={16} aria-hidden /></a> : null}
        <a href="/stats">{t('citizen:stats.title')}</a>
      </nav>
      <Loaded of={report} height="4rem" rows={6}>{data => <Sheet report={data} />}</Loaded>
    </div>
  )
}
