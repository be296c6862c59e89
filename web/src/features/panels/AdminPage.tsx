import { FileUp, Plus } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { can, useMe, useOffenders, usePanelAccounts, usePanelCatalogue, usePanelPremises, useStrangers, type PanelAccount, type PanelPremisesRow } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Card, Dialog, Empty, format, Loaded, Note, PageHeader, SearchBox, Segments, useNow, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import { AccountDialog } from './AccountDialog'
import { ImportDialog } from './ImportDialog'
import { PathBadge } from './parts'
import { PremisesDialog } from './PremisesDialog'
import { PremisesFile } from './PremisesFile'
import './panels.css'

const VIEWS = ['accounts', 'premises', 'strangers', 'offenders'] as const
type View = (typeof VIEWS)[number]

function Marks() {
  const t = useT()
  const catalogue = usePanelCatalogue()
  const policy = catalogue.data?.policy
  if (!policy) return null
  return (
    <details className="panel-marks">
      <summary>{t('panels:marks.title')}</summary>
      <p>{t('panels:marks.rules', { confirm: policy.confirm_seconds, past: policy.clock_past, ahead: policy.clock_ahead, supervision: policy.supervision, days: policy.score_days, chronic: policy.chronic })}</p>
      <ul className="panel-list">{policy.marks.map(m => <li key={m.of}><Badge tone={m.status === 'confirmed' ? 'good' : 'high'}>{t(`panels:marks.${m.status}`)}</Badge><span className="grow">{m.source_act}. {m.note}</span></li>)}</ul>
    </details>
  )
}

function Accounts({ q, onOpen }: { q: string; onOpen: (account: PanelAccount) => void }) {
  const t = useT()
  const now = useNow()
  const accounts = usePanelAccounts(q)
  const columns = useMemo<Column<PanelAccount>[]>(
    () => [
      { id: 'account', header: t('panels:account.number'), value: a => a.account, cell: a => <><span className="code clip" style={{ display: 'block' }}>{a.account}</span><span className="small quiet clip">{a.name}</span></>, width: 'minmax(9rem, 1fr)' },
      { id: 'premises', header: t('panels:account.premises'), value: a => a.premises?.name ?? '', cell: a => <span className="clip">{a.premises?.name ?? t('panels:account.none')}</span>, width: 'minmax(10rem, 1.5fr)' },
      { id: 'paths', header: t('panels:account.paths'), value: a => a.paths[0]?.seen_at ?? '', cell: a => <span className="row" style={{ gap: 'var(--s1)' }}>{a.paths.map(p => <PathBadge key={p.path} path={p} now={now} />)}</span>, width: 'minmax(15rem, 2fr)' },
      { id: 'key', header: t('panels:account.key'), value: a => a.key_bits ?? 0, cell: a => (a.key_bits ? <Badge tone="good">{t('panels:account.bits', { n: a.key_bits })}</Badge> : <Badge tone="medium">{t('panels:account.plain')}</Badge>), width: '9rem' },
      { id: 'state', header: t('panels:account.state'), value: a => (a.active ? 1 : 0), cell: a => (a.maintenance_until ? <Badge tone="medium">{t('panels:maintenance.on')}</Badge> : a.active ? <span>{t('panels:account.active')}</span> : <Badge tone="info">{t('panels:account.inactive')}</Badge>), width: '9rem' },
      { id: 'refused', header: t('panels:account.refused'), value: a => a.refused.reduce((n, r) => n + r.n, 0), cell: a => <span className="tnum">{format.number(a.refused.reduce((n, r) => n + r.n, 0))}</span>, width: '7rem', align: 'end' },
    ],
    [t, now],
  )
  return <PagedTable pages={accounts} label={t('panels:view.accounts')} columns={columns} rowKey={a => a.id} onOpen={onOpen} rowHeight={72}><Empty title={t('panels:account.empty')}>{t('panels:account.empty_body')}</Empty></PagedTable>
}

function PremisesTable({ q, onOpen }: { q: string; onOpen: (row: PanelPremisesRow) => void }) {
  const t = useT()
  const premises = usePanelPremises(q)
  const columns = useMemo<Column<PanelPremisesRow>[]>(
    () => [
      { id: 'code', header: t('panels:file.code'), value: p => p.code, cell: p => <span className="code">{p.code}</span>, width: '9rem' },
      { id: 'name', header: t('panels:file.name'), value: p => p.name, cell: p => <><strong className="clip" style={{ display: 'block' }}>{p.name}</strong><span className="small quiet clip">{p.address}</span></>, width: 'minmax(12rem, 2fr)' },
      { id: 'commune', header: t('panels:file.commune'), value: p => p.commune?.name ?? '', cell: p => <span className="clip">{p.commune?.name ?? ''}</span>, width: 'minmax(9rem, 1fr)' },
      { id: 'open', header: t('panels:file.open'), value: p => p.open, cell: p => <span className="tnum">{format.number(p.open)}</span>, width: '8rem', align: 'end' },
    ],
    [t],
  )
  return <PagedTable pages={premises} label={t('panels:view.premises')} columns={columns} rowKey={p => p.id} onOpen={onOpen} rowHeight={64}><Empty title={t('panels:file.empty')}>{t('panels:file.empty_body')}</Empty></PagedTable>
}

function Strangers({ onRegister }: { onRegister: (account: string) => void }) {
  const t = useT()
  const strangers = useStrangers()
  return (
    <Loaded of={strangers}>
      {rows =>
        rows.length === 0 ? (
          <Empty title={t('panels:stranger.none')}>{t('panels:stranger.none_body')}</Empty>
        ) : (
          <Card>
            <p className="quiet">{t('panels:stranger.lead')}</p>
            <ul className="panel-list">
              {rows.map(s => (
                <li key={s.account}>
                  <span className="code">{s.account || '–'}</span>
                  <span className="grow small">{t('panels:stranger.row', { address: s.address, n: s.n, first: format.dateTime(s.first_at), last: format.dateTime(s.last_at) })}</span>
                  <Button look="secondary" size="small" onClick={() => onRegister(s.account)}>{t('panels:account.add')}</Button>
                </li>
              ))}
            </ul>
          </Card>
        )
      }
    </Loaded>
  )
}

function Offenders({ onOpen }: { onOpen: (id: string) => void }) {
  const t = useT()
  const offenders = useOffenders()
  return (
    <Loaded of={offenders}>
      {rows =>
        rows.length === 0 ? (
          <Empty title={t('panels:score.none')}>{t('panels:score.none_body')}</Empty>
        ) : (
          <Card>
            <ul className="panel-list">
              {rows.map(o => (
                <li key={o.premises.id}>
                  <Badge tone="high">{t('panels:score.points', { points: format.number(o.score.points) })}</Badge>
                  <Button look="quiet" size="small" onClick={() => onOpen(o.premises.id)}>{o.premises.name}</Button>
                  <span className="grow small quiet">{t('panels:score.why', { alarms: o.score.alarms, wrong: o.score.wrong, unconfirmed: o.score.unconfirmed, repeats: o.score.repeats, days: o.score.days })}</span>
                </li>
              ))}
            </ul>
          </Card>
        )
      }
    </Loaded>
  )
}

/** Panels with their keys and supervision, premises files, unknown accounts, chronic offenders. */
export default function AdminPage() {
  const t = useT()
  useTitle(t('panels:admin.title'))
  const me = useMe()
  const catalogue = usePanelCatalogue()
  const [search, setSearch] = useSearch()
  const view: View = VIEWS.find(v => v === search['view']) ?? 'accounts'
  const [words, setWords] = useState(search['q'] ?? '')
  const [account, setAccount] = useState<PanelAccount | { account: string }>()
  const [premises, setPremises] = useState<{ id?: string }>()
  const [reading, setReading] = useState<string>()
  const [importing, setImporting] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() || undefined }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const q = search['q'] ?? ''
  const may = can(me.data, 'device-manage')
  return (
    <div className="stack">
      <PageHeader title={t('panels:admin.title')} lead={t('panels:admin.lead')} actions={
        may ? (
          <>
            <Button look="secondary" icon={<FileUp size={18} aria-hidden />} onClick={() => setImporting(true)}>{t('panels:import.title')}</Button>
            <Button look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setPremises({})}>{t('panels:file.add')}</Button>
            <Button icon={<Plus size={18} aria-hidden />} onClick={() => setAccount({ account: '' })}>{t('panels:account.add')}</Button>
          </>
        ) : null
      } />
      {catalogue.data && !catalogue.data.receiving ? <Note tone="medium">{t('panels:not_receiving')}</Note> : null}
      <div className="tools">
        <Segments label={t('panels:view.label')} value={view} onChange={v => setSearch({ view: v === 'accounts' ? undefined : v })} options={VIEWS.map(v => ({ value: v, label: t(`panels:view.${v}`) }))} />
        {view === 'accounts' || view === 'premises' ? <SearchBox label={t('panels:search')} value={words} onChange={setWords} /> : null}
      </div>
      {view === 'accounts' ? <Accounts q={q} onOpen={setAccount} /> : view === 'premises' ? <PremisesTable q={q} onOpen={p => setReading(p.id)} /> : view === 'strangers' ? <Strangers onRegister={number => setAccount({ account: number })} /> : <Offenders onOpen={setReading} />}
      <Marks />
      {account ? <AccountDialog key={'id' in account ? account.id : 'new'} account={account} onClose={() => setAccount(undefined)} /> : null}
      {premises ? <PremisesDialog {...(premises.id ? { id: premises.id } : {})} onClose={() => setPremises(undefined)} /> : null}
      {importing ? <ImportDialog onClose={() => setImporting(false)} /> : null}
      {reading ? (
        <Dialog open wide onClose={() => setReading(undefined)} title={t('panels:file.title')}>
          <PremisesFile id={reading} />
          <div className="dialog-foot"><Button look="quiet" onClick={() => setReading(undefined)}>{t('ui.close')}</Button>{may ? <Button onClick={() => { setPremises({ id: reading }); setReading(undefined) }}>{t('panels:file.change')}</Button> : null}</div>
        </Dialog>
      ) : null}
    </div>
  )
}
