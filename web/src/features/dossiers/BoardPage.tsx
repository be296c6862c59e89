import { FileUp, X } from 'lucide-react'
import { useMemo, useState } from 'react'
import { can, useDossierBoard, useDossierCatalogue, useDossiers, useMe, type BoardBy, type BoardRow, type DossierBoard, type DossierRow, type DossierWhat } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Empty, Figure, format, Loaded, PageHeader, SearchBox, Segments, Select, useTitle } from '@/ui'
import { DataTable, PagedTable, useSearch, type Column } from '@/ui/rich'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { ImportDialog } from './ImportDialog'
import { Marks, perCent, StandingBadge } from './parts'
import './dossiers.css'

const BY = ['unit', 'commune', 'procedure'] as const
const WHAT = ['overdue', 'soon', 'waiting', 'open', 'late', 'ended', 'all'] as const
const SPANS = ['1', '3', '12', 'year'] as const

/** The months of a span that ends now. */
function months(span: (typeof SPANS)[number], now: Date): { from: string; to: string } {
  const key = (at: Date) => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`
  const from = span === 'year' ? new Date(now.getFullYear(), 0, 1) : new Date(now.getFullYear(), now.getMonth() - Number(span) + 1, 1)
  return { from: key(from), to: key(now) }
}

function Trend({ board }: { board: DossierBoard }) {
  const t = useT()
  const option = useMemo(
    () => (c: ChartColours) => ({
      grid: { left: 4, right: 4, top: 34, bottom: 4, containLabel: true },
      legend: { top: 0, left: 0, textStyle: { color: c.quiet } },
      tooltip: { trigger: 'axis' },
      xAxis: { type: 'category', data: board.months.map(m => format.month(m.key)), axisLabel: { color: c.quiet }, axisLine: { lineStyle: { color: c.line } } },
      yAxis: [
        { type: 'value', axisLabel: { color: c.quiet }, splitLine: { lineStyle: { color: c.line } } },
        { type: 'value', min: 0, max: 100, axisLabel: { color: c.quiet, formatter: '{value} %' }, splitLine: { show: false } },
      ],
      series: [
        { type: 'bar', name: t('dossiers:col.received'), data: board.months.map(m => m.received), itemStyle: { color: c.brand }, barMaxWidth: 34 },
        { type: 'bar', name: t('dossiers:col.late'), data: board.months.map(m => m.late), itemStyle: { color: c.token('critical') }, barMaxWidth: 34 },
        { type: 'line', name: t('dossiers:col.on_time'), yAxisIndex: 1, data: board.months.map(m => m.on_time), itemStyle: { color: c.token('good') }, lineStyle: { width: 3 }, symbolSize: 8 },
      ],
    }),
    [board, t],
  )
  return <Chart option={option} height={260} summary={t('dossiers:trend_of', { n: board.months.length })} />
}

function Rows({ board, onOpen }: { board: DossierBoard; onOpen: (row: BoardRow) => void }) {
  const t = useT()
  const columns = useMemo<Column<BoardRow>[]>(
    () => [
      { id: 'name', header: t(`dossiers:by.${board.by}`), value: r => r.name, cell: r => <span className="lines-2" title={r.name}>{r.name || t('dossiers:no_commune')}</span>, width: 'minmax(13rem, 2.4fr)' },
      { id: 'overdue', header: t('dossiers:col.overdue'), value: r => r.overdue, cell: r => <span className={r.overdue > 0 ? 'due-late strong' : undefined}>{format.number(r.overdue)}</span>, width: '6rem', align: 'end' },
      { id: 'soon', header: t('dossiers:col.soon'), value: r => r.soon, cell: r => format.number(r.soon), width: '6rem', align: 'end' },
      { id: 'open', header: t('dossiers:col.open'), value: r => r.open, cell: r => format.number(r.open), width: '6rem', align: 'end' },
      { id: 'waiting', header: t('dossiers:col.waiting'), value: r => r.waiting, cell: r => format.number(r.waiting), width: '6.5rem', align: 'end' },
      { id: 'received', header: t('dossiers:col.received'), value: r => r.received, cell: r => format.number(r.received), width: '6.5rem', align: 'end' },
      { id: 'on_time', header: t('dossiers:col.on_time'), value: r => r.on_time ?? undefined, cell: r => format.percent(perCent(r.on_time), 1), width: '6.5rem', align: 'end' },
      { id: 'online', header: t('dossiers:col.online'), value: r => (r.received ? r.online / r.received : undefined), cell: r => format.percent(r.received ? r.online / r.received : undefined), width: '7rem', align: 'end' },
      { id: 'median', header: t('dossiers:col.median'), value: r => r.median_days ?? undefined, cell: r => format.number(r.median_days), width: '6.5rem', align: 'end' },
      { id: 'p90', header: t('dossiers:col.p90'), value: r => r.p90_days ?? undefined, cell: r => format.number(r.p90_days), width: '6.5rem', align: 'end' },
    ],
    [t, board.by],
  )
  return <DataTable label={t('dossiers:title')} rows={board.rows} columns={columns} rowKey={r => r.key || '-'} onOpen={onOpen} height="60dvh" />
}

function List({ what, place }: { what: DossierWhat; place: { unit?: string; procedure?: string; commune?: string } }) {
  const t = useT()
  const [code, setCode] = useState('')
  const list = useDossiers({ what, ...place, ...(code.trim().length > 2 ? { code: code.trim() } : {}) })
  const columns = useMemo<Column<DossierRow>[]>(
    () => [
      { id: 'code', header: t('dossiers:col.code'), cell: r => <span className="tnum nowrap">{r.code}</span>, width: 'minmax(14rem, 1fr)' },
      { id: 'procedure', header: t('dossiers:by.procedure'), cell: r => <span className="lines-2" title={r.procedure_name}>{r.procedure_name}</span>, width: 'minmax(13rem, 2fr)' },
      { id: 'unit', header: t('dossiers:by.unit'), cell: r => <span className="lines-2">{r.unit.name}</span>, width: 'minmax(10rem, 1.4fr)' },
      { id: 'standing', header: t('dossiers:col.standing'), cell: r => <StandingBadge standing={r.standing} />, width: '10.5rem' },
      { id: 'received', header: t('dossiers:col.received_at'), cell: r => format.date(r.received_at), width: '7.75rem' },
      { id: 'due', header: t('dossiers:col.due'), cell: r => format.date(r.due_at), width: '7.75rem' },
      { id: 'promised', header: t('dossiers:col.promised'), cell: r => (r.promised_at ? format.date(r.promised_at) : '–'), width: '7.75rem' },
    ],
    [t],
  )
  return (
    <div className="stack">
      <SearchBox label={t('dossiers:search_code')} value={code} onChange={setCode} />
      <PagedTable pages={list} label={t(`dossiers:what.${what}`)} columns={columns} rowKey={r => r.code} href={r => `/work/dossiers/${encodeURIComponent(r.code)}`}>
        <Empty title={t('dossiers:none')}>{t('dossiers:none_body')}</Empty>
      </PagedTable>
    </div>
  )
}

export default function BoardPage() {
  const t = useT()
  useTitle(t('dossiers:title'))
  const [search, setSearch] = useSearch()
  const [importing, setImporting] = useState(false)
  const me = useMe()
  const catalogue = useDossierCatalogue()
  const by: BoardBy = BY.find(b => b === search['by']) ?? 'unit'
  const what = WHAT.find(w => w === search['list'])
  const span = SPANS.find(s => s === search['span']) ?? 'year'
  const period = useMemo(() => months(span, new Date()), [span])
  const place = { ...(search['unit'] ? { unit: search['unit'] } : {}), ...(search['procedure'] ? { procedure: search['procedure'] } : {}), ...(search['commune'] ? { commune: search['commune'] } : {}) }
  // A commune and a procedure at once are a list, not a board.
  const { procedure, commune, ...unit } = place
  const board = useDossierBoard({ by, ...period, ...unit, ...(by === 'unit' && procedure ? { procedure } : {}), ...(by !== 'procedure' && !procedure && commune ? { commune } : {}) })
  const open = (row: BoardRow) => {
    if (by === 'unit') setSearch({ unit: row.key, by: 'procedure' })
    else setSearch({ [by]: row.key || '-', list: row.overdue > 0 ? 'overdue' : 'all' })
  }
  const names: Record<string, string | undefined> = {
    unit: board.data?.rows.find(r => by === 'unit' && r.key === search['unit'])?.name ?? search['unit'],
    procedure: catalogue.data?.procedures.find(p => p.code === search['procedure'])?.name ?? search['procedure'],
    commune: board.data?.rows.find(r => by === 'commune' && r.key === search['commune'])?.name ?? search['commune'],
  }
  const total = board.data?.total
  const show = (list: DossierWhat) => () => setSearch({ list })
  return (
    <>
      <PageHeader
        title={t('dossiers:title')}
        lead={board.data ? t('dossiers:lead', { at: format.dateTime(board.data.at) }) : undefined}
        actions={can(me.data, 'dossier-write') ? <Button look="secondary" icon={<FileUp size={18} aria-hidden />} onClick={() => setImporting(true)}>{t('dossiers:import.title')}</Button> : undefined}
      />
      {total ? (
        <div className="dossier-figures">
          <Figure value={format.number(total.overdue)} label={t('dossiers:col.overdue')} tone={total.overdue > 0 ? 'critical' : undefined} onOpen={show('overdue')} />
          <Figure value={format.number(total.soon)} label={t('dossiers:col.soon')} tone={total.soon > 0 ? 'high' : undefined} onOpen={show('soon')} />
          <Figure value={format.number(total.open)} label={t('dossiers:col.open')} onOpen={show('open')} />
          <Figure value={format.number(total.waiting)} label={t('dossiers:col.waiting')} onOpen={show('waiting')} />
          <Figure value={format.number(total.received)} label={t('dossiers:col.received')} onOpen={show('all')} />
          <Figure value={format.percent(perCent(total.on_time), 1)} label={t('dossiers:col.on_time')} tone="good" onOpen={show('late')} />
        </div>
      ) : null}
      <div className="dossier-tools">
        {what ? (
          <Segments label={t('dossiers:list')} value={what} onChange={list => setSearch({ list })} options={WHAT.map(w => ({ value: w, label: t(`dossiers:what.${w}`) }))} />
        ) : (
          <Segments label={t('dossiers:by.label')} value={by} onChange={b => setSearch({ by: b === 'unit' ? undefined : b })} options={BY.map(b => ({ value: b, label: t(`dossiers:by.${b}`) }))} />
        )}
        <Select aria-label={t('dossiers:span.label')} value={span} onChange={e => setSearch({ span: e.target.value === 'year' ? undefined : e.target.value })}>
          {SPANS.map(s => <option key={s} value={s}>{t(`dossiers:span.${s}`)}</option>)}
        </Select>
        {(['unit', 'procedure', 'commune'] as const).map(key =>
          search[key] ? (
            <Button key={key} look="secondary" size="small" className="dossier-chip" onClick={() => setSearch({ [key]: undefined })}>
              <span className="clip">{search[key] === '-' ? t('dossiers:no_commune') : names[key]}</span> <X size={15} aria-hidden />
              <span className="visually-hidden">{t('dossiers:drop')}</span>
            </Button>
          ) : null,
        )}
        {what ? <Button look="quiet" size="small" onClick={() => setSearch({ list: undefined })}>{t('dossiers:back_to_board')}</Button> : null}
      </div>
      {what ? (
        <List what={what} place={place} />
      ) : (
        <Loaded of={board} rows={6} height="3.5rem">
          {data =>
            data.rows.length === 0 ? (
              <Empty title={t('dossiers:empty')}>{t('dossiers:empty_body')}</Empty>
            ) : (
              <div className="stack">
                <Rows board={data} onOpen={open} />
                <p className="small quiet">{t('dossiers:span_note', { from: format.month(data.from), to: format.month(data.to), soon: format.date(data.soon_until) })}</p>
                {data.months.length > 1 ? <Trend board={data} /> : null}
              </div>
            )
          }
        </Loaded>
      )}
      {catalogue.data?.policy ? <Marks marks={catalogue.data.policy.marks} title={t('dossiers:rules', { cutoff: catalogue.data.policy.cutoff })} /> : null}
      {catalogue.data?.procedures.some(p => p.status !== 'confirmed') ? <p className="small quiet"><Badge tone="high">{t('dossiers:status.unconfirmed')}</Badge> {t('dossiers:procedures_note')}</p> : null}
      {importing ? <ImportDialog onClose={() => setImporting(false)} /> : null}
    </>
  )
}
