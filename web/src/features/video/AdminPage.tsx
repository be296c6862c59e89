import { FileUp, Plus, Radar } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { can, useCameraCatalogue, useCameraExports, useCameraLog, useCameras, useMe, type CameraRow } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Card, Empty, format, Note, PageHeader, SearchBox, Segments, Select, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import { CameraDialog, type CameraStart } from './CameraDialog'
import { FindDialog } from './FindDialog'
import { ImportDialog } from './ImportDialog'
import { ExportList, LogList } from './lists'
import { StateBadge, useWords } from './parts'
import './video.css'

const VIEWS = ['cameras', 'log', 'exports'] as const
type View = (typeof VIEWS)[number]
const KINDS = ['live', 'replay', 'snapshot', 'export'] as const

function Marks() {
  const t = useT()
  const policy = useCameraCatalogue().data?.policy
  if (!policy) return null
  return (
    <details className="cam-marks">
      <summary>{t('video:marks.title')}</summary>
      <p>{t('video:marks.rules', { look: policy.look_seconds, days: policy.retention_days, minutes: policy.export_minutes, kept: policy.export_days, log: policy.log_days })}</p>
      <ul className="cam-plain">{policy.marks.map(m => <li key={m.of}><Badge tone={m.status === 'confirmed' ? 'good' : 'high'}>{t(`video:marks.${m.status}`)}</Badge> {m.source_act}. {m.note}</li>)}</ul>
    </details>
  )
}

function Cameras({ q, onOpen }: { q: string; onOpen: (camera: CameraRow) => void }) {
  const t = useT()
  const words = useWords()
  const cameras = useCameras({ q })
  const columns = useMemo<Column<CameraRow>[]>(
    () => [
      { id: 'name', header: t('video:field.name'), value: c => c.name, cell: c => <><strong className="clip" style={{ display: 'block' }}>{c.name}</strong><span className="small quiet clip"><span className="code">{c.code}</span> {c.address}</span></>, width: 'minmax(14rem, 2fr)' },
      { id: 'state', header: t('video:field.state'), value: c => c.state, cell: c => (c.active ? <StateBadge camera={c} /> : <Badge tone="info">{t('video:inactive')}</Badge>), width: '9rem' },
      { id: 'unit', header: t('video:field.unit'), value: c => c.unit?.name ?? '', cell: c => <span className="clip">{c.unit?.name ?? '–'}</span>, width: 'minmax(9rem, 1fr)' },
      { id: 'purpose', header: t('video:field.purpose'), value: c => words.purpose(c.purpose), cell: c => <span className="clip">{words.purpose(c.purpose)}</span>, width: 'minmax(9rem, 1fr)' },
      { id: 'record', header: t('video:field.record'), value: c => c.record, cell: c => <span>{t(`video:record.${c.record}`)}</span>, width: '10rem' },
    ],
    [t, words],
  )
  return <PagedTable pages={cameras} label={t('video:view.cameras')} columns={columns} rowKey={c => c.id} onOpen={onOpen} rowHeight={68}><Empty title={t('video:none')}>{t('video:none_body')}</Empty></PagedTable>
}

function Log() {
  const t = useT()
  const [kind, setKind] = useState('')
  const [who, setWho] = useState('')
  const [asked, setAsked] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setAsked(who.trim()), 300)
    return () => clearTimeout(timer)
  }, [who])
  const log = useCameraLog({ kind: kind || undefined, who: asked || undefined })
  return (
    <Card aria-label={t('video:log.title')}>
      <p className="quiet">{t('video:log.lead')}</p>
      <div className="tools">
        <Select aria-label={t('video:log.kind')} value={kind} onChange={e => setKind(e.target.value)}>
          <option value="">{t('video:log.all')}</option>
          {KINDS.map(k => <option key={k} value={k}>{t(`video:log.${k}`)}</option>)}
        </Select>
        <SearchBox label={t('video:log.who')} value={who} onChange={setWho} />
      </div>
      <LogList log={log} />
    </Card>
  )
}

function Exports() {
  const t = useT()
  const exports = useCameraExports()
  return <Card aria-label={t('video:exports.title')}><p className="quiet">{t('video:exports.lead')}</p><ExportList exports={exports} /></Card>
}

/** Cameras as they are registered, who watched them, and what is to be exported. */
export default function AdminPage() {
  const t = useT()
  useTitle(t('video:admin.title'))
  const me = useMe()
  const catalogue = useCameraCatalogue()
  const [search, setSearch] = useSearch()
  const manages = can(me.data, 'camera-manage')
  const allowed = VIEWS.filter(v => (v === 'log' ? can(me.data, 'camera-audit') : v === 'exports' ? can(me.data, 'camera-approve') || can(me.data, 'camera-export') || can(me.data, 'camera-audit') : true))
  const view: View = allowed.find(v => v === search['view']) ?? 'cameras'
  const [words, setWords] = useState('')
  const [editing, setEditing] = useState<CameraStart>()
  const [finding, setFinding] = useState(false)
  const [importing, setImporting] = useState(false)
  return (
    <div className="stack">
      <PageHeader title={t('video:admin.title')} lead={t('video:admin.lead')} actions={
        manages ? (
          <>
            <Button look="secondary" icon={<FileUp size={18} aria-hidden />} onClick={() => setImporting(true)}>{t('video:import.title')}</Button>
            <Button look="secondary" icon={<Radar size={18} aria-hidden />} onClick={() => setFinding(true)}>{t('video:find.title')}</Button>
            <Button icon={<Plus size={18} aria-hidden />} onClick={() => setEditing({})}>{t('video:add')}</Button>
          </>
        ) : null
      } />
      {catalogue.data && manages && !catalogue.data.private_networks ? <Note tone="medium">{t('video:no_private')}</Note> : null}
      <div className="tools">
        <Segments label={t('video:view.label')} value={view} onChange={v => setSearch({ view: v === 'cameras' ? undefined : v })} options={allowed.map(v => ({ value: v, label: t(`video:view.${v}`) }))} />
        {view === 'cameras' ? <SearchBox label={t('video:search')} value={words} onChange={setWords} /> : null}
      </div>
      {view === 'cameras' ? <Cameras q={words.trim()} onOpen={c => setEditing({ id: c.id })} /> : view === 'log' ? <Log /> : <Exports />}
      <Marks />
      <p className="small quiet">{t('video:retention_note', { days: format.number(catalogue.data?.policy?.retention_days ?? 0) })}</p>
      {editing ? <CameraDialog key={editing.id ?? editing.url ?? 'new'} start={editing} onClose={() => setEditing(undefined)} /> : null}
      {finding ? <FindDialog onClose={() => setFinding(false)} onTake={found => { setFinding(false); setEditing(found) }} /> : null}
      {importing ? <ImportDialog onClose={() => setImporting(false)} /> : null}
    </div>
  )
}
