import { ArrowLeft, CircleCheck, CircleMinus, PencilLine } from 'lucide-react'
import { useMemo, useState } from 'react'
import { can, useIndicator, useMe, useScorecard, type Evidence, type IndicatorDetail, type IndicatorValue } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, cx, Empty, Failed, format, Loading, Note, PageHeader, useTitle } from '@/ui'
import { DataTable, useSearch, type Column } from '@/ui/rich'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { EnterValue } from './EnterValue'
import { FormulaBadge, settledText, StandingBadge, StatedText, StatusBadge, valueText } from './parts'
import './oversight.css'

function Trend({ detail }: { detail: IndicatorDetail }) {
  const t = useT()
  const lng = useLanguage()
  const { indicator } = detail
  const target = indicator.target.number
  const option = useMemo(
    () => (c: ChartColours) => ({
      grid: { left: 4, right: 16, top: 28, bottom: 4, containLabel: true },
      xAxis: { type: 'category', data: indicator.trend.map(p => p.period), axisLabel: { color: c.quiet }, axisLine: { lineStyle: { color: c.line } } },
      yAxis: { type: 'value', name: indicator.unit, nameTextStyle: { color: c.quiet, align: 'left' }, axisLabel: { formatter: (v: number) => format.number(v), color: c.quiet }, splitLine: { lineStyle: { color: c.line } }, scale: true, max: (range: { max: number }) => (target === undefined ? undefined : Math.max(range.max, target)) },
      series: [
        {
          type: 'line', data: indicator.trend.map(p => p.number), symbolSize: 8, lineStyle: { width: 3 },
          ...(target === undefined ? {} : { markLine: { symbol: 'none', silent: true, data: [{ yAxis: target }], lineStyle: { color: c.token('good'), type: 'dashed', width: 2 }, label: { formatter: `${t('lead:col.target')} ${indicator.target.text}`, position: 'insideEndTop', color: c.token('good'), fontWeight: 600 } } }),
        },
      ],
    }),
    [indicator, target, t],
  )
  if (indicator.trend.length === 0) return <p className="quiet">{t('lead:no_trend')}</p>
  return <Chart option={option} height={240} summary={t('lead:trend_of', { name: named(lng, indicator.name, indicator.name_en), from: format.number(indicator.trend[0]?.number), to: format.number(indicator.trend.at(-1)?.number) })} />
}

function Past({ values }: { values: readonly IndicatorValue[] }) {
  const t = useT()
  if (values.length === 0) return <p className="quiet">{t('lead:no_values')}</p>
  return (
    <ol className="value-list">
      {values.map(v => (
        <li key={v.id}>
          <div className="spread"><b className="tnum">{settledText(v, t)}</b><StatusBadge status={v.status} /></div>
          <span className="small quiet tnum">{[v.period, v.numerator === undefined ? undefined : `${format.number(v.numerator)} / ${format.number(v.denominator)}`, v.source === 'reported' ? (v.entered_by ?? t('lead:reported')) : t('lead:by_platform'), format.dateTime(v.entered_at)].filter(Boolean).join(' · ')}</span>
          {v.note ? <p className="small">{v.note}</p> : null}
          {v.evidence_url && /^https?:/.test(v.evidence_url) ? <a className="small" href={v.evidence_url} target="_blank" rel="noreferrer">{t('lead:evidence_link')}</a> : null}
          {v.decided_by ? <span className="small quiet">{t(v.status === 'rejected' ? 'lead:rejected_by' : 'lead:approved_by', { name: v.decided_by, at: format.dateTime(v.decided_at) })}</span> : null}
          {v.reason ? <p className="small">{t('lead:reason')}: {v.reason}</p> : null}
        </li>
      ))}
    </ol>
  )
}

function Rows({ evidence }: { evidence: readonly Evidence[] }) {
  const t = useT()
  const counted = evidence.filter(e => e.counts).length
  const columns = useMemo<Column<Evidence>[]>(
    () => [
      { id: 'label', header: t('lead:evidence.row'), value: e => e.label, cell: e => (/^(\/|https?:)/.test(e.link) ? <a href={e.link}>{e.label}</a> : e.label), width: 'minmax(10rem, 1fr)' },
      { id: 'counts', header: t('lead:evidence.counts'), value: e => (e.counts ? 1 : 0), cell: e => (e.counts ? <Badge tone="good" icon={<CircleCheck size={14} aria-hidden />}>{t('lead:evidence.yes')}</Badge> : <Badge icon={<CircleMinus size={14} aria-hidden />}>{t('lead:evidence.no')}</Badge>), width: '11rem' },
    ],
    [t],
  )
  if (evidence.length === 0) return <Empty title={t('lead:evidence.none')}>{t('lead:evidence.none_body')}</Empty>
  return (
    <div className="stack-s">
      <p className="small quiet">{t('lead:evidence.sum', { n: counted, total: evidence.length })}</p>
      <DataTable label={t('lead:evidence.title')} rows={evidence} columns={columns} rowKey={e => `${e.link} ${e.label}`} rowHeight={48} height="26rem" />
    </div>
  )
}

function Body({ detail }: { detail: IndicatorDetail }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const [entering, setEntering] = useState(false)
  const { indicator, formula } = detail
  const columns = detail.set.columns
  // The detail names its headings by code; the card has their words.
  const card = useScorecard({ set: detail.set.code, area: detail.area, period: detail.period })
  const heading = (code: string) => { const group = card.data?.groups.find(g => g.code === code); return group ? named(lng, group.name, group.name_en) : code }
  const shown = valueText(indicator.value, indicator.unit)
  return (
    <>
      <a className="small back" href={`/lead?set=${encodeURIComponent(detail.set.code)}&area=${encodeURIComponent(detail.area)}&period=${encodeURIComponent(detail.period)}`}><ArrowLeft size={15} aria-hidden /> {named(lng, detail.set.title, detail.set.title_en)}</a>
      <PageHeader
        title={named(lng, indicator.name, indicator.name_en)}
        lead={[indicator.code, ...detail.path.map(heading)].join(' · ')}
        actions={can(me.data, 'indicator-report') ? <Button icon={<PencilLine size={18} aria-hidden />} onClick={() => setEntering(true)}>{t('lead:enter.title')}</Button> : undefined}
      />
      {indicator.value?.status === 'pending' ? <Note tone="waiting">{t('lead:pending_note')}</Note> : indicator.waiting ? <Note tone="waiting">{t('lead:waiting_note')}</Note> : null}
      <div className="indicator-grid">
        <div className="stack">
          <Card>
            <div className="stated">
              <div><span>{named(lng, columns.base, columns.base_en)}</span><b><StatedText stated={indicator.base} unit={indicator.unit} /></b></div>
              <div><span>{named(lng, columns.forecast, columns.forecast_en)}</span><b><StatedText stated={indicator.forecast} unit={indicator.unit} /></b></div>
              <div><span>{named(lng, columns.target, columns.target_en)}</span><b><StatedText stated={indicator.target} unit={indicator.unit} /></b></div>
              <div className="stated-now">
                <span>{detail.area_name} · {detail.period}</span>
                <b className={cx('tnum', indicator.value?.status === 'pending' && 'quiet')}>{shown ?? t('lead:no_value')}</b>
                <span className="row"><StandingBadge standing={indicator.standing} />{indicator.value ? <StatusBadge status={indicator.value.status} /> : null}{indicator.achievement === undefined ? null : <span className="small quiet tnum">{t('lead:achieved', { n: format.number(indicator.achievement) })}</span>}</span>
              </div>
            </div>
          </Card>
          <Card><div className="stack-s"><h2>{t('lead:trend_title')}</h2><Trend detail={detail} /></div></Card>
          <Card><div className="stack-s"><h2>{t('lead:evidence.title')}</h2><Rows evidence={detail.evidence} /></div></Card>
        </div>
        <div className="stack">
          <Card>
            <div className="stack-s">
              <h2>{t('lead:formula.title')}</h2>
              <div className="row"><FormulaBadge indicator={indicator} /></div>
              {formula.status === 'proposed' ? <p className="small quiet">{t('lead:formula.proposed_note', { label: named(lng, formula.label, formula.label_en) || t('lead:formula.proposed') })}</p> : null}
              {formula.denominator ? (
                <div className="fraction"><span>{formula.numerator}</span><span>{formula.denominator}</span></div>
              ) : (
                <p>{formula.numerator}</p>
              )}
              {indicator.value?.numerator !== undefined && indicator.value.denominator !== undefined ? <p className="tnum strong">{format.number(indicator.value.numerator)} / {format.number(indicator.value.denominator)} = {shown}</p> : null}
              <dl className="lead-facts">
                <div><dt>{t('lead:unit')}</dt><dd>{indicator.unit || '–'}</dd></div>
                <div><dt>{t('lead:col.lead')}</dt><dd>{indicator.lead || '–'}</dd></div>
                <div><dt>{t('lead:source')}</dt><dd>{detail.set.source_act}</dd></div>
              </dl>
              {detail.measure ? <Note tone={detail.measure.proxy ? 'medium' : 'info'}><strong>{t('lead:by_platform')}</strong> <span className="code">{detail.measure.name}</span><br />{named(lng, detail.measure.note, detail.measure.note_en)}</Note> : null}
            </div>
          </Card>
          <Card><div className="stack-s"><h2>{t('lead:past')}</h2><Past values={detail.values} /></div></Card>
        </div>
      </div>
      {entering ? <EnterValue detail={detail} onClose={() => setEntering(false)} /> : null}
    </>
  )
}

export default function IndicatorPage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const [search] = useSearch()
  const detail = useIndicator(params['set'] ?? '', params['code'] ?? '', { ...(search['area'] ? { area: search['area'] } : {}), ...(search['period'] ? { period: search['period'] } : {}) })
  useTitle(detail.data ? `${detail.data.indicator.code} ${detail.data.indicator.name}` : t('lead:title'))
  if (detail.data) return <Body detail={detail.data} />
  if (detail.error) return <Failed error={detail.error} onRetry={() => void detail.refetch()} />
  return <div style={{ paddingTop: 'var(--s5)' }}><Loading height="8rem" /></div>
}
