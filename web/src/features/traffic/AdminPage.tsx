import { FileUp, Plus, RefreshCw } from 'lucide-react'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { can, useAskUsual, useImportSegments, useMe, useSaveSegment, useSaveSign, useTrafficCatalogue, useTrafficSegments, useTrafficSigns, type SignInput, type TrafficSegment, type TrafficSegmentInput, type TrafficSign } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Check, Dialog, Empty, FailedNote, Field, format, Input, Note, PageHeader, SearchBox, Segments, Select, TextArea, toast, toastError, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import { LevelBadge } from './parts'
import { Marks } from './TrafficPage'
import './traffic.css'

const COLUMNS = 'code,name,class,direction,line,free_speed,speed_limit,lanes,jam_density,unit,downstream,detectors,source'
const number = (text: string) => (text.trim() ? Number(text) : undefined)
const split = (text: string) => text.split(/[;\n]/).map(p => p.trim()).filter(Boolean)

function SegmentDialog({ old, onClose }: { old?: TrafficSegment; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const catalogue = useTrafficCatalogue()
  const save = useSaveSegment()
  const [form, setForm] = useState({
    code: old?.code ?? '', name: old?.name ?? '', class: old?.class ?? '', direction: old?.direction ?? '', line: (old?.line ?? []).map(p => p.join(' ')).join('\n'), free: old ? String(old.free_speed) : '', limit: old?.speed_limit ? String(old.speed_limit) : '', lanes: String(old?.lanes ?? 1),
    unit: old?.unit ?? '', downstream: (old?.downstream ?? []).join('; '), detectors: (old?.detectors ?? []).map(d => `${d.entity}|${d.period_s}`).join('\n'), source: old?.source ?? '', active: old?.active ?? true,
  })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const [free, limit] = [number(form.free), number(form.limit)]
    const input: TrafficSegmentInput = {
      code: form.code.trim(), name: form.name.trim(), class: form.class, direction: form.direction.trim(), line: split(form.line).map(p => p.split(/[\s,]+/).map(Number) as [number, number]), lanes: Number(form.lanes), unit: form.unit.trim(),
      downstream: split(form.downstream), detectors: split(form.detectors).map(d => ({ entity: d.split('|')[0] ?? '', period_s: Number(d.split('|')[1] ?? 3600) })), source: form.source.trim(), active: form.active,
      ...(old ? { version: old.version, jam_density: old.jam_density } : {}), ...(free === undefined ? {} : { free_speed: free }), ...(limit === undefined ? {} : { speed_limit: limit }),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('traffic:saved')); onClose() } })
  }
  return (
    <Dialog open wide onClose={onClose} title={old ? old.name : t('traffic:segment.add')}>
      <form className="stack" onSubmit={send}>
        <div className="road-grid">
          <Field label={t('traffic:segment.code')}>{ids => <Input {...ids} required maxLength={40} value={form.code} onChange={set('code')} />}</Field>
          <Field label={t('traffic:segment.name')}>{ids => <Input {...ids} required maxLength={160} value={form.name} onChange={set('name')} />}</Field>
          <Field label={t('traffic:segment.class')}>{ids => <Select {...ids} required value={form.class} onChange={set('class')}><option value="" />{(catalogue.data?.classes ?? []).map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}</Select>}</Field>
          <Field label={t('traffic:segment.direction')}>{ids => <Input {...ids} maxLength={120} value={form.direction} onChange={set('direction')} />}</Field>
          <Field label={t('traffic:segment.free')}>{ids => <Input {...ids} type="number" min={1} max={200} value={form.free} onChange={set('free')} />}</Field>
          <Field label={t('traffic:segment.limit')}>{ids => <Input {...ids} type="number" min={1} max={200} value={form.limit} onChange={set('limit')} />}</Field>
          <Field label={t('traffic:segment.lanes')}>{ids => <Input {...ids} type="number" min={1} max={20} required value={form.lanes} onChange={set('lanes')} />}</Field>
          <Field label={t('traffic:work.unit')} hint={t('traffic:work.unit_hint')}>{ids => <Input {...ids} maxLength={60} value={form.unit} onChange={set('unit')} />}</Field>
        </div>
        <Field label={t('traffic:segment.line')} hint={t('traffic:segment.line_hint')}>{ids => <TextArea {...ids} required rows={4} value={form.line} onChange={set('line')} />}</Field>
        <Field label={t('traffic:segment.detectors')} hint={t('traffic:segment.detectors_hint')}>{ids => <TextArea {...ids} rows={2} value={form.detectors} onChange={set('detectors')} />}</Field>
        <Field label={t('traffic:segment.downstream')} hint={t('traffic:segment.downstream_hint')}>{ids => <Input {...ids} value={form.downstream} onChange={set('downstream')} />}</Field>
        <Field label={t('traffic:segment.source')}>{ids => <Input {...ids} maxLength={300} value={form.source} onChange={set('source')} />}</Field>
        <Check checked={form.active} onChange={e => setForm(before => ({ ...before, active: e.target.checked }))}>{t('traffic:segment.active')}</Check>
        <FailedNote error={save.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
      </form>
    </Dialog>
  )
}

function SignDialog({ old, onClose }: { old?: TrafficSign; onClose: () => void }) {
  const t = useT()
  const save = useSaveSign()
  const [form, setForm] = useState({ code: old?.code ?? '', name: old?.name ?? '', device: old?.device ?? '', command: old?.command ?? 'show', lines: String(old?.lines ?? 2), chars: String(old?.chars ?? 16), letters: old?.letters ?? 'plain', lon: old ? String(old.location.lon) : '', lat: old ? String(old.location.lat) : '', segments: (old?.segments ?? []).join('; '), unit: old?.unit ?? '', active: old?.active ?? true })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const input: SignInput = {
      code: form.code.trim(), name: form.name.trim(), device: form.device.trim(), command: form.command.trim(), lines: Number(form.lines), chars: Number(form.chars), letters: form.letters === 'vietnamese' ? 'vietnamese' : 'plain',
      location: { lon: Number(form.lon), lat: Number(form.lat) }, segments: split(form.segments), unit: form.unit.trim(), active: form.active, ...(old?.version === undefined ? {} : { version: old.version }),
    }
    save.mutate({ ...(old ? { id: old.id } : {}), input }, { onSuccess: () => { toast(t('traffic:saved')); onClose() } })
  }
  const plain = (key: 'code' | 'name' | 'device' | 'command') => <Field key={key} label={t(`traffic:sign.field.${key}`)}>{ids => <Input {...ids} required maxLength={160} value={form[key]} onChange={set(key)} />}</Field>
  return (
    <Dialog open wide onClose={onClose} title={old ? old.name : t('traffic:sign.add')}>
      <form className="stack" onSubmit={send}>
        <div className="road-grid">
          {(['code', 'name', 'device', 'command'] as const).map(plain)}
          <Field label={t('traffic:sign.field.lines')}>{ids => <Input {...ids} type="number" min={1} max={8} required value={form.lines} onChange={set('lines')} />}</Field>
          <Field label={t('traffic:sign.field.chars')}>{ids => <Input {...ids} type="number" min={4} max={40} required value={form.chars} onChange={set('chars')} />}</Field>
          <Field label={t('traffic:sign.field.letters')}>{ids => <Select {...ids} value={form.letters} onChange={set('letters')}>{(['vietnamese', 'plain'] as const).map(l => <option key={l} value={l}>{t(`traffic:sign.letters.${l}`)}</option>)}</Select>}</Field>
          <Field label={t('traffic:sign.field.lon')}>{ids => <Input {...ids} type="number" step="any" required value={form.lon} onChange={set('lon')} />}</Field>
          <Field label={t('traffic:sign.field.lat')}>{ids => <Input {...ids} type="number" step="any" required value={form.lat} onChange={set('lat')} />}</Field>
          <Field label={t('traffic:work.unit')} hint={t('traffic:work.unit_hint')}>{ids => <Input {...ids} maxLength={60} value={form.unit} onChange={set('unit')} />}</Field>
        </div>
        <Field label={t('traffic:sign.field.segments')}>{ids => <Input {...ids} value={form.segments} onChange={set('segments')} />}</Field>
        <Check checked={form.active} onChange={e => setForm(before => ({ ...before, active: e.target.checked }))}>{t('traffic:segment.active')}</Check>
        <FailedNote error={save.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
      </form>
    </Dialog>
  )
}

function ImportDialog({ onClose }: { onClose: () => void }) {
  const t = useT()
  const send = useImportSegments()
  const [file, setFile] = useState<File>()
  const done = send.data
  return (
    <Dialog open wide onClose={onClose} title={t('traffic:import.title')}>
      <p className="quiet">{t('traffic:import.lead')}</p>
      <p className="code break">{COLUMNS}</p>
      <form className="stack" onSubmit={e => { e.preventDefault(); if (file) send.mutate(file) }}>
        <Field label={t('traffic:import.file')}>{ids => <Input {...ids} type="file" required accept=".csv,.geojson,.json" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <FailedNote error={send.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={send.isPending} disabled={!file}>{t('traffic:import.send')}</Button></div>
      </form>
      {done ? <Note tone={done.rejects.length ? 'high' : 'good'}><p>{t('traffic:import.done', { added: done.added, changed: done.changed, rejected: done.rejects.length })}</p>{done.rejects.length ? <ul>{done.rejects.map((r, n) => <li key={n}>{t('traffic:import.line', { line: r.line })} {r.detail}</li>)}</ul> : null}</Note> : null}
    </Dialog>
  )
}

function SegmentTable({ q, onOpen }: { q: string; onOpen: (s: TrafficSegment) => void }) {
  const t = useT()
  const segments = useTrafficSegments(q)
  const columns = useMemo<Column<TrafficSegment>[]>(
    () => [
      { id: 'code', header: t('traffic:segment.code'), value: s => s.code, cell: s => <span className="code">{s.code}</span>, width: '8rem' },
      { id: 'name', header: t('traffic:segment.name'), value: s => s.name, cell: s => <><strong className="clip" style={{ display: 'block' }}>{s.name}</strong><span className="small quiet">{s.direction}</span></> },
      { id: 'level', header: t('traffic:level.label'), value: s => s.now.level, cell: s => <LevelBadge level={s.now.level} />, width: '10rem' },
      { id: 'detectors', header: t('traffic:segment.detectors'), value: s => s.detectors.length, cell: s => <span className="tnum">{format.number(s.detectors.length, 0)}</span>, width: '7rem' },
      { id: 'heard', header: t('traffic:heard'), value: s => s.now.at ?? '', cell: s => (s.now.at ? format.ago(s.now.at) : t('traffic:never')), width: '9rem' },
    ],
    [t],
  )
  return <PagedTable pages={segments} label={t('traffic:admin.segments')} columns={columns} rowKey={s => s.id} onOpen={onOpen} rowHeight={64}><Empty title={t('traffic:no_segments')}>{t('traffic:import.lead')}</Empty></PagedTable>
}

function SignTable({ onOpen }: { onOpen: (s: TrafficSign) => void }) {
  const t = useT()
  const signs = useTrafficSigns()
  const columns = useMemo<Column<TrafficSign>[]>(
    () => [
      { id: 'code', header: t('traffic:segment.code'), value: s => s.code, cell: s => <span className="code">{s.code}</span>, width: '8rem' },
      { id: 'name', header: t('traffic:segment.name'), value: s => s.name, cell: s => <strong className="clip">{s.name}</strong> },
      { id: 'device', header: t('traffic:sign.field.device'), value: s => s.device, cell: s => <span className="code clip">{s.device}</span>, width: '10rem' },
      { id: 'size', header: t('traffic:sign.size'), value: s => s.lines * s.chars, cell: s => `${s.lines} × ${s.chars}`, width: '7rem' },
    ],
    [t],
  )
  return <PagedTable pages={signs} label={t('traffic:admin.signs')} columns={columns} rowKey={s => s.id} onOpen={onOpen} rowHeight={56}><Empty title={t('traffic:sign.none')}>{t('traffic:sign.none_body')}</Empty></PagedTable>
}

/** Segments with their detectors, and signs. */
export default function AdminPage() {
  const t = useT()
  useTitle(t('traffic:admin.title'))
  const me = useMe()
  const [search, setSearch] = useSearch()
  const view = search['view'] === 'signs' ? 'signs' : 'segments'
  const [words, setWords] = useState(search['q'] ?? '')
  const [segment, setSegment] = useState<TrafficSegment | 'new'>()
  const [sign, setSign] = useState<TrafficSign | 'new'>()
  const [importing, setImporting] = useState(false)
  const ask = useAskUsual()
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() || undefined }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  return (
    <div className="stack">
      <PageHeader title={t('traffic:admin.title')} lead={t('traffic:admin.lead')} actions={
        can(me.data, 'traffic-manage') ? (
          <>
            <Button look="secondary" icon={<RefreshCw size={18} aria-hidden />} busy={ask.isPending} onClick={() => ask.mutate(undefined, { onSuccess: () => toast(t('traffic:admin.asked')), onError: toastError })}>{t('traffic:admin.ask')}</Button>
            <Button look="secondary" icon={<FileUp size={18} aria-hidden />} onClick={() => setImporting(true)}>{t('traffic:import.title')}</Button>
            {view === 'signs' ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setSign('new')}>{t('traffic:sign.add')}</Button> : <Button icon={<Plus size={18} aria-hidden />} onClick={() => setSegment('new')}>{t('traffic:segment.add')}</Button>}
          </>
        ) : null
      } />
      <div className="tools">
        <Segments label={t('traffic:view.label')} value={view} onChange={v => setSearch({ view: v === 'signs' ? 'signs' : undefined })} options={[{ value: 'segments', label: t('traffic:admin.segments') }, { value: 'signs', label: t('traffic:admin.signs') }]} />
        {view === 'segments' ? <SearchBox label={t('traffic:admin.search')} value={words} onChange={setWords} /> : null}
      </div>
      {view === 'signs' ? <SignTable onOpen={setSign} /> : <SegmentTable q={search['q'] ?? ''} onOpen={setSegment} />}
      <Marks />
      {segment ? <SegmentDialog key={segment === 'new' ? 'new' : segment.id} {...(segment === 'new' ? {} : { old: segment })} onClose={() => setSegment(undefined)} /> : null}
      {sign ? <SignDialog key={sign === 'new' ? 'new' : sign.id} {...(sign === 'new' ? {} : { old: sign })} onClose={() => setSign(undefined)} /> : null}
      {importing ? <ImportDialog onClose={() => setImporting(false)} /> : null}
    </div>
  )
}
