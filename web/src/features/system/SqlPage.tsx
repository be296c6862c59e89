import { Download, Play, Save, Trash2 } from 'lucide-react'
import { useMemo, useState, type FormEvent } from 'react'
import { ApiError, useChangeQuery, useDropQuery, useHistoryQuery, useSavedQueries, useSaveQuery, type HistoryTable, type SavedQuery } from '@/api'
import { useT } from '@/i18n'
import { Button, Card, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, PageHeader, Select, TextArea, toast, toastError, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'
import { download, toCsv } from './csv'
import './system.css'

const EXAMPLES: readonly { key: string; sql: string }[] = [
  { key: 'latest', sql: 'select entity, attribute, max(t) as latest, count(*) as n\nfrom observation\ngroup by entity, attribute\norder by latest desc\nlimit 200' },
  { key: 'daily', sql: "select entity, date_trunc('day', t + interval '7 hours') as day, avg(v) as mean, max(v) as high, count(*) as n\nfrom observation\nwhere attribute = 'pm25' and quality < 16\ngroup by entity, day\norder by day desc, entity\nlimit 1000" },
  { key: 'worst', sql: "select entity, t, v\nfrom observation\nwhere attribute = 'vnAqi'\norder by v desc\nlimit 100" },
  { key: 'area', sql: 'select area, attribute, count(*) as n, avg(v) as mean\nfrom observation\nwhere area is not null\ngroup by area, attribute\norder by area, attribute\nlimit 1000' },
  { key: 'columns', sql: "select column_name, data_type from information_schema.columns where table_name = 'observation'" },
]

const SHARES: readonly SavedQuery['shared'][] = ['me', 'unit', 'all']

type Row = { key: string; cells: readonly unknown[] }

function Result({ table }: { table: HistoryTable }) {
  const t = useT()
  const rows = useMemo<Row[]>(() => table.rows.map((cells, i) => ({ key: String(i), cells })), [table])
  const columns = useMemo<Column<Row>[]>(
    () =>
      table.columns.map((name, i) => {
        const numeric = table.rows.some(r => typeof r[i] === 'number')
        return {
          id: `${i}-${name}`,
          header: name,
          value: r => { const v = r.cells[i]; return typeof v === 'number' || typeof v === 'string' ? v : undefined },
          cell: r => { const v = r.cells[i]; return <span className="clip" title={String(v ?? '')}>{typeof v === 'number' ? format.number(v, 4) : v === null || v === undefined ? '–' : typeof v === 'object' ? JSON.stringify(v) : String(v)}</span> },
          width: numeric ? 'minmax(8rem, 12rem)' : 'minmax(12rem, 1fr)',
          ...(numeric ? { align: 'end' as const } : {}),
        }
      }),
    [table],
  )
  if (table.rows.length === 0) return <Empty title={t('admin:sql.none')}>{t('admin:sql.none_body')}</Empty>
  return (
    <div className="stack-s">
      <div className="spread">
        <span className="quiet tnum">{t('admin:sql.rows', { n: format.number(table.rows.length) })}</span>
        <Button look="secondary" size="small" icon={<Download size={16} aria-hidden />} onClick={() => download('dothi.csv', toCsv(table.columns, table.rows))}>{t('admin:sql.csv')}</Button>
      </div>
      {table.truncated ? <Note tone="high">{t('admin:sql.truncated')}</Note> : null}
      <DataTable label={t('admin:sql.result')} rows={rows} columns={columns} rowKey={r => r.key} rowHeight={44} />
    </div>
  )
}

/** Gives a statement a name, or changes one's own. */
function Keep({ sql, before, onClose }: { sql: string; before: SavedQuery | undefined; onClose: (kept?: SavedQuery) => void }) {
  const t = useT()
  const save = useSaveQuery()
  const change = useChangeQuery()
  const [name, setName] = useState(before?.name ?? '')
  const [shared, setShared] = useState<SavedQuery['shared']>(before?.mine ? before.shared : 'me')
  const done = { onSuccess: (kept: SavedQuery) => { toast(t('admin:sql.saved_done')); onClose(kept) } }
  const send = (event: FormEvent) => {
    event.preventDefault()
    const query = { name: name.trim(), sql, shared }
    if (before?.mine) change.mutate({ id: before.id, ...query }, done)
    else save.mutate(query, done)
  }
  return (
    <Dialog open onClose={() => onClose()} title={t('admin:sql.save')}>
      <form className="stack" onSubmit={send}>
        <Field label={t('admin:sql.name')}>{ids => <Input {...ids} required maxLength={120} value={name} onChange={e => setName(e.target.value)} />}</Field>
        <Field label={t('admin:sql.shared')}>
          {ids => (
            <Select {...ids} value={shared} onChange={e => setShared(SHARES.find(s => s === e.target.value) ?? 'me')}>
              {SHARES.map(s => <option key={s} value={s}>{t(`admin:sql.share.${s}`)}</option>)}
            </Select>
          )}
        </Field>
        <FailedNote error={save.error ?? change.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={() => onClose()}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending || change.isPending}>{t('admin:sql.save')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Queries that oneself and others have kept. */
function Saved({ onChoose, chosen }: { onChoose: (query: SavedQuery | undefined) => void; chosen: SavedQuery | undefined }) {
  const t = useT()
  const saved = useSavedQueries()
  const drop = useDropQuery()
  const remove = (id: string) => drop.mutate(id, { onSuccess: () => { if (chosen?.id === id) onChoose(undefined) }, onError: toastError })
  return (
    <Card tight>
      <h2 style={{ fontSize: 'var(--size-m)', marginBottom: 'var(--s2)' }}>{t('admin:sql.saved')}</h2>
      <Loaded of={saved} rows={2}>
        {page => page.items.length === 0 ? <p className="small quiet">{t('admin:sql.saved_none')}</p> : (
          <ul className="sql-examples">
            {page.items.map(query => (
              <li key={query.id} className="row">
                <button type="button" className="grow" aria-pressed={chosen?.id === query.id} onClick={() => onChoose(query)}>{query.name}{query.mine ? null : <span className="small quiet"> · {query.owner_name}</span>}</button>
                {query.mine ? <Button look="quiet" size="small" icon={<Trash2 size={16} aria-hidden />} aria-label={t('admin:sql.drop', { name: query.name })} busy={drop.isPending && drop.variables === query.id} onClick={() => remove(query.id)} /> : null}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  )
}

/** Read-only SQL over everything observed. */
export default function SqlPage() {
  const t = useT()
  useTitle(t('admin:sql.title'))
  const [sql, setSql] = useState(EXAMPLES[0]?.sql ?? '')
  const [chosen, setChosen] = useState<SavedQuery>()
  const [keeping, setKeeping] = useState(false)
  const query = useHistoryQuery()
  const reason = query.error instanceof ApiError ? query.error.more['reason'] : undefined
  const run = () => query.mutate(sql)
  return (
    <>
      <PageHeader title={t('admin:sql.title')} lead={t('admin:sql.lead')} />
      <div className="sql">
        <Card>
          <form className="stack" onSubmit={e => { e.preventDefault(); run() }}>
            <Field label={t('admin:sql.statement')} hint={t('admin:sql.hint')}>
              {ids => <TextArea {...ids} spellCheck={false} autoComplete="off" maxLength={20_000} value={sql} onChange={e => setSql(e.target.value)} onKeyDown={e => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run() } }} />}
            </Field>
            <FailedNote error={query.error} />
            {typeof reason === 'string' ? <p className="mono">{reason}</p> : null}
            <div className="row">
              <Button type="submit" busy={query.isPending} disabled={!sql.trim()} icon={<Play size={18} aria-hidden />}>{t('admin:sql.run')}</Button>
              <Button look="secondary" disabled={!sql.trim()} icon={<Save size={18} aria-hidden />} onClick={() => setKeeping(true)}>{t('admin:sql.save')}</Button>
            </div>
          </form>
        </Card>
        <div className="stack">
          <Saved chosen={chosen} onChoose={q => { setChosen(q); if (q) setSql(q.sql) }} />
          <Card tight>
            <h2 style={{ fontSize: 'var(--size-m)', marginBottom: 'var(--s2)' }}>{t('admin:sql.examples')}</h2>
            <div className="sql-examples">
              {EXAMPLES.map(example => <button key={example.key} type="button" onClick={() => { setSql(example.sql); setChosen(undefined) }}>{t(`admin:sql.example.${example.key}`)}</button>)}
            </div>
          </Card>
        </div>
        <div className="sql-result">{query.data ? <Result table={query.data} /> : null}</div>
      </div>
      {keeping ? <Keep sql={sql} before={chosen} onClose={kept => { setKeeping(false); if (kept) setChosen(kept) }} /> : null}
    </>
  )
}
